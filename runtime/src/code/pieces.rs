//! What a region has that grows: pieces of text, each with tables of its own, in the order of their addresses.
//!
//! Signal handlers look for a piece while another thread adds one, so the list is never moved: it has room
//! for as many as there can be, which takes memory as it is used, and a count says how much of it is there.

use super::Tables;
use sconce_environ::code_tables::Stream;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::osr::LoopHead;
use sconce_environ::placement::LINE;
use std::alloc::{Layout, alloc_zeroed};
use std::cell::UnsafeCell;
use std::ptr::{NonNull, null};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Functions that were linked together.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Where it begins and ends in the region's text.
    pub start: u32,
    pub end: u32,
    /// Offsets are from its start, functions in their order here.
    pub tables: Tables,
    /// Which functions of the module those are.
    pub functions: Box<[DefinedFuncIndex]>,
    /// Loops that go on in other code.
    pub entries: [OnceLock<Box<OsrEntry>>; MAX_OSR_ENTRIES],
}

/// Where a loop goes on in other code: see [`crate::osr`].
#[derive(Debug)]
pub(crate) struct OsrEntry {
    /// Offset of the loop's head, as tables have it.
    pub offset: u32,
    /// What is where at that place.
    pub head: LoopHead,
    /// Address of the other code.
    pub target: usize,
}

/// Loops of one piece that may go on in other code, at most.
pub(crate) const MAX_OSR_ENTRIES: usize = 4;

impl Piece {
    /// Loops that go on in other code. Async-signal-safe.
    pub(crate) fn osr_entries(&self) -> impl Iterator<Item = &OsrEntry> {
        self.entries.iter().map_while(|entry| entry.get().map(|entry| &**entry))
    }

    /// Whether one more can be at this offset.
    pub(crate) fn has_room_for(&self, offset: u32) -> bool {
        self.entries.iter().any(|entry| entry.get().is_none()) && self.osr_entries().all(|entry| entry.offset != offset)
    }

    /// Adds one, if there is room.
    pub(crate) fn enter(&self, entry: OsrEntry) -> bool {
        let mut entry = Box::new(entry);
        for place in &self.entries {
            match place.set(entry) {
                Ok(()) => return true,
                Err(back) => entry = back,
            }
        }
        false
    }

    /// About how many bytes of memory it takes besides its code.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.tables.streams.iter().map(|stream| stream.len()).sum::<usize>();
        size_of::<Piece>() + size_of::<Record>() + size_of_val(&*self.functions) + size_of_val(&*self.tables.functions) + tables
    }
}

// Handlers and other threads share them.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Piece>();
};

/// Bytes that lie at least between the starts of two pieces.
const LEAST: usize = LINE as usize;

/// A place for a piece.
#[derive(Debug)]
struct Record {
    start: u32,
    piece: *const Piece,
}

/// See the module's documentation. Whoever adds pieces sees to it that nobody else does at the same time.
#[derive(Debug)]
pub(crate) struct Pieces {
    records: Box<[UnsafeCell<Record>]>,
    count: AtomicU32,
}

// SAFETY: a record is written before the count says that it is there, by one thread at a time, and never again.
unsafe impl Sync for Pieces {}
// SAFETY: pieces are owned, and may be dropped by any thread.
unsafe impl Send for Pieces {}

impl Pieces {
    /// For a text of so many bytes; `None` if there is no memory.
    pub(crate) fn new(text_len: usize) -> Option<Pieces> {
        let layout = Layout::array::<UnsafeCell<Record>>(text_len.div_ceil(LEAST).max(1)).ok()?;
        // SAFETY: the layout is not empty. Pages of it take memory when they are first written.
        let records = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let records = NonNull::slice_from_raw_parts(records.cast(), layout.size() / size_of::<Record>());
        // SAFETY: allocated as such a box is; all zeros is a record without a piece.
        let records = unsafe { Box::from_raw(records.as_ptr()) };
        Some(Pieces { records, count: AtomicU32::new(0) })
    }

    /// Adds the next one, unless there is no room or it does not lie behind the others. Handlers find it from here on.
    ///
    /// # Safety
    /// No other thread adds one meanwhile.
    pub(crate) unsafe fn add(&self, piece: Box<Piece>) -> bool {
        let count = self.count.load(Ordering::Relaxed) as usize;
        let end = count.checked_sub(1).and_then(|last| self.piece(last)).map_or(0, |piece| piece.end);
        let Some(record) = self.records.get(count).filter(|_| piece.start >= end && piece.end >= piece.start) else {
            return false;
        };
        // SAFETY: nobody reads the record before the count says that it is there, and by the caller's promise nobody else writes it.
        unsafe { *record.get() = Record { start: piece.start, piece: Box::into_raw(piece) } };
        self.count.store(count as u32 + 1, Ordering::Release);
        true
    }

    fn piece(&self, n: usize) -> Option<&Piece> {
        // SAFETY: who has a number below the count has seen the record written, which does not change any more; pieces live as long
        // as this.
        unsafe { (*self.records.get(n)?.get()).piece.as_ref() }
    }

    /// The piece that an offset is in. Async-signal-safe.
    pub(crate) fn at(&self, offset: u32) -> Option<&Piece> {
        let (mut low, mut high) = (0, self.count.load(Ordering::Acquire) as usize);
        while low < high {
            let middle = low + (high - low) / 2;
            // SAFETY: as in `piece`.
            let start = unsafe { (*self.records[middle].get()).start };
            if start <= offset { low = middle + 1 } else { high = middle }
        }
        self.piece(low.checked_sub(1)?).filter(|piece| offset < piece.end)
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let count = *self.count.get_mut() as usize;
        for record in &mut self.records[..count] {
            let piece = std::mem::replace(&mut record.get_mut().piece, null());
            if let Some(piece) = NonNull::new(piece.cast_mut()) {
                // SAFETY: from a box, in `add`, and dropped once.
                drop(unsafe { Box::from_raw(piece.as_ptr()) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lazy_pages::TableBytes;
    use sconce_environ::code_tables::CodeTables;

    fn piece(start: u32, end: u32) -> Box<Piece> {
        let tables = CodeTables::<Vec<u8>>::default().map(TableBytes::from);
        Box::new(Piece {
            start,
            end,
            tables,
            functions: Box::new([DefinedFuncIndex::from_u32(start)]),
            entries: Default::default(),
        })
    }

    #[test]
    fn pieces_are_found_by_every_byte_and_between_them_nothing_is() {
        let pieces = Pieces::new(4 * LEAST).unwrap();
        assert!(pieces.at(0).is_none());
        // SAFETY: one thread.
        let add = |start, end| unsafe { pieces.add(piece(start, end)) };
        assert!(add(8, 20) && add(20, 21) && add(64, 96));
        for (offset, found) in [
            (0, None),
            (7, None),
            (8, Some(8)),
            (19, Some(8)),
            (20, Some(20)),
            (21, None),
            (63, None),
            (64, Some(64)),
            (95, Some(64)),
            (96, None),
            (u32::MAX, None),
        ] {
            assert_eq!(pieces.at(offset).map(|piece| piece.start), found, "{offset}");
        }
        assert_eq!(pieces.len(), 3);
        // Not behind the others, ends before it begins; then the last place, and none.
        assert!(!add(95, 100) && !add(100, 99) && add(96, 128) && !add(128, 130));
    }

    /// What a reader sees is whole, while another thread adds.
    #[test]
    fn readers_see_whole_pieces() {
        const COUNT: u32 = 20_000;
        let pieces = Pieces::new(COUNT as usize * LEAST).unwrap();
        std::thread::scope(|scope| {
            let reader = || {
                let mut seen = 0;
                while seen < COUNT {
                    let last = pieces.len();
                    assert!(last >= seen);
                    for n in [0, last / 2, last.saturating_sub(1)].into_iter().filter(|&n| n < last) {
                        let piece = pieces.at(2 * n + 1).expect("it was counted");
                        assert_eq!((piece.start, piece.functions[0].as_u32()), (2 * n, 2 * n));
                    }
                    seen = last;
                }
            };
            scope.spawn(reader);
            scope.spawn(reader);
            for n in 0..COUNT {
                // SAFETY: one thread adds.
                assert!(unsafe { pieces.add(piece(2 * n, 2 * n + 2)) });
            }
        });
    }
}
