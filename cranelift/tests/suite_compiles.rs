//! Every function of every module of the official suite compiles, with both bounds styles and both ways to call; the
//! debug build verifies the IR.

use sconce_cranelift::CraneliftCompiler;
use sconce_test_support::all_settings;
use sconce_test_support::suite::compile_every_module;

#[test]
fn every_module_compiles() {
    for settings in all_settings() {
        compile_every_module(&CraneliftCompiler::new(&settings).expect("a compiler for the host"));
    }
}
