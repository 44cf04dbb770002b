//! Numbers and layouts of the interface, from the witx files of preview 1 and preview 0 (`wasi_unstable`).

use rustix::fs::{FileType, Stat};

/// Rights of a descriptor (`$rights`): what may be done with it, and, "inheriting", with what is opened through it.
pub(crate) mod rights {
    pub const FD_DATASYNC: u64 = 1 << 0;
    pub const FD_READ: u64 = 1 << 1;
    pub const FD_SEEK: u64 = 1 << 2;
    pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub const FD_SYNC: u64 = 1 << 4;
    pub const FD_TELL: u64 = 1 << 5;
    pub const FD_WRITE: u64 = 1 << 6;
    pub const FD_ADVISE: u64 = 1 << 7;
    pub const FD_ALLOCATE: u64 = 1 << 8;
    pub const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub const PATH_CREATE_FILE: u64 = 1 << 10;
    pub const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub const PATH_LINK_TARGET: u64 = 1 << 12;
    pub const PATH_OPEN: u64 = 1 << 13;
    pub const FD_READDIR: u64 = 1 << 14;
    pub const PATH_READLINK: u64 = 1 << 15;
    pub const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub const FD_FILESTAT_GET: u64 = 1 << 21;
    pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub const PATH_SYMLINK: u64 = 1 << 24;
    pub const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub const POLL_FD_READWRITE: u64 = 1 << 27;
    pub const SOCK_SHUTDOWN: u64 = 1 << 28;
    pub const SOCK_ACCEPT: u64 = 1 << 29;

    /// What can be done with a regular file, and tried with a pipe or device.
    pub const FILE: u64 = FD_DATASYNC
        | FD_READ
        | FD_SEEK
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_TELL
        | FD_WRITE
        | FD_ADVISE
        | FD_ALLOCATE
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_SIZE
        | FD_FILESTAT_SET_TIMES
        | POLL_FD_READWRITE;
    /// What can be done with a directory.
    pub const DIRECTORY: u64 = FD_DATASYNC
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | PATH_CREATE_DIRECTORY
        | PATH_CREATE_FILE
        | PATH_LINK_SOURCE
        | PATH_LINK_TARGET
        | PATH_OPEN
        | FD_READDIR
        | PATH_READLINK
        | PATH_RENAME_SOURCE
        | PATH_RENAME_TARGET
        | PATH_FILESTAT_GET
        | PATH_FILESTAT_SET_SIZE
        | PATH_FILESTAT_SET_TIMES
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES
        | PATH_SYMLINK
        | PATH_REMOVE_DIRECTORY
        | PATH_UNLINK_FILE
        | POLL_FD_READWRITE;
    /// What can be done with anything that a path names. Guests ask for more (Go: all 32 low bits); the rest is ignored.
    pub const OPENED: u64 = FILE | DIRECTORY;
    /// What can be done with a terminal. wasi-libc takes a character device without `SEEK` and `TELL` for one.
    pub const TERMINAL: u64 = FD_READ | FD_WRITE | FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE;
    /// What can be done with a socket.
    pub const SOCKET: u64 = TERMINAL | SOCK_SHUTDOWN | SOCK_ACCEPT;
    /// What changes a file.
    pub const MUTATE: u64 = FD_WRITE | FD_ALLOCATE | FD_FILESTAT_SET_SIZE | FD_FILESTAT_SET_TIMES;
}

/// `$filetype`.
pub(crate) mod filetype {
    pub const UNKNOWN: u8 = 0;
    pub const BLOCK_DEVICE: u8 = 1;
    pub const CHARACTER_DEVICE: u8 = 2;
    pub const DIRECTORY: u8 = 3;
    pub const REGULAR_FILE: u8 = 4;
    pub const SOCKET_DGRAM: u8 = 5;
    pub const SOCKET_STREAM: u8 = 6;
    pub const SYMBOLIC_LINK: u8 = 7;
}

/// `$fdflags`.
pub(crate) mod fdflags {
    pub const APPEND: u16 = 1 << 0;
    pub const DSYNC: u16 = 1 << 1;
    pub const NONBLOCK: u16 = 1 << 2;
    pub const RSYNC: u16 = 1 << 3;
    pub const SYNC: u16 = 1 << 4;
    pub const ALL: u16 = (1 << 5) - 1;
}

/// `$oflags`.
pub(crate) mod oflags {
    pub const CREAT: u32 = 1 << 0;
    pub const DIRECTORY: u32 = 1 << 1;
    pub const EXCL: u32 = 1 << 2;
    pub const TRUNC: u32 = 1 << 3;
    pub const ALL: u32 = (1 << 4) - 1;
}

/// `$fstflags`.
pub(crate) mod fstflags {
    pub const ATIM: u32 = 1 << 0;
    pub const ATIM_NOW: u32 = 1 << 1;
    pub const MTIM: u32 = 1 << 2;
    pub const MTIM_NOW: u32 = 1 << 3;
    pub const ALL: u32 = (1 << 4) - 1;
}

/// The two generations of the interface, where their layouts differ.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// `wasi_unstable`.
    Unstable,
    /// `wasi_snapshot_preview1`.
    Preview1,
}

/// `$filetype` of a host file type. What a path names is a stream socket as far as anyone can tell from outside.
pub(crate) fn filetype_of(t: FileType) -> u8 {
    match t {
        FileType::BlockDevice => filetype::BLOCK_DEVICE,
        FileType::CharacterDevice => filetype::CHARACTER_DEVICE,
        FileType::Directory => filetype::DIRECTORY,
        FileType::RegularFile => filetype::REGULAR_FILE,
        FileType::Socket => filetype::SOCKET_STREAM,
        FileType::Symlink => filetype::SYMBOLIC_LINK,
        FileType::Fifo | FileType::Unknown => filetype::UNKNOWN,
    }
}

/// Nanoseconds since 1970, as far as they fit: times before are 0, times after the year 2554 are the last.
pub(crate) fn timestamp(seconds: i64, nanoseconds: u64) -> u64 {
    let Ok(seconds) = u64::try_from(seconds) else { return 0 };
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// What there is to know of a file. (The kernel's own structure is twice as long, and copying it about shows.)
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub device: u64,
    pub inode: u64,
    pub kind: FileType,
    pub links: u64,
    /// In bytes.
    pub size: u64,
    /// Access, modification, change: `$timestamp`s.
    pub times: [u64; 3],
}

impl Status {
    #[inline]
    pub(crate) fn of(stat: &Stat) -> Status {
        Status {
            device: stat.st_dev,
            inode: stat.st_ino,
            kind: FileType::from_raw_mode(stat.st_mode),
            links: stat.st_nlink,
            size: stat.st_size as u64,
            times: [
                timestamp(stat.st_atime, stat.st_atime_nsec),
                timestamp(stat.st_mtime, stat.st_mtime_nsec),
                timestamp(stat.st_ctime, stat.st_ctime_nsec),
            ],
        }
    }
}

/// A `$filestat` as bytes, and how many of them: 64, or 56 in `wasi_unstable`, whose link count has 32 bits.
pub(crate) fn filestat(status: &Status, filetype: u8, generation: Generation) -> ([u8; 64], usize) {
    let mut out = [0; 64];
    out[0..8].copy_from_slice(&status.device.to_le_bytes());
    out[8..16].copy_from_slice(&status.inode.to_le_bytes());
    out[16] = filetype;
    let at = match generation {
        Generation::Unstable => {
            let links = u32::try_from(status.links).unwrap_or(u32::MAX);
            out[20..24].copy_from_slice(&links.to_le_bytes());
            24
        }
        Generation::Preview1 => {
            out[24..32].copy_from_slice(&status.links.to_le_bytes());
            32
        }
    };
    let [atim, mtim, ctim] = status.times;
    for (i, value) in [status.size, atim, mtim, ctim].iter().enumerate() {
        out[at + i * 8..at + i * 8 + 8].copy_from_slice(&value.to_le_bytes());
    }
    (out, at + 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_times_are_clamped() {
        assert_eq!(timestamp(-1, 999_999_999), 0);
        assert_eq!(timestamp(i64::MIN, 0), 0);
        assert_eq!(timestamp(i64::MAX, 999_999_999), u64::MAX);
        assert_eq!(timestamp(2, 5), 2_000_000_005);
    }

    #[test]
    fn generations_differ_from_the_link_count_on() {
        let file = std::fs::File::open("/").unwrap();
        let stat = Status::of(&rustix::fs::fstat(&file).unwrap());
        let (new, new_len) = filestat(&stat, 3, Generation::Preview1);
        let (old, old_len) = filestat(&stat, 3, Generation::Unstable);
        assert_eq!((new_len, old_len), (64, 56));
        assert_eq!(new[..17], old[..17]);
        assert_eq!(new[24..28], old[20..24]);
        assert_eq!(new[32..64], old[24..56]);
    }
}
