//! Arguments, environment, clocks, random numbers, signals, sockets, and what cannot be built.

use super::*;
use crate::BuildError;
use crate::p1::{args, clock, environ, fd, proc, random, sock};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

#[test]
fn strings_end_with_nul() {
    let g = Guest::with(Access::ReadWrite, |b| {
        b.args(["prog", "", "\u{e9}"]).arg(*b"\xff").env("A", "1").env("B", "").env("A", "2=3")
    });
    g.call(|c| args::sizes_get(c, OUT, OUT + 4)).unwrap();
    assert_eq!((g.u32(OUT), g.u32(OUT + 4)), (4, 11));
    g.call(|c| args::get(c, OUT, BUF)).unwrap();
    assert_eq!(g.bytes(BUF, 11), b"prog\0\0\xc3\xa9\0\xff\0");
    assert_eq!([0, 4, 8, 12].map(|i| g.u32(OUT + i) - BUF), [0, 5, 6, 9]);
    g.call(|c| environ::sizes_get(c, OUT, OUT + 4)).unwrap();
    assert_eq!((g.u32(OUT), g.u32(OUT + 4)), (2, 9));
    g.call(|c| environ::get(c, OUT, BUF)).unwrap();
    assert_eq!(g.bytes(BUF, 9), b"A=2=3\0B=\0");
    assert_eq!(g.call(|c| args::get(c, OUT, MEMORY as u32 - 10)), errno(Errno::Fault));
    assert_eq!(g.call(|c| args::get(c, MEMORY as u32 - 15, BUF)), errno(Errno::Fault));
}

#[test]
fn clocks_and_random_numbers() {
    let g = Guest::new();
    for id in 0..4 {
        g.call(|c| clock::res_get(c, id, OUT)).unwrap();
        assert!(g.u64(OUT) > 0);
        g.call(|c| clock::time_get(c, id, u64::MAX, OUT)).unwrap();
        let first = g.u64(OUT);
        g.call(|c| clock::time_get(c, id, 0, OUT)).unwrap();
        assert!(g.u64(OUT) >= first && first > 0);
    }
    assert_eq!(g.call(|c| clock::time_get(c, 4, 0, OUT)), errno(Errno::Inval));
    assert_eq!(g.call(|c| clock::res_get(c, 4, OUT)), errno(Errno::Inval));
    g.call(|c| random::get(c, BUF, 3 << 20)).unwrap();
    let bytes = g.bytes(BUF, 3 << 20);
    assert!(bytes.chunks(1 << 18).all(|c| c.iter().any(|b| *b != 0)));
    assert_eq!(g.bytes(BUF + (3 << 20), 16), [0; 16]);
    assert_eq!(g.call(|c| random::get(c, BUF, 0)), Ok(()));
}

#[test]
fn ends() {
    let g = Guest::new();
    assert_eq!(g.call(|c| proc::exit(c, 300)), Err(Fail::Exit(300)));
    assert_eq!(g.call(|c| proc::raise(c, 6)), Err(Fail::Killed(6)));
    assert_eq!(g.call(|c| proc::raise(c, 14)), Err(Fail::Killed(14)));
    assert_eq!(g.call(|c| proc::raise(c, 30)), Err(Fail::Killed(31)));
    for dropped in [0, 13, 16, 17, 18, 27] {
        assert_eq!(g.call(|c| proc::raise(c, dropped)), Ok(()));
    }
    assert_eq!(g.call(|c| proc::raise(c, 31)), errno(Errno::Inval));
    let nohup = Guest::with(Access::ReadWrite, |b| b.ignore_signals([1]));
    assert_eq!(nohup.call(|c| proc::raise(c, 1)), Ok(()));
    assert_eq!(nohup.call(|c| proc::raise(c, 2)), Err(Fail::Killed(2)));
    assert_eq!(g.call(crate::p1::sched::yield_), Ok(()));
}

#[test]
fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let g = Guest::with(Access::ReadWrite, |b| b.listener(listener));
    assert_eq!(g.fdstat(4).3, crate::p1::abi::filetype::SOCKET_STREAM);
    g.call(|c| fd::fdstat_set_flags(c, 4, 4)).unwrap();
    assert_eq!(g.call(|c| sock::accept(c, 4, 0, OUT)), errno(Errno::Again));
    g.call(|c| fd::fdstat_set_flags(c, 4, 0)).unwrap();
    use std::io::{Read, Write};
    let mut peer = TcpStream::connect(address).unwrap();
    assert_eq!(g.call(|c| sock::accept(c, 4, 1, OUT)), errno(Errno::Inval));
    g.call(|c| sock::accept(c, 4, 0, OUT)).unwrap();
    let s = g.u32(OUT);
    peer.write_all(b"question").unwrap();
    let (iovs, n) = g.iovs(&[(BUF, 3), (BUF + 100, 5)]);
    for flags in [1, 2] {
        g.call(|c| sock::recv(c, s, iovs, n, flags, OUT, OUT + 4)).unwrap();
        assert_eq!((g.u32(OUT), g.u16(OUT + 4), g.bytes(BUF + 100, 5)), (8, 0, b"stion".to_vec()));
    }
    assert_eq!(g.call(|c| sock::recv(c, s, iovs, n, 4, OUT, OUT + 4)), errno(Errno::Inval));
    assert_eq!(g.call(|c| sock::send(c, s, iovs, n, 1, OUT)), errno(Errno::Inval));
    g.call(|c| sock::send(c, s, iovs, n, 0, OUT)).unwrap();
    assert_eq!(g.write(s, b"!"), Ok(1));
    g.call(|c| sock::shutdown(c, s, 2)).unwrap();
    let mut got = String::new();
    peer.read_to_string(&mut got).unwrap();
    assert_eq!(got, "question!");
    let (iovs, n) = g.iovs(&[(BUF, 3)]);
    assert_eq!(g.call(|c| sock::send(c, s, iovs, n, 0, OUT)), errno(Errno::Pipe));
    assert_eq!(g.call(|c| sock::shutdown(c, s, 4)), errno(Errno::Inval));
    assert_eq!(g.call(|c| sock::shutdown(c, 3, 1)), errno(Errno::NotSock));
    assert_eq!(g.call(|c| sock::recv(c, 0, iovs, n, 0, OUT, OUT + 4)), errno(Errno::NotSock));
}

#[test]
fn what_cannot_be_built_says_why() {
    let build = |f: fn(WasiCtxBuilder) -> WasiCtxBuilder| f(WasiCtx::builder()).build().unwrap_err();
    assert!(matches!(build(|b| b.arg(*b"a\0")), BuildError::BadString(_)));
    assert!(matches!(build(|b| b.env("", "x")), BuildError::BadString(_)));
    assert!(matches!(build(|b| b.env("A=B", "x")), BuildError::BadString(_)));
    let tmp = || OwnedFd::from(std::fs::File::open("/").unwrap());
    let twice = WasiCtx::builder().preopen(tmp(), "/a", Access::ReadOnly).preopen(tmp(), "/a//", Access::ReadWrite).build();
    let message = "two directories, or one with different access, have the program's path \"/a//\"";
    assert_eq!(twice.unwrap_err().to_string(), message);
    let again = |a| WasiCtx::builder().preopen(tmp(), "/a", Access::ReadOnly).preopen(a, "/a//", Access::ReadOnly).build();
    again(tmp()).unwrap();
    assert!(matches!(again(std::fs::File::open("/usr").unwrap().into()), Err(BuildError::DuplicateGuestPath(_))));
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(matches!(WasiCtx::builder().preopen(null, "/a", Access::ReadOnly).build(), Err(BuildError::NotADirectory(_))));
    let missing = WasiCtx::builder().preopen_path("/missing/dir".as_ref(), "/a", Access::ReadOnly).unwrap_err();
    assert_eq!(missing.to_string(), "cannot open directory /missing/dir: No such file or directory (os error 2)");
}

#[test]
fn a_deterministic_guest_observes_its_seed_and_its_own_calls() {
    let observed = |seed| {
        let g = Guest::with(Access::ReadWrite, |b| b.deterministic(seed));
        let mut seen = Vec::new();
        for _ in 0..2 {
            for id in 0..4 {
                g.call(|c| clock::time_get(c, id, 0, OUT)).unwrap();
                seen.push(g.u64(OUT));
                g.call(|c| clock::res_get(c, id, OUT)).unwrap();
                seen.push(g.u64(OUT));
            }
        }
        g.call(|c| random::get(c, BUF, 10_000)).unwrap();
        (seen, g.bytes(BUF, 10_000), g)
    };
    let (times, bytes, g) = observed(1);
    assert_eq!(times[..4], [946_684_800_000_001_000, 1000, 2000, 1000]);
    assert_eq!(observed(1).0, times);
    assert_eq!(observed(1).1, bytes);
    assert_ne!(observed(2).1, bytes);
    g.call(|c| random::get(c, BUF, 10_000)).unwrap();
    assert_ne!(g.bytes(BUF, 10_000), bytes);
    assert_eq!(g.call(|c| random::get(c, MEMORY as u32 - 1, 2)), errno(Errno::Fault));
}

/// Whether standard input is a pipe or a file is not to be found out.
#[test]
fn streams_of_a_deterministic_guest_are_pipes() {
    let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
    let pipe = OwnedFd::from(std::io::pipe().unwrap().0);
    for stdin in [file, pipe] {
        let g = Guest::with(Access::ReadWrite, |b| b.stdin(stdin).deterministic(0));
        assert_eq!(g.call(|c| fd::advise(c, 0, 0, 0, 0)), errno(Errno::SPipe));
        assert_eq!(g.call(|c| fd::tell(c, 0, OUT)), errno(Errno::SPipe));
    }
}
