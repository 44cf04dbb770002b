//! `sconce disas`: functions as WebAssembly beside the machine code that is made of them.

mod decode;
mod fields;
mod listing;
mod operators;

use crate::cli::DisasArgs;
use crate::load;
use crate::report::{Failure, harmless, print};
use iced_x86::Register;
use listing::Listing;
use sconce_engine::{BoundsStyle, Engine, Error, MachineCode, Module, demangle};
use sconce_environ::decode::{Decoded, decode};
use sconce_environ::features::Features;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::module::{self, EntityIndex, EntityType};
use sconce_environ::names::FunctionNames;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Prints the functions that were asked for.
///
/// # Errors
/// What is wrong with the module, or with the command line.
pub fn disas(args: &DisasArgs) -> Result<(), Failure> {
    let input = load::open(&args.file)?;
    let name = input.name.clone();
    let engine = load::engine(&load::config(&args.compiler))?;
    if input.is_artifact() {
        // Nothing of it is run, so it need not be trusted.
        let module = load::compile(&engine, input, load::Precompiled::Allowed)?;
        let names = module.custom_section("name").map(FunctionNames::read).unwrap_or_default();
        let subject = Subject { name: &name, module: module.environ(), names, body: None, code: MachineCode::of(&module) };
        return subject.list(&engine, args);
    }
    let bytes = input.into_bytes()?;
    let binary = sconce_engine::text::to_binary(&bytes).map_err(|e| load::wrong(&name, &e))?;
    Module::validate(&engine, &binary).map_err(|e| load::wrong(&name, &e))?;
    let decoded = decode(&binary, Features::default()).map_err(|e| load::wrong(&name, &e.into()))?;
    let names = decoded.function_names(&binary);
    let code = MachineCode::compile(&engine, &binary, &decoded);
    Subject { name: &name, module: &decoded.module, names, body: Some((&binary, &decoded)), code }.list(&engine, args)
}

/// A module that functions are shown of.
struct Subject<'a> {
    /// How messages call it.
    name: &'a str,
    module: &'a module::Module,
    names: FunctionNames<'a>,
    /// The binary, if it is at hand.
    body: Option<(&'a [u8], &'a Decoded)>,
    code: MachineCode<'a>,
}

impl Subject<'_> {
    fn list(&self, engine: &Engine, args: &DisasArgs) -> Result<(), Failure> {
        let chosen = match &args.func {
            Some(text) => {
                let func = self.find(text)?;
                let defined = self.module.defined_func(func).ok_or_else(|| {
                    Failure::not_run(format!("{}: function {} is imported: it has no code here", self.name, self.any(func)))
                })?;
                defined.as_u32()..defined.as_u32() + 1
            }
            None => 0..self.module.num_defined_functions() as u32,
        };
        if self.body.is_none() {
            print("operators are not in a precompiled module: their offsets stand beside the code\n\n")?;
        }
        let fields = fields::of_context(self.module);
        for (n, func) in chosen.map(DefinedFuncIndex::from_u32).enumerate() {
            let gap = if n == 0 { "" } else { "\n" };
            let text = self.function(engine, func, &fields).map_err(|e| load::wrong(self.name, &e))?;
            print(&format!("{gap}{}", harmless(&text)))?;
        }
        Ok(())
    }

    /// The function that a number or a name means.
    fn find(&self, text: &str) -> Result<FuncIndex, Failure> {
        let count = self.module.functions.len();
        if let Ok(number) = text.parse::<u32>() {
            return match (number as usize) < count {
                true => Ok(FuncIndex::from_u32(number)),
                false => Err(Failure::not_run(format!("{}: there is no function {number}, only {count}", self.name))),
            };
        }
        let exported = self.module.exports.iter().filter_map(|e| match e.entity {
            EntityIndex::Func(func) => Some((func, e.name.as_str())),
            _ => None,
        });
        let by_name = self.names.iter().filter(|(func, _)| (func.as_u32() as usize) < count);
        let named: Vec<(FuncIndex, &str)> = by_name.chain(exported).collect();
        let exactly = named.iter().find(|(_, name)| *name == text);
        if let Some(&(func, _)) = exactly.or_else(|| named.iter().find(|(_, name)| demangle(name) == text)) {
            return Ok(func);
        }
        let near = crate::values::nearest(text, named.iter().map(|(_, name)| *name));
        let hint = near.map(|name| format!("; did you mean '{name}'?")).unwrap_or_default();
        Err(Failure::not_run(format!("{}: no function is called '{text}'{hint}", self.name)))
    }

    /// A function's name, if it has one: from the name section, or an export's.
    fn function_name(&self, func: FuncIndex) -> Option<String> {
        if let Some(name) = self.names.get(func).filter(|n| !n.is_empty()) {
            return Some(demangle(name));
        }
        let mut imports = self.module.imports.iter().filter(|i| matches!(i.kind, EntityType::Func(_)));
        if self.module.defined_func(func).is_none()
            && let Some(import) = imports.nth(func.as_u32() as usize)
        {
            return Some(demangle(&import.name));
        }
        let export = self.module.exports.iter().find(|e| e.entity == EntityIndex::Func(func))?;
        Some(demangle(&export.name))
    }

    fn any(&self, func: FuncIndex) -> String {
        match self.function_name(func) {
            Some(name) => format!("{} ${name}", func.as_u32()),
            None => func.as_u32().to_string(),
        }
    }

    fn function(&self, engine: &Engine, func: DefinedFuncIndex, fields: &BTreeMap<u32, fields::Field>) -> Result<String, Error> {
        let (function, compiler) = self.code.function(func)?;
        let index = self.module.func_index(func);
        let operators = match self.body {
            Some((binary, decoded)) => {
                let name = |i: u32| self.function_name(FuncIndex::from_u32(i));
                let lines = operators::lines(decoded.body(binary, func), decoded.bodies[func].start, &name);
                Some(lines.unwrap_or_default())
            }
            None => None,
        };
        let bounds = match engine.bounds() {
            BoundsStyle::Guard => "guard",
            BoundsStyle::Explicit => "explicit",
        };
        let ty = self.module.func_type(self.module.functions[index]);
        let mut text = format!("function {}: {ty}\n", self.any(index));
        let wasm = self.body.map(|(_, decoded)| format!("{} bytes of wasm, ", decoded.bodies[func].len())).unwrap_or_default();
        let _ = writeln!(text, "{wasm}{} bytes of code by {}, bounds={bounds}", function.code.len(), compiler);
        text += &Listing {
            function: &function,
            operators: operators.as_deref(),
            fields,
            context: (compiler == "lightbeam").then_some(Register::R14),
            defined: &|func| self.any(self.module.func_index(func)),
            any: &|func| self.any(func),
            target: &|distance| self.code.target(func, distance),
        }
        .text();
        Ok(text)
    }
}
