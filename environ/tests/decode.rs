//! What `decode` makes of modules and of what is none.

use sconce_environ::EntityRef;
use sconce_environ::decode::{DecodeError, Decoded, Features, FunctionName, decode};
use sconce_environ::index::*;
use sconce_environ::module::*;
use sconce_environ::types::*;

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text")
}

fn ok(bytes: &[u8]) -> Decoded {
    let decoded = decode(bytes, Features::default()).expect("decodes");
    decoded.validate_bodies(bytes, &|| true).expect("is valid");
    decoded
}

fn err(bytes: &[u8]) -> DecodeError {
    match decode(bytes, Features::default()) {
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
    assert_eq!(*m.global_inits[DefinedGlobalIndex::new(2)].ops, [ConstOp::V128([1 | 2 << 32, 3 | 4 << 32])]);
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

#[test]
fn what_is_not_a_module_is_told_apart() {
    let looks_like = |bytes: &[u8]| match err(bytes) {
        DecodeError::NotWasm { looks_like } => looks_like,
        other => panic!("{other:?}"),
    };
    assert_eq!(err(b""), DecodeError::Empty);
    assert_eq!(err(b"\x1f\x8b\x08\0\0\0"), DecodeError::Gzip);
    assert_eq!(err(b"\0asm\x0d\0\x01\0"), DecodeError::Component);
    assert_eq!(err(&wasm("(component)")), DecodeError::Component);
    assert_eq!(err(&wasm("(component (core module))")), DecodeError::Component);
    assert!(err(&wasm("(component)")).to_string().contains("Sconce runs core modules; build for wasm32-wasip1"));
    assert!(looks_like(b"\x7fELF\x02\x01\x01").contains("ELF"));
    assert!(looks_like(b"#!/bin/sh\necho\n").contains("script"));
    assert!(looks_like(b"<!DOCTYPE html>\n<html>").contains("HTML"));
    assert!(looks_like(b"\n  <html lang=en>").contains("HTML"));
    assert!(looks_like("Grüße\n".repeat(100).as_bytes()).contains("text"));
    assert!(looks_like(b"!<arch>\nfoo.o/").contains("library"));
    assert_eq!(looks_like(&[0, 1, 2, 3, 4]), "its first bytes are 00 01 02 03, not 00 61 73 6d");
    assert_eq!(looks_like(&[0x80]), "its first bytes are 80, not 00 61 73 6d");
    // The version is another matter.
    assert!(matches!(err(b"\0asm\x02\0\0\0"), DecodeError::Invalid { message, offset: 4, .. } if message.contains("version")));
}

#[test]
fn every_prefix_of_a_module_is_truncated_or_a_module() {
    let bytes = wasm(KITCHEN_SINK);
    let mut modules = 0;
    for len in 1..bytes.len() {
        match decode(&bytes[..len], Features::default()) {
            Err(DecodeError::Truncated { offset }) => assert_eq!(offset, len as u64),
            // Cut between sections: something that was announced is missing, or nothing is.
            Err(DecodeError::Invalid { .. }) => assert!(len > 8),
            Err(other) => panic!("{len}: {other:?}"),
            Ok(_) => modules += 1,
        }
    }
    assert!((2..20).contains(&modules), "{modules}");
    let inside_of_a_body = decode(&bytes, Features::default()).expect("decodes").bodies[DefinedFuncIndex::new(2)].start + 1;
    assert!(matches!(err(&bytes[..inside_of_a_body as usize]), DecodeError::Truncated { .. }));
}

#[test]
fn a_function_that_is_invalid_is_named() {
    let bytes =
        wasm("(module (import \"a\" \"b\" (func)) (func $fine) (func $wrong (result i32) (i64.const 1)) (func $too (drop)))");
    let error = err(&bytes);
    let DecodeError::Invalid { message, offset, function: Some(function) } = &error else { panic!("{error:?}") };
    assert!(message.contains("type mismatch"), "{message}");
    assert_eq!(function, &FunctionName { index: FuncIndex::new(2), name: Some("wrong".to_owned()) });
    let body = &decode(&bytes, Features::default()).expect("decodes").bodies[DefinedFuncIndex::new(1)];
    assert!((u64::from(body.start)..u64::from(body.end)).contains(offset));
    assert!(error.to_string().ends_with(&format!("(at offset {offset:#x}, in function 2 `wrong`)")), "{error}");
    let nameless = err(&wasm("(module (func (drop)))"));
    assert!(nameless.to_string().ends_with("in function 0)"), "{nameless}");
    let global = err(&wasm("(module (global i32 (i64.const 0)))"));
    assert!(global.function().is_none() && global.offset().is_some(), "{global:?}");
}

#[test]
fn the_first_invalid_function_is_reported_however_threads_run() {
    let mut text = "(module".to_owned();
    for n in 0..2000 {
        text += if n >= 1234 { "(func (result i32))" } else { "(func (result i32) (i32.const 1) (i32.popcnt))" };
    }
    let bytes = wasm(&(text + ")"));
    let decoded = decode(&bytes, Features::default()).expect("decodes");
    for _ in 0..20 {
        let error = decoded.validate_bodies(&bytes, &|| true).expect_err("is invalid");
        assert_eq!(error.function().map(|f| f.index), Some(FuncIndex::new(1234)));
    }
    let mut one = decoded.body_validator(&bytes);
    assert_eq!(one.validate(DefinedFuncIndex::new(7)), Ok(()));
    assert!(one.validate(DefinedFuncIndex::new(1999)).is_err());
    assert_eq!(one.validate(DefinedFuncIndex::new(8)), Ok(()), "a failure leaves no traces");
    assert_eq!(decoded.validate_bodies(&bytes, &|| false), Err(DecodeError::Cancelled));
}

#[test]
fn proposals_that_are_not_enabled_are_named() {
    let cases = [
        ("(module (func (return_call 0)))", "tail-call"),
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (memory i64 1))", "memory64"),
        ("(module (memory 1) (memory 1))", "multi-memory"),
        ("(module (func (param v128 v128 v128) local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd drop))", "relaxed-simd"),
        ("(module (tag))", "exception-handling"),
        ("(module (type (struct)))", "gc"),
        ("(module (func (param i64 i64) local.get 0 local.get 1 i64.mul_wide_s drop drop))", "wide-arithmetic"),
        ("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))", "extended-const"),
        ("(module (memory 1 (pagesize 1)))", "custom-page-sizes"),
    ];
    for (text, name) in cases {
        let bytes = wasm(text);
        let error = decode(&bytes, Features::WASM2).and_then(|d| d.validate_bodies(&bytes, &|| true)).expect_err("refused");
        let DecodeError::NotEnabled { proposal, .. } = &error else { panic!("{text}: {error:?}") };
        assert_eq!(proposal, name, "{text}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// A module with these bytes as a custom section of this name behind it.
fn with_custom(mut module: Vec<u8>, name: &str, contents: &[u8]) -> Vec<u8> {
    let len = 1 + name.len() + contents.len();
    assert!(len < 128 && name.len() < 128);
    module.extend([0, len as u8, name.len() as u8]);
    module.extend(name.as_bytes());
    module.extend(contents);
    module
}

#[test]
fn custom_sections_never_make_a_module_fail() {
    let plain = || wasm("(module (func (export \"f\")))");
    let mut random = 88172645463325252u64;
    for _ in 0..500 {
        let contents: Vec<u8> = (0..random % 40)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random % 5) as u8 | ((random >> 20) % 9 / 8 * 0x83) as u8
            })
            .collect();
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        for name in ["name", "producers", "target_features", "dylink.0", "", "metadata.code.branch_hint"] {
            let bytes = with_custom(plain(), name, &contents);
            let decoded = ok(&bytes);
            let section = decoded.custom_sections.last().expect("the section");
            assert_eq!(section.name, name);
            assert_eq!(&bytes[section.contents.start as usize..section.contents.end as usize], contents);
            decoded.function_names(&bytes).iter().for_each(|(_, name)| assert!(name.len() < 40));
        }
    }
    // Names up to the place where the section goes wrong: function 0 "ab", then nonsense.
    let bytes = with_custom(plain(), "name", &[1, 9, 2, 0, 2, b'a', b'b', 1, 99, b'x', b'y']);
    assert_eq!(ok(&bytes).function_names(&bytes).get(FuncIndex::new(0)), Some("ab"));
    // The greatest number is no function's, and the first of two name sections counts.
    let bytes = with_custom(bytes, "name", &[1, 10, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 2, b'z', b'z', b'z']);
    assert_eq!(ok(&bytes).function_names(&bytes).iter().count(), 1);
    let bytes = with_custom(plain(), "name", &[0, 2, 1, b'm', 1, 9, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 2, b'z', b'z']);
    assert_eq!(ok(&bytes).module.name.as_deref(), Some("m"));
    assert_eq!(ok(&bytes).function_names(&bytes).iter().count(), 0);
}

#[test]
fn arbitrary_damage_is_an_error_or_a_module() {
    let original = wasm(KITCHEN_SINK);
    let mut random = 1234567u64;
    let mut errors = 0;
    for _ in 0..5000 {
        let mut bytes = original.clone();
        for _ in 0..1 + random % 3 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = 8 + (random >> 33) as usize % (bytes.len() - 8);
            bytes[at] = (random >> 24) as u8;
        }
        match decode(&bytes, Features::default()) {
            Ok(decoded) => errors += usize::from(decoded.validate_bodies(&bytes, &|| true).is_err()),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 1000, "{errors}");
}

#[test]
fn objects_are_refused_by_name() {
    let cases = [
        ("(type (struct (field i32)))", "the type `(struct i32)`"),
        ("(type (array i8))", "the type `(array i8)`"),
        ("(func (param anyref))", "the type `any`"),
        ("(table 1 eqref)", "the type `eq`"),
        ("(global structref (ref.null struct))", "the type `struct`"),
        ("(global externref (extern.convert_any (ref.null any)))", "the type `any`"),
        ("(func (drop (ref.i31 (i32.const 1))))", "the operator `ref.i31`"),
        ("(func (local (ref null array)))", "the type `array`"),
        ("(func try (result eqref) unreachable end drop)", "the type `eq`"),
        ("(func (drop (ref.null none)))", "the type `none`"),
        ("(func (param funcref) (drop (ref.cast (ref func) (local.get 0))))", "the operator `ref.cast`"),
        ("(func (param funcref) (result i32) (ref.test (ref func) (local.get 0)))", "the operator `ref.test`"),
        ("(func (result funcref) (br_on_cast 0 funcref nullfuncref (ref.null func)))", "the operator `br_on_cast`"),
    ];
    for (fields, what) in cases {
        let error = err(&wasm(&format!("(module {fields})")));
        let DecodeError::NotEnabled { proposal, message, .. } = &error else { panic!("{fields}: {error:?}") };
        assert_eq!((proposal.as_str(), message.as_str()), ("gc", what), "{fields}");
    }
    // What belongs to functions and exceptions is no object.
    ok(&wasm(
        "(module (rec (type $a (sub (func (param (ref $b))))) (type $b (sub (func))))
            (type $c (sub final $b (func))) (tag) (func (param exnref) (local (ref null noexn)))
            (func (drop (ref.null nofunc)) (drop (ref.null noextern)) (drop (select (result nullfuncref) (ref.null nofunc) (ref.null nofunc) (i32.const 0)))))",
    ));
}

#[test]
fn tables_that_nobody_can_grow() {
    let private = |text: &str| ok(&wasm(text)).module.private_tables.iter().map(|t| t.as_u32()).collect::<Vec<_>>();
    let tables = r#"(import "" "" (table 1 externref)) (table 1 externref) (table (export "t") 1 externref) (table 3 3 externref)
        (table 1 funcref) (table 0 exnref)"#;
    assert_eq!(private(&format!("(module {tables})")), [1, 5]);
    let grow = |n: u32| format!("(func (drop (table.grow {n} (ref.null extern) (i32.const 1))))");
    assert_eq!(private(&format!("(module {tables} {})", grow(1))), [5]);
    assert_eq!(private(&format!("(module {tables} {})", grow(2))), [1, 5]);
    let m = ok(&wasm(&format!("(module {tables} {})", grow(1)))).module;
    let fixed: Vec<bool> = m.tables.keys().map(|t| m.table_is_fixed(t)).collect();
    assert_eq!(fixed, [false, false, false, true, false, true]);
    // What only looks like the instruction, in the middle of a constant, counts as one.
    assert_eq!(private("(module (table 1 externref) (func (drop (f32.const 0x1.001ff8p-1))))"), []);
}

#[test]
fn a_longer_form_of_growing_is_growing() {
    let mut bytes = wasm("(module (table 1 externref) (func (drop (table.grow 0 (ref.null extern) (i32.const 1)))))");
    let at = bytes.windows(3).position(|w| w == [0xfc, 15, 0]).unwrap();
    // Both numbers as long as they may be; the sizes of the body and the section grow by as much.
    bytes.splice(at + 1..at + 3, [0x8f, 0x80, 0x80, 0x80, 0, 0x80, 0x80, 0x80, 0x80, 0]);
    let section = (0..at).find(|&i| bytes[i] == 10 && i + 2 + usize::from(bytes[i + 1]) + 8 == bytes.len()).unwrap();
    bytes[section + 1] += 8;
    bytes[section + 3] += 8;
    assert_eq!(ok(&bytes).module.private_tables, []);
}
