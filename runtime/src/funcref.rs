//! Function records. Whatever names a function at run time (imports, table entries, funcref values) names a record or a copy of
//! its fields. Records of wasm functions stand in their instance's context; those of host functions here.

use crate::stubs::HostCallKind;
use crate::trampolines::HostTrampoline;
use sconce_environ::index::TypeId;
use sconce_environ::vm::{NO_TYPE, VM_HOST_CONTEXT_MAGIC, VmContext, VmFuncRef, VmHostContext};
use std::any::Any;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// A host function to be.
pub struct HostFunc {
    /// The way to it.
    pub trampoline: HostTrampoline,
    /// The `extern "C"` function; see the crate's documentation for its shape.
    pub code: *const c_void,
    /// What it finds in [`VmHostContext::data`].
    pub data: *mut c_void,
    /// Keeps what `data` points to alive, until the store drops.
    pub keep: Option<Arc<dyn Any + Send + Sync>>,
    /// Its type.
    pub type_id: TypeId,
    /// Whether compiled code may call it by itself, if it takes its arguments in registers.
    pub in_place: bool,
}

/// A host function as one importer sees it: its context and its record.
#[derive(Debug)]
pub(crate) struct HostRecord {
    context: VmHostContext,
    record: VmFuncRef,
}

impl Default for HostRecord {
    fn default() -> HostRecord {
        let context = VmHostContext {
            magic: VM_HOST_CONTEXT_MAGIC,
            in_registers: 0,
            store: null_mut(),
            host_code: null(),
            data: null_mut(),
            caller: null_mut(),
        };
        HostRecord { context, record: VmFuncRef { code: null(), vmctx: null_mut(), type_id: NO_TYPE, reserved: 0 } }
    }
}

impl HostRecord {
    /// A function that no instance imports yet.
    pub(crate) fn new(f: &HostFunc, store: *mut sconce_environ::vm::VmStoreContext) -> Box<HostRecord> {
        let mut this = Box::<HostRecord>::default();
        this.context.in_registers = u32::from(f.in_place && f.trampoline.kind == HostCallKind::Registers);
        this.context.store = store;
        this.context.host_code = f.code;
        this.context.data = f.data;
        this.record.code = f.trampoline.code as *const c_void;
        this.record.type_id = f.type_id.as_u32();
        this.record.vmctx = (&raw mut this.context).cast();
        this
    }

    /// Makes this the function that `record` names, called by `caller`. `self` does not move from here on.
    ///
    /// # Safety
    /// `record` is of a host function of a live store.
    pub(crate) unsafe fn fill(&mut self, record: &VmFuncRef, caller: *mut VmContext) -> *const VmFuncRef {
        // SAFETY: a host function's context is a `VmHostContext`.
        let from = unsafe { &*record.vmctx.cast::<VmHostContext>() };
        self.context.in_registers = from.in_registers;
        self.context.store = from.store;
        self.context.host_code = from.host_code;
        self.context.data = from.data;
        self.context.caller = caller;
        self.record = VmFuncRef { vmctx: (&raw mut self.context).cast(), ..*record };
        &self.record
    }

    /// Its record.
    pub(crate) fn record(&mut self) -> *mut VmFuncRef {
        &mut self.record
    }
}
