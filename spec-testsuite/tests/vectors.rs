//! Operators whose pure meaning is more than a scalar operator's, compiled, against it: wide arithmetic, and relaxed vector
//! operators as the deterministic profile has them.

use sconce_engine::environ::meaning;
use sconce_engine::environ::ops::*;
use sconce_engine::{Config, Engine, Linker, Module, Store, Val};

/// Calls a function with each list of arguments.
fn check(canonical_nans: bool, signature: &str, body: &str, cases: impl Iterator<Item = (Vec<Val>, Vec<Val>)>) {
    let engine = Engine::new(&Config::new().canonical_nans(canonical_nans)).unwrap();
    let text = format!("(module (func (export \"f\") {signature} {body}))");
    let module = Module::new(&engine, text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
    let func = instance.get_func(&mut store, "f").unwrap();
    for (arguments, expected) in cases {
        let mut results = vec![Val::I32(0); expected.len()];
        func.call(&mut store, &arguments, &mut results).unwrap();
        assert_eq!(results, expected, "{body} of {arguments:?}");
    }
}

/// Numbers that look random, the same ones each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[(self.next() >> 32) as usize % of.len()]
    }
}

#[test]
fn wide_arithmetic() {
    const EDGES: [u64; 9] = [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 1 << 32, 0x0123_4567_89ab_cdef];
    for (op, name, count) in [
        (Wide::Add, "i64.add128", 4),
        (Wide::Sub, "i64.sub128", 4),
        (Wide::Multiply(Sign::S), "i64.mul_wide_s", 2),
        (Wide::Multiply(Sign::U), "i64.mul_wide_u", 2),
    ] {
        let signature = format!("(param {}) (result i64 i64)", "i64 ".repeat(count));
        let gets: String = (0..count).map(|i| format!("local.get {i} ")).collect();
        let mut random = Random(88172645463325252);
        let cases = (0..4000).map(|n| {
            let operands = [(); 4].map(|()| if n < 3000 { random.pick(&EDGES) } else { random.next() });
            let (low, high) = meaning::int_wide(op, operands);
            (operands[..count].iter().map(|&v| Val::from(v)).collect(), vec![Val::from(low), Val::from(high)])
        });
        check(false, &signature, &format!("{gets} {name}"), cases);
        // A part that is not used, and operands that are constants.
        let cases = EDGES.iter().map(|&v| {
            let (low, _) = meaning::int_wide(op, if count == 4 { [v, 1, 3, 5] } else { [v, 3, 0, 0] });
            (vec![Val::from(v)], vec![Val::from(low)])
        });
        let constants = if count == 4 { "i64.const 1 i64.const 3 i64.const 5" } else { "i64.const 3" };
        check(false, "(param i64) (result i64)", &format!("local.get 0 {constants} {name} drop"), cases);
    }
}

const TERNARY: &str = "(param v128 v128 v128) (result v128)";
const GETS: &str = "local.get 0 local.get 1 local.get 2";

fn vectors(a: u128, b: u128, c: u128, result: u128) -> (Vec<Val>, Vec<Val>) {
    (vec![Val::V128(a), Val::V128(b), Val::V128(c)], vec![Val::V128(result)])
}

#[test]
fn products_and_sums_are_rounded_each() {
    const F32: [f32; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        3.3333333,
        1e-38,
        -1e-45,
        16777217.0,
        1e20,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    const F64: [f64; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        3.3333333333333335,
        1e-308,
        -5e-324,
        9007199254740993.0,
        1e200,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    for (shape, name) in [(FloatShape::F32x4, "f32x4"), (FloatShape::F64x2, "f64x2")] {
        for (op, what) in [(VecTernary::MulAdd(shape), "madd"), (VecTernary::NegMulAdd(shape), "nmadd")] {
            let mut random = Random(2463534242);
            let mut vector = || match shape {
                FloatShape::F32x4 => (0..4).fold(0, |v, i| v | u128::from(random.pick(&F32).to_bits()) << (32 * i)),
                FloatShape::F64x2 => (0..2).fold(0, |v, i| v | u128::from(random.pick(&F64).to_bits()) << (64 * i)),
            };
            let cases: Vec<_> = (0..3000)
                .map(|_| {
                    let (a, b, c) = (vector(), vector(), vector());
                    vectors(a, b, c, meaning::vec_ternary(op, a, b, c))
                })
                .collect();
            check(true, TERNARY, &format!("{GETS} {name}.relaxed_{what}"), cases.into_iter());
        }
    }
    // Fused, the small part of the product would be there.
    let lanes = |v: f64| u128::from(v.to_bits()) | u128::from(v.to_bits()) << 64;
    let (a, b) = (1.0 + f64::EPSILON, 1.0 - f64::EPSILON);
    assert_eq!(meaning::vec_ternary(VecTernary::MulAdd(FloatShape::F64x2), lanes(a), lanes(b), lanes(-1.0)), 0);
    assert_ne!(a.mul_add(b, -1.0), 0.0);
}

#[test]
fn dot_products_of_bytes() {
    const BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xff, 0x55];
    let mut random = Random(362436069);
    let mut vector =
        |edge: bool| u128::from_le_bytes([(); 16].map(|()| if edge { random.pick(&BYTES) } else { random.next() as u8 }));
    let cases: Vec<_> = (0..3000).map(|n| (vector(n < 2500), vector(n < 2500), vector(false))).collect();
    let dots = cases.iter().map(|&(a, b, c)| vectors(a, b, c, meaning::vec_dot_i8(a, b)));
    check(false, TERNARY, "local.get 0 local.get 1 i16x8.relaxed_dot_i8x16_i7x16_s", dots);
    let sums = cases.iter().map(|&(a, b, c)| vectors(a, b, c, meaning::vec_ternary(VecTernary::DotI8Add, a, b, c)));
    check(false, TERNARY, &format!("{GETS} i32x4.relaxed_dot_i8x16_i7x16_add_s"), sums);
    let selected = cases.iter().map(|&(a, b, c)| vectors(a, b, c, meaning::vec_ternary(VecTernary::Bitselect, a, b, c)));
    check(false, TERNARY, &format!("{GETS} i16x8.relaxed_laneselect"), selected);
    // Two of the greatest products are saturated.
    let least = u128::from_le_bytes([0x80; 16]);
    assert_eq!(meaning::vec_dot_i8(least, least), u128::from_le_bytes([0xff, 0x7f].repeat(8).try_into().unwrap()));
}

/// The rest are other operators' names: each gives what that one gives.
#[test]
fn relaxed_operators_are_plain_ones() {
    let mut random = Random(521288629);
    const BITS: [u32; 16] = [
        0,
        0x8000_0000,
        0x3f80_0000,
        0xbfc0_0000,
        0x4f00_0000,
        0xcf00_0001,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        0x7fa0_0001,
        0x4f80_0000,
        0x8000_8000,
        0x1f10_0f03,
        0x7ff8_0000,
        0x41f0_0000,
        0xffff_ffff,
    ];
    let mut vector = || (0..4).fold(0, |v, i| v | u128::from(random.pick(&BITS)) << (32 * i));
    let cases: Vec<_> = (0..1000).map(|_| [vector(), vector()]).collect();
    for (relaxed, plain, operands) in [
        ("i8x16.relaxed_swizzle", "i8x16.swizzle", 2),
        ("i32x4.relaxed_trunc_f32x4_s", "i32x4.trunc_sat_f32x4_s", 1),
        ("i32x4.relaxed_trunc_f32x4_u", "i32x4.trunc_sat_f32x4_u", 1),
        ("i32x4.relaxed_trunc_f64x2_s_zero", "i32x4.trunc_sat_f64x2_s_zero", 1),
        ("i32x4.relaxed_trunc_f64x2_u_zero", "i32x4.trunc_sat_f64x2_u_zero", 1),
        ("f32x4.relaxed_min", "f32x4.min", 2),
        ("f32x4.relaxed_max", "f32x4.max", 2),
        ("f64x2.relaxed_min", "f64x2.min", 2),
        ("f64x2.relaxed_max", "f64x2.max", 2),
        ("i16x8.relaxed_q15mulr_s", "i16x8.q15mulr_sat_s", 2),
    ] {
        let gets = ["", "local.get 0", "local.get 0 local.get 1"][operands];
        let body = format!("{gets} {relaxed} {gets} {plain} i8x16.eq i8x16.all_true");
        let cases = cases.iter().map(|v| (v.map(Val::V128).to_vec(), vec![Val::I32(1)]));
        check(true, "(param v128 v128) (result i32)", &body, cases);
    }
}
