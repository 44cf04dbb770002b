//! Branch hints: what is unlikely is cold, and nothing else; sections that make no sense change nothing.

use sconce_cranelift::CraneliftCompiler;
use sconce_test_support::{Input, all_settings};

/// Blocks of the first function, in order: whether each is cold.
fn cold(bytes: Vec<u8>) -> Vec<bool> {
    let input = Input::binary(bytes).expect("a valid module");
    let (_, listing) = CraneliftCompiler::new(&all_settings()[0])
        .expect("a compiler for the host")
        .list(&input.function(0))
        .expect("it compiles");
    let heads = listing.clif.lines().map(str::trim).filter(|line| line.starts_with("block"));
    heads.map(|line| line.ends_with("cold:")).collect()
}

fn of_text(body: &str) -> Vec<bool> {
    let module = format!("(module (global $g (mut i32) (i32.const 0)) (func (param i32) (local i32) {body}))");
    cold(wat::parse_str(module).expect("well-formed text"))
}

fn count(blocks: &[bool]) -> usize {
    blocks.iter().filter(|&&cold| cold).count()
}

#[test]
fn what_is_unlikely_is_cold() {
    const SET: &str = "(global.set $g (i32.const 1))";
    const OTHER: &str = "(global.set $g (i32.const 2))";
    for (body, expected) in [
        (format!("(local.get 0) @ if {SET} else {OTHER} end"), [1, 1]),
        (format!("(local.get 0) @ if {SET} end {OTHER}"), [1, 0]),
        (format!("(local.get 0) @ if (result i32) (i32.const 5) else {SET} (i32.const 6) end (global.set $g)"), [1, 1]),
        (format!("block (local.get 0) @ br_if 0 {SET} end {OTHER}"), [1, 1]),
        (format!("loop {SET} (local.get 0) @ br_if 0 end {OTHER}"), [1, 1]),
    ] {
        assert_eq!(count(&of_text(&body.replace('@', ""))), 0, "{body}");
        for (taken, expected) in expected.into_iter().enumerate() {
            let hint = format!("(@metadata.code.branch_hint \"\\0{taken}\")");
            assert_eq!(count(&of_text(&body.replace('@', &hint))), expected, "{body}: {taken}");
        }
    }
}

#[test]
fn each_hint_is_its_branchs_alone() {
    let unlikely = "(@metadata.code.branch_hint \"\\00\")";
    let body = format!(
        "block (local.get 0) br_if 0 (local.get 0) {unlikely} br_if 0 (local.get 0) br_if 0
            unreachable (local.get 0) {unlikely} br_if 0 drop end (local.get 0) {unlikely} if end"
    );
    let blocks = of_text(&body);
    // The second `br_if`, the trap and the `if`; the branch that is not reached has no code.
    assert_eq!(count(&blocks), 3, "{blocks:?}");
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let module = wat::parse_str("(module (func (param i32) (local.get 0) if nop else nop end))").expect("well-formed text");
    let with = |contents: &[u8]| {
        let name = b"metadata.code.branch_hint";
        let mut section = vec![0, (1 + name.len() + contents.len()) as u8, name.len() as u8];
        section.extend(name);
        section.extend(contents);
        let mut module = module.clone();
        // Before the code, where it belongs, and behind it.
        module.extend(section);
        module
    };
    // The body: no locals, then local.get (2 bytes), then the `if` at 3.
    assert_eq!(count(&cold(with(&[1, 0, 1, 3, 1, 0]))), 1);
    for contents in [
        &[][..],
        &[1],
        &[1, 0],
        &[1, 0, 1, 3],
        &[1, 0, 1, 3, 1],
        &[1, 0, 1, 3, 2, 0, 0],
        &[1, 0, 1, 3, 1, 7],
        &[1, 99, 1, 3, 1, 0],
        &[1, 0, 1, 2, 1, 0],
        &[1, 0, 1, 4, 1, 0],
        &[1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff; 40],
    ] {
        assert_eq!(count(&cold(with(contents))), 0, "{contents:x?}");
    }
    // Hints before the nonsense count, the first of two for a branch does, and their order does not matter.
    assert_eq!(count(&cold(with(&[2, 0, 1, 3, 1, 0, 9]))), 1);
    assert_eq!(count(&cold(with(&[1, 0, 3, 9, 1, 0, 3, 1, 0, 3, 1, 1]))), 1);
    // Of two lists for a function the first counts, even where it is empty: adding to it each time would cost
    // its length each time.
    assert_eq!(count(&cold(with(&[2, 0, 1, 3, 1, 0, 0, 1, 3, 1, 1]))), 1);
    assert_eq!(count(&cold(with(&[2, 0, 0, 0, 1, 3, 1, 0]))), 0);
}
