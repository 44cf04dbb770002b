//! What `decode` makes of modules and of what is none.

use sconce_environ::EntityRef;
use sconce_environ::decode::{DecodeError, Decoded, Features, decode};
use sconce_environ::index::*;
use sconce_environ::module::*;
use sconce_environ::types::*;

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text")
}

fn ok(bytes: &[u8]) -> Decoded {
    let decoded = decode(bytes, Features::WASM2).expect("decodes");
    decoded.validate_bodies(bytes, &|| true).expect("is valid");
    decoded
}

fn err(bytes: &[u8]) -> DecodeError {
    match decode(bytes, Features::WASM2) {
        Err(e) => e,
        Ok(decoded) => decoded.validate_bodies(bytes, &|| true).expect_err("must be refused"),
    }
}

const KITCHEN_SINK: &str = r#"
    (module $sink
      (type $t (func (param i32 i64) (result f32 f64)))
      (import "env" "f" (func $imported (type $t)))
      (import "env" "m" (memory 1 2))
      (import "env" "g" (global $gi (mut i32)))
      (import "env" "tab" (table $ti 1 externref))
      (table $t2 4 8 funcref)
      (global $g1 i64 (i64.const -7))
      (global $g2 funcref (ref.func $b))
      (global $g3 v128 (v128.const i32x4 1 2 3 4))
      (global $g4 externref (ref.null extern))
      (func $a (type $t) (unreachable))
      (func $b)
      (func $c (result i32) (local i32 i32) (i32.const 7))
      (func $quiet)
      (func $d)
      (start $quiet)
      (elem (table $t2) (i32.const 1) func $d $imported)
      (elem declare func $c)
      (elem funcref (ref.func $c) (ref.null func))
      (elem funcref (item ref.func $c) (item ref.func $d))
      (data (i32.const 3) "hello")
      (data "passive!")
      (data (i32.const 0) "")
      (export "a" (func $a))
      (export "g" (global $gi))
      (export "m" (memory 0))
      (export "t" (table $t2)))"#;

#[test]
fn everything_of_a_module() {
    let bytes = wasm(KITCHEN_SINK);
    let decoded = ok(&bytes);
    let m = &decoded.module;
    assert_eq!(m.name.as_deref(), Some("sink"));
    assert_eq!(m.func_type(TypeIndex::new(0)).to_string(), "(i32, i64) -> (f32, f64)");
    assert_eq!(m.rec_groups.len(), m.types.len());
    assert_eq!((m.num_imported_functions, m.num_imported_memories), (1, 1));
    assert_eq!((m.num_imported_globals, m.num_imported_tables), (1, 1));
    assert_eq!((m.functions.len(), m.num_defined_functions()), (6, 5));
    assert_eq!(m.memories[MemoryIndex::new(0)].limits, Limits { min: 1, max: Some(2) });
    assert_eq!(m.memories[MemoryIndex::new(0)].page_size(), 65536);
    assert_eq!(m.tables[TableIndex::new(0)].element, RefType::EXTERNREF);
    assert_eq!(m.tables[TableIndex::new(1)].limits, Limits { min: 4, max: Some(8) });
    assert_eq!(m.start, Some(FuncIndex::new(4)));
    assert_eq!(*m.global_inits[DefinedGlobalIndex::new(0)].ops, [ConstOp::I64(-7)]);
    assert_eq!(*m.global_inits[DefinedGlobalIndex::new(1)].ops, [ConstOp::RefFunc(FuncIndex::new(2))]);
    assert_eq!(*m.global_inits[DefinedGlobalIndex::new(2)].ops, [ConstOp::V128(1 | 2 << 32 | 3 << 64 | 4 << 96)]);
    assert_eq!(*m.global_inits[DefinedGlobalIndex::new(3)].ops, [ConstOp::RefNull(RefKind::Handle)]);
    // imported (elem), a (export), b (global), c (declared), d (elem); not $quiet: starting it shows no address.
    assert_eq!(m.escaping, [0, 1, 2, 3, 5].map(FuncIndex::from_u32));

    let elem = |i| &m.elements[ElemIndex::new(i)];
    assert!(matches!(&elem(0).items, ElementItems::Functions(f) if **f == [FuncIndex::new(5), FuncIndex::new(0)]));
    assert!(matches!(&elem(0).mode, SegmentMode::Active { target, offset }
        if target.as_u32() == 1 && *offset.ops == [ConstOp::I32(1)]));
    assert!(matches!(elem(1).mode, SegmentMode::Declared));
    assert!(matches!(&elem(2).items, ElementItems::Expressions(e) if e.len() == 2));
    assert!(matches!(&elem(3).items, ElementItems::Functions(f) if **f == [FuncIndex::new(3), FuncIndex::new(5)]));
    assert!(matches!(elem(3).mode, SegmentMode::Passive));

    let data = |i| {
        let range = &decoded.data[DataIndex::new(i)];
        (&bytes[range.start as usize..range.end as usize], m.data[DataIndex::new(i)].bytes.clone())
    };
    assert_eq!(data(0), (&b"hello"[..], 0..5));
    assert_eq!(data(1), (&b"passive!"[..], 5..13));
    assert_eq!(data(2), (&b""[..], 13..13));
    assert!(matches!(m.data[DataIndex::new(1)].mode, SegmentMode::Passive));

    assert_eq!(decoded.bodies.len(), 5);
    // One run of two i32 locals, i32.const 7, end.
    assert_eq!(decoded.body(&bytes, DefinedFuncIndex::new(2)), [1, 2, 0x7f, 0x41, 7, 0x0b]);
    let names = decoded.function_names(&bytes);
    let names: Vec<_> = names.iter().map(|(i, n)| (i.as_u32(), n)).collect();
    assert_eq!(names, [(0, "imported"), (1, "a"), (2, "b"), (3, "c"), (4, "quiet"), (5, "d")]);
    assert_eq!(m.features, ["bulk-memory", "multi-value", "mutable-global", "reference-types", "simd"]);
    let exports: Vec<_> = m.exports.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(exports, ["a", "g", "m", "t"]);
}
