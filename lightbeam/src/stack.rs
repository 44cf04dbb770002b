//! The abstract stack: pushing, popping, and putting entries into their slots.

use crate::codegen::Codegen;
use crate::value::{Ty, Value};

/// Entries of the stack that may be elsewhere than in slots.
const WINDOW: usize = 32;

impl Codegen<'_> {
    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value) {
        let at = self.stack.len();
        match value {
            Value::Gpr(_, r) => self.gprs.belongs_to(r, at as u32),
            Value::Xmm(_, x) => self.xmms.belongs_to(x, at as u32),
            _ => {}
        }
        if value.ty() == Ty::Handle {
            self.handles.positions.push(at as u32);
        }
        self.stack.push(value);
        if at - self.settled >= WINDOW {
            self.settle_to(at - WINDOW / 2);
        }
    }

    /// The topmost value, whose register is now the caller's.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Value {
        let value = self.stack.pop().expect("validated: the stack has an operand");
        self.settled = self.settled.min(self.stack.len());
        match value {
            Value::Gpr(ty, r) => {
                self.gprs.disown(r);
                if ty == Ty::Handle {
                    self.handles.pop();
                }
            }
            Value::Xmm(_, x) => self.xmms.disown(x),
            other => {
                if other.ty() == Ty::Handle {
                    self.handles.pop();
                }
            }
        }
        value
    }

    /// Drops all entries from this position on.
    pub(crate) fn truncate(&mut self, len: usize) {
        while self.stack.len() > len {
            // Nothing below is in a register.
            if self.stack.len() <= self.settled && self.handles.positions.is_empty() {
                self.stack.truncate(len);
                self.settled = len;
                return;
            }
            let value = self.pop();
            self.release(value);
        }
    }

    /// Puts every entry below `to` into its slot, unless it is a constant.
    pub(crate) fn settle_to(&mut self, to: usize) {
        for at in self.settled..to {
            self.settle(at);
        }
        self.settled = self.settled.max(to);
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
        self.stack[at] = Value::Slot(value.ty(), at as u32);
        if value.ty() == Ty::Handle {
            // It is in stack maps from now on.
            self.handles.moved(at as u32);
        }
    }
}
