//! A script as a sequence of top-level forms.
//!
//! Each form is found by its parentheses alone and parsed by itself later, so that a form that does not parse
//! is one failure and the next one still runs.

use wast::lexer::{Lexer, Token, TokenKind};

/// A parenthesised form at the top of a script.
pub(crate) struct Form<'a> {
    /// Where it starts in the script, in bytes.
    pub offset: usize,
    /// Its text, parentheses included.
    pub text: &'a str,
    /// Its first word (`module`, `assert_return`), or nothing if it begins otherwise.
    pub keyword: &'a str,
}

/// Where and why a script stops being a sequence of forms.
pub(crate) struct Broken {
    /// In bytes from the script's start.
    pub offset: usize,
    /// For people.
    pub message: String,
}

/// A lexer for scripts. Names in the official suite contain characters that are refused elsewhere because they change how
/// text is displayed.
pub(crate) fn lexer(text: &str) -> Lexer<'_> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    lexer
}

/// Whether a text has nothing in it but white space and comments.
pub(crate) fn is_blank(text: &str) -> bool {
    use TokenKind::{BlockComment, LineComment, Whitespace};
    lexer(text).iter(0).all(|token| token.is_ok_and(|t| matches!(t.kind, Whitespace | LineComment | BlockComment)))
}

/// Where the first form inside of this form begins; at its closing parenthesis if there is none.
pub(crate) fn first_inside(form: &str) -> usize {
    let opening = |token: &Token| token.kind == TokenKind::LParen;
    let second = lexer(form).iter(0).filter_map(Result::ok).filter(opening).nth(1);
    second.map_or(form.len().saturating_sub(1), |token| token.offset)
}

/// Splits a script. Forms that are annotations (`(@name ...)`) are left out: they mean nothing between directives.
pub(crate) fn split(text: &str) -> (Vec<Form<'_>>, Option<Broken>) {
    let mut forms = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    // The kind and text of the first token after the form's parenthesis.
    let mut head = None;
    for token in lexer(text).iter(0) {
        let token = match token {
            Ok(token) => token,
            Err(e) => return (forms, Some(Broken { offset: e.span().offset(), message: e.message() })),
        };
        let src = token.src(text);
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment => {}
            TokenKind::LParen => {
                if depth == 0 {
                    (start, head) = (token.offset, None);
                } else if depth == 1 && head.is_none() {
                    head = Some((token.kind, src));
                }
                depth += 1;
            }
            TokenKind::RParen => {
                if depth == 0 {
                    return (forms, Some(Broken { offset: token.offset, message: "unmatched `)`".into() }));
                }
                depth -= 1;
                if depth == 0 && !matches!(head, Some((TokenKind::Annotation, _))) {
                    let end = token.offset + token.len as usize;
                    let keyword = match head {
                        Some((TokenKind::Keyword, word)) => word,
                        _ => "",
                    };
                    forms.push(Form { offset: start, text: &text[start..end], keyword });
                }
            }
            _ if depth == 0 => {
                return (forms, Some(Broken { offset: token.offset, message: format!("expected `(`, found `{}`", clip(src)) }));
            }
            kind if depth == 1 && head.is_none() => head = Some((kind, src)),
            _ => {}
        }
    }
    let broken = (depth > 0).then(|| Broken { offset: start, message: "unclosed `(`".into() });
    (forms, broken)
}

/// The first line of a text, shortened to what fits on a line of a report.
pub(crate) fn clip(text: &str) -> String {
    const MAX_CHARS: usize = 120;
    let line = text.lines().next().unwrap_or_default().trim_end();
    let cut = line.char_indices().nth(MAX_CHARS).map_or(line.len(), |(at, _)| at);
    let more = if line.len() < text.trim_end().len() || cut < line.len() { " ..." } else { "" };
    format!("{}{more}", plain(&line[..cut]))
}

/// What is said about a failure, on one line: a script chooses names, messages and how many values there are.
pub(crate) fn one_line(text: &str) -> String {
    const MAX_CHARS: usize = 2000;
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{} ...", plain(&text[..at])),
        None => plain(text),
    }
}

/// The text with everything escaped that would not be shown as a character of its own: controls, line ends, direction marks and
/// what has no width.
fn plain(text: &str) -> String {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if invisible(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords(text: &str) -> (Vec<&str>, Option<(usize, String)>) {
        let (forms, broken) = split(text);
        (forms.iter().map(|f| f.keyword).collect(), broken.map(|b| (b.offset, b.message)))
    }

    #[test]
    fn forms_are_found_by_their_parentheses() {
        let text = ";; (comment)\n(module (func)) (; ( ;) (invoke \"a)(\" (i32.const 1))\n(@note (x)) (assert_return)";
        assert_eq!(keywords(text), (vec!["module", "invoke", "assert_return"], None));
        let (forms, _) = split(text);
        assert_eq!(forms[1].text, "(invoke \"a)(\" (i32.const 1))");
        assert_eq!(&text[forms[2].offset..], "(assert_return)");
    }

    #[test]
    fn what_precedes_a_break_is_kept() {
        assert_eq!(keywords("(module) )"), (vec!["module"], Some((9, "unmatched `)`".into()))));
        assert_eq!(keywords("(module) (invoke"), (vec!["module"], Some((9, "unclosed `(`".into()))));
        assert_eq!(keywords("(module) x (module)"), (vec!["module"], Some((9, "expected `(`, found `x`".into()))));
        let (forms, broken) = keywords("(module) (; (module)");
        assert_eq!((forms, broken.map(|b| b.0)), (vec!["module"], Some(9)));
        assert_eq!(keywords("(\"a\") (())"), (vec!["", ""], None));
    }

    #[test]
    fn long_texts_are_clipped_at_characters() {
        assert_eq!(clip("(a)"), "(a)");
        assert_eq!(clip("(a\n b)"), "(a ...");
        assert_eq!(clip(&"é".repeat(200)), format!("{} ...", "é".repeat(120)));
    }

    #[test]
    fn what_is_not_seen_is_escaped() {
        assert_eq!(clip("(a \"\u{1b}[31m\u{202e}\u{200b}é\")"), "(a \"\\u{1b}[31m\\u{202e}\\u{200b}é\")");
        assert_eq!(one_line("a\nb\u{2028}c"), "a\\nb\\u{2028}c");
        assert_eq!(one_line(&"é".repeat(3000)), format!("{} ...", "é".repeat(2000)));
    }
}
