//! Functions at the edges: nothing here may panic, recurse, or take time that grows with the square of the input.

use sconce_cranelift::CraneliftCompiler;
use sconce_environ::compile::{Compiler, Settings};
use sconce_test_support::extremes::{br_table, guard};
use sconce_test_support::{Input, bombs, compile, extremes};

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

/// What takes much longer than other functions of its length is refused beforehand, whatever makes it so; the
/// other compiler does not mind.
#[test]
fn what_is_too_dear_is_an_error() {
    let compiler = compiler(&guard());
    for &(name, shape) in bombs::PRODUCTS {
        let small = compile(&compiler, &shape(30), 0);
        assert!(small.is_ok(), "{name}: {small:?}");
        let error = compile(&compiler, &shape(30_000), 0).expect_err(name).to_string();
        assert!(error.contains("Cranelift would need ") && error.ends_with(" or so, too long for its size"), "{name}: {error}");
    }
    for name in ["calls with a thousand values", "clauses of a thousand values", "functions of a thousand results"] {
        let (_, shape) = bombs::SHAPES.iter().find(|(n, _)| *n == name).expect("a shape");
        compile(&compiler, &shape(1_000), 0).expect_err(name);
    }
}

/// What grows with a square so small that no short function shows it, and what is linear and large.
#[test]
fn what_is_too_dear_in_large_functions_alone_is_an_error() {
    let compiler = compiler(&guard());
    let guarded = |n: usize| {
        let (begins, ends) = ((0..n).map(|i| format!("try_table (catch_all {i}) ")).collect::<String>(), "end ".repeat(n));
        format!("(module (func {begins} {} {ends}) (func))", "(call 1)".repeat(n))
    };
    let indirect = |n: usize| {
        format!("(module (type (func)) (table 1 funcref) (func {}))", "(call_indirect (type 0) (i32.const 0))".repeat(n))
    };
    for (shape, few, many, why) in [
        (&guarded as &dyn Fn(usize) -> String, 500, 40_000, "too long for its size"),
        (&indirect, 500, 30_000, "MiB or so, too much for its size"),
    ] {
        assert!(compile(&compiler, &shape(few), 0).is_ok());
        let error = compile(&compiler, &shape(many), 0).expect_err(why).to_string();
        assert!(error.contains("Cranelift would need ") && error.ends_with(why), "{error}");
    }
}

#[test]
fn locals_that_nobody_names_cost_nothing() {
    let compiler = compiler(&guard());
    let plain = compile(&compiler, "(module (func (param i32) (result i32) (local.get 0)))", 0).unwrap();
    for ty in ["i64", "v128", "externref", "funcref"] {
        let locals = format!("{ty} ").repeat(49_990);
        let code =
            compile(&compiler, &format!("(module (func (param i32) (result i32) (local {locals}) (local.get 0)))"), 0).unwrap();
        assert_eq!((code.code, code.frame_size), (plain.code.clone(), plain.frame_size));
    }
}
