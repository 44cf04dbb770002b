//! Host functions that compiled code calls without a trampoline: interrupts at every instruction of the way
//! there and back, and stacks that end on it.

use crate::every_pc;
use sconce_engine::{
    Backtrace, BoundsStyle, CallStyle, Caller, Engine, Error, Exception, Extern, FuncType, Linker, Module, Store, Tag, Tier,
    TrapCode, TypedFunc, Val, ValType,
};
use sconce_faults::{Guest, STYLES, Style, assert_success, config, in_child};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn functions(backtrace: &Backtrace) -> Vec<u32> {
    backtrace.frames.iter().map(|frame| frame.func.as_u32()).collect()
}

/// The host function returns, throws, or fails; who called it has no handler, its caller has one. The second
/// call of the host finds whatever the first one left behind.
const FAILS: &str = r#"(module
    (import "" "arm" (func $arm))
    (import "" "host" (func $host (param i32) (result i32)))
    (import "" "tag" (tag $e (param i32)))
    (func $calls (param i32) (result i32) (i32.add (call $host (local.get 0)) (i32.const 1)))
    (func $catches (param i32) (result i32)
        (block $h (result i32)
            (try_table (catch $e $h) (return (call $calls (local.get 0))))
            (unreachable)))
    (func $run (export "run") (param i32) (result i32)
        (i32.add (call $catches (local.get 0)) (call $host (i32.const 7))))
    (func (export "armed") (param i32) (result i32) (call $arm) (call $run (local.get 0))))"#;

/// An interrupt between what a host function recorded and the look at it: the store must not hold on to an
/// exception, its handler's frame being gone.
fn at_every_instruction(style: Style) {
    let engine = Engine::new(&config(style)).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new(&engine);
    let tag = Tag::new(&mut store, &FuncType { params: [ValType::I32].into(), results: [].into() }).unwrap();
    linker.define(&mut store, "", "tag", tag).unwrap();
    linker.func_wrap("", "arm", every_pc::arm).unwrap();
    let host = move |mut caller: Caller<'_, ()>, n: i32| match n {
        -1 => Err(Error::exception(Exception::new(&mut caller, tag, &[Val::I32(100)])?)),
        -2 => Err(Error::trap(TrapCode::Unreachable)),
        n => Ok(n),
    };
    linker.func_wrap("", "host", host).unwrap();
    let module = Module::new(&engine, FAILS.as_bytes()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let mut get = |name| instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
    let (run, armed) = (get("run"), get("armed"));
    let check = |k: usize, n: i32, result: Result<i32, Error>| match (n, result) {
        (-2, Err(e)) if e.trap_code() == Some(TrapCode::Unreachable) => {
            let frames = functions(e.backtrace().unwrap());
            assert!(matches!(frames[..], [2, 3, 4] | [2, 3, 4, 5]), "step {k}: {frames:?}");
        }
        (-1, Ok(107)) | (5, Ok(13)) => {}
        (_, other) => panic!("step {k}, {n}: {other:?}"),
    };
    let runs = |k: usize, store: &mut Store<()>, run: &TypedFunc<i32, i32>| {
        for n in [5, -1, -2] {
            let result = run.call(&mut *store, n);
            check(k, n, result);
        }
    };
    runs(0, &mut store, &run);
    let handle = store.interrupt_handle();
    every_pc::prepare(&handle);
    for n in [5, -1, -2] {
        let (mut k, mut interrupted) = (0, 0);
        loop {
            every_pc::aim(k);
            let result = armed.call(&mut store, n);
            every_pc::disarm();
            let reached = every_pc::reached();
            handle.clear();
            match result {
                Err(e) if e.trap_code() == Some(TrapCode::Interrupt) => {
                    let frames = functions(e.backtrace().unwrap());
                    let right = matches!(frames[..], [5] | [4, 5] | [3, 4, 5] | [2, 3, 4, 5]);
                    assert!(right, "step {k}, {n}: {frames:?}");
                    interrupted += 1;
                }
                other => check(k, n, other),
            }
            runs(k, &mut store, &run);
            if !reached {
                break;
            }
            k += 1;
        }
        println!("{n}: {k} steps, interrupted at {interrupted}");
        assert!(k > 60 && interrupted > k / 4, "{n}: {k} steps, interrupted at {interrupted}");
    }
    every_pc::finish();
}

#[test]
fn interrupts_at_every_instruction_of_cranelift() {
    let test = "in_place::interrupts_at_every_instruction_of_cranelift";
    assert_success(&in_child(test, || at_every_instruction((Tier::Cranelift, BoundsStyle::Guard, CallStyle::Direct))));
}

#[test]
fn interrupts_at_every_instruction_of_lightbeam() {
    let test = "in_place::interrupts_at_every_instruction_of_lightbeam";
    assert_success(&in_child(test, || at_every_instruction((Tier::Lightbeam, BoundsStyle::Guard, CallStyle::Direct))));
}

/// Frames that the stack's end is met from at every distance: so many stack arguments are below the entry, 16 bytes each pair.
const DISTANCES: usize = 16;

/// Calls the host, then itself, for ever.
fn endless() -> String {
    let mut text = String::from(
        r#"(module
        (import "" "host" (func $host (param i32) (result i32)))
        (func (export "leaf") (param i32) (result i32) (local.get 0))
        (func $deep (param i32) (result i32)
            (i32.add (call $host (local.get 0)) (call $deep (i32.add (local.get 0) (i32.const 1)))))"#,
    );
    for n in 0..DISTANCES {
        let (params, arguments) = ("i64 ".repeat(5 + 2 * n), "(i64.const 1) ".repeat(5 + 2 * n));
        write!(
            text,
            r#"(func $far{n} (param {params}) (result i32) (i32.add (call $deep (i32.const 0)) (i32.wrap_i64 (local.get 0))))
            (func (export "{n}") (result i32) (i32.add (call $far{n} {arguments}) (i32.const 1)))"#
        )
        .unwrap();
    }
    text.push(')');
    text
}

/// The stack ends where the way to the host stores the frame that host functions see: a trap like any other, with all frames.
/// `enters` is whether the host function calls back, further down.
fn to_the_end(enters: bool) {
    for style in STYLES {
        let engine = Engine::new(&config(style).stack_size(64 << 10)).unwrap();
        let (calls, place) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let mut guest = Guest::with(&engine, &endless(), |_, linker| {
            let (calls, place) = (calls.clone(), place.clone());
            let host = move |mut caller: Caller<'_, ()>, n: i32| -> Result<i32, Error> {
                if n == 0 {
                    place.store(caller.backtrace().frames[0].wasm_offset.unwrap(), Ordering::Relaxed);
                }
                calls.store(n as u32 + 1, Ordering::Relaxed);
                if !enters {
                    return Ok(n);
                }
                let leaf = caller.get_export("leaf").and_then(Extern::func).unwrap().typed::<i32, i32>(&caller)?;
                leaf.call(&mut caller, n)
            };
            linker.func_wrap("", "host", host).unwrap();
        });
        let mut on_the_way = 0;
        for n in 0..DISTANCES {
            let error = guest.try_call(&n.to_string(), &[]).unwrap_err();
            assert_eq!(error.trap_code(), Some(TrapCode::StackOverflow), "{style:?} {n}: {error}");
            let backtrace = error.backtrace().unwrap();
            let innermost = &backtrace.frames[0];
            let deep = backtrace.frames.len() + backtrace.omitted - 2;
            let calls = calls.load(Ordering::Relaxed) as usize;
            assert!(calls > 100);
            assert!(
                matches!(functions(backtrace)[backtrace.frames.len() - 2..], [far, entry] if far as usize == 3 + 2 * n && entry == far + 1)
            );
            if innermost.wasm_offset == Some(place.load(Ordering::Relaxed)) {
                // Either the host was not reached, or it was and could not call back.
                assert!(deep == calls + 1 || enters && deep == calls, "{style:?} {n}: {deep} frames, {calls} calls");
                on_the_way += usize::from((deep == calls) == enters);
            } else {
                assert!((calls..=calls + 1 + usize::from(enters)).contains(&deep), "{style:?} {n}: {deep} frames, {calls} calls");
            }
            guest.assert_alive();
        }
        println!("{style:?}: {on_the_way}");
        assert!(on_the_way > 0, "{style:?}: the stack never ended there");
    }
}

#[test]
fn the_stack_ends_on_the_way_to_the_host() {
    to_the_end(false);
}

#[test]
fn the_stack_ends_below_the_way_to_the_host() {
    to_the_end(true);
}
