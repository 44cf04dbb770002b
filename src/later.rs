//! While a program runs on code that was made in a hurry, a process beside it makes better code, which the
//! next run finds in the cache.
//!
//! That process runs no guest code, and takes nothing from this one but the module's file, the settings and
//! the name of the cache: so what later runs execute was not made where a guest could reach. It is there before this process
//! gives up the right to start others, and waits: what it costs begins when the run has lasted for a tenth of what compiling the
//! module will about take. Of a module whose functions were validated when they were called it first makes what a run would have made
//! that compiles all of it, which is soon done. It has the lowest priority, and ends soon after the run does ([`crate::cache`]).

use crate::cli::{CompilerArgs, RunArgs, Tier};
use sconce_engine::{BoundsStyle, CallStyle, Engine, IfEnded, Module};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

/// What a run must have lasted before its modules are compiled again.
const LEAST: Duration = Duration::from_millis(100);
/// What it must have lasted for the next one to profit from what it has found out.
const TELLING: Duration = Duration::from_millis(200);
/// What it must have lasted at most.
const MOST: Duration = Duration::from_secs(5);
/// The same for each byte of a module: Cranelift takes about ten times as long.
const PER_BYTE: Duration = Duration::from_nanos(100);

/// A module that a run uses, with less than the best code.
#[derive(Debug)]
pub struct Slow {
    pub module: Module,
    /// Its file, and the hash of what that held.
    pub file: File,
    pub content: [u8; 32],
}

/// A process that compiles a module for later runs, and ends soon after this one.
#[derive(Debug)]
pub struct Helper {
    pipe: OwnedFd,
    module: Module,
    begin: Instant,
}

/// Functions of which it is told at most: as many as are written at once.
pub const MOST_FUNCTIONS: usize = 1000;

impl Helper {
    /// The descriptor by which it is told.
    pub fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }

    /// The program is over: where it has spent its time is to be better next time.
    pub fn tell(&self) {
        if self.begin.elapsed() < TELLING {
            return;
        }
        let hot = self.module.hot_functions();
        let numbers: Vec<u8> = hot.iter().take(MOST_FUNCTIONS).flat_map(|func| func.to_le_bytes()).collect();
        if !numbers.is_empty() {
            // The next run begins as this one did, if that fails.
            let _ = rustix::io::write(&self.pipe, &numbers);
        }
    }
}

/// Has these modules compiled once the program has run for a while; what is given keeps the processes that do so. Where that
/// cannot be done, nothing is.
pub fn begin(modules: Vec<Slow>, args: &RunArgs, engine: &Engine) -> Vec<Helper> {
    let mut helpers = Vec::new();
    for Slow { module, file, content } in modules {
        let whole = !module.is_deferred();
        let len = file.metadata().map_or(0, |m| m.len());
        let not_whole = (!whole).then(|| NOT_WHOLE.into());
        let words = words(args, engine.bounds()).into_iter().chain(not_whole).chain([of_run(content).into(), MODULE.into()]);
        let words: Vec<Vec<u8>> = [OsString::from("sconce")].into_iter().chain(words).map(OsStringExt::into_vec).collect();
        // What has not been compiled at all is worth it even for a program that ends at once.
        let (wait, if_ended) = if whole { (delay(len), IfEnded::End) } else { (LEAST, IfEnded::Execute) };
        match sconce_engine::wait_and_execute(&words, file.into(), wait, if_ended) {
            Ok(pipe) => helpers.push(Helper { pipe, module, begin: Instant::now() }),
            Err(e) => log::debug!("nothing is compiled for later runs: {e}"),
        }
    }
    helpers
}

/// How long the program must have run for a module of so many bytes.
pub fn delay(bytes: u64) -> Duration {
    PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)).clamp(LEAST, MOST)
}

/// The command line that compiles standard input with a run's settings.
fn words(args: &RunArgs, bounds: BoundsStyle) -> Vec<OsString> {
    let CompilerArgs { tier, bounds: _, calls, canonical_nans, baseline, count_fuel, no_spectre, gc_stress, paranoid } =
        &args.compiler;
    let mut words: Vec<OsString> = ["cache", "warm"].map(OsString::from).into();
    let mut flag = |name: &str, value: &str| words.push(format!("--{name}={value}").into());
    match tier {
        Tier::Auto => flag("tier", "auto"),
        Tier::Lightbeam => flag("tier", "lightbeam"),
        Tier::Cranelift => flag("tier", "cranelift"),
    }
    match bounds {
        BoundsStyle::Guard => flag("bounds", "guard"),
        BoundsStyle::Explicit => flag("bounds", "explicit"),
    }
    match calls {
        Some(CallStyle::Direct) => flag("calls", "direct"),
        Some(CallStyle::Slots) => flag("calls", "slots"),
        None => {}
    }
    let switches = [
        (canonical_nans, "--canonical-nans"),
        (baseline, "--baseline"),
        (count_fuel, "--count-fuel"),
        (no_spectre, "--no-spectre"),
        (gc_stress, "--gc-stress"),
        (paranoid, "--paranoid"),
    ];
    words.extend(switches.into_iter().filter(|(on, _)| **on).map(|(_, name)| name.into()));
    if let Some(cache) = &args.cache {
        let mut word = OsString::from("--cache=");
        word.push(cache);
        words.push(word);
    }
    words
}

/// Standard input, opened anew: the run has read its own to the end.
const MODULE: &str = "/proc/self/fd/0";

/// The flag by which that process knows that there is no code of all of the module.
const NOT_WHOLE: &str = "--not-whole";

/// The flag by which that process knows whom it works for, and on what: the program may write to its own module meanwhile.
fn of_run(content: [u8; 32]) -> String {
    let digits: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("--beside-run={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{CacheCommand, Cli, Command as Subcommand};
    use clap::Parser;

    #[test]
    fn larger_modules_wait_for_longer_runs() {
        let ms = Duration::from_millis;
        for (bytes, wait) in [
            (0, ms(100)),
            (1_000_000, ms(100)),
            (1_000_010, Duration::from_nanos(100_001_000)),
            (13_000_000, ms(1300)),
            (50_000_000, ms(5000)),
            (50_000_001, ms(5000)),
            (u64::MAX, ms(5000)),
        ] {
            assert_eq!(delay(bytes), wait, "{bytes}");
        }
    }

    #[test]
    fn what_is_compiled_later_has_the_runs_settings() {
        let all = "--bounds guard --calls slots --canonical-nans --baseline --count-fuel --no-spectre --gc-stress --paranoid --cache -dir";
        for (flags, bounds) in [
            ("", BoundsStyle::Guard),
            (all, BoundsStyle::Explicit),
            (all, BoundsStyle::Guard),
            ("--tier auto --calls direct", BoundsStyle::Guard),
            ("--tier lightbeam --paranoid", BoundsStyle::Guard),
            ("--tier cranelift --baseline", BoundsStyle::Explicit),
        ] {
            let parse = |words: Vec<OsString>| Cli::try_parse_from(words).expect("a command line").command;
            let line = format!("sconce run {flags} app.wasm").replace("--cache ", "--cache=");
            let Subcommand::Run(run) = parse(line.split_whitespace().map(OsString::from).collect()) else { panic!("no run") };
            let file = [of_run([7; 32]).into(), MODULE.into()];
            let later = [OsString::from("sconce")].into_iter().chain(words(&run, bounds)).chain(file).collect();
            let Subcommand::Cache(cache) = parse(later) else { panic!("no cache") };
            let CacheCommand::Warm(warm) = cache.command else { panic!("another command") };
            assert_eq!(warm.beside_run, Some([7; 32]));
            assert_eq!(warm.compiler.bounds, Some(bounds));
            assert_eq!(warm.cache, run.cache);
            let [of_run, of_warm] = [run.compiler, warm.compiler].map(|c| format!("{:?}", CompilerArgs { bounds: None, ..c }));
            assert_eq!(of_run, of_warm);
        }
    }
}
