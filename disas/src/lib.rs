//! Functions as WebAssembly beside the machine code that is made of them, for `sconce disas`.
//!
//! Code comes from the engine's compilers or from what they compiled before ([`MachineCode`]), and is only read: nothing of it is
//! run, and every name that is shown is escaped.
#![forbid(unsafe_code)]

mod decode;
mod fields;
mod listing;
mod operators;

use fields::Field;
use listing::Listing;
use sconce_engine::{BoundsStyle, Engine, Error, MachineCode, Module, demangle};
use sconce_environ::decode::Decoded;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::module::{self, EntityIndex, EntityType};
use sconce_environ::names::FunctionNames;
use sconce_environ::shown::Shown;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// Bytes of a function's name in a listing, where it stands beside each call.
const MAX_FUNCTION: usize = 1024;

/// A module whose functions are listed.
pub struct Listings<'a> {
    engine: &'a Engine,
    module: &'a module::Module,
    names: FunctionNames<'a>,
    /// The binary, if it is at hand.
    body: Option<(&'a [u8], &'a Decoded)>,
    code: MachineCode<'a>,
    fields: BTreeMap<u32, Field>,
    /// Names as they are shown, of functions that were looked up: a listing names some of them again and again.
    shown: RefCell<HashMap<FuncIndex, Option<String>>>,
    /// Names of functions that the name section does not have: of imports by their number, and of exports.
    others: HashMap<FuncIndex, &'a str>,
}

/// Why there is no listing of a function that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// Functions have lower numbers.
    #[error("there is no function {number}, only {count}")]
    Number {
        /// What was asked for.
        number: u32,
        /// How many functions there are.
        count: usize,
    },
    /// The module does not say what it does.
    #[error("function {0} is imported: it has no code here")]
    Imported(String),
    /// No function has this name.
    #[error("no function is called '{}'", Shown::short(.0))]
    Name(String),
}

/// The name that an import or the first export gives a function.
fn other_names(module: &module::Module) -> HashMap<FuncIndex, &str> {
    let imported = module.imports.iter().filter(|i| matches!(i.kind, EntityType::Func(_))).map(|i| i.name.as_str());
    let imported = imported.enumerate().map(|(n, name)| (FuncIndex::from_u32(n as u32), name));
    let exported: Vec<_> = exported(module).collect();
    exported.into_iter().rev().chain(imported).collect()
}

/// The functions that are exported, with their names.
fn exported(module: &module::Module) -> impl Iterator<Item = (FuncIndex, &str)> {
    module.exports.iter().filter_map(|e| if let EntityIndex::Func(f) = e.entity { Some((f, e.name.as_str())) } else { None })
}

impl<'a> Listings<'a> {
    /// The functions of a valid binary that was decoded from these bytes. They are compiled when they are listed.
    pub fn of_binary(engine: &'a Engine, binary: &'a [u8], decoded: &'a Decoded) -> Listings<'a> {
        let code = MachineCode::compile(engine, binary, decoded);
        Listings::new(engine, &decoded.module, decoded.function_names(binary), Some((binary, decoded)), code)
    }

    /// The functions of a module that is compiled already. Their operators are not in it.
    pub fn of_compiled(engine: &'a Engine, module: &'a Module) -> Listings<'a> {
        let names = module.custom_section("name").map(FunctionNames::read).unwrap_or_default();
        Listings::new(engine, module.environ(), names, None, MachineCode::of(module))
    }

    fn new(
        engine: &'a Engine,
        module: &'a module::Module,
        names: FunctionNames<'a>,
        body: Option<(&'a [u8], &'a Decoded)>,
        code: MachineCode<'a>,
    ) -> Listings<'a> {
        let (fields, others) = (fields::of_context(module), other_names(module));
        Listings { engine, module, names, body, code, fields, shown: RefCell::default(), others }
    }

    /// Whether operators are shown beside the code, not their offsets alone.
    pub fn has_operators(&self) -> bool {
        self.body.is_some()
    }

    /// All functions that there are listings of.
    pub fn functions(&self) -> impl Iterator<Item = DefinedFuncIndex> + use<> {
        (0..self.module.num_defined_functions() as u32).map(DefinedFuncIndex::from_u32)
    }

    /// The functions' names that can be asked for, demangled or not.
    pub fn names(&self) -> impl Iterator<Item = (FuncIndex, &str)> {
        let count = self.module.functions.len();
        self.names.iter().filter(move |(func, _)| (func.as_u32() as usize) < count).chain(exported(self.module))
    }

    /// The function that a number or a name means.
    ///
    /// # Errors
    /// If there is none, or it is imported.
    pub fn find(&self, text: &str) -> Result<DefinedFuncIndex, NotFound> {
        let count = self.module.functions.len();
        let func = match text.parse() {
            Ok(number) if (number as usize) < count => FuncIndex::from_u32(number),
            Ok(number) => return Err(NotFound::Number { number, count }),
            Err(_) => self.named(text).ok_or_else(|| NotFound::Name(text.to_owned()))?,
        };
        self.module.defined_func(func).ok_or_else(|| NotFound::Imported(self.any(func)))
    }

    fn named(&self, text: &str) -> Option<FuncIndex> {
        let exactly = self.names().find(|(_, name)| *name == text);
        exactly.or_else(|| self.names().find(|(_, name)| demangle(name) == text)).map(|(func, _)| func)
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

    /// A function's listing.
    ///
    /// # Errors
    /// As [`MachineCode::function`].
    pub fn list(&self, func: DefinedFuncIndex) -> Result<String, Error> {
        let (function, compiler) = self.code.function(func)?;
        let index = self.module.func_index(func);
        let operators_of = |func| {
            let (binary, decoded) = self.body?;
            let name = |i: u32| self.function_name(FuncIndex::from_u32(i));
            let lines = operators::lines(decoded.body(binary, func), decoded.bodies[func].start, &name);
            Some(lines.unwrap_or_default())
        };
        let operators = operators_of(func);
        let bounds = match self.engine.bounds() {
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
            operators_of: &|func| operators_of(func).unwrap_or_default(),
            fields: &self.fields,
            context: (compiler == "lightbeam").then_some(decode::KEPT_CONTEXT),
            defined: &|func| self.any(self.module.func_index(func)),
            any: &|func| self.any(func),
            target: &|distance| self.code.target(func, distance),
        }
        .text();
        Ok(text)
    }
}

impl std::fmt::Debug for Listings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listings").field("code", &self.code).finish_non_exhaustive()
    }
}
