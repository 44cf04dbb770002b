//! Memory images: a memory's initial contents in a sealed memory file, mapped copy-on-write by each instance.
//!
//! An image is made only of segments whose place is a constant and which fit into the memory's minimal size: mapping it is then
//! the same as executing them in order.

use crate::lazy_source::{CHUNK, LazySource};
use crate::sys::memfile::MemFile;
use crate::sys::{PAGE, page_ceil};
use sconce_environ::index::MemoryIndex;
use sconce_environ::module::{ConstOp, DataSegment, Module, SegmentMode};
use std::ops::Range;

/// A memory's initial contents, from `offset` on.
#[derive(Debug)]
pub(crate) struct MemoryImage {
    file: MemFile,
    offset: usize,
    len: usize,
}

impl MemoryImage {
    pub(crate) fn file(&self) -> &MemFile {
        &self.file
    }

    /// Where it begins in the memory: a page.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes: pages.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes the image of a memory that `module` defines; `None` if its segments do not allow one, if it has less than `least`
    /// bytes of data, or if the file cannot be made or `read` gives up. `read` fills its second argument from the contents
    /// of all segments, at the place of its first.
    fn new(
        module: &Module,
        memory: MemoryIndex,
        least: usize,
        read: &mut dyn FnMut(usize, &mut [u8]) -> bool,
    ) -> Option<MemoryImage> {
        let segments = constant_segments(module, memory)?;
        let total: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
        let start = segments.iter().map(|&(at, _)| at).min()? & !(PAGE - 1);
        let end = segments.iter().map(|(at, bytes)| at + bytes.len()).max().and_then(page_ceil)?;
        // Segments far from each other would make a large file of holes, which costs nothing; little data is copied faster.
        if total < least {
            return None;
        }
        let file = MemFile::new("sconce-image", (end - start) as u64, false).ok()?;
        let mut block = vec![0; BLOCK.min(total)];
        for (at, bytes) in segments {
            for from in (bytes.start as usize..bytes.end as usize).step_by(BLOCK) {
                let block = &mut block[..BLOCK.min(bytes.end as usize - from)];
                if !read(from, block) {
                    return None;
                }
                file.write_at(block, (at - start + (from - bytes.start as usize)) as u64).ok()?;
            }
        }
        file.seal().ok()?;
        Some(MemoryImage { file, offset: start, len: end - start })
    }
}

/// Bytes that are read and written at once: they stay in the processor's cache.
const BLOCK: usize = 256 << 10;

/// Images of the memories that a module defines.
#[derive(Debug)]
pub(crate) struct MemoryImages(Box<[Option<MemoryImage>]>);

impl MemoryImages {
    /// Makes an image of each memory with at least `least` bytes of data, where its segments allow one. `read` fills its
    /// second argument from the contents of all segments, at the place of its first, or gives up with false.
    pub(crate) fn new(module: &Module, least: usize, read: &mut dyn FnMut(usize, &mut [u8]) -> bool) -> MemoryImages {
        let first = module.num_imported_memories as usize;
        let memories = (first..module.memories.len()).map(|m| MemoryIndex::from_u32(m as u32));
        MemoryImages(memories.map(|m| MemoryImage::new(module, m, least, read)).collect())
    }

    /// By defined memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&MemoryImage>> {
        self.0.iter().map(Option::as_ref)
    }
}

/// Parts of a memory that come in one by one. A handler looks through them, so they are few.
pub const MAX_LAZY_PARTS: usize = 64;
/// Bytes of data that come in chunk by chunk: each chunk may take one of the mappings that a process can have.
const MAX_LAZY: usize = 128 << 20;

/// All data of a module, as parts of memories that come in as they are used.
#[derive(Debug)]
pub struct LazyData(Vec<(MemoryIndex, usize, LazySource)>);

impl LazyData {
    /// From where the contents of all segments are. `None` if some of the data cannot be placed beforehand or be named by an
    /// instruction, or if segments do not begin and end with chunks, in the memory and in the source.
    pub fn new(module: &Module, source: &LazySource) -> Option<LazyData> {
        // What an instruction can name must stay.
        if module.data_can_be_named || module.data.len() > MAX_LAZY_PARTS || source.len > MAX_LAZY {
            return None;
        }
        let first = module.num_imported_memories as usize;
        let mut parts = Vec::new();
        for memory in (first..module.memories.len()).map(|m| MemoryIndex::from_u32(m as u32)) {
            let mut end = 0;
            for (at, bytes) in constant_segments(module, memory)? {
                // In order and apart, so that none overwrites another. Other threads reach a shared memory
                // through stores of their own, whose handlers know nothing of it.
                if at < end || module.memories[memory].shared || !at.is_multiple_of(CHUNK) || !bytes.len().is_multiple_of(CHUNK) {
                    return None;
                }
                end = at + bytes.len();
                parts.push((memory, at, source.piece(bytes.start as usize, bytes.len())?));
            }
        }
        let held = |segment: &DataSegment| match segment.mode {
            SegmentMode::Active { target, .. } => module.defined_memory(target).is_some(),
            SegmentMode::Passive | SegmentMode::Declared => false,
        };
        module.data.values().all(held).then_some(LazyData(parts))
    }

    /// How many chunks there are, in all parts.
    pub fn chunks(&self) -> usize {
        self.0.iter().map(|(.., source)| source.digests.len()).sum()
    }

    /// Where the parts come from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &LazySource> {
        self.0.iter().map(|(.., source)| source)
    }

    /// Memory, offset there, contents.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = (MemoryIndex, usize, LazySource)> {
        self.0.into_iter()
    }
}

/// The active segments of a memory, in order, if all have constant places inside the memory's minimal size.
fn constant_segments(module: &Module, memory: MemoryIndex) -> Option<Vec<(usize, Range<u32>)>> {
    module.defined_memory(memory)?;
    let ty = module.memories[memory];
    let size = ty.limits.min.checked_mul(ty.page_size())?;
    let mut segments = Vec::new();
    for segment in module.data.values() {
        let SegmentMode::Active { target, offset } = &segment.mode else { continue };
        if *target != memory {
            continue;
        }
        let at = match offset.ops[..] {
            [ConstOp::I32(n)] => u64::from(n as u32),
            [ConstOp::I64(n)] => n as u64,
            _ => return None,
        };
        let end = at.checked_add(segment.bytes.len() as u64)?;
        // The file's pages must be the memory's as well.
        if end.checked_next_multiple_of(PAGE as u64).is_none_or(|end| end > size) {
            return None;
        }
        if !segment.bytes.is_empty() {
            segments.push((at as usize, segment.bytes.clone()));
        }
    }
    Some(segments)
}
