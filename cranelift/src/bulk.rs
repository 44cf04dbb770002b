//! Bulk memory operations: builtins, or a few loads and stores where the length is a small constant, as compilers leave it
//! for assignments of structures.
//!
//! A bulk operation that reaches outside writes nothing: [`sconce_environ::pieces`] says why that is so inline.

use crate::address::Address;
use crate::range;
use crate::translate::Translator;
use cranelift_codegen::ir::types::{I8, I8X16, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::ops::MemArg;
use sconce_environ::pieces::{MOST_INLINE, MOST_PIECES, Piece, WIDEST, pieces};
use smallvec::SmallVec;

pub(crate) fn memory_fill(t: &mut Translator<'_>, memory: MemoryIndex) {
    let (dst, value, len) = t.state.pop3();
    t.pay_for_bytes(len);
    if let Some(len) = t.small_length(len) {
        return t.inline_fill(memory, dst, value, len);
    }
    let (memory, dst, len) = (t.memory_argument(memory), t.extend_index(dst), t.extend_index(len));
    t.builtin(Builtin::MemoryFill, &[memory, dst, value, len]);
}

pub(crate) fn memory_copy(t: &mut Translator<'_>, dst: MemoryIndex, src: MemoryIndex) {
    t.copy(dst, Source::Memory(src));
}

pub(crate) fn memory_init(t: &mut Translator<'_>, memory: MemoryIndex, data: DataIndex) {
    t.copy(memory, Source::Data(data));
}

pub(crate) fn data_drop(t: &mut Translator<'_>, data: DataIndex) {
    let data = t.index_argument(data.as_u32());
    t.builtin(Builtin::DataDrop, &[data]);
}

/// Where bytes are copied from.
#[derive(Copy, Clone, Debug)]
enum Source {
    Memory(MemoryIndex),
    Data(DataIndex),
}

/// The type of a piece.
fn piece_type(piece: Piece) -> Type {
    match piece.size {
        WIDEST => I8X16,
        narrow => Type::int_with_byte_size(narrow as u16).expect("a power of two"),
    }
}

impl Translator<'_> {
    /// A constant length that is worth doing inline.
    fn small_length(&self, len: Value) -> Option<u32> {
        let len = u32::try_from(range::constant(&self.builder.func.dfg, len)?).ok()?;
        (len <= MOST_INLINE).then_some(len)
    }

    fn inline_fill(&mut self, memory: MemoryIndex, dst: Value, value: Value, len: u32) {
        if len == 0 {
            return self.check_empty(memory, dst);
        }
        let Some(to) = self.range_of(memory, dst, len) else { return };
        let byte = self.builder.ins().ireduce(I8, value);
        let vector = self.builder.ins().splat(I8X16, byte);
        let byte = self.builder.ins().uextend(I64, byte);
        let word = self.builder.ins().imul_imm_s(byte, 0x0101_0101_0101_0101);
        for piece in pieces(len) {
            // What is not used costs nothing: Cranelift drops it.
            let bytes = match piece_type(piece) {
                I8X16 => vector,
                I64 => word,
                narrow => self.builder.ins().ireduce(narrow, word),
            };
            self.write(at(to, piece), Opcode::Store, bytes);
        }
    }

    fn copy(&mut self, dst_memory: MemoryIndex, source: Source) {
        let (dst, src, len) = self.state.pop3();
        self.pay_for_bytes(len);
        if let Some(len) = self.small_length(len) {
            return self.inline_copy((dst_memory, dst), (source, src), len);
        }
        let dst_memory = self.memory_argument(dst_memory);
        let source = match source {
            Source::Memory(memory) => self.memory_argument(memory),
            Source::Data(data) => self.data_argument(data),
        };
        let (dst, src, len) = (self.extend_index(dst), self.extend_index(src), self.extend_index(len));
        self.builtin(Builtin::MemoryCopy, &[dst_memory, source, dst, src, len]);
    }

    fn inline_copy(&mut self, (dst_memory, dst): (MemoryIndex, Value), (source, src): (Source, Value), len: u32) {
        if len == 0 {
            // Nothing is accessed, so no guard would catch what is outside.
            self.check_empty(dst_memory, dst);
            match source {
                Source::Memory(memory) => self.check_empty(memory, src),
                Source::Data(data) => drop(self.data_address(data, src, 0)),
            }
            return;
        }
        let from = match source {
            Source::Memory(memory) => self.range_of(memory, src, len),
            Source::Data(data) => Some(self.data_address(data, src, len)),
        };
        let Some(from) = from else { return };
        let Some(to) = self.range_of(dst_memory, dst, len) else { return };
        let load = |piece| self.read(at(from, piece), Opcode::Load, piece_type(piece));
        let values: SmallVec<[Value; MOST_PIECES]> = pieces(len).map(load).collect();
        for (piece, value) in pieces(len).zip(values) {
            self.write(at(to, piece), Opcode::Store, value);
        }
    }

    fn range_of(&mut self, memory: MemoryIndex, index: Value, len: u32) -> Option<Address> {
        self.address_of(MemArg { memory, offset: 0, align: 0 }, index, len)
    }
}

/// A piece's place behind an address without offset, or with one that [`Translator::address_of`] put aside for it.
fn at(address: Address, piece: Piece) -> Address {
    Address { offset: address.offset + piece.offset.cast_signed(), ..address }
}
