//! Machine code that is there already: the few bytes that readers and writers of text have to know. Another
//! instruction set answers the same questions.

/// Fills room between pieces of code; running into it traps.
pub const FILLER: u8 = 0xcc;

/// Bytes of the field by which a call or jump names a place relative to itself.
pub const FIELD_BYTES: u32 = 4;

/// The instruction by which a thread stops: one byte, so that it can be written over another one's first byte at any time.
pub const BREAKPOINT: u8 = 0xcc;

/// Whether an instruction that starts with this byte returns from a function.
pub fn is_return(first: u8) -> bool {
    // `ret`, `ret n`
    matches!(first, 0xc3 | 0xc2)
}

/// Whether an instruction that starts with this byte begins a frame: the caller's frame pointer is not saved yet.
pub fn begins_frame(first: u8) -> bool {
    // `push rbp`
    first == 0x55
}

/// Makes the call or jump whose field is at this offset a jump to that one.
///
/// # Panics
/// If there is no such field.
pub fn make_jump(code: &mut [u8], field: u32, target: u32) {
    // `jmp rel32`
    code[field as usize - 1] = 0xe9;
    let end = field + FIELD_BYTES;
    code[field as usize..end as usize].copy_from_slice(&target.wrapping_sub(end).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Encoder;
    use crate::register::Gpr;
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    fn emit(f: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut e = Encoder::new(false);
        f(&mut e);
        e.finish().to_vec()
    }

    #[test]
    fn first_bytes_are_those_of_the_encoder() {
        assert!(is_return(emit(|e| e.ret(0))[0]) && is_return(emit(|e| e.ret(16))[0]));
        assert!(begins_frame(emit(|e| e.push(Gpr::Rbp))[0]));
        for other in [emit(|e| e.push(Gpr::Rbx)), emit(|e| e.leave()), emit(|e| e.ud2())] {
            assert!(!is_return(other[0]) && !begins_frame(other[0]));
        }
    }

    #[test]
    fn calls_become_jumps_either_way() {
        let mut field = 0;
        let mut code = emit(|e| {
            e.ud2();
            field = e.call_relative();
        });
        for target in [0u32, 100] {
            make_jump(&mut code, field, target);
            let jump = Decoder::with_ip(64, &code[2..], 2, DecoderOptions::NONE).decode();
            assert_eq!((jump.mnemonic(), jump.near_branch_target()), (Mnemonic::Jmp, u64::from(target)));
        }
    }
}
