//! Calls.
//!
//! Every callee has its VM context as first argument; one whose results do not fit into registers has a buffer's address as
//! second.

use crate::alias::{self, Region};
use crate::reference::Bounds;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{FuncRef, Inst, InstBuilder, Value};
use sconce_environ::abi::{VALUE_SIZE, results_in_buffer};
use sconce_environ::index::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{NO_TYPE, VmFuncImport, VmTableEntry};
use smallvec::SmallVec;
use std::mem::offset_of;

/// What is called.
#[derive(Copy, Clone, Debug)]
enum Callee {
    /// A function of the module.
    Defined(FuncRef),
    /// The address of code.
    Address(Value),
}

pub(crate) fn call(t: &mut Translator<'_>, func: FuncIndex) {
    let ty = t.env.module.functions[func];
    if t.env.module.defined_func(func).is_some() {
        let callee = t.callee(func);
        t.emit_call(ty, Callee::Defined(callee), t.env.vmctx);
    } else {
        let import = t.env.layout.func_import(func);
        let code = t.vmctx_constant(I64, import + offset_of!(VmFuncImport, code) as u32);
        let vmctx = t.vmctx_constant(I64, import + offset_of!(VmFuncImport, vmctx) as u32);
        t.emit_call(ty, Callee::Address(code), vmctx);
    }
}

pub(crate) fn call_indirect(t: &mut Translator<'_>, ty: TypeIndex, table: TableIndex) {
    let index = t.pop();
    let entry = t.table_element(table, index, Bounds { size: size_of::<VmTableEntry>(), trap: TrapCode::UndefinedElement });
    let found = t.load_trusted(I32, Region::Tables, entry, offset_of!(VmTableEntry, type_id) as u32);
    let wanted = t.vmctx_constant(I32, t.env.layout.type_id(ty));
    let same = t.builder.ins().icmp(IntCC::Equal, found, wanted);
    let (good, bad) = (t.builder.create_block(), t.builder.create_block());
    t.builder.ins().brif(same, good, &[], bad, &[]);
    t.builder.seal_block(good);
    t.builder.seal_block(bad);

    // Null entries have an id of their own, so that one comparison is enough on the way to the callee.
    t.builder.set_cold_block(bad);
    t.builder.switch_to_block(bad);
    let null = t.builder.ins().icmp_imm_s(IntCC::Equal, found, i64::from(NO_TYPE.cast_signed()));
    t.trap_if(null, TrapCode::UninitializedElement);
    t.builder.ins().trap(alias::trap_code(TrapCode::IndirectCallTypeMismatch));

    t.builder.switch_to_block(good);
    let code = t.load_trusted(I64, Region::Tables, entry, offset_of!(VmTableEntry, code) as u32);
    let vmctx = t.load_trusted(I64, Region::Tables, entry, offset_of!(VmTableEntry, vmctx) as u32);
    t.emit_call(ty, Callee::Address(code), vmctx);
}

impl Translator<'_> {
    /// Pops the arguments, calls, pushes the results.
    fn emit_call(&mut self, ty: TypeIndex, callee: Callee, vmctx: Value) {
        let func_type = self.env.module.func_type(ty);
        let (params, results) = (func_type.params.len(), &func_type.results);
        let buffer = results_in_buffer(func_type).then(|| {
            let slot = self.results_slot(results.len());
            self.builder.ins().stack_addr(I64, slot, 0)
        });
        let mut args: SmallVec<[Value; 16]> = SmallVec::with_capacity(params + 2);
        args.push(vmctx);
        args.extend(buffer);
        let start = self.state.values.len() - params;
        for i in start..self.state.values.len() {
            let value = self.state.values[i];
            args.push(self.canonical(value));
        }
        self.state.pop_n(params);
        let inst = self.call_inst(ty, callee, &args);
        for (i, &ty) in results.iter().enumerate() {
            let value = match buffer {
                None => self.builder.inst_results(inst)[i],
                Some(buffer) => self.load_trusted(crate::types::clif_type(ty), Region::Results, buffer, (i * VALUE_SIZE) as u32),
            };
            self.push_typed(ty, value);
        }
    }

    fn call_inst(&mut self, ty: TypeIndex, callee: Callee, args: &[Value]) -> Inst {
        match callee {
            Callee::Defined(func) => self.builder.ins().call(func, args),
            Callee::Address(code) => {
                let signature = self.signature(ty);
                self.builder.ins().call_indirect(signature, code, args)
            }
        }
    }
}
