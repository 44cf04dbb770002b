//! Where the entries of directories ended: what `fd_readdir` remembers. All directories of a guest share the room for it, so that
//! opening many of them takes no more of the host's memory than one large directory does.

use sconce_engine::speculation::masked;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Positions kept at most for one guest: 8 MiB.
pub(crate) const MOST: usize = 1 << 20;

/// Positions that a directory gets room for at first.
const FIRST: usize = 32;

/// The room that is left.
#[derive(Debug)]
pub(crate) struct Room(AtomicUsize);

impl Room {
    pub(crate) fn new(positions: usize) -> Arc<Room> {
        Arc::new(Room(AtomicUsize::new(positions)))
    }

    /// Takes as much as there is, up to `wanted`.
    fn take(&self, wanted: usize) -> usize {
        let less = |left: usize| Some(left - left.min(wanted));
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).unwrap_or(0);
        left.min(wanted)
    }
}

/// The positions of one directory: where entry n ended, for each n from 0 on.
#[derive(Debug)]
pub(crate) struct Positions {
    ends: Vec<u64>,
    /// Taken of the room.
    taken: usize,
    room: Arc<Room>,
}

impl Positions {
    pub(crate) fn new(room: &Arc<Room>) -> Positions {
        Positions { ends: Vec::new(), taken: 0, room: room.clone() }
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where entry `n` ended; the beginning, if that is not known.
    pub(crate) fn end_of(&self, n: usize) -> u64 {
        // A number of the program's, which may be predicted to be inside.
        self.ends.get(n).and_then(|_| self.ends.get(masked(n, self.ends.len()))).copied().unwrap_or(0)
    }

    /// Notes where entry `n` ended, which is one that is known or the first that is not, and gives the next one's number; none if
    /// there is no room.
    pub(crate) fn note(&mut self, n: usize, end: u64) -> Option<usize> {
        if let Some(known) = self.ends.get_mut(n) {
            *known = end;
            return Some(n + 1);
        }
        if self.ends.len() == self.taken {
            let more = self.room.take(self.taken.max(FIRST));
            if more == 0 {
                return None;
            }
            self.ends.reserve_exact(more);
            self.taken += more;
        }
        self.ends.push(end);
        Some(n + 1)
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_share_the_room_and_give_it_back() {
        let room = Room::new(100);
        let (mut a, mut b) = (Positions::new(&room), Positions::new(&room));
        let fill = |p: &mut Positions| (0..).take_while(|&n| p.note(n, n as u64 + 7) == Some(n + 1)).count();
        assert_eq!((0..33).map_while(|n| b.note(n, 1)).count(), 33, "64 of 100");
        assert_eq!(fill(&mut a), 36);
        assert_eq!((a.note(36, 0), a.note(35, 9), a.end_of(35), a.end_of(36), a.len()), (None, Some(36), 9, 0, 36));
        assert!(a.ends.capacity() <= 40);
        drop(b);
        assert_eq!(a.note(36, 0), Some(37));
        drop(a);
        assert_eq!(fill(&mut Positions::new(&room)), 100);
    }
}
