//! Tags and exceptions in a store: made, looked at, and held as references.

use crate::error::Error;
use crate::exception::Exception;
use crate::handles::Tag;
use crate::limits::is_func_type;
use crate::store::{AsContext, AsContextMut};
use crate::types::{FuncType, ValType};
use crate::values::Val;
use sconce_environ::abi::MAX_VALUES;

impl Tag {
    /// A tag of exceptions that carry values of these types: the parameters; there are no results.
    ///
    /// # Errors
    /// [`Error::Usage`] for a type with results, or with more than 1000 parameters; [`Error::Resources`] after some 2^32 tags.
    pub fn new(mut store: impl AsContextMut, ty: &FuncType) -> Result<Tag, Error> {
        if !ty.results.is_empty() || !is_func_type(ty) {
            return Err(Error::Usage(format!("a tag has up to {MAX_VALUES} parameters and no results, not the type {ty}")));
        }
        let mut store = store.as_context_mut();
        let id = store.engine().type_id(ty);
        Ok(Tag { handle: store.runtime_mut().new_tag(id)? })
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        let id = store.runtime().tag_type_id(self.handle);
        store.engine().types().func_type(id).clone()
    }
}

impl Exception {
    /// An exception.
    ///
    /// # Errors
    /// [`Error::Usage`] if the values are not of the tag's types, or something belongs to another store.
    pub fn new(mut store: impl AsContextMut, tag: Tag, values: &[Val]) -> Result<Exception, Error> {
        let store = store.as_context_mut();
        if tag.handle.store() != store.runtime().id() {
            return Err(Error::other_store("tag"));
        }
        let ty = tag.ty(&store);
        if ty.params.len() != values.len() {
            let (wanted, given) = (ty.params.len(), values.len());
            return Err(Error::Usage(format!("an exception with this tag carries {wanted} values, not {given}")));
        }
        let values: Result<Box<[u128]>, Error> = values.iter().zip(&ty.params).map(|(v, &ty)| v.to_raw(ty, &store)).collect();
        // SAFETY: the values were checked.
        Ok(Exception { inner: unsafe { store.runtime().new_exception(tag.handle, values?) } })
    }

    /// Its values.
    ///
    /// # Errors
    /// [`Error::Usage`] if it belongs to another store.
    pub fn values(&self, store: impl AsContext) -> Result<Vec<Val>, Error> {
        let store = store.as_context();
        if self.inner.store() != store.runtime().id() {
            return Err(Error::other_store("exception"));
        }
        let ty = self.tag().ty(&store);
        // SAFETY: the values are of the tag's types, and of this store.
        let value = |(raw, ty): (&u128, &ValType)| unsafe { Val::from_raw(*raw, *ty, store.runtime()) };
        Ok(self.inner.values().iter().zip(&ty.params).map(value).collect())
    }
}
