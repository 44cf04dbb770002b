//! Vectors.
//!
//! What has an instruction of its own is a row. The rest follows sequences that have become common property of compilers; each
//! says what it relies on.

use crate::codegen::Codegen;
use crate::memory::lane_insert;
use crate::scratch::Scratch;
use crate::value::{Flag, Ty, Value};
use sconce_environ::ops::*;
use sconce_x64::encode::{Alu, Cond, Extend, Rm, Size};
use sconce_x64::register::Xmm;
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
        c.scratch().splat_low(x, lane, x);
        return c.push_xmm(Ty::V128, x);
    }
    let r = c.gpr(a);
    let x = c.alloc_xmm();
    c.scratch().splat_gpr(x, lane, r);
    c.free(r);
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
            c.free(x);
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
        c.free(s);
    } else {
        let r = c.gpr(scalar);
        let (op, size) = lane_insert(lane_of(shape));
        c.e.insert(op, size, x, x, r.into(), lane);
        c.free(r);
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
    let s = c.scratch_with_xmm(b);
    s.e.sse(sse::PSHUFB, x, x, first.into());
    s.e.sse(sse::PSHUFB, s.x, s.x, second.into());
    s.e.sse(sse::POR, x, x, s.x.into());
    drop(s);
    c.release(b);
    c.push_xmm(Ty::V128, x);
}

pub(crate) fn vec_unary(c: &mut Codegen<'_>, op: VecUnary) {
    let a = c.pop();
    let x = c.own_xmm(a);
    match op {
        VecUnary::Not => c.scratch().invert(x),
        VecUnary::Abs(IntShape::I8x16) => c.e.sse_two(sse::PABSB, x, x.into()),
        VecUnary::Abs(IntShape::I16x8) => c.e.sse_two(sse::PABSW, x, x.into()),
        VecUnary::Abs(IntShape::I32x4) => c.e.sse_two(sse::PABSD, x, x.into()),
        VecUnary::Abs(IntShape::I64x2) => c.scratch().absolute_64(x),
        VecUnary::Neg(shape) => c.scratch().negate_lanes(shape, x),
        VecUnary::Popcnt => c.with_another(|s, t| s.byte_popcnt(x, t)),
        VecUnary::Float(shape, op) => c.float_lanes(shape, op, x),
        VecUnary::ExtAddPairwise(lane, sign) => c.scratch().pairwise_sums(lane, sign, x),
        VecUnary::Extend(lane, half, sign) => c.scratch().widen(lane, half, sign, x, x),
        VecUnary::TruncSatF32x4(Sign::S) => c.scratch().truncate_singles_signed(x),
        VecUnary::TruncSatF32x4(Sign::U) => c.with_another(|s, t| s.truncate_singles_unsigned(x, t)),
        VecUnary::TruncSatF64x2Zero(Sign::S) => c.scratch().truncate_doubles_signed(x),
        VecUnary::TruncSatF64x2Zero(Sign::U) => c.scratch().truncate_doubles_unsigned(x),
        VecUnary::ConvertF32x4(Sign::S) => c.e.sse_two(sse::CVTDQ2PS, x, x.into()),
        VecUnary::ConvertF32x4(Sign::U) => c.scratch().unsigned_to_singles(x),
        VecUnary::ConvertLowF64x2(Sign::S) => c.e.sse_two(sse::CVTDQ2PD, x, x.into()),
        VecUnary::ConvertLowF64x2(Sign::U) => c.scratch().unsigned_to_doubles(x),
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
        VecBinary::Mul(I64x2) => c.lanes_by_three(|s, x, y, t| s.multiply_64(x, y, t)),
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
        VecBinary::Swizzle => c.lanes_by(|s, x, y| s.swizzle(x, y)),
        VecBinary::ExtMul(lane, half, sign) => c.lanes_by(|s, x, y| s.widening_product(lane, half, sign, x, y)),
        VecBinary::Q15MulrSat => c.lanes_by(|s, x, y| s.rounded_products(x, y)),
        VecBinary::DotI8 => c.lanes_by_three(|s, x, y, t| s.dot_i8(x, y, t)),
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
            c.with_another(|s, t| {
                s.dot_i8(x, y, t);
                let ones = s.every(16, 1);
                s.e.sse(sse::PMADDWD, x, x, ones);
            });
            c.free(y);
            let (s, sum_rm) = c.vector_rm(sum);
            s.e.sse(sse::PADDD, x, x, sum_rm);
            drop(s);
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
    let s = c.scratch_with_xmm(mask);
    s.e.sse(sse::PAND, x, x, s.x.into());
    s.e.sse(sse::PANDN, s.x, s.x, y.into());
    s.e.sse(sse::POR, x, x, s.x.into());
    drop(s);
    c.release(mask);
    c.free(y);
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
    // Bytes are shifted as words, and 64-bit lanes with sign as without: that takes another register.
    let t = if shift.is_none() { Some(c.alloc_xmm()) } else { None };
    // The count, in a vector register.
    let s = match known {
        Some(bits) => c.scratch_with(Value::Const(Ty::I32, bits.cast_unsigned())),
        None => {
            let s = c.scratch_with(count);
            s.e.alu_imm(Alu::And, Size::S32, s.r.into(), mask);
            s
        }
    };
    // As the upper halves of words.
    if (shape, op) == (IntShape::I8x16, VecShift::ShrS) {
        s.e.alu_imm(Alu::Add, Size::S32, s.r.into(), 8);
    }
    s.e.int_to_xmm(Size::S32, s.x, s.r.into());
    match (shift, t) {
        (Some(shift), _) => {
            s.e.sse(shift.by_register(), x, x, s.x.into());
            drop(s);
        }
        (None, Some(t)) => shift_by_hand(s, shape, op, x, t),
        (None, None) => unreachable!("just allocated"),
    }
    if let Some(t) = t {
        c.free(t);
    }
    c.release(count);
    c.push_xmm(Ty::V128, x);
}

/// Shifts that no instruction does, by a count in the scratch register; `t` is free to be used.
fn shift_by_hand(mut s: Scratch<'_>, shape: IntShape, op: VecShift, x: Xmm, t: Xmm) {
    let by = Rm::from(s.x);
    match (shape, op) {
        (IntShape::I64x2, _) => {
            // Shifted as unsigned; then the bit where the sign went is extended.
            let sign = s.every(64, 1 << 63);
            s.load_constant(t, sign);
            s.e.sse(sse::PSRLQ, t, t, by);
            s.e.sse(sse::PSRLQ, x, x, by);
            s.e.sse(sse::PXOR, x, x, t.into());
            s.e.sse(sse::PSUBQ, x, x, t.into());
        }
        (_, VecShift::ShrS) => {
            s.e.sse(sse::PUNPCKHBW, t, x, x.into());
            s.e.sse(sse::PUNPCKLBW, x, x, x.into());
            s.e.sse(sse::PSRAW, t, t, by);
            s.e.sse(sse::PSRAW, x, x, by);
            s.e.sse(sse::PACKSSWB, x, x, t.into());
        }
        (_, VecShift::Shl | VecShift::ShrU) => {
            // As words; what came from the neighbour is masked away. The mask is what becomes of a byte of ones.
            s.e.sse(sse::PCMPEQD, t, t, t.into());
            if op == VecShift::Shl {
                s.e.sse(sse::PSLLW, x, x, by);
                s.e.sse(sse::PSLLW, t, t, by);
            } else {
                s.e.sse(sse::PSRLW, x, x, by);
                s.e.sse(sse::PSRLW, t, t, by);
                s.e.shift_lanes(LaneShift::Psrlw, t, t, 8);
            }
            s.splat_low(t, Lane::B1, t);
            s.e.sse(sse::PAND, x, x, t.into());
        }
    }
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
            let s = c.scratch();
            s.e.zero_xmm(s.x);
            s.e.sse(equal(shape), s.x, s.x, x.into());
            s.e.sse_two(sse::PTEST, s.x, s.x.into());
            drop(s);
            c.load_gpr(r, Value::Flags(Flag::Is(Cond::E)));
        }
        VecTest::Bitmask(IntShape::I8x16) => c.e.sse_to_int(sse::PMOVMSKB, Size::S32, r, x.into()),
        VecTest::Bitmask(IntShape::I16x8) => {
            let s = c.scratch();
            s.e.sse(sse::PACKSSWB, s.x, x, x.into());
            s.e.sse_to_int(sse::PMOVMSKB, Size::S32, r, s.x.into());
            drop(s);
            c.e.extend(Extend::Zero8, Size::S32, r, r.into());
        }
        VecTest::Bitmask(IntShape::I32x4) => c.e.sse_to_int(sse::MOVMSKPS, Size::S32, r, x.into()),
        VecTest::Bitmask(IntShape::I64x2) => c.e.sse_to_int(sse::MOVMSKPD, Size::S32, r, x.into()),
    }
    c.free(x);
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
