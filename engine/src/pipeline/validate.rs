//! A module's function bodies validated, on several threads where that pays.

use super::threads::threads;
use crate::error::Error;
use rayon::prelude::*;
use sconce_environ::decode::{DecodeError, Decoded};
use sconce_environ::index::DefinedFuncIndex;

/// Fewer functions than this are not worth another thread's attention.
const CHUNK: usize = 16;

/// Validates all function bodies. `go_on` is asked before each.
///
/// # Errors
/// The error of the first function that has one, whichever thread finds one first; [`Error::Cancelled`] when `go_on` said no.
pub(crate) fn validate(decoded: &Decoded, bytes: &[u8], parallel: bool, go_on: &(dyn Fn() -> bool + Sync)) -> Result<(), Error> {
    let total: usize = decoded.bodies.values().map(|b| b.len()).sum();
    // Validation is a hundred times as fast as compilation.
    if threads(parallel, total / 32) == 1 {
        return Ok(decoded.validate_bodies(bytes, go_on)?);
    }
    let first_error = (0..decoded.bodies.len())
        .into_par_iter()
        .with_min_len(CHUNK)
        .map_init(
            || decoded.body_validator(bytes),
            |validator, n| {
                if go_on() { validator.validate(DefinedFuncIndex::from_u32(n as u32)) } else { Err(DecodeError::Cancelled) }
            },
        )
        .find_map_first(Result::err);
    first_error.map_or(Ok(()), |error| Err(error.into()))
}

/// Validates all function bodies of a module that has been decoded from these bytes, on several threads where that pays.
///
/// # Errors
/// [`Error::Decode`]: that of the first function that has one.
pub fn validate_bodies(decoded: &Decoded, bytes: &[u8]) -> Result<(), Error> {
    validate(decoded, bytes, true, &|| true)
}
