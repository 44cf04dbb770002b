//! Handles on the abstract stack, as stack maps list them.
//!
//! A map lists slots from the bottom of the stack upwards, and the next one mostly begins with the same ones. So slots that maps
//! know are nodes, each with the one below it, and a map is named by its topmost node: it takes what is new since the one before,
//! and no more. Handles in locals are in every map, and said once (`sconce_environ::stack_maps`).

/// No node.
pub(crate) const NO_NODE: u32 = u32::MAX;

/// A slot that holds a handle.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Node {
    /// Relative to the frame pointer.
    pub(crate) slot: i32,
    /// The node below.
    pub(crate) below: u32,
    /// How many nodes there are from the bottom up to this one.
    pub(crate) depth: u32,
}

/// What is known about the handles on the stack.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    /// Their positions on the stack, increasing.
    pub(crate) positions: Vec<u32>,
    pub(crate) nodes: Vec<Node>,
    /// For each of the lowest handles, the topmost node of it and of those below it.
    pub(crate) tops: Vec<u32>,
    /// How many handles, from the bottom, are as the last map has them.
    pub(crate) in_map: usize,
    /// The nodes of the last map of a slow path.
    pub(crate) slow: Vec<u32>,
}

impl Handles {
    pub(crate) fn depth(&self, node: u32) -> u32 {
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
