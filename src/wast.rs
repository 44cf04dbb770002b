//! `sconce wast`.

use crate::cli::WastArgs;
use crate::load;
use crate::report::{Failure, harmless, print, reason};
use sconce_wast::{Options, run_script};
use std::path::Path;

/// Runs scripts, prints every directive that fails, and a summary.
///
/// # Errors
/// When a script cannot be read, or a directive failed (which has been printed: the message is the summary).
pub fn wast(args: &WastArgs) -> Result<(), Failure> {
    let engine = load::engine(&load::config(&args.compiler))?;
    let options = Options { print: Some(std::sync::Arc::new(|line| drop(print(&format!("{line}\n"))))), strict_messages: false };
    let (mut passed, mut failed, mut unread) = (0, 0, 0);
    for path in &args.files {
        match read(path) {
            Ok(text) => {
                let report = run_script(&engine, &path.display().to_string(), &text, &options);
                for failure in &report.failures {
                    print(&harmless(&format!("{failure}\n")))?;
                }
                passed += report.passed;
                failed += report.failures.len();
            }
            Err(why) => {
                crate::report::error(&why);
                unread += 1;
            }
        }
    }
    let files = args.files.len();
    let summary = format!("{files} script{}: {passed} passed, {failed} failed", if files == 1 { "" } else { "s" });
    print(&format!("{summary}\n"))?;
    match (failed, unread) {
        (0, 0) => Ok(()),
        (0, n) => Err(Failure::not_run(format!("{n} of {files} scripts could not be read"))),
        (n, _) => Err(Failure::not_run(format!("{n} directive{} failed", if n == 1 { "" } else { "s" }))),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {}", path.display(), reason(&e)))?;
    String::from_utf8(bytes).map_err(|e| format!("{}: not UTF-8 at byte {}", path.display(), e.utf8_error().valid_up_to()))
}
