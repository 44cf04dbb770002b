//! Offsets of a VM context's variable tail. Both compilers and the runtime compute them from here.

use crate::index::*;
use crate::module::Module;
use crate::types::MemoryType;
use crate::vm::*;
use std::mem::{offset_of, size_of};

/// Where things are in the VM context of a module's instances. All offsets are in bytes from the context's start.
#[derive(Clone, Debug)]
pub struct VmLayout {
    func_imports: u32,
    table_imports: u32,
    global_imports: u32,
    memories: Vec<Place>,
    tables: u32,
    globals: u32,
    tags: u32,
    type_ids: u32,
    func_refs: u32,
    data: u32,
    size: u32,
    escaping: Vec<FuncIndex>,
    num_imported_tables: u32,
    num_imported_globals: u32,
}

impl VmLayout {
    /// `VmContext::store`.
    pub const STORE: u32 = offset_of!(VmContext, store) as u32;
    /// `VmContext::builtins`.
    pub const BUILTINS: u32 = offset_of!(VmContext, builtins) as u32;

    /// `VmStoreContext::activations_next`, in the store's context; the next ones as well.
    pub const ACTIVATIONS_NEXT: u32 = offset_of!(VmStoreContext, activations_next) as u32;
    /// `VmStoreContext::activations_end`.
    pub const ACTIVATIONS_END: u32 = offset_of!(VmStoreContext, activations_end) as u32;
    /// `VmStoreContext::incoming`.
    pub const INCOMING: u32 = offset_of!(VmStoreContext, incoming) as u32;
    /// `VmStoreContext::cage_base`.
    pub const CAGE_BASE: u32 = offset_of!(VmStoreContext, cage_base) as u32;
    /// `VmStoreContext::cage_length`.
    pub const CAGE_LENGTH: u32 = offset_of!(VmStoreContext, cage_length) as u32;
    /// `VmStoreContext::wanted_type`.
    pub const WANTED_TYPE: u32 = offset_of!(VmStoreContext, wanted_type) as u32;

    /// `VmStoreContext::loop_state`.
    pub const LOOP_STATE: u32 = offset_of!(VmStoreContext, loop_state) as u32;

    /// The layout for a module.
    pub fn new(module: &Module) -> VmLayout {
        let mut at = size_of::<VmContext>() as u32;
        let mut take = |count: usize, size: usize, align: u32| {
            at = at.next_multiple_of(align);
            let start = at;
            // Validation limits every count far below what could overflow: 1,000,000 functions of 24 bytes.
            at += u32::try_from(count * size).expect("counts are limited by validation");
            start
        };
        let word = size_of::<usize>();
        let imported_memories = module.num_imported_memories as usize;
        // A shared memory has one description for all who have it, as an imported one has.
        let shared = module.memories.values().skip(imported_memories).map(|ty| ty.shared);
        let (shared, memories): (Vec<bool>, Vec<bool>) = shared.partition(|&shared| shared);
        let tables = module.tables.len() - module.num_imported_tables as usize;
        let globals = module.globals.len() - module.num_imported_globals as usize;
        // Memories first: hot, and in reach of an 8-bit displacement.
        let own = take(memories.len(), size_of::<VmMemory>(), 8);
        let pointers = take(imported_memories + shared.len(), word, 8);
        let layout_tables = take(tables, size_of::<VmTable>(), 8);
        let table_imports = take(module.num_imported_tables as usize, word, 8);
        let layout_globals = take(globals, size_of::<VmGlobal>(), 16);
        let global_imports = take(module.num_imported_globals as usize, word, 8);
        let func_imports = take(module.num_imported_functions as usize, size_of::<VmFuncImport>(), 8);
        let tags = take(module.tags.len(), word, 8);
        let type_ids = take(module.types.len(), 4, 4);
        let func_refs = take(module.escaping.len(), size_of::<VmFuncRef>(), 8);
        let data = take(if module.data_can_be_named { module.data.len() } else { 0 }, size_of::<VmMemory>(), 8);
        let size = take(0, 0, 16);
        let (mut own, mut pointers) = (own, pointers);
        let memory_place = |(i, ty): (MemoryIndex, &MemoryType)| {
            let behind_pointer = module.defined_memory(i).is_none() || ty.shared;
            let (next, size) = if behind_pointer { (&mut pointers, word) } else { (&mut own, size_of::<VmMemory>()) };
            let at = *next;
            *next += size as u32;
            if behind_pointer { Place::Pointer(at) } else { Place::Inline(at) }
        };
        let memories = module.memories.iter().map(memory_place).collect();
        VmLayout {
            func_imports,
            table_imports,
            global_imports,
            memories,
            tables: layout_tables,
            globals: layout_globals,
            tags,
            type_ids,
            func_refs,
            data,
            size,
            escaping: module.escaping.clone(),
            num_imported_tables: module.num_imported_tables,
            num_imported_globals: module.num_imported_globals,
        }
    }

    /// Bytes of the whole context, head included.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The [`VmFuncImport`] of an imported function.
    pub fn func_import(&self, i: FuncIndex) -> u32 {
        self.func_imports + i.as_u32() * size_of::<VmFuncImport>() as u32
    }

    /// The canonical type id (u32) of a type of the module.
    pub fn type_id(&self, i: TypeIndex) -> u32 {
        self.type_ids + i.as_u32() * 4
    }

    /// The pointer to a tag, imported or defined: a [`VmTag`], whose address is the tag's identity.
    pub fn tag(&self, i: TagIndex) -> u32 {
        self.tags + i.as_u32() * size_of::<usize>() as u32
    }

    /// The [`VmFuncRef`] of an escaping function, imported or defined; `None` if the function does not escape.
    pub fn func_ref(&self, i: FuncIndex) -> Option<u32> {
        let n = self.escaping.binary_search(&i).ok()?;
        Some(self.func_refs + n as u32 * size_of::<VmFuncRef>() as u32)
    }

    /// The [`VmMemory`] of a data segment, where instructions can name one.
    pub fn data(&self, i: DataIndex) -> u32 {
        self.data + i.as_u32() * size_of::<VmMemory>() as u32
    }

    /// Where a memory is.
    pub fn memory(&self, i: MemoryIndex) -> Place {
        self.memories[i.as_u32() as usize]
    }

    /// Where a table is.
    pub fn table(&self, i: TableIndex) -> Place {
        place(i.as_u32(), self.num_imported_tables, self.table_imports, self.tables, size_of::<VmTable>())
    }

    /// Where a global's storage is.
    pub fn global(&self, i: GlobalIndex) -> Place {
        place(i.as_u32(), self.num_imported_globals, self.global_imports, self.globals, size_of::<VmGlobal>())
    }
}

/// Where an item is: in the context, or behind a pointer in the context.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The item itself is at this offset.
    Inline(u32),
    /// A pointer to the item is at this offset; it never changes.
    Pointer(u32),
}

fn place(index: u32, imported: u32, imports: u32, defined: u32, size: usize) -> Place {
    match index.checked_sub(imported) {
        None => Place::Pointer(imports + index * size_of::<usize>() as u32),
        Some(d) => Place::Inline(defined + d * size as u32),
    }
}
