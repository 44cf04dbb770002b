//! Memories, tables, globals and host values.

use crate::{engine, instance};
use sconce_engine::environ::types::Limits;
use sconce_engine::{
    CallStyle, Config, Engine, Error, ExternRef, Func, Global, GlobalType, Linker, Memory, MemoryType, Module, RefType, Store,
    Table, TableType, Tier, Val, ValType,
};

fn memory_type(min: u64, max: Option<u64>) -> MemoryType {
    MemoryType { limits: Limits { min, max }, memory64: false, shared: false, page_size_log2: 16 }
}

fn table_type(element: RefType, min: u64, max: Option<u64>) -> TableType {
    TableType { element, limits: Limits { min, max }, table64: false }
}

#[test]
fn memories() {
    let mut store = Store::new(&engine(), ()).unwrap();
    let memory = Memory::new(&mut store, memory_type(1, Some(3))).unwrap();
    assert_eq!((memory.size(&store), memory.data_size(&store)), (1, 65536));
    memory.write(&mut store, 65532, &[1, 2, 3, 4]).unwrap();
    assert!(matches!(memory.write(&mut store, 65533, &[9, 9, 9, 9]), Err(Error::Usage(_))));
    assert!(matches!(memory.read(&store, u64::MAX, &mut [0]), Err(Error::Usage(_))));
    assert_eq!(memory.grow(&mut store, 2).unwrap(), 1);
    assert!(matches!(memory.grow(&mut store, 1), Err(Error::Resources(_))));
    assert_eq!(memory.grow(&mut store, 0).unwrap(), 3);
    let mut bytes = [9; 6];
    memory.read(&store, 65531, &mut bytes).unwrap();
    assert_eq!(bytes, [0, 1, 2, 3, 4, 0]);
    assert_eq!(memory.guest(&mut store).size(), 3 * 65536);
    assert_eq!(memory.ty(&store), memory_type(3, Some(3)));
    assert!(Memory::new(&mut store, memory_type(2, Some(1))).is_err());
    assert!(matches!(Memory::new(&mut store, memory_type(65537, None)), Err(Error::Usage(_))));
}

#[test]
fn all_memories_of_a_store_share_its_limit() {
    let engine = Engine::new(&Config::new().max_memory(Some(3 << 16))).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let one = Memory::new(&mut store, memory_type(1, None)).unwrap();
    let two = Memory::new(&mut store, memory_type(1, None)).unwrap();
    assert_eq!(one.grow(&mut store, 1).unwrap(), 1);
    assert!(matches!(two.grow(&mut store, 1), Err(Error::Resources(_))));
    assert!(matches!(Memory::new(&mut store, memory_type(1, None)), Err(Error::Resources(_))));
}

#[test]
fn growth_is_seen_on_both_sides() {
    let (mut store, instance) = instance(
        r#"(module (memory (export "m") 1 10)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "size") (result i32) memory.size)
            (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
    );
    let memory = instance.get_memory(&mut store, "m").unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
    let size = instance.get_typed_func::<(), i32>(&mut store, "size").unwrap();
    let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
    assert_eq!(grow.call(&mut store, 2).unwrap(), 1);
    assert_eq!(memory.size(&store), 3);
    assert!(load.call(&mut store, 3 << 16).is_err());
    assert_eq!(memory.grow(&mut store, 1).unwrap(), 3);
    assert_eq!(size.call(&mut store, ()).unwrap(), 4);
    memory.write(&mut store, (3 << 16) + 5, &[77]).unwrap();
    assert_eq!(load.call(&mut store, (3 << 16) + 5).unwrap(), 77);
    assert_eq!(grow.call(&mut store, 7).unwrap(), -1);
}

#[test]
fn tables_of_functions() {
    let mut store = Store::new(&engine(), ()).unwrap();
    let f = Func::wrap(&mut store, |x: i32| x).unwrap();
    let table = Table::new(&mut store, table_type(RefType::FUNCREF, 2, Some(4)), Val::FuncRef(None)).unwrap();
    assert_eq!(table.get(&store, 0), Some(Val::FuncRef(None)));
    assert_eq!(table.get(&store, 2), None);
    table.set(&mut store, 1, Val::FuncRef(Some(f))).unwrap();
    assert_eq!(table.get(&store, 1), Some(Val::FuncRef(Some(f))));
    assert!(matches!(table.set(&mut store, 2, Val::FuncRef(None)), Err(Error::Usage(_))));
    assert!(matches!(table.set(&mut store, 0, Val::ExternRef(None)), Err(Error::Usage(_))));
    assert_eq!(table.grow(&mut store, 2, Val::FuncRef(Some(f))).unwrap(), 2);
    assert_eq!(table.get(&store, 3), Some(Val::FuncRef(Some(f))));
    assert!(matches!(table.grow(&mut store, 1, Val::FuncRef(None)), Err(Error::Resources(_))));
    assert_eq!((table.size(&store), table.ty(&store).limits.min), (4, 4));
}

#[test]
fn tables_of_host_values() {
    let mut store = Store::new(&engine(), ()).unwrap();
    let a = ExternRef::new(&mut store, String::from("a")).unwrap();
    let b = ExternRef::new(&mut store, 2u64).unwrap();
    assert_ne!(a, b);
    let table = Table::new(&mut store, table_type(RefType::EXTERNREF, 1, None), Val::ExternRef(Some(a))).unwrap();
    table.grow(&mut store, 1, Val::ExternRef(Some(b))).unwrap();
    let value = |store: &Store<()>, n| match table.get(store, n) {
        Some(Val::ExternRef(Some(value))) => value,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(&store, 0).data(&store).downcast_ref::<String>().unwrap(), "a");
    assert_eq!(value(&store, 1).data(&store).downcast_ref::<u64>(), Some(&2));
    assert!(matches!(table.set(&mut store, 0, Val::FuncRef(None)), Err(Error::Usage(_))));
}

#[test]
fn globals() {
    let mut store = Store::new(&engine(), ()).unwrap();
    let f = Func::wrap(&mut store, || {}).unwrap();
    let e = ExternRef::new(&mut store, ()).unwrap();
    let values = [
        Val::I32(-1),
        Val::I64(i64::MIN),
        Val::F32(0x7fc0_0001),
        Val::F64(1),
        Val::V128(u128::MAX - 5),
        Val::FuncRef(Some(f)),
        Val::ExternRef(Some(e)),
        Val::FuncRef(None),
        Val::ExternRef(None),
    ];
    for value in values {
        let ty = GlobalType { content: value.ty(), mutable: true };
        let global = Global::new(&mut store, ty, value.clone()).unwrap();
        assert_eq!(global.get(&store), value);
        assert_eq!(global.ty(&store), ty);
        global.set(&mut store, Val::default_for(value.ty())).unwrap();
        assert_eq!(global.get(&store), Val::default_for(value.ty()));
    }
    let ty = GlobalType { content: ValType::I32, mutable: false };
    assert!(matches!(Global::new(&mut store, ty, Val::I64(1)), Err(Error::Usage(_))));
    let constant = Global::new(&mut store, ty, Val::I32(1)).unwrap();
    assert!(matches!(constant.set(&mut store, Val::I32(2)), Err(Error::Usage(_))));
    assert_eq!(constant.get(&store), Val::I32(1));
}

#[test]
fn host_values_are_dropped_with_the_store() {
    let value = std::sync::Arc::new(());
    let mut store = Store::new(&engine(), ()).unwrap();
    ExternRef::new(&mut store, value.clone()).unwrap();
    assert_eq!(std::sync::Arc::strong_count(&value), 2);
    drop(store);
    assert_eq!(std::sync::Arc::strong_count(&value), 1);
}

/// A function's index is that in the module which defines it, however the reference to it came about.
#[test]
fn functions_know_their_index() {
    for tier in [Tier::Lightbeam, Tier::Cranelift] {
        for calls in [CallStyle::Direct, CallStyle::Slots] {
            let engine = Engine::new(&Config::new().tier(tier).calls(calls)).unwrap();
            let mut store = Store::new(&engine, ()).unwrap();
            let mut linker = Linker::new(&engine);
            linker.func_wrap("host", "f", || {}).unwrap();
            let module = |wat: &str| Module::new(&engine, wat.as_bytes()).unwrap();
            let defines = module(
                r#"(module (func (export "host") (import "host" "f")) (func) (func (export "two")) (func $three (export "three"))
                (table (export "table") 2 funcref) (elem (i32.const 0) $three $four) (func $four))"#,
            );
            let defining = linker.instantiate(&mut store, &defines).unwrap();
            // The same module again: its functions are others with the same indices.
            let again = linker.instantiate(&mut store, &defines).unwrap();
            linker.instance(&mut store, "m", defining).unwrap();
            let imports = module(
                r#"(module (func $three (export "three") (import "m" "three")) (func) (func (export "two")) (func (export "get") (result funcref) (ref.func $three)) (elem declare func $three))"#,
            );
            let importing = linker.instantiate(&mut store, &imports).unwrap();
            for (instance, name, index) in [
                (defining, "host", None),
                (defining, "two", Some(2)),
                (defining, "three", Some(3)),
                (again, "three", Some(3)),
                (importing, "three", Some(3)),
                (importing, "two", Some(2)),
                (importing, "get", Some(3)),
            ] {
                let func = instance.get_func(&mut store, name).unwrap();
                assert_eq!(func.index(&store), index, "{name}");
            }
            let table = defining.get_table(&mut store, "table").unwrap();
            let indices: Vec<_> = (0..2)
                .map(|i| match table.get(&store, i).unwrap() {
                    Val::FuncRef(Some(f)) => f.index(&store),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(indices, [Some(3), Some(4)]);
            assert_eq!(Func::wrap(&mut store, || {}).unwrap().index(&store), None);
            let mut result = [Val::I32(0)];
            importing.get_func(&mut store, "get").unwrap().call(&mut store, &[], &mut result).unwrap();
            let [Val::FuncRef(Some(f))] = result else { panic!("a function") };
            assert_eq!(f.index(&store), Some(3));
        }
    }
}
