//! Calls of all kinds, mostly of what has the type. Each pushes its own operands first.

use super::body::Body;
use super::numbers::pick;
use rand::Rng;
use wasm_encoder::{HeapType, Instruction as I, ValType};

/// Blocks that may be open where an exception is made, which may carry another.
const MAX_NESTING: usize = 12;

impl Body<'_> {
    /// Some call. Whether there was one to make.
    pub fn any_call(&mut self) -> bool {
        match self.rng.random_range(0..10) {
            0..3 => self.direct_call(),
            3..8 => self.indirect_call(),
            _ => {
                let ty = pick(self.rng, &self.plan.types.callable);
                return self.call_if_any_of(ty);
            }
        }
        true
    }

    fn direct_call(&mut self) {
        let function = self.plan.any_function(self.rng);
        let signature = self.plan.types.get(self.plan.function_type(function)).clone();
        self.operands(&signature.params, 1);
        self.emit(&I::Call(function));
        self.called(&signature.params, &signature.results);
    }

    fn called(&mut self, params: &[ValType], results: &[ValType]) {
        self.pop(params.len());
        self.stack.extend(results);
    }

    /// A table of functions that stay, an element of it, and the type to call it by: mostly one that it has.
    pub fn callee(&mut self) -> (u32, u64, u32) {
        let plan = self.plan;
        let tables = plan.tables.iter().filter(|t| !t.functions.is_empty()).count();
        let table = self.rng.random_range(0..tables);
        let functions = &plan.tables[table].functions;
        let filled: Vec<u64> = (0..functions.len()).filter(|&n| functions[n].is_some()).map(|n| n as u64).collect();
        if filled.is_empty() || self.risk() {
            let element = self.rng.random_range(0..functions.len() as u64 + 2);
            return (table as u32, element, self.type_for(table));
        }
        let element = pick(self.rng, &filled);
        let Some(function) = functions[element as usize] else { unreachable!("it is filled") };
        let own = plan.function_type(function);
        let fits = |&ty: &u32| plan.types.is_subtype(own, ty) && self.type_fits(table, ty);
        let fitting: Vec<u32> = (0..plan.types.all.len() as u32).filter(fits).collect();
        let ty = if fitting.is_empty() || self.risk() { self.type_for(table) } else { pick(self.rng, &fitting) };
        (table as u32, element, ty)
    }

    /// Whether elements of the table may be called by this type: the element's type is any function's, or related.
    fn type_fits(&self, table: usize, ty: u32) -> bool {
        match self.plan.tables[table].element.heap_type {
            HeapType::Concrete(own) => self.plan.types.is_subtype(own, ty) || self.plan.types.is_subtype(ty, own),
            _ => true,
        }
    }

    fn type_for(&mut self, table: usize) -> u32 {
        match self.plan.tables[table].element.heap_type {
            HeapType::Concrete(own) => own,
            _ => pick(self.rng, &self.plan.types.callable),
        }
    }

    fn indirect_call(&mut self) {
        let (table, element, ty) = self.callee();
        let signature = self.plan.types.get(ty).clone();
        self.operands(&signature.params, 1);
        self.constant(self.plan.tables[table as usize].index(), element);
        self.emit(&I::CallIndirect { type_index: ty, table_index: table });
        self.pop(1);
        self.called(&signature.params, &signature.results);
    }

    /// Calls a reference of this type that is made for it.
    fn call_if_any_of(&mut self, ty: u32) -> bool {
        if !self.plan.proposals.function_references {
            return false;
        }
        self.operand(self.plan.reference(ty), 1);
        self.call_if_any(ty)
    }

    /// Calls the topmost reference, or does not if it is null, and consumes what that gives. Else nothing is changed.
    pub fn call_if_any(&mut self, ty: u32) -> bool {
        let signature = self.plan.types.get(ty).clone();
        if signature.params.len() > 6 {
            return false;
        }
        let local = self.fresh(self.plan.reference(ty));
        self.emit(&I::LocalSet(local));
        self.pop(1);
        let base = self.stack.len();
        self.begin(vec![], 0, I::Block);
        if !self.risk() {
            self.emit(&I::LocalGet(local));
            self.emit(&I::BrOnNull(0));
            self.emit(&I::Drop);
        }
        self.operands(&signature.params, 0);
        self.emit(&I::LocalGet(local));
        self.emit(&I::CallRef(ty));
        self.called(&signature.params, &signature.results);
        self.fold_to(base);
        self.end();
        true
    }

    /// The host function that takes references and makes them, if it is imported.
    fn keeper(&self) -> Option<u32> {
        self.plan.imports.iter().position(|&f| crate::host::FUNCTIONS[f].name == "keep").map(|n| n as u32)
    }

    /// Gives the topmost host reference to the host, which notes which one it is. Whether it can.
    pub fn keep(&mut self) -> bool {
        let Some(function) = self.keeper() else { return false };
        self.integer(ValType::I32);
        self.emit(&I::Call(function));
        self.emit(&I::Drop);
        self.pop(2);
        true
    }

    /// Puts a reference on the stack that nothing else holds, if there is a way to make one.
    pub fn fresh_reference(&mut self, ty: ValType) -> bool {
        match (ty, self.keeper()) {
            (ValType::EXTERNREF, Some(function)) => {
                self.operand(ty, 0);
                self.integer(ValType::I32);
                self.emit(&I::Call(function));
                self.pop(2);
                self.stack.push(ty);
                true
            }
            (ValType::EXNREF, _) if !self.plan.tags.is_empty() && self.frames.len() < MAX_NESTING => {
                self.fresh_exception();
                true
            }
            _ => false,
        }
    }
}
