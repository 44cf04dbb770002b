//! What compiled code, trampolines, signal handlers and other threads see of a store, in one
//! allocation whose address never changes.
//!
//! Everything in [`Shared`] is reached through shared references alone, and mutable parts are
//! cells: a handler looks at them in the middle of wasm code. That is sound because a handler acts
//! only when the interrupted PC is in wasm code or a trampoline of this store; then no Rust code of
//! the store's thread is in the middle of anything.

use crate::code::CodeSpace;
use crate::lazy_pages::LazyPages;
use crate::stack::WasmStack;
use crate::walk::RestingStack;
use sconce_environ::fuel;
use sconce_environ::osr::{CELL_BYTES, MAX_CELLS};
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{ANY_TYPE, VmStoreContext, pending};
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// A trap as a handler met it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Fault {
    pub code: TrapCode,
    pub pc: usize,
    pub sp: usize,
    pub fp: usize,
}

/// The cells of a store, which handlers write and compiled code reads.
#[derive(Debug)]
struct LoopState(*mut u128);

impl LoopState {
    fn new() -> LoopState {
        const { assert!(CELL_BYTES == size_of::<u128>()) }
        LoopState(Box::into_raw(vec![0_u128; MAX_CELLS].into_boxed_slice()).cast())
    }
}

impl Drop for LoopState {
    fn drop(&mut self) {
        let cells = std::ptr::slice_from_raw_parts_mut(self.0, MAX_CELLS);
        // SAFETY: from such a box, in `new`; no code of the store runs any more.
        drop(unsafe { Box::from_raw(cells) });
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Shared {
    vm: UnsafeCell<VmStoreContext>,
    /// What `vm` points to: see [`crate::osr`].
    _loop_state: LoopState,
    /// The thread that runs the store's wasm code, or 0: where interrupts go.
    pub running: AtomicI32,
    /// Entries into wasm that have not ended.
    pub depth: Cell<u32>,
    /// Written by a handler just before it leaves wasm for the landing pad.
    pub fault: Cell<Option<Fault>>,
    /// Whether wasm code goes on one instruction at a time, to where an interrupt can stop it. Handlers' own.
    pub stepping: Cell<bool>,
    /// Where wasm code was at the last signal that found it there; 0 if none has since somebody looked. Written by handlers.
    pub seen_at: AtomicUsize,
    /// Address space of the store's memories. Changed by host code only.
    pub memories: UnsafeCell<Vec<Range<usize>>>,
    /// Parts of them that come in as they are used. Changed by host code only.
    pub lazy_data: UnsafeCell<Vec<Arc<LazyPages>>>,
    pub stack: WasmStack,
    pub code: Arc<CodeSpace>,
}

// SAFETY: other threads (interrupt handles, samplers, host references) use `vm.pending`, `running` and
// `seen_at`, which are atomic, and nothing else. The rest is used by one thread at a time: a store is not `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; pointers in `vm` name things that move along with the store.
unsafe impl Send for Shared {}

impl Shared {
    pub(crate) fn new(stack: WasmStack, code: Arc<CodeSpace>) -> Arc<Shared> {
        let loop_state = LoopState::new();
        let vm = VmStoreContext {
            host_sp: null_mut(),
            exit_fp: null_mut(),
            pending: AtomicU32::new(0),
            incoming: 0,
            runtime: null_mut(),
            host_state: null_mut(),
            handler: null(),
            handler_sp: null_mut(),
            handler_fp: null_mut(),
            handler_payload: null(),
            handler_exception: 0,
            leave: code.stubs().leave() as *const c_void,
            boundary: code.stubs().boundary() as *const c_void,
            activations_next: null_mut(),
            activations_end: null_mut(),
            activations_threshold: null_mut(),
            cage_base: null_mut(),
            cage_length: 0,
            wanted_type: ANY_TYPE,
            reserved: 0,
            loop_state: loop_state.0,
            fuel: fuel::counter(u64::MAX),
        };
        Arc::new(Shared {
            vm: UnsafeCell::new(vm),
            _loop_state: loop_state,
            running: AtomicI32::new(0),
            depth: Cell::new(0),
            fault: Cell::new(None),
            stepping: Cell::new(false),
            seen_at: AtomicUsize::new(0),
            memories: UnsafeCell::new(Vec::new()),
            lazy_data: UnsafeCell::new(Vec::new()),
            stack,
            code,
        })
    }

    /// The store's context.
    #[inline]
    pub(crate) fn vm(&self) -> *mut VmStoreContext {
        self.vm.get()
    }

    /// The stack that the store's wasm code runs on now, as it was left.
    ///
    /// # Safety
    /// No wasm code of the store runs as long as this is used.
    #[inline]
    pub(crate) unsafe fn current_stack(&self) -> RestingStack<'_> {
        let vm = self.vm();
        // SAFETY: as the caller promises, the fields are at rest; trampolines of this stack alone
        // write them.
        unsafe { RestingStack::new(&self.stack, (*vm).exit_fp as usize, (*vm).host_sp as usize) }
    }

    /// Why host calls do not simply return to wasm: bits of [`pending`].
    #[inline]
    pub(crate) fn pending(&self) -> &AtomicU32 {
        // SAFETY: the field is atomic and never moves; the reference covers it alone.
        unsafe { &(*self.vm.get()).pending }
    }

    /// Whether there is something to do at the next boundary between wasm and the host. What
    /// another thread is just noting may be missed.
    #[inline]
    pub(crate) fn host_waits(&self) -> bool {
        self.pending().load(Ordering::Relaxed) & pending::BOUNDARY != 0
    }

    /// Wasm is being left by a fault or a signal, and has counted so far, if it counts. A count only rises: one that is lower has
    /// wrapped around, in code that was stopped just before it would have found that there is not enough.
    pub(crate) fn keep_fuel(&self, counter: u64) {
        if self.code.counts() {
            // SAFETY: wasm was running, so nobody else looks at the context's field.
            let kept = unsafe { &mut (*self.vm()).fuel };
            *kept = if counter < *kept { fuel::counter(0) } else { counter };
        }
    }

    /// Whether an interrupt was asked for.
    #[inline]
    pub(crate) fn interrupted(&self) -> bool {
        self.pending().load(Ordering::Relaxed) & pending::INTERRUPT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::CodeSpaceOptions;

    /// As where an interrupt finds code between the addition and the trap.
    #[test]
    fn a_count_that_has_wrapped_around_leaves_nothing() {
        for (counts, counted) in [(true, [7, 7, 9, u64::MAX, u64::MAX]), (false, [5; 5])] {
            let space = CodeSpace::with(CodeSpaceOptions { fuel: counts, ..CodeSpaceOptions::default() }).unwrap();
            let shared = Shared::new(WasmStack::new(64 << 10, None).unwrap(), space);
            // SAFETY: no wasm runs.
            unsafe { (*shared.vm()).fuel = 5 };
            for (counter, kept) in [7, 7, 9, 3, 4].into_iter().zip(counted) {
                shared.keep_fuel(counter);
                // SAFETY: as above.
                assert_eq!(unsafe { (*shared.vm()).fuel }, kept, "{counter}");
            }
        }
    }
}
