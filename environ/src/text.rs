//! From the text format to the binary one.
//!
//! The crate `wast` parses and encodes; one abbreviation is expanded here, before it would do so. An inline function type stands
//! for the first type of the module that is a final function type without supertypes in a recursion group of its own; if there is
//! none, one is appended behind all other types, in the order in which they are needed (specification, text format, "Type Uses").
//! `wast` takes any type of that signature that is written outside of `rec`, an open one or one with a supertype too: a call
//! through the type would then fail, or succeed, where it should not.

use std::collections::HashMap;
use wast::core::{
    ElemKind, ElemPayload, Expression, FuncKind, FunctionType, GlobalKind, HeapType, InnerTypeKind, Instruction, ItemKind,
    ModuleField, ModuleKind, RefType, TableKind, TagType, Type, TypeDef, TypeUse, ValType,
};
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Index, Span};
use wast::{Error, Wat};

/// The binary form of a module in text form.
///
/// # Errors
/// What does not parse; the error has the text, for its excerpt.
pub fn to_binary(text: &str) -> Result<Vec<u8>, Error> {
    let binary = ParseBuffer::new(text).and_then(|buffer| encode(&mut parser::parse::<Wat<'_>>(&buffer)?));
    binary.map_err(|e| {
        let mut e = if is_folded_try(&e, text) { Error::new(e.span(), FOLDED_TRY.into()) } else { e };
        e.set_text(text);
        e
    })
}

/// `wast` reads exceptions in their old form, but not folded.
const FOLDED_TRY: &str = "a folded `try` cannot be read, since the parser knows old exceptions in flat form only; \
                          write `try .. catch $tag .. end`, or give the binary format";

/// Whether the error is at the body of a folded `try`: there is nothing else that begins so.
fn is_folded_try(error: &Error, text: &str) -> bool {
    let word = text.get(error.span().offset()..).and_then(|rest| rest.strip_prefix("do"));
    word.is_some_and(|behind| behind.starts_with([' ', '\n', '\t', '\r', '(', ')', ';']))
}

/// The binary form of a parsed module.
///
/// # Errors
/// Names and indices that refer to nothing, and inline types that are not what the type beside them is.
pub fn encode(wat: &mut Wat<'_>) -> Result<Vec<u8>, Error> {
    expand(wat);
    wat.encode()
}

/// Replaces inline function types by indices of types.
pub fn expand(wat: &mut Wat<'_>) {
    let Wat::Module(module) = wat else { return };
    let ModuleKind::Text(fields) = &mut module.kind else { return };
    let mut types = Types::declared(fields);
    for field in &mut *fields {
        types.expand(field);
    }
    fields.append(&mut types.appended);
}

/// A signature whose type indices are numbers, as far as their names are known: two ways to write one type are one key.
type Signature<'a> = (Box<[ValType<'a>]>, Box<[ValType<'a>]>);

/// The types that inline function types can mean.
#[derive(Default)]
struct Types<'a> {
    by_name: HashMap<Id<'a>, u32>,
    /// The first type of each signature.
    by_signature: HashMap<Signature<'a>, u32>,
    count: u32,
    appended: Vec<ModuleField<'a>>,
}

impl<'a> Types<'a> {
    /// Those that a module declares.
    fn declared(fields: &[ModuleField<'a>]) -> Types<'a> {
        let groups = || {
            fields.iter().filter_map(|field| match field {
                ModuleField::Type(ty) => Some(std::slice::from_ref(ty)),
                ModuleField::Rec(group) => Some(group.types.as_slice()),
                _ => None,
            })
        };
        let mut types = Types::default();
        // All names before the first signature, since types may refer to later ones.
        for ty in groups().flatten() {
            if let Some(id) = ty.id {
                types.by_name.entry(id).or_insert(types.count);
            }
            types.count += 1;
        }
        let mut index = 0;
        for group in groups() {
            if let [ty] = group
                && let Some(func) = plain(&ty.def)
            {
                types.by_signature.entry(types.signature(func)).or_insert(index);
            }
            index += group.len() as u32;
        }
        types
    }

    fn signature(&self, ty: &FunctionType<'a>) -> Signature<'a> {
        let numbered = |ty: &ValType<'a>| self.numbered(*ty);
        (ty.params.iter().map(|(_, _, ty)| numbered(ty)).collect(), ty.results.iter().map(numbered).collect())
    }

    /// The same type with a number for an index that is a name.
    fn numbered(&self, ty: ValType<'a>) -> ValType<'a> {
        let ValType::Ref(RefType { nullable, heap: HeapType::Concrete(Index::Id(id)) }) = ty else { return ty };
        match self.by_name.get(&id) {
            Some(&n) => ValType::Ref(RefType { nullable, heap: HeapType::Concrete(Index::Num(n, id.span())) }),
            None => ty,
        }
    }

    /// The index that stands for an inline type, which is appended if it is a new one.
    fn index(&mut self, inline: &FunctionType<'a>, span: Span) -> Index<'a> {
        let signature = self.signature(inline);
        if let Some(&n) = self.by_signature.get(&signature) {
            return Index::Num(n, span);
        }
        let n = self.count;
        self.count += 1;
        let params = signature.0.iter().map(|ty| (None, None, *ty)).collect();
        let kind = InnerTypeKind::Func(FunctionType { params, results: signature.1.clone() });
        let def = TypeDef { kind, shared: false, parents: Vec::new(), descriptor: None, describes: None, final_type: None };
        self.appended.push(ModuleField::Type(Type { span, id: None, name: None, def }));
        self.by_signature.insert(signature, n);
        Index::Num(n, span)
    }

    /// Of a function or tag, or a call: nothing written at all is a type, too.
    fn type_use(&mut self, ty: &mut TypeUse<'a, FunctionType<'a>>, span: Span) {
        if ty.index.is_none() {
            let inline = ty.inline.clone().unwrap_or_default();
            ty.index = Some(self.index(&inline, span));
        }
    }

    fn expand(&mut self, field: &mut ModuleField<'a>) {
        match field {
            ModuleField::Import(imports) => {
                for item in imports.unique_sigs_mut() {
                    match &mut item.kind {
                        ItemKind::Func(ty) | ItemKind::FuncExact(ty) | ItemKind::Tag(TagType::Exception(ty)) => {
                            self.type_use(ty, item.span);
                        }
                        ItemKind::Table(_) | ItemKind::Memory(_) | ItemKind::Global(_) => {}
                    }
                }
            }
            ModuleField::Func(func) => {
                self.type_use(&mut func.ty, func.span);
                if let FuncKind::Inline { expression, .. } = &mut func.kind {
                    self.expression(expression, func.span);
                }
            }
            ModuleField::Tag(tag) => {
                let TagType::Exception(ty) = &mut tag.ty;
                self.type_use(ty, tag.span);
            }
            ModuleField::Table(table) => match &mut table.kind {
                TableKind::Normal { init_expr: Some(init), .. } => self.expression(init, table.span),
                TableKind::Inline { payload, .. } => self.elements(payload, table.span),
                TableKind::Normal { init_expr: None, .. } | TableKind::Import { .. } => {}
            },
            ModuleField::Global(global) => {
                if let GlobalKind::Inline(init) = &mut global.kind {
                    self.expression(init, global.span);
                }
            }
            ModuleField::Elem(elem) => {
                if let ElemKind::Active { offset, .. } = &mut elem.kind {
                    self.expression(offset, elem.span);
                }
                self.elements(&mut elem.payload, elem.span);
            }
            ModuleField::Data(data) => {
                if let wast::core::DataKind::Active { offset, .. } = &mut data.kind {
                    self.expression(offset, data.span);
                }
            }
            ModuleField::Type(_)
            | ModuleField::Rec(_)
            | ModuleField::Memory(_)
            | ModuleField::Export(_)
            | ModuleField::Start(_)
            | ModuleField::Custom(_) => {}
        }
    }

    fn elements(&mut self, payload: &mut ElemPayload<'a>, span: Span) {
        if let ElemPayload::Exprs { exprs, .. } = payload {
            exprs.iter_mut().for_each(|expression| self.expression(expression, span));
        }
    }

    fn expression(&mut self, expression: &mut Expression<'a>, span: Span) {
        for instruction in &mut expression.instrs {
            let block = match instruction {
                Instruction::block(block) | Instruction::loop_(block) | Instruction::if_(block) | Instruction::try_(block) => {
                    block
                }
                Instruction::try_table(table) => &mut table.block,
                Instruction::call_indirect(call) | Instruction::return_call_indirect(call) => {
                    self.type_use(&mut call.ty, span);
                    continue;
                }
                // The only ones with types that can be written inline.
                _ => continue,
            };
            // No type, or one result, needs no index.
            if block.ty.inline.as_ref().is_some_and(|ty| !ty.params.is_empty() || ty.results.len() > 1) {
                self.type_use(&mut block.ty, span);
            }
        }
    }
}

/// The function type that a definition is, if one written inline could stand for it.
fn plain<'t, 'a>(def: &'t TypeDef<'a>) -> Option<&'t FunctionType<'a>> {
    let special = def.final_type == Some(false)
        || !def.parents.is_empty()
        || def.shared
        || def.descriptor.is_some()
        || def.describes.is_some();
    match &def.kind {
        InnerTypeKind::Func(ty) if !special => Some(ty),
        _ => None,
    }
}
