//! Names and source lines for backtraces.
//!
//! A frame's name comes from the module's name section, demangled; for a function without one, from its export; else it is
//! the function's index. Where the module has DWARF (addresses count from the start of the code section's contents, as the
//! WebAssembly DWARF convention has it), the operator's source line follows, and the functions that were inlined around it.
//!
//! All of it comes from the guest and is believed as little as possible: it is read within a budget of work,
//! text and time ([`effort`]), without tables that it could make large ([`dwarf`]), demangled where that can
//! be given up ([`demangle`](mod@demangle)), and shown as text of others is ([`sconce_environ::shown`]). What
//! the budget does not reach is left out of the backtrace.

mod demangle;
mod dwarf;
mod effort;
mod location;

pub use demangle::demangle;
pub(crate) use demangle::raw_demangle;
pub use location::SourceLocation;

use crate::backtrace::{Backtrace, Frame};
use crate::compiled::CompiledModule;
use effort::Effort;
use sconce_environ::index::FuncIndex;
use sconce_environ::module::EntityIndex;
use sconce_environ::names::{self, Names};
use sconce_environ::shown::Shown;
use std::collections::HashMap;
use std::fmt::{self, Write};

/// A frame for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolizedFrame {
    /// The module's name, if it has one.
    pub module: Option<String>,
    /// The function's index.
    pub func: u32,
    /// The function's name: demangled, or the export's, or `func[7]`.
    pub name: String,
    /// Offset of the operator in the module's binary, in bytes, where known.
    pub wasm_offset: Option<u32>,
    /// Where that is in the source, innermost inlined function first; empty without DWARF. The last one is the function itself.
    pub locations: Vec<SourceLocation>,
}

/// Names and source lines of all frames, innermost first. That takes a second at most; what is not found by then is left out.
pub fn symbolize(backtrace: &Backtrace) -> Vec<SymbolizedFrame> {
    symbolized(&backtrace.frames.iter().collect::<Vec<_>>())
}

/// The same for some frames.
fn symbolized(frames: &[&Frame]) -> Vec<SymbolizedFrame> {
    let mut effort = Effort::default();
    let mut modules: Vec<(&CompiledModule, Vec<usize>)> = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        match modules.iter_mut().find(|(module, _)| std::ptr::eq(*module, &*frame.module)) {
            Some((_, of)) => of.push(n),
            None => modules.push((&frame.module, vec![n])),
        }
    }
    let nameless = |frame: &&Frame| SymbolizedFrame {
        module: frame.module.name().map(|name| Shown::short(name).to_string()),
        func: frame.func.as_u32(),
        name: String::new(),
        wasm_offset: frame.wasm_offset,
        locations: Vec::new(),
    };
    let mut symbolized: Vec<SymbolizedFrame> = frames.iter().map(nameless).collect();
    // Names first, since they say more for less.
    for (module, of) in &modules {
        let names = function_names(module, of.iter().map(|&n| frames[n].func), &mut effort);
        of.iter().for_each(|&n| symbolized[n].name = effort.shown(&names[&frames[n].func]));
    }
    for (module, of) in &modules {
        let probe = |n: usize| frames[n].wasm_offset?.checked_sub(module.code_section_offset()).map(u64::from);
        let mut probes: Vec<u64> = of.iter().filter_map(|&n| probe(n)).collect();
        probes.sort_unstable();
        probes.dedup();
        let locations = dwarf::locate(&|name| module.custom_section(name), &probes, &mut effort);
        for &n in of {
            if let Some(at) = probe(n).and_then(|probe| probes.binary_search(&probe).ok()) {
                symbolized[n].locations = locations[at].clone();
            }
        }
    }
    symbolized
}

/// Names of functions for people, not yet fit to be shown.
fn function_names(
    module: &CompiledModule,
    funcs: impl Iterator<Item = FuncIndex>,
    effort: &mut Effort,
) -> HashMap<FuncIndex, String> {
    let mut wanted: Vec<u32> = funcs.map(FuncIndex::as_u32).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let section = module.custom_section("name").unwrap_or_default();
    let found = names::find(section, Names::Functions, &wanted, &mut || effort.spend(1).is_some());
    let mut named = HashMap::new();
    for (&func, name) in wanted.iter().zip(found) {
        let func = FuncIndex::from_u32(func);
        let name = match name.filter(|name| !name.is_empty()) {
            Some(name) => raw_demangle(name).into_owned(),
            None => match module.environ().exports.iter().find(|e| e.entity == EntityIndex::Func(func)) {
                Some(export) => export.name.clone(),
                None => format!("func[{}]", func.as_u32()),
            },
        };
        named.insert(func, name);
    }
    named
}

/// A backtrace with names and lines, for people:
///
/// ```text
///    0: 0x002f divide
///           at src/lib.rs:4:5
///    1: 0x0061 _start
/// ```
impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_hidden = |i: usize| i >= INNERMOST && i + OUTERMOST < self.frames.len();
        let visible: Vec<&Frame> = self.frames.iter().enumerate().filter(|(i, _)| !is_hidden(*i)).map(|(_, f)| f).collect();
        let mut frames = symbolized(&visible).into_iter();
        let mut hidden = 0;
        for i in 0..self.frames.len() {
            hidden += if self.omitted_at == i { self.omitted } else { 0 };
            if is_hidden(i) {
                hidden += 1;
                continue;
            }
            let Some(frame) = frames.next() else { break };
            if i > 0 {
                f.write_char('\n')?;
            }
            if hidden > 0 {
                writeln!(f, "      .. {hidden} frames are left out")?;
                hidden = 0;
            }
            let number = if i >= self.omitted_at { i + self.omitted } else { i };
            write!(f, "{number:>4}: {frame}")?;
        }
        Ok(())
    }
}

/// Frames of a deep stack that are shown at either end: the cause must stay on the screen.
const INNERMOST: usize = 30;
const OUTERMOST: usize = 10;

impl fmt::Display for SymbolizedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wasm_offset {
            Some(offset) => write!(f, "{offset:#06x} ")?,
            None => f.write_str("       ")?,
        }
        let outer = self.locations.len().saturating_sub(1);
        for (i, location) in self.locations.iter().enumerate() {
            if i > 0 {
                f.write_str("\n      ")?;
            }
            match &location.function {
                // The name section's name is that of the function itself.
                _ if i == outer => self.write_name(f)?,
                Some(name) => write!(f, "{name} (inlined)")?,
                None => f.write_str("(inlined)")?,
            }
            location.fmt(f)?;
        }
        if self.locations.is_empty() { self.write_name(f) } else { Ok(()) }
    }
}

impl SymbolizedFrame {
    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            Some(module) => write!(f, "{module}!{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for SourceLocation {
    /// A line of its own, unless nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(file) = &self.file else { return Ok(()) };
        write!(f, "\n             at {file}")?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
