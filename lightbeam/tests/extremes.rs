//! Functions at the edges: nothing here may panic, recurse, or take time that grows with the square of the input.

use sconce_environ::compile::{CompiledFunction, Compiler, Settings};
use sconce_environ::trap::TrapCode;
use sconce_lightbeam::LightbeamCompiler;
use sconce_test_support::extremes::{br_table, guard};
use sconce_test_support::{Input, bombs, compile, extremes};

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
    let names: String = (0..4_000).map(|n| format!("(drop (local.get {n}))")).collect();
    let code = compiles(&format!("(module (func (local {locals}) {names}))"));
    assert!(code.traps.iter().any(|t| t.1 == TrapCode::StackOverflow));
    let code = compiles("(module (func (local i64 i64 i64)))");
    assert!(code.traps.is_empty());
}

#[test]
fn locals_that_nobody_names_cost_nothing() {
    let plain = compiles("(module (func (param i32) (result i32) (local.get 0)))");
    for locals in ["i64", "v128", "externref", "funcref"] {
        let locals = format!("{locals} ").repeat(49_990);
        let code = compiles(&format!("(module (func (param i32) (result i32) (local {locals}) (local.get 0)))"));
        assert_eq!((code.code, code.frame_size), (plain.code.clone(), plain.frame_size));
        assert_eq!(code.stack_maps, plain.stack_maps);
    }
    // One of them is as good as an only one.
    let one = compiles("(module (func (result i32) (local i32) (loop (br_if 0 (local.tee 0 (i32.const 1)))) (local.get 0)))");
    let locals = "i32 ".repeat(40_000);
    let body = "(loop (br_if 0 (local.tee 30000 (i32.const 1)))) (local.get 30000)";
    assert_eq!(compiles(&format!("(module (func (result i32) (local {locals}) {body}))")).code, one.code);
}

/// Operators of a few bytes that take along a thousand values: not ten thousand bytes of code each.
#[test]
fn code_is_of_the_order_of_the_body() {
    let products = bombs::PRODUCTS.iter().map(|&(name, shape)| (name, shape(10_000)));
    for (name, text) in bombs::SHAPES.iter().map(|&(name, shape)| (name, shape(1_000))).chain(products) {
        let input = Input::text(&text);
        let (mut code, mut bytes) = (0, 0);
        for function in input.functions() {
            code += compiler(&guard()).compile(&function).unwrap().code.len();
            bytes += function.body.len();
        }
        assert!(code < 20_000 + 128 * bytes, "{name}: {bytes} bytes become {code}");
    }
}

/// What is not (arguments at no regular distances, say) ends where memory would be at stake.
#[test]
fn code_that_is_too_large_for_its_body_is_an_error() {
    let (params, gets) = ("i32 i32 v128 ".repeat(333), (0..999).map(|n| format!("local.get {n} ")).collect::<String>());
    let calls = "call 0 ".repeat(2_000);
    let wat = format!("(module (func (param {params}) (result {params}) {gets} {calls}))");
    let error = compile(&compiler(&guard()), &wat, 0).unwrap_err().to_string();
    assert!(error.starts_with("function 0: its machine code would be longer than "), "{error}");
    assert!(error.ends_with(" bytes, the limit for a body of its size"), "{error}");
}
