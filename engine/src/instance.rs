//! Instances.

use crate::{AsContext, AsContextMut, Error, Extern, Func, Global, Memory, Module, Table, TypedFunc, WasmParams, WasmResults};

/// An instance of a module in a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {}

impl Instance {
    /// Makes an instance from imports in the module's order, and runs its start function.
    ///
    /// # Errors
    /// [`Error::Link`] if an import does not fit; [`Error::Trap`] if a segment lies outside its memory or table, or from the start
    /// function; [`Error::Resources`]; [`Error::Usage`] for another engine's module, another store's import, or a wrong number of imports.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Instance, Error> {
        let _ = (store.as_context_mut(), module, imports);
        unimplemented!()
    }

    /// Its module.
    ///
    /// # Panics
    /// If it belongs to another store; so do the other methods without a `Result`.
    pub fn module<'a, S: AsContext>(&self, store: &'a S) -> &'a Module {
        let _ = store;
        unimplemented!()
    }

    /// An export.
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let _ = (store.as_context_mut(), name);
        unimplemented!()
    }

    /// All exports, in order.
    pub fn exports(&self, mut store: impl AsContextMut) -> Vec<(String, Extern)> {
        let _ = store.as_context_mut();
        unimplemented!()
    }

    /// An exported function.
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.func()
    }

    /// An exported function of this type.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none of this name, or if its type is another.
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>, Error> {
        let func = self
            .get_func(&mut store, name)
            .ok_or_else(|| Error::Usage(format!("the instance exports no function \"{name}\"")))?;
        func.typed(store)
    }

    /// An exported memory.
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.memory()
    }

    /// An exported table.
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.table()
    }

    /// An exported global.
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.global()
    }
}
