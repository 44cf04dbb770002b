//! Where stretches begin, and what they cost.

use sconce_environ::decode::{Features, decode};
use sconce_environ::fuel::{Plan, counter, left, of_bytes};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::walk::Walk;
use wasmparser::{BinaryReader, FunctionBody};

/// The stretches of a function of one parameter and one result, each by the opcode that it begins at and its cost.
fn stretches(body: &str) -> Vec<(u8, u32)> {
    let text = format!("(module (tag $e) (func (param i32) (result i32) {body}) (func $g) (memory 1))");
    let bytes = wat::parse_str(text).expect("the test's own text");
    let decoded = decode(&bytes, Features::SUPPORTED).expect("decodes");
    decoded.validate_bodies(&bytes, &|| true).expect("is valid");
    let body = decoded.body(&bytes, DefinedFuncIndex::from_u32(0));
    let function = FunctionBody::new(BinaryReader::new(body, 0));
    let first = function.get_operators_reader().expect("validated").original_position() as usize;
    let mut plan = Plan::of(Walk::new(body, first, 0)).expect("validated");
    let all: Vec<_> = plan.stretches().iter().map(|s| (body[s.position as usize], s.cost)).collect();
    // Who walks on finds each of them where it begins, and nothing elsewhere.
    let found: Vec<u32> = (first..body.len()).map(|at| plan.due(at)).filter(|&due| due != 0).collect();
    assert_eq!(found, all.iter().map(|&(_, cost)| cost).collect::<Vec<_>>());
    all
}

const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const CONST: u8 = 0x41;
const GET: u8 = 0x20;
const BR: u8 = 0x0c;
const NOP: u8 = 0x01;
const DROP: u8 = 0x1a;
const END: u8 = 0x0b;

#[test]
fn a_body_without_branches_is_one_stretch() {
    assert_eq!(stretches("nop (local.get 0)"), [(NOP, 2)]);
    assert_eq!(stretches("(block (result i32) (block) (call $g) (i32.add (i32.const 1) (local.get 0)))"), [(BLOCK, 5)]);
    // The parts of a structure that nothing branches to, and what costs nothing.
    assert_eq!(stretches("(block (result i32) (try_table (result i32) nop (return (local.get 0))))"), [(BLOCK, 2)]);
}

#[test]
fn labels_and_conditional_branches_begin_one() {
    assert_eq!(stretches("(loop nop (br_if 0 (local.get 0))) (i32.const 1)"), [(LOOP, 1), (NOP, 2), (END, 1)]);
    let block = "(block (br_if 0 (local.get 0)) (call $g)) (i32.const 1)";
    assert_eq!(stretches(block), [(BLOCK, 3), (0x10, 1), (CONST, 1)]);
    // With nothing behind the branch there is nothing to pay for.
    assert_eq!(stretches("(block (br_if 0 (local.get 0))) (i32.const 1)"), [(BLOCK, 3), (CONST, 1)]);
    let both = "(if (result i32) (local.get 0) (then (i32.const 1)) (else (local.get 0))) (drop) (i32.const 2)";
    assert_eq!(stretches(both), [(GET, 3), (CONST, 1), (GET, 1), (DROP, 1)]);
    assert_eq!(stretches("(if (local.get 0) (then (call $g))) (i32.const 1)"), [(GET, 3), (0x10, 1), (CONST, 1)]);
    // What only one of two sides reaches goes on with that side.
    let one = "(if (result i32) (local.get 0) (then (return (i32.const 1))) (else (local.get 0))) (drop) (i32.const 2)";
    assert_eq!(stretches(one), [(GET, 3), (CONST, 1), (GET, 2)]);
    let handler = "(block (try_table (catch_all 0) (call $g)) (return (i32.const 1))) (i32.const 2)";
    assert_eq!(stretches(handler), [(BLOCK, 3), (CONST, 1)]);
    let table = "(block (block (br_table 0 1 (local.get 0)) (call $g)) (call $g)) (i32.const 1)";
    assert_eq!(stretches(table), [(BLOCK, 3), (0x10, 1), (CONST, 1)]);
}

#[test]
fn what_is_not_reached_is_not_paid_for() {
    let dead = "(block (br 0) (block (br 0)) (loop) (if (i32.const 1) (then (br 1)) (else (br 0))) (call $g)) (i32.const 1)";
    assert_eq!(stretches(dead), [(BLOCK, 2), (CONST, 1)]);
    // A branch from there is none.
    assert_eq!(stretches("(block (return (i32.const 1)) (br 0)) (i32.const 1)"), [(BLOCK, 2)]);
    assert_eq!(stretches("(loop (br 0)) (i32.const 1)"), [(LOOP, 1), (BR, 1)]);
    assert_eq!(stretches("(if (i32.const 1) (then (throw $e)) (else (unreachable))) (i32.const 1)"), [(CONST, 3), (0x08, 1)]);
}

#[test]
fn the_count_wraps_around_where_there_is_not_enough() {
    for fuel in [0, 1, 1000, u64::MAX - 1, u64::MAX] {
        assert_eq!(left(counter(fuel)), fuel);
        for cost in [1, 2, 1000, 1 << 40] {
            let sum = counter(fuel).checked_add(cost);
            assert_eq!(sum.map(left), fuel.checked_sub(cost), "{cost} of {fuel}");
        }
    }
    assert_eq!([0, 63, 64, 127, 128].map(of_bytes), [0, 0, 1, 1, 2]);
}
