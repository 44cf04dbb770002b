//! Cases as files, for engines that are programs: a module, and beside it what has to come of each call.

use crate::case::Case;
use crate::engines::{Engine, Model};
use crate::value::{Type, Value};
use serde_json::{Value as Json, json};
use std::error::Error;
use std::path::Path;

/// Writes a case that the model knows as `SEED.wasm` and `SEED.json`: a list of export, arguments, and result
/// or [`crate::outcome::Stop`].
///
/// # Errors
/// If the model does not know it, or a file cannot be written.
pub fn write(case: &Case, folder: &Path) -> Result<(), Box<dyn Error>> {
    let outcome = Model.run(case)?;
    // The first step is instantiation.
    let calls = outcome.iter().skip(1).enumerate().map(|(n, step)| {
        let args: Vec<Json> = case.args(n, &[Type::I32, Type::Extern]).into_iter().map(json_of).collect();
        let result = match &step.result {
            Ok(values) => values.iter().map(Value::to_string).collect(),
            Err(stop) => format!("{stop:?}"),
        };
        json!([step.call, args, result])
    });
    let calls: Json = calls.collect();
    std::fs::write(folder.join(format!("{}.wasm", case.seed)), &case.wasm)?;
    std::fs::write(folder.join(format!("{}.json", case.seed)), calls.to_string())?;
    Ok(())
}

fn json_of(value: Value) -> Json {
    match value {
        Value::I32(v) => json!(v),
        Value::Extern(v) => json!(v),
        Value::I64(_) | Value::F32(_) | Value::F64(_) | Value::V128(_) | Value::Func(_) | Value::Exn(_) => Json::Null,
    }
}
