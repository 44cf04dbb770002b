//! Every script in every configuration, a test each: `wasm-v2/memory_copy/cranelift-guard-direct`.

use libtest_mimic::{Arguments, Failed, Trial};
use sconce_engine::Engine;
use sconce_spec_testsuite::{Configuration, Expectations, Script, scripts};
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let expectations = match Expectations::load() {
        Ok(e) => Arc::new(e),
        Err(e) => {
            eprintln!("expectations.toml: {e}");
            return ExitCode::FAILURE;
        }
    };
    // One process for each test is how some runners have it: that one must not look at every script.
    let wanted = |name: &str| !arguments.exact || arguments.filter.as_deref().is_none_or(|filter| filter == name);
    let mut trials = Vec::new();
    for configuration in Configuration::all() {
        let mut engines = HashMap::new();
        for script in scripts() {
            let name = format!("{}/{}", script.name, configuration.name());
            if !wanted(&name) || !configuration.covers(&script) {
                continue;
            }
            let engine: &mut Arc<OnceLock<_>> = engines.entry(script.features).or_default();
            let (engine, expectations) = (Arc::clone(engine), expectations.clone());
            trials.push(Trial::test(name, move || run(&script, &configuration, &engine, &expectations)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(
    script: &Script,
    configuration: &Configuration,
    engine: &OnceLock<Result<Engine, String>>,
    expectations: &Expectations,
) -> Result<(), Failed> {
    let engine = engine.get_or_init(|| configuration.engine(script.features).map_err(|e| e.to_string())).as_ref()?;
    let file = format!("{}.wast", script.name);
    let report = sconce_wast::run_script(engine, &file, script.text, &sconce_wast::Options::default());
    // The runner divides a script by itself; none may get lost on the way.
    let (run, all) = (report.passed + report.failures.len(), script.directives().map_err(|e| e.to_string())?);
    if run != all {
        return Err(format!("{run} of {all} directives were run").into());
    }
    expectations.judge(&script.name, &configuration.name(), report.failures.len()).map_err(|e| format!("{report}\n{e}").into())
}
