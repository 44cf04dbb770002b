//! Modules whose functions are validated and compiled when they are called: what is said of invalid ones, what the cache gets.

use crate::support::{Dir, contains, outcome};
use serde_json::Value;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A program with so many functions that nobody calls, and one that is not valid, which is called if there are arguments.
fn program(functions: usize) -> String {
    let function = format!("(func (param i32 i32) {})", "(local.set 0 (i32.rotl (local.get 0) (local.get 1)))".repeat(100));
    format!(
        r#"(module (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func $wrong (result i32) (i64.const 0))
        (func $middle (call $wrong) (drop))
        (func (export "_start")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1)) (then (call $middle)))){})"#,
        function.repeat(functions)
    )
}

#[test]
fn a_function_that_is_not_valid_stops_the_program_when_it_is_called() {
    let dir = Dir::new();
    dir.file("app.wat", program(200));
    for flags in ["", "--cache off"] {
        for _ in 0..2 {
            assert_eq!(dir.run(&format!("run {flags} app.wat")).ok(), "");
            let said = dir.run(&format!("run {flags} app.wat x")).fails(134);
            contains(&said, &["error: app.wat: ", "type mismatch", "function 1 `wrong`", "   0: ", " middle\n", " _start"]);
        }
    }
    // Where all is looked at before, in whatever way, nothing runs.
    let small = program(0);
    dir.file("small.wat", small);
    for words in [
        "run --validate eager app.wat",
        "run --tier lightbeam app.wat",
        "run --tier cranelift app.wat",
        "run --calls direct app.wat",
        "run --debugger app.wat",
        "run --max-file-size 1M app.wat",
        "run small.wat",
        "compile app.wat",
        "cache warm app.wat",
        "validate app.wat",
        "inspect app.wat",
    ] {
        contains(&dir.run(words).fails(1), &["type mismatch", "function 1 `wrong`"]);
    }
    contains(&dir.run("run --lazy-from 0 small.wat x").fails(134), &["function 1 `wrong`"]);
}

#[test]
fn what_was_compiled_is_said() {
    let dir = Dir::new();
    dir.file("app.wat", program(200));
    let said = dir.run("run --cache off --stats app.wat").stderr;
    contains(
        &said,
        &[" of 203 functions: ", " when called, ", " ahead, ", " better later, ", " in a loop; ", " of code, first made in "],
    );
    let json = dir.run("run --cache off --stats=json app.wat").stderr;
    let compiled = &serde_json::from_str::<Value>(&json).expect("JSON")["modules"][0]["compiled"];
    let number = |name: &str| compiled[name].as_u64().expect("a number");
    assert_eq!(number("functions"), 203);
    // `_start` is called; another thread may have been as fast, and have gone ahead for as long as the run has taken.
    assert!(number("called") <= 1 && number("called") + number("ahead") >= 1, "{compiled}");
    assert_eq!(number("improved") + number("osr_entries"), 0, "{compiled}");
    let json = dir.run("run --cache off --validate eager --tier lightbeam --stats=json app.wat").fails(1);
    contains(&json, &["type mismatch"]);
}

/// However short the run was, the next one finds all code.
#[test]
fn the_next_run_finds_all_code_in_the_cache() {
    let dir = Dir::new();
    let text = program(200).replace("(i64.const 0)", "(i32.const 0)");
    dir.file("app.wat", text);
    let entries = || {
        let files = fs::read_dir(dir.path().join("cache/sconce")).into_iter().flatten().filter_map(Result::ok);
        files
            .filter(|file| file.metadata().is_ok_and(|m| m.len() > 10_000) && !file.path().to_string_lossy().ends_with("tmp"))
            .count()
    };
    let lazy = |words: &str| {
        let json = dir.run(words).stderr;
        !serde_json::from_str::<Value>(&json).expect("JSON")["modules"][0]["compiled"].is_null()
    };
    assert!(lazy("run --stats=json app.wat"));
    let since = Instant::now();
    while entries() == 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "no entry");
        sleep(Duration::from_millis(5));
    }
    assert!(!lazy("run --stats=json app.wat"));
    assert_eq!(outcome(&mut dir.sconce(["run", "app.wat", "x"])).ok(), "");
    // Nobody leaves anything where there is no cache.
    assert!(lazy("run --cache off --stats=json app.wat"));
}

/// What a run has found out serves the next one: functions in which it has spent its time get Cranelift's code.
#[test]
fn the_next_run_has_better_code_where_it_matters() {
    if std::thread::available_parallelism().expect("a number").get() < 2 {
        return;
    }
    let dir = Dir::new();
    // Large enough for Cranelift to take longer for all of it than there is.
    let function = format!(
        "(func (param i32 i32) (result i32) {} (local.get 0))",
        "(local.set 0 (i32.rotl (local.get 0) (local.get 1)))".repeat(300)
    );
    let text = format!(
        r#"(module
        (func $hot (param i64) (result i64) (local i64)
            (loop (local.set 1 (i64.add (i64.mul (local.get 1) (i64.const 17)) (local.get 0)))
                (br_if 0 (i64.ne (i64.const 0) (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
            (local.get 1))
        (func (export "run") (param i32) (result i64) (local i64)
            (loop (local.set 1 (call $hot (i64.const 1000000))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1)) {})"#,
        function.repeat(300)
    );
    dir.file("app.wat", text);
    let run = |times: &str| {
        let run = dir.run(&format!("run --stats=json --invoke run app.wat {times}"));
        let json: Value = serde_json::from_str(&run.stderr).expect("JSON");
        (run.stdout, json["modules"][0]["compiler"].as_str().map(str::to_owned))
    };
    let (first, compiler) = run("300");
    assert_eq!(compiler.as_deref(), Some("lightbeam"));
    let since = Instant::now();
    loop {
        // Where the machine is busy there may have been no time for it: each run says it again.
        let (result, compiler) = run("300");
        assert_eq!(result, first);
        // Where Cranelift was faster with all of it that is as good.
        if compiler.as_deref() != Some("lightbeam") {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{}", dir.run("cache ls").stdout);
        sleep(Duration::from_millis(50));
    }
    contains(&dir.run("cache ls").ok(), &["Cranelift"]);
}

/// Many functions, each of which is called: what is compiled counts when it is.
#[test]
fn code_counts_as_it_comes() {
    let dir = Dir::new();
    let functions = 20_000;
    let numbers: String = (0..functions).map(|n| format!(" $f{n}")).collect();
    let bodies: String = (0..functions).map(|n| format!("(func $f{n} (drop (i32.const {n})))")).collect();
    dir.file(
        "many.wat",
        format!(
            r#"(module (memory (export "memory") 1) (table {functions} funcref) (elem (i32.const 0) func{numbers}) {bodies}
            (func (export "_start") (local i32)
                (loop (call_indirect (local.get 0)) (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const {functions})))))
            (func (export "one")))"#
        ),
    );
    let run = |memory: &str, export: &str| {
        dir.run(&format!("run --cache off --lazy-from 0 --max-memory {memory} --stats{export} many.wat"))
    };
    assert_eq!(run("64M", "").code(), 0);
    let few = run("6M", " --invoke one");
    assert_eq!(few.code(), 0, "{}", few.stderr);
    contains(&run("6M", "").fails(134), &["a module cannot have ", "(--max-memory)", "   0: ", "_start"]);
}

/// Where address space is short, everything is compiled at once: that takes less of it.
#[test]
fn short_address_space_is_no_place_for_code_that_grows() {
    let dir = Dir::new();
    dir.file("app.wat", program(200).replace("(i64.const 0)", "(i32.const 0)"));
    for (limit, lazy) in [("unlimited", true), ("4000000", false)] {
        let run =
            dir.shell(&format!("ulimit -v {limit}; exec \"$@\""), ["run", "--cache", "off", "--stats=json", "app.wat"]).output();
        let said = String::from_utf8(run.expect("it runs").stderr).expect("text");
        let json: Value = said.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
        assert_eq!(!json["modules"][0]["compiled"].is_null(), lazy, "{said}");
    }
}
