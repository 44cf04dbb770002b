//! General-purpose instructions.

use super::form::{Form, Head, Map, one, two};
use super::{Addr, Alu, Cond, Count, Encoder, Extend, Label, Locked, Place, Rm, Shift, Size, Unary};
use crate::register::Gpr;

impl Encoder {
    // ---- Moves.

    /// `mov dst, src`
    #[inline]
    pub fn mov(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.inst(one(0x8b).size(size), dst as u8, src.into());
    }

    /// `mov dst, [mem]`
    #[inline]
    pub fn load(&mut self, size: Size, dst: Gpr, from: Addr) {
        self.inst(one(0x8b).size(size), dst as u8, from.into());
    }

    /// `mov [mem], src`
    #[inline]
    pub fn store(&mut self, size: Size, to: Addr, src: Gpr) {
        self.inst(one(0x89).size(size), src as u8, to.into());
    }

    /// `mov byte [mem], src`
    pub fn store8(&mut self, to: Addr, src: Gpr) {
        self.inst(one(0x88).byte(src as u8 >= 4), src as u8, to.into());
    }

    /// `mov word [mem], src`
    pub fn store16(&mut self, to: Addr, src: Gpr) {
        self.inst(one(0x89).prefix(1), src as u8, to.into());
    }

    /// `mov [mem], imm`, sign-extended to 64 bits.
    pub fn store_imm(&mut self, size: Size, to: Addr, imm: i32) {
        self.inst(one(0xc7).size(size).imm32(imm), 0, to.into());
    }

    /// `mov byte [mem], imm`
    pub fn store_imm8(&mut self, to: Addr, imm: u8) {
        self.inst(one(0xc6).imm8(imm), 0, to.into());
    }

    /// `mov word [mem], imm`
    pub fn store_imm16(&mut self, to: Addr, imm: u16) {
        self.inst(one(0xc7).prefix(1).imm16(imm), 0, to.into());
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
            self.raw(head.bits, head.len);
            self.imm32(low.cast_signed());
        } else if let Ok(short) = i32::try_from(imm) {
            self.inst(one(0xc7).size(Size::S64).imm32(short), 0, dst.into());
        } else {
            self.raw(u64::from(0x48 | dst as u8 >> 3) | u64::from(0xb8 | dst as u8 & 7) << 8, 2);
            self.raw(imm.cast_unsigned(), 8);
        }
    }

    /// `xor dst, dst`: zero, and flags are lost.
    pub fn zero(&mut self, dst: Gpr) {
        self.inst(one(0x33), dst as u8, dst.into());
    }

    /// `movzx`, `movsx`, `movsxd`
    pub fn extend(&mut self, op: Extend, size: Size, dst: Gpr, src: Rm) {
        let byte_register = matches!(src, Rm::Reg(r) if r >= 4);
        match op {
            Extend::Zero8 => self.inst(two(0xb6).byte(byte_register), dst as u8, src),
            Extend::Zero16 => self.inst(two(0xb7), dst as u8, src),
            Extend::Sign8 => self.inst(two(0xbe).size(size).byte(byte_register), dst as u8, src),
            Extend::Sign16 => self.inst(two(0xbf).size(size), dst as u8, src),
            Extend::Sign32 => self.inst(one(0x63).size(Size::S64), dst as u8, src),
        }
    }

    /// `lea dst, [mem]`
    pub fn lea(&mut self, size: Size, dst: Gpr, a: Addr) {
        self.inst(one(0x8d).size(size), dst as u8, a.into());
    }

    /// `lea dst, [rip + label]`
    pub fn lea_label(&mut self, dst: Gpr, label: Label) {
        let rex = 0x48 | (dst as u8 >> 3) << 2;
        self.raw(u64::from(rex) | 0x8d << 8 | u64::from(5 | (dst as u8 & 7) << 3) << 16, 3);
        self.displacement(label);
    }

    /// `xchg a, b`, 64 bits.
    pub fn xchg(&mut self, a: Gpr, b: Gpr) {
        self.inst(one(0x87).size(Size::S64), a as u8, b.into());
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
        let prefix = u8::from(bytes == 2);
        let opcode = if bytes == 1 { opcode - 1 } else { opcode };
        self.inst(
            Form::new(map, opcode).prefix(prefix).wide(bytes == 8).byte(bytes == 1 && src as u8 >= 4),
            src as u8,
            to.into(),
        );
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
        self.raw(head.bits, head.len);
    }

    /// `pop reg`
    pub fn pop(&mut self, r: Gpr) {
        let mut head = Head::default();
        if r as u8 >= 8 {
            head.put(0x41);
        }
        head.put(0x58 | r as u8 & 7);
        self.raw(head.bits, head.len);
    }

    // ---- Arithmetic.

    /// `op dst, rm`
    #[inline]
    pub fn alu(&mut self, op: Alu, size: Size, dst: Gpr, src: Rm) {
        self.inst(one((op as u8) << 3 | 3).size(size), dst as u8, src);
    }

    /// `op [mem], src`
    pub fn alu_mem(&mut self, op: Alu, size: Size, to: Addr, src: Gpr) {
        self.inst(one((op as u8) << 3 | 1).size(size), src as u8, to.into());
    }

    /// `op rm, imm`, sign-extended.
    #[inline]
    pub fn alu_imm(&mut self, op: Alu, size: Size, dst: Rm, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.inst(one(0x83).size(size).imm8(short.cast_unsigned()), op as u8, dst);
        } else {
            self.inst(one(0x81).size(size).imm32(imm), op as u8, dst);
        }
    }

    /// `test a, b`
    pub fn test(&mut self, size: Size, a: impl Into<Rm>, b: Gpr) {
        self.inst(one(0x85).size(size), b as u8, a.into());
    }

    /// `test rm, imm`, sign-extended.
    pub fn test_imm(&mut self, size: Size, a: Rm, imm: i32) {
        self.inst(one(0xf7).size(size).imm32(imm), 0, a);
    }

    /// `op rm, imm8`
    pub fn shift_imm(&mut self, op: Shift, size: Size, dst: Rm, count: u8) {
        self.inst(one(0xc1).size(size).imm8(count), op as u8, dst);
    }

    /// `op rm, cl`
    pub fn shift_cl(&mut self, op: Shift, size: Size, dst: Rm) {
        self.inst(one(0xd3).size(size), op as u8, dst);
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
        self.vex(Form::new(Map::M0F38, 0xf7).prefix(pp).size(size), dst as u8, count as u8, src);
    }

    /// `imul dst, rm`
    pub fn imul(&mut self, size: Size, dst: Gpr, src: Rm) {
        self.inst(two(0xaf).size(size), dst as u8, src);
    }

    /// `imul dst, rm, imm`
    pub fn imul_imm(&mut self, size: Size, dst: Gpr, src: Rm, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.inst(one(0x6b).size(size).imm8(short.cast_unsigned()), dst as u8, src);
        } else {
            self.inst(one(0x69).size(size).imm32(imm), dst as u8, src);
        }
    }

    /// `not`, `neg`, `mul`, `imul`, `div`, `idiv rm`
    pub fn unary(&mut self, op: Unary, size: Size, rm: Rm) {
        self.inst(one(0xf7).size(size), op as u8, rm);
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
            Count::Tzcnt => (2, 0xbc),
            Count::Lzcnt => (2, 0xbd),
            Count::Popcnt => (2, 0xb8),
        };
        self.inst(two(opcode).prefix(prefix).size(size), dst as u8, src);
    }

    // ---- Conditions and control.

    /// `setcc dst`: the low byte alone.
    pub fn setcc(&mut self, cond: Cond, dst: Gpr) {
        self.inst(two(0x90 | cond as u8).byte(dst as u8 >= 4), 0, dst.into());
    }

    /// `cmovcc dst, rm`
    pub fn cmov(&mut self, cond: Cond, size: Size, dst: Gpr, src: Rm) {
        self.inst(two(0x40 | cond as u8).size(size), dst as u8, src);
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
        let distance = i64::from(self.position(label)?) - (i64::from(self.len) + 2);
        Some(i8::try_from(distance).ok()?.cast_unsigned())
    }

    /// `jcc` over at most 127 bytes that are not written yet: the field, for [`Encoder::land`].
    pub fn skip_if(&mut self, cond: Cond) -> u32 {
        self.raw(u64::from(0x70 | cond as u8), 2);
        self.len
    }

    /// `jmp` over at most 127 bytes that are not written yet: the field, for [`Encoder::land`].
    pub fn skip(&mut self) -> u32 {
        self.raw(0xeb, 2);
        self.len
    }

    /// Where a skip ends.
    ///
    /// # Panics
    /// If it is longer than 127 bytes.
    pub fn land(&mut self, skip: u32) {
        let distance = i8::try_from(self.len - skip).expect("a skip is short");
        self.bytes[skip as usize - 1] = distance.cast_unsigned();
    }

    /// `jmp reg`
    pub fn jmp_reg(&mut self, r: Gpr) {
        self.inst(one(0xff), 4, r.into());
    }

    /// `call rm`
    pub fn call(&mut self, rm: Rm) {
        self.inst(one(0xff), 2, rm);
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
        let at = self.len;
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
        let at = self.len;
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
        let distance = (i64::from(self.len) - (i64::from(at) + 5)) as i32;
        self.bytes[at as usize] = 0xe9;
        self.set_i32(at as usize + 1, distance);
        self.labels.push(Place { at: at + 7, chain: 0 });
        Label(self.labels.len() as u32 - 1)
    }
}
