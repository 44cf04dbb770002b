//! Constant expressions: what globals, offsets and elements begin as.

use crate::instance::Instance;
use sconce_environ::module::{ConstExpr, ConstOp};

/// The value of a validated expression, as a raw value. Its globals are initialised already.
pub(crate) fn evaluate(expr: &ConstExpr, instance: &Instance, global: &dyn Fn(u32) -> u128) -> u128 {
    // Almost all have one operator.
    let mut stack: Vec<u128> = Vec::with_capacity(expr.ops.len().min(8));
    for &op in &*expr.ops {
        let binary32 = |stack: &mut Vec<u128>, f: fn(u32, u32) -> u32| {
            let (b, a) = (stack.pop().unwrap_or(0), stack.pop().unwrap_or(0));
            f(a as u32, b as u32).into()
        };
        let binary64 = |stack: &mut Vec<u128>, f: fn(u64, u64) -> u64| {
            let (b, a) = (stack.pop().unwrap_or(0), stack.pop().unwrap_or(0));
            f(a as u64, b as u64).into()
        };
        let value = match op {
            ConstOp::I32(n) => (n as u32).into(),
            ConstOp::I64(n) => (n as u64).into(),
            ConstOp::F32(bits) => bits.into(),
            ConstOp::F64(bits) => bits.into(),
            ConstOp::V128(bits) => bits,
            ConstOp::GlobalGet(g) => global(instance.global(g)),
            ConstOp::RefNull(_) => 0,
            ConstOp::RefFunc(f) => instance.func_ref(f) as u64 as u128,
            ConstOp::I32Add => binary32(&mut stack, u32::wrapping_add),
            ConstOp::I32Sub => binary32(&mut stack, u32::wrapping_sub),
            ConstOp::I32Mul => binary32(&mut stack, u32::wrapping_mul),
            ConstOp::I64Add => binary64(&mut stack, u64::wrapping_add),
            ConstOp::I64Sub => binary64(&mut stack, u64::wrapping_sub),
            ConstOp::I64Mul => binary64(&mut stack, u64::wrapping_mul),
        };
        stack.push(value);
    }
    stack.pop().unwrap_or(0)
}
