//! What both compilers have in common: functions call each other (the cache has one module as Cranelift
//! compiled it, and not the other), and traps say the same.

use crate::support::{Dir, contains, outcome};
use std::fmt::Write;

const TYPES: [&str; 5] = ["i32", "i64", "f32", "f64", "v128"];

/// A constant of a type, different for each number.
fn constant(ty: &str, n: usize) -> String {
    match ty {
        "v128" => format!("v128.const i64x2 {n} {}", 7 * n + 1),
        "i64" => format!("i64.const {}", n * 4_294_967_311),
        "i32" => format!("i32.const {n}"),
        float => format!("{float}.const {n}.25"),
    }
}

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A library of functions that return some of their arguments, and a program that calls them and looks.
fn modules(seed: u64) -> (String, String) {
    let mut numbers = Numbers(seed);
    let (mut library, mut imports, mut body) = (String::new(), String::new(), String::new());
    for f in 0..60 {
        let params: Vec<&str> = (0..[1, 3, 6, 8, 14, 25][numbers.below(6)]).map(|_| TYPES[numbers.below(5)]).collect();
        let results: Vec<usize> = (0..[0, 1, 2, 5, 9, 20][numbers.below(6)]).map(|_| numbers.below(params.len())).collect();
        let types: Vec<&str> = results.iter().map(|&r| params[r]).collect();
        let ty = format!("(param {}) (result {})", params.join(" "), types.join(" "));
        let gets: String = results.iter().map(|r| format!("local.get {r} ")).collect();
        writeln!(library, "(func (export \"f{f}\") {ty} {gets})").unwrap();
        writeln!(imports, "(import \"lib\" \"f{f}\" (func $f{f} {ty}))").unwrap();
        for (n, param) in params.iter().enumerate() {
            write!(body, "{} ", constant(param, 100 * f + n)).unwrap();
        }
        writeln!(body, "call $f{f}").unwrap();
        for &r in results.iter().rev() {
            let differs = match params[r] {
                "v128" => "i64x2.eq i64x2.all_true i32.eqz".into(),
                ty => format!("{ty}.ne"),
            };
            writeln!(body, "{} {differs} if unreachable end", constant(params[r], 100 * f + r)).unwrap();
        }
    }
    (library, format!("{imports} (func (export \"_start\") {body})"))
}

/// A module is Lightbeam's where a run waits for it, and Cranelift's where it is compiled for later.
#[test]
fn what_is_compiled_ahead_of_time_is_optimized() {
    let dir = Dir::new();
    dir.file("app.wat", r#"(module (func (export "_start")))"#);
    for (tier, other, options) in [("cranelift", "lightbeam", &[][..]), ("lightbeam", "cranelift", &["--tier=lightbeam"])] {
        let words = [&["compile", "app.wat", "-o", "app.cwasm"], options].concat();
        assert_eq!(outcome(&mut dir.sconce(words)).ok(), "");
        for accepted in ["auto", tier] {
            assert_eq!(dir.run(&format!("--cache off --allow-precompiled --tier {accepted} app.cwasm")).ok(), "");
        }
        let refused = dir.run(&format!("--cache off --allow-precompiled --tier {other} app.cwasm")).fails(1);
        contains(&refused, &["app.cwasm: it was compiled by ", "and --tier asks for", ": leave --tier out, or compile"]);
        assert!(refused.len() < 200 && refused.to_lowercase().contains(tier), "{refused}");
    }
}

#[test]
fn compilers_agree_on_how_functions_are_called() {
    for seed in 0..3 {
        let (library, program) = modules(seed);
        for optimized in ["lib.wat", "main.wat"] {
            let dir = Dir::new();
            dir.file("lib.wat", format!("(module {library})"));
            dir.file("main.wat", format!("(module {program})"));
            // The other one is compiled by Lightbeam.
            assert_eq!(dir.run(&format!("cache warm {optimized}")).ok(), "");
            assert_eq!(dir.run("--preload lib=lib.wat main.wat").ok(), "", "seed {seed}");
        }
    }
}

/// What a trapping guest writes to standard error. Of a deep stack each line once, without numbers, and only
/// frames with an offset: how many there were, and whether it ended at a call or at the start of what is
/// called, depends on the frames' sizes.
fn complaint(dir: &Dir, tier: &str, bounds: &str, guest: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let outcome = dir.run(&format!("run --tier {tier} --bounds {bounds} {root}/tests/guests/{guest}"));
    assert_eq!(outcome.code(), 134, "{outcome:?}");
    if !outcome.stderr.contains("frames are left out") {
        return outcome.stderr;
    }
    let mut shown = Vec::new();
    for line in outcome.stderr.lines().filter(|line| !line.contains("frames are left out")) {
        let line = line.split_once(": ").map_or(line, |(_, rest)| rest);
        let named_only = line.starts_with(' ') && !line.trim_start().starts_with("at ");
        if !named_only && !shown.contains(&line) {
            shown.push(line);
        }
    }
    shown.join("\n")
}

#[test]
fn backtraces_are_the_same_in_both_tiers() {
    let dir = Dir::new();
    let kinds = ["unreachable", "divide", "overflow", "load", "store", "null", "signature", "index", "recursion"];
    let guests = kinds
        .map(|kind| format!("traps.wasm {kind}"))
        .into_iter()
        .chain(["shapes.wasm broken", "words.wasm panic"].map(str::to_owned));
    for guest in guests {
        for bounds in ["guard", "explicit"] {
            let expected = complaint(&dir, "cranelift", bounds, &guest);
            assert!(expected.contains(".wasm!") || expected.contains("words::"), "{expected}");
            assert_eq!(complaint(&dir, "lightbeam", bounds, &guest), expected, "{guest}, bounds={bounds}");
        }
    }
}

#[test]
fn cached_code_is_the_tiers_own() {
    let dir = Dir::new();
    dir.file("hello.wat", crate::support::hello());
    let entries = || {
        let names = std::fs::read_dir(dir.path().join("cache/sconce"))
            .map(|d| d.filter_map(Result::ok).map(|e| e.file_name()).collect::<Vec<_>>());
        let mut names = names.unwrap_or_default();
        names.sort();
        names
    };
    for tier in ["lightbeam", "cranelift"] {
        let before = entries().len();
        assert_eq!(dir.run(&format!("run --tier {tier} hello.wat")).ok(), "hello\n");
        let after = entries();
        assert!(after.len() > before, "the first run leaves an entry: {after:?}");
        assert_eq!(dir.run(&format!("run --tier {tier} hello.wat")).ok(), "hello\n");
        assert_eq!(dir.run(&format!("compile --tier {tier} hello.wat -o {tier}.cwasm")).ok(), "");
        assert_eq!(dir.run(&format!("run --tier {tier} --allow-precompiled {tier}.cwasm")).ok(), "hello\n");
        assert_eq!(dir.run(&format!("run --allow-precompiled {tier}.cwasm")).ok(), "hello\n", "auto takes both");
    }
    contains(&dir.run("run --tier cranelift --allow-precompiled lightbeam.cwasm").fails(1), &["compiled by Lightbeam"]);
}
