//! Handles: how everything outside this crate names what a store owns, and the numbers of stores
//! and modules.

use sconce_environ::vm::VmFuncRef;
use std::num::NonZeroU64;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store's number: no two stores of a process have the same.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(NonZeroU64);

impl StoreId {
    pub(crate) fn next() -> StoreId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        StoreId(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MAX))
    }

    /// # Panics
    /// If a handle of another store is used: a mistake of the embedder, which must not become a
    /// stale pointer.
    #[inline]
    #[track_caller]
    pub(crate) fn check(self, owner: StoreId) {
        assert!(self == owner, "a handle was used with a store that it does not belong to");
    }
}

/// A loaded module's number: no two of a process have the same.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModuleId(u64);

impl ModuleId {
    pub(crate) fn next() -> ModuleId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ModuleId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            pub(crate) store: StoreId,
            pub(crate) index: u32,
        }

        impl $name {
            /// The store that it belongs to.
            pub fn store(self) -> StoreId {
                self.store
            }
        }
    )*};
}

handles! {
    /// A memory of a store.
    MemoryHandle;
    /// A table of a store.
    TableHandle;
    /// A global of a store.
    GlobalHandle;
    /// A tag of a store.
    TagHandle;
    /// An instance of a store.
    InstanceHandle;
}

/// A function of a store: names its record, which never moves and lives as long as the store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncHandle {
    pub(crate) store: StoreId,
    pub(crate) record: NonNull<VmFuncRef>,
}

// SAFETY: the pointer is followed only by the store with this id, on the store's thread.
unsafe impl Send for FuncHandle {}
// SAFETY: as above.
unsafe impl Sync for FuncHandle {}

impl FuncHandle {
    /// The store that it belongs to.
    pub fn store(self) -> StoreId {
        self.store
    }
}

/// Anything that can be imported or exported.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A function.
    Func(FuncHandle),
    /// A table.
    Table(TableHandle),
    /// A memory.
    Memory(MemoryHandle),
    /// A global.
    Global(GlobalHandle),
    /// A tag.
    Tag(TagHandle),
}
