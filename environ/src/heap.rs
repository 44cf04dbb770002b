//! Objects of a store's reference heap, as compiled code, the runtime and the tests see them.
//!
//! A handle is the offset in bytes of an object in its store's cage: always even, and 0 is null. All kinds of objects begin with
//! a [`VmObject`]. Nothing in the cage is a host pointer (a function among an exception's values is a number of the store's), so
//! that whatever is read there leads back into the cage, or to an index that the runtime checks.
//!
//! Null has a head as well, alone of what an object has: it is the end of a page, and the next one is
//! inaccessible. Its flags say that it is in the activations table, and compiled code may count it up and
//! down as it likes: so barriers need not ask whether a handle is null.
//!
//! Counts are deferred: frames own none. [`VmObject::state`] counts the references that tables, globals, other objects and the
//! host hold, and one for an entry in the store's activations table, which names (at least) every object that a frame holds.
//! Whether the object has such an entry is the lowest bit of the same word, so that one store publishes both.

use crate::space::HOST_PAGE;

/// What every object begins with.
#[repr(C, align(16))]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct VmObject {
    /// Flags ([`state`]) in the low byte, the count above. 56 bits cannot overflow: each count is for a reference in memory.
    pub state: u64,
    /// [`ObjectKind`].
    pub kind: u8,
    /// The allocator's: which free list the object's memory belongs to.
    pub size_class: u8,
    /// Room for what collectors of cycles keep.
    pub reserved: u16,
    /// Canonical type id, or [`crate::vm::NO_TYPE`] where the kind says it all.
    pub type_id: u32,
}

/// Parts of [`VmObject::state`].
pub mod state {
    /// The object has an entry in the activations table.
    pub const IN_TABLE: u64 = 1;
    /// A sweep has found the object in a frame. Clear outside sweeps.
    pub const MARKED: u64 = 2;
    /// One reference.
    pub const ONE: u64 = 1 << 8;
    /// What null's head begins with: in the middle of what counts there are, since only compiled code counts null, not always in
    /// pairs. Each such step takes a nanosecond at least: it would take a year to get to either end, where nothing bad is.
    pub const NULL: u64 = 1 << 63 | IN_TABLE;
}

/// Kinds of objects.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// Memory that the allocator may give out: no object.
    Free = 0,
    /// A host value: [`VmExtern`].
    Extern = 1,
    /// An exception: [`VmException`].
    Exception = 2,
    /// Where null leads: a head without a body.
    Null = 3,
}

impl ObjectKind {
    /// The kind with this number, if there is one.
    pub const fn from_u8(kind: u8) -> Option<ObjectKind> {
        match kind {
            0 => Some(ObjectKind::Free),
            1 => Some(ObjectKind::Extern),
            2 => Some(ObjectKind::Exception),
            3 => Some(ObjectKind::Null),
            _ => None,
        }
    }
}

/// A host value.
#[repr(C, align(16))]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct VmExtern {
    /// The head.
    pub object: VmObject,
    /// Where the store keeps the value.
    pub index: u32,
    /// Padding.
    pub reserved: [u32; 3],
}

/// An exception. Its values follow, [`crate::abi::VALUE_SIZE`] bytes each; functions as numbers of the store's, null as 0.
#[repr(C, align(16))]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct VmException {
    /// The head; `type_id` is that of the tag's function type.
    pub object: VmObject,
    /// The store's number of the tag.
    pub tag: u32,
    /// How many values follow.
    pub values: u32,
    /// Which of them are handles: the store's number of a list of them.
    pub shape: u32,
    /// Padding.
    pub reserved: u32,
}

/// Bytes at the cage's start that are no object's: null's head, then a page that is inaccessible.
pub const CAGE_NULL_BYTES: usize = size_of::<VmObject>() + HOST_PAGE;
/// Bytes of a handle in memory: in a table, or in the activations table.
pub const HANDLE_BYTES: usize = size_of::<u32>();
/// Bytes of a whole cage: every handle lies inside. Smaller ones need the check of [`crate::compile::BoundsStyle::Explicit`].
pub const CAGE_BYTES: u64 = 1 << 32;
/// Inaccessible bytes behind a cage: the head of an object at the last handle ends there.
pub const CAGE_GUARD_BYTES: usize = 64 << 10;
