//! Loads whose value is used by the operator behind them, and by no other: a compiler may make one
//! instruction of both. Every load, every such user and constants at each width's edges give what they give
//! through a local; and what is outside traps at the load's offset.

use sconce_engine::{Engine, Error, TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::fmt::Write;

/// Type of the value, the load, bytes.
const LOADS: [(&str, &str, u64); 12] = [
    ("i32", "i32.load", 4),
    ("i32", "i32.load8_s", 1),
    ("i32", "i32.load8_u", 1),
    ("i32", "i32.load16_s", 2),
    ("i32", "i32.load16_u", 2),
    ("i64", "i64.load", 8),
    ("i64", "i64.load8_s", 1),
    ("i64", "i64.load8_u", 1),
    ("i64", "i64.load16_s", 2),
    ("i64", "i64.load16_u", 2),
    ("i64", "i64.load32_s", 4),
    ("i64", "i64.load32_u", 4),
];
const COMPARISONS: [&str; 10] = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"];
const ARITHMETIC: [&str; 5] = ["add", "sub", "and", "or", "xor"];
const CONSTANTS: [i64; 26] = [
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    255,
    256,
    32767,
    32768,
    -32768,
    -32769,
    65408,
    65535,
    65536,
    0x7fff_ffff,
    0x8000_0000,
    -0x8000_0000,
    -0x8000_0001,
    0xffff_ff80,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0080,
    i64::MIN,
    i64::MAX,
];
/// What is read.
const DATA: [u64; 8] =
    [0, u64::MAX, 0x80, 0x7fff_ffff_ffff_ff7f, 0x8000_0000_8000_8080, 0x7fff_7f7f_7f7f, 0xff80_ff80_ff80_ff80, 0x1_0000_0001];
const MEMORIES: [(&str, &str); 4] =
    [("i32", "(memory 1)"), ("i32", "(memory 1 1 shared)"), ("i64", "(memory i64 1)"), ("i32", "(memory 0) (memory $other 1)")];

/// The constants of a type, each once.
fn constants(ty: &str) -> Vec<i64> {
    let mut all: Vec<i64> = CONSTANTS.iter().map(|&c| if ty == "i32" { i64::from(c as i32) } else { c }).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The users of a loaded value, as expressions of type i64; `$x` and `$f` are operands, and what is asked is folded into `$sum`.
fn users(ty: &str, value: &str) -> Vec<String> {
    let wide = |e: String| if ty == "i32" { format!("(i64.extend_i32_u {e})") } else { e };
    let bit = |e: &str| format!("(i64.extend_i32_u {e})");
    let mut all = vec![
        bit(&format!("({ty}.eqz {value})")),
        format!("(if (result i64) ({ty}.eqz {value}) (then (i64.const 2)) (else (i64.const 3)))"),
        format!("(select (i64.const 4) (i64.const 5) ({ty}.eqz {value}))"),
        format!("(block $b (result i64) (br_if $b (i64.const 6) ({ty}.eqz {value})) (drop) (i64.const 7))"),
    ];
    if ty == "i32" {
        all.push(format!("(if (result i64) {value} (then (i64.const 2)) (else (i64.const 3)))"));
        all.push(format!("(select (i64.const 4) (i64.const 5) {value})"));
        all.push(format!("(block $b (result i64) (br_if $b (i64.const 6) {value}) (drop) (i64.const 7))"));
    }
    for op in COMPARISONS {
        all.push(bit(&format!("({ty}.{op} {value} (local.get $x))")));
        all.push(bit(&format!("({ty}.{op} (local.get $x) {value})")));
        all.push(bit(&format!("({ty}.{op} ({ty}.mul (local.get $x) (local.get $x)) {value})")));
        all.push(format!("(select (i64.const 4) (i64.const 5) ({ty}.{op} {value} (local.get $x)))"));
        for constant in constants(ty) {
            all.push(bit(&format!("({ty}.{op} {value} ({ty}.const {constant}))")));
            all.push(format!("(select (i64.const 4) (i64.const 5) ({ty}.{op} ({ty}.const {constant}) {value}))"));
        }
    }
    for op in ARITHMETIC {
        all.push(wide(format!("({ty}.{op} ({ty}.mul (local.get $x) (local.get $x)) {value})")));
        all.push(wide(format!("({ty}.{op} (local.get $x) {value})")));
        all.push(wide(format!("(local.tee $x ({ty}.{op} (local.get $x) {value}))")));
        // What the local was is still wanted.
        all.push(wide(format!("({ty}.mul (local.get $x) (local.tee $x ({ty}.{op} (local.get $x) {value})))")));
    }
    all.push(format!("(select (i64.const 4) (i64.const 5) ({ty}.eqz ({ty}.and (local.get $x) {value})))"));
    for constant in constants(ty) {
        all.push(format!("(select (i64.const 4) (i64.const 5) ({ty}.eqz ({ty}.and {value} ({ty}.const {constant}))))"));
    }
    if value.contains("i64.load ") || value.contains("$v64") {
        let float = value.replace("i64.load", "f64.load").replace("(local.get $v64)", "(f64.reinterpret_i64 (local.get $v64))");
        for op in ["add", "sub", "mul", "div"] {
            all.push(format!("(i64.trunc_sat_f64_s (f64.{op} (f64.abs (local.get $f)) {float}))"));
            all.push(format!("(i64.trunc_sat_f64_s (f64.{op} (local.get $f) {float}))"));
            all.push(format!("(i64.trunc_sat_f64_s (local.tee $f (f64.{op} (local.get $f) {float})))"));
        }
    }
    all
}

/// For each load two functions of an address and an operand: one in which users come right behind loads, and one in which not.
fn module(memory: &str, index: &str) -> String {
    let which = if memory.contains("$other") { "$other " } else { "" };
    let mut text = format!("(module {memory}\n");
    for (n, &value) in DATA.iter().enumerate() {
        let bytes: String = value.to_le_bytes().iter().map(|b| format!("\\{b:02x}")).collect();
        for at in [8 * n, 65536 - 8 * (n + 1)] {
            let _ = writeln!(
                text,
                "(data (memory {}) ({index}.const {at}) \"{bytes}\")",
                if which.is_empty() { "0" } else { "$other" }
            );
        }
    }
    for (ty, load, _) in LOADS {
        let fused = format!("({load} {which}(local.get $p))");
        let local = if load == "i64.load" { "$v64" } else { "$v" };
        for (name, value) in [("fused", fused.clone()), ("plain", format!("(local.get {local})"))] {
            let _ = writeln!(
                text,
                "(func (export \"{name} {load}\") (param $p {index}) (param $x {ty}) (result i64) (local {local} {ty}) (local $sum i64) (local $f f64)
                 (local.set $f (f64.const 1.5))"
            );
            for user in users(ty, &value) {
                if name == "plain" {
                    let _ = writeln!(text, "(local.set {local} {fused}) (nop)");
                }
                let _ = writeln!(text, "(local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 7)) {user}))");
            }
            let _ = writeln!(text, "(local.get $sum))");
        }
    }
    text.push(')');
    text
}

fn address(index: &str, at: u64) -> Val {
    if index == "i64" { Val::I64(at.cast_signed()) } else { Val::I32(at as i32) }
}

#[test]
fn users_get_what_was_loaded() {
    for (index, memory) in MEMORIES {
        let text = module(memory, index);
        for_each_style(|engine| {
            let mut guest = Guest::new(engine, &text);
            for (ty, load, bytes) in LOADS {
                let addresses = (0..8).map(|n| 8 * n).chain([65536 - bytes, 65536 - 8]);
                for (at, x) in addresses.flat_map(|at| [0, 1, -1, 0x80, 0x7fff_ffff].map(|x| (at, x))) {
                    let x = if ty == "i64" { Val::I64(x) } else { Val::I32(x as i32) };
                    let args = [address(index, at), x];
                    let [fused, plain] = ["fused", "plain"].map(|name| guest.call(&format!("{name} {load}"), &args));
                    assert_eq!(format!("{fused:?}"), format!("{plain:?}"), "{load} at {at}, {args:?}, {memory}");
                }
                for outside in [65536 - bytes + 1, 65536, 0xffff_ffff] {
                    let x = if ty == "i64" { Val::I64(1) } else { Val::I32(1) };
                    let code = guest.trap(&format!("fused {load}"), &[address(index, outside), x]);
                    assert_eq!(code, TrapCode::MemoryOutOfBounds, "{load} at {outside}, {memory}");
                }
            }
        });
    }
}

/// Bodies with one load each, which traps for the last byte's address, at static offsets on both sides of where a guard ends.
fn trap_cases(index: &str, offset: u64) -> Vec<String> {
    let load = |op: &str| format!("({op} offset={offset} (local.get $p))");
    let mut all = Vec::new();
    for (ty, op, bytes) in LOADS {
        if bytes == 1 && offset == 0 {
            continue;
        }
        let value = load(op);
        all.push(format!("(if ({ty}.eqz {value}) (then (unreachable)))"));
        all.push(format!("(if ({ty}.lt_u {value} ({ty}.const 7)) (then (unreachable)))"));
        all.push(format!("(if ({ty}.eq {value} (local.get ${ty})) (then (unreachable)))"));
        all.push(format!("(if ({ty}.ge_s (local.get ${ty}) {value}) (then (unreachable)))"));
        all.push(format!("(if ({ty}.eqz ({ty}.and {value} ({ty}.const 7))) (then (unreachable)))"));
        all.push(format!("(local.set ${ty} ({ty}.sub (local.get ${ty}) {value}))"));
        // What the right operand's load would be part of traps too, but later.
        all.push(format!("(drop ({ty}.div_u (local.get ${ty}) ({ty}.sub (local.get ${ty}) {value})))"));
    }
    all.push(format!("(local.set $f64 (f64.mul (local.get $f64) {}))", load("f64.load")));
    all.push(format!("(local.set $f32 (f32.add (local.get $f32) {}))", load("f32.load")));
    all.iter()
        .map(|body| {
            format!(
                "(module {{memory}} (func (export \"f\") (param $p {index}) (local $i32 i32) (local $i64 i64) (local $f64 f64) (local $f32 f32) (nop) {body}))"
            )
        })
        .collect()
}

#[test]
fn the_trap_is_the_loads() {
    for (index, memory) in MEMORIES {
        if memory.contains("$other") {
            continue;
        }
        for offset in [0, (1 << 31) - 1, 1 << 31, (1 << 32) - 1] {
            for text in trap_cases(index, offset).iter().map(|text| text.replace("{memory}", memory)) {
                let binary = sconce_engine::text::to_binary(text.as_bytes()).unwrap();
                for_each_style(|engine| {
                    let opcode = opcode_of_trap(engine, &text, &binary, &[address(index, 65535)]);
                    assert!((0x28..=0x35).contains(&opcode), "{opcode:#x}: {text}");
                });
            }
        }
    }
}

/// The opcode at the offset that the trap has.
fn opcode_of_trap(engine: &Engine, text: &str, binary: &[u8], args: &[Val]) -> u8 {
    let error: Error = Guest::new(engine, text).try_call("f", args).unwrap_err();
    assert_eq!(error.trap_code(), Some(TrapCode::MemoryOutOfBounds), "{text}");
    binary[error.backtrace().unwrap().frames[0].wasm_offset.unwrap() as usize]
}
