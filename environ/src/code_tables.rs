//! Tables of a linked unit of code, looked up by offset into its text: in signal handlers (traps), on backtraces
//! (functions, wasm offsets) and by sweeps (stack maps). Flat bytes, so that an artifact is loaded by copying.
//!
//! Entries of one function are one run of a byte stream: pairs of LEB128 deltas. A lookup is a binary search
//! for the function, then a linear decode of its run: no allocation, no locks, bounded by the function's
//! size. What few functions have, or what is looked up often, is a table of records for all functions:
//! sorted, little-endian numbers of 32 bits, and a lookup is a binary search. The decoders accept any bytes:
//! an entry that does not parse is "not found".

mod leb;
mod write;

use crate::compile::{CallSite, CompiledFunction};
use crate::handlers::{Handler, HandlerListBuilder};
use crate::index::DefinedFuncIndex;
use crate::inlined::{InlinedCall, Operator, operators};
use crate::stack_maps::{StackMap, StackMaps};
use crate::trap::TrapCode;
use leb::Reader;
use serde::{Deserialize, Serialize};
use std::ops::{Index, IndexMut, Range};

/// One function's place in text and in the streams.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct FunctionRecord {
    /// First byte in text.
    pub start: u32,
    /// Bytes of code.
    pub len: u32,
    /// Start of its run in [`CodeTable::Traps`]; it ends where the next function's begins.
    pub traps: u32,
    /// Start of its run in the stream of wasm offsets.
    pub wasm_offsets: u32,
    /// Start of its run in [`CodeTable::StackMaps`].
    pub stack_maps: u32,
}

/// A table of code: a byte stream of which each function has a part.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum CodeTable {
    /// Runs of (offset delta, trap code).
    Traps,
    /// Runs of a count and slots, which are in all maps, then (return offset delta, slots kept of the map
    /// before, count of others, those); slots as signed LEB128. Empty where there are no maps.
    StackMaps,
    /// Records (start, end) of instructions that must not be interrupted.
    Uninterruptible,
    /// Records (return offset, frame size, place of the VM context, number of its first handler) of calls in try regions.
    CallSites,
    /// Records (tag, code offset, number of the next handler, which is lower): lists share their ends, as
    /// [`crate::handlers`] says. The lowest bit of a tag says whether the handler wants the exception.
    Handlers,
    /// Records (start, end) of jump tables, which are data amid the code: for who reads it.
    JumpTables,
}

impl CodeTable {
    /// All of them, each at its own number: the order in artifacts.
    pub const ALL: [CodeTable; 6] = {
        use CodeTable::*;
        [Traps, StackMaps, Uninterruptible, CallSites, Handlers, JumpTables]
    };
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

const _: () = {
    let mut n = 0;
    while n < CodeTable::COUNT {
        assert!(CodeTable::ALL[n] as usize == n);
        n += 1;
    }
};

/// The tables that must be at hand while code runs. Wasm offsets are a separate stream ([`WasmOffsets`]), since only
/// backtraces read it and it is the largest.
#[derive(Clone, Debug, Default)]
pub struct CodeTables<S = Vec<u8>> {
    /// By increasing `start`; position = [`DefinedFuncIndex`].
    pub functions: Vec<FunctionRecord>,
    /// By the number of their [`CodeTable`].
    pub streams: [S; CodeTable::COUNT],
}

impl<S> Index<CodeTable> for CodeTables<S> {
    type Output = S;

    fn index(&self, table: CodeTable) -> &S {
        &self.streams[table as usize]
    }
}

impl<S> IndexMut<CodeTable> for CodeTables<S> {
    fn index_mut(&mut self, table: CodeTable) -> &mut S {
        &mut self.streams[table as usize]
    }
}

/// How long the tables are, in bytes: where one function's part ends and the next one's begins.
#[derive(Copy, Clone, Debug, Default)]
pub struct Ends([usize; CodeTable::COUNT]);

/// The number of the next handler where there is none.
const NO_HANDLER: u32 = u32::MAX;
/// Bytes of a handler's record.
const HANDLER_BYTES: usize = 12;

/// Record number `n` of a table whose records have `N` numbers.
fn record<const N: usize>(table: &(impl Stream + ?Sized), n: usize) -> Option<[u32; N]> {
    let at = n.checked_mul(4 * N)?;
    let bytes = table.get(at..at + 4 * N)?;
    let mut numbers = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
    Some(std::array::from_fn(|_| numbers.next().unwrap_or_default()))
}

/// How many records at the table's start satisfy `before`, which the others do not. Async-signal-safe.
fn partition<const N: usize>(table: &(impl Stream + ?Sized), before: impl Fn([u32; N]) -> bool) -> Option<usize> {
    let (mut low, mut high) = (0, table.len() / (4 * N));
    while low < high {
        let middle = low + (high - low) / 2;
        if before(record(table, middle)?) { low = middle + 1 } else { high = middle }
    }
    Some(low)
}

/// A byte stream, which need not be in memory as a whole.
pub trait Stream {
    /// Bytes.
    fn len(&self) -> usize;

    /// Whether there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A piece; `None` if it does not lie inside. Async-signal-safe.
    fn get(&self, range: Range<usize>) -> Option<&[u8]>;
}

impl Stream for Vec<u8> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        self.as_slice().get(range)
    }
}

impl Stream for [u8] {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        self.get(range)
    }
}

/// The stream of wasm offsets: runs of (code offset delta, wasm offset delta as signed LEB128).
#[derive(Clone, Debug, Default)]
pub struct WasmOffsets(pub Vec<u8>);

/// What an exception that passes a call meets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handlers<'a, S> {
    table: &'a S,
    next: u32,
    /// Bytes from the stack pointer up to the frame pointer, when the handler begins.
    pub frame_size: u32,
    /// Where the frame keeps its VM context, relative to the frame pointer.
    pub vmctx: i32,
}

impl<S: Stream> Iterator for Handlers<'_, S> {
    type Item = Handler;

    fn next(&mut self) -> Option<Handler> {
        let [clause, code_offset, next] = record(self.table, self.next as usize)?;
        // Only ever downwards, whatever stands there: lists end.
        self.next = if next < self.next { next } else { NO_HANDLER };
        Some(Handler::of_clause(clause, code_offset))
    }
}

/// A function's stack maps, each as its difference from the one before.
#[derive(Debug)]
pub struct StackMapSteps<'a> {
    run: Reader<'a>,
    return_offset: u32,
    depth: u32,
    /// Slots that are in every map.
    pub everywhere: Vec<i32>,
}

/// A stack map as its difference from the one before, as in [`crate::stack_maps::Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackMapStep {
    /// The call's return address, as an offset from the function's start.
    pub return_offset: u32,
    /// How many slots of the map before stay: never more than it has.
    pub kept: u32,
    /// Slots that come behind those.
    pub added: Vec<i32>,
}

impl StackMapSteps<'_> {
    /// All of them together.
    fn maps(self) -> StackMaps {
        let mut maps = StackMaps::new(self.everywhere.clone());
        for step in self {
            maps.push(step.return_offset, step.kept, step.added);
        }
        maps
    }
}

impl Iterator for StackMapSteps<'_> {
    type Item = StackMapStep;

    fn next(&mut self) -> Option<StackMapStep> {
        self.return_offset = self.return_offset.checked_add(self.run.u32()?)?;
        let kept = self.run.u32().filter(|&kept| kept <= self.depth)?;
        let added = self.run.slots()?;
        self.depth = kept + added.len() as u32;
        Some(StackMapStep { return_offset: self.return_offset, kept, added })
    }
}

impl<S: Stream> CodeTables<S> {
    /// The same tables, with their streams kept in another way.
    pub fn map<T>(self, keep: impl FnMut(S) -> T) -> CodeTables<T> {
        CodeTables { functions: self.functions, streams: self.streams.map(keep) }
    }

    /// The function whose code contains this offset.
    pub fn function_at(&self, offset: u32) -> Option<DefinedFuncIndex> {
        let n = self.functions.partition_point(|f| f.start <= offset).checked_sub(1)?;
        (offset - self.functions[n].start < self.functions[n].len).then(|| DefinedFuncIndex::from_u32(n as u32))
    }

    fn run<'a, T: Stream + ?Sized>(
        &self,
        stream: &'a T,
        func: DefinedFuncIndex,
        key: impl Fn(&FunctionRecord) -> u32,
    ) -> Option<&'a [u8]> {
        let n = func.as_u32() as usize;
        let start = key(self.functions.get(n)?) as usize;
        let end = self.functions.get(n + 1).map_or(stream.len(), |f| key(f) as usize);
        stream.get(start..end)
    }

    /// The trap that a fault of the instruction at this offset means. Async-signal-safe.
    pub fn trap_at(&self, offset: u32) -> Option<TrapCode> {
        let func = self.function_at(offset)?;
        let mut run = Reader(self.run(&self[CodeTable::Traps], func, |f| f.traps)?);
        let mut at = self.functions[func.as_u32() as usize].start;
        while at <= offset {
            at = at.checked_add(run.u32()?)?;
            let code = run.byte()?;
            if at == offset {
                return TrapCode::from_u8(code);
            }
        }
        None
    }

    /// Whether the instruction at this offset must not be interrupted. Async-signal-safe.
    pub fn is_uninterruptible(&self, offset: u32) -> bool {
        let run = partition(&self[CodeTable::Uninterruptible], |[start, _]: [u32; 2]| start <= offset);
        let run = run.and_then(|n| record::<2>(&self[CodeTable::Uninterruptible], n.checked_sub(1)?));
        run.is_some_and(|[_, end]| offset < end)
    }

    /// The handlers of the call that returns to this offset, in the order in which they are asked; `None` if it has none.
    /// Offsets are of the text.
    pub fn handlers_at(&self, return_offset: u32) -> Option<Handlers<'_, S>> {
        let n = partition(&self[CodeTable::CallSites], |[at, ..]: [u32; 4]| at < return_offset)?;
        let [at, frame_size, vmctx, first] = record(&self[CodeTable::CallSites], n)?;
        let (next, vmctx) = (first, vmctx.cast_signed());
        (at == return_offset).then_some(Handlers { table: &self[CodeTable::Handlers], next, frame_size, vmctx })
    }

    /// The stack map of the call that returns to this offset.
    pub fn stack_map_at(&self, return_offset: u32) -> Option<StackMap> {
        // A call that never returns may be the last instruction: its return address is the function's end.
        let func = self.function_at(return_offset.checked_sub(1)?)?;
        let wanted = return_offset - self.functions[func.as_u32() as usize].start;
        let mut run = self.stack_maps_of(func);
        let (mut slots, own) = (run.everywhere.clone(), run.everywhere.len());
        for step in &mut run {
            slots.truncate(own + step.kept as usize);
            slots.extend(step.added);
            if step.return_offset >= wanted {
                return (step.return_offset == wanted).then_some(StackMap { return_offset: wanted, slots });
            }
        }
        None
    }

    /// A function's stack maps, by increasing return offset. Who wants more than one decodes them once.
    pub fn stack_maps_of(&self, func: DefinedFuncIndex) -> StackMapSteps<'_> {
        let mut run = Reader(self.run(&self[CodeTable::StackMaps], func, |f| f.stack_maps).unwrap_or_default());
        let everywhere = run.slots().unwrap_or_default();
        StackMapSteps { run, return_offset: 0, depth: 0, everywhere }
    }

    /// A function's traps, by increasing offset from its start.
    fn traps_of(&self, func: DefinedFuncIndex) -> impl Iterator<Item = (u32, TrapCode)> {
        let mut run = Reader(self.run(&self[CodeTable::Traps], func, |f| f.traps).unwrap_or_default());
        let mut at = 0u32;
        std::iter::from_fn(move || {
            at = at.checked_add(run.u32()?)?;
            Some((at, TrapCode::from_u8(run.byte()?)?))
        })
    }

    /// Bodies in a function's code, and its runs of instructions that belong to one operator, with its wasm offset; `u32::MAX` where
    /// none is known.
    fn wasm_offsets_of(&self, offsets: &[u8], func: DefinedFuncIndex) -> (Vec<InlinedCall>, impl Iterator<Item = (u32, u32)>) {
        let mut run = Reader(self.run(offsets, func, |f| f.wasm_offsets).unwrap_or_default());
        // Each takes bytes, and nothing is allocated for a count that is not there.
        let bodies = run.u32().unwrap_or_default();
        let inlined = (0..bodies).map_while(|_| run.inlined()).collect();
        let (mut at, mut wasm) = (0u32, 0i64);
        let runs = std::iter::from_fn(move || {
            at = at.checked_add(run.u32()?)?;
            wasm = wasm.checked_add(run.i64()?)?;
            Some((at, u32::try_from(wasm).unwrap_or(u32::MAX)))
        });
        (inlined, runs)
    }

    /// The operator that the instruction at this offset of text belongs to, and what is around it, as
    /// [`crate::inlined::operators`] gives them.
    pub fn operators_at(&self, offsets: &[u8], offset: u32) -> Vec<Operator> {
        let Some(func) = self.function_at(offset) else { return Vec::new() };
        let wanted = offset - self.functions[func.as_u32() as usize].start;
        let (inlined, runs) = self.wasm_offsets_of(offsets, func);
        let number = runs.take_while(|&(at, _)| at <= wanted).last().map_or(u32::MAX, |(_, wasm)| wasm);
        operators(&inlined, number).collect()
    }

    /// Where a function's code is data, as offsets from its start, increasing.
    pub fn jump_tables_of(&self, func: DefinedFuncIndex) -> Vec<(u32, u32)> {
        let record = self.functions.get(func.as_u32() as usize);
        record.map(|f| runs_of(&self[CodeTable::JumpTables], f.start, f.start.saturating_add(f.len))).unwrap_or_default()
    }

    /// A function as it was compiled, but that relocations are fixed: for who reads code. `text` and
    /// `offsets` are those of the unit.
    pub fn function(&self, func: DefinedFuncIndex, text: &[u8], offsets: &[u8]) -> Option<CompiledFunction> {
        let FunctionRecord { start, len, .. } = *self.functions.get(func.as_u32() as usize)?;
        let end = start.checked_add(len)?;
        let first = partition(&self[CodeTable::CallSites], |[at, ..]: [u32; 4]| at <= start).unwrap_or_default();
        let sites = (first..).map_while(|n| record::<4>(&self[CodeTable::CallSites], n)).take_while(|&[at, ..]| at <= end);
        let mut lists = HandlerListBuilder::default();
        let call_sites = sites.filter_map(|[at, ..]| {
            let handlers = self.handlers_at(at)?;
            let (frame_size, vmctx) = (handlers.frame_size, handlers.vmctx);
            let own = |h: Handler| Handler { code_offset: h.code_offset.wrapping_sub(start), ..h };
            let handlers = lists.add(&handlers.map(own).collect::<Vec<_>>())?;
            Some(CallSite { return_offset: at - start, frame_size, vmctx, handlers })
        });
        let call_sites = call_sites.collect();
        let (inlined, wasm_offsets) = self.wasm_offsets_of(offsets, func);
        Some(CompiledFunction {
            code: text.get(start as usize..end as usize)?.to_vec(),
            traps: self.traps_of(func).collect(),
            wasm_offsets: wasm_offsets.collect(),
            inlined,
            stack_maps: self.stack_maps_of(func).maps(),
            uninterruptible: runs_of(&self[CodeTable::Uninterruptible], start, end),
            call_sites,
            handlers: lists.finish(),
            jump_tables: runs_of(&self[CodeTable::JumpTables], start, end),
            ..CompiledFunction::default()
        })
    }
}

/// The runs of a table that begin in a function, as offsets from its start.
fn runs_of<S: Stream>(table: &S, start: u32, end: u32) -> Vec<(u32, u32)> {
    let first = partition(table, |[from, _]: [u32; 2]| from < start).unwrap_or_default();
    let records = (first..).map_while(|n| record::<2>(table, n)).take_while(|&[from, to]| from < end && from < to);
    records.map(|[from, to]| (from - start, to.min(end) - start)).collect()
}
