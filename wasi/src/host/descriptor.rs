//! What a program has open.

use super::denial::{self, Rule};
use super::flags::Flags;
use super::quota::Quota;
use super::resolve::{Base, Found, Place};
use super::status::{FileId, Status};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

mod shared;

/// The flags that order data to be on the disk.
const SYNC_FLAGS: Flags = Flags::DSYNC.union(Flags::RSYNC).union(Flags::SYNC);

/// Who else uses the open file description (`open(2)`) behind a descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody: the program opened it, or nobody else had it.
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

/// Something that is open for a program, and the terms on which it was given.
#[derive(Debug)]
pub(crate) struct Descriptor {
    file: OwnedFd,
    pub kind: FileType,
    /// A character device that is one.
    pub terminal: bool,
    /// A socket whose messages have bounds.
    pub datagram: bool,
    pub access: Access,
    /// Standard output and error: the run ends when nobody reads them.
    pub ends_on_broken_pipe: bool,
    /// Which of the process's standard descriptors is open beside it.
    pub standard: Option<usize>,
    /// How much may be written to it, or to what is opened through it.
    pub quota: Option<Arc<Quota>>,
    /// In a deterministic run: a standard stream, by its number. It is a pipe to the program.
    as_pipe: Option<usize>,
    /// Which file it is.
    id: FileId,
    /// Where it is, for a directory.
    place: Place,
    sharing: Sharing,
    /// `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
    mode: OFlags,
    /// The program's flags, but for an `APPEND` that the kernel keeps.
    flags: AtomicU8,
    /// Those of [`SYNC_FLAGS`] that the kernel honours; the others are made up for after each write.
    kernel_sync: Flags,
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Descriptor {
    /// Whether something that is masked may be below.
    pub(crate) fn may_have_masked(&self) -> bool {
        self.place.may_have_masked()
    }

    /// What was opened elsewhere, and is not there for paths to begin in.
    pub(crate) fn new(file: OwnedFd, sharing: Sharing, access: Access) -> Result<Descriptor> {
        Descriptor::placed(file, Place::nowhere(), sharing, access)
    }

    /// What was opened elsewhere: a directory there.
    pub(super) fn placed(file: OwnedFd, place: Place, sharing: Sharing, access: Access) -> Result<Descriptor> {
        let flags = rustix::fs::fcntl_getfl(&file)?;
        let stat = rustix::fs::fstat(&file)?;
        Descriptor::with_flags(Found { file, stat, place }, sharing, access, flags)
    }

    /// What the program opened with `flags`, which were `host` to the kernel.
    pub(super) fn opened(found: Found, access: Access, flags: Flags, host: OFlags) -> Result<Descriptor> {
        let mut d = Descriptor::with_flags(found, Sharing::Own, access, host)?;
        *d.flags.get_mut() = flags.difference(Flags::APPEND).bits();
        Ok(d)
    }

    fn with_flags(found: Found, sharing: Sharing, access: Access, host: OFlags) -> Result<Descriptor> {
        let Found { file, stat, place } = found;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let datagram = kind == FileType::Socket && rustix::net::sockopt::socket_type(&file)? == rustix::net::SocketType::DGRAM;
        let flags = Flags::of(host);
        Ok(Descriptor {
            terminal: kind == FileType::CharacterDevice && rustix::termios::isatty(&file),
            file,
            kind,
            datagram,
            access,
            ends_on_broken_pipe: false,
            standard: None,
            quota: None,
            as_pipe: None,
            id: Status::of(&stat).id(),
            place,
            sharing,
            mode: host & OFlags::ACCMODE,
            flags: AtomicU8::new(flags.difference(Flags::APPEND).bits()),
            kernel_sync: flags.intersection(SYNC_FLAGS),
        })
    }

    /// As a standard stream.
    pub(super) fn into_stream(mut self, standard: Option<usize>, ends_on_broken_pipe: bool) -> Descriptor {
        self.ends_on_broken_pipe = ends_on_broken_pipe;
        self.standard = standard;
        self
    }

    /// It, with a quota on what is written to it.
    pub(super) fn with_quota(mut self, quota: Option<&Arc<Quota>>) -> Descriptor {
        self.quota = quota.cloned();
        self
    }

    /// As a pipe to the program, whatever it is: the standard stream of this number. A directory stays one, with which nothing
    /// can be done.
    pub(super) fn into_pipe(mut self, number: usize) -> Descriptor {
        if self.kind != FileType::Directory {
            (self.kind, self.datagram, self.as_pipe) = (FileType::Fifo, false, Some(number));
        }
        self
    }

    /// Whether it is shown as a pipe: the number of the standard stream.
    pub(crate) fn as_pipe(&self) -> Option<usize> {
        self.as_pipe
    }

    /// Which file it is.
    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// It, as where paths begin.
    #[inline(always)]
    pub(super) fn base(&self) -> Base<'_> {
        Base { fd: self.file.as_fd(), place: self.place }
    }

    /// Whether it was opened to be read.
    pub(crate) fn reads(&self) -> bool {
        self.mode != OFlags::WRONLY
    }

    /// Whether it was opened to be written.
    pub(crate) fn writes(&self) -> bool {
        self.mode == OFlags::WRONLY || self.mode == OFlags::RDWR
    }

    /// Whether reading or writing it may have to wait for somebody.
    pub(crate) fn waits(&self) -> bool {
        !matches!(self.kind, FileType::Directory | FileType::RegularFile | FileType::BlockDevice)
    }

    /// `EROFS` where the program may not change anything.
    pub(super) fn writable(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(denial::refuse(Rule::ReadOnly)),
        }
    }

    /// What of the program's flags is kept here.
    #[inline(always)]
    fn kept(&self) -> Flags {
        Flags::from_bits(self.flags.load(Ordering::Relaxed))
    }

    /// After a write: what the program's flags want of it that the kernel was not asked for.
    #[inline]
    pub(crate) fn written(&self) -> Result<()> {
        match self.kept().intersection(SYNC_FLAGS).difference(self.kernel_sync) {
            none if none.is_empty() || self.as_pipe.is_some() => Ok(()),
            Flags::DSYNC => rustix::fs::fdatasync(&self.file),
            _ => rustix::fs::fsync(&self.file),
        }
    }
}
