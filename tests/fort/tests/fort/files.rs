//! What is not below the guest's directories is neither read nor written, nor reached by name from there.

use libc::{AT_FDCWD, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};
use sconce_fort::{Given, Result, World, attack, call, path, refused};
use std::path::Path;

/// Opens by each call that there is.
fn open(file: &Path, flags: i32) -> [Result; 3] {
    let (at, name, flags) = (i64::from(AT_FDCWD), path(file), i64::from(flags));
    let how = Box::leak(Box::new([flags as u64, 0o600 * u64::from(flags & i64::from(O_CREAT) != 0), 0]));
    [
        call(libc::SYS_open, &[name, flags, 0o600]),
        call(libc::SYS_openat, &[at, name, flags, 0o600]),
        call(libc::SYS_openat2, &[at, name, how.as_ptr() as i64, 24]),
    ]
}

fn outside(world: &World) {
    let dir = &world.dir;
    for file in ["home/secret", "cache/entry", "home", ""].map(|name| dir.join(name)) {
        for result in open(&file, O_RDONLY) {
            refused(&file, result);
        }
    }
    for file in ["home/secret", "cache/entry", "home/new", "cache/new", "new"].map(|name| dir.join(name)) {
        for flags in [O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_CREAT] {
            for result in open(&file, flags) {
                // What is not there, and is not made, is not there.
                assert!(matches!(result, Err(libc::ENOSYS | libc::EACCES | libc::ENOENT)), "{file:?}: {result:?}");
            }
        }
    }
    for file in ["/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/proc/self/maps", "/dev/null", "/sys/kernel/notes", "/"]
    {
        for result in open(Path::new(file), O_RDONLY) {
            refused(file, result);
        }
    }
    let name = |name: &str| path(dir.join(name));
    let at = i64::from(AT_FDCWD);
    for (what, result) in [
        ("make a directory", call(libc::SYS_mkdirat, &[at, name("home/d"), 0o700])),
        ("remove", call(libc::SYS_unlinkat, &[at, name("home/secret"), 0])),
        ("remove a directory", call(libc::SYS_unlinkat, &[at, name("cache"), libc::AT_REMOVEDIR.into()])),
        ("move out", call(libc::SYS_renameat, &[at, name("work/file"), at, name("home/file")])),
        ("move in", call(libc::SYS_renameat2, &[at, name("home/secret"), at, name("work/secret"), 0])),
        ("exchange", call(libc::SYS_renameat2, &[at, name("home/secret"), at, name("work/file"), libc::RENAME_EXCHANGE.into()])),
        ("link in", call(libc::SYS_linkat, &[at, name("home/secret"), at, name("work/secret"), 0])),
        ("link out", call(libc::SYS_linkat, &[at, name("work/file"), at, name("home/file"), 0])),
        ("make a link", call(libc::SYS_symlinkat, &[path("/"), at, name("home/link")])),
        ("make a pipe", call(libc::SYS_mknodat, &[at, name("work/pipe"), i64::from(libc::S_IFIFO | 0o600), 0])),
        ("cut", call(libc::SYS_truncate, &[name("home/secret"), 0])),
        ("change the mode", call(libc::SYS_chmod, &[name("home/secret"), 0o777])),
        ("change the mode at", call(libc::SYS_fchmodat, &[at, name("home/secret"), 0o777])),
        ("change the owner", call(libc::SYS_fchownat, &[at, name("home/secret"), 1, 1, 0])),
        ("set an attribute", call(libc::SYS_setxattr, &[name("home/secret"), path("user.a"), path("b"), 1, 0])),
        ("change directory", call(libc::SYS_chdir, &[name("home")])),
        ("change the root", call(libc::SYS_chroot, &[name("home")])),
        ("watch", call(libc::SYS_inotify_init1, &[0])),
        ("open by handle", call(libc::SYS_open_by_handle_at, &[at, 0, 0])),
    ] {
        refused(what, result);
    }
}

#[test]
fn are_out_of_reach() {
    attack("files::are_out_of_reach", Given::Directories, |world, _| outside(world));
}

#[test]
fn are_out_of_reach_without_any() {
    attack("files::are_out_of_reach_without_any", Given::Nothing, |world, _| {
        outside(world);
        for file in ["work/file", "shown/file"].map(|name| world.dir.join(name)) {
            for result in open(&file, O_RDONLY) {
                refused(&file, result);
            }
        }
    });
}

/// What is in the cache, and the key by which it is believed: neither by name nor by what is open.
#[test]
fn of_the_cache_are_out_of_reach() {
    attack("files::of_the_cache_are_out_of_reach", Given::Nothing, |world, _| {
        for file in ["state/key", "state", "modules"].map(|name| world.dir.join(name)) {
            for flags in [O_RDONLY, O_WRONLY, O_RDWR] {
                for result in open(&file, flags) {
                    refused(&file, result);
                }
            }
        }
        for fd in 0..1000 {
            // SAFETY: zeros are a `stat`, which the call fills.
            let mut stat: libc::stat = unsafe { std::mem::zeroed() };
            if call(libc::SYS_fstat, &[fd, &raw mut stat as i64]).is_ok() {
                assert_ne!(stat.st_mode & libc::S_IFMT, libc::S_IFDIR, "{fd}");
            }
        }
    });
}

#[test]
fn in_directories_are_as_they_were_given() {
    attack("files::in_directories_are_as_they_were_given", Given::Directories, |world, phase| {
        let [_, opened, _] = open(&world.dir.join("work/file"), O_RDWR);
        assert!(opened.is_ok(), "{opened:?}");
        let [_, _, listed] = open(&world.dir.join("work"), O_RDONLY | O_DIRECTORY);
        assert!(listed.is_ok(), "{listed:?}");
        let [_, made, _] = open(&world.dir.join(format!("work/{phase:?}")), O_WRONLY | O_CREAT);
        assert!(made.is_ok(), "{made:?}");
        let [_, read, _] = open(&world.dir.join("shown/file"), O_RDONLY);
        assert!(read.is_ok(), "{read:?}");
        for flags in [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC] {
            for result in open(&world.dir.join("shown/file"), flags) {
                refused("write what is shown", result);
            }
        }
        let at = i64::from(AT_FDCWD);
        let name = |name: &str| path(world.dir.join(name));
        refused("make in what is shown", open(&world.dir.join("shown/new"), O_WRONLY | O_CREAT)[1]);
        refused("remove from it", call(libc::SYS_unlinkat, &[at, name("shown/file"), 0]));
        refused("move from it", call(libc::SYS_renameat, &[at, name("shown/file"), at, name("work/moved")]));
        refused("move to it", call(libc::SYS_renameat, &[at, name("work/file"), at, name("shown/moved")]));
    });
}
