//! What is in the directory: files by name, without a look at what they mean.

use super::Cache;
use super::directory::{Directory, HINT, is_damaged, is_entry_name};
use crate::section::read_exact_at;
use rustix::fs::{AtFlags, Dir};
use std::io;
use std::time::{Duration, SystemTime};

/// Bytes of a file's start that say what it is.
const HEAD: usize = 16 << 10;

/// A file of the cache.
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Whether its name says that it is not whole.
    pub(crate) unfinished: bool,
    pub(crate) damaged: bool,
    pub(crate) bytes: u64,
    pub(crate) last_use: SystemTime,
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
}

impl Cache {
    /// All files that are the cache's.
    pub(crate) fn list(&self) -> io::Result<Vec<Listed>> {
        self.with(list).unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Removes a file, if it is the cache's; gives how many bytes it had.
    pub(crate) fn clean(&self, name: &str) -> u64 {
        let clean = |open: &Directory| {
            let stat = rustix::fs::statat(&open.dir, name, AtFlags::SYMLINK_NOFOLLOW);
            open.remove(name);
            stat.map_or(0, |stat| stat.st_size.cast_unsigned())
        };
        if is_own_name(name) { self.with(clean).unwrap_or(0) } else { 0 }
    }
}

fn is_unfinished(name: &str) -> bool {
    name.ends_with(".tmp")
}

/// Whether the cache gives files such names. Whatever else is in the directory is not its.
fn is_own_name(name: &str) -> bool {
    !name.contains('/') && (is_unfinished(name) || is_entry_name(name.strip_suffix(HINT).unwrap_or(name)))
}

fn list(open: &Directory) -> io::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for entry in Dir::read_from(&open.dir)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().ok().filter(|name| is_own_name(name)) else { continue };
        // Others may be faster in removing it.
        let Ok(stat) = rustix::fs::statat(&open.dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let bytes = stat.st_size.cast_unsigned();
        let mut head = vec![0; bytes.min(HEAD as u64) as usize];
        let read = open.open(name).ok().and_then(|file| read_exact_at(&file, &mut head, 0));
        let since = Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), stat.st_mtime_nsec as u32);
        files.push(Listed {
            unfinished: is_unfinished(name),
            damaged: is_damaged(&stat),
            bytes,
            last_use: SystemTime::UNIX_EPOCH + since,
            head: if read.is_some() { head } else { Vec::new() },
            name: name.to_owned(),
        });
    }
    Ok(files)
}
