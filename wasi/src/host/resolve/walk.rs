//! `openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)` by steps, for where the kernel does not have it.
//!
//! Each step opens one component, `O_PATH | O_NOFOLLOW`, in the directory reached so far, and looks at what it has got hold of: a
//! directory is the next place to stand in, a link gives its text to go on with. So whatever is swapped meanwhile, every
//! step ends in something that was in a directory below the base. `..` never asks the file system: it returns to the directory
//! that was stood in before, whose descriptor is still held. (Only paths more than [`HELD`] deep let go of the outermost, and
//! then make sure, by device and inode, that `..` leads back there.)

use super::limits::{ATTEMPTS, MAX_LINKS, STEP};
use super::path::Base;
use super::procfs;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// Directories held open, so that deep paths do not use up descriptors.
const HELD: usize = 64;

/// Opens `path` below `base` with these flags.
pub(super) fn open(base: Base<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    for _ in 0..ATTEMPTS {
        match attempt(base, path, flags, mode) {
            Err(Errno::AGAIN) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// One try; `EAGAIN` if something moved underneath it.
fn attempt(base: Base<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let mut stand = Stand { base: base.fd, procfs: base.place.is_procfs(), below: Vec::new() };
    let mut rest = path.to_vec();
    let mut links = 0;
    if rest.first() == Some(&b'/') {
        return Err(Errno::PERM);
    }
    loop {
        let start = rest.iter().position(|c| *c != b'/').unwrap_or(rest.len());
        let end = rest[start..].iter().position(|c| *c == b'/').map_or(rest.len(), |n| start + n);
        let (name, after) = (&rest[start..end], &rest[end..]);
        let last = after.iter().all(|c| *c == b'/');
        let text = match name {
            // Slashes ended the path: it names the directory that we stand in.
            b"" => return rustix::fs::openat(stand.here(), ".", flags.difference(OFlags::NOFOLLOW), mode),
            b"." | b".." => {
                stand.search()?;
                if name == b".." {
                    stand.up()?;
                }
                if last {
                    return rustix::fs::openat(stand.here(), ".", flags.difference(OFlags::NOFOLLOW), mode);
                }
                None
            }
            _ if last && after.is_empty() => match end_of_path(stand.here(), name, flags, mode)? {
                End::Opened(fd) => {
                    stand.admit(name)?;
                    return Ok(fd);
                }
                End::Link(text) => Some(text),
            },
            _ if last && flags.contains(OFlags::CREATE) => return Err(Errno::ISDIR),
            _ => {
                let fd =
                    rustix::fs::openat(stand.here(), name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
                match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
                    FileType::Directory => {
                        stand.admit(name)?;
                        stand.down(fd)?;
                        None
                    }
                    FileType::Symlink => Some(rustix::fs::readlinkat(&fd, "", Vec::new())?.into_bytes()),
                    _ => return Err(Errno::NOTDIR),
                }
            }
        };
        match text {
            None => drop(rest.drain(..end)),
            Some(text) => {
                if links == MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                links += 1;
                if text.first() == Some(&b'/') {
                    return Err(Errno::PERM);
                }
                rest.splice(..end, text);
            }
        }
    }
}

/// What stands at the end of a path.
enum End {
    Opened(OwnedFd),
    Link(Vec<u8>),
}

/// Opens the last component, or reads the link that it is and that is to be followed.
fn end_of_path(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags, mode: Mode) -> Result<End> {
    let open = || Ok(End::Opened(rustix::fs::openat(dir, name, flags | OFlags::NOFOLLOW, mode)?));
    if flags.contains(OFlags::NOFOLLOW) || flags.contains(OFlags::CREATE | OFlags::EXCL) {
        return open();
    }
    match rustix::fs::readlinkat(dir, name, Vec::new()) {
        Ok(text) => Ok(End::Link(text.into_bytes())),
        // No link, or nothing: open says what it is, or makes it. If it has become a link meanwhile: once more.
        Err(Errno::INVAL | Errno::NOENT) => match open() {
            Err(Errno::LOOP) => Err(Errno::AGAIN),
            done => done,
        },
        Err(e) => Err(e),
    }
}

/// Where the walk stands: the base, and the directories entered since.
struct Stand<'a> {
    base: BorrowedFd<'a>,
    /// Whether it began on procfs.
    procfs: bool,
    below: Vec<Level>,
}

enum Level {
    Held(OwnedFd),
    /// Let go of; to be known again by device and inode.
    Known(u64, u64),
}

impl Stand<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        match self.below.last() {
            Some(Level::Held(fd)) => fd.as_fd(),
            // The last level is always held: `up` sees to it.
            Some(Level::Known(..)) | None => self.base,
        }
    }

    /// What the kernel asks for each component, `.` and `..` included: permission to search.
    fn search(&self) -> Result<()> {
        rustix::fs::openat(self.here(), ".", STEP, Mode::empty()).map(drop)
    }

    /// `EPERM` if what was opened by that name here must not be reached.
    fn admit(&self, name: &[u8]) -> Result<()> {
        if self.procfs && procfs::is_own(self.here(), name)? { Err(Errno::PERM) } else { Ok(()) }
    }

    fn down(&mut self, fd: OwnedFd) -> Result<()> {
        self.below.push(Level::Held(fd));
        if let Some(far) = self.below.len().checked_sub(HELD + 1)
            && let Level::Held(fd) = &self.below[far]
        {
            let stat = rustix::fs::fstat(fd)?;
            self.below[far] = Level::Known(stat.st_dev, stat.st_ino);
        }
        Ok(())
    }

    fn up(&mut self) -> Result<()> {
        let left = match self.below.pop() {
            Some(Level::Held(fd)) => fd,
            Some(Level::Known(..)) | None => return Err(Errno::PERM),
        };
        if let Some(level @ Level::Known(..)) = self.below.last_mut() {
            let fd = rustix::fs::openat(&left, "..", STEP, Mode::empty())?;
            let stat = rustix::fs::fstat(&fd)?;
            if !matches!(level, Level::Known(dev, ino) if (*dev, *ino) == (stat.st_dev, stat.st_ino)) {
                return Err(Errno::AGAIN);
            }
            *level = Level::Held(fd);
        }
        Ok(())
    }
}
