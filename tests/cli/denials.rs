//! `--explain-denials`: each rule with path and option, and what is no denial.

use crate::support::{Dir, contains, outcome, start, wait};
use crate::traces::{MODULES, call, guest};
use std::fmt::Write;
use std::os::unix::fs::symlink;

/// Rights to read, to write, and to set flags.
const READ: i64 = 2;
const WRITE: i64 = 64;

/// Paths in a guest's memory, one after the other: their addresses and lengths.
struct Paths(Vec<Vec<u8>>);

impl Paths {
    const FIRST: usize = 4096;

    fn at(&mut self, path: &[u8]) -> (i64, i64) {
        let at = Paths::FIRST + self.0.iter().map(Vec::len).sum::<usize>();
        self.0.push(path.to_vec());
        (at as i64, path.len() as i64)
    }

    fn open(&mut self, path: &[u8], oflags: i64, rights: i64) -> String {
        let (at, len) = self.at(path);
        call("path_open", &[3, 1, at, len, oflags, rights, 0, 0, 2048])
    }

    fn unlink(&mut self, path: &[u8]) -> String {
        let (at, len) = self.at(path);
        call("path_unlink_file", &[3, at, len])
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> String {
        let ((from, from_len), (to, to_len)) = (self.at(from), self.at(to));
        call("path_rename", &[3, from, from_len, 3, to, to_len])
    }

    fn symlink(&mut self, text: &[u8], path: &[u8]) -> String {
        let ((text, text_len), (path, path_len)) = (self.at(text), self.at(path));
        call("path_symlink", &[text, text_len, 3, path, path_len])
    }

    /// A guest with these calls.
    fn guest(&self, calls: &[String]) -> String {
        let mut data = format!("(data (i32.const {}) \"", Paths::FIRST);
        for byte in self.0.concat() {
            let _ = write!(data, "\\{byte:02x}");
        }
        guest(MODULES[0], &(data + "\")"), &calls.join("\n"))
    }
}

/// What is said of a guest's calls, line by line.
fn explained(dir: &Dir, flags: &str, wat: &str) -> Vec<String> {
    dir.file("guest.wat", wat);
    let run = dir.run(&format!("run --explain-denials {flags} guest.wat"));
    assert_eq!((run.code(), run.stdout.as_str()), (0, ""), "{run:?}");
    let here = dir.path().to_string_lossy().into_owned();
    run.stderr.lines().map(|line| line.replace(&here, "HERE")).collect()
}

#[test]
fn each_rule_is_said_with_path_and_option() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.path().join("in/sub")).expect("directories");
    dir.file("in/file", "x");
    symlink("/etc/passwd", dir.path().join("in/absolute")).expect("a link");
    symlink("../../out", dir.path().join("in/sub/relative")).expect("a link");
    let mut p = Paths(Vec::new());
    let calls = [
        p.open(b"/etc/passwd", 0, READ),
        p.open(b"sub/../../x/../../y", 0, READ),
        p.unlink(b"../x"),
        p.open(b"absolute", 0, READ),
        p.open(b"sub/relative", 0, READ),
        // By its name, a link leads nowhere.
        p.unlink(b"sub/relative"),
        p.symlink(b"/etc", b"link"),
        // What is not there is no denial, nor is what is there already, nor a directory that is not empty.
        p.open(b"missing", 0, READ),
        p.open(b"file", 1 | 4, READ | WRITE),
        p.unlink(b"sub"),
        call("fd_fdstat_set_rights", &[3, 1 << 13, READ]),
        p.unlink(b"file"),
        p.open(b"file", 0, READ | WRITE),
        call("fd_fdstat_set_rights", &[3, -1, -1]),
        call("sock_accept", &[3, 0, 2048]),
        call("sock_shutdown", &[17, 1]),
    ];
    let lines = explained(&dir, "--dir in::/data", &p.guest(&calls));
    let out = "leads out of the program's directory \"/data\"";
    let none = "no option allows it";
    let given_up = "the program itself has given up the right to do this (fd_fdstat_set_rights)";
    let expected = [
        format!("path_open \"/etc/passwd\": paths are looked up below the program's directories, and this one begins with '/'; {none}"),
        format!("path_open \"/data/sub/../../x/../../y\" (HEREUP/y on the host): '..' {out}; only a directory above it would allow that (--dir HEREUP)"),
        format!("path_unlink_file \"/data/../x\" (HERE/x on the host): '..' {out}; only a directory above it, in its place, would allow that (--dir HERE::/)"),
        format!("path_open \"/data/absolute\" (HERE/in/absolute on the host): a link to \"/etc/passwd\" {out}; no option has absolute links followed; --dir can give what it leads to under a name of its own"),
        format!("path_open \"/data/sub/relative\" (HERE/in/sub/relative on the host): a link to \"../../out\" {out}; --dir with a directory that contains both the link and what it leads to would allow it"),
        format!("path_symlink \"/data/link\": a link to an absolute path leads out of every directory; {none}"),
        format!("path_unlink_file \"/data/file\" (HERE/in/file on the host): {given_up}; {none}"),
        format!("path_open \"/data/file\" (HERE/in/file on the host): {given_up}; {none}"),
        "sock_accept \"/data\" (HERE/in on the host): the program was given no socket; --listen ADDR:PORT gives it one to accept connections on".to_owned(),
        "sock_shutdown: the program was given no socket; --listen ADDR:PORT gives it one to accept connections on".to_owned(),
    ];
    let up = dir.path().parent().expect("a parent").to_string_lossy().into_owned();
    let expected: Vec<String> = expected.iter().map(|line| format!("denied: {}", line.replace("HEREUP", &up))).collect();
    assert_eq!(lines, expected);
}

#[test]
fn changes_below_a_read_only_directory_name_the_option_without_its_suffix() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("in")).expect("a directory");
    dir.file("in/file", "x");
    let mut p = Paths(Vec::new());
    let calls = [
        p.open(b"file", 0, READ),
        call("fd_filestat_set_times", &[4, 0, 0, 2 | 8]),
        p.open(b"file", 8, READ),
        p.open(b"new", 1, READ),
        p.unlink(b"file"),
        p.rename(b"file", b"other"),
        p.unlink(b"file"),
        p.unlink(b"missing"),
    ];
    let lines = explained(&dir, "--dir in::/data:ro", &p.guest(&calls));
    let expected = ["fd_filestat_set_times \"/data/file\"", "path_open \"/data/file\"", "path_open \"/data/new\""];
    let expected = expected.into_iter().chain(["path_unlink_file \"/data/file\"", "path_rename \"/data/file\""]);
    for (line, begins) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("denied: {begins} (HERE/in/")), "{line}");
        contains(line, &["was given with ':ro', and nothing in it can be changed; --dir in::/data would allow it"]);
        assert_eq!(line.ends_with(" (2 times)"), begins.contains("unlink"), "{line}");
    }
    assert_eq!(lines.len(), 5, "{lines:?}");
}

#[test]
fn places_that_no_directory_gives_are_named() {
    let dir = Dir::new();
    dir.run("run missing.wat");
    dir.file("hello.wat", crate::support::hello());
    // Makes the cache.
    assert_eq!(dir.run("run hello.wat").ok(), "hello\n");
    let mut p = Paths(Vec::new());
    let calls = [p.open(b"cache/sconce/x", 0, READ), p.rename(b"cache", b"other")];
    let lines = explained(&dir, "--dir .::/data", &p.guest(&calls));
    contains(
        &lines[0],
        &["it leads to \"HERE/cache/sconce\", which is kept from programs since Sconce relies on it; no option allows it"],
    );
    contains(&lines[1], &["path_rename \"/data/cache\"", "on which Sconce relies, and so can be neither renamed nor removed"]);
    let mut p = Paths(Vec::new());
    let calls = [p.open(b"dev/null", 0, READ), p.open(b"proc/self/mem", 0, READ)];
    let lines = explained(&dir, "--dir /::/host", &p.guest(&calls));
    contains(
        &lines[0],
        &["\"/host/dev/null\" (/dev/null on the host): it leads to the machine's devices; --dir /dev would allow it"],
    );
    contains(&lines[1], &["\"/host/proc/self/mem\"", "it is on procfs, which gives access to processes", "no option allows it"]);
    assert_eq!(lines.len(), 2);
}

#[test]
fn what_a_program_was_given_none_of_is_said() {
    let dir = Dir::new();
    let mut p = Paths(Vec::new());
    let calls = [p.open(b"x", 0, READ), call("fd_filestat_set_size", &[1, 0]), call("fd_close", &[77])];
    dir.file("guest.wat", p.guest(&calls));
    let run = outcome(&mut dir.shell("exec \"$@\" >>log", ["run", "--explain-denials", "guest.wat"]));
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{run:?}");
    contains(lines[0], &["denied: path_open \"x\": the program was given no directory; --dir HOST::GUEST gives it one"]);
    contains(lines[1], &["denied: fd_filestat_set_size \"stdout\": it was opened to append to before", "'>' in place of '>>'"]);
    // A program that never gets as far, since its library found no directory.
    dir.file("guest.wat", guest(MODULES[0], "", &[call("fd_prestat_get", &[3, 0]), call("proc_exit", &[1])].join("\n")));
    let said = |flags: &str| dir.run(&format!("run --explain-denials {flags} guest.wat")).stderr;
    contains(
        &said(""),
        &["note: no call was denied; the program was given no directory, so that it finds no file; --dir HOST::GUEST"],
    );
    contains(&said("--dir .::/data"), &["note: no call was denied; for paths outside \"/data\" programs make no call"]);
    assert_eq!(said("--dir .::/"), "note: no call was denied\n");
    assert_eq!(dir.run("run guest.wat").stderr, "");
}

#[test]
fn what_root_alone_may_read_is_said_where_root_is_none() {
    if !rustix::process::geteuid().is_root() {
        // Permissions are the user's own then.
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("in")).expect("a directory");
    let file = dir.file("in/file", "x");
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o000)).expect("a mode");
    let mut p = Paths(Vec::new());
    let calls = [p.open(b"file", 0, READ)];
    let wat = p.guest(&calls);
    let lines = explained(&dir, "--dir in::/data --confine require", &wat);
    contains(
        &lines[0],
        &[
            "\"/data/file\" (HERE/in/file on the host): its permissions forbid it, and root's right to all files was given up; --confine auto",
        ],
    );
    assert_eq!(explained(&dir, "--dir in::/data", &wat), ["note: no call was denied"]);
}

#[test]
fn limits_are_said_with_their_options() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("in")).expect("a directory");
    let mut p = Paths(Vec::new());
    let calls = [
        p.open(b"f", 1, WRITE),
        call("fd_write", &[4, 512, 1, 2048]),
        call("fd_write", &[4, 512, 1, 2048]),
        p.open(b"f", 0, READ),
        "(drop (memory.grow (i32.const 1000)))".to_owned(),
    ];
    let data = "(data (i32.const 512) \"\\00\\03\\00\\00\\05\\00\\00\\00\")";
    let wat = p.guest(&calls).replace("(memory ", &format!("{data} (memory "));
    let lines = explained(&dir, "--dir in::/data --max-fds 5 --max-written 5 --max-memory 16M", &wat);
    let expected = [
        "denied: fd_write \"/data/f\" (HERE/in/f on the host): the program has written as much into files as it may; --max-written SIZE allows more",
        "denied: path_open \"/data/f\" (HERE/in/f on the host): the program has as many descriptors as it can have; --max-fds N allows more, up to 65536",
        "denied: memory: the program may have 16777216 bytes; --max-memory SIZE allows more",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn threads_beyond_the_limit_are_said() {
    let dir = Dir::new();
    dir.file(
        "guest.wat",
        r#"(module
      (import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0))
      (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
      (func (export "wasi_thread_start") (param i32 i32))
      (func (export "_start") (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0)))))"#,
    );
    let run = dir.run("run --explain-denials --max-threads 0 guest.wat");
    let said = "denied: thread-spawn: the program has as many threads as it can have (0 besides the first); --max-threads N allows more (2 times)\n";
    assert_eq!((run.code(), run.stderr.as_str()), (0, said));
    assert_eq!(dir.run("run --explain-denials guest.wat").stderr, "note: no call was denied\n");
}

#[test]
fn names_neither_forge_lines_nor_speak_to_terminals() {
    let dir = Dir::new();
    let mut p = Paths(Vec::new());
    let hostile = b"../a\"\ndenied: \x1b[2J\xe2\x80\xae\xff\xc3\xa9";
    let calls = [p.open(hostile, 0, READ), p.open(&[b"../", &*b"x".repeat(4000)].concat(), 0, READ)];
    for when in ["at-exit", "at-once"] {
        dir.file("guest.wat", p.guest(&calls));
        let run = dir.run(&format!("run --explain-denials={when} --dir .::/data guest.wat"));
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{run:?}");
        contains(lines[0], &["denied: path_open \"/data/../a\\\"\\ndenied: \\u{1b}[2J\\u{202e}\u{fffd}é\" ("]);
        assert!(lines[1].len() < 4096 && lines[1].contains("xx…\" ("), "{}", lines[1]);
        assert!(!run.stderr.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{run:?}");
    }
}

/// A program that asks for as many different names outside as it is told, and then does more.
fn many(count: u32, then: &str) -> String {
    let open = "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 4096) (i32.const 11) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 2048)))";
    let body = format!(
        "(local $n i32)
    (drop (call $fd_prestat_get (i32.const 3) (i32.const 0)))
    (loop $again
      ;; Eight letters by the number's digits.
      (i64.store (i32.const 4099) (i64.or (i64.const 0x6161616161616161) (i64.and (i64.const 0x0f0f0f0f0f0f0f0f)
        (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x0010001000100010)))))
      (i64.store (i32.const 4099) (i64.add (i64.load (i32.const 4099)) (i64.and (i64.const 0x0f) (i64.extend_i32_u (local.get $n)))))
      {open}
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))
    {then}"
    );
    guest(MODULES[0], "(data (i32.const 4096) \"../\")", &body)
}

#[test]
fn what_is_said_has_an_end() {
    let dir = Dir::new();
    dir.file("guest.wat", many(20_000, ""));
    for when in ["at-exit", "at-once"] {
        let run = dir.run(&format!("run --explain-denials={when} --dir .::/data guest.wat"));
        assert_eq!(run.code(), 0, "{run:?}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines.len(), 65, "{run:?}");
        assert!(lines[..64].iter().all(|line| line.starts_with("denied: path_open \"/data/../")), "{run:?}");
        contains(lines[64], &["denied: ", " calls more, of further kinds, which are not listed"]);
    }
}

#[test]
fn a_reader_that_does_not_read_keeps_nobody_from_ending() {
    let dir = Dir::new();
    dir.file("guest.wat", many(20_000, "(loop $for_ever (br $for_ever))"));
    for when in ["at-exit", "at-once"] {
        let (unread, stderr) = std::io::pipe().expect("a pipe");
        rustix::pipe::fcntl_setpipe_size(&stderr, 4096).expect("a size");
        // The last line, which has all names, is longer than the others: it does not fit where one of them did not.
        let long = "x".repeat(500);
        let flags = format!("--explain-denials={when} --write-policy {when} --timeout 3s --dir .::/data:ro --dir .::/{long}:ro");
        let flags = format!("run {flags} guest.wat");
        let mut child = start(dir.sconce(flags.split(' ')).stderr(stderr));
        assert_eq!(wait(&mut child).code(), Some(124), "{when}");
        drop(unread);
        contains(&std::fs::read_to_string(dir.path().join(when)).expect("a policy"), &["# denied: "]);
    }
}

#[test]
fn explanations_come_when_they_are_wanted_and_wherever_the_program_ends() {
    let dir = Dir::new();
    let mut p = Paths(Vec::new());
    let denied = p.open(b"../x", 0, READ);
    let say = call("fd_write", &[2, 512, 1, 2048]);
    let data = "(data (i32.const 512) \"\\00\\03\\00\\00\\05\\00\\00\\00\") (data (i32.const 768) \"said\\n\")";
    let with = |calls: &[&str]| {
        p.guest(&calls.iter().map(ToString::to_string).collect::<Vec<_>>()).replace("(memory ", &format!("{data} (memory "))
    };
    for (when, order) in [("=at-exit", ["said", "denied"]), ("", ["said", "denied"]), ("=at-once", ["denied", "said"])] {
        dir.file("guest.wat", with(&[&denied, &say]));
        let run = dir.run(&format!("run --explain-denials{when} --dir .::/data guest.wat"));
        let begins: Vec<&str> = run.stderr.lines().map(|line| &line[..line.find(':').unwrap_or(line.len())]).collect();
        assert_eq!(begins, order, "{run:?}");
    }
    // It traps, exits, loops until it is ended, or closes standard error.
    for (then, flags, code) in [
        ("(unreachable)", "", 134),
        (&*call("proc_exit", &[7]), "", 7),
        ("(loop $for_ever (br $for_ever))", "--timeout 2s", 124),
        (&*call("fd_close", &[2]), "", 0),
    ] {
        for confine in ["auto", "off"] {
            dir.file("guest.wat", with(&[&denied, then]));
            let run = dir.run(&format!("run --explain-denials {flags} --confine {confine} --dir .::/data guest.wat"));
            assert_eq!(run.code(), code, "{run:?}");
            contains(&run.stderr, &["denied: path_open \"/data/../x\""]);
        }
    }
    let closed = outcome(&mut dir.shell("exec \"$@\" 2>&-", ["run", "--explain-denials", "guest.wat"]));
    assert_eq!(closed.code(), 1);
    contains(&dir.run("run --explain-denials=always guest.wat").fails(2), &["at-exit", "at-once"]);
}
