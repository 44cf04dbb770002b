//! Many inputs of a target, each of which follows from its number.

use super::{Body, Target};
use crate::supervise;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An input that takes longer is a finding. Long enough for a machine that is busy.
const TOO_LONG: Duration = Duration::from_secs(20);
/// One that takes as long ends the process, which names it.
const NO_END: u64 = 120;
/// What an input may add to the most memory that the process has had, in KiB, besides [`PER_BYTE`].
const TOO_MUCH: u64 = 192 << 10;
/// The same for each byte.
const PER_BYTE: u64 = 1;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// The first number that was not looked at.
    pub next: u64,
    /// Inputs.
    pub inputs: u64,
    /// By what came of them.
    pub seen: BTreeMap<String, u64>,
    /// Microseconds that the slowest took, and its number.
    pub slowest: (u64, u64),
    /// The most memory that the process had, in KiB.
    pub peak: u64,
    /// Seconds.
    pub seconds: u64,
    /// Those that showed something.
    pub findings: Vec<(u64, String)>,
}

/// The input of this number.
pub fn input(target: &Target, seeds: &[Vec<u8>], number: u64) -> Vec<u8> {
    (target.mutate)(&mut ChaCha8Rng::seed_from_u64(number), seeds)
}

/// What a body does with an input, a panic included.
pub fn judge(body: &Body, bytes: &[u8]) -> super::Seen {
    catch_unwind(AssertUnwindSafe(|| body(bytes))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Peak resident memory of the process, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// Runs inputs from `totals.next` up to `end`, until the totals have so many seconds, and keeps those that show something in
/// `found`. The totals are kept by `keep`, now and then and at the end.
///
/// # Errors
/// If something cannot be written.
pub fn run(
    target: &Target,
    totals: &mut Totals,
    (end, seconds): (u64, u64),
    found: &Path,
    keep: impl Fn(&Totals) -> io::Result<()>,
) -> io::Result<()> {
    let (seeds, body) = ((target.seeds)(), (target.body)());
    let (started, before_us) = (Instant::now(), totals.seconds);
    watch();
    while totals.next < end && totals.seconds < seconds {
        let seconds_now = before_us + started.elapsed().as_secs();
        if seconds_now > totals.seconds {
            totals.seconds = seconds_now;
            keep(totals)?;
        }
        let number = totals.next;
        let bytes = input(target, &seeds, number);
        supervise::note(found, Some(number))?;
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        let (before, begun) = (peak(), Instant::now());
        let mut seen = judge(&body, &bytes);
        let (took, now) = (begun.elapsed(), peak());
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        if seen.is_ok() && took > TOO_LONG {
            seen = Err(format!("it took {took:?}"));
        }
        // The first ones bring in what all of them need.
        if seen.is_ok() && totals.inputs > 100 && now.saturating_sub(before) > TOO_MUCH + PER_BYTE * bytes.len() as u64 {
            seen = Err(format!("it took {} KiB", now.saturating_sub(before)));
        }
        totals.slowest = totals.slowest.max((took.as_micros() as u64, number));
        totals.peak = totals.peak.max(now);
        totals.inputs += 1;
        totals.next += 1;
        match seen {
            Ok(kind) => *totals.seen.entry(kind.to_owned()).or_default() += 1,
            Err(text) => {
                let path = found.join(format!("{}-{number}", target.name));
                std::fs::write(&path, &bytes)?;
                println!("{} {number} ({}): {text}", target.name, path.display());
                totals.findings.push((number, text));
            }
        }
    }
    supervise::note(found, None)?;
    keep(totals)
}

/// Odd while an input is under way.
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);

/// Ends the process when an input does not end.
fn watch() {
    std::thread::spawn(|| {
        let (mut seen, mut seconds) = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = UNDER_WAY.load(Ordering::Relaxed);
            seconds = if now == seen && now % 2 == 1 { seconds + 1 } else { 0 };
            seen = now;
            if seconds >= NO_END {
                eprintln!("an input does not end");
                std::process::abort();
            }
        }
    });
}
