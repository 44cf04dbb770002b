//! Code memory: one reservation for each engine, in which everything that wasm runs lives within
//! reach of a 32-bit displacement.
//!
//! Space is given out in units of 64 KiB ([`reservation`]). A module's entry slots stand right
//! behind its text, in pages that are readable and writable. For each unit there is one atomic
//! word, through which a signal handler finds out what a PC belongs to ([`lookup`]): no lock, no
//! allocation. A region unpublishes itself when its last owner goes; stores own every region that
//! their wasm stacks can name, so a handler or a walk of a store's stack never meets one that is
//! gone.

pub(crate) mod growing;
pub(crate) mod lookup;
mod pieces;
pub(crate) use pieces::OsrEntry;
pub(crate) mod reservation;
#[cfg(test)]
mod tests;

use crate::error::ResourceError;
use crate::handle::ModuleId;
use crate::lazy_pages::{LazyPages, TableBytes, Use, marks};
use crate::lazy_source::LazySource;
use crate::listener::StubListener;
use crate::stubs::{Stubs, Targets};
use crate::sys::mmap::Access;
use crate::sys::page_ceil;
use pieces::Pieces;
use reservation::{CodeReservation, UNIT};
use sconce_environ::code_tables::{CodeTables, FunctionRecord, Stream};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::text_layout;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Tables of code, as a region keeps them.
pub type Tables = CodeTables<TableBytes>;

/// An engine's code memory. Always behind an `Arc`: regions and stores keep it alive.
#[derive(Debug)]
pub struct CodeSpace {
    reservation: CodeReservation,
    /// What each unit belongs to: null (nothing that a module owns), or the address of a
    /// [`CodeRegion`].
    units: Box<[AtomicPtr<CodeRegion>]>,
    stubs: Stubs,
    /// Whether its code counts what it executes.
    fuel: bool,
    /// Who wants to know of trampolines.
    listener: Option<Arc<dyn StubListener>>,
}

/// What a [`CodeSpace`] is made with.
#[derive(Clone, Debug, Default)]
pub struct CodeSpaceOptions {
    /// Bytes to reserve; `None` takes 2 GiB, or less where address space is short.
    pub size: Option<usize>,
    /// Whether code is in private memory, as where no file can be had: debuggers cannot set
    /// breakpoints in pages that are shared with a file, and profilers look for that file's
    /// symbols.
    pub private: bool,
    /// Whether the code counts what it executes: all of it, as `environ`'s `fuel` says.
    pub fuel: bool,
    /// Who is told of each trampoline that is made.
    pub listener: Option<Arc<dyn StubListener>>,
}

impl CodeSpace {
    /// Reserves address space, and makes the trampolines that are always there.
    pub(crate) fn make(options: CodeSpaceOptions, targets: &Targets) -> Result<Arc<CodeSpace>, ResourceError> {
        let CodeSpaceOptions { size, private, fuel, listener } = options;
        let reservation = CodeReservation::new(size, private)?;
        let stubs = Stubs::new(&reservation, listener.as_deref(), targets, fuel)?;
        let units = no_regions(reservation.len() / UNIT);
        Ok(Arc::new(CodeSpace { reservation, units, stubs, fuel, listener }))
    }

    /// Bytes reserved.
    pub fn size(&self) -> usize {
        self.reservation.len()
    }

    /// Whether its code counts what it executes.
    #[inline]
    pub(crate) fn counts(&self) -> bool {
        self.fuel
    }

    pub(crate) fn listener(&self) -> Option<&dyn StubListener> {
        self.listener.as_deref()
    }

    #[inline]
    pub(crate) fn stubs(&self) -> &Stubs {
        &self.stubs
    }

    /// Loads a linked module: its text, and behind it, where [`text_layout`] has them, the slots of the functions of `tables`,
    /// filled with their addresses.
    ///
    /// # Errors
    /// If there is no room, or `tables` speak of code outside `text`.
    pub fn load(self: &Arc<Self>, text: &[u8], tables: Tables) -> Result<Arc<CodeRegion>, ResourceError> {
        let region = self.place_linked(text.len(), tables)?;
        // SAFETY: the region is new, so nobody reads or runs it; its text begins at its first page.
        unsafe { self.reservation.write(region.first * UNIT, text, Access::ReadExecute)? };
        Ok(self.publish(region))
    }

    /// As [`CodeSpace::load`], but brings text in when it is first run: see `lazy_pages.rs`.
    ///
    /// # Errors
    /// As for `load`, and if there is not one digest for each chunk.
    pub fn load_lazily(self: &Arc<Self>, text: LazySource, tables: Tables) -> Result<Arc<CodeRegion>, ResourceError> {
        let Some(file) = self.reservation.file() else {
            // Pages that are writable before they are executable could be read by code that runs
            // beside.
            return self.load(&text.whole().ok_or(ResourceError::DamagedCode)?, tables);
        };
        let mut region = self.place_linked(text.len, tables)?;
        let usage = Use::Text(file.clone(), (region.first * UNIT) as u64);
        // SAFETY: the region owns its pages, in which nothing has been made accessible; text begins
        // at the first of them, and they map the file from there on.
        let lazy = unsafe { LazyPages::new(text, region.base, usage) };
        region.lazy = Some(lazy.ok_or(ResourceError::DamagedCode)?);
        Ok(self.publish(region))
    }

    /// Finds room for a text that its tables describe, and fills the slots of its functions.
    fn place_linked(self: &Arc<Self>, text_len: usize, tables: Tables) -> Result<CodeRegion, ResourceError> {
        let inside = |f: &FunctionRecord| f.start.checked_add(f.len).is_some_and(|end| end as usize <= text_len);
        // The artifact has been authenticated; this only keeps a damaged one from being confusing.
        if !tables.functions.iter().all(inside) {
            return Err(ResourceError::DamagedCode);
        }
        let mut region = self.place(text_len, tables.functions.len(), ModuleId::next())?;
        self.fill_slots(&region, tables.functions.iter().map(|f| f.start))?;
        region.tables = tables;
        Ok(region)
    }

    /// Finds room for a text and so many slots.
    fn place(self: &Arc<Self>, text_len: usize, slots: usize, module: ModuleId) -> Result<CodeRegion, ResourceError> {
        let full = ResourceError::CodeSpaceFull { wanted: text_len, size: self.size() };
        let end = text_layout::slots_end(text_len as u64, slots);
        let size = end.and_then(|end| page_ceil(end as usize)).filter(|&n| n <= self.size());
        let units = size.ok_or(full)?.div_ceil(UNIT).max(1);
        let first = self.reservation.allocate(units)?;
        let base = self.reservation.base().wrapping_add(first * UNIT);
        let (tables, pieces) = (CodeTables::<Vec<u8>>::default().map(TableBytes::from), None);
        // From here on dropping the region gives the units back.
        Ok(CodeRegion { space: self.clone(), first, units, base, text_len, lazy: None, tables, pieces, module })
    }

    /// Fills a new region's slots with the addresses of these places in its text.
    fn fill_slots(&self, region: &CodeRegion, starts: impl Iterator<Item = u32>) -> Result<(), ResourceError> {
        let addresses: Vec<u8> = starts.flat_map(|start| (region.base as u64 + u64::from(start)).to_le_bytes()).collect();
        let slots = text_layout::slots_at(region.text_len as u64) as usize;
        // SAFETY: the region is new, so nobody uses its pages; slots begin at one of their own.
        unsafe { self.reservation.write(region.first * UNIT + slots, &addresses, Access::Read) }
    }

    /// Lets handlers find a region.
    fn publish(&self, region: CodeRegion) -> Arc<CodeRegion> {
        let region = Arc::new(region);
        // Release: a handler that finds the region sees it whole.
        for unit in &self.units[region.first..region.first + region.units] {
            unit.store(Arc::as_ptr(&region).cast_mut(), Ordering::Release);
        }
        region
    }

    /// The region whose text contains `pc`. Async-signal-safe.
    ///
    /// # Safety
    /// The region, if there is one, outlives `'a`: the caller runs or walks a store that owns it.
    #[inline]
    pub(crate) unsafe fn region_at<'a>(&self, pc: usize) -> Option<&'a CodeRegion> {
        let offset = pc.checked_sub(self.reservation.base() as usize)?;
        let region = self.units.get(offset / UNIT)?.load(Ordering::Acquire);
        // SAFETY: published by `load`, and alive by the caller's promise.
        let region = unsafe { region.as_ref()? };
        (pc - (region.base as usize) < region.text_len).then_some(region)
    }

    /// Whether an address is in the reservation.
    #[inline]
    pub(crate) fn contains(&self, pc: usize) -> bool {
        self.reservation.contains(pc)
    }

    /// Its addresses: no other memory is ever executable.
    pub fn range(&self) -> std::ops::Range<usize> {
        let start = self.reservation.base() as usize;
        start..start + self.reservation.len()
    }

    pub(crate) fn reservation(&self) -> &CodeReservation {
        &self.reservation
    }

    /// Brings in the text around `address`, if that is why it could not be used. Async-signal-safe.
    ///
    /// Text that is there refuses neither reads nor jumps: after a `refused_read`, another thread
    /// has brought it in since the fault, before this one's handler began.
    ///
    /// # Safety
    /// As for [`CodeSpace::region_at`].
    pub(crate) unsafe fn load_missing(&self, address: usize, refused_read: bool) -> bool {
        // SAFETY: the caller's promise.
        let region = unsafe { self.region_at(address) };
        region.is_some_and(|region| region.lazy.is_some() && (region.load_around(address - region.text_base()) || refused_read))
    }
}

/// Words for `count` units that nobody has. Pages of them take memory when they are first written.
fn no_regions(count: usize) -> Box<[AtomicPtr<CodeRegion>]> {
    // SAFETY: all zeros is a null pointer.
    unsafe { Box::new_zeroed_slice(count).assume_init() }
}

/// A module's code in memory.
#[derive(Debug)]
pub struct CodeRegion {
    space: Arc<CodeSpace>,
    first: usize,
    units: usize,
    base: *mut u8,
    text_len: usize,
    /// Where text comes from, if it is not all there.
    lazy: Option<LazyPages>,
    tables: Tables,
    /// Of a region that grows: what it has so far. Its own tables are empty then.
    pieces: Option<Pieces>,
    module: ModuleId,
}

// SAFETY: `base` names memory that the region owns and that only wasm code runs in; nothing is
// written through it.
unsafe impl Send for CodeRegion {}
// SAFETY: as above.
unsafe impl Sync for CodeRegion {}

impl CodeRegion {
    /// Its tables.
    #[inline]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Address of its first byte.
    #[inline]
    pub fn text_base(&self) -> usize {
        self.base as usize
    }

    /// Bytes of text and of its tables, as far as they may come into memory.
    pub fn bytes(&self) -> u64 {
        let tables = self.tables.streams.iter().map(|stream| stream.len()).sum::<usize>();
        (self.text_len + size_of_val(&*self.tables.functions) + tables) as u64
    }

    /// Bytes of text.
    pub fn text_len(&self) -> usize {
        self.text_len
    }

    /// Its code, all of it: what is not there yet is brought in.
    pub fn text(&self) -> &[u8] {
        if let Some(lazy) = &self.lazy {
            lazy.ensure(0..self.text_len);
        }
        // SAFETY: text is readable and does not change while the region lives.
        unsafe { std::slice::from_raw_parts(self.base, self.text_len) }
    }

    /// A bit for each chunk of text, lowest first, that says whether it is there; `None` if all of
    /// it has been since the start.
    pub fn present_chunks(&self) -> Option<Vec<u8>> {
        self.lazy.as_ref().map(|lazy| marks([lazy.presence()].into_iter()))
    }

    /// Brings in chunks: a bit for each, lowest first.
    pub fn bring_in(&self, chunks: &[u8]) {
        if let Some(lazy) = &self.lazy {
            lazy.ensure_marked(chunks, 0);
        }
    }

    /// A byte of text; `None` if it is not there yet. Async-signal-safe.
    pub(crate) fn byte_at(&self, offset: usize) -> Option<u8> {
        let there = offset < self.text_len && self.lazy.as_ref().is_none_or(|lazy| lazy.is_present(offset));
        // SAFETY: inside text, which is readable where it is present.
        there.then(|| unsafe { self.base.add(offset).read() })
    }

    /// Brings in the text around `offset`; false if it was there.
    fn load_around(&self, offset: usize) -> bool {
        self.lazy.as_ref().is_some_and(|lazy| lazy.load(offset))
    }

    /// The module whose functions its code is of.
    pub fn module(&self) -> ModuleId {
        self.module
    }

    /// The function that an address is in.
    pub fn function_at(&self, address: usize) -> Option<DefinedFuncIndex> {
        let offset = address.checked_sub(self.text_base()).filter(|&offset| offset < self.text_len)?;
        Some(self.code_at(offset as u32)?.function()?.func)
    }

    /// Where it lives.
    pub fn space(&self) -> &Arc<CodeSpace> {
        &self.space
    }

    /// Address of a function's code; `None` if it is not in this region.
    pub(crate) fn function_address(&self, func: DefinedFuncIndex) -> Option<usize> {
        self.tables.functions.get(func.as_u32() as usize).map(|f| self.text_base() + f.start as usize)
    }
}

impl Drop for CodeRegion {
    fn drop(&mut self) {
        let CodeRegion { ref space, first, units, .. } = *self;
        for unit in &space.units[first..first + units] {
            unit.store(ptr::null_mut(), Ordering::Release);
        }
        // SAFETY: the region is gone, so nothing runs or reads its pages.
        unsafe { space.reservation.release(first, units) };
    }
}
