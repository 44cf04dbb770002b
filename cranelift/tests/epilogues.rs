//! How functions are left: rsp is where `pop rbp` wants it, so nothing moves rbp there, but in tail calls that move their return
//! address. What only looks like an epilogue stays as it is.

mod common;

use common::compile;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, Register};
use sconce_test_support::all_settings;

fn decode(code: &[u8]) -> Vec<Instruction> {
    Decoder::new(64, code, DecoderOptions::NONE).into_iter().collect()
}

fn moves_frame_pointer(i: &Instruction) -> bool {
    i.mnemonic() == Mnemonic::Mov && i.op0_register() == Register::RSP && i.op1_register() == Register::RBP
}

#[test]
fn nothing_moves_the_frame_pointer_to_the_stack_pointer() {
    let many = "i64 ".repeat(30);
    let module = format!(
        "(module (memory 1) (table 2 funcref) (type $ii (func (param i32) (result i32)))
            (func $returns (param i32) (result i32) (local.get 0))
            (func $takes_arguments_off (param {many}) (result i64) (local.get 29))
            (func $has_a_frame (param i32) (result i32) (i32.add (call $returns (local.get 0)) (call $returns (i32.const 1))))
            (func $returns_early (param i32) (result i32)
                (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 1))) (return (call $returns (i32.const 3))))
                (memory.grow (i32.const 1)))
            (func $tail_call (param i32) (result i32) (return_call $returns (i32.const 1)))
            (func $tail_call_with_a_frame (param i32) (result i32) (return_call $returns (call $returns (i32.const 1))))
            (func $indirect (param i32) (result i32) (return_call_indirect (type $ii) (local.get 0) (local.get 0)))
            (func $through_a_reference (param i32 (ref $ii)) (result i32) (return_call_ref $ii (local.get 0) (local.get 1))))"
    );
    let ends = [Code::Retnq, Code::Retnq_imm16, Code::Jmp_rel32_64, Code::Jmp_rm64];
    let mut seen = [0; 4];
    for settings in all_settings() {
        for function in 0..8 {
            let code = compile(&settings, &module, function).unwrap().0.code;
            let instructions = decode(&code);
            assert!(!instructions.iter().any(moves_frame_pointer), "function {function}: {code:02x?}");
            for pair in instructions.windows(2).filter(|pair| pair[0].code() == Code::Pop_r64) {
                assert_eq!(pair[0].op0_register(), Register::RBP);
                let end = ends.iter().position(|&end| end == pair[1].code()).expect("an end behind the frame's");
                seen[end] += 1;
            }
        }
    }
    assert!(seen.iter().all(|&n| n > 0), "each of these ends is among them: {seen:?}");
}

/// Constants in the instruction before an epilogue, behind the code, and in the middle.
#[test]
fn constants_like_epilogues_stay() {
    const EPILOGUE: [u8; 5] = *b"\x48\x89\xec\x5d\xc3";
    let mut eight = [0x90; 8];
    eight[3..].copy_from_slice(&EPILOGUE);
    let number = i64::from_le_bytes(eight);
    let bodies = [
        format!("(result i64) (i64.const {number})"),
        format!("(param i64) (result i64) (i64.add (local.get 0) (i64.const {number}))"),
        format!("(param i32) (result i64) (if (local.get 0) (then (return (i64.const {number})))) (i64.const 1)"),
        format!("(result v128) (v128.const i64x2 {number} {number})"),
        format!("(param i32) (result v128) (if (local.get 0) (then unreachable)) (v128.const i64x2 1 {number})"),
    ];
    for settings in all_settings() {
        for body in &bodies {
            let code = compile(&settings, &format!("(module (func {body}))"), 0).unwrap().0.code;
            assert!(code.windows(8).any(|bytes| bytes == eight), "{body}: {code:02x?}");
            let instructions = decode(&code);
            let end = instructions.iter().position(|i| i.code() == Code::Retnq).expect("a return");
            assert!(!instructions[..end].iter().any(moves_frame_pointer), "{body}");
        }
    }
}
