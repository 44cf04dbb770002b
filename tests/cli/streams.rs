//! Standard streams, FIFOs and directories as the shell hands them over: closed, full, shared, of every kind.

use crate::support::{Dir, binary, finish, outcome, start};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Functions that these guests import, and a memory with a buffer at 1024 that the vector at 0 describes.
fn guest(body: &str) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "\00\04\00\00\05\00\00\00")
  (data (i32.const 1024) "text\n")
  (func $all (param i32) (result i32) ;; This and what comes before it is 0, or the process ends with it.
    (if (local.get 0) (then (call $exit (local.get 0)))) (i32.const 0))
  (func (export "_start") {body}))"#
    )
}

/// A shell that runs a script with the binary as `$0`.
fn shell(dir: &Dir, script: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", script, binary()]).current_dir(dir.path());
    shell.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

const SUM_OF_ERRORS: &str = "(call $exit (i32.add
    (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
    (i32.add (i32.mul (i32.const 2) (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (i32.mul (i32.const 4) (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))))))";

#[test]
fn closed_streams_are_closed_to_the_guest() {
    let dir = Dir::new();
    dir.file("sum.wat", guest(SUM_OF_ERRORS));
    // EBADF is 8.
    for (how, sum) in [("", 0), ("<&-", 8), (">&-", 16), ("2>&-", 32), ("<&- >&- 2>&-", 56)] {
        assert_eq!(outcome(&mut shell(&dir, &format!("\"$0\" sum.wat {how}"))).code(), sum, "{how}");
    }
    // What is opened first gets the lowest number; directories are found where programs look for them.
    let opens = r#"(drop (call $all (call $prestat (i32.const 3) (i32.const 64))))
      (i32.store (i32.const 128) (i32.const 0x66)) ;; "f"
      (drop (call $all (call $open (i32.const 3) (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 1)
        (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 64))))
      (call $exit (i32.add (i32.const 100) (i32.load (i32.const 64))))"#;
    dir.file("opens.wat", guest(opens));
    for (how, number) in [("", 104), ("<&-", 100), (">&-", 101), ("<&- 2>&-", 100)] {
        assert_eq!(outcome(&mut shell(&dir, &format!("\"$0\" run --dir . opens.wat {how}"))).code(), number, "{how}");
    }
    // And nothing that Sconce itself opens gets such a number, nor what it says.
    dir.file("trap.wat", guest("unreachable"));
    assert_eq!(outcome(&mut shell(&dir, "\"$0\" run --dir . trap.wat <&- >&- 2>&-")).code(), 134);
}

#[test]
fn no_null_device_is_needed() {
    let dir = Dir::new();
    dir.file("sum.wat", guest(SUM_OF_ERRORS));
    let without = |how: &str| {
        let script = format!("exec unshare -rm sh -c 'mount -t tmpfs none /dev && exec \"$0\" --cache off sum.wat {how}' \"$0\"");
        outcome(&mut shell(&dir, &script))
    };
    let open = without("");
    if open.stderr.contains("unshare") || open.stderr.contains("mount") {
        // No file system can be put in /dev's place by this user.
        return;
    }
    assert_eq!(open.code(), 0, "{open:?}");
    assert_eq!(without("<&- >&- 2>&-").code(), 56);
}

#[test]
fn the_other_end_sees_that_the_guest_closed() {
    let dir = Dir::new();
    let wait = "(call $set_size (i32.const 1) (i64.const 0)) drop (loop (br 0))";
    let closes = "(drop (call $close (i32.const 0))) (drop (call $close (i32.const 1))) (drop (call $close (i32.const 2)))";
    // Renumbering closes, too: here standard input goes to the place of the others.
    let renumbers = "(drop (call $close (i32.const 2))) (drop (call $renumber (i32.const 0) (i32.const 1))) (drop (call $close (i32.const 1)))";
    for how in [closes, renumbers] {
        dir.file("guest.wat", guest(&format!("{how} {wait}")));
        let mut child = start(dir.sconce(["guest.wat"]).stdin(Stdio::piped()));
        let mut seen = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut seen).expect("an end");
        child.stderr.take().expect("a pipe").read_to_string(&mut seen).expect("an end");
        assert_eq!(seen, "");
        let mut input = child.stdin.take().expect("a pipe");
        let begin = Instant::now();
        while input.write_all(b"more").is_ok() {
            assert!(begin.elapsed() < Duration::from_secs(60), "somebody still reads");
        }
        assert!(child.try_wait().expect("a child").is_none(), "it runs on");
        child.kill().expect("a child");
        child.wait().expect("a child");
    }
}

#[test]
fn a_log_that_is_appended_to_keeps_what_is_in_it() {
    let dir = Dir::new();
    let attack = "(drop (call $set_flags (i32.const 1) (i32.const 0)))
      (drop (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 64)))
      (drop (call $set_size (i32.const 1) (i64.const 2)))
      (drop (call $pwrite (i32.const 1) (i32.const 0) (i32.const 1) (i64.const 0) (i32.const 8)))
      (drop (call $all (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))";
    dir.file("attack.wat", guest(attack));
    assert_eq!(outcome(&mut shell(&dir, "echo one > log; \"$0\" attack.wat >> log; cat log")).ok(), "one\ntext\ntext\n");
    dir.file(
        "by-fd.wat",
        guest(
            &attack
                .replace("(i32.const 1) (i", "(i32.const 3) (i")
                .replace("(i32.const 3) (i32.const 8)", "(i32.const 1) (i32.const 8)"),
        ),
    );
    assert_eq!(
        outcome(&mut shell(&dir, "echo one > log; \"$0\" run --fd 5 by-fd.wat 5>> log; cat log")).ok(),
        "one\ntext\ntext\n"
    );
}

#[test]
fn flags_stay_with_who_shares_them() {
    let dir = Dir::new();
    // The guest sets all flags there are and dies: nobody could put them back.
    dir.file("flags.wat", guest("(drop (call $all (call $set_flags (i32.const 1) (i32.const 5)))) (loop (br 0))"));
    let file = File::create(dir.path().join("out")).expect("a file");
    let before = rustix::fs::fcntl_getfl(&file).expect("flags");
    let mut child = start(dir.sconce(["flags.wat"]).stdout(file.try_clone().expect("a copy")));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rustix::fs::fcntl_getfl(&file).expect("flags"), before);
    child.kill().expect("a child");
    child.wait().expect("a child");
}

#[test]
fn a_full_pipe_is_not_waited_for() {
    let dir = Dir::new();
    // 200,000 bytes: what fits, then EAGAIN (6).
    let fill = "(i32.store (i32.const 4) (i32.const 200000))
      (drop (call $all (call $set_flags (i32.const 1) (i32.const 4))))
      (drop (call $all (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
      (if (i32.ge_u (i32.load (i32.const 8)) (i32.const 200000)) (then unreachable))
      (call $exit (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))";
    dir.file("fill.wat", guest(fill));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let kept = writer.try_clone().expect("a copy");
    assert_eq!(outcome(dir.sconce(["fill.wat"]).stdout(writer)).code(), 6);
    assert!(!rustix::fs::fcntl_getfl(&kept).expect("flags").contains(rustix::fs::OFlags::NONBLOCK));
    drop(reader);
}

/// Opens the FIFO `p` with these rights and does this with it as descriptor 4.
fn with_fifo(rights: u32, then: &str) -> String {
    let open = format!(
        r#"(i32.store (i32.const 128) (i32.const 0x70)) ;; "p"
      (drop (call $all (call $open (i32.const 3) (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 0)
        (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 64))))"#
    );
    guest(&format!("{open} {then}"))
}

#[test]
fn a_fifo_waits_for_its_other_end() {
    let dir = Dir::new();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("p"), mode).expect("a FIFO");
    dir.file("read.wat", with_fifo(2, "(drop (call $all (call $read (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 8)))) (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"));
    dir.file(
        "write.wat",
        with_fifo(0x40, "(drop (call $all (call $write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 8))))"),
    );
    let mut child = start(&mut dir.sconce(["run", "--dir", ".", "read.wat"]));
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a child").is_none(), "it did not wait");
    std::fs::write(dir.path().join("p"), "later").expect("a reader");
    assert_eq!(finish(child).ok(), "later");
    let mut child = start(&mut dir.sconce(["run", "--dir", ".", "write.wat"]));
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a child").is_none(), "it did not wait");
    assert_eq!(std::fs::read(dir.path().join("p")).expect("a writer"), b"text\n");
    finish(child).ok();
    // Nobody comes: time ends it all the same.
    for file in ["read.wat", "write.wat"] {
        assert_eq!(
            dir.run(&format!("run --timeout 200ms --dir . {file}")).fails(124),
            "error: timed out after 200ms (--timeout)\n"
        );
    }
}

#[test]
fn a_directory_as_input_gives_nothing() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("d")).expect("a directory");
    let opens = r#"(i32.store (i32.const 128) (i32.const 0x66))
      (call $exit (call $open (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 1)
        (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 64)))"#;
    dir.file("opens.wat", guest(opens));
    dir.file("reads.wat", guest("(call $exit (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"));
    let with_directory = |file| {
        let directory = File::open(dir.path().join("d")).expect("a directory");
        outcome(dir.sconce([file]).stdin(directory)).code()
    };
    assert_eq!((with_directory("opens.wat"), with_directory("reads.wat")), (76, 31));
    assert_eq!(std::fs::read_dir(dir.path().join("d")).expect("a directory").count(), 0);
}
