//! Integers.

use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I32, I64, I128};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use sconce_environ::ops::*;

pub(crate) fn i32_const(t: &mut Translator<'_>, value: i32) {
    let value = t.builder.ins().iconst(I32, i64::from(value.cast_unsigned()));
    t.push(value);
}

pub(crate) fn i64_const(t: &mut Translator<'_>, value: i64) {
    let value = t.builder.ins().iconst(I64, value);
    t.push(value);
}

pub(crate) fn int_eqz(t: &mut Translator<'_>, _: IntWidth) {
    let value = t.pop();
    let is_zero = t.builder.ins().icmp_imm_s(IntCC::Equal, value, 0);
    t.push_bool(is_zero);
}

pub(crate) fn int_unary(t: &mut Translator<'_>, width: IntWidth, op: IntUnary) {
    let a = t.pop();
    let value = match op {
        IntUnary::Clz => t.builder.ins().clz(a),
        IntUnary::Ctz => t.builder.ins().ctz(a),
        IntUnary::Popcnt => t.builder.ins().popcnt(a),
        IntUnary::Extend8S => t.extend_low(width, I8, a),
        IntUnary::Extend16S => t.extend_low(width, I16, a),
        IntUnary::Extend32S => t.extend_low(width, I32, a),
    };
    t.push(value);
}

pub(crate) fn int_binary(t: &mut Translator<'_>, _: IntWidth, op: IntBinary) {
    let (a, b) = t.state.pop2();
    let ins = t.builder.ins();
    let value = match op {
        IntBinary::Add => ins.iadd(a, b),
        IntBinary::Sub => ins.isub(a, b),
        IntBinary::Mul => ins.imul(a, b),
        IntBinary::And => ins.band(a, b),
        IntBinary::Or => ins.bor(a, b),
        IntBinary::Xor => ins.bxor(a, b),
        IntBinary::Shl => ins.ishl(a, b),
        IntBinary::ShrS => ins.sshr(a, b),
        IntBinary::ShrU => ins.ushr(a, b),
        IntBinary::Rotl => ins.rotl(a, b),
        IntBinary::Rotr => ins.rotr(a, b),
    };
    t.push(value);
}

/// Cranelift's divisions trap as wasm's do; `srem` gives 0 for the least value and -1, as wasm's does.
pub(crate) fn int_divide(t: &mut Translator<'_>, _: IntWidth, op: IntDivide) {
    let (a, b) = t.state.pop2();
    let ins = t.builder.ins();
    let value = match op {
        IntDivide::DivS => ins.sdiv(a, b),
        IntDivide::DivU => ins.udiv(a, b),
        IntDivide::RemS => ins.srem(a, b),
        IntDivide::RemU => ins.urem(a, b),
    };
    t.push(value);
}

pub(crate) fn int_compare(t: &mut Translator<'_>, _: IntWidth, op: IntCompare) {
    let (a, b) = t.state.pop2();
    let holds = t.builder.ins().icmp(condition(op), a, b);
    t.push_bool(holds);
}

pub(crate) fn int_wide(t: &mut Translator<'_>, op: Wide) {
    let result = match op {
        Wide::Add | Wide::Sub => {
            let (high, low) = (t.pop(), t.pop());
            let b = t.builder.ins().iconcat(low, high);
            let (high, low) = (t.pop(), t.pop());
            let a = t.builder.ins().iconcat(low, high);
            if op == Wide::Add { t.builder.ins().iadd(a, b) } else { t.builder.ins().isub(a, b) }
        }
        Wide::Multiply(sign) => {
            let (a, b) = t.state.pop2();
            let (a, b) = match sign {
                Sign::S => (t.builder.ins().sextend(I128, a), t.builder.ins().sextend(I128, b)),
                Sign::U => (t.builder.ins().uextend(I128, a), t.builder.ins().uextend(I128, b)),
            };
            t.builder.ins().imul(a, b)
        }
    };
    let (low, high) = t.builder.ins().isplit(result);
    t.push(low);
    t.push(high);
}

/// The condition of a comparison.
pub(crate) fn condition(op: IntCompare) -> IntCC {
    match op {
        IntCompare::Eq => IntCC::Equal,
        IntCompare::Ne => IntCC::NotEqual,
        IntCompare::LtS => IntCC::SignedLessThan,
        IntCompare::LtU => IntCC::UnsignedLessThan,
        IntCompare::GtS => IntCC::SignedGreaterThan,
        IntCompare::GtU => IntCC::UnsignedGreaterThan,
        IntCompare::LeS => IntCC::SignedLessThanOrEqual,
        IntCompare::LeU => IntCC::UnsignedLessThanOrEqual,
        IntCompare::GeS => IntCC::SignedGreaterThanOrEqual,
        IntCompare::GeU => IntCC::UnsignedGreaterThanOrEqual,
    }
}

/// The type of integers of a width.
pub(crate) fn int_type(width: IntWidth) -> Type {
    match width {
        IntWidth::W32 => I32,
        IntWidth::W64 => I64,
    }
}

impl Translator<'_> {
    /// Pushes a comparison's result as an i32.
    pub(crate) fn push_bool(&mut self, value: Value) {
        let value = self.builder.ins().uextend(I32, value);
        self.push(value);
    }

    fn extend_low(&mut self, width: IntWidth, from: Type, value: Value) -> Value {
        let low = self.builder.ins().ireduce(from, value);
        self.builder.ins().sextend(int_type(width), low)
    }
}
