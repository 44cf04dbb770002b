//! What programs of [`crate::old`] mean, as an engine.

use super::{Callee, Engine, Refused, drive};
use crate::case::Case;
use crate::old::model::Instance;
use crate::outcome::{Outcome, Step, Stop};
use crate::value::{Type, Value};

/// Executes the tree that a module was made of.
#[derive(Debug, Default)]
pub struct Model;

impl Engine for Model {
    fn name(&self) -> String {
        "the model".into()
    }

    fn knows(&self, case: &Case) -> bool {
        case.program.is_some()
    }

    fn run(&self, case: &Case) -> Result<Outcome, Refused> {
        let refuse = || Refused { engine: self.name(), reason: "it is no tree".into() };
        let program = case.program.as_deref().ok_or_else(refuse)?;
        let mut instance = Instance::new(program);
        let params = || Some(vec![Type::I32, Type::Extern]);
        let callees: Vec<Callee<u32>> = (0..program.functions.len() as u32)
            .map(|func| Callee { name: format!("f{func:02}"), params: params(), func })
            .collect();
        let mut outcome = vec![step(&instance, None, Ok(Vec::new()))];
        outcome.extend(drive(case, &callees, |callee, args| {
            let result = instance.enter(callee.func, args);
            step(&instance, Some(callee.name.clone()), result)
        }));
        Ok(outcome)
    }
}

fn step(instance: &Instance<'_>, call: Option<String>, result: Result<Vec<Value>, Stop>) -> Step {
    let globals = vec![Value::I64(instance.hash as i64)];
    Step { call, result, globals, memories: Vec::new(), told: instance.told.digest(), fuel: None }
}
