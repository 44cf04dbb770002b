//! How modules come to be: compiled from bytes, taken from the cache, read from an artifact.

use crate::artifact::{self, Identity, Parts, Seal, Source, Text};
use crate::cache::{Cache, Clock, FileState, Key, Used};
use crate::causes::ResourceFailure;
use crate::compiled::{CompiledModule, DebugSections, Learned};
use crate::config::CompilerKind;
use crate::engine::Engine;
use crate::error::Error;
use crate::lazy::{LazyCode, LazyContents};
use crate::learn::Look;
use crate::module::Module;
use crate::pipeline::{
    self, Compilation, Pieces, Progress, code_offset, debug_sections, kept_sections, may_be_module, read_module, text,
};
use crate::remake::Remake;
use crate::section::{Section, read_exact_at};
use sconce_environ as environ;
use sconce_environ::decode::{CustomSection, decode};
use sconce_environ::index::DefinedFuncIndex;
use sconce_runtime as rt;
use std::borrow::Cow;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

impl Module {
    /// Compiles a module in binary or text form (a first line `#!` is skipped), or takes it from the engine's cache. Nobody may
    /// write to `bytes` meanwhile: a mapping of a file would not do.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Decode`], [`Error::Compile`], [`Error::Resources`].
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        from_bytes(engine, bytes, None)
    }

    /// The same, and tells of its progress.
    ///
    /// # Errors
    /// As [`Module::new`], and [`Error::Cancelled`].
    pub fn new_with_progress(engine: &Engine, bytes: &[u8], progress: &dyn Progress) -> Result<Module, Error> {
        from_bytes(engine, bytes, Some(progress))
    }

    /// The same from a file, which is read to its end. If the cache has the module, the file's bytes are only hashed, or not even
    /// that if it is known to be unchanged.
    ///
    /// # Errors
    /// As [`Module::new_with_progress`]; [`Error::Io`].
    pub fn from_file(engine: &Engine, file: &File, progress: Option<&dyn Progress>) -> Result<Module, Error> {
        let length = file.metadata().ok().filter(|m| m.is_file()).map(|m| m.len());
        let mut sample = [0; 4096];
        let plausible = |length| file.read_at(&mut sample, 0).is_ok_and(|n| may_be_module(&sample[..n], length));
        let cache = engine.cache().filter(|_| length.is_some_and(plausible));
        let state = cache.and_then(|_| FileState::of(file)).map(|state| (state, Clock::read()));
        let known = cache.zip(state.as_ref()).and_then(|(cache, (state, clock))| cache.remembered(state, *clock));
        if let (Some(cache), Some(content)) = (cache, known)
            && let Some(module) = lookup(engine, cache, content, Some(file))?
        {
            return Ok(module);
        }
        // A private copy, since the file may change at any time: its hash is its own.
        let bytes = read_module(file, length)?;
        let content = engine.cache().map(|_| blake3::hash(&bytes));
        if let (Some(cache), Some(content)) = (cache, content.filter(|_| known.is_none()))
            && let Some(module) = lookup(engine, cache, content, Some(file))?
        {
            if let Some((state, clock)) = state.filter(|(state, _)| FileState::of(file).as_ref() == Some(state)) {
                cache.remember(&state, content, clock);
            }
            return Ok(module);
        }
        compile(engine, bytes.into(), content, progress)
    }

    /// Decodes and validates without compiling.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Decode`].
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<(), Error> {
        let binary = text::to_binary(bytes)?;
        let decoded = decode(&binary, engine.inner.config.features)?;
        pipeline::validate(&decoded, &binary, engine.inner.config.parallel, &|| true)
    }

    /// A module from what [`Module::serialize`] gave. A checksum guards against damage, not against malice: whoever can
    /// forge these bytes can run any code.
    ///
    /// # Errors
    /// [`Error::Artifact`] says which of format, version, CPU, settings or checksum does not match; [`Error::Resources`].
    pub fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        assemble(engine, &Source::Bytes(bytes), None)
    }

    /// The same from a file, of which large parts are read when they are first needed. The file is kept open. Should it change
    /// meanwhile, what does not match its checksum is not run: the process ends with a message then.
    ///
    /// # Errors
    /// As [`Module::deserialize`].
    pub fn deserialize_file(engine: &Engine, file: File) -> Result<Module, Error> {
        assemble(engine, &Source::File(Arc::new(file.into()), None), None)
    }
}

fn from_bytes(engine: &Engine, bytes: &[u8], progress: Option<&dyn Progress>) -> Result<Module, Error> {
    let Some(cache) = engine.cache() else { return compile(engine, bytes.into(), None, progress) };
    let content = blake3::hash(bytes);
    match lookup(engine, cache, content, None)? {
        Some(module) => Ok(module),
        None => compile(engine, bytes.into(), Some(content), progress),
    }
}

/// Compiles a module; with the hash of its bytes, for the cache too.
fn compile(
    engine: &Engine,
    bytes: Cow<'_, [u8]>,
    content: Option<blake3::Hash>,
    progress: Option<&dyn Progress>,
) -> Result<Module, Error> {
    let text = match text::to_binary(&bytes)? {
        Cow::Owned(binary) => Some(binary),
        Cow::Borrowed(_) => None,
    };
    let binary = text.map_or(bytes, Cow::Owned);
    let binary = match lazily(engine, binary, content, progress)? {
        Ok(module) => return Ok(module),
        Err(binary) => binary,
    };
    Ok(Module::of(engine, whole(engine, &binary, content, progress)?, None))
}

/// All of a module, compiled by the first of the engine's compilers; with the hash of its bytes, for the cache too.
fn whole(
    engine: &Engine,
    binary: &[u8],
    content: Option<blake3::Hash>,
    progress: Option<&dyn Progress>,
) -> Result<Arc<CompiledModule>, Error> {
    let inner = &engine.inner;
    let compiler = inner.compilers.choice();
    let Compilation { mut decoded, linked, data } =
        Compilation::new(&inner.compilers, &inner.config, (compiler, &[]), binary, progress)?;
    let debug = DebugSections {
        offsets: Section::from(linked.offsets.0),
        custom: debug_sections(&decoded, binary).map(|(name, s)| (name.to_owned(), Section::from(s.to_vec()))).collect(),
        code_offset: code_offset(&decoded),
    };
    let code = inner.space.load(&linked.text, linked.tables.map(rt::TableBytes::from))?;
    let module = std::mem::take(&mut decoded.module);
    let data = Data::Section(Section::from(data), None);
    let made = Made { compiler, module, code, thunks: linked.thunks, data, debug, hot: Vec::new() };
    let compiled = compiled(engine, made);
    // An entry is written from the code that runs. Debuggers write breakpoints there, which would be another run's.
    if let (Some(cache), Some(content), false) = (engine.cache(), content, engine.debugger()) {
        let _ = compiled.content.set(content);
        cache.check_writable().unwrap_or_else(|problem| engine.note_cache_problem(problem));
        let (cache, key, compiled) = (cache.clone(), key(engine, compiler, content)?, compiled.clone());
        let identity = Identity::of(&inner.compilers, compiler)?;
        let store = move || {
            cache.store(key, |seal, out| compiled.write(&identity, Some(seal), out));
        };
        if inner.config.hold_background {
            store();
        } else {
            // Beside the run, which need not wait for it; the engine waits at the end.
            engine.in_background(store);
        }
    }
    Ok(compiled)
}

/// The module with its functions left as they are, to be compiled when they are called, where that is wanted and can be; otherwise
/// its bytes.
fn lazily<'a>(
    engine: &Engine,
    binary: Cow<'a, [u8]>,
    content: Option<blake3::Hash>,
    progress: Option<&dyn Progress>,
) -> Result<Result<Module, Cow<'a, [u8]>>, Error> {
    let inner = &engine.inner;
    let Some(least) = inner.config.lazy.filter(|_| inner.compilers.is_auto()) else { return Ok(Err(binary)) };
    // Small modules for the sake of better code alone.
    let pays = |bytes: usize| bytes >= least || engine.moves_up();
    // Listeners are told of a module's functions at once.
    if !pays(binary.len()) || inner.listeners.is_some() || !inner.space.can_grow() {
        return Ok(Err(binary));
    }
    let mut decoded = decode(&binary, inner.config.features)?;
    let bytes = decoded.code.as_ref().map_or(0, |code| (code.end - code.start) as usize);
    if !pays(bytes) {
        return Ok(Err(binary));
    }
    let deferred = bytes >= least;
    // What is wrong with a small module is said before it begins, and the next run finds all of it: neither takes time that
    // anybody notices.
    if !deferred && content.is_some() && engine.cache().is_some() {
        whole(engine, &binary, content, progress)?;
    } else if !deferred {
        pipeline::validate(&decoded, &binary, false, &|| true)?;
    }
    // Segments that no code can name are nothing that code is compiled for.
    pipeline::look_for_names_of_data(&mut decoded, &binary);
    let named = decoded.module.data_can_be_named;
    let segments = if named { decoded.module.data.clone() } else { std::mem::take(&mut decoded.module.data) };
    let escaping: Vec<_> = decoded.module.escaping.iter().filter_map(|&f| decoded.module.defined_func(f)).collect();
    let Ok((code, thunks)) = inner.space.grow(decoded.bodies.len() as u32, escaping.into_iter()) else { return Ok(Err(binary)) };
    let start = code.start().clone();
    let how = (deferred, inner.config.mixed_tiers);
    let lazy = LazyCode::new(engine.replaceable().clone(), Arc::new(binary.into_owned()), decoded, code, how);
    let (decoded, binary) = (lazy.decoded(), lazy.binary());
    let mut module = environ::module::Module { data: segments, ..decoded.module.clone() };
    let mut join = || Pieces::join(&mut module, &decoded.data);
    let pieces = if inner.config.parallel && deferred { lazy.beside(join) } else { join() };
    let section = |s: &CustomSection| Section::part(binary, s.contents.start as usize..s.contents.end as usize);
    let debug = DebugSections {
        offsets: Section::default(),
        custom: kept_sections(decoded).map(|s| (s.name.clone(), section(s))).collect(),
        code_offset: code_offset(decoded),
    };
    let data = Data::Lazy(LazyContents::new(binary, pieces), lazy.clone());
    let made = Made { compiler: CompilerKind::Lightbeam, module, code: start, thunks, data, debug, hot: Vec::new() };
    let compiled = compiled(engine, made);
    engine.work_beside(lazy.work_ahead());
    if let Some(content) = content {
        let _ = compiled.content.set(content);
    }
    Ok(Ok(Module::of(engine, compiled, None)))
}

/// The key of the entry for these contents, as this compiler compiles them here.
pub(crate) fn key(engine: &Engine, compiler: CompilerKind, content: blake3::Hash) -> Result<Key, Error> {
    let compilers = &engine.inner.compilers;
    // What one engine accepts another may have to refuse.
    let features = engine.inner.config.features.wasmparser().bits();
    let settings = artifact::describe(compilers.settings());
    Ok(Key::new(content, &[artifact::version(), compilers.fingerprint(compiler)?, settings, format!("{features:x}")]))
}

/// The module of this content, as the first of the engine's compilers has compiled it of which there is a good entry. `file` has
/// the module's bytes: an entry is then read as it is used, and made again should it turn out to be damaged. Without, all
/// of an entry is looked at now.
fn lookup(engine: &Engine, cache: &Arc<Cache>, content: blake3::Hash, file: Option<&File>) -> Result<Option<Module>, Error> {
    for &compiler in engine.inner.compilers.accepted() {
        let key = key(engine, compiler, content)?;
        let (Some(entry), Some(seal)) = (cache.open_entry(key).map(Arc::new), cache.seal(key)) else { continue };
        let read = match file.and_then(|file| file.try_clone().ok()) {
            Some(file) => {
                let (engine, cache) = (engine.clone(), cache.clone());
                let (engine_of, entry_of) = (engine.clone(), entry.clone());
                let (hot, made) = (OnceLock::new(), OnceLock::new());
                if compiler != CompilerKind::Both {
                    let _ = hot.set(Vec::new());
                }
                let remake = Remake { engine: engine_of, cache, key, entry: entry_of, compiler, hot, file, content, made };
                let remake = Arc::new(remake);
                let module = assemble(&engine, &Source::File(entry.clone(), Some(remake.clone())), Some(&seal));
                if let Ok(module) = &module {
                    let _ = remake.hot.set(module.compiled().hot.clone());
                }
                module
            }
            None => read_whole(&entry).and_then(|bytes| assemble(engine, &Source::Bytes(&bytes), Some(&seal))),
        };
        match read {
            Ok(module) => {
                let _ = module.compiled().content.set(content);
                cache.used(key, &entry);
                return Ok(Some(module));
            }
            Err(Error::Artifact(e)) => cache.remove_damaged(key, &e),
            Err(e) => log::debug!("cache entry {} is not used: {e}", key.name()),
        }
    }
    Ok(None)
}

/// All of an entry, so that whatever is wrong with it is known now.
pub(crate) fn read_whole(entry: &OwnedFd) -> Result<Vec<u8>, Error> {
    let len = rustix::fs::fstat(entry).map_or(0, |stat| stat.st_size.cast_unsigned());
    let mut bytes = Vec::new();
    let room = usize::try_from(len).is_ok_and(|len| bytes.try_reserve_exact(len).is_ok());
    if !room {
        return Err(ResourceFailure::Memory(len).into());
    }
    bytes.resize(len as usize, 0);
    // What cannot be read stays zero, and passes no hash.
    let _ = read_exact_at(entry, &mut bytes, 0);
    Ok(bytes)
}

/// A module from an artifact.
fn assemble(engine: &Engine, source: &Source<'_>, seal: Option<&Seal>) -> Result<Module, Error> {
    let Parts { compiler, module, text, tables, thunks, data, debug, hot, digest } =
        artifact::read(&engine.inner.compilers, source, seal)?;
    let code = match text {
        Text::Whole(text) => engine.inner.space.load(&text, tables)?,
        Text::Lazy(source) => engine.inner.space.load_lazily(source, tables)?,
    };
    let made = Made { compiler, module, code, thunks, data: Data::Section(data.0, data.1), debug, hot };
    let compiled = compiled(engine, made);
    let used = match (source, engine.cache()) {
        (Source::File(..), Some(cache)) => Used::begin(cache, &digest, &compiled.loaded, |data, text| engine.beside(data, text)),
        (Source::File(..) | Source::Bytes(_), _) => None,
    };
    Ok(Module::of(engine, compiled, used))
}

/// Where a module's data is, and with it, if they are compiled when they are called, its functions.
enum Data {
    Section(Section, Option<rt::LazyData>),
    Lazy(LazyContents, Arc<LazyCode>),
}

/// What a module is made of, however it came to be.
struct Made {
    compiler: CompilerKind,
    module: environ::module::Module,
    code: Arc<rt::CodeRegion>,
    thunks: u32,
    data: Data,
    debug: DebugSections,
    hot: Vec<DefinedFuncIndex>,
}

/// Makes a module known to the engine, and to who listens.
fn compiled(engine: &Engine, made: Made) -> Arc<CompiledModule> {
    let Made { compiler, module, code, thunks, data, debug, hot } = made;
    let data_len = match &data {
        Data::Section(section, _) => section.len(),
        Data::Lazy(contents, _) => contents.len(),
    };
    let (section, contents, lazy_data, lazy): (_, Arc<dyn rt::Contents>, _, _) = match data {
        Data::Section(section, lazy_data) => {
            let section = Arc::new(section);
            (section.clone(), section, lazy_data, None)
        }
        Data::Lazy(contents, lazy) => (Arc::default(), Arc::new(contents), None, Some(lazy)),
    };
    // Somebody will want to know what is worth better code, where there is a cache for that.
    let look = (lazy.is_none() && engine.learns(compiler)).then(|| Look::new(&code, hot.clone()));
    if let Some(look) = &look {
        engine.work_beside(look.work());
    }
    let learned: Option<Arc<dyn Learned>> = lazy.clone().map(|lazy| lazy as _).or(look.map(|look| look as _));
    let loaded = rt::LoadedModule::new(rt::ModuleParts {
        type_ids: engine.register(&module),
        module: Arc::new(module),
        code,
        thunks,
        data: contents,
        lazy_data,
        bounds: engine.bounds(),
        lazy: lazy.clone().map(|lazy| lazy as _),
        watch: learned.clone().filter(|_| engine.inner.config.sampling).map(|learned| learned as _),
    });
    let compiled = Arc::new(CompiledModule {
        compiler,
        loaded,
        thunks,
        data: section,
        data_len,
        debug,
        lazy: lazy.map(|lazy| lazy as _),
        hot,
        learned,
        exports: OnceLock::new(),
        content: OnceLock::new(),
    });
    if let Some(listeners) = &engine.inner.listeners {
        listeners.module(&compiled);
    }
    compiled
}
