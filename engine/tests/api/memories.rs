//! Memories and tables beyond one memory of 32-bit indices: at the edges, in each bounds style and with each way to call.

use sconce_engine::{BoundsStyle, CallStyle, Config, Engine, Instance, Linker, Module, Store, TrapCode, Val};

/// Calls exports of a module in every configuration.
fn in_each_style(text: &str, test: impl Fn(&mut dyn FnMut(&str, &[Val]) -> Result<Option<Val>, TrapCode>)) {
    for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
        for calls in [CallStyle::Direct, CallStyle::Slots] {
            let engine = Engine::new(&Config::new().bounds(Some(bounds)).calls(calls)).unwrap();
            let module = Module::new(&engine, text.as_bytes()).unwrap();
            let mut store = Store::new(&engine, ()).unwrap();
            let instance: Instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
            test(&mut |name, args| {
                let func = instance.get_func(&mut store, name).unwrap_or_else(|| panic!("{name}"));
                let mut results: Vec<Val> = func.ty(&store).results.iter().map(|&ty| Val::default_for(ty)).collect();
                match func.call(&mut store, args, &mut results) {
                    Ok(()) => Ok(results.first().cloned()),
                    Err(e) => Err(e.trap_code().unwrap_or_else(|| panic!("{name}: {e}"))),
                }
            });
        }
    }
}

const OUTSIDE: Result<Option<Val>, TrapCode> = Err(TrapCode::MemoryOutOfBounds);

#[test]
fn memory64_at_its_edges() {
    let text = r#"(module
        (memory i64 1 3)
        (data (i64.const 65532) "\01\02\03\04")
        (func (export "load") (param i64) (result i32) (i32.load (local.get 0)))
        (func (export "load 8") (param i64) (result i32) (i32.load offset=8 (local.get 0)))
        (func (export "load page") (param i64) (result i32) (i32.load offset=65533 (local.get 0)))
        (func (export "load far") (param i64) (result i32) (i32.load offset=0x100000000 (local.get 0)))
        (func (export "load last") (param i64) (result i32) (i32.load8_u offset=0xfffffffffffffffe (local.get 0)))
        (func (export "load beyond") (param i64) (result i32) (i32.load offset=0xffffffffffffffff (local.get 0)))
        (func (export "store") (param i64) (v128.store offset=65530 (local.get 0) (v128.const i64x2 -1 -1)))
        (func (export "fill") (param i64 i64) (memory.fill (local.get 0) (i32.const 7) (local.get 1)))
        (func (export "fill 16") (param i64) (memory.fill (local.get 0) (i32.const 7) (i64.const 16)))
        (func (export "copy") (param i64 i64 i64) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export "constant") (result i32) (i32.load (i64.const -4)))
        (func (export "size") (result i64) (memory.size))
        (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))"#;
    in_each_style(text, |call| {
        let at = |n: u64| [Val::from(n)];
        let found = Ok(Some(Val::I32(0x0403_0201)));
        assert_eq!(call("load", &at(65532)), found);
        assert_eq!(call("load 8", &at(65524)), found);
        // One too far, a page above 2^32, and sums that wrap: to the data, to 0.
        for outside in [65533, 65536, 1 << 32, (1 << 32) + 65532, u64::MAX - 3, u64::MAX, 1 << 63] {
            assert_eq!(call("load", &at(outside)), OUTSIDE, "{outside:#x}");
        }
        for outside in [65525, 0u64.wrapping_sub(8), 65532u64.wrapping_sub(8).wrapping_sub(65536), u64::MAX - 7, u64::MAX] {
            assert_eq!(call("load 8", &at(outside)), OUTSIDE, "{outside:#x}");
        }
        for (name, outside) in [
            ("load page", 0),
            ("load page", 0u64.wrapping_sub(65533)),
            ("load page", u64::MAX),
            ("load far", 0),
            ("load far", 65532u64.wrapping_sub(1 << 32)),
            ("load last", 0),
            ("load last", 2),
            ("load last", u64::MAX),
            ("load beyond", 0),
            ("load beyond", 1),
        ] {
            assert_eq!(call(name, &at(outside)), OUTSIDE, "{name} {outside:#x}");
        }
        assert_eq!(call("store", &at(0)), OUTSIDE);
        assert_eq!(call("load", &at(65532)), found, "a store that traps writes nothing");
        assert_eq!(call("constant", &[]), OUTSIDE);
        for (from, len) in [(65536, 1), (u64::MAX, 1), (1, u64::MAX), (0, 65537), (1 << 32, 1)] {
            assert_eq!(call("fill", &[Val::from(from), Val::from(len)]), OUTSIDE);
            assert_eq!(call("copy", &[Val::from(from), Val::from(0u64), Val::from(len)]), OUTSIDE);
            assert_eq!(call("copy", &[Val::from(0u64), Val::from(from), Val::from(len)]), OUTSIDE);
        }
        assert_eq!(call("fill", &[Val::from(65536u64), Val::from(0u64)]), Ok(None));
        for outside in [65521, u64::MAX - 15, u64::MAX, 1 << 32] {
            assert_eq!(call("fill 16", &at(outside)), OUTSIDE, "{outside:#x}");
        }
        assert_eq!(call("load", &at(65532)), found);
        for (delta, before) in [(0, 1), (u64::MAX, -1i64), (1 << 48, -1), (3, -1), (2, 1), (1, -1), (0, 3)] {
            assert_eq!(call("grow", &at(delta)), Ok(Some(Val::I64(before))), "{delta:#x}");
        }
        assert_eq!(call("size", &[]), Ok(Some(Val::I64(3))));
        assert_eq!(call("load", &at((3 << 16) - 4)), Ok(Some(Val::I32(0))));
        assert_eq!(call("load", &at((3 << 16) - 3)), OUTSIDE);
        assert_eq!(call("store", &at(0)), Ok(None));
        assert_eq!(call("load page", &at(0)), Ok(Some(Val::I32(-1))));
    });
}

#[test]
fn memory64_above_four_gib() {
    let text = r#"(module
        (memory i64 65538)
        (data (i64.const 0x100000004) "\05")
        (func (export "load") (param i64) (result i32) (i32.load (local.get 0)))
        (func (export "store") (param i64 i32) (i32.store (local.get 0) (local.get 1)))
        (func (export "copy") (param i64 i64 i64) (memory.copy (local.get 0) (local.get 1) (local.get 2))))"#;
    in_each_style(text, |call| {
        let mut load = |at: u64| call("load", &[Val::from(at)]);
        assert_eq!(load(0x1_0000_0004), Ok(Some(Val::I32(5))));
        assert_eq!((load(4), load(0x1_0001_fffc)), (Ok(Some(Val::I32(0))), Ok(Some(Val::I32(0)))));
        assert_eq!(load(0x1_0001_fffd), OUTSIDE);
        call("store", &[Val::from(0xffff_fffeu64), Val::I32(0x1234_5678)]).unwrap();
        assert_eq!(call("load", &[Val::from(0x1_0000_0000u64)]), Ok(Some(Val::I32(0x1234))));
        call("copy", &[Val::from(8u64), Val::from(0x1_0000_0004u64), Val::from(4u64)]).unwrap();
        assert_eq!(call("load", &[Val::from(8u64)]), Ok(Some(Val::I32(5))));
    });
}

#[test]
fn pages_of_one_byte() {
    let text = r#"(module
        (memory 5 9 (pagesize 1))
        (memory $none 0 0 (pagesize 1))
        (data (i32.const 1) "\01\02\03\04")
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "load byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func (export "load none") (param i32) (result i32) (i32.load8_u $none (local.get 0)))
        (func (export "load offset") (param i32) (result i32) (i32.load8_u offset=4 (local.get 0)))
        (func (export "store") (param i32) (i64.store (local.get 0) (i64.const -1)))
        (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 7) (local.get 1)))
        (func (export "fill 4") (param i32) (memory.fill (local.get 0) (i32.const 7) (i32.const 4)))
        (func (export "add") (param i32) (result i32) (i32.atomic.rmw.add (local.get 0) (i32.const 1)))
        (func (export "size") (result i32) (memory.size))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    in_each_style(text, |call| {
        let at = |n: i32| [Val::I32(n)];
        assert_eq!(call("load", &at(1)), Ok(Some(Val::I32(0x0403_0201))));
        assert_eq!(call("load byte", &at(4)), Ok(Some(Val::I32(4))));
        assert_eq!(call("load offset", &at(0)), Ok(Some(Val::I32(4))));
        for (name, index) in [
            ("load", 2),
            ("load", -1),
            ("load byte", 5),
            ("load byte", 4095),
            ("load byte", -1),
            ("load none", 0),
            ("load offset", 1),
            ("load offset", -4),
            ("store", 0),
            ("fill 4", 2),
            ("fill 4", -1),
            ("add", 4),
            ("add", 0x7fff_fffc),
        ] {
            assert_eq!(call(name, &at(index)), OUTSIDE, "{name} {index}");
        }
        assert_eq!(call("fill", &[Val::I32(5), Val::I32(1)]), OUTSIDE);
        assert_eq!(call("fill", &[Val::I32(5), Val::I32(0)]), Ok(None));
        assert_eq!(call("load", &at(1)), Ok(Some(Val::I32(0x0403_0201))), "nothing was written");
        for (delta, before) in [(0, 5), (5, -1), (3, 5), (1, 8), (1, -1), (-1, -1)] {
            assert_eq!(call("grow", &at(delta)), Ok(Some(Val::I32(before))), "{delta}");
        }
        assert_eq!(call("size", &[]), Ok(Some(Val::I32(9))));
        assert_eq!(call("load byte", &at(8)), Ok(Some(Val::I32(0))));
        assert_eq!(call("load byte", &at(9)), OUTSIDE);
        assert_eq!(call("store", &at(1)), Ok(None));
        assert_eq!(call("store", &at(2)), OUTSIDE);
    });
}

#[test]
fn zero_pages_and_all_pages() {
    let text = r#"(module
        (memory $none 0 0) (memory $none64 i64 0 0) (memory $all 65536)
        (func (export "none") (param i32) (result i32) (i32.load8_u $none (local.get 0)))
        (func (export "none64") (param i64) (result i32) (i32.load8_u $none64 (local.get 0)))
        (func (export "all") (param i32) (result i32) (i32.load8_u $all (local.get 0)))
        (func (export "all 2") (param i32) (result i32) (i32.load16_u offset=1 $all (local.get 0)))
        (func (export "grow none") (param i32) (result i32) (memory.grow $none (local.get 0)))
        (func (export "grow all") (param i32) (result i32) (memory.grow $all (local.get 0)))
        (func (export "across") (param i32) (memory.copy $all $none64 (local.get 0) (i64.const 0) (i32.const 1))))"#
        .replace("i32.load16_u offset=1 $all", "i32.load16_u $all offset=1");
    in_each_style(&text, |call| {
        for index in [0, 1, -1] {
            assert_eq!(call("none", &[Val::I32(index)]), OUTSIDE);
            assert_eq!(call("none64", &[Val::I64(index.into())]), OUTSIDE);
            assert_eq!(call("across", &[Val::I32(index)]), OUTSIDE);
        }
        assert_eq!(call("all", &[Val::I32(-1)]), Ok(Some(Val::I32(0))));
        assert_eq!(call("all 2", &[Val::I32(-3)]), Ok(Some(Val::I32(0))));
        assert_eq!(call("all 2", &[Val::I32(-2)]), OUTSIDE);
        assert_eq!(
            (call("grow none", &[Val::I32(0)]), call("grow none", &[Val::I32(1)])),
            (Ok(Some(Val::I32(0))), Ok(Some(Val::I32(-1))))
        );
        assert_eq!(call("grow all", &[Val::I32(1)]), Ok(Some(Val::I32(-1))));
        assert_eq!(call("grow all", &[Val::I32(0)]), Ok(Some(Val::I32(65536))));
    });
}

#[test]
fn tables_with_64_bit_indices() {
    let text = r#"(module
        (type $f (func (result i32)))
        (table i64 2 5 funcref) (table $small 2 funcref)
        (func $one (result i32) (i32.const 1))
        (elem (i64.const 1) $one)
        (elem $passive func $one $one)
        (func (export "call") (param i64) (result i32) (call_indirect (type $f) (local.get 0)))
        (func (export "is null") (param i64) (result i32) (ref.is_null (table.get (local.get 0))))
        (func (export "set") (param i64) (table.set (local.get 0) (ref.func $one)))
        (func (export "size") (result i64) (table.size))
        (func (export "grow") (param i64) (result i64) (table.grow (ref.func $one) (local.get 0)))
        (func (export "fill") (param i64 i64) (table.fill (local.get 0) (ref.null func) (local.get 1)))
        (func (export "init") (param i64) (table.init 0 $passive (local.get 0) (i32.const 0) (i32.const 2)))
        (func (export "copy") (param i64 i32 i32) (table.copy 0 $small (local.get 0) (local.get 1) (local.get 2))))"#;
    in_each_style(text, |call| {
        let at = |n: u64| [Val::from(n)];
        let outside = Err(TrapCode::TableOutOfBounds);
        assert_eq!(call("call", &at(1)), Ok(Some(Val::I32(1))));
        assert_eq!(call("call", &at(0)), Err(TrapCode::UninitializedElement));
        for index in [2, 1 << 32, (1 << 32) + 1, u64::MAX, 1 << 59, (1 << 59) + 1] {
            assert_eq!(call("call", &at(index)), Err(TrapCode::UndefinedElement), "{index:#x}");
            assert_eq!(call("is null", &at(index)), outside, "{index:#x}");
            assert_eq!(call("set", &at(index)), outside, "{index:#x}");
            assert_eq!(call("fill", &[Val::from(index), Val::from(1u64)]), outside, "{index:#x}");
            assert_eq!(call("fill", &[Val::from(1u64), Val::from(index)]), outside, "{index:#x}");
            assert_eq!(call("init", &at(index)), outside, "{index:#x}");
            assert_eq!(call("copy", &[Val::from(index), Val::I32(0), Val::I32(1)]), outside, "{index:#x}");
        }
        assert_eq!(call("copy", &[Val::from(0u64), Val::I32(-1), Val::I32(1)]), outside);
        for (delta, before) in [(0, 2), (u64::MAX, -1i64), (1 << 32, -1), (4, -1), (3, 2), (1, -1)] {
            assert_eq!(call("grow", &at(delta)), Ok(Some(Val::I64(before))), "{delta:#x}");
        }
        assert_eq!(call("call", &at(4)), Ok(Some(Val::I32(1))));
        assert_eq!(call("size", &[]), Ok(Some(Val::I64(5))));
        assert_eq!(call("init", &at(3)), Ok(None));
        assert_eq!(call("init", &at(4)), outside);
    });
}

/// More than once, as an image of the data is made after the first time.
#[test]
fn a_segment_of_nothing_at_the_end_of_the_address_space_is_outside() {
    let data = "x".repeat(70_000);
    let wat = format!(r#"(module (memory i64 2) (data (i64.const -1) "") (data (i64.const 0) "{data}"))"#);
    let engine = crate::engine();
    let module = Module::new(&engine, wat.as_bytes()).unwrap();
    for _ in 0..3 {
        let mut store = Store::new(&engine, ()).unwrap();
        let error = Linker::new(&engine).instantiate(&mut store, &module).unwrap_err();
        assert_eq!(error.trap_code(), Some(TrapCode::MemoryOutOfBounds), "{error}");
    }
}
