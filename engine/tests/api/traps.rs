//! Traps, and the store after them.

use crate::{engine, instance};
use sconce_engine::{Caller, Config, Engine, Error, Linker, Module, Store, TrapCode};

#[test]
fn every_trap_leaves_the_store_usable() {
    let (mut store, instance) = instance(
        r#"(module
            (memory 1) (table 3 funcref) (elem (i32.const 0) $v)
            (type $v (func)) (type $i (func (result i32)))
            (func $v)
            (func (export "unreachable") unreachable)
            (func (export "memory") (drop (i32.load (i32.const 65533))))
            (func (export "fill") (memory.fill (i32.const 65535) (i32.const 0) (i32.const 2)))
            (func (export "table") (drop (table.get 0 (i32.const 3))))
            (func (export "undefined") (call_indirect (type $v) (i32.const 3)))
            (func (export "null") (call_indirect (type $v) (i32.const 1)))
            (func (export "mismatch") (drop (call_indirect (type $i) (i32.const 0))))
            (func (export "overflow") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
            (func (export "zero") (drop (i64.rem_u (i64.const 1) (i64.const 0))))
            (func (export "conversion") (drop (i32.trunc_f32_s (f32.const nan))))
            (func $deep (export "stack") (call $deep) (call $v))
            (func (export "ok") (result i32) (i32.load (i32.const 65532))))"#,
    );
    let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
    let expected = [
        ("unreachable", TrapCode::Unreachable),
        ("memory", TrapCode::MemoryOutOfBounds),
        ("fill", TrapCode::MemoryOutOfBounds),
        ("table", TrapCode::TableOutOfBounds),
        ("undefined", TrapCode::UndefinedElement),
        ("null", TrapCode::UninitializedElement),
        ("mismatch", TrapCode::IndirectCallTypeMismatch),
        ("overflow", TrapCode::IntegerOverflow),
        ("zero", TrapCode::IntegerDivideByZero),
        ("conversion", TrapCode::InvalidConversionToInteger),
        ("stack", TrapCode::StackOverflow),
    ];
    for _ in 0..3 {
        for (name, code) in expected {
            let f = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let error = f.call(&mut store, ()).unwrap_err();
            assert_eq!(error.trap_code(), Some(code), "{name}");
            assert_eq!(error.to_string(), code.message());
            let frame = &error.backtrace().unwrap().frames[0];
            assert_eq!(
                frame.module.environ().exports.iter().find(|e| e.name == name).map(|e| e.entity),
                Some(sconce_engine::environ::module::EntityIndex::Func(frame.func))
            );
            assert_eq!(ok.call(&mut store, ()).unwrap(), 0);
        }
    }
}

#[test]
fn backtraces_have_offsets_of_the_binary() {
    let wat = r#"(module (func $a (param i32) (drop (i32.div_u (i32.const 1) (local.get 0)))) (func (export "b") nop (call $a (i32.const 0)) nop))"#;
    let binary = sconce_engine::text::to_binary(wat.as_bytes()).unwrap();
    let (mut store, instance) = instance(wat);
    let error = instance.get_typed_func::<(), ()>(&mut store, "b").unwrap().call(&mut store, ()).unwrap_err();
    let frames = &error.backtrace().unwrap().frames;
    assert_eq!(frames.iter().map(|f| f.func.as_u32()).collect::<Vec<_>>(), [0, 1]);
    let opcodes: Vec<u8> = frames.iter().map(|f| binary[f.wasm_offset.unwrap() as usize]).collect();
    assert_eq!(opcodes, [0x6e, 0x10], "i32.div_u and call");
}

#[test]
fn deep_recursion_through_the_host_is_a_stack_overflow() {
    let engine = engine();
    let module = Module::new(
        &engine,
        br#"(module (import "h" "again" (func $again)) (func $run (export "run") (call $again) nop) (func (export "ok") (result i32) i32.const 1))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, 0u32).unwrap();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("h", "again", |mut caller: Caller<'_, u32>| -> Result<(), Error> {
            *caller.data_mut() += 1;
            let run = caller.get_export("run").unwrap().func().unwrap();
            run.call(&mut caller, &[], &mut [])
        })
        .unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
    for _ in 0..3 {
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.trap_code(), Some(TrapCode::StackOverflow));
        assert!(*store.data() > 10);
        assert_eq!(ok.call(&mut store, ()).unwrap(), 1);
    }
}

#[test]
fn the_stack_has_the_size_that_was_asked_for() {
    let depth = |size| {
        let engine = Engine::new(&Config::new().stack_size(size)).unwrap();
        let module = Module::new(
            &engine,
            br#"(module (global $n (export "n") (mut i32) (i32.const 0))
                (func $run (export "run") (global.set $n (i32.add (global.get $n) (i32.const 1))) (call $run) (global.set $n (global.get $n))))"#,
        )
        .unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let error = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap().call(&mut store, ()).unwrap_err();
        assert_eq!(error.trap_code(), Some(TrapCode::StackOverflow));
        let backtrace = error.backtrace().unwrap();
        let depth = instance.get_global(&mut store, "n").unwrap().get(&store).i32().unwrap();
        assert!((backtrace.frames.len() + backtrace.omitted).abs_diff(depth as usize) <= 1, "{depth}");
        assert!(backtrace.frames.len() < 1000);
        depth
    };
    let (small, large) = (depth(64 << 10), depth(1 << 20));
    assert!(small > 100 && large > 10 * small, "{small} {large}");
}

#[test]
fn an_interrupt_stops_a_loop_and_nothing_else() {
    let (mut store, instance) =
        instance(r#"(module (func (export "spin") (loop (br 0))) (func (export "ok") (result i32) i32.const 1))"#);
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
    let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
    let handle = store.interrupt_handle();
    for _ in 0..3 {
        let other = handle.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            other.interrupt();
        });
        assert_eq!(spin.call(&mut store, ()).unwrap_err().trap_code(), Some(TrapCode::Interrupt));
        thread.join().unwrap();
        handle.clear();
        assert!(!handle.is_set());
        assert_eq!(ok.call(&mut store, ()).unwrap(), 1);
    }
}
