//! Functions in which a program spends its time get better code, from Cranelift, while it runs.
//!
//! Where that is shows by a look at the program's threads now and then, at no cost to code. A function that
//! is found again and again is compiled by another thread, and its slot exchanged: each later call runs the
//! better code. What is on the stack stays as it is.

use super::LazyCode;
use super::ahead::Improved;
use crate::error::Error;
use sconce_environ::index::DefinedFuncIndex;
use sconce_runtime as rt;
use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The part of the time that has passed that Cranelift may take, on a processor that has nothing else to do.
const SHARE: u32 = 4;
/// What Cranelift takes for a byte of a body, as a rule: time, and memory while it compiles.
const PER_BYTE: Duration = Duration::from_micros(3);
const MEMORY_PER_BYTE: u64 = 300;
/// How many times that must be left.
const HEADROOM: u64 = 4;

/// What a thread has seen of a program.
#[derive(Debug)]
pub(super) struct Seen {
    tried: HashSet<DefinedFuncIndex>,
    begin: Instant,
    spent: Duration,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen { tried: HashSet::new(), begin: Instant::now(), spent: Duration::ZERO }
    }

    /// The function that is found most often, of those that are hot and that there is time for.
    fn hottest(&self, code: &LazyCode) -> Option<DefinedFuncIndex> {
        let affordable = |func: DefinedFuncIndex| {
            let cost = PER_BYTE.saturating_mul(u32::try_from(code.decoded.bodies[func].len()).unwrap_or(u32::MAX));
            (self.spent + cost).saturating_mul(SHARE) <= self.begin.elapsed()
        };
        let hot = code.found.hot().into_iter().map(|(func, _)| func);
        hot.filter(|func| !self.tried.contains(func)).find(|&func| affordable(func))
    }
}

impl LazyCode {
    /// Looks where each store's code is, and compiles the hottest function, if there is one; says whether there was.
    pub(super) fn improve(&self, seen: &mut Seen) -> Improved {
        let rt::Looked { seen: places, busy } = self.samplers.lock().unwrap_or_else(PoisonError::into_inner).look();
        for (func, start) in places.into_iter().filter_map(|at| self.code.function_at(at)) {
            if !self.is_better(start) {
                self.found.add(func);
            }
        }
        let Some(func) = seen.hottest(self) else { return if busy { Improved::Nothing } else { Improved::Idle } };
        seen.tried.insert(func);
        let since = Instant::now();
        // What Cranelift cannot compile, or memory is too short for, stays as it is.
        let memory = MEMORY_PER_BYTE * self.decoded.bodies[func].len() as u64;
        match self.with_memory(memory, || self.compile_better(func)) {
            Ok(true) => {
                self.counts.improved.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => {}
            Err(e) => log::debug!("function {} stays as it is: {e}", func.as_u32()),
        }
        seen.spent += since.elapsed();
        Improved::Something
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
