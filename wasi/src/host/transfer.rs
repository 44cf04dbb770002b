//! Buffers of the program's, for the kernel to read and write.

use rustix::fd::BorrowedFd;
use rustix::io::{ReadWriteFlags, Result};
use rustix::net::{RecvFlags, ReturnFlags, SendFlags};

/// The buffers of one transfer, in whatever layout the program has them. An implementation hands
/// them to the kernel; when and with which flags is said here.
pub(crate) trait Buffers: Copy {
    /// Bytes that they have.
    fn len(self) -> Result<u64>;
    /// Whether they are where there is memory.
    fn check(self) -> Result<()>;
    /// Copies bytes into them, from some place in the whole on.
    fn put(self, at: usize, bytes: &[u8]) -> Result<()>;
    /// Copies bytes out of them, from some place in the whole on.
    fn get(self, at: usize, out: &mut [u8]) -> Result<()>;
    /// `readv(2)`.
    fn read(self, from: BorrowedFd<'_>) -> Result<usize>;
    /// `preadv(2)`; an offset above `i64::MAX` is `EINVAL`.
    fn read_at(self, from: BorrowedFd<'_>, at: u64) -> Result<usize>;
    /// `preadv2(2)` at the file's position.
    fn read_with(self, from: BorrowedFd<'_>, flags: ReadWriteFlags) -> Result<usize>;
    /// `writev(2)`.
    fn write(self, to: BorrowedFd<'_>) -> Result<usize>;
    /// `pwritev(2)`; an offset above `i64::MAX` is `EINVAL`.
    fn write_at(self, to: BorrowedFd<'_>, at: u64) -> Result<usize>;
    /// `pwritev2(2)`, of the first `most` bytes, there or at the file's position.
    fn write_with(self, to: BorrowedFd<'_>, most: usize, at: Option<u64>, flags: ReadWriteFlags) -> Result<usize>;
    /// `recvmsg(2)`: how many bytes, and what the kernel says of them.
    fn receive(self, from: BorrowedFd<'_>, flags: RecvFlags) -> Result<(usize, ReturnFlags)>;
    /// `sendmsg(2)`, of the first `most` bytes; never a signal.
    fn send(self, to: BorrowedFd<'_>, most: usize, flags: SendFlags) -> Result<usize>;
}
