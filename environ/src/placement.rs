//! Where a function's code begins, relative to cache lines.
//!
//! A processor fetches and decodes by lines of 64 bytes: a small loop that lies across two of them runs at up
//! to 1.4 times the time of the same loop within one, or twice if that is its last jump. So does an interpreter's
//! loop if its head, which dispatches, lies across two. Compilers do not align loops, but the place of the whole
//! function is free: the one is chosen at which the small loops and the heads of others touch the fewest lines that
//! they need not touch. Without loops, a function begins with a line, where calls of it are fastest.

use std::ops::Range;

/// Bytes of a line. Code begins at a fixed distance from a multiple of it.
pub const LINE: u32 = 64;

/// Distances that are tried are multiples of these, the first one that serves best being taken: rounder ones are better places
/// to jump to.
const STEPS: [u32; 3] = [16, 8, 4];

/// Longer loops have room for one line more, but for their heads.
pub const MAX_LOOP: u32 = 2 * LINE;

/// The bytes of such a head: an interpreter's loads the next opcode and jumps to its code, about 40 bytes that each step executes.
const HEAD: u32 = 40;

/// The distance past a multiple of [`LINE`] at which code should begin, a multiple of `align`. `starts` are the offsets of
/// its basic blocks, increasing, `edges` goes from start to start, and `len` is the code's length.
pub fn skew(starts: &[u32], edges: &[(u32, u32)], len: u32, align: u32) -> u32 {
    skew_for(&loops(starts, edges, len), align)
}

/// The same for loops that are known: what [`of_loop`] gives of each one's code.
pub fn skew_for(loops: &[Range<u32>], align: u32) -> u32 {
    if loops.is_empty() {
        return 0;
    }
    // What constants behind the code need must hold at each.
    let places = STEPS.iter().flat_map(|&step| (0..LINE).step_by(step.max(align).next_power_of_two() as usize));
    // Of equals, the first.
    places.min_by_key(|&place| loops.iter().map(|l| cost(l, place)).sum::<u64>()).unwrap_or(0)
}

/// What counts of a loop whose code this is: all of it, or its head, if it is longer than [`MAX_LOOP`]. Nothing, if it has no code.
pub fn of_loop(code: Range<u32>) -> Option<Range<u32>> {
    let len = code.end - code.start;
    (len > 0).then(|| if len <= MAX_LOOP { code } else { code.start..code.start + HEAD })
}

/// Each loop's code, from the target of a backward edge to the end of the block that it leaves.
fn loops(starts: &[u32], edges: &[(u32, u32)], len: u32) -> Vec<Range<u32>> {
    let backward = edges.iter().filter(|(from, to)| to <= from);
    let ranges = backward.map(|&(from, to)| {
        let next = starts.partition_point(|&start| start <= from);
        to..starts.get(next).copied().unwrap_or(len)
    });
    ranges.filter_map(of_loop).collect()
}

/// Lines that the loop touches beyond what its length takes; the shorter the loop, the more each one weighs.
fn cost(code: &Range<u32>, place: u32) -> u64 {
    let len = (code.end - code.start).max(1);
    let touched = (place + code.start + len - 1) / LINE - (place + code.start) / LINE + 1;
    let needed = len.div_ceil(LINE);
    u64::from(touched - needed) * u64::from(MAX_LOOP * 16 / len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_without_loops_begins_with_a_line() {
        assert_eq!(skew(&[0, 10, 20], &[(0, 10), (0, 20), (10, 20)], 30, 16), 0);
    }

    #[test]
    fn a_loop_is_kept_within_a_line() {
        // 33 bytes at 48: they end at 81, across the line's end at 64.
        let (starts, edges) = ([0, 48, 81], [(0, 48), (48, 48), (48, 81)]);
        assert_eq!(skew(&starts, &edges, 90, 1), 16);
        assert_eq!(skew(&starts, &edges, 90, 32), 32);
        assert_eq!(skew(&[0, 16, 49], &[(0, 16), (16, 16), (16, 49)], 60, 1), 0);
    }

    #[test]
    fn the_shorter_loop_decides() {
        // The first, of 61 bytes, fits only at 0, where the second, of 10, lies across a line's end.
        let (starts, edges) = ([0, 64, 125, 188, 198], [(64, 64), (188, 188)]);
        assert_eq!(skew(&starts, &edges, 250, 1), 16);
        // The last block's end is the code's.
        assert_eq!(skew(&[0, 60], &[(60, 60)], 80, 1), 16);
    }

    #[test]
    fn loops_that_fit_no_round_place_get_another() {
        let (starts, edges) = ([0, 48, 81, 84, 113], [(48, 48), (84, 84)]);
        assert_eq!(skew(&starts, &edges, 130, 1), 44);
        assert!(skew(&starts, &edges, 130, 16).is_multiple_of(16));
    }

    #[test]
    fn a_line_may_end_between_two_loops() {
        // 65 bytes together: only with the line's end in the gap of 3 bytes does neither lie across one.
        let (starts, edges) = ([0, 48, 81, 84, 113], [(48, 48), (84, 84)]);
        assert_eq!(skew(&starts, &edges, 150, 1), 44);
        // Where constants forbid that, the longer loop has to.
        assert_eq!(skew(&starts, &edges, 150, 16), 0);
    }

    #[test]
    fn of_a_long_loop_the_head_is_kept_within_a_line() {
        // From 48 on, 129 bytes: the head would be cut at 64.
        let (starts, edges) = ([0, 48, 100, 177], [(48, 100), (100, 48)]);
        assert_eq!(skew(&starts, &edges, 200, 1), 16);
        assert_eq!(of_loop(10..10 + MAX_LOOP), Some(10..10 + MAX_LOOP));
        assert_eq!(of_loop(10..11 + MAX_LOOP), Some(10..10 + HEAD));
        assert_eq!(of_loop(10..10), None);
    }

    #[test]
    fn loops_of_several_blocks_reach_to_the_last_ones_end() {
        let (starts, edges) = ([0, 56, 60, 72], [(0, 56), (56, 60), (60, 56), (60, 72)]);
        assert_eq!(skew(&starts, &edges, 80, 1), 16);
    }
}
