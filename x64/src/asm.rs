//! The encoder: one method for each instruction form in use, and labels for jumps and constants.
//!
//! An encoding is what the processor's manual says it is: tests decode every form with another implementation and compare.

/// A general-purpose register. (Four bytes, so that compilers can keep one wherever they keep a number of that size.)
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum Gpr {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

impl Gpr {
    /// Every register, by number.
    pub const ALL: [Gpr; 16] = {
        use Gpr::*;
        [Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15]
    };

    fn low(self) -> u8 {
        self as u8 & 7
    }
}

/// A vector register: its number, 0 to 15.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(align(4))]
pub struct Xmm(pub u8);

/// A memory operand: `[base + disp]`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Mem {
    /// The register.
    pub base: Gpr,
    /// Added to it.
    pub disp: i32,
}

/// `[base + disp]`.
pub fn mem(base: Gpr, disp: i32) -> Mem {
    Mem { base, disp }
}

/// A place in the code, bound once, referred to from anywhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// A condition of a jump.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// Equal, zero.
    Equal = 4,
    /// Not equal, not zero.
    NotEqual = 5,
}

/// Collects instructions.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
    labels: Vec<Option<usize>>,
    /// 32-bit fields to fill with `label - end of field`.
    fixups: Vec<(usize, Label)>,
}

impl Assembler {
    /// An empty one.
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// Bytes so far.
    pub fn offset(&self) -> usize {
        self.bytes.len()
    }

    /// A new label, not bound yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Makes `label` mean this place.
    ///
    /// # Panics
    /// If it is bound already.
    pub fn bind(&mut self, label: Label) {
        let place = &mut self.labels[label.0];
        assert!(place.is_none(), "a label is bound once");
        *place = Some(self.bytes.len());
    }

    /// The finished code.
    ///
    /// # Panics
    /// If a label that is referred to was never bound.
    pub fn finish(mut self) -> Vec<u8> {
        for &(at, label) in &self.fixups {
            let target = self.labels[label.0].expect("every label in use is bound");
            let delta = target as i64 - (at as i64 + 4);
            self.bytes[at..at + 4].copy_from_slice(&(delta as i32).to_le_bytes());
        }
        self.bytes
    }

    /// Fills with breakpoints up to a multiple of `align`.
    pub fn align(&mut self, align: usize) {
        let to = self.bytes.len().next_multiple_of(align);
        self.bytes.resize(to, 0xcc);
    }

    /// Raw bytes (constants).
    pub fn data(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn byte(&mut self, b: u8) {
        self.bytes.push(b);
    }

    fn imm32(&mut self, v: i32) {
        self.data(&v.to_le_bytes());
    }

    fn rex(&mut self, wide: bool, reg: u8, base: u8) {
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | base >> 3;
        if rex != 0x40 {
            self.byte(rex);
        }
    }

    /// ModRM, SIB and displacement of a memory operand. `reg` is a register's number or an opcode extension.
    fn modrm_mem(&mut self, reg: u8, m: Mem) {
        let reg = (reg & 7) << 3;
        let short = i8::try_from(m.disp);
        // rbp and r13 without displacement would mean RIP-relative.
        let mode = match (m.disp, short) {
            (0, _) if m.base.low() != 5 => 0x00,
            (_, Ok(_)) => 0x40,
            _ => 0x80,
        };
        self.byte(mode | reg | m.base.low());
        if m.base.low() == 4 {
            self.byte(0x24);
        }
        match (mode, short) {
            (0x00, _) => {}
            (0x40, Ok(d)) => self.byte(d as u8),
            _ => self.imm32(m.disp),
        }
    }

    fn modrm_reg(&mut self, reg: u8, rm: u8) {
        self.byte(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    fn modrm_label(&mut self, reg: u8, label: Label) {
        self.byte((reg & 7) << 3 | 5);
        self.fixups.push((self.bytes.len(), label));
        self.imm32(0);
    }

    /// `push reg`
    pub fn push(&mut self, r: Gpr) {
        self.rex(false, 0, r as u8);
        self.byte(0x50 | r.low());
    }

    /// `pop reg`
    pub fn pop(&mut self, r: Gpr) {
        self.rex(false, 0, r as u8);
        self.byte(0x58 | r.low());
    }

    /// `push qword [mem]`
    pub fn push_mem(&mut self, m: Mem) {
        self.rex(false, 0, m.base as u8);
        self.byte(0xff);
        self.modrm_mem(6, m);
    }

    /// `pop qword [mem]`. A base of rsp is read after the pop.
    pub fn pop_mem(&mut self, m: Mem) {
        self.rex(false, 0, m.base as u8);
        self.byte(0x8f);
        self.modrm_mem(0, m);
    }

    /// `mov dst, src`, 64 bits.
    pub fn mov(&mut self, dst: Gpr, src: Gpr) {
        self.rex(true, src as u8, dst as u8);
        self.byte(0x89);
        self.modrm_reg(src as u8, dst as u8);
    }

    /// `mov dst, [mem]`, 64 bits.
    pub fn load(&mut self, dst: Gpr, m: Mem) {
        self.rex(true, dst as u8, m.base as u8);
        self.byte(0x8b);
        self.modrm_mem(dst as u8, m);
    }

    /// `mov [mem], src`, 64 bits.
    pub fn store(&mut self, m: Mem, src: Gpr) {
        self.rex(true, src as u8, m.base as u8);
        self.byte(0x89);
        self.modrm_mem(src as u8, m);
    }

    /// `lea dst, [mem]`
    pub fn lea(&mut self, dst: Gpr, m: Mem) {
        self.rex(true, dst as u8, m.base as u8);
        self.byte(0x8d);
        self.modrm_mem(dst as u8, m);
    }

    /// `mov dst, imm` of 64 bits, always ten bytes.
    pub fn mov_imm64(&mut self, dst: Gpr, imm: u64) {
        self.rex(true, 0, dst as u8);
        self.byte(0xb8 | dst.low());
        self.data(&imm.to_le_bytes());
    }

    /// `xor dst, dst`, 32 bits: zero in all 64.
    pub fn zero(&mut self, dst: Gpr) {
        self.rex(false, dst as u8, dst as u8);
        self.byte(0x31);
        self.modrm_reg(dst as u8, dst as u8);
    }

    /// `add dst, imm`, 64 bits; nothing for 0.
    pub fn add_imm(&mut self, dst: Gpr, imm: i32) {
        self.arith_imm(0, dst, imm);
    }

    /// `sub dst, imm`, 64 bits; nothing for 0.
    pub fn sub_imm(&mut self, dst: Gpr, imm: i32) {
        self.arith_imm(5, dst, imm);
    }

    /// `or dst, imm`, 64 bits; nothing for 0.
    pub fn or_imm(&mut self, dst: Gpr, imm: i32) {
        self.arith_imm(1, dst, imm);
    }

    fn arith_imm(&mut self, op: u8, dst: Gpr, imm: i32) {
        if imm == 0 {
            return;
        }
        self.rex(true, 0, dst as u8);
        if let Ok(short) = i8::try_from(imm) {
            self.byte(0x83);
            self.modrm_reg(op, dst as u8);
            self.byte(short as u8);
        } else {
            self.byte(0x81);
            self.modrm_reg(op, dst as u8);
            self.imm32(imm);
        }
    }

    /// `cmp a, b`
    pub fn cmp(&mut self, a: Gpr, b: Gpr) {
        self.rex(true, b as u8, a as u8);
        self.byte(0x39);
        self.modrm_reg(b as u8, a as u8);
    }

    /// `test byte [mem], imm`
    pub fn test_mem8_imm8(&mut self, m: Mem, imm: u8) {
        self.rex(false, 0, m.base as u8);
        self.byte(0xf6);
        self.modrm_mem(0, m);
        self.byte(imm);
    }

    /// `lock and dword [mem], imm`
    pub fn lock_and_mem32_imm8(&mut self, m: Mem, imm: i8) {
        self.byte(0xf0);
        self.rex(false, 0, m.base as u8);
        self.byte(0x83);
        self.modrm_mem(4, m);
        self.byte(imm as u8);
    }

    /// `movups dst, [mem]`: 16 bytes, any alignment.
    pub fn load_xmm(&mut self, dst: Xmm, m: Mem) {
        self.rex(false, dst.0, m.base as u8);
        self.data(&[0x0f, 0x10]);
        self.modrm_mem(dst.0, m);
    }

    /// `movups [mem], src`: 16 bytes, any alignment.
    pub fn store_xmm(&mut self, m: Mem, src: Xmm) {
        self.rex(false, src.0, m.base as u8);
        self.data(&[0x0f, 0x11]);
        self.modrm_mem(src.0, m);
    }

    /// `movsd dst, [mem]`: 8 bytes, the upper 8 become zero.
    pub fn load_xmm8(&mut self, dst: Xmm, m: Mem) {
        self.byte(0xf2);
        self.rex(false, dst.0, m.base as u8);
        self.data(&[0x0f, 0x10]);
        self.modrm_mem(dst.0, m);
    }

    /// `call reg`
    pub fn call(&mut self, r: Gpr) {
        self.rex(false, 0, r as u8);
        self.byte(0xff);
        self.modrm_reg(2, r as u8);
    }

    /// `call [mem]`
    pub fn call_mem(&mut self, m: Mem) {
        self.rex(false, 0, m.base as u8);
        self.byte(0xff);
        self.modrm_mem(2, m);
    }

    /// `jmp reg`
    pub fn jmp(&mut self, r: Gpr) {
        self.rex(false, 0, r as u8);
        self.byte(0xff);
        self.modrm_reg(4, r as u8);
    }

    /// `jmp [rip + disp]`: the displacement counts from the end of these six bytes.
    pub fn jmp_rip(&mut self, disp: i32) {
        self.data(&[0xff, 0x25]);
        self.imm32(disp);
    }

    /// `jmp [mem]`
    pub fn jmp_mem(&mut self, m: Mem) {
        self.rex(false, 0, m.base as u8);
        self.byte(0xff);
        self.modrm_mem(4, m);
    }

    /// `jmp` to an offset from the start of all code here: before it, too. Always the long form.
    pub fn jmp_to(&mut self, target: i32) {
        self.byte(0xe9);
        self.imm32(target - (self.bytes.len() as i32 + 4));
    }

    /// `jcc` to an offset from the start of all code here: before it, too. Always the long form.
    pub fn jcc_to(&mut self, condition: Condition, target: i32) {
        self.data(&[0x0f, 0x80 | condition as u8]);
        self.imm32(target - (self.bytes.len() as i32 + 4));
    }

    /// `lea dst, [rip + disp]`, the address of an offset from the start of all code here: before it, too.
    pub fn lea_to(&mut self, dst: Gpr, target: i32) {
        self.rex(true, dst as u8, 0);
        self.byte(0x8d);
        self.byte(dst.low() << 3 | 5);
        self.imm32(target - (self.bytes.len() as i32 + 4));
    }

    /// `jmp label`, always the long form.
    pub fn jmp_label(&mut self, label: Label) {
        self.byte(0xe9);
        self.fixups.push((self.bytes.len(), label));
        self.imm32(0);
    }

    /// `jcc label`, always the long form.
    pub fn jcc(&mut self, condition: Condition, label: Label) {
        self.data(&[0x0f, 0x80 | condition as u8]);
        self.fixups.push((self.bytes.len(), label));
        self.imm32(0);
    }

    /// `ldmxcsr [label]`
    pub fn ldmxcsr(&mut self, label: Label) {
        self.data(&[0x0f, 0xae]);
        self.modrm_label(2, label);
    }

    /// `fldcw [label]`
    pub fn fldcw(&mut self, label: Label) {
        self.byte(0xd9);
        self.modrm_label(5, label);
    }

    /// `cld`
    pub fn cld(&mut self) {
        self.byte(0xfc);
    }

    /// `ud2`
    pub fn ud2(&mut self) {
        self.data(&[0x0f, 0x0b]);
    }

    /// `ret`, popping `bytes` of arguments after the return address.
    pub fn ret(&mut self, bytes: u16) {
        if bytes == 0 {
            self.byte(0xc3);
        } else {
            self.byte(0xc2);
            self.data(&bytes.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, Mnemonic};

    /// Disassembly by another implementation, one line an instruction.
    pub(crate) fn disassemble(code: &[u8]) -> Vec<String> {
        let mut formatter = IntelFormatter::new();
        formatter.options_mut().set_rip_relative_addresses(false);
        formatter.options_mut().set_space_after_operand_separator(true);
        let mut out = Vec::new();
        for i in Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter() {
            assert!(!i.is_invalid(), "invalid instruction after {out:?}");
            let mut s = String::new();
            formatter.format(&i, &mut s);
            out.push(s);
        }
        out
    }

    fn name(r: Gpr) -> String {
        format!("{r:?}").to_lowercase()
    }

    fn one(emit: impl FnOnce(&mut Assembler)) -> String {
        let mut a = Assembler::new();
        emit(&mut a);
        let lines = disassemble(&a.finish());
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().unwrap()
    }

    fn address(m: Mem) -> String {
        let hex = |v: u32| {
            let s = format!("{v:X}h");
            if v < 10 {
                v.to_string()
            } else if s.starts_with(|c: char| c.is_ascii_alphabetic()) {
                format!("0{s}")
            } else {
                s
            }
        };
        match m.disp {
            0 => format!("[{}]", name(m.base)),
            d if d > 0 => format!("[{}+{}]", name(m.base), hex(d as u32)),
            d => format!("[{}-{}]", name(m.base), hex(d.unsigned_abs())),
        }
    }

    #[test]
    fn every_form_with_every_register_decodes_as_meant() {
        for a in Gpr::ALL {
            assert_eq!(one(|s| s.push(a)), format!("push {}", name(a)));
            assert_eq!(one(|s| s.pop(a)), format!("pop {}", name(a)));
            assert_eq!(one(|s| s.call(a)), format!("call {}", name(a)));
            assert_eq!(one(|s| s.jmp(a)), format!("jmp {}", name(a)));
            assert_eq!(one(|s| s.mov_imm64(a, 0x1122_3344_5566_7788)), format!("mov {}, 1122334455667788h", name(a)));
            for imm in [1i32, 127, -128, 128, 0x12345] {
                for (op, text) in [(0, "add"), (1, "or"), (5, "sub")] {
                    let line = one(|s| match op {
                        0 => s.add_imm(a, imm),
                        1 => s.or_imm(a, imm),
                        _ => s.sub_imm(a, imm),
                    });
                    assert!(line.starts_with(&format!("{text} {}, ", name(a))), "{line}");
                    assert_eq!(line.contains('-') || line.contains("0FFFFFFFF"), imm < 0, "{line}");
                }
            }
            for b in Gpr::ALL {
                assert_eq!(one(|s| s.mov(a, b)), format!("mov {}, {}", name(a), name(b)));
                assert_eq!(one(|s| s.cmp(a, b)), format!("cmp {}, {}", name(a), name(b)));
                for disp in [0, 8, -8, 127, -128, 128, 0x1234, -0x1234] {
                    let m = mem(b, disp);
                    let at = address(m);
                    assert_eq!(one(|s| s.load(a, m)), format!("mov {}, {at}", name(a)));
                    assert_eq!(one(|s| s.store(m, a)), format!("mov {at}, {}", name(a)));
                    assert_eq!(one(|s| s.lea(a, m)), format!("lea {}, {at}", name(a)));
                    let x = Xmm(a as u8);
                    assert_eq!(one(|s| s.load_xmm(x, m)), format!("movups xmm{}, {at}", x.0));
                    assert_eq!(one(|s| s.store_xmm(m, x)), format!("movups {at}, xmm{}", x.0));
                    assert_eq!(one(|s| s.load_xmm8(x, m)), format!("movsd xmm{}, {at}", x.0));
                    assert_eq!(one(|s| s.push_mem(m)), format!("push qword ptr {at}"));
                    assert_eq!(one(|s| s.pop_mem(m)), format!("pop qword ptr {at}"));
                    assert_eq!(one(|s| s.call_mem(m)), format!("call qword ptr {at}"));
                    assert_eq!(one(|s| s.jmp_mem(m)), format!("jmp qword ptr {at}"));
                    assert_eq!(one(|s| s.test_mem8_imm8(m, 7)), format!("test byte ptr {at}, 7"));
                    assert_eq!(one(|s| s.lock_and_mem32_imm8(m, 5)), format!("lock and dword ptr {at}, 5"));
                }
            }
        }
    }

    #[test]
    fn places_before_the_code_are_reached() {
        for r in Gpr::ALL {
            let mut a = Assembler::new();
            a.cld();
            a.lea_to(r, -0x1234);
            a.jmp_to(-5);
            a.jmp_to(3);
            let code: Vec<_> = Decoder::with_ip(64, &a.finish(), 0x10_0000, DecoderOptions::NONE).iter().collect();
            assert_eq!((code[1].mnemonic(), format!("{:?}", code[1].op0_register()).to_lowercase()), (Mnemonic::Lea, name(r)));
            assert_eq!(code[1].ip_rel_memory_address(), 0x10_0000 - 0x1234);
            assert_eq!((code[2].near_branch_target(), code[3].near_branch_target()), (0x10_0000 - 5, 0x10_0000 + 3));
        }
    }

    #[test]
    fn zero_clears_through_the_low_half() {
        assert_eq!(one(|s| s.zero(Gpr::Rbp)), "xor ebp, ebp");
        assert_eq!(one(|s| s.zero(Gpr::R9)), "xor r9d, r9d");
    }

    #[test]
    fn forms_without_operands() {
        assert_eq!(one(|s| s.cld()), "cld");
        assert_eq!(one(|s| s.ud2()), "ud2");
        assert_eq!(one(|s| s.ret(0)), "ret");
        assert_eq!(one(|s| s.ret(0x120)), "ret 120h");
        assert_eq!(one(|s| s.jmp_rip(0x100)), "jmp qword ptr [106h]");
    }

    #[test]
    fn labels_reach_forward_and_back() {
        let mut a = Assembler::new();
        let (back, forward, data) = (a.label(), a.label(), a.label());
        a.bind(back);
        a.jcc(Condition::NotEqual, forward);
        a.jmp_label(back);
        a.bind(forward);
        a.ldmxcsr(data);
        a.fldcw(data);
        a.bind(data);
        let code = a.finish();
        let code: Vec<_> = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).iter().collect();
        assert_eq!(code[0].near_branch_target(), 11);
        assert_eq!(code[1].near_branch_target(), 0);
        assert_eq!((code[2].mnemonic(), code[2].ip_rel_memory_address()), (Mnemonic::Ldmxcsr, 24));
        assert_eq!((code[3].mnemonic(), code[3].ip_rel_memory_address()), (Mnemonic::Fldcw, 24));
    }

    #[test]
    #[should_panic(expected = "every label in use is bound")]
    fn a_label_that_was_never_bound_is_noticed() {
        let mut a = Assembler::new();
        let l = a.label();
        a.jmp_label(l);
        a.finish();
    }
}
