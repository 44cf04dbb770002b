//! Cache entries that are damaged, cut off, exchanged or replaced, before a run and in the middle of it: each run does what the
//! module says, and the next one finds a good entry.

use crate::Compiled;
use sconce_engine::{AsContextMut, Caller, Engine, Error, ExternRef, Linker, Module, Store, Tier};
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::UNIX_EPOCH;

const BIG: usize = 60;
const CATCHING: usize = 3000;
/// Bytes of an entry, from the text on, that are brought in as they are used for certain.
const LAZY: usize = 2 << 20;

/// A module whose every part is long enough to be brought in as it is used: text, data, traps, stack maps, call sites, handlers.
/// The others (jump tables, what must not be interrupted) are there.
fn guest(name: &str) -> Vec<u8> {
    let mut wat = format!(
        r#"(module ${name} (import "h" "make" (func $make (param i32) (result externref)))
        (import "h" "number" (func $number (param externref) (result i32))) (import "h" "gc" (func $gc))
        (tag $e (param i32)) (tag $other) (memory (export "memory") 64)
        (func $leaf (param i32) (if (local.get 0) (then (call $gc) (throw $e (local.get 0)))))
        (func $deepest (export "trap") (param i32) (result i32) (i32.load (i32.add (local.get 0) (i32.const 0x7ffffff0))))
        (func $tail (param i32) (result i32) (return_call $chosen (local.get 0)))
        (func $chosen (export "choose") (param i32) (result i32)
            (block $a (block $b (block $c (br_table $a $b $c $b $a $c $b $a $c (local.get 0))) (return (i32.const 1))) (return (i32.const 2)))
            (i32.const 3))"#
    );
    let text: String = (0..1_300_000).map(|n| char::from(b'a' + (n / 3 % 26) as u8)).collect();
    write!(wat, r#"(data (i32.const 16384) "{text}")"#).unwrap();
    for n in 0..BIG {
        write!(wat, "(func $b{n} (param i32) (result i32)").unwrap();
        for k in 0..400 {
            write!(
                wat,
                "(local.set 0 (i32.add (local.get 0) (i32.load8_u offset={} (i32.and (local.get 0) (i32.const 0xfffff)))))",
                16384 + k
            )
            .unwrap();
        }
        wat.push_str("(local.get 0))");
    }
    for n in 0..CATCHING {
        write!(
            wat,
            "(func $c{n} (param externref i32) (result i32) (block $h (result i32)
                (block $other (try_table (catch $other $other) (catch $e $h) (call $leaf (local.get 1)))
                (return (i32.add (call $tail (i32.const {})) (call $number (local.get 0)))))
                (i32.const -1))
             (i32.add (call $number (local.get 0))))",
            n % 9
        )
        .unwrap();
    }
    wat.push_str("(func (export \"run\") (param i32) (result i32) (local i32)");
    for n in 0..BIG {
        write!(wat, "(local.set 1 (i32.add (local.get 1) (call $b{n} (i32.add (local.get 0) (i32.const {n})))))").unwrap();
    }
    for n in (0..CATCHING).step_by(20) {
        write!(wat, "(local.set 1 (i32.add (local.get 1) (call $c{n} (call $make (i32.const {n})) (i32.mul (local.get 0) (i32.const {n})))))")
            .unwrap();
    }
    wat.push_str("(local.get 1)))");
    wat::parse_str(wat).unwrap()
}

fn engine(cache: &Path) -> Engine {
    Engine::new(&crate::cached(cache).tier(Tier::Lightbeam)).unwrap()
}

/// All that a run of the module gives.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    results: Vec<i32>,
    data: Vec<u8>,
    trap: Vec<(Option<String>, Option<u32>)>,
}

fn run(engine: &Engine, module: &Module) -> Outcome {
    let mut linker = Linker::new(engine);
    let make =
        |mut caller: Caller<'_, ()>, n: i32| -> Result<Option<ExternRef>, Error> { Ok(Some(ExternRef::new(&mut caller, n)?)) };
    linker.func_wrap("h", "make", make).unwrap();
    linker.func_wrap("h", "gc", |mut caller: Caller<'_, ()>| caller.as_context_mut().gc()).unwrap();
    let number = |caller: Caller<'_, ()>, value: Option<ExternRef>| {
        value.map_or(-1, |value| *value.data(&caller).downcast_ref::<i32>().expect("a number"))
    };
    linker.func_wrap("h", "number", number).unwrap();
    let mut store = Store::new(engine, ()).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    let results = (0..2).map(|n| f.call(&mut store, n).unwrap()).collect();
    let mut data = vec![0; 200_000];
    instance.get_memory(&mut store, "memory").unwrap().read(&store, 16384 + 1_150_000, &mut data).unwrap();
    let trap = instance.get_typed_func::<i32, i32>(&mut store, "trap").unwrap().call(&mut store, 0).unwrap_err();
    let frames = &trap.backtrace().unwrap().frames;
    let trap = frames.iter().map(|f| (f.module.function_name(f.func), f.wasm_offset)).collect();
    Outcome { results, data, trap }
}

/// A module in a file, its good entry in a cache, and what it does.
struct World {
    temp: tempfile::TempDir,
    good: Vec<u8>,
    expected: Outcome,
}

impl World {
    fn new() -> World {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("m.wasm");
        fs::write(&path, guest("damaged")).unwrap();
        let engine = engine(&temp.path().join("cache"));
        let module = Module::from_file(&engine, &File::open(&path).unwrap(), None).unwrap();
        let expected = run(&engine, &module);
        drop((module, engine));
        let mut world = World { temp, good: Vec::new(), expected };
        world.good = fs::read(world.entry()).unwrap();
        world
    }

    fn cache(&self) -> PathBuf {
        self.temp.path().join("cache")
    }

    /// The cache's one large file.
    fn entry(&self) -> PathBuf {
        let paths = fs::read_dir(self.cache()).unwrap().map(|e| e.unwrap().path());
        paths.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
    }

    /// Where what is read at the start ends.
    fn eager_end(&self) -> usize {
        96 + u64::from_le_bytes(self.good[48..56].try_into().unwrap()) as usize
    }

    /// Runs the module; `meanwhile` happens between its loading and its run. Gives whether it was compiled at first.
    fn run(&self, what: &str, meanwhile: impl FnOnce()) -> bool {
        let (engine, progress) = (engine(&self.cache()), Compiled::default());
        let module = Module::from_file(&engine, &File::open(self.temp.path().join("m.wasm")).unwrap(), Some(&progress)).unwrap();
        meanwhile();
        let outcome = run(&engine, &module);
        assert!(outcome == self.expected, "{what}: {:?}, {:?}", outcome.results, outcome.trap);
        progress.0.into_inner()
    }

    /// Runs the module with these bytes as its entry. Gives whether there was a good entry afterwards, which
    /// is so if anything was wrong with what the run needed.
    fn with_entry(&self, entry: &Path, bytes: &[u8], what: &str) -> bool {
        fs::write(entry, bytes).unwrap();
        self.run(what, || {});
        fs::read(entry).unwrap() == self.good
    }
}

#[test]
fn an_entry_that_is_damaged_anywhere_is_made_again() {
    let world = World::new();
    let entry = world.entry();
    assert!(!world.run("undamaged", || {}));
    let eager_end = world.eager_end();
    let padding = eager_end..eager_end.next_multiple_of(4096);
    assert!(world.good.len() - padding.end > 3 << 20, "{} bytes behind {}", world.good.len(), padding.end);
    let head = [0, 9, 20, 50, 70];
    let eager = (96..eager_end).step_by(eager_end / 9);
    let rest = (padding.end..world.good.len()).step_by((world.good.len() - padding.end) / 40);
    let mut mended = 0;
    for (n, at) in head.into_iter().chain(eager).chain(rest).chain([world.good.len() - 1]).enumerate() {
        let mut bytes = world.good.clone();
        bytes[at] ^= 1 << (n % 8);
        let good = world.with_entry(&entry, &bytes, &format!("bit {} of byte {at}", n % 8));
        assert!(good || at > padding.end, "what is read at the start is seen at the start: {at}");
        mended += usize::from(good);
    }
    assert!(mended > 30, "{mended}: a run uses nearly all of the module");
    // All parts at once, and each only so.
    let mut bytes = world.good.clone();
    bytes[padding.end..].iter_mut().step_by(1000).for_each(|byte| *byte ^= 0x10);
    assert!(world.with_entry(&entry, &bytes, "every chunk"));
    let mut bytes = world.good.clone();
    bytes[padding.end..padding.end + LAZY].iter_mut().step_by(1000).for_each(|byte| *byte ^= 0x10);
    fs::write(&entry, bytes).unwrap();
    assert!(!world.run("every chunk of text", || {}), "it is seen in the middle of the run");
    assert!(fs::read(&entry).unwrap() == world.good);
    for len in
        [0, 1, 95, 96, 200, eager_end - 1, eager_end, padding.end, padding.end + 1, world.good.len() / 2, world.good.len() - 1]
    {
        assert!(world.with_entry(&entry, &world.good[..len], &format!("cut off at {len}")));
    }
    let noise: Vec<u8> = (0..world.good.len() as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    assert!(world.with_entry(&entry, &noise, "noise"));
    assert!(world.with_entry(&entry, &[&noise[..96], &world.good[96..]].concat(), "a head of noise"));
    assert!(!world.run("in the end", || {}));
}

#[test]
fn an_entry_that_belongs_elsewhere_is_not_used() {
    let world = World::new();
    let entry = world.entry();
    let others = world.temp.path().join("others");
    let path = world.temp.path().join("other.wasm");
    // The same code with another name, which alone tells them apart.
    fs::write(&path, guest("misplaced")).unwrap();
    let other = |tier: Tier, path: &Path| {
        let engine = Engine::new(&crate::cached(&others).tier(tier)).unwrap();
        Module::from_file(&engine, &File::open(path).unwrap(), None).unwrap();
        drop(engine);
        let file = fs::read_dir(&others).unwrap().next().unwrap().unwrap().path();
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(file).unwrap();
        bytes
    };
    assert!(world.with_entry(&entry, &other(Tier::Lightbeam, &path), "another module's"));
    assert!(world.with_entry(&entry, &other(Tier::Cranelift, &world.temp.path().join("m.wasm")), "another compiler's"));
    let engine = engine(&others);
    let module = Module::new(&engine, &guest("damaged")).unwrap();
    assert!(world.with_entry(&entry, &module.serialize().unwrap(), "no entry, but an artifact"));
}

#[test]
fn what_happens_to_an_entry_while_it_is_used_is_no_matter() {
    let world = World::new();
    let entry = world.entry();
    let open = || File::options().write(true).open(&entry).unwrap();
    let from = world.eager_end().next_multiple_of(4096) as u64;
    let noise = vec![0xcc; world.good.len() - from as usize];
    assert!(!world.run("cut off", || open().set_len(from + 5).unwrap()));
    assert!(!world.run("emptied", || open().set_len(0).unwrap()));
    assert!(!world.run("overwritten", || open().write_all_at(&noise, from).unwrap()));
    assert!(fs::read(&entry).unwrap() == world.good, "it has been made again");
    assert!(!world.run("removed", || fs::remove_file(&entry).unwrap()));
    assert!(world.run("made as new", || {}));
    assert!(!world.run("replaced", || {
        fs::write(world.temp.path().join("noise"), &noise).unwrap();
        fs::rename(world.temp.path().join("noise"), &entry).unwrap();
    }));
    assert!(world.run("the other one is no entry", || {}));
}

#[test]
fn threads_that_meet_damage_at_once_wait_for_what_is_made() {
    const THREADS: usize = 4;
    let world = World::new();
    let mut bytes = world.good.clone();
    let from = world.eager_end().next_multiple_of(4096);
    // Text and data: damage in short tables is seen at the start.
    bytes[from..from + LAZY].iter_mut().step_by(1000).for_each(|byte| *byte ^= 0x10);
    fs::write(world.entry(), &bytes).unwrap();
    let (engine, progress) = (engine(&world.cache()), Compiled::default());
    let module = Module::from_file(&engine, &File::open(world.temp.path().join("m.wasm")).unwrap(), Some(&progress)).unwrap();
    assert!(!progress.0.into_inner());
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                assert!(run(&engine, &module) == world.expected);
            });
        }
    });
    // A module that is loaded can be had as bytes, whatever has become of its entry.
    fs::write(world.entry(), []).unwrap();
    let artifact = module.serialize().unwrap();
    assert!(run(&engine, &Module::deserialize(&engine, &artifact).unwrap()) == world.expected);
}

/// A process that has closed its cache cannot replace an entry.
#[test]
fn damage_that_is_found_after_the_cache_is_closed_is_for_the_next_run_to_mend() {
    let world = World::new();
    let entry = world.entry();
    let mut bytes = world.good.clone();
    let from = world.eager_end().next_multiple_of(4096);
    bytes[from..from + LAZY].iter_mut().step_by(1000).for_each(|byte| *byte ^= 0x10);
    fs::write(&entry, &bytes).unwrap();
    let engine = engine(&world.cache());
    let module = Module::from_file(&engine, &File::open(world.temp.path().join("m.wasm")).unwrap(), None).unwrap();
    engine.close_cache();
    let modified = || fs::metadata(&entry).unwrap().modified().unwrap();
    assert_ne!(modified(), UNIX_EPOCH);
    assert!(run(&engine, &module) == world.expected);
    assert!(modified() == UNIX_EPOCH && fs::read(&entry).unwrap() == bytes, "marked, and otherwise as it was");
    drop((module, engine));
    assert!(world.run("marked", || {}), "compiled anew");
    assert!(fs::read(&entry).unwrap() == world.good && modified() != UNIX_EPOCH);
    assert!(!world.run("in the end", || {}));

    // One that is whole, too, is gone when it is marked.
    File::open(&entry).unwrap().set_modified(UNIX_EPOCH).unwrap();
    assert!(world.run("marked", || {}) && !world.run("in the end", || {}));
}

/// Without a file there is nothing to make an entry from later: so all of it is looked at before anything depends on it.
#[test]
fn the_entry_of_a_module_that_is_no_file_is_looked_at_whole() {
    let world = World::new();
    let module = guest("damaged");
    for at in [world.eager_end().next_multiple_of(4096), world.good.len() / 2, world.good.len() - 1] {
        let mut bytes = world.good.clone();
        bytes[at] ^= 1;
        fs::write(world.entry(), bytes).unwrap();
        for compiled in [true, false] {
            let (engine, progress) = (engine(&world.cache()), Compiled::default());
            let module = Module::new_with_progress(&engine, &module, &progress).unwrap();
            assert!(run(&engine, &module) == world.expected);
            assert_eq!(progress.0.into_inner(), compiled, "damaged at {at}");
        }
    }
}
