//! Which proposals beyond WebAssembly 1.0 a module uses, by what it contains and whether or not Sconce supports them.
//!
//! [`used`] looks at everything, bodies too, and validates nothing. [`crate::decode`] keeps the same account of the sections
//! alone as it passes, which costs it nothing: [`crate::module::Module::features`].

mod operators;
mod origin;

pub(crate) use origin::{Origin, OriginOf};

use crate::decode::DecodeError;
use crate::features::proposal_name;
use wasmparser::*;

/// An account of proposals.
#[derive(Clone, Debug)]
pub struct Proposals {
    features: WasmFeatures,
    /// The section of branch hints changes no module's validity, and so has no flag.
    branch_hints: bool,
    tables: u32,
    memories: u32,
    imported_globals: u32,
    /// Whether each global can be written.
    globals: Vec<bool>,
}

impl Default for Proposals {
    fn default() -> Proposals {
        let features = WasmFeatures::empty();
        Proposals { features, branch_hints: false, tables: 0, memories: 0, imported_globals: 0, globals: Vec::new() }
    }
}

/// The proposals that a core module in the binary format uses.
///
/// # Errors
/// When the bytes are not a module or cannot be parsed, all proposals taken together. They need not be valid.
pub fn used(bytes: &[u8]) -> std::result::Result<Proposals, DecodeError> {
    crate::decode::check_header(bytes)?;
    let mut proposals = Proposals::default();
    for payload in Parser::new(0).parse_all(bytes) {
        proposals.payload(payload?)?;
    }
    Ok(proposals)
}

impl Proposals {
    /// Their names, as their repositories are called, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.features.iter().map(proposal_name).collect();
        names.extend(self.branch_hints.then(|| "branch-hinting".to_owned()));
        names.sort();
        names
    }

    /// As wasmparser has them.
    pub fn wasmparser(&self) -> WasmFeatures {
        self.features
    }

    fn note(&mut self, features: WasmFeatures) {
        self.features |= features;
    }

    fn note_if(&mut self, condition: bool, features: WasmFeatures) {
        if condition {
            self.features |= features;
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => section.into_iter().try_for_each(|group| group.map(|g| self.rec_group(&g))),
            Payload::ImportSection(section) => section.into_iter().try_for_each(|imports| {
                let imports = imports?;
                self.note_if(!matches!(imports, Imports::Single(..)), WasmFeatures::COMPACT_IMPORTS);
                imports.into_iter().try_for_each(|import| import.map(|(_, i)| self.import(&i.ty)))
            }),
            Payload::TableSection(section) => section.into_iter().try_for_each(|table| {
                let table = table?;
                self.table(&table);
                if let TableInit::Expr(expr) = &table.init { self.const_expr(expr) } else { Ok(()) }
            }),
            Payload::MemorySection(section) => section.into_iter().try_for_each(|ty| ty.map(|t| self.memory(&t))),
            Payload::TagSection(section) => {
                self.tags();
                section.into_iter().try_for_each(|tag| tag.map(drop))
            }
            Payload::GlobalSection(section) => section.into_iter().try_for_each(|global| {
                let global = global?;
                self.global(&global.ty);
                self.const_expr(&global.init_expr)
            }),
            Payload::ExportSection(section) => section.into_iter().try_for_each(|export| export.map(|e| self.export(&e))),
            Payload::ElementSection(section) => section.into_iter().try_for_each(|element| {
                let element = element?;
                self.element(&element);
                if let ElementKind::Active { offset_expr, .. } = &element.kind {
                    self.const_expr(offset_expr)?;
                }
                let ElementItems::Expressions(_, expressions) = element.items else { return Ok(()) };
                expressions.into_iter().try_for_each(|expr| self.const_expr(&expr?))
            }),
            Payload::DataCountSection { .. } => {
                self.data_count();
                Ok(())
            }
            Payload::DataSection(section) => section.into_iter().try_for_each(|data| {
                let data = data?;
                self.data(&data);
                if let DataKind::Active { offset_expr, .. } = &data.kind { self.const_expr(offset_expr) } else { Ok(()) }
            }),
            Payload::CodeSectionEntry(body) => self.body(&body),
            Payload::CustomSection(section) => {
                self.branch_hints |= section.name() == "metadata.code.branch_hint";
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn tags(&mut self) {
        self.note(WasmFeatures::EXCEPTIONS);
    }

    pub(crate) fn data_count(&mut self) {
        self.note(WasmFeatures::BULK_MEMORY);
    }

    pub(crate) fn rec_group(&mut self, group: &RecGroup) {
        self.note_if(group.is_explicit_rec_group(), WasmFeatures::GC);
        for ty in group.types() {
            let composite = &ty.composite_type;
            self.note_if(!ty.is_final || !ty.supertype_idxs.is_empty(), WasmFeatures::GC);
            self.note_if(composite.shared, WasmFeatures::SHARED_EVERYTHING_THREADS);
            let descriptor = composite.descriptor_idx.is_some() || composite.describes_idx.is_some();
            self.note_if(descriptor, WasmFeatures::CUSTOM_DESCRIPTORS);
            match &composite.inner {
                CompositeInnerType::Func(func) => {
                    self.note_if(func.results().len() > 1, WasmFeatures::MULTI_VALUE);
                    func.params().iter().chain(func.results()).for_each(|&t| self.val_type(t));
                }
                CompositeInnerType::Array(array) => self.fields(&[array.0]),
                CompositeInnerType::Struct(fields) => self.fields(&fields.fields),
                CompositeInnerType::Cont(_) => self.note(WasmFeatures::STACK_SWITCHING),
            }
        }
    }

    fn fields(&mut self, fields: &[FieldType]) {
        self.note(WasmFeatures::GC);
        for field in fields {
            if let StorageType::Val(ty) = field.element_type {
                self.val_type(ty);
            }
        }
    }

    pub(crate) fn import(&mut self, ty: &TypeRef) {
        match ty {
            TypeRef::Func(_) => {}
            TypeRef::FuncExact(_) => self.note(WasmFeatures::CUSTOM_DESCRIPTORS),
            TypeRef::Table(ty) => self.table_type(ty),
            TypeRef::Memory(ty) => self.memory(ty),
            TypeRef::Global(ty) => {
                self.imported_globals += 1;
                self.note_if(ty.mutable, WasmFeatures::MUTABLE_GLOBAL);
                self.global(ty);
            }
            TypeRef::Tag(_) => self.note(WasmFeatures::EXCEPTIONS),
        }
    }

    pub(crate) fn table(&mut self, table: &Table<'_>) {
        self.table_type(&table.ty);
        self.note_if(matches!(table.init, TableInit::Expr(_)), WasmFeatures::FUNCTION_REFERENCES);
    }

    fn table_type(&mut self, ty: &TableType) {
        self.tables += 1;
        self.note_if(self.tables > 1, WasmFeatures::REFERENCE_TYPES);
        self.note_if(ty.table64, WasmFeatures::MEMORY64);
        self.note_if(ty.shared, WasmFeatures::SHARED_EVERYTHING_THREADS);
        // Tables of functions are as old as 1.0.
        if ty.element_type != RefType::FUNCREF {
            self.ref_type(ty.element_type);
        }
    }

    pub(crate) fn memory(&mut self, ty: &MemoryType) {
        self.memories += 1;
        self.note_if(self.memories > 1, WasmFeatures::MULTI_MEMORY);
        self.note_if(ty.memory64, WasmFeatures::MEMORY64);
        self.note_if(ty.shared, WasmFeatures::THREADS);
        self.note_if(ty.page_size_log2.is_some(), WasmFeatures::CUSTOM_PAGE_SIZES);
    }

    pub(crate) fn global(&mut self, ty: &GlobalType) {
        self.globals.push(ty.mutable);
        self.note_if(ty.shared, WasmFeatures::SHARED_EVERYTHING_THREADS);
        self.val_type(ty.content_type);
    }

    pub(crate) fn export(&mut self, export: &Export<'_>) {
        if export.kind == ExternalKind::Global {
            let mutable = self.globals.get(export.index as usize) == Some(&true);
            self.note_if(mutable, WasmFeatures::MUTABLE_GLOBAL);
        }
    }

    pub(crate) fn element(&mut self, element: &Element<'_>) {
        self.note_if(!matches!(element.kind, ElementKind::Active { .. }), WasmFeatures::BULK_MEMORY);
        if let ElementItems::Expressions(ty, _) = &element.items {
            self.ref_type(*ty);
        }
    }

    pub(crate) fn data(&mut self, data: &Data<'_>) {
        self.note_if(matches!(data.kind, DataKind::Passive), WasmFeatures::BULK_MEMORY);
    }

    fn val_type(&mut self, ty: ValType) {
        match ty {
            ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => {}
            ValType::V128 => self.note(WasmFeatures::SIMD),
            ValType::Ref(ty) => self.ref_type(ty),
        }
    }

    fn ref_type(&mut self, ty: RefType) {
        let simple = matches!(ty.heap_type(), HeapType::FUNC | HeapType::EXTERN);
        self.note_if(simple && !ty.is_nullable(), WasmFeatures::FUNCTION_REFERENCES);
        self.heap_type(ty.heap_type());
    }

    fn heap_type(&mut self, ty: HeapType) {
        self.note(WasmFeatures::REFERENCE_TYPES);
        match ty {
            HeapType::Concrete(_) => self.note(WasmFeatures::FUNCTION_REFERENCES),
            HeapType::Exact(_) => self.note(WasmFeatures::CUSTOM_DESCRIPTORS),
            HeapType::Abstract { shared, ty } => {
                self.note_if(shared, WasmFeatures::SHARED_EVERYTHING_THREADS);
                use AbstractHeapType::*;
                match ty {
                    Func | Extern => {}
                    Any | None | NoExtern | NoFunc | Eq | Struct | Array | I31 => self.note(WasmFeatures::GC),
                    Exn | NoExn => self.note(WasmFeatures::EXCEPTIONS),
                    Cont | NoCont => self.note(WasmFeatures::STACK_SWITCHING),
                }
            }
        }
    }
}
