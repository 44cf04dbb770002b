//! The address of an access to a linear memory.
//!
//! Guard style: a 32-bit memory has 4 GiB and a guard reserved, so `base + index + offset` with a zero-extended index and an
//! offset below [`MAX_GUARDED_OFFSET`] is inside the reservation, and what lies outside the memory faults there. Everything else
//! (explicit style, large offsets, 64-bit memories, small pages) compares with the length first, in 64 bits and without
//! wrapping. Nothing is folded into an address but the instruction's own offset: a sum that the program computed wraps at 2^32,
//! and an address does not.

use crate::codegen::{Codegen, VMCTX};
use crate::scratch::Scratch;
use crate::value::{Ty, Value};
use sconce_environ::index::{DataIndex, MemoryIndex};
use sconce_environ::layout::Place;
use sconce_environ::ops::MemArg;
use sconce_environ::space::{MAX_GUARDED_ACCESS, MAX_GUARDED_OFFSET};
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::VmMemory;
use sconce_x64::encode::{Addr, Alu, Cond, Encoder, Size};
use sconce_x64::register::Gpr;
use std::mem::offset_of;

/// Where to access: relative to a memory's base.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Access {
    memory: MemoryIndex,
    /// The register with the index, to be given back when the address is not needed any more.
    index: Option<Gpr>,
    disp: i32,
}

impl Codegen<'_> {
    /// Pops the index of an access to `size` bytes, and checks it where the guard does not. What else the
    /// access needs is made ready before [`Codegen::at`].
    #[inline]
    pub(crate) fn address(&mut self, arg: MemArg, size: u32) -> Access {
        let index = self.pop();
        if self.is_guarded(arg.memory, arg.offset) {
            debug_assert!(u64::from(size) <= MAX_GUARDED_ACCESS, "the access stays inside the guard");
            let disp = arg.offset as i32;
            // With a sum that is not below 2^31, a constant takes a register.
            if let Value::Const(_, bits) = index
                && let Some(disp) = disp.checked_add_unsigned(bits)
                // An access in pieces has larger ones.
                && disp.checked_add_unsigned(size).is_some()
            {
                return Access { memory: arg.memory, index: None, disp };
            }
            let r = self.gpr(index);
            return Access { memory: arg.memory, index: Some(r), disp };
        }
        self.checked(arg, index, size)
    }

    /// Gives back what the address held.
    #[inline(always)]
    pub(crate) fn accessed(&mut self, access: Access) {
        if let Some(r) = access.index {
            self.free(r);
        }
    }

    /// Whether the guard catches every access at this offset that is not inside the memory.
    #[inline(always)]
    pub(crate) fn is_guarded(&self, memory: MemoryIndex, offset: u64) -> bool {
        self.settings.bounds.guards(&self.module.memories[memory]) && offset < MAX_GUARDED_OFFSET
    }

    /// The address of an access. The memory's base is in its own register, or in the scratch register.
    #[inline(always)]
    pub(crate) fn at(&mut self, access: Access) -> (Scratch<'_>, Addr) {
        let Access { memory, index, disp } = access;
        let base = self.memory_base.filter(|_| memory.as_u32() == 0);
        let place = self.layout.memory(memory);
        let s = self.scratch();
        let base = base.unwrap_or_else(|| {
            load_memory_base(s.e, s.r, VMCTX, place);
            s.r
        });
        let addr = match index {
            Some(r) => Addr::indexed(base, r, disp),
            None => Addr::new(base, disp),
        };
        (s, addr)
    }

    /// Pops an index, and checks that it is inside or at the end, which is what an operation on no bytes asks for.
    pub(crate) fn check_empty(&mut self, memory: MemoryIndex) {
        let outside = self.trap_label(TrapCode::MemoryOutOfBounds);
        let index = self.pop();
        let r = self.gpr(index);
        let temporary = self.alloc_gpr();
        let length = self.length_of(memory, temporary);
        self.e.alu(Alu::Cmp, Size::S64, r, length.into());
        self.e.jcc(Cond::A, outside);
        self.free(temporary);
        self.free(r);
    }

    /// Pops an index into a data segment, and gives the address of `size` bytes from there on, in a register to be given back.
    pub(crate) fn data_address(&mut self, data: DataIndex, size: u32) -> Gpr {
        let outside = self.trap_label(TrapCode::MemoryOutOfBounds);
        let index = self.pop();
        let r = self.own_gpr(index);
        let seen = Addr::new(VMCTX, self.layout.data(data) as i32);
        let masks = self.settings.spectre_mitigations;
        let s = self.scratch();
        // Of a 32-bit index, so that nothing wraps.
        s.e.lea(Size::S64, s.r, Addr::new(r, size.cast_signed()));
        s.e.alu(Alu::Cmp, Size::S64, s.r, seen.plus(offset_of!(VmMemory, length) as i32).into());
        s.e.jcc(Cond::A, outside);
        // The address as a whole, not the index: what stands at the segment's base is the host's, too.
        s.e.load(Size::S64, s.r, seen.plus(offset_of!(VmMemory, base) as i32));
        s.e.lea(Size::S64, r, Addr::indexed(r, s.r, 0));
        if masks {
            s.e.mov_imm(Size::S32, s.r, 0);
            s.e.cmov(Cond::A, Size::S64, r, s.r.into());
        }
        r
    }

    /// The memory's length, as an operand; `held` is a register for a pointer on the way.
    fn length_of(&mut self, memory: MemoryIndex, held: Gpr) -> Addr {
        let offset = offset_of!(VmMemory, length) as i32;
        match self.layout.memory(memory) {
            Place::Inline(at) => Addr::new(VMCTX, at as i32 + offset),
            Place::Pointer(at) => {
                self.e.load(Size::S64, held, Addr::new(VMCTX, at as i32));
                Addr::new(held, offset)
            }
        }
    }

    #[inline(never)]
    fn checked(&mut self, arg: MemArg, index: Value, size: u32) -> Access {
        let ty = self.module.memories[arg.memory];
        let outside = self.trap_label(TrapCode::MemoryOutOfBounds);
        let r = self.own_gpr(index);
        let Some(end) = arg.offset.checked_add(size.into()).filter(|&end| end <= ty.max_bytes()) else {
            // Whatever the index is. What follows is never reached, and need not know.
            self.e.jmp(outside);
            return Access { memory: arg.memory, index: Some(r), disp: 0 };
        };
        let temporary = self.alloc_gpr();
        let masks = self.settings.spectre_mitigations;
        if ty.memory64 {
            // Neither the sum nor the difference can be relied on. Where the memory is too short for any index, only index 0
            // goes on, speculatively.
            let length = self.length_of(arg.memory, temporary);
            let s = self.scratch();
            s.e.load(Size::S64, s.r, length);
            match i32::try_from(end) {
                Ok(end) => s.e.alu_imm(Alu::Sub, Size::S64, s.r.into(), end),
                Err(_) => {
                    s.e.mov_imm(Size::S64, temporary, end.cast_signed());
                    s.e.alu(Alu::Sub, Size::S64, s.r, temporary.into());
                }
            }
            s.e.jcc(Cond::B, outside);
            if masks {
                s.e.mov_imm(Size::S32, temporary, 0);
                s.e.cmov(Cond::B, Size::S64, s.r, temporary.into());
            }
            s.e.alu(Alu::Cmp, Size::S64, r, s.r.into());
        } else {
            let length = self.length_of(arg.memory, temporary);
            let s = self.scratch();
            match i32::try_from(end) {
                Ok(end) => s.e.lea(Size::S64, s.r, Addr::new(r, end)),
                Err(_) => {
                    s.e.mov_imm(Size::S64, s.r, end.cast_signed());
                    s.e.alu(Alu::Add, Size::S64, s.r, r.into());
                }
            }
            s.e.alu(Alu::Cmp, Size::S64, s.r, length.into());
        }
        self.e.jcc(Cond::A, outside);
        // A misspeculated access reads the memory's first bytes. (None of these changes flags.)
        match i32::try_from(arg.offset) {
            Ok(0) => {}
            Ok(disp) => self.e.lea(Size::S64, r, Addr::new(r, disp)),
            Err(_) => {
                let s = self.scratch();
                s.e.mov_imm(Size::S64, s.r, arg.offset.cast_signed());
                s.e.lea(Size::S64, r, Addr::indexed(r, s.r, 0));
            }
        }
        self.zero_if(Cond::A, r, temporary);
        self.free(temporary);
        Access { memory: arg.memory, index: Some(r), disp: 0 }
    }

    /// Behind a check that jumps away under a condition: makes a register zero under the same one, where the jump was predicted
    /// wrong. Flags stay.
    #[inline(always)]
    pub(crate) fn zero_if(&mut self, cond: Cond, r: Gpr, zero: Gpr) {
        if self.settings.spectre_mitigations {
            self.e.mov_imm(Size::S32, zero, 0);
            self.e.cmov(cond, Size::S64, r, zero.into());
        }
    }

    /// An index of a memory or table as 64 bits in a register: what is below that is zero-extended already.
    pub(crate) fn index_ty(is_64: bool) -> Ty {
        if is_64 { Ty::I64 } else { Ty::I32 }
    }
}

/// Loads a memory's base through this VM context.
pub(crate) fn load_memory_base(e: &mut Encoder, dst: Gpr, vmctx: Gpr, place: Place) {
    let offset = offset_of!(VmMemory, base) as i32;
    match place {
        Place::Inline(at) => e.load(Size::S64, dst, Addr::new(vmctx, at as i32 + offset)),
        Place::Pointer(at) => {
            e.load(Size::S64, dst, Addr::new(vmctx, at as i32));
            e.load(Size::S64, dst, Addr::new(dst, offset));
        }
    }
}
