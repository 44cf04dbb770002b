//! Programs that nobody here wrote, brought by `ci/fetch-programs`: language runtimes, a database and a compiler.

use crate::support::{Ended, TIER, Terminal, dir, guest, program, run, sconce_run};
use std::fs;
use std::path::Path;

/// Runs a program with `place` as `/w` and further arguments. `/w` comes last: the libc in clang takes the last directory that
/// matches.
fn on(name: &str, place: &Path, flags: &[String], arguments: &[&str], input: &str) -> Ended {
    run(sconce_run().args(flags).arg(dir(place, "/w")).arg(program(name)).args(arguments), input)
}

fn place_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        fs::write(place.path().join(name), text).expect("written");
    }
    place
}

#[test]
fn python_runs_a_script() {
    let script = r#"
import collections, hashlib, json, os, re, sys
words = re.findall(r"[a-z]+", open("/w/input.txt").read().lower())
counts = collections.Counter(words)
os.makedirs("/w/out/deep", exist_ok=True)
with open("/w/out/deep/counts.json", "w") as f:
    json.dump(dict(sorted(counts.items())), f, indent=1)
with open("/w/out/deep/counts.json") as f:
    again = json.load(f)
print(sorted(again.items(), key=lambda kv: (-kv[1], kv[0]))[:3])
print(re.sub(r"(\w+) (\w+)", r"\2 \1", "world hello"), os.listdir("/w/out"), os.path.getsize("/w/out/deep/counts.json"))
os.rename("/w/out/deep/counts.json", "/w/out/moved.json")
os.rmdir("/w/out/deep")
print(hashlib.sha256(b"sconce").hexdigest()[:16], 2 ** 200, sys.version_info[:2], sys.argv[1:])
try:
    open("/w/../secret")
except OSError as e:
    print("refused", e.errno in (63, 76))
print(sum(i * i for i in range(100000)), file=sys.stderr)
sys.exit(5)
"#;
    let place = place_with(&[("script.py", script), ("input.txt", "The cat and the dog and the bird.\n")]);
    let library = [dir(&program("python-fs"), "/")];
    let ended = on("python.wasm", place.path(), &library, &["/w/script.py", "one", "two words"], "");
    let expected = "\
[('the', 3), ('and', 2), ('bird', 1)]
hello world ['deep'] 58
4d9ad448cc6dca0b 1606938044258990275541962092341162602522202993782792835301376 (3, 11) ['one', 'two words']
refused True
";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    assert_eq!((ended.code, ended.stderr.as_str()), (5, "333328333350000\n"));
    assert!(place.path().join("out/moved.json").is_file());
}

#[test]
fn python_answers_at_its_prompt() {
    let (library, python) = (dir(&program("python-fs"), "/"), program("python.wasm"));
    let mut terminal = Terminal::start(&["run".as_ref(), TIER.as_ref(), library.as_ref(), python.as_os_str()]);
    assert!(terminal.screen.until(">>> ").contains("Python 3.11"));
    terminal.type_in("print(6 * 7, 'x' * 3)\n");
    terminal.screen.until("42 xxx\r\n>>> ");
    terminal.type_in("def f(n):\n    return n and n * f(n - 1) or 1\n\n");
    terminal.screen.until("...");
    terminal.screen.until(">>> ");
    terminal.type_in("f(20)\n");
    terminal.screen.until("2432902008176640000\r\n>>> ");
    terminal.type_in("[][1]\n");
    terminal.screen.until("IndexError: list index out of range\r\n>>> ");
    terminal.type_in("raise SystemExit(3)\n");
    assert_eq!(terminal.ended().0, 3);
}

#[test]
fn ruby_runs_a_script_with_the_standard_library() {
    let script = r#"
require 'json'
require 'set'
require 'digest'
require 'erb'
require 'stringio'
data = JSON.parse(File.read('/w/data.json'))
puts JSON.generate(data.merge('sum' => data['list'].sum, 'set' => Set.new(data['list']).to_a))
puts ERB.new('<% data["list"].uniq.each do |n| %>[<%= n * n %>]<% end %>').result(binding)
puts Digest::SHA256.hexdigest('sconce')[0, 16]
File.write('/w/out.txt', StringIO.new("b\na\n").each_line.sort.join)
puts (1..30).each_with_object([1, 1]) { |_, f| f << f[-1] + f[-2] }.last
begin
  Integer('x')
rescue ArgumentError => e
  puts e.message
end
exit 4
"#;
    let place = place_with(&[("script.rb", script), ("data.json", r#"{"list": [3, 1, 2, 3]}"#)]);
    let ended = on("ruby.wasm", place.path(), &[], &["/w/script.rb"], "");
    let expected = "\
{\"list\":[3,1,2,3],\"sum\":9,\"set\":[3,1,2]}
[9][1][4]
4d9ad448cc6dca0b
2178309
invalid value for Integer(): \"x\"
";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    assert_eq!(ended.code, 4);
    assert_eq!(fs::read_to_string(place.path().join("out.txt")).expect("written"), "a\nb\n");
}

#[test]
fn php_runs_a_file() {
    let script = r#"<?php
$rows = array_map('str_getcsv', file('/w/rows.csv', FILE_IGNORE_NEW_LINES));
usort($rows, fn($a, $b) => $b[1] <=> $a[1]);
echo json_encode($rows), "\n";
echo preg_replace_callback('/\d+/', fn($m) => $m[0] * 2, 'a1b22'), " ", hash('sha256', 'sconce'), "\n";
file_put_contents('/w/out.txt', serialize(['k' => [1, 2.5, true]]));
class P { public function __construct(private int $x) {} public function __toString(): string { return "P({$this->x})"; } }
echo new P(7), " ", intdiv(PHP_INT_MAX, 3), "\n";
try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo get_class($e), "\n"; }
"#;
    let place = place_with(&[("script.php", script), ("rows.csv", "a,1\nb,3\nc,2\n")]);
    let ended = on("php.wasm", place.path(), &[], &["/w/script.php"], "");
    let body = ended.stdout.split_once("\r\n\r\n").map_or("no header", |(_, body)| body);
    let expected = "\
[[\"b\",\"3\"],[\"c\",\"2\"],[\"a\",\"1\"]]
a2b44 4d9ad448cc6dca0bc311cbd68d4198a8154314b5e9a6e7be8e5d07283e656471
P(7) 715827882
DivisionByZeroError
";
    assert_eq!(body, expected, "{ended:#?}");
    assert!(ended.stdout.starts_with("X-Powered-By: PHP/8.2"), "{}", ended.stdout);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(
        fs::read_to_string(place.path().join("out.txt")).expect("written"),
        "a:1:{s:1:\"k\";a:3:{i:0;i:1;i:1;d:2.5;i:2;b:1;}}"
    );
}

#[test]
fn sqlite_reads_sql_from_its_input() {
    let sql = "create table t(name, n integer);\n\
        with recursive c(i) as (select 1 union all select i + 1 from c where i < 1000) insert into t select 'row ' || i, i * i from c;\n\
        select count(*), sum(n), max(name) from t;\n\
        select name from t where n > 990000 order by n limit 2;\n\
        select printf('%.3f', 10 / 4.0), upper('x'), typeof(null);\n";
    let place = place_with(&[]);
    let ended = on("sqlite.wasm", place.path(), &[], &["-batch"], sql);
    assert_eq!(ended.stdout, "1000|333833500|row 999\nrow 995\nrow 996\n2.500|X|null\n", "{ended:#?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn sqlite_keeps_a_database_in_a_file() {
    let place = place_with(&[]);
    let query = |sql: &str| {
        let ended = on("sqlite.wasm", place.path(), &[], &["-batch", "/w/test.db"], sql);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:#?}");
        ended.stdout
    };
    assert_eq!(query("create table t(k primary key, v); begin; insert into t values(1,'one'),(2,'two'); commit;\n"), "");
    assert_eq!(query("begin; delete from t; rollback; insert into t values(3,'three'); select count(*) from t;\n"), "3\n");
    assert_eq!(query("select group_concat(v, '+') from t;\n"), "one+two+three\n");
    let bytes = fs::read(place.path().join("test.db")).expect("the database is there");
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    assert!(!place.path().join("test.db-journal").exists(), "the journal is removed after each transaction");
}

#[test]
fn clang_compiles_what_then_runs() {
    let source = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
int main(int argc, char **argv) {
    qsort(argv + 1, argc - 1, sizeof *argv, compare);
    for (int i = 1; i < argc; i++) printf("%s%s", argv[i], i + 1 < argc ? " " : "\n");
    return argc;
}
"#;
    let place = place_with(&[("sort.c", source)]);
    let system = [dir(&program("clang-fs"), "/")];
    let compile = ["-cc1", "-triple", "wasm32-unknown-wasi", "-isysroot", "/sys", "-internal-isystem", "/sys/include"];
    let rest = ["-internal-isystem", "/sys/lib/clang/8.0.1/include", "-O2", "-Wall", "-emit-obj", "-o", "/w/sort.o", "/w/sort.c"];
    let ended = on("clang.wasm", place.path(), &system, &[&compile[..], &rest].concat(), "");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""), "{ended:#?}");
    let object = fs::read(place.path().join("sort.o")).expect("the object is there");
    assert!(object.starts_with(b"\0asm\x01\0\0\0"), "{:?}", &object[..object.len().min(8)]);

    let link =
        ["--no-threads", "-L/sys/lib/wasm32-wasi", "/sys/lib/wasm32-wasi/crt1.o", "/w/sort.o", "-lc", "-o", "/w/sort.wasm"];
    let ended = on("wasm-ld.wasm", place.path(), &system, &link, "");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""), "{ended:#?}");
    let ended = run(sconce_run().arg(place.path().join("sort.wasm")).args(["pear", "apple", "fig"]), "");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (4, "apple fig pear\n", ""));

    // In the same test, so that clang is compiled once.
    fs::write(place.path().join("bad.c"), "int main(void) { return undeclared; }\n").expect("written");
    let arguments = ["-cc1", "-triple", "wasm32-unknown-wasi", "-emit-obj", "-o", "/w/bad.o", "/w/bad.c"];
    let ended = on("clang.wasm", place.path(), &system, &arguments, "");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:#?}");
    assert!(ended.stderr.contains("/w/bad.c:1:25: error: use of undeclared identifier 'undeclared'"), "{}", ended.stderr);
    assert!(!place.path().join("bad.o").exists());
}

#[test]
fn a_missing_program_names_the_script_that_brings_it() {
    let error = std::panic::catch_unwind(|| program("no-such-program.wasm")).expect_err("it is not there");
    assert!(error.downcast_ref::<String>().is_some_and(|message| message.contains("ci/fetch-programs")));
    assert!(guest("hello.wasm").exists(), "the guests of this repository are committed");
}

#[test]
fn deterministic_runs_of_python_are_alike() {
    // Seconds, random numbers, the seed of hashes and so the order of sets, numbers of objects and files, the order of directories.
    let script = r#"
import os, random, sys, tempfile, time, uuid
print(time.time(), time.monotonic(), time.process_time(), time.strftime("%c"))
print(random.random(), os.urandom(8).hex(), uuid.uuid4(), hash("text"), set("some letters"), id(object()))
print(os.listdir("/w"), sorted(os.stat("/w/b")), [e.inode() for e in os.scandir("/w")])
with tempfile.NamedTemporaryFile(dir="/w") as f:
    print(f.name, os.stat(f.name))
try:
    print(sys.stdin.read(), os.getpid())
except AttributeError:
    pass
print(float("nan") + 1, sys.stdout.isatty())
"#;
    let files = [("script.py", script), ("b", "1"), ("a", "22"), ("c", "333")];
    let mut reversed = files;
    reversed.reverse();
    let library = ["--deterministic".to_owned(), dir(&program("python-fs"), "/")];
    let ended =
        [&files, &reversed].map(|files| on("python.wasm", place_with(files).path(), &library, &["/w/script.py"], "input"));
    let [one, two] = ended.map(Ended::good);
    assert!(one.contains("2000") && one.contains("['a', 'b', 'c', 'script.py']"), "{one}");
    assert_eq!(one, two);
}

#[test]
fn deterministic_runs_of_php_are_alike() {
    let script = r#"<?php
sleep(1000);
echo microtime(true), " ", hrtime(true), " ", mt_rand(), " ", random_int(0, PHP_INT_MAX), " ", uniqid(), " ", date("c"), "\n";
echo implode(" ", array_rand(array_flip(range(1, 100)), 5)), " ", bin2hex(random_bytes(8)), "\n";
print_r(scandir("/w")); print_r(stat("/w/b")); echo spl_object_hash(new stdClass), "\n";
"#;
    let files = [("script.php", script), ("b", "1"), ("a", "22")];
    let mut reversed = files;
    reversed.reverse();
    let flags = ["--deterministic".to_owned()];
    let ended = [&files, &reversed].map(|files| on("php.wasm", place_with(files).path(), &flags, &["/w/script.php"], ""));
    let [one, two] = ended.map(|ended| ended.stdout);
    assert!(one.contains("2000-01-01"), "{one}");
    assert_eq!(one, two);
}
