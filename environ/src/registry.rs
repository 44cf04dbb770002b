//! Engine-wide canonical types: one [`TypeId`] for each type, in whatever module it is written.
//!
//! Types are equal as the GC proposal has it (spec section 3.1.3, iso-recursively): recursion groups are the unit. A group
//! is interned with its inner references as positions in the group and its outer ones as ids, so that equal groups are
//! equal keys, and the n-th types of equal groups are one type. A type outside `rec` is a group of one.
//!
//! Invariants: an id never changes or goes away while its engine lives; a type's supertypes have smaller ids than it. Ids
//! are what tables, function records and imports are checked by, so a call of a function in another module, or of the
//! host, compares two integers.

use crate::index::{TypeId, TypeIndex};
use crate::module::{EntityType, Module};
use crate::types::*;
use cranelift_entity::PrimaryMap;
use std::collections::HashMap;
use std::fmt;

/// How a type of a group refers to another type.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Reference {
    /// To the type at this position of the same group.
    Inside(u32),
    /// To a type of a group that is known already.
    Outside(TypeId),
}

#[derive(Debug)]
struct Entry {
    ty: SubType<TypeId>,
    /// From the root to the type itself.
    display: Box<[TypeId]>,
}

/// The types that an engine knows.
#[derive(Debug, Default)]
pub struct TypeRegistry {
    types: PrimaryMap<TypeId, Entry>,
    /// The id of each group's first type; the others follow it.
    groups: HashMap<Box<[SubType<Reference>]>, TypeId>,
}

/// The type of something that crosses modules: an import, an export, an item of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(TypeId),
    /// A table. Of an item of a store: with its current size as minimum.
    Table(TableType<TypeId>),
    /// A memory. Of an item of a store: with its current size as minimum.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType<TypeId>),
    /// A tag, whose values are this function type's parameters.
    Tag(TypeId),
}

impl ExternType {
    /// The type of a module's import or export; `id` gives what [`TypeRegistry::register`] gave for each of the module's types.
    pub fn new(ty: &EntityType, mut id: impl FnMut(TypeIndex) -> TypeId) -> ExternType {
        match *ty {
            EntityType::Func(index) => ExternType::Func(id(index)),
            EntityType::Table(ty) => ExternType::Table(ty.map(&mut id)),
            EntityType::Memory(ty) => ExternType::Memory(ty),
            EntityType::Global(ty) => ExternType::Global(ty.map(&mut id)),
            EntityType::Tag(index) => ExternType::Tag(id(index)),
        }
    }
}

impl TypeRegistry {
    /// A registry that knows no type.
    pub fn new() -> TypeRegistry {
        TypeRegistry::default()
    }

    /// Makes a module's types known; gives the id of each.
    ///
    /// # Panics
    /// If the module has not been validated.
    pub fn register(&mut self, module: &Module) -> PrimaryMap<TypeIndex, TypeId> {
        let mut ids = PrimaryMap::with_capacity(module.types.len());
        for range in &module.rec_groups {
            let refer = |index: TypeIndex| match index.as_u32().checked_sub(range.start) {
                Some(position) => Reference::Inside(position),
                None => Reference::Outside(ids[index]),
            };
            let group = range.clone().map(|i| module.types[TypeIndex::from_u32(i)].map(&mut { refer })).collect();
            let first = self.intern(group);
            for position in 0..range.len() as u32 {
                ids.push(TypeId::from_u32(first.as_u32() + position));
            }
        }
        ids
    }

    /// The id of a function type that the host made: final, without supertype, a group of its own, as a function type that
    /// a module writes without `rec` and `sub`.
    pub fn register_func(&mut self, ty: &FuncType<TypeId>) -> TypeId {
        let composite = CompositeType::Func(ty.map(&mut Reference::Outside));
        self.intern([SubType { is_final: true, supertype: None, composite }].into())
    }

    /// The id of a group's first type.
    fn intern(&mut self, group: Box<[SubType<Reference>]>) -> TypeId {
        let first = self.types.next_key();
        if let Some(&known) = self.groups.get(&group) {
            return known;
        }
        let mut id = |reference| match reference {
            Reference::Inside(position) => TypeId::from_u32(first.as_u32() + position),
            Reference::Outside(id) => id,
        };
        for ty in &group {
            let ty = ty.map(&mut id);
            let ancestors: &[TypeId] = ty.supertype.map_or(&[], |s| &self.types[s].display);
            let display = ancestors.iter().copied().chain([self.types.next_key()]).collect();
            self.types.push(Entry { ty, display });
        }
        self.groups.insert(group, first);
        first
    }

    /// How many types are known.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether no type is known.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// A type.
    ///
    /// # Panics
    /// If the id is another registry's.
    pub fn get(&self, id: TypeId) -> &SubType<TypeId> {
        &self.types[id].ty
    }

    /// A function type.
    ///
    /// # Panics
    /// If the id is another registry's, or not a function type's.
    pub fn func_type(&self, id: TypeId) -> &FuncType<TypeId> {
        self.get(id).composite.func().expect("a function type")
    }

    /// The supertypes of a type, from the root to the type itself: `a` is a subtype of `b` if `a`'s display has `b` at the
    /// position where `b`'s ends.
    ///
    /// # Panics
    /// If the id is another registry's.
    pub fn display(&self, id: TypeId) -> &[TypeId] {
        &self.types[id].display
    }

    /// Whether `sub` is `sup` or one of its declared subtypes.
    pub fn is_subtype(&self, sub: TypeId, sup: TypeId) -> bool {
        sub == sup || self.display(sub).get(self.display(sup).len() - 1) == Some(&sup)
    }

    /// Whether a heap type matches another (spec section 3.3.4).
    pub fn heap_matches(&self, sub: HeapType<TypeId>, sup: HeapType<TypeId>) -> bool {
        match (sub, sup) {
            (HeapType::ConcreteFunc(sub), HeapType::ConcreteFunc(sup)) => self.is_subtype(sub, sup),
            (HeapType::ConcreteFunc(_) | HeapType::NoFunc, HeapType::Func) => true,
            (HeapType::NoFunc, HeapType::ConcreteFunc(_)) => true,
            (HeapType::NoExtern, HeapType::Extern) | (HeapType::NoExn, HeapType::Exn) => true,
            (sub, sup) => sub == sup,
        }
    }

    /// Whether a reference type matches another (spec section 3.3.5).
    pub fn ref_matches(&self, sub: RefType<TypeId>, sup: RefType<TypeId>) -> bool {
        (!sub.nullable || sup.nullable) && self.heap_matches(sub.heap, sup.heap)
    }

    /// Whether a value type matches another (spec section 3.3.6).
    pub fn val_matches(&self, sub: ValType<TypeId>, sup: ValType<TypeId>) -> bool {
        match (sub, sup) {
            (ValType::Ref(sub), ValType::Ref(sup)) => self.ref_matches(sub, sup),
            (sub, sup) => sub == sup,
        }
    }

    /// Whether something of type `sub` serves where `sup` is imported (spec section 3.3.13).
    pub fn matches(&self, sub: &ExternType, sup: &ExternType) -> bool {
        match (sub, sup) {
            (ExternType::Func(sub), ExternType::Func(sup)) => self.is_subtype(*sub, *sup),
            // Both are read and written, so what they hold must be the same both ways.
            (ExternType::Table(sub), ExternType::Table(sup)) => {
                sub.table64 == sup.table64
                    && limits_match(sub.limits, sup.limits)
                    && self.ref_matches(sub.element, sup.element)
                    && self.ref_matches(sup.element, sub.element)
            }
            (ExternType::Memory(sub), ExternType::Memory(sup)) => {
                limits_match(sub.limits, sup.limits)
                    && (sub.memory64, sub.shared, sub.page_size_log2) == (sup.memory64, sup.shared, sup.page_size_log2)
            }
            (ExternType::Global(sub), ExternType::Global(sup)) => {
                sub.mutable == sup.mutable
                    && self.val_matches(sub.content, sup.content)
                    && (!sub.mutable || self.val_matches(sup.content, sub.content))
            }
            // Exceptions with it are thrown and caught.
            (ExternType::Tag(sub), ExternType::Tag(sup)) => self.is_subtype(*sub, *sup) && self.is_subtype(*sup, *sub),
            _ => false,
        }
    }

    /// A type as people read it: functions with their parameters and results.
    pub fn describe<'a>(&'a self, ty: &'a ExternType) -> impl fmt::Display + 'a {
        Description { registry: self, ty }
    }
}

/// Limits match if they promise no less (spec section 3.3.9).
fn limits_match(sub: Limits, sup: Limits) -> bool {
    sub.min >= sup.min && sup.max.is_none_or(|sup| sub.max.is_some_and(|sub| sub <= sup))
}

struct Description<'a> {
    registry: &'a TypeRegistry,
    ty: &'a ExternType,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            ExternType::Func(id) => write!(f, "func {}", self.registry.func_type(*id)),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
            ExternType::Tag(id) => write!(f, "tag {}", ValTypes(&self.registry.func_type(*id).params)),
        }
    }
}
