//! Types as the embedder sees them: environ's, with concrete heap types named by engine-wide ids.

use sconce_environ::index::TypeId;
use sconce_environ::registry::{self, TypeRegistry};
use sconce_environ::types;
use std::fmt;

/// A value type.
pub type ValType = types::ValType<TypeId>;
/// A reference type.
pub type RefType = types::RefType<TypeId>;
/// A heap type.
pub type HeapType = types::HeapType<TypeId>;
/// A function type: `FuncType { params, results }`; displays as `(i32, i64) -> (f32)`.
pub type FuncType = types::FuncType<TypeId>;
/// A table type.
pub type TableType = types::TableType<TypeId>;
/// A global type.
pub type GlobalType = types::GlobalType<TypeId>;
pub use types::MemoryType;

/// The type of something that can be imported or exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag, whose values are the type's parameters.
    Tag(FuncType),
}

/// An import of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportType {
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// What is wanted.
    pub ty: ExternType,
}

/// An export of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportType {
    /// Name.
    pub name: String,
    /// What it is.
    pub ty: ExternType,
}

/// A type with function types spelled out.
pub(crate) fn extern_type(types: &TypeRegistry, ty: &registry::ExternType) -> ExternType {
    match *ty {
        registry::ExternType::Func(id) => ExternType::Func(types.func_type(id).clone()),
        registry::ExternType::Table(ty) => ExternType::Table(ty),
        registry::ExternType::Memory(ty) => ExternType::Memory(ty),
        registry::ExternType::Global(ty) => ExternType::Global(ty),
        registry::ExternType::Tag(id) => ExternType::Tag(types.func_type(id).clone()),
    }
}

impl fmt::Display for ExternType {
    /// `func (i32) -> (i32)`, `memory 1..2`, `table 10 funcref`, `global mut i32`, `tag (i32)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => write!(f, "func {ty}"),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
            ExternType::Tag(ty) => write!(f, "tag {}", types::ValTypes(&ty.params)),
        }
    }
}
