//! Functions smaller than a call, which a compiler may translate where they are called: they give what they give when they are called
//! through a table, with each kind of body and wherever the call stands.

use sconce_engine::{TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::fmt::Write;

/// Type of one parameter and the result, and a body with locals of its own where it likes.
const BODIES: [(&str, &str, &str); 24] = [
    ("i32", "i32", "(local.get 0)"),
    ("i64", "i64", "(local.get 0)"),
    ("f32", "f32", "(local.get 0)"),
    ("f64", "f64", "(f64.neg (local.get 0))"),
    ("i32", "i64", "(i64.extend_i32_u (local.get 0))"),
    ("i64", "i32", "(i32.wrap_i64 (local.get 0))"),
    ("i32", "i32", "(i32.const 0x7fffffff)"),
    ("i32", "f64", "(f64.const 1.5)"),
    ("i32", "f32", "(f32.const -0.5)"),
    ("i32", "i64", "(i64.const -5)"),
    ("i32", "i32", "(nop) (drop (local.get 0)) (i32.const 3)"),
    ("i32", "i32", "(select (i32.const 3) (i32.const 4) (local.get 0))"),
    ("i32", "i32", "(local i32) (local.get 1)"),
    ("i32", "i32", "(local i32 i64 f32) (local.set 1 (local.get 0)) (i32.add (local.get 1) (local.get 0))"),
    ("i32", "i32", "(local i32) (i32.add (local.tee 1 (local.get 0)) (local.get 1))"),
    ("i32", "i32", "(local.set 0 (i32.const 9)) (local.get 0)"),
    ("i32", "i32", "(i32.add (global.get $count) (local.get 0))"),
    ("i32", "i32", "(global.set $count (i32.add (global.get $count) (i32.const 1))) (local.get 0)"),
    ("i32", "f64", "(f64.reinterpret_i64 (i64.extend_i32_s (local.get 0)))"),
    ("i32", "i32", "(i32.clz (local.get 0))"),
    // Not one of these.
    ("i32", "i32", "(i32.load (local.get 0))"),
    ("i32", "i32", "(block (br_if 0 (local.get 0)) (return (i32.const 8))) (local.get 0)"),
    ("i32", "i32", "(local i32 i32 i32 i32 i32) (local.get 5)"),
    (
        "i32",
        "i32",
        "(i32.add (i32.add (i32.add (i32.add (i32.add (local.get 0) (i32.const 1)) (i32.const 2)) (i32.const 3)) (i32.const 4)) (i32.const 5))",
    ),
];

fn wide(ty: &str, value: &str) -> String {
    match ty {
        "i32" => format!("(i64.extend_i32_u {value})"),
        "i64" => value.to_owned(),
        "f32" => format!("(i64.extend_i32_u (i32.reinterpret_f32 {value}))"),
        _ => format!("(i64.reinterpret_f64 {value})"),
    }
}

fn argument(ty: &str) -> &'static str {
    match ty {
        "i32" => "(i32.wrap_i64 (local.get $x))",
        "i64" => "(local.get $x)",
        "f32" => "(f32.reinterpret_i32 (i32.wrap_i64 (local.get $x)))",
        _ => "(f64.reinterpret_i64 (local.get $x))",
    }
}

#[test]
fn they_are_what_they_are_when_called() {
    let mut text = String::from(
        r#"(module
        (memory 1)
        (tag $e)
        (global $count (mut i32) (i32.const 0))
        (func (export "count") (result i32) (global.get $count) (global.set $count (i32.const 0)))
        "#,
    );
    let all: Vec<String> = (0..BODIES.len()).map(|n| format!("$f{n}")).collect();
    writeln!(text, "(table funcref (elem {}))", all.join(" ")).unwrap();
    for (n, (param, result, body)) in BODIES.iter().enumerate() {
        let (arg, fill) =
            (argument(param), "(local $a i64) (local $b f64) (local.set $a (i64.const 11)) (local.set $b (f64.const 22))");
        let call = |arg: &str| format!("(call $f{n} {arg})");
        let again = if param == result { call(&call(arg)) } else { call(arg) };
        let kept = "(i64.add (local.get $a) (i64.trunc_sat_f64_s (local.get $b)))";
        writeln!(text, "(func $f{n} (param {param}) (result {result}) {body})").unwrap();
        for (name, value) in [
            ("direct", call(arg)),
            ("indirect", format!("(call_indirect (param {param}) (result {result}) {arg} (i32.const {n}))")),
            (
                "tried",
                format!(
                    "(block $h (result {result}) (block $c (try_table (result {result}) (catch $e $c) {}) (br $h)) (unreachable))",
                    call(arg)
                ),
            ),
            ("again", again),
        ] {
            let value = wide(result, &value);
            writeln!(text, r#"(func (export "{name} {n}") (param $x i64) (result i64) {fill} (i64.xor {kept} {value}))"#)
                .unwrap();
        }
        let twice = if param == result {
            let once = format!("(call_indirect (param {param}) (result {result}) {arg} (i32.const {n}))");
            format!("(call_indirect (param {param}) (result {result}) {once} (i32.const {n}))")
        } else {
            format!("(call_indirect (param {param}) (result {result}) {arg} (i32.const {n}))")
        };
        let twice = wide(result, &twice);
        writeln!(text, r#"(func (export "called again {n}") (param $x i64) (result i64) {fill} (i64.xor {kept} {twice}))"#)
            .unwrap();
    }
    text.push(')');
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &text);
        for (n, body) in BODIES.iter().enumerate() {
            for x in [0, 1, 8, 0x7fff, 0x3ff0_0000_0000_0001] {
                let mut run = |name: &str| {
                    let result = guest.call(&format!("{name} {n}"), &[Val::I64(x)]);
                    format!("{result:?} {:?}", guest.call("count", &[]))
                };
                let expected = run("indirect");
                assert_eq!(run("direct"), expected, "{} of {x:#x}", body.2);
                assert_eq!(run("tried"), expected, "{} of {x:#x}", body.2);
                assert_eq!(run("again"), run("called again"), "{} of {x:#x}", body.2);
            }
        }
    });
}

/// Several parameters and results, references and vectors among them, below other values on the stack.
#[test]
fn they_take_and_give_many_values() {
    let text = r#"(module
        (type $swap (func (param i32 f64) (result f64 i32)))
        (table funcref (elem $swap))
        (func $swap (type $swap) (local.get 1) (local.get 0))
        (func $pass (param externref) (result externref) (local.get 0))
        (func $is_null (param externref) (result i32) (ref.is_null (local.get 0)))
        (func $func (param funcref) (result funcref) (local.get 0))
        (func $vector (param v128 v128) (result v128) (local.get 1))
        (func $nothing)
        (func $drops (param i32 i32 i32))
        (func (export "swap") (result i32) (local $d f64) (local $i i32)
            (i32.const 1000) (call $swap (i32.const 7) (f64.const 0.5)) (local.set $i) (local.set $d) (i32.add (local.get $i))
            (call_indirect (type $swap) (i32.const 1) (f64.const 0.5) (i32.const 0)) (local.set $i) (f64.sub (local.get $d)) (i32.trunc_f64_s)
            (i32.add (local.get $i)) (i32.add))
        (func (export "refs") (param externref) (result i32)
            (i32.add (call $is_null (call $pass (call $pass (local.get 0)))) (ref.is_null (call $func (ref.func $swap)))))
        (func (export "vector") (param i64) (result i64) (local v128)
            (local.set 1 (i64x2.splat (local.get 0)))
            (i64x2.extract_lane 1 (call $vector (f32x4.splat (f32.const 1)) (i64x2.add (local.get 1) (local.get 1)))))
        (func (export "nothing") (result i32) (call $nothing) (i32.const 5) (call $drops (i32.const 1) (i32.const 2) (i32.const 3)) (call $nothing))
        (func (export "overflow") (call $nothing) (call $overflow))
        (func $overflow (call $nothing) (call $overflow)))"#;
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, text);
        assert_eq!(format!("{:?}", guest.call("swap", &[])), "[I32(1008)]");
        assert_eq!(format!("{:?}", guest.call("refs", &[Val::ExternRef(None)])), "[I32(1)]");
        assert_eq!(format!("{:?}", guest.call("vector", &[Val::I64(21)])), "[I64(42)]");
        assert_eq!(format!("{:?}", guest.call("nothing", &[])), "[I32(5)]");
        assert_eq!(guest.trap("overflow", &[]), TrapCode::StackOverflow);
    });
}

/// Who can be seen to have a frame has one.
#[test]
fn what_traps_is_in_the_backtrace() {
    let bodies = [
        "(i32.div_u (i32.const 1) (local.get 0))",
        "(i32.div_s (i32.const 1) (local.get 0))",
        "(i32.rem_u (i32.const 1) (local.get 0))",
        "(i32.rem_s (i32.const 1) (local.get 0))",
        "(i32.wrap_i64 (i64.div_u (i64.const 1) (i64.extend_i32_u (local.get 0))))",
        "(i32.wrap_i64 (i64.rem_s (i64.const 1) (i64.extend_i32_u (local.get 0))))",
        "(i32.trunc_f32_s (f32.const nan))",
        "(i32.trunc_f64_u (f64.const inf))",
        "(i32.wrap_i64 (i64.trunc_f32_u (f32.const nan)))",
        "(i32.wrap_i64 (i64.trunc_f64_s (f64.const inf)))",
        "(i32.load (i32.const -1))",
        "(unreachable)",
        "(drop (ref.as_non_null (ref.null func))) (i32.const 1)",
        "(call_indirect (result i32) (i32.const 7))",
    ];
    for body in bodies {
        let text = format!(
            r#"(module (memory 1) (table 1 funcref)
            (func (export "run") (result i32) (call $small (i32.const 0)))
            (func $small (param i32) (result i32) {body}))"#
        );
        for_each_style(|engine| {
            let error = Guest::new(engine, &text).try_call("run", &[]).unwrap_err();
            let frames = error.backtrace().expect("a trap has one").frames.len();
            assert_eq!(frames, 2, "{body}: {error}");
        });
    }
}
