//! Source locations, as they pass through Cranelift: where in its function's body an operator is, and marks
//! by which its machine code is found again. Marks are bits that no such position has: bodies have 7,654,321
//! bytes at most, as validation ensures.

use cranelift_codegen::ir::SourceLoc;

/// The instructions must not be interrupted.
pub(crate) const UNINTERRUPTIBLE: u32 = 1 << 31;
/// The last instructions take the frame down and leave the function.
pub(crate) const LEAVES: u32 = 1 << 30;

const MARKS: u32 = UNINTERRUPTIBLE | LEAVES;

/// The location of an operator, without marks.
///
/// # Errors
/// If the position is beyond what bodies can have.
pub(crate) fn of(position: u32) -> Result<SourceLoc, String> {
    if position & MARKS == 0 { Ok(SourceLoc::new(position)) } else { Err("the function is longer than 1 GiB".into()) }
}

/// The operator's position in the body.
pub(crate) fn position(location: SourceLoc) -> u32 {
    location.bits() & !MARKS
}

pub(crate) fn marked(location: SourceLoc, marks: u32) -> SourceLoc {
    SourceLoc::new(location.bits() | marks)
}

pub(crate) fn has(location: SourceLoc, mark: u32) -> bool {
    !location.is_default() && location.bits() & mark != 0
}
