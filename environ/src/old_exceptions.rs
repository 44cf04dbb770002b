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

mod encode;
mod offsets;
mod own_types;
mod rewrite;
mod scan;

use crate::block::BlockTypes;
use crate::compile::{CompiledFunction, FunctionInput};
use crate::types::FuncType;
pub use rewrite::MAX_HELD;
use rewrite::{Rewritten, rewrite};

/// A body in the final form.
#[derive(Debug)]
pub struct FinalForm(Rewritten);

impl FinalForm {
    /// Translates a body that has been validated.
    ///
    /// # Errors
    /// When it exceeds a limit of this implementation.
    pub fn of(input: &FunctionInput<'_>) -> Result<FinalForm, String> {
        rewrite(input).map(FinalForm)
    }

    /// The function with this body.
    pub fn input<'a>(&'a self, of: &FunctionInput<'a>) -> FunctionInput<'a> {
        let blocks = BlockTypes::with(of.module, &self.0.types);
        // Other bodies are as they were, with other block types.
        FunctionInput { body: &self.0.body, hints: &self.0.hints, blocks, callees: None, ..*of }
    }

    /// What was compiled speaks of the file's offsets again.
    pub fn restore(&self, of: &FunctionInput<'_>, function: &mut CompiledFunction) {
        for (_, offset) in function.wasm_offsets.iter_mut().filter(|(_, offset)| *offset != u32::MAX) {
            *offset = of.body_offset + self.0.offsets.before(*offset - of.body_offset);
        }
    }

    /// Block types of its own, whose indices follow those of the module's types.
    pub fn types(&self) -> &[FuncType] {
        &self.0.types
    }

    /// The bytes: locals and operators.
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }
}
