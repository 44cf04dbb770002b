//! Shared memories: those that stores on several threads can have.

use crate::causes::ResourceFailure;
use crate::engine::Engine;
use crate::error::Error;
use crate::handles::Memory;
use crate::limits::is_memory_type;
use crate::store::{AsContext, AsContextMut};
use crate::types::{ExternType, MemoryType};
use sconce_runtime as rt;

/// A memory that belongs to no store: any number of them, on any threads, can have it at once. Clones are the same memory.
#[derive(Clone)]
pub struct SharedMemory {
    engine: Engine,
    inner: rt::SharedMemory,
}

impl SharedMemory {
    /// A memory of zeros. Its pages count against a limit of its own, of the configuration's size;
    /// [`Memory::new`] makes one that counts against its store's.
    ///
    /// # Errors
    /// [`Error::Usage`] if the type is not valid or not shared, [`Error::Resources`] if it cannot be had.
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<SharedMemory, Error> {
        if !ty.shared || !is_memory_type(&ty) {
            return Err(Error::Usage(format!("there is no shared {}", ExternType::Memory(ty))));
        }
        let limit = engine.memory_limit();
        Ok(SharedMemory { engine: engine.clone(), inner: rt::SharedMemory::new(ty, engine.bounds(), &limit)? })
    }

    pub(crate) fn from_runtime(engine: &Engine, inner: rt::SharedMemory) -> SharedMemory {
        SharedMemory { engine: engine.clone(), inner }
    }

    /// Its type, with the current size as minimum.
    pub fn ty(&self) -> MemoryType {
        let mut ty = self.inner.ty();
        ty.limits.min = self.size();
        ty
    }

    /// Pages.
    pub fn size(&self) -> u64 {
        self.inner.pages()
    }

    /// Bytes.
    pub fn data_size(&self) -> usize {
        self.inner.len()
    }

    /// Grows by so many pages; gives the pages before.
    ///
    /// # Errors
    /// [`Error::Resources`] if its maximum, the limit or the host's memory does not allow it.
    pub fn grow(&self, delta: u64) -> Result<u64, Error> {
        let refused = || ResourceFailure::MemoryGrowth { size: self.size(), delta }.into();
        self.inner.grow(delta).ok_or_else(refused)
    }

    /// Copies out `buffer.len()` bytes from `offset`. Other threads may write meanwhile: what is read need never have been there
    /// at one time.
    ///
    /// # Errors
    /// [`Error::Usage`] if they are not all inside; nothing is copied then.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let len = buffer.len();
        self.inner.read(offset, buffer).map_err(|_| crate::memory::outside(offset, len))
    }

    /// Copies `bytes` in at `offset`.
    ///
    /// # Errors
    /// [`Error::Usage`] if they do not all fit; nothing is copied then.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.inner.write(offset, bytes).map_err(|_| crate::memory::outside(offset, bytes.len()))
    }

    /// Wakes at most `count` threads that wait at `offset`, as `memory.atomic.notify` does; gives how many.
    pub fn notify(&self, offset: u64, count: u32) -> u32 {
        self.inner.notify(offset, count)
    }
}

impl Memory {
    /// A shared memory as one of a store's. Asked for again, it is the same.
    ///
    /// # Errors
    /// [`Error::Usage`] if the store is of another engine.
    pub fn from_shared(mut store: impl AsContextMut, memory: &SharedMemory) -> Result<Memory, Error> {
        let mut store = store.as_context_mut();
        if !memory.engine.same(store.engine()) {
            return Err(Error::Usage("the memory belongs to another engine than the store".into()));
        }
        Ok(Memory { handle: store.runtime_mut().add_shared_memory(&memory.inner) })
    }

    /// What other stores can have of it; `None` if it is not shared.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn shared(&self, store: impl AsContext) -> Option<SharedMemory> {
        let store = store.as_context();
        store.runtime().shared_memory(self.handle).map(|inner| SharedMemory::from_runtime(store.engine(), inner))
    }
}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedMemory").field("type", &self.ty()).finish_non_exhaustive()
    }
}
