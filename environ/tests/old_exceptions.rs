//! Old exceptions in the final form: always valid, the file's offsets, and the forms that it takes.

use sconce_environ::compile::{CompiledFunction, FunctionInput};
use sconce_environ::decode::{Decoded, Features, decode};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::locals::DeclaredLocals;
use sconce_environ::old_exceptions::{FinalForm, MAX_HELD};
use sconce_environ::types::{FuncType, HeapType, RefType, ValType};
use sconce_environ::walk::{Walk, WalkError};
use wasmparser::{BinaryReader, FunctionBody, Operator, Parser, Payload, Validator, WasmFeatures};

const SCRIPTS: [&str; 4] = [
    include_str!("../../spec-testsuite/scripts/old-exceptions/both_forms.wast"),
    include_str!("../../spec-testsuite/scripts/old-exceptions/delegate.wast"),
    include_str!("../../spec-testsuite/scripts/old-exceptions/rethrow.wast"),
    include_str!("../../spec-testsuite/scripts/old-exceptions/try_catch.wast"),
];

/// The function gets what is delegated, and a local, so that its first operators are at another place.
const FUNCTION_LANDS: &str = "(module (tag) (func $f (param i32) (local i64)
    try try (local.set 1 (i64.const 5)) (call $f (local.get 0)) delegate 1 catch_all unreachable end
    try throw 0 catch_all rethrow 0 end))";

/// The modules of all scripts, and another one.
fn modules() -> Vec<Vec<u8>> {
    let mut modules = vec![wasm(FUNCTION_LANDS)];
    for script in SCRIPTS {
        let buffer = wast::parser::ParseBuffer::new(script).expect("is read");
        for directive in wast::parser::parse::<wast::Wast<'_>>(&buffer).expect("is parsed").directives {
            if let wast::WastDirective::Module(mut module) = directive {
                modules.push(module.encode().expect("is encoded"));
            }
        }
    }
    modules
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text")
}

fn decoded(bytes: &[u8]) -> Decoded {
    let decoded = decode(bytes, Features::default()).expect("decodes");
    decoded.validate_bodies(bytes, &|| true).expect("is valid");
    decoded
}

/// Calls `check` for each function of a module.
fn each(bytes: &[u8], mut check: impl FnMut(&FunctionInput<'_>)) {
    let decoded = decoded(bytes);
    let layout = VmLayout::new(&decoded.module);
    decoded.bodies.keys().for_each(|func| check(&FunctionInput::of(&decoded, bytes, &layout, func)));
}

/// The final form of the first function.
fn first(text: &str) -> Result<FinalForm, String> {
    let bytes = wasm(text);
    let decoded = decoded(&bytes);
    let layout = VmLayout::new(&decoded.module);
    FinalForm::of(&FunctionInput::of(&decoded, &bytes, &layout, DefinedFuncIndex::from_u32(0)))
}

/// Where the operators of a body are, and what they are.
fn operators(body: &[u8]) -> Vec<(usize, Operator<'_>)> {
    let body = FunctionBody::new(BinaryReader::new(body, 0));
    let reader = body.get_operators_reader().expect("has operators");
    reader.into_iter_with_offsets().map(|found| found.expect("is an operator")).map(|(op, at)| (at as usize, op)).collect()
}

fn is_old(operator: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(operator, Try { .. } | Catch { .. } | CatchAll | Rethrow { .. } | Delegate { .. })
}

fn number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn section(out: &mut Vec<u8>, id: u8, contents: &[u8]) {
    out.push(id);
    number(out, contents.len());
    out.extend(contents);
}

fn type_bytes(out: &mut Vec<u8>, ty: &ValType) {
    match ty {
        ValType::I32 => out.push(0x7f),
        ValType::I64 => out.push(0x7e),
        ValType::F32 => out.push(0x7d),
        ValType::F64 => out.push(0x7c),
        ValType::V128 => out.push(0x7b),
        ValType::Ref(RefType { heap: HeapType::Extern, nullable: true }) => out.push(0x6f),
        ValType::Ref(RefType { heap: HeapType::Exn, nullable: true }) => out.push(0x69),
        ValType::Ref(RefType { heap: HeapType::ConcreteFunc(index), nullable }) => {
            out.push(if *nullable { 0x63 } else { 0x64 });
            number(out, index.as_u32() as usize);
        }
        ValType::Ref(_) => panic!("no script has {ty:?} in a block's type"),
    }
}

/// A module with one body replaced, and with these types behind its own.
fn with_body(bytes: &[u8], func: usize, body: &[u8], types: &[FuncType]) -> Vec<u8> {
    let mut out = bytes[..8].to_vec();
    let mut bodies: Vec<&[u8]> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.expect("is parsed") {
            Payload::TypeSection(reader) => {
                let range = reader.range().start as usize..reader.range().end as usize;
                let mut contents = Vec::new();
                number(&mut contents, reader.count() as usize + types.len());
                let mut count = Vec::new();
                number(&mut count, reader.count() as usize);
                contents.extend(&bytes[range.start + count.len()..range.end]);
                for ty in types {
                    contents.push(0x60);
                    for list in [&ty.params, &ty.results] {
                        number(&mut contents, list.len());
                        list.iter().for_each(|ty| type_bytes(&mut contents, ty));
                    }
                }
                section(&mut out, 1, &contents);
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            Payload::CodeSectionStart { .. } | Payload::Version { .. } | Payload::CustomSection(_) | Payload::End(_) => {}
            other => {
                let (id, range) = other.as_section().expect("a section");
                section(&mut out, id, &bytes[range.start as usize..range.end as usize]);
            }
        }
    }
    bodies[func] = body;
    let mut code = Vec::new();
    number(&mut code, bodies.len());
    for body in bodies {
        number(&mut code, body.len());
        code.extend(body);
    }
    section(&mut out, 10, &code);
    out
}

/// How many bodies of a module were in the old form. What comes of each is valid without it.
fn rewritten(bytes: &[u8]) -> usize {
    let mut rewritten = 0;
    each(bytes, |input| {
        let old = operators(input.body).iter().any(|(_, op)| is_old(op));
        let form = FinalForm::of(input).expect("is within limits");
        assert!(!operators(form.body()).iter().any(|(_, op)| is_old(op)));
        let module = with_body(bytes, input.func.as_u32() as usize, form.body(), form.types());
        // Others may be old still: only this one is validated as if there were no such form.
        let mut validator = Validator::new_with_features(Features::SUPPORTED.wasmparser());
        let mut bodies = 0;
        for payload in Parser::new(0).parse_all(&module) {
            let payload = payload.expect("is parsed");
            if let wasmparser::ValidPayload::Func(mut func, body) = validator.payload(&payload).expect("is valid") {
                if bodies == input.func.as_u32() {
                    func.features -= WasmFeatures::LEGACY_EXCEPTIONS;
                    let result = func.into_validator(Default::default()).validate(&body);
                    result.unwrap_or_else(|e| panic!("function {bodies}: {e}\n{:#?}", operators(form.body())));
                    rewritten += usize::from(old);
                }
                bodies += 1;
            }
        }
    });
    rewritten
}

#[test]
fn what_comes_of_a_body_is_valid_without_the_old_form() {
    let all: usize = modules().iter().map(|bytes| rewritten(bytes)).sum();
    assert!(all > 60, "{all}");
}

#[test]
fn a_walk_says_that_a_body_is_in_the_old_form() {
    for bytes in modules() {
        each(&bytes, |input| {
            let walk = |body: &[u8]| {
                let ty = input.module.type_of(input.module.func_index(input.func));
                let at = DeclaredLocals::default().read(ty, body, 0).expect("is read");
                let mut walk = Walk::new(body, at, 0);
                while !walk.is_done() {
                    walk.step(|_| Ignored)?;
                }
                Ok::<(), WalkError>(())
            };
            let old = operators(input.body).iter().any(|(_, op)| is_old(op));
            assert_eq!(matches!(walk(input.body), Err(WalkError::OldExceptions)), old);
            assert!(walk(FinalForm::of(input).expect("is within limits").body()).is_ok());
        });
    }
}

struct Ignored;

impl wasmparser::FrameStack for Ignored {
    fn current_frame(&self) -> Option<wasmparser::FrameKind> {
        Some(wasmparser::FrameKind::If)
    }
}

macro_rules! ignore {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
        $(fn $visit(&mut self $($(, _: $ty)*)?) {})*
    };
}

impl<'a> wasmparser::VisitOperator<'a> for Ignored {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn wasmparser::VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(ignore);
}

impl wasmparser::VisitSimdOperator<'_> for Ignored {
    wasmparser::for_each_visit_simd_operator!(ignore);
}

#[test]
fn offsets_are_those_of_the_file() {
    for bytes in modules() {
        each(&bytes, |input| {
            let form = FinalForm::of(input).expect("is within limits");
            let (before, after) = (operators(input.body), operators(form.body()));
            let mut function = CompiledFunction::default();
            function.wasm_offsets.push((0, u32::MAX));
            let places = after.iter().map(|&(at, _)| (0, input.body_offset + at as u32));
            function.wasm_offsets.extend(places);
            form.restore(input, &mut function);
            assert_eq!(function.wasm_offsets[0].1, u32::MAX, "no operator stays none");
            let mut seen = 0;
            for ((_, operator), (_, offset)) in after.iter().zip(&function.wasm_offsets[1..]) {
                let at = (offset - input.body_offset) as usize;
                let n = before.iter().position(|&(place, _)| place == at).expect("the place of an operator");
                assert!(seen <= n, "in order");
                seen = n;
                // What names no label and is not made stands for itself.
                if !may_be_made(operator) {
                    assert_eq!(format!("{operator:?}"), format!("{:?}", before[n].1));
                }
            }
            assert_eq!(seen + 1, before.len(), "the last one is there");
        });
    }
}

/// Whether an operator may stand for another one, or have other labels.
fn may_be_made(operator: &Operator<'_>) -> bool {
    use Operator::*;
    matches!(
        operator,
        Block { .. }
            | End
            | TryTable { .. }
            | LocalSet { .. }
            | LocalGet { .. }
            | ThrowRef
            | Br { .. }
            | BrIf { .. }
            | BrTable { .. }
            | BrOnNull { .. }
            | BrOnNonNull { .. }
    )
}

/// The final form of a function `f` in a module with two tags, the second with a number.
fn form_of(body: &str) -> Vec<String> {
    let form = first(&format!("(module (tag) (tag (param i32)) (func {body}))")).expect("is within limits");
    operators(form.body()).iter().map(|(_, op)| format!("{op:?}")).collect()
}

#[test]
fn nothing_is_added_that_is_not_needed() {
    // A `try` that catches nothing, and one that hands exceptions to whom they would come to, are blocks.
    for body in ["try nop end", "try nop delegate 0", "block try nop delegate 0 end"] {
        let form = form_of(body);
        assert!(!form.iter().any(|op| op.contains("TryTable") || op == "ThrowRef"), "{form:?}");
    }
    // Only a clause whose exception is thrown again gets it.
    let form = form_of("try nop catch 0 catch 1 drop rethrow 0 catch_all end");
    let catches = form.iter().find(|op| op.contains("TryTable")).expect("a try_table");
    let expected = "[One { tag: 0, label: 0 }, OneRef { tag: 1, label: 1 }, All { label: 2 }]";
    assert!(catches.contains(expected), "{catches}");
    assert_eq!(
        form.iter().filter(|op| op.starts_with("Local")).collect::<Vec<_>>(),
        ["LocalSet { local_index: 0 }", "LocalGet { local_index: 0 }"]
    );
}

#[test]
fn locals_for_exceptions_follow_all_others_and_are_used_again() {
    let text = "(module (tag) (func (param i32 i64) (local f32 f32)
        try catch_all rethrow 0 end
        try catch_all try catch_all rethrow 1 end rethrow 0 end))";
    let form = first(text).expect("is within limits");
    let mut named: Vec<u32> = Vec::new();
    for (_, operator) in operators(form.body()) {
        if let Operator::LocalSet { local_index } = operator {
            named.push(local_index);
        }
    }
    assert_eq!(named, [4, 4]);
    let body = FunctionBody::new(BinaryReader::new(form.body(), 0));
    let runs: Vec<_> = body.get_locals_reader().expect("has locals").into_iter().map(|run| run.expect("is one")).collect();
    assert_eq!(runs, [(2, wasmparser::ValType::F32), (1, wasmparser::ValType::Ref(wasmparser::RefType::EXNREF))]);
    // As many as are held at once, wherever that is; the next clause of a `try` holds its own in the place of the one before.
    let nested = "try catch_all try catch_all rethrow 1 rethrow 0 end rethrow 0 end";
    let text = format!("(module (tag) (func {nested} try catch 0 rethrow 0 catch 0 rethrow 0 catch_all rethrow 0 end))");
    let form = first(&text).expect("is within limits");
    let set = |(_, op): &(usize, _)| if let Operator::LocalSet { local_index } = *op { Some(local_index) } else { None };
    assert_eq!(operators(form.body()).iter().filter_map(set).collect::<Vec<_>>(), [0, 1, 0, 0, 0]);
    let body = FunctionBody::new(BinaryReader::new(form.body(), 0));
    let runs: Vec<_> = body.get_locals_reader().expect("has locals").into_iter().map(|run| run.expect("is one").0).collect();
    assert_eq!(runs, [2]);
}

#[test]
fn as_many_locals_as_there_may_be_leave_room_for_exceptions() {
    let bytes = wasm(&format!("(module (func (local {}) try catch_all rethrow 0 end))", "i32 ".repeat(50_000)));
    each(&bytes, |input| {
        let form = FinalForm::of(input).expect("is within limits");
        let ty = input.module.type_of(input.module.func_index(input.func));
        let mut declared = DeclaredLocals::default();
        declared.read(ty, form.body(), 0).expect("is within limits");
        assert_eq!((declared.len(), declared.types()(50_000)), (50_001, ValType::EXNREF));
    });
}

#[test]
fn hints_stay_with_their_branches() {
    let hint = |taken: u8| format!("(@metadata.code.branch_hint \"\\0{taken}\")");
    let text = format!(
        "(module (tag) (func (param i32)
            try (local.get 0) {} br_if 0 catch_all rethrow 0 end
            (local.get 0) {} if try (local.get 0) br_if 0 (local.get 0) {} br_if 1 delegate 1 end))",
        hint(0),
        hint(1),
        hint(0)
    );
    each(&wasm(&text), |input| {
        assert_eq!(input.hints.len(), 3);
        let form = FinalForm::of(input).expect("is within limits");
        let operators = operators(form.body());
        let branches = operators.iter().filter(|(_, op)| matches!(op, Operator::BrIf { .. } | Operator::If { .. }));
        let places: Vec<u32> = branches.map(|&(at, _)| at as u32).collect();
        assert_eq!(form.input(input).hints, [(places[0], false), (places[1], true), (places[3], false)]);
    });
}

#[test]
fn limits_are_said() {
    let nested = |depth: usize| {
        let body = "try nop catch_all ".repeat(depth) + &"rethrow 0 end ".repeat(depth);
        first(&format!("(module (func {body}))")).map(drop)
    };
    assert_eq!(nested(MAX_HELD as usize), Ok(()));
    let error = nested(MAX_HELD as usize + 1).expect_err("is too deep");
    assert!(error.contains("1000 exceptions"), "{error}");
    // In code that is not reached values cost nothing, and each pair of types is another one.
    let (many, count) = ("i64 ".repeat(900), 100);
    let types: String = (0..count).map(|n| format!("(type (func (param {many} {})))", "i32 ".repeat(n))).collect();
    let tags: String = (0..count).map(|n| format!("(tag (type {n}))")).collect();
    let body: String = (0..count).map(|n| format!("try (type {n}) unreachable catch {n} unreachable end unreachable ")).collect();
    let error = first(&format!("(module {types} {tags} (func unreachable {body}))")).map(drop).expect_err("is too large");
    assert!(error.contains("too large"), "{error}");
}

#[test]
fn tags_of_one_type_are_as_good_as_one() {
    let tags = "(tag (type $t))".repeat(100);
    let clauses: String = (0..100).map(|n| format!("catch {n} rethrow 0 ")).collect();
    let text = format!("(module (type $t (func (param {}))) {tags} (func try {clauses} end))", "i32 ".repeat(900));
    let form = first(&text).expect("is within limits");
    assert_eq!(form.types().len(), 1);
    // So are types of blocks that take nothing, and tags without values.
    let text = "(module (type $p (func (param i64))) (type $a (func (result i32 i32))) (type $b (func (result i64 i64)))
        (tag $e (param i32 i32)) (tag $f) (tag $g (type 3)) (type (func)) (func
            try (type $a) unreachable catch $e end drop drop
            try (type $b) unreachable catch $e unreachable end drop drop
            (i64.const 0) try (type $p) drop catch $f catch $g catch_all end
            try (type $a) unreachable catch $e rethrow 0 end drop drop
            (i64.const 0) try (type $p) drop catch $f rethrow 0 catch $g rethrow 0 catch_all rethrow 0 end))";
    let form = first(text).expect("is within limits");
    assert_eq!(form.types().len(), 4, "{:?}", form.types());
}

#[test]
fn numbers_of_types_may_be_long() {
    // The number of the first type of its own, which is a signed one, has one, two and three bytes.
    for count in [63, 64, 200, 8191, 8192] {
        let (others, last) = ("(type (func))".repeat(count - 2), count - 1);
        let text = format!(
            "(module (type $e (func (param i32 i64))) (type $r (func (result i32 i64))) {others} (tag (type $e)) (func
                try (type $r)
                    (drop (try_table (result (ref null {last})) (catch_all 1) (unreachable)))
                    (drop (try_table (result (ref {last})) (catch_all 1) (unreachable)))
                    unreachable
                catch 0 end drop drop))"
        );
        assert_eq!(rewritten(&wasm(&text)), 1);
    }
}

#[test]
fn many_clauses_are_as_good_as_few() {
    let with = |count: usize| first(&format!("(module (tag) (func try nop {} end))", "catch 0 nop ".repeat(count)));
    // A clause has 3 bytes; what it becomes depends on no others but for the length of numbers.
    let length = with(10_000).expect("is within limits").body().len();
    assert!(length < 10_000 * 16, "{length}");
    let error = with(10_001).map(drop).expect_err("are too many");
    assert!(error.contains("10001 clauses"), "{error}");
}
