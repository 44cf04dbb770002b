//! Canonical types: equal exactly when the specification says so, across modules.

use sconce_environ::PrimaryMap;
use sconce_environ::index::*;
use sconce_environ::module::*;
use sconce_environ::registry::{ExternType, TypeRegistry};
use sconce_environ::types::*;

/// `(ref null $index)`.
fn to(index: u32) -> ValType {
    ValType::Ref(RefType { nullable: true, heap: HeapType::ConcreteFunc(TypeIndex::from_u32(index)) })
}

fn func(params: &[ValType], results: &[ValType]) -> SubType {
    let composite = CompositeType::Func(FuncType { params: params.into(), results: results.into() });
    SubType { is_final: true, supertype: None, composite }
}

fn open(ty: SubType, supertype: Option<u32>) -> SubType {
    SubType { is_final: false, supertype: supertype.map(TypeIndex::from_u32), ..ty }
}

/// A module with these recursion groups.
fn module(groups: &[&[SubType]]) -> Module {
    let mut module = Module::default();
    for group in groups {
        let start = module.types.len() as u32;
        for ty in *group {
            module.types.push(ty.clone());
        }
        module.rec_groups.push(start..module.types.len() as u32);
    }
    module
}

fn register(registry: &mut TypeRegistry, groups: &[&[SubType]]) -> Vec<TypeId> {
    registry.register(&module(groups)).values().copied().collect()
}

#[test]
fn same_structure_is_one_type_in_every_module() {
    let mut r = TypeRegistry::new();
    let a = register(&mut r, &[&[func(&[ValType::I32], &[])], &[func(&[], &[])], &[func(&[ValType::I32], &[])]]);
    assert_eq!(a[0], a[2]);
    assert_ne!(a[0], a[1]);
    let b = register(&mut r, &[&[func(&[], &[])], &[func(&[ValType::I32], &[])]]);
    assert_eq!(b, [a[1], a[0]]);
    assert_eq!(r.len(), 2);
    let host = r.register_func(&FuncType { params: [ValType::I32].into(), results: [].into() });
    assert_eq!(host, a[0]);
    assert_eq!(r.func_type(host).to_string(), "(i32) -> ()");
    // Params and results, their order, nullability: all count.
    let n = ValType::Ref(RefType { nullable: false, heap: HeapType::Func });
    let all = register(
        &mut r,
        &[
            &[func(&[], &[ValType::I32])],
            &[func(&[ValType::I32, ValType::I64], &[])],
            &[func(&[ValType::I64, ValType::I32], &[])],
            &[func(&[ValType::FUNCREF], &[])],
            &[func(&[n], &[])],
            &[open(func(&[n], &[]), None)],
        ],
    );
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn a_recursive_type_equals_its_copy_elsewhere() {
    let mut r = TypeRegistry::new();
    // type 0 refers to itself; in the second module the same type is number 1.
    let a = register(&mut r, &[&[func(&[to(0)], &[])]]);
    let b = register(&mut r, &[&[func(&[], &[])], &[func(&[to(1)], &[])]]);
    assert_eq!(a[0], b[1]);
    // But a type that refers to it, from outside, is another one, though both unroll to the same tree.
    let c = register(&mut r, &[&[func(&[to(0)], &[])], &[func(&[to(0)], &[])]]);
    assert_eq!(c[0], a[0]);
    assert_ne!(c[1], a[0]);
    assert_eq!(r.func_type(c[1]).params[0], ValType::Ref(RefType { nullable: true, heap: HeapType::ConcreteFunc(a[0]) }));
}

#[test]
fn mutually_recursive_groups_are_equal_as_wholes() {
    let mut r = TypeRegistry::new();
    let pair = |first: u32| [func(&[to(first + 1)], &[]), func(&[to(first)], &[ValType::I32])];
    let a = register(&mut r, &[&pair(0)]);
    let b = register(&mut r, &[&[func(&[], &[])], &pair(1)]);
    assert_eq!(a, b[1..]);
    // The order in the group counts, and so does the group.
    let swapped = register(&mut r, &[&[func(&[to(1)], &[ValType::I32]), func(&[to(0)], &[])]]);
    assert!(a.iter().all(|t| !swapped.contains(t)));
    let longer = register(&mut r, &[&[func(&[to(1)], &[]), func(&[to(0)], &[ValType::I32]), func(&[], &[])]]);
    assert!(a.iter().all(|t| !longer.contains(t)));
    // The empty function type in a group of three is not the one by itself.
    assert_ne!(longer[2], b[0]);
    // Equal outer references make equal groups; different ones, different groups.
    let x = register(&mut r, &[&[func(&[ValType::F32], &[])], &[func(&[to(0)], &[])]]);
    let y = register(&mut r, &[&[func(&[], &[])], &[func(&[ValType::F32], &[])], &[func(&[to(1)], &[])], &[func(&[to(0)], &[])]]);
    assert_eq!(x[1], y[2]);
    assert_ne!(x[1], y[3]);
}

#[test]
fn displays_and_subtypes() {
    let mut r = TypeRegistry::new();
    let f = || func(&[], &[]);
    let t = register(
        &mut r,
        &[&[open(f(), None)], &[open(f(), Some(0))], &[open(f(), Some(1))], &[open(func(&[], &[]), Some(0)), open(f(), Some(3))]],
    );
    assert_eq!(r.display(t[0]), [t[0]]);
    assert_eq!(r.display(t[2]), [t[0], t[1], t[2]]);
    assert_eq!(r.display(t[4]), [t[0], t[3], t[4]]);
    let below = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (1, 1), (2, 1), (2, 2), (3, 3), (4, 3), (4, 4)];
    for sub in 0..5 {
        for sup in 0..5 {
            assert_eq!(r.is_subtype(t[sub], t[sup]), below.contains(&(sub, sup)), "{sub} <: {sup}");
        }
    }
    assert_eq!(r.get(t[1]).supertype, Some(t[0]));
    assert!(!r.get(t[1]).is_final);
}

#[test]
fn reference_types_match() {
    let mut r = TypeRegistry::new();
    let t = register(&mut r, &[&[open(func(&[], &[]), None)], &[open(func(&[], &[]), Some(0))], &[func(&[ValType::I32], &[])]]);
    use HeapType::*;
    let heaps = [Func, Extern, NoFunc, NoExtern, ConcreteFunc(t[0]), ConcreteFunc(t[1]), ConcreteFunc(t[2])];
    let below = [(2, 0), (2, 4), (2, 5), (2, 6), (3, 1), (4, 0), (5, 0), (6, 0), (5, 4)];
    for (i, &sub) in heaps.iter().enumerate() {
        for (j, &sup) in heaps.iter().enumerate() {
            let expected = i == j || below.contains(&(i, j));
            assert_eq!(r.heap_matches(sub, sup), expected, "{sub} <: {sup}");
            for (from, into) in [(false, false), (false, true), (true, false), (true, true)] {
                let sub = RefType { nullable: from, heap: sub };
                let sup = RefType { nullable: into, heap: sup };
                assert_eq!(r.ref_matches(sub, sup), expected && (!from || into));
                assert_eq!(r.val_matches(ValType::Ref(sub), ValType::Ref(sup)), expected && (!from || into));
            }
        }
    }
    assert!(r.val_matches(ValType::I32, ValType::I32));
    assert!(!r.val_matches(ValType::I32, ValType::I64));
    assert!(!r.val_matches(ValType::FUNCREF, ValType::I64));
}

#[test]
fn imports_match() {
    let mut r = TypeRegistry::new();
    let t = register(&mut r, &[&[func(&[], &[])], &[func(&[ValType::I32], &[])]]);
    let m = |min, max| MemoryType { limits: Limits { min, max }, memory64: false, shared: false, page_size_log2: 16 };
    let memory = |min, max| ExternType::Memory(m(min, max));
    let table = |min, max, element| ExternType::Table(TableType { element, limits: Limits { min, max }, table64: false });
    let global = |content, mutable| ExternType::Global(GlobalType { content, mutable });
    let f = RefType::FUNCREF;
    let nonnull = RefType { nullable: false, heap: HeapType::Func };
    let yes = [
        (ExternType::Func(t[0]), ExternType::Func(t[0])),
        (memory(1, None), memory(1, None)),
        (memory(2, None), memory(1, None)),
        (memory(2, Some(3)), memory(1, None)),
        (memory(2, Some(3)), memory(2, Some(3))),
        (memory(2, Some(3)), memory(1, Some(4))),
        (table(2, Some(3), f), table(1, Some(4), f)),
        (global(ValType::I32, false), global(ValType::I32, false)),
        (global(ValType::I32, true), global(ValType::I32, true)),
        (global(ValType::Ref(nonnull), false), global(ValType::Ref(f), false)),
    ];
    let no = [
        (ExternType::Func(t[0]), ExternType::Func(t[1])),
        (ExternType::Func(t[0]), memory(1, None)),
        (memory(1, None), memory(2, None)),
        (memory(1, None), memory(1, Some(5))),
        (memory(1, Some(6)), memory(1, Some(5))),
        (memory(1, None), ExternType::Memory(MemoryType { memory64: true, ..m(1, None) })),
        (memory(1, Some(2)), ExternType::Memory(MemoryType { shared: true, ..m(1, Some(2)) })),
        (memory(1, None), ExternType::Memory(MemoryType { page_size_log2: 0, ..m(1, None) })),
        (table(1, None, f), table(2, None, f)),
        (table(1, None, f), table(1, Some(1), f)),
        (table(1, None, f), table(1, None, RefType::EXTERNREF)),
        (table(1, None, nonnull), table(1, None, f)),
        (table(1, None, f), global(ValType::I32, false)),
        (global(ValType::I32, true), global(ValType::I32, false)),
        (global(ValType::I32, false), global(ValType::I32, true)),
        (global(ValType::I32, false), global(ValType::I64, false)),
        (global(ValType::Ref(nonnull), true), global(ValType::Ref(f), true)),
        (global(ValType::Ref(f), false), global(ValType::Ref(nonnull), false)),
    ];
    for (sub, sup) in &yes {
        assert!(r.matches(sub, sup), "{} for {}", r.describe(sub), r.describe(sup));
    }
    for (sub, sup) in &no {
        assert!(!r.matches(sub, sup), "{} for {}", r.describe(sub), r.describe(sup));
    }
}

#[test]
fn types_of_imports_are_renamed_and_described() {
    let mut r = TypeRegistry::new();
    let m = module(&[&[func(&[], &[])], &[func(&[ValType::I64], &[ValType::F32])]]);
    let ids: PrimaryMap<_, _> = r.register(&m);
    let ty = ExternType::new(&EntityType::Func(TypeIndex::from_u32(1)), |index| ids[index]);
    assert_eq!(ty, ExternType::Func(ids[TypeIndex::from_u32(1)]));
    assert_eq!(r.describe(&ty).to_string(), "func (i64) -> (f32)");
    let ty = ExternType::new(&EntityType::Global(GlobalType { content: to(1), mutable: true }), |index| ids[index]);
    assert_eq!(r.describe(&ty).to_string(), "global mut (ref null typeid1)");
    let limits = Limits { min: 1, max: Some(9) };
    let ty =
        ExternType::new(&EntityType::Table(TableType { element: RefType::FUNCREF, limits, table64: false }), |index| ids[index]);
    assert_eq!(r.describe(&ty).to_string(), "table 1..9 funcref");
    let memory = MemoryType { limits: Limits { min: 1, max: None }, memory64: true, shared: true, page_size_log2: 0 };
    assert_eq!(r.describe(&ExternType::Memory(memory)).to_string(), "memory i64 1 shared pagesize 1");
}
