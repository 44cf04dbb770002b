//! Atomic accesses: sequentially consistent, and a trap where the address is not a multiple of the size.
//!
//! The address is checked for alignment before it is checked to be inside: the same trap comes first in every bounds style.
//! The processor's loads are strong enough as they are; stores are exchanges.

use crate::address::Access;
use crate::codegen::Codegen;
use crate::int;
use crate::scratch::Scratch;
use crate::value::{Ty, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::ops::*;
use sconce_environ::trap::TrapCode;
use sconce_x64::encode::{Addr, Alu, Cond, Extend, Locked, Size, Unary};
use sconce_x64::register::Gpr;

pub(crate) fn atomic_load(c: &mut Codegen<'_>, access: AtomicAccess, arg: MemArg) {
    c.check_alignment(access.size(), arg);
    let at = c.address(arg, access.size());
    c.accessed(at);
    let r = c.alloc_gpr();
    let (mut s, from) = c.at(at);
    s.load_narrow(access.size(), r, from);
    drop(s);
    c.push_gpr(int::ty(access.width()), r);
}

pub(crate) fn atomic_store(c: &mut Codegen<'_>, access: AtomicAccess, arg: MemArg) {
    let value = c.pop();
    let r = c.own_gpr(value);
    c.check_alignment(access.size(), arg);
    let at = c.address(arg, access.size());
    c.locked(Locked::Xchg, access.size(), at, r);
    c.free(r);
}

pub(crate) fn atomic_rmw(c: &mut Codegen<'_>, access: AtomicAccess, op: AtomicRmw, arg: MemArg) {
    let size = access.size();
    let operand = c.pop();
    let alu = match op {
        AtomicRmw::Add | AtomicRmw::Sub | AtomicRmw::Xchg => {
            let r = c.own_gpr(operand);
            if op == AtomicRmw::Sub {
                c.e.unary(Unary::Neg, Size::S64, r.into());
            }
            c.check_alignment(size, arg);
            let at = c.address(arg, size);
            c.locked(if op == AtomicRmw::Xchg { Locked::Xchg } else { Locked::Xadd }, size, at, r);
            return c.push_before(access, r);
        }
        AtomicRmw::And => Alu::And,
        AtomicRmw::Or => Alu::Or,
        AtomicRmw::Xor => Alu::Xor,
    };
    let operand = c.out_of_rax(operand);
    c.acquire(Gpr::Rax);
    let r = c.gpr(operand);
    c.check_alignment(size, arg);
    let at = c.address(arg, size);
    let new = c.alloc_gpr();
    let (mut s, place) = c.at(at);
    s.load_narrow(size, Gpr::Rax, place);
    let again = s.e.here();
    s.e.mov(Size::S64, new, Gpr::Rax);
    s.e.alu(alu, Size::S64, new, r.into());
    s.may_trap(TrapCode::MemoryOutOfBounds);
    s.e.locked(Locked::Cmpxchg, size, place, new);
    s.e.jcc(Cond::Ne, again);
    drop(s);
    c.free(new);
    c.accessed(at);
    c.free(r);
    c.push_before(access, Gpr::Rax);
}

pub(crate) fn atomic_cmpxchg(c: &mut Codegen<'_>, access: AtomicAccess, arg: MemArg) {
    let size = access.size();
    let replacement = c.pop();
    let expected = c.pop();
    let replacement = c.out_of_rax(replacement);
    if let Value::Gpr(_, Gpr::Rax) = expected {
        c.forget(Gpr::Rax);
    } else {
        c.acquire(Gpr::Rax);
        c.load_gpr(Gpr::Rax, expected);
        c.release(expected);
    }
    let r = c.gpr(replacement);
    c.check_alignment(size, arg);
    let at = c.address(arg, size);
    c.locked(Locked::Cmpxchg, size, at, r);
    c.free(r);
    c.push_before(access, Gpr::Rax);
}

pub(crate) fn atomic_wait(c: &mut Codegen<'_>, width: IntWidth, arg: MemArg) {
    let builtin = match width {
        IntWidth::W32 => Builtin::AtomicWait32,
        IntWidth::W64 => Builtin::AtomicWait64,
    };
    let timeout = c.pop();
    let expected = c.pop();
    c.wait_or_notify(builtin, arg, &[expected, timeout]);
}

pub(crate) fn atomic_notify(c: &mut Codegen<'_>, arg: MemArg) {
    let count = c.pop();
    c.wait_or_notify(Builtin::AtomicNotify, arg, &[count]);
}

pub(crate) fn atomic_fence(c: &mut Codegen<'_>) {
    c.e.mfence();
}

impl Scratch<'_> {
    /// The atomic load of so many bytes, zero-extended.
    fn load_narrow(&mut self, size: u32, r: Gpr, from: Addr) {
        self.may_trap(TrapCode::MemoryOutOfBounds);
        match size {
            1 => self.e.extend(Extend::Zero8, Size::S32, r, from.into()),
            2 => self.e.extend(Extend::Zero16, Size::S32, r, from.into()),
            4 => self.e.load(Size::S32, r, from),
            _ => self.e.load(Size::S64, r, from),
        }
    }
}

impl Codegen<'_> {
    /// A locked instruction, and the end of the access.
    fn locked(&mut self, op: Locked, size: u32, access: Access, r: Gpr) {
        let (mut s, place) = self.at(access);
        s.may_trap(TrapCode::MemoryOutOfBounds);
        s.e.locked(op, size, place, r);
        drop(s);
        self.accessed(access);
    }

    /// Traps unless the address that the topmost value makes with the offset is a multiple of the size.
    fn check_alignment(&mut self, size: u32, arg: MemArg) {
        if size == 1 {
            return;
        }
        let mask = size - 1;
        // Only the low bits count: it does not matter where the sum wraps.
        let low = arg.offset as u32 & mask;
        let index = self.pop();
        let unaligned = self.trap_label(TrapCode::UnalignedAtomic);
        match self.bits(index) {
            None if low == 0 => {
                let rm = self.rm(index);
                self.e.test_imm(Size::S32, rm, mask.cast_signed());
            }
            _ => {
                let s = self.scratch_with(index);
                s.e.alu_imm(Alu::Add, Size::S32, s.r.into(), low.cast_signed());
                s.e.test_imm(Size::S32, s.r.into(), mask.cast_signed());
            }
        }
        self.e.jcc(Cond::Ne, unaligned);
        self.push(index);
    }

    /// Pushes what was in memory; of narrow accesses, the rest of the register is something else.
    fn push_before(&mut self, access: AtomicAccess, r: Gpr) {
        match access.size() {
            1 => self.e.extend(Extend::Zero8, Size::S32, r, r.into()),
            2 => self.e.extend(Extend::Zero16, Size::S32, r, r.into()),
            4 => self.e.mov(Size::S32, r, r),
            _ => {}
        }
        self.push_gpr(int::ty(access.width()), r);
    }

    /// The builtin adds and checks index and offset. `rest` was popped.
    fn wait_or_notify(&mut self, builtin: Builtin, arg: MemArg, rest: &[Value]) {
        let rest: Vec<Value> = rest.iter().map(|&value| self.movable(value)).collect();
        self.push_const(Ty::I64, arg.offset.into());
        for &value in &rest {
            self.push(value);
        }
        self.builtin(builtin, &[arg.memory.as_u32()], 2 + rest.len(), Some(Ty::I32));
    }

    /// A popped value that may be pushed at another position: a slot's is loaded.
    fn movable(&mut self, value: Value) -> Value {
        match value {
            Value::Slot(ty, _) => Value::Gpr(ty, self.gpr(value)),
            other => other,
        }
    }
}
