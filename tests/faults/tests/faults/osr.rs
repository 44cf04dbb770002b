//! Activations that go on in Cranelift's code in the middle of a loop: whatever the loop can use comes along.
//!
//! Each program is run by Lightbeam whole, then with loops that are entered in the other compiler's code; which of its loops follows
//! from a number.

use crate::every_pc;
use sconce_engine::{
    BoundsStyle, CallStyle, Caller, Config, Engine, ExternRef, Linker, Module, Store, Tier, TrapCode, TypedFunc, Val,
};
use sconce_faults::{Guest, assert_success, config, in_children};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Enough for each loop of a program to have been chosen.
const SEEDS: u64 = 64;

/// Functions `run`, from an i32 to an i64 (and some of an externref), which go through each loop several times.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "operands of all types below nested loops",
        r#"(func (export "run") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $sum i64)
            (i64.const 1) (i64.const 0x123456789abcdef0) (f32.const 1.5) (f64.const 2.25)
            (v128.const i64x2 7 9) (i32.add (local.get $n) (i32.const -1)) (v128.const i64x2 0 0)
            (loop $outer
                (f64.convert_i32_s (local.get $i))
                (i64.extend_i32_u (local.get $n))
                (local.set $j (i32.const 3))
                (loop $inner
                    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_s (local.get $j))))
                    (br_if $inner (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
                (local.set $sum (i64.add (local.get $sum)))
                (i64.trunc_f64_s) (local.set $sum (i64.xor (local.get $sum)))
                (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (i64x2.extract_lane 1) (local.set $sum (i64.add (local.get $sum)))
            (i64.extend_i32_s) (local.set $sum (i64.add (local.get $sum)))
            (i64x2.extract_lane 1) (local.set $sum (i64.add (local.get $sum)))
            (i64.trunc_f64_s) (local.set $sum (i64.add (local.get $sum)))
            (i64.reinterpret_f64 (f64.promote_f32)) (local.set $sum (i64.add (local.get $sum)))
            (i64.add) (i64.add (local.get $sum)))"#,
    ),
    (
        "locals of all types, in registers and in the frame",
        r#"(func (export "run") (param $n i32) (result i64)
            (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i32) (local $f f32) (local $g f64) (local $h v128)
            (local $i f64) (local $j f64) (local $k i64) (local $l i32) (local $unused i64)
            (local $p f64) (local $q f32) (local $r v128) (local $s i64) (local $t i32)
            (local.set $h (i64x2.splat (i64.const 3)))
            (local.set $p (f64.const 1.1)) (local.set $q (f32.const 2.3)) (local.set $r (v128.const i64x2 5 0x7777777777777777))
            (local.set $s (i64.const 0x1122334455667788)) (local.set $t (i32.const 0x12345678))
            (loop $l
                (local.set $a (i64.xor (local.get $a) (i64.reinterpret_f64 (local.get $p))))
                (local.set $b (i64.add (local.get $b) (i64.reinterpret_f64 (f64.promote_f32 (local.get $q)))))
                (local.set $k (i64.add (local.get $k) (i64x2.extract_lane 1 (local.get $r))))
                (local.set $a (i64.add (local.get $a) (i64.sub (local.get $s) (i64.extend_i32_u (local.get $t)))))
                (local.set $a (i64.add (local.get $a) (i64.const 1)))
                (local.set $b (i64.add (local.get $b) (local.get $a)))
                (local.set $c (i64.xor (local.get $c) (local.get $b)))
                (local.set $d (i64.rotl (local.get $c) (local.get $a)))
                (local.set $e (i32.wrap_i64 (local.get $d)))
                (local.set $f (f32.add (local.get $f) (f32.const 0.5)))
                (local.set $g (f64.add (local.get $g) (f64.promote_f32 (local.get $f))))
                (local.set $h (i64x2.add (local.get $h) (i64x2.splat (local.get $d))))
                (local.set $i (f64.add (local.get $i) (local.get $g)))
                (local.set $j (f64.sub (local.get $j) (local.get $i)))
                (local.set $k (i64.add (local.get $k) (i64.extend_i32_u (local.get $e))))
                (local.set $l (i32.sub (local.get $l) (local.get $e)))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i64.add (i64.add (local.get $d) (i64x2.extract_lane 1 (local.get $h)))
                (i64.add (i64.reinterpret_f64 (local.get $j)) (i64.add (local.get $k) (i64.extend_i32_u (local.get $l))))))"#,
    ),
    (
        "parameters of loops, and of ifs around them",
        r#"(func (export "run") (param $n i32) (result i64) (local $k i32)
            (i64.const 100)
            (local.set $k (local.get $n))
            (loop $a (param i64) (result i64)
                (i64.const 7) (i64.extend_i32_u (local.get $k))
                (if (param i64 i64) (result i64 i64) (i32.and (local.get $k) (i32.const 1))
                    (then
                        (loop $b (param i64 i64) (result i64 i64)
                            (i64.const 1) (i64.add)
                            (local.set $n (i32.add (local.get $n) (i32.const 3)))
                            (br_if $b (i32.rem_u (local.get $n) (i32.const 5)))))
                    (else
                        (drop) (i64.const 5)
                        (loop $c (param i64 i64) (result i64 i64)
                            (i64.const 2) (i64.mul)
                            (local.set $n (i32.add (local.get $n) (i32.const 1)))
                            (br_if $c (i32.rem_u (local.get $n) (i32.const 7))))))
                (i64.mul) (i64.add)
                (br_if $a (local.tee $k (i32.sub (local.get $k) (i32.const 1))))))"#,
    ),
    (
        "ifs without an else, jump tables, blocks that end behind the loop",
        r#"(func (export "run") (param $n i32) (result i64) (local $x i64) (local $k i32)
            (local.set $k (local.get $n))
            (i64.const 11)
            (block $out (result i64)
                (i64.const 12)
                (block $three (block $two (block $one
                    (loop $l
                        (local.set $x (i64.add (local.get $x) (i64.extend_i32_u (local.get $k))))
                        (if (i32.and (local.get $k) (i32.const 2)) (then
                            (loop $m
                                (local.set $x (i64.add (local.get $x) (i64.const 5)))
                                (br_if $l (local.tee $k (i32.sub (local.get $k) (i32.const 1))))
                                (br_if $m (i32.and (local.get $k) (i32.const 1))))))
                        (br_if $l (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
                    (br_table $one $two $three (i32.rem_u (local.get $n) (i32.const 4))))
                    (local.set $x (i64.add (local.get $x) (i64.const 1000))))
                    (br_if $out (local.get $x) (i32.and (local.get $n) (i32.const 8))) (drop))
                (i64.add (local.get $x)))
            (i64.add))"#,
    ),
    (
        "more results than registers, more parameters than registers",
        r#"(func $many (param i64 i64 i64 i64 i64 i64 i64 i64 i32 f64 f64 f64 f64 f64 f64 f64 f64 f64 f64)
                (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
            (loop $l
                (local.set 7 (i64.add (local.get 7) (local.get 6)))
                (local.set 18 (f64.add (local.get 18) (local.get 17)))
                (br_if $l (local.tee 8 (i32.sub (local.get 8) (i32.const 1)))))
            (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
            (i64.trunc_f64_s (local.get 18)) (i64.trunc_f64_s (local.get 9)))
        (func (export "run") (param $n i32) (result i64) (local $x i64) (local $k i32)
            (local.set $k (i32.const 5))
            (loop $l
                (call $many (local.get $x) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
                    (local.get $n) (f64.const 9) (f64.const 8) (f64.const 7) (f64.const 6) (f64.const 5) (f64.const 4) (f64.const 3)
                    (f64.const 2) (f64.const 1) (f64.const 0.5))
                (i64.add) (i64.mul) (i64.add) (i64.mul) (i64.add) (i64.mul) (i64.add) (i64.mul) (i64.add)
                (local.set $x (i64.xor (local.get $x)))
                (br_if $l (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
            (local.get $x))"#,
    ),
    (
        "memory, globals and recursion in a loop",
        r#"(memory 1) (global $g (mut i64) (i64.const 3))
        (func $walk (export "run") (param $n i32) (result i64) (local $i i32) (local $sum i64)
            (if (i32.eqz (local.get $n)) (then (return (i64.const 1))))
            (i64.const 77)
            (loop $l
                (i64.store (i32.shl (local.get $i) (i32.const 3)) (i64.add (global.get $g) (i64.extend_i32_u (local.get $i))))
                (local.set $sum (i64.add (local.get $sum) (i64.load (i32.shl (local.get $i) (i32.const 3)))))
                (global.set $g (i64.add (global.get $g) (i64.const 1)))
                (if (i32.eq (local.get $i) (i32.const 2)) (then
                    (local.set $sum (i64.add (local.get $sum) (call $walk (i32.shr_u (local.get $n) (i32.const 1)))))))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 6))))
            (i64.add (local.get $sum)))"#,
    ),
    (
        "vectors in the frame, across calls of functions that are new each time",
        r#"(type $f (func (param v128) (result v128)))
        (table funcref (elem $f0 $f1 $f2 $f3 $f4 $f5 $f6 $f7))
        (func $f0 (type $f) (i32x4.add (local.get 0) (v128.const i32x4 1 2 3 4)))
        (func $f1 (type $f) (i32x4.mul (local.get 0) (v128.const i32x4 5 6 7 8)))
        (func $f2 (type $f) (i64x2.add (local.get 0) (v128.const i64x2 9 10)))
        (func $f3 (type $f) (v128.xor (local.get 0) (v128.const i64x2 11 0x1234567890)))
        (func $f4 (type $f) (i8x16.add (local.get 0) (i8x16.splat (i32.const 1))))
        (func $f5 (type $f) (i32x4.add (local.get 0) (v128.const i32x4 1 2 3 4)))
        (func $f6 (type $f) (i16x8.sub (local.get 0) (v128.const i32x4 1 2 3 4)))
        (func $f7 (type $f) (v128.not (local.get 0)))
        (func (export "run") (param $n i32) (result i64) (local $v v128) (local $k i32) (local $x f64) (local $y f32) (local $z i64)
            (local.set $v (i64x2.splat (i64.extend_i32_u (local.get $n))))
            (local.set $x (f64.convert_i32_u (local.get $n))) (local.set $y (f32.const 3.5)) (local.set $z (i64.const -2))
            (call_indirect (type $f) (local.get $v) (i32.and (local.get $n) (i32.const 7)))
            (f64.mul (local.get $x) (f64.const 1.25))
            (i32.add (local.get $n) (i32.const 5))
            (loop $l
                (local.set $v (call_indirect (type $f) (local.get $v) (local.get $k)))
                (i64.add (i64.extend_i32_u (local.get $k)) (local.get $z))
                (loop $m
                    (local.set $x (f64.add (local.get $x) (f64.promote_f32 (local.get $y))))
                    (local.set $z (i64.mul (local.get $z) (i64.const 3)))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $m (i32.and (local.get $n) (i32.const 3))))
                (local.set $z (i64.add (local.get $z)))
                (local.set $y (f32.add (local.get $y) (f32.const 0.25)))
                (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 8))))
            (i64.extend_i32_u) (local.set $z (i64.add (local.get $z)))
            (i64.reinterpret_f64) (local.set $z (i64.add (local.get $z)))
            (v128.xor (local.get $v)) (local.set $v)
            (i64.add (i64.add (i64x2.extract_lane 0 (local.get $v)) (i64x2.extract_lane 1 (local.get $v)))
                (i64.add (local.get $z) (i64.add (i64.reinterpret_f64 (local.get $x)) (i64.extend_i32_u (i32.reinterpret_f32 (local.get $y)))))))"#,
    ),
    (
        "locals that only dead code names, and loops without code",
        r#"(func $nothing)
        (func $skips (param $x f64) (param $n i32) (result f64)
            (call $nothing)
            (block $b (br_if $b (local.get $n))
                (loop (drop (local.get $x)) (drop (local.get $x)))
                (loop (loop)))
            (local.get $x))
        (func (export "run") (param $n i32) (result i64) (local $dead i64) (local $sum i64) (local $late i64)
            (block (br 0) (drop (local.get $dead)))
            (local.set $late (i64.const 17))
            (loop $l
                (local.set $sum (i64.add (i64.mul (local.get $sum) (local.get $late)) (i64.extend_i32_u (local.get $n))))
                (local.set $sum (i64.xor (local.get $sum)
                    (i64.reinterpret_f64 (call $skips (f64.convert_i32_u (local.get $n)) (i32.and (local.get $n) (i32.const 1))))))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum))"#,
    ),
    (
        "a leaf that keeps no context",
        r#"(memory 1)
        (func $sum (param $at i32) (param $n i32) (result i64) (local $sum i64)
            (loop $l
                (local.set $sum (i64.add (local.get $sum) (i64.load32_u (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const 4)))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum))
        (func $pure (param $n i32) (result i64) (local $sum i64)
            (loop $l
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) (i64.extend_i32_u (local.get $n))))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum))
        (func (export "run") (param $n i32) (result i64)
            (i64.store (i32.const 8) (i64.const 0x1234567800000009))
            (i64.add (call $sum (i32.const 0) (local.get $n)) (call $pure (local.get $n))))"#,
    ),
    (
        "exceptions through loops, and loops in regions",
        r#"(tag $t (param i64)) (tag $u)
        (func $throw (param $n i32) (if (i32.and (local.get $n) (i32.const 1)) (then (throw $t (i64.extend_i32_u (local.get $n)))))
            (if (i32.and (local.get $n) (i32.const 4)) (then (throw $u))))
        (func (export "run") (param $n i32) (result i64) (local $x i64) (local $k i32)
            (local.set $k (local.get $n))
            (i64.const 5)
            (loop $outer
                (i64.const 9)
                (block $caught (result i64)
                    (block $other
                        (try_table (catch $t $caught) (catch_all $other)
                            (loop $l
                                (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 3)) (i64.extend_i32_u (local.get $k))))
                                (call $throw (local.get $k))
                                (br_if $l (local.tee $k (i32.sub (local.get $k) (i32.const 2)))))))
                    (i64.const 1000))
                (local.set $x (i64.add (i64.add (local.get $x))))
                (br_if $outer (i32.gt_s (local.tee $k (i32.sub (local.get $k) (i32.const 1))) (i32.const 0))))
            (i64.add (local.get $x)))"#,
    ),
];

fn engine(seed: u64) -> Engine {
    let bounds = if seed & 4 == 0 { BoundsStyle::Guard } else { BoundsStyle::Explicit };
    let config = config((Tier::Auto, bounds, CallStyle::Slots)).lazy(Some(0)).mixed_tiers(Some(seed));
    Engine::new(&config.gc_stress(seed & 1 != 0).paranoid(seed & 2 != 0)).expect("an engine")
}

#[test]
fn what_loops_use_comes_along() {
    let lower = Engine::new(&Config::new().tier(Tier::Lightbeam)).expect("an engine");
    for &(name, program) in PROGRAMS {
        let text = format!("(module {program})");
        let run = |engine: &Engine| {
            let mut guest = Guest::new(engine, &text);
            [1, 2, 3, 6, 7, 12, 13].map(|n| guest.call("run", &[Val::I32(n)]))
        };
        let wanted = run(&lower);
        for seed in 0..SEEDS {
            assert_eq!(run(&engine(seed)), wanted, "{name}, {seed}");
        }
    }
}

/// Objects that only a loop holds, in locals and below it, live on.
#[test]
fn references_come_along() {
    const TEXT: &str = r#"(module
        (import "" "object" (func $object (param i64) (result externref)))
        (import "" "value" (func $value (param externref) (result i64)))
        (type $f (func (param i64) (result i64)))
        (elem declare func $double $same)
        (func $double (type $f) (i64.mul (local.get 0) (i64.const 2)))
        (func $same (type $f) (local.get 0))
        (global $kept (mut externref) (ref.null extern))
        (func (export "run") (param $n i32) (result i64)
            (local $a externref) (local $b externref) (local $f (ref null $f)) (local $sum i64) (local $k i32)
            (local.set $a (call $object (i64.const 3)))
            (local.set $f (ref.func $double))
            (call $object (i64.const 5)) (ref.null extern) (ref.func $same) (i32.const 1) (call $object (i64.const 8))
            (loop $outer
                (call $object (i64.extend_i32_u (local.get $n)))
                (local.set $k (i32.const 4))
                (loop $inner
                    (local.set $b (call $object (i64.add (call $value (local.get $a)) (i64.const 1))))
                    (global.set $kept (local.get $b))
                    (local.set $sum (i64.add (local.get $sum) (call_ref $f (call $value (global.get $kept)) (local.get $f))))
                    (local.set $a (global.get $kept))
                    (br_if $inner (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
                (call $value) (local.set $sum (i64.add (local.get $sum)))
                (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (call $value) (local.set $sum (i64.add (local.get $sum)))
            (i64.extend_i32_u) (local.set $sum (i64.add (local.get $sum)))
            (local.set $f)
            (i64.extend_i32_u (ref.is_null)) (local.set $sum (i64.add (local.get $sum)))
            (call $value) (call_ref $f (local.get $sum) (local.get $f)) (i64.add)))"#;
    let define = |_: &mut Store<()>, linker: &mut Linker<()>| {
        let object = |mut caller: Caller<'_, ()>, n: i64| ExternRef::new(&mut caller, n).map(Some);
        linker.func_wrap("", "object", object).expect("a function");
        let value = |caller: Caller<'_, ()>, object: Option<ExternRef>| {
            let object = object.expect("an object");
            *object.data(&caller).downcast_ref::<i64>().expect("a number")
        };
        linker.func_wrap("", "value", value).expect("a function");
    };
    let run = |engine: &Engine| {
        let mut guest = Guest::with(engine, TEXT, define);
        [1, 2, 5, 20].map(|n| guest.call("run", &[Val::I32(n)]))
    };
    let wanted = run(&Engine::new(&Config::new().tier(Tier::Lightbeam)).expect("an engine"));
    for seed in 0..SEEDS {
        assert_eq!(run(&engine(seed)), wanted, "{seed}");
    }
}

/// A trap in a loop that was entered so, and what it is called from.
#[test]
fn backtraces_name_the_same_places() {
    const TEXT: &str = r#"(module (memory 1)
        (func $inner (param $n i32) (loop $l
            (i32.store (i32.shl (local.get $n) (i32.const 13)) (local.get $n))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br $l)))
        (func (export "run") (param $n i32) (loop $l
            (if (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))) (then (call $inner (i32.const 0))))
            (br $l))))"#;
    let places = |engine: &Engine| {
        let mut guest = Guest::new(engine, TEXT);
        let error = guest.try_call("run", &[Val::I32(5)]).expect_err("it traps");
        let frames = &error.backtrace().expect("a backtrace").frames;
        frames.iter().map(|frame| (frame.func, frame.wasm_offset)).collect::<Vec<_>>()
    };
    let wanted = places(&Engine::new(&Config::new().tier(Tier::Lightbeam)).expect("an engine"));
    assert!(wanted.len() == 2 && wanted.iter().all(|(_, offset)| offset.is_some()), "{wanted:?}");
    for seed in 0..SEEDS {
        assert_eq!(places(&engine(seed)), wanted, "{seed}");
    }
}

/// A program that is one loop, called once, gets better code, if there is a processor for that.
#[test]
fn a_loop_that_goes_on_is_fetched() {
    if std::thread::available_parallelism().expect("a number").get() < 2 {
        return;
    }
    const TEXT: &str = r#"(module
        (import "" "goes_on" (func $goes_on (result i32)))
        (func (export "run") (result i64) (local $n i64) (local $k i32)
            (i64.const 42)
            (loop $outer
                (local.set $k (i32.const 100000))
                (loop $inner
                    (local.set $n (i64.add (i64.rotl (local.get $n) (i64.const 7)) (i64.const 1)))
                    (br_if $inner (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
                (br_if $outer (call $goes_on)))))"#;
    let engine = Engine::new(&Config::new().lazy(Some(0))).expect("an engine");
    let module = Module::new(&engine, TEXT.as_bytes()).expect("a module");
    let mut store = Store::new(&engine, ()).expect("a store");
    let mut linker = Linker::new(&engine);
    let (asked, begin) = (module.clone(), Instant::now());
    let goes_on = move || {
        let entries = asked.lazy_stats().expect("it is lazy").entries;
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", asked.lazy_stats());
        i32::from(entries == 0)
    };
    linker.func_wrap("", "goes_on", goes_on).expect("a function");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let run: TypedFunc<(), i64> = instance.get_typed_func(&mut store, "run").expect("a function");
    assert_eq!(run.call(&mut store, ()).expect("it returns"), 42);
}

/// Threads that execute the instruction over which the breakpoint is written.
#[test]
fn loops_are_entered_under_threads() {
    for seed in 0..8 {
        let engine = Engine::new(
            &config((Tier::Auto, BoundsStyle::Guard, CallStyle::Slots)).lazy(Some(0)).mixed_tiers(Some(seed)).parallel(true),
        );
        let engine = engine.expect("an engine");
        for &(name, program) in PROGRAMS {
            let module = Module::new(&engine, format!("(module {program})").as_bytes()).expect("a module");
            let results: Vec<Vec<i64>> = std::thread::scope(|scope| {
                let thread = || {
                    let mut store = Store::new(&engine, ()).expect("a store");
                    let instance = Linker::new(&engine).instantiate(&mut store, &module).expect("an instance");
                    let run: TypedFunc<i32, i64> = instance.get_typed_func(&mut store, "run").expect("a function");
                    (1..20).map(|n| run.call(&mut store, n).expect("it returns")).collect()
                };
                let threads: Vec<_> = (0..6).map(|_| scope.spawn(thread)).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            assert!(results.windows(2).all(|two| two[0] == two[1]), "{name}, {seed}");
        }
    }
}

/// `run` arms, if that is wanted, and goes through loops with a call, a reference and an operand below; `stay` does not end.
const STEPPED: &str = r#"(module
    (import "" "arm" (func $arm))
    (memory 1)
    (func $next (param i32) (result i32) (i32.add (local.get 0) (i32.load (i32.const 0))))
    (func $loops (param $n i32) (param $r externref) (result i64) (local $i i32) (local $sum i64)
        (i64.const 5)
        (loop $outer
            (local.set $i (i32.const 2))
            (loop $inner
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) (i64.extend_i32_u (call $next (local.get $i)))))
                (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (if (ref.is_null (local.get $r)) (then (unreachable)))
        (i64.add (local.get $sum)))
    (func (export "run") (param i32 externref) (result i64) (call $arm) (call $loops (local.get 0) (local.get 1)))
    (func $stays (result i64) (local $n i64)
        (loop $l (local.set $n (i64.add (local.get $n) (i64.const 1))) (br_if $l (i32.eqz (i32.load (i32.const 8)))))
        (i32.store (i32.const 8) (i32.const 0))
        (local.get $n))
    (func (export "stay") (result i64) (call $arm) (call $stays))
    (func (export "end") (i32.store (i32.const 8) (i32.const 1))))"#;

/// An interrupt at every instruction on the way into the other code, the breakpoint's among them, and in it.
fn interrupted_at_every_step(seed: u64) {
    let config = config((Tier::Auto, BoundsStyle::Guard, CallStyle::Slots)).lazy(Some(0)).mixed_tiers(Some(seed)).parallel(false);
    let engine = Engine::new(&config).expect("an engine");
    let module = Module::new(&engine, STEPPED.as_bytes()).expect("a module");
    let mut store = Store::new(&engine, ()).expect("a store");
    let mut linker = Linker::new(&engine);
    let stepping = Arc::new(AtomicBool::new(false));
    let wanted = stepping.clone();
    let arm = move || {
        if wanted.load(Ordering::Relaxed) {
            every_pc::arm();
        }
    };
    linker.func_wrap("", "arm", arm).expect("a function");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let run: TypedFunc<(i32, Option<ExternRef>), i64> = instance.get_typed_func(&mut store, "run").expect("a function");
    let stay: TypedFunc<(), i64> = instance.get_typed_func(&mut store, "stay").expect("a function");
    let end: TypedFunc<(), ()> = instance.get_typed_func(&mut store, "end").expect("a function");
    let value = Some(ExternRef::new(&mut store, 7_u32).expect("a reference"));
    let whole = |store: &mut Store<()>| run.call(&mut *store, (2, value.clone()));
    // All is compiled before a step is taken, and all loops that are to be left have their breakpoints.
    let expected = whole(&mut store).expect("it returns");
    end.call(&mut store, ()).expect("it returns");
    assert_eq!(stay.call(&mut store, ()).expect("it returns"), 1);
    assert_eq!(whole(&mut store).expect("it returns"), expected);
    let entries = module.lazy_stats().expect("it is lazy").entries;
    let handle = store.interrupt_handle();
    every_pc::prepare(&handle);
    stepping.store(true, Ordering::Relaxed);
    let (mut k, mut interrupted) = (0, 0);
    loop {
        every_pc::aim(k);
        let result = whole(&mut store);
        every_pc::disarm();
        let reached = every_pc::reached();
        match result {
            Ok(value) => assert_eq!(value, expected, "step {k}"),
            Err(e) => {
                assert_eq!(e.trap_code(), Some(TrapCode::Interrupt), "step {k}: {e}");
                let frames: Vec<u32> = e.backtrace().expect("a backtrace").frames.iter().rev().map(|f| f.func.as_u32()).collect();
                assert!(matches!(frames[..], [3] | [3, 2] | [3, 2, 1]), "step {k}: {frames:?}");
                interrupted += 1;
            }
        }
        handle.clear();
        every_pc::aim(usize::MAX);
        assert_eq!(whole(&mut store).expect("it returns"), expected, "step {k}");
        every_pc::disarm();
        if !reached {
            break;
        }
        k += 1;
    }
    assert!(k > 50 && interrupted > k / 2, "{k} steps, interrupted at {interrupted}");
    // An interrupt that got lost would be waited for for ever.
    for k in 0..60 {
        every_pc::aim(k);
        let e = stay.call(&mut store, ()).expect_err("it does not end");
        every_pc::disarm();
        assert!(every_pc::reached() && e.trap_code() == Some(TrapCode::Interrupt), "step {k}: {e}");
        handle.clear();
    }
    every_pc::finish();
    println!("{k} steps, interrupted at {interrupted}, {entries} entries");
}

#[test]
fn interrupts_come_at_every_step_of_the_way_over() {
    let mut entries = 0;
    for (_, out) in in_children("osr::interrupts_come_at_every_step_of_the_way_over", 0..2, interrupted_at_every_step) {
        assert_success(&out);
        let said = String::from_utf8_lossy(&out.stdout);
        let said = said.lines().find_map(|line| line.strip_suffix(" entries")).and_then(|line| line.rsplit(' ').next());
        entries += said.and_then(|n| n.parse::<u64>().ok()).expect("a number of entries");
    }
    assert!(entries > 2, "{entries}");
}

/// Operands below the loop cost the other compiler more than a body's length says: no more are taken along than cost little.
#[test]
fn who_has_too_much_below_the_loop_stays() {
    let entries = |operands: usize| -> u64 {
        let text = format!(
            r#"(module (func (export "run") (param $n i32) (result i64) {} (loop $l {} {}
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) {}))"#,
            "(i64.extend_i32_u (local.get $n)) ".repeat(operands),
            "(block ".repeat(200),
            ")".repeat(200),
            "(i64.add) ".repeat(operands - 1)
        );
        let entered = |seed: u64| {
            let engine =
                Engine::new(&config((Tier::Auto, BoundsStyle::Guard, CallStyle::Slots)).lazy(Some(0)).mixed_tiers(Some(seed)));
            let engine = engine.expect("an engine");
            let module = Module::new(&engine, text.as_bytes()).expect("a module");
            let mut store = Store::new(&engine, ()).expect("a store");
            let instance = Linker::new(&engine).instantiate(&mut store, &module).expect("an instance");
            let run: TypedFunc<i32, i64> = instance.get_typed_func(&mut store, "run").expect("a function");
            for _ in 0..2 {
                assert_eq!(run.call(&mut store, 7).expect("it returns"), 7 * operands as i64, "{seed}");
            }
            module.lazy_stats().expect("it is lazy").entries
        };
        (0..16).map(entered).sum()
    };
    assert!(entries(10) > 0);
    assert_eq!(entries(300), 0);
}
