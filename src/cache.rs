//! `sconce cache`: what is kept of compiled modules.

use crate::cached;
use crate::calls;
use crate::cli::{CacheArgs, CacheCommand, WarmArgs};
use crate::later;
use crate::load;
use crate::progress::Bar;
use crate::report::{self, End, Failure};
use rustix::fs::FileType;
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use sconce_confine::{Plan, Rights};
use sconce_engine::{CacheMode, Engine, Error, Module, Others, Progress, Warmed};
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Does what is asked for with the cache.
///
/// # Errors
/// A message for people.
pub fn cache(args: &CacheArgs) -> Result<(), Failure> {
    match &args.command {
        CacheCommand::Ls(args) => cached::list(args),
        CacheCommand::Stats(args) => cached::stats(args),
        CacheCommand::Clean(args) => cached::clean(args),
        CacheCommand::Warm(args) => warm(args),
    }
}

fn warm(args: &WarmArgs) -> Result<(), Failure> {
    let end = args.beside_run.is_some().then(|| Arc::new(EndOfRun::begin()));
    if end.is_some() {
        stay_behind();
    }
    sconce_engine::LargePages::avoid();
    let mode = load::cache(args.cache.as_deref());
    if mode == CacheMode::Off {
        return Err(Failure::usage("there is nothing to warm with --cache off; leave it out, or name a directory"));
    }
    let engine = load::engine(&load::config(&args.compiler).cache(mode.clone()))?;
    // The module of a run, opened while that can be done.
    let module = RefCell::new(None);
    if let (Some(end), [file]) = (&end, &args.files[..]) {
        module.replace(Some(load::open(file)?));
        if engine.open_cache() {
            confine(&engine, &mode);
        }
        // A thread that is there before keeps what is given up.
        end.watch();
    }
    let warm_one = |path: &Path| -> Result<(), Failure> {
        let name = load::name(path);
        let input = module.take().map_or_else(|| load::open(path), Ok)?;
        let warmed = match &end {
            // The program may have written to its own module meanwhile.
            Some(end) => warm_beside(&engine, input, args, end),
            // A process beside a run may end before it is done.
            None => load::warm(&engine, input, None, Others::AreWaitedFor, &Bar::new(&name)),
        }?;
        match warmed {
            Warmed::Now | Warmed::Before | Warmed::Elsewhere | Warmed::Changed => {}
            Warmed::NoCache => {
                let unsaid = match engine.open_cache() {
                    true => "the cache cannot be written",
                    false => "there is no cache: neither XDG_CACHE_HOME nor HOME says where; --cache DIR does",
                };
                let why = engine.cache_problem().unwrap_or(unsaid);
                let remedy = load::another_cache(why).trim_end_matches(", ");
                let separator = if remedy.is_empty() { "" } else { "; " };
                return Err(Failure::not_run(format!("{name}: {why}{separator}{remedy}")));
            }
        }
        Ok(())
    };
    report::each(&args.files, "were not compiled for the cache", warm_one)
}

/// First what the run has not compiled whole, if that is so, and then, if the run lasts, the best code.
fn warm_beside(engine: &Engine, input: load::Input, args: &WarmArgs, end: &EndOfRun) -> Result<Warmed, Failure> {
    load::refuse_compiled(&input, load::NO_CACHE)?;
    let name = input.name.clone();
    let bytes = input.into_bytes()?;
    let wrong = |e| load::wrong(&name, &e);
    let mut warmed = Warmed::Elsewhere;
    if args.not_whole {
        let delay = later::delay(bytes.len() as u64);
        warmed = Module::warm_at_once(engine, bytes.clone(), args.beside_run, Some(end)).map_err(wrong)?;
        end.lasts(delay);
    }
    if !end.has_ended() {
        end.whole.store(true, Relaxed);
        let whole = Module::warm(engine, bytes.clone(), args.beside_run, Others::GoFirst, Some(end));
        end.whole.store(false, Relaxed);
        if !matches!(whole, Err(Error::Cancelled)) {
            return whole.map_err(wrong);
        }
    }
    match end.hot() {
        _ if end.stop.load(Relaxed) => Ok(warmed),
        [] => Ok(warmed),
        hot => Module::warm_hot(engine, bytes, args.beside_run, hot, Some(end)).map_err(wrong),
    }
}

/// Seconds of processor time after which a module is not worth it any more.
const MOST_SECONDS: u64 = 600;

/// Whatever else runs on this machine goes first. What the system refuses of this is done without.
fn stay_behind() {
    let _ = setpriority_process(None, 19);
    // Where memory is short, this process is given up before the program that it is for.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(MOST_SECONDS), maximum: Some(MOST_SECONDS) });
}

/// The program that is beside chose the module, though it runs nowhere here: should the compiler have a hole, it is not to lead
/// further than to the cache.
fn confine(engine: &Engine, cache: &CacheMode) {
    let Some(directory) = cache.directory().and_then(|path| File::open(path).ok()) else { return };
    let (refusal, own) = (calls::refusal(), [calls::SYSTEM_CALLS, calls::OF_THE_CACHE].concat());
    let walls = sconce_confine::confine(&Plan {
        directories: vec![(directory.as_fd(), Rights::ReadWrite)],
        sockets: false,
        calls: &[sconce_engine::SYSTEM_CALLS, sconce_wasi::SYSTEM_CALLS, &own],
        code: engine.code_range(),
        refusal,
        debuggable: false,
        strict: true,
    });
    log::debug!("confined: {walls}");
}

/// What the run says on the pipe that is standard output here, when it has ended; of anything else nothing comes.
fn said() -> Vec<u32> {
    let output = rustix::stdio::stdout();
    let is_pipe = rustix::fs::fstat(output).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Fifo);
    let mut said = Vec::new();
    loop {
        let mut bytes = [0; 4 * later::MOST_FUNCTIONS];
        match rustix::io::read(output, &mut bytes) {
            // A hang-up comes whether it is asked for or not.
            Ok(0) if is_pipe => break,
            Ok(n) if is_pipe => said.extend_from_slice(&bytes[..n]),
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => thread::sleep(Duration::from_secs(3600)),
        }
        // No run says more.
        said.truncate(bytes.len());
    }
    said.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number)).collect()
}

/// How long is left when the run has ended.
const GRACE: Duration = Duration::from_secs(1);

/// Whether the run that this process works for has ended: it holds the other end of the pipe that is standard output here.
#[derive(Debug)]
struct EndOfRun {
    begin: Instant,
    ended: AtomicBool,
    stop: AtomicBool,
    /// What the run has said by then.
    hot: OnceLock<Vec<u32>>,
    /// Whether all of the module is being compiled by the better compiler.
    whole: AtomicBool,
    /// Of what is being done: how many bytes there are to be compiled, and how many have been.
    bytes: AtomicU64,
    done: AtomicU64,
}

impl EndOfRun {
    fn begin() -> EndOfRun {
        EndOfRun {
            begin: Instant::now(),
            ended: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            hot: OnceLock::new(),
            whole: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// The functions in which the run has spent its time, once it has ended.
    fn hot(&self) -> &[u32] {
        self.hot.get().map_or(&[], |hot| hot)
    }

    /// Waits for so long, as counted from the start of this process, or until the run has ended.
    fn lasts(&self, long: Duration) {
        /// How often it is looked whether it has.
        const PAUSE: Duration = Duration::from_millis(10);
        while !self.has_ended() && self.begin.elapsed() < long {
            thread::sleep(PAUSE);
        }
    }

    fn watch(self: &Arc<EndOfRun>) {
        let end = self.clone();
        let watch = move || {
            let _ = end.hot.set(said());
            end.ended.store(true, Relaxed);
            thread::sleep(GRACE);
            end.stop.store(true, Relaxed);
            // One function of the module may still keep it busy.
            thread::sleep(GRACE);
            End::Exit(report::NOT_RUN).now();
        };
        if thread::Builder::new().name("end".into()).spawn(watch).is_err() {
            End::Exit(report::NOT_RUN).now();
        }
    }
}

impl Progress for EndOfRun {
    fn started(&self, bytes: u64) {
        self.bytes.store(bytes, Relaxed);
        self.done.store(0, Relaxed);
    }

    fn advanced(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }

    fn cancelled(&self) -> bool {
        // What the run has found out is sooner done than the rest of the whole.
        let far = || self.done.load(Relaxed).saturating_mul(10) > self.bytes.load(Relaxed).saturating_mul(7);
        let instead = self.whole.load(Relaxed) && self.has_ended() && !self.hot().is_empty();
        self.stop.load(Relaxed) || instead && !far()
    }
}
