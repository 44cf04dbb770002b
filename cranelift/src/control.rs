//! Blocks and branches, `drop` and `select`.
//!
//! A block's exit is made when something first branches to it: a block that only falls through its end costs nothing.

use crate::location::LEAVES;
use crate::state::{Else, Frame, Kind};
use crate::translate::{Args, Translator};
use crate::types::clif_type;
use cranelift_codegen::ir::{Block, InstBuilder, JumpTableData, Value};
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::block::Types;
use sconce_environ::ops::BlockType;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::ValType;
use smallvec::SmallVec;
use std::collections::HashMap;
use wasmparser::BrTable;

/// Targets that one `br_table` may have: what the engines of browsers allow.
const MAX_BR_TABLE_TARGETS: u32 = 65_520;

pub(crate) fn unreachable(t: &mut Translator<'_>) {
    // Cranelift makes one conditional trap of a branch to a block that only traps, at the branch's place in
    // the source: a backtrace would name the branch. With a marker the block is more than a trap, and stays;
    // behind the other code, as the conditional trap's would.
    t.builder.ins().sequence_point();
    if let Some(block) = t.builder.current_block()
        && t.builder.func.layout.entry_block() != Some(block)
    {
        t.builder.set_cold_block(block);
    }
    t.trap(TrapCode::Unreachable);
}

pub(crate) fn nop(_: &mut Translator<'_>) {}

pub(crate) fn drop_(t: &mut Translator<'_>) {
    t.pop();
}

pub(crate) fn select(t: &mut Translator<'_>, ty: Option<ValType>) {
    let (a, b, condition) = t.state.pop3();
    let (a, b) = (t.canonical(a), t.canonical(b));
    let value = t.builder.ins().select(condition, a, b);
    match ty {
        Some(ty) => t.push_typed(ty, value),
        None => t.push(value),
    }
}

pub(crate) fn block(t: &mut Translator<'_>, ty: BlockType) {
    let (params, results) = t.env.blocks.get(ty);
    t.keep_operands(t.state.values.len() - params.len());
    t.push_frame(Kind::Block, None, params, results);
}

pub(crate) fn loop_(t: &mut Translator<'_>, ty: BlockType) {
    let (params, results) = t.env.blocks.get(ty);
    let header = t.block_with(params);
    let args = t.block_args(params.len());
    t.keep_operands(t.state.values.len() - params.len());
    t.builder.ins().jump(header, &args);
    t.push_frame(Kind::Loop { header }, None, params, results);
    t.state.pop_n(params.len());
    t.complete_entry(header, params);
    t.builder.switch_to_block(header);
    t.push_block_params(header);
    // Behind the parameters: variables may become some, too.
    if t.state.frame(0).kept {
        t.reload_operands(t.state.values.len() - params.len());
    }
}

pub(crate) fn if_(t: &mut Translator<'_>, ty: BlockType) {
    let condition = t.pop();
    let (params, results) = t.env.blocks.get(ty);
    t.keep_operands(t.state.values.len());
    let then = t.builder.create_block();
    let otherwise = t.builder.create_block();
    let branch = t.builder.ins().brif(condition, then, &[], otherwise, &[]);
    t.builder.seal_block(then);
    let hint = t.branch_hint();
    if hint == Some(false) {
        t.builder.set_cold_block(then);
    }
    if params.len() + results.len() == 0 {
        t.push_frame(Kind::If(Else::Patch(branch, hint)), Some(otherwise), params, results);
    } else {
        t.builder.seal_block(otherwise);
        if hint == Some(true) {
            t.builder.set_cold_block(otherwise);
        }
        t.push_frame(Kind::If(Else::Block(otherwise)), None, params, results);
        let start = t.state.values.len() - params.len();
        t.state.values.extend_from_within(start..);
    }
    t.builder.switch_to_block(then);
}

/// Also called when the code before it is unreachable.
pub(crate) fn else_(t: &mut Translator<'_>) {
    if t.state.reachable {
        t.jump_to(0);
    }
    let Frame { kind: Kind::If(side), exit, branched, height, params, .. } = *t.state.frame(0) else {
        unreachable!("validated: an else belongs to an if");
    };
    let otherwise = match side {
        Else::Block(block) => block,
        Else::Patch(branch, hint) => {
            let block = t.builder.create_block();
            if hint == Some(true) {
                t.builder.set_cold_block(block);
            }
            let exit = exit.expect("made with the branch");
            t.builder.change_jump_destination(branch, exit, block);
            t.builder.seal_block(block);
            block
        }
    };
    let frame = t.state.frame(0);
    frame.kind = Kind::Block;
    if !branched {
        frame.exit = None;
    }
    t.state.values.truncate(height + params.len());
    t.state.reachable = true;
    t.builder.switch_to_block(otherwise);
    if t.state.frame(0).kept {
        t.reload_operands(t.state.values.len());
    }
}

/// Also called when the code before it is unreachable.
pub(crate) fn end(t: &mut Translator<'_>) {
    match t.state.frame(0).kind {
        Kind::If(Else::Patch(..)) => t.state.frame(0).branched = true,
        // The side that is not there passes the parameters on.
        Kind::If(Else::Block(_)) => else_(t),
        Kind::Block | Kind::Loop { .. } => {}
    }
    let results = t.state.frame(0).results.len();
    if t.state.reachable && t.state.frame(0).branched {
        t.jump_to(0);
        t.state.reachable = false;
    }
    let frame = t.state.control.pop().expect("validated: an end belongs to a block");
    if let Kind::Loop { header } = frame.kind {
        t.builder.seal_block(header);
    }
    t.end_handlers(frame.handlers);
    if t.state.reachable {
        let below = t.state.values.len() - results;
        t.state.values.drain(frame.height..below);
        return;
    }
    t.state.values.truncate(frame.height);
    if let Some(exit) = frame.exit
        && frame.branched
    {
        t.builder.switch_to_block(exit);
        t.builder.seal_block(exit);
        t.push_block_params(exit);
        if frame.kept {
            t.reload_operands(frame.height);
        }
        t.state.reachable = true;
    }
}

pub(crate) fn br(t: &mut Translator<'_>, depth: u32) {
    t.jump_to(depth);
    t.state.reachable = false;
}

pub(crate) fn br_if(t: &mut Translator<'_>, depth: u32) {
    let condition = t.pop();
    match t.branch_hint() {
        None => t.branch_if(condition, depth),
        // What follows is what is unlikely, up to the next block.
        Some(true) => {
            t.branch_if(condition, depth);
            let next = t.builder.current_block().expect("there is a block while code is reachable");
            t.builder.set_cold_block(next);
        }
        // The target is others' too: the way there is what is unlikely.
        Some(false) => {
            let (between, next) = (t.builder.create_block(), t.builder.create_block());
            t.builder.ins().brif(condition, between, &[], next, &[]);
            t.builder.seal_block(between);
            t.builder.seal_block(next);
            t.builder.set_cold_block(between);
            t.builder.switch_to_block(between);
            t.jump_to(depth);
            t.builder.switch_to_block(next);
        }
    }
}

pub(crate) fn br_on_null(t: &mut Translator<'_>, depth: u32) {
    let reference = t.pop();
    let null = t.is_null(reference);
    t.branch_if(null, depth);
    t.push(reference);
}

pub(crate) fn br_on_non_null(t: &mut Translator<'_>, depth: u32) {
    let null = t.is_null(t.state.top());
    let (target, args) = t.target(depth);
    let next = t.builder.create_block();
    t.builder.ins().brif(null, next, &[], target, &args);
    t.builder.seal_block(next);
    t.builder.switch_to_block(next);
    t.pop();
}

pub(crate) fn br_table(t: &mut Translator<'_>, targets: &BrTable<'_>) {
    if targets.len() > MAX_BR_TABLE_TARGETS {
        t.failure = Some(format!("a br_table has {} targets, at most {MAX_BR_TABLE_TARGETS} are possible", targets.len()));
        t.trap(TrapCode::Unreachable);
        return;
    }
    let index = t.pop();
    // An edge of a jump table takes no arguments: each target that needs some gets a block in between.
    let arity = t.arity(targets.default());
    let mut blocks: HashMap<u32, Block> = HashMap::new();
    let mut between: SmallVec<[(u32, Block); 8]> = SmallVec::new();
    let mut calls = Vec::with_capacity(targets.len() as usize + 1);
    let depths = targets.targets().map(|depth| depth.unwrap_or(0)).chain(std::iter::once(targets.default()));
    for depth in depths {
        let block = *blocks.entry(depth).or_insert_with(|| {
            if arity == 0 {
                return t.target(depth).0;
            }
            let block = t.builder.create_block();
            between.push((depth, block));
            block
        });
        calls.push(t.builder.func.dfg.block_call(block, &[]));
    }
    let default = calls.pop().expect("the default is the last one");
    let table = t.builder.create_jump_table(JumpTableData::new(default, &calls));
    t.builder.ins().br_table(index, table);
    for (depth, block) in between {
        t.builder.switch_to_block(block);
        t.builder.seal_block(block);
        t.jump_to(depth);
    }
    t.state.reachable = false;
}

pub(crate) fn return_(t: &mut Translator<'_>) {
    if t.inlines.is_open() {
        return br(t, (t.state.control.len() - 1 - t.inlines.frame()) as u32);
    }
    let count = t.state.control[0].results.len();
    t.emit_return(count);
    t.state.reachable = false;
}

impl<'a> Translator<'a> {
    /// Opens the frame of the function itself.
    pub(crate) fn begin_function(&mut self, results: Types<'a>) {
        self.push_frame(Kind::Block, None, Types::NONE, results);
    }

    /// Returns what the function's `end` left on the stack.
    pub(crate) fn end_function(&mut self) {
        if self.state.reachable {
            self.emit_return(self.state.values.len());
        }
    }

    pub(crate) fn push_frame(&mut self, kind: Kind, exit: Option<Block>, params: Types<'a>, results: Types<'a>) {
        let (height, handlers) = (self.state.values.len() - params.len(), self.state.handlers.len());
        let kept = self.is_around_entry();
        self.state.control.push(Frame { kind, exit, branched: false, height, params, results, kept, handlers });
    }

    /// A block with these parameters.
    fn block_with(&mut self, types: Types<'_>) -> Block {
        let block = self.builder.create_block();
        for &ty in types.as_slice() {
            let param = self.builder.append_block_param(block, clif_type(ty));
            if ty.is_handle() {
                self.declare_handle(param);
            }
        }
        block
    }

    fn push_block_params(&mut self, block: Block) {
        self.state.values.extend_from_slice(self.builder.block_params(block));
    }

    /// How many values a branch takes along.
    fn arity(&mut self, depth: u32) -> usize {
        let frame = self.state.frame(depth);
        match frame.kind {
            Kind::Loop { .. } => frame.params.len(),
            Kind::Block | Kind::If(_) => frame.results.len(),
        }
    }

    /// Where a branch goes, and what it takes along; the values stay on the stack.
    fn target(&mut self, depth: u32) -> (Block, Args) {
        let frame = *self.state.frame(depth);
        let block = match frame.kind {
            Kind::Loop { header } => header,
            Kind::Block | Kind::If(_) => {
                let exit = frame.exit.unwrap_or_else(|| self.block_with(frame.results));
                let frame = self.state.frame(depth);
                frame.exit = Some(exit);
                frame.branched = true;
                exit
            }
        };
        let arity = self.arity(depth);
        (block, self.block_args(arity))
    }

    /// Branches; the values stay on the stack.
    pub(crate) fn jump_to(&mut self, depth: u32) {
        let (block, args) = self.target(depth);
        self.builder.ins().jump(block, &args);
    }

    /// Branches if the condition is nonzero; the values stay on the stack.
    fn branch_if(&mut self, condition: Value, depth: u32) {
        let (target, args) = self.target(depth);
        let next = self.builder.create_block();
        self.builder.ins().brif(condition, target, &args, next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Returns the topmost `count` values.
    fn emit_return(&mut self, count: usize) {
        let start = self.state.values.len() - count;
        let mut results: SmallVec<[_; 8]> = SmallVec::with_capacity(count);
        for i in start..self.state.values.len() {
            let value = self.state.values[i];
            results.push(self.canonical(value));
        }
        if let Some(buffer) = self.env.result_buffer {
            for (i, &value) in results.iter().enumerate() {
                self.store_trusted(crate::alias::Region::Results, value, buffer, (i * VALUE_SIZE) as u32);
            }
            results.clear();
        }
        let outside = self.mark(LEAVES);
        self.builder.ins().return_(&results);
        self.builder.set_srcloc(outside);
    }
}
