//! What programs consist of: a tree, which is both encoded and executed.

use crate::case::Proposals;
use crate::value::{Type, Value};
use wasm_encoder::{HeapType, RefType, ValType};

/// A type of values.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// Any that others know.
    Plain(Type),
    /// A reference to [`CALLEE`] that is never null: what has no default.
    Callee,
}

/// The type of functions that references of type [`Ty::Callee`] refer to, the first of the module; it is the first function's.
pub const CALLEE: u32 = 0;

impl Ty {
    /// For the encoder.
    pub fn encoded(self) -> ValType {
        match self {
            Ty::Plain(Type::I32) => ValType::I32,
            Ty::Plain(Type::I64) => ValType::I64,
            Ty::Plain(Type::F32) => ValType::F32,
            Ty::Plain(Type::F64) => ValType::F64,
            Ty::Plain(Type::V128) => ValType::V128,
            Ty::Plain(Type::Func) => ValType::FUNCREF,
            Ty::Plain(Type::Extern) => ValType::EXTERNREF,
            Ty::Plain(Type::Exn) => ValType::EXNREF,
            Ty::Callee => ValType::Ref(RefType { nullable: false, heap_type: HeapType::Concrete(CALLEE) }),
        }
    }
}

/// Parameters and results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    /// What it takes.
    pub params: Vec<Ty>,
    /// What it gives.
    pub results: Vec<Ty>,
}

/// Something that catches, with its body.
#[derive(Clone, Debug)]
pub struct Clause {
    /// What it catches; `None` is everything.
    pub tag: Option<u32>,
    /// What it does, with the exception's values.
    pub body: Vec<Op>,
}

/// How an old `try` ends.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With clauses, of which there may be none.
    Catches(Vec<Clause>),
    /// By handing exceptions to a label, counted from outside of the `try`.
    Delegate(u32),
}

/// A clause of a `try_table`.
#[derive(Clone, Debug)]
pub struct Catch {
    /// What it catches; `None` is everything.
    pub tag: Option<u32>,
    /// Whether the exception comes with its values.
    pub with_exception: bool,
    /// To which label, counted from outside of the `try_table`.
    pub label: u32,
}

/// What a structure does besides having a label.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `block`.
    Block,
    /// So many nested `block`s without parameters or results.
    Blocks(u32),
    /// `loop`: its label is its beginning.
    Loop,
    /// `if` with what is behind `else`.
    If(Option<Vec<Op>>),
    /// `try` as it was.
    Try(Ending),
    /// `try_table`.
    TryTable(Vec<Catch>),
}

/// An operator, or a few that belong together.
#[derive(Clone, Debug)]
pub enum Op {
    /// A constant; null for references, except for [`Value::Func`] that is set: the first function.
    Const(Value),
    /// The first function as a [`Ty::Callee`].
    Callee,
    /// Reads a local.
    Get(u32),
    /// Writes a local.
    Set(u32),
    /// Writes a local and keeps the value.
    Tee(u32),
    /// Consumes a value.
    Drop,
    /// Consumes a value, on which the hash depends then.
    Mix(Ty),
    /// Moves the hash on and pushes whether some of its bits are 0: once in `1 << bits` times.
    Chance {
        /// Added to the hash.
        salt: u32,
        /// How many.
        bits: u32,
    },
    /// Decrements a local and pushes whether it is positive: ends loops.
    Count(u32),
    /// Tells a host function an i32.
    Note,
    /// Has a host function fail, if the i32 is negative: that is caught by nobody.
    Fail,
    /// A structure of this type.
    Within(Signature, Kind, Vec<Op>),
    /// A branch.
    Br(u32),
    /// A branch, if the i32 is not 0.
    BrIf(u32),
    /// A jump table and its default.
    BrTable(Vec<u32>, u32),
    /// Leaves the function.
    Return,
    /// Calls a function.
    Call(u32),
    /// Calls a function by its place in the table.
    CallIndirect(u32),
    /// Calls a function in place of this one.
    ReturnCall(u32),
    /// Throws a new exception.
    Throw(u32),
    /// Throws an exception that there is, or traps.
    ThrowRef,
    /// Throws the exception again that the clause of this label caught.
    Rethrow(u32),
    /// Traps.
    Unreachable,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its type.
    pub signature: Signature,
    /// Its locals that are no parameters.
    pub locals: Vec<Ty>,
    /// What it does.
    pub body: Vec<Op>,
    /// What its entry passes: the entry's own locals are a number and a host reference.
    pub args: Vec<Op>,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it may use.
    pub proposals: Proposals,
    /// What exceptions of each tag carry.
    pub tags: Vec<Vec<Ty>>,
    /// The functions. Each has an entry, which the host calls.
    pub functions: Vec<Function>,
}

/// Calls of the program's functions for each of the host's.
pub const FUEL: u32 = 40;
/// What the hash is multiplied by.
pub const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bits of the hash that chance looks at begin here.
pub const CHANCE_SHIFT: u32 = 40;
