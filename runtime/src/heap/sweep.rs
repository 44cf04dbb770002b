//! Sweeps: the activations table becomes exactly what frames hold, and what left it is released.
//!
//! A sweep costs what it walks: entries of the table and frames. Room is made for twice what was
//! found and one entry a frame more, so that at least as much work lies between two sweeps as the
//! second will cost. What fills the heap rather than the table (large exceptions, values that the
//! host makes) asks for a sweep when as many objects or bytes were added as there were, or as the
//! frames are worth. A heap without room is swept before that is said.

use super::activations::MINIMUM;
use super::{Heap, Occasion, frames};
use crate::activation::Shared;
use sconce_environ::heap::state;

impl Heap {
    /// Sweeps. Dead host values are left for the caller to drop.
    pub(crate) fn sweep(&mut self, shared: &Shared, why: Occasion) {
        self.sweeps.count(why);
        self.cage.reset_null();
        self.settle_host();
        if self.objects == 0 {
            // No frame can hold anything, and the table is empty.
            self.activations.answered();
            self.schedule(0);
            return;
        }
        let before = self.activations.take();

        // Each object once: those found so far are marked.
        let mut exact = Vec::with_capacity(before.len());
        let mut maps = std::mem::take(&mut self.maps);
        let walked = frames::walk(shared, &mut maps, |handle| {
            let Some(object) = self.object(handle) else { return };
            // SAFETY: a live object, of which nobody has a Rust reference.
            unsafe {
                if (*object).state & state::MARKED != 0 {
                    return;
                }
                // From an immutable global: reading one inserts nothing.
                if (*object).state & state::IN_TABLE == 0 {
                    (*object).state += state::ONE | state::IN_TABLE;
                }
                (*object).state |= state::MARKED;
            }
            exact.push(handle);
        });
        maps.trim();
        self.maps = maps;
        self.frames_walked += walked;

        for &handle in &before {
            let Some(object) = self.object(handle) else { continue };
            // SAFETY: as above.
            unsafe {
                if (*object).state & state::MARKED == 0 {
                    (*object).state &= !state::IN_TABLE;
                    self.release(handle);
                }
            }
        }
        for &handle in &exact {
            if let Some(object) = self.object(handle) {
                // SAFETY: as above.
                unsafe { (*object).state &= !state::MARKED };
            }
        }
        let capacity = (2 * exact.len() + walked as usize).max(MINIMUM);
        self.activations.replace(exact, capacity);
        self.bury();
        self.schedule(walked as usize);
    }
}
