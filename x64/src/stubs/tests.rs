//! Each stub, read by another decoder.

use super::*;
use crate::text::FILLER;
use Class::*;
use iced_x86::{ConditionCode, Decoder, DecoderOptions, FlowControl, Mnemonic, OpKind, Register};

const OFFSETS: Offsets = Offsets {
    store: 8,
    host_code: 16,
    host_sp: 0,
    exit_fp: 8,
    pending: 16,
    handler_bit: 4,
    handler: 24,
    leave_bits: 7,
    leave: 64,
    boundary: 72,
    range_base: 24,
    range_length: 32,
    fuel: None,
};

/// The same where code counts.
const COUNTING: Offsets = Offsets { fuel: Some(144), ..OFFSETS };

fn decode(code: &[u8]) -> Vec<iced_x86::Instruction> {
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().collect()
}

/// Pushes, pops and adjustments of rsp up to the first transfer, as a change in bytes.
fn depth_until(code: &[iced_x86::Instruction], stop: impl Fn(&iced_x86::Instruction) -> bool) -> i64 {
    let mut depth = 0;
    for i in code.iter().take_while(|i| !stop(i)) {
        match i.mnemonic() {
            Mnemonic::Push => depth += 8,
            Mnemonic::Pop => depth -= 8,
            Mnemonic::Sub if i.op0_register() == Register::RSP => depth += i.immediate(1) as i64,
            Mnemonic::Add if i.op0_register() == Register::RSP => depth -= i.immediate(1) as i64,
            _ => {}
        }
    }
    depth
}

#[test]
fn thunks_jump_through_their_slots() {
    let slots = [0x1234, -8, i32::MAX - 64];
    let code = thunks(slots);
    assert_eq!(code.len(), slots.len() * THUNK_SIZE);
    for (n, (thunk, slot)) in code.chunks(THUNK_SIZE).zip(slots).enumerate() {
        let i = decode(thunk)[0];
        assert_eq!(i.mnemonic(), Mnemonic::Jmp);
        let from_row = i.ip_rel_memory_address().cast_signed() + (n * THUNK_SIZE) as i64;
        assert_eq!(from_row, i64::from(slot), "{n}");
        assert!(thunk[6..].iter().all(|&b| b == FILLER));
    }
}

#[test]
fn the_landing_pad_undoes_what_an_entry_does() {
    let enter = decode(&entry(&Signature::new([], []), &OFFSETS));
    let pushed = depth_until(&enter, |i| i.mnemonic() == Mnemonic::Mov && i.op0_register() == Register::RSP);
    // With the return address the frame keeps rsp aligned.
    assert_eq!((pushed + 8) % 16, 0);
    let pad = decode(&landing_pad(&OFFSETS));
    let popped = -depth_until(&pad, |i| i.mnemonic() == Mnemonic::Ret);
    assert_eq!(pushed, popped);
    let order = |code: &[iced_x86::Instruction], m| {
        let is_callee_saved =
            |i: &&iced_x86::Instruction| i.mnemonic() == m && ![Register::None, Register::RDI].contains(&i.op0_register());
        code.iter().filter(is_callee_saved).map(|i| i.op0_register()).collect::<Vec<_>>()
    };
    let mut popped_registers = order(&pad, Mnemonic::Pop);
    popped_registers.reverse();
    assert_eq!(order(&enter, Mnemonic::Push), popped_registers);
}

#[test]
fn host_calls_pop_what_wasm_pushed() {
    for n in 0..40 {
        let sig = Signature::new([I64, V128, F32].into_iter().cycle().take(n), [I32]);
        let mut arguments = Arguments::new();
        arguments.next(I64);
        sig.params.iter().for_each(|&c| {
            arguments.next(c);
        });
        for code in
            [host_call_registers(&sig, &OFFSETS, Afterwards::Boundary), host_call_array(&sig, &OFFSETS, Afterwards::Leave)]
        {
            let ret = decode(&code).into_iter().find(|i| i.flow_control() == FlowControl::Return).unwrap();
            let popped = if ret.op_count() == 1 { ret.immediate(0) as u32 } else { 0 };
            assert_eq!(popped, arguments.stack_bytes(), "{n} parameters");
        }
    }
}

#[test]
fn a_host_call_in_place_leaves_a_frame_and_takes_it_off() {
    let code = decode(&host_call_in_place(&OFFSETS, -100, 32, 1000, Afterwards::Boundary));
    // As if it had been called and had pushed the frame pointer.
    assert_eq!((code[0].op0_register(), code[0].ip_rel_memory_address() as i64), (Register::R11, -100));
    let stored = code.iter().filter(|i| i.mnemonic() == Mnemonic::Mov && i.memory_base() == Register::RSP);
    let stored: Vec<_> = stored.map(|i| (i.memory_displacement64() as i64, i.op1_register())).take(2).collect();
    assert_eq!(stored, [(-8, Register::R11), (-16, Register::RBP)]);
    assert!(code.iter().all(|i| i.op0_register() != Register::RBP), "the frame pointer is the place's");
    // It goes back with the stack pointer as it was.
    let [.., look, pending, restored, back] = &code[..] else { unreachable!() };
    assert_eq!((restored.op0_register(), restored.memory_base()), (Register::RSP, Register::RBP));
    assert_eq!((restored.memory_displacement64() as i64, back.near_branch_target() as i64), (-32, -100));
    assert_eq!((look.immediate8(), pending.near_branch_target()), (0xff, 1000));
    // So does the way by what is pending, to the address that was left.
    let code = decode(&host_call_pending(&OFFSETS, 32, Afterwards::Boundary));
    let [.., call, restored, back] = &code[..] else { unreachable!() };
    assert_eq!((call.mnemonic(), call.memory_displacement64()), (Mnemonic::Call, 72));
    assert_eq!((restored.memory_base(), restored.memory_displacement64() as i64), (Register::RBP, -32));
    assert_eq!((back.memory_base(), back.memory_displacement64() as i64), (Register::RSP, -8));
}

#[test]
fn with_a_reference_on_its_way_the_store_does_nothing() {
    let sig = Signature::new([], [I32]);
    let then = Afterwards::of(true);
    let in_place = [host_call_in_place(&OFFSETS, -100, 32, 0, then), host_call_pending(&OFFSETS, 32, then)].concat();
    let all = [in_place, host_call_registers(&sig, &OFFSETS, then), host_call_array(&sig, &OFFSETS, then), builtin(&OFFSETS, 0)];
    for code in all.map(|code| decode(&code)) {
        let look = code.iter().position(|i| i.mnemonic() == Mnemonic::Jne).unwrap();
        assert_eq!(code[look - 1].immediate8(), OFFSETS.leave_bits);
        let last = code.last().unwrap();
        assert_eq!((last.mnemonic(), last.memory_displacement64()), (Mnemonic::Jmp, 64));
    }
}

#[test]
fn the_boundary_keeps_the_result_and_looks_before_and_after() {
    let code = decode(&boundary(&OFFSETS, 0x1111_2222_3333_4444, 0x5555_6666_7777_8888));
    let at = |m| code.iter().position(|i| i.mnemonic() == m).unwrap();
    let (call, ret) = (at(Mnemonic::Call), at(Mnemonic::Ret));
    let on_stack = |i: &&iced_x86::Instruction| i.memory_base() == Register::RSP;
    let stored: Vec<_> = code[..call].iter().filter(on_stack).map(|i| (i.op1_register(), i.memory_displacement64())).collect();
    let loaded: Vec<_> = code[call..ret].iter().filter(on_stack).map(|i| (i.op0_register(), i.memory_displacement64())).collect();
    assert_eq!(stored, loaded);
    assert_eq!(stored.iter().map(|s| s.0).collect::<Vec<_>>(), [Register::RDI, Register::RAX, Register::XMM0]);
    // Aligned where it calls: it was called itself.
    assert_eq!((depth_until(&code, |i| i.mnemonic() == Mnemonic::Call) + 8) % 16, 0);
    let looks: Vec<_> = code.iter().enumerate().filter(|(_, i)| i.mnemonic() == Mnemonic::Jne).map(|(n, _)| n).collect();
    assert!(looks.len() == 2 && looks[0] < call && looks[1] > call);
    assert!(looks.iter().all(|&n| code[n].near_branch_target() == code[ret + 1].ip()));
    assert_eq!(code[ret + 1].immediate(1), 0x5555_6666_7777_8888);
}

#[test]
fn a_handler_gets_its_frame_and_its_exception() {
    let code = decode(&leave(&OFFSETS, 0x1111_2222_3333_4444));
    let loaded: Vec<_> = code
        .iter()
        .filter(|i| i.mnemonic() == Mnemonic::Mov && i.op1_kind() == OpKind::Memory)
        .map(|i| (i.op0_register(), i.memory_displacement64()))
        .collect();
    let (rcx, rsp, rbp) = (Register::RCX, Register::RSP, Register::RBP);
    assert_eq!(loaded, [(rcx, 24), (rsp, 32), (rbp, 40), (Register::RAX, 48), (Register::RDX, 56)]);
    let clears = code.iter().find(|i| i.mnemonic() == Mnemonic::And).unwrap();
    assert!(clears.has_lock_prefix());
    assert_eq!((clears.memory_displacement64(), clears.immediate(1) as i32), (16, !4));
    let jumps: Vec<_> = code.iter().filter(|i| i.mnemonic() == Mnemonic::Jmp).map(|i| i.op0_register()).collect();
    assert_eq!(jumps, [Register::RAX, rcx]);
}

#[test]
fn a_builtin_calls_its_target() {
    let code = decode(&builtin(&OFFSETS, 0x1111_2222_3333_4444));
    let immediates: Vec<_> = code.iter().filter(|i| i.op1_kind() == OpKind::Immediate64).map(|i| i.immediate(1)).collect();
    assert_eq!(immediates, [0x1111_2222_3333_4444]);
}

#[test]
fn lazy_stubs_say_which_function_and_go_to_one_place() {
    for resolve in [-0x7000_0000, -1, 0x1234, 0x7000_0000] {
        let row = lazy_stubs(1000, resolve);
        assert_eq!(row.len(), 1000 * LAZY_STUB_SIZE);
        for (n, stub) in row.chunks(LAZY_STUB_SIZE).enumerate() {
            let code =
                Decoder::with_ip(64, stub, (n * LAZY_STUB_SIZE) as u64, DecoderOptions::NONE).iter().take(2).collect::<Vec<_>>();
            assert_eq!((code[0].mnemonic(), code[0].op0_register()), (Mnemonic::Mov, Register::R11D));
            assert_eq!((code[0].immediate(1), code[1].mnemonic()), (n as u64, Mnemonic::Jmp));
            assert_eq!(code[1].near_branch_target().cast_signed(), i64::from(resolve));
            assert!(stub[code[1].next_ip() as usize % LAZY_STUB_SIZE..].iter().all(|&byte| byte == FILLER));
        }
    }
    assert!(lazy_stubs(0, 0).is_empty());
}

#[test]
fn registers_are_kept_where_code_does_not_expect_a_call() {
    keeps_all_registers(&decode(&builtin_keeping_registers(&OFFSETS, 0)), Mnemonic::Ret);
    // Where a jump takes the place of the return, r11 has the address last of all.
    let code = decode(&resolve(&OFFSETS, 0));
    let jump = code.iter().position(|i| i.mnemonic() == Mnemonic::Jmp && i.op0_register() == Register::R11).unwrap();
    let address = code[..jump].iter().rfind(|i| i.op0_register() == Register::R11).unwrap();
    assert_eq!((address.memory_base(), address.memory_displacement64() as i64), (Register::RBP, -16));
    let stored = code.iter().find(|i| i.op1_register() == Register::RAX && i.memory_displacement64() as i64 == -16).unwrap();
    assert_eq!(stored.memory_base(), Register::RBP);
    keeps_all_registers(&code, Mnemonic::Jmp);
}

fn keeps_all_registers(code: &[iced_x86::Instruction], end: Mnemonic) {
    let call = code.iter().position(|i| i.mnemonic() == Mnemonic::Call).unwrap();
    let ret = code.iter().position(|i| i.mnemonic() == end).unwrap();
    let is_stack = |r| matches!(r, Register::RSP | Register::RBP);
    let saved: Vec<_> = code[..call]
        .iter()
        .filter(|i| i.op0_kind() == OpKind::Memory && i.memory_base() == Register::RSP)
        .map(|i| (i.op1_register(), i.memory_displacement64()))
        .collect();
    let loaded: Vec<_> = code[call..ret]
        .iter()
        .filter(|i| i.op1_kind() == OpKind::Memory && i.memory_base() == Register::RSP)
        .map(|i| (i.op0_register(), i.memory_displacement64()))
        .collect();
    // The first one is the store context's address, for a look at what is pending.
    assert_eq!(saved, loaded[1..]);
    // Places are apart from each other and below the address on top.
    let used = depth_until(code, |i| i.mnemonic() == Mnemonic::Call) - 16;
    assert_eq!(used % 16, 0);
    let mut bytes: Vec<u64> = saved.iter().flat_map(|&(r, at)| at..at + r.size() as u64).collect();
    bytes.sort_unstable();
    assert!(bytes.windows(2).all(|w| w[0] < w[1]) && *bytes.last().unwrap() < used as u64);
    // With what System V preserves, and rax, which is below the frame pointer, that is all.
    let kept = CALLEE_SAVED.len() + 1;
    assert_eq!(saved.len() + kept + 2, 32);
    assert!(!saved.iter().any(|&(r, _)| is_stack(r)));
    let rax = code[..ret].iter().rfind(|i| i.op0_register() == Register::RAX).unwrap();
    assert_eq!((rax.memory_base(), rax.memory_displacement64() as i64), (Register::RBP, -8));
}

/// The moving and the filling stub with each kind of vectors.
fn of_ranges() -> Vec<Vec<iced_x86::Instruction>> {
    let all = [Vectors::Xmm, Vectors::Ymm, Vectors::Zmm];
    all.into_iter().flat_map(|v| [move_(&OFFSETS, 0x1111, v), fill(&OFFSETS, 0x1111, v)]).map(|code| decode(&code)).collect()
}

#[test]
fn nothing_of_a_range_is_touched_before_all_is_known_to_be_inside() {
    for (code, is_move) in of_ranges().into_iter().zip([true, false].into_iter().cycle()) {
        // Where arguments become what is outside of everything, and then the builtin is called.
        let outside = code.iter().find(|i| i.op1_kind() == OpKind::Immediate32to64 && i.immediate(1) == u64::MAX).unwrap().ip();
        let leads_there = |i: &iced_x86::Instruction| i.ip() < outside && i.near_branch_target() >= outside;
        let checks: Vec<usize> = (0..code.len()).filter(|&n| leads_there(&code[n])).collect();
        // One looks at what is pending. The others are each preceded by what is zero under their own outcome:
        // the length, then for each range the room for an index and the length, and the index.
        assert_eq!(code[checks[0]].mnemonic(), Mnemonic::Jne);
        let zeroed = |n: usize| {
            let condition = code[n].condition_code();
            let moves = code[..n].iter().rev().take_while(|i| [Mnemonic::Cmova, Mnemonic::Cmovb].contains(&i.mnemonic()));
            let zeros = moves.filter(|i| i.condition_code() == condition);
            (condition, zeros.map(|i| (i.op0_register(), i.op1_register())).collect::<Vec<_>>())
        };
        let zero = |of: &[Register]| of.iter().map(|&r| (r, Register::RAX)).collect();
        let (len, room) = (Register::R10, Register::R11);
        let mut expected: Vec<(ConditionCode, Vec<_>)> = vec![(ConditionCode::a, zero(&[len]))];
        for &index in if is_move { &[Register::RCX, Register::R8][..] } else { &[Register::RDX] } {
            expected.extend([(ConditionCode::b, zero(&[len, room])), (ConditionCode::a, zero(&[index]))]);
        }
        assert_eq!(checks[1..].iter().map(|&n| zeroed(n)).collect::<Vec<_>>(), expected);
        // All of the length is looked at.
        let limit = code.iter().find(|i| i.mnemonic() == Mnemonic::Cmp).unwrap();
        assert!(limit.op0_register().is_gpr64() && limit.immediate(1) == MOST_AT_ONCE as u64);
        let last = *checks.last().unwrap();
        // It is zero before the first of them, and stays so.
        let written = code[..last].iter().rposition(|i| i.op0_register().full_register() == Register::RAX).unwrap();
        assert_eq!((code[written].mnemonic(), code[written].op1_register()), (Mnemonic::Xor, Register::EAX));
        assert!(written < checks[1] - 1);
        assert!(code[..last].iter().all(|i| !i.op_kinds().any(|k| k == OpKind::Memory) || i.memory_index() == Register::None));
        assert!(code[..last].iter().all(|i| i.op0_kind() != OpKind::Memory || i.mnemonic() == Mnemonic::Test), "no store");
    }
}

#[test]
fn ways_back_from_wide_vectors_leave_no_upper_halves() {
    let is_wide = |i: &iced_x86::Instruction| (0..i.op_count()).any(|n| i.op_register(n).is_ymm() || i.op_register(n).is_zmm());
    for code in of_ranges() {
        let mut wide = false;
        for window in code.windows(3) {
            wide |= is_wide(&window[0]);
            if window[2].flow_control() == FlowControl::Return {
                assert_eq!(wide, window[0].mnemonic() == Mnemonic::Vzeroupper, "{:#x}", window[2].ip());
                wide = false;
            }
        }
    }
}

/// Loads and stores of the count, in order: whether each is a load.
fn count_moves(code: &[u8]) -> Vec<bool> {
    let is_count = |i: &&iced_x86::Instruction| i.mnemonic() == Mnemonic::Mov && i.memory_displacement64() == 144;
    decode(code).iter().filter(is_count).map(|i| i.op0_register() == Register::R15).collect()
}

type Way = fn(&Offsets, &Signature) -> Vec<u8>;

#[test]
fn each_way_between_wasm_and_the_host_takes_the_count_along() {
    let two = Signature::new([I64, F64], [I64, I64]);
    let then = Afterwards::Boundary;
    let ways: [(&str, Way, &[bool]); 10] = [
        ("entry", |o, sig| entry(sig, o), &[true, false]),
        ("registers", |o, sig| host_call_registers(sig, o, Afterwards::Boundary), &[false, true]),
        ("array", |o, sig| host_call_array(sig, o, Afterwards::Leave), &[false, true]),
        ("builtin", |o, _| builtin(o, 1 << 40), &[false, true]),
        ("keeping registers", |o, _| builtin_keeping_registers(o, 1 << 40), &[false, true]),
        ("resolve", |o, _| resolve(o, 1 << 40), &[false, true]),
        ("move", |o, _| move_(o, 1 << 40, Vectors::Ymm), &[false, true]),
        ("fill", |o, _| fill(o, 1 << 40, Vectors::Ymm), &[false, true]),
        // What was dropped may have entered the store.
        ("boundary", |o, _| boundary(o, 1 << 40, 1 << 41), &[true]),
        // Who goes there was on the way back, and has taken it already.
        ("leave", |o, _| leave(o, 1 << 40), &[]),
    ];
    for (name, make, expected) in ways {
        assert_eq!(count_moves(&make(&COUNTING, &two)), expected, "{name}");
        assert!(count_moves(&make(&OFFSETS, &two)).is_empty(), "{name}");
    }
    assert_eq!(count_moves(&host_call_in_place(&COUNTING, 64, 48, 128, then)), [false, true]);
    assert!(count_moves(&landing_pad(&COUNTING)).is_empty(), "it has been kept");
}
