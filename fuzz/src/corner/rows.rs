//! Operators that take operands and give results, and need nothing else: a row each, or for a run of codes.
//!
//! Types are letters: `i` and `I` are the integers, `f` and `F` the floats, the small ones of 32 bits, and `v` is a vector.

use crate::case::Proposals;
use wasm_encoder::{Encode, ValType};

/// What a run of operators needs besides operands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// Its result may be a NaN, of which engines may have different ones.
    Nan,
    /// Traps where the divisor is zero, and at the overflow.
    Divide,
    /// Traps where the operand does not fit.
    Truncate,
    /// Is followed by the number of a lane below this.
    Lane(u8),
    /// Is followed by sixteen lane numbers.
    Shuffle,
    /// Of the proposal for wide arithmetic.
    Wide,
}

/// A run of operators.
#[derive(Copy, Clone, Debug)]
pub struct Row {
    prefix: Option<u8>,
    first: u32,
    last: u32,
    params: &'static str,
    results: &'static str,
    /// What else it needs.
    pub kind: Kind,
}

const fn row(first: u32, last: u32, params: &'static str, results: &'static str, kind: Kind) -> Row {
    Row { prefix: None, first, last, params, results, kind }
}

const fn misc(first: u32, last: u32, params: &'static str, results: &'static str, kind: Kind) -> Row {
    Row { prefix: Some(0xfc), first, last, params, results, kind }
}

const fn simd(first: u32, last: u32, params: &'static str, results: &'static str, kind: Kind) -> Row {
    Row { prefix: Some(0xfd), first, last, params, results, kind }
}

use Kind::{Divide, Lane, Nan, Plain, Shuffle, Truncate, Wide};

/// All of them.
const ROWS: &[Row] = &[
    row(0x45, 0x45, "i", "i", Plain),
    row(0x46, 0x4f, "ii", "i", Plain),
    row(0x50, 0x50, "I", "i", Plain),
    row(0x51, 0x5a, "II", "i", Plain),
    row(0x5b, 0x60, "ff", "i", Plain),
    row(0x61, 0x66, "FF", "i", Plain),
    row(0x67, 0x69, "i", "i", Plain),
    row(0x6a, 0x6c, "ii", "i", Plain),
    row(0x6d, 0x70, "ii", "i", Divide),
    row(0x71, 0x78, "ii", "i", Plain),
    row(0x79, 0x7b, "I", "I", Plain),
    row(0x7c, 0x7e, "II", "I", Plain),
    row(0x7f, 0x82, "II", "I", Divide),
    row(0x83, 0x8a, "II", "I", Plain),
    row(0x8b, 0x8c, "f", "f", Plain),
    row(0x8d, 0x91, "f", "f", Nan),
    row(0x92, 0x97, "ff", "f", Nan),
    row(0x98, 0x98, "ff", "f", Plain),
    row(0x99, 0x9a, "F", "F", Plain),
    row(0x9b, 0x9f, "F", "F", Nan),
    row(0xa0, 0xa5, "FF", "F", Nan),
    row(0xa6, 0xa6, "FF", "F", Plain),
    row(0xa7, 0xa7, "I", "i", Plain),
    row(0xa8, 0xa9, "f", "i", Truncate),
    row(0xaa, 0xab, "F", "i", Truncate),
    row(0xac, 0xad, "i", "I", Plain),
    row(0xae, 0xaf, "f", "I", Truncate),
    row(0xb0, 0xb1, "F", "I", Truncate),
    row(0xb2, 0xb3, "i", "f", Plain),
    row(0xb4, 0xb5, "I", "f", Plain),
    row(0xb6, 0xb6, "F", "f", Nan),
    row(0xb7, 0xb8, "i", "F", Plain),
    row(0xb9, 0xba, "I", "F", Plain),
    row(0xbb, 0xbb, "f", "F", Nan),
    row(0xbc, 0xbc, "f", "i", Plain),
    row(0xbd, 0xbd, "F", "I", Plain),
    row(0xbe, 0xbe, "i", "f", Plain),
    row(0xbf, 0xbf, "I", "F", Plain),
    row(0xc0, 0xc1, "i", "i", Plain),
    row(0xc2, 0xc4, "I", "I", Plain),
    misc(0x00, 0x01, "f", "i", Plain),
    misc(0x02, 0x03, "F", "i", Plain),
    misc(0x04, 0x05, "f", "I", Plain),
    misc(0x06, 0x07, "F", "I", Plain),
    misc(0x13, 0x14, "IIII", "II", Wide),
    misc(0x15, 0x16, "II", "II", Wide),
    simd(0x0d, 0x0d, "vv", "v", Shuffle),
    simd(0x0e, 0x0e, "vv", "v", Plain),
    simd(0x0f, 0x11, "i", "v", Plain),
    simd(0x12, 0x12, "I", "v", Plain),
    simd(0x13, 0x13, "f", "v", Plain),
    simd(0x14, 0x14, "F", "v", Plain),
    simd(0x15, 0x16, "v", "i", Lane(16)),
    simd(0x17, 0x17, "vi", "v", Lane(16)),
    simd(0x18, 0x19, "v", "i", Lane(8)),
    simd(0x1a, 0x1a, "vi", "v", Lane(8)),
    simd(0x1b, 0x1b, "v", "i", Lane(4)),
    simd(0x1c, 0x1c, "vi", "v", Lane(4)),
    simd(0x1d, 0x1d, "v", "I", Lane(2)),
    simd(0x1e, 0x1e, "vI", "v", Lane(2)),
    simd(0x1f, 0x1f, "v", "f", Lane(4)),
    simd(0x20, 0x20, "vf", "v", Lane(4)),
    simd(0x21, 0x21, "v", "F", Lane(2)),
    simd(0x22, 0x22, "vF", "v", Lane(2)),
    simd(0x23, 0x4c, "vv", "v", Plain),
    simd(0x4d, 0x4d, "v", "v", Plain),
    simd(0x4e, 0x51, "vv", "v", Plain),
    simd(0x52, 0x52, "vvv", "v", Plain),
    simd(0x53, 0x53, "v", "i", Plain),
    simd(0x60, 0x62, "v", "v", Plain),
    simd(0x63, 0x64, "v", "i", Plain),
    simd(0x65, 0x66, "vv", "v", Plain),
    simd(0x6b, 0x6d, "vi", "v", Plain),
    simd(0x6e, 0x73, "vv", "v", Plain),
    simd(0x76, 0x79, "vv", "v", Plain),
    simd(0x7b, 0x7b, "vv", "v", Plain),
    simd(0x7c, 0x7f, "v", "v", Plain),
    simd(0x80, 0x81, "v", "v", Plain),
    simd(0x82, 0x82, "vv", "v", Plain),
    simd(0x83, 0x84, "v", "i", Plain),
    simd(0x85, 0x86, "vv", "v", Plain),
    simd(0x87, 0x8a, "v", "v", Plain),
    simd(0x8b, 0x8d, "vi", "v", Plain),
    simd(0x8e, 0x93, "vv", "v", Plain),
    simd(0x95, 0x99, "vv", "v", Plain),
    simd(0x9b, 0x9c, "vv", "v", Plain),
    simd(0x9d, 0x9f, "vv", "v", Plain),
    simd(0xa0, 0xa1, "v", "v", Plain),
    simd(0xa3, 0xa4, "v", "i", Plain),
    simd(0xa7, 0xaa, "v", "v", Plain),
    simd(0xab, 0xad, "vi", "v", Plain),
    simd(0xae, 0xae, "vv", "v", Plain),
    simd(0xb1, 0xb1, "vv", "v", Plain),
    simd(0xb5, 0xba, "vv", "v", Plain),
    simd(0xbc, 0xbf, "vv", "v", Plain),
    simd(0xc0, 0xc1, "v", "v", Plain),
    simd(0xc3, 0xc4, "v", "i", Plain),
    simd(0xc7, 0xca, "v", "v", Plain),
    simd(0xcb, 0xcd, "vi", "v", Plain),
    simd(0xce, 0xce, "vv", "v", Plain),
    simd(0xd1, 0xd1, "vv", "v", Plain),
    simd(0xd5, 0xdf, "vv", "v", Plain),
    simd(0xe0, 0xe1, "v", "v", Plain),
    simd(0xea, 0xeb, "vv", "v", Plain),
    simd(0xec, 0xed, "v", "v", Plain),
    simd(0xf6, 0xf7, "vv", "v", Plain),
    simd(0xf8, 0xff, "v", "v", Plain),
];

/// The type with this letter.
fn letter(c: u8) -> ValType {
    match c {
        b'i' => ValType::I32,
        b'I' => ValType::I64,
        b'f' => ValType::F32,
        b'F' => ValType::F64,
        b'v' => ValType::V128,
        other => unreachable!("no type has the letter {other}"),
    }
}

impl Row {
    /// Operand types.
    pub fn params(&self) -> impl Iterator<Item = ValType> + use<> {
        self.params.bytes().map(letter)
    }

    /// Result types.
    pub fn results(&self) -> impl Iterator<Item = ValType> + use<> {
        self.results.bytes().map(letter)
    }

    /// Its only result, if it has one.
    pub fn result(&self) -> Option<ValType> {
        let mut results = self.results();
        results.next().filter(|_| results.next().is_none())
    }

    /// How many operators it is.
    pub fn len(&self) -> u32 {
        self.last - self.first + 1
    }

    /// Writes one of them, but for what comes after its code.
    pub fn encode(&self, number: u32, code: &mut Vec<u8>) {
        match self.prefix {
            None => code.push((self.first + number) as u8),
            Some(prefix) => {
                code.push(prefix);
                (self.first + number).encode(code);
            }
        }
    }

    fn allowed(&self, proposals: &Proposals) -> bool {
        (self.prefix != Some(0xfd) || proposals.simd) && (self.kind != Wide || proposals.wide_arithmetic)
    }
}

/// Those that these proposals allow.
pub fn rows(proposals: &Proposals) -> Vec<Row> {
    ROWS.iter().filter(|row| row.allowed(proposals)).copied().collect()
}
