//! Each operation with its rights taken away, and with none asked for.

use super::*;
use crate::p1::abi::{Generation::Preview1, filetype, oflags};
use crate::p1::{fd, poll};

/// An operation on descriptor 4, and the rights that it takes.
type Operation = (&'static str, u64, fn(&Call<'_>) -> Outcome);

const F: (u32, u32) = (TEXT, 1);
const LINK: (u32, u32) = (TEXT + 16, 4);
const EMPTY: (u32, u32) = (TEXT + 32, 5);
const NEW: (u32, u32) = (TEXT + 48, 3);

fn open_file(c: &Call<'_>, name: (u32, u32), oflags: u32) -> Outcome {
    path::open(c, 4, name, &path::Open { lookup: 0, oflags, base: 0, inheriting: 0, fdflags: 0 }, OUT)
}

/// Of a file. The list in memory has one buffer of four bytes.
const OF_FILES: &[Operation] = &[
    ("fd_read", rights::FD_READ, |c| fd::read(c, 4, IOVS, 1, OUT)),
    ("fd_pread", rights::FD_READ | rights::FD_SEEK, |c| fd::pread(c, 4, IOVS, 1, 0, OUT)),
    ("fd_write", rights::FD_WRITE, |c| fd::write(c, 4, IOVS, 1, OUT)),
    ("fd_pwrite", rights::FD_WRITE | rights::FD_SEEK, |c| fd::pwrite(c, 4, IOVS, 1, 0, OUT)),
    ("fd_seek", rights::FD_SEEK, |c| fd::seek(c, Preview1, 4, 1, 0, OUT)),
    ("fd_tell", rights::FD_TELL, |c| fd::tell(c, 4, OUT)),
    ("fd_sync", rights::FD_SYNC, |c| fd::sync(c, 4)),
    ("fd_datasync", rights::FD_DATASYNC, |c| fd::datasync(c, 4)),
    ("fd_advise", rights::FD_ADVISE, |c| fd::advise(c, 4, 0, 0, 0)),
    ("fd_allocate", rights::FD_ALLOCATE, |c| fd::allocate(c, 4, 0, 8)),
    ("fd_fdstat_set_flags", rights::FD_FDSTAT_SET_FLAGS, |c| fd::fdstat_set_flags(c, 4, 0)),
    ("fd_filestat_get", rights::FD_FILESTAT_GET, |c| fd::filestat_get(c, Preview1, 4, OUT)),
    ("fd_filestat_set_size", rights::FD_FILESTAT_SET_SIZE, |c| fd::filestat_set_size(c, 4, 2)),
    ("fd_filestat_set_times", rights::FD_FILESTAT_SET_TIMES, |c| fd::filestat_set_times(c, 4, 1, 1, 5)),
];

/// Of a directory, which has a file, a link and an empty directory in it.
const OF_DIRECTORIES: &[Operation] = &[
    ("fd_sync", rights::FD_SYNC, |c| fd::sync(c, 4)),
    ("fd_datasync", rights::FD_DATASYNC, |c| fd::datasync(c, 4)),
    ("fd_fdstat_set_flags", rights::FD_FDSTAT_SET_FLAGS, |c| fd::fdstat_set_flags(c, 4, 0)),
    ("fd_filestat_get", rights::FD_FILESTAT_GET, |c| fd::filestat_get(c, Preview1, 4, OUT)),
    ("fd_filestat_set_times", rights::FD_FILESTAT_SET_TIMES, |c| fd::filestat_set_times(c, 4, 1, 1, 5)),
    ("fd_readdir", rights::FD_READDIR, |c| readdir::readdir(c, 4, BUF, 1000, 0, OUT)),
    ("path_create_directory", rights::PATH_CREATE_DIRECTORY, |c| path::create_directory(c, 4, NEW)),
    ("path_filestat_get", rights::PATH_FILESTAT_GET, |c| path::filestat_get(c, Preview1, 4, 0, F, OUT)),
    ("path_filestat_set_times", rights::PATH_FILESTAT_SET_TIMES, |c| path::filestat_set_times(c, 4, 0, F, (1, 1), 5)),
    ("path_link from", rights::PATH_LINK_SOURCE, |c| path::link(c, 4, 0, F, 3, NEW)),
    ("path_link to", rights::PATH_LINK_TARGET, |c| path::link(c, 3, 0, F, 4, NEW)),
    ("path_open", rights::PATH_OPEN, |c| open_file(c, F, 0)),
    ("path_open to create", rights::PATH_OPEN | rights::PATH_CREATE_FILE, |c| open_file(c, NEW, oflags::CREAT)),
    ("path_open to cut", rights::PATH_OPEN | rights::PATH_FILESTAT_SET_SIZE, |c| open_file(c, F, oflags::TRUNC)),
    ("path_readlink", rights::PATH_READLINK, |c| path::readlink(c, 4, LINK, BUF, 10, OUT)),
    ("path_remove_directory", rights::PATH_REMOVE_DIRECTORY, |c| path::remove_directory(c, 4, EMPTY)),
    ("path_rename from", rights::PATH_RENAME_SOURCE, |c| path::rename(c, 4, F, 3, NEW)),
    ("path_rename to", rights::PATH_RENAME_TARGET, |c| path::rename(c, 3, F, 4, NEW)),
    ("path_symlink", rights::PATH_SYMLINK, |c| path::symlink(c, F, 4, NEW)),
    ("path_unlink_file", rights::PATH_UNLINK_FILE, |c| path::unlink_file(c, 4, F)),
];

/// A guest whose directories are as the operations want them.
fn guest() -> Guest {
    let g = Guest::new();
    let d = g.dir.path().join("d");
    std::fs::create_dir_all(d.join("empty")).unwrap();
    std::fs::write(d.join("f"), "text").unwrap();
    std::fs::write(g.dir.path().join("f"), "text").unwrap();
    std::os::unix::fs::symlink("f", d.join("link")).unwrap();
    for (at, name) in [(F, "f"), (LINK, "link"), (EMPTY, "empty"), (NEW, "new")] {
        g.put(at.0, name.as_bytes());
    }
    g.put(BUF, b"more");
    g.iovs(&[(BUF, 4)]);
    g
}

/// Opens the file or the directory as descriptor 4, asking for these rights.
fn open(g: &Guest, directory: bool, base: u64) -> Outcome<u32> {
    let name = g.put(TEXT2, if directory { b"d" } else { b"f" });
    let oflags = if directory { oflags::DIRECTORY } else { 0 };
    g.call(|c| path::open(c, 3, name, &path::Open { lookup: 0, oflags, base, inheriting: 0, fdflags: 0 }, OUT))?;
    Ok(g.u32(OUT))
}

/// Each operation, whether it is a directory's, and what has to be asked for so that the file is
/// opened for it.
fn operations() -> impl Iterator<Item = (Operation, bool, u64)> {
    let of_files = OF_FILES.iter().map(|&op| (op, false, rights::FD_READ | rights::FD_WRITE));
    of_files.chain(OF_DIRECTORIES.iter().map(|&op| (op, true, 0)))
}

/// The rights in a set, one at a time.
fn each(set: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|n| 1 << n).filter(move |right| set & right != 0)
}

#[test]
fn what_was_not_asked_for_is_not_missing() {
    for ((name, _, op), directory, mode) in operations() {
        let g = guest();
        assert_eq!(open(&g, directory, mode), Ok(4));
        assert_eq!(g.call(op), Ok(()), "{name}");
    }
}

#[test]
fn what_was_taken_away_is_missing() {
    for ((name, needed, op), directory, mode) in operations() {
        for right in each(needed) {
            let g = guest();
            open(&g, directory, mode).unwrap();
            let (base, inheriting, ..) = g.fdstat(4);
            assert_eq!(g.call(|c| fd::fdstat_set_rights(c, 4, base & !right, inheriting)), Ok(()));
            assert_eq!(g.fdstat(4).0, base & !right);
            assert_eq!(g.call(op), errno(Errno::NotCapable), "{name} without {right:#x}");
            // It does not come back.
            assert_eq!(g.call(|c| fd::fdstat_set_rights(c, 4, base, inheriting)), errno(Errno::NotCapable));
        }
        // All others may go.
        let g = guest();
        open(&g, directory, mode).unwrap();
        assert_eq!(g.call(|c| fd::fdstat_set_rights(c, 4, needed, 0)), Ok(()));
        assert_eq!(g.call(op), Ok(()), "{name} with {needed:#x} alone");
    }
}

#[test]
fn what_a_directory_does_not_pass_on_is_missing() {
    for ((name, needed, op), directory, mode) in operations() {
        for right in each(needed) {
            let g = guest();
            let (base, inheriting, ..) = g.fdstat(3);
            assert_eq!(g.call(|c| fd::fdstat_set_rights(c, 3, base, inheriting & !right)), Ok(()));
            if mode & right != 0 {
                assert_eq!(open(&g, directory, mode), errno(Errno::NotCapable), "{name} without {right:#x}");
                continue;
            }
            assert_eq!(open(&g, directory, mode | right), errno(Errno::NotCapable), "asked for {right:#x}");
            assert_eq!(open(&g, directory, mode), Ok(4));
            assert_eq!(g.call(op), errno(Errno::NotCapable), "{name} without {right:#x}");
            if directory {
                assert_eq!(g.fdstat(4).1, inheriting & !right, "it is passed on to nothing below");
            }
        }
    }
}

#[test]
fn what_is_not_read_or_written_is_a_mistake_of_another_kind() {
    let g = guest();
    let (reading, writing) = (open(&g, false, rights::FD_READ).unwrap(), open(&g, false, rights::FD_WRITE).unwrap());
    assert_eq!((g.write(reading, b"x"), g.read(writing, 1)), (errno(Errno::BadF), errno(Errno::BadF)));
    // Asked for nothing: programs do so of directories, and of what they only look at.
    let neither = open(&g, false, 0).unwrap();
    assert_eq!((g.read(neither, 9), g.write(neither, b"x")), (Ok(b"text".to_vec()), errno(Errno::BadF)));
    // A path below something that is no directory, and its entries.
    assert_eq!(g.call(|c| path::unlink_file(c, reading, F)), errno(Errno::NotDir));
    assert_eq!(g.call(|c| readdir::readdir(c, reading, BUF, 100, 0, OUT)), errno(Errno::NotDir));
}

#[test]
fn the_report_is_what_can_be_done() {
    let g = guest();
    let report = |fd| {
        let (base, inheriting, _, kind) = g.fdstat(fd);
        (base, inheriting, kind)
    };
    assert_eq!(report(3), (rights::DIRECTORY, rights::OPENED, filetype::DIRECTORY));
    let [reading, writing, both] = [rights::FD_READ, rights::FD_WRITE, rights::FD_READ | rights::FD_WRITE]
        .map(|base| report(open(&g, false, base).unwrap()));
    let read_only = rights::FILE & !rights::MUTATE | rights::FD_FILESTAT_SET_TIMES;
    assert_eq!(reading, (read_only, 0, filetype::REGULAR_FILE));
    assert_eq!(writing, (rights::FILE & !rights::FD_READ, 0, filetype::REGULAR_FILE));
    assert_eq!(both, (rights::FILE, 0, filetype::REGULAR_FILE));
    assert_eq!(report(open(&g, true, 0).unwrap()), (rights::DIRECTORY, rights::OPENED, filetype::DIRECTORY));
}

/// Directories opened as Zig's standard library and Go's `os.Root` open them, and files through
/// these.
#[test]
fn real_programs_open_files_below_directories() {
    const ZIG: u64 = 0x07bf_fe08;
    const GO: u64 = 0x07b7_fe1c;
    let g = guest();
    let open = |dir, name: &[u8], oflags, base, inheriting| -> Outcome<u32> {
        let name = g.put(TEXT2, name);
        g.call(|c| path::open(c, dir, name, &path::Open { lookup: 0, oflags, base, inheriting, fdflags: 0 }, OUT))?;
        Ok(g.u32(OUT))
    };
    // Later versions pass on nothing at all. All of them look at what is reported as passed on
    // before they say that a file can be read or written.
    for inheriting in [ZIG, 0] {
        let d = open(3, b"d", oflags::DIRECTORY, ZIG, inheriting).unwrap();
        assert_eq!(g.fdstat(d).1, rights::OPENED);
        let f = open(d, b"f", 0, 0x0820_0026, 0).unwrap();
        assert_eq!(g.read(f, 9), Ok(b"text".to_vec()));
    }
    let d = open(3, b"d", oflags::DIRECTORY, GO, u64::MAX).unwrap();
    let f = open(d, b"new", oflags::CREAT | oflags::TRUNC, u64::MAX, u64::MAX).unwrap();
    assert_eq!(g.write(f, b"text"), Ok(4));
}

#[test]
fn waiting_takes_rights_that_were_not_taken_away() {
    for (kept, error) in [
        (rights::FD_READ | rights::POLL_FD_READWRITE, Errno::Success),
        (rights::FD_READ, Errno::NotCapable),
        (rights::POLL_FD_READWRITE, Errno::NotCapable),
    ] {
        let g = guest();
        let f = open(&g, false, rights::FD_READ).unwrap();
        g.call(|c| fd::fdstat_set_rights(c, f, kept, 0)).unwrap();
        let mut subscription = [0; 48];
        (subscription[8], subscription[16]) = (1, f as u8);
        g.put(BUF, &subscription);
        assert_eq!(g.call(|c| poll::oneoff(c, Preview1, BUF, BUF + 1000, 1, OUT)), Ok(()));
        assert_eq!(g.u16(BUF + 1000 + 8), error as u16, "with {kept:#x}");
    }
}
