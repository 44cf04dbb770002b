//! `--write-policy` of real programs, and the same runs with nothing but what was written.

use crate::support::{Ended, dir, guest, program, run, sconce_run};
use std::fs;
use std::path::Path;

/// Runs a program with these flags and a policy to be written, then with that alone: both ends are the same. Gives the policy.
#[track_caller]
fn recorded(flags: &[String], program: &Path, arguments: &[&str], input: &str, again: impl Fn()) -> (Ended, String) {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("policy.toml");
    let first = run(sconce_run().args(flags).arg("--write-policy").arg(&file).arg(program).args(arguments), input);
    let policy = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{e}: {first:#?}"));
    again();
    let second = run(sconce_run().arg("--policy").arg(&file).arg(program).args(arguments), input);
    let ends = |ended: &Ended| (ended.code, ended.stdout.clone(), ended.stderr.clone());
    assert_eq!(ends(&first), ends(&second), "{policy}");
    (first, policy)
}

#[track_caller]
fn contains(policy: &str, parts: &[&str]) {
    for part in parts {
        assert!(policy.contains(part), "no {part:?} in:\n{policy}");
    }
}

#[test]
fn python_runs_again_with_what_it_used() {
    let script = r#"
import os, sys
print(open("/w/in/text").read(), os.environ["GIVEN"], sorted(os.listdir("/w/in")))
with open("/w/out/result", "w") as f:
    f.write("done")
for path in ["/w/in/../../../x", "/nowhere/x"]:
    try:
        open(path)
    except OSError as e:
        print(path, e.errno)
sys.exit(5)
"#;
    let place = tempfile::tempdir().expect("a directory");
    for name in ["in", "out", "unused"] {
        fs::create_dir(place.path().join(name)).expect("a directory");
    }
    fs::write(place.path().join("in/text"), "a text").expect("written");
    fs::write(place.path().join("in/script.py"), script).expect("written");
    // Python keeps what it compiles beside its library, if it can.
    let library = format!("{}:ro", dir(&program("python-fs"), "/"));
    let given = ["in", "out", "unused"].map(|name| dir(&place.path().join(name), &format!("/w/{name}")));
    let flags: Vec<String> = [library, "--env=GIVEN=yes".to_owned()].into_iter().chain(given).collect();
    let (ended, policy) = recorded(&flags, &program("python.wasm"), &["/w/in/script.py"], "", || ());
    assert_eq!((ended.code, ended.stderr.as_str()), (5, ""));
    assert!(ended.stdout.starts_with("a text yes ['script.py', 'text']\n"), "{}", ended.stdout);
    contains(
        &policy,
        &["::/:ro\", # read", "in::/w/in:ro\", # read, listed\n", "out::/w/out\", # changed\n", "env = [\"GIVEN=yes\"]"],
    );
    contains(&policy, &["# not used: dir = [", "unused::/w/unused:ro\"]", "# denied: path_open \"/w/in/../../../x\""]);
}

#[test]
fn php_runs_again_with_what_it_used() {
    let place = tempfile::tempdir().expect("a directory");
    let script =
        "<?php echo file_get_contents('/w/script.php', false, null, 0, 5), @file_put_contents('/w/out', 'x') ? 'yes' : 'no';";
    fs::write(place.path().join("script.php"), script).expect("written");
    let read_only = format!("{}:ro", dir(place.path(), "/w"));
    for (given, said, kept) in [(read_only, "<?phpno", "/w:ro\","), (dir(place.path(), "/w"), "<?phpyes", "/w\", # changed")] {
        let (ended, policy) = recorded(&[given], &program("php.wasm"), &["/w/script.php"], "", || ());
        assert!(ended.stdout.ends_with(said), "{ended:#?}");
        contains(&policy, &[kept]);
        let denied = policy.contains("# denied: path_open \"/w/out\"");
        assert_eq!(denied, said.ends_with("no"), "{policy}");
    }
}

#[test]
fn sqlite_runs_again_with_what_it_used() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("test.db");
    let sql = "create table t(a); insert into t values (1), (2); select sum(a) from t;\n";
    let anew = || fs::remove_file(&file).expect("it is there");
    let (ended, policy) = recorded(&[dir(place.path(), "/w")], &program("sqlite.wasm"), &["-batch", "/w/test.db"], sql, anew);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "3\n"), "{ended:#?}");
    contains(&policy, &["/w\", # changed\n"]);
    // In memory alone.
    let (ended, policy) = recorded(&[dir(place.path(), "/w")], &program("sqlite.wasm"), &["-batch"], sql, || ());
    assert_eq!(ended.stdout, "3\n");
    contains(&policy, &["dir = []\n# not used: dir = ["]);
}

#[test]
fn guests_run_again_with_what_they_used() {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("text"), "a text\n").expect("written");
    let flags = [dir(place.path(), "/w"), "--env=A=b".to_owned(), "--max-memory=64M".to_owned()];
    // Lua, on itself.
    let (ended, policy) = recorded(&flags, &guest("lua.wasm"), &[], "", || ());
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 2), "{ended:#?}");
    contains(&policy, &["dir = []\n", "# env: ", "max-memory = \"64M\"\n", "max-threads = 0\n"]);
    let (ended, policy) = recorded(&flags, &guest("cat.wasm"), &["/w/text", "/w/none"], "", || ());
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "a text\n"), "{ended:#?}");
    contains(&policy, &["/w:ro\", # read\n", "max-memory = \"64M\"\n"]);
}
