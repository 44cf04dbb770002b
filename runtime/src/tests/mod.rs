//! Tests of the whole crate with wasm functions assembled by hand.

mod build;
mod bulk;
mod calls;
mod interrupts;
mod items;
mod limits;
mod ranges;
mod traps;

use std::process::{Command, ExitStatus};

/// Runs the calling test again in a process of its own, for what would end the process. `None` in that process.
fn in_child(test: &str) -> Option<ExitStatus> {
    const CHILD: &str = "SCONCE_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let name = format!("tests::{test}");
    let output = Command::new(std::env::current_exe().unwrap()).args(["--exact", &name, "--nocapture"]).env(CHILD, "1").output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{name} is no test: {text}");
    Some(output.status)
}
