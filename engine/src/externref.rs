//! Host values that wasm code can hold.

use crate::AsContext;
use crate::AsContextMut;
use std::any::Any;

/// A host value in a store. It lives until the store is dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternRef {
    handle: u32,
}

impl ExternRef {
    /// Hands a value to the store.
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<ExternRef, crate::Error> {
        let _ = (store.as_context_mut(), value);
        unimplemented!()
    }

    /// The value.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn data<'a, S: AsContext>(&self, store: &'a S) -> &'a (dyn Any + Send + Sync) {
        let _ = (store.as_context(), self.handle);
        unimplemented!()
    }
}
