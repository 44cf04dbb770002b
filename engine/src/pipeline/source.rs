//! Reading a module from a file, a pipe or whatever else gives bytes: as far as what comes can be a module,
//! and no further. A device, a socket or a FIFO may never end.

use super::text::{looks_like_text, without_mark};
use crate::causes::TextError;
use crate::error::Error;
use sconce_environ::decode::DecodeError;
use std::io::Read;

/// Bytes that a module in binary form can have at most, and one more: enough for the decoder to say so.
pub(crate) const MAX_BINARY: u64 = 1 << 32;
/// Bytes of text at most. Assembling takes some 20 times as much memory.
const MAX_TEXT: u64 = 256 << 20;
/// What is read before it is known what it is. The decoder's message on what it looks like needs no more.
const SAMPLE: u64 = 64 << 10;

/// What bytes are the beginning of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A module in binary form.
    Binary,
    /// What `sconce compile` writes. It says itself how long it is.
    Artifact,
    /// Text, or only space so far.
    Text,
    Other,
}

fn kind(sample: &[u8]) -> Kind {
    if crate::artifact::is_artifact(sample) {
        return Kind::Artifact;
    }
    if sample.starts_with(b"\0asm\x01\0\0\0") {
        return Kind::Binary;
    }
    let text = match str::from_utf8(sample) {
        Ok(text) => text,
        // The sample may end inside a character.
        Err(e) if e.error_len().is_none() => str::from_utf8(&sample[..e.valid_up_to()]).unwrap_or_default(),
        Err(_) => return Kind::Other,
    };
    let text = without_mark(text);
    let module = if text.starts_with("#!") { text.split_once('\n').map(|(_, module)| module) } else { Some(text) };
    match module {
        Some(text) if looks_like_text(text) || (text.trim().is_empty() && !sample.is_empty()) => Kind::Text,
        Some(_) | None => Kind::Other,
    }
}

/// Reads a module to its end, or to where it is known that it is none: the decoder then says why. `length` is
/// how much is expected.
///
/// # Errors
/// [`Error::Io`]; [`Error::Decode`] and [`Error::Text`] if it is too large.
pub fn read_module(stream: impl Read, length: Option<u64>) -> Result<Vec<u8>, Error> {
    let mut source = Source { stream, bytes: Vec::new() };
    source.upto(SAMPLE)?;
    match kind(&source.bytes) {
        Kind::Other => {}
        Kind::Artifact => source.upto(MAX_BINARY)?,
        Kind::Text => source.text(length)?,
        Kind::Binary => {
            if let Some(bytes) = length.filter(|&length| length >= MAX_BINARY) {
                return Err(Error::Decode(DecodeError::TooLarge { bytes }));
            }
            // At once, and not in ever larger pieces; should there be less memory than that, reading will say so.
            let more = length.map_or(0, |length| length.saturating_sub(source.bytes.len() as u64) as usize + 1);
            let _ = source.bytes.try_reserve_exact(more);
            source.sections()?;
        }
    }
    Ok(source.bytes)
}

/// The same for who can do something with a component: that is read to its end, too.
///
/// # Errors
/// As [`read_module`].
pub fn read_module_or_component(stream: impl Read, length: Option<u64>) -> Result<Vec<u8>, Error> {
    let mut source = Source { stream, bytes: Vec::new() };
    source.upto(8)?;
    if source.bytes == COMPONENT {
        source.upto(MAX_BINARY)?;
        return Ok(source.bytes);
    }
    let begin = std::mem::take(&mut source.bytes);
    read_module(begin.as_slice().chain(source.stream), length)
}

/// How a component begins.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Reads a script to its end.
///
/// # Errors
/// [`Error::Io`]; [`Error::Text`] if it is too large, or not text.
pub fn read_script(stream: impl Read) -> Result<String, Error> {
    let mut source = Source { stream, bytes: Vec::new() };
    source.upto(SAMPLE)?;
    if source.bytes.starts_with(b"\0asm") {
        return Err(TextError::Binary.into());
    }
    if !source.bytes.is_empty() && kind(&source.bytes) != Kind::Text {
        return match str::from_utf8(&source.bytes) {
            Err(e) if e.error_len().is_some() => Err(TextError::NotUtf8(e).into()),
            Ok(_) | Err(_) => Err(TextError::NotAScript.into()),
        };
    }
    source.text(None)?;
    let text = String::from_utf8(source.bytes).map_err(|e| TextError::NotUtf8(e.utf8_error()))?;
    Ok(without_mark(&text).to_owned())
}

/// Whether reading would get so far that it is worth it to look for the module elsewhere first: in the cache,
/// by a hash of its bytes.
pub(crate) fn may_be_module(sample: &[u8], length: u64) -> bool {
    match kind(sample) {
        Kind::Binary => length < MAX_BINARY,
        Kind::Text => length <= MAX_TEXT,
        Kind::Artifact | Kind::Other => false,
    }
}

struct Source<R> {
    stream: R,
    bytes: Vec<u8>,
}

impl<R: Read> Source<R> {
    /// Reads until there are so many bytes, or no more.
    fn upto(&mut self, len: u64) -> Result<(), Error> {
        let more = len.saturating_sub(self.bytes.len() as u64);
        match (&mut self.stream).take(more).read_to_end(&mut self.bytes) {
            Ok(_) => Ok(()),
            Err(e) => Err(Error::Io(e)),
        }
    }

    fn text(&mut self, length: Option<u64>) -> Result<(), Error> {
        if length.is_none_or(|length| length <= MAX_TEXT) {
            self.upto(MAX_TEXT + 1)?;
            if self.bytes.len() as u64 <= MAX_TEXT {
                return Ok(());
            }
        }
        Err(TextError::TooLong { limit: MAX_TEXT >> 20 }.into())
    }

    /// Reads a binary section by section.
    fn sections(&mut self) -> Result<(), Error> {
        /// Identifiers of sections in their order: the specification, "Modules", in the binary format. Custom
        /// ones stand anywhere.
        const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
        /// An identifier and a length.
        const HEAD: u64 = 6;
        let (mut at, mut order) = (8u64, &ORDER[..]);
        while at < MAX_BINARY {
            self.upto(at + HEAD)?;
            let head = self.bytes.get(at as usize..).unwrap_or_default();
            let Some((&id, rest)) = head.split_first() else { return Ok(()) };
            if id != 0 {
                // What does not follow ends the module, as it will for the decoder.
                let Some(place) = order.iter().position(|&known| known == id) else { return Ok(()) };
                order = &order[place + 1..];
            }
            let Some((len, used)) = length(rest) else { return Ok(()) };
            at += 1 + used + len;
            self.upto(at.min(MAX_BINARY))?;
            if (self.bytes.len() as u64) < at {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// An unsigned LEB128 of 32 bits, and its bytes.
fn length(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut value = 0;
    for (n, &byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return (value <= u64::from(u32::MAX)).then_some((value, n as u64 + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives bytes, then others without end, and counts.
    struct Endless<'a>(&'a [u8], &'a [u8], u64);

    impl Read for Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                self.0 = self.1;
            }
            let n = self.0.len().min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            self.2 += n as u64;
            Ok(n)
        }
    }

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn what_cannot_be_a_module_is_not_read_on() {
        let zeros = [0; 4096];
        let section = [MODULE, &[1, 4, 1, 0x60, 0, 0]].concat();
        for (begin, rest, most) in [
            (&b""[..], &zeros[..], SAMPLE),
            (b"", b"yes\n", SAMPLE),
            (b"", b"\xff\xfe", SAMPLE),
            (b"\x7fELF", &zeros, SAMPLE),
            (b"\0asm\x0d\0\x01\0", &zeros, SAMPLE),
            (b"#!/bin/sh\n", b"yes\n", SAMPLE),
            (b"#!", b"x", SAMPLE),
            // A type section twice, one of an unknown kind, a length without end.
            (MODULE, &[1, 4, 1, 0x60, 0, 0], SAMPLE + 16),
            (&section, &[1, 1, 0], SAMPLE + 16),
            (&section, &[0x7f], SAMPLE + 16),
            (MODULE, &[0xff], SAMPLE + 16),
        ] {
            let mut stream = Endless(begin, rest, 0);
            read_module(&mut stream, None).unwrap();
            assert!(stream.2 <= most, "{begin:?} {rest:?}: {}", stream.2);
        }
    }

    #[test]
    fn what_may_be_a_module_has_an_end_all_the_same() {
        let space = vec![b' '; 1 << 20];
        for begin in [&b"(module "[..], b"", b"#!/usr/bin/sconce\n"] {
            let error = read_module(Endless(begin, &space, 0), None).unwrap_err().to_string();
            assert!(error.contains("longer than 256 MiB"), "{error}");
        }
        assert!(read_script(Endless(b";; ", &space, 0)).unwrap_err().to_string().contains("longer than 256 MiB"));
        assert!(
            matches!(read_module(MODULE, Some(1 << 40)), Err(Error::Decode(DecodeError::TooLarge { bytes })) if bytes == 1 << 40)
        );
        assert!(read_module(&b"(module)"[..], Some(1 << 40)).is_err());
        assert!(read_script(&[0; 100][..]).unwrap_err().to_string().contains("not a script"));
    }

    #[test]
    fn modules_are_read_whole() {
        let custom = [&[0, 0x85, 0x80, 0x80, 0x80, 0][..], b"\x04name"].concat();
        let whole = [MODULE, &custom, &[1, 4, 1, 0x60, 0, 0], &custom, &[3, 2, 1, 0], &[10, 4, 1, 2, 0, 0x0b], &custom].concat();
        for bytes in
            [&whole[..], &whole[..20], MODULE, b"\0asm", b"\0as", b"", b"(module)", b"#!/usr/bin/sconce\n(module)", b"\n(module)"]
        {
            assert_eq!(read_module(bytes, None).unwrap(), bytes);
        }
        let long = [MODULE, &[0, 0x80, 0x80, 0x08][..], &vec![0; 1 << 17]].concat();
        assert_eq!(read_module(&long[..], Some(long.len() as u64)).unwrap().len(), long.len());
        assert_eq!(read_script(&b"(module)"[..]).unwrap(), "(module)");
        assert_eq!(read_script(&b""[..]).unwrap(), "");
    }
}
