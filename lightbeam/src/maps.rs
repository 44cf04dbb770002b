//! Stack maps of calls, from the handles on the stack ([`crate::handles`]).

use crate::codegen::Codegen;
use crate::handles::{NO_NODE, Node};
use crate::stack::slot_disp;
use crate::value::Value;

impl Codegen<'_> {
    /// The topmost node of all handles in slots.
    pub(crate) fn map_handles(&mut self) -> u32 {
        let Codegen { handles, stack, slots, stride, .. } = self;
        let mut top = handles.tops.last().copied().unwrap_or(NO_NODE);
        for &at in &handles.positions[handles.tops.len()..] {
            // Constants are null, and locals are in their homes.
            if let Value::Slot(..) = stack[at as usize] {
                let depth = handles.depth(top) + 1;
                handles.nodes.push(Node { slot: slot_disp(*slots, *stride, at), below: top, depth });
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
        let Codegen { handles, stack_maps, e, .. } = self;
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
        let Codegen { handles, stack_maps, e, .. } = self;
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
