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
use std::collections::BTreeSet;

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
        if !engine.inner.compilers.is_auto() {
            return Ok(Warmed::NoCache);
        }
        let content = blake3::hash(&bytes);
        if meant.is_some_and(|meant| content != meant) {
            return Ok(Warmed::Changed);
        }
        let key = key(engine, CompilerKind::Both, content)?;
        let before = entry(engine, key)?.map_or_else(Vec::new, |parts| parts.hot);
        let decoded = decode(&text::to_binary(&bytes)?, engine.inner.config.features)?;
        let new =
            hot.iter().filter(|&&func| (func as usize) < decoded.bodies.len()).map(|&func| DefinedFuncIndex::from_u32(func));
        // What is there stays: two programs for which there is no room together are not to take turns.
        let hot = worthwhile(&decoded, before.iter().copied().chain(new));
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
    let mut hot = BTreeSet::new();
    for func in functions {
        if let Some(rest) = decoded.bodies.get(func).and_then(|body| left.checked_sub(body.len()))
            && hot.insert(func)
        {
            left = rest;
        }
    }
    hot.into_iter().collect()
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
    if entry(engine, key)?.is_some_and(|parts| hot.iter().all(|func| parts.hot.binary_search(func).is_ok())) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CacheMode, Config};
    use crate::handles::Instance;
    use crate::store::Store;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    const FUNCTIONS: u32 = 3000;

    /// Functions that give their number and their argument together, enough of them for text that is read as it is used.
    fn module() -> String {
        let padding = "(local.set 0 (i32.xor (i32.rotl (local.get 0) (i32.const 3)) (i32.const 0)))".repeat(40);
        let function = |n| {
            format!(
                "(func (export \"f{n}\") (param i32) (result i32) (if (local.get 0) (then (return (i32.add (local.get 0) (i32.const {n}))))) {padding} (local.get 0))"
            )
        };
        format!("(module {})", (0..FUNCTIONS).map(function).collect::<String>())
    }

    fn engine(dir: &Path) -> Engine {
        let config = Config::new().cache(CacheMode::Dir(dir.join("cache"))).cache_key(dir.join("state/key"));
        Engine::new(&config.hold_background(true)).expect("an engine")
    }

    fn check(engine: &Engine, module: &Module, functions: impl Iterator<Item = u32>) {
        let mut store = Store::new(engine, ()).expect("a store");
        let instance = Instance::new(&mut store, module, &[]).expect("an instance");
        for n in functions {
            let f = instance.get_typed_func::<i32, i32>(&mut store, &format!("f{n}")).expect("a function");
            assert_eq!(f.call(&mut store, 5).expect("it returns"), 5 + n as i32);
        }
    }

    #[test]
    fn functions_of_both_compilers_are_an_entry_that_grows_and_is_made_again() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path();
        let binary = wat::parse_str(module()).expect("a module");
        std::fs::write(dir.join("app.wasm"), &binary).expect("a file");
        let load = |engine: &Engine| {
            let file = File::open(dir.join("app.wasm")).expect("a file");
            Module::from_file(engine, &file, None).expect("a module")
        };
        let meant = Some(*blake3::hash(&binary).as_bytes());
        let warm = |hot: &[u32]| Module::warm_hot(&engine(dir), binary.clone(), meant, hot, None).expect("it is valid");
        let hot_now = || {
            let engine = engine(dir);
            let module = load(&engine);
            assert_eq!((module.compiler(), module.awaits_better_code()), ("lightbeam and cranelift", true));
            check(&engine, &module, (0..FUNCTIONS).step_by(97));
            module.compiled().hot.iter().map(|func| func.as_u32()).collect::<Vec<_>>()
        };
        // Whatever is said, what is no function is none.
        assert_eq!(warm(&[7, u32::MAX, 3, 7, FUNCTIONS, 2999]), Warmed::Now);
        assert_eq!(hot_now(), [3, 7, 2999]);
        assert_eq!(warm(&[7]), Warmed::Before);
        assert_eq!(warm(&[]), Warmed::Before);
        assert_eq!(warm(&[100, 7]), Warmed::Now);
        assert_eq!(hot_now(), [3, 7, 100, 2999], "what was there stays");
        // More than is soon done: what is named first comes first.
        let all: Vec<u32> = (0..FUNCTIONS).rev().collect();
        assert_eq!(warm(&all), Warmed::Now);
        let most = hot_now();
        assert!(most.len() > 100 && most.len() < FUNCTIONS as usize && most.last() == Some(&(FUNCTIONS - 1)), "{}", most.len());
        assert_eq!(Module::warm_hot(&engine(dir), binary.clone(), Some([0; 32]), &[1], None).expect("no error"), Warmed::Changed);

        // Each byte of it that is damaged after it was opened is made again, by both compilers.
        let cached = engine(dir).cached_files().expect("a directory").expect("a cache");
        let entry = cached.iter().find(|file| file.bytes > 1 << 20).expect("an entry");
        let entry = File::options().write(true).open(dir.join("cache").join(&entry.name)).expect("a file");
        let engine = engine(dir);
        let module = load(&engine);
        let len = entry.metadata().expect("metadata").len();
        for at in ((1 << 20)..len).step_by(4096) {
            entry.write_all_at(&[0xcc; 16], at).expect("it is written");
        }
        check(&engine, &module, 0..FUNCTIONS);

        // Cranelift's code of everything is better.
        assert_eq!(
            Module::warm(&self::engine(dir), binary.clone(), meant, Others::GoFirst, None).expect("it is valid"),
            Warmed::Now
        );
        let engine = self::engine(dir);
        assert_eq!(load(&engine).compiler(), "cranelift");
    }
}
