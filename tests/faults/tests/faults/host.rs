//! Faults and failures of host code: they are never a guest's traps.

use sconce_engine::environ::types::Limits;
use sconce_engine::{BoundsStyle, Caller, Engine, Error, Memory, MemoryType, TrapCode, Val};
use sconce_faults::{Guest, Style, assert_success, config, direct_styles, for_each_style, in_child, in_children};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;

const CALLS_HOST: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "run") (param i32) (result i32)
        (i32.store (i32.const 0) (local.get 0))
        (i32.add (call $host (local.get 0)) (i32.load (i32.const 0)))))"#;

fn died_by(outputs: &[(Style, Output)], signal: i32) {
    assert!(!outputs.is_empty());
    for (style, output) in outputs {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.signal(), Some(signal), "{style:?}: {}\n{out}\n{err}", output.status);
    }
}

/// Runs a guest that calls `fault` on the host.
fn run_with(style: Style, fault: fn()) {
    let engine = Engine::new(&config(style)).unwrap();
    let mut guest = Guest::with(&engine, CALLS_HOST, |_, linker| {
        linker
            .func_wrap("", "host", move |x: i32| {
                fault();
                x
            })
            .unwrap();
    });
    // Handlers are installed and have worked before the fault comes.
    let result = guest.try_call("run", &[Val::I32(1)]);
    println!("survived: {result:?}");
}

fn null_dereference() {
    // SAFETY: none: this is the fault that the test is about, in a process of its own.
    unsafe {
        std::ptr::null::<u8>().wrapping_add(8).read_volatile();
    }
}

fn illegal_instruction() {
    // SAFETY: none: this is the fault that the test is about, in a process of its own.
    unsafe {
        std::arch::asm!("ud2");
    }
}

fn division_by_zero() {
    // SAFETY: none: this is the fault that the test is about, in a process of its own.
    unsafe {
        std::arch::asm!("xor edx, edx", "xor eax, eax", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _);
    }
}

#[test]
fn a_null_dereference_in_host_code_kills() {
    died_by(
        &in_children("host::a_null_dereference_in_host_code_kills", direct_styles(), |style| run_with(style, null_dereference)),
        libc::SIGSEGV,
    );
}

#[test]
fn an_illegal_instruction_in_host_code_kills() {
    died_by(
        &in_children("host::an_illegal_instruction_in_host_code_kills", direct_styles(), |style| {
            run_with(style, illegal_instruction);
        }),
        libc::SIGILL,
    );
}

#[test]
fn a_division_by_zero_in_host_code_kills() {
    died_by(
        &in_children("host::a_division_by_zero_in_host_code_kills", direct_styles(), |style| run_with(style, division_by_zero)),
        libc::SIGFPE,
    );
}

/// The address is one that makes a trap when wasm code touches it: it is the code that decides.
#[test]
fn a_host_access_to_a_guest_memorys_guard_kills() {
    let guards = direct_styles().filter(|style| style.1 == BoundsStyle::Guard);
    let outputs = in_children("host::a_host_access_to_a_guest_memorys_guard_kills", guards, |style| {
        let engine = Engine::new(&config(style)).unwrap();
        let text = r#"(module
            (import "" "host" (func $host)) (import "" "memory" (memory 1))
            (func (export "load") (drop (i32.load (i32.const 65536))))
            (func (export "run") (call $host)))"#;
        let mut guest = Guest::with(&engine, text, |store, linker| {
            let limits = Limits { min: 1, max: None };
            let memory =
                Memory::new(&mut *store, MemoryType { limits, memory64: false, shared: false, page_size_log2: 16 }).unwrap();
            linker.define(&mut *store, "", "memory", memory).unwrap();
            linker.func_wrap("", "host", guard_access).unwrap();
        });
        assert_eq!(guest.trap("load", &[]), TrapCode::MemoryOutOfBounds);
        let result = guest.try_call("run", &[]);
        println!("survived: {result:?}");
    });
    died_by(&outputs, libc::SIGSEGV);
}

/// Reads the first inaccessible byte behind the largest readable and writable mapping that a reservation follows.
fn guard_access() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let guard = maps.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (range, access) = (words.next()?, words.next()?);
        let (start, end) = range.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        (access.starts_with("---") && end - start > 4 << 30).then_some(start)
    });
    let guard = guard.expect("a guarded memory is reserved");
    // SAFETY: none: this is the fault that the test is about, in a process of its own.
    unsafe {
        std::ptr::with_exposed_provenance::<u8>(guard as usize).read_volatile();
    }
}

/// A signal that someone sends is no fault, even while wasm code runs.
#[test]
fn a_sent_sigsegv_kills() {
    let outputs = in_children("host::a_sent_sigsegv_kills", direct_styles(), |style| {
        let engine = Engine::new(&config(style)).unwrap();
        let text = r#"(module
            (import "" "started" (func $started))
            (memory 1)
            (func (export "run") (call $started) (loop (i32.store (i32.const 0) (i32.load (i32.const 8))) (br 0))))"#;
        let (send, receive) = std::sync::mpsc::channel();
        // SAFETY: it only reads this thread's id.
        let thread = unsafe { libc::pthread_self() };
        let mut guest = Guest::with(&engine, text, |_, linker| {
            linker.func_wrap("", "started", move || send.send(()).unwrap()).unwrap();
        });
        std::thread::spawn(move || {
            receive.recv().unwrap();
            // Rust's own handler takes the first for a fault that will happen again.
            for _ in 0..2 {
                std::thread::sleep(std::time::Duration::from_millis(20));
                // SAFETY: the thread runs until the process ends.
                unsafe { libc::pthread_kill(thread, libc::SIGSEGV) };
            }
            // Should they have become a trap, the main thread ends the process by exit code 0; should they
            // have got lost, this does.
            std::thread::sleep(std::time::Duration::from_secs(20));
            std::process::exit(0);
        });
        let result = guest.try_call("run", &[]);
        println!("survived: {result:?}");
    });
    died_by(&outputs, libc::SIGSEGV);
}

/// An overflow of the host's own stack is a crash as in any Rust program.
#[test]
fn an_overflow_of_the_hosts_stack_kills() {
    #[inline(never)]
    fn descend(n: u64) -> u64 {
        let array = std::hint::black_box([n; 512]);
        if n == u64::MAX { 0 } else { descend(n + 1) + array[(n % 512) as usize] }
    }
    let outputs = in_children("host::an_overflow_of_the_hosts_stack_kills", direct_styles(), |style| {
        run_with(style, || {
            std::hint::black_box(descend(0));
        });
    });
    for (style, output) in outputs {
        let signal = output.status.signal();
        assert!(signal.is_some_and(|s| s == libc::SIGABRT || s == libc::SIGSEGV), "{style:?}: {}", output.status);
    }
}

/// A panic goes through wasm to whoever called, and the store can be used again.
#[test]
fn a_panic_comes_out_of_the_call() {
    for_each_style(|engine| {
        let mut guest = Guest::with(engine, CALLS_HOST, |_, linker| {
            linker
                .func_wrap("", "host", |x: i32| {
                    if x == 1 {
                        std::panic::panic_any("the host gave up");
                    }
                    x
                })
                .unwrap();
        });
        for _ in 0..3 {
            let panic = catch_unwind(AssertUnwindSafe(|| guest.try_call("run", &[Val::I32(1)]))).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the host gave up"));
            guest.assert_alive();
            assert_eq!(guest.call("run", &[Val::I32(2)]), [Val::I32(4)]);
        }
    });
}

/// An error of the host comes out as it was, with the guest's frames.
#[test]
fn an_error_comes_out_as_it_was() {
    #[derive(Debug, PartialEq)]
    struct Code(i32);
    impl std::fmt::Display for Code {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "code {}", self.0)
        }
    }
    impl std::error::Error for Code {}
    for_each_style(|engine| {
        let mut guest = Guest::with(engine, CALLS_HOST, |_, linker| {
            linker.func_wrap("", "host", |x: i32| if x > 0 { Err(Error::host(Code(x))) } else { Ok(x) }).unwrap();
        });
        for x in 1..4 {
            let error = guest.try_call("run", &[Val::I32(x)]).unwrap_err();
            assert_eq!(error.downcast_ref::<Code>(), Some(&Code(x)));
            let frames: Vec<u32> = error.backtrace().unwrap().frames.iter().map(|f| f.func.as_u32()).collect();
            assert_eq!(frames, [1]);
            guest.assert_alive();
        }
        assert_eq!(guest.call("run", &[Val::I32(-5)]), [Val::I32(-10)]);
    });
}

/// A host function can trap, and can catch the trap of a call that it makes.
#[test]
fn traps_by_the_host_and_caught_by_it() {
    for_each_style(|engine| {
        let text = r#"(module
            (import "" "trap" (func $trap)) (import "" "catch" (func $catch (result i32)))
            (memory 1)
            (func (export "fault") (param i32) (drop (i32.div_u (i32.const 1) (local.get 0))) (drop (i32.load (i32.const -1))))
            (func (export "trap") (call $trap))
            (func (export "catch") (result i32) (i32.add (call $catch) (call $catch))))"#;
        let mut guest = Guest::with(engine, text, |_, linker| {
            linker.func_wrap("", "trap", || -> Result<(), Error> { Err(Error::trap(TrapCode::NullReference)) }).unwrap();
            linker
                .func_wrap("", "catch", |mut caller: Caller<'_, ()>| {
                    let fault = caller.get_export("fault").unwrap().func().unwrap();
                    [0, 1]
                        .iter()
                        .map(|x| fault.call(&mut caller, &[Val::I32(*x)], &mut []).unwrap_err().trap_code().unwrap() as i32)
                        .sum::<i32>()
                })
                .unwrap();
        });
        for _ in 0..3 {
            assert_eq!(guest.trap("trap", &[]), TrapCode::NullReference);
            let both = TrapCode::IntegerDivideByZero as i32 + TrapCode::MemoryOutOfBounds as i32;
            assert_eq!(guest.call("catch", &[]), [Val::I32(2 * both)]);
            guest.assert_alive();
        }
    });
}

/// Guests on several threads fault at once; each store's trap is its own.
#[test]
fn threads_fault_side_by_side() {
    let output = in_child("host::threads_fault_side_by_side", || {
        for_each_style(|engine| {
            std::thread::scope(|scope| {
                for n in 0..4 {
                    scope.spawn(move || {
                        let text = r#"(module (memory 1) (func $f (export "recurse") (call $f))
                            (func (export "load") (drop (i32.load (i32.const 65533))))
                            (func (export "div") (drop (i32.div_u (i32.const 1) (i32.const 0)))))"#;
                        let mut guest = Guest::new(engine, text);
                        for i in 0..100 {
                            let (name, code) = [
                                ("recurse", TrapCode::StackOverflow),
                                ("load", TrapCode::MemoryOutOfBounds),
                                ("div", TrapCode::IntegerDivideByZero),
                            ][(i + n) % 3];
                            assert_eq!(guest.trap(name, &[]), code);
                        }
                    });
                }
            });
        });
    });
    assert_success(&output);
}
