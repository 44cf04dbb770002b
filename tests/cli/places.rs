//! Places that no program reaches: file systems that control the machine, devices, and what Sconce itself relies on.

use crate::support::{Dir, Outcome, binary, contains, outcome};
use std::fs;
use std::process::{Command, Stdio};

/// `EPERM` in WASI's numbers.
const PERM: i32 = 63;

/// Opens this path below descriptor 3 for reading: the exit code is the errno.
fn opens(path: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "{path}")
  (func (export "_start") (call $exit (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const {})
    (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 1024)))))"#,
        path.len()
    )
}

/// Opens the first path below descriptor 3, and the second one below what that is: the exit code is the errno.
fn opens_by(first: &str, second: &str) -> String {
    let (n, m) = (first.len(), second.len());
    format!(
        r#"(module (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "{first}") (data (i32.const 512) "{second}")
  (func (export "_start")
    (if (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const {n}) (i32.const 2) (i64.const -65) (i64.const -65) (i32.const 0)
          (i32.const 1024)) (then (call $exit (i32.const 99))))
    (call $exit (call $open (i32.load (i32.const 1024)) (i32.const 1) (i32.const 512) (i32.const {m})
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 1024)))))"#
    )
}

/// Opens a path below descriptor 3 to write it anew: the exit code is the errno.
fn truncates(path: &str) -> String {
    opens(path).replace("(i32.const 0) (i64.const 2)", "(i32.const 8) (i64.const 64)")
}

/// Asks for a path's status, without following it, and sets its times to now: the exit code is the errno of both if it is the same.
fn looks_and_touches(path: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "path_filestat_get" (func $look (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times" (func $touch (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "{path}")
  (func (export "_start") (local $look i32)
    (local.set $look (call $look (i32.const 3) (i32.const 0) (i32.const 0) (i32.const {0}) (i32.const 1024)))
    (if (i32.ne (local.get $look)
        (call $touch (i32.const 3) (i32.const 0) (i32.const 0) (i32.const {0}) (i64.const 0) (i64.const 0) (i32.const 10)))
      (then (call $exit (i32.const 98))))
    (call $exit (local.get $look))))"#,
        path.len()
    )
}

/// Makes a directory of this name: the exit code is the errno.
fn makes(path: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "path_create_directory" (func $make (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 0) "{path}")
  (func (export "_start") (call $exit (call $make (i32.const 3) (i32.const 0) (i32.const {})))))"#,
        path.len()
    )
}

/// The binary in a directory that is the user's home, too.
fn at_home(dir: &Dir, words: &str) -> Outcome {
    let mut sconce = dir.sconce(words.split_whitespace());
    sconce.env("HOME", dir.path()).env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME");
    outcome(&mut sconce)
}

#[test]
fn what_controls_the_machine_is_refused() {
    let dir = Dir::new();
    dir.file("opens.wat", opens("x"));
    for (given, parts) in [
        ("/proc", ["directory /proc cannot be given", "procfs", "this one's memory"]),
        ("/proc::/data:ro", ["directory /proc cannot be given", "procfs", "nor is anything in it"]),
        ("/proc/self", ["directory /proc/self cannot", "procfs", "no program"]),
        ("/proc/sys", ["directory /proc/sys cannot", "procfs", "no program"]),
        ("/dev/fd", ["directory /dev/fd cannot", "procfs", "no program"]),
        ("/sys", ["directory /sys cannot", "sysfs", "settings of the kernel"]),
        ("/sys/class", ["directory /sys/class cannot", "sysfs", "settings of the kernel"]),
    ] {
        contains(&dir.run(&format!("run --dir {given} opens.wat")).fails(1), &parts);
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" run --fd 3 opens.wat 3</proc", binary()]).current_dir(dir.path());
    shell.env("XDG_CACHE_HOME", dir.path().join("cache")).stdout(Stdio::piped()).stderr(Stdio::piped());
    contains(&outcome(&mut shell).fails(1), &["a descriptor of directory /proc cannot be given", "procfs"]);
}

#[test]
fn no_directory_leads_to_devices_or_to_what_controls_the_machine() {
    let dir = Dir::new();
    for (given, path, result) in [
        ("/::/", "proc/self/environ", PERM),
        ("/::/:ro", "proc/self/environ", PERM),
        ("/::/:ro", "proc/self/mem", PERM),
        ("/::/", "proc/1/status", PERM),
        ("/::/", "proc", PERM),
        ("/::/", "sys/class", PERM),
        ("/::/", "dev/null", PERM),
        ("/::/", "dev/shm", PERM),
        ("/::/", "dev", PERM),
        ("/::/", "tmp", 0),
        ("/dev", "null", 0),
        ("/dev", "shm", 0),
        ("/dev", "fd", PERM),
        ("/dev/shm", ".", 0),
        ("/ --dir /", "dev/null", PERM),
        ("/dev --dir /", "null", 0),
        ("/ --dir /dev", "dev/null", PERM),
    ] {
        dir.file("opens.wat", opens(path));
        assert_eq!(dir.run(&format!("run --dir {given} opens.wat")).code(), result, "{given} {path}");
    }
}

#[test]
fn the_cache_and_its_key_are_masked() {
    let dir = Dir::new();
    for own in [".cache/sconce", ".local/state/sconce", "other"] {
        fs::create_dir_all(dir.path().join(own)).expect("a directory");
        fs::write(dir.path().join(own).join("x"), "x").expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(dir.path().join(own), mode).expect("a directory of one's own");
    }
    fs::create_dir(dir.path().join("project")).expect("a directory");
    let root = dir.path().strip_prefix("/").expect("an absolute path").display();
    for (given, path, result) in [
        (".", ".cache/sconce/x".to_owned(), PERM),
        (".", ".cache/sconce".into(), PERM),
        (". --cache off", ".cache/sconce/x".into(), PERM),
        (". --cache other", ".cache/sconce/x".into(), PERM),
        (". --cache other", "other/x".into(), PERM),
        (".", "other/x".into(), 0),
        (".", ".local/state/sconce/x".into(), PERM),
        (".::/data:ro", ".local/state/sconce/x".into(), PERM),
        (".cache", "sconce/x".into(), PERM),
        (". --dir .", ".cache/sconce/x".into(), PERM),
        (". --dir .cache", ".cache/../.cache/sconce/x".into(), PERM),
        ("/", format!("{root}/.local/state/sconce/x"), PERM),
        ("/", format!("{root}/other/x"), 0),
        ("project", "../.cache/sconce/x".into(), PERM),
    ] {
        dir.file("opens.wat", opens(&path));
        assert_eq!(at_home(&dir, &format!("run --dir {given} opens.wat")).code(), result, "{given} {path}");
    }
    for given in [".cache/sconce", ".cache/sconce::/data:ro", ".local/state/sconce", ". --dir .cache/sconce"] {
        let message = at_home(&dir, &format!("run --dir {given} opens.wat")).fails(1);
        contains(&message, &["/sconce cannot be given to a program: it is in ", "the runtime relies on"]);
    }
    let message = at_home(&dir, "run --cache other --dir other opens.wat").fails(1);
    contains(&message, &["directory other cannot be given to a program: it is in other, which is kept from programs"]);
}

/// Another run may have them where this one's variables do not say.
#[test]
fn those_of_the_home_directory_are_masked_whatever_variables_say() {
    let dir = Dir::new();
    for place in [".cache/sconce", ".local/state/sconce"] {
        fs::create_dir_all(dir.path().join(place)).expect("a directory");
        fs::write(dir.path().join(place).join("file"), "").expect("a file");
        dir.file("opens.wat", opens(&format!("{place}/file")));
        let mut sconce = dir.sconce(["run", "--cache", "off", "--dir", ".", "opens.wat"]);
        // The cache and the key of this run are elsewhere.
        let elsewhere = dir.path().join("elsewhere");
        sconce.env("HOME", dir.path()).env("XDG_CACHE_HOME", &elsewhere).env("XDG_STATE_HOME", &elsewhere);
        assert_eq!(outcome(&mut sconce).code(), PERM, "{place}");
    }
}

#[test]
fn a_key_that_is_missing_is_not_a_programs_to_make() {
    let dir = Dir::new();
    for (path, result) in [(".local", PERM), (".local/state", PERM), (".locals", 0), ("sconce", 0)] {
        dir.file("makes.wat", makes(path));
        assert_eq!(at_home(&dir, "run --cache off --dir . makes.wat").code(), result, "{path}");
    }
    assert!(!dir.path().join(".local").exists());
}

/// In a namespace in which something is mounted, with `home` below the test's directory, if this user may have one.
fn mounted(dir: &Dir, home: &str, mounts: &str, words: &str, then: &str) -> Option<i32> {
    let script = format!("exec unshare -rm sh -c '{mounts} && {{ \"$0\" run {words}; code=$?; {then} exit $code; }}' \"$0\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, binary()]).current_dir(dir.path()).env("HOME", dir.path().join(home));
    shell.env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME").stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = outcome(&mut shell);
    (!done.stderr.contains("unshare") && !done.stderr.contains("mount:")).then(|| done.code())
}

#[test]
fn other_mounts_of_them_are_known() {
    let dir = Dir::new();
    for d in [".cache/sconce", ".local/state/sconce", "place/sub", "devices"] {
        fs::create_dir_all(dir.path().join(d)).expect("a directory");
    }
    for (file, of) in [(".cache/sconce/x", "x"), ("devices/x", "x"), ("place/null", "")] {
        fs::write(dir.path().join(file), of).expect("a file");
    }
    let bind_home = "mount --bind . place/sub";
    for (mounts, given, path, result) in [
        (bind_home, "place", "sub/.cache/sconce/x", PERM),
        (bind_home, "place", "sub/.cache", 0),
        (bind_home, "place/sub", ".cache/sconce/x", PERM),
        (bind_home, "place/sub/.cache", "sconce/x", PERM),
        (bind_home, "place", "sub/.local/state/sconce", PERM),
        ("mount --bind .cache/sconce place/sub", "place", "sub/x", PERM),
        ("mount --bind .cache/sconce place/sub", "place", "sub", PERM),
        ("mount --bind .cache/sconce place/sub", "place/sub", "x", 1),
        ("mount --bind /proc place/sub", "place", "sub/self/mem", PERM),
        ("mount --bind /proc/self place/sub", "place", "sub/mem", PERM),
        ("mount --bind /proc/self/environ place/null", "place", "null", PERM),
        ("mount --bind /sys/class place/sub", "place/sub", ".", 1),
        ("mount --bind /dev/pts place/sub", "place", "sub", 0),
        ("mount --bind /dev place/sub", "place", "sub/null", PERM),
        ("mount --bind /dev/null place/null", "place", "null", PERM),
        // The directory of devices is a directory like others.
        ("mount --bind devices /dev", "/", "dev/x", PERM),
        ("mount --bind devices /dev", "/dev", "x", 0),
        ("mount --bind devices /dev", ".", "devices/x", PERM),
        ("mount -t tmpfs none /dev && touch /dev/x", "/", "dev/x", PERM),
        ("mount -t tmpfs none /dev && touch /dev/x", "/dev", "x", 0),
    ] {
        dir.file("opens.wat", opens(path));
        let Some(code) = mounted(&dir, "", mounts, &format!("--dir {given} opens.wat"), "") else { continue };
        assert_eq!(code, result, "{mounts}: {given} {path}");
    }
}

#[test]
fn every_call_knows_other_mounts() {
    let dir = Dir::new();
    for d in [".cache/sconce", "place/sub", "tree/real/.cache/sconce", "seen"] {
        fs::create_dir_all(dir.path().join(d)).expect("a directory");
    }
    for (file, of) in [(".cache/sconce/x", "x"), ("tree/real/.cache/sconce/x", "x"), ("place/null", "")] {
        fs::write(dir.path().join(file), of).expect("a file");
    }
    let touch = looks_and_touches("sub");
    for (guest, home, mounts, words, then, result) in [
        // A directory that was opened beyond a mount.
        (opens_by("sub", ".cache/sconce/x"), "", "mount --bind . place/sub", "--dir place", "", PERM),
        (opens_by("sub", "place/null"), "", "mount --bind . place/sub", "--dir place", "", 0),
        // The home is known by another mount than the one that was given.
        (opens("real/.cache/sconce/x"), "seen", "mount --bind tree/real seen", "--dir tree", "", PERM),
        (opens_by("real", ".cache/sconce/x"), "seen", "mount --bind tree/real seen", "--dir tree", "", PERM),
        (touch.clone(), "", "mount --bind .cache/sconce place/sub", "--dir place", "", PERM),
        (touch.clone(), "", "mount --bind /sys/class place/sub", "--dir place", "", PERM),
        (touch, "", "mount --bind tree place/sub", "--dir place", "", 0),
        // Opening may be an act: nothing is written anew and then refused.
        (
            truncates("null"),
            "",
            "mount -t tmpfs none /dev && echo x >/dev/x && mount --bind /dev/x place/null",
            "--dir place",
            "test -s /dev/x || exit 97;",
            PERM,
        ),
    ] {
        dir.file("guest.wat", &guest);
        let Some(code) = mounted(&dir, home, mounts, &format!("{words} guest.wat"), then) else { continue };
        assert_eq!(code, result, "{mounts}: {words}\n{guest}");
    }
}
