//! What directives tell apart: malformed from invalid, a trap from exhaustion, one type from another; and what `spectest` has.
//! Each of them passes when it should and fails when it should, with both compilers.

use sconce_engine::{CacheMode, Config, Engine, Tier};
use sconce_wast::{Options, Report, run_script};
use std::sync::{Arc, Mutex};

fn run_with(tier: Tier, text: &str, options: &Options) -> Report {
    let engine = Engine::new(&Config::new().cache(CacheMode::Off).tier(tier)).expect("an engine");
    run_script(&engine, "test.wast", text, options)
}

/// Fails unless every directive of a script passes, on both compilers.
fn passes(text: &str) {
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let report = run_with(tier, text, &Options::default());
        assert!(report.is_success(), "{tier:?}: {report}");
    }
}

/// Fails unless one directive of a script fails, with this said, on both compilers.
fn fails(text: &str, expected: &str, got: &str) {
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let report = run_with(tier, text, &Options::default());
        let [failure] = &report.failures[..] else { panic!("{tier:?}, {text}: {report}") };
        assert!(failure.expected.starts_with(expected) && failure.got.contains(got), "{tier:?}, {text}: {report}");
    }
}

/// Modules that break the grammar of either format.
const MALFORMED: &[&str] = &[
    r#"quote "(fun""#,
    r#"quote "(func (local.get $nothing))""#,
    r#"quote "(func (result i32)) (type $t (func)) (func (type $t) (param i32))""#,
    r#"quote "(memory 1) (func (drop (i32.load align=3 (i32.const 0))))""#,
    r#"quote "(func) (import \"m\" \"f\" (func))""#,
    r#"quote "\ff""#,
    r#"binary """#,
    r#"binary "\00asm""#,
    r#"binary "\00asm\02\00\00\00""#,
    r#"binary "\00asm\0d\00\01\00""#,
    // An unknown section, one twice, two out of order, one with bytes behind its end, a function without a body.
    r#"binary "\00asm\01\00\00\00\7f\00""#,
    r#"binary "\00asm\01\00\00\00\05\03\01\00\01\05\03\01\00\01""#,
    r#"binary "\00asm\01\00\00\00\05\03\01\00\01\01\04\01\60\00\00""#,
    r#"binary "\00asm\01\00\00\00\01\05\01\60\00\00\00""#,
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00""#,
    // Bodies: no end, `else` without `if`, something behind the end, an unknown opcode, too many locals.
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\04\01\02\00\01""#,
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\05\01\03\00\05\0b""#,
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\05\01\03\00\0b\01""#,
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\05\01\03\00\ff\0b""#,
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\10\01\0e\02\ff\ff\ff\ff\0f\7f\ff\ff\ff\ff\0f\7e\0b""#,
    // `data.drop` without a section that counts segments; a mutability that is none, and one that is a flag of another proposal.
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\07\01\05\00\fc\09\00\0b""#,
    r#"binary "\00asm\01\00\00\00\06\06\01\7f\04\41\00\0b""#,
    r#"binary "\00asm\01\00\00\00\06\06\01\7f\02\41\00\0b""#,
    // A constant expression without an end, and an operator of stack switching.
    r#"binary "\00asm\01\00\00\00\06\05\01\7f\00\41\00""#,
    r#"binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00\0a\06\01\04\00\e0\00\0b""#,
];

/// Modules that can be decoded and are not valid.
const INVALID: &[&str] = &[
    r#"(func (result i32))"#,
    r#"quote "(func (result i32))""#,
    r#"(func (call 1))"#,
    r#"(func (type 7))"#,
    r#"(memory 65537)"#,
    r#"(memory 2 1)"#,
    r#"(memory 1) (func (drop (i32.load align=8 (i32.const 0))))"#,
    r#"(func (export "a")) (func (export "a"))"#,
    r#"(global i32 (i64.const 0))"#,
    r#"(global i32 (block (result i32) (i32.const 0)))"#,
    r#"(start 3)"#,
    r#"(type (sub 0 (func)))"#,
    r#"(func (br 1))"#,
    r#"(table 1 (ref func))"#,
    r#"(elem (i32.const 0) 0)"#,
    r#"(data (i32.const 0) "")"#,
    r#"(memory i64 1) (func (drop (i32.load (i32.const 0))))"#,
    r#"binary "\00asm\01\00\00\00\01\05\01\60\00\01\7f\03\02\01\00\0a\04\01\02\00\0b""#,
];

#[test]
fn malformed_is_not_invalid() {
    for module in MALFORMED {
        passes(&format!("(assert_malformed (module {module}) \"\")"));
        fails(&format!("(assert_invalid (module {module}) \"why\")"), "an invalid module: why", "a malformed module: ");
    }
    for module in INVALID {
        passes(&format!("(assert_invalid (module {module}) \"\")"));
        fails(&format!("(assert_malformed (module {module}) \"why\")"), "a malformed module: why", "an invalid module: ");
    }
    for module in
        ["", "quote \"\"", "quote \";; (a\\n\" \"(; ;)\"", "binary \"\\00asm\\01\\00\\00\\00\"", "(func)", "(type (struct))"]
    {
        let got = if module.contains("struct") { "a module that this engine does not support" } else { "a valid module" };
        for (directive, expected) in [
            ("assert_invalid", "an invalid module"),
            ("assert_malformed", "a malformed module"),
            ("assert_invalid_custom", "an invalid module"),
            ("assert_malformed_custom", "a malformed module"),
        ] {
            fails(&format!("({directive} (module {module}) \"why\")"), expected, got);
        }
    }
}

/// Whoever is not asked for may not answer: `assert_unlinkable` and `assert_trap` are about valid modules.
#[test]
fn links_and_starts_are_of_valid_modules() {
    for module in ["(func (result i32))", "(type (struct))"] {
        fails(&format!("(assert_unlinkable (module {module}) \"\")"), "a valid module", "");
        fails(&format!("(assert_trap (module {module}) \"\")"), "a valid module", "");
    }
    let missing = r#"(module (import "no" "thing" (func)))"#;
    passes(&format!("(assert_unlinkable {missing} \"\")"));
    fails(&format!("(assert_trap {missing} \"\")"), "a trap: ", "unknown import: \"no\" \"thing\"");
    let traps = "(module (func $s unreachable) (start $s))";
    passes(&format!("(assert_trap {traps} \"unreach\")"));
    fails(&format!("(assert_unlinkable {traps} \"\")"), "a link error", "a trap: unreachable");
    fails(&format!("(assert_trap {traps} \"unreachable code\")"), "a trap: unreachable code", "a trap: unreachable");
    let recurses = "(module (func $s (call $s)) (start $s))";
    fails(&format!("(assert_trap {recurses} \"\")"), "a trap: ", "exhaustion: call stack exhausted");
    let throws = "(module (tag $t) (func $s (throw $t)) (start $s))";
    fails(&format!("(assert_trap {throws} \"\")"), "a trap: ", "exception");
    fails(&format!("(assert_unlinkable {throws} \"\")"), "a link error", "exception");
}

#[test]
fn traps_exhaustion_exceptions_and_returns_are_four_things() {
    let module = r#"(module
        (tag $t)
        (table 1 funcref)
        (func (export "return") (result i32) (i32.const 1))
        (func (export "trap") (result i32) (unreachable))
        (func (export "null") (call_indirect (i32.const 0)))
        (func $exhaust (export "exhaust") (result i32) (i32.add (call $exhaust) (i32.const 1)))
        (func (export "throw") (result i32) (throw $t)))"#;
    let ends = [
        ("return", "(i32.const 1)"),
        ("trap", "a trap: unreachable"),
        ("exhaust", "exhaustion: call stack exhausted"),
        ("throw", "exception"),
    ];
    for (directive, right) in [
        (r#"(assert_return (invoke "NAME") (i32.const 1))"#, "return"),
        (r#"(assert_return (invoke "NAME") (either (i32.const 0) (i32.const 1)))"#, "return"),
        (r#"(assert_trap (invoke "NAME") "")"#, "trap"),
        (r#"(assert_exhaustion (invoke "NAME") "")"#, "exhaust"),
        (r#"(assert_exception (invoke "NAME"))"#, "throw"),
    ] {
        for (name, got) in ends {
            let script = format!("{module}{}", directive.replace("NAME", name));
            if name == right { passes(&script) } else { fails(&script, "", got) }
        }
    }
    // The message is a prefix of ours; of elements it may have the index, and nothing else.
    for (message, right) in [
        ("uninit", true),
        ("uninitialized element", true),
        ("uninitialized element 0", true),
        ("uninitialized element here", false),
        ("unreachable", false),
    ] {
        let script = format!("{module}(assert_trap (invoke \"null\") \"{message}\")");
        if right { passes(&script) } else { fails(&script, "a trap: un", "a trap: uninitialized element") }
    }
}

/// A call through a type that is open, in a group, or has a supertype is none of a function with an inline type.
#[test]
fn inline_types_are_final_types_of_their_own() {
    for (types, wanted, traps) in [
        ("(type $t (func (result i32)))", "$t", false),
        ("(rec (type $t (sub final (func (result i32)))))", "$t", false),
        ("(type $t (sub (func (result i32))))", "$t", true),
        ("(rec (type (func)) (type $t (func (result i32))))", "$t", true),
        ("(type $p (sub (func (result i32)))) (type $t (sub final $p (func (result i32))))", "$t", true),
        ("(type $t (sub (func (result i32)))) (type $u (sub final $t (func (result i32))))", "$t", true),
    ] {
        // As a definition, quoted text, and an import from another module.
        let body = format!(
            r#"{types} (func $g (export "g") (result i32) (i32.const 3)) (table funcref (elem $g))
            (func (export "by type") (result i32) (call_indirect (type {wanted}) (i32.const 0)))
            (func (export "inline") (result i32) (call_indirect (result i32) (i32.const 0)))"#
        );
        let quoted = body.replace('"', "\\\"").replace('\n', " ");
        let check = if traps {
            r#"(assert_trap (invoke "by type") "indirect call type mismatch") (assert_return (invoke "inline") (i32.const 3))"#
        } else {
            r#"(assert_return (invoke "by type") (i32.const 3)) (assert_return (invoke "inline") (i32.const 3))"#
        };
        passes(&format!("(module {body}) {check} (module quote \"{quoted}\") {check}"));
        let import = format!("(module {types} (import \"m\" \"g\" (func (type {wanted}))))");
        let import = if traps { format!("(assert_unlinkable {import} \"\")") } else { import };
        passes(&format!("(module {body}) (register \"m\") (module (import \"m\" \"g\" (func (result i32)))) {import}"));
    }
}

#[test]
fn spectest_is_the_reference_interpreters() {
    for (name, ty) in [
        ("global_i32", "(global i32)"),
        ("global_i64", "(global i64)"),
        ("global_f32", "(global f32)"),
        ("global_f64", "(global f64)"),
        ("table", "(table 10 20 funcref)"),
        ("table64", "(table i64 10 20 funcref)"),
        ("memory", "(memory 1 2)"),
        ("shared_memory", "(memory 1 2 shared)"),
        ("print", "(func)"),
        ("print_i32", "(func (param i32))"),
        ("print_i64", "(func (param i64))"),
        ("print_f32", "(func (param f32))"),
        ("print_f64", "(func (param f64))"),
        ("print_i32_f32", "(func (param i32 f32))"),
        ("print_f64_f64", "(func (param f64 f64))"),
    ] {
        passes(&format!("(module (import \"spectest\" \"{name}\" {ty}))"));
    }
    for (name, ty) in [
        ("table", "(table i64 10 20 funcref)"),
        ("table64", "(table 10 20 funcref)"),
        ("table64", "(table i64 11 20 funcref)"),
        ("table64", "(table i64 10 19 funcref)"),
        ("memory", "(memory 2 2)"),
        ("memory", "(memory 1 1)"),
        ("global_i32", "(global (mut i32))"),
        ("print", "(func (param i32))"),
    ] {
        passes(&format!("(assert_unlinkable (module (import \"spectest\" \"{name}\" {ty})) \"\")"));
    }
    passes(
        r#"(module
            (global $a (import "spectest" "global_i32") i32) (global $b (import "spectest" "global_i64") i64)
            (global $c (import "spectest" "global_f32") f32) (global $d (import "spectest" "global_f64") f64)
            (table $t (import "spectest" "table64") i64 10 20 funcref)
            (func (export "globals") (result i32 i64 f32 f64) (global.get $a) (global.get $b) (global.get $c) (global.get $d))
            (func (export "size") (result i64) (table.size $t)))
        (assert_return (invoke "globals") (i32.const 666) (i64.const 666) (f32.const 666.6) (f64.const 666.6))
        (assert_return (invoke "size") (i64.const 10))"#,
    );
}

#[test]
fn prints_are_a_value_a_line() {
    let text = r#"(module
        (import "spectest" "print" (func $p)) (import "spectest" "print_i32" (func $i32 (param i32)))
        (import "spectest" "print_i64" (func $i64 (param i64))) (import "spectest" "print_f32" (func $f32 (param f32)))
        (import "spectest" "print_f64" (func $f64 (param f64))) (import "spectest" "print_i32_f32" (func $a (param i32 f32)))
        (import "spectest" "print_f64_f64" (func $b (param f64 f64)))
        (import "spectest" "global_f64" (global $g f64))
        (func (export "f")
            (call $p) (call $i32 (i32.const -1)) (call $i64 (i64.const 5)) (call $f32 (f32.const 0.5)) (call $f64 (global.get $g))
            (call $a (i32.const 1) (f32.const 2)) (call $b (f64.const 3) (f64.const -nan))))
        (invoke "f")"#;
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let print: sconce_wast::Print = Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_string()));
        let report = run_with(tier, text, &Options { print: Some(print), ..Options::default() });
        assert!(report.is_success(), "{report}");
        let expected = [
            "-1 : i32",
            "5 : i64",
            "0.5 : f32",
            "666.6 : f64",
            "1 : i32",
            "2.0 : f32",
            "3.0 : f64",
            "-nan:0x8000000000000 : f64",
        ];
        assert_eq!(*lines.lock().unwrap(), expected);
    }
}

/// What a script chooses neither acts on a terminal nor forges a line nor fills it.
#[test]
fn failures_are_bounded_and_on_their_lines() {
    let long = "x".repeat(100_000);
    let values = "(i32.const 7) ".repeat(1000);
    for script in [
        format!("(invoke \"{long}\")"),
        format!("(assert_trap (module) \"{long}\")"),
        format!("(module (func (export \"f\"))) (assert_return (invoke \"f\") {values})"),
        format!("(register \"{long}\" ${long})"),
        format!("(module (import \"{long}\" \"{long}\" (func)))"),
        format!("(module quote \"{long}\")"),
        "(invoke \"\\1b[31m\\0a\\0dforged.wast:1:1: failed\\e2\\80\\ae\\e2\\80\\8b\")".to_string(),
        "(assert_malformed (module) \"\\1b[31m\\0aforged: 1 passed, 0 failed\")".to_string(),
        "(module (import \"\\0a\\1b\" \"\\e2\\80\\ae\" (func)))".to_string(),
        "(assert_trap (module) \u{1}\u{202e})".to_string(),
        "(invoke \"\u{1b}[31m\u{7f}\u{85}\")".to_string(),
    ] {
        let report = run_with(Tier::Lightbeam, &script, &Options::default());
        assert_eq!(report.failures.len(), 1, "{script:.80}");
        let text = report.failures[0].to_string();
        assert!(text.len() < 10_000, "{}: {text:.200}", text.len());
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{200b}')), "{text:?}");
    }
}
