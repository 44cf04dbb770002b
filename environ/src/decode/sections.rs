//! What is taken from each section. The validator has accepted the section before.

use super::decoded::{CustomSection, Decoded};
use super::error::DecodeError;
use super::objects::{refused_operator, refused_type};
use crate::features::Features;
use crate::index::*;
use crate::module::*;
use crate::proposals::Proposals;
use crate::translate::{self, Unsupported};
use crate::types::*;
use cranelift_entity::PrimaryMap;
use smallvec::{SmallVec, smallvec};
use std::ops::Range;
use wasmparser::{
    CompositeInnerType, DataKind, ElementKind, ExternalKind, FunctionBody, KnownCustom, Operator, Payload, TableInit, TypeRef,
};

/// A module under construction.
pub(super) struct Decoder {
    decoded: Decoded,
    /// Functions whose address can be observed. A body's `ref.func` adds none: the function must occur elsewhere already
    /// (spec section 3.4.13, "declared references").
    escaping: Vec<FuncIndex>,
    proposals: Proposals,
    /// Bytes of all data segments up to here.
    data_bytes: u32,
}

type Result<T> = std::result::Result<T, DecodeError>;

/// An offset of the input; inputs are below 4 GiB.
fn range(range: Range<u64>) -> Range<u32> {
    range.start as u32..range.end as u32
}

impl Decoder {
    pub(super) fn new(features: Features) -> Decoder {
        Decoder {
            decoded: Decoded {
                module: Module::default(),
                data: PrimaryMap::new(),
                bodies: PrimaryMap::new(),
                code: None,
                name_section: None,
                custom_sections: Vec::new(),
                features,
                resources: None,
            },
            escaping: Vec::new(),
            proposals: Proposals::default(),
            data_bytes: 0,
        }
    }

    pub(super) fn finish(self) -> Decoded {
        let Decoder { mut decoded, mut escaping, proposals, .. } = self;
        escaping.sort_unstable();
        escaping.dedup();
        escaping.shrink_to_fit();
        decoded.module.escaping = escaping;
        decoded.module.features = proposals.names();
        decoded
    }

    pub(super) fn body(&mut self, resources: wasmparser::ValidatorResources, body: &FunctionBody<'_>) {
        self.decoded.bodies.push(range(body.range()));
        self.decoded.resources.get_or_insert(resources);
    }

    pub(super) fn section(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.decoded.module.functions.push(TypeIndex::from_u32(ty?));
                }
                Ok(())
            }
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => {
                for ty in section {
                    let ty = ty?;
                    self.proposals.memory(&ty);
                    self.decoded.module.memories.push(translate::memory_type(&ty));
                }
                Ok(())
            }
            Payload::GlobalSection(section) => self.globals(section),
            Payload::TagSection(section) => {
                self.proposals.tags();
                for ty in section {
                    self.decoded.module.tags.push(TypeIndex::from_u32(ty?.func_type_idx));
                }
                Ok(())
            }
            Payload::ExportSection(section) => self.exports(section),
            Payload::StartSection { func, .. } => {
                self.decoded.module.start = Some(FuncIndex::from_u32(func));
                Ok(())
            }
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataCountSection { .. } => {
                self.proposals.data_count();
                self.decoded.module.data_can_be_named = true;
                Ok(())
            }
            Payload::DataSection(section) => self.data(section),
            Payload::CodeSectionStart { unchecked_range, count, .. } => {
                self.decoded.code = Some(range(unchecked_range));
                // Each has two bytes at least, but how many bytes there are is not known here.
                self.decoded.bodies.reserve(count.min(1 << 16) as usize);
                Ok(())
            }
            Payload::CustomSection(section) => {
                let contents = range(section.data_range());
                if section.name() == "name" {
                    self.decoded.name_section.get_or_insert(contents.clone());
                }
                if let KnownCustom::BranchHints(hints) = section.as_known() {
                    self.branch_hints(hints);
                }
                self.decoded.custom_sections.push(CustomSection { name: section.name().to_owned(), contents });
                Ok(())
            }
            // The header says nothing more; the rest belongs to proposals that are not enabled, and has been rejected.
            _ => Ok(()),
        }
    }

    /// Hints up to where the section goes wrong, if it does.
    fn branch_hints(&mut self, section: wasmparser::BranchHintSectionReader<'_>) {
        for function in section.into_iter().map_while(std::result::Result::ok) {
            let hints = function.hints.into_iter().map_while(std::result::Result::ok).map(|hint| (hint.func_offset, hint.taken));
            self.decoded.module.branch_hints.insert(FuncIndex::from_u32(function.func), hints);
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> Result<()> {
        for group in section {
            let group = group?;
            self.proposals.rec_group(&group);
            let types = &mut self.decoded.module.types;
            let start = types.len() as u32;
            for (offset, ty) in group.into_types_and_offsets() {
                let composite = match &ty.composite_type.inner {
                    CompositeInnerType::Func(f) => translate::func_type(f).map_err(refused_type(offset))?,
                    other => return Err(refused_type(offset)(Unsupported(other.to_string()))),
                };
                let supertype = ty.supertype_idxs.first().and_then(|i| i.as_module_index()).map(TypeIndex::from_u32);
                types.push(SubType { is_final: ty.is_final, supertype, composite: CompositeType::Func(composite) });
            }
            self.decoded.module.rec_groups.push(start..types.len() as u32);
        }
        Ok(())
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'_>) -> Result<()> {
        for import in section.into_imports_with_offsets() {
            let (offset, import) = import?;
            self.proposals.import(&import.ty);
            let module = &mut self.decoded.module;
            let kind = match import.ty {
                TypeRef::Func(ty) => {
                    module.num_imported_functions += 1;
                    module.functions.push(TypeIndex::from_u32(ty));
                    EntityType::Func(TypeIndex::from_u32(ty))
                }
                TypeRef::Table(ty) => {
                    let ty = translate::table_type(&ty).map_err(refused_type(offset))?;
                    module.num_imported_tables += 1;
                    module.tables.push(ty);
                    EntityType::Table(ty)
                }
                TypeRef::Memory(ty) => {
                    let ty = translate::memory_type(&ty);
                    module.num_imported_memories += 1;
                    module.memories.push(ty);
                    EntityType::Memory(ty)
                }
                TypeRef::Global(ty) => {
                    let ty = translate::global_type(ty).map_err(refused_type(offset))?;
                    module.num_imported_globals += 1;
                    module.globals.push(ty);
                    EntityType::Global(ty)
                }
                TypeRef::Tag(ty) => {
                    let ty = TypeIndex::from_u32(ty.func_type_idx);
                    module.num_imported_tags += 1;
                    module.tags.push(ty);
                    EntityType::Tag(ty)
                }
                TypeRef::FuncExact(_) => {
                    return Err(refused_type(offset)(Unsupported(format!("{:?}", import.ty))));
                }
            };
            module.imports.push(Import { module: import.module.to_owned(), name: import.name.to_owned(), kind });
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<()> {
        for table in section.into_iter_with_offsets() {
            let (offset, table) = table?;
            self.proposals.table(&table);
            let ty = translate::table_type(&table.ty).map_err(refused_type(offset))?;
            let init = match table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expr) => Some(self.const_expr(&expr)?),
            };
            self.decoded.module.tables.push(ty);
            self.decoded.module.table_inits.push(init);
        }
        Ok(())
    }

    fn globals(&mut self, section: wasmparser::GlobalSectionReader<'_>) -> Result<()> {
        for global in section.into_iter_with_offsets() {
            let (offset, global) = global?;
            self.proposals.global(&global.ty);
            let ty = translate::global_type(global.ty).map_err(refused_type(offset))?;
            let init = self.const_expr(&global.init_expr)?;
            self.decoded.module.globals.push(ty);
            self.decoded.module.global_inits.push(init);
        }
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'_>) -> Result<()> {
        for export in section.into_iter_with_offsets() {
            let (offset, export) = export?;
            self.proposals.export(&export);
            let entity = match export.kind {
                ExternalKind::Func => {
                    let func = FuncIndex::from_u32(export.index);
                    self.escaping.push(func);
                    EntityIndex::Func(func)
                }
                ExternalKind::Table => EntityIndex::Table(TableIndex::from_u32(export.index)),
                ExternalKind::Memory => EntityIndex::Memory(MemoryIndex::from_u32(export.index)),
                ExternalKind::Global => EntityIndex::Global(GlobalIndex::from_u32(export.index)),
                ExternalKind::Tag => EntityIndex::Tag(TagIndex::from_u32(export.index)),
                ExternalKind::FuncExact => {
                    return Err(refused_type(offset)(Unsupported(format!("{:?}", export.kind))));
                }
            };
            self.decoded.module.exports.push(Export { name: export.name.to_owned(), entity });
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<()> {
        for element in section.into_iter_with_offsets() {
            let (offset, element) = element?;
            self.proposals.element(&element);
            let mode = match element.kind {
                ElementKind::Passive => SegmentMode::Passive,
                ElementKind::Active { table_index, offset_expr } => {
                    let target = TableIndex::from_u32(table_index.unwrap_or(0));
                    SegmentMode::Active { target, offset: self.const_expr(&offset_expr)? }
                }
                ElementKind::Declared => SegmentMode::Declared,
            };
            let (ty, items) = match element.items {
                wasmparser::ElementItems::Functions(functions) => {
                    let functions = functions.into_iter().map(|f| Ok(FuncIndex::from_u32(f?))).collect::<Result<Box<[_]>>>()?;
                    self.escaping.extend(functions.iter().copied());
                    (RefType::FUNCREF, ElementItems::Functions(functions))
                }
                wasmparser::ElementItems::Expressions(ty, expressions) => {
                    let items = expressions.into_iter().map(|e| self.const_expr(&e?)).collect::<Result<Box<[_]>>>()?;
                    (translate::ref_type(ty).map_err(refused_type(offset))?, simplify(items))
                }
            };
            self.decoded.module.elements.push(ElementSegment { ty, items, mode });
        }
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'_>) -> Result<()> {
        // Each has two bytes at least, but how many bytes there are is not known here.
        let most = section.count().min(1 << 16) as usize;
        self.decoded.data.reserve(most);
        self.decoded.module.data.reserve(most);
        for data in section {
            let data = data?;
            self.proposals.data(&data);
            let mode = match data.kind {
                DataKind::Passive => SegmentMode::Passive,
                DataKind::Active { memory_index, offset_expr } => {
                    let target = MemoryIndex::from_u32(memory_index);
                    SegmentMode::Active { target, offset: self.const_expr(&offset_expr)? }
                }
            };
            // The bytes are the segment's end.
            let len = data.data.len() as u32;
            let end = data.range.end as u32;
            let start = self.data_bytes;
            self.data_bytes += len;
            self.decoded.data.push(end - len..end);
            self.decoded.module.data.push(DataSegment { bytes: start..self.data_bytes, mode });
        }
        Ok(())
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr> {
        // Some linkers write ten thousands of data segments, each at a constant: 0x41, the number, 0x0b.
        let mut simple = expr.get_binary_reader();
        if simple.read_u8()? == 0x41 {
            let value = simple.read_var_i32()?;
            if simple.read_u8()? == 0x0b && simple.eof() {
                return Ok(ConstExpr { ops: smallvec![ConstOp::I32(value)] });
            }
        }
        let mut ops = SmallVec::new();
        let mut reader = expr.get_operators_reader();
        loop {
            let offset = reader.original_position();
            ops.push(match reader.read()? {
                Operator::End => return Ok(ConstExpr { ops }),
                Operator::I32Const { value } => ConstOp::I32(value),
                Operator::I64Const { value } => ConstOp::I64(value),
                Operator::F32Const { value } => ConstOp::F32(value.bits()),
                Operator::F64Const { value } => ConstOp::F64(value.bits()),
                Operator::V128Const { value } => {
                    let bits = u128::from(value);
                    ConstOp::V128([bits as u64, (bits >> 64) as u64])
                }
                Operator::GlobalGet { global_index } => ConstOp::GlobalGet(GlobalIndex::from_u32(global_index)),
                Operator::RefNull { hty } => {
                    let heap = translate::heap_type(hty).map_err(refused_type(offset))?;
                    ConstOp::RefNull(RefType { nullable: true, heap }.kind())
                }
                Operator::RefFunc { function_index } => {
                    let func = FuncIndex::from_u32(function_index);
                    self.escaping.push(func);
                    ConstOp::RefFunc(func)
                }
                Operator::I32Add => ConstOp::I32Add,
                Operator::I32Sub => ConstOp::I32Sub,
                Operator::I32Mul => ConstOp::I32Mul,
                Operator::I64Add => ConstOp::I64Add,
                Operator::I64Sub => ConstOp::I64Sub,
                Operator::I64Mul => ConstOp::I64Mul,
                other => return Err(refused_operator(&other, offset)),
            });
        }
    }
}

/// Plain functions where every expression is a `ref.func`: a fraction of the size.
fn simplify(items: Box<[ConstExpr]>) -> ElementItems {
    let func = |e: &ConstExpr| if let [ConstOp::RefFunc(f)] = *e.ops { Some(f) } else { None };
    match items.iter().map(func).collect::<Option<Box<[_]>>>() {
        Some(functions) => ElementItems::Functions(functions),
        None => ElementItems::Expressions(items),
    }
}
