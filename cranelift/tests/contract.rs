//! What the compiler promises beyond the code: alignment, relocations, traps, offsets, stack maps, its fingerprint.

mod common;

use common::{compile, compiler};
use sconce_environ::compile::{BoundsStyle, CallStyle, Compiler, RelocTarget, Settings};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::trap::TrapCode;
use sconce_test_support::{Input, all_settings};

fn guard_direct() -> Settings {
    all_settings()[0].clone()
}

/// The trap codes of the first function, in the order of their numbers.
fn trap_codes(settings: &Settings, wat: &str) -> Vec<TrapCode> {
    let mut codes: Vec<_> = compile(settings, wat, 0).unwrap().0.traps.into_iter().map(|t| t.1).collect();
    codes.sort_by_key(|&c| c as u8);
    codes.dedup();
    codes
}

#[test]
fn fingerprint_tells_settings_apart() {
    let mut all = all_settings().to_vec();
    all.push(Settings { canonical_nans: true, ..all[0].clone() });
    all.push(Settings { spectre_mitigations: false, ..all[0].clone() });
    let mut prints: Vec<_> = all.iter().map(|s| compiler(s).fingerprint()).collect();
    assert!(prints[0].contains(sconce_cranelift::CRANELIFT_VERSION) && prints[0].contains("has_sse41"), "{}", prints[0]);
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), all.len());
}

#[test]
fn calls_go_where_the_style_says() {
    let wat = r#"(module (import "" "" (func)) (func (call 2)) (func))"#;
    for settings in all_settings() {
        let code = compile(&settings, wat, 0).unwrap().0;
        let callee = DefinedFuncIndex::from_u32(1);
        let target = match settings.calls {
            CallStyle::Direct => RelocTarget::Function(callee),
            CallStyle::Slots => RelocTarget::Slot(callee),
        };
        let [reloc] = code.relocs[..] else { panic!("one relocation: {:?}", code.relocs) };
        assert_eq!((reloc.target, reloc.addend), (target, -4));
        assert_eq!(code.align % 32, 0);
        let at = reloc.offset as usize;
        assert_eq!(code.code[at..at + 4], [0; 4], "the field is the linker's to fill");
        let before = &code.code[..at];
        match settings.calls {
            CallStyle::Direct => assert_eq!(before.last(), Some(&0xe8), "call rel32"),
            CallStyle::Slots => assert!(before.ends_with(&[0x8b, before[at - 1]]), "mov r, [rip + field]: {before:x?}"),
        }
    }
}

#[test]
fn prologue_comes_first_and_belongs_to_no_operator() {
    let code = compile(&guard_direct(), "(module (func (call 0)))", 0).unwrap().0;
    assert_eq!(code.code[..4], [0x55, 0x48, 0x89, 0xe5], "push rbp; mov rbp, rsp");
    assert_eq!(code.wasm_offsets[0], (0, u32::MAX));
    assert!(code.wasm_offsets[1].0 >= 4);
}

#[test]
fn wasm_offsets_are_those_of_the_operators() {
    let input = Input::text("(module (memory 1) (func (param i32) nop (drop (i32.load (local.get 0))) unreachable))");
    let function = input.function(0);
    let code = compiler(&guard_direct()).compile(&function).unwrap();
    // No locals; nop, local.get 0, i32.load align offset, drop, unreachable.
    let operator = |offset: u32| function.body_offset + 1 + offset;
    let at = |code_offset: u32| code.wasm_offsets.iter().rev().find(|run| run.0 <= code_offset).unwrap().1;
    let trap = |wanted| code.traps.iter().find(|t| t.1 == wanted).unwrap().0;
    assert_eq!(at(trap(TrapCode::MemoryOutOfBounds)), operator(3));
    assert_eq!(at(trap(TrapCode::Unreachable)), operator(7));
}

#[test]
fn every_trap_has_its_code() {
    use TrapCode::*;
    let cases: &[(&str, &[TrapCode])] = &[
        ("(module (func unreachable))", &[Unreachable]),
        ("(module (func (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1))))", &[IntegerDivideByZero]),
        (
            "(module (func (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1))))",
            &[IntegerOverflow, IntegerDivideByZero],
        ),
        ("(module (func (param i64 i64) (result i64) (i64.rem_s (local.get 0) (local.get 1))))", &[IntegerDivideByZero]),
        (
            "(module (func (param f32) (result i32) (i32.trunc_f32_s (local.get 0))))",
            &[IntegerOverflow, InvalidConversionToInteger],
        ),
        (
            "(module (func (param f64) (result i64) (i64.trunc_f64_u (local.get 0))))",
            &[IntegerOverflow, InvalidConversionToInteger],
        ),
        ("(module (func (param f64) (result i64) (i64.trunc_sat_f64_u (local.get 0))))", &[]),
        (
            "(module (table 1 funcref) (type (func)) (func (param i32) (call_indirect (type 0) (local.get 0))))",
            &[UndefinedElement, UninitializedElement, IndirectCallTypeMismatch],
        ),
        ("(module (table 1 externref) (func (param i32) (drop (table.get (local.get 0)))))", &[TableOutOfBounds]),
        ("(module (memory 1) (func (param i32) (drop (i64.load (local.get 0)))))", &[MemoryOutOfBounds]),
    ];
    for settings in all_settings() {
        for (wat, codes) in cases {
            assert_eq!(trap_codes(&settings, wat), *codes, "{wat} {settings:?}");
        }
    }
}

/// A guard-style access is checked exactly where the guard may not reach.
#[test]
fn guard_style_checks_large_offsets_only() {
    let access = |offset: u64| format!("(module (memory 1) (func (param i32) (drop (v128.load offset={offset} (local.get 0)))))");
    let checks = |settings: &Settings, offset: u64| compile(settings, &access(offset), 0).unwrap().1.clif.contains("trapnz");
    let guard = guard_direct();
    let explicit = Settings { bounds: BoundsStyle::Explicit, ..guard.clone() };
    for offset in [0, 1, 65_535, (1 << 31) - 1] {
        assert!(!checks(&guard, offset), "offset {offset}");
        assert!(checks(&explicit, offset), "offset {offset}");
    }
    for offset in [1 << 31, (1 << 31) + 1, (1 << 32) - 16] {
        assert!(checks(&guard, offset) && checks(&explicit, offset), "offset {offset}");
    }
}

/// Explicit style: an access that cannot be inside traps without looking, a constant one below the minimum is not checked.
#[test]
fn explicit_style_knows_constant_accesses() {
    let explicit = all_settings()[2].clone();
    let body = |text: &str| format!("(module (memory 1 2) (func {text}))");
    let never = compile(&explicit, &body("(drop (i32.load offset=131069 (i32.const 0)))"), 0).unwrap();
    assert_eq!(never.0.traps.iter().map(|t| t.1).collect::<Vec<_>>(), [TrapCode::MemoryOutOfBounds]);
    assert!(!never.1.clif.contains("load"), "{}", never.1.clif);
    let inside = compile(&explicit, &body("(drop (i32.load offset=65532 (i32.const 0)))"), 0).unwrap();
    assert!(!inside.1.clif.contains("trapnz"), "{}", inside.1.clif);
    let perhaps = compile(&explicit, &body("(drop (i32.load offset=65532 (i32.const 1)))"), 0).unwrap();
    assert!(perhaps.1.clif.contains("trapnz"), "{}", perhaps.1.clif);
}

/// Small constant lengths are done inline; all others by the builtin.
#[test]
fn small_bulk_operations_are_inline() {
    let calls = |op: &str| {
        let wat = format!("(module (memory 1) (func (param i32 i32) ({op})))");
        compile(&guard_direct(), &wat, 0).unwrap().1.clif.contains("call_indirect")
    };
    for op in ["memory.copy (local.get 0) (local.get 1)", "memory.fill (local.get 0) (local.get 1)"] {
        for len in 0..=128 {
            assert!(!calls(&format!("{op} (i32.const {len})")), "{op} {len}");
        }
        for len in ["i32.const 129", "i32.const -1", "local.get 1"] {
            assert!(calls(&format!("{op} ({len})")), "{op} {len}");
        }
    }
}

/// Handles are in stack maps wherever they come from; function references and numbers never are.
#[test]
fn handles_from_everywhere_are_in_stack_maps() {
    let maps = |ty: &str, source: &str| {
        let wat = format!(
            r#"(module (import "" "" (func $call)) (import "" "h" (func $get (result {ty}))) (import "" "g" (global $global (mut {ty})))
                (table $table (export "t") 1 {ty})
                (func (param $p {ty}) (result {ty}) {source} (call $call)))"#
        );
        compile(&guard_direct(), &wat, 0).unwrap().0.stack_maps.maps().map(|m| m.slots.len()).max().unwrap_or(0)
    };
    let sources = [
        "(local.get $p)",
        "(call $get)",
        "(global.get $global)",
        "(table.get $table (i32.const 0))",
        "(select (result TY) (local.get $p) (global.get $global) (table.size $table))",
        "(block (result TY) (drop (br_if 0 (call $get) (table.size $table))) (global.get $global))",
        "(loop (result TY) (call $get) (br_if 0 (table.size $table)))",
        "(if (result TY) (table.size $table) (then (call $get)) (else (global.get $global)))",
    ];
    for source in sources {
        assert!(maps("externref", &source.replace("TY", "externref")) >= 1, "{source}");
        assert_eq!(maps("funcref", &source.replace("TY", "funcref")), 0, "{source}");
    }
}

#[test]
fn nans_become_canonical_on_request() {
    let wat = "(module (func (param f32 f32) (result f32) (f32.add (local.get 0) (local.get 1))))";
    let as_is = compile(&guard_direct(), wat, 0).unwrap().0;
    let canonical = compile(&Settings { canonical_nans: true, ..guard_direct() }, wat, 0).unwrap().0;
    assert!(canonical.code.len() > as_is.code.len());
}

/// Contexts are used again, by any thread: the same input gives the same code.
#[test]
fn compiling_is_deterministic_across_threads() {
    let input = Input::text(
        r#"(module (memory 1) (table 3 funcref) (type (func (param i64) (result externref)))
            (func (param i32) (result externref) (call_indirect (type 0) (i64.load (local.get 0)) (i32.const 1)))
            (func (param f64) (result i32) (call 0 (i32.trunc_sat_f64_s (local.get 0))) (ref.is_null))
            (func (result i32) (i32.const 7)))"#,
    );
    let compiler = compiler(&guard_direct());
    let all = || input.functions().map(|f| compiler.compile(&f).unwrap().code).collect::<Vec<_>>();
    let first = all();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..10).map(|_| all()).collect::<Vec<_>>())).collect();
        for thread in threads {
            for again in thread.join().unwrap() {
                assert_eq!(again, first);
            }
        }
    });
}
