//! The cache's directory: files that are there in whole or not at all, and go when there are too many.

use crate::artifact::Seal;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds after which a use is noted again, and after which an unfinished file is taken for abandoned.
const HOUR: i64 = 3600;
/// Of so many small entries that are written, one makes room for those that follow.
const SMALL_ENTRIES: u8 = 16;
/// What is longer than this part of the limit is not small.
const SMALL: u64 = 256;

/// How names of hints end ([`super::used`]): processes that have run a program can write to one.
pub(super) const HINT: &str = ".used";
/// What is longer is no hint: a bit for each chunk of the largest module takes less.
const LONGEST_HINT: i64 = 64 << 10;

/// How the cache's files are opened: what is in their place is neither followed nor waited for.
const OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// The open directory, and what its entries are sealed with: whoever has both can have later runs execute any code.
pub(super) struct Directory {
    pub(super) dir: OwnedFd,
    pub(super) secret: Seal,
}

impl Directory {
    /// A file, for reading.
    pub(super) fn open(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.dir, name, OPEN | OFlags::RDONLY, Mode::empty())
    }

    /// A file that is made if it is not there, for reading and writing; where that cannot be, for reading.
    pub(super) fn open_or_make(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.dir, name, OPEN | OFlags::RDWR | OFlags::CREATE, Mode::RUSR | Mode::WUSR)
            .or_else(|_| self.open(name))
    }

    /// A file that processes lock.
    pub(super) fn open_lock(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.dir, name, OPEN | OFlags::WRONLY | OFlags::CREATE, Mode::RUSR | Mode::WUSR)
    }

    /// Writes a file under another name, and gives it its own when it is whole.
    pub(super) fn write(&self, name: &str, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let (unfinished, file) = make_unfinished(&self.dir, name)?;
        let mut out = BufWriter::new(file);
        let written = contents(&mut out).and_then(|()| out.flush());
        // Not synced to the disk: what a power failure leaves does not pass the hashes.
        let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&self.dir, &unfinished, &self.dir, name)?));
        if renamed.is_err() {
            self.remove(&unfinished);
        }
        renamed
    }

    pub(super) fn remove(&self, name: &str) {
        // Another process may have been faster.
        if rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) == Err(Errno::ISDIR) {
            let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::REMOVEDIR);
        }
    }

    /// Makes room after this file has been written, if it is large; of small ones only now and then, since all entries are looked
    /// at: together they exceed the limit by less than a sixteenth of it for that, as a rule. By chance, so that nobody can
    /// choose modules for which it is never done.
    pub(super) fn make_room(&self, after: &str, limit: u64) -> io::Result<()> {
        let large = rustix::fs::statat(&self.dir, after, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| stat.st_size.cast_unsigned() > limit / SMALL);
        let mut chance = [0];
        let known = rustix::rand::getrandom(&mut chance, GetRandomFlags::empty());
        if large || known != Ok(1) || chance[0] % SMALL_ENTRIES == 0 { self.evict(limit) } else { Ok(()) }
    }

    fn evict(&self, limit: u64) -> io::Result<()> {
        let (mut entries, mut unfinished_bytes) = (Vec::new(), 0);
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let unfinished = name.ends_with(".tmp");
            let hash = name.strip_suffix(HINT).unwrap_or(name);
            // Whatever else is in the directory is not the cache's.
            if !unfinished && !is_entry_name(hash) {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if hash.len() != name.len() && stat.st_size > LONGEST_HINT {
                // It is not to have entries removed in its stead.
                self.remove(name);
            } else if unfinished {
                if now() - stat.st_mtime > HOUR {
                    self.remove(name);
                } else {
                    // A run that was ended leaves what it wrote.
                    unfinished_bytes += stat.st_size.cast_unsigned();
                }
            } else {
                // A small file takes a block all the same.
                entries.push((last_use(&stat), stat.st_size.cast_unsigned().max(4096), name.to_owned()));
            }
        }
        let mut total: u64 = unfinished_bytes + entries.iter().map(|(_, size, _)| size).sum::<u64>();
        if total <= limit {
            return Ok(());
        }
        entries.sort();
        // A little more than needed, so that the next entry fits without another round.
        for (_, size, name) in entries {
            if total <= limit / 10 * 9 {
                break;
            }
            log::debug!("cache entry {name} is evicted");
            self.remove(&name);
            total -= size;
        }
        Ok(())
    }
}

/// Whether entries have such names.
pub(super) fn is_entry_name(name: &str) -> bool {
    name.len() == 2 * blake3::OUT_LEN && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Notes in an entry's modification time that it is used, at most once an hour.
pub(super) fn note_use(entry: &OwnedFd) {
    let old = rustix::fs::fstat(entry).is_ok_and(|stat| !is_damaged(&stat) && now() - stat.st_mtime > HOUR);
    if old {
        // If this fails the entry is evicted earlier.
        let _ = set_modified(entry, Timespec { tv_sec: 0, tv_nsec: UTIME_NOW });
    }
}

/// Tells whoever opens this entry next that it is damaged. Needs neither the directory nor a descriptor for writing, only that the
/// file is the user's.
pub(super) fn mark_damaged(entry: &OwnedFd) -> Result<(), Errno> {
    set_modified(entry, Timespec { tv_sec: 0, tv_nsec: 0 })
}

/// Whether it was told of this file.
pub(super) fn is_damaged(stat: &Stat) -> bool {
    last_use(stat) == (0, 0)
}

fn set_modified(file: &OwnedFd, last_modification: Timespec) -> Result<(), Errno> {
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    rustix::fs::futimens(file, &Timestamps { last_access, last_modification })
}

fn last_use(stat: &Stat) -> (i64, u64) {
    (stat.st_mtime, stat.st_mtime_nsec)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed())
}

/// Whether a file can be written to in place: it is one, and has no other name by which it is something else.
pub(super) fn is_own(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink <= 1
}

/// A new file beside the one that it is to become, and its name.
pub(super) fn make_unfinished(dir: &OwnedFd, name: &str) -> Result<(String, File), Errno> {
    // No number of a process: others have the same one in containers of their own.
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, GetRandomFlags::empty())?;
    let unfinished = format!("{name}.{:016x}.tmp", u64::from_ne_bytes(random));
    let flags = OPEN | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = rustix::fs::openat(dir, &unfinished, flags, Mode::RUSR | Mode::WUSR)?;
    Ok((unfinished, file.into()))
}

/// Whether [`make_unfinished`] makes such a name of the file's.
pub(super) fn is_unfinished(entry: &str, name: &str) -> bool {
    let number = entry.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"));
    number.is_some_and(|number| number.len() == 16 && number.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Sconce's directory in one of the user's that a variable names, or else in one below the home directory.
pub(super) fn base_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))?;
    Some(base.join("sconce"))
}

/// What the system says, without the number of the error.
pub(super) fn reason(error: Errno) -> String {
    let text = io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Opens the directory itself, not what a link there names, and looks at what was opened.
pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let open = || rustix::fs::openat(CWD, path, flags, Mode::empty());
    let dir = match open() {
        Err(Errno::NOENT) => {
            use std::os::unix::fs::DirBuilderExt;
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|e| {
                format!(
                    "it cannot be made: {}",
                    e.raw_os_error().map_or_else(|| e.to_string(), |n| reason(Errno::from_raw_os_error(n)))
                )
            })?;
            open()
        }
        opened => opened,
    };
    let dir = dir.map_err(|e| match e {
        Errno::LOOP | Errno::NOTDIR => "it is not a directory".into(),
        e => reason(e),
    })?;
    let stat = rustix::fs::fstat(&dir).map_err(reason)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(format!("it belongs to user {}", stat.st_uid));
    }
    let mode: RawMode = stat.st_mode & 0o777;
    if mode != 0o700 {
        return Err(format!("its mode is {mode:03o}, not 700 (chmod 700 mends that)"));
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &Path) -> Directory {
        Directory { dir: open_dir(path).unwrap(), secret: Seal::filled(|_| Ok::<(), ()>(())).unwrap() }
    }

    /// How often of so many entries of so many bytes that are written there is a look at the others.
    fn looks(entries: usize, bytes: usize) -> usize {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("cache");
        let (directory, abandoned) = (directory(&path), path.join("abandoned.tmp"));
        let name = "0".repeat(2 * blake3::OUT_LEN);
        let mut looks = 0;
        for _ in 0..entries {
            let file = File::create(&abandoned).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(7200)).unwrap();
            directory.write(&name, |out| out.write_all(&vec![1; bytes])).unwrap();
            directory.make_room(&name, SMALL * 1000).unwrap();
            looks += usize::from(!abandoned.exists());
        }
        looks
    }

    #[test]
    fn of_small_entries_some_make_room() {
        let looks = looks(1000, 1000);
        // Sixty or so: less than 20 or more than 150 come once in more runs than anybody makes.
        assert!((20..150).contains(&looks), "{looks}");
    }

    #[test]
    fn each_large_entry_makes_room() {
        assert_eq!(looks(50, 1001), 50);
    }

    #[test]
    fn a_mark_of_damage_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("entry");
        std::fs::write(&path, "").unwrap();
        let long_ago = SystemTime::now() - std::time::Duration::from_secs(7200);
        File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        let entry: OwnedFd = File::open(&path).unwrap().into();
        let stat = || rustix::fs::fstat(&entry).unwrap();
        assert!(!is_damaged(&stat()));
        note_use(&entry);
        assert!(now() - stat().st_mtime < 60 && !is_damaged(&stat()));
        mark_damaged(&entry).unwrap();
        assert!(is_damaged(&stat()));
        // Another process that opened it before.
        note_use(&entry);
        assert!(is_damaged(&stat()));
    }

    #[test]
    fn unfinished_files_have_names_of_their_own() {
        let temp = tempfile::tempdir().unwrap();
        let dir = open_dir(&temp.path().join("cache")).unwrap();
        let names: std::collections::HashSet<String> = (0..100).map(|_| make_unfinished(&dir, "name").unwrap().0).collect();
        assert_eq!(names.len(), 100);
        assert!(names.iter().all(|name| name.starts_with("name.") && name.ends_with(".tmp")));
    }
}
