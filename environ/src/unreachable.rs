//! The operators of unreachable code, for every compiler: only those that may end it do anything.

use crate::index::*;
use crate::ops::*;
use crate::types::{HeapType, ValType};
use wasmparser::BrTable;

/// A compiler that can skip unreachable code.
pub trait Skip: Operators<Output = ()> {
    /// How many blocks are open that began in unreachable code: they have no code, inside or after.
    fn dead_blocks(&mut self) -> &mut u32;

    /// A `loop` is skipped.
    fn skip_loop(&mut self) {}
}

/// A compiler in unreachable code.
#[derive(Debug)]
pub struct Unreachable<'t, T>(pub &'t mut T);

impl<T: Skip> Unreachable<'_, T> {
    fn begin(&mut self) {
        *self.0.dead_blocks() += 1;
    }
}

macro_rules! skip {
    (structure $structure:tt plain { $($family:ident { $($name:ident($($arg:ident: $ty:ty),*);)* })* }) => {
        $($(fn $name(&mut self, $(_: $ty),*) {})*)*
    };
}

impl<T: Skip> Operators for Unreachable<'_, T> {
    type Output = ();

    fn block(&mut self, _: BlockType) {
        self.begin();
    }

    fn loop_(&mut self, _: BlockType) {
        self.0.skip_loop();
        self.begin();
    }

    fn if_(&mut self, _: BlockType) {
        self.begin();
    }

    fn try_table(&mut self, _: BlockType, _: &[Catch]) {
        self.begin();
    }

    fn else_(&mut self) {
        if *self.0.dead_blocks() == 0 {
            self.0.else_();
        }
    }

    fn end(&mut self) {
        match self.0.dead_blocks().checked_sub(1) {
            Some(left) => *self.0.dead_blocks() = left,
            None => self.0.end(),
        }
    }

    crate::operator_families!(skip);
}
