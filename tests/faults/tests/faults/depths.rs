//! Operators that call the runtime on one of two ways, with any number of operands below them: each operand is what it was, and
//! what is compared is what the operator says.
//!
//! Lightbeam keeps at most 32 operands elsewhere than in the frame. What it does when there are more happened between a jump
//! and its target once, and in the scratch register that a type id was in.

use sconce_engine::{TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::fmt::Write;

/// As far as operands go: beyond twice what may be out of the frame.
const DEPTHS: std::ops::RangeInclusive<usize> = 0..=80;

/// Entries: of the type, of a subtype, of one two levels below, of another type, and null.
const TYPES: &str = r#"
    (rec (type $t (sub (func (param i32) (result i32)))) (type $side (sub (func (param i32) (result i32)))))
    (type $s (sub $t (func (param i32) (result i32))))
    (type $u (sub final $s (func (param i32) (result i32))))
    (table $table funcref (elem $ft $fs $fu $fside $null))
    (func $null)
    (func $ft (type $t) (i32.add (local.get 0) (i32.const 1)))
    (func $fs (type $s) (i32.add (local.get 0) (i32.const 2)))
    (func $fu (type $u) (i32.add (local.get 0) (i32.const 3)))
    (func $fside (type $side) (i32.add (local.get 0) (i32.const 4)))
    (func (export "init") (table.set $table (i32.const 4) (ref.null func)))
"#;

/// What an operand is made of; the value is the same.
fn operand(text: &mut String, n: usize) -> i32 {
    let value = (n * n + 7) as i32;
    let _ = match n % 5 {
        0 | 1 => write!(text, "(local.get {})", n + 1),
        2 => write!(text, "(i32.sub (local.get {}) (local.get 0))(local.get 0)(i32.add)", n + 1),
        3 => write!(text, "(i32.const {value})"),
        _ => write!(text, "(i32.wrap_i64 (i64.extend_i32_u (local.get {})))", n + 1),
    };
    value
}

/// A function for each depth: operands, then `operator`, which gives an i32, then all of it added up so that the order counts.
fn functions(operator: &str) -> (String, Vec<Vec<i32>>) {
    let (mut text, mut operands) = (String::new(), Vec::new());
    for depth in DEPTHS {
        let _ = write!(text, "(func (export \"{depth}\") (param i32) (result i32) (local {})", "i32 ".repeat(depth));
        for n in 0..depth {
            let _ = write!(text, "(local.set {} (i32.const {}))", n + 1, n * n + 7);
        }
        operands.push((0..depth).map(|n| operand(&mut text, n)).collect());
        text += operator;
        text += &"(i32.mul (i32.const 31))(i32.add)".repeat(depth);
        text += ")\n";
    }
    (text, operands)
}

fn expected(operands: &[i32], result: i32) -> i32 {
    operands.iter().rev().fold(result, |sum, &operand| sum.wrapping_mul(31).wrapping_add(operand))
}

#[test]
fn indirect_calls_of_open_types() {
    let operator = "(i32.const 100) (local.get 0) (call_indirect $table (type $t))";
    let (text, operands) = functions(operator);
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &format!("(module {TYPES} {text})"));
        guest.call("init", &[]);
        for (depth, operands) in DEPTHS.zip(&operands) {
            let name = depth.to_string();
            for (index, result) in [(0, 101), (1, 102), (2, 103)] {
                let got = guest.call(&name, &[Val::I32(index)]);
                assert_eq!(got, [Val::I32(expected(operands, result))], "entry {index} with {depth} operands below");
            }
            for (index, code) in
                [(3, TrapCode::IndirectCallTypeMismatch), (4, TrapCode::UninitializedElement), (5, TrapCode::UndefinedElement)]
            {
                assert_eq!(guest.trap(&name, &[Val::I32(index)]), code, "entry {index} with {depth} operands below");
            }
        }
    });
}

/// The id that is compared is the type's own, whatever the operands are: each entry's type id is tried as an operand's value.
#[test]
fn operands_are_no_type_ids() {
    let mut text = String::new();
    for depth in DEPTHS {
        let _ = write!(text, "(func (export \"{depth}\") (param i32 i32) (result i32) (local {})", "i32 ".repeat(depth));
        for n in 0..depth {
            let _ = write!(text, "(local.set {} (local.get 1))", n + 2);
        }
        for n in 0..depth {
            let _ = write!(text, "(local.get {})", n + 2);
        }
        text += "(i32.const 100) (local.get 0) (call_indirect $table (type $t)) (return))\n";
    }
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &format!("(module {TYPES} {text})"));
        for depth in DEPTHS {
            for id in 0..8 {
                let code = guest.trap(&depth.to_string(), &[Val::I32(3), Val::I32(id)]);
                assert_eq!(code, TrapCode::IndirectCallTypeMismatch, "{depth} operands that are {id}");
            }
        }
    });
}
