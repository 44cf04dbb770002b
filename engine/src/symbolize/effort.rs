//! What a report may cost. Everything that a report is made of comes from the guest, which may have made it
//! dear on purpose; and a report comes when time is over already.

use std::time::{Duration, Instant};

/// Time for all of a report.
const TIME: Duration = Duration::from_secs(1);
/// Attributes, rows and the like that are looked at, of all modules together: some 0.3 s.
const WORK: u64 = 1 << 26;
/// Bytes of names and paths.
const TEXT: usize = 96 << 10;
/// Work between looks at the clock.
const STRIDE: u64 = 1 << 14;

/// What is left of it. Work and text are counted, so that reports do not depend on the machine; time is for
/// what was not thought of, and for slow ones.
#[derive(Debug)]
pub(super) struct Effort {
    work: u64,
    /// Bytes of text.
    text: usize,
    until: Instant,
    /// Of `work`, when the clock is looked at next.
    look_at: u64,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { work: WORK, text: TEXT, until: Instant::now() + TIME, look_at: WORK }
    }
}

impl Effort {
    #[cfg(test)]
    pub(super) fn of(work: u64) -> Effort {
        Effort { work, look_at: work, ..Effort::default() }
    }

    /// `None` when nothing is left, from then on.
    pub(super) fn spend(&mut self, work: u64) -> Option<()> {
        let rest = self.work.checked_sub(work);
        self.work = rest.unwrap_or(0);
        if self.work <= self.look_at {
            self.look_at = self.work.saturating_sub(STRIDE);
            if Instant::now() >= self.until {
                self.work = 0;
                return None;
            }
        }
        rest.map(drop)
    }

    /// Whether anything is left.
    pub(super) fn is_left(&self) -> bool {
        self.work > 0
    }

    /// A text as it is shown, with as much of it as there is room for; a little always.
    pub(super) fn shown(&mut self, text: &str) -> String {
        use sconce_environ::shown::{MAX_NAME, Shown};
        const LEAST: usize = 64;
        let shown = Shown::new(text).at_most(self.text.clamp(LEAST, MAX_NAME)).to_string();
        self.text = self.text.saturating_sub(shown.len());
        shown
    }

    /// Whether there is room for more text than must be shown.
    pub(super) fn has_room(&self) -> bool {
        self.text > 0
    }
}
