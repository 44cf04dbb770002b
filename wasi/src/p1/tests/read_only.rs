//! Below a read-only directory nothing changes, whatever is tried.

use super::*;
use crate::p1::abi::{fdflags, oflags};
use crate::p1::fd;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

fn look(dir: &Path, seen: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let m = std::fs::symlink_metadata(&path).unwrap();
        let what = format!(
            "{:o} {} {} {} {}.{:09} {}",
            m.mode(),
            m.ino(),
            m.nlink(),
            m.len(),
            m.mtime(),
            m.mtime_nsec(),
            m.ctime_nsec()
        );
        if m.is_dir() {
            look(&path, seen);
        }
        seen.insert(path, what);
    }
}

#[test]
fn every_change_is_refused() {
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("mine"), "mine").unwrap();
    for dir in ["dir", "sub"] {
        std::fs::create_dir(other.path().join(dir)).unwrap();
    }
    let g = Guest::with(Access::ReadOnly, |b| b.preopen_path(other.path(), "/other", Access::ReadWrite).unwrap());
    let root = g.dir.path();
    std::fs::create_dir_all(root.join("dir/sub")).unwrap();
    std::fs::write(root.join("file"), "text").unwrap();
    std::os::unix::fs::symlink("file", root.join("link")).unwrap();
    let mut before = BTreeMap::new();
    look(root, &mut before);

    // What is opened below it is as read-only as it is.
    let sub = g.open(b"dir", oflags::DIRECTORY, !rights::FD_WRITE).unwrap();
    let file = g.open(b"file", 0, !rights::FD_WRITE).unwrap();
    assert_eq!(g.read(file, 9), Ok(b"text".to_vec()));
    let rofs = || errno(Errno::RoFs);

    for (dir, name, new) in [(3, "file", "new"), (3, "dir", "dir/new"), (3, "link", "./new"), (sub, "sub", "sub/new")] {
        let opened = if ["dir", "sub"].contains(&name) { Errno::IsDir } else { Errno::RoFs };
        assert_eq!(g.open_at(dir, 1, name.as_bytes(), 0, WRITE, 0), errno(opened));
        assert_eq!(g.open_at(dir, 1, name.as_bytes(), oflags::TRUNC, READ, 0), errno(opened));
        assert_eq!(g.open_at(dir, 1, name.as_bytes(), oflags::CREAT | oflags::EXCL, READ, 0), errno(Errno::Exist));
        assert_eq!(g.open_at(dir, 1, new.as_bytes(), oflags::CREAT, READ, 0), errno(Errno::RoFs));
        assert_eq!(g.open_at(dir, 1, new.as_bytes(), oflags::CREAT | oflags::EXCL, READ, 0), errno(Errno::RoFs));
        assert_eq!(g.open_at(dir, 1, new.as_bytes(), 0, READ, 0), errno(Errno::NoEnt));
        let (a, b) = (g.put(TEXT, name.as_bytes()), g.put(TEXT2, new.as_bytes()));
        assert_eq!(g.call(|c| path::create_directory(c, dir, b)), rofs());
        assert_eq!(g.call(|c| path::remove_directory(c, dir, a)), rofs());
        assert_eq!(g.call(|c| path::unlink_file(c, dir, a)), rofs());
        assert_eq!(g.call(|c| path::rename(c, dir, a, dir, b)), rofs());
        assert_eq!(g.call(|c| path::rename(c, dir, a, 4, b)), rofs());
        assert_eq!(g.call(|c| path::link(c, dir, 1, a, dir, b)), rofs());
        assert_eq!(g.call(|c| path::link(c, dir, 1, a, 4, b)), rofs(), "through the new name it could be written");
        assert_eq!(g.call(|c| path::symlink(c, a, dir, b)), rofs());
        for (lookup, flags) in [(0, 5), (1, 5), (0, 10), (1, 10)] {
            assert_eq!(g.call(|c| path::filestat_set_times(c, dir, lookup, a, (1, 1), flags)), rofs());
        }
        let mine = g.put(TEXT, b"mine");
        assert_eq!(g.call(|c| path::rename(c, 4, mine, dir, b)), rofs());
        assert_eq!(g.call(|c| path::link(c, 4, 0, mine, dir, b)), rofs());
    }
    assert_eq!(g.open_at(3, 1, b"file", oflags::CREAT, READ, 0).map(|fd| g.call(|c| fd::close(c, fd))), Ok(Ok(())));
    for fd in [3, sub, file] {
        assert!(matches!(g.call(|c| fd::filestat_set_times(c, fd, 1, 1, 5)), Err(Fail::Errno(Errno::RoFs))));
    }
    for refused in [
        g.call(|c| fd::filestat_set_size(c, file, 0)),
        g.call(|c| fd::allocate(c, file, 0, 1 << 20)),
        g.write(file, b"x").map(drop),
        g.call(|c| fd::pwrite(c, file, IOVS, 1, 0, OUT)),
    ] {
        assert!(matches!(refused, Err(Fail::Errno(Errno::RoFs | Errno::BadF | Errno::Inval))), "{refused:?}");
    }
    // Flags of the descriptor are its own.
    g.call(|c| fd::fdstat_set_flags(c, file, u32::from(fdflags::NONBLOCK))).ok();

    let mut after = BTreeMap::new();
    look(root, &mut after);
    assert_eq!(after, before);
    assert_eq!(std::fs::read(other.path().join("mine")).unwrap(), b"mine");
}

/// What a read-only bind mount (Linux 6.18) says to each change, but for names that are to go: those are looked for first.
#[test]
fn what_is_wrong_anyway_comes_first() {
    use Errno::{Exist, Inval, IsDir, Loop, NoEnt, NotDir, NotEmpty, RoFs};
    let g = Guest::with(Access::ReadOnly, |b| b);
    let root = g.dir.path();
    std::fs::create_dir(root.join("d")).unwrap();
    std::fs::write(root.join("f"), "text").unwrap();
    std::os::unix::fs::symlink("gone", root.join("l")).unwrap();
    std::os::unix::fs::symlink("gone/x", root.join("m")).unwrap();
    let one = |f: fn(&Call<'_>, u32, (u32, u32)) -> Outcome, name: &str| {
        let name = g.put(TEXT, name.as_bytes());
        g.call(|c| f(c, 3, name))
    };
    for (name, made, removed, unlinked) in [
        ("d", Exist, RoFs, RoFs),
        ("d/", Exist, RoFs, RoFs),
        ("f", Exist, RoFs, RoFs),
        ("l", Exist, RoFs, RoFs),
        ("new", RoFs, NoEnt, NoEnt),
        ("new/", RoFs, NoEnt, NoEnt),
        ("new/x", NoEnt, NoEnt, NoEnt),
        ("f/x", NotDir, NotDir, NotDir),
        (".", Exist, Inval, IsDir),
        ("d/..", Exist, NotEmpty, IsDir),
        ("..", Errno::Perm, Errno::Perm, Errno::Perm),
    ] {
        assert_eq!(one(path::create_directory, name), errno(made), "make {name}");
        assert_eq!(one(path::remove_directory, name), errno(removed), "remove {name}");
        assert_eq!(one(path::unlink_file, name), errno(unlinked), "unlink {name}");
    }
    type Two = fn(&Call<'_>, (u32, u32), (u32, u32)) -> Outcome;
    let two = |f: Two, a: &str, b: &str| {
        let (a, b) = (g.put(TEXT, a.as_bytes()), g.put(TEXT2, b.as_bytes()));
        g.call(|c| f(c, a, b))
    };
    for (old, new, renamed, linked, symlinked) in [
        ("f", "g", RoFs, RoFs, RoFs),
        ("f", "f", RoFs, Exist, Exist),
        ("f", "d", RoFs, Exist, Exist),
        ("f", "g/", RoFs, NoEnt, NoEnt),
        ("f", "gone/g", NoEnt, NoEnt, NoEnt),
        ("f", "f/g", NotDir, NotDir, NotDir),
        ("f", ".", Errno::Busy, Exist, Exist),
        ("gone", "g", NoEnt, NoEnt, RoFs),
        ("gone/f", "g", NoEnt, NoEnt, RoFs),
        ("d/.", "g", Errno::Busy, RoFs, RoFs),
    ] {
        assert_eq!(two(|c, a, b| path::rename(c, 3, a, 3, b), old, new), errno(renamed), "rename {old} {new}");
        assert_eq!(two(|c, a, b| path::link(c, 3, 0, a, 3, b), old, new), errno(linked), "link {old} {new}");
        assert_eq!(two(|c, a, b| path::symlink(c, a, 3, b), old, new), errno(symlinked), "symlink {old} {new}");
    }
    assert_eq!(two(|c, a, b| path::symlink(c, a, 3, b), "/abs", "new"), errno(Errno::Perm));
    let times = |c: &Call<'_>, fd, name| path::filestat_set_times(c, fd, 1, name, (1, 1), 5);
    for (name, set) in [("f", RoFs), ("d", RoFs), ("gone", NoEnt), ("l", NoEnt), ("f/x", NotDir)] {
        assert_eq!(one(times, name), errno(set), "times of {name}");
    }
    const CREAT_EXCL: u32 = oflags::CREAT | oflags::EXCL;
    for (name, how, rights, result) in [
        ("f", 0, WRITE, Err(RoFs)),
        ("f", oflags::TRUNC, READ, Err(RoFs)),
        ("f", oflags::CREAT, READ, Ok(())),
        ("f", oflags::CREAT, WRITE, Err(RoFs)),
        ("f", CREAT_EXCL, READ, Err(Exist)),
        ("f/", oflags::CREAT, READ, Err(IsDir)),
        ("f/x", 0, WRITE, Err(NotDir)),
        ("f", oflags::DIRECTORY, WRITE, Err(NotDir)),
        ("d", 0, READ, Ok(())),
        ("d", 0, WRITE, Err(IsDir)),
        ("d", oflags::CREAT, READ, Err(IsDir)),
        ("d", oflags::CREAT, WRITE, Err(IsDir)),
        ("d", oflags::TRUNC, READ, Err(IsDir)),
        ("new", 0, WRITE, Err(NoEnt)),
        ("new", oflags::TRUNC, WRITE, Err(NoEnt)),
        ("new", oflags::CREAT, READ, Err(RoFs)),
        ("new", CREAT_EXCL, WRITE, Err(RoFs)),
        ("new/x", oflags::CREAT, WRITE, Err(NoEnt)),
        ("new/x", CREAT_EXCL, WRITE, Err(NoEnt)),
        ("l", 0, WRITE, Err(NoEnt)),
        ("l", oflags::CREAT, WRITE, Err(RoFs)),
        ("l", CREAT_EXCL, WRITE, Err(Exist)),
        ("m", oflags::CREAT, WRITE, Err(NoEnt)),
    ] {
        let opened = g.open(name.as_bytes(), how, rights).map(drop);
        assert_eq!(opened, result.map_err(Fail::Errno), "open {name} {how} {rights:#x}");
    }
    assert_eq!(g.open_at(3, 0, b"l", 0, WRITE, 0), errno(Loop));
}
