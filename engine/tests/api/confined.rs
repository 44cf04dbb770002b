//! A process that gives up its cache before a program begins, and the key without which no entry is taken.

use crate::{Compiled, cached};
use sconce_engine::{Engine, Linker, Module, Others, Store, Warmed};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const FUNCTIONS: u32 = 40_000;

/// A module whose text is long enough to be brought in as it is used.
fn large() -> String {
    let function = |n| format!("(func (export \"f{n}\") (result i32) (i32.const {n}))");
    format!("(module {})", (0..FUNCTIONS).map(function).collect::<String>())
}

fn small(n: u32) -> String {
    format!(r#"(module (func (export "f{n}") (result i32) (i32.const {n})))"#)
}

/// Loads a module from a file; says whether it was compiled.
fn load(engine: &Engine, path: &Path) -> (Module, bool) {
    let progress = Compiled::default();
    let module = Module::from_file(engine, &File::open(path).unwrap(), Some(&progress)).unwrap();
    (module, progress.0.into_inner())
}

fn run(module: &Module, functions: impl Iterator<Item = u32>) {
    let mut store = Store::new(module.engine(), ()).unwrap();
    let instance = Linker::new(module.engine()).instantiate(&mut store, module).unwrap();
    for n in functions {
        let f = instance.get_typed_func::<(), u32>(&mut store, &format!("f{n}")).unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), n);
    }
}

struct World(tempfile::TempDir);

impl World {
    fn new() -> World {
        World(tempfile::tempdir().unwrap())
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("state/key")
    }

    fn file(&self, wat: &str) -> PathBuf {
        let path = self.0.path().join("m.wat");
        fs::write(&path, wat).unwrap();
        path
    }

    fn engine(&self) -> Engine {
        Engine::new(&cached(&self.cache())).unwrap()
    }

    /// Loads a module as a process of its own would; says whether it was compiled.
    fn compiles(&self, path: &Path) -> bool {
        load(&self.engine(), path).1
    }

    /// Names in the cache.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.cache()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The cache's largest file.
    fn entry(&self) -> PathBuf {
        let paths = fs::read_dir(self.cache()).unwrap().map(|e| e.unwrap().path());
        paths.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
    }

    /// What the process has open of the cache's directory and of the key's.
    fn open(&self) -> Vec<PathBuf> {
        let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links.filter(|path| path.starts_with(self.0.path())).collect()
    }
}

#[test]
fn entries_of_another_key_are_not_taken() {
    let world = World::new();
    let path = world.file(&small(1));
    assert!(world.compiles(&path) && !world.compiles(&path));
    let (names, entry) = (world.names(), fs::read(world.entry()).unwrap());
    let key = fs::read(world.key()).unwrap();
    // Lost, and made anew.
    fs::remove_file(world.key()).unwrap();
    assert!(world.compiles(&path) && !world.compiles(&path));
    assert_ne!(fs::read(world.key()).unwrap(), key);
    assert_eq!(world.names(), names, "the entry has been replaced");
    assert_ne!(fs::read(world.entry()).unwrap(), entry);
    // Back again: what is there now is another key's.
    fs::write(world.key(), &key).unwrap();
    assert!(world.compiles(&path));
    assert!(fs::read(world.entry()).unwrap() == entry, "one key and one module give one entry");
    // Whoever knows no key, but all else.
    let engine = Engine::new(&cached(&world.cache()).cache_key(world.0.path().join("guessed/key"))).unwrap();
    assert!(load(&engine, &path).1);
    drop(engine);
    assert!(world.compiles(&path));
}

#[test]
fn without_a_key_there_is_no_cache() {
    let world = World::new();
    let path = world.file(&small(1));
    assert!(world.compiles(&path));
    let names = world.names();
    fs::set_permissions(world.key(), fs::Permissions::from_mode(0o644)).unwrap();
    let engine = world.engine();
    assert!(load(&engine, &path).1 && load(&engine, &path).1);
    let problem = engine.cache_problem().unwrap();
    assert!(problem.contains("state/key is not used: its mode is 644, not 600"), "{problem}");
    let warmed = Module::warm(&engine, small(2).into_bytes(), None, Others::GoFirst, None).unwrap();
    assert_eq!(warmed, Warmed::NoCache);
    drop(engine);
    assert_eq!(world.names(), names);
    fs::set_permissions(world.key(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!world.compiles(&path));
}

#[test]
fn a_module_goes_on_after_the_cache_is_closed() {
    let world = World::new();
    let path = world.file(&large());
    assert!(world.compiles(&path));
    let engine = world.engine();
    let (module, compiled) = load(&engine, &path);
    assert!(!compiled);
    assert!(world.open().contains(&world.cache()));
    let better = module.awaits_better_code();
    engine.close_cache();
    let (files, entry) = (world.open(), world.entry());
    assert!(!files.contains(&world.cache()) && files.contains(&entry), "{files:?}");
    run(&module, (0..FUNCTIONS).step_by(100));
    assert_eq!(module.awaits_better_code(), better);

    // Later ones are compiled, and leave nothing.
    let names = world.names();
    let other = world.file(&small(1));
    for _ in 0..2 {
        let (module, compiled) = load(&engine, &other);
        assert!(compiled);
        run(&module, 1..2);
        let text = Module::new(&engine, small(2).as_bytes()).unwrap();
        run(&text, 2..3);
    }
    assert_eq!(Module::warm(&engine, small(3).into_bytes(), None, Others::AreWaitedFor, None).unwrap(), Warmed::NoCache);
    engine.close_cache();
    engine.finish_background_work();
    assert_eq!((world.names(), engine.cache_problem()), (names, None));
    assert!(!world.open().contains(&world.cache()));
}

#[test]
fn a_cache_that_was_never_opened_is_closed_too() {
    let world = World::new();
    let path = world.file(&small(1));
    let engine = world.engine();
    engine.close_cache();
    assert!(load(&engine, &path).1 && load(&engine, &path).1);
    assert!(!world.cache().exists() && !world.key().exists());
}

#[test]
fn closing_waits_for_entries_that_are_being_written() {
    let world = World::new();
    // Often enough that a thread has not begun when the cache is closed.
    for n in 0..50 {
        let engine = world.engine();
        Module::new(&engine, small(n).as_bytes()).unwrap();
        engine.close_cache();
        assert_eq!(world.names().len(), 1 + n as usize);
    }
}

#[test]
fn held_back_an_entry_is_there_when_the_module_is() {
    let world = World::new();
    let path = world.file(&large());
    let engine = Engine::new(&cached(&world.cache()).hold_background(true)).unwrap();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let (module, compiled) = load(&engine, &path);
    assert_eq!((compiled, world.names().len(), threads()), (true, 1, before));
    run(&module, 7..8);
    // From bytes as well.
    Module::new(&engine, small(1).as_bytes()).unwrap();
    assert_eq!((world.names().len(), threads()), (2, before));
    assert!(!world.compiles(&path));
}
