//! A program as a module.

use super::tree::{CHANCE_SHIFT, Catch, Ending, FACTOR, FUEL, Function, Kind, Op, Program, Signature, Ty};
use crate::host::{self, FUNCTIONS};
use crate::value::{Type, Value};
use std::borrow::Cow;
use wasm_encoder::{
    BlockType, Catch as Clause, CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    Function as Body, FunctionSection, GlobalSection, GlobalType, HeapType, Ieee32, Ieee64, ImportSection, Instruction as I,
    Module, RefType, TableSection, TableType, TagKind, TagSection, TagType, TypeSection, ValType,
};

/// Host functions that are imported, in order.
const IMPORTS: [&str; 3] = ["note", "fail", "keep"];
const NOTE: u32 = 0;
const FAIL: u32 = 1;
const KEEP: u32 = 2;
/// Globals.
const HASH: u32 = 0;
const LEFT: u32 = 1;
/// Only where there are vectors.
const VECTOR: u32 = 2;

/// What entries take: a number and a reference.
const ENTRY: [Ty; 2] = [Ty::Plain(Type::I32), Ty::Plain(Type::Extern)];

/// The module of a program.
pub fn encode(program: &Program) -> Vec<u8> {
    let mut encoder = Encoder { program, types: Vec::new() };
    let defined = program.functions.len() as u32;
    // The first type is what references name.
    let own: Vec<u32> = program.functions.iter().map(|f| encoder.ty(&f.signature)).collect();
    let entry = encoder.ty(&Signature { params: ENTRY.into(), results: vec![Ty::Plain(Type::I64)] });
    let mut imports = ImportSection::new();
    for name in IMPORTS {
        let f = FUNCTIONS.iter().find(|f| f.name == name).expect("the host has it");
        let list = |types: &[Type]| types.iter().map(|&ty| Ty::Plain(ty)).collect();
        let ty = encoder.ty(&Signature { params: list(f.params), results: list(f.results) });
        imports.import(host::MODULE, name, EntityType::Function(ty));
    }
    let mut functions = FunctionSection::new();
    for ty in own.iter().copied().chain(own.iter().map(|_| entry)) {
        functions.function(ty);
    }
    let mut tags = TagSection::new();
    for values in &program.tags {
        let func_type_idx = encoder.ty(&Signature { params: values.clone(), results: Vec::new() });
        tags.tag(TagType { kind: TagKind::Exception, func_type_idx });
    }
    let first = IMPORTS.len() as u32;
    let mut exports = ExportSection::new();
    exports.export("hash", ExportKind::Global, HASH);
    for n in 0..defined {
        exports.export(&format!("f{n:02}"), ExportKind::Func, first + defined + n);
    }
    let mut code = CodeSection::new();
    for f in &program.functions {
        code.function(&encoder.function(f));
    }
    for (n, f) in (first..).zip(&program.functions) {
        code.function(&encoder.entry(n, f));
    }
    let mut tables = TableSection::new();
    let count = defined.into();
    tables.table(TableType { element_type: RefType::FUNCREF, table64: false, minimum: count, maximum: None, shared: false });
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(Cow::Owned((first..first + defined).collect())));
    let mut globals = GlobalSection::new();
    let global = |val_type| GlobalType { val_type, mutable: true, shared: false };
    globals.global(global(ValType::I64), &ConstExpr::i64_const(0)).global(global(ValType::I32), &ConstExpr::i32_const(0));
    if program.proposals.simd {
        globals.global(global(ValType::V128), &ConstExpr::v128_const(0));
    }
    let mut types = TypeSection::new();
    for Signature { params, results } in encoder.types {
        types.ty().function(params.into_iter().map(Ty::encoded), results.into_iter().map(Ty::encoded));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&tags).section(&globals);
    module.section(&exports).section(&elements).section(&code);
    module.finish()
}

struct Encoder<'p> {
    program: &'p Program,
    types: Vec<Signature>,
}

impl Encoder<'_> {
    fn ty(&mut self, signature: &Signature) -> u32 {
        let known = self.types.iter().position(|known| known == signature);
        known.unwrap_or_else(|| {
            self.types.push(signature.clone());
            self.types.len() - 1
        }) as u32
    }

    fn block_type(&mut self, signature: &Signature) -> BlockType {
        match (&signature.params[..], &signature.results[..]) {
            ([], []) => BlockType::Empty,
            ([], &[result]) => BlockType::Result(result.encoded()),
            _ => BlockType::FunctionType(self.ty(signature)),
        }
    }

    /// A function, which gives defaults where there is no fuel left.
    fn function(&mut self, function: &Function) -> Body {
        let mut out = Body::new_with_locals_types(function.locals.iter().map(|ty| ty.encoded()));
        out.instruction(&I::GlobalGet(LEFT)).instruction(&I::I32Eqz).instruction(&I::If(BlockType::Empty));
        for ty in &function.signature.results {
            out.instruction(&match ty {
                Ty::Callee => I::RefFunc(IMPORTS.len() as u32),
                Ty::Plain(ty) => constant(Value::default_for(*ty)),
            });
        }
        out.instruction(&I::Return).instruction(&I::End);
        out.instruction(&I::GlobalGet(LEFT))
            .instruction(&I::I32Const(1))
            .instruction(&I::I32Sub)
            .instruction(&I::GlobalSet(LEFT));
        self.ops(&function.body, &mut out);
        out.instruction(&I::End);
        out
    }

    /// What the host calls: gives fuel, and the hash at the end.
    fn entry(&mut self, func: u32, function: &Function) -> Body {
        let mut out = Body::new([]);
        out.instruction(&I::I32Const(FUEL as i32)).instruction(&I::GlobalSet(LEFT));
        self.ops(&function.args, &mut out);
        out.instruction(&I::Call(func));
        function.signature.results.iter().rev().for_each(|&ty| mix(ty, &mut out));
        out.instruction(&I::GlobalGet(HASH)).instruction(&I::End);
        out
    }

    fn ops(&mut self, ops: &[Op], out: &mut Body) {
        ops.iter().for_each(|op| self.op(op, out));
    }

    fn op(&mut self, op: &Op, out: &mut Body) {
        let first = IMPORTS.len() as u32;
        let simple = match op {
            Op::Const(value) => constant(*value),
            Op::Callee => I::RefFunc(first),
            Op::Get(local) => I::LocalGet(*local),
            Op::Set(local) => I::LocalSet(*local),
            Op::Tee(local) => I::LocalTee(*local),
            Op::Drop => I::Drop,
            Op::Mix(ty) => return mix(*ty, out),
            Op::Chance { salt, bits } => return chance(*salt, *bits, out),
            Op::Count(local) => {
                out.instruction(&I::LocalGet(*local)).instruction(&I::I32Const(1)).instruction(&I::I32Sub);
                out.instruction(&I::LocalTee(*local)).instruction(&I::I32Const(0));
                I::I32GtS
            }
            Op::Note => I::Call(NOTE),
            Op::Fail => I::Call(FAIL),
            Op::Within(signature, kind, body) => return self.within(signature, kind, body, out),
            Op::Br(depth) => I::Br(*depth),
            Op::BrIf(depth) => I::BrIf(*depth),
            Op::BrTable(depths, default) => I::BrTable(Cow::Borrowed(depths), *default),
            Op::Return => I::Return,
            Op::Call(func) => I::Call(first + func),
            Op::CallIndirect(func) => {
                out.instruction(&I::I32Const(*func as i32));
                let type_index = self.ty(&self.program.functions[*func as usize].signature);
                I::CallIndirect { type_index, table_index: 0 }
            }
            Op::ReturnCall(func) => I::ReturnCall(first + func),
            Op::Throw(tag) => I::Throw(*tag),
            Op::ThrowRef => I::ThrowRef,
            Op::Rethrow(depth) => I::Rethrow(*depth),
            Op::Unreachable => I::Unreachable,
        };
        out.instruction(&simple);
    }

    fn within(&mut self, signature: &Signature, kind: &Kind, body: &[Op], out: &mut Body) {
        let ty = self.block_type(signature);
        let (count, begin) = match kind {
            Kind::Block => (1, I::Block(ty)),
            Kind::Blocks(count) => (*count, I::Block(ty)),
            Kind::Loop => (1, I::Loop(ty)),
            Kind::If(_) => (1, I::If(ty)),
            Kind::Try(_) => (1, I::Try(ty)),
            Kind::TryTable(catches) => (1, I::TryTable(ty, catches.iter().map(clause).collect())),
        };
        repeat(count, &begin, out);
        self.ops(body, out);
        let end = match kind {
            Kind::If(Some(other)) => {
                out.instruction(&I::Else);
                self.ops(other, out);
                I::End
            }
            Kind::Try(Ending::Delegate(depth)) => I::Delegate(*depth),
            Kind::Try(Ending::Catches(clauses)) => {
                for clause in clauses {
                    out.instruction(&clause.tag.map_or(I::CatchAll, I::Catch));
                    self.ops(&clause.body, out);
                }
                I::End
            }
            Kind::Block | Kind::Blocks(_) | Kind::Loop | Kind::If(None) | Kind::TryTable(_) => I::End,
        };
        repeat(count, &end, out);
    }
}

fn repeat(count: u32, instruction: &I<'_>, out: &mut Body) {
    for _ in 0..count {
        out.instruction(instruction);
    }
}

fn clause(catch: &Catch) -> Clause {
    let &Catch { tag, with_exception, label } = catch;
    match (tag, with_exception) {
        (Some(tag), false) => Clause::One { tag, label },
        (Some(tag), true) => Clause::OneRef { tag, label },
        (None, false) => Clause::All { label },
        (None, true) => Clause::AllRef { label },
    }
}

fn constant(value: Value) -> I<'static> {
    match value {
        Value::I32(v) => I::I32Const(v),
        Value::I64(v) => I::I64Const(v),
        Value::F32(v) => I::F32Const(Ieee32::new(v)),
        Value::F64(v) => I::F64Const(Ieee64::new(v)),
        Value::V128(v) => I::V128Const(v as i128),
        Value::Func(true) => I::RefFunc(IMPORTS.len() as u32),
        Value::Func(false) => I::RefNull(HeapType::FUNC),
        Value::Extern(_) => I::RefNull(HeapType::EXTERN),
        Value::Exn(_) => I::RefNull(RefType::EXNREF.heap_type),
    }
}

/// Mixes the i64 on the stack into the hash.
fn add(out: &mut Body) {
    out.instruction(&I::GlobalGet(HASH)).instruction(&I::I64Const(FACTOR as i64)).instruction(&I::I64Mul);
    out.instruction(&I::I64Add).instruction(&I::GlobalSet(HASH));
}

fn mix(ty: Ty, out: &mut Body) {
    match ty {
        Ty::Plain(Type::I64) => {}
        Ty::Plain(Type::I32) => {
            out.instruction(&I::I64ExtendI32U);
        }
        Ty::Plain(Type::F32) => {
            out.instruction(&I::I32ReinterpretF32).instruction(&I::I64ExtendI32U);
        }
        Ty::Plain(Type::F64) => {
            out.instruction(&I::I64ReinterpretF64);
        }
        Ty::Plain(Type::V128) => {
            out.instruction(&I::GlobalSet(VECTOR)).instruction(&I::GlobalGet(VECTOR)).instruction(&I::I64x2ExtractLane(0));
            add(out);
            out.instruction(&I::GlobalGet(VECTOR)).instruction(&I::I64x2ExtractLane(1));
        }
        Ty::Plain(Type::Extern) => {
            out.instruction(&I::GlobalGet(HASH)).instruction(&I::I32WrapI64).instruction(&I::Call(KEEP));
            out.instruction(&I::RefIsNull).instruction(&I::I64ExtendI32U);
        }
        Ty::Plain(Type::Func | Type::Exn) | Ty::Callee => {
            out.instruction(&I::RefIsNull).instruction(&I::I64ExtendI32U);
        }
    }
    add(out);
}

fn chance(salt: u32, bits: u32, out: &mut Body) {
    out.instruction(&I::I64Const(salt.into()));
    add(out);
    out.instruction(&I::GlobalGet(HASH)).instruction(&I::I64Const(CHANCE_SHIFT.into())).instruction(&I::I64ShrU);
    out.instruction(&I::I64Const((1 << bits) - 1)).instruction(&I::I64And).instruction(&I::I64Eqz);
}
