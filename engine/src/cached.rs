//! What the cache has, for people who look at it and clean it.

use crate::artifact;
use crate::cache::{Key, Listed};
use crate::engine::Engine;
use crate::error::Error;
use crate::load::key;
use std::time::SystemTime;

/// A file of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedFile {
    /// Its name: of a module's code a hash of all that it depends on.
    pub name: String,
    /// What it is.
    pub kind: CachedKind,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was used last, to the hour.
    pub last_use: SystemTime,
}

/// What a file of the cache is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedKind {
    /// A module's code. What is said of it is taken from the file at its word.
    Code {
        /// Who compiled it: `Cranelift`, `Lightbeam`; `None` if another version wrote it, or if it is damaged.
        compiler: Option<&'static str>,
        /// Whether a run found it damaged: the next one makes it anew.
        damaged: bool,
    },
    /// What is known of a module's file, or which of its code runs have used.
    Note,
    /// What is being written, or was when its process ended.
    Unfinished,
}

impl From<Listed> for CachedFile {
    fn from(file: Listed) -> CachedFile {
        let Listed { name, unfinished, damaged, bytes, last_use, head } = file;
        let kind = if unfinished {
            CachedKind::Unfinished
        } else if artifact::is_artifact(&head) {
            CachedKind::Code { compiler: artifact::compiler(&head), damaged }
        } else {
            CachedKind::Note
        };
        CachedFile { name, kind, bytes, last_use }
    }
}

impl Engine {
    /// All files of the cache, those first that were used last; `None` if there is no cache ([`Engine::cache_problem`] may say why).
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn cached_files(&self) -> Result<Option<Vec<CachedFile>>, Error> {
        let Some(cache) = self.cache() else { return Ok(None) };
        let mut files: Vec<CachedFile> = cache.list().map_err(Error::Io)?.into_iter().map(CachedFile::from).collect();
        files.sort_by(|a, b| b.last_use.cmp(&a.last_use).then_with(|| a.name.cmp(&b.name)));
        Ok(Some(files))
    }

    /// The names of the files that have the code of the module with these bytes, as this engine's compilers make it, whether they are
    /// there or not.
    ///
    /// # Errors
    /// If a compiler does not know this machine.
    pub fn cached_names(&self, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let content = blake3::hash(bytes);
        let keys = self.inner.compilers.accepted().iter().map(|&compiler| key(self, compiler, content));
        keys.map(|key| key.map(Key::name)).collect()
    }

    /// Removes a file of the cache; gives how many bytes it had. One that is no longer there is no error, and neither are runs that
    /// use it: they keep what they have open.
    pub fn remove_cached(&self, name: &str) -> u64 {
        self.cache().map_or(0, |cache| cache.clean(name))
    }

    /// Bytes that the cache may hold.
    pub fn cache_limit(&self) -> u64 {
        self.inner.config.cache_limit
    }
}
