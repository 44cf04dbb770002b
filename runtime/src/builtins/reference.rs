//! Builtins on references: exceptions, types, and what counts and sweeps need.

use super::caller::{Caller, look_for_interrupt};
use crate::heap::Occasion;
use crate::stop::Stop;
use sconce_environ::index::TypeId;
use sconce_environ::trap::TrapCode;
use std::sync::PoisonError;

pub(super) fn throw(c: &mut Caller<'_>, tag: u32, values: *const u128) -> Result<(), Stop> {
    look_for_interrupt(&c.store.shared)?;
    let tag = c.instance.tags[tag as usize];
    // SAFETY: compiled code has written the tag's values there.
    unsafe { c.store.throw(tag, values) }
}

pub(super) fn throw_ref(c: &mut Caller<'_>, exception: u32) -> Result<(), Stop> {
    look_for_interrupt(&c.store.shared)?;
    if exception == 0 { Err(Stop::Trap(TrapCode::NullExceptionReference)) } else { c.store.throw_ref(exception) }
}

pub(super) fn is_subtype(c: &mut Caller<'_>, sub: u32, sup: u32) -> Result<u32, Stop> {
    // A panic while types were added leaves whole ones behind.
    let types = c.store.types.read().unwrap_or_else(PoisonError::into_inner);
    Ok(types.is_subtype(TypeId::from_u32(sub), TypeId::from_u32(sup)).into())
}

pub(super) fn activations_insert(c: &mut Caller<'_>, handle: u32) -> Result<(), Stop> {
    c.store.sweep(Occasion::Full);
    c.store.heap.enter_frame(handle);
    Ok(())
}

pub(super) fn release_last(c: &mut Caller<'_>, handle: u32) -> Result<(), Stop> {
    c.store.heap.released_last(handle);
    Ok(())
}

pub(super) fn sweep(c: &mut Caller<'_>) -> Result<(), Stop> {
    c.store.sweep(Occasion::Asked);
    Ok(())
}
