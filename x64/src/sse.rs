//! Instructions on vector registers: a row each, encoded with a VEX prefix where the processor has AVX, else in the old form.
//!
//! The rows' opcodes serve both encodings. Operations of two sources are always written as three-operand ones; in the old
//! form that takes a move first, and a scratch register where the destination is the second source.

use crate::encode::form::{Form, Map};
use crate::encode::{Addr, Encoder, Rm, Size};
use crate::register::{Gpr, Xmm};

/// An instruction's prefix, opcode map and opcode.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Sse {
    /// As VEX encodes it: none, 66, F3, F2.
    pp: u8,
    map: Map,
    opcode: u8,
    /// Its name without `v`.
    pub name: &'static str,
}

impl Sse {
    #[inline(always)]
    fn form(self) -> Form {
        Form::new(self.map, self.opcode).prefix(self.pp)
    }
}

macro_rules! sse {
    ($($kind:ident { $($name:ident $pp:literal $map:ident $opcode:literal $text:literal;)* })*) => {
        $($(
            #[doc = concat!("`", $text, "`")]
            pub const $name: Sse = Sse { pp: $pp, map: Map::$map, opcode: $opcode, name: $text };
        )*)*
        /// Rows by kind, for tests.
        #[cfg(test)]
        mod rows {
            use super::*;
            $(pub const $kind: &[Sse] = &[$(super::$name,)*];)*
        }
    };
}

sse! {
    THREE {
        ADDSS 2 M0F 0x58 "addss"; ADDSD 3 M0F 0x58 "addsd"; ADDPS 0 M0F 0x58 "addps"; ADDPD 1 M0F 0x58 "addpd";
        MULSS 2 M0F 0x59 "mulss"; MULSD 3 M0F 0x59 "mulsd"; MULPS 0 M0F 0x59 "mulps"; MULPD 1 M0F 0x59 "mulpd";
        SUBSS 2 M0F 0x5c "subss"; SUBSD 3 M0F 0x5c "subsd"; SUBPS 0 M0F 0x5c "subps"; SUBPD 1 M0F 0x5c "subpd";
        MINSS 2 M0F 0x5d "minss"; MINSD 3 M0F 0x5d "minsd"; MINPS 0 M0F 0x5d "minps"; MINPD 1 M0F 0x5d "minpd";
        DIVSS 2 M0F 0x5e "divss"; DIVSD 3 M0F 0x5e "divsd"; DIVPS 0 M0F 0x5e "divps"; DIVPD 1 M0F 0x5e "divpd";
        MAXSS 2 M0F 0x5f "maxss"; MAXSD 3 M0F 0x5f "maxsd"; MAXPS 0 M0F 0x5f "maxps"; MAXPD 1 M0F 0x5f "maxpd";
        SQRTSS 2 M0F 0x51 "sqrtss"; SQRTSD 3 M0F 0x51 "sqrtsd";
        CVTSS2SD 2 M0F 0x5a "cvtss2sd"; CVTSD2SS 3 M0F 0x5a "cvtsd2ss";
        ANDPS 0 M0F 0x54 "andps"; ANDNPS 0 M0F 0x55 "andnps"; ORPS 0 M0F 0x56 "orps"; XORPS 0 M0F 0x57 "xorps";
        UNPCKLPS 0 M0F 0x14 "unpcklps"; UNPCKLPD 1 M0F 0x14 "unpcklpd";
        PADDB 1 M0F 0xfc "paddb"; PADDW 1 M0F 0xfd "paddw"; PADDD 1 M0F 0xfe "paddd"; PADDQ 1 M0F 0xd4 "paddq";
        PSUBB 1 M0F 0xf8 "psubb"; PSUBW 1 M0F 0xf9 "psubw"; PSUBD 1 M0F 0xfa "psubd"; PSUBQ 1 M0F 0xfb "psubq";
        PMULLW 1 M0F 0xd5 "pmullw"; PMULLD 1 M0F38 0x40 "pmulld"; PMULHW 1 M0F 0xe5 "pmulhw"; PMULHUW 1 M0F 0xe4 "pmulhuw";
        PMULUDQ 1 M0F 0xf4 "pmuludq"; PMULDQ 1 M0F38 0x28 "pmuldq"; PMADDWD 1 M0F 0xf5 "pmaddwd";
        PMADDUBSW 1 M0F38 0x04 "pmaddubsw"; PMULHRSW 1 M0F38 0x0b "pmulhrsw";
        PADDSB 1 M0F 0xec "paddsb"; PADDSW 1 M0F 0xed "paddsw"; PADDUSB 1 M0F 0xdc "paddusb"; PADDUSW 1 M0F 0xdd "paddusw";
        PSUBSB 1 M0F 0xe8 "psubsb"; PSUBSW 1 M0F 0xe9 "psubsw"; PSUBUSB 1 M0F 0xd8 "psubusb"; PSUBUSW 1 M0F 0xd9 "psubusw";
        PAVGB 1 M0F 0xe0 "pavgb"; PAVGW 1 M0F 0xe3 "pavgw";
        PMINSB 1 M0F38 0x38 "pminsb"; PMINSW 1 M0F 0xea "pminsw"; PMINSD 1 M0F38 0x39 "pminsd";
        PMINUB 1 M0F 0xda "pminub"; PMINUW 1 M0F38 0x3a "pminuw"; PMINUD 1 M0F38 0x3b "pminud";
        PMAXSB 1 M0F38 0x3c "pmaxsb"; PMAXSW 1 M0F 0xee "pmaxsw"; PMAXSD 1 M0F38 0x3d "pmaxsd";
        PMAXUB 1 M0F 0xde "pmaxub"; PMAXUW 1 M0F38 0x3e "pmaxuw"; PMAXUD 1 M0F38 0x3f "pmaxud";
        PACKSSWB 1 M0F 0x63 "packsswb"; PACKSSDW 1 M0F 0x6b "packssdw"; PACKUSWB 1 M0F 0x67 "packuswb";
        PACKUSDW 1 M0F38 0x2b "packusdw";
        PCMPEQB 1 M0F 0x74 "pcmpeqb"; PCMPEQW 1 M0F 0x75 "pcmpeqw"; PCMPEQD 1 M0F 0x76 "pcmpeqd"; PCMPEQQ 1 M0F38 0x29 "pcmpeqq";
        PCMPGTB 1 M0F 0x64 "pcmpgtb"; PCMPGTW 1 M0F 0x65 "pcmpgtw"; PCMPGTD 1 M0F 0x66 "pcmpgtd"; PCMPGTQ 1 M0F38 0x37 "pcmpgtq";
        PAND 1 M0F 0xdb "pand"; PANDN 1 M0F 0xdf "pandn"; POR 1 M0F 0xeb "por"; PXOR 1 M0F 0xef "pxor";
        PSLLW 1 M0F 0xf1 "psllw"; PSLLD 1 M0F 0xf2 "pslld"; PSLLQ 1 M0F 0xf3 "psllq";
        PSRLW 1 M0F 0xd1 "psrlw"; PSRLD 1 M0F 0xd2 "psrld"; PSRLQ 1 M0F 0xd3 "psrlq";
        PSRAW 1 M0F 0xe1 "psraw"; PSRAD 1 M0F 0xe2 "psrad";
        PUNPCKLBW 1 M0F 0x60 "punpcklbw"; PUNPCKLWD 1 M0F 0x61 "punpcklwd"; PUNPCKLDQ 1 M0F 0x62 "punpckldq";
        PUNPCKLQDQ 1 M0F 0x6c "punpcklqdq"; PUNPCKHBW 1 M0F 0x68 "punpckhbw"; PUNPCKHWD 1 M0F 0x69 "punpckhwd";
        PUNPCKHDQ 1 M0F 0x6a "punpckhdq"; PUNPCKHQDQ 1 M0F 0x6d "punpckhqdq"; PSHUFB 1 M0F38 0x00 "pshufb";
    }
    THREE_IMM {
        SHUFPS 0 M0F 0xc6 "shufps"; PALIGNR 1 M0F3A 0x0f "palignr"; PBLENDW 1 M0F3A 0x0e "pblendw";
        ROUNDSS 1 M0F3A 0x0a "roundss"; ROUNDSD 1 M0F3A 0x0b "roundsd"; INSERTPS 1 M0F3A 0x21 "insertps";
    }
    COMPARE { CMPSS 2 M0F 0xc2 "cmpss"; CMPSD 3 M0F 0xc2 "cmpsd"; CMPPS 0 M0F 0xc2 "cmpps"; CMPPD 1 M0F 0xc2 "cmppd"; }
    TWO {
        UCOMISS 0 M0F 0x2e "ucomiss"; UCOMISD 1 M0F 0x2e "ucomisd"; PTEST 1 M0F38 0x17 "ptest";
        SQRTPS 0 M0F 0x51 "sqrtps"; SQRTPD 1 M0F 0x51 "sqrtpd"; MOVDDUP 3 M0F 0x12 "movddup";
        CVTDQ2PS 0 M0F 0x5b "cvtdq2ps"; CVTDQ2PD 2 M0F 0xe6 "cvtdq2pd"; CVTTPS2DQ 2 M0F 0x5b "cvttps2dq";
        CVTTPD2DQ 1 M0F 0xe6 "cvttpd2dq"; CVTPS2PD 0 M0F 0x5a "cvtps2pd"; CVTPD2PS 1 M0F 0x5a "cvtpd2ps";
        PABSB 1 M0F38 0x1c "pabsb"; PABSW 1 M0F38 0x1d "pabsw"; PABSD 1 M0F38 0x1e "pabsd";
        PMOVSXBW 1 M0F38 0x20 "pmovsxbw"; PMOVSXWD 1 M0F38 0x23 "pmovsxwd"; PMOVSXDQ 1 M0F38 0x25 "pmovsxdq";
        PMOVZXBW 1 M0F38 0x30 "pmovzxbw"; PMOVZXWD 1 M0F38 0x33 "pmovzxwd"; PMOVZXDQ 1 M0F38 0x35 "pmovzxdq";
        MOVAPS 0 M0F 0x28 "movaps"; MOVUPS 0 M0F 0x10 "movups"; MOVQ 2 M0F 0x7e "movq";
    }
    TWO_IMM {
        PSHUFD 1 M0F 0x70 "pshufd"; PSHUFLW 3 M0F 0x70 "pshuflw"; PSHUFHW 2 M0F 0x70 "pshufhw";
        ROUNDPS 1 M0F3A 0x08 "roundps"; ROUNDPD 1 M0F3A 0x09 "roundpd";
    }
    LOAD { MOVSS 2 M0F 0x10 "movss"; MOVSD 3 M0F 0x10 "movsd"; }
    STORE { MOVSS_STORE 2 M0F 0x11 "movss"; MOVSD_STORE 3 M0F 0x11 "movsd"; MOVUPS_STORE 0 M0F 0x11 "movups"; }
    TO_GPR {
        PMOVMSKB 1 M0F 0xd7 "pmovmskb"; MOVMSKPS 0 M0F 0x50 "movmskps"; MOVMSKPD 1 M0F 0x50 "movmskpd";
        CVTTSS2SI 2 M0F 0x2c "cvttss2si"; CVTTSD2SI 3 M0F 0x2c "cvttsd2si";
    }
    FROM_GPR { CVTSI2SS 2 M0F 0x2a "cvtsi2ss"; CVTSI2SD 3 M0F 0x2a "cvtsi2sd"; }
    INSERT { PINSRB 1 M0F3A 0x20 "pinsrb"; PINSRW 1 M0F 0xc4 "pinsrw"; PINSRD 1 M0F3A 0x22 "pinsrd"; }
    EXTRACT { PEXTRB 1 M0F3A 0x14 "pextrb"; PEXTRW 1 M0F3A 0x15 "pextrw"; PEXTRD 1 M0F3A 0x16 "pextrd"; }
}

/// Shifts of all lanes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the processor's manual")]
pub enum LaneShift {
    Psllw,
    Pslld,
    Psllq,
    Psrlw,
    Psrld,
    Psrlq,
    Psraw,
    Psrad,
}

impl LaneShift {
    /// The form whose count is in a vector register; and of that with a constant the opcode and its extension.
    fn row(self) -> (Sse, u8, u8) {
        match self {
            LaneShift::Psllw => (PSLLW, 0x71, 6),
            LaneShift::Pslld => (PSLLD, 0x72, 6),
            LaneShift::Psllq => (PSLLQ, 0x73, 6),
            LaneShift::Psrlw => (PSRLW, 0x71, 2),
            LaneShift::Psrld => (PSRLD, 0x72, 2),
            LaneShift::Psrlq => (PSRLQ, 0x73, 2),
            LaneShift::Psraw => (PSRAW, 0x71, 4),
            LaneShift::Psrad => (PSRAD, 0x72, 4),
        }
    }

    /// The form whose count is in a vector register.
    pub fn by_register(self) -> Sse {
        self.row().0
    }
}

/// The register that three-operand forms may overwrite; it is none of their operands.
pub const SCRATCH: Xmm = Xmm(15);

impl Encoder {
    /// Whether instructions have VEX prefixes: then memory operands need no alignment.
    pub fn has_avx(&self) -> bool {
        self.avx
    }

    #[inline(always)]
    fn vector(&mut self, form: Form, reg: u8, vvvv: u8, rm: Rm) {
        if self.avx {
            self.vex(form, reg, vvvv, rm);
        } else {
            self.inst(form, reg, rm);
        }
    }

    /// In the old form the destination is the first source: makes it that, and gives the second one.
    #[inline]
    fn tie(&mut self, dst: Xmm, a: Xmm, b: Rm) -> Rm {
        if self.avx || dst == a {
            return b;
        }
        let mut b = b;
        if b == Rm::from(dst) {
            self.move_xmm(SCRATCH, dst);
            b = SCRATCH.into();
        }
        self.move_xmm(dst, a);
        b
    }

    /// `op dst, a, b`
    #[inline]
    pub fn sse(&mut self, op: Sse, dst: Xmm, a: Xmm, b: Rm) {
        let b = self.tie(dst, a, b);
        self.vector(op.form(), dst.0, a.0, b);
    }

    /// `op dst, a, b, imm`
    pub fn sse_imm(&mut self, op: Sse, dst: Xmm, a: Xmm, b: Rm, imm: u8) {
        let b = self.tie(dst, a, b);
        self.vector(op.form().imm8(imm), dst.0, a.0, b);
    }

    /// `op dst, src`, where nothing of the destination is read.
    #[inline]
    pub fn sse_two(&mut self, op: Sse, dst: Xmm, src: Rm) {
        self.vector(op.form(), dst.0, 0, src);
    }

    /// `op dst, src, imm`
    pub fn sse_two_imm(&mut self, op: Sse, dst: Xmm, src: Rm, imm: u8) {
        self.vector(op.form().imm8(imm), dst.0, 0, src);
    }

    /// `movaps dst, src`; nothing if they are the same.
    #[inline]
    pub fn move_xmm(&mut self, dst: Xmm, src: Xmm) {
        if dst != src {
            self.vector(MOVAPS.form(), dst.0, 0, src.into());
        }
    }

    /// `op [mem], src`: one of the storing moves.
    #[inline]
    pub fn sse_store(&mut self, op: Sse, to: Addr, src: Xmm) {
        self.vector(op.form(), src.0, 0, to.into());
    }

    /// A move from an integer's register or memory: `cvtsi2ss` and so on. The other lanes are the destination's.
    pub fn sse_from_int(&mut self, op: Sse, size: Size, dst: Xmm, src: Rm) {
        self.vector(op.form().size(size), dst.0, dst.0, src);
    }

    /// To an integer register: `cvttss2si`, `pmovmskb` and so on.
    pub fn sse_to_int(&mut self, op: Sse, size: Size, dst: Gpr, src: Rm) {
        self.vector(op.form().size(size), dst as u8, 0, src);
    }

    /// `movd`, `movq dst, rm`
    pub fn int_to_xmm(&mut self, size: Size, dst: Xmm, src: Rm) {
        let op = Sse { pp: 1, map: Map::M0F, opcode: 0x6e, name: "movd" };
        self.vector(op.form().size(size), dst.0, 0, src);
    }

    /// `movd`, `movq rm, src`
    pub fn xmm_to_int(&mut self, size: Size, dst: Rm, src: Xmm) {
        let op = Sse { pp: 1, map: Map::M0F, opcode: 0x7e, name: "movd" };
        self.vector(op.form().size(size), src.0, 0, dst);
    }

    /// `pinsrb`, `pinsrw`, `pinsrd` and, wide, `pinsrq dst, a, rm, lane`
    pub fn insert(&mut self, op: Sse, size: Size, dst: Xmm, a: Xmm, src: Rm, lane: u8) {
        if !self.avx {
            self.move_xmm(dst, a);
        }
        self.vector(op.form().size(size).imm8(lane), dst.0, a.0, src);
    }

    /// `pextrb`, `pextrw`, `pextrd` and, wide, `pextrq rm, src, lane`
    pub fn extract(&mut self, op: Sse, size: Size, dst: Rm, src: Xmm, lane: u8) {
        self.vector(op.form().size(size).imm8(lane), src.0, 0, dst);
    }

    /// `op dst, src, count`
    pub fn shift_lanes(&mut self, op: LaneShift, dst: Xmm, src: Xmm, count: u8) {
        let (_, opcode, extension) = op.row();
        let form = Form::new(Map::M0F, opcode).prefix(1).imm8(count);
        if self.avx {
            self.vex(form, extension, dst.0, src.into());
        } else {
            self.move_xmm(dst, src);
            self.inst(form, extension, dst.into());
        }
    }

    /// All bits clear.
    pub fn zero_xmm(&mut self, dst: Xmm) {
        self.sse(XORPS, dst, dst, dst.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Cond;
    use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

    fn decode(code: &[u8]) -> Vec<Instruction> {
        Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().collect()
    }

    fn emit(avx: bool, f: impl FnOnce(&mut Encoder)) -> Vec<Instruction> {
        let mut e = Encoder::new(avx);
        f(&mut e);
        decode(e.finish())
    }

    fn xmm(x: Xmm) -> Register {
        Register::XMM0 + u32::from(x.0)
    }

    fn gpr(size: Size, r: u8) -> Register {
        (if size == Size::S64 { Register::RAX } else { Register::EAX }) + u32::from(r)
    }

    fn name(i: &Instruction) -> String {
        format!("{:?}", i.mnemonic()).to_lowercase()
    }

    fn named(i: &Instruction, op: Sse, avx: bool) {
        let expected = format!("{}{}", if avx { "v" } else { "" }, op.name);
        assert_eq!(name(i), expected, "{i}");
    }

    fn addresses() -> Vec<Addr> {
        let mut all = Vec::new();
        for base in Gpr::ALL {
            for disp in [0, 8, -128, 128, -0x12345, i32::MAX] {
                all.push(Addr::new(base, disp));
                for index in [Gpr::Rax, Gpr::Rbp, Gpr::R12, Gpr::R15] {
                    all.push(Addr::scaled(base, index, (disp & 3) as u8, disp));
                }
            }
        }
        all
    }

    fn is_memory(i: &Instruction, operand: u32, a: Addr) {
        assert_eq!(i.op_kind(operand), OpKind::Memory, "{i}");
        assert_eq!(i.memory_base(), gpr(Size::S64, a.base() as u8), "{i}");
        assert_eq!(i.memory_displacement64() as i64, i64::from(a.disp()), "{i}");
        match a.index() {
            None => assert_eq!(i.memory_index(), Register::None, "{i}"),
            Some((index, shift)) => {
                assert_eq!(i.memory_index(), gpr(Size::S64, index as u8), "{i}");
                assert_eq!(i.memory_index_scale(), 1 << shift, "{i}");
            }
        }
    }

    const SOME: [Xmm; 4] = [Xmm(0), Xmm(5), Xmm(8), Xmm(14)];

    #[test]
    fn three_operand_rows() {
        for &op in [rows::THREE, rows::THREE_IMM, rows::COMPARE].concat().iter() {
            let imm = !rows::THREE.contains(&op);
            let compare = rows::COMPARE.contains(&op);
            for avx in [false, true] {
                for (dst, a, b) in SOME.into_iter().flat_map(|d| SOME.into_iter().flat_map(move |a| SOME.map(|b| (d, a, b)))) {
                    let code = emit(avx, |e| if imm { e.sse_imm(op, dst, a, b.into(), 3) } else { e.sse(op, dst, a, b.into()) });
                    let last = code.last().unwrap();
                    if compare {
                        assert!(name(last).contains(&op.name[..3]) || name(last).contains("cmp"), "{last}");
                    } else {
                        named(last, op, avx);
                    }
                    assert_eq!(last.op0_register(), xmm(dst));
                    if avx {
                        assert_eq!((code.len(), last.op1_register(), last.op2_register()), (1, xmm(a), xmm(b)), "{last}");
                    } else {
                        let second = if dst != a && b == dst { SCRATCH } else { b };
                        assert_eq!(last.op1_register(), xmm(second), "{last}");
                        assert_eq!(code.len(), 1 + usize::from(dst != a) + usize::from(dst != a && b == dst));
                    }
                }
                for a in addresses() {
                    let code = emit(avx, |e| {
                        if imm { e.sse_imm(op, Xmm(9), Xmm(9), a.into(), 3) } else { e.sse(op, Xmm(9), Xmm(9), a.into()) }
                    });
                    is_memory(&code[0], 1 + u32::from(avx), a);
                }
            }
        }
    }

    #[test]
    fn two_operand_rows() {
        for &op in [rows::TWO, rows::TWO_IMM, rows::LOAD].concat().iter() {
            let imm = rows::TWO_IMM.contains(&op);
            for avx in [false, true] {
                let put = |e: &mut Encoder, d, s| if imm { e.sse_two_imm(op, d, s, 1) } else { e.sse_two(op, d, s) };
                for a in addresses() {
                    let code = emit(avx, |e| put(e, Xmm(9), a.into()));
                    named(&code[0], op, avx);
                    is_memory(&code[0], 1, a);
                    assert_eq!(code[0].op0_register(), Register::XMM9);
                }
                if rows::LOAD.contains(&op) {
                    continue;
                }
                for (d, s) in SOME.into_iter().flat_map(|d| SOME.map(|s| (d, s))) {
                    let code = emit(avx, |e| put(e, d, s.into()));
                    assert_eq!((code.len(), code[0].op0_register(), code[0].op1_register()), (1, xmm(d), xmm(s)));
                }
            }
        }
    }

    #[test]
    fn moves_between_classes() {
        for avx in [false, true] {
            for (size, r, x) in
                [Size::S32, Size::S64].into_iter().flat_map(|s| Gpr::ALL.into_iter().flat_map(move |r| SOME.map(|x| (s, r, x))))
            {
                let reg = gpr(size, r as u8);
                for &op in rows::TO_GPR {
                    // Masks have one size.
                    if op.name.contains("msk") && size == Size::S64 {
                        continue;
                    }
                    let i = emit(avx, |e| e.sse_to_int(op, size, r, x.into()))[0];
                    named(&i, op, avx);
                    assert_eq!((i.op0_register(), i.op1_register()), (reg, xmm(x)), "{i}");
                }
                for &op in rows::FROM_GPR {
                    let i = emit(avx, |e| e.sse_from_int(op, size, x, r.into()))[0];
                    named(&i, op, avx);
                    assert_eq!((i.op0_register(), i.op_register(i.op_count() - 1)), (xmm(x), reg), "{i}");
                }
                let i = emit(avx, |e| e.int_to_xmm(size, x, r.into()))[0];
                assert_eq!((i.op0_register(), i.op1_register()), (xmm(x), reg), "{i}");
                let i = emit(avx, |e| e.xmm_to_int(size, r.into(), x))[0];
                assert_eq!((i.op0_register(), i.op1_register()), (reg, xmm(x)), "{i}");
                for (ops, wide) in [(rows::INSERT, "pinsrq"), (rows::EXTRACT, "pextrq")] {
                    for &op in ops {
                        if size == Size::S64 && !op.name.ends_with('d') {
                            continue;
                        }
                        let insert = ops == rows::INSERT;
                        let i = emit(avx, |e| {
                            if insert { e.insert(op, size, x, x, r.into(), 1) } else { e.extract(op, size, r.into(), x, 1) }
                        })[0];
                        let expected = if size == Size::S64 { wide } else { op.name };
                        assert_eq!(name(&i).trim_start_matches('v'), expected, "{i}");
                        assert_eq!(i.op0_register(), if insert { xmm(x) } else { reg }, "{i}");
                    }
                }
            }
            for a in addresses() {
                for &op in rows::STORE {
                    let i = emit(avx, |e| e.sse_store(op, a, Xmm(11)))[0];
                    named(&i, op, avx);
                    is_memory(&i, 0, a);
                    assert_eq!(i.op1_register(), Register::XMM11);
                }
            }
        }
    }

    #[test]
    fn lane_shifts() {
        use LaneShift::*;
        for op in [Psllw, Pslld, Psllq, Psrlw, Psrld, Psrlq, Psraw, Psrad] {
            for avx in [false, true] {
                let code = emit(avx, |e| e.shift_lanes(op, Xmm(9), Xmm(3), 5));
                let i = code.last().unwrap();
                assert_eq!(name(i).trim_start_matches('v'), format!("{op:?}").to_lowercase());
                assert_eq!(i.op0_register(), Register::XMM9);
                assert_eq!(i.immediate8(), 5);
                if avx {
                    assert_eq!(i.op1_register(), Register::XMM3);
                }
            }
        }
    }

    #[test]
    fn constants_are_aligned_found_again_and_behind_immediates() {
        let mut e = Encoder::new(false);
        let (n, w) = (e.constant(0x0102_0304_0506_0708), e.wide_constant(7));
        assert_eq!((e.constant(0x0102_0304_0506_0708), e.wide_constant(7)), (n, w));
        e.sse_two(MOVSD, Xmm(1), n.into());
        e.sse_imm(SHUFPS, Xmm(1), Xmm(1), w.into(), 9);
        let here = e.here();
        e.jcc(Cond::E, here);
        let code = e.finish();
        let i = decode(code);
        let at = i[0].ip_rel_memory_address() as usize;
        assert_eq!(code[at..at + 8], 0x0102_0304_0506_0708u64.to_le_bytes());
        let at = i[1].ip_rel_memory_address() as usize;
        assert!(at.is_multiple_of(16));
        assert_eq!(code[at..at + 16], 7u128.to_le_bytes());
    }
}
