//! Tables.

use crate::causes::ResourceFailure;
use crate::error::Error;
use crate::handles::Table;
use crate::store::{AsContext, AsContextMut};
use crate::types::{ExternType, TableType, ValType};
use crate::values::Val;
use sconce_runtime as rt;

impl Table {
    /// A table whose elements are all `init`.
    ///
    /// # Errors
    /// [`Error::Usage`] if `init` is not of the element type, [`Error::Resources`] if the table cannot be had.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Val) -> Result<Table, Error> {
        let mut store = store.as_context_mut();
        if ty.limits.max.is_some_and(|max| max < ty.limits.min) {
            return Err(Error::Usage(format!("there is no {}", ExternType::Table(ty))));
        }
        let raw = init.to_raw(ValType::Ref(ty.element), &store)?;
        // SAFETY: checked to be of the element type and of this store.
        Ok(Table { handle: unsafe { store.runtime_mut().new_table(ty, raw)? } })
    }

    /// Its type, with the current size as minimum.
    ///
    /// # Panics
    /// If it belongs to another store; so do [`Table::size`] and [`Table::get`].
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let store = store.as_context().runtime();
        let mut ty = store.table_type(self.handle);
        ty.limits.min = store.table_size(self.handle);
        ty
    }

    /// Elements.
    pub fn size(&self, store: impl AsContext) -> u64 {
        store.as_context().runtime().table_size(self.handle)
    }

    /// An element; `None` beyond the end.
    pub fn get(&self, store: impl AsContext, index: u64) -> Option<Val> {
        let store = store.as_context().runtime();
        let raw = store.table_get(self.handle, index)?;
        // SAFETY: elements are of the element type and of this store.
        Some(unsafe { Val::from_raw(raw, ValType::Ref(store.table_type(self.handle).element), store) })
    }

    /// Replaces an element.
    ///
    /// # Errors
    /// [`Error::Usage`] beyond the end, or if the value is not of the element type or belongs to another store.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Val) -> Result<(), Error> {
        let mut store = store.as_context_mut();
        self.check(store.runtime())?;
        let raw = value.to_raw(ValType::Ref(store.runtime().table_type(self.handle).element), &store)?;
        // SAFETY: checked to be of the element type and of this store.
        let set = unsafe { store.runtime_mut().table_set(self.handle, index, raw) };
        set.map_err(|_| Error::Usage(format!("the table has no element {index}")))
    }

    /// Grows by so many elements; gives the number before.
    ///
    /// # Errors
    /// [`Error::Resources`] if its maximum or the host's memory does not allow it; [`Error::Usage`] as [`Table::set`].
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Val) -> Result<u64, Error> {
        let mut store = store.as_context_mut();
        self.check(store.runtime())?;
        let raw = init.to_raw(ValType::Ref(store.runtime().table_type(self.handle).element), &store)?;
        // SAFETY: checked to be of the element type and of this store.
        let grown = unsafe { store.runtime_mut().table_grow(self.handle, delta, raw) };
        let size = store.runtime().table_size(self.handle);
        grown.ok_or_else(|| ResourceFailure::TableGrowth { size, delta }.into())
    }

    fn check(&self, store: &rt::Store) -> Result<(), Error> {
        if self.handle.store() == store.id() { Ok(()) } else { Err(Error::other_store("table")) }
    }
}
