//! Many values at once: calls, branches, tail calls and exceptions that take along more than registers hold.
//! Each way ends in one sum that tells every value's place.

use sconce_engine::{Config, Engine, Linker, Module, Store, Tier, Val};
use std::fmt::Write;

/// The types of a run of values are these, over and over; and whether the functions have a vector besides, so
/// that slots are wide.
const PATTERNS: &[(&[&str], bool)] = &[
    (&["i32"], false),
    (&["i64"], false),
    (&["i32"], true),
    (&["f32", "f64"], false),
    (&["v128"], true),
    (&["i32", "v128"], true),
    (&["i32", "i64", "v128"], true),
    (&["f64", "i32", "f32", "v128", "i64"], true),
];

/// Ways for values: a body that makes the values, `CONSTS`, and leaves them on the stack.
const WAYS: &[(&str, &str)] = &[
    ("call", "CONSTS (call $id)"),
    ("call twice", "CONSTS (call $id) (call $id)"),
    ("call what computes", "CONSTS CONSTS (call $reverse) SETS (call $id)"),
    ("call with more below", "(i32.const 9) CONSTS (call $id) SETS drop GETS"),
    ("branch in place", "(block (result T) CONSTS (br_if 0 (local.get $one)) unreachable)"),
    ("branch that moves", "(block (result T) (i32.const 9) CONSTS (br_if 0 (local.get $one)) unreachable)"),
    ("branch that is not taken", "(block (result T) (i32.const 9) CONSTS (br_if 0 (local.get $zero)) SETS drop GETS)"),
    ("computed and branched", "(block (result T) (i32.const 9) CONSTS (call $id) (br_if 0 (local.get $one)) unreachable)"),
    ("jump", "(block (result T) (i32.const 9) (i64.const 8) CONSTS (br 0))"),
    ("table", "(block (result T) (block (result T) (i32.const 9) CONSTS (br_table 0 1 0 (local.get $one))) unreachable)"),
    ("table of one", "(block (result T) (i32.const 9) CONSTS (br_table 0 0 (local.get $one)))"),
    (
        "loop",
        "CONSTS (loop (param T) (result T) (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (local.get $one))) (i32.const 3))))",
    ),
    (
        "loop that moves",
        "CONSTS (loop (param T) (result T) SETS (i32.const 9) GETS (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (local.get $one))) (i32.const 3))) SETS drop GETS)",
    ),
    ("if", "CONSTS (local.get $one) (if (param T) (result T) (then) (else SETS CONSTS (call $reverse)))"),
    ("else", "CONSTS (local.get $zero) (if (param T) (result T) (then SETS CONSTS (call $reverse)) (else (call $id)))"),
    ("if alone", "CONSTS (local.get $zero) (if (param T) (result T) (then unreachable))"),
    ("return", "(call $returns)"),
    ("tail call to more arguments", "(call $more)"),
    ("tail call to fewer arguments", "CONSTS CONSTS (call $fewer)"),
    ("catch", "(block (result T) (try_table (catch $e 0) CONSTS (throw $e)) unreachable)"),
    ("catch with reference", "(block (result T exnref) (try_table (catch_ref $e 0) CONSTS (throw $e)) unreachable) drop"),
    ("catch from a callee", "(block (result T) (try_table (catch $e 0) (call $throws)) unreachable)"),
];

fn constant(ty: &str, n: usize) -> String {
    match ty {
        "v128" => format!("(v128.const i64x2 {n} {n})"),
        ty => format!("({ty}.const {n})"),
    }
}

fn as_i64(ty: &str, value: &str) -> String {
    match ty {
        "i32" => format!("(i64.extend_i32_u {value})"),
        "f32" | "f64" => format!("(i64.trunc_{ty}_u {value})"),
        // The halves are the same.
        "v128" => format!("(i64.shr_u (i64.add (i64x2.extract_lane 0 {value}) (i64x2.extract_lane 1 {value})) (i64.const 1))"),
        _ => value.to_owned(),
    }
}

/// A module in which each way is an export, for so many values of the pattern's types.
fn module(pattern: &[&str], with_vector: bool, count: usize) -> String {
    let types: Vec<&str> = pattern.iter().copied().cycle().take(count).collect();
    let list = types.join(" ");
    let constants: String = types.iter().enumerate().map(|(n, ty)| constant(ty, n + 1)).collect();
    let sets: String = (0..count).rev().map(|n| format!("(local.set $v{n})")).collect();
    let gets: String = (0..count).map(|n| format!("(local.get $v{n})")).collect();
    let vector = if with_vector { "(drop (v128.const i64x2 1 2))" } else { "" };
    let params: String = types.iter().enumerate().map(|(n, ty)| format!("(param $v{n} {ty})")).collect();
    let locals: String = types.iter().enumerate().map(|(n, ty)| format!("(local $v{n} {ty})")).collect();
    let others: String = types.iter().map(|ty| format!("(param {ty})")).collect();
    let mut sum = String::from("(i64.const 0)");
    for (n, ty) in types.iter().enumerate() {
        let value = as_i64(ty, &format!("(local.get $v{n})"));
        let _ = write!(sum, "(i64.add (i64.mul (i64.const {}) {value}))", n + 1);
    }
    let fill = |text: &str| {
        text.replace("CONSTS", &constants)
            .replace("SETS", &sets)
            .replace("GETS", &gets)
            .replace("result T", &format!("result {list}"))
            .replace("param T", &format!("param {list}"))
    };
    let mut text = format!(
        "(module (tag $e (param {list}))
           (func $id {params} (result {list}) {vector} {gets})
           (func $reverse {params} (result {list}) (local $zero i32) {vector} (block (result {list}) {gets} (br_if 0 (local.get $zero)) {sets} {gets}))
           (func $returns (result {list}) (local $one i32) {vector} (local.set $one (i32.const 1)) (i32.const 3) {constants} (br_if 0 (local.get $one)) unreachable)
           (func $more (result {list}) {vector} {constants} (return_call $id))
           (func $fewer {others} {params} (result {list}) {vector} {gets} (return_call $id))
           (func $throws {vector} {constants} (throw $e))"
    );
    for (name, way) in WAYS {
        let _ = write!(
            text,
            "(func (export \"{name}\") (result i64) (local $one i32) (local $zero i32) (local $n i32) {locals} {vector}
               (local.set $one (i32.const 1)) {} {sets} {sum})",
            fill(way)
        );
    }
    text + ")"
}

#[test]
fn many_values_arrive_where_they_belong() {
    for tier in [Tier::Lightbeam, Tier::Cranelift] {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        for (pattern, with_vector) in PATTERNS {
            for count in [3, 9, 17, 40, 180] {
                let text = module(pattern, *with_vector, count);
                let module = Module::new(&engine, text.as_bytes()).unwrap_or_else(|e| panic!("{pattern:?} x {count}: {e}"));
                let mut store = Store::new(&engine, ()).unwrap();
                let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
                let expected: i64 = (1..=count as i64).map(|n| n * n).sum();
                for (name, _) in WAYS {
                    let mut result = [Val::I64(0)];
                    let function = instance.get_func(&mut store, name).unwrap();
                    function
                        .call(&mut store, &[], &mut result)
                        .unwrap_or_else(|e| panic!("{tier:?} {name} {pattern:?} x {count}: {e}"));
                    assert_eq!(result, [Val::I64(expected)], "{tier:?}: {name}, {count} of {pattern:?}");
                }
            }
        }
    }
}
