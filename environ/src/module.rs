//! A decoded module: everything but function bodies, in index order. Serializable, since artifacts carry it.

use crate::index::*;
use crate::types::*;
use cranelift_entity::PrimaryMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// A decoded and validated module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Module {
    /// Module name, from the name section.
    pub name: Option<String>,
    /// The type section, recursion groups flattened.
    pub types: PrimaryMap<TypeIndex, SubType>,
    /// Recursion groups: ranges of `types`, in order, covering all of it.
    pub rec_groups: Vec<Range<u32>>,
    /// Imports, in order.
    pub imports: Vec<Import>,
    /// Exports, in order.
    pub exports: Vec<Export>,
    /// Types of functions, imported ones first.
    pub functions: PrimaryMap<FuncIndex, TypeIndex>,
    /// Tables, imported ones first.
    pub tables: PrimaryMap<TableIndex, TableType>,
    /// Tables that nobody can grow, though their types would allow it, in increasing order.
    pub private_tables: Vec<TableIndex>,
    /// Memories, imported ones first.
    pub memories: PrimaryMap<MemoryIndex, MemoryType>,
    /// Globals, imported ones first.
    pub globals: PrimaryMap<GlobalIndex, GlobalType>,
    /// Types of tags, imported ones first: functions without results.
    pub tags: PrimaryMap<TagIndex, TypeIndex>,
    /// How many of each space are imported.
    pub num_imported_functions: u32,
    /// Imported tables.
    pub num_imported_tables: u32,
    /// Imported memories.
    pub num_imported_memories: u32,
    /// Imported globals.
    pub num_imported_globals: u32,
    /// Imported tags.
    pub num_imported_tags: u32,
    /// Initial values of defined globals.
    pub global_inits: PrimaryMap<DefinedGlobalIndex, ConstExpr>,
    /// Initial value of every element of defined tables; `None` is null.
    pub table_inits: PrimaryMap<DefinedTableIndex, Option<ConstExpr>>,
    /// Element segments.
    pub elements: PrimaryMap<ElemIndex, ElementSegment>,
    /// Data segments.
    pub data: PrimaryMap<DataIndex, DataSegment>,
    /// Whether instructions can name data segments: there is a data count section (spec section 5.5.16), and nobody has found
    /// out that none does.
    pub data_can_be_named: bool,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// Functions whose address can be observed (exports, elements, `ref.func`, globals): those that have a record, in
    /// increasing order. [`crate::layout::VmLayout`] numbers records in this order.
    pub escaping: Vec<FuncIndex>,
    /// Names of proposals beyond 1.0 that the module uses, for `inspect`.
    pub features: Vec<String>,
    /// What the section of branch hints says, for compilers: artifacts have no use for it.
    #[serde(skip)]
    pub branch_hints: BranchHints,
}

/// Which branches are likely to be taken, by function: `br_if` and `if` (whose branch is taken where its
/// condition holds), by offset in bytes from the start of the body (the custom section
/// `metadata.code.branch_hint`).
#[derive(Clone, Debug, Default)]
pub struct BranchHints(HashMap<FuncIndex, Vec<(u32, bool)>>);

impl BranchHints {
    /// Takes a function's hints. Of two for one branch the first counts, and of two lists for one
    /// function, which the proposal does not allow.
    pub fn insert(&mut self, func: FuncIndex, hints: impl IntoIterator<Item = (u32, bool)>) {
        let Entry::Vacant(of) = self.0.entry(func) else { return };
        let mut hints: Vec<(u32, bool)> = hints.into_iter().collect();
        hints.sort_by_key(|hint| hint.0);
        hints.dedup_by_key(|hint| hint.0);
        of.insert(hints);
    }

    /// A function's hints, by increasing offset; offsets need not be those of branches.
    pub fn of(&self, func: FuncIndex) -> &[(u32, bool)] {
        self.0.get(&func).map_or(&[], Vec::as_slice)
    }
}

/// An import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// What it is.
    pub kind: EntityType,
}

/// An export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Export {
    /// Name.
    pub name: String,
    /// What it is.
    pub entity: EntityIndex,
}

/// The type of an import or export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityType {
    /// A function of this type.
    Func(TypeIndex),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag of exceptions, whose values are this type's parameters.
    Tag(TypeIndex),
}

/// An item of a module.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntityIndex {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// A tag.
    Tag(TagIndex),
}

/// A constant expression (spec section 3.4.11), in postfix order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConstExpr {
    /// The operators: mostly one, and some modules have ten thousands of expressions.
    pub ops: SmallVec<[ConstOp; 1]>,
}

/// An operator of a constant expression.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConstOp {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`: the lower half, and the upper one.
    V128([u64; 2]),
    /// `global.get`.
    GlobalGet(GlobalIndex),
    /// `ref.null` of a function or a handle type.
    RefNull(RefKind),
    /// `ref.func`.
    RefFunc(FuncIndex),
    /// `i32.add` (extended constant expressions).
    I32Add,
    /// `i32.sub`.
    I32Sub,
    /// `i32.mul`.
    I32Mul,
    /// `i64.add`.
    I64Add,
    /// `i64.sub`.
    I64Sub,
    /// `i64.mul`.
    I64Mul,
}

/// An element segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ElementSegment {
    /// Type of its elements.
    pub ty: RefType,
    /// What it holds.
    pub items: ElementItems,
    /// When it is used.
    pub mode: SegmentMode<TableIndex>,
}

/// Contents of an element segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ElementItems {
    /// Functions, none null.
    Functions(Box<[FuncIndex]>),
    /// Expressions.
    Expressions(Box<[ConstExpr]>),
}

impl ElementItems {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            ElementItems::Functions(f) => f.len(),
            ElementItems::Expressions(e) => e.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When a segment is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum SegmentMode<I> {
    /// At instantiation.
    Active {
        /// Where.
        target: I,
        /// At which offset.
        offset: ConstExpr,
    },
    /// By `memory.init` or `table.init`.
    Passive,
    /// Only declares functions (element segments); dropped at instantiation.
    Declared,
}

/// A data segment: a range of the artifact's data blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataSegment {
    /// Bytes, as a range of the concatenation of all segments (in order).
    pub bytes: Range<u32>,
    /// When it is used.
    pub mode: SegmentMode<MemoryIndex>,
}

macro_rules! defined {
    ($to:ident, $from:ident, $index:ident, $defined:ident, $num:ident) => {
        /// The index in the whole space.
        pub fn $to(&self, d: $defined) -> $index {
            $index::from_u32(self.$num + d.as_u32())
        }

        /// The index among defined ones, or `None` for an import.
        pub fn $from(&self, i: $index) -> Option<$defined> {
            i.as_u32().checked_sub(self.$num).map($defined::from_u32)
        }
    };
}

impl Module {
    defined!(func_index, defined_func, FuncIndex, DefinedFuncIndex, num_imported_functions);
    defined!(table_index, defined_table, TableIndex, DefinedTableIndex, num_imported_tables);
    defined!(memory_index, defined_memory, MemoryIndex, DefinedMemoryIndex, num_imported_memories);
    defined!(tag_index, defined_tag, TagIndex, DefinedTagIndex, num_imported_tags);
    defined!(global_index, defined_global, GlobalIndex, DefinedGlobalIndex, num_imported_globals);

    /// The function type at `index`.
    ///
    /// # Panics
    /// If it is not a function type: validation has excluded that wherever a function type is needed.
    pub fn func_type(&self, index: TypeIndex) -> &FuncType {
        self.types[index].composite.func().expect("a function type")
    }

    /// Whether a table always has its initial size, and so its place.
    pub fn table_is_fixed(&self, table: TableIndex) -> bool {
        let limits = &self.tables[table].limits;
        limits.max == Some(limits.min) || self.private_tables.binary_search(&table).is_ok()
    }

    /// The type of a function.
    pub fn type_of(&self, func: FuncIndex) -> &FuncType {
        self.func_type(self.functions[func])
    }

    /// The values that exceptions with a tag carry.
    pub fn tag_values(&self, tag: TagIndex) -> &[ValType] {
        &self.func_type(self.tags[tag]).params
    }

    /// How many functions are defined here.
    pub fn num_defined_functions(&self) -> usize {
        self.functions.len() - self.num_imported_functions as usize
    }

    /// The type of an item.
    pub fn entity_type(&self, entity: EntityIndex) -> EntityType {
        match entity {
            EntityIndex::Func(i) => EntityType::Func(self.functions[i]),
            EntityIndex::Table(i) => EntityType::Table(self.tables[i]),
            EntityIndex::Memory(i) => EntityType::Memory(self.memories[i]),
            EntityIndex::Global(i) => EntityType::Global(self.globals[i]),
            EntityIndex::Tag(i) => EntityType::Tag(self.tags[i]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hint_counts_and_the_first_list() {
        let (mut hints, [f, g]) = (BranchHints::default(), [0, 1].map(FuncIndex::from_u32));
        hints.insert(f, [(9, true), (4, false), (9, false), (7, true), (4, true)]);
        hints.insert(f, [(1, true), (4, true)]);
        assert_eq!((hints.of(f), hints.of(g)), (&[(4, false), (7, true), (9, true)][..], &[][..]));
    }
}
