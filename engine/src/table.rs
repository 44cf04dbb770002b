//! Tables.

use crate::{AsContext, AsContextMut, Error, TableType, Val};

/// A table of a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {}

impl Table {
    /// A table whose elements are all `init`.
    ///
    /// # Errors
    /// [`Error::Usage`] if `init` is not of the element type, [`Error::Resources`] if the table cannot be had.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Val) -> Result<Table, Error> {
        let _ = (store.as_context_mut(), ty, init);
        unimplemented!()
    }

    /// Its type, with the current size as minimum.
    ///
    /// # Panics
    /// If it belongs to another store; so do [`Table::size`] and [`Table::get`].
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let _ = store;
        unimplemented!()
    }

    /// Elements.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let _ = store;
        unimplemented!()
    }

    /// An element; `None` beyond the end.
    pub fn get(&self, store: impl AsContext, index: u64) -> Option<Val> {
        let _ = (store, index);
        unimplemented!()
    }

    /// Replaces an element.
    ///
    /// # Errors
    /// [`Error::Usage`] beyond the end, or if the value is not of the element type or belongs to another store.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Val) -> Result<(), Error> {
        let _ = (store.as_context_mut(), index, value);
        unimplemented!()
    }

    /// Grows by so many elements; gives the number before.
    ///
    /// # Errors
    /// [`Error::Resources`] if its maximum or the host's memory does not allow it; [`Error::Usage`] as [`Table::set`].
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Val) -> Result<u64, Error> {
        let _ = (store.as_context_mut(), delta, init);
        unimplemented!()
    }
}
