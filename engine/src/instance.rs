//! Instances.

use crate::error::{Error, LinkError};
use crate::externs::Extern;
use crate::handles::{Func, Global, Instance, Memory, Table, Tag};
use crate::module::Module;
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::typed::{self, TypedFunc, WasmParams, WasmResults};
use crate::types::extern_type;
use sconce_environ::index::FuncIndex;
use sconce_environ::module::EntityIndex;
use sconce_environ::registry;
use sconce_runtime as rt;

/// An instance whose start function has not run: see [`crate::Linker::make`].
#[derive(Debug)]
pub struct Unstarted {
    instance: Instance,
    start: Option<FuncIndex>,
}

impl Instance {
    /// Makes an instance from imports in the module's order, and runs its start function.
    ///
    /// # Errors
    /// [`Error::Link`] if an import does not fit; [`Error::Trap`] if a segment lies outside its memory or
    /// table, or from the start function; [`Error::Resources`]; [`Error::Usage`] for another engine's module,
    /// another store's import, or a wrong number of imports.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Instance, Error> {
        let mut store = store.as_context_mut();
        Unstarted::new(&mut store, module, imports)?.start(store)
    }
}

impl Unstarted {
    pub(crate) fn new<T>(store: &mut StoreContextMut<'_, T>, module: &Module, imports: &[Extern]) -> Result<Unstarted, Error> {
        if !module.engine().same(store.engine()) {
            return Err(Error::Usage("the module belongs to another engine than the store".into()));
        }
        let items = check_imports(store, module, imports)?;
        store.note_module(module)?;
        // SAFETY: imports are of this store and have the types that the module wants.
        let made = unsafe { store.runtime_mut().instantiate(&module.compiled().loaded, &items) };
        let handle = made.map_err(|e| match e {
            rt::InstantiateError::Trap(code) => Error::trap(code),
            rt::InstantiateError::Resource(e) => e.into(),
            other => Error::Instantiation(other),
        })?;
        Ok(Unstarted { instance: Instance { handle }, start: module.environ().start })
    }

    /// Runs the start function, if there is one.
    ///
    /// # Errors
    /// Those of the start function.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn start(self, mut store: impl AsContextMut) -> Result<Instance, Error> {
        if let Some(start) = self.start {
            self.instance.start(&mut store.as_context_mut(), start)?;
        }
        Ok(self.instance)
    }
}

impl Instance {
    fn start<T>(self, store: &mut StoreContextMut<'_, T>, start: FuncIndex) -> Result<(), Error> {
        let rt::Item::Func(handle) = store.runtime_mut().instance_item(self.handle, EntityIndex::Func(start)) else {
            unreachable!("asked for a function");
        };
        let func = Func { handle };
        let entry = store.engine().entry(store.runtime().func_type_id(handle))?;
        // SAFETY: validation has made sure that it takes and gives nothing.
        unsafe { typed::call(store, &entry, func, &mut []) }
    }

    /// Its module.
    ///
    /// # Panics
    /// If it belongs to another store; so do the other methods without a `Result`.
    pub fn module<'a, S: AsContext>(&self, store: &'a S) -> &'a Module {
        store.as_context().module(self.handle)
    }

    /// An export.
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let mut store = store.as_context_mut();
        let entity = store.as_context().module(self.handle).compiled().export(name)?;
        Some(item(store.runtime_mut().instance_item(self.handle, entity)))
    }

    /// All exports, in order.
    pub fn exports(&self, mut store: impl AsContextMut) -> Vec<(String, Extern)> {
        let mut store = store.as_context_mut();
        let module = store.as_context().module(self.handle).clone();
        let exports = module.environ().exports.iter();
        exports.map(|e| (e.name.clone(), item(store.runtime_mut().instance_item(self.handle, e.entity)))).collect()
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
            .ok_or_else(|| Error::Usage(format!("the instance exports no function {}", sconce_environ::shown::quoted(name))))?;
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

    /// An exported tag.
    pub fn get_tag(&self, store: impl AsContextMut, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.tag()
    }
}

fn item(item: rt::Item) -> Extern {
    match item {
        rt::Item::Func(handle) => Extern::Func(Func { handle }),
        rt::Item::Table(handle) => Extern::Table(Table { handle }),
        rt::Item::Memory(handle) => Extern::Memory(Memory { handle }),
        rt::Item::Global(handle) => Extern::Global(Global { handle }),
        rt::Item::Tag(handle) => Extern::Tag(Tag { handle }),
    }
}

/// The imports as the runtime takes them, checked to be of this store and of the types that the module wants.
fn check_imports<T>(store: &StoreContextMut<'_, T>, module: &Module, imports: &[Extern]) -> Result<Vec<rt::Item>, Error> {
    let wanted = &module.environ().imports;
    if wanted.len() != imports.len() {
        return Err(Error::Usage(format!("the module has {} imports, not {}", wanted.len(), imports.len())));
    }
    let types = store.engine().types();
    wanted
        .iter()
        .zip(imports)
        .map(|(import, given)| {
            let (item, found) = given.describe(store)?;
            let expected = module.compiled().registry_type(&import.kind);
            if types.matches(&found, &expected) {
                return Ok(item);
            }
            Err(Error::Link(LinkError::Mismatch {
                module: import.module.clone(),
                name: import.name.clone(),
                expected: Box::new(extern_type(&types, &expected)),
                found: Box::new(extern_type(&types, &found)),
            }))
        })
        .collect()
}

impl Extern {
    /// The item and its type, if it is this store's.
    pub(crate) fn describe<T>(&self, store: &StoreContextMut<'_, T>) -> Result<(rt::Item, registry::ExternType), Error> {
        let runtime = store.runtime();
        let (owner, what) = match self {
            Extern::Func(f) => (f.handle.store(), "function"),
            Extern::Table(t) => (t.handle.store(), "table"),
            Extern::Memory(m) => (m.handle.store(), "memory"),
            Extern::Global(g) => (g.handle.store(), "global"),
            Extern::Tag(t) => (t.handle.store(), "tag"),
        };
        if owner != runtime.id() {
            return Err(Error::other_store(what));
        }
        Ok(match self {
            Extern::Func(f) => (rt::Item::Func(f.handle), registry::ExternType::Func(runtime.func_type_id(f.handle))),
            Extern::Table(t) => (rt::Item::Table(t.handle), registry::ExternType::Table(t.ty(store))),
            Extern::Memory(m) => (rt::Item::Memory(m.handle), registry::ExternType::Memory(m.ty(store))),
            Extern::Global(g) => (rt::Item::Global(g.handle), registry::ExternType::Global(g.ty(store))),
            Extern::Tag(t) => (rt::Item::Tag(t.handle), registry::ExternType::Tag(runtime.tag_type_id(t.handle))),
        })
    }
}
