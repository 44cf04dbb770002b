//! Changes below a read-only directory: all are refused, in the order in which a read-only bind mount has its
//! reasons. What is wrong whatever the mount is comes before `EROFS`, so that `mkdir -p` finds what is there,
//! and what is not there is missed.
//!
//! In two things this is no such mount. A name to be removed or renamed is looked for first, too. And FIFOs,
//! sockets and devices, which a mount lets be written, are as closed as files: what they lead to is more of
//! the machine than what was given to be read.
//!
//! A link to a file of a read-only directory is refused wherever it would be: through it the file could be written.

use super::denial::{self, Rule};
use super::resolve::{Base, Follow, Found, GuestPath, Presence, Resolver};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, Result};
use std::convert::Infallible;

/// In the type of a change that could be made.
fn refused<T>(never: Result<Infallible>) -> Result<T> {
    never.map(|never| match never {})
}

/// Of a name that would be new.
fn new_name(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>, directory: bool) -> Result<Infallible> {
    match resolver.presence(base, path)? {
        Presence::Dot | Presence::DotDot | Presence::There => Err(Errno::EXIST),
        Presence::Missing if path.ends_in_slash() && !directory => Err(Errno::NOENT),
        Presence::Missing => Err(denial::refuse(Rule::ReadOnly)),
    }
}

/// Of a name that would go, and what is said of `.` and `..`.
fn old_name(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>, [dot, dot_dot]: [Errno; 2]) -> Result<Infallible> {
    match resolver.presence(base, path)? {
        Presence::Dot => Err(dot),
        Presence::DotDot => Err(dot_dot),
        Presence::There => Err(denial::refuse(Rule::ReadOnly)),
        Presence::Missing => Err(Errno::NOENT),
    }
}

pub(crate) fn mkdir(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
    refused(new_name(resolver, base, path, true))
}

pub(crate) fn rmdir(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
    refused(old_name(resolver, base, path, [Errno::INVAL, Errno::NOTEMPTY]))
}

pub(crate) fn unlink(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
    refused(old_name(resolver, base, path, [Errno::ISDIR; 2]))
}

pub(crate) fn symlink(resolver: &Resolver, text: &[u8], base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
    GuestPath::new(text)?;
    refused(new_name(resolver, base, path, false))
}

pub(crate) fn rename(resolver: &Resolver, from: (Base<'_>, GuestPath<'_>), to: (Base<'_>, GuestPath<'_>)) -> Result<()> {
    // The new name may be there or not, but not where it cannot be.
    let target = match resolver.presence(to.0, to.1)? {
        Presence::Dot | Presence::DotDot => Err(Errno::BUSY),
        Presence::There | Presence::Missing => Ok(()),
    };
    match old_name(resolver, from.0, from.1, [Errno::BUSY; 2]) {
        Err(Errno::ROFS) => target.and(Err(Errno::ROFS)),
        other => refused(other),
    }
}

pub(crate) fn link(
    resolver: &Resolver,
    from: (Base<'_>, GuestPath<'_>),
    follow: Follow,
    to: (Base<'_>, GuestPath<'_>),
) -> Result<()> {
    resolver.stat(from.0, from.1, follow)?;
    refused(new_name(resolver, to.0, to.1, false))
}

pub(crate) fn set_times(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>, follow: Follow) -> Result<()> {
    resolver.stat(base, path, follow)?;
    Err(denial::refuse(Rule::ReadOnly))
}

/// Opens for reading; all else is refused.
pub(crate) fn open(resolver: &Resolver, base: Base<'_>, path: GuestPath<'_>, follow: Follow, flags: OFlags) -> Result<Found> {
    let reading = flags.difference(OFlags::CREATE | OFlags::EXCL);
    let create = flags.contains(OFlags::CREATE);
    if create && flags.contains(OFlags::EXCL) {
        return match new_name(resolver, base, path, false) {
            Err(Errno::NOENT) if path.ends_in_slash() => Err(Errno::ISDIR),
            never => refused(never),
        };
    }
    if create && path.ends_in_slash() {
        return Err(Errno::ISDIR);
    }
    if !create && !flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC) {
        return resolver.open(base, path, follow, reading, Mode::empty());
    }
    let looking = OFlags::PATH | flags.intersection(OFlags::DIRECTORY);
    let found = match resolver.open(base, path, follow, looking, Mode::empty()) {
        Err(Errno::NOENT) if create => {
            // Where the file would be made must be there at least.
            match follow {
                Follow::Yes => resolver.presence_followed(base, path)?,
                Follow::No => resolver.presence(base, path)?,
            };
            return Err(denial::refuse(Rule::ReadOnly));
        }
        found => found?,
    };
    match FileType::from_raw_mode(found.stat.st_mode) {
        FileType::Directory => Err(Errno::ISDIR),
        FileType::Symlink => Err(Errno::LOOP),
        _ if flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC) => Err(denial::refuse(Rule::ReadOnly)),
        _ => resolver.open(base, path, follow, reading, Mode::empty()),
    }
}
