//! The Cranelift compiler with its listings.

use sconce_cranelift::{CraneliftCompiler, Listing};
use sconce_environ::compile::{CompileError, CompiledFunction, Settings};
use sconce_test_support::Input;

pub fn compiler(settings: &Settings) -> CraneliftCompiler {
    CraneliftCompiler::new(settings).expect("a compiler for the host")
}

/// Compiles the function with this number among the defined ones.
pub fn compile(settings: &Settings, wat: &str, number: u32) -> Result<(CompiledFunction, Listing), CompileError> {
    compiler(settings).list(&Input::text(wat).function(number))
}
