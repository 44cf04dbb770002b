//! Lanes of floats.

use crate::codegen::Codegen;
use crate::scratch::Scratch;
use crate::value::Ty;
use sconce_environ::ops::*;
use sconce_x64::register::Xmm;
use sconce_x64::sse::{self, LaneShift, Sse};

/// Predicates of comparisons.
const EQ: u8 = 0;
const LT: u8 = 1;
const LE: u8 = 2;
const UNORDERED: u8 = 3;
const NE: u8 = 4;

impl Codegen<'_> {
    pub(super) fn float_lanes_compare(&mut self, shape: FloatShape, op: FloatCompare) {
        let (predicate, exchanged) = match op {
            FloatCompare::Eq => (EQ, false),
            FloatCompare::Ne => (NE, false),
            FloatCompare::Lt => (LT, false),
            FloatCompare::Le => (LE, false),
            FloatCompare::Gt => (LT, true),
            FloatCompare::Ge => (LE, true),
        };
        let b = self.pop();
        let a = self.pop();
        let (a, b) = if exchanged { (b, a) } else { (a, b) };
        let x = self.own_xmm(a);
        let (s, operand) = self.vector_rm(b);
        s.e.sse_imm(if shape == FloatShape::F32x4 { sse::CMPPS } else { sse::CMPPD }, x, x, operand, predicate);
        drop(s);
        self.release(b);
        self.push_xmm(Ty::V128, x);
    }

    pub(super) fn float_lanes(&mut self, shape: FloatShape, op: FloatUnary, x: Xmm) {
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

    pub(super) fn float_lanes_binary(&mut self, shape: FloatShape, op: FloatBinary) {
        let single = shape == FloatShape::F32x4;
        let pick = |s: Sse, d: Sse| if single { s } else { d };
        match op {
            FloatBinary::Add => self.lanes(pick(sse::ADDPS, sse::ADDPD), true),
            FloatBinary::Sub => self.lanes(pick(sse::SUBPS, sse::SUBPD), false),
            FloatBinary::Mul => self.lanes(pick(sse::MULPS, sse::MULPD), true),
            FloatBinary::Div => self.lanes(pick(sse::DIVPS, sse::DIVPD), false),
            FloatBinary::Min => self.lanes_by(|s, x, y| s.lanes_minimum(single, x, y)),
            FloatBinary::Max => self.lanes_by(|s, x, y| s.lanes_maximum(single, x, y)),
            FloatBinary::Copysign => unreachable!("there is none of vectors"),
        }
        if self.settings.canonical_nans {
            let a = self.pop();
            let x = self.own_xmm(a);
            self.canonical_lanes(shape, x);
            self.push_xmm(Ty::V128, x);
        }
    }

    /// NaNs become canonical, if that was asked for.
    pub(super) fn canonical_lanes(&mut self, shape: FloatShape, x: Xmm) {
        if !self.settings.canonical_nans {
            return;
        }
        let single = shape == FloatShape::F32x4;
        self.with_another(|s, t| {
            let nan = if single { s.every(32, 0x7fc0_0000) } else { s.every(64, 0x7ff8_0000_0000_0000) };
            s.e.move_xmm(t, x);
            s.unordered(single, t);
            s.e.move_xmm(s.x, t);
            s.e.sse(sse::ANDNPS, s.x, s.x, x.into());
            s.e.sse(sse::ANDPS, t, t, nan);
            s.e.sse(sse::ORPS, t, t, s.x.into());
            s.e.move_xmm(x, t);
        });
    }

    /// A product and a sum, each rounded: fused ones would not be the same on every machine.
    pub(super) fn mul_add(&mut self, shape: FloatShape, negate: bool) {
        let single = shape == FloatShape::F32x4;
        let sum = self.pop();
        let b = self.pop();
        let a = self.pop();
        let x = self.own_xmm(a);
        if negate {
            let sign = self.sign_mask(if single { FloatWidth::F32 } else { FloatWidth::F64 }, false);
            self.e.sse(sse::XORPS, x, x, sign.into());
        }
        let (s, factor) = self.vector_rm(b);
        s.e.sse(if single { sse::MULPS } else { sse::MULPD }, x, x, factor);
        drop(s);
        self.release(b);
        let (s, sum_rm) = self.vector_rm(sum);
        s.e.sse(if single { sse::ADDPS } else { sse::ADDPD }, x, x, sum_rm);
        drop(s);
        self.release(sum);
        self.canonical_lanes(shape, x);
        self.push_xmm(Ty::V128, x);
    }
}

impl Scratch<'_> {
    /// Minimum in both orders, since the processor's passes on only the second operand's zeros and NaNs: together they have
    /// every sign and every NaN. NaNs lose their payloads.
    pub(super) fn lanes_minimum(&mut self, single: bool, x: Xmm, y: Xmm) {
        let op = if single { sse::MINPS } else { sse::MINPD };
        self.e.move_xmm(self.x, y);
        self.e.sse(op, self.x, self.x, x.into());
        self.e.sse(op, x, x, y.into());
        self.e.sse(sse::ORPS, self.x, self.x, x.into());
        self.e.move_xmm(x, self.x);
        self.unordered(single, x);
        self.e.sse(sse::ORPS, self.x, self.x, x.into());
        self.clear_payloads(single, x);
    }

    /// Maximum in both orders. Where they differ there is a NaN, or there are zeros of both signs: subtracting the difference
    /// clears the sign.
    pub(super) fn lanes_maximum(&mut self, single: bool, x: Xmm, y: Xmm) {
        let op = if single { sse::MAXPS } else { sse::MAXPD };
        self.e.move_xmm(self.x, y);
        self.e.sse(op, self.x, self.x, x.into());
        self.e.sse(op, x, x, y.into());
        self.e.sse(sse::XORPS, x, x, self.x.into());
        self.e.sse(sse::ORPS, self.x, self.x, x.into());
        self.e.sse(if single { sse::SUBPS } else { sse::SUBPD }, self.x, self.x, x.into());
        self.e.move_xmm(x, self.x);
        self.unordered(single, x);
        self.clear_payloads(single, x);
    }

    /// Each lane becomes all ones if it is a NaN, else zero.
    pub(super) fn unordered(&mut self, single: bool, x: Xmm) {
        self.e.sse_imm(if single { sse::CMPPS } else { sse::CMPPD }, x, x, x.into(), UNORDERED);
    }

    /// `x`, all ones where the scratch register has a NaN, becomes that register without those NaNs' payloads.
    pub(super) fn clear_payloads(&mut self, single: bool, x: Xmm) {
        let (shift, bits) = if single { (LaneShift::Psrld, 10) } else { (LaneShift::Psrlq, 13) };
        self.e.shift_lanes(shift, x, x, bits);
        self.e.sse(sse::ANDNPS, x, x, self.x.into());
    }

    pub(super) fn truncate_singles_signed(&mut self, x: Xmm) {
        // NaNs become zero; what is too large becomes the least integer, and is inverted where it was positive.
        self.e.sse_imm(sse::CMPPS, self.x, x, x.into(), EQ);
        self.e.sse(sse::ANDPS, x, x, self.x.into());
        self.e.sse(sse::PXOR, self.x, self.x, x.into());
        self.e.sse_two(sse::CVTTPS2DQ, x, x.into());
        self.e.sse(sse::PAND, self.x, self.x, x.into());
        self.e.shift_lanes(LaneShift::Psrad, self.x, self.x, 31);
        self.e.sse(sse::PXOR, x, x, self.x.into());
    }

    pub(super) fn truncate_singles_unsigned(&mut self, x: Xmm, t: Xmm) {
        let half = self.every(32, 0x4f00_0000);
        // NaNs and negative numbers become zero.
        self.e.zero_xmm(self.x);
        self.e.sse(sse::MAXPS, x, x, self.x.into());
        // What is beyond 2^31, saturated and not negative, is added to 2^31, which is what such numbers are truncated to.
        self.load_constant(self.x, half);
        self.e.sse(sse::SUBPS, t, x, self.x.into());
        self.e.sse_imm(sse::CMPPS, self.x, self.x, t.into(), LE);
        self.e.sse_two(sse::CVTTPS2DQ, t, t.into());
        self.e.sse(sse::PXOR, t, t, self.x.into());
        self.e.zero_xmm(self.x);
        self.e.sse(sse::PMAXSD, t, t, self.x.into());
        self.e.sse_two(sse::CVTTPS2DQ, x, x.into());
        self.e.sse(sse::PADDD, x, x, t.into());
    }

    pub(super) fn truncate_doubles_signed(&mut self, x: Xmm) {
        // The limit is zero where the operand is no number.
        let limit = self.every(64, 2_147_483_647f64.to_bits());
        self.e.sse_imm(sse::CMPPD, self.x, x, x.into(), EQ);
        self.e.sse(sse::ANDPS, self.x, self.x, limit);
        self.e.sse(sse::MINPD, x, x, self.x.into());
        self.e.sse_two(sse::CVTTPD2DQ, x, x.into());
    }

    pub(super) fn truncate_doubles_unsigned(&mut self, x: Xmm) {
        let (limit, magic) = (self.every(64, 4_294_967_295f64.to_bits()), self.every(64, 0x4330_0000_0000_0000));
        self.e.zero_xmm(self.x);
        self.e.sse(sse::MAXPD, x, x, self.x.into());
        self.e.sse(sse::MINPD, x, x, limit);
        self.e.sse_two_imm(sse::ROUNDPD, x, x.into(), 11);
        // Plus 2^52, the integer is the lower half of the mantissa.
        self.e.sse(sse::ADDPD, x, x, magic);
        self.e.sse_imm(sse::SHUFPS, x, x, self.x.into(), 0x88);
    }

    pub(super) fn unsigned_to_singles(&mut self, x: Xmm) {
        // The lower halves are exact, and so is half of the rest; only the last sum rounds.
        self.e.shift_lanes(LaneShift::Pslld, self.x, x, 16);
        self.e.shift_lanes(LaneShift::Psrld, self.x, self.x, 16);
        self.e.sse(sse::PSUBD, x, x, self.x.into());
        self.e.sse_two(sse::CVTDQ2PS, self.x, self.x.into());
        self.e.shift_lanes(LaneShift::Psrld, x, x, 1);
        self.e.sse_two(sse::CVTDQ2PS, x, x.into());
        self.e.sse(sse::ADDPS, x, x, x.into());
        self.e.sse(sse::ADDPS, x, x, self.x.into());
    }

    pub(super) fn unsigned_to_doubles(&mut self, x: Xmm) {
        // As the lower half of the mantissa of 2^52, which is then subtracted.
        let (high, magic) = (self.every(32, 0x4330_0000), self.every(64, 0x4330_0000_0000_0000));
        self.e.sse(sse::UNPCKLPS, x, x, high);
        self.e.sse(sse::SUBPD, x, x, magic);
    }
}
