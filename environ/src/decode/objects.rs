//! What of the garbage collection proposal is refused: objects, and operators on them. Its recursion groups,
//! subtypes of functions and bottom types are supported, and validation does not tell these apart: so a
//! module is refused where its types are translated, and a body here.

use super::error::DecodeError;
use crate::translate::{self, Unsupported};
use wasmparser::{BlockType, FunctionBody, Operator, ValType};

/// Why a module that uses a type or an operator of objects cannot be run.
pub(super) fn refused(what: String, offset: u64) -> DecodeError {
    DecodeError::NotEnabled { proposal: "gc".into(), message: what, offset, function: None }
}

/// A type that is refused.
pub(super) fn refused_type(offset: u64) -> impl Fn(Unsupported) -> DecodeError {
    move |Unsupported(name)| refused(format!("the type `{name}`"), offset)
}

/// An operator that is refused.
pub(super) fn refused_operator(op: &Operator<'_>, offset: u64) -> DecodeError {
    refused(format!("the operator `{}`", name(op).unwrap_or_else(|| format!("{op:?}"))), offset)
}

/// Fails for the first local or operator that is refused, in a body that is valid with the whole proposal.
pub(super) fn check(body: &FunctionBody<'_>) -> Result<(), DecodeError> {
    let mut locals = body.get_locals_reader()?;
    for _ in 0..locals.get_count() {
        let offset = locals.original_position();
        let (_, ty) = locals.read()?;
        translate::val_type(ty).map_err(refused_type(offset))?;
    }
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let offset = reader.original_position();
        let op = reader.read()?;
        if name(&op).is_some() {
            return Err(refused_operator(&op, offset));
        }
        types(&op).try_for_each(|ty| translate::val_type(ty).map(drop)).map_err(refused_type(offset))?;
    }
    Ok(())
}

/// The types that an operator names.
fn types(op: &Operator<'_>) -> impl Iterator<Item = ValType> {
    let block = |ty| if let BlockType::Type(ty) = ty { Some(ty) } else { None };
    let one = match op {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } | Operator::Try { blockty } => {
            block(*blockty)
        }
        Operator::TryTable { try_table } => block(try_table.ty),
        Operator::TypedSelect { ty } => Some(*ty),
        Operator::RefNull { hty } => wasmparser::RefType::new(true, *hty).map(ValType::Ref),
        _ => None,
    };
    one.into_iter()
}

macro_rules! names {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
        /// The name of an operator of the proposal; `None` for all others.
        fn name(op: &Operator<'_>) -> Option<String> {
            match op {
                $(Operator::$op { .. } => names!(@$proposal stringify!($visit)),)*
                _ => None,
            }
        }
    };
    (@gc $visit:expr) => { Some(text_name($visit)) };
    (@$proposal:ident $visit:expr) => { None };
}
wasmparser::for_each_operator!(names);

/// `visit_struct_new` to `struct.new`.
fn text_name(visit: &str) -> String {
    let name = visit.trim_start_matches("visit_").trim_end_matches("_nullable").trim_end_matches("_non_null");
    if name.starts_with("br_") { name.to_owned() } else { name.replacen('_', ".", 1) }
}
