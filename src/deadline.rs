//! `--timeout`: time runs from the start of the command. What happens before the guest's first instruction
//! takes part: reading modules, validating and compiling them.

use crate::report::{self, End, TIMED_OUT};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// When a run is over.
#[derive(Copy, Clone, Debug)]
pub struct Deadline {
    /// Since when time runs, and for how long, as the user said it.
    start: Instant,
    after: Duration,
}

impl Deadline {
    /// Time runs from here.
    pub fn begin(after: Duration) -> Deadline {
        Deadline { start: Instant::now(), after }
    }

    /// The time that was given.
    pub fn after(self) -> Duration {
        self.after
    }

    /// When it is over; `None` if no clock goes so far.
    pub fn at(self) -> Option<Instant> {
        self.start.checked_add(self.after)
    }

    /// Prepares a module, and ends the process where that is not done in time: nothing that it does has to be undone.
    pub fn prepare<T>(deadline: Option<Deadline>, name: &str, prepare: impl FnOnce() -> T) -> T {
        let Some((after, at)) = deadline.and_then(|deadline| Some((deadline.after, deadline.at()?))) else { return prepare() };
        let (done, waits) = channel::<()>();
        let name = name.to_owned();
        let watch = move || {
            let rest = at.saturating_duration_since(Instant::now());
            if waits.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
                report::error(&format!("timed out after {after:?}, before {name} was compiled"));
                End::Exit(TIMED_OUT).now();
            }
        };
        // Where no thread can be had, the time is looked at when the guest starts.
        let watching = thread::Builder::new().name("deadline".into()).stack_size(STACK).spawn(watch);
        let result = prepare();
        drop(done);
        // The process may end by it until it is gone.
        let _ = watching.map(thread::JoinHandle::join);
        result
    }
}

/// Enough to write a message.
const STACK: usize = 256 << 10;
