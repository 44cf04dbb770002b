//! A cache entry that turns out to be damaged while its code runs is made again from the module.
//!
//! Compilation of one module by one build for one set of settings gives the same bytes each time, so what was read before stays
//! right, and what is made again is compared with the same digests. A process that has closed its cache, since it runs a guest, makes
//! it for itself alone, and marks the entry: the next run compiles anew. Most runs never need any of this: all that a run keeps for it
//! is the module's file.

use crate::ahead::Artifact;
use crate::cache::{Cache, Key};
use crate::config::CompilerKind;
use crate::engine::Engine;
use crate::pipeline::MAX_BINARY;
use sconce_environ::index::DefinedFuncIndex;
use sconce_runtime as rt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// Stack for the thread that compiles: as much as a first thread usually has.
const STACK: usize = 8 << 20;

/// How an entry is made again.
pub(crate) struct Remake {
    pub(crate) engine: Engine,
    pub(crate) cache: Arc<Cache>,
    pub(crate) key: Key,
    pub(crate) entry: Arc<OwnedFd>,
    /// Who compiled it.
    pub(crate) compiler: CompilerKind,
    /// Of both, which functions the better one has compiled. Before that is known it cannot be made again.
    pub(crate) hot: OnceLock<Vec<DefinedFuncIndex>>,
    /// The module's file, and the hash of what it must hold.
    pub(crate) file: File,
    pub(crate) content: blake3::Hash,
    pub(crate) made: OnceLock<Option<Vec<u8>>>,
}

impl Remake {
    /// Compiles the module, and replaces the entry, if the cache is open.
    fn make(&self) -> Option<Vec<u8>> {
        log::debug!("cache entry {} is damaged, and is made again", self.key.name());
        let made = self.compile();
        if let Some(bytes) = &made {
            self.cache.store(self.key, |_, out| out.write_all(bytes));
        } else {
            log::debug!("cache entry {} cannot be made again", self.key.name());
        }
        made
    }

    fn compile(&self) -> Option<Vec<u8>> {
        // What its file has grown to since is nothing to read.
        let len = self.file.metadata().ok().map(|m| m.len()).filter(|&len| len < MAX_BINARY)?;
        let mut module = Vec::new();
        module.try_reserve_exact(len as usize).ok()?;
        module.resize(len as usize, 0);
        // Its position is whoever's opened the file.
        self.file.read_exact_at(&mut module, 0).ok()?;
        if blake3::hash(&module) != self.content {
            return None;
        }
        let artifact = Artifact::by(&self.engine, self.compiler, self.hot.get()?, module, None).ok()?;
        let mut bytes = Vec::new();
        // Without a seal it differs in what is not read again.
        artifact.write_for(self.cache.seal(self.key).as_ref(), &mut bytes).ok()?;
        Some(bytes)
    }
}

impl rt::Remake for Remake {
    fn bytes(&self) -> Option<&[u8]> {
        let make = || {
            // Whatever comes of this, the next run is not to meet it.
            self.cache.give_up(self.key, &self.entry);
            // A handler's stack is too small for a compiler, and what it has blocked is not to stay so in the threads made here.
            let work = || {
                rt::unblock();
                self.make()
            };
            let builder = std::thread::Builder::new().name("remake".into()).stack_size(STACK);
            std::thread::scope(|scope| builder.spawn_scoped(scope, work).ok()?.join().ok().flatten())
        };
        self.made.get_or_init(make).as_deref()
    }
}

impl std::fmt::Debug for Remake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remake").field("key", &self.key).finish_non_exhaustive()
    }
}
