//! Tables, globals, locals and references. Each operator pushes its own operands first.

use super::body::Body;
use super::numbers::{near, pick};
use super::plan::FUEL;
use super::types::Mix;
use rand::Rng;
use wasm_encoder::{Instruction as I, RefType, ValType};

/// How often something is done that traps.
const RISK: f64 = 0.02;

impl Body<'_> {
    /// Whether to do something that traps.
    pub fn risk(&mut self) -> bool {
        self.rng.random_bool(RISK)
    }

    /// A table that is not for calls.
    fn table(&mut self, accept: impl Fn(RefType) -> bool) -> Option<u32> {
        let plan = self.plan;
        let fits = |&n: &u32| plan.tables[n as usize].functions.is_empty() && accept(plan.tables[n as usize].element);
        let all: Vec<u32> = (0..plan.tables.len() as u32).filter(fits).collect();
        (!all.is_empty()).then(|| pick(self.rng, &all))
    }

    /// Pushes an index inside a table, as far as is known.
    fn element_index(&mut self, table: u32) {
        let t = &self.plan.tables[table as usize];
        let (ty, min) = (t.index(), t.min);
        match self.risk() || min == 0 {
            true => self.operand(ty, 0),
            false => {
                let at = if self.rng.random() { self.rng.random_range(0..min) } else { min - 1 };
                self.constant(ty, at);
            }
        }
    }

    /// Reads an element of this type. Whether a table has some; reading never traps here.
    pub fn table_get(&mut self, ty: ValType) -> bool {
        let ValType::Ref(r) = ty else { return false };
        let Some(table) = self.table(|element| element == r) else { return false };
        if self.plan.tables[table as usize].min == 0 {
            return false;
        }
        self.element_index(table);
        self.emit(&I::TableGet(table));
        self.pop(1);
        self.stack.push(ty);
        true
    }

    /// Some operator on a table.
    pub fn table_operator(&mut self) -> bool {
        let Some(table) = self.table(|_| true) else { return false };
        let t = &self.plan.tables[table as usize];
        let (element, index, min) = (ValType::Ref(t.element), t.index(), t.min);
        match self.rng.random_range(0..8) {
            0 if min > 0 => {
                self.element_index(table);
                self.emit(&I::TableGet(table));
                self.pop(1);
                self.stack.push(element);
            }
            1..4 if min > 0 => {
                self.element_index(table);
                self.operand(element, 1);
                self.emit(&I::TableSet(table));
                self.pop(2);
            }
            4 => {
                self.operand(element, 1);
                let by = near(self.rng, &[0, 1, 16]);
                self.constant(index, by);
                self.emit(&I::TableGrow(table));
                self.pop(2);
                self.stack.push(index);
            }
            5 => {
                let len = self.span(index, min);
                self.operand(element, 1);
                self.constant(index, len);
                self.emit(&I::TableFill(table));
                self.pop(3);
            }
            6 => {
                let len = self.span(index, min);
                let from = self.rng.random_range(0..=min - len);
                self.constant(index, from);
                self.constant(index, len);
                self.emit(&I::TableCopy { src_table: table, dst_table: table });
                self.pop(3);
            }
            7 if element == ValType::FUNCREF => {
                let segment = self.rng.random_range(0..self.plan.elements.len());
                let len = self.span(index, min.min(self.plan.elements[segment].len() as u64));
                self.constant(ValType::I32, 0);
                self.constant(ValType::I32, len);
                self.emit(&I::TableInit { table, elem_index: self.passive(segment) });
                self.pop(3);
            }
            _ => {
                self.emit(&I::TableSize(table));
                self.stack.push(index);
            }
        }
        true
    }

    /// The index of a passive element segment: those that fill tables come first.
    fn passive(&self, segment: usize) -> u32 {
        (self.plan.tables.iter().filter(|t| !t.functions.is_empty()).count() + segment) as u32
    }

    /// Writes a global.
    pub fn global_set(&mut self) -> bool {
        let global = FUEL + 1 + self.rng.random_range(0..self.plan.globals.len() as u32);
        let ty = self.plan.global(global);
        if !self.calls && matches!(ty, ValType::Ref(_)) {
            return false;
        }
        self.operand(ty, 1);
        self.emit(&I::GlobalSet(global));
        self.pop(1);
        true
    }

    /// Writes a local, whose old value may still be below.
    pub fn local_set(&mut self) -> bool {
        let local = self.rng.random_range(0..self.locals.len());
        let ty = self.locals[local];
        let Some(local) = self.writable(ty) else { return false };
        self.operand(ty, 2);
        if self.rng.random_bool(0.3) {
            self.emit(&I::LocalTee(local));
        } else {
            self.emit(&I::LocalSet(local));
            self.pop(1);
        }
        true
    }

    /// What references are asked.
    pub fn reference_operator(&mut self) -> bool {
        let ty = self.plan.value_type(self.rng, Mix::References);
        self.operand(ty, 1);
        if self.plan.proposals.function_references && self.risk() {
            self.emit(&I::RefAsNonNull);
            self.emit(&I::Drop);
            self.pop(1);
        } else {
            self.emit(&I::RefIsNull);
            self.pop(1);
            self.stack.push(ValType::I32);
        }
        true
    }
}
