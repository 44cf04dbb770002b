//! Operators that trap on some operands, with operands from parameters and from literals.

use sconce_engine::{TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::fmt::Write;

/// A call of one operator and what comes of it.
struct Case {
    /// `i32.div_s`.
    op: &'static str,
    /// Operands, as literals of its type.
    operands: Vec<String>,
    /// The result as a literal, or the trap.
    result: Result<String, TrapCode>,
}

fn divisions() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ty, min, bits) in [("i32", i64::from(i32::MIN), 32), ("i64", i64::MIN, 64)] {
        let ops: [&'static str; 4] = match ty {
            "i32" => ["i32.div_s", "i32.div_u", "i32.rem_s", "i32.rem_u"],
            _ => ["i64.div_s", "i64.div_u", "i64.rem_s", "i64.rem_u"],
        };
        let unsigned = |v: i64| if bits == 32 { u64::from(v as u32) } else { v as u64 };
        let values = [0, 1, -1, 2, -2, 7, min, min + 1, -(min + 1)];
        for a in values {
            for b in values {
                let results = [
                    if b == 0 {
                        Err(TrapCode::IntegerDivideByZero)
                    } else if a == min && b == -1 {
                        Err(TrapCode::IntegerOverflow)
                    } else {
                        Ok(a / b)
                    },
                    if b == 0 { Err(TrapCode::IntegerDivideByZero) } else { Ok((unsigned(a) / unsigned(b)) as i64) },
                    if b == 0 { Err(TrapCode::IntegerDivideByZero) } else { Ok(a.wrapping_rem(b)) },
                    if b == 0 { Err(TrapCode::IntegerDivideByZero) } else { Ok((unsigned(a) % unsigned(b)) as i64) },
                ];
                for (op, result) in ops.into_iter().zip(results) {
                    // Literals of 32 bits are taken modulo 2^32.
                    let literal = |v: i64| if bits == 32 { (v as i32).to_string() } else { v.to_string() };
                    cases.push(Case { op, operands: vec![literal(a), literal(b)], result: result.map(literal) });
                }
            }
        }
    }
    cases
}

fn truncations() -> Vec<Case> {
    use TrapCode::{IntegerOverflow as Big, InvalidConversionToInteger as Nan};
    let mut cases = Vec::new();
    let mut add = |op: &'static str, rows: &[(&str, Result<&str, TrapCode>)]| {
        for (operand, result) in rows {
            cases.push(Case { op, operands: vec![operand.to_string()], result: result.map(str::to_string) });
        }
        for (operand, code) in [("nan", Nan), ("-nan", Nan), ("inf", Big), ("-inf", Big)] {
            cases.push(Case { op, operands: vec![operand.to_string()], result: Err(code) });
        }
    };
    // The last value that fits and the first that does not, on both sides, as the float type has them.
    add(
        "i32.trunc_f32_s",
        &[
            ("2147483520", Ok("2147483520")),
            ("2147483648", Err(Big)),
            ("-2147483648", Ok("-2147483648")),
            ("-2147483904", Err(Big)),
        ],
    );
    add("i32.trunc_f32_u", &[("4294967040", Ok("-256")), ("4294967296", Err(Big)), ("-0.99999994", Ok("0")), ("-1", Err(Big))]);
    add(
        "i32.trunc_f64_s",
        &[
            ("2147483647.9999998", Ok("2147483647")),
            ("2147483648", Err(Big)),
            ("-2147483648.9999995", Ok("-2147483648")),
            ("-2147483649", Err(Big)),
        ],
    );
    add(
        "i32.trunc_f64_u",
        &[("4294967295.9999995", Ok("-1")), ("4294967296", Err(Big)), ("-0.9999999999999999", Ok("0")), ("-1", Err(Big))],
    );
    add(
        "i64.trunc_f32_s",
        &[
            ("9223371487098961920", Ok("9223371487098961920")),
            ("9223372036854775808", Err(Big)),
            ("-9223372036854775808", Ok("-9223372036854775808")),
            ("-9223373136366403584", Err(Big)),
        ],
    );
    add(
        "i64.trunc_f32_u",
        &[
            ("18446742974197923840", Ok("-1099511627776")),
            ("18446744073709551616", Err(Big)),
            ("-0.99999994", Ok("0")),
            ("-1", Err(Big)),
        ],
    );
    add(
        "i64.trunc_f64_s",
        &[
            ("9223372036854774784", Ok("9223372036854774784")),
            ("9223372036854775808", Err(Big)),
            ("-9223372036854775808", Ok("-9223372036854775808")),
            ("-9223372036854777856", Err(Big)),
        ],
    );
    add(
        "i64.trunc_f64_u",
        &[
            ("18446744073709549568", Ok("-2048")),
            ("18446744073709551616", Err(Big)),
            ("-0.9999999999999999", Ok("0")),
            ("-1", Err(Big)),
        ],
    );
    cases
}

/// The type of an operator's operands: what follows the last `_f` for conversions, else what stands before the point.
fn operand_type(op: &str) -> &'static str {
    match op.split_once("trunc_").map_or(&op[..3], |(_, from)| &from[..3]) {
        "i32" => "i32",
        "i64" => "i64",
        "f32" => "f32",
        _ => "f64",
    }
}

/// One exported function a case, `c<number><forms>`, where a form is `p` for an operand from a parameter, `l` for a literal.
/// Each gives 1 if the result is right, so that only traps and wrong results need telling apart. In the tenth of them the
/// result is dropped, which must not drop the trap.
fn module(cases: &[Case]) -> (String, Vec<(String, usize)>) {
    let (mut text, mut names) = (String::from("(module\n"), Vec::new());
    for (i, case) in cases.iter().enumerate() {
        let ty = operand_type(case.op);
        let result = &case.op[..3];
        let n = case.operands.len();
        for forms in 0..1 << n {
            let is_literal = |j: usize| forms >> j & 1 == 1;
            let name = format!("c{i}{}", (0..n).map(|j| if is_literal(j) { 'l' } else { 'p' }).collect::<String>());
            let mut operation = format!("({}", case.op);
            for (j, operand) in case.operands.iter().enumerate() {
                let get = if is_literal(j) { format!(" ({ty}.const {operand})") } else { format!(" (local.get {j})") };
                operation.push_str(&get);
            }
            operation.push(')');
            let params = vec![ty; n].join(" ");
            let body = match &case.result {
                Ok(value) => format!("({result}.eq {operation} ({result}.const {value}))"),
                Err(_) if i % 10 == 0 => format!("(drop {operation}) (i32.const 2)"),
                Err(_) => format!("{operation} (drop) (i32.const 2)"),
            };
            writeln!(text, "(func ${name} (param {params}) (result i32) {body})").unwrap();
            let args: String = case.operands.iter().map(|o| format!(" ({ty}.const {o})")).collect();
            writeln!(text, "(func (export \"{name}\") (result i32) (call ${name}{args}))").unwrap();
            names.push((name, i));
        }
    }
    text.push(')');
    (text, names)
}

fn check(cases: &[Case]) {
    let (text, names) = module(cases);
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &text);
        for (name, i) in &names {
            let case = &cases[*i];
            match &case.result {
                Ok(value) => assert_eq!(guest.call(name, &[]), [Val::I32(1)], "{} {:?} is not {value}", case.op, case.operands),
                Err(code) => assert_eq!(guest.trap(name, &[]), *code, "{} {:?} ({name})", case.op, case.operands),
            }
        }
    });
}

#[test]
fn integer_division() {
    check(&divisions());
}

#[test]
fn float_to_integer() {
    check(&truncations());
}

#[test]
fn unreachable() {
    for_each_style(|engine| {
        let mut guest = Guest::new(
            engine,
            r#"(module
                (func (export "plain") unreachable)
                (func $inner (param i32) (result i32) (if (local.get 0) (then unreachable)) (i32.const 3))
                (func (export "nested") (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1))))"#,
        );
        assert_eq!(guest.trap("plain", &[]), TrapCode::Unreachable);
        assert_eq!(guest.trap("nested", &[Val::I32(1)]), TrapCode::Unreachable);
        assert_eq!(guest.call("nested", &[Val::I32(0)]), [Val::I32(4)]);
        let error = guest.try_call("nested", &[Val::I32(1)]).unwrap_err();
        let frames: Vec<u32> = error.backtrace().unwrap().frames.iter().map(|f| f.func.as_u32()).collect();
        assert_eq!(frames, [1, 2]);
    });
}
