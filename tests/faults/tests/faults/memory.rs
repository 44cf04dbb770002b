//! Accesses at a memory's edges: every width and kind, every size of memory, offsets at the guard's edge.

use sconce_engine::environ::types::Limits;
use sconce_engine::{Engine, Error, Memory, MemoryType, TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::fmt::Write;

/// An access: its text but for immediates, its width in bytes, and what it does.
struct Access {
    op: &'static str,
    width: u64,
    kind: Kind,
}

#[derive(Copy, Clone, PartialEq)]
enum Kind {
    /// Gives a value of this type.
    Load(&'static str),
    /// Takes a value of this type.
    Store(&'static str),
    LoadLane,
    StoreLane,
}

#[rustfmt::skip]
const ACCESSES: &[Access] = &[
    load("i32.load", 4, "i32"), load("i64.load", 8, "i64"), load("f32.load", 4, "f32"), load("f64.load", 8, "f64"),
    load("i32.load8_s", 1, "i32"), load("i32.load8_u", 1, "i32"), load("i32.load16_s", 2, "i32"), load("i32.load16_u", 2, "i32"),
    load("i64.load8_s", 1, "i64"), load("i64.load8_u", 1, "i64"), load("i64.load16_s", 2, "i64"), load("i64.load16_u", 2, "i64"),
    load("i64.load32_s", 4, "i64"), load("i64.load32_u", 4, "i64"),
    load("v128.load", 16, "v128"),
    load("v128.load8x8_s", 8, "v128"), load("v128.load8x8_u", 8, "v128"), load("v128.load16x4_s", 8, "v128"),
    load("v128.load16x4_u", 8, "v128"), load("v128.load32x2_s", 8, "v128"), load("v128.load32x2_u", 8, "v128"),
    load("v128.load8_splat", 1, "v128"), load("v128.load16_splat", 2, "v128"), load("v128.load32_splat", 4, "v128"),
    load("v128.load64_splat", 8, "v128"), load("v128.load32_zero", 4, "v128"), load("v128.load64_zero", 8, "v128"),
    lane("v128.load8_lane", 1, Kind::LoadLane), lane("v128.load16_lane", 2, Kind::LoadLane),
    lane("v128.load32_lane", 4, Kind::LoadLane), lane("v128.load64_lane", 8, Kind::LoadLane),
    lane("v128.store8_lane", 1, Kind::StoreLane), lane("v128.store16_lane", 2, Kind::StoreLane),
    lane("v128.store32_lane", 4, Kind::StoreLane), lane("v128.store64_lane", 8, Kind::StoreLane),
    store("i32.store", 4, "i32"), store("i64.store", 8, "i64"), store("f32.store", 4, "f32"), store("f64.store", 8, "f64"),
    store("i32.store8", 1, "i32"), store("i32.store16", 2, "i32"), store("i64.store8", 1, "i64"), store("i64.store16", 2, "i64"),
    store("i64.store32", 4, "i64"), store("v128.store", 16, "v128"),
];

const fn load(op: &'static str, width: u64, ty: &'static str) -> Access {
    Access { op, width, kind: Kind::Load(ty) }
}

const fn store(op: &'static str, width: u64, ty: &'static str) -> Access {
    Access { op, width, kind: Kind::Store(ty) }
}

const fn lane(op: &'static str, width: u64, kind: Kind) -> Access {
    Access { op, width, kind }
}

/// Offsets: none, small, a page, and on both sides of where a 2 GiB guard stops to cover them.
const OFFSETS: [u64; 8] = [0, 1, 15, 65535, (1 << 31) - 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1];

const PAGE: u64 = 65536;

/// One function for each access and offset, `<op>+<offset>`, of an address; and with the address as a literal where that is
/// an edge. `memory` is the memory's declaration or import.
fn module(memory: &str) -> String {
    let mut text = format!("(module {memory}\n");
    for access in ACCESSES {
        let Access { op, .. } = access;
        for offset in OFFSETS {
            let body = |address: &str| match access.kind {
                Kind::Load(_) => format!("(drop ({op} offset={offset} {address}))"),
                Kind::LoadLane => format!("(drop ({op} offset={offset} 1 {address} (v128.const i64x2 -1 -1)))"),
                Kind::StoreLane => format!("({op} offset={offset} 0 {address} (v128.const i64x2 -1 -1))"),
                Kind::Store("v128") => format!("({op} offset={offset} {address} (v128.const i64x2 -1 -1))"),
                Kind::Store(ty) => {
                    let ones = match ty {
                        "f32" => "-nan:0x7fffff",
                        "f64" => "-nan:0xfffffffffffff",
                        _ => "-1",
                    };
                    format!("({op} offset={offset} {address} ({ty}.const {ones}))")
                }
            };
            writeln!(text, "(func (export \"{op}+{offset}\") (param i32) {})", body("(local.get 0)")).unwrap();
            writeln!(text, "(func (export \"{op}+{offset}@0\") {})", body("(i32.const 0)")).unwrap();
            writeln!(text, "(func (export \"{op}+{offset}@-1\") {})", body("(i32.const -1)")).unwrap();
        }
    }
    text.push(')');
    text
}

/// Tries every access on a memory of `pages` pages: it traps exactly if it is not all inside, and a store that traps has
/// written nothing.
fn check(engine: &Engine, pages: u64, imported: bool) {
    let limits = Limits { min: pages, max: Some(pages) };
    let ty = MemoryType { limits, memory64: false, shared: false, page_size_log2: 16 };
    let mut memory = None;
    let declaration = if imported { "(import \"m\" \"m\" (memory $m 0))".into() } else { format!("(memory $m {pages} {pages})") };
    let text = module(&format!("{declaration} (export \"m\" (memory $m))"));
    let mut guest = Guest::with(engine, &text, |store, linker| {
        if imported {
            memory = Some(Memory::new(&mut *store, ty).unwrap());
            linker.define(&mut *store, "m", "m", memory.unwrap()).unwrap();
        }
    });
    let memory = memory.unwrap_or_else(|| guest.instance.get_memory(&mut guest.store, "m").unwrap());
    let size = pages * PAGE;
    assert_eq!(memory.data_size(&guest.store) as u64, size);
    for access in ACCESSES {
        let Access { op, width, .. } = access;
        for offset in OFFSETS {
            let last = size.wrapping_sub(offset + width);
            let edges = [last.wrapping_sub(1), last, last.wrapping_add(1), last.wrapping_add(*width), size.wrapping_sub(offset)];
            let fixed = [0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - width, (1 << 32) - 1];
            let calls =
                edges.into_iter().chain(fixed).filter_map(|a| Some((u32::try_from(a).ok()?, format!("{op}+{offset}"), true)));
            let literals = [(0, format!("{op}+{offset}@0"), false), (u32::MAX, format!("{op}+{offset}@-1"), false)];
            for (address, name, dynamic) in calls.chain(literals) {
                let args = if dynamic { vec![Val::I32(address.cast_signed())] } else { vec![] };
                let inside = u64::from(address) + offset + width <= size;
                match guest.try_call(&name, &args) {
                    Ok(_) => assert!(inside, "{name} at {address:#x} of {pages} pages did not trap"),
                    Err(e) => {
                        assert_eq!(e.trap_code(), Some(TrapCode::MemoryOutOfBounds), "{name} at {address:#x}");
                        assert!(!inside, "{name} at {address:#x} of {pages} pages trapped");
                        guest.assert_alive();
                    }
                }
                if matches!(access.kind, Kind::Store(_) | Kind::StoreLane) {
                    check_written(&mut guest, memory, address, offset, *width, inside);
                }
            }
        }
    }
}

/// After a store of ones: exactly its bytes are ones if it was inside, and otherwise none of the bytes that are in the memory.
/// Leaves zeros.
fn check_written(guest: &mut Guest, memory: Memory, address: u32, offset: u64, width: u64, inside: bool) {
    let size = memory.data_size(&guest.store) as u64;
    let start = u64::from(address) + offset;
    let from = start.saturating_sub(1).min(size);
    let to = (start + width + 1).min(size);
    let mut bytes = vec![0; (to - from) as usize];
    memory.read(&guest.store, from, &mut bytes).unwrap();
    for (at, byte) in (from..).zip(&bytes) {
        let expected = if inside && (start..start + width).contains(&at) { 0xff } else { 0 };
        assert_eq!(*byte, expected, "byte {at:#x} after a store of {width} at {start:#x}");
    }
    bytes.fill(0);
    memory.write(&mut guest.store, from, &bytes).unwrap();
}

#[test]
fn every_access_on_one_page() {
    for_each_style(|engine| check(engine, 1, false));
}

#[test]
fn every_access_on_an_imported_memory() {
    for_each_style(|engine| check(engine, 2, true));
}

#[test]
fn every_access_on_no_page() {
    for_each_style(|engine| check(engine, 0, false));
}

#[test]
fn every_access_on_65536_pages() {
    for_each_style(|engine| check(engine, 65536, false));
}

/// Growing moves the edge, and the bytes that come are zeros.
#[test]
fn the_edge_moves_with_growth() {
    for_each_style(|engine| {
        let mut guest = Guest::new(
            engine,
            r#"(module (memory 0 3)
                (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
                (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
        );
        let load = |guest: &mut Guest, address: u32| guest.try_call("load", &[Val::I32(address.cast_signed())]);
        for pages in 0..3u32 {
            assert!(load(&mut guest, pages * 65536).is_err());
            assert_eq!(guest.call("grow", &[Val::I32(1)]), [Val::I32(pages.cast_signed())]);
            assert_eq!(load(&mut guest, pages * 65536 + 65535).unwrap(), [Val::I32(0)]);
            assert!(load(&mut guest, (pages + 1) * 65536).is_err());
        }
        for pages in [1, 2, 65535, 65536, -1, i32::MIN] {
            assert_eq!(guest.call("grow", &[Val::I32(pages)]), [Val::I32(-1)]);
        }
        assert_eq!(guest.trap("load", &[Val::I32(3 * 65536)]), TrapCode::MemoryOutOfBounds);
        // What a function knows of the length must not outlive a growth.
        let mut guest = Guest::new(
            engine,
            r#"(module (memory 1 2)
                (func (export "edge") (result i32)
                    (drop (i32.load8_u (i32.const 65535)))
                    (drop (memory.grow (i32.const 1)))
                    (i32.store8 (i32.const 131071) (i32.const 7))
                    (i32.load8_u (i32.const 131071))))"#,
        );
        assert_eq!(guest.call("edge", &[]), [Val::I32(7)]);
    });
}

/// Bulk operations: destination, source and length such that the range ends at the edge, one beyond, and where 32-bit sums wrap.
#[test]
fn bulk_operations() {
    const TEXT: &str = r#"(module
        (memory (export "m") 1)
        (data $d "0123456789")
        (table $t 10 funcref) (table $u 20 funcref)
        (elem $e func $f $f $f $f $f)
        (func $f)
        (func (export "memory.fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export "memory.copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export "memory.init") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
        (func (export "data.drop") (data.drop $d))
        (func (export "table.fill") (param i32 i32 i32) (table.fill $t (local.get 0) (ref.func $f) (local.get 2)))
        (func (export "table.copy") (param i32 i32 i32) (table.copy $t $u (local.get 0) (local.get 1) (local.get 2)))
        (func (export "table.copy back") (param i32 i32 i32) (table.copy $u $t (local.get 0) (local.get 1) (local.get 2)))
        (func (export "table.init") (param i32 i32 i32) (table.init $t $e (local.get 0) (local.get 1) (local.get 2)))
        (func (export "elem.drop") (elem.drop $e))
        (func (export "table.get") (param i32) (drop (table.get $t (local.get 0))))
        (func (export "table.set") (param i32) (table.set $t (local.get 0) (ref.func $f)))
        (func (export "table.set null") (param i32) (table.set $t (local.get 0) (ref.null func)))
        (func (export "is null") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0)))))"#;
    use TrapCode::{MemoryOutOfBounds as M, TableOutOfBounds as T};
    // Name, elements at the destination and at the source (none: no source).
    let operations: [(&str, u64, Option<u64>, TrapCode); 7] = [
        ("memory.fill", 65536, None, M),
        ("memory.copy", 65536, Some(65536), M),
        ("memory.init", 65536, Some(10), M),
        ("table.fill", 10, None, T),
        ("table.copy", 10, Some(20), T),
        ("table.copy back", 20, Some(10), T),
        ("table.init", 10, Some(5), T),
    ];
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, TEXT);
        let memory = guest.instance.get_memory(&mut guest.store, "m").unwrap();
        let try_all = |guest: &mut Guest, name: &str, dst_len: u64, src_len: Option<u64>, code| {
            let around = |n: u64| [0, 1, n.wrapping_sub(1), n, n + 1, 1 << 31, (1 << 32) - 1];
            for dst in around(dst_len) {
                for src in src_len.map_or([0; 7], around) {
                    for len in [0, 1, 2, dst_len - 1, dst_len, dst_len + 1, 1 << 31, (1 << 32) - 1] {
                        let Ok(args) = [dst, src, len].try_map_u32() else { continue };
                        let inside = dst + len <= dst_len && src_len.is_none_or(|n| src + len <= n);
                        match guest.try_call(name, &args) {
                            Ok(_) => assert!(inside, "{name} {dst} {src} {len} did not trap"),
                            Err(e) => {
                                assert_eq!(e.trap_code(), Some(code), "{name} {dst} {src} {len}");
                                assert!(!inside, "{name} {dst} {src} {len} trapped");
                                guest.assert_alive();
                            }
                        }
                    }
                }
            }
        };
        for (name, dst_len, src_len, code) in operations {
            try_all(&mut guest, name, dst_len, src_len, code);
        }
        // Dropped segments are empty ones.
        guest.call("data.drop", &[]);
        guest.call("elem.drop", &[]);
        try_all(&mut guest, "memory.init", 65536, Some(0), M);
        try_all(&mut guest, "table.init", 10, Some(0), T);
        for index in [10, 11, u32::MAX] {
            for name in ["table.get", "table.set", "table.set null"] {
                assert_eq!(guest.trap(name, &[Val::I32(index.cast_signed())]), T, "{name} {index}");
            }
        }
        // A range that does not fit is not written in part.
        guest.call("memory.fill", &[Val::I32(0), Val::I32(0), Val::I32(65536)]);
        assert_eq!(guest.trap("memory.fill", &[Val::I32(65000), Val::I32(1), Val::I32(537)]), M);
        let mut bytes = [1; 536];
        memory.read(&guest.store, 65000, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 536]);
        guest.call("table.set null", &[Val::I32(9)]);
        assert_eq!(guest.trap("table.fill", &[Val::I32(9), Val::I32(0), Val::I32(2)]), T);
        assert_eq!(guest.call("is null", &[Val::I32(9)]), [Val::I32(1)]);
    });
}

/// Lengths of bulk operations that compilers know, and may turn into loads and stores.
const LENGTHS: [u64; 25] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 111, 127, 128, 129, 200];

/// Bytes of the data segment that is copied from: neighbours differ.
fn segment() -> Vec<u8> {
    (0..=255).map(|i: u8| i.wrapping_mul(91).wrapping_add(13)).collect()
}

/// Fills and copies of literal lengths at the edge: all or nothing, as with any length, and overlap as if through a buffer.
#[test]
fn bulk_operations_of_known_length() {
    let mut text = String::from("(module (memory (export \"m\") 1) (data $d \"");
    segment().iter().for_each(|byte| write!(text, "\\{byte:02x}").unwrap());
    text.push_str("\") (func (export \"drop\") (data.drop $d))\n");
    for len in LENGTHS {
        writeln!(
            text,
            "(func (export \"init {len}\") (param i32 i32) (memory.init $d (local.get 0) (local.get 1) (i32.const {len})))"
        )
        .unwrap();
        writeln!(
            text,
            "(func (export \"fill {len}\") (param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const {len})))"
        )
        .unwrap();
        writeln!(
            text,
            "(func (export \"zero {len}\") (param i32 i32) (memory.fill (local.get 0) (i32.const 0) (i32.const {len})))"
        )
        .unwrap();
        writeln!(
            text,
            "(func (export \"copy {len}\") (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const {len})))"
        )
        .unwrap();
    }
    text.push(')');
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, &text);
        let memory = guest.instance.get_memory(&mut guest.store, "m").unwrap();
        let ends = |len: u64| {
            [0, 1, 5, 1000, PAGE - len - 1, PAGE - len, PAGE - len + 1, PAGE - 1, PAGE, PAGE + 1, 1 << 31, (1 << 32) - 1]
        };
        // Neighbours differ, and no byte is zero.
        let before: Vec<u8> = (0..PAGE as usize).map(|i| (i * 7 + i / 251) as u8 | 1).collect();
        memory.write(&mut guest.store, 0, &before).unwrap();
        for len in LENGTHS {
            for dst in ends(len) {
                check_bulk(&mut guest, memory, &before, "fill", [dst, 0xff, len]);
                check_bulk(&mut guest, memory, &before, "zero", [dst, 0, len]);
                // Near ones overlap.
                let near = [2, 7, 990, 999, 1001, 1016, dst.wrapping_add(1), dst.wrapping_sub(3)];
                for src in near.into_iter().chain(ends(len)).filter(|s| u32::try_from(*s).is_ok()) {
                    check_bulk(&mut guest, memory, &before, "copy", [dst, src, len]);
                }
                let end = segment().len() as u64;
                for src in [0, 3, end.saturating_sub(len), end.saturating_sub(len) + 1, end, end + 1, 1 << 31, (1 << 32) - 1] {
                    check_bulk(&mut guest, memory, &before, "init", [dst, src, len]);
                }
            }
        }
        guest.call("drop", &[]);
        for (len, src, inside) in [(0, 0, true), (0, 1, false), (1, 0, false), (64, 0, false), (200, 0, false)] {
            assert_eq!(guest.try_call(&format!("init {len}"), &[Val::I32(0), Val::I32(src)]).is_ok(), inside, "{len} {src}");
        }
    });
}

/// Does one operation on a page of `before`, compares all of it with a model's, and puts it in order again.
fn check_bulk(guest: &mut Guest, memory: Memory, before: &[u8], name: &str, [dst, src, len]: [u64; 3]) {
    let source = match name {
        "copy" => PAGE,
        "init" => segment().len() as u64,
        _ => u64::MAX,
    };
    let inside = dst + len <= PAGE && src + len <= source;
    let mut expected = before.to_vec();
    if inside {
        let (d, s, n) = (dst as usize, src as usize, len as usize);
        match name {
            "fill" => expected[d..d + n].fill(src as u8),
            "zero" => expected[d..d + n].fill(0),
            "init" => expected[d..d + n].copy_from_slice(&segment()[s..s + n]),
            _ => expected.copy_within(s..s + n, d),
        }
    }
    let args = [dst, src].map(|v| Val::I32((v as u32).cast_signed()));
    match guest.try_call(&format!("{name} {len}"), &args) {
        Ok(_) => assert!(inside, "{name} {dst:#x} {src:#x} {len} did not trap"),
        Err(e) => {
            assert_eq!(e.trap_code(), Some(TrapCode::MemoryOutOfBounds), "{name} {dst:#x} {src:#x} {len}");
            assert!(!inside, "{name} {dst:#x} {src:#x} {len} trapped");
            guest.assert_alive();
        }
    }
    let mut after = vec![0; before.len()];
    memory.read(&guest.store, 0, &mut after).unwrap();
    if after != expected {
        let at = after.iter().zip(&expected).position(|(a, e)| a != e);
        panic!("{name} {dst:#x} {src:#x} {len}: wrong from byte {at:x?} on");
    }
    if inside {
        memory.write(&mut guest.store, 0, before).unwrap();
    }
}

/// Three numbers as i32 arguments, if each is below 2^32.
trait Arguments {
    fn try_map_u32(self) -> Result<Vec<Val>, std::num::TryFromIntError>;
}

impl Arguments for [u64; 3] {
    fn try_map_u32(self) -> Result<Vec<Val>, std::num::TryFromIntError> {
        self.into_iter().map(|v| Ok(Val::I32(u32::try_from(v)?.cast_signed()))).collect()
    }
}

/// The host's own accesses are checked too, and fail without a trap.
#[test]
fn host_accesses() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, r#"(module (memory (export "m") 1 2))"#);
        let memory = guest.instance.get_memory(&mut guest.store, "m").unwrap();
        for (offset, len, inside) in [
            (65535, 1, true),
            (65536, 0, true),
            (65536, 1, false),
            (65535, 2, false),
            (65537, 0, false),
            (u64::MAX, 1, false),
            (u64::MAX, 0, false),
        ] {
            let mut bytes = vec![5; len];
            assert_eq!(memory.write(&mut guest.store, offset, &bytes).is_ok(), inside, "{offset} {len}");
            assert_eq!(memory.read(&guest.store, offset, &mut bytes).is_ok(), inside, "{offset} {len}");
        }
        assert!(matches!(memory.grow(&mut guest.store, 2), Err(Error::Resources(_))));
        assert!(matches!(memory.grow(&mut guest.store, u64::MAX), Err(Error::Resources(_))));
        assert_eq!(memory.grow(&mut guest.store, 1).unwrap(), 1);
        memory.write(&mut guest.store, 131071, &[1]).unwrap();
    });
}

/// Pages of one byte: as many as an i32 can count, and what is made of their number is an i32.
#[test]
fn as_many_pages_as_can_be_counted() {
    let text = r#"(module
        (memory 1 (pagesize 1))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "size") (result i32) (memory.size))
        (func (export "extended") (result i64) (i64.extend_i32_u (memory.size)))
        (func (export "zero") (result i32) (i64.eqz (i64.extend_i32_u (i32.add (memory.size) (i32.const 1)))))
        (func (export "label") (param i32) (result i32)
            (block $c (block $b (block $a (br_table $a $b $c (i32.add (memory.size) (local.get 0)))) (return (i32.const 0))) (return (i32.const 1)))
            (i32.const 2))
        (func (export "last") (result i32)
            (i32.store8 (i32.sub (memory.size) (i32.const 1)) (i32.const 77))
            (i32.load8_u (i32.sub (memory.size) (i32.const 1))))
        (func (export "beyond") (drop (i32.load8_u (memory.size)))))"#;
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, text);
        let grow = |guest: &mut Guest, pages| guest.call("grow", &[Val::I32(pages)]);
        assert_eq!(grow(&mut guest, -1), [Val::I32(-1)], "2^32 pages cannot be counted");
        assert_eq!(grow(&mut guest, -3), [Val::I32(1)]);
        assert_eq!(grow(&mut guest, 2), [Val::I32(-1)]);
        assert_eq!(grow(&mut guest, 1), [Val::I32(-2)]);
        assert_eq!(grow(&mut guest, 1), [Val::I32(-1)]);
        assert_eq!(guest.call("size", &[]), [Val::I32(-1)]);
        assert_eq!(guest.call("extended", &[]), [Val::I64(u32::MAX.into())]);
        assert_eq!(guest.call("zero", &[]), [Val::I32(1)]);
        for (add, label) in [(0, 2), (1, 0), (2, 1), (3, 2)] {
            assert_eq!(guest.call("label", &[Val::I32(add)]), [Val::I32(label)]);
        }
        assert_eq!(guest.call("last", &[]), [Val::I32(77)]);
        assert_eq!(guest.trap("beyond", &[]), TrapCode::MemoryOutOfBounds);
    });
}
