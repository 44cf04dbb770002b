//! What tells that a file has not changed since its contents were hashed, so that a program of many megabytes need not be read
//! to find its compiled code.
//!
//! Every write to a file moves its change time, which no program can set. That is so where this machine's
//! kernel makes that time, and nowhere else: an image (squashfs, erofs, ISO 9660) brings the times of its
//! files along, and so does a disk image with a file system that the kernel could write; a server (NFS, SMB,
//! 9P, FUSE, virtiofs) says what it likes. A rebuilt image may have another program with the same device,
//! inode, length and times. So a state stands for contents only
//!
//! - on a file system of [`owns_change_times`] that is mounted writable: what is below a read-only one is not this kernel's;
//! - within one mount, which has a number that is never used again until the next boot, and within one boot:
//!   what was unmounted may come back as another image on the same device;
//! - as long as nobody sets the clock, by which a time could come twice ([`Clock`]);
//! - after [`SETTLED`], since a write within the clock's granularity of the hashing would go unseen, and so
//!   would one through a mapping that was writable already (the kernel notices the first write to a page
//!   after it has written the page out, about every half minute).
//!
//! Everywhere else contents are hashed. What is left are the ways in which an administrator writes to a disk
//! past its file system.

use crate::artifact::Seal;
use rustix::fs::{AtFlags, FileType, StatVfsMountFlags, StatxFlags, StatxTimestamp};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs::File;

/// Seconds without a change after which a file's state says what it holds.
const SETTLED: i64 = 60;
/// Bytes of a file below which hashing it costs no more than asking for its state and for what is known of that.
const WORTH_A_STATE: u64 = 64 << 10;
/// `STATX_MNT_ID_UNIQUE`: the mount's number that is not used again (Linux 6.8; older kernels do not fill it in).
const UNIQUE_MOUNT: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// A regular file's identity, length and times.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    numbers: [u64; 12],
    changed: i64,
}

impl FileState {
    /// The state of an open file; `None` if it says nothing about contents here, or is not worth asking for.
    pub(crate) fn of(file: &File) -> Option<FileState> {
        let stat = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | UNIQUE_MOUNT).ok()?;
        let regular = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
        if !regular || stat.stx_size < WORTH_A_STATE || stat.stx_mask & UNIQUE_MOUNT.bits() == 0 {
            return None;
        }
        let (kind, system) = (rustix::fs::fstatfs(file).ok()?.f_type, rustix::fs::fstatvfs(file).ok()?);
        if system.f_flag.contains(StatVfsMountFlags::RDONLY) || !owns_change_times(kind) {
            return None;
        }
        let device = u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor);
        let [boot, boot2] = boot_id()?;
        let time = |t: StatxTimestamp| [t.tv_sec.cast_unsigned(), t.tv_nsec.into()];
        let ([mtime, mtime_nsec], [ctime, ctime_nsec]) = (time(stat.stx_mtime), time(stat.stx_ctime));
        Some(FileState {
            // The file system's own number tells apart what is below one mount: subvolumes.
            numbers: [
                boot,
                boot2,
                stat.stx_mnt_id,
                system.f_fsid,
                kind.cast_unsigned(),
                device,
                stat.stx_ino,
                stat.stx_size,
                mtime,
                mtime_nsec,
                ctime,
                ctime_nsec,
            ],
            changed: stat.stx_ctime.tv_sec,
        })
    }

    /// Whether nothing has been written for so long that the next write must show.
    pub(crate) fn is_settled(&self, clock: Clock) -> bool {
        clock.now.checked_sub(self.changed).is_some_and(|age| age >= SETTLED)
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

/// What proves that the holder of the secret has kept this under this name: which contents a file has says which entry is executed.
pub(super) fn tag(secret: &Seal, name: &str, known: &[u8]) -> blake3::Hash {
    // Names are all as long.
    secret.hash(&[b"sconce file state\0", name.as_bytes(), known].concat())
}

/// Whether this kernel alone gives a file system's files their change times, and gives a file another with each change. By the
/// number that `statfs` has for the file system.
///
/// These do: all of what they store goes through this kernel, and they are told of the first write to each
/// page of a mapping after the page was written out. Not among them, although the kernel makes the times of
/// both: tmpfs, since its pages are never written out, and a write through a mapping that has read the page
/// moves nothing; and overlayfs, whose lower layers may be anything.
fn owns_change_times(file_system: i64) -> bool {
    const EXT: i64 = 0xef53; // ext2, ext3, ext4
    const XFS: i64 = 0x5846_5342;
    const BTRFS: i64 = 0x9123_683e;
    const F2FS: i64 = 0xf2f5_2010;
    matches!(file_system, EXT | XFS | BTRFS | F2FS)
}

/// A random number of this boot's.
fn boot_id() -> Option<[u64; 2]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.trim_end().chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    Some([(number >> 64) as u64, number as u64])
}

/// What time it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Seconds since 1970.
    now: i64,
    /// When this boot began, in seconds since 1970: another number after somebody has set the clock.
    pub(crate) epoch: i64,
}

impl Clock {
    pub(crate) fn read() -> Clock {
        let nanoseconds = |t: Timespec| i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec);
        let now = nanoseconds(clock_gettime(ClockId::Realtime));
        let since = nanoseconds(clock_gettime(ClockId::Boottime));
        let seconds = |n: i128| n.div_euclid(1_000_000_000) as i64;
        Clock { now: seconds(now), epoch: seconds(now - since) }
    }

    /// Whether the clock has not been set since it had this epoch, by so much that an old time could have come again for what
    /// had settled before.
    pub(crate) fn runs_on(&self, epoch: i64) -> bool {
        self.epoch.abs_diff(epoch) < SETTLED.cast_unsigned() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CacheMode;
    use crate::cache::Cache;
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    const CLOCK: Clock = Clock { now: 1_000_000, epoch: 900_000 };

    fn state(n: u64, changed: i64) -> FileState {
        FileState { numbers: [n; 12], changed }
    }

    /// A cache with this key.
    fn open(dir: &Path, key: &str) -> Cache {
        let key = dir.with_file_name("state").join(key);
        Cache::open(&CacheMode::Dir(dir.to_owned()), 1 << 20, Some(&key)).unwrap().unwrap()
    }

    /// A file where times are the kernel's, if there is such a place: the tests' own directory is none in a container.
    fn file(len: u64) -> (File, Option<FileState>) {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(b"one").unwrap();
        file.set_len(len).unwrap();
        let state = FileState::of(&file);
        (file, state)
    }

    #[test]
    fn every_change_is_another_state() {
        let (file, Some(before)) = file(WORTH_A_STATE) else {
            let system = rustix::fs::fstatfs(File::open(env!("CARGO_MANIFEST_DIR")).unwrap()).unwrap();
            eprintln!("nothing to see: no states on file system {:#x} with this kernel", system.f_type);
            return;
        };
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
    fn every_number_counts() {
        let one = state(7, 1000);
        for n in 0..one.numbers.len() {
            let mut other = one;
            other.numbers[n] += 1;
            assert_ne!(one.name(), other.name());
        }
    }

    #[test]
    fn only_file_systems_of_this_kernels_are_believed() {
        for (name, number, believed) in [
            ("ext4", 0xef53, true),
            ("xfs", 0x5846_5342, true),
            ("btrfs", 0x9123_683e, true),
            ("f2fs", 0xf2f5_2010, true),
            ("squashfs", 0x7371_7368, false),
            ("erofs", 0xe0f5_e1e2, false),
            ("iso9660", 0x9660, false),
            ("udf", 0x1501_3346, false),
            ("cramfs", 0x28cd_3d45, false),
            ("romfs", 0x7275, false),
            ("fuse, virtiofs", 0x6573_5546, false),
            ("9p", 0x0102_1997, false),
            ("nfs", 0x6969, false),
            ("smb2", 0xfe53_4d42, false),
            ("cifs", 0xff53_4d42, false),
            ("ceph", 0x00c3_6400, false),
            ("vboxsf", 0x786f_4256, false),
            ("overlayfs", 0x794c_7630, false),
            ("ecryptfs", 0xf15f, false),
            ("tmpfs", 0x0102_1994, false),
            ("ramfs", 0x8584_58f6, false),
            ("msdos", 0x4d44, false),
            ("exfat", 0x2011_bab0, false),
            ("ntfs3", 0x7366_746e, false),
            ("zonefs", 0x5a4f_4653, false),
            ("zfs", 0x2fc1_2fc1, false),
            ("gfs2", 0x0116_1970, false),
            ("ocfs2", 0x7461_636f, false),
            ("none", 0, false),
            ("all bits", -1, false),
        ] {
            assert_eq!(owns_change_times(number), believed, "{name}");
        }
    }

    #[test]
    fn only_what_was_left_alone_is_settled() {
        let state = state(0, 1000);
        let at = |now| Clock { now, ..CLOCK };
        assert!(state.is_settled(at(1000 + SETTLED)));
        assert!(!state.is_settled(at(1000 + SETTLED - 1)));
        assert!(!state.is_settled(at(0)), "the clock was set back");
        assert!(!FileState { changed: i64::MIN, ..state }.is_settled(at(i64::MAX)));
    }

    #[test]
    fn the_cache_remembers_settled_files_until_the_clock_is_set() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("cache");
        let cache = open(&dir, "key");
        let (old, new) = (state(7, 1000), state(8, i64::MAX));
        let content = blake3::hash(b"contents");
        for state in [old, new] {
            assert_eq!(cache.remembered(&state, CLOCK), None);
            cache.remember(&state, content, CLOCK);
        }
        assert_eq!(cache.remembered(&old, CLOCK), Some(content));
        assert_eq!(cache.remembered(&new, CLOCK), None);
        let later = Clock { now: CLOCK.now + 100_000, epoch: CLOCK.epoch + 1 };
        assert_eq!(cache.remembered(&old, later), Some(content), "a leap second");
        for step in [-3600, 3600] {
            let set = Clock { now: CLOCK.now + step, epoch: CLOCK.epoch + step };
            assert_eq!(cache.remembered(&old, set), None, "the clock was set by {step} s");
        }
        let whole = std::fs::read(dir.join(old.name())).unwrap();
        for damaged in [&b""[..], &whole[1..], &[&whole[..], &[0]].concat()] {
            std::fs::write(dir.join(old.name()), damaged).unwrap();
            assert_eq!(cache.remembered(&old, CLOCK), None);
        }
    }

    /// Whoever could write such a file would choose which code is run as a module.
    #[test]
    fn what_was_remembered_without_the_key_is_not_believed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("cache");
        let (cache, contents) = (open(&dir, "key"), blake3::hash(b"contents"));
        let (mine, other) = (state(7, 1000), state(8, 1000));
        let (of_mine, of_other) = (dir.join(mine.name()), dir.join(other.name()));
        cache.remember(&mine, contents, CLOCK);
        let good = std::fs::read(&of_mine).unwrap();
        let forged = [&blake3::hash(b"others").as_bytes()[..], &CLOCK.epoch.to_le_bytes()].concat();
        for wrong in [
            forged.clone(),
            [&forged, &good[forged.len()..]].concat(),
            [&forged, &blake3::hash(&forged).as_bytes()[..]].concat(),
            [&forged, &[0; 32][..]].concat(),
        ] {
            std::fs::write(&of_mine, wrong).unwrap();
            assert_eq!(cache.remembered(&mine, CLOCK), None);
        }
        for at in 0..good.len() {
            let mut wrong = good.clone();
            wrong[at] ^= 1;
            std::fs::write(&of_mine, wrong).unwrap();
            assert_eq!(cache.remembered(&mine, CLOCK), None, "changed at {at}");
        }
        std::fs::write(&of_mine, &good).unwrap();
        assert_eq!(cache.remembered(&mine, CLOCK), Some(contents));
        std::fs::copy(&of_mine, &of_other).unwrap();
        assert_eq!(cache.remembered(&other, CLOCK), None, "it was kept of another file");
        assert_eq!(open(&dir, "another key").remembered(&mine, CLOCK), None);

        cache.close();
        assert_eq!(cache.remembered(&mine, CLOCK), None, "closed");
        std::fs::remove_file(&of_mine).unwrap();
        cache.remember(&mine, contents, CLOCK);
        assert!(!of_mine.exists());
    }

    #[test]
    fn the_clock_runs_on() {
        let before = Clock::read();
        std::thread::sleep(std::time::Duration::from_millis(10));
        let after = Clock::read();
        assert!(after.now >= before.now && after.runs_on(before.epoch));
    }

    #[test]
    fn only_regular_files_that_are_worth_it_have_a_state() {
        assert_eq!(FileState::of(&File::open("/dev/null").unwrap()), None);
        assert_eq!(FileState::of(&File::open("/").unwrap()), None);
        assert_eq!(file(WORTH_A_STATE - 1).1, None);
        // Long enough, and of no file system that is believed.
        assert_eq!(FileState::of(&File::open("/proc/self/mem").unwrap()), None);
    }
}
