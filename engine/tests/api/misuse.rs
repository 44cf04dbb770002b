//! Handles and modules in the wrong store or engine.

use crate::engine;
use sconce_engine::environ::types::Limits;
use sconce_engine::{
    Error, ExternRef, Func, FuncType, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module, RefType, Store, Table,
    TableType, Val, ValType,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

const MODULE: &str = r#"(module (memory (export "m") 1) (table (export "t") 1 funcref) (global (export "g") (mut i32) (i32.const 0))
    (func (export "f")) (func (export "take") (param funcref externref)))"#;

fn usage<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Usage(message)) => assert!(message.contains("another store"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn handles_of_another_store_are_refused() {
    let engine = engine();
    let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
    let linker = Linker::<()>::new(&engine);
    let (mut mine, mut other) = (Store::new(&engine, ()).unwrap(), Store::new(&engine, ()).unwrap());
    let foreign = linker.instantiate(&mut other, &module).unwrap();
    let own = linker.instantiate(&mut mine, &module).unwrap();
    let f = foreign.get_func(&mut other, "f").unwrap();
    let memory = foreign.get_memory(&mut other, "m").unwrap();
    let table = foreign.get_table(&mut other, "t").unwrap();
    let global = foreign.get_global(&mut other, "g").unwrap();
    let value = ExternRef::new(&mut other, 1).unwrap();

    usage(f.call(&mut mine, &[], &mut []));
    usage(f.typed::<(), ()>(&mine).map(|_| ()));
    usage(f.typed::<(), ()>(&other).unwrap().call(&mut mine, ()));
    usage(memory.read(&mine, 0, &mut [0]));
    usage(memory.write(&mut mine, 0, &[0]));
    usage(memory.grow(&mut mine, 1));
    usage(table.set(&mut mine, 0, Val::FuncRef(None)));
    usage(table.grow(&mut mine, 0, Val::FuncRef(None)));
    usage(global.set(&mut mine, Val::I32(1)));
    usage(Linker::new(&engine).define(&mut mine, "a", "f", f).map(|_| ()));
    let importing = Module::new(&engine, br#"(module (import "a" "f" (func)))"#).unwrap();
    usage(Instance::new(&mut mine, &importing, &[f.into()]));

    // References as values.
    let own_table = own.get_table(&mut mine, "t").unwrap();
    usage(own_table.set(&mut mine, 0, Val::FuncRef(Some(f))));
    usage(own_table.grow(&mut mine, 1, Val::FuncRef(Some(f))));
    let take = own.get_func(&mut mine, "take").unwrap();
    usage(take.call(&mut mine, &[Val::FuncRef(Some(f)), Val::ExternRef(None)], &mut []));
    usage(take.call(&mut mine, &[Val::FuncRef(None), Val::ExternRef(Some(value.clone()))], &mut []));
    let typed = take.typed::<(Option<Func>, Option<ExternRef>), ()>(&mine).unwrap();
    usage(typed.call(&mut mine, (Some(f), None)));
    usage(typed.call(&mut mine, (None, Some(value.clone()))));
    typed.call(&mut mine, (None, None)).unwrap();
    let ty = GlobalType { content: ValType::FUNCREF, mutable: true };
    usage(Global::new(&mut mine, ty, Val::FuncRef(Some(f))));
    let ty = TableType { element: RefType::EXTERNREF, limits: Limits { min: 1, max: None }, table64: false };
    usage(Table::new(&mut mine, ty, Val::ExternRef(Some(value))));
}

#[test]
fn where_there_is_no_error_it_is_a_panic() {
    let engine = engine();
    let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
    let linker = Linker::<()>::new(&engine);
    let (mine, mut other) = (Store::new(&engine, ()).unwrap(), Store::new(&engine, ()).unwrap());
    let foreign = linker.instantiate(&mut other, &module).unwrap();
    let f = foreign.get_func(&mut other, "f").unwrap();
    let memory = foreign.get_memory(&mut other, "m").unwrap();
    let table = foreign.get_table(&mut other, "t").unwrap();
    let global = foreign.get_global(&mut other, "g").unwrap();
    let value = ExternRef::new(&mut other, 1).unwrap();
    let panics = |what: &str, f: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err(), "{what}");
    panics("func", &|| {
        let _ = f.ty(&mine);
    });
    panics("memory", &|| {
        let _ = memory.size(&mine);
    });
    panics("memory bytes", &|| {
        let _ = memory.data_size(&mine);
    });
    panics("table", &|| {
        let _ = table.get(&mine, 0);
    });
    panics("global", &|| {
        let _ = global.get(&mine);
    });
    panics("externref", &|| {
        let _ = value.data(&mine);
    });
    panics("instance", &|| {
        let _ = foreign.module(&mine);
    });
}

#[test]
fn handles_of_a_dropped_store_are_refused() {
    let engine = engine();
    let mut store = Store::new(&engine, ()).unwrap();
    let f = Func::wrap(&mut store, || {}).unwrap();
    drop(store);
    let mut store = Store::new(&engine, ()).unwrap();
    usage(f.call(&mut store, &[], &mut []));
}

#[test]
fn engines_do_not_mix() {
    let (a, b) = (engine(), engine());
    assert!(a.same(&a.clone()) && !a.same(&b));
    let module = Module::new(&a, MODULE.as_bytes()).unwrap();
    let mut store = Store::new(&b, ()).unwrap();
    assert!(matches!(Instance::new(&mut store, &module, &[]), Err(Error::Usage(_))));
    assert!(matches!(Linker::new(&b).instantiate(&mut store, &module), Err(Error::Usage(_))));
    assert!(matches!(Linker::new(&a).instantiate(&mut store, &module), Err(Error::Usage(_))));
    let ty = MemoryType { limits: Limits { min: 1, max: None }, memory64: false, shared: false, page_size_log2: 16 };
    let memory = Memory::new(&mut store, ty).unwrap();
    let mut theirs = Store::new(&a, ()).unwrap();
    assert!(Linker::new(&a).define(&mut theirs, "a", "m", memory).is_err());
}

#[test]
fn the_wrong_number_of_imports() {
    let engine = engine();
    let module = Module::new(&engine, br#"(module (import "a" "f" (func)))"#).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    assert!(matches!(Instance::new(&mut store, &module, &[]), Err(Error::Usage(m)) if m.contains("1 imports, not 0")));
}

#[test]
fn the_types_of_host_functions_are_limited_as_in_wasm() {
    let engine = engine();
    let mut store = Store::new(&engine, ()).unwrap();
    for (params, results) in [(1001, 0), (0, 1001)] {
        let ty = FuncType { params: vec![ValType::V128; params].into(), results: vec![ValType::I32; results].into() };
        let made = Func::new(&mut store, ty.clone(), |_, _, _| Ok(()));
        assert!(matches!(made, Err(Error::Usage(_))), "{made:?}");
        assert!(Linker::<()>::new(&engine).func_new("m", "f", ty, |_, _, _| Ok(())).is_err());
    }
}
