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
    report::each(&args.files, "are not valid", |path| {
        let input = load::open(path)?;
        load::refuse_compiled(&input, load::NO_MODULE)?;
        let name = input.name.clone();
        Module::validate(&engine, &input.into_bytes()?).map_err(|e| load::wrong(&name, &e))
    })
}
