//! Code that does not end is interrupted: a wrong jump or a lost counter would otherwise end the search.

use sconce_engine::InterruptHandle;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// How long a case may take; all of them end within a fraction of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is watched, by number.
static WATCHED: Mutex<(u64, Vec<(u64, Instant, InterruptHandle)>)> = Mutex::new((0, Vec::new()));

/// Ends the watch when it is dropped.
pub(super) struct Watched(u64);

/// Watches a store from now on.
pub(super) fn watch(handle: InterruptHandle) -> Watched {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let late: Vec<InterruptHandle> = {
                    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
                    watched.1.iter().filter(|w| w.1.elapsed() > PATIENCE).map(|w| w.2.clone()).collect()
                };
                // Without the lock: it is acknowledged by the code itself.
                late.iter().for_each(InterruptHandle::interrupt);
            }
        });
    });
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.0 += 1;
    let number = watched.0;
    watched.1.push((number, Instant::now(), handle));
    Watched(number)
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner).1.retain(|w| w.0 != self.0);
    }
}
