use super::*;
use sconce_environ::shown::MAX_NAME;
use std::time::{Duration, Instant};

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

fn locate_with(sections: &Sections, probe: u64, effort: &mut Effort) -> Vec<SourceLocation> {
    dwarf::locate(&|name| sections.get(name).map(Vec::as_slice), &[probe], effort).remove(0)
}

fn locate(sections: &Sections, probe: u64) -> Vec<SourceLocation> {
    locate_with(sections, probe, &mut Effort::default())
}

fn at(function: &str, line: u32, column: Option<u32>) -> SourceLocation {
    SourceLocation { function: Some(function.into()), file: Some("lib.rs".into()), line: Some(line), column }
}

#[test]
fn lines_and_inlined_functions_are_found() {
    let sections = sample();
    let places = [
        vec![at("outer", 10, Some(5))],
        vec![at("lib::inner", 20, Some(5)), at("outer", 12, None)],
        vec![at("outer", 11, Some(5))],
        vec![],
    ];
    let probes = [0x14, 0x24, 0x3f, 0x40];
    for (probe, places) in probes.iter().zip(&places) {
        assert_eq!(&locate(&sections, *probe), places, "{probe:#x}");
    }
    // Those of one module are looked for together.
    let all = dwarf::locate(&|name| sections.get(name).map(Vec::as_slice), &probes, &mut Effort::default());
    assert_eq!(all, places);
    assert_eq!(locate(&HashMap::new(), 0x14), []);
}

#[test]
fn frames_are_shown_with_what_was_inlined() {
    let locations = locate(&sample(), 0x24);
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
        still_read += usize::from(!locate(&sections, 0x24).is_empty());
    }
    assert!(still_read > 100, "{still_read}: the damage is too great to reach far");
}

/// Sections that cost far more than their size, for readers that are not careful.
fn dear() -> Vec<(&'static str, Sections)> {
    use gimli::constants as dw;
    let with_entries = |entries: &dyn Fn(Bytes) -> Bytes| {
        let mut sections = sample();
        sections.insert(".debug_info", info(entries));
        sections
    };
    let nested = with_entries(&|unit: Bytes| {
        let mut unit = unit.u8(OUTER).text("outer").u32(0x10).u32(0x30);
        for _ in 0..300_000 {
            unit = unit.u8(INLINED).u32(11).u32(0x10).u32(0x30).u8(1).u8(1);
        }
        unit.raw(&vec![0; 300_001])
    });
    let ranges = {
        let mut sections = with_entries(&|mut unit: Bytes| {
            for _ in 0..50_000 {
                unit = unit.u8(RANGED).u32(0);
            }
            unit
        });
        let list = (0..50_000).fold(Bytes::default(), |list, i| list.u32(i * 2 + 1).u32(i * 2 + 2));
        sections.insert(".debug_ranges", list.u32(0).u32(0).0);
        sections
    };
    // An origin that is its own origin, and two that are each other's.
    let cycle = with_entries(&|unit: Bytes| {
        let at = unit.0.len() as u32 + 4;
        let unit = unit.u8(OUTER).text("outer").u32(0x10).u32(0x30);
        let first = at + 15;
        let unit = unit.u8(INLINED).u32(first).u32(0x20).u32(0x10).u8(1).u8(1);
        unit.u8(INLINED).u32(first).u32(0x20).u32(0x10).u8(1).u8(1).u8(0).u8(0).u8(0)
    });
    let long_names = {
        let mut sections = with_entries(&|unit: Bytes| {
            let inner = unit.0.len() as u32 + 4;
            let mut unit = unit.u8(ABSTRACT).text(&"n\u{202e}".repeat(1 << 20)).u8(OUTER).text("outer").u32(0x10).u32(0x30);
            for _ in 0..400 {
                unit = unit.u8(INLINED).u32(inner).u32(0x10).u32(0x30).u8(1).u8(1);
            }
            unit.raw(&[0; 401])
        });
        sections.insert(".debug_line", lines_with(&"f".repeat(1 << 19), |program| program));
        sections
    };
    // One entry of no bytes but its number, with attributes that take none.
    let flags = {
        let mut sections = with_entries(&|unit: Bytes| unit.raw(&vec![9; 1 << 16]));
        let mut table = abbreviations();
        table.pop();
        table.extend([9, dw::DW_TAG_subprogram.0 as u8, 0]);
        table.extend([dw::DW_AT_external.0 as u8, dw::DW_FORM_flag_present.0 as u8].repeat(100_000));
        table.extend([0, 0, 0]);
        sections.insert(".debug_abbrev", table);
        sections
    };
    let program = |program: &dyn Fn(Bytes) -> Bytes| {
        let mut sections = sample();
        sections.insert(".debug_line", lines_with("lib.rs", program));
        sections
    };
    vec![
        ("inlined functions inside each other", nested),
        ("a range list of many functions", ranges),
        ("origins in a circle", cycle),
        ("a long name of many functions", long_names),
        ("attributes without bytes", flags),
        ("rows", program(&|program| program.raw(&vec![0x20; 24 << 20]))),
        ("files that a program defines", program(&|program| program.raw(&[0, 6, 3, b'f', 0, 0, 0, 0].repeat(4 << 20)))),
        ("instructions without rows", program(&|program| program.raw(&[2, 0xff, 0xff, 0x03].repeat(6 << 20)))),
        ("abbreviations of one unit", sharing(1, 2 << 20, 1, 1)),
        ("abbreviations that units share", sharing(100_000, 10_000, 1, 1)),
        ("files that units share", sharing(100_000, 1, 100_000, 1)),
        ("directories that files share", sharing(1, 1, 10_000, 1 << 18)),
        ("a line table's files", sharing(1, 1, 2 << 20, 1)),
        ("units", sharing(1_000_000, 1, 1, 1)),
    ]
}

/// As [`lines`], for a file of this name, with more of a program before what is there.
fn lines_with(file: &str, more: impl FnOnce(Bytes) -> Bytes) -> Vec<u8> {
    let header = Bytes::default().u8(1).u8(1).u8(1).u8(-5i8 as u8).u8(14).u8(13).raw(&[0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    let header = header.u8(0).text(file).raw(&[0, 0, 0]).u8(0);
    let program = more(Bytes::default()).raw(&[0, 1, 1, 0, 5, 2]).u32(0x10).raw(&[3, 9, 1, 2, 0x30, 0, 1, 1]);
    Bytes::default().u16(4).u32(header.0.len() as u32).raw(&header.0).raw(&program.0).sized()
}

/// KiB of the process's memory: what it has now (`VmRSS`), or had at most since the last reset (`VmHWM`).
fn memory(which: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("a line for it");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

/// Runs something, and says how many KiB more memory the process had meanwhile.
fn peak<R>(run: impl FnOnce() -> R) -> (R, u64) {
    // proc_pid_clear_refs(5): 5 resets the peak.
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is reset");
    let before = memory("VmRSS:");
    let result = run();
    (result, memory("VmHWM:").saturating_sub(before))
}

#[test]
fn no_dwarf_takes_long_or_much_memory() {
    for (what, sections) in dear() {
        let start = Instant::now();
        let (found, memory) = peak(|| locate(&sections, 0x24));
        let time = start.elapsed();
        assert!(memory < 64 << 10, "{what}: {memory} KiB");
        // The clock ends it in a second; what is beyond is for builds without optimizations, and busy machines.
        assert!(time < Duration::from_secs(5), "{what}: {time:?}");
        let text: usize = found.iter().map(|l| l.function.iter().chain(&l.file).map(String::len).sum::<usize>()).sum();
        assert!(text < 150_000, "{what}: {text}");
        assert!(found.iter().flat_map(|l| l.function.iter().chain(&l.file)).all(|t| !t.contains('\u{202e}')), "{what}");
    }
}

#[test]
fn where_the_effort_ends_the_search_does() {
    let sections = sample();
    let enough = (1..10_000).find(|&work| !locate_with(&sections, 0x24, &mut Effort::of(work)).is_empty());
    assert!(enough.is_some_and(|work| work > 20), "{enough:?}");
    let mut effort = Effort::of(1 << 20);
    assert!(!locate_with(&sections, 0x24, &mut effort).is_empty());
    // What one search has left is for the next.
    let mut times = 0;
    while !locate_with(&sections, 0x24, &mut effort).is_empty() {
        times += 1;
    }
    assert!((100..100_000).contains(&times), "{times}");
}

/// Functions that the linker has left out are at addresses of others.
#[test]
fn the_function_that_fits_is_the_one() {
    let sections = |dead_first: bool| {
        let mut sections = sample();
        let entries = |unit: Bytes| {
            let live = |unit: Bytes| unit.u8(OUTER).text("outer").u32(0x10).u32(0x30).u8(0);
            let dead = |unit: Bytes| unit.u8(OUTER).text("dead").u32(0).u32(0x1000).u8(0);
            if dead_first { live(dead(unit)) } else { dead(live(unit)) }
        };
        sections.insert(".debug_info", info(entries));
        sections
    };
    for dead_first in [false, true] {
        assert_eq!(locate(&sections(dead_first), 0x24), vec![at("outer", 20, Some(5))]);
    }
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
    assert!(bomb.len() < 8 << 10 || demangle(&bomb).starts_with("_Z"));
    let nested = format!("_Z1f{}i", "P".repeat(100_000));
    assert!(demangle(&nested).len() <= MAX_NAME + 3);
    let rust = format!("_RNvC1a{}", "IC1bE".repeat(50_000));
    assert!(demangle(&rust).len() <= MAX_NAME + 3);
}
