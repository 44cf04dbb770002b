//! Names for imports.

use crate::caller::Caller;
use crate::engine::Engine;
use crate::error::{Error, LinkError};
use crate::externs::Extern;
use crate::handles::{Func, Instance, Memory};
use crate::host::{HostFunction, IntoFunc};
use crate::instance::Unstarted;
use crate::module::Module;
use crate::shared::SharedMemory;
use crate::store::{AsContextMut, StoreContextMut};
use crate::types::{FuncType, ImportType};
use crate::values::Val;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// What modules can import, by module and field name. Host functions and shared memories in it belong to no
/// store; everything else belongs to one.
pub struct Linker<T: 'static> {
    engine: Engine,
    shadowing: bool,
    /// By module, then by field.
    modules: HashMap<String, HashMap<String, Definition>>,
    /// Host functions are for exactly `T`.
    _data: PhantomData<fn(T) -> T>,
}

#[derive(Clone)]
enum Definition {
    Host(Arc<HostFunction>),
    Item(Extern),
    Shared(SharedMemory),
}

impl<T: 'static> Linker<T> {
    /// An empty linker.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker { engine: engine.clone(), shadowing: false, modules: HashMap::new(), _data: PhantomData }
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a definition may replace one of the same name. The default is no.
    pub fn allow_shadowing(&mut self, on: bool) -> &mut Self {
        self.shadowing = on;
        self
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<&mut Self, Error> {
        let fields = match self.modules.get_mut(module) {
            Some(fields) => fields,
            None => self.modules.entry(module.to_owned()).or_default(),
        };
        if fields.contains_key(name) && !self.shadowing {
            return Err(LinkError::Duplicate { module: module.to_owned(), name: name.to_owned() }.into());
        }
        fields.insert(name.to_owned(), definition);
        Ok(self)
    }

    /// Defines a host function from a closure.
    ///
    /// # Errors
    /// [`LinkError::Duplicate`].
    pub fn func_wrap<P, R>(&mut self, module: &str, name: &str, f: impl IntoFunc<T, P, R>) -> Result<&mut Self, Error> {
        self.insert(module, name, Definition::Host(Arc::new(HostFunction::wrap(f))))
    }

    /// Defines a host function of any type; see [`Func::new`].
    ///
    /// # Errors
    /// [`LinkError::Duplicate`]; [`Error::Usage`] as [`Func::new`].
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        f: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<&mut Self, Error> {
        self.insert(module, name, Definition::Host(Arc::new(HostFunction::untyped(ty, f)?)))
    }

    /// Defines an item of a store.
    ///
    /// # Errors
    /// [`LinkError::Duplicate`]; [`Error::Usage`] if the item belongs to another store.
    pub fn define(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self, Error> {
        let item = item.into();
        item.describe(&store.as_context_mut())?;
        self.insert(module, name, Definition::Item(item))
    }

    /// Defines a shared memory, which belongs to no store.
    ///
    /// # Errors
    /// [`LinkError::Duplicate`].
    pub fn define_shared(&mut self, module: &str, name: &str, memory: &SharedMemory) -> Result<&mut Self, Error> {
        self.insert(module, name, Definition::Shared(memory.clone()))
    }

    /// Defines all exports of an instance under a module name.
    ///
    /// # Errors
    /// As [`Linker::define`].
    pub fn instance(
        &mut self,
        store: impl AsContextMut<Data = T>,
        module_name: &str,
        instance: Instance,
    ) -> Result<&mut Self, Error> {
        for (name, item) in instance.exports(store) {
            self.insert(module_name, &name, Definition::Item(item))?;
        }
        Ok(self)
    }

    /// Defines everything that is under module name `from` under `to` too.
    ///
    /// # Errors
    /// [`LinkError::Duplicate`].
    pub fn alias_module(&mut self, from: &str, to: &str) -> Result<&mut Self, Error> {
        for (name, definition) in self.modules.get(from).cloned().unwrap_or_default() {
            self.insert(to, &name, definition)?;
        }
        Ok(self)
    }

    fn definition(&self, module: &str, name: &str) -> Option<&Definition> {
        self.modules.get(module)?.get(name)
    }

    /// A definition; a host function is made in the store.
    ///
    /// # Errors
    /// [`Error::Resources`] if a trampoline cannot be made.
    pub fn get(&self, mut store: impl AsContextMut<Data = T>, module: &str, name: &str) -> Result<Option<Extern>, Error> {
        let definition = self.definition(module, name);
        definition.map(|d| d.make(&mut store.as_context_mut())).transpose()
    }

    /// Every definition's module and field name, in no order (for suggesting the nearest one).
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules.iter().flat_map(|(module, fields)| fields.keys().map(move |name| (module.as_str(), name.as_str())))
    }

    /// The module's imports that nothing here has the name of, in order.
    pub fn unresolved(&self, module: &Module) -> Vec<ImportType> {
        module.imports().filter(|import| self.definition(&import.module, &import.name).is_none()).collect()
    }

    /// Makes an instance, and runs its start function.
    ///
    /// # Errors
    /// As [`Instance::new`]; [`LinkError::Missing`] names all missing imports.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>, module: &Module) -> Result<Instance, Error> {
        self.make(&mut store, module)?.start(store)
    }

    /// Makes an instance without running its start function: until then nothing of the guest runs, so what
    /// fails is for want of something.
    ///
    /// # Errors
    /// As [`Linker::instantiate`], except for those of the start function.
    pub fn make(&self, mut store: impl AsContextMut<Data = T>, module: &Module) -> Result<Unstarted, Error> {
        let mut store = store.as_context_mut();
        if !self.engine.same(store.engine()) {
            return Err(Error::Usage("the linker belongs to another engine than the store".into()));
        }
        let wanted = module.environ().imports.iter();
        let found: Option<Vec<_>> = wanted.map(|import| self.definition(&import.module, &import.name)).collect();
        let Some(found) = found else { return Err(LinkError::Missing(self.unresolved(module)).into()) };
        let imports = found.into_iter().map(|d| d.make(&mut store)).collect::<Result<Vec<_>, _>>()?;
        Unstarted::new(&mut store, module, &imports)
    }
}

impl Definition {
    fn make<T>(&self, store: &mut StoreContextMut<'_, T>) -> Result<Extern, Error> {
        match self {
            Definition::Host(function) => Ok(Extern::Func(Func::host(store, function)?)),
            Definition::Item(item) => Ok(*item),
            Definition::Shared(memory) => Ok(Extern::Memory(Memory::from_shared(store, memory)?)),
        }
    }
}

impl<T: 'static> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Linker { engine: self.engine.clone(), shadowing: self.shadowing, modules: self.modules.clone(), _data: PhantomData }
    }
}
