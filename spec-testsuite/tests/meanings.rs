//! Every scalar operator, at edge values, with each operand from a parameter, from a literal and from memory, compiled, against
//! its pure meaning in `environ::meaning`. Compilers choose other instructions for each of these shapes.

use sconce_engine::environ::meaning;
use sconce_engine::environ::ops::*;
use sconce_engine::{Config, Engine, Func, Instance, Linker, Memory, Module, Store, Tier, TrapCode, Val};
use std::fmt::Write;

/// A scalar type.
#[derive(Copy, Clone, PartialEq)]
enum Ty {
    I32,
    I64,
    F32,
    F64,
}

use Ty::{F32, F64, I32, I64};

impl Ty {
    fn name(self) -> &'static str {
        match self {
            I32 => "i32",
            I64 => "i64",
            F32 => "f32",
            F64 => "f64",
        }
    }

    fn float(self) -> Option<FloatWidth> {
        match self {
            I32 | I64 => None,
            F32 => Some(FloatWidth::F32),
            F64 => Some(FloatWidth::F64),
        }
    }

    /// Bits as a value.
    fn value(self, bits: u64) -> Val {
        match self {
            I32 => Val::I32(bits as i32),
            I64 => Val::I64(bits as i64),
            F32 => Val::F32(bits as u32),
            F64 => Val::F64(bits),
        }
    }

    /// Bits as a literal.
    fn literal(self, bits: u64) -> String {
        let float = |negative: bool, nan: bool, payload: u64, text: String| {
            if nan { format!("{}nan:{payload:#x}", if negative { "-" } else { "" }) } else { text }
        };
        match self {
            I32 => (bits as i32).to_string(),
            I64 => (bits as i64).to_string(),
            F32 => {
                let value = f32::from_bits(bits as u32);
                float(value.is_sign_negative(), value.is_nan(), bits & 0x7f_ffff, format!("{value:?}"))
            }
            F64 => {
                let value = f64::from_bits(bits);
                float(value.is_sign_negative(), value.is_nan(), bits & 0xf_ffff_ffff_ffff, format!("{value:?}"))
            }
        }
    }

    /// Edge values, as bits.
    fn edges(self) -> Vec<u64> {
        let floats: [f64; 22] = [
            0.0,
            0.5,
            1.0,
            1.5,
            2.5,
            0.1,
            3e-45,
            1e-310,
            2147483647.0,
            2147483648.0,
            4294967295.0,
            4294967296.0,
            9223372036854774784.0,
            9223372036854775808.0,
            18446744073709549568.0,
            18446744073709551616.0,
            8388608.5,
            4503599627370496.5,
            3e38,
            1e308,
            f64::INFINITY,
            0.9999999999999999,
        ];
        let both = floats.into_iter().flat_map(|v| [v, -v]);
        match self {
            I32 => [0, 1, 2, 3, 5, 31, 32, 33, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0x8000_0001]
                .into_iter()
                .chain([0x1234_5678, -1, -2, -32, -128].map(|v: i32| u64::from(v as u32)))
                .collect(),
            I64 => {
                let small = [0, 1, 2, 3, 5, 31, 32, 63, 64, 65, 0x80, 0x8000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32];
                let large = [i64::MAX, i64::MIN, i64::MIN + 1, 0x0123_4567_89ab_cdef, -1, -2, -128, -(1 << 31), -(1 << 31) - 1];
                small.into_iter().chain(large.map(|v| v as u64)).collect()
            }
            F32 => both
                .map(|v| u64::from((v as f32).to_bits()))
                .chain([
                    0x7fc0_0000,
                    0xffc0_0000,
                    0x7fc0_0001,
                    0x7fa0_0000,
                    0xff80_0001,
                    0x7f7f_ffff,
                    1,
                    0x4eff_ffff,
                    0x3f7f_ffff,
                ])
                .collect(),
            F64 => both
                .map(f64::to_bits)
                .chain([0x7ff8 << 48, 0xfff8 << 48, 0x7ff8 << 48 | 1, 0x7ff4 << 48, 0xfff0 << 48 | 1, 0x7fef_ffff_ffff_ffff, 1])
                .chain([2147483647.9999998, -2147483648.9999995, -2147483649.0, 4294967295.9999995].map(f64::to_bits))
                .collect(),
        }
    }
}

/// What an operator gives for operands as bits.
type Meaning = Box<dyn Fn(&[u64]) -> Result<u64, TrapCode>>;

/// An operator and what it means.
struct Operator {
    name: String,
    operands: Vec<Ty>,
    result: Ty,
    /// Whether a NaN result may be any that the specification allows.
    any_nan: bool,
    meaning: Meaning,
}

/// `ShrU` as `shr_u`, `Extend16S` as `extend16_s`.
fn snake(name: &str) -> String {
    match name.strip_suffix(['S', 'U']) {
        Some(head) if !head.is_empty() => format!("{}_{}", head.to_lowercase(), name[head.len()..].to_lowercase()),
        _ => name.to_lowercase(),
    }
}

const INTS: [(IntWidth, Ty); 2] = [(IntWidth::W32, I32), (IntWidth::W64, I64)];
const FLOATS: [(FloatWidth, Ty); 2] = [(FloatWidth::F32, F32), (FloatWidth::F64, F64)];
const SIGNS: [(Sign, &str); 2] = [(Sign::S, "s"), (Sign::U, "u")];

fn operators() -> Vec<Operator> {
    let mut all: Vec<Operator> = Vec::new();
    let mut add = |name: String, operands: &[Ty], result: Ty, any_nan: bool, meaning: Meaning| {
        all.push(Operator { name, operands: operands.to_vec(), result, any_nan, meaning });
    };
    for (w, t) in INTS {
        let name = |op: &str| format!("{}.{}", t.name(), snake(op));
        add(name("Eqz"), &[t], I32, false, Box::new(move |a| Ok(meaning::int_eqz(w, a[0]).into())));
        use IntUnary::*;
        for op in [Clz, Ctz, Popcnt, Extend8S, Extend16S, Extend32S] {
            if op != Extend32S || t == I64 {
                add(name(&format!("{op:?}")), &[t], t, false, Box::new(move |a| Ok(meaning::int_unary(w, op, a[0]))));
            }
        }
        use IntBinary::*;
        for op in [Add, Sub, Mul, And, Or, Xor, Shl, ShrS, ShrU, Rotl, Rotr] {
            add(name(&format!("{op:?}")), &[t, t], t, false, Box::new(move |a| Ok(meaning::int_binary(w, op, a[0], a[1]))));
        }
        use IntDivide::*;
        for op in [DivS, DivU, RemS, RemU] {
            add(name(&format!("{op:?}")), &[t, t], t, false, Box::new(move |a| meaning::int_divide(w, op, a[0], a[1])));
        }
        use IntCompare::*;
        for op in [Eq, Ne, LtS, LtU, GtS, GtU, LeS, LeU, GeS, GeU] {
            let meaning = move |a: &[u64]| Ok(meaning::int_compare(w, op, a[0], a[1]).into());
            add(name(&format!("{op:?}")), &[t, t], I32, false, Box::new(meaning));
        }
    }
    for (w, t) in FLOATS {
        let name = |op: &str| format!("{}.{}", t.name(), op.to_lowercase());
        use FloatUnary::*;
        for op in [Abs, Neg, Ceil, Floor, Trunc, Nearest, Sqrt] {
            let any_nan = !matches!(op, Abs | Neg);
            add(name(&format!("{op:?}")), &[t], t, any_nan, Box::new(move |a| Ok(meaning::float_unary(w, op, a[0]))));
        }
        use FloatBinary::*;
        for op in [Add, Sub, Mul, Div, Min, Max, Copysign] {
            let meaning = move |a: &[u64]| Ok(meaning::float_binary(w, op, a[0], a[1]));
            add(name(&format!("{op:?}")), &[t, t], t, op != Copysign, Box::new(meaning));
        }
        use FloatCompare::*;
        for op in [Eq, Ne, Lt, Gt, Le, Ge] {
            let meaning = move |a: &[u64]| Ok(meaning::float_compare(w, op, a[0], a[1]).into());
            add(name(&format!("{op:?}")), &[t, t], I32, false, Box::new(meaning));
        }
    }
    let mut convert = |name: String, operand: Ty, result: Ty, op: Convert| {
        let any_nan = matches!(op, Convert::Demote | Convert::Promote);
        add(name, &[operand], result, any_nan, Box::new(move |a| meaning::convert(op, a[0])));
    };
    convert("i32.wrap_i64".into(), I64, I32, Convert::Wrap);
    convert("f32.demote_f64".into(), F64, F32, Convert::Demote);
    convert("f64.promote_f32".into(), F32, F64, Convert::Promote);
    convert("i32.reinterpret_f32".into(), F32, I32, Convert::FloatBits(FloatWidth::F32));
    convert("i64.reinterpret_f64".into(), F64, I64, Convert::FloatBits(FloatWidth::F64));
    convert("f32.reinterpret_i32".into(), I32, F32, Convert::BitsFloat(FloatWidth::F32));
    convert("f64.reinterpret_i64".into(), I64, F64, Convert::BitsFloat(FloatWidth::F64));
    for (sign, s) in SIGNS {
        convert(format!("i64.extend_i32_{s}"), I32, I64, Convert::Extend(sign));
        for (to, t) in INTS {
            for (from, f) in FLOATS {
                for (overflow, kind) in [(Overflow::Trap, "trunc"), (Overflow::Saturate, "trunc_sat")] {
                    let op = Convert::Truncate { from, to, sign, overflow };
                    convert(format!("{}.{kind}_{}_{s}", t.name(), f.name()), f, t, op);
                }
                let op = Convert::FromInt { from: to, to: from, sign };
                convert(format!("{}.convert_{}_{s}", f.name(), t.name()), t, f, op);
            }
        }
    }
    all
}

/// Where an operand comes from.
#[derive(Copy, Clone, Debug, PartialEq)]
enum From {
    Parameter,
    Literal(u64),
    Memory,
}

/// Every shape of an operator's operands that is tried. Two literals are tried together with all others in one function.
fn shapes(op: &Operator) -> Vec<Vec<From>> {
    let literals = |ty: Ty| ty.edges().into_iter().map(From::Literal);
    match op.operands[..] {
        [a] => [From::Parameter, From::Memory].into_iter().chain(literals(a)).map(|f| vec![f]).collect(),
        [a, b] => {
            let mut all = vec![
                vec![From::Parameter, From::Parameter],
                vec![From::Memory, From::Parameter],
                vec![From::Parameter, From::Memory],
            ];
            all.extend(literals(a).map(|l| vec![l, From::Parameter]));
            all.extend(literals(b).map(|l| vec![From::Parameter, l]));
            all
        }
        _ => Vec::new(),
    }
}

/// The expression of an operation: parameters are locals, memory operands at 0 and 8.
fn expression(op: &Operator, shape: &[From]) -> String {
    let mut text = format!("({}", op.name);
    for (i, (from, ty)) in shape.iter().zip(&op.operands).enumerate() {
        let ty_name = ty.name();
        match from {
            From::Parameter => write!(text, " (local.get {i})"),
            From::Literal(bits) => write!(text, " ({ty_name}.const {})", ty.literal(*bits)),
            From::Memory => write!(text, " ({ty_name}.load offset={} (i32.const 0))", 8 * i),
        }
        .unwrap();
    }
    text + ")"
}

/// Every pair of edge values of a binary operator; of a unary one, nothing.
fn pairs(op: &Operator) -> Vec<[u64; 2]> {
    match op.operands[..] {
        [a, b] => a.edges().into_iter().flat_map(|x| b.edges().into_iter().map(move |y| [x, y])).collect(),
        _ => Vec::new(),
    }
}

/// A module with a function `s<i>` for each shape, `b` for the parameters' form as a condition, and `l`, which writes what all
/// pairs of literals give that do not trap, 8 bytes each, from address 16.
fn module(op: &Operator) -> String {
    let mut text = String::from("(module (memory (export \"m\") 1)\n");
    let params: Vec<&str> = op.operands.iter().map(|t| t.name()).collect();
    let (params, result) = (params.join(" "), op.result.name());
    for (i, shape) in shapes(op).iter().enumerate() {
        writeln!(text, "(func (export \"s{i}\") (param {params}) (result {result}) {})", expression(op, shape)).unwrap();
    }
    if op.result == I32 {
        let condition = expression(op, &vec![From::Parameter; op.operands.len()]);
        writeln!(text, "(func (export \"if\") (param {params}) (result i32) (if (result i32) {condition} (then (i32.const 1)) (else (i32.const 0))))").unwrap();
        writeln!(text, "(func (export \"br_if\") (param {params}) (result i32) (block (br_if 0 {condition}) (return (i32.const 0))) (i32.const 1))").unwrap();
        writeln!(
            text,
            "(func (export \"select\") (param {params}) (result i32) (select (i32.const 1) (i32.const 0) {condition}))"
        )
        .unwrap();
        writeln!(text, "(func (export \"eqz\") (param {params}) (result i32) (i32.eqz (i32.eqz {condition})))").unwrap();
    }
    text.push_str("(func (export \"l\")\n");
    for (i, pair) in pairs(op).iter().enumerate() {
        if (op.meaning)(pair).is_ok() {
            let e = expression(op, &pair.map(From::Literal));
            writeln!(text, "({result}.store offset={} (i32.const 0) {e})", 16 + 8 * i).unwrap();
        }
    }
    text.push_str("))");
    text
}

/// One operator's module, instantiated.
struct Rig<'a> {
    op: &'a Operator,
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Rig<'_> {
    fn new<'a>(engine: &Engine, op: &'a Operator) -> Rig<'a> {
        let mut store = Store::new(engine, ()).unwrap();
        let text = module(op);
        let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", op.name));
        let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
        let memory = instance.get_memory(&mut store, "m").unwrap();
        Rig { op, store, instance, memory }
    }

    fn func(&mut self, name: &str) -> Option<Func> {
        self.instance.get_func(&mut self.store, name)
    }

    fn call(&mut self, func: Func, operands: &[u64]) -> Result<u64, TrapCode> {
        let args: Vec<Val> = self.op.operands.iter().zip(operands).map(|(t, bits)| t.value(*bits)).collect();
        let mut result = [self.op.result.value(0)];
        func.call(&mut self.store, &args, &mut result).map_err(|e| e.trap_code().unwrap_or_else(|| panic!("{e}")))?;
        Ok(match result[0].clone() {
            Val::I32(v) => u64::from(v as u32),
            Val::I64(v) => v as u64,
            Val::F32(bits) => u64::from(bits),
            Val::F64(bits) => bits,
            other => panic!("{other:?}"),
        })
    }

    fn check(&self, operands: &[u64], got: Result<u64, TrapCode>, form: &str) {
        let expected = (self.op.meaning)(operands);
        let right = match (got, self.op.result.float()) {
            (Ok(got), Some(width)) if self.op.any_nan && expected.is_ok_and(|e| meaning::is_nan(width, e)) => {
                let from = self.op.operands[0].float().expect("operators with NaN results have float operands");
                meaning::nan_result_allowed(from, operands, width, got)
            }
            _ => got == expected,
        };
        assert!(right, "{} of {operands:x?} ({form}): expected {expected:x?}, got {got:x?}", self.op.name);
    }
}

/// Every way to choose one of each operand's edges.
fn operands(op: &Operator) -> Vec<Vec<u64>> {
    match op.operands[..] {
        [a] => a.edges().into_iter().map(|v| vec![v]).collect(),
        _ => pairs(op).iter().map(|p| p.to_vec()).collect(),
    }
}

fn check(op: &Operator, engine: &Engine) {
    let mut rig = Rig::new(engine, op);
    for (i, shape) in shapes(op).iter().enumerate() {
        let func = rig.func(&format!("s{i}")).unwrap();
        for operands in operands(op) {
            let skip = shape.iter().zip(&operands).any(|(f, v)| matches!(f, From::Literal(l) if l != v));
            if skip {
                continue;
            }
            for (j, bits) in operands.iter().enumerate() {
                rig.memory.write(&mut rig.store, 8 * j as u64, &bits.to_le_bytes()).unwrap();
            }
            let got = rig.call(func, &operands);
            rig.check(&operands, got, &format!("{shape:x?}"));
        }
    }
    for name in ["if", "br_if", "select", "eqz"] {
        let Some(func) = rig.func(name) else { continue };
        for operands in operands(op) {
            let got = rig.call(func, &operands);
            let expected = (op.meaning)(&operands).map(|v| u64::from(v != 0));
            assert_eq!(got, expected, "{} of {operands:x?} in {name}", op.name);
        }
    }
    let func = rig.func("l").unwrap();
    func.call(&mut rig.store, &[], &mut []).unwrap();
    for (i, pair) in pairs(op).iter().enumerate() {
        let mut bytes = [0; 8];
        rig.memory.read(&rig.store, 16 + 8 * i as u64, &mut bytes).unwrap();
        if (op.meaning)(pair).is_ok() {
            rig.check(pair, Ok(u64::from_le_bytes(bytes)), "literals");
        }
    }
}

const TIERS: [Tier; 2] = [Tier::Cranelift, Tier::Lightbeam];

#[test]
fn scalar_operators_mean_what_they_should() {
    let operators = operators();
    assert_eq!(operators.len(), 136, "Wasm 2.0 has 136 scalar operators that compute");
    for tier in TIERS {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        for op in &operators {
            check(op, &engine);
        }
    }
}

/// With canonical NaNs every NaN that is computed is the positive canonical one, as the meanings have it.
#[test]
fn canonical_nans_are_exact() {
    for tier in TIERS {
        let engine = Engine::new(&Config::new().tier(tier).canonical_nans(true)).unwrap();
        for mut op in operators() {
            if std::mem::replace(&mut op.any_nan, false) {
                check(&op, &engine);
            }
        }
    }
}
