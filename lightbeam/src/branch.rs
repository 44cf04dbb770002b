//! What a branch takes along, and how it gets where the label expects it.

use crate::blocks::Kind;
use crate::codegen::Codegen;
use crate::copies::MOVED_SINGLY;
use crate::frame_layout::WORD;
use crate::stub::StubKind;
use crate::value::{Flag, Ty, Value};
use sconce_x64::encode::{Addr, Alu, Cond, Label, Size};
use sconce_x64::register::{Gpr, Xmm};

impl Codegen<'_> {
    /// How many values a branch takes along.
    pub(crate) fn arity(&mut self, depth: u32) -> usize {
        let frame = self.block(depth);
        if frame.kind == Kind::Loop { frame.params.len() } else { frame.results.len() }
    }

    /// Whether a single value that a branch takes along is in a register.
    pub(crate) fn takes_register(&mut self, depth: u32) -> bool {
        self.block(depth).kind != Kind::Loop
    }

    /// The label of a branch.
    pub(crate) fn branch_label(&mut self, depth: u32) -> Label {
        let frame = self.block(depth);
        frame.branched = true;
        let (label, height) = (frame.label, frame.height);
        self.check_label(height);
        label
    }

    /// Whether all values that a branch takes along are in their slots there already.
    fn is_in_place(&mut self, depth: u32) -> bool {
        let (arity, height) = (self.arity(depth), self.block(depth).height as usize);
        let start = self.stack.len() - arity;
        start == height && self.stack[start..].iter().all(|v| matches!(v, Value::Slot(..)))
    }

    /// Copies what a branch takes along to where it belongs there. The abstract stack does not change, unless
    /// there are more values than [`MOVED_SINGLY`]: those are in their own slots then.
    pub(crate) fn move_results(&mut self, depth: u32) {
        let arity = self.arity(depth);
        let start = self.stack.len() - arity;
        if arity == 1 && self.takes_register(depth) {
            let value = self.stack[start];
            if value.ty().is_int() {
                self.load_gpr(Gpr::Rax, value);
            } else {
                self.load_xmm(Xmm(0), value);
            }
            return;
        }
        let height = self.block(depth).height as usize;
        if arity > MOVED_SINGLY {
            self.settle_results(arity);
            // No local is ever pinned in it, and what is in it does not go along.
            return self.move_results_by_loop(depth, arity, Gpr::Rcx);
        }
        // Upwards: no slot is written before it is read, since each value moves down or stays.
        for n in 0..arity {
            let value = self.stack[start + n];
            if !matches!(value, Value::Slot(_, at) if at as usize == height + n) {
                let to = self.frame.use_slot((height + n) as u32);
                self.store_value(to, value);
            }
        }
    }

    /// Puts the topmost values into their own slots.
    pub(crate) fn settle_results(&mut self, count: usize) {
        // Upwards: a value is in its own slot or in that of a value above it.
        for at in self.stack.len() - count..self.stack.len() {
            match self.stack[at] {
                Value::Slot(_, own) if own as usize == at => {}
                value @ Value::Slot(ty, _) => {
                    let to = self.frame.use_slot(at as u32);
                    self.store_value(to, value);
                    self.stack.moved(at, Value::Slot(ty, at as u32));
                }
                _ => self.spill(at),
            }
        }
    }

    /// As [`Self::move_results`], for values that are in their own slots: a few instructions, however many values there are.
    fn move_results_by_loop(&mut self, depth: u32, arity: usize, counter: Gpr) {
        let (start, height) = ((self.stack.len() - arity) as u32, self.block(depth).height);
        if start == height {
            return;
        }
        // Slots go downwards: the first value is moved first.
        let words = |c: &mut Self, position: u32| {
            let last = c.frame.use_slot(position + arity as u32 - 1);
            Addr::scaled(Gpr::Rbp, counter, 0, last.disp() - WORD)
        };
        let (from, to) = (words(self, start), words(self, height));
        let bytes = arity as i32 * self.frame.stride();
        let mut s = self.scratch();
        s.e.mov_imm(Size::S32, counter, bytes.cast_unsigned().into());
        let again = s.e.here();
        s.copy(Ty::I64, to, from);
        s.e.alu_imm(Alu::Sub, Size::S32, counter.into(), WORD);
        s.e.jcc(Cond::Ne, again);
    }

    /// Makes the topmost value be where a branch with one value takes it, here as well. Flags stay.
    pub(crate) fn top_to_result(&mut self) {
        let value = self.pop();
        let ty = value.ty();
        if ty.is_int() {
            if !matches!(value, Value::Gpr(_, Gpr::Rax)) {
                self.acquire(Gpr::Rax);
                self.load_gpr(Gpr::Rax, value);
                self.release(value);
            }
            // Flags stay.
            self.push(Value::Gpr(ty, Gpr::Rax));
        } else {
            if !matches!(value, Value::Xmm(_, Xmm(0))) {
                self.acquire(Xmm(0));
                self.load_xmm(Xmm(0), value);
                self.release(value);
            }
            self.push_xmm(ty, Xmm(0));
        }
    }

    /// Whether a branch takes along one value, in a register.
    pub(crate) fn takes_one_in_register(&mut self, depth: u32) -> bool {
        self.arity(depth) == 1 && self.takes_register(depth)
    }

    /// Branches if the condition holds. A single value that goes along is where it belongs.
    pub(crate) fn branch_on(&mut self, flag: Flag, depth: u32) {
        if self.arity(depth) == 0 || self.takes_one_in_register(depth) || self.is_in_place(depth) {
            let target = self.branch_label(depth);
            let target = match self.leaving(depth) {
                Some(pins) => self.stub(StubKind::Leave { target, pins }),
                None => target,
            };
            return self.jump_if(flag, target);
        }
        let arity = self.arity(depth);
        if arity > MOVED_SINGLY {
            // On both ways: what is behind the branch has moved as well.
            self.settle_results(arity);
            if self.is_in_place(depth) {
                return self.branch_on(flag, depth);
            }
        }
        let stay = self.part(flag.not());
        self.move_results(depth);
        self.jump_out(depth);
        self.meet(stay);
    }

    /// A popped integer anywhere but in rax.
    pub(crate) fn out_of_rax(&mut self, value: Value) -> Value {
        let Value::Gpr(ty, Gpr::Rax) = value else { return value };
        let other = self.alloc_gpr();
        self.e.mov(Size::S64, other, Gpr::Rax);
        self.free(Gpr::Rax);
        Value::Gpr(ty, other)
    }

    /// Jumps; what the branch takes along has been moved.
    pub(crate) fn jump_out(&mut self, depth: u32) {
        let target = self.branch_label(depth);
        if let Some(pins) = self.leaving(depth) {
            self.write_back(pins);
        }
        self.e.jmp(target);
    }
}
