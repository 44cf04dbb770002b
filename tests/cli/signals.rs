//! Signals, terminals, time limits, pipes whose reader has gone.

use crate::support::{Dir, binary, command, finish, outcome, start, wait};
use crate::terminal::{Seen, Terminal};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Says hello, then waits for input.
fn prompt() -> String {
    command(r#"(func $wait (call $hello) (call $read)) (func (export "_start") (call $wait))"#)
}

/// Says hello, then loops.
fn forever() -> String {
    command(r#"(func $spin (call $hello) (loop (br 0))) (func (export "_start") (call $spin))"#)
}

/// The same program with no signal ignored: whoever runs the tests in the background ignores some.
fn all_signals(program: &Command) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program.get_program()).args(program.get_args());
    command.current_dir(program.get_current_dir().expect("the test's"));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a process");
}

const CTRL_C: &[u8] = b"\x03";
const CTRL_BACKSLASH: &[u8] = b"\x1c";

#[test]
fn ctrl_c_ends_by_sigint() {
    let dir = Dir::new();
    for guest in [prompt(), forever()] {
        dir.file("guest.wat", guest);
        let mut terminal = Terminal::start(&mut dir.sconce(["guest.wat"]));
        terminal.screen.expect("hello");
        terminal.press(CTRL_C);
        assert_eq!(wait(&mut terminal.child).signal(), Some(Signal::INT.as_raw()), "{}", terminal.screen.text());
        assert!(!terminal.screen.text().contains("error"), "{}", terminal.screen.text());
    }
}

#[test]
fn ctrl_c_stops_a_shells_loop() {
    let dir = Dir::new();
    dir.file("guest.wat", prompt());
    let script = format!("for i in 1 2 3; do '{}' guest.wat; echo again; done", binary());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script])
        .current_dir(dir.path())
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .env("XDG_STATE_HOME", dir.path().join("state"));
    let mut terminal = Terminal::start(&mut bash);
    terminal.screen.expect("hello");
    terminal.press(CTRL_C);
    assert_eq!(wait(&mut terminal.child).signal(), Some(Signal::INT.as_raw()));
    assert!(!terminal.screen.text().contains("again"), "{}", terminal.screen.text());
}

#[test]
fn quit_prints_the_guests_backtrace() {
    let dir = Dir::new();
    for (guest, frame) in [(forever(), "spin"), (prompt(), "wait")] {
        dir.file("guest.wat", guest);
        let mut shell = dir.sconce([""; 0]);
        shell = {
            let mut sh = Command::new("sh");
            sh.args(["-c", "ulimit -c 0; exec \"$0\" guest.wat"]).arg(shell.get_program()).current_dir(dir.path());
            sh.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
            sh
        };
        let mut terminal = Terminal::start(&mut shell);
        terminal.screen.expect("hello");
        terminal.press(CTRL_BACKSLASH);
        assert_eq!(wait(&mut terminal.child).signal(), Some(Signal::QUIT.as_raw()));
        for text in ["quit\r\n", frame, "_start"] {
            terminal.screen.expect(text);
        }
    }
}

#[test]
fn signals_end_the_process_as_they_are() {
    let dir = Dir::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        for guest in [prompt(), forever()] {
            dir.file("guest.wat", guest);
            let mut child = start(&mut all_signals(&dir.sconce(["guest.wat"])));
            let stdout = Seen::of(child.stdout.take().expect("a pipe"));
            stdout.expect("hello");
            send(&child, signal);
            let out = finish(child);
            assert_eq!((out.status.signal(), out.stderr.as_str()), (Some(signal.as_raw()), ""));
        }
    }
}

#[test]
fn a_signal_that_the_program_raises_ends_the_process() {
    let dir = Dir::new();
    // 15 is SIGTERM's number in WASI too, and 13 is SIGPIPE's, whose default WASI has as nothing.
    for (signal, ended) in [(15, Some(Signal::TERM.as_raw())), (13, None)] {
        dir.file(
            "raise.wat",
            format!(
                r#"(module (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (memory (export "memory") 1) (func (export "_start") (drop (call $raise (i32.const {signal})))))"#
            ),
        );
        let out = dir.run("raise.wat");
        assert_eq!((out.status.signal(), out.stderr.as_str()), (ended, ""), "{signal}");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let dir = Dir::new();
    dir.file("guest.wat", forever());
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP INT; exec \"$0\" guest.wat", binary()]).current_dir(dir.path());
    shell.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    let mut child = start(&mut all_signals(&shell));
    Seen::of(child.stdout.take().expect("a pipe")).expect("hello");
    send(&child, Signal::HUP);
    send(&child, Signal::INT);
    send(&child, Signal::TERM);
    assert_eq!(wait(&mut child).signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_second_signal_does_not_wait() {
    let dir = Dir::new();
    dir.file("guest.wat", forever());
    // Nobody reads standard error, and it is full: the backtrace that the first signal asks for cannot be written.
    let (reader, mut full) = std::io::pipe().expect("a pipe");
    let flags = rustix::fs::fcntl_getfl(&full).expect("flags");
    rustix::fs::fcntl_setfl(&full, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
    while full.write(&[0; 4096]).is_ok() {}
    while full.write(&[0]).is_ok() {}
    rustix::fs::fcntl_setfl(&full, flags).expect("flags");
    let mut child = start(all_signals(&dir.sconce(["guest.wat"])).stderr(full));
    Seen::of(child.stdout.take().expect("a pipe")).expect("hello");
    send(&child, Signal::QUIT);
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().expect("a child").is_none(), "the message was written?");
    send(&child, Signal::INT);
    assert_eq!(wait(&mut child).signal(), Some(Signal::INT.as_raw()));
    drop(reader);
}

/// A module that takes a while to compile, and does nothing.
fn large(functions: usize) -> Vec<u8> {
    let body = "(local.set 0 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.const 7)))".repeat(1000);
    let function = format!("(func (param i32 i32) (result i32) {body} (local.get 0))");
    let text = format!("(module {} (func (export \"_start\")))", function.repeat(functions));
    wat::parse_str(text).expect("the text is right")
}

#[test]
fn a_long_compilation_shows_a_bar_on_a_terminal_and_can_be_stopped() {
    let dir = Dir::new();
    dir.file("large.wasm", large(600));
    // The compiler that takes long.
    for words in [&["--tier=cranelift", "--cache", "off", "large.wasm"][..], &["compile", "--tier=cranelift", "large.wasm"]] {
        let mut terminal = Terminal::start(&mut dir.sconce(words));
        terminal.screen.expect("compiling large.wasm");
        terminal.press(CTRL_C);
        assert_eq!(wait(&mut terminal.child).signal(), Some(Signal::INT.as_raw()));
    }
    assert!(!dir.path().join("large.cwasm").exists());
}

#[test]
fn a_timeout_covers_compilation() {
    let dir = Dir::new();
    dir.file("large.wasm", large(150));
    for command in ["--cache off --timeout 1ms large.wasm", "--cache off --timeout 1ms --preload p=large.wasm large.wasm"] {
        let out = dir.run(command);
        assert_eq!(
            (out.code(), &*out.stderr),
            (124, "error: timed out after 1ms (--timeout), before large.wasm was compiled\n"),
            "{out:?}"
        );
    }
    // A module that never comes whole is no other case.
    let mut child = start(dir.sconce(["--timeout", "200ms", "-"]).stdin(Stdio::piped()));
    let stdin = child.stdin.take();
    let out = finish(child);
    drop(stdin);
    assert_eq!(
        (out.code(), &*out.stderr),
        (124, "error: timed out after 200ms (--timeout), before standard input was compiled\n"),
        "{out:?}"
    );
}

#[test]
fn no_bar_is_shown_elsewhere_than_on_a_terminal() {
    let dir = Dir::new();
    dir.file("large.wasm", large(150));
    assert_eq!(dir.run("--cache off --timeout 1h large.wasm").ok(), "");
}

/// Nobody reads standard error, and the pipe is full: neither the report of a trap nor the word that time is
/// over holds up the end.
#[test]
fn a_timeout_ends_what_is_said_too() {
    let dir = Dir::new();
    dir.file("trap.wat", r#"(module (func (export "_start") unreachable))"#);
    dir.file("spin.wat", r#"(module (func (export "_start") (loop (br 0))))"#);
    for file in ["trap.wat", "spin.wat"] {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be so");
        while writer.write(&[b'.'; 4096]).is_ok_and(|n| n > 0) {}
        rustix::io::ioctl_fionbio(&writer, false).expect("a pipe can be so");
        let mut child = start(dir.sconce(["--cache", "off", "--timeout", "300ms", file]).stderr(writer));
        assert_eq!(wait(&mut child).code(), Some(124), "{file}");
        drop(reader);
    }
}

#[test]
fn a_timeout_ends_loops_calls_and_waits() {
    let dir = Dir::new();
    dir.file("forever.wat", forever());
    dir.file("prompt.wat", prompt());
    dir.file(
        "fill.wat",
        r#"(module (memory (export "memory") 16384) (func (export "_start")
  (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x40000000)) (br 0))))"#,
    );
    dir.file("start.wat", r#"(module (func $begin (loop (br 0))) (start $begin) (func (export "_start")))"#);
    for file in ["forever.wat", "prompt.wat", "fill.wat", "start.wat"] {
        let child = start(dir.sconce(["--timeout", "2s", file]).stdin(Stdio::piped()));
        let out = finish(child);
        assert_eq!((out.code(), out.stderr.as_str()), (124, "error: timed out after 2s (--timeout)\n"), "{file}: {out:?}");
    }
    // What ends in time is as if there were no limit.
    dir.file("hello.wat", crate::support::hello());
    assert_eq!(dir.run("--timeout 1h hello.wat").ok(), "hello\n");
}

/// Stopped, it can do nothing about its time: as where somebody has taken it over. The kernel does not need it.
#[test]
fn a_process_that_is_held_up_beyond_its_time_is_killed_by_the_kernel() {
    let dir = Dir::new();
    dir.file("forever.wat", forever());
    let mut child = start(&mut dir.sconce(["--timeout", "1s", "forever.wat"]));
    let mut hello = [0; 6];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut hello).expect("it says hello");
    kill_process(Pid::from_child(&child), Signal::STOP).expect("it is there");
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if begin.elapsed() > Duration::from_secs(60) => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if status.is_none() {
        child.kill().expect("it is there");
    }
    assert_eq!(status.map(|status| status.signal()), Some(Some(9)));
}

#[test]
fn a_reader_that_leaves_ends_the_program_by_sigpipe() {
    let dir = Dir::new();
    let chatter = |stream| {
        command(&format!(
            r#"(func (export "_start")
  (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 6))
  (loop (drop (call $fd_write (i32.const {stream}) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0)))"#
        ))
    };
    dir.file("out.wat", chatter(1));
    let mut child = start(&mut dir.sconce(["out.wat"]));
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut line = [0; 6];
    stdout.read_exact(&mut line).expect("a line");
    assert_eq!(&line, b"hello\n");
    drop(stdout);
    let out = finish(child);
    assert_eq!((out.status.signal(), out.stderr.as_str()), (Some(Signal::PIPE.as_raw()), ""));

    dir.file("err.wat", chatter(2));
    let mut child = start(&mut dir.sconce(["err.wat"]));
    drop(child.stderr.take());
    assert_eq!(wait(&mut child).signal(), Some(Signal::PIPE.as_raw()));

    // Results of --invoke are output like any other.
    dir.file("one.wat", r#"(module (func (export "one") (result i32) (i32.const 1)))"#);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let out = outcome(dir.sconce(["--invoke", "one", "one.wat"]).stdout(writer));
    assert_eq!(out.status.signal(), Some(Signal::PIPE.as_raw()));
}

#[test]
fn flags_of_shared_streams_are_as_they_were() {
    let dir = Dir::new();
    dir.file(
        "append.wat",
        r#"(module
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (call $set (i32.const 1) (i32.const 5)))))"#,
    );
    let file = File::create(dir.path().join("out")).expect("a file");
    let before = rustix::fs::fcntl_getfl(&file).expect("flags");
    let shared = OwnedFd::from(file.try_clone().expect("a copy"));
    assert_eq!(outcome(dir.sconce(["append.wat"]).stdout(shared)).code(), 0);
    assert_eq!(rustix::fs::fcntl_getfl(&file).expect("flags"), before);
}
