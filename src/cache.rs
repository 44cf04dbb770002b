//! `sconce cache`: what is kept of compiled modules.

use crate::cli::{CacheArgs, CacheCommand, WarmArgs};
use crate::load;
use crate::progress::Bar;
use crate::report::{self, End, Failure};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use sconce_engine::{CacheMode, Others, Progress, Warmed};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Does what is asked for with the cache.
///
/// # Errors
/// A message for people.
pub fn cache(args: &CacheArgs) -> Result<(), Failure> {
    match &args.command {
        CacheCommand::Warm(args) => warm(args),
    }
}

fn warm(args: &WarmArgs) -> Result<(), Failure> {
    let end = args.beside_run.is_some().then(|| Arc::new(EndOfRun::default()));
    if let Some(end) = &end {
        stay_behind();
        end.watch();
    }
    sconce_engine::LargePages::avoid();
    let mode = load::cache(args.cache.as_deref());
    if mode == CacheMode::Off {
        return Err(Failure::usage("there is nothing to warm with --cache off; leave it out, or name a directory"));
    }
    let engine = load::engine(&load::config(&args.compiler).cache(mode))?;
    let warm_one = |path: &Path| -> Result<(), Failure> {
        let name = load::name(path);
        let warmed = match &end {
            // The program may have written to its own module meanwhile.
            Some(end) => load::warm(&engine, load::open(path)?, args.beside_run, Others::GoFirst, &**end),
            // A process beside a run may end before it is done.
            None => load::warm(&engine, load::open(path)?, None, Others::AreWaitedFor, &Bar::new(&name)),
        }?;
        match warmed {
            Warmed::Now | Warmed::Before | Warmed::Elsewhere | Warmed::Changed => {}
            Warmed::NoCache => {
                let why = engine.cache_problem().unwrap_or("the cache cannot be written");
                let remedy = load::another_cache(why).trim_end_matches(", ");
                let separator = if remedy.is_empty() { "" } else { "; " };
                return Err(Failure::not_run(format!("{name}: {why}{separator}{remedy}")));
            }
        }
        Ok(())
    };
    report::each(&args.files, "were not compiled for the cache", warm_one)
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

/// How long is left when the run has ended.
const GRACE: Duration = Duration::from_secs(1);

/// Whether the run that this process works for has ended: it holds the other end of the pipe that is standard output here.
#[derive(Debug, Default)]
struct EndOfRun {
    stop: AtomicBool,
}

impl EndOfRun {
    fn watch(self: &Arc<EndOfRun>) {
        let end = self.clone();
        let watch = move || {
            let output = rustix::stdio::stdout();
            // A hang-up comes whether it is asked for or not.
            while !matches!(sconce_engine::poll(&mut [PollFd::new(&output, PollFlags::empty())], None), Ok(n) if n > 0) {}
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
    fn started(&self, _: u64) {}

    fn advanced(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        self.stop.load(Relaxed)
    }
}
