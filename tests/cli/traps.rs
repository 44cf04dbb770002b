//! Traps: the cause on the first line, then the guest's frames and nothing of the host's, and exit code 134.

use crate::support::{Dir, command, contains};

#[test]
fn the_cause_is_on_the_first_line() {
    let dir = Dir::new();
    for (body, cause) in [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const -1)))", "out of bounds memory access"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", "invalid conversion to integer"),
        ("(call_indirect (type 0) (i32.const 0))", "uninitialized element"),
        ("(call_indirect (type 0) (i32.const 7))", "undefined element"),
        ("(call 0)", "call stack exhausted"),
    ] {
        dir.file("trap.wat", format!("(module (type (func)) (table 1 funcref) (memory 1) (func (export \"_start\") {body}))"));
        let message = dir.run("trap.wat").fails(134);
        assert_eq!(message.lines().next(), Some(format!("error: {cause}").as_str()), "{message}");
    }
}

#[test]
fn frames_have_names_and_offsets() {
    let dir = Dir::new();
    dir.file(
        "trap.wat",
        r#"(module
  (func $_ZN3app5inner17h0123456789abcdefE unreachable)
  (func $_Z5outeri (param i32) (call $_ZN3app5inner17h0123456789abcdefE))
  (func (export "_start") (call $_Z5outeri (i32.const 1)) (call 3))
  (func))"#,
    );
    let message = dir.run("trap.wat").fails(134);
    let frames: Vec<&str> = message.lines().skip(1).collect();
    assert_eq!(frames.len(), 3, "{message}");
    for (i, (frame, name)) in frames.iter().zip(["app::inner", "outer(int)", "_start"]).enumerate() {
        assert!(frame.trim_start().starts_with(&format!("{i}: 0x")), "{message}");
        assert!(frame.ends_with(&format!(" {name}")), "{message}");
    }
}

#[test]
fn source_lines_are_shown_where_the_module_has_them() {
    let dir = Dir::new();
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/traps.wasm");
    for words in [format!("{guest} divide"), format!("--cache off {guest} divide")] {
        let message = dir.run(&words);
        assert_eq!(message.code(), 134);
        let lines: Vec<&str> = message.stderr.lines().collect();
        assert_eq!(lines[0], "error: integer divide by zero");
        assert!(lines[1].ends_with("!innermost"), "{lines:?}");
        assert!(lines[2].trim_start().starts_with("at ") && lines[2].contains("traps.c:"), "{lines:?}");
    }
}

#[test]
fn functions_without_any_name_have_their_index() {
    let dir = Dir::new();
    dir.file("trap.wat", r#"(module (func unreachable) (func (export "_start") (call 0)))"#);
    let message = dir.run("trap.wat").fails(134);
    assert!(message.lines().nth(1).is_some_and(|l| l.ends_with(" func[0]")), "{message}");
}

#[test]
fn names_of_a_cached_and_a_precompiled_module_are_there_too() {
    let dir = Dir::new();
    dir.file("trap.wat", r#"(module (func $culprit unreachable) (func (export "_start") (call $culprit)))"#);
    let first = dir.run("trap.wat").fails(134);
    contains(&first, &["culprit"]);
    assert_eq!(dir.run("trap.wat").fails(134), first);
    dir.run("compile trap.wat").ok();
    assert_eq!(dir.run("--allow-precompiled trap.cwasm").fails(134), first);
}

#[test]
fn a_trap_at_instantiation_is_one_too() {
    let dir = Dir::new();
    dir.file("start.wat", r#"(module (func $begin unreachable) (start $begin) (func (export "_start")))"#);
    contains(&dir.run("start.wat").fails(134), &["error: unreachable\n", "begin"]);
    dir.file("data.wat", r#"(module (memory 1) (data (i32.const 65536) "x") (func (export "_start")))"#);
    contains(&dir.run("data.wat").fails(134), &["error: out of bounds memory access"]);
}

#[test]
fn what_was_written_before_is_not_lost() {
    let dir = Dir::new();
    dir.file("trap.wat", command(r#"(func (export "_start") (call $hello) unreachable)"#));
    let out = dir.run("trap.wat");
    assert_eq!((out.code(), out.stdout.as_str()), (134, "hello\n"), "{out:?}");
}

#[test]
fn deep_backtraces_are_cut() {
    let dir = Dir::new();
    dir.file("deep.wat", r#"(module (func $again (export "_start") (call $again)))"#);
    let message = dir.run("deep.wat").fails(134);
    contains(&message, &["error: call stack exhausted\n", "again", "frames are left out"]);
    assert_eq!(message.lines().count(), 1 + 30 + 1 + 10 + 1, "{message}");
}

#[test]
fn traps_in_a_preload_name_its_frames() {
    let dir = Dir::new();
    dir.file("lib.wat", r#"(module $lib (func (export "fail") unreachable))"#);
    dir.file("main.wat", r#"(module $main (import "lib" "fail" (func $fail)) (func (export "_start") (call $fail)))"#);
    let message = dir.run("--preload lib=lib.wat main.wat").fails(134);
    contains(&message, &["lib!fail", "main!_start"]);
}
