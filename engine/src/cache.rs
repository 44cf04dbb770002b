//! Compiled modules kept between runs, as artifacts in a directory of the user's own.
//!
//! Whatever goes wrong here costs the cache, never the run: it is logged, and the module is compiled.
//!
//! - The directory has mode 0700 and belongs to the user, else it is not used: what is in it is executed.
//! - An entry's name is a hash of the module's bytes and of everything else that its code depends on, the
//!   build of this code included ([`Key`]), and its contents are sealed with it and a secret of the user's ([`secret`]). So an
//!   entry is never wrong, only missing or damaged; damage is found by the artifact's hashes, and the entry replaced, in the
//!   middle of a run too (`remake.rs`).
//! - An entry is written under another name and then renamed, so that other processes see all of it or nothing.
//! - Beside entries there are small files that say which contents a module's file has in a certain state ([`file_state`]), each
//!   with a tag by the secret, and which of a module's text its runs needed ([`used`]), which nobody trusts.
//! - When the entries together exceed the limit, those that were not used for longest go. Use is noted in an entry's
//!   modification time, at most once an hour. 1970 there says that the entry was found damaged.
//! - A process that runs a guest gives up the directory and the secret before ([`Cache::close`]): then nothing that it could be
//!   made to do gets later runs to execute anything. What it keeps open are its own entries, for reading, and files of [`used`].

mod directory;
mod file_state;
mod key;
mod list;
mod secret;
mod used;

pub(crate) use file_state::{Clock, FileState};
pub(crate) use key::Key;
pub(crate) use list::Listed;
pub(crate) use used::Used;

use crate::artifact::Seal;
use crate::config::CacheMode;
use crate::error::ArtifactError;
use directory::{Directory, base_dir, is_damaged, is_own, mark_damaged, note_use, open_dir, reason};
use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, FlockOperation};
use rustix::io::Errno;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

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

/// A cache: open, or closed for good.
pub(crate) struct Cache {
    /// Locked for writing by [`Cache::close`] alone.
    open: RwLock<Option<Directory>>,
    path: PathBuf,
    /// Bytes.
    limit: u64,
}

impl Cache {
    /// Opens the directory and the key, and makes what is not there. `None` if there is to be none, or no place for one. The
    /// key is in this file, or where the user's is.
    ///
    /// # Errors
    /// For people: why it cannot be used.
    pub(crate) fn open(mode: &CacheMode, limit: u64, key: Option<&Path>) -> Result<Option<Cache>, String> {
        let path = match mode {
            CacheMode::Off => return Ok(None),
            CacheMode::Dir(path) => path.clone(),
            CacheMode::Default => match default_directory() {
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
        let Some(key) = key.map(Path::to_owned).or_else(secret::default_file) else {
            return Err(
                "there is no cache: its key has no place, since neither XDG_STATE_HOME nor HOME is an absolute path".into()
            );
        };
        let dir = open_dir(&path).map_err(|reason| format!("the cache directory {} is not used: {reason}", path.display()))?;
        let secret = secret::open(&key)?;
        Ok(Some(Cache { open: RwLock::new(Some(Directory { dir, secret })), path, limit }))
    }

    /// Gives up the directory and the key: this process has no way to them any more through what it has open. All that is done
    /// with the cache from now on comes to nothing. Waits for what is being done with it.
    pub(crate) fn close(&self) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.with(|_| ()).is_some()
    }

    /// Does something with the directory, if it is open. Not to be called from what it is given.
    fn with<R>(&self, f: impl FnOnce(&Directory) -> R) -> Option<R> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(f)
    }

    /// Whether entries can be written, as far as that is known beforehand.
    ///
    /// # Errors
    /// For people: why not.
    pub(crate) fn check_writable(&self) -> Result<(), String> {
        let access = self.with(|open| rustix::fs::accessat(&open.dir, ".", Access::WRITE_OK, AtFlags::EACCESS));
        access
            .unwrap_or(Ok(()))
            .map_err(|e| format!("nothing can be written to the cache directory {}: {}", self.path.display(), reason(e)))
    }

    /// What the contents of this key's entry are sealed with.
    pub(crate) fn seal(&self, key: Key) -> Option<Seal> {
        self.with(|open| key.seal(&open.secret))
    }

    /// The entry of this key, open.
    pub(crate) fn open_entry(&self, key: Key) -> Option<OwnedFd> {
        let name = key.name();
        let entry = match self.with(|open| open.open(&name))? {
            Ok(entry) => entry,
            Err(Errno::NOENT) => return None,
            Err(e) => {
                log::debug!("cache entry {name}: {e}");
                return None;
            }
        };
        if rustix::fs::fstat(&entry).is_ok_and(|stat| is_damaged(&stat)) {
            log::debug!("cache entry {name} is removed: a run found it damaged");
            self.remove(&name);
            return None;
        }
        Some(entry)
    }

    /// An entry has been read, and serves a run.
    pub(crate) fn used(&self, key: Key, entry: &OwnedFd) {
        note_use(entry);
        log::debug!("cache entry {} is used", key.name());
    }

    /// What was read of an entry does not pass its hashes.
    pub(crate) fn remove_damaged(&self, key: Key, why: &ArtifactError) {
        log::debug!("cache entry {} is removed: {why}", key.name());
        self.remove(&key.name());
    }

    /// What was read of an open entry does not pass its hashes, in the middle of a run: the next run is not to meet it.
    pub(crate) fn give_up(&self, key: Key, entry: &OwnedFd) {
        let name = key.name();
        if self.with(|open| open.remove(&name)).is_none()
            && let Err(e) = mark_damaged(entry)
        {
            log::debug!("cache entry {name} is damaged, and cannot be marked so: {e}");
        }
    }

    /// Writes an entry, whose contents are given its seal, and makes room. Gives whether it is there.
    pub(crate) fn store(&self, key: Key, contents: impl FnOnce(&Seal, &mut dyn Write) -> io::Result<()>) -> bool {
        let name = key.name();
        let store = |open: &Directory| {
            let seal = key.seal(&open.secret);
            let written = open.write(&name, |out| contents(&seal, out));
            match &written {
                Ok(()) => log::debug!("cache entry {name} is written"),
                Err(e) => log::debug!("cache entry {name} is not written: {e}"),
            }
            if let Err(e) = open.make_room(&name, self.limit) {
                log::debug!("the cache directory {} cannot be cleaned: {e}", self.path.display());
            }
            written.is_ok()
        };
        self.with(store).unwrap_or(false)
    }

    /// The right to make an entry that takes long to make; `None` if another process has it and is not waited for. Where there are
    /// no locks, everybody has it.
    pub(crate) fn claim(&self, key: Key, others: Others) -> Option<Claim<'_>> {
        // Should its owner be killed, it is cleaned up as an unfinished file is.
        let name = format!("{}.claim.tmp", key.name());
        let file = match self.with(|open| open.open_lock(&name))? {
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
        let name = state.name();
        let known = self.with(|open| {
            let file = open.open(&name).ok()?;
            // A byte more, so that what is longer shows.
            let mut bytes = [0; KNOWN + blake3::OUT_LEN + 1];
            let read = rustix::io::read(&file, &mut bytes).ok()?;
            let (known, tag) = bytes[..read].split_first_chunk::<KNOWN>()?;
            let tag = blake3::Hash::from_bytes(tag.try_into().ok()?);
            (tag == file_state::tag(&open.secret, &name, known)).then_some(*known)
        })??;
        let (hash, epoch) = known.split_first_chunk()?;
        clock.runs_on(i64::from_le_bytes(epoch.try_into().ok()?)).then(|| blake3::Hash::from_bytes(*hash))
    }

    /// Remembers the hash of the contents of a file in this state, if the state is one to rely on.
    pub(crate) fn remember(&self, state: &FileState, content: blake3::Hash, clock: Clock) {
        if !state.is_settled(clock) {
            return;
        }
        let name = state.name();
        let known = [&content.as_bytes()[..], &clock.epoch.to_le_bytes()].concat();
        let keep = |open: &Directory| {
            let tag = file_state::tag(&open.secret, &name, &known);
            open.write(&name, |out| out.write_all(&[&known, &tag.as_bytes()[..]].concat()))
        };
        if let Some(Err(e)) = self.with(keep) {
            log::debug!("cache file {name} is not written: {e}");
        }
    }

    /// A small file that is written in place, and made if it is not there; if it cannot be written, for reading.
    fn open_hint(&self, name: &str) -> Option<OwnedFd> {
        let file = self.with(|open| open.open_or_make(name))?.ok()?;
        rustix::fs::fstat(&file).is_ok_and(|stat| is_own(&stat)).then_some(file)
    }

    fn remove(&self, name: &str) {
        self.with(|open| open.remove(name));
    }
}

/// Where the user's cache is; `None` if nothing says so.
fn default_directory() -> Option<PathBuf> {
    base_dir("XDG_CACHE_HOME", ".cache")
}

impl CacheMode {
    /// The directory, whether it is there or not; none where neither `XDG_CACHE_HOME` nor `HOME` is an absolute path.
    pub fn directory(&self) -> Option<PathBuf> {
        match self {
            CacheMode::Off => None,
            CacheMode::Default => default_directory(),
            CacheMode::Dir(path) => Some(path.clone()),
        }
    }

    /// The directory of the key that entries are authenticated with; none where neither `XDG_STATE_HOME` nor `HOME` is an absolute
    /// path.
    pub fn key_directory() -> Option<PathBuf> {
        secret::key_directory()
    }
}

/// Bytes that are remembered of a file: the hash of its contents, and the clock's epoch.
const KNOWN: usize = blake3::OUT_LEN + size_of::<i64>();
