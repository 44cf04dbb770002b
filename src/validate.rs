//! `sconce validate`.

use crate::cli::ValidateArgs;
use crate::load;
use crate::report::{self, Failure};
use sconce_engine::{Config, Module};

/// Decodes and validates modules, and says what is wrong with those that are not valid.
///
/// # Errors
/// When a module cannot be read or is not valid (which has been printed: the message is the summary).
pub fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let engine = load::engine(&Config::new())?;
    let mut wrong = Vec::new();
    for path in &args.files {
        let valid = load::open(path).and_then(|input| {
            load::refuse_compiled(&input, load::NO_MODULE)?;
            let name = input.name.clone();
            Module::validate(&engine, &input.into_bytes()?).map_err(|e| load::wrong(&name, &e))
        });
        wrong.extend(valid.err());
    }
    match (wrong.len(), args.files.len()) {
        (0, _) => Ok(()),
        (1, 1) => Err(wrong.remove(0)),
        (invalid, files) => {
            wrong.iter().for_each(|failure| report::error(&failure.message));
            Err(Failure::not_run(format!("{invalid} of {files} modules are not valid")))
        }
    }
}
