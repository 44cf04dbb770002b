//! Paranoid style: code that looks whether what it relies on holds, and traps with
//! [`TrapCode::BrokenInvariant`] if not. As the other compiler's: callers say which type they take their
//! callee to have, callees look; a handle that comes into the frame leads to an object.

use crate::alias::{self, Region};
use crate::env::displacement;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Value};
use sconce_environ::heap::{ObjectKind, VmObject};
use sconce_environ::index::TypeIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{ANY_TYPE, VM_CONTEXT_MAGIC, VmContext};
use std::mem::offset_of;

impl Translator<'_> {
    /// The function's beginning: its context is one of an instance, and its caller wanted its type or a supertype.
    pub(crate) fn check_entry(&mut self, ty: TypeIndex) {
        let vmctx = self.env.vmctx;
        let magic = self.load_trusted(I32, Region::Runtime, vmctx, offset_of!(VmContext, magic) as u32);
        let good = self.builder.ins().icmp_imm_u(IntCC::Equal, magic, i64::from(VM_CONTEXT_MAGIC));
        self.trap_unless(good);
        let store = self.load_trusted(I64, Region::Runtime, vmctx, VmLayout::STORE);
        let wanted = self.load_trusted(I32, Region::Runtime, store, VmLayout::WANTED_TYPE);
        let mut accepted = self.builder.ins().icmp_imm_u(IntCC::Equal, wanted, i64::from(ANY_TYPE));
        let mut next = Some(ty);
        while let Some(ty) = next {
            let id = self.load_trusted(I32, Region::Runtime, vmctx, self.env.layout.type_id(ty));
            let same = self.builder.ins().icmp(IntCC::Equal, wanted, id);
            accepted = self.builder.ins().bor(accepted, same);
            next = self.env.module.types[ty].supertype;
        }
        self.trap_unless(accepted);
    }

    /// Says which type the callee is taken to have.
    pub(crate) fn want_type(&mut self, ty: TypeIndex) {
        if self.env.settings.paranoid {
            let id = self.load_trusted(I32, Region::Runtime, self.env.vmctx, self.env.layout.type_id(ty));
            let store = self.load_trusted(I64, Region::Runtime, self.env.vmctx, VmLayout::STORE);
            self.store_trusted(Region::Runtime, id, store, VmLayout::WANTED_TYPE);
        }
    }

    /// A handle that comes into the frame.
    pub(crate) fn check_handle(&mut self, handle: Value) {
        if !self.env.settings.paranoid {
            return;
        }
        let store = self.load_trusted(I64, Region::Runtime, self.env.vmctx, VmLayout::STORE);
        let length = self.load_trusted(I64, Region::Runtime, store, VmLayout::CAGE_LENGTH);
        let base = self.load_trusted(I64, Region::Runtime, store, VmLayout::CAGE_BASE);
        let wide = self.builder.ins().uextend(I64, handle);
        let inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, wide, length);
        self.trap_unless(inside);
        let object = self.builder.ins().iadd(base, wide);
        let flags = alias::trusted(self.builder.func, Region::Objects);
        let kind = self.load_with(Opcode::Load, I8, flags, object, displacement(offset_of!(VmObject, kind) as u32));
        // What is free is no object.
        let kind = self.builder.ins().iadd_imm_s(kind, -1);
        let known = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, kind, ObjectKind::Null as i64);
        self.trap_unless(known);
    }

    fn trap_unless(&mut self, condition: Value) {
        self.builder.ins().trapz(condition, alias::trap_code(TrapCode::BrokenInvariant));
    }
}
