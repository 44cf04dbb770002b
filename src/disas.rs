//! `sconce disas`: functions as WebAssembly beside the machine code that is made of them.

use crate::adopt::adopt;
use crate::cli::DisasArgs;
use crate::load;
use crate::report::{self, Failure, print};
use sconce_disas::{Listings, NotFound};
use sconce_engine::Module;
use sconce_environ::decode::decode;
use sconce_environ::features::Features;
use sconce_environ::shown::Shown;

/// Prints the functions that were asked for.
///
/// # Errors
/// What is wrong with the module, or with the command line.
pub fn disas(args: &DisasArgs) -> Result<(), Failure> {
    let input = load::open(&args.file)?;
    let name = input.name.clone();
    // Nothing of what was compiled before is run, so it need not be trusted.
    let precompiled = load::Precompiled::Allowed;
    let engine = load::engine(&adopt(load::config(&args.compiler), &args.compiler, &input, precompiled))?;
    if input.is_artifact() {
        let module = load::compile(&engine, &input, precompiled)?;
        return list(&name, &Listings::of_compiled(&engine, &module), args);
    }
    let bytes = input.into_bytes()?;
    let binary = sconce_engine::text::to_binary(&bytes).map_err(|e| load::wrong(&name, &e))?;
    Module::validate(&engine, &binary).map_err(|e| load::wrong(&name, &e))?;
    let decoded = decode(&binary, Features::default()).map_err(|e| load::wrong(&name, &e.into()))?;
    list(&name, &Listings::of_binary(&engine, &binary, &decoded), args)
}

fn list(name: &str, listings: &Listings<'_>, args: &DisasArgs) -> Result<(), Failure> {
    let chosen = match &args.func {
        Some(text) => vec![listings.find(text).map_err(|e| not_found(name, listings, &e))?],
        None => listings.functions().collect(),
    };
    if !listings.has_operators() {
        print("operators are not in a precompiled module: their offsets stand beside the code\n\n")?;
    }
    for (n, func) in chosen.into_iter().enumerate() {
        let gap = if n == 0 { "" } else { "\n" };
        let text = listings.list(func).map_err(|e| load::wrong(name, &e))?;
        report::list(&format!("{gap}{text}"))?;
    }
    Ok(())
}

fn not_found(name: &str, listings: &Listings<'_>, error: &NotFound) -> Failure {
    let near = match error {
        NotFound::Name(text) => crate::values::nearest(text, listings.names().map(|(_, name)| name)),
        NotFound::Number { .. } | NotFound::Imported(_) => None,
    };
    let hint = near.map(|name| format!("; did you mean '{}'?", Shown::short(name))).unwrap_or_default();
    Failure::not_run(format!("{name}: {error}{hint}"))
}
