//! Where code is in its source, by DWARF (version 2 to 5).
//!
//! Sections are read from one end to the other, and nothing is kept but what an address that was asked for needs: of each unit
//! its abbreviations and the header of its line table, of each address the row and the functions around it. There are no
//! tables that a small input could make large, every step is paid from one [`Effort`], and what does not parse ends the unit that
//! it is in.

use super::effort::Effort;
use super::{SourceLocation, demangle};
use gimli::{AttributeValue, EndianSlice, LittleEndian, Reader as _, Section as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Bytes that a unit's abbreviations may take in memory, about.
const MAX_ABBREVIATIONS: usize = 24 << 20;
/// What one of them takes, and an attribute in it.
const ABBREVIATION: usize = 112;
const ATTRIBUTE: usize = 16;
/// Bytes of a line table's header. It is read whole; an entry of 5 bytes takes some 128.
const MAX_LINE_HEADER: usize = 1 << 20;
/// Functions inside each other.
const MAX_NESTING: usize = 500;
/// Inlined functions that are shown of one address.
const MAX_INLINED: usize = 100;
/// Entries that refer to each other for a name.
const MAX_ORIGINS: usize = 16;

/// The places of addresses, which are in order; innermost inlined function first. What is not found, or is
/// not found before the effort is spent, has none.
pub(super) fn locate<'a>(
    section: &dyn Fn(&str) -> Option<&'a [u8]>,
    probes: &[u64],
    effort: &mut Effort,
) -> Vec<Vec<SourceLocation>> {
    let nothing = || vec![Vec::new(); probes.len()];
    if section(".debug_info").is_none() || probes.is_empty() {
        return nothing();
    }
    // The library is written for files that a compiler made: an assertion of its must not become ours.
    catch_unwind(AssertUnwindSafe(|| {
        let load = |id: gimli::SectionId| Ok(EndianSlice::new(section(id.name()).unwrap_or_default(), LittleEndian));
        let Ok(dwarf) = gimli::Dwarf::load::<_, gimli::Error>(load) else { return nothing() };
        let mut search = Search { dwarf, probes, found: vec![None; probes.len()], abbreviations: None, effort };
        if search.units().is_none() {
            log::debug!("the module's DWARF is damaged, or too large for a report: not all lines of source are looked up");
        }
        search.found.into_iter().map(Option::unwrap_or_default).collect()
    }))
    .unwrap_or_else(|_| nothing())
}

struct Search<'s, 'a> {
    dwarf: gimli::Dwarf<Reader<'a>>,
    probes: &'s [u64],
    found: Vec<Option<Vec<SourceLocation>>>,
    /// The last ones, which units often share.
    abbreviations: Option<(gimli::DebugAbbrevOffset, Arc<gimli::Abbreviations>)>,
    effort: &'s mut Effort,
}

type Unit<'a> = gimli::Unit<Reader<'a>>;

/// A row of a line table.
#[derive(Copy, Clone)]
struct Row {
    address: u64,
    file: u64,
    line: u32,
    column: u32,
}

/// What encloses an address in a unit.
#[derive(Clone, Default)]
struct Enclosing {
    /// The function that is not inlined.
    function: Option<Function>,
    /// The functions that are inlined in it around the address, outermost first.
    inlined: Vec<Inlined>,
}

#[derive(Copy, Clone)]
struct Function {
    /// Its number in the unit.
    number: usize,
    entry: gimli::UnitOffset,
    /// Bytes of the range that the address is in. Functions that the linker left out stay in DWARF, at addresses of others; what
    /// fits more closely is right.
    width: u64,
}

#[derive(Copy, Clone)]
struct Inlined {
    entry: gimli::UnitOffset,
    file: Option<u64>,
    line: u32,
    column: u32,
}

/// An entry of a function on the way from the root.
struct Open {
    depth: isize,
    /// The number of the function that is not inlined.
    function: usize,
    /// How many inlined ones are between that and this.
    inlined: usize,
}

impl<'a> Search<'_, 'a> {
    /// `None` if the effort is spent, or when units do not follow each other.
    fn units(&mut self) -> Option<()> {
        let mut headers = self.dwarf.units();
        while let Some(header) = headers.next().ok()? {
            self.effort.spend(8)?;
            if self.found.iter().all(Option::is_some) {
                break;
            }
            let no_code = matches!(header.type_(), gimli::UnitType::Type { .. } | gimli::UnitType::SplitType { .. });
            if !no_code {
                self.in_unit(header);
            }
            if !self.effort.is_left() {
                return None;
            }
        }
        Some(())
    }

    /// Looks for the addresses in a unit. `None`: it does not parse from somewhere on, or the effort is spent.
    fn in_unit(&mut self, header: gimli::UnitHeader<Reader<'a>>) -> Option<()> {
        let unit = self.unit(header)?;
        let ranges = self.root_ranges(&unit)?;
        // A unit that does not say which addresses it has may have any.
        let wanted = |n: &usize| self.found[*n].is_none() && ranges.as_ref().is_none_or(|hit| hit[*n]);
        let wanted: Vec<usize> = (0..self.probes.len()).filter(wanted).collect();
        if wanted.is_empty() {
            return Some(());
        }
        let mut rows = vec![None; self.probes.len()];
        let mut enclosing = vec![Enclosing::default(); self.probes.len()];
        // Each is of use without the other, and without what is behind a place that does not parse.
        let _ = self.rows(&unit, &mut rows);
        let _ = self.entries(&unit, &mut enclosing);
        for n in wanted {
            let places = self.places(&unit, rows[n], &enclosing[n]);
            self.found[n] = (!places.is_empty()).then_some(places);
        }
        Some(())
    }

    /// A unit with its abbreviations and the header of its line table, if those are not too large.
    fn unit(&mut self, header: gimli::UnitHeader<Reader<'a>>) -> Option<Unit<'a>> {
        let at = header.debug_abbrev_offset();
        let abbreviations = match &self.abbreviations {
            Some((known, abbreviations)) if *known == at => abbreviations.clone(),
            _ => {
                self.measure_abbreviations(at)?;
                let read = self.dwarf.abbreviations(&header).ok()?;
                self.abbreviations = Some((at, read.clone()));
                read
            }
        };
        self.measure_root(&header, &abbreviations)?;
        gimli::Unit::new_with_abbreviations(&self.dwarf, header, abbreviations).ok()
    }

    /// Adds up what a unit's abbreviations take.
    fn measure_abbreviations(&mut self, at: gimli::DebugAbbrevOffset) -> Option<()> {
        let mut input = *self.dwarf.debug_abbrev.reader();
        input.skip(at.0).ok()?;
        let mut bytes = 0;
        while !input.is_empty() && input.read_uleb128().ok()? != 0 {
            self.effort.spend(2)?;
            bytes += ABBREVIATION;
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
                self.effort.spend(1)?;
                bytes += ATTRIBUTE;
            }
            if bytes > MAX_ABBREVIATIONS {
                return None;
            }
        }
        Some(())
    }

    /// Looks at what is read with a unit's root entry: the entry itself, and the header of its line table.
    fn measure_root(&mut self, header: &gimli::UnitHeader<Reader<'a>>, abbreviations: &gimli::Abbreviations) -> Option<()> {
        let mut entries = header.entries_raw(abbreviations, None).ok()?;
        let root = entries.read_abbreviation().ok()??;
        self.effort.spend(root.attributes().len() as u64)?;
        for &spec in root.attributes() {
            let attribute = entries.read_attribute(spec).ok()?;
            let AttributeValue::DebugLineRef(at) = attribute.value() else { continue };
            if attribute.name() == gimli::DW_AT_stmt_list {
                let length = || {
                    let mut input = *self.dwarf.debug_line.reader();
                    input.skip(at.0)?;
                    let (_, format) = input.read_initial_length()?;
                    if input.read_u16()? >= 5 {
                        input.skip(2)?;
                    }
                    input.read_length(format)
                };
                // What cannot be read here cannot be read with the unit.
                let length = length().ok()?;
                if length > MAX_LINE_HEADER {
                    return None;
                }
                self.effort.spend(length as u64)?;
            }
        }
        Some(())
    }

    /// Which of the addresses are among those that a unit says it has; none if it says nothing.
    fn root_ranges(&mut self, unit: &Unit<'a>) -> Option<Option<Vec<bool>>> {
        let mut entries = unit.entries_raw(None).ok()?;
        let root = entries.read_abbreviation().ok()??;
        let (mut any, mut hit) = (false, vec![false; self.probes.len()]);
        let ranges = Ranges::read(&self.dwarf, unit, root.attributes(), &mut entries, |_| {})?;
        ranges.each(&self.dwarf, unit, self.effort, |range| {
            any |= range.begin < range.end;
            probes_in(self.probes, &range).for_each(|n| hit[n] = true);
        })?;
        Some(any.then_some(hit))
    }

    /// Runs a unit's line program, and notes the rows of addresses.
    fn rows(&mut self, unit: &Unit<'a>, found: &mut [Option<Row>]) -> Option<()> {
        let mut program = unit.line_program.clone()?;
        let mut instructions = program.header().instructions();
        let mut state = gimli::LineRow::new(program.header());
        let mut last: Option<Row> = None;
        while let Some(instruction) = instructions.next_instruction(program.header()).ok()? {
            self.effort.spend(1)?;
            // Files that the program defines would be kept. No compiler has done that for decades.
            let defines = matches!(instruction, gimli::LineInstruction::DefineFile(_));
            if defines || !state.execute(instruction, &mut program).ok()? {
                continue;
            }
            let row = Row {
                address: state.address(),
                file: state.file_index(),
                line: state.line().map_or(0, |l| u32::try_from(l.get()).unwrap_or(0)),
                column: match state.column() {
                    gimli::ColumnType::LeftEdge => 0,
                    gimli::ColumnType::Column(c) => u32::try_from(c.get()).unwrap_or(0),
                },
            };
            if let Some(last) = last {
                for n in probes_in(self.probes, &gimli::Range { begin: last.address, end: row.address }) {
                    found[n].get_or_insert(last);
                }
            }
            last = (!state.end_sequence()).then_some(row);
            state.reset(program.header());
        }
        Some(())
    }

    /// Walks through a unit's entries, and notes the functions that enclose addresses.
    fn entries(&mut self, unit: &Unit<'a>, found: &mut [Enclosing]) -> Option<()> {
        let mut entries = unit.entries_raw(None).ok()?;
        let mut open: Vec<Open> = Vec::new();
        let mut functions = 0;
        while !entries.is_empty() {
            let (entry, depth) = (entries.next_offset(), entries.next_depth());
            let Some(abbreviation) = entries.read_abbreviation().ok()? else {
                self.effort.spend(1)?;
                continue;
            };
            self.effort.spend(1 + abbreviation.attributes().len() as u64)?;
            while open.last().is_some_and(|o| o.depth >= depth) {
                open.pop();
            }
            let is_inlined = match abbreviation.tag() {
                gimli::DW_TAG_subprogram => false,
                gimli::DW_TAG_inlined_subroutine => true,
                _ => {
                    entries.skip_attributes(abbreviation.attributes()).ok()?;
                    continue;
                }
            };
            let outer = open.last().map(|o| (o.function, o.inlined));
            let (function, inlined) = match (is_inlined, outer) {
                (false, _) => {
                    functions += 1;
                    (functions, 0)
                }
                (true, Some((function, inlined))) => (function, inlined + 1),
                // In no function.
                (true, None) => (0, 1),
            };
            if open.len() >= MAX_NESTING {
                return None;
            }
            open.push(Open { depth, function, inlined });
            let mut call = Inlined { entry, file: None, line: 0, column: 0 };
            let ranges = Ranges::read(&self.dwarf, unit, abbreviation.attributes(), &mut entries, |attribute| {
                let number = || attribute.udata_value().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
                match (attribute.name(), attribute.value()) {
                    // Up to version 4, 0 is no file.
                    (gimli::DW_AT_call_file, AttributeValue::FileIndex(file)) if file > 0 || unit.header.version() >= 5 => {
                        call.file = Some(file);
                    }
                    (gimli::DW_AT_call_line, _) => call.line = number(),
                    (gimli::DW_AT_call_column, _) => call.column = number(),
                    _ => {}
                }
            })?;
            ranges.each(&self.dwarf, unit, self.effort, |range| {
                for n in probes_in(self.probes, &range) {
                    let enclosing = &mut found[n];
                    let width = range.end - range.begin;
                    if is_inlined {
                        let around = enclosing.function.is_some_and(|f| f.number == function);
                        if around && enclosing.inlined.len() + 1 == inlined {
                            enclosing.inlined.push(call);
                        }
                    } else if enclosing.function.is_none_or(|f| width <= f.width) {
                        let function = Some(Function { number: function, entry, width });
                        *enclosing = Enclosing { function, inlined: Vec::new() };
                    }
                }
            })?;
        }
        Some(())
    }

    /// The places of an address, from its row and what encloses it.
    fn places(&mut self, unit: &Unit<'a>, row: Option<Row>, enclosing: &Enclosing) -> Vec<SourceLocation> {
        let mut places = Vec::new();
        let mut at = row.map(|row| (Some(row.file), row.line, row.column));
        // Outside inlined functions is where the next inner one is called.
        let calls = enclosing.inlined.iter().rev().take(MAX_INLINED);
        let functions = calls.clone().map(|call| Some(call.entry)).chain([enclosing.function.map(|f| f.entry)]);
        for (entry, call) in functions.zip(calls.map(Some).chain([None])) {
            if !self.effort.has_room() || !self.effort.is_left() {
                break;
            }
            let function = entry.and_then(|entry| self.name(unit, entry, MAX_ORIGINS));
            let function = function.map(|name| self.effort.shown(&demangle(&name)));
            let file = at.and_then(|(file, ..)| self.path(unit, file?));
            let (line, column) = at.map_or((0, 0), |(_, line, column)| (line, column));
            if function.is_some() || file.is_some() {
                let known = |number: u32| (number != 0).then_some(number);
                places.push(SourceLocation { function, file, line: known(line), column: known(column).filter(|_| line != 0) });
            }
            at = call.map(|call| (call.file, call.line, call.column));
        }
        places
    }

    /// The name of the function that an entry is about: as the linker knows it, or else as the source has it.
    fn name(&mut self, unit: &Unit<'a>, entry: gimli::UnitOffset, origins: usize) -> Option<String> {
        let mut entries = unit.entries_raw(Some(entry)).ok()?;
        let abbreviation = entries.read_abbreviation().ok()??;
        self.effort.spend(1 + abbreviation.attributes().len() as u64)?;
        let (mut name, mut origin) = (None, None);
        for &spec in abbreviation.attributes() {
            let attribute = entries.read_attribute(spec).ok()?;
            match attribute.name() {
                gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                    if let Ok(text) = self.dwarf.attr_string(unit, attribute.value()) {
                        return self.text(text);
                    }
                }
                gimli::DW_AT_name => name = self.dwarf.attr_string(unit, attribute.value()).ok(),
                gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => origin = Some(attribute.value()),
                _ => {}
            }
        }
        // The linker's name may be there.
        let origin = origin.filter(|_| origins > 0).and_then(|origin| match origin {
            AttributeValue::UnitRef(entry) => self.name(unit, entry, origins - 1),
            AttributeValue::DebugInfoRef(at) => {
                let (unit, entry) = self.unit_at(at)?;
                self.name(&unit, entry, origins - 1)
            }
            _ => None,
        });
        origin.or_else(|| name.and_then(|name| self.text(name)))
    }

    /// The unit that has an entry, which is looked for among all.
    fn unit_at(&mut self, at: gimli::DebugInfoOffset) -> Option<(Unit<'a>, gimli::UnitOffset)> {
        let mut headers = self.dwarf.units();
        while let Some(header) = headers.next().ok()? {
            self.effort.spend(8)?;
            if let Some(entry) = at.to_unit_offset(&header) {
                return Some((self.unit(header)?, entry));
            }
        }
        None
    }

    /// The path of a file of a line table: the unit's directory, the file's and its name.
    fn path(&mut self, unit: &Unit<'a>, file: u64) -> Option<String> {
        let program = unit.line_program.as_ref()?;
        let header = program.header();
        let file = header.file(file)?;
        let mut path = unit.comp_dir.and_then(|dir| self.text(dir)).unwrap_or_default();
        // Directory 0 is the unit's.
        let directory = if file.directory_index() == 0 { None } else { file.directory(header) };
        for part in directory.into_iter().chain([file.path_name()]) {
            let part = self.dwarf.attr_string(unit, part).ok()?;
            join(&mut path, &self.text(part)?);
        }
        Some(self.effort.shown(&path))
    }

    /// As much of a text as can be shown.
    fn text(&mut self, text: Reader<'a>) -> Option<String> {
        const MOST: usize = 16 << 10;
        self.effort.spend(1 + text.len() as u64 / 64)?;
        let bytes = text.slice();
        Some(String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned())
    }
}

/// The addresses of a range, by their numbers.
fn probes_in(probes: &[u64], range: &gimli::Range) -> Range<usize> {
    let (from, to) = (probes.partition_point(|&p| p < range.begin), probes.partition_point(|&p| p < range.end));
    from..to.max(from)
}

/// Attributes of an entry that say which addresses it has.
#[derive(Default)]
struct Ranges {
    low: Option<u64>,
    high: Option<u64>,
    size: Option<u64>,
    list: Option<gimli::RangeListsOffset>,
}

impl Ranges {
    /// Reads an entry's attributes, of which `each` sees all.
    fn read<'a>(
        dwarf: &gimli::Dwarf<Reader<'a>>,
        unit: &Unit<'a>,
        attributes: &[gimli::AttributeSpecification],
        entries: &mut gimli::EntriesRaw<'_, Reader<'a>>,
        mut each: impl FnMut(&gimli::Attribute<Reader<'a>>),
    ) -> Option<Ranges> {
        use AttributeValue::{Addr, DebugAddrIndex, Udata};
        let mut ranges = Ranges::default();
        for &spec in attributes {
            let attribute = entries.read_attribute(spec).ok()?;
            match (attribute.name(), attribute.value()) {
                (gimli::DW_AT_low_pc, Addr(at)) => ranges.low = Some(at),
                (gimli::DW_AT_low_pc, DebugAddrIndex(index)) => ranges.low = Some(dwarf.address(unit, index).ok()?),
                (gimli::DW_AT_high_pc, Addr(at)) => ranges.high = Some(at),
                (gimli::DW_AT_high_pc, DebugAddrIndex(index)) => ranges.high = Some(dwarf.address(unit, index).ok()?),
                (gimli::DW_AT_high_pc, Udata(bytes)) => ranges.size = Some(bytes),
                (gimli::DW_AT_ranges, value) => ranges.list = dwarf.attr_ranges_offset(unit, value).ok()?,
                _ => {}
            }
            each(&attribute);
        }
        Some(ranges)
    }

    fn each<'a>(
        &self,
        dwarf: &gimli::Dwarf<Reader<'a>>,
        unit: &Unit<'a>,
        effort: &mut Effort,
        mut each: impl FnMut(gimli::Range),
    ) -> Option<()> {
        if let Some(list) = self.list {
            let mut ranges = dwarf.ranges(unit, list).ok()?;
            while let Some(range) = ranges.next().ok()? {
                effort.spend(1)?;
                each(range);
            }
        } else if let Some(begin) = self.low
            && let Some(end) = self.high.or(self.size.map(|size| begin.wrapping_add(size)))
        {
            each(gimli::Range { begin, end });
        }
        Some(())
    }
}

/// Goes on with a path, in the manner of the system that it was written on.
fn join(path: &mut String, part: &str) {
    let windows = |p: &str| p.starts_with('\\') || p.get(1..3) == Some(":\\");
    if part.starts_with('/') || part.get(1..3) == Some(":/") || windows(part) {
        path.clear();
    } else if !path.is_empty() {
        let separator = if windows(path) { '\\' } else { '/' };
        if !path.ends_with(separator) {
            path.push(separator);
        }
    }
    path.push_str(part);
}
