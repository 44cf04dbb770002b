//! The cache is given the best code for a module, before a run asks for it.

use crate::ahead::Artifact;
use crate::artifact::{self, Source};
use crate::cache::{Key, Others};
use crate::config::CompilerKind;
use crate::engine::Engine;
use crate::error::Error;
use crate::load::{key, read_whole};
use crate::module::Module;
use crate::pipeline::Progress;

/// What [`Module::warm`] came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// The code is in the cache from now on.
    Now,
    /// It was there.
    Before,
    /// Another process is compiling it.
    Elsewhere,
    /// The module is not the one that was meant.
    Changed,
    /// The cache is off, or cannot be used or written; [`Engine::cache_problem`] and the log say why.
    NoCache,
}

impl Module {
    /// Has a module in binary or text form compiled for the engine's cache by the best compiler that the engine takes code from,
    /// unless that was done before, or is being done by another process that is not waited for. Nothing is loaded. With `meant`, only
    /// what has this hash is compiled ([`Module::content`]): a file may have changed since it was read for another purpose.
    ///
    /// # Errors
    /// As [`Module::new_with_progress`].
    pub fn warm(
        engine: &Engine,
        bytes: Vec<u8>,
        meant: Option<[u8; 32]>,
        others: Others,
        progress: Option<&dyn Progress>,
    ) -> Result<Warmed, Error> {
        warm(engine, engine.inner.compilers.preferred(), bytes, meant, others, progress)
    }

    /// The same by the compiler whose code a run would not wait for, if the engine takes both compilers' code: for a module that a run
    /// has begun without compiling all of it.
    ///
    /// # Errors
    /// As [`Module::warm`].
    pub fn warm_at_once(
        engine: &Engine,
        bytes: Vec<u8>,
        meant: Option<[u8; 32]>,
        progress: Option<&dyn Progress>,
    ) -> Result<Warmed, Error> {
        warm(engine, engine.inner.compilers.choice(), bytes, meant, Others::GoFirst, progress)
    }

    /// The hash (BLAKE3) of the bytes that it was compiled from, if there is a cache, which knows modules by it.
    pub fn content(&self) -> Option<[u8; 32]> {
        self.compiled().content.get().map(|content| *content.as_bytes())
    }

    /// Whether the engine has a cache (closed or not), and would rather have found other code there than what this module has: with
    /// [`crate::Tier::Auto`], Cranelift's instead of Lightbeam's. [`Module::warm`] makes it.
    pub fn awaits_better_code(&self) -> bool {
        let engine = self.engine();
        self.compiled().compiler != engine.inner.compilers.preferred() && !engine.debugger() && engine.had_cache()
    }
}

fn warm(
    engine: &Engine,
    compiler: CompilerKind,
    bytes: Vec<u8>,
    meant: Option<[u8; 32]>,
    others: Others,
    progress: Option<&dyn Progress>,
) -> Result<Warmed, Error> {
    let Some(cache) = engine.cache() else { return Ok(Warmed::NoCache) };
    let content = blake3::hash(&bytes);
    if meant.is_some_and(|meant| content != meant) {
        return Ok(Warmed::Changed);
    }
    let key = key(engine, compiler, content)?;
    let claim = cache.claim(key, others);
    // After the claim: who had it before may have written the entry.
    if is_whole(engine, key)? {
        return Ok(Warmed::Before);
    }
    let Some(_claim) = claim else { return Ok(Warmed::Elsewhere) };
    let artifact = Artifact::by(engine, compiler, bytes, progress)?;
    let written = cache.store(key, |seal, out| artifact.write_for(Some(seal), out));
    if written {
        return Ok(Warmed::Now);
    }
    cache.check_writable().unwrap_or_else(|problem| engine.note_cache_problem(problem));
    Ok(Warmed::NoCache)
}

/// Whether the cache has this entry, undamaged. One that is not whole goes.
fn is_whole(engine: &Engine, key: Key) -> Result<bool, Error> {
    let Some(cache) = engine.cache() else { return Ok(false) };
    let (Some(entry), Some(seal)) = (cache.open_entry(key), cache.seal(key)) else { return Ok(false) };
    let bytes = read_whole(&entry)?;
    match artifact::read(&engine.inner.compilers, &Source::Bytes(&bytes), Some(&seal)) {
        Ok(_) => Ok(true),
        Err(Error::Artifact(e)) => {
            cache.remove_damaged(key, &e);
            Ok(false)
        }
        Err(e) => Err(e),
    }
}
