//! What is known of integers without running the program: how large they can be.
//!
//! Programs mask an index, take a remainder or load a byte before they index by it. Where that cannot lead
//! outside, nothing is compared, and nothing can be misspeculated either: the bound is in the data.

use cranelift_codegen::ir::{DataFlowGraph, InstructionData, Opcode, Value};

/// Instructions that are looked through.
const DEPTH: u32 = 4;

/// The largest unsigned value that an integer of at most 64 bits can have.
pub(crate) fn largest(dfg: &DataFlowGraph, value: Value) -> u64 {
    bounded(dfg, value, DEPTH)
}

/// Of a constant, its value.
pub(crate) fn constant(dfg: &DataFlowGraph, value: Value) -> Option<u64> {
    let InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } = dfg.insts[dfg.value_def(value).inst()?] else { return None };
    Some(imm.zero_extend_from_width(dfg.value_type(value).bits()).bits().cast_unsigned())
}

fn bounded(dfg: &DataFlowGraph, value: Value, depth: u32) -> u64 {
    let bits = dfg.value_type(value).bits();
    let all = u64::MAX >> (64 - bits);
    let Some(inst) = dfg.value_def(value).inst().filter(|_| depth > 0) else { return all };
    let of = |value| bounded(dfg, value, depth - 1);
    let known = match dfg.insts[inst] {
        InstructionData::UnaryImm { opcode: Opcode::Iconst, .. } => constant(dfg, value),
        InstructionData::Unary { opcode: Opcode::Uextend | Opcode::Ireduce, arg } => Some(of(arg)),
        InstructionData::Load { opcode: Opcode::Uload8, .. } => Some(u8::MAX.into()),
        InstructionData::Load { opcode: Opcode::Uload16, .. } => Some(u16::MAX.into()),
        InstructionData::Load { opcode: Opcode::Uload32, .. } => Some(u32::MAX.into()),
        InstructionData::IntCompare { .. } | InstructionData::FloatCompare { .. } => Some(1),
        InstructionData::Binary { opcode, args: [a, b] } => match opcode {
            Opcode::Band => Some(of(a).min(of(b))),
            Opcode::Urem => constant(dfg, b).and_then(|divisor| divisor.checked_sub(1)),
            Opcode::Udiv => constant(dfg, b).and_then(|divisor| of(a).checked_div(divisor)),
            // The distance is taken modulo the width.
            Opcode::Ushr => constant(dfg, b).map(|distance| of(a) >> (distance % u64::from(bits))),
            _ => None,
        },
        _ => None,
    };
    // What is cut off is gone: a wider bound says nothing.
    known.filter(|&known| known <= all).unwrap_or(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::cursor::{Cursor, FuncCursor};
    use cranelift_codegen::ir::condcodes::IntCC;
    use cranelift_codegen::ir::types::{I8, I16, I32, I64};
    use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, MemFlagsData};

    #[test]
    fn bounds_follow_from_what_made_a_value() {
        let mut func = Function::new();
        func.signature.params.push(AbiParam::new(I32));
        let block = func.dfg.make_block();
        let (x, y) = (func.dfg.append_block_param(block, I32), func.dfg.append_block_param(block, I64));
        func.layout.append_block(block);
        let flags = MemFlagsData::trusted();
        let mut at = FuncCursor::new(&mut func).at_bottom(block);
        let n = |at: &mut FuncCursor<'_>, n: i64| at.ins().iconst(I32, n);
        let cases = [
            (x, u32::MAX.into()),
            (y, u64::MAX),
            (n(&mut at, 0), 0),
            // As 32 bits.
            (n(&mut at, 0xffff_ffff), u32::MAX.into()),
            (
                {
                    let m = n(&mut at, 63);
                    at.ins().band(x, m)
                },
                63,
            ),
            (
                {
                    let m = n(&mut at, 63);
                    at.ins().band(m, x)
                },
                63,
            ),
            (
                {
                    let m = n(&mut at, 63);
                    at.ins().bor(x, m)
                },
                u32::MAX.into(),
            ),
            (
                {
                    let m = n(&mut at, 10);
                    at.ins().urem(x, m)
                },
                9,
            ),
            (
                {
                    let m = n(&mut at, 0);
                    at.ins().urem(x, m)
                },
                u32::MAX.into(),
            ),
            (
                {
                    let m = n(&mut at, 10);
                    at.ins().srem(x, m)
                },
                u32::MAX.into(),
            ),
            (
                {
                    let m = n(&mut at, 10);
                    at.ins().urem(m, x)
                },
                u32::MAX.into(),
            ),
            (
                {
                    let m = n(&mut at, 1 << 16);
                    at.ins().udiv(x, m)
                },
                0xffff,
            ),
            (
                {
                    let m = n(&mut at, 0);
                    at.ins().udiv(x, m)
                },
                u32::MAX.into(),
            ),
            (
                {
                    let m = n(&mut at, 24);
                    at.ins().ushr(x, m)
                },
                0xff,
            ),
            (
                {
                    let m = n(&mut at, 32 + 24);
                    at.ins().ushr(x, m)
                },
                0xff,
            ),
            (
                {
                    let m = n(&mut at, 24);
                    at.ins().sshr(x, m)
                },
                u32::MAX.into(),
            ),
            (at.ins().uload8(I32, flags, y, 0), 0xff),
            (at.ins().uload16(I64, flags, y, 0), 0xffff),
            (at.ins().uload32(flags, y, 0), u32::MAX.into()),
            (at.ins().sload8(I32, flags, y, 0), u32::MAX.into()),
            (at.ins().uextend(I64, x), u32::MAX.into()),
            (
                {
                    let c = at.ins().icmp(IntCC::Equal, x, x);
                    at.ins().uextend(I32, c)
                },
                1,
            ),
            // Cut off: of 16 bits, all.
            (at.ins().ireduce(I16, x), u16::MAX.into()),
            (
                {
                    let m = n(&mut at, 63);
                    let m = at.ins().band(x, m);
                    at.ins().ireduce(I8, m)
                },
                63,
            ),
            (
                {
                    let m = n(&mut at, 0x1ff);
                    let m = at.ins().band(x, m);
                    at.ins().ireduce(I8, m)
                },
                u8::MAX.into(),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(largest(&func.dfg, value), expected, "{}", func.dfg.display_value_inst(value));
        }
    }
}
