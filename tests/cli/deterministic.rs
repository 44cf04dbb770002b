//! `--deterministic`: whatever a program observes is a function of its input.

use crate::support::{Dir, Outcome, contains, finish, outcome, start};
use rustix::fs::{CWD, Timespec, Timestamps, utimensat};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A guest that writes down everything.
const OBSERVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/observe.wasm");

/// What is in the guest's directory, in the order in which it is made there.
fn fill(at: &Path, order: impl Iterator<Item = usize>, age: i64) {
    fs::create_dir_all(at.join("sub")).expect("a directory");
    for n in order {
        let name = at.join(format!("{}file-{n}", if n % 3 == 0 { "sub/" } else { "" }));
        match n % 5 {
            4 => symlink(format!("file-{}", n - 1), &name).expect("a link"),
            _ => fs::write(&name, vec![b'x'; n * 100]).expect("a file"),
        }
        let time = Timespec { tv_sec: 1_500_000_000 + age, tv_nsec: n as i64 };
        utimensat(CWD, &name, &Timestamps { last_access: time, last_modification: time }, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .expect("times are set");
    }
}

fn observe(dir: &Dir, place: &Path, flags: &str) -> Command {
    let mut words: Vec<String> = ["run", "--deterministic"].map(String::from).into();
    words.extend(flags.split_whitespace().map(String::from));
    words.extend([format!("--dir={}::/w", place.display()), OBSERVE.to_owned(), "argument".to_owned()]);
    dir.sconce(words)
}

fn input() -> Vec<u8> {
    (0..100_000u32).map(|n| (n * 7 / 3) as u8).collect()
}

/// Given piece by piece, with pauses.
fn slowly(command: &mut Command) -> Outcome {
    let mut child = start(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("a pipe");
    let feeder = std::thread::spawn(move || {
        for piece in input().chunks(17_001) {
            stdin.write_all(piece).expect("the guest reads");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let outcome = finish(child);
    feeder.join().expect("everything is written");
    outcome
}

#[test]
fn the_same_input_gives_the_same_output() {
    let dir = Dir::new();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    fill(&one, 0..30, 0);
    fill(&two, (0..30).rev(), 1_000_000);
    let file = dir.file("input", input());

    // A file in, a pipe out.
    let first = outcome(observe(&dir, &one, "--tier lightbeam").stdin(File::open(&file).expect("a file"))).ok();
    contains(&first, &["clocks at first 0:0:946684800000001000", "read 40000 sum", "read 20000 sum", "file-29", "7fc00000"]);
    // The other compiler, another copy of the directory, a pipe in, in pieces, and a file out that is appended to.
    let out = dir.file("output", "");
    let appended = OpenOptions::new().append(true).open(&out).expect("a file");
    slowly(observe(&dir, &two, "--tier cranelift").stdout(appended)).ok();
    assert_eq!(fs::read_to_string(&out).expect("the output"), first);
    // What the first run has left behind, with the cache's code, checked accesses, output and errors to one place, no waiting.
    let both = File::create(&out).expect("a file");
    let mut again = observe(&dir, &one, "--bounds explicit");
    again.stdin(File::open(&file).expect("a file")).stderr(both.try_clone().expect("a file")).stdout(both);
    outcome(&mut again).ok();
    assert_eq!(fs::read_to_string(&out).expect("the output"), first);
    // Another file system, where there is one.
    if let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") {
        fill(elsewhere.path(), (0..30).rev(), 5);
        assert_eq!(slowly(&mut observe(&dir, elsewhere.path(), "--tier lightbeam --confine off")).ok(), first);
    }
}

#[test]
fn the_seed_is_all_that_differs() {
    let dir = Dir::new();
    let place = dir.path().join("w");
    fill(&place, 0..3, 0);
    let with = |flags: &str| outcome(&mut observe(&dir, &place, flags)).ok();
    let (one, two) = (with("--seed 1"), with("--seed 2"));
    let differ: Vec<_> = one.lines().zip(two.lines()).filter(|(a, b)| a != b).collect();
    assert!(matches!(differ[..], [(a, b)] if a.starts_with("random 0 ") && b.starts_with("random 0 ")), "{differ:?}");
    assert_eq!((with("--seed 1"), with("")), (one, with("--seed 0")));
    contains(&dir.run("run --seed 1 app.wasm").fails(2), &["--deterministic"]);
}

#[test]
fn everything_that_is_written_is_taken() {
    // 1 MiB in one call, by a pipe that takes 64 KiB at a time and does not wait.
    let dir = Dir::new();
    let write = crate::support::command(
        r#"(func (export "_start")
    (drop (memory.grow (i32.const 20)))
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.const 1048576))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.shr_u (i32.load (i32.const 8)) (i32.const 14))))"#,
    );
    dir.file("write.wat", write);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a flag");
    let mut child = start(dir.sconce(["run", "--deterministic", "write.wat"]).stdout(writer));
    std::thread::sleep(Duration::from_millis(50));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("the pipe is read");
    assert_eq!((bytes.len(), child.wait().expect("it ends").code()), (1 << 20, Some(64)));
}

#[test]
fn output_has_its_limit() {
    let dir = Dir::new();
    dir.file("app.wat", crate::support::command(r#"(func (export "_start") (call $hello) (call $hello))"#));
    let outcome = dir.run("run --deterministic --max-output 3 app.wat");
    assert_ne!(outcome.code(), 0, "{outcome:?}");
    assert!(outcome.stdout == "hel" && outcome.stderr.contains("--max-output"), "{outcome:?}");
    assert_eq!(dir.run("run --deterministic --max-output 12 app.wat").ok(), "hello\nhello\n");
}

#[test]
fn nothing_else_comes_in() {
    let dir = Dir::new();
    dir.file("app.wat", crate::support::hello());
    contains(&dir.run("run --deterministic --listen 127.0.0.1:0 app.wat").fails(2), &["--deterministic", "--listen"]);
    contains(&dir.run("run --deterministic --fd 3 app.wat").fails(2), &["--deterministic", "--fd"]);
    // Devices, except those that have nothing to tell.
    let open = |device: &str| {
        let body = format!(
            r#"(data (i32.const 512) "{device}")
  (func (export "_start")
    (call $proc_exit (call $path_open (i32.const 3) (i32.const 1) (i32.const 512) (i32.const {})
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16))))"#,
            device.len()
        );
        let imports = r#"(import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"#;
        let text = crate::support::command(&body).replacen("(module", &format!("(module {imports}"), 1);
        dir.file("open.wat", text);
        dir.run("run --deterministic --dir /dev::/dev open.wat").code()
    };
    assert_eq!((open("urandom"), open("random"), open("null"), open("zero")), (63, 63, 0, 0));
}

#[test]
fn a_program_compiled_before_must_have_canonical_nans() {
    let dir = Dir::new();
    dir.file("app.wat", crate::support::hello());
    dir.run("compile app.wat -o app.cwasm").ok();
    let message = dir.run("run --deterministic --allow-precompiled app.cwasm").fails(1);
    contains(&message, &["app.cwasm: compiled without --canonical-nans, which --deterministic needs"]);
    dir.run("compile --canonical-nans app.wat -o app.cwasm").ok();
    assert_eq!(dir.run("run --deterministic --allow-precompiled app.cwasm").stdout, "hello\n");
}

#[test]
fn threads_cannot_be_started() {
    let dir = Dir::new();
    dir.file(
        "threads.wat",
        r#"(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "memory" (memory 1 1 shared))
  (func (export "wasi_thread_start") (param i32 i32))
  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (call $exit (i32.sub (i32.const 0) (call $spawn (i32.const 0))))))"#,
    );
    let refused = dir.run("run --deterministic threads.wat");
    assert_eq!(refused.code(), 6, "EAGAIN: {refused:?}");
    assert_eq!(refused.stderr.matches("--deterministic").count(), 1, "{refused:?}");
    contains(&refused.stderr, &["warning: threads.wat: it cannot start a thread"]);
    assert_eq!(dir.run("run threads.wat").stderr, "");
}
