//! Where a module's text has what: functions, then thunks, and at the next page, behind the text, a slot for each function. What
//! links text, what loads it and what checks a file's agree on it here.

use crate::index::DefinedFuncIndex;
use crate::space::HOST_PAGE;

/// Functions start at multiples of this, and so do the thunks behind them.
pub const FUNCTION_ALIGN: u32 = 32;

/// Bytes of a slot, which holds an address.
pub const SLOT_BYTES: u32 = size_of::<u64>() as u32;

/// Bytes of text and slots at most: every place in them is within reach of a 32-bit displacement from every other.
pub const MAX_TEXT: u64 = i32::MAX as u64;

/// How far behind the start of a text of this length its slots begin.
pub fn slots_at(text_len: u64) -> u64 {
    text_len.next_multiple_of(HOST_PAGE as u64)
}

/// How far behind the start of a text of this length the slots of so many functions end; `None` if that is too far.
pub fn slots_end(text_len: u64, functions: usize) -> Option<u64> {
    let slots = text_len.checked_next_multiple_of(HOST_PAGE as u64)?;
    let end = slots.checked_add(u64::from(SLOT_BYTES).checked_mul(functions as u64)?)?;
    (end <= MAX_TEXT).then_some(end)
}

/// How far behind the start of a text of this length a function's slot is; [`slots_end`] said that it is in reach.
pub fn slot(text_len: u64, func: DefinedFuncIndex) -> u64 {
    slots_at(text_len) + u64::from(func.as_u32()) * u64::from(SLOT_BYTES)
}

/// The function, of so many, whose slot is at this distance from the start of a text of this length.
pub fn function_of_slot(text_len: u64, functions: usize, at: u64) -> Option<DefinedFuncIndex> {
    let from_first = at.checked_sub(slots_at(text_len))?;
    let n = from_first / u64::from(SLOT_BYTES);
    (from_first.is_multiple_of(SLOT_BYTES.into()) && n < functions as u64).then(|| DefinedFuncIndex::from_u32(n as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stand_at_the_next_page() {
        let func = DefinedFuncIndex::from_u32;
        assert_eq!([0, 1, 4096, 4097].map(slots_at), [0, 4096, 4096, 8192]);
        assert_eq!((slot(100, func(0)), slot(100, func(3))), (4096, 4120));
        assert_eq!(slots_end(100, 4), Some(4128));
        for n in 0..4 {
            assert_eq!(function_of_slot(100, 4, slot(100, func(n))), Some(func(n)));
        }
        for nowhere in [0, 4095, 4100, 4128] {
            assert_eq!(function_of_slot(100, 4, nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_is_out_of_reach_is_refused() {
        let last = (MAX_TEXT - 8) / 4096 * 4096;
        assert_eq!(slots_end(last, 1), Some(last + 8));
        assert_eq!(slots_end(last + 1, 1), None);
        assert_eq!(slots_end(0, MAX_TEXT as usize / 8 + 1), None);
        assert_eq!(slots_end(u64::MAX, 1), None);
    }
}
