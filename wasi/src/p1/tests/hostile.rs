//! Numbers up to 2^32 - 1 in every place: an errno, and no memory of the host's.

use super::*;
use crate::p1::abi::Generation::{Preview1, Unstable};
use crate::p1::{args, clock, environ, fd, poll, random, sock};

const HUGE: [u32; 5] = [u32::MAX, u32::MAX - 7, 1 << 31, MEMORY as u32, MEMORY as u32 - 1];

/// Peak resident memory of the process, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// All functions with such numbers, and whatever they return.
fn storm(c: &Call<'_>, a: u32, b: u32) -> Vec<Outcome> {
    let (l, m) = (u64::from(a) << 32 | u64::from(b), u64::MAX);
    let ask = path::Open { lookup: a, oflags: b, base: m, inheriting: m, fdflags: a };
    let plain = path::Open { lookup: 1, oflags: 1, base: m, inheriting: m, fdflags: 0 };
    let mut all = Vec::new();
    for fd in [0, 1, 3, 4, a] {
        all.extend([
            fd::read(c, fd, a, b, OUT),
            fd::read(c, fd, IOVS, b, a),
            fd::pread(c, fd, a, b, l, OUT),
            fd::write(c, fd, a, b, OUT),
            fd::pwrite(c, fd, a, b, l, OUT),
            readdir::readdir(c, fd, a, b, 0, OUT),
            readdir::readdir(c, fd, BUF, b, l, a),
            fd::seek(c, Preview1, fd, m as i64, a, OUT),
            fd::seek(c, Unstable, fd, l as i64, b, a),
            fd::tell(c, fd, a),
            fd::renumber(c, fd, a),
            fd::advise(c, fd, l, m, b),
            fd::allocate(c, fd, m, l),
            fd::fdstat_get(c, fd, a),
            fd::fdstat_set_flags(c, fd, a),
            fd::filestat_get(c, Preview1, fd, a),
            fd::filestat_get(c, Unstable, fd, a),
            fd::filestat_set_size(c, fd, m),
            fd::filestat_set_times(c, fd, m, m, a),
            fd::prestat_get(c, fd, a),
            fd::prestat_dir_name(c, fd, a, b),
            path::open(c, fd, (a, b), &ask, OUT),
            path::open(c, fd, (a, b), &plain, OUT),
            path::open(c, fd, (TEXT, 4), &plain, a),
            path::create_directory(c, fd, (a, b)),
            path::remove_directory(c, fd, (a, b)),
            path::unlink_file(c, fd, (a, b)),
            path::filestat_get(c, Preview1, fd, 1, (a, b), OUT),
            path::filestat_set_times(c, fd, 1, (a, b), (m, m), 5),
            path::link(c, fd, 1, (a, b), fd, (b, a)),
            path::rename(c, fd, (a, b), fd, (b, a)),
            path::symlink(c, (a, b), fd, (b, a)),
            path::readlink(c, fd, (a, b), BUF, 100, OUT),
            path::readlink(c, fd, (TEXT, 4), a, b, OUT),
            sock::accept(c, fd, a, b),
            sock::recv(c, fd, a, b, 0, OUT, OUT),
            sock::recv(c, fd, IOVS, 1, a, OUT, b),
            sock::send(c, fd, a, b, 0, OUT),
            sock::shutdown(c, fd, a),
        ]);
    }
    all.extend([
        args::get(c, a, b),
        args::sizes_get(c, a, b),
        environ::get(c, a, b),
        environ::sizes_get(c, a, b),
        clock::res_get(c, 0, a),
        clock::time_get(c, a, l, b),
        clock::time_get(c, 0, l, b),
        random::get(c, a, b),
        random::get(c, BUF, b),
        poll::oneoff(c, Preview1, a, b, a, OUT),
        poll::oneoff(c, Preview1, 0, 0, b, OUT),
        poll::oneoff(c, Unstable, a, a, b, OUT),
        poll::oneoff(c, Unstable, 0, 0, b, a),
    ]);
    all
}

#[test]
fn huge_numbers_are_an_errno_in_bounded_memory() {
    let g = Guest::with(Access::ReadWrite, |b| b.args(["program", "argument"]).env("A", "1"));
    g.open(b"file", 1, u64::MAX).unwrap();
    // Resident before anything is measured.
    g.memory.borrow_mut().fill(1);
    let before = peak();
    for a in HUGE {
        for b in HUGE {
            g.put(TEXT, b"file");
            for (i, result) in g.call(|c| storm(c, a, b)).into_iter().enumerate() {
                assert!(
                    !matches!(result, Err(Fail::Interrupted | Fail::Exit(_) | Fail::Killed(_))),
                    "{i} {a:#x} {b:#x} {result:?}"
                );
            }
        }
    }
    assert!(peak() - before < 64 << 10, "{} KiB more", peak() - before);
    assert_eq!(std::fs::read_dir(g.dir.path()).unwrap().count(), 1);
}

#[test]
fn each_refuses_with_its_errno() {
    let g = Guest::new();
    g.open(b"file", 1, u64::MAX).unwrap();
    g.iovs(&[(BUF, 1)]);
    for huge in [u32::MAX, 1025] {
        assert_eq!(g.call(|c| fd::write(c, 4, IOVS, huge, OUT)), errno(Errno::Inval));
        assert_eq!(g.call(|c| fd::read(c, 4, IOVS, huge, OUT)), errno(Errno::Inval));
    }
    assert_eq!(g.call(|c| fd::write(c, 4, MEMORY as u32 - 4, 1, OUT)), errno(Errno::Fault));
    assert_eq!(g.call(|c| readdir::readdir(c, 3, BUF, u32::MAX, 0, OUT)), errno(Errno::Fault));
    assert_eq!(g.call(|c| random::get(c, BUF, u32::MAX)), errno(Errno::Fault));
    assert_eq!(g.call(|c| poll::oneoff(c, Preview1, 0, 0, u32::MAX, OUT)), errno(Errno::Fault));
    assert_eq!(g.call(|c| poll::oneoff(c, Preview1, 0, 0, 0, OUT)), errno(Errno::Inval));
    assert_eq!(g.call(|c| poll::oneoff(c, Preview1, 0, 0, poll::MAX_SUBSCRIPTIONS + 1, OUT)), errno(Errno::Inval));
    assert_eq!(g.call(|c| path::unlink_file(c, 3, (TEXT, 4096))), errno(Errno::NameTooLong));
    assert_eq!(g.call(|c| path::unlink_file(c, 3, (TEXT, u32::MAX))), errno(Errno::Fault));
    // Where a result goes is looked at before anything is done.
    let (iovs, n) = g.iovs(&[(BUF, 1)]);
    assert_eq!(g.call(|c| fd::write(c, 4, iovs, n, u32::MAX)), errno(Errno::Fault));
    assert_eq!(std::fs::read(g.dir.path().join("file")).unwrap(), b"");
    let ask = path::Open { lookup: 0, oflags: 1, base: READ, inheriting: 0, fdflags: 0 };
    g.put(TEXT, b"new");
    assert_eq!(g.call(|c| path::open(c, 3, (TEXT, 3), &ask, MEMORY as u32 - 3)), errno(Errno::Fault));
    assert!(!g.dir.path().join("new").exists());
}
