//! What is in a directory.

use super::descriptor::Descriptor;
use rustix::fs::{AtFlags, FileType, RawDir, RawDirEntry, SeekFrom};
use rustix::io::Result;
use std::mem::MaybeUninit;

/// The entries of a directory from some position on. Two of them at once for one descriptor disturb
/// each other.
pub(crate) struct Entries<'a> {
    dir: &'a Descriptor,
    raw: RawDir<'a, &'a Descriptor>,
}

/// One of them.
pub(crate) struct Entry<'a> {
    dir: &'a Descriptor,
    raw: RawDirEntry<'a>,
}

impl Descriptor {
    /// Its entries from a position of the kernel's on: 0, or where one ended. As many are read at
    /// once as `space` holds.
    pub(crate) fn entries<'a>(&'a self, position: u64, space: &'a mut [MaybeUninit<u8>]) -> Result<Entries<'a>> {
        rustix::fs::seek(self, SeekFrom::Start(position))?;
        Ok(Entries { dir: self, raw: RawDir::new(self, space) })
    }
}

impl Entries<'_> {
    /// Whether the kernel is asked for the next one.
    pub(crate) fn asks_next(&self) -> bool {
        self.raw.is_buffer_empty()
    }

    pub(crate) fn next(&mut self) -> Option<Result<Entry<'_>>> {
        let dir = self.dir;
        Some(self.raw.next()?.map(|raw| Entry { dir, raw }))
    }
}

impl Entry<'_> {
    /// At most 255 bytes (`NAME_MAX`) in every file system of Linux.
    pub(crate) fn name(&self) -> &[u8] {
        self.raw.file_name().to_bytes()
    }

    pub(crate) fn inode(&self) -> u64 {
        self.raw.ino()
    }

    /// The position behind it.
    pub(crate) fn end(&self) -> u64 {
        self.raw.next_entry_cookie()
    }

    /// Some file systems leave the type to `stat`.
    pub(crate) fn kind(&self) -> FileType {
        match self.raw.file_type() {
            FileType::Unknown => rustix::fs::statat(self.dir, self.raw.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            kind => kind,
        }
    }
}
