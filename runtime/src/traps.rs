//! Which faults are traps.
//!
//! A fault is a trap of the store that this thread is running if its PC lies in that store's code space, and
//! - its address lies in the guard of the store's wasm stack, or in a part of it for which there is no memory: the stack is
//!   exhausted, whatever instruction touched it (the push of a call, a probe, a trampoline), or
//! - its PC lies in a module's text and the module's trap table has an entry for it that fits the kind of fault; for memory
//!   faults the address must also lie in one of the store's memories, or in the first page if the entry is of a null reference or
//!   of an element past a table's end.
//!
//! Everything else is a bug, ours or the embedder's, and must look like one: it goes to the handler that was there before.

use crate::activation::{Fault, Shared};
use crate::sys::PAGE;
use crate::sys::signal::{self, Context};
use sconce_environ::trap::TrapCode;
use std::cell::Cell;
use std::ptr::null;

thread_local! {
    /// The store whose wasm code this thread entered last and has not left.
    static CURRENT: Cell<*const Shared> = const { Cell::new(null()) };
}

/// Makes a store the current one; gives the one before.
#[inline]
pub(crate) fn set_current(shared: *const Shared) -> *const Shared {
    CURRENT.replace(shared)
}

/// The current store, for handlers. Async-signal-safe: the variable needs no initialisation, and a thread that never touched it
/// holds null.
pub(crate) fn current<'a>() -> Option<&'a Shared> {
    // SAFETY: `call` sets it while it owns a reference to the store's `Shared`, and resets it before it gives that up.
    unsafe { CURRENT.get().as_ref() }
}

/// Whether this thread runs a call of the store, not one of another store from there: then faults in its memories are mended.
pub(crate) fn is_current(shared: &Shared) -> bool {
    std::ptr::eq(CURRENT.get(), shared)
}

/// Mends a fault that is about text that has not been brought in, or turns it into a trap, if it is one. Async-signal-safe.
pub(crate) fn on_fault(fault: signal::Fault, context: &mut Context) -> bool {
    let Some(shared) = current() else { return false };
    // Whatever code is running: a handler that looks at an instruction meets missing text just as a call does, and host functions
    // use the guest's memory just as the guest.
    if let signal::Fault::Memory { address, refused_read } = fault
        // SAFETY: what a store's thread meets of its code space is of regions that the store owns.
        && (unsafe { shared.code.load_missing(address, refused_read) }
            || load_missing_data(shared, address)
            || shared.stack.extend(address))
    {
        return true;
    }
    let Some(code) = recognise(shared, fault, context.pc()) else { return false };
    leave_wasm(shared, code, context);
    true
}

/// Brings in the part of a guest's memory around an address, if that is why it could not be used.
fn load_missing_data(shared: &Shared, address: usize) -> bool {
    // SAFETY: only host code changes the list, and does not touch a guest's memory meanwhile.
    let lazy = unsafe { &*shared.lazy_data.get() };
    // Only this thread uses these memories, so what is present was so before the fault, which has another reason then.
    lazy.iter().any(|pages| pages.offset_of(address).is_some_and(|offset| pages.load(offset)))
}

/// Makes the thread continue at the landing pad.
pub(crate) fn leave_wasm(shared: &Shared, code: TrapCode, context: &mut Context) {
    // The landing pad is gone to without the trap flag.
    shared.stepping.set(false);
    shared.keep_fuel(context.fuel());
    shared.fault.set(Some(Fault { code, pc: context.pc(), sp: context.sp(), fp: context.fp() }));
    context.redirect(shared.code.stubs().landing_pad(), shared.vm() as usize);
}

fn recognise(shared: &Shared, fault: signal::Fault, pc: usize) -> Option<TrapCode> {
    if !shared.code.contains(pc) {
        return None;
    }
    if let signal::Fault::Memory { address, .. } = fault {
        if shared.stack.guard().contains(&address) {
            return Some(TrapCode::StackOverflow);
        }
        if shared.stack.unused().contains(&address) {
            return Some(TrapCode::StackMemory);
        }
    }
    // SAFETY: the store runs this code, so it owns the region.
    let code = unsafe { shared.code.at(pc)? }.trap()?;
    // SAFETY: only host code changes the list, and wasm code was running.
    let memories = unsafe { &*shared.memories.get() };
    let fits = match fault {
        signal::Fault::Memory { address, .. } => {
            match code {
                TrapCode::MemoryOutOfBounds => memories.iter().any(|r| r.contains(&address)),
                // A field of what a null reference would point to, or of a table's element that does not exist.
                TrapCode::NullFunctionReference | TrapCode::TableOutOfBounds | TrapCode::UndefinedElement => address < PAGE,
                _ => false,
            }
        }
        signal::Fault::Arithmetic => matches!(code, TrapCode::IntegerDivideByZero | TrapCode::IntegerOverflow),
        signal::Fault::Illegal => true,
    };
    fits.then_some(code)
}
