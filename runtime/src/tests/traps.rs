//! Faults that are traps, faults that are not, and exhausted stacks.

use super::build::*;
use super::calls::{calls_import, unary};
use super::in_child;
use crate::*;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::index::FuncIndex;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::ValType;
use sconce_environ::vm::{VmContext, VmHostContext};
use std::os::unix::process::ExitStatusExt;
use std::ptr::null_mut;

fn none() -> Signature {
    Signature::new([], [])
}

const UD2: [u8; 2] = [0x0f, 0x0b];
/// `xor ecx, ecx; div ecx`
const DIVIDE: [u8; 4] = [0x31, 0xc9, 0xf7, 0xf1];

/// `mov rax, [rdi + memory.base]; mov eax, [rax + rsi]`: a load at an index that need not fit into 32 bits.
fn load() -> (Vec<u8>, u32) {
    let at = size_of::<VmContext>() as u8;
    let code = framed(&[0x48, 0x8b, 0x47, at, 0x8b, 0x04, 0x30]);
    (code, FRAME + 4)
}

fn loader(trap: bool) -> Builder {
    let mut b = Builder::new();
    b.memory(MEMORY);
    let (code, at) = load();
    let f = func(&[ValType::I64], &[ValType::I32], code);
    b.define(if trap { f.trap(at, TrapCode::MemoryOutOfBounds) } else { f });
    b
}

fn loads() -> Signature {
    Signature::new([I64], [I32])
}

fn f0() -> FuncIndex {
    FuncIndex::from_u32(0)
}

#[test]
fn faults_with_a_trap_entry_are_traps() {
    let mut world = World::new();
    let mut b = Builder::new();
    let ud2 = b.define(func(&[], &[], framed(&UD2)).trap(FRAME, TrapCode::Unreachable));
    let div = b.define(func(&[], &[], framed(&DIVIDE)).trap(FRAME + 2, TrapCode::IntegerDivideByZero));
    let fine = b.define(func(&[], &[], framed(&[])));
    let instance = world.instantiate(b, &[]);
    for (f, code) in [(ud2, TrapCode::Unreachable), (div, TrapCode::IntegerDivideByZero)] {
        let f_handle = world.func(instance, f);
        for _ in 0..3 {
            let (got, trace) = trap(world.call(f_handle, &none(), &[]));
            assert_eq!((got, functions(&trace)), (code, vec![f.as_u32()]));
            let fine = world.func(instance, fine);
            assert!(world.call(fine, &none(), &[]).is_ok());
        }
    }
}

#[test]
fn an_access_in_the_guard_is_a_trap_at_the_faulting_instruction() {
    let mut world = World::new();
    let instance = world.instantiate(loader(true), &[]);
    let f = world.func(instance, f0());
    assert_eq!(world.call(f, &loads(), &[65532]).unwrap()[0] as u32, 0);
    for at in [65533u128, 65536, 1 << 31, (1 << 32) - 1, (1 << 32) + (1 << 31) - 4] {
        let (code, trace) = trap(world.call(f, &loads(), &[at]));
        assert_eq!(code, TrapCode::MemoryOutOfBounds, "{at}");
        assert_eq!(trace.frames[0].offset, FRAME + 4);
    }
}

#[test]
fn an_access_outside_every_memory_is_no_trap() {
    if let Some(status) = in_child("traps::an_access_outside_every_memory_is_no_trap") {
        assert_eq!(status.signal(), Some(libc::SIGSEGV));
        return;
    }
    let mut world = World::new();
    let instance = world.instantiate(loader(true), &[]);
    let f = world.func(instance, f0());
    // Just behind the reservation something of ours may be mapped, so a page that surely is not: the first.
    let base = world.store.memories[0].reserved().start;
    let _ = world.call(f, &loads(), &[u128::from(0usize.wrapping_sub(base) as u64 + 64)]);
    panic!("a stray access went unnoticed");
}

#[test]
fn an_access_without_a_trap_entry_is_no_trap() {
    if let Some(status) = in_child("traps::an_access_without_a_trap_entry_is_no_trap") {
        assert_eq!(status.signal(), Some(libc::SIGSEGV));
        return;
    }
    let mut world = World::new();
    let instance = world.instantiate(loader(false), &[]);
    let f = world.func(instance, f0());
    let _ = world.call(f, &loads(), &[1 << 20]);
}

#[test]
fn an_undefined_instruction_without_a_trap_entry_is_no_trap() {
    if let Some(status) = in_child("traps::an_undefined_instruction_without_a_trap_entry_is_no_trap") {
        assert_eq!(status.signal(), Some(libc::SIGILL));
        return;
    }
    let mut world = World::new();
    let mut b = Builder::new();
    b.define(func(&[], &[], framed(&UD2)));
    let instance = world.instantiate(b, &[]);
    let f = world.func(instance, f0());
    let _ = world.call(f, &none(), &[]);
}

/// Reads where it is told: in host code.
unsafe extern "C" fn reads(_: *mut VmHostContext, at: i64) -> i64 {
    // SAFETY: none; the test dies of it.
    unsafe { (at as *const i64).read_volatile() }
}

#[test]
fn a_fault_in_host_code_is_no_trap_even_inside_a_memory() {
    if let Some(status) = in_child("traps::a_fault_in_host_code_is_no_trap_even_inside_a_memory") {
        assert_eq!(status.signal(), Some(libc::SIGSEGV));
        return;
    }
    let mut world = World::new();
    let host = world.host(&unary(), HostCallKind::Registers, reads as *const (), null_mut());
    world.store.new_memory(MEMORY, BoundsStyle::Guard).unwrap();
    let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
    let f = world.func(instance, FuncIndex::from_u32(1));
    let guard = world.store.memories[0].reserved().end - 8;
    let _ = world.call(f, &unary(), &[guard as u128]);
}

#[test]
fn a_signal_that_somebody_sent_is_no_trap() {
    if let Some(status) = in_child("traps::a_signal_that_somebody_sent_is_no_trap") {
        assert_eq!(status.signal(), Some(libc::SIGFPE));
        return;
    }
    let _world = World::new();
    // SAFETY: no memory is involved.
    unsafe { libc::raise(libc::SIGFPE) };
}

#[test]
fn a_signal_that_somebody_sent_ends_the_process_although_rusts_handler_returns() {
    if let Some(status) = in_child("traps::a_signal_that_somebody_sent_ends_the_process_although_rusts_handler_returns") {
        assert_eq!((status.signal(), status.core_dumped()), (Some(libc::SIGBUS), false));
        return;
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain calls; a core may be written as far as the hard limit allows.
    unsafe {
        libc::getrlimit(libc::RLIMIT_CORE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_CORE, &limit);
    }
    let _world = World::new();
    // SAFETY: no memory is involved.
    unsafe { libc::raise(libc::SIGBUS) };
}

extern "C" fn returns(_: libc::c_int) {}

#[test]
fn a_handler_that_was_there_may_go_on_after_a_sent_signal_and_traps_still_work() {
    if let Some(status) = in_child("traps::a_handler_that_was_there_may_go_on_after_a_sent_signal_and_traps_still_work") {
        assert_eq!(status.code(), Some(0));
        return;
    }
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGSEGV, returns as *const () as usize) };
    let mut world = World::new();
    let instance = world.instantiate(loader(true), &[]);
    let f = world.func(instance, f0());
    for _ in 0..2 {
        // SAFETY: no memory is involved.
        unsafe { libc::raise(libc::SIGSEGV) };
        assert_eq!(trap(world.call(f, &loads(), &[1 << 20])).0, TrapCode::MemoryOutOfBounds);
    }
}

#[test]
fn faults_are_traps_although_the_parent_blocked_the_signals() {
    // SAFETY: sets on the stack; the mask is this thread's.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, null_mut());
    }
    // Threads have the mask of who started them.
    let run = || {
        let mut world = World::new();
        let instance = world.instantiate(loader(true), &[]);
        let f = world.func(instance, f0());
        assert_eq!(trap(world.call(f, &loads(), &[1 << 20])).0, TrapCode::MemoryOutOfBounds);
    };
    std::thread::spawn(run).join().unwrap();
}

extern "C" fn exits(signal: libc::c_int) {
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(signal + 100) };
}

#[test]
fn what_is_no_trap_goes_to_the_handler_that_was_there() {
    if let Some(status) = in_child("traps::what_is_no_trap_goes_to_the_handler_that_was_there") {
        assert_eq!(status.code(), Some(libc::SIGSEGV + 100));
        return;
    }
    // SAFETY: the handler is async-signal-safe.
    unsafe { libc::signal(libc::SIGSEGV, exits as *const () as usize) };
    let mut world = World::new();
    let instance = world.instantiate(loader(true), &[]);
    let f = world.func(instance, f0());
    // A trap does not go there...
    assert_eq!(trap(world.call(f, &loads(), &[1 << 20])).0, TrapCode::MemoryOutOfBounds);
    // ...but this does.
    // SAFETY: none; that is the test.
    unsafe { (8 as *const u8).read_volatile() };
}

#[test]
fn an_ignored_signal_stays_ignored_and_an_ignored_fault_kills() {
    if let Some(status) = in_child("traps::an_ignored_signal_stays_ignored_and_an_ignored_fault_kills") {
        assert_eq!(status.signal(), Some(libc::SIGSEGV));
        return;
    }
    // SAFETY: plain calls.
    unsafe {
        libc::signal(libc::SIGSEGV, libc::SIG_IGN);
        let _world = World::new();
        libc::raise(libc::SIGSEGV);
        libc::raise(libc::SIGSEGV);
        (8 as *const u8).read_volatile();
        // Not reached: an exit code would be no signal.
        libc::_exit(3);
    }
}

/// A function that calls itself without end, with `frame` bytes of frame (probed every page).
fn recursion(frame: u32) -> Vec<u8> {
    let mut code = vec![0x55, 0x48, 0x89, 0xe5];
    for _ in 0..frame / 4096 {
        // sub rsp, 4096; mov dword [rsp], 0
        code.extend([0x48, 0x81, 0xec, 0x00, 0x10, 0, 0, 0xc7, 0x04, 0x24, 0, 0, 0, 0]);
    }
    // call self; leave; ret
    code.push(0xe8);
    code.extend((-(code.len() as i32 + 4)).to_le_bytes());
    code.extend([0xc9, 0xc3]);
    code
}

#[test]
fn endless_recursion_ends_at_the_guard() {
    for (stack_size, frame) in [(64 << 10, 0), (64 << 10, 20480), (1 << 20, 0), (8 << 20, 4096)] {
        let mut world = World::with(StoreOptions { stack_size, ..StoreOptions::default() });
        let mut b = Builder::new();
        b.define(func(&[], &[], recursion(frame)));
        let instance = world.instantiate(b, &[]);
        let f = world.func(instance, f0());
        for _ in 0..20 {
            let (code, trace) = trap(world.call(f, &none(), &[]));
            assert_eq!(code, TrapCode::StackOverflow);
            let frames = trace.frames.len() + trace.omitted;
            let each = frame as usize + 16;
            assert!((stack_size - 40960) / each <= frames && frames <= stack_size / each + 2, "{frames} frames of {each}");
            assert!(functions(&trace).iter().all(|&f| f == 0));
            assert!(trace.frames.len() <= 250 && (trace.omitted == 0 || trace.omitted_at == 200));
        }
    }
}

/// Calls wasm again, for ever.
unsafe extern "C" fn again(ctx: *mut VmHostContext, n: i64) -> i64 {
    // SAFETY: the test puts the callee's handle there.
    unsafe {
        host_call(ctx, 0, || {
            let store = Store::from_vm((*ctx).store);
            let entry = store.space().clone().entry_trampoline(&unary()).unwrap();
            let callee = *(*ctx).data.cast::<FuncHandle>();
            let mut values = [n as u128 + 1];
            store.call(&entry, callee, &mut values).map_err(|f| f.stop)?;
            Ok(0)
        })
    }
}

#[test]
fn endless_recursion_through_the_host_ends_before_either_stack_does() {
    let run = || {
        let mut world = World::new();
        let mut callee = std::mem::MaybeUninit::<FuncHandle>::uninit();
        let host = world.host(&unary(), HostCallKind::Registers, again as *const (), callee.as_mut_ptr().cast());
        let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
        let f = world.func(instance, FuncIndex::from_u32(1));
        callee.write(f);
        for _ in 0..3 {
            let (code, _) = trap(world.call(f, &unary(), &[0]));
            assert_eq!(code, TrapCode::StackOverflow);
        }
        world.store.shared.depth.get()
    };
    // On threads with little stack, and with so much that the nesting limit comes first.
    for size in [512 << 10, 2 << 20, 256 << 20] {
        assert_eq!(std::thread::Builder::new().stack_size(size).spawn(run).unwrap().join().unwrap(), 0);
    }
}

/// Writes the flags that the host must not inherit: sets DF, changes MXCSR and the x87 control word, then traps.
fn unclean() -> Vec<u8> {
    // push 0x7f80 (flush to zero, round to zero); ldmxcsr [rsp]; push 0x0f7f... ; fldcw [rsp]; add rsp, 16; std; ud2
    let body = [
        &[0x68, 0x80, 0xff, 0, 0, 0x0f, 0xae, 0x14, 0x24][..],
        &[0x68, 0x7f, 0x0f, 0, 0, 0xd9, 0x2c, 0x24],
        &[0x48, 0x83, 0xc4, 0x10, 0xfd],
        &UD2,
    ];
    framed(&body.concat())
}

#[test]
fn the_processors_modes_are_in_order_after_a_trap() {
    let mut world = World::new();
    let mut b = Builder::new();
    let code = unclean();
    let at = code.len() as u32 - 4;
    b.define(func(&[], &[], code).trap(at, TrapCode::Unreachable));
    let instance = world.instantiate(b, &[]);
    let f = world.func(instance, f0());
    assert_eq!(trap(world.call(f, &none(), &[])).0, TrapCode::Unreachable);
    let (mut mxcsr, mut fcw, flags) = (0u32, 0u16, 0u64);
    let mut flags = flags;
    // SAFETY: only reads the processor's modes.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr);
        std::arch::asm!("fnstcw [{}]", in(reg) &raw mut fcw);
        std::arch::asm!("pushfq", "pop {}", out(reg) flags);
    }
    assert_eq!((mxcsr & 0xffc0, fcw, flags & 0x400), (0x1f80, 0x037f, 0));
}
