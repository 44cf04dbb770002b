//! The encoder, of compilers and of stubs: general-purpose instructions, labels with patch lists, constants
//! and jump tables behind the code. (Instructions on vector registers are in [`crate::sse`].)
//!
//! An instruction's fixed part is one 8-byte store, and nothing is allocated for an instruction. A label's unresolved references
//! are a list threaded through their own displacement fields, so that binding costs what was referred to, and no more.
//!
//! An encoding is what the processor's manual says it is: tests decode every form with another implementation and compare.

pub(crate) mod form;
mod instructions;
mod operand;
mod rare;
#[cfg(test)]
mod tests;

use crate::text::FILLER;
use operand::WIDE;
pub use operand::{Addr, Alu, Cond, Constant, Count, Extend, Label, Locked, Rm, Shift, Size, Unary};

/// Where a label is, or else who refers to it.
#[derive(Copy, Clone, Debug)]
struct Place {
    /// `u32::MAX`: not bound.
    at: u32,
    /// The last displacement field that refers to it; that field holds the one before, and 0 ends the list.
    chain: u32,
}

const UNBOUND: u32 = u32::MAX;

/// Bytes that are free behind `len` while an instruction is written.
const WINDOW: usize = 32;

/// Entries of the cache that finds equal constants again.
const CACHE: usize = 64;

/// Code under construction. It can be used for one function after another, and keeps its allocations.
#[derive(Debug)]
pub struct Encoder {
    /// Longer than the code by at least [`WINDOW`] bytes.
    bytes: Vec<u8>,
    len: u32,
    labels: Vec<Place>,
    narrow: Vec<u64>,
    wide: Vec<u128>,
    /// Displacement fields that refer to constants: offset, constant, bytes of immediate behind the field.
    constant_uses: Vec<(u32, Constant, u8)>,
    cache: [u32; CACHE],
    /// Jump tables: where their address is wanted, first and last entry in `entries`.
    tables: Vec<(Label, u32, u32)>,
    entries: Vec<Label>,
    pub(crate) avx: bool,
}

impl Encoder {
    /// An empty one, for a processor with or without AVX.
    pub fn new(avx: bool) -> Encoder {
        Encoder {
            bytes: Vec::new(),
            len: 0,
            labels: Vec::new(),
            narrow: Vec::new(),
            wide: Vec::new(),
            constant_uses: Vec::new(),
            cache: [UNBOUND; CACHE],
            tables: Vec::new(),
            entries: Vec::new(),
            avx,
        }
    }

    /// Forgets everything but its allocations.
    pub fn clear(&mut self) {
        self.len = 0;
        self.labels.clear();
        self.narrow.clear();
        self.wide.clear();
        self.constant_uses.clear();
        self.cache.fill(UNBOUND);
        self.tables.clear();
        self.entries.clear();
    }

    /// Bytes that its buffers keep.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + 8 * self.labels.capacity() + 12 * self.constant_uses.capacity() + 4 * self.entries.capacity()
    }

    /// Bytes so far.
    #[inline(always)]
    pub fn offset(&self) -> u32 {
        self.len
    }

    /// The code, with constants and jump tables behind it. It must be aligned to [`Encoder::ALIGN`].
    ///
    /// # Panics
    /// If a label that is referred to was never bound.
    pub fn finish(&mut self) -> &[u8] {
        if !self.wide.is_empty() {
            self.pad(16);
        } else if !self.narrow.is_empty() {
            self.pad(8);
        }
        let wide = self.len;
        let (constants, narrow_constants) = (std::mem::take(&mut self.wide), std::mem::take(&mut self.narrow));
        for &c in &constants {
            self.data(&c.to_le_bytes());
        }
        let narrow = self.len;
        for &c in &narrow_constants {
            self.data(&c.to_le_bytes());
        }
        (self.wide, self.narrow) = (constants, narrow_constants);
        for n in 0..self.constant_uses.len() {
            let (at, Constant(c), behind) = self.constant_uses[n];
            let target = if c & WIDE != 0 { wide + 16 * (c & !WIDE) } else { narrow + 8 * c };
            self.set_i32(at as usize, (i64::from(target) - (i64::from(at) + 4 + i64::from(behind))) as i32);
        }
        self.pad(if self.tables.is_empty() { 1 } else { 4 });
        for n in 0..self.tables.len() {
            let (label, from, to) = self.tables[n];
            self.bind(label);
            let start = i64::from(self.len);
            for i in from..to {
                let target = self.labels[self.entries[i as usize].0 as usize].at;
                assert_ne!(target, UNBOUND, "every label in use is bound");
                self.data(&((i64::from(target) - start) as i32).to_le_bytes());
            }
        }
        assert!(self.labels.iter().all(|l| l.chain == 0), "every label in use is bound");
        &self.bytes[..self.len as usize]
    }

    /// Where the jump tables of finished code are: start and end of each.
    pub fn jump_tables(&self) -> impl Iterator<Item = (u32, u32)> {
        self.tables.iter().filter(|&&(_, from, to)| from < to).map(|&(label, from, to)| {
            let start = self.labels[label.0 as usize].at;
            (start, start + 4 * (to - from))
        })
    }

    /// What finished code must be aligned to: constants are memory operands.
    pub const ALIGN: u32 = 16;

    /// Fills with breakpoints up to a multiple of `align`, a power of two.
    pub(crate) fn pad(&mut self, align: u32) {
        while !self.len.is_multiple_of(align) {
            self.data(&[FILLER]);
        }
    }

    // ---- Bytes.

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        // Stubs are short, and there are many.
        const LEAST: usize = 256;
        let to = (self.len as usize + more + WINDOW).max(2 * self.bytes.len()).max(LEAST);
        self.bytes.resize(to, 0);
    }

    #[inline(always)]
    fn window(&mut self) -> &mut [u8; WINDOW] {
        let at = self.len as usize;
        if self.bytes.len() < at + WINDOW {
            self.grow(WINDOW);
        }
        self.bytes[at..at + WINDOW].first_chunk_mut().expect("as long as that")
    }

    fn data(&mut self, bytes: &[u8]) {
        let at = self.len as usize;
        if self.bytes.len() < at + bytes.len() {
            self.grow(bytes.len());
        }
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u32;
    }

    fn set_i32(&mut self, at: usize, value: i32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn get_u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.bytes[at..].first_chunk().expect("a field that was written"))
    }

    /// Up to eight bytes, first one lowest.
    #[inline(always)]
    pub(crate) fn raw(&mut self, bits: u64, len: u32) {
        self.window()[..8].copy_from_slice(&bits.to_le_bytes());
        self.len += len;
    }

    #[inline(always)]
    fn imm32(&mut self, v: i32) {
        self.raw(v.cast_unsigned().into(), 4);
    }

    // ---- Labels, constants, tables.

    /// A new label, not bound yet.
    #[inline]
    pub fn label(&mut self) -> Label {
        self.labels.push(Place { at: UNBOUND, chain: 0 });
        Label(self.labels.len() as u32 - 1)
    }

    /// A label that is bound here.
    #[inline]
    pub fn here(&mut self) -> Label {
        self.labels.push(Place { at: self.len, chain: 0 });
        Label(self.labels.len() as u32 - 1)
    }

    /// Makes `label` mean this place.
    pub fn bind(&mut self, label: Label) {
        let Place { at, chain } = self.labels[label.0 as usize];
        debug_assert_eq!(at, UNBOUND, "a label is bound once");
        self.labels[label.0 as usize] = Place { at: self.len, chain: 0 };
        let mut field = chain as usize;
        while field != 0 {
            let next = self.get_u32(field) as usize;
            self.set_i32(field, (i64::from(self.len) - (field as i64 + 4)) as i32);
            field = next;
        }
    }

    /// Where a label is, if that is known.
    pub fn position(&self, label: Label) -> Option<u32> {
        let at = self.labels[label.0 as usize].at;
        (at != UNBOUND).then_some(at)
    }

    /// A 32-bit field with the distance from its end to the label.
    #[inline]
    fn displacement(&mut self, label: Label) {
        let field = self.len;
        let place = &mut self.labels[label.0 as usize];
        let value = if place.at == UNBOUND {
            std::mem::replace(&mut place.chain, field).cast_signed()
        } else {
            (i64::from(place.at) - (i64::from(field) + 4)) as i32
        };
        self.imm32(value);
    }

    /// Eight bytes behind the code.
    pub fn constant(&mut self, bits: u64) -> Constant {
        let hash = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize;
        let known = self.cache[hash];
        if self.narrow.get(known as usize) == Some(&bits) {
            return Constant(known);
        }
        self.narrow.push(bits);
        let n = self.narrow.len() as u32 - 1;
        self.cache[hash] = n;
        Constant(n)
    }

    /// Sixteen bytes behind the code, aligned.
    pub fn wide_constant(&mut self, bits: u128) -> Constant {
        let recent = self.wide.len().saturating_sub(16);
        if let Some(n) = self.wide[recent..].iter().position(|&c| c == bits) {
            return Constant(WIDE | (recent + n) as u32);
        }
        self.wide.push(bits);
        Constant(WIDE | (self.wide.len() as u32 - 1))
    }

    /// A jump table behind the code, with the distance of each target from the table's start in 32 bits. The label becomes
    /// its address.
    pub fn table(&mut self, targets: impl Iterator<Item = Label>) -> Label {
        let from = self.entries.len() as u32;
        self.entries.extend(targets);
        let label = self.label();
        self.tables.push((label, from, self.entries.len() as u32));
        label
    }
}
