//! Functions.

use crate::caller::Caller;
use crate::error::Error;
use crate::handles::Func;
use crate::host::{HostFunction, IntoFunc};
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::typed::{self, MAX_VALUES, TypedFunc, WasmParams, WasmResults};
use crate::types::FuncType;
use crate::values::Val;
use sconce_runtime as rt;
use std::marker::PhantomData;

impl Func {
    /// A host function of any type. The closure is given the arguments and writes the results, which are zeros and nulls before;
    /// a result of the wrong type is an error of the call.
    ///
    /// # Errors
    /// [`Error::Usage`] for more than 1000 parameters or results; [`Error::Resources`] if the trampoline cannot be made.
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        f: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Func, Error> {
        Func::host(&mut store.as_context_mut(), &HostFunction::untyped(ty, f)?)
    }

    /// A host function from a closure; its type is the closure's.
    ///
    /// # Errors
    /// [`Error::Resources`] if the trampoline cannot be made.
    pub fn wrap<T: 'static, P, R>(mut store: impl AsContextMut<Data = T>, f: impl IntoFunc<T, P, R>) -> Result<Func, Error> {
        Func::host(&mut store.as_context_mut(), &HostFunction::wrap(f))
    }

    /// Makes a host function of `Store<T>` in the store. The function is of a closure for `T`.
    pub(crate) fn host<T>(store: &mut StoreContextMut<'_, T>, function: &HostFunction) -> Result<Func, Error> {
        let host = function.prepare(store.engine())?;
        // SAFETY: the code is an instance of a shim for the shape that the trampoline was made for, and `keep` owns the data.
        let handle = unsafe { store.runtime_mut().new_host_func(host) };
        Ok(Func { handle })
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        let id = store.runtime().func_type_id(self.handle);
        store.engine().types().func_type(id).clone()
    }

    /// Its index in the module that defines it; `None` for a host function.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn index(&self, store: impl AsContext) -> Option<u32> {
        store.as_context().runtime().func_index(self.handle).map(|f| f.as_u32())
    }

    /// Calls it.
    ///
    /// # Errors
    /// [`Error::Usage`] if number or types of arguments or the number of results are wrong, or if a reference
    /// belongs to another store; [`Error::Trap`]; whatever a host function returned.
    ///
    /// # Panics
    /// If a host function panicked: its panic continues here, after the wasm frames are gone.
    pub fn call(&self, mut store: impl AsContextMut, args: &[Val], results: &mut [Val]) -> Result<(), Error> {
        let mut store = store.as_context_mut();
        self.check(store.runtime())?;
        let id = store.runtime().func_type_id(self.handle);
        let ty = store.engine().types().func_type(id).clone();
        if (args.len(), results.len()) != (ty.params.len(), ty.results.len()) {
            return Err(Error::Usage(format!(
                "a function {ty} was called with {} arguments and a place for {} results",
                args.len(),
                results.len()
            )));
        }
        let entry = store.engine().entry(id)?;
        let (mut few, mut many) = ([0u128; MAX_VALUES], Vec::new());
        let count = args.len().max(results.len());
        let values = if count <= MAX_VALUES {
            &mut few[..count]
        } else {
            many.resize(count, 0u128);
            &mut many[..]
        };
        store.runtime_mut().boundary();
        for ((value, arg), &ty) in values.iter_mut().zip(args).zip(&ty.params) {
            *value = arg.to_frame(ty, &mut store)?;
        }
        // SAFETY: the arguments were checked, and the trampoline is for this type.
        unsafe { typed::call(&mut store, &entry, *self, values)? };
        for ((result, value), &ty) in results.iter_mut().zip(values).zip(&ty.results) {
            // SAFETY: the function has written results of its type.
            *result = unsafe { Val::from_raw(*value, ty, store.runtime()) };
        }
        store.runtime_mut().boundary();
        Ok(())
    }

    /// The same function, with its type checked once and for all.
    ///
    /// # Errors
    /// [`Error::Usage`] if its type is another.
    pub fn typed<P: WasmParams, R: WasmResults>(&self, store: impl AsContext) -> Result<TypedFunc<P, R>, Error> {
        let store = store.as_context();
        self.check(store.runtime())?;
        let id = store.runtime().func_type_id(self.handle);
        let types = store.engine().types();
        let ty = types.func_type(id);
        // Parameters go in and results come out: each the way in which every value fits.
        let fits = (P::TYPES.len(), R::TYPES.len()) == (ty.params.len(), ty.results.len())
            && P::TYPES.iter().zip(&ty.params).all(|(&given, &wanted)| types.val_matches(given, wanted))
            && R::TYPES.iter().zip(&ty.results).all(|(&wanted, &given)| types.val_matches(given, wanted));
        if !fits {
            let asked = FuncType { params: P::TYPES.into(), results: R::TYPES.into() };
            return Err(Error::Usage(format!("the function's type is {ty}, not {asked}")));
        }
        drop(types);
        Ok(TypedFunc { func: *self, entry: store.engine().entry(id)?, types: PhantomData })
    }

    #[inline]
    pub(crate) fn check(&self, store: &rt::Store) -> Result<(), Error> {
        if self.handle.store() == store.id() { Ok(()) } else { Err(Error::other_store("function")) }
    }
}
