//! What entries are sealed with: 32 random bytes in a file of the user's.
//!
//! What is in the cache is executed, and the cache's directory alone says little of who wrote it: a backup, a home on a server, a
//! program that may write to caches. The key is elsewhere, where state is kept. Whoever cannot read it makes no entry that is
//! taken. Without it everything is compiled anew, and the old entries are replaced.

use super::directory::{base_dir, is_unfinished, make_unfinished, open_dir, reason};
use crate::artifact::Seal;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

const LEN: usize = blake3::KEY_LEN;

/// Where the user's file is; `None` if nothing says so.
pub(super) fn key_directory() -> Option<PathBuf> {
    base_dir("XDG_STATE_HOME", ".local/state")
}

/// The user's file.
pub(super) fn default_file() -> Option<PathBuf> {
    Some(key_directory()?.join("key"))
}

/// The key in this file, which is made if it is not there. Of several processes that make it at once all have the same one.
///
/// # Errors
/// For people: why it is not used.
pub(super) fn open(path: &Path) -> Result<Seal, String> {
    let problem = |why: String| format!("the cache's key {} is not used: {why}", path.display());
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return Err(problem("that is no file's name".into()));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let dir =
        open_dir(parent).map_err(|why| format!("the directory {} of the cache's key is not used: {why}", parent.display()))?;
    if let Some(key) = read(&dir, name).map_err(|why| problem(format!("{why}; a new one is made when it is removed")))? {
        return Ok(key);
    }
    make(&dir, name).map_err(|e| problem(format!("it cannot be made: {}", reason(e))))?;
    read(&dir, name).and_then(|key| key.ok_or_else(|| "it was removed".into())).map_err(problem)
}

/// The key, if there is a file.
fn read(dir: &OwnedFd, name: &str) -> Result<Option<Seal>, String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err("it is a symbolic link".into()),
        Err(e) => return Err(reason(e)),
    };
    let stat = rustix::fs::fstat(&file).map_err(reason)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("it is not a regular file".into());
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(format!("it belongs to user {}", stat.st_uid));
    }
    let mode = stat.st_mode & 0o7777;
    if mode != 0o600 {
        return Err(format!("its mode is {mode:03o}, not 600 (chmod 600 mends that)"));
    }
    if stat.st_size != LEN as i64 {
        return Err(format!("it has {} bytes, not {LEN}", stat.st_size));
    }
    let read = Seal::filled(|key| match rustix::io::retry_on_intr(|| rustix::io::pread(&file, &mut key[..], 0)) {
        Ok(LEN) => Ok(()),
        Ok(_) => Err("it is cut off".into()),
        Err(e) => Err(reason(e)),
    });
    read.map(Some)
}

/// Makes the file, unless somebody else has.
fn make(dir: &OwnedFd, name: &str) -> Result<(), Errno> {
    let (unfinished, mut file) = make_unfinished(dir, name)?;
    let made = fill(&mut file).and_then(|()| match rename(dir, &unfinished, name) {
        // Whoever was first has removed this one (see below), or not yet.
        Err(Errno::EXIST | Errno::NOENT) => Ok(()),
        renamed => renamed,
    });
    // If it has its name there is nothing by the other.
    let _ = rustix::fs::unlinkat(dir, &unfinished, AtFlags::empty());
    if made.is_ok() {
        remove_unfinished(dir, name);
    }
    made
}

/// Removes what processes that were killed have left of a key that is there now. Others that are about to make it need theirs no
/// more.
fn remove_unfinished(dir: &OwnedFd, name: &str) {
    // What cannot be looked for is left.
    let Ok(entries) = Dir::read_from(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_ok_and(|entry| is_unfinished(entry, name)) {
            let _ = rustix::fs::unlinkat(dir, entry.file_name(), AtFlags::empty());
        }
    }
}

fn fill(file: &mut std::fs::File) -> Result<(), Errno> {
    let errno = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    let key = Seal::filled(|key| match rustix::rand::getrandom(&mut key[..], GetRandomFlags::empty()) {
        Ok(LEN) => Ok(()),
        Ok(_) => Err(Errno::IO),
        Err(e) => Err(e),
    })?;
    // What the user's mask has taken away.
    rustix::fs::fchmod(file.as_fd(), Mode::RUSR | Mode::WUSR)?;
    key.with_key(|key| file.write_all(key)).map_err(errno)?;
    // A power failure is not to leave a file that has to be removed by hand.
    file.sync_data().map_err(errno)
}

/// Gives a file its name, unless that is taken.
fn rename(dir: &OwnedFd, from: &str, to: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::linkat(dir, from, dir, to, AtFlags::empty()),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Cache, Key};
    use crate::config::CacheMode;
    use std::fs::{self, File, Permissions};
    use std::io::Read;
    use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
    use std::sync::{Barrier, OnceLock};

    /// A key told by what it hashes.
    fn told(key: &Seal) -> blake3::Hash {
        key.hash(b"")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_key_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/key");
        let key = told(&open(&path).unwrap());
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(told(&open(&path).unwrap()), key);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(blake3::keyed_hash(&bytes.try_into().unwrap(), b""), key);
        fs::remove_file(&path).unwrap();
        assert_ne!(told(&open(&path).unwrap()), key, "another one");
    }

    #[test]
    fn what_was_left_unfinished_goes_when_a_key_is_made() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state/key");
        open_dir(path.parent().unwrap()).unwrap();
        let others = ["key.0123456789abcde.tmp", "key.0123456789abcdex.tmp", "key.tmp", "other.0123456789abcdef.tmp"];
        for name in others.iter().chain(&["key.0123456789abcdef.tmp", "key.fedcba9876543210.tmp"]) {
            fs::write(path.with_file_name(name), "").unwrap();
        }
        open(&path).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut wanted: Vec<_> = others.into_iter().chain(["key"]).collect();
        wanted.sort_unstable();
        assert_eq!(left, wanted, "and what is not such a file stays");
    }

    #[test]
    fn all_that_make_a_key_at_once_have_the_same() {
        const THREADS: usize = 8;
        for _ in 0..20 {
            let temp = tempfile::tempdir().unwrap();
            let (path, barrier) = (temp.path().join("state/key"), Barrier::new(THREADS));
            let make = || {
                barrier.wait();
                told(&open(&path).unwrap())
            };
            let keys: Vec<blake3::Hash> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(make)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]));
            assert_eq!(fs::read_dir(temp.path().join("state")).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_is_no_key_is_not_used_and_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state/key");
        open_dir(path.parent().unwrap()).unwrap();
        let refused = |why: &str| {
            let message = format!("the cache's key {} is not used: {why}; a new one is made when it is removed", path.display());
            assert_eq!(open(&path).err(), Some(message));
        };
        for (len, why) in [(0, "it has 0 bytes, not 32"), (31, "it has 31 bytes, not 32"), (33, "it has 33 bytes, not 32")] {
            fs::write(&path, vec![7; len]).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            refused(why);
            assert_eq!(fs::read(&path).unwrap(), vec![7; len]);
        }
        fs::write(&path, [7; LEN]).unwrap();
        let good = open(&path).map(|key| told(&key)).unwrap();
        for (mode, why) in [(0o644, "644"), (0o640, "640"), (0o602, "602"), (0o700, "700"), (0o400, "400"), (0o4600, "4600")] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            // Who may not read it at all is told that, unless nothing is forbidden.
            refused(&format!("its mode is {why}, not 600 (chmod 600 mends that)"));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        if std::os::unix::fs::chown(&path, Some(12345), None).is_ok() {
            refused("it belongs to user 12345");
            std::os::unix::fs::chown(&path, Some(rustix::process::geteuid().as_raw()), None).unwrap();
        }
        assert_eq!(open(&path).map(|key| told(&key)).unwrap(), good);

        let elsewhere = temp.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        refused("it is a symbolic link");
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        refused("it is a symbolic link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("it is not a regular file");
        fs::remove_dir(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        refused("it is not a regular file");
    }

    #[test]
    fn the_directory_of_the_key_is_the_users_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("state");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        let message = open(&dir.join("key")).err().unwrap();
        assert_eq!(
            message,
            format!(
                "the directory {} of the cache's key is not used: its mode is 750, not 700 (chmod 700 mends that)",
                dir.display()
            )
        );
        assert!(!dir.join("key").exists());
        let message = open(Path::new("/proc/nowhere/key")).err().unwrap();
        assert!(message.contains("/proc/nowhere of the cache's key is not used: it cannot be made: "), "{message}");
        assert!(open(Path::new("/")).err().unwrap().contains("that is no file's name"));
    }

    /// How many times these bytes, each of them inverted, are in the process's memory. Inverted, since the search has them in
    /// memory itself. They are at an address that does not let them lie across blocks, or are found as one of two halves.
    fn found(inverted: &[u8]) -> usize {
        let (maps, mem) = (fs::read_to_string("/proc/self/maps").unwrap(), File::open("/proc/self/mem").unwrap());
        let mut block = vec![0; 1 << 16];
        // What is read is there as well.
        let own = block.as_ptr().addr()..block.as_ptr().addr() + block.len();
        let mut found = 0;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let range = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            for at in (number(range.0)..number(range.1)).step_by(block.len()) {
                let len = block.len().min(number(range.1) - at);
                let Ok(read) = mem.read_at(&mut block[..len], at as u64) else { break };
                let matches = |bytes: &[u8]| bytes.iter().zip(inverted).all(|(byte, other)| *byte == !other);
                let windows = block[..read].windows(inverted.len()).enumerate();
                found +=
                    windows.filter(|(n, bytes)| bytes[0] == !inverted[0] && matches(bytes) && !own.contains(&(at + n))).count();
                block[..read].fill(0);
            }
        }
        found
    }

    /// On a thread that goes no further, so that what the hashes have left on its stack stays.
    #[test]
    fn a_closed_cache_leaves_nothing_of_its_keys_in_memory() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state/key");
        let cache = Cache::open(&CacheMode::Dir(temp.path().join("cache")), 1 << 30, Some(&path)).unwrap().unwrap();
        let (key, part) = (Key::new(blake3::hash(b"module"), &[]), vec![1; 3 << 20]);
        let (steps, inverted) = (Barrier::new(2), OnceLock::new());
        let [before, after] = std::thread::scope(|scope| {
            let hash = || {
                assert!(cache.store(key, |seal, out| out.write_all(seal.hash(&part).as_bytes())));
                let seal = cache.seal(key).unwrap();
                inverted.get_or_init(|| seal.with_key(|key| std::array::from_fn(|n| !key[n])));
                steps.wait();
                steps.wait();
                drop(seal);
                cache.seal(key).unwrap().hash(&part);
                // Which goes less deep.
                steps.wait();
                steps.wait();
            };
            scope.spawn(hash);
            let mut secret = [0; LEN];
            File::open(&path).unwrap().read_exact(&mut secret).unwrap();
            secret.iter_mut().for_each(|byte| *byte = !*byte);
            let halves = |key: &[u8; LEN]| (found(&key[..LEN / 2]), found(&key[LEN / 2..]));
            steps.wait();
            let seal: &[u8; LEN] = inverted.get().unwrap();
            let before = [halves(&secret), halves(seal)];
            steps.wait();
            steps.wait();
            cache.close();
            let after = [halves(&secret), halves(seal)];
            steps.wait();
            [before, after]
        });
        assert_eq!(before, [(1, 1); 2], "once each, and the search finds them");
        assert_eq!(after, [(0, 0); 2]);
        assert!(cache.seal(key).is_none() && cache.open_entry(key).is_none() && !cache.store(key, |_, _| panic!("it is closed")));
    }
}
