//! What of the calling convention depends on a function's type alone (DESIGN: "ABI").

use crate::types::{FuncType, ValType};

/// Result registers of each class.
pub const RESULT_REGISTERS: usize = 8;

/// Bytes of a value in a result buffer or in an array of arguments.
pub const VALUE_SIZE: usize = 16;

/// Whether results of this type are passed through a buffer, whose address is then the second argument: more than eight
/// results in integer registers (integers and references), or more than eight in vector registers (floats and vectors).
pub fn results_in_buffer<R>(ty: &FuncType<R>) -> bool {
    let floats = ty.results.iter().filter(|t| matches!(t, ValType::F32 | ValType::F64 | ValType::V128)).count();
    floats > RESULT_REGISTERS || ty.results.len() - floats > RESULT_REGISTERS
}
