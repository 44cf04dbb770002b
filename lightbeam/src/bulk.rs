//! Bulk memory operations: builtins, or a few loads and stores where the length is a small constant, as compilers leave it
//! for assignments of structures.
//!
//! A bulk operation that reaches outside writes nothing: [`sconce_environ::pieces`] says why that is so inline.

use crate::address::Access;
use crate::builtins::Constant;
use crate::codegen::Codegen;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::ops::MemArg;
use sconce_environ::pieces::{MOST_INLINE, MOST_PIECES, Piece, WIDEST, pieces};
use sconce_environ::trap::TrapCode;
use sconce_x64::encode::{Addr, Encoder, Extend, Size};
use sconce_x64::register::{Gpr, Xmm};
use sconce_x64::sse;

/// Each byte of a word.
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

pub(crate) fn memory_fill(c: &mut Codegen<'_>, memory: MemoryIndex) {
    c.pay_for_bytes();
    match c.small_length() {
        Some(len) => c.inline_fill(memory, len),
        None => c.builtin_with(Builtin::MemoryFill, &[Constant::Memory(memory)], 3, None),
    }
}

pub(crate) fn memory_copy(c: &mut Codegen<'_>, dst: MemoryIndex, src: MemoryIndex) {
    c.pay_for_bytes();
    match c.small_length() {
        Some(len) => c.inline_copy(dst, Source::Memory(src), len),
        None => c.builtin_with(Builtin::MemoryCopy, &[Constant::Memory(dst), Constant::Memory(src)], 3, None),
    }
}

pub(crate) fn memory_init(c: &mut Codegen<'_>, memory: MemoryIndex, data: DataIndex) {
    c.pay_for_bytes();
    match c.small_length() {
        Some(len) => c.inline_copy(memory, Source::Data(data), len),
        None => c.builtin_with(Builtin::MemoryCopy, &[Constant::Memory(memory), Constant::Data(data)], 3, None),
    }
}

pub(crate) fn data_drop(c: &mut Codegen<'_>, data: DataIndex) {
    c.builtin(Builtin::DataDrop, &[data.as_u32()], 0, None);
}

/// Where bytes are copied from.
#[derive(Copy, Clone, Debug)]
enum Source {
    Memory(MemoryIndex),
    Data(DataIndex),
}

/// The same, when the index is known to be inside.
#[derive(Copy, Clone, Debug)]
enum From {
    Memory(Access),
    /// At the address in this register.
    Data(Gpr),
}

/// Where a piece is between its load and its store.
#[derive(Copy, Clone, Debug)]
enum Held {
    Gpr(Gpr),
    Xmm(Xmm),
}

impl Codegen<'_> {
    /// The length on top of the stack, if it is a constant that is worth doing inline.
    fn small_length(&self) -> Option<u32> {
        let len = self.bits(self.stack[self.stack.len() - 1])?;
        u32::try_from(len).ok().filter(|&len| len <= MOST_INLINE)
    }

    fn inline_copy(&mut self, dst_memory: MemoryIndex, source: Source, len: u32) {
        self.pop();
        if len == 0 {
            match source {
                Source::Memory(memory) => self.check_empty(memory),
                Source::Data(data) => {
                    let r = self.data_address(data, 0);
                    self.free(r);
                }
            }
            return self.check_empty(dst_memory);
        }
        let from = match source {
            Source::Memory(memory) => From::Memory(self.range(memory, len)),
            Source::Data(data) => From::Data(self.data_address(data, len)),
        };
        let to = self.range(dst_memory, len);
        let mut held = [Held::Gpr(Gpr::Rax); MOST_PIECES];
        for (held, piece) in held.iter_mut().zip(pieces(len)) {
            *held = if piece.size == WIDEST { Held::Xmm(self.alloc_xmm()) } else { Held::Gpr(self.alloc_gpr()) };
        }
        let held = &held[..pieces(len).count()];
        self.load_pieces(from, len, held);
        self.store_pieces(to, len, held);
        for &held in held {
            match held {
                Held::Gpr(r) => self.free(r),
                Held::Xmm(x) => self.free(x),
            }
        }
        match from {
            From::Memory(access) => self.accessed(access),
            From::Data(r) => self.free(r),
        }
        self.accessed(to);
    }

    fn inline_fill(&mut self, memory: MemoryIndex, len: u32) {
        self.pop();
        let value = self.pop();
        if len == 0 {
            self.release(value);
            return self.check_empty(memory);
        }
        let constant = self.bits(value).map(|bits| EACH_BYTE * u64::from(bits as u8));
        let word = match constant {
            Some(word) => {
                let r = self.alloc_gpr();
                self.e.mov_imm(Size::S64, r, word.cast_signed());
                r
            }
            None => {
                let r = self.own_gpr(value);
                let s = self.scratch();
                s.e.extend(Extend::Zero8, Size::S32, r, r.into());
                s.e.mov_imm(Size::S64, s.r, EACH_BYTE.cast_signed());
                s.e.imul(Size::S64, r, s.r.into());
                r
            }
        };
        let vector = (len >= WIDEST).then(|| self.alloc_xmm());
        if let Some(x) = vector {
            if constant == Some(0) {
                self.e.zero_xmm(x);
            } else {
                self.e.int_to_xmm(Size::S64, x, word.into());
                self.e.sse(sse::PUNPCKLQDQ, x, x, x.into());
            }
        }
        let to = self.range(memory, len);
        let mut held = [Held::Gpr(word); MOST_PIECES];
        for (held, piece) in held.iter_mut().zip(pieces(len)) {
            if let Some(x) = vector.filter(|_| piece.size == WIDEST) {
                *held = Held::Xmm(x);
            }
        }
        self.store_pieces(to, len, &held);
        self.accessed(to);
        self.free(word);
        if let Some(x) = vector {
            self.free(x);
        }
    }

    /// Pops the index of a range.
    fn range(&mut self, memory: MemoryIndex, len: u32) -> Access {
        self.address(MemArg { memory, offset: 0, align: 0 }, len)
    }

    fn load_pieces(&mut self, from: From, len: u32, held: &[Held]) {
        let (mut s, from, may_trap) = match from {
            From::Memory(access) => {
                let (s, from) = self.at(access);
                (s, from, true)
            }
            From::Data(r) => (self.scratch(), Addr::new(r, 0), false),
        };
        for (piece, &held) in pieces(len).zip(held) {
            if may_trap {
                s.may_trap(TrapCode::MemoryOutOfBounds);
            }
            load_piece(s.e, held, from, piece);
        }
    }

    fn store_pieces(&mut self, to: Access, len: u32, held: &[Held]) {
        let (mut s, to) = self.at(to);
        for (piece, &held) in pieces(len).zip(held) {
            s.may_trap(TrapCode::MemoryOutOfBounds);
            store_piece(s.e, to, piece, held);
        }
    }
}

fn load_piece(e: &mut Encoder, to: Held, from: Addr, piece: Piece) {
    let from = from.plus(piece.offset.cast_signed());
    match (to, piece.size) {
        (Held::Xmm(x), _) => e.sse_two(sse::MOVUPS, x, from.into()),
        (Held::Gpr(r), 1) => e.extend(Extend::Zero8, Size::S32, r, from.into()),
        (Held::Gpr(r), 2) => e.extend(Extend::Zero16, Size::S32, r, from.into()),
        (Held::Gpr(r), 4) => e.load(Size::S32, r, from),
        (Held::Gpr(r), _) => e.load(Size::S64, r, from),
    }
}

fn store_piece(e: &mut Encoder, to: Addr, piece: Piece, from: Held) {
    let to = to.plus(piece.offset.cast_signed());
    match (from, piece.size) {
        (Held::Xmm(x), _) => e.sse_store(sse::MOVUPS_STORE, to, x),
        (Held::Gpr(r), 1) => e.store8(to, r),
        (Held::Gpr(r), 2) => e.store16(to, r),
        (Held::Gpr(r), 4) => e.store(Size::S32, to, r),
        (Held::Gpr(r), _) => e.store(Size::S64, to, r),
    }
}
