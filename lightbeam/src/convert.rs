//! Conversions between number types.

use crate::codegen::{Codegen, SCRATCH, StubKind, XSCRATCH};
use crate::float;
use crate::int;
use crate::value::{Ty, Value};
use sconce_environ::meaning;
use sconce_environ::ops::*;
use sconce_x64::asm::{Gpr, Xmm};
use sconce_x64::encode::{Alu, Cond, Extend, Rm, Shift, Size};
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
                Rm::Mem(m) => c.load_xmm_mem(ty, x, m),
                Rm::Constant(_) => unreachable!("constants were folded"),
            }
            c.release(a);
            c.push_xmm(ty, x);
        }
    }
}

impl Codegen<'_> {
    fn resize_float(&mut self, to: FloatWidth, op: sse::Sse) {
        let a = self.pop();
        let x = self.own_xmm(a);
        self.e.sse(op, x, x, x.into());
        self.finish_float(to, x);
    }

    fn truncation(&mut self, from: FloatWidth, dst: Gpr, x: Xmm) {
        self.e.sse_to_int(if from == FloatWidth::F32 { sse::CVTTSS2SI } else { sse::CVTTSD2SI }, Size::S64, dst, x.into());
    }

    fn compare_floats(&mut self, width: FloatWidth, x: Xmm, y: Rm) {
        self.e.sse_two(if width == FloatWidth::F32 { sse::UCOMISS } else { sse::UCOMISD }, x, y);
    }

    /// A float constant: a power of two.
    fn power_of_two(&mut self, width: FloatWidth, power: i32, negative: bool) -> Rm {
        let value = if negative { -(2f64.powi(power)) } else { 2f64.powi(power) };
        let bits = match width {
            FloatWidth::F32 => u64::from((value as f32).to_bits()),
            FloatWidth::F64 => value.to_bits(),
        };
        self.e.constant(bits).into()
    }

    /// Everything goes through a truncation to a signed 64-bit integer, which gives the least one for what does not fit.
    fn truncate_or_trap(&mut self, from: FloatWidth, to: IntWidth, sign: Sign) {
        let a = self.pop();
        let x = self.xmm(a);
        let r = self.alloc_gpr();
        let bad = self.stub(StubKind::BadConversion { float: x, ty: float::ty(from) });
        self.truncation(from, r, x);
        match (to, sign) {
            (IntWidth::W32, sign) => {
                self.narrow_to_scratch(r, sign);
                self.e.alu(Alu::Cmp, Size::S64, SCRATCH, r.into());
                self.e.jcc(Cond::Ne, bad);
                self.e.mov(Size::S32, r, r);
            }
            (IntWidth::W64, Sign::S) => {
                // The least value minus 1 overflows.
                self.e.alu_imm(Alu::Cmp, Size::S64, r.into(), 1);
                let fits = self.e.skip_if(Cond::No);
                let least = self.power_of_two(from, 63, true);
                self.compare_floats(from, x, least);
                self.e.jcc(Cond::Ne, bad);
                self.e.jcc(Cond::P, bad);
                self.e.land(fits);
            }
            (IntWidth::W64, Sign::U) => {
                let half = self.power_of_two(from, 63, false);
                self.compare_floats(from, x, half);
                let large = self.e.skip_if(Cond::Ae);
                self.e.test(Size::S64, r, r);
                self.e.jcc(Cond::S, bad);
                let done = self.e.skip();
                self.e.land(large);
                self.e.move_xmm(XSCRATCH, x);
                self.e.sse(if from == FloatWidth::F32 { sse::SUBSS } else { sse::SUBSD }, XSCRATCH, XSCRATCH, half);
                self.truncation(from, r, XSCRATCH);
                self.e.test(Size::S64, r, r);
                self.e.jcc(Cond::S, bad);
                self.e.mov_imm(Size::S64, SCRATCH, i64::MIN);
                self.e.alu(Alu::Xor, Size::S64, r, SCRATCH.into());
                self.e.land(done);
            }
        }
        self.free_xmm(x);
        self.push_gpr(int::ty(to), r);
    }

    /// The scratch register becomes what `r` would be if it were an integer of 32 bits.
    fn narrow_to_scratch(&mut self, r: Gpr, sign: Sign) {
        match sign {
            Sign::S => self.e.extend(Extend::Sign32, Size::S64, SCRATCH, r.into()),
            Sign::U => self.e.mov(Size::S32, SCRATCH, r),
        }
    }

    fn truncate_and_saturate(&mut self, from: FloatWidth, to: IntWidth, sign: Sign) {
        let a = self.pop();
        let x = self.xmm(a);
        let r = self.alloc_gpr();
        let done = self.e.label();
        self.truncation(from, r, x);
        let (least, greatest) = match (to, sign) {
            (IntWidth::W32, Sign::S) => (i64::from(i32::MIN), i64::from(i32::MAX)),
            (IntWidth::W32, Sign::U) => (0, i64::from(u32::MAX)),
            (IntWidth::W64, Sign::S) => (i64::MIN, i64::MAX),
            (IntWidth::W64, Sign::U) => (0, -1),
        };
        match (to, sign) {
            (IntWidth::W32, sign) => {
                self.narrow_to_scratch(r, sign);
                self.e.alu(Alu::Cmp, Size::S64, SCRATCH, r.into());
                self.e.jcc(Cond::E, done);
            }
            (IntWidth::W64, Sign::S) => {
                self.e.alu_imm(Alu::Cmp, Size::S64, r.into(), 1);
                self.e.jcc(Cond::No, done);
            }
            (IntWidth::W64, Sign::U) => {
                self.e.test(Size::S64, r, r);
                self.e.jcc(Cond::Ns, done);
                // Up to 2^64 there is another half.
                let half = self.power_of_two(from, 63, false);
                self.compare_floats(from, x, half);
                let out = self.e.skip_if(Cond::B);
                self.e.move_xmm(XSCRATCH, x);
                self.e.sse(if from == FloatWidth::F32 { sse::SUBSS } else { sse::SUBSD }, XSCRATCH, XSCRATCH, half);
                self.truncation(from, r, XSCRATCH);
                self.e.mov_imm(Size::S64, SCRATCH, i64::MIN);
                self.e.test(Size::S64, r, r);
                let over = self.e.skip_if(Cond::S);
                self.e.alu(Alu::Xor, Size::S64, r, SCRATCH.into());
                self.e.jmp_long(done);
                self.e.land(over);
                self.e.land(out);
            }
        }
        // It does not fit, or is no number.
        self.e.zero(r);
        self.compare_floats(from, x, x.into());
        self.e.jcc(Cond::P, done);
        self.e.zero_xmm(XSCRATCH);
        self.compare_floats(from, x, XSCRATCH.into());
        self.e.mov_imm(Size::S64, r, greatest);
        self.e.jcc(Cond::A, done);
        self.e.mov_imm(Size::S64, r, least);
        self.e.bind(done);
        if to == IntWidth::W32 {
            self.e.mov(Size::S32, r, r);
        }
        self.free_xmm(x);
        self.push_gpr(int::ty(to), r);
    }

    fn int_to_float(&mut self, from: IntWidth, to: FloatWidth, sign: Sign) {
        let a = self.pop();
        let op = if to == FloatWidth::F32 { sse::CVTSI2SS } else { sse::CVTSI2SD };
        if (from, sign) == (IntWidth::W64, Sign::U) {
            let r = self.own_gpr(a);
            let x = self.alloc_xmm();
            self.e.zero_xmm(x);
            self.e.test(Size::S64, r, r);
            let large = self.e.skip_if(Cond::S);
            self.e.sse_from_int(op, Size::S64, x, r.into());
            let done = self.e.skip();
            self.e.land(large);
            // Half of it, with the lowest bit kept for rounding, twice.
            self.e.mov(Size::S64, SCRATCH, r);
            self.e.shift_imm(Shift::Shr, Size::S64, r.into(), 1);
            self.e.alu_imm(Alu::And, Size::S32, SCRATCH.into(), 1);
            self.e.alu(Alu::Or, Size::S64, r, SCRATCH.into());
            self.e.sse_from_int(op, Size::S64, x, r.into());
            self.e.sse(if to == FloatWidth::F32 { sse::ADDSS } else { sse::ADDSD }, x, x, x.into());
            self.e.land(done);
            self.free_gpr(r);
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
        let operand = match (self.rm(a), from, sign) {
            // In memory, nothing is known of the upper half.
            (Rm::Mem(m), IntWidth::W32, Sign::U) => {
                self.e.load(Size::S32, SCRATCH, m);
                SCRATCH.into()
            }
            (operand, ..) => operand,
        };
        self.e.sse_from_int(op, size, x, operand);
        self.release(a);
        self.push_xmm(float::ty(to), x);
    }
}
