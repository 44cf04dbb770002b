//! Little address space, as `ulimit -v 2000000` leaves it: less than a guarded memory reserves. Sconce says that it checks
//! accesses explicitly instead, and everything runs.

use crate::support::{SCONCE, TIER, clean, dir, guest, program, run};
use std::process::Command;

/// `sconce run` in a shell that has limited itself.
fn limited() -> Command {
    let mut command = Command::new("sh");
    clean(&mut command).args(["-c", "ulimit -v 2000000; exec \"$@\"", "sh", SCONCE, "run", TIER]);
    command
}

#[test]
fn hello_runs_and_the_fallback_is_said() {
    let ended = run(limited().arg(guest("hello.wasm")), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "Hello from WebAssembly!\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("ulimit -v") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
}

#[test]
fn python_runs() {
    let script = "import json, re; print(json.dumps({'a': [1, 2.5]}), re.sub('b', 'c', 'abc'), sum(range(100000)))";
    let ended = run(limited().arg(dir(&program("python-fs"), "/")).arg(program("python.wasm")).args(["-c", script]), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{\"a\": [1, 2.5]} acc 4999950000\n"), "{}", ended.stderr);
}
