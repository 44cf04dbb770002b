//! Conditions: from values to flags, and from flags to jumps.

use crate::codegen::Codegen;
use crate::value::{Flag, Value};
use sconce_x64::encode::{Alu, Cond, Label, Rm, Size};
use sconce_x64::register::Gpr;

impl Codegen<'_> {
    /// A flag that says whether a reference is null. It keeps its register.
    pub(crate) fn null_flag(&mut self, reference: Value) -> Flag {
        let size = reference.ty().size();
        if self.bits(reference).is_some() {
            // The only constant reference is null.
            let s = self.scratch();
            s.e.alu(Alu::Cmp, Size::S64, s.r, s.r.into());
            return Flag::Is(Cond::E);
        }
        match self.rm(reference) {
            Rm::Reg(r) => self.e.test(size, Gpr::ALL[r as usize & 15], Gpr::ALL[r as usize & 15]),
            rm => self.e.alu_imm(Alu::Cmp, size, rm, 0),
        }
        Flag::Is(Cond::E)
    }

    /// Flags for a popped condition: nonzero.
    pub(crate) fn condition(&mut self, value: Value) -> Flag {
        match value {
            Value::Flags(flag) => return flag,
            Value::Const(..) => {
                let s = self.scratch_with(value);
                s.e.test(Size::S32, s.r, s.r);
            }
            _ => match self.rm(value) {
                Rm::Reg(r) => self.e.test(Size::S32, Gpr::ALL[r as usize & 15], Gpr::ALL[r as usize & 15]),
                mem => self.e.alu_imm(Alu::Cmp, Size::S32, mem, 0),
            },
        }
        self.release(value);
        Flag::Is(Cond::Ne)
    }

    pub(crate) fn jump_if(&mut self, flag: Flag, target: Label) {
        match flag {
            Flag::Is(cond) => self.e.jcc(cond, target),
            Flag::FloatNe => {
                self.e.jcc(Cond::Ne, target);
                self.e.jcc(Cond::P, target);
            }
            Flag::FloatEq => {
                let unordered = self.e.skip_if(Cond::P);
                self.e.jcc(Cond::E, target);
                self.e.land(unordered);
            }
        }
    }
}
