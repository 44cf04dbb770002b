//! Control: blocks, branches, select.
//!
//! At a label everything below it is settled. What a branch takes along to a block's end is in rax or xmm0 if
//! it is one value, else in the slots from the block's height on; what it takes to a loop's head is in slots.
//! So a branch costs its arity.

use crate::blocks::{Block, Kind};
use crate::codegen::Codegen;
use crate::copies::MOVED_SINGLY;
use crate::value::{Flag, Ty, Value};
use sconce_environ::block::Types;
use sconce_environ::ops::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::ValType;
use sconce_x64::encode::{Addr, Alu, Cond, Extend, Label, Rm, Size};
use sconce_x64::register::{Gpr, Xmm};
use wasmparser::BrTable;

pub(crate) fn begin_function<'a>(c: &mut Codegen<'a>, results: Types<'a>) {
    let label = c.e.label();
    c.push_frame(Kind::Block, label, Types::NONE, results);
    // Results leave from their canonical places.
    c.block(0).branched = true;
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
    let (params, results) = c.block_types.get(ty);
    c.settle_to(c.stack.len() - params.len());
    let label = c.e.label();
    c.push_frame(Kind::Block, label, params, results);
}

pub(crate) fn loop_(c: &mut Codegen<'_>, ty: BlockType) {
    let (params, results) = c.block_types.get(ty);
    c.settle_to(c.stack.len());
    c.spill_top(params.len());
    c.pin_for_loop();
    c.forget_caches();
    let label = c.e.here();
    c.push_frame(Kind::Loop, label, params, results);
}

pub(crate) fn if_(c: &mut Codegen<'_>, ty: BlockType) {
    let (params, results) = c.block_types.get(ty);
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
    let Block { kind: Kind::If(otherwise), label, height, params, .. } = *c.block(0) else {
        unreachable!("validated: an else belongs to an if");
    };
    if c.blocks.is_reachable() {
        c.move_results(0);
        c.e.jmp_long(label);
        c.block(0).branched = true;
    }
    c.truncate(height as usize);
    c.reset_registers();
    c.e.bind(otherwise);
    c.block(0).kind = Kind::Block;
    c.blocks.set_reachable(true);
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
            if c.blocks.is_reachable() {
                let height = c.block(0).height as usize;
                c.settle_to(height);
            }
            c.e.bind(otherwise);
            let frame = c.block(0);
            frame.kind = Kind::Block;
            frame.branched = true;
            if !c.blocks.is_reachable() {
                let height = c.block(0).height as usize;
                c.truncate(height);
                c.reset_registers();
                c.blocks.set_reachable(true);
            }
        } else {
            // The side that is not there passes the parameters on.
            else_(c);
        }
    }
    let Block { kind, label, branched, height, results, handlers, .. } = *c.block(0);
    c.handlers.restore(handlers);
    if let Some(pins) = c.loops.unpin(c.blocks.around(0)) {
        c.unpin_loop(pins);
    }
    c.note_end(kind == Kind::Loop);
    if kind == Kind::Loop {
        c.loops.end(c.e.position(label).unwrap_or(0)..c.e.offset());
    }
    if kind == Kind::Loop || !branched {
        c.blocks.pop();
        if !c.blocks.is_reachable() {
            c.truncate(height as usize);
        }
        return;
    }
    if c.blocks.is_reachable() {
        c.move_results(0);
    }
    c.blocks.pop();
    c.truncate(height as usize);
    c.reset_registers();
    c.e.bind(label);
    c.blocks.set_reachable(true);
    c.push_results(results);
}

pub(crate) fn br(c: &mut Codegen<'_>, depth: u32) {
    c.move_results(depth);
    c.jump_out(depth);
    c.end_reachable();
}

pub(crate) fn return_(c: &mut Codegen<'_>) {
    let depth = c.blocks.len() as u32 - 1;
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
    let number = c.blocks.next_br_table();
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
        let masks = c.settings.spectre_mitigations;
        let s = c.scratch();
        if masks {
            // A misspeculated index is 0. The upper half of the register is cleared in any case.
            s.e.mov_imm(Size::S32, s.r, 0);
            s.e.cmov(Cond::Ae, Size::S32, r, s.r.into());
        }
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
        self.note_block(self.e.position(label).filter(|_| kind == Kind::Loop));
        self.blocks.push(Block {
            kind,
            label,
            branched: false,
            height,
            params,
            results,
            handlers: self.handlers.current(),
            stub: (0, label),
        });
    }

    pub(crate) fn block(&mut self, depth: u32) -> &mut Block<'a> {
        self.blocks.at(depth)
    }

    /// What follows cannot be reached: nothing above the innermost frame's height matters any more.
    pub(crate) fn end_reachable(&mut self) {
        let height = self.block(0).height as usize;
        self.truncate(height);
        self.reset_registers();
        self.blocks.set_reachable(false);
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
}
