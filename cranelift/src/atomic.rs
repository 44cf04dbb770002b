//! Atomic accesses: sequentially consistent, and a trap where the address is not a multiple of the size.
//!
//! The address is checked for alignment before it is checked to be inside: the same trap comes first in every bounds style,
//! since a guard finds the other one last.

use crate::address::Address;
use crate::alias;
use crate::translate::Translator;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlags, Opcode, Type, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::ops::*;
use sconce_environ::trap::TrapCode;

pub(crate) fn atomic_load(t: &mut Translator<'_>, access: AtomicAccess, arg: MemArg) {
    let index = t.pop();
    let Some((address, flags)) = t.atomic_address(access.size(), arg, index) else { return };
    let (inst, dfg) = t.builder.ins().LoadNoOffset(Opcode::AtomicLoad, memory_type(access), flags, address);
    let loaded = dfg.first_result(inst);
    t.push_extended(access, loaded);
}

pub(crate) fn atomic_store(t: &mut Translator<'_>, access: AtomicAccess, arg: MemArg) {
    let (index, value) = t.state.pop2();
    let Some((address, flags)) = t.atomic_address(access.size(), arg, index) else { return };
    let value = t.narrowed(access, value);
    t.builder.ins().StoreNoOffset(Opcode::AtomicStore, memory_type(access), flags, value, address);
}

pub(crate) fn atomic_rmw(t: &mut Translator<'_>, access: AtomicAccess, op: AtomicRmw, arg: MemArg) {
    let (index, operand) = t.state.pop2();
    let Some((address, flags)) = t.atomic_address(access.size(), arg, index) else { return };
    let operand = t.narrowed(access, operand);
    let op = match op {
        AtomicRmw::Add => AtomicRmwOp::Add,
        AtomicRmw::Sub => AtomicRmwOp::Sub,
        AtomicRmw::And => AtomicRmwOp::And,
        AtomicRmw::Or => AtomicRmwOp::Or,
        AtomicRmw::Xor => AtomicRmwOp::Xor,
        AtomicRmw::Xchg => AtomicRmwOp::Xchg,
    };
    let (inst, dfg) = t.builder.ins().AtomicRmw(Opcode::AtomicRmw, memory_type(access), flags, op, address, operand);
    let before = dfg.first_result(inst);
    t.push_extended(access, before);
}

pub(crate) fn atomic_cmpxchg(t: &mut Translator<'_>, access: AtomicAccess, arg: MemArg) {
    let (index, expected, replacement) = t.state.pop3();
    let Some((address, flags)) = t.atomic_address(access.size(), arg, index) else { return };
    let (expected, replacement) = (t.narrowed(access, expected), t.narrowed(access, replacement));
    let ty = memory_type(access);
    let (inst, dfg) = t.builder.ins().AtomicCas(Opcode::AtomicCas, ty, flags, address, expected, replacement);
    let before = dfg.first_result(inst);
    t.push_extended(access, before);
}

pub(crate) fn atomic_wait(t: &mut Translator<'_>, width: IntWidth, arg: MemArg) {
    let (index, expected, timeout) = t.state.pop3();
    let builtin = match width {
        IntWidth::W32 => Builtin::AtomicWait32,
        IntWidth::W64 => Builtin::AtomicWait64,
    };
    t.wait_or_notify(builtin, arg, index, &[expected, timeout]);
}

pub(crate) fn atomic_notify(t: &mut Translator<'_>, arg: MemArg) {
    let (index, count) = t.state.pop2();
    t.wait_or_notify(Builtin::AtomicNotify, arg, index, &[count]);
}

pub(crate) fn atomic_fence(t: &mut Translator<'_>) {
    t.builder.ins().fence();
}

/// The type of what is in memory.
fn memory_type(access: AtomicAccess) -> Type {
    match access {
        AtomicAccess::I32As8 | AtomicAccess::I64As8 => I8,
        AtomicAccess::I32As16 | AtomicAccess::I64As16 => I16,
        AtomicAccess::I32 | AtomicAccess::I64As32 => I32,
        AtomicAccess::I64 => I64,
    }
}

fn value_type(access: AtomicAccess) -> Type {
    match access.width() {
        IntWidth::W32 => I32,
        IntWidth::W64 => I64,
    }
}

impl Translator<'_> {
    /// The address of an atomic access, in one value, and its flags. `None` if it traps whatever the index is.
    fn atomic_address(&mut self, size: u32, arg: MemArg, index: Value) -> Option<(Value, MemFlags)> {
        if size > 1 {
            // Only the low bits count: it does not matter where the sum wraps.
            let sum = match arg.offset & u64::from(size - 1) {
                0 => index,
                offset => self.builder.ins().iadd_imm_s(index, offset.cast_signed()),
            };
            let low = self.builder.ins().band_imm_u(sum, i64::from(size - 1));
            self.trap_if(low, TrapCode::UnalignedAtomic);
        }
        let Address { base, offset, flags } = self.address_of(arg, index, size)?;
        let address = if offset == 0 { base } else { self.builder.ins().iadd_imm_s(base, i64::from(offset)) };
        Some((address, flags))
    }

    fn narrowed(&mut self, access: AtomicAccess, value: Value) -> Value {
        let ty = memory_type(access);
        if ty == value_type(access) { value } else { self.builder.ins().ireduce(ty, value) }
    }

    fn push_extended(&mut self, access: AtomicAccess, value: Value) {
        let ty = value_type(access);
        let value = if ty == memory_type(access) { value } else { self.builder.ins().uextend(ty, value) };
        self.push(value);
    }

    /// The builtin adds and checks index and offset.
    fn wait_or_notify(&mut self, builtin: Builtin, arg: MemArg, index: Value, rest: &[Value]) {
        let (number, index) = (self.index_argument(arg.memory.as_u32()), self.extend_index(index));
        let offset = self.builder.ins().iconst(I64, arg.offset.cast_signed());
        let args: smallvec::SmallVec<[Value; 5]> = [number, index, offset].into_iter().chain(rest.iter().copied()).collect();
        let result = self.builtin(builtin, &args).expect("it has a result");
        self.push(result);
    }

    /// The length of a memory that other threads may grow, as it is now: never one that was read before.
    pub(crate) fn fresh_length(&mut self, address: Value, offset: u32) -> Value {
        let flags = alias::trusted(self.builder.func, alias::Region::Runtime);
        let address = self.builder.ins().iadd_imm_s(address, i64::from(offset));
        let (inst, dfg) = self.builder.ins().LoadNoOffset(Opcode::AtomicLoad, I64, flags, address);
        dfg.first_result(inst)
    }
}
