//! File systems by which the kernel and processes are controlled: none is given, and no path leads onto one.

use super::*;

pub(super) fn directory(path: impl AsRef<Path>) -> OwnedFd {
    rustix::fs::open(path.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// What can be tried with a path without a change to what it could name: each result.
pub(super) fn harmless_operations(r: &Resolver, base: Base<'_>, p: &[u8]) -> Vec<Result<()>> {
    let p = path(p);
    let mut all = Vec::new();
    for flags in [OFlags::PATH, OFlags::RDONLY, OFlags::RDWR, OFlags::RDONLY | OFlags::DIRECTORY] {
        all.push(r.open(base, p, Follow::Yes, flags, Mode::empty()).map(drop));
    }
    all.push(r.stat(base, p, Follow::Yes).map(drop));
    let times = Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
    };
    all.push(r.set_times(base, p, Follow::Yes, &times));
    all
}

#[test]
fn no_path_leads_there() {
    let root = directory("/");
    let own = std::process::id();
    for resolver in both() {
        let root = held(&resolver, &root);
        for p in [
            "proc".to_owned(),
            "proc/".into(),
            "proc/.".into(),
            "proc/..".into(),
            "proc/1/..".into(),
            "proc/../dev".into(),
            "./proc".into(),
            "proc/stat".into(),
            "proc/1".into(),
            "proc/self".into(),
            "proc/self/".into(),
            "proc/self/mem".into(),
            "proc/self/environ".into(),
            "proc/self/root/etc".into(),
            "proc/self/fd/0".into(),
            "proc/thread-self/mem".into(),
            "proc/mounts".into(),
            format!("proc/{own}/mem"),
            format!("tmp/../proc/{own}/fd"),
            "sys".into(),
            "sys/".into(),
            "sys/class".into(),
            "sys/kernel/mm/transparent_hugepage/enabled".into(),
            "sys/kernel/tracing".into(),
            // Whatever is mounted there.
            "sys/fs/cgroup".into(),
        ] {
            for result in harmless_operations(&resolver, root, p.as_bytes()) {
                assert_eq!(result, Err(Errno::PERM), "{p} {resolver:?}");
            }
        }
        let mut text = [0; 4096];
        for p in ["proc", "proc/self", "proc/self/exe", "proc/self/fd/0", "proc/mounts", "sys", "sys/class"] {
            let p = path(p.as_bytes());
            assert_eq!(resolver.readlink(root, p, &mut text), Err(Errno::PERM));
            assert_eq!(resolver.stat(root, p, Follow::No).map(drop), Err(Errno::PERM));
            assert_eq!(resolver.unlink(root, p), Err(Errno::PERM));
            assert_eq!(resolver.rename((root, p), (root, path(b"proc/x"))), Err(Errno::PERM));
        }
        assert!(resolver.stat(root, path(b"tmp"), Follow::Yes).is_ok());
    }
}

#[test]
fn none_can_be_given() {
    for resolver in both() {
        for (path, name) in [
            ("/proc", "procfs"),
            ("/proc/1", "procfs"),
            ("/proc/self", "procfs"),
            ("/proc/self/fd", "procfs"),
            ("/proc/thread-self", "procfs"),
            ("/proc/sys", "procfs"),
            ("/sys", "sysfs"),
            ("/sys/class", "sysfs"),
        ] {
            let Err(Unfit::Controls(control)) = resolver.fit(directory(path).as_fd()).unwrap() else { panic!("{path}") };
            assert!(control.to_string().starts_with(name), "{path}: {control}");
        }
        for path in ["/", "/dev", "/dev/shm", "/tmp"] {
            assert!(resolver.fit(directory(path).as_fd()).unwrap().is_ok(), "{path}");
        }
    }
}

#[test]
fn devices_are_reached_from_where_they_were_given_alone() {
    let (root, dev) = (directory("/"), directory("/dev"));
    for resolver in both() {
        let (root, dev) = (held(&resolver, &root), held(&resolver, &dev));
        for p in [
            "dev",
            "dev/",
            "dev/.",
            "dev/null",
            "dev/zero",
            "dev/shm",
            "dev/pts",
            "dev/pts/ptmx",
            "dev/../tmp",
            "tmp/../dev/null",
        ] {
            for result in harmless_operations(&resolver, root, p.as_bytes()) {
                assert_eq!(result, Err(Errno::PERM), "{p} {resolver:?}");
            }
        }
        for p in ["null", "zero", "shm", "shm/.", "pts", "pts/..", "./null"] {
            assert!(resolver.stat(dev, path(p.as_bytes()), Follow::Yes).is_ok(), "{p}");
            assert!(resolver.open(dev, path(p.as_bytes()), Follow::Yes, OFlags::RDONLY, Mode::empty()).is_ok(), "{p}");
        }
        // From a directory that was opened there, and one that was given.
        let shm = resolver.open(dev, path(b"shm"), Follow::Yes, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let given = directory("/dev/shm");
        for base in [Base { fd: shm.file.as_fd(), place: shm.place }, held(&resolver, &given)] {
            resolver.mkdir(base, path(b"sconce-test")).unwrap();
            resolver.stat(base, path(b"sconce-test"), Follow::Yes).unwrap();
            resolver.rmdir(base, path(b"sconce-test")).unwrap();
        }
    }
}
