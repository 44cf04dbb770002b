//! A line for each call of the guest's, with its arguments and results in words.
//!
//! A run without a trace has nothing of it ([`super::watch`]). A call's row says what each of its parameters is ([`row`]); [`decode`] reads them, and what they point to, into values before
//! the call, and the results after it; [`text`] and [`json`] write values. Memory is read as the functions read it, with the same
//! checks: an address outside is shown as a fault.
//!
//! A line is written when the call has returned, by one write: lines of several threads do not mix. The text in it is the guest's:
//! it is cut, and whatever is not plainly visible is escaped, so that it neither forges a line nor speaks to a terminal. Another
//! thread of the guest's may change memory between the reading here and the reading by the function.

mod decode;
mod json;
mod line;
pub(crate) mod names;
pub(crate) mod row;
mod structures;
mod text;
mod value;

use super::call::Call;
use super::errno::Outcome;
use super::threads;
use line::Line;
use row::Row;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::OwnedFd;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use value::Fields;

/// How the lines of a [`Trace`] are written.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum TraceFormat {
    /// As `strace` has them.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// Where calls are written to, and how.
pub struct Trace {
    out: OwnedFd,
    format: TraceFormat,
    threads: bool,
    /// Set when something could not be written: nothing more is.
    ended: AtomicBool,
    failed: Box<dyn Fn(io::Error) + Send + Sync>,
}

impl Trace {
    /// Lines go to `out`, with the number of the thread if the program has several. When a line cannot be written, `failed` is called
    /// once, on the thread whose line it is, and the trace ends; the program goes on.
    pub fn new(out: OwnedFd, format: TraceFormat, threads: bool, failed: impl Fn(io::Error) + Send + Sync + 'static) -> Trace {
        Trace { out, format, threads, ended: AtomicBool::new(false), failed: Box::new(failed) }
    }

    /// Makes a call of the function of this row with these parameters, and writes its line.
    pub(crate) fn call(
        &self,
        call: &Call<'_>,
        (module, row): (&'static str, &Row),
        words: &[u64],
        body: &dyn Fn() -> Outcome,
    ) -> Outcome {
        if self.ended.load(Ordering::Relaxed) {
            return body();
        }
        let before = decode::arguments(call, row, words);
        let outcome = body();
        let results = if outcome.is_ok() { decode::results(call, row, words, &before) } else { Fields::new() };
        let line = Line {
            thread: self.threads.then(threads::number),
            module,
            function: row.name,
            arguments: before.arguments,
            outcome: &outcome,
            results,
        };
        let text = match self.format {
            TraceFormat::Text => text::line(&line),
            TraceFormat::Json => json::line(&line),
        };
        self.write(text.as_bytes(), call.interrupted);
        outcome
    }

    /// Writes a line, unless that takes long and the store is asked to stop meanwhile.
    fn write(&self, mut rest: &[u8], interrupted: &dyn Fn() -> bool) {
        // What is written by halves is a disk that is full, or a pipe that does not wait.
        while !rest.is_empty() {
            let error = match rustix::io::write(&self.out, rest) {
                Ok(0) => rustix::io::Errno::IO,
                Ok(n) => {
                    rest = &rest[n..];
                    continue;
                }
                Err(rustix::io::Errno::AGAIN) => match self.wait() {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if error != rustix::io::Errno::INTR {
                if !self.ended.swap(true, Ordering::Relaxed) {
                    (self.failed)(error.into());
                }
                return;
            }
            if interrupted() {
                return;
            }
        }
    }

    fn wait(&self) -> rustix::io::Result<()> {
        rustix::event::poll(&mut [PollFd::new(&self.out, PollFlags::OUT)], None).map(drop)
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("format", &self.format).finish_non_exhaustive()
    }
}
