//! Memory images: a memory's initial contents in a sealed memory file, mapped copy-on-write by each instance.
//!
//! An image is made only of segments whose place is a constant and which fit into the memory's minimal size: mapping it is then
//! the same as executing them in order.

use crate::sys::memfile::MemFile;
use crate::sys::{PAGE, page_ceil};
use sconce_environ::index::MemoryIndex;
use sconce_environ::module::{ConstOp, Module, SegmentMode};
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
    /// bytes of data, or if the file cannot be made (the segments are then copied, as without images).
    pub(crate) fn new(module: &Module, data: &[u8], memory: MemoryIndex, least: usize) -> Option<MemoryImage> {
        let segments = constant_segments(module, memory)?;
        let total: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
        let start = segments.iter().map(|&(at, _)| at).min()? & !(PAGE - 1);
        let end = segments.iter().map(|(at, bytes)| at + bytes.len()).max().and_then(page_ceil)?;
        // Segments far from each other would make a large file of holes, which costs nothing; little data is copied faster.
        if total < least {
            return None;
        }
        let file = MemFile::new("sconce-image", (end - start) as u64, false).ok()?;
        for (at, bytes) in segments {
            let bytes = data.get(bytes.start as usize..bytes.end as usize)?;
            file.write_at(bytes, (at - start) as u64).ok()?;
        }
        file.seal().ok()?;
        Some(MemoryImage { file, offset: start, len: end - start })
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
