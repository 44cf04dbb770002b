//! What instructions are made of: sizes, registers and memory, operations by their numbers.

use crate::register::{Gpr, Xmm};

/// A constant behind the code.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Constant(pub(super) u32);

/// A place in the code, bound once, referred to from anywhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Label(pub(super) u32);

/// Which constants: in the high bit of a [`Constant`].
pub(super) const WIDE: u32 = 1 << 31;

/// Operand size.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// 32 bits; a destination register's upper half becomes zero.
    S32,
    /// 64 bits.
    S64,
}

impl Size {
    #[inline(always)]
    pub(crate) fn wide(self) -> bool {
        self == Size::S64
    }
}

/// A memory operand: `[base + index << shift + disp]`, in 64 bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Addr {
    /// Numbers of registers; that of rsp means that there is no index.
    pub(super) base: u8,
    pub(super) index: u8,
    pub(super) shift: u8,
    disp: i32,
}

impl Addr {
    /// What is no index.
    pub(super) const NONE: u8 = Gpr::Rsp as u8;

    /// `[base + disp]`
    #[inline(always)]
    pub fn new(base: Gpr, disp: i32) -> Addr {
        Addr { base: base as u8, index: Addr::NONE, shift: 0, disp }
    }

    /// `[base + index + disp]`; the index is not rsp.
    #[inline(always)]
    pub fn indexed(base: Gpr, index: Gpr, disp: i32) -> Addr {
        Addr::scaled(base, index, 0, disp)
    }

    /// `[base + index << shift + disp]`; the index is not rsp, the shift at most 3.
    #[inline(always)]
    pub fn scaled(base: Gpr, index: Gpr, shift: u8, disp: i32) -> Addr {
        debug_assert!(index != Gpr::Rsp && shift < 4, "there is an encoding");
        Addr { base: base as u8, index: index as u8, shift, disp }
    }

    /// The base.
    pub fn base(self) -> Gpr {
        Gpr::ALL[self.base as usize & 15]
    }

    /// The index and its shift.
    pub fn index(self) -> Option<(Gpr, u8)> {
        (self.index != Addr::NONE).then(|| (Gpr::ALL[self.index as usize & 15], self.shift))
    }

    /// The displacement.
    #[inline(always)]
    pub fn disp(self) -> i32 {
        self.disp
    }

    /// The same, so many bytes further on.
    #[inline(always)]
    pub fn plus(self, bytes: i32) -> Addr {
        Addr { disp: self.disp + bytes, ..self }
    }
}

/// A register or memory operand.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Rm {
    /// A register of the class that the instruction takes here, by number.
    Reg(u8),
    /// Memory.
    Mem(Addr),
    /// A constant behind the code.
    Constant(Constant),
}

impl From<Gpr> for Rm {
    #[inline(always)]
    fn from(r: Gpr) -> Rm {
        Rm::Reg(r as u8)
    }
}

impl From<Xmm> for Rm {
    #[inline(always)]
    fn from(x: Xmm) -> Rm {
        Rm::Reg(x.0)
    }
}

impl From<Addr> for Rm {
    #[inline(always)]
    fn from(a: Addr) -> Rm {
        Rm::Mem(a)
    }
}

impl From<Constant> for Rm {
    #[inline(always)]
    fn from(c: Constant) -> Rm {
        Rm::Constant(c)
    }
}

/// Arithmetic of two operands, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotations, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// One-operand arithmetic, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Unary {
    Not = 2,
    Neg = 3,
    /// rdx:rax = rax * operand.
    Mul = 4,
    Imul = 5,
    Div = 6,
    Idiv = 7,
}

/// Bit counts: source to destination.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Count {
    Bsf,
    Bsr,
    Tzcnt,
    Lzcnt,
    Popcnt,
}

/// Atomic operations on memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Locked {
    Xchg,
    Xadd,
    /// With rax.
    Cmpxchg,
}

/// Loads and moves that extend.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Extend {
    Zero8,
    Zero16,
    Sign8,
    Sign16,
    /// `movsxd`; only to 64 bits.
    Sign32,
}

/// Conditions, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Cond {
    O = 0,
    No = 1,
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    Ns = 9,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cond {
    /// Every condition, by number.
    pub const ALL: [Cond; 16] = {
        use Cond::*;
        [O, No, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G]
    };
}

impl std::ops::Not for Cond {
    type Output = Cond;

    /// Its negation.
    #[inline]
    fn not(self) -> Cond {
        Cond::ALL[(self as usize) ^ 1]
    }
}
