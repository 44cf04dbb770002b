//! A module whose functions are compiled when they are called: what is there from the start, and how code is added.
//!
//! At first there are a lazy stub for each function, thunks, and slots that lead to the stubs; compiled code
//! lies elsewhere, in regions that grow. A function's stub stays good: whatever kept its address comes to the
//! code through the runtime. Slots are read-only where compiled code reads them; they are written through
//! another mapping of their pages, an address at a time, so that a thread that calls meanwhile comes to the
//! stub or to the code.

use super::pieces::{OsrEntry, Piece, Pieces};
use super::reservation::UNIT;
use super::{CodeRegion, CodeSpace, Tables};
use crate::error::ResourceError;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::page_ceil;
use sconce_confine::MOST_CODE_AT_ONCE;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::osr::LoopHead;
use sconce_environ::placement::LINE;
use sconce_environ::text_layout::{SLOT_BYTES, slot, slots_at};
use sconce_x64::stubs::{LAZY_STUB_SIZE, lazy_stubs, thunks};
use sconce_x64::text::BREAKPOINT;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of address space that are taken at once for code to come, where there are so many.
const STEP: usize = MOST_CODE_AT_ONCE;

/// Code of a module that grows.
#[derive(Debug)]
pub struct GrowingCode {
    space: Arc<CodeSpace>,
    /// Stubs, thunks and slots.
    start: Arc<CodeRegion>,
    functions: usize,
    /// The slots' pages, writable.
    slots: Mapping,
    grown: Mutex<Grown>,
}

#[derive(Debug, Default)]
struct Grown {
    regions: Vec<Arc<CodeRegion>>,
    /// Where there is room in the last of them.
    next: usize,
    /// Bytes of code, and of memory with all that belongs to it.
    code: u64,
    bytes: u64,
}

/// Code that has got its place.
#[derive(Debug)]
pub struct Placed {
    /// What is to be there: as long as was said.
    pub code: Vec<u8>,
    /// Its tables; offsets are from its start.
    pub tables: Tables,
    /// Which functions those are of.
    pub functions: Box<[DefinedFuncIndex]>,
    /// Whether calls of them go there from now on.
    pub is_called: bool,
}

impl CodeSpace {
    /// Whether code can be added beside code that runs, and there is address space for that.
    pub fn can_grow(&self) -> bool {
        self.reservation.appends() && self.reservation.is_whole()
    }

    /// Makes room for a module of so many functions that are compiled when they are called, and thunks for those of them that escape,
    /// in increasing order. Gives where the thunks begin, too.
    ///
    /// # Errors
    /// If there is no room, or code cannot be added beside code that runs.
    pub fn grow(
        self: &Arc<Self>,
        functions: u32,
        escaping: impl ExactSizeIterator<Item = DefinedFuncIndex>,
    ) -> Result<(GrowingCode, u32), ResourceError> {
        let stubs_len = LAZY_STUB_SIZE * functions as usize;
        let text_len = stubs_len + sconce_x64::stubs::THUNK_SIZE * escaping.len();
        let region = self.place(text_len, functions as usize, crate::handle::ModuleId::next())?;
        self.fill_slots(&region, (0..functions).map(|n| n * LAZY_STUB_SIZE as u32))?;
        let to_resolve = self.stubs().resolve() as i64 - region.text_base() as i64;
        // Everything is within 2 GiB.
        let mut text = lazy_stubs(functions, to_resolve as i32);
        text.extend(thunks(escaping.map(|func| (slot(text_len as u64, func) - stubs_len as u64) as i32)));
        // SAFETY: the region is new, so nobody reads or runs it; its text begins at its first page.
        unsafe { self.reservation.write(region.first * UNIT, &text, Access::ReadExecute)? };
        let slots_len = page_ceil(SLOT_BYTES as usize * functions as usize).unwrap_or(0).max(crate::sys::PAGE);
        let slots = self.reservation.writable(region.first * UNIT + slots_at(text_len as u64) as usize, slots_len)?;
        let start = self.publish(region);
        Ok((
            GrowingCode { space: self.clone(), start, functions: functions as usize, slots, grown: Mutex::default() },
            stubs_len as u32,
        ))
    }
}

impl GrowingCode {
    /// Stubs, thunks and slots: what a module is loaded with.
    pub fn start(&self) -> &Arc<CodeRegion> {
        &self.start
    }

    /// Bytes of code that have been added, and of memory that they take with all that belongs to them.
    pub fn bytes(&self) -> (u64, u64) {
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        (grown.code, grown.bytes)
    }

    /// Address of a function's slot.
    pub fn slot_address(&self, func: DefinedFuncIndex) -> usize {
        self.start.text_base() + slot(self.start.text_len as u64, func) as usize
    }

    /// Address of a function's stub.
    pub fn stub_address(&self, func: DefinedFuncIndex) -> usize {
        self.start.text_base() + LAZY_STUB_SIZE * func.as_u32() as usize
    }

    /// Where calls of a function go now: its stub or its code.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn target(&self, func: DefinedFuncIndex) -> usize {
        self.slot(func).load(Ordering::Acquire) as usize
    }

    /// Whether that is no stub.
    pub fn is_compiled(&self, func: DefinedFuncIndex) -> bool {
        self.target(func) != self.stub_address(func)
    }

    fn slot(&self, func: DefinedFuncIndex) -> &AtomicU64 {
        let n = func.as_u32() as usize;
        assert!(n < self.functions, "a function of the module");
        // SAFETY: the mapping has a slot for each function; all access to it is atomic, and it lives as long as this.
        unsafe { AtomicU64::from_ptr(self.slots.base().cast::<u64>().add(n)) }
    }

    /// Adds code of `len` bytes, which will begin with a line of the processor's cache. `make` gives it for its address. When this returns
    /// handlers know the code, and calls of its functions go there, if they are to. Gives its address.
    ///
    /// # Errors
    /// If there is no room.
    ///
    /// # Panics
    /// If the code is not as long as was said.
    pub fn add(&self, len: usize, make: impl FnOnce(usize) -> Placed) -> Result<usize, ResourceError> {
        let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = grown.next.next_multiple_of(LINE as usize);
        if grown.regions.last().is_none_or(|region| at + len > region.text_len) {
            at = 0;
            grown.regions.push(self.another(len)?);
        }
        let region = grown.regions.last().expect("there is one now").clone();
        let address = region.text_base() + at;
        let Placed { code, tables, functions, is_called } = make(address);
        assert_eq!(code.len(), len, "code is as long as was said");
        let starts: Vec<usize> = tables.functions.iter().map(|f| address + f.start as usize).collect();
        let written = self.space.reservation.file().map(|file| file.write_at(&code, (region.first * UNIT + at) as u64));
        written.transpose().map_err(ResourceError::os("cannot get memory for code"))?;
        let piece =
            Piece { start: at as u32, end: (at + len) as u32, tables, functions: functions.clone(), entries: Default::default() };
        let bytes = len.next_multiple_of(LINE as usize) + piece.bytes();
        // SAFETY: the lock is held.
        let added = region.pieces.as_ref().is_some_and(|pieces| unsafe { pieces.add(Box::new(piece)) });
        if !added {
            return Err(ResourceError::CodeSpaceFull { wanted: len, size: self.space.size() });
        }
        grown.next = at + len;
        grown.code += len as u64;
        grown.bytes += bytes as u64;
        // Last of all: who comes there finds everything.
        for (&func, &start) in functions.iter().zip(&starts).filter(|_| is_called) {
            self.slot(func).store(start as u64, Ordering::Release);
        }
        Ok(address)
    }

    /// Whether there is room for one more loop of the code at `start` that goes on in other code, and it is not the one with this head.
    pub fn can_enter(&self, start: usize, offset: u32) -> bool {
        self.with_piece(start + offset as usize, |piece, at, _| piece.has_room_for(at)).unwrap_or(false)
    }

    /// From now on, activations of the code at `start` that come to this head of a loop there go on at `target`, in code of the same
    /// function that begins with that loop. Says whether that can be: see [`GrowingCode::can_enter`].
    ///
    /// # Errors
    /// If the code cannot be written.
    pub fn enter_from(&self, start: usize, head: LoopHead, target: usize) -> Result<bool, ResourceError> {
        let bytes = head.bytes();
        let entered = self.with_piece(start + head.offset as usize, |piece, offset, place| {
            // Handlers find it before anybody can come there.
            if !piece.has_room_for(offset) || !piece.enter(OsrEntry { offset, head, target }) {
                return Ok(false);
            }
            let written = self.space.reservation.file().map(|file| file.write_at(&[BREAKPOINT], place));
            written.transpose().map_err(ResourceError::os("cannot write code"))?;
            Ok(true)
        });
        if let Some(Ok(true)) = entered {
            self.grown.lock().unwrap_or_else(PoisonError::into_inner).bytes += bytes as u64;
        }
        entered.unwrap_or(Ok(false))
    }

    /// Does something with the piece that an address of added code is in, the offset there, and the place in the file that code is in.
    /// No other thread does at the same time.
    fn with_piece<T>(&self, address: usize, work: impl FnOnce(&Piece, u32, u64) -> T) -> Option<T> {
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let offset_in = |region: &CodeRegion| address.checked_sub(region.text_base()).filter(|&offset| offset < region.text_len);
        let (region, at) = grown.regions.iter().find_map(|region| Some((region, offset_in(region)?)))?;
        let piece = region.pieces.as_ref()?.at(at as u32)?;
        Some(work(piece, at as u32 - piece.start, (region.first * UNIT + at) as u64))
    }

    /// So many bytes of added code.
    pub fn code_at(&self, address: usize, len: usize) -> Option<Vec<u8>> {
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let region = grown
            .regions
            .iter()
            .find(|region| region.text_base() <= address && address - region.text_base() < region.text_len)?;
        let at = address - region.text_base();
        (at..at + len).map(|at| region.byte_at(at)).collect()
    }

    /// The function that an address of added code is in, and where it begins.
    pub fn function_at(&self, address: usize) -> Option<(DefinedFuncIndex, usize)> {
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        grown.regions.iter().find_map(|region| {
            let offset = address.checked_sub(region.text_base()).filter(|&offset| offset < region.text_len)?;
            let function = region.code_at(offset as u32)?.function()?;
            Some((function.func, function.start))
        })
    }

    /// Another region, for at least so many bytes of text.
    fn another(&self, least: usize) -> Result<Arc<CodeRegion>, ResourceError> {
        let least = least.next_multiple_of(UNIT);
        // Less if there is little left.
        let mut len = least.max(STEP);
        let mut region = loop {
            match self.space.place(len, 0, self.start.module) {
                Err(_) if len > least => len = (len / 2).next_multiple_of(UNIT).max(least),
                placed => break placed?,
            }
        };
        let no_memory = || ResourceError::os("cannot get memory for code")(rustix::io::Errno::NOMEM);
        region.pieces = Some(Pieces::new(len).ok_or_else(no_memory)?);
        // Nothing is there, and nobody is led there, before it is written; then no page has to change any more. The last part overlaps the
        // one before it, so that none begins near the end of the reservation.
        for at in (0..len).step_by(MOST_CODE_AT_ONCE) {
            let part = len.min(MOST_CODE_AT_ONCE);
            // SAFETY: pages of a new region, which nobody uses.
            unsafe { self.space.reservation.make_executable(region.first * UNIT + at.min(len - part), part)? };
        }
        Ok(self.space.publish(region))
    }
}
