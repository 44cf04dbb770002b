//! Forms: how an instruction with operands becomes bytes.
//!
//! An instruction is three stores into a window behind the code, wherever they end: everything up to ModRM and SIB, then four
//! bytes of displacement, then four of immediate. Only the length says how much of that there is.

use super::{Addr, Encoder, Rm, Size, WINDOW};

/// Opcode maps.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Map {
    One = 0,
    M0F = 1,
    M0F38 = 2,
    M0F3A = 3,
}

/// Prefixes of the old form, by their numbers in VEX.
const PREFIXES: [u8; 4] = [0, 0x66, 0xf3, 0xf2];

/// An instruction without its operands.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Form {
    /// As VEX encodes it: none, 66, F3, F2.
    pp: u8,
    map: Map,
    opcode: u8,
    /// Whether its operands have 64 bits.
    wide: bool,
    /// Whether its vectors have 256 bits.
    long: bool,
    /// Whether a register operand has 8 bits and is one whose name needs a REX prefix.
    byte: bool,
    /// Its immediate, and how many bytes of that there are.
    imm: i32,
    imm_bytes: u8,
}

/// A form with an opcode of one byte.
#[inline(always)]
pub(crate) fn one(opcode: u8) -> Form {
    Form::new(Map::One, opcode)
}

/// A form with an opcode behind 0F.
#[inline(always)]
pub(crate) fn two(opcode: u8) -> Form {
    Form::new(Map::M0F, opcode)
}

impl Form {
    #[inline(always)]
    pub(crate) fn new(map: Map, opcode: u8) -> Form {
        Form { pp: 0, map, opcode, wide: false, long: false, byte: false, imm: 0, imm_bytes: 0 }
    }

    #[inline(always)]
    pub(crate) fn prefix(self, pp: u8) -> Form {
        Form { pp, ..self }
    }

    #[inline(always)]
    pub(crate) fn size(self, size: Size) -> Form {
        self.wide(size.wide())
    }

    #[inline(always)]
    pub(crate) fn wide(self, wide: bool) -> Form {
        Form { wide, ..self }
    }

    #[inline(always)]
    pub(crate) fn long(self) -> Form {
        Form { long: true, ..self }
    }

    #[inline(always)]
    pub(crate) fn byte(self, byte: bool) -> Form {
        Form { byte, ..self }
    }

    #[inline(always)]
    pub(crate) fn imm8(self, imm: u8) -> Form {
        Form { imm: imm.into(), imm_bytes: 1, ..self }
    }

    #[inline(always)]
    pub(crate) fn imm16(self, imm: u16) -> Form {
        Form { imm: imm.into(), imm_bytes: 2, ..self }
    }

    #[inline(always)]
    pub(crate) fn imm32(self, imm: i32) -> Form {
        Form { imm, imm_bytes: 4, ..self }
    }
}

impl Encoder {
    /// An instruction with ModRM, in the old form.
    #[inline(always)]
    pub(crate) fn inst(&mut self, form: Form, reg: u8, rm: Rm) {
        let mut head = Head::default();
        if form.pp != 0 {
            head.put(PREFIXES[form.pp as usize & 3]);
        }
        let (x, b) = rm_bits(rm);
        let rex = 0x40 | u8::from(form.wide) << 3 | (reg >> 3) << 2 | x << 1 | b;
        if rex != 0x40 || form.byte {
            head.put(rex);
        }
        match form.map {
            Map::One => {}
            Map::M0F => head.put(0x0f),
            Map::M0F38 => head.put2(0x380f),
            Map::M0F3A => head.put2(0x3a0f),
        }
        head.put(form.opcode);
        self.operands(form, head, reg, rm);
    }

    /// The same with a VEX prefix, of 128 bits unless the form says otherwise. `vvvv` is a register's number,
    /// 0 where there is none.
    #[inline(always)]
    pub(crate) fn vex(&mut self, form: Form, reg: u8, vvvv: u8, rm: Rm) {
        let mut head = Head::default();
        let (x, b) = rm_bits(rm);
        let (r, v) = (!reg >> 3 & 1, !vvvv & 15);
        let last = v << 3 | u8::from(form.long) << 2 | form.pp;
        if form.map == Map::M0F && !form.wide && x == 0 && b == 0 {
            head.put(0xc5);
            head.put(r << 7 | last);
        } else {
            head.put(0xc4);
            head.put(r << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | form.map as u8);
            head.put(u8::from(form.wide) << 7 | last);
        }
        head.put(form.opcode);
        self.operands(form, head, reg, rm);
    }

    /// ModRM and whatever follows it, after a fixed part.
    #[inline(always)]
    fn operands(&mut self, form: Form, mut head: Head, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(r) => {
                head.put(0xc0 | reg | r & 7);
                self.complete(head, form, 0, 0);
            }
            Rm::Mem(a) => {
                let (base, disp) = (a.base & 7, a.disp());
                // rbp and r13 without displacement would mean something else.
                let (mode, disp_bytes) = if disp == 0 && base != 5 {
                    (0x00, 0)
                } else if i8::try_from(disp).is_ok() {
                    (0x40, 1)
                } else {
                    (0x80, 4)
                };
                // rsp and r12 as a base take a byte of scale and index, which then says that there is no index.
                if a.index == Addr::NONE && base != 4 {
                    head.put(mode | reg | base);
                } else {
                    let sib = a.shift << 6 | (a.index & 7) << 3 | base;
                    head.put2(u16::from(mode | reg | 4) | u16::from(sib) << 8);
                }
                self.complete(head, form, disp, disp_bytes);
            }
            Rm::Constant(c) => {
                head.put(reg | 5);
                self.constant_uses.push((self.len + head.len, c, form.imm_bytes));
                self.complete(head, form, 0, 4);
            }
        }
    }

    #[inline(always)]
    fn complete(&mut self, head: Head, form: Form, disp: i32, disp_bytes: u32) {
        let window = self.window();
        let (at, imm_at) = (head.len, head.len + disp_bytes);
        window[..8].copy_from_slice(&head.bits.to_le_bytes());
        if disp_bytes != 0 {
            window[at as usize % 16..][..4].copy_from_slice(&disp.to_le_bytes());
        }
        if form.imm_bytes != 0 {
            window[imm_at as usize % 16..][..4].copy_from_slice(&form.imm.to_le_bytes());
        }
        self.len += imm_at + u32::from(form.imm_bytes);
    }
}

const _: () = assert!(WINDOW >= 16 + 4, "an instruction's stores fit into the window");

#[inline(always)]
fn rm_bits(rm: Rm) -> (u8, u8) {
    match rm {
        Rm::Reg(r) => (0, r >> 3),
        Rm::Mem(a) => (a.index >> 3, a.base >> 3),
        Rm::Constant(_) => (0, 0),
    }
}

/// An instruction's fixed part: at most seven bytes.
#[derive(Copy, Clone, Default)]
pub(crate) struct Head {
    pub(crate) bits: u64,
    pub(crate) len: u32,
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
