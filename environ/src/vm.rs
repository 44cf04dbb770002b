//! The structures that compiled code reads and writes: `#[repr(C)]`, so that `offset_of!` serves both compilers.
//!
//! Invariants, from the guest's side of the wall:
//! - Compiled code writes only globals, handle-table elements, the activations table with its `activations_next`, the counts of
//!   objects, `wanted_type`, and what x64's trampolines write (`exit_fp`, `fuel`); everything else is written by the runtime alone.
//! - No pointer here is ever visible to the guest as a number.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicUsize};

/// Type id of a null or empty table entry: no function has it.
pub const NO_TYPE: u32 = u32::MAX;
/// Type id of what the host calls, whose type the host has compared: see [`VmStoreContext::wanted_type`].
pub const ANY_TYPE: u32 = u32::MAX - 1;

/// What `VmContext::magic` holds.
pub const VM_CONTEXT_MAGIC: u32 = u32::from_le_bytes(*b"wasm");
/// What `VmHostContext::magic` holds.
pub const VM_HOST_CONTEXT_MAGIC: u32 = u32::from_le_bytes(*b"host");

/// The head of an instance's VM context. The variable tail follows; [`crate::layout::VmLayout`] has its offsets.
///
/// `magic`, `in_registers` and `store` stand at the same offsets in [`VmHostContext`], so that who calls need
/// not know which one a callee has.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VmContext {
    /// [`VM_CONTEXT_MAGIC`].
    pub magic: u32,
    /// 0, as in the context of a host function that is called through its trampoline.
    pub in_registers: u32,
    /// The store's context; never changes.
    pub store: *mut VmStoreContext,
    /// Table of builtin trampolines, indexed by [`crate::builtin::Builtin`]; never changes.
    pub builtins: *const *const c_void,
    /// The runtime's instance object.
    pub instance: *mut c_void,
    /// The memory that host functions mean by "the caller's memory" (the export named `memory`), or null.
    pub default_memory: *const VmMemory,
}

/// The context of a host function, passed as its "VM context". Each import of a host function by an instance has its own,
/// so that the host function knows its caller.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VmHostContext {
    /// [`VM_HOST_CONTEXT_MAGIC`].
    pub magic: u32,
    /// Whether `host_code` takes its arguments as wasm passes them, and nobody minds who calls it: 1 or 0.
    /// Where [`crate::abi::in_registers`] holds of the type too, compiled code may change stacks and call
    /// `host_code` by itself. Never changes.
    pub in_registers: u32,
    /// The store's context.
    pub store: *mut VmStoreContext,
    /// The `extern "C"` function that the trampoline calls on the host's stack, with this context as first argument.
    pub host_code: *const c_void,
    /// What belongs to the host function (its closure).
    pub data: *mut c_void,
    /// The instance that imports the function, or null for a function that the host made by itself.
    pub caller: *mut VmContext,
}

/// What one store's wasm code and the trampolines share. One thread at a time runs a store.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VmStoreContext {
    /// Host stack pointer to return to: the innermost entry trampoline's frame, where callee-saved registers are saved.
    /// Host calls run below it, and the trap landing pad restores from it. Null outside wasm.
    pub host_sp: *mut u8,
    /// Frame pointer of the trampoline through which wasm last left for the host: `[exit_fp]` is the wasm caller's frame
    /// pointer, `[exit_fp + 8]` the return address into wasm. Re-entry continues below `exit_fp` on the wasm stack.
    pub exit_fp: *mut u8,
    /// Nonzero when host calls do not simply return to wasm: see [`pending`].
    pub pending: AtomicU32,
    /// A place for compiled code: for a handle on its way into an argument of [`crate::builtin::Builtin::ActivationsInsert`].
    pub incoming: u32,
    /// The runtime's store-side state, for handlers and builtins.
    pub runtime: *mut c_void,
    /// The embedder's `Store<T>` inner allocation, for host functions.
    pub host_state: *mut c_void,
    /// The handler where wasm continues when the running host function or builtin returns, or null. What follows belongs to it.
    pub handler: *const c_void,
    /// Its frame's stack pointer.
    pub handler_sp: *mut u8,
    /// Its frame pointer.
    pub handler_fp: *mut u8,
    /// The address of the exception's values, 16 bytes each, for the handler to load.
    pub handler_payload: *const u128,
    /// The exception as a handle, or 0.
    pub handler_exception: u64,
    /// Where host calls go that must not return to wasm. Never changes.
    pub leave: *const c_void,
    /// What host calls call when anything is pending and no reference is among their results: does
    /// [`pending::BOUNDARY`]'s work and returns, with the result registers as they were, or leaves. Never
    /// changes.
    pub boundary: *const c_void,
    /// Where the next handle of the activations table goes. Compiled code stores there and moves it on by four bytes; when it
    /// equals `activations_end`, it calls [`crate::builtin::Builtin::ActivationsInsert`] instead.
    pub activations_next: *mut u32,
    /// The end of the room that compiled code may fill.
    pub activations_end: *mut u32,
    /// Boundaries between wasm and the host sweep when `activations_next` has come this far.
    pub activations_threshold: *mut u32,
    /// The cage of the reference heap: handles are offsets from here. Never changes.
    pub cage_base: *mut u8,
    /// Bytes of the cage from which handles may be: never changes. Code in guard style relies on
    /// [`crate::heap::CAGE_BYTES`].
    pub cage_length: usize,
    /// In paranoid style, the canonical id of the type that the last caller took its callee to have;
    /// [`ANY_TYPE`] where the host calls.
    pub wanted_type: u32,
    /// Padding.
    pub reserved: u32,
    /// What code goes on with that replaces other code in the middle of a loop: [`crate::osr::MAX_CELLS`] cells. Never changes.
    pub loop_state: *mut u128,
    /// While the host runs, what compiled code has in a register: [`crate::fuel::counter`] of what is left. Only where
    /// the engine's code counts.
    pub fuel: u64,
}

/// Bits of [`VmStoreContext::pending`].
pub mod pending {
    /// A builtin or host function recorded a trap or an error.
    pub const TRAP: u32 = 1;
    /// An interrupt was asked for.
    pub const INTERRUPT: u32 = 2;
    /// An exception continues at `VmStoreContext::handler`.
    pub const HANDLER: u32 = 4;
    /// The store has something to do where wasm and the host meet and no reference is on its way: see the
    /// runtime's `Store::boundary`.
    pub const BOUNDARY: u32 = 8;
    /// Those that forbid the return to wasm.
    pub const LEAVE: u32 = TRAP | INTERRUPT | HANDLER;
}

/// A memory as compiled code sees it; or a data segment that a module can name, which nobody writes, and
/// whose length falls to 0 when it is dropped.
#[repr(C)]
#[derive(Debug)]
pub struct VmMemory {
    /// Address of byte 0; never changes.
    pub base: *mut u8,
    /// Length in bytes: published after the pages are accessible.
    pub length: AtomicUsize,
}

/// A table as compiled code sees it. A table of functions has [`VmTableEntry`] elements, a table of other references u32 handles.
#[repr(C)]
#[derive(Debug)]
pub struct VmTable {
    /// Address of element 0; `table.grow` may change it, except where [`crate::module::Module::table_is_fixed`].
    pub base: *mut u8,
    /// Elements.
    pub length: usize,
}

// Both compilers shift an index to its entry.
const _: () = assert!(size_of::<VmTableEntry>().is_power_of_two());

/// An element of a table of functions. `call_indirect` reads it inline.
#[repr(C)]
#[derive(Copy, Clone, Debug)]
pub struct VmTableEntry {
    /// The function's thunk; for a null entry, null.
    pub code: *const c_void,
    /// First argument of the call.
    pub vmctx: *mut VmContext,
    /// Canonical type id, or [`NO_TYPE`] for a null entry.
    pub type_id: u32,
    /// Padding.
    pub reserved: u32,
    /// The record itself (what `table.get` gives), or null.
    pub funcref: *const VmFuncRef,
}

/// A function reference's record: owned by the runtime, lives as long as its store, never moves. A funcref value in wasm
/// frames and globals is a pointer to one, or null.
#[repr(C)]
#[derive(Copy, Clone, Debug)]
pub struct VmFuncRef {
    /// The function's thunk or host trampoline.
    pub code: *const c_void,
    /// First argument of the call: a `VmContext` or a `VmHostContext`.
    pub vmctx: *mut VmContext,
    /// Canonical type id.
    pub type_id: u32,
    /// Padding.
    pub reserved: u32,
}

/// An imported function: where to call and with which context.
#[repr(C)]
#[derive(Copy, Clone, Debug)]
pub struct VmFuncImport {
    /// The function's thunk or host trampoline.
    pub code: *const c_void,
    /// First argument of the call.
    pub vmctx: *mut VmContext,
    /// The record, for `ref.func` of an import.
    pub funcref: *const VmFuncRef,
}

/// A tag. Its address is its identity.
#[repr(C)]
#[derive(Debug)]
pub struct VmTag {
    /// Canonical type id.
    pub type_id: u32,
    /// Its number in the store.
    pub index: u32,
}

/// A global's storage: any value type, in its low bytes (i32 4, i64 8, f32 4, f64 8, v128 16, funcref 8 as pointer,
/// other references 4 as handle). Upper bytes are zero or stale; nobody reads them.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VmGlobal {
    /// The bytes.
    pub bytes: [u8; 16],
}
