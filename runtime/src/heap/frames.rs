//! What wasm frames hold: a walk over all of a store's frames, with stack maps.
//!
//! Wasm has been left when this runs, so every frame is in the middle of a call, whose return
//! address has a stack map, unless no slot of the frame holds a handle.

use crate::activation::Shared;
use crate::code::lookup::CodeAt;
use crate::walk::Frame;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Decoded stack maps beyond which they are forgotten after a sweep.
const MAX_KEPT: usize = 1 << 20;

/// Decoded stack maps by return address. All of a function's maps are decoded when the first of
/// them is asked for, so that the work is of the order of the functions on the stack plus the
/// frames, however deep the recursion.
///
/// An address means the same function as long as the store lives: it owns the code that its
/// instances run.
#[derive(Debug, Default)]
pub(crate) struct MapCache {
    by_return: HashMap<usize, Map>,
    /// Slots that are in every map of a function, function by function.
    everywhere: Vec<i32>,
    /// The other slots, each with the number of the one before it in its map: maps share their
    /// beginnings, as the tables have them.
    chains: Vec<(i32, u32)>,
    decoded: HashSet<usize>,
}

/// A frame's slots: a run of `everywhere`, and the last one of a chain.
#[derive(Clone, Debug)]
struct Map {
    everywhere: Range<u32>,
    last: u32,
}

/// The end of a chain.
const END: u32 = u32::MAX;

impl Map {
    const NONE: Map = Map { everywhere: 0..0, last: END };
}

impl MapCache {
    /// Slots of the frame to which a call returns at this address.
    fn slots(&mut self, shared: &Shared, return_address: usize) -> impl Iterator<Item = i32> {
        if !self.by_return.contains_key(&return_address) {
            self.decode(shared, return_address);
        }
        let Map { everywhere, mut last } = self.by_return.get(&return_address).cloned().unwrap_or(Map::NONE);
        let MapCache { everywhere: shared_slots, chains, .. } = self;
        let chain = std::iter::from_fn(move || {
            let &(slot, before) = chains.get(last as usize)?;
            last = before;
            Some(slot)
        });
        shared_slots[everywhere.start as usize..everywhere.end as usize].iter().copied().chain(chain)
    }

    fn decode(&mut self, shared: &Shared, return_address: usize) {
        // A call that never returns may be the last instruction: its return address is the
        // function's end.
        let call = return_address.wrapping_sub(1);
        // SAFETY: the store's stack names only code of its own instances, which it keeps.
        if let Some(function) = unsafe { shared.code.at(call) }.and_then(CodeAt::function) {
            let start = function.start;
            if self.decoded.insert(start) {
                let steps = function.stack_maps();
                let first = self.everywhere.len() as u32;
                self.everywhere.extend(&steps.everywhere);
                let everywhere = first..self.everywhere.len() as u32;
                let mut open: Vec<u32> = Vec::new();
                for step in steps {
                    open.truncate(step.kept as usize);
                    for slot in step.added {
                        self.chains.push((slot, open.last().copied().unwrap_or(END)));
                        open.push(self.chains.len() as u32 - 1);
                    }
                    let map = Map { everywhere: everywhere.clone(), last: open.last().copied().unwrap_or(END) };
                    self.by_return.insert(start + step.return_offset as usize, map);
                }
            }
        }
        // A frame without handles, or no frame of wasm's.
        self.by_return.entry(return_address).or_insert(Map::NONE);
    }

    /// Forgets maps if there are very many.
    pub(crate) fn trim(&mut self) {
        if self.everywhere.len() + self.chains.len() + self.by_return.len() > MAX_KEPT {
            *self = MapCache::default();
        }
    }
}

/// Calls `f` with each handle in a frame of the store, null ones and repeated ones included; gives
/// the number of frames.
pub(crate) fn walk(shared: &Shared, maps: &mut MapCache, mut f: impl FnMut(u32)) -> u64 {
    // SAFETY: a sweep happens in builtins and at boundaries, on the store's own thread; `f` enters no wasm.
    let stack = unsafe { shared.current_stack() };
    let mut frames = 0;
    for exit_fp in stack.exits() {
        for Frame { return_address, fp } in stack.callers(exit_fp) {
            frames += 1;
            for slot in maps.slots(shared, return_address) {
                f(stack.half(fp.wrapping_add_signed(slot as isize)).unwrap_or(0));
            }
        }
    }
    frames
}
