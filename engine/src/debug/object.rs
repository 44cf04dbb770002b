//! An object file in ELF format, in memory, about code that is elsewhere in memory: what debuggers read of compilers at run time.

/// A function's code in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeSymbol {
    /// Of its first byte.
    pub(super) address: usize,
    /// Its bytes.
    pub(super) len: usize,
    /// For people.
    pub(super) name: String,
}

/// Section headers, in the order of the file.
const SECTION_NAMES: &[u8] = b"\0.text\0.eh_frame\0.symtab\0.strtab\0.shstrtab\0";
const HEADER: usize = 64;

/// A section header's fields that are not the same for all.
struct Section<'a> {
    name: &'a [u8],
    kind: u32,
    flags: u64,
    address: u64,
    size: u64,
    bytes: &'a [u8],
    link: u32,
    info: u32,
    align: u64,
    entry: u64,
}

const NO_SECTION: Section<'_> =
    Section { name: b"", kind: 0, flags: 0, address: 0, size: 0, bytes: &[], link: 0, info: 0, align: 0, entry: 0 };

/// An object whose text is `len` bytes at `address`, with symbols and frame descriptions.
pub(super) fn object(address: u64, len: u64, symbols: &[CodeSymbol], eh_frame: &[u8]) -> Vec<u8> {
    const PROGBITS: u32 = 1;
    const SYMTAB: u32 = 2;
    const STRTAB: u32 = 3;
    const NOBITS: u32 = 8;
    const ALLOC: u64 = 2;
    const EXECUTABLE: u64 = 4;
    const GLOBAL_FUNCTION: u8 = 0x12;
    const TEXT_SECTION: u8 = 1;
    let mut strings = vec![0];
    // The first symbol is none.
    let mut table = vec![0; 24];
    for symbol in symbols {
        table.extend((strings.len() as u32).to_le_bytes());
        table.extend([GLOBAL_FUNCTION, 0, TEXT_SECTION, 0]);
        // In a relocatable file values count from the section's start.
        table.extend((symbol.address as u64).wrapping_sub(address).to_le_bytes());
        table.extend((symbol.len as u64).to_le_bytes());
        strings.extend(symbol.name.bytes().filter(|&b| b != 0));
        strings.push(0);
    }
    let sections = [
        NO_SECTION,
        Section { name: b".text", kind: NOBITS, flags: ALLOC | EXECUTABLE, address, size: len, align: 16, ..NO_SECTION },
        Section { name: b".eh_frame", kind: PROGBITS, flags: ALLOC, bytes: eh_frame, align: 8, ..NO_SECTION },
        Section { name: b".symtab", kind: SYMTAB, bytes: &table, link: 4, info: 1, align: 8, entry: 24, ..NO_SECTION },
        Section { name: b".strtab", kind: STRTAB, bytes: &strings, align: 1, ..NO_SECTION },
        Section { name: b".shstrtab", kind: STRTAB, bytes: SECTION_NAMES, align: 1, ..NO_SECTION },
    ];
    let mut out = vec![0; HEADER];
    let mut headers = Vec::new();
    for section in &sections {
        out.resize(out.len().next_multiple_of(16), 0);
        let name = SECTION_NAMES.windows(section.name.len() + 1).position(|w| w.starts_with(section.name) && w.ends_with(b"\0"));
        headers.extend((name.unwrap_or(0) as u32).to_le_bytes());
        headers.extend(section.kind.to_le_bytes());
        let size = section.size.max(section.bytes.len() as u64);
        for word in [section.flags, section.address, out.len() as u64, size] {
            headers.extend(word.to_le_bytes());
        }
        headers.extend(section.link.to_le_bytes());
        headers.extend(section.info.to_le_bytes());
        headers.extend(section.align.to_le_bytes());
        headers.extend(section.entry.to_le_bytes());
        out.extend(section.bytes);
    }
    out.resize(out.len().next_multiple_of(8), 0);
    let at = out.len() as u64;
    out.extend(headers);
    // 64 bits, little-endian, version 1; relocatable, x86-64, version 1; no entry, no program headers.
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
    for word in [0, 0, at] {
        header.extend(word.to_le_bytes());
    }
    header.extend(0u32.to_le_bytes());
    for half in [HEADER as u16, 0, 0, HEADER as u16, sections.len() as u16, sections.len() as u16 - 1] {
        header.extend(half.to_le_bytes());
    }
    out[..HEADER].copy_from_slice(&header);
    out
}
