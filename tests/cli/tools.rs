//! `wast`, `inspect`, `completions`, `man`, help and version.

use crate::support::{Dir, contains, hello, outcome, start, wait};
use std::os::unix::process::ExitStatusExt;

#[test]
fn scripts_report_every_failure_and_a_summary() {
    let dir = Dir::new();
    let module = "(module (func (export \"f\") (result i32) (i32.const 1)))\n";
    dir.file("good.wast", format!("{module}(assert_return (invoke \"f\") (i32.const 1))"));
    dir.file(
        "bad.wast",
        format!("{module}(assert_return (invoke \"f\") (i32.const 2))\n(assert_return (invoke \"f\") (i32.const 1))\n(assert_trap (invoke \"f\") \"x\")"),
    );
    assert_eq!(dir.run("wast good.wast").ok(), "1 script: 2 passed, 0 failed\n");
    let out = dir.run("wast good.wast bad.wast");
    assert_eq!((out.code(), out.stderr.as_str()), (1, "error: 2 directives failed\n"), "{out:?}");
    contains(&out.stdout, &["bad.wast:2:", "bad.wast:4:", "2 scripts: 4 passed, 2 failed\n"]);
    let out = dir.run("wast missing.wast good.wast");
    assert_eq!(out.code(), 1);
    contains(&out.stderr, &["cannot read missing.wast: No such file"]);
    contains(&out.stdout, &["2 passed"]);
    // Standard input is a script, too.
    let text = format!("{module}(assert_return (invoke \"f\") (i32.const 2))");
    assert_eq!(dir.run_with("wast -", module.as_bytes()).ok(), "1 script: 1 passed, 0 failed\n");
    let out = dir.run_with("wast good.wast -", text.as_bytes());
    assert_eq!((out.code(), out.stderr.as_str()), (1, "error: 1 directive failed\n"), "{out:?}");
    contains(
        &out.stdout,
        &["standard input:2:1: failed", "expected: (i32.const 2)", "got:      (i32.const 1)", "2 scripts: 3 passed"],
    );
    let out = dir.run_with("wast -", b"(module)\xff");
    contains(&out.stderr, &["standard input: not UTF-8 at byte 8"]);
    contains(&dir.run("wast .").stderr, &["cannot read .: Is a directory"]);
    // Neither names nor the script's own text speak to the terminal.
    dir.file("control.wast", "(module (func (export \"\\1b[31m\")) (func (export \"\\1b[31m\")))\n(invoke \"\u{1b}[31m\")");
    let out = dir.run("wast control.wast");
    contains(&out.stdout, &["duplicate export name `\\u{1b}[31m`", "2 failed"]);
    assert!(!out.stdout.contains('\u{1b}'), "{out:?}");
}

#[test]
fn inspect_shows_the_outside() {
    let dir = Dir::new();
    dir.file(
        "m.wat",
        r#"(module $thing
  (import "wasi_snapshot_preview1" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "env" "g" (global (mut i64)))
  (memory (export "memory") 2 16)
  (table (export "t") 1 3 funcref)
  (func (export "pair") (param v128) (result i32 i32) (i32.const 1) (i32.const 2))
  (func (export "_start")))"#,
    );
    let text = dir.run("inspect m.wat").ok();
    contains(
        &text,
        &[
            "m.wat: core module",
            "\"thing\"",
            "multi-value",
            "simd",
            "(v128) -> (i32, i32)",
            "\"env\" \"g\": global mut i64",
            "\"pair\": func (v128) -> (i32, i32)",
            "\"t\": table 1..3 funcref",
            "0: 2 pages (128 KiB) at first, at most 16 (1 MiB), exported as \"memory\"",
            "open files in directories (granted by --dir): path_open",
            "a command",
        ],
    );
    let json: serde_json::Value = serde_json::from_str(&dir.run("inspect --json m.wat").ok()).expect("JSON");
    assert_eq!(json["name"], "thing");
    assert_eq!(json["memories"][0]["max_pages"], 16);
    assert_eq!(json["exports"][2]["type"]["results"], serde_json::json!(["i32", "i32"]));
    assert_eq!(json["imports"][1]["type"], serde_json::json!({ "kind": "global", "content": "i64", "mutable": true }));
    assert_eq!(json["wasi_capabilities"][0]["flag"], "--dir");
}

#[test]
fn inspect_shows_what_it_can_of_what_cannot_be_run() {
    let dir = Dir::new();
    dir.file(
        "gc.wat",
        r#"(module $objects (type $s (struct (field (mut i32)) (field (ref null $s))))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (import "env" "g" (global (ref null $s)))
  (memory (export "memory") 1 3)
  (func (export "f") (param (ref $s)) (result i32) (struct.get $s 0 (local.get 0))))"#,
    );
    let text = dir.run("inspect gc.wat").ok();
    contains(
        &text,
        &[
            "gc.wat: core module, ",
            "named \"objects\"",
            "proposals used: function-references, gc, reference-types",
            "0: (struct (mut i32) (ref null 0))",
            "\"env\" \"g\": global (ref null 0)",
            "\"f\": func ((ref 0)) -> (i32)",
            "memory 1..3",
            "functions: 1",
            "write to standard output, standard error and files it has open: fd_write",
            "Sconce cannot run it: this needs the proposal `gc`, which is not supported: the type",
        ],
    );
    let json: serde_json::Value = serde_json::from_str(&dir.run("inspect --json gc.wat").ok()).expect("JSON");
    assert_eq!((&json["kind"], &json["exports"][1]["name"]), (&"core module".into(), &"f".into()));
    assert_eq!(json["imports"][1]["type"]["text"], "global (ref null 0)");
    assert!(json["cannot_run"].as_str().is_some_and(|why| why.contains("`gc`")));

    // Larger than what is read of a stream that cannot be a module, since all of it is wanted.
    let data = "x".repeat(200_000);
    let component = format!(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "get" (func))))
  (core module (memory 4) (data (i32.const 0) "{data}")) (core module) (component)
  (export "a-module" (core module 1)))"#
    );
    let bytes = wat::parse_str(component).expect("it parses");
    dir.file("app.wasm", &bytes);
    let text = dir.run("inspect app.wasm").ok();
    contains(
        &text,
        &[
            "app.wasm: component, 200",
            "\"wasi:cli/environment@0.2.0\": instance",
            "core modules:\n  200",
            "\"a-module\": core module",
            "components:\n",
            "Sconce cannot run it: this is a component; Sconce runs core modules; build for wasm32-wasip1",
        ],
    );
    assert_eq!(dir.run_with("inspect -", &bytes).ok(), text.replace("app.wasm:", "standard input:"));
    // What is cut off or damaged is an error as ever.
    contains(&dir.run_with("inspect -", &bytes[..1000]).fails(1), &["this is a component"]);
    let json: serde_json::Value = serde_json::from_str(&dir.run("inspect --json app.wasm").ok()).expect("JSON");
    assert_eq!((&json["kind"], &json["imports"][0]["type"]["text"]), (&"component".into(), &"instance".into()));
}

#[test]
fn nothing_is_run_by_inspect() {
    let dir = Dir::new();
    dir.file("m.wat", r#"(module (import "no" "where" (func)) (func $f unreachable) (start $f))"#);
    contains(&dir.run("inspect m.wat").ok(), &["\"no\" \"where\": func () -> ()", "a library"]);
}

/// Two functions and an import, of which one calls, traps and branches.
const CALLS: &str = r#"(module (import "host" "log" (func $log (param i32))) (memory 1)
  (func $half (param i32) (result i32) (local externref) (i32.div_u (local.get 0) (i32.const 2)))
  (func (export "run") (param i32)
    (block (br_if 0 (i32.eqz (local.get 0))) (call $log (call $half (i32.load (local.get 0)))))))"#;

#[test]
fn disas_shows_operators_beside_code() {
    let dir = Dir::new();
    dir.file("m.wat", CALLS);
    for tier in ["lightbeam", "cranelift"] {
        let all = dir.run(&format!("disas --tier {tier} m.wat")).ok();
        contains(
            &all,
            &["function 1 $half: (i32) -> (i32)", "function 2 $run: (i32) -> ()", &format!("by {tier}, bounds=guard")],
        );
        contains(
            &all,
            &[
                "0x0040 i32.div_u",
                "0x004d   i32.load",
                "; 1 $half",
                "; 0 $log",
                "; trap: out of bounds memory access",
                "(prologue)",
            ],
        );
        for name in ["run", "2"] {
            let one = dir.run(&format!("disas --tier {tier} --func {name} --bounds explicit m.wat")).ok();
            contains(&one, &["function 2 $run", "length of memory 0", "bounds=explicit"]);
            assert!(!one.contains("function 1"), "{one}");
        }
    }
    let piped = dir.run_with("disas --tier lightbeam --func half -", CALLS.as_bytes());
    contains(&piped.ok(), &["i32.div_u"]);
}

#[test]
fn disas_of_a_precompiled_module_has_offsets_and_names() {
    let dir = Dir::new();
    dir.file("m.wat", CALLS);
    for tier in ["lightbeam", "cranelift"] {
        for calls in ["direct", "slots"] {
            assert_eq!(dir.run(&format!("compile --tier {tier} --calls {calls} m.wat")).ok(), "");
            let listing = dir.run(&format!("disas --tier {tier} --calls {calls} m.cwasm")).ok();
            contains(
                &listing,
                &["operators are not in a precompiled module", "function 2 $run", "0x004d", "; 0 $log", "trap: out of bounds"],
            );
            let call = if calls == "direct" { "; 1 $half" } else { "; slot of 1 $half" };
            contains(&listing, &[call]);
        }
    }
    // Artifacts are for one configuration.
    contains(&dir.run("disas --bounds explicit m.cwasm").fails(1), &["m.cwasm", "with --bounds explicit", "leave out --bounds"]);
}

/// Whose operators stand in place of a call, with the operators where they are at hand.
#[test]
fn disas_says_what_stands_in_place_of_calls() {
    let dir = Dir::new();
    dir.file("m.wat", CALLS.replace("(local externref)", "(drop (i32.load (local.get 0)))"));
    contains(&dir.run("disas --tier cranelift --func run m.wat").ok(), &["0x003c i32.load (in 1 $half)"]);
    assert_eq!(dir.run("compile m.wat").ok(), "");
    contains(&dir.run("disas --func run m.cwasm").ok(), &["0x003c (in 1 $half)"]);
}

#[test]
fn disas_says_what_is_wrong() {
    let dir = Dir::new();
    dir.file("m.wat", CALLS);
    dir.file("bad.wat", "(module (func (result i32)))");
    for (words, parts) in [
        ("disas --func 3 m.wat", &["m.wat: there is no function 3, only 3"][..]),
        ("disas --func hlaf m.wat", &["no function is called 'hlaf'; did you mean 'half'?"]),
        ("disas --func log m.wat", &["function 0 $log is imported"]),
        ("disas bad.wat", &["bad.wat", "type mismatch"]),
        ("disas none.wat", &["cannot read none.wat"]),
    ] {
        contains(&dir.run(words).fails(1), parts);
    }
}

#[test]
fn code_for_the_baseline_uses_no_newer_instructions() {
    let dir = Dir::new();
    dir.file(
        "m.wat",
        r#"(module (func (export "f") (param i32 f64) (result f64)
        (f64.mul (f64.nearest (local.get 1)) (f64.convert_i32_u (i32.popcnt (i32.clz (local.get 0)))))))"#,
    );
    for tier in ["lightbeam", "cranelift"] {
        let listing = dir.run(&format!("disas --tier {tier} --baseline m.wat")).ok();
        assert!(!["vmul", "vround", " popcnt ", "lzcnt"].iter().any(|i| listing.contains(i)), "{listing}");
        contains(&listing, &["mulsd", "roundsd"]);
        assert_eq!(dir.run(&format!("run --tier {tier} --baseline --invoke f m.wat 65536 2.5")).ok(), "8\n");
        assert_eq!(dir.run(&format!("compile --tier {tier} --baseline m.wat")).ok(), "");
        assert_eq!(
            dir.run(&format!("run --tier {tier} --baseline --allow-precompiled --invoke f m.cwasm 65536 2.5")).ok(),
            "8\n"
        );
    }
}

#[test]
fn the_manual_has_every_subcommand_and_flag() {
    let dir = Dir::new();
    let page = dir.run("man").ok();
    contains(&page, &[".TH", "SCONCE RUN", "SCONCE INSPECT", "SCONCE DISAS", "\\-\\-allow\\-precompiled", "EXIT STATUS", "134"]);
    contains(&page, &[".SH ENVIRONMENT", "SCONCE_OPTIONS", ".SH FILES", "~/.cache/sconce", ".SH EXAMPLES", "sconce\\-binfmt"]);
    for hidden in ["--calls", "\\-\\-calls", "__complete"] {
        assert!(!page.contains(hidden), "{hidden} is shown");
    }
}

#[test]
fn help_and_version() {
    let dir = Dir::new();
    let version = dir.run("--version").ok();
    assert!(version.starts_with("sconce ") && version.contains("Cranelift 0.135"), "{version}");
    contains(&dir.run("--help").ok(), &["APP.wasm", "inspect", "Exit status", "134"]);
    contains(&dir.run("run --help").ok(), &["--dir <HOST[::GUEST][:ro]>", "--timeout", "Exit status"]);
}

#[test]
fn logs_are_written_where_asked() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let out = dir.run("--log trace hello.wat");
    assert_eq!((out.code(), out.stdout.as_str()), (0, "hello\n"));
    let out = dir.run("--log off hello.wat");
    assert_eq!(out.ok(), "hello\n");
}

#[test]
fn a_reader_that_leaves_ends_tools_by_sigpipe() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    for words in [&["inspect", "hello.wat"][..], &["disas", "hello.wat"], &["man"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut child = start(dir.sconce(words).stdout(writer));
        assert_eq!(wait(&mut child).signal(), Some(signal_hook::consts::SIGPIPE), "{words:?}");
    }
    // The same for what a shell's pipeline does to `--help`, which the argument parser prints.
    assert_eq!(outcome(&mut dir.sconce(["--help"])).code(), 0);
}
