//! Builtins on memories and data segments, but for atomic ones.

use super::caller::{Caller, look_for_interrupt};
use crate::activation::Shared;
use crate::stop::Stop;
use crate::store::Store;
use sconce_environ::index::DataIndex;
use sconce_environ::trap::TrapCode;
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
    Ok(memories[n].grow(pages, budget).unwrap_or(u64::MAX))
}

pub(super) fn memory_fill(c: &mut Caller<'_>, memory: u32, dst: u64, value: u32, len: u64) -> Result<(), Stop> {
    let to = c.range(memory, dst, len)?;
    // SAFETY: the range is inside the memory, to which the host holds no references.
    chunks(&c.store.shared, len, false, |at, n| unsafe { ptr::write_bytes(to.add(at), value as u8, n) })
}

pub(super) fn memory_copy(
    c: &mut Caller<'_>,
    dst_memory: u32,
    src_memory: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> Result<(), Stop> {
    let to = c.range(dst_memory, dst, len)?;
    let from = c.range(src_memory, src, len)?;
    // As if through a buffer: from the back where the destination lies above the source.
    let backwards = to.cast_const() > from.cast_const();
    // SAFETY: both ranges are inside; `copy` allows overlap inside a chunk.
    chunks(&c.store.shared, len, backwards, |at, n| unsafe { ptr::copy(from.add(at), to.add(at), n) })
}

pub(super) fn memory_init(c: &mut Caller<'_>, memory: u32, data: u32, dst: u64, src: u32, len: u32) -> Result<(), Stop> {
    let to = c.range(memory, dst, len.into())?;
    let module = c.instance.module.clone();
    let bytes = if c.instance.dropped_data[data as usize] { &[] } else { module.data(DataIndex::from_u32(data)).unwrap_or(&[]) };
    let end = src.checked_add(len).ok_or(Stop::Trap(TrapCode::MemoryOutOfBounds))?;
    let bytes = bytes.get(src as usize..end as usize).ok_or(Stop::Trap(TrapCode::MemoryOutOfBounds))?;
    // SAFETY: the range is inside the memory, and data segments are the host's.
    chunks(&c.store.shared, len.into(), false, |at, n| unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().add(at), to.add(at), n) })
}

pub(super) fn data_drop(c: &mut Caller<'_>, data: u32) -> Result<(), Stop> {
    c.instance.dropped_data[data as usize] = true;
    Ok(())
}
