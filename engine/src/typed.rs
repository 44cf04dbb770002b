//! Calls from the host with types known at compile time: arguments are written to an array on the stack, the entry
//! trampoline does the rest.

use crate::error::Error;
use crate::externref::ExternRef;
use crate::handles::Func;
use crate::store::{AsContextMut, StoreContextMut};
use crate::types::ValType;
use sconce_runtime as rt;
use std::marker::PhantomData;

/// A function whose type was checked.
pub struct TypedFunc<P, R> {
    pub(crate) func: Func,
    pub(crate) entry: rt::EntryTrampoline,
    pub(crate) types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        TypedFunc { func: self.func, entry: self.entry.clone(), types: PhantomData }
    }
}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// Calls it.
    ///
    /// # Errors
    /// [`Error::Trap`]; whatever a host function returned; [`Error::Usage`] if a reference or the function
    /// belongs to another store.
    ///
    /// # Panics
    /// If a host function panicked: its panic continues here, after the wasm frames are gone.
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R, Error> {
        let mut store = store.as_context_mut();
        self.func.check(store.runtime())?;
        // Tuples are limited to as many.
        let mut values = [0u128; MAX_VALUES];
        store.runtime_mut().boundary();
        params.write(store.runtime_mut(), &mut values)?;
        let count = P::TYPES.len().max(R::TYPES.len());
        // SAFETY: the type was checked when `self` was made, `write` has checked that references are this store's, and
        // the store is the function's.
        unsafe { call(&mut store, &self.entry, self.func, &mut values[..count])? };
        // SAFETY: the function has written values of these types.
        let results = unsafe { R::read(store.runtime(), &values) };
        store.runtime_mut().boundary();
        Ok(results)
    }

    /// The function itself.
    pub fn func(&self) -> Func {
        self.func
    }
}

/// Calls a function and turns a failure into an error, or continues a host function's panic.
///
/// # Safety
/// `entry` and `values` fit the function's type, and references among the values are the store's.
pub(crate) unsafe fn call<T>(
    store: &mut StoreContextMut<'_, T>,
    entry: &rt::EntryTrampoline,
    func: Func,
    values: &mut [u128],
) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    match unsafe { store.runtime_mut().call(entry, func.handle, values) } {
        Ok(()) => Ok(()),
        Err(failure) => Err(store.failed(failure)),
    }
}

/// Most values in a tuple of parameters or results.
pub(crate) const MAX_VALUES: usize = 16;

/// A Rust type that is a wasm value: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, `u128` (v128), `Option<Func>`,
/// `Option<ExternRef>`.
///
/// # Safety
/// `Abi` is how the System V convention passes a value of `TYPE`; implemented here alone.
pub unsafe trait WasmTy: Sized + 'static {
    /// The wasm type.
    const TYPE: ValType;
    /// What is passed in a register or stack slot.
    #[doc(hidden)]
    type Abi: Copy + 'static;
    /// The value zero or null.
    #[doc(hidden)]
    const ZERO: Self::Abi;

    /// # Safety
    /// A reference is one of the store's.
    #[doc(hidden)]
    unsafe fn from_abi(abi: Self::Abi, store: &rt::Store) -> Self;
    #[doc(hidden)]
    fn into_abi(self, store: &mut rt::Store) -> Result<Self::Abi, Error>;
    /// # Safety
    /// As `from_abi`.
    #[doc(hidden)]
    unsafe fn from_raw(raw: u128, store: &rt::Store) -> Self;
    #[doc(hidden)]
    fn into_raw(self, store: &mut rt::Store) -> Result<u128, Error>;
}

macro_rules! numbers {
    ($($ty:ty as $bits:ty => $val:expr, |$v:ident| $to:expr, |$r:ident| $from:expr;)*) => {$(
        // SAFETY: a number of the same class and size.
        unsafe impl WasmTy for $ty {
            const TYPE: ValType = $val;
            type Abi = $ty;
            const ZERO: $ty = 0 as $ty;

            #[inline]
            unsafe fn from_abi(abi: $ty, _: &rt::Store) -> $ty {
                abi
            }
            #[inline]
            fn into_abi(self, _: &mut rt::Store) -> Result<$ty, Error> {
                Ok(self)
            }
            #[inline]
            unsafe fn from_raw(raw: u128, _: &rt::Store) -> $ty {
                // What stands above the value's bytes is undefined.
                let $r = raw as $bits;
                $from
            }
            #[inline]
            fn into_raw(self, _: &mut rt::Store) -> Result<u128, Error> {
                let $v = self;
                Ok(u128::from($to))
            }
        }
    )*};
}

numbers! {
    i32 as u32 => ValType::I32, |v| v.cast_unsigned(), |r| r.cast_signed();
    u32 as u32 => ValType::I32, |v| v, |r| r;
    i64 as u64 => ValType::I64, |v| v.cast_unsigned(), |r| r.cast_signed();
    u64 as u64 => ValType::I64, |v| v, |r| r;
    f32 as u32 => ValType::F32, |v| v.to_bits(), |r| f32::from_bits(r);
    f64 as u64 => ValType::F64, |v| v.to_bits(), |r| f64::from_bits(r);
}

#[cfg(target_arch = "x86_64")]
type Vector = std::arch::x86_64::__m128i;

// SAFETY: the System V convention passes `__m128i` in a vector register.
unsafe impl WasmTy for u128 {
    const TYPE: ValType = ValType::V128;
    type Abi = Vector;
    // SAFETY: any bits are a vector.
    const ZERO: Vector = unsafe { std::mem::transmute::<u128, Vector>(0) };

    #[inline]
    unsafe fn from_abi(abi: Vector, _: &rt::Store) -> u128 {
        // SAFETY: any bits are an integer.
        unsafe { std::mem::transmute::<Vector, u128>(abi) }
    }
    #[inline]
    fn into_abi(self, _: &mut rt::Store) -> Result<Vector, Error> {
        // SAFETY: any bits are a vector.
        Ok(unsafe { std::mem::transmute::<u128, Vector>(self) })
    }
    #[inline]
    unsafe fn from_raw(raw: u128, _: &rt::Store) -> u128 {
        raw
    }
    #[inline]
    fn into_raw(self, _: &mut rt::Store) -> Result<u128, Error> {
        Ok(self)
    }
}

// SAFETY: a function reference is an integer of 64 bits.
unsafe impl WasmTy for Option<Func> {
    const TYPE: ValType = ValType::FUNCREF;
    type Abi = u64;
    const ZERO: u64 = 0;

    unsafe fn from_abi(abi: u64, store: &rt::Store) -> Self {
        // SAFETY: as the caller promises.
        unsafe { store.func_from_raw(abi) }.map(|handle| Func { handle })
    }
    fn into_abi(self, store: &mut rt::Store) -> Result<u64, Error> {
        if let Some(func) = self {
            func.check(store)?;
        }
        Ok(store.func_to_raw(self.map(|f| f.handle)))
    }
    unsafe fn from_raw(raw: u128, store: &rt::Store) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self::from_abi(raw as u64, store) }
    }
    fn into_raw(self, store: &mut rt::Store) -> Result<u128, Error> {
        Ok(u128::from(self.into_abi(store)?))
    }
}

// SAFETY: a handle is an integer of 32 bits.
unsafe impl WasmTy for Option<ExternRef> {
    const TYPE: ValType = ValType::EXTERNREF;
    type Abi = u32;
    const ZERO: u32 = 0;

    #[inline]
    unsafe fn from_abi(abi: u32, store: &rt::Store) -> Self {
        ExternRef::from_raw(abi, store)
    }
    fn into_abi(self, store: &mut rt::Store) -> Result<u32, Error> {
        let Some(reference) = self else { return Ok(0) };
        let handle = reference.to_raw(store)?;
        // Before the host's own count is given up.
        store.enter_frame(handle);
        Ok(handle)
    }
    unsafe fn from_raw(raw: u128, store: &rt::Store) -> Self {
        ExternRef::from_raw(raw as u32, store)
    }
    fn into_raw(self, store: &mut rt::Store) -> Result<u128, Error> {
        Ok(u128::from(self.into_abi(store)?))
    }
}

/// What can be a typed function's parameters: one [`WasmTy`], or a tuple of up to 16.
///
/// # Safety
/// `write` puts values of `TYPES`, references of the store; implemented here alone.
pub unsafe trait WasmParams: Sized {
    /// The wasm types.
    const TYPES: &'static [ValType];
    #[doc(hidden)]
    fn write(self, store: &mut rt::Store, values: &mut [u128]) -> Result<(), Error>;
}

/// What can be a typed function's results: as [`WasmParams`].
///
/// # Safety
/// `Abi` and `TYPES` fit each other; implemented here alone.
pub unsafe trait WasmResults: Sized {
    /// The wasm types.
    const TYPES: &'static [ValType];
    /// What a host function returns in a register: the one result, or nothing.
    #[doc(hidden)]
    type Abi: Copy;
    #[doc(hidden)]
    const ZERO: Self::Abi;
    /// # Safety
    /// The values are of these types, references are the store's.
    #[doc(hidden)]
    unsafe fn read(store: &rt::Store, values: &[u128]) -> Self;
    /// The one result, or nothing; of more results, nothing.
    #[doc(hidden)]
    fn register(self, store: &mut rt::Store) -> Result<Self::Abi, Error>;
    /// # Safety
    /// `area` has a place for each result.
    #[doc(hidden)]
    unsafe fn write(self, store: &mut rt::Store, area: *mut u128) -> Result<(), Error>;
}

// SAFETY: one value.
unsafe impl<A: WasmTy> WasmParams for A {
    const TYPES: &'static [ValType] = &[A::TYPE];
    #[inline]
    fn write(self, store: &mut rt::Store, values: &mut [u128]) -> Result<(), Error> {
        values[0] = self.into_raw(store)?;
        Ok(())
    }
}

// SAFETY: one value.
unsafe impl<A: WasmTy> WasmResults for A {
    const TYPES: &'static [ValType] = &[A::TYPE];
    type Abi = A::Abi;
    const ZERO: A::Abi = A::ZERO;
    #[inline]
    unsafe fn read(store: &rt::Store, values: &[u128]) -> A {
        // SAFETY: as the caller promises.
        unsafe { A::from_raw(values[0], store) }
    }
    #[inline]
    fn register(self, store: &mut rt::Store) -> Result<A::Abi, Error> {
        WasmTy::into_abi(self, store)
    }
    #[inline]
    unsafe fn write(self, store: &mut rt::Store, area: *mut u128) -> Result<(), Error> {
        let raw = self.into_raw(store)?;
        // SAFETY: as the caller promises.
        unsafe { area.write(raw) };
        Ok(())
    }
}

macro_rules! tuple {
    // One element is in a register.
    (@abi $a:ident) => { $a::Abi };
    (@abi $($a:ident)*) => { () };
    (@zero $a:ident) => { $a::ZERO };
    (@zero $($a:ident)*) => { () };
    (@into $store:ident $a:ident) => { WasmTy::into_abi($a, $store) };
    (@into $store:ident $($a:ident)*) => {{ let _ = ($($a,)* $store); Ok(()) }};
    ($($name:ident $n:tt)*) => {
        // SAFETY: each value in its place.
        unsafe impl<$($name: WasmTy,)*> WasmParams for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE,)*];
            #[inline]
            #[allow(unused_variables)]
            fn write(self, store: &mut rt::Store, values: &mut [u128]) -> Result<(), Error> {
                $(values[$n] = self.$n.into_raw(store)?;)*
                Ok(())
            }
        }

        // SAFETY: of one value, the value's; else nothing is in registers.
        unsafe impl<$($name: WasmTy,)*> WasmResults for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE,)*];
            type Abi = tuple!(@abi $($name)*);
            const ZERO: Self::Abi = tuple!(@zero $($name)*);
            #[inline]
            #[allow(unused_variables, clippy::unused_unit, reason = "there is a tuple without values")]
            unsafe fn read(store: &rt::Store, values: &[u128]) -> Self {
                // SAFETY: as the caller promises.
                ($(unsafe { $name::from_raw(values[$n], store) },)*)
            }
            #[inline]
            #[allow(non_snake_case)]
            fn register(self, store: &mut rt::Store) -> Result<Self::Abi, Error> {
                let ($($name,)*) = self;
                tuple!(@into store $($name)*)
            }
            #[inline]
            #[allow(unused_variables)]
            unsafe fn write(self, store: &mut rt::Store, area: *mut u128) -> Result<(), Error> {
                // SAFETY: as the caller promises.
                $(unsafe { area.add($n).write(self.$n.into_raw(store)?) };)*
                Ok(())
            }
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0 B 1);
tuple!(A 0 B 1 C 2);
tuple!(A 0 B 1 C 2 D 3);
tuple!(A 0 B 1 C 2 D 3 E 4);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14);
tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 Q 15);
