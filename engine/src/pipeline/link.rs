//! From compiled functions to one text: laid out as ARCHITECTURE.md says, with every relocation fixed.
//!
//! What a function's compilation gives is made compact at once, on the thread that compiled it, since all
//! functions are held until the last one is there: the runs of its tables are encoded then, behind those of
//! the thread's other functions. Linking puts the functions of all threads in order; where one thread
//! compiled them they are in order.

use crate::causes::CompileFailure;
use crate::error::Error;
use sconce_environ::EntityRef;
use sconce_environ::code_tables::{CodeTable, CodeTables, Ends, WasmOffsets};
use sconce_environ::compile::{CompiledFunction, Reloc, RelocTarget};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::module::Module;
use sconce_environ::text_layout::{FUNCTION_ALIGN, MAX_TEXT, slot, slots_end};
use sconce_x64::stubs::{self, THUNK_SIZE};
use sconce_x64::text::{FIELD_BYTES, FILLER};

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

/// Compiled functions, one behind the other, with their tables encoded. What a thread compiles makes one; so
/// nothing is allocated for a single function, and what one thread compiled in order is the text.
#[derive(Default)]
pub(super) struct Unit {
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
    /// Bytes of code.
    pub(super) fn len(&self) -> usize {
        self.code.len()
    }

    /// Bytes of its tables.
    pub(super) fn table_bytes(&self) -> usize {
        self.tables.streams.iter().map(Vec::len).sum()
    }

    /// The functions that its functions call, one after the other.
    pub(super) fn callees(&self) -> impl Iterator<Item = DefinedFuncIndex> {
        self.relocs.iter().filter_map(|reloc| match reloc.target {
            RelocTarget::Slot(func) | RelocTarget::Function(func) => Some(func),
            RelocTarget::HostCall { .. } => None,
        })
    }

    /// With room for what so many bytes of bodies become: about as much as Lightbeam makes of them. What is
    /// not written takes address space alone. It is no matter if there is none: then lists grow.
    pub(super) fn with_room(bytes: usize) -> Unit {
        let mut unit = Unit::default();
        let _ = unit.code.try_reserve_exact(bytes * 7 / 4);
        let _ = unit.tables[CodeTable::Traps].try_reserve_exact(bytes / 3);
        let _ = unit.offsets.0.try_reserve_exact(bytes);
        unit
    }

    /// Appends a function.
    pub(super) fn push(&mut self, func: DefinedFuncIndex, compiled: &CompiledFunction) -> Result<(), Error> {
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
        if end > MAX_TEXT {
            return Err(too_large(end));
        }
        self.code.resize(start as usize, FILLER);
        Ok(start as u32)
    }
}

fn too_large(len: u64) -> Error {
    CompileFailure::OutOfReach { len }.into()
}

/// All functions in one unit, in index order.
pub(super) fn in_order(mut units: Vec<Unit>) -> Result<Unit, Error> {
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

pub(super) fn link(module: &Module, unit: Unit) -> Result<Linked, Error> {
    let Unit { code: mut text, relocs, tables, offsets, .. } = unit;
    let thunks = (text.len() as u64).next_multiple_of(u64::from(FUNCTION_ALIGN));
    let escaping = module.escaping.iter().filter_map(|&f| module.defined_func(f));
    let text_len = thunks + escaping.clone().count() as u64 * THUNK_SIZE as u64;
    if slots_end(text_len, tables.functions.len()).is_none() {
        return Err(too_large(text_len));
    }
    let thunks = thunks as u32;
    let slot = |func: DefinedFuncIndex| slot(text_len, func) as u32;
    for reloc in &relocs {
        let target = match reloc.target {
            RelocTarget::Function(func) => tables.functions[func.index()].start,
            RelocTarget::Slot(func) => slot(func),
            RelocTarget::HostCall { .. } => unreachable!("fixed where the function was compiled"),
        };
        let value = i64::from(target) + i64::from(reloc.addend) - i64::from(reloc.offset);
        // Everything is within 2 GiB.
        let at = reloc.offset as usize;
        text[at..at + FIELD_BYTES as usize].copy_from_slice(&(value as i32).to_le_bytes());
    }
    text.resize(thunks as usize, FILLER);
    text.extend_from_slice(&stubs::thunks(escaping.map(|func| (slot(func) - thunks) as i32)));
    Ok(Linked { text, thunks, tables, offsets })
}

/// Functions that are called through slots, with every relocation fixed for code that begins at `address`, a multiple of a line. `slot`
/// gives addresses of slots.
pub(super) fn place(unit: Unit, address: usize, slot: impl Fn(DefinedFuncIndex) -> usize) -> (Vec<u8>, CodeTables) {
    let Unit { mut code, relocs, tables, .. } = unit;
    for reloc in &relocs {
        let RelocTarget::Slot(func) = reloc.target else {
            unreachable!("functions that can be replaced are called through slots")
        };
        let value = slot(func) as i64 + i64::from(reloc.addend) - (address as i64 + i64::from(reloc.offset));
        // All code is within 2 GiB.
        let at = reloc.offset as usize;
        code[at..at + FIELD_BYTES as usize].copy_from_slice(&(value as i32).to_le_bytes());
    }
    (code, tables)
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
            inlined: vec![],
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
        assert_eq!(linked.tables.operators_at(&linked.offsets.0, 65), [(None, 100)]);
        assert_eq!(linked.tables.operators_at(&linked.offsets.0, 66), [(None, 200)]);
    }
}
