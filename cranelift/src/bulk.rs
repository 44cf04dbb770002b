//! Bulk memory operations: builtins, or a few loads and stores where the length is a small constant, as compilers leave it
//! for assignments of structures.
//!
//! A bulk operation that reaches outside writes nothing. Inline, every load precedes the first store, and a load of the
//! last byte to be written comes first of all, unless a check did: where that one is inside, everything below it is.

use crate::address::{Address, MAX_SIZE};
use crate::range;
use crate::translate::Translator;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::ops::MemArg;
use smallvec::SmallVec;

pub(crate) fn memory_fill(t: &mut Translator<'_>, memory: MemoryIndex) {
    let (dst, value, len) = t.state.pop3();
    if let Some(len) = t.small_length(len) {
        return t.inline_fill(memory, dst, value, len);
    }
    let (number, dst, len) = (t.index_argument(memory.as_u32()), t.extend_index(dst), t.extend_index(len));
    t.builtin(Builtin::MemoryFill, &[number, dst, value, len]);
}

pub(crate) fn memory_copy(t: &mut Translator<'_>, dst_memory: MemoryIndex, src_memory: MemoryIndex) {
    let (dst, src, len) = t.state.pop3();
    if let Some(len) = t.small_length(len) {
        return t.inline_copy((dst_memory, dst), (src_memory, src), len);
    }
    let memories = (t.index_argument(dst_memory.as_u32()), t.index_argument(src_memory.as_u32()));
    let (dst, src, len) = (t.extend_index(dst), t.extend_index(src), t.extend_index(len));
    t.builtin(Builtin::MemoryCopy, &[memories.0, memories.1, dst, src, len]);
}

pub(crate) fn memory_init(t: &mut Translator<'_>, memory: MemoryIndex, data: DataIndex) {
    let (dst, src, len) = t.state.pop3();
    let (memory, data) = (t.index_argument(memory.as_u32()), t.index_argument(data.as_u32()));
    let dst = t.extend_index(dst);
    t.builtin(Builtin::MemoryInit, &[memory, data, dst, src, len]);
}

pub(crate) fn data_drop(t: &mut Translator<'_>, data: DataIndex) {
    let data = t.index_argument(data.as_u32());
    t.builtin(Builtin::DataDrop, &[data]);
}

/// Accesses that cover `len` bytes, some of them twice: type and offset of each.
fn pieces(len: u32) -> SmallVec<[(Type, u32); 5]> {
    let widest = [I8X16, I64, I32, I16, I8].into_iter().find(|ty| ty.bytes() <= len).expect("not of length 0");
    let mut pieces: SmallVec<[_; 5]> = (0..len / widest.bytes()).map(|i| (widest, i * widest.bytes())).collect();
    let rest = len % widest.bytes();
    if rest != 0 {
        // The narrowest access that covers the rest, ending where the range ends.
        let ty = [I8, I16, I32, I64, I8X16].into_iter().find(|ty| ty.bytes() >= rest).expect("less than the widest");
        pieces.push((ty, len - ty.bytes()));
    }
    pieces
}

impl Translator<'_> {
    /// A constant length that is worth doing inline. Nothing at all is left to the builtin, which checks bounds all the same.
    fn small_length(&self, len: Value) -> Option<u32> {
        let len = u32::try_from(range::constant(&self.builder.func.dfg, len)?).ok()?;
        (1..=MAX_SIZE).contains(&len).then_some(len)
    }

    fn inline_fill(&mut self, memory: MemoryIndex, dst: Value, value: Value, len: u32) {
        let Some(to) = self.writable(memory, dst, len) else { return };
        let byte = self.builder.ins().ireduce(I8, value);
        let vector = self.builder.ins().splat(I8X16, byte);
        let byte = self.builder.ins().uextend(I64, byte);
        let word = self.builder.ins().imul_imm_s(byte, 0x0101_0101_0101_0101);
        for (ty, offset) in pieces(len) {
            // What is not used costs nothing: Cranelift drops it.
            let piece = match ty {
                I8X16 => vector,
                I64 => word,
                narrow => self.builder.ins().ireduce(narrow, word),
            };
            self.write(at(to, offset), Opcode::Store, piece);
        }
    }

    fn inline_copy(&mut self, (dst_memory, dst): (MemoryIndex, Value), (src_memory, src): (MemoryIndex, Value), len: u32) {
        let Some(from) = self.address_of(whole(src_memory), src, len) else { return };
        let Some(to) = self.writable(dst_memory, dst, len) else { return };
        let pieces = pieces(len);
        let values: SmallVec<[Value; 5]> =
            pieces.iter().map(|&(ty, offset)| self.read(at(from, offset), Opcode::Load, ty)).collect();
        for (&(_, offset), value) in pieces.iter().zip(values) {
            self.write(at(to, offset), Opcode::Store, value);
        }
    }

    /// Where `len` bytes will be written, all of them inside the memory.
    fn writable(&mut self, memory: MemoryIndex, dst: Value, len: u32) -> Option<Address> {
        let to = self.address_of(whole(memory), dst, len)?;
        if self.is_guarded(memory, 0) {
            self.read(at(to, len - 1), Opcode::Load, I8);
        }
        Some(to)
    }
}

fn whole(memory: MemoryIndex) -> MemArg {
    MemArg { memory, offset: 0, align: 0 }
}

/// A place behind an address without offset, or with one that [`Translator::address_of`] put aside for it.
fn at(address: Address, offset: u32) -> Address {
    Address { offset: address.offset + offset.cast_signed(), ..address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_each_length_and_no_more() {
        for len in 1..=MAX_SIZE {
            let mut covered = vec![false; len as usize];
            for (ty, offset) in pieces(len) {
                covered[offset as usize..][..ty.bytes() as usize].fill(true);
            }
            assert!(covered.iter().all(|&c| c), "{len}");
        }
    }
}
