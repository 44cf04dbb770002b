//! On-stack replacement: an activation that comes to the head of a loop goes on in other code.
//!
//! The head's first byte is a breakpoint from then on, which costs code that has none nothing, and which one byte's write puts
//! there while other threads execute what it stands in: they meet the instruction or the breakpoint. Its handler copies what
//! the loop can still use into the store's cells, takes the frame down, and lets the thread begin the other code.

use crate::activation::Shared;
use crate::code::OsrEntry;
use crate::sys::signal::Context;
use crate::traps;
use sconce_environ::osr::{Kind, Live, MAX_CELLS, Place};
use sconce_x64::abi::ARG_GPRS;

/// A breakpoint has been executed: whether it was one of these. Async-signal-safe.
pub(crate) fn on_breakpoint(context: &mut Context) -> bool {
    /// What a breakpoint's instruction has.
    const BYTES: usize = 1;
    let Some(shared) = traps::current() else { return false };
    let Some(pc) = context.pc().checked_sub(BYTES) else { return false };
    // SAFETY: the store runs this code, if it is code at all, so it owns the region.
    let Some(entry) = unsafe { shared.code.at(pc) }.and_then(|at| at.osr_entry()) else { return false };
    // SAFETY: the thread has come to the entry's head, in the frame that the head describes.
    unsafe { enter(shared, entry, context) }
}

/// # Safety
/// The context is at the entry's head, in code of the store that has been interrupted there.
unsafe fn enter(shared: &Shared, entry: &OsrEntry, context: &mut Context) -> bool {
    let OsrEntry { head, target, .. } = entry;
    let fp = context.fp();
    // SAFETY: compiled code says where its values are, and its frame is whole while a loop of it runs.
    let word = |offset: i32| unsafe { (fp.wrapping_add_signed(offset as isize) as *const u64).read() };
    let integer = |place: Place, context: &Context| match place {
        Place::Gpr(r) => context.gpr(r) as u64,
        Place::Frame(offset) => word(offset),
        Place::Xmm(_) | Place::Bits(_) => 0,
    };
    // SAFETY: the field never changes, and has room for so many.
    let cells = unsafe { std::slice::from_raw_parts_mut((*shared.vm()).loop_state, MAX_CELLS) };
    for (cell, Live { kind, place }) in cells.iter_mut().zip(head.cells()) {
        *cell = match (place, kind) {
            (Place::Bits(bits), _) => bits,
            (Place::Gpr(r), _) => context.gpr(r) as u128,
            (Place::Xmm(x), _) => context.xmm(x),
            (Place::Frame(offset), Kind::V128) => u128::from(word(offset + 8)) << 64 | u128::from(word(offset)),
            (Place::Frame(offset), _) => word(offset).into(),
        };
    }
    let vmctx = integer(head.context, context) as usize;
    let buffer = head.buffer.map(|place| integer(place, context) as usize);
    // As the epilogue does, up to the return.
    for &(r, offset) in &head.saved {
        context.set_gpr(r, word(offset) as usize);
    }
    context.take_down_frame(word(0) as usize, fp + size_of::<usize>());
    for (r, value) in ARG_GPRS.into_iter().zip([Some(vmctx), buffer]) {
        if let Some(value) = value {
            context.set_gpr(r as u8, value);
        }
    }
    context.go_on_at(*target);
    true
}
