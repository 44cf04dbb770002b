//! Numbers in runs: LEB128, signed ones in zigzag.

use crate::index::DefinedFuncIndex;
use crate::inlined::InlinedCall;

pub(super) fn write_u32(out: &mut Vec<u8>, mut v: u32) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

pub(super) fn write_slots(out: &mut Vec<u8>, slots: &[i32]) {
    write_u32(out, slots.len() as u32);
    for &slot in slots {
        write_i64(out, i64::from(slot));
    }
}

/// Signed numbers, so that the unsigned form serves.
pub(super) fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

pub(super) fn write_i64(out: &mut Vec<u8>, v: i64) {
    write_u64(out, zigzag(v));
}

pub(super) fn write_u64(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let mut v = 0;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            v |= u64::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Some(v);
            }
        }
        None
    }

    pub(super) fn slots(&mut self) -> Option<Vec<i32>> {
        // Each takes a byte at least, and nothing is allocated for a count that is not there.
        (0..self.u32()?).map(|_| i32::try_from(self.i64()?).ok()).collect()
    }

    pub(super) fn inlined(&mut self) -> Option<InlinedCall> {
        let func = DefinedFuncIndex::from_u32(self.u32()?);
        Some(InlinedCall { func, first: self.u32()?, body_offset: self.u32()?, call: self.u32()? })
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.u64()?).ok()
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        let z = self.u64()?;
        Some((z >> 1) as i64 ^ -((z & 1) as i64))
    }
}
