//! Globals.

use crate::{AsContext, AsContextMut, Error, GlobalType, Val};

/// A global of a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Global {}

impl Global {
    /// A global.
    ///
    /// # Errors
    /// [`Error::Usage`] if the value is not of the content type or belongs to another store.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global, Error> {
        let _ = (store.as_context_mut(), ty, value);
        unimplemented!()
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store; so does [`Global::get`].
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let _ = store;
        unimplemented!()
    }

    /// Its value.
    pub fn get(&self, store: impl AsContext) -> Val {
        let _ = store;
        unimplemented!()
    }

    /// Replaces its value.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is immutable, or if the value is not of the content type or belongs to another store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<(), Error> {
        let _ = (store.as_context_mut(), value);
        unimplemented!()
    }
}
