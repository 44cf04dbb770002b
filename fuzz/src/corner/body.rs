//! A function's body in the making: its operands' types and labels, and how operands are made and consumed.
//!
//! What an operator leaves on the stack, and what was below it, always goes into a hash: an operand that is
//! lost or changed shows.

use super::numbers::{INTEGERS, near, pick};
use super::plan::{FUEL, HASH, Plan};
use super::rows::{Kind, Row, rows};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use wasm_encoder::{Encode, HeapType, Ieee32, Ieee64, Instruction as I, RefType, ValType};

/// An open block.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What a branch to it takes along.
    pub label: Vec<ValType>,
    /// How many operands are below it.
    pub height: usize,
    /// The local that bounds a loop's iterations.
    pub counter: Option<u32>,
}

/// A body, up to where it was made.
pub struct Body<'p> {
    /// The module.
    pub plan: &'p Plan,
    /// Where everything comes from.
    pub rng: &'p mut ChaCha8Rng,
    /// The code so far.
    pub code: Vec<u8>,
    /// Types of all locals.
    pub locals: Vec<ValType>,
    /// Those that nothing but their own code writes.
    fixed: Vec<u32>,
    /// Types of the operands.
    pub stack: Vec<ValType>,
    /// Open blocks, the function's first.
    pub frames: Vec<Frame>,
    /// Operators that may still be made, roughly.
    pub budget: i32,
    /// Whether calls are possible here, builtins included.
    pub calls: bool,
    /// What the function returns.
    pub results: Vec<ValType>,
    /// The local that everything is mixed into.
    pub hash: u32,
    rows: Vec<Row>,
}

const NAN32: u32 = 0x7fc0_0000;
const NAN64: u64 = 0x7ff8 << 48;

impl<'p> Body<'p> {
    /// An empty one.
    pub fn new(plan: &'p Plan, rng: &'p mut ChaCha8Rng, locals: Vec<ValType>, results: Vec<ValType>) -> Body<'p> {
        let frames = vec![Frame { label: results.clone(), height: 0, counter: None }];
        let (rows, code, stack, fixed) = (rows(&plan.proposals), vec![], vec![], vec![]);
        let mut body = Body { plan, rng, code, locals, fixed, stack, frames, budget: 0, calls: true, results, hash: 0, rows };
        body.hash = body.fresh(ValType::I64);
        body.fixed.push(body.hash);
        body
    }

    /// Writes an operator, whose effect on the stack the caller sees to.
    pub fn emit(&mut self, instruction: &I<'_>) {
        instruction.encode(&mut self.code);
        self.budget -= 1;
    }

    /// Another local.
    pub fn fresh(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.locals.len() as u32 - 1
    }

    /// A local that only its own code writes.
    pub fn fresh_fixed(&mut self, ty: ValType) -> u32 {
        let local = self.fresh(ty);
        self.fixed.push(local);
        local
    }

    /// Any local of this type.
    pub fn local(&mut self, ty: ValType) -> Option<u32> {
        let count = self.locals.len();
        let start = self.rng.random_range(0..count);
        (0..count).map(|n| (start + n) % count).find(|&n| self.locals[n] == ty).map(|n| n as u32)
    }

    /// A local of this type that may be written.
    pub fn writable(&mut self, ty: ValType) -> Option<u32> {
        (0..3).find_map(|_| self.local(ty).filter(|n| !self.fixed.contains(n)))
    }

    /// Takes so many operands off.
    pub fn pop(&mut self, count: usize) {
        self.stack.truncate(self.stack.len() - count);
    }

    /// Puts an integer on the stack that is one of the interesting ones.
    pub fn integer(&mut self, ty: ValType) {
        let value = if self.rng.random_bool(0.5) { near(self.rng, INTEGERS) } else { self.rng.random() };
        let value = if self.rng.random_bool(0.2) { value.wrapping_neg() } else { value };
        self.constant(ty, value);
    }

    /// Puts this number on the stack, as an index of this type.
    pub fn constant(&mut self, ty: ValType, value: u64) {
        match ty {
            ValType::I32 => self.emit(&I::I32Const(value as i32)),
            _ => self.emit(&I::I64Const(value as i64)),
        }
        self.stack.push(ty);
    }

    /// Puts zero or null on the stack.
    pub fn default_value(&mut self, ty: ValType) {
        match ty {
            ValType::I32 => self.emit(&I::I32Const(0)),
            ValType::I64 => self.emit(&I::I64Const(0)),
            ValType::F32 => self.emit(&I::F32Const(Ieee32::new(0))),
            ValType::F64 => self.emit(&I::F64Const(Ieee64::new(0))),
            ValType::V128 => self.emit(&I::V128Const(0)),
            ValType::Ref(r) => self.emit(&I::RefNull(r.heap_type)),
        }
        self.stack.push(ty);
    }

    /// A value that is known now.
    fn literal(&mut self, ty: ValType) {
        match ty {
            ValType::I32 | ValType::I64 => return self.integer(ty),
            ValType::F32 => {
                let bits = match self.rng.random_range(0..8) {
                    0 => pick(self.rng, &[NAN32, f32::INFINITY.to_bits(), 1 << 31]),
                    1..4 => self.rng.random(),
                    _ => (self.rng.random::<i16>() as f32).to_bits(),
                };
                self.emit(&I::F32Const(Ieee32::new(bits)));
            }
            ValType::F64 => {
                let bits = match self.rng.random_range(0..8) {
                    0 => pick(self.rng, &[NAN64, f64::INFINITY.to_bits(), 1 << 63]),
                    1..4 => self.rng.random(),
                    _ => (self.rng.random::<i32>() as f64).to_bits(),
                };
                self.emit(&I::F64Const(Ieee64::new(bits)));
            }
            ValType::V128 => {
                let bits = if self.rng.random_bool(0.1) { 0 } else { self.rng.random() };
                self.emit(&I::V128Const(bits));
            }
            ValType::Ref(r) => self.reference(r),
        }
        self.stack.push(ty);
    }

    /// Writes a reference of this type: null, or to a function.
    fn reference(&mut self, ty: RefType) {
        let function = match ty.heap_type {
            HeapType::Concrete(ty) => self.plan.function_of(self.rng, ty),
            heap if heap == HeapType::FUNC => Some(self.plan.any_function(self.rng)),
            _ => None,
        };
        match function {
            Some(f) if self.rng.random_bool(0.9) => self.emit(&I::RefFunc(f)),
            _ => self.emit(&I::RefNull(ty.heap_type)),
        }
    }

    /// Puts a value of this type on the stack: a local more often than not; what is computed for it is no deeper than `effort`.
    pub fn operand(&mut self, ty: ValType, effort: u32) {
        let choice = self.rng.random_range(0..20);
        let effort = if self.budget < 0 { 0 } else { effort };
        match choice {
            0..3 if effort > 0 && !matches!(ty, ValType::Ref(_)) && self.computed(ty, effort) => return,
            3 if self.global(ty) => return,
            4 if effort > 0 => {
                self.operand(ty, effort - 1);
                if let Some(local) = self.writable(ty) {
                    self.emit(&I::LocalTee(local));
                }
                return;
            }
            5 if effort > 0 => return self.select(ty, effort - 1),
            6 | 7 if effort > 0 && self.load_of(ty) => return,
            8 if self.calls && self.table_get(ty) => return,
            9 | 10 if self.calls && self.budget > 0 && self.fresh_reference(ty) => return,
            0..11 => return self.literal(ty),
            _ => {}
        }
        match self.local(ty) {
            Some(local) => {
                self.emit(&I::LocalGet(local));
                self.stack.push(ty);
            }
            None => self.literal(ty),
        }
    }

    /// An operand by an operator of one row. Whether there is one.
    fn computed(&mut self, ty: ValType, effort: u32) -> bool {
        let fitting: Vec<Row> = self.rows.iter().filter(|r| r.result() == Some(ty)).copied().collect();
        let Some(&row) = fitting.get(self.rng.random_range(0..fitting.len().max(1))) else { return false };
        self.apply(row, effort - 1);
        true
    }

    /// Any operator of the rows, with its operands.
    pub fn any_row(&mut self) {
        let row = self.rows[self.rng.random_range(0..self.rows.len())];
        self.apply(row, 1);
    }

    /// A global's value.
    fn global(&mut self, ty: ValType) -> bool {
        // Reading a reference may call a builtin.
        if !self.calls && matches!(ty, ValType::Ref(_)) {
            return false;
        }
        let globals: Vec<u32> =
            (0..self.plan.globals.len() as u32 + 2).filter(|&g| self.plan.global(g) == ty && g != FUEL).collect();
        if globals.is_empty() {
            return false;
        }
        let global = pick(self.rng, &globals);
        self.emit(&I::GlobalGet(global));
        self.stack.push(ty);
        true
    }

    /// An operator of this row, with operands that it mostly does not trap with.
    fn apply(&mut self, row: Row, effort: u32) {
        let (base, number) = (self.stack.len(), self.rng.random_range(0..row.len()));
        for ty in row.params() {
            if row.kind == Kind::Truncate && !self.rng.random_bool(0.03) {
                // A number from 0 to 32767 fits everywhere.
                self.operand(ValType::I32, effort);
                self.emit(&I::I32Const(0x7fff));
                self.emit(&I::I32And);
                self.emit(if ty == ValType::F32 { &I::F32ConvertI32S } else { &I::F64ConvertI32S });
            } else {
                self.operand(ty, effort);
            }
        }
        if row.kind == Kind::Divide && !self.rng.random_bool(0.03) {
            let wide = self.stack[base] == ValType::I64;
            self.emit(if wide { &I::I64Const(1) } else { &I::I32Const(1) });
            self.emit(if wide { &I::I64Or } else { &I::I32Or });
        }
        row.encode(number, &mut self.code);
        self.budget -= 1;
        match row.kind {
            Kind::Lane(lanes) => self.code.push(self.rng.random_range(0..lanes)),
            Kind::Shuffle => {
                let lanes: [u8; 16] = std::array::from_fn(|_| self.rng.random_range(0..32));
                self.code.extend(lanes);
            }
            Kind::Plain | Kind::Nan | Kind::Divide | Kind::Truncate | Kind::Wide => {}
        }
        self.stack.truncate(base);
        self.stack.extend(row.results());
        if row.kind == Kind::Nan {
            self.canonical();
        }
    }

    /// Makes a NaN on top the one that all engines have, and in the local that this takes: other code may name it.
    fn canonical(&mut self) {
        let ty = self.stack[self.stack.len() - 1];
        let local = self.fresh(ty);
        self.emit(&I::LocalTee(local));
        match ty {
            ValType::F32 => self.emit(&I::F32Const(Ieee32::new(NAN32))),
            _ => self.emit(&I::F64Const(Ieee64::new(NAN64))),
        }
        self.emit(&I::LocalGet(local));
        self.emit(&I::LocalGet(local));
        self.emit(if ty == ValType::F32 { &I::F32Eq } else { &I::F64Eq });
        self.emit(&I::Select);
        self.emit(&I::LocalTee(local));
    }

    /// A condition: often a comparison, which may stay in flags.
    pub fn condition(&mut self, effort: u32) {
        match self.rng.random_range(0..4) {
            0 => self.operand(ValType::I32, effort),
            1 => {
                self.operand(ValType::I32, effort);
                self.emit(&I::I32Const(1));
                self.emit(&I::I32And);
            }
            _ => {
                let types: &[_] = &[(ValType::I32, 0x46), (ValType::I64, 0x51), (ValType::F32, 0x5b), (ValType::F64, 0x61)];
                let (ty, first) = pick(self.rng, types);
                self.operand(ty, effort);
                self.operand(ty, effort);
                let last = if matches!(ty, ValType::F32 | ValType::F64) { 6 } else { 10 };
                self.code.push(first + self.rng.random_range(0..last));
                self.pop(2);
                self.stack.push(ValType::I32);
            }
        }
    }

    fn select(&mut self, ty: ValType, effort: u32) {
        self.operand(ty, effort);
        self.operand(ty, effort);
        self.condition(effort);
        match ty {
            ValType::Ref(_) => self.emit(&I::TypedSelect(ty)),
            _ if self.rng.random() => self.emit(&I::TypedSelect(ty)),
            _ => self.emit(&I::Select),
        }
        self.pop(2);
    }

    /// Operands of these types.
    pub fn operands(&mut self, types: &[ValType], effort: u32) {
        for &ty in types {
            self.operand(ty, effort);
        }
    }

    /// Fills locals, so that no two hold the same.
    pub fn fill_locals(&mut self, params: usize) {
        let count = self.locals.len();
        for n in params..count {
            if n >= params + 40 && !self.rng.random_bool(0.1) || self.rng.random_bool(0.2) || self.fixed.contains(&(n as u32)) {
                continue;
            }
            self.literal(self.locals[n]);
            self.emit(&I::LocalSet(n as u32));
            self.pop(1);
        }
    }

    /// The end: locals are looked at, what was seen is kept, and results are made. `keep` says whether a global has it.
    pub fn finish(&mut self, keep: bool) {
        self.fold_to(0);
        let count = self.locals.len();
        for n in 0..count {
            if count <= 40 || self.rng.random_bool(40.0 / count as f64) {
                self.emit(&I::LocalGet(n as u32));
                self.stack.push(self.locals[n]);
                if n % 4 == 3 {
                    self.fold_to(0);
                }
            }
        }
        self.fold_to(0);
        if keep {
            self.emit(&I::GlobalGet(HASH));
            self.emit(&I::LocalGet(self.hash));
            self.emit(&I::I64Add);
            self.emit(&I::GlobalSet(HASH));
        }
        self.return_values();
        self.emit(&I::End);
    }

    /// Puts the function's results on the stack, the hash in those that can hold it.
    pub fn return_values(&mut self) {
        for ty in self.results.clone() {
            match ty {
                ValType::I64 if self.rng.random() => self.emit(&I::LocalGet(self.hash)),
                ValType::I32 if self.rng.random() => {
                    self.emit(&I::LocalGet(self.hash));
                    self.emit(&I::I32WrapI64);
                }
                other => {
                    self.operand(other, 1);
                    continue;
                }
            }
            self.stack.push(ty);
        }
    }
}
