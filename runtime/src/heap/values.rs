//! The host values that objects name, by number.

use std::any::Any;

#[derive(Debug)]
enum Slot {
    Value(Box<dyn Any + Send + Sync>),
    /// The next free slot.
    Free(Option<u32>),
}

/// See the module's documentation. There are at most as many as objects, whose number is below 2^28.
#[derive(Debug, Default)]
pub(crate) struct Values {
    slots: Vec<Slot>,
    free: Option<u32>,
}

impl Values {
    pub(crate) fn add(&mut self, value: Box<dyn Any + Send + Sync>) -> u32 {
        match self.free {
            Some(index) => {
                let old = std::mem::replace(&mut self.slots[index as usize], Slot::Value(value));
                self.free = if let Slot::Free(next) = old { next } else { None };
                index
            }
            None => {
                self.slots.push(Slot::Value(value));
                self.slots.len() as u32 - 1
            }
        }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&(dyn Any + Send + Sync)> {
        match self.slots.get(index as usize) {
            Some(Slot::Value(value)) => Some(&**value),
            Some(Slot::Free(_)) | None => None,
        }
    }

    pub(crate) fn take(&mut self, index: u32) -> Option<Box<dyn Any + Send + Sync>> {
        let slot = self.slots.get_mut(index as usize).filter(|slot| matches!(slot, Slot::Value(_)))?;
        let taken = std::mem::replace(slot, Slot::Free(self.free));
        self.free = Some(index);
        if let Slot::Value(value) = taken { Some(value) } else { None }
    }
}
