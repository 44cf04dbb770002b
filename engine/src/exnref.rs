//! Exceptions that wasm code can hold.

use crate::error::Error;
use crate::exception::Exception;
use crate::store::{AsContext, AsContextMut};
use sconce_runtime as rt;

/// A reference to an exception, as wasm holds it: owned and counted, as [`crate::ExternRef`] is. Equality is identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExnRef(rt::HostRef);

impl ExnRef {
    /// A reference to an exception.
    ///
    /// # Errors
    /// [`Error::Resources`] if the store's heap is full; [`Error::Usage`] if it belongs to another store.
    pub fn new(mut store: impl AsContextMut, exception: &Exception) -> Result<ExnRef, Error> {
        let mut store = store.as_context_mut();
        if exception.inner.store() != store.runtime().id() {
            return Err(Error::other_store("exception"));
        }
        Ok(ExnRef(store.runtime_mut().new_exnref(&exception.inner)?))
    }

    /// The exception.
    ///
    /// # Errors
    /// [`Error::Usage`] if it belongs to another store.
    pub fn exception(&self, store: impl AsContext) -> Result<Exception, Error> {
        let store = store.as_context();
        let found = store.runtime().exception(self.to_raw(store.runtime())?);
        found.map(|inner| Exception { inner }).ok_or_else(|| Error::other_store("exnref"))
    }

    pub(crate) fn from_raw(handle: u32, store: &rt::Store) -> Option<ExnRef> {
        if handle == 0 { None } else { store.hold(handle).map(ExnRef) }
    }

    pub(crate) fn to_raw(&self, store: &rt::Store) -> Result<u32, Error> {
        if self.0.store() == store.id() { Ok(self.0.handle()) } else { Err(Error::other_store("exnref")) }
    }
}
