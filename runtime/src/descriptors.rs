//! Descriptors that a thread, or the process, gives up.

use crate::sys::limits;
use std::io::{Error, Result};

/// Gives the calling thread a table of descriptors of its own: those of `keep`. For a thread that only waits beside
/// another one: where one thread alone uses a table, the kernel does not count a descriptor's uses, which is worth 50 ns for each
/// system call on one. Threads that this one starts share its table.
///
/// What else this thread has, a destructor of its included, must not speak of other descriptors any more:
/// they are closed here, and open for the other threads. `/proc/self/fd` shows the table of the process's
/// first thread.
///
/// # Errors
/// Where the kernel does not know `close_range` (before 5.9), or refuses: then nothing is changed.
pub fn keep_apart(keep: &[i32]) -> Result<()> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|&fd| u32::try_from(fd).ok()).collect();
    keep.sort_unstable();
    let mut first = 0;
    for fd in keep.iter().copied().chain([u32::MAX]) {
        // The last range has descriptors as well: u32::MAX is none.
        if first < fd {
            close_range(first, fd - 1)?;
        }
        first = first.max(fd.saturating_add(1));
    }
    Ok(())
}

/// Closes descriptors, both ends included, after the first call in a table of the thread's own.
fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: no memory is involved. That other descriptors of this thread mean nothing any more is the purpose.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_UNSHARE) };
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

/// Closes what the process was started with beyond the standard descriptors, and nobody asked for: whatever is opened here, or
/// was asked for, is closed on execution ([`crate::inherit`]), and what was there before is not. Code in other languages that
/// opens files otherwise loses them.
///
/// # Errors
/// When the numbers of open descriptors cannot be listed (in `/proc/self/fd`), and there may be too many to ask for each.
pub fn close_unasked() -> Result<()> {
    for fd in open_numbers()?.into_iter().filter(|&fd| fd > 2) {
        // SAFETY: the number alone is asked about.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
            // SAFETY: no owner in this process has opened it, since all of them open with CLOEXEC.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// Those that are open, and perhaps others.
fn open_numbers() -> Result<Vec<i32>> {
    const MOST_ASKED: u64 = 1 << 20;
    let number = |entry: Result<std::fs::DirEntry>| Ok(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    let listed = || -> Result<Vec<Option<i32>>> {
        // The list's own descriptor is closed before anything is done.
        std::fs::read_dir("/proc/self/fd")?.map(number).collect()
    };
    listed().map(|listed| listed.into_iter().flatten().collect()).or_else(|e| {
        // None has a number from the limit on, unless that was lowered meanwhile.
        match limits::hard(libc::RLIMIT_NOFILE).filter(|&limit| limit <= MOST_ASKED) {
            Some(limit) => Ok((0..limit as i32).collect()),
            None => Err(Error::other(format!("/proc/self/fd: {e}"))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write, pipe};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_thread_keeps_what_it_names_and_the_others_keep_all() {
        let (mut reader, writer) = pipe().unwrap();
        let (kept, lost) = (writer.try_clone().unwrap(), File::open("/dev/null").unwrap());
        // SAFETY: the number alone is asked about.
        let is_open = |fd: i32| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0;
        std::thread::scope(|scope| {
            let open_there = scope.spawn(|| {
                keep_apart(&[kept.as_raw_fd(), -1]).unwrap();
                (&kept).write_all(b"here").unwrap();
                [is_open(kept.as_raw_fd()), is_open(lost.as_raw_fd()), is_open(writer.as_raw_fd()), is_open(1)]
            });
            assert_eq!(open_there.join().unwrap(), [true, false, false, false]);
        });
        assert!(is_open(lost.as_raw_fd()) && is_open(writer.as_raw_fd()) && is_open(1));
        drop((kept, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
    }

    #[test]
    fn all_descriptors_beyond_the_kept_ones_are_covered() {
        let far = 500;
        // SAFETY: a copy of a descriptor at a number that is free, closed again below.
        assert_eq!(unsafe { libc::dup2(2, far) }, far);
        let closed = std::thread::spawn(move || {
            keep_apart(&[2, 0, 7, 7]).unwrap();
            // SAFETY: the number alone is asked about.
            unsafe { libc::fcntl(far, libc::F_GETFD) < 0 }
        });
        assert!(closed.join().unwrap());
        // SAFETY: opened above.
        assert_eq!(unsafe { libc::close(far) }, 0);
    }
}
