//! The account of proposals is complete and says nothing too much: a module is valid with exactly the proposals that are
//! named, and with none of them taken away.

use sconce_environ::decode::{DecodeError, Features, decode};
use sconce_environ::proposals::used;
use wasmparser::{Validator, WasmFeatures};

/// What wasmparser gates besides proposals.
const BASE: WasmFeatures = WasmFeatures::MVP;

fn valid(bytes: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features).validate_all(bytes).is_ok()
}

/// Fields of a module, and the proposals that they use.
const CASES: &[(&str, &str)] = &[
    (
        "(memory 1) (table 1 funcref) (func (param i32) (result i32) local.get 0) (elem (i32.const 0) 0) (data (i32.const 0) \"\")",
        "",
    ),
    ("(func (result f32) (f32.nearest (f32.const 1)))", ""),
    ("(import \"a\" \"b\" (global (mut i32)))", "mutable-global"),
    ("(global (mut i32) (i32.const 1))", ""),
    ("(global (export \"g\") (mut i32) (i32.const 1))", "mutable-global"),
    ("(func (result i32) (i32.extend8_s (i32.const 1)))", "sign-extension"),
    ("(func (result i32) (i32.trunc_sat_f32_s (f32.const 1)))", "nontrapping-float-to-int-conversions"),
    ("(func (result i32 i32) i32.const 1 i32.const 1)", "multi-value"),
    ("(type (func (param i32))) (func i32.const 1 block (type 0) drop end)", "multi-value"),
    ("(memory 1) (func (memory.copy (i32.const 1) (i32.const 1) (i32.const 1)))", "bulk-memory"),
    ("(memory 1) (func (memory.fill (i32.const 1) (i32.const 1) (i32.const 1)))", "bulk-memory"),
    ("(memory 1) (data \"\") (func (data.drop 0))", "bulk-memory"),
    ("(data \"\")", "bulk-memory"),
    ("(elem func)", "bulk-memory"),
    ("(func) (elem declare func 0)", "bulk-memory"),
    ("(table 1 funcref) (table 1 funcref)", "reference-types"),
    ("(table 1 externref)", "reference-types"),
    ("(table 1 funcref) (func (result i32) table.size 0)", "reference-types"),
    ("(func (local externref))", "reference-types"),
    ("(func block (result funcref) ref.null func end drop)", "reference-types"),
    ("(func (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 3))))", "reference-types"),
    ("(elem funcref (ref.null func))", "bulk-memory reference-types"),
    ("(func (param v128))", "simd"),
    ("(func v128.const i64x2 0 0 drop)", "simd"),
    ("(global v128 (v128.const i64x2 0 0))", "simd"),
    ("(func (param v128) local.get 0 local.get 0 i8x16.relaxed_swizzle drop)", "relaxed-simd simd"),
    ("(func return_call 0)", "tail-call"),
    ("(memory 1 1 shared)", "threads"),
    ("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))", "threads"),
    ("(memory 1) (memory 1)", "multi-memory"),
    ("(import \"a\" \"b\" (memory 1)) (memory 1)", "multi-memory"),
    ("(memory i64 1)", "memory64"),
    ("(table i64 1 funcref)", "memory64"),
    ("(memory 1 (pagesize 1))", "custom-page-sizes"),
    ("(global i32 (i32.add (i32.const 1) (i32.const 1)))", "extended-const"),
    ("(memory 1) (data (i32.sub (i32.const 1) (i32.const 1)) \"\")", "extended-const"),
    ("(tag)", "exception-handling"),
    ("(tag (param i32)) (func (throw 0 (i32.const 1)))", "exception-handling"),
    ("(func (param exnref))", "exception-handling reference-types"),
    ("(func try end)", "legacy-exception-handling"),
    ("(func (param (ref func)))", "function-references reference-types"),
    ("(type (func)) (func (param (ref null 0)))", "function-references reference-types"),
    ("(func) (table 1 funcref (ref.func 0)) (elem declare func 0)", "bulk-memory function-references reference-types"),
    ("(type (func)) (func (param funcref) (drop (ref.as_non_null (local.get 0))))", "function-references reference-types"),
    ("(type (struct))", "gc"),
    ("(type (array i8))", "gc"),
    ("(type (sub (func)))", "gc"),
    ("(rec (type (func)) (type (func)))", "gc"),
    ("(func (param anyref))", "gc reference-types"),
    ("(func (drop (ref.i31 (i32.const 1))))", "gc"),
    ("(global i32 (i32.const 1)) (global i32 (global.get 0))", "gc"),
    ("(func (drop (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))) drop)", "wide-arithmetic"),
    ("(memory 1) (func (memory.discard (i32.const 0) (i32.const 0)))", "memory-control"),
    ("(global (shared i32) (i32.const 1))", "shared-everything-threads"),
    ("(type $f (func)) (type (cont $f))", "stack-switching"),
    ("(func pause)", "acquire-release-atomics"),
    ("(memory 1) (func (drop (i32.atomic.load acqrel (i32.const 0))))", "acquire-release-atomics threads"),
];

#[test]
fn every_proposal_is_found_and_no_other() {
    for (fields, expected) in CASES {
        let bytes = wat::parse_str(format!("(module {fields})")).unwrap_or_else(|e| panic!("{fields}: {e}"));
        let proposals = used(&bytes).expect("parses");
        assert_eq!(proposals.names().join(" "), *expected, "{fields}");
        let features = proposals.wasmparser();
        assert!(valid(&bytes, BASE | features), "{fields}: valid with what is named");
        for feature in features.iter() {
            assert!(!valid(&bytes, (BASE | features) - feature), "{fields}: {feature:?} is not needed");
        }
    }
}

#[test]
fn every_flag_of_a_proposal_occurs_in_some_case() {
    let mut seen = WasmFeatures::empty();
    for (fields, _) in CASES {
        seen |= used(&wat::parse_str(format!("(module {fields})")).expect("parses")).expect("parses").wasmparser();
    }
    // No proposals of core modules, or without text to write them in.
    let others = BASE
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::CUSTOM_DESCRIPTORS
        | WasmFeatures::COMPACT_IMPORTS
        | WasmFeatures::MULTIBYTE_ARRAY_ACCESS;
    for (name, flag) in WasmFeatures::all().iter_names() {
        let part = name.starts_with("CM");
        assert!(part || others.contains(flag) || seen.contains(flag), "no case uses {name}");
    }
}

#[test]
fn decoding_sees_what_sections_show() {
    let text = "(module (import \"a\" \"b\" (func (result i32 i32))) (memory 1) (data \"\")
        (func (param v128)) (func (drop (i32.extend8_s (i32.const 1)))))";
    let bytes = wat::parse_str(text).expect("the test's own text");
    let decoded = decode(&bytes, Features::WASM2).expect("decodes");
    assert_eq!(decoded.module.features, ["bulk-memory", "multi-value", "simd"]);
    assert_eq!(used(&bytes).expect("parses").names(), ["bulk-memory", "multi-value", "sign-extension", "simd"]);
}

#[test]
fn branch_hints_compact_imports_and_what_is_no_module() {
    let hints = wat::parse_str("(module (@custom \"metadata.code.branch_hint\" \"\\00\"))").expect("the test's own text");
    assert_eq!(used(&hints).expect("parses").names(), ["branch-hinting"]);
    // Type section: (func). Import section: one group of module "a", kind 0x7f, with one item "b" of function type 0.
    let compact = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0a\x01\x01a\0\x7f\x01\x01b\0\0";
    assert_eq!(used(compact).expect("parses").names(), ["compact-imports"]);
    assert!(matches!(used(b"hello"), Err(DecodeError::NotWasm { .. })));
    assert!(matches!(used(b"\0asm\x0d\0\x01\0"), Err(DecodeError::Component)));
    assert!(used(&hints[..hints.len() - 1]).is_err());
}
