//! What the walk leaves for later: the function's epilogue, and what stands behind the function.

use sconce_environ::index::TagIndex;
use sconce_x64::asm::Gpr;
use sconce_x64::encode::{Label, Size};

/// What the prologue saved, for the epilogue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) registers: Vec<Gpr>,
    /// Bytes of stack arguments, which the function pops.
    pub(crate) argument_bytes: u32,
    /// Where the `sub rsp` is.
    pub(crate) sub_rsp: u32,
    /// Bytes of the frame without slots.
    pub(crate) fixed: i32,
}

/// What a handler does.
#[derive(Copy, Clone, Debug)]
pub(crate) struct HandlerCode {
    pub(crate) tag: Option<TagIndex>,
    pub(crate) with_exception: bool,
    /// The slot position of the label's first value.
    pub(crate) height: u32,
    /// Whether the label takes one value, in a register.
    pub(crate) to_register: bool,
}

/// The rest of a barrier, behind the function.
#[derive(Debug)]
pub(crate) struct SlowPath {
    pub(crate) kind: SlowKind,
    /// Where the function goes on.
    pub(crate) back: Label,
    /// Registers in use and their slots: those of handles, and of arguments.
    pub(crate) gprs: Vec<(Gpr, Size, i32)>,
    /// Registers of arguments that are free and have a local's value, and its home.
    pub(crate) caches: Vec<(Gpr, Size, i32)>,
    /// Handles in slots, as a chain of `handles`, and frame offsets of those that go to their slots here.
    pub(crate) mapped: u32,
    pub(crate) handles: Vec<i32>,
}

#[derive(Copy, Clone, Debug)]
pub(crate) enum SlowKind {
    /// The object of the handle in this register is to be inserted into the activations table. The register keeps it.
    Insert(Gpr),
    /// That one has lost its last reference.
    Release(Gpr),
}
