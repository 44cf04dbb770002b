//! What of the calling convention depends on a function's type alone (DESIGN: "ABI").

use crate::types::{FuncType, ValType};

/// Result registers of each class.
pub const RESULT_REGISTERS: usize = 8;

/// Bytes of a value in a result buffer or in an array of arguments.
pub const VALUE_SIZE: usize = 16;

/// Parameters, and results, that a function may have, as validation has it: trampolines are made for no more.
pub const MAX_VALUES: usize = 1000;

// An instruction that returns and takes its arguments off the stack says in 16 bits how many bytes they have.
const _: () = assert!(MAX_VALUES * VALUE_SIZE <= u16::MAX as usize);

/// Whether results of this type are passed through a buffer, whose address is then the second argument: more than eight
/// results in integer registers (integers and references), or more than eight in vector registers (floats and vectors).
pub fn results_in_buffer<R>(ty: &FuncType<R>) -> bool {
    need_buffer(&ty.results)
}

/// The same of a list of results, where types are known at compile time.
pub const fn need_buffer<R>(results: &[ValType<R>]) -> bool {
    let (mut floats, mut at) = (0, 0);
    while at < results.len() {
        if results[at].is_float_or_vector() {
            floats += 1;
        }
        at += 1;
    }
    floats > RESULT_REGISTERS || results.len() - floats > RESULT_REGISTERS
}

/// Argument registers for integers and references, without the one of the callee's context.
pub const INTEGER_ARGUMENTS: usize = 5;
/// Argument registers for floats and vectors.
pub const FLOAT_ARGUMENTS: usize = 8;

/// Whether a reference is among the results.
pub fn returns_reference<R>(ty: &FuncType<R>) -> bool {
    ty.results.iter().any(|ty| matches!(ty, ValType::Ref(_)))
}

/// So many calls of a function are made without a trampoline, where [`in_registers`] holds; those behind are
/// made as others are. Each is some 80 bytes of code more, and a branch, of which optimizing costs the
/// square.
pub const MAX_IN_PLACE: u32 = 1000;

/// Whether all arguments and the result, if there is one at all, are passed in registers, alike under both
/// conventions: then a host function that takes them so may be called without a trampoline that knows the
/// type.
pub fn in_registers<R>(ty: &FuncType<R>) -> bool {
    let floats = ty.params.iter().filter(|ty| ty.is_float_or_vector()).count();
    ty.results.len() <= 1 && floats <= FLOAT_ARGUMENTS && ty.params.len() - floats <= INTEGER_ARGUMENTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use crate::features::Features;

    #[test]
    fn validation_lets_types_have_as_many_values_and_no_more() {
        for (params, results, valid) in [(MAX_VALUES, MAX_VALUES, true), (MAX_VALUES + 1, 0, false), (0, MAX_VALUES + 1, false)] {
            let (params, results) = (" i32".repeat(params), " i32".repeat(results));
            let module = wat::parse_str(format!("(module (type (func (param{params}) (result{results}))))")).expect("text");
            assert_eq!(decode(&module, Features::default()).is_ok(), valid);
        }
    }
}
