//! Paths as they are asked for, where they begin, and what they lead to.

use super::limits::PATH_MAX;
use super::masks::FileId;
use crate::host::denial::{self, Rule};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::Stat;
use rustix::io::{Errno, Result};

/// A path that the kernel may see: relative, neither empty nor over-long, no NUL in it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct GuestPath<'a>(pub(super) &'a [u8]);

impl<'a> GuestPath<'a> {
    #[inline(always)]
    pub(crate) fn new(path: &'a [u8]) -> Result<GuestPath<'a>> {
        match path {
            [] => Err(Errno::NOENT),
            _ if path.len() > PATH_MAX => Err(Errno::NAMETOOLONG),
            _ if path.contains(&0) => Err(Errno::INVAL),
            [b'/', ..] => Err(denial::refuse(Rule::Absolute)),
            _ => Ok(GuestPath(path)),
        }
    }

    /// Where it leads first, the last component, and that component with the slashes behind it.
    pub(super) fn split(self) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let end = self.0.iter().rposition(|c| *c != b'/').map_or(0, |i| i + 1);
        let start = self.0[..end].iter().rposition(|c| *c == b'/').map_or(0, |i| i + 1);
        (&self.0[..start], &self.0[start..end], &self.0[start..])
    }

    pub(crate) fn ends_in_slash(self) -> bool {
        self.0.ends_with(b"/")
    }

    /// Whether it is one component that a plain `*at` call may take.
    pub(super) fn is_single(self) -> bool {
        !self.0.contains(&b'/') && self.0 != b".."
    }
}

/// Where a directory is, as far as it matters for what may be reached from it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Place {
    /// Of a directory that paths are not walked from, one of the same mount.
    pub(super) id: FileId,
    pub(super) way: Way,
    /// Whether it was given as one with devices, so that these are not masked.
    pub(super) devices: bool,
}

/// How paths are followed from a directory.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the kernel, within the mount: nothing is masked there.
    Whole,
    /// Each directory is looked at: a masked one may be below.
    Steps,
}

impl Place {
    /// Of what was given as no directory: there are no paths from it.
    pub(crate) fn nowhere() -> Place {
        Place { id: (0, 0), way: Way::Steps, devices: false }
    }

    /// Whether something that is masked may be below.
    pub(crate) fn may_have_masked(self) -> bool {
        self.way == Way::Steps
    }

    /// Whether a file with this status is in the same file system.
    #[inline(always)]
    pub(super) fn is_device_of(self, stat: &Stat) -> bool {
        stat.st_dev == self.id.0
    }

    /// The same beyond its mount.
    pub(super) fn beyond(self) -> Place {
        Place { way: Way::Steps, ..self }
    }
}

/// A directory that the guest holds.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Base<'a> {
    pub fd: BorrowedFd<'a>,
    pub place: Place,
}

/// What a path led to.
#[derive(Debug)]
pub(crate) struct Found {
    pub file: OwnedFd,
    pub stat: Stat,
    pub place: Place,
}
