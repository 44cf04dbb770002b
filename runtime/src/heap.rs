//! The reference heap: objects that wasm names by handles, and their counts, which are deferred.
//!
//! # The idea
//!
//! Counting what locals and operands hold would cost more than what they are used for. So frames own no counts. Instead the
//! activations table ([`activations`]) names at least every object that a frame holds, and owns one count for each entry. What
//! comes into a frame from outside (`table.get`, `global.get`, results of host calls, arguments from the host, caught payloads)
//! is inserted there, unless a bit in the object's header says that it is there; moving it between locals, operands and wasm
//! functions does nothing. Now and then a sweep ([`sweep`]) walks the frames with their stack maps, finds out exactly what they
//! hold, and releases the rest. Writes to tables and globals count at once, through one barrier.
//!
//! K. Quinane's thesis "An Examination of Deferred Reference Counting and Cycle Detection" (2004) is the background. Host values
//! cannot be asked what they refer to, so a cycle through one lives until its store is dropped.
//!
//! # Always true
//!
//! - Outside a builtin, every object that a wasm frame holds is in the activations table, or in an immutable global. So an
//!   object whose count is 0 is held by nobody.
//! - An object has at most one entry in the table, and its header's `IN_TABLE` bit says whether it does. So the table is never
//!   longer than there are objects.
//! - The table owns one count for each entry, a table's element, a global, a field of an object and a [`HostRef`] one each.
//!   A builtin holds one on each reference that it was passed until it returns.
//! - Inserting from the host's side never sweeps: between an insertion and the moment when a frame holds the
//!   handle nothing is released. Sweeps happen in builtins, before a host function's body, around calls from
//!   the host, and where the host throws or makes an object for which there is no room, never in between.
//! - A host value is dropped when nothing is in the middle of anything: its object is gone already, tables and counts are right,
//!   and no other drop is under way in the store. It may enter the store again.
//! - The cage holds no host pointers: host values and the functions that exceptions carry are numbers there. A handle that is
//!   wrong leads to something in the cage, or to an inaccessible page; what is read of an exception is checked against its block
//!   and its tag.

pub(crate) mod activations;
pub(crate) mod cage;
mod frames;
mod host;
mod objects;
mod occasion;
mod sweep;
mod values;
mod verify;

use crate::activation::Shared;
use crate::budget::MemoryLimit;
use crate::error::ResourceError;
use crate::handle::StoreId;
use activations::Activations;
use cage::Cage;
use frames::MapCache;
pub use host::HostRef;
use host::HostRefs;
pub use occasion::{Occasion, SweepCounts};
use sconce_environ::heap::{ObjectKind, VmExtern, state};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use values::Values;

/// What the host knows about a store's reference heap.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct HeapStats {
    /// Objects that are alive.
    pub objects: usize,
    /// Bytes of the cage that have ever been given to objects.
    pub cage_bytes: usize,
    /// Entries of the activations table.
    pub activations: usize,
    /// How many it has room for.
    pub activations_capacity: usize,
    /// Sweeps so far.
    pub sweeps: SweepCounts,
    /// Frames that sweeps have looked at so far.
    pub frames_walked: u64,
}

/// Objects after which a sweep is asked for, should there be no more survivors than that.
const ALLOCATIONS_PER_SWEEP: usize = 1 << 16;
/// Bytes of objects after which a sweep is asked for, should survivors have no more than that.
const BYTES_PER_SWEEP: usize = 4 << 20;
/// Bytes of objects that are worth looking at a frame for.
const BYTES_PER_FRAME: usize = 64;

/// A store's reference heap.
pub(crate) struct Heap {
    pub(crate) cage: Cage,
    values: Values,
    pub(crate) activations: Activations,
    host: Arc<HostRefs>,
    shared: Arc<Shared>,
    /// Where the handles of each shape of exception are: offsets in bytes from the object.
    shapes: Vec<Arc<[u32]>>,
    /// The number of each shape.
    shape_numbers: HashMap<Arc<[u32]>, u32>,
    /// Objects whose last count is gone.
    dead: Vec<u32>,
    /// Host values of objects that are gone, still to be dropped.
    garbage: Vec<Box<dyn Any + Send + Sync>>,
    /// Whether somebody is dropping them.
    dropping: bool,
    /// References that builtins under way were passed.
    held: Vec<u32>,
    /// Counts that the host holds, by object; kept for the verifier alone.
    host_held: RefCell<HashMap<u32, u64>>,
    maps: MapCache,
    objects: usize,
    /// Objects after which the next sweep is asked for.
    allocations_left: usize,
    /// Bytes of objects after which it is.
    bytes_left: usize,
    sweeps: SweepCounts,
    frames_walked: u64,
    /// Sweep at every safe point, and verify.
    pub(crate) stress: bool,
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl Heap {
    /// An empty heap whose fields in the store's context are set up, and whose objects' memory counts against `limit`.
    ///
    /// # Safety
    /// The heap is the context's only one.
    pub(crate) unsafe fn new(store: StoreId, shared: &Arc<Shared>, limit: &MemoryLimit, stress: bool) -> Heap {
        Heap {
            cage: Cage::new(limit),
            values: Values::default(),
            // SAFETY: the heap keeps the context alive; no wasm runs yet.
            activations: unsafe { Activations::new(shared.vm(), stress) },
            host: HostRefs::new(store, shared.clone(), stress),
            shared: shared.clone(),
            shapes: Vec::new(),
            shape_numbers: HashMap::new(),
            dead: Vec::new(),
            garbage: Vec::new(),
            dropping: false,
            held: Vec::new(),
            host_held: RefCell::default(),
            maps: MapCache::default(),
            objects: 0,
            allocations_left: ALLOCATIONS_PER_SWEEP,
            bytes_left: BYTES_PER_SWEEP,
            sweeps: SweepCounts::default(),
            frames_walked: 0,
            stress,
        }
    }

    /// Gets address space for objects, the first time. To be called before code that can hold a handle runs;
    /// code in guard style needs the whole cage.
    pub(crate) fn prepare(&mut self, whole: bool) -> Result<(), ResourceError> {
        if self.cage.length() == 0 {
            self.cage.reserve(whole)?;
            let vm = self.shared.vm();
            // SAFETY: the heap keeps the context alive; no code runs that looks at these fields.
            unsafe {
                (*vm).cage_base = self.cage.base();
                (*vm).cage_length = self.cage.length();
            }
        }
        if whole && !self.cage.is_whole() { Err(ResourceError::ShortCage) } else { Ok(()) }
    }

    pub(crate) fn stats(&self) -> HeapStats {
        HeapStats {
            objects: self.objects,
            cage_bytes: self.cage.used(),
            activations: self.activations.len(),
            activations_capacity: self.activations.capacity(),
            sweeps: self.sweeps,
            frames_walked: self.frames_walked,
        }
    }

    // Counts.

    /// Adds references to an object. Null has no count.
    pub(crate) fn retain(&self, handle: u32, times: u64) {
        if let Some(object) = self.object(handle) {
            // SAFETY: a live object, of which nobody has a Rust reference.
            unsafe { (*object).state += times * state::ONE };
        }
    }

    /// Takes a reference away. Without any left the object is dead: [`Heap::bury`] takes it apart.
    pub(crate) fn release(&mut self, handle: u32) {
        let Some(object) = self.object(handle) else { return };
        // SAFETY: as above.
        let left = unsafe {
            debug_assert!((*object).state >= state::ONE, "a count falls below zero");
            (*object).state = (*object).state.saturating_sub(state::ONE);
            (*object).state
        };
        if left < state::ONE {
            self.dead.push(handle);
        }
    }

    /// Compiled code has taken the last reference away.
    pub(crate) fn released_last(&mut self, handle: u32) {
        debug_assert!(self.count(handle).is_some_and(|count| count == 0), "an object with references is no garbage");
        self.dead.push(handle);
    }

    /// The write barrier: puts a handle where another one is. The old one may die: [`Heap::bury`] follows.
    ///
    /// The same steps in the same order as in compiled code, where an interrupt between any two leaves at worst a count too
    /// many: nothing if both are the same, else count the new one, write, release the old one.
    ///
    /// # Safety
    /// `place` is an initialised element, global or field that the heap's store owns.
    pub(crate) unsafe fn write(&mut self, place: *mut u32, new: u32) {
        // SAFETY: the caller's promise.
        unsafe {
            let old = *place;
            if old != new {
                self.retain(new, 1);
                *place = new;
                self.release(old);
            }
        }
    }

    /// Makes sure that the activations table has an object that comes into a frame. Never sweeps.
    pub(crate) fn enter_frame(&mut self, handle: u32) {
        let Some(object) = self.object(handle) else { return };
        // SAFETY: a live object, of which nobody has a Rust reference.
        unsafe {
            if (*object).state & state::IN_TABLE == 0 {
                (*object).state += state::ONE | state::IN_TABLE;
                self.activations.push(handle);
            }
        }
    }

    /// Takes dead objects apart; what they refer to may die with them. Their host values wait for [`Heap::next_garbage`].
    pub(crate) fn bury(&mut self) {
        while let Some(handle) = self.dead.pop() {
            let Some(object) = self.object(handle) else { continue };
            // SAFETY: a live object of its kind.
            unsafe {
                if (*object).state >= state::ONE {
                    debug_assert!(false, "a dead object has references");
                    continue;
                }
                match ObjectKind::from_u8((*object).kind) {
                    Some(ObjectKind::Extern) => self.garbage.extend(self.values.take((*object.cast::<VmExtern>()).index)),
                    Some(ObjectKind::Exception) => {
                        for child in self.children(object) {
                            self.release(child);
                        }
                    }
                    Some(ObjectKind::Free | ObjectKind::Null) | None => {}
                }
                self.cage.free(handle);
            }
            self.objects -= 1;
        }
    }

    /// Whether something waits to be dropped, and nobody is about it.
    #[inline]
    pub(crate) fn has_garbage(&self) -> bool {
        !self.garbage.is_empty() && !self.dropping
    }

    /// The next host value to drop.
    pub(crate) fn next_garbage(&mut self) -> Option<Box<dyn Any + Send + Sync>> {
        self.garbage.pop()
    }

    pub(crate) fn set_dropping(&mut self, dropping: bool) {
        self.dropping = dropping;
    }

    /// A sweep has looked at so many frames. The next one is asked for when there is as much to be gained as it will cost.
    fn schedule(&mut self, walked: usize) {
        self.allocations_left = self.objects.max(ALLOCATIONS_PER_SWEEP).max(walked);
        self.bytes_left = self.cage.live().max(BYTES_PER_SWEEP).max(walked.saturating_mul(BYTES_PER_FRAME));
    }

    /// Asks for a sweep at the next safe point.
    pub(crate) fn ask(&mut self) {
        self.activations.ask();
        self.host.ask();
    }

    /// Something is to be done at the next boundary between wasm and the host.
    pub(crate) fn ask_for_boundary(&self) {
        self.host.ask();
    }

    // What the host holds.

    /// A count of the host's own.
    pub(crate) fn hold(&self, handle: u32) -> HostRef {
        self.retain(handle, 1);
        if self.stress {
            *self.host_held.borrow_mut().entry(handle).or_default() += 1;
        }
        HostRef::new(self.host.clone(), handle)
    }

    /// Whether the host has cloned or dropped references since the last time, or a sweep was asked for; under stress always.
    #[inline]
    pub(crate) fn host_waits(&self) -> bool {
        self.shared.host_waits()
    }

    /// Takes up what the host has cloned and dropped since the last time.
    pub(crate) fn settle_host(&mut self) {
        if !self.host_waits() {
            return;
        }
        let changes = self.host.take();
        // All additions first: the order between threads is anybody's guess, the sum is right.
        for &(handle, by) in changes.iter().filter(|c| c.1 > 0) {
            self.retain(handle, by.unsigned_abs());
        }
        for &(handle, by) in changes.iter().filter(|c| c.1 < 0) {
            (0..by.unsigned_abs()).for_each(|_| self.release(handle));
        }
        if self.stress {
            let all = self.host_held.get_mut();
            for (handle, by) in changes {
                let held = all.entry(handle).or_default();
                *held = held.wrapping_add_signed(by);
                if *held == 0 {
                    all.remove(&handle);
                }
            }
        }
        self.bury();
    }

    /// Holds what a builtin was passed.
    pub(crate) fn hold_argument(&mut self, handle: u32) {
        self.retain(handle, 1);
        self.held.push(handle);
    }

    /// Gives up the `count` references that were held last.
    pub(crate) fn release_arguments(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(handle) = self.held.pop() {
                self.release(handle);
            }
        }
        self.bury();
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // What values drop now may be references to each other: nobody is there to count them.
        self.host.close();
    }
}
