//! What of the calling convention depends on a function's type alone (DESIGN: "ABI").

use crate::types::{FuncType, ValType};

/// Result registers of each class.
pub const RESULT_REGISTERS: usize = 8;

/// Bytes of a value in a result buffer or in an array of arguments.
pub const VALUE_SIZE: usize = 16;

/// Whether results of this type are passed through a buffer, whose address is then the second argument: more than eight
/// results in integer registers (integers and references), or more than eight in vector registers (floats and vectors).
pub fn results_in_buffer<R>(ty: &FuncType<R>) -> bool {
    need_buffer(&ty.results)
}

/// The same of a list of results, where types are known at compile time.
pub const fn need_buffer<R>(results: &[ValType<R>]) -> bool {
    let (mut floats, mut at) = (0, 0);
    while at < results.len() {
        if matches!(results[at], ValType::F32 | ValType::F64 | ValType::V128) {
            floats += 1;
        }
        at += 1;
    }
    floats > RESULT_REGISTERS || results.len() - floats > RESULT_REGISTERS
}
