//! Data that is read before there is a memory for it.
//!
//! What earlier runs needed of a program's data is known before its instance is made, so a thread reads it
//! meanwhile, into pages of its own, and compares it. The instance moves those pages to where they belong: a
//! system call for each run of neighbours, and no copy.

use crate::lazy_source::{CHUNK, LazySource};
use crate::sys::mmap::{Access, Mapping, populate};
use std::ops::Range;

/// Chunks of one part of a module's data.
#[derive(Debug)]
pub(crate) struct Staged {
    pages: Mapping,
    /// Neighbours among the part's chunks, and where they are in `pages`.
    runs: Vec<(Range<usize>, usize)>,
}

impl Staged {
    /// Reads the chunks for which `wanted` says so, all of them whole. `None` if there are none, or if
    /// something is wrong with them, which shows again when they are used.
    pub(crate) fn read(source: &LazySource, wanted: impl Fn(usize) -> bool) -> Option<Staged> {
        if !source.len.is_multiple_of(CHUNK) {
            return None;
        }
        let (mut runs, mut len): (Vec<(Range<usize>, usize)>, usize) = (Vec::new(), 0);
        for chunk in (0..source.digests.len()).filter(|&chunk| wanted(chunk)) {
            match runs.last_mut() {
                Some((run, _)) if run.end == chunk => run.end += 1,
                _ => runs.push((chunk..chunk + 1, len)),
            }
            len += CHUNK;
        }
        let pages = if len > 0 { Mapping::reserve(len).ok()? } else { return None };
        // SAFETY: a new mapping that nobody else knows.
        let bytes = unsafe {
            pages.protect(0, len, Access::ReadWrite).ok()?;
            populate(pages.base(), len, Access::ReadWrite);
            std::slice::from_raw_parts_mut(pages.base(), len)
        };
        let read = |(run, at): &(Range<usize>, usize)| source.fetch(&mut bytes[*at..at + run.len() * CHUNK], run.start * CHUNK);
        runs.iter().all(read).then_some(Staged { pages, runs })
    }

    /// Runs of neighbours with the addresses of their pages, which are the caller's from here on, as long as this lives.
    pub(crate) fn runs(&mut self) -> impl Iterator<Item = (Range<usize>, *mut u8)> {
        self.runs.iter().map(|(run, at)| (run.clone(), self.pages.base().wrapping_add(*at)))
    }
}
