//! Vectors.
//!
//! What has an instruction of its own is a row. The rest follows sequences that have become common property of compilers; each
//! says what it relies on.

use crate::codegen::{Codegen, SCRATCH, XSCRATCH};
use crate::memory::lane_insert;
use crate::value::{Flag, Ty, Value};
use sconce_environ::ops::*;
use sconce_x64::encode::{Alu, Cond, Extend, Rm, Size};
use sconce_x64::sse::{self, LaneShift, Sse};

mod float;
mod lanes;

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
        VecUnary::Abs(IntShape::I64x2) => c.absolute_64(x),
        VecUnary::Neg(shape) => c.negate_lanes(shape, x),
        VecUnary::Popcnt => c.byte_popcnt(x),
        VecUnary::Float(shape, op) => c.float_lanes(shape, op, x),
        VecUnary::ExtAddPairwise(lane, sign) => c.pairwise_sums(lane, sign, x),
        VecUnary::Extend(lane, half, sign) => c.widen(lane, half, sign, x, x),
        VecUnary::TruncSatF32x4(Sign::S) => c.truncate_singles_signed(x),
        VecUnary::TruncSatF32x4(Sign::U) => c.truncate_singles_unsigned(x),
        VecUnary::TruncSatF64x2Zero(Sign::S) => c.truncate_doubles_signed(x),
        VecUnary::TruncSatF64x2Zero(Sign::U) => c.truncate_doubles_unsigned(x),
        VecUnary::ConvertF32x4(Sign::S) => c.e.sse_two(sse::CVTDQ2PS, x, x.into()),
        VecUnary::ConvertF32x4(Sign::U) => c.unsigned_to_singles(x),
        VecUnary::ConvertLowF64x2(Sign::S) => c.e.sse_two(sse::CVTDQ2PD, x, x.into()),
        VecUnary::ConvertLowF64x2(Sign::U) => c.unsigned_to_doubles(x),
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
        VecBinary::Mul(I64x2) => c.lanes_by(Codegen::multiply_64),
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
        VecBinary::Swizzle => c.lanes_by(Codegen::swizzle),
        VecBinary::ExtMul(lane, half, sign) => c.lanes_by(|c, x, y| c.widening_product(lane, half, sign, x, y)),
        VecBinary::Q15MulrSat => c.lanes_by(Codegen::rounded_products),
        VecBinary::DotI8 => c.lanes_by(Codegen::dot_i8),
        VecBinary::Compare(shape, op) => c.compare_lanes(shape, op),
        VecBinary::FloatCompare(shape, op) => c.float_lanes_compare(shape, op),
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
    let shift = match (shape, op) {
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
    if let (Some(count), Some(shift)) = (known, shift) {
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
    if let Some(shift) = shift {
        c.e.sse(shift.by_register(), x, x, by);
        return c.push_xmm(Ty::V128, x);
    }
    match (shape, op) {
        (IntShape::I64x2, _) => {
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
        (_, VecShift::ShrS) => {
            let t = c.alloc_xmm();
            c.e.sse(sse::PUNPCKHBW, t, x, x.into());
            c.e.sse(sse::PUNPCKLBW, x, x, x.into());
            c.e.sse(sse::PSRAW, t, t, by);
            c.e.sse(sse::PSRAW, x, x, by);
            c.e.sse(sse::PACKSSWB, x, x, t.into());
            c.free_xmm(t);
        }
        (_, VecShift::Shl | VecShift::ShrU) => {
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
