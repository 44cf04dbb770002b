//! Calls.
//!
//! Every callee has its VM context as first argument; one whose results do not fit into registers has a buffer's address as
//! second.
//!
//! A tail call passes on the caller's own buffer: validation has made sure that the results are the same. Its instructions, from
//! the moving of arguments to the jump, take the frame down, so they are marked as not to be interrupted.

use crate::alias::{self, Region};
use crate::env::displacement;
use crate::location::{LEAVES, UNINTERRUPTIBLE};
use crate::reference::Bounds;
use crate::translate::Translator;
use crate::types::clif_type;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{BlockArg, FuncRef, InstBuilder, MemFlags, Opcode, Value};
use sconce_environ::abi::{MAX_IN_PLACE, VALUE_SIZE, in_registers, results_in_buffer};
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::HeapType;
use sconce_environ::vm::{NO_TYPE, VmFuncImport, VmFuncRef, VmHostContext, VmTableEntry};
use smallvec::SmallVec;
use std::mem::offset_of;

/// What is called.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Code {
    /// A function of the module.
    Defined(FuncRef),
    /// The address of code.
    Address(Value),
}

/// What is called, and its first argument.
#[derive(Copy, Clone, Debug)]
struct Callee {
    code: Code,
    vmctx: Value,
    /// What stands for the way to the callee if that is a host function which takes its arguments in registers.
    in_place: Option<FuncRef>,
}

pub(crate) fn call(t: &mut Translator<'_>, func: FuncIndex) {
    if t.inline_call(func) {
        return;
    }
    let mut callee = t.direct(func);
    let (module, ty) = (t.env.module, t.env.module.functions[func]);
    // Inside a try region a call ends its block as it is.
    let import = module.defined_func(func).is_none();
    if import && in_registers(module.func_type(ty)) && t.state.handlers.is_empty() && t.env.in_place < MAX_IN_PLACE {
        t.env.in_place += 1;
        callee.in_place = Some(t.callee(func));
    }
    t.emit_call(ty, callee);
}

pub(crate) fn call_indirect(t: &mut Translator<'_>, ty: TypeIndex, table: TableIndex) {
    let callee = t.indirect(ty, table);
    t.emit_call(ty, callee);
}

pub(crate) fn call_ref(t: &mut Translator<'_>, ty: TypeIndex) {
    let callee = t.through_reference();
    t.emit_call(ty, callee);
}

pub(crate) fn return_call(t: &mut Translator<'_>, func: FuncIndex) {
    let callee = t.direct(func);
    t.emit_return_call(t.env.module.functions[func], callee);
}

pub(crate) fn return_call_indirect(t: &mut Translator<'_>, ty: TypeIndex, table: TableIndex) {
    let callee = t.indirect(ty, table);
    t.emit_return_call(ty, callee);
}

pub(crate) fn return_call_ref(t: &mut Translator<'_>, ty: TypeIndex) {
    let callee = t.through_reference();
    t.emit_return_call(ty, callee);
}

impl Translator<'_> {
    fn direct(&mut self, func: FuncIndex) -> Callee {
        if self.env.module.defined_func(func).is_some() {
            return Callee { code: Code::Defined(self.callee(func)), vmctx: self.env.vmctx, in_place: None };
        }
        let import = self.env.layout.func_import(func);
        let code = self.vmctx_constant(I64, import + offset_of!(VmFuncImport, code) as u32);
        let vmctx = self.vmctx_constant(I64, import + offset_of!(VmFuncImport, vmctx) as u32);
        Callee { code: Code::Address(code), vmctx, in_place: None }
    }

    /// Pops an index; gives the table's function there, which has the type.
    fn indirect(&mut self, ty: TypeIndex, table: TableIndex) -> Callee {
        let index = self.pop();
        let bounds = Bounds { size: size_of::<VmTableEntry>(), trap: TrapCode::UndefinedElement };
        let (entry, first) = self.table_element(table, index, bounds);
        let element = self.env.module.tables[table].element;
        // What follows a check does not fault.
        let mut flags = alias::trusted(self.builder.func, Region::Tables);
        // Under what the code is what is called, where that is not known beforehand.
        let mut typed = None;
        if element.heap != HeapType::ConcreteFunc(ty) {
            typed = Some(self.check_type(ty, entry, first));
        } else if element.nullable {
            // Every function in the table has the type: only null is to be found out.
            let found = self.entry_type(entry, first);
            let null = self.is_no_type(found);
            self.trap_if(null, TrapCode::UninitializedElement);
        } else {
            flags = first;
        }
        let mut code = self.load_with(Opcode::Load, I64, flags, entry, offset_of!(VmTableEntry, code) as i32);
        if let Some(typed) = typed.filter(|_| self.env.settings.spectre_mitigations) {
            // No function is called with arguments of other types, not even for as long as the branch is mispredicted. (A null
            // entry's code is null.)
            let null = self.builder.ins().iconst(I64, 0);
            code = self.builder.ins().select_spectre_guard(typed, code, null);
        }
        let vmctx = self.load_trusted(I64, Region::Tables, entry, offset_of!(VmTableEntry, vmctx) as u32);
        Callee { code: Code::Address(code), vmctx, in_place: None }
    }

    fn entry_type(&mut self, entry: Value, flags: MemFlags) -> Value {
        self.load_with(Opcode::Load, I32, flags, entry, offset_of!(VmTableEntry, type_id) as i32)
    }

    fn is_no_type(&mut self, id: Value) -> Value {
        self.builder.ins().icmp_imm_s(IntCC::Equal, id, i64::from(NO_TYPE.cast_signed()))
    }

    /// Traps unless the entry's function has the type or a subtype of it. Gives whether it has, for who wants to look again.
    fn check_type(&mut self, ty: TypeIndex, entry: Value, flags: MemFlags) -> Value {
        let found = self.entry_type(entry, flags);
        let wanted = self.vmctx_constant(I32, self.env.layout.type_id(ty));
        let same = self.builder.ins().icmp(IntCC::Equal, found, wanted);
        let (good, other) = (self.builder.create_block(), self.builder.create_block());
        let is_final = self.env.module.types[ty].is_final;
        let joins = !is_final && self.env.settings.spectre_mitigations;
        let typed = if joins { self.builder.append_block_param(good, I8) } else { same };
        let of = |typed: Value| joins.then_some(BlockArg::Value(typed));
        self.builder.ins().brif(same, good, of(same).as_slice(), other, &[]);
        self.builder.seal_block(other);

        // Null entries have an id of their own, so that one comparison is enough on the way to the callee.
        self.builder.set_cold_block(other);
        self.builder.switch_to_block(other);
        let null = self.is_no_type(found);
        self.trap_if(null, TrapCode::UninitializedElement);
        let mismatch = alias::trap_code(TrapCode::IndirectCallTypeMismatch);
        if is_final {
            self.builder.ins().trap(mismatch);
        } else {
            let is_subtype = self.builtin(Builtin::IsSubtype, &[found, wanted]).expect("it has a result");
            self.builder.ins().trapz(is_subtype, mismatch);
            let is_subtype = joins.then(|| self.builder.ins().icmp_imm_s(IntCC::NotEqual, is_subtype, 0));
            self.builder.ins().jump(good, is_subtype.and_then(of).as_slice());
        }
        self.builder.seal_block(good);
        self.builder.switch_to_block(good);
        typed
    }

    /// Pops a function reference; null traps.
    fn through_reference(&mut self) -> Callee {
        let reference = self.pop();
        let flags = alias::through_reference(self.builder.func);
        let code = self.load_with(Opcode::Load, I64, flags, reference, displacement(offset_of!(VmFuncRef, code) as u32));
        // Not before the one that traps.
        let vmctx = self.load_with(Opcode::Load, I64, flags, reference, displacement(offset_of!(VmFuncRef, vmctx) as u32));
        Callee { code: Code::Address(code), vmctx, in_place: None }
    }

    /// Pops the arguments, which follow the context and the buffer.
    fn arguments(&mut self, ty: TypeIndex, vmctx: Value, buffer: Option<Value>) -> SmallVec<[Value; 16]> {
        self.want_type(ty);
        let params = self.env.module.func_type(ty).params.len();
        let mut args: SmallVec<[Value; 16]> = SmallVec::with_capacity(params + 2);
        args.push(vmctx);
        args.extend(buffer);
        let start = self.state.values.len() - params;
        for i in start..self.state.values.len() {
            let value = self.state.values[i];
            args.push(self.canonical(value));
        }
        self.state.pop_n(params);
        args
    }

    /// Pops the arguments, calls, pushes the results.
    fn emit_call(&mut self, ty: TypeIndex, callee: Callee) {
        let func_type = self.env.module.func_type(ty);
        let results = &func_type.results;
        let buffer = results_in_buffer(func_type).then(|| {
            let slot = self.results_slot(results.len());
            self.builder.ins().stack_addr(I64, slot, 0)
        });
        let args = self.arguments(ty, callee.vmctx, buffer);
        let returned = match callee {
            Callee { in_place: Some(way), code: Code::Address(code), vmctx } => {
                self.emit_import_call(ty, way, code, vmctx, &args)
            }
            Callee { code, .. } => self.emit_call_inst(ty, code, &args),
        };
        for (i, &ty) in results.iter().enumerate() {
            let value = match buffer {
                None => returned[i],
                Some(buffer) => self.load_trusted(clif_type(ty), Region::Results, buffer, (i * VALUE_SIZE) as u32),
            };
            self.push_typed(ty, value);
        }
    }

    fn emit_call_inst(&mut self, ty: TypeIndex, code: Code, args: &[Value]) -> SmallVec<[Value; 8]> {
        let signature = self.signature(ty);
        if !self.state.handlers.is_empty() {
            return self.try_call(signature, code, args);
        }
        let inst = match code {
            Code::Defined(func) => self.builder.ins().call(func, args),
            Code::Address(code) => self.builder.ins().call_indirect(signature, code, args),
        };
        self.builder.inst_results(inst).into()
    }

    /// A call of an import, which is likely to be a host function: then it is called in place.
    fn emit_import_call(
        &mut self,
        ty: TypeIndex,
        way: FuncRef,
        code: Value,
        vmctx: Value,
        args: &[Value],
    ) -> SmallVec<[Value; 8]> {
        let in_registers = self.constant(I32, vmctx, offset_of!(VmHostContext, in_registers) as u32);
        let (host, other, done) = (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let results = &self.env.module.func_type(ty).results;
        let results = results.iter().map(|&ty| self.builder.append_block_param(done, clif_type(ty))).collect();
        self.builder.ins().brif(in_registers, host, &[], other, &[]);
        self.builder.set_cold_block(other);
        for (block, code) in [(host, Code::Defined(way)), (other, Code::Address(code))] {
            self.builder.seal_block(block);
            self.builder.switch_to_block(block);
            let returned = self.emit_call_inst(ty, code, args);
            let returned: SmallVec<[BlockArg; 8]> = returned.into_iter().map(BlockArg::Value).collect();
            self.builder.ins().jump(done, &returned);
        }
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        results
    }

    /// Pops the arguments, calls in place of the function itself.
    fn emit_return_call(&mut self, ty: TypeIndex, callee: Callee) {
        let args = self.arguments(ty, callee.vmctx, self.env.result_buffer);
        let outside = self.mark(UNINTERRUPTIBLE | LEAVES);
        match callee.code {
            Code::Defined(func) => self.builder.ins().return_call(func, &args),
            Code::Address(code) => {
                let signature = self.signature(ty);
                self.builder.ins().return_call_indirect(signature, code, &args)
            }
        };
        self.builder.set_srcloc(outside);
        self.state.reachable = false;
    }
}
