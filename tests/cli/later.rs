//! The process that compiles for later runs: when there is one, what it has, and when it is gone.

use crate::support::{Dir, contains, finish, outcome, start, wait};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What takes longer than this does not happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(start.elapsed() < PATIENCE, "no {what}"),
        }
        sleep(Duration::from_millis(2));
    }
}

/// A program that runs until it is ended, and as many functions beside it as are said, each of which takes Cranelift a while.
fn endless(functions: usize) -> String {
    let statement = "(local.set 0 (i32.xor (i32.rotl (local.get 0) (local.get 1)) (i32.load (local.get 0))))".repeat(200);
    let function = format!("(func (param i32 i32) {statement})");
    format!(r#"(module (memory 1) (func (export "_start") (loop (br 0))) (func (export "end")) {})"#, function.repeat(functions))
}

/// Entries of the cache, but for what is being written, and for small files that are no entries.
fn entries(dir: &Dir) -> Vec<String> {
    let files = fs::read_dir(dir.path().join("cache/sconce")).into_iter().flatten().map(|e| e.unwrap());
    let files = files.filter(|file| file.metadata().is_ok_and(|m| m.len() > 4000));
    let mut names: Vec<String> = files.map(|e| e.file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".tmp"));
    names.sort();
    names
}

/// The process beside a run, if there is one, by its folder in /proc.
fn beside(run: &Child) -> Option<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{}/task", run.id())).ok()?;
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let children: String = tasks.filter_map(Result::ok).map(children).collect();
    children.split_whitespace().map(|pid| Path::new("/proc").join(pid)).next()
}

/// The same when it compiles. Before, it waits, as a copy of the run.
fn helper(run: &Child) -> Option<PathBuf> {
    let helper = beside(run)?;
    let line = fs::read_to_string(helper.join("cmdline")).ok()?;
    line.contains("--beside-run").then_some(helper)
}

/// What a process has open.
fn open_files(process: &Path) -> Vec<String> {
    let files = fs::read_dir(process.join("fd")).unwrap().map(|fd| fs::read_link(fd.unwrap().path()).unwrap_or_default());
    files.map(|file| file.to_string_lossy().into_owned()).collect()
}

/// A run with these words, while which nothing is compiled for others. That may be over at once, but is waited for.
fn plans_nothing(dir: &Dir, words: &str) {
    let mut run = start(&mut dir.sconce(words.split(' ')));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(500) {
        assert_eq!(beside(&run), None, "{words}");
        sleep(Duration::from_millis(2));
    }
    run.kill().unwrap();
    finish(run);
}

fn is_gone(process: &Path) -> bool {
    // What nobody has waited for yet has no command line any more.
    fs::read(process.join("cmdline")).is_ok_and(|line| line.is_empty()) || !process.exists()
}

#[test]
fn the_next_run_has_better_code() {
    let dir = Dir::new();
    dir.file("app.wat", endless(0));
    let mut first = start(&mut dir.sconce(["app.wat"]));
    let entries = until("second entry", || Some(entries(&dir)).filter(|entries| entries.len() == 2));
    first.kill().unwrap();
    finish(first);
    let used = |tier: &str| {
        let words = format!("run --tier {tier} --log debug --invoke end app.wat");
        let said = dir.run(&words).stderr;
        entries.iter().position(|name| said.contains(&format!("cache entry {name} is used")))
    };
    assert_eq!((used("auto"), used("cranelift").is_some()), (used("cranelift"), true));
    assert_ne!(used("cranelift"), used("lightbeam"));

    // Now there is nothing to be done.
    plans_nothing(&dir, "app.wat");
}

#[test]
fn it_has_nothing_of_the_run_but_the_module_and_goes_soon_after_it() {
    let dir = Dir::new();
    // Too much to be done in the time that is left after the end.
    dir.file("app.wat", endless(2000));
    fs::create_dir(dir.path().join("files")).unwrap();
    for signal in [true, false] {
        let words = ["--validate", "eager", "--dir", "files", "app.wat"];
        let mut run = start(dir.sconce(words).stdin(Stdio::piped()));
        let helper = until("helper", || helper(&run));
        // Counted from the process's state, which follows its name.
        let number = |n: usize| {
            let stat = fs::read_to_string(helper.join("stat")).ok()?;
            stat.rsplit(')').next()?.split_whitespace().nth(n).map(str::to_owned)
        };
        let own = helper.file_name().and_then(|pid| pid.to_str()).map(str::to_owned);
        assert_eq!(number(2), own, "its process group is its own: signals from a terminal are for the run");
        until("lowest priority", || (number(16)? == "19").then_some(()));
        until("high score", || (fs::read_to_string(helper.join("oom_score_adj")).ok()?.trim() == "1000").then_some(()));
        until("signals", || (blocked(&helper)? & SIGNALS == 0).then_some(()));
        for said in ["Seccomp:\t2\n", "CapEff:\t0000000000000000\n"] {
            let status = || fs::read_to_string(helper.join("status")).ok();
            until(said, || status()?.contains(said).then_some(()));
        }
        let files = open_files(&helper);
        let inside = dir.path().join("files").to_string_lossy().into_owned();
        assert!(files.iter().all(|file| !file.starts_with(&inside)), "{files:?}");
        assert_eq!(files.iter().filter(|file| file.starts_with("pipe:")).count(), 1, "its own, and none of the run's: {files:?}");

        if signal {
            rustix::process::kill_process(rustix::process::Pid::from_child(&run), rustix::process::Signal::INT).unwrap();
        } else {
            run.kill().unwrap();
        }
        wait(&mut run);
        until("end of the helper", || is_gone(&helper).then_some(()));
        // That was not enough time for all of it; what the run has found out may have been.
        let kept = dir.run("cache ls").ok();
        assert!(!kept.contains("  Cranelift  ") && (1..=2).contains(&entries(&dir).len()), "{kept}");
    }
}

/// SIGHUP, SIGINT, SIGQUIT and SIGTERM, as the kernel shows sets of signals.
const SIGNALS: u64 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14;

/// The signals that a process or thread, by its folder, has blocked.
fn blocked(process: &Path) -> Option<u64> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let set = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[test]
fn while_it_waits_it_has_as_little_and_ends_with_the_run() {
    let dir = Dir::new();
    // Waits for a while.
    dir.file("app.wat", endless(500));
    assert!(fs::metadata(dir.path().join("app.wat")).unwrap().len() > 5 << 20);
    let mut run = start(&mut dir.sconce(["--validate", "eager", "app.wat"]));
    let waiting = until("copy", || beside(&run));
    // It is a copy of the run at first, and closes what it has one by one.
    until("three descriptors", || (open_files(&waiting).len() == 3).then_some(()));
    let files = open_files(&waiting);
    let is = |file: &String, name: &str| file.ends_with(name);
    assert!(files.iter().any(|f| is(f, "app.wat")) && files.iter().any(|f| is(f, "/dev/null")), "{files:?}");
    assert!(files.iter().any(|f| f.starts_with("pipe:")), "{files:?}");
    assert!(helper(&run).is_none());
    run.kill().unwrap();
    finish(run);
    until("end of the copy", || is_gone(&waiting).then_some(()));
    assert_eq!(entries(&dir).len(), 1);
}

#[test]
fn there_is_none_without_need() {
    let dir = Dir::new();
    dir.file("app.wat", endless(0));
    for flags in ["--cache off", "--tier lightbeam", "--tier cranelift", "--debugger"] {
        plans_nothing(&dir, &format!("run {flags} app.wat"));
    }
}

#[test]
fn modules_are_compiled_for_the_cache_on_request() {
    let dir = Dir::new();
    dir.file("hello.wat", crate::support::hello());
    dir.file("wrong.wat", "(module (func (result i32)))");
    assert_eq!(dir.run("cache warm hello.wat").ok(), "");
    let warm = entries(&dir);
    assert_eq!(warm.len(), 1);
    assert_eq!(dir.run("cache warm hello.wat hello.wat").ok(), "");
    contains(&dir.run("run --log debug hello.wat").stderr, &[&format!("cache entry {} is used", warm[0])]);
    assert_eq!(entries(&dir), warm, "a run that finds it makes no other");
    assert_eq!(dir.run("cache warm --tier lightbeam hello.wat").ok(), "");
    assert_eq!(entries(&dir).len(), 2);

    contains(&dir.run("cache warm wrong.wat").fails(1), &["wrong.wat", "type mismatch"]);
    contains(&dir.run("cache warm none.wat").fails(1), &["none.wat"]);
    contains(&dir.run("cache warm --cache off hello.wat").fails(2), &["--cache off"]);
    assert_eq!(dir.run("compile hello.wat -o hello.cwasm").ok(), "");
    contains(&dir.run("cache warm hello.cwasm").fails(1), &["hello.cwasm", "needs no cache"]);
    // One that is wrong does not keep the others from being compiled.
    dir.file("late.wat", r#"(module (func (export "_start") (drop (i32.const 5))))"#);
    let message = dir.run("cache warm nowhere.wasm hello.cwasm late.wat").fails(1);
    contains(&message, &["cannot read nowhere.wasm", "hello.cwasm", "error: 2 of 3 modules were not compiled for the cache"]);
    let before = fs::read_dir(dir.path().join("cache/sconce")).expect("the cache").count();
    assert_eq!(dir.run("cache warm late.wat").ok(), "");
    assert_eq!(fs::read_dir(dir.path().join("cache/sconce")).expect("the cache").count(), before);
    dir.file("file", "");
    contains(&dir.run("cache warm --cache file hello.wat").fails(1), &["hello.wat", "--cache DIR"]);
    assert_eq!(outcome(&mut dir.sconce(["cache", "warm", "--cache", "elsewhere", "hello.wat"])).ok(), "");
    assert_eq!(fs::read_dir(dir.path().join("elsewhere")).unwrap().count(), 1);
}

#[test]
fn what_has_changed_since_it_was_loaded_is_left_alone() {
    let dir = Dir::new();
    // Of the same length: what counts is what is in it.
    let now = crate::support::hello();
    dir.file("hello.wat", &now);
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex();
    for (meant, entries_then) in [(hash(&now.replace("hello", "HELLO")), 0), (hash(&now), 1)] {
        let mut warm = dir.sconce(["cache", "warm", &format!("--beside-run={meant}"), "hello.wat"]);
        // No pipe, so nothing that could end.
        assert_eq!(outcome(warm.stdout(Stdio::null())).ok(), "");
        assert_eq!(entries(&dir).len(), entries_then, "{meant}");
    }
    let short = dir.sconce(["cache", "warm", "--beside-run=12", "hello.wat"]).output().expect("it runs");
    assert_eq!(short.status.code(), Some(2));
}

#[test]
fn what_is_kept_is_listed_counted_and_cleaned() {
    let dir = Dir::new();
    dir.file("hello.wat", crate::support::hello());
    dir.file("other.wat", r#"(module (func (export "_start")))"#);
    // Of what is not there nothing is made.
    assert_eq!(dir.run("cache ls").ok(), "");
    assert_eq!(dir.run("cache ls --json").ok(), "[]\n");
    assert_eq!(dir.run("cache stats").ok(), "there is no cache yet\n");
    assert_eq!(dir.run("cache clean").ok(), "there is no cache yet\n");
    assert!(!dir.path().join("cache/sconce").exists());

    assert_eq!(dir.run("cache warm hello.wat other.wat").ok(), "");
    assert_eq!(dir.run("cache warm --tier lightbeam hello.wat").ok(), "");
    fs::write(dir.path().join("cache/sconce/mine.txt"), "mine").unwrap();
    let all = dir.run("cache ls").ok();
    assert_eq!(all.lines().count(), 3, "{all}");
    assert_eq!((all.matches("Cranelift").count(), all.matches("Lightbeam").count()), (2, 1), "{all}");
    contains(&all, &["KiB", "used within the hour"]);
    let of_hello = dir.run("cache ls hello.wat").ok();
    assert_eq!((of_hello.lines().count(), of_hello.matches("hello.wat").count()), (2, 2), "{of_hello}");
    let json: serde_json::Value = serde_json::from_str(&dir.run("cache ls --json other.wat").ok()).expect("JSON");
    assert_eq!((json[0]["compiler"].as_str(), json[0]["module"].as_str()), (Some("Cranelift"), Some("other.wat")));
    assert_eq!((json[0]["damaged"].as_bool(), json.as_array().map(Vec::len)), (Some(false), Some(1)));
    // Settings say which.
    assert_eq!(dir.run("cache ls --count-fuel hello.wat").ok(), "");
    contains(
        &dir.run("cache stats").ok(),
        &["cache/sconce: ", " of 1.0 GiB\n", "  Cranelift        2 files, ", "  Lightbeam        1 file, "],
    );
    let stats: serde_json::Value = serde_json::from_str(&dir.run("cache stats --json").ok()).expect("JSON");
    assert_eq!((stats["kinds"]["Cranelift"]["files"].as_u64(), stats["limit"].as_u64()), (Some(2), Some(1 << 30)));

    contains(&dir.run("cache clean --unused-for 1").ok(), &["removed 0 files, 0 bytes"]);
    contains(&dir.run("cache clean hello.wat").ok(), &["removed 2 files, "]);
    assert_eq!(dir.run("cache ls").ok().lines().count(), 1);
    contains(&dir.run("cache clean").ok(), &["removed "]);
    assert_eq!(dir.run("cache ls").ok(), "");
    assert_eq!(fs::read_to_string(dir.path().join("cache/sconce/mine.txt")).unwrap(), "mine", "it is not the cache's");

    contains(&dir.run("cache ls none.wat").fails(1), &["none.wat"]);
    contains(&dir.run("cache stats --cache off").fails(2), &["--cache off"]);
    dir.file("file", "");
    contains(&dir.run("cache stats --cache file").fails(1), &["cache directory file is not used"]);
}
