//! Exceptions in their old form, as people meet them: what is listed and told is what the file says, though
//! other code was compiled.

use crate::support::{Dir, contains};

const PROGRAM: &str = r#"(module
  (tag $e (param i32))
  (func $inner (param i32)
    (if (local.get 0) (then unreachable))
    (throw $e (i32.const 7)))
  (func $outer (param i32)
    try
      (call $inner (local.get 0))
    catch $e
      drop
      try
        (call $inner (i32.const 1))
      delegate 0
    catch_all
      rethrow 0
    end)
  (func (export "_start") (call $outer (i32.const 0))))"#;

/// Offsets of a listing's lines with this operator.
fn offsets(listing: &str, operator: &str) -> Vec<String> {
    let lines = listing.lines().filter_map(|line| {
        let (wasm, _) = line.split_once('|').unwrap_or((line, ""));
        let (offset, text) = wasm.split_once(' ')?;
        (text.trim() == operator).then(|| offset.to_owned())
    });
    lines.collect()
}

#[test]
fn frames_are_at_the_offsets_of_the_file() {
    let dir = Dir::new();
    dir.file("old.wat", PROGRAM);
    for tier in ["lightbeam", "cranelift"] {
        let listing = dir.sconce(["disas", "--tier", tier, "old.wat"]).output().expect("runs");
        let listing = String::from_utf8(listing.stdout).expect("is text");
        let (trap, calls) = (offsets(&listing, "unreachable"), offsets(&listing, "call 0 $inner"));
        let start = offsets(&listing, "call 1 $outer");
        let told = dir.run(&format!("--tier {tier} old.wat")).fails(134);
        let frames = [(&trap[0], "inner"), (&calls[1], "outer"), (&start[0], "_start")];
        let expected: String = frames.iter().enumerate().map(|(n, (at, name))| format!("   {n}: {at} {name}\n")).collect();
        assert_eq!(told, format!("error: unreachable\n{expected}"), "{listing}");
    }
}

#[test]
fn what_is_listed_is_what_the_file_says() {
    let dir = Dir::new();
    dir.file("old.wat", PROGRAM);
    contains(&dir.run("inspect old.wat").ok(), &["exception-handling, legacy-exception-handling"]);
    for tier in ["lightbeam", "cranelift"] {
        let listing = dir.run(&format!("disas --tier {tier} old.wat")).ok();
        let operators: Vec<&str> = listing.lines().map(|l| l.split('|').next().unwrap_or(l).trim_end()).collect();
        for line in [
            " try",
            "   call 0 $inner",
            " catch 0",
            "   try",
            "     call 0 $inner",
            "   delegate 0",
            " catch_all",
            "   rethrow 0",
        ] {
            assert!(operators.iter().any(|l| l.ends_with(line)), "{line}\n{listing}");
        }
        for other in ["try_table", "throw_ref", "local.set"] {
            assert!(!operators.iter().any(|l| l.contains(other)), "{other}\n{listing}");
        }
    }
}

#[test]
fn an_exception_that_nobody_catches_is_told_with_its_values() {
    let dir = Dir::new();
    dir.file(
        "uncaught.wat",
        r#"(module
  (tag $e (param i32))
  (func $inner (throw $e (i32.const 7)))
  (func $kept try (call $inner) delegate 0)
  (func $again try (call $kept) catch_all rethrow 0 end)
  (func (export "plain") (call $kept))
  (func (export "again") (call $again)))"#,
    );
    for tier in ["lightbeam", "cranelift"] {
        // Where a `delegate` skips nothing, nothing is caught: all frames are there.
        let told = dir.run(&format!("--tier {tier} --invoke plain uncaught.wat")).fails(134);
        contains(&told, &["uncaught exception: tag $e (i32: 7)", " inner", " kept", " plain"]);
        // What is thrown again comes from there.
        let told = dir.run(&format!("--tier {tier} --invoke again uncaught.wat")).fails(134);
        contains(&told, &["uncaught exception: tag $e (i32: 7)", " again"]);
        assert!(!told.contains("inner"), "{told}");
    }
}
