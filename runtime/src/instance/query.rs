//! What the host asks instances: what their indices mean, and who called.

use super::Instance;
use crate::handle::*;
use crate::module::LoadedModule;
use crate::store::Store;
use sconce_environ::module::EntityIndex;
use sconce_environ::vm::{VmFuncRef, VmHostContext, VmMemory};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

impl Store {
    /// An instance's module.
    pub fn instance_module(&self, i: InstanceHandle) -> &Arc<LoadedModule> {
        self.id().check(i.store);
        &self.instances[i.index as usize].module
    }

    /// What an index of the instance's module means, exported or not.
    ///
    /// # Panics
    /// If the module has no such index.
    pub fn instance_item(&mut self, i: InstanceHandle, entity: EntityIndex) -> Item {
        self.id().check(i.store);
        item(self, i.index, entity)
    }

    /// The instance whose import a host function was called through; `None` if the host made the
    /// call itself.
    ///
    /// # Safety
    /// `ctx` is what the host function got, and belongs to this store.
    pub unsafe fn caller(&self, ctx: *const VmHostContext) -> Option<InstanceHandle> {
        // SAFETY: the caller's promise; `caller` is null or an instance's context, whose `instance`
        // never changes.
        unsafe {
            let caller = (*ctx).caller.as_ref()?;
            Some(InstanceHandle { store: self.id(), index: (*caller.instance.cast::<Instance>()).index })
        }
    }
}

/// The item that a module's index means in an instance.
fn item(store: &mut Store, instance: u32, entity: EntityIndex) -> Item {
    let id = store.id();
    let this = &store.instances[instance as usize];
    match entity {
        EntityIndex::Table(i) => Item::Table(TableHandle { store: id, index: this.tables[i.as_u32() as usize] }),
        EntityIndex::Memory(i) => Item::Memory(MemoryHandle { store: id, index: this.memories[i.as_u32() as usize] }),
        EntityIndex::Tag(i) => Item::Tag(TagHandle { store: id, index: this.tags[i.as_u32() as usize] }),
        EntityIndex::Global(i) => Item::Global(GlobalHandle { store: id, index: this.globals[i.as_u32() as usize] }),
        EntityIndex::Func(f) => {
            let mut record = this.func_ref(f).cast_mut();
            if record.is_null() {
                // The start function need not escape.
                let module = &this.module;
                let type_id = module.type_id(module.module().functions[f]).as_u32();
                let code = module.function_address(f).unwrap_or(0) as *const c_void;
                record = store.add_record(VmFuncRef { code, vmctx: this.vmctx(), type_id, reserved: 0 });
            }
            Item::Func(FuncHandle { store: id, record: NonNull::new(record).unwrap_or(NonNull::dangling()) })
        }
    }
}

/// The memory that a host function's caller exports as `memory`.
///
/// # Safety
/// `ctx` is what a host function got; the result is used only during that call.
pub unsafe fn caller_memory<'a>(ctx: *const VmHostContext) -> Option<&'a VmMemory> {
    // SAFETY: the caller's promise; `default_memory` is null or valid as long as the store.
    unsafe { (*ctx).caller.as_ref()?.default_memory.as_ref() }
}
