//! `sconce disas`: functions as WebAssembly beside the machine code that is made of them.

mod decode;
mod fields;
mod listing;
mod operators;

use crate::adopt::adopt;
use crate::cli::DisasArgs;
use crate::load;
use crate::report::{self, Failure, print};
use iced_x86::Register;
use listing::Listing;
use sconce_engine::{BoundsStyle, Engine, Error, MachineCode, Module, demangle};
use sconce_environ::decode::{Decoded, decode};
use sconce_environ::features::Features;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::module::{self, EntityIndex, EntityType};
use sconce_environ::names::FunctionNames;
use sconce_environ::shown::Shown;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// Prints the functions that were asked for.
///
/// # Errors
/// What is wrong with the module, or with the command line.
pub fn disas(args: &DisasArgs) -> Result<(), Failure> {
    let input = load::open(&args.file)?;
    let name = input.name.clone();
    // Nothing of what was compiled before is run, so it need not be trusted.
    let precompiled = load::Precompiled::Allowed;
    let engine = load::engine(&adopt(load::config(&args.compiler), &args.compiler, &input, precompiled))?;
    if input.is_artifact() {
        let module = load::compile(&engine, &input, precompiled)?;
        let names = module.custom_section("name").map(FunctionNames::read).unwrap_or_default();
        return Subject::new(&name, module.environ(), names, None, MachineCode::of(&module)).list(&engine, args);
    }
    let bytes = input.into_bytes()?;
    let binary = sconce_engine::text::to_binary(&bytes).map_err(|e| load::wrong(&name, &e))?;
    Module::validate(&engine, &binary).map_err(|e| load::wrong(&name, &e))?;
    let decoded = decode(&binary, Features::default()).map_err(|e| load::wrong(&name, &e.into()))?;
    let names = decoded.function_names(&binary);
    let code = MachineCode::compile(&engine, &binary, &decoded);
    Subject::new(&name, &decoded.module, names, Some((&binary, &decoded)), code).list(&engine, args)
}

/// Bytes of a function's name in a listing, where it stands beside each call.
const MAX_FUNCTION: usize = 1024;

/// A module that functions are shown of.
struct Subject<'a> {
    /// How messages call it.
    name: &'a str,
    module: &'a module::Module,
    names: FunctionNames<'a>,
    /// The binary, if it is at hand.
    body: Option<(&'a [u8], &'a Decoded)>,
    code: MachineCode<'a>,
    /// Names as they are shown, of functions that were looked up: a listing names some of them again and again.
    shown: RefCell<HashMap<FuncIndex, Option<String>>>,
    /// Names of functions that the name section does not have: of imports by their number, and of exports.
    others: HashMap<FuncIndex, &'a str>,
}

/// The name that an import or the first export gives a function.
fn other_names(module: &module::Module) -> HashMap<FuncIndex, &str> {
    let exports = module.exports.iter().rev();
    let exported = exports.filter_map(|e| if let EntityIndex::Func(f) = e.entity { Some((f, e.name.as_str())) } else { None });
    let imported = module.imports.iter().filter(|i| matches!(i.kind, EntityType::Func(_))).map(|i| i.name.as_str());
    exported.chain(imported.enumerate().map(|(n, name)| (FuncIndex::from_u32(n as u32), name))).collect()
}

impl<'a> Subject<'a> {
    fn new(
        name: &'a str,
        module: &'a module::Module,
        names: FunctionNames<'a>,
        body: Option<(&'a [u8], &'a Decoded)>,
        code: MachineCode<'a>,
    ) -> Subject<'a> {
        Subject { name, module, names, body, code, shown: RefCell::default(), others: other_names(module) }
    }

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
            report::list(&format!("{gap}{text}"))?;
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
        let hint = near.map(|name| format!("; did you mean '{}'?", Shown::short(name))).unwrap_or_default();
        Err(Failure::not_run(format!("{}: no function is called '{}'{hint}", self.name, Shown::short(text))))
    }

    /// A function's name, if it has one: from the name section, an import's or an export's.
    fn function_name(&self, func: FuncIndex) -> Option<String> {
        let name = || {
            let name = self.names.get(func).filter(|n| !n.is_empty()).or_else(|| self.others.get(&func).copied())?;
            Some(Shown::new(&demangle(name)).at_most(MAX_FUNCTION).to_string())
        };
        self.shown.borrow_mut().entry(func).or_insert_with(name).clone()
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
