//! Wasm stacks: memory of their own for wasm frames, with a guard below. The guard is the only stack check that wasm code has.
//!
//! A stack that counts against a limit of memory becomes accessible as it is used, by faults, in steps that
//! double it. Where the limit leaves nothing for a step the stack ends early.

use crate::budget::{MemoryBudget, MemoryLimit, Purpose};
use crate::error::ResourceError;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, page_ceil};
use sconce_environ::space::STACK_GUARD_BYTES as GUARD;
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// Bytes of the smallest stack, and of what is accessible and counted at first. Most threads of a guest need no more; the host's
/// side of a thread is paid for by what is left of it.
const MINIMUM: usize = 64 << 10;

/// A stack. Its memory is taken page by page as it is used.
#[derive(Debug)]
pub(crate) struct WasmStack {
    mapping: Mapping,
    /// The lowest accessible address.
    low: Cell<usize>,
    /// What is accessible of a stack that counts.
    budget: Option<RefCell<MemoryBudget>>,
}

impl WasmStack {
    /// A stack of at least `size` bytes, whose accessible part counts against `limit` if there is one.
    pub(crate) fn new(size: usize, limit: Option<&MemoryLimit>) -> Result<WasmStack, ResourceError> {
        let os = || ResourceError::os("cannot make a call stack for the program");
        let size =
            page_ceil(size.max(MINIMUM)).and_then(|n| n.checked_add(GUARD)).ok_or(rustix::io::Errno::NOMEM).map_err(os())?;
        let mut budget = limit.map(MemoryBudget::new);
        let accessible = if budget.is_some() { MINIMUM } else { size - GUARD };
        if let Some(budget) = &mut budget {
            budget.take(Purpose::Stacks, accessible as u64)?;
        }
        let mapping = Mapping::reserve(size).map_err(os())?;
        // SAFETY: a fresh mapping.
        unsafe { mapping.protect(size - accessible, accessible, Access::ReadWrite) }.map_err(os())?;
        mapping.small_pages();
        let low = Cell::new(mapping.base() as usize + size - accessible);
        Ok(WasmStack { mapping, low, budget: budget.map(RefCell::new) })
    }

    /// Makes a part accessible that has not been used yet, down to `address`, if that is in it; false if it
    /// is not, or if there is no memory for it. Async-signal-safe. To be called on the store's thread.
    pub(crate) fn extend(&self, address: usize) -> bool {
        let low = self.low.get();
        if !self.unused().contains(&address) {
            return false;
        }
        // Only this method borrows it, and a fault in here is none of the stack.
        let Some(mut budget) = self.budget.as_ref().and_then(|budget| budget.try_borrow_mut().ok()) else { return false };
        let least = address & !(PAGE - 1);
        let double = low.saturating_sub(self.top() - low).clamp(self.guard().end, least);
        for new in [double, least] {
            let bytes = low - new;
            if budget.take(Purpose::Stacks, bytes as u64).is_err() {
                continue;
            }
            // SAFETY: pages of this mapping that nobody has used.
            if unsafe { self.mapping.protect(new - self.mapping.base() as usize, bytes, Access::ReadWrite) }.is_ok() {
                self.low.set(new);
                return true;
            }
            budget.give_back(Purpose::Stacks, bytes as u64);
        }
        false
    }

    /// The addresses that may become accessible.
    pub(crate) fn unused(&self) -> Range<usize> {
        self.guard().end..self.low.get()
    }

    /// Where an empty stack begins to grow down: a multiple of the page size.
    pub(crate) fn top(&self) -> usize {
        debug_assert!(self.mapping.len().is_multiple_of(PAGE));
        self.mapping.base() as usize + self.mapping.len()
    }

    /// The accessible addresses: everything that has ever been used.
    pub(crate) fn usable(&self) -> Range<usize> {
        self.low.get()..self.top()
    }

    /// The guard's addresses.
    pub(crate) fn guard(&self) -> Range<usize> {
        let base = self.mapping.base() as usize;
        base..base + GUARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(address: usize) {
        // SAFETY: an address of a test's own stack that it made accessible.
        unsafe { (address as *mut u64).write(7) };
    }

    #[test]
    fn a_stack_that_counts_grows_by_doubling_as_far_as_the_limit_allows() {
        let limit = MemoryLimit::new(Some(1 << 20));
        let stack = WasmStack::new(8 << 20, Some(&limit)).unwrap();
        assert_eq!(limit.used(), 64 << 10);
        touch(stack.usable().start);
        let below = stack.usable().start - 8;
        assert!(stack.extend(below) && !stack.extend(below));
        assert_eq!((limit.used(), stack.usable().len()), (128 << 10, 128 << 10));
        touch(below);
        // What a frame of many pages touches first is far below.
        let far = stack.top() - (600 << 10);
        assert!(stack.extend(far));
        touch(far);
        assert_eq!((limit.used(), stack.usable().start), (600 << 10, far));
        // Twice as much is too much now, but a few pages are there.
        assert!(stack.extend(far - PAGE));
        assert_eq!(limit.used(), 604 << 10);
        assert!(!stack.extend(stack.top() - (1 << 20) - 8));
        // Neither the guard nor what lies outside is the stack's.
        assert!(!stack.extend(stack.guard().end - 8) && !stack.extend(stack.top()) && !stack.extend(0));
        let refused = WasmStack::new(8 << 20, Some(&MemoryLimit::new(Some(60 << 10)))).unwrap_err();
        assert!(matches!(refused, ResourceError::MemoryLimit { limit: 61440, .. }), "{refused}");
        drop(stack);
        assert_eq!(limit.used(), 0);
    }

    #[test]
    fn a_stack_that_does_not_count_is_there_at_once() {
        let stack = WasmStack::new(1 << 20, None).unwrap();
        assert_eq!((stack.usable().len(), stack.unused().len()), (1 << 20, 0));
        touch(stack.usable().start);
        assert!(!stack.extend(stack.guard().end - 8));
    }
}
