//! Descriptors that the guest did not open.

use super::*;
use crate::p1::abi::{Generation::Preview1, fdflags, oflags};
use crate::p1::fd;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

fn set_flags(g: &Guest, fd: u32, flags: u16) -> Outcome {
    g.call(|c| fd::fdstat_set_flags(c, fd, flags.into()))
}

/// A file with a line in it, opened in one way or the other, and a guest that has it as standard output and as descriptor 4.
fn with_log(append: bool) -> (Guest, tempfile::NamedTempFile, File) {
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), "first\n").unwrap();
    let file = File::options().read(true).write(!append).append(append).open(log.path()).unwrap();
    let (out, other) = (file.try_clone().unwrap(), file.try_clone().unwrap());
    (Guest::with(Access::ReadWrite, |b| b.stdout(out).descriptor(other)), log, file)
}

#[test]
fn what_is_appended_to_is_only_appended_to() {
    for fd in [1, 4] {
        let (g, log, file) = with_log(true);
        let before = fcntl_getfl(&file).unwrap();
        assert_eq!(g.fdstat(fd).2, fdflags::APPEND);
        for flags in [0, fdflags::NONBLOCK, fdflags::SYNC] {
            assert_eq!(set_flags(&g, fd, flags), errno(Errno::Perm));
        }
        assert_eq!(set_flags(&g, fd, fdflags::APPEND | fdflags::NONBLOCK), Ok(()));
        assert_eq!(g.fdstat(fd).2, fdflags::APPEND | fdflags::NONBLOCK);
        assert_eq!(fcntl_getfl(&file).unwrap(), before);
        for size in [0, 3, 100] {
            assert_eq!(g.call(|c| fd::filestat_set_size(c, fd, size)), errno(Errno::Perm));
        }
        assert_eq!(g.call(|c| fd::filestat_set_times(c, fd, 1, 1, 1 | 4)), errno(Errno::Perm));
        assert_eq!(g.call(|c| fd::filestat_set_times(c, fd, 1, 1, 1 | 8)), errno(Errno::Perm));
        assert_eq!(g.call(|c| fd::filestat_set_times(c, fd, 1, 1, 2 | 8)), Ok(()));
        g.call(|c| fd::seek(c, Preview1, fd, 0, 0, OUT)).unwrap();
        assert_eq!(g.write(fd, b"second\n"), Ok(7));
        g.put(BUF, b"third\n");
        let (iovs, n) = g.iovs(&[(BUF, 6)]);
        g.call(|c| fd::pwrite(c, fd, iovs, n, 0, OUT)).unwrap();
        assert_eq!(std::fs::read_to_string(log.path()).unwrap(), "first\nsecond\nthird\n");
    }
    // What the guest opened so itself is its own.
    let g = Guest::new();
    let f = g.open_at(3, 0, b"f", oflags::CREAT, u64::MAX, fdflags::APPEND.into()).unwrap();
    g.write(f, b"abc").unwrap();
    assert_eq!(g.call(|c| fd::filestat_set_size(c, f, 1)), Ok(()));
    assert_eq!(set_flags(&g, f, 0), Ok(()));
    assert_eq!(g.call(|c| fd::filestat_set_times(c, f, 1, 1, 1 | 4)), Ok(()));
}

#[test]
fn appending_is_the_guests_alone() {
    let (g, log, file) = with_log(false);
    let before = fcntl_getfl(&file).unwrap();
    assert_eq!(set_flags(&g, 4, fdflags::APPEND), Ok(()));
    assert_eq!((g.fdstat(4).2, g.fdstat(1).2), (fdflags::APPEND, 0));
    assert_eq!(fcntl_getfl(&file).unwrap(), before);
    g.call(|c| fd::seek(c, Preview1, 4, 0, 0, OUT)).unwrap();
    assert_eq!(g.write(4, b"second\n"), Ok(7));
    g.call(|c| fd::tell(c, 4, OUT)).unwrap();
    assert_eq!(g.u64(OUT), 13);
    g.put(BUF, b"third\n");
    let (iovs, n) = g.iovs(&[(BUF, 6)]);
    g.call(|c| fd::pwrite(c, 4, iovs, n, 0, OUT)).unwrap();
    assert_eq!(set_flags(&g, 4, 0), Ok(()));
    g.call(|c| fd::seek(c, Preview1, 4, 0, 0, OUT)).unwrap();
    assert_eq!(g.write(4, b"FIRST"), Ok(5));
    assert_eq!(std::fs::read_to_string(log.path()).unwrap(), "FIRST\nsecond\nthird\n");
    assert_eq!(g.call(|c| fd::filestat_set_size(c, 4, 1)), Ok(()), "a file that was given to be written");
}

/// Pairs of what is written to and what it is read from: a pipe, a FIFO, a socket, a terminal.
fn streams(dir: &std::path::Path) -> Vec<(&'static str, OwnedFd, OwnedFd)> {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let (reader, writer) = std::io::pipe().unwrap();
    let fifo = dir.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let fifo = File::options().read(true).write(true).open(fifo).unwrap();
    let other = fifo.try_clone().unwrap();
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let terminal = ioctl_tiocgptpeer(&controller, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    vec![
        ("pipe", writer.into(), reader.into()),
        ("FIFO", fifo.into(), other.into()),
        ("socket", a, b),
        ("terminal", terminal, controller),
    ]
}

#[test]
fn not_waiting_is_the_guests_alone() {
    let dir = tempfile::tempdir().unwrap();
    for (what, writer, reader) in streams(dir.path()) {
        let (kept, end) = (writer.try_clone().unwrap(), reader.try_clone().unwrap());
        // The other end of a terminal is its screen.
        let g = Guest::with(Access::ReadWrite, |b| b.stdin(reader).stdout(writer));
        let before = [fcntl_getfl(&kept).unwrap(), fcntl_getfl(&end).unwrap()];
        for fd in [0, 1] {
            set_flags(&g, fd, fdflags::NONBLOCK).unwrap();
        }
        assert_eq!(g.read(0, 10), errno(Errno::Again), "{what}");
        // Much more than any of them holds: a part of it, again and again, until there is no room for any.
        let big = vec![b'x'; 4 << 20];
        let mut written = 0;
        let end = loop {
            match g.write(1, &big) {
                Ok(n) if written < 64 << 20 => written += n,
                end => break end,
            }
        };
        assert_eq!(end, errno(Errno::Again), "{what}");
        assert!(written > 0 && (written as usize) < big.len(), "{what}: {written}");
        assert!(!g.read(0, 10).unwrap().is_empty(), "{what}");
        assert_eq!([fcntl_getfl(&kept).unwrap(), fcntl_getfl(&kept).unwrap()].map(|f| f.contains(OFlags::NONBLOCK)), [false; 2]);
        assert_eq!(before[0], fcntl_getfl(&kept).unwrap());
    }
    // A file is never waited for.
    let (g, _log, _) = with_log(false);
    set_flags(&g, 4, fdflags::NONBLOCK).unwrap();
    assert_eq!(g.read(4, 5), Ok(b"first".to_vec()));
    assert_eq!(g.write(4, b"!"), Ok(1));
}

#[test]
fn a_directory_as_a_stream_gives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    let given = File::open(dir.path()).unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.stdin(given));
    assert_eq!(g.read(0, 10), errno(Errno::IsDir));
    let refused = || errno::<()>(Errno::NotCapable);
    assert_eq!(g.open_at(0, 1, b"secret", 0, READ, 0).map(drop), refused());
    assert_eq!(g.open_at(0, 1, b"new", oflags::CREAT, WRITE, 0).map(drop), refused());
    assert_eq!(g.open_at(0, 1, b".", oflags::DIRECTORY, 0, 0).map(drop), refused());
    let name = g.put(TEXT, b"secret");
    assert_eq!(g.call(|c| path::filestat_get(c, Preview1, 0, 1, name, OUT)), refused());
    assert_eq!(g.call(|c| path::unlink_file(c, 0, name)), refused());
    assert_eq!(g.call(|c| path::rename(c, 0, name, 3, name)), refused());
    assert_eq!(g.call(|c| path::link(c, 0, 0, name, 3, name)), refused());
    assert_eq!(g.call(|c| readdir::readdir(c, 0, BUF, 1000, 0, OUT)), refused());
    assert_eq!(g.call(|c| fd::filestat_get(c, Preview1, 0, OUT)), Ok(()));
    let mut text = String::new();
    File::open(dir.path().join("secret")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), std::fs::read_dir(dir.path()).unwrap().count()), ("secret", 1));
}

#[test]
fn what_is_given_can_be_set_the_times_of_only_if_it_can_be_written() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let reading = File::open(file.path()).unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.stdin(reading));
    assert_eq!(g.call(|c| fd::filestat_set_times(c, 0, 1, 1, 1 | 4)), errno(Errno::NotCapable));
    assert_eq!(g.call(|c| fd::filestat_set_size(c, 0, 0)), errno(Errno::Inval));
}
