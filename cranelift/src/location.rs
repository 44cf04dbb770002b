//! Source locations, as they pass through Cranelift: where in the module an operator is, and marks by which its machine code is found again.
//! Marks are bits that no offset has: a module is at most 1 GiB long, which validation ensures.

use cranelift_codegen::ir::SourceLoc;

/// The instructions must not be interrupted.
pub(crate) const UNINTERRUPTIBLE: u32 = 1 << 31;
/// The last instructions take the frame down and leave the function.
pub(crate) const LEAVES: u32 = 1 << 30;

const MARKS: u32 = UNINTERRUPTIBLE | LEAVES;

/// The location of an operator, without marks.
///
/// # Errors
/// If the offset is beyond what modules can have.
pub(crate) fn of(offset: impl TryInto<u32>) -> Result<SourceLoc, String> {
    match offset.try_into() {
        Ok(offset) if offset & MARKS == 0 => Ok(SourceLoc::new(offset)),
        _ => Err("the module is longer than 1 GiB".into()),
    }
}

/// The operator's offset in the module.
pub(crate) fn offset(location: SourceLoc) -> u32 {
    location.bits() & !MARKS
}

pub(crate) fn marked(location: SourceLoc, marks: u32) -> SourceLoc {
    SourceLoc::new(location.bits() | marks)
}

pub(crate) fn has(location: SourceLoc, mark: u32) -> bool {
    !location.is_default() && location.bits() & mark != 0
}
