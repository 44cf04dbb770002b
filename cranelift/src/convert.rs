//! Conversions between number types.

use crate::float::float_type;
use crate::int::int_type;
use crate::translate::Translator;
use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData};
use sconce_environ::ops::*;

pub(crate) fn convert(t: &mut Translator<'_>, op: Convert) {
    let a = t.pop();
    let ins = t.builder.ins();
    let value = match op {
        Convert::Wrap => ins.ireduce(I32, a),
        Convert::Extend(Sign::S) => ins.sextend(I64, a),
        Convert::Extend(Sign::U) => ins.uextend(I64, a),
        Convert::Truncate { to, sign: Sign::S, overflow: Overflow::Trap, .. } => ins.fcvt_to_sint(int_type(to), a),
        Convert::Truncate { to, sign: Sign::U, overflow: Overflow::Trap, .. } => ins.fcvt_to_uint(int_type(to), a),
        Convert::Truncate { to, sign: Sign::S, overflow: Overflow::Saturate, .. } => ins.fcvt_to_sint_sat(int_type(to), a),
        Convert::Truncate { to, sign: Sign::U, overflow: Overflow::Saturate, .. } => ins.fcvt_to_uint_sat(int_type(to), a),
        Convert::FromInt { to, sign: Sign::S, .. } => ins.fcvt_from_sint(float_type(to), a),
        Convert::FromInt { to, sign: Sign::U, .. } => ins.fcvt_from_uint(float_type(to), a),
        Convert::Demote => ins.fdemote(F32, a),
        Convert::Promote => ins.fpromote(F64, a),
        Convert::FloatBits(FloatWidth::F32) => ins.bitcast(I32, MemFlagsData::new(), a),
        Convert::FloatBits(FloatWidth::F64) => ins.bitcast(I64, MemFlagsData::new(), a),
        Convert::BitsFloat(width) => ins.bitcast(float_type(width), MemFlagsData::new(), a),
    };
    t.push(value);
}
