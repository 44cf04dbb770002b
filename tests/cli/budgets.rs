//! What a program may use of memory, files, output and processor time.

use crate::support::*;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

/// Programs that take memory until there is none, each in its own way, with the flags that it takes and what it is taken for.
/// `unreachable` is reached when the program has noticed; some are stopped.
const FLOODS: &[(&str, &str, &str, &str)] = &[
    (
        "memories",
        "",
        "memories",
        r#"(module (memory (export "memory") 1)
          (func (export "_start") (local $p i32)
            (loop $more
              (local.set $p (memory.grow (i32.const 16)))
              (if (i32.ne (local.get $p) (i32.const -1)) (then
                (memory.fill (i32.mul (local.get $p) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
                (br $more))))
            unreachable))"#,
    ),
    (
        // A byte of one has a page of the machine's to itself.
        "small-memories",
        "",
        "memories",
        r#"(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32))) (import "env" "memory" (memory $m 1 1 shared))
          (memory $a 1 1 (pagesize 1)) (memory $b 1 1 (pagesize 1)) (memory $c 1 1 (pagesize 1)) (memory $d 1 1 (pagesize 1)) (memory $e 1 1 (pagesize 1)) (memory $f 1 1 (pagesize 1)) (memory $g 1 1 (pagesize 1)) (memory $h 1 1 (pagesize 1))
          (func (export "wasi_thread_start") (param i32 i32)
            (i32.store8 $a (i32.const 0) (i32.const 1)) (i32.store8 $b (i32.const 0) (i32.const 1))
            (i32.store8 $c (i32.const 0) (i32.const 1)) (i32.store8 $d (i32.const 0) (i32.const 1))
            (i32.store8 $e (i32.const 0) (i32.const 1)) (i32.store8 $f (i32.const 0) (i32.const 1))
            (i32.store8 $g (i32.const 0) (i32.const 1)) (i32.store8 $h (i32.const 0) (i32.const 1))
            (drop (memory.atomic.wait32 $m (i32.const 0) (i32.const 0) (i64.const -1))))
          (func (export "_start")
            (loop $more (br_if $more (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0))))
            (drop (memory.atomic.wait32 $m (i32.const 0) (i32.const 0) (i64.const 500000000)))
            unreachable))"#,
    ),
    (
        "functions-table",
        "--max-table 4000000000",
        "tables",
        r#"(module (table $t 1 funcref) (func $f) (elem declare func $f)
          (func (export "_start")
            (loop $more (br_if $more (i32.ne (table.grow $t (ref.func $f) (i32.const 1000)) (i32.const -1))))
            unreachable))"#,
    ),
    (
        // Each is a little larger than a large page.
        "large-tables",
        "",
        "tables",
        r#"(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32))) (import "env" "memory" (memory $m 1 1 shared))
          (table $a 0 externref) (table $b 0 externref) (table $c 0 funcref) (table $d 0 funcref)
          (func (export "wasi_thread_start") (param i32 i32)
            (drop (table.grow $a (ref.null extern) (i32.const 524289)))
            (drop (table.grow $c (ref.null func) (i32.const 65537)))
            (drop (table.grow $b (ref.null extern) (i32.const 524288))) (drop (table.grow $b (ref.null extern) (i32.const 1)))
            (drop (table.grow $d (ref.null func) (i32.const 65536))) (drop (table.grow $d (ref.null func) (i32.const 1)))
            (drop (memory.atomic.wait32 $m (i32.const 0) (i32.const 0) (i64.const -1))))
          (func (export "_start") (local $n i32)
            (loop $more
              (drop (call $spawn (i32.const 0)))
              (drop (memory.atomic.wait32 $m (i32.const 0) (i32.const 0) (i64.const 10000000)))
              (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 30))))
            unreachable))"#,
    ),
    (
        "references-table",
        "--max-table 4000000000",
        "tables",
        r#"(module (table $t 1 externref)
          (func (export "_start")
            (loop $more (br_if $more (i32.ne (table.grow $t (ref.null extern) (i32.const 1000)) (i32.const -1))))
            unreachable))"#,
    ),
    (
        "exceptions",
        "",
        "references",
        r#"(module (tag $e (param i64 i64)) (table $t 1 exnref)
          (func (export "_start")
            (loop $more
              (block $h (result i64 i64 exnref)
                (try_table (catch_ref $e $h) (throw $e (i64.const 1) (i64.const 1))) unreachable)
              (table.grow $t (i32.const 1)) (i32.const -1) (i32.eq) (if (then unreachable))
              (drop) (drop)
              (br $more))))"#,
    ),
    (
        "stack",
        "--stack-size 4G",
        "stacks",
        r#"(module
          (func $deep (param i64) (result i64) (i64.add (local.get 0) (call $deep (i64.add (local.get 0) (i64.const 1)))))
          (func (export "_start") (drop (call $deep (i64.const 0)))))"#,
    ),
    (
        "threads",
        "--max-threads 100000",
        "stacks",
        r#"(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32))) (import "env" "memory" (memory 1 1 shared))
          (func (export "wasi_thread_start") (param i32 i32)
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
          (func (export "_start")
            (loop $more (br_if $more (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0))))
            unreachable))"#,
    ),
    (
        "polls",
        "--max-threads 100",
        "host",
        r#"(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (import "env" "memory" (memory 100 100 shared)) (export "memory" (memory 0))
          ;; Each waits for 65,536 clocks at once, and goes on when it may not.
          (func (export "wasi_thread_start") (param i32 i32)
            (drop (call $poll (i32.const 0) (i32.const 3200000) (i32.const 65536) (i32.const 6500000)))
            (drop (memory.atomic.wait32 (i32.const 6553000) (i32.const 0) (i64.const -1))))
          (func (export "_start") (local $i i32)
            (loop $fill
              (i64.store (i32.add (i32.const 24) (i32.mul (local.get $i) (i32.const 48))) (i64.const 1000000000000))
              (i32.store (i32.add (i32.const 16) (i32.mul (local.get $i) (i32.const 48))) (i32.const 1))
              (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536))))
            (loop $more (br_if $more (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0))))
            ;; They have all tried by then.
            (drop (memory.atomic.wait32 (i32.const 6553000) (i32.const 0) (i64.const 500000000)))
            unreachable))"#,
    ),
    (
        "descriptors",
        "--dir .",
        "host",
        r#"(module
          (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 0) ".")
          (func (export "_start")
            (loop $more
              (br_if $more
                (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0)
                  (i64.const 0) (i32.const 0) (i32.const 100)))))
            unreachable))"#,
    ),
];

/// The last line of what a run says, which is an object.
fn stats(o: &Outcome) -> serde_json::Value {
    let line = o.stderr.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {}", o.stderr))
}

const MIB: u64 = 1 << 20;

/// Bytes of a process that are in memory without a program.
fn resident_at_rest(dir: &Dir, flags: &str) -> u64 {
    dir.file("nothing.wat", r#"(module (func (export "_start")))"#);
    let o = dir.run(&format!("run --cache off --stats=json {flags} nothing.wat"));
    stats(&o)["resident"].as_u64().expect("bytes")
}

#[test]
fn the_limit_of_memory_is_on_all_that_a_program_can_make_the_process_hold() {
    let dir = Dir::new();
    for (name, flags, purpose, text) in FLOODS {
        dir.file("flood.wat", text);
        // So many descriptors need not be had.
        let limits: &[u64] = if *name == "descriptors" { &[1] } else { &[16, 64] };
        for (tier, most) in ["cranelift", "lightbeam"].into_iter().flat_map(|t| limits.iter().map(move |&m| (t, m))) {
            let flags = format!("--tier {tier} --max-memory {most}M {flags}");
            let o = dir.run(&format!("run --cache off --timeout 100s --stats=json {flags} flood.wat"));
            assert_eq!(o.code(), 134, "{name}: {o:?}");
            contains(&o.stderr, &[&format!("the program was refused more memory (--max-memory, {} bytes)", most * MIB)]);
            let stats = stats(&o);
            let number = |value: &serde_json::Value| value.as_u64().unwrap_or_else(|| panic!("{name}: {stats}"));
            let (used, taken) = (number(&stats["memory"]["used"]), number(&stats["memory"]["peaks"][purpose]));
            // The rest is too little for another piece: what is refused is at most twice what was had.
            assert!(used <= most * MIB && used > most * MIB / 2, "{name}: {stats}");
            assert!(taken * 8 > used, "{name}: {stats}");
            let resident = number(&stats["resident"]).saturating_sub(resident_at_rest(&dir, &format!("--tier {tier}")));
            assert!(resident <= most * MIB * 11 / 10 + 8 * MIB, "{name}: {resident} bytes beside the binary's own: {stats}");
        }
    }
}

/// A module of so many functions, whose code is large.
fn large_code(functions: usize) -> Vec<u8> {
    let body = "(global.set 0 (i64.add (global.get 0) (i64.const 12345678901234)))".repeat(2000);
    let functions = format!("(func {body})").repeat(functions);
    let text = format!(r#"(module (global (mut i64) (i64.const 0)) (func (export "_start") unreachable) {functions})"#);
    wat::parse_str(text).expect("a module")
}

#[test]
fn code_and_what_instances_consist_of_count() {
    let dir = Dir::new();
    dir.file("code.wasm", large_code(100));
    let all =
        stats(&dir.run("run --tier lightbeam --stats=json code.wasm"))["memory"]["peaks"]["modules"].as_u64().expect("bytes");
    assert!(all > 3 * MIB, "{all}");
    // From the cache as well, of which nothing else has been read.
    for _ in 0..2 {
        let most = all - 1;
        let refused = dir.run(&format!("run --tier lightbeam --max-memory {most} code.wasm")).fails(1);
        contains(&refused, &["code.wasm: a module cannot have", "(--max-memory)"]);
    }
    let passive = format!(r#"(module (memory 1) (data "{}") (func (export "_start")))"#, "a".repeat(2 << 20));
    let types =
        format!(r#"(module {} (func (export "_start")))"#, format!("(type (func (param {})))", "i32 ".repeat(500)).repeat(200));
    for (name, text) in [("passive.wasm", passive), ("types.wasm", types)] {
        dir.file(name, wat::parse_str(text).expect("a module"));
        // Compiled, and from the cache.
        for _ in 0..2 {
            let refused = dir.run(&format!("run --max-memory 1M {name}")).fails(1);
            contains(&refused, &[&format!("{name}: a module cannot have"), "(--max-memory)"]);
        }
        dir.run(&format!("run --max-memory 16M {name}")).ok();
    }
    let globals = "(global (mut v128) (v128.const i64x2 1 1))".repeat(100_000);
    dir.file("globals.wasm", wat::parse_str(format!(r#"(module {globals} (func (export "_start")))"#)).expect("a module"));
    let refused = dir.run("run --max-memory 1M globals.wasm").fails(1);
    contains(&refused, &["globals.wasm: ", " cannot have", "(--max-memory)"]);
    dir.run("run --max-memory 24M globals.wasm").ok();
}

#[test]
fn tables_have_a_limit_of_their_own() {
    let dir = Dir::new();
    dir.file(
        "grow.wat",
        r#"(module (table $a 2 externref) (table $b 1 4 funcref)
          (func (export "a") (param i32) (result i32) (table.grow $a (ref.null extern) (local.get 0)))
          (func (export "b") (param i32) (result i32) (table.grow $b (ref.null func) (local.get 0)))
          (func (export "fails") (drop (table.grow $a (ref.null extern) (i32.const 9))) unreachable))"#,
    );
    for (words, result) in [
        ("--max-table 10 --invoke a grow.wat 8", "2\n"),
        ("--max-table 10 --invoke a grow.wat 9", "-1\n"),
        ("--max-table 10 --invoke a grow.wat -1", "-1\n"),
        ("--max-table 2 --invoke a grow.wat 0", "2\n"),
        ("--max-table 10 --invoke b grow.wat 3", "1\n"),
        ("--max-table 10 --invoke b grow.wat 4", "-1\n"),
        ("--max-table 3 --invoke b grow.wat 3", "-1\n"),
        ("--invoke a grow.wat 9999998", "2\n"),
        ("--invoke a grow.wat 9999999", "-1\n"),
        ("--max-table 10000001 --invoke a grow.wat 9999999", "2\n"),
    ] {
        assert_eq!(dir.run(&format!("run {words}")).ok(), result, "{words}");
    }
    let refused = dir.run("run --max-table 1 --invoke a grow.wat 0").fails(1);
    contains(&refused, &["a table of 2 elements is too large: 1 are the most (--max-table)"]);
    // A limit of the type's own is not ours to mention.
    contains(&dir.run("run --max-table 10 --invoke fails grow.wat").fails(134), &["more elements of a table (--max-table, 10)"]);
    assert!(!dir.run("run --max-table 11 --invoke fails grow.wat").fails(134).contains("--max-table"));
}

/// Opens files and writes to them and to its streams, as its arguments say: `open`, `write N`, `output N`, and exits with what
/// the last call gave.
const WRITER: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_allocate" (func $allocate (param i32 i64 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "file")
  (func $new (result i32)
    (drop (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 9)
      (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 100)))
    (i32.load (i32.const 100)))
  ;; Two buffers of n and of 10 bytes; gives the errno, or minus what was written.
  (func $put (param $fd i32) (param $n i32) (result i32) (local $e i32)
    (i32.store (i32.const 200) (i32.const 1000)) (i32.store (i32.const 204) (local.get $n))
    (i32.store (i32.const 208) (i32.const 1000)) (i32.store (i32.const 212) (i32.const 10))
    (local.set $e (call $write (local.get $fd) (i32.const 200) (i32.const 2) (i32.const 104)))
    (select (local.get $e) (i32.sub (i32.const 0) (i32.load (i32.const 104))) (local.get $e)))
  (func (export "file") (param $n i32) (result i32 i32) (local $fd i32)
    (local.set $fd (call $new))
    (call $put (local.get $fd) (local.get $n)) (call $put (local.get $fd) (local.get $n)))
  (func (export "far") (param $at i64) (result i32)
    (i32.store (i32.const 200) (i32.const 1000)) (i32.store (i32.const 204) (i32.const 1))
    (call $pwrite (call $new) (i32.const 200) (i32.const 1) (local.get $at) (i32.const 104)))
  (func (export "allocate") (param $n i64) (result i32) (call $allocate (call $new) (i64.const 0) (local.get $n)))
  (func (export "size") (param $n i64) (result i32) (call $set_size (call $new) (local.get $n)))
  (func (export "output") (param $fd i32) (param $n i32) (result i32)
    (drop (call $put (local.get $fd) (local.get $n))) (call $put (local.get $fd) (local.get $n)))
  (func (export "fails") (drop (call $put (call $new) (i32.const 90))) (drop (call $put (i32.const 4) (i32.const 90))) unreachable)
  (func (export "many") (result i32) (local $n i32)
    (loop $more
      (i32.store (i32.const 100) (i32.const -1))
      (drop (call $new))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.ne (i32.load (i32.const 100)) (i32.const -1))))
    (i32.sub (local.get $n) (i32.const 1))))"#;

const DQUOT: i32 = 19;
const FBIG: i32 = 22;

#[test]
fn what_is_written_to_files_is_limited_for_each_and_for_all() {
    let dir = Dir::new();
    dir.file("w.wat", WRITER);
    let run = |words: &str| {
        let o = dir.run(&format!("run --dir . {words}"));
        let numbers = o.stdout.lines().map(|line| line.parse().expect("a number")).collect::<Vec<i32>>();
        let size = std::fs::metadata(dir.path().join("file")).map_or(0, |m| m.len());
        let _ = std::fs::remove_file(dir.path().join("file"));
        (numbers, size)
    };
    for tier in ["cranelift", "lightbeam"] {
        for (words, numbers, size) in [
            ("--invoke file w.wat 90", vec![-100, -100], 200),
            ("--max-written 200 --invoke file w.wat 90", vec![-100, -100], 200),
            ("--max-written 199 --invoke file w.wat 90", vec![-100, -99], 199),
            ("--max-written 101 --invoke file w.wat 90", vec![-100, -1], 101),
            ("--max-written 100 --invoke file w.wat 90", vec![-100, DQUOT], 100),
            ("--max-written 0 --invoke file w.wat 90", vec![DQUOT, DQUOT], 0),
            ("--max-written 100 --invoke allocate w.wat 100", vec![0], 100),
            ("--max-written 100 --invoke allocate w.wat 101", vec![DQUOT], 0),
            ("--max-written 1 --invoke far w.wat 1000000", vec![0], 1_000_001),
            ("--max-file-size 200 --invoke file w.wat 90", vec![-100, -100], 200),
            ("--max-file-size 199 --invoke file w.wat 90", vec![-100, -99], 199),
            ("--max-file-size 100 --invoke file w.wat 90", vec![-100, FBIG], 100),
            ("--max-file-size 0 --invoke file w.wat 90", vec![FBIG, FBIG], 0),
            ("--max-file-size 1K --invoke far w.wat 1023", vec![0], 1024),
            ("--max-file-size 1K --invoke far w.wat 1024", vec![FBIG], 0),
            ("--max-file-size 1K --invoke allocate w.wat 1024", vec![0], 1024),
            ("--max-file-size 1K --invoke allocate w.wat 1025", vec![FBIG], 0),
            ("--max-file-size 1K --invoke size w.wat 1024", vec![0], 1024),
            ("--max-file-size 1K --invoke size w.wat 1025", vec![FBIG], 0),
        ] {
            // Fresh and from the cache, where the program's code comes from files that have no such limit.
            for _ in 0..2 {
                assert_eq!(run(&format!("--tier {tier} {words}")), (numbers.clone(), size), "{words}");
            }
        }
    }
    let said = |flags: &str| dir.run(&format!("run --dir . {flags} --invoke fails w.wat")).fails(134);
    contains(&said("--max-written 100"), &["note: the program was refused more bytes in files (--max-written, 100 bytes)\n"]);
    contains(
        &said("--max-file-size 100"),
        &["note: the program was refused more bytes in a file (--max-file-size, 100 bytes)\n"],
    );
    // A short write is one, too: some programs do not write the rest.
    contains(&said("--max-written 150"), &["(--max-written, 150 bytes)\n"]);
    assert!(!said("--max-written 200 --max-file-size 150").contains("note:"));
    assert!(!said("").contains("note:"));
}

#[test]
fn output_is_limited_and_ends_the_program() {
    let dir = Dir::new();
    dir.file("w.wat", WRITER);
    let over = "error: the program wrote more to standard output and error than";
    for (fd, other) in [(1, false), (2, true)] {
        let run = |flags: &str| {
            let o = dir.run(&format!("run {flags} --invoke output w.wat {fd} 90"));
            let (code, [program, said]) = (o.code(), if other { [o.stderr, o.stdout] } else { [o.stdout, o.stderr] });
            (code, program, said)
        };
        let (code, program, _) = run("");
        assert_eq!((code, program.matches('\0').count()), (0, 200));
        let (code, program, _) = run("--max-output 200");
        assert_eq!((code, program.matches('\0').count()), (0, 200));
        for (most, written) in [(199, 199), (101, 101)] {
            // A short write is what a program sees at first.
            let (code, program, _) = run(&format!("--max-output {most}"));
            assert_eq!((code, program.matches('\0').count()), (0, written));
        }
        for most in [100, 99, 0] {
            let (code, program, said) = run(&format!("--max-output {most}"));
            assert_eq!((code, program.matches('\0').count()), (124, most), "{most}");
            contains(if other { &program } else { &said }, &[&format!("{over} {most} bytes (--max-output)")]);
        }
    }
    assert_eq!(dir.run("run --max-output 100 --dir . --invoke file w.wat 900").ok(), "-910\n-910\n", "files are no output");
}

#[test]
fn output_to_a_socket_is_limited_too() {
    let dir = Dir::new();
    dir.file("w.wat", WRITER);
    let send = WRITER
        .replace("\"fd_write\" (func $write (param i32 i32 i32 i32)", "\"sock_send\" (func $send (param i32 i32 i32 i32 i32)");
    dir.file(
        "send.wat",
        send.replace(
            "(call $write (local.get $fd) (i32.const 200) (i32.const 2)",
            "(call $send (local.get $fd) (i32.const 200) (i32.const 2) (i32.const 0)",
        ),
    );
    for module in ["w.wat", "send.wat"] {
        for (most, code) in [(200, 0), (199, 0), (101, 0), (100, 124), (99, 124), (0, 124)] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let words = format!("run --max-output {most} --max-written 7 --invoke output {module} 1 90");
            let o = outcome(dir.sconce(words.split(' ')).stdout(OwnedFd::from(theirs)));
            assert_eq!(o.code(), code, "{module} {most}: {o:?}");
            let mut got = Vec::new();
            ours.read_to_end(&mut got).unwrap();
            assert_eq!(got.iter().filter(|&&b| b == 0).count(), most, "{module}");
        }
    }
}

#[test]
fn open_files_are_limited() {
    let dir = Dir::new();
    dir.file("w.wat", WRITER);
    for (most, opened) in [(4, 0), (5, 1), (20, 16)] {
        let o = dir.run(&format!("run --dir . --max-fds {most} --invoke many w.wat"));
        assert_eq!(o.ok(), format!("{opened}\n"));
    }
    contains(&dir.run("run --dir . --max-fds 3 --invoke many w.wat").fails(1), &["3", "--max-fds"]);
}

#[test]
fn processor_time_is_limited_in_every_thread_and_in_compilation() {
    let dir = Dir::new();
    dir.file("spin.wat", r#"(module (func (export "_start") (loop $l (br $l))))"#);
    dir.file(
        "threads.wat",
        r#"(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32))) (import "env" "memory" (memory 1 1 shared))
          (func (export "wasi_thread_start") (param i32 i32) (loop $l (br $l)))
          (func (export "_start")
            (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0)))
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#,
    );
    dir.file(
        "sleep.wat",
        r#"(module (memory 1 1 shared)
          (func (export "_start") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 400000000)))))"#,
    );
    dir.file("code.wasm", large_code(300));
    for tier in ["cranelift", "lightbeam"] {
        for program in ["spin.wat", "threads.wat"] {
            let said = dir.run(&format!("run --tier {tier} --cpu-time 300ms {program}")).fails(124);
            assert_eq!(said, "error: out of processor time after 300ms of it (--cpu-time)\n");
        }
        // Time that passes is not processor time.
        assert_eq!(dir.run(&format!("run --tier {tier} --cpu-time 300ms sleep.wat")).ok(), "");
    }
    let said = dir.run("run --cache off --tier cranelift --cpu-time 10ms code.wasm").fails(124);
    assert_eq!(said, "error: out of processor time after 10ms of it (--cpu-time), before code.wasm was compiled\n");
    contains(&dir.run("run --cpu-time 0s spin.wat").fails(2), &["--cpu-time", "above zero"]);
}

#[test]
fn a_program_that_sleeps_is_not_charged_with_being_watched() {
    let dir = Dir::new();
    dir.file(
        "sleep.wat",
        r#"(module (memory 1 1 shared)
          (func (export "_start") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#,
    );
    let mut child = start(&mut dir.sconce(["run", "--cpu-time", "300ms", "sleep.wat"]));
    let tasks = format!("/proc/{}/task", child.id());
    // How often its first thread, which watches, has waited.
    let waits = || {
        let status = std::fs::read_to_string(format!("{tasks}/{}/status", child.id())).expect("it runs");
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:").map(|n| n.trim().to_owned()))
    };
    let names = || std::fs::read_dir(&tasks).expect("it runs").flatten().map(|task| task.path().join("comm"));
    while !names().any(|name| std::fs::read_to_string(name).is_ok_and(|name| name == "guest\n")) {
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(500));
    let before = waits();
    sleep(Duration::from_secs(1));
    assert_eq!((waits(), before.is_some()), (before, true));
    child.kill().expect("it runs");
    wait(&mut child);
}

#[test]
fn stats_say_what_was_used_of_each_limit() {
    let dir = Dir::new();
    dir.file("w.wat", WRITER);
    let o = dir.run("run --stats=json --dir . --max-fds 30 --max-output 1K --timeout 1h --invoke file w.wat 90");
    let found = stats(&o);
    assert_eq!(o.stdout, "-100\n-100\n");
    let pair = |name: &str| (found[name]["used"].clone(), found[name]["limit"].clone());
    assert_eq!(pair("fds"), (5.into(), 30.into()));
    assert_eq!(pair("written"), (200.into(), serde_json::Value::Null));
    assert_eq!(pair("output"), (0.into(), 1024.into()));
    assert_eq!(pair("threads"), (0.into(), 1000.into()));
    assert_eq!(found["time"]["limit"], 3600.0);
    assert_eq!(found["memory"]["peaks"]["memories"], 65536);
    assert_eq!((&found["modules"][0]["name"], &found["modules"][0]["compiler"]), (&"w.wat".into(), &"lightbeam".into()));
    // The default protects the machine.
    let most = found["memory"]["limit"].as_u64().expect("a limit");
    assert!(most > 64 * MIB && most < 1 << 46, "{most}");
    let text = dir.run("run --stats --dir . --max-fds 30 --invoke file w.wat 90").stderr;
    contains(
        &text,
        &["used by the run:\n", "\n  fds        5 of 30 (--max-fds)\n", "\n  written    200 bytes\n", "\"w.wat\" by "],
    );
    // However it ends.
    dir.file("spin.wat", r#"(module (func (export "_start") (loop $l (br $l))) (func (export "trap") unreachable))"#);
    let o = dir.run("run --stats=json --timeout 100ms spin.wat");
    assert_eq!((o.code(), o.stderr.starts_with("error: timed out after 100ms (--timeout)\n")), (124, true), "{o:?}");
    assert!(stats(&o)["cpu-time"]["used"].as_f64().expect("seconds") > 0.0);
    let o = dir.run("run --stats=json --invoke trap spin.wat");
    assert_eq!((o.code(), stats(&o)["fds"]["used"].clone()), (134, 3.into()));
}
