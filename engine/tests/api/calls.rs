//! Calls from the host, typed and untyped.

use crate::{engine, instance};
use sconce_engine::{BoundsStyle, CallStyle, Config, Engine, Error, Linker, Module, Store, Tier, Val};

const ADD: &str = r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#;

#[test]
fn add() {
    let (mut store, instance) = instance(ADD);
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").unwrap();
    assert_eq!(add.call(&mut store, (2, 40)).unwrap(), 42);
    let mut results = [Val::I64(0)];
    add.func().call(&mut store, &[Val::I32(-1), Val::I32(i32::MIN)], &mut results).unwrap();
    assert_eq!(results, [Val::I32(i32::MAX)]);
}

#[test]
fn every_configuration() {
    const FIB: &str = r#"(module
        (memory 1) (data (i32.const 8) "\05")
        (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func (export "load") (param i32) (result i32) (i32.load8_u offset=4 (local.get 0))))"#;
    for bounds in [None, Some(BoundsStyle::Guard), Some(BoundsStyle::Explicit)] {
        for calls in [CallStyle::Direct, CallStyle::Slots] {
            for parallel in [true, false] {
                let config = Config::new().bounds(bounds).calls(calls).parallel(parallel).canonical_nans(parallel);
                let engine = Engine::new(&config).unwrap();
                if let Some(style) = bounds {
                    assert_eq!(engine.bounds(), style);
                }
                let module = Module::new(&engine, FIB.as_bytes()).unwrap();
                let mut store = Store::new(&engine, ()).unwrap();
                let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
                let fib = instance.get_typed_func::<u32, u32>(&mut store, "fib").unwrap();
                assert_eq!(fib.call(&mut store, 15).unwrap(), 610);
                let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
                assert_eq!(load.call(&mut store, 4).unwrap(), 5);
            }
        }
    }
}

#[test]
fn every_type_goes_in_and_comes_out() {
    let (mut store, instance) = instance(
        r#"(module
            (func (export "f") (param i32 i64 f32 f64 v128 funcref externref) (result externref funcref v128 f64 f32 i64 i32)
                local.get 6 local.get 5 local.get 4 local.get 3 local.get 2 local.get 1 local.get 0)
            (func (export "g")))"#,
    );
    let g = instance.get_func(&mut store, "g").unwrap();
    let host = sconce_engine::ExternRef::new(&mut store, "a host value").unwrap();
    let args = [
        Val::I32(-5),
        Val::I64(i64::MIN + 1),
        Val::F32(0x7fa0_0001),
        Val::F64(0xfff0_0000_0000_0001),
        Val::V128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        Val::FuncRef(Some(g)),
        Val::ExternRef(Some(host.clone())),
    ];
    let mut results = [const { Val::I32(0) }; 7];
    let f = instance.get_func(&mut store, "f").unwrap();
    f.call(&mut store, &args, &mut results).unwrap();
    results.reverse();
    assert_eq!(results, args);
    assert_eq!(host.data(&store).downcast_ref::<&str>(), Some(&"a host value"));

    type P = (i32, i64, f32, f64, u128, Option<sconce_engine::Func>, Option<sconce_engine::ExternRef>);
    type R = (Option<sconce_engine::ExternRef>, Option<sconce_engine::Func>, u128, f64, f32, i64, i32);
    let f = f.typed::<P, R>(&store).unwrap();
    let back = f.call(&mut store, (1, -2, 3.5, -0.0, u128::MAX, None, Some(host.clone()))).unwrap();
    assert_eq!((back.0, back.1, back.2, back.4, back.5, back.6), (Some(host), None, u128::MAX, 3.5, -2, 1));
    assert_eq!(back.3.to_bits(), (-0.0f64).to_bits());
}

#[test]
fn more_values_than_registers() {
    // Twenty parameters of alternating types, and as many results: results are in a buffer, parameters on the stack.
    let types: String = (0..20).map(|i| ["i32 ", "f64 ", "i64 ", "v128 "][i % 4]).collect();
    let gets: String = (0..20).map(|i| format!("local.get {i} ")).collect();
    let wat = format!(r#"(module (func (export "f") (param {types}) (result {types}) {gets}))"#);
    let (mut store, instance) = instance(&wat);
    let value = |i: usize| match i % 4 {
        0 => Val::I32(i as i32),
        1 => Val::F64((i as f64).to_bits()),
        2 => Val::I64(-(i as i64)),
        _ => Val::V128((i as u128) << 100 | 7),
    };
    let args: Vec<Val> = (0..20).map(value).collect();
    let mut results = vec![const { Val::I32(0) }; 20];
    instance.get_func(&mut store, "f").unwrap().call(&mut store, &args, &mut results).unwrap();
    assert_eq!(results, args);
}

#[test]
fn nine_results_of_one_class() {
    let (mut store, instance) = instance(
        r#"(module (func (export "f") (param i32) (result i32 i32 i32 i32 i32 i32 i32 i32 i32)
            local.get 0 i32.const 1 i32.const 2 i32.const 3 i32.const 4 i32.const 5 i32.const 6 i32.const 7 i32.const 8))"#,
    );
    type R = (i32, i32, i32, i32, i32, i32, i32, i32, i32);
    let f = instance.get_typed_func::<i32, R>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, 99).unwrap(), (99, 1, 2, 3, 4, 5, 6, 7, 8));
}

#[test]
fn wrong_arguments_are_errors() {
    let (mut store, instance) = instance(ADD);
    let add = instance.get_func(&mut store, "add").unwrap();
    let message = |r: Result<(), Error>| match r {
        Err(Error::Usage(message)) => message,
        other => panic!("{other:?}"),
    };
    let mut one = [Val::I32(0)];
    let m = message(add.call(&mut store, &[Val::I32(1)], &mut one));
    assert!(m.contains("(i32, i32) -> (i32)") && m.contains("1 arguments"), "{m}");
    let m = message(add.call(&mut store, &[Val::I32(1), Val::I64(2)], &mut one));
    assert!(m.contains("i32 was expected, not i64 2"), "{m}");
    message(add.call(&mut store, &[Val::I32(1), Val::I32(2)], &mut []));
    let Err(Error::Usage(m)) = add.typed::<(i32, i32), i64>(&store) else { panic!() };
    assert!(m.contains("(i32, i32) -> (i32), not (i32, i32) -> (i64)"), "{m}");
    let Err(Error::Usage(m)) = instance.get_typed_func::<(), ()>(&mut store, "sub") else { panic!() };
    assert!(m.contains("\"sub\""), "{m}");
}

#[test]
fn text_binary_and_what_is_neither() {
    let engine = engine();
    Module::new(&engine, b"(module)").unwrap();
    Module::new(&engine, b"#!/usr/bin/env sconce\n(module)").unwrap();
    Module::new(&engine, b"\0asm\x01\0\0\0").unwrap();
    assert!(matches!(Module::new(&engine, b"(module (fun))"), Err(Error::Text(_))));
    assert!(matches!(Module::new(&engine, b""), Err(Error::Decode(_))));
    assert!(matches!(Module::new(&engine, b"\0asm\x01\0\0"), Err(Error::Decode(_))));
    assert!(matches!(Module::new(&engine, b"(module (func (result i32)))"), Err(Error::Decode(_))));
    assert!(matches!(Module::validate(&engine, b"(module (func (result i32)))"), Err(Error::Decode(_))));
    Module::validate(&engine, b"(module (func (result i32) i32.const 1))").unwrap();
}

/// Counts, and says "stop" after so many functions.
struct Watch(std::sync::Mutex<(u64, u64)>, u64);

impl sconce_engine::Progress for Watch {
    fn started(&self, total: u64) {
        self.0.lock().unwrap().0 = total;
    }
    fn advanced(&self, bytes: u64) {
        self.0.lock().unwrap().1 += bytes;
    }
    fn cancelled(&self) -> bool {
        self.0.lock().unwrap().1 >= self.1
    }
}

#[test]
fn progress_is_told_and_compilation_can_be_cancelled() {
    let functions = "(func (param i32) (result i32) local.get 0 i32.const 1 i32.add)".repeat(3000);
    let wat = format!("(module {functions})");
    for parallel in [true, false] {
        let engine = Engine::new(&Config::new().parallel(parallel)).unwrap();
        let watch = Watch(Default::default(), u64::MAX);
        Module::new_with_progress(&engine, wat.as_bytes(), &watch).unwrap();
        let (total, done) = *watch.0.lock().unwrap();
        assert!(total > 3000 && done == total, "{done} of {total}");
        let watch = Watch(Default::default(), total / 2);
        assert!(matches!(Module::new_with_progress(&engine, wat.as_bytes(), &watch), Err(Error::Cancelled)));
        assert!(watch.0.lock().unwrap().1 < total);
    }
}

#[test]
fn imports_and_exports_have_types() {
    let engine = engine();
    let module = Module::new(
        &engine,
        br#"(module $m
            (import "a" "f" (func (param i32 externref) (result f64)))
            (import "a" "m" (memory 1 2))
            (table (export "t") 10 funcref)
            (global (export "g") (mut i64) (i64.const 0)))"#,
    )
    .unwrap();
    let imports: Vec<String> = module.imports().map(|i| format!("{} {} {}", i.module, i.name, i.ty)).collect();
    assert_eq!(imports, ["a f func (i32, externref) -> (f64)", "a m memory 1..2"]);
    let exports: Vec<String> = module.exports().map(|e| format!("{} {}", e.name, e.ty)).collect();
    assert_eq!(exports, ["t table 10 funcref", "g global mut i64"]);
    assert_eq!(module.name(), Some("m"));
}

/// Each target finds the values where its block has them, whether they are few or many.
#[test]
fn jump_tables_take_values_along() {
    const TARGETS: usize = 5;
    let value = |n: usize| match n % 4 {
        0 => ("i32", format!("i32.const {n}"), Val::I32(n as i32)),
        1 => ("i64", format!("(i64.mul (local.get 1) (i64.const {n}))"), Val::I64(7 * n as i64)),
        2 => {
            ("f64", format!("(f64.convert_i64_s (i64.add (local.get 1) (i64.const {n})))"), Val::F64((7.0 + n as f64).to_bits()))
        }
        _ => ("v128", format!("(i64x2.splat (i64.const {n}))"), Val::V128(n as u128 | (n as u128) << 64)),
    };
    for (count, step) in [(1, 1), (8, 1), (9, 1), (9, 4), (40, 1), (40, 4)] {
        let values: Vec<_> = (0..count).map(|n| value(n * step)).collect();
        let types = values.iter().map(|v| v.0).collect::<Vec<_>>().join(" ");
        let pushed = values.iter().map(|v| v.1.as_str()).collect::<Vec<_>>().join(" ");
        let depths = (0..TARGETS).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let begin = "f32.const 1.5 block (type $t) ".repeat(TARGETS);
        let end: String = (0..TARGETS).map(|n| format!("end (global.set $which (i32.const {n})) return ")).collect();
        let text = format!(
            r#"(module (type $t (func (result {types}))) (global $which (export "which") (mut i32) (i32.const -1))
                (func (export "run") (param i32 i64) (result {types})
                    {begin} {pushed} local.get 0 br_table {depths} 2 {end}))"#
        );
        for tier in [Tier::Cranelift, Tier::Lightbeam] {
            let engine = Engine::new(&Config::new().tier(tier)).unwrap();
            let module = Module::new(&engine, text.as_bytes()).unwrap();
            let mut store = Store::new(&engine, ()).unwrap();
            let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
            let run = instance.get_func(&mut store, "run").unwrap();
            for index in 0..=TARGETS {
                let mut results = vec![Val::I32(0); count];
                run.call(&mut store, &[Val::I32(index as i32), Val::I64(7)], &mut results).unwrap();
                let expected: Vec<Val> = values.iter().map(|v| v.2.clone()).collect();
                assert_eq!(results, expected, "{tier:?}, target {index}");
                let which = instance.get_global(&mut store, "which").unwrap().get(&mut store);
                assert_eq!(which, Val::I32(if index < TARGETS { index as i32 } else { 2 }));
            }
        }
    }
}
