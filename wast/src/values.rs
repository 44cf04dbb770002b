//! Values of scripts: arguments, patterns of results, and both as text.

use sconce_engine::{ExternRef, Store, Val};
use std::collections::HashMap;
use wast::WastArg;
use wast::WastRet;
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64, Index};

/// What `(ref.extern n)` refers to: equal numbers are equal values.
pub(crate) struct HostValue(pub u32);

/// The external references that a script has made, by number, so that equal numbers are the same reference.
pub(crate) type HostValues = HashMap<u32, ExternRef>;

/// An argument as a value, or why there is none.
pub(crate) fn argument<T: 'static>(store: &mut Store<T>, hosts: &mut HostValues, arg: &WastArg<'_>) -> Result<Val, String> {
    let WastArg::Core(arg) = arg else { return Err("a component value is no argument of a core function".into()) };
    Ok(match arg {
        WastArgCore::I32(v) => Val::I32(*v),
        WastArgCore::I64(v) => Val::I64(*v),
        WastArgCore::F32(v) => Val::F32(v.bits),
        WastArgCore::F64(v) => Val::F64(v.bits),
        WastArgCore::V128(v) => Val::V128(u128::from_le_bytes(v.to_le_bytes())),
        WastArgCore::RefNull(heap) => match hierarchy(heap) {
            Some(Hierarchy::Func) => Val::FuncRef(None),
            Some(Hierarchy::Extern) => Val::ExternRef(None),
            Some(Hierarchy::Exn) => Val::ExnRef(None),
            None => return Err(format!("no null of heap type {} in this engine", heap_name(heap))),
        },
        WastArgCore::RefExtern(n) => {
            let reference = match hosts.get(n) {
                Some(reference) => reference.clone(),
                None => {
                    let reference = ExternRef::new(&mut *store, HostValue(*n)).map_err(|e| e.to_string())?;
                    hosts.insert(*n, reference.clone());
                    reference
                }
            };
            Val::ExternRef(Some(reference))
        }
        WastArgCore::RefHost(n) => return Err(format!("no host value (ref.host {n}) as anyref in this engine")),
    })
}

/// The types of references that have values here.
enum Hierarchy {
    Func,
    Extern,
    Exn,
}

fn hierarchy(heap: &HeapType<'_>) -> Option<Hierarchy> {
    match heap {
        HeapType::Abstract { shared: false, ty } => match ty {
            AbstractHeapType::Func | AbstractHeapType::NoFunc => Some(Hierarchy::Func),
            AbstractHeapType::Extern | AbstractHeapType::NoExtern => Some(Hierarchy::Extern),
            AbstractHeapType::Exn | AbstractHeapType::NoExn => Some(Hierarchy::Exn),
            _ => None,
        },
        _ => None,
    }
}

/// A heap type as scripts write it.
fn heap_name(heap: &HeapType<'_>) -> String {
    match heap {
        HeapType::Abstract { shared: false, ty } => abstract_name(*ty).into(),
        HeapType::Abstract { shared: true, ty } => format!("(shared {})", abstract_name(*ty)),
        HeapType::Concrete(index) => index_name(index),
        HeapType::Exact(index) => format!("(exact {})", index_name(index)),
    }
}

fn abstract_name(ty: AbstractHeapType) -> &'static str {
    match ty {
        AbstractHeapType::Func => "func",
        AbstractHeapType::Extern => "extern",
        AbstractHeapType::Exn => "exn",
        AbstractHeapType::Cont => "cont",
        AbstractHeapType::Any => "any",
        AbstractHeapType::Eq => "eq",
        AbstractHeapType::Struct => "struct",
        AbstractHeapType::Array => "array",
        AbstractHeapType::I31 => "i31",
        AbstractHeapType::NoFunc => "nofunc",
        AbstractHeapType::NoExtern => "noextern",
        AbstractHeapType::None => "none",
        AbstractHeapType::NoExn => "noexn",
        AbstractHeapType::NoCont => "nocont",
    }
}

fn index_name(index: &Index<'_>) -> String {
    match index {
        Index::Num(n, _) => n.to_string(),
        Index::Id(id) => format!("${}", id.name()),
    }
}

/// Whether a value is what a pattern asks for.
pub(crate) fn matches<T: 'static>(store: &Store<T>, value: &Val, pattern: &WastRet<'_>) -> bool {
    match pattern {
        WastRet::Core(pattern) => matches_core(store, value, pattern),
        _ => false,
    }
}

fn matches_core<T: 'static>(store: &Store<T>, value: &Val, pattern: &WastRetCore<'_>) -> bool {
    match (pattern, value) {
        (WastRetCore::I32(p), Val::I32(v)) => p == v,
        (WastRetCore::I64(p), Val::I64(v)) => p == v,
        (WastRetCore::F32(p), Val::F32(v)) => f32_matches(p, *v),
        (WastRetCore::F64(p), Val::F64(v)) => f64_matches(p, *v),
        (WastRetCore::V128(p), Val::V128(v)) => v128_matches(p, v.to_le_bytes()),
        (WastRetCore::RefNull(None), Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None)) => true,
        (WastRetCore::RefNull(Some(heap)), Val::ExnRef(None)) => matches!(hierarchy(heap), Some(Hierarchy::Exn)),
        (WastRetCore::RefNull(Some(heap)), Val::FuncRef(None)) => matches!(hierarchy(heap), Some(Hierarchy::Func)),
        (WastRetCore::RefNull(Some(heap)), Val::ExternRef(None)) => matches!(hierarchy(heap), Some(Hierarchy::Extern)),
        (WastRetCore::RefExtern(None), Val::ExternRef(Some(_))) => true,
        (WastRetCore::RefExtern(Some(n)), Val::ExternRef(Some(r))) => host_number(store, r) == Some(*n),
        (WastRetCore::RefFunc(None), Val::FuncRef(Some(_))) => true,
        // The index in the module that defines the function: names are gone by now, and match nothing.
        (WastRetCore::RefFunc(Some(Index::Num(n, _))), Val::FuncRef(Some(f))) => f.index(store) == Some(*n),
        (WastRetCore::Either(patterns), value) => patterns.iter().any(|p| matches_core(store, value, p)),
        _ => false,
    }
}

fn host_number<T: 'static>(store: &Store<T>, reference: &ExternRef) -> Option<u32> {
    reference.data(store).downcast_ref::<HostValue>().map(|h| h.0)
}

fn f32_matches(pattern: &NanPattern<F32>, bits: u32) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(v) => v.bits == bits,
    }
}

fn f64_matches(pattern: &NanPattern<F64>, bits: u64) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(v) => v.bits == bits,
    }
}

/// The lanes of a vector, lowest first, each `N` bytes.
fn lanes<const N: usize>(bytes: [u8; 16]) -> impl Iterator<Item = [u8; N]> {
    (0..16 / N).map(move |i| std::array::from_fn(|j| bytes[i * N + j]))
}

fn v128_matches(pattern: &V128Pattern, bytes: [u8; 16]) -> bool {
    match pattern {
        V128Pattern::I8x16(p) => p.iter().copied().eq(lanes(bytes).map(i8::from_le_bytes)),
        V128Pattern::I16x8(p) => p.iter().copied().eq(lanes(bytes).map(i16::from_le_bytes)),
        V128Pattern::I32x4(p) => p.iter().copied().eq(lanes(bytes).map(i32::from_le_bytes)),
        V128Pattern::I64x2(p) => p.iter().copied().eq(lanes(bytes).map(i64::from_le_bytes)),
        V128Pattern::F32x4(p) => p.iter().zip(lanes(bytes)).all(|(p, l)| f32_matches(p, u32::from_le_bytes(l))),
        V128Pattern::F64x2(p) => p.iter().zip(lanes(bytes)).all(|(p, l)| f64_matches(p, u64::from_le_bytes(l))),
    }
}

/// Values as a script would write them; a vector's lanes have the shape of its pattern, if there is one.
pub(crate) fn show_values<T: 'static>(store: &Store<T>, values: &[Val], patterns: &[WastRet<'_>]) -> String {
    list(values.iter().enumerate().map(|(i, v)| show_value(store, v, patterns.get(i))))
}

/// Patterns as a script writes them.
pub(crate) fn show_patterns(patterns: &[WastRet<'_>]) -> String {
    list(patterns.iter().map(|p| match p {
        WastRet::Core(p) => show_pattern(p),
        _ => "(a component value)".to_string(),
    }))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let text = items.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "no results".into() } else { text }
}

/// A number as scripts write it; empty for vectors and references.
pub(crate) fn number(value: &Val) -> String {
    match value {
        Val::I32(v) => v.to_string(),
        Val::I64(v) => v.to_string(),
        Val::F32(v) => show_f32(*v),
        Val::F64(v) => show_f64(*v),
        Val::V128(_) | Val::FuncRef(_) | Val::ExternRef(_) | Val::ExnRef(_) => String::new(),
    }
}

fn show_value<T: 'static>(store: &Store<T>, value: &Val, pattern: Option<&WastRet<'_>>) -> String {
    match value {
        Val::I32(_) | Val::I64(_) | Val::F32(_) | Val::F64(_) => format!("({}.const {})", value.ty(), number(value)),
        Val::V128(v) => {
            let shape = match pattern {
                Some(WastRet::Core(WastRetCore::V128(p))) => Some(p),
                _ => None,
            };
            format!("(v128.const {})", show_v128(v.to_le_bytes(), shape))
        }
        Val::FuncRef(None) => "(ref.null func)".into(),
        Val::FuncRef(Some(f)) => match f.index(store) {
            Some(index) => format!("(ref.func {index})"),
            None => "(ref.func)".into(),
        },
        Val::ExternRef(None) => "(ref.null extern)".into(),
        Val::ExnRef(None) => "(ref.null exn)".into(),
        Val::ExnRef(Some(_)) => "(ref.exn)".into(),
        Val::ExternRef(Some(r)) => match host_number(store, r) {
            Some(n) => format!("(ref.extern {n})"),
            None => "(ref.extern)".into(),
        },
    }
}

fn show_f32(bits: u32) -> String {
    let value = f32::from_bits(bits);
    if value.is_nan() { format!("{}nan:{:#x}", sign(bits >> 31 != 0), bits & 0x7f_ffff) } else { format!("{value:?}") }
}

fn show_f64(bits: u64) -> String {
    let value = f64::from_bits(bits);
    if value.is_nan() { format!("{}nan:{:#x}", sign(bits >> 63 != 0), bits & 0xf_ffff_ffff_ffff) } else { format!("{value:?}") }
}

fn sign(negative: bool) -> &'static str {
    if negative { "-" } else { "" }
}

fn words<D: ToString>(shape: &str, lanes: impl Iterator<Item = D>) -> String {
    lanes.fold(shape.to_string(), |text, lane| text + " " + &lane.to_string())
}

fn show_v128(bytes: [u8; 16], shape: Option<&V128Pattern>) -> String {
    match shape {
        Some(V128Pattern::I8x16(_)) => words("i8x16", lanes(bytes).map(i8::from_le_bytes)),
        Some(V128Pattern::I16x8(_)) => words("i16x8", lanes(bytes).map(i16::from_le_bytes)),
        Some(V128Pattern::I64x2(_)) => words("i64x2", lanes(bytes).map(i64::from_le_bytes)),
        Some(V128Pattern::F32x4(_)) => words("f32x4", lanes(bytes).map(|l| show_f32(u32::from_le_bytes(l)))),
        Some(V128Pattern::F64x2(_)) => words("f64x2", lanes(bytes).map(|l| show_f64(u64::from_le_bytes(l)))),
        Some(V128Pattern::I32x4(_)) | None => words("i32x4", lanes(bytes).map(i32::from_le_bytes)),
    }
}

fn show_f32_pattern(pattern: &NanPattern<F32>) -> String {
    match pattern {
        NanPattern::CanonicalNan => "nan:canonical".into(),
        NanPattern::ArithmeticNan => "nan:arithmetic".into(),
        NanPattern::Value(v) => show_f32(v.bits),
    }
}

fn show_f64_pattern(pattern: &NanPattern<F64>) -> String {
    match pattern {
        NanPattern::CanonicalNan => "nan:canonical".into(),
        NanPattern::ArithmeticNan => "nan:arithmetic".into(),
        NanPattern::Value(v) => show_f64(v.bits),
    }
}

fn show_pattern(pattern: &WastRetCore<'_>) -> String {
    match pattern {
        WastRetCore::I32(v) => format!("(i32.const {v})"),
        WastRetCore::I64(v) => format!("(i64.const {v})"),
        WastRetCore::F32(p) => format!("(f32.const {})", show_f32_pattern(p)),
        WastRetCore::F64(p) => format!("(f64.const {})", show_f64_pattern(p)),
        WastRetCore::V128(p) => format!("(v128.const {})", show_v128_pattern(p)),
        WastRetCore::RefNull(None) => "(ref.null)".into(),
        WastRetCore::RefNull(Some(heap)) => format!("(ref.null {})", heap_name(heap)),
        WastRetCore::RefExtern(None) => "(ref.extern)".into(),
        WastRetCore::RefExtern(Some(n)) => format!("(ref.extern {n})"),
        WastRetCore::RefHost(n) => format!("(ref.host {n})"),
        WastRetCore::RefFunc(None) => "(ref.func)".into(),
        WastRetCore::RefFunc(Some(index)) => format!("(ref.func {})", index_name(index)),
        WastRetCore::RefAny => "(ref.any)".into(),
        WastRetCore::RefEq => "(ref.eq)".into(),
        WastRetCore::RefArray => "(ref.array)".into(),
        WastRetCore::RefStruct => "(ref.struct)".into(),
        WastRetCore::RefI31 => "(ref.i31)".into(),
        WastRetCore::RefI31Shared => "(ref.i31_shared)".into(),
        WastRetCore::Either(patterns) => {
            format!("(either {})", patterns.iter().map(show_pattern).collect::<Vec<_>>().join(" "))
        }
    }
}

fn show_v128_pattern(pattern: &V128Pattern) -> String {
    match pattern {
        V128Pattern::I8x16(p) => words("i8x16", p.iter()),
        V128Pattern::I16x8(p) => words("i16x8", p.iter()),
        V128Pattern::I32x4(p) => words("i32x4", p.iter()),
        V128Pattern::I64x2(p) => words("i64x2", p.iter()),
        V128Pattern::F32x4(p) => words("f32x4", p.iter().map(show_f32_pattern)),
        V128Pattern::F64x2(p) => words("f64x2", p.iter().map(show_f64_pattern)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_nan_is_one_payload_of_either_sign() {
        for (bits, canonical, arithmetic) in [
            (0x7fc0_0000, true, true),
            (0xffc0_0000, true, true),
            (0x7fc0_0001, false, true),
            (0xffff_ffff, false, true),
            (0x7fa0_0000, false, false),
            (0x7f80_0000, false, false),
            (0x4040_0000, false, false),
        ] {
            assert_eq!(f32_matches(&NanPattern::CanonicalNan, bits), canonical, "{bits:#x}");
            assert_eq!(f32_matches(&NanPattern::ArithmeticNan, bits), arithmetic, "{bits:#x}");
            let wide = f64::from(f32::from_bits(bits)).to_bits();
            // Converting quiets a signalling NaN; the others keep their kind.
            if bits != 0x7fa0_0000 {
                assert_eq!(f64_matches(&NanPattern::CanonicalNan, wide), canonical, "{wide:#x}");
                assert_eq!(f64_matches(&NanPattern::ArithmeticNan, wide), arithmetic, "{wide:#x}");
            }
        }
        assert!(!f64_matches(&NanPattern::ArithmeticNan, 0x7ff4_0000_0000_0000));
    }

    #[test]
    fn vectors_match_lane_by_lane() {
        let bytes: [u8; 16] = std::array::from_fn(|i| i as u8);
        let mut ints = [0i16; 8];
        for (i, lane) in ints.iter_mut().enumerate() {
            *lane = i16::from_le_bytes([2 * i as u8, 2 * i as u8 + 1]);
        }
        assert!(v128_matches(&V128Pattern::I16x8(ints), bytes));
        ints[7] += 1;
        assert!(!v128_matches(&V128Pattern::I16x8(ints), bytes));
        let nan = 0x7fc0_0000u32.to_le_bytes();
        let one = 1f32.to_le_bytes();
        let bytes: [u8; 16] = [nan, one, one, nan].concat().try_into().unwrap();
        let value = NanPattern::Value(F32 { bits: 1f32.to_bits() });
        let pattern = V128Pattern::F32x4([NanPattern::CanonicalNan, value, value, NanPattern::ArithmeticNan]);
        assert!(v128_matches(&pattern, bytes));
        let pattern = V128Pattern::F32x4([NanPattern::CanonicalNan, value, value, value]);
        assert!(!v128_matches(&pattern, bytes));
        assert_eq!(show_v128(bytes, Some(&pattern)), "f32x4 nan:0x400000 1.0 1.0 nan:0x400000");
        assert_eq!(show_v128_pattern(&pattern), "f32x4 nan:canonical 1.0 1.0 1.0");
    }
}
