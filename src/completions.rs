//! `sconce completions`.

use crate::cli::{Cli, CompletionsArgs};
use crate::report::{Failure, print};
use clap::CommandFactory;

/// Prints the script for a shell.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sconce", &mut script);
    print(&String::from_utf8_lossy(&script))
}
