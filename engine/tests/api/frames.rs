//! Host calls in frames of every shape: what a function holds is unharmed, whoever provides the import, and
//! whether that enters wasm again.

use sconce_engine::environ::abi::MAX_IN_PLACE;
use sconce_engine::environ::index::DefinedFuncIndex;
use sconce_engine::{
    BoundsStyle, CallStyle, Caller, Config, Engine, Error, Extern, ExternRef, FuncType, Linker, MachineCode, Module, Store, Tier,
    Val, ValType,
};
use std::fmt::Write;

/// Instructions for `n` from 0 on, one after the other.
fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

/// A function whose `count` locals of a type are set, live across two host calls, and are then summed up.
fn locals(name: &str, count: usize, ty: &str, from_number: &str, add: &str, to_number: &str) -> String {
    let set = each(count, |n| format!("(local.set {} ({from_number} (i32.add (local.get 0) (i32.const {n}))))", n + 2));
    let sum = each(count, |n| format!("(local.get {}) ({add})", n + 2));
    format!(
        r#"(func (export "{name}") (param i32) (result i64) (local i64) (local {})
            {set}
            (local.set 1 (call $f (local.get 0) (call $f (local.get 0) (i64.const 3))))
            (i64.add (local.get 1) ({to_number} ({from_number} (local.get 0)) {sum})))"#,
        format!("{ty} ").repeat(count)
    )
}

/// Exports of type `(i32) -> i64`, by name. They import `f`, which is `(i32, i64) -> i64`, and `keep`,
/// `(externref) -> externref`.
fn module() -> (String, Vec<&'static str>) {
    let mut text = String::from(
        r#"(module
        (import "h" "f" (func $f (param i32 i64) (result i64)))
        (import "h" "keep" (func $keep (param externref) (result externref)))
        (import "h" "make" (func $make (param i32) (result externref)))
        (import "h" "number" (func $number (param externref) (result i32)))
        (tag $e (param i64))
        (memory 1)
        (func (export "small") (param i32) (result i64) (call $f (local.get 0) (i64.const 1)))
        ;; What host functions call.
        (func $deep (export "deep") (param i32 i64) (result i64)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (i64.add (call $deep (i32.sub (local.get 0) (i32.const 1)) (i64.mul (local.get 1) (i64.const 3))) (i64.const 1)))
        "#,
    );
    text += &locals("some locals", 12, "i64", "i64.extend_i32_u", "i64.add", "i64.mul (i64.const 1)");
    text += &locals("a page of locals", 600, "i64", "i64.extend_i32_u", "i64.add", "i64.mul (i64.const 1)");
    text += &locals("many pages of locals", 6000, "i64", "i64.extend_i32_u", "i64.add", "i64.mul (i64.const 1)");
    text += &locals("floats", 20, "f64", "f64.convert_i32_u", "f64.add", "i64.trunc_f64_u");
    text += &locals("vectors", 40, "v128", "i32x4.splat", "i32x4.add", "i64x2.extract_lane 1");
    // Tail calls with more stack arguments than the function has, and with fewer.
    let (wide, ones) = ("i64 ".repeat(14), each(14, |n| format!("(i64.const {n})")));
    let sum = each(14, |n| format!("(i64.add (local.get {}))", n + 1));
    write!(
        text,
        r#"(func $narrow (export "tail calls") (param i32) (result i64) (local i64)
            (local.set 1 (call $f (local.get 0) (i64.const 5)))
            (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (call $f (i32.const 2) (local.get 1))))
            (return_call $wide (local.get 0) {ones}))
        (func $wide (param i32 {wide}) (result i64)
            (i64.store (i32.const 24) (i64.add (i64.load (i32.const 24)) (call $f (local.get 0) (local.get 14))))
            (if (i32.eqz (local.get 0)) (then (return
                (call $f (i32.const 1) (i64.add (i64.load (i32.const 16)) (i64.load (i32.const 24)))) {sum})))
            (return_call $narrow (i32.sub (local.get 0) (i32.const 1))))
        "#
    )
    .unwrap();
    // Calls with stack arguments and results in a buffer between host calls, whose results are arguments.
    let results = each(20, |n| format!("(i64.add (local.get {}) (i64.const {n}))", 19 - n));
    let of_host = each(20, |n| format!("(call $f (i32.const {n}) (i64.const 7))"));
    write!(
        text,
        r#"(func $turned (param {0}) (result {0}) {results})
        (func (export "stack arguments") (param i32) (result i64) (local i64)
            (call $f (local.get 0) (i64.const 1))
            {of_host} (call $turned) (call $turned) {1} (local.set 1)
            (i64.add (call $f (local.get 0) (local.get 1))))
        "#,
        "i64 ".repeat(20),
        "(i64.sub) ".repeat(19),
    )
    .unwrap();
    // Values on the stack under host calls: so the frame grows with the function.
    let operands = each(60, |n| format!("(call $f (local.get 0) (i64.const {n})) "));
    write!(
        text,
        r#"(func (export "operands") (param i32) (result i64) {operands} {})"#,
        "(i64.xor (i64.const 9)) (i64.add) ".repeat(59)
    )
    .unwrap();
    // In try regions, in handlers and behind them; exceptions come from frames between.
    write!(
        text,
        r#"(func $throws (param i32) (result i64)
            (if (i32.and (local.get 0) (i32.const 1)) (then (throw $e (call $f (local.get 0) (i64.const 11)))))
            (call $f (local.get 0) (i64.const 12)))
        (func (export "handlers") (param i32) (result i64) (local $sum i64)
            (loop $again
                (block $next
                    (block $h (result i64)
                        (try_table (catch $e $h)
                            (local.set $sum (call $f (local.get 0) (local.get $sum)))
                            (local.set $sum (i64.add (local.get $sum) (call $throws (local.get 0))))
                            (local.set $sum (call $f (local.get 0) (local.get $sum))))
                        (br $next))
                    (local.set $sum (i64.add (local.get $sum) (call $f (local.get 0)
                        (block (result i64) (try_table (result i64) (call $f (i32.const 3) (local.get $sum)))))))
                    (local.set $sum (i64.add (local.get $sum))))
                (local.set $sum (call $f (local.get 0) (local.get $sum)))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
            (local.get $sum))
        ;; In the arms of a jump table, in a loop.
        (func (export "arms") (param i32) (result i64) (local $n i32) (local $sum i64) (local $float f64)
            (loop $again
                (block $done (block $two (block $one (block $zero
                    (br_table $zero $one $two (i32.rem_u (local.get $n) (i32.const 3))))
                    (local.set $sum (call $f (local.get $n) (local.get $sum))) (br $done))
                    (local.set $float (f64.add (local.get $float) (f64.convert_i64_s (call $f (local.get 0) (i64.const 1))))) (br $done))
                    (local.set $sum (i64.sub (local.get $sum) (call $f (local.get $n) (call $f (i32.const 1) (local.get $sum))))))
                (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20))))
            (i64.add (local.get $sum) (i64.reinterpret_f64 (local.get $float))))
        ;; References in the frame alone, and in arguments and results.
        (func (export "references") (param i32) (result i64) (local $a externref) (local $b externref)
            (local.set $a (call $make (local.get 0)))
            (local.set $b (call $keep (call $make (i32.const 5))))
            (drop (call $f (local.get 0) (i64.const 1)))
            (drop (call $keep (call $keep (call $make (i32.const 6)))))
            (i64.extend_i32_s (i32.add (i32.mul (call $number (local.get $a)) (i32.const 1000)) (call $number (call $keep (local.get $b)))))))"#
    )
    .unwrap();
    let names = [
        "small",
        "some locals",
        "a page of locals",
        "many pages of locals",
        "floats",
        "vectors",
        "tail calls",
        "stack arguments",
        "operands",
        "handlers",
        "arms",
        "references",
    ];
    (text, names.into())
}

const PROVIDER: &str = r#"(module (func (export "f") (param i32 i64) (result i64)
    (i64.add (i64.mul (i64.extend_i32_s (local.get 0)) (i64.const 31)) (i64.rotl (local.get 1) (i64.const 5)))))"#;

fn f(a: i32, b: i64) -> i64 {
    i64::from(a).wrapping_mul(31).wrapping_add(b.rotate_left(5))
}

/// As `f`, after wasm has used the stack below.
fn enters(mut caller: Caller<'_, ()>, a: i32, b: i64) -> Result<i64, Error> {
    let deep = caller.get_export("deep").and_then(Extern::func).unwrap().typed::<(i32, i64), i64>(&caller)?;
    deep.call(&mut caller, (20, b))?;
    Ok(f(a, b))
}

fn number(caller: &Caller<'_, ()>, value: Option<ExternRef>) -> i32 {
    *value.unwrap().data(caller).downcast_ref().unwrap()
}

#[test]
fn host_calls_in_frames_of_every_shape() {
    let (text, names) = module();
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        for (bounds, calls, stress) in [
            (BoundsStyle::Guard, CallStyle::Direct, false),
            (BoundsStyle::Explicit, CallStyle::Slots, false),
            (BoundsStyle::Guard, CallStyle::Slots, true),
        ] {
            let config = Config::new().tier(tier).bounds(Some(bounds)).calls(calls).gc_stress(stress);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
            let mut seen: Option<Vec<i64>> = None;
            for provider in ["wasm", "values", "typed", "entering"] {
                let mut store = Store::new(&engine, ()).unwrap();
                let mut linker = Linker::<()>::new(&engine);
                match provider {
                    "wasm" => {
                        let wasm = Module::new(&engine, PROVIDER.as_bytes()).unwrap();
                        let wasm = linker.instantiate(&mut store, &wasm).unwrap();
                        let wasm = wasm.get_func(&mut store, "f").unwrap();
                        linker.define(&mut store, "h", "f", wasm).unwrap();
                    }
                    "values" => {
                        let ty = FuncType { params: [ValType::I32, ValType::I64].into(), results: [ValType::I64].into() };
                        let through_values = |_: Caller<'_, ()>, args: &[Val], results: &mut [Val]| {
                            let [Val::I32(a), Val::I64(b)] = *args else { panic!("{args:?}") };
                            results[0] = Val::I64(f(a, b));
                            Ok(())
                        };
                        linker.func_new("h", "f", ty, through_values).unwrap();
                    }
                    "typed" => drop(linker.func_wrap("h", "f", f).unwrap()),
                    _ => drop(linker.func_wrap("h", "f", enters).unwrap()),
                }
                linker.func_wrap("h", "keep", |value: Option<ExternRef>| value).unwrap();
                linker
                    .func_wrap("h", "make", |mut caller: Caller<'_, ()>, n: i32| ExternRef::new(&mut caller, n).map(Some))
                    .unwrap();
                linker
                    .func_wrap("h", "number", |caller: Caller<'_, ()>, value: Option<ExternRef>| number(&caller, value))
                    .unwrap();
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let mut results = Vec::new();
                for name in &names {
                    let run = instance.get_typed_func::<i32, i64>(&mut store, name).unwrap();
                    for n in [0, 1, 2, 7, 100] {
                        results.push(run.call(&mut store, n).unwrap_or_else(|e| panic!("{name} {n}: {e}")));
                    }
                }
                let reference = seen.get_or_insert_with(|| results.clone());
                for (n, (result, expected)) in results.iter().zip(reference).enumerate() {
                    let name = names[n / 5];
                    assert_eq!(result, expected, "{name} by {provider}, {tier:?} {bounds:?} {calls:?} stress: {stress}");
                }
                store.verify_references();
            }
        }
    }
}

/// What each way to the host costs is bounded in one function; the calls behind are made all the same.
#[test]
fn a_function_has_not_more_ways_to_the_host_than_are_worth_their_cost() {
    const CALLS: u32 = MAX_IN_PLACE + 500;
    let calls = each(CALLS as usize, |n| format!("(call $count (i32.const {n}))"));
    let text = format!(r#"(module (import "h" "count" (func $count (param i32))) (func (export "run") {calls}))"#);
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let (code, _) = MachineCode::of(&module).function(DefinedFuncIndex::from_u32(0)).unwrap();
        // One for each, and what they share.
        assert_eq!(code.uninterruptible.len(), MAX_IN_PLACE as usize + 1, "{tier:?}");
        let mut store = Store::new(&engine, 0).unwrap();
        let mut linker = Linker::new(&engine);
        let count = |mut caller: Caller<'_, i32>, n: i32| {
            assert_eq!(*caller.data(), n);
            *caller.data_mut() += 1;
        };
        linker.func_wrap("h", "count", count).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "run").unwrap().call(&mut store, ()).unwrap();
        assert_eq!(store.into_data(), CALLS as i32);
    }
}
