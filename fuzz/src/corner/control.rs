//! Blocks, loops, branches, exceptions and tail calls, with operands below at every level.

use super::body::{Body, Frame};
use super::numbers::{DEPTHS, ITERATIONS, TARGETS, near, near_or_any, pick};
use super::types::Mix;
use rand::Rng;
use std::borrow::Cow;
use wasm_encoder::{BlockType, Instruction as I, ValType};

/// Blocks that may be open.
const MAX_NESTING: usize = 8;

impl<'p> Body<'p> {
    // ---- Beginning and ending.

    /// The type of a block without parameters and with these results, if there is one.
    pub fn block_type(&self, params: &[ValType], results: &[ValType]) -> Option<BlockType> {
        match (params, results) {
            ([], []) => Some(BlockType::Empty),
            ([], &[result]) => Some(BlockType::Result(result)),
            _ => {
                let same = |s: &super::types::Signature| s.params == params && s.results == results;
                self.plan.types.all.iter().position(same).map(|n| BlockType::FunctionType(n as u32))
            }
        }
    }

    /// Begins a block without parameters whose results have a [`Self::block_type`].
    pub fn begin(&mut self, results: Vec<ValType>, params: usize, make: impl FnOnce(BlockType) -> I<'p>) {
        let height = self.stack.len() - params;
        let ty = self.block_type(&self.stack[height..], &results).expect("the caller looked for it");
        self.emit(&make(ty));
        self.frames.push(Frame { label: results, height, counter: None });
    }

    /// Ends the innermost block, whose results are on top.
    pub fn end(&mut self) {
        self.emit(&I::End);
        let frame = self.frames.pop().expect("it was begun");
        self.stack.truncate(frame.height);
        self.stack.extend(frame.label);
    }

    /// What comes next cannot be reached.
    pub fn unreachable(&mut self) {
        let height = self.frames.last().map_or(0, |f| f.height);
        self.stack.truncate(height);
    }

    /// A list of results for blocks: of a type of the module, one value, or none.
    pub fn block_results(&mut self) -> Vec<ValType> {
        let plan = self.plan;
        match self.rng.random_range(0..4) {
            0 => vec![],
            1 | 2 => vec![plan.value_type(self.rng, Mix::All)],
            _ => {
                let fitting: Vec<&Vec<ValType>> =
                    plan.types.all.iter().filter(|s| s.params.is_empty()).map(|s| &s.results).collect();
                if fitting.is_empty() { vec![] } else { pick(self.rng, &fitting).clone() }
            }
        }
    }

    // ---- What code consists of.

    /// Operands, then operators above them, then all of it is consumed.
    pub fn site(&mut self) {
        let base = self.stack.len();
        let depth = match self.rng.random_range(0..4) {
            0 => self.rng.random_range(0..6),
            _ => near_or_any(self.rng, DEPTHS),
        };
        // Many sites in a row, or nested, are for what is near; few are deep.
        let depth = if base > 120 || self.budget < 0 { depth.min(4) } else { depth };
        let mix = Mix::any(self.rng);
        let mut ty = self.plan.value_type(self.rng, mix);
        let effort = self.rng.random_range(0..2);
        for _ in 0..depth {
            if self.rng.random_bool(0.3) {
                ty = self.plan.value_type(self.rng, mix);
            }
            self.operand(ty, effort);
        }
        for _ in 0..self.rng.random_range(1..4) {
            self.statement();
        }
        self.fold_to(base);
    }

    /// One operator or construct.
    fn statement(&mut self) {
        let nested = self.frames.len() > MAX_NESTING || self.budget < 0;
        let done = match self.rng.random_range(0..60) {
            0..14 if self.calls => self.any_call(),
            14..17 => self.size_or_grow(),
            17..20 if self.calls => self.bulk(),
            20..24 if self.calls => self.table_operator(),
            24..28 => self.atomic(),
            28..31 => self.store(),
            31 | 32 => self.global_set(),
            33..36 => self.local_set(),
            36 => self.reference_operator(),
            37..40 if !nested => self.block(),
            40..43 if !nested => self.if_else(),
            43..47 if !nested && self.frames.iter().filter(|f| f.counter.is_some()).count() < 3 => self.loop_(),
            47..49 if !nested => self.jump_table(),
            49..52 if !nested && self.calls => self.try_block(),
            52 => self.branch_if(),
            53..56 => self.leave(),
            56 if self.calls => self.throw_if(),
            57 if !nested => self.on_null(),
            _ => {
                self.any_row();
                true
            }
        };
        if !done {
            self.any_row();
        }
    }

    /// A few sites in a block.
    pub fn inside(&mut self) {
        let height = self.stack.len();
        for _ in 0..self.rng.random_range(0..3) {
            if self.budget > 0 {
                self.site();
            }
        }
        self.fold_to(height);
    }

    /// Parameters and results for a block, as some type has them. The parameters are pushed.
    fn enter(&mut self) -> (Vec<ValType>, Vec<ValType>) {
        if self.rng.random_bool(0.6) {
            return (vec![], self.block_results());
        }
        let signature = pick(self.rng, &self.plan.types.callable);
        let signature = self.plan.types.get(signature);
        let (params, results) = (signature.params.clone(), signature.results.clone());
        self.operands(&params, 1);
        (params, results)
    }

    fn block(&mut self) -> bool {
        let (params, results) = self.enter();
        self.begin(results.clone(), params.len(), I::Block);
        let height = self.stack.len() - params.len();
        self.inside();
        if self.rng.random() {
            self.operands(&results, 1);
            self.condition(1);
            self.emit(&I::BrIf(0));
            self.pop(1);
        }
        self.fold_to(height);
        self.operands(&results, 1);
        self.end();
        true
    }

    fn if_else(&mut self) -> bool {
        let (params, results) = self.enter();
        self.condition(1);
        self.pop(1);
        self.begin(results.clone(), params.len(), I::If);
        let height = self.stack.len() - params.len();
        self.inside();
        self.fold_to(height);
        self.operands(&results, 1);
        if params != results || self.rng.random() {
            self.emit(&I::Else);
            self.stack.truncate(height);
            self.stack.extend(&params);
            self.inside();
            self.fold_to(height);
            self.operands(&results, 1);
        }
        self.end();
        true
    }

    /// A loop that ends, since each way back counts. An innermost one without calls has locals in registers.
    fn loop_(&mut self) -> bool {
        let counter = self.fresh_fixed(ValType::I32);
        let count = near(self.rng, ITERATIONS);
        self.constant(ValType::I32, count);
        self.emit(&I::LocalSet(counter));
        self.pop(1);
        let (params, results) = self.enter();
        let calls = self.calls;
        self.calls &= self.rng.random_bool(0.4);
        self.begin(results.clone(), params.len(), I::Loop);
        let frame = self.frames.last_mut().expect("just begun");
        (frame.label, frame.counter) = (params.clone(), Some(counter));
        let height = self.stack.len() - params.len();
        self.inside();
        self.fold_to(height);
        self.operands(&params, 1);
        self.count(counter);
        self.emit(&I::BrIf(0));
        self.pop(1);
        self.fold_to(height);
        self.operands(&results, 1);
        self.frames.last_mut().expect("still open").label = results;
        self.end();
        self.calls = calls;
        true
    }

    /// Pushes whether a loop may go on, which counts.
    fn count(&mut self, counter: u32) {
        self.emit(&I::LocalGet(counter));
        self.emit(&I::I32Const(1));
        self.emit(&I::I32Sub);
        self.emit(&I::LocalTee(counter));
        self.emit(&I::I32Const(0));
        self.emit(&I::I32GtS);
        self.stack.push(ValType::I32);
    }

    /// A branch to any block, if something holds.
    fn branch_if(&mut self) -> bool {
        let depth = self.rng.random_range(0..self.frames.len());
        let Frame { label, counter, .. } = self.frames[self.frames.len() - 1 - depth].clone();
        self.operands(&label, 1);
        match counter {
            Some(counter) => self.count(counter),
            None => self.condition(1),
        }
        self.emit(&I::BrIf(depth as u32));
        self.pop(1);
        true
    }

    /// Leaves the function, if something holds: returns, calls in its place, traps.
    fn leave(&mut self) -> bool {
        self.condition(1);
        if !self.rng.random_bool(0.3) {
            // Now and then.
            self.emit(&I::I32Const(3));
            self.operand(ValType::I32, 0);
            self.emit(&I::I32And);
            self.emit(&I::I32Eqz);
            self.emit(&I::I32And);
            self.pop(1);
        }
        self.pop(1);
        self.begin(vec![], 0, I::If);
        for _ in 0..near_or_any(self.rng, &[0, 16, 33]) {
            self.operand(ValType::I32, 0);
        }
        if !(self.plan.proposals.tail_call && self.calls && self.rng.random_bool(0.7) && self.tail_call()) {
            if self.rng.random_bool(0.1) {
                self.emit(&I::Unreachable);
            } else {
                self.return_values();
                self.emit(&I::Return);
            }
        }
        self.unreachable();
        self.end();
        true
    }

    /// A call in place of the function. Whether there is a function with its results.
    pub fn tail_call(&mut self) -> bool {
        let plan = self.plan;
        if self.rng.random() {
            let (table, element, ty) = self.callee();
            let signature = plan.types.get(ty);
            if signature.results == self.results {
                self.operands(&signature.params, 1);
                self.constant(plan.tables[table as usize].index(), element);
                self.emit(&I::ReturnCallIndirect { type_index: ty, table_index: table });
                return true;
            }
        }
        let fits = |&f: &u32| plan.types.get(plan.function_type(f)).results == self.results;
        let fitting: Vec<u32> = (0..plan.function_count()).filter(fits).collect();
        if fitting.is_empty() {
            return false;
        }
        let function = pick(self.rng, &fitting);
        let ty = plan.function_type(function);
        self.operands(&plan.types.get(ty).params, 1);
        if plan.proposals.function_references && self.rng.random() {
            self.emit(&I::RefFunc(function));
            self.emit(&I::ReturnCallRef(ty));
        } else {
            self.emit(&I::ReturnCall(function));
        }
        true
    }

    /// A nest of blocks with the same results and operands between them, and a jump table in it.
    fn jump_table(&mut self) -> bool {
        let results = self.block_results();
        let blocks = self.rng.random_range(1..5);
        for _ in 0..blocks {
            self.begin(results.clone(), 0, I::Block);
            for _ in 0..self.rng.random_range(0..4) {
                self.operand(ValType::I32, 0);
            }
        }
        self.operands(&results, 1);
        let targets: Vec<u32> = (0..near(self.rng, TARGETS)).map(|_| self.rng.random_range(0..blocks)).collect();
        match self.rng.random_range(0..4) {
            0 => self.operand(ValType::I32, 1),
            1 if self.size() => {
                if self.stack[self.stack.len() - 1] == ValType::I64 {
                    self.emit(&I::I32WrapI64);
                }
            }
            _ => {
                self.operand(ValType::I32, 1);
                let mask = (targets.len() + 1).next_power_of_two() - 1;
                self.emit(&I::I32Const(mask as i32));
                self.emit(&I::I32And);
            }
        }
        let default = self.rng.random_range(0..blocks);
        self.emit(&I::BrTable(Cow::Borrowed(&targets), default));
        for n in 0..blocks {
            self.unreachable();
            self.end();
            if n + 1 < blocks {
                // The next one's results are its own: these are consumed.
                let height = self.frames.last().map_or(0, |f| f.height);
                self.note(n.into());
                self.fold_to(height);
                self.operands(&results, 1);
            }
        }
        true
    }
}
