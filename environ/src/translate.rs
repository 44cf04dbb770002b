//! From wasmparser's types to this crate's.
//!
//! Whatever the enabled proposals allow has a translation; what belongs to other proposals is [`Unsupported`], which
//! validation has excluded before.

use crate::index::TypeIndex;
use crate::types::*;
use wasmparser::{AbstractHeapType, UnpackedIndex};

/// A type of a proposal that is not supported, named as in the text form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the type `{0}` belongs to a proposal that is not supported")]
pub struct Unsupported(pub String);

/// A value type.
///
/// # Errors
/// For types of proposals that are not enabled.
#[inline]
pub fn val_type(ty: wasmparser::ValType) -> Result<ValType, Unsupported> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(r) => ValType::Ref(ref_type(r)?),
    })
}

/// A reference type.
///
/// # Errors
/// For types of proposals that are not enabled.
pub fn ref_type(ty: wasmparser::RefType) -> Result<RefType, Unsupported> {
    Ok(RefType { nullable: ty.is_nullable(), heap: heap_type(ty.heap_type())? })
}

/// A heap type.
///
/// # Errors
/// For types of proposals that are not enabled.
pub fn heap_type(ty: wasmparser::HeapType) -> Result<HeapType, Unsupported> {
    match ty {
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Func } => Ok(HeapType::Func),
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Extern } => Ok(HeapType::Extern),
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::NoFunc } => Ok(HeapType::NoFunc),
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::NoExtern } => Ok(HeapType::NoExtern),
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::Exn } => Ok(HeapType::Exn),
        wasmparser::HeapType::Abstract { shared: false, ty: AbstractHeapType::NoExn } => Ok(HeapType::NoExn),
        // A function's: modules that declare other types are refused.
        wasmparser::HeapType::Concrete(UnpackedIndex::Module(i)) => Ok(HeapType::ConcreteFunc(TypeIndex::from_u32(i))),
        other => Err(Unsupported(heap_name(other))),
    }
}

/// `any`, as the text form has it.
fn heap_name(ty: wasmparser::HeapType) -> String {
    let name = wasmparser::RefType::new(false, ty).map(|r| r.to_string());
    let name = name.unwrap_or_else(|| format!("{ty:?}"));
    name.strip_prefix("(ref ").and_then(|n| n.strip_suffix(')')).map_or(name.clone(), str::to_owned)
}

/// A function type.
///
/// # Errors
/// For types of proposals that are not enabled.
pub fn func_type(ty: &wasmparser::FuncType) -> Result<FuncType, Unsupported> {
    Ok(FuncType {
        params: ty.params().iter().map(|&t| val_type(t)).collect::<Result<_, _>>()?,
        results: ty.results().iter().map(|&t| val_type(t)).collect::<Result<_, _>>()?,
    })
}

/// A memory type.
pub fn memory_type(ty: &wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        limits: Limits { min: ty.initial, max: ty.maximum },
        memory64: ty.memory64,
        shared: ty.shared,
        // Validation allows 0 and 16 alone.
        page_size_log2: ty.page_size_log2.map_or(WASM_PAGE_LOG2, |log2| log2.min(WASM_PAGE_LOG2.into()) as u8),
    }
}

/// A table type.
///
/// # Errors
/// For types of proposals that are not enabled.
pub fn table_type(ty: &wasmparser::TableType) -> Result<TableType, Unsupported> {
    Ok(TableType {
        element: ref_type(ty.element_type)?,
        limits: Limits { min: ty.initial, max: ty.maximum },
        table64: ty.table64,
    })
}

/// A global's type.
///
/// # Errors
/// For types of proposals that are not enabled.
pub fn global_type(ty: wasmparser::GlobalType) -> Result<GlobalType, Unsupported> {
    Ok(GlobalType { content: val_type(ty.content_type)?, mutable: ty.mutable })
}
