//! `--policy` and `--write-policy`: what can stand in a file, what is written, and that it is written whole or not at all.

use crate::support::{Dir, command, contains, hello, outcome, start, wait};
use crate::traces::{MODULES, call, guest};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

const READ: i64 = 2;
const WRITE: i64 = 64;

/// A guest that opens `f` for reading in each of some directories, lists others, makes `g` in others, and ends with a code.
fn uses(read: &[i64], list: &[i64], make: &[i64], more: &[String]) -> String {
    let open = |fd: &i64| call("path_open", &[*fd, 1, 256, 1, 0, READ, 0, 0, 2048]);
    let make_one = |fd: &i64| call("path_open", &[*fd, 1, 260, 1, 1, READ | WRITE, 0, 0, 2048]);
    let calls = read.iter().map(open).chain(list.iter().map(|fd| call("fd_readdir", &[*fd, 4096, 256, 0, 2048])));
    let calls: Vec<String> = calls.chain(make.iter().map(make_one)).chain(more.iter().cloned()).collect();
    guest(MODULES[0], r#"(data (i32.const 256) "f") (data (i32.const 260) "g") (data (i32.const 264) "../x")"#, &calls.join("\n"))
}

fn with_directories(names: &[&str]) -> Dir {
    let dir = Dir::new();
    for name in names {
        std::fs::create_dir(dir.path().join(name)).expect("a directory");
        dir.file(&format!("{name}/f"), "x");
    }
    dir
}

fn read(dir: &Dir, name: &str) -> String {
    std::fs::read_to_string(dir.path().join(name)).expect(name)
}

/// The lines of a policy that are no comments, but for the one of memory, which depends on more than the program.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("max-memory = ")).collect()
}

/// What is left behind in a directory by what did not end well.
fn left_behind(dir: &Dir) -> Vec<String> {
    let names = std::fs::read_dir(dir.path()).expect("a directory").map(|e| e.expect("an entry").file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with(".sconce")).collect()
}

#[test]
fn what_was_used_is_what_is_written() {
    let dir = with_directories(&["read", "listed", "made", "unused", "given-read"]);
    let denied = [call("path_unlink_file", &[3, 264, 4]), call("path_unlink_file", &[6, 256, 1]), call("proc_exit", &[5])];
    dir.file("guest.wat", uses(&[3, 5, 6], &[4], &[5], &denied));
    let flags =
        "--dir read::/r --dir listed --dir made::/m --dir given-read::/g:ro --dir unused::/u --env A=1 --env PATH --timeout 60s";
    let run = dir.run(&format!("run --write-policy p.toml {flags} guest.wat"));
    assert_eq!((run.code(), run.stderr.as_str()), (5, ""));
    let text = read(&dir, "p.toml");
    let expected = [
        "dir = [",
        "    \"read::/r:ro\", # read",
        "    \"listed:ro\", # read, listed",
        "    \"made::/m\", # changed",
        "    \"given-read::/g:ro\", # read",
        "]",
        "timeout = \"60s\"",
        "max-threads = 0",
    ];
    assert_eq!(lines(&text), expected, "{text}");
    contains(
        &text,
        &[
            "guest.wat used in a run that ended with exit code 5. With this policy: sconce --policy p.toml guest.wat\n",
            "\n# not used: dir = [\"unused::/u:ro\"]\n",
            "\n# env: the program did not ask for its environment\n",
            "\n# denied: path_unlink_file \"/r/../x\" (",
            "\n# denied: path_unlink_file \"/g/f\" (",
            "--dir given-read::/g would allow it\n# dir = [\"given-read::/g\"]\n",
        ],
    );
    // The run is the same with it, from elsewhere too, and uses the same.
    let again = dir.run("run --policy p.toml --write-policy q.toml guest.wat");
    assert_eq!((again.code(), again.stderr.as_str()), (5, ""));
    assert_eq!(lines(&read(&dir, "q.toml")), expected);
    let mut elsewhere = dir.sconce(["run", "--policy", "../p.toml", "../guest.wat"]);
    assert_eq!(outcome(elsewhere.current_dir(dir.path().join("unused"))).code(), 5);
    assert!(left_behind(&dir).is_empty());
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        dir.path().join("p.toml").metadata().expect("a file").mode() & 0o777,
        0o600,
        "variables are the user's alone to read"
    );
}

#[test]
fn variables_are_kept_as_they_were_given_if_the_program_asks_for_any() {
    let dir = Dir::new();
    dir.file("guest.wat", command("(func (export \"_start\") (drop (call $environ_sizes_get (i32.const 16) (i32.const 20))))"));
    dir.file("vars", "B=2\n");
    let run = dir.run("run --write-policy p.toml --env A=a\"\\b --env PATH --env-file vars --inherit-env --argv0 x guest.wat");
    run.ok();
    let text = read(&dir, "p.toml");
    let expected =
        ["env = [\"A=a\\\"\\\\b\", \"PATH\"]", "env-file = [\"vars\"]", "inherit-env = true", "argv0 = \"x\"", "max-threads = 0"];
    assert_eq!(lines(&text), expected, "{text}");
    dir.run("run --policy p.toml guest.wat").ok();
}

#[test]
fn sockets_keep_the_numbers_that_programs_know_them_by() {
    let dir = with_directories(&["a", "b"]);
    // The socket is 5, which nothing connects to.
    let accept = [call("fd_fdstat_set_flags", &[5, 4]), call("sock_accept", &[5, 4, 2048])];
    dir.file("guest.wat", uses(&[], &[], &[], &accept));
    dir.run("run --write-policy p.toml --dir a --dir b --listen 127.0.0.1:0 guest.wat");
    let text = read(&dir, "p.toml");
    let remark = "# not used; its descriptor comes before others that were";
    let (a, b) = (format!("    \"a:ro\", {remark}"), format!("    \"b:ro\", {remark}"));
    assert_eq!(lines(&text), ["dir = [", &a, &b, "]", "listen = [\"127.0.0.1:0\"]", "max-threads = 0"], "{text}");
    dir.file("guest.wat", uses(&[3], &[], &[], &[]));
    dir.run("run --write-policy p.toml --dir a --dir b --listen 127.0.0.1:0 guest.wat");
    let text = read(&dir, "p.toml");
    assert_eq!(lines(&text), ["dir = [", "    \"a:ro\", # read", "]", "max-threads = 0"], "{text}");
    contains(&text, &["# not used: listen = [\"127.0.0.1:0\"]"]);
}

#[test]
fn a_policy_is_written_however_the_program_ends() {
    let dir = with_directories(&["a"]);
    for (then, flags, code, said) in [
        ("(unreachable)", "", 134, "ended with exit code 134"),
        (&*call("proc_exit", &[300]), "", 44, "ended with exit code 44"),
        ("(loop $for_ever (br $for_ever))", "--timeout 2s", 124, "ended with exit code 124"),
        (&*call("proc_raise", &[14]), "", 1014, "ended by signal 14"),
        (&*call("fd_close", &[2]), "", 0, "ended with exit code 0"),
    ] {
        for confine in ["auto", "off"] {
            dir.file("guest.wat", uses(&[3], &[], &[], &[then.to_owned()]));
            let run = dir.run(&format!("run --write-policy p.toml --confine {confine} {flags} --dir a guest.wat"));
            assert_eq!(run.code(), code, "{run:?}");
            let text = read(&dir, "p.toml");
            contains(&text, &[said, "\"a:ro\", # read\n"]);
            std::fs::remove_file(dir.path().join("p.toml")).expect("removed");
        }
    }
    assert!(left_behind(&dir).is_empty());
}

/// A program that says that it runs, and then waits for input that does not come.
fn waiting() -> String {
    command("(func (export \"_start\") (call $hello) (call $read))")
}

#[test]
fn a_signal_ends_the_record_and_a_kill_leaves_what_was_there() {
    let dir = Dir::new();
    dir.file("guest.wat", waiting());
    for (signal, is_written) in [(Signal::TERM, true), (Signal::INT, true), (Signal::KILL, false)] {
        dir.file("p.toml", "# as it was\n");
        let mut child = start(dir.sconce(["run", "--write-policy", "p.toml", "guest.wat"]).stdin(Stdio::piped()));
        child.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 6]).expect("it runs");
        assert_eq!(left_behind(&dir).len(), 1);
        kill_process(Pid::from_child(&child), signal).expect("a process");
        wait(&mut child);
        // The process that removes it is beside the one that ended.
        while !left_behind(&dir).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert_eq!(read(&dir, "p.toml") != "# as it was\n", is_written, "{signal:?}");
    }
}

#[test]
fn a_policy_is_written_whole_or_not_at_all() {
    let dir = with_directories(&["a", "dir", "locked"]);
    dir.file("guest.wat", uses(&[3], &[], &[], &[]));
    let write = |to: &str, flags: &str| dir.run(&format!("run --write-policy {to} {flags} --dir a guest.wat"));
    // In place of what is there, and by links too.
    dir.file("old", "what was there before, and is longer than what is written now\n".repeat(100));
    symlink("old", dir.path().join("link")).expect("a link");
    write("link", "").ok();
    assert!(dir.path().join("link").is_symlink());
    assert_eq!(lines(&read(&dir, "old")), ["dir = [", "    \"a:ro\", # read", "]", "max-threads = 0"]);
    write("/dev/stderr", "").stdout.is_empty().then_some(()).expect("nothing on standard output");
    let full = write("/dev/full", "");
    let said = "warning: --write-policy /dev/full: No space left on device; no policy is written\n";
    assert_eq!((full.code(), full.stderr.as_str()), (0, said));
    for (to, why) in [
        ("dir", "it is a directory"),
        ("no/p.toml", "No such file or directory"),
        ("-", "standard output is the program's; write ./- for a file of that name"),
        ("a/p.toml", "where the program can write; choose a place outside, or give that directory with ':ro'"),
        ("a/f", "where the program can write"),
        ("/proc/self/p.toml", ""),
        ("..", "it is a directory"),
    ] {
        contains(&write(to, "").fails(1), &[&format!("--write-policy {to}: "), why]);
    }
    contains(&write("p.toml", "--dir .::/all").fails(1), &["where the program can write"]);
    write("p.toml", "--dir .::/all:ro").ok();
    // Not the user's to write, unless that is root.
    std::fs::set_permissions(dir.path().join("locked"), PermissionsExt::from_mode(0o500)).expect("a mode");
    if !rustix::process::geteuid().is_root() {
        contains(&write("locked/p.toml", "").fails(1), &["Permission denied"]);
    }
    // A full disk, as it were: what was there stays.
    dir.file("kept", "# kept\n");
    let limited =
        outcome(&mut dir.shell("ulimit -f 0; exec \"$@\"", ["run", "--cache", "off", "--write-policy", "kept", "guest.wat"]));
    contains(&limited.stderr, &["warning: --write-policy kept: File too large; no policy is written"]);
    assert_eq!(read(&dir, "kept"), "# kept\n");
    while !left_behind(&dir).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn memory_has_room_for_more_and_a_module_is_known_by_its_hash() {
    let dir = Dir::new();
    let wat = "(module (memory 1) (func (export \"_start\") (drop (memory.grow (i32.const 319)))))";
    let file = dir.file("guest.wat", wat);
    dir.run("run --write-policy p.toml guest.wat").ok();
    let hash = format!("blake3:{}", blake3::hash(&std::fs::read(file).expect("a file")).to_hex());
    contains(
        &read(&dir, "p.toml"),
        &["max-memory = \"4", "M\" # it had 2", &format!("# module-hash = \"{hash}\": for this module alone\n")],
    );
    dir.run("run --policy p.toml guest.wat").ok();
    dir.run("run --write-policy p.toml --max-memory 30M guest.wat").ok();
    contains(&read(&dir, "p.toml"), &["max-memory = \"30M\"\n"]);
    // By the hash alone, from a file, standard input and a compiled one, with the cache and without.
    dir.file("h.toml", format!("module-hash = \"{hash}\"\n"));
    for flags in ["", "", "--cache off", "--max-threads 3", "--tier cranelift"] {
        dir.run(&format!("run --policy h.toml {flags} guest.wat")).ok();
        dir.run_with(&format!("run --policy h.toml {flags} -"), wat.as_bytes()).ok();
        let other = dir.run_with(&format!("run --policy h.toml {flags} -"), format!("{wat} ").as_bytes()).fails(1);
        contains(
            &other,
            &["error: standard input: its hash is blake3:", &format!("and --module-hash wants {hash}: it is another module")],
        );
    }
    dir.run("compile guest.wat -o guest.cwasm").ok();
    contains(&dir.run("run --allow-precompiled --policy h.toml guest.cwasm").fails(1), &["it is another module"]);
    let hash = blake3::hash(&std::fs::read(dir.path().join("guest.cwasm")).expect("a file")).to_hex();
    dir.run(&format!("run --allow-precompiled --module-hash {hash} guest.cwasm")).ok();
    contains(&dir.run("run --module-hash blake3:12 guest.wat").fails(2), &["64 hexadecimal digits"]);
}

#[test]
fn several_runs_that_write_the_same_file_leave_one_of_theirs() {
    let dir = with_directories(&["a", "a-much-longer-name"]);
    dir.file("guest.wat", uses(&[3], &[], &[], &[]));
    let begin = |n: usize| {
        let given = if n.is_multiple_of(2) { "a" } else { "a-much-longer-name" };
        start(&mut dir.sconce(["run", "--write-policy", "p.toml", "--dir", given, "guest.wat"]))
    };
    let children: Vec<_> = (0..8).map(begin).collect();
    for mut child in children {
        assert!(wait(&mut child).success());
    }
    let text = read(&dir, "p.toml");
    let one = |name: &str| lines(&text) == ["dir = [", &format!("    \"{name}:ro\", # read"), "]", "max-threads = 0"];
    assert!(one("a") || one("a-much-longer-name"), "{text}");
    assert!(left_behind(&dir).is_empty());
}

#[test]
fn names_that_no_policy_can_have_are_left_out() {
    let dir = Dir::new();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff\n");
    std::fs::create_dir(dir.path().join(odd)).expect("a directory");
    dir.file("guest.wat", uses(&[3], &[], &[], &[]));
    let args = ["run".as_ref(), "--write-policy".as_ref(), "p.toml".as_ref(), "--dir".as_ref(), odd, "guest.wat".as_ref()];
    assert_eq!(outcome(&mut dir.sconce(args)).ok(), "");
    contains(&read(&dir, "p.toml"), &["# left out: 'odd\u{fffd}\\n:ro' is not UTF-8\n"]);
    dir.run("run --policy p.toml guest.wat").ok();
}

#[test]
fn the_command_line_goes_before_the_policy_and_that_before_the_variable() {
    let dir = with_directories(&["a", "b"]);
    dir.file("guest.wat", uses(&[3], &[], &[], &[]));
    dir.file("p.toml", "max-threads = 3\nstack-size = '128K'\nconfine = 'off'\ndir = 'a'\n");
    let run = |options: &str, words: &str| {
        let mut command = dir.sconce(format!("run --log info {words} guest.wat").split(' '));
        outcome(command.env("SCONCE_OPTIONS", options))
    };
    contains(&run("", "--policy p.toml").stderr, &["not confined: --confine off"]);
    contains(&run("--confine auto", "--policy p.toml").stderr, &["not confined: --confine off"]);
    contains(&run("--policy p.toml", "--max-threads 1").stderr, &["not confined: --confine off"]);
    contains(&run("", "--policy p.toml --confine auto").stderr, &["confined: "]);
    assert!(!run("", "--policy p.toml --confine auto").stderr.contains("not confined"));
    // What can be given more than once adds up.
    dir.run("run --policy p.toml --dir b --write-policy q.toml guest.wat").ok();
    contains(&read(&dir, "q.toml"), &["\"a:ro\", # read\n", "# not used: dir = [\"b:ro\"]"]);
    contains(&run("--timout", "--policy p.toml").fails(2), &["SCONCE_OPTIONS: unexpected argument"]);
}

#[test]
fn what_is_no_policy_is_refused_by_its_name() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    std::fs::create_dir(dir.path().join("dir")).expect("a directory");
    symlink("round", dir.path().join("round")).expect("a link");
    dir.file("latin", b"# ok\nargv0 = \"\xff\"\n");
    dir.file("zeros", vec![0; 100]);
    dir.file("twice", "fd = [3]\n\nfd = [4]\n");
    dir.file("unknown", "\n\nmax-memroy = 1\n");
    dir.file("itself", "policy = 'itself'\n");
    for (file, code, why) in [
        ("missing", 1, "No such file or directory"),
        ("dir", 1, "Is a directory"),
        ("round", 1, "Too many levels of symbolic links"),
        ("/dev/zero", 1, "longer than 1 MiB"),
        ("-", 1, "standard input is the program's"),
        ("latin", 2, "line 2: it is not UTF-8"),
        ("zeros", 2, "line 1: "),
        ("twice", 2, "line 3: duplicate key"),
        ("unknown", 2, "line 3: there is no key 'max-memroy'; did you mean 'max-memory'?"),
        ("itself", 2, "line 1: 'policy' is an option of 'sconce run', but neither a grant nor a limit"),
        ("hello.wat", 2, "line 1: "),
    ] {
        contains(&dir.run(&format!("run --policy {file} hello.wat")).fails(code), &[&format!("--policy {file}"), why]);
    }
    // Of a pipe as well; what is relative there is below the current directory.
    dir.file("empty", "");
    assert_eq!(dir.run("run --policy empty hello.wat").ok(), "hello\n");
    assert_eq!(dir.run("run --policy /dev/null hello.wat").ok(), "hello\n");
    dir.file("vars", "A=1\n");
    let mut piped =
        dir.shell("mkfifo pipe; echo 'env-file = \"vars\"' >pipe & exec \"$@\"", ["run", "--policy", "pipe", "hello.wat"]);
    assert_eq!(outcome(&mut piped).ok(), "hello\n");
}
