//! The operators of reachable code: each family's method, forwarded to the family's file.

use crate::codegen::Codegen;
use crate::{atomic, bulk, call, control, convert, exception, float, int, memory, reference, variable, vector};
use sconce_environ::index::*;
use sconce_environ::ops::*;
use sconce_environ::types::{HeapType, ValType};
use wasmparser::BrTable;

macro_rules! forward {
    ($($family:ident { $($name:ident($($arg:ident: $ty:ty),*);)* })*) => {
        impl Operators for Codegen<'_> {
            type Output = ();
            $($(#[inline] fn $name(&mut self, $($arg: $ty),*) { $family::$name(self, $($arg),*) })*)*
        }
    };
}

forward! {
    control {
        unreachable(); nop(); block(ty: BlockType); loop_(ty: BlockType); if_(ty: BlockType); else_(); end();
        br(depth: u32); br_if(depth: u32); br_on_null(depth: u32); br_on_non_null(depth: u32); br_table(targets: &BrTable<'_>); return_(); drop_(); select(ty: Option<ValType>);
    }
    call {
        call(func: FuncIndex); call_indirect(ty: TypeIndex, table: TableIndex); call_ref(ty: TypeIndex);
        return_call(func: FuncIndex); return_call_indirect(ty: TypeIndex, table: TableIndex); return_call_ref(ty: TypeIndex);
    }
    exception { try_table(ty: BlockType, catches: &[Catch]); throw(tag: TagIndex); throw_ref(); }
    variable {
        local_get(local: LocalIndex); local_set(local: LocalIndex); local_tee(local: LocalIndex);
        global_get(global: GlobalIndex); global_set(global: GlobalIndex);
    }
    memory {
        load(load: Load, arg: MemArg); store(store: Store, arg: MemArg);
        load_lane(lane: Lane, arg: MemArg, index: u8); store_lane(lane: Lane, arg: MemArg, index: u8);
        memory_size(memory: MemoryIndex); memory_grow(memory: MemoryIndex);
    }
    atomic {
        atomic_load(access: AtomicAccess, arg: MemArg); atomic_store(access: AtomicAccess, arg: MemArg);
        atomic_rmw(access: AtomicAccess, op: AtomicRmw, arg: MemArg); atomic_cmpxchg(access: AtomicAccess, arg: MemArg);
        atomic_wait(width: IntWidth, arg: MemArg); atomic_notify(arg: MemArg); atomic_fence();
    }
    bulk {
        memory_fill(memory: MemoryIndex); memory_copy(dst: MemoryIndex, src: MemoryIndex); memory_init(memory: MemoryIndex, data: DataIndex);
        data_drop(data: DataIndex);
    }
    reference {
        ref_null(heap: HeapType); ref_is_null(); ref_func(func: FuncIndex); ref_as_non_null();
        table_get(table: TableIndex); table_set(table: TableIndex); table_size(table: TableIndex);
        table_grow(table: TableIndex); table_fill(table: TableIndex); table_copy(dst: TableIndex, src: TableIndex);
        table_init(table: TableIndex, elem: ElemIndex); elem_drop(elem: ElemIndex);
    }
    int {
        i32_const(value: i32); i64_const(value: i64); int_eqz(width: IntWidth);
        int_unary(width: IntWidth, op: IntUnary); int_binary(width: IntWidth, op: IntBinary);
        int_divide(width: IntWidth, op: IntDivide); int_compare(width: IntWidth, op: IntCompare);
        int_wide(op: Wide);
    }
    float {
        f32_const(bits: u32); f64_const(bits: u64); float_unary(width: FloatWidth, op: FloatUnary);
        float_binary(width: FloatWidth, op: FloatBinary); float_compare(width: FloatWidth, op: FloatCompare);
    }
    convert { convert(op: Convert); }
    vector {
        v128_const(bits: u128); splat(shape: Shape); extract_lane(op: Extract, lane: u8); replace_lane(shape: Shape, lane: u8);
        shuffle(lanes: [u8; 16]); vec_unary(op: VecUnary); vec_binary(op: VecBinary); vec_ternary(op: VecTernary);
        vec_shift(shape: IntShape, op: VecShift); vec_test(op: VecTest);
    }
}
