//! The operators of reachable code: each method, forwarded to the family's file.

use crate::codegen::Codegen;
use crate::{atomic, bulk, call, control, convert, exception, float, int, memory, reference, variable, vector};
use sconce_environ::index::*;
use sconce_environ::operator_families;
use sconce_environ::ops::*;
use sconce_environ::types::{HeapType, ValType};
use sconce_environ::unreachable::Skip;
use wasmparser::BrTable;

macro_rules! forward {
    ($($group:ident { $($family:ident { $($name:ident($($arg:ident: $ty:ty),*);)* })* })*) => {
        impl Operators for Codegen<'_> {
            type Output = ();
            $($($(#[inline] fn $name(&mut self, $($arg: $ty),*) { $family::$name(self, $($arg),*) })*)*)*
        }
    };
}

operator_families!(forward);

impl Skip for Codegen<'_> {
    fn dead_blocks(&mut self) -> &mut u32 {
        self.blocks.dead()
    }

    fn skip_loop(&mut self) {
        // The summary counted it.
        self.loops.begin();
    }
}
