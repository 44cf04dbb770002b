//! Running the binary: with pipes, with files, on a pseudo-terminal, and never for ever.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A test that is not done by then has failed. Compiling clang with an unoptimized build is the longest single step.
const PATIENCE: Duration = Duration::from_secs(600);

/// The compiler under test. `tests/real_lightbeam` is these tests again, with the other one.
pub const TIER: &str = match env!("CARGO_CRATE_NAME").as_bytes() {
    b"real_lightbeam" => "--tier=lightbeam",
    _ => "--tier=cranelift",
};

/// The built binary.
pub const SCONCE: &str = env!("CARGO_BIN_EXE_sconce");

/// One compilation cache for all tests of this binary, so that a program is compiled once: named by the build, so that those of
/// earlier ones do not pile up.
static CACHE: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = fs::metadata(SCONCE).expect("the binary is built");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-cache");
    let name = format!("{}-{}-{}", built.len(), built.mtime(), built.mtime_nsec());
    for old in fs::read_dir(&root).into_iter().flatten().flatten() {
        if old.file_name() != OsStr::new(&name) {
            // Another test process may be doing the same.
            let _ = fs::remove_dir_all(old.path());
        }
    }
    let cache = root.join(name);
    fs::create_dir_all(&cache).expect("the target directory can be written");
    cache
});

/// `sconce` with a clean environment and the tests' own cache.
pub fn sconce() -> Command {
    let mut command = Command::new(SCONCE);
    clean(&mut command);
    command
}

/// Gives `command`, which is to start Sconce, a clean environment and the tests' own cache, with its key.
pub fn clean(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("XDG_CACHE_HOME", &*CACHE).env("XDG_STATE_HOME", CACHE.join("state"))
}

/// `sconce run`.
pub fn sconce_run() -> Command {
    let mut command = sconce();
    command.args(["run", TIER]);
    command
}

/// A `--dir` argument: `host` seen as `guest`.
pub fn dir(host: &Path, guest: &str) -> String {
    format!("--dir={}::{guest}", host.display())
}

/// The path of a guest of this repository, relative to `tests/guests`.
pub fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name)
}

/// The path of a program that `ci/fetch-programs` brings.
pub fn program(name: &str) -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs");
    let path = std::env::var_os("SCONCE_PROGRAMS").map_or_else(default, PathBuf::from).join(name);
    assert!(path.exists(), "{} is missing: run ci/fetch-programs once, it brings the programs through npm", path.display());
    path
}

/// How a process ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// Exit code, or 128 and the signal, as a shell has it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The output of a process that ended well and said nothing on standard error.
    #[track_caller]
    pub fn good(self) -> String {
        assert!(self.code == 0 && self.stderr.is_empty(), "{self:#?}");
        self.stdout
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// Waits for `child`, but not for ever.
#[track_caller]
pub fn wait(child: &mut Child) -> i32 {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return code(status);
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `command` with `input` through a pipe on standard input.
#[track_caller]
pub fn run(command: &mut Command, input: impl Into<Vec<u8>>) -> Ended {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let (mut stdin, input) = (child.stdin.take().expect("piped"), input.into());
    // A program that does not read all of its input is no error.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let (stdout, stderr) = (drain(child.stdout.take().expect("piped")), drain(child.stderr.take().expect("piped")));
    let code = wait(&mut child);
    writer.join().expect("the writer does not panic");
    let text = |reader: thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&reader.join().expect("read")).into_owned();
    Ended { code, stdout: text(stdout), stderr: text(stderr) }
}

/// Text that arrives from a process, to be waited for.
pub struct Screen {
    chunks: Receiver<Vec<u8>>,
    seen: String,
}

impl Screen {
    /// Reads `from` in the background until its end; a terminal whose other side is closed ends with an error.
    pub fn new(mut from: impl Read + Send + 'static) -> Screen {
        let (sender, chunks) = channel();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut chunk) {
                if sender.send(chunk[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Screen { chunks, seen: String::new() }
    }

    /// Waits until `text` has been written, and returns what was written up to its end; what follows it is for the next call.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.chunks.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(chunk) => self.seen.push_str(&String::from_utf8_lossy(&chunk)),
                Err(e @ (RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) => {
                    panic!("{text:?} did not come ({e}): {:?}", self.seen)
                }
            }
        }
    }

    /// Everything up to the end.
    pub fn rest(mut self) -> String {
        while let Ok(chunk) = self.chunks.recv_timeout(PATIENCE) {
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
        self.seen
    }
}

/// A process on a pseudo-terminal of its own, which is its controlling terminal.
pub struct Terminal {
    /// What the process and the terminal's echo write.
    pub screen: Screen,
    keyboard: File,
    child: Child,
}

impl Terminal {
    /// Starts `arguments` of Sconce, in a session of their own.
    pub fn start(arguments: &[&OsStr]) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("there are pseudo-terminals");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a new pseudo-terminal");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("in ASCII");
        let side = || File::options().read(true).write(true).open(&name).expect("the other side opens");
        let keyboard = File::from(master);
        // util-linux's setsid makes standard input the controlling terminal, and passes the exit code on.
        let mut command = Command::new("setsid");
        clean(&mut command).args(["--ctty", "--wait", SCONCE]).args(arguments);
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("it starts");
        Terminal { screen: Screen::new(keyboard.try_clone().expect("a descriptor")), keyboard, child }
    }

    /// Types `text`.
    pub fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("the terminal is open");
    }

    /// Waits for the end.
    #[track_caller]
    pub fn ended(mut self) -> (i32, String) {
        let code = wait(&mut self.child);
        (code, self.screen.rest())
    }
}
