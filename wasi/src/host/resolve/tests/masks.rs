//! Masked directories, tried from above, beside and within.

use super::controls::{directory, harmless_operations};
use super::*;
use std::path::PathBuf;

/// A directory with `home`, in which `cache/own` is masked and `free` is not.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        for d in ["home/cache/own/deep", "home/cache/other", "home/free", "home/spare", "beside"] {
            fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        for f in ["home/cache/own/key", "home/cache/own/deep/key", "home/cache/other/file", "home/free/file", "home/file"] {
            fs::write(dir.path().join(f), f).unwrap();
        }
        for (text, name) in [
            ("cache/own", "home/link"),
            ("cache/own/", "home/link-slash"),
            ("cache/own/key", "home/link-key"),
            ("cache", "home/link-above"),
            ("../cache/own", "home/free/link"),
            ("../../home/cache/own", "home/free/far"),
            ("link", "home/link-link"),
        ] {
            symlink(text, dir.path().join(name)).unwrap();
        }
        Home { dir }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn own(&self) -> PathBuf {
        self.path("home/cache/own")
    }

    fn look(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        look(&self.own(), &mut seen);
        seen
    }
}

fn both(masked: &[PathBuf]) -> [Resolver; 2] {
    [Resolver::probed(masked).expect("masks"), Resolver::walking(masked)]
}

/// Paths from `home` into the masked directory, or onto it.
const INTO: &[&str] = &[
    "cache/own",
    "cache/own/",
    "cache/own/.",
    "cache/own/..",
    "cache/own/deep/../..",
    "cache/own//",
    "cache/./own",
    "cache//own///key",
    "cache/own/key",
    "cache/own/missing",
    "cache/own/deep",
    "cache/own/deep/key",
    "cache/other/../own/key",
    "free/../cache/own",
    "link/",
    "link/key",
    "link/../own/key",
    "link-above/own",
    "link-above/own/key",
    "link-slash/key",
    "free/link/key",
    "free/far/",
    "link-link/",
    "link-link/deep/key",
];

#[test]
fn no_operation_leads_into_it_or_onto_it() {
    for turn in 0..2 {
        for p in INTO {
            let home = Home::new();
            let resolver = &both(&[home.own()])[turn];
            let before = home.look();
            let base = directory(home.path("home"));
            let base = held(resolver, &base);
            for (operation, result) in all_operations(resolver, base, p.as_bytes()) {
                // A link and a slash: operations on names refuse the slash, and do not look where the link leads.
                let own = p.contains("link") && p.matches('/').count() == 1 && p.ends_with('/') || *p == "free/far/";
                let name = matches!(result, Err(Errno::ISDIR | Errno::NOTDIR | Errno::EXIST)) || operation == "presence";
                assert!(own && name || result == Err(Errno::PERM), "{operation} {p}: {result:?} {resolver:?}");
            }
            assert_eq!(home.look(), before, "{p} {resolver:?}");
        }
    }
}

/// Operations on one path, all of which are refused if it leads where it must not.
fn all_operations(r: &Resolver, base: Base<'_>, p: &[u8]) -> Vec<(&'static str, Result<()>)> {
    let elsewhere = || path(b"free/new");
    let p = path(p);
    let open = |flags, follow| r.open(base, p, follow, flags, Mode::from_raw_mode(0o666)).map(drop);
    let rw = OFlags::RDWR;
    let mut all = vec![
        ("stat", r.stat(base, p, Follow::No).map(drop)),
        ("open nofollow", open(OFlags::PATH, Follow::No)),
        ("open truncate", open(rw | OFlags::TRUNC, Follow::Yes)),
        ("readlink", r.readlink(base, p, &mut [0; 99]).map(drop)),
        ("link from", r.link((base, p), Follow::Yes, (base, elsewhere()))),
        ("link to", r.link((base, path(b"file")), Follow::No, (base, p))),
        ("symlink", r.symlink(b"file", base, p)),
        ("mkdir", r.mkdir(base, p)),
        ("rename from", r.rename((base, p), (base, elsewhere()))),
        ("rename to", r.rename((base, path(b"spare")), (base, p))),
        ("rename file to", r.rename((base, path(b"file")), (base, p))),
        ("unlink", r.unlink(base, p)),
        ("rmdir", r.rmdir(base, p)),
        ("presence", r.presence(base, p).map(drop)),
    ];
    // A slash where a file is to be made is refused before it is looked what is there.
    if !p.0.ends_with(b"/") {
        all.push(("open create", open(rw | OFlags::CREATE, Follow::Yes)));
        all.push(("open exclusive", open(rw | OFlags::CREATE | OFlags::EXCL, Follow::Yes)));
    }
    all.extend(harmless_operations(r, base, p.0).into_iter().map(|result| ("harmless", result)));
    all
}

#[test]
fn what_is_beside_it_is_as_ever() {
    let home = Home::new();
    for resolver in both(&[home.own()]) {
        let base = directory(home.path("home"));
        let base = held(&resolver, &base);
        let open = |p: &str, flags| resolver.open(base, path(p.as_bytes()), Follow::Yes, flags, Mode::from_raw_mode(0o666));
        for p in
            ["file", "cache", "cache/", "cache/other/file", "cache/other/../other/file", "link-above/other/file", "free/../file"]
        {
            assert!(open(p, OFlags::RDONLY).is_ok(), "{p}");
            assert!(resolver.stat(base, path(p.as_bytes()), Follow::Yes).is_ok(), "{p}");
        }
        open("free/made", OFlags::RDWR | OFlags::CREATE | OFlags::EXCL).unwrap();
        resolver.rename((base, path(b"free/made")), (base, path(b"cache/made"))).unwrap();
        resolver.link((base, path(b"cache/made")), Follow::No, (base, path(b"made"))).unwrap();
        resolver.unlink(base, path(b"cache/made")).unwrap();
        resolver.unlink(base, path(b"made")).unwrap();
        // A link into it is a name like others, until it is followed.
        resolver.symlink(b"cache/own", base, path(b"new-link")).unwrap();
        assert_eq!(resolver.readlink(base, path(b"new-link"), &mut [0; 99]), Ok(9));
        assert_eq!(open("new-link", OFlags::DIRECTORY).map(drop), Err(Errno::PERM));
        resolver.unlink(base, path(b"new-link")).unwrap();
        // From a directory that was opened below.
        let cache = open("cache", OFlags::DIRECTORY).unwrap();
        let cache = Base { fd: cache.file.as_fd(), place: cache.place };
        assert!(resolver.stat(cache, path(b"other/file"), Follow::Yes).is_ok());
        for p in ["own", "own/key", "other/../own"] {
            assert_eq!(resolver.stat(cache, path(p.as_bytes()), Follow::Yes).map(drop), Err(Errno::PERM), "{p}");
        }
    }
}

#[test]
fn what_leads_to_it_stays() {
    for turn in 0..2 {
        let home = Home::new();
        // By way of a link, and with a second name for the directory above.
        symlink("home/cache", home.path("way")).unwrap();
        let resolver = &both(&[home.path("way/own")])[turn];
        let root = directory(home.dir.path());
        let root = held(resolver, &root);
        let refused = |from: &str, to: &str| {
            let result = resolver.rename((root, path(from.as_bytes())), (root, path(to.as_bytes())));
            assert_eq!(result, Err(Errno::PERM), "{from} {to}");
        };
        for from in
            ["home", "home/", "home/cache", "home/cache/", "home/link-above/own", "way", "beside/../home/cache", "way/own"]
        {
            refused(from, "beside/new");
        }
        for to in ["home", "home/cache", "home/cache/own", "way"] {
            refused("beside", to);
        }
        assert_eq!(resolver.unlink(root, path(b"way")), Err(Errno::PERM));
        assert_eq!(resolver.rmdir(root, path(b"home/cache")), Err(Errno::PERM));
        // Others can be renamed, with all that is in them.
        resolver.rename((root, path(b"home/free")), (root, path(b"beside/free"))).unwrap();
        // The host may rename what it likes: the directory is known where it is then.
        fs::rename(home.path("home/cache"), home.path("beside/moved")).unwrap();
        for p in ["beside/moved/own/key", "beside/moved/own"] {
            assert_eq!(resolver.stat(root, path(p.as_bytes()), Follow::Yes).map(drop), Err(Errno::PERM), "{p}");
        }
        fs::rename(home.path("beside/moved/own"), home.path("beside/self")).unwrap();
        assert_eq!(resolver.stat(root, path(b"beside/self/key"), Follow::Yes).map(drop), Err(Errno::PERM));
        assert_eq!(resolver.rename((root, path(b"beside/self")), (root, path(b"x"))), Err(Errno::PERM));
    }
}

#[test]
fn one_that_is_missing_is_not_made_by_the_guest() {
    for turn in 0..2 {
        let home = Home::new();
        let resolver = &both(&[home.path("home/state/own/keys")])[turn];
        let held_dir = directory(home.path("home"));
        let base = held(resolver, &held_dir);
        for p in ["state", "state/", "./state", "free/../state", "state/own"] {
            for (operation, result) in all_operations(resolver, base, p.as_bytes()) {
                assert_eq!(result, Err(Errno::PERM), "{operation} {p}");
            }
        }
        assert!(!home.path("home/state").exists());
        // What another process makes there meanwhile is masked.
        fs::create_dir_all(home.path("home/state/own/keys")).unwrap();
        for p in ["state", "state/own/keys"] {
            for (operation, result) in all_operations(resolver, base, p.as_bytes()) {
                assert_eq!(result, Err(Errno::PERM), "{operation} {p}");
            }
        }
        // One on whose way something is that is no directory, or leads nowhere.
        symlink("nowhere", home.path("home/dangling")).unwrap();
        for p in ["file", "dangling"] {
            let resolver = &both(&[home.path("home").join(p).join("own")])[turn];
            let base = held(resolver, &held_dir);
            for (operation, result) in all_operations(resolver, base, p.as_bytes()) {
                assert_eq!(result, Err(Errno::PERM), "{operation} {p}");
            }
        }
        // That name elsewhere, and others there.
        resolver.mkdir(base, path(b"free/state")).unwrap();
        resolver.mkdir(base, path(b"states")).unwrap();
        let root = directory(home.dir.path());
        let root = held(resolver, &root);
        assert_eq!(resolver.rename((root, path(b"home")), (root, path(b"beside/home"))), Err(Errno::PERM));
    }
}

#[test]
fn a_directory_in_it_is_not_given_and_others_need_no_steps() {
    let home = Home::new();
    symlink("home/cache/own/deep", home.path("in")).unwrap();
    let way = |resolver: &Resolver, p: &str| resolver.fit(directory(home.path(p)).as_fd()).unwrap().map(|place| place.way);
    for resolver in both(&[home.own(), home.path("home/state/own")]) {
        for p in ["home/cache/own", "home/cache/own/deep", "in"] {
            assert!(matches!(way(&resolver, p), Err(Unfit::Masked(path)) if path == home.own()), "{p}");
        }
        for p in ["", "home", "home/cache"] {
            assert_eq!(way(&resolver, p).unwrap(), Way::Steps, "{p}");
        }
        for p in ["beside", "home/free", "home/cache/other"] {
            let other = if resolver.openat2 { Way::Whole } else { Way::Steps };
            assert_eq!(way(&resolver, p).unwrap(), other, "{p}");
        }
    }
    // Given by one of two that lie one above the other.
    let [resolver, _] = both(&[home.own()]);
    let (above, below) = (directory(home.path("home")), directory(home.path("home/cache")));
    let (above, below) = (held(&resolver, &above), held(&resolver, &below));
    assert_eq!(resolver.rename((above, path(b"free")), (below, path(b"own"))), Err(Errno::PERM));
    assert_eq!(resolver.rename((below, path(b"own")), (above, path(b"free/own"))), Err(Errno::PERM));
    assert_eq!(resolver.link((below, path(b"own/key")), Follow::No, (above, path(b"free/key"))), Err(Errno::PERM));
}

/// Ends another thread, in a panic too.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Another process puts the masked directory and another one in each other's place.
#[test]
fn one_that_is_swapped_meanwhile_is_never_reached() {
    for turn in 0..2 {
        let home = Home::new();
        fs::write(home.path("home/cache/other/key"), "other").unwrap();
        let resolver = &both(&[home.own()])[turn];
        let before = home.look();
        let cache = directory(home.path("home/cache"));
        let base = directory(home.path("home"));
        let base = held(resolver, &base);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let end = Stop(&stop);
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(&cache, "own", &cache, "other", rustix::fs::RenameFlags::EXCHANGE).unwrap();
                }
                // Even or odd.
                if fs::read_to_string(home.path("home/cache/own/key")).unwrap() == "other" {
                    rustix::fs::renameat_with(&cache, "own", &cache, "other", rustix::fs::RenameFlags::EXCHANGE).unwrap();
                }
            });
            let (mut reached, mut refused) = (0, 0);
            for _ in 0..2000 {
                for p in ["cache/own/key", "cache/own", "link/key", "cache/other/../own/key", "cache/other/key"] {
                    match resolver.open(base, path(p.as_bytes()), Follow::Yes, OFlags::RDONLY, Mode::empty()) {
                        Ok(found) if found.stat.st_size == 5 => reached += 1,
                        Ok(found) => {
                            let name =
                                if FileType::from_raw_mode(found.stat.st_mode) == FileType::Directory { "key" } else { "" };
                            let file = match name {
                                "" => found.file,
                                name => rustix::fs::openat(&found.file, name, OFlags::RDONLY, Mode::empty()).unwrap(),
                            };
                            let mut text = [0; 32];
                            let len = rustix::io::read(&file, &mut text).unwrap();
                            assert_eq!(&text[..len], b"other", "{p} {resolver:?}");
                        }
                        Err(Errno::PERM) => refused += 1,
                        Err(e) => panic!("{p}: {e}"),
                    }
                }
                let _ = resolver.symlink(b"x", base, path(b"cache/own/made"));
                let _ = resolver.unlink(base, path(b"cache/own/made"));
            }
            drop(end);
            assert!(reached > 0 && refused > 0, "{reached} {refused}: nothing was tried");
        });
        let names = |seen: BTreeMap<String, String>| seen.into_keys().collect::<Vec<_>>();
        assert_eq!(names(home.look()), names(before));
    }
}
