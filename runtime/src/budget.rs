//! What memories, tables and references may hold together: of one store, or of several that one program runs
//! on. Of stores that ask for it ([`crate::StoreOptions::all_counts`]) everything counts, their stacks and
//! instances too.

use crate::error::ResourceError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What memory lengths may come to when nothing else limits them.
pub(crate) const NO_LIMIT: u64 = 1 << 46;

/// A limit on the bytes of what counts as memory, and how many of them are taken. Clones are the same limit.
#[derive(Clone, Debug, Default)]
pub struct MemoryLimit(Arc<Limit>);

#[derive(Debug, Default)]
struct Limit {
    limit: Option<u64>,
    used: AtomicU64,
}

impl MemoryLimit {
    /// At most so many bytes; `None` is no limit.
    pub fn new(limit: Option<u64>) -> MemoryLimit {
        MemoryLimit(Arc::new(Limit { limit, used: AtomicU64::new(0) }))
    }

    /// Whether there is a limit.
    pub(crate) fn is_set(&self) -> bool {
        self.0.limit.is_some()
    }

    /// Bytes that are taken now.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }
}

/// An owner's share of a limit: given back when the owner is gone.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: MemoryLimit,
    taken: u64,
}

impl MemoryBudget {
    pub(crate) fn new(limit: &MemoryLimit) -> MemoryBudget {
        MemoryBudget { limit: limit.clone(), taken: 0 }
    }

    /// The limit that it is a share of.
    pub(crate) fn limit(&self) -> &MemoryLimit {
        &self.limit
    }

    /// Bytes that may be taken by all owners.
    pub(crate) fn most(&self) -> u64 {
        self.limit.0.limit.unwrap_or(NO_LIMIT)
    }

    /// Takes bytes, for what errors call `what`. Async-signal-safe.
    pub(crate) fn take(&mut self, what: &'static str, bytes: u64) -> Result<(), ResourceError> {
        let most = self.most();
        let add = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= most);
        match self.limit.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => {
                self.taken += bytes;
                Ok(())
            }
            Err(used) if self.limit.is_set() => Err(ResourceError::MemoryLimit { what, wanted: bytes, used, limit: most }),
            Err(used) => Err(ResourceError::MemoryTooLarge { wanted: used.saturating_add(bytes), limit: most }),
        }
    }

    /// Gives back bytes that were taken.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.taken);
        self.taken -= bytes;
        self.limit.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for MemoryBudget {
    fn drop(&mut self) {
        self.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_share_a_limit_and_leave_nothing_behind() {
        let limit = MemoryLimit::new(Some(100));
        let (mut a, mut b) = (MemoryBudget::new(&limit), MemoryBudget::new(&limit));
        a.take("a", 60).unwrap();
        let refused = b.take("b", 41).unwrap_err().to_string();
        assert_eq!(refused, "b cannot have 41 bytes: the limit of memory is 100 bytes, and 60 are taken (--max-memory)");
        assert!(b.take("b", u64::MAX).is_err());
        b.take("b", 40).unwrap();
        b.give_back(10);
        assert_eq!(limit.used(), 90);
        drop(a);
        assert_eq!(limit.used(), 30);
        b.take("b", 70).unwrap();
        drop(b);
        assert_eq!(limit.used(), 0);
        assert!(MemoryBudget::new(&MemoryLimit::default()).take("c", NO_LIMIT + 1).is_err());
    }
}
