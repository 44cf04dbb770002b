//! Exceptions in their old form (`try`, `catch`, `catch_all`, `rethrow`, `delegate`), translated to the final one.
//!
//! Compilers emitted the old form for years before the proposal was finished without it. What it means can be said in the
//! final form (`try_table`, `throw_ref`, exnref), so a body in the old form is written anew once, before it is compiled:
//! neither compiler knows the old operators. A compiler learns from its first walk, at no cost to other bodies, that a body
//! needs this ([`crate::walk::WalkError::OldExceptions`]).
//!
//! Validation has seen the body as it is in the file. Three things tell the new bytes from a body of a module: their block
//! types may lie behind the module's types ([`crate::block::BlockTypes`]), they have locals of their own, and offsets in them
//! mean other ones in the file ([`FinalForm::restore`]).
//!
//! ```text
//! try $l (type t)                     block $l (type t)
//!   ..                                  block $b                 ;; gives the exception
//! catch $a                                block $a               ;; gives the values of tag a
//!   ..                                      try_table (type t) (catch $a $a) (catch_all_ref $b)
//! catch_all                                   ..
//!   rethrow $l                              end
//! end                                       br $l
//!                                         end
//!                                         ..
//!                                         br $l
//!                                       end
//!                                       local.set $exception
//!                                       local.get $exception
//!                                       throw_ref
//!                                     end
//! ```
//!
//! A `delegate` hands what its body throws to the `try` that its label names, or that is around the block that its label
//! names: it becomes a `try_table` whose `catch_all_ref` leads to a landing there, which is the innermost place inside that
//! `try_table`, around its body. From the landing the exception is thrown again. The function itself may have a landing, too.
//!
//! Bodies that mix the forms are translated in the same way: a `try_table` of the file is one more place to delegate to.

mod offsets;
mod rewrite;
mod scan;

use crate::block::BlockTypes;
use crate::compile::{CompiledFunction, FunctionInput};
use crate::types::FuncType;
use offsets::Offsets;

/// Exceptions that a body may hold at once for operators that throw them again: catches nested deeper exceed a limit of this
/// implementation.
pub const MAX_HELD: u32 = 1000;

/// A body in the final form.
#[derive(Debug)]
pub struct FinalForm {
    body: Vec<u8>,
    /// Block types that are not the module's.
    types: Vec<FuncType>,
    hints: Vec<(u32, bool)>,
    offsets: Offsets,
}

impl FinalForm {
    /// Translates a body that has been validated.
    ///
    /// # Errors
    /// When it exceeds a limit of this implementation.
    pub fn of(input: &FunctionInput<'_>) -> Result<FinalForm, String> {
        rewrite::rewrite(input)
    }

    /// The function with this body.
    pub fn input<'a>(&'a self, of: &FunctionInput<'a>) -> FunctionInput<'a> {
        FunctionInput { body: &self.body, hints: &self.hints, blocks: BlockTypes::with(of.module, &self.types), ..*of }
    }

    /// What was compiled speaks of the file's offsets again.
    pub fn restore(&self, of: &FunctionInput<'_>, function: &mut CompiledFunction) {
        for (_, offset) in function.wasm_offsets.iter_mut().filter(|(_, offset)| *offset != u32::MAX) {
            *offset = of.body_offset + self.offsets.before(*offset - of.body_offset);
        }
    }

    /// Block types of its own, whose indices follow those of the module's types.
    pub fn types(&self) -> &[FuncType] {
        &self.types
    }

    /// The bytes: locals and operators.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
