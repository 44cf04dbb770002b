//! What is done by name below a directory that the program holds. [`super::resolve`] says what a
//! name means; a change below a read-only directory is refused as [`read_only`] says.

use super::descriptor::{Access, Descriptor};
use super::flags::Flags;
use super::read_only;
use super::resolve::{Follow, GuestPath, Resolver};
use super::status::Status;
use rustix::fs::{Mode, OFlags, Timestamps};
use rustix::io::{Errno, Result};

/// How a file is to be opened.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Open {
    pub follow: Follow,
    pub read: bool,
    pub write: bool,
    pub create: bool,
    /// Not unless it is created.
    pub exclusive: bool,
    pub truncate: bool,
    /// Not unless it is a directory.
    pub directory: bool,
    pub flags: Flags,
}

/// The same in the kernel's words.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Opening {
    follow: Follow,
    host: OFlags,
    flags: Flags,
}

impl Opening {
    pub(super) fn follow(&self) -> Follow {
        self.follow
    }

    pub(super) fn creates(&self) -> bool {
        self.host.contains(OFlags::CREATE)
    }

    pub(super) fn truncates(&self) -> bool {
        self.host.contains(OFlags::TRUNC)
    }

    /// The same, but waiting for the other end of a FIFO.
    pub(super) fn waiting(mut self) -> Opening {
        self.host.remove(OFlags::NONBLOCK);
        self
    }
}

impl Open {
    /// `EINVAL` for a directory that is to be created: this is no way to make one.
    pub(crate) fn checked(&self) -> Result<Opening> {
        if self.create && self.directory {
            return Err(Errno::INVAL);
        }
        let mut host = match (self.read, self.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        // A FIFO is waited for as ever, unless the program says otherwise: an interrupt ends that,
        // too. Never get a controlling terminal.
        host |= OFlags::NOCTTY;
        host.set(OFlags::NONBLOCK, self.flags.has(Flags::NONBLOCK));
        host.set(OFlags::CREATE, self.create);
        host.set(OFlags::EXCL, self.exclusive);
        host.set(OFlags::TRUNC, self.truncate);
        host.set(OFlags::DIRECTORY, self.directory);
        host.set(OFlags::APPEND, self.flags.has(Flags::APPEND));
        if self.flags.has(Flags::SYNC.union(Flags::RSYNC)) {
            host |= OFlags::SYNC;
        } else if self.flags.has(Flags::DSYNC) {
            host |= OFlags::DSYNC;
        }
        Ok(Opening { follow: self.follow, host, flags: self.flags })
    }
}

impl Descriptor {
    /// Opens what is below it. What is opened is as read-only as it is.
    #[inline(always)]
    pub(crate) fn open(&self, resolver: &Resolver, path: GuestPath<'_>, how: &Opening) -> Result<Descriptor> {
        let found = match self.access {
            Access::ReadWrite => resolver.open(self.base(), path, how.follow, how.host, Mode::from_raw_mode(0o666)),
            Access::ReadOnly => read_only::open(resolver, self.base(), path, how.follow, how.host),
        }?;
        Ok(Descriptor::opened(found, self.access, how.flags, how.host)?.with_quota(self.quota.as_ref()))
    }

    #[inline(always)]
    pub(crate) fn status_of(&self, resolver: &Resolver, path: GuestPath<'_>, follow: Follow) -> Result<Status> {
        resolver.stat(self.base(), path, follow)
    }

    /// Of a link itself, or of what it leads to.
    pub(crate) fn set_times_of(
        &self,
        resolver: &Resolver,
        path: GuestPath<'_>,
        follow: Follow,
        times: &Timestamps,
    ) -> Result<()> {
        match self.access {
            Access::ReadWrite => resolver.set_times(self.base(), path, follow, times),
            Access::ReadOnly => read_only::set_times(resolver, self.base(), path, follow),
        }
    }

    pub(crate) fn create_directory(&self, resolver: &Resolver, path: GuestPath<'_>) -> Result<()> {
        match self.access {
            Access::ReadWrite => resolver.mkdir(self.base(), path),
            Access::ReadOnly => read_only::mkdir(resolver, self.base(), path),
        }
    }

    pub(crate) fn remove_directory(&self, resolver: &Resolver, path: GuestPath<'_>) -> Result<()> {
        match self.access {
            Access::ReadWrite => resolver.rmdir(self.base(), path),
            Access::ReadOnly => read_only::rmdir(resolver, self.base(), path),
        }
    }

    pub(crate) fn unlink(&self, resolver: &Resolver, path: GuestPath<'_>) -> Result<()> {
        match self.access {
            Access::ReadWrite => resolver.unlink(self.base(), path),
            Access::ReadOnly => read_only::unlink(resolver, self.base(), path),
        }
    }

    /// To a name below another directory, or the same.
    pub(crate) fn rename(&self, resolver: &Resolver, old: GuestPath<'_>, (to, new): (&Descriptor, GuestPath<'_>)) -> Result<()> {
        let (from, target) = ((self.base(), old), (to.base(), new));
        match (self.access, to.access) {
            (Access::ReadWrite, Access::ReadWrite) => resolver.rename(from, target),
            (Access::ReadOnly, _) | (_, Access::ReadOnly) => read_only::rename(resolver, from, target),
        }
    }

    /// A second name for a file, below another directory, or the same.
    pub(crate) fn link(
        &self,
        resolver: &Resolver,
        old: GuestPath<'_>,
        follow: Follow,
        (to, new): (&Descriptor, GuestPath<'_>),
    ) -> Result<()> {
        let (from, target) = ((self.base(), old), (to.base(), new));
        match (self.access, to.access) {
            (Access::ReadWrite, Access::ReadWrite) => resolver.link(from, follow, target),
            (Access::ReadOnly, _) | (_, Access::ReadOnly) => read_only::link(resolver, from, follow, target),
        }
    }

    /// A link with this text.
    pub(crate) fn symlink(&self, resolver: &Resolver, text: &[u8], path: GuestPath<'_>) -> Result<()> {
        match self.access {
            Access::ReadWrite => resolver.symlink(text, self.base(), path),
            Access::ReadOnly => read_only::symlink(resolver, text, self.base(), path),
        }
    }

    /// The text of a link, as much of it as fits; its length there.
    pub(crate) fn readlink(&self, resolver: &Resolver, path: GuestPath<'_>, out: &mut [u8]) -> Result<usize> {
        resolver.readlink(self.base(), path, out)
    }
}
