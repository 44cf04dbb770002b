//! What becomes the function's tables: facts about places in the code, noted when the code is made.
//!
//! Each list increases with the code's offsets: an entry is about what has just been emitted, or comes
//! next.

use sconce_environ::abi::MAX_IN_PLACE;
use sconce_environ::compile::{CompiledFunction, Reloc, RelocTarget};
use sconce_environ::stack_maps::StackMaps;
use sconce_environ::trap::TrapCode;

/// Instructions that belong to no operator.
const NO_OPERATOR: u32 = u32::MAX;

/// The tables of a function under construction.
#[derive(Debug)]
pub(crate) struct Tables {
    traps: Vec<(u32, TrapCode)>,
    wasm_offsets: Vec<(u32, u32)>,
    relocs: Vec<Reloc>,
    uninterruptible: Vec<(u32, u32)>,
    pub(crate) stack_maps: StackMaps,
    /// Calls of imports that are made without a trampoline.
    in_place: u32,
}

impl Tables {
    /// Empty ones, in the lists of a function that nobody needs any more.
    pub(crate) fn reusing(out: &mut CompiledFunction) -> Tables {
        Tables {
            traps: cleared(&mut out.traps),
            wasm_offsets: cleared(&mut out.wasm_offsets),
            relocs: cleared(&mut out.relocs),
            uninterruptible: cleared(&mut out.uninterruptible),
            stack_maps: StackMaps::default(),
            in_place: 0,
        }
    }

    /// The instruction at this offset traps if it faults.
    #[inline(always)]
    pub(crate) fn trap(&mut self, offset: u32, code: TrapCode) {
        self.traps.push((offset, code));
    }

    /// What follows belongs to the operator at this place of the module.
    #[inline(always)]
    pub(crate) fn operator(&mut self, offset: u32, wasm_offset: u32) {
        self.wasm_offsets.push((offset, wasm_offset));
    }

    /// What follows belongs to no operator.
    pub(crate) fn no_operator(&mut self, offset: u32) {
        self.wasm_offsets.push((offset, NO_OPERATOR));
    }

    /// The four bytes at this offset become the distance of the target, counted from their end as the processor does.
    pub(crate) fn relocation(&mut self, offset: u32, target: RelocTarget) {
        self.relocs.push(Reloc { offset, target, addend: -4 });
    }

    /// No interrupt may come between these instructions.
    pub(crate) fn uninterruptible(&mut self, from: u32, to: u32) {
        self.uninterruptible.push((from, to));
    }

    /// Whether one more import may be called without a trampoline. If so, that is done.
    pub(crate) fn call_in_place(&mut self) -> bool {
        let may = self.in_place < MAX_IN_PLACE;
        self.in_place += u32::from(may);
        may
    }

    /// Puts all of them into the finished function.
    pub(crate) fn finish(self, out: &mut CompiledFunction) {
        out.traps = self.traps;
        out.wasm_offsets = self.wasm_offsets;
        out.relocs = self.relocs;
        out.uninterruptible = self.uninterruptible;
        out.stack_maps = self.stack_maps;
    }
}

/// An empty list with a list's allocation.
pub(crate) fn cleared<T>(list: &mut Vec<T>) -> Vec<T> {
    let mut list = std::mem::take(list);
    list.clear();
    list
}
