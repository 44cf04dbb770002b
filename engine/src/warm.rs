//! The cache is given the best code for a module, before a run asks for it.

use crate::ahead::Artifact;
use crate::artifact::{self, Parts, Source};
use crate::cache::{Key, Others};
use crate::config::CompilerKind;
use crate::engine::Engine;
use crate::error::Error;
use crate::load::{key, read_whole};
use crate::module::Module;
use crate::pipeline::{Progress, text};
use sconce_environ::decode::{Decoded, decode};
use sconce_environ::index::DefinedFuncIndex;

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
        warm(engine, (engine.inner.compilers.preferred(), &[]), bytes, meant, others, progress)
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
        warm(engine, (engine.inner.compilers.choice(), &[]), bytes, meant, Others::GoFirst, progress)
    }

    /// The same with code by Cranelift for these functions, as [`Module::hot_functions`] has them, and for those for which earlier runs had it
    /// made; all of that as far as it is soon done. Numbers that are no functions' are left out: they may have come from anywhere.
    ///
    /// # Errors
    /// As [`Module::warm`].
    pub fn warm_hot(
        engine: &Engine,
        bytes: Vec<u8>,
        meant: Option<[u8; 32]>,
        hot: &[u32],
        progress: Option<&dyn Progress>,
    ) -> Result<Warmed, Error> {
        let (Some(cache), true) = (engine.cache(), engine.inner.compilers.is_auto()) else { return Ok(Warmed::NoCache) };
        let key = key(engine, CompilerKind::Both, blake3::hash(&bytes))?;
        let before = entry(engine, key)?.map_or_else(Vec::new, |parts| parts.hot);
        let decoded = decode(&text::to_binary(&bytes)?, engine.inner.config.features)?;
        let hot = worthwhile(&decoded, hot.iter().map(|&func| DefinedFuncIndex::from_u32(func)).chain(before.iter().copied()));
        if hot.iter().all(|func| before.binary_search(func).is_ok()) {
            return Ok(Warmed::Before);
        }
        // What was there is less.
        cache.clean(&key.name());
        warm(engine, (CompilerKind::Both, &hot), bytes, meant, Others::GoFirst, progress)
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

/// As many of these functions as Cranelift compiles in less than a second, in order.
fn worthwhile(decoded: &Decoded, functions: impl Iterator<Item = DefinedFuncIndex>) -> Vec<DefinedFuncIndex> {
    /// Bytes of bodies.
    const MOST: usize = 256 << 10;
    let mut left = MOST;
    let fits = |&func: &DefinedFuncIndex| {
        let Some(body) = decoded.bodies.get(func) else { return false };
        match left.checked_sub(body.len()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        }
    };
    let mut hot: Vec<DefinedFuncIndex> = functions.filter(fits).collect();
    hot.sort_unstable();
    hot.dedup();
    hot
}

fn warm(
    engine: &Engine,
    (compiler, hot): (CompilerKind, &[DefinedFuncIndex]),
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
    if entry(engine, key)?.is_some() {
        return Ok(Warmed::Before);
    }
    let Some(_claim) = claim else { return Ok(Warmed::Elsewhere) };
    let artifact = Artifact::by(engine, compiler, hot, bytes, progress)?;
    let written = cache.store(key, |seal, out| artifact.write_for(Some(seal), out));
    if written {
        return Ok(Warmed::Now);
    }
    cache.check_writable().unwrap_or_else(|problem| engine.note_cache_problem(problem));
    Ok(Warmed::NoCache)
}

/// What this entry of the cache has, if there is one and it is undamaged. One that is not whole goes.
fn entry(engine: &Engine, key: Key) -> Result<Option<Parts>, Error> {
    let Some(cache) = engine.cache() else { return Ok(None) };
    let (Some(entry), Some(seal)) = (cache.open_entry(key), cache.seal(key)) else { return Ok(None) };
    let bytes = read_whole(&entry)?;
    match artifact::read(&engine.inner.compilers, &Source::Bytes(&bytes), Some(&seal)) {
        Ok(parts) => Ok(Some(parts)),
        Err(Error::Artifact(e)) => {
            cache.remove_damaged(key, &e);
            Ok(None)
        }
        Err(e) => Err(e),
    }
}
