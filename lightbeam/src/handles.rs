//! Handles on the abstract stack, and the stack maps that come of them.
//!
//! A map lists slots from the bottom of the stack upwards, and the next one mostly begins with the same ones. So slots that maps
//! know are nodes, each with the one below it, and a map is named by its topmost node: it takes what is new since the one before,
//! and no more. Handles in locals are in every map, and said once (`sconce_environ::stack_maps`).

use crate::frame_layout::FrameLayout;
use crate::value::Value;
use sconce_environ::stack_maps::StackMaps;

/// No node.
pub(crate) const NO_NODE: u32 = u32::MAX;

/// A slot that holds a handle.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Node {
    /// Relative to the frame pointer.
    slot: i32,
    /// The node below.
    below: u32,
    /// How many nodes there are from the bottom up to this one.
    depth: u32,
}

/// What is known about the handles on the stack.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    /// Their positions on the stack, increasing.
    positions: Vec<u32>,
    nodes: Vec<Node>,
    /// For each of the lowest handles, the topmost node of it and of those below it.
    tops: Vec<u32>,
    /// How many handles, from the bottom, are as the last map has them.
    in_map: usize,
    /// The nodes of the last map of a slow path.
    slow: Vec<u32>,
}

impl Handles {
    fn depth(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(0, |node| node.depth)
    }

    /// The handle with this number and those above it are elsewhere now, or gone.
    fn forget(&mut self, number: usize) {
        self.tops.truncate(number);
        self.in_map = self.in_map.min(number);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    #[cfg(debug_assertions)]
    pub(crate) fn positions(&self) -> impl Iterator<Item = u32> {
        self.positions.iter().copied()
    }

    /// A handle is pushed at this position of the stack.
    #[inline(always)]
    pub(crate) fn push(&mut self, position: u32) {
        self.positions.push(position);
    }

    /// The topmost handle is popped.
    pub(crate) fn pop(&mut self) {
        self.positions.pop();
        self.forget(self.positions.len());
    }

    /// The handle at this position of the stack has moved to its slot. Few are above it: nothing that is settled moves.
    pub(crate) fn moved(&mut self, position: u32) {
        self.forget(self.positions.partition_point(|&p| p < position));
    }

    /// The topmost node of all handles in slots.
    pub(crate) fn map(&mut self, stack: &[Value], frame: &FrameLayout) -> u32 {
        let mut top = self.tops.last().copied().unwrap_or(NO_NODE);
        for n in self.tops.len()..self.positions.len() {
            let at = self.positions[n];
            // Constants are null, and locals are in their homes.
            if let Value::Slot(..) = stack[at as usize] {
                let depth = self.depth(top) + 1;
                self.nodes.push(Node { slot: frame.slot(at).disp(), below: top, depth });
                top = self.nodes.len() as u32 - 1;
            }
            self.tops.push(top);
        }
        top
    }

    /// The map of the call that returns to this offset.
    pub(crate) fn map_call(&mut self, stack: &[Value], frame: &FrameLayout, maps: &mut StackMaps, offset: u32) {
        let known = self.in_map;
        let top = self.map(stack, frame);
        self.in_map = self.positions.len();
        let depth = self.depth(top);
        if depth == 0 && maps.everywhere().is_empty() {
            // What the last map has does not count: all of it is gone.
            return;
        }
        let kept = known.checked_sub(1).map_or(0, |n| self.depth(self.tops[n]));
        let mut added = Vec::with_capacity((depth - kept) as usize);
        let mut node = top;
        while self.depth(node) > kept {
            let Node { slot, below, .. } = self.nodes[node as usize];
            added.push(slot);
            node = below;
        }
        maps.push(offset, kept, added.into_iter().rev());
    }

    /// The map of a slow path's call, which returns to this offset: a chain of nodes, and slots besides.
    pub(crate) fn map_slow_call(&mut self, top: u32, besides: &[i32], maps: &mut StackMaps, offset: u32) {
        let mut added = Vec::new();
        let mut node = top;
        while node != NO_NODE && self.slow.get(self.depth(node) as usize - 1) != Some(&node) {
            added.push(node);
            node = self.nodes[node as usize].below;
        }
        let kept = self.depth(node);
        if kept as usize + added.len() + besides.len() + maps.everywhere().len() == 0 {
            return;
        }
        self.slow.truncate(kept as usize);
        self.slow.extend(added.iter().rev());
        // The map before may be a call's in the function itself: then all of this one is new.
        let slots = added.iter().rev().map(|&node| self.nodes[node as usize].slot);
        maps.push(offset, kept, slots.chain(besides.iter().copied()));
    }
}
