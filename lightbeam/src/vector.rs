//! Vectors.
//!
//! What has an instruction of its own is a row. The rest follows sequences that have become common property of compilers; each
//! says what it relies on.

use crate::codegen::{Codegen, SCRATCH, XSCRATCH};
use crate::memory::lane_insert;
use crate::value::{Flag, Ty, Value};
use sconce_environ::ops::*;
use sconce_x64::asm::Xmm;
use sconce_x64::encode::{Alu, Cond, Extend, Rm, Size};
use sconce_x64::sse::{self, LaneShift, Sse};

/// Predicates of float comparisons.
const EQ: u8 = 0;
const LT: u8 = 1;
const LE: u8 = 2;
const UNORDERED: u8 = 3;
const NE: u8 = 4;

pub(crate) fn v128_const(c: &mut Codegen<'_>, bits: u128) {
    c.push_const(Ty::V128, bits);
}

pub(crate) fn splat(c: &mut Codegen<'_>, shape: Shape) {
    let a = c.pop();
    let lane = lane_of(shape);
    if let Shape::F32x4 | Shape::F64x2 = shape {
        let x = c.own_xmm(a);
        c.splat_low(x, lane, x);
        return c.push_xmm(Ty::V128, x);
    }
    let r = c.gpr(a);
    let x = c.alloc_xmm();
    c.splat_gpr(x, lane, r);
    c.free_gpr(r);
    c.push_xmm(Ty::V128, x);
}

pub(crate) fn extract_lane(c: &mut Codegen<'_>, op: Extract, lane: u8) {
    let a = c.pop();
    match op {
        Extract::F32x4 | Extract::F64x2 => {
            let x = c.own_xmm(a);
            let (ty, order) = if op == Extract::F32x4 { (Ty::F32, lane) } else { (Ty::F64, 0xee) };
            if lane != 0 {
                c.e.sse_two_imm(sse::PSHUFD, x, x.into(), order);
            }
            c.push_xmm(ty, x);
        }
        _ => {
            let x = c.xmm(a);
            let r = c.alloc_gpr();
            let to = Rm::from(r);
            match op {
                Extract::I8x16(_) => c.e.extract(sse::PEXTRB, Size::S32, to, x, lane),
                Extract::I16x8(_) => c.e.extract(sse::PEXTRW, Size::S32, to, x, lane),
                Extract::I32x4 => c.e.extract(sse::PEXTRD, Size::S32, to, x, lane),
                _ => c.e.extract(sse::PEXTRD, Size::S64, to, x, lane),
            }
            match op {
                Extract::I8x16(Sign::S) => c.e.extend(Extend::Sign8, Size::S32, r, to),
                Extract::I16x8(Sign::S) => c.e.extend(Extend::Sign16, Size::S32, r, to),
                _ => {}
            }
            c.free_xmm(x);
            c.push_gpr(if op == Extract::I64x2 { Ty::I64 } else { Ty::I32 }, r);
        }
    }
}

pub(crate) fn replace_lane(c: &mut Codegen<'_>, shape: Shape, lane: u8) {
    let scalar = c.pop();
    let a = c.pop();
    let x = c.own_xmm(a);
    if let Shape::F32x4 | Shape::F64x2 = shape {
        let s = c.xmm(scalar);
        match (shape, lane) {
            (Shape::F32x4, _) => c.e.sse_imm(sse::INSERTPS, x, x, s.into(), lane << 4),
            (_, 0) => c.e.sse_imm(sse::PBLENDW, x, x, s.into(), 0x0f),
            _ => c.e.sse(sse::UNPCKLPD, x, x, s.into()),
        }
        c.free_xmm(s);
    } else {
        let r = c.gpr(scalar);
        let (op, size) = lane_insert(lane_of(shape));
        c.e.insert(op, size, x, x, r.into(), lane);
        c.free_gpr(r);
    }
    c.push_xmm(Ty::V128, x);
}

/// A byte shuffle of each operand, with zeros where the other one's bytes go.
pub(crate) fn shuffle(c: &mut Codegen<'_>, lanes: [u8; 16]) {
    let b = c.pop();
    let a = c.pop();
    let mask =
        |of: std::ops::Range<u8>| u128::from_le_bytes(lanes.map(|lane| if of.contains(&lane) { lane - of.start } else { 0x80 }));
    let from_one = if lanes.iter().all(|&lane| lane < 16) {
        Some((a, b, 0..16))
    } else if lanes.iter().all(|&lane| lane >= 16) {
        Some((b, a, 16..32))
    } else {
        None
    };
    if let Some((used, unused, range)) = from_one {
        c.release(unused);
        let x = c.own_xmm(used);
        let order = c.e.wide_constant(mask(range));
        c.e.sse(sse::PSHUFB, x, x, order.into());
        return c.push_xmm(Ty::V128, x);
    }
    let x = c.own_xmm(a);
    let (first, second) = (c.e.wide_constant(mask(0..16)), c.e.wide_constant(mask(16..32)));
    c.load_xmm(XSCRATCH, b);
    c.e.sse(sse::PSHUFB, x, x, first.into());
    c.e.sse(sse::PSHUFB, XSCRATCH, XSCRATCH, second.into());
    c.e.sse(sse::POR, x, x, XSCRATCH.into());
    c.release(b);
    c.push_xmm(Ty::V128, x);
}

pub(crate) fn vec_unary(c: &mut Codegen<'_>, op: VecUnary) {
    let a = c.pop();
    let x = c.own_xmm(a);
    match op {
        VecUnary::Not => c.invert(x),
        VecUnary::Abs(IntShape::I8x16) => c.e.sse_two(sse::PABSB, x, x.into()),
        VecUnary::Abs(IntShape::I16x8) => c.e.sse_two(sse::PABSW, x, x.into()),
        VecUnary::Abs(IntShape::I32x4) => c.e.sse_two(sse::PABSD, x, x.into()),
        VecUnary::Abs(IntShape::I64x2) => {
            // The sign of each, in all its bits: inverting and adding one negates.
            c.e.sse_two_imm(sse::PSHUFD, XSCRATCH, x.into(), 0xf5);
            c.e.shift_lanes(LaneShift::Psrad, XSCRATCH, XSCRATCH, 31);
            c.e.sse(sse::PXOR, x, x, XSCRATCH.into());
            c.e.sse(sse::PSUBQ, x, x, XSCRATCH.into());
        }
        VecUnary::Neg(shape) => {
            c.e.zero_xmm(XSCRATCH);
            c.e.sse(subtract(shape), XSCRATCH, XSCRATCH, x.into());
            c.e.move_xmm(x, XSCRATCH);
        }
        VecUnary::Popcnt => c.byte_popcnt(x),
        VecUnary::Float(shape, op) => c.float_lanes(shape, op, x),
        VecUnary::ExtAddPairwise(NarrowLane::B1, Sign::S) => {
            // Of the two factors, the first is unsigned.
            let ones = c.every(8, 1);
            c.load_constant(XSCRATCH, ones);
            c.e.sse(sse::PMADDUBSW, XSCRATCH, XSCRATCH, x.into());
            c.e.move_xmm(x, XSCRATCH);
        }
        VecUnary::ExtAddPairwise(NarrowLane::B1, Sign::U) => {
            let ones = c.every(8, 1);
            c.e.sse(sse::PMADDUBSW, x, x, ones);
        }
        VecUnary::ExtAddPairwise(_, sign) => {
            let (ones, offset, correction) = (c.every(16, 1), c.every(16, 0x8000), c.every(32, 0x1_0000));
            // Factors are signed: unsigned ones are moved down by 2^15, and the sum of two up again.
            if sign == Sign::U {
                c.e.sse(sse::PXOR, x, x, offset);
            }
            c.e.sse(sse::PMADDWD, x, x, ones);
            if sign == Sign::U {
                c.e.sse(sse::PADDD, x, x, correction);
            }
        }
        VecUnary::Extend(lane, half, sign) => c.widen(lane, half, sign, x, x),
        VecUnary::TruncSatF32x4(Sign::S) => {
            // NaNs become zero; what is too large becomes the least integer, and is inverted where it was positive.
            c.e.sse_imm(sse::CMPPS, XSCRATCH, x, x.into(), EQ);
            c.e.sse(sse::ANDPS, x, x, XSCRATCH.into());
            c.e.sse(sse::PXOR, XSCRATCH, XSCRATCH, x.into());
            c.e.sse_two(sse::CVTTPS2DQ, x, x.into());
            c.e.sse(sse::PAND, XSCRATCH, XSCRATCH, x.into());
            c.e.shift_lanes(LaneShift::Psrad, XSCRATCH, XSCRATCH, 31);
            c.e.sse(sse::PXOR, x, x, XSCRATCH.into());
        }
        VecUnary::TruncSatF32x4(Sign::U) => {
            let t = c.alloc_xmm();
            let half = c.every(32, 0x4f00_0000);
            // NaNs and negative numbers become zero.
            c.e.zero_xmm(XSCRATCH);
            c.e.sse(sse::MAXPS, x, x, XSCRATCH.into());
            // What is beyond 2^31, saturated and not negative, is added to 2^31, which is what such numbers are truncated to.
            c.load_constant(XSCRATCH, half);
            c.e.sse(sse::SUBPS, t, x, XSCRATCH.into());
            c.e.sse_imm(sse::CMPPS, XSCRATCH, XSCRATCH, t.into(), LE);
            c.e.sse_two(sse::CVTTPS2DQ, t, t.into());
            c.e.sse(sse::PXOR, t, t, XSCRATCH.into());
            c.e.zero_xmm(XSCRATCH);
            c.e.sse(sse::PMAXSD, t, t, XSCRATCH.into());
            c.e.sse_two(sse::CVTTPS2DQ, x, x.into());
            c.e.sse(sse::PADDD, x, x, t.into());
            c.free_xmm(t);
        }
        VecUnary::TruncSatF64x2Zero(Sign::S) => {
            // The limit is zero where the operand is no number.
            let limit = c.every(64, 2_147_483_647f64.to_bits());
            c.e.sse_imm(sse::CMPPD, XSCRATCH, x, x.into(), EQ);
            c.e.sse(sse::ANDPS, XSCRATCH, XSCRATCH, limit);
            c.e.sse(sse::MINPD, x, x, XSCRATCH.into());
            c.e.sse_two(sse::CVTTPD2DQ, x, x.into());
        }
        VecUnary::TruncSatF64x2Zero(Sign::U) => {
            let (limit, magic) = (c.every(64, 4_294_967_295f64.to_bits()), c.every(64, 0x4330_0000_0000_0000));
            c.e.zero_xmm(XSCRATCH);
            c.e.sse(sse::MAXPD, x, x, XSCRATCH.into());
            c.e.sse(sse::MINPD, x, x, limit);
            c.e.sse_two_imm(sse::ROUNDPD, x, x.into(), 11);
            // Plus 2^52, the integer is the lower half of the mantissa.
            c.e.sse(sse::ADDPD, x, x, magic);
            c.e.sse_imm(sse::SHUFPS, x, x, XSCRATCH.into(), 0x88);
        }
        VecUnary::ConvertF32x4(Sign::S) => c.e.sse_two(sse::CVTDQ2PS, x, x.into()),
        VecUnary::ConvertF32x4(Sign::U) => {
            // The lower halves are exact, and so is half of the rest; only the last sum rounds.
            c.e.shift_lanes(LaneShift::Pslld, XSCRATCH, x, 16);
            c.e.shift_lanes(LaneShift::Psrld, XSCRATCH, XSCRATCH, 16);
            c.e.sse(sse::PSUBD, x, x, XSCRATCH.into());
            c.e.sse_two(sse::CVTDQ2PS, XSCRATCH, XSCRATCH.into());
            c.e.shift_lanes(LaneShift::Psrld, x, x, 1);
            c.e.sse_two(sse::CVTDQ2PS, x, x.into());
            c.e.sse(sse::ADDPS, x, x, x.into());
            c.e.sse(sse::ADDPS, x, x, XSCRATCH.into());
        }
        VecUnary::ConvertLowF64x2(Sign::S) => c.e.sse_two(sse::CVTDQ2PD, x, x.into()),
        VecUnary::ConvertLowF64x2(Sign::U) => {
            // As the lower half of the mantissa of 2^52, which is then subtracted.
            let (high, magic) = (c.every(32, 0x4330_0000), c.every(64, 0x4330_0000_0000_0000));
            c.e.sse(sse::UNPCKLPS, x, x, high);
            c.e.sse(sse::SUBPD, x, x, magic);
        }
        VecUnary::DemoteZero => {
            c.e.sse_two(sse::CVTPD2PS, x, x.into());
            c.canonical_lanes(FloatShape::F32x4, x);
        }
        VecUnary::PromoteLow => {
            c.e.sse_two(sse::CVTPS2PD, x, x.into());
            c.canonical_lanes(FloatShape::F64x2, x);
        }
    }
    c.push_xmm(Ty::V128, x);
}

pub(crate) fn vec_binary(c: &mut Codegen<'_>, op: VecBinary) {
    use IntShape::*;
    match op {
        VecBinary::And => c.lanes(sse::PAND, true),
        VecBinary::Or => c.lanes(sse::POR, true),
        VecBinary::Xor => c.lanes(sse::PXOR, true),
        VecBinary::AndNot => c.lanes_exchanged(sse::PANDN),
        VecBinary::Add(I8x16) => c.lanes(sse::PADDB, true),
        VecBinary::Add(I16x8) => c.lanes(sse::PADDW, true),
        VecBinary::Add(I32x4) => c.lanes(sse::PADDD, true),
        VecBinary::Add(I64x2) => c.lanes(sse::PADDQ, true),
        VecBinary::Sub(shape) => c.lanes(subtract(shape), false),
        VecBinary::Mul(I8x16 | I16x8) => c.lanes(sse::PMULLW, true),
        VecBinary::Mul(I32x4) => c.lanes(sse::PMULLD, true),
        VecBinary::Mul(I64x2) => c.lanes_by(|c, x, y| {
            // The upper halves of the products of lower halves, and the lower halves of the mixed ones.
            let t = c.alloc_xmm();
            c.e.shift_lanes(LaneShift::Psrlq, t, x, 32);
            c.e.sse(sse::PMULUDQ, t, t, y.into());
            c.e.shift_lanes(LaneShift::Psrlq, XSCRATCH, y, 32);
            c.e.sse(sse::PMULUDQ, XSCRATCH, XSCRATCH, x.into());
            c.e.sse(sse::PADDQ, t, t, XSCRATCH.into());
            c.e.shift_lanes(LaneShift::Psllq, t, t, 32);
            c.e.sse(sse::PMULUDQ, x, x, y.into());
            c.e.sse(sse::PADDQ, x, x, t.into());
            c.free_xmm(t);
        }),
        VecBinary::AddSat(I8x16, Sign::S) => c.lanes(sse::PADDSB, true),
        VecBinary::AddSat(I8x16, Sign::U) => c.lanes(sse::PADDUSB, true),
        VecBinary::AddSat(_, Sign::S) => c.lanes(sse::PADDSW, true),
        VecBinary::AddSat(_, Sign::U) => c.lanes(sse::PADDUSW, true),
        VecBinary::SubSat(I8x16, Sign::S) => c.lanes(sse::PSUBSB, false),
        VecBinary::SubSat(I8x16, Sign::U) => c.lanes(sse::PSUBUSB, false),
        VecBinary::SubSat(_, Sign::S) => c.lanes(sse::PSUBSW, false),
        VecBinary::SubSat(_, Sign::U) => c.lanes(sse::PSUBUSW, false),
        VecBinary::AvgrU(I8x16) => c.lanes(sse::PAVGB, true),
        VecBinary::AvgrU(_) => c.lanes(sse::PAVGW, true),
        VecBinary::Min(shape, sign) => c.lanes(minimum(shape, sign), true),
        VecBinary::Max(shape, sign) => c.lanes(maximum(shape, sign), true),
        VecBinary::Narrow(I16x8, Sign::S) => c.lanes(sse::PACKSSWB, false),
        VecBinary::Narrow(I16x8, Sign::U) => c.lanes(sse::PACKUSWB, false),
        VecBinary::Narrow(_, Sign::S) => c.lanes(sse::PACKSSDW, false),
        VecBinary::Narrow(_, Sign::U) => c.lanes(sse::PACKUSDW, false),
        VecBinary::Dot => c.lanes(sse::PMADDWD, true),
        VecBinary::Swizzle => c.lanes_by(|c, x, y| {
            // Indices from 16 on get their highest bit set: such bytes become zero.
            let bias = c.every(8, 0x70);
            c.load_constant(XSCRATCH, bias);
            c.e.sse(sse::PADDUSB, XSCRATCH, XSCRATCH, y.into());
            c.e.sse(sse::PSHUFB, x, x, XSCRATCH.into());
        }),
        VecBinary::ExtMul(lane, half, sign) => c.lanes_by(|c, x, y| c.widening_product(lane, half, sign, x, y)),
        VecBinary::Q15MulrSat => c.lanes_by(|c, x, y| {
            // Only the square of -1 overflows, to 0x8000.
            let overflow = c.every(16, 0x8000);
            c.e.sse(sse::PMULHRSW, x, x, y.into());
            c.load_constant(XSCRATCH, overflow);
            c.e.sse(sse::PCMPEQW, XSCRATCH, XSCRATCH, x.into());
            c.e.sse(sse::PXOR, x, x, XSCRATCH.into());
        }),
        VecBinary::DotI8 => c.lanes_by(Codegen::dot_i8),
        VecBinary::Compare(shape, op) => c.compare_lanes(shape, op),
        VecBinary::FloatCompare(shape, op) => {
            let instruction = if shape == FloatShape::F32x4 { sse::CMPPS } else { sse::CMPPD };
            match op {
                FloatCompare::Eq => c.float_lanes_compare(instruction, EQ, false),
                FloatCompare::Ne => c.float_lanes_compare(instruction, NE, false),
                FloatCompare::Lt => c.float_lanes_compare(instruction, LT, false),
                FloatCompare::Le => c.float_lanes_compare(instruction, LE, false),
                FloatCompare::Gt => c.float_lanes_compare(instruction, LT, true),
                FloatCompare::Ge => c.float_lanes_compare(instruction, LE, true),
            }
        }
        VecBinary::Float(shape, op) => c.float_lanes_binary(shape, op),
        // The processor's own: the second operand unless the first one is less (greater).
        VecBinary::PMin(FloatShape::F32x4) => c.lanes_exchanged(sse::MINPS),
        VecBinary::PMin(FloatShape::F64x2) => c.lanes_exchanged(sse::MINPD),
        VecBinary::PMax(FloatShape::F32x4) => c.lanes_exchanged(sse::MAXPS),
        VecBinary::PMax(FloatShape::F64x2) => c.lanes_exchanged(sse::MAXPD),
    }
}

pub(crate) fn vec_ternary(c: &mut Codegen<'_>, op: VecTernary) {
    match op {
        VecTernary::Bitselect => bitselect(c),
        VecTernary::MulAdd(shape) => c.mul_add(shape, false),
        VecTernary::NegMulAdd(shape) => c.mul_add(shape, true),
        VecTernary::DotI8Add => {
            let sum = c.pop();
            let b = c.pop();
            let a = c.pop();
            let x = c.own_xmm(a);
            let y = c.xmm(b);
            c.dot_i8(x, y);
            c.free_xmm(y);
            let ones = c.every(16, 1);
            c.e.sse(sse::PMADDWD, x, x, ones);
            let sum_rm = c.vector_rm(sum);
            c.e.sse(sse::PADDD, x, x, sum_rm);
            c.release(sum);
            c.push_xmm(Ty::V128, x);
        }
    }
}

fn bitselect(c: &mut Codegen<'_>) {
    let mask = c.pop();
    let b = c.pop();
    let a = c.pop();
    let x = c.own_xmm(a);
    let y = c.xmm(b);
    c.load_xmm(XSCRATCH, mask);
    c.release(mask);
    c.e.sse(sse::PAND, x, x, XSCRATCH.into());
    c.e.sse(sse::PANDN, XSCRATCH, XSCRATCH, y.into());
    c.e.sse(sse::POR, x, x, XSCRATCH.into());
    c.free_xmm(y);
    c.push_xmm(Ty::V128, x);
}

/// Counts are taken modulo the lane's width.
pub(crate) fn vec_shift(c: &mut Codegen<'_>, shape: IntShape, op: VecShift) {
    let count = c.pop();
    let a = c.pop();
    let mask = lane_bits(shape) as i32 - 1;
    let x = c.own_xmm(a);
    let known = c.bits(count).map(|bits| bits as i32 & mask);
    let by_constant = match (shape, op) {
        (IntShape::I16x8, VecShift::Shl) => Some(LaneShift::Psllw),
        (IntShape::I16x8, VecShift::ShrU) => Some(LaneShift::Psrlw),
        (IntShape::I16x8, VecShift::ShrS) => Some(LaneShift::Psraw),
        (IntShape::I32x4, VecShift::Shl) => Some(LaneShift::Pslld),
        (IntShape::I32x4, VecShift::ShrU) => Some(LaneShift::Psrld),
        (IntShape::I32x4, VecShift::ShrS) => Some(LaneShift::Psrad),
        (IntShape::I64x2, VecShift::Shl) => Some(LaneShift::Psllq),
        (IntShape::I64x2, VecShift::ShrU) => Some(LaneShift::Psrlq),
        (IntShape::I64x2, VecShift::ShrS) | (IntShape::I8x16, _) => None,
    };
    if let (Some(count), Some(shift)) = (known, by_constant) {
        if count != 0 {
            c.e.shift_lanes(shift, x, x, count as u8);
        }
        return c.push_xmm(Ty::V128, x);
    }
    // The count, in a vector register. Bytes are shifted right with sign as the upper halves of words.
    match known {
        Some(count) => c.e.mov_imm(Size::S32, SCRATCH, count.into()),
        None => {
            c.load_gpr(SCRATCH, count);
            c.e.alu_imm(Alu::And, Size::S32, SCRATCH.into(), mask);
        }
    }
    c.release(count);
    if (shape, op) == (IntShape::I8x16, VecShift::ShrS) {
        c.e.alu_imm(Alu::Add, Size::S32, SCRATCH.into(), 8);
    }
    c.e.int_to_xmm(Size::S32, XSCRATCH, SCRATCH.into());
    let by = Rm::from(XSCRATCH);
    match (shape, op) {
        (IntShape::I16x8, VecShift::Shl) => c.e.sse(sse::PSLLW, x, x, by),
        (IntShape::I16x8, VecShift::ShrU) => c.e.sse(sse::PSRLW, x, x, by),
        (IntShape::I16x8, VecShift::ShrS) => c.e.sse(sse::PSRAW, x, x, by),
        (IntShape::I32x4, VecShift::Shl) => c.e.sse(sse::PSLLD, x, x, by),
        (IntShape::I32x4, VecShift::ShrU) => c.e.sse(sse::PSRLD, x, x, by),
        (IntShape::I32x4, VecShift::ShrS) => c.e.sse(sse::PSRAD, x, x, by),
        (IntShape::I64x2, VecShift::Shl) => c.e.sse(sse::PSLLQ, x, x, by),
        (IntShape::I64x2, VecShift::ShrU) => c.e.sse(sse::PSRLQ, x, x, by),
        (IntShape::I64x2, VecShift::ShrS) => {
            // Shifted as unsigned; then the bit where the sign went is extended.
            let t = c.alloc_xmm();
            let sign = c.every(64, 1 << 63);
            c.load_constant(t, sign);
            c.e.sse(sse::PSRLQ, t, t, by);
            c.e.sse(sse::PSRLQ, x, x, by);
            c.e.sse(sse::PXOR, x, x, t.into());
            c.e.sse(sse::PSUBQ, x, x, t.into());
            c.free_xmm(t);
        }
        (IntShape::I8x16, VecShift::ShrS) => {
            let t = c.alloc_xmm();
            c.e.sse(sse::PUNPCKHBW, t, x, x.into());
            c.e.sse(sse::PUNPCKLBW, x, x, x.into());
            c.e.sse(sse::PSRAW, t, t, by);
            c.e.sse(sse::PSRAW, x, x, by);
            c.e.sse(sse::PACKSSWB, x, x, t.into());
            c.free_xmm(t);
        }
        (IntShape::I8x16, VecShift::Shl | VecShift::ShrU) => {
            // As words; what came from the neighbour is masked away. The mask is what becomes of a byte of ones.
            let t = c.alloc_xmm();
            c.e.sse(sse::PCMPEQD, t, t, t.into());
            if op == VecShift::Shl {
                c.e.sse(sse::PSLLW, x, x, by);
                c.e.sse(sse::PSLLW, t, t, by);
            } else {
                c.e.sse(sse::PSRLW, x, x, by);
                c.e.sse(sse::PSRLW, t, t, by);
                c.e.shift_lanes(LaneShift::Psrlw, t, t, 8);
            }
            c.splat_low(t, Lane::B1, t);
            c.e.sse(sse::PAND, x, x, t.into());
            c.free_xmm(t);
        }
    }
    c.push_xmm(Ty::V128, x);
}

pub(crate) fn vec_test(c: &mut Codegen<'_>, op: VecTest) {
    let a = c.pop();
    let x = c.xmm(a);
    let r = c.alloc_gpr();
    match op {
        VecTest::AnyTrue => {
            c.e.sse_two(sse::PTEST, x, x.into());
            c.load_gpr(r, Value::Flags(Flag::Is(Cond::Ne)));
        }
        VecTest::AllTrue(shape) => {
            c.e.zero_xmm(XSCRATCH);
            c.e.sse(equal(shape), XSCRATCH, XSCRATCH, x.into());
            c.e.sse_two(sse::PTEST, XSCRATCH, XSCRATCH.into());
            c.load_gpr(r, Value::Flags(Flag::Is(Cond::E)));
        }
        VecTest::Bitmask(IntShape::I8x16) => c.e.sse_to_int(sse::PMOVMSKB, Size::S32, r, x.into()),
        VecTest::Bitmask(IntShape::I16x8) => {
            c.e.sse(sse::PACKSSWB, XSCRATCH, x, x.into());
            c.e.sse_to_int(sse::PMOVMSKB, Size::S32, r, XSCRATCH.into());
            c.e.extend(Extend::Zero8, Size::S32, r, r.into());
        }
        VecTest::Bitmask(IntShape::I32x4) => c.e.sse_to_int(sse::MOVMSKPS, Size::S32, r, x.into()),
        VecTest::Bitmask(IntShape::I64x2) => c.e.sse_to_int(sse::MOVMSKPD, Size::S32, r, x.into()),
    }
    c.free_xmm(x);
    c.push_gpr(Ty::I32, r);
}

fn lane_of(shape: Shape) -> Lane {
    match shape {
        Shape::I8x16 => Lane::B1,
        Shape::I16x8 => Lane::B2,
        Shape::I32x4 | Shape::F32x4 => Lane::B4,
        Shape::I64x2 | Shape::F64x2 => Lane::B8,
    }
}

fn lane_bits(shape: IntShape) -> u32 {
    match shape {
        IntShape::I8x16 => 8,
        IntShape::I16x8 => 16,
        IntShape::I32x4 => 32,
        IntShape::I64x2 => 64,
    }
}

fn subtract(shape: IntShape) -> Sse {
    match shape {
        IntShape::I8x16 => sse::PSUBB,
        IntShape::I16x8 => sse::PSUBW,
        IntShape::I32x4 => sse::PSUBD,
        IntShape::I64x2 => sse::PSUBQ,
    }
}

fn equal(shape: IntShape) -> Sse {
    match shape {
        IntShape::I8x16 => sse::PCMPEQB,
        IntShape::I16x8 => sse::PCMPEQW,
        IntShape::I32x4 => sse::PCMPEQD,
        IntShape::I64x2 => sse::PCMPEQQ,
    }
}

fn greater(shape: IntShape) -> Sse {
    match shape {
        IntShape::I8x16 => sse::PCMPGTB,
        IntShape::I16x8 => sse::PCMPGTW,
        IntShape::I32x4 => sse::PCMPGTD,
        IntShape::I64x2 => sse::PCMPGTQ,
    }
}

/// Not of 64-bit lanes.
fn minimum(shape: IntShape, sign: Sign) -> Sse {
    match (shape, sign) {
        (IntShape::I8x16, Sign::S) => sse::PMINSB,
        (IntShape::I8x16, Sign::U) => sse::PMINUB,
        (IntShape::I16x8, Sign::S) => sse::PMINSW,
        (IntShape::I16x8, Sign::U) => sse::PMINUW,
        (_, Sign::S) => sse::PMINSD,
        (_, Sign::U) => sse::PMINUD,
    }
}

/// Not of 64-bit lanes.
fn maximum(shape: IntShape, sign: Sign) -> Sse {
    match (shape, sign) {
        (IntShape::I8x16, Sign::S) => sse::PMAXSB,
        (IntShape::I8x16, Sign::U) => sse::PMAXUB,
        (IntShape::I16x8, Sign::S) => sse::PMAXSW,
        (IntShape::I16x8, Sign::U) => sse::PMAXUW,
        (_, Sign::S) => sse::PMAXSD,
        (_, Sign::U) => sse::PMAXUD,
    }
}

impl Codegen<'_> {
    /// A constant with this value in every lane of so many bits.
    fn every(&mut self, bits: u32, value: u64) -> Rm {
        let lanes = (0..128 / bits).fold(0u128, |all, n| all | u128::from(value) << (n * bits));
        self.e.wide_constant(lanes).into()
    }

    fn load_constant(&mut self, x: Xmm, constant: Rm) {
        self.e.sse_two(sse::MOVAPS, x, constant);
    }

    fn invert(&mut self, x: Xmm) {
        self.e.sse(sse::PCMPEQD, XSCRATCH, XSCRATCH, XSCRATCH.into());
        self.e.sse(sse::PXOR, x, x, XSCRATCH.into());
    }

    /// Bytes of the current operator, one with the vector prefix and no immediates.
    fn vector_operator_bytes(&self) -> usize {
        if self.body.get(self.position + 1).is_some_and(|b| b & 0x80 != 0) { 3 } else { 2 }
    }

    /// An instruction of two operands.
    fn lanes(&mut self, op: Sse, commutes: bool) {
        let mut b = self.pop();
        let mut a = self.pop();
        if commutes && !matches!(a, Value::Xmm(..)) && matches!(b, Value::Xmm(..)) {
            (a, b) = (b, a);
        }
        self.lanes_of(op, a, b);
    }

    /// The same with operands exchanged.
    fn lanes_exchanged(&mut self, op: Sse) {
        let b = self.pop();
        let a = self.pop();
        self.lanes_of(op, b, a);
    }

    fn lanes_of(&mut self, op: Sse, a: Value, b: Value) {
        let bytes = self.vector_operator_bytes();
        let (x, dst) = match self.wanted_xmm(bytes) {
            Some(dst) if self.e.has_avx() => (self.xmm(a), dst),
            _ => {
                let x = self.own_xmm(a);
                (x, x)
            }
        };
        let operand = self.vector_rm(b);
        self.e.sse(op, dst, x, operand);
        self.release_xmm_unless(x, dst);
        self.release(b);
        self.push_xmm(Ty::V128, dst);
    }

    /// A sequence on the first operand's own register and the second operand's.
    fn lanes_by(&mut self, f: impl FnOnce(&mut Self, Xmm, Xmm)) {
        let b = self.pop();
        let a = self.pop();
        let x = self.own_xmm(a);
        let y = self.xmm(b);
        f(self, x, y);
        self.free_xmm(y);
        self.push_xmm(Ty::V128, x);
    }

    fn compare_lanes(&mut self, shape: IntShape, op: IntCompare) {
        if shape == IntShape::I64x2 && !matches!(op, IntCompare::Eq | IntCompare::Ne) {
            return self.lanes_by(|c, x, y| {
                match op {
                    IntCompare::GtS | IntCompare::LeS => c.greater_64(x, x, y),
                    // Of 64-bit lanes there are only signed comparisons.
                    _ => c.greater_64(x, y, x),
                }
                if matches!(op, IntCompare::LeS | IntCompare::GeS) {
                    c.invert(x);
                }
            });
        }
        match op {
            IntCompare::Eq => self.lanes(equal(shape), true),
            IntCompare::GtS => self.lanes(greater(shape), false),
            IntCompare::LtS => self.lanes_exchanged(greater(shape)),
            _ => self.lanes_by(|c, x, y| {
                // One is not greater than the other if it is the lesser of both.
                let lesser = match op {
                    IntCompare::Ne => None,
                    IntCompare::GeS => Some(maximum(shape, Sign::S)),
                    IntCompare::LeS => Some(minimum(shape, Sign::S)),
                    IntCompare::GeU | IntCompare::LtU => Some(maximum(shape, Sign::U)),
                    _ => Some(minimum(shape, Sign::U)),
                };
                match lesser {
                    None => c.e.sse(equal(shape), x, x, y.into()),
                    Some(op) => {
                        c.e.move_xmm(XSCRATCH, y);
                        c.e.sse(op, XSCRATCH, XSCRATCH, x.into());
                        c.e.sse(equal(shape), x, x, XSCRATCH.into());
                    }
                }
                if matches!(op, IntCompare::Ne | IntCompare::LtU | IntCompare::GtU) {
                    c.invert(x);
                }
            }),
        }
    }

    /// `dst = a > b`, signed lanes of 64 bits; `dst` is one of them.
    fn greater_64(&mut self, dst: Xmm, a: Xmm, b: Xmm) {
        if self.features.sse42 {
            self.e.move_xmm(XSCRATCH, a);
            self.e.sse(sse::PCMPGTQ, XSCRATCH, XSCRATCH, b.into());
            return self.e.move_xmm(dst, XSCRATCH);
        }
        // By the upper halves; where they are equal, by the sign of the difference.
        let t = self.alloc_xmm();
        self.e.move_xmm(XSCRATCH, b);
        self.e.sse(sse::PSUBQ, XSCRATCH, XSCRATCH, a.into());
        self.e.move_xmm(t, a);
        self.e.sse(sse::PCMPEQD, t, t, b.into());
        self.e.sse(sse::PAND, XSCRATCH, XSCRATCH, t.into());
        self.e.move_xmm(t, a);
        self.e.sse(sse::PCMPGTD, t, t, b.into());
        self.e.sse(sse::POR, XSCRATCH, XSCRATCH, t.into());
        self.e.sse_two_imm(sse::PSHUFD, dst, XSCRATCH.into(), 0xf5);
        self.e.shift_lanes(LaneShift::Psrad, dst, dst, 31);
        self.free_xmm(t);
    }

    fn float_lanes_compare(&mut self, op: Sse, predicate: u8, exchanged: bool) {
        let b = self.pop();
        let a = self.pop();
        let (a, b) = if exchanged { (b, a) } else { (a, b) };
        let x = self.own_xmm(a);
        let operand = self.vector_rm(b);
        self.e.sse_imm(op, x, x, operand, predicate);
        self.release(b);
        self.push_xmm(Ty::V128, x);
    }

    fn float_lanes(&mut self, shape: FloatShape, op: FloatUnary, x: Xmm) {
        let single = shape == FloatShape::F32x4;
        let width = if single { FloatWidth::F32 } else { FloatWidth::F64 };
        let round = if single { sse::ROUNDPS } else { sse::ROUNDPD };
        match op {
            FloatUnary::Abs | FloatUnary::Neg => {
                let mask = self.sign_mask(width, op == FloatUnary::Abs);
                return self.e.sse(if op == FloatUnary::Abs { sse::ANDPS } else { sse::XORPS }, x, x, mask.into());
            }
            FloatUnary::Nearest => self.e.sse_two_imm(round, x, x.into(), 8),
            FloatUnary::Floor => self.e.sse_two_imm(round, x, x.into(), 9),
            FloatUnary::Ceil => self.e.sse_two_imm(round, x, x.into(), 10),
            FloatUnary::Trunc => self.e.sse_two_imm(round, x, x.into(), 11),
            FloatUnary::Sqrt => self.e.sse_two(if single { sse::SQRTPS } else { sse::SQRTPD }, x, x.into()),
        }
        self.canonical_lanes(shape, x);
    }

    fn float_lanes_binary(&mut self, shape: FloatShape, op: FloatBinary) {
        let single = shape == FloatShape::F32x4;
        let pick = |s: Sse, d: Sse| if single { s } else { d };
        match op {
            FloatBinary::Add => self.lanes(pick(sse::ADDPS, sse::ADDPD), true),
            FloatBinary::Sub => self.lanes(pick(sse::SUBPS, sse::SUBPD), false),
            FloatBinary::Mul => self.lanes(pick(sse::MULPS, sse::MULPD), true),
            FloatBinary::Div => self.lanes(pick(sse::DIVPS, sse::DIVPD), false),
            FloatBinary::Min => self.lanes_by(|c, x, y| c.lanes_minimum(single, x, y)),
            FloatBinary::Max => self.lanes_by(|c, x, y| c.lanes_maximum(single, x, y)),
            FloatBinary::Copysign => unreachable!("there is none of vectors"),
        }
        if self.settings.canonical_nans {
            let a = self.pop();
            let x = self.own_xmm(a);
            self.canonical_lanes(shape, x);
            self.push_xmm(Ty::V128, x);
        }
    }

    /// Minimum in both orders, since the processor's passes on only the second operand's zeros and NaNs: together they have
    /// every sign and every NaN. NaNs lose their payloads.
    fn lanes_minimum(&mut self, single: bool, x: Xmm, y: Xmm) {
        let op = if single { sse::MINPS } else { sse::MINPD };
        self.e.move_xmm(XSCRATCH, y);
        self.e.sse(op, XSCRATCH, XSCRATCH, x.into());
        self.e.sse(op, x, x, y.into());
        self.e.sse(sse::ORPS, XSCRATCH, XSCRATCH, x.into());
        self.e.move_xmm(x, XSCRATCH);
        self.unordered(single, x);
        self.e.sse(sse::ORPS, XSCRATCH, XSCRATCH, x.into());
        self.clear_payloads(single, x);
    }

    /// Maximum in both orders. Where they differ there is a NaN, or there are zeros of both signs: subtracting the difference
    /// clears the sign.
    fn lanes_maximum(&mut self, single: bool, x: Xmm, y: Xmm) {
        let op = if single { sse::MAXPS } else { sse::MAXPD };
        self.e.move_xmm(XSCRATCH, y);
        self.e.sse(op, XSCRATCH, XSCRATCH, x.into());
        self.e.sse(op, x, x, y.into());
        self.e.sse(sse::XORPS, x, x, XSCRATCH.into());
        self.e.sse(sse::ORPS, XSCRATCH, XSCRATCH, x.into());
        self.e.sse(if single { sse::SUBPS } else { sse::SUBPD }, XSCRATCH, XSCRATCH, x.into());
        self.e.move_xmm(x, XSCRATCH);
        self.unordered(single, x);
        self.clear_payloads(single, x);
    }

    /// Each lane becomes all ones if it is a NaN, else zero.
    fn unordered(&mut self, single: bool, x: Xmm) {
        self.e.sse_imm(if single { sse::CMPPS } else { sse::CMPPD }, x, x, x.into(), UNORDERED);
    }

    /// `x`, all ones where the scratch register has a NaN, becomes that register without those NaNs' payloads.
    fn clear_payloads(&mut self, single: bool, x: Xmm) {
        let (shift, bits) = if single { (LaneShift::Psrld, 10) } else { (LaneShift::Psrlq, 13) };
        self.e.shift_lanes(shift, x, x, bits);
        self.e.sse(sse::ANDNPS, x, x, XSCRATCH.into());
    }

    /// NaNs become canonical, if that was asked for.
    fn canonical_lanes(&mut self, shape: FloatShape, x: Xmm) {
        if !self.settings.canonical_nans {
            return;
        }
        let single = shape == FloatShape::F32x4;
        let nan = if single { self.every(32, 0x7fc0_0000) } else { self.every(64, 0x7ff8_0000_0000_0000) };
        let t = self.alloc_xmm();
        self.e.move_xmm(t, x);
        self.unordered(single, t);
        self.e.move_xmm(XSCRATCH, t);
        self.e.sse(sse::ANDNPS, XSCRATCH, XSCRATCH, x.into());
        self.e.sse(sse::ANDPS, t, t, nan);
        self.e.sse(sse::ORPS, t, t, XSCRATCH.into());
        self.e.move_xmm(x, t);
        self.free_xmm(t);
    }

    fn widen(&mut self, lane: NarrowLane, half: Half, sign: Sign, dst: Xmm, src: Xmm) {
        let op = match (lane, sign) {
            (NarrowLane::B1, Sign::S) => sse::PMOVSXBW,
            (NarrowLane::B1, Sign::U) => sse::PMOVZXBW,
            (NarrowLane::B2, Sign::S) => sse::PMOVSXWD,
            (NarrowLane::B2, Sign::U) => sse::PMOVZXWD,
            (NarrowLane::B4, Sign::S) => sse::PMOVSXDQ,
            (NarrowLane::B4, Sign::U) => sse::PMOVZXDQ,
        };
        let mut src = src;
        if half == Half::High {
            self.e.sse_two_imm(sse::PSHUFD, dst, src.into(), 0xee);
            src = dst;
        }
        self.e.sse_two(op, dst, src.into());
    }

    fn widening_product(&mut self, lane: NarrowLane, half: Half, sign: Sign, x: Xmm, y: Xmm) {
        match lane {
            NarrowLane::B1 => {
                self.widen(lane, half, sign, XSCRATCH, y);
                self.widen(lane, half, sign, x, x);
                self.e.sse(sse::PMULLW, x, x, XSCRATCH.into());
            }
            NarrowLane::B2 => {
                let high = if sign == Sign::S { sse::PMULHW } else { sse::PMULHUW };
                self.e.move_xmm(XSCRATCH, x);
                self.e.sse(high, XSCRATCH, XSCRATCH, y.into());
                self.e.sse(sse::PMULLW, x, x, y.into());
                let interleave = if half == Half::Low { sse::PUNPCKLWD } else { sse::PUNPCKHWD };
                self.e.sse(interleave, x, x, XSCRATCH.into());
            }
            NarrowLane::B4 => {
                let order = if half == Half::Low { 0x50 } else { 0xfa };
                self.e.sse_two_imm(sse::PSHUFD, XSCRATCH, y.into(), order);
                self.e.sse_two_imm(sse::PSHUFD, x, x.into(), order);
                let op = if sign == Sign::S { sse::PMULDQ } else { sse::PMULUDQ };
                self.e.sse(op, x, x, XSCRATCH.into());
            }
        }
    }

    /// Products of signed lanes, and saturated sums of neighbours.
    fn dot_i8(&mut self, x: Xmm, y: Xmm) {
        let t = self.alloc_xmm();
        self.widen(NarrowLane::B1, Half::Low, Sign::S, XSCRATCH, y);
        self.widen(NarrowLane::B1, Half::Low, Sign::S, t, x);
        self.e.sse(sse::PMADDWD, t, t, XSCRATCH.into());
        self.widen(NarrowLane::B1, Half::High, Sign::S, XSCRATCH, y);
        self.widen(NarrowLane::B1, Half::High, Sign::S, x, x);
        self.e.sse(sse::PMADDWD, x, x, XSCRATCH.into());
        self.e.sse(sse::PACKSSDW, t, t, x.into());
        self.e.move_xmm(x, t);
        self.free_xmm(t);
    }

    /// A product and a sum, each rounded: fused ones would not be the same on every machine.
    fn mul_add(&mut self, shape: FloatShape, negate: bool) {
        let single = shape == FloatShape::F32x4;
        let sum = self.pop();
        let b = self.pop();
        let a = self.pop();
        let x = self.own_xmm(a);
        if negate {
            let sign = self.sign_mask(if single { FloatWidth::F32 } else { FloatWidth::F64 }, false);
            self.e.sse(sse::XORPS, x, x, sign.into());
        }
        let factor = self.vector_rm(b);
        self.e.sse(if single { sse::MULPS } else { sse::MULPD }, x, x, factor);
        self.release(b);
        let sum_rm = self.vector_rm(sum);
        self.e.sse(if single { sse::ADDPS } else { sse::ADDPD }, x, x, sum_rm);
        self.release(sum);
        self.canonical_lanes(shape, x);
        self.push_xmm(Ty::V128, x);
    }

    /// Each byte's number of ones, by halves from a table.
    fn byte_popcnt(&mut self, x: Xmm) {
        let t = self.alloc_xmm();
        let nibbles = self.every(8, 0x0f);
        let table = self.e.wide_constant(0x0403_0302_0302_0201_0302_0201_0201_0100).into();
        self.e.shift_lanes(LaneShift::Psrlw, t, x, 4);
        self.e.sse(sse::PAND, t, t, nibbles);
        self.e.sse(sse::PAND, x, x, nibbles);
        self.load_constant(XSCRATCH, table);
        self.e.sse(sse::PSHUFB, XSCRATCH, XSCRATCH, x.into());
        self.e.move_xmm(x, XSCRATCH);
        self.load_constant(XSCRATCH, table);
        self.e.sse(sse::PSHUFB, XSCRATCH, XSCRATCH, t.into());
        self.e.sse(sse::PADDB, x, x, XSCRATCH.into());
        self.free_xmm(t);
    }
}
