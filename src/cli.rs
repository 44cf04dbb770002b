//! What a command line can say: one field and one doc comment for each flag, from which help, completions and the manual
//! page are made.

mod cache;
mod compiler;
mod foreign;
mod log;
mod parse;
pub mod policy;
mod run;
mod tools;
mod words;

pub use cache::{CacheArgs, CacheCommand, CleanArgs, ListArgs, StatsArgs, WarmArgs, WhichArgs};
pub use compiler::{CompilerArgs, Tier};
pub use parse::{Refused, command_line};
pub use run::{Confine, Explain, GivenOption, Profile, RunArgs, StatsFormat, TraceFormat, UnknownImports, Validate};
pub use tools::{CompileArgs, CompletionsArgs, DisasArgs, InspectArgs, ValidateArgs, WastArgs};
pub use words::{OPTIONS, is_global};

use clap::{Parser, Subcommand};
use std::sync::LazyLock;

/// How a run ends, for help and manual.
pub const EXIT_STATUS: &str = "\
Exit status:
  the program's own  what it passed to proc_exit (a shell sees the low 8 bits)
  134                it trapped; its backtrace is on standard error
  124                a limit ended it: --timeout, --cpu-time, --fuel or --max-output
  1                  the module could not be run
  2                  wrong usage
When a signal ends the program, the same signal ends Sconce.";

/// What Sconce itself reads of its environment, for help and manual.
pub const ENVIRONMENT: &str = "\
Environment:
  SCONCE_OPTIONS  options for every run; the command line overrides them
  XDG_CACHE_HOME  the user's cache directory (otherwise ~/.cache)
  XDG_STATE_HOME  the user's state directory (otherwise ~/.local/state), with the key of the cache
  NO_COLOR        if it is set, messages have no colours";

const RUN_MAY_BE_LEFT_OUT: &str = "\
The options of `run` work without that word, too: `sconce --dir . APP.wasm`. `sconce run --help` lists them.";

/// Runs WebAssembly programs.
///
/// `sconce APP.wasm ARGS..` is short for `sconce run APP.wasm ARGS..`. A program reaches only the
/// files, variables and sockets that options grant.
#[derive(Debug, Parser)]
#[command(
    name = "sconce",
    version = version(),
    override_usage = "sconce [run] [OPTIONS] APP.wasm [ARGS]...\n       sconce COMMAND [OPTIONS] ...",
    after_help = format!("{RUN_MAY_BE_LEFT_OUT}\n\n{EXIT_STATUS}\n\n{ENVIRONMENT}"),
    arg_required_else_help = true,
    // The last one holds, so that an alias, a script or SCONCE_OPTIONS can give defaults.
    args_override_self = true,
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
    /// Manage the cache of compiled modules.
    Cache(CacheArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page (`sconce man | man -l -`).
    Man,
}
