//! The binary where something is wrong around it: signals that come all the time, streams that are full or closed, too little
//! memory or too few descriptors, runs that are killed, and many at once. A run works, or says why it does not; and what it leaves
//! behind is no obstacle to the next.

use crate::support::{Dir, Outcome, binary, command, contains, finish, hello, outcome, start, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Copies standard input to standard output, a byte at a time, and ends with 0 if nothing failed.
fn cat() -> String {
    command(
        r#"(func (export "_start") (local $e i32)
  (loop $more
    (i32.store (i32.const 0) (i32.const 2048)) (i32.store (i32.const 4) (i32.const 100))
    (local.set $e (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (local.get $e) (then (call $proc_exit (local.get $e))))
    (if (i32.load (i32.const 8)) (then
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (local.set $e (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (local.get $e) (then (call $proc_exit (local.get $e))))
      (br $more)))))"#,
    )
}

/// A module of so many functions that compiling it takes a while, which says hello.
fn large(functions: usize) -> String {
    let one = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (local.get 0)))".repeat(40);
    let function = |n: usize| format!("(func $f{n} (param i32) (result i32) {one} (local.get 0))");
    let functions: String = (0..functions).map(function).collect();
    command(&format!(r#"{functions} (func (export "_start") (drop (call $f0 (i32.const 1))) (call $hello))"#))
}

/// Waits for two tenths of a second, and says hello.
const SLEEPER: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 1024) "hello\n")
  (func (export "_start") (local $e i32)
    (i32.store (i32.const 80) (i32.const 1)) (i64.store (i32.const 88) (i64.const 200000000))
    (local.set $e (call $poll (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 512)))
    (if (local.get $e) (then (call $exit (local.get $e))))
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 6))
    (call $exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// How many runs there are: as many as `SCONCE_RUNS` says.
fn runs(few: usize) -> usize {
    std::env::var("SCONCE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

/// What comes of a run that gets signals all the time which mean nothing to it, and is stopped and continued. Its input comes by
/// and by.
fn in_a_storm(mut program: Command, input: &[u8]) -> Outcome {
    let mut child = start(program.stdin(Stdio::piped()));
    let pid = Pid::from_child(&child);
    let mut stdin = child.stdin.take().expect("a pipe");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for chunk in input.chunks(1 + input.len() / 50) {
                // A program that reads nothing breaks the pipe, which is its right.
                let _ = stdin.write_all(chunk);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Until it has been waited for, its number is nobody else's; afterwards the flag says so within microseconds.
                for signal in [Signal::CHILD, Signal::URG, Signal::WINCH, Signal::STOP, Signal::CONT] {
                    let _ = kill_process(pid, signal);
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let out = finish(child);
        stop.store(true, Ordering::Relaxed);
        out
    })
}

#[test]
fn signals_that_mean_nothing_disturb_nothing() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("cat.wat", cat());
    dir.file("sleeper.wat", SLEEPER);
    dir.file("large.wat", large(400));
    let input: Vec<u8> = (0..20_000).map(|n| b'a' + (n % 26) as u8).collect();
    for _ in 0..4 {
        let out = in_a_storm(dir.sconce(["run", "--cache", "off", "cat.wat"]), &input);
        assert_eq!(out.ok().as_bytes(), input);
    }
    // Again and again, since the end takes microseconds.
    for _ in 0..60 {
        assert_eq!(in_a_storm(dir.sconce(["run", "hello.wat"]), b"").ok(), "hello\n");
    }
    for words in [
        "run --cache off sleeper.wat",
        "run --timeout 60s sleeper.wat",
        "run --cache off --tier cranelift large.wat",
        "run large.wat",
        "run large.wat",
    ] {
        assert_eq!(in_a_storm(dir.sconce(words.split(' ')), b"").ok(), "hello\n", "{words}");
    }
    for words in ["compile large.wat -o large.cwasm", "cache warm large.wat", "validate large.wat"] {
        let out = in_a_storm(dir.sconce(words.split(' ')), b"");
        assert_eq!(out.code(), 0, "{words}: {out:?}");
    }
    assert_eq!(in_a_storm(dir.sconce(["run", "--allow-precompiled", "large.cwasm"]), b"").ok(), "hello\n");
    let module = fs::read(dir.path().join("large.wat")).expect("a file");
    assert_eq!(in_a_storm(dir.sconce(["run", "--cache", "off", "-"]), &module).ok(), "hello\n");
}

/// Writes a million bytes at once, five times, and ends with 0 if each call says that it has written all of them.
fn writer(write: &str) -> String {
    let import = r#"(import "wasi_snapshot_preview1" "sock_send" (func $sock_send (param i32 i32 i32 i32 i32) (result i32)))"#;
    let program = command(&format!(
        r#"(func (export "_start") (local $n i32)
  (drop (memory.grow (i32.const 20)))
  (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 1000000))
  (loop $more
    (if {write} (then (call $proc_exit (i32.const 1))))
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 1000000)) (then (call $proc_exit (i32.const 2))))
    (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5)))))"#
    ));
    program.replacen("(module", &format!("(module {import}"), 1)
}

/// A runtime's own signals, and those that mean nothing, may come while a call has done a part of what it was asked for. Programs
/// expect all of it, as they get it elsewhere.
#[test]
fn what_a_signal_cuts_short_goes_on() {
    const WRITE: &str = "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))";
    const SEND: &str = "(call $sock_send (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8))";
    let dir = Dir::new();
    dir.file("write.wat", writer(WRITE));
    dir.file("send.wat", writer(SEND));
    for (file, is_socket) in [("write.wat", false), ("write.wat", true), ("send.wat", true)] {
        let mut program = dir.sconce(["run", file]);
        program.stdin(Stdio::null());
        let (ours, theirs): (OwnedFd, OwnedFd) = if is_socket {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            (ours.into(), theirs.into())
        } else {
            let (ours, theirs) = std::io::pipe().expect("a pipe");
            (ours.into(), theirs.into())
        };
        let mut child = start(program.stdout(theirs));
        // It has a copy.
        drop(program);
        let mut stream = File::from(ours);
        let (mut all, mut buffer) = (0, vec![0; 5_000]);
        while let n @ 1.. = stream.read(&mut buffer).expect("bytes") {
            all += n;
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().filter_map(Result::ok);
            for task in tasks {
                let id = task.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
                let _ = kill_process(id.expect("a number"), Signal::URG);
            }
        }
        let status = wait(&mut child);
        assert_eq!((status.code(), all), (Some(0), 5_000_000), "{file}, socket: {is_socket}");
    }
}

#[test]
fn what_cannot_be_said_is_an_error() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("cat.wat", cat());
    dir.file("test.wast", "(module (func (export \"f\"))) (assert_return (invoke \"f\"))");
    let to = |file: &str| File::options().write(true).open(file).expect("a device");
    for words in [
        "--help",
        "--version",
        "help run",
        "inspect hello.wat",
        "disas hello.wat",
        "validate --verbose hello.wat",
        "wast test.wast",
        "compile hello.wat -o -",
        "completions bash",
        "man",
        "cache dir",
    ] {
        let good = dir.run(words);
        let out = outcome(dir.sconce(words.split(' ')).stdout(to("/dev/full")));
        if good.code() == 0 && !good.stdout.is_empty() {
            assert_eq!(out.code(), 1, "{words}: {out:?}");
            contains(&out.stderr, &["error: ", "No space left on device"]);
        }
        // What goes to standard error is lost, and that is no failure.
        let out = outcome(dir.sconce(words.split(' ')).stderr(to("/dev/full")));
        assert_eq!((out.code(), out.stdout), (good.code(), good.stdout), "{words}");
        for closed in [">&-", "2>&-", "<&- >&- 2>&-"] {
            let out = outcome(&mut dir.shell(&format!("\"$@\" {closed}"), words.split(' ')));
            assert!(matches!(out.code(), 0..=2), "{words} {closed}: {out:?}");
        }
    }
    // A program is told, by number: 51 is ENOSPC.
    let mut program = dir.sconce(["run", "cat.wat"]);
    let mut child = start(program.stdin(Stdio::piped()).stdout(to("/dev/full")));
    let _ = child.stdin.take().expect("a pipe").write_all(b"text");
    assert_eq!((finish(child).code()), 51);
    // A trap ends the run as one, whether it can be said or not.
    dir.file("trap.wat", "(module (func (export \"_start\") unreachable))");
    let out = outcome(dir.sconce(["run", "trap.wat"]).stdout(to("/dev/full")).stderr(to("/dev/full")));
    assert_eq!(out.code(), 134);
}

/// A run with a limit that may be too low for it: it works, or it says why, or the loader or Rust's runtime
/// does, which come before.
#[track_caller]
fn works_or_says_why(out: &Outcome, limit: &str) -> bool {
    let by_loader = out.code() == 127 || out.stderr.contains("error while loading shared libraries");
    // Rust's runtime has a stack for handlers before there is any of our code.
    let by_runtime = out.stderr.contains("fatal runtime error: initialization") && out.stdout.is_empty();
    let said = out.code() == 1 && out.stderr.contains("error: ") && out.stdout.is_empty();
    let killed_before = out.code() >= 1000 && out.stderr.is_empty() && out.stdout.is_empty();
    let ran = out.code() == 0 && out.stdout == "hello\n";
    assert!(ran || said || by_loader || by_runtime || killed_before, "{limit}: {out:?}");
    // Of a process that has not even its libraries nothing can be asked.
    assert!(!killed_before || limit.starts_with("ulimit -v"), "{limit}: {out:?}");
    ran
}

#[test]
fn with_any_limit_on_memory_it_works_or_says_why() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("large.wat", large(50));
    let mut worked = 0;
    for flag in ["-v", "-d"] {
        let steps =
            (1..60).map(|n| n * 1_000).chain((60..120).step_by(4).map(|n| n * 1_000)).chain([200_000, 1_000_000, 5_000_000]);
        for kilobytes in steps {
            let limit = format!("ulimit {flag} {kilobytes}");
            for words in ["run hello.wat", "run --cache off --tier cranelift large.wat"] {
                let out = outcome(&mut dir.shell(&format!("{limit}; exec \"$@\""), words.split(' ')));
                // A slower way is said, on standard error.
                worked += u32::from(works_or_says_why(&out, &limit));
            }
        }
    }
    assert!(worked > 20, "{worked}");
    assert_eq!(dir.run("run hello.wat").ok(), "hello\n");
}

#[test]
fn with_any_number_of_descriptors_it_works_or_says_why() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let mut worked = 0;
    for most in 3..41 {
        let limit = format!("ulimit -n {most}");
        for words in ["run --dir . hello.wat", "run hello.wat", "run --timeout 60s --cache off hello.wat"] {
            let out = outcome(&mut dir.shell(&format!("{limit}; exec \"$@\""), words.split(' ')));
            worked += u32::from(works_or_says_why(&out, &limit));
        }
    }
    assert!(worked > 60, "{worked}");
}

/// Everything below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Processes that have been started as the binary in this directory.
fn left(dir: &Dir) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let here = |process: &PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir.path()))
            || fs::read(process.join("environ")).is_ok_and(|all| {
                let name = dir.path().as_os_str().as_encoded_bytes();
                all.windows(name.len()).any(|part| part == name)
            })
    };
    processes.filter(here).collect()
}

#[test]
fn a_run_that_is_killed_leaves_nothing_in_the_way() {
    let dir = Dir::new();
    let count = runs(60);
    let module = |n: usize| format!("{}\n;; {n}", large(20));
    for n in 0..count {
        // Each is another module to the cache.
        let name = "module.wat";
        dir.file(
            name,
            module(n % 20).replace("(data (i32.const 1024)", &format!("(data (i32.const 4096) \"{n}\") (data (i32.const 1024)")),
        );
        let mut child = start(&mut dir.sconce(["run", name]));
        // From the first instruction to long after the end.
        std::thread::sleep(Duration::from_micros((n as u64 * 7919) % 60_000));
        child.kill().expect("a child");
        let killed = child.wait().expect("a child");
        assert!(killed.success() || killed.signal() == Some(Signal::KILL.as_raw()), "{killed:?}");
        if n % 4 == 0 {
            assert_eq!(dir.run("run module.wat").ok(), "hello\n");
            assert_eq!(dir.run("run module.wat").ok(), "hello\n");
        }
    }
    // What was being written is never taken for an entry, and goes after an hour; nothing else is there.
    let unfinished = files(&dir.path().join("cache")).iter().filter(|path| path.extension().is_some_and(|e| e == "tmp")).count();
    assert!(unfinished <= count, "{unfinished} unfinished files");
    let outside = files(dir.path()).into_iter().filter(|p| !p.starts_with(dir.path().join("cache")));
    let outside: Vec<PathBuf> = outside.filter(|p| !p.ends_with("module.wat") && !p.ends_with("state/sconce/key")).collect();
    assert!(outside.is_empty(), "{outside:?}");
    // Who compiled for later is gone soon.
    for _ in 0..500 {
        if left(&dir).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{:?} are left", left(&dir));
}

#[test]
fn many_runs_at_once_share_a_cache() {
    let dir = Dir::new();
    for n in 0..5 {
        dir.file(&format!("{n}.wat"), large(10 + n));
    }
    let count = runs(60);
    let all: Vec<Child> = (0..count).map(|n| start(&mut dir.sconce(["run", &format!("{}.wat", n % 5)]))).collect();
    for child in all {
        assert_eq!(finish(child).ok(), "hello\n");
    }
    let unfinished: Vec<PathBuf> =
        files(&dir.path().join("cache")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "tmp")).collect();
    assert!(unfinished.len() <= 5, "{unfinished:?}");
    assert!(Path::new(binary()).exists());
}

#[test]
fn a_cache_on_a_full_disk_costs_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("large.wat", large(300));
    // A file system of its own, in a mount namespace of its own: 64 KiB, of which nothing is left after a while.
    let script = "mkdir -p cache; mount -t tmpfs -o size=64k,mode=0700 none cache && for i in 1 2 3; do \"$@\" || exit; done; ls cache | wc -l";
    for words in ["run hello.wat", "run large.wat", "run --tier cranelift large.wat"] {
        let sconce = dir.shell(script, words.split(' '));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).arg(sconce.get_program()).args(sconce.get_args());
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in sconce.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let out = outcome(&mut command);
        if out.stderr.contains("unshare") || out.stderr.contains("mount:") {
            // A container may not do so.
            return;
        }
        contains(&out.ok(), &["hello\nhello\nhello\n"]);
    }
}
