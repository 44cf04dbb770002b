//! From an address to what stands there: the only way that traps, interrupts, backtraces, sweeps
//! and the search for handlers take.
//!
//! Code names its module and its function. Nobody concludes either from where code lies, and what a
//! record's place among the others of its region means is known here alone.

use super::{CodeRegion, CodeSpace};
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
    /// Offset in the region's text.
    offset: u32,
}

/// The function that a place is in.
#[derive(Copy, Clone, Debug)]
pub(crate) struct FunctionAt<'a> {
    region: &'a CodeRegion,
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
        Some(CodeAt { region, offset: (pc - region.text_base()) as u32 })
    }
}

impl<'a> CodeAt<'a> {
    /// Offset in the text that debuggers and tables count from.
    #[inline]
    pub(crate) fn offset(self) -> u32 {
        self.offset
    }

    /// The function that it is in; `None` between functions, and in thunks. Async-signal-safe.
    #[inline]
    pub(crate) fn function(self) -> Option<FunctionAt<'a>> {
        let CodeAt { region, offset } = self;
        let func = region.tables().function_at(offset)?;
        let start = region.text_base() + region.tables().functions[func.as_u32() as usize].start as usize;
        Some(FunctionAt { region, module: region.module(), func, start })
    }

    /// The trap that a fault of this instruction is. Async-signal-safe.
    #[inline]
    pub(crate) fn trap(self) -> Option<TrapCode> {
        self.region.tables().trap_at(self.offset)
    }

    /// Whether wasm can be left at this instruction: it is of a function, it is known by now, and
    /// no table says otherwise. Async-signal-safe.
    pub(crate) fn is_interruptible(self) -> bool {
        let CodeAt { region, offset } = self;
        region.tables().function_at(offset).is_some()
            && !region.tables().is_uninterruptible(offset)
            && region.byte_at(offset as usize).is_some_and(|byte| !is_return(byte))
    }

    /// Of the last byte of a call: who handles what it throws, in its function.
    #[inline]
    pub(crate) fn handlers(self) -> Option<Handlers<'a, TableBytes>> {
        self.region.tables().handlers_at(self.offset + 1)
    }

    /// The address of an offset in the text that it is in.
    #[inline]
    pub(crate) fn address(self, offset: u32) -> usize {
        self.region.text_base() + offset as usize
    }
}

impl<'a> FunctionAt<'a> {
    /// What its frames hold, call by call.
    #[inline]
    pub(crate) fn stack_maps(self) -> StackMapSteps<'a> {
        self.region.tables().stack_maps_of(self.func)
    }
}
