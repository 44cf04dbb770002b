//! From a path on the command line to a compiled module.

use crate::cli::{CompilerArgs, Tier};
use crate::progress::Bar;
use crate::report::{Failure, reason};
use sconce_engine::environ::compile::CallStyle;
use sconce_engine::{Config, Engine, Error, Module};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file's private copy, and what messages call it.
#[derive(Debug)]
pub struct Input {
    /// The path as given, or `standard input`.
    pub name: String,
    /// Everything in it.
    pub bytes: Vec<u8>,
}

/// Reads a module; `-` is standard input.
///
/// # Errors
/// Which path, and why.
pub fn read(path: &Path) -> Result<Input, Failure> {
    // One byte above what a module may have: enough for the decoder to say so, however much is behind it.
    const MOST: u64 = 1 << 32;
    let mut bytes = Vec::new();
    let (name, result) = if path.as_os_str() == "-" {
        ("standard input".to_owned(), io::stdin().lock().take(MOST).read_to_end(&mut bytes))
    } else {
        (path.display().to_string(), File::open(path).and_then(|f| f.take(MOST).read_to_end(&mut bytes)))
    };
    match result {
        Ok(_) => Ok(Input { name, bytes }),
        Err(e) => Err(Failure::not_run(format!("cannot read {name}: {}", reason(&e)))),
    }
}

/// The engine's configuration as far as the compiler's flags say it.
pub fn config(args: &CompilerArgs) -> Config {
    let tier = match args.tier {
        Tier::Auto => sconce_engine::Tier::Auto,
        Tier::Cranelift => sconce_engine::Tier::Cranelift,
    };
    let calls = args.calls.unwrap_or(CallStyle::Direct);
    Config::new().bounds(args.bounds).calls(calls).canonical_nans(args.canonical_nans).tier(tier)
}

/// An engine; where guards could not be had, says so.
///
/// # Errors
/// What the system refuses.
pub fn engine(config: &Config) -> Result<Engine, Failure> {
    let engine = Engine::new(config).map_err(|e| Failure::not_run(e.to_string()))?;
    if let Some(notice) = engine.fallback_notice() {
        crate::report::complain(&format!("warning: {notice}"));
    }
    Ok(engine)
}

/// Whether what `sconce compile` wrote is taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Precompiled {
    /// Yes: it is trusted.
    Allowed,
    /// No, since it is machine code.
    Refused,
}

/// Compiles a module, or takes it from the cache; a bar is shown where that lasts.
///
/// # Errors
/// What is wrong with it, with its name.
pub fn compile(engine: &Engine, input: &Input, precompiled: Precompiled) -> Result<Module, Failure> {
    let Input { name, bytes } = input;
    if Module::is_artifact(bytes) {
        return match precompiled {
            Precompiled::Allowed => Module::deserialize(engine, bytes).map_err(|e| wrong(name, &e)),
            Precompiled::Refused => Err(Failure::not_run(format!(
                "{name}: this is machine code that 'sconce compile' wrote; if you trust it as you would a program, add --allow-precompiled"
            ))),
        };
    }
    Module::new_with_progress(engine, bytes, &Bar::new(name)).map_err(|e| wrong(name, &e))
}

/// An error of the module's.
pub fn wrong(name: &str, error: &Error) -> Failure {
    Failure::not_run(format!("{name}: {error}"))
}
