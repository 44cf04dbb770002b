//! Builtins on tables and element segments.

use super::caller::Caller;
use crate::instance::segments::init_table;
use crate::stop::Stop;
use crate::store::Store;
use crate::table::Table;
use sconce_environ::index::ElemIndex;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::VmFuncRef;

const TABLE_TRAP: Stop = Stop::Trap(TrapCode::TableOutOfBounds);

fn raw(funcref: *const VmFuncRef) -> u128 {
    funcref as u64 as u128
}

pub(super) fn table_grow_func(c: &mut Caller<'_>, table: u32, init: *const VmFuncRef, delta: u64) -> Result<u64, Stop> {
    // SAFETY: validation has checked the reference's type; compiled code holds only references of
    // its store.
    unsafe { table_grow(c, table, raw(init), delta) }
}

pub(super) fn table_grow_ref(c: &mut Caller<'_>, table: u32, init: u32, delta: u64) -> Result<u64, Stop> {
    // SAFETY: as above.
    unsafe { table_grow(c, table, init.into(), delta) }
}

/// # Safety
/// `init` is a reference of the store and of the element type.
unsafe fn table_grow(c: &mut Caller<'_>, table: u32, init: u128, delta: u64) -> Result<u64, Stop> {
    let n = c.instance.tables[table as usize] as usize;
    let Store { tables, budget, heap, .. } = &mut *c.store;
    // SAFETY: the caller's promise.
    let Some(before) = (unsafe { tables[n].grow(delta, init, budget, heap) }) else { return Ok(u64::MAX) };
    c.store.pay(delta)?;
    Ok(before)
}

pub(super) fn table_fill_func(c: &mut Caller<'_>, table: u32, dst: u64, value: *const VmFuncRef, len: u64) -> Result<(), Stop> {
    c.store.pay(len)?;
    let (table, heap) = c.table(table);
    // SAFETY: as above.
    unsafe { table.fill(dst, raw(value), len, heap) }.map_err(|_| TABLE_TRAP)
}

pub(super) fn table_fill_ref(c: &mut Caller<'_>, table: u32, dst: u64, value: u32, len: u64) -> Result<(), Stop> {
    c.store.pay(len)?;
    let (table, heap) = c.table(table);
    // SAFETY: as above.
    unsafe { table.fill(dst, value.into(), len, heap) }.map_err(|_| TABLE_TRAP)
}

pub(super) fn table_set_func(c: &mut Caller<'_>, table: u32, index: u64, value: *const VmFuncRef) -> Result<(), Stop> {
    let (table, heap) = c.table(table);
    // SAFETY: as above.
    unsafe { table.set(index, raw(value), heap) }.map_err(|_| TABLE_TRAP)
}

pub(super) fn table_copy(c: &mut Caller<'_>, dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) -> Result<(), Stop> {
    c.store.pay(len)?;
    let [to, from] = [dst_table, src_table].map(|table| c.instance.tables[table as usize] as usize);
    let tables = &mut c.store.tables;
    assert!(to < tables.len() && from < tables.len(), "an instance's tables are its store's");
    // One borrow for both, which may be the same.
    let tables = tables.as_mut_ptr();
    // SAFETY: tables of this store; validation has checked that the element types match.
    unsafe { Table::copy(tables.add(to), tables.add(from), dst, src, len, &mut c.store.heap) }.map_err(|_| TABLE_TRAP)
}

pub(super) fn table_init(c: &mut Caller<'_>, table: u32, elem: u32, dst: u64, src: u32, len: u32) -> Result<(), Stop> {
    c.store.pay(len.into())?;
    let n = c.instance.tables[table as usize];
    let elem = ElemIndex::from_u32(elem);
    // SAFETY: validation has checked that the segment's type matches the table's.
    unsafe { init_table(c.store, c.instance, n, elem, dst, src.into(), len.into()) }.map_err(Stop::Trap)
}

pub(super) fn elem_drop(c: &mut Caller<'_>, elem: u32) -> Result<(), Stop> {
    c.instance.dropped_elems[elem as usize] = true;
    Ok(())
}
