//! Whether metadata read from an artifact is consistent: every index in range, every count within the limits of validation. A
//! module that was decoded from a valid binary always is; what comes from a file may say anything.

use crate::limits::{in_order, is_func_type, is_memory_type};
use sconce_environ::code_tables::FunctionRecord;
use sconce_environ::index::*;
use sconce_environ::module::*;
use sconce_environ::text_layout::slots_end;
use sconce_environ::types::*;
use sconce_x64::stubs::THUNK_SIZE;

/// What validation allows of anything that is counted.
const MAX_ITEMS: usize = 1_000_000;

fn ensure(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Checks a module whose data segments have `data_len` bytes together.
pub(crate) fn module(module: &Module, data_len: u64) -> Option<()> {
    let Module { types, imports, exports, functions, tables, memories, globals, tags, elements, data, .. } = module;
    for count in [
        types.len(),
        imports.len(),
        exports.len(),
        functions.len(),
        tables.len(),
        memories.len(),
        globals.len(),
        tags.len(),
        elements.len(),
        data.len(),
    ] {
        ensure(count <= MAX_ITEMS)?;
    }
    rec_groups(module)?;
    functions.values().try_for_each(|&ty| type_index(module, ty))?;
    tags.values().try_for_each(|&ty| type_index(module, ty))?;
    tables.values().try_for_each(|ty| table_type(module, ty))?;
    ensure(memories.values().all(is_memory_type))?;
    globals.values().try_for_each(|ty| val_type(module, ty.content, module.types.len()))?;
    import_counts(module)?;
    exports.iter().try_for_each(|export| entity(module, export.entity))?;

    ensure(module.global_inits.len() == globals.len() - module.num_imported_globals as usize)?;
    for (defined, init) in &module.global_inits {
        let index = module.global_index(defined);
        const_expr(module, init, globals[index].content, index.as_u32())?;
    }
    let all_globals = globals.len() as u32;
    ensure(module.table_inits.len() == tables.len() - module.num_imported_tables as usize)?;
    for (defined, init) in &module.table_inits {
        if let Some(init) = init {
            const_expr(module, init, ValType::Ref(tables[module.table_index(defined)].element), all_globals)?;
        }
    }
    for segment in elements.values() {
        element(module, segment)?;
    }
    for segment in data.values() {
        ensure(segment.bytes.start <= segment.bytes.end && u64::from(segment.bytes.end) <= data_len)?;
        if let SegmentMode::Active { target, offset } = &segment.mode {
            let ty = module.memories.get(*target)?;
            const_expr(module, offset, index_type(ty.memory64), all_globals)?;
        }
    }
    if let Some(start) = module.start {
        let ty = module.functions.get(start)?;
        let ty = module.func_type(*ty);
        ensure(ty.params.is_empty() && ty.results.is_empty())?;
    }
    ensure(module.escaping.is_sorted_by(|a, b| a < b))?;
    module.escaping.iter().try_for_each(|&f| ensure(functions.is_valid(f)))?;
    let escapes = |e: &Export| !matches!(e.entity, EntityIndex::Func(f) if module.escaping.binary_search(&f).is_err());
    ensure(exports.iter().all(escapes))
}

/// Checks where functions are against the module whose code they are and the text's length.
pub(crate) fn functions(module: &Module, records: &[FunctionRecord], thunks: u32, text_len: u64) -> Option<()> {
    ensure(records.len() == module.num_defined_functions())?;
    slots_end(text_len, records.len())?;
    let mut end = 0;
    for record in records {
        ensure(record.start >= end)?;
        end = record.start.checked_add(record.len)?;
    }
    let defined = module.escaping.iter().filter(|&&f| module.defined_func(f).is_some()).count() as u64;
    ensure(end <= thunks && u64::from(thunks) + defined * THUNK_SIZE as u64 == text_len)
}

fn rec_groups(module: &Module) -> Option<()> {
    let mut at = 0;
    for group in &module.rec_groups {
        ensure(group.start == at && group.end >= at)?;
        at = group.end;
        for index in group.clone() {
            let ty = module.types.get(TypeIndex::from_u32(index))?;
            if let Some(supertype) = ty.supertype {
                ensure(supertype.as_u32() < index)?;
            }
            match &ty.composite {
                CompositeType::Func(func) => ensure(is_func_type(func))?,
            }
            ty.composite.values().copied().try_for_each(|ty| val_type(module, ty, group.end as usize))?;
        }
    }
    ensure(at as usize == module.types.len())
}

fn type_index(module: &Module, index: TypeIndex) -> Option<()> {
    ensure(module.types.is_valid(index))
}

/// A value type that names types below `limit`.
fn val_type(module: &Module, ty: ValType, limit: usize) -> Option<()> {
    match ty {
        ValType::Ref(RefType { heap: HeapType::ConcreteFunc(index), .. }) => {
            type_index(module, index)?;
            ensure((index.as_u32() as usize) < limit)
        }
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128 | ValType::Ref(_) => Some(()),
    }
}

fn table_type(module: &Module, ty: &TableType) -> Option<()> {
    ensure(in_order(&ty.limits, if ty.table64 { u64::MAX } else { u32::MAX.into() }))?;
    val_type(module, ValType::Ref(ty.element), module.types.len())
}

/// The kinds of the imports are what the counts and the beginnings of the index spaces say.
fn import_counts(module: &Module) -> Option<()> {
    let (mut functions, mut tables, mut memories, mut globals, mut tags) = (0, 0, 0, 0, 0);
    for import in &module.imports {
        match &import.kind {
            EntityType::Func(ty) => {
                ensure(module.functions.get(FuncIndex::from_u32(functions)) == Some(ty))?;
                functions += 1;
            }
            EntityType::Table(ty) => {
                ensure(module.tables.get(TableIndex::from_u32(tables)) == Some(ty))?;
                tables += 1;
            }
            EntityType::Memory(ty) => {
                ensure(module.memories.get(MemoryIndex::from_u32(memories)) == Some(ty))?;
                memories += 1;
            }
            EntityType::Global(ty) => {
                ensure(module.globals.get(GlobalIndex::from_u32(globals)) == Some(ty))?;
                globals += 1;
            }
            EntityType::Tag(ty) => {
                ensure(module.tags.get(TagIndex::from_u32(tags)) == Some(ty))?;
                tags += 1;
            }
        }
    }
    let said =
        (module.num_imported_functions, module.num_imported_tables, module.num_imported_memories, module.num_imported_globals);
    ensure((functions, tables, memories, globals) == said && tags == module.num_imported_tags)
}

fn entity(module: &Module, entity: EntityIndex) -> Option<()> {
    ensure(match entity {
        EntityIndex::Func(i) => module.functions.is_valid(i),
        EntityIndex::Table(i) => module.tables.is_valid(i),
        EntityIndex::Memory(i) => module.memories.is_valid(i),
        EntityIndex::Global(i) => module.globals.is_valid(i),
        EntityIndex::Tag(i) => module.tags.is_valid(i),
    })
}

fn element(module: &Module, segment: &ElementSegment) -> Option<()> {
    val_type(module, ValType::Ref(segment.ty), module.types.len())?;
    let globals = module.globals.len() as u32;
    match &segment.items {
        ElementItems::Functions(functions) => {
            ensure(segment.ty.kind() == RefKind::Func)?;
            functions.iter().try_for_each(|&f| escaping(module, f))?;
        }
        ElementItems::Expressions(items) => {
            items.iter().try_for_each(|item| const_expr(module, item, ValType::Ref(segment.ty), globals))?;
        }
    }
    if let SegmentMode::Active { target, offset } = &segment.mode {
        let table = module.tables.get(*target)?;
        ensure(table.element.kind() == segment.ty.kind())?;
        const_expr(module, offset, index_type(table.table64), globals)?;
    }
    Some(())
}

fn index_type(is_64: bool) -> ValType {
    if is_64 { ValType::I64 } else { ValType::I32 }
}

/// A function that has a record.
fn escaping(module: &Module, func: FuncIndex) -> Option<()> {
    ensure(module.functions.is_valid(func) && module.escaping.binary_search(&func).is_ok())
}

/// What a constant expression computes with, as far as confusing two of them would matter.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    I32,
    I64,
    F32,
    F64,
    V128,
    Ref(RefKind),
}

impl Kind {
    fn of(ty: ValType) -> Kind {
        match ty {
            ValType::I32 => Kind::I32,
            ValType::I64 => Kind::I64,
            ValType::F32 => Kind::F32,
            ValType::F64 => Kind::F64,
            ValType::V128 => Kind::V128,
            ValType::Ref(r) => Kind::Ref(r.kind()),
        }
    }
}

/// Checks that an expression gives one value of this type, from globals below `globals`.
fn const_expr(module: &Module, expr: &ConstExpr, ty: ValType, globals: u32) -> Option<()> {
    let mut stack = Vec::new();
    for op in &expr.ops {
        let kind = match *op {
            ConstOp::I32(_) => Kind::I32,
            ConstOp::I64(_) => Kind::I64,
            ConstOp::F32(_) => Kind::F32,
            ConstOp::F64(_) => Kind::F64,
            ConstOp::V128(_) => Kind::V128,
            ConstOp::GlobalGet(index) => {
                ensure(index.as_u32() < globals)?;
                Kind::of(module.globals.get(index)?.content)
            }
            ConstOp::RefNull(kind) => Kind::Ref(kind),
            ConstOp::RefFunc(func) => {
                escaping(module, func)?;
                Kind::Ref(RefKind::Func)
            }
            ConstOp::I32Add | ConstOp::I32Sub | ConstOp::I32Mul => {
                ensure(stack.pop()? == Kind::I32 && stack.pop()? == Kind::I32)?;
                Kind::I32
            }
            ConstOp::I64Add | ConstOp::I64Sub | ConstOp::I64Mul => {
                ensure(stack.pop()? == Kind::I64 && stack.pop()? == Kind::I64)?;
                Kind::I64
            }
        };
        stack.push(kind);
    }
    ensure(stack == [Kind::of(ty)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::abi::MAX_VALUES;
    use sconce_environ::decode::{Features, decode};

    /// A module with one type, which validation would let have so many parameters and results, or not.
    fn with_type(params: usize, results: usize) -> Module {
        let mut decoded = decode(&wat::parse_str("(module (type (func)))").unwrap(), Features::WASM2).unwrap();
        let ty = decoded.module.types.values_mut().next().unwrap();
        let values = |count| vec![ValType::I32; count].into();
        ty.composite = CompositeType::Func(FuncType { params: values(params), results: values(results) });
        decoded.module
    }

    #[test]
    fn types_have_no_more_values_than_trampolines_take() {
        for (params, results, accepted) in
            [(0, 0, true), (MAX_VALUES, MAX_VALUES, true), (MAX_VALUES + 1, 0, false), (0, MAX_VALUES + 1, false)]
        {
            assert_eq!(module(&with_type(params, results), 0).is_some(), accepted, "{params} {results}");
        }
    }
}
