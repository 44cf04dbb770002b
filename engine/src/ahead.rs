//! Modules compiled ahead of time, for a file.

use crate::artifact::{Contents, Identity, Seal};
use crate::config::CompilerKind;
use crate::engine::Engine;
use crate::error::Error;
use crate::pipeline::{Compilation, Linked, Progress, code_offset, debug_sections, text};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use sconce_environ::decode::Decoded;
use sconce_environ::index::DefinedFuncIndex;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};

/// A compiled module that is written to a file and nothing else: it has never been loaded.
pub struct Artifact {
    identity: Identity,
    binary: Vec<u8>,
    decoded: Decoded,
    linked: Linked,
    data: Vec<u8>,
    hot: Vec<DefinedFuncIndex>,
}

impl Artifact {
    /// Compiles a module in binary or text form, by the best compiler that the engine takes code from: no run
    /// waits for it. The cache is not asked.
    ///
    /// # Errors
    /// As [`crate::Module::new_with_progress`].
    pub fn new(engine: &Engine, bytes: Vec<u8>, progress: Option<&dyn Progress>) -> Result<Artifact, Error> {
        Artifact::by(engine, engine.inner.compilers.preferred(), &[], bytes, progress)
    }

    /// The same by this compiler, or by both: then Cranelift compiles functions that are `hot`, which are in order.
    pub(crate) fn by(
        engine: &Engine,
        compiler: CompilerKind,
        hot: &[DefinedFuncIndex],
        bytes: Vec<u8>,
        progress: Option<&dyn Progress>,
    ) -> Result<Artifact, Error> {
        let text = match text::to_binary(&bytes)? {
            Cow::Owned(binary) => Some(binary),
            Cow::Borrowed(_) => None,
        };
        let binary = text.unwrap_or(bytes);
        let (compilers, config) = (&engine.inner.compilers, &engine.inner.config);
        let Compilation { decoded, linked, data } = Compilation::new(compilers, config, (compiler, hot), &binary, progress)?;
        Ok(Artifact { identity: Identity::of(compilers, compiler)?, binary, decoded, linked, data, hot: hot.to_vec() })
    }

    /// Writes what [`crate::Module::deserialize`] reads, in large pieces.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_for(None, out)
    }

    /// The same as a cache entry's contents, if there is a seal.
    pub(crate) fn write_for(&self, seal: Option<&Seal>, out: &mut dyn Write) -> io::Result<()> {
        self.with_contents(|contents| contents.layout(seal)?.write(out))
    }

    /// The same to a new file, whose room is reserved beforehand where the file system can: so a full one is
    /// known of before anything is written, and no file system has to look for room when the file replaces
    /// another.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_new(&self, file: &mut File) -> io::Result<()> {
        self.with_contents(|contents| {
            let layout = contents.layout(None)?;
            let reserved = rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, layout.len());
            // Of others writing will tell, if they matter: not every file system can do this.
            if let Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) = reserved {
                return Err(e.into());
            }
            layout.write(file)
        })
    }

    fn with_contents<R>(&self, f: impl FnOnce(&Contents<'_>) -> R) -> R {
        let Linked { text, thunks, tables, offsets } = &self.linked;
        let contents = Contents {
            identity: &self.identity,
            module: &self.decoded.module,
            text,
            thunks: *thunks,
            functions: &tables.functions,
            streams: tables.streams.each_ref().map(Vec::as_slice),
            data: &self.data,
            offsets: &offsets.0,
            custom: debug_sections(&self.decoded, &self.binary).collect(),
            code_offset: code_offset(&self.decoded),
            hot: &self.hot,
        };
        f(&contents)
    }
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifact").field("text", &self.linked.text.len()).finish_non_exhaustive()
    }
}
