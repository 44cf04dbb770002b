//! Memories: accesses at their ends and far beyond, sizes around powers of two. Each operator pushes its own operands first.

use super::body::Body;
use super::numbers::{GROWTH, OFFSETS, near, pick};
use super::plan::Memory;
use rand::Rng;
use wasm_encoder::{Encode, Instruction as I, MemArg, MemArgTarget, ValType};

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

/// Lengths at which bulk operations are done in another way.
const LENGTHS: &[u64] = &[0, 16, 32, 64, 128, 256, 512, 4096, 1 << 16];

impl Body<'_> {
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
            if self.rng.random() {
                // The first that is not inside, or the second; of what is aligned.
                let beyond = self.rng.random_range(1..3) << align;
                self.constant(m.index(), (m.bytes() >> align << align) - size + beyond);
                return arg(0);
            }
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
    pub fn load_of(&mut self, ty: ValType) -> bool {
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

    /// The size of a memory.
    pub fn size(&mut self) -> bool {
        let Some((memory, m)) = self.memory(0, None) else { return false };
        self.emit(&I::MemorySize(memory));
        self.stack.push(m.index());
        true
    }

    /// The size of a memory, or growing it: mostly a little, at times as far as it goes. The size then, often.
    pub fn size_or_grow(&mut self) -> bool {
        if !self.calls || self.rng.random() {
            return self.size();
        }
        let Some((memory, m)) = self.memory(0, None) else { return false };
        let by = match self.rng.random_range(0..4) {
            0 => near(self.rng, GROWTH) >> m.page_size_log2.min(12),
            1 => (1u64 << 32 >> m.page_size_log2).wrapping_sub(m.min).saturating_add_signed(self.rng.random_range(-1..=0)),
            _ => self.rng.random_range(0..3),
        };
        self.constant(m.index(), by);
        self.emit(&I::MemoryGrow(memory));
        if self.rng.random() {
            self.emit(&I::MemorySize(memory));
            self.stack.push(m.index());
        }
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
    pub fn span(&mut self, index: ValType, room: u64) -> u64 {
        if self.risk() {
            self.operand(index, 0);
            return 0;
        }
        let len = if self.rng.random() { self.rng.random_range(0..=room.min(40)) } else { near(self.rng, LENGTHS).min(room) };
        let at = self.rng.random_range(0..=room - len);
        self.constant(index, at);
        len
    }
}
