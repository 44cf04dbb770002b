//! The engines that run cases.

mod model;
mod sconce;
mod wasmi;
mod wasmtime;

pub use self::model::Model;
pub use self::sconce::{Sconce, VARIANTS, Variant};
pub use self::wasmi::Wasmi;
pub use self::wasmtime::Wasmtime;

use crate::case::{CALLS_PER_EXPORT, Case, MAX_CALLS};
use crate::outcome::{Outcome, Step, Stop};
use crate::value::{Type, Value};

/// Why an engine could not run a case at all.
#[derive(Debug, thiserror::Error)]
#[error("{engine} could not run the module: {reason}")]
pub struct Refused {
    /// Which one.
    pub engine: String,
    /// What it said.
    pub reason: String,
}

/// Something that runs cases.
pub trait Engine: Send + Sync {
    /// For people: `sconce cranelift-guard-direct`, `wasmi`.
    fn name(&self) -> String;

    /// Whether it knows what the case may use.
    fn knows(&self, case: &Case) -> bool;

    /// Runs the case.
    ///
    /// # Errors
    /// When it does not take the module, which is valid.
    fn run(&self, case: &Case) -> Result<Outcome, Refused>;
}

/// An exported function, with its type as far as calls need it; `None` for parameters that cannot be made up.
struct Callee<F> {
    name: String,
    params: Option<Vec<Type>>,
    func: F,
}

/// Makes the calls of a case: each export in turn, a few times. `call` gives the outcome of one.
fn drive<F>(case: &Case, callees: &[Callee<F>], mut call: impl FnMut(&Callee<F>, &[Value]) -> Step) -> Outcome {
    let mut steps = Vec::new();
    let order = (0..CALLS_PER_EXPORT).flat_map(|_| callees.iter());
    for callee in order.filter(|c| c.params.is_some()).take(MAX_CALLS) {
        let args = case.args(steps.len(), callee.params.as_deref().unwrap_or_default());
        let step = call(callee, &args);
        let exhausted = step.result == Err(Stop::Exhausted);
        steps.push(step);
        if exhausted {
            break;
        }
    }
    steps
}
