//! The contents of data segments, as artifacts carry them.
//!
//! Tools that pack memories leave tens of thousands of segments with a few zeros between them. Where nothing can tell the
//! difference they become a few large ones, so that metadata stays small and an instance starts by mapping one image.

use crate::artifact::LAZY;
use sconce_environ::PrimaryMap;
use sconce_environ::decode::Decoded;
use sconce_environ::index::{DataIndex, DefinedFuncIndex, MemoryIndex};
use sconce_environ::module::{ConstExpr, ConstOp, DataSegment, Module, SegmentMode};
use sconce_runtime as rt;
use std::ops::Range;
use wasmparser::{BinaryReader, FunctionBody, Operator};

/// Segments closer to each other than this become one: the zeros between them cost less than another segment.
const GAP: u64 = 4096;
/// Data that comes in as it is used begins and ends with chunks.
const CHUNK: u64 = rt::CHUNK as u64;

/// The contents of all segments, one after the other, as pieces of a binary with zeros around them.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Segment by segment, and in each of those in the order in which they are written: a later one overwrites an earlier one.
    pieces: Vec<Piece>,
    /// Bytes of all contents.
    len: u32,
}

#[derive(Debug)]
struct Piece {
    /// Where it is in the contents.
    at: u32,
    /// Where it is in the binary.
    from: u32,
    len: u32,
}

impl Pieces {
    /// Of all segments, with `module.data` changed to match. `ranges` are the segments' contents in the binary.
    ///
    /// Segments are joined if all of them are active, at constant places inside memories that the module defines, and no
    /// instruction names one. A memory is zero before its segments are copied in, and none of them traps, so joined ones have the
    /// same effect.
    pub(crate) fn join(module: &mut Module, ranges: &PrimaryMap<DataIndex, Range<u32>>) -> Pieces {
        let mut pieces = Vec::with_capacity(ranges.len());
        let mut push = |at: u32, range: &Range<u32>| pieces.push(Piece { at, from: range.start, len: range.end - range.start });
        let mut end = 0;
        let joined = places(module).filter(|_| !module.data_can_be_named).map(|places| (runs(module, &places), places));
        // Ranges have 32 bits: what is so large stays as it is.
        let fits = |runs: &[Place]| runs.iter().map(|run| run.end - run.start).sum::<u64>() <= u32::MAX.into();
        let Some((runs, places)) = joined.filter(|(runs, _)| fits(runs)) else {
            for range in ranges.values() {
                push(end, range);
                end += range.end - range.start;
            }
            return Pieces { pieces, len: end };
        };
        let mut joined = PrimaryMap::new();
        for run in &runs {
            let start = end;
            end += (run.end - run.start) as u32;
            // Offsets were constants of 32 or 64 bits before.
            let wide = module.memories[run.memory].memory64;
            let op = if wide { ConstOp::I64(run.start as i64) } else { ConstOp::I32(run.start as i32) };
            joined.push(DataSegment {
                bytes: start..end,
                mode: SegmentMode::Active { target: run.memory, offset: ConstExpr { ops: [op].into() } },
            });
        }
        for (index, place) in places.iter().filter(|(_, place)| place.start < place.end) {
            let run = runs.partition_point(|run| (run.memory, run.start) <= (place.memory, place.start)) - 1;
            let start = joined[DataIndex::from_u32(run as u32)].bytes.start;
            push(start + (place.start - runs[run].start) as u32, &ranges[index]);
        }
        // Most are in order, and the order within a run stays.
        pieces.sort_by_key(|piece| joined.values().as_slice().partition_point(|run| run.bytes.start <= piece.at));
        module.data = joined;
        Pieces { pieces, len: end }
    }

    /// Bytes of all contents.
    pub(crate) fn len(&self) -> u64 {
        self.len.into()
    }

    /// The contents, out of the binary.
    pub(crate) fn contents(&self, binary: &[u8]) -> Vec<u8> {
        // Memory that is zero by itself takes none where nothing is copied to it.
        let mut contents = vec![0; self.len as usize];
        for &Piece { at, from, len } in &self.pieces {
            let (at, from, len) = (at as usize, from as usize, len as usize);
            contents[at..at + len].copy_from_slice(&binary[from..from + len]);
        }
        contents
    }

    /// Passes on all pieces of a segment, whose range of the contents this is, with their places from its start.
    pub(crate) fn within(&self, range: Range<u32>, binary: &[u8], f: &mut dyn FnMut(usize, &[u8])) {
        let first = self.pieces.partition_point(|piece| piece.at < range.start);
        for &Piece { at, from, len } in self.pieces[first..].iter().take_while(|piece| piece.at < range.end) {
            f((at - range.start) as usize, &binary[from as usize..][..len as usize]);
        }
    }
}

/// Whether an instruction of the module names a data segment, or may do so, where a body cannot be read.
///
/// Compilers of today write a data count section whether it is needed or not, so the section says little.
pub(crate) fn is_named(decoded: &Decoded, binary: &[u8]) -> bool {
    if !decoded.module.data_can_be_named {
        return false;
    }
    let Some(range) = &decoded.code else { return false };
    let code = &binary[range.start as usize..range.end as usize];
    let mut last = None;
    // `memory.init` is 8 and `data.drop` is 9 behind the prefix, in a byte or in a longer LEB128. Few bodies have such bytes at
    // all, and most of those as parts of numbers.
    for at in memchr::memchr_iter(PREFIX, code).filter(|at| matches!(code.get(at + 1), Some(8 | 9 | 0x88 | 0x89))) {
        let at = range.start + at as u32;
        let n = decoded.bodies.values().as_slice().partition_point(|body| body.end <= at);
        let func = DefinedFuncIndex::from_u32(n as u32);
        // Bodies are looked at once.
        if last.replace(func) != Some(func) && n < decoded.bodies.len() && body_names_data(decoded.body(binary, func)) {
            return true;
        }
    }
    false
}

/// The prefix of those operators.
const PREFIX: u8 = 0xfc;

fn body_names_data(body: &[u8]) -> bool {
    let body = FunctionBody::new(BinaryReader::new(body, 0));
    let Ok(mut operators) = body.get_operators_reader() else { return true };
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::MemoryInit { .. } | Operator::DataDrop { .. }) | Err(_) => return true,
            Ok(_) => {}
        }
    }
    false
}

/// Bytes of a memory: one segment's, or those of a run of segments.
#[derive(Copy, Clone)]
struct Place {
    memory: MemoryIndex,
    start: u64,
    end: u64,
}

/// Where each segment goes; `None` if that is not known beforehand for all of them.
fn places(module: &Module) -> Option<PrimaryMap<DataIndex, Place>> {
    let place = |segment: &DataSegment| {
        let SegmentMode::Active { target, offset } = &segment.mode else { return None };
        module.defined_memory(*target)?;
        let start = match offset.ops[..] {
            [ConstOp::I32(n)] => u64::from(n as u32),
            [ConstOp::I64(n)] => n as u64,
            _ => return None,
        };
        let end = start.checked_add(u64::from(segment.bytes.end - segment.bytes.start))?;
        let ty = &module.memories[*target];
        (end <= ty.limits.min.checked_mul(ty.page_size())?).then_some(Place { memory: *target, start, end })
    };
    module.data.values().map(place).collect()
}

/// Ranges that cover all places, in order, at least [`GAP`] apart; where there is much data, all of whole chunks.
fn runs(module: &Module, places: &PrimaryMap<DataIndex, Place>) -> Vec<Place> {
    let mut sorted: Vec<Place> = places.values().filter(|p| p.start < p.end).copied().collect();
    sorted.sort_by_key(|p| (p.memory, p.start));
    let runs = join(sorted.iter().copied());
    let size = |memory: MemoryIndex| module.memories[memory].limits.min * module.memories[memory].page_size();
    let whole = |place: &Place| Place { start: place.start & !(CHUNK - 1), end: place.end.next_multiple_of(CHUNK), ..*place };
    if runs.len() <= rt::MAX_LAZY_PARTS
        && runs.iter().map(|run| run.end - run.start).sum::<u64>() > LAZY
        && runs.iter().all(|run| whole(run).end <= size(run.memory))
    {
        return join(runs.iter().map(whole));
    }
    runs
}

fn join(places: impl Iterator<Item = Place>) -> Vec<Place> {
    let mut runs: Vec<Place> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some(last) if last.memory == place.memory && place.start < last.end.saturating_add(GAP) => {
                last.end = last.end.max(place.end);
            }
            _ => runs.push(place),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::decode::{Features, decode};

    /// What the segments leave in memory 0, and how many there are.
    fn memory(wat: &str) -> (Vec<u8>, usize) {
        let binary = wat::parse_str(wat).unwrap();
        let mut decoded = decode(&binary, Features::default()).unwrap();
        decoded.module.data_can_be_named = is_named(&decoded, &binary);
        let pieces = Pieces::join(&mut decoded.module, &decoded.data);
        let contents = pieces.contents(&binary);
        let mut memory = vec![0; 65536];
        for segment in decoded.module.data.values() {
            let SegmentMode::Active { offset, .. } = &segment.mode else { continue };
            let [ConstOp::I32(at)] = offset.ops[..] else { continue };
            let bytes = &contents[segment.bytes.start as usize..segment.bytes.end as usize];
            let mut piece_by_piece = vec![0; bytes.len()];
            pieces.within(segment.bytes.clone(), &binary, &mut |at, piece| {
                piece_by_piece[at..at + piece.len()].copy_from_slice(piece);
            });
            assert_eq!(piece_by_piece, bytes);
            if let Some(place) = memory.get_mut(at as usize..at as usize + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        (memory, decoded.module.data.len())
    }

    #[test]
    fn near_segments_are_joined_in_their_order() {
        let (bytes, count) = memory(
            r#"(module (memory 1) (data (i32.const 20) "xyz") (data (i32.const 10) "ab") (data (i32.const 21) "Y")
                (data (i32.const 9000) "far") (data (i32.const 5) "") (data (i32.const 65535) "z"))"#,
        );
        assert_eq!(count, 3);
        assert_eq!(&bytes[10..24], b"ab\0\0\0\0\0\0\0\0xYz\0");
        assert_eq!((&bytes[9000..9003], bytes[65535]), (&b"far"[..], b'z'));
    }

    #[test]
    fn segments_that_matter_one_by_one_stay() {
        let two = r#"(data (i32.const 1) "a") (data (i32.const 2) "b")"#;
        for (module, count) in [
            (format!("(module (memory 1) {two})"), 1),
            // One that traps after the others have had their effect.
            (format!(r#"(module (memory 1) {two} (data (i32.const 65536) "c"))"#), 3),
            (format!(r#"(module (import "" "" (memory 1)) {two})"#), 2),
            (format!(r#"(module (import "" "" (global i32)) (memory 1) {two} (data (global.get 0) "c"))"#), 3),
            (format!("(module (memory 1) {two} (func (data.drop 0)))"), 2),
            (format!("(module (memory 1) {two} (func (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 0))))"), 2),
        ] {
            assert_eq!(memory(&module).1, count, "{module}");
        }
    }

    #[test]
    fn only_instructions_name_segments() {
        for (body, named) in [
            (&[0, 0xfc, 9, 0, 0x0b][..], true),
            (&[0, 0xfc, 0x89, 0, 0, 0x0b], true),
            (&[0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0x0b], true),
            // `i32.const 0x47c`, whose number has the bytes of `memory.init`.
            (&[0, 0x41, 0xfc, 8, 0x1a, 0x0b], false),
            (&[0, 0x0b], false),
        ] {
            assert_eq!(body_names_data(body), named, "{body:x?}");
        }
    }
}
