//! `fd_*` and the table of descriptors.

use super::*;
use crate::host::descriptor::{Descriptor, Sharing};
use crate::p1::abi::{Generation, fdflags, filetype, oflags};
use crate::p1::fd;
use crate::p1::handle::Handle;
use crate::p1::table::Table;
use sconce_engine::MemoryLimit;

#[test]
fn numbers_are_the_lowest_free_and_renumbering_closes() {
    let g = Guest::new();
    let [a, b, c] = ["a", "b", "c"].map(|n| g.open(n.as_bytes(), oflags::CREAT, READ | WRITE).unwrap());
    assert_eq!([a, b, c], [4, 5, 6]);
    g.write(a, b"first").unwrap();
    assert_eq!(g.call(|c| fd::close(c, 5)), Ok(()));
    assert_eq!(g.call(|c| fd::close(c, 5)), errno(Errno::BadF));
    assert_eq!(g.call(|c| fd::renumber(c, a, b)), errno(Errno::BadF), "the target must be open");
    assert_eq!(g.call(|call| fd::renumber(call, a, c)), Ok(()));
    assert_eq!(g.call(|c| fd::close(c, a)), errno(Errno::BadF));
    g.call(|call| fd::tell(call, c, OUT)).unwrap();
    assert_eq!(g.u64(OUT), 5);
    assert_eq!(g.open(b"b", 0, READ), Ok(4));
    assert_eq!(g.open(b"b", 0, READ), Ok(5));
    assert_eq!(g.call(|call| fd::renumber(call, c, c)), Ok(()));
    for bad in [u32::MAX, 1 << 31, 65_536] {
        assert_eq!(g.call(|c| fd::close(c, bad)), errno(Errno::BadF));
        assert_eq!(g.call(|c| fd::renumber(c, 4, bad)), errno(Errno::BadF));
    }
}

#[test]
fn reading_writing_seeking_in_both_generations() {
    let g = Guest::new();
    let f = g.open(b"f", oflags::CREAT, READ | WRITE).unwrap();
    assert_eq!(g.write(f, b"0123456789"), Ok(10));
    let seek = |generation, by, whence| {
        g.call(|c| fd::seek(c, generation, f, by, whence, OUT))?;
        Ok(g.u64(OUT))
    };
    assert_eq!(seek(Generation::Preview1, 2, 0), Ok(2));
    assert_eq!(seek(Generation::Preview1, 3, 1), Ok(5));
    assert_eq!(seek(Generation::Preview1, -1, 2), Ok(9));
    assert_eq!(seek(Generation::Unstable, 2, 2), Ok(2));
    assert_eq!(seek(Generation::Unstable, 3, 0), Ok(5));
    assert_eq!(seek(Generation::Unstable, -1, 1), Ok(9));
    assert_eq!(seek(Generation::Preview1, -1, 0), errno(Errno::Inval));
    assert_eq!(seek(Generation::Preview1, i64::MIN, 1), errno(Errno::Inval));
    assert_eq!(seek(Generation::Preview1, 0, 3), errno(Errno::Inval));
    assert_eq!(g.read(f, 100), Ok(b"9".to_vec()));
    let (iovs, n) = g.iovs(&[(BUF, 2), (BUF + 100, 3)]);
    g.call(|c| fd::pread(c, f, iovs, n, 4, OUT)).unwrap();
    assert_eq!((g.u32(OUT), g.bytes(BUF, 2), g.bytes(BUF + 100, 3)), (5, b"45".to_vec(), b"678".to_vec()));
    g.call(|c| fd::pwrite(c, f, iovs, n, 0, OUT)).unwrap();
    assert_eq!(seek(Generation::Preview1, 0, 0), Ok(0));
    assert_eq!(g.read(f, 100), Ok(b"4567856789".to_vec()));
    assert_eq!(g.call(|c| fd::pread(c, f, iovs, n, u64::MAX, OUT)), errno(Errno::Inval));
}

#[test]
fn all_rights_open_a_file_for_both_and_a_directory_for_reading() {
    let g = Guest::new();
    let f = g.open(b"f", oflags::CREAT, u64::MAX).unwrap();
    assert_eq!(g.write(f, b"x"), Ok(1));
    std::fs::create_dir(g.dir.path().join("d")).unwrap();
    assert_eq!(g.open(b"d", 0, u64::MAX), errno(Errno::IsDir));
    let d = g.open(b"d", oflags::DIRECTORY, !rights::FD_WRITE).unwrap();
    assert_eq!(g.fdstat(d).0, rights::DIRECTORY);
    assert_eq!(g.open(b"d", oflags::DIRECTORY | oflags::CREAT, READ), errno(Errno::Inval));
    assert_eq!(g.open(b"f", 1 << 4, READ), errno(Errno::Inval));
    assert_eq!(g.open_at(3, 2, b"f", 0, READ, 0), errno(Errno::Inval));
    assert_eq!(g.open_at(3, 0, b"f", 0, READ, 1 << 5), errno(Errno::Inval));
}

#[test]
fn flags_are_the_guests() {
    let g = Guest::new();
    let f = g.open(b"f", oflags::CREAT, u64::MAX).unwrap();
    assert_eq!(g.fdstat(f).2, 0, "that it was opened without waiting does not show");
    g.write(f, b"abc").unwrap();
    assert_eq!(g.call(|c| fd::fdstat_set_flags(c, f, u32::from(fdflags::APPEND | fdflags::SYNC))), Ok(()));
    assert_eq!(g.fdstat(f).2, fdflags::APPEND | fdflags::SYNC);
    g.call(|c| fd::seek(c, Generation::Preview1, f, 0, 0, OUT)).unwrap();
    g.write(f, b"def").unwrap();
    assert_eq!(std::fs::read(g.dir.path().join("f")).unwrap(), b"abcdef");
    assert_eq!(g.call(|c| fd::fdstat_set_flags(c, f, u32::from(fdflags::NONBLOCK | fdflags::DSYNC))), Ok(()));
    assert_eq!(g.fdstat(f).2, fdflags::NONBLOCK | fdflags::DSYNC);
    assert_eq!(g.write(f, b"!"), Ok(1));
    assert_eq!(g.call(|c| fd::fdstat_set_flags(c, f, 1 << 5)), errno(Errno::Inval));
    assert_eq!(g.call(|c| fd::fdstat_set_flags(c, f, 1 << 16)), errno(Errno::Inval));
    let s = g.open_at(3, 0, b"f", 0, u64::MAX, u32::from(fdflags::SYNC | fdflags::APPEND)).unwrap();
    assert_eq!(g.fdstat(s).2, fdflags::SYNC | fdflags::APPEND);
}

#[test]
fn sizes_and_times() {
    let g = Guest::new();
    let f = g.open(b"f", oflags::CREAT, u64::MAX).unwrap();
    assert_eq!(g.call(|c| fd::allocate(c, f, 0, 100)), Ok(()));
    assert_eq!(g.call(|c| fd::allocate(c, f, u64::MAX, 1)), errno(Errno::Inval));
    assert_eq!(g.call(|c| fd::filestat_set_size(c, f, 7)), Ok(()));
    assert_eq!(g.call(|c| fd::filestat_set_size(c, f, 1 << 63)), errno(Errno::Inval));
    assert_eq!(g.call(|c| fd::advise(c, f, 0, 0, 3)), Ok(()));
    assert_eq!(g.call(|c| fd::advise(c, f, 0, 0, 6)), errno(Errno::Inval));
    assert_eq!(g.call(|c| fd::advise(c, f, 1 << 63, 0, 0)), errno(Errno::Inval));
    assert_eq!((g.call(|c| fd::sync(c, f)), g.call(|c| fd::datasync(c, f))), (Ok(()), Ok(())));
    let set = |atim, mtim, flags| g.call(|c| fd::filestat_set_times(c, f, atim, mtim, flags));
    assert_eq!(set(1_500_000_001, 2_999_999_999, 1 | 4), Ok(()));
    g.call(|c| fd::filestat_get(c, Generation::Preview1, f, OUT)).unwrap();
    assert_eq!([g.u64(OUT + 24), g.u64(OUT + 32), g.u64(OUT + 40), g.u64(OUT + 48)], [1, 7, 1_500_000_001, 2_999_999_999]);
    assert_eq!(set(0, 0, 1 | 2), errno(Errno::Inval));
    assert_eq!(set(0, 0, 16), errno(Errno::Inval));
    // The kernel clamps what the file system cannot keep; nothing here may panic.
    assert_eq!(set(u64::MAX, u64::MAX, 1 | 4), Ok(()));
    assert_eq!(set(0, 0, 8), Ok(()));
    g.call(|c| fd::filestat_get(c, Generation::Unstable, f, OUT)).unwrap();
    assert_eq!((g.u32(OUT + 20), g.u64(OUT + 24)), (1, 7));
    assert!(g.u64(OUT + 40) > 1_600_000_000_000_000_000);
}

#[test]
fn preopens_are_found_from_3_on_until_badf() {
    let g = Guest::new();
    g.call(|c| fd::prestat_get(c, 3, OUT)).unwrap();
    assert_eq!((g.u32(OUT), g.u32(OUT + 4)), (0, 5));
    assert_eq!(g.call(|c| fd::prestat_dir_name(c, 3, BUF, 4)), errno(Errno::NameTooLong));
    assert_eq!(g.call(|c| fd::prestat_dir_name(c, 3, BUF, 5)), Ok(()));
    assert_eq!(g.bytes(BUF, 6), b"/data\0");
    assert_eq!(g.call(|c| fd::prestat_get(c, 4, OUT)), errno(Errno::BadF));
    assert_eq!(g.call(|c| fd::prestat_get(c, 0, OUT)), errno(Errno::BadF));
}

/// Name, cookie and type of each entry, read with a buffer of this size.
fn entries(g: &Guest, d: u32, size: u32) -> Vec<(Vec<u8>, u64, u8)> {
    let (mut all, mut cookie) = (Vec::new(), 0);
    loop {
        g.call(|c| readdir::readdir(c, d, BUF, size, cookie, OUT)).unwrap();
        let used = g.u32(OUT);
        let mut at = 0;
        while at + 24 <= used {
            let len = g.u32(BUF + at + 16);
            if at + 24 + len > used {
                break;
            }
            cookie = g.u64(BUF + at);
            all.push((g.bytes(BUF + at + 24, len), cookie, g.bytes(BUF + at + 20, 1)[0]));
            at += 24 + len;
        }
        if used < size {
            return all;
        }
        assert!(at > 0, "a buffer of {size} holds no entry");
    }
}

#[test]
fn directories_are_read_in_pieces() {
    let g = Guest::new();
    let mut names: Vec<Vec<u8>> = (0..300).map(|i| format!("{i:0width$}", width = 1 + i % 200).into_bytes()).collect();
    names.sort();
    names.dedup();
    for n in &names {
        std::fs::write(g.dir.path().join(std::str::from_utf8(n).unwrap()), "").unwrap();
    }
    names.extend([b".".to_vec(), b"..".to_vec()]);
    names.sort();
    let whole = entries(&g, 3, 4 << 20);
    let mut found: Vec<_> = whole.iter().map(|e| e.0.clone()).collect();
    found.sort();
    assert_eq!(found, names);
    assert_eq!(whole.iter().filter(|e| e.2 == filetype::DIRECTORY).count(), 2);
    for size in [24 + 255, 512, 4096, 10_000] {
        assert_eq!(entries(&g, 3, size), whole, "in pieces of {size}");
    }
    // A cookie stays good when entries before it go.
    let (_, cookie, _) = whole[100];
    for (name, ..) in whole[..50].iter().filter(|e| !e.0.starts_with(b".")) {
        std::fs::remove_file(g.dir.path().join(std::str::from_utf8(name).unwrap())).unwrap();
    }
    g.call(|c| readdir::readdir(c, 3, BUF, 1024, cookie, OUT)).unwrap();
    assert_eq!(g.bytes(BUF + 24, g.u32(BUF + 16)), whole[101].0);
    // Programs keep 32 bits of a cookie, and may have got it from another descriptor of the same directory.
    assert!(whole.iter().all(|e| e.1 <= i32::MAX as u64));
    let again = g.open(b".", oflags::DIRECTORY, !rights::FD_WRITE).unwrap();
    let now = entries(&g, 3, 4096);
    g.call(|c| readdir::readdir(c, again, BUF, 1024, now[60].1, OUT)).unwrap();
    assert_eq!(g.bytes(BUF + 24, g.u32(BUF + 16)), now[61].0);
    assert_eq!(entries(&g, again, 4096), now);
    // Less than an entry's head: cut, and full.
    g.call(|c| readdir::readdir(c, 3, BUF, 10, 0, OUT)).unwrap();
    assert_eq!(g.u32(OUT), 10);
    g.call(|c| readdir::readdir(c, 3, BUF, 0, 0, OUT)).unwrap();
    assert_eq!(g.u32(OUT), 0);
    assert_eq!(g.call(|c| readdir::readdir(c, 3, BUF, 100, (1 << 20) + 1, OUT)), errno(Errno::Inval));
    g.call(|c| readdir::readdir(c, 3, BUF, 100, 1 << 20, OUT)).unwrap();
    assert_eq!(g.u32(OUT), 0, "past the end");
}

#[test]
fn without_room_for_positions_directories_are_read_all_the_same() {
    let mut g = Guest::new();
    g.ctx.room = crate::p1::positions::Room::new(50);
    for i in 0..200 {
        std::fs::write(g.dir.path().join(i.to_string()), "").unwrap();
    }
    // Another directory has most of it.
    let other = g.open(b".", oflags::DIRECTORY, !rights::FD_WRITE).unwrap();
    assert_eq!(entries(&g, other, 4096).len(), 202);
    for size in [300, 4096] {
        let found = entries(&g, 3, size);
        assert_eq!(found.len(), 202);
        assert!(found[49..].iter().all(|e| e.1 > u64::from(u32::MAX)), "the kernel's cookies");
    }
    g.call(|c| fd::close(c, other)).unwrap();
    assert!(entries(&g, 3, 4096)[..49].iter().all(|e| e.1 <= u64::from(u32::MAX)));
}

#[test]
fn nothing_is_leaked() {
    let before = open_descriptors();
    let g = Guest::new();
    for _ in 0..200 {
        let f = g.open(b"f", oflags::CREAT, READ).unwrap();
        assert_eq!(g.open(b"f", oflags::CREAT | oflags::EXCL, READ), errno(Errno::Exist));
        assert_eq!(g.open(b"f/", 0, READ), errno(Errno::NotDir));
        assert_eq!(g.open(b"../f", 0, READ), errno(Errno::Perm));
        g.call(|c| fd::close(c, f)).unwrap();
    }
    // Other tests run meanwhile, with a few descriptors each.
    assert!(open_descriptors() < before + 150);
}

#[test]
fn the_table_is_bounded() {
    let table = Table::new(2, &MemoryLimit::default());
    let add = || {
        let file = std::fs::File::open("/dev/null").unwrap();
        table.insert(Handle::new(Descriptor::new(file.into(), Sharing::Own, Access::ReadWrite).unwrap()))
    };
    assert_eq!([add(), add(), add()], [Ok(0), Ok(1), errno(Errno::MFile)]);
    table.remove(0).unwrap();
    assert_eq!([add(), add()], [Ok(0), errno(Errno::MFile)]);
}
