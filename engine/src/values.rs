//! Values of any type.

use crate::{ExternRef, Func, ValType};

/// A wasm value. Floats are held as bits, so that NaN payloads survive and equality is bitwise.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Val {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit float, as bits.
    F32(u32),
    /// 64-bit float, as bits.
    F64(u64),
    /// 128-bit vector; lane 0 is in the low bits.
    V128(u128),
    /// Function reference.
    FuncRef(Option<Func>),
    /// Host reference.
    ExternRef(Option<ExternRef>),
}

impl Val {
    /// Zero, or null.
    pub fn default_for(ty: ValType) -> Val {
        use sconce_environ::types::RefKind;
        match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(0),
            ValType::Ref(r) if r.kind() == RefKind::Func => Val::FuncRef(None),
            ValType::Ref(_) => Val::ExternRef(None),
        }
    }

    /// Its type; references as `funcref` and `externref`.
    pub fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FUNCREF,
            Val::ExternRef(_) => ValType::EXTERNREF,
        }
    }

    /// The `i32`, if it is one.
    pub fn i32(&self) -> Option<i32> {
        if let Val::I32(v) = self { Some(*v) } else { None }
    }

    /// The `i64`, if it is one.
    pub fn i64(&self) -> Option<i64> {
        if let Val::I64(v) = self { Some(*v) } else { None }
    }

    /// The `f32`, if it is one.
    pub fn f32(&self) -> Option<f32> {
        if let Val::F32(v) = self { Some(f32::from_bits(*v)) } else { None }
    }

    /// The `f64`, if it is one.
    pub fn f64(&self) -> Option<f64> {
        if let Val::F64(v) = self { Some(f64::from_bits(*v)) } else { None }
    }
}

macro_rules! from {
    ($($ty:ty => |$v:ident| $val:expr;)*) => {$(
        impl From<$ty> for Val {
            fn from($v: $ty) -> Val {
                $val
            }
        }
    )*};
}

from! {
    i32 => |v| Val::I32(v);
    u32 => |v| Val::I32(v.cast_signed());
    i64 => |v| Val::I64(v);
    u64 => |v| Val::I64(v.cast_signed());
    f32 => |v| Val::F32(v.to_bits());
    f64 => |v| Val::F64(v.to_bits());
    u128 => |v| Val::V128(v);
    Option<Func> => |v| Val::FuncRef(v);
    Option<ExternRef> => |v| Val::ExternRef(v);
}
