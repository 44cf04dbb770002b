//! The cache directory.

use crate::{Compiled, cached};
use sconce_engine::{Engine, Linker, Module, Store};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn engine(dir: &Path) -> Engine {
    Engine::new(&cached(dir)).unwrap()
}

fn wat(n: i32) -> String {
    format!(r#"(module (func (export "f") (result i32) i32.const {n}))"#)
}

/// Loads and runs a module; says whether it was compiled.
fn load(engine: &Engine, n: i32) -> bool {
    let progress = Compiled::default();
    let module = Module::new_with_progress(engine, wat(n).as_bytes(), &progress).unwrap();
    run(engine, &module, n);
    engine.finish_background_work();
    progress.0.into_inner()
}

fn run(engine: &Engine, module: &Module, n: i32) {
    let mut store = Store::new(engine, ()).unwrap();
    let instance = Linker::new(engine).instantiate(&mut store, module).unwrap();
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), n);
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    entries
}

/// The code that runs under a debugger may have breakpoints in it.
#[test]
fn what_a_debugger_sees_is_not_written() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    let debugged = Engine::new(&cached(&dir).debugger(true)).unwrap();
    assert!(load(&debugged, 1) && load(&debugged, 1));
    assert!(entries(&dir).is_empty());
    assert!(load(&engine(&dir), 1));
    assert!(!load(&debugged, 1), "what is there is read");
}

#[test]
fn the_second_time_nothing_is_compiled() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/b/cache");
    assert!(load(&engine(&dir), 1));
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(entries(&dir).len(), 1);
    assert_eq!(fs::metadata(&entries(&dir)[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let again = engine(&dir);
    assert!(!load(&again, 1));
    assert!(load(&again, 2));
    assert!(!load(&again, 1));
    assert_eq!(entries(&dir).len(), 2);
}

#[test]
fn dropping_the_engine_completes_the_entry() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    Module::new(&engine(&dir), wat(1).as_bytes()).unwrap();
    assert!(!load(&engine(&dir), 1));
}

#[test]
fn files_are_hashed_where_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, path) = (temp.path().join("cache"), temp.path().join("m.wat"));
    fs::write(&path, wat(3)).unwrap();
    for compiled in [true, false] {
        let (engine, progress) = (engine(&dir), Compiled::default());
        let module = Module::from_file(&engine, &fs::File::open(&path).unwrap(), Some(&progress)).unwrap();
        run(&engine, &module, 3);
        assert_eq!(progress.0.into_inner(), compiled);
    }
    fs::write(&path, wat(4)).unwrap();
    let engine = engine(&dir);
    let module = Module::from_file(&engine, &fs::File::open(&path).unwrap(), None).unwrap();
    run(&engine, &module, 4);
}

#[test]
fn settings_have_their_own_entries() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    assert!(load(&engine(&dir), 1));
    let config = cached(&dir).calls(sconce_engine::CallStyle::Slots);
    assert!(load(&Engine::new(&config).unwrap(), 1));
    assert!(!load(&Engine::new(&config).unwrap(), 1));
    assert_eq!(entries(&dir).len(), 2);
}

#[test]
fn a_damaged_entry_is_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    assert!(load(&engine(&dir), 1));
    let entry = entries(&dir).remove(0);
    let good = fs::read(&entry).unwrap();
    // Head, identity, metadata, the first byte of text; cut off at several places; empty.
    for at in [0, 20, 70, 100, 300, 4096] {
        let file = fs::File::options().write(true).open(&entry).unwrap();
        file.write_all_at(&[good[at] ^ 0xff], at as u64).unwrap();
        assert!(load(&engine(&dir), 1), "damaged at {at}");
        assert!(!load(&engine(&dir), 1), "replaced after damage at {at}");
    }
    for len in [0, 50, 200, 4000, 4100] {
        fs::write(&entry, &good[..len]).unwrap();
        assert!(load(&engine(&dir), 1), "cut off at {len}");
        assert_eq!(fs::read(&entry).unwrap().len(), good.len());
    }
}

#[test]
fn a_directory_that_is_not_private_is_not_used() {
    let temp = tempfile::tempdir().unwrap();
    for mode in [0o755, 0o770, 0o701, 0o500] {
        let dir = temp.path().join(format!("{mode:o}"));
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        assert!(load(&engine(&dir), 1));
        assert!(load(&engine(&dir), 1));
        assert_eq!(entries(&dir).len(), 0, "{mode:o}");
    }
    // Neither a link to a good one, nor a file.
    let good = temp.path().join("good");
    fs::DirBuilder::new().mode(0o700).create(&good).unwrap();
    let link = temp.path().join("link");
    symlink(&good, &link).unwrap();
    assert!(load(&engine(&link), 1));
    assert!(entries(&good).is_empty());
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(load(&engine(&file), 1));
    assert!(load(&engine(&file.join("below")), 1));
}

#[test]
fn a_directory_of_somebody_else_is_not_used() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
    // Only root can give a directory away; for all others the root directory is somebody else's.
    let theirs = if std::os::unix::fs::chown(&dir, Some(12345), None).is_ok() { dir } else { PathBuf::from("/") };
    let before = entries(&theirs);
    assert!(load(&engine(&theirs), 1));
    assert!(load(&engine(&theirs), 1));
    assert_eq!(entries(&theirs), before);
}

#[test]
fn links_in_the_place_of_entries_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    assert!(load(&engine(&dir), 1));
    let entry = entries(&dir).remove(0);
    let elsewhere = temp.path().join("elsewhere");
    fs::rename(&entry, &elsewhere).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    assert!(load(&engine(&dir), 1));
    assert!(fs::symlink_metadata(&entry).unwrap().is_file());
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn the_least_recently_used_goes_first() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    let mut names = Vec::new();
    for n in 0..4 {
        assert!(load(&engine(&dir), n));
        let new = entries(&dir).into_iter().find(|e| !names.contains(e)).unwrap();
        let used = std::time::SystemTime::now() - std::time::Duration::from_secs(10_000 - 1000 * n as u64);
        fs::File::open(&new).unwrap().set_modified(used).unwrap();
        names.push(new);
    }
    // Using the oldest makes it the newest.
    assert!(!load(&engine(&dir), 0));
    fs::write(dir.join("a file of the user's"), "").unwrap();
    fs::write(dir.join(format!("{}.1-1.tmp", "0".repeat(64))), "").unwrap();
    let size = fs::metadata(&names[0]).unwrap().len();
    let config = cached(&dir).cache_limit(4 * size);
    assert!(load(&Engine::new(&config).unwrap(), 4));
    let left = entries(&dir);
    assert!(left.contains(&names[0]) && !left.contains(&names[1]) && !left.contains(&names[2]) && left.contains(&names[3]));
    assert!(left.iter().any(|e| e.ends_with("a file of the user's")));
    assert!(left.iter().any(|e| e.extension().is_some_and(|e| e == "tmp")), "unfinished files of others are left for an hour");
}

#[test]
fn abandoned_files_are_removed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    load(&engine(&dir), 1);
    let abandoned = dir.join(format!("{}.1-1.tmp", "0".repeat(64)));
    fs::write(&abandoned, "").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    fs::File::options().write(true).open(&abandoned).unwrap().set_modified(long_ago).unwrap();
    // For a limit to which the entry is not small.
    load(&Engine::new(&cached(&dir).cache_limit(1 << 18)).unwrap(), 2);
    assert!(!abandoned.exists());
}

#[test]
fn many_threads_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let dir = &dir;
            scope.spawn(move || {
                for n in 0..12 {
                    load(&engine(dir), (n + thread) % 6);
                }
            });
        }
    });
    assert_eq!(entries(&dir).len(), 6);
    for n in 0..6 {
        assert!(!load(&engine(&dir), n));
    }
}
