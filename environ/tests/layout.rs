//! The variable tail of a VM context: nothing overlaps, everything is aligned and inside.

use sconce_environ::decode::{Features, decode};
use sconce_environ::index::*;
use sconce_environ::layout::{Place, VmLayout};
use sconce_environ::vm::*;
use std::mem::{align_of, offset_of, size_of};

/// A module with these many imported and defined items of each space.
fn module(imported: [usize; 4], defined: [usize; 4]) -> VmLayout {
    let mut text = String::from("(module (type (func)) (type (func (param i32)))");
    let items = ["(func)", "(table 1 funcref)", "(memory 1)", "(global i32)"];
    for (item, n) in items.iter().zip(imported) {
        for _ in 0..n {
            text += &format!("(import \"a\" \"b\" {item})");
        }
    }
    let items = ["(func)", "(table 1 funcref)", "(memory 1)", "(global i32 (i32.const 0))"];
    for (item, n) in items.iter().zip(defined) {
        text += &item.repeat(n);
    }
    // Every second function escapes.
    for func in (0..imported[0] + defined[0]).step_by(2) {
        text += &format!("(export \"{func}\" (func {func}))");
    }
    let bytes = wat::parse_str(text + ")").expect("the test's own text");
    VmLayout::new(&decode(&bytes, Features::default()).expect("decodes").module)
}

/// Every item's bytes: start, size, alignment.
fn items(layout: &VmLayout, imported: [usize; 4], defined: [usize; 4]) -> Vec<(u32, usize, usize)> {
    let mut items = vec![(0, size_of::<VmContext>(), align_of::<VmContext>())];
    let word = (size_of::<usize>(), align_of::<usize>());
    for i in 0..imported[0] as u32 {
        items.push((layout.func_import(FuncIndex::from_u32(i)), size_of::<VmFuncImport>(), align_of::<VmFuncImport>()));
    }
    for func in 0..(imported[0] + defined[0]) as u32 {
        let func_ref = layout.func_ref(FuncIndex::from_u32(func));
        assert_eq!(func_ref.is_some(), func % 2 == 0);
        items.extend(func_ref.map(|at| (at, size_of::<VmFuncRef>(), align_of::<VmFuncRef>())));
    }
    for i in 0..2 {
        items.push((layout.type_id(TypeIndex::from_u32(i)), 4, 4));
    }
    let mut add = |place, is_imported: bool, (size, align)| match place {
        Place::Inline(at) => {
            assert!(!is_imported);
            items.push((at, size, align));
        }
        Place::Pointer(at) => {
            assert!(is_imported);
            items.push((at, word.0, word.1));
        }
    };
    for i in 0..imported[1] + defined[1] {
        let item = (size_of::<VmTable>(), align_of::<VmTable>());
        add(layout.table(TableIndex::from_u32(i as u32)), i < imported[1], item);
    }
    for i in 0..imported[2] + defined[2] {
        let item = (size_of::<VmMemory>(), align_of::<VmMemory>());
        add(layout.memory(MemoryIndex::from_u32(i as u32)), i < imported[2], item);
    }
    for i in 0..imported[3] + defined[3] {
        let item = (size_of::<VmGlobal>(), align_of::<VmGlobal>());
        add(layout.global(GlobalIndex::from_u32(i as u32)), i < imported[3], item);
    }
    items
}

#[test]
fn nothing_overlaps() {
    let counts = [[0, 0, 0, 0], [1, 0, 0, 1], [3, 1, 0, 2], [0, 2, 0, 7], [5, 3, 0, 1]];
    for imported in counts {
        for defined in counts {
            // One memory in all, imported or defined by turns.
            for memory in [[0, 0], [1, 0], [0, 1]] {
                let imported = [imported[0], imported[1], memory[0], imported[3]];
                let defined = [defined[0], defined[1], memory[1], defined[3]];
                let layout = module(imported, defined);
                let mut items = items(&layout, imported, defined);
                items.sort();
                for &(at, size, align) in &items {
                    assert_eq!(at as usize % align, 0);
                    assert!(at as usize + size <= layout.size() as usize);
                }
                for pair in items.windows(2) {
                    assert!(pair[0].0 as usize + pair[0].1 <= pair[1].0 as usize, "{imported:?} {defined:?}: {pair:?}");
                }
                assert_eq!(layout.size() as usize % align_of::<VmContext>(), 0);
            }
        }
    }
}

#[test]
fn heads_agree() {
    // Trampolines look at these without knowing which kind of context they have.
    assert_eq!(offset_of!(VmContext, magic), offset_of!(VmHostContext, magic));
    assert_eq!(offset_of!(VmContext, store), offset_of!(VmHostContext, store));
    assert_eq!(VmLayout::STORE as usize, offset_of!(VmHostContext, store));
}
