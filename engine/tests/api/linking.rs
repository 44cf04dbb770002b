//! Imports, exports and instances among each other.

use crate::{engine, try_instance};
use sconce_engine::environ::types::Limits;
use sconce_engine::{
    Error, Extern, Func, Global, GlobalType, Instance, LinkError, Linker, Memory, MemoryType, Module, RefType, Store, Table,
    TableType, TrapCode, Val, ValType,
};

fn memory_type(min: u64, max: Option<u64>) -> MemoryType {
    MemoryType { limits: Limits { min, max }, memory64: false, shared: false, page_size_log2: 16 }
}

#[test]
fn missing_imports_are_named_all_at_once() {
    let engine = engine();
    let module = Module::new(
        &engine,
        br#"(module (import "a" "f" (func (param i32))) (import "b" "g" (global i64)) (import "a" "ok" (func)) (import "" "m" (memory 1)))"#,
    )
    .unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "ok", || {}).unwrap();
    let names: Vec<_> = linker.unresolved(&module).into_iter().map(|i| (i.module, i.name)).collect();
    assert_eq!(names, [("a".into(), "f".into()), ("b".into(), "g".into()), (String::new(), "m".into())]);
    assert_eq!(linker.names().collect::<Vec<_>>(), [("a", "ok")]);
    let mut store = Store::new(&engine, ()).unwrap();
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    let Error::Link(LinkError::Missing(missing)) = &error else { panic!("{error:?}") };
    assert_eq!(missing.len(), 3);
    let text = error.to_string();
    for line in ["\"a\" \"f\": func (i32) -> ()", "\"b\" \"g\": global i64", "\"\" \"m\": memory 1"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn import_types_are_matched() {
    let engine = engine();
    let mut store = Store::new(&engine, ()).unwrap();
    let f = Func::wrap(&mut store, |_: i32| 1i64).unwrap();
    let memory = Memory::new(&mut store, memory_type(2, Some(5))).unwrap();
    let unlimited = Memory::new(&mut store, memory_type(2, None)).unwrap();
    let table_type = |element| TableType { element, limits: Limits { min: 3, max: None }, table64: false };
    let table = Table::new(&mut store, table_type(RefType::FUNCREF), Val::FuncRef(None)).unwrap();
    let global = |mutable| GlobalType { content: ValType::I32, mutable };
    let constant = Global::new(&mut store, global(false), Val::I32(0)).unwrap();
    let variable = Global::new(&mut store, global(true), Val::I32(0)).unwrap();
    let cases: &[(&str, Extern, bool)] = &[
        ("(func (param i32) (result i64))", f.into(), true),
        ("(func (param i32))", f.into(), false),
        ("(func (param i64) (result i64))", f.into(), false),
        ("(memory 1)", memory.into(), true),
        ("(memory 2 5)", memory.into(), true),
        ("(memory 0 6)", memory.into(), true),
        ("(memory 2 4)", memory.into(), false),
        ("(memory 3)", memory.into(), false),
        ("(memory 1 9)", unlimited.into(), false),
        ("(table 3 funcref)", table.into(), true),
        ("(table 4 funcref)", table.into(), false),
        ("(table 3 10 funcref)", table.into(), false),
        ("(table 3 externref)", table.into(), false),
        ("(global i32)", constant.into(), true),
        ("(global (mut i32))", constant.into(), false),
        ("(global (mut i32))", variable.into(), true),
        ("(global i32)", variable.into(), false),
        ("(global i64)", constant.into(), false),
        ("(global i32)", memory.into(), false),
        ("(func)", memory.into(), false),
        ("(memory 1)", f.into(), false),
    ];
    for (import, item, fits) in cases {
        let module = Module::new(&engine, format!(r#"(module (import "m" "n" {import}))"#).as_bytes()).unwrap();
        match Instance::new(&mut store, &module, &[*item]) {
            Ok(_) => assert!(fits, "{import} {item:?}"),
            Err(Error::Link(LinkError::Mismatch { module, name, .. })) => {
                assert!(!fits && (module.as_str(), name.as_str()) == ("m", "n"), "{import} {item:?}");
            }
            Err(e) => panic!("{import}: {e}"),
        }
    }
    // The minimum that counts is the current size.
    memory.grow(&mut store, 1).unwrap();
    let module = Module::new(&engine, br#"(module (import "m" "n" (memory 3)))"#).unwrap();
    Instance::new(&mut store, &module, &[memory.into()]).unwrap();
}

#[test]
fn a_mismatch_says_what_was_expected_and_found() {
    let engine = engine();
    let mut store = Store::new(&engine, ()).unwrap();
    let module = Module::new(&engine, br#"(module (import "env" "f" (func (param i32) (result f32))))"#).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("env", "f", |_: i64| {}).unwrap();
    let text = linker.instantiate(&mut store, &module).unwrap_err().to_string();
    assert_eq!(text, "import \"env\" \"f\": the module imports it as func (i32) -> (f32), but it is func (i64) -> ()");
}

#[test]
fn instances_share_what_they_export() {
    let engine = engine();
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new(&engine);
    let a = Module::new(
        &engine,
        br#"(module
            (memory (export "memory") 1)
            (table (export "table") 4 funcref)
            (global (export "g") (mut i32) (i32.const 7))
            (func (export "get") (param i32) (result i32) (i32.load (local.get 0)))
            (elem (i32.const 0) func 0))"#,
    )
    .unwrap();
    let a = linker.instantiate(&mut store, &a).unwrap();
    linker.instance(&mut store, "a", a).unwrap();
    let b = Module::new(
        &engine,
        br#"(module
            (type $get (func (param i32) (result i32)))
            (import "a" "memory" (memory 1))
            (import "a" "table" (table 4 funcref))
            (import "a" "g" (global $g (mut i32)))
            (import "a" "get" (func $get (type $get)))
            (data (i32.const 100) "\2a\00\00\00")
            (func $own (type $get) (i32.add (global.get $g) (local.get 0)))
            (elem (i32.const 1) func $own $get)
            (func (export "direct") (param i32) (result i32) (global.set $g (i32.const 1000)) (call $get (local.get 0)))
            (func (export "indirect") (param i32 i32) (result i32) (call_indirect (type $get) (local.get 1) (local.get 0))))"#,
    )
    .unwrap();
    let b = linker.instantiate(&mut store, &b).unwrap();
    let direct = b.get_typed_func::<i32, i32>(&mut store, "direct").unwrap();
    let indirect = b.get_typed_func::<(i32, i32), i32>(&mut store, "indirect").unwrap();
    assert_eq!(indirect.call(&mut store, (1, 5)).unwrap(), 12);
    assert_eq!(direct.call(&mut store, 100).unwrap(), 42);
    for (index, expected) in [(0, 42), (1, 1100), (2, 42)] {
        assert_eq!(indirect.call(&mut store, (index, 100)).unwrap(), expected);
    }
    assert_eq!(indirect.call(&mut store, (3, 0)).unwrap_err().trap_code(), Some(TrapCode::UninitializedElement));
    assert_eq!(indirect.call(&mut store, (4, 0)).unwrap_err().trap_code(), Some(TrapCode::UndefinedElement));
    assert_eq!(a.get_global(&mut store, "g").unwrap().get(&store), Val::I32(1000));
    // What one instance put into a table outlives the linker's interest in it, and is the function that it exports.
    let table = a.get_table(&mut store, "table").unwrap();
    assert_eq!(table.get(&store, 0), table.get(&store, 2));
    assert_eq!(table.get(&store, 0), Some(Val::FuncRef(a.get_func(&mut store, "get"))));
    assert_eq!(a.module(&store).exports().len(), 4);
    let names: Vec<String> = b.exports(&mut store).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["direct", "indirect"]);
    assert!(b.get_export(&mut store, "none").is_none());
}

#[test]
fn names_are_taken_once() {
    let engine = engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("m", "f", || 1).unwrap();
    let error = linker.func_wrap("m", "f", || 2).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "\"m\" \"f\" is defined already");
    linker.allow_shadowing(true).func_wrap("m", "f", || 3).unwrap();
    linker.alias_module("m", "n").unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    for linker in [&linker, &linker.clone()] {
        let f = linker.get(&mut store, "n", "f").unwrap().unwrap().func().unwrap();
        assert_eq!(f.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 3);
    }
    assert!(linker.get(&mut store, "n", "g").unwrap().is_none());
}

#[test]
fn the_start_function_runs() {
    let (mut store, instance) = try_instance(
        r#"(module (global $g (export "g") (mut i32) (i32.const 0)) (func $s (global.set $g (i32.const 5))) (start $s))"#,
    )
    .unwrap();
    assert_eq!(instance.get_global(&mut store, "g").unwrap().get(&store), Val::I32(5));
}

#[test]
fn a_trap_in_the_start_function_or_a_segment_is_a_trap() {
    let code = |wat| try_instance(wat).err().and_then(|e| e.trap_code());
    assert_eq!(code("(module (func $s unreachable) (start $s))"), Some(TrapCode::Unreachable));
    assert_eq!(code(r#"(module (memory 1) (data (i32.const 65536) "x"))"#), Some(TrapCode::MemoryOutOfBounds));
    assert_eq!(code("(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))"), Some(TrapCode::TableOutOfBounds));
    assert_eq!(code(r#"(module (memory 1) (data (i32.const 65536) ""))"#), None);
}

#[test]
fn earlier_segments_stay_when_a_later_one_traps() {
    let engine = engine();
    let mut store = Store::new(&engine, ()).unwrap();
    let memory = Memory::new(&mut store, memory_type(1, None)).unwrap();
    let module =
        Module::new(&engine, br#"(module (import "" "m" (memory 1)) (data (i32.const 0) "abc") (data (i32.const 65535) "xy"))"#)
            .unwrap();
    let error = Instance::new(&mut store, &module, &[memory.into()]).unwrap_err();
    assert_eq!(error.trap_code(), Some(TrapCode::MemoryOutOfBounds));
    let mut bytes = [0; 3];
    memory.read(&store, 0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"abc");
    let mut last = [9];
    memory.read(&store, 65535, &mut last).unwrap();
    assert_eq!(last, [0]);
}

#[test]
fn many_instances_of_one_module() {
    let engine = engine();
    let module = Module::new(
        &engine,
        br#"(module (memory (export "m") 1) (data (i32.const 0) "\01") (global $g (mut i32) (i32.const 0))
            (func (export "next") (result i32)
                (global.set $g (i32.add (global.get $g) (i32.load8_u (i32.const 0)))) (global.get $g)))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instances: Vec<Instance> = (0..20).map(|_| Instance::new(&mut store, &module, &[]).unwrap()).collect();
    for (n, instance) in instances.iter().enumerate() {
        let memory = instance.get_memory(&mut store, "m").unwrap();
        memory.write(&mut store, 0, &[n as u8]).unwrap();
    }
    for (n, instance) in instances.iter().enumerate() {
        let next = instance.get_typed_func::<(), i32>(&mut store, "next").unwrap();
        next.call(&mut store, ()).unwrap();
        assert_eq!(next.call(&mut store, ()).unwrap(), 2 * n as i32);
    }
}

#[test]
fn threads_have_their_own_stores() {
    let engine = engine();
    let module = Module::new(
        &engine,
        br#"(module (import "h" "id" (func $id (result i32))) (func (export "run") (result i32)
            (local $n i32) (local $sum i32)
            (loop $l
                (local.set $sum (i32.add (local.get $sum) (call $id)))
                (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
            (local.get $sum)))"#,
    )
    .unwrap();
    std::thread::scope(|scope| {
        for id in 0..8 {
            let (engine, module) = (&engine, &module);
            scope.spawn(move || {
                let mut store = Store::new(engine, id).unwrap();
                let mut linker = Linker::new(engine);
                linker.func_wrap("h", "id", |caller: sconce_engine::Caller<'_, i32>| *caller.data()).unwrap();
                let instance = linker.instantiate(&mut store, module).unwrap();
                let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
                assert_eq!(run.call(&mut store, ()).unwrap(), 1000 * id);
            });
        }
    });
}
