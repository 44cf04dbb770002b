//! References under fire: interrupts at every instruction of the barriers, little address space, sweeps
//! across tail calls, and host values whose drop enters their store.

use crate::every_pc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sconce_engine::{
    AsContextMut, BoundsStyle, CallStyle, Caller, Config, Engine, Error, ExternRef, Instance, Linker, Module, Store, Tier,
    TrapCode, Val,
};
use sconce_faults::{assert_success, config, in_child, in_child_under};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A host value: counts how many there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Counted {
        alive.fetch_add(1, Ordering::Relaxed);
        Counted(alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A store, an instance of a module in it, and the number of host values.
struct World {
    store: Store<()>,
    instance: Instance,
    alive: Arc<AtomicUsize>,
}

impl World {
    /// The module may import `make`, which gives a new host value, `arm`, `ask` for a sweep at the next safe point, and `gc`.
    fn new(engine: &Engine, text: &str) -> World {
        let alive: Arc<AtomicUsize> = Arc::default();
        let mut store = Store::new(engine, ()).unwrap();
        let mut linker = Linker::new(engine);
        let ledger = alive.clone();
        let make = move |mut caller: Caller<'_, ()>| -> Result<Option<ExternRef>, Error> {
            Ok(Some(ExternRef::new(&mut caller, Counted::new(&ledger))?))
        };
        linker.func_wrap("", "make", make).unwrap();
        linker.func_wrap("", "arm", every_pc::arm).unwrap();
        linker.func_wrap("", "ask", |mut caller: Caller<'_, ()>| caller.as_context_mut().ask_for_gc()).unwrap();
        linker.func_wrap("", "gc", |mut caller: Caller<'_, ()>| caller.as_context_mut().gc()).unwrap();
        let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        World { store, instance, alive }
    }

    fn run(&mut self, name: &str, n: i32) -> Result<i32, Error> {
        self.instance.get_typed_func::<i32, i32>(&mut self.store, name).unwrap().call(&mut self.store, n)
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// Every count is right, and the host values are those of the objects.
    fn verify(&mut self) {
        self.store.verify_references();
        self.store.gc();
        self.store.verify_references();
        assert_eq!(self.alive(), self.store.reference_stats().objects);
    }
}

/// Every way through the barriers: handles that are in the activations table, that are not and find room, and that find none; the
/// same over the same, null over something, something over null, the last reference to something.
const BARRIERS: &str = r#"(module
    (import "" "make" (func $make (result externref)))
    (import "" "arm" (func $arm))
    (import "" "ask" (func $ask))
    (table $t 6 externref)
    (table $u (export "u") 2 externref)
    (global $g (export "g") (mut externref) (ref.null extern))
    (func (export "fill") (param i32) (result i32) (local $i i32)
        (loop
            (table.set $t (local.get $i) (call $make))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
        (table.set $t (i32.const 5) (ref.null extern))
        (table.set $u (i32.const 0) (call $make))
        (table.set $u (i32.const 1) (ref.null extern))
        (global.set $g (call $make))
        (i32.const 0))
    (func $pass (param externref) (result externref) (local.get 0))
    (type $part (func (param i32) (result i32)))
    (table $parts funcref (elem $inline $last $full))
    (func $inline (type $part) (local $a externref) (local $x i64) (local $f f64)
        ;; Fresh, with room; then in the table already.
        (local.set $a (table.get $t (i32.const 0)))
        (local.set $a (call $pass (table.get $t (i32.const 0))))
        (local.set $x (i64.extend_i32_u (local.get 0)))
        (local.set $f (f64.convert_i32_u (local.get 0)))
        ;; The same; another one, of which the activations table has a reference.
        (table.set $t (i32.const 0) (local.get $a))
        (drop (table.get $t (i32.const 1)))
        (table.set $t (i32.const 1) (local.get $a))
        ;; Null over something, something over null, null over null, with numbers in registers around.
        (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 3)) (i64.extend_i32_u
            (ref.is_null (table.get $u (i32.const 0))))))
        (table.set $u (i32.const 1) (table.get $u (i32.const 0)))
        (table.set $u (i32.const 0) (table.get $t (i32.const 5)))
        (table.set $t (i32.const 5) (ref.null extern))
        (global.set $g (global.get $g))
        (i32.add (i32.wrap_i64 (local.get $x)) (i32.trunc_f64_s (local.get $f))))
    ;; The last references of all, of what nothing has read: nobody and null take their places.
    (func $last (type $part)
        (table.set $t (i32.const 2) (ref.null extern))
        (table.set $t (i32.const 3) (table.get $t (i32.const 0)))
        (local.get 0))
    ;; No room in the activations table.
    (func $full (type $part) (local $f f64)
        (local.set $f (f64.convert_i32_u (local.get 0)))
        (global.set $g (table.get $t (i32.const 4)))
        (i32.trunc_f64_s (f64.add (local.get $f) (select (f64.const 1) (f64.const 2) (ref.is_null (global.get $g))))))
    (func (export "run") (param $n i32) (result i32)
        (i32.add
            (i32.add (call $inline (local.get $n)) (call $last (local.get $n)))
            (block (result i32) (call $ask) (call $full (local.get $n)))))
    (func $armed (param $n i32) (result i32)
        (if (i32.eq (local.get $n) (i32.const 2)) (then (call $ask)))
        (call $arm)
        (call_indirect $parts (type $part) (i32.const 5) (local.get $n)))
    (func (export "armed") (param i32) (result i32) (call $armed (local.get 0))))"#;

fn barriers(tier: Tier, bounds: BoundsStyle) {
    let engine = Engine::new(&config((tier, bounds, CallStyle::Direct))).unwrap();
    let mut world = World::new(&engine, BARRIERS);
    let handle = world.store.interrupt_handle();
    let prepare = |world: &mut World| {
        world.run("fill", 0).unwrap();
        world.verify();
        assert_eq!(world.alive(), 7);
    };
    prepare(&mut world);
    assert_eq!(world.run("run", 5).unwrap(), 20 + 5 + 7);
    world.verify();
    assert_eq!(world.alive(), 3);
    every_pc::prepare(&handle);
    // Each part alone, since a way through host code has very many steps.
    for (part, expected, left, least) in [(0, 20, 6, 100), (1, 5, 5, 30), (2, 7, 6, 20)] {
        let (mut k, mut interrupted) = (0, 0);
        loop {
            prepare(&mut world);
            every_pc::aim(k);
            let result = world.run("armed", part);
            every_pc::disarm();
            let reached = every_pc::reached();
            handle.clear();
            world.verify();
            match result {
                Ok(result) => assert_eq!((result, world.alive()), (expected, left), "part {part}, step {k}"),
                Err(e) if e.trap_code() == Some(TrapCode::Interrupt) => interrupted += 1,
                Err(e) => panic!("part {part}, step {k}: {e}"),
            }
            if !reached {
                break;
            }
            k += 1;
        }
        println!("part {part}: {k} steps, interrupted at {interrupted}");
        assert!(k > least && interrupted > k / 4, "part {part}: {k} steps, interrupted at {interrupted}");
    }
    every_pc::finish();
    let World { store, alive, .. } = world;
    drop(store);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

macro_rules! every_barrier {
    ($($name:ident $tier:ident $bounds:ident;)*) => {$(
        #[test]
        fn $name() {
            let test = concat!("barriers::", stringify!($name));
            assert_success(&in_child(test, || barriers(Tier::$tier, BoundsStyle::$bounds)));
        }
    )*};
}

every_barrier! {
    cranelift_guard Cranelift Guard;
    cranelift_explicit Cranelift Explicit;
    lightbeam_guard Lightbeam Guard;
    lightbeam_explicit Lightbeam Explicit;
}

/// A cage as short as 2 GB of address space make it: references work, and when it is full, that is an error.
#[test]
fn a_short_cage() {
    let output = in_child_under("barriers::a_short_cage", "ulimit -v 2000000;", || {
        for tier in [Tier::Cranelift, Tier::Lightbeam] {
            let engine = Engine::new(&Config::new().tier(tier)).unwrap();
            assert_eq!(engine.bounds(), BoundsStyle::Explicit);
            let mut world = World::new(&engine, BARRIERS);
            for _ in 0..3 {
                world.run("fill", 0).unwrap();
                assert_eq!(world.run("run", 5).unwrap(), 32);
                world.verify();
                assert_eq!(world.alive(), 3);
            }
            // Less than 128 MB are a sixteenth of what is left.
            let kept: Result<Vec<ExternRef>, Error> = (0..10_000_000).map(|_| ExternRef::new(&mut world.store, ())).collect();
            assert!(matches!(kept, Err(Error::Resources(_))), "{:?}", kept.map(|v| v.len()));
            world.store.gc();
            world.run("fill", 0).unwrap();
            assert_eq!(world.run("run", 5).unwrap(), 32);
            world.verify();
        }
    });
    assert_success(&output);
}

/// Code in guard style looks at no length of a cage: whether a module's code needs a whole one is known
/// before it runs, though nothing but what it catches may be a reference in it.
#[test]
fn a_cage_that_became_short() {
    let output = in_child("barriers::a_cage_that_became_short", || {
        let engines: Vec<Engine> = engines().collect();
        let catches = "(func $f (drop (block $h (result exnref) (try_table (catch_all_ref $h) (call $f)) (unreachable))))";
        for (body, needs) in [(catches, true), ("(tag)", true), ("(table 1 externref)", true), ("(func)", false)] {
            for engine in &engines {
                let module = Module::new(engine, format!("(module {body})").as_bytes()).unwrap();
                let mut store = Store::new(engine, ()).unwrap();
                let before = getrlimit(Resource::As);
                setrlimit(Resource::As, Rlimit { current: Some(address_space() + (1 << 30)), ..before }).unwrap();
                let instance = Linker::new(engine).instantiate(&mut store, &module);
                setrlimit(Resource::As, before).unwrap();
                assert_eq!(matches!(instance, Err(Error::Resources(_))), needs, "{body}: {:?}", instance.err());
            }
        }
    });
    assert_success(&output);
}

/// Bytes of address space that this process has taken.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") << 10
}

fn engines() -> impl Iterator<Item = Engine> {
    [Tier::Cranelift, Tier::Lightbeam].into_iter().flat_map(|tier| {
        [false, true].map(|stress| {
            Engine::new(&config((tier, BoundsStyle::Guard, CallStyle::Direct)).gc_stress(stress)).expect("an engine")
        })
    })
}

/// Sweeps while frames have been replaced by tail calls many times over, with more stack arguments than their callers had and
/// with fewer: what the last one holds stays, what the replaced ones held goes.
#[test]
fn sweeps_across_tail_calls() {
    const TAILS: &str = r#"(module
        (import "" "make" (func $make (result externref)))
        (import "" "gc" (func $gc))
        (table $t (export "t") 8 externref)
        (type $wide (func (param i32 i64 i64 i64 i64 i64 i64 externref externref) (result externref)))
        (func $narrow (param $n i32) (param $v externref) (result externref)
            (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 64))) (then (call $gc)))
            (if (i32.eqz (local.get $n)) (then (return (local.get $v))))
            (return_call $wide (i32.sub (local.get $n) (i32.const 1)) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                (i64.const 6) (local.get $v) (call $make)))
        (func $wide (type $wide)
            (if (i32.eqz (i32.rem_u (local.get 0) (i32.const 61))) (then (call $gc)))
            (return_call $narrow (local.get 0) (select (result externref) (local.get 7) (local.get 8) (i32.wrap_i64 (local.get 1)))))
        (func (export "run") (param $n i32) (result i32) (local $mine externref)
            (local.set $mine (call $make))
            (table.set $t (i32.const 0) (call $narrow (local.get $n) (call $make)))
            (table.set $t (i32.const 1) (local.get $mine))
            (i32.const 0)))"#;
    for engine in engines() {
        let mut world = World::new(&engine, TAILS);
        world.run("run", 3000).unwrap();
        let peak = world.store.reference_stats();
        assert!(peak.sweeps.explicit > 80 && peak.objects < 1500, "{peak:?}");
        world.verify();
        assert_eq!(world.alive(), 2);
        let table = world.instance.get_table(&mut world.store, "t").unwrap();
        for i in 0..2 {
            let Some(Val::ExternRef(Some(value))) = table.get(&world.store, i) else { panic!("element {i}") };
            assert!(value.data(&world.store).downcast_ref::<Counted>().is_some());
        }
    }
}

/// A pointer to a store, for host values to enter it when they are dropped.
#[derive(Clone)]
struct Reentry {
    store: *mut Store<()>,
    instance: Instance,
    entered: Arc<AtomicUsize>,
    _counted: Arc<Counted>,
}

// SAFETY: a store and its host values are used by one thread, this test's.
unsafe impl Send for Reentry {}
// SAFETY: as above.
unsafe impl Sync for Reentry {}

impl Drop for Reentry {
    fn drop(&mut self) {
        // SAFETY: the store outlives its values, and the engine has nothing of it in its hands while values
        // are dropped: whatever its callers borrowed is not used before the drop returns.
        let store = unsafe { &mut *self.store };
        let entered = self.entered.fetch_add(1, Ordering::Relaxed);
        // Writes over what is in the table, so that the next value dies, and now and then sweeps.
        let run = self.instance.get_typed_func::<i32, i32>(&mut *store, "drop").unwrap();
        let next = entered as i32 + 1;
        assert_eq!(run.call(&mut *store, next).unwrap(), next);
        if entered.is_multiple_of(100) {
            store.gc();
        }
    }
}

#[test]
fn a_drop_enters_its_own_store() {
    const DROPS: &str = r#"(module
        (import "" "make" (func $make (result externref)))
        (import "" "gc" (func $gc))
        (table $t (export "t") 501 externref)
        (global $g (export "g") (mut externref) (ref.null extern))
        (func (export "drop") (param $n i32) (result i32)
            (global.set $g (call $make))
            (table.set $t (local.get $n) (global.get $g))
            (local.get $n))
        (func (export "run") (param $n i32) (result i32) (local $a externref)
            (local.set $a (call $make))
            ;; This is where the first value dies, in the middle of a barrier, and all others with it, one after the other.
            (table.set $t (i32.const 0) (ref.null extern))
            (table.set $t (local.get $n) (local.get $a))
            (i32.const 1)))"#;
    const VALUES: u32 = 500;
    for engine in engines() {
        let mut world = World::new(&engine, DROPS);
        let (entered, counted) = (Arc::<AtomicUsize>::default(), Arc::new(Counted::new(&world.alive)));
        let table = world.instance.get_table(&mut world.store, "t").unwrap();
        let store: *mut Store<()> = &mut world.store;
        for i in 0..VALUES.into() {
            let value = Reentry { store, instance: world.instance, entered: entered.clone(), _counted: counted.clone() };
            let value = ExternRef::new(&mut world.store, value).unwrap();
            table.set(&mut world.store, i, Val::ExternRef(Some(value))).unwrap();
        }
        world.store.gc();
        assert_eq!(entered.load(Ordering::Relaxed), 0);
        assert_eq!(world.run("run", 5).unwrap(), 1);
        // Each one's drop let the next one die, and each was dropped once.
        assert_eq!((entered.load(Ordering::Relaxed), Arc::strong_count(&counted)), (VALUES as usize, 1));
        drop(counted);
        world.store.gc();
        world.store.verify_references();
        assert_eq!(world.alive(), world.store.reference_stats().objects);
    }
}

/// A reference comes into a frame; the sweep that makes room for it lets a value die, whose drop takes the reference out of its
/// table and sweeps again. No frame has it then.
#[test]
fn what_a_builtin_gives_back_outlives_the_drops_before() {
    const LOAD: &str = r#"(module
        (import "" "make" (func $make (result externref)))
        (import "" "gc" (func $gc))
        (table $t (export "t") 2 externref)
        (table $large 5000 externref)
        (func (export "drop") (param $n i32) (result i32)
            (table.fill $large (i32.const 0) (ref.null extern) (i32.const 5000))
            (call $gc)
            (local.get $n))
        (func $fill (local $i i32)
            (loop
                (table.set $large (local.get $i) (call $make))
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000)))))
        (func $lose
            (drop (table.get $t (i32.const 1)))
            (table.set $t (i32.const 1) (ref.null extern)))
        (func (export "run") (param $i i32) (result i32) (local $a externref) (local $last externref)
            (call $fill)
            (call $gc)
            (call $lose)
            ;; Up to the first that the drop has taken away.
            (loop $again
                (local.set $a (table.get $large (local.get $i)))
                (if (i32.eqz (ref.is_null (local.get $a))) (then
                    (local.set $last (local.get $a))
                    (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000))))))
            (table.set $t (i32.const 1) (local.get $last))
            (call $gc)
            (local.get $i)))"#;
    // Not where each safe point sweeps: the value dies before.
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let engine = Engine::new(&config((tier, BoundsStyle::Guard, CallStyle::Direct))).expect("an engine");
        let mut world = World::new(&engine, LOAD);
        let (entered, counted) = (Arc::<AtomicUsize>::default(), Arc::new(Counted::new(&world.alive)));
        let table = world.instance.get_table(&mut world.store, "t").unwrap();
        let store: *mut Store<()> = &mut world.store;
        let value = Reentry { store, instance: world.instance, entered: entered.clone(), _counted: counted };
        let value = ExternRef::new(&mut world.store, value).unwrap();
        table.set(&mut world.store, 1, Val::ExternRef(Some(value))).unwrap();
        assert!((1..5000).contains(&world.run("run", 0).unwrap()));
        assert_eq!((entered.load(Ordering::Relaxed), world.alive()), (1, 1));
        let Some(Val::ExternRef(Some(kept))) = table.get(&world.store, 1) else { panic!("it is gone") };
        assert!(kept.data(&world.store).downcast_ref::<Counted>().is_some());
        drop(kept);
        world.verify();
    }
}

/// Code that must not be cut does not join to loops that nothing can end.
#[test]
fn loops_of_nothing_but_barriers_are_interrupted() {
    const LOOPS: &str = r#"(module
        (import "" "make" (func $make (result externref)))
        (table $t 2 2 externref)
        (global $g (mut externref) (ref.null extern))
        (func (export "one") (param $n i32) (result i32)
            (local $a externref) (local.set $a (call $make))
            (loop (global.set $g (local.get $a)) (br 0)) (i32.const 0))
        (func (export "tables") (param $n i32) (result i32)
            (local $a externref) (local $b externref) (local.set $a (call $make)) (local.set $b (call $make))
            (loop (table.set $t (i32.const 0) (local.get $a)) (table.set $t (i32.const 0) (local.get $b)) (br 0)) (i32.const 0))
        (func (export "globals") (param $n i32) (result i32)
            (local $a externref) (local $b externref) (local.set $a (call $make)) (local.set $b (call $make))
            (loop (global.set $g (local.get $a)) (global.set $g (local.get $b)) (global.set $g (ref.null extern)) (br 0))
            (i32.const 0))
        (func (export "behind a barrier") (param $n i32) (result i32)
            (local $a externref) (local $b externref) (local.set $a (call $make)) (local.set $b (call $make))
            (global.set $g (local.get $b))
            (loop (global.set $g (local.get $a)) (global.set $g (local.get $b)) (br 0)) (i32.const 0))
        (func (export "tables behind a barrier") (param $n i32) (result i32)
            (local $a externref) (local $b externref) (local.set $a (call $make)) (local.set $b (call $make))
            (table.set $t (i32.const 0) (local.get $b))
            (loop (table.set $t (i32.const 0) (local.get $a)) (table.set $t (i32.const 0) (local.get $b)) (br 0)) (i32.const 0))
        (func (export "reads") (param $n i32) (result i32)
            (table.set $t (i32.const 0) (call $make))
            (loop (table.set $t (i32.const 1) (table.get $t (i32.const 0))) (table.set $t (i32.const 1) (ref.null extern)) (br 0))
            (i32.const 0)))"#;
    for engine in engines() {
        let mut world = World::new(&engine, LOOPS);
        for name in ["one", "tables", "globals", "behind a barrier", "tables behind a barrier", "reads"] {
            let handle = world.store.interrupt_handle();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    handle.interrupt();
                });
                assert_eq!(world.run(name, 0).unwrap_err().trap_code(), Some(TrapCode::Interrupt), "{name}");
            });
            world.verify();
        }
    }
}
