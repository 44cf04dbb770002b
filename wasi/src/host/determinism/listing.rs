//! What is in a directory, by name: file systems have orders of their own, and change them.

use rustix::fs::FileType;
use rustix::io::{Errno, Result};
use sconce_engine::{MemoryBudget, MemoryLimit, Purpose};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all listings of a program take at most. More are `ENOMEM`.
pub(crate) const MOST: usize = 64 << 20;

/// The room that is left, and what else it counts against.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<AtomicUsize>, MemoryLimit);

impl Room {
    pub(crate) fn new(bytes: usize, memory: &MemoryLimit) -> Room {
        Room(Arc::new(AtomicUsize::new(bytes)), memory.clone())
    }

    fn take(&self, bytes: usize) -> Result<()> {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).map(drop).map_err(|_| Errno::NOMEM)
    }
}

/// A name in a directory, and what it names.
#[derive(Debug)]
pub(crate) struct Named {
    pub name: Box<[u8]>,
    pub number: u64,
    pub kind: FileType,
}

/// The entries of a directory at some moment.
#[derive(Debug)]
pub(crate) struct Listing {
    entries: Vec<Named>,
    taken: usize,
    room: Room,
    budget: MemoryBudget,
}

impl Listing {
    pub(crate) fn new(room: &Room) -> Listing {
        Listing { entries: Vec::new(), taken: 0, room: room.clone(), budget: MemoryBudget::new(&room.1) }
    }

    pub(crate) fn add(&mut self, name: &[u8]) -> Result<()> {
        // The vector may have twice the room that it needs.
        let bytes = 2 * size_of::<Named>() + name.len().next_multiple_of(16);
        self.room.take(bytes)?;
        self.taken += bytes;
        self.budget.take(Purpose::Host, bytes as u64).map_err(|_| Errno::NOMEM)?;
        self.entries.push(Named { name: name.into(), number: 0, kind: FileType::Unknown });
        Ok(())
    }

    /// Puts the entries in order, the directory itself and the one above first, and has each looked at in that order: its number
    /// and type. What is gone is left out.
    pub(crate) fn finish(&mut self, mut look: impl FnMut(&[u8]) -> Result<Option<(u64, FileType)>>) -> Result<()> {
        let special = |name: &[u8]| !matches!(name, b"." | b"..");
        self.entries.sort_by(|a, b| (special(&a.name), &a.name).cmp(&(special(&b.name), &b.name)));
        let mut failed = None;
        self.entries.retain_mut(|entry| match look(&entry.name) {
            Ok(found) => found.map(|(number, kind)| (entry.number, entry.kind) = (number, kind)).is_some(),
            Err(e) => {
                failed.get_or_insert(e);
                false
            }
        });
        failed.map_or(Ok(()), Err)
    }

    /// Those from the one of this number on.
    pub(crate) fn from(&self, number: usize) -> &[Named] {
        self.entries.get(number..).unwrap_or_default()
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_looked_at_in_order_and_room_is_given_back() {
        let room = Room::new(1000, &MemoryLimit::default());
        let mut listing = Listing::new(&room);
        for name in ["b", "..", "a\u{e4}", "-", ".", "gone", "a"] {
            listing.add(name.as_bytes()).unwrap();
        }
        let mut n = 0;
        let look = |name: &[u8]| {
            n += 1;
            Ok((name != b"gone").then_some((n, FileType::RegularFile)))
        };
        listing.finish(look).unwrap();
        let names: Vec<_> = listing.from(0).iter().map(|e| (&*e.name, e.number)).collect();
        let expected: [(&[u8], u64); 6] = [(b".", 1), (b"..", 2), (b"-", 3), (b"a", 4), ("a\u{e4}".as_bytes(), 5), (b"b", 6)];
        assert_eq!(names, expected);
        assert!(listing.from(7).is_empty());
        let filled = (0..).take_while(|_| listing.add(b"x").is_ok()).count();
        assert!(filled < 10);
        drop(listing);
        assert_eq!(Listing::new(&room).add(&[b'y'; 255]), Ok(()));
    }
}
