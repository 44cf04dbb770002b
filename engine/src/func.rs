//! Functions.

use crate::{AsContext, AsContextMut, Caller, Error, FuncType, IntoFunc, TypedFunc, Val, WasmParams, WasmResults};

/// A function of a store, wasm or host.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Func {}

impl Func {
    /// A host function of any type. The closure is given the arguments and writes the results, which are zeros and nulls before;
    /// a result of the wrong type is an error of the call.
    ///
    /// # Errors
    /// [`Error::Resources`] if the trampoline cannot be made.
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        f: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Func, Error> {
        let _ = (store.as_context_mut(), ty, f);
        unimplemented!()
    }

    /// A host function from a closure; its type is the closure's.
    ///
    /// # Errors
    /// [`Error::Resources`] if the trampoline cannot be made.
    pub fn wrap<T: 'static, P, R>(mut store: impl AsContextMut<Data = T>, f: impl IntoFunc<T, P, R>) -> Result<Func, Error> {
        let _ = (store.as_context_mut(), f);
        unimplemented!()
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let _ = store;
        unimplemented!()
    }

    /// Calls it.
    ///
    /// # Errors
    /// [`Error::Usage`] if number or types of arguments or the number of results are wrong, or if a reference belongs to another store;
    /// [`Error::Trap`]; whatever a host function returned.
    pub fn call(&self, mut store: impl AsContextMut, args: &[Val], results: &mut [Val]) -> Result<(), Error> {
        let _ = (store.as_context_mut(), args, results);
        unimplemented!()
    }

    /// The same function, with its type checked once and for all.
    ///
    /// # Errors
    /// [`Error::Usage`] if its type is another.
    pub fn typed<P: WasmParams, R: WasmResults>(&self, store: impl AsContext) -> Result<TypedFunc<P, R>, Error> {
        let _ = store;
        unimplemented!()
    }
}
