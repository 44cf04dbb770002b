//! Descriptors by number; a new one gets the lowest that is free.

use super::errno::{Errno, Outcome};
use super::handle::Handle;
use crate::host::denial::{self, Rule};
use sconce_engine::speculation::masked;
use sconce_engine::{MemoryBudget, MemoryLimit, Purpose};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Most descriptors that a guest can have at once; more is `EMFILE`. The host's own limit may come first.
pub const MAX_DESCRIPTORS: usize = 65_536;

/// The table of a guest.
#[derive(Debug)]
pub(crate) struct Table {
    entries: RwLock<Entries>,
    limit: usize,
}

#[derive(Debug)]
struct Entries {
    slots: Vec<Option<Arc<Handle>>>,
    /// No slot below is free.
    lowest: usize,
    open: usize,
    most_open: usize,
    refused: bool,
    budget: MemoryBudget,
}

/// Bytes that a descriptor counts as: what is kept of it here, and what the kernel keeps.
const BYTES: u64 = 1 << 10;

impl Entries {
    /// Counts one more.
    fn count(&mut self) -> Outcome {
        self.budget.take(Purpose::Host, BYTES).map_err(|_| Errno::NoMem)?;
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
        Ok(())
    }

    /// Counts one less.
    fn discount(&mut self) {
        self.open -= 1;
        self.budget.give_back(Purpose::Host, BYTES);
    }

    /// The error of one too many.
    fn refuse(&mut self) -> Errno {
        self.refused = true;
        denial::note(Rule::Descriptors);
        Errno::MFile
    }
}

impl Table {
    /// An empty one for so many descriptors, whose memory counts against this limit.
    pub(crate) fn new(limit: usize, memory: &MemoryLimit) -> Table {
        let budget = MemoryBudget::new(memory);
        let entries = Entries { slots: Vec::new(), lowest: 0, open: 0, most_open: 0, refused: false, budget };
        Table { entries: RwLock::new(entries), limit }
    }

    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were open at once, at most, and whether there were to be more.
    pub(crate) fn usage(&self) -> (usize, bool) {
        let entries = self.entries();
        (entries.most_open, entries.refused)
    }

    /// The descriptor, if it has these rights.
    #[inline]
    pub(crate) fn get(&self, fd: u32, needed: u64) -> Outcome<Arc<Handle>> {
        let entries = self.entries();
        if fd as usize >= entries.slots.len() {
            return Err(Errno::BadF.into());
        }
        // A number of the program's, which may be predicted to be inside.
        let d = entries.slots[masked(fd as usize, entries.slots.len())].as_ref().ok_or(Errno::BadF)?;
        d.check(needed)?;
        Ok(d.clone())
    }

    /// A place for a new descriptor: its number.
    pub(crate) fn insert(&self, d: Handle) -> Outcome<u32> {
        let d = Some(Arc::new(d));
        let mut entries = self.change();
        let lowest = entries.lowest;
        let free = entries.slots[lowest..].iter().position(Option::is_none).map_or(entries.slots.len(), |n| lowest + n);
        if free >= self.limit {
            return Err(entries.refuse().into());
        }
        entries.count()?;
        let Entries { slots, lowest, .. } = &mut *entries;
        match slots.get_mut(free) {
            Some(slot) => *slot = d,
            None => slots.push(d),
        }
        *lowest = free + 1;
        Ok(free as u32)
    }

    /// Gives the next number to a descriptor, or leaves it free.
    pub(crate) fn push(&self, d: Option<Handle>) -> Outcome {
        let mut entries = self.change();
        if entries.slots.len() >= self.limit {
            return Err(entries.refuse().into());
        }
        if d.is_some() {
            entries.count()?;
        }
        let Entries { slots, lowest, .. } = &mut *entries;
        if d.is_some() && *lowest == slots.len() {
            *lowest += 1;
        }
        slots.push(d.map(Arc::new));
        Ok(())
    }

    /// All of them, for now.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.entries().slots.iter().flatten().cloned().collect()
    }

    /// Takes a descriptor out. It is closed when the last call that uses it has returned.
    pub(crate) fn remove(&self, fd: u32) -> Outcome<Arc<Handle>> {
        let mut entries = self.change();
        let d = entries.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BadF)?;
        entries.lowest = entries.lowest.min(fd as usize);
        entries.discount();
        Ok(d)
    }

    /// Gives the descriptor `from` the number of another, which is returned to be closed. Both must be open.
    pub(crate) fn renumber(&self, from: u32, to: u32) -> Outcome<Option<Arc<Handle>>> {
        let (from, to) = (from as usize, to as usize);
        let mut entries = self.change();
        let open = |n: usize| entries.slots.get(n).is_some_and(Option::is_some);
        if !open(from) || !open(to) {
            return Err(Errno::BadF.into());
        }
        if from == to {
            return Ok(None);
        }
        let moved = entries.slots[from].take();
        entries.lowest = entries.lowest.min(from);
        entries.discount();
        Ok(std::mem::replace(&mut entries.slots[to], moved))
    }
}
