//! What a program may hold: of one store, or of several that one program runs on. Of stores that ask for it
//! ([`crate::StoreOptions::all_counts`]) everything counts, their stacks, instances and code too.

use crate::error::ResourceError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What memory lengths may come to when nothing else limits them.
pub(crate) const NO_LIMIT: u64 = 1 << 46;

/// Elements that a table may have where nobody has said it, whatever the limit of memory is: README.md says so. Guests can ask for
/// 2^32 of 32 bytes.
pub const DEFAULT_TABLE_ELEMENTS: u64 = 10_000_000;

/// What memory is taken for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Purpose {
    /// Linear memories.
    Memories,
    /// Tables.
    Tables,
    /// References, and the exceptions that they name.
    References,
    /// Call stacks, as far as they are used.
    Stacks,
    /// What instances consist of, but for the above.
    Instances,
    /// Modules: compiled code and its tables, data, what is known of them.
    Modules,
    /// What the host keeps for the program, such as its descriptors.
    Host,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 7] = [
        Purpose::Memories,
        Purpose::Tables,
        Purpose::References,
        Purpose::Stacks,
        Purpose::Instances,
        Purpose::Modules,
        Purpose::Host,
    ];

    /// What they are called together: one word, in lower case.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What one of them is called.
    fn one(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Purpose::Memories => ("memories", "a memory"),
            Purpose::Tables => ("tables", "a table"),
            Purpose::References => ("references", "references"),
            Purpose::Stacks => ("stacks", "a call stack"),
            Purpose::Instances => ("instances", "an instance"),
            Purpose::Modules => ("modules", "a module"),
            Purpose::Host => ("host", "the host"),
        }
    }
}

/// A limit on the bytes of what counts as memory, and how many of them are taken. Clones are the same limit.
#[derive(Clone, Debug)]
pub struct MemoryLimit(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    bytes: Option<u64>,
    table_elements: u64,
    all: Taken,
    by_purpose: [Taken; Purpose::ALL.len()],
    refused: AtomicBool,
    refused_elements: AtomicBool,
}

/// Bytes that are taken, and the most that ever were.
#[derive(Debug, Default)]
struct Taken {
    now: AtomicU64,
    most: AtomicU64,
}

impl Taken {
    fn add(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: u64) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Default for MemoryLimit {
    fn default() -> Self {
        MemoryLimit::new(None)
    }
}

impl MemoryLimit {
    /// At most so many bytes; `None` is no limit. A table has at most [`DEFAULT_TABLE_ELEMENTS`].
    pub fn new(bytes: Option<u64>) -> MemoryLimit {
        MemoryLimit::with_tables(bytes, DEFAULT_TABLE_ELEMENTS)
    }

    /// At most so many bytes, and so many elements in each table.
    pub fn with_tables(bytes: Option<u64>, table_elements: u64) -> MemoryLimit {
        MemoryLimit(Arc::new(Limit {
            bytes,
            table_elements,
            all: Taken::default(),
            by_purpose: Default::default(),
            refused: AtomicBool::new(false),
            refused_elements: AtomicBool::new(false),
        }))
    }

    /// The bytes that may be taken; `None` is no limit.
    pub fn bytes(&self) -> Option<u64> {
        self.0.bytes
    }

    /// The elements that a table may have.
    pub fn table_elements(&self) -> u64 {
        self.0.table_elements
    }

    /// Bytes that are taken now.
    pub fn used(&self) -> u64 {
        self.0.all.now.load(Ordering::Relaxed)
    }

    /// The most bytes that ever were taken at once.
    pub fn peak(&self) -> u64 {
        self.0.all.most.load(Ordering::Relaxed)
    }

    /// The most bytes that ever were taken at once for this purpose.
    pub fn peak_of(&self, purpose: Purpose) -> u64 {
        self.0.by_purpose[purpose as usize].most.load(Ordering::Relaxed)
    }

    /// Whether something was not had since the limit of bytes was reached.
    pub fn has_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Whether a table was too large for the limit on its elements.
    pub fn has_refused_elements(&self) -> bool {
        self.0.refused_elements.load(Ordering::Relaxed)
    }

    /// Notes that a table was too large.
    pub(crate) fn refuse_elements(&self) {
        self.0.refused_elements.store(true, Ordering::Relaxed);
    }
}

/// An owner's share of a limit: given back when the owner is gone.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: MemoryLimit,
    taken: [u64; Purpose::ALL.len()],
}

impl MemoryBudget {
    /// Nothing yet.
    pub fn new(limit: &MemoryLimit) -> MemoryBudget {
        MemoryBudget { limit: limit.clone(), taken: Default::default() }
    }

    /// The limit that it is a share of.
    pub fn limit(&self) -> &MemoryLimit {
        &self.limit
    }

    /// Bytes that may be taken by all owners.
    pub(crate) fn most(&self) -> u64 {
        self.limit.0.bytes.unwrap_or(NO_LIMIT)
    }

    /// Takes bytes. Async-signal-safe.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn take(&mut self, purpose: Purpose, bytes: u64) -> Result<(), ResourceError> {
        let (most, limit) = (self.most(), &*self.limit.0);
        let add = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= most);
        match limit.all.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(used) => {
                limit.all.most.fetch_max(used + bytes, Ordering::Relaxed);
                limit.by_purpose[purpose as usize].add(bytes);
                self.taken[purpose as usize] += bytes;
                Ok(())
            }
            Err(used) => {
                limit.refused.store(true, Ordering::Relaxed);
                Err(match limit.bytes {
                    Some(limit) => ResourceError::MemoryLimit { what: purpose.one(), wanted: bytes, used, limit },
                    None => ResourceError::MemoryTooLarge { wanted: used.saturating_add(bytes), limit: most },
                })
            }
        }
    }

    /// Notes that something of so many bytes was not had, if that is because of the limit.
    pub(crate) fn note_refusal(&self, bytes: u64) {
        if bytes > self.most() {
            self.limit.0.refused.store(true, Ordering::Relaxed);
        }
    }

    /// Gives back bytes that were taken for this purpose.
    pub fn give_back(&mut self, purpose: Purpose, bytes: u64) {
        let taken = &mut self.taken[purpose as usize];
        debug_assert!(bytes <= *taken);
        *taken -= bytes;
        self.limit.0.by_purpose[purpose as usize].subtract(bytes);
        self.limit.0.all.subtract(bytes);
    }
}

impl Drop for MemoryBudget {
    fn drop(&mut self) {
        for purpose in Purpose::ALL {
            self.give_back(purpose, self.taken[purpose as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_share_a_limit_and_leave_nothing_behind() {
        let limit = MemoryLimit::new(Some(100));
        let (mut a, mut b) = (MemoryBudget::new(&limit), MemoryBudget::new(&limit));
        a.take(Purpose::Tables, 60).unwrap();
        let refused = b.take(Purpose::Memories, 41).unwrap_err().to_string();
        assert_eq!(refused, "a memory cannot have 41 bytes: the limit of memory is 100 bytes, and 60 are taken (--max-memory)");
        assert!(b.take(Purpose::Memories, u64::MAX).is_err());
        b.take(Purpose::Stacks, 40).unwrap();
        b.give_back(Purpose::Stacks, 10);
        assert_eq!(limit.used(), 90);
        drop(a);
        assert_eq!(limit.used(), 30);
        b.take(Purpose::Modules, 70).unwrap();
        drop(b);
        assert_eq!(limit.used(), 0);
        assert_eq!((limit.peak(), limit.peak_of(Purpose::Stacks), limit.peak_of(Purpose::Modules)), (100, 40, 70));
        assert!(limit.has_refused() && !limit.has_refused_elements());
        assert!(MemoryBudget::new(&MemoryLimit::default()).take(Purpose::Memories, NO_LIMIT + 1).is_err());
    }
}
