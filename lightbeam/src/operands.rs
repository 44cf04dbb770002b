//! Values as instructions take them: in registers, in memory, as immediates, as constants behind the code.

use crate::codegen::Codegen;
use crate::local::{Local, UNPINNED};
use crate::registers::Bank;
use crate::scratch::Scratch;
use crate::value::{Flag, Ty, Value};
use sconce_x64::encode::{Addr, Encoder, Rm, Size};
use sconce_x64::register::{Gpr, Xmm};
use sconce_x64::sse;

impl Codegen<'_> {
    /// Where a value can be read, if it is not a constant. It holds until a register is allocated.
    #[inline(always)]
    pub(crate) fn rm(&mut self, value: Value) -> Rm {
        match value {
            Value::Gpr(_, r) => r.into(),
            Value::Xmm(_, x) => x.into(),
            Value::Slot(_, at) => self.frame.slot(at).into(),
            Value::Local(ty, n) => self.local_rm(ty, n),
            Value::Const(..) | Value::Pool(..) | Value::Flags(_) => unreachable!("not an operand in place"),
        }
    }

    #[inline(always)]
    pub(crate) fn local_rm(&self, ty: Ty, n: u32) -> Rm {
        let local = &self.locals[n as usize];
        if local.pin != UNPINNED {
            return Rm::Reg(local.pin);
        }
        let cached = if ty.is_int() { self.cached::<Gpr>(n).map(Rm::from) } else { self.cached::<Xmm>(n).map(Rm::from) };
        cached.unwrap_or(Rm::Mem(Addr::new(Gpr::Rbp, local.home)))
    }

    /// A value in a register, only to be read; to be given back with [`Codegen::free`].
    #[inline(always)]
    fn read<R: Bank>(&mut self, value: Value) -> R {
        if let Some(r) = R::of(value) {
            return r;
        }
        let Value::Local(_, n) = value else { return self.loaded(value) };
        if let Local { pin: pin @ 0..16, .. } = self.locals[n as usize] {
            return R::numbered(pin);
        }
        // One that is in use belongs to somebody who gives it back.
        if let Some(r) = self.cached(n)
            && R::file_mut(self).take_cached(r)
        {
            return r;
        }
        let r = self.loaded(value);
        self.cache(n, r);
        r
    }

    /// A value in a register that may be overwritten.
    #[inline(always)]
    fn own<R: Bank>(&mut self, value: Value) -> R {
        if let Some(r) = R::of(value)
            && self.is_temporary(r)
        {
            self.forget(r);
            return r;
        }
        self.loaded(value)
    }

    /// A copy of a value in a register that was free.
    #[inline(always)]
    fn loaded<R: Bank>(&mut self, value: Value) -> R {
        let r: R = self.alloc();
        r.load(self, value);
        r
    }

    /// An integer in a register, only to be read; to be given back with [`Codegen::free`].
    #[inline]
    pub(crate) fn gpr(&mut self, value: Value) -> Gpr {
        self.read(value)
    }

    /// A float or vector in a register, only to be read; to be given back with [`Codegen::free`].
    #[inline]
    pub(crate) fn xmm(&mut self, value: Value) -> Xmm {
        self.read(value)
    }

    /// An integer in a register that may be overwritten.
    #[inline]
    pub(crate) fn own_gpr(&mut self, value: Value) -> Gpr {
        self.own(value)
    }

    /// A float or vector in a register that may be overwritten.
    #[inline]
    pub(crate) fn own_xmm(&mut self, value: Value) -> Xmm {
        self.own(value)
    }

    /// `r = value`, flags left alone.
    pub(crate) fn load_gpr(&mut self, r: Gpr, value: Value) {
        let size = value.ty().size();
        match value {
            Value::Const(_, bits) => self.e.mov_imm(size, r, i64::from(bits.cast_signed())),
            Value::Pool(_, n) => self.e.mov_imm(Size::S64, r, self.stack.constant(n) as i64),
            Value::Flags(flag) => self.set_flag(r, flag),
            _ => match self.rm(value) {
                // The upper half of a register is zero already, and moving all is as cheap.
                Rm::Reg(s) if s == r as u8 => {}
                Rm::Reg(s) => self.e.mov(size, r, Gpr::ALL[s as usize & 15]),
                Rm::Mem(a) => self.e.load(size, r, a),
                Rm::Constant(_) => unreachable!("integers are immediates"),
            },
        }
    }

    pub(crate) fn set_flag(&mut self, r: Gpr, flag: Flag) {
        use sconce_x64::encode::{Cond, Extend};
        match flag {
            Flag::Is(cond) => {
                self.e.setcc(cond, r);
                self.e.extend(Extend::Zero8, Size::S32, r, r.into());
            }
            Flag::FloatEq | Flag::FloatNe => {
                let (parity, zero) = if flag == Flag::FloatEq { (0, Cond::E) } else { (1, Cond::Ne) };
                // Unordered is not equal.
                self.e.setcc(zero, r);
                self.e.extend(Extend::Zero8, Size::S32, r, r.into());
                self.scratch().constant_if(Cond::P, Size::S32, r, parity);
            }
        }
    }

    /// The bits of a constant.
    pub(crate) fn bits(&self, value: Value) -> Option<u128> {
        match value {
            Value::Const(Ty::I64, bits) => Some(u128::from(i64::from(bits.cast_signed()).cast_unsigned())),
            Value::Const(_, bits) => Some(bits.into()),
            Value::Pool(_, n) => Some(self.stack.constant(n)),
            _ => None,
        }
    }

    /// `x = value`.
    pub(crate) fn load_xmm(&mut self, x: Xmm, value: Value) {
        let ty = value.ty();
        if let Some(bits) = self.bits(value) {
            if bits == 0 {
                return self.e.zero_xmm(x);
            }
            return match ty {
                Ty::V128 => {
                    let c = self.e.wide_constant(bits);
                    self.e.sse_two(sse::MOVUPS, x, c.into());
                }
                _ => {
                    let c = self.e.constant(bits as u64);
                    self.e.sse_two(if ty == Ty::F32 { sse::MOVSS } else { sse::MOVSD }, x, c.into());
                }
            };
        }
        match self.rm(value) {
            Rm::Reg(s) => self.e.move_xmm(x, Xmm(s)),
            Rm::Mem(a) => load_xmm_mem(&mut self.e, ty, x, a),
            Rm::Constant(_) => unreachable!("constants were loaded"),
        }
    }

    /// A float operand of a scalar instruction: a register, memory, or a constant behind the code.
    #[inline]
    pub(crate) fn float_rm(&mut self, value: Value) -> Rm {
        match self.bits(value) {
            Some(bits) => self.e.constant(bits as u64).into(),
            None => self.rm(value),
        }
    }

    /// A vector operand: memory only where alignment does not matter, else the scratch register.
    pub(crate) fn vector_rm(&mut self, value: Value) -> (Scratch<'_>, Rm) {
        let operand = match self.bits(value) {
            Some(bits) => self.e.wide_constant(bits).into(),
            None => self.rm(value),
        };
        let s = self.scratch();
        match operand {
            Rm::Mem(a) if !s.e.has_avx() => {
                s.e.sse_two(sse::MOVUPS, s.x, a.into());
                let x = s.x.into();
                (s, x)
            }
            rm => (s, rm),
        }
    }

    /// Writes a value to memory that cannot fault. Only scratch registers are used, and flags stay.
    pub(crate) fn store_value(&mut self, to: Addr, value: Value) {
        let ty = value.ty();
        match value {
            Value::Gpr(_, r) => self.e.store(ty.size(), to, r),
            Value::Xmm(_, x) => store_xmm_mem(&mut self.e, ty, to, x),
            Value::Const(_, bits) => {
                self.e.store_imm(ty.size(), to, bits.cast_signed());
            }
            Value::Flags(_) => unreachable!("the next operator consumes flags"),
            Value::Pool(Ty::V128, _) => {
                let s = self.scratch_with_xmm(value);
                store_xmm_mem(s.e, ty, to, s.x);
            }
            Value::Pool(..) => {
                let s = self.scratch_with(value);
                s.e.store(Size::S64, to, s.r);
            }
            Value::Slot(..) | Value::Local(..) => match (self.rm(value), ty) {
                (Rm::Reg(r), _) if ty.is_int() => self.e.store(ty.size(), to, Gpr::ALL[r as usize & 15]),
                (Rm::Reg(x), _) => store_xmm_mem(&mut self.e, ty, to, Xmm(x)),
                (Rm::Mem(from), _) => self.copy(ty, to, from),
                (Rm::Constant(_), _) => unreachable!("not a constant"),
            },
        }
    }

    #[inline(always)]
    pub(crate) fn push_gpr(&mut self, ty: Ty, r: Gpr) {
        if self.settings.paranoid {
            self.check_result(ty, r);
        }
        self.push(Value::Gpr(ty, r));
    }

    #[inline(always)]
    pub(crate) fn push_xmm(&mut self, ty: Ty, x: Xmm) {
        self.push(Value::Xmm(ty, x));
    }

    /// A constant, as small as it can be.
    pub(crate) fn push_const(&mut self, ty: Ty, bits: u128) {
        let value = match ty {
            Ty::I32 | Ty::F32 | Ty::Handle => Value::Const(ty, bits as u32),
            Ty::I64 if i64::from(bits as i32) == bits as i64 => Value::Const(ty, bits as u32),
            // As the bits of a double, only zero is short.
            Ty::F64 if bits == 0 => Value::Const(ty, 0),
            _ => self.stack.add_constant(ty, bits),
        };
        self.push(value);
    }
}

/// Loads a float or vector.
pub(crate) fn load_xmm_mem(e: &mut Encoder, ty: Ty, x: Xmm, from: Addr) {
    let op = match ty {
        Ty::F32 => sse::MOVSS,
        Ty::V128 => sse::MOVUPS,
        _ => sse::MOVSD,
    };
    e.sse_two(op, x, from.into());
}

/// Stores a float or vector.
pub(crate) fn store_xmm_mem(e: &mut Encoder, ty: Ty, to: Addr, x: Xmm) {
    let op = match ty {
        Ty::F32 => sse::MOVSS_STORE,
        Ty::V128 => sse::MOVUPS_STORE,
        _ => sse::MOVSD_STORE,
    };
    e.sse_store(op, to, x);
}
