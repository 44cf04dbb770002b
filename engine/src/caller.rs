//! What a host function knows of its caller.

use crate::GuestMemory;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::{Engine, Extern};

/// The store of a host call, and the instance that imported the function.
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
}

impl<T: 'static> Caller<'_, T> {
    /// The embedder's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// The calling instance's exported memory of the name `memory`; `None` if it has none, or if the host itself is the caller.
    pub fn memory(&self) -> Option<GuestMemory<'_>> {
        unimplemented!()
    }

    /// Memory and data at once, since one borrow of the caller gives both.
    pub fn memory_and_data(&mut self) -> Option<(GuestMemory<'_>, &mut T)> {
        unimplemented!()
    }

    /// An export of the calling instance.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        let _ = name;
        unimplemented!()
    }

    /// Whether the store was asked to stop: a host function that waits returns `Err(Error::trap(TrapCode::Interrupt))` then.
    pub fn interrupted(&self) -> bool {
        unimplemented!()
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}
