//! Floats.

use crate::codegen::Codegen;
use crate::value::{Flag, Ty, Value};
use sconce_environ::meaning::canonical_nan;
use sconce_environ::ops::*;
use sconce_x64::encode::{Cond, Constant, Rm};
use sconce_x64::register::Xmm;
use sconce_x64::sse::{self, Sse};

/// Rounding modes as instructions take them; inexact results raise nothing.
const NEAREST: u8 = 8;
const DOWN: u8 = 9;
const UP: u8 = 10;
const ZERO: u8 = 11;

#[inline]
pub(crate) fn f32_const(c: &mut Codegen<'_>, bits: u32) {
    c.push(Value::Const(Ty::F32, bits));
}

#[inline]
pub(crate) fn f64_const(c: &mut Codegen<'_>, bits: u64) {
    c.push_const(Ty::F64, bits.into());
}

#[inline]
pub(crate) fn float_unary(c: &mut Codegen<'_>, width: FloatWidth, op: FloatUnary) {
    let single = width == FloatWidth::F32;
    match op {
        FloatUnary::Abs => {
            let mask = c.sign_mask(width, true);
            c.sign_operation(width, sse::ANDPS, mask);
        }
        FloatUnary::Neg => {
            let mask = c.sign_mask(width, false);
            c.sign_operation(width, sse::XORPS, mask);
        }
        FloatUnary::Ceil => c.round(width, UP),
        FloatUnary::Floor => c.round(width, DOWN),
        FloatUnary::Trunc => c.round(width, ZERO),
        FloatUnary::Nearest => c.round(width, NEAREST),
        FloatUnary::Sqrt => {
            let a = c.pop();
            let x = c.own_xmm(a);
            c.e.sse(if single { sse::SQRTSS } else { sse::SQRTSD }, x, x, x.into());
            c.finish_float(width, x);
        }
    }
}

#[inline]
pub(crate) fn float_binary(c: &mut Codegen<'_>, width: FloatWidth, op: FloatBinary) {
    let single = width == FloatWidth::F32;
    let pick = |s: Sse, d: Sse| if single { s } else { d };
    match op {
        FloatBinary::Add => c.float_arithmetic(width, pick(sse::ADDSS, sse::ADDSD), true),
        FloatBinary::Sub => c.float_arithmetic(width, pick(sse::SUBSS, sse::SUBSD), false),
        FloatBinary::Mul => c.float_arithmetic(width, pick(sse::MULSS, sse::MULSD), true),
        FloatBinary::Div => c.float_arithmetic(width, pick(sse::DIVSS, sse::DIVSD), false),
        FloatBinary::Min => c.extremum(width, pick(sse::MINSS, sse::MINSD), sse::ORPS),
        FloatBinary::Max => c.extremum(width, pick(sse::MAXSS, sse::MAXSD), sse::ANDPS),
        FloatBinary::Copysign => {
            let sign = c.pop();
            let magnitude = c.pop();
            let x = c.own_xmm(magnitude);
            let (magnitude_mask, sign_mask) = (c.sign_mask(width, true), c.sign_mask(width, false));
            let s = c.scratch_with_xmm(sign);
            s.e.sse(sse::ANDPS, s.x, s.x, sign_mask.into());
            s.e.sse(sse::ANDPS, x, x, magnitude_mask.into());
            s.e.sse(sse::ORPS, x, x, s.x.into());
            drop(s);
            c.release(sign);
            c.push_xmm(ty(width), x);
        }
    }
}

#[inline]
pub(crate) fn float_compare(c: &mut Codegen<'_>, width: FloatWidth, op: FloatCompare) {
    let b = c.pop();
    let a = c.pop();
    // Above and above-or-equal are false for unordered operands; below is not.
    let (a, b, flag) = match op {
        FloatCompare::Eq => (a, b, Flag::FloatEq),
        FloatCompare::Ne => (a, b, Flag::FloatNe),
        FloatCompare::Gt => (a, b, Flag::Is(Cond::A)),
        FloatCompare::Ge => (a, b, Flag::Is(Cond::Ae)),
        FloatCompare::Lt => (b, a, Flag::Is(Cond::A)),
        FloatCompare::Le => (b, a, Flag::Is(Cond::Ae)),
    };
    let x = c.xmm(a);
    let operand = c.float_rm(b);
    c.e.sse_two(if width == FloatWidth::F32 { sse::UCOMISS } else { sse::UCOMISD }, x, operand);
    c.free(x);
    c.release(b);
    c.push_flag(flag);
}

/// The type of floats of a width.
pub(crate) fn ty(width: FloatWidth) -> Ty {
    match width {
        FloatWidth::F32 => Ty::F32,
        FloatWidth::F64 => Ty::F64,
    }
}

impl Codegen<'_> {
    /// All lanes: the sign bit, or all others.
    pub(crate) fn sign_mask(&mut self, width: FloatWidth, others: bool) -> Constant {
        let sign: u128 = match width {
            FloatWidth::F32 => 0x8000_0000_8000_0000_8000_0000_8000_0000,
            FloatWidth::F64 => 0x8000_0000_0000_0000_8000_0000_0000_0000,
        };
        self.e.wide_constant(if others { !sign } else { sign })
    }

    fn sign_operation(&mut self, width: FloatWidth, op: Sse, mask: Constant) {
        let a = self.pop();
        let (x, dst) = self.float_result(a);
        self.e.sse(op, dst, x, mask.into());
        self.release_xmm_unless(x, dst);
        self.push_xmm(ty(width), dst);
    }

    fn round(&mut self, width: FloatWidth, mode: u8) {
        let a = self.pop();
        let x = self.own_xmm(a);
        self.e.sse_imm(if width == FloatWidth::F32 { sse::ROUNDSS } else { sse::ROUNDSD }, x, x, x.into(), mode);
        self.finish_float(width, x);
    }

    /// The operand in a register, and a register for the result: where the next operator wants it, or the operand's own.
    fn float_result(&mut self, a: Value) -> (Xmm, Xmm) {
        match self.wanted_xmm() {
            Some(dst) => (self.xmm(a), dst),
            None => {
                let x = self.own_xmm(a);
                (x, x)
            }
        }
    }

    pub(crate) fn release_xmm_unless(&mut self, x: Xmm, dst: Xmm) {
        if x != dst {
            self.free(x);
        }
    }

    fn float_arithmetic(&mut self, width: FloatWidth, op: Sse, commutes: bool) {
        let mut b = self.pop();
        let mut a = self.pop();
        if commutes && !matches!(a, Value::Xmm(..)) && matches!(b, Value::Xmm(..)) {
            (a, b) = (b, a);
        }
        let (x, dst) = self.float_result(a);
        let operand = self.float_rm(b);
        // Without VEX, the encoder takes care of a destination that is the second operand.
        self.e.sse(op, dst, x, operand);
        self.release_xmm_unless(x, dst);
        if let Value::Xmm(_, y) = b {
            self.release_xmm_unless(y, dst);
        }
        self.finish_float(width, dst);
    }

    /// The processor's minimum and maximum give the second operand for zeros and NaNs; wasm's look closer.
    fn extremum(&mut self, width: FloatWidth, op: Sse, zeros: Sse) {
        let b = self.pop();
        let a = self.pop();
        let single = width == FloatWidth::F32;
        let x = self.own_xmm(a);
        let y = self.xmm(b);
        let s = self.scratch();
        s.e.sse_two(if single { sse::UCOMISS } else { sse::UCOMISD }, x, y.into());
        let differ = s.e.skip_if(Cond::Ne);
        let unordered = s.e.skip_if(Cond::P);
        // Equal: zeros may have different signs.
        s.e.sse(zeros, x, x, y.into());
        let done = s.e.skip();
        s.e.land(unordered);
        s.e.sse(if single { sse::ADDSS } else { sse::ADDSD }, x, x, y.into());
        let done_too = s.e.skip();
        s.e.land(differ);
        s.e.sse(op, x, x, y.into());
        s.e.land(done);
        s.e.land(done_too);
        drop(s);
        self.free(y);
        self.finish_float(width, x);
    }

    /// Pushes what an operation computed, as a canonical NaN if it is one and that was asked for.
    pub(crate) fn finish_float(&mut self, width: FloatWidth, x: Xmm) {
        if self.settings.canonical_nans {
            let single = width == FloatWidth::F32;
            let s = self.scratch();
            s.e.sse_two(if single { sse::UCOMISS } else { sse::UCOMISD }, x, x.into());
            let number = s.e.skip_if(Cond::Np);
            let nan = s.e.constant(canonical_nan(width));
            s.e.sse_two(if single { sse::MOVSS } else { sse::MOVSD }, x, Rm::from(nan));
            s.e.land(number);
        }
        self.push_xmm(ty(width), x);
    }
}
