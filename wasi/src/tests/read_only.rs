//! Below a read-only directory nothing changes, whatever is tried.

use super::*;
use crate::abi::{fdflags, oflags};
use crate::fd;
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
        assert_eq!(g.open_at(dir, 1, name.as_bytes(), 0, WRITE, 0), errno(Errno::RoFs));
        assert_eq!(g.open_at(dir, 1, name.as_bytes(), oflags::TRUNC, READ, 0), errno(Errno::RoFs));
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
        assert!(matches!(refused, Err(Fail::Errno(Errno::RoFs | Errno::NotCapable))), "{refused:?}");
    }
    // Flags of the descriptor are its own.
    g.call(|c| fd::fdstat_set_flags(c, file, u32::from(fdflags::NONBLOCK))).ok();

    let mut after = BTreeMap::new();
    look(root, &mut after);
    assert_eq!(after, before);
    assert_eq!(std::fs::read(other.path().join("mine")).unwrap(), b"mine");
}
