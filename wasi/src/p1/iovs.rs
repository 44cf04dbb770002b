//! Arrays of `$iovec` and `$ciovec`.

use crate::host::transfer::Buffers;
use rustix::fd::BorrowedFd;
use rustix::io::{ReadWriteFlags, Result};
use rustix::net::{RecvFlags, ReturnFlags, SendFlags};
use sconce_engine::GuestMemory;

/// One in the guest's memory, with `count` entries.
#[derive(Copy, Clone)]
pub(crate) struct Iovs<'a> {
    pub memory: GuestMemory<'a>,
    pub at: u32,
    pub count: u32,
}

impl Buffers for Iovs<'_> {
    fn len(self) -> Result<u64> {
        self.memory.iovs_len(self.at, self.count)
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
