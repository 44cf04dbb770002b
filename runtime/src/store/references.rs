//! A store's references: what the host makes and holds, and when sweeps happen and host values are
//! dropped.

use super::Store;
use crate::error::ResourceError;
use crate::heap::{HeapStats, HostRef, Occasion};
use std::any::Any;

impl Store {
    /// A reference to a host value. The value is dropped when nothing refers to it any more, at the
    /// latest with the store.
    ///
    /// # Errors
    /// If the heap is full: it has room for at least 134 million, where address space is not short
    /// and the memory limit allows it. That is found out by a sweep, so no raw handle may be in the
    /// host's hands.
    pub fn new_externref(&mut self, value: Box<dyn Any + Send + Sync>) -> Result<HostRef, ResourceError> {
        self.heap.settle_host();
        let handle = self.make_object(|store| store.heap.new_extern())?;
        self.heap.set_extern_value(handle, value);
        Ok(self.heap.hold(handle))
    }

    /// The host value of a handle; `None` for null and for what names none.
    pub fn externref(&self, handle: u32) -> Option<&(dyn Any + Send + Sync)> {
        self.heap.extern_value(handle)
    }

    /// A count of the host's own for a handle that comes from wasm; `None` for null.
    pub fn hold(&self, handle: u32) -> Option<HostRef> {
        self.heap.object(handle)?;
        Some(self.heap.hold(handle))
    }

    /// Announces a handle that is about to come into a frame: as an argument, or as a host
    /// function's result. It stays alive until the first sweep that does not find it in a frame.
    /// Null, and what is no handle, does nothing.
    pub fn enter_frame(&mut self, handle: u32) {
        self.heap.enter_frame(handle);
    }

    /// A boundary between wasm and the host, with no raw handle in the host's hands: sweeps if it
    /// is time to, takes up what the host has done with its references since the last time, and
    /// drops host values that nobody refers to.
    #[inline]
    pub fn boundary(&mut self) {
        if self.heap.activations.is_due() || self.heap.host_waits() {
            self.boundary_due();
        }
    }

    #[cold]
    pub(crate) fn boundary_due(&mut self) {
        // SAFETY: `self` is not used any more.
        unsafe { Store::safe_point(self) };
    }

    /// Whether a safe point of wasm code has something to do.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.heap.activations.is_due() || self.heap.has_garbage()
    }

    /// Sweeps if it is time to, takes up what the host has done with its references, and drops host
    /// values that nobody refers to.
    ///
    /// # Safety
    /// As for [`Store::settle`]. What is in nobody's hands but a builtin's or the host's has a
    /// count of theirs.
    #[cold]
    pub(crate) unsafe fn safe_point(this: *mut Store) {
        // SAFETY: the caller's promise; the reference ends before values are dropped.
        unsafe {
            let store = &mut *this;
            if store.heap.activations.is_due() {
                store.sweep(if store.heap.activations.is_asked() { Occasion::Asked } else { Occasion::Boundary });
            }
            store.heap.settle_host();
            Store::settle(this);
        }
    }

    /// Makes an object; where there is no room, once more after a sweep, and once more when free
    /// blocks have been put together. What the object refers to is held by somebody.
    pub(crate) fn make_object(&mut self, make: impl Fn(&mut Store) -> Result<u32, ResourceError>) -> Result<u32, ResourceError> {
        let first = make(self);
        if first.is_ok() {
            return first;
        }
        self.sweep(Occasion::Exhausted);
        if self.heap.has_garbage() {
            // Not now, in the middle of something.
            self.heap.ask_for_boundary();
        }
        make(self).or_else(|_| {
            self.heap.cage.coalesce();
            make(self)
        })
    }

    /// Sweeps at once. No raw handle may be in the host's hands.
    pub fn collect(&mut self) {
        self.sweep(Occasion::Explicit);
        self.settle_last();
    }

    /// Asks for a sweep at the next safe point: the next time that wasm or the host enters the
    /// other, or a reference comes into a frame.
    pub fn ask_for_sweep(&mut self) {
        self.heap.ask();
    }

    /// What there is in the heap.
    pub fn heap_stats(&self) -> HeapStats {
        self.heap.stats()
    }

    pub(crate) fn sweep(&mut self, why: Occasion) {
        self.heap.sweep(&self.shared, why);
        if self.heap.stress && self.heap.stats().objects != 0 {
            self.verify_heap();
        }
    }

    /// [`Store::settle`] as the last thing that a method does.
    #[inline]
    pub(super) fn settle_last(&mut self) {
        // SAFETY: `self` is not used any more.
        unsafe { Store::settle(self) };
    }

    /// Takes dead objects apart and drops their host values, one after the other: one whose drop
    /// lets others die, or enters the store again, does not recurse into here.
    ///
    /// # Safety
    /// `this` is a live store that this thread runs; no reference to it is used until this returns,
    /// for drops may enter the store.
    #[inline]
    pub(crate) unsafe fn settle(this: *mut Store) {
        // SAFETY: the caller's promise; the references end with the statements.
        unsafe {
            (*this).heap.bury();
            if (*this).heap.has_garbage() {
                Store::drop_garbage(this);
            }
        }
    }

    /// # Safety
    /// As for [`Store::settle`].
    #[cold]
    unsafe fn drop_garbage(this: *mut Store) {
        /// Resets the flag when a drop panics: the next call goes on with the rest.
        struct Dropping(*mut Store);
        impl Drop for Dropping {
            fn drop(&mut self) {
                // SAFETY: the promise of `drop_garbage`'s caller.
                unsafe { (*self.0).heap.set_dropping(false) };
            }
        }
        // SAFETY: the caller's promise; no reference lives while a value is dropped.
        let next = || unsafe { (*this).heap.next_garbage() };
        // SAFETY: as above.
        unsafe { (*this).heap.set_dropping(true) };
        let _dropping = Dropping(this);
        while let Some(value) = next() {
            drop(value);
            // It may have held references of the host's.
            // SAFETY: as above.
            unsafe { (*this).heap.settle_host() };
        }
    }
}
