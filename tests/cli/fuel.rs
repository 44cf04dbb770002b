//! `--fuel`: what it ends, what is said then, and what code it needs.

use crate::support::{Dir, contains, outcome};

/// 9 an iteration of the loop, and two besides.
const LOOP: &str = r#"(module
  (memory (export "memory") 1)
  (func $work (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (i32.const 3)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (export "work" (func $work))
  (func (export "_start") (drop (call $work (i32.const 100))))
  (func (export "endless") (loop $l (br $l))))"#;

#[test]
fn a_program_has_as_much_as_it_was_given_with_each_compiler() {
    let dir = Dir::new();
    dir.file("app.wat", LOOP);
    let start = 1 + 2 + 902;
    for options in ["--tier lightbeam", "--tier cranelift", "--tier auto", "--tier auto", "--bounds explicit --calls slots"] {
        for fuel in [start, start + 1, u64::MAX] {
            assert_eq!(dir.run(&format!("{options} --fuel {fuel} app.wat")).ok(), "", "{options}");
        }
        assert_eq!(dir.run(&format!("{options} --fuel 92 --invoke work app.wat 10")).ok(), "30\n");
        for fuel in [0, 2, start - 1] {
            let said = dir.run(&format!("{options} --fuel {fuel} app.wat")).fails(124);
            contains(&said, &["error: fuel exhausted\n", "   0: ", "\nhelp: the program has used all that --fuel N gave it"]);
        }
        assert!(dir.run(&format!("{options} --fuel 91 --invoke work app.wat 10")).fails(124).contains("work\n"));
        // It ends what has no end; and where there is enough fuel, time may end first.
        dir.run(&format!("{options} --fuel 1000000 --timeout 1h --invoke endless app.wat")).fails(124);
        let said = dir.run(&format!("{options} --fuel {} --timeout 300ms --invoke endless app.wat", u64::MAX)).fails(124);
        contains(&said, &["timed out after 300ms"]);
    }
}

#[test]
fn what_was_used_is_among_the_stats() {
    let dir = Dir::new();
    dir.file("app.wat", LOOP);
    let stats = |line: &str| {
        let said = dir.run(&format!("run --cache off --stats=json {line} app.wat")).stderr;
        let json = said.lines().last().expect("there are stats");
        serde_json::from_str::<serde_json::Value>(json).unwrap_or_else(|e| panic!("{e}: {said}"))["fuel"].clone()
    };
    for tier in ["--tier lightbeam", "--tier cranelift --bounds explicit"] {
        assert_eq!(stats(&format!("{tier} --fuel 1000")), serde_json::json!({ "used": 905, "limit": 1000 }));
        assert_eq!(stats(&format!("{tier} --count-fuel")), serde_json::json!({ "used": 905, "limit": null }));
        assert_eq!(stats(&format!("{tier} --fuel 900")), serde_json::json!({ "used": 900, "limit": 900 }));
        assert_eq!(stats(tier), serde_json::Value::Null);
    }
}

#[test]
fn preloaded_modules_and_their_start_functions_spend_the_same_fuel() {
    let dir = Dir::new();
    dir.file("lib.wat", r#"(module (func $start (drop (i32.const 1))) (start $start) (func (export "g") (drop (i32.const 1))))"#);
    dir.file(
        "app.wat",
        r#"(module (import "lib" "g" (func $g)) (func $start (call $g)) (start $start) (func (export "_start") (call $g)))"#,
    );
    let cost = 2 + 2 * (2 + 2);
    assert_eq!(dir.run(&format!("--fuel {cost} --preload lib=lib.wat app.wat")).ok(), "");
    for fuel in [1, 5, cost - 1] {
        let said = dir.run(&format!("--fuel {fuel} --preload lib=lib.wat app.wat")).fails(124);
        contains(&said, &["error: fuel exhausted\n"]);
    }
}

#[test]
fn compiled_modules_count_if_they_were_compiled_so() {
    let dir = Dir::new();
    dir.file("app.wat", LOOP);
    for tier in ["lightbeam", "cranelift"] {
        let compile = |options: &[&str]| {
            let words = [&["compile", "--tier", tier, "app.wat", "-o", "app.cwasm"], options].concat();
            assert_eq!(outcome(&mut dir.sconce(words)).ok(), "");
        };
        compile(&[]);
        let said = dir.run("--allow-precompiled --fuel 10000 app.cwasm").fails(1);
        contains(&said, &["app.cwasm: compiled without --count-fuel, and this run is with --fuel", "compile the module again"]);
        compile(&["--count-fuel"]);
        assert_eq!(dir.run("--allow-precompiled --fuel 905 app.cwasm").ok(), "");
        contains(&dir.run("--allow-precompiled --fuel 904 app.cwasm").fails(124), &["error: fuel exhausted\n"]);
        // Without a limit it counts in vain.
        let ran = dir.run("--allow-precompiled app.cwasm");
        contains(&ran.stderr, &["note: app.cwasm was compiled with --count-fuel, and runs so"]);
    }
}

#[test]
fn what_is_cached_for_one_is_not_for_the_other() {
    let dir = Dir::new();
    dir.file("app.wat", LOOP);
    let used = |line: &str| dir.run(&format!("run --log debug {line} app.wat")).stderr.contains(" is used");
    assert_eq!(dir.run("cache warm --count-fuel app.wat").ok(), "");
    assert!(!used(""));
    assert!(used("--fuel 5000") && used("--count-fuel") && used(""));
    contains(&dir.run("--fuel 904 app.wat").fails(124), &["error: fuel exhausted\n"]);
}

#[test]
fn threads_are_refused() {
    let dir = Dir::new();
    dir.file(
        "app.wat",
        r#"(module (import "wasi" "thread-spawn" (func (param i32) (result i32))) (import "env" "memory" (memory 1 1 shared))
             (func (export "wasi_thread_start") (param i32 i32)) (func (export "_start")))"#,
    );
    assert_eq!(dir.run("app.wat").ok(), "");
    let said = dir.run("--fuel 100 app.wat").fails(1);
    contains(&said, &["error: app.wat: it starts threads, and", "--fuel cannot count", "leave out --fuel", "--timeout TIME"]);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let dir = Dir::new();
    dir.file("app.wat", LOOP);
    for number in ["-1", "1.5", "lots", "18446744073709551616", ""] {
        let said = outcome(&mut dir.sconce(["run", &format!("--fuel={number}"), "app.wat"])).fails(2);
        contains(&said, &["--fuel", "write a whole number, at most 18446744073709551615"]);
    }
}
