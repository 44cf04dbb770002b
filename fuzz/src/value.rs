//! Values as every engine can give and take them.

use rand::Rng;
use std::fmt;

/// A wasm value, or what can be compared of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit float, as bits.
    F32(u32),
    /// 64-bit float, as bits.
    F64(u64),
    /// Vector.
    V128(u128),
    /// Function reference: whether there is one.
    Func(bool),
    /// Host reference: the number that it names.
    Extern(Option<u32>),
    /// Exception reference: whether there is one.
    Exn(bool),
}

/// A type of values.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
    Exn,
}

impl Value {
    /// Zero, or null.
    pub fn default_for(ty: Type) -> Value {
        match ty {
            Type::I32 => Value::I32(0),
            Type::I64 => Value::I64(0),
            Type::F32 => Value::F32(0),
            Type::F64 => Value::F64(0),
            Type::V128 => Value::V128(0),
            Type::Func => Value::Func(false),
            Type::Extern => Value::Extern(None),
            Type::Exn => Value::Exn(false),
        }
    }

    /// A value of this type, one from the edges as often as not. References to functions and exceptions are null.
    pub fn random(ty: Type, rng: &mut impl Rng) -> Value {
        match ty {
            Type::I32 => Value::I32(integer(rng) as i32),
            Type::I64 => Value::I64(integer(rng) as i64),
            Type::F32 => Value::F32(float32(rng)),
            Type::F64 => Value::F64(float64(rng)),
            Type::V128 => Value::V128(match rng.random_range(0..3) {
                0 => (0..4).fold(0, |v, _| v << 32 | u128::from(float32(rng))),
                1 => (0..2).fold(0, |v, _| v << 64 | u128::from(float64(rng))),
                _ => (0..2).fold(0, |v, _| v << 64 | u128::from(integer(rng))),
            }),
            Type::Func => Value::Func(false),
            Type::Extern => Value::Extern(rng.random_bool(0.8).then(|| rng.random_range(1..9))),
            Type::Exn => Value::Exn(false),
        }
    }
}

/// Small numbers of either sign, powers of two and their neighbours, or anything.
fn integer(rng: &mut impl Rng) -> u64 {
    match rng.random_range(0..4) {
        0 => rng.random_range(-3i64..=16) as u64,
        1 => (1u64 << rng.random_range(0..64)).wrapping_add(rng.random_range(-1i64..=1) as u64),
        2 => rng.random_range(0..0x2_0000),
        _ => rng.random(),
    }
}

fn float32(rng: &mut impl Rng) -> u32 {
    const EDGES: &[f32] =
        &[0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE];
    const LIMITS: &[f32] = &[f32::MAX, f32::MIN, 1e-45, 2147483648.0, -2147483648.0, 4294967296.0, 9.223_372e18, 1.844_674_4e19];
    match rng.random_range(0..3) {
        0 => EDGES[rng.random_range(0..EDGES.len())].to_bits(),
        1 => LIMITS[rng.random_range(0..LIMITS.len())].to_bits(),
        _ => canonical32(rng.random()),
    }
}

fn float64(rng: &mut impl Rng) -> u64 {
    const EDGES: &[f64] =
        &[0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE];
    const LIMITS: &[f64] =
        &[f64::MAX, f64::MIN, 5e-324, 2147483647.5, -2147483648.5, 4294967295.5, 9.223372036854775e18, 1.8446744073709552e19];
    match rng.random_range(0..3) {
        0 => EDGES[rng.random_range(0..EDGES.len())].to_bits(),
        1 => LIMITS[rng.random_range(0..LIMITS.len())].to_bits(),
        _ => canonical64(rng.random()),
    }
}

/// The same bits, or the canonical NaN.
pub fn canonical32(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() { f32::NAN.to_bits() } else { bits }
}

/// The same bits, or the canonical NaN.
pub fn canonical64(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() { f64::NAN.to_bits() } else { bits }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::I32(v) => write!(f, "i32 {v} ({v:#x})"),
            Value::I64(v) => write!(f, "i64 {v} ({v:#x})"),
            Value::F32(v) => write!(f, "f32 {} ({v:#x})", f32::from_bits(*v)),
            Value::F64(v) => write!(f, "f64 {} ({v:#x})", f64::from_bits(*v)),
            Value::V128(v) => write!(f, "v128 {v:#034x}"),
            Value::Func(v) => write!(f, "funcref {}", if *v { "set" } else { "null" }),
            Value::Extern(Some(v)) => write!(f, "externref {v}"),
            Value::Extern(None) => f.write_str("externref null"),
            Value::Exn(v) => write!(f, "exnref {}", if *v { "set" } else { "null" }),
        }
    }
}
