//! Linear memories.
//!
//! A memory is address space ([`Reservation`]), the description of it that compiled code reads, and
//! the parts of its contents that come in when they are used.

use crate::budget::MemoryBudget;
use crate::error::{OutOfBounds, ResourceError};
use crate::lazy_pages::{LazyPages, Use};
use crate::lazy_source::LazySource;
use crate::reservation::Reservation;
use crate::shared::SharedMemory;
use crate::sys::mmap::Access;
use crate::sys::page_ceil;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::types::MemoryType;
use sconce_environ::vm::VmMemory;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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

    #[inline]
    fn reservation(&self) -> &Reservation {
        match &self.backing {
            Backing::Own(reservation) => reservation,
            Backing::Shared(memory) => memory.reservation(),
        }
    }

    /// Its declared type.
    pub(crate) fn ty(&self) -> MemoryType {
        self.reservation().ty()
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
    #[inline]
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
    #[inline]
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

    /// Makes a part come in when it is used, from `offset` on, which begins a page. To be called
    /// before anything has been written, with parts that do not overlap. Faults in it are the
    /// caller's to bring to [`LazyPages::load`].
    pub(crate) fn place_lazily(&mut self, offset: usize, source: LazySource) -> rustix::io::Result<Arc<LazyPages>> {
        let len = page_ceil(source.len).ok_or(rustix::io::Errno::INVAL)?;
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(rustix::io::Errno::INVAL);
        }
        let mapping = self.reservation().mapping();
        // SAFETY: pages of a memory that nobody has used; `lazy` alone makes them accessible again,
        // and the mapping is dropped with the store, when no handler looks any more.
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
        unsafe { self.reservation().mapping().map_private(offset, len, image.file(), 0) }
    }
}
