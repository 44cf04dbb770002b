//! Calls.
//!
//! Every callee has its VM context as first argument; one whose results do not fit into registers has a buffer's address as
//! second. Stack arguments, and the buffer above them, are below the frame for as long as the call takes; the callee pops its
//! arguments.
//!
//! A tail call passes on the caller's own buffer. Its stack arguments are made below the frame as well and then moved to where
//! the caller's own were, up to the return address's new place. From the restoring of registers to the jump the frame is partly
//! gone, and no interrupt may come.

use crate::codegen::{Codegen, VMCTX};
use crate::copies::{Direction, MOVED_SINGLY};
use crate::frame::PROBE_BYTES;
use crate::registers::Bank;
use crate::stub::StubKind;
use crate::value::{Flag, Ty, Value};
use sconce_environ::abi::{VALUE_SIZE, in_registers, results_in_buffer, returns_reference};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::{CallStyle, RelocTarget};
use sconce_environ::index::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{FuncType, HeapType};
use sconce_environ::vm::{NO_TYPE, VmFuncImport, VmFuncRef, VmHostContext, VmTableEntry};
use sconce_x64::abi::{ARG_GPRS, Arguments, Class, FRAME_LINK_BYTES, Location, RESULT_GPRS};
use sconce_x64::encode::{Addr, Alu, Cond, Size};
use sconce_x64::register::{Gpr, Xmm};
use std::mem::offset_of;

/// What is called.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Callee {
    /// A function of the module.
    Defined(DefinedFuncIndex),
    /// What is recorded at this address: places of the code's address and of the context's. The base is the VM context, or goes
    /// through rax, which is no argument's. Reading it may be a trap.
    Record { base: Gpr, code: i32, vmctx: i32, trap: Option<TrapCode> },
    /// The code's address and the context's, in registers to be given up.
    Known { code: Gpr, vmctx: Gpr },
}

pub(crate) fn call(c: &mut Codegen<'_>, func: FuncIndex) {
    let callee = c.direct(func);
    c.emit_call(c.module.functions[func], callee);
}

pub(crate) fn call_indirect(c: &mut Codegen<'_>, ty: TypeIndex, table: TableIndex) {
    let callee = c.indirect(ty, table);
    c.emit_call(ty, callee);
}

pub(crate) fn call_ref(c: &mut Codegen<'_>, ty: TypeIndex) {
    let callee = c.through_reference();
    c.emit_call(ty, callee);
}

pub(crate) fn return_call(c: &mut Codegen<'_>, func: FuncIndex) {
    let callee = c.direct(func);
    c.emit_return_call(c.module.functions[func], callee);
}

pub(crate) fn return_call_indirect(c: &mut Codegen<'_>, ty: TypeIndex, table: TableIndex) {
    let callee = c.indirect(ty, table);
    c.emit_return_call(ty, callee);
}

pub(crate) fn return_call_ref(c: &mut Codegen<'_>, ty: TypeIndex) {
    let callee = c.through_reference();
    c.emit_return_call(ty, callee);
}

impl Codegen<'_> {
    fn direct(&mut self, func: FuncIndex) -> Callee {
        if let Some(defined) = self.module.defined_func(func) {
            return Callee::Defined(defined);
        }
        let import = self.layout.func_import(func);
        let field = |offset: usize| (import + offset as u32) as i32;
        let (code, vmctx) = (field(offset_of!(VmFuncImport, code)), field(offset_of!(VmFuncImport, vmctx)));
        Callee::Record { base: VMCTX, code, vmctx, trap: None }
    }

    /// Pops an index into a table, and gives the function there, which has the type.
    fn indirect(&mut self, ty: TypeIndex, table: TableIndex) -> Callee {
        let index = self.pop();
        let mut entry = self.table_element(table, index, size_of::<VmTableEntry>(), TrapCode::UndefinedElement);
        let found = |entry| Addr::new(entry, offset_of!(VmTableEntry, type_id) as i32);
        let element = self.module.tables[table].element;
        if element.heap == HeapType::ConcreteFunc(ty) {
            // Every function in the table has the type: only null is to be found out.
            if element.nullable {
                let null = self.trap_label(TrapCode::UninitializedElement);
                self.e.alu_imm(Alu::Cmp, Size::S32, found(entry).into(), NO_TYPE.cast_signed());
                self.e.jcc(Cond::E, null);
            }
        } else if self.module.types[ty].is_final {
            // Null entries have an id of their own, so that one comparison is enough on the way to the callee.
            let bad = self.stub(StubKind::BadSignature { entry });
            let wanted = Addr::new(VMCTX, self.layout.type_id(ty) as i32);
            let code = self.settings.spectre_mitigations.then(|| self.alloc_gpr());
            let s = self.scratch();
            s.e.load(Size::S32, s.r, wanted);
            s.e.alu_mem(Alu::Cmp, Size::S32, found(entry), s.r);
            s.e.jcc(Cond::Ne, bad);
            if let Some(code) = code {
                drop(s);
                return self.masked_callee(entry, code);
            }
        } else {
            entry = self.check_subtype(ty, entry);
            if self.settings.spectre_mitigations {
                let code = self.alloc_gpr();
                return self.masked_callee(entry, code);
            }
        }
        let (code, vmctx) = (offset_of!(VmTableEntry, code) as i32, offset_of!(VmTableEntry, vmctx) as i32);
        Callee::Record { base: entry, code, vmctx, trap: None }
    }

    /// Traps unless the entry's function has the type or a subtype of it. Gives the entry again.
    ///
    /// The builtin is called on one of two ways, which meet again. So no entry is in a register that calls clobber before they
    /// part, and from there to where they meet nothing is pushed, popped or allocated: registers are named here.
    fn check_subtype(&mut self, ty: TypeIndex, entry: Gpr) -> Gpr {
        let depth = self.stack.len();
        self.push_gpr(Ty::I64, entry);
        self.settle_registers_below(depth + 1);
        let null = self.trap_label(TrapCode::UninitializedElement);
        let mismatch = self.trap_label(TrapCode::IndirectCallTypeMismatch);
        let [context, found, wanted, ..] = ARG_GPRS;
        // A function with calls pins no locals in argument registers, and the entry's register still has the entry.
        self.e.load(Size::S32, found, Addr::new(entry, offset_of!(VmTableEntry, type_id) as i32));
        self.e.load(Size::S32, wanted, Addr::new(VMCTX, self.layout.type_id(ty) as i32));
        self.e.alu(Alu::Cmp, Size::S32, found, wanted.into());
        let good = self.part(Flag::Is(Cond::E));
        self.e.alu_imm(Alu::Cmp, Size::S32, found.into(), NO_TYPE.cast_signed());
        self.e.jcc(Cond::E, null);
        self.e.mov(Size::S64, context, VMCTX);
        self.call_builtin(Builtin::IsSubtype);
        self.map_call();
        self.e.test(Size::S32, Gpr::Rax, Gpr::Rax);
        self.e.jcc(Cond::E, mismatch);
        if self.settings.spectre_mitigations {
            // Equal, as on the other way, if it is a subtype.
            self.e.alu_imm(Alu::Cmp, Size::S32, Gpr::Rax.into(), 1);
        }
        // Whichever way: the builtin keeps no register.
        self.reset_registers();
        self.meet(good);
        let entry = self.pop();
        self.own_gpr(entry)
    }

    /// What is called by an entry if flags say that the types are equal, and otherwise nothing: no function is called with arguments of
    /// other types, not even for as long as the branch that found them out is mispredicted. The code's address is masked rather than
    /// the entry's, so that it is loaded meanwhile.
    fn masked_callee(&mut self, entry: Gpr, code: Gpr) -> Callee {
        let s = self.scratch();
        // (Moves leave flags alone.)
        s.e.load(Size::S64, code, Addr::new(entry, offset_of!(VmTableEntry, code) as i32));
        s.e.mov_imm(Size::S32, s.r, 0);
        s.e.cmov(Cond::Ne, Size::S64, code, s.r.into());
        s.e.load(Size::S64, entry, Addr::new(entry, offset_of!(VmTableEntry, vmctx) as i32));
        Callee::Known { code, vmctx: entry }
    }

    /// Pops a function reference; null traps, when the call reads the record.
    fn through_reference(&mut self) -> Callee {
        let reference = self.pop();
        let base = self.own_gpr(reference);
        let (code, vmctx) = (offset_of!(VmFuncRef, code) as i32, offset_of!(VmFuncRef, vmctx) as i32);
        Callee::Record { base, code, vmctx, trap: Some(TrapCode::NullFunctionReference) }
    }

    /// Pops the arguments, calls in place of the function itself.
    fn emit_return_call(&mut self, index: TypeIndex, callee: Callee) {
        self.check_summary(self.summary.context, "context");
        let module = self.module;
        let ty = module.func_type(index);
        let start = self.stack.len() - ty.params.len();
        let mut arguments = Arguments::new();
        arguments.next(Class::I64);
        if self.frame.buffer().is_some() {
            arguments.next(Class::I64);
        }
        let first = arguments.clone();
        for &ty in &ty.params {
            arguments.next(Ty::of(ty).class());
        }
        let bytes = arguments.stack_bytes() as i32;
        self.lower_stack(bytes);
        self.place_arguments(first, start, callee);
        self.want_type(index);
        if let Some(home) = self.frame.buffer() {
            self.e.load(Size::S64, Gpr::Rsi, home);
        }
        if let Callee::Record { base, code, vmctx, trap } = callee {
            let base = if base == VMCTX { VMCTX } else { Gpr::Rax };
            if let Some(trap) = trap {
                self.may_trap(trap);
            }
            self.e.load(Size::S64, Gpr::Rdi, Addr::new(base, vmctx));
            self.e.load(Size::S64, Gpr::Rax, Addr::new(base, code));
        }
        let from = self.e.offset();
        self.replace_frame(bytes);
        match (callee, self.settings.calls) {
            (Callee::Record { .. } | Callee::Known { .. }, _) => self.e.jmp_reg(Gpr::Rax),
            (Callee::Defined(func), CallStyle::Direct) => {
                let offset = self.e.jmp_relative();
                self.tables.relocation(offset, RelocTarget::Function(func));
            }
            (Callee::Defined(func), CallStyle::Slots) => {
                let offset = self.e.jmp_slot();
                self.tables.relocation(offset, RelocTarget::Slot(func));
            }
        }
        self.tables.uninterruptible(from, self.e.offset());
        self.end_reachable();
    }

    /// Restores registers and drops the frame; stack arguments, so many bytes at rsp, take the place of the function's own.
    fn replace_frame(&mut self, bytes: i32) {
        self.restore_registers();
        let own = self.frame.argument_bytes() as i32;
        if (own, bytes) == (0, 0) {
            return self.e.leave();
        }
        let mut s = self.scratch();
        s.e.load(Size::S64, s.r, Addr::new(Gpr::Rbp, 0));
        // r10 is no argument's.
        s.e.load(Size::S64, Gpr::R10, Addr::new(Gpr::Rbp, 8));
        let to = FRAME_LINK_BYTES + own - bytes;
        // Upwards in memory, so from the end; both areas are multiples of 16 bytes.
        const UNIT: i32 = 16;
        const SPARE: Xmm = Xmm(8);
        if bytes > UNIT * MOVED_SINGLY as i32 {
            // Of vectors, eight may be arguments, and no local needs another one any more.
            s.e.int_to_xmm(Size::S64, SPARE, Gpr::R10.into());
            s.e.mov_imm(Size::S32, Gpr::R10, bytes.into());
            let again = s.e.here();
            s.copy(Ty::V128, Addr::indexed(Gpr::Rbp, Gpr::R10, to - UNIT), Addr::indexed(Gpr::Rsp, Gpr::R10, -UNIT));
            s.e.alu_imm(Alu::Sub, Size::S32, Gpr::R10.into(), UNIT);
            s.e.jcc(Cond::Ne, again);
            s.e.xmm_to_int(Size::S64, Gpr::R10.into(), SPARE);
        } else {
            for at in (0..bytes).step_by(UNIT as usize).rev() {
                s.copy(Ty::V128, Addr::new(Gpr::Rbp, to + at), Addr::new(Gpr::Rsp, at));
            }
        }
        s.e.store(Size::S64, Addr::new(Gpr::Rbp, to - 8), Gpr::R10);
        s.e.lea(Size::S64, Gpr::Rsp, Addr::new(Gpr::Rbp, to - 8));
        s.e.mov(Size::S64, Gpr::Rbp, s.r);
    }

    /// Pops the arguments, calls, pushes the results.
    pub(crate) fn emit_call(&mut self, index: TypeIndex, callee: Callee) {
        self.check_summary(self.summary.calls, "call");
        let module = self.module;
        let ty = module.func_type(index);
        let start = self.stack.len() - ty.params.len();
        self.settle_registers_below(start);

        let mut arguments = Arguments::new();
        arguments.next(Class::I64);
        let has_buffer = results_in_buffer(ty);
        if has_buffer {
            arguments.next(Class::I64);
        }
        let first = arguments.clone();
        for &ty in &ty.params {
            arguments.next(Ty::of(ty).class());
        }
        let argument_bytes = arguments.stack_bytes() as i32;
        let buffer_bytes = if has_buffer { (ty.results.len() * VALUE_SIZE) as i32 } else { 0 };
        self.lower_stack(argument_bytes + buffer_bytes);
        self.place_arguments(first, start, callee);
        self.want_type(index);
        if has_buffer {
            self.e.lea(Size::S64, Gpr::Rsi, Addr::new(Gpr::Rsp, argument_bytes));
        }
        self.call_callee(ty, callee);
        self.call_site();
        self.after_call(start);

        if has_buffer {
            // No result is in a register.
            self.copy_values(Direction::ToSlots, Gpr::Rsp, 0, start as u32, &ty.results, [Gpr::Rcx, Gpr::Rdx]);
            for &ty in &ty.results {
                let at = self.stack.len() as u32;
                self.frame.use_slot(at);
                self.push(Value::Slot(Ty::of(ty), at));
            }
            self.e.alu_imm(Alu::Add, Size::S64, Gpr::Rsp.into(), buffer_bytes);
            return;
        }
        let (mut gprs, mut xmms) = (RESULT_GPRS.iter(), 0..);
        for &ty in &ty.results {
            let ty = Ty::of(ty);
            if ty.is_int() {
                let r = *gprs.next().expect("they fit, since there is no buffer");
                self.take_result(ty, r);
            } else {
                let x = Xmm(xmms.next().expect("endless"));
                self.acquire(x);
                self.push_xmm(ty, x);
            }
        }
    }

    /// Pushes what a call left in this register.
    pub(crate) fn take_result(&mut self, ty: Ty, r: Gpr) {
        self.acquire(r);
        if ty.size() == Size::S32 {
            // The upper half of a result is undefined.
            self.e.mov(Size::S32, r, r);
        }
        self.push_gpr(ty, r);
    }

    /// Makes room below the frame.
    pub(crate) fn lower_stack(&mut self, bytes: i32) {
        if bytes == 0 {
            return;
        }
        // At most MAX_VALUES arguments and as many results.
        for page in 1..=bytes / PROBE_BYTES {
            self.may_trap(TrapCode::StackOverflow);
            self.e.alu_imm(Alu::Or, Size::S32, Addr::new(Gpr::Rsp, -page * PROBE_BYTES).into(), 0);
        }
        self.e.alu_imm(Alu::Sub, Size::S64, Gpr::Rsp.into(), bytes);
    }

    /// Puts the entries from `start` on where the callee expects them. They stay on the abstract stack.
    fn place_arguments(&mut self, first: Arguments, start: usize, callee: Callee) {
        self.place_stack_arguments(&first, start);
        let mut arguments = first.clone();
        let mut floats = false;
        for at in start..self.stack.len() {
            let value = self.stack[at];
            match arguments.next(value.ty().class()) {
                Location::Stack(_) => {}
                Location::Gpr(to) => {
                    if let Some(from) = self.register_of(value) {
                        self.moves.add(to, from);
                    }
                }
                Location::Xmm(_) => floats = true,
            }
        }
        match callee {
            Callee::Defined(_) => self.moves.add(Gpr::Rdi, VMCTX),
            Callee::Record { base: VMCTX, .. } => {}
            // rax is no argument's.
            Callee::Record { base, .. } => self.moves.add(Gpr::Rax, base),
            Callee::Known { code, vmctx } => {
                self.moves.add(Gpr::Rax, code);
                self.moves.add(Gpr::Rdi, vmctx);
            }
        }
        self.parallel_gprs();
        if floats {
            let mut arguments = first.clone();
            for at in start..self.stack.len() {
                let value = self.stack[at];
                if let Location::Xmm(to) = arguments.next(value.ty().class())
                    && let Some(from) = self.xmm_of(value)
                {
                    self.moves.add(to, from);
                }
            }
            self.parallel_xmms();
        }
        let mut arguments = first;
        for at in start..self.stack.len() {
            let value = self.stack[at];
            match arguments.next(value.ty().class()) {
                Location::Gpr(to) if self.register_of(value).is_none() => self.load_gpr(to, value),
                Location::Xmm(to) if self.xmm_of(value).is_none() => self.load_xmm(to, value),
                _ => {}
            }
        }
    }

    fn xmm_of(&mut self, value: Value) -> Option<Xmm> {
        match value {
            Value::Xmm(_, x) => Some(x),
            Value::Local(..) => match self.rm(value) {
                sconce_x64::encode::Rm::Reg(x) => Some(Xmm(x)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The call itself, and the callee's context where it is not the caller's.
    fn call_callee(&mut self, ty: &FuncType, callee: Callee) {
        match callee {
            Callee::Defined(func) => {
                let (offset, target) = match self.settings.calls {
                    CallStyle::Direct => (self.e.call_relative(), RelocTarget::Function(func)),
                    CallStyle::Slots => (self.e.call_slot(), RelocTarget::Slot(func)),
                };
                self.tables.relocation(offset, target);
            }
            Callee::Known { .. } => self.e.call(Gpr::Rax.into()),
            Callee::Record { base, code, vmctx, trap } => {
                let import = base == VMCTX;
                let base = if import { VMCTX } else { Gpr::Rax };
                if let Some(trap) = trap {
                    self.may_trap(trap);
                }
                self.e.load(Size::S64, Gpr::Rdi, Addr::new(base, vmctx));
                if import && in_registers(ty) && self.tables.call_in_place() {
                    self.call_import_in_registers(Addr::new(base, code), returns_reference(ty));
                } else {
                    self.e.call(Addr::new(base, code).into());
                }
            }
        }
    }

    /// The call of an import, which is likely to be a host function: then it is called in place. Both ways
    /// come back to one return address.
    fn call_import_in_registers(&mut self, code: Addr, returns_reference: bool) {
        let in_registers = Addr::new(Gpr::Rdi, offset_of!(VmHostContext, in_registers) as i32);
        self.e.alu_imm(Alu::Cmp, Size::S32, in_registers.into(), 0);
        let other = self.part(Flag::Is(Cond::E));
        let field = self.e.jmp_relative();
        self.meet(other);
        self.e.call(code.into());
        let behind = self.e.offset() - (field + 4);
        self.tables.relocation(field, RelocTarget::HostCall { behind, returns_reference });
    }

    /// Entries below `start` that are in registers go to their slots: the callee does not preserve those.
    pub(crate) fn settle_registers_below(&mut self, start: usize) {
        self.settle_bank_below::<Gpr>(start);
        self.settle_bank_below::<Xmm>(start);
    }

    fn settle_bank_below<R: Bank>(&mut self, start: usize) {
        for r in R::file(self).in_use() {
            let owner = R::file(self).owner(r).map(|owner| owner as usize);
            if let Some(owner) = owner.filter(|&owner| owner < start) {
                self.spill(owner);
            }
        }
    }

    /// The call's return address is here: its stack map, and what became of registers.
    pub(crate) fn after_call(&mut self, start: usize) {
        self.truncate(start);
        self.reset_registers();
        self.map_call();
    }
}
