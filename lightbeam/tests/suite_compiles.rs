//! Every function of every module of the official suite compiles, in every setting, with and without the processor's newer
//! instructions; the debug build checks the abstract state after each operator.

use sconce_environ::compile::Settings;
use sconce_lightbeam::LightbeamCompiler;
use sconce_test_support::all_settings;
use sconce_test_support::suite::compile_every_module;

#[test]
fn every_module_compiles() {
    for settings in all_settings() {
        compile_every_module(
            &LightbeamCompiler::new(&Settings { canonical_nans: true, baseline: true, ..settings.clone() }).unwrap(),
        );
        compile_every_module(&LightbeamCompiler::new(&settings).unwrap());
    }
}
