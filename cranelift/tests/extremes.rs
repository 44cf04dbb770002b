//! Functions at the edges: nothing here may panic, recurse, or take time that grows with the square of the input.

mod common;

use common::{all_settings, compile, compiler};
use sconce_environ::compile::{CompiledFunction, Compiler, Settings};
use sconce_environ::trap::TrapCode;

fn guard() -> Settings {
    all_settings()[0].clone()
}

fn compiles(wat: &str) -> CompiledFunction {
    compile(&guard(), wat, 0).unwrap().0
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
    let value = if values.is_empty() { "" } else { "i32.const 5 " };
    format!("(module (func (param i32) {values} {blocks} {value} local.get 0 br_table {depths} {ends}))")
}

#[test]
fn br_table_up_to_the_limit() {
    for values in ["", "(result i32)"] {
        compiles(&br_table(65_520, values));
    }
}

#[test]
fn br_table_past_the_limit_is_an_error() {
    let error = compile(&guard(), &br_table(65_522, ""), 0).unwrap_err();
    assert!(error.to_string().contains("65521 targets"), "{error}");
}

/// An error must not spoil what the next function is compiled with.
#[test]
fn compiles_after_an_error() {
    let compiler = compiler(&guard());
    let (good, bad) =
        (common::Input::text("(module (func (result i32) i32.const 1))"), common::Input::text(&br_table(65_522, "")));
    let before = compiler.compile(&good.function(0)).unwrap();
    compiler.compile(&bad.function(0)).unwrap_err();
    let after = compiler.compile(&good.function(0)).unwrap();
    assert_eq!(before.code, after.code);
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
        assert!(map.slots.iter().all(|&slot| slot < 0 && slot % 4 == 0), "{map:?}");
    }
    assert!(code.stack_maps.is_sorted_by(|a, b| a.return_offset < b.return_offset));
}
