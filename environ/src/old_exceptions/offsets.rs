//! Where in the file's body the operators of a rewritten one are.

/// Operators one after the other, either copied or made for one of the file.
#[derive(Copy, Clone, Debug)]
struct Run {
    after: u32,
    before: u32,
    copied: bool,
}

/// Both in bytes from the body's start, increasing.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    runs: Vec<Run>,
}

impl Offsets {
    /// An operator of the file's is copied.
    pub(super) fn copied(&mut self, after: u32, before: u32) {
        // Whatever moves operators is made for one of them, so that another run stands between.
        match self.runs.last().filter(|last| last.copied) {
            Some(last) => debug_assert_eq!(after - last.after, before - last.before),
            None => self.runs.push(Run { after, before, copied: true }),
        }
    }

    /// What follows is made for an operator of the file's.
    pub(super) fn made(&mut self, after: u32, before: u32) {
        self.runs.push(Run { after, before, copied: false });
    }

    /// Something is put in front of all operators.
    pub(super) fn moved_by(&mut self, bytes: u32) {
        self.runs.iter_mut().for_each(|run| run.after += bytes);
    }

    /// The place in the file's body that a place in the rewritten one stands for.
    pub(super) fn before(&self, after: u32) -> u32 {
        match self.runs.partition_point(|run| run.after <= after).checked_sub(1).map(|n| self.runs[n]) {
            Some(run) if run.copied => run.before + (after - run.after),
            Some(run) => run.before,
            None => after,
        }
    }
}
