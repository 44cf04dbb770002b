//! Functions that a program imports and nobody gives: what stands in for them, where the user asks for that.

use crate::cli::UnknownImports;
use sconce_engine::{Error, ExternType, FuncType, ImportType, Linker, ValType};
use sconce_environ::shown::quoted;
use sconce_wasi::WasiCtx;
use std::sync::Arc;

/// The error of a call of such a function.
#[derive(Debug, thiserror::Error)]
#[error("call of the unknown import {} {}", quoted(.module), quoted(.name))]
struct Unknown {
    module: String,
    name: String,
}

/// Whether something can stand in for an import.
pub fn can_stand_in(how: UnknownImports, import: &ImportType) -> bool {
    match (how, &import.ty) {
        (UnknownImports::Trap, ExternType::Func(_)) => true,
        (UnknownImports::Default, ExternType::Func(ty)) => ty.results.iter().all(has_default),
        _ => false,
    }
}

fn has_default(ty: &ValType) -> bool {
    !matches!(ty, ValType::Ref(r) if !r.nullable)
}

/// Defines a function in an import's stead, for which [`can_stand_in`].
///
/// # Errors
/// The linker's.
pub fn stand_in(linker: &mut Linker<Arc<WasiCtx>>, how: UnknownImports, import: &ImportType) -> Result<(), Error> {
    let ExternType::Func(ty) = &import.ty else { return Ok(()) };
    let FuncType { params, results } = ty.clone();
    let (module, name) = (import.module.clone(), import.name.clone());
    linker.func_new(&import.module, &import.name, FuncType { params, results }, move |_, _, _| match how {
        // Results are zeros and nulls to begin with.
        UnknownImports::Default => Ok(()),
        UnknownImports::Trap | UnknownImports::Error => Err(Error::host(Unknown { module: module.clone(), name: name.clone() })),
    })?;
    Ok(())
}
