//! Which proposals are enabled, and what a proposal is called.

use wasmparser::WasmFeatures;

/// The proposals that modules may use.
///
/// [`Features::SUPPORTED`] is the one place where a proposal is enabled. It takes a row in [`crate::visit`]
/// for each of its operators (else they reach the arm for rejected ones), its types in [`crate::translate`],
/// and what compilers and the runtime do for it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Features(WasmFeatures);

impl Features {
    /// WebAssembly 1.0, with mutable globals.
    pub const WASM1: Features = Features(WasmFeatures::WASM1);
    /// WebAssembly 2.0.
    pub const WASM2: Features = Features(WasmFeatures::WASM2);
    /// Everything that is supported: WebAssembly 2.0 and these proposals.
    pub const SUPPORTED: Features = Features(
        WasmFeatures::WASM2
            .union(WasmFeatures::EXTENDED_CONST)
            .union(WasmFeatures::MULTI_MEMORY)
            .union(WasmFeatures::MEMORY64)
            .union(WasmFeatures::THREADS)
            .union(WasmFeatures::RELAXED_SIMD)
            .union(WasmFeatures::WIDE_ARITHMETIC)
            .union(WasmFeatures::CUSTOM_PAGE_SIZES)
            .union(WasmFeatures::FUNCTION_REFERENCES)
            .union(WasmFeatures::TAIL_CALL)
            .union(WasmFeatures::EXCEPTIONS)
            // Translated to the former: see `old_exceptions`.
            .union(WasmFeatures::LEGACY_EXCEPTIONS)
            // Recursion groups, subtypes of functions and the bottom types. Objects are refused: see `decode::objects`.
            .union(WasmFeatures::GC),
    );

    /// These too, as far as they are supported.
    pub const fn with(self, features: WasmFeatures) -> Features {
        Features(self.0.union(features.intersection(Features::SUPPORTED.0)))
    }

    /// As wasmparser has them.
    pub fn wasmparser(self) -> WasmFeatures {
        self.0
    }
}

impl Default for Features {
    /// Everything that is supported.
    fn default() -> Features {
        Features::SUPPORTED
    }
}

/// The name of a proposal, as its repository is called: `relaxed-simd`. Of several, the first.
pub fn proposal_name(features: WasmFeatures) -> String {
    let name = features.iter_names().next().map_or("unknown", |(name, _)| name);
    match name {
        "SATURATING_FLOAT_TO_INT" => "nontrapping-float-to-int-conversions".to_owned(),
        "EXCEPTIONS" => "exception-handling".to_owned(),
        "LEGACY_EXCEPTIONS" => "legacy-exception-handling".to_owned(),
        // Parts of proposals, as wasmparser divides them.
        "BULK_MEMORY_OPT" => "bulk-memory".to_owned(),
        "CALL_INDIRECT_OVERLONG" => "reference-types".to_owned(),
        other => other.to_ascii_lowercase().replace('_', "-"),
    }
}
