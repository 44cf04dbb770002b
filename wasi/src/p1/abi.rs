//! Numbers and layouts of the interface, from the witx files of preview 1 and preview 0 (`wasi_unstable`).

use crate::host::flags::Flags;
use crate::host::status::Status;
use rustix::fs::FileType;

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
}

/// `$fdflags`, and what they are called elsewhere.
const FDFLAGS: [(u16, Flags); 5] = [
    (fdflags::APPEND, Flags::APPEND),
    (fdflags::DSYNC, Flags::DSYNC),
    (fdflags::NONBLOCK, Flags::NONBLOCK),
    (fdflags::RSYNC, Flags::RSYNC),
    (fdflags::SYNC, Flags::SYNC),
];

/// What `$fdflags` mean; nothing if there are some among them that do not exist.
pub(crate) fn flags(guest: u32) -> Option<Flags> {
    let known = FDFLAGS.iter().fold(0, |all, (bit, _)| all | u32::from(*bit));
    let chosen = FDFLAGS.iter().filter(|(bit, _)| guest & u32::from(*bit) != 0);
    (guest & !known == 0).then(|| chosen.fold(Flags::default(), |all, (_, flag)| all.union(*flag)))
}

/// `$fdflags` of flags.
pub(crate) fn fdflags_of(flags: Flags) -> u16 {
    FDFLAGS.iter().filter(|(_, flag)| flags.has(*flag)).fold(0, |all, (bit, _)| all | bit)
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
    for (i, value) in [status.size, status.accessed, status.modified, status.changed].iter().enumerate() {
        out[at + i * 8..at + i * 8 + 8].copy_from_slice(&value.to_le_bytes());
    }
    (out, at + 32)
}

#[cfg(test)]
mod tests {
    use super::*;

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
