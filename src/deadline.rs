//! `--timeout` and `--cpu-time`: time runs from the start of the command. What happens before the guest's first instruction
//! takes part (reading modules, validating and compiling them), and so does what is said at the end.

use crate::report::{self, End, LIMITED};
use rustix::time::{ClockId, clock_gettime};
use sconce_engine::{Clock, kill_after, signal_after, wake_soon};
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// When a run is over.
#[derive(Copy, Clone, Debug)]
pub struct Deadline {
    start: Instant,
    /// As the user said it.
    after: Option<Duration>,
    cpu: Option<Duration>,
    /// How much faster processor time can run than time.
    processors: u32,
}

/// A limit on time that has been reached.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// `--timeout`.
    Time(Duration),
    /// `--cpu-time`.
    CpuTime(Duration),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Over::Time(after) => write!(f, "timed out after {after:?} (--timeout)"),
            Over::CpuTime(most) => write!(f, "out of processor time after {most:?} of it (--cpu-time)"),
        }
    }
}

impl Deadline {
    /// Time runs from here; processor time since the process began.
    pub fn begin(after: Option<Duration>, cpu: Option<Duration>) -> Deadline {
        // Asked for only where it is of use.
        let processors = cpu.and_then(|_| thread::available_parallelism().ok()).map_or(1, |n| n.get() as u32);
        Deadline { start: Instant::now(), after, cpu, processors }
    }

    /// Since when time runs.
    pub fn start(self) -> Instant {
        self.start
    }

    /// What is over.
    pub fn over(self) -> Option<Over> {
        let time = self.after.filter(|&after| self.start.elapsed() >= after).map(Over::Time);
        time.or_else(|| self.cpu.filter(|&most| used() >= most).map(Over::CpuTime))
    }

    /// When it has to be looked at next whether something is over; `None` if nothing ever is, or no clock goes so far.
    pub fn look_at(self) -> Option<Instant> {
        let at = self.time_is_over();
        let cpu = self.cpu.and_then(|most| {
            // Not before all processors together can have used what is left; then again.
            let least = most.saturating_sub(used()) / self.processors;
            Instant::now().checked_add(least.max(TICK))
        });
        at.into_iter().chain(cpu).min()
    }

    /// Whether processor time is limited.
    pub fn counts_processor_time(self) -> bool {
        self.cpu.is_some()
    }

    /// When time is over, whatever processor time is used until then.
    pub fn time_is_over(self) -> Option<Instant> {
        self.after.and_then(|after| self.start.checked_add(after))
    }

    /// Has the kernel send this signal when processor time is over, so that nobody needs to look: looking uses some, and a program
    /// that sleeps would be charged with that. False if that is not how it will be known.
    pub fn signal(self, signal: i32) -> bool {
        self.cpu.is_some_and(|most| signal_after(Clock::Process, most.saturating_sub(used()).max(TICK), signal))
    }

    /// Has the kernel end the process if it should be there a while after it is over: somebody may have taken it over.
    pub fn insist(self) {
        let time = self.after.map(|after| (Clock::Monotonic, after.saturating_sub(self.start.elapsed())));
        let cpu = self.cpu.map(|most| (Clock::Process, most.saturating_sub(used())));
        for (clock, rest) in [time, cpu].into_iter().flatten() {
            kill_after(clock, rest.saturating_add(LAST_RESORT));
        }
    }

    /// Prepares something, so that what `done` says is so, and ends the process where that is not so in time: nothing has to be undone.
    pub fn prepare<T>(self, done: &str, prepare: impl FnOnce() -> T) -> T {
        if self.look_at().is_none() {
            return prepare();
        }
        let (ready, waits) = channel::<()>();
        let done = done.to_owned();
        let watch = move || {
            wake_soon();
            loop {
                if let Some(over) = self.over() {
                    report::error(&format!("{over}, before {done}"));
                    End::Exit(LIMITED).now();
                }
                let rest = self.look_at().map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
                if waits.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        // Where no thread can be had, the time is looked at when the guest starts.
        let watching = thread::Builder::new().name("deadline".into()).stack_size(STACK).spawn(watch);
        let result = prepare();
        drop(ready);
        // The process may end by it until it is gone.
        let _ = watching.map(thread::JoinHandle::join);
        result
    }
}

/// Processor time that the process has used.
pub fn used() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// How exact processor time is.
const TICK: Duration = Duration::from_millis(1);
/// How long after its time the kernel ends the process.
const LAST_RESORT: Duration = Duration::from_secs(2);
/// Enough to write a message.
const STACK: usize = 256 << 10;
