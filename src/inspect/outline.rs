//! What there is to see of a binary that Sconce cannot run: a component, or a module that uses a proposal which is not
//! supported. It is parsed and not validated.

use super::name;
use serde_json::{Value, json};
use std::fmt::Write;
use wasmparser::{
    BinaryReader, ComponentExternalKind, ComponentTypeRef, CompositeInnerType, CompositeType, ExternalKind, FuncType, MemoryType,
    Name, NameSectionReader, Parser, Payload, Result, SubType, TableType, TypeRef,
};

/// An outline: sections in the order of the file, each of them rows.
#[derive(Debug, Default)]
pub struct Outline {
    /// Whether it is a component.
    pub component: bool,
    /// The module's own name.
    pub name: Option<String>,
    /// Modules and names of imports.
    pub imports: Vec<(String, String)>,
    sections: Vec<(&'static str, Vec<Row>)>,
    /// Functions' types, for imports and exports.
    types: Vec<String>,
    functions: Vec<usize>,
    /// Bytes of types' texts in rows of imports and exports.
    repeated: usize,
}

/// Bytes of types' texts that are said again in rows of imports and exports, which may be many times as long as the file.
/// Beyond that a row says the type's number.
const MOST_REPEATED: usize = 1 << 20;

/// One thing, for people and for programs.
#[derive(Debug)]
struct Row {
    text: String,
    json: Value,
}

impl Row {
    fn plain(text: String) -> Row {
        Row { json: Value::from(text.as_str()), text }
    }

    /// Something with a name, or two, and what it is.
    fn named(names: &[(&str, &str)], what: String) -> Row {
        let shown: Vec<String> = names.iter().map(|(_, value)| name(value).to_string()).collect();
        let mut json = json!({ "type": { "text": what } });
        for (key, value) in names {
            json[*key] = Value::from(*value);
        }
        Row { text: format!("{}: {what}", shown.join(" ")), json }
    }
}

impl Outline {
    /// The outline of a binary.
    ///
    /// # Errors
    /// What cannot be parsed.
    pub fn of(bytes: &[u8]) -> Result<Outline> {
        let mut outline = Outline::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { unchecked_range, .. } => {
                    if depth == 0 {
                        let len = unchecked_range.end - unchecked_range.start;
                        outline.add("core modules", Row::plain(format!("{len} bytes")));
                    }
                    depth += 1;
                }
                Payload::ComponentSection { unchecked_range, .. } => {
                    if depth == 0 {
                        let len = unchecked_range.end - unchecked_range.start;
                        outline.add("components", Row::plain(format!("{len} bytes")));
                    }
                    depth += 1;
                }
                Payload::End(_) => depth -= 1,
                payload if depth == 0 => outline.payload(payload)?,
                _ => {}
            }
        }
        Ok(outline)
    }

    fn add(&mut self, title: &'static str, row: Row) {
        match self.sections.iter_mut().find(|(known, _)| *known == title) {
            Some((_, rows)) => rows.push(row),
            None => self.sections.push((title, vec![row])),
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::Version { encoding, .. } => self.component = encoding == wasmparser::Encoding::Component,
            Payload::CustomSection(section) => {
                if section.name() == "name" {
                    self.name = module_name(section.data());
                }
                let (own, bytes) = (section.name(), section.data().len());
                let json = json!({ "name": own, "bytes": bytes });
                self.add("custom sections", Row { text: format!("{}: {bytes} bytes", name(own)), json });
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    self.add("imports", Row::named(&[("name", import.name.name)], component_type(&import.ty).into()));
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.add("exports", Row::named(&[("name", export.name.name)], component_kind(export.kind).into()));
                }
            }
            other => self.core(other)?,
        }
        Ok(())
    }

    /// A section of a core module; those of a component that say nothing about its outside have no rows.
    fn core(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        let text = type_text(&ty);
                        self.add("types", Row::plain(format!("{}: {text}", self.types.len())));
                        self.types.push(text);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for imports in section {
                    for import in imports? {
                        let (_, import) = import?;
                        self.import(import.module, import.name, &import.ty);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty? as usize);
                }
            }
            Payload::MemorySection(section) => {
                for ty in section {
                    self.add("memories", Row::plain(memory(&ty?)));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let what = self.export(export.kind, export.index);
                    self.add("exports", Row::named(&[("name", export.name)], what));
                }
            }
            Payload::CodeSectionStart { count, .. } => self.defines("functions", count),
            Payload::TableSection(section) => self.defines("tables", section.count()),
            Payload::TagSection(section) => self.defines("tags", section.count()),
            Payload::GlobalSection(section) => self.defines("globals", section.count()),
            Payload::ElementSection(section) => self.defines("element segments", section.count()),
            Payload::DataSection(section) => self.defines("data segments", section.count()),
            _ => {}
        }
        Ok(())
    }

    fn defines(&mut self, what: &'static str, count: u32) {
        if count > 0 {
            self.add("defines", Row { text: format!("{what}: {count}"), json: json!({ "what": what, "count": count }) });
        }
    }

    fn import(&mut self, module: &str, field: &str, ty: &TypeRef) {
        let what = match ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(*index as usize);
                format!("func {}", self.function(*index as usize))
            }
            TypeRef::Table(ty) => table(ty),
            TypeRef::Memory(ty) => memory(ty),
            TypeRef::Global(ty) => {
                format!("global {}{}", if ty.mutable { "mut " } else { "" }, plain(&ty.content_type.to_string()))
            }
            TypeRef::Tag(ty) => format!("tag {}", self.function(ty.func_type_idx as usize)),
        };
        self.imports.push((module.to_owned(), field.to_owned()));
        self.add("imports", Row::named(&[("module", module), ("name", field)], what));
    }

    fn export(&mut self, kind: ExternalKind, index: u32) -> String {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => match self.functions.get(index as usize).copied() {
                Some(ty) => format!("func {}", self.function(ty)),
                None => "func".into(),
            },
            ExternalKind::Table => "table".into(),
            ExternalKind::Memory => "memory".into(),
            ExternalKind::Global => "global".into(),
            ExternalKind::Tag => "tag".into(),
        }
    }

    fn function(&mut self, ty: usize) -> String {
        let Some(text) = self.types.get(ty) else { return "of an unknown type".into() };
        self.repeated = self.repeated.saturating_add(text.len());
        if self.repeated > MOST_REPEATED { format!("of type {ty}") } else { text.clone() }
    }

    /// The sections, as text.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (title, rows) in &self.sections {
            let _ = writeln!(out, "{title}:");
            for row in rows {
                let _ = writeln!(out, "  {}", row.text);
            }
        }
        out
    }

    /// The sections, into an object.
    pub fn to_json(&self, object: &mut Value) {
        for (title, rows) in &self.sections {
            object[title.replace(' ', "_")] = rows.iter().map(|row| row.json.clone()).collect();
        }
    }
}

fn module_name(section: &[u8]) -> Option<String> {
    let names = NameSectionReader::new(BinaryReader::new(section, 0)).map_while(Result::ok);
    names.into_iter().find_map(|part| if let Name::Module { name, .. } = part { Some(name.to_owned()) } else { None })
}

/// A type as in other listings if it is a plain function's, else as the text format has it.
fn type_text(ty: &SubType) -> String {
    match (&ty.composite_type, ty.is_final && ty.supertype_idxs.is_empty()) {
        (CompositeType { inner: CompositeInnerType::Func(func), shared: false, .. }, true) => func_text(func),
        _ => plain(&ty.to_string()),
    }
}

/// A type in the parser's words, with types by their numbers: `(ref 0)` for `(ref (module 0))`.
fn plain(text: &str) -> String {
    let mut parts = text.split("(module ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + &part.replacen(')', "", 1))
}

fn func_text(ty: &FuncType) -> String {
    let list = |types: &[wasmparser::ValType]| types.iter().map(|ty| plain(&ty.to_string())).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(ty.params()), list(ty.results()))
}

fn limits(initial: u64, maximum: Option<u64>) -> String {
    maximum.map_or_else(|| initial.to_string(), |most| format!("{initial}..{most}"))
}

fn memory(ty: &MemoryType) -> String {
    let (wide, shared) = (if ty.memory64 { "i64 " } else { "" }, if ty.shared { " shared" } else { "" });
    format!("memory {wide}{}{shared}", limits(ty.initial, ty.maximum))
}

fn table(ty: &TableType) -> String {
    format!(
        "table {}{} {}",
        if ty.table64 { "i64 " } else { "" },
        limits(ty.initial, ty.maximum),
        plain(&ty.element_type.to_string())
    )
}

fn component_type(ty: &ComponentTypeRef) -> &'static str {
    match ty {
        ComponentTypeRef::Module(_) => "core module",
        ComponentTypeRef::Func(_) => "func",
        ComponentTypeRef::Value(_) => "value",
        ComponentTypeRef::Type(_) => "type",
        ComponentTypeRef::Instance(_) => "instance",
        ComponentTypeRef::Component(_) => "component",
    }
}

fn component_kind(kind: ComponentExternalKind) -> &'static str {
    match kind {
        ComponentExternalKind::Module => "core module",
        ComponentExternalKind::Func => "func",
        ComponentExternalKind::Value => "value",
        ComponentExternalKind::Type => "type",
        ComponentExternalKind::Instance => "instance",
        ComponentExternalKind::Component => "component",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_type_is_not_said_with_each_import() {
        const IMPORTS: usize = 20_000;
        // A structure, so that it is an outline that is shown; and a function of 1000 parameters.
        let (params, imports) = ("v128 ".repeat(1000), r#"(import "" "" (func (type 1)))"#.repeat(IMPORTS));
        let text = format!("(module (type (struct)) (type (func (param {params}))) {imports})");
        let binary = wat::parse_str(text).expect("the text is right");
        let outline = Outline::of(&binary).expect("well-formed");
        let (text, mut json) = (outline.to_text(), json!({}));
        outline.to_json(&mut json);
        assert_eq!(json["imports"].as_array().map(Vec::len), Some(IMPORTS));
        assert!(text.lines().filter(|line| line.contains("v128 v128") || line.contains("v128, v128")).count() > 100);
        assert!(text.ends_with("func of type 1\n"), "{}", &text[text.len() - 100..]);
        assert!(text.len() < 4 << 20 && json.to_string().len() < 8 << 20, "{} {}", text.len(), json.to_string().len());
    }
}
