//! Stack maps: where handles are in a function's frame while each of its calls is under way.
//!
//! Most of what one call finds in the frame the next one finds as well, so a map is kept as its difference
//! from the one before: what is there at every call (locals) once for the function, and of the rest, which
//! grows and shrinks like the operand stack that it comes from, how much stays and what is added. The whole
//! is of the order of the function, however many handles live across however many calls.

use std::ops::Range;

/// Where handles are in a frame while a call is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackMap {
    /// The call's return address, as an offset from the code's start.
    pub return_offset: u32,
    /// Each handle's 4 bytes, relative to the frame pointer.
    pub slots: Vec<i32>,
}

/// A function's stack maps, by increasing return address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackMaps {
    everywhere: Vec<i32>,
    steps: Vec<(u32, u32, Range<u32>)>,
    added: Vec<i32>,
    /// The last map's slots but those of `everywhere`.
    current: Vec<i32>,
}

/// A map as its difference from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The call's return address, as an offset from the code's start.
    pub return_offset: u32,
    /// How many slots of the map before stay, from its first one on; those of every map do not count.
    pub kept: u32,
    /// Slots that come behind those.
    pub added: &'a [i32],
}

impl StackMaps {
    /// No maps yet; these slots, relative to the frame pointer, will be in all of them.
    pub fn new(everywhere: Vec<i32>) -> StackMaps {
        StackMaps { everywhere, ..StackMaps::default() }
    }

    /// Slots that are in every map.
    pub fn everywhere(&self) -> &[i32] {
        &self.everywhere
    }

    /// Appends the map of a call that returns to a higher offset than the last one: what is in every map, the
    /// first `kept` others of the map before, and `added`.
    pub fn push(&mut self, return_offset: u32, kept: u32, added: impl IntoIterator<Item = i32>) {
        let first = self.added.len();
        self.added.extend(added);
        self.current.truncate(kept as usize);
        self.current.extend_from_slice(&self.added[first..]);
        self.steps.push((return_offset, kept, first as u32..self.added.len() as u32));
    }

    /// Appends a map; what it has in common with the one before is found.
    pub fn push_map(&mut self, return_offset: u32, slots: &[i32]) {
        let kept = self.current.iter().zip(slots).take_while(|(a, b)| a == b).count();
        self.push(return_offset, kept as u32, slots[kept..].iter().copied());
    }

    /// How many slots the last map has beyond those of every map.
    pub fn depth(&self) -> u32 {
        self.current.len() as u32
    }

    /// How many maps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether no call has a map.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The maps as differences.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.steps.iter().map(|(return_offset, kept, added)| Step {
            return_offset: *return_offset,
            kept: *kept,
            added: &self.added[added.start as usize..added.end as usize],
        })
    }

    /// The map of the call that returns to this offset. It is put together from all before it: for people and tests.
    pub fn at(&self, return_offset: u32) -> Option<StackMap> {
        let n = self.steps.binary_search_by_key(&return_offset, |step| step.0).ok()?;
        self.maps().nth(n)
    }

    /// The maps in full: for people and tests.
    pub fn maps(&self) -> impl Iterator<Item = StackMap> {
        let mut slots = self.everywhere.clone();
        self.steps().map(move |step| {
            slots.truncate(self.everywhere.len() + step.kept as usize);
            slots.extend_from_slice(step.added);
            StackMap { return_offset: step.return_offset, slots: slots.clone() }
        })
    }
}
