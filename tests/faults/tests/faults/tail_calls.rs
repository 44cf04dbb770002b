//! Tail calls: in constant stack, whatever they go through; what a trap in one tells; and interrupts of loops
//! that consist of nothing else.

use sconce_engine::{Backtrace, Engine, Instance, Linker, Module, TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::time::Duration;

/// More than would fit on any stack, at sixteen bytes each.
const MANY: i32 = 10_000_000;

/// Loops of tail calls, each with its way to call; the last argument counts down.
const LOOPS: &str = r#"(module
    (type $one (func (param i32) (result i32)))
    (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 v128 i32) (result i32)))
    (type $super (sub (func (param i32) (result i32))))
    (type $sub (sub $super (func (param i32) (result i32))))
    (import "other" "back" (func $other (type $one)))
    (import "host" "end" (func $host_end (param i32) (result i32)))
    (import "host" "wide end" (func $host_wide (type $wide)))
    (table $t 8 funcref)
    (table $typed 1 (ref null $one))
    (elem (table $t) (i32.const 0) func $indirect $narrow $wide $via_sub)
    (elem (table $typed) (i32.const 0) (ref null $one) (ref.func $typed))
    (elem declare func $by_ref)
    (func $direct (export "direct") (type $one)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call $direct (i32.sub (local.get 0) (i32.const 1))))
    (func $indirect (export "indirect") (type $one)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_indirect $t (type $one) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
    (func $typed (export "typed table") (type $one)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_indirect $typed (type $one) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
    (func $via_sub (export "subtype") (type $sub)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_indirect $t (type $super) (i32.sub (local.get 0) (i32.const 1)) (i32.const 3)))
    (func $by_ref (export "reference") (type $one)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_ref $one (i32.sub (local.get 0) (i32.const 1)) (ref.func $by_ref)))
    (func (export "import") (type $one)
        (return_call $other (local.get 0)))
    ;; From few arguments to many and back: each call of the pair moves the frame.
    (func $narrow (export "more arguments") (type $one)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_indirect $t (type $wide) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
            (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (v128.const i32x4 1 2 3 4) (local.get 0) (i32.const 2)))
    (func $wide (type $wide)
        (if (i64.ne (i64.const 55) (i64.add (i64.add (i64.add (local.get 0) (local.get 1)) (i64.add (local.get 2) (local.get 3)))
            (i64.add (i64.add (local.get 4) (local.get 5))
                (i64.add (i64.add (local.get 6) (local.get 7)) (i64.add (local.get 8) (local.get 9))))))
            (then (unreachable)))
        (if (i32.ne (i32.const 4) (i32x4.extract_lane 3 (local.get 10))) (then (unreachable)))
        (return_call_indirect $t (type $one) (i32.sub (local.get 11) (i32.const 1)) (i32.const 1)))
    ;; Through host functions, which return to the caller of the function that called them in its place.
    (func $to_host (type $one) (return_call $host_end (local.get 0)))
    (func $to_wide_host (type $one)
        (return_call $host_wide (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
            (i64.const 8) (i64.const 9) (i64.const 10) (v128.const i32x4 1 2 3 4) (local.get 0)))
    (func (export "host") (type $one)
        (loop
            (if (i32.ne (call $to_host (local.get 0)) (i32.add (local.get 0) (i32.const 1))) (then (unreachable)))
            (if (i32.ne (call $to_wide_host (local.get 0)) (i32.add (local.get 0) (i32.const 56))) (then (unreachable)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.const 42))
    ;; More results than there are registers: the buffer is passed on.
    (func $many_results (param i32) (result i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
        (if (i32.eqz (local.get 0)) (then (return
            (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8)
            (i32.const 9) (i32.const 10))))
        (return_call $many_results (i32.sub (local.get 0) (i32.const 1))))
    (func (export "many results") (type $one)
        (call $many_results (local.get 0))
        (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add)
        (i32.sub (i32.const 13))))"#;

/// What `LOOPS` calls in another instance, which calls back through a table that both share.
const OTHER: &str = r#"(module
    (type $one (func (param i32) (result i32)))
    (table (export "table") 1 funcref)
    (func (export "back") (type $one)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))
        (return_call_indirect (type $one) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))"#;

fn loops(engine: &Engine) -> Guest {
    let mut other: Option<Instance> = None;
    let mut guest = Guest::with(engine, LOOPS, |store, linker| {
        let module = Module::new(engine, OTHER.as_bytes()).unwrap();
        let instance = Linker::new(engine).instantiate(&mut *store, &module).unwrap();
        linker.instance(&mut *store, "other", instance).unwrap();
        linker.func_wrap("host", "end", |n: i32| n + 1).unwrap();
        let wide = |a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64, j: i64, v: u128, n: i32| {
            assert_eq!(v >> 96, 4);
            n + (a + b + c + d + e + f + g + h + i + j) as i32 + 1
        };
        linker.func_wrap("host", "wide end", wide).unwrap();
        other = Some(instance);
    });
    let back = guest.instance.get_func(&mut guest.store, "import").unwrap();
    let table = other.unwrap().get_table(&mut guest.store, "table").unwrap();
    table.set(&mut guest.store, 0, Val::FuncRef(Some(back))).unwrap();
    guest
}

#[test]
fn millions_need_no_stack() {
    for_each_style(|engine| {
        let mut guest = loops(engine);
        for name in ["direct", "indirect", "typed table", "reference", "import", "more arguments", "many results"] {
            assert_eq!(guest.call(name, &[Val::I32(MANY)]), [Val::I32(42)], "{name}");
        }
        // Each of these calls leaves wasm.
        for name in ["host", "subtype"] {
            assert_eq!(guest.call(name, &[Val::I32(100_000)]), [Val::I32(42)], "{name}");
        }
    });
}

/// The functions of a backtrace.
fn functions(backtrace: &Backtrace) -> Vec<u32> {
    backtrace.frames.iter().map(|frame| frame.func.as_u32()).collect()
}

#[test]
fn a_trap_shows_who_is_still_there() {
    const TRAPS: &str = r#"(module
        (type $t (func (param i32)))
        (table 1 funcref)
        (func $outer (export "run") (param i32) (call $gone (local.get 0)) (nop))
        (func $gone (param i32) (return_call $also_gone (local.get 0)))
        (func $also_gone (param i32)
            (if (i32.eq (local.get 0) (i32.const 0)) (then (return_call $innermost (local.get 0))))
            (if (i32.eq (local.get 0) (i32.const 1)) (then (return_call_indirect (type $t) (local.get 0) (i32.const 0))))
            (if (i32.eq (local.get 0) (i32.const 2)) (then (return_call_indirect (type $t) (local.get 0) (i32.const 1))))
            (return_call_ref $t (local.get 0) (ref.null $t)))
        (func $innermost (param i32) (unreachable)))"#;
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, TRAPS);
        for (n, code, frames) in [
            (0, TrapCode::Unreachable, [3, 0]),
            (1, TrapCode::UninitializedElement, [2, 0]),
            (2, TrapCode::UndefinedElement, [2, 0]),
            (3, TrapCode::NullFunctionReference, [2, 0]),
        ] {
            let error = guest.try_call("run", &[Val::I32(n)]).unwrap_err();
            assert_eq!((error.trap_code(), functions(error.backtrace().unwrap())), (Some(code), frames.to_vec()));
            guest.assert_alive();
        }
    });
}

#[test]
fn recursion_that_only_ends_in_a_tail_call_overflows() {
    const TEXT: &str = r#"(module
        (func $f (export "run") (param i64) (result i64) (i64.add (call $g (local.get 0)) (i64.const 1)))
        (func $g (param i64) (result i64)
            (return_call $h (local.get 0) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)))
        (func $h (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64) (return_call $f (i64.add (local.get 0) (local.get 7)))))"#;
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, TEXT);
        for _ in 0..20 {
            assert_eq!(guest.trap("run", &[Val::I64(0)]), TrapCode::StackOverflow);
        }
    });
}

#[test]
fn loops_of_nothing_but_tail_calls_are_interrupted() {
    const TEXT: &str = r#"(module
        (table 1 1 funcref) (elem (i32.const 0) $indirect)
        (type $t (func)) (elem declare func $by_ref)
        (func $self (export "self") (return_call $self))
        (func $a (export "pair") (return_call $b (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)))
        (func $b (param i64 i64 i64 i64 i64 i64 i64) (return_call $a))
        (func $indirect (export "indirect") (return_call_indirect (i32.const 0)))
        (func $by_ref (export "reference") (return_call_ref $t (ref.func $by_ref))))"#;
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, TEXT);
        for name in ["self", "pair", "indirect", "reference"] {
            let handle = guest.store.interrupt_handle();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    handle.interrupt();
                });
                assert_eq!(guest.trap(name, &[]), TrapCode::Interrupt, "{name}");
            });
        }
    });
}
