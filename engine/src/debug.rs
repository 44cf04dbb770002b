//! What debuggers and profilers are told of code in memory: names, and how to walk frames.
//!
//! An engine that is asked to ([`crate::Config::debugger`], [`crate::Config::perf_map`]) tells of each module
//! when it is made, and of each trampoline. Otherwise nothing of this is ever run.

mod object;
mod unwind;

use crate::causes::ResourceFailure;
use crate::compiled::CompiledModule;
use crate::error::Error;
use crate::symbolize::demangle;
use object::CodeSymbol;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::module::EntityIndex;
use sconce_environ::names::FunctionNames;
use sconce_environ::shown::Shown;
use sconce_runtime as rt;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use unwind::Piece;

/// Who is told.
#[derive(Debug)]
pub(crate) struct Listeners {
    debugger: bool,
    perf: bool,
    /// Trampolines, as long as the engine lives.
    stubs: Mutex<Vec<rt::DebugObject>>,
}

/// The process's file for `perf`.
static PERF_MAP: Mutex<Option<File>> = Mutex::new(None);

/// Debuggers take a stack that jumps for a broken one, but in the function that does this in programs with
/// split stacks. So host functions are called through trampolines, always.
const STACK_CHANGES: &str = "__morestack";

impl Listeners {
    /// None, if nobody wants to know.
    ///
    /// # Errors
    /// If the file for `perf` cannot be written.
    pub(crate) fn new(debugger: bool, perf: bool) -> Result<Option<Arc<Listeners>>, Error> {
        if perf {
            let mut file = PERF_MAP.lock().unwrap_or_else(PoisonError::into_inner);
            if file.is_none() {
                // Where `perf` looks for it.
                let path = format!("/tmp/perf-{}.map", std::process::id());
                // One that an earlier process of this number left; and nothing is written through what others put there.
                let _ = std::fs::remove_file(&path);
                let made = File::create_new(&path);
                *file = Some(made.map_err(|source| ResourceFailure::File { path, source })?);
            }
        }
        Ok((debugger || perf).then(|| Arc::new(Listeners { debugger, perf, stubs: Mutex::default() })))
    }

    /// Whether debuggers are among them.
    pub(crate) fn debugger(&self) -> bool {
        self.debugger
    }

    fn tell_perf(&self, symbols: &[CodeSymbol]) {
        let mut text = String::new();
        for symbol in symbols {
            // `symbols` has seen to it that names are one line each.
            let _ = writeln!(text, "{:x} {:x} {}", symbol.address, symbol.len, symbol.name);
        }
        let file = PERF_MAP.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut file) = file.as_ref()
            && let Err(e) = file.write_all(text.as_bytes())
        {
            log::warn!("perf will not know {} functions: {e}", symbols.len());
        }
    }

    /// Tells of a module.
    pub(crate) fn module(&self, module: &CompiledModule) {
        let symbols = symbols(module);
        if self.perf {
            self.tell_perf(&symbols);
        }
        if self.debugger {
            let code = module.loaded.code();
            let frames = unwind::eh_frame(pieces(module));
            let object = object::object(code.text_base() as u64, code.text_len() as u64, &symbols, &frames);
            module.loaded.keep_debug_object(rt::DebugObject::register(object.into()));
        }
    }
}

impl rt::StubListener for Listeners {
    fn stub(&self, stub: &rt::Stub<'_>) {
        let symbol = |name: &str| CodeSymbol { address: stub.address, len: stub.code.len(), name: name.to_owned() };
        if self.perf {
            self.tell_perf(&[symbol(&format!("sconce: {}", stub.name))]);
        }
        if self.debugger {
            let address = stub.address as u64;
            let piece = Piece { address, code: stub.code, data: Vec::new(), called: stub.called };
            let frames = unwind::eh_frame([piece]);
            let object = object::object(address, stub.code.len() as u64, &[symbol(STACK_CHANGES)], &frames);
            let object = rt::DebugObject::register(object.into());
            self.stubs.lock().unwrap_or_else(PoisonError::into_inner).push(object);
        }
    }
}

/// Bytes of names that profilers and debuggers are told: of a function's, of a module's before it, and of all together.
const MAX_NAME: usize = 1024;
const MAX_PREFIX: usize = 64;
const MAX_NAMES: usize = 64 << 20;

/// The first name under which each function is exported.
fn exported_functions(module: &CompiledModule) -> HashMap<FuncIndex, &str> {
    let exports = module.environ().exports.iter().rev();
    exports.filter_map(|e| if let EntityIndex::Func(f) = e.entity { Some((f, e.name.as_str())) } else { None }).collect()
}

/// A module's functions, in order, and the thunks behind them.
fn symbols(module: &CompiledModule) -> Vec<CodeSymbol> {
    let code = module.loaded.code();
    let names = module.custom_section("name").map(FunctionNames::read).unwrap_or_default();
    let exported = exported_functions(module);
    let prefix = module.name().map(|name| format!("{}!", Shown::new(name).at_most(MAX_PREFIX))).unwrap_or_default();
    let mut room = MAX_NAMES;
    let mut symbols: Vec<_> = code
        .tables()
        .functions
        .iter()
        .enumerate()
        .map(|(n, f)| {
            let func = module.environ().func_index(DefinedFuncIndex::from_u32(n as u32));
            let name = match names.get(func).filter(|n| !n.is_empty()).map(demangle) {
                // Mangled names can be far shorter than what they stand for.
                Some(name) if room > 0 => format!("{prefix}{}", Shown::new(&name).at_most(MAX_NAME)),
                None if room > 0 && exported.contains_key(&func) => format!("{prefix}{}", Shown::short(exported[&func])),
                _ => format!("func[{}]", func.as_u32()),
            };
            room = room.saturating_sub(name.len());
            CodeSymbol { address: code.text_base() + f.start as usize, len: f.len as usize, name }
        })
        .collect();
    let thunks = module.thunks as usize;
    if thunks < code.text_len() {
        let name = format!("{prefix}thunks");
        symbols.push(CodeSymbol { address: code.text_base() + thunks, len: code.text_len() - thunks, name });
    }
    symbols
}

/// The same functions for who walks frames.
fn pieces(module: &CompiledModule) -> impl Iterator<Item = Piece<'_>> {
    let code = module.loaded.code();
    let (text, tables) = (code.text(), code.tables());
    let piece = move |start: usize, len: usize, data: Vec<(u32, u32)>| {
        let code = text.get(start..start + len).filter(|code| !code.is_empty())?;
        let data = data.into_iter().map(|(from, to)| from as usize..to as usize).collect();
        Some(Piece { address: (code.as_ptr() as usize) as u64, code, data, called: true })
    };
    let thunks = module.thunks as usize;
    let functions = tables.functions.iter().enumerate().filter_map(move |(n, f)| {
        piece(f.start as usize, f.len as usize, tables.jump_tables_of(DefinedFuncIndex::from_u32(n as u32)))
    });
    functions.chain(piece(thunks, text.len().saturating_sub(thunks), Vec::new()))
}
