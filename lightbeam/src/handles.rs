//! Handles on the abstract stack, and the stack maps that come of them.
//!
//! A map lists slots from the bottom of the stack upwards, and the next one mostly begins with the same ones. So slots that maps
//! know are nodes, each with the one below it, and a map is named by its topmost node: it takes what is new since the one before,
//! and no more. Handles in locals are in every map, and said once (`sconce_environ::stack_maps`).

use crate::codegen::Codegen;
use crate::value::Value;

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
    pub(crate) positions: Vec<u32>,
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

    /// The topmost handle is popped.
    pub(crate) fn pop(&mut self) {
        self.positions.pop();
        self.forget(self.positions.len());
    }

    /// The handle at this position of the stack has moved to its slot. Few are above it: nothing that is settled moves.
    pub(crate) fn moved(&mut self, position: u32) {
        self.forget(self.positions.partition_point(|&p| p < position));
    }
}

impl Codegen<'_> {
    /// The topmost node of all handles in slots.
    pub(crate) fn map_handles(&mut self) -> u32 {
        let Codegen { handles, stack, frame, .. } = self;
        let mut top = handles.tops.last().copied().unwrap_or(NO_NODE);
        for &at in &handles.positions[handles.tops.len()..] {
            // Constants are null, and locals are in their homes.
            if let Value::Slot(..) = stack[at as usize] {
                let depth = handles.depth(top) + 1;
                handles.nodes.push(Node { slot: frame.slot(at).disp(), below: top, depth });
                top = handles.nodes.len() as u32 - 1;
            }
            handles.tops.push(top);
        }
        top
    }

    /// The map of the call that returns here.
    pub(crate) fn map_call(&mut self) {
        let known = self.handles.in_map;
        let top = self.map_handles();
        let Codegen { handles, tables, e, .. } = self;
        let stack_maps = &mut tables.stack_maps;
        handles.in_map = handles.positions.len();
        let depth = handles.depth(top);
        if depth == 0 && stack_maps.everywhere().is_empty() {
            // What the last map has does not count: all of it is gone.
            return;
        }
        let kept = known.checked_sub(1).map_or(0, |n| handles.depth(handles.tops[n]));
        let mut added = Vec::with_capacity((depth - kept) as usize);
        let mut node = top;
        while handles.depth(node) > kept {
            let Node { slot, below, .. } = handles.nodes[node as usize];
            added.push(slot);
            node = below;
        }
        stack_maps.push(e.offset(), kept, added.into_iter().rev());
    }

    /// The map of a slow path's call, which returns here: a chain of nodes, and slots besides.
    pub(crate) fn map_slow_call(&mut self, top: u32, besides: &[i32]) {
        let Codegen { handles, tables, e, .. } = self;
        let stack_maps = &mut tables.stack_maps;
        let mut added = Vec::new();
        let mut node = top;
        while node != NO_NODE && handles.slow.get(handles.depth(node) as usize - 1) != Some(&node) {
            added.push(node);
            node = handles.nodes[node as usize].below;
        }
        let kept = handles.depth(node);
        if kept as usize + added.len() + besides.len() + stack_maps.everywhere().len() == 0 {
            return;
        }
        handles.slow.truncate(kept as usize);
        handles.slow.extend(added.iter().rev());
        // The map before may be a call's in the function itself: then all of this one is new.
        let slots = added.iter().rev().map(|&node| handles.nodes[node as usize].slot);
        stack_maps.push(e.offset(), kept, slots.chain(besides.iter().copied()));
    }
}
