//! The abstract stack: where the value of each entry is.
//!
//! Invariants:
//! - Entries below `settled` are in slots or constants: no search ever goes below it. At most [`WINDOW`]
//!   entries are above.
//! - `Flags` is on top, and the next operator consumes it: nothing else happens in between but moves,
//!   which leave flags alone.
//! - A value in slot `n` is that of stack position `n`.
//! - Each handle is listed in `handles`.
//!
//! An entry is read as an element of a slice, and written by the methods here alone.

use crate::frame_layout::FrameLayout;
use crate::handles::Handles;
use crate::value::{Ty, Value};
use sconce_environ::stack_maps::StackMaps;
use std::ops::Deref;

/// Entries of the stack that may be elsewhere than in slots.
const WINDOW: usize = 32;

/// The entries, and constants that do not fit into one.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    values: Vec<Value>,
    settled: usize,
    pool: Vec<u128>,
    handles: Handles,
}

impl Deref for Stack {
    type Target = [Value];

    #[inline(always)]
    fn deref(&self) -> &[Value] {
        &self.values
    }
}

impl Stack {
    /// Forgets everything but allocations.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.settled = 0;
        self.pool.clear();
        self.handles = Handles::default();
    }

    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        size_of::<Value>() * self.values.capacity() + size_of::<u128>() * self.pool.capacity()
    }

    /// Pushes an entry. If too many are not settled, gives how far they are to be.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value) -> Option<usize> {
        let at = self.values.len();
        if value.ty() == Ty::Handle {
            self.handles.push(at as u32);
        }
        self.values.push(value);
        (at - self.settled >= WINDOW).then(|| at - WINDOW / 2)
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Value {
        let value = self.values.pop().expect("validated: the stack has an operand");
        self.settled = self.settled.min(self.values.len());
        if value.ty() == Ty::Handle {
            self.handles.pop();
        }
        value
    }

    /// Drops all entries from this position on at once, if none of them is a handle or in a register.
    pub(crate) fn drop_settled(&mut self, len: usize) -> bool {
        let can = self.values.len() <= self.settled && self.handles.is_empty();
        if can {
            self.values.truncate(len);
            self.settled = len;
        }
        can
    }

    /// The entry's value, which stays the same, is somewhere else now.
    #[inline(always)]
    pub(crate) fn moved(&mut self, at: usize, value: Value) {
        debug_assert_eq!(value.ty(), self.values[at].ty(), "the value stays the same");
        self.values[at] = value;
    }

    /// The entry is in its own slot now.
    #[inline(always)]
    pub(crate) fn spilled(&mut self, at: usize) {
        let ty = self.values[at].ty();
        self.values[at] = Value::Slot(ty, at as u32);
        if ty == Ty::Handle {
            // It is in stack maps from now on.
            self.handles.moved(at as u32);
        }
    }

    /// Below this position all entries are in slots or constants.
    #[inline(always)]
    pub(crate) fn settled(&self) -> usize {
        self.settled
    }

    /// From now on, that is so below this one.
    pub(crate) fn set_settled(&mut self, to: usize) {
        self.settled = self.settled.max(to);
    }

    // ---- Constants that do not fit into an entry.

    pub(crate) fn add_constant(&mut self, ty: Ty, bits: u128) -> Value {
        self.pool.push(bits);
        Value::Pool(ty, self.pool.len() as u32 - 1)
    }

    #[inline(always)]
    pub(crate) fn constant(&self, number: u32) -> u128 {
        self.pool[number as usize]
    }

    /// How many there are.
    pub(crate) fn constants(&self) -> usize {
        self.pool.len()
    }

    // ---- Stack maps.

    /// The topmost node of all handles in slots: see `handles`.
    pub(crate) fn map_handles(&mut self, frame: &FrameLayout) -> u32 {
        self.handles.map(&self.values, frame)
    }

    /// The map of a call that returns to this offset.
    pub(crate) fn map_call(&mut self, frame: &FrameLayout, maps: &mut StackMaps, offset: u32) {
        self.handles.map_call(&self.values, frame, maps, offset);
    }

    /// The map of a slow path's call that returns to this offset: a chain of nodes, and slots besides.
    pub(crate) fn map_slow_call(&mut self, top: u32, besides: &[i32], maps: &mut StackMaps, offset: u32) {
        self.handles.map_slow_call(top, besides, maps, offset);
    }

    /// Asserts that what is settled is, and that handles are listed; not where that would take long.
    #[cfg(debug_assertions)]
    pub(crate) fn check(&self) {
        if self.values.len() >= 1000 {
            return;
        }
        for value in &self.values[..self.settled] {
            assert!(matches!(value, Value::Const(..) | Value::Pool(..) | Value::Slot(..)), "{value:?} is not settled");
        }
        let handles = (0..self.values.len() as u32).filter(|&n| self.values[n as usize].ty() == Ty::Handle);
        assert!(handles.eq(self.handles.positions()), "handles are listed");
    }
}
