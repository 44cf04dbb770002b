//! Arrays of `$iovec` and `$ciovec`.

use crate::host::transfer::Buffers;
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, ReadWriteFlags, Result};
use rustix::net::{RecvFlags, ReturnFlags, SendFlags};
use sconce_engine::{GuestMemory, IOV_MAX};

/// One in the guest's memory, with `count` entries.
#[derive(Copy, Clone)]
pub(crate) struct Iovs<'a> {
    pub memory: GuestMemory<'a>,
    pub at: u32,
    pub count: u32,
}

impl Iovs<'_> {
    /// The part of the buffers that begins at `at` and has `len` bytes: for each piece of it, where it is in the whole, its address,
    /// and how long it is.
    fn pieces(self, at: usize, len: usize, mut piece: impl FnMut(usize, u32, usize) -> Result<()>) -> Result<()> {
        let (mut skipped, mut done) = (0, 0);
        for entry in (u64::from(self.at)..).step_by(8).take(self.count as usize) {
            let (address, size) = (self.memory.read::<u32>(entry)?, self.memory.read::<u32>(entry + 4)? as usize);
            let skip = (at - skipped).min(size);
            skipped += skip;
            let take = (size - skip).min(len - done);
            if take > 0 {
                piece(done, address + skip as u32, take)?;
                done += take;
            }
        }
        Ok(())
    }
}

impl Buffers for Iovs<'_> {
    fn len(self) -> Result<u64> {
        self.memory.iovs_len(self.at, self.count)
    }

    fn check(self) -> Result<()> {
        if self.count > IOV_MAX {
            return Err(Errno::INVAL);
        }
        for entry in (u64::from(self.at)..).step_by(8).take(self.count as usize) {
            self.memory.check(self.memory.read::<u32>(entry)?, self.memory.read::<u32>(entry + 4)?)?;
        }
        Ok(())
    }

    fn put(self, at: usize, bytes: &[u8]) -> Result<()> {
        self.pieces(at, bytes.len(), |from, address, len| Ok(self.memory.write_bytes(address, &bytes[from..from + len])?))
    }

    fn get(self, at: usize, out: &mut [u8]) -> Result<()> {
        self.pieces(at, out.len(), |to, address, len| Ok(self.memory.read_bytes(address, &mut out[to..to + len])?))
    }

    #[inline(always)]
    fn read(self, from: BorrowedFd<'_>) -> Result<usize> {
        self.memory.readv(from, self.at, self.count)
    }

    #[inline(always)]
    fn read_at(self, from: BorrowedFd<'_>, at: u64) -> Result<usize> {
        self.memory.preadv(from, self.at, self.count, at)
    }

    fn read_with(self, from: BorrowedFd<'_>, flags: ReadWriteFlags) -> Result<usize> {
        self.memory.readv_with(from, self.at, self.count, flags)
    }

    #[inline(always)]
    fn write(self, to: BorrowedFd<'_>) -> Result<usize> {
        self.memory.writev(to, self.at, self.count)
    }

    #[inline(always)]
    fn write_at(self, to: BorrowedFd<'_>, at: u64) -> Result<usize> {
        self.memory.pwritev(to, self.at, self.count, at)
    }

    fn write_with(self, to: BorrowedFd<'_>, most: usize, at: Option<u64>, flags: ReadWriteFlags) -> Result<usize> {
        self.memory.writev_with(to, (self.at, self.count), most, at, flags)
    }

    fn receive(self, from: BorrowedFd<'_>, flags: RecvFlags) -> Result<(usize, ReturnFlags)> {
        let (n, got) = self.memory.recv(from, self.at, self.count, flags.bits() as i32)?;
        Ok((n, ReturnFlags::from_bits_retain(got as u32)))
    }

    fn send(self, to: BorrowedFd<'_>, most: usize, flags: SendFlags) -> Result<usize> {
        self.memory.send(to, (self.at, self.count), most, flags.bits() as i32)
    }
}
