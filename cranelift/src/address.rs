//! The address of an access to a linear memory.
//!
//! Guard style: a 32-bit memory has 4 GiB and a guard reserved (`environ/src/space.rs`), so `base + index + offset` with
//! an offset below [`MAX_GUARDED_OFFSET`] is inside the reservation for every index, and what lies outside the memory
//! faults there. Everything else (explicit style, large offsets, 64-bit memories, small pages) compares with the length
//! first, in 64 bits and without wrapping, and then selects the address again under the condition, so that a
//! misspeculated access reads nothing either.

use crate::alias::{self, Region};
use crate::range;
use crate::translate::{LastAddress, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlags, Value};
use sconce_environ::index::{DataIndex, MemoryIndex};
use sconce_environ::ops::MemArg;
use sconce_environ::pieces::MOST_INLINE;
use sconce_environ::space::{MAX_GUARDED_ACCESS, MAX_GUARDED_OFFSET};
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::VmMemory;
use std::mem::offset_of;

/// Bytes of the widest access: inlined bulk operations are wider than any load or store.
pub(crate) const MAX_SIZE: u32 = MOST_INLINE;

// The widest access at the largest offset that needs no check stays inside the guard.
const _: () = assert!(MAX_SIZE as u64 <= MAX_GUARDED_ACCESS);

/// Where to access, and how.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Address {
    pub(crate) base: Value,
    pub(crate) offset: i32,
    pub(crate) flags: MemFlags,
}

impl Translator<'_> {
    /// Pops the index of an access to `size` bytes. `None` if it traps whatever the index is: what follows is unreachable.
    pub(crate) fn address(&mut self, arg: MemArg, size: u32) -> Option<Address> {
        let index = self.pop();
        self.address_of(arg, index, size)
    }

    /// The same, of an index that is not on the stack. `size` is at most [`MAX_SIZE`].
    pub(crate) fn address_of(&mut self, arg: MemArg, index: Value, size: u32) -> Option<Address> {
        let ty = &self.env.module.memories[arg.memory];
        let region = self.env.module.defined_memory(arg.memory).map_or(Region::ImportedMemories, |d| Region::Memory(d.as_u32()));
        let flags = alias::memory(self.builder.func, region);
        if self.is_guarded(arg.memory, arg.offset) {
            let base = self.sum(arg.memory, index);
            return Some(Address { base, offset: arg.offset as i32, flags });
        }
        let Some(end) = arg.offset.checked_add(size.into()).filter(|&end| end <= ty.max_bytes()) else {
            self.trap(TrapCode::MemoryOutOfBounds);
            return None;
        };
        if range::largest(&self.builder.func.dfg, index).checked_add(end).is_some_and(|end| end <= ty.min_bytes()) {
            let base = self.sum(arg.memory, index);
            return Some(self.with_offset(base, arg.offset, flags));
        }
        let outside = self.outside(arg.memory, index, end);
        self.trap_if(outside, TrapCode::MemoryOutOfBounds);
        let sum = self.sum(arg.memory, index);
        let address = match arg.offset {
            0 => sum,
            offset => self.builder.ins().iadd_imm_s(sum, offset.cast_signed()),
        };
        let base = self.null_if(outside, address);
        Some(Address { base, offset: 0, flags })
    }

    /// Where `size` bytes of a data segment are, in memory of the host's: always checked.
    pub(crate) fn data_address(&mut self, data: DataIndex, index: Value, size: u32) -> Address {
        let place = self.env.layout.data(data);
        let length = self.load_trusted(I64, Region::Runtime, self.env.vmctx, place + offset_of!(VmMemory, length) as u32);
        let index = self.extend_index(index);
        let end = self.builder.ins().iadd_imm_u(index, i64::from(size));
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        self.trap_if(outside, TrapCode::MemoryOutOfBounds);
        let start = self.vmctx_constant(I64, place + offset_of!(VmMemory, base) as u32);
        let address = self.builder.ins().iadd(start, index);
        let base = self.null_if(outside, address);
        Address { base, offset: 0, flags: alias::data(self.builder.func) }
    }

    /// Traps unless an index is inside or at the end, which is what an operation on no bytes asks for.
    pub(crate) fn check_empty(&mut self, memory: MemoryIndex, index: Value) {
        if range::largest(&self.builder.func.dfg, index) > self.env.module.memories[memory].min_bytes() {
            let outside = self.outside(memory, index, 0);
            self.trap_if(outside, TrapCode::MemoryOutOfBounds);
        }
    }

    /// Whether the guard catches every access at this offset that is not inside the memory.
    pub(crate) fn is_guarded(&self, memory: MemoryIndex, offset: u64) -> bool {
        self.env.settings.bounds.guards(&self.env.module.memories[memory]) && offset < MAX_GUARDED_OFFSET
    }

    /// Whether the bytes up to `end`, relative to the index, reach beyond the memory's length.
    fn outside(&mut self, memory: MemoryIndex, index: Value, end: u64) -> Value {
        let ty = &self.env.module.memories[memory];
        let index = self.extend_index(index);
        let length = self.memory_length(memory);
        if end == 1 {
            return self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        }
        if end <= ty.min_bytes() {
            // The length never shrinks, so the difference does not wrap.
            let end = self.builder.ins().iconst(I64, end.cast_signed());
            let limit = self.builder.ins().isub(length, end);
            return self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, limit);
        }
        let memory64 = ty.memory64;
        let end = self.builder.ins().iconst(I64, end.cast_signed());
        if memory64 {
            // Neither the sum nor the difference can be relied on, so both may say no. (A trap on overflow alone would be
            // speculated past, with a sum that has wrapped.)
            let short = self.builder.ins().icmp(IntCC::UnsignedLessThan, length, end);
            let limit = self.builder.ins().isub(length, end);
            let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, limit);
            return self.builder.ins().bor(short, beyond);
        }
        let last = self.builder.ins().iadd(index, end);
        self.builder.ins().icmp(IntCC::UnsignedGreaterThan, last, length)
    }

    /// Behind a check that traps under a condition: an address that is null under the same one, where the branch was predicted
    /// wrong.
    pub(crate) fn null_if(&mut self, condition: Value, address: Value) -> Value {
        if !self.env.settings.spectre_mitigations {
            return address;
        }
        let null = self.builder.ins().iconst(I64, 0);
        self.builder.ins().select_spectre_guard(condition, null, address)
    }

    /// `base + extended index`. Consecutive accesses to a structure share it.
    fn sum(&mut self, memory: MemoryIndex, index: Value) -> Value {
        let block = self.builder.current_block().expect("there is a block while code is reachable");
        if let Some(last) = self.last_address
            && (last.block, last.memory, last.index) == (block, memory, index)
        {
            return last.address;
        }
        let base = self.memory_base(memory);
        let extended = self.extend_index(index);
        let address = self.builder.ins().iadd(base, extended);
        self.last_address = Some(LastAddress { block, memory, index, address });
        address
    }

    fn with_offset(&mut self, base: Value, offset: u64, flags: MemFlags) -> Address {
        match i32::try_from(offset) {
            Ok(offset) => Address { base, offset, flags },
            Err(_) => Address { base: self.builder.ins().iadd_imm_s(base, offset.cast_signed()), offset: 0, flags },
        }
    }
}
