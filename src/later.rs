//! While a program runs on code that was made in a hurry, a process beside it makes better code, which the
//! next run finds in the cache.
//!
//! That process runs no guest code, and takes nothing from this one but the module's file, the settings and
//! the name of the cache: so what later runs execute was not made where a guest could reach. It has the
//! lowest priority, ends soon after the run does ([`crate::cache`]), and is not started for programs that end
//! at once: not before the run has lasted for a tenth of what compiling the module will about take.

use crate::cli::{CompilerArgs, RunArgs, Tier};
use crate::supervise::SIGNALS;
use sconce_engine::{BoundsStyle, CallStyle, Engine, keep_apart, keep_off};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What a run must have lasted before its modules are compiled again.
const LEAST: Duration = Duration::from_millis(50);
/// What it must have lasted at most.
const MOST: Duration = Duration::from_secs(5);
/// The same for each byte of a module: Cranelift takes about ten times as long.
const PER_BYTE: Duration = Duration::from_nanos(100);
/// Enough to start a process.
const STACK: usize = 256 << 10;

/// Has these modules compiled once the program has run for a while. Where that cannot be done, nothing is.
pub fn begin(modules: Vec<File>, args: &RunArgs, engine: &Engine) {
    if modules.is_empty() {
        return;
    }
    let words = words(args, engine.bounds());
    // As they are before the program can write to them.
    let modules = modules.into_iter().map(|file| {
        let len = file.metadata().map_or(0, |m| m.len());
        (file, len)
    });
    let modules = modules.collect();
    let started = thread::Builder::new().name("later".into()).stack_size(STACK).spawn(move || wait_and_compile(modules, &words));
    if let Err(e) = started {
        log::debug!("nothing is compiled for later runs: no thread: {e}");
    }
}

fn wait_and_compile(modules: Vec<(File, u64)>, words: &[OsString]) {
    keep_off(&SIGNALS, true);
    // System calls are faster for a thread that has its table of descriptors for itself: the guest's.
    let own: Vec<i32> = modules.iter().map(|(file, _)| file.as_raw_fd()).collect();
    if keep_apart(&own).is_err() {
        // Whatever the run was started with would be that process's, too.
        return;
    }
    // In place of the standard descriptors, of which this table knows nothing any more.
    let Ok(_standard) = (0..3).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>() else { return };
    for (module, len) in modules {
        thread::sleep(delay(len));
        if compile(module, len, words).is_err() {
            return;
        }
    }
}

/// How long the program must have run for a module of so many bytes.
fn delay(bytes: u64) -> Duration {
    PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)).clamp(LEAST, MOST)
}

/// Has a module of this length compiled, and waits for that.
fn compile(module: File, len: u64, words: &[OsString]) -> io::Result<()> {
    // When this process ends, however it does, so does the pipe.
    let (until_closed, _open) = pipe()?;
    // The build that runs here, though its file may have been replaced.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("sconce").args(words).arg(of_run(len)).arg(MODULE).stdin(module).stdout(until_closed).stderr(Stdio::null());
    // Signals from the terminal are for the run.
    command.process_group(0).spawn()?.wait().map(drop)
}

/// The command line that compiles standard input with a run's settings.
fn words(args: &RunArgs, bounds: BoundsStyle) -> Vec<OsString> {
    let CompilerArgs { tier, bounds: _, calls, canonical_nans, baseline, gc_stress, paranoid } = &args.compiler;
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
    let switches =
        [(canonical_nans, "--canonical-nans"), (baseline, "--baseline"), (gc_stress, "--gc-stress"), (paranoid, "--paranoid")];
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

/// The flag by which that process knows whom it works for.
fn of_run(len: u64) -> String {
    format!("--beside-run={len}")
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
            (0, ms(50)),
            (500_000, ms(50)),
            (500_010, Duration::from_nanos(50_001_000)),
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
        let all = "--bounds guard --calls slots --canonical-nans --baseline --gc-stress --paranoid --cache -dir";
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
            let file = [of_run(7).into(), MODULE.into()];
            let later = [OsString::from("sconce")].into_iter().chain(words(&run, bounds)).chain(file).collect();
            let Subcommand::Cache(cache) = parse(later) else { panic!("no cache") };
            let CacheCommand::Warm(warm) = cache.command;
            assert_eq!(warm.beside_run, Some(7));
            assert_eq!(warm.compiler.bounds, Some(bounds));
            assert_eq!(warm.cache, run.cache);
            let [of_run, of_warm] = [run.compiler, warm.compiler].map(|c| format!("{:?}", CompilerArgs { bounds: None, ..c }));
            assert_eq!(of_run, of_warm);
        }
    }
}
