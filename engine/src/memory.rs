//! Memories.

use crate::causes::ResourceFailure;
use crate::error::Error;
use crate::handles::Memory;
use crate::limits::is_memory_type;
use crate::store::{AsContext, AsContextMut};
use crate::types::{ExternType, MemoryType};
use sconce_runtime as rt;
use sconce_runtime::GuestMemory;

impl Memory {
    /// A memory of zeros.
    ///
    /// # Errors
    /// [`Error::Usage`] if the type is not valid, [`Error::Resources`] if it cannot be had.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Memory, Error> {
        if !is_memory_type(&ty) {
            return Err(Error::Usage(format!("there is no {}", ExternType::Memory(ty))));
        }
        let mut store = store.as_context_mut();
        let bounds = store.engine().bounds();
        Ok(Memory { handle: store.runtime_mut().new_memory(ty, bounds)? })
    }

    /// Its type, with the current size as minimum.
    ///
    /// # Panics
    /// If it belongs to another store; so do [`Memory::size`], [`Memory::data_size`] and [`Memory::guest`].
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        let store = store.as_context().runtime();
        let mut ty = store.memory_type(self.handle);
        ty.limits.min = store.memory_size(self.handle);
        ty
    }

    /// Pages.
    pub fn size(&self, store: impl AsContext) -> u64 {
        store.as_context().runtime().memory_size(self.handle)
    }

    /// Bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        let store = store.as_context().runtime();
        (store.memory_size(self.handle) << store.memory_type(self.handle).page_size_log2) as usize
    }

    /// Grows by so many pages; gives the pages before.
    ///
    /// # Errors
    /// [`Error::Resources`] if its maximum, the store's limit or the host's memory does not allow it.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64, Error> {
        let mut store = store.as_context_mut();
        self.check(store.runtime())?;
        let size = store.runtime().memory_size(self.handle);
        store.runtime_mut().memory_grow(self.handle, delta).ok_or_else(|| ResourceFailure::MemoryGrowth { size, delta }.into())
    }

    /// Copies out `buffer.len()` bytes from `offset`.
    ///
    /// # Errors
    /// [`Error::Usage`] if they are not all inside; nothing is copied then.
    pub fn read(&self, store: impl AsContext, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let store = store.as_context().runtime();
        self.check(store)?;
        let len = buffer.len();
        store.memory_read(self.handle, offset, buffer).map_err(|_| outside(offset, len))
    }

    /// Copies `bytes` in at `offset`.
    ///
    /// # Errors
    /// [`Error::Usage`] if they do not all fit; nothing is copied then.
    pub fn write(&self, mut store: impl AsContextMut, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut store = store.as_context_mut();
        self.check(store.runtime())?;
        store.runtime_mut().memory_write(self.handle, offset, bytes).map_err(|_| outside(offset, bytes.len()))
    }

    /// Its contents, for as long as the store is borrowed.
    pub fn guest<'a, S: AsContextMut>(&self, store: &'a mut S) -> GuestMemory<'a> {
        let memory = store.as_context_mut().runtime().memory_vm(self.handle);
        // SAFETY: the memory lives as long as its store, which is borrowed for `'a`; all of it can be used,
        // since no call of another store can have the result.
        unsafe { GuestMemory::new(&*memory) }
    }

    fn check(&self, store: &rt::Store) -> Result<(), Error> {
        if self.handle.store() == store.id() { Ok(()) } else { Err(Error::other_store("memory")) }
    }
}

pub(crate) fn outside(offset: u64, len: usize) -> Error {
    Error::Usage(format!("{len} bytes at {offset} are not inside the memory"))
}
