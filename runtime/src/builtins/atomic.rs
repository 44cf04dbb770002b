//! Builtins that wait and notify.

use super::caller::Caller;
use crate::shared::Waited;
use crate::stop::Stop;
use sconce_environ::ops::IntWidth;
use sconce_environ::trap::TrapCode;

/// The checked address of an atomic operation that the runtime does, from index and offset.
fn atomic_address(c: &Caller<'_>, memory: u32, index: u64, offset: u64, size: u64) -> Result<u64, Stop> {
    let address = index.checked_add(offset).ok_or(Stop::Trap(TrapCode::MemoryOutOfBounds));
    // As in compiled code, alignment comes first; where the sum wraps, its low bits are those of
    // the true sum.
    if !index.wrapping_add(offset).is_multiple_of(size) {
        return Err(Stop::Trap(TrapCode::UnalignedAtomic));
    }
    let address = address?;
    c.range(memory, address, size)?;
    Ok(address)
}

fn atomic_wait(
    c: &Caller<'_>,
    memory: u32,
    (index, offset): (u64, u64),
    (width, expected): (IntWidth, u64),
    timeout: u64,
) -> Result<u32, Stop> {
    let size = if width == IntWidth::W32 { 4 } else { 8 };
    let address = atomic_address(c, memory, index, offset, size)?;
    let memory = &c.store.memories[c.memory(memory) as usize];
    let shared = memory.shared().ok_or(Stop::Trap(TrapCode::ExpectedSharedMemory))?;
    let interrupted = || c.store.shared.interrupted();
    let waited = shared.wait(address, width, expected, timeout.cast_signed(), &interrupted);
    match waited.map_err(|_| Stop::Trap(TrapCode::MemoryOutOfBounds))? {
        Waited::Notified => Ok(0),
        Waited::Different => Ok(1),
        Waited::TimedOut => Ok(2),
        Waited::Interrupted => Err(Stop::Trap(TrapCode::Interrupt)),
    }
}

pub(super) fn atomic_wait32(
    c: &mut Caller<'_>,
    memory: u32,
    index: u64,
    offset: u64,
    expected: u32,
    timeout: u64,
) -> Result<u32, Stop> {
    atomic_wait(c, memory, (index, offset), (IntWidth::W32, expected.into()), timeout)
}

pub(super) fn atomic_wait64(
    c: &mut Caller<'_>,
    memory: u32,
    index: u64,
    offset: u64,
    expected: u64,
    timeout: u64,
) -> Result<u32, Stop> {
    atomic_wait(c, memory, (index, offset), (IntWidth::W64, expected), timeout)
}

pub(super) fn atomic_notify(c: &mut Caller<'_>, memory: u32, index: u64, offset: u64, count: u32) -> Result<u32, Stop> {
    let address = atomic_address(c, memory, index, offset, 4)?;
    // Nobody waits on a memory that no other thread has.
    Ok(c.store.memories[c.memory(memory) as usize].shared().map_or(0, |shared| shared.notify(address, count)))
}
