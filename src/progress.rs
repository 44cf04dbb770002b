//! The progress bar of a compilation that lasts, on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sconce_engine::Progress;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Nothing is shown before this has passed.
const PATIENCE: Duration = Duration::from_millis(500);

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
            terminal: std::io::stderr().is_terminal(),
            name: name.to_owned(),
            start: Instant::now(),
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
            bar: OnceLock::new(),
        }
    }

    fn draw(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(self.total.load(Relaxed)), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(format!("compiling {}", self.name));
        bar
    }
}

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
        // Until the guest starts, signals have their default actions.
        false
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
