//! Bulk memory operations of a small constant length, as both compilers do them inline: in accesses of one to sixteen bytes.
//!
//! A bulk operation that reaches outside writes nothing. So the last bytes come first: where they are inside,
//! so is everything below them. (A store of which a part is outside writes nothing, as that of any
//! `v128.store`.) Overlapping ranges are copied as if through a buffer, so everything is loaded before
//! anything is stored: in registers, of which this many bytes take half.

use std::iter::once;

/// The longest range that is worth doing inline.
pub const MOST_INLINE: u32 = 128;

/// Bytes of the widest piece.
pub const WIDEST: u32 = 16;

/// How many pieces there are at most.
pub const MOST_PIECES: usize = (MOST_INLINE / WIDEST) as usize;

/// A part of a range.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes: a power of two, at most [`WIDEST`].
    pub size: u32,
    /// Where it begins in the range.
    pub offset: u32,
}

/// Pieces that cover a range of at most [`MOST_INLINE`] bytes, and some of them twice; from its end to its start.
pub fn pieces(len: u32) -> impl Iterator<Item = Piece> + Clone {
    debug_assert!(len <= MOST_INLINE);
    let widest = len.checked_ilog2().map_or(1, |log2| 1 << log2).min(WIDEST);
    let (whole, rest) = (len / widest, len % widest);
    // The narrowest piece that covers the rest, ending where the range ends.
    let size = rest.next_power_of_two();
    let end = once(Piece { size, offset: len.saturating_sub(size) }).filter(move |_| rest != 0);
    end.chain((0..whole).rev().map(move |i| Piece { size: widest, offset: i * widest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_is_no_wider_than_it_has_to_be() {
        let of = |len| pieces(len).map(|Piece { size, offset }| (size, offset)).collect::<Vec<_>>();
        assert_eq!(of(7), [(4, 3), (4, 0)]);
        assert_eq!(of(17), [(1, 16), (16, 0)]);
        assert_eq!(of(35), [(4, 31), (16, 16), (16, 0)]);
    }

    #[test]
    fn pieces_cover_each_length_and_no_more_and_begin_with_the_end() {
        for len in 0..=MOST_INLINE {
            let mut covered = vec![false; len as usize];
            for Piece { size, offset } in pieces(len) {
                assert!(size.is_power_of_two() && size <= WIDEST);
                covered[offset as usize..][..size as usize].fill(true);
            }
            assert!(covered.iter().all(|&c| c), "{len}");
            let last = pieces(len).next();
            assert_eq!(last.map_or(0, |piece| piece.offset + piece.size), len);
            assert!(pieces(len).count() <= MOST_PIECES, "{len}");
            // A second register bank serves what is narrower than the widest.
            assert!(pieces(len).filter(|piece| piece.size < WIDEST).count() <= 2, "{len}");
        }
    }
}
