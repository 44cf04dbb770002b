//! Functions of any size in one respect each, to see what grows with them: a compiler's work and memory are to be of the order
//! of the function.

/// What grows, and the text of a module whose first function has `n` of it.
pub type Shape = (&'static str, fn(usize) -> String);

/// Every shape. Sizes are meant for 100 to 5,000; each has about 2 to 50 bytes of body for each.
pub const SHAPES: &[Shape] = &[
    ("blocks in a row", blocks),
    ("blocks in blocks", nested_blocks),
    ("loops in loops", nested_loops),
    ("locals", locals),
    ("locals set under operands", set_locals),
    ("operands", operands),
    ("operands across calls", operands_across_calls),
    ("targets of a br_table", targets),
    ("br_tables of all blocks", tables),
    ("br_table with values", targets_with_values),
    ("calls in try regions", calls_in_regions),
    ("parameters", parameters),
    ("handles in locals across calls", handles),
    ("handles as operands across calls", handle_operands),
];

fn repeat(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect()
}

fn blocks(n: usize) -> String {
    format!("(module (func (param i32) {}))", "(block (br_if 0 (local.get 0)))".repeat(n))
}

fn nested_blocks(n: usize) -> String {
    format!("(module (func (param i32) {} {}))", "block local.get 0 br_if 0 ".repeat(n), "end ".repeat(n))
}

fn nested_loops(n: usize) -> String {
    let (begin, end) = ("loop local.get 1 i32.const 1 i32.add local.set 1 ".repeat(n), "local.get 0 br_if 0 end ".repeat(n));
    format!("(module (func (param i32) (local i32) {begin} {end}))")
}

fn locals(n: usize) -> String {
    let sets = repeat(n, |i| format!("(local.set {} (i32.add (local.get {i}) (local.get 0)))", i + 1));
    format!("(module (func (param i32) (local {}) {sets}))", "i32 ".repeat(n))
}

fn set_locals(n: usize) -> String {
    let (gets, sets) = (repeat(n, |i| format!("(local.get {i})")), repeat(n, |i| format!("(local.set {i} (i32.const {i}))")));
    format!("(module (func (local {}) {gets} {sets} {}))", "i32 ".repeat(n), "drop ".repeat(n))
}

fn operands(n: usize) -> String {
    let (push, pop) = ("(i32.load (local.get 0))".repeat(n), "i32.add ".repeat(n - 1));
    format!("(module (memory 1) (func (param i32) (result i32) {push} {pop}))")
}

fn operands_across_calls(n: usize) -> String {
    let (push, pop) = ("(call 1)".repeat(n), "i32.add ".repeat(n - 1));
    format!("(module (func (result i32) {push} {pop}) (func (result i32) (i32.const 1)))")
}

fn targets(n: usize) -> String {
    let depths = repeat(n, |i| format!("{} ", i % 50));
    let (begin, end) = ("block (result i32) ".repeat(50), "end ".repeat(50));
    format!("(module (func (param i32) (result i32) {begin} i32.const 7 local.get 0 br_table {depths} 0 {end}))")
}

fn tables(n: usize) -> String {
    let table = repeat(50, |i| format!("{i} "));
    let (begin, end) = ("block ".repeat(50), "end ".repeat(50));
    let arms = format!("(block (br_if 0 (local.get 0)) local.get 0 br_table {table})").repeat(n);
    format!("(module (func (param i32) {begin} {arms} {end}))")
}

fn targets_with_values(n: usize) -> String {
    // As many values as targets, up to the most that there may be; each target has one operand more below it.
    let (depths, types) = (repeat(n, |i| format!("{i} ")), "i32 ".repeat((n / 2).min(1000)));
    let (begin, end) = ("i32.const 1 block (type 0) ".repeat(n), "end unreachable ".repeat(n));
    let values = "local.get 0 ".repeat((n / 2).min(1000));
    format!(
        "(module (type (func (result {types}))) (type (func (param i32))) (func (type 1) {begin} {values} local.get 0 br_table {depths} {end}))"
    )
}

fn calls_in_regions(n: usize) -> String {
    let (begin, end) = ("block (result i32) try_table (catch 0 0) call 1 ".repeat(n), "end i32.const 0 end drop ".repeat(n));
    format!("(module (tag (param i32)) (func {begin} {end}) (func))")
}

fn parameters(n: usize) -> String {
    // The most that there may be, again and again.
    let (count, times) = (n.min(500), n.div_ceil(500));
    let (types, gets) = ("i32 ".repeat(count), repeat(count, |i| format!("local.get {i} ")));
    format!("(module (func (param {types}) {}))", format!("{gets} call 0 ").repeat(times))
}

fn handles(n: usize) -> String {
    let calls = repeat(n, |i| format!("(local.set {} (call 1 (local.get {i})))", i + 1));
    let uses = repeat(n, |i| format!("(drop (call 1 (local.get {i})))"));
    format!(
        "(module (func (param externref) (local {}) {calls} {uses}) (func (param externref) (result externref) (local.get 0)))",
        "externref ".repeat(n)
    )
}

fn handle_operands(n: usize) -> String {
    let (push, pop) = ("(call 1)".repeat(n), "call 2 ".repeat(n));
    format!("(module (func {push} {pop}) (func (result externref) (ref.null extern)) (func (param externref)))")
}
