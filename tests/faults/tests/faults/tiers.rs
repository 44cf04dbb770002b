//! Functions whose code changes while they run: from Lightbeam's to Cranelift's, in the middle of everything.

use sconce_engine::{BoundsStyle, CallStyle, Config, Engine, Error, Linker, Module, Store, Tier, TrapCode, TypedFunc, Val};
use sconce_faults::{Guest, config};
use std::time::{Duration, Instant};

fn mixed(bounds: BoundsStyle, seed: u64) -> Config {
    config((Tier::Auto, bounds, CallStyle::Slots)).lazy(Some(0)).mixed_tiers(Some(seed))
}

/// A program in which functions of either compiler call each other in every way, throw through each other and trap; each function adds its
/// number to what it is given.
fn program() -> String {
    let mut text = String::from(
        r#"(module (type $one (func (param i64) (result i64))) (tag $t (param i64)) (memory 1) (table $t 40 funcref)
        (elem (i32.const 0) func"#,
    );
    (0..40).for_each(|n| text.push_str(&format!(" $f{n}")));
    text.push_str(")\n(elem declare func $f7)\n");
    for n in 0..40 {
        let next = n + 1;
        let (lt, gt) = ("(i64.add (local.get 0) (i64.const ", "))");
        let argument = format!("{lt}{n}{gt}");
        let call = match (n, n % 6) {
            (39, _) => argument,
            (_, 0) => format!("(call $f{next} {argument})"),
            (_, 1) => format!("(call_indirect (type $one) {argument} (i32.const {next}))"),
            (_, 2) => format!("(return_call $f{next} {argument})"),
            (_, 3) => format!("(return_call_indirect (type $one) {argument} (i32.const {next}))"),
            (_, 4) => {
                format!("(block $c (result i64) (try_table (catch $t $c) (throw $t (call $f{next} {argument}))) (unreachable))")
            }
            (_, _) => format!("(i64.store (i32.const {at}) {argument}) (call $f{next} (i64.load (i32.const {at})))", at = 8 * n),
        };
        text.push_str(&format!("(func $f{n} (type $one) {call})\n"));
    }
    text.push_str(
        r#"(func (export "sum") (param i64) (result i64) (call $f0 (local.get 0)))
        (func $trap (param i32) (i32.store (i32.const 65536) (local.get 0)))
        (func $middle (param i32) (call $trap (local.get 0)) (drop (call $f3 (i64.const 0))))
        (func (export "trap") (param i32) (call $middle (local.get 0)) (drop (call $f3 (i64.const 0))))
        (func $deep (export "deep") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0)))))"#,
    );
    text
}

#[test]
fn programs_of_both_compilers_do_what_those_of_one_do() {
    let text = program();
    for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
        for seed in 0..24 {
            let engine = Engine::new(&mixed(bounds, seed).gc_stress(seed % 3 == 1).paranoid(seed % 3 == 2)).expect("an engine");
            let mut guest = Guest::new(&engine, &text);
            for n in 0..3 {
                assert_eq!(guest.call("sum", &[Val::I64(n)]), [Val::I64(n + 780)], "{seed}");
                let error = guest.try_call("trap", &[Val::I32(1)]).expect_err("it traps");
                assert_eq!(error.trap_code(), Some(TrapCode::MemoryOutOfBounds));
                let frames = &error.backtrace().expect("a backtrace").frames;
                assert_eq!((frames.len(), frames.iter().all(|frame| frame.wasm_offset.is_some())), (3, true), "{seed}");
                assert_eq!(guest.call("deep", &[Val::I32(1000)]), [Val::I32(1000)]);
            }
        }
    }
}

/// Where functions trap or call is the same offset in the binary, whichever compiler's code it is.
#[test]
fn backtraces_name_the_same_places() {
    let text = program();
    let offsets = |engine: &Engine| {
        let mut guest = Guest::new(engine, &text);
        let error = guest.try_call("trap", &[Val::I32(1)]).expect_err("it traps");
        let frames = &error.backtrace().expect("a backtrace").frames;
        frames.iter().map(|frame| (frame.func, frame.wasm_offset)).collect::<Vec<_>>()
    };
    let expected = offsets(&Engine::new(&Config::new().tier(Tier::Cranelift)).expect("an engine"));
    for seed in 0..16 {
        assert_eq!(offsets(&Engine::new(&mixed(BoundsStyle::Guard, seed)).expect("an engine")), expected, "{seed}");
    }
}

/// What takes most of the time gets better code while it runs, if there is a processor for that.
#[test]
fn hot_functions_get_better_code() {
    if std::thread::available_parallelism().expect("a number").get() < 2 {
        return;
    }
    let text = r#"(module
        (func $hot (param i32) (result i32) (local i32)
            (loop (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 17)) (local.get 0)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1))
        (func $cold (export "cold"))
        (func (export "run") (param i32) (result i32) (call $cold) (call $hot (local.get 0))))"#;
    let engine = Engine::new(&Config::new().lazy(Some(0))).expect("an engine");
    let module = Module::new(&engine, text.as_bytes()).expect("a module");
    let mut store = Store::new(&engine, ()).expect("a store");
    let instance = Linker::new(&engine).instantiate(&mut store, &module).expect("an instance");
    let run: TypedFunc<i32, i32> = instance.get_typed_func(&mut store, "run").expect("a function");
    let first = run.call(&mut store, 100_000).expect("it returns");
    let since = Instant::now();
    while module.lazy_stats().expect("it is lazy").improved == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", module.lazy_stats());
        assert_eq!(run.call(&mut store, 100_000).expect("it returns"), first);
    }
    assert_eq!(run.call(&mut store, 100_000).expect("it returns"), first);
}

/// Threads that run functions while others' calls have their code exchanged.
#[test]
fn code_changes_under_threads() {
    let text = program();
    for seed in 0..6 {
        let engine = Engine::new(&mixed(BoundsStyle::Guard, seed).parallel(true)).expect("an engine");
        let module = Module::new(&engine, text.as_bytes()).expect("a module");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (engine, module) = (&engine, &module);
                scope.spawn(move || -> Result<(), Error> {
                    let mut store = Store::new(engine, ())?;
                    let instance = Linker::new(engine).instantiate(&mut store, module)?;
                    let sum: TypedFunc<i64, i64> = instance.get_typed_func(&mut store, "sum")?;
                    for n in 0..50 {
                        assert_eq!(sum.call(&mut store, n * thread)?, n * thread + 780);
                    }
                    Ok(())
                });
            }
        });
    }
}
