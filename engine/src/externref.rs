//! Host values that wasm code can hold.

use crate::error::Error;
use crate::store::{AsContext, AsContextMut};
use sconce_runtime as rt;
use std::any::Any;

/// A host value in a store. It lives until the store is dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternRef {
    store: rt::StoreId,
    /// What wasm holds; not 0.
    handle: u32,
}

impl ExternRef {
    /// Hands a value to the store.
    ///
    /// # Errors
    /// [`Error::Resources`] after some 2^31 values.
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<ExternRef, Error> {
        let mut store = store.as_context_mut();
        let handle = store.runtime_mut().new_externref(Box::new(value))?;
        Ok(ExternRef { store: store.runtime().id(), handle })
    }

    /// The value.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn data<'a, S: AsContext>(&self, store: &'a S) -> &'a (dyn Any + Send + Sync) {
        let store = store.as_context().runtime();
        match self.to_raw(store).map(|handle| store.externref(handle)) {
            Ok(Some(value)) => value,
            _ => panic!("the externref belongs to another store"),
        }
    }

    pub(crate) fn from_raw(handle: u32, store: &rt::Store) -> Option<ExternRef> {
        (handle != 0).then(|| ExternRef { store: store.id(), handle })
    }

    pub(crate) fn to_raw(self, store: &rt::Store) -> Result<u32, Error> {
        if self.store != store.id() {
            return Err(Error::other_store("externref"));
        }
        Ok(self.handle)
    }
}
