//! From what a file contains to the binary format.

use crate::error::Error;
use std::borrow::Cow;

/// The binary format of a module in text or binary form. Text may begin with a line `#!`. What is neither is returned as it is,
/// for the decoder to say what it looks like.
///
/// # Errors
/// [`Error::Text`] if it is text that does not parse.
pub fn to_binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if bytes.starts_with(b"\0asm") || bytes.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let start = text.strip_prefix("#!").map_or(text, |rest| rest.split_once('\n').map_or("", |(_, module)| module));
    if !looks_like_text(start) {
        return Ok(Cow::Borrowed(bytes));
    }
    // The line is kept as a comment, so that line numbers in messages are the file's.
    let text = if text.starts_with("#!") { Cow::Owned(text.replacen("#!", ";;", 1)) } else { Cow::Borrowed(text) };
    match wat::parse_str(&text) {
        Ok(binary) => Ok(Cow::Owned(binary)),
        Err(e) => Err(Error::Text(e.to_string())),
    }
}

/// Whether the first token is one that a module in text form can begin with.
fn looks_like_text(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('(') || text.starts_with(";;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_other_bytes_stay_as_they_are() {
        for bytes in [&b"\0asm\x01\0\0\0"[..], b"", b"\x7fELF", b"hello", b"#!/bin/sh\necho", b"\xff\xfe"] {
            assert!(matches!(to_binary(bytes), Ok(Cow::Borrowed(same)) if same == bytes));
        }
    }

    #[test]
    fn text_is_assembled_and_a_first_line_for_the_shell_skipped() {
        for text in ["(module)", "  (module)", ";; comment\n(module)", "(; block ;) (module)", "#!/usr/bin/sconce\n(module)"] {
            assert_eq!(&*to_binary(text.as_bytes()).unwrap(), b"\0asm\x01\0\0\0", "{text}");
        }
    }

    #[test]
    fn lines_in_messages_are_the_files() {
        let error = to_binary(b"#!/usr/bin/sconce\n(module (fun))").unwrap_err().to_string();
        assert!(error.contains(":2:"), "{error}");
    }
}
