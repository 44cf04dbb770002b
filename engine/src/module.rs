//! A compiled module.

use crate::artifact::Parts;
use crate::cache::Key;
use crate::data;
use crate::engine::CompilerKind;
use crate::error::Error;
use crate::file_state::{Clock, FileState};
use crate::link::{self, Job, Linked};
use crate::sections::Section;
use crate::types::extern_type;
use crate::used::Used;
use crate::{Engine, ExportType, ImportType, source, text};
use sconce_environ as environ;
use sconce_environ::decode::{Decoded, decode};
use sconce_environ::index::{FuncIndex, TypeId};
use sconce_environ::module::{EntityIndex, EntityType};
use sconce_environ::names::{self, Names};
use sconce_environ::registry;
use sconce_runtime as rt;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// A validated and compiled module. Cheap to clone; clones are the same module.
#[derive(Clone)]
pub struct Module {
    pub(crate) inner: Arc<ModuleInner>,
}

pub(crate) struct ModuleInner {
    pub(crate) engine: Engine,
    /// Whose code it is.
    pub(crate) compiler: CompilerKind,
    pub(crate) loaded: Arc<rt::LoadedModule>,
    /// Offset of the first thunk in text.
    pub(crate) thunks: u32,
    /// Contents of all data segments.
    pub(crate) data: Arc<Section>,
    /// What only backtraces need.
    pub(crate) debug: Arc<DebugSections>,
    exports: OnceLock<HashMap<String, EntityIndex>>,
    /// Which of its text and data is used, if the cache wants to know.
    pub(crate) used: OnceLock<Used>,
}

/// What only backtraces need: never looked at while everything goes well.
#[derive(Default)]
pub(crate) struct DebugSections {
    /// [`environ::code_tables::WasmOffsets`] of the text.
    pub(crate) offsets: Section,
    /// The name section and DWARF.
    pub(crate) custom: Vec<(String, Section)>,
    /// Where the code section's contents begin in the binary.
    pub(crate) code_offset: u32,
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
    /// Compiles a module in binary or text form (a first line `#!` is skipped), or takes it from the engine's cache. Nobody may
    /// write to `bytes` meanwhile: a mapping of a file would not do.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Decode`], [`Error::Compile`], [`Error::Resources`].
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        Module::cached(engine, bytes, None)
    }

    /// The same, and tells of its progress.
    ///
    /// # Errors
    /// As [`Module::new`], and [`Error::Cancelled`].
    pub fn new_with_progress(engine: &Engine, bytes: &[u8], progress: &dyn Progress) -> Result<Module, Error> {
        Module::cached(engine, bytes, Some(progress))
    }

    /// The same from a file, which is read to its end. If the cache has the module, the file's bytes are only hashed, or not even
    /// that if it is known to be unchanged.
    ///
    /// # Errors
    /// As [`Module::new_with_progress`]; [`Error::Io`].
    pub fn from_file(engine: &Engine, file: &File, progress: Option<&dyn Progress>) -> Result<Module, Error> {
        let length = file.metadata().ok().filter(|m| m.is_file()).map(|m| m.len());
        let mut sample = [0; 4096];
        let plausible = |length| file.read_at(&mut sample, 0).is_ok_and(|n| source::may_be_module(&sample[..n], length));
        if let Some(cache) = engine.cache()
            && length.is_some_and(plausible)
        {
            let state = FileState::of(file).map(|state| (state, Clock::read()));
            if let Some(content) = state.and_then(|(state, clock)| cache.remembered(&state, clock))
                && let Some(module) = cache.load_any(engine, content, Some(file))?
            {
                return Ok(module);
            }
            if let Some(content) = hash_file(file)
                && let Some(module) = cache.load_any(engine, content, Some(file))?
            {
                if let Some((state, clock)) = state.filter(|(state, _)| FileState::of(file).as_ref() == Some(state)) {
                    cache.remember(&state, content, clock);
                }
                return Ok(module);
            }
        }
        // A private copy, hashed again: the file may change at any time.
        let bytes = source::read_module(file, length)?;
        Module::cached(engine, &bytes, progress)
    }

    fn cached(engine: &Engine, bytes: &[u8], progress: Option<&dyn Progress>) -> Result<Module, Error> {
        let Some(cache) = engine.cache() else { return Module::compile(engine, bytes, progress) };
        let content = blake3::hash(bytes);
        if let Some(module) = cache.load_any(engine, content, None)? {
            return Ok(module);
        }
        let module = Module::compile(engine, bytes, progress)?;
        // An entry is written from the code that runs. Debuggers write breakpoints there, which would be another run's.
        if engine.debugger() {
            return Ok(module);
        }
        let key = Key::new(engine, module.inner.compiler, content)?;
        let (cache, parts) = (cache.clone(), Parts::of(&module)?);
        // Beside the run, which need not wait for it; the engine waits at the end.
        engine.in_background(move || cache.store(key, |out| parts.write(Some(key), out)));
        Ok(module)
    }

    fn compile(engine: &Engine, bytes: &[u8], progress: Option<&dyn Progress>) -> Result<Module, Error> {
        let binary = text::to_binary(bytes)?;
        let Compilation { compiler, mut decoded, linked } = Compilation::new(engine, None, &binary, progress)?;
        let Linked { text, thunks, tables, offsets } = linked;
        let debug = DebugSections {
            offsets: Section::from(offsets.0),
            custom: debug_sections(&decoded, &binary).map(|(name, s)| (name.to_owned(), Section::from(s.to_vec()))).collect(),
            code_offset: code_offset(&decoded),
        };
        let code = engine.inner.space.load(&text, tables.map(rt::TableBytes::from))?;
        let mut module = std::mem::take(&mut decoded.module);
        let data = data::contents(&mut module, &decoded.data, &binary);
        Ok(Module::assemble(engine, compiler, Arc::new(module), code, thunks, (Section::from(data), None), debug))
    }

    /// A module from its parts.
    pub(crate) fn assemble(
        engine: &Engine,
        compiler: CompilerKind,
        module: Arc<environ::module::Module>,
        code: Arc<rt::CodeRegion>,
        thunks: u32,
        (data, lazy_data): (Section, Option<rt::LazyData>),
        debug: DebugSections,
    ) -> Module {
        let data = Arc::new(data);
        let loaded = rt::LoadedModule::new(rt::ModuleParts {
            type_ids: engine.register(&module),
            module,
            code,
            thunks,
            data: data.clone(),
            lazy_data,
            bounds: engine.bounds(),
        });
        let inner = ModuleInner {
            engine: engine.clone(),
            compiler,
            loaded,
            thunks,
            data,
            debug: Arc::new(debug),
            exports: OnceLock::new(),
            used: OnceLock::new(),
        };
        let module = Module { inner: Arc::new(inner) };
        if let Some(listeners) = &engine.inner.listeners {
            listeners.module(&module);
        }
        module
    }

    /// Decodes and validates without compiling.
    ///
    /// # Errors
    /// [`Error::Text`], [`Error::Decode`].
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<(), Error> {
        let binary = text::to_binary(bytes)?;
        let decoded = decode(&binary, engine.inner.config.features)?;
        link::validate(&decoded, &binary, engine.inner.config.parallel, &|| true)
    }

    /// Notes in the cache which of its code and data has been used, so that the next process that loads it brings that in at once. For the
    /// end of a run; does nothing for a module that was not loaded from a file, or without a cache.
    pub fn note_use(&self) {
        if let Some(used) = self.inner.used.get() {
            used.note(&self.inner.loaded);
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
            ty: extern_type(&self.engine().types(), &self.registry_type(&import.kind)),
        })
    }

    /// What it offers, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType> + '_ {
        self.environ().exports.iter().map(|export| ExportType {
            name: export.name.clone(),
            ty: extern_type(&self.engine().types(), &self.registry_type(&self.environ().entity_type(export.entity))),
        })
    }

    /// An export.
    pub(crate) fn export(&self, name: &str) -> Option<EntityIndex> {
        let exports = &self.environ().exports;
        // Most have so few, or are asked so seldom, that a table does not pay.
        if exports.len() < 16 {
            return exports.iter().find(|e| e.name == name).map(|e| e.entity);
        }
        let table = || exports.iter().map(|e| (e.name.clone(), e.entity)).collect();
        self.inner.exports.get_or_init(table).get(name).copied()
    }

    /// The decoded module.
    pub fn environ(&self) -> &environ::module::Module {
        self.inner.loaded.module()
    }

    /// Its name, from the name section.
    pub fn name(&self) -> Option<&str> {
        self.environ().name.as_deref()
    }

    /// A function's name, from the name section, as it is written there.
    pub fn function_name(&self, func: FuncIndex) -> Option<String> {
        names::find(self.custom_section("name")?, Names::Functions, &[func.as_u32()], &mut || true)[0].map(str::to_owned)
    }

    /// A custom section that is kept for backtraces: `name` and `.debug_*`. Read from the artifact when it is first asked for;
    /// `None` if there is none, or if the artifact's file is damaged there.
    pub fn custom_section(&self, name: &str) -> Option<&[u8]> {
        let (_, section) = self.inner.debug.custom.iter().find(|(n, _)| n == name)?;
        section.bytes()
    }

    /// Where the code section's contents begin in the binary, in bytes: DWARF addresses count from there.
    pub fn code_section_offset(&self) -> u32 {
        self.inner.debug.code_offset
    }

    /// The wasm offset of the operator that the instruction at this offset of text belongs to.
    pub(crate) fn wasm_offset(&self, offset: u32) -> Option<u32> {
        self.inner.loaded.code().tables().wasm_offset_at(self.inner.debug.offsets.bytes()?, offset)
    }

    /// A type of this module with canonical ids.
    pub(crate) fn registry_type(&self, ty: &EntityType) -> registry::ExternType {
        let ids = self.inner.loaded.type_ids();
        let mut id = |index: environ::index::TypeIndex| -> TypeId { ids[index.as_u32() as usize] };
        match *ty {
            EntityType::Func(index) => registry::ExternType::Func(id(index)),
            EntityType::Table(ty) => registry::ExternType::Table(ty.map(&mut id)),
            EntityType::Memory(ty) => registry::ExternType::Memory(ty),
            EntityType::Global(ty) => registry::ExternType::Global(ty.map(&mut id)),
            EntityType::Tag(index) => registry::ExternType::Tag(id(index)),
        }
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

/// The hash of a regular file's contents, read in blocks and not kept; its position stays.
fn hash_file(file: &File) -> Option<blake3::Hash> {
    const BLOCK: usize = 256 << 10;
    let metadata = file.metadata().ok().filter(|m| m.is_file())?;
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; BLOCK.min(usize::try_from(metadata.len()).ok()? + 1)];
    let mut at = 0;
    loop {
        match file.read_at(&mut block, at).ok()? {
            0 => return Some(hasher.finalize()),
            n => {
                hasher.update(&block[..n]);
                at += n as u64;
            }
        }
    }
}

/// What compiling a binary gives, before anything is done with it.
pub(crate) struct Compilation {
    pub(crate) compiler: CompilerKind,
    pub(crate) decoded: Decoded,
    pub(crate) linked: Linked,
}

impl Compilation {
    /// By this compiler, if it says which.
    pub(crate) fn new(
        engine: &Engine,
        compiler: Option<CompilerKind>,
        binary: &[u8],
        progress: Option<&dyn Progress>,
    ) -> Result<Compilation, Error> {
        let mut decoded = decode(binary, engine.inner.config.features)?;
        let parallel = engine.inner.config.parallel;
        let compiler = compiler.unwrap_or_else(|| engine.compiler_for(&decoded));
        let job = Job { engine, compiler, bytes: binary, decoded: &decoded, parallel, progress };
        let linked = link::compile(&job)?;
        decoded.module.data_can_be_named = data::is_named(&decoded, binary);
        Ok(Compilation { compiler, decoded, linked })
    }
}

/// What backtraces need of a binary: names and contents of sections.
pub(crate) fn debug_sections<'a>(decoded: &'a Decoded, binary: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let wanted = |name: &str| name == "name" || name.starts_with(".debug_");
    let contents = |range: &Range<u32>| &binary[range.start as usize..range.end as usize];
    decoded.custom_sections.iter().filter(move |s| wanted(&s.name)).map(move |s| (s.name.as_str(), contents(&s.contents)))
}

/// Where the code section's contents begin in a binary.
pub(crate) fn code_offset(decoded: &Decoded) -> u32 {
    decoded.code.as_ref().map_or(0, |range| range.start)
}
