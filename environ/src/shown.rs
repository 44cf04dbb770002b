//! Text that others wrote, as people may see it.
//!
//! Names come from modules, scripts, file names and command lines, and end up in messages, listings and other programs' files. A
//! name must not act on a terminal, forge a line, reorder what stands beside it, or hide; and a megabyte of it helps nobody.
//! Whatever prints such text prints it through [`Shown`] or [`quoted`]; whole messages go through [`lines`] once more at the end.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Bytes of a name that are shown where a name has a line of its own.
pub const MAX_NAME: usize = 4096;
/// Bytes of a name that are shown where it is one of several things on a line, or one of many lines.
pub const MAX_SHORT: usize = 256;
/// Marks in a row that are shown on one letter: what scripts need, and not enough to reach into the lines above.
const MAX_MARKS: u32 = 4;

/// What stands for the rest of a text that is cut.
const CUT: char = '…';

/// A text on one line, cut at some bytes, with everything escaped that is not plainly visible ([`is_hidden`]).
#[derive(Copy, Clone, Debug)]
pub struct Shown<'a> {
    text: &'a str,
    most: usize,
    quoted: bool,
}

impl<'a> Shown<'a> {
    /// At most [`MAX_NAME`] bytes of it.
    pub fn new(text: &'a str) -> Shown<'a> {
        Shown { text, most: MAX_NAME, quoted: false }
    }

    /// At most [`MAX_SHORT`] bytes of it.
    pub fn short(text: &'a str) -> Shown<'a> {
        Shown::new(text).at_most(MAX_SHORT)
    }

    /// At most so many bytes, the mark of the cut not counted.
    pub fn at_most(self, most: usize) -> Shown<'a> {
        Shown { most, ..self }
    }
}

/// A short form between double quotes, in which the text cannot end them.
pub fn quoted(text: &str) -> Shown<'_> {
    Shown { quoted: true, ..Shown::short(text) }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted {
            f.write_char('"')?;
        }
        self.body(f)?;
        if self.quoted { f.write_char('"') } else { Ok(()) }
    }
}

impl Shown<'_> {
    fn body(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = self.most;
        // A mark changes the letter before it, which at the beginning is not the text's.
        let mut marks = MAX_MARKS;
        for c in self.text.chars() {
            let escape = match kind(c) {
                Kind::Plain => {
                    marks = 0;
                    self.quoted && matches!(c, '"' | '\\')
                }
                Kind::Mark => {
                    marks += 1;
                    marks > MAX_MARKS
                }
                Kind::Hidden => true,
            };
            let len = if escape { c.escape_default().len() } else { c.len_utf8() };
            let Some(rest) = room.checked_sub(len) else { return f.write_char(CUT) };
            room = rest;
            if escape { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// A message of a library that quotes names: one line, of which beginning and end are shown if it is long.
pub fn message(text: &str) -> String {
    const MOST: usize = 1024;
    const END: usize = 64;
    if text.len() <= MOST {
        return Shown::new(text).to_string();
    }
    let end = &text[text.ceil_char_boundary(text.len() - END)..];
    format!("{}{}", Shown::new(text).at_most(MOST - END), Shown::new(end))
}

/// A whole message: its line ends and tabs stay, everything else that is hidden is escaped, and what is
/// beyond `most` bytes is left out. Who puts names into messages shows them as names before; here it is too
/// late to tell a forged line.
pub fn lines(text: &str, most: usize) -> Cow<'_, str> {
    let cut = &text[..text.floor_char_boundary(most)];
    if cut.len() == text.len() && !text.contains(is_hidden_in_lines) {
        return text.into();
    }
    let mut out = String::with_capacity(cut.len());
    for c in cut.chars() {
        if is_hidden_in_lines(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    if cut.len() < text.len() {
        // To a string.
        let _ = write!(out, "{CUT}\n({} bytes more)", text.len() - cut.len());
    }
    out.into()
}

fn is_hidden_in_lines(c: char) -> bool {
    !matches!(c, '\n' | '\t') && is_hidden(c)
}

/// Whether a character is not to reach a terminal as it is: controls, characters that have no width or change
/// the direction, line and paragraph separators, spaces other than U+0020, and what is for private use or not
/// assigned.
pub fn is_hidden(c: char) -> bool {
    matches!(kind(c), Kind::Hidden)
}

enum Kind {
    /// Visible by itself.
    Plain,
    /// Visible on the letter before it.
    Mark,
    Hidden,
}

fn kind(c: char) -> Kind {
    match c {
        ' '..='~' => Kind::Plain,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' => Kind::Hidden,
        // Letters, marks and a symbol that show nothing: joiners, fillers, selectors, the empty Braille pattern.
        '\u{34f}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{1d159}'
        | '\u{e0000}'..='\u{e0fff}' => Kind::Hidden,
        c => by_category(c),
    }
}

/// The standard library's `Debug` knows which characters are graphic (all but categories C and Z), and of
/// texts, unlike characters by themselves, it shows marks.
fn by_category(c: char) -> Kind {
    let mut bytes = [b'a'; 5];
    let len = 1 + c.encode_utf8(&mut bytes[1..]).len();
    let text = str::from_utf8(&bytes[..len]).unwrap_or_default();
    if text.escape_debug().count() != 2 {
        Kind::Hidden
    } else if c.escape_debug().count() == 1 {
        Kind::Plain
    } else {
        Kind::Mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_escaped() {
        let ranges = [
            0..=0x1f,
            0x7f..=0xa0,
            0xad..=0xad,
            0x34f..=0x34f,
            0x61c..=0x61c,
            0x115f..=0x1160,
            0x180b..=0x180f,
            0x2000..=0x200f,
            0x2028..=0x202f,
            0x205f..=0x206f,
            0x2800..=0x2800,
            0x3000..=0x3000,
            0x3164..=0x3164,
            0xe000..=0xf8ff,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xfff0..=0xfffb,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0xe01ef,
            0xf0000..=0x10ffff,
        ];
        for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
            assert!(is_hidden(c), "{c:?}");
            let name = format!("a{c}b");
            for shown in [Shown::new(&name).to_string(), quoted(&name).to_string(), message(&name)] {
                assert!(!shown.contains(c) && shown.contains('\\'), "{c:?}: {shown:?}");
            }
            let kept = matches!(c, '\n' | '\t');
            assert_eq!(lines(&name, 100).contains(c), kept, "{c:?}");
        }
    }

    #[test]
    fn what_is_visible_stays() {
        for name in ["main", "a b", "core::ptr<[T; 2]>", "größe", "функция", "関数", "ฟังก์ชัน", "e\u{301}", "f\"\\", "😀", "한글"]
        {
            assert_eq!(Shown::new(name).to_string(), name);
            assert_eq!(lines(name, 100), name);
        }
        assert_eq!(quoted("a\"b\\\n").to_string(), r#""a\"b\\\n""#);
    }

    #[test]
    fn marks_do_not_pile_up_nor_reach_what_is_before() {
        assert_eq!(Shown::new("\u{301}a").to_string(), "\\u{301}a");
        let piled = format!("a{}b", "\u{301}".repeat(10));
        let shown = Shown::new(&piled).to_string();
        assert_eq!(shown.matches('\u{301}').count(), MAX_MARKS as usize, "{shown}");
        assert!(shown.ends_with("\\u{301}b"));
    }

    #[test]
    fn what_is_long_is_cut_with_a_mark() {
        let long = "é".repeat(MAX_NAME);
        assert_eq!(Shown::new(&long).to_string().len(), MAX_NAME + CUT.len_utf8());
        assert_eq!(Shown::new("abcdef").at_most(3).to_string(), "abc…");
        assert_eq!(Shown::new("abc").at_most(3).to_string(), "abc");
        assert_eq!(quoted(&long).to_string().len(), MAX_SHORT + CUT.len_utf8() + 2);
        // Escapes count as they are written.
        assert!(Shown::new(&"\u{10ffff}".repeat(1000)).at_most(100).to_string().len() <= 100 + CUT.len_utf8());
        let told = message(&format!("duplicate `{}` is defined already", "\n".repeat(1 << 20)));
        assert!(told.starts_with("duplicate `\\n") && told.ends_with("` is defined already") && told.len() < 2000, "{told}");
        assert_eq!(lines(&"x\n".repeat(100), 4), "x\nx\n…\n(196 bytes more)");
    }
}
