//! The encoder of a compiler: general-purpose instructions, labels with patch lists, constants and jump tables behind the code.
//!
//! [`crate::asm`] is for stubs, where a form is a method and speed is nothing; here an instruction's fixed part is one 8-byte
//! store, and nothing is allocated for an instruction. A label's unresolved references are a list threaded through their own
//! displacement fields, so that binding costs what was referred to, and no more.
//!
//! An encoding is what the processor's manual says it is: tests decode every form with another implementation and compare.

use crate::asm::{Gpr, Xmm};

/// Operand size.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// 32 bits; a destination register's upper half becomes zero.
    S32,
    /// 64 bits.
    S64,
}

impl Size {
    #[inline(always)]
    fn wide(self) -> bool {
        self == Size::S64
    }
}

/// A memory operand.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Addr {
    /// A register,
    pub base: Gpr,
    /// another one, shifted left by 0 to 3 bits; not rsp,
    pub index: Option<(Gpr, u8)>,
    /// and a displacement are added, in 64 bits.
    pub disp: i32,
}

impl Addr {
    /// `[base + disp]`
    #[inline(always)]
    pub fn new(base: Gpr, disp: i32) -> Addr {
        Addr { base, index: None, disp }
    }

    /// `[base + index + disp]`
    #[inline(always)]
    pub fn indexed(base: Gpr, index: Gpr, disp: i32) -> Addr {
        Addr { base, index: Some((index, 0)), disp }
    }
}

/// A constant behind the code.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Constant(u32);

/// A register or memory operand.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Rm {
    /// A register of the class that the instruction takes here, by number.
    Reg(u8),
    /// Memory.
    Mem(Addr),
    /// A constant behind the code.
    Constant(Constant),
}

impl From<Gpr> for Rm {
    #[inline(always)]
    fn from(r: Gpr) -> Rm {
        Rm::Reg(r as u8)
    }
}

impl From<Xmm> for Rm {
    #[inline(always)]
    fn from(x: Xmm) -> Rm {
        Rm::Reg(x.0)
    }
}

impl From<Addr> for Rm {
    #[inline(always)]
    fn from(a: Addr) -> Rm {
        Rm::Mem(a)
    }
}

impl From<Constant> for Rm {
    #[inline(always)]
    fn from(c: Constant) -> Rm {
        Rm::Constant(c)
    }
}

/// Arithmetic of two operands, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotations, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// One-operand arithmetic, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Unary {
    Not = 2,
    Neg = 3,
    /// rdx:rax = rax * operand.
    Mul = 4,
    Imul = 5,
    Div = 6,
    Idiv = 7,
}

/// Bit counts: source to destination.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Count {
    Bsf,
    Bsr,
    Tzcnt,
    Lzcnt,
    Popcnt,
}

/// Atomic operations on memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Locked {
    Xchg,
    Xadd,
    /// With rax.
    Cmpxchg,
}

/// Loads and moves that extend.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Extend {
    Zero8,
    Zero16,
    Sign8,
    Sign16,
    /// `movsxd`; only to 64 bits.
    Sign32,
}

/// Conditions, numbered as in encodings.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Cond {
    O = 0,
    No = 1,
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    Ns = 9,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cond {
    /// Every condition, by number.
    pub const ALL: [Cond; 16] = {
        use Cond::*;
        [O, No, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G]
    };
}

impl std::ops::Not for Cond {
    type Output = Cond;

    /// Its negation.
    #[inline]
    fn not(self) -> Cond {
        Cond::ALL[(self as usize) ^ 1]
    }
}

/// A place in the code, bound once, referred to from anywhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Label(u32);

/// Where a label is, or else who refers to it.
#[derive(Copy, Clone, Debug)]
struct Place {
    /// `u32::MAX`: not bound.
    at: u32,
    /// The last displacement field that refers to it; that field holds the one before, and 0 ends the list.
    chain: u32,
}

const UNBOUND: u32 = u32::MAX;

/// Which constants: in the high bit of a [`Constant`].
const WIDE: u32 = 1 << 31;

/// Opcode maps.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Map {
    One = 0,
    M0F = 1,
    M0F38 = 2,
    M0F3A = 3,
}

/// Bytes that are free behind `len` while an instruction is written.
const WINDOW: usize = 32;

/// Entries of the cache that finds equal constants again.
const CACHE: usize = 64;

/// Code under construction. It can be used for one function after another, and keeps its allocations.
#[derive(Debug)]
pub struct Encoder {
    /// Longer than the code by at least [`WINDOW`] bytes.
    bytes: Vec<u8>,
    len: usize,
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
        self.len as u32
    }

    /// The code, with constants and jump tables behind it. It must be aligned to [`Encoder::ALIGN`].
    ///
    /// # Panics
    /// If a label that is referred to was never bound.
    pub fn finish(&mut self) -> Vec<u8> {
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
            let target = if c & WIDE != 0 { wide + 16 * (c & !WIDE) as usize } else { narrow + 8 * c as usize };
            self.set_i32(at as usize, (target as i64 - (i64::from(at) + 4 + i64::from(behind))) as i32);
        }
        self.pad(if self.tables.is_empty() { 1 } else { 4 });
        for n in 0..self.tables.len() {
            let (label, from, to) = self.tables[n];
            self.bind(label);
            let start = self.len as i64;
            for i in from..to {
                let target = self.labels[self.entries[i as usize].0 as usize].at;
                assert_ne!(target, UNBOUND, "every label in use is bound");
                self.data(&((i64::from(target) - start) as i32).to_le_bytes());
            }
        }
        assert!(self.labels.iter().all(|l| l.chain == 0), "every label in use is bound");
        self.bytes[..self.len].to_vec()
    }

    /// What finished code must be aligned to: constants are memory operands.
    pub const ALIGN: u32 = 16;

    /// Fills with breakpoints up to a multiple of `align`, a power of two.
    fn pad(&mut self, align: usize) {
        while !self.len.is_multiple_of(align) {
            self.data(&[0xcc]);
        }
    }

    // ---- Bytes.

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let to = (self.len + more + WINDOW).max(2 * self.bytes.len()).max(4096);
        self.bytes.resize(to, 0);
    }

    #[inline(always)]
    fn window(&mut self) -> &mut [u8; WINDOW] {
        if self.bytes.len() < self.len + WINDOW {
            self.grow(WINDOW);
        }
        self.bytes[self.len..].first_chunk_mut().expect("it was made long enough")
    }

    fn data(&mut self, bytes: &[u8]) {
        if self.bytes.len() < self.len + bytes.len() {
            self.grow(bytes.len());
        }
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn set_i32(&mut self, at: usize, value: i32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn get_u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.bytes[at..].first_chunk().expect("a field that was written"))
    }

    /// Up to eight bytes, first one lowest.
    #[inline(always)]
    pub(crate) fn raw(&mut self, bits: u64, len: usize) {
        self.window()[..8].copy_from_slice(&bits.to_le_bytes());
        self.len += len;
    }

    #[inline(always)]
    pub(crate) fn imm8(&mut self, v: u8) {
        self.raw(v.into(), 1);
    }

    #[inline(always)]
    pub(crate) fn imm32(&mut self, v: i32) {
        self.raw(v.cast_unsigned().into(), 4);
    }

    /// ModRM and whatever follows it, after a fixed part. `behind`: bytes of immediate to come.
    #[inline(always)]
    pub(crate) fn modrm(&mut self, mut head: Head, reg: u8, rm: Rm, behind: u8) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(r) => {
                head.put(0xc0 | reg | r & 7);
                self.raw(head.bits, head.len as usize);
            }
            Rm::Mem(a) => {
                let base = a.base as u8 & 7;
                // rbp and r13 without displacement would mean something else.
                let mode = if a.disp == 0 && base != 5 {
                    0x00
                } else if i8::try_from(a.disp).is_ok() {
                    0x40
                } else {
                    0x80
                };
                match a.index {
                    None if base != 4 => head.put(mode | reg | base),
                    None => {
                        head.put(mode | reg | 4);
                        head.put(0x24);
                    }
                    Some((index, shift)) => {
                        head.put(mode | reg | 4);
                        head.put(shift << 6 | (index as u8 & 7) << 3 | base);
                    }
                }
                let window = self.window();
                window[..8].copy_from_slice(&head.bits.to_le_bytes());
                window[head.len as usize & 15..][..4].copy_from_slice(&a.disp.to_le_bytes());
                self.len += head.len as usize
                    + match mode {
                        0x00 => 0,
                        0x40 => 1,
                        _ => 4,
                    };
            }
            Rm::Constant(c) => {
                head.put(reg | 5);
                self.raw(head.bits, head.len as usize);
                self.constant_uses.push((self.len as u32, c, behind));
                self.imm32(0);
            }
        }
    }

    /// An instruction with ModRM. `byte`: a register operand of 8 bits, whose upper ones need a REX prefix.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the parts of an encoding")]
    pub(crate) fn inst(&mut self, prefix: u8, wide: bool, map: Map, opcode: u8, reg: u8, rm: Rm, byte: bool, behind: u8) {
        let mut head = Head::default();
        if prefix != 0 {
            head.put(prefix);
        }
        let (x, b) = rm_bits(rm);
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | x << 1 | b;
        if rex != 0x40 || byte {
            head.put(rex);
        }
        match map {
            Map::One => {}
            Map::M0F => head.put(0x0f),
            Map::M0F38 => head.put2(0x380f),
            Map::M0F3A => head.put2(0x3a0f),
        }
        head.put(opcode);
        self.modrm(head, reg, rm, behind);
    }

    /// The same with a VEX prefix of 128 bits. `pp` as encoded; `vvvv` is a register's number, 0 where there is none.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the parts of an encoding")]
    pub(crate) fn vex(&mut self, pp: u8, wide: bool, map: Map, opcode: u8, reg: u8, vvvv: u8, rm: Rm, behind: u8) {
        let mut head = Head::default();
        let (x, b) = rm_bits(rm);
        let (r, v) = (!reg >> 3 & 1, !vvvv & 15);
        if map == Map::M0F && !wide && x == 0 && b == 0 {
            head.put(0xc5);
            head.put(r << 7 | v << 3 | pp);
        } else {
            head.put(0xc4);
            head.put(r << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | map as u8);
            head.put(u8::from(wide) << 7 | v << 3 | pp);
        }
        head.put(opcode);
        self.modrm(head, reg, rm, behind);
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
        self.labels.push(Place { at: self.len as u32, chain: 0 });
        Label(self.labels.len() as u32 - 1)
    }

    /// Makes `label` mean this place.
    pub fn bind(&mut self, label: Label) {
        let Place { at, chain } = self.labels[label.0 as usize];
        debug_assert_eq!(at, UNBOUND, "a label is bound once");
        self.labels[label.0 as usize] = Place { at: self.len as u32, chain: 0 };
        let mut field = chain as usize;
        while field != 0 {
            let next = self.get_u32(field) as usize;
            self.set_i32(field, (self.len as i64 - (field as i64 + 4)) as i32);
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
        let field = self.len as u32;
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

    // ---- Moves.

    /// `mov dst, src`
    #[inline]
    pub fn mov(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.inst(0, size.wide(), Map::One, 0x8b, dst as u8, src.into(), false, 0);
    }

    /// `mov dst, [mem]`
    #[inline]
    pub fn load(&mut self, size: Size, dst: Gpr, from: Addr) {
        self.inst(0, size.wide(), Map::One, 0x8b, dst as u8, from.into(), false, 0);
    }

    /// `mov [mem], src`
    #[inline]
    pub fn store(&mut self, size: Size, to: Addr, src: Gpr) {
        self.inst(0, size.wide(), Map::One, 0x89, src as u8, to.into(), false, 0);
    }

    /// `mov byte [mem], src`
    pub fn store8(&mut self, to: Addr, src: Gpr) {
        self.inst(0, false, Map::One, 0x88, src as u8, to.into(), src as u8 >= 4, 0);
    }

    /// `mov word [mem], src`
    pub fn store16(&mut self, to: Addr, src: Gpr) {
        self.inst(0x66, false, Map::One, 0x89, src as u8, to.into(), false, 0);
    }

    /// `mov [mem], imm`, sign-extended to 64 bits.
    pub fn store_imm(&mut self, size: Size, to: Addr, imm: i32) {
        self.inst(0, size.wide(), Map::One, 0xc7, 0, to.into(), false, 4);
        self.imm32(imm);
    }

    /// `mov byte [mem], imm`
    pub fn store_imm8(&mut self, to: Addr, imm: u8) {
        self.inst(0, false, Map::One, 0xc6, 0, to.into(), false, 1);
        self.imm8(imm);
    }

    /// `mov word [mem], imm`
    pub fn store_imm16(&mut self, to: Addr, imm: u16) {
        self.inst(0x66, false, Map::One, 0xc7, 0, to.into(), false, 2);
        self.raw(imm.into(), 2);
    }

    /// The shortest `mov dst, imm` that leaves flags alone; the upper half becomes zero for 32 bits.
    pub fn mov_imm(&mut self, size: Size, dst: Gpr, imm: i64) {
        let low = imm as u32;
        if size == Size::S32 || imm == i64::from(low) {
            let mut head = Head::default();
            if dst as u8 >= 8 {
                head.put(0x41);
            }
            head.put(0xb8 | dst as u8 & 7);
            self.raw(head.bits, head.len as usize);
            self.imm32(low.cast_signed());
        } else if let Ok(short) = i32::try_from(imm) {
            self.inst(0, true, Map::One, 0xc7, 0, dst.into(), false, 4);
            self.imm32(short);
        } else {
            self.raw(u64::from(0x48 | dst as u8 >> 3) | u64::from(0xb8 | dst as u8 & 7) << 8, 2);
            self.raw(imm.cast_unsigned(), 8);
        }
    }

    /// `xor dst, dst`: zero, and flags are lost.
    pub fn zero(&mut self, dst: Gpr) {
        self.inst(0, false, Map::One, 0x33, dst as u8, dst.into(), false, 0);
    }

    /// `movzx`, `movsx`, `movsxd`
    pub fn extend(&mut self, op: Extend, size: Size, dst: Gpr, src: Rm) {
        let byte_register = matches!(src, Rm::Reg(r) if r >= 4);
        match op {
            Extend::Zero8 => self.inst(0, false, Map::M0F, 0xb6, dst as u8, src, byte_register, 0),
            Extend::Zero16 => self.inst(0, false, Map::M0F, 0xb7, dst as u8, src, false, 0),
            Extend::Sign8 => self.inst(0, size.wide(), Map::M0F, 0xbe, dst as u8, src, byte_register, 0),
            Extend::Sign16 => self.inst(0, size.wide(), Map::M0F, 0xbf, dst as u8, src, false, 0),
            Extend::Sign32 => self.inst(0, true, Map::One, 0x63, dst as u8, src, false, 0),
        }
    }

    /// `lea dst, [mem]`
    pub fn lea(&mut self, size: Size, dst: Gpr, a: Addr) {
        self.inst(0, size.wide(), Map::One, 0x8d, dst as u8, a.into(), false, 0);
    }

    /// `lea dst, [rip + label]`
    pub fn lea_label(&mut self, dst: Gpr, label: Label) {
        let rex = 0x48 | (dst as u8 >> 3) << 2;
        self.raw(u64::from(rex) | 0x8d << 8 | u64::from(5 | (dst as u8 & 7) << 3) << 16, 3);
        self.displacement(label);
    }

    /// `xchg a, b`, 64 bits.
    pub fn xchg(&mut self, a: Gpr, b: Gpr) {
        self.inst(0, true, Map::One, 0x87, a as u8, b.into(), false, 0);
    }

    /// `lock xadd`, `lock cmpxchg` or `xchg [mem], src` of 1, 2, 4 or 8 bytes.
    pub fn locked(&mut self, op: Locked, bytes: u32, to: Addr, src: Gpr) {
        // An exchange is locked by itself.
        if op != Locked::Xchg {
            self.raw(0xf0, 1);
        }
        let (map, opcode) = match op {
            Locked::Xchg => (Map::One, 0x87),
            Locked::Xadd => (Map::M0F, 0xc1),
            Locked::Cmpxchg => (Map::M0F, 0xb1),
        };
        let prefix = if bytes == 2 { 0x66 } else { 0 };
        let opcode = if bytes == 1 { opcode - 1 } else { opcode };
        self.inst(prefix, bytes == 8, map, opcode, src as u8, to.into(), bytes == 1 && src as u8 >= 4, 0);
    }

    /// `mfence`
    pub fn mfence(&mut self) {
        self.raw(0x00f0_ae0f, 3);
    }

    /// `push reg`
    pub fn push(&mut self, r: Gpr) {
        let mut head = Head::default();
        if r as u8 >= 8 {
            head.put(0x41);
        }
        head.put(0x50 | r as u8 & 7);
        self.raw(head.bits, head.len as usize);
    }

    // ---- Arithmetic.

    /// `op dst, rm`
    #[inline]
    pub fn alu(&mut self, op: Alu, size: Size, dst: Gpr, src: Rm) {
        self.inst(0, size.wide(), Map::One, (op as u8) << 3 | 3, dst as u8, src, false, 0);
    }

    /// `op [mem], src`
    pub fn alu_mem(&mut self, op: Alu, size: Size, to: Addr, src: Gpr) {
        self.inst(0, size.wide(), Map::One, (op as u8) << 3 | 1, src as u8, to.into(), false, 0);
    }

    /// `op rm, imm`, sign-extended.
    #[inline]
    pub fn alu_imm(&mut self, op: Alu, size: Size, dst: Rm, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.inst(0, size.wide(), Map::One, 0x83, op as u8, dst, false, 1);
            self.imm8(short.cast_unsigned());
        } else {
            self.inst(0, size.wide(), Map::One, 0x81, op as u8, dst, false, 4);
            self.imm32(imm);
        }
    }

    /// `test a, b`
    pub fn test(&mut self, size: Size, a: Gpr, b: Gpr) {
        self.inst(0, size.wide(), Map::One, 0x85, b as u8, a.into(), false, 0);
    }

    /// `test rm, imm`, sign-extended.
    pub fn test_imm(&mut self, size: Size, a: Rm, imm: i32) {
        self.inst(0, size.wide(), Map::One, 0xf7, 0, a, false, 4);
        self.imm32(imm);
    }

    /// `op rm, imm8`
    pub fn shift_imm(&mut self, op: Shift, size: Size, dst: Rm, count: u8) {
        self.inst(0, size.wide(), Map::One, 0xc1, op as u8, dst, false, 1);
        self.imm8(count);
    }

    /// `op rm, cl`
    pub fn shift_cl(&mut self, op: Shift, size: Size, dst: Rm) {
        self.inst(0, size.wide(), Map::One, 0xd3, op as u8, dst, false, 0);
    }

    /// `shlx`, `shrx`, `sarx dst, src, count` (BMI2).
    ///
    /// # Panics
    /// For rotations, which have no such form.
    pub fn shift_by(&mut self, op: Shift, size: Size, dst: Gpr, src: Rm, count: Gpr) {
        let pp = match op {
            Shift::Shl => 1,
            Shift::Sar => 2,
            Shift::Shr => 3,
            Shift::Rol | Shift::Ror => panic!("there is no rotation by a register other than cl"),
        };
        self.vex(pp, size.wide(), Map::M0F38, 0xf7, dst as u8, count as u8, src, 0);
    }

    /// `imul dst, rm`
    pub fn imul(&mut self, size: Size, dst: Gpr, src: Rm) {
        self.inst(0, size.wide(), Map::M0F, 0xaf, dst as u8, src, false, 0);
    }

    /// `imul dst, rm, imm`
    pub fn imul_imm(&mut self, size: Size, dst: Gpr, src: Rm, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.inst(0, size.wide(), Map::One, 0x6b, dst as u8, src, false, 1);
            self.imm8(short.cast_unsigned());
        } else {
            self.inst(0, size.wide(), Map::One, 0x69, dst as u8, src, false, 4);
            self.imm32(imm);
        }
    }

    /// `not`, `neg`, `mul`, `imul`, `div`, `idiv rm`
    pub fn unary(&mut self, op: Unary, size: Size, rm: Rm) {
        self.inst(0, size.wide(), Map::One, 0xf7, op as u8, rm, false, 0);
    }

    /// `cdq`, `cqo`
    pub fn sign_extend_rax(&mut self, size: Size) {
        match size {
            Size::S32 => self.raw(0x99, 1),
            Size::S64 => self.raw(0x9948, 2),
        }
    }

    /// `bsf`, `bsr`, `tzcnt`, `lzcnt`, `popcnt dst, rm`
    pub fn count(&mut self, op: Count, size: Size, dst: Gpr, src: Rm) {
        let (prefix, opcode) = match op {
            Count::Bsf => (0, 0xbc),
            Count::Bsr => (0, 0xbd),
            Count::Tzcnt => (0xf3, 0xbc),
            Count::Lzcnt => (0xf3, 0xbd),
            Count::Popcnt => (0xf3, 0xb8),
        };
        self.inst(prefix, size.wide(), Map::M0F, opcode, dst as u8, src, false, 0);
    }

    // ---- Conditions and control.

    /// `setcc dst`: the low byte alone.
    pub fn setcc(&mut self, cond: Cond, dst: Gpr) {
        self.inst(0, false, Map::M0F, 0x90 | cond as u8, 0, dst.into(), dst as u8 >= 4, 0);
    }

    /// `cmovcc dst, rm`
    pub fn cmov(&mut self, cond: Cond, size: Size, dst: Gpr, src: Rm) {
        self.inst(0, size.wide(), Map::M0F, 0x40 | cond as u8, dst as u8, src, false, 0);
    }

    /// `jcc label`: the short form where the label is bound and near.
    pub fn jcc(&mut self, cond: Cond, label: Label) {
        if let Some(near) = self.near(label) {
            self.raw(u64::from(0x70 | cond as u8) | u64::from(near) << 8, 2);
        } else {
            self.raw(0x0f | u64::from(0x80 | cond as u8) << 8, 2);
            self.displacement(label);
        }
    }

    /// `jmp label`: the short form where the label is bound and near.
    pub fn jmp(&mut self, label: Label) {
        if let Some(near) = self.near(label) {
            self.raw(0xeb | u64::from(near) << 8, 2);
        } else {
            self.jmp_long(label);
        }
    }

    /// `jmp label`, five bytes.
    pub fn jmp_long(&mut self, label: Label) {
        self.raw(0xe9, 1);
        self.displacement(label);
    }

    fn near(&self, label: Label) -> Option<u8> {
        let distance = i64::from(self.position(label)?) - (self.len as i64 + 2);
        Some(i8::try_from(distance).ok()?.cast_unsigned())
    }

    /// `jcc` over at most 127 bytes that are not written yet: the field, for [`Encoder::land`].
    pub fn skip_if(&mut self, cond: Cond) -> u32 {
        self.raw(u64::from(0x70 | cond as u8), 2);
        self.len as u32
    }

    /// `jmp` over at most 127 bytes that are not written yet: the field, for [`Encoder::land`].
    pub fn skip(&mut self) -> u32 {
        self.raw(0xeb, 2);
        self.len as u32
    }

    /// Where a skip ends.
    ///
    /// # Panics
    /// If it is longer than 127 bytes.
    pub fn land(&mut self, skip: u32) {
        let distance = i8::try_from(self.len - skip as usize).expect("a skip is short");
        self.bytes[skip as usize - 1] = distance.cast_unsigned();
    }

    /// `jmp reg`
    pub fn jmp_reg(&mut self, r: Gpr) {
        self.inst(0, false, Map::One, 0xff, 4, r.into(), false, 0);
    }

    /// `call rm`
    pub fn call(&mut self, rm: Rm) {
        self.inst(0, false, Map::One, 0xff, 2, rm, false, 0);
    }

    /// `call rel32`, whose field is left to a relocation: its offset.
    pub fn call_relative(&mut self) -> u32 {
        self.raw(0xe8, 1);
        self.field()
    }

    /// `jmp rel32`, whose field is left to a relocation: its offset.
    pub fn jmp_relative(&mut self) -> u32 {
        self.raw(0xe9, 1);
        self.field()
    }

    /// `call [rip + disp32]`, whose field is left to a relocation: its offset.
    pub fn call_slot(&mut self) -> u32 {
        self.raw(0x15ff, 2);
        self.field()
    }

    /// `jmp [rip + disp32]`, whose field is left to a relocation: its offset.
    pub fn jmp_slot(&mut self) -> u32 {
        self.raw(0x25ff, 2);
        self.field()
    }

    /// `mov dst, [rip + disp32]`, whose field is left to a relocation: its offset.
    pub fn load_slot(&mut self, dst: Gpr) -> u32 {
        let rex = 0x48 | (dst as u8 >> 3) << 2;
        self.raw(u64::from(rex) | 0x8b << 8 | u64::from(5 | (dst as u8 & 7) << 3) << 16, 3);
        self.field()
    }

    fn field(&mut self) -> u32 {
        let at = self.len as u32;
        self.imm32(0);
        at
    }

    /// `ud2`
    pub fn ud2(&mut self) {
        self.raw(0x0b0f, 2);
    }

    /// `leave`
    pub fn leave(&mut self) {
        self.raw(0xc9, 1);
    }

    /// `ret`, popping `bytes` of arguments after the return address.
    pub fn ret(&mut self, bytes: u16) {
        if bytes == 0 {
            self.raw(0xc3, 1);
        } else {
            self.raw(0xc2 | u64::from(bytes) << 8, 3);
        }
    }

    /// `rep stosq`: rcx words of rax to where rdi points, and both move on.
    pub fn rep_stosq(&mut self) {
        self.raw(0xab_48f3, 3);
    }

    /// `sub rsp, imm32`, always seven bytes, to be completed by [`Encoder::set_frame`] or [`Encoder::divert_frame`].
    pub fn sub_rsp(&mut self) -> u32 {
        let at = self.len as u32;
        self.raw(0x00ec_8148, 3);
        self.imm32(0);
        at
    }

    /// Completes a [`Encoder::sub_rsp`].
    pub fn set_frame(&mut self, at: u32, bytes: i32) {
        self.set_i32(at as usize + 3, bytes);
    }

    /// Makes a [`Encoder::sub_rsp`] a jump to this place, and gives the label to come back to.
    pub fn divert_frame(&mut self, at: u32) -> Label {
        let distance = (self.len as i64 - (i64::from(at) + 5)) as i32;
        self.bytes[at as usize] = 0xe9;
        self.set_i32(at as usize + 1, distance);
        self.labels.push(Place { at: at + 7, chain: 0 });
        Label(self.labels.len() as u32 - 1)
    }
}

#[inline(always)]
fn rm_bits(rm: Rm) -> (u8, u8) {
    match rm {
        Rm::Reg(r) => (0, r >> 3),
        Rm::Mem(a) => (a.index.map_or(0, |(i, _)| i as u8 >> 3), a.base as u8 >> 3),
        Rm::Constant(_) => (0, 0),
    }
}

/// An instruction's fixed part: at most seven bytes.
#[derive(Copy, Clone, Default)]
pub(crate) struct Head {
    bits: u64,
    len: u32,
}

impl Head {
    #[inline(always)]
    pub(crate) fn put(&mut self, byte: u8) {
        self.bits |= u64::from(byte) << (8 * self.len);
        self.len += 1;
    }

    #[inline(always)]
    fn put2(&mut self, bytes: u16) {
        self.bits |= u64::from(bytes) << (8 * self.len);
        self.len += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

    fn decode(code: &[u8]) -> Vec<Instruction> {
        Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().collect()
    }

    fn one(f: impl FnOnce(&mut Encoder)) -> Instruction {
        let mut e = Encoder::new(false);
        f(&mut e);
        let code = decode(&e.finish());
        assert_eq!(code.len(), 1, "{:?}", code.iter().map(ToString::to_string).collect::<Vec<_>>());
        code[0]
    }

    fn reg(size: Size, r: Gpr) -> Register {
        (if size == Size::S64 { Register::RAX } else { Register::EAX }) + r as u32
    }

    fn named(i: &Instruction, name: &impl std::fmt::Debug) {
        assert_eq!(format!("{:?}", i.mnemonic()).to_lowercase(), format!("{name:?}").to_lowercase(), "{i}");
    }

    fn is_memory(i: &Instruction, operand: u32, a: Addr) {
        assert_eq!(i.op_kind(operand), OpKind::Memory, "{i}");
        assert_eq!(i.memory_base(), reg(Size::S64, a.base), "{i}");
        assert_eq!(i.memory_displacement64() as i64, i64::from(a.disp), "{i}");
        let index = a.index.map(|(r, shift)| (reg(Size::S64, r), 1 << shift));
        assert_eq!((i.memory_index(), i.memory_index_scale()), index.unwrap_or((Register::None, 1)), "{i}");
    }

    fn addresses() -> Vec<Addr> {
        let mut all = Vec::new();
        for base in Gpr::ALL {
            for disp in [0, 1, -128, 127, 128, -129, i32::MAX, i32::MIN] {
                all.push(Addr::new(base, disp));
                for index in [Gpr::Rax, Gpr::Rbp, Gpr::R8, Gpr::R12, Gpr::R13, Gpr::R15] {
                    all.push(Addr { base, index: Some((index, (disp & 3) as u8)), disp });
                }
            }
        }
        all
    }

    const SIZES: [Size; 2] = [Size::S32, Size::S64];
    const IMMEDIATES: [i32; 7] = [0, 1, -1, 127, -128, 128, i32::MIN];

    #[test]
    fn register_forms() {
        let pairs = || SIZES.into_iter().flat_map(|s| Gpr::ALL.into_iter().flat_map(move |a| Gpr::ALL.map(|b| (s, a, b))));
        for (size, a, b) in pairs() {
            let both = |i: Instruction| assert_eq!((i.op0_register(), i.op1_register()), (reg(size, a), reg(size, b)), "{i}");
            both(one(|e| e.mov(size, a, b)));
            both(one(|e| e.test(size, a, b)));
            both(one(|e| e.imul(size, a, b.into())));
            both(one(|e| e.alu(Alu::Sub, size, a, b.into())));
            for cond in Cond::ALL {
                let i = one(|e| e.cmov(cond, size, a, b.into()));
                both(i);
                assert_eq!(i.condition_code() as u8, cond as u8 + 1, "{i}");
            }
            for op in [Count::Bsf, Count::Bsr, Count::Tzcnt, Count::Lzcnt, Count::Popcnt] {
                let i = one(|e| e.count(op, size, a, b.into()));
                both(i);
                named(&i, &op);
            }
            for (op, name) in [(Shift::Shl, Mnemonic::Shlx), (Shift::Shr, Mnemonic::Shrx), (Shift::Sar, Mnemonic::Sarx)] {
                let i = one(|e| e.shift_by(op, size, a, b.into(), Gpr::R9));
                both(i);
                assert_eq!((i.mnemonic(), i.op2_register()), (name, reg(size, Gpr::R9)), "{i}");
            }
            for (op, sign, from) in
                [(Extend::Zero8, false, 1), (Extend::Zero16, false, 2), (Extend::Sign8, true, 1), (Extend::Sign16, true, 2)]
            {
                let i = one(|e| e.extend(op, size, a, b.into()));
                assert_eq!(i.mnemonic(), if sign { Mnemonic::Movsx } else { Mnemonic::Movzx }, "{i}");
                // What is zero-extended needs no more than 32 bits.
                assert_eq!(i.op0_register(), reg(if sign { size } else { Size::S32 }, a), "{i}");
                assert_eq!((i.op1_register().size(), i.op1_register().full_register()), (from, reg(Size::S64, b)), "{i}");
            }
        }
    }

    #[test]
    fn one_register_and_immediates() {
        for (size, r) in SIZES.into_iter().flat_map(|s| Gpr::ALL.map(|r| (s, r))) {
            for op in [Unary::Not, Unary::Neg, Unary::Mul, Unary::Imul, Unary::Div, Unary::Idiv] {
                let i = one(|e| e.unary(op, size, r.into()));
                named(&i, &op);
                assert_eq!(i.op0_register(), reg(size, r));
            }
            for op in [Shift::Rol, Shift::Ror, Shift::Shl, Shift::Shr, Shift::Sar] {
                let i = one(|e| e.shift_imm(op, size, r.into(), 7));
                named(&i, &op);
                assert_eq!((i.op0_register(), i.immediate8()), (reg(size, r), 7));
                let i = one(|e| e.shift_cl(op, size, r.into()));
                named(&i, &op);
                assert_eq!((i.op0_register(), i.op1_register()), (reg(size, r), Register::CL));
            }
            for imm in IMMEDIATES {
                for op in [Alu::Add, Alu::Or, Alu::Adc, Alu::Sbb, Alu::And, Alu::Sub, Alu::Xor, Alu::Cmp] {
                    let i = one(|e| e.alu_imm(op, size, r.into(), imm));
                    named(&i, &op);
                    assert_eq!((i.op0_register(), i.immediate(1) as i32), (reg(size, r), imm), "{i}");
                }
                let i = one(|e| e.imul_imm(size, r, r.into(), imm));
                assert_eq!((i.op0_register(), i.op1_register(), i.immediate(2) as i32), (reg(size, r), reg(size, r), imm), "{i}");
                let i = one(|e| e.test_imm(size, r.into(), imm));
                assert_eq!((i.op0_register(), i.immediate(1) as i32), (reg(size, r), imm), "{i}");
            }
            for imm in [0, 1, -1, i64::from(i32::MIN), i64::from(u32::MAX), i64::MIN, 0x0123_4567_89ab_cdef] {
                let i = one(|e| e.mov_imm(size, r, imm));
                assert_eq!((i.mnemonic(), i.op0_register().full_register()), (Mnemonic::Mov, reg(Size::S64, r)), "{i}");
                let written = match i.op0_register().size() {
                    4 => u64::from(i.immediate(1) as u32),
                    _ => i.immediate(1),
                };
                assert_eq!(written, if size == Size::S32 { u64::from(imm as u32) } else { imm as u64 }, "{i}");
            }
            for cond in Cond::ALL {
                let i = one(|e| e.setcc(cond, r));
                assert_eq!(
                    (i.condition_code() as u8, i.op0_register().full_register()),
                    (cond as u8 + 1, reg(Size::S64, r)),
                    "{i}"
                );
                assert_eq!(i.op0_register().size(), 1);
            }
            assert_eq!(one(|e| e.zero(r)).op0_register(), reg(Size::S32, r));
            assert_eq!(one(|e| e.push(r)).op0_register(), reg(Size::S64, r));
            assert_eq!(one(|e| e.call(r.into())).op0_register(), reg(Size::S64, r));
            assert_eq!(one(|e| e.jmp_reg(r)).op0_register(), reg(Size::S64, r));
        }
    }

    #[test]
    fn memory_forms() {
        for a in addresses() {
            for size in SIZES {
                let r = Gpr::R10;
                for (i, operand) in [
                    (one(|e| e.load(size, r, a)), 1),
                    (one(|e| e.store(size, a, r)), 0),
                    (one(|e| e.lea(size, r, a)), 1),
                    (one(|e| e.alu(Alu::Add, size, r, a.into())), 1),
                    (one(|e| e.alu_mem(Alu::Cmp, size, a, r)), 0),
                ] {
                    is_memory(&i, operand, a);
                    assert_eq!(i.op_register(1 - operand), reg(size, r), "{i}");
                }
                is_memory(&one(|e| e.extend(Extend::Sign16, size, r, a.into())), 1, a);
                for imm in IMMEDIATES {
                    let i = one(|e| e.store_imm(size, a, imm));
                    is_memory(&i, 0, a);
                    assert_eq!(i.immediate(1) as i32, imm);
                    is_memory(&one(|e| e.alu_imm(Alu::Cmp, size, a.into(), imm)), 0, a);
                }
            }
            for r in Gpr::ALL {
                let i = one(|e| e.store8(a, r));
                is_memory(&i, 0, a);
                assert_eq!((i.op1_register().size(), i.op1_register().full_register()), (1, reg(Size::S64, r)), "{i}");
                let i = one(|e| e.store16(a, r));
                assert_eq!((i.op1_register().size(), i.op1_register().full_register()), (2, reg(Size::S64, r)), "{i}");
                for bytes in [1, 2, 4, 8] {
                    for op in [Locked::Xchg, Locked::Xadd, Locked::Cmpxchg] {
                        let i = one(|e| e.locked(op, bytes, a, r));
                        named(&i, &op);
                        is_memory(&i, 0, a);
                        assert_eq!(i.has_lock_prefix(), op != Locked::Xchg);
                        assert_eq!(
                            (i.op1_register().size(), i.op1_register().full_register()),
                            (bytes as usize, reg(Size::S64, r)),
                            "{i}"
                        );
                    }
                }
            }
            let i = one(|e| e.store_imm8(a, 0xfe));
            is_memory(&i, 0, a);
            assert_eq!((i.memory_size().size(), i.immediate8()), (1, 0xfe));
            let i = one(|e| e.store_imm16(a, 0xfedc));
            is_memory(&i, 0, a);
            assert_eq!((i.memory_size().size(), i.immediate16()), (2, 0xfedc));
            is_memory(&one(|e| e.call(a.into())), 0, a);
        }
    }

    #[test]
    fn fixed_forms() {
        let code = |f: fn(&mut Encoder)| one(f).code();
        assert_eq!(code(|e| e.sign_extend_rax(Size::S32)), Code::Cdq);
        assert_eq!(code(|e| e.sign_extend_rax(Size::S64)), Code::Cqo);
        assert_eq!(code(|e| e.rep_stosq()), Code::Stosq_m64_RAX);
        assert!(one(|e| e.rep_stosq()).has_rep_prefix());
        assert_eq!(code(|e| e.leave()), Code::Leaveq);
        assert_eq!(code(|e| e.ud2()), Code::Ud2);
        assert_eq!(code(|e| e.mfence()), Code::Mfence);
        assert_eq!(code(|e| e.ret(0)), Code::Retnq);
        assert_eq!(one(|e| e.ret(0x1230)).immediate16(), 0x1230);
        for (f, at) in [(one(|e| assert_eq!(e.call_relative(), 1)), 5), (one(|e| assert_eq!(e.jmp_relative(), 1)), 5)] {
            assert_eq!(f.near_branch_target(), at);
        }
        for i in [
            one(|e| assert_eq!(e.call_slot(), 2)),
            one(|e| assert_eq!(e.jmp_slot(), 2)),
            one(|e| assert_eq!(e.load_slot(Gpr::R11), 3)),
        ] {
            assert_eq!(i.ip_rel_memory_address(), i.next_ip(), "{i}");
        }
    }

    #[test]
    fn labels_are_reached_from_both_sides_and_often() {
        let mut e = Encoder::new(false);
        let (back, forward) = (e.here(), e.label());
        e.jcc(Cond::L, forward);
        e.jmp(forward);
        e.lea_label(Gpr::R9, forward);
        e.jmp(back);
        let skip = e.skip_if(Cond::P);
        e.ud2();
        e.land(skip);
        e.bind(forward);
        e.jcc(Cond::G, back);
        let at = u64::from(e.position(forward).unwrap());
        let code = decode(&e.finish());
        assert_eq!(code[0].near_branch_target(), at);
        assert_eq!(code[1].near_branch_target(), at);
        assert_eq!(code[2].ip_rel_memory_address(), at);
        assert_eq!((code[3].near_branch_target(), code[3].len()), (0, 2));
        assert_eq!(code[4].near_branch_target(), at);
        assert_eq!((code[6].near_branch_target(), code[6].len()), (0, 2));
    }

    #[test]
    fn jump_tables_hold_distances_from_their_start() {
        let mut e = Encoder::new(false);
        let (first, second) = (e.here(), e.label());
        let table = e.table([first, second, first].into_iter());
        e.lea_label(Gpr::Rax, table);
        e.bind(second);
        let code = e.finish();
        let at = decode(&code)[0].ip_rel_memory_address() as usize;
        let entry = |n: usize| i32::from_le_bytes(*code[at + 4 * n..].first_chunk().unwrap());
        assert_eq!([entry(0), entry(1), entry(2)], [-(at as i32), 7 - at as i32, -(at as i32)]);
    }

    #[test]
    fn frames_are_completed_or_diverted() {
        let mut e = Encoder::new(false);
        let at = e.sub_rsp();
        e.set_frame(at, 0x1234);
        assert_eq!(decode(&e.finish())[0].immediate32(), 0x1234);
        let mut e = Encoder::new(false);
        let at = e.sub_rsp();
        e.ret(0);
        let back = e.divert_frame(at);
        e.jmp(back);
        let code = e.finish();
        assert_eq!(decode(&code)[0].near_branch_target(), 8);
        assert_eq!(decode(&code[8..])[0].near_branch_target().wrapping_add(8), 7);
    }

    #[test]
    #[should_panic(expected = "every label in use is bound")]
    fn a_label_that_was_never_bound_is_noticed() {
        let mut e = Encoder::new(false);
        let label = e.label();
        e.jmp(label);
        e.finish();
    }

    #[test]
    fn an_encoder_is_used_again_without_traces() {
        let mut e = Encoder::new(true);
        let build = |e: &mut Encoder| {
            let c = e.constant(42);
            e.sse_two(crate::sse::MOVSD, Xmm(3), c.into());
            let label = e.label();
            e.jmp(label);
            e.bind(label);
            e.finish()
        };
        let first = build(&mut e);
        e.clear();
        assert_eq!(build(&mut e), first);
    }
}
