//! The pure meanings at their edges, against the specification's text; and at random, against other ways to compute them.

use sconce_environ::meaning::*;
use sconce_environ::ops::FloatWidth::{F32, F64};
use sconce_environ::ops::IntWidth::{W32, W64};
use sconce_environ::ops::*;
use sconce_environ::trap::TrapCode;

/// A small generator with a fixed seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Often near an edge.
    fn int(&mut self) -> u64 {
        const EDGES: [u64; 10] = [0, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 63, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, 0x80];
        let r = self.next();
        match r % 4 {
            0 => self.next(),
            1 => self.next() >> (r >> 8 & 63),
            _ => EDGES[(r >> 16) as usize % EDGES.len()].wrapping_add((r >> 32) % 3).wrapping_sub(1),
        }
    }
}

const I32_MIN: u64 = i32::MIN as u32 as u64;
const I64_MIN: u64 = i64::MIN as u64;

#[test]
fn upper_bits_never_count_and_are_zero() {
    let garbage = 0xdead_beef_0000_0000;
    let mut random = Random(1);
    for _ in 0..2000 {
        let (a, b) = (random.int(), random.int());
        let (la, lb) = (a & 0xffff_ffff, b & 0xffff_ffff);
        use IntBinary::*;
        for op in [Add, Sub, Mul, And, Or, Xor, Shl, ShrS, ShrU, Rotl, Rotr] {
            let clean = int_binary(W32, op, la, lb);
            assert_eq!(clean, int_binary(W32, op, la | garbage, lb | garbage), "{op:?} {a:x} {b:x}");
            assert!(clean <= 0xffff_ffff);
        }
        for op in [IntUnary::Clz, IntUnary::Ctz, IntUnary::Popcnt, IntUnary::Extend8S, IntUnary::Extend16S] {
            let clean = int_unary(W32, op, la);
            assert_eq!(clean, int_unary(W32, op, la | garbage), "{op:?} {a:x}");
            assert!(clean <= 0xffff_ffff);
        }
        for op in [IntDivide::DivS, IntDivide::DivU, IntDivide::RemS, IntDivide::RemU] {
            assert_eq!(int_divide(W32, op, la, lb), int_divide(W32, op, la | garbage, lb | garbage), "{op:?} {a:x} {b:x}");
        }
        assert_eq!(int_eqz(W32, la | garbage), la == 0);
    }
}

#[test]
fn integers_agree_with_arithmetic_on_wider_numbers() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let (a, b) = (random.int(), random.int());
        for (width, bits) in [(W32, 32), (W64, 64)] {
            let modulus = 1i128 << bits;
            let unsigned = |v: u64| i128::from(v) % modulus;
            let signed = |v: u64| if unsigned(v) >= modulus / 2 { unsigned(v) - modulus } else { unsigned(v) };
            let wrap = |v: i128| v.rem_euclid(modulus) as u64;
            let (ua, ub, sa, sb) = (unsigned(a), unsigned(b), signed(a), signed(b));
            let binary = |op| int_binary(width, op, a, b);
            assert_eq!(binary(IntBinary::Add), wrap(ua + ub));
            assert_eq!(binary(IntBinary::Sub), wrap(ua - ub));
            assert_eq!(binary(IntBinary::Mul), wrap(sa * sb));
            let k = ub % bits;
            assert_eq!(binary(IntBinary::Shl), ((ua as u128) << k) as u64 & (u64::MAX >> (64 - bits)));
            assert_eq!(binary(IntBinary::ShrU), wrap(ua >> k));
            assert_eq!(binary(IntBinary::ShrS), wrap(sa >> k));
            assert_eq!(
                binary(IntBinary::Rotl),
                wrap(((ua as u128) << k | (ua as u128) >> (bits - k)) as i128 % modulus),
                "{a:x} {k}"
            );
            assert_eq!(
                binary(IntBinary::Rotr),
                wrap(((ua as u128) >> k | (ua as u128) << (bits - k)) as i128 % modulus),
                "{a:x} {k}"
            );
            let compare = |op| int_compare(width, op, a, b);
            use IntCompare::*;
            assert_eq!([Eq, Ne].map(compare), [ua == ub, ua != ub]);
            assert_eq!([LtS, GtS, LeS, GeS].map(compare), [sa < sb, sa > sb, sa <= sb, sa >= sb]);
            assert_eq!([LtU, GtU, LeU, GeU].map(compare), [ua < ub, ua > ub, ua <= ub, ua >= ub]);
            if ub != 0 {
                assert_eq!(int_divide(width, IntDivide::DivU, a, b), Ok(wrap(ua / ub)));
                assert_eq!(int_divide(width, IntDivide::RemU, a, b), Ok(wrap(ua % ub)));
                assert_eq!(int_divide(width, IntDivide::RemS, a, b), Ok(wrap(sa % sb)));
                let fits = sa / sb < modulus / 2;
                let expected = if fits { Ok(wrap(sa / sb)) } else { Err(TrapCode::IntegerOverflow) };
                assert_eq!(int_divide(width, IntDivide::DivS, a, b), expected);
            }
        }
    }
}

#[test]
fn division_at_its_edges() {
    use IntDivide::*;
    for width in [W32, W64] {
        for op in [DivS, DivU, RemS, RemU] {
            assert_eq!(int_divide(width, op, 5, 0), Err(TrapCode::IntegerDivideByZero));
            assert_eq!(int_divide(width, op, 0, 0), Err(TrapCode::IntegerDivideByZero));
        }
        let least = if width == W32 { I32_MIN } else { I64_MIN };
        let minus = |n: i64| zero_extend(width, n as u64);
        assert_eq!(int_divide(width, DivS, least, minus(-1)), Err(TrapCode::IntegerOverflow));
        assert_eq!(int_divide(width, RemS, least, minus(-1)), Ok(0));
        assert_eq!(int_divide(width, DivU, least, minus(-1)), Ok(0));
        assert_eq!(int_divide(width, DivS, least, 1), Ok(least));
        assert_eq!(int_divide(width, DivS, minus(-7), 2), Ok(minus(-3)));
        assert_eq!(int_divide(width, RemS, minus(-7), 2), Ok(minus(-1)));
        assert_eq!(int_divide(width, RemS, 7, minus(-2)), Ok(1));
    }
    // In 32 bits only the low half of the divisor counts.
    assert_eq!(int_divide(W32, DivU, 5, 1 << 32), Err(TrapCode::IntegerDivideByZero));
}

#[test]
fn shifts_and_counts_at_their_edges() {
    use IntBinary::*;
    assert_eq!(int_binary(W32, Shl, 1, 32), 1);
    assert_eq!(int_binary(W32, Shl, 1, 63), 1 << 31);
    assert_eq!(int_binary(W32, ShrU, I32_MIN, 31), 1);
    assert_eq!(int_binary(W32, ShrS, I32_MIN, 31), 0xffff_ffff);
    assert_eq!(int_binary(W32, ShrS, I32_MIN, 33), 0xc000_0000);
    assert_eq!(int_binary(W64, Shl, 1, 64), 1);
    assert_eq!(int_binary(W64, ShrS, I64_MIN, 127), u64::MAX);
    assert_eq!(int_binary(W64, Rotl, I64_MIN, 1), 1);
    assert_eq!(int_binary(W32, Rotr, 1, 1), I32_MIN);
    assert_eq!(int_binary(W32, Rotr, 0x1234_5678, 32), 0x1234_5678);
    for (width, bits) in [(W32, 32), (W64, 64)] {
        let all = zero_extend(width, u64::MAX);
        let unary = |op, a| int_unary(width, op, a);
        assert_eq!([unary(IntUnary::Clz, 0), unary(IntUnary::Clz, 1), unary(IntUnary::Clz, all)], [bits, bits - 1, 0]);
        assert_eq!([unary(IntUnary::Ctz, 0), unary(IntUnary::Ctz, all), unary(IntUnary::Ctz, 8)], [bits, 0, 3]);
        assert_eq!([unary(IntUnary::Popcnt, 0), unary(IntUnary::Popcnt, all)], [0, bits]);
        assert_eq!(unary(IntUnary::Extend8S, 0x1_7f), 0x7f);
        assert_eq!(unary(IntUnary::Extend8S, 0x80), all - 0x7f);
        assert_eq!(unary(IntUnary::Extend16S, 0x8000), all - 0x7fff);
    }
    assert_eq!(int_unary(W64, IntUnary::Extend32S, I32_MIN), 0xffff_ffff_8000_0000);
    assert_eq!(int_unary(W64, IntUnary::Extend32S, 0xdead_beef_7fff_ffff), 0x7fff_ffff);
}

fn f32_bits(x: f32) -> u64 {
    x.to_bits().into()
}

/// The same number in both widths.
fn both(x: f32) -> [(FloatWidth, u64); 2] {
    [(F32, f32_bits(x)), (F64, f64::from(x).to_bits())]
}

fn unary_cases(op: FloatUnary, cases: &[(f32, f32)]) {
    for &(x, expected) in cases {
        for ((width, a), (_, e)) in both(x).into_iter().zip(both(expected)) {
            assert_eq!(float_unary(width, op, a), e, "{op:?} of {x} in {width:?}");
        }
    }
}

#[test]
fn rounding() {
    const INF: f32 = f32::INFINITY;
    unary_cases(
        FloatUnary::Nearest,
        &[
            (0.5, 0.0),
            (1.5, 2.0),
            (2.5, 2.0),
            (-0.5, -0.0),
            (-1.5, -2.0),
            (0.49, 0.0),
            (-0.0, -0.0),
            (INF, INF),
            (8388609.0, 8388609.0),
        ],
    );
    unary_cases(FloatUnary::Ceil, &[(0.1, 1.0), (-0.9, -0.0), (-0.0, -0.0), (1.0, 1.0), (-INF, -INF)]);
    unary_cases(FloatUnary::Floor, &[(-0.1, -1.0), (0.9, 0.0), (-0.0, -0.0), (INF, INF)]);
    unary_cases(FloatUnary::Trunc, &[(-0.9, -0.0), (1.9, 1.0), (-1.9, -1.0), (-0.0, -0.0)]);
    unary_cases(FloatUnary::Sqrt, &[(4.0, 2.0), (-0.0, -0.0), (INF, INF)]);
    unary_cases(FloatUnary::Abs, &[(-0.0, 0.0), (-1.5, 1.5), (-INF, INF)]);
    unary_cases(FloatUnary::Neg, &[(0.0, -0.0), (1.5, -1.5)]);
}

#[test]
fn signs_of_nans_are_only_touched_by_who_touches_signs() {
    // A signalling NaN with a payload, negative.
    let nan = 0xffa0_1234;
    assert_eq!(float_unary(F32, Abs, nan), 0x7fa0_1234);
    assert_eq!(float_unary(F32, Neg, nan), 0x7fa0_1234);
    assert_eq!(float_binary(F32, FloatBinary::Copysign, nan, 0), 0x7fa0_1234);
    assert_eq!(float_binary(F32, FloatBinary::Copysign, f32_bits(1.0), nan), f32_bits(-1.0));
    assert_eq!(float_binary(F64, FloatBinary::Copysign, 1, I64_MIN), I64_MIN | 1);
    use FloatUnary::*;
    for op in [Ceil, Floor, Trunc, Nearest, Sqrt] {
        assert_eq!(float_unary(F32, op, nan), canonical_nan(F32), "{op:?}");
        assert_eq!(float_unary(F64, op, 0xfff0_0000_0000_0001), canonical_nan(F64), "{op:?}");
    }
    assert_eq!(float_unary(F64, Sqrt, (-1f64).to_bits()), canonical_nan(F64));
}

#[test]
fn minimum_and_maximum() {
    for (((width, one), (_, two)), ((_, zero), (_, minus_zero))) in
        both(1.0).into_iter().zip(both(2.0)).zip(both(0.0).into_iter().zip(both(-0.0)))
    {
        let min = |a, b| float_binary(width, FloatBinary::Min, a, b);
        let max = |a, b| float_binary(width, FloatBinary::Max, a, b);
        assert_eq!([min(one, two), min(two, one), max(one, two), max(two, one)], [one, one, two, two]);
        assert_eq!([min(zero, minus_zero), min(minus_zero, zero)], [minus_zero; 2]);
        assert_eq!([max(zero, minus_zero), max(minus_zero, zero)], [zero; 2]);
        assert_eq!([min(minus_zero, minus_zero), max(minus_zero, minus_zero)], [minus_zero; 2]);
        let nan = canonical_nan(width) | 1;
        for op in [FloatBinary::Add, FloatBinary::Sub, FloatBinary::Mul, FloatBinary::Div, FloatBinary::Min, FloatBinary::Max] {
            assert_eq!(float_binary(width, op, one, nan), canonical_nan(width), "{op:?}");
            assert_eq!(float_binary(width, op, nan, one), canonical_nan(width), "{op:?}");
        }
        use FloatCompare::*;
        assert_eq!(
            [Eq, Lt, Gt, Le, Ge, Ne].map(|op| float_compare(width, op, nan, one)),
            [false, false, false, false, false, true]
        );
        assert_eq!(
            [Eq, Le, Ge, Lt, Gt, Ne].map(|op| float_compare(width, op, zero, minus_zero)),
            [true, true, true, false, false, false]
        );
        assert_eq!([Lt, Le, Gt, Ge].map(|op| float_compare(width, op, one, two)), [true, true, false, false]);
    }
}

#[test]
fn arithmetic() {
    let f32_binary = |op, a: f32, b: f32| f32::from_bits(float_binary(F32, op, f32_bits(a), f32_bits(b)) as u32);
    assert_eq!(f32_binary(FloatBinary::Add, 16_777_216.0, 1.0), 16_777_216.0);
    assert_eq!(f32_binary(FloatBinary::Sub, 1.0, 3.0), -2.0);
    assert_eq!(f32_binary(FloatBinary::Mul, f32::MAX, 2.0), f32::INFINITY);
    assert_eq!(f32_binary(FloatBinary::Div, 1.0, -0.0), f32::NEG_INFINITY);
    let zero = f64::to_bits(0.0);
    assert_eq!(float_binary(F64, FloatBinary::Div, zero, zero), canonical_nan(F64));
    assert_eq!(float_binary(F64, FloatBinary::Mul, zero, f64::INFINITY.to_bits()), canonical_nan(F64));
    assert_eq!(float_binary(F64, FloatBinary::Div, 1f64.to_bits(), 3f64.to_bits()), (1.0f64 / 3.0).to_bits());
}

#[test]
fn which_nans_are_allowed() {
    let canonical = canonical_nan(F32);
    let (negative, other, signalling) = (canonical | 1 << 31, canonical | 1, 0x7f80_0001);
    let allowed = |operands: &[u64], result| nan_result_allowed(F32, operands, F32, result);
    // 0/0, and canonical operands: canonical, of either sign.
    for operands in [&[0, 0][..], &[canonical, f32_bits(1.0)], &[negative, negative]] {
        assert_eq!([canonical, negative, other, signalling].map(|r| allowed(operands, r)), [true, true, false, false]);
    }
    // Others: arithmetic.
    for operands in [&[other, 0][..], &[0, signalling]] {
        assert_eq!(
            [canonical, negative, other, other | 1 << 31, signalling].map(|r| allowed(operands, r)),
            [true, true, true, true, false]
        );
    }
    assert!(!allowed(&[other], f32_bits(1.0)));
    assert!(nan_result_allowed(F32, &[other], F64, canonical_nan(F64) | 77));
    assert!(!nan_result_allowed(F64, &[canonical_nan(F64)], F32, other));
    assert!(is_nan(F32, signalling) && !is_nan(F32, f32_bits(f32::INFINITY)) && !is_nan(F64, f64::INFINITY.to_bits()));
    assert!(
        is_nan(F64, canonical_nan(F64))
            && is_arithmetic_nan(F64, canonical_nan(F64) | 3)
            && !is_canonical_nan(F64, canonical_nan(F64) | 3)
    );
}

/// The greatest and least doubles and singles that truncate into range, and their neighbours outside.
#[test]
fn truncations_at_their_boundaries() {
    use Sign::*;
    let overflow = Err(TrapCode::IntegerOverflow);
    let max32 = u64::from(u32::MAX);
    // From doubles: (type, largest that fits, its value, next double, least that fits, its value, previous
    // double, saturated high and low).
    let cases = [
        (
            W32,
            S,
            2147483647.9999998,
            0x7fff_ffff,
            2147483648.0,
            -2147483648.9999995,
            I32_MIN,
            -2147483649.0,
            0x7fff_ffff,
            I32_MIN,
        ),
        (W32, U, 4294967295.9999995, max32, 4294967296.0, -0.9999999999999999, 0, -1.0, max32, 0),
        (
            W64,
            S,
            9223372036854774784.0,
            0x7fff_ffff_ffff_fc00,
            9223372036854775808.0,
            -9223372036854775808.0,
            I64_MIN,
            -9223372036854777856.0,
            i64::MAX as u64,
            I64_MIN,
        ),
        (
            W64,
            U,
            18446744073709549568.0,
            0xffff_ffff_ffff_f800,
            18446744073709551616.0,
            -0.9999999999999999,
            0,
            -1.0,
            u64::MAX,
            0,
        ),
    ];
    for (to, sign, high, high_value, above, low, low_value, below, saturated_high, saturated_low) in cases {
        let run = |overflow, x: f64| convert(Convert::Truncate { from: F64, to, sign, overflow }, x.to_bits());
        for mode in [Overflow::Trap, Overflow::Saturate] {
            assert_eq!(run(mode, high), Ok(high_value), "{to:?} {sign:?} {high}");
            assert_eq!(run(mode, low), Ok(low_value), "{to:?} {sign:?} {low}");
            assert_eq!(run(mode, -0.0), Ok(0));
            assert_eq!(run(mode, 1.9), Ok(1));
        }
        for x in [above, f64::INFINITY, f64::MAX] {
            assert_eq!(run(Overflow::Trap, x), overflow, "{to:?} {sign:?} {x}");
            assert_eq!(run(Overflow::Saturate, x), Ok(saturated_high));
        }
        for x in [below, f64::NEG_INFINITY, f64::MIN] {
            assert_eq!(run(Overflow::Trap, x), overflow, "{to:?} {sign:?} {x}");
            assert_eq!(run(Overflow::Saturate, x), Ok(saturated_low));
        }
        assert_eq!(run(Overflow::Trap, f64::NAN), Err(TrapCode::InvalidConversionToInteger));
        assert_eq!(run(Overflow::Saturate, f64::NAN), Ok(0));
    }
    // From singles: (type, largest that fits, its value, next, least that fits, its value, previous).
    let cases = [
        (W32, S, 2147483520f32, 2147483520, 2147483648.0, -2147483648.0, I32_MIN, -2147483904.0),
        (W32, U, 4294967040.0, 4294967040, 4294967296.0, -0.99999994, 0, -1.0),
        (
            W64,
            S,
            9223371487098961920.0,
            9223371487098961920,
            9223372036854775808.0,
            -9223372036854775808.0,
            I64_MIN,
            -9223373136366403584.0,
        ),
        (W64, U, 18446742974197923840.0, 18446742974197923840, 18446744073709551616.0, -0.99999994, 0, -1.0),
    ];
    for (to, sign, high, high_value, above, low, low_value, below) in cases {
        let run = |x: f32| convert(Convert::Truncate { from: F32, to, sign, overflow: Overflow::Trap }, f32_bits(x));
        assert_eq!(
            [run(high), run(low), run(above), run(below)],
            [Ok(high_value), Ok(low_value), overflow, overflow],
            "{to:?} {sign:?}"
        );
        assert_eq!(run(f32::NAN), Err(TrapCode::InvalidConversionToInteger));
    }
}

#[test]
fn other_conversions() {
    let ok = |op, a| convert(op, a).expect("cannot trap");
    assert_eq!(ok(Convert::Wrap, 0x1_8000_0000), 0x8000_0000);
    assert_eq!(ok(Convert::Extend(Sign::S), I32_MIN), 0xffff_ffff_8000_0000);
    assert_eq!(ok(Convert::Extend(Sign::S), 0xffff_ffff_0000_0001), 1);
    assert_eq!(ok(Convert::Extend(Sign::U), 0xffff_ffff_8000_0000), 0x8000_0000);
    let from_int = |from, to, sign, a| ok(Convert::FromInt { from, to, sign }, a);
    assert_eq!(from_int(W32, F32, Sign::S, 0xffff_ffff), f32_bits(-1.0));
    assert_eq!(from_int(W32, F32, Sign::U, 0xffff_ffff), f32_bits(4294967296.0));
    assert_eq!(from_int(W32, F64, Sign::U, 0xffff_ffff), 4294967295f64.to_bits());
    assert_eq!(from_int(W64, F64, Sign::U, u64::MAX), 18446744073709551616f64.to_bits());
    assert_eq!(from_int(W64, F64, Sign::S, I64_MIN), (-9223372036854775808f64).to_bits());
    // Ties to even; and one that rounds the other way if it goes by way of a double.
    assert_eq!(from_int(W32, F32, Sign::S, 16_777_217), f32_bits(16_777_216.0));
    assert_eq!(from_int(W32, F32, Sign::S, 16_777_219), f32_bits(16_777_220.0));
    assert_eq!(from_int(W64, F32, Sign::S, 0x0020_0000_2000_0001), 0x5a00_0001);
    assert_eq!(from_int(W64, F32, Sign::U, 0x8000_0080_0000_0001), 0x5f00_0001);
    // Demotion rounds to even, overflows to infinity and underflows to zero; NaNs become canonical.
    assert_eq!(ok(Convert::Demote, f64::MAX.to_bits()), f32_bits(f32::INFINITY));
    assert_eq!(ok(Convert::Demote, (-1e-50f64).to_bits()), f32_bits(-0.0));
    assert_eq!(ok(Convert::Demote, 0x3ff0_0000_1000_0000), f32_bits(1.0));
    assert_eq!(ok(Convert::Demote, 0x3ff0_0000_3000_0000), 0x3f80_0002);
    assert_eq!(ok(Convert::Demote, 0xfff8_0000_0000_0001), canonical_nan(F32));
    assert_eq!(ok(Convert::Promote, f32_bits(1.5)), 1.5f64.to_bits());
    assert_eq!(ok(Convert::Promote, 1), 0x36a0_0000_0000_0000);
    assert_eq!(ok(Convert::Promote, 0x7f80_0001), canonical_nan(F64));
    for width in [F32, F64] {
        // Bits stay as they are, signalling NaNs included.
        let nan = if width == F32 { 0xff80_0001 } else { 0xfff0_0000_0000_0001 };
        assert_eq!(ok(Convert::FloatBits(width), nan), nan);
        assert_eq!(ok(Convert::BitsFloat(width), nan), nan);
    }
    assert_eq!(ok(Convert::BitsFloat(F32), 0xdead_beef_0000_0001), 1);
}
