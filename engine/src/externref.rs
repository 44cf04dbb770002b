//! Host values that wasm code can hold.
//!
//! There is one kind of reference, owned and counted: [`ExternRef`]. It can be kept, cloned, sent to other
//! threads and dropped anywhere, and names nothing but its value, so there are no scopes to mind. It cannot
//! be used with another store, nor after its store is gone, which is checked wherever it goes in; what
//! [`ExternRef::data`] gives borrows the store, so the compiler sees to it that the value is not outlived.

use crate::error::Error;
use crate::store::{AsContext, AsContextMut};
use sconce_runtime as rt;
use std::any::Any;

/// A reference to a host value in a store. The value lives as long as something refers to it: this, a clone
/// of it, or wasm code of the store. When nothing does, it is dropped the next time the store runs, or with
/// the store.
///
/// Equality is identity.
///
/// ```compile_fail
/// # use sconce_engine::{ExternRef, Store};
/// fn outlived(store: Store<()>, value: ExternRef) -> &'static str {
///     let data: &'static (dyn std::any::Any + Send + Sync) = value.data(&store);
///     data.downcast_ref::<&str>().unwrap()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternRef(rt::HostRef);

impl ExternRef {
    /// Hands a value to the store. Its `Drop` runs when nothing is in the middle of anything, on the thread that uses the store.
    ///
    /// # Errors
    /// [`Error::Resources`] after some 134 million values at once.
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<ExternRef, Error> {
        let mut store = store.as_context_mut();
        Ok(ExternRef(store.runtime_mut().new_externref(Box::new(value))?))
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

    /// A reference of the host's own to what wasm holds.
    #[inline]
    pub(crate) fn from_raw(handle: u32, store: &rt::Store) -> Option<ExternRef> {
        if handle == 0 { None } else { store.hold(handle).map(ExternRef) }
    }

    /// What wasm holds: not 0, and valid as long as `self` or until wasm holds it.
    pub(crate) fn to_raw(&self, store: &rt::Store) -> Result<u32, Error> {
        if self.0.store() != store.id() {
            return Err(Error::other_store("externref"));
        }
        Ok(self.0.handle())
    }
}
