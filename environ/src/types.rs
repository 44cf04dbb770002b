//! Wasm types, as modules declare them (indices are the module's) and as engines know them (ids are canonical).

use crate::index::TypeIndex;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A value type (spec section 2.3.5). `R` is how a concrete heap type is named: [`TypeIndex`] inside a module,
/// [`crate::index::TypeId`] across modules.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValType<R = TypeIndex> {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Reference.
    Ref(RefType<R>),
}

/// A reference type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefType<R = TypeIndex> {
    /// Whether null belongs to it.
    pub nullable: bool,
    /// What it points to.
    pub heap: HeapType<R>,
}

/// A heap type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeapType<R = TypeIndex> {
    /// Any function.
    Func,
    /// Any host value.
    Extern,
    /// The bottom of functions.
    NoFunc,
    /// The bottom of host values.
    NoExtern,
    /// Any exception.
    Exn,
    /// The bottom of exceptions.
    NoExn,
    /// A function of one type. Objects of one type will be told apart from these here.
    ConcreteFunc(R),
}

/// How a reference is held in frames, tables and globals.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefKind {
    /// A pointer to a `VmFuncRef` (8 bytes; a table element is a `VmTableEntry`).
    Func,
    /// A 32-bit handle, counted, in stack maps.
    Handle,
}

impl<R> RefType<R> {
    /// `funcref`.
    pub const FUNCREF: Self = RefType { nullable: true, heap: HeapType::Func };
    /// `externref`.
    pub const EXTERNREF: Self = RefType { nullable: true, heap: HeapType::Extern };
    /// `exnref`.
    pub const EXNREF: Self = RefType { nullable: true, heap: HeapType::Exn };

    /// How such a reference is held.
    pub fn kind(&self) -> RefKind {
        match self.heap {
            HeapType::Func | HeapType::NoFunc | HeapType::ConcreteFunc(_) => RefKind::Func,
            HeapType::Extern | HeapType::NoExtern | HeapType::Exn | HeapType::NoExn => RefKind::Handle,
        }
    }

    /// Whether such references are handles, which are counted, and belong into stack maps.
    pub fn is_handle(&self) -> bool {
        self.kind() == RefKind::Handle
    }

    /// The same type with concrete heap types renamed.
    pub fn map<S>(self, f: &mut impl FnMut(R) -> S) -> RefType<S> {
        let heap = match self.heap {
            HeapType::Func => HeapType::Func,
            HeapType::Extern => HeapType::Extern,
            HeapType::NoFunc => HeapType::NoFunc,
            HeapType::NoExtern => HeapType::NoExtern,
            HeapType::Exn => HeapType::Exn,
            HeapType::NoExn => HeapType::NoExn,
            HeapType::ConcreteFunc(r) => HeapType::ConcreteFunc(f(r)),
        };
        RefType { nullable: self.nullable, heap }
    }
}

impl<R> ValType<R> {
    /// `funcref`.
    pub const FUNCREF: Self = ValType::Ref(RefType::FUNCREF);
    /// `externref`.
    pub const EXTERNREF: Self = ValType::Ref(RefType::EXTERNREF);
    /// `exnref`.
    pub const EXNREF: Self = ValType::Ref(RefType::EXNREF);

    /// How such a value is held, if it is a reference.
    pub fn ref_kind(&self) -> Option<RefKind> {
        match self {
            ValType::Ref(r) => Some(r.kind()),
            ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128 => None,
        }
    }

    /// Whether it is a handle, which is counted, and belongs into stack maps.
    pub fn is_handle(&self) -> bool {
        self.ref_kind() == Some(RefKind::Handle)
    }

    /// Whether it lives in a vector register, as floats do; all others live in integer registers.
    pub const fn is_float_or_vector(&self) -> bool {
        match self {
            ValType::F32 | ValType::F64 | ValType::V128 => true,
            ValType::I32 | ValType::I64 | ValType::Ref(_) => false,
        }
    }

    /// The same type with concrete heap types renamed.
    pub fn map<S>(self, f: &mut impl FnMut(R) -> S) -> ValType<S> {
        match self {
            ValType::I32 => ValType::I32,
            ValType::I64 => ValType::I64,
            ValType::F32 => ValType::F32,
            ValType::F64 => ValType::F64,
            ValType::V128 => ValType::V128,
            ValType::Ref(r) => ValType::Ref(r.map(f)),
        }
    }
}

/// A function type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FuncType<R = TypeIndex> {
    /// Parameters.
    pub params: Box<[ValType<R>]>,
    /// Results.
    pub results: Box<[ValType<R>]>,
}

impl<R: Copy> FuncType<R> {
    /// The same type with concrete heap types renamed.
    pub fn map<S>(&self, f: &mut impl FnMut(R) -> S) -> FuncType<S> {
        FuncType {
            params: self.params.iter().map(|t| t.map(f)).collect(),
            results: self.results.iter().map(|t| t.map(f)).collect(),
        }
    }
}

/// A type of the type section.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SubType<R = TypeIndex> {
    /// Whether it can have no subtypes.
    pub is_final: bool,
    /// Declared supertype.
    pub supertype: Option<R>,
    /// What it is.
    pub composite: CompositeType<R>,
}

impl<R: Copy> SubType<R> {
    /// The same type with references to other types renamed.
    pub fn map<S>(&self, f: &mut impl FnMut(R) -> S) -> SubType<S> {
        SubType { is_final: self.is_final, supertype: self.supertype.map(&mut *f), composite: self.composite.map(f) }
    }
}

/// A composite type (spec section 2.3.8).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CompositeType<R = TypeIndex> {
    /// A function.
    Func(FuncType<R>),
}

impl<R: Copy> CompositeType<R> {
    /// The function type, if it is one.
    pub fn func(&self) -> Option<&FuncType<R>> {
        match self {
            CompositeType::Func(func) => Some(func),
        }
    }

    /// The value types that it is made of.
    pub fn values(&self) -> impl Iterator<Item = &ValType<R>> {
        match self {
            CompositeType::Func(func) => func.params.iter().chain(&func.results),
        }
    }

    /// The same type with references to other types renamed.
    pub fn map<S>(&self, f: &mut impl FnMut(R) -> S) -> CompositeType<S> {
        match self {
            CompositeType::Func(func) => CompositeType::Func(func.map(f)),
        }
    }
}

/// Limits of a memory or table. Units: wasm pages, or elements.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// At the start.
    pub min: u64,
    /// At most, if declared.
    pub max: Option<u64>,
}

/// A memory type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemoryType {
    /// In pages of 2^`page_size_log2` bytes.
    pub limits: Limits,
    /// 64-bit indices.
    pub memory64: bool,
    /// Shared between threads.
    pub shared: bool,
    /// [`WASM_PAGE_LOG2`] unless custom page sizes are in use.
    pub page_size_log2: u8,
}

/// Bytes that a 32-bit index can name: no 32-bit memory grows beyond them.
pub const INDEX32_BYTES: u64 = 1 << 32;

/// A page of a memory has 2^16 bytes, unless its type says otherwise.
pub const WASM_PAGE_LOG2: u8 = 16;

impl MemoryType {
    /// Bytes in a page.
    pub fn page_size(&self) -> u64 {
        1 << self.page_size_log2
    }

    /// Whether its pages are the usual ones.
    pub fn has_wasm_pages(&self) -> bool {
        self.page_size_log2 == WASM_PAGE_LOG2
    }

    /// Bytes that it has at least.
    pub fn min_bytes(&self) -> u64 {
        self.limits.min.saturating_mul(self.page_size())
    }

    /// Bytes that it can grow to.
    pub fn max_bytes(&self) -> u64 {
        let declared = self.limits.max.map_or(u64::MAX, |max| max.saturating_mul(self.page_size()));
        if self.memory64 { declared } else { declared.min(INDEX32_BYTES) }
    }
}

/// A table type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableType<R = TypeIndex> {
    /// Element type.
    pub element: RefType<R>,
    /// In elements.
    pub limits: Limits,
    /// 64-bit indices.
    pub table64: bool,
}

/// A global type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GlobalType<R = TypeIndex> {
    /// Content type.
    pub content: ValType<R>,
    /// Whether it can be written.
    pub mutable: bool,
}

impl<R: fmt::Display> fmt::Display for HeapType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapType::Func => f.write_str("func"),
            HeapType::Extern => f.write_str("extern"),
            HeapType::NoFunc => f.write_str("nofunc"),
            HeapType::NoExtern => f.write_str("noextern"),
            HeapType::Exn => f.write_str("exn"),
            HeapType::NoExn => f.write_str("noexn"),
            HeapType::ConcreteFunc(r) => write!(f, "{r}"),
        }
    }
}

impl<R: fmt::Display> fmt::Display for RefType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, &self.heap) {
            (true, HeapType::Func) => f.write_str("funcref"),
            (true, HeapType::Extern) => f.write_str("externref"),
            (true, HeapType::Exn) => f.write_str("exnref"),
            (true, heap) => write!(f, "(ref null {heap})"),
            (false, heap) => write!(f, "(ref {heap})"),
        }
    }
}

impl<R: fmt::Display> fmt::Display for ValType<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValType::I32 => f.write_str("i32"),
            ValType::I64 => f.write_str("i64"),
            ValType::F32 => f.write_str("f32"),
            ValType::F64 => f.write_str("f64"),
            ValType::V128 => f.write_str("v128"),
            ValType::Ref(r) => r.fmt(f),
        }
    }
}

impl<R: fmt::Display> fmt::Display for FuncType<R> {
    /// `(i32, i64) -> (f32)`; no results: `() -> ()`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", ValTypes(&self.params), ValTypes(&self.results))
    }
}

/// Displays a list of types: `(i32, i64)`.
#[derive(Copy, Clone, Debug)]
pub struct ValTypes<'a, R>(pub &'a [ValType<R>]);

impl<R: fmt::Display> fmt::Display for ValTypes<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, t) in self.0.iter().enumerate() {
            write!(f, "{}{t}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

impl<R> TableType<R> {
    /// The same type with concrete heap types renamed.
    pub fn map<S>(self, f: &mut impl FnMut(R) -> S) -> TableType<S> {
        TableType { element: self.element.map(f), limits: self.limits, table64: self.table64 }
    }
}

impl<R> GlobalType<R> {
    /// The same type with concrete heap types renamed.
    pub fn map<S>(self, f: &mut impl FnMut(R) -> S) -> GlobalType<S> {
        GlobalType { content: self.content.map(f), mutable: self.mutable }
    }
}

impl fmt::Display for Limits {
    /// `1` or `1..2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max {
            None => write!(f, "{}", self.min),
            Some(max) => write!(f, "{}..{max}", self.min),
        }
    }
}

impl fmt::Display for MemoryType {
    /// `memory 1..2`, with `i64`, `shared` and the page size where they are not the usual.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory {}{}", if self.memory64 { "i64 " } else { "" }, self.limits)?;
        if self.shared {
            f.write_str(" shared")?;
        }
        if !self.has_wasm_pages() {
            write!(f, " pagesize {}", self.page_size())?;
        }
        Ok(())
    }
}

impl<R: fmt::Display> fmt::Display for TableType<R> {
    /// `table 1..2 funcref`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}{} {}", if self.table64 { "i64 " } else { "" }, self.limits, self.element)
    }
}

impl<R: fmt::Display> fmt::Display for GlobalType<R> {
    /// `global mut i32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "global {}{}", if self.mutable { "mut " } else { "" }, self.content)
    }
}
