//! What the process was started with, and cannot be asked for once Rust's runtime has begun.
//!
//! Before `main` that ignores SIGPIPE and opens `/dev/null` in place of closed standard descriptors; where there is no such
//! file it aborts. The loader calls [`record`] before all of that.

use libc::sigaction;
use std::io::Error;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

#[used]
// SAFETY: the loader calls what stands in this section once, on the only thread there is, when libc is ready for use.
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

/// Bit n - 1 for signal n.
static IGNORED: AtomicU32 = AtomicU32::new(0);
/// Bit n for descriptor n.
static CLOSED: AtomicU8 = AtomicU8::new(0);

extern "C" fn record() {
    // SAFETY: no descriptor is asked about. Without this call, and the next, Rust's runtime aborts without a word.
    if unsafe { libc::poll(null_mut(), 0, 0) } < 0 && Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
        refused("poll");
    }
    let mut ignored = 0;
    for signal in 1..32 {
        let mut action = MaybeUninit::<sigaction>::uninit();
        // SAFETY: only asks; the action is read if there was an answer.
        let (answer, is_ignored) = unsafe {
            let answer = sigaction(signal, null(), action.as_mut_ptr());
            (answer, answer == 0 && action.assume_init_ref().sa_sigaction == libc::SIG_IGN)
        };
        if answer != 0 && signal == libc::SIGPIPE {
            refused("rt_sigaction");
        }
        ignored |= u32::from(is_ignored) << (signal - 1);
    }
    IGNORED.store(ignored, Ordering::Relaxed);
    for fd in 0..3 {
        // SAFETY: the number alone is asked about.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if flags < 0 && Error::last_os_error().raw_os_error() == Some(libc::EBADF) {
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
            // The number must be taken, or a file that is opened later would be standard output. This needs
            // no file system, takes the lowest number, and can be neither read nor written. Should it be
            // refused, Rust's runtime tries its own way. SAFETY: no memory is involved.
            unsafe { libc::epoll_create1(0) };
        }
    }
}

/// Ends the process with a message.
fn refused(call: &str) -> ! {
    let message = format!("error: cannot start: the system call {call} is refused; does a filter (seccomp) do that?\n");
    // SAFETY: the bytes are there; no other thread is.
    unsafe {
        libc::write(2, message.as_ptr().cast(), message.len());
        libc::_exit(1)
    }
}

/// Whether a signal was ignored when the process was started (`nohup`, `trap ''`, a shell's background job): it is to stay so.
pub fn ignored_at_start(signal: i32) -> bool {
    (1..32).contains(&signal) && IGNORED.load(Ordering::Relaxed) >> (signal - 1) & 1 == 1
}

/// Which of the descriptors 0 to 2 were closed when the process was started. What is there now only takes the number.
pub fn closed_at_start() -> [bool; 3] {
    let closed = CLOSED.load(Ordering::Relaxed);
    [0, 1, 2].map(|fd| closed >> fd & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    const ROLE: &str = "SCONCE_TEST_START";

    #[test]
    fn what_a_shell_ignored_and_closed_is_known() {
        if std::env::var_os(ROLE).is_some() {
            let is_ignored = |s: &i32| ignored_at_start(*s);
            assert_eq!((0..64).filter(is_ignored).collect::<Vec<_>>(), [libc::SIGHUP, libc::SIGPIPE]);
            assert_eq!(closed_at_start(), [true, false, true]);
            std::process::exit(42);
        }
        let test = "sys::start::tests::what_a_shell_ignored_and_closed_is_known";
        let mut env = Command::new("env");
        env.args(["--default-signal", "sh", "-c", r#"trap '' HUP PIPE; exec "$0" --exact "$1" <&- 2>&-"#]);
        let out = env.arg(std::env::current_exe().unwrap()).arg(test).env(ROLE, "1").output().unwrap();
        assert_eq!((out.status.code(), out.status.signal()), (Some(42), None), "{out:?}");
    }
}
