//! Pushing and popping entries of the abstract stack, and putting them into their slots.

use crate::codegen::Codegen;
use crate::value::{Ty, Value};

impl Codegen<'_> {
    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value) {
        let at = self.stack.len() as u32;
        match value {
            Value::Gpr(_, r) => self.gprs.belongs_to(r, at),
            Value::Xmm(_, x) => self.xmms.belongs_to(x, at),
            _ => {}
        }
        if let Some(to) = self.stack.push(value) {
            self.settle_to(to);
        }
    }

    /// The topmost value, whose register is now the caller's.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Value {
        let value = self.stack.pop();
        match value {
            Value::Gpr(_, r) => self.gprs.disown(r),
            Value::Xmm(_, x) => self.xmms.disown(x),
            _ => {}
        }
        value
    }

    /// Drops all entries from this position on.
    pub(crate) fn truncate(&mut self, len: usize) {
        while self.stack.len() > len && !self.stack.drop_settled(len) {
            let value = self.pop();
            self.release(value);
        }
    }

    /// Puts every entry below `to` into its slot, unless it is a constant.
    pub(crate) fn settle_to(&mut self, to: usize) {
        for at in self.stack.settled()..to {
            self.settle(at);
        }
        self.stack.set_settled(to);
    }

    /// Puts one entry into its slot, unless it is a constant.
    pub(crate) fn settle(&mut self, at: usize) {
        match self.stack[at] {
            Value::Const(..) | Value::Pool(..) | Value::Slot(..) => {}
            _ => self.spill(at),
        }
    }

    /// Puts one entry into its slot, constants too.
    pub(crate) fn spill(&mut self, at: usize) {
        let value = self.stack[at];
        if matches!(value, Value::Slot(..)) {
            return;
        }
        self.check_summary(value.ty() != Ty::V128 || self.frame.is_wide(), "vector");
        let to = self.frame.use_slot(at as u32);
        self.store_value(to, value);
        match value {
            Value::Gpr(_, r) => {
                self.gprs.disown(r);
                self.gprs.give_back(r);
            }
            Value::Xmm(_, x) => {
                self.xmms.disown(x);
                self.xmms.give_back(x);
            }
            _ => {}
        }
        self.stack.spilled(at);
    }

    /// Puts the topmost entries into their slots, constants too.
    pub(crate) fn spill_top(&mut self, count: usize) {
        for at in self.stack.len() - count..self.stack.len() {
            self.spill(at);
        }
    }

    /// The call that returns here has this state's stack map.
    pub(crate) fn map_call(&mut self) {
        self.stack.map_call(&self.frame, &mut self.tables.stack_maps, self.e.offset());
    }

    /// Whether anything on the stack means the local's present value.
    #[inline]
    pub(crate) fn is_aliased(&self, local: u32) -> bool {
        self.stack[self.stack.settled()..].iter().any(|v| matches!(*v, Value::Local(_, n) if n == local))
    }
}
