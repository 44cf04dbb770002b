//! Flags, reads and writes of descriptors whose open file description others have, too.
//!
//! `O_APPEND` and `O_NONBLOCK` belong to the description, so that a guest which set them would set them for its shell and for whoever
//! else writes to the same file; and no order of saving and putting back is right for all of them. So they are never changed there:
//! what the guest sets is asked of the kernel with each of its calls (`RWF_APPEND`, `RWF_NOWAIT`, `MSG_DONTWAIT`).
//!
//! What was opened to be appended to (`>> log`) is to the guest what a file with the attribute `a` is to everybody (`chattr(1)`): the
//! flag stays, the file is not cut, and its times are only set to now.

use super::{Descriptor, Sharing, fdflags_of};
use crate::p1::abi::{fdflags, filetype};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::AsFd;
use rustix::fs::{OFlags, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno, ReadWriteFlags, Result};
use rustix::net::{RecvFlags, SendFlags};
use sconce_engine::GuestMemory;
use std::sync::atomic::Ordering;

/// Flags that are imitated where they are not the guest's alone, and that reading or writing must mind.
const IMITATED: u16 = fdflags::APPEND | fdflags::NONBLOCK;

/// How much a pipe takes without waiting when it says that it takes something (`PIPE_BUF`).
const PIPE: usize = 4096;

/// The same of a terminal: when less is waiting there, it says that it takes something.
const TERMINAL: usize = 256;

impl Descriptor {
    /// The guest's `$fdflags`.
    pub(crate) fn flags(&self) -> Result<u16> {
        let append = fdflags_of(rustix::fs::fcntl_getfl(self)?) & fdflags::APPEND;
        Ok(append | self.flags.load(Ordering::Relaxed))
    }

    /// Sets the guest's `$fdflags`. What the kernel cannot change in an open file (`O_SYNC`), or what is not the guest's alone, is kept
    /// here and minded at each call.
    ///
    /// `EPERM` for a guest that would write elsewhere than at the end of what it was given to append to.
    pub(crate) fn set_flags(&self, flags: u16) -> Result<()> {
        let now = rustix::fs::fcntl_getfl(self)?;
        let kept = match self.sharing {
            Sharing::Own => {
                let mut new = now;
                new.set(OFlags::APPEND, flags & fdflags::APPEND != 0);
                new.set(OFlags::NONBLOCK, flags & fdflags::NONBLOCK != 0);
                if new != now {
                    rustix::fs::fcntl_setfl(self, new)?;
                }
                flags & !fdflags::APPEND
            }
            Sharing::Shared if !now.contains(OFlags::APPEND) => flags,
            Sharing::Shared if flags & fdflags::APPEND == 0 => return Err(Errno::PERM),
            Sharing::Shared => flags & !fdflags::APPEND,
        };
        self.flags.store(kept, Ordering::Relaxed);
        Ok(())
    }

    /// `EPERM` for what was given to append to.
    pub(crate) fn may_be_cut(&self) -> Result<()> {
        let appended = self.sharing == Sharing::Shared && rustix::fs::fcntl_getfl(self)?.contains(OFlags::APPEND);
        if appended { Err(Errno::PERM) } else { Ok(()) }
    }

    /// `EPERM` for what was given to append to, if other times than the present are to be set.
    pub(crate) fn may_have(&self, times: &Timestamps) -> Result<()> {
        let real = |nsec| nsec == UTIME_NOW || nsec == UTIME_OMIT;
        if real(times.last_access.tv_nsec) && real(times.last_modification.tv_nsec) { Ok(()) } else { self.may_be_cut() }
    }

    /// What of a shared description's flags is to be imitated.
    #[inline(always)]
    fn imitated(&self) -> u16 {
        match self.sharing {
            Sharing::Own => 0,
            Sharing::Shared => self.flags.load(Ordering::Relaxed) & IMITATED,
        }
    }

    /// `readv(2)`, in the way that the guest's flags want it.
    #[inline(always)]
    pub(crate) fn read(&self, memory: GuestMemory<'_>, iovs: u32, count: u32) -> Result<usize> {
        if self.imitated() & fdflags::NONBLOCK != 0 && self.waits() {
            return self.read_at_once(memory, iovs, count);
        }
        self.waiting(PollFlags::IN, || memory.readv(self.as_fd(), iovs, count))
    }

    /// `writev(2)`, in the way that the guest's flags want it.
    #[inline(always)]
    pub(crate) fn write(&self, memory: GuestMemory<'_>, iovs: u32, count: u32) -> Result<usize> {
        if self.imitated() != 0 {
            return self.write_imitating(memory, (iovs, count));
        }
        self.waiting(PollFlags::OUT, || memory.writev(self.as_fd(), iovs, count))
    }

    /// `pwritev(2)`: at the end, where the guest wants that of all writes, as Linux has it.
    #[inline(always)]
    pub(crate) fn write_at(&self, memory: GuestMemory<'_>, iovs: u32, count: u32, at: u64) -> Result<usize> {
        if self.imitated() & fdflags::APPEND != 0 {
            return memory.writev_with(self.as_fd(), (iovs, count), usize::MAX, Some(at), ReadWriteFlags::APPEND);
        }
        memory.pwritev(self.as_fd(), iovs, count, at)
    }

    /// `accept(2)`, in the way that the guest's flags want it.
    pub(crate) fn accept<T>(&self, op: impl FnMut() -> Result<T>) -> Result<T> {
        // What does not listen fails at once.
        let waits = self.imitated() & fdflags::NONBLOCK != 0 && rustix::net::sockopt::socket_acceptconn(self)?;
        if waits && !self.ready(PollFlags::IN, Some(&NOW))? {
            return Err(Errno::AGAIN);
        }
        self.waiting(PollFlags::IN, op)
    }

    /// `recvmsg(2)`, in the way that the guest's flags want it.
    pub(crate) fn receive(&self, memory: GuestMemory<'_>, iovs: u32, count: u32, mut flags: RecvFlags) -> Result<(usize, i32)> {
        flags.set(RecvFlags::DONTWAIT, self.imitated() & fdflags::NONBLOCK != 0);
        self.waiting(PollFlags::IN, || memory.recv(self.as_fd(), iovs, count, flags.bits() as i32))
    }

    /// `sendmsg(2)`, in the way that the guest's flags want it.
    pub(crate) fn send(&self, memory: GuestMemory<'_>, iovs: u32, count: u32) -> Result<usize> {
        let dont_wait = self.imitated() & fdflags::NONBLOCK != 0;
        let flags = if dont_wait { SendFlags::DONTWAIT } else { SendFlags::empty() };
        self.waiting(PollFlags::OUT, || memory.send(self.as_fd(), iovs, count, flags.bits() as i32))
    }

    /// A transfer that may wait. A description that does not block, while the guest wants to, is waited for here.
    #[inline(always)]
    fn waiting<T>(&self, events: PollFlags, mut op: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match op() {
                Err(Errno::AGAIN)
                    if self.sharing == Sharing::Shared && self.flags.load(Ordering::Relaxed) & fdflags::NONBLOCK == 0 =>
                {
                    self.ready(events, None)?
                }
                done => return done,
            };
        }
    }

    #[cold]
    fn read_at_once(&self, memory: GuestMemory<'_>, iovs: u32, count: u32) -> Result<usize> {
        if self.is_socket() {
            return Ok(self.receive(memory, iovs, count, RecvFlags::empty())?.0);
        }
        match memory.readv_with(self.as_fd(), iovs, count, ReadWriteFlags::NOWAIT) {
            // FIFOs and terminals do not know it, nor pipes before Linux 6.4.
            Err(Errno::OPNOTSUPP) => {}
            done => return done,
        }
        if self.ready(PollFlags::IN, Some(&NOW))? { memory.readv(self.as_fd(), iovs, count) } else { Err(Errno::AGAIN) }
    }

    #[cold]
    fn write_imitating(&self, memory: GuestMemory<'_>, iovs: (u32, u32)) -> Result<usize> {
        if !self.waits() {
            let append = self.imitated() & fdflags::APPEND != 0;
            let flags = if append { ReadWriteFlags::APPEND } else { ReadWriteFlags::empty() };
            return memory.writev_with(self.as_fd(), iovs, usize::MAX, None, flags);
        }
        if self.imitated() & fdflags::NONBLOCK == 0 {
            return self.waiting(PollFlags::OUT, || memory.writev(self.as_fd(), iovs.0, iovs.1));
        }
        if self.is_socket() {
            return self.send(memory, iovs.0, iovs.1);
        }
        match memory.writev_with(self.as_fd(), iovs, usize::MAX, None, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP) => {}
            done => return done,
        }
        // As much as is taken at once, unless somebody else writes there in between.
        if !self.ready(PollFlags::OUT, Some(&NOW))? {
            return Err(Errno::AGAIN);
        }
        let most = if self.filetype == filetype::CHARACTER_DEVICE { TERMINAL } else { PIPE };
        memory.writev_with(self.as_fd(), iovs, most, None, ReadWriteFlags::empty())
    }

    #[inline(never)]
    fn ready(&self, events: PollFlags, timeout: Option<&Timespec>) -> Result<bool> {
        Ok(rustix::event::poll(&mut [PollFd::new(self, events)], timeout)? != 0)
    }
}

/// Not to be waited for at all.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
