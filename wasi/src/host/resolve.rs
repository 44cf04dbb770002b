//! The one place where paths of the guest's meet the file system.
//!
//! Every operation takes a directory that the guest holds (the base) and a path below it. Nothing that a path names, and
//! nothing that links on its way name, is ever reached outside the base:
//!
//! - An absolute path, `..` above the base, and a link that leads out are refused with `EPERM`, as other runtimes do.
//! - Within a mount that nothing in is masked of, whole paths are followed by the kernel, `openat2(RESOLVE_BENEATH |
//!   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)`, which is safe from renames and links swapped meanwhile. Elsewhere, and where the
//!   kernel or a filter does not let us have it, [`walk`] does the same by steps.
//! - An operation on a name (make, remove, rename, link, read a link, set times) is a plain `*at` call on the directory that
//!   the rest of the path leads to and on one component that is neither `..` nor, where the kernel would then follow it, has
//!   a slash behind it.
//! - No path leads into or onto a masked directory ([`masks`]), nor to a file system by which the kernel or processes are
//!   controlled ([`controls`]); and none of these is given as a base.
//!
//! Paths are bytes; none is converted or normalised. What ends in slashes, `.` or `..` means what it means to Linux.

use super::denial::{self, Rule};
use super::status::Status;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timestamps};
use rustix::io::{Errno, Result};
use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::sync::OnceLock;

mod controls;
mod limits;
mod masks;
mod path;
mod walk;

pub(crate) use limits::PATH_MAX;
use limits::{ATTEMPTS, MAX_LINKS, STEP};
pub(crate) use masks::Unfit;
use masks::{Change, Masks};
use path::Way;
pub(crate) use path::{Base, Found, GuestPath, Place};

/// Whether a link that ends a path is followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Yes,
    No,
}

/// A directory on the way: the base itself, or one that was opened.
#[derive(Debug)]
enum Dir<'a> {
    Base(Base<'a>),
    Opened(OwnedFd, Place),
}

impl AsFd for Dir<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Dir::Base(base) => base.fd,
            Dir::Opened(dir, _) => dir.as_fd(),
        }
    }
}

impl Dir<'_> {
    fn place(&self) -> Place {
        match self {
            Dir::Base(base) => base.place,
            Dir::Opened(_, place) => *place,
        }
    }
}

/// How the kernel follows whole paths.
const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);

/// The end of a path that an operation on names takes.
enum Last<'a> {
    /// A component, perhaps with slashes behind it.
    Name(&'a [u8]),
    Dot,
    DotDot,
}

/// Whether the name that ends a path is there.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Dot,
    DotDot,
    There,
    Missing,
}

/// How paths are resolved; one for a context.
#[derive(Debug)]
pub(crate) struct Resolver {
    openat2: bool,
    masks: Masks,
}

impl Resolver {
    /// With `openat2` where it works, which is found out once for the process.
    ///
    /// `masked` are directories that no path leads to.
    ///
    /// # Errors
    /// When one of them cannot be looked for.
    pub(crate) fn probed(masked: &[PathBuf]) -> Result<Resolver> {
        static PROBED: OnceLock<bool> = OnceLock::new();
        let openat2 = *PROBED.get_or_init(|| {
            // Kernels before 5.6 answer ENOSYS, filters of older container runtimes EPERM. Whatever the reason, a call that
            // fails on the root directory is of no use.
            let works = rustix::fs::openat2(rustix::fs::CWD, "/", STEP, Mode::empty(), ResolveFlags::NO_MAGICLINKS).is_ok();
            log::debug!("openat2 {}", if works { "is there" } else { "is absent: paths are walked by steps" });
            works
        });
        Ok(Resolver { openat2, masks: Masks::new(masked)? })
    }

    /// For a guest that has no directory.
    pub(crate) fn idle() -> Resolver {
        Resolver { openat2: false, masks: Masks::default() }
    }

    /// By steps, whatever the kernel offers.
    #[cfg(test)]
    pub(crate) fn walking(masked: &[PathBuf]) -> Resolver {
        Resolver { openat2: false, masks: Masks::new(masked).expect("masks are found") }
    }

    /// Where a directory is that is to be given to a guest, if it may be.
    pub(crate) fn fit(&self, dir: BorrowedFd<'_>) -> Result<std::result::Result<Place, Unfit>> {
        let fit = self.masks.fit(dir, &rustix::fs::fstat(dir)?)?;
        Ok(fit.map(|place| if self.openat2 { place } else { place.beyond() }))
    }

    /// Opens what `path` names; `mode` is for files that are created. `CLOEXEC` is added.
    #[inline(always)]
    pub(crate) fn open(&self, base: Base<'_>, path: GuestPath<'_>, follow: Follow, flags: OFlags, mode: Mode) -> Result<Found> {
        let mut flags = flags | OFlags::CLOEXEC;
        if follow == Follow::No {
            flags |= OFlags::NOFOLLOW;
        }
        self.beneath(base, path.0, flags, mode)
    }

    #[inline(always)]
    fn beneath(&self, base: Base<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<Found> {
        if base.place.way == Way::Whole {
            // openat2 refuses a mode that is not used.
            let mode = if flags.contains(OFlags::CREATE) { mode } else { Mode::empty() };
            for _ in 0..ATTEMPTS {
                match rustix::fs::openat2(base.fd, path, flags, mode, WITHIN) {
                    Err(Errno::AGAIN) => {}
                    // It leads out, or to another mount.
                    Err(Errno::XDEV) => break,
                    Err(e) => return Err(e),
                    Ok(file) => return Ok(Found { stat: rustix::fs::fstat(&file)?, file, place: base.place }),
                }
            }
        }
        walk::open(&self.masks, base, path, flags, mode)
    }

    /// The status of what `path` names.
    #[inline(always)]
    pub(crate) fn stat(&self, base: Base<'_>, path: GuestPath<'_>, follow: Follow) -> Result<Status> {
        // One system call, where a link need not be followed: half the time of open, fstat and close.
        if path.is_single() {
            match &rustix::fs::statat(base.fd, path.0, AtFlags::SYMLINK_NOFOLLOW) {
                Err(e) => return self.masks.admit_name(base.place, path.0).and(Err(*e)),
                // What is elsewhere must be looked at, and so has to be opened; who asks for what is masked is told then.
                Ok(stat) if !base.place.is_device_of(stat) || self.masks.hides(base.place, path.0, stat) => {}
                Ok(stat) if follow == Follow::No || FileType::from_raw_mode(stat.st_mode) != FileType::Symlink => {
                    return Ok(Status::of(stat));
                }
                Ok(_) => {}
            }
        }
        self.stat_opened(base, path, follow)
    }

    #[inline(never)]
    fn stat_opened(&self, base: Base<'_>, path: GuestPath<'_>, follow: Follow) -> Result<Status> {
        Ok(Status::of(&self.open(base, path, follow, OFlags::PATH, Mode::empty())?.stat))
    }

    /// Makes a directory.
    pub(crate) fn mkdir(&self, base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
        match self.parent(base, path, Change::Stays)? {
            (dir, Last::Name(name)) => rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)),
            (_, Last::Dot | Last::DotDot) => Err(Errno::EXIST),
        }
    }

    /// Removes an empty directory.
    pub(crate) fn rmdir(&self, base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
        match self.parent(base, path, Change::Moves)? {
            (dir, Last::Name(name)) => rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR),
            (_, Last::Dot) => Err(Errno::INVAL),
            (_, Last::DotDot) => Err(Errno::NOTEMPTY),
        }
    }

    /// Removes a name that is no directory's.
    pub(crate) fn unlink(&self, base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
        match self.parent(base, path, Change::Moves)? {
            (dir, Last::Name(name)) => rustix::fs::unlinkat(dir, name, AtFlags::empty()),
            (_, Last::Dot | Last::DotDot) => Err(Errno::ISDIR),
        }
    }

    /// Renames; neither end is followed.
    pub(crate) fn rename(&self, from: (Base<'_>, GuestPath<'_>), to: (Base<'_>, GuestPath<'_>)) -> Result<()> {
        let (from, to) = (self.parent(from.0, from.1, Change::Moves)?, self.parent(to.0, to.1, Change::Moves)?);
        match (from, to) {
            ((from, Last::Name(old)), (to, Last::Name(new))) => rustix::fs::renameat(from, old, to, new),
            _ => Err(Errno::BUSY),
        }
    }

    /// Makes a second name for the file that `from` names.
    pub(crate) fn link(&self, from: (Base<'_>, GuestPath<'_>), follow: Follow, to: (Base<'_>, GuestPath<'_>)) -> Result<()> {
        let (from, old) = self.locate(from.0, from.1, follow)?;
        match self.parent(to.0, to.1, Change::Stays)? {
            (to, Last::Name(new)) => rustix::fs::linkat(from, &*old, to, new, AtFlags::empty()),
            (_, Last::Dot | Last::DotDot) => Err(Errno::EXIST),
        }
    }

    /// Makes a link with this text. An absolute text is refused: it could only name something outside, and host programs
    /// that come across the link would follow it there. A relative one may lead out; following it is refused.
    pub(crate) fn symlink(&self, text: &[u8], base: Base<'_>, path: GuestPath<'_>) -> Result<()> {
        let text = GuestPath::new(text)?;
        match self.parent(base, path, Change::Stays)? {
            (dir, Last::Name(name)) => rustix::fs::symlinkat(text.0, dir, name),
            (_, Last::Dot | Last::DotDot) => Err(Errno::EXIST),
        }
    }

    /// The text of a link, wherever it leads, as much of it as fits into `out`. Returns its length there.
    pub(crate) fn readlink(&self, base: Base<'_>, path: GuestPath<'_>, out: &mut [u8]) -> Result<usize> {
        let (dir, name) = self.locate(base, path, Follow::No)?;
        rustix::fs::readlinkat_raw(dir, &*name, out)
    }

    /// Sets access and modification times.
    pub(crate) fn set_times(&self, base: Base<'_>, path: GuestPath<'_>, follow: Follow, times: &Timestamps) -> Result<()> {
        let (dir, name) = self.locate(base, path, follow)?;
        // Unlike other calls on names, this one reaches what is mounted there.
        let stat = rustix::fs::statat(&dir, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
        if !dir.place().is_device_of(&stat) || self.masks.hides(dir.place(), &name, &stat) {
            self.masks.admit_found(dir.place(), dir.as_fd(), &name, &stat)?;
        }
        rustix::fs::utimensat(dir, &*name, times, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Whether the name that ends `path` is there, for calls that do not follow it.
    pub(crate) fn presence(&self, base: Base<'_>, path: GuestPath<'_>) -> Result<Presence> {
        match self.parent(base, path, Change::Stays)? {
            (_, Last::Dot) => Ok(Presence::Dot),
            (_, Last::DotDot) => Ok(Presence::DotDot),
            (dir, Last::Name(name)) => {
                let end = name.iter().position(|c| *c == b'/').unwrap_or(name.len());
                present(dir.as_fd(), &name[..end])
            }
        }
    }

    /// Whether a file would be found, after all links. `ENOENT` if even its directory would not.
    pub(crate) fn presence_followed(&self, base: Base<'_>, path: GuestPath<'_>) -> Result<Presence> {
        let (dir, name) = self.locate(base, path, Follow::Yes)?;
        present(dir.as_fd(), &name)
    }

    /// The directory in which the last component is a name, for calls that do not follow that name.
    /// `change` is what the call does with what has the name, if anything has.
    fn parent<'a>(&self, base: Base<'a>, path: GuestPath<'a>, change: Change) -> Result<(Dir<'a>, Last<'a>)> {
        let (way, name, with_slashes) = path.split();
        let dir = self.step(base, way)?;
        let last = match name {
            b"." => Last::Dot,
            // Where it leads is of no interest, but whether it may.
            b".." => {
                self.beneath(base, path.0, STEP, Mode::empty())?;
                Last::DotDot
            }
            _ => {
                self.admit(&dir, name, change)?;
                Last::Name(with_slashes)
            }
        };
        Ok((dir, last))
    }

    /// The directory that `way` names; the base itself if it is empty.
    fn step<'a>(&self, base: Base<'a>, way: &[u8]) -> Result<Dir<'a>> {
        match way {
            [] => Ok(Dir::Base(base)),
            _ => self.enter(base, way),
        }
    }

    /// The directory that `path` names.
    fn enter<'a>(&self, base: Base<'a>, path: &[u8]) -> Result<Dir<'a>> {
        if base.place.way == Way::Whole
            && let Ok(dir) = rustix::fs::openat2(base.fd, path, STEP, Mode::empty(), WITHIN)
        {
            return Ok(Dir::Opened(dir, base.place));
        }
        let found = self.beneath(base, path, STEP, Mode::empty())?;
        Ok(Dir::Opened(found.file, found.place))
    }

    /// `EPERM` if a call on this name in a directory would reach what it must not.
    fn admit(&self, dir: &Dir<'_>, name: &[u8], change: Change) -> Result<()> {
        match dir.place().way {
            Way::Whole => Ok(()),
            Way::Steps => self.masks.admit_entry(dir.place(), dir.as_fd(), name, change),
        }
    }

    /// A directory and a name in it which mean the same as `path`, for calls that take both and do not follow the name. The name
    /// is one component and not `..`; it was no link when it was looked at, if links are to be followed. What `path` says to be
    /// a directory (by a slash, `.` or `..` at its end) is opened and named `.`.
    fn locate<'a>(&self, base: Base<'a>, path: GuestPath<'a>, follow: Follow) -> Result<(Dir<'a>, Cow<'a, [u8]>)> {
        let (way, name, with_slashes) = path.split();
        if name.len() != with_slashes.len() || name == b"." || name == b".." {
            return Ok((self.enter(base, path.0)?, Cow::Borrowed(b".")));
        }
        let dir = self.step(base, way)?;
        self.admit(&dir, name, Change::Stays)?;
        if follow == Follow::No {
            return Ok((dir, Cow::Borrowed(name)));
        }
        let mut text = [MaybeUninit::uninit(); PATH_MAX + 1];
        match rustix::fs::readlinkat_raw(&dir, name, &mut text) {
            // EINVAL: not a link. All else, its absence included, is for the call itself to say.
            Err(_) => Ok((dir, Cow::Borrowed(name))),
            Ok((text @ [b'/', ..], _)) => Err(denial::refuse(Rule::Link(text.to_vec()))),
            Ok((text, _)) => self.locate_link(base, [way, text].concat()).inspect_err(|_| denial::blame_link(text)),
        }
    }

    /// [`Self::locate`], when the path turned out to be a link, and this is where it leads.
    #[cold]
    fn locate_link<'a>(&self, base: Base<'a>, mut path: Vec<u8>) -> Result<(Dir<'a>, Cow<'a, [u8]>)> {
        for _ in 0..MAX_LINKS {
            let (way, name) = match GuestPath::new(&path)?.split() {
                (way, name, with_slashes) if name.len() == with_slashes.len() && name != b"." && name != b".." => (way, name),
                _ => return Ok((self.enter(base, &path)?, Cow::Borrowed(b"."))),
            };
            let dir = self.step(base, way)?;
            self.admit(&dir, name, Change::Stays)?;
            match rustix::fs::readlinkat(&dir, name, Vec::new()) {
                Err(_) => return Ok((dir, Cow::Owned(name.to_vec()))),
                Ok(text) if text.as_bytes().first() == Some(&b'/') => return Err(denial::refuse(Rule::Link(text.into_bytes()))),
                Ok(text) => path = [way, text.as_bytes()].concat(),
            }
        }
        Err(Errno::LOOP)
    }
}

fn present(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Presence> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(Presence::There),
        Err(Errno::NOENT) => Ok(Presence::Missing),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
