//! Where results go: if the next operator consumes a condition, it stays in the flags; if it sets a pinned
//! local, the result is made in that local's register.

use crate::codegen::Codegen;
use crate::local::{Local, UNPINNED};
use crate::register_file::Register;
use crate::value::{Flag, Ty, Value};
use sconce_x64::register::{Gpr, Xmm};

impl Codegen<'_> {
    /// Pushes a condition as an i32.
    #[inline(always)]
    pub(crate) fn push_flag(&mut self, flag: Flag) {
        if self.body.flags_wanted() {
            self.push(Value::Flags(flag));
        } else {
            let r = self.result_gpr();
            self.set_flag(r, flag);
            self.push_gpr(Ty::I32, r);
        }
    }

    /// The local that the next operator sets, if the result could be made right there: in its pinned register. Not if anything
    /// on the stack still means the local's present value.
    #[inline(always)]
    fn destination(&mut self, is_int: bool) -> Option<u8> {
        let local = self.summary.locals.number(self.body.next_sets()?);
        let Local { ty, pin, .. } = self.locals[local as usize];
        if pin == UNPINNED || ty.is_int() != is_int || self.is_aliased(local) {
            return None;
        }
        Some(pin)
    }

    /// A register for the result of an operator whose operands are popped but may still be read.
    #[inline(always)]
    pub(crate) fn result_gpr(&mut self) -> Gpr {
        match self.destination(true) {
            Some(pin) => Gpr::numbered(pin),
            None => self.alloc_gpr(),
        }
    }

    /// The pinned register that the next operator wants the result in.
    #[inline(always)]
    pub(crate) fn wanted_gpr(&mut self) -> Option<Gpr> {
        self.destination(true).map(Gpr::numbered)
    }

    #[inline(always)]
    pub(crate) fn wanted_xmm(&mut self) -> Option<Xmm> {
        self.destination(false).map(Xmm)
    }
}
