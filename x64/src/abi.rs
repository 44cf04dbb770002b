//! Where the arguments and results of a signature are.
//!
//! Wasm functions use Cranelift's `CallConv::Tail`: the first integer argument is the callee's context. System V has the same
//! argument registers and, for these classes, the same layout of stack arguments (slots of 8 bytes, vectors 16 and aligned);
//! so one assignment serves both, which is what makes host calls cheap. They differ in results, and in who pops: under
//! `Tail` the callee does.

use crate::register::{Gpr, Xmm};

/// What kind of register a value needs, and its size.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 32-bit integer; the upper half of its register or slot is undefined.
    I32,
    /// 64-bit integer or pointer.
    I64,
    /// Single-precision float.
    F32,
    /// Double-precision float.
    F64,
    /// 128-bit vector.
    V128,
}

impl Class {
    /// Whether it lives in a general-purpose register.
    pub fn is_integer(self) -> bool {
        matches!(self, Class::I32 | Class::I64)
    }
}

/// Parameters and results of a function, the context and a result buffer's pointer not among them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Parameters.
    pub params: Box<[Class]>,
    /// Results.
    pub results: Box<[Class]>,
}

impl Signature {
    /// From anything that yields classes.
    pub fn new(params: impl IntoIterator<Item = Class>, results: impl IntoIterator<Item = Class>) -> Signature {
        Signature { params: params.into_iter().collect(), results: results.into_iter().collect() }
    }

    /// Whether results are passed through a buffer, whose pointer is then the second argument: more than eight of a class.
    pub fn results_in_buffer(&self) -> bool {
        let integers = self.results.iter().filter(|c| c.is_integer()).count();
        integers > RESULT_GPRS.len() || self.results.len() - integers > RESULT_XMMS
    }

    /// Places that an array of values needs to hold first the arguments, then the results.
    pub fn places(&self) -> usize {
        self.params.len().max(self.results.len())
    }
}

/// Bytes of a value in an array of arguments or results, or in a result buffer.
pub const PLACE_BYTES: i32 = 16;
/// Bytes between a frame pointer and the arguments on the stack: the caller's frame pointer and the return address.
pub const FRAME_LINK_BYTES: i32 = 16;
/// Integer arguments, in order.
pub const ARG_GPRS: [Gpr; 6] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8, Gpr::R9];
/// How many vector arguments are in registers (xmm0 and on).
pub const ARG_XMMS: usize = 8;
/// Integer results under `Tail`, in order.
pub const RESULT_GPRS: [Gpr; 8] = [Gpr::Rax, Gpr::Rcx, Gpr::Rdx, Gpr::Rsi, Gpr::Rdi, Gpr::R8, Gpr::R9, Gpr::R10];
/// How many vector results are in registers (xmm0 and on).
pub const RESULT_XMMS: usize = 8;
/// Where Lightbeam's code keeps its context, if it needs it more than once: all callees preserve it.
pub const KEPT_CONTEXT: Gpr = Gpr::R14;
/// Where code that counts what it executes has the count, in all functions and across their calls: Cranelift's pinned register.
/// The host preserves it; nothing does that in code that counts.
pub const FUEL: Gpr = Gpr::R15;
/// Registers that both conventions preserve, besides rbp and rsp.
pub const CALLEE_SAVED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// Where a value is at a call or return.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a general-purpose register.
    Gpr(Gpr),
    /// In a vector register.
    Xmm(Xmm),
    /// In the stack argument area, at this offset in bytes (at the callee's entry it begins 8 bytes above rsp).
    Stack(u32),
}

/// Hands out argument places, in order.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    gprs: usize,
    xmms: usize,
    stack: u32,
}

impl Arguments {
    /// No argument yet.
    pub fn new() -> Arguments {
        Arguments::default()
    }

    /// The place of the next argument.
    pub fn next(&mut self, class: Class) -> Location {
        if class.is_integer() {
            if let Some(&r) = ARG_GPRS.get(self.gprs) {
                self.gprs += 1;
                return Location::Gpr(r);
            }
        } else if self.xmms < ARG_XMMS {
            self.xmms += 1;
            return Location::Xmm(Xmm(self.xmms as u8 - 1));
        }
        let size = if class == Class::V128 { 16 } else { 8 };
        let at = self.stack.next_multiple_of(size);
        self.stack = at + size;
        Location::Stack(at)
    }

    /// Bytes of the stack argument area, a multiple of 16.
    pub fn stack_bytes(&self) -> u32 {
        self.stack.next_multiple_of(16)
    }
}

/// The places of `Tail` results.
///
/// # Panics
/// If they do not fit: see [`Signature::results_in_buffer`].
pub fn results(classes: &[Class]) -> Vec<Location> {
    let (mut gprs, mut xmms) = (RESULT_GPRS.iter(), 0..RESULT_XMMS as u8);
    let place = |c: &Class| {
        if c.is_integer() {
            Location::Gpr(*gprs.next().expect("integer results fit into registers"))
        } else {
            Location::Xmm(Xmm(xmms.next().expect("vector results fit into registers")))
        }
    };
    classes.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::*;

    #[test]
    fn arguments_fill_registers_then_aligned_slots() {
        let mut a = Arguments::new();
        for r in ARG_GPRS {
            assert_eq!(a.next(I64), Location::Gpr(r));
        }
        for x in 0..8 {
            assert_eq!(a.next(if x % 2 == 0 { F32 } else { V128 }), Location::Xmm(Xmm(x)));
        }
        assert_eq!(a.stack_bytes(), 0);
        assert_eq!(a.next(I32), Location::Stack(0));
        assert_eq!(a.next(V128), Location::Stack(16));
        assert_eq!(a.next(F32), Location::Stack(32));
        assert_eq!(a.stack_bytes(), 48);
    }

    #[test]
    fn nine_results_of_a_class_need_a_buffer() {
        assert!(!Signature::new([], [I32; 8]).results_in_buffer());
        assert!(Signature::new([], [I32; 9]).results_in_buffer());
        assert!(Signature::new([], [V128; 9]).results_in_buffer());
        let both = [I64, F64, I64, F64, I64, F64, I64, F64, I64, F64, I64, F64, I64, F64, I64, F64];
        assert!(!Signature::new([], both).results_in_buffer());
        assert_eq!(results(&both)[14], Location::Gpr(Gpr::R10));
        assert_eq!(results(&both)[15], Location::Xmm(Xmm(7)));
    }
}
