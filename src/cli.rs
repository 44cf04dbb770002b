//! What a command line can say: one field and one doc comment for each flag, from which help, completions and the manual
//! page are made.

use crate::values::{Directory, EnvVar, ListenAddr, parse_directory, parse_env, parse_listen, parse_size, parse_timeout};
use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use sconce_environ::compile::{BoundsStyle, CallStyle};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// How a run ends, for help and manual.
pub const EXIT_STATUS: &str = "\
Exit status:
  the guest's own  what it passed to proc_exit: as everywhere, a shell sees the low 8 bits (256 is seen as 0)
  134              the guest trapped; its backtrace is on standard error
  124              --timeout was over
  1                the module could not be run
  2                wrong usage
A guest that is ended by a signal ends as that signal ends a program.";

/// Runs WebAssembly programs.
///
/// `sconce APP.wasm ARGS..` is short for `sconce run APP.wasm ARGS..`. A program sees no files, no environment and no
/// network but what flags give it.
#[derive(Debug, Parser)]
#[command(
    name = "sconce",
    version = version(),
    override_usage = "sconce [run] [OPTIONS] APP.wasm [ARGS]...\n       sconce COMMAND [OPTIONS] ...",
    after_help = EXIT_STATUS,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| format!("{} (Cranelift {})", env!("CARGO_PKG_VERSION"), sconce_engine::CRANELIFT_VERSION));
    &VERSION
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program (`run` may be left out).
    Run(Box<RunArgs>),
    /// Compile a module ahead of time, for `run --allow-precompiled`.
    Compile(CompileArgs),
    /// Run WebAssembly test scripts and report every directive that fails.
    Wast(WastArgs),
    /// Check that modules are valid, and say what is wrong with those that are not.
    Validate(ValidateArgs),
    /// Show what a module imports, exports, uses and asks for, without running it.
    Inspect(InspectArgs),
    /// Show functions as WebAssembly beside the machine code that is made of them.
    Disas(DisasArgs),
    /// Look after the compiled modules that are kept between runs.
    Cache(CacheArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page (`sconce man | man -l -`).
    Man,
}

/// `sconce run`.
#[derive(Debug, Args)]
#[command(override_usage = "sconce run [OPTIONS] APP.wasm [ARGS]...", after_help = EXIT_STATUS, max_term_width = 110)]
pub struct RunArgs {
    /// The module, binary or text (`-` is standard input), and the program's arguments: everything behind the module is the
    /// program's, flags and `--` too.
    #[arg(value_name = "APP.wasm", required = true, num_args = 1.., trailing_var_arg = true, value_hint = ValueHint::FilePath)]
    pub command: Vec<OsString>,

    /// Give the program a directory of the host, as GUEST if that is said. With `:ro` at the end nothing in it can be changed.
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]", help_heading = "What the program is given", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(|s| parse_directory(&s)))]
    pub dirs: Vec<Directory>,

    /// Set an environment variable for the program; without a value, the host's value.
    #[arg(long = "env", value_name = "NAME[=VALUE]", help_heading = "What the program is given",
          value_parser = OsStringValueParser::new().try_map(|s| parse_env(&s)))]
    pub env: Vec<EnvVar>,

    /// Set the environment variables of a file: NAME=VALUE a line, or NAME for the host's value; empty lines and lines that begin with
    /// `#` are skipped. `--env` goes before it.
    #[arg(long, value_name = "FILE", help_heading = "What the program is given", value_hint = ValueHint::FilePath)]
    pub env_file: Vec<PathBuf>,

    /// Give the program the whole environment of the host. `--env` and `--env-file` go before it.
    #[arg(long, help_heading = "What the program is given")]
    pub inherit_env: bool,

    /// What the program sees as its own name (`argv[0]`), instead of the module's file name.
    #[arg(long, value_name = "NAME", help_heading = "What the program is given")]
    pub argv0: Option<OsString>,

    /// Listen on a TCP address and give the program the socket. With port 0 any port that is free
    /// is taken, and said on standard error. Descriptors are numbered in this order: 0 to 2, each
    /// `--dir`, each `--listen`, each `--fd`.
    #[arg(long, value_name = "ADDR:PORT", help_heading = "What the program is given", value_parser = parse_listen)]
    pub listen: Vec<ListenAddr>,

    /// Give the program descriptor N of this process (3 or above), such as a socket that a supervisor opened. The program's
    /// numbers are as `--listen` says.
    #[arg(long, value_name = "N", help_heading = "What the program is given", value_parser = clap::value_parser!(i32).range(3..))]
    pub fd: Vec<i32>,

    /// Call this export instead of `_start`, with the arguments as its parameters, and print its results one a line. A v128 is
    /// written `i32x4:1,2,3,4`. If the export takes no parameters the arguments are the program's command line.
    #[arg(long, value_name = "NAME", help_heading = "What is run")]
    pub invoke: Option<String>,

    /// Instantiate another module first, whose exports the program can import from NAME.
    #[arg(long, value_name = "NAME=FILE", help_heading = "What is run", value_hint = ValueHint::FilePath,
          value_parser = OsStringValueParser::new().try_map(|s| crate::values::parse_preload(&s)))]
    pub preload: Vec<crate::values::Preload>,

    /// What happens with functions that a module imports and nobody gives: `error` refuses to run it, `trap` stops it when it calls
    /// one, `default` lets each return zeros and nulls.
    #[arg(long, value_enum, default_value_t, value_name = "HOW", help_heading = "What is run")]
    pub unknown_imports: UnknownImports,

    /// Take APP.wasm for what `sconce compile` wrote, if it looks so. Such a file is machine code: it is trusted as a program
    /// of this machine is.
    #[arg(long, help_heading = "What is run")]
    pub allow_precompiled: bool,

    /// The most memory that the program may have, in bytes or with K, M or G: its linear memories, tables, references and exceptions, and
    /// all that each further thread takes (64 KiB at least: its stack as far as it is used, its globals and functions). Growing beyond it
    /// fails in the program.
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    pub max_memory: Option<u64>,

    /// The size of the program's call stack, in bytes or with K, M or G. Beyond it is the trap "call stack exhausted".
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    pub stack_size: Option<u64>,

    /// End the program when this time has passed since the start, compilation included, by the clock on the wall: 500ms, 10s, 5m, 1h.
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,

    /// How many threads the program may have at once beside its first one (`wasi-threads`). Starting more fails in the program.
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Limits")]
    pub max_threads: usize,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    /// Where compiled modules are kept for the next run: `off`, or a directory. Without this, `sconce` in the user's cache
    /// directory.
    #[arg(long, value_name = "off|DIR", help_heading = "Compilation", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,

    /// Write a log to standard error: `error`, `warn`, `info`, `debug`, `trace`, also for one part, as in
    /// `warn,sconce_wasi=debug`.
    #[arg(long, value_name = "FILTER", help_heading = "Diagnosis")]
    pub log: Option<String>,

    /// Tell a profiler where the program's functions are: `perfmap` writes /tmp/perf-PID.map, for
    /// `perf record --call-graph fp sconce run --profile perfmap APP.wasm`.
    #[arg(long, value_enum, value_name = "perfmap", help_heading = "Diagnosis")]
    pub profile: Option<Profile>,

    /// Tell a debugger of the program's functions: their names, and how to walk frames. In GDB, say first
    /// `handle SIGSEGV nostop noprint pass`.
    #[arg(long, help_heading = "Diagnosis")]
    pub debugger: bool,
}

/// `--unknown-imports`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UnknownImports {
    /// The module is not run.
    #[default]
    Error,
    /// A call of one ends the program.
    Trap,
    /// A call of one returns zeros and nulls.
    Default,
}

/// How profilers are told of functions.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// A file of addresses and names.
    #[value(name = "perfmap")]
    PerfMap,
}

/// How modules are compiled: shared by all subcommands that compile.
#[derive(Debug, Default, Args)]
pub struct CompilerArgs {
    /// Which compiler makes the code.
    #[arg(long, value_enum, default_value_t, help_heading = "Compilation")]
    pub tier: Tier,

    /// How memory accesses are kept inside memory: by guard pages, or by a check before each. Without this, guard pages
    /// where the system has address space for them.
    #[arg(long, value_name = "STYLE", help_heading = "Compilation", value_parser = bounds_parser())]
    pub bounds: Option<BoundsStyle>,

    /// How functions of a module call each other: directly, or through slots by which they can be replaced.
    #[arg(long, value_name = "STYLE", help_heading = "Compilation", hide = true, value_parser = calls_parser())]
    pub calls: Option<CallStyle>,

    /// Make every NaN that an operation produces the canonical one, so that results are the same on every machine.
    #[arg(long, help_heading = "Compilation")]
    pub canonical_nans: bool,

    /// Keep to instructions that every supported processor has (SSE4.1), so that what `sconce compile` writes runs on all of them.
    #[arg(long, help_heading = "Compilation")]
    pub baseline: bool,

    /// Sweep references at every safe point and verify all counts afterwards: finds mistakes in Sconce, and is slow.
    #[arg(long, help_heading = "Compilation", hide = true)]
    pub gc_stress: bool,

    /// Have compiled code check what it otherwise relies on: finds mistakes in Sconce, and is slow.
    #[arg(long, help_heading = "Compilation", hide = true)]
    pub paranoid: bool,
}

/// `--tier`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// `run` takes Cranelift's code if the cache has it. Else it starts at once with Lightbeam's, and when that has run for a while
    /// Cranelift compiles the module in the background, for the next run. `compile`, `cache warm` and `disas` take Cranelift.
    #[default]
    Auto,
    /// Everything before the start with Lightbeam: compiled at once, slower to run.
    Lightbeam,
    /// Everything before the start with Cranelift: slow to compile, faster to run.
    Cranelift,
}

fn bounds_parser() -> impl TypedValueParser<Value = BoundsStyle> {
    choice(["guard", "explicit"]).map(|s| if s == "guard" { BoundsStyle::Guard } else { BoundsStyle::Explicit })
}

fn calls_parser() -> impl TypedValueParser<Value = CallStyle> {
    choice(["direct", "slots"]).map(|s| if s == "direct" { CallStyle::Direct } else { CallStyle::Slots })
}

fn choice(names: [&'static str; 2]) -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(names.map(PossibleValue::new))
}

/// `sconce compile`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct CompileArgs {
    /// The module, binary or text (`-` is standard input).
    #[arg(value_name = "APP.wasm", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// What to write. Without this, the module's path with the extension `cwasm`.
    #[arg(short, long, value_name = "APP.cwasm", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    /// Write a log to standard error, as in `run`.
    #[arg(long, value_name = "FILTER", help_heading = "Diagnosis")]
    pub log: Option<String>,
}

/// `sconce cache`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct CacheArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// Subcommands of `sconce cache`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Compile modules with Cranelift, so that their next runs start with the fastest code.
    Warm(WarmArgs),
}

/// `sconce cache warm`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct WarmArgs {
    /// The modules, binary or text (`-` is standard input).
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    /// The cache's directory, as in `run`.
    #[arg(long, value_name = "DIR", help_heading = "Compilation", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,

    /// Write a log to standard error, as in `run`.
    #[arg(long, value_name = "FILTER", help_heading = "Diagnosis")]
    pub log: Option<String>,

    /// For a run that holds the other end of the pipe on standard output: give way to everything else, and end soon after it.
    #[arg(long, hide = true)]
    pub beside_run: bool,
}

/// `sconce wast`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct WastArgs {
    /// The scripts; `-` is standard input.
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    /// Write a log to standard error, as in `run`.
    #[arg(long, value_name = "FILTER", help_heading = "Diagnosis")]
    pub log: Option<String>,
}

/// `sconce validate`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct ValidateArgs {
    /// The modules, binary or text; `-` is standard input.
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

/// `sconce inspect`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct InspectArgs {
    /// The module, binary or text (`-` is standard input).
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `sconce disas`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct DisasArgs {
    /// The module, binary or text (`-` is standard input), or what `sconce compile` wrote: machine code alone, since operators are not
    /// in it.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Only this function: its number, as in backtraces, or its name or an export's. Without this, all of them.
    #[arg(long, value_name = "N|NAME")]
    pub func: Option<String>,

    #[command(flatten)]
    pub compiler: CompilerArgs,
}

/// `sconce completions`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// The command line with `run` put in where it may be left out.
///
/// # Errors
/// The first word, if it is neither a subcommand nor anything that could be a module.
pub fn with_run(mut args: Vec<OsString>) -> Result<Vec<OsString>, UnknownCommand> {
    let Some(first) = args.get(1) else { return Ok(args) };
    let text = first.to_string_lossy();
    let global = matches!(&*text, "-h" | "--help" | "-V" | "--version" | "help");
    if global || Command::has_subcommand(&text) {
        return Ok(args);
    }
    let module = text.starts_with('-') || text.contains(['.', '/']) || std::path::Path::new(first).exists();
    if !module {
        return Err(UnknownCommand { word: text.into_owned() });
    }
    args.insert(1, "run".into());
    Ok(args)
}

/// A first word that is neither a subcommand nor a file.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownCommand {
    word: String,
}

impl std::fmt::Display for UnknownCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let command = <Cli as clap::CommandFactory>::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        write!(f, "'{}' is neither a subcommand nor a file", sconce_environ::shown::Shown::short(&self.word))?;
        match crate::values::nearest(&self.word, names.iter().copied()) {
            Some(name) => write!(f, "; did you mean 'sconce {name}'?"),
            None => write!(f, "; the subcommands are {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn run(line: &str) -> RunArgs {
        match Cli::try_parse_from(with_run(words(line)).expect("a command")).expect(line).command {
            Command::Run(run) => *run,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_behind_the_module_is_the_programs() {
        for line in
            ["sconce run --argv0 x app.wasm -x --dir /y -- --help -5", "sconce --argv0 x app.wasm -x --dir /y -- --help -5"]
        {
            let args = run(line);
            assert_eq!(args.command, words("app.wasm -x --dir /y -- --help -5"));
            assert!(args.dirs.is_empty());
        }
        assert_eq!(run("sconce ./app a").command, words("./app a"));
        assert_eq!(run("sconce - run").command, words("- run"));
        assert_eq!(run("sconce run -- -odd.wasm -- x").command, words("-odd.wasm -- x"));
        assert_eq!(run("sconce app.wasm -- x").command, words("app.wasm -- x"));
        assert_eq!(run("sconce run app.wasm --version").command, words("app.wasm --version"));
    }

    #[test]
    fn a_mistyped_flag_is_not_taken_for_a_module() {
        let error =
            Cli::try_parse_from(with_run(words("sconce --timout 5s app.wasm")).expect("a command")).expect_err("--timout");
        assert!(error.to_string().contains("'--timeout'"), "{error}");
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
}
