//! Names and source lines for backtraces.
//!
//! A frame's name comes from the module's name section, demangled; for a function without one, from its export; else it is
//! the function's index. Where the module has DWARF (addresses count from the start of the code section's contents, as the
//! WebAssembly DWARF convention has it), the operator's source line follows, and the functions that were inlined around it.
//!
//! All of it comes from the guest and is believed as little as possible:
//! - DWARF is measured before `addr2line` sees it ([`Budget`]): what it would allocate, visit and recurse into is bounded, and
//!   what is beyond the bounds, or does not parse, is left out of the backtrace.
//! - A demangled name is cut at [`MAX_NAME`] bytes while it is written, since mangled names can grow exponentially.
//! - Control characters are escaped, so that a name cannot speak to the terminal.

use crate::backtrace::{Backtrace, Frame};
use crate::module::Module;
use gimli::{EndianSlice, LittleEndian, Reader as _, Section as _};
use sconce_environ::index::FuncIndex;
use sconce_environ::module::EntityIndex;
use sconce_environ::names::FunctionNames;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Bytes of a name that are shown.
const MAX_NAME: usize = 4096;

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

/// A place in source code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The function that DWARF has here, demangled.
    pub function: Option<String>,
    /// The file, as the compiler wrote it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

/// Names and source lines of all frames, innermost first.
pub fn symbolize(backtrace: &Backtrace) -> Vec<SymbolizedFrame> {
    let mut modules: Vec<Symbols<'_>> = Vec::new();
    let mut frames = Vec::with_capacity(backtrace.frames.len());
    for frame in &backtrace.frames {
        let same = |module: &Module| Arc::ptr_eq(&module.inner, &frame.module.inner);
        let known = modules.iter().position(|m| same(m.module));
        let at = known.unwrap_or_else(|| {
            let offsets = backtrace.frames.iter().filter(|f| same(&f.module)).filter_map(|f| f.wasm_offset);
            modules.push(Symbols::new(&frame.module, &offsets.collect::<Vec<_>>()));
            modules.len() - 1
        });
        frames.push(modules[at].frame(frame));
    }
    frames
}

/// What is known of one module's functions.
struct Symbols<'a> {
    module: &'a Module,
    names: FunctionNames<'a>,
    dwarf: Option<Dwarf<'a>>,
}

impl<'a> Symbols<'a> {
    /// `offsets` are those that will be asked for.
    fn new(module: &'a Module, offsets: &[u32]) -> Symbols<'a> {
        let names = module.custom_section("name").map(FunctionNames::read).unwrap_or_default();
        let base = module.code_section_offset();
        let probes: Vec<u64> = offsets.iter().filter_map(|o| o.checked_sub(base)).map(u64::from).collect();
        let dwarf = Dwarf::load(&|name| module.custom_section(name), &probes);
        Symbols { module, names, dwarf }
    }

    fn frame(&self, frame: &Frame) -> SymbolizedFrame {
        let probe = frame.wasm_offset.and_then(|o| o.checked_sub(self.module.code_section_offset()));
        let locations = match (&self.dwarf, probe) {
            (Some(dwarf), Some(probe)) => dwarf.locations(u64::from(probe)),
            _ => Vec::new(),
        };
        SymbolizedFrame {
            module: self.module.name().map(printable),
            func: frame.func.as_u32(),
            name: function_name(self.module, &self.names, frame.func),
            wasm_offset: frame.wasm_offset,
            locations,
        }
    }
}

/// A function's name for people: from the name section, demangled, or its export's, or its number.
pub(crate) fn function_name(module: &Module, names: &FunctionNames<'_>, func: FuncIndex) -> String {
    if let Some(name) = names.get(func).filter(|n| !n.is_empty()) {
        return demangle(name);
    }
    let export = module.environ().exports.iter().find(|e| e.entity == EntityIndex::Func(func));
    match export {
        Some(export) => printable(&export.name),
        None => format!("func[{}]", func.as_u32()),
    }
}

/// A module's function name for messages: demangled if it is mangled, cut if it is long, without control characters.
pub fn demangle(name: &str) -> String {
    let mut out = Limited(String::new());
    // A hash at the end of Rust's names says nothing to people; `{:#}` leaves it out.
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        let _ = write!(out, "{rust:#}");
    } else if name.starts_with("_Z") || name.starts_with("__Z") {
        let options = cpp_demangle::ParseOptions::default().recursion_limit(128);
        if let Ok(symbol) = cpp_demangle::Symbol::new_with_options(name.as_bytes(), &options) {
            // On an error that is not the limit's there is nothing; the name as it stands is better.
            let _ = symbol.structured_demangle(&mut out, &cpp_demangle::DemangleOptions::new().recursion_limit(128));
        }
    }
    if out.0.is_empty() { printable(name) } else { printable(&out.0) }
}

/// Text up to [`MAX_NAME`] bytes, then an error.
struct Limited(String);

impl Write for Limited {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = MAX_NAME - self.0.len();
        if s.len() <= room {
            self.0.push_str(s);
            return Ok(());
        }
        self.0.push_str(&s[..s.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

/// The text, cut and without control characters.
pub(crate) fn printable(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(MAX_NAME)];
    let mut out = String::with_capacity(cut.len());
    for c in cut.chars() {
        // The directional marks reorder what is shown.
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if cut.len() < text.len() {
        out.push('…');
    }
    out
}

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// A module's DWARF, after it was found to be within bounds.
struct Dwarf<'a>(addr2line::Context<Reader<'a>>);

impl<'a> Dwarf<'a> {
    /// `probes` are the addresses that will be asked for.
    fn load(section: &dyn Fn(&str) -> Option<&'a [u8]>, probes: &[u64]) -> Option<Dwarf<'a>> {
        section(".debug_info")?;
        let load = |id: gimli::SectionId| {
            // A second opinion on where units are, which `addr2line` would follow: the units' own ranges are what is measured.
            let wanted = id != gimli::SectionId::DebugAranges;
            let bytes = section(id.name()).filter(|_| wanted).unwrap_or_default();
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        // The libraries are written for files that a compiler made: an assertion of theirs must not become ours.
        let context = catch_unwind(AssertUnwindSafe(|| {
            let dwarf = gimli::Dwarf::load(load).ok()?;
            Budget::default().measure(&dwarf, probes)?;
            addr2line::Context::from_dwarf(dwarf).ok()
        }));
        context.ok().flatten().map(Dwarf)
    }

    fn locations(&self, probe: u64) -> Vec<SourceLocation> {
        let locations = catch_unwind(AssertUnwindSafe(|| {
            let mut locations = Vec::new();
            let mut frames = self.0.find_frames(probe).skip_all_loads().ok()?;
            while let Some(frame) = frames.next().ok()? {
                let function = frame.function.as_ref().and_then(|f| f.raw_name().ok()).map(|n| demangle(&n));
                let location = frame.location.as_ref();
                locations.push(SourceLocation {
                    function,
                    file: location.and_then(|l| l.file).map(printable),
                    line: location.and_then(|l| l.line).filter(|&l| l != 0),
                    column: location.and_then(|l| l.column).filter(|&c| c != 0),
                });
            }
            locations.retain(|l| l.function.is_some() || l.file.is_some());
            Some(locations)
        }));
        locations.ok().flatten().unwrap_or_default()
    }
}

/// What `addr2line` may spend on a module.
///
/// It keeps every unit with its abbreviations and the header of its line table, and reads the ranges of its root entry; and of the
/// units that an address is in, all entries with their ranges, recursively where functions are inlined, and the line table.
/// Units share abbreviations and line tables, entries share range lists, and anything may name the same long string, so
/// that a small input can mean a large amount of work and memory; this walk, which keeps nothing of it, adds it up.
struct Budget {
    /// Attributes and ranges.
    work: u64,
    /// Bytes of tables and strings, of all units together.
    bytes: usize,
    /// Inlined functions inside each other.
    nesting: usize,
    /// Bytes of line programs: one can become a row of 24.
    line_bytes: usize,
    /// Bytes of one line table's header, which is read whole before its parts can be counted.
    header_bytes: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { work: 1 << 25, bytes: 512 << 20, nesting: 200, line_bytes: 64 << 20, header_bytes: 4 << 20 }
    }
}

/// What an abbreviation, an attribute in it, and a file or directory of a line table take in memory, about.
const ABBREVIATION: usize = 112;
const ATTRIBUTE: usize = 16;
const FILE: usize = 128;

impl Budget {
    /// `None` when it is used up, or when the DWARF does not parse.
    fn measure(&mut self, dwarf: &gimli::Dwarf<Reader<'_>>, probes: &[u64]) -> Option<()> {
        let mut headers = dwarf.units();
        while let Some(header) = headers.next().ok()? {
            self.spend(1)?;
            self.abbreviations(dwarf, header.debug_abbrev_offset())?;
            let Ok(abbreviations) = dwarf.abbreviations(&header) else { continue };
            self.line_header(dwarf, &header, &abbreviations)?;
            let Ok(unit) = gimli::Unit::new_with_abbreviations(dwarf, header, abbreviations) else { continue };
            let named = [unit.name, unit.comp_dir].into_iter().flatten();
            self.take(named.map(|text| text.len()).sum())?;
            let lines = unit.line_program.as_ref().map(gimli::IncompleteLineProgram::header);
            self.take(lines.map_or(0, |l| (l.file_names().len() + l.include_directories().len()) * FILE))?;
            // Without ranges, those of the line table are taken.
            let (any, hit) = self.unit_ranges(dwarf, &unit, probes)?;
            if hit || !any {
                if let Some(lines) = lines {
                    self.line_bytes = self.line_bytes.checked_sub(lines.raw_program_buf().len())?;
                    self.paths(dwarf, &unit, lines)?;
                }
                self.entries(dwarf, &unit)?;
            }
        }
        Some(())
    }

    /// Adds up a unit's abbreviations, which are read again for every unit.
    fn abbreviations(&mut self, dwarf: &gimli::Dwarf<Reader<'_>>, at: gimli::DebugAbbrevOffset) -> Option<()> {
        let mut input = *dwarf.debug_abbrev.reader();
        input.skip(at.0).ok()?;
        while !input.is_empty() && input.read_uleb128().ok()? != 0 {
            self.take(ABBREVIATION)?;
            input.read_uleb128().ok()?;
            input.read_u8().ok()?;
            loop {
                let (name, form) = (input.read_uleb128().ok()?, input.read_uleb128().ok()?);
                if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                    input.read_sleb128().ok()?;
                }
                if (name, form) == (0, 0) {
                    break;
                }
                self.take(ATTRIBUTE)?;
            }
        }
        Some(())
    }

    /// Looks how long the header of a unit's line table is.
    fn line_header(
        &self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        header: &gimli::UnitHeader<Reader<'_>>,
        abbreviations: &gimli::Abbreviations,
    ) -> Option<()> {
        let mut entries = header.entries_raw(abbreviations, None).ok()?;
        let Ok(Some(root)) = entries.read_abbreviation() else { return Some(()) };
        for &spec in root.attributes() {
            // What does not parse here does not parse when the unit is read.
            let Ok(attribute) = entries.read_attribute(spec) else { break };
            if attribute.name() == gimli::DW_AT_stmt_list
                && let gimli::AttributeValue::DebugLineRef(at) = attribute.value()
            {
                let length = || {
                    let mut input = *dwarf.debug_line.reader();
                    input.skip(at.0)?;
                    let (_, format) = input.read_initial_length()?;
                    if input.read_u16()? >= 5 {
                        input.skip(2)?;
                    }
                    input.read_length(format)
                };
                if length().is_ok_and(|length| length > self.header_bytes) {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Whether a unit says which addresses it has, and whether one of the probes is among them: by the rules of `addr2line`, to the
    /// letter, since what it reads of a unit hangs on them.
    fn unit_ranges(
        &mut self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        unit: &gimli::Unit<Reader<'_>>,
        probes: &[u64],
    ) -> Option<(bool, bool)> {
        use gimli::AttributeValue::{Addr, DebugAddrIndex, Udata};
        let mut entries = unit.entries_raw(None).ok()?;
        let Some(root) = entries.read_abbreviation().ok()? else { return Some((true, false)) };
        let (mut low, mut high, mut size, mut list) = (None, None, None, None);
        for &spec in root.attributes() {
            let attribute = entries.read_attribute(spec).ok()?;
            match (attribute.name(), attribute.value()) {
                (gimli::DW_AT_low_pc, Addr(at)) => low = Some(at),
                (gimli::DW_AT_low_pc, DebugAddrIndex(index)) => low = Some(dwarf.address(unit, index).ok()?),
                (gimli::DW_AT_high_pc, Addr(at)) => high = Some(at),
                (gimli::DW_AT_high_pc, DebugAddrIndex(index)) => high = Some(dwarf.address(unit, index).ok()?),
                (gimli::DW_AT_high_pc, Udata(bytes)) => size = Some(bytes),
                (gimli::DW_AT_ranges, value) => list = dwarf.attr_ranges_offset(unit, value).ok()?,
                _ => {}
            }
        }
        let (mut any, mut hit) = (false, false);
        let mut add = |range: gimli::Range| {
            any |= range.begin < range.end;
            hit |= probes.iter().any(|p| (range.begin..range.end).contains(p));
        };
        if let Some(list) = list {
            let mut ranges = dwarf.ranges(unit, list).ok()?;
            while let Some(range) = ranges.next().ok()? {
                self.spend(1)?;
                add(range);
            }
        } else if let (Some(begin), Some(end)) = (low, high.or(low.zip(size).map(|(low, size)| low.wrapping_add(size)))) {
            add(gimli::Range { begin, end });
        }
        Some((any, hit))
    }

    /// Adds up the paths of a line table's files, which are all put together when one is wanted.
    fn paths(
        &mut self,
        dwarf: &gimli::Dwarf<Reader<'_>>,
        unit: &gimli::Unit<Reader<'_>>,
        lines: &gimli::LineProgramHeader<Reader<'_>>,
    ) -> Option<()> {
        for file in lines.file_names() {
            let parts = [file.directory(lines), Some(file.path_name())].into_iter().flatten();
            let parts = parts.filter_map(|part| dwarf.attr_string(unit, part).ok()).chain(unit.comp_dir);
            self.take(parts.map(|part| part.len()).sum())?;
        }
        Some(())
    }

    fn entries(&mut self, dwarf: &gimli::Dwarf<Reader<'_>>, unit: &gimli::Unit<Reader<'_>>) -> Option<()> {
        let mut entries = unit.entries_raw(None).ok()?;
        // Depths of the inlined functions that enclose the entry.
        let mut inlined = Vec::new();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation().ok()? else { continue };
            while inlined.last().is_some_and(|&d| d >= depth) {
                inlined.pop();
            }
            if abbreviation.tag() == gimli::DW_TAG_inlined_subroutine {
                inlined.push(depth);
                if inlined.len() > self.nesting {
                    return None;
                }
            }
            self.spend(1 + abbreviation.attributes().len() as u64)?;
            for &spec in abbreviation.attributes() {
                let attribute = entries.read_attribute(spec).ok()?;
                if attribute.name() == gimli::DW_AT_ranges
                    && let Ok(Some(mut ranges)) = dwarf.attr_ranges(unit, attribute.value())
                {
                    while let Ok(Some(_)) = ranges.next() {
                        self.spend(1)?;
                    }
                }
            }
        }
        Some(())
    }

    fn spend(&mut self, work: u64) -> Option<()> {
        self.work = self.work.checked_sub(work)?;
        Some(())
    }

    fn take(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
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
        let frames = symbolize(self);
        let mut hidden = 0;
        for (i, frame) in frames.iter().enumerate() {
            let gap = if self.omitted_at == i { self.omitted } else { 0 };
            hidden += gap;
            if i >= INNERMOST && i + OUTERMOST < frames.len() {
                hidden += 1;
                continue;
            }
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
