//! Globals.

use crate::error::Error;
use crate::handles::Global;
use crate::store::{AsContext, AsContextMut};
use crate::types::GlobalType;
use crate::values::Val;

impl Global {
    /// A global.
    ///
    /// # Errors
    /// [`Error::Usage`] if the value is not of the content type or belongs to another store.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global, Error> {
        let mut store = store.as_context_mut();
        let raw = value.to_raw(ty.content, &store)?;
        // SAFETY: checked to be of the content type and of this store.
        Ok(Global { handle: unsafe { store.runtime_mut().new_global(ty, raw) } })
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store; so does [`Global::get`].
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        store.as_context().runtime().global_type(self.handle)
    }

    /// Its value.
    pub fn get(&self, store: impl AsContext) -> Val {
        let store = store.as_context().runtime();
        let (raw, ty) = (store.global_get(self.handle), store.global_type(self.handle));
        // SAFETY: the value is of the content type and of this store.
        unsafe { Val::from_raw(raw, ty.content, store) }
    }

    /// Replaces its value.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is immutable, or if the value is not of the content type or belongs to another store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<(), Error> {
        let mut store = store.as_context_mut();
        if self.handle.store() != store.runtime().id() {
            return Err(Error::other_store("global"));
        }
        let ty = store.runtime().global_type(self.handle);
        if !ty.mutable {
            return Err(Error::Usage("the global is immutable".into()));
        }
        let raw = value.to_raw(ty.content, &store)?;
        // SAFETY: checked to be of the content type and of this store.
        unsafe { store.runtime_mut().global_set(self.handle, raw) };
        Ok(())
    }
}
