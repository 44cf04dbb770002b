//! The runner's own behaviour: every kind of directive passes when it should, fails when it should, and says where and why.

use sconce_engine::{Config, Engine};
use sconce_wast::{Options, Report, run_script};

fn run_with(text: &str, options: &Options) -> Report {
    run_script(&Engine::new(&Config::new()).unwrap(), "test.wast", text, options)
}

fn run(text: &str) -> Report {
    run_with(text, &Options::default())
}

/// Fails unless a script of `n` directives passes.
fn passes(n: usize, text: &str) {
    let report = run(text);
    assert!(report.is_success(), "{report}");
    assert_eq!(report.passed, n);
}

/// Fails unless the last directive of a script, and no other, fails; gives expected and got.
fn last_fails(text: &str) -> (String, String) {
    let report = run(text);
    assert_eq!(report.failures.len(), 1, "{report}");
    let failure = &report.failures[0];
    assert_eq!(failure.file, "test.wast");
    assert!(text.lines().nth(failure.line - 1).unwrap()[failure.column - 1..].starts_with('('), "{failure}");
    (failure.expected.clone(), failure.got.clone())
}

/// As [`last_fails`], where only the beginning of what was expected and a part of what came matter.
fn fails(text: &str, expected: &str, got: &str) {
    let (e, g) = last_fails(text);
    assert!(e.starts_with(expected) && g.contains(got), "expected: {e}\ngot: {g}");
}

const MODULE: &str = r#"(module
    (memory 1)
    (table (export "table") 1 funcref)
    (global (export "global") i32 (i32.const 7))
    (func (export "id32") (param i32) (result i32) (local.get 0))
    (func (export "id64") (param i64) (result i64) (local.get 0))
    (func (export "idf32") (param f32) (result f32) (local.get 0))
    (func (export "idf64") (param f64) (result f64) (local.get 0))
    (func (export "idv128") (param v128) (result v128) (local.get 0))
    (func $func (export "idfunc") (param funcref) (result funcref) (local.get 0))
    (func (export "idextern") (param externref) (result externref) (local.get 0))
    (func (export "func") (result funcref) (ref.func $func))
    (func (export "two") (result i32 f64) (i32.const 1) (f64.const -0.5))
    (func (export "div") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
    (func $recurse (export "recurse") (call $recurse)))
"#;

#[test]
fn results_that_match() {
    passes(
        22,
        &format!(
            r#"{MODULE}
            (invoke "id32" (i32.const 1))
            (assert_return (invoke "id32" (i32.const -1)) (i32.const 0xffffffff))
            (assert_return (invoke "id64" (i64.const -5)) (i64.const -5))
            (assert_return (invoke "idf32" (f32.const 0.1)) (f32.const 0.1))
            (assert_return (invoke "idf32" (f32.const -nan)) (f32.const nan:canonical))
            (assert_return (invoke "idf32" (f32.const nan:0x400001)) (f32.const nan:arithmetic))
            (assert_return (invoke "idf64" (f64.const nan:0x1234)) (f64.const nan:0x1234))
            (assert_return (invoke "idv128" (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 -1)) (v128.const i32x4 0x03020100 0x07060504 0x0b0a0908 0xff0e0d0c))
            (assert_return (invoke "idv128" (v128.const f32x4 nan 1 -nan 2)) (v128.const f32x4 nan:canonical 1 nan:arithmetic 2))
            (assert_return (invoke "idfunc" (ref.null func)) (ref.null func))
            (assert_return (invoke "idfunc" (ref.null func)) (ref.null))
            (assert_return (invoke "idextern" (ref.null extern)) (ref.null extern))
            (assert_return (invoke "idextern" (ref.extern 3)) (ref.extern 3))
            (assert_return (invoke "idextern" (ref.extern 3)) (ref.extern))
            (assert_return (invoke "func") (ref.func))
            (assert_return (invoke "func") (ref.func 5))
            (assert_return (invoke "two") (i32.const 1) (f64.const -0.5))
            (assert_return (invoke "id32" (i32.const 2)) (either (i32.const 1) (i32.const 2)))
            (assert_return (get "global") (i32.const 7))
            (assert_trap (invoke "div" (i32.const 0)) "integer divide by zero")
            (assert_exhaustion (invoke "recurse") "call stack exhausted")"#
        ),
    );
}

#[test]
fn results_that_do_not_match() {
    for (directive, expected, got) in [
        (r#"(assert_return (invoke "id32" (i32.const 1)) (i32.const 2))"#, "(i32.const 2)", "(i32.const 1)"),
        (r#"(assert_return (invoke "id32" (i32.const 1)) (i64.const 1))"#, "(i64.const 1)", "(i32.const 1)"),
        (r#"(assert_return (invoke "id32" (i32.const 1)))"#, "no results", "(i32.const 1)"),
        (r#"(assert_return (invoke "two") (i32.const 1))"#, "(i32.const 1)", "(i32.const 1) (f64.const -0.5)"),
        (
            r#"(assert_return (invoke "two") (i32.const 1) (f64.const 0.5))"#,
            "(i32.const 1) (f64.const 0.5)",
            "(i32.const 1) (f64.const -0.5)",
        ),
        (r#"(assert_return (invoke "idf32" (f32.const 0)) (f32.const -0))"#, "(f32.const -0.0)", "(f32.const 0.0)"),
        (
            r#"(assert_return (invoke "idf32" (f32.const nan:0x1)) (f32.const nan:arithmetic))"#,
            "(f32.const nan:arithmetic)",
            "(f32.const nan:0x1)",
        ),
        (
            r#"(assert_return (invoke "idf64" (f64.const nan:0x8000000000001)) (f64.const nan:canonical))"#,
            "(f64.const nan:canonical)",
            "(f64.const nan:0x8000000000001)",
        ),
        (
            r#"(assert_return (invoke "idv128" (v128.const i16x8 0 1 2 3 4 5 6 7)) (v128.const i16x8 0 1 2 3 4 5 6 8))"#,
            "(v128.const i16x8 0 1 2 3 4 5 6 8)",
            "(v128.const i16x8 0 1 2 3 4 5 6 7)",
        ),
        (r#"(assert_return (invoke "idfunc" (ref.null func)) (ref.null extern))"#, "(ref.null extern)", "(ref.null func)"),
        (r#"(assert_return (invoke "func") (ref.null))"#, "(ref.null)", "(ref.func 5)"),
        (r#"(assert_return (invoke "func") (ref.func 4))"#, "(ref.func 4)", "(ref.func 5)"),
        (r#"(assert_return (invoke "func") (ref.func $func))"#, "(ref.func $func)", "(ref.func 5)"),
        (r#"(assert_return (invoke "func") (ref.null any))"#, "(ref.null any)", "(ref.func 5)"),
        (r#"(assert_return (invoke "idextern" (ref.extern 3)) (ref.null nofunc))"#, "(ref.null nofunc)", "(ref.extern 3)"),
        (r#"(assert_return (invoke "idfunc" (ref.null func)) (ref.func))"#, "(ref.func)", "(ref.null func)"),
        (r#"(assert_return (invoke "idextern" (ref.extern 3)) (ref.extern 4))"#, "(ref.extern 4)", "(ref.extern 3)"),
        (r#"(assert_return (invoke "idextern" (ref.null extern)) (ref.extern))"#, "(ref.extern)", "(ref.null extern)"),
        (
            r#"(assert_return (invoke "id32" (i32.const 3)) (either (i32.const 1) (i32.const 2)))"#,
            "(either (i32.const 1) (i32.const 2))",
            "(i32.const 3)",
        ),
        (r#"(assert_return (get "global") (i32.const 8))"#, "(i32.const 8)", "(i32.const 7)"),
        (r#"(assert_return (get "nothing") (i32.const 8))"#, r#"an exported global "nothing""#, "no such export"),
        (r#"(assert_return (get "div") (i32.const 8))"#, r#"an exported global "div""#, "another kind of export"),
        (r#"(assert_return (invoke "div" (i32.const 0)) (i32.const 8))"#, "(i32.const 8)", "a trap: integer divide by zero"),
        (r#"(invoke "div" (i32.const 0))"#, "a return", "a trap: integer divide by zero"),
        (r#"(invoke "nothing")"#, r#"an exported function "nothing""#, "no such export"),
        (r#"(invoke "table")"#, r#"an exported function "table""#, "another kind of export"),
        (r#"(invoke $other "id32")"#, "an instance named $other", "none"),
        (r#"(invoke "id32")"#, "a return", ""),
        (r#"(invoke "id32" (i64.const 1))"#, "a return", ""),
        (
            r#"(assert_trap (invoke "div" (i32.const 0)) "integer overflow")"#,
            "a trap: integer overflow",
            "a trap: integer divide by zero",
        ),
        (
            r#"(assert_trap (invoke "div" (i32.const 1)) "integer divide by zero")"#,
            "a trap: integer divide by zero",
            "(i32.const 1)",
        ),
        (
            r#"(assert_exhaustion (invoke "div" (i32.const 1)) "call stack exhausted")"#,
            "exhaustion: call stack exhausted",
            "(i32.const 1)",
        ),
        (r#"(assert_exception (invoke "div" (i32.const 1)))"#, "an exception", "(i32.const 1)"),
        (r#"(register "x" $other)"#, "an instance named $other", "none"),
        (r#"(module instance $a $other)"#, "a module to instantiate", "no such module"),
    ] {
        fails(&format!("{MODULE}{directive}"), expected, got);
    }
}

#[test]
fn modules() {
    passes(
        14,
        r#"
        (module quote "(func (export \"f\") (result i32)" " (i32.const 1))")
        (assert_return (invoke "f") (i32.const 1))
        (module binary "\00asm" "\01\00\00\00")
        (module definition $counter
            (global $n (mut i32) (i32.const 0))
            (func (export "next") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))
        (module instance $a $counter)
        (module instance $b $counter)
        (assert_return (invoke $a "next") (i32.const 1))
        (assert_return (invoke $a "next") (i32.const 2))
        (assert_return (invoke "next") (i32.const 1))
        (register "b" $b)
        (module $user (import "b" "next" (func $next (result i32))) (func (export "next") (result i32) (call $next)))
        (assert_return (invoke $user "next") (i32.const 2))
        (register "b" $a)
        (assert_unlinkable (module (import "c" "next" (func $next (result i32)))) "unknown import")
        "#,
    );
}

#[test]
fn a_name_is_registered_anew_as_a_whole() {
    passes(
        7,
        r#"
        (module (func (export "old")) (func (export "both") (result i32) (i32.const 1)))
        (register "m")
        (module (func (export "new")) (func (export "both") (result i32) (i32.const 2)))
        (register "m")
        (assert_unlinkable (module (import "m" "old" (func))) "unknown import")
        (module (import "m" "new" (func)) (import "m" "both" (func $b (result i32))) (func (export "f") (result i32) (call $b)))
        (assert_return (invoke "f") (i32.const 2))
        "#,
    );
}

#[test]
fn rejections() {
    passes(
        10,
        r#"
        (assert_malformed (module quote "(func") "unexpected end")
        (assert_malformed (module quote "\ff") "malformed UTF-8 encoding")
        (assert_malformed (module binary "") "unexpected end")
        (assert_malformed (module binary "(module)") "magic header not detected")
        (assert_malformed (module binary "\00asm\01\00\00\00\7f\01\00") "malformed section id")
        (assert_invalid (module (func (result i32))) "type mismatch")
        (assert_unlinkable (module (import "no" "thing" (func))) "unknown import")
        (assert_unlinkable (module (import "spectest" "global_i32" (func))) "incompatible import type")
        (assert_trap (module (func $s unreachable) (start $s)) "unreachable")
        (assert_trap (module (memory 1) (data (i32.const 65536) "a")) "out of bounds memory access")
        "#,
    );
    for (directive, expected, got) in [
        (
            r#"(assert_malformed (module quote "(func)") "unexpected end")"#,
            "a malformed module: unexpected end",
            "a valid module",
        ),
        (r#"(assert_invalid (module) "type mismatch")"#, "an invalid module: type mismatch", "a valid module"),
        (r#"(assert_unlinkable (module) "unknown import")"#, "a link error: unknown import", "an instance"),
        (
            r#"(assert_unlinkable (module (func $s unreachable) (start $s)) "unknown import")"#,
            "a link error",
            "a trap: unreachable",
        ),
        (r#"(assert_unlinkable (module (func (result i32))) "unknown import")"#, "a valid module", "type mismatch"),
        (r#"(assert_trap (module) "unreachable")"#, "a trap: unreachable", "no results"),
        (r#"(module (func (result i32)))"#, "a valid module", "type mismatch"),
        (r#"(module (import "no" "thing" (func)))"#, "an instance", "unknown import"),
        (r#"(module (func $s unreachable) (start $s))"#, "an instance", "a trap: unreachable"),
        (r#"(module quote "(func")"#, "a valid module", ""),
    ] {
        fails(directive, expected, got);
    }
}

#[test]
fn strict_messages_are_compared() {
    let strict = Options { strict_messages: true, ..Options::default() };
    let right = r#"(assert_invalid (module (func (result i32))) "type mismatch")"#;
    assert!(run_with(right, &strict).is_success());
    let wrong = r#"(assert_invalid (module (func (result i32))) "unknown local")"#;
    assert!(run_with(wrong, &Options::default()).is_success());
    assert_eq!(run_with(wrong, &strict).failures[0].expected, "the message: unknown local");
}

#[test]
fn each_failure_is_reported_and_the_rest_runs() {
    let text = "(module (func (export \"f\") (result i32) (i32.const 1)))\n\
        (assert_return (invoke \"f\") (i32.const 2))\n  (assert_return (invoke \"f\")\n    (i32.const 3))\n\
        (assert_nonsense)\n(invoke \"f\" (i32.const nonsense))\n(assert_return (invoke \"f\") (i32.const 1))\n";
    let report = run(text);
    assert_eq!(report.passed, 2);
    let places: Vec<_> = report.failures.iter().map(|f| (f.line, f.column, f.directive.as_str())).collect();
    assert_eq!(
        places,
        [
            (2, 1, "(assert_return (invoke \"f\") (i32.const 2))"),
            (3, 3, "(assert_return (invoke \"f\") ..."),
            (5, 1, "(assert_nonsense)"),
            (6, 1, "(invoke \"f\" (i32.const nonsense))"),
        ]
    );
    let text = report.to_string();
    assert!(text.starts_with("test.wast:2:1: failed\n  (assert_return (invoke \"f\") (i32.const 2))\n  expected: (i32.const 2)\n  got:      (i32.const 1)\n"));
    assert!(text.ends_with("\ntest.wast: 2 passed, 4 failed"));
}

/// After a module that fails, directives without a name do not fall back to the one before.
#[test]
fn a_failed_module_is_not_replaced_by_the_last() {
    let report = run("(module (func (export \"f\")))\n(invoke \"f\")\n(module (func (result i32)))\n(invoke \"f\")");
    assert_eq!((report.passed, report.failures.len()), (2, 2), "{report}");
    assert_eq!((report.failures[1].line, report.failures[1].expected.as_str()), (4, "a current instance"));
}

#[test]
fn a_file_of_fields_is_a_module() {
    passes(1, ";; a module\n(func (export \"f\"))\n(memory 1)");
    let report = run("(func (result i32))");
    assert_eq!(report.failures[0].expected, "a valid module");
}

#[test]
fn what_is_not_there_yet_fails_by_name() {
    for (text, name) in [("(component)", "components"), ("(assert_suspension (invoke \"f\") \"unhandled\")", "suspensions")] {
        let report = run(text);
        assert_eq!(report.failures.len(), 1);
        assert!(report.failures[0].got.starts_with(name), "{report}");
    }
}

const SHARED: &str = "(module $m (memory (export \"memory\") 1 1 shared) (global (export \"g\") i32 (i32.const 7)))\n";

#[test]
fn threads_share_memories() {
    // Each waits for what the other does; neither ends if they run one after the other.
    let script = r#"
        (thread $a (shared (module $m))
            (register "env" $m)
            (module (memory (import "env" "memory") 1 1 shared)
                (func (export "run") (result i32)
                    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
                    (i32.atomic.store (i32.const 4) (i32.const 5))
                    (drop (memory.atomic.notify (i32.const 4) (i32.const 1)))
                    (i32.atomic.load (i32.const 0))))
            (assert_return (invoke "run") (i32.const 42)))
        (thread $b (shared (module $m))
            (register "env" $m)
            (module (memory (import "env" "memory") 1 1 shared)
                (func (export "run") (result i32)
                    (i32.atomic.store (i32.const 0) (i32.const 42))
                    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
                    (drop (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const -1)))
                    (i32.atomic.load (i32.const 4))))
            (assert_return (invoke "run") (i32.const 5)))
        (wait $a)
        (wait $b)
        (register "env" $m)
        (module (memory (import "env" "memory") 1 1 shared) (func (export "get") (result i32) (i32.load (i32.const 4))))
        (assert_return (invoke "get") (i32.const 5))"#;
    // The module, two threads with three directives each, two waits, and three more.
    passes(14, &format!("{SHARED}{script}"));
}

#[test]
fn a_threads_failures_are_the_scripts() {
    let report = run(&format!(
        "{SHARED}(thread $a (shared (module $m))\n  (assert_return (get $m \"g\") (i32.const 7))\n  (module (func (export \"f\")))\n  (invoke \"g\"))"
    ));
    // Nobody waited for it; of the shared module it has memories only.
    assert_eq!(report.failures.iter().map(|f| (f.line, f.column)).collect::<Vec<_>>(), [(3, 3), (5, 3)], "{report}");
    assert_eq!(report.passed, 3, "{report}");
}

#[test]
fn threads_in_threads_and_without() {
    passes(
        5,
        &format!("{SHARED}(thread $a (shared (module $m)) (thread $b (shared (module $m)) (register \"x\" $m)) (wait $b))"),
    );
    passes(2, "(thread $a)(wait $a)");
    for text in ["(wait $a)", "(thread $a (shared (module $m)))", "(thread)", "(thread $a 1)", "(thread $a)(wait $a)(wait $a)"] {
        assert_eq!(run(text).failures.len(), 1, "{text}");
    }
}

#[test]
fn odd_scripts_are_failures_and_no_panics() {
    for text in [
        "(",
        ")",
        "((",
        "(((",
        "x",
        "\"",
        "(\"a\")",
        "(module",
        "(module))",
        "(;",
        "()",
        "(())",
        "(invoke)",
        "(register)",
        "(module binary 1)",
        "(module quote 1)",
        "(module definition)(",
        "(module $a $b)",
        "(assert_return)",
        "(assert_trap (module) )",
        "(assert_return (invoke \"f\") (i32.const 1) (",
        "(module (func (call $nothing)))",
        "\u{feff}(module)",
        "(module (memory 1) (memory 1) (memory 1))\0",
    ] {
        let report = run(text);
        assert!(!report.is_success(), "{text:?}: {report}");
        assert!(!report.to_string().is_empty());
    }
    let deep = format!("(assert_return (invoke \"f\") {}(i32.const 1){})", "(either ".repeat(100_000), ")".repeat(100_000));
    assert_eq!(run(&deep).failures.len(), 1);
    assert!(run("").is_success());
    assert!(run(" ;; nothing\n").is_success());
}
