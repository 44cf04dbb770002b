//! Directories that are kept from the guest, and how giving them is refused.

use super::*;
use crate::p1::abi::{Generation, oflags};
use crate::{BuildError, Refusal};
use std::fs::File;

#[test]
fn no_function_leads_into_one() {
    for access in [Access::ReadWrite, Access::ReadOnly] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("above/own/dir")).unwrap();
        std::fs::write(dir.path().join("above/own/file"), "x").unwrap();
        let given = |b: WasiCtxBuilder| {
            let b = b.preopen_path(dir.path(), "/whole", access).unwrap();
            b.mask(dir.path().join("above/own")).mask(dir.path().join("missing/own"))
        };
        let g = Guest::with(access, given);
        for name in [&b"above/own"[..], b"above/own/file", b"above/own/dir/", b"above/own/new", b"missing", b"missing/own"] {
            let n = g.put(TEXT, name);
            let other = g.put(TEXT2, b"other");
            for (oflags, base) in [(0, READ), (oflags::DIRECTORY, READ), (oflags::TRUNC, WRITE), (0, WRITE)] {
                assert_eq!(g.open_at(4, 1, name, oflags, base, 0), errno(Errno::Perm), "{access:?}");
            }
            if !name.ends_with(b"/") {
                assert_eq!(g.open_at(4, 1, name, oflags::CREAT, WRITE, 0), errno(Errno::Perm));
                assert_eq!(g.open_at(4, 1, name, oflags::CREAT | oflags::EXCL, WRITE, 0), errno(Errno::Perm));
            }
            let n = g.put(n.0, name);
            assert_eq!(g.call(|c| path::filestat_get(c, Generation::Preview1, 4, 0, n, OUT)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::filestat_set_times(c, 4, 1, n, (1, 1), 5)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::create_directory(c, 4, n)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::remove_directory(c, 4, n)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::unlink_file(c, 4, n)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::rename(c, 4, n, 3, other)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::link(c, 4, 0, n, 3, other)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::symlink(c, other, 4, n)), errno(Errno::Perm));
            assert_eq!(g.call(|c| path::readlink(c, 4, n, BUF, 100, OUT)), errno(Errno::Perm));
        }
        let above = g.open_at(4, 1, b"above", oflags::DIRECTORY, READ | rights::PATH_OPEN, 0).unwrap();
        assert_eq!(g.open_at(above, 1, b"own/file", 0, READ, 0), errno(Errno::Perm));
        assert_eq!(std::fs::read(dir.path().join("above/own/file")).unwrap(), b"x");
    }
}

#[test]
fn giving_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("own/dir")).unwrap();
    let own = dir.path().join("own");
    let build = |b: WasiCtxBuilder| b.mask(&own).build();
    let open = |path: &std::path::Path| File::open(path).unwrap();
    for given in [own.clone(), own.join("dir"), own.join("dir/../dir")] {
        let by_path = build(WasiCtx::builder().preopen_path(&given, "/x", Access::ReadOnly).unwrap());
        for built in [
            by_path,
            build(WasiCtx::builder().preopen(open(&given), "/x", Access::ReadWrite)),
            build(WasiCtx::builder().descriptor(open(&given))),
        ] {
            assert!(matches!(built, Err(BuildError::Refused { why: Refusal::Masked(path), .. }) if path == own), "{given:?}");
        }
    }
    for built in [
        WasiCtx::builder().preopen(open("/proc".as_ref()), "/x", Access::ReadOnly).build(),
        WasiCtx::builder().descriptor(open("/proc/self".as_ref())).build(),
    ] {
        assert!(matches!(built, Err(BuildError::Refused { why: Refusal::Controls(_), .. })));
    }
    // A file is what it is; a directory as a stream gives nothing of what is in it.
    let file = open("/proc/self/status".as_ref());
    WasiCtx::builder().stdin(open("/proc".as_ref())).descriptor(file).build().unwrap();
    build(WasiCtx::builder().preopen(open(dir.path()), "/x", Access::ReadWrite)).unwrap();
}
