//! Locals and globals.

use crate::codegen::{Codegen, VMCTX};
use crate::local::UNPINNED;
use crate::operands::load_xmm_mem;
use crate::registers::Bank;
use crate::scratch::Scratch;
use crate::value::{Ty, Value};
use sconce_environ::index::*;
use sconce_environ::layout::Place;
use sconce_x64::encode::{Addr, Size};
use sconce_x64::register::{Gpr, Xmm};

#[inline]
pub(crate) fn local_get(c: &mut Codegen<'_>, local: LocalIndex) {
    let n = c.summary.locals.number(local.as_u32());
    if c.settings.paranoid {
        c.check_local(n);
    }
    c.push(Value::Local(c.locals[n as usize].ty, n));
}

#[inline]
pub(crate) fn local_set(c: &mut Codegen<'_>, local: LocalIndex) {
    let n = c.summary.locals.number(local.as_u32());
    let value = c.pop();
    c.set_local(n, value);
    c.release(value);
}

#[inline]
pub(crate) fn local_tee(c: &mut Codegen<'_>, local: LocalIndex) {
    let n = c.summary.locals.number(local.as_u32());
    let value = c.pop();
    c.set_local(n, value);
    match value {
        // The register goes on being the value.
        Value::Gpr(_, r) if c.is_temporary(r) => c.push(value),
        Value::Xmm(_, x) if c.is_temporary(x) => c.push(value),
        Value::Const(..) | Value::Pool(..) => c.push(value),
        _ => c.push(Value::Local(value.ty(), n)),
    }
}

pub(crate) fn global_get(c: &mut Codegen<'_>, global: GlobalIndex) {
    let ty = Ty::of(c.module.globals[global].content);
    if ty == Ty::Handle && c.module.globals[global].mutable {
        // What an immutable one holds lives as long as the store.
        let r = c.alloc_gpr();
        let (s, from) = c.place(c.layout.global(global));
        s.e.load(Size::S32, r, from);
        drop(s);
        c.read_barrier(r);
        c.push_gpr(ty, r);
    } else if ty.is_int() {
        let r = c.alloc_gpr();
        let (s, from) = c.place(c.layout.global(global));
        s.e.load(ty.size(), r, from);
        drop(s);
        c.push_gpr(ty, r);
    } else {
        let x = c.alloc_xmm();
        let (s, from) = c.place(c.layout.global(global));
        load_xmm_mem(s.e, ty, x, from);
        drop(s);
        c.push_xmm(ty, x);
    }
}

pub(crate) fn global_set(c: &mut Codegen<'_>, global: GlobalIndex) {
    let value = c.pop();
    let is_handle = Ty::of(c.module.globals[global].content) == Ty::Handle;
    match c.layout.global(global) {
        // It gives the value's register back.
        Place::Inline(at) if is_handle => return c.write_barrier(Addr::new(VMCTX, at as i32), value),
        Place::Pointer(at) if is_handle => {
            let pointer = c.alloc_gpr();
            c.e.load(Size::S64, pointer, Addr::new(VMCTX, at as i32));
            c.write_barrier(Addr::new(pointer, 0), value);
            return c.free(pointer);
        }
        Place::Inline(at) => c.store_value(Addr::new(VMCTX, at as i32), value),
        Place::Pointer(at) => {
            let pointer = c.alloc_gpr();
            c.e.load(Size::S64, pointer, Addr::new(VMCTX, at as i32));
            c.store_value(Addr::new(pointer, 0), value);
            c.free(pointer);
        }
    }
    c.release(value);
}

impl Codegen<'_> {
    /// Where something is, in the VM context or behind a pointer there; the scratch register may be in the address.
    pub(crate) fn place(&mut self, place: Place) -> (Scratch<'_>, Addr) {
        let s = self.scratch();
        match place {
            Place::Inline(at) => (s, Addr::new(VMCTX, at as i32)),
            Place::Pointer(at) => {
                s.e.load(Size::S64, s.r, Addr::new(VMCTX, at as i32));
                let addr = Addr::new(s.r, 0);
                (s, addr)
            }
        }
    }

    /// Sets a local; the popped value keeps its register.
    #[inline]
    fn set_local(&mut self, n: u32, value: Value) {
        if matches!(value, Value::Local(_, m) if m == n) {
            return;
        }
        self.save_aliases(n);
        let local = self.locals[n as usize];
        if local.pin != UNPINNED {
            if local.ty.is_int() {
                self.load_gpr(Gpr::ALL[local.pin as usize & 15], value);
            } else {
                self.load_xmm(Xmm(local.pin), value);
            }
            return;
        }
        self.forget_local(n);
        self.store_value(Addr::new(Gpr::Rbp, local.home), value);
        match value {
            Value::Gpr(_, r) => self.cache(n, r),
            Value::Xmm(_, x) => self.cache(n, x),
            _ => {}
        }
    }

    /// Entries that mean the local's present value get a copy of it.
    #[inline]
    fn save_aliases(&mut self, n: u32) {
        for at in self.stack.settled()..self.stack.len() {
            let Value::Local(ty, m) = self.stack[at] else { continue };
            if m != n {
                continue;
            }
            // A free register, if there is one; nothing is evicted for this.
            let is_saved = match ty {
                Ty::I32 | Ty::I64 => self.save_alias::<Gpr>(at),
                Ty::F32 | Ty::F64 | Ty::V128 => self.save_alias::<Xmm>(at),
                Ty::Handle => false,
            };
            if !is_saved {
                self.spill(at);
            }
        }
    }

    /// Gives an entry a register of its own, if one is free.
    fn save_alias<R: Bank>(&mut self, at: usize) -> bool {
        let value = self.stack[at];
        let Some(r) = R::file_mut(self).take() else { return false };
        r.load(self, value);
        R::file_mut(self).belongs_to(r, at as u32);
        self.stack.moved(at, r.value(value.ty()));
        true
    }
}
