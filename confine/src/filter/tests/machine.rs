//! Classic BPF as the kernel runs it for seccomp: as much of it as filters use.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};
use seccompiler::sock_filter;

/// A call as filters see it: `seccomp_data`.
#[derive(Copy, Clone, Debug)]
pub struct Made {
    pub number: u32,
    pub architecture: u32,
    pub arguments: [u64; 6],
}

/// What comes of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub action: u32,
    /// If they were, the kernel does not remember what came of it.
    pub arguments_were_read: bool,
}

impl Made {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.architecture,
            16..64 if offset.is_multiple_of(4) => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                (if offset.is_multiple_of(8) { argument } else { argument >> 32 }) as u32
            }
            _ => panic!("nothing is read at {offset}"),
        }
    }
}

pub fn run(program: &[sock_filter], made: &Made) -> Outcome {
    let (mut accumulator, mut at, mut arguments_were_read) = (0, 0, false);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let mut branch = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            c if c == BPF_LD | BPF_W | BPF_ABS => {
                accumulator = made.word(k);
                arguments_were_read |= k >= 16;
            }
            c if c == BPF_ALU | BPF_AND | BPF_K => accumulator &= k,
            c if c == BPF_JMP | BPF_JA => at += k as usize,
            c if c == BPF_JMP | BPF_JEQ | BPF_K => branch(accumulator == k),
            c if c == BPF_JMP | BPF_JGT | BPF_K => branch(accumulator > k),
            c if c == BPF_JMP | BPF_JGE | BPF_K => branch(accumulator >= k),
            c if c == BPF_JMP | BPF_JSET | BPF_K => branch(accumulator & k != 0),
            c if c == BPF_RET | BPF_K => return Outcome { action: k, arguments_were_read },
            c => panic!("no such instruction: {c:#x}"),
        }
    }
}
