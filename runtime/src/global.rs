//! Globals: 16 bytes each, in their instance's context or, if the host made them, in a box.

use crate::heap::Heap;
use sconce_environ::index::TypeId;
use sconce_environ::types::{GlobalType, RefKind, ValType};
use sconce_environ::vm::VmGlobal;

/// A global.
#[derive(Debug)]
pub(crate) struct Global {
    pub ty: GlobalType<TypeId>,
    /// Valid as long as the store.
    pub vm: *mut VmGlobal,
}

impl Global {
    /// Its value; what it does not use of 16 bytes is zero.
    pub(crate) fn get(&self) -> u128 {
        // SAFETY: `vm` is valid as long as the store, which owns `self`; wasm is not running meanwhile.
        let raw = unsafe { u128::from_le_bytes((*self.vm).bytes) };
        raw & mask(&self.ty.content)
    }

    /// Replaces its value. The old one may leave a dead object behind: see [`Heap::bury`].
    pub(crate) fn set(&self, value: u128, heap: &mut Heap) {
        let value = value & mask(&self.ty.content);
        // SAFETY: as in `get`; a handle stands in the low bytes, and the others are zero.
        unsafe {
            match self.ty.content {
                ValType::Ref(r) if r.kind() == RefKind::Handle => heap.write(self.vm.cast(), value as u32),
                _ => (*self.vm).bytes = value.to_le_bytes(),
            }
        }
    }
}

/// The bits of 128 that a value of a type uses.
pub(crate) fn mask<R>(ty: &ValType<R>) -> u128 {
    match ty {
        ValType::I32 | ValType::F32 => u128::from(u32::MAX),
        ValType::I64 | ValType::F64 => u128::from(u64::MAX),
        ValType::V128 => u128::MAX,
        ValType::Ref(r) => match r.kind() {
            RefKind::Func => u128::from(u64::MAX),
            RefKind::Handle => u128::from(u32::MAX),
        },
    }
}
