//! Indices that a program chose, behind checks that the processor may have predicted wrong.
//!
//! What a check keeps out is read all the same, and leaves traces in caches, where the branch is predicted to go on (Spectre,
//! variant 1). So an index is computed again under the check's outcome, by arithmetic that nobody predicts: outside it is 0, which
//! is inside, or at the end of what is empty. Compiled code does the same with conditional moves.
//!
//! The compiler must not see that the second comparison has the outcome of the first one, or it would leave it out.

use std::arch::asm;

/// An index that was found to be below `end`: 0 where that was a misprediction.
#[inline(always)]
pub fn masked(index: usize, end: usize) -> usize {
    let mask: usize;
    // SAFETY: arithmetic on registers. The borrow of index - end is all ones below the end.
    unsafe {
        asm!("cmp {index}, {end}", "sbb {mask}, {mask}", index = in(reg) index, end = in(reg) end, mask = lateout(reg) mask,
             options(pure, nomem, nostack));
    }
    index & mask
}

/// The beginning of a range that was found to end at or before `length`: 0 where that was a misprediction.
#[inline(always)]
pub(crate) fn masked_start(start: usize, end: usize, length: usize) -> usize {
    let mask: usize;
    // SAFETY: as above. The borrow of length - end is all ones beyond the length.
    unsafe {
        asm!("cmp {length}, {end}", "sbb {mask}, {mask}", length = in(reg) length, end = in(reg) end, mask = lateout(reg) mask,
             options(pure, nomem, nostack));
    }
    start & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_stays_and_what_is_outside_becomes_zero() {
        for end in [0, 1, 7, isize::MAX as usize, usize::MAX] {
            for index in [0, 1, 6, 7, 8, isize::MAX as usize, usize::MAX] {
                assert_eq!(masked(index, end), if index < end { index } else { 0 }, "{index} below {end}");
                assert_eq!(masked_start(5, index, end), if index <= end { 5 } else { 0 }, "{index} up to {end}");
            }
        }
    }
}
