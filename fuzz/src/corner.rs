//! A generator that knows at which numbers Sconce's compilers do something else, and makes code from around them: with many
//! operands below every kind of operator, many locals, parameters and results, subtypes, small pages, references everywhere.
//!
//! Its modules are valid as they are made, and end: functions count down a global as they begin, loops a
//! local. All that an operator leaves and all that was below it is mixed into a hash, which is returned or
//! added to a global; so what is lost or changed shows.

mod body;
mod calls;
mod control;
mod exceptions;
mod fold;
mod memory;
pub(crate) mod numbers;
mod operators;
mod plan;
mod rows;
mod types;

use self::body::Body;
use self::numbers::{FRAME_LOCALS, LOCALS, near, pick};
use self::plan::{CALLS, Defined, FUEL, HASH, Plan};
use self::types::Mix;
use crate::case::Proposals;
use crate::host::{FUNCTIONS, MODULE};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction as I, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TagKind, TagSection, TagType, ValType,
};

/// Operators that a function has, more or less: small ones more often.
const BUDGETS: &[i32] = &[30, 60, 120, 120, 250, 500];

/// A module, what it uses, and whether its memories may become large.
#[derive(Clone, Debug)]
pub struct Made {
    /// The module.
    pub wasm: Vec<u8>,
    /// What it may use.
    pub proposals: Proposals,
    /// Whether memories may grow to gigabytes, of which hardly any page is touched.
    pub huge: bool,
    /// Whether a function calls itself until the stack is exhausted.
    pub overflows: bool,
}

/// Which proposals a module has: each alone often enough, and with others.
fn proposals(rng: &mut impl Rng) -> Proposals {
    Proposals {
        simd: rng.random_bool(0.4),
        relaxed_simd: false,
        tail_call: rng.random_bool(0.5),
        multi_memory: rng.random_bool(0.3),
        memory64: rng.random_bool(0.3),
        extended_const: false,
        wide_arithmetic: rng.random_bool(0.3),
        custom_page_sizes: rng.random_bool(0.25),
        threads: rng.random_bool(0.3),
        exceptions: rng.random_bool(0.4),
        function_references: rng.random_bool(0.6),
    }
}

/// The module of this number.
pub fn module(seed: u64, allowed: Proposals) -> Made {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let proposals = proposals(rng).and(allowed);
    let plan = Plan::new(rng, proposals);
    let (wasm, overflows) = encode(&plan, rng);
    Made { wasm, proposals, huge: plan.huge, overflows }
}

/// The module, and whether one of its functions exhausts the stack.
fn encode(plan: &Plan, rng: &mut ChaCha8Rng) -> (Vec<u8>, bool) {
    let mut module = Module::new();
    module.section(&plan.types.encode());
    let mut imports = ImportSection::new();
    for &f in &plan.imports {
        imports.import(MODULE, FUNCTIONS[f].name, EntityType::Function(plan.types.host[f]));
    }
    module.section(&imports);
    let overflow = rng.random_bool(0.02);
    let mut functions = FunctionSection::new();
    // First the functions, then what calls each of them from outside.
    for f in plan.functions.iter().chain(&plan.functions) {
        functions.function(f.ty);
    }
    if overflow {
        functions.function(plan.types.empty);
    }
    module.section(&functions);
    module.section(&tables(plan)).section(&memories(plan));
    if !plan.tags.is_empty() {
        let mut tags = TagSection::new();
        for &ty in &plan.tags {
            tags.tag(TagType { kind: TagKind::Exception, func_type_idx: ty });
        }
        module.section(&tags);
    }
    module.section(&globals(plan)).section(&exports(plan, overflow)).section(&elements(plan));
    module.section(&DataCountSection { count: plan.data.len() as u32 + plan.memories.len() as u32 });
    let mut code = CodeSection::new();
    for (n, f) in plan.functions.iter().enumerate() {
        code.function(&function(plan, rng, n, *f));
    }
    for (n, f) in plan.functions.iter().enumerate() {
        code.function(&entry(plan, plan.imports.len() + n, *f));
    }
    if overflow {
        code.function(&overflowing(rng, plan.function_count() + plan.functions.len() as u32));
    }
    module.section(&code).section(&data(plan, rng));
    (module.finish(), overflow)
}

fn tables(plan: &Plan) -> TableSection {
    let mut section = TableSection::new();
    for t in &plan.tables {
        let (element_type, table64) = (t.element, t.table64);
        section.table(TableType { element_type, table64, minimum: t.min, maximum: t.max, shared: false });
    }
    section
}

fn memories(plan: &Plan) -> MemorySection {
    let mut section = MemorySection::new();
    for m in &plan.memories {
        let page_size_log2 = (m.page_size_log2 != 16).then_some(m.page_size_log2);
        let (memory64, shared) = (m.memory64, m.shared);
        section.memory(MemoryType { minimum: m.min, maximum: m.max, memory64, shared, page_size_log2 });
    }
    section
}

fn globals(plan: &Plan) -> GlobalSection {
    let mut section = GlobalSection::new();
    for global in 0..plan.globals.len() as u32 + 2 {
        let val_type = plan.global(global);
        let zero = match val_type {
            ValType::I32 => ConstExpr::i32_const(0),
            ValType::I64 => ConstExpr::i64_const(0),
            ValType::F32 => ConstExpr::f32_const(1.5.into()),
            ValType::F64 => ConstExpr::f64_const(2.5.into()),
            ValType::V128 => ConstExpr::v128_const(1 << 90 | 3),
            ValType::Ref(r) => ConstExpr::ref_null(r.heap_type),
        };
        section.global(GlobalType { val_type, mutable: true, shared: false }, &zero);
    }
    section
}

fn exports(plan: &Plan, overflow: bool) -> ExportSection {
    let mut section = ExportSection::new();
    let entries = plan.function_count();
    for n in 0..plan.functions.len() as u32 {
        section.export(&format!("f{n}"), ExportKind::Func, entries + n);
    }
    for n in 0..plan.memories.len() as u32 {
        section.export(&format!("m{n}"), ExportKind::Memory, n);
    }
    for n in (0..plan.globals.len() as u32 + 2).filter(|&n| n != FUEL && plan.global(n) != ValType::EXNREF) {
        section.export(&format!("g{n}"), ExportKind::Global, n);
    }
    if overflow {
        // The last to be called: nothing after it is compared.
        section.export("overflow", ExportKind::Func, entries + plan.functions.len() as u32);
    }
    section
}

fn elements(plan: &Plan) -> ElementSection {
    let mut section = ElementSection::new();
    for (n, t) in plan.tables.iter().enumerate().filter(|(_, t)| !t.functions.is_empty()) {
        let entry = |f: &Option<u32>| match *f {
            Some(f) => ConstExpr::ref_func(f),
            None => ConstExpr::ref_null(t.element.heap_type),
        };
        let offset = if t.table64 { ConstExpr::i64_const(0) } else { ConstExpr::i32_const(0) };
        section.active(Some(n as u32), &offset, Elements::Expressions(t.element, t.functions.iter().map(entry).collect()));
    }
    for functions in &plan.elements {
        let functions: Vec<ConstExpr> = functions.iter().map(|&f| ConstExpr::ref_func(f)).collect();
        section.passive(Elements::Expressions(RefType::FUNCREF, functions.into()));
    }
    // References may name functions that are mentioned somewhere.
    section.declared(Elements::Functions(Cow::Owned((0..plan.function_count()).collect())));
    section
}

/// Passive segments, and one that fills the beginning of each memory.
fn data(plan: &Plan, rng: &mut impl Rng) -> DataSection {
    let mut section = DataSection::new();
    for &len in &plan.data {
        section.passive((0..len).map(|_| rng.random::<u8>()));
    }
    for (n, m) in plan.memories.iter().enumerate() {
        let offset = if m.memory64 { ConstExpr::i64_const(0) } else { ConstExpr::i32_const(0) };
        section.active(n as u32, &offset, (0..m.bytes().min(200)).map(|_| rng.random::<u8>()).collect::<Vec<_>>());
    }
    section
}

fn function(plan: &Plan, rng: &mut ChaCha8Rng, number: usize, f: Defined) -> Function {
    let signature = plan.types.get(f.ty);
    let (mut locals, params) = (signature.params.clone(), signature.params.len());
    let count = if rng.random_bool(0.7) { near(rng, &LOCALS[..7]) } else { near(rng, LOCALS) };
    let mix = Mix::any(rng);
    let mut ty = plan.value_type(rng, mix);
    for _ in 0..count {
        if rng.random_bool(0.5) {
            ty = plan.value_type(rng, mix);
        }
        locals.push(ty);
    }
    let budget = pick(rng, BUDGETS);
    let mut body = Body::new(plan, rng, locals, signature.results.clone());
    (body.calls, body.budget) = (!f.leaf, budget);
    if !f.leaf {
        body.emit(&I::GlobalGet(FUEL));
        body.emit(&I::I32Eqz);
        body.begin(vec![], 0, I::If);
        for &ty in &signature.results {
            body.default_value(ty);
        }
        body.emit(&I::Return);
        body.end();
        body.emit(&I::GlobalGet(FUEL));
        body.emit(&I::I32Const(1));
        body.emit(&I::I32Sub);
        body.emit(&I::GlobalSet(FUEL));
    }
    body.fill_locals(params);
    while body.budget > 0 {
        body.site();
    }
    let keep = !f.leaf || number.is_multiple_of(2);
    body.finish(keep);
    let (types, code) = (body.locals.split_off(params), body.code);
    let mut out = Function::new_with_locals_types(types);
    out.raw(code);
    out
}

/// What the host calls: it gives the function its fuel.
fn entry(plan: &Plan, function: usize, f: Defined) -> Function {
    let mut out = Function::new([]);
    out.instruction(&I::I32Const(CALLS)).instruction(&I::GlobalSet(FUEL));
    for n in 0..plan.types.get(f.ty).params.len() as u32 {
        out.instruction(&I::LocalGet(n));
    }
    let function = function as u32;
    let call = if plan.proposals.tail_call && function.is_multiple_of(2) { I::ReturnCall(function) } else { I::Call(function) };
    out.instruction(&call).instruction(&I::End);
    out
}

/// A function with a large frame that calls itself until the stack is exhausted.
fn overflowing(rng: &mut impl Rng, itself: u32) -> Function {
    let count = near(rng, FRAME_LOCALS) as u32;
    let mut out = Function::new([(count, ValType::I64)]);
    out.instruction(&I::GlobalGet(HASH)).instruction(&I::LocalSet(0)).instruction(&I::Call(itself));
    out.instruction(&I::I64Const(0));
    for n in 0..count {
        out.instruction(&I::LocalGet(n)).instruction(&I::I64Xor);
    }
    out.instruction(&I::GlobalSet(HASH)).instruction(&I::End);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn modules_are_valid() {
        for seed in 0..500 {
            let made = module(seed, Proposals::all());
            if let Err(e) = Validator::new_with_features(WasmFeatures::all()).validate_all(&made.wasm) {
                panic!("seed {seed}: {e}\n{:?}", made.proposals);
            }
        }
    }

    #[test]
    fn a_module_follows_from_its_seed() {
        assert_eq!(module(7, Proposals::all()).wasm, module(7, Proposals::all()).wasm);
        assert_ne!(module(7, Proposals::all()).wasm, module(8, Proposals::all()).wasm);
    }
}
