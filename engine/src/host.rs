//! Host functions from closures: an `extern "C"` function for each closure type, which the host-call trampoline calls with wasm's
//! arguments in registers.
//!
//! A host function returns to its trampoline in all cases. A panic or an error is recorded on the way ([`rt::host_call`]); the
//! trampoline then drops the wasm frames, and [`crate::typed::call`] takes up what was recorded.

use crate::caller::Caller;
use crate::engine::{Engine, signature};
use crate::error::Error;
use crate::limits::is_func_type;
use crate::typed::{WasmResults, WasmTy};
use crate::types::{FuncType, ValType};
use crate::values::Val;
use sconce_environ::abi::{MAX_VALUES, need_buffer, returns_reference};
use sconce_environ::vm::VmHostContext;
use sconce_runtime as rt;
use std::any::Any;
use std::borrow::Cow;
use std::ffi::c_void;
use std::sync::Arc;

/// A closure that can be a host function: `Fn(Caller<'_, T>, A1, .., An) -> R` or `Fn(A1, .., An) -> R` with up to 16 [`WasmTy`]
/// parameters, and `R` a [`HostResult`].
///
/// # Safety
/// Types and code fit each other; implemented here alone.
pub unsafe trait IntoFunc<T, P, R>: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    const PARAMS: &'static [ValType];
    #[doc(hidden)]
    const RESULTS: &'static [ValType];
    /// The function that the trampoline calls; the context's data is a pointer to the closure.
    #[doc(hidden)]
    fn code() -> *const c_void;
}

/// Whether a host function takes and gives everything in one array: it has more results than there are registers for.
const fn is_array(results: &[ValType]) -> bool {
    need_buffer(results)
}

/// What a host function returns: `()`, a [`WasmTy`], a tuple of them, or a `Result` of those with [`Error`].
pub trait HostResult {
    /// Without the `Result`.
    type Values: WasmResults;
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Values, Error>;
}

impl<R: WasmResults> HostResult for R {
    type Values = R;
    #[inline]
    fn into_result(self) -> Result<R, Error> {
        Ok(self)
    }
}

impl<R: WasmResults> HostResult for Result<R, Error> {
    type Values = R;
    #[inline]
    fn into_result(self) -> Result<R, Error> {
        self
    }
}

/// A host function that belongs to no store yet.
pub(crate) struct HostFunction {
    pub(crate) params: Cow<'static, [ValType]>,
    pub(crate) results: Cow<'static, [ValType]>,
    kind: rt::HostCallKind,
    code: *const c_void,
    data: *const c_void,
    /// Owns what `data` points to.
    keep: Arc<dyn Any + Send + Sync>,
}

// SAFETY: `code` is a function, and `data` points to what `keep` owns, which can be sent and shared.
unsafe impl Send for HostFunction {}
// SAFETY: as above; nothing is written.
unsafe impl Sync for HostFunction {}

impl HostFunction {
    pub(crate) fn wrap<T, P, R, F: IntoFunc<T, P, R>>(f: F) -> HostFunction {
        let keep = Arc::new(f);
        HostFunction {
            params: Cow::Borrowed(F::PARAMS),
            results: Cow::Borrowed(F::RESULTS),
            kind: if is_array(F::RESULTS) { rt::HostCallKind::Array } else { rt::HostCallKind::Registers },
            code: F::code(),
            data: Arc::as_ptr(&keep).cast(),
            keep,
        }
    }

    pub(crate) fn untyped<T: 'static, F>(ty: FuncType, f: F) -> Result<HostFunction, Error>
    where
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    {
        if !is_func_type(&ty) {
            return Err(Error::Usage(format!("a function has at most {MAX_VALUES} parameters and {MAX_VALUES} results")));
        }
        let (params, results) = (Cow::Owned(ty.params.to_vec()), Cow::Owned(ty.results.to_vec()));
        let keep = Arc::new(Untyped { ty, f });
        Ok(HostFunction {
            params,
            results,
            kind: rt::HostCallKind::Array,
            code: untyped::<T, F> as *const c_void,
            data: Arc::as_ptr(&keep).cast(),
            keep,
        })
    }

    pub(crate) fn ty(&self) -> FuncType {
        FuncType { params: (&*self.params).into(), results: (&*self.results).into() }
    }

    /// What the runtime wants to know.
    pub(crate) fn prepare(&self, engine: &Engine) -> Result<rt::HostFunc, Error> {
        let ty = self.ty();
        Ok(rt::HostFunc {
            trampoline: engine.inner.space.host_trampoline(&signature(&ty), self.kind, returns_reference(&ty))?,
            code: self.code,
            data: self.data.cast_mut(),
            keep: Some(self.keep.clone()),
            type_id: engine.type_id(&ty),
            // Debuggers do not follow a change of stacks but where trampolines make it.
            in_place: !engine.debugger(),
        })
    }
}

struct Untyped<F> {
    ty: FuncType,
    f: F,
}

/// The code of [`HostFunction::untyped`].
///
/// # Safety
/// Called by an array trampoline of the closure's type.
unsafe extern "C" fn untyped<T: 'static, F>(ctx: *mut VmHostContext, values: *mut u128)
where
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
{
    let body = || {
        // SAFETY: the context is of this host function, whose data is this closure.
        let this = unsafe { &*(*ctx).data.cast::<Untyped<F>>() };
        // SAFETY: a context of a function of `Store<T>`.
        let mut caller = unsafe { Caller::<T>::from_context(ctx) };
        let args: Vec<Val> = (0..)
            .zip(&this.ty.params)
            // SAFETY: the trampoline has written arguments of these types.
            .map(|(n, &ty)| unsafe { Val::from_raw(values.add(n).read(), ty, caller.store.runtime()) })
            .collect();
        caller.store.runtime_mut().boundary();
        let mut results: Vec<Val> = this.ty.results.iter().map(|&ty| Val::default_for(ty)).collect();
        (this.f)(caller.reborrow(), &args, &mut results).map_err(Error::into_stop)?;
        for (n, (result, &ty)) in results.iter().zip(&this.ty.results).enumerate() {
            let raw = result.to_frame(ty, &mut caller.store).map_err(Error::into_stop)?;
            // SAFETY: the array has a place for each result.
            unsafe { values.add(n).write(raw) };
        }
        Ok(())
    };
    // SAFETY: the trampoline's context.
    unsafe { rt::host_call(ctx, (), body) }
}

/// Whether one of these types is a reference.
const fn has_reference(types: &[ValType]) -> bool {
    let mut i = 0;
    while i < types.len() {
        if matches!(types[i], ValType::Ref(_)) {
            return true;
        }
        i += 1;
    }
    false
}

/// What all typed host functions do. What there is to be done for references afterwards is seen to by who called.
///
/// # Safety
/// `ctx` is the context of a host function of a `Store<T>`.
#[inline(always)]
unsafe fn run<T: 'static, R: HostResult, A>(
    ctx: *mut VmHostContext,
    on_failure: A,
    call: impl FnOnce(Caller<'_, T>) -> R,
    finish: impl FnOnce(R::Values, &mut rt::Store) -> Result<A, Error>,
) -> A {
    let body = || {
        // SAFETY: as the caller promises.
        let mut caller = unsafe { Caller::<T>::from_context(ctx) };
        let values = call(caller.reborrow()).into_result().map_err(Error::into_stop)?;
        finish(values, caller.store.runtime_mut()).map_err(Error::into_stop)
    };
    // SAFETY: the trampoline's context.
    unsafe { rt::host_call(ctx, on_failure, body) }
}

macro_rules! into_func {
    ($($name:ident $n:tt)*) => {
        // SAFETY: the shims take and give values of these types.
        unsafe impl<T: 'static, Fun, R, $($name,)*> IntoFunc<T, ($($name,)*), R> for Fun
        where
            Fun: Fn($($name),*) -> R + Send + Sync + 'static,
            R: HostResult,
            $($name: WasmTy,)*
        {
            into_func!(@items (Fn($($name),*) -> R) [] $($name $n)*);
        }

        // SAFETY: the shims take and give values of these types.
        unsafe impl<T: 'static, Fun, R, $($name,)*> IntoFunc<T, (Caller<'_, T>, $($name,)*), R> for Fun
        where
            Fun: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static,
            R: HostResult,
            $($name: WasmTy,)*
        {
            into_func!(@items (Fn(Caller<'_, T>, $($name),*) -> R) [caller] $($name $n)*);
        }
    };
    (@call [] $f:ident $caller:ident $($arg:expr),*) => {{
        let _ = $caller;
        $f($($arg),*)
    }};
    (@call [caller] $f:ident $caller:ident $($arg:expr),*) => { $f($caller, $($arg),*) };
    (@references $($name:ident)*) => {
        has_reference(&[$($name::TYPE,)*]) || has_reference(<R::Values as WasmResults>::TYPES)
    };
    (@items ($($bound:tt)*) $c:tt $($name:ident $n:tt)*) => {
        const PARAMS: &'static [ValType] = &[$($name::TYPE,)*];
        const RESULTS: &'static [ValType] = <R::Values as WasmResults>::TYPES;

        fn code() -> *const c_void {
            /// # Safety
            /// Called by a register trampoline of this type with at most one result.
            #[allow(non_snake_case)]
            unsafe extern "C" fn register<T: 'static, Fun, R, $($name: WasmTy,)*>(
                ctx: *mut VmHostContext,
                $($name: $name::Abi,)*
            ) -> <R::Values as WasmResults>::Abi
            where
                Fun: $($bound)* + Send + Sync + 'static,
                R: HostResult,
            {
                // SAFETY: the context is the closure's, and the arguments are of its types.
                unsafe {
                    run::<T, R, _>(
                        ctx,
                        <R::Values as WasmResults>::ZERO,
                        |mut caller| {
                            let f = &*(*ctx).data.cast::<Fun>();
                            $(let $name = $name::from_abi($name, caller.store.runtime());)*
                            if const { into_func!(@references $($name)*) } {
                                // The arguments are the host's own by now.
                                caller.store.runtime_mut().boundary();
                            }
                            into_func!(@call $c f caller $($name),*)
                        },
                        |values, store| values.register(store),
                    )
                }
            }

            /// # Safety
            /// Called by a register trampoline of this type with more than one result.
            #[allow(non_snake_case)]
            unsafe extern "C" fn area<T: 'static, Fun, R, $($name: WasmTy,)*>(
                ctx: *mut VmHostContext,
                $($name: $name::Abi,)*
                results: *mut u128,
            )
            where
                Fun: $($bound)* + Send + Sync + 'static,
                R: HostResult,
            {
                // SAFETY: as above, and the trampoline gives a place for each result.
                unsafe {
                    run::<T, R, _>(
                        ctx,
                        (),
                        |mut caller| {
                            let f = &*(*ctx).data.cast::<Fun>();
                            $(let $name = $name::from_abi($name, caller.store.runtime());)*
                            if const { into_func!(@references $($name)*) } {
                                // The arguments are the host's own by now.
                                caller.store.runtime_mut().boundary();
                            }
                            into_func!(@call $c f caller $($name),*)
                        },
                        |values, store| values.write(store, results),
                    )
                }
            }

            /// # Safety
            /// Called by an array trampoline of this type.
            #[allow(non_snake_case)]
            unsafe extern "C" fn array<T: 'static, Fun, R, $($name: WasmTy,)*>(ctx: *mut VmHostContext, values: *mut u128)
            where
                Fun: $($bound)* + Send + Sync + 'static,
                R: HostResult,
            {
                // SAFETY: as above; the array holds the arguments and has a place for each result.
                unsafe {
                    run::<T, R, _>(
                        ctx,
                        (),
                        |mut caller| {
                            let f = &*(*ctx).data.cast::<Fun>();
                            $(let $name = $name::from_raw(values.add($n).read(), caller.store.runtime());)*
                            if const { into_func!(@references $($name)*) } {
                                // The arguments are the host's own by now.
                                caller.store.runtime_mut().boundary();
                            }
                            into_func!(@call $c f caller $($name),*)
                        },
                        |results, store| results.write(store, values),
                    )
                }
            }

            // Only one of them is instantiated, so that the closure has one caller and can be inlined there.
            if const { is_array(<R::Values as WasmResults>::TYPES) } {
                array::<T, Fun, R, $($name,)*> as *const c_void
            } else if const { <R::Values as WasmResults>::TYPES.len() > 1 } {
                area::<T, Fun, R, $($name,)*> as *const c_void
            } else {
                register::<T, Fun, R, $($name,)*> as *const c_void
            }
        }
    };
}

into_func!();
into_func!(A 0);
into_func!(A 0 B 1);
into_func!(A 0 B 1 C 2);
into_func!(A 0 B 1 C 2 D 3);
into_func!(A 0 B 1 C 2 D 3 E 4);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14);
into_func!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 Q 15);
