//! From wasmparser's visitors to [`Operators`]: a row an operator, each a call of a family's method with constant
//! arguments. Everything is inlined, so that for a compiler `i32.add` is one call of its `int_binary` with the
//! operation known.
//!
//! Invariant: only validated bodies are visited. Operators of proposals that [`crate::decode::Features`] does not enable
//! therefore never arrive; `rejected_by_validation` is where they would. Nor do exceptions in their old form, at which a walk
//! stops ([`crate::walk::WalkError::OldExceptions`]).

mod simd;

use crate::index::*;
use crate::ops::FloatWidth::{F32, F64};
use crate::ops::IntWidth::{W32, W64};
use crate::ops::Overflow::{Saturate, Trap};
use crate::ops::Sign::{S, U};
use crate::ops::*;
use crate::translate;
use smallvec::SmallVec;
use wasmparser::{
    BlockType, BrTable, FrameKind, FrameStack, HeapType, MemArg, TryTable, ValType, VisitOperator, VisitSimdOperator,
};

/// The adapter: a wasmparser visitor that passes each operator on.
#[derive(Debug)]
pub struct Visitor<'s, O>(pub &'s mut O);

impl<O> FrameStack for Visitor<'_, O> {
    #[inline(always)]
    fn current_frame(&self) -> Option<FrameKind> {
        // What is asked is whether an `else` is where it may be. In a validated body it is.
        Some(FrameKind::If)
    }
}

#[cold]
#[inline(never)]
fn rejected_by_validation(what: &str) -> ! {
    unreachable!("{what}: of a proposal that is not enabled, and validation rejects those")
}

#[inline(always)]
fn mem_arg(arg: MemArg) -> crate::ops::MemArg {
    let memory = match arg.target {
        wasmparser::MemArgTarget::Memory(memory) => MemoryIndex::from_u32(memory),
        wasmparser::MemArgTarget::Array(_) => rejected_by_validation("an access to an array's bytes"),
    };
    crate::ops::MemArg { memory, offset: arg.offset, align: arg.align }
}

#[inline]
fn val_type(ty: ValType) -> crate::types::ValType {
    translate::val_type(ty).unwrap_or_else(|e| rejected_by_validation(&e.0))
}

fn heap_type(ty: HeapType) -> crate::types::HeapType {
    translate::heap_type(ty).unwrap_or_else(|e| rejected_by_validation(&e.0))
}

#[inline]
fn block_type(ty: BlockType) -> crate::ops::BlockType {
    match ty {
        BlockType::Empty => crate::ops::BlockType::Empty,
        BlockType::Type(t) => crate::ops::BlockType::Value(val_type(t)),
        BlockType::FuncType(i) => crate::ops::BlockType::Func(TypeIndex::from_u32(i)),
    }
}

fn catches(table: &TryTable) -> SmallVec<[Catch; 4]> {
    let clause = |catch: &wasmparser::Catch| {
        let (tag, with_exception, depth) = match *catch {
            wasmparser::Catch::One { tag, label } => (Some(tag), false, label),
            wasmparser::Catch::OneRef { tag, label } => (Some(tag), true, label),
            wasmparser::Catch::All { label } => (None, false, label),
            wasmparser::Catch::AllRef { label } => (None, true, label),
        };
        Catch { tag: tag.map(TagIndex::from_u32), with_exception, depth }
    };
    table.catches.iter().map(clause).collect()
}

const fn truncate(from: FloatWidth, to: IntWidth, sign: Sign, overflow: Overflow) -> Convert {
    Convert::Truncate { from, to, sign, overflow }
}

const fn from_int(from: IntWidth, to: FloatWidth, sign: Sign) -> Convert {
    Convert::FromInt { from, to, sign }
}

/// `visit_x(immediates) => method(arguments);` for each operator that is enabled.
macro_rules! rows {
    ($($visit:ident($($arg:ident: $ty:ty),*) => $method:ident($($value:expr),*);)*) => {$(
        #[inline(always)]
        fn $visit(&mut self, $($arg: $ty),*) -> Self::Output {
            self.0.$method($($value),*)
        }
    )*};
}
use rows;

/// The methods of all proposals that are not enabled. One that is neither here nor among the rows does not compile.
macro_rules! others {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
        $(other!(@$proposal $op $({ $($arg: $ty),* })? => $visit);)*
    };
}
use others;

macro_rules! other {
    (@mvp $($rest:tt)*) => {};
    (@sign_extension $($rest:tt)*) => {};
    (@saturating_float_to_int $($rest:tt)*) => {};
    (@bulk_memory $($rest:tt)*) => {};
    (@reference_types TypedSelectMulti { $($arg:ident: $ty:ty),* } => $visit:ident) => { other!(reject TypedSelectMulti $visit $($arg: $ty),*); };
    (@reference_types $($rest:tt)*) => {};
    (@simd $($rest:tt)*) => {};
    (@function_references $($rest:tt)*) => {};
    (@tail_call $($rest:tt)*) => {};
    (@relaxed_simd $($rest:tt)*) => {};
    (@wide_arithmetic $($rest:tt)*) => {};
    (@threads $($rest:tt)*) => {};
    (@exceptions $($rest:tt)*) => {};
    (@$proposal:ident $op:ident => $visit:ident) => { other!(reject $op $visit); };
    (@$proposal:ident $op:ident { $($arg:ident: $ty:ty),* } => $visit:ident) => { other!(reject $op $visit $($arg: $ty),*); };
    (reject $op:ident $visit:ident $($arg:ident: $ty:ty),*) => {
        fn $visit(&mut self, $(_: $ty),*) -> Self::Output {
            rejected_by_validation(stringify!($op))
        }
    };
}
use other;

impl<'a, O> VisitOperator<'a> for Visitor<'_, O>
where
    O: Operators<Output: 'a>,
{
    type Output = O::Output;

    #[inline(always)]
    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(others);

    rows! {
    // mvp
    visit_unreachable() => unreachable();
    visit_nop() => nop();
    visit_block(blockty: BlockType) => block(block_type(blockty));
    visit_loop(blockty: BlockType) => loop_(block_type(blockty));
    visit_if(blockty: BlockType) => if_(block_type(blockty));
    visit_else() => else_();
    visit_end() => end();
    visit_br(depth: u32) => br(depth);
    visit_br_if(depth: u32) => br_if(depth);
    visit_br_table(targets: BrTable<'a>) => br_table(&targets);
    visit_return() => return_();
    visit_call(func: u32) => call(FuncIndex::from_u32(func));
    visit_call_indirect(ty: u32, table: u32) => call_indirect(TypeIndex::from_u32(ty), TableIndex::from_u32(table));
    visit_drop() => drop_();
    visit_select() => select(None);
    visit_local_get(local: u32) => local_get(LocalIndex::from_u32(local));
    visit_local_set(local: u32) => local_set(LocalIndex::from_u32(local));
    visit_local_tee(local: u32) => local_tee(LocalIndex::from_u32(local));
    visit_global_get(global: u32) => global_get(GlobalIndex::from_u32(global));
    visit_global_set(global: u32) => global_set(GlobalIndex::from_u32(global));
    visit_i32_load(memarg: MemArg) => load(Load::I32, mem_arg(memarg));
    visit_i64_load(memarg: MemArg) => load(Load::I64, mem_arg(memarg));
    visit_f32_load(memarg: MemArg) => load(Load::F32, mem_arg(memarg));
    visit_f64_load(memarg: MemArg) => load(Load::F64, mem_arg(memarg));
    visit_i32_load8_s(memarg: MemArg) => load(Load::I32Load8(S), mem_arg(memarg));
    visit_i32_load8_u(memarg: MemArg) => load(Load::I32Load8(U), mem_arg(memarg));
    visit_i32_load16_s(memarg: MemArg) => load(Load::I32Load16(S), mem_arg(memarg));
    visit_i32_load16_u(memarg: MemArg) => load(Load::I32Load16(U), mem_arg(memarg));
    visit_i64_load8_s(memarg: MemArg) => load(Load::I64Load8(S), mem_arg(memarg));
    visit_i64_load8_u(memarg: MemArg) => load(Load::I64Load8(U), mem_arg(memarg));
    visit_i64_load16_s(memarg: MemArg) => load(Load::I64Load16(S), mem_arg(memarg));
    visit_i64_load16_u(memarg: MemArg) => load(Load::I64Load16(U), mem_arg(memarg));
    visit_i64_load32_s(memarg: MemArg) => load(Load::I64Load32(S), mem_arg(memarg));
    visit_i64_load32_u(memarg: MemArg) => load(Load::I64Load32(U), mem_arg(memarg));
    visit_i32_store(memarg: MemArg) => store(Store::I32, mem_arg(memarg));
    visit_i64_store(memarg: MemArg) => store(Store::I64, mem_arg(memarg));
    visit_f32_store(memarg: MemArg) => store(Store::F32, mem_arg(memarg));
    visit_f64_store(memarg: MemArg) => store(Store::F64, mem_arg(memarg));
    visit_i32_store8(memarg: MemArg) => store(Store::I32Store8, mem_arg(memarg));
    visit_i32_store16(memarg: MemArg) => store(Store::I32Store16, mem_arg(memarg));
    visit_i64_store8(memarg: MemArg) => store(Store::I64Store8, mem_arg(memarg));
    visit_i64_store16(memarg: MemArg) => store(Store::I64Store16, mem_arg(memarg));
    visit_i64_store32(memarg: MemArg) => store(Store::I64Store32, mem_arg(memarg));
    visit_memory_size(memory: u32) => memory_size(MemoryIndex::from_u32(memory));
    visit_memory_grow(memory: u32) => memory_grow(MemoryIndex::from_u32(memory));
    visit_i32_const(value: i32) => i32_const(value);
    visit_i64_const(value: i64) => i64_const(value);
    visit_f32_const(value: wasmparser::Ieee32) => f32_const(value.bits());
    visit_f64_const(value: wasmparser::Ieee64) => f64_const(value.bits());
    visit_i32_eqz() => int_eqz(W32);
    visit_i32_eq() => int_compare(W32, IntCompare::Eq);
    visit_i32_ne() => int_compare(W32, IntCompare::Ne);
    visit_i32_lt_s() => int_compare(W32, IntCompare::LtS);
    visit_i32_lt_u() => int_compare(W32, IntCompare::LtU);
    visit_i32_gt_s() => int_compare(W32, IntCompare::GtS);
    visit_i32_gt_u() => int_compare(W32, IntCompare::GtU);
    visit_i32_le_s() => int_compare(W32, IntCompare::LeS);
    visit_i32_le_u() => int_compare(W32, IntCompare::LeU);
    visit_i32_ge_s() => int_compare(W32, IntCompare::GeS);
    visit_i32_ge_u() => int_compare(W32, IntCompare::GeU);
    visit_i64_eqz() => int_eqz(W64);
    visit_i64_eq() => int_compare(W64, IntCompare::Eq);
    visit_i64_ne() => int_compare(W64, IntCompare::Ne);
    visit_i64_lt_s() => int_compare(W64, IntCompare::LtS);
    visit_i64_lt_u() => int_compare(W64, IntCompare::LtU);
    visit_i64_gt_s() => int_compare(W64, IntCompare::GtS);
    visit_i64_gt_u() => int_compare(W64, IntCompare::GtU);
    visit_i64_le_s() => int_compare(W64, IntCompare::LeS);
    visit_i64_le_u() => int_compare(W64, IntCompare::LeU);
    visit_i64_ge_s() => int_compare(W64, IntCompare::GeS);
    visit_i64_ge_u() => int_compare(W64, IntCompare::GeU);
    visit_f32_eq() => float_compare(F32, FloatCompare::Eq);
    visit_f32_ne() => float_compare(F32, FloatCompare::Ne);
    visit_f32_lt() => float_compare(F32, FloatCompare::Lt);
    visit_f32_gt() => float_compare(F32, FloatCompare::Gt);
    visit_f32_le() => float_compare(F32, FloatCompare::Le);
    visit_f32_ge() => float_compare(F32, FloatCompare::Ge);
    visit_f64_eq() => float_compare(F64, FloatCompare::Eq);
    visit_f64_ne() => float_compare(F64, FloatCompare::Ne);
    visit_f64_lt() => float_compare(F64, FloatCompare::Lt);
    visit_f64_gt() => float_compare(F64, FloatCompare::Gt);
    visit_f64_le() => float_compare(F64, FloatCompare::Le);
    visit_f64_ge() => float_compare(F64, FloatCompare::Ge);
    visit_i32_clz() => int_unary(W32, IntUnary::Clz);
    visit_i32_ctz() => int_unary(W32, IntUnary::Ctz);
    visit_i32_popcnt() => int_unary(W32, IntUnary::Popcnt);
    visit_i32_add() => int_binary(W32, IntBinary::Add);
    visit_i32_sub() => int_binary(W32, IntBinary::Sub);
    visit_i32_mul() => int_binary(W32, IntBinary::Mul);
    visit_i32_div_s() => int_divide(W32, IntDivide::DivS);
    visit_i32_div_u() => int_divide(W32, IntDivide::DivU);
    visit_i32_rem_s() => int_divide(W32, IntDivide::RemS);
    visit_i32_rem_u() => int_divide(W32, IntDivide::RemU);
    visit_i32_and() => int_binary(W32, IntBinary::And);
    visit_i32_or() => int_binary(W32, IntBinary::Or);
    visit_i32_xor() => int_binary(W32, IntBinary::Xor);
    visit_i32_shl() => int_binary(W32, IntBinary::Shl);
    visit_i32_shr_s() => int_binary(W32, IntBinary::ShrS);
    visit_i32_shr_u() => int_binary(W32, IntBinary::ShrU);
    visit_i32_rotl() => int_binary(W32, IntBinary::Rotl);
    visit_i32_rotr() => int_binary(W32, IntBinary::Rotr);
    visit_i64_clz() => int_unary(W64, IntUnary::Clz);
    visit_i64_ctz() => int_unary(W64, IntUnary::Ctz);
    visit_i64_popcnt() => int_unary(W64, IntUnary::Popcnt);
    visit_i64_add() => int_binary(W64, IntBinary::Add);
    visit_i64_sub() => int_binary(W64, IntBinary::Sub);
    visit_i64_mul() => int_binary(W64, IntBinary::Mul);
    visit_i64_div_s() => int_divide(W64, IntDivide::DivS);
    visit_i64_div_u() => int_divide(W64, IntDivide::DivU);
    visit_i64_rem_s() => int_divide(W64, IntDivide::RemS);
    visit_i64_rem_u() => int_divide(W64, IntDivide::RemU);
    visit_i64_and() => int_binary(W64, IntBinary::And);
    visit_i64_or() => int_binary(W64, IntBinary::Or);
    visit_i64_xor() => int_binary(W64, IntBinary::Xor);
    visit_i64_shl() => int_binary(W64, IntBinary::Shl);
    visit_i64_shr_s() => int_binary(W64, IntBinary::ShrS);
    visit_i64_shr_u() => int_binary(W64, IntBinary::ShrU);
    visit_i64_rotl() => int_binary(W64, IntBinary::Rotl);
    visit_i64_rotr() => int_binary(W64, IntBinary::Rotr);
    visit_f32_abs() => float_unary(F32, FloatUnary::Abs);
    visit_f32_neg() => float_unary(F32, FloatUnary::Neg);
    visit_f32_ceil() => float_unary(F32, FloatUnary::Ceil);
    visit_f32_floor() => float_unary(F32, FloatUnary::Floor);
    visit_f32_trunc() => float_unary(F32, FloatUnary::Trunc);
    visit_f32_nearest() => float_unary(F32, FloatUnary::Nearest);
    visit_f32_sqrt() => float_unary(F32, FloatUnary::Sqrt);
    visit_f32_add() => float_binary(F32, FloatBinary::Add);
    visit_f32_sub() => float_binary(F32, FloatBinary::Sub);
    visit_f32_mul() => float_binary(F32, FloatBinary::Mul);
    visit_f32_div() => float_binary(F32, FloatBinary::Div);
    visit_f32_min() => float_binary(F32, FloatBinary::Min);
    visit_f32_max() => float_binary(F32, FloatBinary::Max);
    visit_f32_copysign() => float_binary(F32, FloatBinary::Copysign);
    visit_f64_abs() => float_unary(F64, FloatUnary::Abs);
    visit_f64_neg() => float_unary(F64, FloatUnary::Neg);
    visit_f64_ceil() => float_unary(F64, FloatUnary::Ceil);
    visit_f64_floor() => float_unary(F64, FloatUnary::Floor);
    visit_f64_trunc() => float_unary(F64, FloatUnary::Trunc);
    visit_f64_nearest() => float_unary(F64, FloatUnary::Nearest);
    visit_f64_sqrt() => float_unary(F64, FloatUnary::Sqrt);
    visit_f64_add() => float_binary(F64, FloatBinary::Add);
    visit_f64_sub() => float_binary(F64, FloatBinary::Sub);
    visit_f64_mul() => float_binary(F64, FloatBinary::Mul);
    visit_f64_div() => float_binary(F64, FloatBinary::Div);
    visit_f64_min() => float_binary(F64, FloatBinary::Min);
    visit_f64_max() => float_binary(F64, FloatBinary::Max);
    visit_f64_copysign() => float_binary(F64, FloatBinary::Copysign);
    visit_i32_wrap_i64() => convert(Convert::Wrap);
    visit_i32_trunc_f32_s() => convert(truncate(F32, W32, S, Trap));
    visit_i32_trunc_f32_u() => convert(truncate(F32, W32, U, Trap));
    visit_i32_trunc_f64_s() => convert(truncate(F64, W32, S, Trap));
    visit_i32_trunc_f64_u() => convert(truncate(F64, W32, U, Trap));
    visit_i64_extend_i32_s() => convert(Convert::Extend(S));
    visit_i64_extend_i32_u() => convert(Convert::Extend(U));
    visit_i64_trunc_f32_s() => convert(truncate(F32, W64, S, Trap));
    visit_i64_trunc_f32_u() => convert(truncate(F32, W64, U, Trap));
    visit_i64_trunc_f64_s() => convert(truncate(F64, W64, S, Trap));
    visit_i64_trunc_f64_u() => convert(truncate(F64, W64, U, Trap));
    visit_f32_convert_i32_s() => convert(from_int(W32, F32, S));
    visit_f32_convert_i32_u() => convert(from_int(W32, F32, U));
    visit_f32_convert_i64_s() => convert(from_int(W64, F32, S));
    visit_f32_convert_i64_u() => convert(from_int(W64, F32, U));
    visit_f32_demote_f64() => convert(Convert::Demote);
    visit_f64_convert_i32_s() => convert(from_int(W32, F64, S));
    visit_f64_convert_i32_u() => convert(from_int(W32, F64, U));
    visit_f64_convert_i64_s() => convert(from_int(W64, F64, S));
    visit_f64_convert_i64_u() => convert(from_int(W64, F64, U));
    visit_f64_promote_f32() => convert(Convert::Promote);
    visit_i32_reinterpret_f32() => convert(Convert::FloatBits(F32));
    visit_i64_reinterpret_f64() => convert(Convert::FloatBits(F64));
    visit_f32_reinterpret_i32() => convert(Convert::BitsFloat(F32));
    visit_f64_reinterpret_i64() => convert(Convert::BitsFloat(F64));
    // sign extension
    visit_i32_extend8_s() => int_unary(W32, IntUnary::Extend8S);
    visit_i32_extend16_s() => int_unary(W32, IntUnary::Extend16S);
    visit_i64_extend8_s() => int_unary(W64, IntUnary::Extend8S);
    visit_i64_extend16_s() => int_unary(W64, IntUnary::Extend16S);
    visit_i64_extend32_s() => int_unary(W64, IntUnary::Extend32S);
    // saturating float to int
    visit_i32_trunc_sat_f32_s() => convert(truncate(F32, W32, S, Saturate));
    visit_i32_trunc_sat_f32_u() => convert(truncate(F32, W32, U, Saturate));
    visit_i32_trunc_sat_f64_s() => convert(truncate(F64, W32, S, Saturate));
    visit_i32_trunc_sat_f64_u() => convert(truncate(F64, W32, U, Saturate));
    visit_i64_trunc_sat_f32_s() => convert(truncate(F32, W64, S, Saturate));
    visit_i64_trunc_sat_f32_u() => convert(truncate(F32, W64, U, Saturate));
    visit_i64_trunc_sat_f64_s() => convert(truncate(F64, W64, S, Saturate));
    visit_i64_trunc_sat_f64_u() => convert(truncate(F64, W64, U, Saturate));
    // bulk memory
    visit_memory_init(data: u32, memory: u32) => memory_init(MemoryIndex::from_u32(memory), DataIndex::from_u32(data));
    visit_data_drop(data: u32) => data_drop(DataIndex::from_u32(data));
    visit_memory_copy(dst: u32, src: u32) => memory_copy(MemoryIndex::from_u32(dst), MemoryIndex::from_u32(src));
    visit_memory_fill(memory: u32) => memory_fill(MemoryIndex::from_u32(memory));
    visit_table_init(elem: u32, table: u32) => table_init(TableIndex::from_u32(table), ElemIndex::from_u32(elem));
    visit_elem_drop(elem: u32) => elem_drop(ElemIndex::from_u32(elem));
    visit_table_copy(dst: u32, src: u32) => table_copy(TableIndex::from_u32(dst), TableIndex::from_u32(src));
    // reference types
    visit_typed_select(ty: ValType) => select(Some(val_type(ty)));
    visit_ref_null(heap: HeapType) => ref_null(heap_type(heap));
    visit_ref_is_null() => ref_is_null();
    visit_ref_func(func: u32) => ref_func(FuncIndex::from_u32(func));
    visit_table_fill(table: u32) => table_fill(TableIndex::from_u32(table));
    visit_table_get(table: u32) => table_get(TableIndex::from_u32(table));
    visit_table_set(table: u32) => table_set(TableIndex::from_u32(table));
    visit_table_grow(table: u32) => table_grow(TableIndex::from_u32(table));
    visit_table_size(table: u32) => table_size(TableIndex::from_u32(table));
    // function references
    visit_call_ref(ty: u32) => call_ref(TypeIndex::from_u32(ty));
    visit_ref_as_non_null() => ref_as_non_null();
    visit_br_on_null(depth: u32) => br_on_null(depth);
    visit_br_on_non_null(depth: u32) => br_on_non_null(depth);
    // tail calls
    visit_return_call(func: u32) => return_call(FuncIndex::from_u32(func));
    visit_return_call_indirect(ty: u32, table: u32) => return_call_indirect(TypeIndex::from_u32(ty), TableIndex::from_u32(table));
    visit_return_call_ref(ty: u32) => return_call_ref(TypeIndex::from_u32(ty));
    // wide arithmetic
    visit_i64_add128() => int_wide(Wide::Add);
    visit_i64_sub128() => int_wide(Wide::Sub);
    visit_i64_mul_wide_s() => int_wide(Wide::Multiply(S));
    visit_i64_mul_wide_u() => int_wide(Wide::Multiply(U));
    // threads
    visit_memory_atomic_notify(memarg: MemArg) => atomic_notify(mem_arg(memarg));
    visit_memory_atomic_wait32(memarg: MemArg) => atomic_wait(W32, mem_arg(memarg));
    visit_memory_atomic_wait64(memarg: MemArg) => atomic_wait(W64, mem_arg(memarg));
    visit_i32_atomic_load(memarg: MemArg) => atomic_load(AtomicAccess::I32, mem_arg(memarg));
    visit_i64_atomic_load(memarg: MemArg) => atomic_load(AtomicAccess::I64, mem_arg(memarg));
    visit_i32_atomic_load8_u(memarg: MemArg) => atomic_load(AtomicAccess::I32As8, mem_arg(memarg));
    visit_i32_atomic_load16_u(memarg: MemArg) => atomic_load(AtomicAccess::I32As16, mem_arg(memarg));
    visit_i64_atomic_load8_u(memarg: MemArg) => atomic_load(AtomicAccess::I64As8, mem_arg(memarg));
    visit_i64_atomic_load16_u(memarg: MemArg) => atomic_load(AtomicAccess::I64As16, mem_arg(memarg));
    visit_i64_atomic_load32_u(memarg: MemArg) => atomic_load(AtomicAccess::I64As32, mem_arg(memarg));
    visit_i32_atomic_store(memarg: MemArg) => atomic_store(AtomicAccess::I32, mem_arg(memarg));
    visit_i64_atomic_store(memarg: MemArg) => atomic_store(AtomicAccess::I64, mem_arg(memarg));
    visit_i32_atomic_store8(memarg: MemArg) => atomic_store(AtomicAccess::I32As8, mem_arg(memarg));
    visit_i32_atomic_store16(memarg: MemArg) => atomic_store(AtomicAccess::I32As16, mem_arg(memarg));
    visit_i64_atomic_store8(memarg: MemArg) => atomic_store(AtomicAccess::I64As8, mem_arg(memarg));
    visit_i64_atomic_store16(memarg: MemArg) => atomic_store(AtomicAccess::I64As16, mem_arg(memarg));
    visit_i64_atomic_store32(memarg: MemArg) => atomic_store(AtomicAccess::I64As32, mem_arg(memarg));
    visit_i32_atomic_rmw_add(memarg: MemArg) => atomic_rmw(AtomicAccess::I32, AtomicRmw::Add, mem_arg(memarg));
    visit_i64_atomic_rmw_add(memarg: MemArg) => atomic_rmw(AtomicAccess::I64, AtomicRmw::Add, mem_arg(memarg));
    visit_i32_atomic_rmw8_add_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As8, AtomicRmw::Add, mem_arg(memarg));
    visit_i32_atomic_rmw16_add_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As16, AtomicRmw::Add, mem_arg(memarg));
    visit_i64_atomic_rmw8_add_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As8, AtomicRmw::Add, mem_arg(memarg));
    visit_i64_atomic_rmw16_add_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As16, AtomicRmw::Add, mem_arg(memarg));
    visit_i64_atomic_rmw32_add_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As32, AtomicRmw::Add, mem_arg(memarg));
    visit_i32_atomic_rmw_sub(memarg: MemArg) => atomic_rmw(AtomicAccess::I32, AtomicRmw::Sub, mem_arg(memarg));
    visit_i64_atomic_rmw_sub(memarg: MemArg) => atomic_rmw(AtomicAccess::I64, AtomicRmw::Sub, mem_arg(memarg));
    visit_i32_atomic_rmw8_sub_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As8, AtomicRmw::Sub, mem_arg(memarg));
    visit_i32_atomic_rmw16_sub_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As16, AtomicRmw::Sub, mem_arg(memarg));
    visit_i64_atomic_rmw8_sub_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As8, AtomicRmw::Sub, mem_arg(memarg));
    visit_i64_atomic_rmw16_sub_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As16, AtomicRmw::Sub, mem_arg(memarg));
    visit_i64_atomic_rmw32_sub_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As32, AtomicRmw::Sub, mem_arg(memarg));
    visit_i32_atomic_rmw_and(memarg: MemArg) => atomic_rmw(AtomicAccess::I32, AtomicRmw::And, mem_arg(memarg));
    visit_i64_atomic_rmw_and(memarg: MemArg) => atomic_rmw(AtomicAccess::I64, AtomicRmw::And, mem_arg(memarg));
    visit_i32_atomic_rmw8_and_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As8, AtomicRmw::And, mem_arg(memarg));
    visit_i32_atomic_rmw16_and_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As16, AtomicRmw::And, mem_arg(memarg));
    visit_i64_atomic_rmw8_and_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As8, AtomicRmw::And, mem_arg(memarg));
    visit_i64_atomic_rmw16_and_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As16, AtomicRmw::And, mem_arg(memarg));
    visit_i64_atomic_rmw32_and_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As32, AtomicRmw::And, mem_arg(memarg));
    visit_i32_atomic_rmw_or(memarg: MemArg) => atomic_rmw(AtomicAccess::I32, AtomicRmw::Or, mem_arg(memarg));
    visit_i64_atomic_rmw_or(memarg: MemArg) => atomic_rmw(AtomicAccess::I64, AtomicRmw::Or, mem_arg(memarg));
    visit_i32_atomic_rmw8_or_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As8, AtomicRmw::Or, mem_arg(memarg));
    visit_i32_atomic_rmw16_or_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As16, AtomicRmw::Or, mem_arg(memarg));
    visit_i64_atomic_rmw8_or_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As8, AtomicRmw::Or, mem_arg(memarg));
    visit_i64_atomic_rmw16_or_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As16, AtomicRmw::Or, mem_arg(memarg));
    visit_i64_atomic_rmw32_or_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As32, AtomicRmw::Or, mem_arg(memarg));
    visit_i32_atomic_rmw_xor(memarg: MemArg) => atomic_rmw(AtomicAccess::I32, AtomicRmw::Xor, mem_arg(memarg));
    visit_i64_atomic_rmw_xor(memarg: MemArg) => atomic_rmw(AtomicAccess::I64, AtomicRmw::Xor, mem_arg(memarg));
    visit_i32_atomic_rmw8_xor_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As8, AtomicRmw::Xor, mem_arg(memarg));
    visit_i32_atomic_rmw16_xor_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As16, AtomicRmw::Xor, mem_arg(memarg));
    visit_i64_atomic_rmw8_xor_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As8, AtomicRmw::Xor, mem_arg(memarg));
    visit_i64_atomic_rmw16_xor_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As16, AtomicRmw::Xor, mem_arg(memarg));
    visit_i64_atomic_rmw32_xor_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As32, AtomicRmw::Xor, mem_arg(memarg));
    visit_i32_atomic_rmw_xchg(memarg: MemArg) => atomic_rmw(AtomicAccess::I32, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i64_atomic_rmw_xchg(memarg: MemArg) => atomic_rmw(AtomicAccess::I64, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i32_atomic_rmw8_xchg_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As8, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i32_atomic_rmw16_xchg_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I32As16, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i64_atomic_rmw8_xchg_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As8, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i64_atomic_rmw16_xchg_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As16, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i64_atomic_rmw32_xchg_u(memarg: MemArg) => atomic_rmw(AtomicAccess::I64As32, AtomicRmw::Xchg, mem_arg(memarg));
    visit_i32_atomic_rmw_cmpxchg(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I32, mem_arg(memarg));
    visit_i64_atomic_rmw_cmpxchg(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I64, mem_arg(memarg));
    visit_i32_atomic_rmw8_cmpxchg_u(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I32As8, mem_arg(memarg));
    visit_i32_atomic_rmw16_cmpxchg_u(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I32As16, mem_arg(memarg));
    visit_i64_atomic_rmw8_cmpxchg_u(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I64As8, mem_arg(memarg));
    visit_i64_atomic_rmw16_cmpxchg_u(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I64As16, mem_arg(memarg));
    visit_i64_atomic_rmw32_cmpxchg_u(memarg: MemArg) => atomic_cmpxchg(AtomicAccess::I64As32, mem_arg(memarg));
    // There is one ordering as long as acquire and release are not enabled.
    visit_atomic_fence(_ordering: wasmparser::Ordering) => atomic_fence();
    // exceptions
    visit_try_table(table: TryTable) => try_table(block_type(table.ty), &catches(&table));
    visit_throw(tag: u32) => throw(TagIndex::from_u32(tag));
    visit_throw_ref() => throw_ref();
    }
}
