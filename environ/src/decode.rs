//! From bytes to a [`Module`]: one pass over the sections, function bodies left where they are.
//!
//! wasmparser's validator sees each section before it is read here, so what is read is valid: indices are in range, counts
//! are within the limits, constant expressions have their types. Bodies are validated apart ([`Decoded::validate_bodies`]),
//! in parallel. Nothing is copied from the input but names of imports and exports: data, bodies and custom sections are
//! ranges of it, so the caller keeps the bytes, in memory that nobody else can write.

mod beside;
mod blame;
mod bodies;
mod error;
mod grammar;
mod objects;
mod sections;
mod sniff;
mod tables;

pub use crate::features::Features;
pub use bodies::BodyValidator;
pub use error::{DecodeError, FunctionName};
pub use grammar::well_formed;
pub(crate) use sniff::check as check_header;

use crate::compile::FunctionInput;
use crate::index::*;
use crate::layout::VmLayout;
use crate::module::Module;
use crate::names::{self, FunctionNames, Names, module_name};
use cranelift_entity::PrimaryMap;
use sections::Decoder;
use std::ops::Range;
use wasmparser::{Chunk, Parser, ValidPayload, Validator, ValidatorResources};

/// A decoded module, and where in the input the rest of it is. All ranges are bytes of the input.
#[derive(Debug)]
pub struct Decoded {
    /// The module. Its bodies are not validated yet.
    pub module: Module,
    /// Bytes of each data segment; in order, and together they are what [`crate::module::DataSegment::bytes`] counts in.
    pub data: PrimaryMap<DataIndex, Range<u32>>,
    /// Body of each defined function: locals and operators.
    pub bodies: PrimaryMap<DefinedFuncIndex, Range<u32>>,
    /// Contents of the code section, if there is one.
    pub code: Option<Range<u32>>,
    /// Contents of the (first) name section, if there is one.
    pub name_section: Option<Range<u32>>,
    /// Custom sections, in order, the name section among them.
    pub custom_sections: Vec<CustomSection>,
    features: Features,
    /// What bodies are validated against; `None` without bodies.
    resources: Option<ValidatorResources>,
}

/// A custom section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Its contents, as bytes of the input.
    pub contents: Range<u32>,
}

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

impl Decoded {
    /// Names of functions, in the bytes that the module was decoded from.
    pub fn function_names<'a>(&self, bytes: &'a [u8]) -> FunctionNames<'a> {
        let section = self.name_section.as_ref().and_then(|range| slice(bytes, range));
        section.map_or_else(FunctionNames::default, FunctionNames::read)
    }

    /// The body of a function, in the bytes that the module was decoded from.
    ///
    /// # Panics
    /// If the function does not exist or the bytes are others.
    pub fn body<'a>(&self, bytes: &'a [u8], func: DefinedFuncIndex) -> &'a [u8] {
        slice(bytes, &self.bodies[func]).expect("the bytes that the module was decoded from")
    }

    /// A function, for a compiler.
    ///
    /// # Panics
    /// As [`Decoded::body`].
    pub fn input<'a>(&'a self, bytes: &'a [u8], layout: &'a VmLayout, func: DefinedFuncIndex) -> FunctionInput<'a> {
        let (body, body_offset) = (self.body(bytes, func), self.bodies[func].start);
        FunctionInput { module: &self.module, layout, func, body, body_offset }
    }

    /// How functions are named in messages.
    fn function_name(&self, bytes: &[u8], index: FuncIndex) -> FunctionName {
        let section = self.name_section.as_ref().and_then(|range| slice(bytes, range)).unwrap_or_default();
        let found = names::find(section, Names::Functions, &[index.as_u32()], &mut || true);
        FunctionName { index, name: found[0].map(str::to_owned) }
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> Option<&'a [u8]> {
    bytes.get(range.start as usize..range.end as usize)
}
