//! A function of twice the size takes twice the code and tables: nothing grows with the square.

use sconce_environ::code_tables::{CodeTables, WasmOffsets};
use sconce_lightbeam::LightbeamCompiler;
use sconce_test_support::extremes::guard;
use sconce_test_support::{compile, growth};

/// Bytes of everything that is kept of the first function.
fn kept(wat: &str) -> usize {
    let compiler = LightbeamCompiler::new(&guard()).expect("a compiler for the host");
    let code = compile(&compiler, wat, 0).unwrap();
    let (mut tables, mut offsets) = (CodeTables::default(), WasmOffsets::default());
    tables.push(0, &code, &mut offsets);
    // A relocation is a number of the function and a place.
    code.code.len() + 8 * code.relocs.len() + tables.streams.iter().chain([&offsets.0]).map(Vec::len).sum::<usize>()
}

#[test]
fn twice_the_function_is_twice_the_code_and_tables() {
    for (name, shape) in growth::SHAPES {
        // From where all numbers take the bytes that they go on to take.
        let [one, two] = [1_000, 2_000].map(|n| kept(&shape(n)));
        assert!(10 * two < 23 * one, "{name}: {one} bytes become {two}");
    }
}
