//! What bytes look like before they are parsed: people pass the wrong file more often than a broken module.

use super::error::DecodeError;

const MAGIC: &[u8] = b"\0asm";

/// First bytes that say what a file is.
const KNOWN: &[(&[u8], &str)] = &[
    (b"\x7fELF", "it is a native ELF binary"),
    (b"MZ", "it is a Windows executable"),
    (b"\xcf\xfa\xed\xfe", "it is a Mach-O binary"),
    (b"\xca\xfe\xba\xbe", "it is a Mach-O universal binary or a Java class"),
    (b"BC\xc0\xde", "it is LLVM bitcode, which has not been linked"),
    (b"!<arch>\n", "it is a static library"),
    (b"PK\x03\x04", "it is a ZIP archive"),
    (b"\x28\xb5\x2f\xfd", "it is compressed (zstd)"),
    (b"\xfd7zXZ\0", "it is compressed (xz)"),
    (b"BZh", "it is compressed (bzip2)"),
    (b"%PDF", "it is a PDF document"),
    (b"#!", "it is a script"),
];

/// Whether the bytes start as a core module does.
///
/// # Errors
/// What they are instead.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.starts_with(b"\x1f\x8b") {
        return Err(DecodeError::Gzip);
    }
    let head = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(head) {
        return Err(DecodeError::NotWasm { looks_like: looks_like(bytes) });
    }
    // Magic, version (16 bits), layer (16 bits).
    match bytes.get(6..8) {
        None => Err(DecodeError::Truncated { offset: bytes.len() as u64 }),
        Some([1, 0]) => Err(DecodeError::Component),
        Some(_) if bytes.len() as u64 > u64::from(u32::MAX) => Err(DecodeError::TooLarge { bytes: bytes.len() as u64 }),
        Some(_) => Ok(()),
    }
}

fn looks_like(bytes: &[u8]) -> String {
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*what).to_owned();
    }
    let sample = &bytes[..bytes.len().min(512)];
    let text = match std::str::from_utf8(sample) {
        Ok(text) => Some(text),
        // The sample may end inside a character.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&sample[..e.valid_up_to()]).ok(),
        Err(_) => None,
    };
    if let Some(text) = text.filter(|t| !t.contains(|c: char| c.is_control() && !c.is_whitespace())) {
        let start = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
        let html = ["<!doctype", "<html", "<head", "<?xml", "<!--"].iter().any(|tag| start.starts_with(tag));
        return if html { "it is an HTML or XML page" } else { "it is a text file" }.to_owned();
    }
    let hex: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("its first bytes are {}, not 00 61 73 6d", hex.join(" "))
}
