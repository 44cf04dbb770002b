//! Instructions of classic BPF, written from the last one to the first: it jumps forward only, so that each jump's targets are
//! there already, and its distance is known.
//!
//! Every instruction names what follows it. So none is reached by accident, whatever is put between two of them.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};
use seccompiler::{BpfProgram, sock_filter};
use std::collections::BTreeMap;

/// An instruction, by how many there are from it to the end, itself included.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize);

/// A comparison of the accumulator with a constant.
#[derive(Copy, Clone, Debug)]
pub(super) enum Jump {
    Equal,
    AtLeast,
    Above,
    /// They have a bit in common.
    AnyBit,
}

#[derive(Default)]
pub(super) struct Assembler {
    /// The last one first.
    code: Vec<sock_filter>,
    /// What does the same as the instruction at a place, nearer to the start.
    nearer: BTreeMap<Place, Place>,
}

impl Assembler {
    /// Ends with this action.
    pub fn ret(&mut self, action: u32) -> Place {
        self.push(BPF_RET | BPF_K, action, 0, 0)
    }

    /// Loads 32 bits of `seccomp_data`, at this offset.
    pub fn load(&mut self, offset: u32, next: Place) -> Place {
        self.precede(next);
        self.push(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
    }

    /// Clears what is not in the mask.
    pub fn and(&mut self, mask: u32, next: Place) -> Place {
        self.precede(next);
        self.push(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0)
    }

    /// Goes on here or there.
    pub fn branch(&mut self, jump: Jump, value: u32, yes: Place, no: Place) -> Place {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.within_reach(yes), self.within_reach(no));
        let code = match jump {
            Jump::Equal => BPF_JEQ,
            Jump::AtLeast => BPF_JGE,
            Jump::Above => BPF_JGT,
            Jump::AnyBit => BPF_JSET,
        };
        let distance = |to: Place| u8::try_from(self.code.len() - to.0).expect("within reach");
        let (yes, no) = (distance(yes), distance(no));
        self.push(BPF_JMP | BPF_K | code, value, yes, no)
    }

    /// The program from this place.
    pub fn finish(mut self, start: Place) -> BpfProgram {
        self.precede(start);
        self.code.reverse();
        self.code
    }

    /// A branch's distances are 8 bits. What is farther is done near by: a return once more, else by a jump of 32 bits.
    fn within_reach(&mut self, to: Place) -> Place {
        // A branch can need this for its other side as well, which takes one more.
        let is_near = |len: usize, to: Place| len - to.0 < usize::from(u8::MAX);
        let known = *self.nearer.get(&to).unwrap_or(&to);
        if is_near(self.code.len(), known) {
            return known;
        }
        let target = self.code[to.0 - 1].clone();
        let nearer = if u32::from(target.code) == BPF_RET | BPF_K { self.ret(target.k) } else { self.jump(to) };
        self.nearer.insert(to, nearer);
        nearer
    }

    /// Has what is written now go on here.
    fn precede(&mut self, next: Place) {
        if next.0 != self.code.len() {
            self.jump(next);
        }
    }

    fn jump(&mut self, to: Place) -> Place {
        let distance = u32::try_from(self.code.len() - to.0).expect("programs are short");
        self.push(BPF_JMP | BPF_JA, distance, 0, 0)
    }

    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) -> Place {
        let code = u16::try_from(code).expect("operation codes are 16 bits");
        self.code.push(sock_filter { code, jt, jf, k });
        Place(self.code.len())
    }
}
