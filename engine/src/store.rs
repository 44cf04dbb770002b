//! Stores and the ways to reach one: owned, borrowed, or as a host function's caller.

use crate::{Engine, Error};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Instances, memories, tables, globals and functions that can refer to each other, the wasm stack they run on, and the
/// embedder's data.
pub struct Store<T: 'static> {
    inner: NonNull<StoreInner<T>>,
}

pub(crate) struct StoreInner<T> {
    engine: Engine,
    data: T,
}

/// A store, borrowed for reading.
pub struct StoreContext<'a, T: 'static> {
    inner: NonNull<StoreInner<T>>,
    _borrow: PhantomData<&'a StoreInner<T>>,
}

/// A store, borrowed for everything.
pub struct StoreContextMut<'a, T: 'static> {
    inner: NonNull<StoreInner<T>>,
    _borrow: PhantomData<&'a mut StoreInner<T>>,
}

/// Whatever gives access to a store: [`Store`], [`StoreContext`], [`StoreContextMut`], [`crate::Caller`] and references to them.
pub trait AsContext {
    /// The embedder's data.
    type Data: 'static;
    /// The store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Whatever gives full access to a store.
pub trait AsContextMut: AsContext {
    /// The store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

/// Stops a store's wasm code from another thread or a signal handler's thread.
#[derive(Clone)]
pub struct InterruptHandle {}

impl InterruptHandle {
    /// Wasm code that runs, or runs next, traps with [`crate::TrapCode::Interrupt`]. Blocking system calls of host functions are interrupted
    /// (EINTR). Returns when the store has acknowledged, or when nothing runs (the flag then waits for the next call).
    pub fn interrupt(&self) {
        unimplemented!()
    }

    /// Takes back an interrupt that nothing has acknowledged yet.
    pub fn clear(&self) {
        unimplemented!()
    }

    /// Whether an interrupt is asked for.
    pub fn is_set(&self) -> bool {
        unimplemented!()
    }
}

impl<T: 'static> Store<T> {
    /// An empty store.
    ///
    /// # Errors
    /// [`Error::Resources`] if its wasm stack cannot be had.
    pub fn new(engine: &Engine, data: T) -> Result<Store<T>, Error> {
        let _ = (engine, data);
        unimplemented!()
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        unimplemented!()
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        unimplemented!()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        unimplemented!()
    }

    /// Drops the store and gives the data back.
    pub fn into_data(self) -> T {
        unimplemented!()
    }

    /// For stopping it from elsewhere.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        unimplemented!()
    }
}

impl<'a, T: 'static> StoreContext<'a, T> {
    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        unimplemented!()
    }

    /// Its engine.
    pub fn engine(&self) -> &'a Engine {
        unimplemented!()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// The embedder's data.
    pub fn data(&self) -> &T {
        unimplemented!()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        unimplemented!()
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        unimplemented!()
    }
}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, _borrow: PhantomData }
    }
}

impl<S: AsContext> AsContext for &S {
    type Data = S::Data;
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        S::as_context(self)
    }
}

impl<S: AsContext> AsContext for &mut S {
    type Data = S::Data;
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        S::as_context(self)
    }
}

impl<S: AsContextMut> AsContextMut for &mut S {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data> {
        S::as_context_mut(self)
    }
}
