//! An interrupt at every single instruction: a process single-steps itself through wasm code, trampolines and
//! builtins' stubs by the processor's trap flag, and at the k-th step, for every k, an interrupt arrives. Its
//! outcome is a clean trap, or, where the program was past the last point at which it could be stopped,
//! completion with the right result.
//!
//! At the k-th step the handler of SIGTRAP, with all signals blocked, asks a second thread to call
//! [`InterruptHandle::interrupt`], and returns when the interrupt's signal is pending: so that the kernel
//! delivers it before the k-th instruction.

use sconce_engine::{
    Backtrace, BoundsStyle, CallStyle, Engine, InterruptHandle, Linker, Module, Store, Tier, TrapCode, TypedFunc,
};
use sconce_faults::{Style, alive, assert_success, config, in_child};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The processor's trap flag: a debug exception after the next instruction.
pub(crate) const TRAP_FLAG: i64 = 0x100;

/// What the handler shares with the rest. Plain atomics: the handler may come anywhere.
struct Stepper {
    /// The executable mappings that are not of a file: code and trampolines.
    code: [(AtomicUsize, AtomicUsize); 8],
    /// Whether to step at all.
    armed: AtomicBool,
    /// Steps in code so far.
    steps: AtomicUsize,
    /// At which step in code the interrupt comes; `usize::MAX`: never.
    target: AtomicUsize,
    /// The address of that step's instruction.
    address: AtomicUsize,
    /// Raised by the handler, lowered by the second thread once it has begun.
    request: AtomicBool,
    /// Whether stepping begins before wasm is entered.
    entering: AtomicBool,
    /// Whether the process ends.
    over: AtomicBool,
}

static STEPPER: Stepper = Stepper {
    code: [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; 8],
    armed: AtomicBool::new(false),
    steps: AtomicUsize::new(0),
    target: AtomicUsize::new(usize::MAX),
    address: AtomicUsize::new(0),
    request: AtomicBool::new(false),
    entering: AtomicBool::new(false),
    over: AtomicBool::new(false),
};

impl Stepper {
    fn contains(&self, pc: usize) -> bool {
        self.code.iter().any(|(start, end)| (start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&pc))
    }

    /// One step: whether to go on stepping.
    fn step(&self, pc: usize) -> bool {
        if !self.armed.load(Ordering::Relaxed) {
            return false;
        }
        if !self.contains(pc) {
            return true;
        }
        if self.steps.fetch_add(1, Ordering::Relaxed) != self.target.load(Ordering::Relaxed) {
            return true;
        }
        self.address.store(pc, Ordering::Relaxed);
        self.armed.store(false, Ordering::Relaxed);
        self.request.store(true, Ordering::Release);
        wait_for_pending_signal();
        false
    }
}

/// Waits until a signal is pending for this thread.
fn wait_for_pending_signal() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    loop {
        // SAFETY: sigpending fills the set; it and sigismember are async-signal-safe.
        unsafe {
            libc::sigpending(set.as_mut_ptr());
            if (1..=64).any(|signal| libc::sigismember(set.as_ptr(), signal) == 1) {
                return;
            }
            libc::sched_yield();
        }
    }
}

extern "C" fn on_step(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // A breakpoint's instruction, as the kernel names it.
    const SI_KERNEL: i32 = 0x80;
    // SAFETY: the kernel gives a handler with SA_SIGINFO its information.
    if unsafe { (*info).si_code } == SI_KERNEL {
        let runtimes = BEFORE.load(Ordering::Relaxed);
        // SAFETY: the runtime's handler, whose signature this is, was there before; it moves the thread to where the next step begins.
        unsafe { std::mem::transmute::<usize, Handler>(runtimes)(signal, info, context) };
    }
    // SAFETY: the kernel gives a handler with SA_SIGINFO its context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let pc = registers[libc::REG_RIP as usize] as usize;
    let flags = &mut registers[libc::REG_EFL as usize];
    *flags = if STEPPER.step(pc) { *flags | TRAP_FLAG } else { *flags & !TRAP_FLAG };
}

/// A handler with SA_SIGINFO.
pub(crate) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Makes it that of SIGTRAP.
pub(crate) fn install(handler: Handler) {
    let mut action = UnsafeCell::new(MaybeUninit::<libc::sigaction>::zeroed());
    // SAFETY: an all-zero sigaction is one; the handler is async-signal-safe. On the alternate stack, as the
    // thread may be on a wasm stack, and with all signals blocked, so that what becomes pending meanwhile is
    // delivered at the stepped instruction.
    unsafe {
        let action = action.get_mut().assume_init_mut();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&mut action.sa_mask);
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        assert_eq!(libc::sigaction(libc::SIGTRAP, action, before.as_mut_ptr()), 0);
        BEFORE.store(before.assume_init().sa_sigaction, Ordering::Relaxed);
    }
}

/// The handler of SIGTRAP that was there before.
static BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Notes where code is. Called after everything is compiled.
pub(crate) fn find_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ranges: Vec<Range<usize>> = maps.lines().filter_map(code_mapping).collect();
    assert!(!ranges.is_empty() && ranges.len() <= STEPPER.code.len(), "{ranges:x?}");
    for ((start, end), range) in STEPPER.code.iter().zip(ranges) {
        start.store(range.start, Ordering::Relaxed);
        end.store(range.end, Ordering::Relaxed);
    }
}

/// Whether an address is in it.
pub(crate) fn in_code(pc: usize) -> bool {
    STEPPER.contains(pc)
}

/// The range of a line of `/proc/self/maps`, if it is executable and of no file: anonymous, or of a memfd.
pub(crate) fn code_mapping(line: &str) -> Option<Range<usize>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let named = words.get(5).is_some_and(|name| !name.starts_with("/memfd:"));
    if !words[1].contains('x') || named {
        return None;
    }
    let (start, end) = words[0].split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

/// Starts stepping with the next instruction. Stepping ends at the target, or with [`disarm`].
pub(crate) fn arm() {
    STEPPER.armed.store(true, Ordering::Relaxed);
    // SAFETY: the handler is installed.
    unsafe { libc::raise(libc::SIGTRAP) };
}

pub(crate) fn disarm() {
    STEPPER.armed.store(false, Ordering::Relaxed);
}

/// Calls within wasm, through a table and of the host, loads and stores, builtins and what their
/// trampolines do by themselves, a loop, many arguments and results, vectors; tail calls with more stack
/// arguments than the caller has and with fewer, and exceptions.
pub(crate) const PROGRAM: &str = r#"(module
    (import "" "arm" (func $arm))
    (import "" "host" (func $host (param i32 f64) (result i64)))
    (type $t (func (param i32) (result i32)))
    (memory 1) (table 2 2 funcref) (elem (i32.const 0) $double)
    (global $g (mut i32) (i32.const 0))
    (func $double (type $t) (i32.mul (local.get 0) (i32.const 2)))
    (func $many (param i32 i64 f32 f64 i32 i64 i32 i64 i32 i64) (result i32 i64 f64)
        (i32.add (local.get 8) (local.get 6)) (i64.add (local.get 9) (local.get 7)) (f64.promote_f32 (local.get 2)))
    (func $run (param $n i32) (result i32) (local $sum i32) (local $wide i64)
        (loop
            (local.set $sum (i32.add (local.get $sum) (call_indirect (type $t) (local.get $n) (i32.const 0))))
            (i32.store offset=8 (local.get $n) (local.get $sum))
            (local.set $sum (i32.add (local.get $sum) (i32.load8_u offset=8 (local.get $n))))
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $many (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (i32.const 5) (i64.const 6) (i32.const 7) (i64.const 8)
            (i32.const 9) (i64.const 10))
        (i32.trunc_f64_s)
        (local.set $n)
        (local.set $wide)
        (local.set $sum (i32.add (i32.add (local.get $sum) (local.get $n))))
        (memory.fill (i32.const 100) (local.get $n) (i32.mul (memory.size) (i32.const 20)))
        (memory.copy (i32.const 1000) (i32.const 1300) (i32.mul (memory.size) (i32.const 600)))
        (drop (memory.grow (i32.const 0)))
        (local.set $wide (i64.add (local.get $wide) (call $host (local.get $n) (f64.const 1.5))))
        (global.set $g (i8x16.extract_lane_u 3 (i8x16.add (v128.load (i32.const 100)) (i8x16.splat (local.get $n)))))
        (local.set $sum (i32.add (local.get $sum) (i32.add (call $tail (local.get $n)) (call $try (local.get $n)))))
        (i32.add (i32.add (local.get $sum) (global.get $g)) (i32.wrap_i64 (local.get $wide))))
    (func (export "run") (param i32) (result i32) (call $run (local.get 0)))
    (func (export "armed run") (param i32) (result i32) (call $arm) (call $run (local.get 0)))
    (func (export "armed loop") (param i32) (result i32) (call $arm) (drop (call $run (local.get 0))) (loop (br 0)) (i32.const 0))
    (func $tail (param i32) (result i32)
        (return_call $wide_tail (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
            (local.get 0)))
    (func $wide_tail (param i64 i64 i64 i64 i64 i64 i64 i32) (result i32)
        (return_call_indirect (type $t) (i32.add (local.get 7) (i32.wrap_i64 (local.get 6))) (i32.const 1)))
    (func $end_tail (type $t) (i32.add (local.get 0) (i32.const 1)))
    (tag $e (param i32))
    (func $try (param i32) (result i32)
        (block $h (result i32 exnref)
            (try_table (catch_ref $e $h) (call $throw (local.get 0)))
            (unreachable))
        (drop)
        (i32.add (local.get 0)))
    (func $throw (param i32) (throw $e (i32.mul (local.get 0) (i32.const 3))))
    (elem (i32.const 1) $end_tail))"#;

/// Prepares for stepping through all code that there is, with a thread that interrupts.
pub(crate) fn prepare(handle: &InterruptHandle) {
    let handle = handle.clone();
    std::thread::spawn(move || {
        while !STEPPER.over.load(Ordering::Relaxed) {
            if STEPPER.request.swap(false, Ordering::Acquire) {
                handle.interrupt();
            }
            std::thread::yield_now();
        }
    });
    install(on_step);
    find_code();
}

/// From now on the interrupt comes at the `k`-th step in code, once [`arm`] was called.
pub(crate) fn aim(k: usize) {
    STEPPER.steps.store(0, Ordering::Relaxed);
    STEPPER.target.store(k, Ordering::Relaxed);
}

/// Whether the step was reached that was aimed at.
pub(crate) fn reached() -> bool {
    STEPPER.steps.load(Ordering::Relaxed) > STEPPER.target.load(Ordering::Relaxed)
}

/// Ends the thread.
pub(crate) fn finish() {
    STEPPER.over.store(true, Ordering::Relaxed);
}

/// A program with an interrupt thread beside it.
struct Rig {
    store: Store<()>,
    handle: InterruptHandle,
    alive: TypedFunc<i32, i32>,
    run: TypedFunc<i32, i32>,
    armed_run: TypedFunc<i32, i32>,
    armed_loop: TypedFunc<i32, i32>,
    expected: i32,
}

impl Rig {
    fn new(style: Style) -> Rig {
        let engine = Engine::new(&config(style)).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let mut linker = Linker::new(&engine);
        linker.func_wrap("", "arm", arm).unwrap();
        linker.func_wrap("", "host", |a: i32, b: f64| i64::from(a) + b as i64).unwrap();
        let module = Module::new(&engine, PROGRAM.as_bytes()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let alive = alive(&mut store, &engine);
        let mut get = |name| instance.get_typed_func(&mut store, name).unwrap();
        let (run, armed_run, armed_loop) = (get("run"), get("armed run"), get("armed loop"));
        let handle = store.interrupt_handle();
        assert_eq!(alive.call(&mut store, 1).unwrap(), 11);
        let expected = run.call(&mut store, 2).unwrap();
        prepare(&handle);
        Rig { store, handle, alive, run, armed_run, armed_loop, expected }
    }

    /// Runs a program with an interrupt at the `k`-th step in code, and gives what it returned, if it was not interrupted, and
    /// whether there was a `k`-th step.
    fn run_to(&mut self, k: usize, program: &TypedFunc<i32, i32>, arm_first: bool) -> (Option<i32>, bool) {
        aim(k);
        STEPPER.entering.store(arm_first, Ordering::Relaxed);
        if arm_first {
            arm();
        }
        let result = program.call(&mut self.store, 2);
        disarm();
        let reached = reached();
        let result = match result {
            Ok(value) => Some(value),
            Err(e) if e.trap_code() == Some(TrapCode::Interrupt) => {
                assert_frames(e.backtrace().unwrap(), k);
                None
            }
            Err(e) => panic!("step {k} at {:#x}: {e}", STEPPER.address.load(Ordering::Relaxed)),
        };
        // The interrupt may have come too late for this run, and is then for the next.
        self.handle.clear();
        assert_eq!(self.alive.call(&mut self.store, 3).expect("the store is usable"), 15, "step {k}");
        assert_eq!(self.run.call(&mut self.store, 2).expect("the program is usable"), self.expected, "step {k}");
        (result, reached)
    }
}

/// No frame is missing and none is invented, wherever the interrupt came: the exported function, then `$run`, then one that it
/// calls, or that took its place by a tail call, then `$throw`.
fn assert_frames(backtrace: &Backtrace, k: usize) {
    let functions: Vec<u32> = backtrace.frames.iter().rev().map(|f| f.func.as_u32()).collect();
    let right = match functions[..] {
        // Before anything was called.
        [] => STEPPER.entering.load(Ordering::Relaxed),
        [5..=7] | [5..=7, 4] | [5..=7, 4, 2 | 3 | 8..=11] | [5..=7, 4, 11, 12] => true,
        _ => false,
    };
    assert!(right, "step {k} at {:#x}: {functions:?}", STEPPER.address.load(Ordering::Relaxed));
}

/// At least so many instructions are in the paths below: should stepping not work, there would be none.
const LEAST_STEPS: usize = 100;

/// From the host call that arms to the host: either outcome, with the right result.
fn to_completion(style: Style) {
    let mut rig = Rig::new(style);
    let program = rig.armed_run.clone();
    let (mut k, mut interrupted) = (0, 0);
    loop {
        let (result, reached) = rig.run_to(k, &program, false);
        assert!(result.is_none_or(|r| r == rig.expected), "step {k}: {result:?}");
        if !reached {
            assert!(result.is_some());
            break;
        }
        interrupted += usize::from(result.is_none());
        k += 1;
    }
    println!("{k} steps, interrupted at {interrupted}");
    assert!(k > LEAST_STEPS && interrupted > k / 2, "{k} steps, interrupted at {interrupted}");
    finish();
}

/// The way in: from the host's call through the entry trampoline.
fn entry(style: Style) {
    let mut rig = Rig::new(style);
    let program = rig.run.clone();
    for k in 0..80 {
        let (result, reached) = rig.run_to(k, &program, true);
        assert!(reached && result.is_none_or(|r| r == rig.expected), "step {k}: {result:?}");
    }
    finish();
}

/// A program that does not end: an interrupt that got lost would be waited for for ever.
fn without_end(style: Style) {
    let mut rig = Rig::new(style);
    let mut k = 0;
    // The program proper, then a few turns of the loop.
    let program = rig.armed_run.clone();
    rig.run_to(usize::MAX, &program, false);
    let program = rig.armed_loop.clone();
    let steps = STEPPER.steps.load(Ordering::Relaxed) + 20;
    while k < steps {
        let (result, reached) = rig.run_to(k, &program, false);
        assert!(reached && result.is_none(), "step {k}: {result:?}");
        k += 1;
    }
    assert!(k > LEAST_STEPS, "{k} steps");
    finish();
}

macro_rules! every_style {
    ($($name:ident $tier:ident $bounds:ident $calls:ident;)*) => {$(
        mod $name {
            use super::*;

            const STYLE: Style = (Tier::$tier, BoundsStyle::$bounds, CallStyle::$calls);

            #[test]
            fn to_completion() {
                assert_success(&in_child(concat!("every_pc::", stringify!($name), "::to_completion"), || super::to_completion(STYLE)));
            }

            #[test]
            fn entry() {
                assert_success(&in_child(concat!("every_pc::", stringify!($name), "::entry"), || super::entry(STYLE)));
            }

            #[test]
            fn without_end() {
                assert_success(&in_child(concat!("every_pc::", stringify!($name), "::without_end"), || super::without_end(STYLE)));
            }
        }
    )*};
}

every_style! {
    cranelift_guard_direct Cranelift Guard Direct;
    cranelift_guard_slots Cranelift Guard Slots;
    cranelift_explicit_direct Cranelift Explicit Direct;
    cranelift_explicit_slots Cranelift Explicit Slots;
    lightbeam_guard_direct Lightbeam Guard Direct;
    lightbeam_guard_slots Lightbeam Guard Slots;
    lightbeam_explicit_direct Lightbeam Explicit Direct;
    lightbeam_explicit_slots Lightbeam Explicit Slots;
}
