//! What leads onto procfs, and what does there.

use super::*;
use crate::host::resolve::procfs::Unfit;

fn directory(path: &str) -> OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// What can be tried with a path without a change to what it could name: each result.
fn harmless_operations(r: Resolver, base: Base<'_>, p: &[u8]) -> Vec<Result<()>> {
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

/// Some files cannot be opened in one way or the other, whatever they are.
fn refused(e: Errno) -> bool {
    [Errno::PERM, Errno::NOTDIR, Errno::ISDIR, Errno::ACCESS].contains(&e)
}

#[test]
fn no_path_from_elsewhere_leads_there() {
    let root = directory("/");
    let own = std::process::id();
    for resolver in both() {
        for p in [
            "proc".to_owned(),
            "proc/".into(),
            "proc/.".into(),
            "proc/1/..".into(),
            "./proc".into(),
            "proc/stat".into(),
            "proc/1".into(),
            "proc/self".into(),
            "proc/self/".into(),
            "proc/self/mem".into(),
            "proc/self/environ".into(),
            "proc/self/task".into(),
            "proc/thread-self/mem".into(),
            "proc/mounts".into(),
            format!("proc/{own}/mem"),
            format!("tmp/../proc/{own}/fd"),
        ] {
            for result in harmless_operations(resolver, held(&root), p.as_bytes()) {
                assert!(result.is_err_and(refused), "{p}: {result:?} {resolver:?}");
            }
            assert_eq!(
                resolver.open(held(&root), path(p.as_bytes()), Follow::Yes, OFlags::PATH, Mode::empty()).err(),
                Some(Errno::PERM)
            );
        }
        let mut text = [0; 4096];
        for p in ["proc/self", "proc/self/exe", "proc/self/fd/0", "proc/mounts"] {
            let p = path(p.as_bytes());
            assert_eq!(resolver.readlink(held(&root), p, &mut text), Err(Errno::PERM));
            assert_eq!(resolver.stat(held(&root), p, Follow::No).map(drop), Err(Errno::PERM));
            assert_eq!(resolver.unlink(held(&root), p), Err(Errno::PERM));
            assert_eq!(resolver.rename((held(&root), p), (held(&root), path(b"proc/x"))), Err(Errno::PERM));
        }
        // A link of a process's leads nowhere.
        for p in ["proc/self/root/etc", "proc/self/cwd/", "proc/self/fd/0"] {
            assert!(harmless_operations(resolver, held(&root), p.as_bytes()).iter().all(Result::is_err), "{p}");
        }
        // Other file systems are as before.
        assert!(resolver.stat(held(&root), path(b"dev/null"), Follow::Yes).is_ok());
        assert!(resolver.stat(held(&root), path(b"proc/../dev"), Follow::Yes).is_ok());
    }
}

#[test]
fn below_procfs_all_is_there_but_the_process_itself() {
    let proc = directory("/proc");
    let (own, thread) = (std::process::id(), rustix::thread::gettid().as_raw_nonzero());
    assert_ne!(own, 1, "the tests are nobody's first process");
    for resolver in both() {
        let open = |p: &str| resolver.open(held(&proc), path(p.as_bytes()), Follow::Yes, OFlags::RDONLY, Mode::empty());
        for p in ["stat", "1/status", "1", ".", "sys/kernel/ostype", "1/../stat"] {
            assert!(open(p).is_ok(), "{p}");
        }
        for p in [
            "self".to_owned(),
            "self/".into(),
            "self/mem".into(),
            "self/task/1".into(),
            "thread-self".into(),
            "thread-self/environ".into(),
            "mounts".into(),
            "1/../self/mem".into(),
            own.to_string(),
            format!("{own}/"),
            format!("{own}/."),
            format!("{own}/.."),
            format!("{own}/mem"),
            format!("./{thread}/environ"),
            format!("{thread}"),
            format!("{own}/task/{thread}/mem"),
        ] {
            for result in harmless_operations(resolver, held(&proc), p.as_bytes()) {
                assert!(result.is_err_and(refused), "{p}: {result:?} {resolver:?}");
            }
        }
        let mut text = [0; 4096];
        let n = resolver.readlink(held(&proc), path(b"self"), &mut text);
        assert_eq!(n.map(|n| text[..n].to_vec()), Ok(own.to_string().into_bytes()), "a link's text can be read");
        assert_eq!(resolver.readlink(held(&proc), path(format!("{own}/exe").as_bytes()), &mut text), Err(Errno::PERM));
        // From a directory that was opened there.
        let Found { file, place, .. } = open("1").unwrap();
        let one = Base { fd: file.as_fd(), place };
        assert!(resolver.stat(one, path(b"status"), Follow::Yes).is_ok());
        assert_eq!(resolver.stat(one, path(b"../self"), Follow::Yes).map(drop), Err(Errno::PERM));
    }
}

#[test]
fn directories_of_the_process_cannot_be_given() {
    let thread = rustix::thread::gettid().as_raw_nonzero();
    for (path, fitness) in [
        ("/", Ok(())),
        ("/dev", Ok(())),
        ("/proc", Ok(())),
        ("/proc/1", Ok(())),
        ("/proc/sys", Ok(())),
        ("/proc/self", Err(Unfit::Own)),
        ("/proc/self/fd", Err(Unfit::Own)),
        ("/proc/thread-self", Err(Unfit::Own)),
        (&format!("/proc/{thread}/task"), Err(Unfit::Own)),
    ] {
        let dir = directory(path);
        assert_eq!(held(&dir).place.fitness(dir.as_fd()), Ok(fitness), "{path}");
    }
}
