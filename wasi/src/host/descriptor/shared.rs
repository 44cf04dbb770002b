//! Flags, reads and writes of descriptors whose open file description others have, too.
//!
//! `O_APPEND` and `O_NONBLOCK` belong to the description, so that a guest which set them would set them for
//! its shell and for whoever else writes to the same file; and no order of saving and putting back is right
//! for all of them. So they are never changed there: what the guest sets is asked of the kernel with each of
//! its calls (`RWF_APPEND`, `RWF_NOWAIT`, `MSG_DONTWAIT`).
//!
//! What was opened to be appended to (`>> log`) is to the guest what a file with the attribute `a` is to
//! everybody (`chattr(1)`): the flag stays, the file is not cut, and its times are only set to now.

use super::{Descriptor, Sharing};
use crate::host::denial::{self, Rule};
use crate::host::flags::Flags;
use crate::host::quota::{Cut, Quota};
use crate::host::transfer::Buffers;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::AsFd;
use rustix::fs::{FileType, OFlags, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno, ReadWriteFlags, Result};
use rustix::net::{RecvFlags, ReturnFlags, SendFlags};
use std::sync::atomic::Ordering;

/// Flags that are imitated where they are not the guest's alone, and that reading or writing must mind.
const IMITATED: Flags = Flags::APPEND.union(Flags::NONBLOCK);

/// How much a pipe takes without waiting when it says that it takes something (`PIPE_BUF`).
const PIPE: usize = 4096;

/// The same of a terminal: when less is waiting there, it says that it takes something.
const TERMINAL: usize = 256;

impl Descriptor {
    /// The guest's flags.
    pub(crate) fn flags(&self) -> Result<Flags> {
        if self.as_pipe.is_some() {
            return Ok(self.kept());
        }
        let append = Flags::of(rustix::fs::fcntl_getfl(self)?).intersection(Flags::APPEND);
        Ok(append.union(self.kept()))
    }

    /// Sets the guest's flags. What the kernel cannot change in an open file (`O_SYNC`), or what is
    /// not the guest's alone, is kept here and minded at each call.
    ///
    /// `EPERM` for a guest that would write elsewhere than at the end of what it was given to append to.
    pub(crate) fn set_flags(&self, flags: Flags) -> Result<()> {
        if self.as_pipe.is_some() {
            self.flags.store(flags.bits(), Ordering::Relaxed);
            return Ok(());
        }
        let now = rustix::fs::fcntl_getfl(self)?;
        let kept = match self.sharing {
            Sharing::Own => {
                let mut new = now;
                new.set(OFlags::APPEND, flags.has(Flags::APPEND));
                new.set(OFlags::NONBLOCK, flags.has(Flags::NONBLOCK));
                if new != now {
                    rustix::fs::fcntl_setfl(self, new)?;
                }
                flags.difference(Flags::APPEND)
            }
            Sharing::Shared if !now.contains(OFlags::APPEND) => flags,
            Sharing::Shared if !flags.has(Flags::APPEND) => return Err(denial::refuse(Rule::AppendOnly)),
            Sharing::Shared => flags.difference(Flags::APPEND),
        };
        self.flags.store(kept.bits(), Ordering::Relaxed);
        Ok(())
    }

    /// `EPERM` for what was given to append to.
    pub(in crate::host) fn may_be_cut(&self) -> Result<()> {
        let appended = self.sharing == Sharing::Shared && rustix::fs::fcntl_getfl(self)?.contains(OFlags::APPEND);
        if appended { Err(denial::refuse(Rule::AppendOnly)) } else { Ok(()) }
    }

    /// `EPERM` for what was given to append to, if other times than the present are to be set.
    pub(in crate::host) fn may_have(&self, times: &Timestamps) -> Result<()> {
        let real = |nsec| nsec == UTIME_NOW || nsec == UTIME_OMIT;
        if real(times.last_access.tv_nsec) && real(times.last_modification.tv_nsec) { Ok(()) } else { self.may_be_cut() }
    }

    /// What of a shared description's flags is to be imitated.
    #[inline(always)]
    fn imitated(&self) -> Flags {
        match self.sharing {
            Sharing::Own => Flags::default(),
            Sharing::Shared => self.kept().intersection(IMITATED),
        }
    }

    /// `readv(2)`, in the way that the guest's flags want it.
    #[inline(always)]
    pub(crate) fn read(&self, into: impl Buffers) -> Result<usize> {
        if self.imitated().has(Flags::NONBLOCK) && self.waits() {
            return self.read_at_once(into);
        }
        self.waiting(PollFlags::IN, || into.read(self.as_fd()))
    }

    /// `preadv(2)`.
    #[inline(always)]
    pub(crate) fn read_at(&self, into: impl Buffers, at: u64) -> Result<usize> {
        into.read_at(self.as_fd(), at)
    }

    /// `writev(2)`, in the way that the guest's flags want it, of as much as it may write.
    #[inline(always)]
    pub(crate) fn write(&self, from: impl Buffers) -> Result<usize> {
        match &self.quota {
            None => self.write_all(from),
            Some(quota) => self.write_within(quota, from),
        }
    }

    /// Whether what a signal has cut short is to go on: the guest waits for it.
    pub(crate) fn goes_on(&self) -> bool {
        self.imitated().is_empty()
    }

    #[cold]
    fn write_within(&self, quota: &Quota, from: impl Buffers) -> Result<usize> {
        quota.spend(from.len()?, |most| self.write_all(Cut { of: from, most }))
    }

    #[inline(always)]
    fn write_all(&self, from: impl Buffers) -> Result<usize> {
        if !self.imitated().is_empty() {
            return self.write_imitating(from);
        }
        self.waiting(PollFlags::OUT, || from.write(self.as_fd()))
    }

    /// `pwritev(2)`: at the end, where the guest wants that of all writes, as Linux has it; of as much as it may write.
    #[inline(always)]
    pub(crate) fn write_at(&self, from: impl Buffers, at: u64) -> Result<usize> {
        match &self.quota {
            None => self.write_all_at(from, at),
            Some(quota) => quota.spend(from.len()?, |most| self.write_all_at(Cut { of: from, most }, at)),
        }
    }

    #[inline(always)]
    fn write_all_at(&self, from: impl Buffers, at: u64) -> Result<usize> {
        if self.imitated().has(Flags::APPEND) {
            return from.write_with(self.as_fd(), usize::MAX, Some(at), ReadWriteFlags::APPEND);
        }
        from.write_at(self.as_fd(), at)
    }

    /// `accept(2)`, in the way that the guest's flags want it.
    pub(in crate::host) fn accepting<T>(&self, op: impl FnMut() -> Result<T>) -> Result<T> {
        // What does not listen fails at once.
        let waits = self.imitated().has(Flags::NONBLOCK) && rustix::net::sockopt::socket_acceptconn(self)?;
        if waits && !self.ready(PollFlags::IN, Some(&NOW))? {
            return Err(Errno::AGAIN);
        }
        self.waiting(PollFlags::IN, op)
    }

    /// `recvmsg(2)`, in the way that the guest's flags want it.
    pub(in crate::host) fn receiving(&self, into: impl Buffers, mut flags: RecvFlags) -> Result<(usize, ReturnFlags)> {
        flags.set(RecvFlags::DONTWAIT, self.imitated().has(Flags::NONBLOCK));
        self.waiting(PollFlags::IN, || into.receive(self.as_fd(), flags))
    }

    /// `sendmsg(2)`, in the way that the guest's flags want it, of as much as it may write.
    pub(crate) fn send(&self, from: impl Buffers) -> Result<usize> {
        match &self.quota {
            None => self.send_all(from),
            Some(quota) => quota.spend(from.len()?, |most| self.send_all(Cut { of: from, most })),
        }
    }

    fn send_all(&self, from: impl Buffers) -> Result<usize> {
        let dont_wait = self.imitated().has(Flags::NONBLOCK);
        let flags = if dont_wait { SendFlags::DONTWAIT } else { SendFlags::empty() };
        self.waiting(PollFlags::OUT, || from.send(self.as_fd(), usize::MAX, flags))
    }

    /// A transfer that may wait. A description that does not block, while the guest wants to, is waited for here.
    #[inline(always)]
    fn waiting<T>(&self, events: PollFlags, mut op: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match op() {
                Err(Errno::AGAIN) if self.sharing == Sharing::Shared && !self.kept().has(Flags::NONBLOCK) => {
                    self.ready(events, None)?
                }
                done => return done,
            };
        }
    }

    #[cold]
    fn read_at_once(&self, into: impl Buffers) -> Result<usize> {
        if self.kind == FileType::Socket {
            return Ok(self.receiving(into, RecvFlags::empty())?.0);
        }
        match into.read_with(self.as_fd(), ReadWriteFlags::NOWAIT) {
            // FIFOs and terminals do not know it, nor pipes before Linux 6.4.
            Err(Errno::OPNOTSUPP) => {}
            done => return done,
        }
        if self.ready(PollFlags::IN, Some(&NOW))? { into.read(self.as_fd()) } else { Err(Errno::AGAIN) }
    }

    #[cold]
    fn write_imitating(&self, from: impl Buffers) -> Result<usize> {
        if !self.waits() {
            let append = self.imitated().has(Flags::APPEND);
            let flags = if append { ReadWriteFlags::APPEND } else { ReadWriteFlags::empty() };
            return from.write_with(self.as_fd(), usize::MAX, None, flags);
        }
        if !self.imitated().has(Flags::NONBLOCK) {
            return self.waiting(PollFlags::OUT, || from.write(self.as_fd()));
        }
        if self.kind == FileType::Socket {
            return self.send_all(from);
        }
        match from.write_with(self.as_fd(), usize::MAX, None, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP) => {}
            done => return done,
        }
        // As much as is taken at once, unless somebody else writes there in between.
        if !self.ready(PollFlags::OUT, Some(&NOW))? {
            return Err(Errno::AGAIN);
        }
        let most = if self.kind == FileType::CharacterDevice { TERMINAL } else { PIPE };
        from.write_with(self.as_fd(), most, None, ReadWriteFlags::empty())
    }

    /// Waits until something can be read or written.
    pub(in crate::host) fn until(&self, events: PollFlags) -> Result<()> {
        self.ready(events, None).map(drop)
    }

    #[inline(never)]
    fn ready(&self, events: PollFlags, timeout: Option<&Timespec>) -> Result<bool> {
        Ok(rustix::event::poll(&mut [PollFd::new(self, events)], timeout)? != 0)
    }
}

/// Not to be waited for at all.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
