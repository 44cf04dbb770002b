//! Host functions of many types, called in every way that compiled code has: arguments and results arrive bit
//! for bit, and what lives across the call is unharmed.

use sconce_engine::environ::abi::in_registers;
use sconce_engine::{
    BoundsStyle, CallStyle, Caller, Config, Engine, ExternRef, Func, FuncType, Instance, Linker, Module, RefType, Store, Tier,
    Val, ValType, WasmTy,
};
use std::fmt::Write;

type Funcref = Option<Func>;
type Externref = Option<ExternRef>;

/// What host functions were told, and what they shall answer.
#[derive(Default)]
struct Talk {
    told: Vec<Val>,
    answers: Vec<Val>,
}

/// A value as a Rust type.
trait FromVal {
    fn of(val: Val) -> Self;
}

macro_rules! from_val {
    ($($ty:ty = $pattern:pat => $value:expr;)*) => {$(
        impl FromVal for $ty {
            fn of(val: Val) -> $ty {
                match val {
                    $pattern => $value,
                    other => panic!("{other} is of another type"),
                }
            }
        }
    )*};
}

from_val! {
    i32 = Val::I32(v) => v;
    i64 = Val::I64(v) => v;
    f32 = Val::F32(v) => f32::from_bits(v);
    f64 = Val::F64(v) => f64::from_bits(v);
    u128 = Val::V128(v) => v;
    Funcref = Val::FuncRef(v) => v;
    Externref = Val::ExternRef(v) => v;
}

/// Defines a function of each type, named by its number, and gives the types.
macro_rules! functions {
    ($(($($param:ident $ty:ty),*) -> ($($result:ty),*);)*) => {
        #[expect(clippy::unused_unit, reason = "rows without results make closures that end in `()`")]
        fn define(linker: &mut Linker<Talk>) -> Vec<FuncType> {
            let mut types: Vec<FuncType> = Vec::new();
            $(
                let answer = |mut caller: Caller<'_, Talk>, $($param: $ty),*| -> ($($result,)*) {
                    let talk = caller.data_mut();
                    talk.told = vec![$(Val::from($param)),*];
                    #[allow(unused_mut, unused_variables)]
                    let mut answers = talk.answers.iter().cloned();
                    ($(<$result>::of(answers.next().expect("an answer")),)*)
                };
                linker.func_wrap("h", &types.len().to_string(), answer).unwrap();
                let (params, results) = ([$(<$ty as WasmTy>::TYPE),*], [$(<$result as WasmTy>::TYPE),*]);
                types.push(FuncType { params: params.into(), results: results.into() });
            )*
            types
        }
    };
}

functions! {
    () -> ();
    () -> (i32);
    (a0 i32) -> ();
    () -> (i64);
    (a0 i64) -> ();
    () -> (f32);
    (a0 f32) -> ();
    () -> (f64);
    (a0 f64) -> ();
    () -> (u128);
    (a0 u128) -> ();
    () -> (Funcref);
    (a0 Funcref) -> ();
    () -> (Externref);
    (a0 Externref) -> ();
    (a0 i32, a1 i32, a2 i32, a3 i32, a4 i32) -> (i32);
    (a0 i32, a1 i32, a2 i32, a3 i32, a4 i32, a5 i32) -> (i32);
    (a0 f32, a1 f32, a2 f32, a3 f32, a4 f32, a5 f32, a6 f32, a7 f32) -> (f32);
    (a0 f32, a1 f32, a2 f32, a3 f32, a4 f32, a5 f32, a6 f32, a7 f32, a8 f32) -> (f32);
    (a0 i64, a1 i64, a2 i64, a3 i64, a4 i64, a5 f64, a6 f64, a7 f64, a8 f64, a9 f64, a10 f64, a11 f64, a12 f64) -> (f64);
    (a0 u128, a1 u128, a2 u128, a3 u128, a4 u128, a5 u128, a6 u128, a7 u128, a8 Externref, a9 Externref, a10 Externref, a11 Externref, a12 Externref) -> (u128);
    (a0 u128, a1 u128, a2 u128, a3 u128, a4 u128, a5 u128, a6 u128, a7 u128, a8 u128, a9 i64) -> (Funcref);
    (a0 i32, a1 i32, a2 i32, a3 i32, a4 i32, a5 i32, a6 u128, a7 u128, a8 u128, a9 u128, a10 u128, a11 u128, a12 u128, a13 u128) -> (i64);
    (a0 i32, a1 i32, a2 u128, a3 i32, a4 Funcref, a5 Externref) -> (f64, i32);
    (a0 i32, a1 i32, a2 Externref) -> (i32, i64);
    (a0 f64, a1 u128, a2 f32, a3 f64, a4 f32, a5 u128, a6 f32, a7 f64) -> (Funcref, i32, u128, i32, u128, i64, f64, Funcref, u128);
    (a0 Externref, a1 Externref, a2 u128, a3 u128, a4 Funcref, a5 f32, a6 Funcref, a7 f32, a8 f32, a9 i64) -> (u128);
    (a0 u128, a1 Externref, a2 i64, a3 Externref, a4 i32, a5 Funcref) -> (u128, Externref, f64);
    (a0 Funcref) -> (Funcref, Funcref, i32);
    (a0 u128, a1 u128, a2 u128) -> (Funcref, f32);
    (a0 f64, a1 f64, a2 f32, a3 f64, a4 f32, a5 f32, a6 f32, a7 u128) -> (f64);
    (a0 Externref, a1 f64, a2 f32, a3 i64, a4 f32, a5 u128, a6 f32, a7 Externref, a8 f64, a9 Funcref, a10 f32, a11 f32, a12 Funcref) -> (i64);
    (a0 f32, a1 f32, a2 Externref, a3 f32, a4 f64, a5 u128, a6 Externref, a7 f64, a8 f32, a9 f32, a10 i32, a11 f64, a12 Externref, a13 Externref, a14 Externref) -> (i64, Funcref);
    (a0 i32, a1 f64, a2 f64, a3 f64, a4 f64, a5 f64, a6 Funcref, a7 i32, a8 Externref) -> (i32, i64, u128, f32, i64, Funcref, u128, i32, Externref);
    (a0 u128, a1 i32, a2 Funcref, a3 u128, a4 u128, a5 Funcref, a6 Funcref, a7 i64, a8 i64) -> (u128);
    (a0 Funcref, a1 Funcref, a2 f64, a3 Externref, a4 u128, a5 i32, a6 u128, a7 i32, a8 f64, a9 f32) -> (f64);
    (a0 f32, a1 i64, a2 f64, a3 Externref, a4 u128, a5 i32, a6 i32, a7 f64, a8 i32, a9 u128, a10 f64, a11 Funcref, a12 f64, a13 Externref, a14 f64, a15 f32) -> (u128);
    (a0 Externref, a1 f32, a2 i64, a3 i64, a4 i32, a5 i32, a6 i32) -> (f32);
    (a0 Externref, a1 u128, a2 i32, a3 u128, a4 f64, a5 i64, a6 Externref, a7 f32, a8 f32, a9 f32, a10 Funcref, a11 i64, a12 u128) -> (u128);
    (a0 f64, a1 f32) -> (u128);
    (a0 f64, a1 Externref, a2 f64, a3 u128, a4 i32, a5 u128, a6 i32, a7 f64, a8 Funcref, a9 f32, a10 i64, a11 u128, a12 u128) -> (Funcref);
    (a0 f64, a1 f32, a2 u128, a3 f32, a4 i32, a5 u128, a6 i64, a7 u128, a8 Funcref, a9 f32) -> (i64);
    (a0 i64, a1 Externref, a2 f32, a3 Funcref, a4 f64, a5 f64, a6 f64, a7 Funcref, a8 f64, a9 f32, a10 Externref, a11 u128, a12 u128) -> (f32);
    (a0 f64) -> (Externref);
    (a0 i64, a1 f32, a2 i32, a3 f64, a4 u128, a5 Externref, a6 Funcref, a7 Externref) -> (i32);
    (a0 u128, a1 Externref, a2 Externref, a3 f64, a4 Funcref, a5 Funcref, a6 i32, a7 i32, a8 i32) -> ();
    (a0 f32, a1 Funcref, a2 Funcref, a3 u128) -> (f32);
    (a0 f32, a1 f32, a2 f32) -> (f64, i64, f64, i32, Funcref, Externref, Funcref, f64, Funcref);
    (a0 f64, a1 f32, a2 f32, a3 u128, a4 i64, a5 u128, a6 f64, a7 f32, a8 u128, a9 Funcref, a10 Funcref, a11 Externref, a12 i64) -> (i32);
    (a0 Funcref, a1 i32, a2 i64, a3 f64, a4 Funcref, a5 Externref) -> (i64);
    (a0 i32, a1 i32, a2 Externref, a3 f64, a4 Funcref, a5 Externref) -> (f32);
    (a0 u128, a1 Externref) -> (i32, f32);
    (a0 u128, a1 Funcref, a2 i32, a3 f64, a4 Externref, a5 i64) -> (i64, u128, Externref, u128, u128, Externref, Externref, Externref, i32);
    (a0 i32, a1 f64, a2 Externref, a3 i64, a4 i32, a5 Funcref, a6 i32, a7 u128, a8 i32) -> (Externref, i32, Funcref);
    (a0 f64, a1 u128, a2 Funcref, a3 Externref, a4 u128, a5 f32, a6 f32, a7 Funcref, a8 i32, a9 i32, a10 u128, a11 i32, a12 f32, a13 f64) -> (i32);
    (a0 Externref, a1 i64, a2 Funcref, a3 Externref, a4 i32) -> (Externref, i32, u128);
    (a0 f32, a1 i32, a2 Externref, a3 i32, a4 f64, a5 f64) -> (i32);
    (a0 Funcref, a1 Funcref, a2 i64, a3 Funcref, a4 i32, a5 i64, a6 Funcref) -> ();
}

fn name(ty: &ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "v128",
        ty if *ty == ValType::FUNCREF => "funcref",
        _ => "externref",
    }
}

fn names(types: &[ValType]) -> String {
    types.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// For each type four functions that call the host's: directly, with dirt above 32-bit arguments; inside a
/// try region; through a table; and in a tail call. The first three give their own arguments behind the
/// results, which live across the call.
fn module(types: &[FuncType]) -> String {
    let mut text = String::from("(module ");
    for (n, ty) in types.iter().enumerate() {
        writeln!(text, "(type $t{n} (func (param {}) (result {})))", names(&ty.params), names(&ty.results)).unwrap();
    }
    for n in 0..types.len() {
        writeln!(text, "(import \"h\" \"{n}\" (func $h{n} (type $t{n})))").unwrap();
    }
    text += "(memory 1) (func (export \"any\"))";
    let elements: String = (0..types.len()).map(|n| format!(" $h{n}")).collect();
    writeln!(text, "(table $t {0} {0} funcref) (elem (table $t) (i32.const 0) func {elements})", types.len()).unwrap();
    for (n, ty) in types.iter().enumerate() {
        let (params, results) = (names(&ty.params), names(&ty.results));
        let plain: String = (0..ty.params.len()).map(|i| format!("(local.get {i}) ")).collect();
        let dirty: String = ty.params.iter().enumerate().fold(String::new(), |text, (i, ty)| {
            text + &match ty {
                ValType::I32 => format!(
                    "(i32.wrap_i64 (i64.or (i64.extend_i32_u (local.get {i})) (i64.shl (i64.load (i32.const 8)) (i64.const 32)))) "
                ),
                _ => format!("(local.get {i}) "),
            }
        });
        write!(
            text,
            r#"(func (export "direct {n}") (param {params}) (result {results} {params})
                (i64.store (i32.const 8) (i64.const 0x1234567876543210)) (call $h{n} {dirty}) {plain})
            (func (export "region {n}") (param {params}) (result {results} {params})
                (block (try_table (result {results}) (catch_all 0) (call $h{n} {plain})) {plain} (return)) (unreachable))
            (func (export "table {n}") (param {params}) (result {results} {params})
                (call_indirect $t (type $t{n}) {plain} (i32.const {n})) {plain})
            (func (export "tail {n}") (type $t{n}) (return_call $h{n} {plain}))
            "#
        )
        .unwrap();
        if *ty.results == [ValType::I32] {
            // What is above a 32-bit result is nobody's.
            write!(text, r#"(func (export "wide {n}") (param {params}) (result i64) (i64.extend_i32_u (call $h{n} {plain})))"#)
                .unwrap();
        }
    }
    text + ")"
}

/// The `n`-th value of a type: nothing, all bits, or some.
fn value(store: &mut Store<Talk>, any: Func, ty: ValType, n: u64) -> Val {
    let bits = match n % 5 {
        0 => 0,
        1 => u64::MAX,
        _ => n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 61,
    };
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits),
        ValType::V128 => Val::V128(u128::from(bits) << 64 | u128::from(!bits.rotate_left(7))),
        ValType::Ref(RefType::FUNCREF) => Val::FuncRef((!n.is_multiple_of(5)).then_some(any)),
        _ => Val::ExternRef((!n.is_multiple_of(5)).then(|| ExternRef::new(store, n).unwrap())),
    }
}

fn check(engine: &Engine) {
    let mut linker = Linker::new(engine);
    let types = define(&mut linker);
    let mut store = Store::new(engine, Talk::default()).unwrap();
    let text = module(&types);
    let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let instance: Instance = linker.instantiate(&mut store, &module).unwrap();
    let any = instance.get_func(&mut store, "any").unwrap();
    let mut next = 0;
    let mut values = |store: &mut Store<Talk>, types: &[ValType]| -> Vec<Val> {
        let mut value = |&ty| {
            next += 1;
            value(store, any, ty, next)
        };
        types.iter().map(&mut value).collect()
    };
    for (n, ty) in types.iter().enumerate() {
        for way in ["direct", "region", "table", "tail", "wide"] {
            let Some(func) = instance.get_func(&mut store, &format!("{way} {n}")) else {
                assert!(way == "wide");
                continue;
            };
            for _ in 0..5 {
                let (args, answers) = (values(&mut store, &ty.params), values(&mut store, &ty.results));
                *store.data_mut() = Talk { told: vec![], answers: answers.clone() };
                let mut got: Vec<Val> = func.ty(&store).results.iter().map(|&ty| Val::default_for(ty)).collect();
                func.call(&mut store, &args, &mut got).unwrap();
                let what = || format!("{way} {n} ({}) -> ({})", names(&ty.params), names(&ty.results));
                assert_eq!(store.data().told, args, "{}", what());
                let expected = match (way, &answers[..]) {
                    ("wide", [Val::I32(answer)]) => vec![Val::I64(i64::from(answer.cast_unsigned()))],
                    ("tail", _) => answers,
                    _ => [answers, args].concat(),
                };
                assert_eq!(got, expected, "{}", what());
            }
        }
    }
    store.verify_references();
    // Of both kinds there are many.
    let in_place = types.iter().filter(|ty| in_registers(ty)).count();
    assert!(in_place > 30 && types.len() - in_place > 15, "{in_place} of {}", types.len());
}

#[test]
fn host_functions_of_many_types() {
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
            for calls in [CallStyle::Direct, CallStyle::Slots] {
                let stress = (bounds, calls) == (BoundsStyle::Explicit, CallStyle::Slots);
                let config = Config::new().tier(tier).bounds(Some(bounds)).calls(calls).gc_stress(stress);
                println!("{tier:?} {bounds:?} {calls:?}");
                check(&Engine::new(&config).unwrap());
            }
        }
    }
}
