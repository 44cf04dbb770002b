//! Where a store's wasm code spends its time: a look at the program counter of its thread now and then. The code
//! does nothing for that; where nobody looks there is no cost, and a look costs the thread a signal.
//!
//! A signal may end a system call that waits, so a thread is only asked while it uses the processor. It may still begin to
//! wait at that moment: host functions go on with what was cut short.

use crate::activation::Shared;
use crate::sys::signal;
use crate::sys::thread::time_of;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Looks at stores, which it does not keep alive.
#[derive(Debug, Default)]
pub struct Samplers(Vec<Sampler>);

/// What a look has found.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// Where wasm code was, when it was asked last.
    pub seen: Vec<usize>,
    /// Whether a thread has used the processor since then.
    pub busy: bool,
}

impl Samplers {
    /// Looks at the store of this sampler, too.
    pub fn add(&mut self, sampler: Sampler) {
        self.0.retain(|known| known.shared.strong_count() > 0);
        // A store may have several instances.
        if !self.0.iter().any(|known| known.shared.ptr_eq(&sampler.shared)) {
            self.0.push(sampler);
        }
    }

    /// Where wasm code was when it was asked last; asks again.
    pub fn look(&mut self) -> Looked {
        let mut looked = Looked::default();
        self.0.retain_mut(|sampler| sampler.look(&mut looked).is_some());
        looked
    }
}

/// Looks at one store.
#[derive(Debug)]
pub struct Sampler {
    shared: Weak<Shared>,
    /// What the store's thread had used of the processor at the last look.
    used: Duration,
    /// Whether it was asked then, how often it was not in wasm code since it last was, and how many looks are left out for that.
    asked: bool,
    missed: u32,
    pause: u32,
}

/// How long a thread is watched before it is asked: one that waits in a system call does not use the processor meanwhile.
const WATCHED: Duration = Duration::from_micros(20);
/// What it must have used of that.
const RUNNING: Duration = Duration::from_micros(5);
/// After a signal that came while the host worked for the program the next ones come less often: no call is to be cut short again and again.
const MOST_MISSED: u32 = 8;

impl Sampler {
    pub(crate) fn new(shared: Weak<Shared>) -> Sampler {
        Sampler { shared, used: Duration::ZERO, asked: false, missed: 0, pause: 0 }
    }

    /// `None` if the store is gone.
    fn look(&mut self, looked: &mut Looked) -> Option<()> {
        let shared = self.shared.upgrade()?;
        let seen = shared.seen_at.swap(0, Ordering::Relaxed);
        if seen != 0 {
            looked.seen.push(seen);
        }
        if std::mem::take(&mut self.asked) {
            self.missed = if seen == 0 { (self.missed + 1).min(MOST_MISSED) } else { 0 };
            self.pause = (1 << self.missed) - 1;
        }
        let thread = shared.running.load(Ordering::Relaxed);
        if thread == 0 {
            return Some(());
        }
        let Some(used) = time_of(thread) else { return Some(()) };
        let busy = used > std::mem::replace(&mut self.used, used);
        looked.busy |= busy;
        if let Some(rest) = self.pause.checked_sub(1) {
            self.pause = rest;
            return Some(());
        }
        if busy && is_running(thread, used) {
            signal::send_interrupt(thread);
            self.asked = true;
        }
        Some(())
    }
}

/// Whether a thread uses the processor right now, as far as that can be seen from outside.
fn is_running(thread: i32, before: Duration) -> bool {
    let since = Instant::now();
    while since.elapsed() < WATCHED {
        std::hint::spin_loop();
    }
    time_of(thread).is_some_and(|used| used.saturating_sub(before) >= RUNNING)
}
