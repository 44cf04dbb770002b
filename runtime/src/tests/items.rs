//! Memories, tables, globals, host values, and how instances share them.

use super::build::*;
use crate::*;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::index::*;
use sconce_environ::module::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::*;
use sconce_environ::vm::{NO_TYPE, VmTable, VmTableEntry};
use sconce_x64::encode::Encoder;
use sconce_x64::register::Gpr;
use std::ops::Range;
use std::sync::Arc;

fn memory_type(min: u64, max: Option<u64>) -> MemoryType {
    MemoryType { limits: Limits { min, max }, ..MEMORY }
}

fn funcs(min: u64, max: Option<u64>) -> TableType<TypeId> {
    TableType { element: RefType::FUNCREF, limits: Limits { min, max }, table64: false }
}

fn constant(op: ConstOp) -> ConstExpr {
    ConstExpr { ops: [op].into() }
}

#[test]
fn memories_grow_in_place_with_zeros_up_to_their_limits() {
    for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
        let mut store = World::with(StoreOptions { memory: MemoryLimit::new(Some(5 << 16)), ..StoreOptions::default() }).store;
        let m = store.new_memory(memory_type(1, Some(3)), bounds).unwrap();
        // SAFETY: valid as long as the store.
        let base = unsafe { (*store.memory_vm(m)).base };
        assert_eq!(store.memory_size(m), 1);
        store.memory_write(m, 65535, &[7]).unwrap();
        assert_eq!(store.memory_write(m, 65535, &[7, 7]), Err(OutOfBounds));
        assert_eq!(store.memory_write(m, u64::MAX, &[7]), Err(OutOfBounds));
        assert_eq!(store.memory_grow(m, 0), Some(1));
        assert_eq!(store.memory_grow(m, 3), None);
        assert_eq!(store.memory_grow(m, u64::MAX), None);
        assert_eq!(store.memory_grow(m, 2), Some(1));
        let mut bytes = [1; 3];
        store.memory_read(m, 65535, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 0, 0]);
        store.memory_read(m, 3 * 65536 - 3, &mut bytes).unwrap();
        assert_eq!((bytes, store.memory_grow(m, 1)), ([0; 3], None));
        // SAFETY: as above.
        assert_eq!(unsafe { (*store.memory_vm(m)).base }, base);
        // The limit counts all memories: 3 pages are taken.
        let other = store.new_memory(memory_type(1, None), bounds).unwrap();
        assert_eq!((store.memory_grow(other, 2), store.memory_grow(other, 1)), (None, Some(1)));
        let refused = store.new_memory(memory_type(1, None), bounds);
        assert!(matches!(refused, Err(ResourceError::MemoryLimit { limit: 327680, .. })), "{refused:?}");
    }
}

#[test]
fn no_memory_is_larger_than_its_indices_reach() {
    let mut store = World::new().store;
    for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
        let refused = store.new_memory(memory_type(65537, None), bounds);
        assert!(matches!(refused, Err(ResourceError::MemoryTooLarge { limit: 0x1_0000_0000, .. })), "{refused:?}");
    }
}

#[test]
fn guards_are_reserved_in_full_and_explicit_memories_are_not() {
    let mut store = World::new().store;
    store.new_memory(memory_type(1, Some(2)), BoundsStyle::Guard).unwrap();
    store.new_memory(memory_type(1, Some(2)), BoundsStyle::Explicit).unwrap();
    store.new_memory(memory_type(0, Some(0)), BoundsStyle::Explicit).unwrap();
    let len = |i: usize| store.memories[i].reserved().len() as u64;
    assert_eq!(len(0), sconce_environ::space::GUARDED_MEMORY_BYTES);
    assert_eq!(len(1), 2 << 16);
    assert_eq!(store.memory_size(MemoryHandle { store: store.id(), index: 2 }), 0);
}

#[test]
fn absurd_memories_are_errors() {
    let mut store = World::new().store;
    for (min, memory64) in [(1 << 48, true), (u64::MAX, true), (1 << 40, true)] {
        let ty = MemoryType { memory64, ..memory_type(min, None) };
        assert!(store.new_memory(ty, BoundsStyle::Guard).is_err(), "{min}");
    }
    assert_eq!(store.memory_limit().used(), 0);
}

#[test]
fn pages_of_one_byte() {
    let mut store = World::new().store;
    let ty = MemoryType { page_size_log2: 0, ..memory_type(10, Some(5000)) };
    let m = store.new_memory(ty, BoundsStyle::Guard).unwrap();
    assert_eq!(store.memory_write(m, 9, &[1, 1]), Err(OutOfBounds));
    assert_eq!(store.memory_grow(m, 4990), Some(10));
    assert_eq!((store.memory_write(m, 4999, &[1]), store.memory_grow(m, 1)), (Ok(()), None));
}

/// A module whose data overlaps, and is large enough for an image.
fn with_data() -> Builder {
    let mut b = Builder::new();
    let m = b.memory(memory_type(4, None));
    let pattern: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8 + 1).collect();
    b.data(m, 5000, &pattern);
    b.data(m, 70_000, b"on top");
    b.data(m, 200_000, &pattern[..10]);
    b.data(m, 3, b"");
    b.module.exports.push(Export { name: "memory".into(), entity: EntityIndex::Memory(m) });
    b
}

fn contents(world: &mut World, i: InstanceHandle) -> Vec<u8> {
    let Item::Memory(m) = world.store.instance_item(i, EntityIndex::Memory(MemoryIndex::from_u32(0))) else { panic!() };
    let mut bytes = vec![0; 4 << 16];
    world.store.memory_read(m, 0, &mut bytes).unwrap();
    bytes
}

#[test]
fn an_image_holds_what_copying_would_and_is_private() {
    let mut world = World::new();
    let module = with_data().load(&world.space);
    let mut all = Vec::new();
    for n in 0..3 {
        // SAFETY: there are no imports.
        let i = unsafe { world.store.instantiate(&module, &[]).unwrap() };
        all.push(contents(&mut world, i));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert_eq!(maps.contains("sconce-image"), n > 0, "the first is copied, the others are mapped");
        let Item::Memory(m) = world.store.instance_item(i, EntityIndex::Memory(MemoryIndex::from_u32(0))) else { panic!() };
        world.store.memory_write(m, 6000, b"scribble").unwrap();
    }
    assert_eq!(&all[0][70_000..70_006], b"on top");
    assert_eq!((all[0][4999], all[0][5000], all[0][105_000]), (0, 1, 0));
    assert!(all[1] == all[0] && all[2] == all[0]);
}

#[test]
fn data_comes_in_lazily_where_nothing_can_tell() {
    const MOST: usize = 1 << 20;
    let segment = |at: usize, bytes: Range<usize>| DataSegment {
        bytes: bytes.start as u32..bytes.end as u32,
        mode: SegmentMode::Active { target: MemoryIndex::from_u32(0), offset: constant(ConstOp::I32(at as i32)) },
    };
    let accepted = |change: &dyn Fn(&mut Module)| {
        let mut module = Module::default();
        module.memories.push(memory_type(16, None));
        module.data.push(segment(CHUNK, 0..2 * CHUNK));
        module.data.push(segment(5 * CHUNK, 2 * CHUNK..3 * CHUNK));
        change(&mut module);
        let len = 4 * CHUNK;
        let (file, digests) = (Arc::new(no_file()), vec![[0; 32]; len / CHUNK].into());
        let source = LazySource { file, remake: None, offset: 0, len, digests, digest: |_| [0; 32] };
        LazyData::new(&module, &source).is_some()
    };
    let replace = |new: DataSegment| accepted(&|m| m.data[DataIndex::from_u32(1)] = new.clone());
    assert!(accepted(&|_| {}));
    assert!(replace(segment(MOST - CHUNK, 2 * CHUNK..3 * CHUNK)));
    // Named by an instruction; reached by other threads; another module's.
    assert!(!accepted(&|m| m.data_can_be_named = true));
    assert!(!accepted(&|m| m.memories[MemoryIndex::from_u32(0)].shared = true));
    assert!(!accepted(&|m| m.num_imported_memories = 1));
    // Not whole chunks, in memory or in the source; beyond either; not in order; not placed.
    assert!(!replace(segment(5 * CHUNK + 1, 2 * CHUNK..3 * CHUNK)));
    assert!(!replace(segment(5 * CHUNK, 2 * CHUNK..3 * CHUNK - 1)));
    assert!(!replace(segment(5 * CHUNK, CHUNK + 1..2 * CHUNK + 1)));
    assert!(!replace(segment(MOST, 2 * CHUNK..3 * CHUNK)));
    assert!(!replace(segment(5 * CHUNK, 4 * CHUNK..5 * CHUNK)));
    assert!(!replace(segment(2 * CHUNK, 2 * CHUNK..3 * CHUNK)));
    assert!(!replace(DataSegment { bytes: 0..1, mode: SegmentMode::Passive }));
    // Too many.
    assert!(!accepted(&|m| m.data.extend((0..MAX_LAZY_PARTS).map(|n| segment((7 + n) * CHUNK, 0..CHUNK)))));
}

fn no_file() -> std::os::fd::OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

#[test]
fn a_segment_that_does_not_fit_traps_and_leaves_the_earlier_ones() {
    let mut world = World::new();
    // SAFETY: the type is a memory's.
    let memory = world.store.new_memory(memory_type(1, None), BoundsStyle::Guard).unwrap();
    for _ in 0..2 {
        let mut b = Builder::new();
        b.module.num_imported_memories = 1;
        b.module.imports.push(Import { module: "m".into(), name: "m".into(), kind: EntityType::Memory(memory_type(1, None)) });
        let m = b.memory(memory_type(1, None));
        b.data(m, 10, b"early");
        b.data(m, 65534, b"late");
        b.data(m, 20, b"never");
        let module = b.load(&world.space);
        // SAFETY: the import fits.
        let result = unsafe { world.store.instantiate(&module, &[Item::Memory(memory)]) };
        assert!(matches!(result, Err(InstantiateError::Trap(TrapCode::MemoryOutOfBounds))), "{result:?}");
        let mut bytes = [0; 16];
        world.store.memory_read(memory, 10, &mut bytes).unwrap();
        assert_eq!(&bytes, b"early\0\0\0\0\0\0\0\0\0\0\0");
    }
}

/// SAFETY of the entries: the table is the store's.
fn entries(vm: *const VmTable) -> Vec<VmTableEntry> {
    // SAFETY: a live table of functions.
    unsafe { std::slice::from_raw_parts((*vm).base.cast(), (*vm).length).to_vec() }
}

#[test]
fn tables_of_functions_hold_thunks_and_types() {
    let mut world = World::new();
    let mut b = Builder::new();
    let f = b.define(func(&[], &[ValType::I32], framed(&[0xb8, 42, 0, 0, 0])));
    let module_table = TableType { element: RefType::FUNCREF, limits: Limits { min: 3, max: None }, table64: false };
    let t = b.module.tables.push(module_table);
    b.module.table_inits.push(None);
    let items = ElementItems::Functions([f, f].into());
    let offset = constant(ConstOp::I32(1));
    b.module.elements.push(ElementSegment { ty: RefType::FUNCREF, items, mode: SegmentMode::Active { target: t, offset } });
    let i = world.instantiate(b, &[]);
    let Item::Table(table) = world.store.instance_item(i, EntityIndex::Table(t)) else { panic!() };
    let got = entries(world.store.tables[table.index as usize].vm());
    assert_eq!((got[0].type_id, got[0].code.is_null(), got[0].funcref.is_null()), (NO_TYPE, true, true));
    assert_eq!(got[1].type_id, 0);
    let raw = world.store.table_get(table, 2).unwrap();
    // SAFETY: the table is this store's.
    let handle = unsafe { world.store.func_from_raw(raw as u64) }.unwrap();
    assert_eq!(handle, world.func(i, f));
    assert_eq!(world.call(handle, &Signature::new([], [I32]), &[]).unwrap()[0] as u32, 42);
    // SAFETY: null and the function belong to the type.
    unsafe {
        assert_eq!(world.store.table_grow(table, 2, raw), Some(3));
        assert_eq!(world.store.table_grow(table, 1 << 32, 0), None);
        assert_eq!(world.store.table_set(table, 5, raw), Err(OutOfBounds));
        world.store.table_set(table, 1, 0).unwrap();
    }
    let got = entries(world.store.tables[table.index as usize].vm());
    let null: Vec<bool> = got.iter().map(|e| e.code.is_null()).collect();
    assert_eq!(null, [true, true, false, false, false]);
    assert_eq!(world.store.table_get(table, 5), None);
}

#[test]
fn an_element_segment_that_does_not_fit_traps() {
    let mut world = World::new();
    let mut b = Builder::new();
    let f = b.define(func(&[], &[], framed(&[])));
    let t = b.module.tables.push(TableType { element: RefType::FUNCREF, limits: Limits { min: 1, max: None }, table64: false });
    b.module.table_inits.push(None);
    let mode = SegmentMode::Active { target: t, offset: constant(ConstOp::I32(-1)) };
    b.module.elements.push(ElementSegment { ty: RefType::FUNCREF, items: ElementItems::Functions([f].into()), mode });
    let module = b.load(&world.space);
    // SAFETY: there are no imports.
    let result = unsafe { world.store.instantiate(&module, &[]) };
    assert!(matches!(result, Err(InstantiateError::Trap(TrapCode::TableOutOfBounds))), "{result:?}");
}

#[test]
fn tables_are_bounded() {
    let mut store = World::new().store;
    // SAFETY: null belongs to the type.
    unsafe {
        let refused = store.new_table(funcs(u64::MAX, None), 0);
        assert!(matches!(refused, Err(ResourceError::TableLimit { .. })), "{refused:?}");
        let t = store.new_table(funcs(1, Some(2)), 0).unwrap();
        assert_eq!((store.table_grow(t, 2, 0), store.table_grow(t, 1, 0)), (None, Some(1)));
        // Elements count as memory does, 32 bytes for each function.
        let mut store = World::with(StoreOptions { memory: MemoryLimit::new(Some(2 << 16)), ..StoreOptions::default() }).store;
        let t = store.new_table(funcs(1024, None), 0).unwrap();
        assert_eq!((store.table_grow(t, 3073, 0), store.table_grow(t, 1024, 0)), (None, Some(1024)));
        let refused = store.new_table(funcs(2049, None), 0);
        assert!(matches!(refused, Err(ResourceError::MemoryLimit { limit: 131072, .. })), "{refused:?}");
        let m = store.new_memory(memory_type(1, None), BoundsStyle::Guard).unwrap();
        assert_eq!((store.memory_grow(m, 1), store.table_grow(t, 1, 0)), (None, None));
    }
}

#[test]
fn globals_are_shared_and_feed_constant_expressions() {
    let mut world = World::new();
    let ty = GlobalType { content: ValType::I64, mutable: false };
    // SAFETY: a number.
    let host = unsafe { world.store.new_global(ty, u128::MAX << 64 | 40) };
    assert_eq!(world.store.global_get(host), 40);
    let mut b = Builder::new();
    let ty = GlobalType { content: ValType::I64, mutable: true };
    b.module.num_imported_globals = 1;
    let import = EntityType::Global(GlobalType { content: ValType::I64, mutable: false });
    b.module.imports.push(Import { module: "m".into(), name: "g".into(), kind: import });
    let g0 = b.module.globals.push(GlobalType { mutable: false, ..ty });
    let g1 = b.module.globals.push(ty);
    let ops = [ConstOp::GlobalGet(g0), ConstOp::I64(2), ConstOp::I64Add];
    b.module.global_inits.push(ConstExpr { ops: ops[..].into() });
    let i = world.instantiate(b, &[Item::Global(host)]);
    let Item::Global(imported) = world.store.instance_item(i, EntityIndex::Global(g0)) else { panic!() };
    let Item::Global(own) = world.store.instance_item(i, EntityIndex::Global(g1)) else { panic!() };
    assert_eq!((imported, world.store.global_get(own)), (host, 42));
    // SAFETY: a number.
    unsafe { world.store.global_set(own, 1 << 70 | 5) };
    assert_eq!(world.store.global_get(own), 5);
}

#[test]
fn host_values_answer_to_their_handles_alone() {
    let mut store = World::new().store;
    let a = store.new_externref(Box::new("a")).unwrap();
    let b = store.new_externref(Box::new(17)).unwrap();
    let (a, b) = (a.handle(), b.handle());
    assert!(a != b && a != 0 && a.is_multiple_of(2) && b.is_multiple_of(2));
    assert_eq!(store.externref(b).unwrap().downcast_ref::<i32>(), Some(&17));
    for wrong in [0, 1, a + 1, b + 2, u32::MAX, u32::MAX - 1] {
        assert!(store.externref(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn a_function_goes_from_instance_to_instance() {
    let mut world = World::new();
    let mut b = Builder::new();
    let f = b.define(func(&[], &[ValType::I32], framed(&[0xb8, 9, 0, 0, 0])));
    let first = world.instantiate(b, &[]);
    let f = world.func(first, f);
    let mut b = Builder::new();
    let import = b.import(&[], &[ValType::I32]);
    let mut a = Encoder::new(false);
    load_import(&mut a, 0);
    a.jmp_reg(Gpr::Rax);
    let jumps = b.define(func(&[], &[ValType::I32], a.finish().to_vec()));
    let second = world.instantiate(b, &[Item::Func(f)]);
    assert_eq!(world.func(second, import), f);
    let jumps = world.func(second, jumps);
    assert_eq!(world.call(jumps, &Signature::new([], [I32]), &[]).unwrap()[0] as u32, 9);
}

#[test]
fn the_memory_named_memory_is_the_callers() {
    let mut world = World::new();
    let i = world.instantiate(with_data(), &[]);
    // SAFETY: a live instance's context.
    let default = unsafe { (*world.store.instances[i.index as usize].vmctx()).default_memory };
    assert_eq!(default, world.store.memories[0].vm().cast_const());
    let other = world.instantiate(Builder::new(), &[]);
    // SAFETY: as above.
    assert!(unsafe { (*world.store.instances[other.index as usize].vmctx()).default_memory }.is_null());
}
