//! Entries at the head of a loop ([`sconce_environ::osr`]): the function's code from there on.
//!
//! The whole body is translated, but its beginning is led to by nobody; what leads to the loop's header is,
//! besides its other predecessors, a block that loads everything from the store's cells. So what was defined
//! before the loop no longer dominates what comes after it. Locals are variables in any case. An operand is
//! one wherever it lives on while a block is open that began before the loop: it is defined where such a
//! block begins, and read again where code comes together, at a loop's header, an `else`, or a block's end.
//! That joins values where there is something to be joined, and leaves alone the rest.

use crate::alias::Region;
use crate::state::{Else, Kind};
use crate::translate::{Args, Translator};
use crate::types::clif_type;
use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder, Type, Value};
use cranelift_frontend::Variable;
use sconce_environ::block::Types;
use sconce_environ::index::LocalIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::osr::{self, CELL_BYTES, Live, LoopHead};
use std::collections::HashMap;

/// An entry under way.
pub(crate) struct Entry<'a> {
    head: &'a LoopHead,
    /// The block that loads everything, until it is complete.
    block: Option<Block>,
    /// Variables for operands, by position, type, and whether they are handles.
    operands: HashMap<(usize, Type, bool), Variable>,
}

fn type_of(kind: osr::Kind) -> Type {
    match kind {
        osr::Kind::I32 | osr::Kind::Handle => I32,
        osr::Kind::I64 => I64,
        osr::Kind::F32 => F32,
        osr::Kind::F64 => F64,
        osr::Kind::V128 => I8X16,
    }
}

impl<'a> Translator<'a> {
    /// Ends the entry block: the function begins at this loop, not with what is translated next.
    pub(crate) fn enter_at(&mut self, head: &'a LoopHead) {
        let (block, start) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().jump(block, &[]);
        self.builder.seal_block(block);
        self.builder.switch_to_block(start);
        self.builder.seal_block(start);
        self.entry = Some(Entry { head, block: Some(block), operands: HashMap::new() });
    }

    /// A block begins, with so many operands that are not taken by it or are its parameters.
    pub(crate) fn keep_operands(&mut self, count: usize) {
        if !self.is_around_entry() {
            return;
        }
        for n in 0..count {
            let value = self.canonical(self.state.values[n]);
            let variable = self.operand(n, value);
            self.builder.def_var(variable, value);
        }
    }

    /// Code comes together at the header or the end of a block that has been [`Translator::keep_operands`]' turn, with so many
    /// operands below.
    pub(crate) fn reload_operands(&mut self, count: usize) {
        for n in 0..count {
            let variable = self.operand(n, self.state.values[n]);
            let value = self.builder.use_var(variable);
            if self.rare.is_handle(self.state.values[n]) {
                self.declare_handle(value);
            }
            self.state.values[n] = value;
        }
    }

    /// A loop's header, with these parameters and everything else on the stack below: the entry leads here if it is that loop's.
    pub(crate) fn complete_entry(&mut self, header: Block, params: Types<'_>) {
        let position = self.position;
        let Some(entry) = self.entry.as_mut().filter(|entry| entry.head.position == position) else { return };
        let (head, Some(block)) = (entry.head, entry.block.take()) else { return };
        let positions = self.operands_below();
        if head.operands.len() != positions.len() + params.len() {
            return self.fail_entry("the loop is another one");
        }
        self.builder.switch_to_block(block);
        let store = self.load_trusted(I64, Region::Runtime, self.env.vmctx, VmLayout::STORE);
        let cells = self.load_trusted(I64, Region::Runtime, store, VmLayout::LOOP_STATE);
        let mut loads = head.cells().enumerate();
        for (&(local, _), (n, live)) in head.locals.iter().zip(loads.by_ref()) {
            // What is named where nothing can be reached is named to the other compiler alone.
            if let Ok(number) = self.locals.named().binary_search(&local) {
                let value = self.cell(cells, n, live);
                if self.builder.try_def_var(Variable::from_u32(number as u32), value).is_err() {
                    return self.fail_entry("the loop has other locals");
                }
            }
        }
        for (position, (n, live)) in positions.into_iter().zip(loads.by_ref()) {
            let value = self.cell(cells, n, live);
            let variable = self.operand(position, self.state.values[position]);
            if self.builder.try_def_var(variable, value).is_err() {
                return self.fail_entry("the loop has other operands");
            }
        }
        let mut args = Args::new();
        for (&ty, (n, live)) in params.as_slice().iter().zip(loads) {
            if type_of(live.kind) != clif_type(ty) {
                return self.fail_entry("the loop has other parameters");
            }
            args.push(self.cell(cells, n, live).into());
        }
        self.builder.ins().jump(header, &args);
    }

    /// Loads a cell.
    fn cell(&mut self, cells: Value, n: usize, live: Live) -> Value {
        let value = self.load_trusted(type_of(live.kind), Region::Results, cells, (n * CELL_BYTES) as u32);
        if live.kind == osr::Kind::Handle {
            self.check_handle(value);
            self.declare_handle(value);
        }
        value
    }

    /// Where in the state's values the stack's are: all but what an `else` will need of parameters, which is nothing at the entry.
    fn operands_below(&self) -> Vec<usize> {
        let frames = self.state.control.iter().filter(|frame| matches!(frame.kind, Kind::If(Else::Block(_))));
        let mut copies = frames.flat_map(|frame| frame.height..frame.height + frame.params.len()).peekable();
        // Both are in increasing order.
        (0..self.state.values.len()).filter(|n| copies.next_if_eq(n).is_none()).collect()
    }

    /// What describes the loop is wrong.
    fn fail_entry(&mut self, why: &str) {
        debug_assert!(false, "{why}");
        self.failure = Some(why.into());
    }

    /// A local's value is a handle, if the local is one: see [`Translator::kind_of`].
    pub(crate) fn note_handle(&mut self, local: LocalIndex, value: Value) {
        // Those of bodies in place of calls are none.
        let Some(entry) = self.entry.as_ref().filter(|_| !self.inlines.is_open()) else { return };
        let found = entry.head.locals.binary_search_by_key(&local.as_u32(), |&(local, _)| local);
        if found.is_ok_and(|n| entry.head.locals[n].1.kind == osr::Kind::Handle) {
            self.declare_handle(value);
        }
    }

    /// Whether the block that begins here is around the entry, or its loop.
    pub(crate) fn is_around_entry(&self) -> bool {
        let is_around = |head: &LoopHead| head.position == self.position || head.around.binary_search(&self.position).is_ok();
        self.entry.as_ref().is_some_and(|entry| is_around(entry.head))
    }

    /// Whether nothing leads to the entry's block yet.
    pub(crate) fn is_entry_missing(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.block.is_some())
    }

    /// Type, and whether it is a handle, of a value on the stack.
    fn kind_of(&self, value: Value) -> (Type, bool) {
        let ty = self.builder.func.dfg.value_type(value);
        (if ty.is_vector() { I8X16 } else { ty }, self.rare.is_handle(value))
    }

    /// The variable for an operand at this position with a value like this one.
    fn operand(&mut self, n: usize, value: Value) -> Variable {
        let (ty, is_handle) = self.kind_of(value);
        let known = self.entry.as_ref().and_then(|entry| entry.operands.get(&(n, ty, is_handle)).copied());
        known.unwrap_or_else(|| {
            let variable = self.builder.declare_var(ty);
            if is_handle {
                self.builder.declare_var_needs_stack_map(variable);
            }
            if let Some(entry) = &mut self.entry {
                entry.operands.insert((n, ty, is_handle), variable);
            }
            variable
        })
    }
}
