//! Index newtypes: one for each index space of a module (spec section 2.5.1), and one for each "defined here" subspace.
//!
//! A `MemoryIndex` counts imported memories first; a `DefinedMemoryIndex` does not count them. The two never convert
//! silently: [`crate::module::Module`] has the conversions.

use cranelift_entity::entity_impl;
use serde::{Deserialize, Serialize};

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(u32);
        entity_impl!($name, $text);
    )*};
}

indices! {
    /// A type of the module's type section, as numbered there.
    TypeIndex "type";
    /// A function, imported ones first.
    FuncIndex "func";
    /// A function that the module defines.
    DefinedFuncIndex "dfunc";
    /// A table, imported ones first.
    TableIndex "table";
    /// A table that the module defines.
    DefinedTableIndex "dtable";
    /// A memory, imported ones first.
    MemoryIndex "memory";
    /// A memory that the module defines.
    DefinedMemoryIndex "dmemory";
    /// A global, imported ones first.
    GlobalIndex "global";
    /// A global that the module defines.
    DefinedGlobalIndex "dglobal";
    /// A tag of exceptions, imported ones first.
    TagIndex "tag";
    /// A tag that the module defines.
    DefinedTagIndex "dtag";
    /// An element segment.
    ElemIndex "elem";
    /// A data segment.
    DataIndex "data";
    /// A local of a function, parameters first.
    LocalIndex "local";
    /// An engine-wide canonical type: two structurally equal types have the same id in every module of an engine.
    TypeId "typeid";
}
