//! A store's memories.

use super::Store;
use crate::budget::{MemoryLimit, Purpose};
use crate::error::{OutOfBounds, ResourceError};
use crate::handle::MemoryHandle;
use crate::memory::Memory;
use crate::shared::SharedMemory;
use crate::traps;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::types::MemoryType;
use sconce_environ::vm::VmMemory;
use std::ptr::null_mut;

impl Store {
    /// The limit on what it may hold.
    pub fn memory_limit(&self) -> &MemoryLimit {
        self.budget.limit()
    }

    /// Takes bytes for as long as the store lives.
    ///
    /// # Errors
    /// If the limit leaves fewer.
    pub fn take(&mut self, purpose: Purpose, bytes: u64) -> Result<(), ResourceError> {
        self.budget.take(purpose, bytes)
    }

    /// A memory of the host's.
    ///
    /// # Errors
    /// If it exceeds the limit or cannot be had.
    pub fn new_memory(&mut self, ty: MemoryType, bounds: BoundsStyle) -> Result<MemoryHandle, ResourceError> {
        if ty.shared {
            let memory = SharedMemory::new(ty, bounds, self.budget.limit())?;
            return Ok(self.add_shared_memory(&memory));
        }
        let mut vm = Box::new(VmMemory { base: null_mut(), length: 0.into() });
        // SAFETY: the box stays in the store, which drops it after the memory.
        let memory = unsafe { Memory::new(ty, bounds, &mut *vm, &mut self.budget)? };
        self.own_memories.push(vm);
        Ok(self.add_memory(memory))
    }

    /// A memory that other stores may have too. Given twice, it is one memory of the store.
    pub fn add_shared_memory(&mut self, memory: &SharedMemory) -> MemoryHandle {
        let known = self.memories.iter().position(|m| m.shared().is_some_and(|m| m.same(memory)));
        match known {
            Some(index) => MemoryHandle { store: self.id, index: index as u32 },
            None => self.add_memory(Memory::from_shared(memory.clone())),
        }
    }

    /// What other stores may have of a memory; `None` if it is not shared.
    pub fn shared_memory(&self, m: MemoryHandle) -> Option<SharedMemory> {
        self.memory(m).shared().cloned()
    }

    pub(crate) fn add_memory(&mut self, memory: Memory) -> MemoryHandle {
        // SAFETY: host code runs, so no handler is looking.
        unsafe { (*self.shared.memories.get()).push(memory.reserved()) };
        self.memories.push(memory);
        MemoryHandle { store: self.id, index: self.memories.len() as u32 - 1 }
    }

    fn memory(&self, m: MemoryHandle) -> &Memory {
        self.id.check(m.store);
        &self.memories[m.index as usize]
    }

    /// A memory's type, as declared; its present size is [`Store::memory_size`].
    pub fn memory_type(&self, m: MemoryHandle) -> MemoryType {
        self.memory(m).ty()
    }

    /// A memory's pages.
    pub fn memory_size(&self, m: MemoryHandle) -> u64 {
        self.memory(m).pages()
    }

    /// A memory as compiled code sees it; valid as long as the store. All of it can be used by this
    /// thread: what has not been brought in is brought in now, or by faults where a call of this
    /// store is under way.
    pub fn memory_vm(&self, m: MemoryHandle) -> *const VmMemory {
        let memory = self.memory(m);
        if !traps::is_current(&self.shared) {
            memory.bring_in();
        }
        memory.vm()
    }

    /// Adds pages; gives the number before, or `None` if it cannot grow that much.
    pub fn memory_grow(&mut self, m: MemoryHandle, pages: u64) -> Option<u64> {
        self.id.check(m.store);
        self.memories[m.index as usize].grow(pages, &mut self.budget)
    }

    /// Copies out of a memory.
    ///
    /// # Errors
    /// If not all of it lies inside; nothing is copied then.
    pub fn memory_read(&self, m: MemoryHandle, offset: u64, out: &mut [u8]) -> Result<(), OutOfBounds> {
        self.memory(m).read(offset, out)
    }

    /// Copies into a memory.
    ///
    /// # Errors
    /// If not all of it lies inside; nothing is copied then.
    pub fn memory_write(&mut self, m: MemoryHandle, offset: u64, bytes: &[u8]) -> Result<(), OutOfBounds> {
        self.id.check(m.store);
        self.memories[m.index as usize].write(offset, bytes)
    }
}
