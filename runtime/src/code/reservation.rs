//! The reservation that an engine's code lives in: address space, what its pages hold, and which of
//! it is free.
//!
//! The reservation maps a memory file. Text is written to the file and only ever mapped readable
//! and executable; so pages that never run are never mapped, and none is writable and executable.
//! Where such a file cannot be had, private memory takes its place, which is writable first and
//! executable afterwards.

use crate::error::ResourceError;
use crate::sys::memfile::MemFile;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, page_ceil, space};
use std::collections::BTreeMap;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a unit of allocation.
pub(crate) const UNIT: usize = 64 << 10;
/// Bytes of a reservation, where nothing stands against it: what a signed 32-bit displacement
/// spans.
const DEFAULT_SIZE: usize = 2 << 30;
/// Bytes of the smallest reservation worth having.
const MINIMUM_SIZE: usize = 1 << 20;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct CodeReservation {
    mapping: Mapping,
    /// `None` where code is in private memory.
    file: Option<Arc<MemFile>>,
    /// Free ranges of units: first to count. No two touch.
    free: Mutex<BTreeMap<usize, usize>>,
}

impl CodeReservation {
    /// Reserves `size` bytes, or what is nearest to that; `None` takes 2 GiB, or less where address
    /// space is short. In private memory where `private` says so, or where no file can be had.
    pub(crate) fn new(size: Option<usize>, private: bool) -> Result<CodeReservation, ResourceError> {
        let os = ResourceError::os("cannot reserve address space for code");
        let wanted = size.unwrap_or(DEFAULT_SIZE).clamp(MINIMUM_SIZE, DEFAULT_SIZE).next_multiple_of(UNIT);
        // Finds out what is possible; given back at once, so that the file can be mapped.
        let len = space::reserve_up_to(wanted, MINIMUM_SIZE, 8).map_err(os)?.len() & !(UNIT - 1);
        let (mapping, file) = if private { (reserve_private(len)?, None) } else { reserve(len)? };
        let free = Mutex::new(BTreeMap::from([(0, len / UNIT)]));
        Ok(CodeReservation { mapping, file, free })
    }

    /// Bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Address of its first byte.
    #[inline]
    pub(crate) fn base(&self) -> *mut u8 {
        self.mapping.base()
    }

    /// The file that its pages map; `None` where code is in private memory.
    pub(crate) fn file(&self) -> Option<&Arc<MemFile>> {
        self.file.as_ref()
    }

    /// Fills pages with `bytes` and makes them accessible as `access` says.
    ///
    /// # Safety
    /// Nobody depends on what is in these pages now, except on what lies before `offset` in its
    /// page, which stays if there is a file.
    pub(crate) unsafe fn write(&self, offset: usize, bytes: &[u8], access: Access) -> Result<(), ResourceError> {
        let os = || ResourceError::os("cannot get memory for code");
        let start = offset & !(PAGE - 1);
        let len = page_ceil(offset + bytes.len()).unwrap_or(self.mapping.len()) - start;
        if let Some(file) = &self.file {
            file.write_at(bytes, offset as u64).map_err(os())?;
        } else if !bytes.is_empty() {
            // SAFETY: pages of ours that nobody uses.
            unsafe {
                self.mapping.protect(start, len, Access::ReadWrite).map_err(os())?;
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.mapping.base().add(offset), bytes.len());
            }
        }
        // SAFETY: as above.
        unsafe { self.mapping.protect(start, len, access).map_err(os()) }
    }

    /// Makes pages executable that are as yet inaccessible; what they have is what is written to the file, now or later.
    ///
    /// # Safety
    /// Nobody uses them.
    pub(crate) unsafe fn make_executable(&self, offset: usize, len: usize) -> Result<(), ResourceError> {
        // SAFETY: the caller's promise.
        unsafe { self.mapping.protect(offset, len, Access::ReadExecute) }.map_err(ResourceError::os("cannot get memory for code"))
    }

    /// Another view of pages, elsewhere, in which they can be written.
    pub(crate) fn writable(&self, offset: usize, len: usize) -> Result<Mapping, ResourceError> {
        let os = ResourceError::os("cannot get memory for code");
        let file = self.file.as_ref().ok_or(ResourceError::CodeSpaceFull { wanted: len, size: self.len() })?;
        Mapping::shared(file, len, offset as u64).map_err(os)
    }

    /// Whether it is as large as one is where nothing stands against it.
    pub(crate) fn is_whole(&self) -> bool {
        self.len() == DEFAULT_SIZE
    }

    /// Whether code can be added to a page that is executable already.
    pub(crate) fn appends(&self) -> bool {
        self.file.is_some()
    }

    /// Takes units that are free; gives the first.
    pub(crate) fn allocate(&self, units: usize) -> Result<usize, ResourceError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = free.iter().find(|&(_, &count)| count >= units).map(|(&first, &count)| (first, count));
        let Some((first, count)) = fit else {
            return Err(ResourceError::CodeSpaceFull { wanted: units * UNIT, size: self.len() });
        };
        free.remove(&first);
        if count > units {
            free.insert(first + units, count - units);
        }
        Ok(first)
    }

    /// Gives units back.
    ///
    /// # Safety
    /// They were allocated, and nothing runs or reads their pages any more.
    pub(crate) unsafe fn release(&self, first: usize, units: usize) {
        let (offset, len) = (first * UNIT, units * UNIT);
        // SAFETY: the caller's promise.
        let emptied = unsafe {
            match &self.file {
                Some(file) => {
                    let closed = self.mapping.restore_file(offset, len, file);
                    closed.and_then(|()| file.punch(offset as u64, len as u64))
                }
                None => self.mapping.discard(offset, len),
            }
        };
        if emptied.is_err() {
            // Neither kind of failure leaves the pages in a state to build on: they are lost to
            // this engine.
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut first, mut units) = (first, units);
        if let Some((&before, &count)) = free.range(..first).next_back()
            && before + count == first
        {
            free.remove(&before);
            (first, units) = (before, units + count);
        }
        if let Some(count) = free.remove(&(first + units)) {
            units += count;
        }
        free.insert(first, units);
    }

    /// Whether an address is in the reservation.
    #[inline]
    pub(crate) fn contains(&self, pc: usize) -> bool {
        pc.wrapping_sub(self.mapping.base() as usize) < self.mapping.len()
    }
}

/// Where code is best: beside the executable. Processors predict branches to far away worse (some
/// beyond 4 GiB, some beyond 32), and each host call is one there and one back: measured, 2.7 ns
/// instead of 3.5. Wasm sees no addresses, so their being related tells it nothing.
fn near_host_code(len: usize) -> usize {
    let host = near_host_code as *const () as usize;
    // Below the executable nothing of its own grows; above it the heap does, from anywhere in a
    // GiB.
    host.saturating_sub(len + (64 << 20)) & !(UNIT - 1)
}

/// Address space for code, with a file if possible.
fn reserve(len: usize) -> Result<(Mapping, Option<Arc<MemFile>>), ResourceError> {
    let with_file = MemFile::new("sconce-code", len as u64, true)
        .and_then(|file| Ok((Mapping::reserve_file(&file, len, near_host_code(len))?, file)));
    match with_file {
        // Policies against executable memory files show when one is made executable.
        // SAFETY: nobody uses the mapping yet.
        Ok((mapping, file)) if unsafe { mapping.protect(0, PAGE, Access::ReadExecute) }.is_ok() => {
            Ok((mapping, Some(Arc::new(file))))
        }
        _ => Ok((reserve_private(len)?, None)),
    }
}

/// Address space for code without a file.
fn reserve_private(len: usize) -> Result<Mapping, ResourceError> {
    Mapping::reserve(len).map_err(ResourceError::os("cannot reserve address space for code"))
}
