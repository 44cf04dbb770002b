//! `sconce compile`.

use crate::cli::{CompileArgs, Tier};
use crate::load::{self, Precompiled};
use crate::report::{Failure, reason};
use std::io::Write;
use std::path::Path;

/// Compiles, and writes the result in one step: the output is there whole, or as it was before.
///
/// # Errors
/// A message for people.
pub fn compile(args: &CompileArgs) -> Result<(), Failure> {
    let output = match &args.output {
        Some(output) => output.clone(),
        None if args.file.as_os_str() == "-" => return Err(Failure::usage("a module from standard input needs --output")),
        None => args.file.with_extension("cwasm"),
    };
    let input = load::open(&args.file)?;
    let name = input.name.clone();
    let mut config = load::config(&args.compiler);
    if args.compiler.tier == Tier::Auto {
        // No run waits for it.
        config = config.tier(sconce_engine::Tier::Cranelift);
    }
    let engine = load::engine(&config)?;
    let module = load::compile(&engine, input, Precompiled::Refused)?;
    let bytes = module.serialize().map_err(|e| load::wrong(&name, &e))?;
    write(&output, &bytes).map_err(|e| Failure::not_run(format!("cannot write {}: {}", output.display(), reason(&e))))
}

fn write(output: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A device or a pipe is written, not replaced.
    if output.metadata().is_ok_and(|m| !m.is_file()) {
        return std::fs::write(output, bytes);
    }
    let mut name = output.file_name().ok_or_else(|| std::io::Error::other("it has no file name"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = output.with_file_name(name);
    let result = std::fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, output));
    if result.is_err() {
        // It is ours, or was never made.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}
