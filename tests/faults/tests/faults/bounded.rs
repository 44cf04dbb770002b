//! Indices of which a compiler may know how large they can be: what is one too many for a table or a memory
//! traps, and nothing else does.

use sconce_engine::{TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::fmt::Write;

/// An expression of `$x` and what it gives; all but the last ones are at most 15.
type Case = (&'static str, fn(u32) -> u32);

const CASES: [Case; 13] = [
    ("(i32.and (local.get $x) (i32.const 15))", |x| x & 15),
    ("(i32.and (i32.const 15) (local.get $x))", |x| x & 15),
    ("(i32.and (i32.and (local.get $x) (i32.const 0x1f)) (i32.const 0x2f))", |x| x & 15),
    ("(i32.rem_u (local.get $x) (i32.const 16))", |x| x % 16),
    ("(i32.div_u (local.get $x) (i32.const 0x10000000))", |x| x / 0x1000_0000),
    ("(i32.shr_u (local.get $x) (i32.const 28))", |x| x >> 28),
    ("(i32.shr_u (local.get $x) (i32.const 60))", |x| x >> 28),
    ("(i32.shr_u (i32.and (local.get $x) (i32.const 31)) (i32.const 1))", |x| (x & 31) >> 1),
    ("(i32.wrap_i64 (i64.and (i64.extend_i32_s (local.get $x)) (i64.const 15)))", |x| x & 15),
    ("(i32.shr_u (i32.load8_u $m (i32.and (local.get $x) (i32.const 7))) (i32.const 4))", |x| {
        [0, 1, 2, 7, 8, 9, 14, 15][(x & 7) as usize]
    }),
    ("(i32.lt_s (local.get $x) (i32.const 3))", |x| u32::from(x.cast_signed() < 3)),
    // Not bounded by what it looks like.
    ("(i32.rem_s (local.get $x) (i32.const 16))", |x| (x.cast_signed() % 16).cast_unsigned()),
    ("(i32.shr_s (local.get $x) (i32.const 28))", |x| (x.cast_signed() >> 28).cast_unsigned()),
];
const OPERANDS: [u32; 20] = [
    0,
    1,
    2,
    3,
    5,
    7,
    14,
    15,
    16,
    17,
    31,
    32,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xe000_0000,
    0xf000_0000,
    0xffff_fff0,
    u32::MAX,
];

#[test]
fn a_table_is_as_long_as_it_is() {
    for size in [14u32, 15, 16, 17] {
        let mut text = format!(
            r#"(module
            (memory $m 1) (data (i32.const 0) "\00\1f\20\7f\80\9f\e0\f0")
            (type $number (func (result i32)))
            (table $refs {size} externref)
            (table $funcs {size} {size} funcref)
            (global $g (mut i32) (i32.const 0))
            (elem (table $funcs) (i32.const 0) func"#
        );
        (0..size).for_each(|n| write!(text, " $f{n}").unwrap());
        text.push_str(")\n");
        (0..size).for_each(|n| writeln!(text, "(func $f{n} (result i32) (i32.const {n}))").unwrap());
        for (n, (index, _)) in CASES.iter().enumerate() {
            writeln!(
                text,
                r#"(func (export "get {n}") (param $x i32) (result i32) (ref.is_null (table.get $refs {index})))
                (func (export "set {n}") (param $x i32) (table.set $refs {index} (ref.null extern)))
                (func (export "call {n}") (param $x i32) (result i32) (call_indirect $funcs (type $number) {index}))
                (func (export "grown {n}") (param $x i32) (result i32)
                    (if (i32.eqz (global.get $g)) (then (drop (table.grow $refs (ref.null extern) (i32.const 1))) (global.set $g (i32.const 1))))
                    (ref.is_null (table.get $refs {index})))"#
            )
            .unwrap();
        }
        text.push(')');
        for_each_style(|engine| {
            let mut guest = Guest::new(engine, &text);
            // The table is longer after the last of these.
            for kind in ["get", "set", "call", "grown"] {
                for (n, (expression, value)) in CASES.iter().enumerate() {
                    for x in OPERANDS {
                        let (name, args, index) = (format!("{kind} {n}"), [Val::I32(x.cast_signed())], value(x));
                        if index < size + u32::from(kind == "grown") {
                            let expected = match kind {
                                "get" | "grown" => "[I32(1)]".to_owned(),
                                "set" => "[]".to_owned(),
                                _ => format!("[I32({index})]"),
                            };
                            assert_eq!(
                                format!("{:?}", guest.call(&name, &args)),
                                expected,
                                "{kind} {expression} of {x:#x}, {size}"
                            );
                        } else {
                            let code = guest.trap(&name, &args);
                            let expected = if kind == "call" { TrapCode::UndefinedElement } else { TrapCode::TableOutOfBounds };
                            assert_eq!(code, expected, "{kind} {expression} of {x:#x}, {size}");
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn a_memory_is_as_long_as_it_is() {
    let cases: [Case; 4] = [
        ("(i32.and (local.get $x) (i32.const 0xffff))", |x| x & 0xffff),
        ("(i32.shr_u (local.get $x) (i32.const 16))", |x| x >> 16),
        ("(i32.rem_u (local.get $x) (i32.const 65533))", |x| x % 65533),
        ("(i32.and (local.get $x) (i32.const 0x1ffff))", |x| x & 0x1_ffff),
    ];
    let wide = |index: &str| format!("(i64.extend_i32_u {index})");
    for (index_type, memory) in [("i32", "(memory 1 2)"), ("i32", "(memory 1 1 shared)"), ("i64", "(memory i64 1)")] {
        let mut text = format!("(module {memory}\n");
        for (n, (index, _)) in cases.iter().enumerate() {
            let index = if index_type == "i64" { wide(index) } else { (*index).to_owned() };
            for offset in [0, 1, 3, 65535, 65536] {
                for (load, ty) in [("i32.load8_u", "i32"), ("i32.load16_u", "i32"), ("i32.load", "i32"), ("i64.load", "i64")] {
                    writeln!(
                        text,
                        r#"(func (export "{load} {offset} {n}") (param $x i32) (result {ty}) ({load} offset={offset} {index}))"#
                    )
                    .unwrap();
                }
            }
        }
        text.push(')');
        for_each_style(|engine| {
            let mut guest = Guest::new(engine, &text);
            for (n, (expression, value)) in cases.iter().enumerate() {
                for offset in [0, 1, 3, 65535, 65536] {
                    for (load, bytes) in [("i32.load8_u", 1), ("i32.load16_u", 2), ("i32.load", 4), ("i64.load", 8)] {
                        for x in [0, 1, 65531, 65532, 65533, 65534, 65535, 0x1_0000, 0x1_ffff, 0xfffe_0000, 0xffff_0000, u32::MAX]
                        {
                            let (name, args) = (format!("{load} {offset} {n}"), [Val::I32(x.cast_signed())]);
                            if value(x) + offset + bytes <= 65536 {
                                guest.call(&name, &args);
                            } else {
                                let code = guest.trap(&name, &args);
                                assert_eq!(code, TrapCode::MemoryOutOfBounds, "{load} {offset} {expression} of {x:#x}, {memory}");
                            }
                        }
                    }
                }
            }
        });
    }
}
