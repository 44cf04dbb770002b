//! Calls from the host with types known at compile time.

use crate::{AsContextMut, Error, ExternRef, Func, ValType};
use std::marker::PhantomData;

/// A function whose type was checked.
pub struct TypedFunc<P, R> {
    func: Func,
    _type: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// Calls it.
    ///
    /// # Errors
    /// [`Error::Trap`]; whatever a host function returned; [`Error::Usage`] if a reference or the function belongs to another store.
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R, Error> {
        let _ = (store.as_context_mut(), params);
        unimplemented!()
    }

    /// The function itself.
    pub fn func(&self) -> Func {
        self.func
    }
}

/// A Rust type that is a wasm value: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, `u128` (v128), `Option<Func>`, `Option<ExternRef>`.
pub trait WasmTy: Sized + Copy {
    /// The wasm type.
    const TYPE: ValType;
}

/// What can be a typed function's parameters: one [`WasmTy`], or a tuple of up to 16.
pub trait WasmParams {}
/// What can be a typed function's results: as [`WasmParams`].
pub trait WasmResults {}

macro_rules! wasm_ty {
    ($($ty:ty => $val:expr;)*) => {$(
        impl WasmTy for $ty {
            const TYPE: ValType = $val;
        }
        impl WasmParams for $ty {}
        impl WasmResults for $ty {}
    )*};
}
wasm_ty! {
    i32 => ValType::I32;
    u32 => ValType::I32;
    i64 => ValType::I64;
    u64 => ValType::I64;
    f32 => ValType::F32;
    f64 => ValType::F64;
    u128 => ValType::V128;
    Option<Func> => ValType::FUNCREF;
    Option<ExternRef> => ValType::EXTERNREF;
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: WasmTy,)*> WasmParams for ($($name,)*) {}
        impl<$($name: WasmTy,)*> WasmResults for ($($name,)*) {}
    )*};
}
tuples! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
    A B C D E F G H I J K L M;
    A B C D E F G H I J K L M N;
    A B C D E F G H I J K L M N O;
    A B C D E F G H I J K L M N O P;
}
