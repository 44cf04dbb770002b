//! The operators of unreachable code: only those that may end it do anything.

use crate::codegen::Codegen;
use crate::control;
use sconce_environ::index::*;
use sconce_environ::ops::*;
use sconce_environ::types::{HeapType, ValType};
use wasmparser::BrTable;

/// A code generator in unreachable code.
pub(crate) struct Unreachable<'t, 'a>(pub(crate) &'t mut Codegen<'a>);

impl Unreachable<'_, '_> {
    /// A block that begins here has no code, inside or after.
    fn begin(&mut self) {
        self.0.dead_blocks += 1;
    }
}

macro_rules! ignore {
    ($($name:ident($($ty:ty),*);)*) => { $(fn $name(&mut self, $(_: $ty),*) {})* };
}

impl Operators for Unreachable<'_, '_> {
    type Output = ();

    fn block(&mut self, _: BlockType) {
        self.begin();
    }

    fn loop_(&mut self, _: BlockType) {
        // The summary counted it.
        self.0.loop_number += 1;
        self.begin();
    }

    fn try_table(&mut self, _: BlockType, _: &[Catch]) {
        self.begin();
    }

    fn if_(&mut self, _: BlockType) {
        self.begin();
    }

    fn else_(&mut self) {
        if self.0.dead_blocks == 0 {
            control::else_(self.0);
        }
    }

    fn end(&mut self) {
        match self.0.dead_blocks.checked_sub(1) {
            Some(left) => self.0.dead_blocks = left,
            None => control::end(self.0),
        }
    }

    ignore! {
        unreachable(); nop(); br(u32); br_if(u32); br_table(&BrTable<'_>); return_(); call(FuncIndex);
        call_indirect(TypeIndex, TableIndex); call_ref(TypeIndex); return_call(FuncIndex);
        return_call_indirect(TypeIndex, TableIndex); return_call_ref(TypeIndex); throw(TagIndex); throw_ref(); ref_as_non_null(); br_on_null(u32);
        br_on_non_null(u32); drop_(); select(Option<ValType>); local_get(LocalIndex); local_set(LocalIndex);
        local_tee(LocalIndex); global_get(GlobalIndex); global_set(GlobalIndex); load(Load, MemArg); store(Store, MemArg);
        load_lane(Lane, MemArg, u8); store_lane(Lane, MemArg, u8); memory_size(MemoryIndex); memory_grow(MemoryIndex);
        memory_fill(MemoryIndex); memory_copy(MemoryIndex, MemoryIndex); memory_init(MemoryIndex, DataIndex);
        data_drop(DataIndex); ref_null(HeapType); ref_is_null(); ref_func(FuncIndex); table_get(TableIndex);
        table_set(TableIndex); table_size(TableIndex); table_grow(TableIndex); table_fill(TableIndex);
        table_copy(TableIndex, TableIndex); table_init(TableIndex, ElemIndex); elem_drop(ElemIndex); i32_const(i32);
        i64_const(i64); f32_const(u32); f64_const(u64); v128_const(u128); int_eqz(IntWidth); int_unary(IntWidth, IntUnary);
        int_binary(IntWidth, IntBinary); int_divide(IntWidth, IntDivide); int_compare(IntWidth, IntCompare); int_wide(Wide);
        atomic_load(AtomicAccess, MemArg); atomic_store(AtomicAccess, MemArg); atomic_rmw(AtomicAccess, AtomicRmw, MemArg);
        atomic_cmpxchg(AtomicAccess, MemArg); atomic_wait(IntWidth, MemArg); atomic_notify(MemArg); atomic_fence();
        float_unary(FloatWidth, FloatUnary); float_binary(FloatWidth, FloatBinary); float_compare(FloatWidth, FloatCompare);
        convert(Convert); splat(Shape); extract_lane(Extract, u8); replace_lane(Shape, u8); shuffle([u8; 16]);
        vec_unary(VecUnary); vec_binary(VecBinary); vec_ternary(VecTernary); vec_shift(IntShape, VecShift); vec_test(VecTest);
    }
}
