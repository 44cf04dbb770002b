//! Stores: what instances share, and everything that lives until they are all gone.

use crate::activation::Shared;
use crate::backtrace::{self, RawBacktrace};
use crate::budget::{MemoryBudget, MemoryLimit};
use crate::code::CodeSpace;
use crate::error::{InstantiateError, OutOfBounds, ResourceError};
use crate::funcref::{HostFunc, HostRecord};
use crate::global::Global;
use crate::handle::*;
use crate::heap::{Heap, HeapStats, HostRef, Occasion};
use crate::instance::{self, Instance};
use crate::interrupt::InterruptHandle;
use crate::memory::Memory;
use crate::module::LoadedModule;
use crate::shared::SharedMemory;
use crate::stack::WasmStack;
use crate::stop::Stop;
use crate::sys::space::leave_room;
use crate::table::Table;
use crate::thrown::{CarriedFuncs, Tag};
use sconce_environ::compile::BoundsStyle;
use sconce_environ::index::{FuncIndex, TypeId};
use sconce_environ::module::EntityIndex;
use sconce_environ::registry::TypeRegistry;
use sconce_environ::types::{GlobalType, MemoryType, TableType};
use sconce_environ::vm::*;
use std::any::Any;
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, RwLock};

/// What can be chosen for a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes of its wasm stack, rounded up to pages; at least 64 KiB.
    pub stack_size: usize,
    /// What all its memories, tables and references together may have. Stores of one program can share a limit.
    pub memory: MemoryLimit,
    /// Whether everything else counts as well: what its wasm stack uses (64 KiB at least), and what its instances are made of. For
    /// stores of which a guest can make many.
    pub all_counts: bool,
    /// The engine's types, by which compiled code's type ids are compared.
    pub types: Arc<RwLock<TypeRegistry>>,
    /// Sweep at every safe point, and verify every count after each sweep: for tests.
    pub gc_stress: bool,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        let (memory, types) = (MemoryLimit::default(), Arc::default());
        StoreOptions { stack_size: 8 << 20, memory, all_counts: false, types, gc_stress: false }
    }
}

/// A store. Always boxed: contexts point to it.
pub struct Store {
    id: StoreId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) budget: MemoryBudget,
    /// What [`StoreOptions::all_counts`] says.
    pub(crate) all_counts: bool,
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
}

// SAFETY: a store's pointers lead to what it owns, or to code that it keeps alive, and move with it. Host functions' data is
// `Send + Sync` by the contract of `new_host_func`.
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
        let stack =
            WasmStack::new(options.stack_size, Some(&options.memory).filter(|limit| options.all_counts && limit.is_set()))?;
        let shared = Shared::new(stack, space.clone());
        let id = StoreId::next();
        // SAFETY: the context lives as long as the store, which owns the heap.
        let heap = unsafe { Heap::new(id, &shared, &options.memory, options.gc_stress) };
        if options.all_counts {
            leave_room()?;
        }
        let mut store = Box::new(Store {
            id,
            shared,
            budget: MemoryBudget::new(&options.memory),
            all_counts: options.all_counts,
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
    /// `vm` is the context of a live store that this thread is running, and no other reference to the store is used while the
    /// result is.
    pub unsafe fn from_vm<'a>(vm: *mut VmStoreContext) -> &'a mut Store {
        // SAFETY: `call` keeps the pointer current; the rest is the caller's promise.
        unsafe { &mut *(*vm).runtime.cast::<Store>() }
    }

    /// What interrupts this store's wasm code, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.shared.clone())
    }

    /// Whether an interrupt was asked for: host functions that take long look now and then, and return.
    pub fn interrupted(&self) -> bool {
        self.shared.interrupted()
    }

    /// The wasm frames below, innermost first: in a host function, those that led to it; otherwise none.
    pub fn backtrace(&self) -> RawBacktrace {
        backtrace::of_host_call(&self.shared)
    }

    // Functions.

    /// Makes a host function.
    ///
    /// # Safety
    /// `f.code` has the shape that the trampoline was made for, and may be called with `f.data` from whatever thread runs the
    /// store, as long as `f.keep` lives.
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

    /// The index of a wasm function in the module that defines it; `None` for a host function. Looks for it: for messages.
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

    // Memories.

    /// The limit on its memories, tables and references.
    pub fn memory_limit(&self) -> &MemoryLimit {
        self.budget.limit()
    }

    /// A memory of the host's.
    ///
    /// # Errors
    /// If it exceeds the limit or cannot be had.
    pub fn new_memory(&mut self, ty: MemoryType, bounds: BoundsStyle) -> Result<MemoryHandle, ResourceError> {
        if ty.shared {
            let memory = SharedMemory::new(ty, bounds, self.budget.limit())?;
            return Ok(self.add_shared_memory(&memory));
        }
        let mut vm = Box::new(VmMemory { base: null_mut(), length: 0.into() });
        // SAFETY: the box stays in the store, which drops it after the memory.
        let memory = unsafe { Memory::new(ty, bounds, &mut *vm, &mut self.budget)? };
        self.own_memories.push(vm);
        Ok(self.add_memory(memory))
    }

    /// A memory that other stores may have too. Given twice, it is one memory of the store.
    pub fn add_shared_memory(&mut self, memory: &SharedMemory) -> MemoryHandle {
        let known = self.memories.iter().position(|m| m.shared().is_some_and(|m| m.same(memory)));
        match known {
            Some(index) => MemoryHandle { store: self.id, index: index as u32 },
            None => self.add_memory(Memory::from_shared(memory.clone())),
        }
    }

    /// What other stores may have of a memory; `None` if it is not shared.
    pub fn shared_memory(&self, m: MemoryHandle) -> Option<SharedMemory> {
        self.memory(m).shared().cloned()
    }

    pub(crate) fn add_memory(&mut self, memory: Memory) -> MemoryHandle {
        // SAFETY: host code runs, so no handler is looking.
        unsafe { (*self.shared.memories.get()).push(memory.reserved()) };
        self.memories.push(memory);
        MemoryHandle { store: self.id, index: self.memories.len() as u32 - 1 }
    }

    fn memory(&self, m: MemoryHandle) -> &Memory {
        self.id.check(m.store);
        &self.memories[m.index as usize]
    }

    /// A memory's type, as declared; its present size is [`Store::memory_size`].
    pub fn memory_type(&self, m: MemoryHandle) -> MemoryType {
        self.memory(m).ty()
    }

    /// A memory's pages.
    pub fn memory_size(&self, m: MemoryHandle) -> u64 {
        self.memory(m).pages()
    }

    /// A memory as compiled code sees it; valid as long as the store. All of it can be used by this thread: what has not been brought
    /// in is brought in now, or by faults where a call of this store is under way.
    pub fn memory_vm(&self, m: MemoryHandle) -> *const VmMemory {
        let memory = self.memory(m);
        if !crate::traps::is_current(&self.shared) {
            memory.bring_in();
        }
        memory.vm()
    }

    /// Adds pages; gives the number before, or `None` if it cannot grow that much.
    pub fn memory_grow(&mut self, m: MemoryHandle, pages: u64) -> Option<u64> {
        self.id.check(m.store);
        self.memories[m.index as usize].grow(pages, &mut self.budget)
    }

    /// Copies out of a memory.
    ///
    /// # Errors
    /// If not all of it lies inside; nothing is copied then.
    pub fn memory_read(&self, m: MemoryHandle, offset: u64, out: &mut [u8]) -> Result<(), OutOfBounds> {
        self.memory(m).read(offset, out)
    }

    /// Copies into a memory.
    ///
    /// # Errors
    /// If not all of it lies inside; nothing is copied then.
    pub fn memory_write(&mut self, m: MemoryHandle, offset: u64, bytes: &[u8]) -> Result<(), OutOfBounds> {
        self.id.check(m.store);
        self.memories[m.index as usize].write(offset, bytes)
    }

    // Tables.

    /// A table of the host's, full of `init`.
    ///
    /// # Errors
    /// If it exceeds the limit.
    ///
    /// # Safety
    /// `init` is a raw reference of this store and of the element type.
    pub unsafe fn new_table(&mut self, ty: TableType<TypeId>, init: u128) -> Result<TableHandle, ResourceError> {
        let mut vm = Box::new(VmTable { base: null_mut(), length: 0 });
        // SAFETY: the box stays in the store, which drops it after the table; the rest is the caller's promise.
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

    // Globals.

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

    // References.

    /// A reference to a host value. The value is dropped when nothing refers to it any more, at the latest with the store.
    ///
    /// # Errors
    /// If the heap is full: it has room for at least 134 million, where address space is not short and the memory limit allows it.
    /// That is found out by a sweep, so no raw handle may be in the host's hands.
    pub fn new_externref(&mut self, value: Box<dyn Any + Send + Sync>) -> Result<HostRef, ResourceError> {
        self.heap.settle_host();
        let handle = self.make_object(|store| store.heap.new_extern())?;
        self.heap.set_extern_value(handle, value);
        Ok(self.heap.hold(handle))
    }

    /// The host value of a handle; `None` for null and for what names none.
    pub fn externref(&self, handle: u32) -> Option<&(dyn Any + Send + Sync)> {
        self.heap.extern_value(handle)
    }

    /// A count of the host's own for a handle that comes from wasm; `None` for null.
    pub fn hold(&self, handle: u32) -> Option<HostRef> {
        self.heap.object(handle)?;
        Some(self.heap.hold(handle))
    }

    /// Announces a handle that is about to come into a frame: as an argument, or as a host function's result. It stays alive until
    /// the first sweep that does not find it in a frame. Null, and what is no handle, does nothing.
    pub fn enter_frame(&mut self, handle: u32) {
        self.heap.enter_frame(handle);
    }

    /// A boundary between wasm and the host, with no raw handle in the host's hands: sweeps if it is time to, takes up what the host
    /// has done with its references since the last time, and drops host values that nobody refers to.
    #[inline]
    pub fn boundary(&mut self) {
        if self.heap.activations.is_due() || self.heap.host_waits() {
            self.boundary_due();
        }
    }

    #[cold]
    pub(crate) fn boundary_due(&mut self) {
        // SAFETY: `self` is not used any more.
        unsafe { Store::safe_point(self) };
    }

    /// Whether a safe point of wasm code has something to do.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.heap.activations.is_due() || self.heap.has_garbage()
    }

    /// Sweeps if it is time to, takes up what the host has done with its references, and drops host values that nobody refers to.
    ///
    /// # Safety
    /// As for [`Store::settle`]. What is in nobody's hands but a builtin's or the host's has a count of theirs.
    #[cold]
    pub(crate) unsafe fn safe_point(this: *mut Store) {
        // SAFETY: the caller's promise; the reference ends before values are dropped.
        unsafe {
            let store = &mut *this;
            if store.heap.activations.is_due() {
                store.sweep(if store.heap.activations.is_asked() { Occasion::Asked } else { Occasion::Boundary });
            }
            store.heap.settle_host();
            Store::settle(this);
        }
    }

    /// Makes an object; where there is no room, once more after a sweep, and once more when free blocks have been put together. What
    /// the object refers to is held by somebody.
    pub(crate) fn make_object(&mut self, make: impl Fn(&mut Store) -> Result<u32, ResourceError>) -> Result<u32, ResourceError> {
        let first = make(self);
        if first.is_ok() {
            return first;
        }
        self.sweep(Occasion::Exhausted);
        if self.heap.has_garbage() {
            // Not now, in the middle of something.
            self.heap.ask_for_boundary();
        }
        make(self).or_else(|_| {
            self.heap.cage.coalesce();
            make(self)
        })
    }

    /// Sweeps at once. No raw handle may be in the host's hands.
    pub fn collect(&mut self) {
        self.sweep(Occasion::Explicit);
        self.settle_last();
    }

    /// Asks for a sweep at the next safe point: the next time that wasm or the host enters the other, or a reference comes into a
    /// frame.
    pub fn ask_for_sweep(&mut self) {
        self.heap.ask();
    }

    /// What there is in the heap.
    pub fn heap_stats(&self) -> HeapStats {
        self.heap.stats()
    }

    pub(crate) fn sweep(&mut self, why: Occasion) {
        self.heap.sweep(&self.shared, why);
        if self.heap.stress && self.heap.stats().objects != 0 {
            self.verify_heap();
        }
    }

    /// [`Store::settle`] as the last thing that a method does.
    #[inline]
    fn settle_last(&mut self) {
        // SAFETY: `self` is not used any more.
        unsafe { Store::settle(self) };
    }

    /// Takes dead objects apart and drops their host values, one after the other: one whose drop lets others die, or enters the
    /// store again, does not recurse into here.
    ///
    /// # Safety
    /// `this` is a live store that this thread runs; no reference to it is used until this returns, for drops may enter the store.
    #[inline]
    pub(crate) unsafe fn settle(this: *mut Store) {
        // SAFETY: the caller's promise; the references end with the statements.
        unsafe {
            (*this).heap.bury();
            if (*this).heap.has_garbage() {
                Store::drop_garbage(this);
            }
        }
    }

    /// # Safety
    /// As for [`Store::settle`].
    #[cold]
    unsafe fn drop_garbage(this: *mut Store) {
        /// Resets the flag when a drop panics: the next call goes on with the rest.
        struct Dropping(*mut Store);
        impl Drop for Dropping {
            fn drop(&mut self) {
                // SAFETY: the promise of `drop_garbage`'s caller.
                unsafe { (*self.0).heap.set_dropping(false) };
            }
        }
        // SAFETY: the caller's promise; no reference lives while a value is dropped.
        let next = || unsafe { (*this).heap.next_garbage() };
        // SAFETY: as above.
        unsafe { (*this).heap.set_dropping(true) };
        let _dropping = Dropping(this);
        while let Some(value) = next() {
            drop(value);
            // It may have held references of the host's.
            // SAFETY: as above.
            unsafe { (*this).heap.settle_host() };
        }
    }

    // Instances.

    /// Makes an instance: everything but running the start function.
    ///
    /// # Errors
    /// If something cannot be had, or an active segment does not fit.
    ///
    /// # Safety
    /// `imports` match `module`'s imports, in order, in kind and type.
    ///
    /// # Panics
    /// If the number of imports is wrong, one belongs to another store, or the module to another engine.
    pub unsafe fn instantiate(
        &mut self,
        module: &Arc<LoadedModule>,
        imports: &[Item],
    ) -> Result<InstanceHandle, InstantiateError> {
        assert!(Arc::ptr_eq(module.code().space(), self.space()), "the module belongs to another engine");
        // SAFETY: the caller's promise.
        let index = unsafe { instance::instantiate(self, module, imports)? };
        Ok(InstanceHandle { store: self.id, index })
    }

    /// An instance's module.
    pub fn instance_module(&self, i: InstanceHandle) -> &Arc<LoadedModule> {
        self.id.check(i.store);
        &self.instances[i.index as usize].module
    }

    /// What an index of the instance's module means, exported or not.
    ///
    /// # Panics
    /// If the module has no such index.
    pub fn instance_item(&mut self, i: InstanceHandle, entity: EntityIndex) -> Item {
        self.id.check(i.store);
        instance::item(self, i.index, entity)
    }

    /// The instance whose import a host function was called through; `None` if the host made the call itself.
    ///
    /// # Safety
    /// `ctx` is what the host function got, and belongs to this store.
    pub unsafe fn caller(&self, ctx: *const VmHostContext) -> Option<InstanceHandle> {
        // SAFETY: the caller's promise; `caller` is null or an instance's context, whose `instance` never changes.
        unsafe {
            let caller = (*ctx).caller.as_ref()?;
            Some(InstanceHandle { store: self.id, index: (*caller.instance.cast::<Instance>()).index })
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
