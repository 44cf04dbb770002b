//! The bytes of a rewritten body: opcodes, numbers, the declarations of locals.

use crate::compile::FunctionInput;
use wasmparser::FunctionBody;

/// Opcodes (spec section 5.4.1), types (5.3) and kinds of clauses.
pub(super) mod code {
    pub(in super::super) const BLOCK: u8 = 0x02;
    pub(in super::super) const THROW_REF: u8 = 0x0a;
    pub(in super::super) const END: u8 = 0x0b;
    pub(in super::super) const BR: u8 = 0x0c;
    pub(in super::super) const BR_IF: u8 = 0x0d;
    pub(in super::super) const BR_TABLE: u8 = 0x0e;
    pub(in super::super) const TRY_TABLE: u8 = 0x1f;
    pub(in super::super) const LOCAL_GET: u8 = 0x20;
    pub(in super::super) const LOCAL_SET: u8 = 0x21;
    pub(in super::super) const BR_ON_NULL: u8 = 0xd5;
    pub(in super::super) const BR_ON_NON_NULL: u8 = 0xd6;

    pub(in super::super) const EMPTY: u8 = 0x40;
    pub(in super::super) const I32: u8 = 0x7f;
    pub(in super::super) const I64: u8 = 0x7e;
    pub(in super::super) const F32: u8 = 0x7d;
    pub(in super::super) const F64: u8 = 0x7c;
    pub(in super::super) const V128: u8 = 0x7b;
    pub(in super::super) const EXNREF: u8 = 0x69;
    pub(in super::super) const REF_NULL: u8 = 0x63;
    pub(in super::super) const REF_TO: u8 = 0x64;

    pub(in super::super) const CATCH: u8 = 0;
    pub(in super::super) const CATCH_ALL: u8 = 2;
    /// Added to these: with the exception.
    pub(in super::super) const REF: u8 = 1;
}

pub(super) fn malformed(error: wasmparser::Error) -> String {
    format!("malformed body: {error}")
}

/// The declarations at a body's beginning.
pub(super) struct Locals<'a> {
    /// Runs that the body has.
    runs: u32,
    declared: &'a [u8],
    /// Locals that are there, parameters among them.
    pub(super) count: u32,
    /// The declarations of the rewritten body.
    pub(super) bytes: Vec<u8>,
}

impl<'a> Locals<'a> {
    pub(super) fn read(input: &FunctionInput<'a>, body: &FunctionBody<'_>) -> Result<Locals<'a>, String> {
        let mut count = input.module.type_of(input.module.func_index(input.func)).params.len() as u32;
        let mut locals = body.get_locals_reader().map_err(malformed)?;
        let (runs, start) = (locals.get_count(), locals.original_position() as usize);
        for _ in 0..runs {
            count = count.saturating_add(locals.read().map_err(malformed)?.0);
        }
        let declared = &input.body[start..locals.original_position() as usize];
        Ok(Locals { runs, declared, count, bytes: Vec::new() })
    }

    /// Adds exceptions.
    pub(super) fn add(&mut self, exceptions: u32) {
        write_u32(&mut self.bytes, self.runs + u32::from(exceptions > 0));
        self.bytes.extend_from_slice(self.declared);
        if exceptions > 0 {
            write_u32(&mut self.bytes, exceptions);
            self.bytes.push(code::EXNREF);
        }
    }
}

/// Bytes of the block type that these begin with: one number, but for references with a heap type behind.
pub(super) fn type_length(bytes: &[u8]) -> usize {
    let number = |bytes: &[u8]| bytes.iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
    match bytes {
        [code::REF_NULL | code::REF_TO, heap @ ..] => 1 + number(heap),
        _ => number(bytes),
    }
}

pub(super) fn write_clause(out: &mut Vec<u8>, kind: u8, tag: Option<u32>, depth: u32) {
    out.push(kind);
    tag.into_iter().for_each(|tag| write_u32(out, tag));
    write_u32(out, depth);
}

pub(super) fn write_u32(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A type's index, which block types have as a signed number.
pub(super) fn write_s33(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x40 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
