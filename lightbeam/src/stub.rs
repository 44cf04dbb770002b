//! What is to be emitted behind the function.

use crate::loops::Run;
use crate::value::Ty;
use sconce_environ::trap::TrapCode;
use sconce_x64::encode::{Label, Size};
use sconce_x64::register::{Gpr, Xmm};

/// Code behind the function.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Stub {
    pub(crate) label: Label,
    /// The operator that it belongs to.
    pub(crate) wasm_offset: u32,
    pub(crate) kind: StubKind,
}

#[derive(Copy, Clone, Debug)]
pub(crate) enum StubKind {
    Trap(TrapCode),
    /// A float that does not fit: which trap depends on whether it is a number.
    BadConversion {
        float: Xmm,
        ty: Ty,
    },
    /// A table entry (its address) of another type: which trap depends on whether it is null.
    BadSignature {
        entry: Gpr,
    },
    /// A conditional branch out of a loop with pinned locals: they go home first.
    Leave {
        target: Label,
        pins: Run,
    },
    /// The rest of a barrier; which one, among the slow paths.
    SlowPath(u32),
    /// A clause of a try region; which one, among the codes of handlers.
    Handler {
        target: Label,
        code: u32,
    },
}

/// The rest of a barrier.
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

/// All that was put off so far.
#[derive(Debug, Default)]
pub(crate) struct Stubs {
    list: Vec<Stub>,
    /// `None` when it has been emitted.
    slow_paths: Vec<Option<SlowPath>>,
}

impl Stubs {
    /// Forgets everything but allocations.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.slow_paths.clear();
    }

    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        size_of::<Stub>() * self.list.capacity() + size_of::<Option<SlowPath>>() * self.slow_paths.capacity()
    }

    pub(crate) fn add(&mut self, stub: Stub) {
        self.list.push(stub);
    }

    /// The one with this number, from 0.
    pub(crate) fn get(&self, number: usize) -> Option<Stub> {
        self.list.get(number).copied()
    }

    /// Adds a slow path, for [`StubKind::SlowPath`].
    pub(crate) fn add_slow_path(&mut self, path: SlowPath) -> StubKind {
        self.slow_paths.push(Some(path));
        StubKind::SlowPath(self.slow_paths.len() as u32 - 1)
    }

    /// Takes one to emit it.
    pub(crate) fn take_slow_path(&mut self, number: u32) -> SlowPath {
        self.slow_paths[number as usize].take().expect("it is emitted once")
    }
}
