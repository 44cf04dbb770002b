//! From a decoded module to one text: functions compiled, on several threads where that pays, and laid out as
//! ARCHITECTURE.md says, with every relocation fixed.
//!
//! What a function's compilation gives is made compact at once, on the thread that compiled it, since all functions are held
//! until the last one is there: the runs of its tables are encoded then, behind those of the thread's other functions. Linking puts
//! the functions of all threads in order; where one thread compiled them they are in order.

use crate::engine::{CompilerKind, Engine};
use crate::error::Error;
use crate::host_sites;
use crate::module::Progress;
use sconce_environ::EntityRef;
use sconce_environ::code_tables::{CodeTables, Ends, WasmOffsets};
use sconce_environ::compile::{CompiledFunction, FunctionError, Reloc, RelocTarget, max_code};
use sconce_environ::decode::{BodyValidator, Decoded};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::module::Module;
use sconce_x64::text::FILLER;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Functions start at multiples of this.
const FUNCTION_ALIGN: u32 = 32;
/// Bytes of a thunk.
pub(crate) const THUNK_SIZE: u32 = sconce_x64::stubs::THUNK_SIZE as u32;
/// Slots begin at the next multiple of this behind the text.
const PAGE: u32 = 4096;
/// Bytes of function bodies that are worth another thread: some milliseconds of work.
const WORTH_A_THREAD: usize = 4096;

/// A linked text and its tables.
pub(crate) struct Linked {
    /// Functions, then thunks.
    pub(crate) text: Vec<u8>,
    /// Where the thunks begin.
    pub(crate) thunks: u32,
    /// Tables of the text.
    pub(crate) tables: CodeTables,
    /// Its wasm offsets.
    pub(crate) offsets: WasmOffsets,
}

/// Compiled functions, one behind the other, with their tables encoded. What a thread compiles makes one; so nothing is allocated for
/// a single function, and what one thread compiled in order is the text.
#[derive(Default)]
struct Unit {
    code: Vec<u8>,
    /// Offsets are of `code`.
    relocs: Vec<Reloc>,
    /// Functions are those of `pieces`.
    tables: CodeTables,
    offsets: WasmOffsets,
    pieces: Vec<Piece>,
}

/// A function of a unit.
struct Piece {
    func: DefinedFuncIndex,
    align: u32,
    skew: u32,
    /// Where its relocations begin, and its records.
    relocs: usize,
    ends: Ends,
}

impl Unit {
    /// With room for what so many bytes of bodies become: about as much as Lightbeam makes of them. What is not written takes address
    /// space alone. It is no matter if there is none: then lists grow.
    fn with_room(bytes: usize) -> Unit {
        let mut unit = Unit::default();
        let _ = unit.code.try_reserve_exact(bytes * 7 / 4);
        let _ = unit.tables.traps.try_reserve_exact(bytes / 3);
        let _ = unit.offsets.0.try_reserve_exact(bytes);
        unit
    }

    /// Appends a function.
    fn push(&mut self, func: DefinedFuncIndex, compiled: &CompiledFunction) -> Result<(), Error> {
        let CompiledFunction { align, skew, .. } = *compiled;
        let piece = Piece { func, align, skew, relocs: self.relocs.len(), ends: self.tables.ends() };
        let start = self.begin(&piece, compiled.code.len())?;
        self.code.extend_from_slice(&compiled.code);
        self.relocs.extend(compiled.relocs.iter().map(|r| Reloc { offset: start + r.offset, ..*r }));
        self.tables.push(start, compiled, &mut self.offsets);
        self.pieces.push(piece);
        Ok(())
    }

    /// Appends function number `n` of another unit.
    fn take(&mut self, from: &Unit, n: usize) -> Result<(), Error> {
        let (piece, next) = (&from.pieces[n], from.pieces.get(n + 1));
        let (old, ends) = (from.tables.functions[n], next.map_or_else(|| from.tables.ends(), |next| next.ends));
        let moved = Piece { relocs: self.relocs.len(), ends: self.tables.ends(), ..*piece };
        let start = self.begin(&moved, old.len as usize)?;
        self.code.extend_from_slice(&from.code[old.start as usize..][..old.len as usize]);
        let relocs = &from.relocs[piece.relocs..next.map_or(from.relocs.len(), |next| next.relocs)];
        self.relocs.extend(relocs.iter().map(|r| Reloc { offset: r.offset - old.start + start, ..*r }));
        self.tables.append(start, (&from.tables, &from.offsets), n, (&piece.ends, &ends), &mut self.offsets);
        self.pieces.push(moved);
        Ok(())
    }

    /// Fills up to where the next function begins.
    fn begin(&mut self, piece: &Piece, len: usize) -> Result<u32, Error> {
        let (align, skew) = (u64::from(piece.align.max(FUNCTION_ALIGN)), u64::from(piece.skew));
        let start = (self.code.len() as u64).saturating_sub(skew).next_multiple_of(align) + skew;
        let end = start + len as u64;
        if end > i32::MAX as u64 {
            return Err(too_large(end));
        }
        self.code.resize(start as usize, FILLER);
        Ok(start as u32)
    }
}

fn too_large(text_len: u64) -> Error {
    Error::Compile(format!("the module: its code would be {text_len} bytes long or longer, more than 2 GiB"))
}

fn too_much(max_code: u64) -> Error {
    Error::Compile(format!(
        "the module: its code would be longer than {max_code} bytes, the limit for function bodies of their size"
    ))
}

/// What one compilation needs of its surroundings.
pub(crate) struct Job<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) compiler: CompilerKind,
    pub(crate) bytes: &'a [u8],
    pub(crate) decoded: &'a Decoded,
    pub(crate) parallel: bool,
    pub(crate) progress: Option<&'a dyn Progress>,
}

/// Validates, compiles and links all functions.
pub(crate) fn compile(job: &Job<'_>) -> Result<Linked, Error> {
    let go_on = || !job.progress.is_some_and(Progress::cancelled);
    let validate = || validate(job.decoded, job.bytes, job.parallel, &go_on);
    let together = job.engine.compiler(job.compiler)?.validates();
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
    if threads(parallel, total / 32) > 1 {
        return Ok(decoded.validate_bodies(bytes, go_on)?);
    }
    let mut validator = decoded.body_validator(bytes);
    for func in decoded.bodies.keys() {
        validator.validate(func)?;
        if !go_on() {
            return Err(Error::Cancelled);
        }
    }
    Ok(())
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
    // What all threads have made is bounded as a function's code is: many functions that are large for their bodies would fill memory, too.
    let (code, max_code) = (AtomicU64::new(0), max_code(total));
    let stop = AtomicBool::new(false);
    let failure: Mutex<Option<(DefinedFuncIndex, Error)>> = Mutex::new(None);
    let fail = |func: DefinedFuncIndex, error: Error| {
        stop.store(true, Ordering::Relaxed);
        let mut failure = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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
                Some(validator) => validate_and_compile(job, validator, &layout, func, &mut compiled),
                None => {
                    compile_function(job.engine, job.compiler, job.bytes, job.decoded, &layout, func, &mut compiled).map(drop)
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
    let mut units = Vec::new();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .filter_map(|n| std::thread::Builder::new().name(format!("compile-{n}")).spawn_scoped(scope, work).ok())
            .collect();
        units.push(work());
        for other in others {
            match other.join() {
                Ok(done) => units.push(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(units),
    }
}

/// All functions in one unit, in index order.
fn in_order(mut units: Vec<Unit>) -> Result<Unit, Error> {
    if let [unit] = &mut *units
        && unit.pieces.is_sorted_by_key(|piece| piece.func)
    {
        return Ok(std::mem::take(unit));
    }
    let mut places: Vec<(DefinedFuncIndex, u32, u32)> = Vec::new();
    for (n, unit) in units.iter().enumerate() {
        places.extend(unit.pieces.iter().enumerate().map(|(at, piece)| (piece.func, n as u32, at as u32)));
    }
    places.sort_unstable();
    let mut all = Unit::default();
    for (_, unit, at) in places {
        all.take(&units[unit as usize], at as usize)?;
    }
    Ok(all)
}

/// Validates and compiles one function.
fn validate_and_compile(
    job: &Job<'_>,
    validator: &mut BodyValidator<'_>,
    layout: &VmLayout,
    func: DefinedFuncIndex,
    out: &mut CompiledFunction,
) -> Result<(), Error> {
    let input = job.decoded.input(job.bytes, layout, func);
    job.engine.compiler(job.compiler)?.validate_and_compile_into(validator, &input, out).map_err(|e| match e {
        FunctionError::Invalid(error) => error.into(),
        FunctionError::Compile(error) => Error::Compile(error.to_string()),
    })?;
    host_sites::append(out);
    Ok(())
}

/// Compiles one function of a validated module. One that exceeds Cranelift's limits, or is too dear for it, is Lightbeam's: functions of both call each
/// other freely, and a valid module must run. Gives whose it is.
pub(crate) fn compile_function(
    engine: &Engine,
    compiler: CompilerKind,
    bytes: &[u8],
    decoded: &Decoded,
    layout: &VmLayout,
    func: DefinedFuncIndex,
    out: &mut CompiledFunction,
) -> Result<CompilerKind, Error> {
    let input = decoded.input(bytes, layout, func);
    let Err(error) = engine.compiler(compiler)?.compile_into(&input, out) else {
        host_sites::append(out);
        return Ok(compiler);
    };
    if compiler == CompilerKind::Lightbeam {
        return Err(Error::Compile(error.to_string()));
    }
    log::info!("{error}; Lightbeam compiles it instead");
    engine.compiler(CompilerKind::Lightbeam)?.compile_into(&input, out).map_err(|error| Error::Compile(error.to_string()))?;
    host_sites::append(out);
    Ok(CompilerKind::Lightbeam)
}

/// How far behind the start of a text of this length its slots begin.
pub(crate) fn slots_at(text_len: u64) -> u64 {
    text_len.next_multiple_of(u64::from(PAGE))
}

fn link(module: &Module, unit: Unit) -> Result<Linked, Error> {
    let Unit { code: mut text, relocs, tables, offsets, .. } = unit;
    let thunks = (text.len() as u64).next_multiple_of(u64::from(FUNCTION_ALIGN));
    let escaping = module.escaping.iter().filter_map(|&f| module.defined_func(f));
    let text_len = thunks + escaping.clone().count() as u64 * u64::from(THUNK_SIZE);
    let slots = slots_at(text_len);
    if slots + tables.functions.len() as u64 * 8 > i32::MAX as u64 {
        return Err(too_large(text_len));
    }
    let (thunks, slots) = (thunks as u32, slots as u32);
    let slot = |func: DefinedFuncIndex| slots + func.as_u32() * 8;
    for reloc in &relocs {
        let target = match reloc.target {
            RelocTarget::Function(func) => tables.functions[func.index()].start,
            RelocTarget::Slot(func) => slot(func),
            RelocTarget::HostCall { .. } => unreachable!("fixed where the function was compiled"),
        };
        let value = i64::from(target) + i64::from(reloc.addend) - i64::from(reloc.offset);
        // Everything is within 2 GiB.
        let at = reloc.offset as usize;
        text[at..at + 4].copy_from_slice(&(value as i32).to_le_bytes());
    }
    text.resize(thunks as usize, FILLER);
    for func in escaping {
        // From the end of the jump, which is six bytes long.
        let displacement = i64::from(slot(func)) - (text.len() as i64 + 6);
        text.extend_from_slice(&sconce_x64::stubs::thunk(displacement as i32));
    }
    Ok(Linked { text, thunks, tables, offsets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::PrimaryMap;
    use sconce_environ::index::{FuncIndex, TypeIndex};
    use sconce_environ::trap::TrapCode;

    fn piece(code: &[u8], relocs: Vec<Reloc>, trap: u32) -> CompiledFunction {
        CompiledFunction {
            code: code.to_vec(),
            align: 16,
            frame_size: 0,
            skew: 0,
            relocs,
            traps: vec![(trap, TrapCode::Unreachable)],
            wasm_offsets: vec![(0, 100), (trap, 200)],
            stack_maps: sconce_environ::stack_maps::StackMaps::default(),
            uninterruptible: vec![(trap, trap + 2)],
            call_sites: vec![],
            handlers: sconce_environ::handlers::HandlerLists::default(),
            jump_tables: vec![],
        }
    }

    /// Linked as if so many threads had compiled the functions, the last ones first.
    fn linked_by(threads: usize, module: &Module, pieces: &[CompiledFunction]) -> Linked {
        let mut units: Vec<Unit> = (0..threads).map(|_| Unit::default()).collect();
        for (n, piece) in pieces.iter().enumerate().rev() {
            units[n % threads].push(DefinedFuncIndex::from_u32(n as u32), piece).unwrap();
        }
        link(module, in_order(units).unwrap()).unwrap()
    }

    fn linked(module: &Module, pieces: &[CompiledFunction]) -> Linked {
        let mut unit = Unit::default();
        for (n, piece) in pieces.iter().enumerate() {
            unit.push(DefinedFuncIndex::from_u32(n as u32), piece).unwrap();
        }
        let linked = link(module, in_order(vec![unit]).unwrap()).unwrap();
        for threads in 1..4 {
            let other = linked_by(threads, module, pieces);
            assert_eq!(other.text, linked.text);
            assert_eq!(other.offsets.0, linked.offsets.0);
            assert_eq!(format!("{:?}", other.tables), format!("{:?}", linked.tables));
        }
        linked
    }

    fn module(functions: u32, escaping: &[u32]) -> Module {
        let mut types = PrimaryMap::new();
        for _ in 0..functions {
            types.push(TypeIndex::from_u32(0));
        }
        Module { functions: types, escaping: escaping.iter().map(|&f| FuncIndex::from_u32(f)).collect(), ..Module::default() }
    }

    fn displacement(text: &[u8], at: usize) -> i32 {
        i32::from_le_bytes(text[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn calls_and_slots_are_fixed() {
        let to = |offset, target| Reloc { offset, target, addend: -4 };
        let (f0, f1) = (DefinedFuncIndex::from_u32(0), DefinedFuncIndex::from_u32(1));
        let a = piece(&[0x90; 40], vec![to(1, RelocTarget::Function(f1)), to(10, RelocTarget::Slot(f1))], 7);
        let b = piece(&[0x90; 10], vec![to(3, RelocTarget::Function(f0))], 2);
        let linked = linked(&module(2, &[1]), &[a, b]);
        assert_eq!(linked.tables.functions[1].start, 64);
        assert_eq!(displacement(&linked.text, 1), 64 - 4 - 1);
        assert_eq!(displacement(&linked.text, 10), 4096 + 8 - 4 - 10);
        assert_eq!(displacement(&linked.text, 64 + 3), -64 - 4 - 3);
        assert_eq!(linked.thunks, 96);
        // jmp [rip + to the slot of function 1]
        assert_eq!(linked.text[96..98], [0xff, 0x25]);
        assert_eq!(displacement(&linked.text, 98), 4096 + 8 - (96 + 6));
        assert_eq!(linked.text.len(), 96 + 16);
        assert_eq!(linked.text[40..64], [FILLER; 24]);
    }

    #[test]
    fn functions_begin_where_they_ask_to() {
        let at = |len: usize, align, skew| CompiledFunction { align, skew, ..piece(&vec![0x90; len], vec![], 0) };
        let pieces = vec![at(40, 64, 16), at(1, 64, 48), at(10, 64, 0), at(60, 64, 48), at(4, 32, 0)];
        let linked = linked(&module(5, &[]), &pieces);
        let starts: Vec<u32> = linked.tables.functions.iter().map(|f| f.start).collect();
        assert_eq!(starts, [16, 112, 128, 176, 256]);
    }

    #[test]
    fn tables_are_those_of_each_function() {
        let linked = linked(&module(2, &[]), &[piece(&[0x90; 40], vec![], 7), piece(&[0x90; 10], vec![], 2)]);
        assert_eq!(linked.tables.trap_at(7), Some(TrapCode::Unreachable));
        assert_eq!(linked.tables.trap_at(66), Some(TrapCode::Unreachable));
        assert_eq!(linked.tables.trap_at(65), None);
        assert_eq!(linked.tables.wasm_offset_at(&linked.offsets.0, 65), Some(100));
        assert_eq!(linked.tables.wasm_offset_at(&linked.offsets.0, 66), Some(200));
    }

    #[test]
    fn threads_only_for_large_work() {
        assert_eq!(threads(true, 100), 1);
        assert_eq!(threads(false, 1 << 30), 1);
    }
}
