//! Signals at a certain time: one that wakes who waits, and one that ends the process, whoever has taken it over by then.

use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
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
    signal_after(clock, after, libc::SIGKILL);
}

/// Has the kernel send this thread a signal when this much more time has passed. False where it has no timers left, or if the signal
/// would not arrive here, since this thread blocks it.
pub fn signal_after(clock: Clock, after: Duration, signal: i32) -> bool {
    let mut blocked = MaybeUninit::uninit();
    // SAFETY: nothing changes; the set is read if it was written.
    let arrives = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, null(), blocked.as_mut_ptr()) == 0
            && libc::sigismember(blocked.as_ptr(), signal) == 0
    };
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
    // Sent to the process it would find one that runs, and wait for its turn where there are many.
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_pid();
    event.sigev_signo = signal;
    // SAFETY: the event and the timer's number are this function's; the number is used if it was written. The timer stays as
    // long as the process does.
    unsafe {
        arrives
            && libc::timer_create(id, &raw mut event, timer.as_mut_ptr()) == 0
            && libc::timer_settime(timer.assume_init(), 0, &libc::itimerspec { it_interval: never, it_value: at }, null_mut())
                == 0
    }
}
