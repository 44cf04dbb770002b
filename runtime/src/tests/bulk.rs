//! Builtins, called from wasm as compiled code calls them.

use super::build::*;
use crate::*;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::layout::VmLayout;
use sconce_environ::module::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::*;
use sconce_environ::vm::VmMemory;
use sconce_x64::encode::{Addr, Encoder, Size};
use sconce_x64::register::Gpr;

const PAGES: u64 = 48;

/// An instance with two memories, a passive data segment, tables of functions and of handles, and passive element segments;
/// and one function for each builtin, which passes its five arguments on.
struct Bulk {
    world: World,
    instance: InstanceHandle,
    func: FuncHandle,
}

fn table(element: RefType, max: Option<u64>) -> TableType {
    TableType { element, limits: Limits { min: 10, max }, table64: false }
}

impl Bulk {
    fn new() -> Bulk {
        let mut b = Builder::new();
        for max in [Some(PAGES + 2), None] {
            b.memory(MemoryType { limits: Limits { min: PAGES, max }, ..MEMORY });
        }
        for builtin in Builtin::ALL {
            let mut a = Encoder::new(false);
            a.load(Size::S64, Gpr::Rax, Addr::new(Gpr::Rdi, VmLayout::BUILTINS as i32));
            a.call(Addr::new(Gpr::Rax, 8 * *builtin as i32).into());
            b.define(func(&[ValType::I64; 5], &[ValType::I64], framed(a.finish())));
        }
        b.data = (0..=255).collect();
        b.module.data_can_be_named = true;
        b.module.data.push(DataSegment { bytes: 0..256, mode: SegmentMode::Passive });
        for ty in [table(RefType::FUNCREF, Some(12)), table(RefType::EXTERNREF, None), table(RefType::FUNCREF, None)] {
            b.module.tables.push(ty);
            b.module.table_inits.push(None);
        }
        let f = FuncIndex::from_u32(0);
        let null = ConstExpr { ops: [ConstOp::RefNull(RefKind::Func)].into() };
        let name = ConstExpr { ops: [ConstOp::RefFunc(f)].into() };
        for items in [ElementItems::Functions([f; 4].into()), ElementItems::Expressions([null, name].into())] {
            b.module.elements.push(ElementSegment { ty: RefType::FUNCREF, items, mode: SegmentMode::Passive });
        }
        let mut world = World::new();
        let instance = world.instantiate(b, &[]);
        let func = world.func(instance, f);
        Bulk { world, instance, func }
    }

    fn call(&mut self, builtin: Builtin, args: &[u64]) -> Result<u64, TrapCode> {
        let mut all: Vec<u128> = args.iter().map(|&a| a.into()).collect();
        all.resize(5, 0);
        let f = self.world.func(self.instance, FuncIndex::from_u32(builtin as u32));
        match self.world.call(f, &Signature::new([I64; 5], [I64]), &all) {
            Ok(values) => Ok(values[0] as u64),
            Err(Failure { stop: Stop::Trap(code), backtrace }) => {
                assert_eq!(functions(&backtrace), [builtin as u32]);
                Err(code)
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    /// What compiled code passes for a memory.
    fn seen(&mut self, i: u32) -> u64 {
        let m = self.memory(i);
        self.world.store.memories[m.index as usize].vm() as u64
    }

    /// The same for the data segment.
    fn data(&mut self) -> u64 {
        let instance = &self.world.store.instances[self.instance.index as usize];
        instance.field::<VmMemory>(instance.module.layout().data(DataIndex::from_u32(0))) as u64
    }

    fn fill(&mut self, memory: u32, dst: u64, value: u64, len: u64) -> Result<u64, TrapCode> {
        let memory = self.seen(memory);
        self.call(Builtin::MemoryFill, &[memory, dst, value, len])
    }

    fn copy(&mut self, dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64) -> Result<u64, TrapCode> {
        let (to, from) = (self.seen(dst_memory), self.seen(src_memory));
        self.call(Builtin::MemoryCopy, &[to, from, dst, src, len])
    }

    fn init(&mut self, dst: u64, src: u64, len: u64) -> Result<u64, TrapCode> {
        let (to, from) = (self.seen(0), self.data());
        self.call(Builtin::MemoryCopy, &[to, from, dst, src, len])
    }

    fn memory(&mut self, i: u32) -> MemoryHandle {
        match self.world.store.instance_item(self.instance, EntityIndex::Memory(MemoryIndex::from_u32(i))) {
            Item::Memory(m) => m,
            other => panic!("{other:?}"),
        }
    }

    fn bytes(&mut self, memory: u32, at: u64, len: usize) -> Vec<u8> {
        let (m, mut bytes) = (self.memory(memory), vec![0; len]);
        self.world.store.memory_read(m, at, &mut bytes).unwrap();
        bytes
    }

    fn element(&mut self, table: u32, i: u64) -> Option<u64> {
        let Item::Table(t) = self.world.store.instance_item(self.instance, EntityIndex::Table(TableIndex::from_u32(table)))
        else {
            panic!("a table")
        };
        self.world.store.table_get(t, i).map(|v| v as u64)
    }
}

const SIZE: u64 = PAGES << 16;
const MEMORY_TRAP: Result<u64, TrapCode> = Err(TrapCode::MemoryOutOfBounds);
const TABLE_TRAP: Result<u64, TrapCode> = Err(TrapCode::TableOutOfBounds);

#[test]
fn memory_grow() {
    let mut b = Bulk::new();
    assert_eq!(b.call(Builtin::MemoryGrow, &[0, 2]), Ok(PAGES));
    assert_eq!(b.call(Builtin::MemoryGrow, &[0, 1]), Ok(u64::MAX));
    assert_eq!(b.call(Builtin::MemoryGrow, &[0, 0]), Ok(PAGES + 2));
    assert_eq!(b.call(Builtin::MemoryGrow, &[1, u64::MAX]), Ok(u64::MAX));
    assert_eq!(b.call(Builtin::MemoryGrow, &[1, 65536]), Ok(u64::MAX));
}

#[test]
fn memory_fill() {
    let mut b = Bulk::new();
    // Longer than a chunk; only the low byte of the value counts.
    assert!(b.fill(1, 7, 0x1ab, 2_500_000).is_ok());
    let bytes = b.bytes(1, 0, 2_500_010);
    assert!(bytes[7..2_500_007].iter().all(|&x| x == 0xab));
    assert!(bytes[..7].iter().chain(&bytes[2_500_007..]).all(|&x| x == 0));
    assert!(b.fill(0, SIZE, 1, 0).is_ok());
    for (dst, len) in [(SIZE, 1), (SIZE + 1, 0), (0, SIZE + 1), (u64::MAX, 2), (1, u64::MAX)] {
        assert_eq!(b.fill(0, dst, 1, len), MEMORY_TRAP, "{dst} {len}");
    }
    assert_eq!(b.bytes(0, SIZE - 1, 1), [0], "a fill that does not fit writes nothing");
}

#[test]
fn memory_copy_is_as_if_through_a_buffer() {
    let pattern: Vec<u8> = (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (dst, src) in [(0, 5), (5, 0), (100_000, 0), (0, 100_000), (1_048_577, 0), (3, 3)] {
        let mut b = Bulk::new();
        let m = b.memory(0);
        b.world.store.memory_write(m, 0, &pattern).unwrap();
        let mut want = pattern.clone();
        want.copy_within(src..src + 2_000_000, dst);
        assert!(b.copy(0, 0, dst as u64, src as u64, 2_000_000).is_ok());
        assert!(b.bytes(0, 0, SIZE as usize) == want, "{src} to {dst}");
        assert!(b.copy(1, 0, 10, 20, 100).is_ok());
        assert_eq!(b.bytes(1, 10, 100), &want[20..120]);
    }
    let mut b = Bulk::new();
    for (dst, src, len) in [(SIZE, 0, 1), (0, SIZE, 1), (SIZE + 1, 0, 0), (0, u64::MAX, 1), (0, 1, u64::MAX)] {
        assert_eq!(b.copy(0, 1, dst, src, len), MEMORY_TRAP, "{dst} {src} {len}");
    }
}

#[test]
fn memory_init_and_data_drop() {
    let mut b = Bulk::new();
    assert!(b.init(50, 10, 20).is_ok());
    assert_eq!(b.bytes(0, 49, 22), [&[0][..], &(10..30).collect::<Vec<_>>(), &[0]].concat());
    for (dst, src, len) in [(0, 250, 7), (0, 257, 0), (SIZE - 1, 0, 2), (0, u32::MAX.into(), 1), (0, 1, u32::MAX.into())] {
        assert_eq!(b.init(dst, src, len), MEMORY_TRAP, "{dst} {src} {len}");
    }
    assert!(b.call(Builtin::DataDrop, &[0]).is_ok());
    assert_eq!(b.init(0, 0, 1), MEMORY_TRAP);
    assert!(b.init(0, 0, 0).is_ok());
}

#[test]
fn tables_of_functions() {
    let mut b = Bulk::new();
    let f = b.world.store.func_to_raw(Some(b.func));
    assert_eq!(b.call(Builtin::TableGrowFunc, &[0, f, 2]), Ok(10));
    assert_eq!(b.call(Builtin::TableGrowFunc, &[0, f, 1]), Ok(u64::MAX));
    assert_eq!(b.call(Builtin::TableGrowFunc, &[2, f, u64::MAX]), Ok(u64::MAX));
    assert_eq!((b.element(0, 9), b.element(0, 11), b.element(0, 12)), (Some(0), Some(f), None));
    assert!(b.call(Builtin::TableFillFunc, &[0, 1, f, 3]).is_ok());
    assert_eq!([0, 1, 3, 4].map(|i| b.element(0, i)), [Some(0), Some(f), Some(f), Some(0)]);
    assert!(b.call(Builtin::TableSetFunc, &[0, 2, 0]).is_ok());
    assert_eq!(b.element(0, 2), Some(0));
    assert_eq!(b.call(Builtin::TableSetFunc, &[0, 12, 0]), TABLE_TRAP);
    for (dst, len) in [(12, 1), (13, 0), (u64::MAX, 1), (1, u64::MAX)] {
        assert_eq!(b.call(Builtin::TableFillFunc, &[0, dst, f, len]), TABLE_TRAP);
    }
}

#[test]
fn tables_of_handles() {
    let mut b = Bulk::new();
    let value = b.world.store.new_externref(Box::new(1)).unwrap();
    let h = value.handle().into();
    assert_eq!(b.call(Builtin::TableGrowRef, &[1, h, 5]), Ok(10));
    assert!(b.call(Builtin::TableFillRef, &[1, 2, h, 2]).is_ok());
    assert_eq!([1, 2, 3, 4, 9, 10, 14].map(|i| b.element(1, i)), [0, h, h, 0, 0, h, h].map(Some));
    assert!(b.call(Builtin::TableCopy, &[1, 1, 3, 2, 3]).is_ok());
    assert_eq!([2, 3, 4, 5, 6].map(|i| b.element(1, i)), [h, h, h, 0, 0].map(Some));
    assert_eq!(b.call(Builtin::TableFillRef, &[1, 15, h, 1]), TABLE_TRAP);
}

#[test]
fn table_copy_init_and_elem_drop() {
    let mut b = Bulk::new();
    let f = b.world.store.func_to_raw(Some(b.func));
    assert!(b.call(Builtin::TableInit, &[0, 1, 3, 0, 2]).is_ok());
    assert_eq!([3, 4].map(|i| b.element(0, i)), [Some(0), Some(f)]);
    assert!(b.call(Builtin::TableInit, &[0, 0, 6, 1, 3]).is_ok());
    assert_eq!([5, 6, 8, 9].map(|i| b.element(0, i)), [Some(0), Some(f), Some(f), Some(0)]);
    for (dst, src, len) in [(0, 3, 2), (0, 5, 0), (9, 0, 2), (0, u32::MAX.into(), 1), (u64::MAX, 0, 1)] {
        assert_eq!(b.call(Builtin::TableInit, &[0, 0, dst, src, len]), TABLE_TRAP, "{dst} {src} {len}");
    }
    assert_eq!(b.element(0, 0), Some(0), "an init that does not fit writes nothing");
    assert!(b.call(Builtin::TableCopy, &[2, 0, 0, 4, 3]).is_ok());
    assert_eq!([0, 1, 2].map(|i| b.element(2, i)), [f, 0, f].map(Some));
    assert!(b.call(Builtin::TableCopy, &[2, 2, 1, 0, 3]).is_ok());
    assert_eq!([0, 1, 2, 3].map(|i| b.element(2, i)), [f, f, 0, f].map(Some));
    for (dst, src, len) in [(8, 0, 3), (0, 8, 3), (11, 0, 0), (0, u64::MAX, 1)] {
        assert_eq!(b.call(Builtin::TableCopy, &[2, 0, dst, src, len]), TABLE_TRAP, "{dst} {src} {len}");
    }
    assert!(b.call(Builtin::ElemDrop, &[0]).is_ok());
    assert_eq!(b.call(Builtin::TableInit, &[0, 0, 0, 0, 1]), TABLE_TRAP);
    assert!(b.call(Builtin::TableInit, &[0, 0, 0, 0, 0]).is_ok());
}
