//! The flags of `sconce cache`.

use super::compiler::CompilerArgs;
use super::log::LogArgs;
use crate::values::{parse_cache, parse_hash};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

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
    /// List what is kept: of these modules, or all, what was used last first.
    #[command(alias = "list")]
    Ls(ListArgs),
    /// Say how much is kept, and where.
    Stats(StatsArgs),
    /// Remove what is kept: of these modules, or all.
    #[command(aliases = ["clear", "prune", "purge", "rm"])]
    Clean(CleanArgs),
    /// Compile modules with Cranelift, so that their next runs start with the fastest code.
    Warm(WarmArgs),
}

/// Which cache.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// The cache's directory, as in `run`. [default: `sconce` in the user's cache directory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(|s| parse_cache(&s)))]
    pub cache: Option<PathBuf>,

    #[command(flatten)]
    pub log: LogArgs,
}

/// `sconce cache ls`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct ListArgs {
    /// Only what is kept of these modules, as the flags below have them compiled. [default: all]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// Print JSON: an array of objects.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    #[command(flatten)]
    pub which: WhichArgs,
}

/// `sconce cache stats`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct StatsArgs {
    /// Print JSON: an object.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub which: WhichArgs,
}

/// `sconce cache clean`.
#[derive(Debug, Args)]
#[command(max_term_width = 110)]
pub struct CleanArgs {
    /// Only what is kept of these modules, as the flags below have them compiled. [default: all]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// Only what was not used for so many days.
    #[arg(long, value_name = "DAYS")]
    pub unused_for: Option<u32>,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    #[command(flatten)]
    pub which: WhichArgs,
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

    /// The cache's directory, as in `run`. [default: `sconce` in the user's cache directory]
    #[arg(long, value_name = "DIR", help_heading = "Compilation", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(|s| parse_cache(&s)))]
    pub cache: Option<PathBuf>,

    #[command(flatten)]
    pub log: LogArgs,

    /// For a run that holds the other end of the pipe on standard output: give way to everything
    /// else, and end soon after it. HASH is that of the module as the run read it.
    #[arg(long, hide = true, value_name = "HASH", value_parser = parse_hash)]
    pub beside_run: Option<[u8; 32]>,

    /// That run has not compiled all of the module: so Lightbeam does first, and Cranelift only if the run lasts.
    #[arg(long, hide = true)]
    pub not_whole: bool,
}
