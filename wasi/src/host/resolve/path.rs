//! Paths as they are asked for, where they begin, and what they lead to.

use super::limits::PATH_MAX;
use super::procfs::Place;
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
            [b'/', ..] => Err(Errno::PERM),
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
