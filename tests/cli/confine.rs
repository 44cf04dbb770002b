//! What a run has given up, seen from outside; what the walls hold is tested in `tests/fort`.

use crate::support::{Dir, command, contains, hello, outcome, start, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};

/// A program that says that it runs, and then waits for input that does not come.
fn waiting() -> String {
    command("(func (export \"_start\") (call $hello) (call $read))")
}

/// A run of `waiting.wat` that has said so, with a variable that the program was not given.
fn run(dir: &Dir, flags: &str) -> Child {
    run_by(dir, "exec \"$@\"", flags)
}

/// The same, started by a line of shell.
fn run_by(dir: &Dir, line: &str, flags: &str) -> Child {
    dir.file("waiting.wat", waiting());
    let mut sconce = dir.shell(line, ["run"].into_iter().chain(flags.split_whitespace()).chain(["waiting.wat"]));
    sconce.stdin(Stdio::piped()).env("SECRET_TOKEN", "hunter2");
    let mut child = start(&mut sconce);
    let mut said = [0; 6];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("it runs");
    child
}

fn end(mut child: Child) {
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a process");
    wait(&mut child);
}

/// Of each thread, what `/proc` says by this name.
fn of_threads(child: &Child, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).expect("a process");
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).expect("a thread");
    let line = |text: String| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).expect("a line");
    tasks.map(|task| line(status(task.expect("a thread")))).collect()
}

#[test]
fn no_thread_of_a_run_has_privileges_or_other_system_calls() {
    let dir = Dir::new();
    let child = run(&dir, "");
    for (name, value) in
        [("CapEff:", "0000000000000000"), ("CapPrm:", "0000000000000000"), ("NoNewPrivs:", "1"), ("Seccomp:", "2")]
    {
        let threads = of_threads(&child, name);
        assert!(threads.len() >= 2 && threads.iter().all(|there| there == value), "{name} {threads:?}");
    }
    end(child);
    // Root has the right to the files in its directories, if it is root who runs it.
    fs::create_dir(dir.path().join("files")).expect("a directory");
    let is_root = rustix::process::geteuid().is_root();
    for (flags, rights) in
        [("", if is_root { "0000000000000002" } else { "0000000000000000" }), ("--confine require", "0000000000000000")]
    {
        let child = run(&dir, &format!("--dir files {flags}"));
        assert!(of_threads(&child, "CapEff:").iter().all(|there| there == rights), "{flags}");
        end(child);
    }
    let child = run(&dir, "--confine off");
    assert!(of_threads(&child, "Seccomp:").iter().all(|there| there == "0"));
    end(child);
}

#[test]
fn variables_and_descriptors_that_were_not_given_are_gone() {
    let dir = Dir::new();
    // A debugger, as this test, may look into the process.
    for (flags, there) in [("--debugger", false), ("--debugger --confine off", true)] {
        let child = run(&dir, flags);
        let environment = fs::read(format!("/proc/{}/environ", child.id())).expect("a process");
        assert_eq!(environment.windows(7).any(|part| part == b"hunter2"), there, "{flags}");
        end(child);
        let child = run_by(&dir, "exec 9</etc/passwd; exec \"$@\"", flags);
        // The waiting thread has a table of its own.
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).expect("a process");
        let mut inherited = tasks.map(|task| fs::read_link(task.expect("a thread").path().join("fd/9")));
        assert_eq!(inherited.any(|file| file.is_ok_and(|file| file.ends_with("passwd"))), there, "{flags}");
        end(child);
    }
}

#[test]
fn what_holds_is_one_line_of_the_log() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let log = outcome(&mut dir.sconce(["run", "--log", "info", "hello.wat"])).stderr;
    contains(
        &log,
        &[
            "confined: capabilities, debuggers, files (Landlock), system calls (seccomp), masked places, environment, descriptors\n",
        ],
    );
    let log = outcome(&mut dir.sconce(["run", "--log", "info", "--confine", "off", "hello.wat"])).stderr;
    contains(&log, &["not confined: --confine off\n"]);
    assert_eq!(dir.run("run --confine require hello.wat").ok(), "hello\n");
}
