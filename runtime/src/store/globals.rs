//! A store's globals.

use super::Store;
use crate::global::Global;
use crate::handle::GlobalHandle;
use sconce_environ::index::TypeId;
use sconce_environ::types::GlobalType;
use sconce_environ::vm::VmGlobal;

impl Store {
    /// A global of the host's.
    ///
    /// # Safety
    /// A reference is one of this store and of the type.
    pub unsafe fn new_global(&mut self, ty: GlobalType<TypeId>, value: u128) -> GlobalHandle {
        let mut vm = Box::new(VmGlobal { bytes: [0; 16] });
        let global = Global { ty, vm: &mut *vm };
        global.set(value, &mut self.heap);
        self.own_globals.push(vm);
        self.globals.push(global);
        GlobalHandle { store: self.id, index: self.globals.len() as u32 - 1 }
    }

    fn global(&self, g: GlobalHandle) -> &Global {
        self.id.check(g.store);
        &self.globals[g.index as usize]
    }

    /// A global's type.
    pub fn global_type(&self, g: GlobalHandle) -> GlobalType<TypeId> {
        self.global(g).ty
    }

    /// A global's raw value.
    pub fn global_get(&self, g: GlobalHandle) -> u128 {
        self.global(g).get()
    }

    /// Replaces a global's value, whether it is mutable or not.
    ///
    /// # Safety
    /// As for [`Store::new_global`].
    pub unsafe fn global_set(&mut self, g: GlobalHandle, value: u128) {
        self.id.check(g.store);
        self.globals[g.index as usize].set(value, &mut self.heap);
        self.settle_last();
    }
}
