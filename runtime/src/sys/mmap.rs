//! Mappings: address space that is reserved, and gets memory where asked.

use super::PAGE;
use super::memfile::MemFile;
use rustix::io::Result;
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, mremap_fixed, munmap,
};
use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::null_mut;

/// What may be done with pages.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    None,
    Read,
    ReadWrite,
    ReadExecute,
}

impl Access {
    fn protect(self) -> MprotectFlags {
        match self {
            Access::None => MprotectFlags::empty(),
            Access::Read => MprotectFlags::READ,
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
            Access::ReadExecute => MprotectFlags::READ | MprotectFlags::EXEC,
        }
    }
}

/// Changes what may be done with pages.
///
/// # Safety
/// They are the caller's; no live Rust reference contradicts the new access, and whoever runs or reads them is prepared for it.
pub(crate) unsafe fn protect(base: *mut u8, len: usize, access: Access) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { mprotect(base.cast(), len, access.protect()) }
}

/// Gives pages memory now, for what `access` says, rather than by a fault for each. It is no matter if that
/// cannot be: they get it when they are used.
///
/// # Safety
/// They are the caller's.
pub(crate) unsafe fn populate(base: *mut u8, len: usize, access: Access) {
    let advice = if access == Access::ReadWrite { Advice::LinuxPopulateWrite } else { Advice::LinuxPopulateRead };
    // SAFETY: the caller's promise; no content changes.
    let _ = unsafe { madvise(base.cast(), len, advice) };
}

/// Moves private pages that are readable and writable, contents and all, to where other pages are; zeros stay
/// behind. Should that not be possible, inaccessible pages are there instead.
///
/// # Errors
/// An error in an error if there is nothing in that place at all.
///
/// # Safety
/// Both ranges are the caller's; nobody uses them.
pub(crate) unsafe fn move_pages(from: *mut u8, len: usize, to: *mut u8) -> std::result::Result<(), Result<()>> {
    // What stays behind keeps the address space taken that its mapping owns.
    let flags = MremapFlags::MAYMOVE | MremapFlags::DONTUNMAP;
    // SAFETY: the caller's promise.
    let moved = unsafe { mremap_fixed(from.cast(), len, len, flags, to.cast()) };
    moved.map(drop).map_err(|_| {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: the caller's promise.
        unsafe { mmap_anonymous(to.cast(), len, ProtFlags::empty(), flags).map(drop) }
    })
}

/// An owned range of address space, unmapped when dropped.
///
/// Its address never changes, and nothing else is ever mapped there while it lives.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    len: usize,
}

// SAFETY: a range of address space belongs to the process; the methods that change it are as safe from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above; those methods do not touch `base` or `len`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Inaccessible address space of `len` bytes, a positive multiple of the page size.
    pub(crate) fn reserve(len: usize) -> Result<Mapping> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nobody.
        let base = unsafe { mmap_anonymous(null_mut(), len, ProtFlags::empty(), flags)? };
        Ok(Mapping { base: base.cast(), len })
    }

    /// Inaccessible address space that is backed by the whole of `file`, at `hint` if that is free.
    pub(crate) fn reserve_file(file: &MemFile, len: usize, hint: usize) -> Result<Mapping> {
        // SAFETY: as in `reserve`; a hint replaces nothing.
        let base = unsafe { mmap(hint as *mut c_void, len, ProtFlags::empty(), MapFlags::SHARED, file.as_fd(), 0)? };
        Ok(Mapping { base: base.cast(), len })
    }

    /// A view of `len` bytes of `file` from `at` on, both multiples of the page size, readable and writable.
    pub(crate) fn shared(file: &MemFile, len: usize, at: u64) -> Result<Mapping> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as in `reserve`.
        let base = unsafe { mmap(null_mut(), len, access, MapFlags::SHARED, file.as_fd(), at)? };
        Ok(Mapping { base: base.cast(), len })
    }

    /// Address of the first byte.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn range(&self, offset: usize, len: usize) -> *mut c_void {
        assert!(offset.is_multiple_of(PAGE) && offset.checked_add(len).is_some_and(|end| end <= self.len), "inside the mapping");
        self.base.wrapping_add(offset).cast()
    }

    /// Changes what may be done with pages of this mapping.
    ///
    /// # Safety
    /// No live Rust reference contradicts the new access, and whoever runs or reads the range is prepared for it.
    pub(crate) unsafe fn protect(&self, offset: usize, len: usize, access: Access) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range lies inside this mapping, which we own; the rest is the caller's promise.
        unsafe { protect(self.range(offset, len).cast(), len, access) }
    }

    /// Replaces pages by a private copy-on-write view of `file`, readable and writable.
    ///
    /// # Safety
    /// As for [`Mapping::protect`]; what was in the range is lost.
    pub(crate) unsafe fn map_private(&self, offset: usize, len: usize, file: &MemFile, at: u64) -> Result<()> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: MAP_FIXED inside a mapping that we own replaces only our own pages.
        unsafe { mmap(self.range(offset, len), len, access, flags, file.as_fd(), at).map(drop) }
    }

    /// Replaces pages by inaccessible ones of `file`, which backs the whole mapping.
    ///
    /// # Safety
    /// As for [`Mapping::protect`]; what was in the range and is not the file's is lost.
    pub(crate) unsafe fn restore_file(&self, offset: usize, len: usize, file: &MemFile) -> Result<()> {
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: as in `map_private`.
        unsafe { mmap(self.range(offset, len), len, ProtFlags::empty(), flags, file.as_fd(), offset as u64).map(drop) }
    }

    /// Replaces pages by fresh inaccessible ones, giving their memory back.
    ///
    /// # Safety
    /// As for [`Mapping::protect`]; what was in the range is lost.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) -> Result<()> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: as in `map_private`.
        unsafe { mmap_anonymous(self.range(offset, len), len, ProtFlags::empty(), flags).map(drop) }
    }

    /// Asks for small pages only: a stack that is mostly untouched must not cost 2 MiB at its first use.
    pub(crate) fn small_pages(&self) {
        // SAFETY: changes no content. A kernel without transparent huge pages refuses, which is as good.
        let _ = unsafe { madvise(self.base.cast(), self.len, Advice::LinuxNoHugepage) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: whoever owns the mapping has ended all uses of its memory.
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}
