//! Ways out of structures, and what stands behind them.

use super::make::{Label, Maker};
use super::tree::{Kind, Op, Signature, Ty};
use crate::corner::numbers::pick;
use crate::value::Type;
use rand::Rng;

impl Maker<'_> {
    /// Leaves, if something holds.
    pub(super) fn leave_by_chance(&mut self, ops: &mut Vec<Op>) {
        self.by_chance(ops, Self::leave);
    }

    /// Does what does not go on, if something holds.
    pub(super) fn by_chance(&mut self, ops: &mut Vec<Op>, leave: fn(&mut Self, &mut Vec<Op>)) {
        ops.push(self.chance());
        self.labels.push(Label { types: Vec::new(), counter: None, caught: false });
        let mut body = Vec::new();
        leave(self, &mut body);
        self.dead_code(&[], &mut body);
        self.labels.pop();
        ops.push(Op::Within(Signature::default(), Kind::If(None), body));
    }

    /// Leaves: throws most of the time.
    pub(super) fn leave(&mut self, ops: &mut Vec<Op>) {
        match self.rng.random_range(0..32) {
            0..8 => match self.caught() {
                Some(depth) => ops.push(Op::Rethrow(depth)),
                None => self.throw(ops),
            },
            8..14 => self.branch(ops),
            14..16 => self.table(ops),
            16 | 17 => {
                let results = self.results.clone();
                self.push_all(&results, ops);
                ops.push(Op::Return);
            }
            18 | 19 if self.outline.proposals.tail_call => self.tail_call(ops),
            20 if self.rng.random_bool(0.3) => ops.push(Op::Unreachable),
            _ => self.throw(ops),
        }
    }

    pub(super) fn throw(&mut self, ops: &mut Vec<Op>) {
        let tag = self.rng.random_range(0..self.outline.tags.len());
        let types = self.outline.tags[tag].clone();
        self.push_all(&types, ops);
        ops.push(Op::Throw(tag as u32));
    }

    /// A label whose exception can be thrown again.
    fn caught(&mut self) -> Option<u32> {
        let caught: Vec<u32> = self.depths(|label| label.caught);
        (!caught.is_empty()).then(|| pick(self.rng, &caught))
    }

    fn depths(&self, fits: impl Fn(&Label) -> bool) -> Vec<u32> {
        (0..).zip(self.labels.iter().rev()).filter(|(_, label)| fits(label)).map(|(n, _)| n).collect()
    }

    /// Loops are only gone back to by who counts.
    fn branch(&mut self, ops: &mut Vec<Op>) {
        let depths = self.depths(|label| label.counter.is_none());
        let depth = pick(self.rng, &depths);
        let types = self.types_at(depth);
        self.push_all(&types, ops);
        ops.push(Op::Br(depth));
    }

    fn types_at(&self, depth: u32) -> Vec<Ty> {
        self.labels[self.labels.len() - 1 - depth as usize].types.clone()
    }

    pub(super) fn table(&mut self, ops: &mut Vec<Op>) {
        let all = self.depths(|label| label.counter.is_none());
        let default = pick(self.rng, &all);
        let types = self.types_at(default);
        let fitting = self.depths(|label| label.counter.is_none() && label.types == types);
        let depths = (0..self.rng.random_range(0..6)).map(|_| pick(self.rng, &fitting)).collect();
        self.push_all(&types, ops);
        self.push(Ty::Plain(Type::I32), ops);
        ops.push(Op::BrTable(depths, default));
    }

    pub(super) fn branch_if(&mut self, ops: &mut Vec<Op>) {
        let depth = self.rng.random_range(0..self.labels.len() as u32);
        let types = self.types_at(depth);
        self.push_all(&types, ops);
        let counter = self.labels[self.labels.len() - 1 - depth as usize].counter;
        ops.push(counter.map_or_else(|| self.chance(), Op::Count));
        ops.push(Op::BrIf(depth));
        self.consume(&types, ops);
    }

    pub(super) fn call(&mut self, ops: &mut Vec<Op>) {
        let func = self.rng.random_range(0..self.outline.functions.len());
        let Signature { params, results } = self.outline.functions[func].clone();
        self.push_all(&params, ops);
        ops.push(if self.rng.random() { Op::Call(func as u32) } else { Op::CallIndirect(func as u32) });
        self.consume(&results, ops);
    }

    fn tail_call(&mut self, ops: &mut Vec<Op>) {
        let fits = |n: &u32| self.outline.functions[*n as usize].results == self.results;
        let fitting: Vec<u32> = (0..self.outline.functions.len() as u32).filter(fits).collect();
        // This one is among them.
        let func = pick(self.rng, &fitting);
        let params = self.outline.functions[func as usize].params.clone();
        self.push_all(&params, ops);
        ops.push(Op::ReturnCall(func));
    }

    /// Throws what is in a local, mostly null, or just caught.
    pub(super) fn throw_ref(&mut self, ops: &mut Vec<Op>) {
        ops.push(self.chance());
        let mut body = Vec::new();
        self.push(Ty::Plain(Type::Exn), &mut body);
        body.push(Op::ThrowRef);
        ops.push(Op::Within(Signature::default(), Kind::If(None), body));
    }

    /// Behind a way out: statements, operators without operands, some of the results, or nothing.
    pub(super) fn dead_code(&mut self, results: &[Ty], ops: &mut Vec<Op>) {
        for _ in 0..self.rng.random_range(0..3) {
            self.dead_operator(ops);
        }
        // What is missing below is whatever it has to be.
        let first = self.rng.random_range(0..=results.len());
        self.push_all(&results[first..], ops);
    }

    fn dead_operator(&mut self, ops: &mut Vec<Op>) {
        self.budget -= 1;
        match self.rng.random_range(0..10) {
            0 => ops.push(Op::Drop),
            1 => ops.push(Op::Mix(self.outline.ty(self.rng))),
            2 => ops.push(Op::Throw(self.rng.random_range(0..self.outline.tags.len() as u32))),
            3 => ops.push(Op::Br(self.rng.random_range(0..self.labels.len() as u32))),
            4 => ops.extend(self.caught().map(Op::Rethrow)),
            5 => ops.push(Op::Return),
            6 if self.budget > 0 => {
                // Its parameters come from nowhere, too.
                let signature = self.outline.signature(self.rng);
                let (body, ending) = self.try_parts(&signature);
                let results = signature.results.clone();
                ops.push(Op::Within(signature, Kind::Try(ending), body));
                self.consume(&results, ops);
            }
            7 if self.outline.proposals.exceptions => ops.push(Op::ThrowRef),
            _ => self.statements(ops),
        }
    }
}
