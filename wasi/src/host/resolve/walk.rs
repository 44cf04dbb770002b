//! `openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)` by steps, for where the kernel does not have it.
//!
//! Each step opens one component, `O_PATH | O_NOFOLLOW`, in the directory reached so far, and looks at what it has got hold of: a
//! directory is the next place to stand in, a link gives its text to go on with. So whatever is swapped meanwhile, every
//! step ends in something that was in a directory below the base. `..` never asks the file system: it returns to the directory
//! that was stood in before, whose descriptor is still held. (Only paths more than [`HELD`] deep let go of the outermost, and
//! then make sure, by device and inode, that `..` leads back there.)
//!
//! What is opened is compared with what must not be reached ([`Masks`]), before anything is done in it or with it; the end of
//! the path also before it is opened, since opening can be an act already.

use super::limits::{ATTEMPTS, MAX_LINKS, STEP};
use super::masks::{Masks, id};
use super::path::{Base, Found, Place};
use crate::host::denial::{self, Rule};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// Directories held open, so that deep paths do not use up descriptors.
const HELD: usize = 64;

/// Opens `path` below `base` with these flags.
pub(super) fn open(masks: &Masks, base: Base<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<Found> {
    for _ in 0..ATTEMPTS {
        match attempt(masks, base, path, flags, mode) {
            Err(Errno::AGAIN) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// One try; `EAGAIN` if something moved underneath it.
fn attempt(masks: &Masks, base: Base<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Result<Found> {
    let mut stand = Stand { masks, base: Base { place: base.place.beyond(), ..base }, below: Vec::new() };
    let mut rest = path.to_vec();
    let mut links = 0;
    // The last one that was followed, for who watches.
    let mut link = Vec::new();
    if rest.first() == Some(&b'/') {
        return Err(denial::refuse(Rule::Absolute));
    }
    loop {
        let start = rest.iter().position(|c| *c != b'/').unwrap_or(rest.len());
        let end = rest[start..].iter().position(|c| *c == b'/').map_or(rest.len(), |n| start + n);
        let (name, after) = (&rest[start..end], &rest[end..]);
        let last = after.iter().all(|c| *c == b'/');
        stand.masks.admit_name(stand.place(), name)?;
        let text = match name {
            // Slashes ended the path: it names the directory that we stand in.
            b"" => return stand.open_here(flags, mode),
            b"." | b".." => {
                stand.search()?;
                if name == b".." {
                    stand.up().inspect_err(|_| {
                        if links > 0 {
                            denial::blame_link(&link);
                        }
                    })?;
                }
                if last {
                    return stand.open_here(flags, mode);
                }
                None
            }
            _ if last && after.is_empty() => match stand.end_of_path(name, flags, mode)? {
                End::Opened(found) => return Ok(found),
                End::Link(text) => Some(text),
            },
            _ if last && flags.contains(OFlags::CREATE) => return Err(Errno::ISDIR),
            // As a directory: with `O_PATH` alone nothing would be mounted where that is done on demand.
            _ => match rustix::fs::openat(stand.here(), name, STEP | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(dir) => {
                    stand.down(dir)?;
                    None
                }
                Err(Errno::NOTDIR) => match rustix::fs::readlinkat(stand.here(), name, Vec::new()) {
                    Ok(text) => Some(text.into_bytes()),
                    Err(Errno::INVAL) => return Err(Errno::NOTDIR),
                    Err(e) => return Err(e),
                },
                Err(e) => return Err(e),
            },
        };
        match text {
            None => drop(rest.drain(..end)),
            Some(text) => {
                if links == MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                links += 1;
                if text.first() == Some(&b'/') {
                    return Err(denial::refuse(Rule::Link(text)));
                }
                if denial::is_watched() {
                    link.clone_from(&text);
                }
                rest.splice(..end, text);
            }
        }
    }
}

/// What stands at the end of a path.
enum End {
    Opened(Found),
    Link(Vec<u8>),
}

/// Where the walk stands: the base, and the directories entered since.
struct Stand<'a> {
    masks: &'a Masks,
    base: Base<'a>,
    below: Vec<Level>,
}

enum Level {
    Held(OwnedFd, Place),
    /// Let go of; to be known again by device and inode.
    Known(Place),
}

impl Stand<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        match self.below.last() {
            Some(Level::Held(fd, _)) => fd.as_fd(),
            // The last level is always held: `up` sees to it.
            Some(Level::Known(_)) | None => self.base.fd,
        }
    }

    fn place(&self) -> Place {
        match self.below.last() {
            Some(Level::Held(_, place) | Level::Known(place)) => *place,
            None => self.base.place,
        }
    }

    /// What the kernel asks for each component, `.` and `..` included: permission to search.
    fn search(&self) -> Result<()> {
        rustix::fs::openat(self.here(), ".", STEP, Mode::empty()).map(drop)
    }

    /// The directory itself that we stand in.
    fn open_here(&self, flags: OFlags, mode: Mode) -> Result<Found> {
        let file = rustix::fs::openat(self.here(), ".", flags.difference(OFlags::NOFOLLOW), mode)?;
        Ok(Found { stat: rustix::fs::fstat(&file)?, file, place: self.place() })
    }

    /// Opens the last component, or reads the link that it is and that is to be followed.
    fn end_of_path(&self, name: &[u8], flags: OFlags, mode: Mode) -> Result<End> {
        let here = self.here();
        let followed = !flags.contains(OFlags::NOFOLLOW) && !flags.contains(OFlags::CREATE | OFlags::EXCL);
        match rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                if followed {
                    return match rustix::fs::readlinkat(here, name, Vec::new()) {
                        Ok(text) => Ok(End::Link(text.into_bytes())),
                        // It is none any more.
                        Err(Errno::INVAL) => Err(Errno::AGAIN),
                        Err(e) => Err(e),
                    };
                }
            }
            Ok(stat) => self.masks.admit_found(self.place(), here, name, &stat)?,
            Err(Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
        let file = match rustix::fs::openat(here, name, flags | OFlags::NOFOLLOW, mode) {
            // It has become a link meanwhile: once more.
            Err(Errno::LOOP) if followed => return Err(Errno::AGAIN),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        if followed && FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(Errno::AGAIN);
        }
        let place = self.masks.admit(self.place(), &file, &stat)?;
        Ok(End::Opened(Found { file, stat, place }))
    }

    fn down(&mut self, dir: OwnedFd) -> Result<()> {
        let stat = rustix::fs::fstat(&dir)?;
        let place = self.masks.admit(self.place(), &dir, &stat)?;
        self.below.push(Level::Held(dir, place));
        if let Some(far) = self.below.len().checked_sub(HELD + 1)
            && let Level::Held(_, place) = self.below[far]
        {
            self.below[far] = Level::Known(place);
        }
        Ok(())
    }

    fn up(&mut self) -> Result<()> {
        let left = match self.below.pop() {
            Some(Level::Held(fd, _)) => fd,
            Some(Level::Known(_)) | None => return Err(denial::refuse(Rule::Above)),
        };
        if let Some(level) = self.below.last_mut()
            && let Level::Known(place) = *level
        {
            let fd = rustix::fs::openat(&left, "..", STEP, Mode::empty())?;
            if id(&rustix::fs::fstat(&fd)?) != place.id {
                return Err(Errno::AGAIN);
            }
            *level = Level::Held(fd, place);
        }
        Ok(())
    }
}
