//! Structures of both forms, around statements.

use super::make::{Label, MAX_LABELS, Maker, many_blocks};
use super::tree::{Catch, Clause, Ending, Kind, Op, Signature, Ty};
use crate::corner::numbers::pick;
use crate::value::{Type, Value};
use rand::Rng;

impl Maker<'_> {
    /// Makes something with another label around it.
    fn labelled<T>(&mut self, types: &[Ty], make: impl FnOnce(&mut Self) -> T) -> T {
        self.labels.push(Label { types: types.to_vec(), counter: None, caught: false });
        let made = make(self);
        self.labels.pop();
        made
    }

    /// Its parameters, a structure, and what consumes its results.
    fn around(&mut self, signature: Signature, kind: Kind, body: Vec<Op>, ops: &mut Vec<Op>) {
        let results = signature.results.clone();
        ops.push(Op::Within(signature, kind, body));
        self.consume(&results, ops);
    }

    pub(super) fn block(&mut self, ops: &mut Vec<Op>) {
        let signature = self.outline.signature(self.rng);
        self.push_all(&signature.params, ops);
        let body = self.labelled(&signature.results, |m| m.sequence(&signature.params, &signature.results));
        self.around(signature, Kind::Block, body, ops);
    }

    pub(super) fn if_(&mut self, ops: &mut Vec<Op>) {
        let signature = self.outline.signature(self.rng);
        self.push_all(&signature.params, ops);
        ops.push(self.chance());
        let body = self.labelled(&signature.results, |m| m.sequence(&signature.params, &signature.results));
        let without = signature.params == signature.results && self.rng.random();
        let other = (!without).then(|| self.labelled(&signature.results, |m| m.sequence(&signature.params, &signature.results)));
        self.around(signature, Kind::If(other), body, ops);
    }

    /// A loop that ends, since each way back counts.
    pub(super) fn loop_(&mut self, ops: &mut Vec<Op>) {
        if self.labels.iter().filter(|label| label.counter.is_some()).count() == 2 {
            return;
        }
        let counter = self.counter();
        ops.extend([Op::Const(Value::I32(self.rng.random_range(1..4))), Op::Set(counter)]);
        let signature = self.outline.signature(self.rng);
        self.push_all(&signature.params, ops);
        self.labels.push(Label { types: signature.params.clone(), counter: Some(counter), caught: false });
        let mut body = Vec::new();
        self.consume(&signature.params, &mut body);
        self.statements(&mut body);
        self.push_all(&signature.params, &mut body);
        body.extend([Op::Count(counter), Op::BrIf(0)]);
        self.consume(&signature.params, &mut body);
        self.push_all(&signature.results, &mut body);
        self.labels.pop();
        self.around(signature, Kind::Loop, body, ops);
    }

    /// So many labels that numbers of those outside are longer.
    pub(super) fn many_blocks(&mut self, ops: &mut Vec<Op>) {
        let count = many_blocks(self.rng);
        let before = self.labels.len();
        self.labels.extend((0..count).map(|_| Label { types: Vec::new(), counter: None, caught: false }));
        // More labels are allowed in these than there are.
        let mut body = Vec::new();
        for _ in 0..3 {
            self.old_try(&mut body);
            self.by_chance(&mut body, Self::table);
        }
        self.labels.truncate(before);
        ops.push(Op::Within(Signature::default(), Kind::Blocks(count), body));
    }

    pub(super) fn old_try(&mut self, ops: &mut Vec<Op>) {
        let signature = self.outline.signature(self.rng);
        self.push_all(&signature.params, ops);
        let (body, ending) = self.try_parts(&signature);
        self.around(signature, Kind::Try(ending), body, ops);
    }

    /// What is in a `try`, and how it ends.
    pub(super) fn try_parts(&mut self, signature: &Signature) -> (Vec<Op>, Ending) {
        let body = self.labelled(&signature.results, |m| m.sequence(&signature.params, &signature.results));
        if self.rng.random_bool(0.35) {
            // The label of the `try` itself is no choice.
            return (body, Ending::Delegate(self.rng.random_range(0..self.labels.len() as u32)));
        }
        let mut tags: Vec<Option<u32>> = Vec::new();
        let count = match self.rng.random_range(0..20) {
            0..3 => 0,
            3..19 => self.rng.random_range(1..4),
            _ => self.rng.random_range(4..40),
        };
        tags.extend((0..count).map(|_| Some(self.rng.random_range(0..self.outline.tags.len() as u32))));
        if self.rng.random_bool(0.4) {
            tags.push(None);
        }
        let clause = |tag: Option<u32>| {
            let params = tag.map_or(Vec::new(), |tag| self.outline.tags[tag as usize].clone());
            self.labels.push(Label { types: signature.results.clone(), counter: None, caught: true });
            let body = self.clause(&params, &signature.results);
            self.labels.pop();
            Clause { tag, body }
        };
        (body, Ending::Catches(tags.into_iter().map(clause).collect()))
    }

    /// What a clause does: short if there are many, and often with another `try` inside before its own exception is thrown again.
    fn clause(&mut self, params: &[Ty], results: &[Ty]) -> Vec<Op> {
        let nested = self.budget > 0 && self.labels.len() < MAX_LABELS;
        if self.budget > 0 && !(nested && self.rng.random_bool(0.3)) {
            return self.sequence(params, results);
        }
        let mut ops = Vec::new();
        self.consume(params, &mut ops);
        if nested {
            self.budget -= 1;
            if self.rng.random() {
                self.two_caught(&mut ops);
            } else {
                self.old_try(&mut ops);
                self.leave_by_chance(&mut ops);
            }
        }
        self.push_all(results, &mut ops);
        ops
    }

    /// In a clause: another exception is caught, either may be thrown again.
    fn two_caught(&mut self, ops: &mut Vec<Op>) {
        let mut body = Vec::new();
        self.throw(&mut body);
        let mut again = |depth| [self.chance(), Op::Within(Signature::default(), Kind::If(None), vec![Op::Rethrow(depth)])];
        let clause = Clause { tag: None, body: again(1).into() };
        ops.push(Op::Within(Signature::default(), Kind::Try(Ending::Catches(vec![clause])), body));
        ops.extend(again(1));
    }

    /// A `try_table` with blocks around it for its clauses, or with clauses for labels that are there.
    pub(super) fn try_table(&mut self, ops: &mut Vec<Op>) {
        let signature = self.outline.signature(self.rng);
        let count = self.rng.random_range(0..4);
        let tags: Vec<Option<u32>> = (0..count)
            .map(|_| self.rng.random_bool(0.8).then(|| self.rng.random_range(0..self.outline.tags.len() as u32)))
            .collect();
        let with: Vec<bool> = tags.iter().map(|_| self.rng.random()).collect();
        let taken: Vec<Vec<Ty>> = tags.iter().zip(&with).map(|(&tag, &with)| self.taken(tag, with)).collect();
        // Outermost is what all ways lead to, then the clauses' blocks, the first clause's innermost.
        self.labels.push(Label { types: signature.results.clone(), counter: None, caught: false });
        for types in taken.iter().rev() {
            self.labels.push(Label { types: types.clone(), counter: None, caught: false });
        }
        let mut catches: Vec<Catch> = (0..)
            .zip(tags.iter().zip(&with))
            .map(|(label, (&tag, &with_exception))| Catch { tag, with_exception, label })
            .collect();
        self.catch_elsewhere(&mut catches);
        let mut inner = Vec::new();
        self.push_all(&signature.params, &mut inner);
        let body = self.labelled(&signature.results, |m| m.sequence(&signature.params, &signature.results));
        inner.push(Op::Within(signature.clone(), Kind::TryTable(catches), body));
        for (n, types) in taken.iter().enumerate() {
            inner.push(Op::Br((count - n) as u32));
            self.labels.pop();
            let block = Signature { params: Vec::new(), results: types.clone() };
            let mut outer = vec![Op::Within(block, Kind::Block, inner)];
            self.consume(types, &mut outer);
            self.statements(&mut outer);
            self.push_all(&signature.results, &mut outer);
            inner = outer;
        }
        self.labels.pop();
        let block = Signature { params: Vec::new(), results: signature.results };
        self.around(block, Kind::Block, inner, ops);
    }

    /// What a clause gives its label.
    fn taken(&self, tag: Option<u32>, with_exception: bool) -> Vec<Ty> {
        let mut types = tag.map_or(Vec::new(), |tag| self.outline.tags[tag as usize].clone());
        types.extend(with_exception.then_some(Ty::Plain(Type::Exn)));
        types
    }

    /// Adds a clause for a label that happens to fit, if there is one.
    fn catch_elsewhere(&mut self, catches: &mut Vec<Catch>) {
        let tag = self.rng.random_bool(0.7).then(|| self.rng.random_range(0..self.outline.tags.len() as u32));
        let with_exception = self.rng.random();
        let types = self.taken(tag, with_exception);
        let fits = |label: &&Label| label.counter.is_none() && label.types == types;
        let fitting: Vec<u32> = (0..).zip(self.labels.iter().rev()).filter(|(_, l)| fits(l)).map(|(n, _)| n).collect();
        if !fitting.is_empty() && self.rng.random_bool(0.4) {
            let at = self.rng.random_range(0..=catches.len());
            let label = pick(self.rng, &fitting);
            catches.insert(at, Catch { tag, with_exception, label });
        }
    }
}
