//! Instances: a context that compiled code reads, and what the runtime knows about it.
//!
//! An instance is made in the order of the specification (section 4.5.4): imports, functions, tables, memories, globals; then
//! active element segments, then active data segments, each with its bounds check. A trap leaves what was done before in
//! place, so the instance stays in its store even then: others may hold its functions already.

use crate::error::{InstantiateError, ResourceError};
use crate::funcref::HostRecord;
use crate::global::Global;
use crate::handle::{FuncHandle, Item, StoreId};
use crate::memory::Memory;
use crate::module::LoadedModule;
use crate::shared::SharedMemory;
use crate::store::Store;
use crate::sys::space::leave_room;
use crate::table::Table;
use crate::thrown::Tag;
use sconce_environ::code_tables::{CodeTable, Stream};
use sconce_environ::compile::BoundsStyle;
use sconce_environ::const_expr::{self, ConstContext};
use sconce_environ::index::*;
use sconce_environ::layout::Place;
use sconce_environ::module::{CompositeType, ConstExpr, ElementItems, EntityIndex, SegmentMode};
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{RefKind, ValType};
use sconce_environ::vm::*;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::{NonNull, null};
use std::sync::Arc;

/// An instance. Boxed by its store, so that its address (`VmContext::instance`) stays.
#[derive(Debug)]
pub(crate) struct Instance {
    pub module: Arc<LoadedModule>,
    context: Context,
    /// Its number in the store.
    pub index: u32,
    /// The store's numbers of its memories, tables, globals and tags, by index.
    pub memories: Vec<u32>,
    pub tables: Vec<u32>,
    pub globals: Vec<u32>,
    pub tags: Vec<u32>,
    /// Host functions that it imports, each with a context that names this instance as the caller.
    _host: Box<[HostRecord]>,
    /// Data segments that have been dropped.
    pub dropped_data: Box<[bool]>,
    /// Element segments that have been dropped.
    pub dropped_elems: Box<[bool]>,
}

/// A context's memory: zero at first, aligned, at one address until dropped.
#[derive(Debug)]
struct Context {
    at: NonNull<u8>,
    layout: Layout,
}

impl Context {
    fn new(size: u32) -> Result<Context, ResourceError> {
        let size = (size as usize).max(size_of::<VmContext>());
        // The size is bounded by validation's limits, so the layout exists.
        let layout = Layout::from_size_align(size, align_of::<VmContext>()).unwrap_or(Layout::new::<VmContext>());
        // SAFETY: the size is not zero.
        let at = unsafe { alloc_zeroed(layout) };
        let at = NonNull::new(at).ok_or_else(no_memory)?;
        Ok(Context { at, layout })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}

impl Instance {
    /// Its context.
    pub(crate) fn vmctx(&self) -> *mut VmContext {
        self.context.at.as_ptr().cast()
    }

    /// A field of the context.
    fn field<T>(&self, offset: u32) -> *mut T {
        debug_assert!(offset as usize + size_of::<T>() <= self.context.layout.size());
        self.context.at.as_ptr().wrapping_add(offset as usize).cast()
    }

    /// The store's number of a global.
    pub(crate) fn global(&self, g: GlobalIndex) -> u32 {
        self.globals[g.as_u32() as usize]
    }

    /// The record of a function that escapes or is imported; null for others.
    pub(crate) fn func_ref(&self, f: FuncIndex) -> *const VmFuncRef {
        if f.as_u32() < self.module.module().num_imported_functions {
            // SAFETY: an import's fields are inside the context, and filled before anybody asks.
            return unsafe { (*self.field::<VmFuncImport>(self.module.layout().func_import(f))).funcref };
        }
        self.module.layout().func_ref(f).map_or(null(), |offset| self.field::<VmFuncRef>(offset))
    }
}

/// Whether references other than to functions can come into a module's code.
fn handles_references(loaded: &LoadedModule) -> bool {
    let module = loaded.module();
    let is_handle = |ty: &ValType| matches!(ty, ValType::Ref(r) if r.kind() == RefKind::Handle);
    // Exceptions can be caught as references, those with others' tags too.
    !module.tags.is_empty()
        || !loaded.code().tables()[CodeTable::Handlers].is_empty()
        || module.tables.values().any(|t| t.element.kind() == RefKind::Handle)
        || module.globals.values().any(|g| is_handle(&g.content))
        || module.types.values().any(|ty| {
            let CompositeType::Func(f) = &ty.composite;
            f.params.iter().chain(&f.results).any(is_handle)
        })
}

fn no_memory() -> ResourceError {
    ResourceError::os("cannot get memory for an instance")(rustix::io::Errno::NOMEM)
}

/// An empty vector with room for `len`: a guest says how many, and how often.
fn room_for<T>(len: usize) -> Result<Vec<T>, ResourceError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| no_memory())?;
    Ok(vec)
}

fn all_false(len: usize) -> Result<Box<[bool]>, ResourceError> {
    let mut flags = room_for(len)?;
    flags.resize(len, false);
    Ok(flags.into())
}

/// Bytes that an instance takes, but for its memories' and tables' contents, which count by themselves.
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
        + m.data.len()
        + m.elements.len();
    u64::from(module.layout().size()) + items as u64
}

/// Makes an instance; see [`Store::instantiate`].
///
/// # Safety
/// `imports` are one for each import of the module, in order, of matching types.
pub(crate) unsafe fn instantiate(
    store: &mut Store,
    module: &Arc<LoadedModule>,
    imports: &[Item],
) -> Result<u32, InstantiateError> {
    let m = module.module();
    assert_eq!(imports.len(), m.imports.len(), "an item for each import");
    if handles_references(module) {
        store.heap.prepare(module.bounds() == BoundsStyle::Guard)?;
        store.heap.cage.prepare_null()?;
    }
    if store.all_counts {
        store.budget.take("an instance", bytes_of_an_instance(module))?;
    }
    let context = Context::new(module.layout().size())?;
    store.globals.try_reserve(m.globals.len()).map_err(|_| no_memory())?;
    store.tags.try_reserve(m.tags.len()).map_err(|_| no_memory())?;
    let mut instance = Box::new(Instance {
        module: module.clone(),
        context,
        index: u32::try_from(store.instances.len()).unwrap_or(u32::MAX),
        memories: room_for(m.memories.len())?,
        tables: room_for(m.tables.len())?,
        globals: room_for(m.globals.len())?,
        tags: room_for(m.tags.len())?,
        _host: Box::new([]),
        dropped_data: all_false(m.data.len())?,
        dropped_elems: all_false(m.elements.len())?,
    });
    // From here on pointers into the instance are handed out.
    let this: *mut Instance = &mut *instance;
    let index = instance.index;
    store.instances.push(instance);
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
        if let Some(EntityIndex::Memory(m)) = module.export("memory") {
            (*instance.vmctx()).default_memory = store.memories[instance.memories[m.as_u32() as usize] as usize].vm();
        }
        initialise_tables(store, instance);
        element_segments(store, instance)?;
        data_segments(store, instance)?;
    }
    if store.all_counts {
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
pub(crate) unsafe fn is_host(record: *const VmFuncRef) -> bool {
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

unsafe fn initialise_tables(store: &mut Store, instance: &Instance) {
    let module = instance.module.clone();
    for (d, init) in &module.module().table_inits {
        let Some(init) = init else { continue };
        let value = evaluate(init, instance, &store.globals);
        let table = &mut store.tables[instance.tables[module.module().table_index(d).as_u32() as usize] as usize];
        // SAFETY: validation has checked the value's type; the whole table is inside the table.
        let _ = unsafe { table.fill(0, value, table.len(), &mut store.heap) };
    }
}

unsafe fn element_segments(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    for (e, segment) in &module.module().elements {
        match &segment.mode {
            SegmentMode::Passive => continue,
            SegmentMode::Declared => {}
            SegmentMode::Active { target, offset } => {
                let at = evaluate(offset, instance, &store.globals);
                let at = offset_value(at, module.module().tables[*target].table64);
                let (table, len) = (instance.tables[target.as_u32() as usize], segment.items.len() as u64);
                // SAFETY: validation has checked types.
                unsafe { init_table(store, instance, table, e, at, 0, len) }.map_err(InstantiateError::Trap)?;
            }
        }
        instance.dropped_elems[e.as_u32() as usize] = true;
    }
    Ok(())
}

/// What constant expressions refer to.
struct Scope<'a> {
    instance: &'a Instance,
    globals: &'a [Global],
}

impl ConstContext for Scope<'_> {
    fn global(&mut self, global: GlobalIndex) -> u128 {
        self.globals[self.instance.global(global) as usize].get()
    }

    fn func_ref(&mut self, func: FuncIndex) -> u128 {
        self.instance.func_ref(func) as u64 as u128
    }
}

/// The value of a constant expression, as a raw value. The globals that it refers to are initialised already.
fn evaluate(expr: &ConstExpr, instance: &Instance, globals: &[Global]) -> u128 {
    // Validation has accepted it, so it has a value.
    const_expr::eval(expr, &mut Scope { instance, globals }).unwrap_or(0)
}

fn offset_value(raw: u128, wide: bool) -> u64 {
    if wide { raw as u64 } else { u64::from(raw as u32) }
}

/// `table.init` of the store's table number `table`.
///
/// # Safety
/// The segment's element type matches the table's.
pub(crate) unsafe fn init_table(
    store: &mut Store,
    instance: &Instance,
    table: u32,
    elem: ElemIndex,
    dst: u64,
    src: u64,
    len: u64,
) -> Result<(), TrapCode> {
    let segment = &instance.module.module().elements[elem];
    let items = if instance.dropped_elems[elem.as_u32() as usize] { 0 } else { segment.items.len() as u64 };
    let room = store.tables[table as usize].len();
    let fits = |at: u64, size: u64| at.checked_add(len).is_some_and(|end| end <= size);
    if !fits(src, items) || !fits(dst, room) {
        return Err(TrapCode::TableOutOfBounds);
    }
    for i in 0..len {
        let n = (src + i) as usize;
        let value = match &segment.items {
            ElementItems::Functions(f) => instance.func_ref(f[n]) as u64 as u128,
            ElementItems::Expressions(e) => evaluate(&e[n], instance, &store.globals),
        };
        debug_assert!(segment.ty.kind() == RefKind::Handle || store.tables[table as usize].kind() == RefKind::Func);
        // SAFETY: the caller's promise; records and handles are this store's.
        unsafe { store.tables[table as usize].set(dst + i, value, &mut store.heap) }.map_err(|_| TrapCode::TableOutOfBounds)?;
    }
    Ok(())
}

unsafe fn data_segments(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    let m = module.module();
    let imported = m.num_imported_memories as usize;
    let mut placed = vec![false; m.memories.len()];
    let cannot_map = || ResourceError::os("cannot map a memory's contents");
    if !m.data.values().any(|d| matches!(d.mode, SegmentMode::Active { .. })) {
        // Nothing to place.
    } else if let Some(data) = module.take_lazy_data() {
        let (wanted, mut presence, mut chunk) = (module.wanted_data(), Vec::new(), 0);
        let mut staged = module.take_staged().into_iter();
        for (memory, offset, source) in data.into_parts() {
            let index = memory.as_u32() as usize;
            let lazy = store.memories[instance.memories[index] as usize].place_lazily(offset, source).map_err(cannot_map())?;
            // SAFETY: host code runs, so no handler is looking.
            unsafe { (*store.shared.lazy_data.get()).push(lazy.clone()) };
            if let Some(staged) = staged.next().flatten() {
                lazy.adopt(staged);
            }
            // Those that could not be read before.
            lazy.ensure_marked(wanted, chunk);
            chunk += lazy.presence().len();
            presence.push(lazy.presence().clone());
            placed[index] = true;
        }
        module.set_data_presence(presence);
    } else if let Some(images) = module.images() {
        for (i, image) in images.iter().enumerate() {
            if let Some(image) = image {
                store.memories[instance.memories[imported + i] as usize].place_image(image).map_err(cannot_map())?;
                placed[imported + i] = true;
            }
        }
    }
    for (d, segment) in &m.data {
        let SegmentMode::Active { target, offset } = &segment.mode else { continue };
        let target = target.as_u32() as usize;
        if !placed[target] {
            let at = evaluate(offset, instance, &store.globals);
            let memory = &mut store.memories[instance.memories[target] as usize];
            let at = offset_value(at, memory.ty().memory64);
            let bytes = module.data(d).ok_or(ResourceError::DamagedCode)?;
            memory.write(at, bytes).map_err(|_| InstantiateError::Trap(TrapCode::MemoryOutOfBounds))?;
        }
        instance.dropped_data[d.as_u32() as usize] = true;
    }
    Ok(())
}

/// The item that a module's index means in an instance.
pub(crate) fn item(store: &mut Store, instance: u32, entity: EntityIndex) -> Item {
    use crate::handle::{GlobalHandle, MemoryHandle, TableHandle, TagHandle};
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
