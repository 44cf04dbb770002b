//! Conversions between number types.

use crate::codegen::Codegen;
use crate::float;
use crate::int;
use crate::operands::load_xmm_mem;
use crate::scratch::Scratch;
use crate::stub::StubKind;
use crate::value::{Ty, Value};
use sconce_environ::meaning;
use sconce_environ::ops::*;
use sconce_x64::encode::{Alu, Cond, Encoder, Extend, Rm, Shift, Size};
use sconce_x64::register::{Gpr, Xmm};
use sconce_x64::sse;

pub(crate) fn convert(c: &mut Codegen<'_>, op: Convert) {
    match op {
        Convert::Wrap => {
            let a = c.pop();
            if let Some(bits) = c.bits(a) {
                return c.push_const(Ty::I32, bits as u32 as u128);
            }
            c.release(a);
            let (dst, from) = c.result_for(a);
            // Of memory, the low half; of a register, it is zero-extended.
            match from {
                Rm::Reg(r) => c.e.mov(Size::S32, dst, Gpr::ALL[r as usize & 15]),
                Rm::Mem(m) => c.e.load(Size::S32, dst, m),
                Rm::Constant(_) => unreachable!("integers are immediates"),
            }
            c.push_gpr(Ty::I32, dst);
        }
        Convert::Extend(sign) => {
            let a = c.pop();
            if let Some(bits) = c.bits(a)
                && let Ok(result) = meaning::convert(op, bits as u64)
            {
                return c.push_const(Ty::I64, result.into());
            }
            match (sign, a) {
                // It is extended already.
                (Sign::U, Value::Gpr(_, r)) if c.is_temporary(r) && c.wanted_gpr().is_none() => c.push_gpr(Ty::I64, r),
                _ => {
                    c.release(a);
                    let (dst, from) = c.result_for(a);
                    match (sign, from) {
                        (Sign::S, from) => c.e.extend(Extend::Sign32, Size::S64, dst, from),
                        (Sign::U, Rm::Reg(r)) => c.e.mov(Size::S32, dst, Gpr::ALL[r as usize & 15]),
                        (Sign::U, Rm::Mem(m)) => c.e.load(Size::S32, dst, m),
                        (Sign::U, Rm::Constant(_)) => unreachable!("integers are immediates"),
                    }
                    c.push_gpr(Ty::I64, dst);
                }
            }
        }
        Convert::Truncate { from, to, sign, overflow: Overflow::Trap } => c.truncate_or_trap(from, to, sign),
        Convert::Truncate { from, to, sign, overflow: Overflow::Saturate } => c.truncate_and_saturate(from, to, sign),
        Convert::FromInt { from, to, sign } => c.int_to_float(from, to, sign),
        Convert::Demote => c.resize_float(FloatWidth::F32, sse::CVTSD2SS),
        Convert::Promote => c.resize_float(FloatWidth::F64, sse::CVTSS2SD),
        Convert::FloatBits(width) => {
            let a = c.pop();
            let ty = if width == FloatWidth::F32 { Ty::I32 } else { Ty::I64 };
            if let Some(bits) = c.bits(a) {
                return c.push_const(ty, bits);
            }
            let r = c.alloc_gpr();
            match c.rm(a) {
                Rm::Reg(x) => c.e.xmm_to_int(ty.size(), r.into(), Xmm(x)),
                Rm::Mem(m) => c.e.load(ty.size(), r, m),
                Rm::Constant(_) => unreachable!("constants were folded"),
            }
            c.release(a);
            c.push_gpr(ty, r);
        }
        Convert::BitsFloat(width) => {
            let a = c.pop();
            let ty = float::ty(width);
            if let Some(bits) = c.bits(a) {
                return c.push_const(ty, bits);
            }
            let x = c.alloc_xmm();
            match c.rm(a) {
                Rm::Reg(r) => c.e.int_to_xmm(ty.size(), x, Rm::Reg(r)),
                Rm::Mem(m) => load_xmm_mem(&mut c.e, ty, x, m),
                Rm::Constant(_) => unreachable!("constants were folded"),
            }
            c.release(a);
            c.push_xmm(ty, x);
        }
    }
}

fn truncation(e: &mut Encoder, from: FloatWidth, dst: Gpr, x: Xmm) {
    e.sse_to_int(if from == FloatWidth::F32 { sse::CVTTSS2SI } else { sse::CVTTSD2SI }, Size::S64, dst, x.into());
}

fn compare_floats(e: &mut Encoder, width: FloatWidth, x: Xmm, y: Rm) {
    e.sse_two(if width == FloatWidth::F32 { sse::UCOMISS } else { sse::UCOMISD }, x, y);
}

/// A float constant: a power of two.
fn power_of_two(e: &mut Encoder, width: FloatWidth, power: i32, negative: bool) -> Rm {
    let value = if negative { -(2f64.powi(power)) } else { 2f64.powi(power) };
    let bits = match width {
        FloatWidth::F32 => u64::from((value as f32).to_bits()),
        FloatWidth::F64 => value.to_bits(),
    };
    e.constant(bits).into()
}

impl Scratch<'_> {
    /// The scratch register becomes what `r` would be if it were an integer of 32 bits.
    fn narrow(&mut self, r: Gpr, sign: Sign) {
        match sign {
            Sign::S => self.e.extend(Extend::Sign32, Size::S64, self.r, r.into()),
            Sign::U => self.e.mov(Size::S32, self.r, r),
        }
    }

    /// Truncates what is left of a float of at least 2^63 without that much of it.
    fn truncate_upper_half(&mut self, from: FloatWidth, r: Gpr, x: Xmm, half: Rm) {
        self.e.move_xmm(self.x, x);
        self.e.sse(if from == FloatWidth::F32 { sse::SUBSS } else { sse::SUBSD }, self.x, self.x, half);
        truncation(self.e, from, r, self.x);
    }
}

impl Codegen<'_> {
    fn resize_float(&mut self, to: FloatWidth, op: sse::Sse) {
        let a = self.pop();
        let x = self.own_xmm(a);
        self.e.sse(op, x, x, x.into());
        self.finish_float(to, x);
    }

    /// Everything goes through a truncation to a signed 64-bit integer, which gives the least one for what does not fit.
    fn truncate_or_trap(&mut self, from: FloatWidth, to: IntWidth, sign: Sign) {
        let a = self.pop();
        let x = self.xmm(a);
        let r = self.alloc_gpr();
        let bad = self.stub(StubKind::BadConversion { float: x, ty: float::ty(from) });
        let mut s = self.scratch();
        truncation(s.e, from, r, x);
        match (to, sign) {
            (IntWidth::W32, sign) => {
                s.narrow(r, sign);
                s.e.alu(Alu::Cmp, Size::S64, s.r, r.into());
                s.e.jcc(Cond::Ne, bad);
                s.e.mov(Size::S32, r, r);
            }
            (IntWidth::W64, Sign::S) => {
                // The least value minus 1 overflows.
                s.e.alu_imm(Alu::Cmp, Size::S64, r.into(), 1);
                let fits = s.e.skip_if(Cond::No);
                let least = power_of_two(s.e, from, 63, true);
                compare_floats(s.e, from, x, least);
                s.e.jcc(Cond::Ne, bad);
                s.e.jcc(Cond::P, bad);
                s.e.land(fits);
            }
            (IntWidth::W64, Sign::U) => {
                let half = power_of_two(s.e, from, 63, false);
                compare_floats(s.e, from, x, half);
                let large = s.e.skip_if(Cond::Ae);
                s.e.test(Size::S64, r, r);
                s.e.jcc(Cond::S, bad);
                let done = s.e.skip();
                s.e.land(large);
                s.truncate_upper_half(from, r, x, half);
                s.e.test(Size::S64, r, r);
                s.e.jcc(Cond::S, bad);
                s.e.mov_imm(Size::S64, s.r, i64::MIN);
                s.e.alu(Alu::Xor, Size::S64, r, s.r.into());
                s.e.land(done);
            }
        }
        drop(s);
        self.free(x);
        self.push_gpr(int::ty(to), r);
    }

    fn truncate_and_saturate(&mut self, from: FloatWidth, to: IntWidth, sign: Sign) {
        let a = self.pop();
        let x = self.xmm(a);
        let r = self.alloc_gpr();
        let (least, greatest) = match (to, sign) {
            (IntWidth::W32, Sign::S) => (i64::from(i32::MIN), i64::from(i32::MAX)),
            (IntWidth::W32, Sign::U) => (0, i64::from(u32::MAX)),
            (IntWidth::W64, Sign::S) => (i64::MIN, i64::MAX),
            (IntWidth::W64, Sign::U) => (0, -1),
        };
        let mut s = self.scratch();
        let done = s.e.label();
        truncation(s.e, from, r, x);
        match (to, sign) {
            (IntWidth::W32, sign) => {
                s.narrow(r, sign);
                s.e.alu(Alu::Cmp, Size::S64, s.r, r.into());
                s.e.jcc(Cond::E, done);
            }
            (IntWidth::W64, Sign::S) => {
                s.e.alu_imm(Alu::Cmp, Size::S64, r.into(), 1);
                s.e.jcc(Cond::No, done);
            }
            (IntWidth::W64, Sign::U) => {
                s.e.test(Size::S64, r, r);
                s.e.jcc(Cond::Ns, done);
                // Up to 2^64 there is another half.
                let half = power_of_two(s.e, from, 63, false);
                compare_floats(s.e, from, x, half);
                let out = s.e.skip_if(Cond::B);
                s.truncate_upper_half(from, r, x, half);
                s.e.mov_imm(Size::S64, s.r, i64::MIN);
                s.e.test(Size::S64, r, r);
                let over = s.e.skip_if(Cond::S);
                s.e.alu(Alu::Xor, Size::S64, r, s.r.into());
                s.e.jmp_long(done);
                s.e.land(over);
                s.e.land(out);
            }
        }
        // It does not fit, or is no number.
        s.e.zero(r);
        compare_floats(s.e, from, x, x.into());
        s.e.jcc(Cond::P, done);
        s.e.zero_xmm(s.x);
        compare_floats(s.e, from, x, s.x.into());
        s.e.mov_imm(Size::S64, r, greatest);
        s.e.jcc(Cond::A, done);
        s.e.mov_imm(Size::S64, r, least);
        s.e.bind(done);
        if to == IntWidth::W32 {
            s.e.mov(Size::S32, r, r);
        }
        drop(s);
        self.free(x);
        self.push_gpr(int::ty(to), r);
    }

    fn int_to_float(&mut self, from: IntWidth, to: FloatWidth, sign: Sign) {
        let a = self.pop();
        let op = if to == FloatWidth::F32 { sse::CVTSI2SS } else { sse::CVTSI2SD };
        if (from, sign) == (IntWidth::W64, Sign::U) {
            let r = self.own_gpr(a);
            let x = self.alloc_xmm();
            let s = self.scratch();
            s.e.zero_xmm(x);
            s.e.test(Size::S64, r, r);
            let large = s.e.skip_if(Cond::S);
            s.e.sse_from_int(op, Size::S64, x, r.into());
            let done = s.e.skip();
            s.e.land(large);
            // Half of it, with the lowest bit kept for rounding, twice.
            s.e.mov(Size::S64, s.r, r);
            s.e.shift_imm(Shift::Shr, Size::S64, r.into(), 1);
            s.e.alu_imm(Alu::And, Size::S32, s.r.into(), 1);
            s.e.alu(Alu::Or, Size::S64, r, s.r.into());
            s.e.sse_from_int(op, Size::S64, x, r.into());
            s.e.sse(if to == FloatWidth::F32 { sse::ADDSS } else { sse::ADDSD }, x, x, x.into());
            s.e.land(done);
            drop(s);
            self.free(r);
            return self.push_xmm(float::ty(to), x);
        }
        let a = match a {
            Value::Const(..) | Value::Pool(..) => Value::Gpr(a.ty(), self.gpr(a)),
            other => other,
        };
        let wanted = self.wanted_xmm();
        let x = match wanted {
            Some(x) => x,
            None => self.alloc_xmm(),
        };
        // The instruction keeps the other lanes: no waiting for what they were.
        self.e.zero_xmm(x);
        let size = match (from, sign) {
            (IntWidth::W32, Sign::S) => Size::S32,
            _ => Size::S64,
        };
        let operand = self.rm(a);
        let s = self.scratch();
        let operand = match (operand, from, sign) {
            // In memory, nothing is known of the upper half.
            (Rm::Mem(m), IntWidth::W32, Sign::U) => {
                s.e.load(Size::S32, s.r, m);
                s.r.into()
            }
            (operand, ..) => operand,
        };
        s.e.sse_from_int(op, size, x, operand);
        drop(s);
        self.release(a);
        self.push_xmm(float::ty(to), x);
    }
}
