//! Address space of a linear memory, which a store has for itself or shares with others.
//!
//! A memory's base never moves: address space for all that it may become is reserved at the start,
//! and growth makes more of it accessible. A 32-bit memory in guard style reserves everything that
//! `base + u32 + a 31-bit offset` can name, so compiled code needs no check. Others reserve as much
//! as their maximum and the limits allow, or less where address space is short; then growth ends
//! sooner.
//!
//! The length is published after the pages are accessible, and never falls.

use crate::budget::{MemoryBudget, NO_LIMIT, Purpose};
use crate::error::{OutOfBounds, ResourceError};
use crate::speculation::masked_start;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, page_ceil, space};
use sconce_environ::compile::BoundsStyle;
use sconce_environ::space::GUARDED_MEMORY_BYTES;
use sconce_environ::types::{INDEX32_BYTES, MemoryType};
use sconce_environ::vm::VmMemory;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a memory with 64-bit indices and no maximum reserves at most.
const MAX_RESERVATION_64: u64 = 64 << 30;

/// Address space for all that a memory may become.
#[derive(Debug)]
pub(crate) struct Reservation {
    mapping: Mapping,
    ty: MemoryType,
    /// Bytes beyond which it cannot grow.
    capacity: u64,
}

impl Reservation {
    /// Address space for a memory of this type, its minimal size accessible and zero, and how
    /// compiled code sees it.
    pub(crate) fn new(
        ty: MemoryType,
        bounds: BoundsStyle,
        budget: &mut MemoryBudget,
    ) -> Result<(Reservation, VmMemory), ResourceError> {
        let os = || ResourceError::os("cannot reserve address space for a memory");
        let too_large = |limit| ResourceError::MemoryTooLarge { wanted: ty.min_bytes(), limit };
        let most = if ty.memory64 { NO_LIMIT } else { INDEX32_BYTES };
        // More than indices reach would end behind the reservation.
        let countable = Some(ty.limits.min).filter(|&min| min <= countable_pages(&ty));
        let bytes = countable.and_then(|min| min.checked_mul(ty.page_size()));
        let min = bytes.filter(|&min| min <= most).ok_or_else(|| too_large(most))?;
        // Small pages of its own are as large to the machine as any: what may become resident counts.
        let counted = whole_pages(min);
        budget.take(Purpose::Memories, counted)?;
        let indexable = if ty.memory64 { MAX_RESERVATION_64.max(min) } else { INDEX32_BYTES };
        let capacity = ty.max_bytes().min(indexable).min(budget.most()).max(min);
        let reserved = if bounds.guards(&ty) {
            Mapping::reserve(GUARDED_MEMORY_BYTES as usize)
        } else {
            // At least a page: nothing is no mapping.
            let [least, most] = [min, capacity].map(|n| page_ceil(n.max(1) as usize));
            match (least, most) {
                (Some(least), Some(most)) => space::reserve_up_to(most, least, 3),
                _ => Err(rustix::io::Errno::NOMEM),
            }
        };
        let give_back = |budget: &mut MemoryBudget, e| {
            budget.give_back(Purpose::Memories, counted);
            os()(e)
        };
        let mapping = reserved.map_err(|e| give_back(budget, e))?;
        let capacity = capacity.min(mapping.len() as u64);
        let accessible = page_ceil(min as usize).unwrap_or(mapping.len()).min(mapping.len());
        // SAFETY: a fresh mapping.
        unsafe { mapping.protect(0, accessible, Access::ReadWrite) }.map_err(|e| give_back(budget, e))?;
        let vm = VmMemory { base: mapping.base(), length: (min as usize).into() };
        Ok((Reservation { mapping, ty, capacity }, vm))
    }

    /// The memory's declared type.
    #[inline]
    pub(crate) fn ty(&self) -> MemoryType {
        self.ty
    }

    /// Its pages.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The address space in which a fault is the memory's.
    #[inline]
    pub(crate) fn reserved(&self) -> Range<usize> {
        let base = self.mapping.base() as usize;
        base..base + self.mapping.len()
    }

    /// Adds pages of zeros and publishes the new length; gives the number of pages before, or
    /// `None` if that cannot be. Nobody else may be growing the memory.
    pub(crate) fn grow(&self, length: &AtomicUsize, pages: u64, budget: &mut MemoryBudget) -> Option<u64> {
        let old = length.load(Ordering::Relaxed) as u64;
        let before = old >> self.ty.page_size_log2;
        let max = self.ty.limits.max.unwrap_or(u64::MAX).min(countable_pages(&self.ty));
        before.checked_add(pages).filter(|&n| n <= max)?;
        let more = pages.checked_mul(self.ty.page_size())?;
        let new = old.checked_add(more)?;
        if new > self.capacity {
            budget.note_refusal(new);
            return None;
        }
        let counted = whole_pages(new) - whole_pages(old);
        budget.take(Purpose::Memories, counted).ok()?;
        let [start, end] = [old, new].map(|n| whole_pages(n).min(self.mapping.len() as u64) as usize);
        // SAFETY: pages that were inaccessible; nobody has a reference into them.
        if unsafe { self.mapping.protect(start, end - start, Access::ReadWrite) }.is_err() {
            budget.give_back(Purpose::Memories, counted);
            return None;
        }
        // Release: who sees the length sees the pages.
        length.store(new as usize, Ordering::Release);
        Some(before)
    }

    /// Where `len` bytes at `offset` are, if they are inside the first `length`.
    #[inline]
    pub(crate) fn at(&self, length: usize, offset: u64, len: u64) -> Result<*mut u8, OutOfBounds> {
        let end = offset.checked_add(len).ok_or(OutOfBounds)?;
        if end > length as u64 {
            return Err(OutOfBounds);
        }
        Ok(self.mapping.base().wrapping_add(masked_start(offset as usize, end as usize, length)))
    }
}

/// Bytes of the machine's pages that so many are in: of memories that can be had, for which that does not overflow.
fn whole_pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE as u64)
}

/// Pages that `memory.size` can say: an i32 where indices are. Of pages of one byte that is one
/// less than there could be.
fn countable_pages(ty: &MemoryType) -> u64 {
    if ty.memory64 { u64::MAX } else { u32::MAX.into() }
}
