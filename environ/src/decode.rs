//! From bytes to a [`Module`](crate::module::Module): one pass over the sections, function bodies left where they are.
//!
//! wasmparser's validator sees each section before it is read here, so what is read is valid: indices are in
//! range, counts are within the limits, constant expressions have their types. Bodies are validated apart
//! ([`Decoded::body_validator`]), by as many threads as the caller likes. Nothing is copied from the input
//! but names of imports and exports: data, bodies and custom sections are ranges of it, so the caller keeps
//! the bytes, in memory that nobody else can write.

mod beside;
mod blame;
mod bodies;
mod decoded;
mod error;
mod grammar;
mod objects;
mod sections;
mod sniff;
mod tables;

pub use crate::features::Features;
pub use bodies::BodyValidator;
pub use decoded::{CustomSection, Decoded};
pub use error::{DecodeError, FunctionName};
pub use grammar::well_formed;
pub(crate) use sniff::check as check_header;

use crate::names::module_name;
use decoded::slice;
use sections::Decoder;
use wasmparser::{Chunk, Parser, ValidPayload, Validator};

/// Decodes a core module in the binary format, and validates everything but function bodies.
///
/// # Errors
/// When the bytes are not a module, or not a valid one, or one that uses a proposal that is not enabled. Whatever custom
/// sections contain is no reason.
pub fn decode(bytes: &[u8], features: Features) -> Result<Decoded, DecodeError> {
    sniff::check(bytes)?;
    decode_sections(bytes, features).map_err(|error| blame::blame(bytes, features, error))
}

fn decode_sections(bytes: &[u8], features: Features) -> Result<Decoded, DecodeError> {
    let mut parser = Parser::new(0);
    parser.set_features(features.wasmparser());
    let mut validator = Validator::new_with_features(features.wasmparser());
    let mut decoder = Decoder::new(features);
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        // Only at the end is the parser told that it is the end: before, "needs more" tells a truncated file.
        let payload = match parser.parse(rest, rest.is_empty())? {
            Chunk::NeedMoreData(_) => return Err(DecodeError::Truncated { offset: bytes.len() as u64 }),
            Chunk::Parsed { consumed, payload } => {
                at += consumed;
                payload
            }
        };
        match validator.payload(&payload)? {
            ValidPayload::Func(func, body) => decoder.body(func.resources, &body),
            ValidPayload::End(_) => break,
            ValidPayload::Ok => decoder.section(payload)?,
            // Only components nest.
            ValidPayload::Parser(_) => return Err(DecodeError::Component),
        }
    }
    let mut decoded = decoder.finish();
    let code = decoded.code.as_ref().and_then(|range| slice(bytes, range)).unwrap_or_default();
    decoded.module.private_tables = tables::private(&decoded.module, code);
    let name_section = decoded.name_section.as_ref().and_then(|range| slice(bytes, range));
    decoded.module.name = name_section.and_then(module_name).map(str::to_owned);
    Ok(decoded)
}
