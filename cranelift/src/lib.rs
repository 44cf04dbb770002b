//! The optimizing compiler: Wasm to Cranelift IR.
