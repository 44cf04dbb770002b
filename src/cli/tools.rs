//! The flags of the other subcommands.

use super::compiler::{CompilerArgs, tier_parser};
use super::log::LogArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `sconce compile`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct CompileArgs {
    /// The module, binary or text (`-` is standard input).
    #[arg(value_name = "APP.wasm", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// What to write (`-` is standard output). [default: the module's file name with the extension
    /// `cwasm`, in the current directory]
    #[arg(short, long, value_name = "APP.cwasm", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

/// `sconce wast`.
#[derive(Debug, Args)]
#[command(max_term_width = 110, mut_arg("tier", |tier| tier.value_parser(tier_parser("Lightbeam"))))]
pub struct WastArgs {
    /// The scripts; `-` is standard input.
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    #[command(flatten)]
    pub log: LogArgs,
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
    /// The module, binary or text (`-` is standard input), or what `sconce compile` wrote: machine
    /// code alone, since operators are not in it.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Only this function: its number, as in backtraces, or its name or an export's. [default: all]
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
