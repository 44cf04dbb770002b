//! Makes the body of a function: statements that consume what they push, structures around them, and ways out.

use super::tree::{Op, Signature, Ty};
use crate::case::Proposals;
use crate::corner::numbers::{near, pick};
use crate::value::{Type, Value};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Numbers of types of blocks, payloads and so on: around what fits into registers, and what is moved singly.
const COUNTS: &[u64] = &[1, 2, 3, 9, 17, 33];
/// Structures that may be open.
pub(super) const MAX_LABELS: usize = 12;
/// So many blocks around something that depths of labels need a second byte.
const MANY_BLOCKS: std::ops::Range<u32> = 122..132;

/// What is known before any body is made.
pub struct Outline {
    /// What may be used.
    pub proposals: Proposals,
    /// What exceptions of each tag carry.
    pub tags: Vec<Vec<Ty>>,
    /// The functions' types.
    pub functions: Vec<Signature>,
}

impl Outline {
    /// A type of values.
    pub fn ty(&self, rng: &mut ChaCha8Rng) -> Ty {
        match rng.random_range(0..16) {
            0..6 => Ty::Plain(Type::I32),
            6..9 => Ty::Plain(Type::I64),
            9 => Ty::Plain(Type::F32),
            10 => Ty::Plain(Type::F64),
            11 if self.proposals.simd => Ty::Plain(Type::V128),
            12 => Ty::Plain(Type::Extern),
            13 => Ty::Plain(Type::Func),
            14 if self.proposals.exceptions => Ty::Plain(Type::Exn),
            15 if self.proposals.function_references => Ty::Callee,
            _ => Ty::Plain(Type::I32),
        }
    }

    /// A list of types, which is short mostly.
    pub fn types(&self, rng: &mut ChaCha8Rng) -> Vec<Ty> {
        let count = match rng.random_range(0..20) {
            0..8 => 0,
            8..19 => rng.random_range(1..4),
            _ => near(rng, COUNTS),
        };
        (0..count).map(|_| self.ty(rng)).collect()
    }

    /// Parameters and results.
    pub fn signature(&self, rng: &mut ChaCha8Rng) -> Signature {
        let params = self.types(rng);
        let results = if rng.random_bool(0.2) { params.clone() } else { self.types(rng) };
        Signature { params, results }
    }
}

/// What a label is, while its structure is open.
pub(super) struct Label {
    /// What a branch takes along.
    pub(super) types: Vec<Ty>,
    /// The local that counts, if it is a loop's.
    pub(super) counter: Option<u32>,
    /// Whether its clause has caught something.
    pub(super) caught: bool,
}

/// A body that is being made.
pub struct Maker<'a> {
    pub(super) outline: &'a Outline,
    pub(super) rng: &'a mut ChaCha8Rng,
    pub(super) results: Vec<Ty>,
    /// Parameters, and other locals.
    pub(super) locals: Vec<Ty>,
    /// Those that count.
    pub(super) counters: Vec<u32>,
    pub(super) labels: Vec<Label>,
    /// Statements that may still be made.
    pub(super) budget: i32,
}

impl<'a> Maker<'a> {
    /// A function of this type.
    pub fn new(outline: &'a Outline, rng: &'a mut ChaCha8Rng, signature: &Signature, budget: i32) -> Maker<'a> {
        let mut locals = signature.params.clone();
        for _ in 0..rng.random_range(0..5) {
            // What has no default would have to be set first.
            locals.push(Some(outline.ty(rng)).filter(|&ty| ty != Ty::Callee).unwrap_or(Ty::Plain(Type::I32)));
        }
        let results = signature.results.clone();
        let labels = vec![Label { types: results.clone(), counter: None, caught: false }];
        Maker { outline, rng, results, locals, counters: Vec::new(), labels, budget }
    }

    /// All of it, and the locals that are no parameters.
    pub fn finish(mut self, signature: &Signature) -> (Vec<Op>, Vec<Ty>) {
        let mut body = Vec::new();
        while self.budget > 0 {
            self.old_try(&mut body);
            self.statements(&mut body);
        }
        let results = signature.results.clone();
        body.extend(self.sequence(&[], &results));
        (body, self.locals.split_off(signature.params.len()))
    }

    /// Statements that take these values and give those, or do not end.
    pub(super) fn sequence(&mut self, params: &[Ty], results: &[Ty]) -> Vec<Op> {
        let mut ops = Vec::new();
        let passes_on = params == results && self.rng.random_bool(0.3);
        let late = passes_on || self.rng.random();
        if !late {
            self.consume(params, &mut ops);
        }
        self.statements(&mut ops);
        if passes_on {
            return ops;
        }
        if late {
            self.consume(params, &mut ops);
            self.statements(&mut ops);
        }
        if self.rng.random_bool(0.3) {
            self.leave(&mut ops);
            self.dead_code(results, &mut ops);
        } else {
            self.push_all(results, &mut ops);
        }
        ops
    }

    /// A few statements, with operands below now and then.
    pub(super) fn statements(&mut self, ops: &mut Vec<Op>) {
        for _ in 0..self.rng.random_range(0..4) {
            self.budget -= 1;
            let below = if self.rng.random_bool(0.3) { self.outline.types(self.rng) } else { Vec::new() };
            self.push_all(&below, ops);
            self.statement(ops);
            self.consume(&below, ops);
        }
    }

    fn statement(&mut self, ops: &mut Vec<Op>) {
        let nested = self.labels.len() < MAX_LABELS && self.budget > 0;
        match self.rng.random_range(0..48) {
            0..10 if nested => self.old_try(ops),
            10..12 if nested && self.outline.proposals.exceptions => self.try_table(ops),
            12..16 if nested => self.block(ops),
            16..18 if nested => self.loop_(ops),
            18..21 if nested => self.if_(ops),
            21 if nested && self.rng.random_bool(0.1) => self.many_blocks(ops),
            22..26 => self.call(ops),
            26..36 if nested => self.leave_by_chance(ops),
            36..38 => self.branch_if(ops),
            38..42 => self.local_set(ops),
            42 => {
                self.push(Ty::Plain(Type::I32), ops);
                ops.push(Op::Note);
            }
            43 if self.rng.random_bool(0.2) => {
                self.push(Ty::Plain(Type::I32), ops);
                ops.push(Op::Fail);
            }
            44 if self.outline.proposals.exceptions => self.throw_ref(ops),
            _ => {
                let ty = self.outline.ty(self.rng);
                self.push(ty, ops);
                ops.push(Op::Mix(ty));
            }
        }
    }

    // ---- Values.

    pub(super) fn push_all(&mut self, types: &[Ty], ops: &mut Vec<Op>) {
        types.iter().for_each(|&ty| self.push(ty, ops));
    }

    /// A local's value, or a constant.
    pub(super) fn push(&mut self, ty: Ty, ops: &mut Vec<Op>) {
        let locals: Vec<u32> = self.locals_of(ty);
        if !locals.is_empty() && self.rng.random_bool(0.5) {
            return ops.push(Op::Get(pick(self.rng, &locals)));
        }
        ops.push(match ty {
            Ty::Callee => Op::Callee,
            Ty::Plain(Type::I32) if self.rng.random_bool(0.3) => self.chance(),
            Ty::Plain(Type::Func) => Op::Const(Value::Func(self.rng.random())),
            Ty::Plain(Type::Extern) => Op::Const(Value::Extern(None)),
            Ty::Plain(ty) => Op::Const(Value::random(ty, self.rng)),
        });
    }

    /// Consumes values, the last one first.
    pub(super) fn consume(&mut self, types: &[Ty], ops: &mut Vec<Op>) {
        for &ty in types.iter().rev() {
            let locals = self.locals_of(ty);
            ops.push(match self.rng.random_range(0..8) {
                0 => Op::Drop,
                1 | 2 if !locals.is_empty() => Op::Set(pick(self.rng, &locals)),
                _ => Op::Mix(ty),
            });
        }
    }

    fn locals_of(&self, ty: Ty) -> Vec<u32> {
        let local = |n: &u32| self.locals[*n as usize] == ty && !self.counters.contains(n);
        (0..self.locals.len() as u32).filter(local).collect()
    }

    fn local_set(&mut self, ops: &mut Vec<Op>) {
        let locals: Vec<u32> = (0..self.locals.len() as u32).filter(|n| !self.counters.contains(n)).collect();
        if locals.is_empty() {
            return;
        }
        let local = pick(self.rng, &locals);
        let ty = self.locals[local as usize];
        self.push(ty, ops);
        if self.rng.random() {
            ops.push(Op::Set(local));
        } else {
            ops.extend([Op::Tee(local), Op::Mix(ty)]);
        }
    }

    pub(super) fn counter(&mut self) -> u32 {
        let counter = self.locals.len() as u32;
        self.locals.push(Ty::Plain(Type::I32));
        self.counters.push(counter);
        counter
    }

    pub(super) fn chance(&mut self) -> Op {
        Op::Chance { salt: self.rng.random_range(0..1000), bits: self.rng.random_range(0..4) }
    }
}

/// Many blocks, for the parts that make structures.
pub(super) fn many_blocks(rng: &mut ChaCha8Rng) -> u32 {
    rng.random_range(MANY_BLOCKS)
}
