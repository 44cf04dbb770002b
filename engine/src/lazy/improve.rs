//! Functions in which a program spends its time get better code, from Cranelift, while it runs.
//!
//! Where that is shows by a look at the program's threads now and then, at no cost to code. A function that
//! is found again and again is compiled by another thread, and its slot exchanged: each later call runs the
//! better code. An activation that stays in one of its loops is fetched from there (`osr`).

use super::LazyCode;
use super::ahead::Improved;
use crate::error::Error;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::osr::LoopCode;
use sconce_runtime as rt;
use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The part of the time that has passed that Cranelift may take, on a processor that has nothing else to do.
const SHARE: u32 = 4;
/// What Cranelift takes for a byte of a body, as a rule: time, and memory while it compiles.
const PER_BYTE: Duration = Duration::from_micros(1);
const MEMORY_PER_BYTE: u64 = 300;
/// How many times that must be left.
const HEADROOM: u64 = 4;

/// How often an activation is found in code that is no more called before it is fetched from there.
const STAYS: usize = 4;

/// How often that is tried again, where there was no such loop.
const TRIES: u32 = 4;

/// Of where it was seen so many places are kept: they choose a loop, and more of them choose no better.
const PLACES: usize = 16;

/// The smallest loop that all these places are in, but for those in no loop at all: what goes around there comes by its head.
fn around(loops: &[LoopCode], places: &[u32]) -> Option<LoopCode> {
    let in_loops: Vec<u32> = places.iter().copied().filter(|at| loops.iter().any(|found| found.code.contains(at))).collect();
    let all = |found: &&LoopCode| in_loops.iter().all(|at| found.code.contains(at));
    let smallest = loops.iter().filter(all).min_by_key(|found| found.code.end - found.code.start);
    smallest.filter(|_| !in_loops.is_empty()).cloned()
}

/// Code that is no more called, where activations are found nevertheless.
#[derive(Debug, Default)]
struct Left {
    /// Offsets from its start, since somebody looked for a loop there.
    places: Vec<u32>,
    /// How often there was none.
    failed: u32,
}

/// What a thread has seen of a program.
#[derive(Debug)]
pub(super) struct Seen {
    tried: HashSet<DefinedFuncIndex>,
    /// Code of functions that have better code, and where it begins.
    left: HashMap<(DefinedFuncIndex, usize), Left>,
    begin: Instant,
    spent: Duration,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen { tried: HashSet::new(), left: HashMap::new(), begin: Instant::now(), spent: Duration::ZERO }
    }

    /// The function that is found most often, of those that are hot and that there is time for.
    fn hottest(&self, code: &LazyCode) -> Option<DefinedFuncIndex> {
        let hot = code.found.hot().into_iter().map(|(func, _)| func);
        hot.filter(|func| !self.tried.contains(func)).find(|&func| self.is_affordable(code, func))
    }

    fn is_affordable(&self, code: &LazyCode, func: DefinedFuncIndex) -> bool {
        let cost = PER_BYTE.saturating_mul(u32::try_from(code.decoded.bodies[func].len()).unwrap_or(u32::MAX));
        (self.spent + cost).saturating_mul(SHARE) <= self.begin.elapsed()
    }

    /// The function whose activations stay in code that is no more called, where that begins, and where in it they were found.
    fn longest_left(&mut self, code: &LazyCode) -> Option<(DefinedFuncIndex, usize, Vec<u32>)> {
        let stays = |left: &Left| left.places.len() >= STAYS && left.failed < TRIES;
        let often = self.left.iter().filter(|(key, left)| stays(left) && self.is_affordable(code, key.0));
        let (&key, _) = often.max_by_key(|(key, left)| (left.places.len(), key.1))?;
        let places = std::mem::take(&mut self.left.get_mut(&key)?.places);
        Some((key.0, key.1, places))
    }
}

impl LazyCode {
    /// Looks where each store's code is, and compiles the hottest function, if there is one; says whether there was.
    pub(super) fn improve(&self, seen: &mut Seen) -> Improved {
        let rt::Looked { seen: places, busy } = self.samplers.lock().unwrap_or_else(PoisonError::into_inner).look();
        for at in places {
            let Some((func, start)) = self.code.function_at(at).filter(|&(_, start)| !self.is_better(start)) else { continue };
            self.found.add(func);
            if seen.tried.contains(&func) {
                let left = seen.left.entry((func, start)).or_default();
                if left.failed < TRIES {
                    left.places.truncate(PLACES - 1);
                    left.places.push((at - start) as u32);
                }
            }
        }
        if let Some((func, start, places)) = seen.longest_left(self) {
            let entered = self.with_func(seen, func, |code| code.replace_on_stack(func, start, |loops| around(loops, &places)));
            if !entered && let Some(left) = seen.left.get_mut(&(func, start)) {
                left.failed += 1;
            }
            return Improved::Something;
        }
        let Some(func) = seen.hottest(self) else { return if busy { Improved::Nothing } else { Improved::Idle } };
        seen.tried.insert(func);
        let improved = self.with_func(seen, func, |code| code.compile_better(func));
        self.counts.improved.fetch_add(improved.into(), Ordering::Relaxed);
        Improved::Something
    }

    /// Compiles something of a function, if there is memory for that; says whether that was done.
    fn with_func(&self, seen: &mut Seen, func: DefinedFuncIndex, work: impl FnOnce(&LazyCode) -> Result<bool, Error>) -> bool {
        let since = Instant::now();
        let memory = MEMORY_PER_BYTE * self.decoded.bodies[func].len() as u64;
        // What Cranelift cannot compile, or memory is too short for, stays as it is.
        let done = self.with_memory(memory, || work(self)).unwrap_or_else(|e| {
            log::debug!("function {} stays as it is: {e}", func.as_u32());
            false
        });
        let took = since.elapsed();
        seen.spent += took;
        log::debug!("function {} of {} bytes: {done}, in {took:?}", func.as_u32(), self.decoded.bodies[func].len());
        done
    }

    /// Does something for which so much memory is needed meanwhile.
    fn with_memory<T>(&self, bytes: u64, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let budget = |f: &dyn Fn(&mut rt::MemoryBudget) -> Result<(), rt::ResourceError>| {
            self.budget.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map_or(Ok(()), f)
        };
        budget(&|budget| {
            // The program is to find out as little of it as can be: there must be much more than that.
            let left = budget.limit().bytes().map_or(u64::MAX, |most| most.saturating_sub(budget.limit().used()));
            if left / HEADROOM < bytes {
                return Err(rt::ResourceError::MemoryTooLarge { wanted: HEADROOM * bytes, limit: left });
            }
            budget.take(rt::Purpose::Modules, bytes)
        })?;
        let done = work();
        budget(&|budget| {
            budget.give_back(rt::Purpose::Modules, bytes);
            Ok(())
        })?;
        done
    }
}
