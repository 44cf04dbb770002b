//! References that the host holds.
//!
//! A [`HostRef`] owns a count. It can be cloned and dropped on any thread and at any time, while the store runs or after it is
//! gone; so neither touches the object. What happened is noted, and the store takes it up when it next has the word.

use crate::activation::Shared;
use crate::handle::StoreId;
use sconce_environ::vm::pending;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Notes after which they are summed up before more are taken.
const SUM_AFTER: usize = 1024;

/// What a store and its host references share.
#[derive(Debug)]
pub(crate) struct HostRefs {
    store: StoreId,
    /// Whether there is always something to do.
    always: bool,
    notes: Mutex<Notes>,
}

#[derive(Debug)]
struct Notes {
    /// Changes of counts by object: 64 bits, since clones can be forgotten.
    changes: Vec<(u32, i64)>,
    /// Length at which they are summed up next.
    sum_at: usize,
    /// Something else is to be done at the next boundary.
    asked: bool,
    /// Where [`pending::BOUNDARY`] says that there may be something to do: changed under the lock alone.
    /// `None` when the store is gone.
    store: Option<Arc<Shared>>,
}

impl HostRefs {
    pub(crate) fn new(store: StoreId, shared: Arc<Shared>, always: bool) -> Arc<HostRefs> {
        let notes = Notes { changes: Vec::new(), sum_at: SUM_AFTER, asked: false, store: Some(shared) };
        let this = Arc::new(HostRefs { store, always, notes: Mutex::new(notes) });
        this.publish(&this.notes());
        this
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether there is something to do.
    fn publish(&self, notes: &Notes) {
        let Some(store) = &notes.store else { return };
        let waiting = !notes.changes.is_empty() || notes.asked || self.always;
        // Most leave the bit as it is, and reading is cheaper than writing.
        match (store.host_waits(), waiting) {
            (false, true) => _ = store.pending().fetch_or(pending::BOUNDARY, Ordering::Relaxed),
            (true, false) => _ = store.pending().fetch_and(!pending::BOUNDARY, Ordering::Relaxed),
            _ => {}
        }
    }

    /// There is something to do at the next boundary.
    pub(crate) fn ask(&self) {
        let mut notes = self.notes();
        notes.asked = true;
        self.publish(&notes);
    }

    fn note(&self, handle: u32, by: i64) {
        let mut notes = self.notes();
        if notes.store.is_none() {
            return;
        }
        // A clone that is dropped again, the usual case, leaves nothing.
        match notes.changes.last_mut() {
            Some(last) if last.0 == handle => {
                last.1 += by;
                if last.1 == 0 {
                    notes.changes.pop();
                }
            }
            _ => notes.changes.push((handle, by)),
        }
        if notes.changes.len() >= notes.sum_at {
            notes.sum_up();
        }
        self.publish(&notes);
    }

    pub(crate) fn take(&self) -> Vec<(u32, i64)> {
        let mut notes = self.notes();
        notes.asked = false;
        notes.sum_at = SUM_AFTER;
        let changes = std::mem::take(&mut notes.changes);
        self.publish(&notes);
        changes
    }

    /// The store is gone: nothing is noted from here on.
    pub(crate) fn close(&self) {
        let mut notes = self.notes();
        notes.changes = Vec::new();
        notes.store = None;
    }
}

impl Notes {
    fn sum_up(&mut self) {
        self.changes.sort_unstable_by_key(|c| c.0);
        self.changes.dedup_by(|next, sum| {
            let same = next.0 == sum.0;
            if same {
                sum.1 += next.1;
            }
            same
        });
        self.changes.retain(|c| c.1 != 0);
        self.sum_at = (2 * self.changes.len()).max(SUM_AFTER);
    }
}

/// A reference to an object of a store's heap, with a count of its own. Not null.
///
/// The object, and with it the host value, lives at least as long as the reference or the store, whichever ends first. When the
/// last reference anywhere is gone, the value is dropped the next time the store runs, or sweeps.
#[derive(Debug)]
pub struct HostRef {
    refs: Arc<HostRefs>,
    handle: u32,
}

impl HostRef {
    pub(crate) fn new(refs: Arc<HostRefs>, handle: u32) -> HostRef {
        HostRef { refs, handle }
    }

    /// The store whose object it names.
    pub fn store(&self) -> StoreId {
        self.refs.store
    }

    /// The handle that wasm knows: never 0. Valid as long as `self`.
    pub fn handle(&self) -> u32 {
        self.handle
    }
}

impl Clone for HostRef {
    fn clone(&self) -> HostRef {
        self.refs.note(self.handle, 1);
        HostRef { refs: self.refs.clone(), handle: self.handle }
    }
}

impl Drop for HostRef {
    fn drop(&mut self) {
        self.refs.note(self.handle, -1);
    }
}

impl PartialEq for HostRef {
    /// Whether both name the same object.
    fn eq(&self, other: &HostRef) -> bool {
        self.handle == other.handle && self.refs.store == other.refs.store
    }
}

impl Eq for HostRef {}

impl std::hash::Hash for HostRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.handle, self.refs.store).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_clones_than_32_bits_count_are_counted() {
        let space = crate::code::CodeSpace::new(None).unwrap();
        let shared = Shared::new(crate::stack::WasmStack::new(1 << 16, None).unwrap(), space);
        let refs = HostRefs::new(StoreId::next(), shared, false);
        refs.note(64, i64::from(i32::MAX));
        refs.note(64, 1);
        // As another object's notes come between.
        refs.note(80, 1);
        refs.note(64, i64::from(i32::MAX));
        for _ in 0..SUM_AFTER {
            refs.note(80, 1);
            refs.note(64, 1);
        }
        let sum = |handle| refs.notes.lock().unwrap().changes.iter().filter(|c| c.0 == handle).map(|c| c.1).sum::<i64>();
        assert_eq!(sum(64), 2 * i64::from(i32::MAX) + 1 + SUM_AFTER as i64);
        assert_eq!(sum(80), 1 + SUM_AFTER as i64);
    }
}
