//! References between frames and everything else: what code does to the counts of objects, as the other compiler's does (see
//! `environ::heap` and the runtime's heap).
//!
//! - [`Codegen::read_barrier`]: a handle has come into the frame. The activations table must have it; usually
//!   the object's head says that it does.
//! - [`Codegen::write_barrier`]: a handle takes the place of another. Nothing happens if both are the same; else the new one is
//!   counted, then written, then the old one is released.
//!
//! Null has a head like everything else, so nobody asks for it.
//!
//! What rarely happens stands behind the function, and leaves all registers as they were: its builtins keep
//! them, but for those of their arguments. Handles it stores to where the stack has its slots, so that the
//! stack map of its call is that of any call.
//!
//! The order of stores is such that an interrupt between any two leaves a count too many at worst; and none is taken there.

use crate::codegen::{Codegen, VMCTX};
use crate::join::Join;
use crate::scratch::Scratch;
use crate::stub::{SlowKind, SlowPath};
use crate::value::{Ty, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::heap::{HANDLE_BYTES, VmObject, state};
use sconce_environ::layout::VmLayout;
use sconce_x64::abi::ARG_GPRS;
use sconce_x64::encode::{Addr, Alu, Cond, Label, Size};
use sconce_x64::register::Gpr;
use std::mem::offset_of;

/// Offset of an object's state.
const STATE: i32 = offset_of!(VmObject, state) as i32;
/// One reference.
const ONE: i32 = state::ONE as i32;
const IN_TABLE: i32 = state::IN_TABLE as i32;

impl Codegen<'_> {
    /// The handle in a register, zero-extended, has come into the frame: the activations table gets it, unless it has it.
    pub(crate) fn read_barrier(&mut self, handle: Gpr) {
        let checked = self.checked_offset();
        let (s, object) = self.object(handle, checked);
        s.e.test_imm(Size::S32, object.into(), IN_TABLE);
        drop(s);
        checked.into_iter().for_each(|r| self.free(r));
        let (slow, back) = self.slow_path(SlowKind::Insert(handle));
        self.e.jcc(Cond::E, slow);
        self.meet(back);
    }

    /// Writes a handle to a place in memory that cannot fault.
    pub(crate) fn write_barrier(&mut self, place: Addr, new: Value) {
        let is_null = new.imm() == Some(0);
        let value = if is_null { NONE_GPR } else { self.gpr(new) };
        // Nothing may be evicted behind the branch.
        let (old, checked) = (self.alloc_gpr(), self.checked_offset());
        self.e.load(Size::S32, old, place);
        if is_null {
            self.e.test(Size::S32, old, old);
        } else {
            self.e.alu(Alu::Cmp, Size::S32, old, value.into());
        }
        // All that the operator holds is free by then.
        for r in [old, value].into_iter().chain(checked) {
            self.free(r);
        }
        let (slow, done) = self.slow_path(SlowKind::Release(old));
        self.e.jcc(Cond::E, done.label());
        let from = self.e.offset();
        if is_null {
            self.e.store_imm(Size::S32, place, 0);
        } else {
            let (s, object) = self.object(value, checked);
            s.e.alu_imm(Alu::Add, Size::S64, object.into(), ONE);
            s.e.store(Size::S32, place, value);
        }
        let (s, object) = self.object(old, checked);
        s.e.alu_imm(Alu::Sub, Size::S64, object.into(), ONE);
        s.e.alu_imm(Alu::Cmp, Size::S64, object.into(), ONE);
        s.e.jcc(Cond::B, slow);
        drop(s);
        self.tables.uninterruptible(from, self.e.offset());
        self.meet(done);
    }

    /// The head of a handle's object, relative to the scratch register. Where the cage may be shorter than 4
    /// GiB, a handle beyond its end, which only a mistake of ours could make, becomes null.
    fn object(&mut self, handle: Gpr, checked: Option<Gpr>) -> (Scratch<'_>, Addr) {
        let s = self.scratch();
        s.e.load(Size::S64, s.r, Addr::new(VMCTX, VmLayout::STORE as i32));
        let addr = if let Some(offset) = checked {
            s.e.mov_imm(Size::S32, offset, 0);
            s.e.alu(Alu::Cmp, Size::S64, handle, Addr::new(s.r, VmLayout::CAGE_LENGTH as i32).into());
            s.e.cmov(Cond::B, Size::S64, offset, handle.into());
            s.e.load(Size::S64, s.r, Addr::new(s.r, VmLayout::CAGE_BASE as i32));
            s.e.alu(Alu::Add, Size::S64, s.r, offset.into());
            Addr::new(s.r, STATE)
        } else {
            s.e.load(Size::S64, s.r, Addr::new(s.r, VmLayout::CAGE_BASE as i32));
            Addr::indexed(s.r, handle, STATE)
        };
        (s, addr)
    }

    /// A register for what [`Codegen::object`] checks, if it does.
    fn checked_offset(&mut self) -> Option<Gpr> {
        (self.settings.bounds == BoundsStyle::Explicit).then(|| self.alloc_gpr())
    }

    /// A label behind the function, for which all that is in use now is noted, and one to be bound where it goes on.
    fn slow_path(&mut self, kind: SlowKind) -> (Label, Join) {
        let join = self.join();
        let back = join.label();
        let mut slow = SlowPath {
            kind,
            back,
            gprs: Vec::new(),
            caches: Vec::new(),
            mapped: self.stack.map_handles(&self.frame),
            handles: Vec::new(),
        };
        for r in Gpr::ALL {
            if !self.is_temporary(r) {
                continue;
            }
            if let Some(owner) = self.gprs.owner(r) {
                let (ty, at) = (self.stack[owner as usize].ty(), self.frame.use_slot(owner).disp());
                if ty == Ty::Handle || ARGUMENTS.contains(&r) {
                    slow.gprs.push((r, ty.size(), at));
                }
                if ty == Ty::Handle {
                    slow.handles.push(at);
                }
            } else if ARGUMENTS.contains(&r)
                && let Some(local) = self.gprs.local_in(r)
                && self.cached(local) == Some(r)
            {
                let local = self.locals[local as usize];
                slow.caches.push((r, local.ty.size(), local.home));
            }
        }
        let stub = self.stubs.add_slow_path(slow);
        (self.stub(stub), join)
    }

    /// Emits one, at its label.
    pub(crate) fn emit_slow_path(&mut self, number: u32) {
        let slow = self.stubs.take_slow_path(number);
        match slow.kind {
            SlowKind::Insert(handle) => {
                self.emit_insertion(handle, slow.back);
                self.emit_slow_call(&slow, Builtin::ActivationsInsert, handle);
                // Where it was an argument.
                self.e.mov(Size::S32, handle, Gpr::Rsi);
                self.emit_reload(&slow, handle);
            }
            SlowKind::Release(old) => {
                let from = self.e.offset();
                self.emit_slow_call(&slow, Builtin::ReleaseLast, old);
                self.tables.uninterruptible(from, self.e.offset());
                self.emit_reload(&slow, NONE_GPR);
            }
        }
        self.e.jmp(slow.back);
    }

    /// Puts a handle's object into the activations table and goes on, if there is room.
    fn emit_insertion(&mut self, handle: Gpr, back: Label) {
        let mut others = [Gpr::Rax, Gpr::Rcx, Gpr::Rdx].into_iter().filter(|&r| r != handle);
        let (store, object) = (others.next().expect("one of three"), others.next().expect("the second"));
        let field = |offset: u32| Addr::new(store, offset as i32);
        let guard = self.settings.bounds == BoundsStyle::Guard;
        let s = self.scratch();
        s.e.push(store);
        s.e.push(object);
        s.e.load(Size::S64, store, Addr::new(VMCTX, VmLayout::STORE as i32));
        s.e.load(Size::S64, s.r, field(VmLayout::ACTIVATIONS_NEXT));
        s.e.alu(Alu::Cmp, Size::S64, s.r, field(VmLayout::ACTIVATIONS_END).into());
        let full = s.e.skip_if(Cond::E);
        let from = s.e.offset();
        if guard {
            s.e.mov(Size::S64, object, handle);
        } else {
            s.e.mov_imm(Size::S32, object, 0);
            s.e.alu(Alu::Cmp, Size::S64, handle, field(VmLayout::CAGE_LENGTH).into());
            s.e.cmov(Cond::B, Size::S64, object, handle.into());
        }
        s.e.alu(Alu::Add, Size::S64, object, field(VmLayout::CAGE_BASE).into());
        s.e.alu_imm(Alu::Add, Size::S64, Addr::new(object, STATE).into(), ONE | IN_TABLE);
        s.e.store(Size::S32, Addr::new(s.r, 0), handle);
        s.e.alu_imm(Alu::Add, Size::S64, field(VmLayout::ACTIVATIONS_NEXT).into(), HANDLE_BYTES as i32);
        let to = s.e.offset();
        s.e.pop(object);
        s.e.pop(store);
        s.e.jmp(back);
        s.e.land(full);
        s.e.pop(object);
        s.e.pop(store);
        drop(s);
        self.tables.uninterruptible(from, to);
    }

    /// Stores handles and what is where arguments go, and calls a builtin with a handle.
    fn emit_slow_call(&mut self, slow: &SlowPath, builtin: Builtin, handle: Gpr) {
        for &(r, size, at) in &slow.gprs {
            self.e.store(size, Addr::new(Gpr::Rbp, at), r);
        }
        self.e.mov(Size::S32, Gpr::Rsi, handle);
        self.e.mov(Size::S64, Gpr::Rdi, VMCTX);
        self.call_builtin(builtin);
        self.stack.map_slow_call(slow.mapped, &slow.handles, &mut self.tables.stack_maps, self.e.offset());
    }

    /// Loads what was where arguments went, but for one register.
    fn emit_reload(&mut self, slow: &SlowPath, but: Gpr) {
        let all = slow.gprs.iter().chain(&slow.caches);
        for &(r, size, at) in all.filter(|s| ARGUMENTS.contains(&s.0) && s.0 != but) {
            self.e.load(size, r, Addr::new(Gpr::Rbp, at));
        }
    }
}

/// What the builtins do not keep: they are called with a context and a handle.
const ARGUMENTS: [Gpr; 2] = [ARG_GPRS[0], ARG_GPRS[1]];

/// No register that operators use.
const NONE_GPR: Gpr = Gpr::Rsp;
