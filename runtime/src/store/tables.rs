//! A store's tables.

use super::Store;
use crate::error::{OutOfBounds, ResourceError};
use crate::handle::TableHandle;
use crate::table::Table;
use sconce_environ::index::TypeId;
use sconce_environ::types::TableType;
use sconce_environ::vm::VmTable;
use std::ptr::null_mut;

impl Store {
    /// A table of the host's, full of `init`.
    ///
    /// # Errors
    /// If it exceeds the limit.
    ///
    /// # Safety
    /// `init` is a raw reference of this store and of the element type.
    pub unsafe fn new_table(&mut self, ty: TableType<TypeId>, init: u128) -> Result<TableHandle, ResourceError> {
        let mut vm = Box::new(VmTable { base: null_mut(), length: 0 });
        // SAFETY: the box stays in the store, which drops it after the table; the rest is the
        // caller's promise.
        let table = unsafe { Table::new(ty, init, &mut *vm, &mut self.budget, &mut self.heap)? };
        self.own_tables.push(vm);
        self.tables.push(table);
        Ok(TableHandle { store: self.id, index: self.tables.len() as u32 - 1 })
    }

    fn table(&self, t: TableHandle) -> &Table {
        self.id.check(t.store);
        &self.tables[t.index as usize]
    }

    /// A table's type, as declared.
    pub fn table_type(&self, t: TableHandle) -> TableType<TypeId> {
        self.table(t).ty()
    }

    /// A table's elements.
    pub fn table_size(&self, t: TableHandle) -> u64 {
        self.table(t).len()
    }

    /// An element as a raw reference; `None` past the end.
    pub fn table_get(&self, t: TableHandle, index: u64) -> Option<u128> {
        self.table(t).get(index).ok()
    }

    /// Replaces an element.
    ///
    /// # Errors
    /// Past the end.
    ///
    /// # Safety
    /// `value` is a raw reference of this store and of the element type.
    pub unsafe fn table_set(&mut self, t: TableHandle, index: u64, value: u128) -> Result<(), OutOfBounds> {
        self.id.check(t.store);
        // SAFETY: the caller's promise.
        let set = unsafe { self.tables[t.index as usize].set(index, value, &mut self.heap) };
        self.settle_last();
        set
    }

    /// Adds elements; gives the number before, or `None` if it cannot grow that much.
    ///
    /// # Safety
    /// As for [`Store::table_set`].
    pub unsafe fn table_grow(&mut self, t: TableHandle, delta: u64, init: u128) -> Option<u64> {
        self.id.check(t.store);
        // SAFETY: the caller's promise.
        unsafe { self.tables[t.index as usize].grow(delta, init, &mut self.budget, &mut self.heap) }
    }
}
