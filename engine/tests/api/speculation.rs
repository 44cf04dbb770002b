//! Code with and without masks against misspeculation does the same: every check holds by itself.

use super::*;
use sconce_engine::{BoundsStyle, Tier, TrapCode};

const MODULE: &str = r#"(module
  (type $f (func (param i32) (result i32)))
  (type $open (sub (func (result i32))))
  (type $below (sub $open (func (result i32))))
  (memory 1)
  (memory $large i64 1)
  (table $t 4 100 funcref)
  (elem (table $t) (i32.const 0) func $one $two $three)
  (data $d "0123456789abcdef")
  (func $one (type $f) (i32.add (local.get 0) (i32.const 1)))
  (func $two (type $below) (i32.const 2))
  (func $three (type $open) (i32.const 3))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load offset=0x80000000 (local.get 0)))
  (func (export "large") (param i32) (result i32) (i32.load $large offset=16 (i64.extend_i32_s (local.get 0))))
  (func (export "data") (param i32) (result i32)
    (memory.init $d (i32.const 0) (local.get 0) (i32.const 8)) (i32.load8_u (i32.const 0)))
  (func (export "get") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))
  (func (export "call") (param i32) (result i32) (call_indirect $t (type $f) (i32.const 7) (local.get 0)))
  (func (export "open") (param i32) (result i32) (call_indirect $t (type $open) (local.get 0)))
  (func (export "tail") (param i32) (result i32) (return_call_indirect $t (type $f) (i32.const 7) (local.get 0)))
  (func (export "branch") (param i32) (result i32)
    (block $c (block $b (block $a (br_table $a $b $c (local.get 0))) (return (i32.const 10))) (return (i32.const 20)))
    (i32.const 30)))"#;

/// Exports, arguments, and what comes of them.
const CASES: &[(&str, i32, Result<i32, TrapCode>)] = &[
    ("load", 65_532, Ok(0)),
    ("load", 65_533, Err(TrapCode::MemoryOutOfBounds)),
    ("load", -1, Err(TrapCode::MemoryOutOfBounds)),
    ("far", 0, Err(TrapCode::MemoryOutOfBounds)),
    ("large", 65_516, Ok(0)),
    ("large", 65_517, Err(TrapCode::MemoryOutOfBounds)),
    ("large", -16, Err(TrapCode::MemoryOutOfBounds)),
    ("data", 8, Ok('8' as i32)),
    ("data", 9, Err(TrapCode::MemoryOutOfBounds)),
    ("data", -1, Err(TrapCode::MemoryOutOfBounds)),
    ("get", 3, Ok(1)),
    ("get", 4, Err(TrapCode::TableOutOfBounds)),
    ("get", -1, Err(TrapCode::TableOutOfBounds)),
    ("call", 0, Ok(8)),
    ("call", 1, Err(TrapCode::IndirectCallTypeMismatch)),
    ("call", 3, Err(TrapCode::UninitializedElement)),
    ("call", 4, Err(TrapCode::UndefinedElement)),
    ("open", 0, Err(TrapCode::IndirectCallTypeMismatch)),
    ("open", 1, Ok(2)),
    ("open", 2, Ok(3)),
    ("open", 3, Err(TrapCode::UninitializedElement)),
    ("tail", 0, Ok(8)),
    ("tail", 2, Err(TrapCode::IndirectCallTypeMismatch)),
    ("branch", 0, Ok(10)),
    ("branch", 1, Ok(20)),
    ("branch", 2, Ok(30)),
    ("branch", -1, Ok(30)),
];

#[test]
fn checks_hold_with_and_without_masks() {
    for tier in [Tier::Lightbeam, Tier::Cranelift] {
        for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
            for masks in [true, false] {
                let config = Config::new().tier(tier).bounds(Some(bounds)).spectre_mitigations(masks);
                let engine = Engine::new(&config).unwrap();
                let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
                let mut store = Store::new(&engine, ()).unwrap();
                let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
                for &(name, argument, expected) in CASES {
                    let f = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                    let got = f.call(&mut store, argument).map_err(|e| e.trap_code().expect("a trap"));
                    assert_eq!(got, expected, "{name}({argument}), {tier:?}, {bounds:?}, masks: {masks}");
                }
            }
        }
    }
}
