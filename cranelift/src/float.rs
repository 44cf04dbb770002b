//! Floats.

use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{F32, F64};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use sconce_environ::ops::*;

pub(crate) fn f32_const(t: &mut Translator<'_>, bits: u32) {
    let value = t.builder.ins().f32const(Ieee32::with_bits(bits));
    t.push(value);
}

pub(crate) fn f64_const(t: &mut Translator<'_>, bits: u64) {
    let value = t.builder.ins().f64const(Ieee64::with_bits(bits));
    t.push(value);
}

pub(crate) fn float_unary(t: &mut Translator<'_>, _: FloatWidth, op: FloatUnary) {
    let a = t.pop();
    let value = t.float_unary_value(op, a);
    t.push(value);
}

pub(crate) fn float_binary(t: &mut Translator<'_>, _: FloatWidth, op: FloatBinary) {
    let (a, b) = t.state.pop2();
    let value = t.float_binary_value(op, a, b);
    t.push(value);
}

pub(crate) fn float_compare(t: &mut Translator<'_>, _: FloatWidth, op: FloatCompare) {
    let (a, b) = t.state.pop2();
    let holds = t.builder.ins().fcmp(float_condition(op), a, b);
    t.push_bool(holds);
}

/// The condition of a comparison: all but `Ne` are false for NaN.
pub(crate) fn float_condition(op: FloatCompare) -> FloatCC {
    match op {
        FloatCompare::Eq => FloatCC::Equal,
        FloatCompare::Ne => FloatCC::NotEqual,
        FloatCompare::Lt => FloatCC::LessThan,
        FloatCompare::Gt => FloatCC::GreaterThan,
        FloatCompare::Le => FloatCC::LessThanOrEqual,
        FloatCompare::Ge => FloatCC::GreaterThanOrEqual,
    }
}

/// The type of floats of a width.
pub(crate) fn float_type(width: FloatWidth) -> Type {
    match width {
        FloatWidth::F32 => F32,
        FloatWidth::F64 => F64,
    }
}

impl Translator<'_> {
    /// Of scalars and vectors alike.
    pub(crate) fn float_unary_value(&mut self, op: FloatUnary, a: Value) -> Value {
        let ins = self.builder.ins();
        match op {
            FloatUnary::Abs => ins.fabs(a),
            FloatUnary::Neg => ins.fneg(a),
            FloatUnary::Ceil => ins.ceil(a),
            FloatUnary::Floor => ins.floor(a),
            FloatUnary::Trunc => ins.trunc(a),
            FloatUnary::Nearest => ins.nearest(a),
            FloatUnary::Sqrt => ins.sqrt(a),
        }
    }

    /// Of scalars and vectors alike.
    pub(crate) fn float_binary_value(&mut self, op: FloatBinary, a: Value, b: Value) -> Value {
        let ins = self.builder.ins();
        match op {
            FloatBinary::Add => ins.fadd(a, b),
            FloatBinary::Sub => ins.fsub(a, b),
            FloatBinary::Mul => ins.fmul(a, b),
            FloatBinary::Div => ins.fdiv(a, b),
            FloatBinary::Min => ins.fmin(a, b),
            FloatBinary::Max => ins.fmax(a, b),
            FloatBinary::Copysign => ins.fcopysign(a, b),
        }
    }
}
