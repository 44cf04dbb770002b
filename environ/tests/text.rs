//! Inline function types mean what the specification says (text format, "Type Uses"): the first type that is
//! a final function type without supertypes, alone in its recursion group, or else one that is appended.

use sconce_environ::text::to_binary;
use wasmparser::{BlockType, CompositeInnerType, ElementItems, GlobalType, Operator, Parser, Payload, TypeRef, ValType};

/// What a module came to.
#[derive(Default)]
struct Encoded {
    /// Parameters and results of each type, of functions only.
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    /// Types of imports (functions and tags), functions and tags, and those that operators name, in order.
    uses: Vec<u32>,
}

fn encoded(text: &str) -> Encoded {
    let binary = to_binary(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut encoded = Encoded::default();
    for payload in Parser::new(0).parse_all(&binary) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                for ty in section.into_iter().flat_map(|group| group.unwrap().into_types()) {
                    let CompositeInnerType::Func(func) = ty.composite_type.inner else { panic!("a function type") };
                    encoded.types.push((func.params().to_vec(), func.results().to_vec()));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import.unwrap().ty {
                        TypeRef::Func(ty) => encoded.uses.push(ty),
                        TypeRef::Tag(ty) => encoded.uses.push(ty.func_type_idx),
                        TypeRef::Global(GlobalType { .. }) | TypeRef::Table(_) | TypeRef::Memory(_) | TypeRef::FuncExact(_) => {}
                    }
                }
            }
            Payload::FunctionSection(section) => encoded.uses.extend(section.into_iter().map(Result::unwrap)),
            Payload::TagSection(section) => encoded.uses.extend(section.into_iter().map(|tag| tag.unwrap().func_type_idx)),
            Payload::ElementSection(section) => {
                for element in section {
                    assert!(matches!(element.unwrap().items, ElementItems::Functions(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                for op in body.get_operators_reader().unwrap() {
                    match op.unwrap() {
                        Operator::Block { blockty: BlockType::FuncType(ty) }
                        | Operator::Loop { blockty: BlockType::FuncType(ty) }
                        | Operator::If { blockty: BlockType::FuncType(ty) }
                        | Operator::CallIndirect { type_index: ty, .. }
                        | Operator::ReturnCallIndirect { type_index: ty, .. } => encoded.uses.push(ty),
                        Operator::TryTable { try_table } => {
                            if let BlockType::FuncType(ty) = try_table.ty {
                                encoded.uses.push(ty);
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    encoded
}

/// How many types a module comes to, and which of them it uses.
fn uses(text: &str) -> (usize, Vec<u32>) {
    let encoded = encoded(text);
    (encoded.types.len(), encoded.uses)
}

#[test]
fn a_final_type_of_its_own_is_meant() {
    for ty in [
        "(type (func (param i32)))",
        "(type (sub final (func (param i32))))",
        "(rec (type (func (param i32))))",
        "(rec (type (sub final (func (param i32)))))",
        // Later, and before another one.
        "(func (param i32)) (type (func (param i32))) (type (func (param i32)))",
    ] {
        let (_, uses) = uses(&format!("(module {ty} (func (param i32)))"));
        assert!(uses.iter().all(|&ty| ty == 0), "{ty}: {uses:?}");
    }
}

#[test]
fn open_types_groups_and_subtypes_are_not() {
    for (types, ty) in [
        ("(type (sub (func (param i32))))", 1),
        ("(rec (type (sub (func (param i32)))))", 1),
        ("(rec (type (func (param i32))) (type (func (param i32))))", 2),
        ("(rec (type (func)) (type (func (param i32))))", 2),
        ("(rec) (type $p (sub (func (param i32)))) (type (sub final $p (func (param i32))))", 2),
        ("(type $p (sub (func (param i32)))) (rec (type (sub final $p (func (param i32)))))", 2),
        // The one that is meant comes after one that is not.
        ("(type (sub (func (param i32)))) (type (func (param i32)))", 1),
        ("(rec (type (func)) (type (func (param i32)))) (type (func)) (rec (type (func (param i32))))", 3),
    ] {
        for func in ["(func (param i32))", "(func $f (export \"f\") (param $x i32))", "(func (import \"m\" \"f\") (param i32))"] {
            assert_eq!(uses(&format!("(module {types} {func})")).1, [ty], "{types} {func}");
        }
    }
}

/// Every place where a function type can be written inline.
#[test]
fn in_every_place() {
    let open = "(type $open (sub (func (param i32 i32)))) (table funcref (elem))";
    for (place, before) in [
        ("(import \"m\" \"f\" (func (param i32 i32)))", vec![]),
        ("(import \"m\" \"t\" (tag (param i32 i32)))", vec![]),
        ("(func (import \"m\" \"f\") (param i32 i32))", vec![]),
        ("(tag (import \"m\" \"t\") (param i32 i32))", vec![]),
        ("(tag (param i32 i32))", vec![]),
        ("(func (param i32 i32))", vec![]),
        ("(func (type $none) (call_indirect (param i32 i32)))", vec![2]),
        ("(func (type $none) (return_call_indirect (param i32 i32)))", vec![2]),
        ("(func (type $none) (block (param i32 i32)))", vec![2]),
        ("(func (type $none) (loop (param i32 i32)))", vec![2]),
        ("(func (type $none) (if (param i32 i32) (then)))", vec![2]),
        ("(func (type $none) (try_table (param i32 i32)))", vec![2]),
        ("(func (type $none) block (block (param i32 i32)) end)", vec![2]),
        ("(func (type $none) (local i32) i32.const 0 if (loop (param i32 i32)) end)", vec![2]),
    ] {
        // The appended type is behind `$open`, another group and `$none`.
        let types = "(rec (type $none (func)) (type (func)))";
        let none = 1;
        let text = if place.starts_with("(import") || place.contains("(import") {
            format!("(module {place} {open} {types})")
        } else {
            format!("(module {open} {types} {place})")
        };
        let mut expected: Vec<u32> = before.iter().map(|_| none).collect();
        expected.push(3);
        assert_eq!(uses(&text), (4, expected), "{text}");
    }
}

/// Operators that are not in functions' bodies expand too: such a module is invalid, but it must be encoded.
#[test]
fn in_constant_expressions() {
    for place in [
        "(global i32 (block (param i32 i32)))",
        "(table 1 funcref (block (param i32 i32)))",
        "(table funcref (elem (item (block (param i32 i32)))))",
        "(elem (offset (block (param i32 i32))) func)",
        "(elem funcref (item (block (param i32 i32))))",
        "(data (offset (block (param i32 i32))) \"\")",
    ] {
        let binary =
            to_binary(&format!("(module (memory 1) (table 1 funcref) (type (sub (func (param i32 i32)))) {place})")).unwrap();
        // A block of type 1, whose signature was not written out anywhere.
        assert!(binary.windows(2).any(|w| w == [0x02, 1]), "{place}");
    }
}

#[test]
fn types_are_appended_in_order_and_reused() {
    let encoded = encoded(
        r#"(module
            (import "m" "f" (func (param f32)))
            (func (param i32) (result i32)
                (block (param i64 i64) (block (param f64 f64)))
                (call_indirect (param f32) (i32.const 0))
                (local.get 0))
            (type $t (func (param i64)))
            (table 1 funcref)
            (func (param i64))
            (func (param f64 f64))
            (tag (param f32))
            (func (result i32)))"#,
    );
    use ValType::{F32, F64, I32, I64};
    let params = |types: &[ValType]| (types.to_vec(), vec![]);
    let types =
        [params(&[I64]), params(&[F32]), (vec![I32], vec![I32]), params(&[I64, I64]), params(&[F64, F64]), (vec![], vec![I32])];
    assert_eq!(encoded.types, types);
    // Import; functions; tag; operators.
    assert_eq!(encoded.uses, [1, 2, 0, 4, 5, 1, 3, 4, 1]);
}

#[test]
fn nothing_is_a_type_too() {
    assert_eq!(
        uses("(module (type (sub (func))) (func) (tag) (table 1 funcref) (func (call_indirect (i32.const 0))))"),
        (2, vec![1, 1, 1, 1])
    );
    // Blocks without types and with one result need none.
    assert_eq!(uses("(module (type $f (sub (func))) (func (type $f) block end (drop (block (result i32) (i32.const 0)))))").0, 1);
    assert_eq!(uses("(module)"), (0, vec![]));
}

/// A type's name and its number are the same index.
#[test]
fn indices_are_compared_as_numbers() {
    for (ty, inline) in [("$a", "0"), ("0", "$a"), ("$a", "$a"), ("0", "0")] {
        let text = format!("(module (type $a (func)) (type (func (param (ref {ty})))) (func (param (ref {inline}))))");
        assert_eq!(uses(&text), (2, vec![1]), "{text}");
    }
    // Of itself, and of a later one.
    assert_eq!(uses("(module (type $s (func (param (ref null $s)))) (func (param (ref null 0))))"), (1, vec![0]));
    assert_eq!(
        uses("(module (type (func (result (ref null $z)))) (type $z (func)) (func (result (ref null 1)) (unreachable)))"),
        (2, vec![0])
    );
    // Nullable or not are two types.
    assert_eq!(uses("(module (type $a (func)) (type (func (param (ref null $a)))) (func (param (ref $a))))"), (3, vec![2]));
}

#[test]
fn names_of_parameters_and_explicit_types_stay() {
    assert_eq!(
        uses("(module (type $t (sub (func (param i32)))) (func (type $t) (param $x i32) (drop (local.get $x))))"),
        (1, vec![0])
    );
    assert_eq!(uses("(module (func (param $x i32) (result i32) (local $y i32) (local.tee $y (local.get $x))))"), (1, vec![0]));
    for (text, why) in [
        ("(module (type $t (func)) (func (type $t) (param i32)))", "inline function type doesn't match type reference"),
        ("(module (func (param (ref $nothing))))", "unknown type"),
        ("(module (func (call_indirect (type $nothing))))", "unknown"),
        ("(module (type $t (func)) (type $t (func)) (func))", "duplicate"),
    ] {
        let message = to_binary(text).expect_err(text).to_string();
        assert!(message.contains(why), "{text}: {message}");
    }
}

#[test]
fn a_folded_try_is_said_to_be_one() {
    for body in ["(do (throw $e))", "(do)", "( do\n nop)", "(do(nop))"] {
        let text = format!("(module (tag $e) (func (try {body} (catch $e))))");
        let error = to_binary(&text).expect_err("is not read").to_string();
        assert!(error.contains("a folded `try` cannot be read"), "{body}: {error}");
    }
    let error = to_binary("(module (func (dont)))").expect_err("there is no such operator").to_string();
    assert!(!error.contains("folded"), "{error}");
    assert!(to_binary("(module (tag $e) (func try throw $e catch $e end))").is_ok());
}
