//! Bulk memory operations: builtins.

use crate::codegen::Codegen;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;

pub(crate) fn memory_fill(c: &mut Codegen<'_>, memory: MemoryIndex) {
    c.builtin(Builtin::MemoryFill, &[memory.as_u32()], 3, None);
}

pub(crate) fn memory_copy(c: &mut Codegen<'_>, dst: MemoryIndex, src: MemoryIndex) {
    c.builtin(Builtin::MemoryCopy, &[dst.as_u32(), src.as_u32()], 3, None);
}

pub(crate) fn memory_init(c: &mut Codegen<'_>, memory: MemoryIndex, data: DataIndex) {
    c.builtin(Builtin::MemoryInit, &[memory.as_u32(), data.as_u32()], 3, None);
}

pub(crate) fn data_drop(c: &mut Codegen<'_>, data: DataIndex) {
    c.builtin(Builtin::DataDrop, &[data.as_u32()], 0, None);
}
