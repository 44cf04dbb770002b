//! Operators as families. A compiler implements [`Operators`]; [`crate::visit`] turns wasmparser's visitor calls into
//! calls of these methods with constant arguments, monomorphised, so that each call site folds to the one case it is.
//!
//! No method has a default: a new family breaks every compiler's build, and a new member of a family breaks its matches.

use crate::index::*;
use crate::types::{HeapType, ValType};

/// Width of an integer operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum IntWidth {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
}

/// Width of a float operation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum FloatWidth {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Integer operations of one operand.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntUnary {
    Clz,
    Ctz,
    Popcnt,
    Extend8S,
    Extend16S,
    /// Only of 64 bits.
    Extend32S,
}

/// Integer operations of two operands that cannot trap.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntBinary {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Rotl,
    Rotr,
}

/// Integer operations of two operands that can trap.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntDivide {
    DivS,
    DivU,
    RemS,
    RemU,
}

/// Integer comparisons.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntCompare {
    Eq,
    Ne,
    LtS,
    LtU,
    GtS,
    GtU,
    LeS,
    LeU,
    GeS,
    GeU,
}

/// Float operations of one operand.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatUnary {
    Abs,
    Neg,
    Ceil,
    Floor,
    Trunc,
    Nearest,
    Sqrt,
}

/// Float operations of two operands.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatBinary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Copysign,
}

/// Float comparisons.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatCompare {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
}

/// Whether the sign bit is copied.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// Signed.
    S,
    /// Unsigned.
    U,
}

/// Integer operations on 128 bits (the proposal "wide arithmetic"): operands and results are pairs of `i64`, the low half
/// below the high one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wide {
    /// `i64.add128`.
    Add,
    /// `i64.sub128`.
    Sub,
    /// `i64.mul_wide_s/u`: of two single `i64`.
    Multiply(Sign),
}

/// What an atomic operation takes or gives, and how much of memory it touches: the narrow ones zero-extend what they read.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the value's type, and the bits in memory where they are fewer")]
pub enum AtomicAccess {
    I32,
    I64,
    I32As8,
    I32As16,
    I64As8,
    I64As16,
    I64As32,
}

impl AtomicAccess {
    /// Bytes in memory; also the required alignment.
    pub const fn size(self) -> u32 {
        match self {
            AtomicAccess::I32As8 | AtomicAccess::I64As8 => 1,
            AtomicAccess::I32As16 | AtomicAccess::I64As16 => 2,
            AtomicAccess::I32 | AtomicAccess::I64As32 => 4,
            AtomicAccess::I64 => 8,
        }
    }

    /// Width of the value.
    pub const fn width(self) -> IntWidth {
        match self {
            AtomicAccess::I32 | AtomicAccess::I32As8 | AtomicAccess::I32As16 => IntWidth::W32,
            AtomicAccess::I64 | AtomicAccess::I64As8 | AtomicAccess::I64As16 | AtomicAccess::I64As32 => IntWidth::W64,
        }
    }
}

/// Atomic read-modify-write operations; each gives what was there before.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum AtomicRmw {
    Add,
    Sub,
    And,
    Or,
    Xor,
    Xchg,
}

/// What a float-to-integer conversion does with a value that does not fit.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// Traps.
    Trap,
    /// Saturates; NaN gives 0.
    Saturate,
}

/// Conversions between number types.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Convert {
    /// `i32.wrap_i64`.
    Wrap,
    /// `i64.extend_i32_s/u`.
    Extend(Sign),
    /// `iNN.trunc[_sat]_fNN_s/u`.
    Truncate {
        /// From.
        from: FloatWidth,
        /// To.
        to: IntWidth,
        /// Of the integer.
        sign: Sign,
        /// When it does not fit.
        overflow: Overflow,
    },
    /// `fNN.convert_iNN_s/u`.
    FromInt {
        /// From.
        from: IntWidth,
        /// To.
        to: FloatWidth,
        /// Of the integer.
        sign: Sign,
    },
    /// `f32.demote_f64`.
    Demote,
    /// `f64.promote_f32`.
    Promote,
    /// `i32.reinterpret_f32` or `i64.reinterpret_f64`.
    FloatBits(FloatWidth),
    /// `f32.reinterpret_i32` or `f64.reinterpret_i64`.
    BitsFloat(FloatWidth),
}

/// Loads. The name says the result type and what is read.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Load {
    I32,
    I64,
    F32,
    F64,
    V128,
    I32Load8(Sign),
    I32Load16(Sign),
    I64Load8(Sign),
    I64Load16(Sign),
    I64Load32(Sign),
    /// `v128.load8x8` and so on: half a vector, each lane extended. The lanes as read.
    V128Extend(NarrowLane, Sign),
    /// `v128.loadN_splat`.
    V128Splat(Lane),
    /// `v128.load32_zero`, `v128.load64_zero`: only `B4` and `B8`.
    V128Zero(Lane),
}

/// Stores. The name says the operand type and what is written.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Store {
    I32,
    I64,
    F32,
    F64,
    V128,
    I32Store8,
    I32Store16,
    I64Store8,
    I64Store16,
    I64Store32,
}

impl Load {
    /// Bytes read.
    pub const fn size(self) -> u32 {
        match self {
            Load::I32Load8(_) | Load::I64Load8(_) => 1,
            Load::I32Load16(_) | Load::I64Load16(_) => 2,
            Load::I32 | Load::F32 | Load::I64Load32(_) => 4,
            Load::I64 | Load::F64 | Load::V128Extend(..) => 8,
            Load::V128 => 16,
            Load::V128Splat(lane) | Load::V128Zero(lane) => lane.size(),
        }
    }
}

impl Store {
    /// Bytes written.
    pub const fn size(self) -> u32 {
        match self {
            Store::I32Store8 | Store::I64Store8 => 1,
            Store::I32Store16 | Store::I64Store16 => 2,
            Store::I32 | Store::F32 | Store::I64Store32 => 4,
            Store::I64 | Store::F64 => 8,
            Store::V128 => 16,
        }
    }
}

/// A vector lane's size.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "bytes")]
pub enum Lane {
    B1,
    B2,
    B4,
    B8,
}

impl Lane {
    /// Bytes.
    pub const fn size(self) -> u32 {
        match self {
            Lane::B1 => 1,
            Lane::B2 => 2,
            Lane::B4 => 4,
            Lane::B8 => 8,
        }
    }
}

/// A lane that can be widened to the double.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "bytes")]
pub enum NarrowLane {
    B1,
    B2,
    B4,
}

/// How a vector is divided into lanes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Shape {
    I8x16,
    I16x8,
    I32x4,
    I64x2,
    F32x4,
    F64x2,
}

/// Shapes of integer lanes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum IntShape {
    I8x16,
    I16x8,
    I32x4,
    I64x2,
}

/// Shapes of float lanes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum FloatShape {
    F32x4,
    F64x2,
}

/// Which half of a vector is widened.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Half {
    Low,
    High,
}

/// `extract_lane`: result type by shape, sign for lanes below 32 bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Extract {
    I8x16(Sign),
    I16x8(Sign),
    I32x4,
    I64x2,
    F32x4,
    F64x2,
}

/// Vector operations of one operand.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum VecUnary {
    Not,
    Abs(IntShape),
    Neg(IntShape),
    /// `i8x16.popcnt`.
    Popcnt,
    Float(FloatShape, FloatUnary),
    /// `extadd_pairwise`, by the operand's lanes (`B1`, `B2`).
    ExtAddPairwise(NarrowLane, Sign),
    /// `extend_low/high`, by the operand's lanes.
    Extend(NarrowLane, Half, Sign),
    /// `i32x4.trunc_sat_f32x4_s/u`.
    TruncSatF32x4(Sign),
    /// `i32x4.trunc_sat_f64x2_s/u_zero`.
    TruncSatF64x2Zero(Sign),
    /// `f32x4.convert_i32x4_s/u`.
    ConvertF32x4(Sign),
    /// `f64x2.convert_low_i32x4_s/u`.
    ConvertLowF64x2(Sign),
    /// `f32x4.demote_f64x2_zero`.
    DemoteZero,
    /// `f64x2.promote_low_f32x4`.
    PromoteLow,
}

/// Vector operations of two operands.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum VecBinary {
    And,
    AndNot,
    Or,
    Xor,
    Swizzle,
    Add(IntShape),
    Sub(IntShape),
    /// Not of `I8x16`.
    Mul(IntShape),
    /// Only of `I8x16` and `I16x8`, like the next two.
    AddSat(IntShape, Sign),
    SubSat(IntShape, Sign),
    AvgrU(IntShape),
    /// Not of `I64x2`.
    Min(IntShape, Sign),
    Max(IntShape, Sign),
    /// Operand lanes `I16x8` or `I32x4`, result lanes half as wide.
    Narrow(IntShape, Sign),
    /// By the operands' lanes.
    ExtMul(NarrowLane, Half, Sign),
    /// `i32x4.dot_i16x8_s`.
    Dot,
    /// `i16x8.q15mulr_sat_s`.
    Q15MulrSat,
    /// `i16x8.relaxed_dot_i8x16_i7x16_s`: both operands signed, the sums of neighbours saturated.
    DotI8,
    Compare(IntShape, IntCompare),
    FloatCompare(FloatShape, FloatCompare),
    /// `Copysign` does not occur.
    Float(FloatShape, FloatBinary),
    /// `pmin`, `pmax`: the second operand if it is less (greater), else the first.
    PMin(FloatShape),
    PMax(FloatShape),
}

/// Vector operations of three operands.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum VecTernary {
    Bitselect,
    /// `relaxed_madd`: a product, rounded, and a sum, rounded.
    MulAdd(FloatShape),
    /// `relaxed_nmadd`: the same with the first operand negated.
    NegMulAdd(FloatShape),
    /// `i32x4.relaxed_dot_i8x16_i7x16_add_s`: sums of neighbours in what `DotI8` gives, and the third operand.
    DotI8Add,
}

/// Vector shifts by an i32.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum VecShift {
    Shl,
    ShrS,
    ShrU,
}

/// Vector to i32.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum VecTest {
    AnyTrue,
    AllTrue(IntShape),
    Bitmask(IntShape),
}

/// A block's type.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BlockType {
    /// `[] -> []`.
    Empty,
    /// `[] -> [t]`.
    Value(ValType),
    /// A function type.
    Func(TypeIndex),
}

/// A clause of a `try_table`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// What it catches; `None` is every exception.
    pub tag: Option<TagIndex>,
    /// Whether the label takes the exception as a reference too, behind the values of the tag.
    pub with_exception: bool,
    /// Where it branches to, counted from outside the `try_table`.
    pub depth: u32,
}

/// A memory instruction's immediate.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct MemArg {
    /// Which memory.
    pub memory: MemoryIndex,
    /// Added to the index.
    pub offset: u64,
    /// log2 of the alignment hint, or of the required alignment of an atomic access.
    pub align: u8,
}

/// What compiles, or looks at, a function body: one call an operator.
#[allow(missing_docs, reason = "named as in the specification; the families' types are documented")]
pub trait Operators {
    /// What each call gives back.
    type Output;

    fn unreachable(&mut self) -> Self::Output;
    fn nop(&mut self) -> Self::Output;
    fn block(&mut self, ty: BlockType) -> Self::Output;
    fn loop_(&mut self, ty: BlockType) -> Self::Output;
    fn if_(&mut self, ty: BlockType) -> Self::Output;
    fn else_(&mut self) -> Self::Output;
    fn end(&mut self) -> Self::Output;
    fn br(&mut self, depth: u32) -> Self::Output;
    fn br_if(&mut self, depth: u32) -> Self::Output;
    fn br_table(&mut self, targets: &wasmparser::BrTable<'_>) -> Self::Output;
    fn return_(&mut self) -> Self::Output;
    fn call(&mut self, func: FuncIndex) -> Self::Output;
    fn call_indirect(&mut self, ty: TypeIndex, table: TableIndex) -> Self::Output;
    /// `ty` is the reference's type; null traps.
    fn call_ref(&mut self, ty: TypeIndex) -> Self::Output;
    fn return_call(&mut self, func: FuncIndex) -> Self::Output;
    fn return_call_indirect(&mut self, ty: TypeIndex, table: TableIndex) -> Self::Output;
    fn return_call_ref(&mut self, ty: TypeIndex) -> Self::Output;
    fn try_table(&mut self, ty: BlockType, catches: &[Catch]) -> Self::Output;
    fn throw(&mut self, tag: TagIndex) -> Self::Output;
    fn throw_ref(&mut self) -> Self::Output;

    fn drop_(&mut self) -> Self::Output;
    /// `None`: the untyped `select`, of two numbers or vectors of one type.
    fn select(&mut self, ty: Option<ValType>) -> Self::Output;

    fn local_get(&mut self, local: LocalIndex) -> Self::Output;
    fn local_set(&mut self, local: LocalIndex) -> Self::Output;
    fn local_tee(&mut self, local: LocalIndex) -> Self::Output;
    fn global_get(&mut self, global: GlobalIndex) -> Self::Output;
    fn global_set(&mut self, global: GlobalIndex) -> Self::Output;

    fn load(&mut self, load: Load, arg: MemArg) -> Self::Output;
    fn store(&mut self, store: Store, arg: MemArg) -> Self::Output;
    fn load_lane(&mut self, lane: Lane, arg: MemArg, index: u8) -> Self::Output;
    fn store_lane(&mut self, lane: Lane, arg: MemArg, index: u8) -> Self::Output;
    fn memory_size(&mut self, memory: MemoryIndex) -> Self::Output;
    fn memory_grow(&mut self, memory: MemoryIndex) -> Self::Output;
    fn memory_fill(&mut self, memory: MemoryIndex) -> Self::Output;
    fn memory_copy(&mut self, dst: MemoryIndex, src: MemoryIndex) -> Self::Output;
    fn memory_init(&mut self, memory: MemoryIndex, data: DataIndex) -> Self::Output;
    fn data_drop(&mut self, data: DataIndex) -> Self::Output;

    fn atomic_load(&mut self, access: AtomicAccess, arg: MemArg) -> Self::Output;
    fn atomic_store(&mut self, access: AtomicAccess, arg: MemArg) -> Self::Output;
    fn atomic_rmw(&mut self, access: AtomicAccess, op: AtomicRmw, arg: MemArg) -> Self::Output;
    fn atomic_cmpxchg(&mut self, access: AtomicAccess, arg: MemArg) -> Self::Output;
    /// `memory.atomic.wait32/64`.
    fn atomic_wait(&mut self, width: IntWidth, arg: MemArg) -> Self::Output;
    fn atomic_notify(&mut self, arg: MemArg) -> Self::Output;
    fn atomic_fence(&mut self) -> Self::Output;

    fn ref_null(&mut self, heap: HeapType) -> Self::Output;
    fn ref_is_null(&mut self) -> Self::Output;
    fn ref_func(&mut self, func: FuncIndex) -> Self::Output;
    fn ref_as_non_null(&mut self) -> Self::Output;
    /// Branches without the reference if it is null.
    fn br_on_null(&mut self, depth: u32) -> Self::Output;
    /// Branches with the reference, which is the last value that the label takes, if it is not null.
    fn br_on_non_null(&mut self, depth: u32) -> Self::Output;
    fn table_get(&mut self, table: TableIndex) -> Self::Output;
    fn table_set(&mut self, table: TableIndex) -> Self::Output;
    fn table_size(&mut self, table: TableIndex) -> Self::Output;
    fn table_grow(&mut self, table: TableIndex) -> Self::Output;
    fn table_fill(&mut self, table: TableIndex) -> Self::Output;
    fn table_copy(&mut self, dst: TableIndex, src: TableIndex) -> Self::Output;
    fn table_init(&mut self, table: TableIndex, elem: ElemIndex) -> Self::Output;
    fn elem_drop(&mut self, elem: ElemIndex) -> Self::Output;

    fn i32_const(&mut self, value: i32) -> Self::Output;
    fn i64_const(&mut self, value: i64) -> Self::Output;
    /// As bits.
    fn f32_const(&mut self, bits: u32) -> Self::Output;
    /// As bits.
    fn f64_const(&mut self, bits: u64) -> Self::Output;
    fn v128_const(&mut self, bits: u128) -> Self::Output;

    fn int_eqz(&mut self, width: IntWidth) -> Self::Output;
    fn int_unary(&mut self, width: IntWidth, op: IntUnary) -> Self::Output;
    fn int_binary(&mut self, width: IntWidth, op: IntBinary) -> Self::Output;
    fn int_divide(&mut self, width: IntWidth, op: IntDivide) -> Self::Output;
    fn int_compare(&mut self, width: IntWidth, op: IntCompare) -> Self::Output;
    fn int_wide(&mut self, op: Wide) -> Self::Output;
    fn float_unary(&mut self, width: FloatWidth, op: FloatUnary) -> Self::Output;
    fn float_binary(&mut self, width: FloatWidth, op: FloatBinary) -> Self::Output;
    fn float_compare(&mut self, width: FloatWidth, op: FloatCompare) -> Self::Output;
    fn convert(&mut self, op: Convert) -> Self::Output;

    fn splat(&mut self, shape: Shape) -> Self::Output;
    fn extract_lane(&mut self, op: Extract, lane: u8) -> Self::Output;
    fn replace_lane(&mut self, shape: Shape, lane: u8) -> Self::Output;
    fn shuffle(&mut self, lanes: [u8; 16]) -> Self::Output;
    fn vec_unary(&mut self, op: VecUnary) -> Self::Output;
    fn vec_binary(&mut self, op: VecBinary) -> Self::Output;
    fn vec_ternary(&mut self, op: VecTernary) -> Self::Output;
    fn vec_shift(&mut self, shape: IntShape, op: VecShift) -> Self::Output;
    fn vec_test(&mut self, op: VecTest) -> Self::Output;
}

/// Hands the list of [`Operators`]' methods, by family, to the macro `$callback`: `structure` are those that unreachable code
/// still looks at, `plain` all others. A family is named as the file that a compiler has for it.
#[macro_export]
macro_rules! operator_families {
    ($callback:ident) => {
        $callback! {
            structure {
                control { block(ty: BlockType); loop_(ty: BlockType); if_(ty: BlockType); else_(); end(); }
                exception { try_table(ty: BlockType, catches: &[Catch]); }
            }
            plain {
                control {
                    unreachable(); nop(); br(depth: u32); br_if(depth: u32); br_on_null(depth: u32); br_on_non_null(depth: u32);
                    br_table(targets: &BrTable<'_>); return_(); drop_(); select(ty: Option<ValType>);
                }
                call {
                    call(func: FuncIndex); call_indirect(ty: TypeIndex, table: TableIndex); call_ref(ty: TypeIndex);
                    return_call(func: FuncIndex); return_call_indirect(ty: TypeIndex, table: TableIndex);
                    return_call_ref(ty: TypeIndex);
                }
                exception { throw(tag: TagIndex); throw_ref(); }
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
                    atomic_rmw(access: AtomicAccess, op: AtomicRmw, arg: MemArg);
                    atomic_cmpxchg(access: AtomicAccess, arg: MemArg); atomic_wait(width: IntWidth, arg: MemArg);
                    atomic_notify(arg: MemArg); atomic_fence();
                }
                bulk {
                    memory_fill(memory: MemoryIndex); memory_copy(dst: MemoryIndex, src: MemoryIndex);
                    memory_init(memory: MemoryIndex, data: DataIndex); data_drop(data: DataIndex);
                }
                reference {
                    ref_null(heap: HeapType); ref_is_null(); ref_func(func: FuncIndex); ref_as_non_null();
                    table_get(table: TableIndex); table_set(table: TableIndex); table_size(table: TableIndex);
                    table_grow(table: TableIndex); table_fill(table: TableIndex);
                    table_copy(dst: TableIndex, src: TableIndex); table_init(table: TableIndex, elem: ElemIndex);
                    elem_drop(elem: ElemIndex);
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
                    v128_const(bits: u128); splat(shape: Shape); extract_lane(op: Extract, lane: u8);
                    replace_lane(shape: Shape, lane: u8); shuffle(lanes: [u8; 16]); vec_unary(op: VecUnary);
                    vec_binary(op: VecBinary); vec_ternary(op: VecTernary); vec_shift(shape: IntShape, op: VecShift);
                    vec_test(op: VecTest);
                }
            }
        }
    };
}
