//! The activations table: names every object that a frame holds, and some that none does any more. It owns a count for each.
//!
//! Compiled code writes the next entry at `VmStoreContext::activations_next` and moves that on, up to `activations_end`; whatever
//! else happens to the table happens here.

use sconce_environ::vm::VmStoreContext;
use std::ptr::{null_mut, without_provenance_mut};

/// Entries that there is room for at least, once there are any.
pub(crate) const MINIMUM: usize = 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Activations {
    vm: *mut VmStoreContext,
    /// Room for the entries; how many there are, the context says.
    room: Vec<u32>,
    /// No room for compiled code, and a sweep at every boundary.
    stress: bool,
    /// A sweep was asked for.
    asked: bool,
}

impl Activations {
    /// An empty table without room.
    ///
    /// # Safety
    /// `vm` is valid as long as the table.
    pub(crate) unsafe fn new(vm: *mut VmStoreContext, stress: bool) -> Activations {
        let mut this = Activations { vm, room: Vec::new(), stress, asked: false };
        this.publish(0);
        this
    }

    /// Tells compiled code where things are, with `len` entries.
    fn publish(&mut self, len: usize) {
        let base = self.room.as_mut_ptr();
        let closed = self.stress || self.asked;
        // SAFETY: `vm` is valid as long as `self`, and no wasm code is running. `len` is within the room. No
        // reference to the whole context is made: other threads write its `pending`.
        unsafe {
            let vm = self.vm;
            let next = base.add(len);
            (*vm).activations_next = next;
            (*vm).activations_end = if closed { next } else { base.add(self.room.len()) };
            (*vm).activations_threshold = match self.room.len() {
                _ if closed => null_mut(),
                // Nothing to sweep. (Every address is below.)
                0 => without_provenance_mut(usize::MAX),
                room => base.add(room / 4 * 3),
            };
        }
    }

    pub(crate) fn len(&self) -> usize {
        // SAFETY: as above. The context's pointer is into the room, or equal to its start.
        unsafe { ((*self.vm).activations_next as usize - self.room.as_ptr() as usize) / size_of::<u32>() }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.room.len()
    }

    /// Whether a boundary between wasm and the host should sweep.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.vm).activations_next >= (*self.vm).activations_threshold }
    }

    /// Whether a sweep was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Asks for a sweep at the next safe point: an insertion by compiled code, a builtin or a boundary.
    pub(crate) fn ask(&mut self) {
        self.asked = true;
        self.publish(self.len());
    }

    /// What was asked for is done.
    pub(crate) fn answered(&mut self) {
        if self.asked {
            self.asked = false;
            self.publish(self.len());
        }
    }

    /// Adds an entry. Where there is no room, there is more afterwards: at most as many entries as there are objects.
    pub(crate) fn push(&mut self, handle: u32) {
        let len = self.len();
        if len == self.room.len() {
            self.room.resize((2 * len).max(MINIMUM), 0);
        }
        self.room[len] = handle;
        self.publish(len + 1);
    }

    /// The entries.
    pub(crate) fn entries(&self) -> &[u32] {
        &self.room[..self.len()]
    }

    /// Takes all entries out. [`Activations::replace`] follows.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        let len = self.len();
        let mut room = std::mem::take(&mut self.room);
        room.truncate(len);
        self.publish(0);
        room
    }

    /// Replaces the entries by these, with room for `capacity`.
    pub(crate) fn replace(&mut self, mut exact: Vec<u32>, capacity: usize) {
        let len = exact.len();
        exact.resize(capacity.max(len), 0);
        self.room = exact;
        self.asked = false;
        self.publish(len);
    }
}
