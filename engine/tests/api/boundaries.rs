//! What a store does behind a host call, with the call's results on their way: through each way to call and to return.

use sconce_engine::{
    AsContextMut, BoundsStyle, Caller, Config, Engine, Error, ExternRef, Func, FuncType, Instance, Linker, Module, Store, Tier,
    Val, ValType,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A value that counts drops, and panics in the last of them that is allowed.
struct Counted(Arc<AtomicUsize>, bool);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        if self.1 && !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

/// What the host functions have: a reference that they drop before they return.
#[derive(Clone, Default)]
struct State {
    kept: Arc<Mutex<Option<ExternRef>>>,
    drops: Arc<AtomicUsize>,
}

impl State {
    /// Leaves something to do at the boundary.
    fn forget(&self) {
        assert!(self.kept.lock().unwrap().take().is_some(), "the test keeps one");
    }
}

const IMPORTS: &str = r#"
    (import "" "keep" (func $keep))
    (import "" "drops" (func $drops (result i32)))
    (import "" "none" (func $none))
    (import "" "int" (func $int (param i32) (result i32)))
    (import "" "long" (func $long (param i64) (result i64)))
    (import "" "float" (func $float (param f32) (result f32)))
    (import "" "double" (func $double (param f64) (result f64)))
    (import "" "vector" (func $vector (param v128) (result v128)))
    (import "" "two" (func $two (param i64 f64) (result i64 f64)))
    (import "" "many" (func $many (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "" "untyped" (func $untyped (param i64 f64) (result f64 i64)))
    (import "" "buffer" (func $buffer (param i32) (result i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "" "made" (func $made (result externref)))
    (import "" "given" (func $given (param externref) (result externref)))
    (import "" "number" (func $number (param externref) (result i32)))
    (import "" "fails" (func $fails (param i32) (result i32)))
    (type $int (func (param i32) (result i32)))
    (table funcref (elem $int $fails))
    (global $g (mut externref) (ref.null extern))
"#;

fn linker(engine: &Engine) -> Linker<State> {
    let mut linker = Linker::<State>::new(engine);
    macro_rules! same {
        ($name:literal, $ty:ty) => {
            linker.func_wrap("", $name, |caller: Caller<'_, State>, v: $ty| {
                caller.data().forget();
                v
            })
        };
    }
    same!("int", i32).unwrap();
    same!("long", i64).unwrap();
    same!("float", f32).unwrap();
    same!("double", f64).unwrap();
    same!("vector", u128).unwrap();
    let keep = |mut caller: Caller<'_, State>| -> Result<(), Error> {
        let value = Counted(caller.data().drops.clone(), false);
        let value = ExternRef::new(&mut caller, value)?;
        *caller.data().kept.lock().unwrap() = Some(value);
        Ok(())
    };
    linker.func_wrap("", "keep", keep).unwrap();
    linker.func_wrap("", "drops", |caller: Caller<'_, State>| caller.data().drops.load(Ordering::Relaxed) as i32).unwrap();
    linker.func_wrap("", "none", |caller: Caller<'_, State>| caller.data().forget()).unwrap();
    let two = |caller: Caller<'_, State>, a: i64, b: f64| {
        caller.data().forget();
        (a, b)
    };
    linker.func_wrap("", "two", two).unwrap();
    let many = |caller: Caller<'_, State>, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32| {
        caller.data().forget();
        [a, b, c, d, e, f, g, h].iter().enumerate().map(|(n, v)| (n as i32 + 1) * v).sum::<i32>()
    };
    linker.func_wrap("", "many", many).unwrap();
    let made = |mut caller: Caller<'_, State>| -> Result<Option<ExternRef>, Error> {
        caller.data().forget();
        let value = ExternRef::new(&mut caller, 77i32)?;
        // A sweep now would not find it in any frame.
        caller.as_context_mut().ask_for_gc();
        Ok(Some(value))
    };
    linker.func_wrap("", "made", made).unwrap();
    let given = |mut caller: Caller<'_, State>, value: Option<ExternRef>| {
        caller.data().forget();
        caller.as_context_mut().ask_for_gc();
        value
    };
    linker.func_wrap("", "given", given).unwrap();
    let number = |caller: Caller<'_, State>, value: Option<ExternRef>| {
        value.and_then(|v| v.data(&caller).downcast_ref::<i32>().copied()).unwrap_or(-1)
    };
    linker.func_wrap("", "number", number).unwrap();
    let fails = |caller: Caller<'_, State>, _: i32| -> Result<i32, Error> {
        caller.data().forget();
        Err(Error::host("as it should"))
    };
    linker.func_wrap("", "fails", fails).unwrap();
    linker
}

/// With functions of any type, which do what they are asked to with an array.
fn define_untyped(store: &mut Store<State>, linker: &mut Linker<State>) {
    let ty = FuncType { params: [ValType::I64, ValType::F64].into(), results: [ValType::F64, ValType::I64].into() };
    let swaps = |caller: Caller<'_, State>, args: &[Val], results: &mut [Val]| {
        caller.data().forget();
        results.clone_from_slice(&[args[1].clone(), args[0].clone()]);
        Ok(())
    };
    let untyped = Func::new(&mut *store, ty, swaps).unwrap();
    linker.define(&mut *store, "", "untyped", untyped).unwrap();
    let ty = FuncType { params: [ValType::I32].into(), results: vec![ValType::I32; 9].into() };
    let counts = |caller: Caller<'_, State>, args: &[Val], results: &mut [Val]| {
        caller.data().forget();
        let Val::I32(first) = args[0] else { unreachable!() };
        results.iter_mut().zip(first..).for_each(|(result, n)| *result = Val::I32(n));
        Ok(())
    };
    let buffer = Func::new(&mut *store, ty, counts).unwrap();
    linker.define(&mut *store, "", "buffer", buffer).unwrap();
}

struct World {
    store: Store<State>,
    instance: Instance,
}

impl World {
    fn new(engine: &Engine, body: &str) -> World {
        let mut linker = linker(engine);
        let mut store = Store::new(engine, State::default()).unwrap();
        define_untyped(&mut store, &mut linker);
        let text = format!("(module {IMPORTS} {body})");
        let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        World { store, instance }
    }

    fn run(&mut self) -> Result<i32, Error> {
        self.instance.get_typed_func::<(), i32>(&mut self.store, "run").unwrap().call(&mut self.store, ())
    }
}

fn engines() -> Vec<Engine> {
    let config = || Config::new().parallel(false);
    let mut engines = Vec::new();
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        for stress in [false, true] {
            engines.push(Engine::new(&config().tier(tier).gc_stress(stress)).unwrap());
        }
        engines.push(Engine::new(&config().tier(tier).bounds(Some(BoundsStyle::Explicit))).unwrap());
    }
    engines
}

/// Runs on every engine what leaves 1, or a message about what was wrong.
fn holds(body: &str) {
    for engine in engines() {
        let mut world = World::new(&engine, body);
        assert_eq!(world.run().unwrap(), 1, "{body}");
    }
}

/// What is dropped in a host function is gone when it has returned, and its results are what they were.
#[test]
fn results_survive_what_is_done_at_the_boundary() {
    let calls = [
        "(call $none) (i32.const 1)",
        "(i32.eq (call $int (i32.const 0x12345678)) (i32.const 0x12345678))",
        "(i64.eq (call $long (i64.const 0x123456789abcdef0)) (i64.const 0x123456789abcdef0))",
        "(f32.eq (call $float (f32.const 1.5)) (f32.const 1.5))",
        "(f64.eq (call $double (f64.const -2.25)) (f64.const -2.25))",
        "(i8x16.all_true (i8x16.eq (call $vector (v128.const i64x2 0x123456789abcdef0 -2)) (v128.const i64x2 0x123456789abcdef0 -2)))",
        "(call $two (i64.const -7) (f64.const 0.5)) (i32.and (f64.eq (f64.const 0.5)) (i32.const 1)) (local.set 0) (i64.eq (i64.const -7)) (i32.and (local.get 0))",
        "(i32.eq (i32.const 204) (call $many (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8)))",
        "(call $untyped (i64.const -7) (f64.const 0.5)) (i64.eq (i64.const -7)) (local.set 0) (f64.eq (f64.const 0.5)) (i32.and (local.get 0))",
        "(call $buffer (i32.const 10)) (i32.eq (i32.const 18)) (local.set 0) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (i32.eq (i32.const 10)) (i32.and (local.get 0))",
        // Through the trampoline: from a table, and where handlers are.
        "(i32.eq (call_indirect (type $int) (i32.const 99) (i32.const 0)) (i32.const 99))",
        "(block $h (try_table (result i32) (catch_all $h) (i32.eq (call $int (i32.const 99)) (i32.const 99))) (br 1)) (i32.const 0)",
    ];
    for call in calls {
        holds(&format!(
            r#"(func (export "run") (result i32) (local i32 i32)
                (loop $again
                    (call $keep)
                    (if (i32.ne (call $drops) (local.get 1)) (then (return (i32.const -1))))
                    (block $done (result i32) {call})
                    (if (i32.eqz) (then (return (i32.const -2))))
                    (local.set 1 (i32.add (local.get 1) (i32.const 1)))
                    (if (i32.ne (call $drops) (local.get 1)) (then (return (i32.const -3))))
                    (br_if $again (i32.lt_u (local.get 1) (i32.const 5))))
                (i32.const 1))"#
        ));
    }
}

/// A reference that a host function returns is in no frame yet: no sweep may come before it is.
#[test]
fn a_reference_on_its_way_is_not_swept() {
    holds(
        r#"(table funcref (elem $made))
        (type $made (func (result externref)))
        (func (export "run") (result i32)
            (call $keep)
            (if (i32.ne (call $number (call $made)) (i32.const 77)) (then (return (i32.const -1))))
            (call $keep)
            (global.set $g (call_indirect 1 (type $made) (i32.const 0)))
            (if (i32.ne (call $number (global.get $g)) (i32.const 77)) (then (return (i32.const -2))))
            (call $keep)
            (global.set $g (call $given (global.get $g)))
            (call $keep) (call $none)
            (i32.eq (call $number (global.get $g)) (i32.const 77)))"#,
    );
}

/// A host function's error goes its way, and what it dropped is not forgotten.
#[test]
fn an_error_comes_before_the_boundary() {
    for engine in engines() {
        for call in ["(call $fails (i32.const 0))", "(call_indirect (type $int) (i32.const 0) (i32.const 1))"] {
            let mut world = World::new(&engine, &format!(r#"(func (export "run") (result i32) (call $keep) {call})"#));
            let error = world.run().unwrap_err();
            assert!(error.to_string().contains("as it should"), "{error}");
            let drops = world.store.data().drops.clone();
            world.store.gc();
            assert_eq!(drops.load(Ordering::Relaxed), 1);
        }
    }
}

/// A drop that panics does so where the host called, and wasm does not go on.
#[test]
fn a_panic_at_the_boundary_ends_the_call() {
    for engine in engines() {
        let mut world = World::new(
            &engine,
            r#"(func (export "run") (result i32) (call $none) (call $keep) (drop (call $int (i32.const 1))) (call $drops))"#,
        );
        let state = world.store.data().clone();
        let value = Counted(state.drops.clone(), true);
        *state.kept.lock().unwrap() = Some(ExternRef::new(&mut world.store, value).unwrap());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"dropped"));
        assert!(state.kept.lock().unwrap().is_none(), "wasm did not go on to keep another one");
        // The store goes on.
        let value = Counted(state.drops.clone(), false);
        *state.kept.lock().unwrap() = Some(ExternRef::new(&mut world.store, value).unwrap());
        assert_eq!(world.run().unwrap(), 3);
    }
}
