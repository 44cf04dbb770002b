//! For tests: both compilers' code in one program, exchanged in the middle of it, the same way for the same number.

use super::LazyCode;
use sconce_environ::index::DefinedFuncIndex;
use std::sync::{Mutex, PoisonError};

/// See [`crate::Config::mixed_tiers`].
pub(super) struct Mix {
    seed: u64,
    /// Functions that have code.
    compiled: Mutex<Vec<DefinedFuncIndex>>,
}

impl Mix {
    pub(super) fn new(seed: u64) -> Mix {
        Mix { seed, compiled: Mutex::default() }
    }

    /// A function has been compiled because it was called: half of them at once get the other compiler's code, and so does, half of the
    /// time, one that was called before, which may be on the stack.
    pub(super) fn compiled(&self, code: &LazyCode, func: DefinedFuncIndex) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.push(func);
        let number = mixed(self.seed ^ compiled.len() as u64);
        let other = compiled[(number >> 8) as usize % compiled.len()];
        drop(compiled);
        for (wanted, func) in [(number & 1 != 0, func), (number & 2 != 0, other)] {
            if wanted {
                // What cannot be compiled so stays as it is.
                let _ = code.compile_better(func);
            }
        }
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}
