//! How the process ends, and what it says then. Messages begin with `error: `, as those of the argument parser do, and in its
//! colours.

use crate::progress;
use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style, Styles};
use sconce_environ::shown;
use signal_hook::consts::SIGPIPE;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Exit code of a module that could not be run.
pub const NOT_RUN: i32 = 1;
/// Exit code of wrong usage.
pub const USAGE: i32 = 2;
/// Exit code of a run that a limit ended, as `timeout` has it.
pub const LIMITED: i32 = 124;
/// Exit code of a trap: what a shell makes of SIGABRT.
pub const TRAPPED: i32 = 134;

/// Why a subcommand ends early.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub code: i32,
    /// What follows `error: `; several lines are fine.
    pub message: String,
}

impl Failure {
    /// The module could not be run, or the files not be used.
    pub fn not_run(message: impl Into<String>) -> Failure {
        Failure { code: NOT_RUN, message: message.into() }
    }

    /// The command line does not make sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { code: USAGE, message: message.into() }
    }
}

/// How a process ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With an exit code, of which the parent sees the low 8 bits.
    Exit(i32),
    /// By a signal's default action.
    Signal(i32),
}

impl End {
    /// Ends the process, at once: what was written has been flushed.
    pub fn now(self) -> ! {
        match self {
            End::Exit(code) => sconce_engine::end_now(code),
            End::Signal(signal) => sconce_engine::end_by_signal(signal),
        }
    }
}

/// Writes a listing to standard output, with names in it escaped.
///
/// # Errors
/// As [`print()`].
pub fn list(text: &str) -> Result<(), Failure> {
    print(&shown::lines(text, usize::MAX))
}

/// Writes to standard output. A reader that is gone ends the process by SIGPIPE, as it ends other programs,
/// unless that is ignored.
///
/// # Errors
/// Any other failure.
pub fn print(text: &str) -> Result<(), Failure> {
    write(|out| out.write_all(text.as_bytes()))
}

/// The same with bytes.
///
/// # Errors
/// As [`print()`].
pub fn write(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = if sconce_engine::closed_at_start()[1] {
        Err(rustix::io::Errno::BADF.into())
    } else {
        write(&mut out).and_then(|()| out.flush())
    };
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe && !sconce_engine::ignored_at_start(SIGPIPE) => {
            End::Signal(SIGPIPE).now()
        }
        Err(e) => Err(Failure::not_run(format!("cannot write to standard output: {}", reason(&e)))),
        Ok(()) => Ok(()),
    }
}

/// Writes lines to standard error: at once, so that those of several writers do not mix. What cannot be written is lost.
pub fn complain(lines: &str) {
    write_error(&format!("{}\n", harmless(lines)));
}

/// The same after a word that says what kind of message it is, in this style where standard error shows colours.
fn complain_as(kind: &str, style: Style, message: &str) {
    let kind = if shows_colours() { format!("{style}{kind}:{style:#}") } else { format!("{kind}:") };
    write_error(&format!("{kind} {}\n", harmless(message)));
}

/// Whether standard error shows colours: found out once, since variables that have a say are gone when a program runs.
pub fn shows_colours() -> bool {
    static SHOWS: OnceLock<bool> = OnceLock::new();
    *SHOWS.get_or_init(|| AutoStream::choice(&io::stderr()) != ColorChoice::Never)
}

fn write_error(text: &str) {
    progress::hide();
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The text as a message: names in it were escaped where they were put in; what a library has slipped in is escaped here.
fn harmless(text: &str) -> Cow<'_, str> {
    shown::lines(text, MAX_MESSAGE)
}

/// Bytes of a message; each of its parts is far shorter.
const MAX_MESSAGE: usize = 256 << 10;

/// Says `error: ..`.
pub fn error(message: &str) {
    complain_as("error", *Styles::styled().get_error(), message);
}

/// Does something with each module; one that fails does not keep the others from their turn.
///
/// # Errors
/// The failure, if there is one module; of several, each failure is printed, and the error is how many modules `what` holds of.
pub fn each(modules: &[PathBuf], what: &str, work: impl Fn(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut wrong: Vec<Failure> = modules.iter().filter_map(|path| work(path).err()).collect();
    match (wrong.len(), modules.len()) {
        (0, _) => Ok(()),
        (1, 1) => Err(wrong.remove(0)),
        (failed, all) => {
            wrong.iter().for_each(|failure| error(&failure.message));
            Err(Failure::not_run(format!("{failed} of {all} modules {what}")))
        }
    }
}

/// Says `warning: ..`.
pub fn warn(message: &str) {
    complain_as("warning", AnsiColor::Yellow.on_default().bold(), message);
}

/// Says `note: ..`.
pub fn note(message: &str) {
    complain_as("note", AnsiColor::Cyan.on_default().bold(), message);
}

/// What the system says, without the number that the standard library adds.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
        return "too many open files for the limit on them (ulimit -n)".to_owned();
    }
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
