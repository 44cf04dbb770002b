//! From an address to what stands there: the only way that traps, interrupts, backtraces, sweeps
//! and the search for handlers take.
//!
//! Code names its module and its function. Nobody concludes either from where code lies, and what a
//! record's place among the others of its region means is known here alone.

use super::pieces::{OsrEntry, Piece};
use super::{CodeRegion, CodeSpace, Tables};
use crate::handle::ModuleId;
use crate::lazy_pages::TableBytes;
use sconce_environ::code_tables::{Handlers, StackMapSteps};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::trap::TrapCode;
use sconce_x64::text::is_return;

/// A place in the text of a module.
#[derive(Copy, Clone, Debug)]
pub(crate) struct CodeAt<'a> {
    region: &'a CodeRegion,
    /// What describes the text around it: the region's own tables, or those of one of its pieces.
    tables: &'a Tables,
    /// That piece, where functions are not all of the module's in their order.
    piece: Option<&'a Piece>,
    /// Where in the region's text offsets begin that tables have.
    start: u32,
    /// Offset from there.
    offset: u32,
}

/// The function that a place is in.
#[derive(Copy, Clone, Debug)]
pub(crate) struct FunctionAt<'a> {
    tables: &'a Tables,
    /// Its number in those.
    number: DefinedFuncIndex,
    /// The module that defines it.
    pub module: ModuleId,
    /// Its index there.
    pub func: DefinedFuncIndex,
    /// Address of its first byte.
    pub start: usize,
}

impl CodeSpace {
    /// What stands at an address, if that is in the text of a module. Async-signal-safe.
    ///
    /// # Safety
    /// As for [`CodeSpace::region_at`].
    #[inline]
    pub(crate) unsafe fn at<'a>(&self, pc: usize) -> Option<CodeAt<'a>> {
        // SAFETY: the caller's promise.
        let region = unsafe { self.region_at(pc)? };
        region.code_at((pc - region.text_base()) as u32)
    }
}

impl CodeRegion {
    /// What stands at an offset in its text; `None` where a region that grows has nothing. Async-signal-safe.
    #[inline]
    pub(super) fn code_at(&self, offset: u32) -> Option<CodeAt<'_>> {
        let (tables, piece, start) = match &self.pieces {
            None => (&self.tables, None, 0),
            Some(pieces) => {
                let piece = pieces.at(offset)?;
                (&piece.tables, Some(piece), piece.start)
            }
        };
        Some(CodeAt { region: self, tables, piece, start, offset: offset - start })
    }
}

impl<'a> CodeAt<'a> {
    /// The function that it is in; `None` between functions, and in thunks. Async-signal-safe.
    #[inline]
    pub(crate) fn function(self) -> Option<FunctionAt<'a>> {
        let CodeAt { region, tables, piece, start, offset } = self;
        let number = tables.function_at(offset)?;
        let n = number.as_u32() as usize;
        let start = region.text_base() + (start + tables.functions[n].start) as usize;
        let func = piece.map_or(Some(number), |piece| piece.functions.get(n).copied())?;
        Some(FunctionAt { tables, number, module: region.module(), func, start })
    }

    /// The trap that a fault of this instruction is. Async-signal-safe.
    #[inline]
    pub(crate) fn trap(self) -> Option<TrapCode> {
        self.tables.trap_at(self.offset)
    }

    /// The loop whose head this is, if it goes on in other code. Async-signal-safe.
    pub(crate) fn osr_entry(self) -> Option<&'a OsrEntry> {
        self.piece?.osr_entries().find(|entry| entry.offset == self.offset)
    }

    /// Whether wasm can be left at this instruction: it is of a function, it is known by now, and
    /// no table says otherwise. Async-signal-safe.
    pub(crate) fn is_interruptible(self) -> bool {
        let CodeAt { region, tables, start, offset, .. } = self;
        tables.function_at(offset).is_some()
            && !tables.is_uninterruptible(offset)
            && region.byte_at((start + offset) as usize).is_some_and(|byte| !is_return(byte))
    }

    /// Of the last byte of a call: who handles what it throws, in its function.
    #[inline]
    pub(crate) fn handlers(self) -> Option<Handlers<'a, TableBytes>> {
        self.tables.handlers_at(self.offset + 1)
    }

    /// The address of an offset that tables have.
    #[inline]
    pub(crate) fn address(self, offset: u32) -> usize {
        self.region.text_base() + (self.start + offset) as usize
    }
}

impl<'a> FunctionAt<'a> {
    /// What its frames hold, call by call.
    #[inline]
    pub(crate) fn stack_maps(self) -> StackMapSteps<'a> {
        self.tables.stack_maps_of(self.number)
    }
}
