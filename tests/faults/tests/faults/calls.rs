//! Indirect calls: null, mistyped, out of the table; through own, imported and grown tables.

use sconce_engine::environ::types::Limits;
use sconce_engine::{Func, RefType, Table, TableType, TrapCode, Val};
use sconce_faults::{Guest, for_each_style};

/// Functions 0..5 of a table of 8: (i32) -> i32, (i64) -> i64, () -> (), (i32) -> (), (i32 i32) -> i32; 5..8 are null.
const CALLEES: &str = r#"
    (type $i (func (param i32) (result i32)))
    (type $l (func (param i64) (result i64)))
    (type $v (func))
    (type $p (func (param i32)))
    (type $ii (func (param i32 i32) (result i32)))
    (elem (table $t) (i32.const 0) func $fi $fl $fv $fp $fii)
    (func $fi (type $i) (i32.add (local.get 0) (i32.const 1)))
    (func $fl (type $l) (i64.add (local.get 0) (i64.const 1)))
    (func $fv (type $v))
    (func $fp (type $p))
    (func $fii (type $ii) (i32.add (local.get 0) (local.get 1)))
    (func (export "i") (param i32) (call_indirect $t (type $i) (i32.const 4) (local.get 0)) (drop))
    (func (export "l") (param i32) (call_indirect $t (type $l) (i64.const 4) (local.get 0)) (drop))
    (func (export "v") (param i32) (call_indirect $t (type $v) (local.get 0)))
    (func (export "p") (param i32) (call_indirect $t (type $p) (i32.const 4) (local.get 0)))
    (func (export "ii") (param i32) (call_indirect $t (type $ii) (i32.const 4) (i32.const 5) (local.get 0)) (drop))
    (func (export "null") (param i32) (table.set $t (local.get 0) (ref.null func)))
    (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
"#;

/// A function that takes indices as literals, which compilers may fold.
fn literals() -> String {
    let mut text = String::new();
    for index in [0, 1, 4, 5, 7, 8, 9, -1] {
        text += &format!("(func (export \"i@{index}\") (call_indirect $t (type $i) (i32.const 4) (i32.const {index})) (drop))\n");
    }
    text
}

/// Calls every index through every type, and expects what the table's contents say.
fn check(guest: &mut Guest, length: u32, contents: &[Option<&str>]) {
    for name in ["i", "l", "v", "p", "ii"] {
        for index in (0..length + 2).chain([1 << 31, u32::MAX]) {
            let args = [Val::I32(index.cast_signed())];
            let expected = match contents.get(index as usize).copied().flatten() {
                Some(ty) if ty == name => None,
                Some(_) => Some(TrapCode::IndirectCallTypeMismatch),
                None if index < length => Some(TrapCode::UninitializedElement),
                None => Some(TrapCode::UndefinedElement),
            };
            match expected {
                None => assert_eq!(guest.call(name, &args), []),
                Some(code) => assert_eq!(guest.trap(name, &args), code, "{name} of {index}"),
            }
        }
    }
}

const CONTENTS: [Option<&str>; 5] = [Some("i"), Some("l"), Some("v"), Some("p"), Some("ii")];

#[test]
fn a_table_of_ones_own() {
    for_each_style(|engine| {
        for declaration in ["(table $t 8 funcref)", "(table $t 8 8 funcref)", "(table $t 8 12 funcref)"] {
            let mut guest = Guest::new(engine, &format!("(module {declaration} {CALLEES} {})", literals()));
            check(&mut guest, 8, &CONTENTS);
            for (index, code) in [
                (1, TrapCode::IndirectCallTypeMismatch),
                (4, TrapCode::IndirectCallTypeMismatch),
                (5, TrapCode::UninitializedElement),
                (7, TrapCode::UninitializedElement),
                (8, TrapCode::UndefinedElement),
                (9, TrapCode::UndefinedElement),
                (-1, TrapCode::UndefinedElement),
            ] {
                assert_eq!(guest.trap(&format!("i@{index}"), &[]), code, "{index}");
            }
            guest.call("i@0", &[]);
            guest.call("null", &[Val::I32(0)]);
            assert_eq!(guest.trap("i@0", &[]), TrapCode::UninitializedElement);
            check(&mut guest, 8, &[None, Some("l"), Some("v"), Some("p"), Some("ii")]);
        }
    });
}

#[test]
fn a_table_that_grows() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &format!("(module (table $t 5 2000 funcref) {CALLEES})"));
        check(&mut guest, 5, &CONTENTS);
        assert_eq!(guest.call("grow", &[Val::I32(3)]), [Val::I32(5)]);
        check(&mut guest, 8, &CONTENTS);
        assert_eq!(guest.call("grow", &[Val::I32(1000)]), [Val::I32(8)]);
        check(&mut guest, 1008, &CONTENTS);
        for delta in [993, -1, i32::MIN] {
            assert_eq!(guest.call("grow", &[Val::I32(delta)]), [Val::I32(-1)], "{delta}");
        }
        check(&mut guest, 1008, &CONTENTS);
    });
}

#[test]
fn an_empty_table() {
    for_each_style(|engine| {
        let mut guest = Guest::new(
            engine,
            r#"(module (table $t 0 funcref) (type $v (func))
                (func (export "call") (param i32) (call_indirect $t (type $v) (local.get 0))))"#,
        );
        for index in [0, 1, -1, i32::MIN] {
            assert_eq!(guest.trap("call", &[Val::I32(index)]), TrapCode::UndefinedElement);
        }
    });
}

/// Types are compared by structure across modules and the host, however each numbers them.
#[test]
fn an_imported_table_with_host_functions() {
    for_each_style(|engine| {
        let mut table = None;
        let mut guest =
            Guest::with(engine, &format!("(module (import \"\" \"t\" (table $t 8 funcref)) {CALLEES})"), |store, linker| {
                let ty = TableType { element: RefType::FUNCREF, limits: Limits { min: 8, max: None }, table64: false };
                let t = Table::new(&mut *store, ty, Val::FuncRef(None)).unwrap();
                linker.define(&mut *store, "", "t", t).unwrap();
                table = Some(t);
            });
        let table = table.unwrap();
        check(&mut guest, 8, &CONTENTS);
        let ii = Func::wrap(&mut guest.store, |a: i32, b: i32| a - b).unwrap();
        let float = Func::wrap(&mut guest.store, |a: f32| a).unwrap();
        table.set(&mut guest.store, 5, Val::FuncRef(Some(ii))).unwrap();
        table.set(&mut guest.store, 6, Val::FuncRef(Some(float))).unwrap();
        let contents = [&CONTENTS[..], &[Some("ii"), Some("float")]].concat();
        check(&mut guest, 8, &contents);
        table.grow(&mut guest.store, 100, Val::FuncRef(Some(float))).unwrap();
        assert_eq!(guest.trap("i", &[Val::I32(107)]), TrapCode::IndirectCallTypeMismatch);
        assert_eq!(guest.trap("i", &[Val::I32(108)]), TrapCode::UndefinedElement);
    });
}
