//! Values of `--invoke`, as text: parameters are read by type, results printed so that they read back.

use rustc_apfloat::ieee::{Double, Single};
use rustc_apfloat::{Float, ParseError, Round};
use sconce_engine::{Store, Val};
use sconce_environ::shown::Shown as Text;
use sconce_environ::types::{FuncType, HeapType, RefType, ValType};
use std::ffi::OsString;
use std::fmt;

/// Reads the arguments for a function.
///
/// # Errors
/// A message that names the parameter, its type and the text.
pub fn parse_arguments<R: Copy + fmt::Display>(ty: &FuncType<R>, texts: &[OsString]) -> Result<Vec<Val>, String> {
    if let Some(missing) = ty.params.get(texts.len()) {
        let (want, have) = (count(ty.params.len(), "argument"), texts.len());
        return Err(format!("it takes {want} and {have} were given: argument {} ({missing}) is missing", have + 1));
    }
    if let Some(extra) = texts.get(ty.params.len()) {
        let want = count(ty.params.len(), "argument");
        return Err(format!(
            "it takes {want} and {} were given: '{}' is too many",
            texts.len(),
            Text::short(&extra.to_string_lossy())
        ));
    }
    let parse = |(i, (ty, text)): (usize, (&ValType<R>, &OsString))| {
        let shown = text.to_string_lossy();
        parse_value(*ty, &shown).map_err(|why| format!("argument {} ({ty}): '{}' {why}", i + 1, Text::short(&shown)))
    };
    ty.params.iter().zip(texts).enumerate().map(parse).collect()
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn parse_value<R>(ty: ValType<R>, text: &str) -> Result<Val, String> {
    Ok(match ty {
        ValType::I32 => Val::I32(parse_int(text, 32)? as i32),
        ValType::I64 => Val::I64(parse_int(text, 64)? as i64),
        ValType::F32 => Val::F32(parse_float(text, Format::F32)? as u32),
        ValType::F64 => Val::F64(parse_float(text, Format::F64)?),
        ValType::V128 => Val::V128(parse_v128(text)?),
        ValType::Ref(RefType { nullable: true, heap }) if text == "null" => match heap {
            HeapType::Func | HeapType::NoFunc | HeapType::ConcreteFunc(_) => Val::FuncRef(None),
            HeapType::Extern | HeapType::NoExtern => Val::ExternRef(None),
            HeapType::Exn | HeapType::NoExn => Val::ExnRef(None),
        },
        ValType::Ref(RefType { nullable: false, .. }) => {
            return Err("cannot be passed: the only reference that can be written here is null, and the type excludes it".into());
        }
        ValType::Ref(_) => return Err("is no reference that can be written here: only null can".into()),
    })
}

/// An integer of `bits` bits, signed or unsigned, decimal or with `0x`; negative ones come out sign-extended.
fn parse_int(text: &str, bits: u32) -> Result<u64, String> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (rest, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err("is not an integer".into());
    }
    // More digits than u128 holds are out of range in any case.
    let value = i128::from_str_radix(digits, radix).unwrap_or(i128::MAX);
    let value = if negative { -value } else { value };
    if value < -(1 << (bits - 1)) || value >= 1 << bits {
        return Err(format!("is out of range: -2^{} to 2^{bits}-1", bits - 1));
    }
    Ok(value as u64)
}

/// A float's format.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Format {
    F32,
    F64,
}

impl Format {
    /// Bits of the fraction field, and of the exponent field.
    fn fields(self) -> (u32, u32) {
        match self {
            Format::F32 => (23, 8),
            Format::F64 => (52, 11),
        }
    }

    /// The bits of `0x1.8p3`, rounded to nearest, ties to even.
    fn parse_hex(self, text: &str) -> Result<u64, ParseError> {
        fn bits<F: Float>(text: &str) -> Result<u64, ParseError> {
            Ok(F::from_str_r(text, Round::NearestTiesToEven)?.value.to_bits() as u64)
        }
        // The exponent may be left out, but not here.
        let text = if text.contains(['p', 'P']) { text } else { &format!("{text}p0") };
        match self {
            Format::F32 => bits::<Single>(text),
            Format::F64 => bits::<Double>(text),
        }
    }
}

/// A float as wasm text writes it: decimal, `0x1.8p3`, `inf`, `nan`, `nan:0x..`, with a sign. Gives its bits.
fn parse_float(text: &str, format: Format) -> Result<u64, String> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (fraction, exponent) = format.fields();
    let infinity = ((1 << exponent) - 1) << fraction;
    let not_a_float = || "is not a floating-point number".to_string();
    let magnitude = match rest {
        _ if ["inf", "infinity"].iter().any(|name| rest.eq_ignore_ascii_case(name)) => infinity,
        _ if rest.eq_ignore_ascii_case("nan") => infinity | 1 << (fraction - 1),
        _ => {
            if let Some(payload) = rest.strip_prefix("nan:0x") {
                let payload = u64::from_str_radix(payload, 16).ok().filter(|_| !payload.starts_with('+')).unwrap_or(0);
                if payload == 0 || payload >> fraction != 0 {
                    return Err(format!("has a NaN payload outside 0x1 to {:#x}", (1u64 << fraction) - 1));
                }
                infinity | payload
            } else if rest.starts_with("0x") || rest.starts_with("0X") {
                format.parse_hex(rest).map_err(|_| not_a_float())?
            } else if rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                // The standard parser rounds correctly; its own spellings of the special values cannot come here.
                match format {
                    Format::F32 => rest.parse::<f32>().map(|v| u64::from(v.to_bits())).map_err(|_| not_a_float())?,
                    Format::F64 => rest.parse::<f64>().map(f64::to_bits).map_err(|_| not_a_float())?,
                }
            } else {
                return Err(not_a_float());
            }
        }
    };
    Ok(magnitude | u64::from(negative) << (fraction + exponent))
}

/// `i32x4:1,2,3,4`, and the other five shapes.
fn parse_v128(text: &str) -> Result<u128, String> {
    const HELP: &str = "is not a vector; write i32x4:1,2,3,4 (or i8x16, i16x8, i64x2, f32x4, f64x2)";
    let (shape, lanes) = text.split_once(':').ok_or(HELP)?;
    let (bits, float) = match shape {
        "i8x16" => (8, None),
        "i16x8" => (16, None),
        "i32x4" => (32, None),
        "i64x2" => (64, None),
        "f32x4" => (32, Some(Format::F32)),
        "f64x2" => (64, Some(Format::F64)),
        _ => return Err(HELP.into()),
    };
    let lanes: Vec<&str> = lanes.split(',').collect();
    if lanes.len() != 128 / bits {
        return Err(format!("has {} instead of {}", count(lanes.len(), "lane"), 128 / bits));
    }
    let mut value = 0;
    for (i, lane) in lanes.iter().enumerate() {
        let parsed = match float {
            Some(format) => parse_float(lane, format),
            None => parse_int(lane, bits as u32),
        };
        let lane_bits = u128::from(parsed.map_err(|why| format!("has a lane '{}' that {why}", Text::short(lane)))?);
        value |= (lane_bits & ((1 << bits) - 1)) << (i * bits);
    }
    Ok(value)
}

/// A result, so that it reads back as a parameter of its type; references that are not null, which cannot, as scripts write them.
pub struct Shown<'a> {
    value: &'a Val,
    /// The index of the function that it refers to, in the module that defines it.
    func: Option<u32>,
}

impl<'a> Shown<'a> {
    /// A value of the store's.
    pub fn new<T: 'static>(value: &'a Val, store: &Store<T>) -> Shown<'a> {
        let func = if let Val::FuncRef(Some(func)) = value { func.index(store) } else { None };
        Shown { value, func }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.value {
            Val::I32(v) => write!(f, "{v}"),
            Val::I64(v) => write!(f, "{v}"),
            Val::F32(bits) => show_float(f, u64::from(bits), Format::F32, &format!("{:?}", f32::from_bits(bits))),
            Val::F64(bits) => show_float(f, bits, Format::F64, &format!("{:?}", f64::from_bits(bits))),
            Val::V128(v) => {
                let lane = |i: u32| (v >> (32 * i)) as i32;
                write!(f, "i32x4:{},{},{},{}", lane(0), lane(1), lane(2), lane(3))
            }
            Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) => f.write_str("null"),
            Val::ExnRef(Some(_)) => f.write_str("(ref.exn)"),
            Val::FuncRef(Some(_)) => match self.func {
                Some(index) => write!(f, "(ref.func {index})"),
                None => f.write_str("(ref.func)"),
            },
            Val::ExternRef(Some(_)) => f.write_str("(ref.extern)"),
        }
    }
}

/// `shortest` is the standard library's shortest text that reads back.
fn show_float(f: &mut fmt::Formatter<'_>, bits: u64, format: Format, shortest: &str) -> fmt::Result {
    let (fraction, exponent) = format.fields();
    let payload = bits & ((1 << fraction) - 1);
    let is_nan = (bits >> fraction) & ((1 << exponent) - 1) == (1 << exponent) - 1 && payload != 0;
    if !is_nan {
        return f.write_str(shortest.strip_suffix(".0").unwrap_or(shortest));
    }
    let sign = if bits >> (fraction + exponent) & 1 == 1 { "-" } else { "" };
    if payload == 1 << (fraction - 1) { write!(f, "{sign}nan") } else { write!(f, "{sign}nan:{payload:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::index::TypeIndex;

    fn ty(params: &[ValType]) -> FuncType<TypeIndex> {
        FuncType { params: params.into(), results: Box::new([]) }
    }

    fn args(params: &[ValType], texts: &[&str]) -> Result<Vec<Val>, String> {
        parse_arguments(&ty(params), &texts.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn one(t: ValType, text: &str) -> Result<String, String> {
        args(&[t], &[text]).map(|v| Shown { value: &v[0], func: None }.to_string())
    }

    #[test]
    fn integers() {
        for (text, shown) in [
            ("0", "0"),
            ("-5", "-5"),
            ("+7", "7"),
            ("4294967295", "-1"),
            ("-2147483648", "-2147483648"),
            ("0xff", "255"),
            ("-0x80000000", "-2147483648"),
        ] {
            assert_eq!(one(ValType::I32, text).as_deref(), Ok(shown), "{text}");
        }
        for text in ["4294967296", "-2147483649", "99999999999999999999999999999999999999999999"] {
            let error = one(ValType::I32, text).expect_err(text);
            assert_eq!(error, format!("argument 1 (i32): '{text}' is out of range: -2^31 to 2^32-1"));
        }
        for text in ["", "-", "abc", "1.5", "0x", "--1", "+-1", "1_000", "0x-1"] {
            assert!(one(ValType::I32, text).expect_err(text).ends_with("is not an integer"), "{text}");
        }
        assert_eq!(one(ValType::I64, "18446744073709551615").as_deref(), Ok("-1"));
        assert_eq!(one(ValType::I64, "-9223372036854775808").as_deref(), Ok("-9223372036854775808"));
        assert!(one(ValType::I64, "18446744073709551616").expect_err("2^64").contains("-2^63 to 2^64-1"));
    }

    #[test]
    fn floats() {
        for (text, shown) in [
            ("1", "1"),
            ("-0", "-0"),
            (".5", "0.5"),
            ("1e300", "1e300"),
            ("1e400", "inf"),
            ("inf", "inf"),
            ("-inf", "-inf"),
            ("nan", "nan"),
            ("-nan", "-nan"),
            ("nan:0x1", "nan:0x1"),
            ("0x1.8p3", "12"),
            ("-0x.8", "-0.5"),
            ("0x1p-1074", "5e-324"),
            ("0x1p-1075", "0"),
            ("0x1.8p-1075", "5e-324"),
            ("0x1.fffffffffffff8p1023", "inf"),
            ("0x1.fffffffffffff7ffffffffffffffp1023", "1.7976931348623157e308"),
            ("0x1.00000000000008p0", "1"),
            ("0x1.000000000000080000000001p0", "1.0000000000000002"),
            ("0x1.00000000000018p0", "1.0000000000000004"),
            ("0x0p99999999999999999999", "0"),
            ("0x1p99999999999999999999", "inf"),
            ("0x1p-99999999999999999999", "0"),
            ("0x1000000000000000000000p-84", "1"),
            ("0x1.0000000000000801p0", "1.0000000000000002"),
        ] {
            assert_eq!(one(ValType::F64, text).as_deref(), Ok(shown), "{text}");
        }
        for (text, shown) in [
            ("0.1", "0.1"),
            ("16777217", "16777216"),
            ("0x1.000001p0", "1"),
            ("0x1.000003p0", "1.0000002"),
            ("0x1p-149", "1e-45"),
            ("0x1.fffffep127", "3.4028235e38"),
            ("0x1.ffffffp127", "inf"),
            ("nan:0x200000", "nan:0x200000"),
            ("nan:0x400000", "nan"),
            ("NaN", "nan"),
            ("-NaN", "-nan"),
            ("Infinity", "inf"),
            ("-INF", "-inf"),
        ] {
            assert_eq!(one(ValType::F32, text).as_deref(), Ok(shown), "{text}");
        }
        for text in ["", "-", "x", "1e", "0x", "0xp1", "0x1p", "1.2.3", "NaNs", "Infinit", "nan:", "e5", "0x1.g"] {
            assert!(one(ValType::F64, text).expect_err(text).ends_with("is not a floating-point number"), "{text}");
        }
        for text in ["nan:0x0", "nan:0x800000", "nan:0x", "nan:0x+1"] {
            assert!(one(ValType::F32, text).expect_err(text).contains("payload"), "{text}");
        }
    }

    #[test]
    fn hex_floats_agree_with_the_standard_library() {
        // Every power of two and its neighbours, written exactly in hexadecimal.
        let mut bits = 1u64;
        for _ in 0..4000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let v = f64::from_bits(bits & (u64::MAX >> 1));
            if !v.is_finite() {
                continue;
            }
            let (field, fraction) = (v.to_bits() >> 52, v.to_bits() & ((1 << 52) - 1));
            let text = if field == 0 {
                format!("0x0.{fraction:013x}p-1022")
            } else {
                format!("0x1.{fraction:013x}p{}", field as i64 - 1023)
            };
            assert_eq!(parse_float(&text, Format::F64), Ok(v.to_bits()), "{text}");
            assert_eq!(parse_float(&text, Format::F32), Ok(u64::from((v as f32).to_bits())), "{text} as f32");
        }
    }

    #[test]
    fn vectors() {
        assert_eq!(one(ValType::V128, "i32x4:1,2,3,4").as_deref(), Ok("i32x4:1,2,3,4"));
        assert_eq!(one(ValType::V128, "i32x4:-1,4294967295,0x10,0").as_deref(), Ok("i32x4:-1,-1,16,0"));
        assert_eq!(one(ValType::V128, "i64x2:1,-1").as_deref(), Ok("i32x4:1,0,-1,-1"));
        assert_eq!(one(ValType::V128, "f32x4:1,0,0,0").as_deref(), Ok("i32x4:1065353216,0,0,0"));
        assert_eq!(one(ValType::V128, "i8x16:1,2,3,4,0,0,0,0,0,0,0,0,0,0,0,255").as_deref(), Ok("i32x4:67305985,0,0,-16777216"));
        assert!(one(ValType::V128, "5").expect_err("5").contains("i32x4:1,2,3,4"));
        assert!(one(ValType::V128, "i32x4:1,2").expect_err("two").contains("2 lanes instead of 4"));
        assert!(one(ValType::V128, "i32x4:1,2,x,4").expect_err("x").contains("lane 'x'"));
        assert!(one(ValType::V128, "i8x16:256,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0").expect_err("256").contains("out of range"));
    }

    #[test]
    fn references() {
        let index = TypeIndex::from_u32(0);
        for heap in [
            HeapType::Func,
            HeapType::NoFunc,
            HeapType::ConcreteFunc(index),
            HeapType::Extern,
            HeapType::NoExtern,
            HeapType::Exn,
            HeapType::NoExn,
        ] {
            let ty = |nullable| ValType::Ref(RefType { nullable, heap });
            assert_eq!(one(ty(true), "null").as_deref(), Ok("null"), "{heap:?}");
            assert!(one(ty(true), "0").expect_err("0").ends_with("only null can"), "{heap:?}");
            assert!(one(ty(false), "null").expect_err("null").ends_with("the type excludes it"), "{heap:?}");
        }
        assert!(one(ValType::EXTERNREF, "1").expect_err("1").starts_with("argument 1 (externref): '1'"));
    }

    #[test]
    fn too_many_and_too_few() {
        assert_eq!(
            args(&[ValType::I32, ValType::F64], &["1"]).expect_err("few"),
            "it takes 2 arguments and 1 were given: argument 2 (f64) is missing"
        );
        assert_eq!(
            args(&[ValType::I32], &["1", "2"]).expect_err("many"),
            "it takes 1 argument and 2 were given: '2' is too many"
        );
    }
}
