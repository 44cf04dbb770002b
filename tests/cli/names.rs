//! Text that modules bring along: it reaches people escaped and cut, wherever it comes up, and never costs more than a moment.

use crate::support::{Dir, Outcome, binary, contains, outcome};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything that acts on a terminal, hides, turns text around or forges a line, as a string of the text format.
const ODD: &str = concat!(
    r"\1b[31mRED\1b]0;owned\07\u{9b}31m\u{9d}0;t\u{9c}\7f\u{202e}evil\u{2066}x\u{2069}\u{200e}\u{61c}\n",
    r"error: forged\r\08\u{200b}\u{200d}\u{2060}\u{feff}\u{2028}\u{2029}\u{a0}\u{ad}\u{fe0f}\u{115f}\u{e0041}\u{e000}"
);

fn odd(text: &str) -> String {
    text.replace("ODD", ODD)
}

/// Whether what was written is plain, and its lines are Sconce's own.
#[track_caller]
fn plain(what: &str, text: &str) {
    let hidden = text.chars().find(|&c| c != '\n' && sconce_environ::shown::is_hidden(c));
    assert!(hidden.is_none(), "{what}: {hidden:?} in {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{what}: {text}");
    assert!(text.len() < 300_000, "{what}: {} bytes", text.len());
}

#[track_caller]
fn plain_outcome(what: &str, outcome: &Outcome) {
    plain(what, &outcome.stdout);
    plain(what, &outcome.stderr);
    assert!(outcome.code() < 1000, "{what}: {outcome:?}");
}

#[test]
fn odd_names_are_escaped_wherever_they_come_up() {
    let dir = Dir::new();
    for (name, module) in [
        (
            "trap",
            r#"(module $"mODD" (@custom "cODD" "x") (func $"fODD" (export "eODD") unreachable) (func (export "_start") (call 0)))"#,
        ),
        ("imports", r#"(module (import "iODD" "nODD" (func $"fODD")) (func (export "_start") (call 0)))"#),
        ("wasi", r#"(module (import "wasi_snapshot_preview1" "fd_ODD" (func)) (func (export "_start")))"#),
        ("invalid", r#"(module $"mODD" (func $"fODD" (export "eODD") (result i32) (i64.const 0)))"#),
        ("duplicate", r#"(module (func (export "eODD")) (func (export "eODD")))"#),
        ("library", r#"(module (memory (export "mODD") 1) (func (export "eODD")))"#),
        ("exception", r#"(module $"mODD" (tag $"tODD" (param i32)) (func $"fODD" (export "_start") (throw 0 (i32.const 1))))"#),
        ("exported", r#"(module (tag (export "tODD")) (func (export "_start") (throw 0)))"#),
    ] {
        let file = format!("{name}.wasm");
        let binary = wat::Parser::new().parse_str(None, odd(module)).expect("the text is right");
        dir.file(&file, binary);
        for words in [
            "run",
            "run --invoke nothing",
            "run --invoke _starts",
            "run --preload trap=trap.wasm",
            "run --log trace --cache off",
            "inspect",
            "inspect --json",
            "disas",
            "disas --func f",
            "disas --func 0",
            "compile -o out.cwasm",
        ] {
            let what = format!("{words} {file}");
            plain_outcome(&what, &dir.run(&what));
        }
    }
    contains(&dir.run("trap.wasm").fails(134), &["\\u{202e}evil", "\\nerror: forged", "\\u{1b}[31m"]);
    contains(&dir.run("inspect trap.wasm").ok(), &["\"eODD".replace("ODD", "\\u{1b}[31m").as_str(), "\"c\\u{1b}"]);
    // As JSON the names are whole.
    let json: serde_json::Value = serde_json::from_str(&dir.run("inspect --json trap.wasm").ok()).expect("JSON");
    let name = json["exports"][0]["name"].as_str().expect("a name");
    assert!(name.starts_with("e\u{1b}[31mRED\u{1b}]0;owned\u{7}\u{9b}31m") && name.ends_with("\u{e0041}\u{e000}"), "{name:?}");
}

#[test]
fn odd_text_in_text_modules_and_scripts_is_escaped() {
    let dir = Dir::new();
    for module in [
        r#"(module (func (call $"fODD")))"#,
        r#"(module (func $"fODD") (func $"fODD"))"#,
        "(module (func (i32.cosnt 0)) ;; \u{202e}evil \u{9b}31m\n)",
        "(module \u{1b}[31m)",
        "(module \"\u{7}\")",
    ] {
        dir.file("odd.wat", odd(module));
        for words in ["run odd.wat", "inspect odd.wat", "compile odd.wat", "disas odd.wat"] {
            let outcome = dir.run(words);
            plain_outcome(module, &outcome);
            contains(&outcome.fails(1), &["error: odd.wat: ", ":1:"]);
        }
    }
    for script in [
        r#"(module (import "iODD" "nODD" (func)))"#,
        r#"(module (func (export "eODD") (unreachable))) (invoke "eODD") (invoke "xODD") (assert_trap (invoke "eODD") "mODD")"#,
        r#"(assert_invalid (module) "mODD") (register "rODD" $"mODD") (invoke $"mODD" "x")"#,
        "(assert_return (invoke \"f\u{1b}[31m\u{202e}\"))",
    ] {
        dir.file("odd.wast", odd(script));
        let outcome = dir.run("wast odd.wast");
        plain_outcome(script, &outcome);
        assert_eq!(outcome.code(), 1, "{outcome:?}");
    }
    // A file's name is others' too.
    let name = "a\u{202e}\nerror: forged \u{1b}[31m.wasm";
    dir.file(name, "nothing");
    for words in
        [&["run", name][..], &["inspect", name], &["wast", name], &["compile", name], &["run", "none\n\u{1b}/"], &["x\n\u{1b}"]]
    {
        let outcome = outcome(&mut dir.sconce(words));
        plain_outcome(name, &outcome);
        assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    }
}

#[test]
fn names_do_not_forge_entries_of_a_profilers_file() {
    let dir = Dir::new();
    let module = r#"(module $"mODD" (func $"fODD" (export "_start")) (func (export "eODD")))"#;
    dir.file("odd.wasm", wat::parse_str(odd(module)).expect("the text is right"));
    let mut child = dir.sconce(["run", "--profile", "perfmap", "odd.wasm"]).spawn().expect("the binary starts");
    let path = format!("/tmp/perf-{}.map", child.id());
    assert!(child.wait().expect("its end").success());
    let map = std::fs::read_to_string(&path).expect("the file");
    std::fs::remove_file(path).expect("it is removed");
    plain("the map", &map);
    contains(&map, &["!f\\u{1b}", "!e\\u{1b}"]);
    for line in map.lines() {
        let mut words = line.split(' ');
        assert!([words.next(), words.next()].iter().flatten().all(|w| u64::from_str_radix(w, 16).is_ok()), "{line}");
    }
}

#[test]
fn an_uncaught_exception_names_its_tag_and_what_it_carries() {
    let dir = Dir::new();
    for (fields, body, told) in [
        ("(tag $e (param i32))", "(throw $e (i32.const 42))", "uncaught exception: tag $e (i32: 42)"),
        ("(tag (export \"e\"))", "(throw 0)", "uncaught exception: tag \"e\" ()"),
        ("(tag) (tag (param i64 f32))", "(throw 1 (i64.const -1) (f32.const 1.5))", "uncaught exception: tag 1 (i64: -1, f32: 1.5)"),
        (
            "(tag $_Z1fv (param f64 v128 externref funcref)) (elem declare func 0)",
            "(throw 0 (f64.const inf) (v128.const i64x2 1 2) (ref.null extern) (ref.func 0))",
            "uncaught exception: tag $f() (f64: inf, v128: 0x00000000000000020000000000000001, externref: null, funcref: not null)",
        ),
        (
            "(tag $many (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))",
            "(throw 0 (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7)
              (i32.const 8) (i32.const 9))",
            "tag $many (i32: 0, i32: 1, i32: 2, i32: 3, i32: 4, i32: 5, i32: 6, i32: 7, …)",
        ),
    ] {
        dir.file("throws.wat", format!("(module {fields} (func $thrower (export \"_start\") {body}))"));
        // From the cache too.
        for _ in 0..2 {
            let message = dir.run("throws.wat").fails(134);
            assert!(message.lines().next().is_some_and(|line| line.ends_with(told)), "{message}");
            contains(&message, &["thrower"]);
        }
    }
    // The module that defines the tag names it.
    dir.file("library.wat", "(module (tag $theirs (export \"t\") (param i32)) (tag $other))");
    dir.file(
        "throws.wat",
        r#"(module (import "lib" "t" (tag $mine (param i32))) (func (export "_start") (throw $mine (i32.const 7))))"#,
    );
    contains(&dir.run("--preload lib=library.wat throws.wat").fails(134), &["uncaught exception: tag $theirs (i32: 7)"]);
}

/// A binary section.
fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(contents.len()), contents].concat()
}

fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

fn name(text: &str) -> Vec<u8> {
    [&leb(text.len())[..], text.as_bytes()].concat()
}

/// A module whose function 0 traps, `depth` calls deep, called by `_start`; with this name section for functions.
fn deep(depth: u32, names: &[(usize, &str)]) -> Vec<u8> {
    let text = format!(
        r#"(module (func $f (param i32) (if (i32.eqz (local.get 0)) (then unreachable)) (call $f (i32.sub (local.get 0) (i32.const 1))))
          (func (export "_start") (call $f (i32.const {depth}))))"#
    );
    let mut module = wat::parse_str(text).expect("the text is right");
    // The name section that the text has is at the end, after the code, and the first one counts.
    let at = module.windows(5).position(|w| w == b"\x04name").expect("names") - 2;
    module.truncate(at);
    let map: Vec<u8> = names.iter().flat_map(|(index, text)| [leb(*index), name(text)].concat()).collect();
    let functions = section(1, &[leb(names.len()), map].concat());
    module.extend(section(0, &[name("name"), functions].concat()));
    module
}

/// Runs the binary and asserts that it does not take long.
#[track_caller]
fn soon(dir: &Dir, words: &str) -> Outcome {
    let start = Instant::now();
    let outcome = dir.run(words);
    // A build without optimizations on a busy machine takes its time; without bounds it would be minutes.
    assert!(start.elapsed() < Duration::from_secs(10), "{words}: {:?}", start.elapsed());
    outcome
}

#[test]
fn names_that_take_long_to_demangle_do_not_delay_a_report() {
    let dir = Dir::new();
    let hostile = format!("_ZNSbIwSt11chaS1_r_traitsIwE{}SaIwVisitOperator$EE6assignERKS2_", "SaIwsIwE".repeat(20));
    let packs = format!("_Z1f{}", "IJEE".repeat(1000));
    let substitutions = (0..200).fold("_Z1fI1aS_S_E".to_owned(), |bomb, _| format!("_Z1fI1aS0_S0_S0_E{}", &bomb[4..]));
    let rust = format!("_RNvC1a{}", "IC1bTB_B_B_E".repeat(400));
    for mangled in [&hostile, &packs, &substitutions, &rust, &format!("_Z1f{}i", "P".repeat(50_000))] {
        dir.file("deep.wasm", deep(60, &[(0, mangled), (1, mangled)]));
        let message = soon(&dir, "run --cache off deep.wasm").fails(134);
        contains(&message, &["error: unreachable\n", "   0: 0x", "  61: 0x"]);
        assert!(message.len() < 300_000, "{} bytes", message.len());
        // A report that does not begin in time is cut.
        let code = soon(&dir, "run --cache off --timeout 100ms deep.wasm").code();
        assert!(code == 134 || code == 124, "{code}");
        assert_eq!(soon(&dir, "run --cache off --profile perfmap --debugger deep.wasm").code(), 134);
        soon(&dir, "disas deep.wasm").ok();
        soon(&dir, "disas --func nothing deep.wasm").fails(1);
    }
}

#[test]
fn long_and_many_names_are_cut() {
    let dir = Dir::new();
    let long = "A".repeat(100_000);
    dir.file("deep.wasm", deep(60, &[(0, &long), (1, &long)]));
    let message = soon(&dir, "deep.wasm").fails(134);
    assert!(message.len() < 110_000 && message.contains('…'), "{} bytes", message.len());
    // Half a million names, of which one is wanted.
    let some: Vec<(usize, &str)> = (0..500_000).map(|n| (n, "n")).collect();
    dir.file("deep.wasm", deep(60, &some));
    contains(&soon(&dir, "deep.wasm").fails(134), &[" n\n"]);

    let import = |module: &str, field: &str| [name(module), name(field), vec![0, 0]].concat();
    let importing = |imports: Vec<Vec<u8>>| {
        let ty = section(1, &[1, 0x60, 0, 0]);
        [b"\0asm\x01\0\0\0".to_vec(), ty, section(2, &[leb(imports.len()), imports.concat()].concat())].concat()
    };
    for (what, module) in [
        ("long", importing(vec![import(&long, &long); 100])),
        ("near", importing(vec![import("wasi_snapshot_preview1", &"fd_write".repeat(10_000)); 100])),
        ("many", importing((0..100_000).map(|n| import(&format!("wasi_snapshot_preview{n}"), "fd_writ")).collect())),
    ] {
        dir.file("imports.wasm", module);
        let message = soon(&dir, "run --cache off imports.wasm").fails(1);
        assert!(message.len() < 30_000, "{what}: {} bytes", message.len());
        contains(&message, &["imports are missing", "\n  and "]);
    }
    let exports: Vec<u8> = (0..100_000).flat_map(|n| [name(&format!("a_function_{n}")), vec![0, 0]].concat()).collect();
    let library = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(7, &[leb(100_000), exports].concat()),
        section(10, &[1, 2, 0, 0x0b]),
    ]
    .concat();
    dir.file("library.wasm", library);
    contains(&soon(&dir, "library.wasm").fails(1), &["and 99950 more"]);
    soon(&dir, "--invoke b_function_1 library.wasm").fails(2);
    dir.file("user.wat", r#"(module (import "lib" "b_function_1" (func)) (func (export "_start")))"#);
    soon(&dir, "--preload lib=library.wasm user.wat").fails(1);
}

#[test]
fn what_never_ends_is_not_read_for_ever() {
    let dir = Dir::new();
    dir.file("hello.wat", crate::support::hello());
    for words in [
        "run /dev/zero",
        "run --cache off /dev/zero",
        "compile -o out.cwasm /dev/zero",
        "inspect /dev/zero",
        "inspect --json /dev/urandom",
        "disas /dev/zero",
        "run --preload x=/dev/zero hello.wat",
    ] {
        contains(&soon(&dir, words).fails(1), &["/dev/", "not a WebAssembly module"]);
    }
    let wast = soon(&dir, "wast /dev/zero");
    assert_eq!(wast.code(), 1, "{wast:?}");
    contains(&wast.stderr, &["error: /dev/zero: this is not a script"]);
    // A stream that begins as modules do, and goes on with what none does.
    let endless = |begin: &str, rest: &str, command: &str| {
        let script = format!("{{ printf '{begin}'; yes '{rest}'; }} | \"$0\" {command}");
        let start = Instant::now();
        let mut shell = Command::new("bash");
        shell.args(["-c", &script, binary()]).current_dir(dir.path()).stdin(Stdio::null());
        shell.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
        let outcome = outcome(shell.stdout(Stdio::piped()).stderr(Stdio::piped()));
        assert!(start.elapsed() < Duration::from_secs(10), "{script}: {:?}", start.elapsed());
        contains(&outcome.stderr, &["error: standard input: "]);
    };
    for command in ["run -", "run --cache off -", "inspect -", "disas -", "compile -o out.cwasm -"] {
        endless("\\0asm\\1\\0\\0\\0", "y", command);
        endless("", "y", command);
    }
    // Files of any length, most of which is not there.
    let sparse = |name: &str, begin: &[u8]| {
        let file = std::fs::File::create(dir.path().join(name)).expect("a file");
        std::io::Write::write_all(&mut &file, begin).expect("its beginning");
        file.set_len(1 << 40).expect("a length");
    };
    sparse("binary.wasm", b"\0asm\x01\0\0\0");
    sparse("text.wasm", b"(module");
    sparse("zeros.wasm", b"");
    for (name, told) in [("binary", "at most 4 GiB"), ("text", "longer than 256 MiB"), ("zeros", "not a WebAssembly module")] {
        for command in ["run", "run --cache off", "inspect", "disas", "compile -o out.cwasm"] {
            contains(&soon(&dir, &format!("{command} {name}.wasm")).fails(1), &["error: ", told]);
        }
    }
    assert!(!Path::new(&dir.path().join("out.cwasm")).exists());
}
