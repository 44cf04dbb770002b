//! Interrupts at any instant of a call, by a thread that waits for nothing else: calls take microseconds.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sconce_engine::InterruptHandle;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the two threads tell each other.
const IDLE: u32 = 0;
const CALLING: u32 = 1;
const INTERRUPTED: u32 = 2;
const OVER: u32 = 3;

/// Turns of waiting before an interrupt, at most: some calls end before.
const MAX_DELAY: u32 = 1 << 14;

/// A thread that interrupts a store.
pub(super) struct Interrupter<'a> {
    state: &'a AtomicU32,
    handle: &'a InterruptHandle,
}

/// Runs `run`, which can have its calls interrupted.
pub(super) fn with_interrupter<T>(handle: &InterruptHandle, seed: u64, run: impl FnOnce(&Interrupter<'_>) -> T) -> T {
    let state = AtomicU32::new(IDLE);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            loop {
                match state.load(Ordering::Acquire) {
                    CALLING => {
                        let most = 1 << rng.random_range(0..=MAX_DELAY.ilog2());
                        (0..rng.random_range(0..most)).for_each(|_| std::hint::spin_loop());
                        handle.interrupt();
                        state.store(INTERRUPTED, Ordering::Release);
                    }
                    OVER => return,
                    _ => std::thread::yield_now(),
                }
            }
        });
        let _over = Over(&state);
        run(&Interrupter { state: &state, handle })
    })
}

/// Ends the thread, also when a panic does.
struct Over<'a>(&'a AtomicU32);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(OVER, Ordering::Release);
    }
}

impl Interrupter<'_> {
    /// Does `call`, which is interrupted, or ends before.
    pub(super) fn during(&self, call: &mut dyn FnMut()) {
        self.state.store(CALLING, Ordering::Release);
        call();
        while self.state.load(Ordering::Acquire) != INTERRUPTED {
            std::thread::yield_now();
        }
        self.handle.clear();
    }
}
