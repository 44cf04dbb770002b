//! What profilers and debuggers are told of a program's functions. That debuggers walk frames rightly is tested where faults are.

use crate::support::{Dir, finish, outcome};

/// `outer` calls `middle`, which calls `inner`.
const NESTED: &str = r#"(module $nested
  (func $inner (param $n i32) (result i32) (i32.div_u (i32.const 7) (local.get $n)))
  (func $middle (param $n i32) (result i32) (i32.add (call $inner (local.get $n)) (i32.const 1)))
  (func $outer (export "outer") (param $n i32) (result i32) (i32.add (call $middle (local.get $n)) (i32.const 1))))"#;

#[test]
fn perf_finds_functions_by_address() {
    let dir = Dir::new();
    dir.file("m.wat", NESTED);
    // The second run of each takes its code from the cache.
    for tier in ["lightbeam", "cranelift", "lightbeam", "cranelift"] {
        let mut command =
            dir.sconce(["run", "--cache=cache", "--profile=perfmap", "--tier", tier, "--invoke", "outer", "m.wat", "1"]);
        let child = command.spawn().expect("it starts");
        let path = format!("/tmp/perf-{}.map", child.id());
        assert_eq!(finish(child).ok(), "9\n");
        let map = std::fs::read_to_string(&path).expect("the map is there");
        std::fs::remove_file(&path).expect("it is ours");
        let mut symbols = Vec::new();
        for line in map.lines() {
            let mut words = line.splitn(3, ' ');
            let mut number = || u64::from_str_radix(words.next().expect("a number"), 16).expect("a number");
            let (start, len) = (number(), number());
            symbols.push((start..start + len, words.next().expect("a name").to_owned()));
        }
        symbols.sort_by_key(|symbol| symbol.0.start);
        assert!(symbols.iter().all(|symbol| !symbol.0.is_empty()), "{map}");
        assert!(symbols.is_sorted_by(|a, b| a.0.end <= b.0.start), "{map}");
        let functions: Vec<&str> = symbols.iter().filter_map(|s| s.1.strip_prefix("nested!")).collect();
        assert_eq!(functions, ["inner", "middle", "outer", "thunks"]);
        for trampoline in ["into wasm", "landing pad", "builtin memory_grow"] {
            let wanted = format!("sconce: {trampoline}");
            assert!(symbols.iter().any(|symbol| symbol.1.starts_with(&wanted)), "{trampoline}: {map}");
        }
    }
}

#[test]
fn what_debuggers_are_told_changes_nothing() {
    let dir = Dir::new();
    dir.file("m.wat", NESTED);
    for tier in ["lightbeam", "cranelift", "lightbeam", "cranelift"] {
        let run =
            |n| outcome(&mut dir.sconce(["run", "--cache=cache", "--debugger", "--tier", tier, "--invoke", "outer", "m.wat", n]));
        assert_eq!(run("7").ok(), "3\n");
        crate::support::contains(&run("0").fails(134), &["integer divide by zero", "inner", "middle", "outer"]);
    }
}
