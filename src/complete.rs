//! `sconce __complete`: what the last word of a command line can be. The scripts of `sconce completions` ask it, so that all
//! shells have one answer; what is a file and how it is quoted the shell knows best, and completes itself.
//!
//! The first line of the answer says which files can stand there, and after how many characters of the word (those of an option
//! with its `=`, say). The others are words that can stand there, each with a tab and what it means:
//!
//! ```text
//! files 0
//! run<TAB>Run a program (`run` may be left out)
//! ```

use crate::cli::{Cli, is_global};
use crate::report::{Failure, print};
use clap::{Arg, Command, CommandFactory, ValueHint};
use std::ffi::OsString;

/// Which files the shell completes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Files {
    None,
    Any,
    Directories,
}

/// What a word can be.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    files: Files,
    /// Characters of the word before what is completed.
    skip: usize,
    words: Vec<(String, String)>,
}

const NOTHING: Answer = Answer { files: Files::None, skip: 0, words: Vec::new() };
const FILES: Answer = Answer { files: Files::Any, skip: 0, words: Vec::new() };

/// The subcommand. It is for scripts alone, and so not among those that are defined, listed and completed.
pub const COMMAND: &str = "__complete";

/// Prints the answer for the words after `sconce`, of which the last one is being written.
///
/// # Errors
/// When standard output cannot be written.
pub fn complete(words: &[OsString]) -> Result<(), Failure> {
    let Answer { files, skip, words } = answer(words);
    let files = match files {
        Files::None => "none",
        Files::Any => "files",
        Files::Directories => "directories",
    };
    let words: String = words.iter().map(|(word, help)| format!("{word}\t{help}\n")).collect();
    print(&format!("{files} {skip}\n{words}"))
}

fn answer(words: &[OsString]) -> Answer {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut sconce = Cli::command();
    sconce.build();
    let Some((&word, before)) = words.split_last() else { return NOTHING };
    let run = sconce.find_subcommand("run").unwrap_or(&sconce);
    match before {
        [] if word.starts_with('-') => {
            let Answer { files, skip, words } = option(run, word);
            let own = sconce.get_arguments().filter(|arg| run.get_arguments().all(|known| known.get_long() != arg.get_long()));
            Answer { files, skip, words: [options(own, word), words].concat() }
        }
        [] => Answer { files: Files::Any, skip: 0, words: subcommands(&sconce, word) },
        ["help"] => Answer { files: Files::None, skip: 0, words: subcommands(&sconce, word) },
        [first, ..] if is_global(first) => NOTHING,
        [first, rest @ ..] => match sconce.find_subcommand(first) {
            Some(command) if command.has_subcommands() => below(command, rest, word),
            Some(command) => argument(command, rest, word),
            None => argument(run, before, word),
        },
    }
}

/// A word of a command that has subcommands of its own.
fn below(command: &Command, before: &[&str], word: &str) -> Answer {
    match before.split_first() {
        None => Answer { files: Files::None, skip: 0, words: subcommands(command, word) },
        Some((first, rest)) => match command.find_subcommand(first) {
            Some(command) => argument(command, rest, word),
            None => NOTHING,
        },
    }
}

fn subcommands(sconce: &Command, word: &str) -> Vec<(String, String)> {
    let shown = sconce.get_subcommands().filter(|command| command.get_name().starts_with(word));
    shown.map(|command| (command.get_name().to_owned(), help(command.get_about()))).collect()
}

/// A word of a subcommand, after others of it.
fn argument(command: &Command, before: &[&str], word: &str) -> Answer {
    let mut pending: Option<&Arg> = None;
    let mut only_positional = false;
    let mut positionals = command.get_positionals().peekable();
    for &earlier in before {
        if pending.take().is_some() {
            continue;
        }
        if only_positional || !earlier.starts_with('-') || earlier == "-" {
            match positionals.next_if(|arg| !arg.is_trailing_var_arg_set() && !several(arg)) {
                Some(_) => {}
                // Everything after a module is the program's.
                None if positionals.peek().is_some_and(|arg| arg.is_trailing_var_arg_set()) => return FILES,
                None => {}
            }
        } else if earlier == "--" {
            only_positional = true;
        } else if !earlier.contains('=') {
            pending = find(command, earlier).filter(|arg| takes_value(arg));
        }
    }
    if let Some(arg) = pending {
        return value(arg, word);
    }
    if !only_positional && word.starts_with('-') && word != "-" {
        return option(command, word);
    }
    positionals.peek().map_or(NOTHING, |arg| value(arg, word))
}

fn several(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.max_values() > 1) || matches!(arg.get_action(), clap::ArgAction::Append)
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// The option that a word names.
fn find<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = |arg: &&Arg| arg.get_long().is_some_and(|name| word.strip_prefix("--") == Some(name));
    let short = |arg: &&Arg| arg.get_short().is_some_and(|name| word.strip_prefix('-') == Some(name.encode_utf8(&mut [0; 4])));
    command.get_arguments().find(|arg| long(arg) || short(arg))
}

/// A word that begins with a dash: an option, or its value if it has a `=`.
fn option(command: &Command, word: &str) -> Answer {
    match word.split_once('=') {
        Some((name, text)) => find(command, name).filter(|arg| takes_value(arg)).map_or(NOTHING, |arg| {
            let answer = value(arg, text);
            Answer { skip: name.chars().count() + 1 + answer.skip, ..answer }
        }),
        None => Answer { files: Files::None, skip: 0, words: options(command.get_arguments(), word) },
    }
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>, word: &str) -> Vec<(String, String)> {
    let shown = args.filter(|arg| !arg.is_hide_set());
    let named = shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), help(arg.get_help()))));
    named.filter(|(name, _)| name.starts_with(word)).collect()
}

/// A value of an argument.
fn value(arg: &Arg, text: &str) -> Answer {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|value| value.get_name().starts_with(text));
        let words = shown.map(|value| (value.get_name().to_owned(), help(value.get_help()))).collect();
        return Answer { files: Files::None, skip: 0, words };
    }
    let files = match arg.get_value_hint() {
        // What follows the first `::` is the program's name for it.
        ValueHint::DirPath if text.contains("::") => Files::None,
        ValueHint::DirPath => Files::Directories,
        // NAME=FILE.
        ValueHint::FilePath if arg.get_id() == "preload" => match text.split_once('=') {
            Some((name, _)) => return Answer { skip: name.chars().count() + 1, ..FILES },
            None => Files::None,
        },
        ValueHint::FilePath => Files::Any,
        _ => Files::None,
    };
    let off = arg.get_id() == "cache"
        && arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.starts_with("off")))
        && "off".starts_with(text);
    let words = if off { vec![("off".to_owned(), "Keep nothing".to_owned())] } else { Vec::new() };
    Answer { files, skip: 0, words }
}

/// The first sentence of a help text.
fn help(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    let end = text.find(". ").or_else(|| text.find(['\n'])).unwrap_or(text.len());
    let sentence = text[..end].trim_end_matches('.').replace('\t', " ");
    sentence.split(" [default").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer for words that are separated by spaces.
    fn at(line: &str) -> (Files, Vec<String>) {
        let Answer { files, words, .. } = answer(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        (files, words.into_iter().map(|(word, _)| word).collect())
    }

    #[test]
    fn files_and_directories_where_they_can_stand() {
        for (line, files) in [
            ("run ", Files::Any),
            ("run a", Files::Any),
            ("run --inherit-env ", Files::Any),
            ("run --dir ", Files::Directories),
            ("--dir ", Files::Directories),
            ("--dir=", Files::Directories),
            ("run --dir=a", Files::Directories),
            ("run --dir a::", Files::None),
            ("run --env ", Files::None),
            ("run --env-file ", Files::Any),
            ("run --preload ", Files::None),
            ("run --preload a=", Files::Any),
            ("--dir . app.wasm ", Files::Any),
            ("run app.wasm --di", Files::Any),
            ("app.wasm --dir ", Files::Any),
            ("app.wasm -", Files::Any),
            ("run -- --d", Files::Any),
            ("compile ", Files::Any),
            ("compile a.wasm ", Files::None),
            ("compile a.wasm -o ", Files::Any),
            ("cache warm a.wasm ", Files::Any),
            ("cache warm --cache ", Files::Directories),
            ("cache cold ", Files::None),
            ("validate a.wasm ", Files::Any),
            ("man ", Files::None),
            ("--version ", Files::None),
        ] {
            let (found, words) = at(line);
            assert_eq!((found, words.is_empty()), (files, true), "{line}: {words:?}");
        }
    }

    #[test]
    fn words_where_they_can_stand() {
        let (files, words) = at("");
        assert_eq!(files, Files::Any);
        assert_eq!(words, ["run", "compile", "wast", "validate", "inspect", "disas", "cache", "completions", "man", "help"]);
        for (line, expected) in [
            ("co", &["compile", "completions"][..]),
            ("help wa", &["wast"]),
            ("--ti", &["--timeout", "--tier"]),
            ("--vers", &["--version"]),
            ("run --ti", &["--timeout", "--tier"]),
            ("run --inherit-env --ti", &["--timeout", "--tier"]),
            ("run --tier ", &["auto", "lightbeam", "cranelift"]),
            ("run --tier=l", &["lightbeam"]),
            ("disas --bounds e", &["explicit"]),
            ("compile app.wasm --out", &["--output"]),
            ("completions z", &["zsh"]),
            ("run --call", &[]),
            ("cache ", &["ls", "stats", "clean", "warm", "help"]),
            ("cache warm --ti", &["--tier"]),
        ] {
            assert_eq!(
                at(line),
                (if line == "co" { Files::Any } else { Files::None }, expected.iter().map(ToString::to_string).collect()),
                "{line}"
            );
        }
        for (word, off) in [("", true), ("of", true), ("fo", false), ("offi", false)] {
            assert_eq!(at(&format!("run --cache {word}")), (Files::Directories, vec!["off".to_owned(); off.into()]), "{word}");
        }
        assert!(at("run --").1.contains(&"--allow-precompiled".to_owned()));
    }

    #[test]
    fn what_is_before_a_value_is_not_completed() {
        for (line, skip) in [("run --dir=a", 6), ("--preload l=f", 2), ("--preload=l=f", 12), ("run --dir a", 0), ("--tier=c", 7)]
        {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            assert_eq!(answer(&words).skip, skip, "{line}");
        }
    }

    #[test]
    fn every_option_has_a_short_help() {
        let Answer { words, .. } = answer(&["--".into()]);
        assert!(words.iter().all(|(_, help)| !help.is_empty() && help.len() < 160 && !help.contains('\n')), "{words:?}");
        assert!(words.iter().any(|(word, _)| word == "--help"));
    }
}
