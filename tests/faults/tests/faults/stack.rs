//! Recursion without end: small frames and large ones, direct and indirect, within wasm and through the host.

use sconce_engine::{Caller, Engine, Error, Extern, TrapCode, Val};
use sconce_faults::{Guest, STYLES, config, for_each_style};
use std::fmt::Write;

/// A recursive function whose frame holds `values` vectors across the call, and its entry.
fn large_frames(values: usize) -> String {
    let mut text = String::from("(module (memory 1)\n(func $f (export \"large\") (param i32) (result v128)");
    for _ in 0..values {
        text.push_str(" (local v128)");
    }
    for i in 0..values {
        writeln!(text, "(local.set {} (v128.load offset={} (local.get 0)))", i + 1, 16 * i).unwrap();
    }
    text.push_str("(call $f (i32.add (local.get 0) (i32.const 0)))\n");
    for i in 0..values {
        writeln!(text, "(i32x4.add (local.get {}))", i + 1).unwrap();
    }
    text.push_str("))");
    text
}

const RECURSION: &str = r#"(module
    (type $t (func (param i32) (result i32)))
    (table 2 2 funcref)
    (elem (i32.const 0) $indirect)
    (global $depth (mut i32) (i32.const 0))
    (func $leafless (export "small") (call $leafless))
    (func $counting (export "counting") (param i32) (result i32)
        (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
        (i32.add (call $counting (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func $odd (export "mutual") (param i64) (result i64) (i64.add (call $even (local.get 0)) (i64.const 1)))
    (func $even (param i64) (result i64) (i64.mul (call $odd (local.get 0)) (i64.const 3)))
    (func $indirect (export "indirect") (type $t)
        (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1)))
    (func $bounded (export "bounded") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (call $bounded (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
            (else (i32.const 0))))
    (func (export "depth") (result i32) (global.get $depth)))"#;

#[test]
fn small_frames() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, RECURSION);
        for _ in 0..20 {
            assert_eq!(guest.trap("small", &[]), TrapCode::StackOverflow);
            assert_eq!(guest.trap("counting", &[Val::I32(0)]), TrapCode::StackOverflow);
            assert_eq!(guest.trap("mutual", &[Val::I64(0)]), TrapCode::StackOverflow);
            assert_eq!(guest.trap("indirect", &[Val::I32(0)]), TrapCode::StackOverflow);
            // A depth that is far from the end still works.
            assert_eq!(guest.call("bounded", &[Val::I32(1000)]), [Val::I32(1000)]);
        }
        // 1 MiB of stack and frames of 16 bytes or more.
        let [Val::I32(depth)] = guest.call("depth", &[])[..] else { panic!("no depth") };
        assert!((20 * 1000..=20 * (1 << 16)).contains(&depth), "{depth}");
    });
}

#[test]
fn the_backtrace_is_bounded() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, RECURSION);
        let error = guest.try_call("counting", &[Val::I32(0)]).unwrap_err();
        let backtrace = error.backtrace().unwrap();
        assert!((16..=1024).contains(&backtrace.frames.len()), "{}", backtrace.frames.len());
        assert!(backtrace.omitted > 800, "{}", backtrace.omitted);
        assert!(backtrace.frames.iter().all(|f| f.func.as_u32() == 1));
        // All but the innermost are at the call.
        let offsets: Vec<_> = backtrace.frames[1..].iter().map(|f| f.wasm_offset).collect();
        assert!(offsets[0].is_some() && offsets.iter().all(|o| *o == offsets[0]), "{offsets:?}");
    });
}

/// Frames larger than the guard must not step over it.
#[test]
fn large_frames_probe() {
    for_each_style(|engine| {
        for values in [100, 300, 4000] {
            let mut guest = Guest::new(engine, &large_frames(values));
            for _ in 0..5 {
                assert_eq!(guest.trap("large", &[Val::I32(0)]), TrapCode::StackOverflow, "{values} vectors");
            }
        }
    });
}

/// Many parameters and results: stack arguments and the results' buffer are in the frames too.
#[test]
fn frames_of_arguments() {
    let (params, zeros) = ("i64 ".repeat(200), "(i64.const 0)".repeat(200));
    let text = format!(
        "(module (func $f (export \"args\") (param {params}) (result {params}) (call $f {zeros})) \
         (func (export \"run\") (call $f {zeros}) {}))",
        "drop ".repeat(200)
    );
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &text);
        for _ in 0..3 {
            assert_eq!(guest.trap("run", &[]), TrapCode::StackOverflow);
        }
    });
}

#[test]
fn stacks_of_other_sizes() {
    for style in STYLES {
        let mut depths = Vec::new();
        for size in [64 << 10, 1 << 20, 16 << 20] {
            let engine = Engine::new(&config(style).stack_size(size)).unwrap();
            let mut guest = Guest::new(&engine, RECURSION);
            assert_eq!(guest.trap("counting", &[Val::I32(0)]), TrapCode::StackOverflow);
            let [Val::I32(depth)] = guest.call("depth", &[])[..] else { panic!("no depth") };
            depths.push(depth);
        }
        assert!(depths[1] > 8 * depths[0] && depths[2] > 8 * depths[1], "{depths:?}");
    }
}

const THROUGH_HOST: &str = r#"(module
    (import "" "again" (func $again (param i32) (result i32)))
    (func (export "run") (param i32) (result i32)
        (i32.add (call $again (i32.add (local.get 0) (i32.const 1))) (i32.const 1))))"#;

/// A guest whose host function calls it again, and returns what that gives.
fn through_host(engine: &Engine) -> Guest {
    Guest::with(engine, THROUGH_HOST, |_, linker| {
        linker
            .func_wrap("", "again", |mut caller: Caller<'_, ()>, depth: i32| -> Result<i32, Error> {
                let Some(Extern::Func(run)) = caller.get_export("run") else { panic!("no export") };
                run.typed::<i32, i32>(&caller)?.call(&mut caller, depth)
            })
            .unwrap();
    })
}

fn recurse_through_host() {
    for_each_style(|engine| {
        let mut guest = through_host(engine);
        for _ in 0..5 {
            assert_eq!(guest.trap("run", &[Val::I32(0)]), TrapCode::StackOverflow);
        }
    });
}

#[test]
fn through_the_host() {
    recurse_through_host();
}

/// The host's stack ends before the wasm stack does.
#[test]
fn through_the_host_on_a_small_host_stack() {
    std::thread::Builder::new().stack_size(768 << 10).spawn(recurse_through_host).unwrap().join().unwrap();
}

/// The wasm stack, or the limit of nesting, ends before the host's stack does.
#[test]
fn through_the_host_on_a_large_host_stack() {
    std::thread::Builder::new().stack_size(1 << 30).spawn(recurse_through_host).unwrap().join().unwrap();
}

/// A trap in an inner activation is the host function's to handle: the outer ones go on.
#[test]
fn the_host_catches_an_overflow() {
    for_each_style(|engine| {
        let text = r#"(module
            (import "" "catch" (func $catch (result i32)))
            (func $f (export "f") (call $f))
            (func (export "run") (result i32) (i32.add (call $catch) (i32.const 1))))"#;
        let mut guest = Guest::with(engine, text, |_, linker| {
            linker
                .func_wrap("", "catch", |mut caller: Caller<'_, ()>| -> Result<i32, Error> {
                    let Some(Extern::Func(f)) = caller.get_export("f") else { panic!("no export") };
                    match f.call(&mut caller, &[], &mut []) {
                        Err(e) if e.trap_code() == Some(TrapCode::StackOverflow) => Ok(41),
                        other => panic!("{other:?}"),
                    }
                })
                .unwrap();
        });
        for _ in 0..5 {
            assert_eq!(guest.call("run", &[]), [Val::I32(42)]);
            guest.assert_alive();
        }
    });
}
