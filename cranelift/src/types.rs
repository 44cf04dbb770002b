//! Wasm types as Cranelift types, and signatures.

use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, Type};
use cranelift_codegen::isa::CallConv;
use sconce_environ::abi::results_in_buffer;
use sconce_environ::builtin::{AbiType, Builtin};
use sconce_environ::types::{FuncType, RefKind, ValType};

/// The Cranelift type of values that cross blocks and calls.
pub(crate) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => I32,
        ValType::I64 => I64,
        ValType::F32 => F32,
        ValType::F64 => F64,
        ValType::V128 => I8X16,
        ValType::Ref(r) => match r.kind() {
            RefKind::Func => I64,
            RefKind::Handle => I32,
        },
    }
}

/// The signature of functions of this type: the callee's VM context, the result buffer if there is one, the parameters.
pub(crate) fn signature(ty: &FuncType) -> Signature {
    let mut sig = Signature::new(CallConv::Tail);
    sig.params.push(AbiParam::special(I64, ArgumentPurpose::VMContext));
    if results_in_buffer(ty) {
        sig.params.push(AbiParam::new(I64));
    } else {
        sig.returns.extend(ty.results.iter().map(|&t| AbiParam::new(clif_type(t))));
    }
    sig.params.extend(ty.params.iter().map(|&t| AbiParam::new(clif_type(t))));
    sig
}

/// The signature of a builtin's trampoline.
pub(crate) fn builtin_signature(builtin: Builtin) -> Signature {
    let abi = |t: AbiType| match t {
        AbiType::I32 | AbiType::Ref | AbiType::Entering | AbiType::Dead => AbiParam::new(I32),
        AbiType::I64 | AbiType::Ptr | AbiType::Bytes | AbiType::Values => AbiParam::new(I64),
    };
    let mut sig = Signature::new(if builtin.keeps_registers() { CallConv::PreserveAll } else { CallConv::Tail });
    sig.params.push(AbiParam::special(I64, ArgumentPurpose::VMContext));
    sig.params.extend(builtin.params().iter().map(|&t| abi(t)));
    sig.returns.extend(builtin.result().map(abi));
    sig
}
