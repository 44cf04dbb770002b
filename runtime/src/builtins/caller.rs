//! What builtins know of who called them.

use crate::activation::Shared;
use crate::heap::Heap;
use crate::instance::Instance;
use crate::speculation::masked_start;
use crate::stop::Stop;
use crate::store::Store;
use crate::table::Table;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{VmContext, VmMemory};
use std::sync::atomic::Ordering;

/// Who called.
pub(super) struct Caller<'a> {
    pub store: &'a mut Store,
    pub instance: &'a mut Instance,
}

impl Caller<'_> {
    /// # Safety
    /// `vmctx` is the context of a live instance whose store this thread runs, and nobody else uses
    /// either while this lives.
    #[inline]
    pub(super) unsafe fn new<'a>(vmctx: *mut VmContext) -> Caller<'a> {
        // SAFETY: the caller's promise. The instance is in a box of its own, beside the store.
        unsafe { Caller { store: Store::from_vm((*vmctx).store), instance: &mut *(*vmctx).instance.cast() } }
    }

    #[inline]
    pub(super) fn memory(&self, index: u32) -> u32 {
        self.instance.memories[index as usize]
    }

    #[inline]
    pub(super) fn table(&mut self, index: u32) -> (&mut Table, &mut Heap) {
        let n = self.instance.tables[index as usize];
        (&mut self.store.tables[n as usize], &mut self.store.heap)
    }

    /// Address of a range of a memory.
    #[inline]
    pub(super) fn range(&self, memory: u32, at: u64, len: u64) -> Result<*mut u8, Stop> {
        self.store.memories[self.memory(memory) as usize].at(at, len).map_err(|_| Stop::Trap(TrapCode::MemoryOutOfBounds))
    }

    /// Address of a range of a memory or a data segment, which are known by what compiled code sees of them.
    /// What is to come in when it is used does so by a fault, since this thread runs a call of the store.
    ///
    /// # Safety
    /// `bytes` is one of the instance's.
    #[inline]
    pub(super) unsafe fn bytes(&self, bytes: *const VmMemory, at: u64, len: u64) -> Result<*mut u8, Stop> {
        // SAFETY: the caller's promise. Descriptions live as long as the instance.
        let (base, length) = unsafe { ((*bytes).base, (*bytes).length.load(Ordering::Acquire)) };
        match at.checked_add(len) {
            Some(end) if end <= length as u64 => Ok(base.wrapping_add(masked_start(at as usize, end as usize, length))),
            _ => Err(Stop::Trap(TrapCode::MemoryOutOfBounds)),
        }
    }
}

/// For builtins in which a program may spend its time. One that throws and catches in a loop goes
/// on in a handler, from where no trampoline looks: the signals of an interrupt would hardly ever
/// find it in compiled code.
#[inline]
pub(super) fn look_for_interrupt(shared: &Shared) -> Result<(), Stop> {
    if shared.interrupted() { Err(Stop::Trap(TrapCode::Interrupt)) } else { Ok(()) }
}
