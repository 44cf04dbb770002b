//! Operators of exceptions in their old form where they must not be: what is said of them, and where.

use sconce_environ::decode::{DecodeError, Features, decode};

/// A module with one function, of type `[] -> []`, that consists of these operators; and where they begin. It
/// has two tags, the second with a number.
fn module(operators: &[u8]) -> (Vec<u8>, u64) {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend(b"\x01\x0d\x03\x60\0\0\x60\x01\x7f\0\x60\x01\x7f\x01\x7f");
    bytes.extend(b"\x03\x02\x01\0\x0d\x05\x02\0\0\0\x01");
    let body = operators.len() as u8 + 2;
    bytes.extend([0x0a, body + 2, 1, body, 0]);
    let first = bytes.len() as u64;
    bytes.extend(operators);
    bytes.push(0x0b);
    (bytes, first)
}

const TRY: u8 = 0x06;
const CATCH: u8 = 0x07;
const RETHROW: u8 = 0x09;
const END: u8 = 0x0b;
const DELEGATE: u8 = 0x18;
const CATCH_ALL: u8 = 0x19;
const BLOCK: u8 = 0x02;
const TRY_TABLE: u8 = 0x1f;
const ELSE: u8 = 0x05;
const EMPTY: u8 = 0x40;
const I32: u8 = 0x7f;
const CONST: u8 = 0x41;

/// Operators, which of their bytes is the wrong one, and what is said of it.
const WRONG: &[(&[u8], u64, &str)] = &[
    (&[CATCH_ALL], 0, "`catch_all` without a `try` before it, or after its `catch_all`"),
    (&[BLOCK, EMPTY, CATCH, 0, END], 2, "`catch` without a `try` before it, or after its `catch_all`"),
    (&[BLOCK, EMPTY, DELEGATE, 0], 2, "`delegate` that ends no `try`, or one with clauses"),
    (&[TRY, EMPTY, CATCH_ALL, CATCH, 0, END], 3, "`catch` without a `try` before it, or after its `catch_all`"),
    (&[TRY, EMPTY, CATCH_ALL, CATCH_ALL, END], 3, "`catch_all` without a `try` before it, or after its `catch_all`"),
    (&[TRY, EMPTY, CATCH, 0, DELEGATE, 0], 4, "`delegate` that ends no `try`, or one with clauses"),
    (&[TRY_TABLE, EMPTY, 0, CATCH_ALL, END], 3, "`catch_all` without a `try` before it, or after its `catch_all`"),
    (&[TRY_TABLE, EMPTY, 0, DELEGATE, 0], 3, "`delegate` that ends no `try`, or one with clauses"),
    (&[TRY, EMPTY, ELSE, END], 2, "`else` without an `if` before it"),
    (&[RETHROW, 0], 0, "invalid rethrow label: target was not a `catch` block"),
    (&[TRY, EMPTY, RETHROW, 0, CATCH_ALL, END], 2, "invalid rethrow label: target was not a `catch` block"),
    (&[TRY, EMPTY, CATCH_ALL, BLOCK, EMPTY, RETHROW, 0, END, END], 5, "invalid rethrow label: target was not a `catch` block"),
    (&[TRY, EMPTY, CATCH_ALL, RETHROW, 2, END], 3, "unknown label: branch depth too large"),
    (&[TRY, EMPTY, DELEGATE, 1], 2, "unknown label: branch depth too large"),
    (&[TRY, EMPTY, CATCH, 7, END], 2, "unknown tag 7: tag index out of bounds"),
    (&[TRY, EMPTY, CATCH, 1, END], 4, "type mismatch: values remaining on stack at end of block"),
    (&[TRY, I32, CONST, 0, CATCH_ALL, END], 5, "type mismatch: expected i32 but nothing on stack"),
    (&[TRY, I32, CATCH_ALL, CONST, 0, END], 2, "type mismatch: expected i32 but nothing on stack"),
    // What a `try` takes is not there in its clauses.
    (&[CONST, 0, TRY, 2, CATCH_ALL, END], 5, "type mismatch: expected i32 but nothing on stack"),
    // Nothing is wrong before the first `try` has ended.
    (&[TRY, EMPTY, END, 0x6a], 3, "type mismatch: expected i32 but nothing on stack"),
];

#[test]
fn wrong_operators_are_named_at_their_places() {
    for &(operators, at, expected) in WRONG {
        let (bytes, first) = module(operators);
        let result = decode(&bytes, Features::default()).and_then(|decoded| decoded.validate_bodies(&bytes, &|| true));
        match result {
            Err(DecodeError::Invalid { message, offset, .. }) => {
                assert_eq!((&message[..], offset), (expected, first + at), "{operators:x?}");
            }
            other => panic!("{operators:x?}: {other:?}"),
        }
    }
}
