//! What Sconce itself shows on a terminal: colours, a progress bar.

use crate::support::{Dir, outcome, wait};
use crate::terminal::Terminal;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;

/// Runs words to their end on a terminal, with variables.
fn shown(dir: &Dir, words: &str, variables: &[(&str, &str)]) -> String {
    let mut sconce = dir.sconce(words.split_whitespace());
    let mut terminal = Terminal::start(sconce.env("TERM", "xterm").envs(variables.iter().copied()));
    wait(&mut terminal.child);
    terminal.screen.expect("\n");
    terminal.screen.text()
}

#[test]
fn errors_have_the_colours_of_the_argument_parsers_unless_nobody_wants_them() {
    let dir = Dir::new();
    let colour = |text: &str| text.split("error:").next().expect("a beginning").to_owned();
    let parsers = shown(&dir, "run --no-such-flag", &[]);
    let ours = shown(&dir, "run missing.wasm", &[]);
    assert!(ours.contains("cannot read missing.wasm") && !colour(&ours).is_empty(), "{ours:?}");
    assert_eq!(colour(&ours), colour(&parsers));
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let plain = shown(&dir, "run missing.wasm", &variables);
        assert!(plain.starts_with("error: cannot read missing.wasm"), "{plain:?}");
    }
    assert!(dir.run("run missing.wasm").stderr.starts_with("error: "), "a pipe has no colours");
    let forced = outcome(dir.sconce(["run", "missing.wasm"]).env("CLICOLOR_FORCE", "1"));
    assert!(forced.stderr.starts_with(&colour(&ours)), "{forced:?}");
}

/// From here on this thread and the processes that it starts have one processor: how long something takes does not depend on how
/// many there are.
fn keep_to_one_processor() {
    let allowed = sched_getaffinity(None).expect("the processors of this process");
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("a processor");
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).expect("fewer processors");
}

/// A module that takes long to compile: many functions, each of which does.
fn long_work() -> String {
    let mut text = String::from("(module (memory 1)\n");
    for _ in 0..200 {
        text.push_str("(func (param i32) (result i32) (local i32 i32 i32 i32)\n");
        for n in 0..4000 {
            let (a, b) = (n % 5, (n * 7 + 3) % 5);
            let _ = writeln!(text, "(local.set {a} (i32.add (i32.load offset={n} (local.get {b})) (local.get {a})))");
        }
        text.push_str("(local.get 0))\n");
    }
    text + "(func (export \"_start\")))"
}

/// What is on the last line after control characters have been obeyed, and the longest line that was drawn.
fn last_line(screen: &str) -> (String, usize) {
    let (mut line, mut longest) = (String::new(), 0);
    let mut rest = screen;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if let Some(after) = rest.strip_prefix("[2K").filter(|_| c == '\x1b') {
            line.clear();
            rest = after;
        } else if c == '\x1b' {
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |at| at + 1);
            rest = &rest[end..];
        } else if c == '\r' || c == '\n' {
            line.clear();
        } else {
            line.push(c);
            longest = longest.max(line.chars().count());
        }
    }
    (line, longest)
}

#[test]
fn the_progress_bar_fits_and_is_gone_after_ctrl_c_and_timeout() {
    let dir = Dir::new();
    keep_to_one_processor();
    let name = format!("{}.wasm", "long-name-".repeat(10));
    let flags = ["--tier", "cranelift", "--bounds", "explicit", "--cache", "off"];
    dir.file(&name, wat::parse_str(long_work()).expect("it parses"));
    for columns in [40, 80, 200] {
        let mut sconce = dir.sconce(flags.iter().copied().chain([name.as_str()]));
        let mut terminal = Terminal::start_with(sconce.env("TERM", "xterm"), columns);
        terminal.screen.expect("compiling long-name");
        terminal.press(b"\x03");
        assert_eq!(wait(&mut terminal.child).signal(), Some(signal_hook::consts::SIGINT));
        let screen = terminal.screen.whole();
        let (line, longest) = last_line(&screen);
        assert!(line.is_empty() || line == "^C", "{line:?} in {screen:?}");
        assert!(longest <= columns.into(), "{longest}");
    }
    // A terminal that was stopped holds nobody up.
    let mut sconce = dir.sconce(flags.iter().copied().chain([name.as_str()]));
    let mut terminal = Terminal::start(sconce.env("TERM", "xterm"));
    terminal.screen.expect("compiling long-name");
    terminal.press(b"\x13");
    kill_process(Pid::from_child(&terminal.child), Signal::TERM).expect("a process");
    assert_eq!(wait(&mut terminal.child).signal(), Some(signal_hook::consts::SIGTERM));
    // A message takes its place.
    let mut sconce = dir.sconce(flags.iter().copied().chain(["--timeout", "4s", name.as_str()]));
    let mut terminal = Terminal::start(sconce.env("TERM", "xterm"));
    assert_eq!(wait(&mut terminal.child).code(), Some(124));
    terminal.screen.expect("timed out after 4s");
    let text = terminal.screen.text();
    let before = text.split("\x1b[1m\x1b[31merror").next().expect("a beginning");
    assert!(before.contains("compiling") && last_line(before).0.is_empty(), "{text:?}");
}
