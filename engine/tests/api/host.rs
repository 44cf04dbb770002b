//! Host functions.

use crate::engine;
use sconce_engine::{
    CallStyle, Caller, Config, Engine, Error, ExternRef, Func, FuncType, Linker, Module, Store, Tier, TrapCode, Val, ValType,
};

/// Runs the export `run` of a module with what `define` puts into the linker.
fn linked<T: 'static>(data: T, wat: &str, define: impl FnOnce(&mut Linker<T>)) -> (Store<T>, sconce_engine::Instance) {
    let engine = engine();
    let module = Module::new(&engine, wat.as_bytes()).unwrap();
    let mut store = Store::new(&engine, data).unwrap();
    let mut linker = Linker::new(&engine);
    define(&mut linker);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

#[test]
fn closures_see_the_store() {
    let wat = r#"(module (import "h" "add" (func $add (param i32) (result i32)))
        (func (export "run") (result i32) (drop (call $add (i32.const 5))) (call $add (i32.const 7))))"#;
    let (mut store, instance) = linked(100, wat, |linker| {
        linker
            .func_wrap("h", "add", |mut caller: Caller<'_, i32>, x: i32| {
                *caller.data_mut() += x;
                *caller.data()
            })
            .unwrap();
    });
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 112);
    assert_eq!(*store.data(), 112);
    assert_eq!(store.into_data(), 112);
}

#[test]
fn closures_may_hold_values_and_do_without_the_caller() {
    let counter = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let wat = r#"(module (import "h" "count" (func $count (param i64 f32))) (func (export "run") (call $count (i64.const 1) (f32.const 2))))"#;
    let (mut store, instance) = linked((), wat, |linker| {
        let counter = counter.clone();
        linker
            .func_wrap("h", "count", move |a: i64, b: f32| {
                counter.fetch_add(a as u32 + b as u32, std::sync::atomic::Ordering::Relaxed);
            })
            .unwrap();
    });
    instance.get_typed_func::<(), ()>(&mut store, "run").unwrap().call(&mut store, ()).unwrap();
    assert_eq!(counter.load(std::sync::atomic::Ordering::Relaxed), 3);
    drop(store);
    assert_eq!(std::sync::Arc::strong_count(&counter), 1, "the closure was dropped");
}

#[test]
fn whoever_provides_an_import_gets_the_arguments_and_keeps_nothing_back() {
    // Called in turn, in a loop and inside a try region: typed, with the caller, through values, by another
    // instance, by an instance that passes on a host function; with as many arguments as registers hold, and
    // one more. Numbers live across the calls are unharmed.
    let regions = ["$f", "$g", "$h"].map(|f| {
        let arguments = |n: i32| {
            format!("(local.get $i) (i64.const {n}) (f64.const 0.5) (f32.const 2) (i32.const 3) (i64.const 4) (i32.const 5)")
        };
        format!(
            r#"(local.set $a (i64.add (local.get $a) (call {f} {})))
            (block (try_table (catch_all 0) (local.set $b (i64.add (local.get $b) (call {f} {})))))"#,
            arguments(1),
            arguments(2)
        )
    });
    let signature = "(param i32 i64 f64 f32 i32 i64 i32) (result i64)";
    let wat = format!(
        r#"(module
        (import "h" "f" (func $f {signature})) (import "h" "g" (func $g {signature})) (import "h" "h" (func $h {signature}))
        (import "h" "six" (func $six (param i32 i32 i32 i32 i32 i32) (result i32)))
        (func (export "run") (param $n i32) (result i64 i64 f64)
            (local $i i32) (local $a i64) (local $b i64) (local $c f64)
            (loop $again
                (local.set $c (f64.add (local.get $c) (f64.const 0.25)))
                {} {} {}
                (local.set $a (i64.add (local.get $a) (i64.extend_i32_s
                    (call $six (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (local.get $i)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
            (local.get $a) (local.get $b) (local.get $c)))"#,
        regions[0], regions[1], regions[2]
    );
    fn sum(i: i32, n: i64, half: f64, two: f32, three: i32, four: i64, five: i32) -> i64 {
        i64::from(i) * n + (half * f64::from(two)) as i64 + i64::from(three) + four + i64::from(five)
    }
    let provider = format!(
        r#"(module (import "h" "g" (func $g {signature}))
        (func (export "f") {signature} (i64.add (i64.mul (i64.extend_i32_s (local.get 0)) (local.get 1)) (i64.const 13)))
        (export "g" (func $g)))"#
    );
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        for calls in [CallStyle::Direct, CallStyle::Slots] {
            let engine = Engine::new(&Config::new().tier(tier).calls(calls).gc_stress(calls == CallStyle::Slots)).unwrap();
            let mut store = Store::new(&engine, 0u64).unwrap();
            let mut linker = Linker::<u64>::new(&engine);
            let counted = |mut caller: Caller<'_, u64>, a: i32, b: i64, c: f64, d: f32, e: i32, f: i64, g: i32| {
                *caller.data_mut() += 1;
                sum(a, b, c, d, e, f, g)
            };
            linker.func_wrap("h", "g", counted).unwrap();
            let other = Module::new(&engine, provider.as_bytes()).unwrap();
            let other = linker.instantiate(&mut store, &other).unwrap();
            let six = |a: i32, b: i32, c: i32, d: i32, e: i32, f: i32| a + b + c + d + e + f;
            linker.func_wrap("h", "six", six).unwrap();
            let types = [ValType::I32, ValType::I64, ValType::F64, ValType::F32, ValType::I32, ValType::I64, ValType::I32];
            let through_values = Func::new(
                &mut store,
                FuncType { params: types.into(), results: [ValType::I64].into() },
                |mut caller: Caller<'_, u64>, args: &[Val], results: &mut [Val]| {
                    *caller.data_mut() += 1;
                    let [Val::I32(a), Val::I64(b), Val::F64(c), Val::F32(d), Val::I32(e), Val::I64(f), Val::I32(g)] = *args
                    else {
                        panic!("{args:?}")
                    };
                    results[0] = Val::I64(sum(a, b, f64::from_bits(c), f32::from_bits(d), e, f, g));
                    Ok(())
                },
            );
            let through_values = through_values.unwrap();
            let wasm = other.get_func(&mut store, "f").unwrap();
            let passed_on = other.get_func(&mut store, "g").unwrap();
            let module = Module::new(&engine, wat.as_bytes()).unwrap();
            let providers = [&wasm, &through_values, &passed_on];
            for turn in 0..3 {
                let mut linker = linker.clone();
                let mut host_calls = 2;
                for (name, place) in [("f", 0), ("h", 1)] {
                    let provider = providers[(turn + place) % 3];
                    host_calls += if std::ptr::eq(provider, &wasm) { 0 } else { 2 };
                    linker.define(&mut store, "h", name, *provider).unwrap();
                }
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let run = instance.get_typed_func::<i32, (i64, i64, f64)>(&mut store, "run").unwrap();
                *store.data_mut() = 0;
                let got = run.call(&mut store, 100).unwrap();
                let of_i = 99 * 100 / 2;
                let expected = (3 * (of_i + 1300) + of_i + 1500, 3 * (2 * of_i + 1300), 25.0);
                assert_eq!((got, *store.data()), (expected, 100 * host_calls), "{tier:?} {calls:?} {turn}");
            }
        }
    }
}

#[test]
fn an_error_of_a_host_function_that_is_called_in_place_ends_the_call() {
    let wat = r#"(module (import "h" "f" (func $f (param i32) (result i32)))
        (func $inner (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
        (func (export "run") (param i32) (result i32) (i32.mul (call $inner (local.get 0)) (i32.const 2))))"#;
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        let module = Module::new(&engine, wat.as_bytes()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let mut linker = Linker::new(&engine);
        let f = |n: i32| if n < 0 { Err(Error::trap(TrapCode::Unreachable)) } else { Ok(n) };
        linker.func_wrap("h", "f", f).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for n in 0..100 {
            assert_eq!(run.call(&mut store, n).unwrap(), 2 * (n + 1));
            let error = run.call(&mut store, -1).unwrap_err();
            assert_eq!(error.trap_code(), Some(TrapCode::Unreachable));
            let functions: Vec<_> = error.backtrace().unwrap().frames.iter().map(|f| f.func.as_u32()).collect();
            assert_eq!(functions, [1, 2], "{tier:?}");
        }
    }
}

#[test]
fn many_parameters_and_results_in_every_shape() {
    let params = "i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32";
    let gets: String = (0..16).map(|i| format!("local.get {i} ")).collect();
    let wat = format!(
        r#"(module
        (import "h" "one" (func $one (param {params}) (result f64)))
        (import "h" "three" (func $three (param {params}) (result v128 i32 f32)))
        (import "h" "all" (func $all (param {params}) (result {params})))
        (import "h" "nine" (func $nine (result i64 i64 i64 i64 i64 i64 i64 i64 i64)))
        (func (export "one") (param {params}) (result f64) {gets} call $one)
        (func (export "three") (param {params}) (result v128 i32 f32) {gets} call $three)
        (func (export "all") (param {params}) (result {params}) {gets} call $all)
        (func (export "nine") (result i64 i64 i64 i64 i64 i64 i64 i64 i64) call $nine))"#
    );
    type P = (i32, i64, f32, f64, u128, i32, i64, f32, f64, u128, i32, i64, f32, f64, u128, i32);
    let (mut store, instance) = linked((), &wat, |linker| {
        linker
            .func_wrap(
                "h",
                "one",
                |a: i32,
                 b: i64,
                 c: f32,
                 d: f64,
                 e: u128,
                 f: i32,
                 g: i64,
                 h: f32,
                 i: f64,
                 j: u128,
                 k: i32,
                 l: i64,
                 m: f32,
                 n: f64,
                 o: u128,
                 p: i32| {
                    f64::from(a + f + k + p) + (b + g + l) as f64 + f64::from(c + h + m) + d + i + n + (e + j + o) as f64
                },
            )
            .unwrap();
        linker
            .func_wrap(
                "h",
                "three",
                |_: i32,
                 _: i64,
                 _: f32,
                 _: f64,
                 _: u128,
                 _: i32,
                 _: i64,
                 _: f32,
                 _: f64,
                 _: u128,
                 _: i32,
                 _: i64,
                 m: f32,
                 _: f64,
                 o: u128,
                 p: i32| { (o, p, m) },
            )
            .unwrap();
        linker
            .func_wrap(
                "h",
                "all",
                |a: i32,
                 b: i64,
                 c: f32,
                 d: f64,
                 e: u128,
                 f: i32,
                 g: i64,
                 h: f32,
                 i: f64,
                 j: u128,
                 k: i32,
                 l: i64,
                 m: f32,
                 n: f64,
                 o: u128,
                 p: i32|
                 -> P { (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) },
            )
            .unwrap();
        linker.func_wrap("h", "nine", || (1i64, 2i64, 3i64, 4i64, 5i64, 6i64, 7i64, 8i64, 9i64)).unwrap();
    });
    let args: P = (1, 2, 3.0, 4.0, 5, 6, 7, 8.0, 9.0, 10, 11, 12, 13.0, 14.0, 15 << 90, -16);
    let small: P = (1, 2, 3.0, 4.0, 5, 6, 7, 8.0, 9.0, 10, 11, 12, 13.0, 14.0, 15, 16);
    let one = instance.get_typed_func::<P, f64>(&mut store, "one").unwrap();
    assert_eq!(one.call(&mut store, small).unwrap(), 136.0);
    let three = instance.get_typed_func::<P, (u128, i32, f32)>(&mut store, "three").unwrap();
    assert_eq!(three.call(&mut store, args).unwrap(), (15 << 90, -16, 13.0));
    let all = instance.get_func(&mut store, "all").unwrap();
    let args = [
        Val::from(1),
        Val::from(2i64),
        Val::from(3f32),
        Val::from(4f64),
        Val::from(5u128),
        Val::from(6),
        Val::from(7i64),
        Val::from(8f32),
        Val::from(9f64),
        Val::from(u128::MAX),
        Val::from(11),
        Val::from(12i64),
        Val::from(13f32),
        Val::from(14f64),
        Val::from(15u128 << 77),
        Val::from(16),
    ];
    let mut results = [const { Val::I32(0) }; 16];
    all.call(&mut store, &args, &mut results).unwrap();
    assert_eq!(results, args);
    type Nine = (i64, i64, i64, i64, i64, i64, i64, i64, i64);
    let nine = instance.get_typed_func::<(), Nine>(&mut store, "nine").unwrap();
    assert_eq!(nine.call(&mut store, ()).unwrap(), (1, 2, 3, 4, 5, 6, 7, 8, 9));
}

#[test]
fn untyped_host_functions() {
    let wat = r#"(module (import "h" "swap" (func $swap (param i32 v128 funcref externref) (result externref funcref v128 i32)))
        (func (export "run") (param i32 v128 funcref externref) (result externref funcref v128 i32)
            local.get 0 local.get 1 local.get 2 local.get 3 call $swap))"#;
    let params = [ValType::I32, ValType::V128, ValType::FUNCREF, ValType::EXTERNREF];
    let ty = FuncType { params: params.into(), results: params.iter().rev().copied().collect() };
    let (mut store, instance) = linked(0u32, wat, |linker| {
        linker
            .func_new("h", "swap", ty.clone(), |mut caller, args, results| {
                *caller.data_mut() += 1;
                for (result, arg) in results.iter_mut().rev().zip(args) {
                    *result = arg.clone();
                }
                Ok(())
            })
            .unwrap();
    });
    let run = instance.get_func(&mut store, "run").unwrap();
    let value = ExternRef::new(&mut store, 5u8).unwrap();
    let args = [Val::I32(1), Val::V128(2 << 70), Val::FuncRef(Some(run)), Val::ExternRef(Some(value))];
    let mut results = [const { Val::I32(0) }; 4];
    run.call(&mut store, &args, &mut results).unwrap();
    results.reverse();
    assert_eq!(results, args);
    assert_eq!(*store.data(), 1);
    // A host function can be called without wasm in between.
    let swap = Func::new(&mut store, ty, |_, args, results| {
        results[3] = args[0].clone();
        Ok(())
    })
    .unwrap();
    swap.call(&mut store, &args, &mut results).unwrap();
    assert_eq!(results, [Val::ExternRef(None), Val::FuncRef(None), Val::V128(0), Val::I32(1)]);
}

#[test]
fn a_result_of_the_wrong_type_is_an_error_of_the_call() {
    let mut store = Store::new(&engine(), ()).unwrap();
    let ty = FuncType { params: [].into(), results: [ValType::I32].into() };
    let f = Func::new(&mut store, ty, |_, _, results| {
        results[0] = Val::I64(1);
        Ok(())
    })
    .unwrap();
    let error = f.call(&mut store, &[], &mut [Val::I32(0)]).unwrap_err();
    assert!(matches!(&error, Error::Usage(m) if m.contains("i32 was expected, not i64 1")), "{error:?}");
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("status {0}")]
struct Status(i32);

const NESTED: &str = r#"(module
    (import "h" "fail" (func $fail (param i32)))
    (func $inner (param i32) (call $fail (local.get 0)) unreachable)
    (func $outer (export "run") (param i32) (call $inner (local.get 0)))
    (func (export "ok") (result i32) i32.const 3))"#;

#[test]
fn an_error_comes_out_as_it_was() {
    let (mut store, instance) = linked((), NESTED, |linker| {
        linker.func_wrap("h", "fail", |code: i32| -> Result<(), Error> { Err(Error::host(Status(code))) }).unwrap();
    });
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
    for code in [7, 8] {
        let error = run.call(&mut store, code).unwrap_err();
        assert_eq!(error.downcast_ref::<Status>(), Some(&Status(code)));
        assert_eq!(error.to_string(), format!("status {code}"));
        let frames: Vec<u32> = error.backtrace().unwrap().frames.iter().map(|f| f.func.as_u32()).collect();
        assert_eq!(frames, [1, 2]);
        assert_eq!(ok.call(&mut store, ()).unwrap(), 3);
    }
}

#[test]
fn a_host_function_can_trap() {
    let (mut store, instance) = linked((), NESTED, |linker| {
        linker.func_wrap("h", "fail", |_: i32| -> Result<(), Error> { Err(Error::trap(TrapCode::Interrupt)) }).unwrap();
    });
    let error = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap().call(&mut store, 0).unwrap_err();
    assert_eq!(error.trap_code(), Some(TrapCode::Interrupt));
    assert_eq!(error.backtrace().unwrap().frames.len(), 2);
}

#[test]
fn a_panic_goes_through_wasm_frames() {
    let (mut store, instance) = linked((), NESTED, |linker| {
        linker
            .func_wrap("h", "fail", |code: i32| {
                if code == 5 {
                    std::panic::panic_any("boom")
                }
            })
            .unwrap();
    });
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
    for _ in 0..2 {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.call(&mut store, 5)));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"boom"));
        assert_eq!(ok.call(&mut store, ()).unwrap(), 3);
    }
    assert_eq!(run.call(&mut store, 6).unwrap_err().trap_code(), Some(TrapCode::Unreachable));
}

#[test]
fn wasm_and_host_call_each_other() {
    // Each level goes through wasm, host and wasm again; errors, traps and panics cross all of them.
    let wat = r#"(module
        (import "h" "back" (func $back (param i32) (result i32)))
        (func (export "down") (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (i32.add (i32.const 1) (call $back (i32.sub (local.get 0) (i32.const 1))))))"#;
    let (mut store, instance) = linked(0, wat, |linker| {
        linker
            .func_wrap("h", "back", |mut caller: Caller<'_, i32>, n: i32| -> Result<i32, Error> {
                *caller.data_mut() += 1;
                if n == 0 {
                    return Ok(100);
                }
                if n == -1 {
                    panic!("never reached");
                }
                let down = caller.get_export("down").unwrap().func().unwrap().typed::<i32, i32>(&caller)?;
                // One less than it was asked for, so that the innermost traps if the outermost was odd.
                match down.call(&mut caller, n - 1) {
                    Err(e) if e.trap_code() == Some(TrapCode::Unreachable) && n == 9 => Ok(1000),
                    other => other,
                }
            })
            .unwrap();
    });
    let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
    assert_eq!(down.call(&mut store, 1).unwrap(), 101);
    assert_eq!(down.call(&mut store, 7).unwrap(), 104);
    let error = down.call(&mut store, 8).unwrap_err();
    assert_eq!(error.trap_code(), Some(TrapCode::Unreachable));
    // The host function with n = 9 catches what happened below it.
    assert_eq!(down.call(&mut store, 12).unwrap(), 1002);
}

#[test]
fn the_callers_memory_is_its_own() {
    let wat = r#"(module (import "h" "poke" (func $poke (param i32)))
        (memory (export "memory") 1)
        (func (export "run") (result i32) (call $poke (i32.const 16)) (i32.load (i32.const 16))))"#;
    let (mut store, instance) = linked(0x1234_5678u32, wat, |linker| {
        linker
            .func_wrap("h", "poke", |mut caller: Caller<'_, u32>, at: u32| {
                assert_eq!(caller.memory().unwrap().size(), 65536);
                let value = *caller.data();
                let (memory, data) = caller.memory_and_data().unwrap();
                memory.write(at, value).unwrap();
                *data = 0;
            })
            .unwrap();
    });
    let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0x1234_5678);
    assert_eq!(*store.data(), 0);

    let wat =
        r#"(module (import "h" "look" (func $look (result i32))) (memory 1) (func (export "run") (result i32) (call $look)))"#;
    let (mut store, instance) = linked((), wat, |linker| {
        linker.func_wrap("h", "look", |caller: Caller<'_, ()>| i32::from(caller.memory().is_some())).unwrap();
    });
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0, "a memory that is not exported is nobody else's business");
}

#[test]
fn funcrefs_of_host_functions_are_called_indirectly() {
    let wat = r#"(module
        (type $t (func (param i32) (result i32)))
        (import "h" "f" (func $f (type $t)))
        (table (export "t") 2 funcref) (elem (i32.const 0) $f)
        (func (export "run") (param i32 i32) (result i32) (call_indirect (type $t) (local.get 1) (local.get 0))))"#;
    let (mut store, instance) = linked((), wat, |linker| {
        linker.func_wrap("h", "f", |x: i32| x + 1).unwrap();
    });
    let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, (0, 5)).unwrap(), 6);
    let table = instance.get_table(&mut store, "t").unwrap();
    let twice = Func::wrap(&mut store, |x: i32| x * 2).unwrap();
    table.set(&mut store, 1, Val::FuncRef(Some(twice))).unwrap();
    assert_eq!(run.call(&mut store, (1, 5)).unwrap(), 10);
    let other = Func::wrap(&mut store, |x: i64| x * 2).unwrap();
    table.set(&mut store, 1, Val::FuncRef(Some(other))).unwrap();
    assert_eq!(run.call(&mut store, (1, 5)).unwrap_err().trap_code(), Some(TrapCode::IndirectCallTypeMismatch));
}

#[test]
fn references_of_another_store_do_not_come_out_of_host_functions() {
    let engine = engine();
    let mut other = Store::new(&engine, ()).unwrap();
    let foreign = Func::wrap(&mut other, || {}).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let f = Func::wrap(&mut store, move || Some(foreign)).unwrap();
    let error = f.typed::<(), Option<Func>>(&store).unwrap().call(&mut store, ()).unwrap_err();
    assert!(matches!(&error, Error::Usage(m) if m.contains("another store")), "{error:?}");
}

#[test]
fn the_backtrace_is_there_while_the_host_runs() {
    let (mut store, instance) = linked(0, NESTED, |linker| {
        linker
            .func_wrap("h", "fail", |mut caller: Caller<'_, usize>, _: i32| {
                *caller.data_mut() = caller.backtrace().frames.len();
            })
            .unwrap();
    });
    let _ = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap().call(&mut store, 0);
    assert_eq!(*store.data(), 2);
}
