//! Types as the embedder sees them: environ's, with concrete heap types named by engine-wide ids.

use sconce_environ::index::TypeId;
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

impl fmt::Display for ExternType {
    /// `function (i32) -> (i32)`, `memory of 1 to 2 pages`, `table of 10 or more funcref`, `mutable global i32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => write!(f, "function {ty}"),
            ExternType::Table(ty) => {
                write!(f, "table of {} {}", Range(&ty.limits), ty.element)?;
                f.write_str(if ty.table64 { " with 64-bit indices" } else { "" })
            }
            ExternType::Memory(ty) => {
                write!(f, "{}memory of {} pages", if ty.shared { "shared " } else { "" }, Range(&ty.limits))?;
                if ty.page_size_log2 != 16 {
                    write!(f, " of {} bytes", ty.page_size())?;
                }
                f.write_str(if ty.memory64 { " with 64-bit indices" } else { "" })
            }
            ExternType::Global(ty) => write!(f, "{}global {}", if ty.mutable { "mutable " } else { "" }, ty.content),
        }
    }
}

struct Range<'a>(&'a types::Limits);

impl fmt::Display for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.max {
            Some(max) if max == self.0.min => write!(f, "{max}"),
            Some(max) => write!(f, "{} to {max}", self.0.min),
            None => write!(f, "{} or more", self.0.min),
        }
    }
}
