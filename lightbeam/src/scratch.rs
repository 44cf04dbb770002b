//! The scratch registers, on loan.
//!
//! Whatever writes a value to the frame may do so through a scratch register: a spill happens where registers
//! run out or where the window of the stack fills up, which depends on everything that was compiled before.
//! What holds a scratch register meanwhile would find another value there. So nobody names these registers: a
//! [`Scratch`] has them, together with the encoder, and borrows the code generator for as long as it lives.
//! Nothing can be pushed, popped, allocated or spilled until it is gone, and operands are made ready before
//! it is taken.
//!
//! In paranoid style the registers are overwritten when a loan ends, so that a value that outlived its loan
//! (in an address, say) is never the right one by chance.

use crate::codegen::Codegen;
use crate::tables::Tables;
use crate::value::{Ty, Value};
use sconce_environ::trap::TrapCode;
use sconce_x64::encode::{Addr, Cond, Encoder, Size};
use sconce_x64::register::{Gpr, Xmm};
use sconce_x64::sse;

/// Never allocated, and named nowhere else.
const GPR: Gpr = Gpr::R11;
/// The same of vectors.
const XMM: Xmm = sse::SCRATCH;

/// What is in a scratch register that nobody holds, in paranoid style.
const POISON: i64 = 0x5bad_5bad_5bad_5bad;

/// The scratch registers and the encoder, in one hand.
#[derive(Debug)]
pub(crate) struct Scratch<'c> {
    pub(crate) e: &'c mut Encoder,
    pub(crate) r: Gpr,
    pub(crate) x: Xmm,
    tables: &'c mut Tables,
    poison: bool,
}

impl Codegen<'_> {
    /// Takes the scratch registers.
    #[inline(always)]
    pub(crate) fn scratch(&mut self) -> Scratch<'_> {
        Scratch { e: &mut self.e, r: GPR, x: XMM, tables: &mut self.tables, poison: self.settings.paranoid }
    }

    /// Takes them, with an integer in the general-purpose one. Flags stay, unless the value is one.
    #[inline(always)]
    pub(crate) fn scratch_with(&mut self, value: Value) -> Scratch<'_> {
        self.load_gpr(GPR, value);
        self.scratch()
    }

    /// Takes them, with a float or vector in that of vectors.
    #[inline(always)]
    pub(crate) fn scratch_with_xmm(&mut self, value: Value) -> Scratch<'_> {
        self.load_xmm(XMM, value);
        self.scratch()
    }

    /// Takes them to copy a value that is in memory: see [`Scratch::copy`].
    #[inline(always)]
    pub(crate) fn copy(&mut self, ty: Ty, to: Addr, from: Addr) {
        self.scratch().copy(ty, to, from);
    }
}

impl Scratch<'_> {
    /// The instruction that comes next traps if it faults.
    #[inline(always)]
    pub(crate) fn may_trap(&mut self, code: TrapCode) {
        self.tables.trap(self.e.offset(), code);
    }

    /// Copies a value from memory to memory; neither access faults, and flags stay.
    pub(crate) fn copy(&mut self, ty: Ty, to: Addr, from: Addr) {
        if ty == Ty::V128 {
            self.e.sse_two(sse::MOVUPS, self.x, from.into());
            self.e.sse_store(sse::MOVUPS_STORE, to, self.x);
        } else {
            self.e.load(ty.size(), self.r, from);
            self.e.store(ty.size(), to, self.r);
        }
    }

    /// `r = constant` if the condition holds. Flags stay.
    pub(crate) fn constant_if(&mut self, cond: Cond, size: Size, r: Gpr, constant: i64) {
        self.e.mov_imm(Size::S32, self.r, constant);
        self.e.cmov(cond, size, r, self.r.into());
    }

    /// What comes next clobbers the registers, or returns here: nothing may be emitted between.
    pub(crate) fn give_up(mut self) {
        self.poison = false;
    }
}

impl Drop for Scratch<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.poison {
            // Moves leave flags alone.
            self.e.mov_imm(Size::S64, self.r, POISON);
            self.e.int_to_xmm(Size::S64, self.x, self.r.into());
        }
    }
}
