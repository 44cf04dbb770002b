//! `sconce wast`.

use crate::cli::WastArgs;
use crate::load;
use crate::report::{Failure, list, print};
use sconce_wast::{Options, run_script};

/// Runs scripts, prints every directive that fails, and a summary.
///
/// # Errors
/// When a script cannot be read, or a directive failed (which has been printed: the message is the summary).
pub fn wast(args: &WastArgs) -> Result<(), Failure> {
    let engine = load::engine(&load::config(&args.compiler))?;
    let options = Options { print: Some(std::sync::Arc::new(|line| drop(print(&format!("{line}\n"))))), strict_messages: false };
    let (mut passed, mut failed, mut unread) = (0, 0, 0);
    for path in &args.files {
        match load::script(path) {
            Ok((name, text)) => {
                let report = run_script(&engine, &name, &text, &options);
                for failure in &report.failures {
                    list(&format!("{failure}\n"))?;
                }
                passed += report.passed;
                failed += report.failures.len();
            }
            Err(why) => {
                crate::report::error(&why.message);
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
