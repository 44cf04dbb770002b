//! A generator for exceptions in their old form, `try` with `catch`, `catch_all`, `rethrow` and `delegate`,
//! together with the final one: in every structure, with values, branches, calls and code that is not
//! reached.
//!
//! No peer executes the old form. So a program is a tree first, which is encoded as a module, and executed by a model of
//! the old form that knows nothing of the final one ([`model`]): what it sees is what engines have to see.

mod encode;
mod leave;
mod make;
pub mod model;
mod structures;
pub mod tree;

use self::make::{Maker, Outline};
use self::tree::{Function, Op, Program, Signature, Ty};
use crate::case::Proposals;
use crate::corner::numbers::pick;
use crate::value::{Type, Value};
pub use encode::encode;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Statements that a function has, more or less: few more often.
const BUDGETS: &[i32] = &[5, 5, 10, 10, 20, 20, 40, 80];

/// The program of this number.
pub fn program(seed: u64, allowed: Proposals) -> Program {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let proposals = Proposals {
        simd: rng.random_bool(0.4),
        tail_call: rng.random_bool(0.5),
        exceptions: rng.random_bool(0.6),
        function_references: rng.random_bool(0.5),
        ..Proposals::default()
    };
    let proposals = proposals.and(allowed);
    let mut outline = Outline { proposals, tags: Vec::new(), functions: Vec::new() };
    outline.tags = (0..rng.random_range(1..6)).map(|_| outline.types(rng)).collect();
    outline.functions = (0..rng.random_range(1..7)).map(|_| outline.signature(rng)).collect();
    // A type that names itself would be another proposal's.
    let Signature { params, results } = &mut outline.functions[0];
    params.retain(|&ty| ty != Ty::Callee);
    results.retain(|&ty| ty != Ty::Callee);
    let functions = outline.functions.iter().map(|signature| function(&outline, rng, signature)).collect();
    Program { proposals, tags: outline.tags, functions }
}

fn function(outline: &Outline, rng: &mut ChaCha8Rng, signature: &Signature) -> Function {
    let args = signature.params.iter().map(|&ty| arg(rng, ty)).collect();
    let budget = pick(rng, BUDGETS);
    let (body, locals) = Maker::new(outline, rng, signature, budget).finish(signature);
    Function { signature: signature.clone(), locals, body, args }
}

/// What an entry passes for a parameter of this type.
fn arg(rng: &mut ChaCha8Rng, ty: Ty) -> Op {
    match ty {
        Ty::Callee => Op::Callee,
        Ty::Plain(Type::I32) => Op::Get(0),
        Ty::Plain(Type::Extern) => Op::Get(1),
        Ty::Plain(ty) => Op::Const(Value::random(ty, rng)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn modules_are_valid() {
        for seed in 0..500 {
            let wasm = encode(&program(seed, Proposals::all()));
            if let Err(e) = Validator::new_with_features(WasmFeatures::all()).validate_all(&wasm) {
                panic!("seed {seed}: {e}");
            }
        }
    }

    #[test]
    fn a_program_follows_from_its_seed() {
        let module = |seed| encode(&program(seed, Proposals::all()));
        assert_eq!(module(7), module(7));
        assert_ne!(module(7), module(8));
    }
}
