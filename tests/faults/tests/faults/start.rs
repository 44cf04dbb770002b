//! Faults while an instance is made: the store, and what was already written, stay.

use sconce_engine::{Error, Linker, Module, Store, TrapCode, Val};
use sconce_faults::{Guest, alive, for_each_style};

/// A guest with a memory, a table and a global for other instances to import.
const HOME: &str = r#"(module
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (global (export "global") (mut i32) (i32.const 0))
    (type $i (func (result i32)))
    (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "get") (result i32) (global.get 0))
    (func (export "call") (param i32) (result i32) (call_indirect (type $i) (local.get 0))))"#;

/// What is wrong with a module, its fields, and the trap.
const FAULTS: [(&str, &str, TrapCode); 7] = [
    ("unreachable", "(start $s) (func $s unreachable)", TrapCode::Unreachable),
    ("division", "(start $s) (func $s (drop (i32.div_s (i32.const 1) (i32.const 0))))", TrapCode::IntegerDivideByZero),
    ("load", "(start $s) (func $s (drop (i32.load (i32.const 65533))))", TrapCode::MemoryOutOfBounds),
    ("recursion", "(start $s) (func $s (call $s))", TrapCode::StackOverflow),
    ("null call", "(start $s) (func $s (drop (call_indirect (type $i) (i32.const 3))))", TrapCode::UninitializedElement),
    ("data segment", r#"(data (i32.const 65535) "ab")"#, TrapCode::MemoryOutOfBounds),
    ("element segment", "(elem (i32.const 3) $f $f)", TrapCode::TableOutOfBounds),
];

#[test]
fn instantiation_traps() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, HOME);
        let mut linker = Linker::new(engine);
        linker.instance(&mut guest.store, "home", guest.instance).unwrap();
        for (n, (name, fields, code)) in (1..).zip(FAULTS) {
            // Before its fault each writes a byte, an element and, unless a segment is at fault, the global.
            let text = format!(
                r#"(module
                    (import "home" "memory" (memory 1)) (import "home" "table" (table 4 funcref))
                    (import "home" "global" (global $g (mut i32)))
                    (type $i (func (result i32)))
                    (func $f (result i32) (global.set $g (i32.const {n})) (i32.add (i32.const {n}) (i32.load8_u (i32.const 10))))
                    (elem (i32.const 0) $f) (data (i32.const 10) "\{n:02x}")
                    {fields})"#
            );
            let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let error = linker.instantiate(&mut guest.store, &module).err().unwrap_or_else(|| panic!("{name}: an instance"));
            assert_eq!(error.trap_code(), Some(code), "{name}");
            if fields.contains("start") {
                assert!(!error.backtrace().unwrap().frames.is_empty(), "{name}: the backtrace is empty");
            }
            guest.assert_alive();
            // Element segments come before data segments, and the table keeps the failed instance's function alive.
            let written = if name == "element segment" { n - 1 } else { n };
            assert_eq!(guest.call("byte", &[Val::I32(10)]), [Val::I32(written)], "{name}");
            assert_eq!(guest.call("call", &[Val::I32(0)]), [Val::I32(n + written)], "{name}");
            assert_eq!(guest.call("get", &[]), [Val::I32(n)], "{name}");
        }
    });
}

/// A store that has held nothing else.
#[test]
fn the_first_instance_traps() {
    for_each_style(|engine| {
        let mut store = Store::new(engine, ()).unwrap();
        let module = Module::new(engine, b"(module (start $s) (func $s unreachable))").unwrap();
        for _ in 0..3 {
            let error = Linker::new(engine).instantiate(&mut store, &module).unwrap_err();
            assert!(matches!(&error, Error::Trap(t) if t.code == TrapCode::Unreachable), "{error}");
        }
        let alive = alive(&mut store, engine);
        assert_eq!(alive.call(&mut store, 1).unwrap(), 11);
    });
}
