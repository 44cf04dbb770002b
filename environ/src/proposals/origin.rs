//! Which proposal an operator came with, as wasmparser's table says.

use wasmparser::*;

/// The flag of a group of wasmparser's table; a group without an arm does not compile.
macro_rules! flag {
    (mvp) => {
        WasmFeatures::empty()
    };
    (sign_extension) => {
        WasmFeatures::SIGN_EXTENSION
    };
    (gc) => {
        WasmFeatures::GC
    };
    (custom_descriptors) => {
        WasmFeatures::CUSTOM_DESCRIPTORS
    };
    (saturating_float_to_int) => {
        WasmFeatures::SATURATING_FLOAT_TO_INT
    };
    (bulk_memory) => {
        WasmFeatures::BULK_MEMORY
    };
    (reference_types) => {
        WasmFeatures::REFERENCE_TYPES
    };
    (tail_call) => {
        WasmFeatures::TAIL_CALL
    };
    (memory_control) => {
        WasmFeatures::MEMORY_CONTROL
    };
    (threads) => {
        WasmFeatures::THREADS
    };
    (simd) => {
        WasmFeatures::SIMD
    };
    (relaxed_simd) => {
        WasmFeatures::RELAXED_SIMD
    };
    (exceptions) => {
        WasmFeatures::EXCEPTIONS
    };
    (legacy_exceptions) => {
        WasmFeatures::LEGACY_EXCEPTIONS
    };
    (shared_everything_threads) => {
        WasmFeatures::SHARED_EVERYTHING_THREADS
    };
    (function_references) => {
        WasmFeatures::FUNCTION_REFERENCES
    };
    (stack_switching) => {
        WasmFeatures::STACK_SWITCHING
    };
    (wide_arithmetic) => {
        WasmFeatures::WIDE_ARITHMETIC
    };
    (acquire_release_atomics) => {
        WasmFeatures::ACQUIRE_RELEASE_ATOMICS
    };
}

pub(super) use flag;

/// Where an operator comes from.
pub(crate) struct Origin {
    /// The proposal that brought it; empty for those of 1.0.
    pub features: WasmFeatures,
    /// As wasmparser calls it: `MemoryInit`.
    pub name: &'static str,
}

/// Gives every operator's [`Origin`].
pub(crate) struct OriginOf;

macro_rules! origin {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {$(
        fn $visit(&mut self $($(, _: $ty)*)?) -> Origin {
            Origin { features: flag!($proposal), name: stringify!($op) }
        }
    )*};
}

impl<'a> VisitOperator<'a> for OriginOf {
    type Output = Origin;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Origin>> {
        Some(self)
    }

    for_each_visit_operator!(origin);
}

impl VisitSimdOperator<'_> for OriginOf {
    for_each_visit_simd_operator!(origin);
}
