//! Instructions that stubs need, and compiled functions do not.

use super::form::{Form, Map, one, two};
use super::{Addr, Cond, Encoder, Rm};
use crate::register::{Gpr, Xmm};

impl Encoder {
    /// `push qword [mem]`
    pub fn push_mem(&mut self, from: Addr) {
        self.inst(one(0xff), 6, from.into());
    }

    /// `pop qword [mem]`. A base of rsp is read after the pop.
    pub fn pop_mem(&mut self, to: Addr) {
        self.inst(one(0x8f), 0, to.into());
    }

    /// `test byte [mem], imm`
    pub fn test_imm8(&mut self, a: Addr, imm: u8) {
        self.inst(one(0xf6).imm8(imm), 0, a.into());
    }

    /// `lock and dword [mem], imm`, sign-extended.
    pub fn locked_and(&mut self, to: Addr, imm: i8) {
        self.raw(0xf0, 1);
        self.inst(one(0x83).imm8(imm.cast_unsigned()), 4, to.into());
    }

    /// `ldmxcsr [mem]`
    pub fn ldmxcsr(&mut self, from: Rm) {
        self.inst(two(0xae), 2, from);
    }

    /// `fldcw [mem]`
    pub fn fldcw(&mut self, from: Rm) {
        self.inst(one(0xd9), 5, from);
    }

    /// `cld`
    pub fn cld(&mut self) {
        self.raw(0xfc, 1);
    }

    /// `jmp [mem]`
    pub fn jmp_mem(&mut self, a: Addr) {
        self.inst(one(0xff), 4, a.into());
    }

    // ---- Vectors of 32 bytes, which need AVX.

    /// `vmovups ymm, [mem]`
    pub fn load_ymm(&mut self, dst: Xmm, from: Addr) {
        self.vex(two(0x10).long(), dst.0, 0, from.into());
    }

    /// `vmovups [mem], ymm`
    pub fn store_ymm(&mut self, to: Addr, src: Xmm) {
        self.vex(two(0x11).long(), src.0, 0, to.into());
    }

    /// `vinsertf128 ymm, ymm, xmm, 1` of one register: its lower half is its upper half as well.
    pub fn double_xmm(&mut self, x: Xmm) {
        self.vex(Form::new(Map::M0F3A, 0x18).prefix(1).long().imm8(1), x.0, x.0, x.into());
    }

    // ---- Vectors of 64 bytes, which need AVX-512F.

    /// `vmovups zmm, [mem]`
    pub fn load_zmm(&mut self, dst: Xmm, from: Addr) {
        self.evex(0x10, dst, from);
    }

    /// `vmovups [mem], zmm`
    pub fn store_zmm(&mut self, to: Addr, src: Xmm) {
        self.evex(0x11, src, to);
    }

    /// An instruction of the map 0F on 512 bits with an EVEX prefix, whose short displacements count vectors: there is none here.
    fn evex(&mut self, opcode: u8, reg: Xmm, a: Addr) {
        let (r, x, b) = (!reg.0 >> 3 & 1, !a.index >> 3 & 1, !a.base >> 3 & 1);
        self.raw(u64::from_le_bytes([0x62, r << 7 | x << 6 | b << 5 | 0x11, 0x7c, 0x48, opcode, 0, 0, 0]), 5);
        let sib = a.shift << 6 | (a.index & 7) << 3 | a.base & 7;
        self.raw(u64::from(0x84 | (reg.0 & 7) << 3) | u64::from(sib) << 8, 2);
        self.imm32(a.disp());
    }

    // ---- Both.

    /// `vzeroupper`: what comes next may use the old forms without paying for it.
    pub fn zero_upper(&mut self) {
        self.raw(0x77_f8c5, 3);
    }

    /// Instructions that do nothing, up to a multiple of `align`, a power of two.
    pub fn pad_with_nops(&mut self, align: u32) {
        // Of one to eight bytes, as processors' manuals advise; what is not shown is zero.
        const NOPS: [u64; 9] = [0, 0x90, 0x9066, 0x1f0f, 0x40_1f0f, 0x44_1f0f, 0x441f_0f66, 0x80_1f0f, 0x84_1f0f];
        while !self.len.is_multiple_of(align) {
            let len = (self.len.next_multiple_of(align) - self.len).min(8);
            self.raw(NOPS[len as usize], len);
        }
    }

    // ---- What is outside of the code: offsets from its start, before it too.

    /// `jmp` to an offset, five bytes.
    pub fn jmp_to(&mut self, target: i32) {
        self.raw(0xe9, 1);
        self.distance(target);
    }

    /// `jcc` to an offset, six bytes.
    pub fn jcc_to(&mut self, cond: Cond, target: i32) {
        self.raw(0x0f | u64::from(0x80 | cond as u8) << 8, 2);
        self.distance(target);
    }

    /// `lea dst, [rip + distance]`: the address of an offset.
    pub fn lea_to(&mut self, dst: Gpr, target: i32) {
        let rex = 0x48 | (dst as u8 >> 3) << 2;
        self.raw(u64::from(rex) | 0x8d << 8 | u64::from(5 | (dst as u8 & 7) << 3) << 16, 3);
        self.distance(target);
    }

    /// `jmp [rip + distance]`: to where an offset says.
    pub fn jmp_through(&mut self, slot: i32) {
        self.raw(0x25ff, 2);
        self.distance(slot);
    }

    fn distance(&mut self, target: i32) {
        self.imm32(target - (self.len.cast_signed() + 4));
    }
}
