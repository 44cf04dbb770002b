//! A process beside this one that waits until it is wanted, and then executes this program anew.
//!
//! It is made before this process gives up the right to execute anything, and is as the process was then: it has nothing that
//! this one, or a guest in it, can write to.

use rustix::fd::{AsRawFd, OwnedFd};
use std::ffi::{CStr, CString, c_char, c_int};
use std::io::{Error, Result};
use std::ptr::{null, null_mut};
use std::time::Duration;

/// The program that runs, though its file may have been replaced.
const THIS: &CStr = c"/proc/self/exe";

/// What a process does whose maker has ended before it was wanted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum IfEnded {
    /// It ends as well.
    End,
    /// It does at once what it is for.
    Execute,
}

/// Has a copy of this process wait, and then execute this program with these words (the first is its name) and the
/// environment of now. Its standard input is `input`; its standard output is the reading end of a pipe whose other end is
/// given, so that it sees this process end, however it does; `if_ended` says what then, if that is while the copy waits. What is
/// written there before has it executed at once. It has
/// nothing else open, leads a process group, so that signals of a terminal are not for it, and is nobody's to wait for: from
/// here on no child of this process is (`SA_NOCLDWAIT`), so that this is for a process that starts no others.
///
/// # Errors
/// When a process, a pipe or `/dev/null` cannot be had, and for words with a NUL.
pub fn wait_and_execute(words: &[impl AsRef<[u8]>], input: OwnedFd, wait: Duration, if_ended: IfEnded) -> Result<OwnedFd> {
    let (until_closed, open) = std::io::pipe()?;
    let null_device = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    let words = words.iter().map(|word| CString::new(word.as_ref())).collect::<std::result::Result<Vec<_>, _>>()?;
    let argv: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).chain([null()]).collect();
    let wait = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
    do_not_collect();
    let descriptors = [input.as_raw_fd(), until_closed.as_raw_fd(), null_device.as_raw_fd()];
    // SAFETY: the child calls nothing but what is async-signal-safe, whatever other threads held when it was made.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        // SAFETY: the child; everything that it needs was made before.
        0 => unsafe { child(&argv, descriptors, wait, if_ended) },
        _ => Ok(open.into()),
    }
}

/// Children that nobody waits for leave nothing behind.
fn do_not_collect() {
    // SAFETY: a sigaction is plain data; the action is the default one, and only what becomes of children differs.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        action.sa_flags = libc::SA_NOCLDWAIT;
        libc::sigaction(libc::SIGCHLD, &action, null_mut());
    }
}

/// What the copy does.
///
/// # Safety
/// To be called in a child that nobody else is in; `argv` ends with null.
unsafe fn child(argv: &[*const c_char], [input, until_closed, null_device]: [c_int; 3], wait: c_int, if_ended: IfEnded) -> ! {
    // SAFETY: async-signal-safe calls on numbers that are open here, and on memory that is this process's own.
    unsafe {
        libc::setpgid(0, 0);
        // None of the three is a standard descriptor: those are never closed.
        let placed = libc::dup2(input, 0) == 0 && libc::dup2(until_closed, 1) == 1 && libc::dup2(null_device, 2) == 2;
        if !placed || libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) != 0 {
            libc::_exit(1);
        }
        let mut end = libc::pollfd { fd: 1, events: libc::POLLIN, revents: 0 };
        if libc::poll(&mut end, 1, wait) == 0 || end.revents & libc::POLLIN != 0 || if_ended == IfEnded::Execute {
            unsafe extern "C" {
                static environ: *const *const c_char;
            }
            libc::execve(THIS.as_ptr(), argv.as_ptr(), environ);
        }
        libc::_exit(1)
    }
}
