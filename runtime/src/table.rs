//! Tables. One of functions has entries that `call_indirect` reads inline; one of other references has 32-bit handles.

use crate::budget::{MemoryBudget, Purpose};
use crate::error::{OutOfBounds, ResourceError};
use crate::heap::Heap;
use crate::large::LARGE;
use crate::speculation::{masked, masked_start};
use sconce_environ::heap::HANDLE_BYTES;
use sconce_environ::index::TypeId;
use sconce_environ::types::{RefKind, TableType};
use sconce_environ::vm::{NO_TYPE, VmFuncRef, VmTable, VmTableEntry};
use std::ptr::{null, null_mut};

/// Owns the elements' memory. Elements are read and written through `Table::vm`'s base, since compiled code does so too;
/// these vectors are touched only to grow.
#[derive(Debug)]
enum Elements {
    Funcs(Vec<VmTableEntry>),
    Handles(Vec<u32>),
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    ty: TableType<TypeId>,
    elements: Elements,
    vm: *mut VmTable,
}

/// What a table of so many bytes may have in memory: large pages, from one on.
fn counted(bytes: u64) -> u64 {
    if bytes < LARGE as u64 { bytes } else { bytes.checked_next_multiple_of(LARGE as u64).unwrap_or(u64::MAX) }
}

/// The entry of a function reference.
fn entry(funcref: *const VmFuncRef) -> VmTableEntry {
    // SAFETY: a non-null funcref is a record of the store.
    match unsafe { funcref.as_ref() } {
        None => VmTableEntry { code: null(), vmctx: null_mut(), type_id: NO_TYPE, reserved: 0, funcref: null() },
        Some(r) => VmTableEntry { code: r.code, vmctx: r.vmctx, type_id: r.type_id, reserved: 0, funcref },
    }
}

fn funcref(raw: u128) -> *const VmFuncRef {
    raw as u64 as *const VmFuncRef
}

impl Table {
    /// A table of its type's minimal size, full of `init`, described at `vm`.
    ///
    /// # Safety
    /// `vm` is valid for writes and outlives the table; `init` is a reference of the store and of the element type.
    pub(crate) unsafe fn new(
        ty: TableType<TypeId>,
        init: u128,
        vm: *mut VmTable,
        budget: &mut MemoryBudget,
        heap: &mut Heap,
    ) -> Result<Table, ResourceError> {
        let elements = match ty.element.kind() {
            RefKind::Func => Elements::Funcs(Vec::new()),
            RefKind::Handle => Elements::Handles(Vec::new()),
        };
        // SAFETY: the caller's promise.
        unsafe { vm.write(VmTable { base: null_mut(), length: 0 }) };
        let mut table = Table { ty, elements, vm };
        // SAFETY: the caller's promise.
        unsafe { table.add(ty.limits.min, init, budget, heap)? };
        Ok(table)
    }

    /// Its declared type.
    pub(crate) fn ty(&self) -> TableType<TypeId> {
        self.ty
    }

    /// What compiled code sees.
    pub(crate) fn vm(&self) -> *mut VmTable {
        self.vm
    }

    /// Elements.
    pub(crate) fn len(&self) -> u64 {
        // SAFETY: `vm` is valid as long as the table.
        unsafe { (*self.vm).length as u64 }
    }

    /// How its elements are held.
    pub(crate) fn kind(&self) -> RefKind {
        self.ty.element.kind()
    }

    /// Bytes of an element.
    fn element_size(&self) -> u64 {
        match self.elements {
            Elements::Funcs(_) => size_of::<VmTableEntry>() as u64,
            Elements::Handles(_) => HANDLE_BYTES as u64,
        }
    }

    fn base(&self) -> *mut u8 {
        // SAFETY: as in `len`.
        unsafe { (*self.vm).base }
    }

    /// Adds elements; gives the number before, or `None` if that cannot be.
    ///
    /// # Safety
    /// `init` is a reference of the store and of the element type.
    pub(crate) unsafe fn grow(&mut self, delta: u64, init: u128, budget: &mut MemoryBudget, heap: &mut Heap) -> Option<u64> {
        // SAFETY: the caller's promise.
        unsafe { self.add(delta, init, budget, heap) }.ok()
    }

    unsafe fn add(&mut self, delta: u64, init: u128, budget: &mut MemoryBudget, heap: &mut Heap) -> Result<u64, ResourceError> {
        let before = self.len();
        let (own, most) = (self.ty.limits.max.unwrap_or(u64::MAX), budget.limit().table_elements());
        let wanted = before.saturating_add(delta);
        if wanted > own.min(most) {
            if wanted <= own {
                budget.limit().refuse_elements();
            }
            return Err(ResourceError::TableLimit { wanted, limit: own.min(most) });
        }
        let [old, new] = [before, wanted].map(|n| n.saturating_mul(self.element_size()));
        let bytes = counted(new) - counted(old);
        budget.take(Purpose::Tables, bytes)?;
        let more = delta as usize;
        // Twice as much costs the less the more often it grows. Not so of large pages: what lies behind a table in the last one of
        // them is in memory too, and they are added without copying anything.
        let reserved = match (&mut self.elements, new > LARGE as u64 / 2) {
            (Elements::Funcs(v), false) => v.try_reserve(more),
            (Elements::Handles(v), false) => v.try_reserve(more),
            (Elements::Funcs(v), true) => v.try_reserve_exact(more),
            (Elements::Handles(v), true) => v.try_reserve_exact(more),
        };
        if reserved.is_err() {
            budget.give_back(Purpose::Tables, bytes);
            return Err(ResourceError::os("cannot get memory for a table")(rustix::io::Errno::NOMEM));
        }
        let after = wanted as usize;
        let base = match &mut self.elements {
            Elements::Funcs(v) => {
                v.resize(after, entry(funcref(init)));
                v.as_mut_ptr().cast()
            }
            Elements::Handles(v) => {
                heap.retain(init as u32, delta);
                v.resize(after, init as u32);
                v.as_mut_ptr().cast()
            }
        };
        // SAFETY: as in `len`.
        unsafe { self.vm.write(VmTable { base, length: after }) };
        Ok(before)
    }

    /// An element, as a raw value.
    pub(crate) fn get(&self, index: u64) -> Result<u128, OutOfBounds> {
        if index >= self.len() {
            return Err(OutOfBounds);
        }
        let at = masked(index as usize, self.len() as usize);
        // SAFETY: the index is inside, and elements are initialised.
        Ok(unsafe {
            match self.kind() {
                RefKind::Func => (*self.base().cast::<VmTableEntry>().add(at)).funcref as u64 as u128,
                RefKind::Handle => u128::from(*self.base().cast::<u32>().add(at)),
            }
        })
    }

    /// Where a range begins that was found to be inside.
    fn inside(&self, at: u64, len: u64) -> usize {
        masked_start(at as usize, (at + len) as usize, self.len() as usize)
    }

    /// Fills `len` elements from `at` on. Objects that die are left for [`Heap::bury`].
    ///
    /// # Safety
    /// As for [`Table::grow`].
    pub(crate) unsafe fn fill(&mut self, at: u64, value: u128, len: u64, heap: &mut Heap) -> Result<(), OutOfBounds> {
        at.checked_add(len).filter(|&end| end <= self.len()).ok_or(OutOfBounds)?;
        let (at, len) = (self.inside(at, len), len as usize);
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range is inside; nothing else refers to the elements while a builtin runs.
        unsafe {
            match self.kind() {
                RefKind::Func => {
                    let e = entry(funcref(value));
                    (0..len).for_each(|i| self.base().cast::<VmTableEntry>().add(at + i).write(e));
                }
                RefKind::Handle => (0..len).for_each(|i| heap.write(self.base().cast::<u32>().add(at + i), value as u32)),
            }
        }
        Ok(())
    }

    /// Replaces one element.
    ///
    /// # Safety
    /// As for [`Table::grow`].
    pub(crate) unsafe fn set(&mut self, index: u64, value: u128, heap: &mut Heap) -> Result<(), OutOfBounds> {
        // SAFETY: the caller's promise.
        unsafe { self.fill(index, value, 1, heap) }
    }

    /// Copies `len` elements from `src` in table `from` to `dst` in table `to`, which may be the same; as if through a buffer.
    ///
    /// # Safety
    /// Both belong to one store, and `from`'s element type matches `to`'s.
    pub(crate) unsafe fn copy(
        to: *mut Table,
        from: *const Table,
        dst: u64,
        src: u64,
        len: u64,
        heap: &mut Heap,
    ) -> Result<(), OutOfBounds> {
        // SAFETY: valid tables by the caller's promise; only shared references are made, and they end here.
        let (to, from) = unsafe { (&*to, &*from) };
        src.checked_add(len).filter(|&end| end <= from.len()).ok_or(OutOfBounds)?;
        dst.checked_add(len).filter(|&end| end <= to.len()).ok_or(OutOfBounds)?;
        if to.kind() != from.kind() || len == 0 {
            return Ok(());
        }
        let (src, dst, len) = (from.inside(src, len), to.inside(dst, len), len as usize);
        // SAFETY: both ranges are inside; `copy` allows overlap.
        unsafe {
            match to.kind() {
                RefKind::Func => {
                    let from = from.base().cast::<VmTableEntry>().add(src);
                    std::ptr::copy(from, to.base().cast::<VmTableEntry>().add(dst), len);
                }
                RefKind::Handle => {
                    let from = from.base().cast::<u32>().add(src);
                    let to = to.base().cast::<u32>().add(dst);
                    // From the back where the destination lies above the source, so that what is read is still there.
                    let backwards = to.cast_const() > from.cast_const();
                    for i in 0..len {
                        let i = if backwards { len - 1 - i } else { i };
                        heap.write(to.add(i), *from.add(i));
                    }
                }
            }
        }
        Ok(())
    }
}
