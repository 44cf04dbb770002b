//! A compiled module.

use crate::{Engine, Error, ExportType, ImportType};
use sconce_environ as environ;
use std::sync::Arc;

/// A validated and compiled module. Cheap to clone; clones are the same module.
#[derive(Clone)]
pub struct Module {
    pub(crate) inner: Arc<ModuleInner>,
}

pub(crate) struct ModuleInner {
    pub(crate) engine: Engine,
    pub(crate) module: environ::module::Module,
}

/// How a long compilation tells of its progress, and is asked whether to go on. Called from several threads.
pub trait Progress: Sync {
    /// Compilation of so many bytes of function bodies begins. Not called when the module comes from the cache.
    fn started(&self, total_bytes: u64);
    /// So many more bytes are done.
    fn advanced(&self, bytes: u64);
    /// Whether to stop with [`Error::Cancelled`]; asked before each function.
    fn cancelled(&self) -> bool;
}

impl Module {
    /// Compiles a module in binary or text form (a first line `#!` is skipped), or takes it from the engine's cache.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Decode`], [`Error::Invalid`], [`Error::Compile`], [`Error::Resources`].
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        let _ = (engine, bytes);
        unimplemented!()
    }

    /// The same, and tells of its progress.
    ///
    /// # Errors
    /// As [`Module::new`], and [`Error::Cancelled`].
    pub fn new_with_progress(engine: &Engine, bytes: &[u8], progress: &dyn Progress) -> Result<Module, Error> {
        let _ = (engine, bytes, progress);
        unimplemented!()
    }

    /// Decodes and validates without compiling.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Decode`], [`Error::Invalid`].
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<(), Error> {
        let _ = (engine, bytes);
        unimplemented!()
    }

    /// The compiled module as bytes for [`Module::deserialize`].
    pub fn serialize(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// A module from what [`Module::serialize`] gave. A checksum guards against damage, not against malice: whoever can
    /// forge these bytes can run any code.
    ///
    /// # Errors
    /// [`Error::Artifact`] says which of format, version, CPU, settings or checksum does not match; [`Error::Resources`].
    pub fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        let _ = (engine, bytes);
        unimplemented!()
    }

    /// Whether these bytes begin as a serialized module does.
    pub fn is_artifact(bytes: &[u8]) -> bool {
        let _ = bytes;
        unimplemented!()
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// What it needs, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType> + '_ {
        Vec::new().into_iter()
    }

    /// What it offers, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType> + '_ {
        Vec::new().into_iter()
    }

    /// The decoded module.
    pub fn environ(&self) -> &environ::module::Module {
        &self.inner.module
    }

    /// Its name, from the name section.
    pub fn name(&self) -> Option<&str> {
        self.inner.module.name.as_deref()
    }

    /// A function's name, from the name section, as it is written there.
    pub fn function_name(&self, func: sconce_environ::index::FuncIndex) -> Option<String> {
        let _ = func;
        unimplemented!()
    }

    /// A custom section that was kept for backtraces (`name`, `.debug_*`): read lazily, hence owned by the module.
    pub fn custom_section(&self, name: &str) -> Option<&[u8]> {
        let _ = name;
        unimplemented!()
    }

    /// Where the code section's contents begin in the binary, in bytes: DWARF addresses count from there.
    pub fn code_section_offset(&self) -> u32 {
        unimplemented!()
    }
}
