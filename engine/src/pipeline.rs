//! From bytes to linked text: text assembled, a module decoded, its functions compiled and linked, the
//! contents of its data segments laid out. Knows compilers, and no engine.

mod compile;
mod data;
pub(crate) mod host_sites;
mod link;
mod one;
mod progress;
mod source;
pub mod text;

pub(crate) use compile::{compile_function, validate};
pub(crate) use data::Pieces;
pub(crate) use link::Linked;
pub(crate) use one::{One, Sources};
pub use progress::Progress;
pub(crate) use source::{MAX_BINARY, may_be_module};
pub use source::{read_module, read_module_or_component, read_script};

use crate::compilers::Compilers;
use crate::config::{CompilerKind, Config};
use crate::error::Error;
use compile::Job;
use sconce_environ::decode::{CustomSection, Decoded, decode};
use sconce_environ::index::DefinedFuncIndex;
use std::ops::Range;

/// What compiling a binary gives, before anything is done with it.
pub(crate) struct Compilation {
    /// Its data segments are those of `data`.
    pub(crate) decoded: Decoded,
    pub(crate) linked: Linked,
    /// Contents of all data segments.
    pub(crate) data: Vec<u8>,
}

impl Compilation {
    /// By this compiler; of both, Cranelift compiles the functions that are said, in order.
    pub(crate) fn new(
        compilers: &Compilers,
        config: &Config,
        (compiler, hot): (CompilerKind, &[DefinedFuncIndex]),
        binary: &[u8],
        progress: Option<&dyn Progress>,
    ) -> Result<Compilation, Error> {
        let mut decoded = decode(binary, config.features)?;
        let job = Job { compilers, compiler, hot, bytes: binary, decoded: &decoded, parallel: config.parallel, progress };
        let linked = compile::compile(&job)?;
        look_for_names_of_data(&mut decoded, binary);
        let data = Pieces::join(&mut decoded.module, &decoded.data).contents(binary);
        Ok(Compilation { decoded, linked, data })
    }
}

/// Finds out whether any instruction names a data segment, where a section of the binary says that some may.
pub(crate) fn look_for_names_of_data(decoded: &mut Decoded, binary: &[u8]) {
    decoded.module.data_can_be_named = data::is_named(decoded, binary);
}

/// What backtraces need of a binary: names and contents of sections.
pub(crate) fn debug_sections<'a>(decoded: &'a Decoded, binary: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let contents = |range: &Range<u32>| &binary[range.start as usize..range.end as usize];
    kept_sections(decoded).map(move |s| (s.name.as_str(), contents(&s.contents)))
}

/// The sections that those are.
pub(crate) fn kept_sections(decoded: &Decoded) -> impl Iterator<Item = &CustomSection> {
    decoded.custom_sections.iter().filter(|s| s.name == "name" || s.name.starts_with(".debug_"))
}

/// Where the code section's contents begin in a binary.
pub(crate) fn code_offset(decoded: &Decoded) -> u32 {
    decoded.code.as_ref().map_or(0, |range| range.start)
}
