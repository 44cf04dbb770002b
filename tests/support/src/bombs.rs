//! Modules whose operators are short and mean much: what a compiler makes of them, and the time that it
//! takes, must not be that product.

use crate::growth::Shape;

/// Every shape; each has about `n` operators that matter.
pub const SHAPES: &[Shape] = &[
    ("calls with a thousand values", calls),
    ("branches with a thousand values", branches),
    ("branches that move a thousand values", moving_branches),
    ("blocks of a thousand values", blocks),
    ("loops of a thousand values", loops),
    ("ifs of a thousand values", ifs),
    ("tail calls of a thousand values", tail_calls),
    ("throws of a thousand values", throws),
    ("clauses of a thousand values", clauses),
    ("functions of a thousand parameters", parameters),
    ("functions of a thousand results", results),
];

/// What is dear for a compiler that builds values for all of a function, and whose sizes are products of two
/// numbers; each of about `n` bytes of body.
pub const PRODUCTS: &[Shape] = &[
    ("loops in loops times locals", loops_and_locals),
    ("blocks in blocks times locals", blocks_and_locals),
    ("calls times clauses", calls_and_clauses),
    ("calls times regions", calls_and_regions),
    ("targets times locals", targets_and_locals),
];

fn all(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect()
}

fn loops_and_locals(n: usize) -> String {
    let n = n / 16;
    let (sets, ends) = (
        all(n, |i| format!("(local.set {i} (i32.add (local.get {i}) (i32.const 1)))")),
        all(n, |i| format!("(br_if 0 (local.get {i})) end ")),
    );
    format!("(module (func (local {}) {} {sets} {ends}))", list(n), "loop ".repeat(n))
}

fn blocks_and_locals(n: usize) -> String {
    let n = n / 20;
    let sets = all(n, |i| format!("(local.set {i} (i32.add (local.get {i}) (i32.const 1)))"));
    let gets = all(n, |i| format!("(drop (local.get {i}))"));
    let (begins, ends) = ("block (br_if 0 (local.get 0)) ".repeat(n), all(n, |i| format!("(br_if 0 (local.get {i})) end ")));
    format!("(module (func (local {}) {begins} {sets} {ends} {gets}))", list(n))
}

fn calls_and_clauses(n: usize) -> String {
    let (clauses, calls) = ("(catch 0 0)".repeat(n / 6), "(call 1)".repeat(n / 4));
    format!("(module (tag) (func (try_table {clauses} {calls})) (func))")
}

fn calls_and_regions(n: usize) -> String {
    let n = n / 10;
    let (begins, ends) = (all(n, |i| format!("try_table (catch 0 {i}) ")), "(call 1) end ".repeat(n));
    format!("(module (tag) (func {begins} {ends}) (func))")
}

fn targets_and_locals(n: usize) -> String {
    let n = (n / 100).max(1);
    let fan = format!("(if (local.get 0) (then (br_table {} (local.get 0))))", all(n, |i| format!("{} ", i + 1)));
    let ends = all(n, |i| format!("end (local.set {i} (i32.add (local.get {i}) (i32.const 1)))"));
    let gets = all(n, |i| format!("(drop (local.get {i}))"));
    format!("(module (func (local {}) {} {} {ends} {gets}))", list(n), "block ".repeat(n), fan.repeat(80))
}

fn list(n: usize) -> String {
    "i32 ".repeat(n)
}

const MANY: usize = 1_000;

fn values() -> String {
    "i32.const 7 ".repeat(MANY)
}

fn gets() -> String {
    (0..MANY).map(|n| format!("local.get {n} ")).collect()
}

fn calls(n: usize) -> String {
    let list = list(MANY);
    format!(
        "(module (func (result {list}) {} {}) (func (param {list}) (result {list}) {}))",
        values(),
        "call 1 ".repeat(n),
        gets()
    )
}

fn branches(n: usize) -> String {
    format!("(module (func (param i32) (result {}) {} {}))", list(MANY), values(), "(br_if 0 (local.get 0))".repeat(n))
}

fn moving_branches(n: usize) -> String {
    let (values, branches) = (values(), "(br_if 0 (local.get 0))".repeat(n));
    format!("(module (func (param i32) (result {}) i32.const 1 {values} {branches} unreachable))", list(MANY))
}

fn around(n: usize, repeated: &str) -> String {
    let list = list(MANY);
    let repeated = repeated.replace("TYPE", &format!("(param {list}) (result {list})"));
    format!(
        "(module (tag (param {list})) (func (param i32) (result {list}) {} {}) (func (param {list}) (result {list}) {}))",
        values(),
        repeated.repeat(n),
        gets()
    )
}

fn blocks(n: usize) -> String {
    around(n, "block TYPE end ")
}

fn loops(n: usize) -> String {
    around(n, "loop TYPE end ")
}

fn ifs(n: usize) -> String {
    around(n, "local.get 0 if TYPE end ")
}

fn tail_calls(n: usize) -> String {
    around(n, "local.get 0 if TYPE return_call 1 end ")
}

fn throws(n: usize) -> String {
    around(n, "local.get 0 if TYPE throw 0 end ")
}

fn clauses(n: usize) -> String {
    let (list, clauses) = (list(MANY), "(catch 0 0)".repeat(n));
    format!("(module (tag (param {list})) (func (result {list}) (try_table (result {list}) {clauses} {} (throw 0))))", values())
}

fn parameters(n: usize) -> String {
    format!("(module {})", format!("(func (param {}))", list(MANY)).repeat(n / 10))
}

fn results(n: usize) -> String {
    let function = format!("(func (result {}) call 0)", list(MANY));
    format!("(module {})", function.repeat(n / 10))
}
