//! How much a program may write.

use super::denial::{self, Rule};
use super::descriptor::Descriptor;
use super::transfer::Buffers;
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, ReadWriteFlags, Result};
use rustix::net::{RecvFlags, ReturnFlags, SendFlags};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that may be written to some of what a program has open, all together.
#[derive(Debug)]
pub(crate) struct Quota {
    most: u64,
    /// Taken for what is being written, too.
    used: AtomicU64,
    struck: AtomicBool,
    /// Whether the run ends with the write that finds nothing left; it is `EDQUOT` where the program can go on.
    pub ends: bool,
}

impl Quota {
    pub(crate) fn new(most: u64, ends: bool) -> Arc<Quota> {
        Arc::new(Quota { most, used: AtomicU64::new(0), struck: AtomicBool::new(false), ends })
    }

    /// Bytes written.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there was more to be written than may be.
    pub(crate) fn has_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    /// The error of what may not be written.
    pub(super) fn refuse(&self) -> Errno {
        self.struck.store(true, Ordering::Relaxed);
        denial::refuse(Rule::Written)
    }

    /// Takes what is left, up to `wanted`.
    fn take(&self, wanted: u64) -> Result<u64> {
        let more = |used: u64| Some(used + wanted.min(self.most - used));
        let used = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).unwrap_or(self.most);
        if wanted > self.most - used {
            // A part may be written; some programs take that for a failure.
            self.struck.store(true, Ordering::Relaxed);
        }
        match wanted.min(self.most - used) {
            0 if wanted > 0 => Err(self.refuse()),
            taken => Ok(taken),
        }
    }

    /// Does with as many of `wanted` bytes as are left what gives how many were written.
    pub(super) fn spend(&self, wanted: u64, write: impl FnOnce(u64) -> Result<usize>) -> Result<usize> {
        let taken = self.take(wanted)?;
        let written = write(taken);
        let spent = written.as_ref().map_or(0, |&n| (n as u64).min(taken));
        self.used.fetch_sub(taken - spent, Ordering::Relaxed);
        written
    }
}

impl Descriptor {
    /// Whether what it may write is used up, and that is how the run ends: the bytes that it was.
    pub(crate) fn exhausted(&self) -> Option<u64> {
        self.quota.as_ref().filter(|quota| quota.ends && quota.has_struck()).map(|quota| quota.most)
    }
}

/// The first `most` bytes of a program's buffers.
#[derive(Copy, Clone)]
pub(super) struct Cut<B> {
    pub of: B,
    pub most: u64,
}

impl<B: Buffers> Cut<B> {
    fn most(self) -> usize {
        usize::try_from(self.most).unwrap_or(usize::MAX)
    }
}

impl<B: Buffers> Buffers for Cut<B> {
    fn len(self) -> Result<u64> {
        Ok(self.of.len()?.min(self.most))
    }

    fn check(self) -> Result<()> {
        self.of.check()
    }

    fn put(self, at: usize, bytes: &[u8]) -> Result<()> {
        self.of.put(at, bytes)
    }

    fn get(self, at: usize, out: &mut [u8]) -> Result<()> {
        self.of.get(at, out)
    }

    fn write(self, to: BorrowedFd<'_>) -> Result<usize> {
        self.of.write_with(to, self.most(), None, ReadWriteFlags::empty())
    }

    fn write_at(self, to: BorrowedFd<'_>, at: u64) -> Result<usize> {
        self.of.write_with(to, self.most(), Some(at), ReadWriteFlags::empty())
    }

    fn write_with(self, to: BorrowedFd<'_>, most: usize, at: Option<u64>, flags: ReadWriteFlags) -> Result<usize> {
        self.of.write_with(to, self.most().min(most), at, flags)
    }

    fn send(self, to: BorrowedFd<'_>, most: usize, flags: SendFlags) -> Result<usize> {
        self.of.send(to, self.most().min(most), flags)
    }

    // A quota is on what is written: the rest is as it is without one.

    fn read(self, from: BorrowedFd<'_>) -> Result<usize> {
        self.of.read(from)
    }

    fn read_at(self, from: BorrowedFd<'_>, at: u64) -> Result<usize> {
        self.of.read_at(from, at)
    }

    fn read_with(self, from: BorrowedFd<'_>, flags: ReadWriteFlags) -> Result<usize> {
        self.of.read_with(from, flags)
    }

    fn receive(self, from: BorrowedFd<'_>, flags: RecvFlags) -> Result<(usize, ReturnFlags)> {
        self.of.receive(from, flags)
    }
}
