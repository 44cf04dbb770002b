//! A module's functions validated and compiled, on several threads where that pays.

use super::host_sites;
use super::link::{Linked, Unit, in_order, link};
use super::progress::Progress;
use crate::causes::CompileFailure;
use crate::compilers::Compilers;
use crate::config::CompilerKind;
use crate::error::Error;
use sconce_environ::compile::{CompiledFunction, max_code};
use sconce_environ::decode::{BodyValidator, DecodeError, Decoded};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::layout::VmLayout;
use sconce_runtime::stub_offsets;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of function bodies that are worth another thread: some milliseconds of work.
const WORTH_A_THREAD: usize = 4096;

/// What one compilation needs of its surroundings.
pub(crate) struct Job<'a> {
    pub(crate) compilers: &'a Compilers,
    pub(crate) compiler: CompilerKind,
    /// Functions that Cranelift compiles if both do, in order.
    pub(crate) hot: &'a [DefinedFuncIndex],
    pub(crate) bytes: &'a [u8],
    pub(crate) decoded: &'a Decoded,
    pub(crate) parallel: bool,
    pub(crate) progress: Option<&'a dyn Progress>,
}

/// Validates, compiles and links all functions.
pub(crate) fn compile(job: &Job<'_>) -> Result<Linked, Error> {
    let go_on = || !job.progress.is_some_and(Progress::cancelled);
    let validate = || validate(job.decoded, job.bytes, job.parallel, &go_on);
    let together = job.compilers.get(job.compiler)?.validates();
    if !together {
        // An invalid module must not cost a compilation, so this comes first.
        validate()?;
    }
    let total: usize = job.decoded.bodies.values().map(|b| b.len()).sum();
    if let Some(progress) = job.progress {
        progress.started(total as u64);
    }
    let units = compile_all(job, threads(job.parallel, total), total, together);
    if together && units.as_ref().is_err_and(|e| !matches!(e, Error::Cancelled)) {
        // The first invalid function is to blame, whichever was met first, and it comes before limits.
        validate()?;
    }
    let units = units?;
    link(&job.decoded.module, in_order(units)?)
}

/// Validates all function bodies, on several threads where that pays. `go_on` is asked now and then.
pub(crate) fn validate(decoded: &Decoded, bytes: &[u8], parallel: bool, go_on: &(dyn Fn() -> bool + Sync)) -> Result<(), Error> {
    let total: usize = decoded.bodies.values().map(|b| b.len()).sum();
    // Validation is a hundred times as fast as compilation.
    let threads = threads(parallel, total / 32);
    if threads == 1 {
        return Ok(decoded.validate_bodies(bytes, go_on)?);
    }
    validate_on(threads, decoded, bytes, go_on)
}

/// The same on several threads, with the same result: it is the first invalid function that is to blame.
fn validate_on(threads: usize, decoded: &Decoded, bytes: &[u8], go_on: &(dyn Fn() -> bool + Sync)) -> Result<(), Error> {
    /// Functions that a thread takes at once.
    const CHUNK: usize = 16;
    let count = decoded.bodies.len();
    let next = AtomicUsize::new(0);
    // The first function to blame. Chunks are taken in order, and what comes before it has been taken when it is found.
    let (first, failure) = (AtomicUsize::new(count), Mutex::new(None));
    let work = || {
        let mut validator = decoded.body_validator(bytes);
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            for n in start..count.min(start.saturating_add(CHUNK)) {
                if n > first.load(Ordering::Relaxed) {
                    return;
                }
                let found =
                    if go_on() { validator.validate(DefinedFuncIndex::from_u32(n as u32)) } else { Err(DecodeError::Cancelled) };
                if let Err(error) = found {
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    if n < first.fetch_min(n, Ordering::Relaxed) {
                        *failure = Some(error);
                    }
                    break;
                }
            }
            if start >= count {
                return;
            }
        }
    };
    on_threads(threads, "validate", work);
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |error: DecodeError| Err(error.into()))
}

/// Does the same on so many threads, of which this is one, or on fewer where the system gives none.
fn on_threads<T: Send>(threads: usize, name: &str, work: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let spawn = |n| std::thread::Builder::new().name(format!("{name}-{n}")).spawn_scoped(scope, &work).ok();
        let others: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut done = vec![work()];
        for other in others {
            match other.join() {
                Ok(result) => done.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}

fn threads(parallel: bool, bytes: usize) -> usize {
    if !parallel || bytes < 2 * WORTH_A_THREAD {
        return 1;
    }
    // Asked for only here: it reads files of the control group.
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    available.min(bytes / WORTH_A_THREAD)
}

fn compile_all(job: &Job<'_>, threads: usize, total: usize, together: bool) -> Result<Vec<Unit>, Error> {
    let layout = VmLayout::new(&job.decoded.module);
    let mut order: Vec<DefinedFuncIndex> = job.decoded.bodies.keys().collect();
    if threads > 1 {
        // Largest first, so that no thread is left with a large one at the end.
        order.sort_by_key(|&f| std::cmp::Reverse(job.decoded.bodies[f].len()));
    }
    let next = AtomicUsize::new(0);
    // What all threads have made is bounded as a function's code is: many functions that are large for their
    // bodies would fill memory, too.
    let (code, max_code) = (AtomicU64::new(0), max_code(total));
    let stop = AtomicBool::new(false);
    let failure: Mutex<Option<(DefinedFuncIndex, Error)>> = Mutex::new(None);
    let fail = |func: DefinedFuncIndex, error: Error| {
        stop.store(true, Ordering::Relaxed);
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|(first, _)| func < *first) {
            *failure = Some((func, error));
        }
    };
    let work = || {
        let (mut unit, mut compiled) = (Unit::with_room(total / threads), CompiledFunction::default());
        let mut validator = together.then(|| job.decoded.body_validator(job.bytes));
        while let Some(&func) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if job.progress.is_some_and(Progress::cancelled) {
                fail(func, Error::Cancelled);
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let result = match &mut validator {
                Some(validator) if job.hot.binary_search(&func).is_ok() => {
                    let by = CompilerKind::Cranelift;
                    validator.validate(func).map_err(Error::from).and_then(|()| {
                        compile_function(job.compilers, by, job.bytes, job.decoded, &layout, func, &mut compiled).map(drop)
                    })
                }
                Some(validator) => validate_and_compile(job, validator, &layout, func, &mut compiled),
                None => {
                    compile_function(job.compilers, job.compiler, job.bytes, job.decoded, &layout, func, &mut compiled).map(drop)
                }
            };
            let made = code.fetch_add(compiled.code.len() as u64, Ordering::Relaxed) + compiled.code.len() as u64;
            let fits = |()| if made <= max_code { Ok(()) } else { Err(too_much(max_code)) };
            if let Err(error) = result.and_then(fits).and_then(|()| unit.push(func, &compiled)) {
                fail(func, error);
            }
            if let Some(progress) = job.progress {
                progress.advanced(job.decoded.bodies[func].len() as u64);
            }
        }
        unit
    };
    let units = on_threads(threads, "compile", work);
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(units),
    }
}

/// Validates and compiles one function.
fn validate_and_compile(
    job: &Job<'_>,
    validator: &mut BodyValidator<'_>,
    layout: &VmLayout,
    func: DefinedFuncIndex,
    out: &mut CompiledFunction,
) -> Result<(), Error> {
    let input = job.compilers.input(job.decoded, job.bytes, layout, func);
    job.compilers.get(job.compiler)?.validate_and_compile_into(validator, &input, out)?;
    host_sites::append(out, &stub_offsets(job.compilers.settings().fuel));
    Ok(())
}

/// Compiles one function of a validated module. One that exceeds Cranelift's limits, or is too dear for it,
/// is Lightbeam's: functions of both call each other freely, and a valid module must run. Gives whose it is.
pub(crate) fn compile_function(
    compilers: &Compilers,
    compiler: CompilerKind,
    bytes: &[u8],
    decoded: &Decoded,
    layout: &VmLayout,
    func: DefinedFuncIndex,
    out: &mut CompiledFunction,
) -> Result<CompilerKind, Error> {
    let input = compilers.input(decoded, bytes, layout, func);
    let Err(error) = compilers.get(compiler)?.compile_into(&input, out) else {
        host_sites::append(out, &stub_offsets(compilers.settings().fuel));
        return Ok(compiler);
    };
    if compiler != CompilerKind::Cranelift {
        return Err(error.into());
    }
    log::info!("{error}; Lightbeam compiles it instead");
    compilers.get(CompilerKind::Lightbeam)?.compile_into(&input, out)?;
    host_sites::append(out, &stub_offsets(compilers.settings().fuel));
    Ok(CompilerKind::Lightbeam)
}

fn too_much(limit: u64) -> Error {
    CompileFailure::TooMuchCode { limit }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::decode::{Features, decode};
    use std::time::{Duration, Instant};

    /// Two wrong functions, the last of the first chunk and the first of the second one: the first of them is
    /// to blame, whichever thread is held back while the other one meets its own.
    #[test]
    fn the_first_function_is_to_blame_however_threads_run() {
        let function = |wrong: bool| if wrong { "(func (result i32))" } else { "(func)" };
        let all: String = (0..64).map(|n| function(n == 15 || n == 16)).collect();
        let bytes = wat::parse_str(format!("(module {all})")).unwrap();
        let decoded = decode(&bytes, Features::default()).unwrap();
        for held in [0, 1] {
            let begun = [const { AtomicBool::new(false) }; 2];
            let go_on = || {
                let this = usize::from(std::thread::current().name().is_some_and(|name| name.starts_with("validate-")));
                if begun[this].swap(true, Ordering::Relaxed) {
                    return true;
                }
                // Each of them has a chunk then. Where there is one thread alone, this ends all the same.
                let since = Instant::now();
                while !begun[1 - this].load(Ordering::Relaxed) && since.elapsed() < Duration::from_secs(1) {
                    std::thread::yield_now();
                }
                if this == held {
                    std::thread::sleep(Duration::from_millis(50));
                }
                true
            };
            let Err(Error::Decode(error)) = validate_on(2, &decoded, &bytes, &go_on) else { panic!("it is invalid") };
            assert_eq!(error.function().map(|f| f.index.as_u32()), Some(15), "thread {held} is held");
        }
    }

    #[test]
    fn validation_ends_when_it_is_told_to() {
        let bytes = wat::parse_str(format!("(module {})", "(func)".repeat(64))).unwrap();
        let decoded = decode(&bytes, Features::default()).unwrap();
        for threads in [1, 2, 3] {
            assert!(validate_on(threads, &decoded, &bytes, &|| true).is_ok());
            let asked = AtomicUsize::new(0);
            let go_on = || asked.fetch_add(1, Ordering::Relaxed) < 20;
            assert!(matches!(validate_on(threads, &decoded, &bytes, &go_on), Err(Error::Cancelled)));
        }
    }

    #[test]
    fn threads_only_for_large_work() {
        assert_eq!(threads(true, 100), 1);
        assert_eq!(threads(false, 1 << 30), 1);
    }
}
