//! `sconce completions`. The scripts for bash, zsh and fish ask `sconce __complete`; those for other shells are the argument
//! parser's, which know options, but neither that `run` may be left out nor where the program's own arguments begin.

use crate::cli::{Cli, CompletionsArgs};
use crate::report::{Failure, print};
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints the script for a shell.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    match args.shell {
        Shell::Bash => print(include_str!("completions/sconce.bash")),
        Shell::Zsh => print(include_str!("completions/sconce.zsh")),
        Shell::Fish => print(include_str!("completions/sconce.fish")),
        other => {
            let mut script = Vec::new();
            clap_complete::generate(other, &mut Cli::command(), "sconce", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}
