//! Blocks that have not ended, and whether code is reachable.

use sconce_environ::block::Types;
use sconce_x64::encode::Label;

/// What kind of block it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `block`, the function itself, or an `if` after its `else`.
    Block,
    Loop,
    /// An `if` before its `else`: where the condition does not hold.
    If(Label),
}

/// A block that has not ended.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) kind: Kind,
    /// Where branches go.
    pub(crate) label: Label,
    /// Whether anything goes to the label of a block.
    pub(crate) branched: bool,
    /// Length of the stack below the parameters.
    pub(crate) height: u32,
    pub(crate) params: Types<'a>,
    pub(crate) results: Types<'a>,
    /// The handlers outside: see `handlers`.
    pub(crate) handlers: Option<u32>,
    /// For a `br_table`: the last one that named this block, and its label there.
    pub(crate) stub: (u32, Label),
}

/// The blocks around what is being compiled, the function itself first.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    open: Vec<Block<'a>>,
    reachable: bool,
    /// Blocks around it that began where nothing is reachable.
    dead: u32,
    br_tables: u32,
}

/// An empty list with a list's allocation, of elements that differ in what they borrow.
fn emptied<T, U>(mut list: Vec<T>) -> Vec<U> {
    list.clear();
    list.into_iter().filter_map(|_| None).collect()
}

impl<'a> Blocks<'a> {
    pub(crate) fn new() -> Blocks<'a> {
        Blocks { open: Vec::new(), reachable: true, dead: 0, br_tables: 0 }
    }

    /// An empty one with another function's allocation: a collection of as large elements is made in place.
    pub(crate) fn recycled<'b>(self) -> Blocks<'b> {
        Blocks { open: emptied(self.open), ..Blocks::new() }
    }

    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        size_of::<Block<'_>>() * self.open.capacity()
    }

    pub(crate) fn push(&mut self, block: Block<'a>) {
        self.open.push(block);
    }

    pub(crate) fn pop(&mut self) {
        self.open.pop();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many are around the one that this is the relative depth of.
    pub(crate) fn around(&self, depth: u32) -> usize {
        self.open.len() - 1 - depth as usize
    }

    /// The one with this relative depth.
    pub(crate) fn at(&mut self, depth: u32) -> &mut Block<'a> {
        let n = self.around(depth);
        &mut self.open[n]
    }

    /// Numbers one more `br_table`, from 1.
    pub(crate) fn next_br_table(&mut self) -> u32 {
        self.br_tables += 1;
        self.br_tables
    }

    // ---- Reachability.

    #[inline(always)]
    pub(crate) fn is_reachable(&self) -> bool {
        self.reachable
    }

    pub(crate) fn set_reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
    }

    /// Blocks around what is being skipped that began where nothing is reachable.
    pub(crate) fn dead(&mut self) -> &mut u32 {
        &mut self.dead
    }
}
