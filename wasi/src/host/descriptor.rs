//! A guest's descriptor, and the table of them.

use crate::host::resolve::{Base, Found, Place};
use crate::p1::abi::{fdflags, filetype, filetype_of, rights};
use crate::p1::errno::{Errno, Outcome};
use crate::p1::misuse;
use crate::p1::positions::Positions;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags, Stat};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

mod shared;

/// Most descriptors that a guest can have at once; more is `EMFILE`. The host's own limit may come first.
pub(crate) const MAX_DESCRIPTORS: usize = 65_536;

/// The flags that order data to be on the disk.
const SYNC_FLAGS: u16 = fdflags::DSYNC | fdflags::RSYNC | fdflags::SYNC;

/// Who else uses the open file description (`open(2)`) behind a descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody: the guest opened it, or nobody else had it.
    Own,
    /// Whoever gave it: its flags are theirs too, and must not change under them. What they opened to be appended to is only
    /// appended to.
    Shared,
}

/// Whether the guest may change what is behind a descriptor, and what is opened through it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything that the host lets the process do.
    ReadWrite,
    /// Every change is refused with `EROFS`.
    ReadOnly,
}

/// What a descriptor of the guest's stands for.
#[derive(Debug)]
pub(crate) struct Descriptor {
    file: OwnedFd,
    /// `$filetype`.
    pub filetype: u8,
    pub access: Access,
    /// The guest's name of a preopened directory.
    pub preopen: Option<Box<[u8]>>,
    /// Standard output and error: the run ends when nobody reads them.
    pub ends_on_broken_pipe: bool,
    /// Which of the process's standard descriptors is open beside it.
    pub standard: Option<usize>,
    /// Where it is, for a directory.
    place: Place,
    sharing: Sharing,
    /// The rights that its kind and the mode it was opened in have room for.
    possible: u64,
    /// The same, without what was taken away from it or from the directory that it was opened through.
    base: AtomicU64,
    inheriting: AtomicU64,
    /// The guest's `$fdflags`, but for an `APPEND` that the kernel keeps.
    flags: AtomicU16,
    /// Those of [`SYNC_FLAGS`] that the kernel honours; the others are made up for after each write.
    kernel_sync: u16,
    /// Where each entry of a directory ended when it was last read. Locked while the position is set and entries are read.
    pub entry_ends: OnceLock<Mutex<Positions>>,
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Descriptor {
    /// With all the rights that its kind and the mode that it was opened with allow.
    pub(crate) fn new(file: OwnedFd, sharing: Sharing, access: Access) -> rustix::io::Result<Descriptor> {
        let flags = rustix::fs::fcntl_getfl(&file)?;
        let stat = rustix::fs::fstat(&file)?;
        let place = Place::of(file.as_fd(), &stat)?;
        Descriptor::with_flags(Found { file, stat, place }, sharing, access, flags)
    }

    /// What `path_open` opened with the flags `host` in a directory that passes on the rights `passed`. Which of them were asked for
    /// makes no difference: they say how programs mean to use it, not what they may do.
    pub(crate) fn opened(found: Found, access: Access, passed: u64, flags: u16, host: OFlags) -> rustix::io::Result<Descriptor> {
        let mut d = Descriptor::with_flags(found, Sharing::Own, access, host)?;
        // Times may be set through a file that was opened for reading, as utimensat would by its name.
        let by_name = if d.waits() { 0 } else { rights::FD_FILESTAT_SET_TIMES };
        d.possible |= by_name;
        *d.base.get_mut() |= by_name;
        *d.base.get_mut() &= passed;
        *d.inheriting.get_mut() &= passed;
        *d.flags.get_mut() = flags & !fdflags::APPEND;
        Ok(d)
    }

    fn with_flags(found: Found, sharing: Sharing, access: Access, flags: OFlags) -> rustix::io::Result<Descriptor> {
        let Found { file, stat, place } = found;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let (mut base, inheriting) = match kind {
            FileType::Directory => (rights::DIRECTORY, rights::OPENED),
            FileType::Socket => (rights::SOCKET, rights::SOCKET),
            FileType::CharacterDevice if rustix::termios::isatty(&file) => (rights::TERMINAL, 0),
            _ => (rights::FILE, 0),
        };
        if kind != FileType::Directory {
            match flags & OFlags::ACCMODE {
                OFlags::WRONLY => base &= !rights::FD_READ,
                OFlags::RDWR => {}
                _ => base &= !rights::MUTATE,
            }
        }
        Ok(Descriptor {
            filetype: filetype_here(&file, &stat)?,
            file,
            access,
            preopen: None,
            ends_on_broken_pipe: false,
            standard: None,
            place,
            sharing,
            possible: base,
            base: AtomicU64::new(base),
            inheriting: AtomicU64::new(inheriting),
            flags: AtomicU16::new(fdflags_of(flags) & !fdflags::APPEND),
            kernel_sync: fdflags_of(flags) & SYNC_FLAGS,
            entry_ends: OnceLock::new(),
        })
    }

    /// As a standard stream. A directory is one that nothing can be done with: what is in it was not given.
    pub(crate) fn into_stream(mut self, standard: Option<usize>, ends_on_broken_pipe: bool) -> Descriptor {
        self.ends_on_broken_pipe = ends_on_broken_pipe;
        self.standard = standard;
        if self.filetype == filetype::DIRECTORY {
            *self.base.get_mut() &= rights::FD_FILESTAT_GET | rights::POLL_FD_READWRITE;
            *self.inheriting.get_mut() = 0;
        }
        self
    }

    /// It, as where paths begin.
    #[inline(always)]
    pub(crate) fn base(&self) -> Base<'_> {
        Base { fd: self.file.as_fd(), place: self.place }
    }

    /// Whether reading or writing it may have to wait for somebody.
    fn waits(&self) -> bool {
        !matches!(self.filetype, filetype::DIRECTORY | filetype::REGULAR_FILE | filetype::BLOCK_DEVICE)
    }

    pub(crate) fn is_socket(&self) -> bool {
        matches!(self.filetype, filetype::SOCKET_DGRAM | filetype::SOCKET_STREAM)
    }

    /// Base and inheriting rights.
    pub(crate) fn rights(&self) -> (u64, u64) {
        (self.base.load(Ordering::Relaxed), self.inheriting.load(Ordering::Relaxed))
    }

    /// `ENOTCAPABLE` if one of these rights is missing, and what [`misuse`] says if it never was there.
    #[inline]
    pub(crate) fn check(&self, needed: u64) -> Outcome {
        if needed & !self.base.load(Ordering::Relaxed) == 0 { Ok(()) } else { self.refuse(needed) }
    }

    #[cold]
    fn refuse(&self, needed: u64) -> Outcome {
        if needed & !self.possible != 0 {
            return misuse::answer(self.filetype, self.possible, needed);
        }
        Err(Errno::NotCapable.into())
    }

    /// Takes rights away; more than there are is `ENOTCAPABLE`.
    pub(crate) fn shrink_rights(&self, base: u64, inheriting: u64) -> Outcome {
        let now = self.rights();
        if base & !now.0 != 0 || inheriting & !now.1 != 0 {
            return Err(Errno::NotCapable.into());
        }
        self.base.fetch_and(base, Ordering::Relaxed);
        self.inheriting.fetch_and(inheriting, Ordering::Relaxed);
        Ok(())
    }

    /// `EROFS` where the guest may not change anything.
    pub(crate) fn writable(&self) -> Outcome {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Errno::RoFs.into()),
        }
    }

    /// After a write: what the guest's flags want of it that the kernel was not asked for.
    #[inline]
    pub(crate) fn written(&self) -> rustix::io::Result<()> {
        match self.flags.load(Ordering::Relaxed) & SYNC_FLAGS & !self.kernel_sync {
            0 => Ok(()),
            fdflags::DSYNC => rustix::fs::fdatasync(&self.file),
            _ => rustix::fs::fsync(&self.file),
        }
    }
}

/// `$filetype`: an open socket says which kind it is of.
fn filetype_here(file: &OwnedFd, stat: &Stat) -> rustix::io::Result<u8> {
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket if rustix::net::sockopt::socket_type(file)? == rustix::net::SocketType::DGRAM => filetype::SOCKET_DGRAM,
        kind => filetype_of(kind),
    })
}

/// `$fdflags` of a host's open flags.
fn fdflags_of(flags: OFlags) -> u16 {
    let mut out = 0;
    for (host, guest) in [
        (OFlags::APPEND, fdflags::APPEND),
        (OFlags::NONBLOCK, fdflags::NONBLOCK),
        (OFlags::DSYNC, fdflags::DSYNC),
        // O_SYNC includes O_DSYNC's bit; on Linux it is what O_RSYNC means, too.
        (OFlags::SYNC, fdflags::SYNC | fdflags::RSYNC),
    ] {
        if flags.contains(host) {
            out |= guest;
        }
    }
    out
}

/// Descriptors by number; a new one gets the lowest that is free.
#[derive(Debug)]
pub(crate) struct Table {
    entries: RwLock<Entries>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Entries {
    slots: Vec<Option<Arc<Descriptor>>>,
    /// No slot below is free.
    lowest: usize,
}

impl Table {
    /// An empty one for so many descriptors.
    pub(crate) fn new(limit: usize) -> Table {
        Table { entries: RwLock::default(), limit }
    }

    /// The descriptor, if it has these rights.
    #[inline]
    pub(crate) fn get(&self, fd: u32, needed: u64) -> Outcome<Arc<Descriptor>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let d = entries.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BadF)?;
        d.check(needed)?;
        Ok(d.clone())
    }

    /// A place for a new descriptor: its number.
    pub(crate) fn insert(&self, d: Descriptor) -> Outcome<u32> {
        let d = Some(Arc::new(d));
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let Entries { slots, lowest } = &mut *entries;
        let free = slots[*lowest..].iter().position(Option::is_none).map_or(slots.len(), |n| *lowest + n);
        if free >= self.limit {
            return Err(Errno::MFile.into());
        }
        match slots.get_mut(free) {
            Some(slot) => *slot = d,
            None => slots.push(d),
        }
        *lowest = free + 1;
        Ok(free as u32)
    }

    /// Gives the next number to a descriptor, or leaves it free.
    pub(crate) fn push(&self, d: Option<Descriptor>) -> Outcome {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let Entries { slots, lowest } = &mut *entries;
        if slots.len() >= self.limit {
            return Err(Errno::MFile.into());
        }
        if d.is_some() && *lowest == slots.len() {
            *lowest += 1;
        }
        slots.push(d.map(Arc::new));
        Ok(())
    }

    /// Takes a descriptor out. It is closed when the last call that uses it has returned.
    pub(crate) fn remove(&self, fd: u32) -> Outcome<Arc<Descriptor>> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let d = entries.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BadF)?;
        entries.lowest = entries.lowest.min(fd as usize);
        Ok(d)
    }

    /// Gives the descriptor `from` the number of another, which is returned to be closed. Both must be open.
    pub(crate) fn renumber(&self, from: u32, to: u32) -> Outcome<Option<Arc<Descriptor>>> {
        let (from, to) = (from as usize, to as usize);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let open = |n: usize| entries.slots.get(n).is_some_and(Option::is_some);
        if !open(from) || !open(to) {
            return Err(Errno::BadF.into());
        }
        if from == to {
            return Ok(None);
        }
        let moved = entries.slots[from].take();
        entries.lowest = entries.lowest.min(from);
        Ok(std::mem::replace(&mut entries.slots[to], moved))
    }
}
