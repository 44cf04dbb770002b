//! What there is to know of a file.

use super::clock::Time;
use rustix::fs::{FileType, Stat};

/// Which file it is: its device and its number there.
pub(crate) type FileId = (u64, u64);

/// What there is to know of a file. (The kernel's own structure is longer, and copying it about
/// shows.)
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub device: u64,
    pub inode: u64,
    pub kind: FileType,
    pub links: u64,
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970, as [`Time::in_nanoseconds`] has them.
    pub accessed: u64,
    /// The same.
    pub modified: u64,
    /// The same, of any of this.
    pub changed: u64,
}

impl Status {
    pub(crate) fn id(&self) -> FileId {
        (self.device, self.inode)
    }

    #[inline]
    pub(crate) fn of(stat: &Stat) -> Status {
        let time = |seconds, nanoseconds| Time { seconds, nanoseconds }.in_nanoseconds();
        Status {
            device: stat.st_dev,
            inode: stat.st_ino,
            kind: FileType::from_raw_mode(stat.st_mode),
            links: stat.st_nlink,
            size: stat.st_size as u64,
            accessed: time(stat.st_atime, stat.st_atime_nsec),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}
