//! Files in memory, without a name: what code and memory images are kept in.

use super::limits;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{Errno, Result, pwrite};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// An anonymous file in memory.
#[derive(Debug)]
pub(crate) struct MemFile(OwnedFd);

impl MemFile {
    /// A file of `len` zero bytes, which take no memory until written. `executable` says whether it will be mapped so.
    ///
    /// The limit on file sizes (`ulimit -f`) holds for such files as well. One beyond it is `EFBIG` here, for
    /// which the kernel is not asked: it would send SIGXFSZ too.
    pub(crate) fn new(name: &str, len: u64, executable: bool) -> Result<MemFile> {
        if limits::soft(libc::RLIMIT_FSIZE).is_some_and(|most| len > most) {
            return Err(Errno::FBIG);
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let kind = if executable { MemfdFlags::EXEC } else { MemfdFlags::NOEXEC_SEAL };
        // Kernels before 6.3 know neither kind.
        let fd = match memfd_create(name, flags | kind) {
            Err(Errno::INVAL) => memfd_create(name, flags)?,
            other => other?,
        };
        ftruncate(&fd, len)?;
        Ok(MemFile(fd))
    }

    /// Writes all of `bytes` at `offset`.
    pub(crate) fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> Result<()> {
        while !bytes.is_empty() {
            match pwrite(&self.0, bytes, offset) {
                Ok(0) => return Err(Errno::NOSPC),
                Ok(n) => {
                    bytes = &bytes[n..];
                    offset += n as u64;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Makes a range zero and gives its memory back.
    pub(crate) fn punch(&self, offset: u64, len: u64) -> Result<()> {
        fallocate(&self.0, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len)
    }

    /// No more writes and no change of size, by anybody.
    pub(crate) fn seal(&self) -> Result<()> {
        fcntl_add_seals(&self.0, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
    }
}

impl AsFd for MemFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
