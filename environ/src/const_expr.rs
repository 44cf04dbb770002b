//! Evaluation of constant expressions (spec section 3.4.11).

use crate::index::*;
use crate::meaning::int_binary;
use crate::module::{ConstExpr, ConstOp};
use crate::ops::{IntBinary, IntWidth};
use smallvec::SmallVec;

/// What a constant expression can refer to. Values are bits, in the low end of 128 ([`crate::vm::VmGlobal`] holds the same).
pub trait ConstContext {
    /// The value of a global.
    fn global(&mut self, global: GlobalIndex) -> u128;
    /// A reference to a function.
    fn func_ref(&mut self, func: FuncIndex) -> u128;
}

/// The value of a constant expression, as bits; null references are 0. `None` for an expression that validation rejects.
pub fn eval(expr: &ConstExpr, context: &mut impl ConstContext) -> Option<u128> {
    let mut stack = SmallVec::<[u128; 4]>::new();
    for op in &expr.ops {
        let value = match *op {
            ConstOp::I32(value) => value as u32 as u128,
            ConstOp::I64(value) => value as u64 as u128,
            ConstOp::F32(bits) => bits.into(),
            ConstOp::F64(bits) => bits.into(),
            ConstOp::V128([low, high]) => u128::from(high) << 64 | u128::from(low),
            ConstOp::GlobalGet(global) => context.global(global),
            ConstOp::RefNull(_) => 0,
            ConstOp::RefFunc(func) => context.func_ref(func),
            ConstOp::I32Add => binary(&mut stack, IntWidth::W32, IntBinary::Add)?,
            ConstOp::I32Sub => binary(&mut stack, IntWidth::W32, IntBinary::Sub)?,
            ConstOp::I32Mul => binary(&mut stack, IntWidth::W32, IntBinary::Mul)?,
            ConstOp::I64Add => binary(&mut stack, IntWidth::W64, IntBinary::Add)?,
            ConstOp::I64Sub => binary(&mut stack, IntWidth::W64, IntBinary::Sub)?,
            ConstOp::I64Mul => binary(&mut stack, IntWidth::W64, IntBinary::Mul)?,
        };
        stack.push(value);
    }
    let value = stack.pop()?;
    stack.is_empty().then_some(value)
}

fn binary(stack: &mut SmallVec<[u128; 4]>, width: IntWidth, op: IntBinary) -> Option<u128> {
    let (b, a) = (stack.pop()?, stack.pop()?);
    Some(int_binary(width, op, a as u64, b as u64).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RefKind;

    struct Context;

    impl ConstContext for Context {
        fn global(&mut self, global: GlobalIndex) -> u128 {
            u128::from(global.as_u32()) + 100
        }

        fn func_ref(&mut self, func: FuncIndex) -> u128 {
            u128::from(func.as_u32()) + 1000
        }
    }

    fn value(ops: &[ConstOp]) -> Option<u128> {
        eval(&ConstExpr { ops: ops.into() }, &mut Context)
    }

    #[test]
    fn values() {
        assert_eq!(value(&[ConstOp::I32(-1)]), Some(0xffff_ffff));
        assert_eq!(value(&[ConstOp::I64(-1)]), Some(u64::MAX.into()));
        assert_eq!(value(&[ConstOp::F32(0x8000_0000)]), Some(0x8000_0000));
        assert_eq!(value(&[ConstOp::V128([1, 2])]), Some(1 | 2 << 64));
        assert_eq!(value(&[ConstOp::RefNull(RefKind::Func)]), Some(0));
        assert_eq!(value(&[ConstOp::GlobalGet(GlobalIndex::from_u32(7))]), Some(107));
        assert_eq!(value(&[ConstOp::RefFunc(FuncIndex::from_u32(7))]), Some(1007));
        // 2 - 3 wraps in 32 bits; (2 - 3) * 5 + 1 in 64.
        assert_eq!(value(&[ConstOp::I32(2), ConstOp::I32(3), ConstOp::I32Sub]), Some(0xffff_ffff));
        let ops = [
            ConstOp::I64(2),
            ConstOp::I64(3),
            ConstOp::I64Sub,
            ConstOp::I64(5),
            ConstOp::I64Mul,
            ConstOp::I64(1),
            ConstOp::I64Add,
        ];
        assert_eq!(value(&ops), Some(u128::from(-4i64 as u64)));
        let ops = [ConstOp::I32(i32::MAX), ConstOp::I32(2), ConstOp::I32Mul, ConstOp::I32(3), ConstOp::I32Add];
        assert_eq!(value(&ops), Some(1));
    }

    #[test]
    fn what_validation_rejects_has_no_value() {
        assert_eq!(value(&[]), None);
        assert_eq!(value(&[ConstOp::I32(1), ConstOp::I32Add]), None);
        assert_eq!(value(&[ConstOp::I32(1), ConstOp::I32(1)]), None);
    }
}
