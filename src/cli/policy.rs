//! `--policy`: a file of TOML with the grants and limits of a program. A key is an option of `run` without its dashes, and has the
//! values that the option has: what is in a file becomes words of a command line, before those that the user wrote. So a new
//! option is a key as soon as it is one, and no value is read in two ways.

use crate::report::{Failure, reason};
use crate::values::{nearest, rebase_directory};
use clap::{Arg, ArgAction, Command, ValueHint};
use sconce_environ::shown::{Shown, message};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The headings under which options are keys: all of them grant something, or limit the program.
pub const HEADINGS: [&str; 2] = ["What the program is given", "Limits"];
/// Other options that are keys.
const OTHERS: [&str; 2] = ["unknown-imports", "module-hash"];
/// Bytes of a file: far more than anybody writes, and less than anybody waits for.
const MOST: u64 = 1 << 20;

/// An option that a policy can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// What its field is called.
    pub id: String,
    /// Whether it can be given more than once.
    pub several: bool,
    /// Whether it has values.
    pub takes_value: bool,
    hint: ValueHint,
}

impl Key {
    fn of(arg: &Arg) -> Option<Key> {
        let name = arg.get_long()?;
        let is_key = arg.get_help_heading().is_some_and(|heading| HEADINGS.contains(&heading)) || OTHERS.contains(&name);
        is_key.then(|| Key {
            name: name.to_owned(),
            id: arg.get_id().to_string(),
            several: matches!(arg.get_action(), ArgAction::Append),
            takes_value: arg.get_action().takes_values(),
            hint: arg.get_value_hint(),
        })
    }

    /// A path in a file is below the directory of that file.
    fn below(&self, base: &Path, value: &str) -> Result<OsString, String> {
        match self.hint {
            ValueHint::DirPath => rebase_directory(base, value.as_ref()),
            ValueHint::FilePath => Ok(base.join(value).into()),
            _ => Ok(value.into()),
        }
    }

    /// Whether its values are paths of files. Those of directories have more in them.
    pub fn is_file(&self) -> bool {
        self.hint == ValueHint::FilePath
    }
}

/// All keys, in the order of the options of `run`.
pub fn keys(run: &Command) -> Vec<Key> {
    run.get_arguments().filter_map(Key::of).collect()
}

/// The words for what is in a file, for the command `run`. `check` says what is wrong with a word by itself.
///
/// # Errors
/// What is wrong, and in which line.
pub fn words(run: &Command, path: &Path, check: impl Fn(&OsStr) -> Result<(), String>) -> Result<Vec<OsString>, Failure> {
    let shown = path.to_string_lossy().into_owned();
    let name = format!("--policy {}", Shown::new(&shown));
    let (text, base) = read(path).map_err(|why| Failure::not_run(format!("{name}: {why}")))?;
    let line = |at: usize| 1 + text[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count();
    let wrong = |at: usize, why: String| Failure::usage(format!("{name}, line {}: {why}", line(at)));
    let text = str::from_utf8(&text).map_err(|e| wrong(e.valid_up_to(), "it is not UTF-8".to_owned()))?;
    let table = DeTable::parse(text).map_err(|e| wrong(e.span().map_or(0, |span| span.start), message(e.message())))?;
    let keys = keys(run);
    let mut entries: Vec<(&Spanned<_>, &Spanned<DeValue<'_>>)> = table.get_ref().iter().collect();
    // As they are in the file, so that of several mistakes the first one is told.
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut words = Vec::new();
    for (key, value) in entries {
        let at = key.span().start;
        let key = keys
            .iter()
            .find(|known| known.name == **key.get_ref())
            .ok_or_else(|| wrong(at, unknown(run, key.get_ref(), &keys)))?;
        let values = values(key, value).map_err(|(at, why)| wrong(at.start, format!("{}: {why}", key.name)))?;
        for (at, value) in values {
            let option = format!("--{}", key.name);
            let with = |value: &OsStr| [option.as_ref(), "=".as_ref(), value].into_iter().collect::<OsString>();
            let (plain, word) = match value {
                None => (option.clone().into(), Ok(option.into())),
                Some(value) => (with(value.as_ref()), key.below(&base, &value).map(|value| with(&value))),
            };
            // What is wrong with the value is said of it as it stands there.
            let word = check(&plain).and(word).map_err(|why| wrong(at.start, why))?;
            words.push(word);
        }
    }
    Ok(words)
}

/// What is in a file, and the directory that paths in it are below.
fn read(path: &Path) -> Result<(Vec<u8>, PathBuf), String> {
    if path.as_os_str() == "-" {
        return Err("standard input is the program's; write ./- for a file of that name".to_owned());
    }
    let file = File::open(path).map_err(|e| reason(&e))?;
    let is_regular = file.metadata().map_err(|e| reason(&e))?.is_file();
    let mut text = Vec::new();
    file.take(MOST + 1).read_to_end(&mut text).map_err(|e| reason(&e))?;
    if text.len() as u64 > MOST {
        return Err("it is longer than 1 MiB, and so no policy".to_owned());
    }
    // What comes out of a pipe (a shell's `<(..)`) is nowhere.
    let base = path.parent().filter(|_| is_regular).map(Path::to_owned).unwrap_or_default();
    Ok((text, base))
}

fn unknown(run: &Command, key: &str, keys: &[Key]) -> String {
    let shown = Shown::short(key);
    if run.get_arguments().any(|arg| arg.get_long() == Some(key)) {
        return format!("'{shown}' is an option of 'sconce run', but neither a grant nor a limit; give it on the command line");
    }
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    match nearest(key, names.iter().copied()) {
        Some(near) => format!("there is no key '{shown}'; did you mean '{near}'?"),
        None => format!("there is no key '{shown}'; the keys are {}", names.join(", ")),
    }
}

type Value = (Range<usize>, Option<String>);

/// The values of a key: none at all, or none with a value for a switch that is on.
fn values(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Vec<Value>, (Range<usize>, String)> {
    let span = value.span();
    match value.get_ref() {
        DeValue::Boolean(on) if !key.takes_value => Ok(on.then_some((span, None)).into_iter().collect()),
        _ if !key.takes_value => Err((span, "write true or false".to_owned())),
        DeValue::Array(all) if key.several => all.iter().map(|value| Ok((value.span(), Some(single(key, value)?)))).collect(),
        DeValue::Array(_) => Err((span, "it has one value, not a list".to_owned())),
        _ => Ok(vec![(span, Some(single(key, value)?))]),
    }
}

/// A value as it is written on a command line.
fn single(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<String, (Range<usize>, String)> {
    match value.get_ref() {
        DeValue::String(text) if text.contains('\0') => Err((value.span(), "a value cannot have a NUL".to_owned())),
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            let what = if key.several { "write a list of texts, such as" } else { "write a text or a number, such as" };
            let sample = if key.several { "[\"VALUE\", \"VALUE\"]" } else { "\"VALUE\"" };
            Err((value.span(), format!("{what} {} = {sample}", key.name)))
        }
    }
}

/// A text as TOML has it, with everything escaped that is not plainly visible.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if sconce_environ::shown::is_hidden(c) => out.push_str(&format!("\\U{:08X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::parse::run_command as run;
    use super::*;

    fn words_of(text: &str) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("p.toml");
        std::fs::write(&file, text).expect("a file");
        let base = dir.path().to_string_lossy().into_owned();
        let there = |text: String| text.replace(&base, "BASE");
        match words(&run(), &file, super::super::parse::check) {
            Ok(words) => Ok(words.into_iter().map(|word| there(word.into_string().expect("UTF-8"))).collect()),
            Err(failure) => Err(there(failure.message)),
        }
    }

    #[test]
    fn every_grant_and_limit_is_a_key() {
        // One of each: an option that is added under these headings is a key without more ado, and its value is its own.
        let samples = [
            ("dir", "[\".\", \"/tmp::/t:ro\"]"),
            ("env", "[\"A=1\"]"),
            ("env-file", "\"vars\""),
            ("inherit-env", "true"),
            ("argv0", "\"name\""),
            ("listen", "[\"127.0.0.1:0\"]"),
            ("fd", "[3, 4]"),
            ("max-memory", "\"64M\""),
            ("stack-size", "1048576"),
            ("timeout", "\"10s\""),
            ("max-threads", "0"),
            ("confine", "\"require\""),
            ("unknown-imports", "\"trap\""),
            ("module-hash", "\"blake3:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""),
        ];
        let run = run();
        let under = |arg: &&Arg| arg.get_help_heading().is_some_and(|heading| HEADINGS.contains(&heading));
        let options: Vec<&str> = run.get_arguments().filter(under).filter_map(Arg::get_long).collect();
        assert!(options.len() >= 12, "{options:?}");
        let keys = keys(&run);
        for option in &options {
            let key = keys.iter().find(|key| key.name == *option).unwrap_or_else(|| panic!("{option}"));
            // Whatever its values are: what is said of one that may be none is the option's own.
            let text = format!("{option} = {}", if key.takes_value { "\"?\"" } else { "true" });
            let said = words_of(&text).err();
            assert!(said.iter().all(|said| said.contains(&format!("for '--{option}"))), "{said:?}");
        }
        for (name, value) in samples {
            assert!(keys.iter().any(|key| key.name == name), "{name}");
            let words = words_of(&format!("{name} = {value}\n")).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!words.is_empty() && words.iter().all(|word| word.starts_with(&format!("--{name}"))), "{words:?}");
        }
        for name in ["policy", "write-policy", "cache", "tier", "invoke", "trace-wasi", "explain-denials", "log"] {
            assert!(keys.iter().all(|key| key.name != name), "{name}");
        }
    }

    #[test]
    fn paths_are_below_the_files_directory() {
        let words =
            words_of("dir = ['.', 'a:ro', '../b::/c', '/d', '/e::f:ro']\nenv-file = 'vars'\ninherit-env = false").expect("words");
        assert_eq!(
            words,
            [
                "--dir=BASE/.::.",
                "--dir=BASE/a::a:ro",
                "--dir=BASE/../b::/c",
                "--dir=/d",
                "--dir=/e::f:ro",
                "--env-file=BASE/vars"
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_key() {
        for (text, line, why) in [
            ("\nmax-memry = '1M'", 2, "there is no key 'max-memry'; did you mean 'max-memory'?"),
            ("zzzzzzzzzzzz = 1", 1, "there is no key 'zzzzzzzzzzzz'; the keys are dir, env, "),
            ("cache = 'off'", 1, "'cache' is an option of 'sconce run', but neither a grant nor a limit"),
            ("policy = 'self.toml'", 1, "'policy' is an option of 'sconce run'"),
            ("dir = ['.']\nmax-memory = 'much'", 2, "invalid value 'much' for '--max-memory <SIZE>'"),
            ("max-memory = ['1M']", 1, "max-memory: it has one value, not a list"),
            ("max-memory = true", 1, "max-memory: write a text or a number, such as max-memory = \"VALUE\""),
            ("dir = { host = '.' }", 1, "dir: write a list of texts, such as dir = [\"VALUE\", \"VALUE\"]"),
            ("[dir]\nhost = '.'", 1, "dir: write a list of texts"),
            ("dir = [['.']]", 1, "dir: write a list"),
            ("dir = [\n'.',\n'::x']", 3, "invalid value '::x' for '--dir"),
            ("dir = [\n'.',\n'a:b']", 3, "write HOST::GUEST"),
            ("inherit-env = 'yes'", 1, "inherit-env: write true or false"),
            ("timeout = 10", 1, "write a number and a unit"),
            ("timeout = 1979-05-27", 1, "timeout: write a text or a number"),
            ("env = ['A=1']\n\nenv = ['B=2']", 3, "duplicate key"),
            ("fd = [1]", 1, "0 to 2 are the standard streams"),
            ("argv0 = \"a\\u0000b\"", 1, "argv0: a value cannot have a NUL"),
            ("a.b.c = 1", 1, "there is no key 'a'"),
            ("dir = [", 1, ""),
            ("\n\n= 3", 3, ""),
            ("\"a\\u001b[2J\" = 3", 1, "there is no key 'a\\u{1b}[2J'"),
        ] {
            let said = words_of(text).expect_err(text);
            assert!(said.starts_with(&format!("--policy BASE/p.toml, line {line}: ")) && said.contains(why), "{text}: {said}");
            assert!(!said.contains("Usage") && said.len() < 2000, "{said}");
        }
    }

    #[test]
    fn texts_are_read_as_they_were_written() {
        for text in ["a", "a\"b\\c", "\u{1b}[2J\n\t\u{202e}\u{7f}", "größe 😀", "'''", ""] {
            let written = quoted(text);
            assert!(!written.contains(sconce_environ::shown::is_hidden), "{written}");
            let line = format!("argv0 = {written}");
            assert_eq!(words_of(&line).expect("words"), [format!("--argv0={text}")], "{line}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("dir = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(words_of(&deep).is_err());
        let long = format!("#{}", "x".repeat(MOST as usize));
        assert!(words_of(&long).expect_err("long").contains("longer than 1 MiB"));
    }
}
