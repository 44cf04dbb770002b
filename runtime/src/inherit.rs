//! Descriptors that the process was started with, by number.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

/// A copy, with `CLOEXEC`, of a descriptor that the parent left open. To be called before anything else is opened: a number
/// says nothing of what it names.
///
/// # Errors
/// [`Errno::BADF`] if nothing is open there, or if the number is negative.
pub fn inherit(number: i32) -> Result<OwnedFd, Errno> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, and the borrow lasts for one call, which only asks the kernel for a copy: a number that is
    // not open, or is closed meanwhile, is its EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_dupfd_cloexec(fd, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsRawFd;

    #[test]
    fn what_is_open_is_copied() {
        let (reader, writer) = std::io::pipe().unwrap();
        let copy = inherit(writer.as_raw_fd()).unwrap();
        drop(writer);
        assert!(rustix::io::fcntl_getfd(&copy).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        rustix::io::write(&copy, b"x").unwrap();
        let mut byte = [0];
        assert_eq!(rustix::io::read(&reader, &mut byte), Ok(1));
    }

    #[test]
    fn what_is_not_open_is_refused() {
        assert_eq!(inherit(-1).err(), Some(Errno::BADF));
        assert_eq!(inherit(1 << 20).err(), Some(Errno::BADF));
    }
}
