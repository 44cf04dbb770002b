//! `--invoke`: typed arguments and results.

use crate::support::{Dir, contains, outcome};

const FUNCTIONS: &str = r#"(module
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "v128") (param v128) (result v128) (local.get 0))
  (func (export "funcref") (param funcref) (result funcref) (local.get 0))
  (func (export "externref") (param externref) (result externref) (local.get 0))
  (func $self (export "self") (result funcref) (ref.func $self))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "swap") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
  (func (export "nothing")))"#;

#[test]
fn values_of_every_type_pass() {
    let dir = Dir::new();
    dir.file("f.wat", FUNCTIONS);
    for (words, printed) in [
        ("i32 f.wat -5", "-5\n"),
        ("i32 f.wat 4294967295", "-1\n"),
        ("i32 f.wat -2147483648", "-2147483648\n"),
        ("i64 f.wat 0x7fffffffffffffff", "9223372036854775807\n"),
        ("f32 f.wat 0.1", "0.1\n"),
        ("f64 f.wat nan", "nan\n"),
        ("f64 f.wat -inf", "-inf\n"),
        ("f64 f.wat 0x1.8p1", "3\n"),
        ("f32 f.wat nan:0x200000", "nan:0x200000\n"),
        ("v128 f.wat i32x4:1,2,3,4", "i32x4:1,2,3,4\n"),
        ("funcref f.wat null", "null\n"),
        ("externref f.wat null", "null\n"),
        ("self f.wat", "(ref.func 7)\n"),
        ("add f.wat -5 7", "2\n"),
        ("swap f.wat 1 2.5", "2.5\n1\n"),
        ("nothing f.wat", ""),
    ] {
        assert_eq!(dir.run(&format!("--invoke {words}")).ok(), printed, "{words}");
    }
}

/// Both compilers, and the one that is chosen.
const TIERS: [&str; 3] = ["", "--tier lightbeam", "--tier cranelift"];

#[test]
fn null_is_a_value_of_every_nullable_reference_type() {
    let types = [
        "funcref",
        "externref",
        "exnref",
        "nullfuncref",
        "nullexternref",
        "nullexnref",
        "(ref null $f)",
        "(ref null func)",
        "(ref null noexn)",
    ];
    let dir = Dir::new();
    let functions: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(i, ty)| {
            format!(
                "(func (export \"is{i}\") (param {ty}) (result i32) (ref.is_null (local.get 0)))
                 (func (export \"id{i}\") (param {ty}) (result {ty}) (local.get 0))"
            )
        })
        .collect();
    dir.file("n.wat", format!("(module (type $f (func (param i32))) {})", functions.join("\n")));
    for tier in TIERS {
        for (i, ty) in types.iter().enumerate() {
            assert_eq!(dir.run(&format!("run {tier} --invoke is{i} n.wat null")).ok(), "1\n", "{ty} {tier}");
            assert_eq!(dir.run(&format!("run {tier} --invoke id{i} n.wat null")).ok(), "null\n", "{ty} {tier}");
        }
    }
    dir.file("e.wat", "(module (func (export \"f\") (param (ref extern))))");
    contains(&dir.run("--invoke f e.wat null").fails(2), &["argument 1 ((ref extern))", "'null'", "the type excludes it"]);
}

#[test]
fn references_are_printed_as_scripts_write_them() {
    let dir = Dir::new();
    dir.file("lib.wat", "(module (func) (func (export \"f\")))");
    dir.file(
        "r.wat",
        r#"(module
          (import "lib" "f" (func $imported))
          (tag $t)
          (elem declare func $imported $f)
          (func)
          (func $f (export "own") (result funcref) (ref.func $f))
          (func (export "other") (result funcref) (ref.func $imported))
          (func (export "exception") (result exnref) (block $caught (result exnref) (try_table (catch_all_ref $caught) (throw $t)) (unreachable)))
          (func (export "all") (result funcref exnref externref v128 f32 f64)
            (ref.func $f) (ref.null exn) (ref.null extern) (v128.const f32x4 nan 1 2 3) (f32.const -nan:0x200001) (f64.const nan)))"#,
    );
    for tier in TIERS {
        for (name, printed) in [
            ("own", "(ref.func 2)\n"),
            // In the module that has it.
            ("other", "(ref.func 1)\n"),
            ("exception", "(ref.exn)\n"),
            ("all", "(ref.func 2)\nnull\nnull\ni32x4:2143289344,1065353216,1073741824,1077936128\n-nan:0x200001\nnan\n"),
        ] {
            let out = dir.run(&format!("run {tier} --preload lib=lib.wat --invoke {name} r.wat"));
            assert_eq!(out.ok(), printed, "{name} {tier}");
        }
    }
}

#[test]
fn wrong_arguments_name_parameter_type_and_text() {
    let dir = Dir::new();
    dir.file("f.wat", FUNCTIONS);
    for (words, parts) in [
        ("add f.wat 1 x", &["--invoke add", "argument 2 (i32)", "'x'", "not an integer"][..]),
        ("add f.wat 1", &["--invoke add", "argument 2 (i32) is missing"]),
        ("add f.wat 1 2 3", &["--invoke add", "'3' is too many"]),
        ("i32 f.wat 4294967296", &["argument 1 (i32)", "'4294967296'", "-2^31 to 2^32-1"]),
        ("f64 f.wat one", &["argument 1 (f64)", "'one'"]),
        ("v128 f.wat 5", &["argument 1 (v128)", "'5'", "i32x4:1,2,3,4"]),
        ("externref f.wat 5", &["argument 1 (externref)", "'5'"]),
        ("ad f.wat", &["no function \"ad\"", "did you mean \"add\"?"]),
        ("quite_another f.wat", &["no function \"quite_another\"", "\"add\": func (i32, i32) -> (i32)"]),
    ] {
        contains(&dir.run(&format!("--invoke {words}")).fails(2), parts);
    }
}

#[test]
fn a_reactor_is_initialized_once_and_before() {
    let dir = Dir::new();
    dir.file(
        "reactor.wat",
        r#"(module (global $n (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1))))
  (func (export "get") (result i32) (global.get $n)))"#,
    );
    assert_eq!(dir.run("--invoke get reactor.wat").ok(), "1\n");
    assert_eq!(dir.run("--invoke _initialize reactor.wat").ok(), "");
}

#[test]
fn styles_and_tiers_agree() {
    let dir = Dir::new();
    dir.file("f.wat", FUNCTIONS);
    for flags in [
        "--tier auto",
        "--tier cranelift",
        "--bounds guard",
        "--bounds explicit",
        "--calls direct",
        "--calls slots",
        "--canonical-nans",
        "--cache off",
        "--cache here",
    ] {
        assert_eq!(dir.run(&format!("run {flags} --invoke add f.wat 40 2")).ok(), "42\n", "{flags}");
    }
    contains(&dir.run("--bounds none --invoke add f.wat 1 2").fails(2), &["--bounds", "guard", "explicit"]);
    contains(&dir.run("--tier fast --invoke add f.wat 1 2").fails(2), &["--tier", "auto", "cranelift"]);
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let dir = Dir::new();
    dir.file("f.wat", FUNCTIONS);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let out = outcome(dir.sconce(["--invoke", "add", "f.wat", "1", "2"]).stdout(full));
    contains(&out.fails(1), &["cannot write to standard output", "No space left"]);
}

#[test]
fn an_export_without_parameters_leaves_the_command_line_to_the_program() {
    let dir = Dir::new();
    dir.file(
        "reactor.wat",
        r#"(module
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "_initialize"))
          (func $count (export "count") (result i32) (drop (call $sizes (i32.const 0) (i32.const 4))) (i32.load (i32.const 0)))
          (func (export "with") (param i32) (result i32) (i32.add (local.get 0) (call $count))))"#,
    );
    for (words, printed) in [
        ("count reactor.wat", "1\n"),
        ("count reactor.wat a b", "3\n"),
        ("count reactor.wat -- --help", "3\n"),
        // Those of a parameter are not the program's.
        ("with reactor.wat 10", "11\n"),
    ] {
        assert_eq!(dir.run(&format!("--invoke {words}")).ok(), printed, "{words}");
    }
    contains(&dir.run("--invoke with reactor.wat 10 11").fails(2), &["'11' is too many"]);
}
