//! Programs with threads: however one of them ends, the process ends cleanly, and as it says.

use crate::support::{Dir, Outcome, contains, finish, outcome, start};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/src/threads.wat");

/// Runs an export of the program, in each bounds style and with each way to call.
fn each(flags: &str, export: &str, args: &[&str], check: impl Fn(Outcome)) {
    let dir = Dir::new();
    let lazy = "--lazy-from 0 --cache off";
    for style in ["--tier cranelift --bounds guard", "--tier cranelift --bounds explicit --calls slots", "--tier lightbeam", lazy]
    {
        let mut words: Vec<&str> = ["run"].into_iter().chain(flags.split_whitespace()).chain(style.split(' ')).collect();
        words.extend(["--invoke", export, PROGRAM]);
        words.extend(args);
        check(outcome(&mut dir.sconce(words)));
    }
}

#[test]
fn threads_share_memory_and_are_joined() {
    each("", "count", &["12"], |o| assert_eq!(o.ok(), "12\n12000\n"));
    each("", "nested", &[], |o| assert_eq!(o.ok(), "10000\n"));
    each("", "grow", &[], |o| assert_eq!(o.ok(), "101\n"));
}

#[test]
fn there_are_as_many_as_the_flag_says_at_once() {
    each("--max-threads 3", "start and leave", &["5"], |o| assert_eq!(o.ok(), "3\n"));
    each("--max-threads 0", "count", &["5"], |o| assert_eq!(o.ok(), "0\n0\n"));
    each("--max-threads 1", "one by one", &["50"], |o| assert_eq!(o.ok(), "50\n"));
}

#[test]
fn memory_is_limited_for_all_together() {
    // Half of it could grow: a thread that finds no page stores far outside.
    let check = |o: Outcome| contains(&o.fails(134), &["out of bounds memory access"]);
    each("--max-memory 3M", "grow", &[], check);
}

#[test]
fn an_exit_in_any_thread_ends_the_process() {
    each("", "exit", &[], |o| assert_eq!((o.code(), o.stderr.as_str()), (7, "")));
    each("", "exit while it spins", &[], |o| assert_eq!(o.code(), 7));
    each("", "main exits", &[], |o| assert_eq!((o.code(), o.stderr.as_str()), (9, "")));
    each("", "main returns", &[], |o| assert_eq!(o.ok(), ""));
    let dir = Dir::new();
    assert_eq!(dir.run(&format!("run {PROGRAM}")).code(), 7);
}

#[test]
fn a_trap_in_any_thread_ends_the_process_with_its_backtrace() {
    each("", "trap", &[], |o| contains(&o.fails(134), &["error: unreachable", " trap\n", " wasi_thread_start\n"]));
    each("", "main traps", &[], |o| contains(&o.fails(134), &["error: unreachable", "   0: "]));
    each("", "overflow", &[], |o| contains(&o.fails(134), &["error: call stack exhausted", "overflow"]));
}

#[test]
fn a_timeout_ends_all() {
    for export in ["all spin", "all wait"] {
        each("--timeout 2s", export, &[], |o| {
            assert_eq!((o.code(), o.stderr.as_str()), (124, "error: timed out after 2s (--timeout)\n"));
        });
    }
}

#[test]
fn a_signal_ends_all() {
    let dir = Dir::new();
    for export in ["all spin", "all wait"] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut child: Child = start(&mut dir.sconce(["run", "--invoke", export, PROGRAM]));
            let mut hello = [0; 6];
            child.stdout.as_mut().expect("a pipe").read_exact(&mut hello).expect("it says hello");
            kill_process(Pid::from_child(&child), signal).expect("a child");
            let outcome = finish(child);
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (1000 + signal.as_raw(), ""), "{export}");
        }
    }
}

#[test]
fn quit_says_where_each_thread_is() {
    let dir = Dir::new();
    for (export, frame) in [("all spin", " spin\n"), ("all wait", " sleep\n")] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -c 0; exec \"$@\"", "sh"]).arg(dir.sconce([""; 0]).get_program());
        shell.args(["run", "--cache=off", "--invoke", export, PROGRAM]).current_dir(dir.path());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start(&mut shell);
        let mut hello = [0; 6];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut hello).expect("it says hello");
        kill_process(Pid::from_child(&child), Signal::QUIT).expect("a child");
        let outcome = finish(child);
        assert_eq!(outcome.code(), 1000 + Signal::QUIT.as_raw(), "{outcome:?}");
        let (first, others) = outcome.stderr.split_at(outcome.stderr.find("thread ").expect("another thread"));
        contains(first, &["quit\n", "   0: "]);
        let started = others.matches("thread ").count();
        assert!(started > 1, "{others}");
        for text in [frame, " wasi_thread_start\n"] {
            assert_eq!(others.matches(text).count(), started, "{others}");
        }
    }
}

#[test]
fn what_cannot_start_threads_is_refused_before_it_runs() {
    let dir = Dir::new();
    let import = r#"(import "wasi" "thread-spawn" (func (param i32) (result i32)))"#;
    dir.file("none.wat", format!(r#"(module {import} (func (export "_start")))"#));
    contains(&dir.run("run none.wat").fails(1), &["none.wat", "no function wasi_thread_start: (i32, i32) -> ()"]);
    dir.file("lib.wat", r#"(module (func (export "f")))"#);
    dir.file(
        "both.wat",
        format!(
            r#"(module {import} (import "lib" "f" (func)) (func (export "_start"))
                (func (export "wasi_thread_start") (param i32 i32)))"#
        ),
    );
    contains(&dir.run("run --preload lib=lib.wat both.wat").fails(1), &["cannot import \"lib\" \"f\"", "--preload"]);
    // Not shared either, but not its own.
    dir.file("memory.wat", r#"(module (memory (export "m") 1))"#);
    dir.file(
        "other.wat",
        format!(
            r#"(module {import} (import "lib" "m" (memory 1)) (func (export "_start"))
                (func (export "wasi_thread_start") (param i32 i32)))"#
        ),
    );
    let other = dir.run("run --preload lib=memory.wat other.wat");
    contains(&other.fails(1), &["cannot import \"lib\" \"m\"", "--preload"]);
    for (memory, shared) in [("1 1 shared", false), ("1", false), ("1 1 shared", true)] {
        let other = if shared { r#"(import "env" "memory" (memory 1 1 shared))"# } else { "" };
        dir.file(
            "own.wat",
            format!(
                r#"(module {import} {other} (memory (export "memory") {memory}) (func (export "_start"))
                    (func (export "wasi_thread_start") (param i32 i32)))"#
            ),
        );
        let outcome = dir.run("run own.wat");
        if shared {
            assert_eq!(outcome.ok(), "", "one of its memories is shared");
        } else {
            contains(&outcome.fails(1), &["own.wat", "defines its memory", "--import-memory"]);
        }
    }
    dir.file("start.wat", format!(r#"(module {import} (func (export "f")))"#));
    dir.file("plain.wat", r#"(module (func (export "_start")))"#);
    contains(&dir.run("run --preload x=start.wat plain.wat").fails(1), &["only the program itself starts threads"]);
}

#[test]
fn host_calls_use_the_memory_that_is_exported_by_name() {
    let dir = Dir::new();
    // The first memory has other bytes at the same place; the third one is shared.
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory 1) (memory $second 1) (memory 1 1 shared)
        (export "memory" (memory $second))
        (data (i32.const 16) "wrong\n") (data (memory $second) (i32.const 16) "right\n")
        (func (export "_start")
            (i32.store $second (i32.const 0) (i32.const 16))
            (i32.store $second (i32.const 4) (i32.const 6))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    dir.file("a.wat", text);
    assert_eq!(dir.run("run a.wat").ok(), "right\n");
    let shown = dir.run("inspect a.wat").ok();
    contains(
        &shown,
        &["1: 1 pages (64 KiB) at first, exported as \"memory\"", "2: 1 pages (64 KiB) at first, at most 1 (64 KiB), shared"],
    );
    contains(&shown, &["multi-memory", "threads"]);
}

#[test]
fn a_shared_memory_is_made_for_a_program_without_threads_too() {
    let dir = Dir::new();
    dir.file(
        "a.wat",
        r#"(module (import "a" "m" (memory 2 5 shared)) (func (export "f") (result i32) (memory.grow (i32.const 3))))"#,
    );
    assert_eq!(dir.run("run --invoke f a.wat").ok(), "2\n");
    assert_eq!(dir.run("run --max-memory 256K --invoke f a.wat").ok(), "-1\n");
}
