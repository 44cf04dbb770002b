//! Paths and procfs.
//!
//! A process's directory in procfs hands out its memory (`mem`: whoever writes it is native code) and its
//! environment. So a path that begins elsewhere never ends on procfs, wherever that is mounted; only a
//! directory that the user named there leads to it. Below such a one paths are walked by steps, and none
//! enters a directory of this process or of one of its threads.
//!
//! Whether a file is on procfs costs nothing to know as long as it is where its base is: their device numbers are equal. Only for
//! what is elsewhere the kernel is asked.

use super::limits::STEP;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Mode, PROC_SUPER_MAGIC, Stat};
use rustix::io::{Errno, Result};

/// The inode of procfs's root directory, in every kernel (`PROCFS_ROOT_INO`).
const ROOT: u64 = 1;

/// Where a directory is, as far as it matters for what may be reached from it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    device: u64,
    procfs: bool,
}

/// Why a directory on procfs cannot be given to a guest.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It belongs to this process.
    Own,
    /// It is mounted apart from its file system's root, so that nobody can say what it belongs to.
    Apart,
}

impl Place {
    /// Of an open file.
    pub(crate) fn of(file: BorrowedFd<'_>, stat: &Stat) -> Result<Place> {
        Ok(Place { device: stat.st_dev, procfs: is_procfs(file)? })
    }

    /// Of a file that a path led to from here; `EPERM` if it must not.
    #[inline(always)]
    pub(super) fn admit(self, file: BorrowedFd<'_>, stat: &Stat) -> Result<Place> {
        if stat.st_dev == self.device { Ok(self) } else { self.elsewhere(file, stat) }
    }

    #[cold]
    fn elsewhere(self, file: BorrowedFd<'_>, stat: &Stat) -> Result<Place> {
        let there = Place::of(file, stat)?;
        if there.procfs && !self.procfs { Err(Errno::PERM) } else { Ok(there) }
    }

    /// Whether a file with this status is in the same file system.
    #[inline(always)]
    pub(super) fn is_device_of(self, stat: &Stat) -> bool {
        stat.st_dev == self.device
    }

    pub(super) fn is_procfs(self) -> bool {
        self.procfs
    }

    /// Whether a directory may be given to a guest. That one outside procfs may is known by its place.
    pub(crate) fn fitness(self, dir: BorrowedFd<'_>) -> Result<std::result::Result<(), Unfit>> {
        if !self.procfs {
            return Ok(Ok(()));
        }
        let mut top = None;
        let mut dir = rustix::fs::openat(dir, ".", STEP, Mode::empty())?;
        while rustix::fs::fstat(&dir)?.st_ino != ROOT {
            let above = rustix::fs::openat(&dir, "..", STEP, Mode::empty())?;
            if !is_procfs(above.as_fd())? {
                return Ok(Err(Unfit::Apart));
            }
            top = Some(std::mem::replace(&mut dir, above));
        }
        let Some(top) = top else { return Ok(Ok(())) };
        // A process's directory says whose it is; others have no such file.
        let stat = rustix::fs::openat(&top, "stat", rustix::fs::OFlags::CLOEXEC, Mode::empty());
        let mut text = [0; 32];
        let len = stat.and_then(|file| rustix::io::read(file, &mut text)).unwrap_or(0);
        let number = text[..len].split(|c| *c == b' ').next().unwrap_or_default();
        Ok(if is_own(dir.as_fd(), number)? { Err(Unfit::Own) } else { Ok(()) })
    }
}

fn is_procfs(file: BorrowedFd<'_>) -> Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == PROC_SUPER_MAGIC)
}

/// Whether `name` in `dir` is the directory of this process, or of a thread of it. Asked after it was opened:
/// whose it is does not change any more.
pub(super) fn is_own(dir: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
    // Threads are not listed there, but are found.
    if name.is_empty() || !name.iter().all(u8::is_ascii_digit) {
        return Ok(false);
    }
    if rustix::fs::fstat(dir)?.st_ino != ROOT || !is_procfs(dir)? {
        return Ok(false);
    }
    // By the numbers of that procfs, which need not be the ones that we have for ourselves.
    match rustix::fs::statat(dir, [b"self/task/", name].concat(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e),
    }
}
