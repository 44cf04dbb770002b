//! From bytes to calls of a visitor, for the operators that code consists of: those of one byte, with short immediates.
//!
//! wasmparser's reader takes operators of every proposal in every encoding, and decoding costs more than what
//! a visitor then does. Here an operator of the rows below is one load of eight bytes and one jump through a
//! table: its opcode and its immediates, of up to five bytes a number, are in those. All others are left to
//! the reader, and nothing that it would refuse is accepted here, so that validation walks in the same way.

use std::borrow::BorrowMut;
use wasmparser::{BinaryReader, BlockType, Error, FrameStack, MemArg, MemArgTarget, ValType, VisitOperator};

/// The opcode of `try`.
const TRY: u8 = 0x06;

/// Why a walk goes no further.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is no operator, or one that cannot be read. No walk through a validated body says so.
    #[error("malformed body: {0}")]
    Malformed(#[from] Error),
    /// The body has exceptions in their old form: a walk is to go through [`crate::old_exceptions::FinalForm`] in its place.
    #[error("exceptions in their old form")]
    OldExceptions,
}

/// A walk over a body's operators.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    body: &'a [u8],
    at: usize,
    offset: u32,
}

impl<'a> Walk<'a> {
    /// A walk that begins at the operator at `at` of the body, which is at `offset` of its module; both in bytes.
    pub fn new(body: &'a [u8], at: usize, offset: u32) -> Walk<'a> {
        Walk { body, at, offset }
    }

    /// Whether no operator is left.
    #[inline(always)]
    pub fn is_done(&self) -> bool {
        self.at >= self.body.len()
    }

    /// Where in the body the next operator begins.
    #[inline(always)]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Passes the next operator of a validated body to the visitor that `visitor` makes; it is told where in
    /// the body the operator behind that one begins, or `usize::MAX` where that is not known.
    ///
    /// # Errors
    /// At an operator that there are no families for; when there is no operator, which happens in no validated body.
    #[inline(always)]
    pub fn step<V: VisitOperator<'a> + FrameStack>(&mut self, visitor: impl FnOnce(usize) -> V) -> Result<V::Output, WalkError> {
        match short::<true, V, V, _>(self.body, self.at, visitor) {
            Ok((output, next)) => {
                self.at = next;
                Ok(output)
            }
            Err(visitor) => {
                let next = plain_end(self.body, self.at).unwrap_or(usize::MAX);
                let (output, bytes) = any(self.body, self.at, self.offset, visitor(next))?;
                self.at += bytes;
                Ok(output)
            }
        }
    }
}

/// An operator in any form: what the visitor says, and how many bytes it has. (The walk itself is not
/// borrowed, so that it stays in registers.)
#[inline(never)]
fn any<'a, V>(body: &'a [u8], at: usize, offset: u32, mut visitor: V) -> Result<(V::Output, usize), WalkError>
where
    V: VisitOperator<'a> + FrameStack,
{
    // Where there is another operator of the old form there is this one before.
    if body.get(at) == Some(&TRY) {
        return Err(WalkError::OldExceptions);
    }
    // The offset is one of a module, and those are smaller than 4 GiB.
    let mut reader = BinaryReader::new(&body[at..], u64::from(offset) + at as u64);
    let output = reader.visit_operator(&mut visitor)?;
    Ok((output, reader.current_position()))
}

/// Where an operator with a prefix and without immediates ends.
fn plain_end(body: &[u8], at: usize) -> Option<usize> {
    let word = word(body, at);
    let (operator, bytes) = number(word >> 8)?;
    let plain = match word as u8 {
        0xfc => operator < 8,
        // All but loads, stores, constants, shuffles and what names a lane.
        0xfd => !matches!(operator, 0..=13 | 21..=34 | 84..=93),
        _ => false,
    };
    plain.then_some(at + 1 + bytes)
}

/// The eight bytes from here on, first one lowest; zeros where there are no more.
#[inline(always)]
fn word(body: &[u8], at: usize) -> u64 {
    match body.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_word(body, at),
    }
}

#[cold]
#[inline(never)]
fn last_word(body: &[u8], at: usize) -> u64 {
    let rest = body.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The bits of a LEB128 number of at most five bytes, and how many bytes it has.
#[inline(always)]
fn number(word: u64) -> Option<(u64, usize)> {
    if word & 0x80 == 0 {
        return Some((word & 0x7f, 1));
    }
    longer(word)
}

#[inline(always)]
fn longer(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x80_8080_8080;
    if ends == 0 {
        return None;
    }
    // Up to the first byte without a mark.
    let w = word & (ends ^ (ends - 1));
    let bits = w & 0x7f | w >> 1 & 0x7f << 7 | w >> 2 & 0x7f << 14 | w >> 3 & 0x7f << 21 | w >> 4 & 0x7f << 28;
    Some((bits, ends.trailing_zeros() as usize / 8 + 1))
}

#[inline(always)]
fn unsigned(word: u64) -> Option<(u32, usize)> {
    let (bits, bytes) = number(word)?;
    Some((u32::try_from(bits).ok()?, bytes))
}

#[inline(always)]
fn signed(word: u64) -> Option<(i64, usize)> {
    let (bits, bytes) = number(word)?;
    let unused = 64 - 7 * bytes;
    Some(((bits << unused).cast_signed() >> unused, bytes))
}

/// The immediates of an access to memory 0 without an ordering, and how many bytes they have.
#[inline(always)]
fn access(word: u64, max_align: u8) -> Option<(MemArg, usize)> {
    let align = word as u8;
    // Higher bits say what else is there.
    if align >= 0x10 {
        return None;
    }
    let (offset, bytes) = unsigned(word >> 8)?;
    let target = MemArgTarget::Memory(0);
    Some((MemArg { align, max_align, offset: offset.into(), target, ordering: None }, 1 + bytes))
}

#[inline(always)]
fn block(word: u64) -> Option<BlockType> {
    Some(match word as u8 {
        0x40 => BlockType::Empty,
        0x7f => BlockType::Type(ValType::I32),
        0x7e => BlockType::Type(ValType::I64),
        0x7d => BlockType::Type(ValType::F32),
        0x7c => BlockType::Type(ValType::F64),
        _ => return None,
    })
}

/// `opcode visit_x` by what follows the opcode.
macro_rules! rows {
    (
        plain { $($plain:literal $visit_plain:ident;)* }
        blocks { $($block:literal $visit_block:ident;)* }
        indices { $($index:literal $visit_index:ident;)* }
        accesses { $(align $max_align:literal { $($access:literal $visit_access:ident;)* })* }
    ) => {
        /// Passes the operator at `at` to the visitor, if it is one of the rows with short immediates: its output, and where the
        /// next operator begins. Otherwise gives back what makes or lends the visitor. `VALID`: the body is known to be.
        #[inline(always)]
        pub(crate) fn short<'a, const VALID: bool, V: VisitOperator<'a>, R: BorrowMut<V>, F: FnOnce(usize) -> R>(
            body: &[u8],
            at: usize,
            visitor: F,
        ) -> Result<(V::Output, usize), F> {
            let word = word(body, at);
            let behind = at + 1;
            // What is behind the opcode, and where that ends if it has so many bytes and is all there, as in a valid body.
            let immediates = word >> 8;
            let end = |bytes: usize| Some(behind + bytes).filter(|&end| VALID || end <= body.len());
            match word as u8 {
                $($plain => match end(0) {
                    Some(end) => Ok((visitor(end).borrow_mut().$visit_plain(), end)),
                    None => Err(visitor),
                },)*
                $($block => match (block(immediates), end(1)) {
                    (Some(ty), Some(end)) => Ok((visitor(end).borrow_mut().$visit_block(ty), end)),
                    _ => Err(visitor),
                },)*
                $($index => match unsigned(immediates).and_then(|(index, bytes)| Some((index, end(bytes)?))) {
                    Some((index, end)) => Ok((visitor(end).borrow_mut().$visit_index(index), end)),
                    None => Err(visitor),
                },)*
                $($($access => match access(immediates, $max_align).and_then(|(arg, bytes)| Some((arg, end(bytes)?))) {
                    Some((arg, end)) => Ok((visitor(end).borrow_mut().$visit_access(arg), end)),
                    None => Err(visitor),
                },)*)*
                0x11 => match unsigned(immediates) {
                    // Of table 0.
                    Some((ty, bytes)) if immediates >> (8 * bytes) & 0xff == 0 && end(bytes + 1).is_some() => {
                        let end = behind + bytes + 1;
                        Ok((visitor(end).borrow_mut().visit_call_indirect(ty, 0), end))
                    }
                    _ => Err(visitor),
                },
                0x41 => match signed(immediates).and_then(|(value, bytes)| Some((i32::try_from(value).ok()?, end(bytes)?))) {
                    Some((value, end)) => Ok((visitor(end).borrow_mut().visit_i32_const(value), end)),
                    None => Err(visitor),
                },
                0x42 => match signed(immediates).and_then(|(value, bytes)| Some((value, end(bytes)?))) {
                    Some((value, end)) => Ok((visitor(end).borrow_mut().visit_i64_const(value), end)),
                    None => Err(visitor),
                },
                _ => Err(visitor),
            }
        }
    };
}

rows! {
    plain {
        0x00 visit_unreachable; 0x01 visit_nop; 0x0b visit_end; 0x0f visit_return; 0x1a visit_drop; 0x1b visit_select;
        0x45 visit_i32_eqz; 0x46 visit_i32_eq; 0x47 visit_i32_ne; 0x48 visit_i32_lt_s; 0x49 visit_i32_lt_u; 0x4a visit_i32_gt_s;
        0x4b visit_i32_gt_u; 0x4c visit_i32_le_s; 0x4d visit_i32_le_u; 0x4e visit_i32_ge_s; 0x4f visit_i32_ge_u;
        0x50 visit_i64_eqz; 0x51 visit_i64_eq; 0x52 visit_i64_ne; 0x53 visit_i64_lt_s; 0x54 visit_i64_lt_u; 0x55 visit_i64_gt_s;
        0x56 visit_i64_gt_u; 0x57 visit_i64_le_s; 0x58 visit_i64_le_u; 0x59 visit_i64_ge_s; 0x5a visit_i64_ge_u;
        0x5b visit_f32_eq; 0x5c visit_f32_ne; 0x5d visit_f32_lt; 0x5e visit_f32_gt; 0x5f visit_f32_le; 0x60 visit_f32_ge;
        0x61 visit_f64_eq; 0x62 visit_f64_ne; 0x63 visit_f64_lt; 0x64 visit_f64_gt; 0x65 visit_f64_le; 0x66 visit_f64_ge;
        0x67 visit_i32_clz; 0x68 visit_i32_ctz; 0x69 visit_i32_popcnt; 0x6a visit_i32_add; 0x6b visit_i32_sub; 0x6c visit_i32_mul;
        0x6d visit_i32_div_s; 0x6e visit_i32_div_u; 0x6f visit_i32_rem_s; 0x70 visit_i32_rem_u; 0x71 visit_i32_and;
        0x72 visit_i32_or; 0x73 visit_i32_xor; 0x74 visit_i32_shl; 0x75 visit_i32_shr_s; 0x76 visit_i32_shr_u;
        0x77 visit_i32_rotl; 0x78 visit_i32_rotr;
        0x79 visit_i64_clz; 0x7a visit_i64_ctz; 0x7b visit_i64_popcnt; 0x7c visit_i64_add; 0x7d visit_i64_sub; 0x7e visit_i64_mul;
        0x7f visit_i64_div_s; 0x80 visit_i64_div_u; 0x81 visit_i64_rem_s; 0x82 visit_i64_rem_u; 0x83 visit_i64_and;
        0x84 visit_i64_or; 0x85 visit_i64_xor; 0x86 visit_i64_shl; 0x87 visit_i64_shr_s; 0x88 visit_i64_shr_u;
        0x89 visit_i64_rotl; 0x8a visit_i64_rotr;
        0x8b visit_f32_abs; 0x8c visit_f32_neg; 0x8d visit_f32_ceil; 0x8e visit_f32_floor; 0x8f visit_f32_trunc;
        0x90 visit_f32_nearest; 0x91 visit_f32_sqrt; 0x92 visit_f32_add; 0x93 visit_f32_sub; 0x94 visit_f32_mul; 0x95 visit_f32_div;
        0x96 visit_f32_min; 0x97 visit_f32_max; 0x98 visit_f32_copysign;
        0x99 visit_f64_abs; 0x9a visit_f64_neg; 0x9b visit_f64_ceil; 0x9c visit_f64_floor; 0x9d visit_f64_trunc;
        0x9e visit_f64_nearest; 0x9f visit_f64_sqrt; 0xa0 visit_f64_add; 0xa1 visit_f64_sub; 0xa2 visit_f64_mul; 0xa3 visit_f64_div;
        0xa4 visit_f64_min; 0xa5 visit_f64_max; 0xa6 visit_f64_copysign;
        0xa7 visit_i32_wrap_i64; 0xa8 visit_i32_trunc_f32_s; 0xa9 visit_i32_trunc_f32_u; 0xaa visit_i32_trunc_f64_s;
        0xab visit_i32_trunc_f64_u; 0xac visit_i64_extend_i32_s; 0xad visit_i64_extend_i32_u; 0xae visit_i64_trunc_f32_s;
        0xaf visit_i64_trunc_f32_u; 0xb0 visit_i64_trunc_f64_s; 0xb1 visit_i64_trunc_f64_u;
        0xb2 visit_f32_convert_i32_s; 0xb3 visit_f32_convert_i32_u; 0xb4 visit_f32_convert_i64_s; 0xb5 visit_f32_convert_i64_u;
        0xb6 visit_f32_demote_f64; 0xb7 visit_f64_convert_i32_s; 0xb8 visit_f64_convert_i32_u; 0xb9 visit_f64_convert_i64_s;
        0xba visit_f64_convert_i64_u; 0xbb visit_f64_promote_f32;
        0xbc visit_i32_reinterpret_f32; 0xbd visit_i64_reinterpret_f64; 0xbe visit_f32_reinterpret_i32;
        0xbf visit_f64_reinterpret_i64;
        0xc0 visit_i32_extend8_s; 0xc1 visit_i32_extend16_s; 0xc2 visit_i64_extend8_s; 0xc3 visit_i64_extend16_s;
        0xc4 visit_i64_extend32_s; 0xd1 visit_ref_is_null;
    }
    blocks { 0x02 visit_block; 0x03 visit_loop; 0x04 visit_if; }
    indices {
        0x0c visit_br; 0x0d visit_br_if; 0x10 visit_call; 0x20 visit_local_get; 0x21 visit_local_set; 0x22 visit_local_tee;
        0x23 visit_global_get; 0x24 visit_global_set; 0x25 visit_table_get; 0x26 visit_table_set;
    }
    accesses {
        align 0 { 0x2c visit_i32_load8_s; 0x2d visit_i32_load8_u; 0x30 visit_i64_load8_s; 0x31 visit_i64_load8_u; 0x3a visit_i32_store8;
           0x3c visit_i64_store8; }
        align 1 { 0x2e visit_i32_load16_s; 0x2f visit_i32_load16_u; 0x32 visit_i64_load16_s; 0x33 visit_i64_load16_u;
           0x3b visit_i32_store16; 0x3d visit_i64_store16; }
        align 2 { 0x28 visit_i32_load; 0x2a visit_f32_load; 0x34 visit_i64_load32_s; 0x35 visit_i64_load32_u; 0x36 visit_i32_store;
           0x38 visit_f32_store; 0x3e visit_i64_store32; }
        align 3 { 0x29 visit_i64_load; 0x2b visit_f64_load; 0x37 visit_i64_store; 0x39 visit_f64_store; }
    }
}
