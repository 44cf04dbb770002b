//! Control: blocks, branches, select.
//!
//! At a label everything below it is settled. What a branch takes along to a block's end is in rax or xmm0 if it is one value, else
//! in the slots from the block's height on; what it takes to a loop's head is in slots. So a branch costs its arity.

use crate::codegen::{Codegen, Frame, Kind, LoopPin, PinnedLoop, StubKind};
use crate::copies::MOVED_SINGLY;
use crate::local::{Local, UNPINNED};
use crate::operands::{load_xmm_mem, store_xmm_mem};
use crate::register_file::Register;
use crate::value::{Flag, Ty, Value};
use sconce_environ::block::{Types, block_types};
use sconce_environ::ops::*;
use sconce_environ::placement::MAX_LOOP;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::ValType;
use sconce_x64::asm::{Gpr, Xmm};
use sconce_x64::encode::{Addr, Alu, Cond, Extend, Label, Rm, Size};
use wasmparser::BrTable;

/// Registers that a loop's locals may be pinned in: no operator needs all of those that are left.
const LOOP_GPRS: u32 = 1 << 8 | 1 << 9 | 1 << 10;
const LOOP_XMMS: u32 = 0x7fc0;
/// Uses in a loop from which on a register for it is worth the load and the store outside.
const LOOP_PIN_USES: u32 = 2;

pub(crate) fn begin_function<'a>(c: &mut Codegen<'a>, results: Types<'a>) {
    let label = c.e.label();
    c.push_frame(Kind::Block, label, Types::NONE, results);
    // Results leave from their canonical places.
    c.control[0].branched = true;
}

pub(crate) fn unreachable(c: &mut Codegen<'_>) {
    c.trap(TrapCode::Unreachable);
    c.end_reachable();
}

pub(crate) fn nop(_: &mut Codegen<'_>) {}

pub(crate) fn drop_(c: &mut Codegen<'_>) {
    let value = c.pop();
    c.release(value);
}

pub(crate) fn block(c: &mut Codegen<'_>, ty: BlockType) {
    let (params, results) = block_types(c.module, ty);
    c.settle_to(c.stack.len() - params.len());
    let label = c.e.label();
    c.push_frame(Kind::Block, label, params, results);
}

pub(crate) fn loop_(c: &mut Codegen<'_>, ty: BlockType) {
    let (params, results) = block_types(c.module, ty);
    c.settle_to(c.stack.len());
    c.spill_top(params.len());
    c.pin_for_loop();
    c.forget_caches();
    let label = c.e.here();
    c.push_frame(Kind::Loop, label, params, results);
}

pub(crate) fn if_(c: &mut Codegen<'_>, ty: BlockType) {
    let (params, results) = block_types(c.module, ty);
    let condition = c.pop();
    c.settle_to(c.stack.len());
    c.spill_top(params.len());
    let flag = c.condition(condition);
    let otherwise = c.e.label();
    c.jump_if(flag.not(), otherwise);
    let label = c.e.label();
    c.push_frame(Kind::If(otherwise), label, params, results);
}

/// Also called when the code before it is unreachable.
pub(crate) fn else_(c: &mut Codegen<'_>) {
    let Frame { kind: Kind::If(otherwise), label, height, params, .. } = *c.block(0) else {
        unreachable!("validated: an else belongs to an if");
    };
    if c.reachable {
        c.move_results(0);
        c.e.jmp_long(label);
        c.block(0).branched = true;
    }
    c.truncate(height as usize);
    c.reset_registers();
    c.e.bind(otherwise);
    c.block(0).kind = Kind::Block;
    c.reachable = true;
    for &ty in params.as_slice() {
        let at = c.stack.len() as u32;
        c.push(Value::Slot(Ty::of(ty), at));
    }
    c.stack.set_settled(c.stack.len());
}

/// Also called when the code before it is unreachable.
pub(crate) fn end(c: &mut Codegen<'_>) {
    if let Kind::If(otherwise) = c.block(0).kind {
        if c.block(0).params.is_empty() {
            // Nothing happens on the other side.
            if c.reachable {
                let height = c.block(0).height as usize;
                c.settle_to(height);
            }
            c.e.bind(otherwise);
            let frame = c.block(0);
            frame.kind = Kind::Block;
            frame.branched = true;
            if !c.reachable {
                let height = c.block(0).height as usize;
                c.truncate(height);
                c.reset_registers();
                c.reachable = true;
            }
        } else {
            // The side that is not there passes the parameters on.
            else_(c);
        }
    }
    let Frame { kind, label, branched, height, results, handlers, .. } = *c.block(0);
    c.handlers = handlers;
    if c.pinned_loop.is_some_and(|l| l.frame + 1 == c.control.len()) {
        c.unpin_loop();
    }
    if kind == Kind::Loop {
        let (begin, end) = (c.e.position(label).unwrap_or(0), c.e.offset());
        if (1..=MAX_LOOP).contains(&(end - begin)) {
            c.small_loops.push(begin..end);
        }
    }
    if kind == Kind::Loop || !branched {
        c.control.pop();
        if !c.reachable {
            c.truncate(height as usize);
        }
        return;
    }
    if c.reachable {
        c.move_results(0);
    }
    c.control.pop();
    c.truncate(height as usize);
    c.reset_registers();
    c.e.bind(label);
    c.reachable = true;
    c.push_results(results);
}

pub(crate) fn br(c: &mut Codegen<'_>, depth: u32) {
    c.move_results(depth);
    c.jump_out(depth);
    c.end_reachable();
}

pub(crate) fn return_(c: &mut Codegen<'_>) {
    let depth = c.control.len() as u32 - 1;
    br(c, depth);
}

pub(crate) fn br_if(c: &mut Codegen<'_>, depth: u32) {
    let mut condition = c.pop();
    if c.takes_one_in_register(depth) {
        condition = c.out_of_rax(condition);
        c.top_to_result();
    }
    let flag = c.condition(condition);
    c.branch_on(flag, depth);
}

pub(crate) fn br_on_null(c: &mut Codegen<'_>, depth: u32) {
    let mut reference = c.pop();
    if c.takes_one_in_register(depth) {
        reference = c.out_of_rax(reference);
        c.top_to_result();
    }
    let null = c.null_flag(reference);
    c.branch_on(null, depth);
    c.push(reference);
}

pub(crate) fn br_on_non_null(c: &mut Codegen<'_>, depth: u32) {
    // The reference is the last value that goes along.
    if c.takes_one_in_register(depth) {
        c.top_to_result();
    }
    let top = c.stack[c.stack.len() - 1];
    let null = c.null_flag(top);
    c.branch_on(null.not(), depth);
    drop_(c);
}

pub(crate) fn br_table(c: &mut Codegen<'_>, targets: &BrTable<'_>) {
    let index = c.pop();
    let arity = c.arity(targets.default());
    let depths = || targets.targets().map(|depth| depth.unwrap_or(0)).chain(std::iter::once(targets.default()));
    let in_register = arity == 1 && depths().all(|depth| c.takes_register(depth));
    let mut index = Value::Gpr(Ty::I32, c.own_gpr(index));
    if in_register {
        index = c.out_of_rax(index);
        c.top_to_result();
    }
    let Value::Gpr(_, r) = index else { unreachable!("just made") };
    c.br_tables += 1;
    let number = c.br_tables;
    let mut between: Vec<(u32, Label)> = Vec::new();
    let mut labels = Vec::with_capacity(targets.len() as usize + 1);
    for depth in depths() {
        if (arity == 0 || in_register) && c.leaving(depth).is_none() {
            labels.push(c.branch_label(depth));
            continue;
        }
        let (stamp, label) = c.block(depth).stub;
        if stamp == number {
            labels.push(label);
            continue;
        }
        let label = c.e.label();
        c.block(depth).stub = (number, label);
        between.push((depth, label));
        labels.push(label);
    }
    let default = labels.pop().expect("there is a default");
    if arity > MOVED_SINGLY {
        // Once for all branches.
        c.settle_results(arity);
    }
    // A body has at most 7,654,321 bytes, and a target at least one.
    c.e.alu_imm(Alu::Cmp, Size::S32, r.into(), labels.len() as i32);
    c.e.jcc(Cond::Ae, default);
    if !labels.is_empty() {
        let table = c.e.table(labels.into_iter());
        let s = c.scratch();
        // A misspeculated index is 0. The upper half of the register is cleared in any case.
        s.e.mov_imm(Size::S32, s.r, 0);
        s.e.cmov(Cond::Ae, Size::S32, r, s.r.into());
        s.e.lea_label(s.r, table);
        s.e.extend(Extend::Sign32, Size::S64, r, Rm::Mem(Addr::scaled(s.r, r, 2, 0)));
        s.e.alu(Alu::Add, Size::S64, r, s.r.into());
        s.e.jmp_reg(r);
        s.give_up();
    } else {
        c.e.jmp(default);
    }
    for (depth, label) in between {
        c.e.bind(label);
        if !in_register {
            c.move_results(depth);
        }
        c.jump_out(depth);
    }
    c.end_reachable();
}

pub(crate) fn select(c: &mut Codegen<'_>, _: Option<ValType>) {
    let condition = c.pop();
    let otherwise = c.pop();
    let then = c.pop();
    let ty = then.ty();
    if ty.is_int() {
        // What a cmov reads cannot be an immediate.
        let then = match then {
            Value::Const(..) | Value::Pool(..) => Value::Gpr(ty, c.gpr(then)),
            other => other,
        };
        let dst = c.own_gpr(otherwise);
        let flag = c.condition(condition);
        let (size, from) = (ty.size(), c.rm(then));
        match flag {
            Flag::Is(cond) => c.e.cmov(cond, size, dst, from),
            Flag::FloatNe => {
                c.e.cmov(Cond::Ne, size, dst, from);
                c.e.cmov(Cond::P, size, dst, from);
            }
            Flag::FloatEq => {
                // Equal and ordered: not (not equal or unordered).
                let keep = c.e.skip_if(Cond::Ne);
                c.e.cmov(Cond::Np, size, dst, from);
                c.e.land(keep);
            }
        }
        c.release(then);
        c.push_gpr(ty, dst);
        return;
    }
    let dst = c.own_xmm(otherwise);
    let flag = c.condition(condition);
    let keep = c.part(flag.not());
    c.load_xmm(dst, then);
    c.meet(keep);
    c.release(then);
    c.push_xmm(ty, dst);
}

impl<'a> Codegen<'a> {
    fn push_frame(&mut self, kind: Kind, label: Label, params: Types<'a>, results: Types<'a>) {
        let height = (self.stack.len() - params.len()) as u32;
        self.control.push(Frame {
            kind,
            label,
            branched: false,
            height,
            params,
            results,
            handlers: self.handlers,
            stub: (0, label),
        });
    }

    pub(crate) fn block(&mut self, depth: u32) -> &mut Frame<'a> {
        let n = self.control.len() - 1 - depth as usize;
        &mut self.control[n]
    }

    /// What follows cannot be reached: nothing above the innermost frame's height matters any more.
    pub(crate) fn end_reachable(&mut self) {
        let height = self.block(0).height as usize;
        self.truncate(height);
        self.reset_registers();
        self.reachable = false;
    }

    /// How many values a branch takes along.
    fn arity(&mut self, depth: u32) -> usize {
        let frame = self.block(depth);
        if frame.kind == Kind::Loop { frame.params.len() } else { frame.results.len() }
    }

    /// Whether a single value that a branch takes along is in a register.
    fn takes_register(&mut self, depth: u32) -> bool {
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

    /// Copies what a branch takes along to where it belongs there. The abstract stack does not change, unless there are more values
    /// than [`MOVED_SINGLY`]: those are in their own slots then.
    fn move_results(&mut self, depth: u32) {
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
    fn settle_results(&mut self, count: usize) {
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
        const WORD: i32 = 8;
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
    fn top_to_result(&mut self) {
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
    fn takes_one_in_register(&mut self, depth: u32) -> bool {
        self.arity(depth) == 1 && self.takes_register(depth)
    }

    /// Branches if the condition holds. A single value that goes along is where it belongs.
    fn branch_on(&mut self, flag: Flag, depth: u32) {
        if self.arity(depth) == 0 || self.takes_one_in_register(depth) || self.is_in_place(depth) {
            let target = self.branch_label(depth);
            let target = match self.leaving(depth) {
                Some((from, to)) => self.stub(StubKind::Leave { target, from, to }),
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

    /// A popped integer anywhere but in rax.
    pub(crate) fn out_of_rax(&mut self, value: Value) -> Value {
        let Value::Gpr(ty, Gpr::Rax) = value else { return value };
        let other = self.alloc_gpr();
        self.e.mov(Size::S64, other, Gpr::Rax);
        self.free(Gpr::Rax);
        Value::Gpr(ty, other)
    }

    /// Pushes what a label gets.
    fn push_results(&mut self, results: Types<'_>) {
        if let &[ty] = results.as_slice() {
            let ty = Ty::of(ty);
            if ty.is_int() {
                self.acquire(Gpr::Rax);
                self.push_gpr(ty, Gpr::Rax);
            } else {
                self.acquire(Xmm(0));
                self.push_xmm(ty, Xmm(0));
            }
            return;
        }
        for &ty in results.as_slice() {
            let at = self.stack.len() as u32;
            self.frame.use_slot(at);
            self.push(Value::Slot(Ty::of(ty), at));
        }
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

    // ---- Loops with pinned locals.

    /// Pins the locals that an innermost loop uses most, if this is one. Everything on the stack is settled.
    fn pin_for_loop(&mut self) {
        let summary = self.summary;
        let run = summary.loops[self.loop_number];
        self.loop_number += 1;
        if run.count == 0 {
            return;
        }
        let from = self.loop_pins.len() as u32;
        let candidates = &summary.candidates[run.first as usize..][..run.count as usize];
        let mut chosen: u64 = 0;
        // The best one first, as long as there are registers: few rounds of at most 64.
        loop {
            let gpr = self.gprs.temporary_among(LOOP_GPRS);
            let xmm = self.xmms.temporary_among(LOOP_XMMS);
            let fits = |n: usize| {
                let Local { ty, pin, .. } = self.locals[candidates[n].local as usize];
                let free = match ty {
                    Ty::I32 | Ty::I64 => gpr.is_some(),
                    Ty::F32 | Ty::F64 | Ty::V128 => xmm.is_some(),
                    Ty::Handle => false,
                };
                chosen & 1 << n == 0 && pin == UNPINNED && free && candidates[n].uses >= LOOP_PIN_USES
            };
            let best = (0..candidates.len()).filter(|&n| fits(n)).max_by_key(|&n| (candidates[n].uses, std::cmp::Reverse(n)));
            let Some(n) = best else { break };
            chosen |= 1 << n;
            let candidate = candidates[n];
            let Local { ty, home, .. } = self.locals[candidate.local as usize];
            let home = Addr::new(Gpr::Rbp, home);
            let pin = if ty.is_int() {
                let r = gpr.expect("one fits");
                self.e.load(ty.size(), r, home);
                self.gprs.pin(r);
                r as u8
            } else {
                let x = xmm.expect("one fits");
                load_xmm_mem(&mut self.e, ty, x, home);
                self.xmms.pin(x);
                x.0
            };
            self.locals[candidate.local as usize].pin = pin;
            self.loop_pins.push(LoopPin { local: candidate.local, pin, written: candidate.written });
        }
        let to = self.loop_pins.len() as u32;
        if from == to {
            return;
        }
        self.pinned_loop = Some(PinnedLoop { frame: self.control.len(), from, to });
    }

    /// The loop's end: its locals go home.
    fn unpin_loop(&mut self) {
        let Some(PinnedLoop { from, to, .. }) = self.pinned_loop.take() else { return };
        let (from, to) = (from as usize, to as usize);
        if self.reachable {
            // What still means such a local means its home from now on.
            self.write_back(from, to);
        }
        for n in from..to {
            let LoopPin { local, pin, .. } = self.loop_pins[n];
            let local = &mut self.locals[local as usize];
            local.pin = UNPINNED;
            local.cache = UNPINNED;
            if local.ty.is_int() {
                self.gprs.unpin(Gpr::numbered(pin));
            } else {
                self.xmms.unpin(Xmm(pin));
            }
        }
    }

    /// Stores the locals of a run of `loop_pins` that its loop writes.
    pub(crate) fn write_back(&mut self, from: usize, to: usize) {
        for n in from..to {
            let LoopPin { local, pin, written } = self.loop_pins[n];
            if !written {
                continue;
            }
            let Local { ty, home, .. } = self.locals[local as usize];
            let to = Addr::new(Gpr::Rbp, home);
            if ty.is_int() {
                self.e.store(ty.size(), to, Gpr::ALL[pin as usize & 15]);
            } else {
                store_xmm_mem(&mut self.e, ty, to, Xmm(pin));
            }
        }
    }

    /// The locals that go home if this branch is taken: none where the function ends.
    fn leaving(&mut self, depth: u32) -> Option<(u32, u32)> {
        let PinnedLoop { frame, from, to } = self.pinned_loop?;
        let target = self.control.len() - 1 - depth as usize;
        let written = self.loop_pins[from as usize..to as usize].iter().any(|p| p.written);
        (target < frame && target != 0 && written).then_some((from, to))
    }

    /// Jumps; what the branch takes along has been moved.
    fn jump_out(&mut self, depth: u32) {
        let target = self.branch_label(depth);
        if let Some((from, to)) = self.leaving(depth) {
            self.write_back(from as usize, to as usize);
        }
        self.e.jmp(target);
    }
}
