//! Linear memories: loads, stores, size.

use crate::codegen::Codegen;
use crate::operands::store_xmm_mem;
use crate::scratch::Scratch;
use crate::value::Ty;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::layout::Place;
use sconce_environ::ops::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::VmMemory;
use sconce_x64::encode::{Addr, Encoder, Extend, Shift, Size};
use sconce_x64::register::{Gpr, Xmm};
use sconce_x64::sse::{self, Sse};
use std::mem::offset_of;

#[inline]
pub(crate) fn load(c: &mut Codegen<'_>, load: Load, arg: MemArg) {
    use Extend::*;
    use Size::*;
    match load {
        Load::I32 => c.load_int(Ty::I32, arg, 4, |e, r, a| e.load(S32, r, a)),
        Load::I64 => c.load_int(Ty::I64, arg, 8, |e, r, a| e.load(S64, r, a)),
        Load::I32Load8(Sign::S) => c.load_int(Ty::I32, arg, 1, |e, r, a| e.extend(Sign8, S32, r, a.into())),
        Load::I32Load8(Sign::U) => c.load_int(Ty::I32, arg, 1, |e, r, a| e.extend(Zero8, S32, r, a.into())),
        Load::I32Load16(Sign::S) => c.load_int(Ty::I32, arg, 2, |e, r, a| e.extend(Sign16, S32, r, a.into())),
        Load::I32Load16(Sign::U) => c.load_int(Ty::I32, arg, 2, |e, r, a| e.extend(Zero16, S32, r, a.into())),
        Load::I64Load8(Sign::S) => c.load_int(Ty::I64, arg, 1, |e, r, a| e.extend(Sign8, S64, r, a.into())),
        Load::I64Load8(Sign::U) => c.load_int(Ty::I64, arg, 1, |e, r, a| e.extend(Zero8, S32, r, a.into())),
        Load::I64Load16(Sign::S) => c.load_int(Ty::I64, arg, 2, |e, r, a| e.extend(Sign16, S64, r, a.into())),
        Load::I64Load16(Sign::U) => c.load_int(Ty::I64, arg, 2, |e, r, a| e.extend(Zero16, S32, r, a.into())),
        Load::I64Load32(Sign::S) => c.load_int(Ty::I64, arg, 4, |e, r, a| e.extend(Sign32, S64, r, a.into())),
        Load::I64Load32(Sign::U) => c.load_int(Ty::I64, arg, 4, |e, r, a| e.load(S32, r, a)),
        Load::F32 => c.load_float(Ty::F32, arg, 4, sse::MOVSS),
        Load::F64 => c.load_float(Ty::F64, arg, 8, sse::MOVSD),
        Load::V128 => c.load_float(Ty::V128, arg, 16, sse::MOVUPS),
        Load::V128Extend(NarrowLane::B1, Sign::S) => c.load_float(Ty::V128, arg, 8, sse::PMOVSXBW),
        Load::V128Extend(NarrowLane::B1, Sign::U) => c.load_float(Ty::V128, arg, 8, sse::PMOVZXBW),
        Load::V128Extend(NarrowLane::B2, Sign::S) => c.load_float(Ty::V128, arg, 8, sse::PMOVSXWD),
        Load::V128Extend(NarrowLane::B2, Sign::U) => c.load_float(Ty::V128, arg, 8, sse::PMOVZXWD),
        Load::V128Extend(NarrowLane::B4, Sign::S) => c.load_float(Ty::V128, arg, 8, sse::PMOVSXDQ),
        Load::V128Extend(NarrowLane::B4, Sign::U) => c.load_float(Ty::V128, arg, 8, sse::PMOVZXDQ),
        Load::V128Zero(Lane::B8) => c.load_float(Ty::V128, arg, 8, sse::MOVSD),
        Load::V128Zero(_) => c.load_float(Ty::V128, arg, 4, sse::MOVSS),
        Load::V128Splat(Lane::B8) => c.load_float(Ty::V128, arg, 8, sse::MOVDDUP),
        Load::V128Splat(lane) => {
            let access = c.address(arg, lane.size());
            let x = c.alloc_xmm();
            let (mut s, from) = c.at(access);
            s.may_trap(TrapCode::MemoryOutOfBounds);
            match lane {
                Lane::B1 => s.e.extend(Zero8, S32, s.r, from.into()),
                Lane::B2 => s.e.extend(Zero16, S32, s.r, from.into()),
                Lane::B4 | Lane::B8 => s.e.load(S32, s.r, from),
            }
            s.splat_gpr(x, lane, s.r);
            drop(s);
            c.accessed(access);
            c.push_xmm(Ty::V128, x);
        }
    }
}

#[inline]
pub(crate) fn store(c: &mut Codegen<'_>, store: Store, arg: MemArg) {
    let value = c.pop();
    let size = store.size();
    // A constant is part of the instruction.
    if let Some(imm) = value.imm() {
        let access = c.address(arg, size);
        let (mut s, to) = c.at(access);
        s.may_trap(TrapCode::MemoryOutOfBounds);
        match store {
            Store::I32 | Store::F32 | Store::I64Store32 => s.e.store_imm(Size::S32, to, imm),
            Store::I64 | Store::F64 => s.e.store_imm(Size::S64, to, imm),
            Store::I32Store8 | Store::I64Store8 => s.e.store_imm8(to, imm as u8),
            Store::I32Store16 | Store::I64Store16 => s.e.store_imm16(to, imm as u16),
            Store::V128 => unreachable!("a vector is no immediate"),
        }
        drop(s);
        return c.accessed(access);
    }
    match store {
        Store::F32 | Store::F64 | Store::V128 => {
            let x = c.xmm(value);
            let access = c.address(arg, size);
            let (mut s, to) = c.at(access);
            s.may_trap(TrapCode::MemoryOutOfBounds);
            store_xmm_mem(s.e, value.ty(), to, x);
            drop(s);
            c.accessed(access);
            c.free(x);
        }
        _ => {
            let r = c.gpr(value);
            let access = c.address(arg, size);
            let (mut s, to) = c.at(access);
            s.may_trap(TrapCode::MemoryOutOfBounds);
            match size {
                1 => s.e.store8(to, r),
                2 => s.e.store16(to, r),
                4 => s.e.store(Size::S32, to, r),
                _ => s.e.store(Size::S64, to, r),
            }
            drop(s);
            c.accessed(access);
            c.free(r);
        }
    }
}

pub(crate) fn load_lane(c: &mut Codegen<'_>, lane: Lane, arg: MemArg, index: u8) {
    let vector = c.pop();
    let x = c.own_xmm(vector);
    let access = c.address(arg, lane.size());
    let (op, size) = lane_insert(lane);
    let (mut s, from) = c.at(access);
    s.may_trap(TrapCode::MemoryOutOfBounds);
    s.e.insert(op, size, x, x, from.into(), index);
    drop(s);
    c.accessed(access);
    c.push_xmm(Ty::V128, x);
}

pub(crate) fn store_lane(c: &mut Codegen<'_>, lane: Lane, arg: MemArg, index: u8) {
    let vector = c.pop();
    let x = c.xmm(vector);
    let access = c.address(arg, lane.size());
    let (op, size) = match lane {
        Lane::B1 => (sse::PEXTRB, Size::S32),
        Lane::B2 => (sse::PEXTRW, Size::S32),
        Lane::B4 => (sse::PEXTRD, Size::S32),
        Lane::B8 => (sse::PEXTRD, Size::S64),
    };
    let (mut s, to) = c.at(access);
    s.may_trap(TrapCode::MemoryOutOfBounds);
    s.e.extract(op, size, to.into(), x, index);
    drop(s);
    c.accessed(access);
    c.free(x);
}

pub(crate) fn memory_size(c: &mut Codegen<'_>, memory: MemoryIndex) {
    let ty = c.module.memories[memory];
    let r = c.alloc_gpr();
    let offset = offset_of!(VmMemory, length) as i32;
    let from = match c.layout.memory(memory) {
        Place::Inline(at) => Addr::new(crate::codegen::VMCTX, at as i32 + offset),
        Place::Pointer(at) => {
            c.e.load(Size::S64, r, Addr::new(crate::codegen::VMCTX, at as i32));
            Addr::new(r, offset)
        }
    };
    c.e.load(Size::S64, r, from);
    c.e.shift_imm(Shift::Shr, Size::S64, r.into(), ty.page_size_log2);
    if !ty.memory64 {
        c.e.mov(Size::S32, r, r);
    }
    c.push_gpr(Codegen::index_ty(ty.memory64), r);
}

pub(crate) fn memory_grow(c: &mut Codegen<'_>, memory: MemoryIndex) {
    let is_64 = c.module.memories[memory].memory64;
    c.builtin(Builtin::MemoryGrow, &[memory.as_u32()], 1, Some(Codegen::index_ty(is_64)));
}

/// The instruction that puts a lane into a vector.
pub(crate) fn lane_insert(lane: Lane) -> (Sse, Size) {
    match lane {
        Lane::B1 => (sse::PINSRB, Size::S32),
        Lane::B2 => (sse::PINSRW, Size::S32),
        Lane::B4 => (sse::PINSRD, Size::S32),
        Lane::B8 => (sse::PINSRD, Size::S64),
    }
}

impl Codegen<'_> {
    #[inline(always)]
    fn load_int(&mut self, ty: Ty, arg: MemArg, size: u32, emit: impl FnOnce(&mut Encoder, Gpr, Addr)) {
        let access = self.address(arg, size);
        self.accessed(access);
        // The address is read before the result is written, and nothing was evicted in between: what it held is free.
        let r = match self.wanted_gpr() {
            Some(r) => r,
            None => self.alloc_gpr(),
        };
        let (mut s, from) = self.at(access);
        s.may_trap(TrapCode::MemoryOutOfBounds);
        emit(s.e, r, from);
        drop(s);
        self.push_gpr(ty, r);
    }

    #[inline(always)]
    fn load_float(&mut self, ty: Ty, arg: MemArg, size: u32, op: Sse) {
        let x = match self.wanted_xmm() {
            Some(x) => x,
            None => self.alloc_xmm(),
        };
        let access = self.address(arg, size);
        let (mut s, from) = self.at(access);
        s.may_trap(TrapCode::MemoryOutOfBounds);
        s.e.sse_two(op, x, from.into());
        drop(s);
        self.accessed(access);
        self.push_xmm(ty, x);
    }
}

impl Scratch<'_> {
    /// All lanes of `x` become the low bits of `r`.
    pub(crate) fn splat_gpr(&mut self, x: Xmm, lane: Lane, r: Gpr) {
        self.e.int_to_xmm(if lane == Lane::B8 { Size::S64 } else { Size::S32 }, x, r.into());
        self.splat_low(x, lane, x);
    }

    /// All lanes of `x` become the lowest one of `from`.
    pub(crate) fn splat_low(&mut self, x: Xmm, lane: Lane, from: Xmm) {
        match lane {
            Lane::B1 => {
                self.e.zero_xmm(self.x);
                self.e.sse(sse::PSHUFB, x, from, self.x.into());
            }
            Lane::B2 => {
                self.e.sse_two_imm(sse::PSHUFLW, x, from.into(), 0);
                self.e.sse_two_imm(sse::PSHUFD, x, x.into(), 0);
            }
            Lane::B4 => self.e.sse_two_imm(sse::PSHUFD, x, from.into(), 0),
            Lane::B8 => self.e.sse_two_imm(sse::PSHUFD, x, from.into(), 0x44),
        }
    }
}
