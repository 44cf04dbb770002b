//! Integers.

use crate::codegen::Codegen;
use crate::register_file::bit;
use crate::scratch::Scratch;
use crate::value::{Flag, Ty, Value};
use sconce_environ::meaning;
use sconce_environ::ops::*;
use sconce_environ::trap::TrapCode;
use sconce_x64::encode::{Addr, Alu, Cond, Count, Encoder, Extend, Rm, Shift, Size, Unary};
use sconce_x64::register::Gpr;

#[inline]
pub(crate) fn i32_const(c: &mut Codegen<'_>, value: i32) {
    c.push(Value::Const(Ty::I32, value.cast_unsigned()));
}

#[inline]
pub(crate) fn i64_const(c: &mut Codegen<'_>, value: i64) {
    c.push_const(Ty::I64, value.cast_unsigned().into());
}

#[inline]
pub(crate) fn int_eqz(c: &mut Codegen<'_>, width: IntWidth) {
    let a = c.pop();
    match a {
        Value::Flags(flag) => c.push_flag(flag.not()),
        _ if c.bits(a).is_some() => {
            let zero = c.bits(a) == Some(0);
            c.push(Value::Const(Ty::I32, zero.into()));
        }
        _ => {
            c.compare_zero(size(width), a);
            c.release(a);
            c.push_flag(Flag::Is(Cond::E));
        }
    }
}

pub(crate) fn int_unary(c: &mut Codegen<'_>, width: IntWidth, op: IntUnary) {
    let a = c.pop();
    let (ty, size) = (ty(width), size(width));
    if let Some(bits) = c.bits(a) {
        return c.push_const(ty, meaning::int_unary(width, op, bits as u64).into());
    }
    let bits: i64 = if width == IntWidth::W32 { 32 } else { 64 };
    // The operand may be in memory, and the result may be made where it goes.
    c.release(a);
    match op {
        IntUnary::Extend8S => c.extend_low(ty, size, Extend::Sign8, a),
        IntUnary::Extend16S => c.extend_low(ty, size, Extend::Sign16, a),
        IntUnary::Extend32S => c.extend_low(ty, size, Extend::Sign32, a),
        IntUnary::Popcnt if !c.features.popcnt => c.popcnt_by_hand(ty, size, a),
        IntUnary::Popcnt => {
            let (dst, from) = c.result_for(a);
            c.e.count(Count::Popcnt, size, dst, from);
            c.push_gpr(ty, dst);
        }
        IntUnary::Clz if c.features.lzcnt => {
            let (dst, from) = c.result_for(a);
            c.e.count(Count::Lzcnt, size, dst, from);
            c.push_gpr(ty, dst);
        }
        IntUnary::Ctz if c.features.bmi1 => {
            let (dst, from) = c.result_for(a);
            c.e.count(Count::Tzcnt, size, dst, from);
            c.push_gpr(ty, dst);
        }
        IntUnary::Clz => {
            let (dst, from) = c.result_for(a);
            c.e.count(Count::Bsr, size, dst, from);
            // Of zero, the exclusive or makes this the width.
            c.scratch().constant_if(Cond::E, size, dst, 2 * bits - 1);
            c.e.alu_imm(Alu::Xor, size, dst.into(), (bits - 1) as i32);
            c.push_gpr(ty, dst);
        }
        IntUnary::Ctz => {
            let (dst, from) = c.result_for(a);
            c.e.count(Count::Bsf, size, dst, from);
            c.scratch().constant_if(Cond::E, size, dst, bits);
            c.push_gpr(ty, dst);
        }
    }
}

#[inline]
pub(crate) fn int_binary(c: &mut Codegen<'_>, width: IntWidth, op: IntBinary) {
    match op {
        IntBinary::And if c.body.flags_wanted() => c.test_bits(width),
        IntBinary::Add => c.arithmetic(width, op, Alu::Add),
        IntBinary::Sub => c.arithmetic(width, op, Alu::Sub),
        IntBinary::And => c.arithmetic(width, op, Alu::And),
        IntBinary::Or => c.arithmetic(width, op, Alu::Or),
        IntBinary::Xor => c.arithmetic(width, op, Alu::Xor),
        IntBinary::Mul => c.multiply(width),
        IntBinary::Shl => c.shift(width, op, Shift::Shl),
        IntBinary::ShrS => c.shift(width, op, Shift::Sar),
        IntBinary::ShrU => c.shift(width, op, Shift::Shr),
        IntBinary::Rotl => c.shift(width, op, Shift::Rol),
        IntBinary::Rotr => c.shift(width, op, Shift::Ror),
    }
}

pub(crate) fn int_divide(c: &mut Codegen<'_>, width: IntWidth, op: IntDivide) {
    let b = c.pop();
    let a = c.pop();
    let divisor = c.bits(b).map(|bits| meaning::signed(width, bits as u64));
    if let (Some(x), Some(y)) = (c.bits(a), c.bits(b))
        && let Ok(result) = meaning::int_divide(width, op, x as u64, y as u64)
    {
        return c.push_const(ty(width), result.into());
    }
    if let Some(power) = divisor.filter(|&d| d > 0 && d.count_ones() == 1)
        && matches!(op, IntDivide::DivU | IntDivide::RemU)
    {
        return c.divide_by_power(width, op, a, power.trailing_zeros() as u8);
    }
    c.divide(width, op, a, b, divisor);
}

#[inline]
pub(crate) fn int_compare(c: &mut Codegen<'_>, width: IntWidth, op: IntCompare) {
    let b = c.pop();
    let a = c.pop();
    let size = size(width);
    let mut cond = condition(op);
    if let (Some(x), Some(y)) = (c.bits(a), c.bits(b)) {
        let holds = meaning::int_compare(width, op, x as u64, y as u64);
        return c.push(Value::Const(Ty::I32, holds.into()));
    }
    let (mut a, mut b) = (a, b);
    if c.bits(a).is_some() {
        (a, b) = (b, a);
        cond = swap(cond);
    }
    if let Some(imm) = b.imm() {
        match c.rm(a) {
            Rm::Reg(r) if imm == 0 => c.e.test(size, Gpr::ALL[r as usize & 15], Gpr::ALL[r as usize & 15]),
            rm => c.e.alu_imm(Alu::Cmp, size, rm, imm),
        }
    } else if c.bits(b).is_some() {
        let rm = c.rm(a);
        let s = c.scratch_with(b);
        match rm {
            Rm::Reg(r) => s.e.alu(Alu::Cmp, size, Gpr::ALL[r as usize & 15], s.r.into()),
            Rm::Mem(m) => s.e.alu_mem(Alu::Cmp, size, m, s.r),
            Rm::Constant(_) => unreachable!("integers are immediates"),
        }
    } else {
        match (c.rm(a), c.rm(b)) {
            (Rm::Reg(r), rm) => c.e.alu(Alu::Cmp, size, Gpr::ALL[r as usize & 15], rm),
            (Rm::Mem(m), Rm::Reg(r)) => c.e.alu_mem(Alu::Cmp, size, m, Gpr::ALL[r as usize & 15]),
            _ => {
                let r = c.gpr(a);
                let rm = c.rm(b);
                c.e.alu(Alu::Cmp, size, r, rm);
                c.free(r);
            }
        }
    }
    c.release(a);
    c.release(b);
    c.push_flag(Flag::Is(cond));
}

pub(crate) fn int_wide(c: &mut Codegen<'_>, op: Wide) {
    match op {
        Wide::Add => c.wide_sum(Alu::Add, Alu::Adc),
        Wide::Sub => c.wide_sum(Alu::Sub, Alu::Sbb),
        Wide::Multiply(Sign::S) => c.wide_product(Unary::Imul),
        Wide::Multiply(Sign::U) => c.wide_product(Unary::Mul),
    }
}

/// The condition of a comparison.
pub(crate) fn condition(op: IntCompare) -> Cond {
    match op {
        IntCompare::Eq => Cond::E,
        IntCompare::Ne => Cond::Ne,
        IntCompare::LtS => Cond::L,
        IntCompare::LtU => Cond::B,
        IntCompare::GtS => Cond::G,
        IntCompare::GtU => Cond::A,
        IntCompare::LeS => Cond::Le,
        IntCompare::LeU => Cond::Be,
        IntCompare::GeS => Cond::Ge,
        IntCompare::GeU => Cond::Ae,
    }
}

/// The condition with operands exchanged.
fn swap(cond: Cond) -> Cond {
    match cond {
        Cond::L => Cond::G,
        Cond::G => Cond::L,
        Cond::Le => Cond::Ge,
        Cond::Ge => Cond::Le,
        Cond::B => Cond::A,
        Cond::A => Cond::B,
        Cond::Be => Cond::Ae,
        Cond::Ae => Cond::Be,
        same => same,
    }
}

#[inline(always)]
pub(crate) fn ty(width: IntWidth) -> Ty {
    match width {
        IntWidth::W32 => Ty::I32,
        IntWidth::W64 => Ty::I64,
    }
}

#[inline(always)]
pub(crate) fn size(width: IntWidth) -> Size {
    match width {
        IntWidth::W32 => Size::S32,
        IntWidth::W64 => Size::S64,
    }
}

impl Codegen<'_> {
    /// Flags of a popped value against zero.
    fn compare_zero(&mut self, size: Size, a: Value) {
        match self.rm(a) {
            Rm::Reg(r) => self.e.test(size, Gpr::ALL[r as usize & 15], Gpr::ALL[r as usize & 15]),
            rm => self.e.alu_imm(Alu::Cmp, size, rm, 0),
        }
    }

    /// Flags of `and`, of whose result nobody wants more.
    fn test_bits(&mut self, width: IntWidth) {
        let size = size(width);
        let b = self.pop();
        let a = self.pop();
        let (a, b) = match (self.bits(a), self.bits(b)) {
            (Some(x), Some(y)) => {
                let bits = meaning::int_binary(width, IntBinary::And, x as u64, y as u64);
                return self.push_const(ty(width), bits.into());
            }
            (Some(_), None) => (b, a),
            _ => (a, b),
        };
        if let Some(imm) = b.imm() {
            let a = self.rm(a);
            self.e.test_imm(size, a, imm);
        } else if self.bits(b).is_some() {
            let a = self.rm(a);
            let s = self.scratch_with(b);
            s.e.test(size, a, s.r);
        } else if let Some(r) = self.register_of(b) {
            let a = self.rm(a);
            self.e.test(size, a, r);
        } else {
            let r = self.gpr(a);
            let b = self.rm(b);
            self.e.test(size, b, r);
            self.free(r);
        }
        self.release(a);
        self.release(b);
        self.push(Value::Flags(Flag::Is(Cond::Ne)));
    }

    /// A register for the result of an operator of one operand, and the operand. The result may overwrite it.
    pub(crate) fn result_for(&mut self, a: Value) -> (Gpr, Rm) {
        if let Some(dst) = self.wanted_gpr() {
            return (dst, self.rm(a));
        }
        match a {
            // Its own register, which was released.
            Value::Gpr(_, r) if self.is_temporary(r) => {
                self.gprs.take_this(r);
                (r, r.into())
            }
            _ => {
                let dst = self.alloc_gpr();
                (dst, self.rm(a))
            }
        }
    }

    fn extend_low(&mut self, ty: Ty, size: Size, op: Extend, a: Value) {
        let (dst, from) = self.result_for(a);
        self.e.extend(op, size, dst, from);
        self.push_gpr(ty, dst);
    }

    fn popcnt_by_hand(&mut self, ty: Ty, size: Size, a: Value) {
        let r = match a {
            Value::Gpr(_, r) if self.is_temporary(r) => {
                self.gprs.take_this(r);
                r
            }
            _ => self.own_gpr(a),
        };
        let t = self.alloc_gpr();
        let s = self.scratch();
        let mask = |e: &mut Encoder, pattern: u64| {
            let bits = if size == Size::S32 { i64::from(pattern as u32 as i32) } else { pattern as i64 };
            e.mov_imm(size, s.r, bits);
        };
        s.e.mov(size, t, r);
        s.e.shift_imm(Shift::Shr, size, t.into(), 1);
        mask(s.e, 0x5555_5555_5555_5555);
        s.e.alu(Alu::And, size, t, s.r.into());
        s.e.alu(Alu::Sub, size, r, t.into());
        mask(s.e, 0x3333_3333_3333_3333);
        s.e.mov(size, t, r);
        s.e.alu(Alu::And, size, r, s.r.into());
        s.e.shift_imm(Shift::Shr, size, t.into(), 2);
        s.e.alu(Alu::And, size, t, s.r.into());
        s.e.alu(Alu::Add, size, r, t.into());
        s.e.mov(size, t, r);
        s.e.shift_imm(Shift::Shr, size, t.into(), 4);
        s.e.alu(Alu::Add, size, r, t.into());
        mask(s.e, 0x0f0f_0f0f_0f0f_0f0f);
        s.e.alu(Alu::And, size, r, s.r.into());
        mask(s.e, 0x0101_0101_0101_0101);
        s.e.imul(size, r, s.r.into());
        s.e.shift_imm(Shift::Shr, size, r.into(), if size == Size::S32 { 24 } else { 56 });
        drop(s);
        self.free(t);
        self.push_gpr(ty, r);
    }

    /// Addition, subtraction and logic.
    #[inline(always)]
    fn arithmetic(&mut self, width: IntWidth, op: IntBinary, alu: Alu) {
        let (ty, size) = (ty(width), size(width));
        let mut b = self.pop();
        let mut a = self.pop();
        let commutes = alu != Alu::Sub;
        if let Some(x) = self.bits(a) {
            if let Some(y) = self.bits(b) {
                return self.push_const(ty, meaning::int_binary(width, op, x as u64, y as u64).into());
            }
            if commutes {
                (a, b) = (b, a);
            }
        }
        // A temporary on the left can take the result.
        if commutes && !matches!(a, Value::Gpr(..)) && matches!(b, Value::Gpr(..)) {
            (a, b) = (b, a);
        }
        let wanted = self.wanted_gpr().filter(|&dst| !self.reads(b, dst) || commutes);
        if let Some(dst) = wanted
            && self.reads(b, dst)
            && !self.reads(a, dst)
        {
            (a, b) = (b, a);
        }
        let dst = match wanted {
            Some(dst) => dst,
            None => match a {
                Value::Gpr(_, r) if self.is_temporary(r) => {
                    self.forget(r);
                    r
                }
                _ => self.alloc_gpr(),
            },
        };
        self.arithmetic_into(alu, size, dst, a, b);
        self.release_unless(a, dst);
        self.release_unless(b, dst);
        self.push_gpr(ty, dst);
    }

    /// `dst = a op b`; where `b` reads `dst`, so does `a`.
    #[inline(always)]
    fn arithmetic_into(&mut self, alu: Alu, size: Size, dst: Gpr, a: Value, b: Value) {
        if !self.reads(a, dst) {
            // Sums have a form of three operands.
            if let (Alu::Add | Alu::Sub, Some(imm), Some(r)) = (alu, b.imm(), self.register_of(a))
                && let Some(imm) = if alu == Alu::Add { Some(imm) } else { imm.checked_neg() }
            {
                return self.e.lea(size, dst, Addr::new(r, imm));
            }
            if let (Alu::Add, Some(x), Some(y)) = (alu, self.register_of(a), self.register_of(b)) {
                return self.e.lea(size, dst, Addr::indexed(x, y, 0));
            }
            self.load_gpr(dst, a);
        }
        match b {
            Value::Const(_, imm) => self.e.alu_imm(alu, size, dst.into(), imm.cast_signed()),
            // A constant that is no immediate.
            Value::Pool(..) => {
                let s = self.scratch_with(b);
                s.e.alu(alu, size, dst, s.r.into());
            }
            _ => {
                let b = self.rm(b);
                self.e.alu(alu, size, dst, b);
            }
        }
    }

    /// The register that a value is in, if it is in one.
    #[inline(always)]
    pub(crate) fn register_of(&mut self, value: Value) -> Option<Gpr> {
        match value {
            Value::Gpr(_, r) => Some(r),
            Value::Local(..) => match self.rm(value) {
                Rm::Reg(r) => Some(Gpr::ALL[r as usize & 15]),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a value is in this register.
    #[inline(always)]
    pub(crate) fn reads(&mut self, value: Value, r: Gpr) -> bool {
        self.register_of(value) == Some(r)
    }

    /// Gives a popped value's register back, unless it has the result now.
    #[inline(always)]
    pub(crate) fn release_unless(&mut self, value: Value, dst: Gpr) {
        if let Value::Gpr(_, r) = value
            && r != dst
        {
            self.free(r);
        }
    }

    fn multiply(&mut self, width: IntWidth) {
        let (ty, size) = (ty(width), size(width));
        let mut b = self.pop();
        let mut a = self.pop();
        if let Some(x) = self.bits(a) {
            if let Some(y) = self.bits(b) {
                return self.push_const(ty, meaning::int_binary(width, IntBinary::Mul, x as u64, y as u64).into());
            }
            (a, b) = (b, a);
        }
        if let Some(imm) = b.imm() {
            self.release(a);
            if imm > 0 && imm.count_ones() == 1 {
                let dst = match self.wanted_gpr() {
                    Some(dst) => {
                        self.load_gpr(dst, a);
                        dst
                    }
                    None => {
                        let (dst, from) = self.result_for(a);
                        if from != Rm::from(dst) {
                            self.load_gpr(dst, a);
                        }
                        dst
                    }
                };
                self.e.shift_imm(Shift::Shl, size, dst.into(), imm.trailing_zeros() as u8);
                return self.push_gpr(ty, dst);
            }
            let (dst, from) = self.result_for(a);
            self.e.imul_imm(size, dst, from, imm);
            return self.push_gpr(ty, dst);
        }
        if !matches!(a, Value::Gpr(..)) && matches!(b, Value::Gpr(..)) {
            (a, b) = (b, a);
        }
        let dst = self.own_gpr(a);
        if let Value::Pool(..) = b {
            let s = self.scratch_with(b);
            s.e.imul(size, dst, s.r.into());
        } else {
            let from = self.rm(b);
            self.e.imul(size, dst, from);
        }
        self.release_unless(b, dst);
        self.push_gpr(ty, dst);
    }

    fn shift(&mut self, width: IntWidth, op: IntBinary, shift: Shift) {
        let (ty, size) = (ty(width), size(width));
        let b = self.pop();
        let a = self.pop();
        let mask = if width == IntWidth::W32 { 31 } else { 63 };
        if let Some(count) = self.bits(b) {
            if let Some(x) = self.bits(a) {
                return self.push_const(ty, meaning::int_binary(width, op, x as u64, count as u64).into());
            }
            let count = count as u8 & mask;
            let dst = match self.wanted_gpr() {
                Some(dst) => {
                    self.load_gpr(dst, a);
                    self.release(a);
                    dst
                }
                None => self.own_gpr(a),
            };
            if count != 0 {
                self.e.shift_imm(shift, size, dst.into(), count);
            }
            return self.push_gpr(ty, dst);
        }
        if self.features.bmi2 && matches!(shift, Shift::Shl | Shift::Shr | Shift::Sar) {
            let count = self.gpr(b);
            let a = match a {
                Value::Const(..) | Value::Pool(..) => Value::Gpr(ty, self.gpr(a)),
                other => other,
            };
            let dst = match (self.wanted_gpr(), a) {
                (Some(dst), _) => dst,
                (None, Value::Gpr(_, r)) if self.is_temporary(r) => {
                    self.forget(r);
                    r
                }
                _ => self.alloc_gpr(),
            };
            let from = self.rm(a);
            self.e.shift_by(shift, size, dst, from, count);
            self.release_unless(a, dst);
            self.free(count);
            return self.push_gpr(ty, dst);
        }
        // The count must be in cl.
        let mut a = a;
        if let Value::Gpr(_, Gpr::Rcx) = b {
            self.forget(Gpr::Rcx);
        } else {
            if let Value::Gpr(t, Gpr::Rcx) = a {
                let other = self.alloc_gpr();
                self.e.mov(Size::S64, other, Gpr::Rcx);
                self.free(Gpr::Rcx);
                a = Value::Gpr(t, other);
            }
            self.acquire(Gpr::Rcx);
            self.load_gpr(Gpr::Rcx, b);
            self.release(b);
        }
        let dst = self.own_gpr(a);
        self.e.shift_cl(shift, size, dst.into());
        self.free(Gpr::Rcx);
        self.push_gpr(ty, dst);
    }

    fn wide_sum(&mut self, low_op: Alu, high_op: Alu) {
        let [b_high, b_low, a_high, a_low] = std::array::from_fn(|_| self.pop());
        let low = self.own_gpr(a_low);
        let high = self.own_gpr(a_high);
        // Nothing but moves may come between the two.
        let b_high = match b_high {
            Value::Const(..) | Value::Pool(..) => Value::Gpr(Ty::I64, self.gpr(b_high)),
            other => other,
        };
        let b_low = match b_low {
            Value::Const(..) | Value::Pool(..) => Value::Gpr(Ty::I64, self.gpr(b_low)),
            other => other,
        };
        let from = self.rm(b_low);
        self.e.alu(low_op, Size::S64, low, from);
        let from = self.rm(b_high);
        self.e.alu(high_op, Size::S64, high, from);
        self.release(b_low);
        self.release(b_high);
        self.push_gpr(Ty::I64, low);
        self.push_gpr(Ty::I64, high);
    }

    fn wide_product(&mut self, op: Unary) {
        let b = self.pop();
        let a = self.pop();
        let b = self.out_of_rax_and_rdx(b);
        self.take_rax_with(a);
        self.acquire(Gpr::Rdx);
        let (s, from) = self.readable(b);
        s.e.unary(op, Size::S64, from);
        drop(s);
        self.release(b);
        self.push_gpr(Ty::I64, Gpr::Rax);
        self.push_gpr(Ty::I64, Gpr::Rdx);
    }

    /// A popped operand that is not in rax or rdx, so that these can be taken.
    fn out_of_rax_and_rdx(&mut self, b: Value) -> Value {
        let Value::Gpr(ty, r @ (Gpr::Rax | Gpr::Rdx)) = b else { return b };
        let other = self.alloc_outside(bit(Gpr::Rax) | bit(Gpr::Rdx));
        self.e.mov(Size::S64, other, r);
        self.free(r);
        Value::Gpr(ty, other)
    }

    /// An operand for instructions that take no immediates: a constant is in the scratch register.
    fn readable(&mut self, b: Value) -> (Scratch<'_>, Rm) {
        match b {
            Value::Const(..) | Value::Pool(..) => {
                let s = self.scratch_with(b);
                let operand = s.r.into();
                (s, operand)
            }
            _ => {
                let operand = self.rm(b);
                (self.scratch(), operand)
            }
        }
    }

    /// Takes rax, with a popped value in it.
    fn take_rax_with(&mut self, a: Value) {
        if let Value::Gpr(_, Gpr::Rax) = a {
            return self.forget(Gpr::Rax);
        }
        self.acquire(Gpr::Rax);
        self.load_gpr(Gpr::Rax, a);
        self.release(a);
    }

    fn divide_by_power(&mut self, width: IntWidth, op: IntDivide, a: Value, log2: u8) {
        let (ty, size) = (ty(width), size(width));
        let dst = self.own_gpr(a);
        if op == IntDivide::DivU {
            if log2 != 0 {
                self.e.shift_imm(Shift::Shr, size, dst.into(), log2);
            }
        } else if log2 <= 31 {
            // A mask of up to 31 ones is a positive immediate.
            self.e.alu_imm(Alu::And, size, dst.into(), ((1u64 << log2) - 1) as i32);
        } else {
            let s = self.scratch();
            s.e.mov_imm(Size::S64, s.r, ((1u64 << log2) - 1) as i64);
            s.e.alu(Alu::And, size, dst, s.r.into());
        }
        self.push_gpr(ty, dst);
    }

    fn divide(&mut self, width: IntWidth, op: IntDivide, a: Value, b: Value, divisor: Option<i64>) {
        let (ty, size) = (ty(width), size(width));
        let is_signed = matches!(op, IntDivide::DivS | IntDivide::RemS);
        let may_be = |value: i64| divisor.is_none_or(|d| d == value);
        let b = self.out_of_rax_and_rdx(b);
        self.take_rax_with(a);
        self.acquire(Gpr::Rdx);
        let zero = (is_signed && may_be(0)).then(|| self.trap_label(TrapCode::IntegerDivideByZero));
        let (mut s, from) = self.readable(b);
        if !is_signed {
            s.e.zero(Gpr::Rdx);
            // Zero is the only divisor for which the quotient does not fit.
            if may_be(0) {
                s.may_trap(TrapCode::IntegerDivideByZero);
            }
            s.e.unary(Unary::Div, size, from);
        } else {
            if let Some(zero) = zero {
                match from {
                    Rm::Reg(r) => s.e.test(size, Gpr::ALL[r as usize & 15], Gpr::ALL[r as usize & 15]),
                    _ => s.e.alu_imm(Alu::Cmp, size, from, 0),
                }
                s.e.jcc(Cond::E, zero);
            }
            let mut done = None;
            if op == IntDivide::RemS && may_be(-1) {
                // The least value divided by -1 overflows, but its remainder is 0, as that of any other.
                s.e.alu_imm(Alu::Cmp, size, from, -1);
                let other = s.e.skip_if(Cond::Ne);
                s.e.zero(Gpr::Rdx);
                done = Some(s.e.skip());
                s.e.land(other);
            }
            s.e.sign_extend_rax(size);
            if op == IntDivide::DivS && may_be(-1) {
                s.may_trap(TrapCode::IntegerOverflow);
            }
            s.e.unary(Unary::Idiv, size, from);
            if let Some(done) = done {
                s.e.land(done);
            }
        }
        drop(s);
        let (result, other) = match op {
            IntDivide::DivS | IntDivide::DivU => (Gpr::Rax, Gpr::Rdx),
            IntDivide::RemS | IntDivide::RemU => (Gpr::Rdx, Gpr::Rax),
        };
        self.release(b);
        self.free(other);
        self.push_gpr(ty, result);
    }
}
