//! From what a file contains to the binary format.

use crate::causes::TextError;
use crate::error::Error;
use sconce_environ::decode::DecodeError;
use sconce_environ::shown::{Shown, message};
use std::borrow::Cow;

/// The binary format of a module in text or binary form. Text may begin with a byte order mark and a line
/// `#!`. What is neither is returned as it is, for the decoder to say what it looks like.
///
/// # Errors
/// [`Error::Text`] if it is text that does not parse, [`Error::Decode`] if it is a component in text form.
pub fn to_binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if bytes.starts_with(b"\0asm") || bytes.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let text = without_mark(text);
    let start = text.strip_prefix("#!").map_or(text, |rest| rest.split_once('\n').map_or("", |(_, module)| module));
    if !looks_like_text(start) {
        return Ok(Cow::Borrowed(bytes));
    }
    // The line is kept as a comment, so that line numbers in messages are the file's.
    let text = if text.starts_with("#!") { Cow::Owned(text.replacen("#!", ";;", 1)) } else { Cow::Borrowed(text) };
    let binary = sconce_environ::text::to_binary(&text);
    binary.map(Cow::Owned).map_err(|source| match is_component(&source) {
        true => Error::Decode(DecodeError::Component),
        false => TextError::Syntax { message: told(&source, &text), source }.into(),
    })
}

/// Whether the parser stopped because the text is a component: it is built without them.
fn is_component(error: &wast::Error) -> bool {
    error.message().contains("components disabled")
}

/// What is wrong, where, and what stands there: a line may be as long as the file, so only what is around the place is quoted.
fn told(error: &wast::Error, text: &str) -> String {
    const BEFORE: usize = 60;
    const BEHIND: usize = 40;
    let (row, column) = error.span().linecol_in(text);
    let line = text.lines().nth(row).unwrap_or_default();
    let column = line.floor_char_boundary(column);
    let from = line[..column].char_indices().rev().take(BEFORE).last().map_or(column, |(at, _)| at);
    let behind = &line[column..];
    let to = column + behind.char_indices().nth(BEHIND).map_or(behind.len(), |(at, _)| at);
    let plain = |part: &str| Shown::new(&part.replace('\t', "    ")).to_string();
    let mark = |cut: bool| if cut { "…" } else { "" };
    let before = format!("{}{}", mark(from > 0), plain(&line[from..column]));
    let behind = format!("{}{}", plain(&line[column..to]), mark(to < line.len()));
    format!(
        "{}\n     --> <text>:{}:{}\n      |\n {:4} | {before}{behind}\n      | {:width$}^",
        message(&error.message()),
        row + 1,
        column + 1,
        row + 1,
        "",
        width = before.chars().count(),
    )
}

/// The text after the byte order mark with which some editors let files begin.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Whether the first token is one that a module in text form can begin with.
pub(crate) fn looks_like_text(text: &str) -> bool {
    let text = text.trim_start();
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
            assert_eq!(&*to_binary(format!("\u{feff}{text}").as_bytes()).unwrap(), b"\0asm\x01\0\0\0", "{text}");
            assert_eq!(&*to_binary(text.as_bytes()).unwrap(), b"\0asm\x01\0\0\0", "{text}");
        }
    }

    #[test]
    fn lines_in_messages_are_the_files() {
        let error = to_binary(b"#!/usr/bin/sconce\n(module (fun))").unwrap_err().to_string();
        assert!(error.contains(":2:"), "{error}");
    }

    #[test]
    fn excerpts_are_bounded_and_plain() {
        let told = |text: &str| to_binary(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            told("(module\n  (fun))"),
            "expected valid module field\n     --> <text>:2:4\n      |\n    2 |   (fun))\n      |    ^"
        );
        let spaces = " ".repeat(1 << 20);
        let long = told(&format!("(module {spaces}(fun){spaces})"));
        assert!(long.len() < 500 && long.contains("…"), "{long}");
        for name in ["\\1b[31m", "\\e2\\80\\ae", "a\\nerror: forged", &"n".repeat(1 << 20)] {
            let unknown = told(&format!("(module (func (call $\"{name}\")))"));
            assert!(unknown.len() < 2000 && unknown.lines().count() == 5 && unknown.starts_with("unknown func"), "{unknown}");
            assert!(!unknown.contains(|c| c != '\n' && sconce_environ::shown::is_hidden(c)), "{unknown:?}");
        }
    }
}
