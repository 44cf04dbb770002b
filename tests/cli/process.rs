//! The binary as a process among others: limits, what is ignored or closed at its start, process 1 of a container, signals that
//! are sent, time in which it is stopped, system calls that are refused.
//!
//! Some of this takes root's rights to set up. Where the tests run without them, these parts are left out.

use crate::support::{Dir, Outcome, binary, command, contains, finish, hello, outcome, start};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs for ever after its hello.
fn forever() -> String {
    command(r#"(func $spin (call $hello) (loop (br 0))) (func (export "_start") (call $spin))"#)
}

/// Writes hello without end; at the first error it exits with that as status.
fn chatter() -> String {
    command(
        r#"(func (export "_start") (local $e i32)
  (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 6))
  (loop $more
    (local.set $e (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (br_if $more (i32.eqz (local.get $e))))
  (call $proc_exit (local.get $e)))"#,
    )
}

/// Traps by a fault.
const FAULT: &str = r#"(module (memory 1) (data (i32.const 0) "x")
  (func $far (drop (i32.load (i32.const 100000)))) (func (export "_start") (call $far)))"#;

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A script of a shell with no signal ignored, in a test's directory; `$S` is the binary.
fn shell(dir: &Dir, script: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", "bash", "-c", script]).current_dir(dir.path());
    command.env("S", binary()).env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run_shell(dir: &Dir, script: &str) -> Outcome {
    outcome(&mut shell(dir, script))
}

/// Waits for the guest's hello; gives the rest of what it writes.
fn hello_of(child: &mut Child) -> impl Read + use<> {
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "hello\n");
    stdout
}

#[track_caller]
fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a process");
}

#[test]
fn a_limit_on_file_sizes_is_an_error_to_whoever_writes_and_kills_nobody() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("chatter.wat", chatter());
    dir.file("fault.wat", FAULT);
    // The files of code and of memories' contents are larger; with and without entries of the cache.
    for flags in ["--cache off", "", ""] {
        assert_eq!(run_shell(&dir, &format!("ulimit -f 64; $S run {flags} hello.wat")).ok(), "hello\n");
        assert_eq!(run_shell(&dir, &format!("ulimit -f 0; $S run {flags} hello.wat | cat")).ok(), "hello\n");
        let out = run_shell(&dir, &format!("ulimit -f 64; exec $S run {flags} fault.wat"));
        contains(&out.fails(134), &["out of bounds memory access", "far"]);
    }
    // 22 is EFBIG; the file has been filled up to the limit.
    let out = run_shell(&dir, "ulimit -f 1; exec $S run chatter.wat > file");
    assert_eq!((out.code(), out.stderr.as_str()), (22, ""));
    assert_eq!(std::fs::metadata(dir.path().join("file")).expect("a file").len(), 1024);
    let out = run_shell(&dir, "ulimit -f 1; exec $S compile hello.wat -o hello.cwasm");
    contains(&out.fails(1), &["hello.cwasm", "File too large"]);
}

#[test]
fn a_small_stack_or_few_descriptors_are_no_abort() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("forever.wat", forever());
    for kilobytes in [64, 256, 1024] {
        assert_eq!(run_shell(&dir, &format!("ulimit -s {kilobytes}; $S --cache off hello.wat")).ok(), "hello\n");
        let out = run_shell(&dir, &format!("ulimit -s {kilobytes}; exec $S --timeout 100ms forever.wat"));
        assert_eq!((out.code(), out.stderr.as_str()), (124, "error: timed out after 100ms (--timeout)\n"));
    }
    let mut child = start(&mut shell(&dir, "ulimit -s 64; exec $S forever.wat"));
    let _rest = hello_of(&mut child);
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status.signal(), Some(Signal::TERM.as_raw()));
    // The loader wants one, the module another.
    for most in 4..24 {
        let out = run_shell(&dir, &format!("ulimit -n {most}; exec $S --cache off hello.wat"));
        match out.code() {
            0 => assert_eq!(out.ok(), "hello\n"),
            _ => contains(&out.fails(1), &["too many open files", "ulimit -n"]),
        }
    }
}

#[test]
fn a_limit_on_address_space_is_a_message_or_a_slower_run() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    // Near the least, what is taken for a memory must be a part of what is left.
    for kilobytes in (58_000..66_000).step_by(500).chain([300_000, 3_000_000, 9_000_000]) {
        let out = run_shell(&dir, &format!("ulimit -v {kilobytes}; exec $S --cache off hello.wat"));
        assert_eq!((out.code(), out.stdout.as_str()), (0, "hello\n"), "{out:?}");
        contains(&out.stderr, &["ulimit -v"]);
    }
    // Private writable memory: the first is too little for the thread's stack.
    for kilobytes in [4_000, 64_000] {
        let out = run_shell(&dir, &format!("ulimit -d {kilobytes}; exec $S --cache off hello.wat"));
        match out.code() {
            0 => assert_eq!(out.ok(), "hello\n"),
            _ => contains(&out.fails(1), &["cannot start the program's thread", "ulimit"]),
        }
    }
}

#[test]
fn the_last_thread_can_be_ended() {
    if !root() {
        return;
    }
    let dir = Dir::new();
    // Root has no such limit, and another user need not reach this directory: binary and module are handed
    // over open. It starts threads until it gets no more, says hello, and waits for nothing.
    dir.file(
        "threads.wat",
        r#"(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0))
  (data (i32.const 1024) "hello\n")
  (func $wait (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
  (func (export "wasi_thread_start") (param i32 i32) (call $wait))
  (func (export "_start")
    (loop $more (br_if $more (i32.gt_s (call $spawn (i32.const 1)) (i32.const 0))))
    (i32.store (i32.const 16) (i32.const 1024)) (i32.store (i32.const 20) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (call $wait)))"#,
    );
    let limited = |nth: u32, most: u32, flags: &str| {
        // Somebody of whom there is no other process.
        let user = 100_000 + 10 * std::process::id() + nth;
        let to = format!("setpriv --reuid {user} --clear-groups prlimit --nproc={most} /proc/self/fd/3");
        shell(&dir, &format!("exec 3<$S; exec {to} run --cache off {flags} - < threads.wat"))
    };
    for (nth, signal) in [(1, Signal::TERM), (2, Signal::INT)] {
        let mut child = start(&mut limited(nth, 6, ""));
        let _rest = hello_of(&mut child);
        send(&child, signal);
        assert_eq!(finish(child).status.signal(), Some(signal.as_raw()));
    }
    let out = outcome(&mut limited(3, 6, "--timeout 500ms"));
    assert_eq!((out.code(), out.stderr.as_str()), (124, "error: timed out after 500ms (--timeout)\n"));
    // Not even the first.
    let message = outcome(&mut limited(4, 1, "")).fails(1);
    contains(&message, &["cannot start the program's thread", "ulimit -u"]);
}

/// Runs the binary as process 1 of a container; gives the child that waits for it, and the process.
fn as_process_1(dir: &Dir, args: &str) -> (Child, Pid) {
    let mut child = start(&mut shell(dir, &format!("exec unshare --pid --fork --kill-child $S run --cache off {args}")));
    let of = format!("/proc/{0}/task/{0}/children", child.id());
    loop {
        let children = std::fs::read_to_string(&of).expect("a list");
        let inner = children.split_whitespace().next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        match inner {
            Some(inner) => return (child, inner),
            None => assert!(child.try_wait().expect("a child").is_none(), "it has ended"),
        }
    }
}

#[test]
fn process_1_of_a_container_ends_by_what_ends_others() {
    if !root() {
        return;
    }
    let dir = Dir::new();
    dir.file("forever.wat", forever());
    dir.file("chatter.wat", chatter());
    dir.file("fault.wat", FAULT);
    // By the status that a shell makes of the signal: the kernel spares process 1.
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::SEGV] {
        let (mut child, inner) = as_process_1(&dir, "forever.wat");
        let _rest = hello_of(&mut child);
        kill_process(inner, signal).expect("a process");
        assert_eq!(finish(child).code(), 128 + signal.as_raw(), "{signal:?}");
    }
    let (mut child, _) = as_process_1(&dir, "chatter.wat");
    drop(hello_of(&mut child));
    assert_eq!(finish(child).code(), 128 + Signal::PIPE.as_raw());
    let (child, _) = as_process_1(&dir, "fault.wat");
    contains(&finish(child).fails(134), &["out of bounds memory access"]);
    let (child, _) = as_process_1(&dir, "--timeout 200ms forever.wat");
    assert_eq!(finish(child).code(), 124);
}

#[test]
fn a_fault_signal_that_somebody_sends_ends_the_process_at_once_and_without_a_core() {
    let dir = Dir::new();
    dir.file("forever.wat", forever());
    for signal in [Signal::SEGV, Signal::BUS, Signal::FPE, Signal::ILL, Signal::ABORT, Signal::TRAP, Signal::QUIT] {
        let mut child = start(&mut shell(&dir, "ulimit -c $(ulimit -Hc); exec $S forever.wat"));
        let _rest = hello_of(&mut child);
        send(&child, signal);
        let status = finish(child).status;
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal.as_raw()), false), "{signal:?}");
    }
    // What was ignored stays so, and the next fault is a trap all the same.
    dir.file("prompt.wat", command(&format!("{PROMPT} (call $far)) (func $far (drop (i32.load (i32.const 200000))))")));
    let mut child = start(shell(&dir, "trap '' SEGV; exec $S prompt.wat").stdin(Stdio::piped()));
    let _rest = hello_of(&mut child);
    send(&child, Signal::SEGV);
    std::thread::sleep(Duration::from_millis(100));
    drop(child.stdin.take());
    let out = finish(child);
    assert_eq!(out.code(), 134);
    contains(&out.stderr, &["out of bounds memory access", "far"]);
}

/// The beginning of a guest that says hello and waits for input, or for its end.
const PROMPT: &str = r#"(func (export "_start") (call $hello) (call $read)"#;

#[test]
fn a_guest_makes_no_core_file() {
    let dir = Dir::new();
    // SIGQUIT, SIGILL, SIGABRT, SIGSEGV, SIGSYS.
    for (number, signal) in [(3, Signal::QUIT), (4, Signal::ILL), (6, Signal::ABORT), (11, Signal::SEGV), (30, Signal::SYS)] {
        dir.file(
            "raise.wat",
            format!(
                r#"(module (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (memory (export "memory") 1) (func (export "_start") (drop (call $raise (i32.const {number})))))"#
            ),
        );
        let status = run_shell(&dir, "ulimit -c $(ulimit -Hc); exec $S raise.wat").status;
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal.as_raw()), false), "{signal:?}");
    }
    // Its processor time is limited: the kernel ends it.
    dir.file("forever.wat", forever());
    let status = run_shell(&dir, "ulimit -c $(ulimit -Hc); ulimit -St 1; exec $S forever.wat").status;
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::XCPU.as_raw()), false));
}

#[test]
fn an_ignored_sigpipe_is_the_programs_error() {
    let dir = Dir::new();
    dir.file("chatter.wat", chatter());
    // 64 is EPIPE.
    let mut child = start(&mut shell(&dir, "trap '' PIPE; exec $S chatter.wat"));
    drop(hello_of(&mut child));
    let out = finish(child);
    assert_eq!((out.code(), out.stderr.as_str()), (64, ""));
    dir.file("one.wat", r#"(module (func (export "one") (result i32) (i32.const 1)))"#);
    let out = run_shell(&dir, "trap '' PIPE; { sleep 0.2; $S --invoke one one.wat; echo $? >&2; } | true");
    contains(&out.stderr, &["cannot write to standard output: Broken pipe", "\n1\n"]);
}

#[test]
fn stopped_time_counts_for_sleeps_and_limits() {
    let dir = Dir::new();
    dir.file("forever.wat", forever());
    // Three seconds: one subscription to the monotonic clock, and, if there are two, standard input.
    let sleeper = |subscriptions| {
        let poll = format!(
            r#"(func (export "_start")
  (i64.store (i32.const 3024) (i64.const 3000000000)) (i32.store (i32.const 3016) (i32.const 1))
  (i32.store8 (i32.const 3056) (i32.const 1))
  (call $hello)
  (call $proc_exit (call $poll (i32.const 3000) (i32.const 4000) (i32.const {subscriptions}) (i32.const 5000))))"#
        );
        let import = r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
        command(&poll).replacen("(module", &format!("(module {import}"), 1)
    };
    dir.file(
        "wait.wat",
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0))
  (data (i32.const 1024) "hello\n")
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1024)) (i32.store (i32.const 20) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 3000000000)))))"#,
    );
    dir.file("clock.wat", sleeper(1));
    dir.file("both.wat", sleeper(2));
    let runs = [("clock.wat", 0), ("both.wat", 0), ("wait.wat", 0), ("--timeout 3s forever.wat", 124)];
    let mut children = runs.map(|(args, _)| {
        let mut child = start(dir.sconce(args.split_whitespace()).stdin(Stdio::piped()));
        let rest = hello_of(&mut child);
        (child, rest)
    });
    let begin = Instant::now();
    children.iter().for_each(|(child, _)| send(child, Signal::STOP));
    std::thread::sleep(Duration::from_millis(2500));
    children.iter().for_each(|(child, _)| send(child, Signal::CONT));
    for ((child, _), (args, code)) in children.iter_mut().zip(runs) {
        // Without its input, which stays open, `finish` waits for the end.
        assert_eq!(crate::support::wait(child).code(), Some(code), "{args}");
        let took = begin.elapsed();
        assert!(took > Duration::from_millis(2500) && took < Duration::from_millis(5000), "{args} took {took:?}");
    }
}

#[test]
fn it_starts_where_there_is_nothing_but_its_libraries() {
    if !root() {
        return;
    }
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("chatter.wat", chatter());
    dir.file("forever.wat", forever());
    dir.file("fault.wat", FAULT);
    let copy = r#"for lib in $(ldd $S | grep -o '/[^ ]*'); do mkdir -p .$(dirname $lib); cp $lib .$lib; done; cp --reflink=auto $S sconce"#;
    assert_eq!(run_shell(&dir, copy).ok(), "");
    let inside = |script: &str| shell(&dir, &format!("inside() {{ chroot . ./sconce \"$@\"; }}; {script}"));
    // Neither /dev nor /proc, and standard descriptors that are closed.
    for closed in ["", "<&-", "2>&-", "<&- 2>&-"] {
        assert_eq!(outcome(&mut inside(&format!("inside run hello.wat {closed}"))).ok(), "hello\n");
    }
    for closed in [">&-", "<&- >&-", "<&- >&- 2>&-"] {
        assert_eq!(outcome(&mut inside(&format!("inside run --cache off hello.wat {closed}"))).ok(), "");
        assert_eq!(outcome(&mut inside(&format!("inside run --cache off fault.wat {closed}"))).code(), 134);
    }
    contains(&outcome(&mut inside("inside run - <&-")).fails(1), &["cannot read standard input: Bad file descriptor"]);
    contains(&outcome(&mut inside("inside inspect hello.wat >&-")).fails(1), &["standard output: Bad file descriptor"]);
    contains(&outcome(&mut inside("inside run missing.wat")).fails(1), &["cannot read missing.wat"]);
    // What is ignored is known without /proc.
    let mut child = start(&mut inside("trap '' HUP; exec chroot . ./sconce forever.wat"));
    let _rest = hello_of(&mut child);
    send(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_parents_mask_of_signals_does_no_harm() {
    let dir = Dir::new();
    dir.file("fault.wat", FAULT);
    dir.file("forever.wat", forever());
    let mut fault = Command::new("env");
    fault.args(["--block-signal", binary(), "--cache", "off", "fault.wat"]).current_dir(dir.path());
    contains(&outcome(fault.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())).fails(134), &["far"]);
    let mut forever = Command::new("env");
    forever.args(["--block-signal", binary(), "--cache", "off", "--timeout", "200ms", "forever.wat"]).current_dir(dir.path());
    assert_eq!(outcome(forever.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped())).code(), 124);
}
