//! For tests: both compilers' code in one program, exchanged in the middle of it, the same way for the same number.

use super::LazyCode;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::osr::LoopCode;
use std::sync::{Mutex, PoisonError};

/// See [`crate::Config::mixed_tiers`].
pub(super) struct Mix {
    seed: u64,
    /// Functions that have code by Lightbeam, and where that begins.
    compiled: Mutex<Vec<(DefinedFuncIndex, usize)>>,
}

impl Mix {
    pub(super) fn new(seed: u64) -> Mix {
        Mix { seed, compiled: Mutex::default() }
    }

    /// A function has been compiled because it was called. Half of the time one of its loops goes on in the other compiler's code; and
    /// three times in eight later calls get that. The same holds for one that was called before, which may be on the stack.
    pub(super) fn compiled(&self, code: &LazyCode, func: DefinedFuncIndex) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let this = (func, code.code.target(func));
        compiled.push(this);
        let number = mixed(self.seed ^ compiled.len() as u64);
        let other = compiled[(number >> 8) as usize % compiled.len()];
        drop(compiled);
        for ((func, start), bits) in [(this, number >> 16), (other, number >> 32)] {
            // What cannot be compiled so stays as it is.
            if bits & 2 != 0 {
                let chosen = |loops: &[LoopCode]| loops.get((bits >> 4) as usize % loops.len().max(1)).cloned();
                let _ = code.replace_on_stack(func, start, chosen);
            }
            if bits & 3 == 1 || bits & 7 == 2 {
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
