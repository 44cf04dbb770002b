//! What blocks take and give, for the compilers' control frames.

use crate::module::Module;
use crate::ops::BlockType;
use crate::types::ValType;

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

/// Parameters and results of a block of this type, which must be valid in `module`.
pub fn block_types(module: &Module, ty: BlockType) -> (Types<'_>, Types<'_>) {
    match ty {
        BlockType::Empty => (Types::NONE, Types::NONE),
        BlockType::Value(t) => (Types::NONE, Types::One(t)),
        BlockType::Func(index) => {
            let f = module.func_type(index);
            (Types::Many(&f.params), Types::Many(&f.results))
        }
    }
}
