//! Linear memories: loads, stores, size.

use crate::address::Address;
use crate::translate::Translator;
use crate::vector::lane_shape;
use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::ops::*;

pub(crate) fn load(t: &mut Translator<'_>, load: Load, arg: MemArg) {
    let Some(at) = t.address(arg, load.size()) else { return };
    let value = match load {
        Load::I32 => t.read(at, Opcode::Load, I32),
        Load::I64 => t.read(at, Opcode::Load, I64),
        Load::F32 => t.read(at, Opcode::Load, F32),
        Load::F64 => t.read(at, Opcode::Load, F64),
        Load::V128 => t.read(at, Opcode::Load, I8X16),
        Load::I32Load8(Sign::S) => t.read(at, Opcode::Sload8, I32),
        Load::I32Load8(Sign::U) => t.read(at, Opcode::Uload8, I32),
        Load::I32Load16(Sign::S) => t.read(at, Opcode::Sload16, I32),
        Load::I32Load16(Sign::U) => t.read(at, Opcode::Uload16, I32),
        Load::I64Load8(Sign::S) => t.read(at, Opcode::Sload8, I64),
        Load::I64Load8(Sign::U) => t.read(at, Opcode::Uload8, I64),
        Load::I64Load16(Sign::S) => t.read(at, Opcode::Sload16, I64),
        Load::I64Load16(Sign::U) => t.read(at, Opcode::Uload16, I64),
        Load::I64Load32(Sign::S) => t.read(at, Opcode::Sload32, I64),
        Load::I64Load32(Sign::U) => t.read(at, Opcode::Uload32, I64),
        // These are typed by their address.
        Load::V128Extend(NarrowLane::B1, Sign::S) => t.read(at, Opcode::Sload8x8, I64),
        Load::V128Extend(NarrowLane::B1, Sign::U) => t.read(at, Opcode::Uload8x8, I64),
        Load::V128Extend(NarrowLane::B2, Sign::S) => t.read(at, Opcode::Sload16x4, I64),
        Load::V128Extend(NarrowLane::B2, Sign::U) => t.read(at, Opcode::Uload16x4, I64),
        Load::V128Extend(NarrowLane::B4, Sign::S) => t.read(at, Opcode::Sload32x2, I64),
        Load::V128Extend(NarrowLane::B4, Sign::U) => t.read(at, Opcode::Uload32x2, I64),
        Load::V128Splat(lane) => {
            let shape = lane_shape(lane);
            let scalar = t.read(at, Opcode::Load, shape.lane_type());
            t.builder.ins().splat(shape, scalar)
        }
        Load::V128Zero(lane) => {
            let shape = lane_shape(lane);
            let scalar = t.read(at, Opcode::Load, shape.lane_type());
            t.builder.ins().scalar_to_vector(shape, scalar)
        }
    };
    t.push(value);
}

pub(crate) fn store(t: &mut Translator<'_>, store: Store, arg: MemArg) {
    let value = t.pop();
    let Some(at) = t.address(arg, store.size()) else { return };
    match store {
        Store::I32 | Store::I64 | Store::F32 | Store::F64 | Store::V128 => t.write(at, Opcode::Store, value),
        Store::I32Store8 | Store::I64Store8 => t.write(at, Opcode::Istore8, value),
        Store::I32Store16 | Store::I64Store16 => t.write(at, Opcode::Istore16, value),
        Store::I64Store32 => t.write(at, Opcode::Istore32, value),
    }
}

pub(crate) fn load_lane(t: &mut Translator<'_>, lane: Lane, arg: MemArg, index: u8) {
    let shape = lane_shape(lane);
    let vector = t.pop_as(shape);
    let Some(at) = t.address(arg, lane.size()) else { return };
    let scalar = t.read(at, Opcode::Load, shape.lane_type());
    let value = t.builder.ins().insertlane(vector, scalar, index);
    t.push(value);
}

pub(crate) fn store_lane(t: &mut Translator<'_>, lane: Lane, arg: MemArg, index: u8) {
    let vector = t.pop_as(lane_shape(lane));
    let Some(at) = t.address(arg, lane.size()) else { return };
    let scalar = t.builder.ins().extractlane(vector, index);
    t.write(at, Opcode::Store, scalar);
}

pub(crate) fn memory_size(t: &mut Translator<'_>, memory: MemoryIndex) {
    let ty = t.env.module.memories[memory];
    let length = t.memory_length(memory);
    let pages = t.builder.ins().ushr_imm_u(length, i64::from(ty.page_size_log2));
    t.push_index(pages, ty.memory64);
}

pub(crate) fn memory_grow(t: &mut Translator<'_>, memory: MemoryIndex) {
    let pages = t.pop();
    let (number, pages) = (t.index_argument(memory.as_u32()), t.extend_index(pages));
    let before = t.builtin(Builtin::MemoryGrow, &[number, pages]).expect("it has a result");
    t.push_index(before, t.env.module.memories[memory].memory64);
}

impl Translator<'_> {
    pub(crate) fn read(&mut self, at: Address, op: Opcode, ty: Type) -> Value {
        self.load_with(op, ty, at.flags, at.base, at.offset)
    }

    pub(crate) fn write(&mut self, at: Address, op: Opcode, value: Value) {
        self.store_with(op, at.flags, value, at.base, at.offset);
    }
}
