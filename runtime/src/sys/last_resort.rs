//! The end of the process at a certain time, whoever has taken it over by then.

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::time::Duration;

/// By which clock.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time that passes.
    Monotonic,
    /// Processor time of all threads of the process.
    Process,
}

/// Has the kernel kill the process when this much more time has passed (SIGKILL). A confined process cannot take that back. Where
/// the kernel has no timers left, nothing happens; it is a second wall.
pub fn kill_after(clock: Clock, after: Duration) {
    let id = match clock {
        Clock::Monotonic => libc::CLOCK_MONOTONIC,
        Clock::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
    };
    let seconds = libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX);
    let at = libc::timespec { tv_sec: seconds, tv_nsec: after.subsec_nanos().into() };
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut timer = MaybeUninit::uninit();
    // SAFETY: an event is numbers and a pointer that nobody follows: none is used with a signal.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGKILL;
    // SAFETY: the event and the timer's number are this function's; the number is used if it was written. The timer stays as
    // long as the process does.
    unsafe {
        if libc::timer_create(id, &raw mut event, timer.as_mut_ptr()) == 0 {
            libc::timer_settime(timer.assume_init(), 0, &libc::itimerspec { it_interval: never, it_value: at }, null_mut());
        }
    }
}
