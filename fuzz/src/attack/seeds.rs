//! What mutation begins with: every module of the official suite, and the guests that tests use.

use sconce_engine::environ::features::Features;
use sconce_spec_testsuite::scripts;
use std::collections::BTreeSet;
use std::path::Path;
use wasmparser::Validator;
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::{QuoteWat, Wast, WastDirective, WastExecute, Wat};

/// What is longer is compiled too seldom in a second.
const LONGEST: usize = 24 << 10;

/// What is compiled in no time.
const SHORT: usize = 5 << 10;

/// Modules of a script, whether they are meant to be valid or not.
fn of_script(text: &str) -> Vec<Vec<u8>> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else { return Vec::new() };
    let Ok(script) = parse::<Wast>(&buffer) else { return Vec::new() };
    let encode = |directive| match directive {
        WastDirective::Module(mut wat)
        | WastDirective::ModuleDefinition(mut wat)
        | WastDirective::AssertMalformed { module: mut wat, .. }
        | WastDirective::AssertInvalid { module: mut wat, .. } => wat.encode().ok(),
        WastDirective::AssertTrap { exec: WastExecute::Wat(mut wat), .. } => wat.encode().ok(),
        WastDirective::AssertUnlinkable { module: Wat::Module(module), .. } => QuoteWat::Wat(Wat::Module(module)).encode().ok(),
        _ => None,
    };
    script.directives.into_iter().filter_map(encode).collect()
}

/// The guests in this repository, with their contents; in order of their names.
fn guests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests");
    let mut paths: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "wasm"))
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

/// Each module once.
pub fn modules() -> Vec<Vec<u8>> {
    let scripts = scripts();
    let all = scripts.iter().flat_map(|script| of_script(script.text)).chain(guests());
    let mut seen = BTreeSet::new();
    all.filter(|module| module.len() <= LONGEST && seen.insert(blake3::hash(module).to_hex())).collect()
}

/// Those that are valid.
pub fn valid_modules() -> Vec<Vec<u8>> {
    let features = Features::SUPPORTED.wasmparser();
    let is_valid = |module: &Vec<u8>| Validator::new_with_features(features).validate_all(module).is_ok();
    modules().into_iter().filter(is_valid).collect()
}

/// Scripts, as text.
pub fn texts() -> Vec<Vec<u8>> {
    scripts().iter().map(|script| script.text.as_bytes()).filter(|text| text.len() <= LONGEST).map(<[u8]>::to_vec).collect()
}

/// Programs with names and lines for backtraces, which trap.
pub fn with_debug_sections() -> Vec<Vec<u8>> {
    guests().into_iter().filter(|module| module.windows(11).any(|w| w == b".debug_info") || module.len() <= SHORT).collect()
}
