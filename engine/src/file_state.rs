//! What tells that a file has not changed since its contents were hashed, so that a program of many megabytes need not be read
//! to find its compiled code.
//!
//! Every write to a file moves its change time, which no program can set; a new file has another inode. Two cases would go
//! unseen, and are left out: a write within the clock's granularity of the hashing, and one through a mapping that was writable
//! already (a kernel notices the first write to a page after it has written the page out, about every half minute). So only
//! what has been left alone for [`SETTLED`] is remembered. The worst that a wrong memory can do is to run what the same file
//! was before.

use rustix::fs::FileType;
use std::fs::File;

/// Seconds without a change after which a file's state says what it holds.
const SETTLED: i64 = 60;

/// A regular file's identity, length and times.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    numbers: [u64; 7],
    changed: i64,
}

impl FileState {
    /// The state of an open file; `None` if it is not a regular one.
    pub(crate) fn of(file: &File) -> Option<FileState> {
        let stat = rustix::fs::fstat(file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let (size, mtime, ctime) = (stat.st_size.cast_unsigned(), stat.st_mtime.cast_unsigned(), stat.st_ctime.cast_unsigned());
        let numbers = [stat.st_dev, stat.st_ino, size, mtime, stat.st_mtime_nsec, ctime, stat.st_ctime_nsec];
        Some(FileState { numbers, changed: stat.st_ctime })
    }

    /// Whether nothing has been written for so long that the next write must show. `now` is in seconds since 1970.
    pub(crate) fn is_settled(&self, now: i64) -> bool {
        now.checked_sub(self.changed).is_some_and(|age| age >= SETTLED)
    }

    /// A name that another state does not have.
    pub(crate) fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for number in self.numbers {
            hasher.update(&number.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CacheMode;
    use crate::cache::Cache;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn every_change_is_another_state() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one").unwrap();
        let before = FileState::of(&file).unwrap();
        assert_eq!(FileState::of(&file), Some(before));
        // Times are as coarse as the kernel's tick.
        std::thread::sleep(std::time::Duration::from_millis(30));
        file.write_all_at(b"two", 0).unwrap();
        // A program may set this time back, but not the other.
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let after = FileState::of(&file).unwrap();
        assert_ne!(before, after);
        assert_ne!(before.name(), after.name());
    }

    #[test]
    fn only_what_was_left_alone_is_settled() {
        let state = FileState { numbers: [0; 7], changed: 1000 };
        assert!(state.is_settled(1000 + SETTLED));
        assert!(!state.is_settled(1000 + SETTLED - 1));
        assert!(!state.is_settled(0), "the clock was set back");
        assert!(!FileState { changed: i64::MIN, ..state }.is_settled(i64::MAX));
    }

    #[test]
    fn the_cache_remembers_settled_files() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("cache");
        let cache = Cache::open(&CacheMode::Dir(dir.clone()), 1 << 20).unwrap();
        let old = FileState { numbers: [7; 7], changed: 1000 };
        let new = FileState { numbers: [8; 7], changed: i64::MAX };
        let content = blake3::hash(b"contents");
        for state in [old, new] {
            assert_eq!(cache.remembered(&state), None);
            cache.remember(&state, content);
        }
        assert_eq!(cache.remembered(&old), Some(content));
        assert_eq!(cache.remembered(&new), None);
        for damaged in [&b""[..], &[1; 31], &[1; 33]] {
            std::fs::write(dir.join(old.name()), damaged).unwrap();
            assert_eq!(cache.remembered(&old), None);
        }
    }

    #[test]
    fn only_regular_files_have_a_state() {
        assert_eq!(FileState::of(&File::open("/dev/null").unwrap()), None);
        assert_eq!(FileState::of(&File::open("/").unwrap()), None);
    }
}
