//! What is known of files, without what only their file system knows: numbers in the order in which the program first sees
//! files, and times that only the program moves.

use super::clock::BEGINNING;
use crate::host::status::{FileId, Status};
use rustix::fs::{FileType, major, minor};
use rustix::io::{Errno, Result};
use sconce_engine::{MemoryBudget, MemoryLimit, Purpose};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of the only device that there is.
const DEVICE: u64 = 1;

/// The first number that a file gets; those below are standard streams'.
const FIRST: u64 = 16;

/// Files that are known at most: some 100 MiB. More are `ENOMEM`.
const MOST: usize = 1 << 20;

/// Bytes that one takes, in a map that may have twice the room that it needs.
const BYTES: u64 = 112;

/// The size that directories have, which depends on the file system otherwise.
const DIRECTORY_SIZE: u64 = 4096;

/// Nanoseconds since 1970.
const AT_FIRST: u64 = BEGINNING * 1_000_000_000;

/// Each file that the program has seen.
#[derive(Debug)]
pub(crate) struct Files(Mutex<Known>);

#[derive(Debug)]
struct Known {
    budget: MemoryBudget,
    files: HashMap<FileId, File>,
    /// Numbers that were given.
    numbers: u64,
}

#[derive(Copy, Clone, Debug)]
struct File {
    number: u64,
    /// Nanoseconds since 1970.
    accessed: u64,
    /// The same.
    modified: u64,
    /// The same.
    changed: u64,
}

impl Known {
    /// What is known of a file, which is new to the program if nothing is.
    fn file(&mut self, id: FileId) -> Result<&mut File> {
        if !self.files.contains_key(&id) {
            self.begin(id, AT_FIRST)?;
        }
        self.files.get_mut(&id).ok_or(Errno::NOMEM)
    }

    /// A file that is new, whoever had its number in the file system before.
    fn begin(&mut self, id: FileId, now: u64) -> Result<()> {
        if self.files.len() >= MOST && !self.files.contains_key(&id) {
            return Err(Errno::NOMEM);
        }
        if !self.files.contains_key(&id) {
            self.budget.take(Purpose::Host, BYTES).map_err(|_| Errno::NOMEM)?;
        }
        let number = FIRST + self.numbers;
        self.numbers += 1;
        self.files.insert(id, File { number, accessed: now, modified: now, changed: now });
        Ok(())
    }
}

impl Files {
    pub(super) fn new(memory: &MemoryLimit) -> Files {
        Files(Mutex::new(Known { budget: MemoryBudget::new(memory), files: HashMap::new(), numbers: 0 }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the program sees of a file's status.
    pub(crate) fn shown(&self, status: &Status) -> Result<Status> {
        let mut known = self.known();
        let File { number, accessed, modified, changed } = *known.file(status.id())?;
        // How directories count links and bytes is their file system's business.
        let (links, size) = match status.kind {
            FileType::Directory => (1, DIRECTORY_SIZE),
            _ => (status.links, status.size),
        };
        Ok(Status { device: DEVICE, inode: number, kind: status.kind, links, size, accessed, modified, changed })
    }

    /// The number of a file.
    pub(crate) fn number(&self, id: FileId) -> Result<u64> {
        Ok(self.known().file(id)?.number)
    }

    /// The program has made this file.
    pub(crate) fn created(&self, id: FileId, now: u64) -> Result<()> {
        self.known().begin(id, now)
    }

    /// The program has written to this file, or cut it.
    pub(crate) fn written(&self, id: FileId, now: u64) -> Result<()> {
        let mut known = self.known();
        let file = known.file(id)?;
        (file.modified, file.changed) = (now, now);
        Ok(())
    }

    /// The program has set these times of this file.
    pub(crate) fn set_times(&self, id: FileId, [accessed, modified]: [Option<u64>; 2], now: u64) -> Result<()> {
        let mut known = self.known();
        let file = known.file(id)?;
        file.accessed = accessed.unwrap_or(file.accessed);
        file.modified = modified.unwrap_or(file.modified);
        file.changed = now;
        Ok(())
    }
}

/// What is seen of a standard stream that is shown as a pipe.
pub(crate) fn of_stream(standard: usize) -> Status {
    Status {
        device: DEVICE,
        inode: standard as u64 + 1,
        kind: FileType::Fifo,
        links: 1,
        size: 0,
        accessed: AT_FIRST,
        modified: AT_FIRST,
        changed: AT_FIRST,
    }
}

/// Whether a character device of this number gives and takes the same everywhere: null, zero and full.
pub(crate) fn is_known_device(device: u64) -> bool {
    major(device) == 1 && matches!(minor(device), 3 | 5 | 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(inode: u64, kind: FileType) -> Status {
        Status { device: 77, inode, kind, links: 3, size: 9, accessed: 1, modified: 2, changed: 3 }
    }

    #[test]
    fn files_are_numbered_as_they_are_seen_and_again_when_they_are_made_again() {
        let files = Files::new(&MemoryLimit::default());
        let shown = |inode, kind| files.shown(&status(inode, kind)).unwrap();
        let first = shown(500, FileType::RegularFile);
        assert_eq!((first.device, first.inode, first.links, first.size), (DEVICE, FIRST, 3, 9));
        assert_eq!([first.accessed, first.modified, first.changed], [AT_FIRST; 3]);
        let directory = shown(4, FileType::Directory);
        assert_eq!((directory.inode, directory.links, directory.size), (FIRST + 1, 1, DIRECTORY_SIZE));
        assert_eq!(shown(500, FileType::RegularFile), first);
        let id = status(500, FileType::RegularFile).id();
        // A file system that uses the number again shows no more than one that does not.
        files.created(id, 5).unwrap();
        let again = shown(500, FileType::RegularFile);
        assert_eq!((again.inode, again.modified), (FIRST + 2, 5));
        files.written(id, 6).unwrap();
        files.set_times(id, [Some(1), None], 7).unwrap();
        let last = shown(500, FileType::RegularFile);
        assert_eq!([last.accessed, last.modified, last.changed], [1, 6, 7]);
    }

    #[test]
    fn only_devices_without_secrets_are_known() {
        use rustix::fs::makedev;
        assert!([3, 5, 7].iter().all(|&n| is_known_device(makedev(1, n))));
        assert!(![makedev(1, 8), makedev(1, 9), makedev(5, 0), makedev(136, 3)].iter().any(|&d| is_known_device(d)));
    }
}
