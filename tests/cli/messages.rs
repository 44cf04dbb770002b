//! Bad input: one clear message each on standard error, nothing on standard output.

use crate::support::{Dir, binary, contains, hello, outcome};

#[test]
fn files_that_cannot_be_read() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("folder.wasm")).expect("a directory");
    contains(&dir.run("missing.wasm").fails(1), &["cannot read missing.wasm: No such file or directory"]);
    contains(&dir.run("run missing").fails(1), &["cannot read missing: No such file or directory"]);
    contains(&dir.run("folder.wasm").fails(1), &["cannot read folder.wasm: Is a directory"]);
    contains(&dir.run("hello.wat/x.wasm").fails(1), &["cannot read hello.wat/x.wasm"]);
    let path = dir.file("secret.wasm", "");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("permissions");
    // Root may read everything, and finds it empty.
    let message = dir.run("secret.wasm").fails(1);
    assert!(message.contains("cannot read secret.wasm: Permission denied") || message.contains("secret.wasm: "), "{message}");
}

#[test]
fn files_that_are_something_else() {
    let dir = Dir::new();
    for (bytes, parts) in [
        (&b""[..], &["empty"][..]),
        (b"\x1f\x8b\x08\x00rest", &["gzip"]),
        (b"\x7fELF\x02\x01\x01", &["not a WebAssembly module", "ELF"]),
        (b"#!/bin/sh\necho hello\n", &["not a WebAssembly module", "script"]),
        (b"hello world\n", &["not a WebAssembly module", "text"]),
        (b"<!doctype html><html>", &["not a WebAssembly module", "HTML"]),
        (b"\x01\x02\x03\x04", &["not a WebAssembly module", "01 02 03 04"]),
        (b"\0asm\x0d\0\x01\0", &["component", "Sconce runs core modules; build for wasm32-wasip1"]),
        (b"\0asm\x07\0\0\0", &["version"]),
        (b"\0as", &["truncated"]),
        (b"\0asm\x01\0\0\0\x01\x7f", &["offset 0x"]),
    ] {
        dir.file("app.wasm", bytes);
        let message = dir.run("app.wasm").fails(1);
        contains(&message, &["error: app.wasm: "]);
        contains(&message, parts);
        let component = bytes.get(4) == Some(&13);
        // There is something to see of it.
        let inspected = dir.run("inspect app.wasm");
        contains(&if component { inspected.ok() } else { inspected.fails(1) }, parts);
        contains(&dir.run("compile app.wasm").fails(1), parts);
        assert!(!dir.path().join("app.cwasm").exists());
    }
}

#[test]
fn a_module_that_is_cut_off_or_invalid() {
    let dir = Dir::new();
    let wasm = wat::parse_str(hello()).expect("the text is right");
    for len in [9, 20, wasm.len() / 2, wasm.len() - 1] {
        dir.file("cut.wasm", &wasm[..len]);
        contains(&dir.run("cut.wasm").fails(1), &["error: cut.wasm: ", "offset 0x"]);
    }
    let invalid = r#"(module (func $first) (func $broken_one (result i32) (i64.const 0)) (export "_start" (func $first)))"#;
    dir.file("invalid.wasm", wat::parse_str(invalid).expect("it parses"));
    contains(
        &dir.run("invalid.wasm").fails(1),
        &["error: invalid.wasm: ", "type mismatch", "offset 0x", "function 1", "broken_one"],
    );
    contains(&dir.run("inspect invalid.wasm").fails(1), &["error: invalid.wasm: ", "broken_one"]);
}

#[test]
fn names_in_messages_do_not_speak_to_the_terminal() {
    let dir = Dir::new();
    for module in [
        r#"(module (func (@name "\1b[31m") (result i32)))"#,
        r#"(module (import "wasi_snapshot_preview1" "\1b[31m" (func)) (func (export "_start")))"#,
        r#"(module (func (export "\1b[31m") (param i32)))"#,
    ] {
        dir.file("names.wasm", wat::parse_str(module).expect("it parses"));
        let message = dir.run("names.wasm").fails(1);
        contains(&message, &["\\u{1b}[31m"]);
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
}

#[test]
fn text_with_an_error_names_line_and_column() {
    let dir = Dir::new();
    dir.file("bad.wat", "(module\n  (func (i32.cosnt 0)))");
    contains(&dir.run("bad.wat").fails(1), &["error: bad.wat: ", ":2:10"]);
}

#[test]
fn unknown_imports_are_all_said_with_what_might_help() {
    let dir = Dir::new();
    dir.file(
        "imports.wat",
        r#"(module
  (import "wasi_snapshot_preview1" "fd_wirte" (func (param i32 i32 i32 i32) (result i32)))
  (import "env" "callback" (func (param i32) (result f64)))
  (import "env" "table" (table 1 funcref))
  (import "wasi:cli/exit@0.2.0" "exit" (func))
  (import "\1b[31m" "x" (func))
  (func (export "_start")))"#,
    );
    let message = dir.run("imports.wat").fails(1);
    contains(
        &message,
        &[
            "error: imports.wat: 5 imports are missing",
            "\"wasi_snapshot_preview1\" \"fd_wirte\"",
            "did you mean \"fd_write\"?",
            "\"env\" \"callback\": func (i32) -> (f64)",
            "\"env\" \"table\": table 1 funcref",
            "--preload env=FILE",
            "wasm32-wasip1",
        ],
    );
    assert!(!message.contains('\u{1b}'), "a module's names do not reach the terminal as they are: {message:?}");
    dir.file("env.wat", r#"(module (func (export "calback") (param i32) (result f64) (f64.const 0)))"#);
    contains(&dir.run("--preload env=env.wat imports.wat").fails(1), &["did you mean \"calback\"?"]);
}

#[test]
fn an_import_of_the_wrong_type_names_both() {
    let dir = Dir::new();
    dir.file(
        "import.wat",
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) (func (export "_start")))"#,
    );
    contains(&dir.run("import.wat").fails(1), &["import.wat", "proc_exit", "(i64) -> ()", "(i32) -> ()"]);
}

#[test]
fn without_a_start_function_exports_are_listed() {
    let dir = Dir::new();
    dir.file(
        "library.wat",
        r#"(module (memory (export "m") 1) (func (export "add") (param i32 i32) (result i32) (i32.const 0)))"#,
    );
    contains(&dir.run("library.wat").fails(1), &["library.wat", "_start", "--invoke NAME", "\"add\": func (i32, i32) -> (i32)"]);
    dir.file("nothing.wat", "(module)");
    contains(&dir.run("nothing.wat").fails(1), &["nothing.wat", "_start", "no other function is exported"]);
    dir.file("odd.wat", r#"(module (func (export "_start") (param i32)))"#);
    contains(&dir.run("odd.wat").fails(1), &["_start is (i32) -> ()"]);
}

#[test]
fn wrong_usage() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    contains(&dir.run("rnu hello.wat").fails(2), &["'rnu'", "did you mean 'sconce run'?"]);
    contains(&dir.run("--timeot 5s hello.wat").fails(2), &["--timeot", "--timeout"]);
    contains(&dir.run("run --no-such-flag hello.wat").fails(2), &["--no-such-flag", "Usage: sconce [run] [OPTIONS] APP.wasm"]);
    contains(&dir.run("run").fails(2), &["APP.wasm"]);
    contains(&dir.run("--invoke").fails(2), &["--invoke"]);
    contains(&dir.run("compile -").fails(2), &["--output"]);
    let nothing = outcome(&mut dir.sconce([""; 0]));
    assert_eq!((nothing.code(), nothing.stdout.as_str()), (2, ""));
    contains(&nothing.stderr, &["Usage:", "inspect"]);
}

/// Imports that nobody gives: two functions, called by their number.
const UNKNOWN: &str = r#"(module
  (import "env" "f" (func $f (param i32) (result i32 f64 externref)))
  (import "env" "f" (func $again (param i32) (result i32 f64 externref)))
  (import "env" "g" (func $g (result i64)))
  (func (export "none") (result i32) (i32.const 7))
  (func (export "f") (result i32 f64 externref) (call $f (i32.const 1)))
  (func (export "again") (result i32 f64 externref) (call $again (i32.const 1)))
  (func (export "g") (result i64) (call $g)))"#;

#[test]
fn unknown_imports_are_an_error_or_trap_or_return_defaults() {
    let dir = Dir::new();
    dir.file("unknown.wat", UNKNOWN);
    for tier in ["lightbeam", "cranelift"] {
        let run = |words: &str| dir.run(&format!("--tier {tier} {words} unknown.wat"));
        for words in ["--invoke none", "--unknown-imports=error --invoke none"] {
            contains(&run(words).fails(1), &["3 imports are missing", "--unknown-imports=trap"]);
        }
        assert_eq!(run("--unknown-imports=trap --invoke none").ok(), "7\n");
        contains(&run("--unknown-imports=trap --invoke f").fails(134), &["call of the unknown import \"env\" \"f\""]);
        contains(&run("--unknown-imports=trap --invoke g").fails(134), &["call of the unknown import \"env\" \"g\"", "0: "]);
        assert_eq!(run("--unknown-imports=default --invoke f").ok(), "0\n0\nnull\n");
        assert_eq!(run("--unknown-imports=default --invoke again").ok(), "0\n0\nnull\n");
        assert_eq!(run("--unknown-imports=default --invoke g").ok(), "0\n");
    }
    // What is no function, or has no default, stays missing.
    dir.file("global.wat", r#"(module (import "env" "f" (func)) (import "env" "x" (global i32)) (func (export "_start")))"#);
    for how in ["trap", "default"] {
        let message = dir.run(&format!("--unknown-imports={how} global.wat")).fails(1);
        contains(&message, &["an import is missing", "\"env\" \"x\": global i32"]);
        assert!(!message.contains("unknown-imports"), "{message}");
    }
    dir.file("funcref.wat", r#"(module (import "env" "f" (func (result (ref func)))) (func (export "_start")))"#);
    assert_eq!(dir.run("--unknown-imports=trap funcref.wat").ok(), "");
    contains(&dir.run("--unknown-imports=default funcref.wat").fails(1), &["an import is missing"]);
    // A module of `--preload` gives what it gives, or does not.
    dir.file("lib.wat", r#"(module (func (export "other")))"#);
    dir.file("uses.wat", r#"(module (import "lib" "f" (func)) (func (export "_start")))"#);
    contains(&dir.run("--unknown-imports=trap --preload lib=lib.wat uses.wat").fails(1), &["--preload lib does not export it"]);
    contains(&dir.run("--unknown-imports=maybe unknown.wat").fails(2), &["error, trap, default"]);
}

#[test]
fn validate_says_which_files_are_wrong_and_why() {
    let dir = Dir::new();
    dir.file("good.wat", "(module)");
    dir.file("bad.wat", "(module (func (result i32)))");
    assert_eq!(dir.run("validate good.wat good.wat").ok(), "");
    contains(&dir.run("validate bad.wat").fails(1), &["error: bad.wat: ", "expected i32"]);
    contains(
        &dir.run("validate good.wat bad.wat missing.wat").fails(1),
        &["error: bad.wat: ", "error: cannot read missing.wat", "error: 2 of 3 modules are not valid"],
    );
    // Imports do not matter.
    dir.file("imports.wat", r#"(module (import "a" "b" (func)))"#);
    assert_eq!(dir.run("validate imports.wat").ok(), "");
}

#[test]
fn a_limit_that_strikes_is_named_by_what_it_limits() {
    let dir = Dir::new();
    for (module, words, parts) in [
        ("(table 20000000 funcref)", "", &["a table of 20000000 elements is too large"][..]),
        ("(table 1000000 funcref)", "--max-memory 1M", &["a table cannot have 33554432 bytes", "1048576 bytes", "--max-memory"]),
        ("(memory 100)", "--max-memory 1M", &["a memory cannot have 6553600 bytes", "--max-memory"]),
        ("(memory i64 0x1000000000000)", "", &["a memory of", "too large"]),
    ] {
        dir.file("limit.wat", format!("(module {module} (func (export \"_start\")))"));
        let message = dir.run(&format!("{words} limit.wat")).fails(1);
        contains(&message, parts);
        assert!(message.contains("--max-memory") == words.contains("--max-memory"), "{message}");
        assert!(message.contains("table") != message.contains("a memory"), "{message}");
    }
    // Exceptions that a table holds.
    dir.file(
        "keep.wat",
        r#"(module (tag $e) (table $t 1 exnref) (func (export "_start") (local $x exnref)
  (loop $more
    (block $caught (result exnref) (try_table (catch_all_ref $caught) (throw $e)) (unreachable))
    (local.set $x)
    (drop (table.grow $t (local.get $x) (i32.const 1)))
    (br $more))))"#,
    );
    contains(
        &dir.run("--tier lightbeam --max-memory 2M keep.wat").fails(134),
        &["reference heap is full", "--max-memory SIZE gives more memory; references and exceptions count"],
    );
    dir.file("deep.wat", r#"(module (func $deep (export "_start") (call $deep) (call $deep)))"#);
    contains(&dir.run("deep.wat").fails(134), &["call stack exhausted", "help: --stack-size SIZE gives a larger stack"]);
    // What the system refuses is named by what it was for.
    dir.file("hello.wat", hello());
    let mut shell = std::process::Command::new("bash");
    let script = r#"ulimit -v 200000; exec "$0" --cache off --bounds explicit --stack-size 1G hello.wat"#;
    shell.args(["-c", script, binary()]).current_dir(dir.path());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let message = outcome(&mut shell).fails(1);
    assert_eq!(message, "error: hello.wat: cannot make a call stack for the program: Cannot allocate memory\n");
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    let dir = Dir::new();
    dir.file("marked.wat", format!("\u{feff}{}", hello()));
    assert_eq!(dir.run("marked.wat").ok(), "hello\n");
    assert_eq!(dir.run_with("-", &std::fs::read(dir.path().join("marked.wat")).expect("the file")).ok(), "hello\n");
    dir.file("script", format!("\u{feff}#!/usr/bin/sconce\n{}", hello()));
    assert_eq!(dir.run("./script").ok(), "hello\n");
    dir.file("marked.wast", "\u{feff}(module)(assert_invalid (module (func (result i32))) \"type mismatch\")");
    assert_eq!(dir.run("wast marked.wast").ok(), "1 script: 2 passed, 0 failed\n");
    dir.file("wrong.wat", "\u{feff}(module\n  (fun))");
    contains(&dir.run("wrong.wat").fails(1), &[":2:4"]);
}

#[test]
fn what_a_new_user_gets_wrong_is_named() {
    let dir = Dir::new();
    dir.file("math.wat", r#"(module (func (export "root") (param f64) (result f64) (local.get 0)))"#);
    dir.file("hello.wasm", wat::parse_str(hello()).expect("the text is right"));
    dir.file("blank", "export A=1\n");
    dir.file("unset", "\nNO_SUCH_THING\n");
    for (words, code, part) in [
        ("--dir .::/n:RO hello.wasm", 2, "':RO' is no suffix that --dir knows; write ':ro' for read-only, or nothing"),
        ("--dir .::a::b hello.wasm", 2, "one '::'"),
        ("--dir .:RO hello.wasm", 1, "write ':ro' for read-only"),
        ("--env NO_SUCH_THING hello.wasm", 2, "the environment has no NO_SUCH_THING to pass on; write NO_SUCH_THING=VALUE"),
        ("--env-file unset hello.wasm", 1, "line 2: the environment has no NO_SUCH_THING to pass on"),
        ("--env-file blank hello.wasm", 1, "line 1: the name 'export A' has a blank in it; write NAME=VALUE"),
        ("--max-threads x hello.wasm", 2, "write a whole number"),
        ("--fd x hello.wasm", 2, "write a whole number"),
        ("--fd 1 hello.wasm", 2, "0 to 2 are the standard streams; give 3 or above"),
        ("wast hello.wasm", 1, "hello.wasm: this is a WebAssembly binary, not a script"),
        ("math.wat --invoke root 2", 1, "('--invoke' after the module went to the program; options come before it)"),
        ("--invoke rot math.wat", 2, "(did you mean \"root\"?); it exports:\n  \"root\": func (f64) -> (f64)"),
    ] {
        let out = dir.run(words);
        assert_eq!(out.code(), code, "{words}: {out:?}");
        contains(&out.stderr, &[part]);
    }
    let message = dir.run("--invoke foo math.wat").fails(2);
    contains(&message, &["it exports:\n  \"root\""]);
    assert!(!message.contains("did you mean"), "{message}");
}

#[test]
fn a_component_in_text_form_is_one() {
    let dir = Dir::new();
    dir.file("c.wat", "(component)");
    // Whether the parser knows components is a matter of the build: `inspect` has more to say of them where it does.
    for command in ["run", "validate", "compile"] {
        let message = dir.run(&format!("{command} c.wat")).fails(1);
        assert_eq!(message, "error: c.wat: this is a component; Sconce runs core modules; build for wasm32-wasip1\n");
    }
}

#[test]
fn text_that_does_not_parse_is_located_in_its_file() {
    let dir = Dir::new();
    dir.file("broken.wat", "(module\n  (fun))");
    for command in ["run", "inspect", "validate", "disas"] {
        contains(&dir.run(&format!("{command} broken.wat")).fails(1), &["--> broken.wat:2:4\n"]);
    }
}

#[test]
fn what_is_missing_beside_stand_ins_keeps_its_hint() {
    let dir = Dir::new();
    dir.file("both.wat", r#"(module (import "env" "foo" (func)) (import "env" "mem" (memory 1)) (func (export "_start")))"#);
    for how in ["trap", "default"] {
        let message = dir.run(&format!("--unknown-imports {how} both.wat")).fails(1);
        contains(&message, &["\"env\" \"mem\": memory", "--preload env=FILE gives it, if FILE exports it"]);
        assert!(!message.contains("Sconce has no"), "{message}");
    }
    dir.file(
        "wrong.wat",
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) (func (export "_start")))"#,
    );
    contains(&dir.run("wrong.wat").fails(1), &["the module imports it as func (i64) -> (), but it is func (i32) -> ()"]);
}
