//! The translation's state: value stack, control stack, reachability.
//!
//! Invariants:
//! - The last frame of `control` is the innermost block whose head was reachable; blocks that begin in unreachable code are
//!   only counted (`dead_blocks`).
//! - While `reachable` is false, the value stack above the innermost frame's height is meaningless; the end of the frame,
//!   or its `else`, cuts it off.

use cranelift_codegen::ir::{Block, Inst, Value};
use sconce_environ::block::Types;

/// What is known about an `if`'s other side.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Else {
    /// The `if` takes and gives nothing: its branch goes to the exit until an `else` turns up. With what is
    /// said of the condition.
    Patch(Inst, Option<bool>),
    /// The block for it.
    Block(Block),
}

/// What kind of block a frame stands for.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Kind {
    /// A `block`, the function itself, or an `if` after its `else`.
    Block,
    Loop {
        header: Block,
    },
    /// An `if` before its `else`. Below its height plus its parameters, the stack has a second copy of the parameters.
    If(Else),
}

/// A block that has not ended.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// The block after the end; made when first needed.
    pub(crate) exit: Option<Block>,
    /// Whether anything branches to the exit.
    pub(crate) branched: bool,
    /// Length of the value stack below the parameters.
    pub(crate) height: usize,
    pub(crate) params: Types<'a>,
    pub(crate) results: Types<'a>,
    /// Whether it may be open where the code begins: then operands below are variables ([`crate::osr`]).
    pub(crate) kept: bool,
    /// How many of the state's handlers are of blocks around this one.
    pub(crate) handlers: usize,
}

/// A handler of exceptions.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Handler {
    /// Offset of the tag in the VM context; `None` catches everything.
    pub(crate) tag: Option<u32>,
    pub(crate) wants_exception: bool,
    /// Takes the payload's address and the exception. Sealed when its region ends.
    pub(crate) block: Block,
}

/// The state.
#[derive(Debug, Default)]
pub(crate) struct State<'a> {
    pub(crate) values: Vec<Value>,
    pub(crate) control: Vec<Frame<'a>>,
    pub(crate) dead_blocks: u32,
    /// The handlers of the try regions around: outer ones first, those of one region in reverse.
    pub(crate) handlers: Vec<Handler>,
    pub(crate) reachable: bool,
}

impl<'a> State<'a> {
    pub(crate) fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    pub(crate) fn pop(&mut self) -> Value {
        self.values.pop().expect("validated: the stack has an operand")
    }

    /// The two topmost values; the second is the one on top.
    pub(crate) fn pop2(&mut self) -> (Value, Value) {
        let top = self.pop();
        (self.pop(), top)
    }

    /// The three topmost values; the last is the one on top.
    pub(crate) fn pop3(&mut self) -> (Value, Value, Value) {
        let top = self.pop();
        let (below, middle) = self.pop2();
        (below, middle, top)
    }

    pub(crate) fn top(&self) -> Value {
        *self.values.last().expect("validated: the stack has an operand")
    }

    pub(crate) fn pop_n(&mut self, count: usize) {
        self.values.truncate(self.values.len() - count);
    }

    pub(crate) fn frame(&mut self, depth: u32) -> &mut Frame<'a> {
        let n = self.control.len() - 1 - depth as usize;
        &mut self.control[n]
    }
}
