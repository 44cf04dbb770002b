//! Both ways to resolve, on the same trees: equal results, and nothing outside is ever touched.

mod controls;
mod masks;

use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory with a tree that must not change, `outside`, and one for the guest, `inside`.
struct Trees {
    dir: tempfile::TempDir,
}

impl Trees {
    fn new() -> Trees {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for d in ["outside/dir", "inside/dir/deep", "inside/empty"] {
            fs::create_dir_all(root.join(d)).unwrap();
        }
        for f in ["outside/secret", "outside/dir/secret", "inside/file", "inside/dir/file", "inside/dir/deep/file"] {
            fs::write(root.join(f), f).unwrap();
        }
        for (text, name) in [
            ("../outside", "out"),
            ("../outside/secret", "out-file"),
            ("dir/../../outside/dir", "out-late"),
            ("..", "up"),
            ("dir/../..", "up-late"),
            ("loop", "loop"),
            ("missing", "dangling"),
            ("../outside/missing", "out-dangling"),
            ("file", "to-file"),
            ("dir", "to-dir"),
            ("dir/", "to-dir-slash"),
            ("dir/..", "to-here"),
            ("to-to-dir", "dir/to-none"),
            ("../to-dir/deep", "dir/back"),
            ("to-file", "to-to-file"),
        ] {
            symlink(text, root.join("inside").join(name)).unwrap();
        }
        symlink(root.join("outside"), root.join("inside/absolute")).unwrap();
        symlink("/", root.join("inside/root")).unwrap();
        Trees { dir }
    }

    fn inside(&self) -> OwnedFd {
        rustix::fs::open(self.dir.path().join("inside"), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .unwrap()
    }

    /// All there is to see of a subtree but access times of what is read.
    fn look(&self, tree: &str) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        look(&self.dir.path().join(tree), &mut seen);
        seen
    }
}

fn look(path: &Path, seen: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let content = match () {
        () if meta.is_dir() => fs::read_dir(path).unwrap().map(|e| look(&e.unwrap().path(), seen)).count().to_string(),
        () if meta.is_symlink() => format!("{:?}", fs::read_link(path).unwrap()),
        () => String::from_utf8(fs::read(path).unwrap()).unwrap(),
    };
    let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    let known = format!("{:o} {} {} {times:?} {content}", meta.mode(), meta.ino(), meta.nlink());
    seen.insert(path.to_string_lossy().into_owned(), known);
}

/// Paths that would lead out, all of them refused.
const ESCAPES: &[&str] = &[
    "..",
    "../",
    "../outside",
    "../outside/secret",
    "../outside/dir",
    "../outside/dir/",
    "../inside/file",
    "dir/../..",
    "dir/../../outside/secret",
    "dir/./..//../outside/secret",
    "out/",
    "out/secret",
    "out/dir",
    "out/dir/../secret",
    "out/missing",
    "out-late/secret",
    "up/outside/secret",
    "up-late/outside/secret",
    "up/inside/file",
    "absolute/secret",
    "absolute/",
    "root/etc/passwd",
    "root/",
    "to-dir/../../outside/secret",
    "/",
    "/etc/passwd",
    "//",
];

/// A directory, as a guest holds it that was given it.
fn held<'a>(resolver: &Resolver, dir: &'a OwnedFd) -> Base<'a> {
    Base { fd: dir.as_fd(), place: resolver.fit(dir.as_fd()).unwrap().unwrap() }
}

fn path(bytes: &[u8]) -> GuestPath<'_> {
    GuestPath::new(bytes).unwrap()
}

/// Every operation, on one path: what each gives. Files that it opens for writing are written to.
fn every_operation(r: &Resolver, base: Base<'_>, p: &[u8]) -> Vec<(&'static str, Result<()>)> {
    let p = match GuestPath::new(p) {
        Ok(p) => p,
        Err(e) => return vec![("path", Err(e))],
    };
    let other = || path(b"dir/other");
    let now = || Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
        last_modification: rustix::fs::Timespec { tv_sec: 2, tv_nsec: 0 },
    };
    let open = |flags: OFlags, follow| {
        r.open(base, p, follow, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o666)).map(|found| {
            // Where it may be written to, it must not be outside.
            let _ = rustix::io::write(found.file, b"x");
        })
    };
    let rw = OFlags::RDWR;
    let mut text = [0; 4096];
    vec![
        ("stat", r.stat(base, p, Follow::No).map(drop)),
        ("stat follow", r.stat(base, p, Follow::Yes).map(drop)),
        ("open", open(OFlags::RDONLY, Follow::Yes)),
        ("open write", open(rw, Follow::Yes)),
        ("open write nofollow", open(rw, Follow::No)),
        ("open truncate", open(rw | OFlags::TRUNC, Follow::Yes)),
        ("open create", open(rw | OFlags::CREATE, Follow::Yes)),
        ("open create nofollow", open(rw | OFlags::CREATE, Follow::No)),
        ("open exclusive", open(rw | OFlags::CREATE | OFlags::EXCL, Follow::Yes)),
        ("open directory", open(OFlags::DIRECTORY, Follow::Yes)),
        ("open directory nofollow", open(OFlags::DIRECTORY, Follow::No)),
        ("readlink", r.readlink(base, p, &mut text).map(drop)),
        ("times", r.set_times(base, p, Follow::No, &now())),
        ("times follow", r.set_times(base, p, Follow::Yes, &now())),
        ("link from", r.link((base, p), Follow::No, (base, other()))),
        ("unlink other", r.unlink(base, other())),
        ("link from follow", r.link((base, p), Follow::Yes, (base, other()))),
        ("link to", r.link((base, path(b"file")), Follow::No, (base, p))),
        ("symlink", r.symlink(b"file", base, p)),
        ("mkdir", r.mkdir(base, p)),
        ("rename from", r.rename((base, p), (base, path(b"dir/renamed")))),
        ("rename back", r.rename((base, path(b"dir/renamed")), (base, p))),
        ("rename to", r.rename((base, path(b"dir/file")), (base, p))),
        ("unlink", r.unlink(base, p)),
        ("rmdir", r.rmdir(base, p)),
    ]
}

/// Both ways to resolve.
fn both() -> [Resolver; 2] {
    [Resolver::probed(&[]).expect("no masks"), Resolver::walking(&[])]
}

#[test]
fn nothing_outside_is_touched_and_escapes_are_refused() {
    for resolver in both() {
        for escape in ESCAPES {
            let trees = Trees::new();
            let before = trees.look("outside");
            let base = trees.inside();
            for (operation, result) in every_operation(&resolver, held(&resolver, &base), escape.as_bytes()) {
                // Names of these operations that come before any file is looked for.
                if operation == "rename back" || operation == "unlink other" {
                    continue;
                }
                // A link and a slash: operations on names refuse the slash, and do not look where the link leads.
                let own = ["out/", "absolute/", "root/"].contains(escape)
                    && matches!(result, Err(Errno::ISDIR | Errno::NOTDIR | Errno::EXIST));
                assert!(own || result == Err(Errno::PERM), "{operation} {escape} {resolver:?}: {result:?}");
            }
            assert_eq!(trees.look("outside"), before, "{escape} {resolver:?}");
        }
    }
}

#[test]
fn links_that_lead_out_are_names_like_others_until_they_are_followed() {
    for resolver in both() {
        for link in ["out", "out-file", "absolute", "root", "up", "out-dangling", "out-late"] {
            let trees = Trees::new();
            let before = trees.look("outside");
            let base = trees.inside();
            let (base, p) = (held(&resolver, &base), path(link.as_bytes()));
            assert_eq!(resolver.stat(base, p, Follow::Yes).map(drop), Err(Errno::PERM), "{link}");
            for flags in [OFlags::RDONLY, OFlags::RDWR | OFlags::TRUNC, OFlags::RDWR | OFlags::CREATE, OFlags::DIRECTORY] {
                assert_eq!(resolver.open(base, p, Follow::Yes, flags, Mode::empty()).map(drop), Err(Errno::PERM), "{link}");
            }
            assert!(resolver.stat(base, p, Follow::No).is_ok(), "{link}");
            let mut text = [0; 4096];
            let n = resolver.readlink(base, p, &mut text).unwrap();
            let wanted = fs::read_link(trees.dir.path().join("inside").join(link)).unwrap();
            assert_eq!(&text[..n], wanted.as_os_str().as_encoded_bytes());
            every_operation(&resolver, base, link.as_bytes());
            assert_eq!(trees.look("outside"), before, "{link} {resolver:?}");
        }
    }
}

#[test]
fn shapes_of_paths() {
    assert_eq!(GuestPath::new(b"").map(drop), Err(Errno::NOENT));
    assert_eq!(GuestPath::new(b"a\0").map(drop), Err(Errno::INVAL));
    assert_eq!(GuestPath::new(b"a\0/../../outside").map(drop), Err(Errno::INVAL));
    assert_eq!(GuestPath::new(&[b'a'; PATH_MAX + 1]).map(drop), Err(Errno::NAMETOOLONG));
    assert_eq!(GuestPath::new(b"/file").map(drop), Err(Errno::PERM));
    for resolver in both() {
        let trees = Trees::new();
        let base = trees.inside();
        let base = held(&resolver, &base);
        let stat = |p: &[u8]| resolver.stat(base, path(p), Follow::Yes).map(drop);
        assert_eq!(stat(&[b'a'; 256]), Err(Errno::NAMETOOLONG));
        assert_eq!(stat(&[b'a'; PATH_MAX]), Err(Errno::NAMETOOLONG));
        assert_eq!(stat(&b"./".repeat(PATH_MAX / 2)), Ok(()));
        assert_eq!(stat(b"file/"), Err(Errno::NOTDIR));
        assert_eq!(stat(b"file/."), Err(Errno::NOTDIR));
        assert_eq!(stat(b"file/.."), Err(Errno::NOTDIR));
        assert_eq!(stat(b"loop"), Err(Errno::LOOP));
        assert_eq!(stat(b"dir/deep/../../to-dir/back/file"), Ok(()));
        assert_eq!(stat(b"to-here/dir"), Ok(()));
        assert_eq!(stat(b"dir//.//deep///"), Ok(()));
        // Times through a chain of links, and through a link to a directory.
        for p in [&b"to-to-file"[..], b"to-dir", b"to-dir/", b"dir/deep/..", b"."] {
            let times = Timestamps {
                last_access: rustix::fs::Timespec { tv_sec: 5, tv_nsec: 0 },
                last_modification: rustix::fs::Timespec { tv_sec: 6, tv_nsec: 7 },
            };
            resolver.set_times(base, path(p), Follow::Yes, &times).unwrap();
            assert_eq!(resolver.stat(base, path(p), Follow::Yes).unwrap().modified, 6_000_000_007);
        }
        // Bytes that are no UTF-8 are names like others.
        resolver.mkdir(base, path(b"\xff\xfe")).unwrap();
        assert_eq!(stat(b"\xff\xfe/"), Ok(()));
        // An absolute text makes no link, in whatever way it came about.
        assert_eq!(resolver.symlink(b"/etc/passwd", base, path(b"new")), Err(Errno::PERM));
        assert_eq!(resolver.link((base, path(b"root")), Follow::Yes, (base, path(b"new"))), Err(Errno::PERM));
        assert_eq!(stat(b"new"), Err(Errno::NOENT));
    }
}

#[test]
fn trailing_slashes_mean_what_they_mean_to_linux() {
    for resolver in both() {
        let trees = Trees::new();
        let base = trees.inside();
        let base = held(&resolver, &base);
        let before = fs::read_link(trees.dir.path().join("inside/to-dir")).unwrap();
        assert_eq!(resolver.unlink(base, path(b"file/")), Err(Errno::NOTDIR));
        assert_eq!(resolver.unlink(base, path(b"dir/")), Err(Errno::ISDIR));
        assert_eq!(resolver.unlink(base, path(b"to-dir/")), Err(Errno::NOTDIR));
        assert_eq!(resolver.rmdir(base, path(b"to-dir/")), Err(Errno::NOTDIR));
        assert_eq!(resolver.symlink(b"x", base, path(b"new/")), Err(Errno::NOENT));
        assert_eq!(resolver.link((base, path(b"file")), Follow::No, (base, path(b"new/"))), Err(Errno::NOENT));
        assert_eq!(resolver.link((base, path(b"file/")), Follow::No, (base, path(b"new"))), Err(Errno::NOTDIR));
        assert_eq!(resolver.link((base, path(b"to-dir/")), Follow::No, (base, path(b"new"))), Err(Errno::PERM));
        assert_eq!(resolver.rename((base, path(b"file/")), (base, path(b"new"))), Err(Errno::NOTDIR));
        assert_eq!(resolver.readlink(base, path(b"to-dir/"), &mut [0; 9]), Err(Errno::INVAL));
        assert_eq!(resolver.mkdir(base, path(b"made//")), Ok(()));
        assert_eq!(resolver.rename((base, path(b"made/")), (base, path(b"renamed/"))), Ok(()));
        assert_eq!(resolver.rmdir(base, path(b"renamed/")), Ok(()));
        assert_eq!(resolver.rmdir(base, path(b"empty/.")), Err(Errno::INVAL));
        assert_eq!(resolver.rmdir(base, path(b"empty/..")), Err(Errno::NOTEMPTY));
        assert_eq!(resolver.open(base, path(b"new/"), Follow::No, OFlags::CREATE, Mode::empty()).map(drop), Err(Errno::ISDIR));
        assert_eq!(fs::read_link(trees.dir.path().join("inside/to-dir")).unwrap(), before);
    }
}

/// A generator that needs no crate (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn path(&mut self) -> Vec<u8> {
        const PARTS: &[&str] = &[
            "a", "b", "c", "d", "a/b", "b/a", "..", ".", "", "l0", "l1", "l2", "l3", "a/l0", "b/l1", "missing", "file", "a/file",
        ];
        let mut p = String::new();
        for i in 0..=self.below(6) {
            if i > 0 {
                p.push('/');
            }
            p.push_str(PARTS[self.below(PARTS.len())]);
        }
        if self.below(4) == 0 {
            p.push('/');
        }
        p.into_bytes()
    }
}

#[test]
fn the_kernel_and_the_walk_agree_on_random_trees() {
    if !Resolver::probed(&[]).expect("no masks").openat2 {
        // Nothing to compare with: the other tests run the walk.
        return;
    }
    let mut random = Random(20);
    for _ in 0..25 {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("inside");
        for d in ["a/b", "a/a", "b/a/b", "c", "d/d/d"] {
            fs::create_dir_all(root.join(d)).unwrap();
        }
        for f in ["file", "a/file", "b/a/file", "d/d/file"] {
            fs::write(root.join(f), f).unwrap();
        }
        fs::write(dir.path().join("file"), "outside").unwrap();
        for name in ["l0", "l1", "l2", "l3", "a/l0", "b/l1", "a/b/l2", "d/d/l3"] {
            let text = random.path();
            if !text.is_empty() {
                let text = std::ffi::OsString::from(String::from_utf8(text).unwrap());
                let _ = symlink(text, root.join(name));
            }
        }
        let base = rustix::fs::open(&root, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..150 {
            let text = random.path();
            let Ok(p) = GuestPath::new(&text) else { continue };
            for follow in [Follow::Yes, Follow::No] {
                for flags in [OFlags::PATH, OFlags::RDONLY, OFlags::RDWR, OFlags::DIRECTORY, OFlags::PATH | OFlags::DIRECTORY] {
                    let [kernel, walk] =
                        both().map(|r| r.open(held(&r, &base), p, follow, flags, Mode::empty()).map(|found| found.stat.st_ino));
                    assert_eq!(kernel, walk, "{} {follow:?} {flags:?}", String::from_utf8_lossy(&text));
                }
                let [kernel, walk] = both().map(|r| r.stat(held(&r, &base), p, follow).map(|s| (s.inode, s.kind)));
                assert_eq!(kernel, walk, "stat {} {follow:?}", String::from_utf8_lossy(&text));
            }
        }
    }
}

#[test]
fn the_kernel_and_the_walk_agree_on_what_changes() {
    let paths = [
        "file",
        "dir",
        "dir/",
        "empty",
        "empty/",
        "new",
        "new/",
        "dir/new",
        "to-file",
        "to-dir",
        "to-dir/",
        "to-dir/file",
        "dangling",
        "dangling/",
        "loop",
        "loop/",
        "dir/deep/..",
        "dir/.",
        ".",
        "./",
        "to-to-file",
        "to-dir-slash",
        "to-here",
        "to-here/file",
        "missing/new",
        "file/new",
        "dir/back",
        "dir/back/file",
        "dir/back/../file",
        "dir/to-none",
    ];
    for p in paths {
        let results = both().map(|resolver| {
            let trees = Trees::new();
            let base = trees.inside();
            let results = every_operation(&resolver, held(&resolver, &base), p.as_bytes());
            let names: Vec<_> = trees.look("").into_keys().map(|n| n.replace(&*trees.dir.path().to_string_lossy(), "")).collect();
            (results, names)
        });
        assert_eq!(results[0], results[1], "{p}");
    }
}

#[test]
fn deep_paths_hold_few_descriptors_and_find_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut at = rustix::fs::open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    const DEPTH: usize = 400;
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o777)).unwrap();
        at = rustix::fs::openat(&at, "d", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let base = rustix::fs::open(dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let down = b"d/".repeat(DEPTH);
    for resolver in both() {
        let stat = |p: &[u8]| resolver.stat(held(&resolver, &base), path(p), Follow::Yes).map(|s| s.inode);
        assert_eq!(stat(&down), Ok(rustix::fs::fstat(&at).unwrap().st_ino));
        assert_eq!(stat(&[&down[..], &b"../".repeat(DEPTH)].concat()), stat(b"."));
        assert_eq!(stat(&[&down[..], &b"../".repeat(DEPTH - 1)].concat()), stat(b"d"));
        assert_eq!(stat(&[&down[..], &b"../".repeat(DEPTH + 1)].concat()), Err(Errno::PERM));
    }
}

#[test]
fn links_up_to_the_limit_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("l0"), "").unwrap();
    for i in 1..=41 {
        symlink(format!("l{}", i - 1), dir.path().join(format!("l{i}"))).unwrap();
    }
    let base = rustix::fs::open(dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let times = Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 5, tv_nsec: 0 },
        last_modification: rustix::fs::Timespec { tv_sec: 6, tv_nsec: 7 },
    };
    for resolver in both() {
        for (link, result) in [("l40", Ok(())), ("l41", Err(Errno::LOOP))] {
            let link = path(link.as_bytes());
            assert_eq!(resolver.stat(held(&resolver, &base), link, Follow::Yes).map(drop), result);
            assert_eq!(resolver.set_times(held(&resolver, &base), link, Follow::Yes, &times), result);
        }
    }
}

/// Another thread swaps a directory for a link that leads out, and a file for another, as fast as it can.
#[test]
fn swapping_links_meanwhile_leads_nowhere() {
    for resolver in both() {
        let trees = Trees::new();
        let inside = trees.dir.path().join("inside");
        fs::create_dir(inside.join("swap")).unwrap();
        symlink("../outside", inside.join("swapped")).unwrap();
        fs::write(inside.join("swap/secret"), "inside").unwrap();
        symlink("../outside/secret", inside.join("swap-file-link")).unwrap();
        fs::write(inside.join("swap-file"), "inside").unwrap();
        let before = trees.look("outside");
        let stop = AtomicBool::new(false);
        let base = trees.inside();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let swap = |a, b| rustix::fs::renameat_with(&base, a, &base, b, rustix::fs::RenameFlags::EXCHANGE).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    swap("swap", "swapped");
                    swap("swap-file", "swap-file-link");
                }
            });
            let mut reached = 0;
            for round in 0..400 {
                let base = held(&resolver, &base);
                for p in
                    ["swap/secret", "swap-file", "swap/../swap/secret", "swap/dir/../../swap/secret", "swap/new", "swap/new/"]
                {
                    let p = path(p.as_bytes());
                    for flags in [OFlags::RDWR, OFlags::RDWR | OFlags::TRUNC, OFlags::RDWR | OFlags::CREATE] {
                        if let Ok(found) = resolver.open(base, p, Follow::Yes, flags, Mode::from_raw_mode(0o666)) {
                            reached += 1;
                            let _ = rustix::io::write(found.file, b"inside");
                        }
                    }
                    let times = Timestamps {
                        last_access: rustix::fs::Timespec { tv_sec: 5, tv_nsec: 0 },
                        last_modification: rustix::fs::Timespec { tv_sec: 6, tv_nsec: 7 },
                    };
                    let _ = resolver.set_times(base, p, Follow::Yes, &times);
                    let _ = resolver.symlink(b"file", base, path(b"swap/link"));
                    let _ = resolver.mkdir(base, path(b"swap/made"));
                    let _ = resolver.link((base, path(b"file")), Follow::No, (base, path(b"swap/hard")));
                    let _ = resolver.rename((base, path(b"swap/hard")), (base, path(b"swap/moved")));
                    let _ = resolver.unlink(base, path(b"swap/moved"));
                    let _ = resolver.rmdir(base, path(b"swap/made"));
                    if round % 2 == 0 {
                        let _ = resolver.unlink(base, path(b"swap/link"));
                    }
                }
            }
            stop.store(true, Ordering::Relaxed);
            assert!(reached > 0, "the file inside was never reached: nothing was tried");
        });
        assert_eq!(trees.look("outside"), before, "{resolver:?}");
    }
}
