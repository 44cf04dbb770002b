//! `--trace-wasi`: every function of both generations, what is wrong with its arguments, and where the lines go.

use crate::support::{Dir, Outcome, contains, outcome};
use sconce_test_support::preview1::FUNCTIONS;
use serde_json::Value;
use std::fmt::Write;

pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

fn functions(module: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let accepts = module == MODULES[0];
    // The one that does not return comes last.
    let (last, others): (Vec<&_>, Vec<&_>) = FUNCTIONS.iter().partition(|(name, _)| *name == "proc_exit");
    others.into_iter().chain(last).filter(move |(name, _)| accepts || *name != "sock_accept")
}

/// A guest of a module's functions, with a page of memory.
pub fn guest(module: &str, memory: &str, body: &str) -> String {
    let mut text = "(module\n".to_owned();
    for (name, params) in functions(module) {
        let params: Vec<&str> = params.chars().map(|p| if p == 'i' { "i32" } else { "i64" }).collect();
        let result = if *name == "proc_exit" { "" } else { " (result i32)" };
        let params = if params.is_empty() { String::new() } else { format!(" (param {})", params.join(" ")) };
        let _ = writeln!(text, "  (import {module:?} {name:?} (func ${name}{params}{result}))");
    }
    text + &format!("  (memory (export \"memory\") 1)\n{memory}\n  (func (export \"_start\")\n{body}))")
}

/// A call of a function with these numbers.
pub fn call(name: &str, numbers: &[i64]) -> String {
    let params = FUNCTIONS.iter().find(|(known, _)| *known == name).expect(name).1;
    assert_eq!(params.len(), numbers.len(), "{name}");
    let args = params.chars().zip(numbers).map(|(p, n)| match p {
        // As it fits the bits.
        'i' => format!(" (i32.const {})", *n as i32),
        _ => format!(" (i64.const {n})"),
    });
    let call = format!("(call ${name}{})", args.collect::<String>());
    if name == "proc_exit" { call } else { format!("(drop {call})") }
}

/// Each function with one number for all parameters; what ends or closes something comes last.
fn calls_with(module: &str, number: i64) -> (Vec<&'static str>, String) {
    const LAST: [&str; 3] = ["fd_renumber", "fd_close", "proc_exit"];
    let names = functions(module).map(|(name, _)| *name).filter(|name| !LAST.contains(name)).chain(LAST);
    let names: Vec<&str> = names.collect();
    let one = |name: &&str| call(name, &vec![number; FUNCTIONS.iter().find(|(n, _)| n == name).map_or(0, |f| f.1.len())]);
    let body = names.iter().map(one).collect::<Vec<_>>().join("\n");
    (names, body)
}

fn traced(dir: &Dir, flags: &str, wat: &str) -> (Outcome, String) {
    dir.file("guest.wat", wat);
    let run = dir.run(&format!("run --cache off --trace-wasi=trace {flags} guest.wat"));
    assert!(!run.stderr.contains("panic"), "{run:?}");
    use std::os::unix::fs::PermissionsExt;
    let file = dir.path().join("trace");
    assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600, "what a program reads is the user's alone");
    (run, std::fs::read_to_string(file).expect("UTF-8"))
}

#[test]
fn every_function_is_shown_whatever_its_arguments() {
    let dir = Dir::new();
    for module in MODULES {
        for number in [0, -1, i64::from(i32::MAX), 65_535] {
            let (names, body) = calls_with(module, number);
            let wat = guest(module, "", &body);
            let (run, text) = traced(&dir, "", &wat);
            assert_eq!((run.code(), run.stderr.as_str()), (number as i32 & 0xff, ""), "{module} {number}");
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), names.len(), "{text}");
            for (line, name) in lines.iter().zip(&names) {
                assert!(line.starts_with(&format!("{name}(")) && line.contains(") = "), "{line}");
            }
            let (_, json) = traced(&dir, "--trace-wasi-format json", &wat);
            for ((line, name), text) in json.lines().zip(&names).zip(&lines) {
                let call: Value = serde_json::from_str(line).expect(line);
                assert_eq!((&call["module"], &call["function"]), (&module.into(), &(*name).into()), "{line}");
                assert!(call["arguments"].is_object() && call["results"].is_object(), "{line}");
                assert!(call.get("thread").is_none(), "{line}");
                let errno = call["errno"].as_str();
                let shown = text.rsplit_once(") = ").expect("a result").1.split(' ').next().expect("a word");
                assert_eq!(errno.unwrap_or("?"), if shown == "0" { "success" } else { shown }, "{line}");
                assert_eq!(errno.is_none(), call.get("ends").is_some_and(|how| how == "exit"), "{line}");
            }
            assert_eq!(json.lines().count(), names.len());
        }
    }
}

#[test]
fn addresses_outside_the_memory_are_faults() {
    let dir = Dir::new();
    let wild = 0xdead_beef;
    let body = [
        call("fd_write", &[1, wild, 1, 0]),
        call("fd_write", &[1, 16, 1, 0]),
        call("fd_read", &[0, 16, 1, 0]),
        call("fd_write", &[1, 32, 1, wild]),
        call("path_unlink_file", &[3, wild, 4]),
        call("path_unlink_file", &[3, 0, wild]),
        call("poll_oneoff", &[wild, 0, 1, 0]),
        call("poll_oneoff", &[256, wild, 1, 0]),
        call("poll_oneoff", &[0, 0, 0xffff_ffff, 0]),
        call("fd_write", &[1, 0, 1025, 0]),
        call("fd_filestat_get", &[1, 65_536 - 60]),
        call("random_get", &[wild, 1]),
        call("args_get", &[wild, 0]),
    ];
    // At 16 a buffer that is outside, at 32 one that is inside.
    let memory = r#"(data (i32.const 16) "\ef\be\ad\de\04\00\00\00") (data (i32.const 32) "\40\00\00\00\01\00\00\00!")"#;
    let (_, text) = traced(&dir, "", &guest(MODULES[0], memory, &body.join("\n")));
    let expected = "\
fd_write(1<stdout>, 0xdeadbeef (fault)) = fault
fd_write(1<stdout>, {1 iov, 4 bytes, 0xdeadbeef (fault)}) = fault
fd_read(0<stdin>, {1 iov, 4 bytes, 0xdeadbeef (fault)}) = fault
fd_write(1<stdout>, {1 iov, 1 byte, \"\\u{0}\"}, 0xdeadbeef (fault)) = fault
path_unlink_file(3, 0xdeadbeef (fault)) = badf
path_unlink_file(3, 0x0 (fault)) = badf
poll_oneoff(0xdeadbeef (fault), 1) = fault
poll_oneoff([{userdata=0x0, type=clock, id=realtime, timeout=0.000000000s, precision=0.000000000s, flags=0}], 0xdeadbeef (fault), 1) = fault
poll_oneoff(0x0 (fault), 0x0 (fault), 4294967295) = fault
fd_write(1<stdout>, {1025 iovs}) = inval
fd_filestat_get(1<stdout>, 0xffc4 (fault)) = fault
random_get(0xdeadbeef (fault)) = fault
args_get(0xdeadbeef (fault), 0x0) = fault
";
    assert_eq!(text, expected);
}

/// Strings at 256 and above, buffers with text and with room, subscriptions for both generations.
const MEMORY: &str = r#"
  (data (i32.const 256) "f") (data (i32.const 260) "g") (data (i32.const 264) "h") (data (i32.const 268) "dir")
  (data (i32.const 512) "\00\03\00\00\06\00\00\00") (data (i32.const 528) "\00\04\00\00\20\00\00\00")
  (data (i32.const 768) "hello\n")
  (data (i32.const 1280) "\07\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\40\42\0f\00")
  (data (i32.const 1344) "\07\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\40\42\0f\00")"#;

/// Each function as programs call it.
fn calls(module: &str) -> String {
    let old = module == MODULES[1];
    let (set, cur, subscription) = if old { (2, 0, 1344) } else { (0, 1, 1280) };
    let (f, g, h, d) = (256, 260, 264, 268);
    let (text, room, out) = (512, 528, 2048);
    let rights = 2 | 4 | 32 | 64;
    let mut calls = vec![
        call("args_sizes_get", &[out, out + 4]),
        call("args_get", &[4096, 8192]),
        call("environ_sizes_get", &[out, out + 4]),
        call("environ_get", &[4096, 8192]),
        call("clock_res_get", &[1, out]),
        call("clock_time_get", &[0, 1000, out]),
        call("clock_time_get", &[2, 0, out]),
        call("fd_prestat_get", &[3, out]),
        call("fd_prestat_dir_name", &[3, 8192, 5]),
        call("path_create_directory", &[3, d, 3]),
        call("path_open", &[3, 1, f, 1, 1 | 8, rights, 0, 1, out]),
        call("fd_write", &[4, text, 1, out]),
        call("fd_pwrite", &[4, text, 1, 6, out]),
        call("fd_fdstat_set_flags", &[4, 0]),
        call("fd_seek", &[4, 1, set, out]),
        call("fd_seek", &[4, -1, cur, out]),
        call("fd_read", &[4, room, 1, out]),
        call("fd_pread", &[4, room, 1, 6, out]),
        call("fd_tell", &[4, out]),
        call("fd_advise", &[4, 0, 12, 2]),
        call("fd_allocate", &[4, 0, 16]),
        call("fd_datasync", &[4]),
        call("fd_sync", &[4]),
        call("fd_filestat_set_size", &[4, 3]),
        call("fd_filestat_set_times", &[4, 0, 1_500_000_000_123_456_789, 2 | 4]),
        call("fd_filestat_get", &[4, out]),
        call("fd_fdstat_set_rights", &[4, rights, 0]),
        call("fd_fdstat_get", &[4, out]),
        call("fd_renumber", &[4, 4]),
        call("fd_close", &[4]),
        call("path_filestat_set_times", &[3, 0, f, 1, 0, 1_500_000_000_000_000_000, 4 | 2]),
        call("path_filestat_get", &[3, 1, f, 1, out]),
        call("path_link", &[3, 0, f, 1, 3, g, 1]),
        call("path_rename", &[3, g, 1, 3, h, 1]),
        call("path_unlink_file", &[3, h, 1]),
        call("path_symlink", &[f, 1, 3, h, 1]),
        call("path_readlink", &[3, h, 1, 8192, 16, out]),
        call("path_unlink_file", &[3, h, 1]),
        call("path_unlink_file", &[3, f, 1]),
        call("path_remove_directory", &[3, d, 3]),
        call("fd_readdir", &[3, 8192, 26, 0, out]),
        call("poll_oneoff", &[subscription, 4096, 1, out]),
        call("proc_raise", &[17]),
        call("sched_yield", &[]),
        call("random_get", &[8192, 16]),
        call("sock_recv", &[3, room, 1, 1, out, out + 4]),
        call("sock_send", &[3, text, 1, 0, out]),
        call("sock_shutdown", &[3, 3]),
    ];
    if !old {
        calls.push(call("sock_accept", &[3, 4, out]));
    }
    calls.push(call("proc_exit", &[3]));
    calls.join("\n")
}

/// With `_` in place of what differs from run to run.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (before, after) = rest.split_at(at + 1);
        let name = before.trim_end_matches('=').rsplit([' ', '{', '\n']).next().unwrap_or_default();
        let differs = ["dev", "ino", "resolution", "time", "atim", "ctim", "d_name"].contains(&name);
        let end = if differs { after.find([',', '}', '\n', ' ']).expect("an end") } else { 0 };
        out.extend([before, if differs { "_" } else { "" }]);
        rest = &after[end..];
    }
    out + rest
}

const EXPECTED: &str = r#"args_sizes_get() = 0 argc=1 argv_buf_size=10
args_get(0x1000, 0x2000) = 0
environ_sizes_get() = 0 environc=1 environ_buf_size=4
environ_get(0x1000, 0x2000) = 0
clock_res_get(monotonic) = 0 resolution=_
clock_time_get(realtime, 0.000001000s) = 0 time=_
clock_time_get(process_cputime_id, 0.000000000s) = 0 time=_
fd_prestat_get(3</data>) = 0 prestat={tag=dir, pr_name_len=5}
fd_prestat_dir_name(3</data>, 5) = 0 path="/data"
path_create_directory(3</data>, "dir") = 0
path_open(3</data>, symlink_follow, "f", creat|trunc, fd_read|fd_seek|fd_tell|fd_write, 0, append) = 0 fd=4</data/f>
fd_write(4</data/f>, {1 iov, 6 bytes, "hello\n"}) = 0 nwritten=6
fd_pwrite(4</data/f>, {1 iov, 6 bytes, "hello\n"}, 6) = 0 nwritten=6
fd_fdstat_set_flags(4</data/f>, 0) = 0
fd_seek(4</data/f>, 1, set) = 0 newoffset=1
fd_seek(4</data/f>, -1, cur) = 0 newoffset=0
fd_read(4</data/f>, {1 iov, 32 bytes}) = 0 nread=12 iovs="hello\nhello\n"
fd_pread(4</data/f>, {1 iov, 32 bytes}, 6) = 0 nread=6 iovs="hello\n"
fd_tell(4</data/f>) = 0 offset=12
fd_advise(4</data/f>, 0, 12, random) = 0
fd_allocate(4</data/f>, 0, 16) = 0
fd_datasync(4</data/f>) = 0
fd_sync(4</data/f>) = 0
fd_filestat_set_size(4</data/f>, 3) = 0
fd_filestat_set_times(4</data/f>, 1970-01-01T00:00:00.000000000Z, 2017-07-14T02:40:00.123456789Z, atim_now|mtim) = 0
fd_filestat_get(4</data/f>) = 0 buf={dev=_, ino=_, filetype=regular_file, nlink=1, size=3, atim=_, mtim=2017-07-14T02:40:00.123456789Z, ctim=_}
fd_fdstat_set_rights(4</data/f>, fd_read|fd_seek|fd_tell|fd_write, 0) = 0
fd_fdstat_get(4</data/f>) = 0 stat={fs_filetype=regular_file, fs_flags=0, fs_rights_base=fd_read|fd_seek|fd_tell|fd_write, fs_rights_inheriting=0}
fd_renumber(4</data/f>, 4</data/f>) = 0
fd_close(4</data/f>) = 0
path_filestat_set_times(3</data>, 0, "f", 1970-01-01T00:00:00.000000000Z, 2017-07-14T02:40:00.000000000Z, atim_now|mtim) = 0
path_filestat_get(3</data>, symlink_follow, "f") = 0 buf={dev=_, ino=_, filetype=regular_file, nlink=1, size=3, atim=_, mtim=2017-07-14T02:40:00.000000000Z, ctim=_}
path_link(3</data>, 0, "f", 3</data>, "g") = 0
path_rename(3</data>, "g", 3</data>, "h") = 0
path_unlink_file(3</data>, "h") = 0
path_symlink("f", 3</data>, "h") = 0
path_readlink(3</data>, "h", 16) = 0 bufused=1 buf="f"
path_unlink_file(3</data>, "h") = 0
path_unlink_file(3</data>, "f") = 0
path_remove_directory(3</data>, "dir") = 0
fd_readdir(3</data>, 26, 0) = 0 bufused=26 buf=[{d_name=_, d_type=directory}]
poll_oneoff([{userdata=0x7, type=clock, id=monotonic, timeout=0.001000000s, precision=0.000000000s, flags=0}], 1) = 0 nevents=1 out=[{userdata=0x7, error=success, type=clock}]
proc_raise(cont) = 0
sched_yield() = 0
random_get(16) = 0
sock_recv(3</data>, {1 iov, 32 bytes}, recv_peek) = notsock
sock_send(3</data>, {1 iov, 6 bytes, "hello\n"}, 0) = notsock
sock_shutdown(3</data>, rd|wr) = notsock
sock_accept(3</data>, nonblock) = notsock
proc_exit(3) = ?
"#;

#[test]
fn every_function_is_shown_as_it_is_meant() {
    for module in MODULES {
        let dir = Dir::new();
        std::fs::create_dir(dir.path().join("host")).expect("a directory");
        let wat = guest(module, MEMORY, &calls(module));
        let (run, text) = traced(&dir, "--dir host::/data --env A=1", &wat);
        assert_eq!((run.code(), run.stderr.as_str()), (3, ""));
        let mut expected = EXPECTED.to_owned();
        if module == MODULES[1] {
            expected =
                expected.lines().filter(|line| !line.starts_with("sock_accept")).fold(String::new(), |all, l| all + l + "\n");
        }
        assert_eq!(masked(&text), expected, "{module}");
        for line in text.lines().filter(|line| line.starts_with("clock_time_get(realtime")) {
            assert!(line.contains(" time=2") && line.ends_with('Z'), "{line}");
        }
    }
}

#[test]
fn what_is_in_json_is_what_is_in_text() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("host")).expect("a directory");
    let (_, json) = traced(&dir, "--dir host::/data --trace-wasi-format json", &guest(MODULES[0], MEMORY, &calls(MODULES[0])));
    let calls: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let find = |name: &str| calls.iter().find(|call| call["function"] == name).expect(name);
    let (open, write) = (find("path_open"), find("fd_write"));
    assert_eq!(open["arguments"]["fd"], serde_json::json!({ "number": 3, "name": "/data" }));
    assert_eq!(open["arguments"]["path"], serde_json::json!({ "text": "f", "bytes": 1 }));
    assert_eq!(open["arguments"]["oflags"], "creat|trunc");
    assert_eq!(open["results"]["fd"], serde_json::json!({ "number": 4, "name": "/data/f" }));
    let data = serde_json::json!({ "text": "hello\n", "bytes": 6 });
    assert_eq!(write["arguments"]["iovs"], serde_json::json!({ "count": 1, "bytes": 6, "data": data }));
    assert_eq!(write["results"]["nwritten"], 6);
    assert_eq!(find("fd_seek")["arguments"]["offset"], 1);
    assert_eq!(find("fd_filestat_set_times")["arguments"]["mtim"], "2017-07-14T02:40:00.123456789Z");
    assert_eq!(find("poll_oneoff")["arguments"]["in"][0]["timeout"], 1_000_000);
    assert_eq!(find("proc_exit")["ends"], "exit");
}

#[test]
fn text_of_the_guests_neither_forges_lines_nor_speaks_to_terminals() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path().join("host")).expect("a directory");
    let memory = r#"(data (i32.const 256) "a>\0aproc_exit(0) = ?\0a\1b[2J\e2\80\ae\"\\\ff\c3\a9\cc\81") (data (i32.const 512) "\00\01\00\00\20\00\00\00")
      (data (i32.const 1024) "\c3\a9") (data (i32.const 528) "\01\04\00\00\ff\00\00\00")"#;
    let body = [
        call("path_create_directory", &[3, 256, 4]),
        call("path_open", &[3, 0, 256, 2, 1, 64, 0, 0, 2048]),
        call("path_unlink_file", &[3, 256, 34]),
        call("fd_write", &[4, 512, 1, 2048]),
        // A character that the buffer begins within, and a text that is longer than what is shown.
        call("fd_write", &[4, 528, 1, 2048]),
        call("path_unlink_file", &[3, 4096, 257]),
        call("path_unlink_file", &[3, 1023, 2]),
        call("path_unlink_file", &[3, 4095, 258]),
    ];
    let memory = &format!("{memory} (data (i32.const 4095) \"x{}\")", "é".repeat(200));
    let wat = guest(MODULES[0], memory, &body.join("\n"));
    let (_, text) = traced(&dir, "--dir host::/data", &wat);
    let hostile = r#"a>\nproc_exit(0) = ?\n\u{1b}[2J\u{202e}\"\\\xffé"#;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "path_create_directory(3</data>, \"a>\\np\") = 0");
    assert!(lines[1].ends_with(" = 0 fd=4</data/a\\x3e>"), "{text}");
    assert_eq!(lines[2], format!("path_unlink_file(3</data>, \"{hostile}\u{301}\") = noent"));
    assert!(lines[3].starts_with("fd_write(4</data/a\\x3e>, {1 iov, 32 bytes, \"a>\\nproc_exit(0) = ?\\n\\u{1b}[2J"), "{text}");
    assert!(lines[4].contains("255 bytes, \"\\xa9\\u{0}") && lines[4].contains("\"...}) = 0 nwritten=255"), "{text}");
    assert_eq!(lines[5], format!("path_unlink_file(3</data>, \"{}\"...) = nametoolong", "é".repeat(128)));
    assert_eq!(lines[6], "path_unlink_file(3</data>, \"\\u{0}\\xc3\") = inval");
    assert_eq!(lines[7], format!("path_unlink_file(3</data>, \"x{}\"...) = nametoolong", "é".repeat(127)));
    assert_eq!(lines.len(), body.len(), "{text}");
    let (_, json) = traced(&dir, "--dir host::/data --trace-wasi-format json", &wat);
    assert_eq!(json.lines().count(), body.len());
    assert!(!json.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{json}");
    let third: Value = serde_json::from_str(json.lines().nth(2).expect("three")).expect("JSON");
    let whole = "a>\nproc_exit(0) = ?\n\u{1b}[2J\u{202e}\"\\\u{fffd}é\u{301}";
    assert_eq!(third["arguments"]["path"], serde_json::json!({ "text": whole, "bytes": 34 }));
}

/// Four threads that call 300 times each.
const THREADS: &str = r#"(module
  (import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (data (i32.const 0) "\08\00\00\00\28\00\00\00a text that is long enough to be cut")
  (func (export "wasi_thread_start") (param i32 i32) (local $n i32)
    (loop $again
      (drop (call $write (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 256)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 300))))
    (drop (i32.atomic.rmw.add (i32.const 512) (i32.const 1))))
  (func (export "_start") (local $n i32)
    (loop $again
      (if (i32.le_s (call $spawn (i32.const 0)) (i32.const 0)) (then (unreachable)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4))))
    (loop $wait (br_if $wait (i32.lt_u (i32.atomic.load (i32.const 512)) (i32.const 4))))
    (drop (call $write (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 256)))))"#;

#[test]
fn lines_of_threads_do_not_mix_and_say_whose_they_are() {
    let dir = Dir::new();
    let (run, file) = traced(&dir, "", THREADS);
    assert_eq!(run.code(), 0, "{run:?}");
    let stderr = dir.run("run --cache off --trace-wasi guest.wat").stderr;
    for text in [file, stderr] {
        let mut counts = [0; 5];
        for line in text.lines() {
            let (number, call) = line[1..].split_once("] ").expect(line);
            counts[number.parse::<usize>().expect(line)] += 1;
            assert_eq!(
                call,
                "fd_write(9, {1 iov, 40 bytes, \"a text that is long enough to be cut\\u{0}\\u{0}\\u{0}\\u{0}\"}) = badf"
            );
        }
        assert_eq!(counts, [1, 300, 300, 300, 300]);
    }
    let (_, json) = traced(&dir, "--trace-wasi-format json", THREADS);
    let threads = json.lines().map(|line| serde_json::from_str::<Value>(line).expect(line)["thread"].as_i64());
    assert_eq!(threads.map(|n| n.expect("a number")).max(), Some(4));
}

#[test]
fn the_trace_goes_where_it_is_wanted_and_the_run_goes_on_without_it() {
    let dir = Dir::new();
    let body = [call("fd_close", &[2]), call("fd_write", &[1, 512, 1, 2048]), call("sched_yield", &[]), call("proc_exit", &[5])];
    dir.file("guest.wat", guest(MODULES[0], MEMORY, &body.join("\n")));
    let lines = "fd_close(2<stderr>) = 0\nfd_write(1<stdout>, {1 iov, 6 bytes, \"hello\\n\"}) = 0 nwritten=6\nsched_yield() = 0\nproc_exit(5) = ?\n";
    // Standard error by default, which the program cannot close to the trace; a file is made anew.
    let run = dir.run("run --trace-wasi guest.wat");
    assert_eq!((run.code(), run.stdout.as_str(), run.stderr.as_str()), (5, "hello\n", lines));
    dir.file("trace", "what was there before, and is longer than what is written to it now".repeat(10));
    for confine in ["auto", "off"] {
        let run = dir.run(&format!("run --trace-wasi=trace --confine {confine} guest.wat"));
        assert_eq!((run.code(), run.stdout.as_str(), run.stderr.as_str()), (5, "hello\n", ""));
        assert_eq!(std::fs::read_to_string(dir.path().join("trace")).expect("a trace"), lines);
    }
    // What cannot be written is said once; before the program starts, it is an error.
    let body = [call("sched_yield", &[]), call("sched_yield", &[]), call("proc_exit", &[5])];
    dir.file("guest.wat", guest(MODULES[0], MEMORY, &body.join("\n")));
    let run = dir.run("run --trace-wasi=/dev/full guest.wat");
    let said = "warning: --trace-wasi /dev/full: No space left on device; the trace ends here, and the program runs on\n";
    assert_eq!((run.code(), run.stderr.as_str()), (5, said));
    contains(&dir.run("run --trace-wasi=no/trace guest.wat").fails(1), &["--trace-wasi no/trace: No such file or directory"]);
    contains(&dir.run("run --trace-wasi-format json guest.wat").fails(2), &["--trace-wasi[=<FILE>]"]);
    let closed = outcome(&mut dir.shell("exec \"$@\" 2>&-", ["run", "--trace-wasi", "guest.wat"]));
    assert_eq!(closed.code(), 1);
    // A reader that is gone is no end of the program, unlike one of its own output.
    let mut gone = dir.shell("exec 3>&1; { \"$@\" >&3; echo $? >&3; } 2>&1 | :", ["run", "--trace-wasi", "guest.wat"]);
    assert_eq!(outcome(&mut gone).stdout, "5\n");
    assert_eq!(dir.run("run guest.wat").stderr, "");
}
