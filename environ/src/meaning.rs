//! What scalar operators, and those vector operators that are more than an operator in each lane, mean, as
//! pure functions (spec section 4.3): what compilers fold constants with and are tested against.
//!
//! Values travel as bits in a `u64`. Of a 32-bit operand only the low half counts, and a 32-bit result has a zero upper half.
//! Where the specification leaves a NaN result open, the functions here give the positive canonical NaN;
//! [`nan_result_allowed`] says which others are right.

use crate::ops::*;
use crate::trap::TrapCode;

/// The canonical NaN with positive sign.
pub const fn canonical_nan(width: FloatWidth) -> u64 {
    match width {
        FloatWidth::F32 => 0x7fc0_0000,
        FloatWidth::F64 => 0x7ff8_0000_0000_0000,
    }
}

/// An integer of this width, zero-extended: the upper bits do not count.
pub const fn zero_extend(width: IntWidth, a: u64) -> u64 {
    match width {
        IntWidth::W32 => a as u32 as u64,
        IntWidth::W64 => a,
    }
}

/// An integer of this width as a signed number.
pub const fn signed(width: IntWidth, a: u64) -> i64 {
    match width {
        IntWidth::W32 => a as i32 as i64,
        IntWidth::W64 => a as i64,
    }
}

const fn bits(width: IntWidth) -> u32 {
    match width {
        IntWidth::W32 => 32,
        IntWidth::W64 => 64,
    }
}

/// `i32.eqz`, `i64.eqz`.
pub const fn int_eqz(width: IntWidth, a: u64) -> bool {
    zero_extend(width, a) == 0
}

/// Integer operations of one operand.
pub const fn int_unary(width: IntWidth, op: IntUnary, a: u64) -> u64 {
    let a = zero_extend(width, a);
    let result = match op {
        IntUnary::Clz => (a.leading_zeros() - (64 - bits(width))) as u64,
        IntUnary::Ctz if a == 0 => bits(width) as u64,
        IntUnary::Ctz => a.trailing_zeros() as u64,
        IntUnary::Popcnt => a.count_ones() as u64,
        IntUnary::Extend8S => a as i8 as u64,
        IntUnary::Extend16S => a as i16 as u64,
        IntUnary::Extend32S => a as i32 as u64,
    };
    zero_extend(width, result)
}

/// Integer operations of two operands that cannot trap.
pub const fn int_binary(width: IntWidth, op: IntBinary, a: u64, b: u64) -> u64 {
    let (a, b) = (zero_extend(width, a), zero_extend(width, b));
    // Shift counts are taken modulo the width.
    let count = b as u32 % bits(width);
    let result = match op {
        IntBinary::Add => a.wrapping_add(b),
        IntBinary::Sub => a.wrapping_sub(b),
        IntBinary::Mul => a.wrapping_mul(b),
        IntBinary::And => a & b,
        IntBinary::Or => a | b,
        IntBinary::Xor => a ^ b,
        IntBinary::Shl => a << count,
        IntBinary::ShrS => (signed(width, a) >> count) as u64,
        IntBinary::ShrU => a >> count,
        IntBinary::Rotl => rotate_left(width, a, count),
        IntBinary::Rotr => rotate_left(width, a, bits(width) - count),
    };
    zero_extend(width, result)
}

const fn rotate_left(width: IntWidth, a: u64, count: u32) -> u64 {
    match width {
        IntWidth::W32 => (a as u32).rotate_left(count) as u64,
        IntWidth::W64 => a.rotate_left(count),
    }
}

/// Divisions and remainders.
///
/// # Errors
/// [`TrapCode::IntegerDivideByZero`]; [`TrapCode::IntegerOverflow`] for the least value divided by -1 (whose remainder is 0).
pub const fn int_divide(width: IntWidth, op: IntDivide, a: u64, b: u64) -> Result<u64, TrapCode> {
    let (a, b) = (zero_extend(width, a), zero_extend(width, b));
    if b == 0 {
        return Err(TrapCode::IntegerDivideByZero);
    }
    let (sa, sb) = (signed(width, a), signed(width, b));
    let least = match width {
        IntWidth::W32 => i32::MIN as i64,
        IntWidth::W64 => i64::MIN,
    };
    let result = match op {
        IntDivide::DivS if sa == least && sb == -1 => return Err(TrapCode::IntegerOverflow),
        IntDivide::DivS => (sa / sb) as u64,
        IntDivide::DivU => a / b,
        IntDivide::RemS => sa.wrapping_rem(sb) as u64,
        IntDivide::RemU => a % b,
    };
    Ok(zero_extend(width, result))
}

/// Integer operations on 128 bits: `operands` are as on the stack, the low half of the first one first; `Multiply` takes two.
/// Gives the low and the high half.
pub const fn int_wide(op: Wide, operands: [u64; 4]) -> (u64, u64) {
    const fn join(low: u64, high: u64) -> u128 {
        (high as u128) << 64 | low as u128
    }
    let [a, b, c, d] = operands;
    let result = match op {
        Wide::Add => join(a, b).wrapping_add(join(c, d)),
        Wide::Sub => join(a, b).wrapping_sub(join(c, d)),
        Wide::Multiply(Sign::S) => (a as i64 as i128).wrapping_mul(b as i64 as i128) as u128,
        Wide::Multiply(Sign::U) => a as u128 * b as u128,
    };
    (result as u64, (result >> 64) as u64)
}

/// What an atomic read-modify-write operation leaves in memory, of `old` there and the operand: only the low `size` bytes count.
pub const fn atomic_rmw(op: AtomicRmw, old: u64, operand: u64) -> u64 {
    match op {
        AtomicRmw::Add => old.wrapping_add(operand),
        AtomicRmw::Sub => old.wrapping_sub(operand),
        AtomicRmw::And => old & operand,
        AtomicRmw::Or => old | operand,
        AtomicRmw::Xor => old ^ operand,
        AtomicRmw::Xchg => operand,
    }
}

/// `i16x8.relaxed_dot_i8x16_i7x16_s` in the deterministic profile: both operands are signed, and sums are
/// saturated. Vectors have lane 0 in their low bits.
pub fn vec_dot_i8(a: u128, b: u128) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let product = |i: usize| i16::from(a[i].cast_signed()) * i16::from(b[i].cast_signed());
    (0..8).fold(0, |out, i| {
        let sum = product(2 * i).saturating_add(product(2 * i + 1));
        out | u128::from(sum.cast_unsigned()) << (16 * i)
    })
}

/// Vector operations of three operands. The relaxed ones are as in the deterministic profile (spec section 4.3.5): a product and
/// a sum are rounded each, and where a NaN is open the lane has the positive canonical one.
pub fn vec_ternary(op: VecTernary, a: u128, b: u128, c: u128) -> u128 {
    match op {
        VecTernary::Bitselect => a & c | b & !c,
        VecTernary::MulAdd(shape) => mul_add(shape, false, a, b, c),
        VecTernary::NegMulAdd(shape) => mul_add(shape, true, a, b, c),
        VecTernary::DotI8Add => {
            let dot = vec_dot_i8(a, b);
            let half = |i: u32| i32::from((dot >> (16 * i)) as i16);
            (0..4).fold(0, |out, i| {
                let lane = (half(2 * i) + half(2 * i + 1)).wrapping_add((c >> (32 * i)) as i32);
                out | u128::from(lane.cast_unsigned()) << (32 * i)
            })
        }
    }
}

fn mul_add(shape: FloatShape, negate: bool, a: u128, b: u128, c: u128) -> u128 {
    let (width, bits) = match shape {
        FloatShape::F32x4 => (FloatWidth::F32, 32),
        FloatShape::F64x2 => (FloatWidth::F64, 64),
    };
    (0..128 / bits).fold(0, |out, i| {
        let lane = |v: u128| (v >> (bits * i)) as u64 & (u64::MAX >> (64 - bits));
        let a = if negate { float_unary(width, FloatUnary::Neg, lane(a)) } else { lane(a) };
        let product = float_binary(width, FloatBinary::Mul, a, lane(b));
        out | u128::from(float_binary(width, FloatBinary::Add, product, lane(c))) << (bits * i)
    })
}

/// Integer comparisons.
pub const fn int_compare(width: IntWidth, op: IntCompare, a: u64, b: u64) -> bool {
    let (a, b) = (zero_extend(width, a), zero_extend(width, b));
    let (sa, sb) = (signed(width, a), signed(width, b));
    match op {
        IntCompare::Eq => a == b,
        IntCompare::Ne => a != b,
        IntCompare::LtS => sa < sb,
        IntCompare::LtU => a < b,
        IntCompare::GtS => sa > sb,
        IntCompare::GtU => a > b,
        IntCompare::LeS => sa <= sb,
        IntCompare::LeU => a <= b,
        IntCompare::GeS => sa >= sb,
        IntCompare::GeU => a >= b,
    }
}

/// Whether bits are a NaN of this width.
pub const fn is_nan(width: FloatWidth, a: u64) -> bool {
    match width {
        FloatWidth::F32 => f32::from_bits(a as u32).is_nan(),
        FloatWidth::F64 => f64::from_bits(a).is_nan(),
    }
}

/// Whether bits are a canonical NaN, of either sign.
pub const fn is_canonical_nan(width: FloatWidth, a: u64) -> bool {
    let magnitude = match width {
        FloatWidth::F32 => a & 0x7fff_ffff,
        FloatWidth::F64 => a & (u64::MAX >> 1),
    };
    magnitude == canonical_nan(width)
}

/// Whether bits are an arithmetic NaN: one whose payload has its highest bit set ("quiet").
pub const fn is_arithmetic_nan(width: FloatWidth, a: u64) -> bool {
    let canonical = canonical_nan(width);
    a & canonical == canonical
}

/// Whether an operation that gave the NaN `result` from these operands was right to (spec section 4.3.3, "NaN
/// propagation"): if every NaN among the operands is canonical, so is the result, and else it is arithmetic. Signs are free.
///
/// Not for `abs`, `neg` and `copysign`, which only touch the sign and have one result.
pub fn nan_result_allowed(operand_width: FloatWidth, operands: &[u64], width: FloatWidth, result: u64) -> bool {
    let canonical = operands.iter().all(|&a| !is_nan(operand_width, a) || is_canonical_nan(operand_width, a));
    if canonical { is_canonical_nan(width, result) } else { is_arithmetic_nan(width, result) }
}

/// Arithmetic on both widths, with canonical NaNs as results.
macro_rules! float {
    ($name:ident, $float:ident, $uint:ident) => {
        mod $name {
            use super::*;

            pub(super) fn result(value: $float) -> u64 {
                if value.is_nan() { canonical_nan(FLOAT) } else { u64::from(value.to_bits()) }
            }

            const FLOAT: FloatWidth = if $uint::BITS == 32 { FloatWidth::F32 } else { FloatWidth::F64 };
            const SIGN: $uint = 1 << ($uint::BITS - 1);

            pub(super) fn unary(op: FloatUnary, a: $uint) -> u64 {
                let x = $float::from_bits(a);
                match op {
                    FloatUnary::Abs => u64::from(a & !SIGN),
                    FloatUnary::Neg => u64::from(a ^ SIGN),
                    FloatUnary::Ceil => result(x.ceil()),
                    FloatUnary::Floor => result(x.floor()),
                    FloatUnary::Trunc => result(x.trunc()),
                    FloatUnary::Nearest => result(x.round_ties_even()),
                    FloatUnary::Sqrt => result(x.sqrt()),
                }
            }

            pub(super) fn binary(op: FloatBinary, a: $uint, b: $uint) -> u64 {
                let (x, y) = ($float::from_bits(a), $float::from_bits(b));
                match op {
                    FloatBinary::Add => result(x + y),
                    FloatBinary::Sub => result(x - y),
                    FloatBinary::Mul => result(x * y),
                    FloatBinary::Div => result(x / y),
                    FloatBinary::Min | FloatBinary::Max if x.is_nan() || y.is_nan() => canonical_nan(FLOAT),
                    // Equal means the same, or zeros of two signs: the negative one is less.
                    FloatBinary::Min if x == y => u64::from(a | b),
                    FloatBinary::Max if x == y => u64::from(a & b),
                    FloatBinary::Min => u64::from(if x < y { a } else { b }),
                    FloatBinary::Max => u64::from(if x > y { a } else { b }),
                    FloatBinary::Copysign => u64::from(a & !SIGN | b & SIGN),
                }
            }

            pub(super) fn compare(op: FloatCompare, a: $uint, b: $uint) -> bool {
                let (x, y) = ($float::from_bits(a), $float::from_bits(b));
                match op {
                    FloatCompare::Eq => x == y,
                    FloatCompare::Ne => x != y,
                    FloatCompare::Lt => x < y,
                    FloatCompare::Gt => x > y,
                    FloatCompare::Le => x <= y,
                    FloatCompare::Ge => x >= y,
                }
            }
        }
    };
}

float!(single, f32, u32);
float!(double, f64, u64);

/// Float operations of one operand.
pub fn float_unary(width: FloatWidth, op: FloatUnary, a: u64) -> u64 {
    match width {
        FloatWidth::F32 => single::unary(op, a as u32),
        FloatWidth::F64 => double::unary(op, a),
    }
}

/// Float operations of two operands.
pub fn float_binary(width: FloatWidth, op: FloatBinary, a: u64, b: u64) -> u64 {
    match width {
        FloatWidth::F32 => single::binary(op, a as u32, b as u32),
        FloatWidth::F64 => double::binary(op, a, b),
    }
}

/// Float comparisons.
pub fn float_compare(width: FloatWidth, op: FloatCompare, a: u64, b: u64) -> bool {
    match width {
        FloatWidth::F32 => single::compare(op, a as u32, b as u32),
        FloatWidth::F64 => double::compare(op, a, b),
    }
}

/// Conversions.
///
/// # Errors
/// Of trapping truncations: [`TrapCode::InvalidConversionToInteger`] for a NaN, [`TrapCode::IntegerOverflow`] for what does
/// not fit.
pub fn convert(op: Convert, a: u64) -> Result<u64, TrapCode> {
    Ok(match op {
        Convert::Wrap => a as u32 as u64,
        Convert::Extend(Sign::S) => a as i32 as u64,
        Convert::Extend(Sign::U) => a as u32 as u64,
        Convert::Truncate { from, to, sign, overflow } => {
            // Every single is a double.
            let value = match from {
                FloatWidth::F32 => f64::from(f32::from_bits(a as u32)),
                FloatWidth::F64 => f64::from_bits(a),
            };
            return truncate(value, to, sign, overflow);
        }
        Convert::FromInt { from, to, sign } => from_int(from, to, sign, a),
        Convert::Demote => single::result(f64::from_bits(a) as f32),
        Convert::Promote => double::result(f64::from(f32::from_bits(a as u32))),
        Convert::FloatBits(FloatWidth::F32) | Convert::BitsFloat(FloatWidth::F32) => a as u32 as u64,
        Convert::FloatBits(FloatWidth::F64) | Convert::BitsFloat(FloatWidth::F64) => a,
    })
}

fn truncate(value: f64, to: IntWidth, sign: Sign, overflow: Overflow) -> Result<u64, TrapCode> {
    if overflow == Overflow::Trap {
        if value.is_nan() {
            return Err(TrapCode::InvalidConversionToInteger);
        }
        // From the least value to below 2^bits: powers of two, exact as doubles.
        let (low, high) = match (to, sign) {
            (IntWidth::W32, Sign::S) => (-(2f64.powi(31)), 2f64.powi(31)),
            (IntWidth::W32, Sign::U) => (0.0, 2f64.powi(32)),
            (IntWidth::W64, Sign::S) => (-(2f64.powi(63)), 2f64.powi(63)),
            (IntWidth::W64, Sign::U) => (0.0, 2f64.powi(64)),
        };
        let whole = value.trunc();
        if whole < low || whole >= high {
            return Err(TrapCode::IntegerOverflow);
        }
    }
    // Rust's conversions saturate, and give 0 for a NaN.
    Ok(match (to, sign) {
        (IntWidth::W32, Sign::S) => u64::from(value as i32 as u32),
        (IntWidth::W32, Sign::U) => u64::from(value as u32),
        (IntWidth::W64, Sign::S) => value as i64 as u64,
        (IntWidth::W64, Sign::U) => value as u64,
    })
}

fn from_int(from: IntWidth, to: FloatWidth, sign: Sign, a: u64) -> u64 {
    // One rounding, from the integer itself: i64 to f32 by way of f64 would round twice.
    match (to, sign) {
        (FloatWidth::F32, Sign::S) => u64::from((signed(from, a) as f32).to_bits()),
        (FloatWidth::F32, Sign::U) => u64::from((zero_extend(from, a) as f32).to_bits()),
        (FloatWidth::F64, Sign::S) => (signed(from, a) as f64).to_bits(),
        (FloatWidth::F64, Sign::U) => (zero_extend(from, a) as f64).to_bits(),
    }
}
