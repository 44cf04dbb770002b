//! Calls of all functions of both generations in any order, with arguments that a compiler would not make. What is called with
//! what follows from bytes alone, so that fuzzing and tests can share it.

use sconce_engine::environ::types::Limits;
use sconce_engine::{
    Config, Engine, Error, Func, InterruptHandle, Linker, MemoryType, Module, SharedMemory, Store, TrapCode, Val,
};
use sconce_wasi::{Access, BrokenPipe, Exit, Killed, WasiCtx, add_to_linker};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The functions and what their parameters are: `f` a descriptor, `p` a path and its length, `v` buffers and their number, `b`
/// where bytes are, `l` how many, `o` where a result goes, `s` subscriptions, `k` a choice or flags, `t` a number of 64 bits, `r`
/// rights.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "bb"),
    ("args_sizes_get", "oo"),
    ("environ_get", "bb"),
    ("environ_sizes_get", "oo"),
    ("clock_res_get", "ko"),
    ("clock_time_get", "kto"),
    ("fd_advise", "fttk"),
    ("fd_allocate", "ftt"),
    ("fd_close", "f"),
    ("fd_datasync", "f"),
    ("fd_fdstat_get", "fo"),
    ("fd_fdstat_set_flags", "fk"),
    ("fd_fdstat_set_rights", "frr"),
    ("fd_filestat_get", "fo"),
    ("fd_filestat_set_size", "ft"),
    ("fd_filestat_set_times", "fttk"),
    ("fd_pread", "fvto"),
    ("fd_prestat_get", "fo"),
    ("fd_prestat_dir_name", "fbl"),
    ("fd_pwrite", "fvto"),
    ("fd_read", "fvo"),
    ("fd_readdir", "fblto"),
    ("fd_renumber", "ff"),
    ("fd_seek", "ftko"),
    ("fd_sync", "f"),
    ("fd_tell", "fo"),
    ("fd_write", "fvo"),
    ("path_create_directory", "fp"),
    ("path_filestat_get", "fkpo"),
    ("path_filestat_set_times", "fkpttk"),
    ("path_link", "fkpfp"),
    ("path_open", "fkpkrrko"),
    ("path_readlink", "fpblo"),
    ("path_remove_directory", "fp"),
    ("path_rename", "fpfp"),
    ("path_symlink", "pfp"),
    ("path_unlink_file", "fp"),
    ("poll_oneoff", "sblo"),
    ("proc_exit", "k"),
    ("proc_raise", "k"),
    ("random_get", "bl"),
    ("sched_yield", ""),
    ("sock_accept", "fko"),
    ("sock_recv", "fvkoo"),
    ("sock_send", "fvko"),
    ("sock_shutdown", "fk"),
];

/// The types of parameters: `i` and `I`, for 32 and 64 bits.
pub fn types(kinds: &str) -> String {
    let ty = |kind| match kind {
        'p' | 'v' => "ii",
        't' | 'r' => "I",
        _ => "i",
    };
    kinds.chars().map(ty).collect()
}

/// What the guest is kept from. It is looked for in the guest's memory.
const SECRET: &[u8] = b"The canary's name is Gustav Theodor.";

/// Bytes of the guest's memory.
const MEMORY: u32 = 4 << 16;
/// Where the calls' arguments are.
const PATHS: u32 = 1024;
const IOVS: u32 = 4096;
const SUBSCRIPTIONS: u32 = 8192;
const OUT: u32 = 512;
const BUFFERS: u32 = 32768;

/// How long a call may wait.
const PATIENCE: Duration = Duration::from_millis(3);

const PATH_TEXTS: &[&str] = &[
    "a",
    "b",
    "dir",
    "dir/",
    "dir/a",
    "dir/b/../a",
    ".",
    "..",
    "./.",
    "link",
    "link/secret",
    "out",
    "out/secret",
    "out/new",
    "../outside/secret",
    "dir/../../outside/secret",
    "/",
    "/etc/passwd",
    "absolute",
    "absolute/secret",
    "",
    "//a",
    "a/",
    "loop",
    "a\0b",
    "\u{1b}[2J\r\n",
    "dir/deeper/and/deeper",
    "/proc/self/mem",
    "proc/self/environ",
];

/// Choices, made of bytes until these have an end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.byte() as usize % n
    }

    fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    /// Small for the most part, or at an edge.
    fn number(&mut self) -> u64 {
        match self.below(12) {
            0 => u64::from(u32::MAX) - self.below(9) as u64,
            1 => u64::MAX - self.below(9) as u64,
            2 => (1 << 31) + self.below(9) as u64 - 4,
            3 => (1 << 63) + self.below(9) as u64 - 4,
            4 => self.word(),
            5 => 1 << self.below(64),
            6 => u64::from(MEMORY) + self.below(17) as u64 - 8,
            7 => self.below(256) as u64 * 1_000_000_007,
            _ => self.below(64) as u64,
        }
    }

    fn descriptor(&mut self) -> u64 {
        if self.below(24) == 0 { self.number() } else { self.below(14) as u64 }
    }

    /// An address that is good, or one that is not.
    fn address(&mut self, good: u32, size: usize) -> u64 {
        if self.below(20) == 0 { self.number() } else { u64::from(good) + self.below(size) as u64 * 8 }
    }

    fn path(&mut self) -> Vec<u8> {
        match self.below(16) {
            0 => vec![b'x'; 250 + self.below(12)],
            1 => b"./".repeat(2040 + self.below(12)),
            2 => (0..self.below(12)).map(|_| self.byte()).collect(),
            _ => PATH_TEXTS[self.below(PATH_TEXTS.len())].into(),
        }
    }
}

/// The program that calls what it is told to.
pub struct Storm {
    engine: Engine,
    module: Module,
    linker: Linker<Arc<WasiCtx>>,
    memory: SharedMemory,
    watch: Arc<Watch>,
    /// Two directories: `inside`, which the guest has, and `outside`.
    dir: tempfile::TempDir,
}

/// What came of sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that returned, by errno.
    pub errnos: BTreeMap<u32, u64>,
    /// Calls that ended the run, by how.
    pub ends: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// All calls.
    pub fn calls(&self) -> u64 {
        self.errnos.values().chain(self.ends.values()).sum()
    }

    /// Adds another account.
    pub fn add(&mut self, other: &Tally) {
        other.errnos.iter().for_each(|(&errno, n)| *self.errnos.entry(errno).or_default() += n);
        other.ends.iter().for_each(|(&end, n)| *self.ends.entry(end).or_default() += n);
    }
}

/// The module: a function for each of both generations', which only calls it.
fn module() -> String {
    let (mut imports, mut calls) = (String::new(), String::new());
    for (generation, module) in MODULES.iter().enumerate() {
        for (name, kinds) in FUNCTIONS.iter().filter(|(name, _)| exists(module, name)) {
            let types = types(kinds);
            let params: String = types.chars().map(|c| if c == 'i' { " i32" } else { " i64" }).collect();
            let gets: String = (0..types.len()).map(|n| format!("(local.get {n})")).collect();
            let result = if *name == "proc_exit" { "" } else { "(result i32)" };
            imports += &format!("(import \"{module}\" \"{name}\" (func ${name}{generation} (param{params}) {result}))\n");
            calls +=
                &format!("(func (export \"{generation}{name}\") (param{params}) {result} (call ${name}{generation} {gets}))\n");
        }
    }
    let pages = MEMORY >> 16;
    format!(
        "(module {imports} (import \"env\" \"memory\" (memory {pages} {pages} shared)) (export \"memory\" (memory 0)) {calls})"
    )
}

const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Whether a generation has this function.
fn exists(module: &str, name: &str) -> bool {
    module != "wasi_unstable" || name != "sock_accept"
}

impl Storm {
    /// Everything but the world of a program.
    pub fn new() -> Result<Storm, Error> {
        let engine = Engine::new(&Config::new())?;
        let module = Module::new(&engine, module().as_bytes())?;
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |ctx: &Arc<WasiCtx>| ctx)?;
        let pages = u64::from(MEMORY >> 16);
        let limits = Limits { min: pages, max: Some(pages) };
        let memory = SharedMemory::new(&engine, MemoryType { limits, memory64: false, shared: true, page_size_log2: 16 })?;
        linker.define_shared("env", "memory", &memory)?;
        let dir = tempfile::tempdir().map_err(Error::host)?;
        fs::create_dir_all(dir.path().join("outside/dir")).map_err(Error::host)?;
        for name in ["outside/secret", "outside/dir/secret"] {
            fs::write(dir.path().join(name), SECRET).map_err(Error::host)?;
        }
        Ok(Storm { engine, module, linker, memory, watch: Watch::start(), dir })
    }

    /// A fresh world, with pipes and sockets at which the host is.
    fn world(&self) -> std::io::Result<(WasiCtx, impl Drop + use<>)> {
        let inside = self.dir.path().join("inside");
        let _ = fs::remove_dir_all(&inside);
        fs::create_dir_all(inside.join("dir/deeper"))?;
        fs::write(inside.join("a"), "a file")?;
        fs::write(inside.join("dir/a"), vec![b'a'; 5000])?;
        for (text, name) in [("../outside", "out"), ("dir", "link"), ("loop", "loop")] {
            symlink(text, inside.join(name))?;
        }
        symlink(self.dir.path().join("outside"), inside.join("absolute"))?;
        let (reader, writer) = std::io::pipe()?;
        let (socket, peer) = UnixStream::pair()?;
        let place = self.dir.path().join("socket");
        let _ = fs::remove_file(&place);
        let listener = UnixListener::bind(&place)?;
        let waiting = UnixStream::connect(&place)?;
        let ctx = WasiCtx::builder()
            .args(["program", "argument", "\u{1b}"])
            .env("NAME", "value")
            .stdin(reader)
            .stdout(File::options().write(true).open("/dev/null")?)
            .stderr(File::options().write(true).open("/dev/full")?)
            .preopen_path(&inside, "/data", Access::ReadWrite)
            .and_then(|b| b.preopen_path(&inside, "/read-only", Access::ReadOnly))
            .map(|b| b.mask(self.dir.path().join("outside/dir")).listener(listener).descriptor(socket))
            .and_then(|b| b.build())
            .map_err(std::io::Error::other)?;
        Ok((ctx, Ends { _ends: (writer, peer, waiting) }))
    }

    /// One sequence for each of these inputs, all at once, in one world. Fails if something happened that must not.
    pub fn run(&self, inputs: &[&[u8]]) -> Result<Tally, String> {
        let before = look(&self.dir.path().join("outside"));
        let descriptors = open_descriptors();
        let mut tally = Tally::default();
        {
            let (ctx, _ends) = self.world().map_err(|e| e.to_string())?;
            let ctx = Arc::new(ctx);
            let results: Vec<Result<Tally, String>> = match inputs {
                [one] => vec![self.sequence(one, ctx)],
                many => std::thread::scope(|scope| {
                    let all: Vec<_> = many.iter().map(|input| (input, ctx.clone())).collect();
                    let all: Vec<_> = all.into_iter().map(|(input, ctx)| scope.spawn(|| self.sequence(input, ctx))).collect();
                    all.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))).collect()
                }),
            };
            for result in results {
                tally.add(&result?);
            }
        }
        let mut bytes = vec![0; MEMORY as usize];
        self.memory.read(0, &mut bytes).map_err(|e| e.to_string())?;
        if bytes.windows(SECRET.len()).any(|w| w == SECRET) {
            return Err("the guest has read what is outside".to_owned());
        }
        if look(&self.dir.path().join("outside")) != before {
            return Err("what is outside has changed".to_owned());
        }
        match open_descriptors() {
            now if now > descriptors => Err(format!("{now} descriptors are open, and were {descriptors}")),
            _ => Ok(tally),
        }
    }

    fn sequence(&self, input: &[u8], ctx: Arc<WasiCtx>) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let mut store = Store::new(&self.engine, ctx).map_err(|e| e.to_string())?;
        let instance = self.linker.instantiate(&mut store, &self.module).map_err(|e| e.to_string())?;
        let function =
            |store: &mut Store<_>, generation: usize, name: &str| instance.get_func(store, &format!("{generation}{name}"));
        let mut functions: Vec<(Func, &str, &str)> = Vec::new();
        for (generation, module) in MODULES.iter().enumerate() {
            for (name, kinds) in FUNCTIONS.iter().filter(|(name, _)| exists(module, name)) {
                functions.push((function(&mut store, generation, name).ok_or("a function is missing")?, name, kinds));
            }
        }
        let handle = store.interrupt_handle();
        let mut choices = Choices(input);
        while !choices.0.is_empty() {
            let (func, name, kinds) = functions[choices.below(functions.len())];
            // Seldom: otherwise nothing is open after a hundred calls.
            if matches!(name, "fd_close" | "fd_renumber" | "fd_fdstat_set_rights") && choices.below(8) > 0 {
                continue;
            }
            let args = self.arguments(&mut choices, kinds)?;
            let mut results = [Val::I32(0)];
            let count = usize::from(name != "proc_exit");
            let _watched = self.watch.begin(&handle);
            match func.call(&mut store, &args, &mut results[..count]) {
                Ok(()) => match results[0] {
                    Val::I32(errno @ 0..=76) if count == 1 => *tally.errnos.entry(errno as u32).or_default() += 1,
                    ref other => return Err(format!("{name} {args:?} gave {other:?}")),
                },
                Err(e) => *tally.ends.entry(end(&e).ok_or_else(|| format!("{name} {args:?}: {e}"))?).or_default() += 1,
            }
        }
        Ok(tally)
    }

    /// Arguments of these kinds, with what they point to.
    fn arguments(&self, choices: &mut Choices<'_>, kinds: &str) -> Result<Vec<Val>, String> {
        let mut words = Vec::new();
        for (n, kind) in (0..).zip(kinds.chars()) {
            match kind {
                'f' => words.push(choices.descriptor()),
                'p' => {
                    let at = if n < 3 { PATHS } else { PATHS + 1400 };
                    let mut text = choices.path();
                    text.truncate(if n < 3 { 1400 } else { 1300 });
                    self.put(at, &text)?;
                    words.push(if choices.below(24) == 0 { choices.number() } else { at.into() });
                    words.push(if choices.below(24) == 0 { choices.number() } else { text.len() as u64 });
                }
                'v' => {
                    let count = choices.below(5);
                    for i in 0..count {
                        let (buffer, len) = (choices.address(BUFFERS, 256), choices.number());
                        let len = if choices.below(3) > 0 { len % 512 } else { len };
                        self.put(IOVS + 8 * i as u32, &(buffer & 0xffff_ffff | len << 32).to_le_bytes())?;
                    }
                    words.push(choices.address(IOVS, 1));
                    words.push(if choices.below(16) == 0 { choices.number() } else { count as u64 });
                }
                's' => {
                    let count = choices.below(4);
                    for i in 0..count as u32 {
                        let fields = [
                            choices.word(),
                            choices.below(4) as u64,
                            choices.descriptor(),
                            choices.number(),
                            choices.number(),
                            choices.number(),
                        ];
                        let bytes: Vec<u8> = fields.iter().flat_map(|f| f.to_le_bytes()).collect();
                        self.put(SUBSCRIPTIONS + 48 * i, &bytes)?;
                    }
                    words.push(choices.address(SUBSCRIPTIONS, 1));
                }
                'b' => words.push(choices.address(BUFFERS, 256)),
                'l' => words.push(choices.number()),
                'o' => words.push(choices.address(OUT, 8)),
                't' => words.push(choices.number()),
                'r' => words.push(if choices.below(3) > 0 { u64::MAX } else { choices.word() }),
                _ => words.push(if choices.below(8) == 0 { choices.number() } else { choices.below(32) as u64 }),
            }
        }
        let typed = |(word, ty)| if ty == 'i' { Val::I32(word as i32) } else { Val::I64(word as i64) };
        Ok(words.into_iter().zip(types(kinds).chars()).map(typed).collect())
    }

    fn put(&self, at: u32, bytes: &[u8]) -> Result<(), String> {
        self.memory.write(at.into(), bytes).map_err(|e| e.to_string())
    }
}

/// The host's ends of what the guest has, which are closed with it.
struct Ends<T> {
    _ends: T,
}

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {}
}

/// How a call ends a run, if it may.
fn end(error: &Error) -> Option<&'static str> {
    if error.downcast_ref::<Exit>().is_some() {
        return Some("exit");
    }
    if error.downcast_ref::<BrokenPipe>().is_some() {
        return Some("broken pipe");
    }
    if error.downcast_ref::<Killed>().is_some() {
        return Some("signal");
    }
    (error.trap_code() == Some(TrapCode::Interrupt)).then_some("interrupt")
}

/// All there is to see of a tree, except when it was last read: this reads it.
fn look(path: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    let Ok(meta) = fs::symlink_metadata(path) else { return vec!["gone".to_owned()] };
    let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    let content = if meta.is_file() { fs::read(path).unwrap_or_default() } else { Vec::new() };
    seen.push(format!("{path:?} {:o} {} {} {times:?} {content:?}", meta.mode(), meta.ino(), meta.nlink()));
    if meta.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        names.sort();
        names.iter().for_each(|name| seen.extend(look(name)));
    }
    seen
}

/// Descriptors that the process has open.
pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Interrupts what waits for too long, on whatever thread.
struct Watch(Mutex<Vec<(Instant, InterruptHandle)>>);

/// Ends the watch when it is dropped.
struct Watched<'a> {
    watch: &'a Watch,
    handle: &'a InterruptHandle,
    begun: Instant,
}

impl Watch {
    fn start() -> Arc<Watch> {
        let watch = Arc::new(Watch(Mutex::default()));
        let weak = Arc::downgrade(&watch);
        std::thread::spawn(move || {
            while let Some(watch) = weak.upgrade() {
                for (_, handle) in watch.all().iter().filter(|(begun, _)| begun.elapsed() > PATIENCE) {
                    handle.request();
                    handle.nudge();
                }
                drop(watch);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        watch
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, InterruptHandle)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin<'a>(&'a self, handle: &'a InterruptHandle) -> Watched<'a> {
        let begun = Instant::now();
        self.all().push((begun, handle.clone()));
        Watched { watch: self, handle, begun }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watch.all().retain(|(begun, _)| *begun != self.begun);
        self.handle.clear();
    }
}
