//! Tables written: encoded as functions are compiled, moved as they are linked.

use super::leb::{write_slots, write_u32, write_u64, zigzag};
use super::{CodeTable, CodeTables, Ends, FunctionRecord, HANDLER_BYTES, NO_HANDLER, WasmOffsets, record};
use crate::compile::{CallSite, CompiledFunction};
use crate::handlers::clause;
use crate::index::DefinedFuncIndex;
use crate::trap::TrapCode;

impl CodeTables {
    /// Appends the function with the next index, whose code begins at `start` in text. Functions come in index order with
    /// increasing starts.
    pub fn push(&mut self, start: u32, f: &CompiledFunction, offsets: &mut WasmOffsets) {
        self.begin(start, f.code.len() as u32, offsets);
        push_runs(
            &mut self[CodeTable::Traps],
            &f.traps,
            TrapCode::Unreachable,
            |_, code| code as u32,
            |_, code| u64::from(code as u8),
        );
        write_u32(&mut offsets.0, f.inlined.len() as u32);
        for body in &f.inlined {
            for number in [body.func.as_u32(), body.first, body.body_offset, body.call] {
                write_u32(&mut offsets.0, number);
            }
        }
        // `u32::MAX` is no operator, and stands as -1; all others are below 2^32.
        let number = |wasm: u32| if wasm == u32::MAX { -1 } else { i64::from(wasm) };
        push_runs(
            &mut offsets.0,
            &f.wasm_offsets,
            0,
            |last, wasm| {
                let difference = wasm.wrapping_sub(last).cast_signed();
                // The highest bit of either makes it long.
                ((difference << 1) ^ (difference >> 31)).cast_unsigned() | (last | wasm) >> 31 << 7
            },
            |last, wasm| zigzag(number(wasm) - number(last)),
        );
        let mut last = 0;
        if !f.stack_maps.is_empty() {
            write_slots(&mut self[CodeTable::StackMaps], f.stack_maps.everywhere());
        }
        for step in f.stack_maps.steps() {
            write_u32(&mut self[CodeTable::StackMaps], step.return_offset - last);
            write_u32(&mut self[CodeTable::StackMaps], step.kept);
            write_slots(&mut self[CodeTable::StackMaps], step.added);
            last = step.return_offset;
        }
        for (runs, table) in [(&f.uninterruptible, CodeTable::Uninterruptible), (&f.jump_tables, CodeTable::JumpTables)] {
            runs.iter().for_each(|&(from, to)| write_record(&mut self[table], [start + from, start + to]));
        }
        let first = (self[CodeTable::Handlers].len() / HANDLER_BYTES) as u32;
        for (handler, next) in f.handlers.nodes() {
            let clause = clause(handler.tag, handler.wants_exception);
            let next = next.map_or(NO_HANDLER, |next| first + next);
            write_record(&mut self[CodeTable::Handlers], [clause, start + handler.code_offset, next]);
        }
        for &CallSite { return_offset, frame_size, vmctx, handlers } in &f.call_sites {
            write_record(
                &mut self[CodeTable::CallSites],
                [start + return_offset, frame_size, vmctx.cast_unsigned(), first + handlers],
            );
        }
    }

    /// A function whose tables follow.
    fn begin(&mut self, start: u32, len: u32, offsets: &WasmOffsets) {
        self.functions.push(FunctionRecord {
            start,
            len,
            traps: self[CodeTable::Traps].len() as u32,
            wasm_offsets: offsets.0.len() as u32,
            stack_maps: self[CodeTable::StackMaps].len() as u32,
        });
    }

    /// Where the tables of the function that is pushed next will begin.
    pub fn ends(&self) -> Ends {
        Ends(std::array::from_fn(|n| self.streams[n].len()))
    }

    /// Appends the tables of a function, the one with number `n` among those that were pushed to `from`; it
    /// begins at `start` now. `begin` and `end` are what `from` had for [`CodeTables::ends`] before it and
    /// behind it.
    pub fn append(
        &mut self,
        start: u32,
        from: (&CodeTables, &WasmOffsets),
        n: usize,
        (begin, end): (&Ends, &Ends),
        offsets: &mut WasmOffsets,
    ) {
        let (from, from_offsets) = from;
        let Some(&record) = from.functions.get(n) else { return };
        self.begin(start, record.len, offsets);
        let func = DefinedFuncIndex::from_u32(n as u32);
        offsets.0.extend_from_slice(from.run(&from_offsets.0, func, |f| f.wasm_offsets).unwrap_or_default());
        let moved = |at: u32| at - record.start + start;
        let first = (self[CodeTable::Handlers].len() / HANDLER_BYTES) as u32;
        let renumbered = |n: u32| n - (begin.0[CodeTable::Handlers as usize] / HANDLER_BYTES) as u32 + first;
        for table in CodeTable::ALL {
            let (out, part) = (&mut self.streams[table as usize], begin.0[table as usize]..end.0[table as usize]);
            let part = &from[table][part];
            match table {
                // These count from the function's start.
                CodeTable::Traps | CodeTable::StackMaps => out.extend_from_slice(part),
                CodeTable::Uninterruptible | CodeTable::JumpTables => {
                    each(part, |run: [u32; 2]| write_record(out, run.map(moved)));
                }
                CodeTable::CallSites => each(part, |[at, size, vmctx, handlers]| {
                    write_record(out, [moved(at), size, vmctx, renumbered(handlers)]);
                }),
                CodeTable::Handlers => each(part, |[tag, at, next]| {
                    let next = if next == NO_HANDLER { next } else { renumbered(next) };
                    write_record(out, [tag, moved(at), next]);
                }),
            }
        }
    }
}

// A trap's code is one byte, as any number below 128 is.
const _: () = {
    let mut n = 0;
    while n < TrapCode::ALL.len() {
        assert!((TrapCode::ALL[n] as u8) < 0x80);
        n += 1;
    }
};

fn each<const N: usize>(table: &[u8], f: impl FnMut([u32; N])) {
    (0..).map_while(|n| record(table, n)).for_each(f);
}

fn write_record<const N: usize>(table: &mut Vec<u8>, numbers: [u32; N]) {
    table.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
}

/// Appends pairs of a difference of offsets and a number, which `number` makes of a value and the one before
/// it. There are as many as code has instructions, and nearly all are two bytes: blocks where all are, as
/// `short` says by a number below 128, are written at once. `first` is before the first value.
fn push_runs<T: Copy>(out: &mut Vec<u8>, runs: &[(u32, T)], first: T, short: impl Fn(T, T) -> u32, number: impl Fn(T, T) -> u64) {
    const BLOCK: usize = 16;
    let mut last = (0, first);
    let (blocks, rest) = runs.as_chunks::<BLOCK>();
    for block in blocks {
        let (mut pairs, mut all, mut before) = ([[0; 2]; BLOCK], 0, last);
        for (pair, &entry) in pairs.iter_mut().zip(block) {
            let (difference, number) = (entry.0 - before.0, short(before.1, entry.1));
            all |= difference | number;
            *pair = [difference as u8, number as u8];
            before = entry;
        }
        if all < 0x80 {
            out.extend_from_slice(pairs.as_flattened());
        } else {
            push_long(out, block, last, &number);
        }
        last = before;
    }
    push_long(out, rest, last, &number);
}

/// The same for few, whatever they are.
fn push_long<T: Copy>(out: &mut Vec<u8>, runs: &[(u32, T)], mut last: (u32, T), number: &impl Fn(T, T) -> u64) {
    for &entry in runs {
        write_u32(out, entry.0 - last.0);
        write_u64(out, number(last.1, entry.1));
        last = entry;
    }
}
