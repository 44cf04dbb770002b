//! Guests whose whole output is known.

use crate::support::{Ended, dir, guest, run, sconce, sconce_run};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn expected(name: &str) -> String {
    let path = guest("expected").join(format!("{name}.out"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Runs a guest that needs nothing, with both ways to keep accesses in bounds and both ways to call; and for the baseline.
#[track_caller]
fn plain(name: &str) {
    prints(name, &expected(name));
}

/// The same, where another guest's output is expected.
#[track_caller]
fn prints(name: &str, expected: &str) {
    let styles = [&["--bounds=guard", "--calls=direct"][..], &["--bounds=explicit", "--calls=slots"], &["--baseline"]];
    for style in styles {
        let output = run(sconce_run().args(style).arg(guest(&format!("{name}.wasm"))), "").good();
        assert_eq!(output, expected, "with {style:?}");
    }
}

/// Runs a guest that works in a directory, and returns how it ended; the directory is empty again afterwards.
#[track_caller]
fn in_directory(name: &str) {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("outside"), "not the guest's").expect("written");
    let shared = place.path().join("shared");
    fs::create_dir(&shared).expect("made");
    let output = run(sconce_run().arg(dir(&shared, "/d")).arg(guest(&format!("{name}.wasm"))).arg("/d"), "").good();
    assert_eq!(output, expected(name));
    assert_eq!(fs::read_dir(&shared).expect("still there").count(), 0, "the guest cleans up");
    assert_eq!(fs::read_to_string(place.path().join("outside")).expect("still there"), "not the guest's");
}

#[test]
fn hello() {
    plain("hello");
}

#[test]
fn numbers() {
    plain("numbers");
}

#[test]
fn simd() {
    plain("simd");
}

#[test]
fn indirect() {
    plain("indirect");
}

#[test]
fn cpp_exceptions() {
    plain("exceptions");
}

/// The same source as older compilers have it, with `try` and `catch`: nobody can tell.
#[test]
fn cpp_exceptions_in_their_old_form() {
    prints("exceptions-old", &expected("exceptions"));
}

#[test]
fn with_sweeps_everywhere() {
    assert_eq!(run(sconce_run().arg("--gc-stress").arg(guest("hello.wasm")), "").good(), expected("hello"));
}

#[test]
fn lua_with_long_jumps() {
    plain("lua");
}

#[test]
fn recursion() {
    plain("recursion");
}

#[test]
fn random() {
    plain("random");
}

#[test]
fn shapes() {
    plain("shapes");
}

#[test]
fn files() {
    in_directory("files");
}

#[test]
fn readdir() {
    in_directory("readdir");
}

#[test]
fn io() {
    in_directory("io");
}

#[test]
fn times() {
    in_directory("times");
}

#[test]
fn the_short_form_runs_too() {
    assert_eq!(run(sconce().arg(guest("hello.wasm")), "").good(), expected("hello"));
}

#[test]
fn arguments_and_environment_are_what_was_given() {
    let mut command = sconce_run();
    command.args(["--env", "B=2", "--env=EMPTY=", "--env", "FROM_HOST", "--argv0", "renamed"]).env("FROM_HOST", "inherited");
    command.env("SECRET", "stays here").arg(guest("args.wasm")).args(["", "--env", "x=y", "--", "-5", "grün"]);
    let output = run(&mut command, "").good();
    let (arguments, environment): (Vec<_>, Vec<_>) = output.lines().partition(|line| line.starts_with("arg"));
    assert_eq!(
        arguments,
        ["arg 0 [renamed]", "arg 1 []", "arg 2 [--env]", "arg 3 [x=y]", "arg 4 [--]", "arg 5 [-5]", "arg 6 [grün]"]
    );
    let mut environment = environment;
    environment.sort_unstable();
    assert_eq!(environment, ["env [B=2]", "env [EMPTY=]", "env [FROM_HOST=inherited]"]);
}

#[test]
fn exit_codes_pass_through() {
    for (arguments, code, output) in [
        (&["0"][..], 0, "atexit ran\n"),
        (&["7"], 7, "atexit ran\n"),
        (&["255", "exit"], 255, "atexit ran\n"),
        (&["42", "_Exit"], 42, ""),
        (&["134", "exit"], 134, "atexit ran\n"),
    ] {
        let ended = run(sconce_run().arg(guest("exit.wasm")).args(arguments), "");
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (code, output, ""), "{arguments:?}");
    }
}

#[test]
fn a_trap_says_why_and_where() {
    for (kind, cause, innermost) in [
        ("unreachable", "unreachable", "innermost"),
        ("divide", "integer divide by zero", "innermost"),
        ("overflow", "integer overflow", "innermost"),
        ("load", "out of bounds memory access", "innermost"),
        ("store", "out of bounds memory access", "innermost"),
        ("null", "uninitialized element", "innermost"),
        ("signature", "indirect call type mismatch", "innermost"),
        ("index", "undefined element", "innermost"),
        ("recursion", "call stack exhausted", "endless"),
    ] {
        for bounds in ["--bounds=guard", "--bounds=explicit"] {
            let ended = run(sconce_run().arg(bounds).arg(guest("traps.wasm")).arg(kind), "");
            assert_eq!((ended.code, ended.stdout.as_str()), (134, &*format!("{kind}\n")), "{ended:#?}");
            let first = ended.stderr.lines().next().unwrap_or_default();
            assert!(first.contains(cause), "{kind}: {ended:#?}");
            let mut rest = ended.stderr.as_str();
            for function in [innermost, "middle", "outer", "start"] {
                let at = rest.find(function).unwrap_or_else(|| panic!("{kind}: {function} is not in order: {ended:#?}"));
                rest = &rest[at..];
            }
            assert!(ended.stderr.contains("tests/guests/src/traps.c:"), "file and line: {ended:#?}");
        }
    }
}

#[test]
fn names_in_a_backtrace_are_demangled() {
    let ended = run(sconce_run().arg(guest("shapes.wasm")).arg("broken"), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (134, "total 30\nbroken acre\n"), "{ended:#?}");
    for name in ["shapes::Broken::area(", "shapes::total<shapes::Shape>(", "main"] {
        assert!(ended.stderr.contains(name), "{name}: {ended:#?}");
    }
}

#[test]
fn rust_with_its_standard_library() {
    let text = "the wall and the light\nThe fort and a sconce\n";
    let expected = "   3 the\n   2 and\n   1 a\n   1 fort\n   1 light\n   1 sconce\n   1 wall\n";
    assert_eq!(run(sconce_run().arg(guest("words.wasm")), text).good(), expected);
    let ended = run(sconce_run().arg(guest("words.wasm")).arg("panic"), text);
    assert_eq!((ended.code, ended.stdout.as_str()), (134, expected), "{ended:#?}");
    for line in ["panicked at", "index out of bounds: the len is 7 but the index is 1000", "error: unreachable", "words::nth"] {
        assert!(ended.stderr.contains(line), "{line}: {ended:#?}");
    }
}

#[test]
fn a_trap_while_instantiating_is_a_trap() {
    let ended = run(sconce_run().arg(guest("src/start-trap.wat")), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (134, ""), "{ended:#?}");
    assert!(ended.stderr.lines().next().is_some_and(|line| line.contains("out of bounds memory access")), "{ended:#?}");
    assert!(ended.stderr.contains("boot"), "{ended:#?}");
}

#[test]
fn the_memory_limit_is_kept() {
    let grew =
        |arguments: &[&str], pages: &str| run(sconce_run().args(arguments).arg(guest("memory.wasm")).arg(pages), "").good();
    assert_eq!(grew(&[], "1600"), "grew by 1600 pages, fresh bytes summed to 0\n");
    // The guest begins with 257 pages and grows by 16 at a time: 304 pages in all leave room for two steps.
    assert_eq!(grew(&["--max-memory", "19M"], "1600"), "grew by 32 pages, fresh bytes summed to 0\n");
}

#[test]
fn exports_are_called_by_name() {
    let invoke = |name: &str, arguments: &[&str]| {
        run(sconce_run().arg("--invoke").arg(name).arg(guest("src/invoke.wat")).args(arguments), "").good()
    };
    assert_eq!(invoke("add", &["2", "-5"]), "-3\n");
    assert_eq!(invoke("add", &["4294967295", "2"]), "1\n");
    assert_eq!(invoke("add64", &["-9223372036854775808", "1"]), "-9223372036854775807\n");
    assert_eq!(invoke("half", &["5"]), "2.5\n");
    assert_eq!(invoke("root", &["2"]), "1.4142135623730951\n");
    assert_eq!(invoke("lanes", &["i32x4:1,2,3,-1"]), "i32x4:2,3,4,0\n");
    assert_eq!(invoke("divmod", &["17", "5"]), "3\n2\n");
    assert_eq!(invoke("many", &[]), "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n");
    // `_initialize` runs once before it.
    assert_eq!(invoke("state", &[]), "42\n");
}

#[test]
fn a_preloaded_module_is_initialized_and_shared() {
    let library = format!("--preload=library={}", guest("src/library.wat").display());
    let ended = run(sconce_run().arg(library).arg(guest("src/borrower.wat")), "");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (2, "", ""));
}

fn from_file(name: &str, bytes: &[u8]) -> Ended {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("input");
    fs::write(&path, bytes).expect("written");
    // `run` gives a pipe; the shell opens the file.
    let mut shell = std::process::Command::new("sh");
    crate::support::clean(&mut shell).args(["-c", "exec \"$0\" run \"$3\" \"$1\" < \"$2\"", crate::support::SCONCE]);
    run(shell.arg(guest(name)).arg(path).arg(crate::support::TIER), "")
}

#[test]
fn the_older_interface_has_its_own_layouts() {
    let ended = from_file("src/unstable.wat", b"012345678\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "345678\n", ""));
}

#[test]
fn standard_input_is_a_file_or_a_stream() {
    let ended = from_file("cat.wasm", b"some text\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "some text\n"));
    assert_eq!(ended.stderr, "stdin is a file, seeking works\n10 bytes\n");
    let ended = run(sconce_run().arg(guest("cat.wasm")), "some text\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "some text\n"));
    assert_eq!(ended.stderr, "stdin is a stream, seeking does not work\n10 bytes\n");
}

#[test]
fn much_data_goes_through_unchanged() {
    let mut input = Vec::new();
    for i in 0..700_000u32 {
        input.extend_from_slice(format!("{:011}\n", u64::from(i).wrapping_mul(2_654_435_761) % 100_000_000_000).as_bytes());
    }
    let ended = run(sconce_run().arg(guest("cat.wasm")), input.clone());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.as_bytes() == input, "{} bytes came back of {}", ended.stdout.len(), input.len());
    assert!(ended.stderr.ends_with(&format!("{} bytes\n", input.len())), "{}", ended.stderr);
}

#[test]
fn names_that_are_not_utf8_pass() {
    let place = tempfile::tempdir().expect("a directory");
    let name = OsStr::from_bytes(b"caf\xe9 \xff");
    fs::write(place.path().join(name), "latin\n").expect("written");
    let mut path = Path::new("/d").to_path_buf();
    path.push(name);
    let ended = run(sconce_run().arg(dir(place.path(), "/d")).arg(guest("cat.wasm")).arg(path), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "latin\n"), "{ended:#?}");
}

#[test]
fn a_read_only_directory_cannot_be_changed() {
    let place = tempfile::tempdir().expect("a directory");
    File::create(place.path().join("kept")).expect("made");
    let readonly = format!("--dir={}::/d:ro", place.path().display());
    let ended = run(sconce_run().arg(readonly).arg(guest("files.wasm")).arg("/d"), "");
    assert_eq!(ended.code, 0, "{ended:#?}");
    let changes = |line: &&str| ["mkdir", "put", "link", "symlink", "rename"].iter().any(|verb| line.starts_with(verb));
    for line in ended.stdout.lines().filter(changes) {
        assert!(!line.ends_with(" ok"), "{line}");
    }
    let names: Vec<_> = fs::read_dir(place.path()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["kept"]);
}
