//! `--trace-wasi`: where calls are written to.

use crate::cli::{RunArgs, TraceFormat};
use crate::load;
use crate::report::{self, Failure, reason};
use sconce_wasi::Trace;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The trace, if one is wanted. It keeps its descriptor: a confined process opens no more files, and a program may close standard
/// error. `threads` says whether lines have the numbers of threads.
///
/// # Errors
/// Why the file cannot be made.
pub fn open(args: &RunArgs, threads: bool) -> Result<Option<Trace>, Failure> {
    let Some(file) = &args.trace_wasi else { return Ok(None) };
    let name = match file {
        Some(path) => format!("--trace-wasi {}", load::path_name(path)),
        None => "--trace-wasi: standard error".to_owned(),
    };
    let failed = |why: &dyn std::fmt::Display| Failure::not_run(format!("{name}: {why}"));
    let out: OwnedFd = match file {
        Some(path) => made_for_the_user(path).map_err(|e| failed(&reason(&e)))?.into(),
        None if sconce_engine::closed_at_start()[2] => return Err(failed(&"it is closed; --trace-wasi=FILE writes to a file")),
        None => std::io::stderr().as_fd().try_clone_to_owned().map_err(|e| failed(&reason(&e)))?,
    };
    let format = match args.trace_wasi_format {
        TraceFormat::Text => sconce_wasi::TraceFormat::Text,
        TraceFormat::Json => sconce_wasi::TraceFormat::Json,
    };
    let lost = move |e| report::warn(&format!("{name}: {}; the trace ends here, and the program runs on", reason(&e)));
    Ok(Some(Trace::new(out, format, threads, lost)))
}

/// What a program reads and writes is nobody else's to read.
fn made_for_the_user(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}
