//! `sconce inspect`: a module's outside, decoded and validated but not compiled.

mod outline;

use crate::capabilities;
use crate::cli::InspectArgs;
use crate::load;
use crate::report::{Failure, print};
use outline::Outline;
use sconce_environ::decode::{DecodeError, Decoded, decode};
use sconce_environ::features::Features;
use sconce_environ::index::{MemoryIndex, TypeIndex};
use sconce_environ::module::{EntityIndex, EntityType, Module};
use sconce_environ::shown::{MAX_NAME, Shown, is_hidden, quoted};
use sconce_environ::types::{Limits, MemoryType, ValTypes};
use serde_json::{Value, json};
use std::fmt::Write;

/// Prints what there is to know; of what cannot be run, an outline.
///
/// # Errors
/// What is wrong with the module.
pub fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let input = load::open_any(&args.file)?;
    load::refuse_compiled(&input, load::NO_MODULE)?;
    let name = input.name.clone();
    let bytes = input.into_any_bytes()?;
    let bytes = sconce_engine::text::to_binary(&bytes).map_err(|e| load::wrong(&name, &e))?;
    let decoded = decode(&bytes, Features::default()).and_then(|decoded| {
        decoded.validate_bodies(&bytes, &|| true)?;
        Ok((decoded, sconce_environ::proposals::used(&bytes)?.names()))
    });
    let text = match decoded {
        Ok((decoded, proposals)) => {
            let file = Inspected { name: &name, size: bytes.len(), decoded: &decoded, proposals };
            if args.json { plain_json(&to_json(&file)) } else { to_text(&file) }
        }
        Err(why) => outline(&name, &bytes, &why, args.json).ok_or_else(|| Failure::not_run(format!("{name}: {why}")))?,
    };
    print(&text)
}

/// What can be said of a binary that is right, as far as can be seen, but nothing that Sconce runs.
fn outline(name: &str, bytes: &[u8], why: &DecodeError, json: bool) -> Option<String> {
    if !matches!(why, DecodeError::Component | DecodeError::NotEnabled { .. }) {
        return None;
    }
    let outline = Outline::of(bytes).ok()?;
    let proposals = sconce_environ::proposals::used(bytes).map(|used| used.names()).unwrap_or_default();
    let kind = if outline.component { "component" } else { "core module" };
    let asked = capabilities::asked(outline.imports.iter().filter(|(m, _)| capabilities::is_wasi(m)).map(|(_, n)| n.as_str()));
    if json {
        let mut value = json!({
            "file": name, "bytes": bytes.len(), "kind": kind, "name": outline.name, "proposals": proposals,
            "cannot_run": why.to_string(), "wasi_capabilities": capabilities_json(asked),
        });
        outline.to_json(&mut value);
        return Some(plain_json(&value));
    }
    let mut out = header(name, kind, bytes.len(), outline.name.as_deref());
    if !outline.component {
        out += &proposals_line(&proposals);
    }
    out += &outline.to_text();
    section(&mut out, "asks WASI to", asked.iter().map(capability_text));
    Some(out + &format!("Sconce cannot run it: {why}\n"))
}

fn header(name: &str, kind: &str, bytes: usize, own: Option<&str>) -> String {
    let named = own.map(|own| format!(", named {}", self::name(own))).unwrap_or_default();
    format!("{name}: {kind}, {bytes} bytes{named}\n")
}

fn proposals_line(proposals: &[String]) -> String {
    let used = if proposals.is_empty() { "none beyond 1.0".to_owned() } else { proposals.join(", ") };
    format!("proposals used: {used}\n")
}

/// What a module asks for, and the functions that it does so with.
type Asked = (&'static capabilities::Capability, Vec<&'static str>);

fn capability_text((capability, functions): &Asked) -> String {
    let flag = capability.flag.map(|f| format!(" (granted by {f})")).unwrap_or_default();
    format!("{}{flag}: {}", capability.words, functions.join(", "))
}

fn capabilities_json(asked: Vec<Asked>) -> Vec<Value> {
    asked.into_iter().map(|(c, functions)| json!({ "words": c.words, "flag": c.flag, "functions": functions })).collect()
}

struct Inspected<'a> {
    name: &'a str,
    size: usize,
    decoded: &'a Decoded,
    proposals: Vec<String>,
}

fn to_text(file: &Inspected<'_>) -> String {
    let Inspected { name: of, size, decoded, proposals } = file;
    let module = &decoded.module;
    let mut out = header(of, "core module", *size, module.name.as_deref());
    out += &proposals_line(proposals);

    section(&mut out, "types", module.types.keys().map(|i| format!("{}: {}", i.as_u32(), type_text(module, i))));
    let imports = module.imports.iter();
    let import =
        |i: &sconce_environ::module::Import| format!("{} {}: {}", name(&i.module), name(&i.name), describe(module, &i.kind));
    section(&mut out, "imports", imports.map(import));
    let export =
        |e: &sconce_environ::module::Export| format!("{}: {}", name(&e.name), describe(module, &module.entity_type(e.entity)));
    section(&mut out, "exports", module.exports.iter().map(export));
    section(&mut out, "memories", module.memories.keys().map(|i| memory_text(module, i)));
    let defined = [
        ("functions", module.num_defined_functions()),
        ("tables", module.tables.len() - module.num_imported_tables as usize),
        ("globals", module.globals.len() - module.num_imported_globals as usize),
        ("tags", module.tags.len() - module.num_imported_tags as usize),
        ("element segments", module.elements.len()),
        ("data segments", module.data.len()),
    ];
    section(&mut out, "defines", defined.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what}: {n}")));
    let custom = decoded.custom_sections.iter();
    section(&mut out, "custom sections", custom.map(|s| format!("{}: {} bytes", name(&s.name), s.contents.len())));
    let asked = capabilities::asked(wasi_imports(module));
    section(&mut out, "asks WASI to", asked.iter().map(capability_text));
    let _ = writeln!(out, "{}", how_to_run(module));
    out
}

/// A name in a listing: longer than in messages, since it is what was asked for.
fn name(text: &str) -> Shown<'_> {
    quoted(text).at_most(MAX_NAME)
}

/// JSON whose names are those of the module to the letter, and whose text shows what is hidden as escapes all the same.
fn plain_json(value: &Value) -> String {
    let text = format!("{value:#}\n");
    let hidden = |c: char| c != '\n' && is_hidden(c);
    if !text.contains(hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            // Only strings have such characters.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn section(out: &mut String, title: &str, rows: impl Iterator<Item = String>) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        let _ = writeln!(out, "{title}:");
    }
    for row in rows {
        let _ = writeln!(out, "  {row}");
    }
}

fn wasi_imports(module: &Module) -> impl Iterator<Item = &str> + Clone {
    module.imports.iter().filter(|i| capabilities::is_wasi(&i.module)).map(|i| i.name.as_str())
}

fn how_to_run(module: &Module) -> &'static str {
    let exports = |name: &str| module.exports.iter().any(|e| e.name == name && matches!(e.entity, EntityIndex::Func(_)));
    match (exports("_start"), exports("_initialize")) {
        (true, _) => "a command: 'sconce run' calls _start",
        (false, true) => "a reactor: 'sconce run --invoke NAME' calls _initialize, then NAME",
        (false, false) => "a library: 'sconce run --invoke NAME' calls NAME",
    }
}

/// The type of an import or export for people, in the words of the engine's messages.
fn describe(module: &Module, entity: &EntityType) -> String {
    match entity {
        EntityType::Func(ty) => format!("func {}", module.func_type(*ty)),
        EntityType::Table(ty) => ty.to_string(),
        EntityType::Memory(ty) => ty.to_string(),
        EntityType::Global(ty) => ty.to_string(),
        EntityType::Tag(ty) => tag_text(module, *ty),
    }
}

/// A type; before it, what it is a subtype of and whether it can have subtypes, if that is not as in types without `sub`.
fn type_text(module: &Module, index: TypeIndex) -> String {
    let ty = &module.types[index];
    let open = if ty.is_final { "" } else { "open, " };
    let sub = ty.supertype.map(|s| format!("subtype of {}, ", s.as_u32())).unwrap_or_default();
    format!("{open}{sub}{}", module.func_type(index))
}

fn tag_text(module: &Module, ty: TypeIndex) -> String {
    format!("tag {}", ValTypes(&module.func_type(ty).params))
}

/// How much that is: `2 pages (128 KiB) at first, at most 16 (1 MiB)`.
fn pages(ty: &MemoryType) -> String {
    let size = |pages: u64| {
        let bytes = u128::from(pages) << ty.page_size_log2;
        match bytes {
            0..1024 => format!("{bytes} bytes"),
            1024..1_048_576 => format!("{} KiB", bytes >> 10),
            1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
            _ => format!("{} GiB", bytes >> 30),
        }
    };
    let Limits { min, max } = ty.limits;
    let most = max.map(|max| format!(", at most {max} ({})", size(max))).unwrap_or_default();
    let kind = [(ty.memory64, ", 64-bit"), (ty.shared, ", shared")].iter().filter(|k| k.0).map(|k| k.1).collect::<String>();
    format!("{min} pages ({}) at first{most}{kind}", size(min))
}

fn memory_text(module: &Module, index: MemoryIndex) -> String {
    let from = if module.defined_memory(index).is_none() { ", imported" } else { "" };
    let exports = module.exports.iter().filter(|e| e.entity == EntityIndex::Memory(index));
    let exported: String = exports.map(|e| format!(", exported as {}", name(&e.name))).collect();
    format!("{}: {}{from}{exported}", index.as_u32(), pages(&module.memories[index]))
}

fn to_json(file: &Inspected<'_>) -> Value {
    let Inspected { name, size, decoded, proposals } = file;
    let module = &decoded.module;
    let types: Vec<Value> = module.types.keys().map(|i| function(module, i)).collect();
    let imports: Vec<Value> =
        module.imports.iter().map(|i| json!({ "module": i.module, "name": i.name, "type": entity(module, &i.kind) })).collect();
    let exports: Vec<Value> =
        module.exports.iter().map(|e| json!({ "name": e.name, "type": entity(module, &module.entity_type(e.entity)) })).collect();
    let memories: Vec<Value> = module
        .memories
        .iter()
        .map(|(i, ty)| {
            let mut value = memory(ty);
            value["imported"] = json!(module.defined_memory(i).is_none());
            value
        })
        .collect();
    let custom: Vec<Value> =
        decoded.custom_sections.iter().map(|s| json!({ "name": s.name, "bytes": s.contents.len() })).collect();
    let capabilities = capabilities_json(capabilities::asked(wasi_imports(module)));
    json!({
        "file": name,
        "bytes": size,
        "kind": "core module",
        "name": module.name,
        "proposals": proposals,
        "types": types,
        "imports": imports,
        "exports": exports,
        "memories": memories,
        "functions": module.num_defined_functions(),
        "custom_sections": custom,
        "wasi_capabilities": capabilities,
    })
}

fn function(module: &Module, index: TypeIndex) -> Value {
    let ty = module.func_type(index);
    let list = |types: &[sconce_environ::types::ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({ "kind": "function", "params": list(&ty.params), "results": list(&ty.results) })
}

fn memory(ty: &MemoryType) -> Value {
    json!({
        "kind": "memory",
        "min_pages": ty.limits.min,
        "max_pages": ty.limits.max,
        "page_bytes": ty.page_size(),
        "shared": ty.shared,
        "memory64": ty.memory64,
    })
}

fn entity(module: &Module, entity: &EntityType) -> Value {
    match entity {
        EntityType::Func(ty) => function(module, *ty),
        EntityType::Table(ty) => json!({
            "kind": "table",
            "element": ty.element.to_string(),
            "min": ty.limits.min,
            "max": ty.limits.max,
            "table64": ty.table64,
        }),
        EntityType::Memory(ty) => memory(ty),
        EntityType::Global(ty) => json!({ "kind": "global", "content": ty.content.to_string(), "mutable": ty.mutable }),
        EntityType::Tag(ty) => {
            let values: Vec<String> = module.func_type(*ty).params.iter().map(ToString::to_string).collect();
            json!({ "kind": "tag", "values": values })
        }
    }
}
