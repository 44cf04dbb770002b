//! Why sweeps happen, and how often they did.

/// Why a sweep happens.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Compiled code found no room in the table.
    Full,
    /// The table was past its threshold at a boundary between wasm and the host.
    Boundary,
    /// One was asked for, and a safe point came by.
    Asked,
    /// The host wanted one at once.
    Explicit,
    /// There was no room for an object.
    Exhausted,
}

/// How many sweeps there have been, by occasion.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepCounts {
    /// [`Occasion::Full`].
    pub full: u64,
    /// [`Occasion::Boundary`].
    pub boundary: u64,
    /// [`Occasion::Asked`].
    pub asked: u64,
    /// [`Occasion::Explicit`].
    pub explicit: u64,
    /// [`Occasion::Exhausted`].
    pub exhausted: u64,
}

impl SweepCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.full + self.boundary + self.asked + self.explicit + self.exhausted
    }

    pub(crate) fn count(&mut self, why: Occasion) {
        *match why {
            Occasion::Full => &mut self.full,
            Occasion::Boundary => &mut self.boundary,
            Occasion::Asked => &mut self.asked,
            Occasion::Explicit => &mut self.explicit,
            Occasion::Exhausted => &mut self.exhausted,
        } += 1;
    }
}
