//! An allocator for programs that hold whole modules in memory: what is large gets large pages.
//!
//! A module's bytes, its text and its tables are megabytes that are written once, and a fault for every 4 KiB
//! of them costs more than writing them does. So allocations of [`LARGE`] bytes and more are mappings of
//! their own, at first aligned as large pages are, which the kernel is asked to back with such pages. All others are
//! the system's. Where there are no large pages, mappings have small ones.

use crate::sys::PAGE;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a large page, and of the smallest allocation that gets one.
pub(crate) const LARGE: usize = 2 << 20;

/// The allocator, for a program's `#[global_allocator]`.
#[derive(Copy, Clone, Debug, Default)]
pub struct LargePages;

/// Whether large pages are asked for.
static WANTED: AtomicBool = AtomicBool::new(true);

impl LargePages {
    /// Asks for no large pages from now on. Where others share the machine, one may have to be had from them
    /// first, and clearing it takes as long as that does: what should cost the same every time does without.
    pub fn avoid() {
        WANTED.store(false, Ordering::Relaxed);
    }
}

/// Whether memory that was asked for could not be had.
static LACKED: AtomicBool = AtomicBool::new(false);

/// Whether memory that was asked for could not be had, at whatever time. Async-signal-safe.
pub(crate) fn has_lacked() -> bool {
    LACKED.load(Ordering::Relaxed)
}

/// Notes it if there is none.
fn noted(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        LACKED.store(true, Ordering::Relaxed);
    }
    memory
}

/// How long the mapping of an allocation is, if it has one. Depends on nothing but the layout, so that it says the same when the
/// allocation ends.
fn mapping_len(layout: Layout) -> Option<usize> {
    // Layouts are smaller than half the address space: nothing overflows.
    (layout.size() >= LARGE && layout.align() <= LARGE).then(|| layout.size().next_multiple_of(LARGE))
}

/// Zeroed memory of its own, aligned to large pages; null if there is none.
fn map(len: usize) -> *mut u8 {
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nobody.
    let mapped = unsafe { mmap_anonymous(null_mut(), len + LARGE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    let Ok(mapped) = mapped else { return null_mut() };
    let before = mapped.addr().next_multiple_of(LARGE) - mapped.addr();
    let base = mapped.wrapping_byte_add(before);
    // SAFETY: what lies before and behind the aligned part belongs to the new mapping and is used by nobody. Whether large pages
    // are to be had changes no contents, and if cutting fails the address space stays taken.
    unsafe {
        if before != 0 {
            let _ = munmap(mapped, before);
        }
        if before != LARGE {
            let _ = munmap(base.wrapping_byte_add(len), LARGE - before);
        }
        if WANTED.load(Ordering::Relaxed) {
            let _ = madvise(base, len, Advice::LinuxHugepage);
        }
    }
    base.cast()
}

// SAFETY: large allocations are disjoint mappings of at least their size, aligned to their layout, readable and
// writable until they are unmapped by their deallocation; all others are the system's, and which of the two
// an allocation is follows from its layout alone.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        noted(match mapping_len(layout) {
            Some(len) => map(len),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        noted(match mapping_len(layout) {
            Some(len) => map(len),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc_zeroed(layout) },
        })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match mapping_len(layout) {
            // SAFETY: `alloc` mapped it, with this length, and the caller gives it up.
            Some(len) => unsafe { munmap(memory.cast(), len).map_or((), drop) },
            // SAFETY: the caller's promise.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size, rounded up to the alignment, does not overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (mapping_len(layout), mapping_len(new)) {
            // SAFETY: the caller's promise.
            (None, None) => noted(unsafe { System.realloc(memory, layout, size) }),
            (Some(old), Some(len)) if old == len => memory,
            // What is not copied is never there twice. That the new place may not be one for large pages is the lesser evil.
            (Some(old), Some(len)) if layout.align() <= PAGE => {
                // SAFETY: the mapping of an allocation that the caller gives up for another one.
                let moved = unsafe { mremap(memory.cast(), old, len, MremapFlags::MAYMOVE) };
                noted(moved.map_or(null_mut(), <*mut _>::cast))
            }
            // SAFETY: both are at least as large as what is copied and disjoint; the old one is given up only
            // if there is a new one.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(memory, moved, layout.size().min(size));
                    self.dealloc(memory, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn large_allocations_are_aligned_zeroed_and_given_back() {
        for size in [LARGE, LARGE + 1, 3 * LARGE - 4096] {
            // SAFETY: used as the trait asks, inside the size.
            unsafe {
                let memory = LargePages.alloc_zeroed(layout(size));
                assert!(memory.addr().is_multiple_of(LARGE));
                assert!(std::slice::from_raw_parts(memory, size).iter().all(|&b| b == 0));
                memory.add(size - 1).write(1);
                LargePages.dealloc(memory, layout(size));
                let status = std::fs::read_to_string("/proc/self/maps").unwrap();
                assert!(!status.lines().any(|line| line.starts_with(&format!("{:x}-", memory.addr()))));
            }
        }
    }

    #[test]
    fn contents_survive_every_change_of_size() {
        let sizes = [100, LARGE - 1, LARGE, 2 * LARGE - 1, 2 * LARGE, 5 * LARGE, 2 * LARGE + 1, LARGE, LARGE - 1, 10];
        // SAFETY: used as the trait asks, inside the sizes.
        unsafe {
            let mut memory = LargePages.alloc(layout(sizes[0]));
            ptr::write_bytes(memory, 7, sizes[0]);
            for pair in sizes.windows(2) {
                memory = LargePages.realloc(memory, layout(pair[0]), pair[1]);
                let kept = pair[0].min(pair[1]);
                assert!(std::slice::from_raw_parts(memory, kept).iter().all(|&b| b == 7), "{pair:?}");
                ptr::write_bytes(memory, 7, pair[1]);
            }
            LargePages.dealloc(memory, layout(10));
        }
    }
}
