//! Mangled names.
//!
//! Rust's are demangled in one pass. C++ names are not: a name of 200 bytes can keep `cpp_demangle` busy for hours (it tries the
//! alternatives of the grammar one after the other, so that each level of nesting doubles the work where the last one fails), and
//! no limit of depth that leaves real names alone makes that short. So a thread of its own parses them, and after
//! [`PATIENCE`] nobody waits for it any more: names are then shown as they are, until that thread is done with what it has.

use sconce_environ::shown::Shown;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a name is waited for. Almost all take microseconds; the rest of this is for a machine that is busy.
const PATIENCE: Duration = Duration::from_millis(400);
/// A mangled name that is longer stays as it is.
const MAX_MANGLED: usize = 8 << 10;
/// Bytes of a demangled name, which can grow exponentially.
const MAX_DEMANGLED: usize = sconce_environ::shown::MAX_NAME + 1;
/// Parsing nests, and a level takes a few hundred bytes of stack, in a debug build thousands.
const DEPTH: u32 = 128;
const STACK: usize = 4 << 20;

/// A module's function name for messages: demangled if it is mangled and that does not take long, on one line, without characters
/// that are hidden, cut if it is long.
pub fn demangle(name: &str) -> String {
    Shown::new(&raw_demangle(name)).to_string()
}

/// Demangled if it can be, but not yet fit to be shown.
pub(crate) fn raw_demangle(name: &str) -> Cow<'_, str> {
    demangled(name).map_or(name.into(), Into::into)
}

/// A name as its author wrote it, cut but not escaped; `None` if it is not mangled, or stays as it is.
fn demangled(name: &str) -> Option<String> {
    if name.len() > MAX_MANGLED || !name.contains('_') {
        return None;
    }
    let mut out = Limited(String::new());
    // A hash at the end of Rust's names says nothing to people; `{:#}` leaves it out.
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        let _ = write!(out, "{rust:#}");
        return Some(out.0).filter(|text| !text.is_empty());
    }
    let is_cpp = name.starts_with("_Z") || name.starts_with("__Z");
    is_cpp.then(|| WORKER.lock().unwrap_or_else(PoisonError::into_inner).ask(name)).flatten()
}

static WORKER: Mutex<Worker> = Mutex::new(Worker::NONE);

/// A demangled name, if it can be.
type Answer = Option<String>;

/// The thread that parses, as its customers see it.
struct Worker {
    line: Option<(Sender<Box<str>>, Receiver<Answer>)>,
    /// Answers that nobody waits for any more.
    behind: usize,
}

impl Worker {
    /// No thread yet.
    const NONE: Worker = Worker { line: None, behind: 0 };

    fn ask(&mut self, name: &str) -> Option<String> {
        if self.line.is_none() {
            let (send, names) = channel();
            let (answers, receive) = channel();
            // Without a thread names stay as they are.
            std::thread::Builder::new().name("demangle".into()).stack_size(STACK).spawn(move || work(&names, &answers)).ok()?;
            self.line = Some((send, receive));
        }
        let (send, receive) = self.line.as_ref()?;
        while self.behind > 0 {
            receive.try_recv().ok()?;
            self.behind -= 1;
        }
        send.send(name.into()).ok()?;
        match receive.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(_) => {
                log::debug!("a C++ name takes too long to demangle: names stay as they are");
                self.behind += 1;
                None
            }
        }
    }
}

/// The thread.
fn work(names: &Receiver<Box<str>>, answers: &Sender<Answer>) {
    for name in names {
        let answer = catch_unwind(AssertUnwindSafe(|| cpp(&name))).ok().flatten();
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn cpp(name: &str) -> Answer {
    let options = cpp_demangle::ParseOptions::default().recursion_limit(DEPTH);
    let symbol = cpp_demangle::Symbol::new_with_options(name.as_bytes(), &options).ok()?;
    let mut out = Limited(String::new());
    // On an error that is not the limit's there is nothing; the name as it stands is better.
    let _ = symbol.structured_demangle(&mut out, &cpp_demangle::DemangleOptions::new().recursion_limit(DEPTH));
    Some(out.0).filter(|text| !text.is_empty())
}

/// Text up to [`MAX_DEMANGLED`] bytes, then an error.
struct Limited(String);

impl Write for Limited {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = MAX_DEMANGLED - self.0.len();
        if s.len() <= room {
            self.0.push_str(s);
            return Ok(());
        }
        self.0.push_str(&s[..s.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// `cpp_demangle` would be at these for seconds to hours. The process's own worker is left alone.
    #[test]
    fn a_name_that_takes_long_is_given_up_and_others_stay_as_they_are_meanwhile() {
        let open = |levels| format!("_ZNSbIwSt11chaS1_r_traitsIwE{}SaIwVisitOperator$EE6assignERKS2_", "SaIwsIwE".repeat(levels));
        let mut worker = Worker::NONE;
        assert_eq!(worker.ask("_Z1fi").as_deref(), Some("f(int)"));
        let start = Instant::now();
        // The limit of depth ends those that nest more.
        for levels in (10..30).rev() {
            assert_eq!(worker.ask(&open(levels)), None);
        }
        for _ in 0..1000 {
            assert_eq!(worker.ask("_Z1fi"), None, "a name that is not parsed for long");
        }
        assert!((PATIENCE..10 * PATIENCE).contains(&start.elapsed()), "{:?}", start.elapsed());
        let (send, receive) = (channel().0, channel::<Answer>().1);
        worker = Worker { line: Some((send, receive)), behind: 0 };
        assert_eq!(worker.ask("_Z1fi"), None, "a thread that has ended");
    }
}
