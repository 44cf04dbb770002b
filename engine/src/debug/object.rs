//! An object file in ELF format, in memory, about code that is elsewhere in memory: what debuggers read of compilers at run time.

use object::elf::{EM_X86_64, ET_REL, SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS, STB_GLOBAL, STT_FUNC};
use object::write::elf::{FileHeader, SectionHeader, Sym, Writer};
use object::{Endianness, write};

/// A function's code in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeSymbol {
    /// Of its first byte.
    pub(super) address: usize,
    /// Its bytes.
    pub(super) len: usize,
    /// For people; without zero bytes.
    pub(super) name: String,
}

/// An object whose text is `len` bytes at `address`, with symbols and frame descriptions. Empty if it cannot be written.
pub(super) fn object(address: u64, len: u64, symbols: &[CodeSymbol], eh_frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match write(&mut Writer::new(Endianness::Little, true, &mut out), address, len, symbols, eh_frame) {
        Ok(()) => out,
        Err(e) => {
            log::debug!("no object for debuggers: {e}");
            Vec::new()
        }
    }
}

fn write<'a>(w: &mut Writer<'a>, address: u64, len: u64, symbols: &'a [CodeSymbol], eh_frame: &[u8]) -> Result<(), write::Error> {
    const ALIGN: u64 = 8;
    // Everything is given its place before anything is written.
    w.reserve_file_header();
    w.reserve_null_section_index();
    let (text_name, text) = (w.add_section_name(b".text"), w.reserve_section_index());
    let frames_name = w.add_section_name(b".eh_frame");
    w.reserve_section_index();
    w.reserve_symtab_section_index();
    w.reserve_strtab_section_index();
    w.reserve_shstrtab_section_index();
    w.reserve_null_symbol_index();
    let names: Vec<_> = symbols.iter().map(|symbol| w.add_string(symbol.name.as_bytes())).collect();
    for _ in symbols {
        w.reserve_symbol_index(Some(text));
    }
    let frames_at = w.reserve(eh_frame.len(), ALIGN as usize) as u64;
    w.reserve_symtab();
    w.reserve_strtab();
    w.reserve_shstrtab();
    w.reserve_section_headers();

    w.write_file_header(&FileHeader { os_abi: 0, abi_version: 0, e_type: ET_REL, e_machine: EM_X86_64, e_entry: 0, e_flags: 0 })?;
    w.write_align(ALIGN as usize);
    w.write(eh_frame);
    w.write_null_symbol();
    for (symbol, name) in symbols.iter().zip(names) {
        w.write_symbol(&Sym {
            name: Some(name),
            section: Some(text),
            st_info: STB_GLOBAL << 4 | STT_FUNC,
            st_other: 0,
            st_shndx: 0,
            // In a relocatable file values count from the section's start.
            st_value: (symbol.address as u64).wrapping_sub(address),
            st_size: symbol.len as u64,
        });
    }
    w.write_strtab();
    w.write_shstrtab();
    let section = |name, sh_type, flags: u32, sh_addr, sh_offset, sh_size, sh_addralign| SectionHeader {
        name: Some(name),
        sh_type,
        sh_flags: flags.into(),
        sh_addr,
        sh_offset,
        sh_size,
        sh_link: 0,
        sh_info: 0,
        sh_addralign,
        sh_entsize: 0,
    };
    w.write_null_section_header();
    w.write_section_header(&section(text_name, SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, address, frames_at, len, 16));
    w.write_section_header(&section(frames_name, SHT_PROGBITS, SHF_ALLOC, 0, frames_at, eh_frame.len() as u64, ALIGN));
    // All symbols but the first, which is none, are global.
    w.write_symtab_section_header(1);
    w.write_strtab_section_header();
    w.write_shstrtab_section_header();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::elf::ElfFile64;
    use object::{Object, ObjectKind, ObjectSection, ObjectSymbol};

    #[test]
    fn what_is_written_is_read_by_others() {
        let symbol = |address, len, name: &str| CodeSymbol { address, len, name: name.to_owned() };
        let symbols = [symbol(0x7000, 10, "first"), symbol(0x7020, 5, "second")];
        let bytes = object(0x7000, 64, &symbols, b"descriptions of frames");
        let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
        assert_eq!(file.kind(), ObjectKind::Relocatable);
        let text = file.section_by_name(".text").unwrap();
        assert_eq!(
            (text.address(), text.size(), text.elf_section_header().sh_type.get(Endianness::Little)),
            (0x7000, 64, SHT_NOBITS)
        );
        assert_eq!(file.section_by_name(".eh_frame").unwrap().data().unwrap(), b"descriptions of frames");
        let read = |s: object::read::elf::ElfSymbol64<'_, '_, Endianness>| {
            (s.name().unwrap().to_owned(), s.address(), s.size(), s.section_index() == Some(text.index()), s.is_global())
        };
        let expected = [("first", 0, 10), ("second", 0x20, 5)].map(|(name, at, len)| (name.to_owned(), at, len, true, true));
        assert_eq!(file.symbols().map(read).collect::<Vec<_>>(), expected);
    }
}
