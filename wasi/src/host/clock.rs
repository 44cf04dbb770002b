//! The kernel's clocks, read without a system call where the kernel offers that (vDSO), and points
//! in time.

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// A time since 1970, or since whenever its clock began.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub seconds: i64,
    /// Below a second, forwards.
    pub nanoseconds: u64,
}

impl Time {
    #[inline]
    fn of(t: Timespec) -> Time {
        Time { seconds: t.tv_sec, nanoseconds: t.tv_nsec as u64 }
    }

    #[inline]
    pub(crate) fn of_nanoseconds(nanoseconds: u64) -> Time {
        Time { seconds: (nanoseconds / 1_000_000_000) as i64, nanoseconds: nanoseconds % 1_000_000_000 }
    }

    /// In nanoseconds, as far as they fit: times before are 0, times after the year 2554 are the
    /// last.
    #[inline]
    pub(crate) fn in_nanoseconds(self) -> u64 {
        let Ok(seconds) = u64::try_from(self.seconds) else { return 0 };
        seconds.saturating_mul(1_000_000_000).saturating_add(self.nanoseconds)
    }
}

/// What a clock shows.
#[inline]
pub(crate) fn now(clock: ClockId) -> Time {
    Time::of(clock_gettime(clock))
}

/// What lies between two of its ticks.
pub(crate) fn resolution(clock: ClockId) -> Time {
    Time::of(clock_getres(clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_times_are_clamped() {
        let clamped = |seconds, nanoseconds| Time { seconds, nanoseconds }.in_nanoseconds();
        assert_eq!(clamped(-1, 999_999_999), 0);
        assert_eq!(clamped(i64::MIN, 0), 0);
        assert_eq!(clamped(i64::MAX, 999_999_999), u64::MAX);
        assert_eq!(clamped(2, 5), 2_000_000_005);
    }
}
