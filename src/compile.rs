//! `sconce compile`.

use crate::cli::CompileArgs;
use crate::load;
use crate::report::{self, Failure, reason};
use sconce_engine::Artifact;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
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
    let to_stdout = output.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Err(Failure::usage("--output -: standard output is a terminal, and this is machine code; redirect it to a file"));
    }
    let input = load::open(&args.file)?;
    load::refuse_compiled(&input, "this is already compiled; compile the module that it was made from")?;
    // Whatever path leads there: the module would be replaced by its own code.
    let place =
        if to_stdout { rustix::fs::fstat(rustix::stdio::stdout()).ok().map(|s| (s.st_dev, s.st_ino)) } else { place(&output) };
    if place.is_some() && place == input.place() {
        let name = if to_stdout { "standard output".to_owned() } else { load::path_name(&output) };
        return Err(Failure::usage(format!("{name} is the module itself; choose another --output")));
    }
    let engine = load::engine(&load::config(&args.compiler))?;
    let artifact = load::precompile(&engine, input)?;
    if to_stdout {
        return report::write(|out| artifact.write(out));
    }
    write(&output, &artifact).map_err(|e| Failure::not_run(format!("cannot write {}: {}", load::path_name(&output), reason(&e))))
}

/// The device and inode that a path leads to.
fn place(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|m| (m.dev(), m.ino()))
}

fn write(output: &Path, artifact: &Artifact) -> io::Result<()> {
    // A device or a pipe is written, not replaced.
    if output.metadata().is_ok_and(|m| !m.is_file()) {
        return OpenOptions::new().write(true).truncate(true).open(output).and_then(|mut file| artifact.write(&mut file));
    }
    let mut name = output.file_name().ok_or_else(|| io::Error::other("it has no file name"))?.to_owned();
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
