//! Functions at the edges, for every compiler: nothing here may panic, recurse, or take time that grows with the square of the
//! input.

use crate::{all_settings, compile};
use sconce_environ::compile::{CompiledFunction, Compiler, Settings};
use sconce_environ::trap::TrapCode;

/// The plainest settings: guard pages and direct calls.
pub fn guard() -> Settings {
    all_settings()[0].clone()
}

/// Makes a test of each function of this module, for the compiler that `$make` makes from settings.
#[macro_export]
macro_rules! extremes {
    ($make:expr) => {
        $crate::extremes! { $make =>
            many_locals
            deeply_nested_blocks
            deeply_nested_unreachable_blocks
            deeply_nested_ifs_with_results
            many_loops
            a_thousand_parameters_and_results
            handles_in_many_locals_across_many_calls
        }
    };
    ($make:expr => $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::extremes::$name(&$make);
        })*
    };
}

fn compiles<C: Compiler>(make: &impl Fn(&Settings) -> C, wat: &str) -> CompiledFunction {
    compile(&make(&guard()), wat, 0).unwrap()
}

/// A `br_table` in 100 blocks of the type `values`, each of whose results is a constant.
pub fn br_table(targets: usize, values: &str) -> String {
    let depths: String = (0..targets).map(|i| format!("{} ", i % 100)).collect();
    let (blocks, ends) = (format!("block {values} ").repeat(100), "end ".repeat(100));
    let value = "i32.const 5 ".repeat(values.matches("i32").count());
    format!("(module (func (param i32) {values} {blocks} {value} local.get 0 br_table {depths} {ends}))")
}

/// 49,000 locals, nearly the 50,000 that are allowed, each set from the one before.
pub fn many_locals<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    let locals = "i32 ".repeat(49_000);
    let body: String = (0..48_999).map(|i| format!("(local.set {} (local.get {i}))", i + 1)).collect();
    compiles(make, &format!("(module (func (param i32) (result i32) (local {locals}) {body} (local.get 49000)))"));
}

/// 20,000 blocks in each other, each with a branch.
pub fn deeply_nested_blocks<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    let n = 20_000;
    let body = format!("{}{}", "block local.get 0 br_if 0 ".repeat(n), "end ".repeat(n));
    compiles(make, &format!("(module (func (param i32) {body}))"));
}

/// 60,000 blocks in each other, none of which runs.
pub fn deeply_nested_unreachable_blocks<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    let n = 20_000;
    let body = format!("unreachable {}{}", "block loop i32.const 1 if ".repeat(n), "else end end end ".repeat(n));
    let code = compiles(make, &format!("(module (func {body}))"));
    assert_eq!(code.traps.iter().map(|t| t.1).collect::<Vec<_>>(), [TrapCode::Unreachable]);
}

/// 2,000 ifs in each other.
pub fn deeply_nested_ifs_with_results<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    let n = 2_000;
    let body = format!("{}i32.const 3 {}", "local.get 0 if (result i32) ".repeat(n), "else i32.const 4 end ".repeat(n));
    compiles(make, &format!("(module (func (param i32) (result i32) {body}))"));
}

/// 2,000 loops one after the other.
pub fn many_loops<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    let body = "(loop (br_if 0 (i32.load (local.get 0))))".repeat(2_000);
    compiles(make, &format!("(module (memory 1) (func (param i32) {body}))"));
}

/// As many parameters and results as are allowed, of every type.
pub fn a_thousand_parameters_and_results<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    for ty in ["i32", "i64", "f32", "f64", "v128", "externref", "funcref"] {
        let (list, gets) = (format!("{ty} ").repeat(1000), (0..1000).map(|i| format!("local.get {i} ")).collect::<String>());
        let wat = format!("(module (func (param {list}) (result {list}) {gets} call 0))");
        for settings in all_settings() {
            compile(&make(&settings), &wat, 0).unwrap();
        }
    }
}

/// 200 references live across 500 calls.
pub fn handles_in_many_locals_across_many_calls<C: Compiler>(make: &impl Fn(&Settings) -> C) {
    let locals = "externref ".repeat(200);
    let body: String = (0..500).map(|i| format!("(local.set {} (call 1 (local.get {})))", i % 200 + 1, i % 200)).collect();
    let code = compiles(
        make,
        &format!(
            "(module (func (param externref) (result externref) (local {locals}) {body} (local.get 200))
                 (func (param externref) (result externref) (local.get 0)))"
        ),
    );
    assert!(code.stack_maps.len() >= 400, "only {} stack maps", code.stack_maps.len());
    for map in code.stack_maps.maps() {
        assert!(map.slots.iter().all(|&slot| slot % 4 == 0), "{map:?}");
    }
    assert!(code.stack_maps.steps().is_sorted_by(|a, b| a.return_offset < b.return_offset));
}
