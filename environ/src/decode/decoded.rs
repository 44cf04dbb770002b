//! What decoding gives.

use super::error::FunctionName;
use crate::features::Features;
use crate::index::*;
use crate::module::Module;
use crate::names::{self, FunctionNames, Names};
use cranelift_entity::PrimaryMap;
use std::ops::Range;
use wasmparser::ValidatorResources;

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
    pub(super) features: Features,
    /// What bodies are validated against; `None` without bodies.
    pub(super) resources: Option<ValidatorResources>,
}

/// A custom section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Its contents, as bytes of the input.
    pub contents: Range<u32>,
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

    /// How functions are named in messages.
    pub(super) fn function_name(&self, bytes: &[u8], index: FuncIndex) -> FunctionName {
        let section = self.name_section.as_ref().and_then(|range| slice(bytes, range)).unwrap_or_default();
        let found = names::find(section, Names::Functions, &[index.as_u32()], &mut || true);
        FunctionName { index, name: found[0].map(str::to_owned) }
    }
}

pub(super) fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> Option<&'a [u8]> {
    bytes.get(range.start as usize..range.end as usize)
}
