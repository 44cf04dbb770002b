//! Host functions from closures.

use crate::{Caller, Error, WasmResults, WasmTy};

/// A closure that can be a host function: `Fn(Caller<'_, T>, A1, .., An) -> R` or `Fn(A1, .., An) -> R` with up to 16 [`WasmTy`]
/// parameters, and `R` a [`HostResult`].
pub trait IntoFunc<T, P, R>: Send + Sync + 'static {}

/// What a host function returns: `()`, a [`WasmTy`], a tuple of them, or a `Result` of those with [`Error`].
pub trait HostResult {}

impl<R: WasmResults> HostResult for R {}
impl<R: WasmResults> HostResult for Result<R, Error> {}

macro_rules! into_func {
    ($($($name:ident)*;)*) => {$(
        impl<T: 'static, Fun, R, $($name,)*> IntoFunc<T, ($($name,)*), R> for Fun
        where
            Fun: Fn($($name,)*) -> R + Send + Sync + 'static,
            R: HostResult,
            $($name: WasmTy,)*
        {}
        impl<T: 'static, Fun, R, $($name,)*> IntoFunc<T, (Caller<'_, T>, $($name,)*), R> for Fun
        where
            Fun: Fn(Caller<'_, T>, $($name,)*) -> R + Send + Sync + 'static,
            R: HostResult,
            $($name: WasmTy,)*
        {}
    )*};
}
into_func! {
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
