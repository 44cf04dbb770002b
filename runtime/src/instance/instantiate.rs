//! How instances are made.
//!
//! An instance is made in the order of the specification (section 4.5.4): imports, functions,
//! tables, memories, globals; then active element segments, then active data segments, each with
//! its bounds check. A trap leaves what was done before in place, so the instance stays in its
//! store even then: others may hold its functions already.

use super::segments::{data_segments, define_passive_data, element_segments, evaluate, initialise_tables, keep_active_data};
use super::{Context, Instance, no_memory, room_for};
use crate::budget::Purpose;
use crate::error::{InstantiateError, ResourceError};
use crate::funcref::HostRecord;
use crate::global::Global;
use crate::handle::{FuncHandle, InstanceHandle, Item, StoreId};
use crate::memory::Memory;
use crate::module::LoadedModule;
use crate::sampler::Sampler;
use crate::shared::SharedMemory;
use crate::store::Store;
use crate::sys::space::leave_room;
use crate::table::Table;
use crate::thrown::Tag;
use sconce_environ::code_tables::{CodeTable, Stream};
use sconce_environ::compile::BoundsStyle;
use sconce_environ::index::*;
use sconce_environ::layout::Place;
use sconce_environ::module::EntityIndex;
use sconce_environ::types::ValType;
use sconce_environ::vm::*;
use std::ffi::c_void;
use std::ptr::null;
use std::sync::Arc;

impl Store {
    /// Makes an instance: everything but running the start function.
    ///
    /// # Errors
    /// If something cannot be had, or an active segment does not fit.
    ///
    /// # Safety
    /// `imports` match `module`'s imports, in order, in kind and type.
    ///
    /// # Panics
    /// If the number of imports is wrong, one belongs to another store, or the module to another
    /// engine.
    pub unsafe fn instantiate(
        &mut self,
        module: &Arc<LoadedModule>,
        imports: &[Item],
    ) -> Result<InstanceHandle, InstantiateError> {
        assert!(Arc::ptr_eq(module.code().space(), self.space()), "the module belongs to another engine");
        // SAFETY: the caller's promise.
        let index = unsafe { instantiate(self, module, imports)? };
        if let Some(watch) = module.watch() {
            watch.watch(Sampler::new(Arc::downgrade(&self.shared)));
        }
        Ok(InstanceHandle { store: self.id(), index })
    }
}

/// Whether references other than to functions can come into a module's code.
fn handles_references(loaded: &LoadedModule) -> bool {
    let module = loaded.module();
    // Exceptions can be caught as references, those of other modules' tags too, by code that may not be there yet.
    loaded.lazy().is_some()
        || !module.tags.is_empty()
        || !loaded.code().tables()[CodeTable::Handlers].is_empty()
        || module.tables.values().any(|t| t.element.is_handle())
        || module.globals.values().any(|g| g.content.is_handle())
        || module.types.values().any(|ty| ty.composite.values().any(ValType::is_handle))
}

/// Bytes that an instance takes, but for its memories' and tables' contents, which count by
/// themselves.
fn bytes_of_an_instance(module: &LoadedModule) -> u64 {
    let m = module.module();
    // A host function has a record in the store and one in the instance, and something keeps it.
    let import = 2 * size_of::<HostRecord>() + size_of::<Item>() + 4 * size_of::<usize>();
    let index = size_of::<u32>();
    let tag = size_of::<Tag>() + size_of::<VmTag>() + index;
    let items = size_of::<Instance>()
        + m.imports.len() * import
        + m.memories.len() * (size_of::<Memory>() + index)
        + m.tables.len() * (size_of::<Table>() + index)
        + m.globals.len() * (size_of::<Global>() + index)
        + m.tags.len() * tag
        + m.elements.len();
    u64::from(module.layout().size()) + items as u64
}

/// Makes an instance; see [`Store::instantiate`].
///
/// # Safety
/// `imports` are one for each import of the module, in order, of matching types.
unsafe fn instantiate(store: &mut Store, module: &Arc<LoadedModule>, imports: &[Item]) -> Result<u32, InstantiateError> {
    let m = module.module();
    assert_eq!(imports.len(), m.imports.len(), "an item for each import");
    if handles_references(module) {
        store.heap.prepare(module.bounds() == BoundsStyle::Guard)?;
        store.heap.cage.prepare_null()?;
    }
    let context = Context::new(module.layout().size())?;
    store.globals.try_reserve(m.globals.len()).map_err(|_| no_memory())?;
    store.tags.try_reserve(m.tags.len()).map_err(|_| no_memory())?;
    let instance = Instance::empty(module, context, store.instances.len())?;
    let index = instance.index;
    // What is counted is there to stay, with whatever comes of the rest.
    if store.all_counts {
        store.budget.take(Purpose::Instances, bytes_of_an_instance(module))?;
    }
    // From here on pointers into the instance are handed out.
    let this: *mut Instance = &raw mut **store.instances.push_mut(instance);
    // SAFETY: the box stays in the store. `store`'s other fields are used beside it.
    let instance = unsafe { &mut *this };

    // SAFETY: offsets come from the module's layout; the context is as large as it says.
    unsafe {
        fill_head(store, instance, this);
        import(store, instance, imports)?;
        define_functions(instance);
        define_tags(store, instance)?;
        define_tables(store, instance)?;
        define_memories(store, instance)?;
        define_globals(store, instance);
        define_passive_data(instance)?;
        if let Some(EntityIndex::Memory(m)) = module.export("memory") {
            (*instance.vmctx()).default_memory = store.memories[instance.memories[m.as_u32() as usize] as usize].vm();
        }
        initialise_tables(store, instance);
        if let Err(trap) = element_segments(store, instance) {
            keep_active_data(instance, 0)?;
            return Err(trap);
        }
        data_segments(store, instance)?;
    }
    if store.leaves_room {
        leave_room()?;
    }
    Ok(index)
}

unsafe fn fill_head(store: &Store, instance: &Instance, this: *mut Instance) {
    let layout = instance.module.layout();
    // SAFETY: the caller's promise.
    unsafe {
        instance.vmctx().write(VmContext {
            magic: VM_CONTEXT_MAGIC,
            in_registers: 0,
            store: store.vm(),
            builtins: store.space().stubs().builtins(),
            instance: this.cast::<c_void>(),
            default_memory: null(),
        });
        for (i, id) in instance.module.type_ids().iter().enumerate() {
            instance.field::<u32>(layout.type_id(TypeIndex::from_u32(i as u32))).write(id.as_u32());
        }
    }
}

unsafe fn import(store: &mut Store, instance: &mut Instance, imports: &[Item]) -> Result<(), ResourceError> {
    let module = instance.module.clone();
    let layout = module.layout();
    let id = store.id();
    let functions = imports.iter().filter_map(|i| if let Item::Func(f) = i { Some(f) } else { None });
    let is_host = |f: &FuncHandle| {
        id.check(f.store);
        // SAFETY: a record of this store.
        unsafe { is_host(f.record.as_ptr()) }
    };
    let host = functions.clone().filter(|f| is_host(f)).count();
    let mut records = room_for(host)?;
    records.resize_with(host, HostRecord::default);
    let mut records: Box<[HostRecord]> = records.into();
    let mut free = records.iter_mut();
    for (i, f) in functions.enumerate() {
        let f_index = FuncIndex::from_u32(i as u32);
        // SAFETY: records of this store; offsets from the layout.
        unsafe {
            let mut funcref: *const VmFuncRef = f.record.as_ptr();
            if is_host(f)
                && let Some(record) = free.next()
            {
                funcref = record.fill(&*funcref, instance.vmctx());
            }
            let VmFuncRef { code, vmctx, .. } = *funcref;
            instance.field::<VmFuncImport>(layout.func_import(f_index)).write(VmFuncImport { code, vmctx, funcref });
            if let Some(offset) = layout.func_ref(f_index) {
                instance.field::<VmFuncRef>(offset).write(*funcref);
            }
        }
    }
    instance._host = records;
    // SAFETY: pointers to what the store owns until it drops, at offsets from the layout.
    let pointer = |instance: &Instance, place: Place, to: *mut c_void| unsafe {
        if let Place::Pointer(offset) = place {
            instance.field::<*mut c_void>(offset).write(to);
        }
    };
    let owned = |owner: StoreId, index: u32| {
        id.check(owner);
        index
    };
    for item in imports {
        match item {
            Item::Func(_) => {}
            Item::Table(t) => {
                let place = layout.table(TableIndex::from_u32(instance.tables.len() as u32));
                instance.tables.push(owned(t.store, t.index));
                pointer(instance, place, store.tables[t.index as usize].vm().cast());
            }
            Item::Memory(m) => {
                let place = layout.memory(MemoryIndex::from_u32(instance.memories.len() as u32));
                instance.memories.push(owned(m.store, m.index));
                pointer(instance, place, store.memories[m.index as usize].vm().cast());
            }
            Item::Tag(t) => {
                instance.tags.push(owned(t.store, t.index));
            }
            Item::Global(g) => {
                let place = layout.global(GlobalIndex::from_u32(instance.globals.len() as u32));
                instance.globals.push(owned(g.store, g.index));
                pointer(instance, place, store.globals[g.index as usize].vm.cast());
            }
        }
    }
    Ok(())
}

/// Whether a record is of a host function.
///
/// # Safety
/// It is a record of a live store.
unsafe fn is_host(record: *const VmFuncRef) -> bool {
    // SAFETY: both kinds of contexts begin with a magic number.
    unsafe { (*(*record).vmctx).magic == VM_HOST_CONTEXT_MAGIC }
}

unsafe fn define_functions(instance: &Instance) {
    let (module, layout) = (&instance.module, instance.module.layout());
    let m = module.module();
    for &f in &m.escaping {
        let (Some(offset), Some(code)) = (layout.func_ref(f), module.function_address(f)) else { continue };
        let type_id = module.type_id(m.functions[f]).as_u32();
        let record = VmFuncRef { code: code as *const c_void, vmctx: instance.vmctx(), type_id, reserved: 0 };
        // SAFETY: an offset from the layout.
        unsafe { instance.field::<VmFuncRef>(offset).write(record) };
    }
}

fn inline(place: Place) -> u32 {
    match place {
        Place::Inline(offset) | Place::Pointer(offset) => offset,
    }
}

/// Makes the module's tags, and fills in the addresses of all.
unsafe fn define_tags(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    let m = module.module();
    for (i, &ty) in &m.tags {
        if m.defined_tag(i).is_some() {
            let tag = store.new_tag(module.type_id(ty))?;
            instance.tags.push(tag.index);
        }
        let tag: *const VmTag = &*store.tags[instance.tags[i.as_u32() as usize] as usize].vm;
        // SAFETY: an offset from the layout.
        unsafe { instance.field::<*const VmTag>(module.layout().tag(i)).write(tag) };
    }
    Ok(())
}

unsafe fn define_tables(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    for i in instance.tables.len()..module.module().tables.len() {
        let i = TableIndex::from_u32(i as u32);
        let vm = instance.field::<VmTable>(inline(module.layout().table(i)));
        // Initial values may name functions and globals: they come when those are there.
        // SAFETY: the context outlives the table; null belongs to every type until then.
        let table = unsafe { Table::new(module.table_type(i), 0, vm, &mut store.budget, &mut store.heap)? };
        instance.tables.push(store.tables.len() as u32);
        store.tables.push(table);
    }
    Ok(())
}

unsafe fn define_memories(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    for i in instance.memories.len()..module.module().memories.len() {
        let i = MemoryIndex::from_u32(i as u32);
        let ty = module.module().memories[i];
        let handle = match module.layout().memory(i) {
            Place::Inline(offset) => {
                // SAFETY: the context outlives the memory.
                let memory = unsafe { Memory::new(ty, module.bounds(), instance.field(offset), &mut store.budget)? };
                store.add_memory(memory)
            }
            // One that other stores may have: its description is not this instance's.
            Place::Pointer(offset) => {
                let memory = SharedMemory::new(ty, module.bounds(), store.budget.limit())?;
                let handle = store.add_shared_memory(&memory);
                // SAFETY: the store keeps the memory as long as it lives.
                unsafe { instance.field::<*mut VmMemory>(offset).write(memory.vm()) };
                handle
            }
        };
        instance.memories.push(handle.index);
    }
    Ok(())
}

unsafe fn define_globals(store: &mut Store, instance: &mut Instance) {
    let module = instance.module.clone();
    for (d, init) in &module.module().global_inits {
        let i = module.module().global_index(d);
        let vm = instance.field::<VmGlobal>(inline(module.layout().global(i)));
        let global = Global { ty: module.global_type(i), vm };
        global.set(evaluate(init, instance, &store.globals), &mut store.heap);
        instance.globals.push(store.globals.len() as u32);
        store.globals.push(global);
    }
}
