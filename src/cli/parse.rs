//! From words to a [`Cli`], and what is said of words that are wrong.

use super::words::{OPTIONS, from_kernel, split, with_run};
use super::{Cli, Command, GivenOption, foreign, policy};
use crate::report::Failure;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use sconce_environ::shown::Shown;
use std::ffi::{OsStr, OsString};

/// Why a command line is not one.
#[derive(Debug)]
pub enum Refused {
    /// What the argument parser says, help and version too: it knows how it is written, and where.
    Parser(Box<clap::Error>),
    /// Anything else.
    Other(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Other(failure)
    }
}

/// What the process was started with: `args`, and the value of [`OPTIONS`].
///
/// # Errors
/// What is to be said instead.
pub fn command_line(args: Vec<OsString>, options: Option<OsString>) -> Result<Cli, Refused> {
    let args = with_run(from_kernel(args)?).map_err(|unknown| Failure::usage(unknown.to_string()))?;
    let runs = args.get(1).is_some_and(|word| word == "run");
    let (options, cli) = match options.filter(|options| runs && !options.is_empty()) {
        None => (Vec::new(), parse(&args)?),
        Some(options) => {
            let options = split(&options).and_then(checked);
            let options = match (options, parse(&args)) {
                (Ok(options), _) => options,
                // Who asks for help gets it.
                (Err(_), Err(Refused::Parser(help))) if !help.use_stderr() => return Err(Refused::Parser(help)),
                (Err(why), _) => return Err(Failure::usage(format!("{OPTIONS}: {why}")).into()),
            };
            // Of two values of one option the last one holds: the command line's.
            let cli = parse(&[&args[..2], &options, &args[2..]].concat())?;
            (options, cli)
        }
    };
    let Command::Run(run) = &cli.command else { return Ok(cli) };
    let Some(file) = &run.policy else { return Ok(cli) };
    let of_policy = policy::words(&run_command(), file, check)?;
    parse(&[&args[..2], &options, &of_policy, &args[2..]].concat())
}

/// What is wrong with an option of `run`, if that is all that there is.
pub(super) fn check(word: &OsStr) -> Result<(), String> {
    checked(vec![word.to_owned()]).map(drop)
}

/// The definition of `run`.
pub(super) fn run_command() -> clap::Command {
    let cli = Cli::command();
    cli.find_subcommand("run").cloned().unwrap_or(cli)
}

fn parse(args: &[OsString]) -> Result<Cli, Refused> {
    let refused = |error| Refused::Parser(Box::new(with_hints(error, args)));
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(args).map_err(refused)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| refused(error.format(&mut command)))?;
    if let (Command::Run(run), Some(matches)) = (&mut cli.command, matches.subcommand_matches("run"))
        && run.write_policy.is_some()
    {
        run.given = policy::keys(&run_command()).into_iter().filter_map(|key| given(key, matches)).collect();
    }
    Ok(cli)
}

/// An option in the words of the command line, if it was given.
fn given(key: policy::Key, matches: &ArgMatches) -> Option<GivenOption> {
    if matches.value_source(&key.id) != Some(ValueSource::CommandLine) {
        return None;
    }
    let values = matches.get_raw(&key.id).filter(|_| key.takes_value);
    Some(GivenOption { values: values.into_iter().flatten().map(OsStr::to_owned).collect(), key })
}

/// Fails unless the words are options of `run`, and nothing else.
fn checked(options: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let [sconce, run, end, module] = ["sconce", "run", "--", "APP.wasm"].map(OsString::from);
    let args = [&[sconce, run], &options[..], &[end, module]].concat();
    match Cli::try_parse_from(&args) {
        Ok(Cli { command: Command::Run(run) }) if run.command.len() == 1 => Ok(options),
        Ok(Cli { command: Command::Run(run) }) => {
            let word = run.command[0].to_string_lossy().into_owned();
            Err(format!("'{}' is not an option; it takes options of 'sconce run' alone", Shown::short(&word)))
        }
        Ok(_) => Err("it takes options of 'sconce run' alone".into()),
        Err(e) if !e.use_stderr() => Err("it takes options of 'sconce run' alone, not those that ask for help".into()),
        Err(e) => Err(in_short(&with_hints(e, &args))),
    }
}

/// A parser's message without its frame: `error: `, the usage, where there is help.
fn in_short(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|mark| text.find(mark)).min();
    text[..end.unwrap_or(text.len())].trim_end().to_owned()
}

/// Says of a flag that Sconce does not have what is like it here, if another runtime has it.
fn with_hints(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let hints = foreign::hints(flag, args);
    // The parser's own: that the flag could stand after `--`, where a module would stand.
    error.remove(ContextKind::Suggested);
    if !hints.is_empty() {
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(hints.into_iter().map(Into::into).collect()));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::RunArgs;
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn run(line: &str, options: Option<&str>) -> RunArgs {
        match command_line(words(line), options.map(OsString::from)).expect(line).command {
            Command::Run(run) => *run,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refused(line: &str, options: Option<&str>) -> String {
        match command_line(words(line), options.map(OsString::from)).expect_err(line) {
            Refused::Parser(error) => error.render().to_string(),
            Refused::Other(failure) => failure.message,
        }
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_auto_is_depends_on_the_subcommand() {
        let mut cli = Cli::command();
        cli.build();
        for (path, text) in [
            (&["run"][..], "in the background"),
            (&["wast"], "auto: Lightbeam - lightbeam:"),
            (&["compile"], "auto: Cranelift - lightbeam:"),
            (&["disas"], "auto: Cranelift - lightbeam:"),
            (&["cache", "warm"], "auto: Cranelift - lightbeam:"),
        ] {
            let command = path.iter().fold(&cli, |command, name| command.find_subcommand(name).expect("it is there"));
            let help = command.clone().render_long_help().to_string();
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(help.contains(text), "{path:?}: {help}");
            assert_eq!(help.contains("in the background"), path == ["run"]);
        }
        assert_eq!(run("sconce --tier cranelift a.wasm", None).compiler.tier, crate::cli::Tier::Cranelift);
        assert_eq!(run("sconce a.wasm", None).compiler.tier, crate::cli::Tier::Auto);
        assert!(refused("sconce --tier fast a.wasm", None).contains("[possible values: auto, lightbeam, cranelift]"));
    }

    #[test]
    fn everything_behind_the_module_is_the_programs() {
        for line in
            ["sconce run --argv0 x app.wasm -x --dir /y -- --help -5", "sconce --argv0 x app.wasm -x --dir /y -- --help -5"]
        {
            for options in [None, Some(""), Some("--env A=1")] {
                let args = run(line, options);
                assert_eq!(args.command, words("app.wasm -x --dir /y -- --help -5"));
                assert!(args.dirs.is_empty());
            }
        }
        assert_eq!(run("sconce ./app a", None).command, words("./app a"));
        assert_eq!(run("sconce - run", None).command, words("- run"));
        assert_eq!(run("sconce run -- -odd.wasm -- x", None).command, words("-odd.wasm -- x"));
        assert_eq!(run("sconce app.wasm -- x", None).command, words("app.wasm -- x"));
        assert_eq!(run("sconce run app.wasm --version", None).command, words("app.wasm --version"));
    }

    #[test]
    fn a_mistyped_flag_is_not_taken_for_a_module() {
        let error = refused("sconce --timout 5s app.wasm", None);
        assert!(error.contains("'--timeout'") && !error.contains("-- --"), "{error}");
    }

    #[test]
    fn the_command_line_overrides_the_variable() {
        let args = run("sconce --max-threads 3 --env B=2 app.wasm", Some("--max-threads 5 --env A=1 --inherit-env"));
        assert_eq!((args.max_threads, args.env.len(), args.inherit_env), (3, 2, true));
        assert_eq!(args.env[0].name, "A");
    }

    #[test]
    fn what_is_wrong_with_the_variable_names_it() {
        for (options, why) in [
            ("--timout 5s", "SCONCE_OPTIONS: unexpected argument '--timout' found"),
            ("--timeout soon", "SCONCE_OPTIONS: invalid value 'soon' for '--timeout <TIME>': write a number and a unit"),
            ("--dir", "SCONCE_OPTIONS: a value is required for '--dir <HOST[::GUEST][:ro]>'"),
            ("--inherit-env app.wasm", "SCONCE_OPTIONS: 'app.wasm' is not an option"),
            ("--env A=1 --", "SCONCE_OPTIONS: '--' is not an option"),
            ("--help", "SCONCE_OPTIONS: it takes options"),
            ("--dir 'x", "SCONCE_OPTIONS: a quote is not closed"),
            ("--mapdir a::b", "tip: --mapdir"),
        ] {
            let error = refused("sconce app.wasm", Some(options));
            assert!(error.starts_with("SCONCE_OPTIONS: ") && error.contains(why), "{options}: {error}");
            assert!(!error.contains("Usage") && !error.contains("error:"), "{error}");
        }
        // It is about runs alone, and help is there all the same.
        assert!(refused("sconce run --help", Some("--wrong")).contains("Usage: sconce"));
        assert!(command_line(words("sconce man"), Some("--wrong".into())).is_ok());
    }
}
