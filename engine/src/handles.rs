//! Items of a store, by handle: each is `Copy`, names its store, and is checked where it is used. What can be
//! done with one stands in the file of its kind.

use sconce_runtime as rt;

/// A function of a store, wasm or host.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Func {
    pub(crate) handle: rt::FuncHandle,
}

/// A table of a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    pub(crate) handle: rt::TableHandle,
}

/// A memory of a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    pub(crate) handle: rt::MemoryHandle,
}

/// A global of a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Global {
    pub(crate) handle: rt::GlobalHandle,
}

/// A tag of a store: what exceptions are caught by. Two are equal if they are the same tag, not if their types are.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    pub(crate) handle: rt::TagHandle,
}

/// An instance of a module in a store.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    pub(crate) handle: rt::InstanceHandle,
}
