//! What reaches the program: arguments, environment, directories, descriptors, its exit code.

use crate::support::{Dir, args, binary, command, contains, environ, hello, outcome};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn run_may_be_left_out() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    assert_eq!(dir.run("run hello.wat").ok(), "hello\n");
    assert_eq!(dir.run("hello.wat").ok(), "hello\n");
    assert_eq!(dir.run("--cache off hello.wat").ok(), "hello\n");
    assert_eq!(outcome(&mut dir.sconce([dir.path().join("hello.wat")])).ok(), "hello\n");
}

#[test]
fn everything_behind_the_file_is_the_programs() {
    let dir = Dir::new();
    dir.file("args.wat", args());
    assert_eq!(dir.run("args.wat").ok(), "args.wat\0");
    for prefix in ["", "run "] {
        let out = dir.run(&format!("{prefix}args.wat -x --dir / -- --help -5")).ok();
        assert_eq!(out, "args.wat\0-x\0--dir\0/\0--\0--help\0-5\0");
    }
    let out = outcome(&mut dir.sconce(["run", "--argv0", "my name", "args.wat", "", "a b"])).ok();
    assert_eq!(out, "my name\0\0a b\0");
    // Its own name is the file's, wherever that is.
    assert_eq!(dir.run("./args.wat x").ok(), "args.wat\0x\0");
    let path = dir.path().join("args.wat").display().to_string();
    assert_eq!(dir.run(&path).ok(), "args.wat\0");
    assert_eq!(dir.run(&format!("--argv0 {path} args.wat")).ok(), format!("{path}\0"));
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    let mut sconce = dir.sconce([OsStr::new("args.wat"), bytes]);
    let out = sconce.output().expect("the binary runs");
    assert_eq!(out.stdout, b"args.wat\0\xff\xfe\0");
}

#[test]
fn the_environment_is_empty_but_for_what_flags_give() {
    let dir = Dir::new();
    dir.file("env.wat", environ());
    let run = |words: &str| outcome(dir.sconce(words.split(' ')).env_clear().env("GIVEN", "1").env("OTHER", "2"));
    assert_eq!(run("env.wat").ok(), "");
    assert_eq!(run("--env A=b=c --env GIVEN --env E= env.wat").ok(), "A=b=c\0GIVEN=1\0E=\0");
    let all = run("--inherit-env --env OTHER=3 env.wat").ok();
    let mut all: Vec<_> = all.split_terminator('\0').collect();
    all.sort();
    assert_eq!(all, ["GIVEN=1", "OTHER=3"]);
    // A second value of one name, which the first precedes in the system's order.
    let twice = outcome(dir.sconce(["--inherit-env", "env.wat"]).env_clear().env("A", "1").env("A=2", "3")).ok();
    assert_eq!(twice, "A=1\0", "the first wins, as getenv has it");
    contains(&run("--env NOT_SET env.wat").fails(2), &["--env", "NOT_SET", "write NOT_SET=VALUE"]);
    dir.file("vars", "# of a file\nA=file\nGIVEN\n\nB= b\n");
    assert_eq!(run("--env-file vars env.wat").ok(), "A=file\0GIVEN=1\0B= b\0");
    assert_eq!(
        run("--env A=flag --env-file vars env.wat").ok(),
        "A=flag\0GIVEN=1\0B= b\0",
        "flags go first, wherever they stand"
    );
    dir.file("wrong", "A=1\n=2\n");
    contains(&run("--env-file wrong env.wat").fails(1), &["--env-file wrong: line 2: the name is empty"]);
    contains(&run("--env-file missing env.wat").fails(1), &["--env-file missing: No such file"]);
}

#[test]
fn a_module_comes_from_standard_input() {
    let dir = Dir::new();
    assert_eq!(dir.run_with("run -", hello().as_bytes()).ok(), "hello\n");
    assert_eq!(dir.run_with("-", hello().as_bytes()).ok(), "hello\n");
    assert_eq!(dir.run_with("- a b", args().as_bytes()).ok(), "-\0a\0b\0");
    contains(&dir.run_with("-", b"(module").fails(1), &["standard input: "]);
}

#[test]
fn a_first_line_for_the_shell_is_skipped() {
    let dir = Dir::new();
    let path = dir.file("script", format!("#!{}\n{}", binary(), args()));
    let mut permissions = path.metadata().expect("the file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&path, permissions).expect("an executable file");
    let mut script = std::process::Command::new(&path);
    script.arg("one").env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    script.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    assert_eq!(outcome(&mut script).ok(), "script\0one\0");
}

#[test]
fn exit_codes_pass_through() {
    let dir = Dir::new();
    for (code, seen) in [(0u32, 0), (1, 1), (42, 42), (255, 255), (256, 0), (257, 1), (u32::MAX, 255)] {
        dir.file("exit.wat", command(&format!("(func (export \"_start\") (call $proc_exit (i32.const {code})))")));
        let out = dir.run("exit.wat");
        assert_eq!((out.code(), out.stdout.as_str(), out.stderr.as_str()), (seen, "", ""), "{code}");
    }
}

/// Opens `file` in descriptor 3 for writing (if asked) or reading, and exits with the errno.
fn open(name: &str, create: bool) -> String {
    let (flags, rights) = if create { (1, 64) } else { (0, 2) };
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "{name}")
  (func (export "_start")
    (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const {}) (i32.const {flags})
      (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 8)))))"#,
        name.len()
    )
}

#[test]
fn directories_are_given_by_name() {
    const SUCCESS: i32 = 0;
    const BADF: i32 = 8;
    const NOENT: i32 = 44;
    const ROFS: i32 = 69;
    let dir = Dir::new();
    dir.file("there", "x");
    dir.file("read.wat", open("there", false));
    dir.file("missing.wat", open("not there", false));
    dir.file("create.wat", open("new", true));
    for (words, errno) in [
        ("read.wat", BADF),
        ("--dir . read.wat", SUCCESS),
        ("--dir .::/data read.wat", SUCCESS),
        ("--dir .:ro read.wat", SUCCESS),
        ("--dir . missing.wat", NOENT),
        ("--dir .::/data:ro create.wat", ROFS),
        ("--dir .::/data create.wat", SUCCESS),
        ("--dir . --dir . read.wat", SUCCESS),
        ("--dir .::/data --dir ../{here}::/data/ read.wat", SUCCESS),
    ] {
        let words = words.replace("{here}", dir.path().file_name().and_then(OsStr::to_str).expect("a name"));
        assert_eq!(dir.run(&words).code(), errno, "{words}");
    }
    assert!(dir.path().join("new").exists());
}

/// Opens `d` for what is done with directories alone, as Zig's standard library does, and a file in
/// it; then `d` without the right to cut files, as Go's `os.Root` does, and a file in it that is
/// cut. The exit code is the first errno.
const THROUGH_DIRECTORIES: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "d") (data (i32.const 8) "f")
  (func $must (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (call $must (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 2)
      (i64.const 0x7bffe08) (i64.const 0x7bffe08) (i32.const 0) (i32.const 100)))
    (call $must (call $open (i32.load (i32.const 100)) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)
      (i64.const 0x8200026) (i64.const 0) (i32.const 0) (i32.const 104)))
    (call $must (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 2)
      (i64.const 0x7b7fe1c) (i64.const 0xfffffff) (i32.const 0) (i32.const 100)))
    (call $must (call $open (i32.load (i32.const 100)) (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 9)
      (i64.const 0xfffffff) (i64.const 0xfffffff) (i32.const 0) (i32.const 104)))))"#;

#[test]
fn files_are_opened_through_directories_whatever_was_asked_for() {
    const ROFS: i32 = 69;
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("d")).expect("a directory");
    dir.file("d/f", "text");
    dir.file("through.wat", THROUGH_DIRECTORIES);
    assert_eq!(dir.run("--dir .:ro through.wat").code(), ROFS);
    assert_eq!(std::fs::read(dir.path().join("d/f")).expect("the file"), b"text");
    assert_eq!(dir.run("--dir . through.wat").ok(), "");
    assert_eq!(std::fs::read(dir.path().join("d/f")).expect("the file"), b"");
}

#[test]
fn bad_directories_are_named_with_the_reason() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    contains(&dir.run("--dir nowhere::/data hello.wat").fails(1), &["--dir", "nowhere", "No such file or directory"]);
    contains(&dir.run("--dir hello.wat hello.wat").fails(1), &["--dir", "hello.wat", "Not a directory"]);
    contains(&dir.run("--dir .::/a --dir /::/a hello.wat").fails(2), &["--dir", "'/a'"]);
    contains(&dir.run("--dir .::/a --dir /::/a/ hello.wat").fails(2), &["--dir", "'/a/'"]);
    contains(&dir.run("--dir . --dir .:ro hello.wat").fails(2), &["--dir", "'.'", ":ro"]);
    contains(&dir.run("--dir ::x hello.wat").fails(2), &["--dir", "'::x'", "empty"]);
}

/// Accepts on the first descriptor behind the standard ones, sends `hello`, and exits with the errno of accepting.
fn server() -> String {
    r#"(module
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "hello\n")
  (func (export "_start") (local $errno i32)
    (local.set $errno (call $accept (i32.const 3) (i32.const 0) (i32.const 8)))
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $fd_write (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 12)))
    (call $exit (local.get $errno))))"#
        .to_owned()
}

#[test]
fn sockets_are_handed_in() {
    use std::io::{BufRead, BufReader, Read};
    use std::net::{TcpListener, TcpStream};
    let dir = Dir::new();
    dir.file("server.wat", server());
    let greeting = |mut stream: TcpStream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a greeting");
        text
    };

    // Any port that is free, and that it is asked for.
    let mut server = crate::support::start(&mut dir.sconce(["--listen", "127.0.0.1:0", "server.wat"]));
    let mut said = BufReader::new(server.stderr.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let address = line.strip_prefix("--listen 127.0.0.1:0: listening on ").expect("the address").trim_end();
    assert_eq!(greeting(TcpStream::connect(address).expect("the port that it says")), "hello\n");
    assert_eq!(server.wait().expect("an end").code(), Some(0));

    // A port that was free a moment ago. Nothing needs to be said of it.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let server = crate::support::start(&mut dir.sconce(["--listen", &address.to_string(), "server.wat"]));
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    assert_eq!(greeting(stream), "hello\n");
    assert_eq!(crate::support::finish(server).ok(), "");

    // The same socket from a parent: standard input is what can be handed over without unsafe code.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let mut sconce = std::process::Command::new("sh");
    sconce.args(["-c", "exec \"$0\" --fd 7 server.wat 7<&0 </dev/null", binary()]);
    sconce
        .current_dir(dir.path())
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .env("XDG_STATE_HOME", dir.path().join("state"));
    sconce.stdin(std::os::fd::OwnedFd::from(listener));
    let server = crate::support::start(&mut sconce);
    assert_eq!(greeting(TcpStream::connect(address).expect("the guest's socket")), "hello\n");
    assert_eq!(crate::support::finish(server).code(), 0);

    contains(&dir.run("--fd 77 server.wat").fails(1), &["--fd 77", "Bad file descriptor"]);
    contains(&dir.run("--fd 2 server.wat").fails(2), &["--fd", "2"]);
    contains(&dir.run("--listen 80 server.wat").fails(2), &["--listen", "'80'", "ADDR:PORT"]);
}

#[test]
fn preloads_provide_imports_and_are_initialized_once() {
    let dir = Dir::new();
    dir.file(
        "counter.wat",
        r#"(module (global $n (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1))))
  (func (export "count") (result i32) (global.get $n)))"#,
    );
    dir.file(
        "main.wat",
        r#"(module (import "counter" "count" (func $count (result i32)))
  (global $n (mut i32) (i32.const 40))
  (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1))))
  (func (export "sum") (result i32) (i32.add (global.get $n) (call $count))))"#,
    );
    assert_eq!(dir.run("--preload counter=counter.wat --invoke sum main.wat").ok(), "42\n");
    contains(&dir.run("--preload counter=nowhere.wat --invoke sum main.wat").fails(1), &["nowhere.wat", "No such file"]);
    let twice = dir.run("--preload counter=counter.wat --preload counter=counter.wat --invoke sum main.wat");
    contains(&twice.fails(2), &["--preload", "'counter'", "twice"]);
    contains(&dir.run("--preload counter --invoke sum main.wat").fails(2), &["--preload", "NAME=FILE"]);
}

#[test]
fn limits_hold() {
    let dir = Dir::new();
    dir.file(
        "grow.wat",
        r#"(module (memory (export "memory") 1)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
    );
    assert_eq!(dir.run("--invoke grow grow.wat 16").ok(), "1\n");
    assert_eq!(dir.run("--max-memory 1120K --invoke grow grow.wat 15").ok(), "1\n");
    assert_eq!(dir.run("--max-memory 1120K --invoke grow grow.wat 16").ok(), "-1\n");
    dir.file(
        "deep.wat",
        r#"(module (func $deep (export "deep") (param i32) (result i32)
  (if (result i32) (local.get 0)
    (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
    (else (i32.const 0)))))"#,
    );
    assert_eq!(dir.run("--stack-size 64M --invoke deep deep.wat 500000").ok(), "500000\n");
    contains(&dir.run("--stack-size 128K --invoke deep deep.wat 500000").fails(134), &["call stack exhausted", "--stack-size"]);
    contains(&dir.run("--stack-size lots --invoke deep deep.wat 1").fails(2), &["--stack-size", "'lots'", "64M"]);
    contains(&dir.run("--stack-size 1 --invoke deep deep.wat 1").fails(2), &["--stack-size", "64K"]);
    contains(&dir.run("--max-memory 12X --invoke deep deep.wat 1").fails(2), &["--max-memory", "'12X'"]);
    contains(&dir.run("--timeout 10 --invoke deep deep.wat 1").fails(2), &["--timeout", "'10'", "500ms"]);
}
