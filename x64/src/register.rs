//! Registers.

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
}

/// A vector register: its number, 0 to 15.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(align(4))]
pub struct Xmm(pub u8);
