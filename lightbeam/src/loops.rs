//! Loops: which one comes next, and which locals are pinned for one.
//!
//! Only innermost loops pin locals, so there is one such loop at a time, or none.

use sconce_environ::placement::of_loop;
use std::ops::Range;

/// A local that is pinned for a loop.
#[derive(Copy, Clone, Debug)]
pub(crate) struct LoopPin {
    pub(crate) local: u32,
    pub(crate) pin: u8,
    /// Whether the loop writes it: then it goes home where the loop is left.
    pub(crate) written: bool,
}

/// The pins of one loop.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Run {
    from: u32,
    to: u32,
}

impl Run {
    /// The number of each pin.
    pub(crate) fn numbers(self) -> Range<usize> {
        self.from as usize..self.to as usize
    }
}

/// All loops of a function so far.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    /// How many have begun, reachable or not.
    begun: usize,
    /// Locals that are, or were, pinned for a loop.
    pins: Vec<LoopPin>,
    /// How many blocks are around the loop for which locals are pinned now, and its pins.
    pinned: Option<(usize, Run)>,
    /// Where they are, as far as that counts for the function's place.
    code: Vec<Range<u32>>,
}

impl Loops {
    /// One more loop begins: gives its number, as the summary counts them.
    pub(crate) fn begin(&mut self) -> usize {
        self.begun += 1;
        self.begun - 1
    }

    /// How many have begun.
    pub(crate) fn begun(&self) -> usize {
        self.begun
    }

    /// A loop's code ends.
    pub(crate) fn end(&mut self, code: Range<u32>) {
        self.code.extend(of_loop(code));
    }

    /// What counts of all of them for the function's place.
    pub(crate) fn code(&self) -> &[Range<u32>] {
        &self.code
    }

    // ---- Pins.

    /// How many pins there are: what is added from here on is of the loop that begins.
    pub(crate) fn pins_so_far(&self) -> u32 {
        self.pins.len() as u32
    }

    pub(crate) fn add_pin(&mut self, pin: LoopPin) {
        self.pins.push(pin);
    }

    /// The pins from this one on, if there are any, are those of the loop with so many blocks around it.
    pub(crate) fn pin_from(&mut self, from: u32, blocks: usize) {
        let run = Run { from, to: self.pins_so_far() };
        if !run.numbers().is_empty() {
            self.pinned = Some((blocks, run));
        }
    }

    /// A block with so many around it ends. If it is the loop with pins, that has none any more.
    pub(crate) fn unpin(&mut self, blocks: usize) -> Option<Run> {
        self.pinned.take_if(|&mut (pinned, _)| pinned == blocks).map(|(_, run)| run)
    }

    pub(crate) fn pin(&self, number: usize) -> LoopPin {
        self.pins[number]
    }

    /// The pins of the loop that has some now.
    pub(crate) fn pinned(&self) -> &[LoopPin] {
        self.pinned.map_or(&[], |(_, run)| &self.pins[run.numbers()])
    }

    /// What goes home if a branch to the end of a block, with so many around it, is taken: nothing where the function ends.
    pub(crate) fn left_by_branch(&self, blocks: usize) -> Option<Run> {
        let (pinned, run) = self.pinned?;
        let leaves = blocks < pinned && blocks != 0;
        (leaves && self.pinned().iter().any(|p| p.written)).then_some(run)
    }
}
