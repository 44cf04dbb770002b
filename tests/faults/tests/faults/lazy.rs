//! Functions that are validated and compiled when they are called: what a first call finds and leaves as it was,
//! functions that turn out to be invalid, and threads that call the same ones.

use sconce_engine::{
    BoundsStyle, Config, Engine, Error, Inlining, Instance, Linker, Module, Store, Tier, TrapCode, TypedFunc, Val,
};
use sconce_faults::{Guest, config};
use std::sync::Barrier;

/// Engines that compile lazily, with each bounds style, swept at every safe point, paranoid, with fuel, and those in which some
/// functions, others at each time, have code by Cranelift with other functions' bodies in it.
fn engines() -> Vec<Engine> {
    let with = |bounds| config((Tier::Auto, bounds, sconce_engine::CallStyle::Slots)).lazy(Some(0));
    let styles = [
        with(BoundsStyle::Guard),
        with(BoundsStyle::Explicit),
        with(BoundsStyle::Guard).gc_stress(true),
        with(BoundsStyle::Guard).paranoid(true),
        with(BoundsStyle::Explicit).fuel(true),
        with(BoundsStyle::Guard).parallel(true),
    ];
    let mixed = (0..8).map(|seed| with(BoundsStyle::Guard).mixed_tiers(Some(seed)).inlining(Inlining::Most));
    styles.into_iter().chain(mixed).map(|config| Engine::new(&config).expect("an engine")).collect()
}

/// An engine that does not.
fn eager() -> Engine {
    Engine::new(&Config::new().tier(Tier::Lightbeam)).expect("an engine")
}

/// A function for each of these, none of which has been called when the test calls it; `$bad` is not valid.
const BAD: &str = r#"
    (type $one (func (param i32) (result i32)))
    (type $super (sub (func (param i32) (result i32))))
    (type $sub (sub final $super (func (param i32) (result i32))))
    (table $t 4 funcref)
    (elem (table $t) (i32.const 0) func $bad $bad_sub $good)
    (global $g (mut i32) (i32.const 0))
    (memory 1)
    (func $bad (type $one) (i32.store (i32.const 0) (i32.const 1)) (i64.add (local.get 0) (i32.const 1)))
    (func $bad_sub (type $sub) (i32.store (i32.const 0) (i32.const 1)) (i64.const 0))
    (func $good (export "good") (type $one) (i32.add (local.get 0) (i32.const 1)))
    (func (export "itself") (type $one) (call $bad (local.get 0)))
    (func (export "direct") (type $one) (global.set $g (i32.const 1)) (call $bad (local.get 0)))
    (func (export "indirect") (type $one) (call_indirect $t (type $one) (local.get 0) (i32.const 0)))
    (func (export "subtype") (type $one) (call_indirect $t (type $super) (local.get 0) (i32.const 1)))
    (func (export "reference") (type $one) (call_ref $one (local.get 0) (ref.func $bad)))
    (func (export "tail") (type $one) (return_call $bad (local.get 0)))
    (func (export "indirect tail") (type $one) (return_call_indirect $t (type $one) (local.get 0) (i32.const 0)))
    (func (export "reference tail") (type $one) (return_call_ref $one (local.get 0) (ref.func $bad)))
    (func (export "caught") (type $one)
        (block $caught (try_table (catch_all $caught) (drop (call $bad (local.get 0)))) (return (i32.const -1))) (i32.const 7))
    (func (export "stored") (type $one) (i32.load (i32.const 0)))
    (func (export "set") (type $one) (global.get $g))
    (export "bad" (func $bad))"#;

#[test]
fn a_function_that_is_not_valid_traps_whoever_calls_it_and_as_often() {
    let text = format!("(module {BAD})");
    let whole = Module::new(&eager(), text.as_bytes()).expect_err("it is not valid").to_string();
    assert!(whole.contains("type mismatch"), "{whole}");
    for engine in engines() {
        let mut guest = Guest::new(&engine, &text);
        let ways = ["direct", "indirect", "reference", "tail", "indirect tail", "reference tail", "caught", "bad", "itself"];
        for way in ways.into_iter().chain(ways) {
            let error = guest.try_call(way, &[Val::I32(5)]).expect_err(way);
            let Error::Deferred(deferred) = &error else { panic!("{way}: {error:?}") };
            assert!(matches!(deferred.error, Error::Decode(_)), "{way}: {error:?}");
            assert_eq!(error.to_string(), whole, "{way}");
            // Who jumped there is gone; the host is no frame.
            let frames = error.backtrace().expect("a backtrace").frames.len();
            let alone = way == "bad" || way.contains("tail");
            assert_eq!(frames, usize::from(!alone), "{way}");
            assert_eq!(guest.call("stored", &[Val::I32(0)]), [Val::I32(0)], "nothing of it has run");
            guest.assert_alive();
        }
        let error = guest.try_call("subtype", &[Val::I32(5)]).expect_err("the subtype's function is not valid either");
        assert!(matches!(error, Error::Deferred(_)) && error.to_string() != whole, "{error:?}");
        assert_eq!(guest.call("set", &[Val::I32(0)]), [Val::I32(1)], "what came before the call has run");
        assert_eq!(guest.call("good", &[Val::I32(5)]), [Val::I32(6)]);
    }
}

#[test]
fn a_start_function_that_is_not_valid_is_an_error_of_the_instance() {
    for engine in engines() {
        let module =
            Module::new(&engine, b"(module (func $start (drop (i32.add (i64.const 1) (i32.const 1)))) (start $start))").unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let error = Linker::new(&engine).instantiate(&mut store, &module).map(drop).expect_err("it is not valid");
        assert!(matches!(error, Error::Deferred(_)), "{error:?}");
    }
}

#[test]
fn what_is_outside_of_functions_is_validated_at_once() {
    for engine in engines() {
        for text in [
            "(module (global i32 (i64.const 0)))",
            "(module (func (type 7)))",
            "(module (memory 1) (data (i64.const 0) \"x\"))",
            "(module (func $f) (start 9))",
            "(module (export \"f\" (func 3)))",
        ] {
            assert!(Module::new(&engine, text.as_bytes()).is_err(), "{text}");
        }
        // Neither is one whose bodies have lengths that do not fit.
        let bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x03\x02\0\0\x0a\x07\x02\x02\0\x0b\x09\0\x0b";
        assert!(matches!(Module::new(&engine, bytes), Err(Error::Decode(_))));
    }
}

/// Parameters of every kind, in registers and on the stack, and results in a buffer: a first call leaves them as they are.
#[test]
fn arguments_and_results_are_what_they_are_without() {
    let params =
        "i32 i64 f32 f64 v128 externref funcref i32 i64 i64 i64 i64 i64 f64 f64 f64 f64 f64 f64 f64 f64 v128 externref i32";
    let places: Vec<&str> = params.split(' ').collect();
    let gets: String = (0..places.len()).map(|n| format!("(local.get {n})")).collect();
    let text = format!(
        r#"(module
        (type $all (func (param {params}) (result {params})))
        (table $t 1 funcref) (elem (i32.const 0) $by_table)
        (elem declare func $by_ref)
        (func $directly (type $all) {gets})
        (func $by_table (type $all) {gets})
        (func $by_ref (type $all) {gets})
        (func $by_tail (type $all) {gets})
        (func (export "directly") (type $all) {gets} (call $directly))
        (func (export "by table") (type $all) {gets} (call_indirect (type $all) (i32.const 0)))
        (func (export "by reference") (type $all) {gets} (call_ref $all (ref.func $by_ref)))
        (func (export "by tail") (type $all) {gets} (return_call $by_tail))
        (func (export "at once") (type $all) {gets}))"#
    );
    for engine in engines() {
        let mut guest = Guest::new(&engine, &text);
        let host = sconce_engine::ExternRef::new(&mut guest.store, 42u32).unwrap();
        let function = guest.instance.get_func(&mut guest.store, "at once");
        let value = |(n, ty): (usize, &&str)| match *ty {
            "i32" => Val::I32(-(n as i32) - 1),
            "i64" => Val::I64(i64::MIN + n as i64),
            "f32" => Val::F32(0x7fa0_0000 + n as u32),
            "f64" => Val::F64(0x7ff4_0000_0000_0000 + n as u64),
            "v128" => Val::V128(u128::MAX / 3 + n as u128),
            "externref" => Val::ExternRef(Some(host.clone())),
            _ => Val::FuncRef(function),
        };
        let values: Vec<Val> = places.iter().enumerate().map(value).collect();
        for name in ["directly", "by table", "by reference", "by tail", "at once"] {
            for _ in 0..2 {
                let results = guest.call(name, &values);
                let plain = |values: &[Val]| -> Vec<String> {
                    let store = &guest.store;
                    let plain = |value: &Val| match value {
                        Val::ExternRef(host) => format!("{:?}", host.as_ref().map(|host| host.data(store).downcast_ref::<u32>())),
                        other => format!("{other:?}"),
                    };
                    values.iter().map(plain).collect()
                };
                assert_eq!(plain(&results), plain(&values), "{name}");
            }
        }
    }
}

#[test]
fn backtraces_are_those_of_code_that_was_there_before() {
    let text = r#"(module
        (table $t 3 funcref) (elem (i32.const 0) $c)
        (memory 1)
        (func $c (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))
        (func $b (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))
        (func $a (export "a") (param i32) (result i32) (local.get 0) (i32.const 3) (i32.add) (call $b) (i32.const 1) (i32.add)))"#;
    let frames = |engine: &Engine| {
        let mut guest = Guest::new(engine, text);
        let error = guest.try_call("a", &[Val::I32(0)]).expect_err("it traps");
        assert_eq!(error.trap_code(), Some(TrapCode::MemoryOutOfBounds));
        let frames = &error.backtrace().unwrap().frames;
        frames.iter().map(|f| (f.func.as_u32(), f.wasm_offset)).collect::<Vec<_>>()
    };
    let expected = frames(&eager());
    assert_eq!(expected.len(), 3);
    for engine in engines() {
        assert_eq!(frames(&engine), expected);
    }
}

/// Each function of a long chain is called for the first time, with ever less stack: wherever that ends, in a function or on the way to
/// one, it is a trap, and the same call is one again.
#[test]
fn a_stack_that_ends_on_the_way_to_a_function_is_a_trap() {
    const FUNCTIONS: usize = 3000;
    let one = |n: usize| {
        format!(
            "(func $f{n} (param i64 i64) (result i64) (i64.add (call $f{} (local.get 1) (local.get 0)) (local.get 0)))",
            n + 1
        )
    };
    let chain: String = (0..FUNCTIONS).map(one).collect();
    let text = format!(
        r#"(module {chain} (func $f{FUNCTIONS} (param i64 i64) (result i64) (i64.const 0))
        (func $deep (export "deep") (param i32) (result i64)
            (if (result i64) (local.get 0) (then (i64.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i64.const 0)))
                (else (call $f0 (i64.const 0) (i64.const 0))))))"#
    );
    let config = Config::new().tier(Tier::Auto).lazy(Some(0)).parallel(false).stack_size(64 << 10);
    let engine = Engine::new(&config).expect("an engine");
    let (mut overflows, mut ends) = (0, 0);
    for depth in (0..1200).step_by(7) {
        let mut guest = Guest::new(&engine, &text);
        for _ in 0..2 {
            match guest.try_call("deep", &[Val::I32(depth)]) {
                Ok(_) => ends += 1,
                Err(error) => {
                    assert_eq!(error.trap_code(), Some(TrapCode::StackOverflow), "{error:?}");
                    assert!(error.backtrace().unwrap().frames.len() > 100);
                    overflows += 1;
                }
            }
            guest.assert_alive();
        }
    }
    assert!(overflows > 100, "{overflows} {ends}");
}

/// Sixteen threads, each with a store of its own, call the same functions of one module at the same time, in different orders.
#[test]
fn threads_compile_a_function_once_and_all_get_it() {
    const FUNCTIONS: i32 = 400;
    let function = |n: i32| {
        let bad = if n % 50 == 49 { "(i64.const 1)" } else { "" };
        format!("(func (export \"{n}\") (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})) {bad})")
    };
    let text = format!("(module {})", (0..FUNCTIONS).map(function).collect::<String>());
    for parallel in [false, true] {
        let config = Config::new().tier(Tier::Auto).lazy(Some(0)).parallel(parallel);
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let barrier = Barrier::new(16);
        std::thread::scope(|scope| {
            for thread in 0..16i32 {
                let (engine, module, barrier) = (&engine, &module, &barrier);
                scope.spawn(move || {
                    let mut store = Store::new(engine, ()).unwrap();
                    let instance: Instance = Linker::new(engine).instantiate(&mut store, module).unwrap();
                    barrier.wait();
                    for n in 0..FUNCTIONS {
                        // Half of them together, half of them from elsewhere on.
                        let n = if thread % 2 == 0 { n } else { (n + thread * 25) % FUNCTIONS };
                        let f: TypedFunc<i32, i32> = instance.get_typed_func(&mut store, &n.to_string()).unwrap();
                        match f.call(&mut store, thread) {
                            Ok(sum) => assert_eq!((sum, n % 50 == 49), (n + thread, false)),
                            Err(error) => assert!(matches!(error, Error::Deferred(_)) && n % 50 == 49, "{n}: {error}"),
                        }
                    }
                });
            }
        });
        let stats = module.lazy_stats().expect("it is lazy");
        assert_eq!(stats.called + stats.ahead, FUNCTIONS as u64 - 8, "{stats:?}");
        assert_eq!(stats.functions, FUNCTIONS as u64);
    }
}

#[test]
fn what_is_called_is_compiled_and_the_rest_is_not() {
    let text = r#"(module (func $a) (func $b (call $a)) (func (export "b") (call $b)) (func (export "c") (call $b)))"#;
    let engine = Engine::new(&Config::new().tier(Tier::Auto).lazy(Some(0)).parallel(false)).expect("an engine");
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    let count = || module.lazy_stats().expect("it is lazy").called;
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    assert_eq!(count(), 0);
    let mut call = |name: &str| instance.get_typed_func::<(), ()>(&mut store, name).unwrap().call(&mut store, ()).unwrap();
    call("b");
    assert_eq!(count(), 3);
    call("b");
    assert_eq!(count(), 3);
    call("c");
    assert_eq!(count(), 4);

    // Too small for it and never to get better code, or for another tier, or not asked for: all of it at once.
    for config in [
        Config::new().lazy(Some(1 << 20)).sampling(false),
        Config::new().lazy(Some(1 << 20)).parallel(false),
        Config::new(),
        Config::new().tier(Tier::Lightbeam).lazy(Some(0)),
        Config::new().tier(Tier::Cranelift).lazy(Some(0)),
        Config::new().lazy(Some(0)).private_code(true),
        Config::new().lazy(Some(0)).debugger(true),
    ] {
        let engine = Engine::new(&config).expect("an engine");
        assert_eq!(Module::new(&engine, text.as_bytes()).unwrap().lazy_stats(), None);
    }
}

/// Other threads compile ahead; once they had the time all of a small module is there, but for what is not valid.
#[test]
fn the_rest_of_a_module_follows_and_ends_with_it() {
    let text = format!("(module (func (export \"f\")) {} (func (result i32)))", "(func (drop (i32.const 1)))".repeat(300));
    let engine = Engine::new(&Config::new().tier(Tier::Auto).lazy(Some(0))).expect("an engine");
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    if std::thread::available_parallelism().unwrap().get() > 1 {
        let since = std::time::Instant::now();
        while module.lazy_stats().unwrap().ahead < 301 {
            assert!(since.elapsed().as_secs() < 60, "{:?}", module.lazy_stats());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    // A module that goes while others compile it takes nothing along.
    for n in 0..50 {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(n * 50));
        drop(module);
    }
}

/// A large function many times on the stack is compiled again for its backtrace once, and offsets are those of code that was there before.
#[test]
fn deep_backtraces_of_large_functions_are_complete() {
    let filling = "(local.set 0 (i32.rotl (local.get 0) (local.get 1)))".repeat(20_000);
    let text = format!(
        r#"(module (func $deep (export "deep") (param i32 i32) (result i32)
            (if (i32.eqz (local.get 1)) (then (unreachable)))
            (if (i32.eqz (local.get 0)) (then {filling}))
            (call $deep (i32.const 1) (i32.sub (local.get 1) (i32.const 1)))))"#
    );
    let offsets = |engine: &Engine| {
        let mut guest = Guest::new(engine, &text);
        let error = guest.try_call("deep", &[Val::I32(1), Val::I32(300)]).expect_err("it traps");
        let frames = &error.backtrace().expect("a backtrace").frames;
        frames.iter().map(|frame| frame.wasm_offset).collect::<Vec<_>>()
    };
    let expected = offsets(&eager());
    assert!(expected.iter().all(Option::is_some) && expected.len() > 200);
    let lazy = Engine::new(&Config::new().tier(Tier::Auto).lazy(Some(0)).parallel(false)).expect("an engine");
    assert_eq!(offsets(&lazy), expected);
}
