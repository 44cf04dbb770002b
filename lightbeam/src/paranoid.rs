//! Paranoid style: code that looks whether what it relies on holds, and traps with [`TrapCode::BrokenInvariant`] if not.
//!
//! - A callee looks at the type that its caller wanted, and at its VM context: whatever a caller is, it says
//!   in the store's context what type it takes the callee to have ([`VmLayout::WANTED_TYPE`]), and the entry
//!   from the host says that any will do.
//! - An i32 or a handle that an operator gives is zero-extended; a handle leads to an object.
//! - A local that has a register besides its home has the same value in both, where the code says so.
//! - rsp is where the prologue left it when the function returns, and what the prologue wrote there is whole.
//! - The VM context's register is of no use in a function that was said to need no context; calls, vectors
//!   and loops are as the first walk said (those are assertions, since the compiler itself can see them).
//! - A scratch register is overwritten when its loan ends (`scratch`).

use crate::codegen::{Codegen, VMCTX};
use crate::local::{Local, UNPINNED};
use crate::value::Ty;
use sconce_environ::heap::{ObjectKind, VmObject};
use sconce_environ::index::TypeIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{ANY_TYPE, VM_CONTEXT_MAGIC, VmContext};
use sconce_x64::encode::{Addr, Alu, Cond, Extend, Label, Rm, Shift, Size};
use sconce_x64::register::{Gpr, Xmm};
use std::mem::offset_of;

/// What the context's register has where no context was asked for: an address that nothing is at.
const NO_CONTEXT: i64 = 0x0bad_0bad_0000_0000;

impl Codegen<'_> {
    fn broken(&mut self) -> Label {
        self.trap_label(TrapCode::BrokenInvariant)
    }

    /// The function's beginning, when its frame has been made; argument registers are as they were.
    pub(crate) fn check_entry(&mut self, ty: TypeIndex, context: bool) {
        let broken = self.broken();
        let mut accepted = Vec::new();
        let mut next = Some(ty);
        while let Some(ty) = next {
            accepted.push(self.layout.type_id(ty) as i32);
            next = self.module.types[ty].supertype;
        }
        let home = self.frame.stack_pointer();
        let s = self.scratch();
        if let Some(home) = home {
            s.e.store(Size::S64, home, Gpr::Rsp);
        }
        let magic = Addr::new(Gpr::Rdi, offset_of!(VmContext, magic) as i32);
        s.e.alu_imm(Alu::Cmp, Size::S32, magic.into(), VM_CONTEXT_MAGIC.cast_signed());
        s.e.jcc(Cond::Ne, broken);
        let good = s.e.label();
        s.e.load(Size::S64, s.r, Addr::new(Gpr::Rdi, VmLayout::STORE as i32));
        s.e.load(Size::S32, s.r, Addr::new(s.r, VmLayout::WANTED_TYPE as i32));
        s.e.alu_imm(Alu::Cmp, Size::S32, s.r.into(), ANY_TYPE.cast_signed());
        s.e.jcc(Cond::E, good);
        for id in accepted {
            s.e.alu(Alu::Cmp, Size::S32, s.r, Addr::new(Gpr::Rdi, id).into());
            s.e.jcc(Cond::E, good);
        }
        s.e.jmp(broken);
        s.e.bind(good);
        if !context {
            s.e.mov_imm(Size::S64, VMCTX, NO_CONTEXT);
        }
    }

    /// Says which type the callee is taken to have. Arguments are in their places; r10 and the scratch
    /// register are none of theirs.
    pub(crate) fn want_type(&mut self, ty: TypeIndex) {
        if !self.settings.paranoid {
            return;
        }
        let id = self.layout.type_id(ty) as i32;
        let s = self.scratch();
        s.e.load(Size::S32, s.r, Addr::new(VMCTX, id));
        s.e.load(Size::S64, Gpr::R10, Addr::new(VMCTX, VmLayout::STORE as i32));
        s.e.store(Size::S32, Addr::new(Gpr::R10, VmLayout::WANTED_TYPE as i32), s.r);
    }

    /// What an operator gives, in a register. Flags are nobody's at this place.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_result(&mut self, ty: Ty, r: Gpr) {
        if !matches!(ty, Ty::I32 | Ty::Handle) {
            return;
        }
        let is_handle = ty == Ty::Handle && self.summary.context;
        let broken = self.broken();
        let s = self.scratch();
        s.e.mov(Size::S64, s.r, r);
        s.e.shift_imm(Shift::Shr, Size::S64, s.r.into(), 32);
        s.e.jcc(Cond::Ne, broken);
        if is_handle {
            s.e.load(Size::S64, s.r, Addr::new(VMCTX, VmLayout::STORE as i32));
            s.e.alu(Alu::Cmp, Size::S64, r, Addr::new(s.r, VmLayout::CAGE_LENGTH as i32).into());
            s.e.jcc(Cond::Ae, broken);
            s.e.load(Size::S64, s.r, Addr::new(s.r, VmLayout::CAGE_BASE as i32));
            let kind = Addr::indexed(s.r, r, offset_of!(VmObject, kind) as i32);
            s.e.extend(Extend::Zero8, Size::S32, s.r, Rm::Mem(kind));
            // What is free is no object.
            s.e.alu_imm(Alu::Sub, Size::S32, s.r.into(), 1);
            s.e.alu_imm(Alu::Cmp, Size::S32, s.r.into(), ObjectKind::Null as i32 - 1);
            s.e.jcc(Cond::A, broken);
        }
    }

    /// A local is read: the register that it is said to be in besides its home has what the home has.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_local(&mut self, n: u32) {
        let Local { ty, home, pin, .. } = self.locals[n as usize];
        let register = if pin == UNPINNED {
            if ty.is_int() { self.cached::<Gpr>(n).map(|r| r as u8) } else { self.cached::<Xmm>(n).map(|x| x.0) }
        } else {
            // A loop's own, unless the loop writes it.
            self.loops.pinned().iter().any(|p| p.local == n && !p.written).then_some(pin)
        };
        let Some(register) = register else { return };
        let broken = self.broken();
        let size = if ty == Ty::V128 { Size::S64 } else { ty.size() };
        let s = self.scratch();
        let r = if ty.is_int() {
            Gpr::ALL[register as usize & 15]
        } else {
            s.e.xmm_to_int(size, s.r.into(), Xmm(register));
            s.r
        };
        s.e.alu(Alu::Cmp, size, r, Addr::new(Gpr::Rbp, home).into());
        s.e.jcc(Cond::Ne, broken);
    }

    /// The function returns: its frame is as it was.
    pub(crate) fn check_frame(&mut self) {
        let Some(home) = self.frame.stack_pointer() else { return };
        let broken = self.broken();
        self.e.alu(Alu::Cmp, Size::S64, Gpr::Rsp, home.into());
        self.e.jcc(Cond::Ne, broken);
    }

    /// What the first walk said, where the second one relies on it.
    ///
    /// # Panics
    /// If it does not hold: a mistake of the compiler's.
    #[inline(always)]
    pub(crate) fn check_summary(&self, holds: bool, what: &str) {
        assert!(!self.is_checked() || holds, "the first walk has seen no {what}");
    }
}
