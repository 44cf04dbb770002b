//! One signal is enough, wherever in wasm code it comes: in the middle of a tail call, too, of which a loop may consist. The
//! thread goes on instruction by instruction until it can be left.

use crate::every_pc::{TRAP_FLAG, find_code, in_code, install};
use sconce_engine::{BoundsStyle, Engine, InterruptHandle, Linker, Module, Store, TrapCode};
use sconce_faults::{Guest, STYLES, Style, alive, assert_success, config, in_child, in_children};
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Steps in code so far.
static STEPS: AtomicUsize = AtomicUsize::new(0);
/// At which of them the request and its signal come.
static TARGET: AtomicUsize = AtomicUsize::new(0);
static HANDLE: OnceLock<InterruptHandle> = OnceLock::new();
/// Whose SIGTRAP is but for the test.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// All signals are blocked: the one that is sent here comes when this returns, before the next instruction.
extern "C" fn on_step(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO its context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let pc = registers[libc::REG_RIP as usize] as usize;
    if !in_code(pc) || STEPS.fetch_add(1, Ordering::Relaxed) < TARGET.load(Ordering::Relaxed) {
        registers[libc::REG_EFL as usize] |= TRAP_FLAG;
        return;
    }
    registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
    if let (Some(handle), Some(before)) = (HANDLE.get(), BEFORE.get()) {
        // SAFETY: this is what was there before.
        unsafe { libc::sigaction(libc::SIGTRAP, before, std::ptr::null_mut()) };
        handle.request();
        handle.nudge();
    }
}

fn arm() {
    install(on_step);
    // SAFETY: the handler is installed.
    unsafe { libc::raise(libc::SIGTRAP) };
}

const LOOPS: &str = r#"(module
    (import "" "arm" (func $arm))
    (type $t (func))
    (table 1 1 funcref) (elem (i32.const 0) $indirect)
    (elem declare func $reference)
    (tag $e) (global $held (mut externref) (ref.null extern))
    (func (export "pair") (call $arm) (return_call $a))
    (func $a (return_call $b (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)))
    (func $b (param i64 i64 i64 i64 i64 i64 i64) (return_call $a))
    (func (export "indirect") (call $arm) (return_call $indirect))
    (func $indirect (type $t) (return_call_indirect (type $t) (i32.const 0)))
    (func (export "reference") (call $arm) (return_call $reference))
    (func $reference (type $t) (return_call_ref $t (ref.func $reference)))
    (func (export "barriers") (call $arm) (loop (global.set $held (global.get $held)) (br 0))))"#;

/// Steps before the first target: by then no loop is on its way from the host any more.
const BEGINNING: usize = 150;
/// As many instructions as the longest loop has, and more.
const LONGEST: usize = 90;

fn every_instruction_of_loops(style: Style) {
    let engine = Engine::new(&config(style)).expect("an engine");
    let mut store = Store::new(&engine, ()).expect("a store");
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "arm", arm).expect("a function");
    let module = Module::new(&engine, LOOPS.as_bytes()).expect("a module");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let alive = alive(&mut store, &engine);
    assert_eq!(alive.call(&mut store, 1).expect("the store works"), 11);
    assert!(HANDLE.set(store.interrupt_handle()).is_ok());
    let mut before = MaybeUninit::uninit();
    // SAFETY: only asks, and the answer is read if there is one.
    let before = unsafe {
        assert_eq!(libc::sigaction(libc::SIGTRAP, std::ptr::null(), before.as_mut_ptr()), 0);
        before.assume_init()
    };
    assert!(BEFORE.set(before).is_ok());
    find_code();
    static RUN: AtomicUsize = AtomicUsize::new(0);
    std::thread::spawn(|| {
        loop {
            let run = RUN.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(20));
            if RUN.load(Ordering::Relaxed) == run {
                eprintln!("the signal of run {run} was lost");
                std::process::exit(1);
            }
        }
    });
    for name in ["pair", "indirect", "reference", "barriers"] {
        let program = instance.get_typed_func::<(), ()>(&mut store, name).expect("a function");
        for k in 0..LONGEST {
            STEPS.store(0, Ordering::Relaxed);
            TARGET.store(BEGINNING + k, Ordering::Relaxed);
            let error = program.call(&mut store, ()).expect_err("a loop without end");
            assert_eq!(error.trap_code(), Some(TrapCode::Interrupt), "{name} {k}: {error}");
            assert_eq!(STEPS.load(Ordering::Relaxed), BEGINNING + k + 1, "the test's handler is gone with its last step");
            let frames = error.backtrace().expect("a backtrace").frames.len();
            assert_eq!(frames, 1, "{name} {k}");
            assert_eq!(alive.call(&mut store, 3).expect("the store works"), 15, "{name} {k}");
            RUN.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn is_enough_at_every_instruction() {
    let styles = STYLES.into_iter().filter(|style| style.1 == BoundsStyle::Guard);
    for (style, output) in in_children("one_signal::is_enough_at_every_instruction", styles, every_instruction_of_loops) {
        println!("{style:?}");
        assert_success(&output);
    }
}

/// Signals that come while the thread goes on by steps, on top of the handler of a step too, change nothing.
#[test]
fn is_as_good_as_many() {
    let styles = STYLES.into_iter().filter(|style| style.1 == BoundsStyle::Guard);
    let outputs = in_children("one_signal::is_as_good_as_many", styles, |style| {
        let engine = Engine::new(&config(style)).expect("an engine");
        let mut linker = Linker::new(&engine);
        linker.func_wrap("", "arm", || {}).expect("a function");
        let mut store = Store::new(&engine, ()).expect("a store");
        let module = Module::new(&engine, LOOPS.as_bytes()).expect("a module");
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let program = instance.get_typed_func::<(), ()>(&mut store, "pair").expect("a function");
        let handle = store.interrupt_handle();
        for _ in 0..2000 {
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_micros(300));
                    handle.request();
                    while !over.load(Ordering::Relaxed) {
                        handle.nudge();
                    }
                });
                let error = program.call(&mut store, ()).expect_err("a loop without end");
                over.store(true, Ordering::Relaxed);
                assert_eq!(error.trap_code(), Some(TrapCode::Interrupt));
            });
            handle.clear();
        }
    });
    outputs.iter().for_each(|(_, output)| assert_success(output));
}

/// A SIGTRAP that is not of such a step is whose it was: it ends who has no handler.
fn ends_by_what_is_not_asked_for(trap: impl FnOnce()) {
    let engine = Engine::new(&config(STYLES[0])).expect("an engine");
    let _store = Store::new(&engine, ()).expect("a store, and handlers");
    trap();
}

#[test]
fn a_breakpoint_is_none_of_ours() {
    let output = in_child("one_signal::a_breakpoint_is_none_of_ours", || {
        // SAFETY: raises SIGTRAP.
        ends_by_what_is_not_asked_for(|| unsafe { std::arch::asm!("int3") });
    });
    assert_eq!(output.status.signal(), Some(libc::SIGTRAP), "{output:?}");
}

#[test]
fn what_was_sent_is_none_of_ours() {
    let output = in_child("one_signal::what_was_sent_is_none_of_ours", || {
        // SAFETY: as for any signal.
        ends_by_what_is_not_asked_for(|| assert_eq!(unsafe { libc::raise(libc::SIGTRAP) }, 0));
    });
    assert_eq!(output.status.signal(), Some(libc::SIGTRAP), "{output:?}");
}

/// The kernel ends who has the signal blocked: such a thread is nudged until it is somewhere else.
#[test]
fn a_thread_that_does_not_take_it_is_not_stepped() {
    let output = in_child("one_signal::a_thread_that_does_not_take_it_is_not_stepped", || {
        let engine = Engine::new(&config(STYLES[0])).expect("an engine");
        // A signal finds the division about as often as the tail calls.
        let text = r#"(module
            (func $a (export "pair")
                (return_call $b (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)))
            (func $b (param i64 i64 i64 i64 i64 i64 i64)
                (drop (i64.rem_u (local.get 6) (local.get 5)))
                (return_call $a)))"#;
        let mut guest = Guest::new(&engine, text);
        // The first call prepares the thread.
        guest.assert_alive();
        // SAFETY: a set that is emptied before it is used.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGTRAP);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        }
        for _ in 0..50 {
            let handle = guest.store.interrupt_handle();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(2));
                    handle.interrupt();
                });
                let error = guest.try_call("pair", &[]).expect_err("a loop without end");
                assert_eq!(error.trap_code(), Some(TrapCode::Interrupt));
            });
        }
    });
    assert_success(&output);
}
