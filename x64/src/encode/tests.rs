//! Every form is decoded by another implementation.

use super::*;
use crate::register::{Gpr, Xmm};
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

fn decode(code: &[u8]) -> Vec<Instruction> {
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().collect()
}

fn one(f: impl FnOnce(&mut Encoder)) -> Instruction {
    let mut e = Encoder::new(false);
    f(&mut e);
    let code = decode(e.finish());
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
    assert_eq!(i.memory_base(), reg(Size::S64, a.base()), "{i}");
    assert_eq!(i.memory_displacement64() as i64, i64::from(a.disp()), "{i}");
    let index = a.index().map(|(r, shift)| (reg(Size::S64, r), 1 << shift));
    assert_eq!((i.memory_index(), i.memory_index_scale()), index.unwrap_or((Register::None, 1)), "{i}");
}

fn addresses() -> Vec<Addr> {
    let mut all = Vec::new();
    for base in Gpr::ALL {
        for disp in [0, 1, -128, 127, 128, -129, i32::MAX, i32::MIN] {
            all.push(Addr::new(base, disp));
            for index in [Gpr::Rax, Gpr::Rbp, Gpr::R8, Gpr::R12, Gpr::R13, Gpr::R15] {
                all.push(Addr::scaled(base, index, (disp & 3) as u8, disp));
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
            assert_eq!((i.condition_code() as u8, i.op0_register().full_register()), (cond as u8 + 1, reg(Size::S64, r)), "{i}");
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
                (one(|e| e.test(size, a, r)), 0),
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
                is_memory(&one(|e| e.test_imm(size, a.into(), imm)), 0, a);
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
    let code = decode(e.finish());
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
    let code = e.finish().to_vec();
    let at = decode(&code)[0].ip_rel_memory_address() as usize;
    let entry = |n: usize| i32::from_le_bytes(*code[at + 4 * n..].first_chunk().unwrap());
    assert_eq!(e.jump_tables().collect::<Vec<_>>(), [(at as u32, at as u32 + 12)]);
    assert_eq!([entry(0), entry(1), entry(2)], [-(at as i32), 7 - at as i32, -(at as i32)]);
}

#[test]
fn frames_are_completed_or_diverted() {
    let mut e = Encoder::new(false);
    let at = e.sub_rsp();
    e.set_frame(at, 0x1234);
    assert_eq!(decode(e.finish())[0].immediate32(), 0x1234);
    let mut e = Encoder::new(false);
    let at = e.sub_rsp();
    e.ret(0);
    let back = e.divert_frame(at);
    e.jmp(back);
    let code = e.finish();
    assert_eq!(decode(code)[0].near_branch_target(), 8);
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
        e.finish().to_vec()
    };
    let first = build(&mut e);
    e.clear();
    assert_eq!(build(&mut e), first);
}

#[test]
fn forms_of_stubs() {
    for a in addresses().into_iter().filter(|a| a.index().is_none()) {
        for (i, mnemonic) in [
            (one(|e| e.push_mem(a)), Mnemonic::Push),
            (one(|e| e.pop_mem(a)), Mnemonic::Pop),
            (one(|e| e.jmp_mem(a)), Mnemonic::Jmp),
            (one(|e| e.ldmxcsr(a.into())), Mnemonic::Ldmxcsr),
            (one(|e| e.fldcw(a.into())), Mnemonic::Fldcw),
        ] {
            assert_eq!(i.mnemonic(), mnemonic);
            is_memory(&i, 0, a);
        }
        let test = one(|e| e.test_imm8(a, 0xf7));
        assert_eq!((test.mnemonic(), test.immediate8(), test.memory_size().size()), (Mnemonic::Test, 0xf7, 1));
        is_memory(&test, 0, a);
        let and = one(|e| e.locked_and(a, -5));
        assert_eq!((and.mnemonic(), and.immediate(1) as i64, and.memory_size().size()), (Mnemonic::And, -5, 4));
        assert!(and.has_lock_prefix());
        is_memory(&and, 0, a);
    }
    assert_eq!(one(|e| e.cld()).mnemonic(), Mnemonic::Cld);
    for len in 1..=64 {
        let mut e = Encoder::new(false);
        (0..64 - len).for_each(|_| e.cld());
        e.pad_with_nops(64);
        let code = decode(e.finish());
        assert!(code[64 - len..].iter().all(|i| i.mnemonic() == Mnemonic::Nop), "{len}");
        assert!(code.len() <= 64 - len + len.div_ceil(8), "{len}");
    }
}

#[test]
fn wide_vectors_of_stubs() {
    for x in [Xmm(0), Xmm(7), Xmm(8), Xmm(15)] {
        let [ymm, zmm] = [Register::YMM0, Register::ZMM0].map(|first| first + u32::from(x.0));
        for a in addresses() {
            for (i, register) in [(one(|e| e.load_ymm(x, a)), ymm), (one(|e| e.load_zmm(x, a)), zmm)] {
                assert_eq!((i.mnemonic(), i.op0_register()), (Mnemonic::Vmovups, register), "{i}");
                assert_eq!(i.op_mask(), Register::None, "{i}");
                is_memory(&i, 1, a);
            }
            for (i, register) in [(one(|e| e.store_ymm(a, x)), ymm), (one(|e| e.store_zmm(a, x)), zmm)] {
                assert_eq!((i.mnemonic(), i.op1_register()), (Mnemonic::Vmovups, register), "{i}");
                assert_eq!(i.op_mask(), Register::None, "{i}");
                is_memory(&i, 0, a);
            }
        }
        let i = one(|e| e.double_xmm(x));
        let half = Register::XMM0 + u32::from(x.0);
        assert_eq!((i.mnemonic(), i.immediate8()), (Mnemonic::Vinsertf128, 1), "{i}");
        assert_eq!((i.op0_register(), i.op1_register(), i.op2_register()), (ymm, ymm, half), "{i}");
    }
    assert_eq!(one(|e| e.zero_upper()).mnemonic(), Mnemonic::Vzeroupper);
}

#[test]
fn places_outside_the_code_are_reached() {
    for r in Gpr::ALL {
        let mut e = Encoder::new(false);
        e.cld();
        e.lea_to(r, -0x1234);
        e.jmp_to(-5);
        e.jcc_to(Cond::Ne, 3);
        e.jmp_through(0x100);
        let code: Vec<_> = Decoder::with_ip(64, e.finish(), 0x10_0000, DecoderOptions::NONE).iter().collect();
        assert_eq!((code[1].mnemonic(), code[1].op0_register()), (Mnemonic::Lea, reg(Size::S64, r)));
        assert_eq!(code[1].ip_rel_memory_address(), 0x10_0000 - 0x1234);
        assert_eq!((code[2].near_branch_target(), code[3].near_branch_target()), (0x10_0000 - 5, 0x10_0000 + 3));
        assert_eq!((code[3].mnemonic(), code[4].ip_rel_memory_address()), (Mnemonic::Jne, 0x10_0100));
    }
}
