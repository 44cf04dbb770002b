//! `poll_oneoff` and calls that wait.

use super::*;
use crate::p1::abi::Generation::{self, Preview1, Unstable};
use crate::p1::abi::{fdflags, filetype};
use crate::p1::{clock, fd, poll};
use std::io::Write;
use std::os::fd::OwnedFd;

const EVENTS: u32 = 1 << 20;

fn clock_sub(generation: Generation, userdata: u64, id: u32, timeout: u64, flags: u16) -> Vec<u8> {
    let mut s = vec![0; 16];
    s[..8].copy_from_slice(&userdata.to_le_bytes());
    if generation == Unstable {
        s.extend([0xee; 8]);
    }
    s.extend(id.to_le_bytes());
    s.extend([0; 4]);
    s.extend(timeout.to_le_bytes());
    s.extend([0; 8]);
    s.extend(flags.to_le_bytes());
    s.extend([0; 6]);
    s
}

fn fd_sub(generation: Generation, userdata: u64, kind: u8, fd: u32) -> Vec<u8> {
    let mut s = vec![0; if generation == Unstable { 56 } else { 48 }];
    s[..8].copy_from_slice(&userdata.to_le_bytes());
    s[8] = kind;
    s[16..20].copy_from_slice(&fd.to_le_bytes());
    s
}

/// User data, errno, type, bytes, flags.
type Event = (u64, u16, u8, u64, u16);

fn poll(g: &Guest, generation: Generation, subs: &[Vec<u8>]) -> Outcome<Vec<Event>> {
    g.put(BUF, &subs.concat());
    g.call(|c| poll::oneoff(c, generation, BUF, EVENTS, subs.len() as u32, OUT))?;
    let event = |i| {
        let at = EVENTS + i * 32;
        (g.u64(at), g.u16(at + 8), g.bytes(at + 10, 1)[0], g.u64(at + 16), g.u16(at + 24))
    };
    Ok((0..g.u32(OUT)).map(event).collect())
}

fn now(g: &Guest, id: u32) -> u64 {
    g.call(|c| clock::time_get(c, id, 0, OUT)).unwrap();
    g.u64(OUT)
}

#[test]
fn clocks_in_both_generations() {
    let g = Guest::new();
    for generation in [Preview1, Unstable] {
        for id in [0, 1] {
            let before = now(&g, id);
            assert_eq!(poll(&g, generation, &[clock_sub(generation, 7, id, 20_000_000, 0)]), Ok(vec![(7, 0, 0, 0, 0)]));
            assert!(now(&g, id) >= before + 20_000_000);
            let until = now(&g, id) + 20_000_000;
            assert_eq!(poll(&g, generation, &[clock_sub(generation, 8, id, until, 1)]), Ok(vec![(8, 0, 0, 0, 0)]));
            assert!(now(&g, id) >= until);
            // Long past: at once. The one that never comes does not wait with it.
            let subs = [clock_sub(generation, 1, id, 5, 1), clock_sub(generation, 2, id, u64::MAX, 0)];
            assert_eq!(poll(&g, generation, &subs), Ok(vec![(1, 0, 0, 0, 0)]));
        }
        // CPU time, an unknown clock, an unknown flag: each is that subscription's own mistake.
        let subs = [clock_sub(generation, 1, 2, 5, 0), clock_sub(generation, 2, 9, 5, 0), clock_sub(generation, 3, 1, 5, 2)];
        assert_eq!(poll(&g, generation, &subs), Ok(vec![(1, 28, 0, 0, 0), (2, 28, 0, 0, 0), (3, 28, 0, 0, 0)]));
        assert_eq!(poll(&g, generation, &[fd_sub(generation, 1, 3, 3)]), errno(Errno::Inval), "no such type");
    }
}

#[test]
fn descriptors() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (out_reader, out_writer) = std::io::pipe().unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.stdin(reader).stdout(out_writer));
    let f = g.open(b"f", 1, u64::MAX).unwrap();
    g.write(f, b"0123456789").unwrap();
    g.call(|c| fd::seek(c, Preview1, f, 4, 0, OUT)).unwrap();
    for generation in [Preview1, Unstable] {
        let subs = [fd_sub(generation, 1, 1, 0), clock_sub(generation, 2, 1, 1_000_000, 0)];
        assert_eq!(poll(&g, generation, &subs), Ok(vec![(2, 0, 0, 0, 0)]), "nothing to read");
        let subs =
            [fd_sub(generation, 1, 1, 0), fd_sub(generation, 2, 2, 1), fd_sub(generation, 3, 1, f), fd_sub(generation, 4, 2, f)];
        assert_eq!(poll(&g, generation, &subs), Ok(vec![(2, 0, 2, 0, 0), (3, 0, 1, 6, 0), (4, 0, 2, 0, 0)]));
        let subs = [fd_sub(generation, 1, 1, 99), fd_sub(generation, 2, 1, 1), fd_sub(generation, 3, 1, 0)];
        assert_eq!(poll(&g, generation, &subs), Ok(vec![(1, 8, 1, 0, 0), (2, 8, 1, 0, 0)]));
    }
    writer.write_all(b"abc").unwrap();
    let wait = [fd_sub(Preview1, 1, 1, 0)];
    assert_eq!(poll(&g, Preview1, &wait), Ok(vec![(1, 0, 1, 3, 0)]));
    drop(writer);
    assert_eq!(poll(&g, Preview1, &wait), Ok(vec![(1, 0, 1, 3, 1)]));
    drop(out_reader);
    assert_eq!(poll(&g, Preview1, &[fd_sub(Preview1, 1, 2, 1)]), Ok(vec![(1, 0, 2, 0, 1)]));
    assert_eq!(g.write(1, b"x"), Err(Fail::BrokenPipe));
    // Many at once.
    let many: Vec<_> = (0..5000).map(|i| fd_sub(Preview1, i, 1, f)).collect();
    assert_eq!(poll(&g, Preview1, &many).unwrap().len(), 5000);
}

#[test]
fn broken_pipes_end_the_run_only_where_they_are_its_output() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (reader2, writer2) = std::io::pipe().unwrap();
    drop((reader, reader2));
    let g = Guest::with(Access::ReadWrite, |b| b.stderr(writer).descriptor(writer2));
    assert_eq!(g.write(2, b"x"), Err(Fail::BrokenPipe));
    assert_eq!(g.write(4, b"x"), errno(Errno::Pipe));
}

#[test]
fn what_waits_can_be_interrupted() {
    // A signal is what cuts a call short; here the answer to EINTR is tried.
    let mut g = Guest::new();
    let mut tries = 0;
    let r: Outcome = g.call(|c| {
        c.retry(|| {
            tries += 1;
            if tries < 3 { Err(rustix::io::Errno::INTR) } else { Ok(()) }
        })
    });
    assert_eq!((r, tries), (Ok(()), 3));
    g.interrupted = || true;
    assert_eq!(g.call(|c| c.retry(|| Err::<(), _>(rustix::io::Errno::INTR))), Err(Fail::Interrupted));
    assert_eq!(g.call(|c| crate::p1::random::get(c, BUF, 4 << 20)), Err(Fail::Interrupted));
    assert_eq!(g.call(|c| readdir::readdir(c, 3, BUF, 100, 0, OUT)), Err(Fail::Interrupted));
}

#[test]
fn a_shared_stream_keeps_its_mode() {
    // As inherited streams are: the description is the parent's too.
    let (reader, mut writer) = std::io::pipe().unwrap();
    let parents = reader.try_clone().unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.descriptor(reader));
    assert_eq!(g.call(|c| fd::fdstat_set_flags(c, 4, u32::from(fdflags::NONBLOCK))), Ok(()));
    assert_eq!(g.fdstat(4).2, fdflags::NONBLOCK);
    assert_eq!(g.read(4, 10), errno(Errno::Again));
    assert!(!rustix::fs::fcntl_getfl(&parents).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    writer.write_all(b"ab").unwrap();
    assert_eq!(g.read(4, 10), Ok(b"ab".to_vec()));
    // And the other way round: the parent's does not block, the guest wants to.
    rustix::io::ioctl_fionbio(&parents, true).unwrap();
    g.call(|c| fd::fdstat_set_flags(c, 4, 0)).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            writer.write_all(b"late").unwrap();
        });
        assert_eq!(g.read(4, 10), Ok(b"late".to_vec()));
    });
}

#[test]
fn streams_are_told_apart() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, unlockpt};
    let controller = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let terminal: OwnedFd = ioctl_tiocgptpeer(&controller, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "content").unwrap();
    let file = std::fs::File::open(dir.path().join("f")).unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.stdin(file).stdout(writer).stderr(terminal));
    let (base, _, _, kind) = g.fdstat(0);
    assert_eq!(kind, filetype::REGULAR_FILE);
    assert_eq!(base & (rights::FD_SEEK | rights::FD_WRITE | rights::FD_FILESTAT_SET_TIMES), rights::FD_SEEK);
    g.call(|c| fd::seek(c, Preview1, 0, 3, 0, OUT)).unwrap();
    assert_eq!(g.read(0, 10), Ok(b"tent".to_vec()));
    let (base, _, _, kind) = g.fdstat(1);
    assert_eq!((kind, base & (rights::FD_READ | rights::FD_WRITE)), (filetype::UNKNOWN, rights::FD_WRITE));
    assert_eq!(g.call(|c| fd::seek(c, Preview1, 1, 0, 0, OUT)), errno(Errno::SPipe));
    // What wasi-libc's isatty looks at.
    let (base, _, _, kind) = g.fdstat(2);
    assert_eq!((kind, base & (rights::FD_SEEK | rights::FD_TELL)), (filetype::CHARACTER_DEVICE, 0));
    let null = Guest::new();
    let (base, _, _, kind) = null.fdstat(0);
    assert_eq!((kind, base & rights::FD_SEEK), (filetype::CHARACTER_DEVICE, rights::FD_SEEK), "/dev/null is no terminal");
    assert_eq!(null.read(0, 10), Ok(vec![]));
    assert_eq!(null.write(1, b"gone"), Ok(4));
}

#[test]
fn waiting_takes_a_deterministic_guest_no_time() {
    let g = Guest::with(Access::ReadWrite, |b| b.deterministic(0));
    for generation in [Preview1, Unstable] {
        let before = now(&g, 0);
        // A day, a year and for ever: the day is over, and nothing else.
        let day = 86_400_000_000_000;
        let clocks =
            [(1, 1, day), (2, 0, 365 * day), (3, 1, u64::MAX)].map(|(n, id, time)| clock_sub(generation, n, id, time, 0));
        assert_eq!(poll(&g, generation, &clocks), Ok(vec![(1, 0, 0, 0, 0)]));
        let passed = now(&g, 0) - before;
        assert!((day..day + 1_000_000).contains(&passed), "{passed}");
        // Until some time of the day, which is over already or not.
        let until = clock_sub(generation, 4, 0, before + 2 * day, 1);
        assert_eq!(poll(&g, generation, &[clock_sub(generation, 5, 0, 1, 1), until.clone()]), Ok(vec![(5, 0, 0, 0, 0)]));
        assert_eq!(poll(&g, generation, &[until]), Ok(vec![(4, 0, 0, 0, 0)]));
        // Descriptors are ready, whatever is in them: standard input is a pipe that is at its end, and does not say so.
        let all = [clocks[0].clone(), fd_sub(generation, 6, 1, 0), fd_sub(generation, 7, 2, 1), fd_sub(generation, 8, 1, 1)];
        let events = poll(&g, generation, &all).unwrap();
        assert_eq!(events, [(6, 0, 1, 1, 0), (7, 0, 2, 0, 0), (8, Errno::BadF as u16, 1, 0, 0)]);
    }
    // For ever: it comes.
    assert_eq!(poll(&g, Preview1, &[clock_sub(Preview1, 9, 1, u64::MAX, 0)]), Ok(vec![(9, 0, 0, 0, 0)]));
}

#[test]
fn a_deterministic_guest_gets_all_that_it_asks_for() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.stdin(OwnedFd::from(reader)).deterministic(0));
    g.call(|c| fd::fdstat_set_flags(c, 0, fdflags::NONBLOCK.into())).unwrap();
    let feeder = std::thread::spawn(move || {
        for piece in ["ab", "c", "defg", "hij"] {
            std::thread::sleep(std::time::Duration::from_millis(10));
            writer.write_all(piece.as_bytes()).unwrap();
        }
    });
    // Into several buffers, one of them empty.
    let (iovs, count) = g.iovs(&[(BUF, 1), (BUF + 100, 0), (BUF + 200, 3), (BUF + 300, 2)]);
    g.call(|c| fd::read(c, 0, iovs, count, OUT)).unwrap();
    let parts = [(BUF, 1), (BUF + 200, 3), (BUF + 300, 2)].map(|(at, len)| String::from_utf8(g.bytes(at, len)).unwrap());
    assert_eq!((g.u32(OUT), parts), (6, ["a", "bcd", "ef"].map(String::from)));
    assert_eq!(g.read(0, 0), Ok(vec![]));
    assert_eq!(g.read(0, 100), Ok(b"ghij".to_vec()));
    assert_eq!(g.read(0, 100), Ok(vec![]));
    feeder.join().unwrap();
    // What is wrong with buffers is found before anything is read.
    let bad = g.iovs(&[(BUF, 1), (MEMORY as u32 - 1, 2)]);
    assert_eq!(g.call(|c| fd::read(c, 0, bad.0, bad.1, OUT)), errno(Errno::Fault));
    assert_eq!(g.call(|c| fd::read(c, 0, IOVS, 1025, OUT)), errno(Errno::Inval));
}
