//! `sconce compile`.

use crate::cli::CompileArgs;
use crate::load;
use crate::report::{Failure, reason};
use sconce_engine::Artifact;
use std::fs::{File, OpenOptions};
use std::path::Path;

/// Compiles, and writes the result in one step: the output is there whole, or as it was before.
///
/// # Errors
/// A message for people.
pub fn compile(args: &CompileArgs) -> Result<(), Failure> {
    sconce_engine::LargePages::avoid();
    let output = match &args.output {
        Some(output) => output.clone(),
        None if args.file.as_os_str() == "-" => return Err(Failure::usage("a module from standard input needs --output")),
        // As compilers do: beside the module may be no place to write to.
        None => match args.file.file_name() {
            Some(name) => Path::new(name).with_extension("cwasm"),
            None => return Err(Failure::usage(format!("{} has no file name: choose one with --output", load::name(&args.file)))),
        },
    };
    let input = load::open(&args.file)?;
    let engine = load::engine(&load::config(&args.compiler))?;
    let artifact = load::precompile(&engine, input)?;
    write(&output, &artifact).map_err(|e| Failure::not_run(format!("cannot write {}: {}", load::path_name(&output), reason(&e))))
}

fn write(output: &Path, artifact: &Artifact) -> std::io::Result<()> {
    // A device or a pipe is written, not replaced.
    if output.metadata().is_ok_and(|m| !m.is_file()) {
        return OpenOptions::new().write(true).truncate(true).open(output).and_then(|mut file| artifact.write(&mut file));
    }
    let mut name = output.file_name().ok_or_else(|| std::io::Error::other("it has no file name"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = output.with_file_name(name);
    let result = File::create_new(&temporary)
        .and_then(|mut file| artifact.write_new(&mut file))
        .and_then(|()| std::fs::rename(&temporary, output));
    if result.is_err() {
        // It is ours, or was never made.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}
