//! Where a store's wasm code spends its time: a look at the program counter of its thread now and then. The code
//! does nothing for that; where nobody looks there is no cost, and a look costs the thread a signal.

use crate::activation::Shared;
use crate::sys::signal;
use crate::sys::thread::time_of;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Looks at one store, which it does not keep alive.
#[derive(Debug)]
pub struct Sampler {
    shared: Weak<Shared>,
    /// What the store's thread had used of the processor at the last look.
    used: Duration,
}

impl Sampler {
    pub(crate) fn new(shared: Weak<Shared>) -> Sampler {
        Sampler { shared, used: Duration::ZERO }
    }

    /// Where wasm code was when it was asked last: an address of code. Asks again, if the store's thread has used the processor for
    /// `least` since then: one that waits in a system call is not disturbed. `Err` if the store is gone.
    pub fn look(&mut self, least: Duration) -> Result<Option<usize>, Gone> {
        let shared = self.shared.upgrade().ok_or(Gone)?;
        let seen = shared.seen_at.swap(0, Ordering::Relaxed);
        let thread = shared.running.load(Ordering::Relaxed);
        if thread != 0
            && let Some(used) = time_of(thread)
            && used.saturating_sub(std::mem::replace(&mut self.used, used)) >= least
        {
            signal::send_interrupt(thread);
        }
        Ok((seen != 0).then_some(seen))
    }
}

/// The store does not exist any more.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Gone;
