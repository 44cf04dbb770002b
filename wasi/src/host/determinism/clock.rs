//! Time that passes only when the program looks at it, or waits for it.

use rustix::time::ClockId;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the clock of the day shows at first, in seconds since 1970: 2000-01-01 00:00:00 UTC.
pub(crate) const BEGINNING: u64 = 946_684_800;

/// Nanoseconds that pass with each look at a clock: so loops that wait for some time to pass come to an end.
pub(crate) const STEP: u64 = 1_000;

const SECOND: u64 = 1_000_000_000;

/// All of a program's clocks. None of them shows 0, nor the same twice.
#[derive(Debug, Default)]
pub(crate) struct VirtualClock {
    /// Nanoseconds that have passed with looking.
    looked: AtomicU64,
    /// The same with waiting.
    waited: AtomicU64,
}

impl VirtualClock {
    /// What a clock shows, in nanoseconds, after a step. Those of processor time do not move while the program waits.
    pub(crate) fn look(&self, clock: ClockId) -> u64 {
        let looked = self.looked.fetch_add(STEP, Ordering::Relaxed) + STEP;
        let waited = self.waited.load(Ordering::Relaxed);
        match clock {
            ClockId::ProcessCPUTime | ClockId::ThreadCPUTime => looked,
            ClockId::Realtime => (BEGINNING * SECOND).saturating_add(looked).saturating_add(waited),
            _ => looked.saturating_add(waited),
        }
    }

    /// What the clock of the day shows, without a step: for times of files.
    pub(crate) fn of_day(&self) -> u64 {
        let passed = self.looked.load(Ordering::Relaxed).saturating_add(self.waited.load(Ordering::Relaxed));
        (BEGINNING * SECOND).saturating_add(passed)
    }

    /// Lets so many nanoseconds pass.
    pub(crate) fn wait(&self, nanoseconds: u64) {
        let later = |waited: u64| Some(waited.saturating_add(nanoseconds));
        // The function always gives a value.
        let _ = self.waited.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_and_waiting_are_all_that_takes_time() {
        let clock = VirtualClock::default();
        assert_eq!(clock.look(ClockId::Monotonic), STEP);
        assert_eq!(clock.look(ClockId::Realtime), BEGINNING * SECOND + 2 * STEP);
        clock.wait(5 * SECOND);
        assert_eq!(clock.of_day(), (BEGINNING + 5) * SECOND + 2 * STEP);
        assert_eq!(clock.look(ClockId::ProcessCPUTime), 3 * STEP, "nobody computes while waiting");
        assert_eq!(clock.look(ClockId::ThreadCPUTime), 4 * STEP);
        assert_eq!(clock.look(ClockId::Monotonic), 5 * SECOND + 5 * STEP);
        clock.wait(u64::MAX);
        clock.wait(u64::MAX);
        assert_eq!(clock.look(ClockId::Realtime), u64::MAX);
        assert_eq!(clock.look(ClockId::Monotonic), u64::MAX);
    }
}
