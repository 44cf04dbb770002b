//! Functions whose bodies stand in another function's code, in place of a call: where an instruction belongs to, for
//! backtraces and for people.
//!
//! Each such body has a range of numbers of its own, which continue what offsets there are: its operators are called by those
//! where code tables have a wasm offset ([`crate::compile::CompiledFunction::wasm_offsets`]).

use crate::decode::Decoded;
use crate::index::DefinedFuncIndex;

/// Numbers from here on are of operators of such bodies, in functions that have any. No offset in their modules reaches it.
pub const INLINED: u32 = 1 << 31;

/// A body in place of a call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct InlinedCall {
    /// Whose body it is.
    pub func: DefinedFuncIndex,
    /// The number of the body's first byte; [`INLINED`] or more. Those of one function increase.
    pub first: u32,
    /// Where the body is in the module, in bytes.
    pub body_offset: u32,
    /// The call: an offset in the module, or the number of an operator in a body before this one.
    pub call: u32,
}

/// An operator, and whose it is: `None` stands for the function with the code.
pub type Operator = (Option<DefinedFuncIndex>, u32);

/// The operator that a number of a function's code means, by its offset in the module, and behind it the calls in place of which
/// the bodies around it stand, innermost first. Numbers that mean nothing end that.
pub fn operators(mut inlined: &[InlinedCall], number: u32) -> impl Iterator<Item = Operator> {
    let mut next = Some(number).filter(|&number| number != u32::MAX);
    let all_are_offsets = inlined.is_empty();
    std::iter::from_fn(move || {
        let number = next.take()?;
        if number < INLINED || all_are_offsets {
            return Some((None, number));
        }
        let n = inlined.partition_point(|body| body.first <= number).checked_sub(1)?;
        let body = inlined[n];
        // What is around a body came before it.
        (inlined, next) = (&inlined[..n], Some(body.call));
        Some((Some(body.func), body.body_offset.checked_add(number - body.first)?))
    })
}

/// Which calls give way to their callee's body, in the code of a compiler that does so. Code of either kind can run beside the other.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Inlining {
    /// None: each function is there by itself.
    Off,
    /// Those of small functions.
    #[default]
    Small,
    /// As many as can be: for tests.
    Most,
}

/// Where the bodies of a module's functions are, for who translates them in place of calls.
#[derive(Copy, Clone, Debug)]
pub struct Callees<'a> {
    decoded: &'a Decoded,
    bytes: &'a [u8],
    /// Which calls; never [`Inlining::Off`].
    pub inlining: Inlining,
}

impl<'a> Callees<'a> {
    /// Those of a module, in the bytes that it was decoded from; `None` if none may be used, or if the bytes are so many that numbers
    /// could be offsets.
    pub fn of(decoded: &'a Decoded, bytes: &'a [u8], inlining: Inlining) -> Option<Callees<'a>> {
        (inlining != Inlining::Off && bytes.len() < INLINED as usize).then_some(Callees { decoded, bytes, inlining })
    }

    /// How many bytes a function's body has.
    pub fn len_of(&self, func: DefinedFuncIndex) -> usize {
        self.decoded.bodies[func].len()
    }

    /// A function's body and where it is in the module, if it is valid: whoever compiles a caller need not have seen the callee.
    pub fn valid_body(&self, func: DefinedFuncIndex) -> Option<(&'a [u8], u32)> {
        self.decoded.body_validator(self.bytes).validate(func).ok()?;
        Some((self.decoded.body(self.bytes, func), self.decoded.bodies[func].start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(func: u32, first: u32, body_offset: u32, call: u32) -> InlinedCall {
        InlinedCall { func: DefinedFuncIndex::from_u32(func), first: INLINED + first, body_offset, call }
    }

    fn found(inlined: &[InlinedCall], number: u32) -> Vec<(Option<u32>, u32)> {
        operators(inlined, number).map(|(func, at)| (func.map(DefinedFuncIndex::as_u32), at)).collect()
    }

    #[test]
    fn an_operator_is_followed_by_the_calls_around_it() {
        // 7 is called at 100; at its fourth byte 8 is called, whose 9 begins with its first; 7 is called once more at 200.
        let all =
            [body(7, 50, 1000, 100), body(8, 60, 2000, INLINED + 53), body(9, 70, 3000, INLINED + 60), body(7, 90, 1000, 200)];
        assert_eq!(found(&all, 100), [(None, 100)]);
        assert_eq!(found(&all, INLINED + 50), [(Some(7), 1000), (None, 100)]);
        assert_eq!(found(&all, INLINED + 59), [(Some(7), 1009), (None, 100)]);
        assert_eq!(found(&all, INLINED + 60), [(Some(8), 2000), (Some(7), 1003), (None, 100)]);
        assert_eq!(found(&all, INLINED + 75), [(Some(9), 3005), (Some(8), 2000), (Some(7), 1003), (None, 100)]);
        assert_eq!(found(&all, INLINED + 91), [(Some(7), 1001), (None, 200)]);
        assert_eq!(found(&all, u32::MAX), []);
    }

    /// Tables may be damaged.
    #[test]
    fn numbers_that_mean_nothing_end_it() {
        assert_eq!(found(&[], INLINED + 5), [(None, INLINED + 5)], "a module of more than 2 GiB");
        let circle = [body(7, 50, 1000, INLINED + 60), body(8, 60, u32::MAX, INLINED + 50)];
        assert_eq!(found(&circle, INLINED + 49), []);
        assert_eq!(found(&circle, INLINED + 50), [(Some(7), 1000)]);
        assert_eq!(found(&circle, INLINED + 60), [(Some(8), u32::MAX), (Some(7), 1000)]);
        assert_eq!(found(&circle, INLINED + 61), []);
    }
}
