//! Golden listings of the shapes that matter: IR as translated, and machine code. `SCONCE_BLESS=1` writes what came.
//!
//! The shapes use no instruction that depends on the host's features. Prologue and epilogue are part of them: they are
//! what interrupts and backtraces rely on. (Epilogues as Cranelift has them; what becomes of those is tested in `epilogues`.)

mod common;

use common::compile;
use sconce_environ::compile::{BoundsStyle, CallStyle, Settings};
use sconce_test_support::{all_settings, settings};
use std::fmt::Write;
use std::path::Path;

const GUARD: BoundsStyle = BoundsStyle::Guard;
const EXPLICIT: BoundsStyle = BoundsStyle::Explicit;
const DIRECT: CallStyle = CallStyle::Direct;
const SLOTS: CallStyle = CallStyle::Slots;

/// Compares the listing of the first function with the golden one.
fn check(name: &str, settings: &Settings, wat: &str) {
    let (code, listing) = compile(settings, wat, 0).unwrap();
    let mut text = format!("{}\n{}", listing.clif, listing.assembly);
    for r in &code.relocs {
        writeln!(text, "reloc {:#x} {:?} {}", r.offset, r.target, r.addend).unwrap();
    }
    for (offset, trap) in &code.traps {
        writeln!(text, "trap {offset:#x} {trap:?}").unwrap();
    }
    for map in code.stack_maps.maps() {
        writeln!(text, "stack map {:#x} {:?}", map.return_offset, map.slots).unwrap();
    }
    for (offset, wasm) in &code.wasm_offsets {
        writeln!(text, "wasm offset {offset:#x} {wasm:#x}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("txt");
    if std::env::var_os("SCONCE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} differs from {}; SCONCE_BLESS=1 accepts it:\n{text}", path.display());
}

const FIELDS: &str = r#"(module (memory 1) (func (param i32) (result i32)
    (i32.store offset=8 (local.get 0) (i32.load offset=4 (local.get 0)))
    (i32.load8_u offset=70000 (local.get 0))))"#;

#[test]
fn memory_guard() {
    check("memory_guard", &settings(GUARD, DIRECT), FIELDS);
}

#[test]
fn memory_explicit() {
    check("memory_explicit", &settings(EXPLICIT, DIRECT), FIELDS);
}

#[test]
fn memory_large_offset() {
    let wat = "(module (memory 1) (func (param i32) (result i32) (i32.load offset=0x80000000 (local.get 0))))";
    check("memory_large_offset", &settings(GUARD, DIRECT), wat);
}

#[test]
fn memory_imported_loop() {
    let wat = r#"(module (memory (import "" "") 1) (func (param $p i32) (param $n i32) (result i32) (local $sum i32)
        (loop $again
            (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $p))))
            (local.set $p (i32.add (local.get $p) (i32.const 4)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;
    check("memory_imported_loop", &settings(GUARD, DIRECT), wat);
}

const CALL: &str = "(module (func (param i32 i64) (result i64) (call 1 (local.get 0) (local.get 1))) (func (param i32 i64) (result i64) (local.get 1)))";

#[test]
fn call_direct() {
    check("call_direct", &settings(GUARD, DIRECT), CALL);
}

#[test]
fn call_slot() {
    check("call_slot", &settings(GUARD, SLOTS), CALL);
}

#[test]
fn call_import() {
    let wat = r#"(module (func (import "" "") (param i32)) (func (param i32) (call 0 (local.get 0))))"#;
    check("call_import", &settings(GUARD, SLOTS), wat);
}

#[test]
fn call_many_results() {
    let wat = "(module (func (result i32) (call 1) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop))
        (func (result i32 i32 i32 i32 i32 i32 i32 i32 i32) unreachable))";
    check("call_many_results", &settings(GUARD, DIRECT), wat);
}

#[test]
fn call_indirect() {
    let wat = "(module (type (func (param i32) (result i32))) (table 10 20 funcref)
        (func (param i32) (result i32) (call_indirect (type 0) (i32.const 7) (local.get 0))))";
    check("call_indirect", &settings(GUARD, DIRECT), wat);
}

#[test]
fn call_indirect_fixed_table() {
    let wat = "(module (type (func (param i32) (result i32))) (table 16 16 funcref)
        (func (param i32) (result i32) (call_indirect (type 0) (i32.const 7) (local.get 0))))";
    check("call_indirect_fixed_table", &settings(GUARD, DIRECT), wat);
}

#[test]
fn handle_across_call() {
    let wat = r#"(module (func $f (import "" "")) (func (param externref) (result externref) (call $f) (local.get 0)))"#;
    check("handle_across_call", &settings(GUARD, DIRECT), wat);
}

#[test]
fn builtin() {
    let wat = "(module (memory 1) (func (param i32) (result i32) (memory.grow (local.get 0))))";
    check("builtin", &settings(GUARD, DIRECT), wat);
}

const COPY: &str = "(module (memory 1) (func (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 13))))";

#[test]
fn copy_guard() {
    check("copy_guard", &settings(GUARD, DIRECT), COPY);
}

#[test]
fn copy_explicit() {
    check("copy_explicit", &settings(EXPLICIT, DIRECT), COPY);
}

#[test]
fn globals() {
    let wat = r#"(module (global $i (import "" "") (mut i32)) (global $c (import "" "c") i32) (global $d (mut i32) (i32.const 0))
        (func (global.set $d (i32.add (global.get $i) (global.get $c))) (global.set $i (global.get $d))))"#;
    check("globals", &settings(GUARD, DIRECT), wat);
}

#[test]
fn branches() {
    let wat = "(module (func (param i32) (result i32)
        (block $a (result i32)
            (if (local.get 0) (then (br $a (i32.const 10))))
            (if (result i32) (local.get 0) (then (i32.const 1)) (else (unreachable))))))";
    check("branches", &settings(GUARD, DIRECT), wat);
}

#[test]
fn large_frame_probes_each_page() {
    // 1,100 results in nine buffers would be one slot: what makes this frame large is the callee's buffer.
    let results = "i32 ".repeat(800);
    let wat = format!("(module (func (call 1) {}) (func (result {results}) unreachable))", "drop ".repeat(800));
    for settings in all_settings() {
        let (code, listing) = compile(&settings, &wat, 0).unwrap();
        let probes = listing
            .assembly
            .lines()
            .filter(|line| line.contains("%rsp") && line.contains("mov") && !line.contains("rbp"))
            .count();
        assert!(probes >= 3, "800 x 16 bytes are three pages:\n{}", listing.assembly);
        assert!(!code.code.is_empty());
    }
}

const REFERENCES: &str = r#"(module (import "" "g" (global $g (mut externref))) (table $t 10 externref)
    (func (param $i i32) (param $j i32)
        (table.set $t (local.get $i) (table.get $t (local.get $j)))
        (global.set $g (ref.null extern))))"#;

#[test]
fn references_guard() {
    check("references_guard", &settings(GUARD, DIRECT), REFERENCES);
}

#[test]
fn references_explicit() {
    check("references_explicit", &settings(EXPLICIT, DIRECT), REFERENCES);
}
