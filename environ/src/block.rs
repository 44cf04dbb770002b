//! What blocks take and give, for the compilers' control frames.

use crate::module::Module;
use crate::ops::BlockType;
use crate::types::{FuncType, ValType};
use cranelift_entity::EntityRef;

/// A list of value types that is cheap to keep in a control frame.
#[derive(Copy, Clone, Debug)]
pub enum Types<'a> {
    /// One.
    One(ValType),
    /// Any number.
    Many(&'a [ValType]),
}

impl Types<'_> {
    /// None at all.
    pub const NONE: Types<'static> = Types::Many(&[]);

    /// The types in order.
    pub fn as_slice(&self) -> &[ValType] {
        match self {
            Types::One(t) => std::slice::from_ref(t),
            Types::Many(ts) => ts,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

/// What block types of a body refer to.
#[derive(Copy, Clone, Debug)]
pub struct BlockTypes<'a> {
    module: &'a Module,
    /// Types of the body's own, whose indices follow those of the module's.
    own: &'a [FuncType],
}

impl<'a> BlockTypes<'a> {
    /// The module's types.
    pub fn of(module: &'a Module) -> BlockTypes<'a> {
        BlockTypes { module, own: &[] }
    }

    /// The module's types, and behind them the body's own.
    pub fn with(module: &'a Module, own: &'a [FuncType]) -> BlockTypes<'a> {
        BlockTypes { module, own }
    }

    /// Parameters and results of a block of this type, which must be valid here.
    pub fn get(&self, ty: BlockType) -> (Types<'a>, Types<'a>) {
        match ty {
            BlockType::Empty => (Types::NONE, Types::NONE),
            BlockType::Value(t) => (Types::NONE, Types::One(t)),
            BlockType::Func(index) => {
                let own = index.index().checked_sub(self.module.types.len());
                let f = own.map_or_else(|| self.module.func_type(index), |n| &self.own[n]);
                (Types::Many(&f.params), Types::Many(&f.results))
            }
        }
    }
}
