//! `path_*`, as far as the resolver's own tests do not cover them.

use super::*;
use crate::p1::abi::{Generation, filetype, oflags};
use crate::p1::fd;
use std::os::unix::fs::symlink;

fn text(g: &Guest, at: u32, s: &[u8]) -> (u32, u32) {
    g.put(at, s)
}

#[test]
fn names_are_bytes() {
    let g = Guest::new();
    let name = b"\xff caf\xc3 \x01\n";
    let f = g.open(name, oflags::CREAT, WRITE).unwrap();
    g.write(f, b"x").unwrap();
    use std::os::unix::ffi::OsStrExt;
    assert!(g.dir.path().join(std::ffi::OsStr::from_bytes(name)).exists());
    g.call(|c| readdir::readdir(c, 3, BUF, 4096, 0, OUT)).unwrap();
    let found = g.bytes(BUF, g.u32(OUT));
    assert!(found.windows(name.len()).any(|w| w == name));
    let n = text(&g, TEXT, name);
    assert_eq!(g.call(|c| path::symlink(c, n, 3, (TEXT2, 0))), errno(Errno::NoEnt));
    let link = text(&g, TEXT2, b"link");
    g.call(|c| path::symlink(c, n, 3, link)).unwrap();
    g.call(|c| path::readlink(c, 3, link, BUF, 100, OUT)).unwrap();
    assert_eq!(g.bytes(BUF, g.u32(OUT)), name);
    g.call(|c| path::readlink(c, 3, link, BUF, 3, OUT)).unwrap();
    assert_eq!((g.u32(OUT), g.bytes(BUF, 3)), (3, name[..3].to_vec()), "cut to the buffer");
}

#[test]
fn wrong_paths() {
    let g = Guest::new();
    for (name, e) in [
        (&b""[..], Errno::NoEnt),
        (b"a\0b", Errno::Inval),
        (b"/etc", Errno::Perm),
        (b"..", Errno::Perm),
        (&[b'x'; 300], Errno::NameTooLong),
    ] {
        let n = text(&g, TEXT, name);
        let other = text(&g, TEXT2, b"other");
        let ask = path::Open { lookup: 1, oflags: 0, base: READ, inheriting: 0, fdflags: 0 };
        assert_eq!(g.call(|c| path::open(c, 3, n, &ask, OUT)), errno(e));
        assert_eq!(g.call(|c| path::filestat_get(c, Generation::Preview1, 3, 1, n, OUT)), errno(e));
        assert_eq!(g.call(|c| path::filestat_set_times(c, 3, 1, n, (1, 1), 5)), errno(e));
        assert_eq!(g.call(|c| path::create_directory(c, 3, n)), errno(e));
        assert_eq!(g.call(|c| path::remove_directory(c, 3, n)), errno(e));
        assert_eq!(g.call(|c| path::unlink_file(c, 3, n)), errno(e));
        assert_eq!(g.call(|c| path::rename(c, 3, n, 3, other)), errno(e));
        assert_eq!(g.call(|c| path::link(c, 3, 0, n, 3, other)), errno(e));
        assert_eq!(g.call(|c| path::symlink(c, other, 3, n)), errno(e));
        assert_eq!(g.call(|c| path::readlink(c, 3, n, BUF, 100, OUT)), errno(e));
    }
    for bad in [0, 1, 4, u32::MAX] {
        let e = if bad < 3 { Errno::NotDir } else { Errno::BadF };
        assert_eq!(g.call(|c| path::unlink_file(c, bad, (TEXT, 1))), errno(e));
    }
}

#[test]
fn links_are_followed_only_when_asked() {
    let g = Guest::new();
    std::fs::create_dir(g.dir.path().join("dir")).unwrap();
    std::fs::write(g.dir.path().join("dir/file"), "content").unwrap();
    symlink("dir/file", g.dir.path().join("link")).unwrap();
    assert_eq!(g.open_at(3, 0, b"link", 0, READ, 0), errno(Errno::Loop));
    assert_eq!(g.open_at(3, 0, b"link", oflags::DIRECTORY, READ, 0), errno(Errno::NotDir));
    let f = g.open_at(3, 1, b"link", 0, READ, 0).unwrap();
    assert_eq!(g.read(f, 100), Ok(b"content".to_vec()));
    let link = text(&g, TEXT, b"link");
    g.call(|c| path::filestat_get(c, Generation::Preview1, 3, 0, link, OUT)).unwrap();
    assert_eq!((g.bytes(OUT + 16, 1)[0], g.u64(OUT + 32)), (filetype::SYMBOLIC_LINK, 8));
    g.call(|c| path::filestat_get(c, Generation::Unstable, 3, 1, link, OUT)).unwrap();
    assert_eq!((g.bytes(OUT + 16, 1)[0], g.u32(OUT + 20), g.u64(OUT + 24)), (filetype::REGULAR_FILE, 1, 7));
    let hard = text(&g, TEXT2, b"dir/hard");
    g.call(|c| path::link(c, 3, 1, link, 3, hard)).unwrap();
    assert!(g.dir.path().join("dir/hard").symlink_metadata().unwrap().is_file());
    // What is opened through a directory stays below that directory.
    let d = g.open(b"dir", oflags::DIRECTORY, !rights::FD_WRITE).unwrap();
    assert_eq!(g.open_at(d, 1, b"../dir/file", 0, READ, 0), errno(Errno::Perm));
    assert_eq!(g.open_at(d, 1, b"file", 0, READ, 0).map(|f| g.read(f, 3)), Ok(Ok(b"con".to_vec())));
    for (op, name, e) in [(0, b"dir", Errno::IsDir), (1, b"hrd", Errno::NoEnt), (1, b"dir", Errno::NotEmpty)] {
        let n = text(&g, TEXT, name);
        let r = g.call(|c| if op == 0 { path::unlink_file(c, 3, n) } else { path::remove_directory(c, 3, n) });
        assert_eq!(r, errno(e));
    }
}

#[test]
fn a_fifo_is_opened_without_waiting_if_that_is_asked_for() {
    let g = Guest::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, g.dir.path().join("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    assert_eq!(g.open_at(3, 0, b"fifo", 0, WRITE, 4), errno(Errno::NxIo));
    let r = g.open_at(3, 0, b"fifo", 0, READ, 4).unwrap();
    assert_eq!(g.fdstat(r).2, 4);
    assert_eq!(g.read(r, 1), Ok(vec![]), "nobody writes");
    assert_eq!(g.fdstat(r).3, filetype::UNKNOWN);
    // Its other end is there.
    let w = g.open(b"fifo", 0, WRITE).unwrap();
    assert_eq!(g.fdstat(w).2, 0);
    g.write(w, b"through").unwrap();
    assert_eq!(g.read(r, 100), Ok(b"through".to_vec()));
    assert_eq!(g.read(r, 1), errno(Errno::Again));
    // Who waits goes on when somebody comes, and is interrupted as in any other call that waits.
    g.call(|c| fd::close(c, r)).unwrap();
    g.call(|c| fd::close(c, w)).unwrap();
    let path = g.dir.path().join("fifo");
    std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            std::fs::write(path, "late").unwrap();
        });
        let r = g.open(b"fifo", 0, READ).unwrap();
        assert_eq!(g.read(r, 100), Ok(b"late".to_vec()));
    });
}

#[test]
fn what_is_opened_is_closed_on_exec() {
    let g = Guest::new();
    g.open(b"f", oflags::CREAT, READ).unwrap();
    for fd in 0..5 {
        let d = g.ctx.fd(fd, 0).unwrap();
        assert!(rustix::io::fcntl_getfd(&d.host).unwrap().contains(rustix::io::FdFlags::CLOEXEC), "{fd}");
    }
}
