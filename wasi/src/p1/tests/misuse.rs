//! What the wrong kind of descriptor gives, beside what the kernel gives a native program for the same descriptor.

use super::*;
use crate::p1::abi::Generation::Preview1;
use crate::p1::{fd, sock};
use rustix::fd::AsFd;
use rustix::fs::{Advice, CWD, FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, socketpair};
use std::fs::File;
use std::os::fd::OwnedFd;

/// Something of each kind, fresh, that does not wait; with what must stay open beside it.
fn kinds(dir: &std::path::Path) -> Vec<(&'static str, OwnedFd, Option<OwnedFd>)> {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let path = dir.join("file");
    std::fs::write(&path, "text").unwrap();
    let open = |flags| rustix::fs::open(&path, flags, Mode::empty()).unwrap();
    let fifo = dir.join("fifo");
    let _ = rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600));
    let fifo = File::options().read(true).write(true).open(fifo).unwrap();
    let ((r1, w1), (r2, w2)) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    let pair = |kind| socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    let (stream, datagram) = (pair(SocketType::STREAM), pair(SocketType::DGRAM));
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let terminal = ioctl_tiocgptpeer(&controller, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let null = |write: bool| File::options().read(!write).write(write).open("/dev/null").unwrap();
    let all = vec![
        ("file for reading", open(OFlags::RDONLY), None),
        ("file for writing", open(OFlags::WRONLY), None),
        ("file for both", open(OFlags::RDWR), None),
        ("directory", rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap(), None),
        ("pipe to read", r1.into(), Some(w1.into())),
        ("pipe to write", w2.into(), Some(r2.into())),
        ("FIFO", fifo.into(), None),
        ("stream socket", stream.0, Some(stream.1)),
        ("datagram socket", datagram.0, Some(datagram.1)),
        ("listening socket", std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(), None),
        ("terminal", terminal, Some(controller)),
        ("device to read", null(false).into(), None),
        ("device to write", null(true).into(), None),
    ];
    for (_, fd, _) in &all {
        rustix::io::ioctl_fionbio(fd, true).unwrap();
    }
    all
}

/// Each operation: what it gives the guest that has it as descriptor 4, or a native program.
macro_rules! operations {
    ($($name:literal: $guest:expr, $native:expr;)*) => {
        const OPERATIONS: &[(&str, fn(&Call<'_>) -> Outcome, fn(&OwnedFd) -> rustix::io::Result<()>)] =
            &[$(($name, $guest, $native)),*];
    };
}

operations! {
    "read": |c| fd::read(c, 4, IOVS, 1, OUT), |f| rustix::io::read(f, &mut [0; 4]).map(drop);
    "pread": |c| fd::pread(c, 4, IOVS, 1, 0, OUT), |f| rustix::io::pread(f, &mut [0; 4], 0).map(drop);
    "write": |c| fd::write(c, 4, IOVS, 1, OUT), |f| rustix::io::write(f, b"text").map(drop);
    "pwrite": |c| fd::pwrite(c, 4, IOVS, 1, 0, OUT), |f| rustix::io::pwrite(f, b"text", 0).map(drop);
    "seek": |c| fd::seek(c, Preview1, 4, 0, 0, OUT), |f| rustix::fs::seek(f, SeekFrom::Start(0)).map(drop);
    "tell": |c| fd::tell(c, 4, OUT), |f| rustix::fs::tell(f).map(drop);
    "sync": |c| fd::sync(c, 4), |f| rustix::fs::fsync(f);
    "datasync": |c| fd::datasync(c, 4), |f| rustix::fs::fdatasync(f);
    "advise": |c| fd::advise(c, 4, 0, 0, 0), |f| rustix::fs::fadvise(f, 0, None, Advice::Normal);
    "allocate": |c| fd::allocate(c, 4, 0, 8), |f| rustix::fs::fallocate(f, FallocateFlags::empty(), 0, 8);
    "set size": |c| fd::filestat_set_size(c, 4, 2), |f| rustix::fs::ftruncate(f, 2);
    "readdir": |c| readdir::readdir(c, 4, BUF, 1000, 0, OUT), |f| entries_of(f);
    "accept": |c| sock::accept(c, 4, 0, OUT), |f| rustix::net::accept(f).map(drop);
    "recv": |c| sock::recv(c, 4, IOVS, 1, 0, OUT, OUT + 4), |f| rustix::net::recv(f, &mut [0; 4], RecvFlags::empty()).map(drop);
    "send": |c| sock::send(c, 4, IOVS, 1, 0, OUT), |f| rustix::net::send(f, b"text", SendFlags::NOSIGNAL).map(drop);
    "shutdown": |c| sock::shutdown(c, 4, 3), |f| rustix::net::shutdown(f, Shutdown::Both);
    "path": |c| path::create_directory(c, 4, (TEXT, 3)), |f| rustix::fs::mkdirat(f, "dir", Mode::from_raw_mode(0o777));
}

fn entries_of(f: &OwnedFd) -> rustix::io::Result<()> {
    let mut space = [const { std::mem::MaybeUninit::uninit() }; 4096];
    rustix::fs::RawDir::new(f.as_fd(), &mut space).next().unwrap_or(Err(rustix::io::Errno::NOTDIR)).map(drop)
}

#[test]
fn errors_are_the_kernels() {
    for (name, guest, native) in OPERATIONS {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for ((what, fd, _beside), (_, own, _other)) in kinds(ours.path()).into_iter().zip(kinds(theirs.path())) {
            let g = Guest::with(Access::ReadWrite, |b| b.descriptor(fd));
            g.put(BUF, b"text");
            g.put(TEXT, b"dir");
            g.iovs(&[(BUF, 4)]);
            assert_eq!(g.call(guest), native(&own).map_err(Fail::from), "{name} of a {what}");
        }
        let g = Guest::new();
        assert_eq!(g.call(guest), errno(Errno::BadF), "{name} of nothing");
    }
}
