//! Memories.

use crate::GuestMemory;
use crate::{AsContext, AsContextMut, Error, MemoryType};

/// A memory of a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memory {}

impl Memory {
    /// A memory of zeros.
    ///
    /// # Errors
    /// [`Error::Resources`] if it cannot be had.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Memory, Error> {
        let _ = (store.as_context_mut(), ty);
        unimplemented!()
    }

    /// Its type, with the current size as minimum.
    ///
    /// # Panics
    /// If it belongs to another store; so do [`Memory::size`], [`Memory::data_size`] and [`Memory::guest`].
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        let _ = store;
        unimplemented!()
    }

    /// Pages.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let _ = store;
        unimplemented!()
    }

    /// Bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        let _ = store;
        unimplemented!()
    }

    /// Grows by so many pages; gives the pages before.
    ///
    /// # Errors
    /// [`Error::Resources`] if its maximum, the store's limit or the host's memory does not allow it.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64, Error> {
        let _ = (store.as_context_mut(), delta);
        unimplemented!()
    }

    /// Copies out `buffer.len()` bytes from `offset`.
    ///
    /// # Errors
    /// [`Error::Usage`] if they are not all inside; nothing is copied then.
    pub fn read(&self, store: impl AsContext, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let _ = (store, offset, buffer);
        unimplemented!()
    }

    /// Copies `bytes` in at `offset`.
    ///
    /// # Errors
    /// [`Error::Usage`] if they do not all fit; nothing is copied then.
    pub fn write(&self, mut store: impl AsContextMut, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let _ = (store.as_context_mut(), offset, bytes);
        unimplemented!()
    }

    /// Its contents, for as long as the store is borrowed.
    pub fn guest<'a, S: AsContextMut>(&self, store: &'a mut S) -> GuestMemory<'a> {
        let _ = store;
        unimplemented!()
    }
}
