//! What every way of fuzzing does with a case: runs it on every engine that is meant, and compares.

use crate::case::{Case, Generator};
use crate::counts::Counts;
use crate::engines::{Engine, Model, Refused, Sconce, VARIANTS, Wasmi, Wasmtime};
use crate::outcome::{Outcome, Step, Stop, Verdict, compare};
use sconce_engine::{BoundsStyle, CallStyle, Tier};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Of the cases that Sconce's styles agree on, one in so many is run on a peer too, which is slower.
const WITH_PEER: u64 = 8;
/// One in so many is interrupted.
const INTERRUPTED: u64 = 8;
/// How many combinations of styles there are for each compiler and variant.
const STYLES: u64 = 4;

/// Every engine that cases are run on.
pub struct Engines {
    /// What is right, for cases that come with that.
    pub model: Model,
    /// By variant, then compiler, then style. Each case runs on some of these in turn, so that all are used alike.
    pub sconce: Vec<Sconce>,
    /// The interpreter, wherever it knows what a case uses.
    pub wasmi: Wasmi,
    /// The peer for the others.
    pub wasmtime: Wasmtime,
}

/// A compiler, as an index.
const CRANELIFT: u64 = 0;
const LIGHTBEAM: u64 = 1;

impl Engines {
    /// All of them.
    ///
    /// # Errors
    /// If one cannot be had.
    pub fn new() -> Result<Engines, Box<dyn std::error::Error>> {
        let mut sconce = Vec::new();
        for variant in VARIANTS {
            for tier in [Tier::Cranelift, Tier::Lightbeam] {
                for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
                    for calls in [CallStyle::Direct, CallStyle::Slots] {
                        sconce.push(Sconce::new(tier, bounds, calls, variant)?);
                    }
                }
            }
        }
        Ok(Engines { model: Model, sconce, wasmi: Wasmi::default(), wasmtime: Wasmtime::new()? })
    }

    /// The peer for a case, if one can run it.
    fn peer(&self, case: &Case) -> Option<&dyn Engine> {
        let peers: [&dyn Engine; 3] = [&self.model, &self.wasmi, &self.wasmtime];
        peers.into_iter().find(|peer| peer.knows(case))
    }

    /// The variant that this number stands for: each as often as its share.
    fn variant(number: u64) -> u64 {
        let mut number = number % VARIANTS.iter().map(|v| v.share).sum::<u64>();
        for (n, variant) in (0..).zip(VARIANTS) {
            match number.checked_sub(variant.share) {
                Some(rest) => number = rest,
                None => return n,
            }
        }
        0
    }

    fn sconce(&self, variant: u64, compiler: u64, style: u64) -> &Sconce {
        &self.sconce[(2 * STYLES * variant + STYLES * compiler + style % STYLES) as usize]
    }

    /// The configurations that a case is run in: one of each compiler, so that every pair meets; some sweep all the time. Where
    /// Sconce's own are compared with each other, a second one of Lightbeam, which is quick.
    fn configurations(&self, case: &Case) -> Vec<&Sconce> {
        let seed = case.seed;
        // Where each call sweeps, a stack that is exhausted costs the square of its depth: up to minutes.
        let variant = |number| match Engines::variant(number) {
            stress if case.overflows && VARIANTS[stress as usize].name == "-stress" => 0,
            other => other,
        };
        let second = variant(seed / 16 + 1 + seed % 3);
        let variant = variant(seed / 16);
        let mut all = vec![self.sconce(variant, CRANELIFT, seed), self.sconce(variant, LIGHTBEAM, seed / 4)];
        if matches!(case.generator, Generator::Corner | Generator::Old) {
            all.push(self.sconce(second, LIGHTBEAM, seed / 4 + 1 + seed / 64 % 3));
        }
        all
    }

    /// What came of a case, and what was different, if anything was.
    pub fn judge(&self, case: &Case) -> (Counts, Option<String>) {
        match case.generator {
            Generator::Smith => self.judge_by_peer(case),
            Generator::Corner => self.judge_by_styles(case),
            Generator::Old => self.judge_by_model(case),
        }
    }

    fn judge_by_peer(&self, case: &Case) -> (Counts, Option<String>) {
        let mut counts = Counts::default();
        let Some(peer) = self.peer(case) else { return (counts, None) };
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

    /// Compares Sconce's configurations with each other first; some cases go to a peer afterwards, some are interrupted.
    fn judge_by_styles(&self, case: &Case) -> (Counts, Option<String>) {
        let mut counts = Counts::default();
        let configurations = self.configurations(case);
        let expected = match run(configurations[0], case) {
            Ok(expected) => expected,
            Err(e) => return (counts, Some(e.to_string())),
        };
        for engine in &configurations[1..] {
            if let Some(text) = differs(&expected, configurations[0], &run(engine, case), &engine.name()) {
                return (counts, Some(text));
            }
        }
        let limited = || with_less_fuel(case, &configurations, &expected);
        if let Some(text) = self.interrupted(case, &expected, configurations[0]).or_else(limited) {
            return (counts, Some(text));
        }
        if case.seed.is_multiple_of(WITH_PEER) && self.peer(case).is_some() {
            return self.judge_by_peer(case);
        }
        counts.executed = 1;
        counts.note(&expected);
        (counts, None)
    }

    /// Compares with what is known to be right.
    fn judge_by_model(&self, case: &Case) -> (Counts, Option<String>) {
        let mut counts = Counts::default();
        let difference = self.against(&self.model, case, &mut counts).or_else(|| match self.model.run(case) {
            Ok(expected) => self.interrupted(case, &expected, &self.model),
            Err(e) => Some(e.to_string()),
        });
        (counts, difference)
    }

    /// Interrupts the code of some cases, and says how what comes of them afterwards differs.
    fn interrupted(&self, case: &Case, expected: &[Step], by: &dyn Engine) -> Option<String> {
        // Whether the code was interrupted elsewhere before: not in the last configuration only, since it takes two runs.
        if case.seed % INTERRUPTED != 1 {
            return None;
        }
        let configurations = self.configurations(case);
        let engine = configurations[(case.seed / INTERRUPTED % configurations.len() as u64) as usize];
        let seen = guarded(&engine.name(), || engine.run_interrupted(case));
        differs(expected, by, &seen, &format!("{} after interrupts", engine.name()))
    }

    /// Runs a case on this peer and on Sconce, and says how they differ.
    fn against(&self, peer: &dyn Engine, case: &Case, counts: &mut Counts) -> Option<String> {
        let expected = match peer.run(case) {
            Ok(expected) => expected,
            Err(e) => return Some(e.to_string()),
        };
        let configurations = self.configurations(case);
        // Peers do not count as Sconce does: its own are compared with each other.
        let mut counted: Option<(&Sconce, Outcome)> = None;
        for engine in &configurations {
            let seen = run(engine, case);
            if let Some(text) = differs(&expected, peer, &seen, &engine.name()) {
                return Some(text);
            }
            match (&counted, seen) {
                (Some((first, expected)), seen) => {
                    if let Some(text) = differs(expected, *first, &seen, &engine.name()) {
                        return Some(text);
                    }
                }
                (None, seen) => counted = seen.ok().map(|seen| (*engine, seen)),
            }
        }
        if let Some(text) = counted.and_then(|(_, seen)| with_less_fuel(case, &configurations, &seen)) {
            return Some(text);
        }
        counts.executed = 1;
        counts.with_wasmi = u64::from(peer.name() == self.wasmi.name());
        counts.with_wasmtime = u64::from(peer.name() == self.wasmtime.name());
        counts.with_model = u64::from(peer.name() == self.model.name());
        counts.note(&expected);
        None
    }
}

/// Runs a case on those of Sconce's configurations that count, with less fuel than it takes, and says how they differ. `seen` is what
/// the first one saw.
fn with_less_fuel(case: &Case, configurations: &[&Sconce], seen: &[Step]) -> Option<String> {
    let exhausted = seen.iter().any(|step| step.result == Err(Stop::Exhausted));
    let all = seen.last().and_then(|step| step.fuel).filter(|&all| all > 0 && !exhausted)?;
    let engines: Vec<_> = configurations.iter().filter(|engine| engine.counts()).collect();
    for fuel in [all - 1, case.seed % all] {
        let run = |engine: &Sconce| guarded(&engine.name(), || engine.run_with_fuel(case, fuel));
        let first = match run(engines[0]) {
            Ok(first) => first,
            Err(e) => return Some(e.to_string()),
        };
        // What is left over after a call that did not end is nothing, so that all have spent the same in the end.
        if first.last().and_then(|step| step.fuel) != Some(fuel) {
            return Some(format!("{} spent not all of {fuel} fuel", engines[0].name()));
        }
        for engine in &engines[1..] {
            if let Some(text) = differs(&first, *engines[0], &run(engine), &format!("{} with {fuel} fuel", engine.name())) {
                return Some(text);
            }
        }
    }
    None
}

/// What Sconce sees of a case. A panic is a fault as any other.
fn run(engine: &Sconce, case: &Case) -> Result<Outcome, Refused> {
    guarded(&engine.name(), || engine.run(case))
}

/// What `run` sees, unless it is a fault whatever others see.
fn guarded(name: &str, run: impl FnOnce() -> Result<Outcome, Refused>) -> Result<Outcome, Refused> {
    let fault = |reason: String| Err(Refused { engine: name.to_owned(), reason });
    let seen = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        fault(format!("it panicked: {}", text.unwrap_or("without a message")))
    })?;
    let ends = |step: &&Step| matches!(step.result, Err(Stop::Interrupted | Stop::BrokenInvariant));
    match seen.iter().find(ends) {
        Some(Step { call, result, .. }) => fault(format!("{} ended by {result:?}", call.as_deref().unwrap_or("instantiation"))),
        None => Ok(seen),
    }
}

/// How what an engine saw differs from what is expected, if it does.
fn differs(expected: &[Step], by: &dyn Engine, seen: &Result<Outcome, Refused>, name: &str) -> Option<String> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(e) => return Some(e.to_string()),
    };
    match compare(expected, seen) {
        Verdict::Different(d) => Some(format!("{} (above) and {name} differ at {d}", by.name())),
        Verdict::Same { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Proposals;

    #[test]
    fn each_variant_has_its_share() {
        let total: u64 = VARIANTS.iter().map(|v| v.share).sum();
        for (n, variant) in (0..).zip(VARIANTS) {
            let count = (5 * total..6 * total).filter(|&number| Engines::variant(number) == n).count();
            assert_eq!(count as u64, variant.share, "{}", variant.name);
        }
    }

    #[test]
    fn a_panic_is_a_difference() {
        let refused = guarded("it", || panic!("at {}", 7));
        assert_eq!(refused.map_err(|e| e.to_string()), Err("it could not run the module: it panicked: at 7".to_owned()));
    }

    /// What is interrupted, and then run again in the same store, sees what it saw in its own.
    #[test]
    fn interrupted_cases_run_again() {
        let engine = Sconce::new(Tier::Lightbeam, BoundsStyle::Guard, CallStyle::Direct, &VARIANTS[0]).expect("there is room");
        for seed in 0..10 {
            let case = Case::new(Generator::Corner, seed, Proposals::all()).expect("it makes all");
            let (expected, seen) = (engine.run(&case), engine.run_interrupted(&case));
            assert_eq!(expected.expect("it is valid"), seen.expect("it is valid"), "{seed}");
        }
    }
}
