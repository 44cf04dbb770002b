//! Wasm stacks: memory of their own for wasm frames, with a guard below. The guard is the only stack check that wasm code has.

use crate::error::ResourceError;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, page_ceil};
use std::ops::Range;

/// Bytes that are inaccessible below a stack. Compiled code probes each page of a larger frame, so one page would do; the rest
/// forgives.
const GUARD: usize = 64 << 10;
/// Bytes of the smallest stack.
const MINIMUM: usize = 64 << 10;

/// A stack. Its memory is taken page by page as it is used.
#[derive(Debug)]
pub(crate) struct WasmStack(Mapping);

impl WasmStack {
    /// A stack of at least `size` bytes.
    pub(crate) fn new(size: usize) -> Result<WasmStack, ResourceError> {
        let os = || ResourceError::os("cannot make a stack for wasm (--stack-size)");
        let size =
            page_ceil(size.max(MINIMUM)).and_then(|n| n.checked_add(GUARD)).ok_or(rustix::io::Errno::NOMEM).map_err(os())?;
        let mapping = Mapping::reserve(size).map_err(os())?;
        // SAFETY: a fresh mapping.
        unsafe { mapping.protect(GUARD, size - GUARD, Access::ReadWrite) }.map_err(os())?;
        mapping.small_pages();
        Ok(WasmStack(mapping))
    }

    /// Where an empty stack begins to grow down: a multiple of the page size.
    pub(crate) fn top(&self) -> usize {
        debug_assert!(self.0.len().is_multiple_of(PAGE));
        self.0.base() as usize + self.0.len()
    }

    /// The usable addresses.
    pub(crate) fn usable(&self) -> Range<usize> {
        self.guard().end..self.top()
    }

    /// The guard's addresses.
    pub(crate) fn guard(&self) -> Range<usize> {
        let base = self.0.base() as usize;
        base..base + GUARD
    }
}
