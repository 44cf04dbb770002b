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

/// Entries of the cache, except for what is being written, and notes of the used text that have nothing in them yet.
fn entries(dir: &Dir) -> Vec<String> {
    let files = fs::read_dir(dir.path().join("cache/sconce")).into_iter().flatten().map(Result::unwrap);
    let files = files.filter(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 0));
    let mut names: Vec<String> = files.map(|file| file.file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".tmp"));
    names.sort();
    names
}

/// The process that compiles beside a run, if there is one, by its folder in /proc.
fn helper(run: &Child) -> Option<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{}/task", run.id())).ok()?;
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let children: String = tasks.filter_map(Result::ok).map(children).collect();
    let child = children.split_whitespace().map(|pid| Path::new("/proc").join(pid)).next()?;
    // Before it becomes the helper it is a copy of the run.
    let line = fs::read_to_string(child.join("cmdline")).ok()?;
    line.contains("--beside-run").then_some(child)
}

/// The thread of a run that waits until there is something to be compiled, if there is one, by its folder in /proc.
fn waiting(run: &Child) -> Option<PathBuf> {
    let mut tasks = fs::read_dir(format!("/proc/{}/task", run.id())).ok()?.filter_map(Result::ok).map(|task| task.path());
    tasks.find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "later\n"))
}

/// A run with these words, while which nothing is compiled for others. That may be over at once, but is waited for.
fn plans_nothing(dir: &Dir, words: &str) {
    let mut run = start(&mut dir.sconce(words.split(' ')));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(500) {
        assert_eq!((waiting(&run), helper(&run)), (None, None), "{words}");
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
        let words = ["--dir", "files", "app.wat"];
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
        let files = fs::read_dir(helper.join("fd")).unwrap().map(|fd| fs::read_link(fd.unwrap().path()).unwrap_or_default());
        let files: Vec<String> = files.map(|file| file.to_string_lossy().into_owned()).collect();
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
        assert_eq!(entries(&dir).len(), 1, "that was not enough time");
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

/// The thread that waits has not the descriptors by which handlers wake the first one: a signal that came to it would be lost.
#[test]
fn no_signal_is_lost_to_the_thread_that_waits() {
    let dir = Dir::new();
    dir.file("app.wat", crate::support::command(r#"(func (export "_start") (call $hello) (loop (br 0)))"#));
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::QUIT].into_iter().cycle().take(60) {
        let mut run = start(&mut dir.sconce(["app.wat"]));
        let mut hello = [0; 6];
        std::io::Read::read_exact(run.stdout.as_mut().unwrap(), &mut hello).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&run), signal).unwrap();
        let status = finish(run).status;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(signal.as_raw()));
    }
    let mut run = start(&mut dir.sconce(["app.wat"]));
    until("thread that keeps signals off", || (blocked(&waiting(&run)?)? & SIGNALS == SIGNALS).then_some(()));
    run.kill().unwrap();
    finish(run);
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
    let len = crate::support::hello().len();
    dir.file("hello.wat", crate::support::hello());
    for (said, entries_then) in [(len - 1, 0), (len + 1, 0), (len, 1)] {
        let mut warm = dir.sconce(["cache", "warm", &format!("--beside-run={said}"), "hello.wat"]);
        // No pipe, so nothing that could end.
        assert_eq!(outcome(warm.stdout(Stdio::null())).ok(), "");
        assert_eq!(entries(&dir).len(), entries_then, "{said} of {len} bytes");
    }
}
