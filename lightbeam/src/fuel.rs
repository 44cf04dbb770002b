//! Counting what is executed: [`sconce_environ::fuel`] says what costs how much, and when.

use crate::codegen::Codegen;
use sconce_environ::fuel::{BYTES_LOG2, of_bytes};
use sconce_environ::trap::TrapCode;
use sconce_x64::abi::FUEL;
use sconce_x64::encode::{Alu, Cond, Shift, Size};

impl Codegen<'_> {
    /// Pays for the stretch that begins here. No flags are anybody's.
    #[cold]
    #[inline(never)]
    pub(crate) fn pay(&mut self, cost: u32) {
        let exhausted = self.trap_label(TrapCode::FuelExhausted);
        // An operator has at least one byte, and a body at most 7,654,321.
        self.e.alu_imm(Alu::Add, Size::S64, FUEL.into(), cost.cast_signed());
        self.e.jcc(Cond::B, exhausted);
    }

    /// Pays for an operation on as many bytes as the value on top of the stack says.
    pub(crate) fn pay_for_bytes(&mut self) {
        if !self.settings.fuel {
            return;
        }
        let len = self.stack[self.stack.len() - 1];
        if self.bits(len).is_some_and(|len| of_bytes(len as u64) == 0) {
            return;
        }
        let exhausted = self.trap_label(TrapCode::FuelExhausted);
        let s = self.scratch_with(len);
        s.e.shift_imm(Shift::Shr, Size::S64, s.r.into(), BYTES_LOG2 as u8);
        s.e.alu(Alu::Add, Size::S64, FUEL, s.r.into());
        s.e.jcc(Cond::B, exhausted);
    }
}
