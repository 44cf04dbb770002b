//! Functions at the edges: nothing here may panic, recurse, or take time that grows with the square of the input.

use sconce_cranelift::CraneliftCompiler;
use sconce_environ::compile::{Compiler, Settings};
use sconce_test_support::extremes::{br_table, guard};
use sconce_test_support::{Input, compile, extremes};

fn compiler(settings: &Settings) -> CraneliftCompiler {
    CraneliftCompiler::new(settings).expect("a compiler for the host")
}

extremes!(compiler);

#[test]
fn br_table_up_to_the_limit() {
    for values in ["", "(result i32)"] {
        compile(&compiler(&guard()), &br_table(65_520, values), 0).unwrap();
    }
}

#[test]
fn br_table_past_the_limit_is_an_error() {
    let error = compile(&compiler(&guard()), &br_table(65_522, ""), 0).unwrap_err();
    assert!(error.to_string().contains("65521 targets"), "{error}");
}

/// An error must not spoil what the next function is compiled with.
#[test]
fn compiles_after_an_error() {
    let compiler = compiler(&guard());
    let (good, bad) = (Input::text("(module (func (result i32) i32.const 1))"), Input::text(&br_table(65_522, "")));
    let before = compiler.compile(&good.function(0)).unwrap();
    compiler.compile(&bad.function(0)).unwrap_err();
    let after = compiler.compile(&good.function(0)).unwrap();
    assert_eq!(before.code, after.code);
}
