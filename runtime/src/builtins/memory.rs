//! Builtins on memories and data segments, but for atomic ones.

use super::caller::{Caller, look_for_interrupt};
use crate::activation::Shared;
use crate::stop::Stop;
use crate::store::Store;
use sconce_environ::fuel;
use sconce_environ::index::DataIndex;
use sconce_environ::vm::VmMemory;
use std::ptr;

/// Bytes that are moved between two looks at the interrupt flag: about a millisecond where pages
/// are touched first.
const CHUNK: usize = 1 << 20;

/// Calls `f` with the offset and length of each chunk of `len` bytes, from the front or from the
/// back.
fn chunks(shared: &Shared, len: u64, backwards: bool, mut f: impl FnMut(usize, usize)) -> Result<(), Stop> {
    let len = len as usize;
    let mut done = 0;
    loop {
        let n = CHUNK.min(len - done);
        f(if backwards { len - done - n } else { done }, n);
        done += n;
        if done == len {
            return Ok(());
        }
        look_for_interrupt(shared)?;
    }
}

pub(super) fn memory_grow(c: &mut Caller<'_>, memory: u32, pages: u64) -> Result<u64, Stop> {
    let n = c.memory(memory) as usize;
    let Store { memories, budget, .. } = &mut *c.store;
    let Some(before) = memories[n].grow(pages, budget) else { return Ok(u64::MAX) };
    let bytes = pages << memories[n].ty().page_size_log2;
    c.store.pay(fuel::of_bytes(bytes))?;
    Ok(before)
}

/// Whoever calls passes descriptions of its instance's memories and data segments: an address that a compiler
/// computed, as it computes those of all that it reads in a context.
pub(super) fn memory_fill(c: &mut Caller<'_>, memory: *const VmMemory, dst: u64, value: u32, len: u64) -> Result<(), Stop> {
    // SAFETY: the address is the compiler's; the guest chooses the other arguments.
    let to = unsafe { c.bytes(memory, dst, len)? };
    // SAFETY: the range is inside the memory, to which the host holds no references.
    chunks(&c.store.shared, len, false, |at, n| unsafe { ptr::write_bytes(to.add(at), value as u8, n) })
}

pub(super) fn memory_copy(
    c: &mut Caller<'_>,
    dst_memory: *const VmMemory,
    source: *const VmMemory,
    dst: u64,
    src: u64,
    len: u64,
) -> Result<(), Stop> {
    // SAFETY: as above. What is written is a memory; only sources are data segments.
    let (to, from) = unsafe { (c.bytes(dst_memory, dst, len)?, c.bytes(source, src, len)?) };
    // As if through a buffer: from the back where the destination lies above the source.
    let backwards = to.cast_const() > from.cast_const();
    // SAFETY: both ranges are inside; `copy` allows overlap inside a chunk.
    chunks(&c.store.shared, len, backwards, |at, n| unsafe { ptr::copy(from.add(at), to.add(at), n) })
}

pub(super) fn data_drop(c: &mut Caller<'_>, data: u32) -> Result<(), Stop> {
    c.instance.drop_data(DataIndex::from_u32(data));
    Ok(())
}
