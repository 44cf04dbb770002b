//! Where a store's wasm code spends its time: a look at the program counter of its thread now and then. The code
//! does nothing for that; where nobody looks there is no cost, and a look costs the thread a signal.
//!
//! A signal may end a system call that waits. So it is a timer on what the thread uses of the processor that sends it: one that waits
//! is not asked. It may still begin to wait at that moment: host functions go on with what was cut short.

use crate::activation::Shared;
use crate::sys::thread::time_of;
use crate::sys::timer::CpuTimer;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
    /// Asks that thread.
    timer: Option<CpuTimer>,
}

impl Sampler {
    pub(crate) fn new(shared: Weak<Shared>) -> Sampler {
        Sampler { shared, used: Duration::ZERO, timer: None }
    }

    /// `None` if the store is gone.
    fn look(&mut self, looked: &mut Looked) -> Option<()> {
        let shared = self.shared.upgrade()?;
        looked.seen.extend(Some(shared.seen_at.swap(0, Ordering::Relaxed)).filter(|&at| at != 0));
        let thread = shared.running.load(Ordering::Relaxed);
        let Some(used) = Some(thread).filter(|&thread| thread != 0).and_then(time_of) else { return Some(()) };
        looked.busy |= used > std::mem::replace(&mut self.used, used);
        let timer = self.timer.take().filter(|timer| timer.thread() == thread).or_else(|| CpuTimer::new(thread));
        // At each look once more: whatever runs then is not asked all the time, should nobody look any more.
        self.timer = timer.filter(CpuTimer::set);
        Some(())
    }
}
