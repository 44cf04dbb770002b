//! Vectors.

use crate::float::float_condition;
use crate::int::condition;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use sconce_environ::ops::*;

pub(crate) fn v128_const(t: &mut Translator<'_>, bits: u128) {
    let value = t.vector_constant(bits);
    t.push(value);
}

pub(crate) fn splat(t: &mut Translator<'_>, shape: Shape) {
    let scalar = t.pop();
    let (ty, lane) = t.lane_value(shape, scalar);
    let value = t.builder.ins().splat(ty, lane);
    t.push(value);
}

pub(crate) fn extract_lane(t: &mut Translator<'_>, op: Extract, lane: u8) {
    let value = match op {
        Extract::I8x16(sign) => t.extract_narrow(I8X16, lane, sign),
        Extract::I16x8(sign) => t.extract_narrow(I16X8, lane, sign),
        Extract::I32x4 => t.extract(I32X4, lane),
        Extract::I64x2 => t.extract(I64X2, lane),
        Extract::F32x4 => t.extract(F32X4, lane),
        Extract::F64x2 => t.extract(F64X2, lane),
    };
    t.push(value);
}

pub(crate) fn replace_lane(t: &mut Translator<'_>, shape: Shape, lane: u8) {
    let scalar = t.pop();
    let (ty, scalar) = t.lane_value(shape, scalar);
    let vector = t.pop_as(ty);
    let value = t.builder.ins().insertlane(vector, scalar, lane);
    t.push(value);
}

pub(crate) fn shuffle(t: &mut Translator<'_>, lanes: [u8; 16]) {
    let (a, b) = t.pop2_as(I8X16);
    let mask = t.builder.func.dfg.immediates.push(lanes.as_slice().into());
    let value = t.builder.ins().shuffle(a, b, mask);
    t.push(value);
}

pub(crate) fn vec_unary(t: &mut Translator<'_>, op: VecUnary) {
    let a = t.pop_as(unary_operand(op));
    let value = match op {
        VecUnary::Not => t.builder.ins().bnot(a),
        VecUnary::Abs(_) => t.builder.ins().iabs(a),
        VecUnary::Neg(_) => t.builder.ins().ineg(a),
        VecUnary::Popcnt => t.builder.ins().popcnt(a),
        VecUnary::Float(_, op) => t.float_unary_value(op, a),
        VecUnary::ExtAddPairwise(_, sign) => {
            let (low, high) = (t.widen(Half::Low, sign, a), t.widen(Half::High, sign, a));
            t.builder.ins().iadd_pairwise(low, high)
        }
        VecUnary::Extend(_, half, sign) => t.widen(half, sign, a),
        VecUnary::TruncSatF32x4(Sign::S) => t.builder.ins().fcvt_to_sint_sat(I32X4, a),
        VecUnary::TruncSatF32x4(Sign::U) => t.builder.ins().fcvt_to_uint_sat(I32X4, a),
        VecUnary::TruncSatF64x2Zero(Sign::S) => {
            let (wide, zero) = (t.builder.ins().fcvt_to_sint_sat(I64X2, a), t.zero_i64x2());
            t.builder.ins().snarrow(wide, zero)
        }
        VecUnary::TruncSatF64x2Zero(Sign::U) => {
            let (wide, zero) = (t.builder.ins().fcvt_to_uint_sat(I64X2, a), t.zero_i64x2());
            t.builder.ins().uunarrow(wide, zero)
        }
        VecUnary::ConvertF32x4(Sign::S) => t.builder.ins().fcvt_from_sint(F32X4, a),
        VecUnary::ConvertF32x4(Sign::U) => t.builder.ins().fcvt_from_uint(F32X4, a),
        VecUnary::ConvertLowF64x2(sign @ Sign::S) => {
            let wide = t.widen(Half::Low, sign, a);
            t.builder.ins().fcvt_from_sint(F64X2, wide)
        }
        VecUnary::ConvertLowF64x2(sign @ Sign::U) => {
            let wide = t.widen(Half::Low, sign, a);
            t.builder.ins().fcvt_from_uint(F64X2, wide)
        }
        VecUnary::DemoteZero => t.builder.ins().fvdemote(a),
        VecUnary::PromoteLow => t.builder.ins().fvpromote_low(a),
    };
    t.push(value);
}

pub(crate) fn vec_binary(t: &mut Translator<'_>, op: VecBinary) {
    let ty = binary_operand(op);
    let (a, b) = t.pop2_as(ty);
    let value = match op {
        VecBinary::And => t.builder.ins().band(a, b),
        VecBinary::AndNot => t.builder.ins().band_not(a, b),
        VecBinary::Or => t.builder.ins().bor(a, b),
        VecBinary::Xor => t.builder.ins().bxor(a, b),
        VecBinary::Swizzle => t.builder.ins().swizzle(a, b),
        VecBinary::Add(_) => t.builder.ins().iadd(a, b),
        VecBinary::Sub(_) => t.builder.ins().isub(a, b),
        VecBinary::Mul(_) => t.builder.ins().imul(a, b),
        VecBinary::AddSat(_, Sign::S) => t.builder.ins().sadd_sat(a, b),
        VecBinary::AddSat(_, Sign::U) => t.builder.ins().uadd_sat(a, b),
        VecBinary::SubSat(_, Sign::S) => t.builder.ins().ssub_sat(a, b),
        VecBinary::SubSat(_, Sign::U) => t.builder.ins().usub_sat(a, b),
        VecBinary::AvgrU(_) => t.builder.ins().avg_round(a, b),
        VecBinary::Min(_, Sign::S) => t.builder.ins().smin(a, b),
        VecBinary::Min(_, Sign::U) => t.builder.ins().umin(a, b),
        VecBinary::Max(_, Sign::S) => t.builder.ins().smax(a, b),
        VecBinary::Max(_, Sign::U) => t.builder.ins().umax(a, b),
        VecBinary::Narrow(_, Sign::S) => t.builder.ins().snarrow(a, b),
        VecBinary::Narrow(_, Sign::U) => t.builder.ins().unarrow(a, b),
        VecBinary::ExtMul(_, half, sign) => t.widening_product(half, sign, a, b),
        VecBinary::DotI8 => t.dot_i8(a, b),
        VecBinary::Dot => {
            let low = t.widening_product(Half::Low, Sign::S, a, b);
            let high = t.widening_product(Half::High, Sign::S, a, b);
            t.builder.ins().iadd_pairwise(low, high)
        }
        VecBinary::Q15MulrSat => t.builder.ins().sqmul_round_sat(a, b),
        VecBinary::Compare(_, op) => t.builder.ins().icmp(condition(op), a, b),
        VecBinary::FloatCompare(_, op) => t.builder.ins().fcmp(float_condition(op), a, b),
        VecBinary::Float(_, op) => t.float_binary_value(op, a, b),
        // The operands' order makes Cranelift see x86's own minimum and maximum.
        VecBinary::PMin(_) => t.select_lanes(ty, (b, a), b, a),
        VecBinary::PMax(_) => t.select_lanes(ty, (a, b), b, a),
    };
    t.push(value);
}

pub(crate) fn vec_ternary(t: &mut Translator<'_>, op: VecTernary) {
    let value = match op {
        VecTernary::Bitselect => {
            let mask = t.pop_as(I8X16);
            let (a, b) = t.pop2_as(I8X16);
            t.builder.ins().bitselect(mask, a, b)
        }
        VecTernary::MulAdd(shape) => t.mul_add(float_shape(shape), false),
        VecTernary::NegMulAdd(shape) => t.mul_add(float_shape(shape), true),
        VecTernary::DotI8Add => {
            let sum = t.pop_as(I32X4);
            let (a, b) = t.pop2_as(I8X16);
            let dot = t.dot_i8(a, b);
            let dot = t.pairwise_sums(dot);
            t.builder.ins().iadd(dot, sum)
        }
    };
    t.push(value);
}

/// Cranelift takes the count modulo the lane's width, as wasm does.
pub(crate) fn vec_shift(t: &mut Translator<'_>, shape: IntShape, op: VecShift) {
    let count = t.pop();
    let a = t.pop_as(int_shape(shape));
    let ins = t.builder.ins();
    let value = match op {
        VecShift::Shl => ins.ishl(a, count),
        VecShift::ShrS => ins.sshr(a, count),
        VecShift::ShrU => ins.ushr(a, count),
    };
    t.push(value);
}

pub(crate) fn vec_test(t: &mut Translator<'_>, op: VecTest) {
    match op {
        VecTest::AnyTrue => {
            let a = t.pop_as(I8X16);
            let any = t.builder.ins().vany_true(a);
            t.push_bool(any);
        }
        VecTest::AllTrue(shape) => {
            let a = t.pop_as(int_shape(shape));
            let all = t.builder.ins().vall_true(a);
            t.push_bool(all);
        }
        VecTest::Bitmask(shape) => {
            let a = t.pop_as(int_shape(shape));
            let mask = t.builder.ins().vhigh_bits(I32, a);
            t.push(mask);
        }
    }
}

fn int_shape(shape: IntShape) -> Type {
    match shape {
        IntShape::I8x16 => I8X16,
        IntShape::I16x8 => I16X8,
        IntShape::I32x4 => I32X4,
        IntShape::I64x2 => I64X2,
    }
}

fn float_shape(shape: FloatShape) -> Type {
    match shape {
        FloatShape::F32x4 => F32X4,
        FloatShape::F64x2 => F64X2,
    }
}

fn narrow_shape(lane: NarrowLane) -> Type {
    match lane {
        NarrowLane::B1 => I8X16,
        NarrowLane::B2 => I16X8,
        NarrowLane::B4 => I32X4,
    }
}

/// Integer lanes of a size.
pub(crate) fn lane_shape(lane: Lane) -> Type {
    match lane {
        Lane::B1 => I8X16,
        Lane::B2 => I16X8,
        Lane::B4 => I32X4,
        Lane::B8 => I64X2,
    }
}

fn unary_operand(op: VecUnary) -> Type {
    match op {
        VecUnary::Not | VecUnary::Popcnt => I8X16,
        VecUnary::Abs(shape) | VecUnary::Neg(shape) => int_shape(shape),
        VecUnary::Float(shape, _) => float_shape(shape),
        VecUnary::ExtAddPairwise(lane, _) | VecUnary::Extend(lane, _, _) => narrow_shape(lane),
        VecUnary::TruncSatF32x4(_) | VecUnary::PromoteLow => F32X4,
        VecUnary::TruncSatF64x2Zero(_) | VecUnary::DemoteZero => F64X2,
        VecUnary::ConvertF32x4(_) | VecUnary::ConvertLowF64x2(_) => I32X4,
    }
}

fn binary_operand(op: VecBinary) -> Type {
    match op {
        VecBinary::And | VecBinary::AndNot | VecBinary::Or | VecBinary::Xor | VecBinary::Swizzle | VecBinary::DotI8 => I8X16,
        VecBinary::Add(shape)
        | VecBinary::Sub(shape)
        | VecBinary::Mul(shape)
        | VecBinary::AddSat(shape, _)
        | VecBinary::SubSat(shape, _)
        | VecBinary::AvgrU(shape)
        | VecBinary::Min(shape, _)
        | VecBinary::Max(shape, _)
        | VecBinary::Narrow(shape, _)
        | VecBinary::Compare(shape, _) => int_shape(shape),
        VecBinary::ExtMul(lane, _, _) => narrow_shape(lane),
        VecBinary::Dot | VecBinary::Q15MulrSat => I16X8,
        VecBinary::FloatCompare(shape, _) | VecBinary::Float(shape, _) | VecBinary::PMin(shape) | VecBinary::PMax(shape) => {
            float_shape(shape)
        }
    }
}

impl Translator<'_> {
    /// A constant, as `i8x16`.
    pub(crate) fn vector_constant(&mut self, bits: u128) -> Value {
        let constant = self.builder.func.dfg.constants.insert(bits.to_le_bytes().as_slice().into());
        self.builder.ins().vconst(I8X16, constant)
    }

    fn zero_i64x2(&mut self) -> Value {
        let constant = self.builder.func.dfg.constants.insert([0; 16].as_slice().into());
        self.builder.ins().vconst(I64X2, constant)
    }

    /// A shape's type, and a scalar as one of its lanes.
    fn lane_value(&mut self, shape: Shape, scalar: Value) -> (Type, Value) {
        let ty = match shape {
            Shape::I8x16 => I8X16,
            Shape::I16x8 => I16X8,
            Shape::I32x4 => I32X4,
            Shape::I64x2 => I64X2,
            Shape::F32x4 => F32X4,
            Shape::F64x2 => F64X2,
        };
        let narrow = ty.lane_type().bits() < self.builder.func.dfg.value_type(scalar).bits();
        let lane = if narrow { self.builder.ins().ireduce(ty.lane_type(), scalar) } else { scalar };
        (ty, lane)
    }

    fn extract(&mut self, ty: Type, lane: u8) -> Value {
        let vector = self.pop_as(ty);
        self.builder.ins().extractlane(vector, lane)
    }

    fn extract_narrow(&mut self, ty: Type, lane: u8, sign: Sign) -> Value {
        let scalar = self.extract(ty, lane);
        match sign {
            Sign::S => self.builder.ins().sextend(I32, scalar),
            Sign::U => self.builder.ins().uextend(I32, scalar),
        }
    }

    fn widen(&mut self, half: Half, sign: Sign, a: Value) -> Value {
        let ins = self.builder.ins();
        match (half, sign) {
            (Half::Low, Sign::S) => ins.swiden_low(a),
            (Half::Low, Sign::U) => ins.uwiden_low(a),
            (Half::High, Sign::S) => ins.swiden_high(a),
            (Half::High, Sign::U) => ins.uwiden_high(a),
        }
    }

    fn widening_product(&mut self, half: Half, sign: Sign, a: Value, b: Value) -> Value {
        let (a, b) = (self.widen(half, sign, a), self.widen(half, sign, b));
        self.builder.ins().imul(a, b)
    }

    /// The sums of neighbours, twice as wide.
    fn pairwise_sums(&mut self, a: Value) -> Value {
        let (low, high) = (self.widen(Half::Low, Sign::S, a), self.widen(Half::High, Sign::S, a));
        self.builder.ins().iadd_pairwise(low, high)
    }

    /// Products of signed lanes, and saturated sums of neighbours.
    fn dot_i8(&mut self, a: Value, b: Value) -> Value {
        let low = self.widening_product(Half::Low, Sign::S, a, b);
        let high = self.widening_product(Half::High, Sign::S, a, b);
        let (low, high) = (self.pairwise_sums(low), self.pairwise_sums(high));
        self.builder.ins().snarrow(low, high)
    }

    /// A product and a sum, each rounded: fused ones would not be the same on every machine.
    fn mul_add(&mut self, ty: Type, negate: bool) -> Value {
        let c = self.pop_as(ty);
        let (a, b) = self.pop2_as(ty);
        let a = if negate { self.builder.ins().fneg(a) } else { a };
        let product = self.builder.ins().fmul(a, b);
        self.builder.ins().fadd(product, c)
    }

    /// In each lane, `yes` if the first of the pair is less than the second, else `no`.
    fn select_lanes(&mut self, ty: Type, (less, than): (Value, Value), yes: Value, no: Value) -> Value {
        let mask = self.builder.ins().fcmp(FloatCC::LessThan, less, than);
        let mask = self.cast(ty, mask);
        self.builder.ins().bitselect(mask, yes, no)
    }
}
