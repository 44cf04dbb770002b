//! A process confined as `sconce run` confines its own, whose guest can do all that the process can: it calls a host function
//! that makes any system call.

use sconce_confine::{Refusal, Walls};
use sconce_engine::{CacheMode, Config, Engine, Linker, Module, Store};
use sconce_wasi::{Access, Confinement, WasiCtx};
use std::ffi::CString;
use std::fmt::Debug;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// The child of which test a process is; by it the child finds its directory.
const CHILD: &str = "SCONCE_FORT_CHILD";

/// What an attack comes to: the call's result, or its error.
pub type Result = std::result::Result<i64, i32>;

/// Makes a system call.
pub fn call(number: i64, arguments: &[i64]) -> Result {
    let a = |i: usize| arguments.get(i).copied().unwrap_or_default();
    // SAFETY: that is not known: attacks are made in processes that live for nothing else.
    let answer = unsafe { libc::syscall(number, a(0), a(1), a(2), a(3), a(4), a(5)) };
    if answer == -1 { Err(std::io::Error::last_os_error().raw_os_error().expect("an error of the system's")) } else { Ok(answer) }
}

/// A path as system calls take it. It stays for as long as the process.
pub fn path(path: impl AsRef<Path>) -> i64 {
    CString::new(path.as_ref().as_os_str().as_bytes()).expect("no NUL").into_raw() as i64
}

/// What is around the guest.
pub struct World {
    /// The engine, for its code.
    pub engine: Engine,
    /// A directory with `home/secret`, `work/file`, `shown/file` and `cache/`, and the engine's cache `modules/` with its key in `state/`. The guest has `work`, and `shown` for reading.
    pub dir: PathBuf,
    /// The guest's socket, if it was given one.
    pub listener: Option<i32>,
}

/// When an attack is made.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// While the guest runs.
    Run,
    /// In a thread that was started after that.
    Thread,
    /// When the guest has ended.
    Finish,
}

/// What the guest is given.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Directories, as [`World::dir`] says.
    Directories,
    /// A listening socket that does not wait.
    Listener,
    /// Nothing.
    Nothing,
}

/// In a process of its own: makes a world, confines the process, and attacks in each phase. `attack` says what was wrong by
/// a panic.
pub fn attack(test: &str, given: Given, attack: impl Fn(&World, Phase) + Send + Sync + 'static) {
    if let Some(dir) = std::env::var_os(CHILD) {
        besieged(PathBuf::from(dir), given, attack);
        std::process::exit(0);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let output = child(test, dir.path());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
}

/// The child of a test, in this directory.
pub fn child(test: &str, dir: &Path) -> Output {
    let this = std::env::current_exe().expect("the test's binary");
    let mut command = Command::new(this);
    // The first thread of this process runs no test: the child has none but its own.
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, dir).output().expect("a child")
}

fn besieged(dir: PathBuf, given: Given, attack: impl Fn(&World, Phase) + Send + Sync + 'static) {
    for (name, contents) in [("home/secret", "secret"), ("work/file", "file"), ("shown/file", "file"), ("cache/entry", "entry")] {
        let file = dir.join(name);
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("is made");
        std::fs::write(file, contents).expect("is written");
    }
    let modules = dir.join("modules");
    let config = Config::new().cache(CacheMode::Dir(modules.clone())).cache_key(dir.join("state/key")).hold_background(true);
    let engine = Engine::new(&config).expect("an engine");
    let mut builder = WasiCtx::builder().inherit_stdio().expect("streams");
    if given == Given::Directories {
        builder = builder.preopen_path(&dir.join("work"), "/work", Access::ReadWrite).expect("a directory");
        builder = builder.preopen_path(&dir.join("shown"), "/shown", Access::ReadOnly).expect("a directory");
    }
    let mut listener = None;
    if given == Given::Listener {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("it does not wait");
        listener = Some(socket.as_raw_fd());
        builder = builder.listener(socket);
    }
    let context = Arc::new(builder.build().expect("a context"));
    let module = Module::new(&engine, GUEST).expect("a module");
    assert!(std::fs::read_dir(&modules).expect("a cache").count() > 0, "the module is in the cache");
    let world = Arc::new(World { engine: engine.clone(), dir, listener });
    engine.close_cache();
    // In this thread and those that it starts, as all are that matter: the test's own waits for this one.
    let walls = Confinement { calls: &[], refusal: Refusal::Error, debuggable: false, strict: true }.enter(&engine, &context);
    check(&walls);
    let attack = Arc::new(attack);
    let mut linker = Linker::new(&engine);
    let (inner, to) = (attack.clone(), world.clone());
    linker.func_wrap("attack", "run", move || inner(&to, Phase::Run)).expect("a function");
    let mut store = Store::new(&engine, context).expect("a store");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    instance.get_typed_func::<(), ()>(&mut store, "run").expect("a function").call(&mut store, ()).expect("no trap");
    std::thread::scope(|scope| scope.spawn(|| attack(&world, Phase::Thread)).join().expect("no panic"));
    attack(&world, Phase::Finish);
}

/// Tests run in threads, of which the process's first one is another: what concerns only the thread does not hold for that.
fn check(walls: &Walls) {
    let gaps: Vec<_> = walls.gaps().filter(|(_, why)| !why.contains("first thread") && !why.contains("other threads")).collect();
    assert!(gaps.is_empty(), "{walls}: {gaps:?}");
}

const GUEST: &[u8] = br#"(module (import "attack" "run" (func $run)) (func (export "run") (call $run)))"#;

/// Asserts that something is refused.
#[track_caller]
pub fn refused(what: impl Debug, result: Result) {
    let refusals = [libc::ENOSYS, libc::EACCES, libc::EPERM, libc::EXDEV];
    assert!(matches!(result, Err(e) if refusals.contains(&e)), "{what:?}: {result:?}");
}
