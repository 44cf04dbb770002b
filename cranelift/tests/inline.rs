//! Which calls give way to their callee's body, and what the code says of it.

use sconce_cranelift::CraneliftCompiler;
use sconce_environ::compile::{Compiler, Settings};
use sconce_environ::inlined::{INLINED, Inlining, operators};
use sconce_environ::trap::TrapCode;
use sconce_test_support::{Input, all_settings};

fn compiler(settings: &Settings) -> CraneliftCompiler {
    CraneliftCompiler::new(settings).expect("a compiler for the host")
}

/// The functions whose bodies stand in the code of the first one, by their numbers.
fn bodies(settings: &Settings, wat: &str, inlining: Inlining) -> Vec<u32> {
    let input = Input::text(wat);
    let code = compiler(settings).compile(&input.with_callees(0, inlining)).expect("code");
    code.inlined.iter().map(|body| body.func.as_u32()).collect()
}

/// Of small ones.
fn small(functions: &str) -> Vec<u32> {
    bodies(&all_settings()[0], &format!("(module {functions})"), Inlining::Small)
}

fn calls(number: usize) -> String {
    format!("(func {})", "(call $f)".repeat(number))
}

/// A leaf with a body of so many bytes: a count of locals, operators, an end.
fn leaf(bytes: usize) -> String {
    format!("(func $f {})", "(nop)".repeat(bytes - 2))
}

/// One with a loop, which has an opcode, a type and an end.
fn with_loop(bytes: usize) -> String {
    format!("(func $f (loop {}))", "(nop)".repeat(bytes - 5))
}

#[test]
fn small_bodies_give_way_up_to_their_limits() {
    for (name, callee, gives_way) in [
        ("a leaf", leaf(60), true),
        ("a larger leaf", leaf(61), false),
        ("a loop", with_loop(30), true),
        ("a larger loop", with_loop(31), false),
        ("a call", "(func $f (call $g)) (func $g (call $f))".into(), true),
        ("32 locals", format!("(func $f (local {}))", "i32 ".repeat(32)), true),
        ("33 locals", format!("(func $f (local {}))", "i32 ".repeat(33)), false),
        ("a function reference", "(func $f (local funcref))".into(), true),
        ("a handle", "(func $f (local externref))".into(), false),
        ("a handle that comes", "(func $f (param externref)) (func (call $f (ref.null extern)))".into(), false),
        ("a tail call", "(func $f (return_call $g)) (func $g)".into(), false),
        ("an exception", "(tag $t) (func $f (throw $t))".into(), false),
        ("a try", "(tag $t) (func $f (block $b (try_table (catch $t $b))))".into(), false),
    ] {
        let call = if name == "a handle that comes" { "(func (call $f (ref.null extern)))".into() } else { calls(1) };
        assert_eq!(small(&format!("{call} {callee}")).first().is_some_and(|&func| func == 1), gives_way, "{name}");
    }
}

#[test]
fn all_bodies_together_have_a_limit() {
    // 22 bytes of its own, a quarter of which is five: 261 for bodies, of which each is 8 more than its bytes.
    assert_eq!(small(&format!("{} {}", calls(10), leaf(56))), [1; 4]);
    assert_eq!(small(&format!("{} {}", calls(10), leaf(57))), [1; 4]);
    assert_eq!(small(&format!("{} {}", calls(10), leaf(58))), [1; 3]);
    // 102 bytes: 281.
    assert_eq!(small(&format!("{} {}", calls(50), leaf(48))), [1; 5]);
    assert_eq!(small(&format!("{} {}", calls(50), leaf(49))), [1; 4]);
    // A local is four, a parameter nothing.
    let with = |arguments: &str, what: &str| {
        let calls = format!("(call $f {arguments})").repeat(20);
        small(&format!("(func {calls}) (func $f ({what}))")).len()
    };
    assert_eq!((with("(i64.const 0)", "param i64"), with("", "local i64 i64 i64 i64")), (20, 9));
    // What is too large for what is left does not keep smaller ones away.
    let mixed = format!("(func {} (call $g) (call $f) (call $g)) {} (func $g)", "(call $f)".repeat(4), leaf(60));
    assert_eq!(small(&mixed), [1, 1, 1, 2, 2]);
}

#[test]
fn bodies_stand_within_each_other_three_deep_and_never_in_themselves() {
    let chain = "(func (call 1)) (func (call 2)) (func (call 3)) (func (call 4)) (func)";
    assert_eq!(small(chain), [1, 2, 3]);
    assert_eq!(small("(func (call 0))"), []);
    assert_eq!(small("(func (call 1)) (func (call 1))"), [1]);
    assert_eq!(small("(func (call 1)) (func (call 2)) (func (call 1) (call 0))"), [1, 2]);
}

#[test]
fn nothing_gives_way_where_it_is_not_to() {
    let wat = "(module (import \"\" \"\" (func $import)) (func (call $f) (call $import)) (func $f))";
    for settings in all_settings() {
        assert_eq!(bodies(&settings, wat, Inlining::Small), [1]);
        assert_eq!(bodies(&settings, wat, Inlining::Off), []);
        assert_eq!(bodies(&Settings { fuel: true, ..settings }, wat, Inlining::Most), [], "both compilers count the same");
    }
}

/// What is dear to Cranelift in a function is not to be made many times as dear by what stands in it.
#[test]
fn bodies_keep_away_from_what_they_would_multiply() {
    let below = |operands: usize| {
        let (some, none) = ("(i32.const 0)".repeat(operands), "(drop)".repeat(operands));
        small(&format!("(func {some} (call $f) {none}) (func $f)"))
    };
    assert_eq!((below(64), below(65)), (vec![1], vec![]));
    let guarded = |callee: &str| {
        let caller = "(func (block $b (try_table (catch $t $b) (call $f))))";
        small(&format!("(tag $t) {caller} {callee} (func $g (loop (nop)))"))
    };
    assert_eq!((guarded("(func $f (loop (nop)))"), guarded("(func $f (call $g))")), (vec![1], vec![]));
    // 100,000 bytes of named locals leave 2^22 / 25,001 = 167 for bodies, of 10 each.
    let locals = |number: usize| {
        let sets: String = (0..number).map(|n| format!("(local.set {n} (i32.const 0))")).collect();
        small(&format!("(func (local {}) {sets} {}) (func $f)", "i32 ".repeat(number), "(call $f)".repeat(2000))).len()
    };
    assert_eq!((locals(100), locals(25_000)), (135, 16));
}

/// What is unlikely is not worth it: by hints of the function, behind a body, and of the body.
#[test]
fn hints_count_from_the_beginning_of_their_own_body() {
    let hinted =
        |hint: u8, what: &str| format!("(@metadata.code.branch_hint \"\\0{hint}\") (if (local.get 0) (then (call {what})))");
    for hint in [0, 1] {
        let found = |functions: String| small(&functions);
        let with = |likely: &[u32], unlikely: &[u32]| if hint == 1 { likely.to_vec() } else { unlikely.to_vec() };
        assert_eq!(found(format!("(func (param i32) {}) (func $f)", hinted(hint, "$f"))), with(&[1], &[]));
        assert_eq!(found(format!("(func (param i32) (call $f) {}) (func $f)", hinted(hint, "$f"))), with(&[1, 1], &[1]));
        let callee = format!("(func $f (param i32) {})", hinted(hint, "$g"));
        let caller = format!("(func (param i32) (nop) (nop) (call $f (local.get 0)) {})", hinted(1 - hint, "$g"));
        assert_eq!(found(format!("{caller} {callee} (func $g)")), with(&[1, 2], &[1, 2]));
        let callers = format!("(func (param i32) (call $f (local.get 0)) (call $f (local.get 0)) {})", hinted(hint, "$g"));
        assert_eq!(found(format!("{callers} {callee} (func $g)")), with(&[1, 2, 1, 2, 2], &[1, 1]));
    }
}

/// A trap is its operator's, in the callee, and the call's in the caller.
#[test]
fn code_says_whose_operators_it_has() {
    let wat = "(module (memory 1)
        (func (param i32) (result i32) (i32.add (call $outer (local.get 0)) (call $inner (local.get 0))))
        (func $outer (param i32) (result i32) (nop) (call $inner (i32.add (local.get 0) (i32.const 1))))
        (func $inner (param i32) (result i32) (nop) (nop) (i32.load (local.get 0))))";
    let input = Input::text(wat);
    let function = input.with_callees(0, Inlining::Small);
    let code = compiler(&all_settings()[0]).compile(&function).expect("code");
    let (outer, inner) = (input.function(1), input.function(2));
    let at = |trap: u32| {
        let n = code.wasm_offsets.partition_point(|run| run.0 <= trap) - 1;
        operators(&code.inlined, code.wasm_offsets[n].1).map(|(func, at)| (func.map(|f| f.as_u32()), at)).collect::<Vec<_>>()
    };
    let traps: Vec<_> = code.traps.iter().filter(|trap| trap.1 == TrapCode::MemoryOutOfBounds).map(|trap| at(trap.0)).collect();
    // Bodies begin with a count of locals.
    let load = (Some(2), inner.body_offset + 5);
    let through = (Some(1), outer.body_offset + 7);
    assert_eq!(traps, [vec![load, through, (None, function.body_offset + 3)], vec![load, (None, function.body_offset + 7)]]);
    assert!(code.inlined.iter().all(|body| body.first >= INLINED));
    assert!(code.relocs.is_empty(), "nothing is called");
}
