//! Every operation on paths, while another thread exchanges what they lead through: what is outside is not changed, and nothing
//! of it is seen.
//!
//! `SCONCE_TRIES` is how often each operation is tried on each path, a few times without it.

use super::*;
use crate::p1::abi::Generation::Preview1;
use crate::p1::fd;
use rustix::fs::{AtFlags, CWD, RenameFlags, Timespec, Timestamps, renameat_with, utimensat};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SECRET: &[u8] = b"a secret";

/// Trees besides the guest's: none of them is to be touched. One of them has a directory that comes and goes.
struct Outside {
    dir: TempDir,
}

impl Outside {
    fn new() -> Outside {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("out/dir")).unwrap();
        fs::create_dir_all(dir.path().join("elsewhere/roam")).unwrap();
        for name in ["out/secret", "out/dir/secret", "elsewhere/secret"] {
            fs::write(dir.path().join(name), SECRET).unwrap();
            // Who reads it changes this, unless the file system notes nothing of the kind.
            let old = Timespec { tv_sec: 1, tv_nsec: 0 };
            let times = Timestamps { last_access: old, last_modification: Timespec { tv_sec: 2, tv_nsec: 0 } };
            utimensat(CWD, dir.path().join(name), &times, AtFlags::empty()).unwrap();
        }
        Outside { dir }
    }

    /// All there is to see without reading it, which is done by the caller in the end.
    fn look(&self) -> Vec<String> {
        let mut seen = Vec::new();
        look(&self.dir.path().join("out"), &mut seen);
        look(&self.dir.path().join("elsewhere/secret"), &mut seen);
        seen
    }

    fn inodes(&self) -> Vec<u64> {
        let names = ["out", "out/dir", "out/secret", "out/dir/secret", "elsewhere", "elsewhere/secret"];
        names.iter().map(|name| fs::symlink_metadata(self.dir.path().join(name)).unwrap().ino()).collect()
    }
}

fn look(path: &Path, seen: &mut Vec<String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    // Directories are read here.
    let read = if meta.is_dir() { 0 } else { meta.atime() };
    seen.push(format!("{path:?} {:o} {} {} {} {times:?} {read}", meta.mode(), meta.ino(), meta.nlink(), meta.size()));
    if meta.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().for_each(|name| look(name, seen));
    }
}

/// The guest's own tree, with names that are exchanged for links that lead out.
fn furnish(inside: &Path, outside: &Path) {
    let out = format!("../{}/out", outside.file_name().unwrap().to_str().unwrap());
    for name in ["swap", "deep/x/y", "roam", "mine"] {
        fs::create_dir_all(inside.join(name)).unwrap();
    }
    for name in ["swap/secret", "swap-file", "deep/x/y/file", "roam/secret", "mine/secret", "secret"] {
        fs::write(inside.join(name), "mine").unwrap();
    }
    symlink(&out, inside.join("swapped")).unwrap();
    symlink(format!("{out}/secret"), inside.join("swapped-file")).unwrap();
    symlink("swap", inside.join("link")).unwrap();
    symlink("mine", inside.join("mine-link")).unwrap();
}

/// Paths through what is exchanged.
const SHAPES: &[&str] = &[
    "swap",
    "swap/",
    "swap/.",
    "swap/secret",
    "swap/new",
    "swap/dir/secret",
    "swap/../swap/secret",
    "swap/dir/../../swap/secret",
    "swap-file",
    "link/secret",
    "mine-link/secret",
    "deep/x/y/../../../secret",
    "deep/x/../../x/y/file",
    "x/y/../../../secret",
    "roam/../secret",
    "roam/./../../secret",
    "roam/secret",
];

/// Exchanges them until it is told to stop. Gives how often.
fn exchange(inside: &Path, outside: &Path, stop: &AtomicBool) -> u64 {
    let mut count = 0;
    let swap = |a: &Path, b: &Path, how| renameat_with(CWD, a, CWD, b, how);
    while !stop.load(Ordering::Relaxed) {
        // The guest may have put something in the way, or away.
        let _ = swap(&inside.join("swap"), &inside.join("swapped"), RenameFlags::EXCHANGE);
        let _ = swap(&inside.join("swap-file"), &inside.join("swapped-file"), RenameFlags::EXCHANGE);
        let _ = swap(&inside.join("roam"), &outside.join("elsewhere/roam"), RenameFlags::EXCHANGE);
        let _ = swap(&inside.join("mine-link"), &inside.join("swapped"), RenameFlags::EXCHANGE);
        let _ = swap(&inside.join("deep/x"), &inside.join("x"), RenameFlags::NOREPLACE);
        let _ = swap(&inside.join("x"), &inside.join("deep/x"), RenameFlags::NOREPLACE);
        count += 1;
    }
    count
}

/// An operation on a path; it says whether it was done.
type Operation = (&'static str, fn(&Guest, (u32, u32)) -> bool);

fn opened(g: &Guest, path: (u32, u32), lookup: u32, oflags: u32, base: u64) -> bool {
    let ask = path::Open { lookup, oflags, base, inheriting: u64::MAX, fdflags: 0 };
    if g.call(|c| path::open(c, 3, path, &ask, OUT)).is_err() {
        return false;
    }
    let fd = g.u32(OUT);
    seen(g, g.call(|c| fd::filestat_get(c, Preview1, fd, OUT)).is_ok());
    if let Ok(bytes) = g.read(fd, 64) {
        assert_ne!(bytes, SECRET, "it was read");
    }
    let _ = g.write(fd, b"mine");
    if g.call(|c| readdir::readdir(c, fd, BUF, 2000, 0, OUT)).is_ok() {
        let names = g.bytes(BUF, g.u32(OUT));
        assert!(!names.windows(3).any(|w| w == b"dir"), "a directory outside was listed");
    }
    g.call(|c| fd::close(c, fd)).unwrap();
    true
}

thread_local! {
    static OUTSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Whether a status is there, which must be of something inside.
fn seen(g: &Guest, is_there: bool) -> bool {
    if is_there {
        let inode = g.u64(OUT + 8);
        OUTSIDE.with_borrow(|all| assert!(!all.contains(&inode), "the status of what is outside was seen"));
    }
    is_there
}

const OPERATIONS: &[Operation] = &[
    ("open", |g, p| opened(g, p, 1, 0, READ)),
    ("open nofollow", |g, p| opened(g, p, 0, 0, READ)),
    ("open directory", |g, p| opened(g, p, 1, 2, READ | rights::FD_READDIR)),
    ("write", |g, p| opened(g, p, 1, 0, READ | WRITE)),
    ("create", |g, p| opened(g, p, 1, 1, READ | WRITE)),
    ("create exclusively", |g, p| opened(g, p, 1, 5, READ | WRITE)),
    ("truncate", |g, p| opened(g, p, 1, 8, READ | WRITE)),
    ("status", |g, p| seen(g, g.call(|c| path::filestat_get(c, Preview1, 3, 1, p, OUT)).is_ok())),
    ("status nofollow", |g, p| seen(g, g.call(|c| path::filestat_get(c, Preview1, 3, 0, p, OUT)).is_ok())),
    ("times", |g, p| g.call(|c| path::filestat_set_times(c, 3, 1, p, (5, 6), 5)).is_ok()),
    ("times nofollow", |g, p| g.call(|c| path::filestat_set_times(c, 3, 0, p, (5, 6), 5)).is_ok()),
    ("readlink", |g, p| g.call(|c| path::readlink(c, 3, p, BUF, 100, OUT)).is_ok()),
    ("mkdir", |g, p| g.call(|c| path::create_directory(c, 3, p)).is_ok()),
    ("link from", |g, p| {
        let hard = g.put(TEXT2, b"hard");
        let done = g.call(|c| path::link(c, 3, 1, p, 3, hard)).is_ok();
        let _ = done && opened(g, hard, 0, 0, READ);
        let _ = g.call(|c| path::unlink_file(c, 3, hard));
        done
    }),
    ("link to", |g, p| {
        let file = g.put(TEXT2, b"secret");
        g.call(|c| path::link(c, 3, 0, file, 3, p)).is_ok()
    }),
    ("symlink", |g, p| {
        let text = g.put(TEXT2, b"secret");
        g.call(|c| path::symlink(c, text, 3, p)).is_ok()
    }),
    ("rename from", |g, p| {
        let moved = g.put(TEXT2, b"moved");
        let done = g.call(|c| path::rename(c, 3, p, 3, moved)).is_ok();
        let _ = g.call(|c| path::rename(c, 3, moved, 3, p));
        done
    }),
    ("rename to", |g, p| {
        let fresh = g.put(TEXT2, b"fresh");
        let _ = opened(g, fresh, 0, 1, READ | WRITE);
        g.call(|c| path::rename(c, 3, fresh, 3, p)).is_ok()
    }),
    ("unlink", |g, p| g.call(|c| path::unlink_file(c, 3, p)).is_ok()),
    ("rmdir", |g, p| g.call(|c| path::remove_directory(c, 3, p)).is_ok()),
];

/// Tries in one tree.
const ROUND: u64 = 25;

/// All operations on all paths, with a directory that is given so; by steps where something in it is masked.
fn race(access: Access, by_steps: bool) {
    let tries = std::env::var("SCONCE_TRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUND);
    let rounds = tries.div_ceil(ROUND);
    let outside = Outside::new();
    let g = Guest::with(access, |b| b);
    let g = if by_steps { masked(&g, access) } else { g };
    let (inside, out) = (g.dir.path().to_owned(), outside.dir.path().to_owned());
    OUTSIDE.set(outside.inodes());
    let before = outside.look();
    let (mut done, mut all) = (0, 0);
    let exchanges = AtomicU64::new(0);
    for (name, operation) in OPERATIONS {
        for shape in SHAPES {
            // A fresh tree now and then: what was made is in the way of what comes next, and what was removed is missed.
            for _ in 0..rounds {
                clear(&inside);
                furnish(&inside, &out);
                let stop = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    scope.spawn(|| exchanges.fetch_add(exchange(&inside, &out, &stop), Ordering::Relaxed));
                    let _stop = Stop(&stop);
                    for _ in 0..ROUND {
                        done += u64::from(operation(&g, g.put(TEXT, shape.as_bytes())));
                        all += 1;
                    }
                });
            }
            assert_eq!(outside.look(), before, "{name} {shape} {access:?} {by_steps}");
        }
    }
    println!("{all} tries, {done} done, {} exchanges, {access:?}, by steps: {by_steps}", exchanges.into_inner());
    for name in ["out/secret", "out/dir/secret", "elsewhere/secret"] {
        assert_eq!(fs::read(out.join(name)).unwrap(), SECRET);
    }
    assert!(done > 0);
}

/// Ends the other thread, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap().is_dir() {
            true if path.ends_with("masked") => {}
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
}

/// The same guest, of whose directory something is masked, so that the kernel follows no whole path.
fn masked(g: &Guest, access: Access) -> Guest {
    let dir = tempfile::tempdir_in(g.dir.path().parent().unwrap()).unwrap();
    fs::create_dir(dir.path().join("masked")).unwrap();
    let builder = WasiCtx::builder().preopen_path(dir.path(), "/data", access).unwrap().mask(dir.path().join("masked"));
    let ctx = builder.build().unwrap();
    assert!(ctx.has_masked());
    Guest { ctx, memory: RefCell::new(vec![0; MEMORY]), interrupted: || false, dir }
}

#[test]
fn what_the_kernel_follows_stays_inside() {
    race(Access::ReadWrite, false);
}

#[test]
fn what_is_walked_by_steps_stays_inside() {
    race(Access::ReadWrite, true);
}

#[test]
fn what_may_be_read_stays_inside() {
    race(Access::ReadOnly, false);
    race(Access::ReadOnly, true);
}
