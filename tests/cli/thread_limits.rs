//! What threads take counts as memory, and a thread that cannot be had is an error that the program gets.

use crate::support::{Dir, Outcome, contains, outcome};
use std::process::{Command, Stdio};

/// Exports: `wait N`: starts threads that stay, and gives how many there are; `deep N`: one that recurses so
/// deep, and gives the depth; `seq N`: so many one after the other, each started as soon as there is one;
/// `storm N`: so many that end at once, each having started two others, and caught some exceptions; gives 1.
fn program(more: &str) -> String {
    format!(
        r#"(module
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (import "env" "memory" (memory 1 1 shared))
        (tag $e (param i64 v128))
        {more}
        ;; Memory: 0 what threads do, 8 how many have finished, 16 a result, 64 never changes.
        (func $deep (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0))))
        (func $throw (param $n i32) (local $last exnref)
            (loop $again
                (local.set $last (block $h (result exnref)
                    (try_table (catch_all_ref $h) (throw $e (i64.const 1) (v128.const i64x2 1 2)))
                    (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (if (ref.is_null (local.get $last)) (then (unreachable))))
        (func (export "wasi_thread_start") (param $id i32) (param $arg i32)
            (local $what i32)
            (local.set $what (i32.load (i32.const 0)))
            (if (i32.eq (local.get $what) (i32.const 1))
                (then (drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1)))))
            (if (i32.eq (local.get $what) (i32.const 2)) (then (i32.store (i32.const 16) (call $deep (local.get $arg)))))
            (if (i32.eq (local.get $what) (i32.const 3))
                (then
                    (call $throw (i32.const 100))
                    (if (local.get $arg)
                        (then (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0)))))))
            (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))
            (drop (memory.atomic.notify (i32.const 8) (i32.const 1))))
        (func $many (param $n i32) (param $what i32) (result i32) (local $started i32)
            (i32.store (i32.const 0) (local.get $what))
            (loop $again
                (if (i32.gt_s (call $spawn (i32.const 1)) (i32.const 0))
                    (then (local.set $started (i32.add (local.get $started) (i32.const 1)))))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $started))
        (func (export "wait") (param $n i32) (result i32) (call $many (local.get $n) (i32.const 1)))
        (func (export "storm") (param $n i32) (result i32) (drop (call $many (local.get $n) (i32.const 3))) (i32.const 1))
        (func $join (param $n i32) (local $now i32)
            (loop $again
                (local.set $now (i32.atomic.load (i32.const 8)))
                (if (i32.lt_u (local.get $now) (local.get $n))
                    (then (drop (memory.atomic.wait32 (i32.const 8) (local.get $now) (i64.const -1))) (br $again)))))
        (func (export "deep") (param $n i32) (result i32)
            (i32.store (i32.const 0) (i32.const 2))
            (if (i32.lt_s (call $spawn (local.get $n)) (i32.const 0)) (then (return (i32.const -1))))
            (call $join (i32.const 1))
            (i32.load (i32.const 16)))
        (func (export "seq") (param $n i32) (result i32) (local $done i32)
            (loop $again
                (br_if $again (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0)))
                (local.set $done (i32.add (local.get $done) (i32.const 1)))
                (call $join (local.get $done))
                (br_if $again (i32.lt_u (local.get $done) (local.get $n))))
            (i32.load (i32.const 8))))"#
    )
}

fn number(o: Outcome) -> u32 {
    let text = o.ok();
    text.trim().parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// Runs the program under limits of the shell's.
fn limited(dir: &Dir, limits: &str, words: &str) -> Outcome {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -c 0; {limits}; exec \"$@\""), "sh"]).arg(dir.sconce([""; 0]).get_program());
    shell.args(["run", "--cache=off", "--timeout", "60s"]).args(words.split(' ')).current_dir(dir.path());
    outcome(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

#[test]
fn stacks_of_threads_count_as_far_as_they_are_used() {
    let dir = Dir::new();
    dir.file("t.wat", program(""));
    for tier in ["cranelift", "lightbeam"] {
        let run = |words: &str| dir.run(&format!("run --tier {tier} {words}"));
        // 64 KiB of memory, and 64 KiB at least for each thread.
        let waiting = number(run("--max-memory 1M --invoke wait t.wat 100"));
        assert!((8..16).contains(&waiting), "{waiting}");
        assert_eq!(number(run("--invoke wait t.wat 100")), 100);
        // 2,000 frames of 16 to 48 bytes fit in 136 KiB, but 10,000 do not.
        assert_eq!(run("--max-memory 216K --invoke deep t.wat 2000").ok(), "2000\n");
        let text = run("--max-memory 216K --invoke deep t.wat 10000").fails(134);
        contains(&text, &["error: call stack exhausted: the limit of memory is reached\n", "help: --max-memory"]);
        assert_eq!(run("--max-memory 1M --invoke deep t.wat 10000").ok(), "10000\n");
        contains(&run("--invoke deep t.wat 1000000").fails(134), &["error: call stack exhausted\n", "help: --stack-size"]);
        // What a thread had is there again when it is over.
        assert_eq!(run("--max-memory 300K --invoke seq t.wat 50").ok(), "50\n");
        assert_eq!(run("--max-memory 150K --invoke deep t.wat 1").ok(), "-1\n");
    }
}

#[test]
fn what_a_threads_instance_is_made_of_counts() {
    let dir = Dir::new();
    // Records of functions, and globals.
    let functions: String = (0..4000).map(|i| format!("(func $f{i})")).collect();
    let declared: String = (0..4000).map(|i| format!(" $f{i}")).collect();
    dir.file("functions.wat", program(&format!("{functions} (elem declare func{declared})")));
    dir.file("globals.wat", program(&"(global (mut v128) (v128.const i64x2 0 0))".repeat(4000)));
    dir.file("table.wat", program("(table 3000 funcref)"));
    for module in ["functions", "globals", "table"] {
        let waiting = number(dir.run(&format!("run --validate eager --max-memory 1300K --invoke wait {module}.wat 100")));
        assert!((2..8).contains(&waiting), "{module}: {waiting}");
    }
    // It is said when not even the first one can be had.
    dir.file("large.wat", program("(table 40000 funcref)"));
    contains(
        &dir.run("run --max-memory 1M --invoke wait large.wat 1").fails(1),
        &["a table cannot have 1280000 bytes: the limit of memory is 1048576 bytes", "--max-memory"],
    );
}

#[test]
fn where_address_space_is_short_threads_are_refused_and_the_program_goes_on() {
    let dir = Dir::new();
    dir.file("t.wat", program(""));
    for limit in [300_000, 500_000, 1_000_000, 3_000_000, 25_000_000] {
        let limits = format!("ulimit -v {limit}");
        let bounds = if limit < 20_000_000 { "--bounds explicit" } else { "--bounds guard" };
        assert_eq!(limited(&dir, &limits, &format!("{bounds} --invoke storm t.wat 100")).ok(), "1\n", "{limit}");
        let waiting = number(limited(&dir, &limits, &format!("{bounds} --invoke wait t.wat 1000")));
        assert!(waiting > 0 && waiting < 1000, "{limit}: {waiting}");
    }
    // Each gives back what it had.
    assert_eq!(limited(&dir, "ulimit -v 500000", "--bounds explicit --invoke seq t.wat 1500").ok(), "1500\n");
}

#[test]
fn tables_and_memories_are_limited_as_what_they_are() {
    let dir = Dir::new();
    let message = |module: &str, flags: &str| {
        dir.file("m.wat", format!(r#"(module {module} (func (export "_start")))"#));
        dir.run(&format!("run {flags} m.wat")).fails(1)
    };
    contains(&message("(table 20000000 funcref)", ""), &["a table of 20000000 elements is too large: 10000000 are the most"]);
    contains(&message("(memory 100)", "--max-memory 1M"), &["a memory cannot have 6553600 bytes", "(--max-memory)"]);
    contains(&message("(table 100000 externref)", "--max-memory 128K"), &["a table cannot have 400000 bytes", "(--max-memory)"]);
    contains(&message("(memory i64 2000000000)", ""), &["a memory of 131072000000000 bytes is too large"]);
    // Each module's own counts, once.
    dir.file("p.wat", r#"(module (memory (export "m") 4) (table (export "t") 1000 funcref))"#);
    dir.file(
        "q.wat",
        r#"(module (import "p" "m" (memory 4)) (import "p" "t" (table 1000 funcref)) (memory 4) (func (export "_start")))"#,
    );
    dir.run("run --max-memory 620K --preload p=p.wat q.wat").ok();
    contains(&dir.run("run --max-memory 600K --preload p=p.wat q.wat").fails(1), &["q.wat: a memory cannot have 262144 bytes"]);
}

#[test]
fn a_full_heap_of_references_is_a_trap() {
    let dir = Dir::new();
    dir.file(
        "list.wat",
        r#"(module (tag $e (param exnref))
        (func $throw (param exnref) (throw $e (local.get 0)))
        (func (export "run") (param $n i32) (local $list exnref)
            (loop $again
                (local.set $list (block $h (result exnref)
                    (try_table (catch_all_ref $h) (call $throw (local.get $list)))
                    (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#,
    );
    for tier in ["cranelift", "lightbeam"] {
        let text = dir.run(&format!("run --tier {tier} --max-memory 1M --invoke run list.wat 100000")).fails(134);
        contains(
            &text,
            &[
                "error: reference heap is full\n   0: ",
                " throw\n",
                " run\n",
                "help: --max-memory SIZE gives more memory; references",
            ],
        );
    }
}
