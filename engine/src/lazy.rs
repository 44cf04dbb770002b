//! Modules whose functions are validated and compiled when they are called.
//!
//! The core specification allows to validate a function as late as that (appendix, "Implementation
//! Limitations"): a call of one that turns out to be invalid traps then, before anything of it has run, and
//! so does each later call. A program of many megabytes begins as soon as its sections are decoded, and costs
//! what it runs.

mod ahead;
mod contents;
mod improve;
mod mix;
mod osr;

pub(crate) use contents::LazyContents;

use crate::causes::CompileFailure;
use crate::compiled::{LazyStats, Learned, Offsets, OnDemand};
use crate::compilers::Compilers;
use crate::config::CompilerKind;
use crate::error::Error;
use crate::learn::Found;
use crate::pipeline::{One, Sources, compile_function};
use ahead::{Ahead, Improved, Work};
use improve::Seen;
use mix::Mix;
use sconce_environ::compile::{CompiledFunction, max_code};
use sconce_environ::decode::Decoded;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::module::{EntityIndex, Module};
use sconce_runtime as rt;
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Bytes of a function's body that take a millisecond or more to compile.
const LARGE: usize = 32 << 10;

/// Nobody has compiled it.
const NONE: u8 = 0;
/// A thread compiles it.
const BEGUN: u8 = 1;
/// The same, and another one waits for that.
const AWAITED: u8 = 2;
/// Its code can be called.
const DONE: u8 = 3;

/// A module's functions, and the code of those that have been called.
pub(crate) struct LazyCode {
    compilers: Arc<Compilers>,
    binary: Arc<Vec<u8>>,
    decoded: Decoded,
    layout: VmLayout,
    code: rt::GrowingCode,
    states: Box<[AtomicU8]>,
    /// For threads that wait for another one's work.
    changed: (Mutex<()>, Condvar),
    ahead: Arc<Ahead>,
    /// Whether nobody has looked at its functions before they are called.
    deferred: bool,
    counts: Counts,
    /// Code that is not Lightbeam's, by where its functions begin: with offsets, since it is not so soon compiled again.
    better: Mutex<HashMap<usize, Offsets>>,
    /// Who looks at stores that have instances, and what they have found.
    samplers: Mutex<rt::Samplers>,
    found: Found,
    /// For tests.
    mix: Option<Mix>,
    /// What its code and tables are taken from, once a store that counts them has an instance.
    budget: Mutex<Option<rt::MemoryBudget>>,
}

/// What was compiled, and when.
#[derive(Debug, Default)]
struct Counts {
    called: AtomicU64,
    ahead: AtomicU64,
    improved: AtomicU64,
    entries: AtomicU64,
    nanoseconds: AtomicU64,
}

impl LazyCode {
    /// From a module in binary form, whose functions have not been looked at if they are `deferred`. For `mixed` see
    /// [`crate::Config::mixed_tiers`].
    pub(crate) fn new(
        compilers: Arc<Compilers>,
        binary: Arc<Vec<u8>>,
        decoded: Decoded,
        code: rt::GrowingCode,
        (deferred, mixed): (bool, Option<u64>),
    ) -> Arc<LazyCode> {
        let (layout, count) = (VmLayout::new(&decoded.module), decoded.bodies.len());
        let states = (0..count).map(|_| AtomicU8::new(NONE)).collect();
        let (changed, ahead) = (Default::default(), Arc::default());
        let code = Arc::new(LazyCode {
            compilers,
            binary,
            decoded,
            layout,
            code,
            states,
            changed,
            ahead,
            deferred,
            counts: Counts::default(),
            better: Mutex::default(),
            samplers: Mutex::default(),
            found: Found::default(),
            mix: mixed.map(Mix::new),
            budget: Mutex::default(),
        });
        code.expect(code.first());
        code
    }

    /// What is called first, as far as that is known.
    fn first(&self) -> impl Iterator<Item = DefinedFuncIndex> {
        let module = self.module();
        let exported = |name: &str| match module.exports.iter().find(|export| export.name == name)?.entity {
            EntityIndex::Func(func) => Some(func),
            _ => None,
        };
        let functions = [module.start, exported("_start"), exported("_initialize")];
        functions.into_iter().flatten().filter_map(|func| module.defined_func(func))
    }

    /// Compiles what is likely to be called first, for as long as this thread is busy with `work`: there may be a processor that has
    /// nothing else to do.
    pub(crate) fn beside<T>(&self, work: impl FnOnce() -> T) -> T {
        let busy = AtomicBool::new(true);
        let ahead = || {
            let mut later = Vec::new();
            while busy.load(Ordering::Relaxed)
                && let Some((func, left)) = self.ahead.take()
            {
                // Nobody waits for a large one here.
                match self.decoded.bodies[func].len() <= LARGE {
                    true => self.go_ahead(func, left),
                    false => later.push((func, left)),
                }
            }
            later.into_iter().for_each(|(func, left)| self.ahead.add([func].into_iter(), left));
        };
        std::thread::scope(|scope| {
            // Without one there is less to be called.
            let _ = std::thread::Builder::new().name("ahead".into()).spawn_scoped(scope, ahead);
            let result = work();
            busy.store(false, Ordering::Relaxed);
            result
        })
    }

    /// The decoded module.
    pub(crate) fn module(&self) -> &Module {
        &self.decoded.module
    }

    pub(crate) fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    /// What it was decoded from.
    pub(crate) fn binary(&self) -> &Arc<Vec<u8>> {
        &self.binary
    }

    /// Takes what a function needs.
    fn take(&self, one: &One) -> Result<(), Error> {
        let bodies = self.decoded.code.as_ref().map_or(0, |range| (range.end - range.start) as usize);
        let most = max_code(bodies);
        if self.code.bytes().0 + one.len() as u64 > most {
            return Err(CompileFailure::TooMuchCode { limit: most }.into());
        }
        self.take_bytes(one.bytes())
    }

    fn take_bytes(&self, bytes: u64) -> Result<(), Error> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.as_mut().map_or(Ok(()), |budget| Ok(budget.take(rt::Purpose::Modules, bytes)?))
    }

    /// Has another thread, if it can be had, compile what is likely to be called, before it is.
    pub(crate) fn work_ahead(self: &Arc<LazyCode>) -> impl FnOnce() + Send + 'static {
        let (code, ahead, deferred) = (Arc::downgrade(self), self.ahead.clone(), self.deferred);
        move || {
            if !deferred {
                ahead.leave_alone();
            }
            ahead.run(&mut Beside { code, seen: Seen::new() });
        }
    }

    /// These are likely to be called soon.
    fn expect(&self, functions: impl IntoIterator<Item = DefinedFuncIndex>) {
        self.ahead.add(functions.into_iter().filter(|&func| self.state(func) == NONE), ahead::DEPTH);
    }

    fn state(&self, func: DefinedFuncIndex) -> u8 {
        self.states[func.as_u32() as usize].load(Ordering::Acquire)
    }

    /// Compiles a function unless that is done, or being done; gives what it calls. That it is not valid is said when it is called.
    fn compile_ahead(&self, func: DefinedFuncIndex) -> Option<Vec<DefinedFuncIndex>> {
        if self.begin(func, BEGUN) != NONE {
            return None;
        }
        let callees = self.compile_begun(func).ok()?;
        self.counts.ahead.fetch_add(1, Ordering::Relaxed);
        Some(callees)
    }

    /// The same, and so many steps further ahead later on.
    fn go_ahead(&self, func: DefinedFuncIndex, left: u32) {
        if let (Some(callees), Some(left)) = (self.compile_ahead(func), left.checked_sub(1)) {
            self.ahead.add(callees.into_iter().filter(|&func| self.state(func) == NONE), left);
        }
    }

    /// Whoever gets [`NONE`] is to compile the function.
    fn begin(&self, func: DefinedFuncIndex, as_what: u8) -> u8 {
        let state = &self.states[func.as_u32() as usize];
        state.compare_exchange(NONE, as_what, Ordering::AcqRel, Ordering::Acquire).unwrap_or_else(|state| state)
    }

    /// Compiles a function for which [`LazyCode::begin`] has given the turn; gives what it calls.
    fn compile_begun(&self, func: DefinedFuncIndex) -> Result<Vec<DefinedFuncIndex>, Error> {
        let since = Instant::now();
        // A compiler that panics leaves the function to the next one that calls it.
        let mut turn = Turn { code: self, func, end: NONE };
        let callees = self.add(func, &self.compiled(func)?, true, |_| ())?;
        turn.end = DONE;
        self.counts.nanoseconds.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
        Ok(callees)
    }

    /// Adds a function's code, to which calls go from now on, if they are to; gives what it calls. `at` is told where the function
    /// begins, before.
    fn add(
        &self,
        func: DefinedFuncIndex,
        compiled: &CompiledFunction,
        is_called: bool,
        at: impl FnOnce(usize),
    ) -> Result<Vec<DefinedFuncIndex>, Error> {
        let one = One::new(func, compiled)?;
        self.take(&one)?;
        let callees = one.callees().collect();
        let functions = Box::new([func]);
        self.code.add(one.len(), |address| {
            let (code, tables) = one.place(address, |func| self.code.slot_address(func));
            if let Some(f) = tables.functions.first() {
                at(address + f.start as usize);
            }
            // They stay as they are.
            let fitted = |mut table: Vec<u8>| {
                table.shrink_to_fit();
                rt::TableBytes::from(table)
            };
            rt::Placed { code, tables: tables.map(fitted), functions, is_called }
        })?;
        Ok(callees)
    }

    /// Has Cranelift compile a function that has been validated, unless it is too dear for it; gives whether it has.
    fn compile_better(&self, func: DefinedFuncIndex) -> Result<bool, Error> {
        let LazyCode { compilers, binary, decoded, layout, .. } = self;
        let mut compiled = CompiledFunction::default();
        let by = compile_function(compilers, CompilerKind::Cranelift, binary, decoded, layout, func, &mut compiled)?;
        if by != CompilerKind::Cranelift {
            return Ok(false);
        }
        self.add_better(func, compiled, true)?;
        Ok(true)
    }

    /// Adds code by Cranelift, to which calls go if they are to; gives its address.
    fn add_better(&self, func: DefinedFuncIndex, mut compiled: CompiledFunction, is_called: bool) -> Result<usize, Error> {
        let (offsets, mut begins) = (Offsets::take(&mut compiled), 0);
        let added = self.add(func, &compiled, is_called, |start| {
            begins = start;
            self.better().insert(start, offsets);
        });
        if added.is_err() {
            // Something else will be there.
            self.better().remove(&begins);
        }
        added.map(|_| begins)
    }

    fn better(&self) -> MutexGuard<'_, HashMap<usize, Offsets>> {
        self.better.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the function that begins here has better code than Lightbeam's.
    fn is_better(&self, start: usize) -> bool {
        self.better().contains_key(&start)
    }

    fn compiled(&self, func: DefinedFuncIndex) -> Result<CompiledFunction, Error> {
        let LazyCode { compilers, binary, decoded, layout, .. } = self;
        let mut out = CompiledFunction::default();
        Sources { compilers, bytes: binary, decoded, layout }.validate_and_compile(func, &mut out)?;
        Ok(out)
    }

    /// The address of a function's code, when it is there.
    fn called(&self, func: DefinedFuncIndex) -> Result<usize, Error> {
        loop {
            match self.begin(func, BEGUN) {
                DONE => return Ok(self.code.target(func)),
                NONE => {
                    let callees = self.compile_begun(func)?;
                    self.counts.called.fetch_add(1, Ordering::Relaxed);
                    if let Some(mix) = &self.mix {
                        mix.compiled(self, func);
                    }
                    self.expect(callees);
                }
                state => self.wait(func, state),
            }
        }
    }

    /// Waits until another thread has compiled a function, or has failed to.
    fn wait(&self, func: DefinedFuncIndex, state: u8) {
        let (lock, changed) = &self.changed;
        let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = &self.states[func.as_u32() as usize];
        if state == BEGUN {
            let _ = mine.compare_exchange(BEGUN, AWAITED, Ordering::AcqRel, Ordering::Acquire);
        }
        while mine.load(Ordering::Acquire) == AWAITED {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Another thread's view: it keeps no module alive.
struct Beside {
    code: Weak<LazyCode>,
    seen: Seen,
}

impl Work for Beside {
    fn compile(&mut self, func: DefinedFuncIndex, left: u32) -> Option<()> {
        self.code.upgrade()?.go_ahead(func, left);
        Some(())
    }

    fn improve(&mut self) -> Option<Improved> {
        Some(self.code.upgrade()?.improve(&mut self.seen))
    }

    fn compile_rest(&mut self, n: usize) -> bool {
        /// Functions of a piece.
        const PIECE: usize = 8;
        let Some(code) = self.code.upgrade() else { return false };
        let count = code.states.len();
        for func in (n * PIECE..count).take(PIECE) {
            code.compile_ahead(DefinedFuncIndex::from_u32(func as u32));
        }
        (n + 1) * PIECE < count
    }
}

/// A function that this thread compiles; when that is over others are told.
struct Turn<'a> {
    code: &'a LazyCode,
    func: DefinedFuncIndex,
    end: u8,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let state = &self.code.states[self.func.as_u32() as usize];
        if state.swap(self.end, Ordering::AcqRel) == AWAITED {
            let (lock, changed) = &self.code.changed;
            drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
            changed.notify_all();
        }
    }
}

impl OnDemand for LazyCode {
    fn binary(&self) -> &[u8] {
        &self.binary
    }

    fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    fn is_deferred(&self) -> bool {
        self.deferred
    }

    fn bytes(&self) -> u64 {
        self.binary.len() as u64 + self.module().size()
    }

    fn count(&self, limit: &rt::MemoryLimit) -> Result<(), rt::ResourceError> {
        let mut counted = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.is_none() {
            let mut budget = rt::MemoryBudget::new(limit);
            budget.take(rt::Purpose::Modules, self.code.bytes().1)?;
            *counted = Some(budget);
        }
        Ok(())
    }

    fn stats(&self) -> LazyStats {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        LazyStats {
            functions: self.states.len() as u64,
            called: count(&self.counts.called),
            ahead: count(&self.counts.ahead),
            improved: count(&self.counts.improved),
            entries: count(&self.counts.entries),
            code: self.code.bytes().0,
            time: Duration::from_nanos(count(&self.counts.nanoseconds)),
        }
    }

    fn wasm_offsets(&self, func: DefinedFuncIndex, start: usize) -> Option<Offsets> {
        if let Some(offsets) = self.better().get(&start) {
            return Some(offsets.clone());
        }
        Some(Offsets::take(&mut self.compiled(func).ok()?))
    }

    fn body_len(&self, func: DefinedFuncIndex) -> usize {
        self.decoded.bodies[func].len()
    }
}

impl Drop for LazyCode {
    fn drop(&mut self) {
        self.ahead.close();
    }
}

impl rt::Watch for LazyCode {
    fn watch(&self, sampler: rt::Sampler) {
        self.samplers.lock().unwrap_or_else(PoisonError::into_inner).add(sampler);
    }
}

impl Learned for LazyCode {
    fn hot(&self) -> Vec<DefinedFuncIndex> {
        self.found.hot().into_iter().map(|(func, _)| func).collect()
    }
}

impl rt::Resolve for LazyCode {
    fn resolve(&self, func: DefinedFuncIndex) -> Result<usize, Box<dyn Any + Send>> {
        self.called(func).map_err(|error| -> Box<dyn Any + Send> { Box::new(Error::deferred(error)) })
    }
}
