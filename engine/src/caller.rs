//! What a host function knows of its caller.

use crate::backtrace::Backtrace;
use crate::engine::Engine;
use crate::externs::Extern;
use crate::handles::Instance;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use sconce_environ::vm::VmHostContext;
use sconce_runtime::GuestMemory;

/// The store of a host call, and the instance that imported the function.
pub struct Caller<'a, T: 'static> {
    pub(crate) store: StoreContextMut<'a, T>,
    context: *mut VmHostContext,
}

impl<T: 'static> Caller<'_, T> {
    /// # Safety
    /// The context of a host function of a `Store<T>` that is being called, whose store nothing else uses while the caller lives.
    #[inline]
    pub(crate) unsafe fn from_context<'a>(context: *mut VmHostContext) -> Caller<'a, T> {
        // SAFETY: as the caller promises; `Store::new` has set `host_state` to its `StoreInner<T>`.
        let store = unsafe { StoreContextMut::from_raw((*(*context).store).host_state.cast()) };
        Caller { store, context }
    }

    #[inline]
    pub(crate) fn reborrow(&mut self) -> Caller<'_, T> {
        Caller { store: self.store.as_context_mut(), context: self.context }
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// The calling instance's exported memory of the name `memory`; `None` if it has none, or if the host itself is the caller.
    #[inline]
    pub fn memory(&self) -> Option<GuestMemory<'_>> {
        // SAFETY: the context and the instance live as long as the store; a memory named by an instance lives so too.
        unsafe {
            let instance = (*self.context).caller.as_ref()?;
            instance.default_memory.as_ref().map(|memory| GuestMemory::new(memory))
        }
    }

    /// Memory and data at once, since one borrow of the caller gives both.
    #[inline]
    pub fn memory_and_data(&mut self) -> Option<(GuestMemory<'_>, &mut T)> {
        // SAFETY: as in `memory`; the memory is not part of the data.
        let memory = unsafe {
            let instance = (*self.context).caller.as_ref()?;
            GuestMemory::new(instance.default_memory.as_ref()?)
        };
        Some((memory, self.store.data_mut()))
    }

    /// The calling instance; `None` if the host itself is the caller.
    pub fn instance(&self) -> Option<Instance> {
        // SAFETY: the context is of this store.
        unsafe { self.store.runtime().caller(self.context) }.map(|handle| Instance { handle })
    }

    /// An export of the calling instance.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance()?.get_export(&mut self.store, name)
    }

    /// Where wasm code is that called the host function.
    pub fn backtrace(&self) -> Backtrace {
        self.store.current_backtrace()
    }

    /// Whether the store was asked to stop: a host function that waits returns `Err(Error::trap(TrapCode::Interrupt))` then.
    pub fn interrupted(&self) -> bool {
        self.store.runtime().interrupted()
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}
