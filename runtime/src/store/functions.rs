//! A store's functions: records of them, and references to them.

use super::Store;
use crate::funcref::{HostFunc, HostRecord};
use crate::handle::FuncHandle;
use sconce_environ::index::{FuncIndex, TypeId};
use sconce_environ::vm::VmFuncRef;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

impl Store {
    /// Makes a host function.
    ///
    /// # Safety
    /// `f.code` has the shape that the trampoline was made for, and may be called with `f.data`
    /// from whatever thread runs the store, as long as `f.keep` lives.
    ///
    /// # Panics
    /// If the trampoline is another engine's.
    pub unsafe fn new_host_func(&mut self, f: HostFunc) -> FuncHandle {
        assert!(Arc::ptr_eq(&f.trampoline.space, self.space()), "the trampoline belongs to another engine");
        let mut record = HostRecord::new(&f, self.vm());
        let pointer = NonNull::from(&mut *record).cast::<u8>();
        let offset = record.record() as usize - pointer.as_ptr() as usize;
        self.host_functions.push(record);
        self.kept.extend(f.keep);
        // SAFETY: inside the box, which does not move.
        FuncHandle { store: self.id, record: unsafe { pointer.add(offset).cast() } }
    }

    /// A function's canonical type.
    pub fn func_type_id(&self, f: FuncHandle) -> TypeId {
        self.id.check(f.store);
        // SAFETY: records live as long as the store.
        TypeId::from_u32(unsafe { (*f.record.as_ptr()).type_id })
    }

    /// The index of a wasm function in the module that defines it; `None` for a host function.
    /// Looks for it: for messages.
    pub fn func_index(&self, f: FuncHandle) -> Option<FuncIndex> {
        self.id.check(f.store);
        // SAFETY: records live as long as the store.
        let VmFuncRef { code, vmctx, .. } = unsafe { *f.record.as_ptr() };
        let instance = self.instances.iter().find(|instance| instance.vmctx() == vmctx)?;
        let module = &instance.module;
        module.module().functions.keys().find(|&f| module.function_address(f) == Some(code as usize))
    }

    /// A function reference as wasm holds it; null is 0.
    pub fn func_to_raw(&self, f: Option<FuncHandle>) -> u64 {
        f.map_or(0, |f| {
            self.id.check(f.store);
            f.record.as_ptr() as u64
        })
    }

    /// A function reference that wasm holds.
    ///
    /// # Safety
    /// `raw` came from wasm of this store as a funcref, or from [`Store::func_to_raw`].
    pub unsafe fn func_from_raw(&self, raw: u64) -> Option<FuncHandle> {
        NonNull::new(raw as *mut VmFuncRef).map(|record| FuncHandle { store: self.id, record })
    }

    pub(crate) fn add_record(&mut self, record: VmFuncRef) -> *mut VmFuncRef {
        let same = |r: &&mut Box<VmFuncRef>| r.code == record.code && r.vmctx == record.vmctx;
        if let Some(r) = self.records.iter_mut().find(same) {
            return &mut **r;
        }
        self.records.push(Box::new(record));
        self.records.last_mut().map_or(null_mut(), |r| &mut **r)
    }
}
