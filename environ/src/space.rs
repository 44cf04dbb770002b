//! Address space that compiled code relies on and the runtime provides: the sizes of guards and pages, said once for both sides.

use crate::compile::BoundsStyle;
use crate::types::{INDEX32_BYTES, MemoryType};

/// Bytes of a host page: the only page size there is on x86-64.
pub const HOST_PAGE: usize = 4096;

/// Offsets up to here (exclusive) need no check in guard style. They are displacements of instructions.
pub const MAX_GUARDED_OFFSET: u64 = 1 << 31;

/// Bytes of the widest access that needs no check in guard style. Compilers assert that theirs are no wider.
pub const MAX_GUARDED_ACCESS: u64 = 64 << 10;

/// Bytes of address space behind the 4 GiB of a guarded memory, so that `base + u32 + disp31`, and an access of up to
/// [`MAX_GUARDED_ACCESS`] bytes there, stay inside.
pub const MEMORY_GUARD_BYTES: u64 = MAX_GUARDED_OFFSET + MAX_GUARDED_ACCESS;

/// Bytes of address space that a guarded memory takes.
pub const GUARDED_MEMORY_BYTES: u64 = INDEX32_BYTES + MEMORY_GUARD_BYTES;

/// A frame of so many bytes or more touches each page of them, in order, so that it cannot reach past a stack's guard.
pub const PROBE_BYTES: u32 = HOST_PAGE as u32;

/// Inaccessible bytes below a wasm stack. With probes one page would do; the rest forgives.
pub const STACK_GUARD_BYTES: usize = 64 << 10;

const _: () = {
    assert!(MAX_GUARDED_OFFSET - 1 <= i32::MAX as u64);
    assert!(GUARDED_MEMORY_BYTES.is_multiple_of(HOST_PAGE as u64));
    assert!(PROBE_BYTES.is_power_of_two() && STACK_GUARD_BYTES >= PROBE_BYTES as usize);
    assert!(STACK_GUARD_BYTES.is_multiple_of(HOST_PAGE));
};

impl BoundsStyle {
    /// Whether a memory of this type has a guard, which catches every access that is not inside the memory at an offset below
    /// [`MAX_GUARDED_OFFSET`]. Others are compared with the memory's length first.
    #[inline]
    pub fn guards(self, ty: &MemoryType) -> bool {
        self == BoundsStyle::Guard && !ty.memory64 && ty.has_wasm_pages()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Limits, WASM_PAGE_LOG2};

    #[test]
    fn only_32_bit_memories_of_whole_pages_have_guards() {
        let ty = |memory64, page_size_log2| MemoryType {
            limits: Limits { min: 1, max: None },
            memory64,
            shared: false,
            page_size_log2,
        };
        assert!(BoundsStyle::Guard.guards(&ty(false, WASM_PAGE_LOG2)));
        assert!(!BoundsStyle::Guard.guards(&ty(true, WASM_PAGE_LOG2)));
        assert!(!BoundsStyle::Guard.guards(&ty(false, 0)));
        assert!(!BoundsStyle::Explicit.guards(&ty(false, WASM_PAGE_LOG2)));
    }
}
