//! Memory images: a memory's initial contents in a sealed memory file, mapped copy-on-write by each instance.
//!
//! An image is made only of segments whose place is a constant and which fit into the memory's minimal size: mapping it is then
//! the same as executing them in order.

use crate::sys::memfile::MemFile;
use crate::sys::mmap::{Access, Mapping};
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

/// All data of a module in pages that its first instance takes over: read once, and never copied.
#[derive(Debug)]
pub struct PreparedData(Box<[Option<PreparedPages>]>);

/// A memory's initial contents from a page on, in pages of their own.
#[derive(Debug)]
pub(crate) struct PreparedPages {
    pub(crate) pages: Mapping,
    pub(crate) offset: usize,
}

impl PreparedData {
    /// `None` if some of the data cannot be placed beforehand or be named by an instruction, or if there is no memory for it or
    /// `read` gives up. `read` fills its second argument from the contents of all segments, at the place of its first; it is
    /// asked for each byte once, in order.
    pub fn new(module: &Module, read: &mut dyn FnMut(usize, &mut [u8]) -> bool) -> Option<PreparedData> {
        // What an instruction can name must stay.
        if module.data_can_be_named {
            return None;
        }
        let first = module.num_imported_memories as usize;
        let memories = (first..module.memories.len()).map(|m| MemoryIndex::from_u32(m as u32));
        let prepared: Option<Vec<_>> = memories.map(|m| PreparedPages::new(module, m, read)).collect();
        let prepared = PreparedData(prepared?.into());
        let held = |segment: &DataSegment| match segment.mode {
            SegmentMode::Active { target, .. } => module.defined_memory(target).is_some(),
            SegmentMode::Passive | SegmentMode::Declared => false,
        };
        module.data.values().all(held).then_some(prepared)
    }

    /// By defined memory.
    pub(crate) fn into_pages(self) -> impl Iterator<Item = Option<PreparedPages>> {
        self.0.into_iter()
    }
}

impl PreparedPages {
    /// The outer `None` is failure, the inner one a memory without data.
    fn new(
        module: &Module,
        memory: MemoryIndex,
        read: &mut dyn FnMut(usize, &mut [u8]) -> bool,
    ) -> Option<Option<PreparedPages>> {
        let segments = constant_segments(module, memory)?;
        let Some(start) = segments.iter().map(|&(at, _)| at & !(PAGE - 1)).min() else { return Some(None) };
        let end = segments.iter().map(|(at, bytes)| at + bytes.len()).max().and_then(page_ceil)?;
        let pages = Mapping::reserve(end - start).ok()?;
        pages.large_pages();
        // SAFETY: new pages that nobody else knows; the slice ends before they are given away.
        let contents = unsafe {
            pages.protect(0, end - start, Access::ReadWrite).ok()?;
            std::slice::from_raw_parts_mut(pages.base(), end - start)
        };
        for (at, bytes) in segments {
            if !read(bytes.start as usize, &mut contents[at - start..][..bytes.len()]) {
                return None;
            }
        }
        Some(Some(PreparedPages { pages, offset: start }))
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
        if end.next_multiple_of(PAGE as u64) > size {
            return None;
        }
        if !segment.bytes.is_empty() {
            segments.push((at as usize, segment.bytes.clone()));
        }
    }
    Some(segments)
}
