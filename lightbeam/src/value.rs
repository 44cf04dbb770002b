//! Values on the abstract stack: where each one is while code is being generated.

use sconce_environ::types::{RefKind, ValType};
use sconce_x64::abi::Class;
use sconce_x64::encode::{Cond, Size};
use sconce_x64::register::{Gpr, Xmm};

/// What a register or slot holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    /// Zero-extended wherever it is in a register.
    I32,
    /// Pointers to function records as well.
    I64,
    F32,
    F64,
    V128,
    /// A counted reference: 32 bits, zero-extended, and in a stack map while a call is under way.
    Handle,
}

impl Ty {
    pub(crate) fn of(ty: ValType) -> Ty {
        match ty {
            ValType::I32 => Ty::I32,
            ValType::I64 => Ty::I64,
            ValType::F32 => Ty::F32,
            ValType::F64 => Ty::F64,
            ValType::V128 => Ty::V128,
            ValType::Ref(r) => match r.kind() {
                RefKind::Func => Ty::I64,
                RefKind::Handle => Ty::Handle,
            },
        }
    }

    /// Whether it lives in general-purpose registers.
    #[inline(always)]
    pub(crate) fn is_int(self) -> bool {
        matches!(self, Ty::I32 | Ty::I64 | Ty::Handle)
    }

    /// The size of operations on it, where it is an integer.
    #[inline(always)]
    pub(crate) fn size(self) -> Size {
        if matches!(self, Ty::I64 | Ty::F64) { Size::S64 } else { Size::S32 }
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Ty::I32 | Ty::Handle => Class::I32,
            Ty::I64 => Class::I64,
            Ty::F32 => Class::F32,
            Ty::F64 => Class::F64,
            Ty::V128 => Class::V128,
        }
    }
}

/// A condition in the processor's flags. Comparisons of floats for equality need the parity flag as well.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(align(4))]
pub(crate) enum Flag {
    Is(Cond),
    /// Equal and ordered.
    FloatEq,
    /// Not equal, or unordered.
    FloatNe,
}

impl Flag {
    pub(crate) fn not(self) -> Flag {
        match self {
            Flag::Is(cond) => Flag::Is(!cond),
            Flag::FloatEq => Flag::FloatNe,
            Flag::FloatNe => Flag::FloatEq,
        }
    }
}

/// A value on the abstract stack. What a variant has besides its type is four bytes in the same place in all of them, so that
/// moving a value is moving two words, whichever it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// An i32, the bits of an f32, a null handle, or an i64 that is this one sign-extended.
    Const(Ty, u32),
    /// Any other constant: its place in the pool.
    Pool(Ty, u32),
    Gpr(Ty, Gpr),
    Xmm(Ty, Xmm),
    /// In the frame slot of this stack position.
    Slot(Ty, u32),
    /// What the local with this number ([`crate::summary::Summary::locals`]) holds now.
    Local(Ty, u32),
    /// An i32, 1 if the condition holds, else 0. Only on top, and only if the next operator consumes it.
    Flags(Flag),
}

const _: () = assert!(size_of::<Value>() == 8);

impl Value {
    #[inline(always)]
    pub(crate) fn ty(self) -> Ty {
        match self {
            Value::Const(ty, _)
            | Value::Pool(ty, _)
            | Value::Gpr(ty, _)
            | Value::Xmm(ty, _)
            | Value::Slot(ty, _)
            | Value::Local(ty, _) => ty,
            Value::Flags(_) => Ty::I32,
        }
    }

    /// The integer, if it is one that an immediate can hold.
    #[inline(always)]
    pub(crate) fn imm(self) -> Option<i32> {
        match self {
            Value::Const(_, bits) => Some(bits.cast_signed()),
            _ => None,
        }
    }
}
