//! Timers on what a thread uses of the processor.

use super::signal::INTERRUPT;
use super::thread::clock_of;
use std::mem::{MaybeUninit, zeroed};
use std::ptr::null_mut;

/// Signals one thread of this process, [`INTERRUPT`], while that uses the processor: a thread that waits is left alone, and one that
/// shares its processor with many is found as well as another, since nobody else has to run for that.
#[derive(Debug)]
pub(crate) struct CpuTimer {
    timer: libc::timer_t,
    thread: i32,
}

// SAFETY: the kernel's number of a timer, which belongs to the process; the calls with it may be made by any thread.
unsafe impl Send for CpuTimer {}

/// What the timers' signals carry, to be told from others' timers: nobody else knows this place.
static OURS: u8 = 0;

impl CpuTimer {
    /// A timer that is not set; `None` if the system gives none, or the thread is gone.
    pub(crate) fn new(thread: i32) -> Option<CpuTimer> {
        let mut timer = MaybeUninit::uninit();
        // SAFETY: an event is plain data; the kernel writes the timer if it says so.
        unsafe {
            let mut event: libc::sigevent = zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_notify_thread_id = thread;
            event.sigev_signo = INTERRUPT;
            event.sigev_value.sival_ptr = (&raw const OURS).cast_mut().cast();
            let made = libc::timer_create(clock_of(thread), &raw mut event, timer.as_mut_ptr()) == 0;
            made.then(|| CpuTimer { timer: timer.assume_init(), thread })
        }
    }

    /// Whom it signals.
    pub(crate) fn thread(&self) -> i32 {
        self.thread
    }

    /// Lets it signal its thread once, at the next of the kernel's clock ticks (1 to 10 ms) at which that runs; false if it is gone.
    pub(crate) fn set(&self) -> bool {
        let soon = libc::timespec { tv_sec: 0, tv_nsec: 1 };
        let once = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: soon };
        // SAFETY: a timer of ours, and a structure that is only read.
        unsafe { libc::timer_settime(self.timer, 0, &raw const once, null_mut()) == 0 }
    }
}

impl Drop for CpuTimer {
    fn drop(&mut self) {
        // SAFETY: a timer of ours, which nobody uses any more.
        unsafe { libc::timer_delete(self.timer) };
    }
}

/// Whether a signal comes from one of these.
pub(crate) fn sent(info: &libc::siginfo_t) -> bool {
    // SAFETY: a signal with this code has these fields.
    info.si_code == libc::SI_TIMER && unsafe { info.si_value() }.sival_ptr.cast_const() == (&raw const OURS).cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::thread::time_of;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Whether this thread, which blocks the signal, has got one of a timer's since it was asked last.
    fn is_signalled() -> bool {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: structures of this function's.
        unsafe {
            let mut info: libc::siginfo_t = zeroed();
            libc::sigtimedwait(&only_it(), &raw mut info, &raw const now) == INTERRUPT && sent(&info)
        }
    }

    fn only_it() -> libc::sigset_t {
        // SAFETY: a set is plain data.
        unsafe {
            let mut set = zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, INTERRUPT);
            set
        }
    }

    fn work(for_this_long: Duration) {
        // SAFETY: no preconditions.
        let this = unsafe { libc::gettid() };
        let before = time_of(this).expect("it is there");
        while time_of(this).expect("it is there") - before < for_this_long {}
    }

    #[test]
    fn a_thread_is_signalled_once_and_while_it_works() {
        const LONG: Duration = Duration::from_millis(50);
        let (tell, told) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            // SAFETY: this thread's own signals.
            let this = unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, &only_it(), null_mut());
                libc::gettid()
            };
            tell.send(this).expect("it waits");
            wait.recv().expect("it is told");
            let waited = is_signalled();
            work(LONG);
            let worked = is_signalled();
            work(LONG);
            (waited, worked, is_signalled())
        });
        let timer = CpuTimer::new(told.recv().expect("it tells")).expect("there are timers");
        assert!(timer.set());
        work(LONG);
        go_on.send(()).expect("it waits");
        assert_eq!(other.join().expect("it ends"), (false, true, false));
        assert!(!timer.set(), "the thread is gone");
        assert!(CpuTimer::new(timer.thread()).is_none());
    }
}
