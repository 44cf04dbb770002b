//! Functions at the edges: nothing here may panic, recurse, or take time that grows with the square of the input.

mod common;

use common::{all_settings, compile};
use sconce_environ::compile::{CompiledFunction, Settings};
use sconce_environ::trap::TrapCode;

fn guard() -> Settings {
    all_settings()[0].clone()
}

fn compiles(wat: &str) -> CompiledFunction {
    compile(&guard(), wat, 0).unwrap()
}

#[test]
fn many_locals() {
    let locals = "i32 ".repeat(49_000);
    let body: String = (0..48_999).map(|i| format!("(local.set {} (local.get {i}))", i + 1)).collect();
    compiles(&format!("(module (func (param i32) (result i32) (local {locals}) {body} (local.get 49000)))"));
}

#[test]
fn deeply_nested_blocks() {
    let n = 20_000;
    let body = format!("{}{}", "block local.get 0 br_if 0 ".repeat(n), "end ".repeat(n));
    compiles(&format!("(module (func (param i32) {body}))"));
}

#[test]
fn deeply_nested_unreachable_blocks() {
    let n = 20_000;
    let body = format!("unreachable {}{}", "block loop i32.const 1 if ".repeat(n), "else end end end ".repeat(n));
    let code = compiles(&format!("(module (func {body}))"));
    assert_eq!(code.traps.iter().map(|t| t.1).collect::<Vec<_>>(), [TrapCode::Unreachable]);
}

#[test]
fn deeply_nested_ifs_with_results() {
    let n = 2_000;
    let body = format!("{}i32.const 3 {}", "local.get 0 if (result i32) ".repeat(n), "else i32.const 4 end ".repeat(n));
    compiles(&format!("(module (func (param i32) (result i32) {body}))"));
}

#[test]
fn many_loops() {
    let body = "(loop (br_if 0 (i32.load (local.get 0))))".repeat(2_000);
    compiles(&format!("(module (memory 1) (func (param i32) {body}))"));
}

fn br_table(targets: usize, values: &str) -> String {
    let depths: String = (0..targets).map(|i| format!("{} ", i % 100)).collect();
    let (blocks, ends) = (format!("block {values} ").repeat(100), "end ".repeat(100));
    let value = "i32.const 5 ".repeat(values.matches("i32").count());
    format!("(module (func (param i32) {values} {blocks} {value} local.get 0 br_table {depths} {ends}))")
}

#[test]
fn br_tables_with_many_targets() {
    for values in ["", "(result i32)", "(result i32 i32)"] {
        compiles(&br_table(100_000, values));
    }
}

#[test]
fn a_deep_stack_of_every_kind_of_value() {
    for value in ["i32.const 7", "i64.const 0x123456789abcdef", "local.get 0", "(i32.load (local.get 0))", "v128.const i64x2 1 2"]
    {
        let n = 100_000;
        let body = format!("{} {}", format!("{value} ").repeat(n), "drop ".repeat(n));
        compiles(&format!("(module (memory 1) (func (param i32) {body}))"));
    }
}

/// Each set looks for what still means the old value: that must not be the whole stack.
#[test]
fn locals_that_are_set_under_a_deep_stack() {
    let n = 40_000;
    let body: String = (0..n).map(|i| format!("(local.get {i}) ")).collect();
    let sets: String = (0..n).map(|i| format!("(local.set {i} (i32.const {i})) ")).collect();
    let locals = "i32 ".repeat(n);
    compiles(&format!("(module (func (local {locals}) {body} {sets} {}))", "drop ".repeat(n)));
}

#[test]
fn a_frame_larger_than_a_page_is_probed() {
    let locals = "i64 ".repeat(4_000);
    let code = compiles(&format!("(module (func (local {locals})))"));
    assert!(code.traps.iter().any(|t| t.1 == TrapCode::StackOverflow));
    let code = compiles("(module (func (local i64 i64 i64)))");
    assert!(code.traps.is_empty());
}

#[test]
fn a_thousand_parameters_and_results() {
    for ty in ["i32", "i64", "f32", "f64", "v128", "externref", "funcref"] {
        let (list, gets) = (format!("{ty} ").repeat(1000), (0..1000).map(|i| format!("local.get {i} ")).collect::<String>());
        let wat = format!("(module (func (param {list}) (result {list}) {gets} call 0))");
        for settings in all_settings() {
            compile(&settings, &wat, 0).unwrap();
        }
    }
}

#[test]
fn handles_in_many_locals_across_many_calls() {
    let locals = "externref ".repeat(200);
    let body: String = (0..500).map(|i| format!("(local.set {} (call 1 (local.get {})))", i % 200 + 1, i % 200)).collect();
    let code = compiles(&format!(
        "(module (func (param externref) (result externref) (local {locals}) {body} (local.get 200))
                 (func (param externref) (result externref) (local.get 0)))"
    ));
    assert!(code.stack_maps.len() >= 400, "only {} stack maps", code.stack_maps.len());
    for map in &code.stack_maps {
        assert!(map.slots.iter().all(|&slot| slot % 4 == 0), "{map:?}");
    }
    assert!(code.stack_maps.is_sorted_by(|a, b| a.return_offset < b.return_offset));
}
