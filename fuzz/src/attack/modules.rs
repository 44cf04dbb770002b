//! What is done with a module that may be anything: decoded, validated, compiled by both compilers, run.

use super::{Finding, digest, told};

use sconce_engine::environ::decode::DecodeError;
use sconce_engine::{
    BoundsStyle, CallStyle, Config, Engine, Error, Extern, ExternType, Func, Global, Instance, InterruptHandle, Memory, Module,
    Store, Table, Tag, Tier, TrapCode, Val, ValType,
};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wasmparser::Validator;

/// What memories, tables and references of a program may hold together.
const MAX_MEMORY: u64 = 64 << 20;
/// How long a program may run with one compiler.
const PATIENCE: Duration = Duration::from_millis(15);
/// Calls of a program's functions.
const MAX_CALLS: usize = 12;

/// Both compilers, and Lightbeam for functions as they are called, in each of these configurations.
pub struct Engines {
    all: Vec<[Engine; 3]>,
    watch: Arc<Watch>,
}

/// What host functions do.
#[derive(Copy, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// They return zeros and nulls.
    Return,
    /// They fail, so that there is a backtrace.
    Fail,
}

/// How a call ends in which one has failed.
const FAILED: &str = "a failure of the host's";

/// What a host function fails with.
#[derive(Debug, thiserror::Error)]
#[error("the host function failed")]
struct Failed;

impl Engines {
    /// All of them.
    ///
    /// # Errors
    /// When the host does not give the address space that they ask for.
    pub fn new() -> Result<Engines, Error> {
        let mut all = Vec::new();
        for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
            for calls in [CallStyle::Direct, CallStyle::Slots] {
                for paranoid in [false, true] {
                    let config = Config::new().bounds(Some(bounds)).calls(calls).paranoid(paranoid).parallel(false);
                    let config = config.max_memory(Some(MAX_MEMORY)).canonical_nans(true);
                    let engine = |tier| Engine::new(&config.clone().tier(tier));
                    let lazy = Engine::new(&config.clone().tier(Tier::Auto).lazy(Some(0)))?;
                    all.push([engine(Tier::Lightbeam)?, engine(Tier::Cranelift)?, lazy]);
                }
            }
        }
        Ok(Engines { all, watch: Watch::start() })
    }

    /// Decodes and validates, and compares with what wasmparser says.
    ///
    /// # Errors
    /// Where they do not agree.
    pub fn decode(&self, bytes: &[u8]) -> Result<bool, Finding> {
        let engine = &self.all[0][0];
        let own = Module::validate(engine, bytes);
        if let Err(e) = &own {
            told(&e.to_string())?;
        }
        // Text is another format's.
        if bytes.starts_with(b"\0asm") {
            let peer = Validator::new_with_features(engine.features().wasmparser()).validate_all(bytes);
            match (&own, peer) {
                (Ok(()), Err(e)) => return Err(format!("valid, where wasmparser says: {e}")),
                (Err(e), Ok(_)) if !is_refused_by_name(e) => return Err(format!("refused, where wasmparser accepts it: {e}")),
                _ => {}
            }
        }
        Ok(own.is_ok())
    }

    /// Decodes, compiles with both compilers and runs a module.
    ///
    /// # Errors
    /// Where a compiler does not say what validation says, or the programs do not do the same.
    pub fn run(&self, bytes: &[u8]) -> Result<&'static str, Finding> {
        let valid = self.decode(bytes)?;
        let number = digest(bytes);
        let [lightbeam, cranelift, lazy] = &self.all[(number % self.all.len() as u64) as usize];
        let mut seen = Vec::new();
        match Module::new(lazy, bytes) {
            // What is not valid of it may never be called.
            Ok(module) => seen.push(self.execute(lazy, &module, number, Hosts::Return)?),
            Err(e @ Error::Resources(_)) => told(&e.to_string())?,
            Err(e) if !valid => told(&e.to_string())?,
            Err(e) => return Err(format!("valid, and not loaded: {e}")),
        }
        if !valid {
            seen.clear();
        }
        for engine in [lightbeam, cranelift] {
            match (Module::new(engine, bytes), valid) {
                (Ok(module), true) => seen.push(self.execute(engine, &module, number, Hosts::Return)?),
                // A limit of its own.
                (Err(e @ (Error::Compile(_) | Error::Resources(_))), true) => told(&e.to_string())?,
                (Err(e), false) => told(&e.to_string())?,
                (Err(e), true) => return Err(format!("valid, and not compiled: {e}")),
                (Ok(_), false) => return Err("compiled, and not valid".to_owned()),
            }
        }
        let [Seen { steps: lazily, .. }, Seen { steps: a, .. }, Seen { steps: b, .. }] = &seen[..] else {
            return Ok(if valid { "refused by a compiler" } else { "invalid" });
        };
        // As far as all came.
        if let Some((a, b)) = a.iter().zip(b).find(|(a, b)| a != b) {
            return Err(format!("Lightbeam's code gives {a}, and Cranelift's {b}"));
        }
        if let Some((a, b)) = a.iter().zip(lazily).find(|(a, b)| a != b) {
            return Err(format!("Lightbeam's code gives {a}, and {b} where functions are compiled when they are called"));
        }
        Ok(match (a.is_empty(), seen.iter().any(|s| s.whole)) {
            (true, false) => "no instance",
            (false, false) => "stopped",
            (_, true) => "ran",
        })
    }

    /// Compiles a module by the faster compiler alone, and calls it with host functions that fail: names and lines are read then.
    ///
    /// # Errors
    /// If something is shown that should not be.
    pub fn fail(&self, bytes: &[u8]) -> Result<&'static str, Finding> {
        let number = digest(bytes);
        let [engine, ..] = &self.all[(number % self.all.len() as u64) as usize];
        match Module::new(engine, bytes) {
            Ok(module) => {
                let seen = self.execute(engine, &module, number, Hosts::Fail)?;
                Ok(if seen.steps.iter().any(|step| step == FAILED) { "failed" } else { "ran" })
            }
            Err(e) => told(&e.to_string()).map(|()| "invalid"),
        }
    }

    fn execute(&self, engine: &Engine, module: &Module, number: u64, hosts: Hosts) -> Result<Seen, Finding> {
        let mut seen = Seen::default();
        for (import, export) in module.imports().map(|i| i.name).zip(module.exports().map(|e| e.name)) {
            // Whatever they are, they are text.
            let _ = (import.len(), export.len());
        }
        let Ok(mut store) = Store::new(engine, ()) else { return Ok(seen) };
        let _watched = self.watch.begin(store.interrupt_handle());
        let imports: Option<Vec<Extern>> = module.imports().map(|import| made_up(&mut store, &import.ty, hosts)).collect();
        let Some(imports) = imports else { return Ok(seen) };
        let instance = match Instance::new(&mut store, module, &imports) {
            Ok(instance) => instance,
            Err(e) => {
                seen.note(&e)?;
                return Ok(seen);
            }
        };
        seen.steps.push("an instance".to_owned());
        let exports = instance.exports(&mut store);
        let funcs: Vec<Func> = exports.iter().filter_map(|(_, item)| item.func()).collect();
        for (n, func) in funcs.iter().cycle().take(funcs.len().min(MAX_CALLS / 2) * 2).enumerate() {
            let ty = func.ty(&store);
            let Some(args) =
                ty.params.iter().map(|&ty| argument(ty, number.rotate_left(n as u32 * 7))).collect::<Option<Vec<_>>>()
            else {
                continue;
            };
            let mut results: Vec<Val> = ty.results.iter().map(|&ty| Val::default_for(ty)).collect();
            match func.call(&mut store, &args, &mut results) {
                Ok(()) => seen.steps.push(results.iter().map(shape).collect::<Vec<_>>().join(" ")),
                Err(e) => {
                    if !seen.note(&e)? {
                        return Ok(seen);
                    }
                }
            }
        }
        seen.whole = true;
        Ok(seen)
    }
}

/// Of a program: what its calls gave.
#[derive(Default)]
struct Seen {
    steps: Vec<String>,
    /// Nothing stopped it that another compiler's code might not have met.
    whole: bool,
}

impl Seen {
    /// Notes how a call failed, and says whether the other compiler's code must have failed as well.
    fn note(&mut self, error: &Error) -> Result<bool, Finding> {
        told(&error.to_string())?;
        if let Some(backtrace) = error.backtrace() {
            told(&backtrace.to_string())?;
        }
        match error.trap_code() {
            Some(TrapCode::BrokenInvariant) => Err("the code relied on something that does not hold".to_owned()),
            Some(TrapCode::StackOverflow | TrapCode::ReferenceHeapFull | TrapCode::StackMemory | TrapCode::Interrupt) => {
                Ok(false)
            }
            Some(code) => {
                self.steps.push(format!("{code:?}"));
                Ok(true)
            }
            None if matches!(error, Error::Resources(_)) => Ok(false),
            None => {
                let kind = match error {
                    Error::Exception(_) => "an exception",
                    Error::Host(_) => FAILED,
                    Error::Instantiation(_) => "no instance",
                    Error::Link(_) => "imports that do not fit",
                    _ => "another error",
                };
                self.steps.push(kind.to_owned());
                Ok(true)
            }
        }
    }
}

/// Whether something is refused that wasmparser knows.
fn is_refused_by_name(error: &Error) -> bool {
    matches!(error, Error::Decode(DecodeError::NotEnabled { proposal, .. }) if proposal == "gc")
}

/// A value as both compilers' programs must give it.
fn shape(value: &Val) -> String {
    match value {
        Val::FuncRef(f) => format!("func {}", f.is_some()),
        Val::ExternRef(r) => format!("extern {}", r.is_some()),
        Val::ExnRef(e) => format!("exn {}", e.is_some()),
        Val::I32(_) | Val::I64(_) | Val::F32(_) | Val::F64(_) | Val::V128(_) => format!("{value:?}"),
    }
}

fn argument(ty: ValType, number: u64) -> Option<Val> {
    let number = match number % 4 {
        0 => number >> 2 & 15,
        1 => !0,
        2 => 1 << 31,
        _ => number,
    };
    Some(match ty {
        ValType::I32 => Val::I32(number as i32),
        ValType::I64 => Val::I64(number as i64),
        ValType::F32 => Val::F32((number as f32).to_bits()),
        ValType::F64 => Val::F64((number as f64).to_bits()),
        ValType::V128 => Val::V128(u128::from(number) << 32),
        ValType::Ref(r) if r.nullable => Val::default_for(ty),
        ValType::Ref(_) => return None,
    })
}

/// Something of an import's type.
fn made_up(store: &mut Store<()>, ty: &ExternType, hosts: Hosts) -> Option<Extern> {
    Some(match ty {
        ExternType::Func(ty) => {
            let all_default = ty.results.iter().all(|&ty| argument(ty, 0).is_some());
            if !all_default {
                return None;
            }
            let f = move |_: sconce_engine::Caller<'_, ()>, _: &[Val], _: &mut [Val]| match hosts {
                Hosts::Return => Ok(()),
                Hosts::Fail => Err(Error::host(Failed)),
            };
            Func::new(&mut *store, ty.clone(), f).ok()?.into()
        }
        ExternType::Table(ty) => Table::new(&mut *store, *ty, argument(ValType::Ref(ty.element), 0)?).ok()?.into(),
        ExternType::Memory(ty) if ty.shared => {
            let shared = sconce_engine::SharedMemory::new(store.engine(), *ty).ok()?;
            Memory::from_shared(&mut *store, &shared).ok()?.into()
        }
        ExternType::Memory(ty) => Memory::new(&mut *store, *ty).ok()?.into(),
        ExternType::Global(ty) => Global::new(&mut *store, *ty, argument(ty.content, 4)?).ok()?.into(),
        ExternType::Tag(ty) => Tag::new(&mut *store, ty).ok()?.into(),
    })
}

/// Interrupts a store that runs for longer than it should.
struct Watch {
    watched: Mutex<Option<(Instant, InterruptHandle)>>,
    begun: Condvar,
}

/// Ends the watch when it is dropped.
struct Watched<'a>(&'a Watch);

impl Watch {
    fn start() -> Arc<Watch> {
        let watch = Arc::new(Watch { watched: Mutex::default(), begun: Condvar::new() });
        let of_thread = watch.clone();
        std::thread::spawn(move || of_thread.run());
        watch
    }

    fn begin(&self, handle: InterruptHandle) -> Watched<'_> {
        *self.lock() = Some((Instant::now() + PATIENCE, handle));
        self.begun.notify_one();
        Watched(self)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, InterruptHandle)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let watched = self.begun.wait_while(self.lock(), |watched| watched.is_none());
            let late = watched.unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((_, handle)) = late.filter(|(until, _)| *until <= Instant::now()) {
                // It asks once: what a store acknowledges is over for the call, and the next one is to end too.
                handle.request();
                handle.nudge();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
