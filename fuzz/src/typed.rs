//! Typed function references, which the generator has only together with garbage-collected objects: its modules are rewritten
//! so that calls of functions become calls of references to them.

use rand::Rng;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{BlockType, CodeSection, Function, HeapType, Instruction, Module, RefType, ValType};
use wasmparser::{ExternalKind, FunctionBody, Parser, Payload, TypeRef};

/// Rewrites some calls of this module, all of whose functions are exported, so that `ref.func` may name each. `None` if it has
/// none that could be.
pub fn rewrite(wasm: &[u8], rng: &mut impl Rng) -> Option<Vec<u8>> {
    let mut rewriter = Rewriter { types: function_types(wasm)?, rng, rewritten: false };
    let mut module = Module::new();
    rewriter.parse_core_module(&mut module, Parser::new(0), wasm).ok()?;
    rewriter.rewritten.then(|| module.finish())
}

/// The type index of each function.
fn function_types(wasm: &[u8]) -> Option<Vec<u32>> {
    let mut types = Vec::new();
    let mut exported = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Func(ty) = import.ok()?.ty {
                        types.push(ty);
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    types.push(ty.ok()?);
                }
            }
            Payload::ExportSection(exports) => {
                exported = exports.into_iter().filter(|e| e.as_ref().is_ok_and(|e| e.kind == ExternalKind::Func)).count();
            }
            _ => {}
        }
    }
    (exported >= types.len()).then_some(types)
}

struct Rewriter<'r, R> {
    types: Vec<u32>,
    rng: &'r mut R,
    rewritten: bool,
}

impl<R: Rng> Rewriter<'_, R> {
    /// Puts a reference to `func` on the stack, in one of the ways to come by one.
    fn reference(&mut self, out: &mut Function, func: u32) {
        let ty = HeapType::Concrete(self.types[func as usize]);
        match self.rng.random_range(0..16) {
            0 => {
                out.instruction(&Instruction::RefNull(ty));
            }
            1..4 => {
                out.instruction(&Instruction::RefFunc(func)).instruction(&Instruction::RefAsNonNull);
            }
            4..7 => {
                let result = ValType::Ref(RefType { nullable: false, heap_type: ty });
                out.instruction(&Instruction::Block(BlockType::Result(result)))
                    .instruction(&Instruction::RefFunc(func))
                    .instruction(&Instruction::BrOnNonNull(0))
                    .instruction(&Instruction::Unreachable)
                    .instruction(&Instruction::End);
            }
            7..10 => {
                let result = ValType::Ref(RefType { nullable: true, heap_type: ty });
                out.instruction(&Instruction::Block(BlockType::Result(result)))
                    .instruction(&Instruction::Block(BlockType::Empty))
                    .instruction(&Instruction::RefFunc(func))
                    .instruction(&Instruction::BrOnNull(0))
                    .instruction(&Instruction::Br(1))
                    .instruction(&Instruction::End)
                    .instruction(&Instruction::RefNull(ty))
                    .instruction(&Instruction::End);
            }
            _ => {
                out.instruction(&Instruction::RefFunc(func));
            }
        }
        self.rewritten = true;
    }
}

impl<R: Rng> Reencode for Rewriter<'_, R> {
    type Error = std::convert::Infallible;

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error<Self::Error>> {
        let mut out = self.new_function_with_parsed_locals(&body)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match self.parse_instruction(&mut operators)? {
                Instruction::Call(func) if self.rng.random_bool(0.7) => {
                    self.reference(&mut out, func);
                    out.instruction(&Instruction::CallRef(self.types[func as usize]));
                }
                Instruction::ReturnCall(func) if self.rng.random_bool(0.7) => {
                    self.reference(&mut out, func);
                    out.instruction(&Instruction::ReturnCallRef(self.types[func as usize]));
                }
                other => {
                    out.instruction(&other);
                }
            }
        }
        code.function(&out);
        Ok(())
    }
}
