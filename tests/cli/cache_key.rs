//! The key of the cache: where it is, and what happens without it.

use crate::support::{Dir, Outcome, binary, contains, finish, hello, outcome, start};
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether a run said that it found its code in the cache.
fn found(out: &Outcome) -> bool {
    assert_eq!((out.code(), out.stdout.as_str()), (0, "hello\n"), "{out:?}");
    out.stderr.contains(" is used")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

#[test]
fn the_key_is_where_state_is_kept() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let key = dir.path().join("state/sconce/key");
    assert_eq!(dir.run("hello.wat").ok(), "hello\n");
    assert_eq!((mode(&key), mode(&dir.path().join("state/sconce"))), (0o600, 0o700));
    let bytes = fs::read(&key).expect("a key");
    assert_eq!(bytes.len(), 32);
    // It holds for every directory of cached code.
    assert_eq!(dir.run("--cache mine hello.wat").ok(), "hello\n");
    assert!(found(&dir.run("--log debug --cache mine hello.wat")));
    assert!(fs::read(&key).expect("a key") == bytes);
    // A cache that is off has none.
    fs::remove_dir_all(dir.path().join("state")).expect("the key can be removed");
    assert_eq!(dir.run("--cache off hello.wat").ok(), "hello\n");
    assert!(!dir.path().join("state").exists());

    // Below the home directory, if no absolute path says otherwise.
    for state in [None, Some("state"), Some("")] {
        let mut run = dir.sconce(["hello.wat"]);
        match state {
            None => run.env_remove("XDG_STATE_HOME"),
            Some(state) => run.env("XDG_STATE_HOME", state),
        };
        assert_eq!(outcome(run.env("HOME", dir.path().join("home"))).ok(), "hello\n");
        assert_eq!(fs::read(dir.path().join("home/.local/state/sconce/key")).expect("a key").len(), 32);
        fs::remove_dir_all(dir.path().join("home")).expect("the key can be removed");
        assert!(!dir.path().join("state").exists());
    }
}

#[test]
fn code_that_was_cached_with_another_key_is_not_run() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let run = || found(&dir.run("--log debug hello.wat"));
    assert_eq!([run(), run()], [false, true]);
    let key = dir.path().join("state/sconce/key");
    fs::remove_file(&key).expect("the key can be removed");
    assert_eq!([run(), run()], [false, true], "everything is compiled anew");
    fs::write(&key, [7; 32]).expect("another key");
    assert_eq!([run(), run()], [false, true]);
}

#[test]
fn runs_that_make_a_key_at_once_have_the_same() {
    let dir = Dir::new();
    for n in 0..6 {
        dir.file(&format!("{n}.wat"), hello().replace("(module", &format!("(module $m{n}")));
    }
    let runs: Vec<_> = (0..6).map(|n| start(&mut dir.sconce([format!("{n}.wat")]))).collect();
    runs.into_iter().for_each(|run| assert_eq!(finish(run).ok(), "hello\n"));
    for n in 0..6 {
        assert!(found(&dir.run(&format!("--log debug {n}.wat"))), "{n}");
    }
    assert_eq!(fs::read_dir(dir.path().join("state/sconce")).expect("the key's directory").count(), 1);
}

#[test]
fn a_key_that_cannot_be_used_costs_the_cache_alone() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let place = dir.path().join("state/sconce");
    let key = place.join("key");
    let make_place = |mode| fs::DirBuilder::new().recursive(true).mode(mode).create(&place).expect("a directory");
    let write = |len, mode| {
        fs::write(&key, vec![7; len]).expect("a key");
        fs::set_permissions(&key, Permissions::from_mode(mode)).expect("a mode");
    };
    // Where nobody chose a cache and nobody looks, nothing is said.
    let check = |why: &str| {
        assert_eq!(dir.run("hello.wat").ok(), "hello\n");
        let out = dir.run("--cache mine hello.wat");
        assert_eq!((out.code(), out.stdout.as_str()), (0, "hello\n"));
        assert_eq!(out.stderr, format!("warning: {why}\n"));
        contains(&dir.run("cache warm hello.wat").fails(1), &["hello.wat: ", why]);
        let cached = |name: &str| fs::read_dir(dir.path().join(name)).map_or(0, Iterator::count);
        assert_eq!(cached("cache/sconce") + cached("mine"), 0);
        let _ = fs::remove_dir(&key).or_else(|_| fs::remove_file(&key)).or_else(|_| fs::remove_dir(&place));
    };
    let not_used = |why: &str| {
        check(&format!("the cache's key {} is not used: {why}; a new one is made when it is removed", key.display()));
    };
    make_place(0o700);
    for (len, why) in [(0, "it has 0 bytes, not 32"), (31, "it has 31 bytes, not 32"), (33, "it has 33 bytes, not 32")] {
        write(len, 0o600);
        not_used(why);
    }
    write(32, 0o644);
    not_used("its mode is 644, not 600 (chmod 600 mends that)");
    fs::write(dir.path().join("elsewhere"), [7; 32]).expect("a file");
    fs::set_permissions(dir.path().join("elsewhere"), Permissions::from_mode(0o600)).expect("a mode");
    symlink(dir.path().join("elsewhere"), &key).expect("a link");
    not_used("it is a symbolic link");
    fs::create_dir(&key).expect("a directory");
    not_used("it is not a regular file");
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("a mode");
    check(&format!(
        "the directory {} of the cache's key is not used: its mode is 755, not 700 (chmod 700 mends that)",
        place.display()
    ));

    // Once nothing is in the way there is a key again.
    assert_eq!(dir.run("hello.wat").ok(), "hello\n");
    assert!(found(&dir.run("--log debug hello.wat")));
}

#[test]
fn without_a_place_for_the_key_there_is_no_cache() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let run = |words: &[&str]| outcome(dir.sconce(words).env_remove("XDG_STATE_HOME").env_remove("HOME"));
    assert_eq!(run(&["hello.wat"]).ok(), "hello\n");
    let out = run(&["--cache", "mine", "hello.wat"]);
    assert_eq!((out.code(), out.stdout.as_str()), (0, "hello\n"));
    let why = "there is no cache: its key has no place, since neither XDG_STATE_HOME nor HOME is an absolute path";
    assert_eq!(out.stderr, format!("warning: {why}\n"));
    assert!(!dir.path().join("mine").exists() && !dir.path().join("cache").exists());
}

/// A mask of the user's takes nothing from the key that it needs.
#[test]
fn the_mode_of_the_key_is_what_it_must_be() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    for place in ["state/sconce", "cache/sconce"] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.path().join(place)).expect("a directory");
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 277; exec \"$0\" hello.wat", binary()]).current_dir(dir.path());
    shell.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    assert_eq!(outcome(shell.stdout(Stdio::piped()).stderr(Stdio::piped())).ok(), "hello\n");
    assert_eq!(mode(&dir.path().join("state/sconce/key")), 0o600);
    assert!(found(&dir.run("--log debug hello.wat")));
}

/// What is there is used, and nothing is said of what cannot be kept.
#[test]
fn a_cache_that_cannot_be_written_is_read() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    // Enough text that a run would note which of it it needed.
    let functions: String = (0..40_000).map(|n| format!("(func (export \"f{n}\") (result i32) (i32.const {n}))")).collect();
    dir.file("large.wat", format!("(module {functions})"));
    assert_eq!(dir.run("--tier lightbeam hello.wat").ok(), "hello\n");
    assert_eq!(dir.run("--tier lightbeam --invoke f7 large.wat").ok(), "7\n");
    let script = r#"mount --bind cache cache && mount -o remount,ro,bind cache && mount --bind state state &&
        mount -o remount,ro,bind state || { echo nowhere; exit 0; }
        "$0" --tier lightbeam --log debug hello.wat && "$0" --tier lightbeam --log debug --invoke f7 large.wat"#;
    let mut unshare = Command::new("unshare");
    unshare.args(["-rm", "sh", "-c", script, binary()]).current_dir(dir.path());
    unshare.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    let Ok(child) = unshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        eprintln!("nothing to see: no unshare");
        return;
    };
    let out = finish(child);
    if out.stdout.is_empty() || out.stdout == "nowhere\n" {
        eprintln!("nothing to see: nothing can be mounted here: {}", out.stderr);
        return;
    }
    assert_eq!((out.code(), out.stdout.as_str()), (0, "hello\n7\n"), "{out:?}");
    assert_eq!(out.stderr.matches(" is used").count(), 2, "{out:?}");
    assert!(!out.stderr.contains("warning"), "{out:?}");
}
