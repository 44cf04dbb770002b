//! Exceptions, with operands below at every level; and branches on null.

use super::body::Body;
use super::numbers::near_or_any;
use super::types::Mix;
use rand::Rng;
use std::borrow::Cow;
use wasm_encoder::{Catch, Instruction as I, ValType};

impl Body<'_> {
    /// What a clause's label takes: the tag's values, and the exception.
    fn clause(&mut self) -> (Option<u32>, bool, Vec<ValType>) {
        let with_exception = self.rng.random();
        let tag = self.rng.random_bool(0.7).then(|| self.rng.random_range(0..self.plan.tags.len() as u32));
        let mut values = tag.map_or(vec![], |tag| self.plan.types.get(self.plan.tags[tag as usize]).params.clone());
        if with_exception {
            values.push(ValType::EXNREF);
        }
        (tag, with_exception, values)
    }

    /// A try region in blocks that its clauses branch to, with operands between them.
    pub fn try_block(&mut self) -> bool {
        if !self.plan.proposals.exceptions {
            return false;
        }
        let results = self.block_results();
        let mut clauses: Vec<_> = (0..self.rng.random_range(0..4)).map(|_| self.clause()).collect();
        clauses.retain(|(_, _, values)| self.block_type(&[], values).is_some());
        self.begin(results.clone(), 0, I::Block);
        for (_, _, values) in &clauses {
            self.between();
            self.begin(values.clone(), 0, I::Block);
        }
        self.between();
        // The last clause's block is the innermost.
        let count = clauses.len() as u32;
        let catches = clauses.iter().zip(0..).map(|(&(tag, with_exception, _), n)| {
            let label = count - 1 - n;
            match (tag, with_exception) {
                (Some(tag), false) => Catch::One { tag, label },
                (Some(tag), true) => Catch::OneRef { tag, label },
                (None, false) => Catch::All { label },
                (None, true) => Catch::AllRef { label },
            }
        });
        let catches: Vec<Catch> = catches.collect();
        self.begin(results.clone(), 0, |ty| I::TryTable(ty, Cow::Owned(catches)));
        let height = self.stack.len();
        self.inside();
        self.throw_if();
        self.any_call();
        self.fold_to(height);
        self.operands(&results, 1);
        self.end();
        self.emit(&I::Br(count));
        self.unreachable();
        for n in 0..count {
            self.end();
            let height = self.frames.last().map_or(0, |f| f.height);
            self.note(n.into());
            if self.rng.random() {
                // Registers that handlers load again.
                self.load_of(ValType::I64);
            }
            self.fold_to(height);
            if n + 1 < count {
                self.operands(&results, 1);
                self.emit(&I::Br(count - 1 - n));
                self.unreachable();
            }
        }
        if count > 0 {
            self.operands(&results, 1);
        }
        self.end();
        true
    }

    /// Operands between two blocks.
    fn between(&mut self) {
        for _ in 0..self.rng.random_range(0..4) {
            self.operand(ValType::I32, 0);
        }
    }

    /// Throws, if something holds.
    pub fn throw_if(&mut self) -> bool {
        if self.plan.tags.is_empty() {
            return false;
        }
        self.condition(1);
        self.pop(1);
        self.begin(vec![], 0, I::If);
        for _ in 0..near_or_any(self.rng, &[0, 16, 33]) {
            self.operand(ValType::I32, 0);
        }
        if self.rng.random_bool(0.2) {
            self.operand(ValType::EXNREF, 0);
            self.emit(&I::ThrowRef);
        } else {
            let tag = self.rng.random_range(0..self.plan.tags.len());
            self.operands(&self.plan.types.get(self.plan.tags[tag]).params, 1);
            self.emit(&I::Throw(tag as u32));
        }
        self.unreachable();
        self.end();
        true
    }

    /// Puts an exception on the stack that was just thrown.
    pub fn fresh_exception(&mut self) {
        self.begin(vec![ValType::EXNREF], 0, I::Block);
        self.between();
        self.begin(vec![], 0, |ty| I::TryTable(ty, Cow::Borrowed(&[Catch::AllRef { label: 0 }])));
        let tag = self.rng.random_range(0..self.plan.tags.len());
        for &ty in &self.plan.types.get(self.plan.tags[tag]).params {
            self.operand(ty, 0);
        }
        self.emit(&I::Throw(tag as u32));
        self.unreachable();
        self.end();
        self.emit(&I::Unreachable);
        self.unreachable();
        self.end();
    }

    /// Throws the topmost exception again, unless it is null, and consumes what it carries if it has one of the tags. Whether
    /// there is one.
    pub fn rethrow(&mut self) -> bool {
        // What it carries may be exceptions.
        if self.plan.tags.is_empty() || self.budget <= 0 {
            return false;
        }
        let tag = self.rng.random_range(0..self.plan.tags.len());
        let values = self.plan.types.get(self.plan.tags[tag]).params.clone();
        let local = self.fresh(ValType::EXNREF);
        self.emit(&I::LocalSet(local));
        self.pop(1);
        let base = self.stack.len();
        self.begin(values.clone(), 0, I::Block);
        self.begin(vec![], 0, I::Block);
        let catches = vec![Catch::One { tag: tag as u32, label: 1 }, Catch::All { label: 0 }];
        self.begin(vec![], 0, |ty| I::TryTable(ty, Cow::Owned(catches)));
        self.emit(&I::LocalGet(local));
        self.emit(&I::RefIsNull);
        self.emit(&I::BrIf(1));
        self.emit(&I::LocalGet(local));
        self.emit(&I::ThrowRef);
        self.unreachable();
        self.end();
        self.end();
        for &ty in &values {
            self.default_value(ty);
        }
        self.end();
        self.fold_to(base);
        true
    }

    /// Branches on null and on what is not null.
    pub fn on_null(&mut self) -> bool {
        if !self.plan.proposals.function_references {
            return false;
        }
        let ty = self.plan.value_type(self.rng, Mix::References);
        if self.rng.random() || ty == ValType::EXTERNREF || ty == ValType::EXNREF {
            self.begin(vec![], 0, I::Block);
            self.operand(ty, 1);
            self.emit(&I::BrOnNull(0));
            let height = self.stack.len() - 1;
            self.note(1);
            self.fold_to(height);
            self.end();
        } else {
            self.begin(vec![ty], 0, I::Block);
            self.operand(ty, 1);
            self.emit(&I::BrOnNonNull(0));
            self.pop(1);
            self.note(2);
            self.operand(ty, 1);
            self.end();
        }
        true
    }
}
