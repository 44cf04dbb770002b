//! The builtins: what compiled code leaves to the runtime. Signatures come from `environ::builtin`.
//!
//! Nothing that a guest passes is trusted: indices are the compiler's, numbers are checked here,
//! whatever compiled code has checked before. Operations on guest-sized ranges work in chunks and
//! stop when an interrupt is asked for.

mod atomic;
mod caller;
mod memory;
mod reference;
mod table;

use crate::enter::guarded;
use crate::heap::Heap;
use crate::instance::Instance;
use crate::store::Store;
use caller::Caller;
use sconce_environ::vm::{VmContext, VmFuncRef, VmMemory, pending};
use std::sync::atomic::Ordering;

/// What they do, by name.
mod operations {
    pub(super) use super::{atomic::*, memory::*, reference::*, table::*};
}

/// A row's types as Rust's.
macro_rules! abi {
    (I32) => { u32 };
    (I64) => { u64 };
    (Ptr) => { *const VmFuncRef };
    (Ref) => { u32 };
    (Entering) => { u32 };
    (Dead) => {
        u32
    };
    (Bytes) => { *const VmMemory };
    (Values) => { *const u128 };
}

/// The reference among a row's arguments that an argument is.
macro_rules! reference {
    (Ref $arg:ident) => {
        Some($arg)
    };
    (Entering $arg:ident) => {
        Some($arg)
    };
    ($ty:ident $arg:ident) => {
        None
    };
}

/// The tag and the values of an exception among a row's arguments.
macro_rules! payload {
    ($tag:ident: I32, $values:ident: Values) => {
        Some(($tag, $values))
    };
    ($($arg:ident: $ty:ident),*) => {
        None
    };
}

/// Whether a builtin with such an argument is no safe point before it begins: the object is dying,
/// or the builtin sweeps by itself.
macro_rules! is_no_safe_point {
    (Dead) => {
        true
    };
    (Entering) => {
        true
    };
    ($ty:ident) => {
        false
    };
}

/// The reference among a row's arguments that enters the caller's frame: no stack map has it yet.
macro_rules! entering {
    (Entering $arg:ident) => {
        Some($arg)
    };
    ($ty:ident $arg:ident) => {
        None
    };
}

/// An `extern "C"` function for each row, and the table of their addresses.
macro_rules! table {
    ($($variant:ident $name:ident ($($arg:ident: $ty:ident),*) $(-> $ret:ident)?;)*) => {
        mod shims {
            use super::*;
            $(pub(super) unsafe extern "C" fn $name(vmctx: *mut VmContext, $($arg: abi!($ty)),*) $(-> abi!($ret))? {
                let references: &[Option<u32>] = &[$(reference!($ty $arg)),*];
                // SAFETY: compiled code passes the context of the instance that it belongs to, and
                // the trampoline has left wasm properly.
                unsafe {
                    let safe_point = !(false $(|| is_no_safe_point!($ty))*);
                    let (held, ready) = before(vmctx, references, payload!($($arg: $ty),*), safe_point);
                    let result = guarded((*vmctx).store, Default::default(), || {
                        if ready { operations::$name(&mut Caller::new(vmctx), $($arg),*) } else { Ok(Default::default()) }
                    });
                    let entering: &[Option<u32>] = &[$(entering!($ty $arg)),*];
                    after(vmctx, held, entering.iter().flatten().copied().next());
                    result
                }
            })*
        }

        /// Addresses of the builtins, by number.
        pub(crate) fn targets() -> [usize; sconce_environ::builtin::Builtin::COUNT] {
            [$(shims::$name as *const () as usize),*]
        }
    };
}
sconce_environ::for_each_builtin!(table);

/// What precedes every builtin: it holds a count on each reference that it was passed, and is a
/// safe point, so that whatever wasm does without calling the host comes by one. Gives how many
/// references it holds, and whether the builtin is to begin.
///
/// # Safety
/// As for [`Caller::new`]; the values of a payload are those of its tag.
#[inline]
unsafe fn before(
    vmctx: *mut VmContext,
    references: &[Option<u32>],
    payload: Option<(u32, *const u128)>,
    safe_point: bool,
) -> (usize, bool) {
    // SAFETY: the caller's promise. Not used once the safe point has begun.
    let store = unsafe { Store::from_vm((*vmctx).store) };
    let mut held = 0;
    let mut hold = |heap: &mut Heap, handle| {
        heap.hold_argument(handle);
        held += 1;
    };
    references.iter().flatten().for_each(|&handle| hold(&mut store.heap, handle));
    if !safe_point || !store.has_work() {
        return (held, true);
    }
    if let Some((tag, values)) = payload {
        // SAFETY: the caller's promise. Of the instance, tags alone are borrowed: the store is in use.
        let handles = unsafe {
            let tags = &(*(*vmctx).instance.cast::<Instance>()).tags;
            store.handles_thrown(tags[tag as usize], values)
        };
        handles.into_iter().for_each(|handle| hold(&mut store.heap, handle));
    }
    let mut ready = false;
    // SAFETY: the caller's promise; no reference to the store is used across this. A drop may
    // panic, or enter the store again.
    unsafe {
        guarded((*vmctx).store, (), || {
            Store::safe_point((*(*vmctx).store).runtime.cast());
            ready = true;
            Ok(())
        });
    };
    (held, ready)
}

/// What follows every builtin: its references are given up, and host values that died are dropped,
/// now that the operation is complete. No stack map has a reference that is `entering` the frame,
/// and a drop may enter the store and sweep: so a count is held on it as long as values are
/// dropped, and it is announced again afterwards.
///
/// # Safety
/// As for [`Caller::new`].
#[inline]
unsafe fn after(vmctx: *mut VmContext, held: usize, entering: Option<u32>) {
    // SAFETY: the caller's promise. Not used once values are dropped.
    let store = unsafe { Store::from_vm((*vmctx).store) };
    if held > 0 {
        store.heap.release_arguments(held);
    }
    store.heap.bury();
    // Not between a throw and its handler, which is still to load the exception's values.
    if store.heap.has_garbage() && store.shared.pending().load(Ordering::Relaxed) & pending::HANDLER == 0 {
        if let Some(handle) = entering {
            store.heap.hold_argument(handle);
        }
        // A drop may panic, or enter the store again.
        // SAFETY: the caller's promise; no reference to the store is used across this.
        unsafe {
            guarded((*vmctx).store, (), || {
                Store::settle((*(*vmctx).store).runtime.cast());
                Ok(())
            });
        };
        if let Some(handle) = entering {
            // SAFETY: the caller's promise.
            let store = unsafe { Store::from_vm((*vmctx).store) };
            store.heap.enter_frame(handle);
            store.heap.release_arguments(1);
        }
    }
}
