use super::*;
use std::collections::HashMap;

type Sections = HashMap<&'static str, Vec<u8>>;

/// Bytes of a section, little-endian.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }
    fn u16(mut self, v: u16) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn raw(mut self, v: &[u8]) -> Self {
        self.0.extend(v);
        self
    }
    fn text(self, v: &str) -> Self {
        self.raw(v.as_bytes()).u8(0)
    }
    /// With its length in front.
    fn sized(self) -> Vec<u8> {
        Bytes::default().u32(self.0.len() as u32).raw(&self.0).0
    }
}

const UNIT: u8 = 1;
const OUTER: u8 = 2;
const INLINED: u8 = 3;
const ABSTRACT: u8 = 4;
const RANGED: u8 = 5;

fn abbreviations() -> Vec<u8> {
    use gimli::constants as dw;
    let one = |code: u8, tag: gimli::DwTag, children: bool, attributes: &[(gimli::DwAt, gimli::DwForm)]| {
        let mut bytes = vec![code, tag.0 as u8, u8::from(children)];
        for (at, form) in attributes {
            bytes.extend([at.0 as u8, form.0 as u8]);
        }
        bytes.extend([0, 0]);
        bytes
    };
    let pc = [(dw::DW_AT_low_pc, dw::DW_FORM_addr), (dw::DW_AT_high_pc, dw::DW_FORM_data4)];
    let name = (dw::DW_AT_name, dw::DW_FORM_string);
    let inlined = [
        (dw::DW_AT_abstract_origin, dw::DW_FORM_ref4),
        pc[0],
        pc[1],
        (dw::DW_AT_call_file, dw::DW_FORM_data1),
        (dw::DW_AT_call_line, dw::DW_FORM_data1),
    ];
    [
        one(UNIT, dw::DW_TAG_compile_unit, true, &[name, (dw::DW_AT_stmt_list, dw::DW_FORM_sec_offset), pc[0], pc[1]]),
        one(OUTER, dw::DW_TAG_subprogram, true, &[name, pc[0], pc[1]]),
        one(INLINED, dw::DW_TAG_inlined_subroutine, true, &inlined),
        one(ABSTRACT, dw::DW_TAG_subprogram, false, &[name]),
        one(RANGED, dw::DW_TAG_subprogram, false, &[(dw::DW_AT_ranges, dw::DW_FORM_sec_offset)]),
        vec![0],
    ]
    .concat()
}

/// The entries of one unit at 0x10..0x40, behind their header.
fn info(entries: impl FnOnce(Bytes) -> Bytes) -> Vec<u8> {
    let unit = Bytes::default().u16(4).u32(0).u8(4).u8(UNIT).text("lib.rs").u32(0).u32(0x10).u32(0x30);
    entries(unit).u8(0).sized()
}

/// Lines 10 from 0x10 on, 20 from 0x20 on, 11 from 0x30 to 0x40.
fn lines() -> Vec<u8> {
    let header = Bytes::default().u8(1).u8(1).u8(1).u8(-5i8 as u8).u8(14).u8(13).raw(&[0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    let header = header.u8(0).text("lib.rs").raw(&[0, 0, 0]).u8(0);
    let (copy, advance_pc, advance_line, set_column) = (1, 2, 3, 5);
    let program = Bytes::default().raw(&[0, 5, 2]).u32(0x10).raw(&[advance_line, 9, set_column, 5, copy]);
    let program = program.raw(&[advance_pc, 0x10, advance_line, 10, copy, advance_pc, 0x10, advance_line, 0x77, copy]);
    let program = program.raw(&[advance_pc, 0x10, 0, 1, 1]);
    Bytes::default().u16(4).u32(header.0.len() as u32).raw(&header.0).raw(&program.0).sized()
}

/// `outer` at 0x10..0x40 with `inner` inlined at 0x20..0x30, called in line 12.
fn sample() -> Sections {
    let entries = |unit: Bytes| {
        let inner = unit.0.len() as u32 + 4;
        let unit = unit.u8(ABSTRACT).text("_ZN3lib5inner17h0123456789abcdefE");
        let unit = unit.u8(OUTER).text("outer").u32(0x10).u32(0x30);
        unit.u8(INLINED).u32(inner).u32(0x20).u32(0x10).u8(1).u8(12).u8(0).u8(0)
    };
    HashMap::from([(".debug_abbrev", abbreviations()), (".debug_info", info(entries)), (".debug_line", lines())])
}

fn locate(sections: &Sections, probe: u64) -> Option<Vec<SourceLocation>> {
    let dwarf = Dwarf::load(&|name| sections.get(name).map(Vec::as_slice), &[probe])?;
    Some(dwarf.locations(probe))
}

fn at(function: &str, line: u32, column: Option<u32>) -> SourceLocation {
    SourceLocation { function: Some(function.into()), file: Some("lib.rs".into()), line: Some(line), column }
}

#[test]
fn lines_and_inlined_functions_are_found() {
    let sections = sample();
    assert_eq!(locate(&sections, 0x14), Some(vec![at("outer", 10, Some(5))]));
    assert_eq!(locate(&sections, 0x24), Some(vec![at("lib::inner", 20, Some(5)), at("outer", 12, None)]));
    assert_eq!(locate(&sections, 0x3f), Some(vec![at("outer", 11, Some(5))]));
    assert_eq!(locate(&sections, 0x40), Some(vec![]));
    assert_eq!(locate(&HashMap::new(), 0x14), None);
}

#[test]
fn frames_are_shown_with_what_was_inlined() {
    let locations = locate(&sample(), 0x24).unwrap();
    let mut frame = SymbolizedFrame { module: None, func: 7, name: "outer".into(), wasm_offset: Some(0x64), locations };
    let shown = "0x0064 lib::inner (inlined)\n             at lib.rs:20:5\n      outer\n             at lib.rs:12";
    assert_eq!(frame.to_string(), shown);
    frame.locations.clear();
    frame.module = Some("app".into());
    assert_eq!(frame.to_string(), "0x0064 app!outer");
}

#[test]
fn damaged_dwarf_is_survived() {
    let original = sample();
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut still_read = 0;
    for _ in 0..5_000 {
        let mut sections = original.clone();
        for _ in 0..=random(3) {
            let name = [".debug_abbrev", ".debug_info", ".debug_line"][random(3)];
            let bytes = sections.get_mut(name).unwrap();
            let place = random(bytes.len());
            match random(4) {
                0 => bytes.truncate(place.max(1)),
                1 => bytes[place] = 0xff,
                _ => bytes[place] = random(256) as u8,
            }
        }
        still_read += usize::from(locate(&sections, 0x24).is_some_and(|l| !l.is_empty()));
    }
    assert!(still_read > 100, "{still_read}: the damage is too great to reach far");
}

#[test]
fn functions_inlined_too_deeply_are_not_looked_at() {
    let nested = |depth: usize| {
        let mut sections = sample();
        let entries = |unit: Bytes| {
            let mut unit = unit.u8(OUTER).text("outer").u32(0x10).u32(0x30);
            for _ in 0..depth {
                unit = unit.u8(INLINED).u32(11).u32(0x10).u32(0x30).u8(1).u8(1);
            }
            unit.raw(&vec![0; depth + 1])
        };
        sections.insert(".debug_info", info(entries));
        sections
    };
    assert!(locate(&nested(100), 0x24).is_some());
    assert!(locate(&nested(100_000), 0x24).is_none());
}

#[test]
fn shared_range_lists_do_not_multiply() {
    let ranges = |functions: usize, ranges: u32| {
        let mut sections = sample();
        let mut list = Bytes::default();
        for i in 0..ranges {
            list = list.u32(i * 2 + 1).u32(i * 2 + 2);
        }
        sections.insert(".debug_ranges", list.u32(0).u32(0).0);
        let entries = |mut unit: Bytes| {
            for _ in 0..functions {
                unit = unit.u8(RANGED).u32(0);
            }
            unit
        };
        sections.insert(".debug_info", info(entries));
        sections
    };
    assert!(locate(&ranges(10, 10), 0x24).is_some());
    assert!(locate(&ranges(50_000, 50_000), 0x24).is_none());
}

/// So many units, which share their abbreviations (so many) and a line table (with so many files, in a directory of that length).
fn sharing(units: usize, abbreviations: usize, files: usize, directory: usize) -> Sections {
    let mut table =
        vec![1, gimli::DW_TAG_compile_unit.0 as u8, 0, gimli::DW_AT_stmt_list.0 as u8, gimli::DW_FORM_sec_offset.0 as u8];
    table.extend([0, 0]);
    for code in 1..abbreviations {
        table.extend([
            code as u8 | 0x80,
            (code >> 7) as u8 | 0x80,
            (code >> 14) as u8 | 4,
            gimli::DW_TAG_variable.0 as u8,
            0,
            0,
            0,
        ]);
    }
    table.push(0);
    let header = Bytes::default().u8(1).u8(1).u8(1).u8(-5i8 as u8).u8(14).u8(13).raw(&[0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    let header = header.text(&"d".repeat(directory)).u8(0).raw(&[b'f', 0, 1, 0, 0].repeat(files)).u8(0);
    let lines = Bytes::default().u16(4).u32(header.0.len() as u32).raw(&header.0).sized();
    let info = Bytes::default().u16(4).u32(0).u8(4).u8(1).u32(0).sized().repeat(units);
    HashMap::from([(".debug_abbrev", table), (".debug_info", info), (".debug_line", lines)])
}

#[test]
fn shared_tables_do_not_multiply() {
    // A tenth of everything, so that it does not last.
    let measured = |sections: &Sections| {
        let load = |id: gimli::SectionId| {
            Ok::<_, gimli::Error>(EndianSlice::new(sections.get(id.name()).map_or(&[], Vec::as_slice), LittleEndian))
        };
        let mut budget = Budget::default();
        budget.bytes /= 10;
        budget.header_bytes /= 10;
        budget.measure(&gimli::Dwarf::load(load).unwrap(), &[0x24])
    };
    assert!(measured(&sharing(100, 100, 100, 10)).is_some());
    assert!(measured(&sharing(1_000, 10_000, 1, 1)).is_none(), "abbreviations");
    assert!(measured(&sharing(1_000, 1, 10_000, 1)).is_none(), "files");
    assert!(measured(&sharing(1, 1, 10_000, 1 << 18)).is_none(), "paths");
    assert!(measured(&sharing(1, 1, 1 << 17, 1)).is_none(), "a line table's header");
    // What is refused is refused at once.
    assert!(locate(&sharing(1_000_000, 10_000, 1_000, 1), 0x24).is_none());
}

/// Whatever makes `addr2line` look at a unit makes it be measured.
#[test]
fn no_unit_is_looked_at_unmeasured() {
    use gimli::constants as dw;
    let (low, high) = (dw::DW_AT_low_pc.0 as u8, dw::DW_AT_high_pc.0 as u8);
    let (addr, data4) = (dw::DW_FORM_addr.0 as u8, dw::DW_FORM_data4.0 as u8);
    // The unit's range is far away: by its size, as the second of two says, or as it seems while its end goes before its size.
    let roots = [
        (vec![low, addr, high, data4], vec![0x1000_0000, 4]),
        (vec![low, addr, high, data4, low, addr, high, data4], vec![0x1000_0000, 4, 0, 0x100]),
        (vec![low, addr, high, data4, high, addr], vec![0, 1, 0x100]),
        (vec![low, addr, high, data4], vec![0x10, 0]),
    ];
    for (attributes, values) in roots {
        let depth = 100_000;
        let one = |code: u8, tag: gimli::DwTag, attributes: &[u8]| [&[code, tag.0 as u8, 1], attributes, &[0, 0]].concat();
        let range = [low, addr, high, data4];
        let mut table = one(1, dw::DW_TAG_compile_unit, &[&attributes[..], &[dw::DW_AT_stmt_list.0 as u8, 0x17]].concat());
        table.extend(one(2, dw::DW_TAG_subprogram, &range));
        table.extend(one(3, dw::DW_TAG_inlined_subroutine, &range));
        table.push(0);
        let mut unit = Bytes::default().u16(4).u32(0).u8(4).u8(1);
        for value in values {
            unit = unit.u32(value);
        }
        unit = unit.u32(0).u8(2).u32(0).u32(0x100);
        for _ in 0..depth {
            unit = unit.u8(3).u32(0).u32(0x100);
        }
        let info = unit.raw(&vec![0; depth + 2]).sized();
        // Says that the unit has the address after all.
        let set = Bytes::default().u16(2).u32(0).u8(4).u8(0).u32(0).u32(0).u32(0x100).u32(0).u32(0).sized();
        let sections =
            HashMap::from([(".debug_abbrev", table), (".debug_info", info), (".debug_line", lines()), (".debug_aranges", set)]);
        assert!(locate(&sections, 0x24).is_none_or(|found| found.is_empty()));
    }
}

#[test]
fn names_are_demangled() {
    for (mangled, name) in [
        ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_Z3fooRKSs", "foo(std::string const&)"),
        ("_Z", "_Z"),
        ("_ZNope", "_ZNope"),
        ("main", "main"),
        ("", ""),
    ] {
        assert_eq!(demangle(mangled), name);
    }
}

#[test]
fn names_stay_short_and_cannot_speak_to_the_terminal() {
    assert_eq!(demangle("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\nc\\u{202e}");
    assert_eq!(demangle(&"é".repeat(MAX_NAME)).len(), MAX_NAME + "…".len());
    // Each level names the one before it twice: 2^40 parts, if anybody wrote them all.
    let mut bomb = String::from("_Z1fI1aS_S_E");
    for i in 0..40 {
        bomb = format!("_Z1fI1a{}E", format!("S{}_S{}_", i % 10, i % 10).repeat(3) + &bomb[4..]);
    }
    assert!(demangle(&bomb).len() <= bomb.len().max(MAX_NAME) + 3);
    let nested = format!("_Z1f{}i", "P".repeat(100_000));
    assert!(demangle(&nested).len() <= MAX_NAME + 3);
    let rust = format!("_RNvC1a{}", "IC1bE".repeat(50_000));
    assert!(demangle(&rust).len() <= MAX_NAME + 3);
}
