//! A compiled module, as the embedder has it.

use crate::ahead::Artifact;
use crate::artifact::{self, Identity};
use crate::cache::Used;
use crate::compiled::{CompiledModule, LazyStats};
use crate::engine::Engine;
use crate::error::{ArtifactError, Error};
use crate::types::{ExportType, ImportType, extern_type};
use sconce_environ as environ;
use sconce_environ::compile::Settings;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use std::sync::Arc;

/// A validated and compiled module. Cheap to clone; clones are the same module.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    compiled: Arc<CompiledModule>,
    /// Which of its text and data is used, if the cache wants to know.
    used: Option<Used>,
}

impl Module {
    pub(crate) fn of(engine: &Engine, compiled: Arc<CompiledModule>, used: Option<Used>) -> Module {
        Module { inner: Arc::new(Inner { engine: engine.clone(), compiled, used }) }
    }

    /// Its code, and what is known of it.
    pub(crate) fn compiled(&self) -> &Arc<CompiledModule> {
        &self.inner.compiled
    }

    /// Notes in the cache which of its code and data has been used, so that the next process that loads it
    /// brings that in at once. For the end of a run; does nothing for a module that was not loaded from a
    /// file, or without a cache.
    pub fn note_use(&self) {
        if let Some(used) = &self.inner.used {
            used.note(&self.compiled().loaded);
        }
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// What it needs, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType> + '_ {
        self.environ().imports.iter().map(|import| ImportType {
            module: import.module.clone(),
            name: import.name.clone(),
            ty: extern_type(&self.engine().types(), &self.compiled().registry_type(&import.kind)),
        })
    }

    /// What it offers, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType> + '_ {
        self.environ().exports.iter().map(|export| ExportType {
            name: export.name.clone(),
            ty: extern_type(&self.engine().types(), &self.compiled().registry_type(&self.environ().entity_type(export.entity))),
        })
    }

    /// The decoded module.
    pub fn environ(&self) -> &environ::module::Module {
        self.compiled().environ()
    }

    /// Whose code it is: `cranelift`, `lightbeam`.
    pub fn compiler(&self) -> &'static str {
        self.compiled().compiler.name()
    }

    /// Bytes of memory that its code takes, and what belongs to it: tables, data, what is known of it.
    pub fn code_bytes(&self) -> u64 {
        self.compiled().bytes()
    }

    /// What of it has been compiled, if its functions are when they are called ([`crate::Config::lazy`]).
    pub fn lazy_stats(&self) -> Option<LazyStats> {
        self.compiled().lazy.as_ref().map(|lazy| lazy.stats())
    }

    /// Whether its functions are validated when they are called, and no sooner ([`crate::Config::lazy`]); the cache has got no code of it
    /// from this process then.
    pub fn is_deferred(&self) -> bool {
        self.compiled().lazy.as_ref().is_some_and(|lazy| lazy.is_deferred())
    }

    /// Numbers, among those that it defines, of functions in which its instances have spent their time so far, the hottest first, but for those
    /// that have the best code; known while a program runs ([`Config::hold_background`](crate::Config::hold_background)) with a cache that
    /// has none of that. For [`Module::warm_hot`].
    pub fn hot_functions(&self) -> Vec<u32> {
        let hot = self.compiled().learned.as_ref().map_or_else(Vec::new, |learned| learned.hot());
        hot.into_iter().map(DefinedFuncIndex::as_u32).collect()
    }

    /// Its name, from the name section.
    pub fn name(&self) -> Option<&str> {
        self.compiled().name()
    }

    /// A function's name, from the name section, as it is written there.
    pub fn function_name(&self, func: FuncIndex) -> Option<String> {
        self.compiled().function_name(func)
    }

    /// A custom section that is kept for backtraces: `name` and `.debug_*`. Read from the artifact when it is first asked for;
    /// `None` if there is none, or if the artifact's file is damaged there.
    pub fn custom_section(&self, name: &str) -> Option<&[u8]> {
        self.compiled().custom_section(name)
    }

    /// Where the code section's contents begin in the binary, in bytes: DWARF addresses count from there.
    pub fn code_section_offset(&self) -> u32 {
        self.compiled().code_section_offset()
    }

    /// The compiled module as bytes for [`Module::deserialize`].
    ///
    /// # Errors
    /// [`Error::Artifact`] if the module came from an artifact's file that has been damaged since. Of a module whose functions are
    /// compiled when they are called ([`crate::Config::lazy`]), what is wrong with one of them.
    pub fn serialize(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        if let Some(lazy) = &self.compiled().lazy {
            // What has been compiled so far is no artifact: all of it is compiled for one.
            let artifact = Artifact::by(self.engine(), self.compiled().compiler, &[], lazy.binary().to_vec(), None)?;
            artifact.write(&mut bytes).map_err(Error::Io)?;
            return Ok(bytes);
        }
        let identity = Identity::of(&self.engine().inner.compilers, self.compiled().compiler)?;
        let written = self.compiled().write(&identity, None, &mut bytes);
        written.map_err(|_| ArtifactError::Corrupt("a part of its file is gone"))?;
        Ok(bytes)
    }

    /// Whether these bytes begin as a serialized module does.
    pub fn is_artifact(bytes: &[u8]) -> bool {
        artifact::is_artifact(bytes)
    }

    /// What a serialized module was compiled with, from its first 16 KiB or more: an engine with other
    /// settings does not take it. `None` if these bytes are not the beginning of one of this version. They
    /// are taken at their word: loading checks them.
    pub fn artifact_settings(bytes: &[u8]) -> Option<Settings> {
        artifact::settings(bytes)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.name())
            .field("functions", &self.environ().functions.len())
            .finish_non_exhaustive()
    }
}
