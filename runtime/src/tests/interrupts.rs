//! Interrupts: in loops, in host calls, in builtins, and at every single instruction.

use super::build::*;
use super::calls::{calls_import, unary};
use crate::interrupt;
use crate::setup::install_handlers;
use crate::sys::signal::Context;
use crate::*;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::{FuncIndex, MemoryIndex};
use sconce_environ::layout::{Place, VmLayout};
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{Limits, ValType};
use sconce_environ::vm::VmHostContext;
use sconce_x64::encode::{Addr, Alu, Cond, Encoder, Size};
use sconce_x64::register::Gpr;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

fn f0() -> FuncIndex {
    FuncIndex::from_u32(0)
}

/// Interrupts a store as soon as it runs. That may be before the first instruction of its code, where no
/// function is in the trace yet.
fn interrupt_when_running(store: &Store) -> std::thread::JoinHandle<()> {
    let shared = store.shared.clone();
    interrupt_when(store, move || shared.running.load(Ordering::SeqCst) != 0)
}

fn interrupt_when(store: &Store, ready: impl Fn() -> bool + Send + 'static) -> std::thread::JoinHandle<()> {
    let handle = store.interrupt_handle();
    std::thread::spawn(move || {
        while !ready() {
            std::thread::yield_now();
        }
        handle.interrupt();
    })
}

#[test]
fn a_loop_without_calls_is_interrupted_and_the_store_lives_on() {
    let mut world = World::new();
    let mut b = Builder::new();
    b.define(func(&[], &[], framed(&[0xeb, 0xfe])));
    b.define(func(&[], &[], framed(&[])));
    let instance = world.instantiate(b, &[]);
    let (endless, fine) = (world.func(instance, f0()), world.func(instance, FuncIndex::from_u32(1)));
    let sig = Signature::new([], []);
    let mut inside = 0;
    for _ in 0..50 {
        let other = interrupt_when_running(&world.store);
        let (code, trace) = trap(world.call(endless, &sig, &[]));
        assert_eq!(code, TrapCode::Interrupt);
        match functions(&trace)[..] {
            [] => {}
            [0] => inside += 1,
            ref other => panic!("frames of {other:?}"),
        }
        other.join().unwrap();
        assert!(!world.store.interrupt_handle().is_set());
        assert!(world.call(fine, &sig, &[]).is_ok());
    }
    assert_ne!(inside, 0, "none reached the loop");
}

unsafe extern "C" fn counts(ctx: *mut VmHostContext, n: i64) -> i64 {
    // SAFETY: the test passes a counter.
    unsafe { &*(*ctx).data.cast::<AtomicI64>() }.fetch_add(1, Ordering::Relaxed);
    n
}

#[test]
fn a_loop_of_host_calls_is_interrupted() {
    let mut world = World::new();
    let counter = Arc::new(AtomicI64::new(0));
    let host = world.host(&unary(), HostCallKind::Registers, counts as *const (), Arc::as_ptr(&counter).cast_mut().cast());
    let mut b = Builder::new();
    b.import(&[ValType::I64], &[ValType::I64]);
    // push rbx twice; mov rbx, rdi; again: mov rdi, rbx; load the import; call; jmp again
    let mut a = Encoder::new(false);
    let again = a.label();
    a.push(Gpr::Rbx);
    a.push(Gpr::Rbx);
    a.mov(Size::S64, Gpr::Rbx, Gpr::Rdi);
    a.bind(again);
    a.mov(Size::S64, Gpr::Rdi, Gpr::Rbx);
    load_import(&mut a, 0);
    a.call(Gpr::Rax.into());
    a.jmp(again);
    b.define(func(&[ValType::I64], &[ValType::I64], framed(a.finish())));
    let instance = world.instantiate(b, &[Item::Func(host)]);
    let f = world.func(instance, FuncIndex::from_u32(1));
    for _ in 0..50 {
        let (before, seen) = (counter.load(Ordering::Relaxed), counter.clone());
        let other = interrupt_when(&world.store, move || seen.load(Ordering::Relaxed) != before);
        let (code, trace) = trap(world.call(f, &unary(), &[1]));
        assert_eq!((code, functions(&trace)), (TrapCode::Interrupt, vec![0]));
        other.join().unwrap();
        assert!(!world.store.interrupt_handle().is_set());
    }
}

#[test]
fn a_request_made_before_stops_the_next_call_and_can_be_withdrawn() {
    let mut world = World::new();
    let mut b = Builder::new();
    b.define(func(&[], &[], framed(&[])));
    let instance = world.instantiate(b, &[]);
    let f = world.func(instance, f0());
    let sig = Signature::new([], []);
    let handle = world.store.interrupt_handle();
    handle.interrupt();
    assert!(handle.is_set());
    assert_eq!(trap(world.call(f, &sig, &[])).0, TrapCode::Interrupt);
    assert!(!handle.is_set());
    assert!(world.call(f, &sig, &[]).is_ok());
    handle.interrupt();
    handle.clear();
    assert!(world.call(f, &sig, &[]).is_ok());
    drop(world);
    handle.interrupt();
}

/// Reads from a pipe into which nobody writes.
unsafe extern "C" fn blocks(ctx: *mut VmHostContext, fd: i64) -> i64 {
    // SAFETY: a read into a local buffer.
    unsafe {
        host_call(ctx, 0, || {
            let mut byte = 0u8;
            loop {
                let n = libc::read(fd as i32, (&raw mut byte).cast(), 1);
                if n >= 0 || Store::from_vm((*ctx).store).interrupted() {
                    return Ok(n as i64);
                }
            }
        })
    }
}

#[test]
fn a_system_call_that_blocks_is_interrupted() {
    let mut pipe = [0; 2];
    // SAFETY: room for two.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let mut world = World::new();
    let host = world.host(&unary(), HostCallKind::Registers, blocks as *const (), null_mut());
    let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
    let f = world.func(instance, FuncIndex::from_u32(1));
    let other = interrupt_when_running(&world.store);
    let (code, trace) = trap(world.call(f, &unary(), &[pipe[0] as u128]));
    assert_eq!((code, functions(&trace)), (TrapCode::Interrupt, vec![0]));
    other.join().unwrap();
}

/// A request made by the thread that runs the store.
unsafe extern "C" fn asks(ctx: *mut VmHostContext, n: i64) -> i64 {
    // SAFETY: the store is the one that runs.
    unsafe { Store::from_vm((*ctx).store) }.interrupt_handle().interrupt();
    n
}

#[test]
fn a_host_function_may_interrupt_its_own_store() {
    let mut world = World::new();
    let host = world.host(&unary(), HostCallKind::Registers, asks as *const (), null_mut());
    let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
    let f = world.func(instance, FuncIndex::from_u32(1));
    assert_eq!(trap(world.call(f, &unary(), &[1])).0, TrapCode::Interrupt);
    assert!(!world.store.interrupted());
}

#[test]
fn a_long_memory_fill_is_interrupted() {
    let mut world = World::new();
    let mut b = Builder::new();
    fills_for_ever(&mut b, 2 << 30);
    let instance = world.instantiate(b, &[]);
    let f = world.func(instance, f0());
    let other = interrupt_when_running(&world.store);
    let (code, trace) = trap(world.call(f, &Signature::new([I32], []), &[0]));
    assert_eq!((code, functions(&trace)), (TrapCode::Interrupt, vec![0]));
    other.join().unwrap();
}

#[test]
fn a_loop_of_short_memory_fills_looks_for_interrupts() {
    let mut world = World::new();
    let mut b = Builder::new();
    fills_for_ever(&mut b, 1000);
    let instance = world.instantiate(b, &[]);
    let f = world.func(instance, f0());
    // No signal says so: nearly all of the time is spent where one would change nothing.
    let handle = world.store.interrupt_handle();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(10));
        handle.request();
    });
    let (code, trace) = trap(world.call(f, &Signature::new([I32], []), &[0]));
    assert_eq!((code, functions(&trace)), (TrapCode::Interrupt, vec![0]));
    other.join().unwrap();
}

/// memory.fill(0, dst = 0, value = rsi, len) for ever: mov r12, rdi; mov r13, rsi; again: ...; jmp again
fn fills_for_ever(b: &mut Builder, len: i64) {
    b.memory(sconce_environ::types::MemoryType { limits: Limits { min: 32768, max: None }, ..MEMORY });
    let Place::Inline(memory) = VmLayout::new(&b.module).memory(MemoryIndex::from_u32(0)) else { panic!("the instance's own") };
    let mut a = Encoder::new(false);
    let again = a.label();
    a.push(Gpr::R12);
    a.push(Gpr::R13);
    a.mov(Size::S64, Gpr::R12, Gpr::Rdi);
    a.mov(Size::S64, Gpr::R13, Gpr::Rsi);
    a.bind(again);
    a.mov(Size::S64, Gpr::Rdi, Gpr::R12);
    a.lea(Size::S64, Gpr::Rsi, Addr::new(Gpr::R12, memory as i32));
    a.zero(Gpr::Rdx);
    a.mov(Size::S64, Gpr::Rcx, Gpr::R13);
    a.mov_imm(Size::S64, Gpr::R8, len);
    a.load(Size::S64, Gpr::Rax, Addr::new(Gpr::Rdi, VmLayout::BUILTINS as i32));
    a.call(Addr::new(Gpr::Rax, 8 * Builtin::MemoryFill as i32).into());
    a.jmp(again);
    b.define(func(&[ValType::I32], &[], framed(a.finish())));
}

// Single steps: after each instruction of the thread the processor raises SIGTRAP; after the chosen number of them, trampolines
// included, a request is made, as if its signal had come just there.

static STEPPING: AtomicBool = AtomicBool::new(false);
static STEPS: AtomicI64 = AtomicI64::new(0);
static TARGET: AtomicI64 = AtomicI64::new(0);
static SHARED: std::sync::atomic::AtomicPtr<c_void> = std::sync::atomic::AtomicPtr::new(null_mut());

extern "C" fn on_step(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    if !STEPPING.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: the test keeps the store alive.
    let shared = unsafe { &*SHARED.load(Ordering::Relaxed).cast::<activation::Shared>() };
    let mut context = Context::for_tests(context);
    // In the host's own code the handler does nothing, and the request would be the same for all of it.
    if shared.code.contains(context.pc()) && STEPS.fetch_add(1, Ordering::Relaxed) == TARGET.load(Ordering::Relaxed) {
        shared.pending().fetch_or(sconce_environ::vm::pending::INTERRUPT, Ordering::Relaxed);
        context.single_step(false);
        interrupt::on_signal(&mut context);
    }
}

/// Two wasm functions, one calling the other with frames and callee-saved registers, which calls the host twice.
fn small_program() -> Builder {
    let mut b = Builder::new();
    b.import(&[ValType::I64], &[ValType::I64]);
    let mut a = Encoder::new(false);
    a.push(Gpr::Rbx);
    a.push(Gpr::R12);
    a.mov(Size::S64, Gpr::Rbx, Gpr::Rdi);
    for _ in 0..2 {
        a.mov(Size::S64, Gpr::Rdi, Gpr::Rbx);
        load_import(&mut a, 0);
        a.call(Gpr::Rax.into());
        a.mov(Size::S64, Gpr::Rsi, Gpr::Rax);
    }
    a.test_imm8(Addr::new(Gpr::Rbx, 0), !0);
    let skip = a.label();
    a.jcc(Cond::E, skip);
    a.alu_imm(Alu::Add, Size::S64, Gpr::Rax.into(), 1);
    a.bind(skip);
    a.pop(Gpr::R12);
    a.pop(Gpr::Rbx);
    let inner = framed(a.finish());
    let at = inner.len().next_multiple_of(32) as i32;
    b.define(func(&[ValType::I64], &[ValType::I64], inner));
    // push rbx twice, call the function before by rel32, add 1
    let mut outer = vec![0x55, 0x48, 0x89, 0xe5, 0x53, 0x53, 0xe8];
    outer.extend((-(at + outer.len() as i32 + 4)).to_le_bytes());
    outer.extend([0x48, 0x83, 0xc0, 0x01, 0x5b, 0x5b, 0x5d, 0xc3]);
    b.define(func(&[ValType::I64], &[ValType::I64], outer));
    b
}

#[test]
fn an_interrupt_at_every_single_instruction_ends_in_a_trap_or_not_at_all() {
    let mut world = World::new();
    let counter = Arc::new(AtomicI64::new(0));
    let host = world.host(&unary(), HostCallKind::Registers, counts as *const (), Arc::as_ptr(&counter).cast_mut().cast());
    let instance = world.instantiate(small_program(), &[Item::Func(host)]);
    let f = world.func(instance, FuncIndex::from_u32(2));
    let entry = world.space.entry_trampoline(&unary()).unwrap();
    SHARED.store(Arc::as_ptr(&world.store.shared).cast_mut().cast(), Ordering::Relaxed);
    // SAFETY: the handler touches atomics, and does to the context what the real one does.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_step as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGTRAP, &action, null_mut());
    }
    install_handlers();
    let (mut traps, mut target) = (Vec::new(), 0);
    loop {
        TARGET.store(target, Ordering::Relaxed);
        STEPS.store(0, Ordering::Relaxed);
        let mut values = [5u128];
        STEPPING.store(true, Ordering::Relaxed);
        // SAFETY: sets the trap flag; the call is an ordinary one.
        let result = unsafe {
            std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq");
            let result = world.store.call(&entry, f, &mut values);
            std::arch::asm!("pushfq", "and qword ptr [rsp], -257", "popfq");
            result
        };
        STEPPING.store(false, Ordering::Relaxed);
        match result {
            Ok(()) => assert_eq!(values[0] as u64, 7),
            Err(failure) => {
                assert!(matches!(failure.stop, Stop::Trap(TrapCode::Interrupt)), "{failure:?}");
                // A trampoline that saw the request has wasm's frames below it; at the entry there are none yet.
                let trace = functions(&failure.backtrace);
                assert!([&[][..], &[1], &[0, 1]].contains(&&trace[..]), "{trace:?} at step {target}");
                traps.push(trace);
            }
        }
        assert_eq!(world.store.shared.depth.get(), 0);
        // The run ended before the request came, or just after the last look at it.
        let over = STEPS.load(Ordering::Relaxed) <= target;
        world.store.interrupt_handle().clear();
        if over {
            break;
        }
        target += 1;
    }
    let inner = traps.iter().filter(|t| t.len() == 2).count();
    let outer = traps.iter().filter(|t| t.len() == 1).count();
    // Frames and all, the program has some 30 interruptible instructions, and each was hit.
    assert!(inner >= 20 && outer >= 4, "{inner} in the inner function and {outer} in the outer of {target} steps");
}

#[test]
fn a_storm_of_requests_into_short_runs_loses_none_and_breaks_nothing() {
    let mut world = World::new();
    let counter = Arc::new(AtomicI64::new(0));
    let host = world.host(&unary(), HostCallKind::Registers, counts as *const (), Arc::as_ptr(&counter).cast_mut().cast());
    let instance = world.instantiate(small_program(), &[Item::Func(host)]);
    let f = world.func(instance, FuncIndex::from_u32(2));
    let handle = world.store.interrupt_handle();
    let stop = Arc::new(AtomicBool::new(false));
    let other = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                handle.interrupt();
                n += 1;
                std::thread::sleep(Duration::from_micros(100));
            }
            n
        }
    });
    let mut interrupted = 0;
    while interrupted < 300 {
        match world.call(f, &unary(), &[5]) {
            Ok(values) => assert_eq!(values[0] as u64, 7),
            Err(failure) => {
                assert!(matches!(failure.stop, Stop::Trap(TrapCode::Interrupt)));
                interrupted += 1;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    // The last request may find nothing running.
    assert!(other.join().unwrap() >= 300);
}
