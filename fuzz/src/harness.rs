//! What every way of fuzzing does with a case: runs it on every engine that is meant, and compares.

use crate::case::Case;
use crate::counts::Counts;
use crate::engines::{Engine, Sconce, Wasmi, Wasmtime};
use crate::outcome::{Verdict, compare};
use sconce_engine::{BoundsStyle, CallStyle, Tier};

/// Every engine that cases are run on.
pub struct Engines {
    /// Each case runs on some of these in turn, so that all are used alike.
    pub sconce: Vec<Sconce>,
    /// The interpreter, wherever it knows what a case uses.
    pub wasmi: Wasmi,
    /// The peer for the others.
    pub wasmtime: Wasmtime,
}

impl Engines {
    /// All of them.
    ///
    /// # Errors
    /// If one cannot be had.
    pub fn new() -> Result<Engines, Box<dyn std::error::Error>> {
        let mut sconce = Vec::new();
        for gc_stress in [false, true] {
            for tier in [Tier::Cranelift, Tier::Lightbeam] {
                for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
                    for calls in [CallStyle::Direct, CallStyle::Slots] {
                        sconce.push(Sconce::new(tier, bounds, calls, gc_stress)?);
                    }
                }
            }
        }
        Ok(Engines { sconce, wasmi: Wasmi::default(), wasmtime: Wasmtime::new()? })
    }

    fn peer(&self, case: &Case) -> &dyn Engine {
        if self.wasmi.knows(case) { &self.wasmi } else { &self.wasmtime }
    }

    /// The configurations that a case is run in: one of each compiler, so that every pair meets; some sweep all the time.
    fn configurations(&self, case: &Case) -> [&Sconce; 2] {
        let (first, second) = (case.seed % 4, case.seed / 4 % 4);
        let stress = if case.seed / 16 % 6 == 0 { 8 } else { 0 };
        [stress + first, stress + 4 + second].map(|i| &self.sconce[i as usize])
    }

    /// What came of a case, and what was different, if anything was.
    pub fn judge(&self, case: &Case) -> (Counts, Option<String>) {
        let mut counts = Counts::default();
        let peer = self.peer(case);
        let mut difference = self.against(peer, case, &mut counts);
        // wasmi is wrong or panics at times: where it stands alone, three against one decide.
        if difference.is_some() && peer.name() == self.wasmi.name() {
            let outvoted = std::mem::take(&mut counts);
            let second = self.against(&self.wasmtime, case, &mut counts);
            if second.is_none() {
                (difference, counts.outvoted) = (None, vec![case.seed]);
            } else {
                counts = outvoted;
            }
        }
        (counts, difference)
    }

    /// Runs a case on this peer and on Sconce, and says how they differ.
    fn against(&self, peer: &dyn Engine, case: &Case, counts: &mut Counts) -> Option<String> {
        let expected = match peer.run(case) {
            Ok(expected) => expected,
            Err(e) => return Some(e.to_string()),
        };
        for engine in self.configurations(case) {
            let seen = match engine.run(case) {
                Ok(seen) => seen,
                Err(e) => return Some(e.to_string()),
            };
            if let Verdict::Different(d) = compare(&expected, &seen) {
                return Some(format!("{} (above) and {} differ at {d}", peer.name(), engine.name()));
            }
        }
        counts.executed = 1;
        counts.with_wasmi = u64::from(peer.name() == self.wasmi.name());
        counts.with_wasmtime = 1 - counts.with_wasmi;
        counts.note(&expected);
        None
    }
}
