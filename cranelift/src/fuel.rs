//! Counting what is executed: [`sconce_environ::fuel`] says what costs how much, and when.
//!
//! The count is in Cranelift's pinned register, [`sconce_x64::abi::FUEL`], which no function saves or restores.

use crate::alias;
use crate::range;
use crate::translate::Translator;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use sconce_environ::fuel::{BYTES_LOG2, of_bytes};
use sconce_environ::trap::TrapCode;

impl Translator<'_> {
    /// Pays for the stretch that begins here.
    pub(crate) fn pay(&mut self, cost: u32) {
        let cost = self.builder.ins().iconst(I64, i64::from(cost));
        self.pay_value(cost);
    }

    /// Pays for an operation on so many bytes, as the operator has them.
    pub(crate) fn pay_for_bytes(&mut self, len: Value) {
        if !self.env.settings.fuel || range::constant(&self.builder.func.dfg, len).is_some_and(|len| of_bytes(len) == 0) {
            return;
        }
        let len = self.extend_index(len);
        let cost = self.builder.ins().ushr_imm_u(len, i64::from(BYTES_LOG2));
        self.pay_value(cost);
    }

    fn pay_value(&mut self, cost: Value) {
        let count = self.builder.ins().get_pinned_reg(I64);
        let exhausted = alias::trap_code(TrapCode::FuelExhausted);
        let count = self.builder.ins().uadd_overflow_trap(count, cost, exhausted);
        self.builder.ins().set_pinned_reg(count);
    }
}
