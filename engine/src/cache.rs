//! Compiled modules kept between runs, as artifacts in a directory of the user's own.
//!
//! Whatever goes wrong here costs the cache, never the run: it is logged, and the module is compiled.
//!
//! - The directory has mode 0700 and belongs to the user, else it is not used: what is in it is executed.
//! - An entry's name is a hash of the module's bytes and of everything else that its code depends on, the
//!   build of this code included, and its contents are sealed with it. So an entry is never wrong, only
//!   missing or damaged; damage is found by the artifact's hashes, and the entry replaced, in the middle of a
//!   run too (`remake.rs`).
//! - An entry is written under another name and then renamed, so that other processes see all of it or nothing.
//! - Beside entries there are small files that say which contents a module's file has in a certain state ([`file_state`]), and
//!   which of a module's text its runs needed ([`used`]).
//! - When the entries together exceed the limit, those that were not used for longest go. Use is noted in an entry's
//!   modification time, at most once an hour.

mod file_state;
mod key;
mod used;

pub(crate) use file_state::{Clock, FileState};
pub(crate) use key::Key;
pub(crate) use used::Used;

use crate::config::CacheMode;
use crate::error::ArtifactError;
use rustix::fd::OwnedFd;
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RawMode, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds after which a use is noted again, and after which an unfinished file is taken for abandoned.
const HOUR: i64 = 3600;

/// What is done while another process makes an entry.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing: it is theirs to make.
    GoFirst,
    /// They may be ended before it is made: so it is waited until they are done, or have given up.
    AreWaitedFor,
}

/// See [`Cache::claim`]. It is given up when it is dropped, and when its process ends.
pub(crate) struct Claim<'a> {
    cache: &'a Cache,
    name: String,
    /// Locked, if that was possible.
    _file: Option<OwnedFd>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.cache.remove(&self.name);
    }
}

/// An open cache directory.
pub(crate) struct Cache {
    dir: Arc<OwnedFd>,
    path: PathBuf,
    /// Bytes.
    limit: u64,
}

impl Cache {
    /// Opens the directory, and makes it if it is not there. `None` if there is to be none, or no place for one.
    ///
    /// # Errors
    /// For people: why it cannot be used.
    pub(crate) fn open(mode: &CacheMode, limit: u64) -> Result<Option<Cache>, String> {
        let path = match mode {
            CacheMode::Off => return Ok(None),
            CacheMode::Dir(path) => path.clone(),
            CacheMode::Default => match default_dir() {
                Some(path) => path,
                None => {
                    log::debug!("no cache: neither XDG_CACHE_HOME nor HOME is an absolute path");
                    return Ok(None);
                }
            },
        };
        if key::build().is_none() {
            return Err("there is no cache: nothing tells this build of sconce from others; link it with --build-id".into());
        }
        match open_dir(&path) {
            Ok(dir) => Ok(Some(Cache { dir: dir.into(), path, limit })),
            Err(reason) => Err(format!("the cache directory {} is not used: {reason}", path.display())),
        }
    }

    /// Whether entries can be written, as far as that is known beforehand.
    ///
    /// # Errors
    /// For people: why not.
    pub(crate) fn check_writable(&self) -> Result<(), String> {
        rustix::fs::accessat(&*self.dir, ".", Access::WRITE_OK, AtFlags::EACCESS)
            .map_err(|e| format!("nothing can be written to the cache directory {}: {}", self.path.display(), reason(e)))
    }

    /// The entry of this key, open.
    pub(crate) fn open_entry(&self, key: Key) -> Option<OwnedFd> {
        let name = key.name();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match rustix::fs::openat(&*self.dir, &name, flags, Mode::empty()) {
            Ok(file) => Some(file),
            Err(Errno::NOENT) => None,
            Err(e) => {
                log::debug!("cache entry {name}: {e}");
                None
            }
        }
    }

    /// An entry has been read, and serves a run.
    pub(crate) fn used(&self, key: Key, file: &OwnedFd) {
        self.note_use(file);
        log::debug!("cache entry {} is used", key.name());
    }

    /// What was read of an entry does not pass its hashes.
    pub(crate) fn remove_damaged(&self, key: Key, why: &ArtifactError) {
        log::debug!("cache entry {} is removed: {why}", key.name());
        self.remove(&key.name());
    }

    fn note_use(&self, file: &OwnedFd) {
        let old = rustix::fs::fstat(file).is_ok_and(|stat| now() - stat.st_mtime > HOUR);
        if old {
            let time = |nsec| Timespec { tv_sec: 0, tv_nsec: nsec };
            let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
            // If this fails the entry is evicted earlier.
            let _ = rustix::fs::futimens(file, &times);
        }
    }

    /// Writes an entry, and makes room for it. Gives whether it is there.
    pub(crate) fn store(&self, key: Key, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> bool {
        let name = key.name();
        let written = self.write(&name, contents);
        match &written {
            Ok(()) => log::debug!("cache entry {name} is written"),
            Err(e) => log::debug!("cache entry {name} is not written: {e}"),
        }
        if let Err(e) = self.evict() {
            log::debug!("the cache directory {} cannot be cleaned: {e}", self.path.display());
        }
        written.is_ok()
    }

    /// The right to make an entry that takes long to make; `None` if another process has it and is not waited for. Where there are
    /// no locks, everybody has it.
    pub(crate) fn claim(&self, key: Key, others: Others) -> Option<Claim<'_>> {
        // Should its owner be killed, it is cleaned up as an unfinished file is.
        let name = format!("{}.claim.tmp", key.name());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&*self.dir, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => file,
            Err(e) => {
                log::debug!("cache file {name}: {e}");
                return Some(Claim { cache: self, name, _file: None });
            }
        };
        let lock = match others {
            Others::AreWaitedFor => FlockOperation::LockExclusive,
            Others::GoFirst => FlockOperation::NonBlockingLockExclusive,
        };
        match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, lock)) {
            Err(Errno::WOULDBLOCK) => None,
            Ok(()) | Err(_) => Some(Claim { cache: self, name, _file: Some(file) }),
        }
    }

    /// The hash of the contents of a file in this state, if it is known.
    pub(crate) fn remembered(&self, state: &FileState, clock: Clock) -> Option<blake3::Hash> {
        let known = self.small(&state.name(), blake3::OUT_LEN + size_of::<i64>())?;
        let (hash, epoch) = known.split_first_chunk()?;
        clock.runs_on(i64::from_le_bytes(epoch.try_into().ok()?)).then(|| blake3::Hash::from_bytes(*hash))
    }

    /// The contents of a small file, if there is one and it has this length.
    pub(crate) fn small(&self, name: &str, len: usize) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&*self.dir, name, flags, Mode::empty()).ok()?;
        let mut bytes = vec![0; len + 1];
        let read = rustix::io::read(&file, &mut bytes).ok()?;
        bytes.pop();
        (read == len).then_some(bytes)
    }

    /// Keeps a small file.
    pub(crate) fn keep_small(&self, name: &str, bytes: &[u8]) {
        if let Err(e) = self.write(name, |out| out.write_all(bytes)) {
            log::debug!("cache file {name} is not written: {e}");
        }
    }

    /// Remembers the hash of the contents of a file in this state, if the state is one to rely on.
    pub(crate) fn remember(&self, state: &FileState, content: blake3::Hash, clock: Clock) {
        if state.is_settled(clock) {
            self.keep_small(&state.name(), &[&content.as_bytes()[..], &clock.epoch.to_le_bytes()].concat());
        }
    }

    fn write(&self, name: &str, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let unfinished = format!("{name}.{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = File::from(rustix::fs::openat(&*self.dir, &unfinished, flags, Mode::RUSR | Mode::WUSR)?);
        let mut out = BufWriter::new(file);
        let written = contents(&mut out).and_then(|()| out.flush());
        // Not synced to the disk: what a power failure leaves does not pass the hashes.
        let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&*self.dir, &unfinished, &*self.dir, name)?));
        if renamed.is_err() {
            self.remove(&unfinished);
        }
        renamed
    }

    pub(crate) fn remove(&self, name: &str) {
        // Another process may have been faster.
        if rustix::fs::unlinkat(&*self.dir, name, AtFlags::empty()) == Err(Errno::ISDIR) {
            let _ = rustix::fs::unlinkat(&*self.dir, name, AtFlags::REMOVEDIR);
        }
    }

    fn evict(&self) -> io::Result<()> {
        let (mut entries, mut unfinished_bytes) = (Vec::new(), 0);
        for entry in Dir::read_from(&*self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let unfinished = name.ends_with(".tmp");
            // Whatever else is in the directory is not the cache's.
            if !unfinished && (name.len() != 2 * blake3::OUT_LEN || !name.bytes().all(|b| b.is_ascii_hexdigit())) {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&*self.dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if unfinished {
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
        if total <= self.limit {
            return Ok(());
        }
        entries.sort();
        // A little more than needed, so that the next entry fits without another round.
        for (_, size, name) in entries {
            if total <= self.limit / 10 * 9 {
                break;
            }
            log::debug!("cache entry {name} is evicted");
            self.remove(&name);
            total -= size;
        }
        Ok(())
    }
}

fn last_use(stat: &Stat) -> (i64, u64) {
    (stat.st_mtime, stat.st_mtime_nsec)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed())
}

impl CacheMode {
    /// The directory, whether it is there or not; none where neither `XDG_CACHE_HOME` nor `HOME` is an absolute path.
    pub fn directory(&self) -> Option<PathBuf> {
        match self {
            CacheMode::Off => None,
            CacheMode::Default => default_dir(),
            CacheMode::Dir(path) => Some(path.clone()),
        }
    }
}

fn default_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("sconce"))
}

/// What the system says, without the number of the error.
fn reason(error: Errno) -> String {
    let text = io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Opens the directory itself, not what a link there names, and looks at what was opened.
fn open_dir(path: &Path) -> Result<OwnedFd, String> {
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
        return Err(format!("its mode is {mode:03o}, not 700"));
    }
    Ok(dir)
}
