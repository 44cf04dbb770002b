//! References are counted: each host value is dropped once, when nothing refers to it any more, and never before.

use crate::engine;
use sconce_engine::{
    BoundsStyle, Caller, Config, Engine, Error, ExternRef, Global, GlobalType, Instance, Linker, Module, Store, Tier, TrapCode,
    Val, ValType,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Counts values made and dropped.
#[derive(Clone, Default)]
struct Ledger(Arc<(AtomicUsize, AtomicUsize)>);

impl Ledger {
    fn made(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    fn alive(&self) -> usize {
        self.made() - self.dropped()
    }

    fn value(&self) -> Counted {
        Counted { number: self.0.0.fetch_add(1, Ordering::Relaxed), ledger: self.clone() }
    }
}

/// A host value that knows its number.
struct Counted {
    number: usize,
    ledger: Ledger,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ledger.0.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// A value's number: reading one that was dropped would be reading freed memory, so a wrong number is as bad.
fn number(store: &Store<Ledger>, value: &Option<ExternRef>) -> i32 {
    value.as_ref().map_or(-1, |v| v.data(store).downcast_ref::<Counted>().expect("a counted value").number as i32)
}

/// Engines of every kind that matters to references: the last one sweeps and verifies at every safe point.
fn engines() -> Vec<Engine> {
    let config = || Config::new().tier(Tier::Cranelift).parallel(false);
    [
        config(),
        config().bounds(Some(BoundsStyle::Explicit)),
        config().gc_stress(true),
        config().bounds(Some(BoundsStyle::Explicit)).gc_stress(true),
        config().tier(Tier::Lightbeam),
        config().tier(Tier::Lightbeam).bounds(Some(BoundsStyle::Explicit)),
        config().tier(Tier::Lightbeam).gc_stress(true),
        config().tier(Tier::Lightbeam).bounds(Some(BoundsStyle::Explicit)).gc_stress(true),
    ]
    .iter()
    .map(|c| Engine::new(c).unwrap())
    .collect()
}

/// Host functions: `make` gives a new value, `number` looks at one, `pass` gives its argument back, `keep` keeps it and gives the
/// one that was kept before, `gc` sweeps, `trap` traps.
struct World {
    store: Store<Ledger>,
    instance: Instance,
    ledger: Ledger,
    kept: Arc<Mutex<Option<ExternRef>>>,
}

impl World {
    fn new(engine: &Engine, body: &str) -> World {
        let ledger = Ledger::default();
        let mut store = Store::new(engine, ledger.clone()).unwrap();
        let mut linker = Linker::new(engine);
        let kept: Arc<Mutex<Option<ExternRef>>> = Arc::default();
        linker
            .func_wrap("", "make", |mut caller: Caller<'_, Ledger>| -> Result<Option<ExternRef>, Error> {
                let value = caller.data().value();
                Ok(Some(ExternRef::new(&mut caller, value)?))
            })
            .unwrap();
        linker
            .func_wrap("", "number", |caller: Caller<'_, Ledger>, value: Option<ExternRef>| {
                value.as_ref().map_or(-1, |v| v.data(&caller).downcast_ref::<Counted>().unwrap().number as i32)
            })
            .unwrap();
        linker.func_wrap("", "pass", |value: Option<ExternRef>| value).unwrap();
        let keep = kept.clone();
        linker
            .func_wrap("", "keep", move |value: Option<ExternRef>| std::mem::replace(&mut *keep.lock().unwrap(), value))
            .unwrap();
        linker
            .func_wrap("", "gc", |mut caller: Caller<'_, Ledger>| sconce_engine::AsContextMut::as_context_mut(&mut caller).gc())
            .unwrap();
        linker
            .func_wrap("", "ask", |mut caller: Caller<'_, Ledger>| {
                sconce_engine::AsContextMut::as_context_mut(&mut caller).ask_for_gc();
            })
            .unwrap();
        linker.func_wrap("", "trap", || -> Result<(), Error> { Err(Error::trap(TrapCode::Unreachable)) }).unwrap();
        let text = format!(
            r#"(module
                (import "" "make" (func $make (result externref)))
                (import "" "number" (func $number (param externref) (result i32)))
                (import "" "pass" (func $pass (param externref) (result externref)))
                (import "" "keep" (func $keep (param externref) (result externref)))
                (import "" "gc" (func $gc))
                (import "" "ask" (func $ask))
                (import "" "trap" (func $trap))
                (table $t (export "t") 64 externref)
                (table $u 64 externref)
                (global $g (export "g") (mut externref) (ref.null extern))
                {body})"#
        );
        let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        World { store, instance, ledger, kept }
    }

    fn run(&mut self, name: &str, n: i32) -> Result<i32, Error> {
        self.instance.get_typed_func::<i32, i32>(&mut self.store, name).unwrap().call(&mut self.store, n)
    }

    /// Drops the store: everything is gone then.
    fn end(self) {
        let World { store, ledger, kept, .. } = self;
        drop(store);
        assert_eq!(ledger.alive(), 0, "of {}", ledger.made());
        // What outlives the store is nobody, and does no harm.
        drop(kept);
        assert_eq!(ledger.alive(), 0);
    }
}

/// `n` passes: a new value goes through a local, the first table, the second one, the global and back.
const ROUND: &str = r#"
    (func (export "run") (param $n i32) (result i32)
        (local $i i32) (local $bad i32) (local $a externref) (local $b externref)
        (loop $again
            (local.set $a (call $make))
            (table.set $t (i32.rem_u (local.get $i) (i32.const 64)) (local.get $a))
            (local.set $b (table.get $t (i32.rem_u (local.get $i) (i32.const 64))))
            (table.set $u (i32.rem_u (local.get $i) (i32.const 7)) (local.get $b))
            (global.set $g (table.get $u (i32.rem_u (local.get $i) (i32.const 7))))
            (local.set $bad (i32.or (local.get $bad)
                (i32.ne (call $number (global.get $g)) (local.get $i))))
            (local.set $bad (i32.or (local.get $bad)
                (i32.ne (call $number (call $pass (local.get $a))) (local.get $i))))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (local.get $bad))"#;

#[test]
fn values_live_as_long_as_tables_and_globals_hold_them() {
    for engine in engines() {
        let mut world = World::new(&engine, ROUND);
        assert_eq!(world.run("run", 300).unwrap(), 0);
        assert_eq!(world.ledger.made(), 300);
        // The last 64 are in the first table; the others only were in the activations table.
        world.store.gc();
        assert_eq!(world.ledger.alive(), 64);
        let table = world.instance.get_table(&mut world.store, "t").unwrap();
        let numbers: Vec<i32> = (0..64)
            .map(|i| match table.get(&world.store, i) {
                Some(Val::ExternRef(value)) => number(&world.store, &value),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(numbers.iter().enumerate().all(|(i, &n)| n % 64 == i as i32 && n >= 300 - 64), "{numbers:?}");
        // The host's own references to them are gone again.
        for i in 0..64 {
            table.set(&mut world.store, i, Val::ExternRef(None)).unwrap();
        }
        world.store.gc();
        // What the second table and the global hold.
        assert_eq!(world.ledger.alive(), 7);
        world.end();
    }
}

#[test]
fn host_functions_may_keep_their_arguments_and_return_them_later() {
    const BODY: &str = r#"
        (func (export "run") (param $n i32) (result i32)
            (local $i i32) (local $bad i32)
            (drop (call $keep (call $make)))
            (loop $again
                ;; What was kept in the round before comes back, though nothing in wasm held it.
                (local.set $bad (i32.or (local.get $bad)
                    (i32.ne (call $number (call $keep (call $pass (call $make)))) (local.get $i))))
                (call $gc)
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (local.get $bad))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        assert_eq!(world.run("run", 100).unwrap(), 0);
        world.store.gc();
        assert_eq!((world.ledger.made(), world.ledger.alive()), (101, 1));
        *world.kept.lock().unwrap() = None;
        world.store.gc();
        assert_eq!(world.ledger.alive(), 0);
        world.end();
    }
}

#[test]
fn frames_keep_what_they_hold_across_calls_and_sweeps() {
    // At each depth a value stays in a local and one is an operand, while deeper frames sweep.
    const BODY: &str = r#"
        (func $down (param $n i32) (param $v externref) (result i32)
            (local $mine externref)
            (if (i32.eqz (local.get $n)) (then (call $gc) (return (i32.const 0))))
            (local.set $mine (call $make))
            (i32.or
                (i32.ne (call $number (local.get $v))
                    (i32.sub (call $number (call $same (local.get $mine) (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $mine))))
                        (i32.const 1)))
                (i32.eqz (i32.add (call $number (local.get $mine)) (i32.const 1)))))
        (func $same (param externref i32) (result externref)
            (if (local.get 1) (then unreachable))
            (local.get 0))
        (func (export "run") (param $n i32) (result i32) (call $down (local.get $n) (call $make)))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        assert_eq!(world.run("run", 40).unwrap(), 0);
        assert_eq!(world.ledger.made(), 41);
        world.store.gc();
        assert_eq!(world.ledger.alive(), 0);
        world.end();
    }
}

#[test]
fn a_trap_in_the_middle_loses_nothing_and_keeps_nothing() {
    const BODY: &str = r#"
        (func $deep (param $n i32) (param $v externref)
            (table.set $t (local.get $n) (call $make))
            (if (i32.eqz (local.get $n)) (then (call $trap)))
            (call $deep (i32.sub (local.get $n) (i32.const 1)) (call $make))
            (drop (call $number (local.get $v))))
        (func (export "run") (param $n i32) (result i32) (call $deep (local.get $n) (call $make)) (i32.const 0))
        (func (export "fill") (param $n i32) (result i32)
            (table.fill $t (i32.const 0) (call $make) (local.get $n)) (i32.const 0))
        (func (export "outside") (param $n i32) (result i32)
            (table.set $t (local.get $n) (call $make)) (i32.const 0))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        for round in 1..4 {
            let error = world.run("run", 9).unwrap_err();
            assert_eq!(error.trap_code(), Some(TrapCode::Unreachable));
            world.store.gc();
            assert_eq!((world.ledger.made(), world.ledger.alive()), (20 * round, 10));
        }
        assert_eq!(world.run("outside", 64).unwrap_err().trap_code(), Some(TrapCode::TableOutOfBounds));
        assert_eq!(world.run("fill", 65).unwrap_err().trap_code(), Some(TrapCode::TableOutOfBounds));
        world.store.gc();
        assert_eq!(world.ledger.alive(), 10);
        assert_eq!(world.run("fill", 64).unwrap(), 0);
        world.store.gc();
        assert_eq!(world.ledger.alive(), 1);
        world.end();
    }
}

#[test]
fn bulk_operations_count() {
    const BODY: &str = r#"
        (table $v 0 externref)
        (global $null externref (ref.null extern))
        (elem $e externref (ref.null extern) (global.get $null))
        (func (export "run") (param $n i32) (result i32)
            (local $a externref) (local $b externref)
            (local.set $a (call $make)) (local.set $b (call $make))
            (table.set $t (i32.const 0) (local.get $a))
            (table.fill $t (i32.const 1) (local.get $b) (i32.const 10))
            ;; Overlapping, both ways: 0 a, 1 a, 2-9 b, then 0 a, 1-8 b.
            (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 9))
            (table.copy $t $t (i32.const 1) (i32.const 2) (i32.const 8))
            (table.copy $u $t (i32.const 0) (i32.const 0) (i32.const 5))
            (drop (table.grow $v (call $make) (i32.const 20)))
            (drop (table.grow $v (call $make) (i32.const -1)))
            (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))
            (elem.drop $e)
            (i32.add (i32.mul (i32.const 10) (call $number (table.get $u (i32.const 0)))) (call $number (table.get $u (i32.const 1)))))
        (func (export "clear") (param $n i32) (result i32)
            (table.fill $u (i32.const 0) (ref.null extern) (i32.const 64))
            (table.fill $t (i32.const 0) (ref.null extern) (local.get $n))
            (table.copy $v $u (i32.const 0) (i32.const 0) (i32.const 20)) (i32.const 0))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        assert_eq!(world.run("run", 0).unwrap(), 1);
        world.store.gc();
        // The one that a growth was refused is gone.
        assert_eq!((world.ledger.made(), world.ledger.alive()), (4, 3));
        assert_eq!(world.run("clear", 8).unwrap(), 0);
        // All of them were released at once, but for the second, of which the first table has the last in 8.
        assert_eq!(world.ledger.alive(), 1);
        assert_eq!(world.run("clear", 11).unwrap(), 0);
        assert_eq!(world.ledger.alive(), 0);
        world.end();
    }
}

#[test]
fn arguments_and_results_of_calls_from_the_host() {
    const BODY: &str = r#"
        (func (export "pick") (param externref externref i32) (result externref)
            (call $gc)
            (select (result externref) (local.get 0) (local.get 1) (local.get 2)))
        (func (export "many") (param externref externref externref externref externref externref externref externref externref)
            (result externref externref externref externref externref externref externref externref externref)
            (call $gc)
            (local.get 8) (local.get 7) (local.get 6) (local.get 5) (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        let store = &mut world.store;
        let make = |store: &mut Store<Ledger>| {
            let value = store.data().value();
            ExternRef::new(store, value).unwrap()
        };
        let pick = world
            .instance
            .get_typed_func::<(Option<ExternRef>, Option<ExternRef>, i32), Option<ExternRef>>(&mut *store, "pick")
            .unwrap();
        let (a, b) = (make(store), make(store));
        // The only references go in; one comes out.
        let out = pick.call(&mut *store, (Some(a), Some(b), 1)).unwrap();
        store.gc();
        assert_eq!((number(store, &out), world.ledger.alive()), (0, 1));
        let copy = out.clone();
        drop(out);
        store.gc();
        assert_eq!((number(store, &copy), world.ledger.alive()), (0, 1));
        drop(copy);
        store.gc();
        assert_eq!(world.ledger.alive(), 0);

        // More than registers hold, untyped.
        let many = world.instance.get_func(&mut *store, "many").unwrap();
        let args: Vec<Val> = (0..9).map(|_| Val::ExternRef(Some(make(store)))).collect();
        let mut results = vec![Val::ExternRef(None); 9];
        many.call(&mut *store, &args, &mut results).unwrap();
        drop(args);
        store.gc();
        assert_eq!(world.ledger.alive(), 9);
        for (i, result) in results.iter().enumerate() {
            let Val::ExternRef(value) = result else { panic!("{result:?}") };
            assert_eq!(number(store, value), 2 + 8 - i as i32);
        }
        drop(results);
        store.gc();
        assert_eq!(world.ledger.alive(), 0);

        // A host's global, and a call that goes nowhere.
        let value = make(store);
        let ty = GlobalType { content: ValType::EXTERNREF, mutable: true };
        let global = Global::new(&mut *store, ty, Val::ExternRef(Some(value))).unwrap();
        store.gc();
        assert_eq!(world.ledger.alive(), 1);
        global.set(&mut *store, Val::ExternRef(None)).unwrap();
        assert_eq!(world.ledger.alive(), 0);
        assert_eq!(pick.call(&mut *store, (None, None, 0)).unwrap(), None);
        world.end();
    }
}

#[test]
fn each_occasion_sweeps() {
    const BODY: &str = r#"
        (func (export "run") (param $n i32) (result i32)
            (local $i i32)
            (loop $again
                (drop (call $make))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (i32.const 0))
        (func (export "load") (param $n i32) (result i32)
            (local $i i32)
            (loop $again
                (drop (table.get $t (i32.const 0)))
                (table.set $t (i32.const 0) (call $make))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (i32.const 0))
        (table $large 3000 externref)
        (func (export "scan") (param $n i32) (result i32)
            (local $i i32)
            (loop $again
                (drop (table.get $large (local.get $i)))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (i32.const 0))
        (func (export "fill") (param $n i32) (result i32)
            (local $i i32)
            (loop $again
                (table.set $large (local.get $i) (call $make))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (call $gc)
            (i32.const 0))
        (func (export "asked") (param $n i32) (result i32)
            (drop (call $make)) (call $ask) (drop (call $number (ref.null extern))) (i32.const 0))
        (func (export "inserted") (param $n i32) (result i32)
            (call $ask) (drop (table.get $large (i32.const 5))) (i32.const 0))"#;
    let mut world = World::new(&engine(), BODY);
    let sweeps = |world: &World| world.store.reference_stats().sweeps;

    // At a boundary, past the threshold: host calls insert, and the table never gets full.
    let before = sweeps(&world);
    world.run("run", 2000).unwrap();
    let after = sweeps(&world);
    assert!(after.boundary > before.boundary && after.full == before.full, "{after:?}");
    assert!(world.ledger.alive() < 2000 && world.ledger.dropped() > 0, "{}", world.ledger.alive());

    // Full: compiled code inserts, and nothing else happens.
    world.run("fill", 3000).unwrap();
    let before = sweeps(&world);
    world.run("scan", 3000).unwrap();
    let after = sweeps(&world);
    assert!(after.full > before.full, "{after:?}");
    assert_eq!((after.asked, after.explicit), (before.asked, before.explicit));

    // On request, at once.
    world.store.gc();
    assert_eq!(sweeps(&world).explicit, after.explicit + 1);
    assert_eq!(world.ledger.alive(), 3000);

    // At the next safe point: the next host call.
    let before = sweeps(&world);
    world.run("asked", 0).unwrap();
    let after = sweeps(&world);
    assert_eq!((after.asked, after.full), (before.asked + 1, before.full));
    assert_eq!(world.ledger.alive(), 3000, "nothing but the sweep that was asked for lets the value go");
    // Or the next reference that comes into a frame.
    world.run("inserted", 0).unwrap();
    assert_eq!(sweeps(&world).total(), after.total() + 1);
    world.end();
}

#[test]
fn ten_million_passes_take_bounded_memory() {
    let mut world = World::new(&engine(), ROUND);
    let passes = 10_000_000;
    // One value in 50 passes is new; the others move between frames, tables and the global.
    const PASSES: &str = r#"
        (func (export "run") (param $n i32) (result i32)
            (local $i i32) (local $a externref)
            (loop $again
                (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 50)))
                    (then (table.set $t (i32.rem_u (i32.div_u (local.get $i) (i32.const 50)) (i32.const 64)) (call $make))))
                (local.set $a (table.get $t (i32.rem_u (local.get $i) (i32.const 64))))
                (table.set $u (i32.rem_u (i32.mul (local.get $i) (i32.const 7)) (i32.const 64)) (local.get $a))
                (global.set $g (table.get $u (i32.rem_u (i32.mul (local.get $i) (i32.const 11)) (i32.const 64))))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (i32.const 0))"#;
    world.end();
    world = World::new(&engine(), PASSES);
    assert_eq!(world.run("run", passes).unwrap(), 0);
    assert_eq!(world.ledger.made(), passes as usize / 50);
    let stats = world.store.reference_stats();
    assert!(stats.cage_bytes < 1 << 20 && stats.activations_capacity < 1 << 16, "{stats:?}");
    assert!(world.ledger.alive() < 5000, "{}", world.ledger.alive());
    world.store.gc();
    assert!(world.ledger.alive() <= 129, "{}", world.ledger.alive());
    world.end();
}

/// Work of sweeps during a recursion that holds a value at each depth.
fn frames_walked(depth: i32) -> u64 {
    const BODY: &str = r#"
        (func $down (param $n i32) (param $v externref)
            (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)) (call $make))))
            (drop (call $number (local.get $v))))
        (func (export "run") (param $n i32) (result i32) (call $down (local.get $n) (ref.null extern)) (i32.const 0))"#;
    let engine = Engine::new(&Config::new().stack_size(64 << 20)).unwrap();
    let mut world = World::new(&engine, BODY);
    world.run("run", depth).unwrap();
    assert_eq!(world.ledger.made(), depth as usize);
    let walked = world.store.reference_stats().frames_walked;
    world.end();
    walked
}

#[test]
fn deep_recursion_stays_linear() {
    let (shallow, deep) = (frames_walked(20_000), frames_walked(160_000));
    assert!(shallow > 10_000, "sweeps have met the frames: {shallow}");
    // On the way down each sweep leaves room for as much again; on the way up nothing is inserted.
    assert!(deep < 160_000 * 6, "{shallow} frames for 20,000, {deep} for 160,000");
}

#[test]
fn long_chains_of_host_values_do_not_recurse() {
    /// Holds the value before it.
    #[expect(dead_code, reason = "they are there to be dropped")]
    struct Link(Option<ExternRef>, Counted);
    for engine in engines() {
        let mut world = World::new(&engine, r#"(func (export "run") (param i32) (result i32) (local.get 0))"#);
        let mut last = None;
        for _ in 0..100_000 {
            let value = Link(last.take(), world.ledger.value());
            last = Some(ExternRef::new(&mut world.store, value).unwrap());
        }
        let global = world.instance.get_global(&mut world.store, "g").unwrap();
        global.set(&mut world.store, Val::ExternRef(last)).unwrap();
        world.store.gc();
        assert_eq!(world.ledger.alive(), 100_000);
        // A thread with little stack: recursion would be the end of it.
        let store = &mut world.store;
        std::thread::scope(|scope| {
            let small = std::thread::Builder::new().stack_size(512 << 10);
            small.spawn_scoped(scope, || global.set(store, Val::ExternRef(None)).unwrap()).unwrap().join().unwrap();
        });
        assert_eq!(world.ledger.alive(), 0);
        world.end();
    }
}

#[test]
fn a_store_takes_its_values_along() {
    for engine in engines() {
        let mut world = World::new(&engine, ROUND);
        assert_eq!(world.run("run", 100).unwrap(), 0);
        let value = world.ledger.value();
        let outlives = ExternRef::new(&mut world.store, value).unwrap();
        let clone = outlives.clone();
        world.end();
        drop((outlives, clone));
    }
}

#[test]
fn dropping_a_value_may_run_wasm() {
    /// Runs a store of its own when it is dropped.
    struct Runs(Mutex<World>, Arc<AtomicUsize>);
    impl Drop for Runs {
        fn drop(&mut self) {
            let world = self.0.get_mut().unwrap();
            assert_eq!(world.run("run", 70).unwrap(), 0);
            world.store.gc();
            assert_eq!(world.ledger.alive(), 64);
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    for engine in engines() {
        let runs = Arc::new(AtomicUsize::new(0));
        let mut world = World::new(&engine, ROUND);
        let global = world.instance.get_global(&mut world.store, "g").unwrap();
        let value = Runs(Mutex::new(World::new(&engine, ROUND)), runs.clone());
        let value = ExternRef::new(&mut world.store, value).unwrap();
        global.set(&mut world.store, Val::ExternRef(Some(value))).unwrap();
        // In the middle of wasm code, which overwrites the global.
        assert_eq!(world.run("run", 10).unwrap(), 0);
        world.store.gc();
        assert_eq!((runs.load(Ordering::Relaxed), world.ledger.alive()), (1, 10));
        world.end();
    }
}

#[test]
fn a_value_that_panics_when_dropped_does_so_where_the_host_called() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("dropped");
            }
        }
    }
    for engine in engines() {
        let mut world = World::new(&engine, ROUND);
        let global = world.instance.get_global(&mut world.store, "g").unwrap();
        let value = ExternRef::new(&mut world.store, Panics).unwrap();
        global.set(&mut world.store, Val::ExternRef(Some(value))).unwrap();
        world.store.gc();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run("run", 1)));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"dropped"));
        // The store goes on.
        assert_eq!(world.ledger.made(), 1);
        assert!(world.run("run", 20).is_ok());
        world.store.gc();
        world.end();
    }
}

#[test]
fn stores_do_not_mix() {
    for engine in engines() {
        let (mut a, mut b) = (World::new(&engine, ROUND), World::new(&engine, ROUND));
        assert_eq!((a.run("run", 40).unwrap(), b.run("run", 50).unwrap()), (0, 0));
        a.store.gc();
        assert_eq!((a.ledger.alive(), b.store.reference_stats().objects >= 50), (40, true));
        let value = ExternRef::new(&mut a.store, 1).unwrap();
        let table = b.instance.get_table(&mut b.store, "t").unwrap();
        assert!(matches!(table.set(&mut b.store, 0, Val::ExternRef(Some(value))), Err(Error::Usage(_))));
        a.end();
        b.store.gc();
        assert_eq!(b.ledger.alive(), 50);
        b.end();
    }
}

#[test]
fn references_can_be_dropped_on_other_threads() {
    let mut world = World::new(&engine(), ROUND);
    let values: Vec<ExternRef> = (0..1000)
        .map(|_| {
            let value = world.ledger.value();
            ExternRef::new(&mut world.store, value).unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for part in values.chunks(100) {
            // Cloned here and dropped there, while this thread's originals live on.
            let clones = part.to_vec();
            scope.spawn(move || clones.iter().for_each(|c| drop(c.clone())));
        }
        for _ in 0..20 {
            world.store.gc();
        }
    });
    world.store.gc();
    assert_eq!(world.ledger.alive(), 1000);
    drop(values);
    world.store.gc();
    assert_eq!(world.ledger.alive(), 0);
    world.end();
}

#[test]
fn frames_keep_what_they_hold_across_slow_barriers() {
    // A local and operands hold what nothing else does, some of it in registers, while a barrier finds no room and sweeps.
    const BODY: &str = r#"
        (func (export "run") (param $n i32) (result i32) (local $a externref) (local $i i32)
            (table.set $t (i32.const 1) (call $make))
            (global.set $g (call $make))
            (local.set $a (call $make))
            (call $make)
            (call $ask)
            (drop (table.get $t (i32.const 1)))
            (call $ask)
            (drop (global.get $g))
            ;; Values that are not dropped yet would be new ones by now.
            (loop $again
                (drop (call $make))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9))))
            (i32.add (call $number) (i32.mul (call $number (local.get $a)) (i32.const 10))))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        assert_eq!(world.run("run", 0).unwrap(), 23);
        world.store.gc();
        world.store.verify_references();
        assert_eq!(world.ledger.alive(), 2);
        world.end();
    }
}

#[test]
fn slow_barriers_leave_everything_as_it_was() {
    // `count` handles are live, a few by way of joins, and about as many numbers of each class, while barriers find no room and
    // while a release is the last one: few handles as well as too many to be written to the frame there.
    for count in [1, 2, 15, 16, 17, 18, 40] {
        let lines = |line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().join(" ");
        let body = format!(
            r#"(func (export "run") (param $n i32) (result i32)
                {locals}
                {handles}
                (table.set $t (i32.const 1) (call $make))
                (table.set $u (i32.const 1) (call $make))
                (call $gc)
                (call $ask)
                {numbers}
                (drop (table.get $t (i32.const 1)))
                ;; What was there has no other count, and is not in the table of what frames hold.
                (table.set $u (i32.const 1) (ref.null extern))
                {check_numbers}
                (loop $again
                    (drop (call $make))
                    (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50))))
                {check_handles}
                (i32.const 0))"#,
            locals = lines(&|i| format!("(local $r{i} externref) (local $i{i} i64) (local $f{i} f64) (local $v{i} v128)")),
            handles = lines(&|i| format!(
                "(if (i32.and (local.get $n) (i32.const {}))
                     (then (local.set $r{i} (ref.null extern)))
                     (else (local.set $r{i} (call $make))))",
                1 << (i % 8)
            )),
            numbers = lines(&|i| format!(
                "(local.set $i{i} (i64.add (i64.extend_i32_u (local.get $n)) (i64.const {i})))
                 (local.set $f{i} (f64.convert_i64_u (local.get $i{i})))
                 (local.set $v{i} (i64x2.splat (local.get $i{i})))"
            )),
            check_numbers = lines(&|i| format!(
                "(if (i64.ne (local.get $i{i}) (i64.const {i})) (then (return (i32.const {}))))
                 (if (f64.ne (local.get $f{i}) (f64.const {i})) (then (return (i32.const {}))))
                 (if (i64.ne (i64x2.extract_lane 1 (local.get $v{i})) (i64.const {i})) (then (return (i32.const {}))))",
                100 + i,
                200 + i,
                300 + i
            )),
            check_handles = lines(&|i| format!(
                "(if (i32.ne (call $number (local.get $r{i})) (i32.const {i})) (then (return (i32.const {}))))",
                400 + i
            )),
        );
        for engine in engines() {
            let mut world = World::new(&engine, &body);
            assert_eq!(world.run("run", 0).unwrap(), 0, "{count} handles");
            world.store.gc();
            world.store.verify_references();
            assert_eq!(world.ledger.alive(), 1);
            world.end();
        }
    }
}

#[test]
fn null_is_never_inserted() {
    const BODY: &str = r#"
        (func (export "run") (param $n i32) (result i32)
            (loop $again
                (drop (table.get $t (i32.and (local.get $n) (i32.const 63))))
                (table.set $u (i32.const 0) (global.get $g))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.const 0))"#;
    for engine in engines() {
        let mut world = World::new(&engine, BODY);
        // An object, so that sweeps have something to do.
        let value = world.ledger.value();
        let value = ExternRef::new(&mut world.store, value).unwrap();
        let before = world.store.reference_stats();
        world.run("run", 5000).unwrap();
        let after = world.store.reference_stats();
        assert_eq!((after.activations, after.sweeps.full), (0, before.sweeps.full));
        drop(value);
        world.end();
    }
}

#[test]
fn exceptions_count_against_the_memory_limit() {
    const LIMIT: u64 = 1 << 20;
    const BODY: &str = r#"(module
        (tag $e (param v128 v128 v128 v128 exnref))
        (func $throw (param exnref)
            (throw $e (v128.const i64x2 1 2) (v128.const i64x2 3 4) (v128.const i64x2 5 6) (v128.const i64x2 7 8) (local.get 0)))
        ;; A list of so many exceptions, each in the next one.
        (func (export "run") (param $n i32) (result i32)
            (local $list exnref)
            (loop $again
                (local.set $list (block $h (result exnref)
                    (try_table (catch_all_ref $h) (call $throw (local.get $list)))
                    (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.const 7)))"#;
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let engine = Engine::new(&Config::new().tier(tier).parallel(false).max_memory(Some(LIMIT))).unwrap();
        let module = Module::new(&engine, BODY.as_bytes()).unwrap();
        let mut first = Store::new(&engine, ()).unwrap();
        let limit = sconce_engine::AsContext::as_context(&first).memory_limit();
        let instantiate = |store: &mut Store<()>| Linker::new(&engine).instantiate(&mut *store, &module).unwrap();
        let run = |store: &mut Store<()>, instance: &Instance, n: i32| -> Result<i32, Error> {
            instance.get_typed_func::<i32, i32>(&mut *store, "run").unwrap().call(&mut *store, n)
        };
        let mut second = Store::with_memory_limit(&engine, (), &limit).unwrap();
        let (one, other) = (instantiate(&mut first), instantiate(&mut second));
        assert_eq!(run(&mut first, &one, 2000).unwrap(), 7);
        let refused = run(&mut first, &one, 50_000).unwrap_err();
        assert_eq!(refused.trap_code(), Some(TrapCode::ReferenceHeapFull), "{refused}");
        assert_eq!(refused.backtrace().unwrap().frames.len(), 2);
        // What was freed can be had again, by this store; by another one when this one is gone.
        first.gc();
        assert_eq!(run(&mut first, &one, 2000).unwrap(), 7);
        assert!(run(&mut second, &other, 2000).is_err());
        drop(first);
        assert_eq!(run(&mut second, &other, 2000).unwrap(), 7);
    }
}
