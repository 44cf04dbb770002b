//! What people, shells and the kernel bring along: options for every run, a program's name in another place, flags of other
//! runtimes, the help they read.

use crate::support::{Dir, Outcome, args, binary, contains, environ, hello, outcome};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

fn with_options(dir: &Dir, options: &str, words: &str) -> Outcome {
    outcome(dir.sconce(words.split_whitespace()).env("SCONCE_OPTIONS", options))
}

#[test]
fn a_variable_has_options_for_every_run() {
    let dir = Dir::new();
    dir.file("env.wat", environ());
    dir.file("args.wat", args());
    assert_eq!(with_options(&dir, "--env A=1 --env 'B=2 3'", "env.wat").ok(), "A=1\0B=2 3\0");
    assert_eq!(with_options(&dir, "--env A=1 --env B=2", "run --env A=4 env.wat").ok(), "A=4\0B=2\0", "the command line wins");
    assert_eq!(with_options(&dir, "--argv0 x", "--argv0 y args.wat --argv0 z").ok(), "y\0--argv0\0z\0");
    assert_eq!(with_options(&dir, "", "env.wat").ok(), "");
    // The program does not see it unless it is given.
    assert_eq!(with_options(&dir, "--inherit-env --env ONLY=1", "env.wat").ok().matches("SCONCE_OPTIONS=").count(), 1);
    // Other subcommands have other options.
    contains(&with_options(&dir, "--no-such-flag", "inspect env.wat").ok(), &["a command"]);
    contains(&with_options(&dir, "--no-such-flag", "run --help").ok(), &["Usage:"]);
}

#[test]
fn what_is_wrong_with_the_variable_is_said_of_the_variable() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    for (options, part) in [
        ("--timout 5s", "error: SCONCE_OPTIONS: unexpected argument '--timout' found"),
        ("--timout 5s", "'--timeout'"),
        ("--mapdir a::b", "is --dir HOST::GUEST here"),
        ("--max-memory lots", "error: SCONCE_OPTIONS: invalid value 'lots'"),
        ("--dir 'open", "error: SCONCE_OPTIONS: a quote is not closed"),
        ("--dir", "error: SCONCE_OPTIONS: a value is required"),
        ("hello.wat", "error: SCONCE_OPTIONS: 'hello.wat' is not an option"),
        ("--help", "error: SCONCE_OPTIONS: "),
    ] {
        contains(&with_options(&dir, options, "hello.wat").fails(2), &[part]);
    }
}

/// Calls the binary as the kernel does for a file that it is registered for, with the flag P of binfmt_misc: its own path,
/// the file's path, what the program was called by, its arguments.
fn by_kernel(dir: &Dir, words: &[&str]) -> Outcome {
    let mut command = Command::new(binary());
    command.arg0("/usr/local/bin/sconce-binfmt").args(words).current_dir(dir.path());
    command
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .env("XDG_STATE_HOME", dir.path().join("state"))
        .env_remove("SCONCE_OPTIONS");
    outcome(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

#[test]
fn the_kernel_starts_programs() {
    let dir = Dir::new();
    let path = dir.file("args.wasm", wat::parse_str(args()).expect("it parses"));
    let path = path.to_str().expect("UTF-8");
    assert_eq!(by_kernel(&dir, &[path, "./args.wasm", "one", "--dir", "x"]).ok(), "./args.wasm\0one\0--dir\0x\0");
    assert_eq!(by_kernel(&dir, &[path, "-sh"]).ok(), "-sh\0");
    assert_eq!(by_kernel(&dir, &["args.wasm", "", "--"]).ok(), "\0--\0");
    let mut command = dir.sconce([path, "called", "x"]);
    let out = outcome(command.arg0("/usr/bin/sconce-binfmt").env("SCONCE_OPTIONS", "--argv0 other --max-memory 1M"));
    assert_eq!(out.ok(), "called\0x\0");
    contains(&by_kernel(&dir, &["args.wasm"]).fails(2), &["sconce-binfmt", "kernel", "sconce man"]);
    contains(&by_kernel(&dir, &["missing.wasm", "x"]).fails(1), &["cannot read missing.wasm"]);
}

#[test]
fn flags_of_other_runtimes_are_recognized() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    for (words, hint) in [
        ("--mapdir a::b", "--mapdir GUEST::HOST of Wasmtime is --dir HOST::GUEST here"),
        ("--mapdir=a:b", "--mapdir GUEST:HOST of Wasmer is --dir HOST::GUEST here"),
        ("-S inherit-env", "-S inherit-env of Wasmtime is --inherit-env here"),
        ("-Wmax-memory-size=100", "-W max-memory-size=BYTES of Wasmtime is --max-memory SIZE here"),
        ("-C cache=n", "-C cache=n of Wasmtime is --cache off here"),
        ("--net", "--net of Wasmer has no counterpart"),
        ("-mount=.:/", "-mount HOST:GUEST[:ro] of wazero is --dir HOST::GUEST[:ro] here"),
        ("--addr-pool=1.2.3.4/15", "--addr-pool ADDRESSES of iwasm has no counterpart"),
        ("--enable-threads", "of Wasmer and WasmEdge is not needed"),
        ("--allow-read", "--allow-read PATHS of Deno is --dir HOST[::GUEST]:ro here"),
        ("--experimental-wasi-unstable-preview1", "of Node is not needed"),
    ] {
        let message = dir.run(&format!("{words} hello.wat")).fails(2);
        contains(&message, &["unexpected argument", hint]);
        assert!(!message.contains("a similar argument") && !message.contains("-- --"), "{message}");
    }
    let unknown = dir.run("--no-such-flag hello.wat").fails(2);
    assert!(!unknown.contains("tip:"), "{unknown}");
    contains(
        &dir.run("--dir a:/b hello.wat").fails(1),
        &["--dir a:/b: No such file", "--dir a::/b gives 'a' under the name '/b'"],
    );
}

#[test]
fn the_last_value_of_an_option_holds() {
    let dir = Dir::new();
    dir.file("args.wat", args());
    assert_eq!(dir.run("--argv0 a --argv0 b --timeout 1s --timeout 60s args.wat").ok(), "b\0");
}

#[test]
fn logs_that_nobody_writes_are_refused() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    contains(&dir.run("--log wran hello.wat").fails(2), &["--log", "'wran'", "did you mean 'warn'?"]);
    contains(&dir.run("--log sconce_wsi=debug hello.wat").fails(2), &["--log", "did you mean 'sconce_wasi'?"]);
    contains(&dir.run("compile --log loud hello.wat").fails(2), &["--log", "'loud'", "a level (off, error, warn"]);
    // What is logged is of the parts that it names.
    let out = dir.run("--log trace hello.wat");
    let parts: Vec<&str> = out.stderr.lines().filter_map(|line| line.split(' ').nth(2)?.split(']').next()).collect();
    let mut parts: Vec<&str> = parts.iter().filter_map(|part| part.split("::").next()).collect();
    parts.sort();
    parts.dedup();
    assert!(!parts.is_empty());
    for part in parts {
        assert_eq!(dir.run(&format!("--log off,{part}=off hello.wat")).ok(), "hello\n");
    }
    let out = dir.run("--log off,sconce_engine::cache=debug hello.wat");
    assert!(out.stderr.lines().all(|line| line.contains(" sconce_engine::cache")) && !out.stderr.is_empty(), "{out:?}");
}

#[test]
fn help_shows_defaults_and_what_else_there_is() {
    let dir = Dir::new();
    let help = dir.run("--help").ok();
    contains(&help, &["work without that word", "sconce --dir . APP.wasm", "SCONCE_OPTIONS", "NO_COLOR", "XDG_CACHE_HOME"]);
    assert!(!help.contains("__complete"), "{help}");
    let run = outcome(dir.sconce(["run", "--help"]).env("COLUMNS", "100")).ok();
    let joined = run.split_whitespace().collect::<Vec<_>>().join(" ");
    // Every option that takes a value and gives nothing says what holds without it. Options begin a line, alone.
    let optional = ["argv0", "invoke", "unknown-imports", "max-memory", "stack-size", "timeout", "max-threads", "tier", "bounds"];
    for name in optional.iter().chain(&["cache", "log", "profile"]) {
        let about: Vec<&str> = run.lines().skip_while(|line| !line.trim_start().starts_with(&format!("--{name} <"))).collect();
        let end = about.iter().skip(1).position(|line| line.starts_with("      --")).map_or(about.len(), |end| end + 1);
        assert!(about[..end].join(" ").contains("[default: "), "--{name}:\n{}", about[..end].join("\n"));
    }
    contains(&joined, &["[default: 1M]", "[default: 1000]", "[default: no limit]", "[default: auto]", "more than 1 GiB"]);
    contains(&joined, &["auto: Cranelift's code if the cache has it", "lightbeam: ", "cranelift: "]);
    for text in [&help, &run] {
        assert!(!text.contains("guest ") && !text.contains("guest's"), "the program has one name:\n{text}");
    }
    // What is hidden is not spoken of, here or in the readme.
    let readme = include_str!("../../README.md");
    for hidden in ["--calls", "--paranoid", "--gc-stress"] {
        assert!(!run.contains(hidden) && !readme.contains(hidden), "{hidden}");
    }
}
