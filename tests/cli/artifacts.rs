//! `compile`, `--allow-precompiled`, `--cache`.

use crate::support::{Dir, args, contains, hello, outcome, wait};
use crate::terminal::Terminal;
use std::path::Path;

#[test]
fn a_compiled_module_runs_where_it_is_allowed() {
    let dir = Dir::new();
    dir.file("args.wat", args());
    assert_eq!(dir.run("compile args.wat").ok(), "");
    assert_eq!(dir.run("--allow-precompiled args.cwasm x").ok(), "args.cwasm\0x\0");
    contains(&dir.run("args.cwasm x").fails(1), &["args.cwasm", "--allow-precompiled"]);
    assert_eq!(dir.run("--allow-precompiled args.wat x").ok(), "args.wat\0x\0");
    assert_eq!(dir.run("compile -o other args.wat").ok(), "");
    assert_eq!(dir.run("--allow-precompiled ./other").ok(), "other\0");
    let names: Vec<_> = std::fs::read_dir(dir.path()).expect("the directory").map(|e| e.expect("an entry").file_name()).collect();
    assert!(names.iter().all(|n| !n.to_string_lossy().contains("tmp")), "{names:?}");
}

#[test]
fn a_mismatch_is_one_message() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    assert_eq!(dir.run("compile --bounds explicit hello.wat").ok(), "");
    assert_eq!(dir.run("--allow-precompiled --bounds explicit hello.cwasm").ok(), "hello\n");
    // What the command line says and the file contradicts is an error; what it leaves open is the file's, and is said.
    contains(&dir.run("--allow-precompiled --bounds guard hello.cwasm").fails(1), &["hello.cwasm", "compile"]);
    contains(&dir.run("--allow-precompiled --bounds explicit --baseline hello.cwasm").fails(1), &["hello.cwasm", "baseline"]);
    contains(
        &dir.run("--allow-precompiled --canonical-nans hello.cwasm").fails(1),
        &["compiled without --canonical-nans, and this run is with --canonical-nans: leave out --canonical-nans, or compile"],
    );
    let refused = dir.run("--allow-precompiled --bounds guard hello.cwasm").fails(1);
    assert_eq!(
        refused,
        "error: hello.cwasm: compiled with --bounds explicit, and this run is with --bounds guard: leave out --bounds, or \
         compile the module again\n"
    );
    let out = dir.run("--allow-precompiled hello.cwasm");
    let note = "note: hello.cwasm was compiled with --bounds explicit, and runs so\n";
    assert_eq!((out.code(), out.stdout.as_str(), out.stderr.as_str()), (0, "hello\n", note));
    let whole = std::fs::read(dir.path().join("hello.cwasm")).expect("the artifact");
    dir.file("cut.cwasm", &whole[..whole.len() / 2]);
    contains(&dir.run("--allow-precompiled --bounds explicit cut.cwasm").fails(1), &["cut.cwasm", "damaged"]);
    let mut damaged = whole;
    // Behind the head, in what is checked before anything runs.
    damaged[100] ^= 1;
    dir.file("damaged.cwasm", &damaged);
    contains(&dir.run("--allow-precompiled --bounds explicit damaged.cwasm").fails(1), &["damaged.cwasm"]);
}

#[test]
fn a_module_brings_its_settings_along() {
    let dir = Dir::new();
    dir.file("nan.wat", r#"(module (func (export "f") (param f32 f32) (result f32) (f32.div (local.get 0) (local.get 1))))"#);
    for flags in ["--baseline", "--canonical-nans", "--calls slots", "--bounds explicit --canonical-nans --baseline"] {
        for tier in ["lightbeam", "cranelift"] {
            assert_eq!(dir.run(&format!("compile --tier {tier} {flags} nan.wat")).ok(), "");
            let run = |flags: &str| dir.run(&format!("--allow-precompiled {flags} --invoke f nan.cwasm 0 0"));
            let (quiet, said) = (run(flags), run(""));
            assert_eq!((quiet.code(), quiet.stderr.as_str()), (0, ""), "{quiet:?}");
            assert_eq!((said.code(), &said.stdout), (0, &quiet.stdout), "{said:?}");
            let named = said.stderr.strip_prefix("note: nan.cwasm was compiled with ").expect("a note");
            let mut named: Vec<&str> = named.strip_suffix(", and runs so\n").expect("its end").split(" --").collect();
            named[0] = named[0].trim_start_matches("--");
            let mut given: Vec<&str> = flags.split(" --").map(|flag| flag.trim_start_matches("--")).collect();
            named.sort();
            given.sort();
            assert_eq!(named, given);
        }
    }
    assert_eq!(dir.run("compile nan.wat").ok(), "");
    assert!(dir.run("--allow-precompiled --invoke f nan.cwasm 1 2").ok() == "0.5\n", "nothing to be said");
}

#[test]
fn output_goes_to_the_current_directory() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("sub")).expect("a directory");
    dir.file("sub/hello.wat", hello());
    assert_eq!(dir.run("compile sub/hello.wat").ok(), "");
    assert!(dir.path().join("hello.cwasm").exists() && !dir.path().join("sub/hello.cwasm").exists());
    std::fs::rename(dir.path().join("sub/hello.wat"), dir.path().join("sub/plain")).expect("renamed");
    assert_eq!(dir.run("compile sub/plain").ok(), "");
    assert!(dir.path().join("plain.cwasm").exists());
    contains(&dir.run("compile ..").fails(2), &["..", "--output"]);
}

#[test]
fn a_module_is_not_replaced_by_its_code() {
    let dir = Dir::new();
    let wasm = wat::parse_str(hello()).expect("the text is right");
    let path = dir.file("own.wasm", &wasm);
    dir.file("text.cwasm", hello());
    std::fs::hard_link(&path, dir.path().join("hard")).expect("a hard link");
    std::os::unix::fs::symlink("own.wasm", dir.path().join("soft")).expect("a link");
    std::fs::create_dir(dir.path().join("sub")).expect("a directory");
    for output in ["own.wasm", "./own.wasm", "sub/../own.wasm", "hard", "soft"] {
        for input in ["own.wasm", "soft", "hard"] {
            let message = dir.run(&format!("compile {input} -o {output}")).fails(2);
            assert_eq!(message, format!("error: {output} is the module itself; choose another --output\n"));
        }
    }
    contains(&dir.run("compile text.cwasm").fails(2), &["text.cwasm is the module itself; choose another --output"]);
    let mut piped = dir.sconce(["compile", "-", "-o", "own.wasm"]);
    piped.stdin(std::fs::File::open(&path).expect("the module"));
    contains(&outcome(&mut piped).fails(2), &["own.wasm is the module itself"]);
    assert!(std::fs::read(&path).expect("the module") == wasm && std::fs::read_link(dir.path().join("soft")).is_ok());
    // A file of another name, even an old artifact, is written as ever.
    for _ in 0..2 {
        assert_eq!(dir.run("compile own.wasm -o other").ok(), "");
    }
}

#[test]
fn code_goes_to_standard_output() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let path = dir.path().join("out.cwasm");
    let mut command = dir.sconce(["compile", "hello.wat", "-o", "-"]);
    command.stdout(std::fs::File::create(&path).expect("a file"));
    assert_eq!(outcome(&mut command).ok(), "");
    assert!(!dir.path().join("-").exists());
    assert_eq!(dir.run("--allow-precompiled out.cwasm").ok(), "hello\n");
    let mut terminal = Terminal::start(&mut dir.sconce(["compile", "hello.wat", "-o", "-"]));
    wait(&mut terminal.child);
    terminal.screen.expect("standard output is a terminal");
}

#[test]
fn machine_code_is_no_module() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    assert_eq!(dir.run("compile hello.wat").ok(), "");
    let message = dir.run("compile hello.cwasm").fails(1);
    assert_eq!(message, "error: hello.cwasm: this is already compiled; compile the module that it was made from\n");
    for command in ["inspect", "validate"] {
        contains(
            &dir.run(&format!("{command} hello.cwasm")).fails(1),
            &["hello.cwasm: this is machine code that 'sconce compile' wrote; inspect the module", "'sconce disas' shows"],
        );
    }
}

#[test]
fn output_that_cannot_be_written_is_named() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    contains(&dir.run("compile hello.wat -o nowhere/hello.cwasm").fails(1), &["nowhere/hello.cwasm", "No such file"]);
    contains(&dir.run("compile hello.wat -o .").fails(1), &["cannot write ."]);
}

fn files(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.map(|e| e.expect("an entry").path()).map(|p| if p.is_dir() { files(&p) } else { 1 }).sum()
}

#[test]
fn the_cache_is_where_it_is_said() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    for off in ["off", "no", "none"] {
        assert_eq!(dir.run(&format!("--cache {off} hello.wat")).ok(), "hello\n");
        assert!(!dir.path().join(off).exists() && files(&dir.path().join("cache")) == 0, "{off}");
    }
    contains(&dir.run("--cache on hello.wat").fails(2), &["the cache is on by default; write ./on for a directory"]);
    // By whatever name other programs have for it.
    for word in ["clean", "clear", "prune", "purge", "rm"] {
        assert_eq!(dir.run(&format!("cache {word}")).ok(), "there is no cache yet\n");
    }
    for _ in 0..2 {
        assert_eq!(dir.run("hello.wat").ok(), "hello\n");
        assert_eq!(dir.run("--cache mine hello.wat").ok(), "hello\n");
    }
    assert!(files(&dir.path().join("cache/sconce")) > 0);
    assert!(files(&dir.path().join("mine")) > 0);
}

#[test]
fn a_cache_that_cannot_be_used_costs_nothing_else() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file("cache", "not a directory");
    // Where nobody chose it and nobody looks, nothing is said.
    assert_eq!(dir.run("hello.wat").ok(), "hello\n");
    for (cache, why) in [
        ("/proc/nowhere", "the cache directory /proc/nowhere is not used: it cannot be made: No such file or directory"),
        ("hello.wat", "the cache directory hello.wat is not used: it is not a directory"),
        ("open", "the cache directory open is not used: its mode is 755, not 700 (chmod 700 mends that)"),
    ] {
        let _ = std::fs::DirBuilder::new().create(dir.path().join("open"));
        std::fs::set_permissions(dir.path().join("open"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        let out = dir.run(&format!("--cache {cache} hello.wat"));
        assert_eq!((out.code(), out.stdout, out.stderr), (0, "hello\n".into(), format!("warning: {why}\n")));
    }
    contains(
        &dir.run("cache warm --cache open hello.wat").fails(1),
        &["hello.wat: ", "open is not used: its mode is 755", "--cache DIR"],
    );
    let mut terminal = Terminal::start(&mut dir.sconce(["hello.wat"]));
    wait(&mut terminal.child);
    terminal.screen.expect("hello\r\n");
    contains(
        &terminal.screen.text(),
        &["warning:", "cache/sconce is not used: it is not a directory; --cache DIR", "--cache off"],
    );
}

#[test]
fn a_large_cache_entry_that_is_damaged_is_made_again() {
    let dir = Dir::new();
    // Over 1 MiB of text, which is compared with its digests as it is run.
    let functions: String = (0..40_000).map(|n| format!("(func (export \"f{n}\") (result i32) (i32.const {n}))")).collect();
    let wat = format!("(module {functions})");
    let path = dir.file("large.wat", &wat);
    let words = format!("--tier lightbeam --invoke f20000 {}", path.display());
    let run = || dir.run(&words);
    for _ in 0..2 {
        assert_eq!(run().ok(), "20000\n");
    }
    let largest = |path: &std::path::PathBuf| std::fs::metadata(path).unwrap().len();
    let entry =
        || std::fs::read_dir(dir.path().join("cache/sconce")).unwrap().map(|e| e.unwrap().path()).max_by_key(largest).unwrap();
    let good = std::fs::read(entry()).unwrap();
    let mut bytes = good.clone();
    // From the end of the part that is read at the start on.
    let eager = 96 + u64::from_le_bytes(bytes[48..56].try_into().unwrap()) as usize;
    bytes[eager.next_multiple_of(4096)..].iter_mut().step_by(4096).for_each(|byte| *byte ^= 1);
    std::fs::write(entry(), &bytes).unwrap();
    // For this run alone, since a process that runs a program gives nothing to others; the next one replaces the entry.
    for right in [false, true] {
        assert_eq!(run().ok(), "20000\n");
        assert_eq!(std::fs::read(entry()).unwrap() == good, right);
    }
    // What is compiled ahead of time has no module to be made from.
    assert_eq!(dir.run(&format!("compile --tier lightbeam -o large.cwasm {}", path.display())).ok(), "");
    let mut bytes = std::fs::read(dir.path().join("large.cwasm")).unwrap();
    bytes[eager.next_multiple_of(4096)..].iter_mut().step_by(4096).for_each(|byte| *byte ^= 1);
    dir.file("large.cwasm", &bytes);
    contains(&dir.run("--allow-precompiled --invoke f20000 large.cwasm").fails(1), &["changed or damaged"]);
}
