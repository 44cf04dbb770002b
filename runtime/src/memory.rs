//! Linear memories.
//!
//! A memory's base never moves: address space for all that it may become is reserved at the start, and growth makes more of it
//! accessible. A 32-bit memory in guard style reserves everything that `base + u32 + a 31-bit offset` can name, so compiled
//! code needs no check. Others reserve as much as their maximum and the limits allow, or less where address space is short;
//! then growth ends sooner.
//!
//! The length is published after the pages are accessible, and never falls.

use crate::budget::{MemoryBudget, NO_LIMIT};
use crate::error::{OutOfBounds, ResourceError};
use crate::lazy_pages::{LazyPages, LazySource, Use};
use crate::shared::SharedMemory;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, page_ceil, space};
use sconce_environ::compile::{BoundsStyle, MEMORY_GUARD_BYTES};
use sconce_environ::types::MemoryType;
use sconce_environ::vm::VmMemory;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
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
    /// Address space for a memory of this type, its minimal size accessible and zero, and how compiled code sees it.
    pub(crate) fn new(
        ty: MemoryType,
        bounds: BoundsStyle,
        budget: &mut MemoryBudget,
    ) -> Result<(Reservation, VmMemory), ResourceError> {
        let os = || ResourceError::os("cannot reserve address space for a memory");
        let too_large = |limit| ResourceError::MemoryTooLarge { wanted: ty.limits.min.saturating_mul(ty.page_size()), limit };
        let most = if ty.memory64 { NO_LIMIT } else { 4 << 30 };
        // More than indices reach would end behind the reservation.
        let countable = Some(ty.limits.min).filter(|&min| min <= countable_pages(&ty));
        let bytes = countable.and_then(|min| min.checked_mul(ty.page_size()));
        let min = bytes.filter(|&min| min <= most).ok_or_else(|| too_large(most))?;
        budget.take("a memory", min)?;
        let indexable = if ty.memory64 { MAX_RESERVATION_64.max(min) } else { 4 << 30 };
        let declared = ty.limits.max.map_or(u64::MAX, |m| m.saturating_mul(ty.page_size()));
        let capacity = declared.min(indexable).min(budget.most()).max(min);
        let guarded = bounds == BoundsStyle::Guard && !ty.memory64 && ty.page_size() == 1 << 16;
        let reserved = if guarded {
            Mapping::reserve(((4 << 30) + MEMORY_GUARD_BYTES) as usize)
        } else {
            // At least a page: nothing is no mapping.
            let [least, most] = [min, capacity].map(|n| page_ceil(n.max(1) as usize));
            match (least, most) {
                (Some(least), Some(most)) => space::reserve_up_to(most, least, 3),
                _ => Err(rustix::io::Errno::NOMEM),
            }
        };
        let give_back = |budget: &mut MemoryBudget, e| {
            budget.give_back(min);
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
    pub(crate) fn ty(&self) -> MemoryType {
        self.ty
    }

    /// The address space in which a fault is the memory's.
    pub(crate) fn reserved(&self) -> Range<usize> {
        let base = self.mapping.base() as usize;
        base..base + self.mapping.len()
    }

    /// Adds pages of zeros and publishes the new length; gives the number of pages before, or `None` if that cannot be. Nobody
    /// else may be growing the memory.
    pub(crate) fn grow(&self, length: &AtomicUsize, pages: u64, budget: &mut MemoryBudget) -> Option<u64> {
        let old = length.load(Ordering::Relaxed) as u64;
        let before = old >> self.ty.page_size_log2;
        let max = self.ty.limits.max.unwrap_or(u64::MAX).min(countable_pages(&self.ty));
        before.checked_add(pages).filter(|&n| n <= max)?;
        let more = pages.checked_mul(self.ty.page_size())?;
        let new = old.checked_add(more).filter(|&n| n <= self.capacity)?;
        budget.take("a memory", more).ok()?;
        let [start, end] = [old, new].map(|n| n.next_multiple_of(PAGE as u64).min(self.mapping.len() as u64) as usize);
        // SAFETY: pages that were inaccessible; nobody has a reference into them.
        if unsafe { self.mapping.protect(start, end - start, Access::ReadWrite) }.is_err() {
            budget.give_back(more);
            return None;
        }
        // Release: who sees the length sees the pages.
        length.store(new as usize, Ordering::Release);
        Some(before)
    }

    /// Where `len` bytes at `offset` are, if they are inside the first `length`.
    pub(crate) fn at(&self, length: usize, offset: u64, len: u64) -> Result<*mut u8, OutOfBounds> {
        let end = offset.checked_add(len).ok_or(OutOfBounds)?;
        if end > length as u64 {
            return Err(OutOfBounds);
        }
        Ok(self.mapping.base().wrapping_add(offset as usize))
    }
}

/// Pages that `memory.size` can say: an i32 where indices are. Of pages of one byte that is one less than there could be.
fn countable_pages(ty: &MemoryType) -> u64 {
    if ty.memory64 { u64::MAX } else { u32::MAX.into() }
}

/// A memory of a store.
#[derive(Debug)]
pub(crate) struct Memory {
    backing: Backing,
    /// Inside its instance's context, a box of the store's, or what all stores share.
    vm: *mut VmMemory,
    /// Where its initial contents come in when they are used.
    lazy: Vec<(Range<usize>, Arc<LazyPages>)>,
}

#[derive(Debug)]
enum Backing {
    /// The store's alone.
    Own(Reservation),
    Shared(SharedMemory),
}

impl Memory {
    /// A memory of its type's minimal size, all zero, described at `vm`.
    ///
    /// # Safety
    /// `vm` is valid for writes and outlives the memory.
    pub(crate) unsafe fn new(
        ty: MemoryType,
        bounds: BoundsStyle,
        vm: *mut VmMemory,
        budget: &mut MemoryBudget,
    ) -> Result<Memory, ResourceError> {
        let (reservation, described) = Reservation::new(ty, bounds, budget)?;
        // SAFETY: the caller's promise.
        unsafe { vm.write(described) };
        Ok(Memory { backing: Backing::Own(reservation), vm, lazy: Vec::new() })
    }

    /// A memory that other stores may have as well.
    pub(crate) fn from_shared(memory: SharedMemory) -> Memory {
        let vm = memory.vm();
        Memory { backing: Backing::Shared(memory), vm, lazy: Vec::new() }
    }

    /// What other stores may have as well.
    pub(crate) fn shared(&self) -> Option<&SharedMemory> {
        match &self.backing {
            Backing::Own(_) => None,
            Backing::Shared(memory) => Some(memory),
        }
    }

    fn reservation(&self) -> &Reservation {
        match &self.backing {
            Backing::Own(reservation) => reservation,
            Backing::Shared(memory) => memory.reservation(),
        }
    }

    /// Its declared type.
    pub(crate) fn ty(&self) -> MemoryType {
        self.reservation().ty
    }

    /// What compiled code sees.
    pub(crate) fn vm(&self) -> *mut VmMemory {
        self.vm
    }

    /// The address space in which a fault is this memory's.
    pub(crate) fn reserved(&self) -> Range<usize> {
        self.reservation().reserved()
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: `vm` is valid as long as the memory.
        unsafe { (*self.vm).length.load(Ordering::Acquire) }
    }

    /// Pages.
    pub(crate) fn pages(&self) -> u64 {
        self.len() as u64 >> self.ty().page_size_log2
    }

    /// Adds pages of zeros; gives the number of pages before, or `None` if that cannot be.
    pub(crate) fn grow(&mut self, pages: u64, budget: &mut MemoryBudget) -> Option<u64> {
        match &self.backing {
            // SAFETY: as in `len`; the reference covers the atomic field alone.
            Backing::Own(reservation) => reservation.grow(unsafe { &(*self.vm).length }, pages, budget),
            // Its pages count against the limit of whoever made it.
            Backing::Shared(memory) => memory.grow(pages),
        }
    }

    /// Where `len` bytes at `offset` are, if they are inside; they can be used.
    pub(crate) fn at(&self, offset: u64, len: u64) -> Result<*mut u8, OutOfBounds> {
        let pointer = self.reservation().at(self.len(), offset, len)?;
        for (place, pages) in &self.lazy {
            let (from, to) = (place.start.max(offset as usize), place.end.min((offset + len) as usize));
            if from < to {
                pages.ensure(from - place.start..to - place.start);
            }
        }
        Ok(pointer)
    }

    /// Brings in all of its data.
    pub(crate) fn bring_in(&self) {
        self.lazy.iter().for_each(|(place, pages)| pages.ensure(0..place.len()));
    }

    /// Copies out.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = self.at(offset, out.len() as u64)?;
        // SAFETY: inside the memory; `out` is the host's, so they do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies in.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let to = self.at(offset, bytes.len() as u64)?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// Makes a part come in when it is used, from `offset` on, which begins a page. To be called before anything has been
    /// written, with parts that do not overlap. Faults in it are the caller's to bring to [`LazyPages::load`].
    pub(crate) fn place_lazily(&mut self, offset: usize, source: LazySource) -> rustix::io::Result<Arc<LazyPages>> {
        let len = page_ceil(source.len).ok_or(rustix::io::Errno::INVAL)?;
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(rustix::io::Errno::INVAL);
        }
        let mapping = &self.reservation().mapping;
        // SAFETY: pages of a memory that nobody has used; `lazy` alone makes them accessible again, and the mapping is dropped with
        // the store, when no handler looks any more.
        let lazy = unsafe {
            mapping.protect(offset, len, Access::None)?;
            LazyPages::new(source, mapping.base().add(offset), Use::Data)
        };
        let lazy = Arc::new(lazy.ok_or(rustix::io::Errno::INVAL)?);
        self.lazy.push((offset..offset + len, lazy.clone()));
        Ok(lazy)
    }

    /// Puts an image in place. To be called before anything has been written.
    pub(crate) fn place_image(&mut self, image: &crate::image::MemoryImage) -> rustix::io::Result<()> {
        let (offset, len) = (image.offset(), image.len());
        if offset + len > self.len() {
            return Err(rustix::io::Errno::INVAL);
        }
        // SAFETY: pages of a memory that nobody has used.
        unsafe { self.reservation().mapping.map_private(offset, len, image.file(), 0) }
    }
}
