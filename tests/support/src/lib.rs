//! What tests of several rooms share: modules from text, every combination of settings, inputs at the edges, the modules of
//! the official suite, the functions of WASI.

pub mod bombs;
pub mod extremes;
pub mod growth;
pub mod preview1;
pub mod suite;

use sconce_environ::compile::{BoundsStyle, CallStyle, CompileError, CompiledFunction, Compiler, FunctionInput, Settings};
use sconce_environ::decode::{Decoded, Features, decode};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::inlined::{Callees, Inlining};
use sconce_environ::layout::VmLayout;

/// What is usual besides.
pub fn settings(bounds: BoundsStyle, calls: CallStyle) -> Settings {
    Settings {
        bounds,
        calls,
        canonical_nans: false,
        gc_stress: false,
        paranoid: false,
        fuel: false,
        baseline: false,
        spectre_mitigations: true,
    }
}

/// Explicit or guard, direct or slots; NaNs as they come.
pub fn all_settings() -> [Settings; 4] {
    [
        settings(BoundsStyle::Guard, CallStyle::Direct),
        settings(BoundsStyle::Guard, CallStyle::Slots),
        settings(BoundsStyle::Explicit, CallStyle::Direct),
        settings(BoundsStyle::Explicit, CallStyle::Slots),
    ]
}

/// A validated module.
#[derive(Debug)]
pub struct Input {
    bytes: Vec<u8>,
    decoded: Decoded,
    layout: VmLayout,
}

impl Input {
    /// Decodes and validates; the error is the message.
    pub fn binary(bytes: Vec<u8>) -> Result<Input, String> {
        let decoded = decode(&bytes, Features::default()).map_err(|e| e.to_string())?;
        decoded.validate_bodies(&bytes, &|| true).map_err(|e| e.to_string())?;
        let layout = VmLayout::new(&decoded.module);
        Ok(Input { bytes, decoded, layout })
    }

    /// Of text that must be a valid module.
    pub fn text(wat: &str) -> Input {
        Input::binary(wat::parse_str(wat).expect("well-formed text")).expect("a valid module")
    }

    /// The functions that the module defines.
    pub fn functions(&self) -> impl Iterator<Item = FunctionInput<'_>> {
        self.decoded.bodies.keys().map(|func| FunctionInput::of(&self.decoded, &self.bytes, &self.layout, func))
    }

    /// The function with this number among the defined ones.
    pub fn function(&self, number: u32) -> FunctionInput<'_> {
        FunctionInput::of(&self.decoded, &self.bytes, &self.layout, DefinedFuncIndex::from_u32(number))
    }
}

impl Input {
    /// The same, in whose code other functions' bodies may stand.
    pub fn with_callees(&self, number: u32, inlining: Inlining) -> FunctionInput<'_> {
        FunctionInput { callees: Callees::of(&self.decoded, &self.bytes, inlining), ..self.function(number) }
    }
}

/// Compiles the function with this number among the defined ones.
pub fn compile(compiler: &impl Compiler, wat: &str, number: u32) -> Result<CompiledFunction, CompileError> {
    compiler.compile(&Input::text(wat).function(number))
}
