//! Values of any type.

use crate::error::Error;
use crate::exnref::ExnRef;
use crate::externref::ExternRef;
use crate::handles::Func;
use crate::store::StoreContextMut;
use crate::types::ValType;
use sconce_environ::types::{HeapType, RefKind};
use sconce_runtime as rt;

/// A wasm value. Floats are held as bits, so that NaN payloads survive and equality is bitwise.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Exception reference.
    ExnRef(Option<ExnRef>),
}

impl Val {
    /// Zero, or null.
    pub fn default_for(ty: ValType) -> Val {
        match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(0),
            ValType::Ref(r) if r.kind() == RefKind::Func => Val::FuncRef(None),
            ValType::Ref(r) if is_exception(r.heap) => Val::ExnRef(None),
            ValType::Ref(_) => Val::ExternRef(None),
        }
    }

    /// Its type; references as `funcref`, `externref` and `exnref`.
    pub fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FUNCREF,
            Val::ExternRef(_) => ValType::EXTERNREF,
            Val::ExnRef(_) => ValType::EXNREF,
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

impl Val {
    /// # Safety
    /// `raw` is a value of this type, a reference one of the store's.
    pub(crate) unsafe fn from_raw(raw: u128, ty: ValType, store: &rt::Store) -> Val {
        // What stands above a value's bytes is undefined: the casts drop it.
        match ty {
            ValType::I32 => Val::I32(raw as i32),
            ValType::I64 => Val::I64(raw as i64),
            ValType::F32 => Val::F32(raw as u32),
            ValType::F64 => Val::F64(raw as u64),
            ValType::V128 => Val::V128(raw),
            ValType::Ref(r) => match r.kind() {
                // SAFETY: as the caller promises.
                RefKind::Func => Val::FuncRef(unsafe { store.func_from_raw(raw as u64) }.map(|handle| Func { handle })),
                RefKind::Handle if is_exception(r.heap) => Val::ExnRef(ExnRef::from_raw(raw as u32, store)),
                RefKind::Handle => Val::ExternRef(ExternRef::from_raw(raw as u32, store)),
            },
        }
    }

    /// As [`Val::to_raw`], for an argument of wasm code, or what a host function gives it.
    pub(crate) fn to_frame<T>(&self, ty: ValType, store: &mut StoreContextMut<'_, T>) -> Result<u128, Error> {
        let raw = self.to_raw(ty, store)?;
        if let Val::ExternRef(Some(_)) | Val::ExnRef(Some(_)) = self {
            store.runtime_mut().enter_frame(raw as u32);
        }
        Ok(raw)
    }

    /// The value for a place of type `ty`. A reference is good as long as `self`.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is not of that type, or belongs to another store.
    pub(crate) fn to_raw<T>(&self, ty: ValType, store: &StoreContextMut<'_, T>) -> Result<u128, Error> {
        let mismatch = || Err(Error::Usage(format!("a value of type {ty} was expected, not {self}")));
        let runtime = store.runtime();
        let raw = match (self, ty) {
            (Val::I32(v), ValType::I32) => v.cast_unsigned().into(),
            (Val::I64(v), ValType::I64) => v.cast_unsigned().into(),
            (Val::F32(v), ValType::F32) => (*v).into(),
            (Val::F64(v), ValType::F64) => (*v).into(),
            (Val::V128(v), ValType::V128) => *v,
            (Val::FuncRef(None), ValType::Ref(r)) if r.nullable && r.kind() == RefKind::Func => 0,
            (Val::ExternRef(None), ValType::Ref(r)) if r.nullable && matches!(r.heap, HeapType::Extern | HeapType::NoExtern) => 0,
            (Val::ExnRef(None), ValType::Ref(r)) if r.nullable && is_exception(r.heap) => 0,
            (Val::ExnRef(Some(value)), ValType::Ref(r)) if r.heap == HeapType::Exn => value.to_raw(runtime)?.into(),
            (Val::FuncRef(Some(func)), ValType::Ref(r)) => {
                func.check(runtime)?;
                let own = HeapType::ConcreteFunc(runtime.func_type_id(func.handle));
                if !store.engine().types().heap_matches(own, r.heap) {
                    return mismatch();
                }
                runtime.func_to_raw(Some(func.handle)).into()
            }
            (Val::ExternRef(Some(value)), ValType::Ref(r)) if r.heap == HeapType::Extern => value.to_raw(runtime)?.into(),
            _ => return mismatch(),
        };
        Ok(raw)
    }
}

fn is_exception<R>(heap: HeapType<R>) -> bool {
    matches!(heap, HeapType::Exn | HeapType::NoExn)
}

impl std::fmt::Display for Val {
    /// Type and value: `i32 5`, `f32 1.5`, `null funcref`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Val::I32(v) => write!(f, "i32 {v}"),
            Val::I64(v) => write!(f, "i64 {v}"),
            Val::F32(v) => write!(f, "f32 {}", f32::from_bits(*v)),
            Val::F64(v) => write!(f, "f64 {}", f64::from_bits(*v)),
            Val::V128(v) => write!(f, "v128 {v:#034x}"),
            Val::FuncRef(None) => f.write_str("null funcref"),
            Val::FuncRef(Some(_)) => f.write_str("funcref"),
            Val::ExternRef(None) => f.write_str("null externref"),
            Val::ExnRef(None) => f.write_str("null exnref"),
            Val::ExnRef(Some(_)) => f.write_str("exnref"),
            Val::ExternRef(Some(_)) => f.write_str("externref"),
        }
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
