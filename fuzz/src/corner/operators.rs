//! Operators that reach beyond the stack: calls, memories, tables, globals. Each pushes its own operands first.

use super::body::Body;
use super::numbers::{GROWTH, OFFSETS, near, pick};
use super::plan::{FUEL, Memory};
use rand::Rng;
use wasm_encoder::{Encode, HeapType, Instruction as I, MemArg, MemArgTarget, RefType, ValType};

/// How often something is done that traps.
const RISK: f64 = 0.02;
/// The base 2 logarithms of what loads access, from `i32.load` on; and their results.
const LOADS: &[(u32, ValType)] = &[
    (2, ValType::I32),
    (3, ValType::I64),
    (2, ValType::F32),
    (3, ValType::F64),
    (0, ValType::I32),
    (0, ValType::I32),
    (1, ValType::I32),
    (1, ValType::I32),
    (0, ValType::I64),
    (0, ValType::I64),
    (1, ValType::I64),
    (1, ValType::I64),
    (2, ValType::I64),
    (2, ValType::I64),
];
/// The same of stores, from `i32.store` on.
const STORES: &[(u32, ValType)] = &[
    (2, ValType::I32),
    (3, ValType::I64),
    (2, ValType::F32),
    (3, ValType::F64),
    (0, ValType::I32),
    (1, ValType::I32),
    (0, ValType::I64),
    (1, ValType::I64),
    (2, ValType::I64),
];
/// The same of each group of atomics.
const ATOMICS: &[(u32, ValType)] = &[
    (2, ValType::I32),
    (3, ValType::I64),
    (0, ValType::I32),
    (1, ValType::I32),
    (0, ValType::I64),
    (1, ValType::I64),
    (2, ValType::I64),
];
/// Vector loads from `v128.load` on: the logarithm of what they access.
const VECTOR_LOADS: &[u32] = &[4, 3, 3, 3, 3, 3, 3, 0, 1, 2, 3];

impl Body<'_> {
    fn risk(&mut self) -> bool {
        self.rng.random_bool(RISK)
    }

    // ---- Calls.

    /// Some call. Whether there was one to make.
    pub fn any_call(&mut self) -> bool {
        match self.rng.random_range(0..10) {
            0..3 => self.direct_call(),
            3..8 => self.indirect_call(),
            _ => {
                let ty = pick(self.rng, &self.plan.types.callable);
                return self.call_if_any_of(ty);
            }
        }
        true
    }

    fn direct_call(&mut self) {
        let function = self.plan.any_function(self.rng);
        let signature = self.plan.types.get(self.plan.function_type(function)).clone();
        self.operands(&signature.params, 1);
        self.emit(&I::Call(function));
        self.called(&signature.params, &signature.results);
    }

    fn called(&mut self, params: &[ValType], results: &[ValType]) {
        self.pop(params.len());
        self.stack.extend(results);
    }

    /// A table of functions that stay, an element of it, and the type to call it by: mostly one that it has.
    pub fn callee(&mut self) -> (u32, u64, u32) {
        let plan = self.plan;
        let tables = plan.tables.iter().filter(|t| !t.functions.is_empty()).count();
        let table = self.rng.random_range(0..tables);
        let functions = &plan.tables[table].functions;
        let filled: Vec<u64> = (0..functions.len()).filter(|&n| functions[n].is_some()).map(|n| n as u64).collect();
        if filled.is_empty() || self.risk() {
            let element = self.rng.random_range(0..functions.len() as u64 + 2);
            return (table as u32, element, self.type_for(table));
        }
        let element = pick(self.rng, &filled);
        let Some(function) = functions[element as usize] else { unreachable!("it is filled") };
        let own = plan.function_type(function);
        let fits = |&ty: &u32| plan.types.is_subtype(own, ty) && self.type_fits(table, ty);
        let fitting: Vec<u32> = (0..plan.types.all.len() as u32).filter(fits).collect();
        let ty = if fitting.is_empty() || self.risk() { self.type_for(table) } else { pick(self.rng, &fitting) };
        (table as u32, element, ty)
    }

    /// Whether elements of the table may be called by this type: the element's type is any function's, or related.
    fn type_fits(&self, table: usize, ty: u32) -> bool {
        match self.plan.tables[table].element.heap_type {
            HeapType::Concrete(own) => self.plan.types.is_subtype(own, ty) || self.plan.types.is_subtype(ty, own),
            _ => true,
        }
    }

    fn type_for(&mut self, table: usize) -> u32 {
        match self.plan.tables[table].element.heap_type {
            HeapType::Concrete(own) => own,
            _ => pick(self.rng, &self.plan.types.callable),
        }
    }

    fn indirect_call(&mut self) {
        let (table, element, ty) = self.callee();
        let signature = self.plan.types.get(ty).clone();
        self.operands(&signature.params, 1);
        self.constant(self.plan.tables[table as usize].index(), element);
        self.emit(&I::CallIndirect { type_index: ty, table_index: table });
        self.pop(1);
        self.called(&signature.params, &signature.results);
    }

    /// Calls a reference of this type that is made for it.
    fn call_if_any_of(&mut self, ty: u32) -> bool {
        if !self.plan.proposals.function_references {
            return false;
        }
        self.operand(self.plan.reference(ty), 1);
        self.call_if_any(ty)
    }

    /// Calls the topmost reference, or does not if it is null, and consumes what that gives. Else nothing is changed.
    pub fn call_if_any(&mut self, ty: u32) -> bool {
        let signature = self.plan.types.get(ty).clone();
        if signature.params.len() > 6 {
            return false;
        }
        let local = self.fresh(self.plan.reference(ty));
        self.emit(&I::LocalSet(local));
        self.pop(1);
        let base = self.stack.len();
        self.begin(vec![], 0, I::Block);
        if !self.risk() {
            self.emit(&I::LocalGet(local));
            self.emit(&I::BrOnNull(0));
            self.emit(&I::Drop);
        }
        self.operands(&signature.params, 0);
        self.emit(&I::LocalGet(local));
        self.emit(&I::CallRef(ty));
        self.called(&signature.params, &signature.results);
        self.fold_to(base);
        self.end();
        true
    }

    /// Gives the topmost host reference to the host, which notes which one it is. Whether it can.
    pub fn keep(&mut self) -> bool {
        let Some(function) = self.plan.imports.iter().position(|&f| crate::host::FUNCTIONS[f].name == "keep") else { return false };
        self.integer(ValType::I32);
        self.emit(&I::Call(function as u32));
        self.emit(&I::Drop);
        self.pop(2);
        true
    }

    // ---- Memories.

    /// A memory with room for an access.
    fn memory(&mut self, size: u64, shared: Option<bool>) -> Option<(u32, Memory)> {
        let fits = |m: &Memory| m.bytes() >= size && shared.is_none_or(|shared| m.shared == shared);
        let plan = self.plan;
        let all: Vec<(u32, Memory)> = (0..).zip(plan.memories.iter().copied()).filter(|(_, m)| fits(m)).collect();
        (!all.is_empty()).then(|| pick(self.rng, &all))
    }

    /// Pushes an address, and gives the offset: mostly inside, at the ends more often.
    fn address(&mut self, memory: u32, size: u64) -> MemArg {
        let m = self.plan.memories[memory as usize];
        let (align, target) = (size.ilog2(), MemArgTarget::Memory(memory));
        let arg = |offset| MemArg { offset, align, target, ordering: None };
        if self.risk() {
            let offset = near(self.rng, OFFSETS);
            self.operand(m.index(), 0);
            return arg(if m.memory64 { offset } else { offset & 0xffff_ffff });
        }
        let limit = (m.bytes() - size) >> align;
        let offset = if self.rng.random() { 0 } else { near(self.rng, OFFSETS) >> align };
        let offset = if offset <= limit { offset } else { 0 };
        let limit = limit - offset;
        if limit > 0 && self.rng.random() {
            // The largest number of ones that stays inside, without the lowest bits for alignment.
            let mask = (1u64 << limit.ilog2()) - 1;
            self.operand(m.index(), 1);
            self.constant(m.index(), mask << align);
            self.pop(1);
            self.emit(if m.memory64 { &I::I64And } else { &I::I32And });
        } else {
            let at = match self.rng.random_range(0..4) {
                0 => limit,
                1 => 0,
                _ => self.rng.random_range(0..=limit),
            };
            self.constant(m.index(), at << align);
        }
        arg(offset << align)
    }

    fn opcode(&mut self, code: u8, arg: MemArg) {
        self.code.push(code);
        arg.encode(&mut self.code);
        self.budget -= 1;
    }

    fn prefixed(&mut self, prefix: u8, number: u32, arg: MemArg) {
        self.code.push(prefix);
        number.encode(&mut self.code);
        arg.encode(&mut self.code);
        self.budget -= 1;
    }

    /// A load with this result. Whether there is a memory for it.
    pub fn load_of(&mut self, ty: ValType, _effort: u32) -> bool {
        if ty == ValType::V128 {
            let number = self.rng.random_range(0..VECTOR_LOADS.len());
            let Some((memory, _)) = self.memory(1 << VECTOR_LOADS[number], None) else { return false };
            let arg = self.address(memory, 1 << VECTOR_LOADS[number]);
            self.prefixed(0xfd, number as u32, arg);
        } else {
            let fitting: Vec<usize> = (0..LOADS.len()).filter(|&n| LOADS[n].1 == ty).collect();
            if fitting.is_empty() {
                return false;
            }
            let number = pick(self.rng, &fitting);
            let Some((memory, _)) = self.memory(1 << LOADS[number].0, None) else { return false };
            let arg = self.address(memory, 1 << LOADS[number].0);
            self.opcode(0x28 + number as u8, arg);
        }
        self.pop(1);
        self.stack.push(ty);
        true
    }

    /// Some store.
    pub fn store(&mut self) -> bool {
        let vector = self.plan.proposals.simd && self.rng.random_bool(0.2);
        let number = self.rng.random_range(0..STORES.len());
        let (align, ty) = if vector { (4, ValType::V128) } else { STORES[number] };
        let Some((memory, _)) = self.memory(1 << align, None) else { return false };
        let arg = self.address(memory, 1 << align);
        self.operand(ty, 1);
        match vector {
            true => self.prefixed(0xfd, 0x0b, arg),
            false => self.opcode(0x36 + number as u8, arg),
        }
        self.pop(2);
        true
    }

    /// An atomic operator. Waiting is of no use on one thread: its time is zero.
    pub fn atomic(&mut self) -> bool {
        if !self.plan.proposals.threads {
            return false;
        }
        let number = self.rng.random_range(0..ATOMICS.len());
        let (align, ty) = ATOMICS[number];
        let Some((memory, _)) = self.memory(1 << align, None) else { return false };
        match self.rng.random_range(0..if self.calls { 10 } else { 8 }) {
            0 => {
                let arg = self.address(memory, 1 << align);
                self.prefixed(0xfe, 0x10 + number as u32, arg);
                self.pop(1);
            }
            1 => {
                let arg = self.address(memory, 1 << align);
                self.operand(ty, 1);
                self.prefixed(0xfe, 0x17 + number as u32, arg);
                self.pop(2);
                return true;
            }
            2..6 => {
                let arg = self.address(memory, 1 << align);
                self.operand(ty, 1);
                let group = self.rng.random_range(0..6);
                self.prefixed(0xfe, 0x1e + 7 * group + number as u32, arg);
                self.pop(2);
            }
            6 | 7 => {
                let arg = self.address(memory, 1 << align);
                self.operand(ty, 1);
                self.operand(ty, 1);
                self.prefixed(0xfe, 0x48 + number as u32, arg);
                self.pop(3);
            }
            8 => {
                let Some((memory, _)) = self.memory(8, None) else { return false };
                let arg = MemArg { align: 2, ..self.address(memory, 8) };
                self.operand(ValType::I32, 1);
                self.prefixed(0xfe, 0, arg);
                self.pop(2);
                self.stack.push(ValType::I32);
                return true;
            }
            _ => {
                let Some((memory, _)) = self.memory(8, Some(true)) else { return false };
                let wide = self.rng.random();
                let arg = self.address(memory, 8);
                self.operand(if wide { ValType::I64 } else { ValType::I32 }, 1);
                self.constant(ValType::I64, 0);
                self.prefixed(0xfe, if wide { 2 } else { 1 }, MemArg { align: if wide { 3 } else { 2 }, ..arg });
                self.pop(3);
                self.stack.push(ValType::I32);
                return true;
            }
        }
        self.stack.push(ty);
        true
    }

    /// The size of a memory, or growing it: mostly a little, at times as far as it goes.
    pub fn size_or_grow(&mut self) -> bool {
        let Some((memory, m)) = self.memory(0, None) else { return false };
        if !self.calls || self.rng.random() {
            self.emit(&I::MemorySize(memory));
            self.stack.push(m.index());
            return true;
        }
        let by = match self.rng.random_range(0..4) {
            0 => near(self.rng, GROWTH) >> m.page_size_log2.min(12),
            1 => (1u64 << 32 >> m.page_size_log2).wrapping_sub(m.min).saturating_add_signed(self.rng.random_range(-1..=0)),
            _ => self.rng.random_range(0..3),
        };
        self.constant(m.index(), by);
        self.emit(&I::MemoryGrow(memory));
        true
    }

    /// Filling, copying and initializing memories.
    pub fn bulk(&mut self) -> bool {
        let Some((memory, m)) = self.memory(1, None) else { return false };
        let (other, o) = match self.memory(1, None) {
            Some(found) => found,
            None => (memory, m),
        };
        let segment = self.rng.random_range(0..self.plan.data.len());
        match self.rng.random_range(0..7) {
            0..2 => {
                let len = self.span(m.index(), m.bytes());
                self.operand(ValType::I32, 1);
                self.constant(m.index(), len);
                self.emit(&I::MemoryFill(memory));
            }
            2..4 => {
                let room = m.bytes().min(o.bytes());
                let len = self.span(m.index(), room);
                let from = self.rng.random_range(0..=room - len);
                self.constant(o.index(), from);
                let narrow = if m.memory64 && o.memory64 { ValType::I64 } else { ValType::I32 };
                self.constant(narrow, len);
                self.emit(&I::MemoryCopy { dst_mem: memory, src_mem: other });
            }
            4 | 5 => {
                let len = self.span(m.index(), m.bytes().min(u64::from(self.plan.data[segment])));
                self.constant(ValType::I32, 0);
                self.constant(ValType::I32, len);
                self.emit(&I::MemoryInit { mem: memory, data_index: segment as u32 });
            }
            _ => {
                // What comes after it may trap.
                if self.risk() {
                    self.emit(&I::DataDrop(segment as u32));
                }
                return true;
            }
        }
        self.pop(3);
        true
    }

    /// Pushes an index so that a span of some length fits below `room`, and gives that length.
    fn span(&mut self, index: ValType, room: u64) -> u64 {
        if self.risk() {
            self.operand(index, 0);
            return 0;
        }
        let len = if self.rng.random() { self.rng.random_range(0..=room.min(40)) } else { near(self.rng, &[0, 16, 4096]).min(room) };
        let at = self.rng.random_range(0..=room - len);
        self.constant(index, at);
        len
    }

    // ---- Tables.

    /// A table that is not for calls.
    fn table(&mut self, accept: impl Fn(RefType) -> bool) -> Option<u32> {
        let plan = self.plan;
        let fits = |&n: &u32| plan.tables[n as usize].functions.is_empty() && accept(plan.tables[n as usize].element);
        let all: Vec<u32> = (0..plan.tables.len() as u32).filter(fits).collect();
        (!all.is_empty()).then(|| pick(self.rng, &all))
    }

    /// Pushes an index inside a table, as far as is known.
    fn element_index(&mut self, table: u32) {
        let t = &self.plan.tables[table as usize];
        let (ty, min) = (t.index(), t.min);
        match self.risk() || min == 0 {
            true => self.operand(ty, 0),
            false => {
                let at = if self.rng.random() { self.rng.random_range(0..min) } else { min - 1 };
                self.constant(ty, at);
            }
        }
    }

    /// Reads an element of this type. Whether a table has some; reading never traps here.
    pub fn table_get(&mut self, ty: ValType) -> bool {
        let ValType::Ref(r) = ty else { return false };
        let Some(table) = self.table(|element| element == r) else { return false };
        if self.plan.tables[table as usize].min == 0 {
            return false;
        }
        self.element_index(table);
        self.emit(&I::TableGet(table));
        self.pop(1);
        self.stack.push(ty);
        true
    }

    /// Some operator on a table.
    pub fn table_operator(&mut self) -> bool {
        let Some(table) = self.table(|_| true) else { return false };
        let t = &self.plan.tables[table as usize];
        let (element, index, min) = (ValType::Ref(t.element), t.index(), t.min);
        match self.rng.random_range(0..8) {
            0 if min > 0 => {
                self.element_index(table);
                self.emit(&I::TableGet(table));
                self.pop(1);
                self.stack.push(element);
            }
            1..4 if min > 0 => {
                self.element_index(table);
                self.operand(element, 1);
                self.emit(&I::TableSet(table));
                self.pop(2);
            }
            4 => {
                self.operand(element, 1);
                let by = near(self.rng, &[0, 1, 16]);
                self.constant(index, by);
                self.emit(&I::TableGrow(table));
                self.pop(2);
                self.stack.push(index);
            }
            5 => {
                let len = self.span(index, min);
                self.operand(element, 1);
                self.constant(index, len);
                self.emit(&I::TableFill(table));
                self.pop(3);
            }
            6 => {
                let len = self.span(index, min);
                let from = self.rng.random_range(0..=min - len);
                self.constant(index, from);
                self.constant(index, len);
                self.emit(&I::TableCopy { src_table: table, dst_table: table });
                self.pop(3);
            }
            7 if element == ValType::FUNCREF => {
                let segment = self.rng.random_range(0..self.plan.elements.len());
                let len = self.span(index, min.min(self.plan.elements[segment].len() as u64));
                self.constant(ValType::I32, 0);
                self.constant(ValType::I32, len);
                self.emit(&I::TableInit { table, elem_index: self.passive(segment) });
                self.pop(3);
            }
            _ => {
                self.emit(&I::TableSize(table));
                self.stack.push(index);
            }
        }
        true
    }

    /// The index of a passive element segment: those that fill tables come first.
    fn passive(&self, segment: usize) -> u32 {
        (self.plan.tables.iter().filter(|t| !t.functions.is_empty()).count() + segment) as u32
    }

    // ---- Globals and locals.

    /// Writes a global.
    pub fn global_set(&mut self) -> bool {
        let global = FUEL + 1 + self.rng.random_range(0..self.plan.globals.len() as u32);
        let ty = self.plan.global(global);
        if !self.calls && matches!(ty, ValType::Ref(_)) {
            return false;
        }
        self.operand(ty, 1);
        self.emit(&I::GlobalSet(global));
        self.pop(1);
        true
    }

    /// Writes a local, whose old value may still be below.
    pub fn local_set(&mut self) -> bool {
        let local = self.rng.random_range(0..self.locals.len());
        let ty = self.locals[local];
        let Some(local) = self.writable(ty) else { return false };
        self.operand(ty, 2);
        if self.rng.random_bool(0.3) {
            self.emit(&I::LocalTee(local));
        } else {
            self.emit(&I::LocalSet(local));
            self.pop(1);
        }
        true
    }

    /// What references are asked.
    pub fn reference_operator(&mut self) -> bool {
        let mix = super::types::Mix::References;
        let ty = self.plan.value_type(self.rng, mix);
        self.operand(ty, 1);
        if self.plan.proposals.function_references && self.risk() {
            self.emit(&I::RefAsNonNull);
            self.emit(&I::Drop);
            self.pop(1);
        } else {
            self.emit(&I::RefIsNull);
            self.pop(1);
            self.stack.push(ValType::I32);
        }
        true
    }
}
