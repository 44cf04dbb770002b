//! Running the binary, and small guests in text form.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

/// Nothing here runs this long; what does is killed, and its test fails by the signal.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary that is tested: the one that `SCONCE_BINARY` names, such as a static one, or else the one that cargo built.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> =
        LazyLock::new(|| std::env::var("SCONCE_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_sconce").to_owned()));
    &BINARY
}

/// A directory of one test's own.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Dir {
        Dir(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, contents).expect("a file is written");
        path
    }

    /// The binary, in this directory and with a cache in it, and the cache's key.
    pub fn sconce<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.path()).env("XDG_CACHE_HOME", self.path().join("cache"));
        command.env("XDG_STATE_HOME", self.path().join("state"));
        // `CI` is one of those that say whether colours are wanted.
        for name in ["SCONCE_OPTIONS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same, where a line of shell starts it as `"$@"`.
    pub fn shell<S: AsRef<OsStr>>(&self, line: &str, args: impl IntoIterator<Item = S>) -> Command {
        let sconce = self.sconce(args);
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).arg(sconce.get_program()).args(sconce.get_args()).current_dir(self.path());
        for (name, value) in sconce.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary with words as arguments.
    pub fn run(&self, words: &str) -> Outcome {
        outcome(&mut self.sconce(words.split_whitespace()))
    }

    /// Runs the binary with input.
    pub fn run_with(&self, words: &str, input: &[u8]) -> Outcome {
        let mut child = start(self.sconce(words.split_whitespace()).stdin(Stdio::piped()));
        // A program that reads nothing breaks the pipe, which is its right.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        finish(child)
    }
}

/// How a process ended, and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Exit code, or 1000 and more for a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 1000 + self.status.signal().expect("a signal"))
    }

    /// Asserts success, and gives what was written.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code(), self.stderr.as_str()), (0, ""), "{self:?}");
        self.stdout
    }

    /// Asserts a failure with nothing on standard output, and gives the message.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!((self.code(), self.stdout.as_str()), (code, ""), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        self.stderr
    }
}

/// Asserts that a text contains parts.
#[track_caller]
pub fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

pub fn start(command: &mut Command) -> Child {
    command.spawn().expect("the binary starts")
}

pub fn outcome(command: &mut Command) -> Outcome {
    finish(start(command))
}

/// Waits for the end, and kills what does not end.
pub fn finish(mut child: Child) -> Outcome {
    let stdin = child.stdin.take();
    let read = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                // A terminal ends with an error.
                let _ = stream.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|s| Box::new(s) as _));
    let stderr = read(child.stderr.take().map(|s| Box::new(s) as _));
    let status = wait(&mut child);
    drop(stdin);
    let text = |t: std::thread::JoinHandle<String>| t.join().expect("a reader");
    Outcome { status, stdout: text(stdout), stderr: text(stderr) }
}

/// Waits for the end, and kills what does not end.
pub fn wait(child: &mut Child) -> ExitStatus {
    let start = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().expect("a child");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A command that imports WASI functions as `$name`, has a memory and this body.
pub fn command(body: &str) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "hello\n")
  ;; Writes bytes to standard output.
  (func $write (param $at i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  ;; Waits for a byte of standard input.
  (func $read
    (i32.store (i32.const 0) (i32.const 2048))
    (i32.store (i32.const 4) (i32.const 1))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $hello (call $write (i32.const 1024) (i32.const 6)))
{body})"#
    )
}

/// Writes `hello`.
pub fn hello() -> String {
    command(r#"(func (export "_start") (call $hello))"#)
}

/// Writes its arguments, each with a NUL behind it.
pub fn args() -> String {
    command(
        r#"(func (export "_start")
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 4096) (i32.const 8192)))
    (call $write (i32.const 8192) (i32.load (i32.const 20))))"#,
    )
}

/// Writes its environment, each variable with a NUL behind it.
pub fn environ() -> String {
    command(
        r#"(func (export "_start")
    (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $environ_get (i32.const 4096) (i32.const 65536)))
    (call $write (i32.const 65536) (i32.load (i32.const 20))))"#,
    )
}
