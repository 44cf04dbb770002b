//! Code tables give back what was put in, and take any bytes.

use sconce_environ::code_tables::{CodeTable, CodeTables, WasmOffsets};
use sconce_environ::compile::{CallSite, CompiledFunction};
use sconce_environ::handlers::{Handler, HandlerListBuilder};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::inlined::{INLINED, InlinedCall, operators};
use sconce_environ::stack_maps::StackMaps;
use sconce_environ::trap::TrapCode;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    /// Increasing offsets below `len`, sometimes far apart.
    fn offsets(&mut self, len: u32) -> Vec<u32> {
        let step = 1 + self.below(300);
        let mut at = self.below(step) as u32;
        let mut out = Vec::new();
        while at < len {
            out.push(at);
            at += 1 + self.below(step) as u32;
        }
        out
    }
}

fn function(random: &mut Random, len: u32) -> CompiledFunction {
    let mut f = CompiledFunction { code: vec![0x90; len as usize], align: 16, ..Default::default() };
    f.traps = random
        .offsets(len)
        .into_iter()
        .map(|at| (at, TrapCode::ALL[random.below(TrapCode::ALL.len() as u64) as usize]))
        .collect();
    f.wasm_offsets = random
        .offsets(len)
        .into_iter()
        .map(|at| (at, if random.below(5) == 0 { u32::MAX } else { random.below(u32::MAX.into()) as u32 }))
        .collect();
    if random.below(3) != 0 {
        // As code has them: near each other for the most part. Also where numbers change their highest bit, or begin anew.
        let mut wasm = [0, 5000, i32::MAX as u32 - 300, u32::MAX - 300][random.below(4) as usize];
        for (_, offset) in &mut f.wasm_offsets {
            wasm = wasm.wrapping_add(random.below(63) as u32).wrapping_sub(20 * u32::from(random.below(8) == 0));
            *offset = if random.below(100) == 0 { *offset } else { wasm };
        }
    }
    if random.below(3) == 0 {
        let mut first = INLINED;
        f.inlined.resize_with(random.below(9) as usize, || {
            first += random.below(1 << 28) as u32;
            let [func, body_offset, call] = [1 << 20, 1 << 31, u32::MAX.into()].map(|most| random.below(most) as u32);
            InlinedCall { func: DefinedFuncIndex::from_u32(func), first, body_offset, call }
        });
    }
    // Return addresses are behind the call: up to the function's end, which is where one that never returns would return to.
    let slots =
        |random: &mut Random| -> Vec<i32> { (0..random.below(4)).map(|_| random.below(1 << 20) as i32 - (1 << 19)).collect() };
    f.stack_maps = StackMaps::new(slots(random));
    for at in random.offsets(len) {
        let (kept, added) = (random.below(u64::from(f.stack_maps.depth()) + 1) as u32, slots(random));
        f.stack_maps.push(at + 1, kept, added);
    }
    if f.stack_maps.is_empty() {
        // What is in every map is in none then.
        f.stack_maps = StackMaps::default();
    }
    f
}

/// Functions with gaps of padding between them, and the start of each.
fn unit(seed: u64) -> (Vec<(u32, CompiledFunction)>, CodeTables, WasmOffsets) {
    let mut random = Random(seed);
    let (mut tables, mut offsets) = (CodeTables::default(), WasmOffsets::default());
    let mut functions = Vec::new();
    let mut start = 0;
    for _ in 0..20 {
        let len = match random.below(4) {
            0 => 1,
            1 => 100_000,
            _ => 1 + random.below(2000) as u32,
        };
        let f = function(&mut random, len);
        tables.push(start, &f, &mut offsets);
        functions.push((start, f));
        start = (start + len + random.below(2) as u32).next_multiple_of(32);
    }
    (functions, tables, offsets)
}

#[test]
fn whole_functions_are_read_back() {
    for seed in 0..5 {
        let (functions, tables, offsets) = unit(seed);
        let text = vec![0x90; functions.last().map_or(0, |(start, f)| *start as usize + f.code.len())];
        for (n, (_, f)) in functions.iter().enumerate() {
            let found = tables.function(DefinedFuncIndex::from_u32(n as u32), &text, &offsets.0).expect("it is there");
            assert_eq!(found.code, f.code);
            assert_eq!(
                (found.traps, found.wasm_offsets, found.inlined, found.stack_maps),
                (f.traps.clone(), f.wasm_offsets.clone(), f.inlined.clone(), f.stack_maps.clone())
            );
        }
        assert!(tables.function(DefinedFuncIndex::from_u32(functions.len() as u32), &text, &offsets.0).is_none());
        assert!(tables.function(DefinedFuncIndex::from_u32(0), &[], &offsets.0).is_none(), "the text is cut off");
    }
}

#[test]
fn what_is_put_in_is_found_at_every_offset() {
    for seed in 0..5 {
        let (functions, tables, offsets) = unit(seed);
        for (n, (start, f)) in functions.iter().enumerate() {
            let len = f.code.len() as u32;
            let (mut traps, mut maps) = (f.traps.iter().peekable(), f.stack_maps.maps().peekable());
            let mut wasm = f.wasm_offsets.iter().peekable();
            let mut current = Vec::new();
            for at in 0..len.min(3000) {
                assert_eq!(tables.function_at(start + at).map(|i| i.as_u32()), Some(n as u32));
                let trap = traps.next_if(|t| t.0 == at).map(|t| t.1);
                assert_eq!(tables.trap_at(start + at), trap, "function {n}, offset {at}");
                if let Some(&(_, offset)) = wasm.next_if(|w| w.0 == at) {
                    current = operators(&f.inlined, offset).collect();
                }
                assert_eq!(tables.operators_at(&offsets.0, start + at), current, "function {n}, offset {at}");
                let map = maps.next_if(|m| m.return_offset == at + 1);
                assert_eq!(tables.stack_map_at(start + at + 1), map, "function {n}, return to {}", at + 1);
            }
            // In the padding behind it there is nothing.
            let next = functions.get(n + 1).map_or(start + len + 40, |(start, _)| *start);
            for at in start + len..next {
                assert_eq!(tables.function_at(at), None);
                assert_eq!(tables.trap_at(at), None);
                assert_eq!(tables.operators_at(&offsets.0, at), []);
            }
        }
        assert_eq!(tables.function_at(u32::MAX), None);
    }
    assert_eq!(CodeTables::<Vec<u8>>::default().function_at(0), None);
    assert_eq!(CodeTables::<Vec<u8>>::default().stack_map_at(0), None);
}

#[test]
fn any_bytes_are_looked_up_without_harm() {
    let mut random = Random(99);
    let mut differences = 0;
    for seed in 0..40 {
        let (_, good, good_offsets) = unit(seed % 2);
        let (mut tables, mut offsets) = (good.clone(), good_offsets.clone());
        let damage = |random: &mut Random, bytes: &mut Vec<u8>| match random.below(3) {
            0 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
            1 => bytes.iter_mut().for_each(|b| *b = random.below(256) as u8),
            _ => bytes.fill(0xff),
        };
        damage(&mut random, &mut tables[CodeTable::Traps]);
        damage(&mut random, &mut tables[CodeTable::StackMaps]);
        damage(&mut random, &mut offsets.0);
        for record in &mut tables.functions {
            // Starts stay sorted, as the search takes for granted; everything else may be anything.
            match random.below(4) {
                0 => record.traps = random.below(1 << 32) as u32,
                1 => record.len = u32::MAX,
                2 => (record.wasm_offsets, record.stack_maps) = (u32::MAX, u32::MAX),
                _ => {}
            }
        }
        for _ in 0..300 {
            let at = random.below(1 << 18) as u32;
            differences += usize::from(tables.trap_at(at) != good.trap_at(at));
            differences += usize::from(tables.stack_map_at(at) != good.stack_map_at(at));
            differences += usize::from(tables.operators_at(&offsets.0, at) != good.operators_at(&good_offsets.0, at));
        }
        let _ = (tables.trap_at(u32::MAX), tables.stack_map_at(u32::MAX), tables.operators_at(&offsets.0, u32::MAX));
    }
    assert!(differences > 100, "the damage is seen: {differences}");
    // A count of slots that no run holds allocates nothing.
    let mut tables = unit(0).1;
    tables[CodeTable::StackMaps] = vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    tables.functions.truncate(1);
    (tables.functions[0].start, tables.functions[0].stack_maps) = (0, 0);
    assert_eq!(tables.stack_map_at(1), None);
    // Nor does a map keep more than the one before it had.
    tables[CodeTable::StackMaps] = vec![0, 1, 1, 1, 2];
    assert_eq!(tables.stack_map_at(1), None);
}

#[test]
fn maps_share_what_they_have_in_common() {
    let mut maps = StackMaps::new(vec![-8]);
    let expected = [(1, vec![-8]), (5, vec![-8, -16, -24]), (9, vec![-8, -16, -32]), (12, vec![-8, -16])];
    for (at, slots) in &expected {
        maps.push_map(*at, &slots[1..]);
    }
    assert_eq!(maps.maps().map(|map| (map.return_offset, map.slots)).collect::<Vec<_>>(), expected);
    assert_eq!(maps.steps().map(|step| (step.kept, step.added.len())).collect::<Vec<_>>(), [(0, 0), (0, 2), (1, 1), (1, 0)]);
}

#[test]
fn records_are_found_by_binary_search() {
    let handler = |tag: Option<u32>, wants_exception, code_offset| Handler { tag, wants_exception, code_offset };
    let lists = [
        vec![handler(Some(64), false, 10), handler(Some(72), true, 11)],
        vec![handler(Some(64), true, 12), handler(None, true, 13)],
        vec![handler(None, false, 14), handler(Some(8), false, 15)],
        vec![],
        // The one for all exceptions and what is before it share their ends with another list.
        vec![handler(Some(80), false, 16), handler(Some(64), true, 12), handler(None, true, 13)],
    ];
    let mut one = CompiledFunction { code: vec![0x90; 1000], align: 16, ..Default::default() };
    let mut builder = HandlerListBuilder::default();
    for n in 0..100 {
        // A list without handlers is none.
        if let Some(handlers) = builder.add(&lists[n as usize / 3 % lists.len()]) {
            one.call_sites.push(CallSite { return_offset: 5 + 7 * n, frame_size: 16 + n, vmctx: -8 - n as i32, handlers });
        }
        one.uninterruptible.push((10 * n, 10 * n + 3));
        one.jump_tables.push((10 * n + 4, 10 * n + 8));
    }
    one.handlers = builder.finish();
    // What two lists have in common is there once.
    assert_eq!(one.handlers.nodes().len(), 6);
    // Pushed at its place, or pushed elsewhere, in another order, and moved there.
    let (mut direct, mut moved, mut elsewhere) = (CodeTables::default(), CodeTables::default(), CodeTables::default());
    let (mut offsets, mut other, mut moved_offsets) = Default::default();
    let mut ends = vec![];
    for start in [32, 2000] {
        ends.push(elsewhere.ends());
        elsewhere.push(start, &one, &mut other);
    }
    ends.push(elsewhere.ends());
    for (start, n) in [(100, 1), (5000, 0)] {
        direct.push(start, &one, &mut offsets);
        moved.append(start, (&elsewhere, &other), n, (&ends[n], &ends[n + 1]), &mut moved_offsets);
    }
    assert_eq!(format!("{moved:?} {moved_offsets:?}"), format!("{direct:?} {offsets:?}"));
    for tables in [&direct, &moved] {
        for start in [100, 5000] {
            for offset in 0..1000 {
                let expected = one.call_sites.iter().find(|site| site.return_offset == offset);
                let found = tables.handlers_at(start + offset);
                assert_eq!(found.is_some(), expected.is_some(), "{offset}");
                if let (Some(found), Some(site)) = (found, expected) {
                    assert_eq!((found.frame_size, found.vmctx), (site.frame_size, site.vmctx));
                    let moved = one.handlers.list(site.handlers).map(|h| Handler { code_offset: h.code_offset + start, ..h });
                    assert!(found.eq(moved), "{offset}");
                }
                assert_eq!(tables.is_uninterruptible(start + offset), offset % 10 < 3, "{offset}");
            }
        }
        {
            let text = vec![0x90; 6000];
            for n in 0..2 {
                let whole = tables.function(DefinedFuncIndex::from_u32(n), &text, &offsets.0).expect("the function is there");
                assert_eq!((&whole.uninterruptible, &whole.jump_tables), (&one.uninterruptible, &one.jump_tables));
                let sites = |f: &CompiledFunction| -> Vec<(CallSite, Vec<Handler>)> {
                    let with_list = |s: &CallSite| (CallSite { handlers: 0, ..*s }, f.handlers.list(s.handlers).collect());
                    f.call_sites.iter().map(with_list).collect()
                };
                assert_eq!(sites(&whole), sites(&one));
            }
        }
        assert!(tables.handlers_at(0).is_none() && tables.handlers_at(u32::MAX).is_none());
        assert!(!tables.is_uninterruptible(0) && !tables.is_uninterruptible(u32::MAX));
    }
}
