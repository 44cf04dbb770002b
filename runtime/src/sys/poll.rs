//! Waiting for descriptors for a time, that goes on while the process is stopped.

use rustix::event::{PollFd, Timespec};
use rustix::io::{Errno, Result};
use std::time::Duration;

/// Waits as `poll(2)` does for at most `timeout`, or less by up to a millisecond: callers look at the clock and come again.
///
/// When a process that was stopped continues, `ppoll(2)` waits for what was left when it was stopped,
/// `poll(2)` until the same time as before. But that counts in milliseconds; so what is less is left to
/// `ppoll`.
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<usize> {
    let milliseconds = match timeout {
        None => -1,
        Some(timeout) => match i32::try_from(timeout.as_millis()) {
            Ok(0) => {
                let rest = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
                return rustix::event::poll(fds, Some(&rest));
            }
            Ok(n) => n,
            Err(_) => i32::MAX,
        },
    };
    // SAFETY: a `PollFd` is a `pollfd` whose descriptor is borrowed, so open; rustix hands them to the kernel in the same way.
    let ready = unsafe { libc::poll(fds.as_mut_ptr().cast(), fds.len() as libc::nfds_t, milliseconds) };
    usize::try_from(ready).map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

const _: () = assert!(size_of::<PollFd<'_>>() == size_of::<libc::pollfd>());

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::PollFlags;
    use std::io::{Write, pipe};
    use std::time::Instant;

    #[test]
    fn time_ends_a_wait_and_so_does_a_descriptor() {
        let (reader, mut writer) = pipe().unwrap();
        for timeout in [0, 300, 3_000_000].map(Duration::from_micros as fn(u64) -> Duration) {
            let start = Instant::now();
            let timeout = timeout.min(Duration::from_millis(30));
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            assert_eq!(poll(&mut fds, Some(timeout)), Ok(0));
            assert!(start.elapsed() + Duration::from_millis(1) >= timeout);
        }
        writer.write_all(b"x").unwrap();
        for timeout in [Some(Duration::ZERO), Some(Duration::from_secs(1)), Some(Duration::MAX), None] {
            let mut fds = [PollFd::new(&reader, PollFlags::IN), PollFd::new(&writer, PollFlags::empty())];
            assert_eq!(poll(&mut fds, timeout), Ok(1));
            assert_eq!([fds[0].revents(), fds[1].revents()], [PollFlags::IN, PollFlags::empty()]);
        }
    }
}
