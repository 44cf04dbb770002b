//! Stores: what instances share, and everything that lives until they are all gone.

mod fuel;
mod functions;
mod globals;
mod memories;
mod references;
mod tables;

use crate::activation::Shared;
use crate::backtrace::{self, RawBacktrace};
use crate::budget::{MemoryBudget, MemoryLimit};
use crate::code::CodeSpace;
use crate::error::ResourceError;
use crate::funcref::HostRecord;
use crate::global::Global;
use crate::handle::StoreId;
use crate::heap::Heap;
use crate::instance::Instance;
use crate::interrupt::InterruptHandle;
use crate::memory::Memory;
use crate::stack::WasmStack;
use crate::stop::Stop;
use crate::sys::space::leave_room;
use crate::table::Table;
use crate::thrown::{CarriedFuncs, Tag};
use sconce_environ::registry::TypeRegistry;
use sconce_environ::vm::{VmFuncRef, VmGlobal, VmMemory, VmStoreContext, VmTable};
use std::any::Any;
use std::ffi::c_void;
use std::sync::{Arc, RwLock};

/// What can be chosen for a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes of its wasm stack, rounded up to pages; at least 64 KiB.
    pub stack_size: usize,
    /// What all its memories, tables and references together may have. Stores of one program can
    /// share a limit.
    pub memory: MemoryLimit,
    /// Whether everything else counts as well: what its wasm stack uses (64 KiB at least), and what
    /// its instances are made of.
    pub all_counts: bool,
    /// Whether room is left for what the host does next, or the store is not had: for stores of which a guest can make many.
    pub leaves_room: bool,
    /// The engine's types, by which compiled code's type ids are compared.
    pub types: Arc<RwLock<TypeRegistry>>,
    /// Sweep at every safe point, and verify every count after each sweep: for tests.
    pub gc_stress: bool,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        let (memory, types) = (MemoryLimit::default(), Arc::default());
        StoreOptions { stack_size: 8 << 20, memory, all_counts: false, leaves_room: false, types, gc_stress: false }
    }
}

/// A store. Always boxed: contexts point to it.
pub struct Store {
    id: StoreId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) budget: MemoryBudget,
    /// What [`StoreOptions::all_counts`] says.
    pub(crate) all_counts: bool,
    /// What [`StoreOptions::leaves_room`] says.
    pub(crate) leaves_room: bool,
    pub(crate) types: Arc<RwLock<TypeRegistry>>,
    pub(crate) memories: Vec<Memory>,
    pub(crate) tables: Vec<Table>,
    pub(crate) globals: Vec<Global>,
    #[allow(clippy::vec_box, reason = "contexts point to instances")]
    pub(crate) instances: Vec<Box<Instance>>,
    /// Why wasm is being left, until the innermost call has returned.
    pub(crate) stop: Option<Stop>,
    #[allow(clippy::vec_box, reason = "wasm points to records")]
    host_functions: Vec<Box<HostRecord>>,
    /// What host functions' data pointers lead to.
    kept: Vec<Arc<dyn Any + Send + Sync>>,
    #[allow(clippy::vec_box, reason = "tables point to records")]
    records: Vec<Box<VmFuncRef>>,
    #[allow(clippy::vec_box, reason = "instances and the store's items point to them")]
    own_memories: Vec<Box<VmMemory>>,
    #[allow(clippy::vec_box, reason = "as above")]
    own_tables: Vec<Box<VmTable>>,
    #[allow(clippy::vec_box, reason = "as above")]
    own_globals: Vec<Box<VmGlobal>>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) carried: CarriedFuncs,
    /// The values of the exception that was thrown last, which its handler is about to load.
    pub(crate) payload: Vec<u128>,
    pub(crate) heap: Heap,
    /// The fuel that was left when it was last set.
    granted_fuel: u64,
}

// SAFETY: a store's pointers lead to what it owns, or to code that it keeps alive, and move with
// it. Host functions' data is `Send + Sync` by the contract of `new_host_func`.
unsafe impl Send for Store {}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("id", &self.id).field("instances", &self.instances.len()).finish()
    }
}

impl Store {
    /// An empty store for code in `space`.
    ///
    /// # Errors
    /// If its stack cannot be had.
    pub fn new(space: &Arc<CodeSpace>, options: StoreOptions) -> Result<Box<Store>, ResourceError> {
        let stack = WasmStack::new(
            options.stack_size,
            Some(&options.memory).filter(|limit| options.all_counts && limit.bytes().is_some()),
        )?;
        let shared = Shared::new(stack, space.clone());
        let id = StoreId::next();
        // SAFETY: the context lives as long as the store, which owns the heap.
        let heap = unsafe { Heap::new(id, &shared, &options.memory, options.gc_stress) };
        if options.leaves_room {
            leave_room()?;
        }
        let mut store = Box::new(Store {
            id,
            shared,
            budget: MemoryBudget::new(&options.memory),
            all_counts: options.all_counts,
            leaves_room: options.leaves_room,
            types: options.types,
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            instances: Vec::new(),
            stop: None,
            host_functions: Vec::new(),
            kept: Vec::new(),
            records: Vec::new(),
            own_memories: Vec::new(),
            own_tables: Vec::new(),
            own_globals: Vec::new(),
            tags: Vec::new(),
            carried: CarriedFuncs::default(),
            payload: Vec::new(),
            heap,
            granted_fuel: u64::MAX,
        });
        let this: *mut Store = &mut *store;
        // SAFETY: nobody else has the context yet.
        unsafe { (*store.vm()).runtime = this.cast() };
        Ok(store)
    }

    /// Its number.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Its context: what compiled code and host functions get.
    pub fn vm(&self) -> *mut VmStoreContext {
        self.shared.vm()
    }

    /// Where its code lives.
    pub fn space(&self) -> &Arc<CodeSpace> {
        &self.shared.code
    }

    /// Sets what host functions find in [`VmStoreContext::host_state`].
    pub fn set_host_state(&mut self, state: *mut c_void) {
        // SAFETY: the store is borrowed, so no wasm runs; the context lives as long as the store.
        unsafe { (*self.vm()).host_state = state };
    }

    /// The store of a context, in a host function.
    ///
    /// # Safety
    /// `vm` is the context of a live store that this thread is running, and no other reference to
    /// the store is used while the result is.
    pub unsafe fn from_vm<'a>(vm: *mut VmStoreContext) -> &'a mut Store {
        // SAFETY: `call` keeps the pointer current; the rest is the caller's promise.
        unsafe { &mut *(*vm).runtime.cast::<Store>() }
    }

    /// What interrupts this store's wasm code, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.shared.clone())
    }

    /// Whether an interrupt was asked for: host functions that take long look now and then, and
    /// return.
    pub fn interrupted(&self) -> bool {
        self.shared.interrupted()
    }

    /// The wasm frames below, innermost first: in a host function, those that led to it; otherwise
    /// none.
    pub fn backtrace(&self) -> RawBacktrace {
        backtrace::of_host_call(&self.shared)
    }
}
