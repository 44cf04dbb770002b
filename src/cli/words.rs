//! The command line before it is parsed: words that may be left out, that the kernel gives in another order, and that come
//! from the environment.

use super::{Cli, Command};
use crate::report::Failure;
use crate::values::nearest;
use clap::{CommandFactory, Subcommand};
use sconce_environ::shown::Shown;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The variable that has options for every run.
pub const OPTIONS: &str = "SCONCE_OPTIONS";

/// The name under which the kernel starts Sconce as the interpreter of a file (binfmt_misc with its flag P). The name is all
/// that tells such a start from another: a registration has no room for options.
pub const BINFMT: &str = "sconce-binfmt";

/// Whether a first word is for `sconce` itself, whatever the subcommand.
pub fn is_global(word: &str) -> bool {
    matches!(word, "-h" | "--help" | "-V" | "--version" | "help")
}

/// The command line with `run` put in where it may be left out.
///
/// # Errors
/// The first word, if it is neither a subcommand nor anything that could be a module.
pub fn with_run(mut args: Vec<OsString>) -> Result<Vec<OsString>, UnknownCommand> {
    let Some(first) = args.get(1) else { return Ok(args) };
    let text = first.to_string_lossy();
    if is_global(&text) || Command::has_subcommand(&text) {
        return Ok(args);
    }
    let module = text.starts_with('-') || text.contains(['.', '/']) || Path::new(first).exists();
    if !module {
        return Err(UnknownCommand { word: text.into_owned() });
    }
    args.insert(1, "run".into());
    Ok(args)
}

/// What the kernel calls for a file: interpreter, the file's path, the name that the program was called by, its arguments.
/// Gives any other command line back as it is.
///
/// # Errors
/// When path and name are missing: somebody else calls.
pub(super) fn from_kernel(mut args: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    if args.first().and_then(|name| Path::new(name).file_name()) != Some(OsStr::new(BINFMT)) {
        return Ok(args);
    }
    if args.len() < 3 {
        return Err(Failure::usage(format!(
            "{BINFMT} is for the kernel to call, with a program's path and name; 'sconce man' shows how to register it"
        )));
    }
    let path = args.remove(1);
    let mut argv0 = OsString::from("--argv0=");
    argv0.push(&args[1]);
    drop(args.splice(1..2, ["run".into(), argv0, "--".into(), path]));
    Ok(args)
}

/// The words of [`OPTIONS`].
///
/// # Errors
/// When a quote in it is not closed.
pub(super) fn split(options: &OsStr) -> Result<Vec<OsString>, String> {
    let words = shlex::bytes::split(options.as_bytes()).ok_or("a quote is not closed, or a backslash is the last character")?;
    Ok(words.into_iter().map(OsString::from_vec).collect())
}

/// A first word that is neither a subcommand nor a file.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownCommand {
    word: String,
}

impl std::fmt::Display for UnknownCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let command = Cli::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        write!(f, "'{}' is neither a subcommand nor a file", Shown::short(&self.word))?;
        match nearest(&self.word, names.iter().copied()) {
            Some(name) => write!(f, "; did you mean 'sconce {name}'?"),
            None => write!(f, "; the subcommands are {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_mistyped_subcommand_is_told_from_a_file() {
        let error = with_run(words("sconce rnu app.wasm")).expect_err("rnu");
        assert_eq!(error.to_string(), "'rnu' is neither a subcommand nor a file; did you mean 'sconce run'?");
        let error = with_run(words("sconce zzzzzz")).expect_err("zzzzzz");
        assert!(
            error
                .to_string()
                .ends_with("the subcommands are run, compile, wast, validate, inspect, disas, cache, completions, man"),
            "{error}"
        );
        assert!(with_run(words("sconce src")).is_ok(), "a file of that name exists");
    }

    #[test]
    fn the_kernels_order_is_turned_into_ours() {
        let turned = from_kernel(words("/usr/bin/sconce-binfmt /bin/app.wasm -app --dir x"));
        assert_eq!(turned, Ok(words("/usr/bin/sconce-binfmt run --argv0=-app -- /bin/app.wasm --dir x")));
        let plain = words("/usr/bin/sconce /bin/app.wasm app x");
        assert_eq!(from_kernel(plain.clone()), Ok(plain));
        assert!(from_kernel(words("sconce-binfmt app.wasm")).is_err());
    }

    #[test]
    fn options_are_split_as_a_shell_would() {
        let split = |text: &str| split(OsStr::new(text));
        assert_eq!(
            split(r#"--dir "a b"::'/c d' --env A=\ x"#),
            Ok(vec!["--dir".into(), "a b::/c d".into(), "--env".into(), "A= x".into()])
        );
        assert_eq!(split("  "), Ok(vec![]));
        assert!(split("--dir 'a").is_err());
    }
}
