//! Functions at the edges: nothing here may panic, recurse, or take time that grows with the square of the input.

use sconce_environ::compile::{CompiledFunction, Settings};
use sconce_environ::trap::TrapCode;
use sconce_lightbeam::LightbeamCompiler;
use sconce_test_support::extremes::{br_table, guard};
use sconce_test_support::{compile, extremes};

fn compiler(settings: &Settings) -> LightbeamCompiler {
    LightbeamCompiler::new(settings).expect("a compiler for the host")
}

extremes!(compiler);

fn compiles(wat: &str) -> CompiledFunction {
    compile(&compiler(&guard()), wat, 0).unwrap()
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
