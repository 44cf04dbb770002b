//! Calls of the runtime's builtins.

use crate::translate::Translator;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, SigRef, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::layout::VmLayout;
use smallvec::SmallVec;

impl Translator<'_> {
    /// Calls a builtin with what it takes beyond the VM context.
    pub(crate) fn builtin(&mut self, builtin: Builtin, args: &[Value]) -> Option<Value> {
        let (signature, code, all) = self.builtin_call(builtin, args);
        let inst = self.builder.ins().call_indirect(signature, code, &all);
        self.builder.inst_results(inst).first().copied()
    }

    fn builtin_arguments(&self, args: &[Value]) -> SmallVec<[Value; 8]> {
        std::iter::once(self.env.vmctx).chain(args.iter().copied()).collect()
    }

    /// Signature, address and arguments of a builtin's call.
    pub(crate) fn builtin_call(&mut self, builtin: Builtin, args: &[Value]) -> (SigRef, Value, SmallVec<[Value; 8]>) {
        let table = self.vmctx_constant(I64, VmLayout::BUILTINS);
        let code = self.constant(I64, table, builtin as u32 * size_of::<usize>() as u32);
        (self.builtin_signature(builtin), code, self.builtin_arguments(args))
    }

    /// An index into one of the module's spaces, as a builtin takes it.
    pub(crate) fn index_argument(&mut self, index: u32) -> Value {
        self.builder.ins().iconst(I32, i64::from(index))
    }

    /// Pushes a number of 64 bits, as one of 32 if the item is indexed by such.
    pub(crate) fn push_index(&mut self, value: Value, is_64: bool) {
        let value = if is_64 { value } else { self.builder.ins().ireduce(I32, value) };
        self.push(value);
    }
}
