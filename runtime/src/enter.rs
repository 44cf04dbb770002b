//! Entering wasm, and what comes of it.
//!
//! A call may happen inside a host function of the same store: wasm then continues on the same wasm stack, below the frame of
//! the host call. Each entry checks that the host's stack has room and that nesting is within a limit, because wasm that
//! recurses through host functions uses both stacks.

use crate::activation::Shared;
use crate::backtrace;
use crate::handle::FuncHandle;
use crate::stop::{Failure, Stop};
use crate::store::Store;
use crate::sys::thread;
use crate::trampolines::EntryTrampoline;
use crate::traps;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{ANY_TYPE, VmContext, VmHostContext, VmStoreContext, pending};
use sconce_x64::stubs::EXIT_FRAME_BYTES;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// Bytes that the host's stack must have left on entry: host functions and handlers of other libraries run there.
const HOST_STACK_RESERVE: usize = 256 << 10;
/// Entries inside each other that a store allows. Each that fails walks the stack, so the work is of the order of its square.
const MAX_NESTING: u32 = 1000;

type Entry = unsafe extern "sysv64" fn(
    store: *mut VmStoreContext,
    code: *const c_void,
    context: *mut VmContext,
    values: *mut u128,
    wasm_sp: *mut u8,
) -> u64;

impl Store {
    /// Calls a function: `values` holds the arguments, and afterwards the results.
    ///
    /// # Errors
    /// If it trapped, or a host function that it called failed or panicked. The store can be used again.
    ///
    /// # Safety
    /// `entry` was made for the signature of `func`; references in `values` are of this store and of the right types.
    ///
    /// # Panics
    /// If `values` has fewer places than the signature has parameters or results, or `func` is another store's.
    pub unsafe fn call(&mut self, entry: &EntryTrampoline, func: FuncHandle, values: &mut [u128]) -> Result<(), Failure> {
        self.id().check(func.store);
        assert!(values.len() >= entry.places, "a place for each argument and each result");
        // Host functions find the store through this pointer, and so as part of this borrow.
        let this: *mut Store = self;
        // SAFETY: `this` is `self`; the shared part is in an `Arc` that nobody replaces.
        let shared: &Shared = unsafe { &(*this).shared };
        let vm = shared.vm();
        let depth = match admit(shared) {
            Ok(depth) => depth,
            Err(stop) => return Err(Failure { stop, backtrace: backtrace::of_host_call(shared) }),
        };
        // SAFETY: the context is ours; records live as long as the store. The trampoline was made for this signature, by the
        // caller's promise; it returns here on every path, having restored what the host's convention asks for.
        let left = unsafe {
            let outer_runtime = std::mem::replace(&mut (*vm).runtime, this.cast());
            let outer = traps::set_current(shared);
            (*vm).wanted_type = ANY_TYPE;
            let exit_fp = (*vm).exit_fp as usize;
            let wasm_sp = if exit_fp == 0 { shared.stack.top() } else { exit_fp - EXIT_FRAME_BYTES };
            let enter: Entry = std::mem::transmute(entry.code);
            let record = func.record.as_ptr();
            let left = enter(vm, (*record).code, (*record).vmctx, values.as_mut_ptr(), wasm_sp as *mut u8);
            traps::set_current(outer);
            (*vm).runtime = outer_runtime;
            left
        };
        // From the register: a load would wait for the store in `admit`.
        shared.depth.set(depth);
        if depth == 0 {
            shared.running.store(0, Ordering::Release);
        }
        if left == 0 {
            return Ok(());
        }
        // SAFETY: `this` is `self`.
        Err(unsafe { failure(&mut *this, left, depth) })
    }
}

/// Whether wasm may be entered; if so, counts the entry, and gives the number of entries around it.
#[inline]
fn admit(shared: &Shared) -> Result<u32, Stop> {
    let thread = thread::current().map_err(Stop::Resource)?;
    let depth = shared.depth.get();
    let here = 0u8;
    if thread.stack_left((&raw const here) as usize) < HOST_STACK_RESERVE || depth >= MAX_NESTING {
        return Err(Stop::Trap(TrapCode::StackOverflow));
    }
    if depth == 0 {
        // Published before the look at the bit: see `InterruptHandle::interrupt`.
        shared.running.store(thread.id, Ordering::Release);
    }
    if shared.interrupted() {
        if depth == 0 {
            shared.running.store(0, Ordering::Release);
            shared.pending().fetch_and(!pending::INTERRUPT, Ordering::SeqCst);
        }
        return Err(Stop::Trap(TrapCode::Interrupt));
    }
    shared.depth.set(depth + 1);
    Ok(depth)
}

/// What the landing pad's return means.
#[cold]
fn failure(store: &mut Store, left: u64, depth: u32) -> Failure {
    let shared = store.shared.clone();
    let stop = store.stop.take();
    let fault = shared.fault.take();
    let (stop, backtrace) = match fault {
        Some(fault) => {
            if fault.code == TrapCode::FuelExhausted {
                store.fuel_is_exhausted();
            }
            (Stop::Trap(fault.code), backtrace::of_fault(&shared, &fault))
        }
        // Through a trampoline: something was recorded, or an interrupt was asked for.
        None => (stop.unwrap_or(Stop::Trap(TrapCode::Interrupt)), backtrace::of_exit(&shared, (left & !1) as usize)),
    };
    // With the outermost call the run is over, and a request to stop it has got what it asked for.
    let done = if depth == 0 { pending::TRAP | pending::INTERRUPT } else { pending::TRAP };
    shared.pending().fetch_and(!done, Ordering::SeqCst);
    Failure { stop, backtrace }
}

/// Makes the trampoline leave wasm when the running host function or builtin returns to it.
///
/// # Safety
/// `vm` is the context of the store that this thread runs.
pub(crate) unsafe fn stop(vm: *mut VmStoreContext, stop: Stop) {
    // SAFETY: the caller's promise.
    unsafe {
        (*(*vm).runtime.cast::<Store>()).stop = Some(stop);
        (*vm).pending.fetch_or(pending::TRAP, Ordering::Relaxed);
    }
}

/// Runs the body of a host function: catches a panic, records a failure. After a failure the value that is returned does not
/// matter.
///
/// # Safety
/// `ctx` is what the host function got, and what this returns is returned to the trampoline at once.
#[inline]
pub unsafe fn host_call<R>(ctx: *mut VmHostContext, on_failure: R, body: impl FnOnce() -> Result<R, Stop>) -> R {
    match catch_panic(body) {
        Ok(r) => r,
        Err(failed) => {
            // SAFETY: the caller's promise.
            unsafe { fail_host_call((*ctx).store, failed) };
            on_failure
        }
    }
}

/// Makes the trampoline leave wasm, or continue in the handler of an exception that the host function's callers have.
///
/// # Safety
/// As for [`stop`].
#[cold]
unsafe fn fail_host_call(vm: *mut VmStoreContext, failed: Stop) {
    let failed = match failed {
        Stop::Exception { exception, note } => {
            // No boundary follows, so here is the safe point; the exception has a count on what it carries.
            // SAFETY: the host function, which may have used the store, is over.
            let settled = catch_panic(|| unsafe {
                if Store::from_vm(vm).has_work() {
                    Store::safe_point((*vm).runtime.cast());
                }
                Ok(())
            });
            // SAFETY: as above.
            match settled.map(|()| unsafe { Store::from_vm(vm) }.throw_from_host(&exception)) {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) => Stop::Exception { exception, note },
                Ok(Err(code)) => Stop::Trap(code),
                Err(failed) => failed,
            }
        }
        other => other,
    };
    // SAFETY: the caller's promise.
    unsafe { stop(vm, failed) };
}

/// What a store has to do where wasm and the host meet, behind a host call that brings no reference: the
/// trampoline calls this when [`pending::BOUNDARY`] is set.
///
/// # Safety
/// As for [`stop`].
pub(crate) unsafe extern "C" fn after_host(vm: *mut VmStoreContext) {
    // SAFETY: the host function, which may have used the store, is over. A drop that panics is a failure of the call.
    unsafe {
        guarded(vm, (), || {
            Store::from_vm(vm).boundary_due();
            Ok(())
        });
    }
}

/// As [`host_call`], for builtins.
///
/// # Safety
/// As for [`stop`].
#[inline]
pub(crate) unsafe fn guarded<R>(vm: *mut VmStoreContext, on_failure: R, body: impl FnOnce() -> Result<R, Stop>) -> R {
    match catch_panic(body) {
        Ok(r) => r,
        Err(failed) => {
            // SAFETY: the caller's promise.
            unsafe { stop(vm, failed) };
            on_failure
        }
    }
}

#[inline]
fn catch_panic<R>(body: impl FnOnce() -> Result<R, Stop>) -> Result<R, Stop> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(Stop::Panic(payload)))
}
