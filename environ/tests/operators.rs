//! Every operator from text through the binary format and the visitor back to text: the rows of
//! `visit.rs` against the opcodes of an assembler.

use sconce_environ::decode::{Features, decode};
use sconce_environ::index::*;
use sconce_environ::ops::*;
use sconce_environ::types::{HeapType, ValType};
use sconce_environ::visit::Visitor;
use sconce_environ::walk::Walk;
use std::fmt::Debug;
use wasmparser::{BinaryReader, BrTable, FunctionBody};

/// `DivS` to `div_s`.
fn snake(op: impl Debug) -> String {
    let mut out = String::new();
    for c in format!("{op:?}").chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn low(op: impl Debug) -> String {
    format!("{op:?}").to_lowercase()
}

fn int(width: IntWidth) -> &'static str {
    match width {
        IntWidth::W32 => "i32",
        IntWidth::W64 => "i64",
    }
}

/// The lanes that are read, and those twice as wide that they become.
fn widened(lane: NarrowLane) -> (&'static str, &'static str) {
    match lane {
        NarrowLane::B1 => ("i8x16", "i16x8"),
        NarrowLane::B2 => ("i16x8", "i32x4"),
        NarrowLane::B4 => ("i32x4", "i64x2"),
    }
}

/// The value's type, the bits in memory where they are fewer, and what says that they are extended.
fn atomic(access: AtomicAccess) -> (&'static str, String, &'static str) {
    let (ty, bits) = (int(access.width()), access.size() * 8);
    if ty.ends_with(&bits.to_string()) { (ty, String::new(), "") } else { (ty, bits.to_string(), "_u") }
}

/// Writes operators as text.
#[derive(Default)]
struct Printer {
    lines: Vec<String>,
    offsets: Vec<u32>,
}

type Done = Result<(), wasmparser::Error>;

impl Printer {
    fn line(&mut self, line: impl Into<String>) -> Done {
        self.lines.push(line.into());
        Ok(())
    }

    fn block_line(&mut self, what: &str, ty: BlockType) -> Done {
        match ty {
            BlockType::Empty => self.line(what),
            BlockType::Value(t) => self.line(format!("{what} (result {t})")),
            BlockType::Func(t) => self.line(format!("{what} (type {})", t.as_u32())),
        }
    }

    fn access(&mut self, what: String, arg: MemArg) -> Done {
        assert_eq!(arg.memory.as_u32(), 0);
        self.line(format!("{what} offset={} align={}", arg.offset, 1 << arg.align))
    }
}

impl Operators for Printer {
    type Output = Done;

    fn unreachable(&mut self) -> Done {
        self.line("unreachable")
    }
    fn nop(&mut self) -> Done {
        self.line("nop")
    }
    fn block(&mut self, ty: BlockType) -> Done {
        self.block_line("block", ty)
    }
    fn loop_(&mut self, ty: BlockType) -> Done {
        self.block_line("loop", ty)
    }
    fn if_(&mut self, ty: BlockType) -> Done {
        self.block_line("if", ty)
    }
    fn else_(&mut self) -> Done {
        self.line("else")
    }
    fn end(&mut self) -> Done {
        self.line("end")
    }
    fn br(&mut self, depth: u32) -> Done {
        self.line(format!("br {depth}"))
    }
    fn br_if(&mut self, depth: u32) -> Done {
        self.line(format!("br_if {depth}"))
    }
    fn br_table(&mut self, targets: &BrTable<'_>) -> Done {
        let mut line = "br_table".to_owned();
        for target in targets.targets().chain([Ok(targets.default())]) {
            line += &format!(" {}", target?);
        }
        self.line(line)
    }
    fn return_(&mut self) -> Done {
        self.line("return")
    }
    fn call(&mut self, func: FuncIndex) -> Done {
        self.line(format!("call {}", func.as_u32()))
    }
    fn call_indirect(&mut self, ty: TypeIndex, table: TableIndex) -> Done {
        self.line(format!("call_indirect {} (type {})", table.as_u32(), ty.as_u32()))
    }
    fn call_ref(&mut self, ty: TypeIndex) -> Done {
        self.line(format!("call_ref {}", ty.as_u32()))
    }
    fn return_call(&mut self, func: FuncIndex) -> Done {
        self.line(format!("return_call {}", func.as_u32()))
    }
    fn return_call_indirect(&mut self, ty: TypeIndex, table: TableIndex) -> Done {
        self.line(format!("return_call_indirect {} (type {})", table.as_u32(), ty.as_u32()))
    }
    fn return_call_ref(&mut self, ty: TypeIndex) -> Done {
        self.line(format!("return_call_ref {}", ty.as_u32()))
    }
    fn try_table(&mut self, ty: BlockType, catches: &[Catch]) -> Done {
        let mut what = "try_table".to_owned();
        for catch in catches {
            let suffix = if catch.with_exception { "_ref" } else { "" };
            what += &match catch.tag {
                Some(tag) => format!(" (catch{suffix} {} {})", tag.as_u32(), catch.depth),
                None => format!(" (catch_all{suffix} {})", catch.depth),
            };
        }
        self.block_line(&what, ty)
    }
    fn throw(&mut self, tag: TagIndex) -> Done {
        self.line(format!("throw {}", tag.as_u32()))
    }
    fn throw_ref(&mut self) -> Done {
        self.line("throw_ref")
    }
    fn drop_(&mut self) -> Done {
        self.line("drop")
    }
    fn select(&mut self, ty: Option<ValType>) -> Done {
        self.line(ty.map_or("select".to_owned(), |t| format!("select (result {t})")))
    }
    fn local_get(&mut self, local: LocalIndex) -> Done {
        self.line(format!("local.get {}", local.as_u32()))
    }
    fn local_set(&mut self, local: LocalIndex) -> Done {
        self.line(format!("local.set {}", local.as_u32()))
    }
    fn local_tee(&mut self, local: LocalIndex) -> Done {
        self.line(format!("local.tee {}", local.as_u32()))
    }
    fn global_get(&mut self, global: GlobalIndex) -> Done {
        self.line(format!("global.get {}", global.as_u32()))
    }
    fn global_set(&mut self, global: GlobalIndex) -> Done {
        self.line(format!("global.set {}", global.as_u32()))
    }
    fn load(&mut self, load: Load, arg: MemArg) -> Done {
        let name = match load {
            Load::I32 | Load::I64 | Load::F32 | Load::F64 | Load::V128 => format!("{}.load", low(load)),
            Load::I32Load8(s) => format!("i32.load8_{}", low(s)),
            Load::I32Load16(s) => format!("i32.load16_{}", low(s)),
            Load::I64Load8(s) => format!("i64.load8_{}", low(s)),
            Load::I64Load16(s) => format!("i64.load16_{}", low(s)),
            Load::I64Load32(s) => format!("i64.load32_{}", low(s)),
            Load::V128Extend(NarrowLane::B1, s) => format!("v128.load8x8_{}", low(s)),
            Load::V128Extend(NarrowLane::B2, s) => format!("v128.load16x4_{}", low(s)),
            Load::V128Extend(NarrowLane::B4, s) => format!("v128.load32x2_{}", low(s)),
            Load::V128Splat(lane) => format!("v128.load{}_splat", lane.size() * 8),
            Load::V128Zero(lane) => format!("v128.load{}_zero", lane.size() * 8),
        };
        assert!(1 << arg.align <= load.size());
        self.access(name, arg)
    }
    fn store(&mut self, store: Store, arg: MemArg) -> Done {
        let name = match store {
            Store::I32 | Store::I64 | Store::F32 | Store::F64 | Store::V128 => format!("{}.store", low(store)),
            Store::I32Store8 | Store::I64Store8 => format!("{}8", low(store).replace("store8", ".store")),
            Store::I32Store16 | Store::I64Store16 => format!("{}16", low(store).replace("store16", ".store")),
            Store::I64Store32 => "i64.store32".to_owned(),
        };
        assert!(1 << arg.align <= store.size());
        self.access(name, arg)
    }
    fn load_lane(&mut self, lane: Lane, arg: MemArg, index: u8) -> Done {
        self.access(format!("v128.load{}_lane", lane.size() * 8), arg)?;
        *self.lines.last_mut().unwrap() += &format!(" {index}");
        Ok(())
    }
    fn store_lane(&mut self, lane: Lane, arg: MemArg, index: u8) -> Done {
        self.access(format!("v128.store{}_lane", lane.size() * 8), arg)?;
        *self.lines.last_mut().unwrap() += &format!(" {index}");
        Ok(())
    }
    fn memory_size(&mut self, _: MemoryIndex) -> Done {
        self.line("memory.size")
    }
    fn memory_grow(&mut self, _: MemoryIndex) -> Done {
        self.line("memory.grow")
    }
    fn memory_fill(&mut self, _: MemoryIndex) -> Done {
        self.line("memory.fill")
    }
    fn memory_copy(&mut self, _: MemoryIndex, _: MemoryIndex) -> Done {
        self.line("memory.copy")
    }
    fn memory_init(&mut self, _: MemoryIndex, data: DataIndex) -> Done {
        self.line(format!("memory.init {}", data.as_u32()))
    }
    fn data_drop(&mut self, data: DataIndex) -> Done {
        self.line(format!("data.drop {}", data.as_u32()))
    }
    fn atomic_load(&mut self, access: AtomicAccess, arg: MemArg) -> Done {
        let (ty, bits, u) = atomic(access);
        self.access(format!("{ty}.atomic.load{bits}{u}"), arg)
    }
    fn atomic_store(&mut self, access: AtomicAccess, arg: MemArg) -> Done {
        let (ty, bits, _) = atomic(access);
        self.access(format!("{ty}.atomic.store{bits}"), arg)
    }
    fn atomic_rmw(&mut self, access: AtomicAccess, op: AtomicRmw, arg: MemArg) -> Done {
        let (ty, bits, u) = atomic(access);
        self.access(format!("{ty}.atomic.rmw{bits}.{}{u}", low(op)), arg)
    }
    fn atomic_cmpxchg(&mut self, access: AtomicAccess, arg: MemArg) -> Done {
        let (ty, bits, u) = atomic(access);
        self.access(format!("{ty}.atomic.rmw{bits}.cmpxchg{u}"), arg)
    }
    fn atomic_wait(&mut self, width: IntWidth, arg: MemArg) -> Done {
        self.access(format!("memory.atomic.wait{}", &int(width)[1..]), arg)
    }
    fn atomic_notify(&mut self, arg: MemArg) -> Done {
        self.access("memory.atomic.notify".to_owned(), arg)
    }
    fn atomic_fence(&mut self) -> Done {
        self.line("atomic.fence")
    }
    fn ref_null(&mut self, heap: HeapType) -> Done {
        self.line(format!("ref.null {heap}"))
    }
    fn ref_is_null(&mut self) -> Done {
        self.line("ref.is_null")
    }
    fn ref_as_non_null(&mut self) -> Done {
        self.line("ref.as_non_null")
    }
    fn br_on_null(&mut self, depth: u32) -> Done {
        self.line(format!("br_on_null {depth}"))
    }
    fn br_on_non_null(&mut self, depth: u32) -> Done {
        self.line(format!("br_on_non_null {depth}"))
    }
    fn ref_func(&mut self, func: FuncIndex) -> Done {
        self.line(format!("ref.func {}", func.as_u32()))
    }
    fn table_get(&mut self, table: TableIndex) -> Done {
        self.line(format!("table.get {}", table.as_u32()))
    }
    fn table_set(&mut self, table: TableIndex) -> Done {
        self.line(format!("table.set {}", table.as_u32()))
    }
    fn table_size(&mut self, table: TableIndex) -> Done {
        self.line(format!("table.size {}", table.as_u32()))
    }
    fn table_grow(&mut self, table: TableIndex) -> Done {
        self.line(format!("table.grow {}", table.as_u32()))
    }
    fn table_fill(&mut self, table: TableIndex) -> Done {
        self.line(format!("table.fill {}", table.as_u32()))
    }
    fn table_copy(&mut self, dst: TableIndex, src: TableIndex) -> Done {
        self.line(format!("table.copy {} {}", dst.as_u32(), src.as_u32()))
    }
    fn table_init(&mut self, table: TableIndex, elem: ElemIndex) -> Done {
        self.line(format!("table.init {} {}", table.as_u32(), elem.as_u32()))
    }
    fn elem_drop(&mut self, elem: ElemIndex) -> Done {
        self.line(format!("elem.drop {}", elem.as_u32()))
    }
    fn i32_const(&mut self, value: i32) -> Done {
        self.line(format!("i32.const {value}"))
    }
    fn i64_const(&mut self, value: i64) -> Done {
        self.line(format!("i64.const {value}"))
    }
    fn f32_const(&mut self, bits: u32) -> Done {
        self.line(format!("f32.const {}", f32::from_bits(bits)))
    }
    fn f64_const(&mut self, bits: u64) -> Done {
        self.line(format!("f64.const {}", f64::from_bits(bits)))
    }
    fn v128_const(&mut self, bits: u128) -> Done {
        self.line(format!("v128.const i64x2 {} {}", bits as u64, (bits >> 64) as u64))
    }
    fn int_eqz(&mut self, width: IntWidth) -> Done {
        self.line(format!("{}.eqz", int(width)))
    }
    fn int_unary(&mut self, width: IntWidth, op: IntUnary) -> Done {
        self.line(format!("{}.{}", int(width), snake(op)))
    }
    fn int_binary(&mut self, width: IntWidth, op: IntBinary) -> Done {
        self.line(format!("{}.{}", int(width), snake(op)))
    }
    fn int_divide(&mut self, width: IntWidth, op: IntDivide) -> Done {
        self.line(format!("{}.{}", int(width), snake(op)))
    }
    fn int_compare(&mut self, width: IntWidth, op: IntCompare) -> Done {
        self.line(format!("{}.{}", int(width), snake(op)))
    }
    fn int_wide(&mut self, op: Wide) -> Done {
        self.line(match op {
            Wide::Add => "i64.add128".to_owned(),
            Wide::Sub => "i64.sub128".to_owned(),
            Wide::Multiply(s) => format!("i64.mul_wide_{}", low(s)),
        })
    }
    fn float_unary(&mut self, width: FloatWidth, op: FloatUnary) -> Done {
        self.line(format!("{}.{}", low(width), low(op)))
    }
    fn float_binary(&mut self, width: FloatWidth, op: FloatBinary) -> Done {
        self.line(format!("{}.{}", low(width), low(op)))
    }
    fn float_compare(&mut self, width: FloatWidth, op: FloatCompare) -> Done {
        self.line(format!("{}.{}", low(width), low(op)))
    }
    fn convert(&mut self, op: Convert) -> Done {
        self.line(match op {
            Convert::Wrap => "i32.wrap_i64".to_owned(),
            Convert::Extend(s) => format!("i64.extend_i32_{}", low(s)),
            Convert::Truncate { from, to, sign, overflow } => {
                let sat = if overflow == Overflow::Saturate { "_sat" } else { "" };
                format!("{}.trunc{sat}_{}_{}", int(to), low(from), low(sign))
            }
            Convert::FromInt { from, to, sign } => format!("{}.convert_{}_{}", low(to), int(from), low(sign)),
            Convert::Demote => "f32.demote_f64".to_owned(),
            Convert::Promote => "f64.promote_f32".to_owned(),
            Convert::FloatBits(FloatWidth::F32) => "i32.reinterpret_f32".to_owned(),
            Convert::FloatBits(FloatWidth::F64) => "i64.reinterpret_f64".to_owned(),
            Convert::BitsFloat(FloatWidth::F32) => "f32.reinterpret_i32".to_owned(),
            Convert::BitsFloat(FloatWidth::F64) => "f64.reinterpret_i64".to_owned(),
        })
    }
    fn splat(&mut self, shape: Shape) -> Done {
        self.line(format!("{}.splat", low(shape)))
    }
    fn extract_lane(&mut self, op: Extract, lane: u8) -> Done {
        self.line(match op {
            Extract::I8x16(s) => format!("i8x16.extract_lane_{} {lane}", low(s)),
            Extract::I16x8(s) => format!("i16x8.extract_lane_{} {lane}", low(s)),
            other => format!("{}.extract_lane {lane}", low(other)),
        })
    }
    fn replace_lane(&mut self, shape: Shape, lane: u8) -> Done {
        self.line(format!("{}.replace_lane {lane}", low(shape)))
    }
    fn shuffle(&mut self, lanes: [u8; 16]) -> Done {
        self.line(format!("i8x16.shuffle {}", lanes.map(|l| l.to_string()).join(" ")))
    }
    fn vec_unary(&mut self, op: VecUnary) -> Done {
        self.line(match op {
            VecUnary::Not => "v128.not".to_owned(),
            VecUnary::Abs(shape) => format!("{}.abs", low(shape)),
            VecUnary::Neg(shape) => format!("{}.neg", low(shape)),
            VecUnary::Popcnt => "i8x16.popcnt".to_owned(),
            VecUnary::Float(shape, op) => format!("{}.{}", low(shape), low(op)),
            VecUnary::ExtAddPairwise(lane, s) => {
                let (from, to) = widened(lane);
                format!("{to}.extadd_pairwise_{from}_{}", low(s))
            }
            VecUnary::Extend(lane, half, s) => {
                let (from, to) = widened(lane);
                format!("{to}.extend_{}_{from}_{}", low(half), low(s))
            }
            VecUnary::TruncSatF32x4(s) => format!("i32x4.trunc_sat_f32x4_{}", low(s)),
            VecUnary::TruncSatF64x2Zero(s) => format!("i32x4.trunc_sat_f64x2_{}_zero", low(s)),
            VecUnary::ConvertF32x4(s) => format!("f32x4.convert_i32x4_{}", low(s)),
            VecUnary::ConvertLowF64x2(s) => format!("f64x2.convert_low_i32x4_{}", low(s)),
            VecUnary::DemoteZero => "f32x4.demote_f64x2_zero".to_owned(),
            VecUnary::PromoteLow => "f64x2.promote_low_f32x4".to_owned(),
        })
    }
    fn vec_binary(&mut self, op: VecBinary) -> Done {
        self.line(match op {
            VecBinary::And | VecBinary::AndNot | VecBinary::Or | VecBinary::Xor => format!("v128.{}", low(op)),
            VecBinary::Swizzle => "i8x16.swizzle".to_owned(),
            VecBinary::Add(shape) => format!("{}.add", low(shape)),
            VecBinary::Sub(shape) => format!("{}.sub", low(shape)),
            VecBinary::Mul(shape) => format!("{}.mul", low(shape)),
            VecBinary::AddSat(shape, s) => format!("{}.add_sat_{}", low(shape), low(s)),
            VecBinary::SubSat(shape, s) => format!("{}.sub_sat_{}", low(shape), low(s)),
            VecBinary::AvgrU(shape) => format!("{}.avgr_u", low(shape)),
            VecBinary::Min(shape, s) => format!("{}.min_{}", low(shape), low(s)),
            VecBinary::Max(shape, s) => format!("{}.max_{}", low(shape), low(s)),
            VecBinary::Narrow(IntShape::I16x8, s) => format!("i8x16.narrow_i16x8_{}", low(s)),
            VecBinary::Narrow(IntShape::I32x4, s) => format!("i16x8.narrow_i32x4_{}", low(s)),
            VecBinary::Narrow(shape, _) => panic!("{shape:?} is not narrowed"),
            VecBinary::ExtMul(lane, half, s) => {
                let (from, to) = widened(lane);
                format!("{to}.extmul_{}_{from}_{}", low(half), low(s))
            }
            VecBinary::Dot => "i32x4.dot_i16x8_s".to_owned(),
            VecBinary::Q15MulrSat => "i16x8.q15mulr_sat_s".to_owned(),
            VecBinary::DotI8 => "i16x8.relaxed_dot_i8x16_i7x16_s".to_owned(),
            VecBinary::Compare(shape, op) => format!("{}.{}", low(shape), snake(op)),
            VecBinary::FloatCompare(shape, op) => format!("{}.{}", low(shape), low(op)),
            VecBinary::Float(shape, op) => format!("{}.{}", low(shape), low(op)),
            VecBinary::PMin(shape) => format!("{}.pmin", low(shape)),
            VecBinary::PMax(shape) => format!("{}.pmax", low(shape)),
        })
    }
    fn vec_ternary(&mut self, op: VecTernary) -> Done {
        self.line(match op {
            VecTernary::Bitselect => "v128.bitselect".to_owned(),
            VecTernary::MulAdd(shape) => format!("{}.relaxed_madd", low(shape)),
            VecTernary::NegMulAdd(shape) => format!("{}.relaxed_nmadd", low(shape)),
            VecTernary::DotI8Add => "i32x4.relaxed_dot_i8x16_i7x16_add_s".to_owned(),
        })
    }
    fn vec_shift(&mut self, shape: IntShape, op: VecShift) -> Done {
        self.line(format!("{}.{}", low(shape), snake(op)))
    }
    fn vec_test(&mut self, op: VecTest) -> Done {
        self.line(match op {
            VecTest::AnyTrue => "v128.any_true".to_owned(),
            VecTest::AllTrue(shape) => format!("{}.all_true", low(shape)),
            VecTest::Bitmask(shape) => format!("{}.bitmask", low(shape)),
        })
    }
}

/// Lines of the text format: `{a|b}` stands for one line with each.
fn expand(line: &str, out: &mut Vec<String>) {
    match line.split_once('{') {
        None => out.push(line.to_owned()),
        Some((head, rest)) => {
            let (choices, tail) = rest.split_once('}').expect("closed");
            for choice in choices.split('|') {
                expand(&format!("{head}{choice}{tail}"), out);
            }
        }
    }
}

const OPERATORS: &str = "
unreachable
nop
br 1
br_if 2
br_table 0 2 1 0
br_table 0
return
call 1
call_indirect 0 (type 1)
call_ref 1
return_call 1
return_call_indirect 0 (type 0)
return_call_ref 0
throw 1
throw_ref
br_on_null 1
ref.as_non_null
drop
select
select (result {i32|i64|f32|f64|v128|funcref|externref})
local.{get|set|tee} 1
global.{get|set} 1
{i32|i64|f32|f64|v128}.{load|store} offset=0 align=2
{i32|i64}.load{8_s|8_u} offset=4294967295 align=1
{i32|i64}.load16_{s|u} offset=9 align=2
i64.load32_{s|u} offset=9 align=4
{i32|i64}.store8 offset=9 align=1
{i32|i64}.store16 offset=9 align=1
i64.store32 offset=9 align=4
memory.{size|grow|fill|copy|init 1}
data.drop 1
ref.null {func|extern}
ref.is_null
ref.func 1
table.{get|set|size|grow|fill} 1
table.copy 2 0
table.init 2 1
elem.drop 1
i32.const -2147483648
i64.const -9223372036854775808
f32.const -0.1
f64.const 1.7976931348623157
v128.const i64x2 1 18446744073709551615
{i32|i64}.{eqz|clz|ctz|popcnt|extend8_s|extend16_s}
i64.extend32_s
{i32|i64}.{add|sub|mul|and|or|xor|shl|shr_s|shr_u|rotl|rotr}
{i32|i64}.{div|rem}_{s|u}
{i32|i64}.{eq|ne|lt_s|lt_u|gt_s|gt_u|le_s|le_u|ge_s|ge_u}
{f32|f64}.{abs|neg|ceil|floor|trunc|nearest|sqrt}
{f32|f64}.{add|sub|mul|div|min|max|copysign}
{f32|f64}.{eq|ne|lt|gt|le|ge}
i32.wrap_i64
i64.extend_i32_{s|u}
{i32|i64}.trunc{|_sat}_{f32|f64}_{s|u}
{f32|f64}.convert_{i32|i64}_{s|u}
f32.demote_f64
f64.promote_f32
i32.reinterpret_f32
i64.reinterpret_f64
f32.reinterpret_i32
f64.reinterpret_i64
v128.load{8x8|16x4|32x2}_{s|u} offset=9 align=8
v128.load{8_splat offset=9 align=1|16_splat offset=9 align=2|32_splat offset=9 align=4|64_splat offset=9 align=8}
v128.load{32_zero offset=9 align=4|64_zero offset=9 align=8}
v128.{load|store}8_lane offset=9 align=1 15
v128.{load|store}16_lane offset=9 align=2 7
v128.{load|store}32_lane offset=9 align=4 3
v128.{load|store}64_lane offset=9 align=8 1
i8x16.shuffle 0 1 2 3 4 5 6 7 31 30 29 28 27 26 25 24
{i8x16|i16x8|i32x4|i64x2|f32x4|f64x2}.splat
{i8x16|i16x8}.extract_lane_{s|u} 7
{i32x4|i64x2|f32x4|f64x2}.extract_lane 1
{i8x16|i16x8|i32x4|i64x2|f32x4|f64x2}.replace_lane 1
v128.{not|and|andnot|or|xor|bitselect|any_true}
i8x16.{popcnt|swizzle}
{i8x16|i16x8|i32x4|i64x2}.{abs|neg|all_true|bitmask|add|sub|shl|shr_s|shr_u}
{i16x8|i32x4|i64x2}.mul
{i8x16|i16x8}.{add|sub}_sat_{s|u}
{i8x16|i16x8}.avgr_u
{i8x16|i16x8|i32x4}.{min|max}_{s|u}
{i8x16|i16x8|i32x4}.{eq|ne|lt_s|lt_u|gt_s|gt_u|le_s|le_u|ge_s|ge_u}
i64x2.{eq|ne|lt_s|gt_s|le_s|ge_s}
i8x16.narrow_i16x8_{s|u}
i16x8.narrow_i32x4_{s|u}
{i16x8.extadd_pairwise_i8x16|i32x4.extadd_pairwise_i16x8}_{s|u}
i16x8.{extend|extmul}_{low|high}_i8x16_{s|u}
i32x4.{extend|extmul}_{low|high}_i16x8_{s|u}
i64x2.{extend|extmul}_{low|high}_i32x4_{s|u}
i16x8.q15mulr_sat_s
i32x4.dot_i16x8_s
{f32x4|f64x2}.{abs|neg|ceil|floor|trunc|nearest|sqrt|add|sub|mul|div|min|max|pmin|pmax|eq|ne|lt|gt|le|ge}
i32x4.trunc_sat_f32x4_{s|u}
i32x4.trunc_sat_f64x2_{s|u}_zero
f32x4.convert_i32x4_{s|u}
f64x2.convert_low_i32x4_{s|u}
f32x4.demote_f64x2_zero
f64x2.promote_low_f32x4
{f32x4|f64x2}.relaxed_{madd|nmadd}
i16x8.relaxed_dot_i8x16_i7x16_s
i32x4.relaxed_dot_i8x16_i7x16_add_s
i64.{add128|sub128|mul_wide_s|mul_wide_u}
i32.atomic.{load|store|rmw.add|rmw.sub|rmw.and|rmw.or|rmw.xor|rmw.xchg|rmw.cmpxchg} offset=9 align=4
i64.atomic.{load|store|rmw.add|rmw.sub|rmw.and|rmw.or|rmw.xor|rmw.xchg|rmw.cmpxchg} offset=9 align=8
{i32|i64}.atomic.{load8_u|store8} offset=9 align=1
{i32|i64}.atomic.{load16_u|store16} offset=9 align=2
i64.atomic.{load32_u|store32} offset=9 align=4
{i32|i64}.atomic.rmw8.{add|sub|and|or|xor|xchg|cmpxchg}_u offset=9 align=1
{i32|i64}.atomic.rmw16.{add|sub|and|or|xor|xchg|cmpxchg}_u offset=9 align=2
i64.atomic.rmw32.{add|sub|and|or|xor|xchg|cmpxchg}_u offset=9 align=4
memory.atomic.{notify|wait32} offset=9 align=4
memory.atomic.wait64 offset=9 align=8
atomic.fence
";

/// Relaxed operators that are others here: the deterministic profile has them so.
const RELAXED: &[(&str, &str)] = &[
    ("i8x16.relaxed_swizzle", "i8x16.swizzle"),
    ("i32x4.relaxed_trunc_f32x4_s", "i32x4.trunc_sat_f32x4_s"),
    ("i32x4.relaxed_trunc_f32x4_u", "i32x4.trunc_sat_f32x4_u"),
    ("i32x4.relaxed_trunc_f64x2_s_zero", "i32x4.trunc_sat_f64x2_s_zero"),
    ("i32x4.relaxed_trunc_f64x2_u_zero", "i32x4.trunc_sat_f64x2_u_zero"),
    ("i8x16.relaxed_laneselect", "v128.bitselect"),
    ("i16x8.relaxed_laneselect", "v128.bitselect"),
    ("i32x4.relaxed_laneselect", "v128.bitselect"),
    ("i64x2.relaxed_laneselect", "v128.bitselect"),
    ("f32x4.relaxed_min", "f32x4.min"),
    ("f32x4.relaxed_max", "f32x4.max"),
    ("f64x2.relaxed_min", "f64x2.min"),
    ("f64x2.relaxed_max", "f64x2.max"),
    ("i16x8.relaxed_q15mulr_s", "i16x8.q15mulr_sat_s"),
];

/// Blocks, whose bodies are typed.
const BLOCKS: &str = "block (result exnref),unreachable,try_table (catch_all_ref 0) (catch 1 1) (catch_all 1),unreachable,end,unreachable,end,drop,\
    block (result exnref),unreachable,try_table (catch_ref 1 0),unreachable,end,unreachable,end,unreachable,block (result funcref),unreachable,br_on_non_null 0,unreachable,end,drop,block,unreachable,block (result i32),unreachable,block (type 2),unreachable,if,else,end,unreachable,\
    if (result f64),unreachable,else,unreachable,end,unreachable,end,unreachable,end,unreachable,end,unreachable,\
    loop,unreachable,loop (result externref),unreachable,loop (type 2),unreachable,end,unreachable,end,unreachable,end,\
    unreachable";

#[test]
fn every_operator_arrives_as_what_it_is() {
    let mut operators = Vec::new();
    OPERATORS.lines().filter(|l| !l.is_empty()).for_each(|line| expand(line, &mut operators));
    // The opcodes of WebAssembly 2.0 without `block`, `loop`, `if`, `else` and `end`; `br_table` twice,
    // `ref.null` twice, and the typed `select` of seven types. Of relaxed SIMD 20, less those that are others
    // here, of wide arithmetic 4, of threads 67; eight of references, tail calls and exceptions.
    let distinct: std::collections::BTreeSet<_> = operators.iter().map(|o| o.split(' ').next()).collect();
    let opcodes = 432 + 20 - RELAXED.len() + 4 + 67 + 8;
    assert_eq!(operators.len(), opcodes + 1 + 1 + 6);
    assert_eq!(distinct.len(), opcodes - 1, "the two kinds of `select` share a name");

    let mut lines = Vec::new();
    let relaxed = RELAXED.iter().map(|&(written, seen)| (written.to_owned(), seen.to_owned()));
    let mut written = Vec::new();
    for (operator, seen) in operators.into_iter().map(|o| (o.clone(), o)).chain(relaxed) {
        // After it every operand is there, whatever its type.
        lines.extend(["unreachable".to_owned(), seen]);
        written.extend(["unreachable".to_owned(), operator]);
    }
    for lines in [&mut lines, &mut written] {
        lines.extend(["unreachable".to_owned()]);
        lines.extend(BLOCKS.split(',').map(str::to_owned));
    }
    let body = written.join("\n");
    let text = format!(
        "(module (type (func)) (type (func (result i64))) (type (func (param f32) (result f32 i32)))
            (tag (param i64)) (tag) (memory 1) (global i32 (i32.const 0)) (global (mut i32) (i32.const 0))
            (table 1 funcref) (table 1 externref) (table 1 funcref) (data \"\") (data \"\")
            (elem funcref) (elem funcref) (elem declare func 1)
            (func (local i32 i32) block block block\n{body}\nend end end) (func))"
    );
    let bytes = wat::parse_str(text).expect("the test's own text");
    let decoded = decode(&bytes, Features::default()).expect("decodes");
    decoded.validate_bodies(&bytes, &|| true).expect("is valid");

    let func = DefinedFuncIndex::from_u32(0);
    let start = decoded.bodies[func].start;
    let body = decoded.body(&bytes, func);
    let function = FunctionBody::new(BinaryReader::new(body, start.into()));
    let first = function.get_operators_reader().expect("validated").original_position() as u32;
    let mut printer = Printer::default();
    let mut walk = Walk::new(body, (first - start) as usize, start);
    while !walk.is_done() {
        printer.offsets.push(start + walk.position() as u32);
        let mut next = 0;
        walk.step(|end| {
            next = end;
            Visitor(&mut printer)
        })
        .expect("validated")
        .expect("printed");
        assert!(next == walk.position() || next == usize::MAX, "{:?} ends elsewhere", printer.lines.last());
    }

    let expected: Vec<&str> = ["block"; 3].into_iter().chain(lines.iter().map(String::as_str)).chain(["end"; 4]).collect();
    for (n, (line, expected)) in printer.lines.iter().zip(&expected).enumerate() {
        assert_eq!(line, expected, "operator {n}");
    }

    // The same to who walks beside a validator.
    let (mut alone, mut beside) = (Names::default(), Names::default());
    let mut walk = Walk::new(body, (first - start) as usize, start);
    while !walk.is_done() {
        walk.step(|_| Visitor(&mut alone)).expect("validated");
    }
    assert_eq!(decoded.body_validator(&bytes).validate_beside(func, &mut beside), Ok(true));
    assert_eq!(alone.0.len(), expected.len());
    assert_eq!(alone.0, beside.0);
    assert_eq!(printer.lines.len(), expected.len());
    // One offset each, of its opcode.
    assert_eq!(printer.offsets.len(), printer.lines.len());
    assert_eq!(printer.offsets[0], first);
    assert!(printer.offsets.is_sorted_by(|a, b| a < b));
    for (&offset, line) in printer.offsets.iter().zip(&printer.lines) {
        if line == "unreachable" {
            assert_eq!(bytes[offset as usize], 0);
        }
    }
}

/// Notes which methods are called.
#[derive(Default)]
struct Names(Vec<&'static str>);

macro_rules! names {
    ($($group:ident { $($family:ident { $($name:ident($($arg:ident: $ty:ty),*);)* })* })*) => {
        impl Operators for Names {
            type Output = ();
            $($($(fn $name(&mut self, $(_: $ty),*) { self.0.push(stringify!($name)); })*)*)*
        }
    };
}

sconce_environ::operator_families!(names);

#[test]
fn who_walks_beside_a_validator_gets_what_is_valid() {
    let bytes = wat::parse_str(
        "(module
            (func (result i32) i32.const 1 i32.popcnt nop)
            (func (result nullfuncref) nop nop ref.null nofunc))",
    )
    .expect("the test's own text");
    let decoded = decode(&bytes, Features::default()).expect("decodes");
    let mut validator = decoded.body_validator(&bytes);
    let mut names = Names::default();
    assert_eq!(validator.validate_beside(DefinedFuncIndex::from_u32(0), &mut names), Ok(true));
    assert_eq!(names.0, ["i32_const", "int_unary", "nop", "end"]);
    // Valid only by a proposal of which a part is supported: another walk is needed.
    let mut names = Names::default();
    assert_eq!(validator.validate_beside(DefinedFuncIndex::from_u32(1), &mut names), Ok(false));
    assert!(names.0.len() < 4);
    for body in ["i32.const 1 i64.eqz nop", "nop nop", "nop i32.add", "local.get 7", "v128.const i64x2 0 0 i32.add"] {
        let bytes = wat::parse_str(format!("(module (func (result i32) {body}))")).expect("the test's own text");
        let decoded = decode(&bytes, Features::default()).expect("decodes");
        let (func, mut names) = (DefinedFuncIndex::from_u32(0), Names::default());
        let error = decoded.body_validator(&bytes).validate(func);
        assert!(error.is_err());
        assert_eq!(decoded.body_validator(&bytes).validate_beside(func, &mut names).map(drop), error);
        assert!(!names.0.iter().any(|name| ["int_eqz", "int_binary", "local_get", "end"].contains(name)), "{:?}", names.0);
    }
}
