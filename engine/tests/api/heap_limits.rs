//! Whatever fills the heap of references has it swept: exceptions that wasm catches, host functions that
//! throw, values that the host makes. A heap that is full all the same is a trap.

use sconce_engine::{
    AsContextMut, BoundsStyle, Caller, Config, Engine, Error, Exception, ExternRef, FuncType, Instance, Linker, Module, Store,
    Tag, Tier, TrapCode, Val, ValType,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const MIB: usize = 1 << 20;

/// Both tiers; under stress every throw is a safe point, after which all counts are verified.
fn configs(stress: bool) -> impl Iterator<Item = Config> {
    [Tier::Cranelift, Tier::Lightbeam].map(|tier| Config::new().tier(tier).parallel(false).gc_stress(stress)).into_iter()
}

/// A value that counts how many of its kind live.
struct Counted(Arc<AtomicI64>);

impl Counted {
    fn new(alive: &Arc<AtomicI64>) -> Counted {
        alive.fetch_add(1, Ordering::Relaxed);
        Counted(alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct World {
    store: Store<()>,
    instance: Instance,
    alive: Arc<AtomicI64>,
}

impl World {
    /// `make` gives a new host value, `thrown` throws one in an exception of an exported tag.
    fn new(config: &Config, body: &str) -> World {
        let engine = Engine::new(config).unwrap();
        let text = format!(
            r#"(module (import "" "make" (func $make (result externref))) (import "" "throws" (func $throws))
                (import "" "e" (tag $e (param externref))) {body})"#
        );
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let (mut store, mut linker) = (Store::new(&engine, ()).unwrap(), Linker::new(&engine));
        let alive: Arc<AtomicI64> = Arc::default();
        let count = alive.clone();
        linker
            .func_wrap("", "make", move |mut caller: Caller<'_, ()>| ExternRef::new(&mut caller, Counted::new(&count)).map(Some))
            .unwrap();
        let ty = FuncType { params: [ValType::EXTERNREF].into(), results: [].into() };
        let tag = Tag::new(&mut store, &ty).unwrap();
        let count = alive.clone();
        linker
            .func_wrap("", "throws", move |mut caller: Caller<'_, ()>| -> Result<(), Error> {
                let value = ExternRef::new(&mut caller, Counted::new(&count))?;
                Err(Error::exception(Exception::new(&mut caller, tag, &[Val::ExternRef(Some(value))])?))
            })
            .unwrap();
        linker.define(&mut store, "", "e", tag).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        World { store, instance, alive }
    }

    fn run(&mut self, n: i32) -> Result<i32, Error> {
        self.instance.get_typed_func::<i32, i32>(&mut self.store, "run").unwrap().call(&mut self.store, n)
    }

    fn cage_bytes(&self) -> usize {
        self.store.reference_stats().cage_bytes
    }

    /// Nothing is left when nothing holds anything.
    #[track_caller]
    fn end(mut self) {
        self.store.gc();
        self.store.verify_references();
        assert_eq!((self.alive.load(Ordering::Relaxed), self.store.reference_stats().objects), (0, 0));
    }
}

/// Calls `$once` as often as the parameter of `run` says.
fn repeated(once: &str) -> String {
    format!(
        r#"(func $once (param $n i32) {once})
        (func (export "run") (param $n i32) (result i32)
            (loop $again
                (call $once (local.get $n))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.const 7))"#
    )
}

#[test]
fn exceptions_that_wasm_catches_by_reference_are_freed() {
    // Caught and forgotten; passed on as destructors do; with references and vectors; thrown again; thrown by the host.
    let bodies = [
        repeated(
            r#"(block $h (result exnref) (try_table (catch_all_ref $h) (throw $e (ref.null extern))) (unreachable)) (drop)"#,
        ),
        format!(
            r#"(func $clean (block $c (result exnref) (try_table (catch_all_ref $c) (call $throw)) (return)) (throw_ref))
            (func $throw (throw $e (call $make))) {}"#,
            repeated(r#"(block $h (result externref) (try_table (catch $e $h) (call $clean)) (unreachable)) (drop)"#)
        ),
        format!(
            r#"(tag $two (param v128 externref exnref)) (global $last (mut exnref) (ref.null exn)) {}"#,
            repeated(
                r#"(local $kept externref)
                (local.set $kept (call $make))
                (block $h (result exnref)
                    (try_table (catch_all_ref $h)
                        (throw $two (v128.const i64x2 1 2) (local.get $kept)
                            (if (result exnref) (i32.and (local.get $n) (i32.const 15))
                                (then (global.get $last)) (else (ref.null exn)))))
                    (unreachable))
                (global.set $last)
                (if (ref.is_null (local.get $kept)) (then (unreachable)))
                (if (i32.eq (local.get $n) (i32.const 1)) (then (global.set $last (ref.null exn))))"#
            )
        ),
        repeated(
            r#"(local $x exnref)
            (local.set $x (block $h (result exnref) (try_table (catch_all_ref $h) (throw $e (call $make))) (unreachable)))
            (block $h (result externref exnref) (try_table (catch_ref $e $h) (throw_ref (local.get $x))) (unreachable))
            (drop) (drop)"#,
        ),
        repeated(
            r#"(block $h (result externref exnref) (try_table (catch_ref $e $h) (call $throws)) (unreachable))
            (drop) (if (ref.is_null) (then (unreachable)))"#,
        ),
    ];
    for (i, body) in bodies.iter().enumerate() {
        for config in configs(false) {
            let mut world = World::new(&config, body);
            assert_eq!(world.run(20_000).unwrap(), 7);
            // A sweep for each table's worth of them.
            assert!(world.cage_bytes() < MIB / 2, "{i}: {} bytes", world.cage_bytes());
            assert!(world.alive.load(Ordering::Relaxed) < 5000, "{i}");
            world.end();
        }
        for config in configs(true) {
            let mut world = World::new(&config, body);
            assert_eq!(world.run(100).unwrap(), 7);
            world.end();
        }
    }
}

#[test]
fn large_exceptions_are_counted_by_bytes() {
    // Many references in frames make room for many entries in the table, which large exceptions must not fill: 10,000 frames with
    // ten each, and then exceptions of 16 KB.
    let vectors = "v128 ".repeat(1000);
    let body = format!(
        r#"(tag $large (param {vectors}))
        (func $fill (param $n i32) (param $f i32) (result i32) {locals}
            {makes}
            (if (result i32) (local.get $f)
                (then (call $fill (local.get $n) (i32.sub (local.get $f) (i32.const 1))))
                (else (call $loop (local.get $n))))
            {uses})
        (func $loop (param $n i32) (result i32)
            (loop $again
                (drop (block $h (result exnref)
                    (try_table (catch_all_ref $h) (throw $large {values}))
                    (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.const 7))
        (func (export "run") (param $n i32) (result i32) (call $fill (local.get $n) (i32.const 3000)))"#,
        locals = "(local externref)".repeat(10),
        makes = (2..12).map(|i| format!("(local.set {i} (call $make))")).collect::<String>(),
        uses = (2..12).map(|i| format!("(if (ref.is_null (local.get {i})) (then (unreachable)))")).collect::<String>(),
        values = "(v128.const i64x2 1 2)".repeat(1000),
    );
    for config in configs(false) {
        let mut world = World::new(&config.stack_size(16 << 20), &body);
        assert_eq!(world.run(5_000).unwrap(), 7);
        // 80 MB were thrown; 30,000 values of 32 bytes live meanwhile.
        assert!(world.cage_bytes() < 12 * MIB, "{}", world.cage_bytes());
        world.end();
    }
}

#[test]
fn a_full_heap_is_swept_before_that_is_said() {
    // Exceptions of one size after the other, each kept until the next; what was free of one serves the others.
    let body = r#"
        (tag $small (param i64)) (tag $large (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64))
        (table $kept 20000 exnref)
        (func $one (param $large i32) (result exnref)
            (block $h (result exnref)
                (try_table (catch_all_ref $h)
                    (if (local.get $large) (then (throw $large
                        (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)
                        (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1))))
                    (throw $small (i64.const 1)))
                (unreachable)))
        (func $fill (param $n i32) (param $large i32)
            (table.fill $kept (i32.const 0) (ref.null exn) (i32.const 20000))
            (loop $again
                (table.set $kept (i32.sub (local.get $n) (i32.const 1)) (call $one (local.get $large)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "run") (param $n i32) (result i32)
            (call $fill (i32.mul (local.get $n) (i32.const 4)) (i32.const 0))
            (call $fill (local.get $n) (i32.const 1))
            (call $fill (i32.mul (local.get $n) (i32.const 4)) (i32.const 0))
            (table.fill $kept (i32.const 0) (ref.null exn) (i32.const 20000))
            (i32.const 7))"#;
    for config in configs(false) {
        // 3,000 of some 290 bytes, and 12,000 of some 50.
        let mut world = World::new(&config.clone().max_memory(Some(MIB as u64 + 80_000)), body);
        assert_eq!(world.run(3000).unwrap(), 7);
        assert!(world.store.reference_stats().sweeps.exhausted > 0);
        let full = world.run(5000).unwrap_err();
        assert_eq!(full.trap_code(), Some(TrapCode::ReferenceHeapFull), "{full}");
        assert_eq!(full.backtrace().unwrap().frames.len(), 3, "{full}");
        // The store goes on.
        assert_eq!(world.run(2000).unwrap(), 7);
        world.end();
    }
}

#[test]
fn a_host_function_that_makes_values_has_the_heap_swept() {
    for config in configs(false) {
        let mut world = World::new(&config.max_memory(Some(256 << 10)), &repeated("(drop (call $make))"));
        assert_eq!(world.run(100_000).unwrap(), 7);
        // Made and dropped in one go, while wasm waits.
        let alive = world.alive.clone();
        for _ in 0..100_000 {
            drop(ExternRef::new(&mut world.store, Counted::new(&alive)).unwrap());
        }
        let kept: Vec<_> = (0..20_000).map_while(|_| ExternRef::new(&mut world.store, Counted::new(&alive)).ok()).collect();
        assert!(kept.len() > 5000 && kept.len() < 20_000, "{}", kept.len());
        let error = world.run(1).unwrap_err();
        assert!(error.to_string().contains("reference heap is full"), "{error}");
        drop(kept);
        assert_eq!(world.run(1000).unwrap(), 7);
        world.store.as_context_mut().gc();
        world.end();
    }
}

#[test]
fn a_module_without_tags_catches_what_the_host_throws() {
    // The only thing that is a reference in it is what it catches.
    let text = r#"(module (import "" "throws" (func $throws))
        (func $pass (throw_ref (block $h (result exnref) (try_table (catch_all_ref $h) (call $throws)) (unreachable))))
        (func (export "run") (result i32)
            (block $h (result exnref) (try_table (catch_all_ref $h) (call $pass)) (unreachable))
            (i32.add (ref.is_null) (i32.const 7))))"#;
    for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
        for config in configs(false).chain(configs(true)) {
            let engine = Engine::new(&config.bounds(Some(bounds))).unwrap();
            let module = Module::new(&engine, text.as_bytes()).unwrap();
            let (mut store, mut linker) = (Store::new(&engine, ()).unwrap(), Linker::new(&engine));
            let tag = Tag::new(&mut store, &FuncType { params: [].into(), results: [].into() }).unwrap();
            linker
                .func_wrap("", "throws", move |mut caller: Caller<'_, ()>| -> Result<(), Error> {
                    Err(Error::exception(Exception::new(&mut caller, tag, &[])?))
                })
                .unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
            for _ in 0..3 {
                assert_eq!(run.call(&mut store, ()).unwrap(), 7);
            }
            store.gc();
            store.verify_references();
            assert_eq!(store.reference_stats().objects, 0);
        }
    }
}
