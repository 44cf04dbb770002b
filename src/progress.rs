//! The progress bar of a compilation that lasts, on a terminal.
//!
//! There is one bar at a time, which whatever ends or says something takes away first ([`hide`]). A signal that ends the process
//! while the bar is there does so too, which takes a thread: its default action would leave the bar behind.

mod screen;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use rustix::event::{PollFd, PollFlags};
use sconce_engine::Progress;
use screen::Screen;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nothing is shown before this has passed.
const PATIENCE: Duration = Duration::from_millis(500);

/// Columns from which there is room for the bar, sizes and time beside a name; with fewer there is a percentage.
const WIDE: usize = 72;
/// Columns of what stands beside the name then: bar, bytes of two files below 1 GiB, time.
const BESIDE: usize = 1 + 24 + 1 + 2 * 10 + 1 + 1 + 4;
/// Columns of ` 100%`.
const PERCENT: usize = 5;

/// How long a signal waits for room on the terminal.
const GRACE: Duration = Duration::from_secs(1);

/// How often a second it is drawn at most.
const FRAMES: u8 = 20;

/// What is on the screen.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);
/// What stops the thread that waits for signals.
static WATCH: OnceLock<Option<Watch>> = OnceLock::new();

/// A thread that waits for signals.
struct Watch {
    handle: Handle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A bar on standard error that appears late, and goes away when it is dropped.
#[derive(Debug)]
pub struct Bar {
    terminal: bool,
    name: String,
    start: Instant,
    total: AtomicU64,
    done: AtomicU64,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    /// For the module of this name.
    pub fn new(name: &str) -> Bar {
        Bar {
            terminal: std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb"),
            name: name.to_owned(),
            start: Instant::now(),
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
            bar: OnceLock::new(),
        }
    }

    fn draw(&self) -> ProgressBar {
        WATCH.get_or_init(watch);
        // From before it is drawn: whoever takes it away waits until it is there.
        let mut shown = shown();
        let screen = Screen::default();
        let message = format!("compiling {}", self.name);
        let template = template(screen.width().into(), message.chars().count());
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen), FRAMES);
        let bar = ProgressBar::with_draw_target(Some(self.total.load(Relaxed)), target);
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_message(message);
        *shown = Some(bar.clone());
        drop(shown);
        bar
    }
}

/// What is drawn in so many columns, for a message of this length: it is cut where it does not fit.
fn template(columns: usize, message: usize) -> String {
    let (beside, rest) = match columns >= WIDE {
        true => (BESIDE, "{bar:24} {bytes}/{total_bytes} {eta:>4}"),
        false => (PERCENT, "{percent:>3}%"),
    };
    let room = columns.saturating_sub(beside).max(1);
    format!("{{msg:{}!}} {rest}", message.min(room))
}

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the bar away, if there is one. It does not come back.
pub fn hide() {
    if let Some(bar) = shown().take() {
        bar.finish_and_clear();
    }
}

/// Whoever waits for signals from here on does so alone: the thread here has ended.
pub fn leave_signals() {
    if let Some(Some(watch)) = WATCH.get() {
        watch.handle.close();
        let thread = watch.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It has nothing to say.
        let _ = thread.map(JoinHandle::join);
    }
}

/// Has a thread wait for the signals that end the process, to take the bar away before they do. Signals that
/// were ignored at the start stay ignored. Where no thread can be had, signals keep their default actions.
fn watch() -> Option<Watch> {
    let (send, receive) = std::sync::mpsc::channel();
    let wait = move || {
        let ending = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|&signal| !sconce_engine::ignored_at_start(signal));
        let Ok(mut signals) = Signals::new(ending) else { return };
        let _ = send.send(signals.handle());
        if let Some(signal) = signals.forever().next() {
            // A terminal that is stopped, by Control-S say, is not waited for.
            let errors = rustix::stdio::stderr();
            if sconce_engine::poll(&mut [PollFd::new(&errors, PollFlags::OUT)], Some(GRACE)).is_ok_and(|n| n > 0) {
                hide();
            }
            sconce_engine::end_by_signal(signal);
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).stack_size(STACK).spawn(wait).ok()?;
    Some(Watch { handle: receive.recv().ok()?, thread: Mutex::new(Some(thread)) })
}

/// Enough to draw an empty line.
const STACK: usize = 256 << 10;

impl Progress for Bar {
    fn started(&self, total_bytes: u64) {
        self.total.store(total_bytes, Relaxed);
    }

    fn advanced(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Relaxed) + bytes;
        if self.terminal && self.start.elapsed() >= PATIENCE {
            self.bar.get_or_init(|| self.draw()).set_position(done);
        }
    }

    fn cancelled(&self) -> bool {
        // A signal ends the process at once.
        false
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.bar.get().is_some() {
            hide();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_what_fits() {
        for (columns, message, expected) in [
            (200, 20, "{msg:20!} {bar:24} {bytes}/{total_bytes} {eta:>4}"),
            (76, 100, "{msg:24!} {bar:24} {bytes}/{total_bytes} {eta:>4}"),
            (72, 100, "{msg:20!} {bar:24} {bytes}/{total_bytes} {eta:>4}"),
            (71, 100, "{msg:66!} {percent:>3}%"),
            (40, 100, "{msg:35!} {percent:>3}%"),
            (3, 100, "{msg:1!} {percent:>3}%"),
        ] {
            assert_eq!(template(columns, message), expected);
        }
    }
}
