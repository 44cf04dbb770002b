//! What types may ask for, as validation has it: for types that come from an embedder or from an artifact.

use sconce_environ::abi::MAX_VALUES;
use sconce_environ::types::{FuncType, Limits, MemoryType};

/// Whether a function may have as many parameters and results.
pub(crate) fn is_func_type<R>(ty: &FuncType<R>) -> bool {
    ty.params.len() <= MAX_VALUES && ty.results.len() <= MAX_VALUES
}

/// Whether there can be such a memory.
pub(crate) fn is_memory_type(ty: &MemoryType) -> bool {
    let bits = if ty.memory64 { 64 } else { 32 };
    let most = (1u128 << bits).checked_shr(ty.page_size_log2.into()).unwrap_or_default().min(u128::from(u64::MAX)) as u64;
    let page_size = ty.has_wasm_pages() || ty.page_size_log2 == 0;
    // Other threads must know how far a shared one can grow.
    page_size && (!ty.shared || ty.limits.max.is_some()) && in_order(&ty.limits, most)
}

/// Whether the limits are in order, and the minimum is possible.
pub(crate) fn in_order(limits: &Limits, most: u64) -> bool {
    limits.min <= limits.max.unwrap_or(most) && limits.min <= most
}
