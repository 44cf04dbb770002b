//! The cost of a call from wasm to a typed host function, beyond the host function itself, in Sconce and in Wasmtime.
//!
//! Both run the same module and the same Rust closures in one process, in turns; the least of several rounds counts. Prints JSON:
//! a list of [kind, runner, nanoseconds].

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

const CALLS: i32 = 4_000_000;
const ROUNDS: usize = 9;

const MODULE: &str = r#"
(module
  (import "host" "nothing" (func $nothing))
  (import "host" "add" (func $add (param i32 i32) (result i32)))
  (import "host" "six" (func $six (param i64 i64 i32 i32 f64 f64) (result f64)))
  (func (export "nothing") (param $n i32)
    (loop $again
      (call $nothing)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "add") (param $n i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (call $add (local.get $sum) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "six") (param $n i32)
    (local $sum f64)
    (loop $again
      (local.set $sum (call $six (i64.const 1) (i64.const 2) (i32.const 3) (local.get $n) (local.get $sum) (f64.const 0.5)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
"#;

const KINDS: [&str; 3] = ["no arguments", "two integers", "six arguments"];
const EXPORTS: [&str; 3] = ["nothing", "add", "six"];

/// What the host functions do: count themselves, and a little arithmetic.
#[inline(never)]
fn nothing(calls: &mut u64) {
    *calls += 1;
}

#[inline(never)]
fn add(calls: &mut u64, a: i32, b: i32) -> i32 {
    *calls += 1;
    a.wrapping_add(b)
}

#[inline(never)]
fn six(calls: &mut u64, a: i64, b: i64, c: i32, d: i32, e: f64, f: f64) -> f64 {
    *calls += 1;
    (a ^ b) as f64 + f64::from(c & d) + e * f
}

/// Nanoseconds a call of something that makes `CALLS` calls.
fn time(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// The same calls from Rust.
fn callee(kind: usize) -> f64 {
    let mut calls = 0;
    let mut sum = (0, 0.0);
    let took = time(|| {
        for n in 0..CALLS {
            match kind {
                0 => nothing(black_box(&mut calls)),
                1 => sum.0 = add(black_box(&mut calls), sum.0, black_box(n)),
                _ => sum.1 = six(black_box(&mut calls), 1, 2, 3, black_box(n), sum.1, 0.5),
            }
        }
    });
    black_box(sum);
    took
}

type Runner = Box<dyn FnMut(usize) -> Result<f64, Box<dyn Error>>>;

fn sconce() -> Result<Runner, Box<dyn Error>> {
    use sconce_engine::{Caller, Config, Engine, Linker, Module, Store};
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(&engine, MODULE.as_bytes())?;
    let mut linker = Linker::<u64>::new(&engine);
    linker.func_wrap("host", "nothing", |mut caller: Caller<'_, u64>| nothing(caller.data_mut()))?;
    linker.func_wrap("host", "add", |mut caller: Caller<'_, u64>, a: i32, b: i32| add(caller.data_mut(), a, b))?;
    linker.func_wrap("host", "six", |mut caller: Caller<'_, u64>, a: i64, b: i64, c: i32, d: i32, e: f64, f: f64| {
        six(caller.data_mut(), a, b, c, d, e, f)
    })?;
    let mut store = Store::new(&engine, 0u64)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let mut functions = Vec::new();
    for name in EXPORTS {
        functions.push(instance.get_typed_func::<i32, ()>(&mut store, name)?);
    }
    Ok(Box::new(move |kind| {
        let before = *store.data();
        let mut result = Ok(());
        let took = time(|| result = functions[kind].call(&mut store, CALLS));
        result?;
        assert_eq!(*store.data() - before, CALLS as u64);
        Ok(took)
    }))
}

fn wasmtime() -> Result<Runner, Box<dyn Error>> {
    use wasmtime::{Caller, Engine, Linker, Module, Store};
    let engine = Engine::default();
    let module = Module::new(&engine, MODULE)?;
    let mut linker = Linker::<u64>::new(&engine);
    linker.func_wrap("host", "nothing", |mut caller: Caller<'_, u64>| nothing(caller.data_mut()))?;
    linker.func_wrap("host", "add", |mut caller: Caller<'_, u64>, a: i32, b: i32| add(caller.data_mut(), a, b))?;
    linker.func_wrap("host", "six", |mut caller: Caller<'_, u64>, a: i64, b: i64, c: i32, d: i32, e: f64, f: f64| {
        six(caller.data_mut(), a, b, c, d, e, f)
    })?;
    let mut store = Store::new(&engine, 0u64);
    let instance = linker.instantiate(&mut store, &module)?;
    let mut functions = Vec::new();
    for name in EXPORTS {
        functions.push(instance.get_typed_func::<i32, ()>(&mut store, name)?);
    }
    Ok(Box::new(move |kind| {
        let before = *store.data();
        let mut result = Ok(());
        let took = time(|| result = functions[kind].call(&mut store, CALLS));
        result?;
        assert_eq!(*store.data() - before, CALLS as u64);
        Ok(took)
    }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut runners = [("Sconce", sconce()?), ("Wasmtime", wasmtime()?)];
    let mut lines = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let mut own = f64::INFINITY;
        let mut least = [f64::INFINITY; 2];
        for _ in 0..ROUNDS {
            own = own.min(callee(kind));
            for (least, (_, run)) in least.iter_mut().zip(&mut runners) {
                *least = least.min(run(kind)?);
            }
        }
        for (least, (runner, _)) in least.iter().zip(&runners) {
            lines.push(format!("[\"{name}\", \"{runner}\", {:.3}]", least - own));
        }
    }
    println!("[{}]", lines.join(", "));
    Ok(())
}
