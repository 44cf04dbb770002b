//! Standard streams that the program closes. The process has each of them open beside the program, and the waiting thread has one
//! more in its table: until those are gone, whoever reads the other end of a pipe waits for an end that does not come.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Whether the program has closed standard error, to which the waiting thread writes.
static STDERR_CLOSED: AtomicBool = AtomicBool::new(false);
/// What the waiting thread waits for.
static WAKE: OnceLock<File> = OnceLock::new();

/// What closed streams are replaced by: nothing can be opened any more when they are.
static NOTHING: OnceLock<OwnedFd> = OnceLock::new();

/// Opens what is needed later. Gives its number, which the waiting thread's table needs.
pub fn prepare() -> Option<i32> {
    // To reads and writes this is as if nothing were there.
    let nothing = open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    Some(NOTHING.get_or_init(|| nothing).as_raw_fd())
}

/// The waiting thread is woken through this.
pub fn wake_by(pipe: File) {
    // There is one waiting thread in a process, and so one that is first.
    let _ = WAKE.set(pipe);
}

/// The program has closed this stream: for this thread's table. What Sconce would still write there is lost,
/// as it would be for any program that closes it.
pub fn close(number: usize) {
    leave(number);
    if number == 2 {
        STDERR_CLOSED.store(true, SeqCst);
        // A full pipe wakes as well.
        let _ = WAKE.get().map(|mut wake| wake.write(&[0]));
    }
}

/// For the waiting thread's table, when it has been woken.
pub fn close_here() {
    if STDERR_CLOSED.swap(false, SeqCst) {
        leave(2);
    }
}

/// Closes it, and keeps its number from being given to a file.
fn leave(number: usize) {
    let Some(nothing) = NOTHING.get() else { return };
    // It can only fail where it cannot be helped.
    let _ = match number {
        0 => dup2_stdin(nothing),
        1 => dup2_stdout(nothing),
        _ => dup2_stderr(nothing),
    };
}
