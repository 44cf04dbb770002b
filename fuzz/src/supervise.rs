//! The search runs in a process of its own: wrong code may end it, and the cases that were under way are known then.

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set for the process that searches.
const CHILD: &str = "SCONCE_FUZZ_CHILD";

/// Whether this process is the one that searches.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// How the process that searches ended.
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// By a signal, while these seeds were under way.
    Killed(i32, Vec<u64>),
}

/// Runs this program once more, as the one that searches; with other arguments, if there are any.
///
/// # Errors
/// If it cannot be started.
pub fn supervise(found: &Path, arguments: &[OsString]) -> io::Result<End> {
    std::fs::create_dir_all(found)?;
    for path in running(found)? {
        std::fs::remove_file(path)?;
    }
    let mut command = Command::new(std::env::current_exe()?);
    match arguments {
        [] => command.args(std::env::args_os().skip(1)),
        others => command.args(others),
    };
    let status = command.env(CHILD, "1").status()?;
    let Some(signal) = status.signal() else { return Ok(End::Exited(status)) };
    let mut seeds = Vec::new();
    for path in running(found)? {
        seeds.extend(std::fs::read_to_string(path)?.trim().parse::<u64>());
    }
    Ok(End::Killed(signal, seeds))
}

/// The files that say what is under way.
fn running(found: &Path) -> io::Result<Vec<PathBuf>> {
    let all: io::Result<Vec<PathBuf>> = std::fs::read_dir(found)?.map(|entry| entry.map(|e| e.path())).collect();
    Ok(all?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "running")).collect())
}

/// Notes that this thread runs a seed, or none.
///
/// # Errors
/// If that cannot be written.
pub fn note(found: &Path, seed: Option<u64>) -> io::Result<()> {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    let path = found.join(format!("{}.running", NUMBER.get()));
    std::fs::write(path, seed.map_or(String::new(), |seed| seed.to_string()))
}
