//! Names for imports.

use crate::{AsContextMut, Caller, Engine, Error, Extern, FuncType, ImportType, Instance, IntoFunc, Module, Store, Val};
use std::marker::PhantomData;

/// What modules can import, by module and field name. Host functions in it belong to no store; everything else belongs to one.
pub struct Linker<T: 'static> {
    engine: Engine,
    _data: PhantomData<fn(T)>,
}

impl<T: 'static> Linker<T> {
    /// An empty linker.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker { engine: engine.clone(), _data: PhantomData }
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a definition may replace one of the same name. The default is no.
    pub fn allow_shadowing(&mut self, on: bool) -> &mut Self {
        let _ = on;
        self
    }

    /// Defines a host function from a closure.
    ///
    /// # Errors
    /// [`crate::LinkError::Duplicate`].
    pub fn func_wrap<P, R>(&mut self, module: &str, name: &str, f: impl IntoFunc<T, P, R>) -> Result<&mut Self, Error> {
        let _ = (module, name, f);
        unimplemented!()
    }

    /// Defines a host function of any type; see [`crate::Func::new`].
    ///
    /// # Errors
    /// [`crate::LinkError::Duplicate`].
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        f: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<&mut Self, Error> {
        let _ = (module, name, ty, f);
        unimplemented!()
    }

    /// Defines an item of a store.
    ///
    /// # Errors
    /// [`crate::LinkError::Duplicate`]; [`Error::Usage`] if the item belongs to another store.
    pub fn define(
        &mut self,
        store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self, Error> {
        let _ = (store, module, name, item.into());
        unimplemented!()
    }

    /// Defines all exports of an instance under a module name.
    ///
    /// # Errors
    /// As [`Linker::define`].
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        instance: Instance,
    ) -> Result<&mut Self, Error> {
        let _ = (store.as_context_mut(), module_name, instance);
        unimplemented!()
    }

    /// Defines everything that is under module name `from` under `to` too.
    ///
    /// # Errors
    /// [`crate::LinkError::Duplicate`].
    pub fn alias_module(&mut self, from: &str, to: &str) -> Result<&mut Self, Error> {
        let _ = (from, to);
        unimplemented!()
    }

    /// A definition; a host function is made in the store.
    pub fn get(&self, mut store: impl AsContextMut<Data = T>, module: &str, name: &str) -> Result<Option<Extern>, Error> {
        let _ = (store.as_context_mut(), module, name);
        unimplemented!()
    }

    /// Every definition's module and field name, in no order (for suggesting the nearest one).
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::empty()
    }

    /// The module's imports that nothing here has the name of, in order.
    pub fn unresolved(&self, module: &Module) -> Vec<ImportType> {
        let _ = module;
        unimplemented!()
    }

    /// Makes an instance, and runs its start function.
    ///
    /// # Errors
    /// As [`Instance::new`]; [`crate::LinkError::Missing`] names all missing imports.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>, module: &Module) -> Result<Instance, Error> {
        let _ = (store.as_context_mut(), module);
        unimplemented!()
    }
}

impl<T: 'static> Clone for Linker<T> {
    fn clone(&self) -> Self {
        let _: Option<Store<T>> = None;
        unimplemented!()
    }
}
