//! The engine: what all modules and stores of a process (or of one embedding) share.

use crate::cache::Cache;
use crate::causes::ResourceFailure;
use crate::compilers::Compilers;
use crate::config::{CompilerKind, Config};
use crate::debug::Listeners;
use crate::error::Error;
use crate::types::{FuncType, ValType};
use sconce_environ::compile::{BoundsStyle, CallStyle};
use sconce_environ::decode::Features;
use sconce_environ::index::TypeId;
use sconce_environ::registry::TypeRegistry;
use sconce_environ::types::RefKind;
use sconce_runtime as rt;
use sconce_x64::{Class, Signature};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

/// Settings, compiler, canonical types and the code reservation. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<EngineInner>,
}

pub(crate) struct EngineInner {
    pub(crate) config: Config,
    pub(crate) compilers: Compilers,
    /// Those for functions that are called through slots.
    replaceable: OnceLock<Arc<Compilers>>,
    /// Whether there is more than one processor.
    processors: OnceLock<bool>,
    pub(crate) space: Arc<rt::CodeSpace>,
    /// Who is told of code in memory.
    pub(crate) listeners: Option<Arc<Listeners>>,
    notice: Option<String>,
    pub(crate) types: Arc<RwLock<TypeRegistry>>,
    entries: RwLock<HashMap<TypeId, rt::EntryTrampoline>>,
    /// Opened when the first module wants it.
    cache: OnceLock<Option<Arc<Cache>>>,
    /// Why it is of no use, if it should be.
    cache_problem: OnceLock<String>,
    /// Threads that write cache entries. They hold no engine.
    background: Mutex<Vec<JoinHandle<()>>>,
    /// What is to be done beside a program's start; none once that is done at once.
    held: Mutex<Option<Vec<Work>>>,
}

type Work = Box<dyn FnOnce() + Send>;

impl Drop for EngineInner {
    fn drop(&mut self) {
        self.finish_background_work();
    }
}

impl EngineInner {
    fn finish_background_work(&self) {
        let threads = std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic there costs a cache entry.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// An engine.
    ///
    /// # Errors
    /// [`Error::Resources`] if the code reservation or what a forced bounds style needs cannot be had, or a file for `perf`.
    pub fn new(config: &Config) -> Result<Engine, Error> {
        let (bounds, notice) = match config.bounds {
            Some(BoundsStyle::Explicit) => (BoundsStyle::Explicit, None),
            Some(BoundsStyle::Guard) => match rt::guards_unavailable() {
                Some(reason) => return Err(ResourceFailure::Guards(reason).into()),
                None => (BoundsStyle::Guard, None),
            },
            None => match rt::guards_unavailable() {
                Some(reason) => {
                    (BoundsStyle::Explicit, Some(format!("memory accesses are checked explicitly, which is slower: {reason}")))
                }
                None => (BoundsStyle::Guard, None),
            },
        };
        let listeners = Listeners::new(config.debugger, config.perf_map)?;
        let stub_listener = listeners.clone().map(|l| -> Arc<dyn rt::StubListener> { l });
        Ok(Engine {
            inner: Arc::new(EngineInner {
                config: config.clone(),
                compilers: Compilers::new(config, bounds),
                replaceable: OnceLock::new(),
                processors: OnceLock::new(),
                space: rt::CodeSpace::with(rt::CodeSpaceOptions {
                    private: listeners.is_some() || config.private_code,
                    fuel: config.fuel,
                    listener: stub_listener,
                    ..rt::CodeSpaceOptions::default()
                })?,
                listeners,
                notice,
                types: Arc::default(),
                entries: RwLock::new(HashMap::new()),
                cache: OnceLock::new(),
                cache_problem: OnceLock::new(),
                background: Mutex::new(Vec::new()),
                held: Mutex::new(config.hold_background.then(Vec::new)),
            }),
        })
    }

    /// Where machine code is, and all that there will be: no other memory is executable.
    pub fn code_range(&self) -> std::ops::Range<usize> {
        self.inner.space.range()
    }

    /// The bounds style in use.
    pub fn bounds(&self) -> BoundsStyle {
        self.inner.compilers.settings().bounds
    }

    /// One line for people if the automatic choice could not be the fast one.
    pub fn fallback_notice(&self) -> Option<&str> {
        self.inner.notice.as_deref()
    }

    /// A limit of the size that the configuration says ([`crate::Config::max_memory`], [`crate::Config::max_table`]), of which nothing is taken.
    pub fn memory_limit(&self) -> rt::MemoryLimit {
        rt::MemoryLimit::with_tables(self.inner.config.max_memory, self.inner.config.max_table)
    }

    /// The proposals that its modules may use.
    pub fn features(&self) -> Features {
        self.inner.config.features
    }

    /// Whether both are the same engine.
    pub fn same(&self, other: &Engine) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Waits until cache entries that are being written beside the run are complete. Dropping the last clone of the engine
    /// does the same; a program that leaves by `exit` calls this first.
    pub fn finish_background_work(&self) {
        self.inner.finish_background_work();
    }

    /// Starts what [`Config::hold_background`] has kept back, and does at once from now on what it would keep back.
    pub fn begin_background_work(&self) {
        let held = self.held().take();
        held.into_iter().flatten().for_each(|held| self.start_beside(held));
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<Work>>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the cache now, which the first module does otherwise: for a process that opens nothing by name later. Gives whether
    /// there is one.
    pub fn open_cache(&self) -> bool {
        self.cache().is_some()
    }

    /// Gives up the cache, for a process that is about to run what it does not trust: it has neither the directory's descriptor
    /// nor the key from then on, and what it is made to do gets into no later run. Waits for entries that are being written.
    ///
    /// Modules that were loaded go on: what is read of an entry when it is used comes from the entry's own descriptor, which
    /// is open for reading. An entry that turns out to be damaged is compiled again for this process alone, and marked, so that the
    /// next one compiles it anew. [`Module::note_use`](crate::Module::note_use) has its file open. Modules that are loaded later
    /// are compiled as without a cache. What path lookups of the process reach is for it to confine.
    pub fn close_cache(&self) {
        self.finish_background_work();
        if let Some(cache) = self.inner.cache.get_or_init(|| None) {
            cache.close();
        }
    }

    /// Whether debuggers are told of code.
    pub(crate) fn debugger(&self) -> bool {
        self.inner.listeners.as_ref().is_some_and(|listeners| listeners.debugger())
    }

    /// The cache, if there is one and it is open.
    pub(crate) fn cache(&self) -> Option<&Arc<Cache>> {
        let config = &self.inner.config;
        let open = || match Cache::open(&config.cache, config.cache_limit, config.cache_key.as_deref()) {
            Ok(cache) => cache.map(Arc::new),
            Err(problem) => {
                self.note_cache_problem(problem);
                None
            }
        };
        self.inner.cache.get_or_init(open).as_ref().filter(|cache| cache.is_open())
    }

    /// Whether there was one before it was closed.
    pub(crate) fn had_cache(&self) -> bool {
        self.inner.cache.get().is_some_and(Option::is_some)
    }

    /// A line for people on why modules that were loaded so far are not kept in the cache, although the
    /// configuration asks for it.
    pub fn cache_problem(&self) -> Option<&str> {
        self.inner.cache_problem.get().map(String::as_str)
    }

    pub(crate) fn note_cache_problem(&self, problem: String) {
        log::warn!("{problem}");
        // The first one is enough.
        let _ = self.inner.cache_problem.set(problem);
    }

    /// Runs something beside the guest.
    pub(crate) fn in_background(&self, work: impl FnOnce() + Send + 'static) {
        match std::thread::Builder::new().name("cache".into()).spawn(work) {
            Ok(thread) => self.inner.background.lock().unwrap_or_else(PoisonError::into_inner).push(thread),
            Err(e) => log::debug!("no thread for the cache: {e}"),
        }
    }

    /// The compilers for code whose functions can be replaced, and so call each other through slots.
    pub(crate) fn replaceable(&self) -> &Arc<Compilers> {
        let make = || {
            let config = self.inner.config.clone().calls(CallStyle::Slots);
            Arc::new(Compilers::new(&config, self.bounds()))
        };
        self.inner.replaceable.get_or_init(make)
    }

    /// Whether code by this compiler is looked at while it runs, for a later run to have better code.
    pub(crate) fn learns(&self, compiler: CompilerKind) -> bool {
        let config = &self.inner.config;
        config.sampling
            && config.hold_background
            && compiler != self.inner.compilers.preferred()
            && self.had_cache()
            && !self.debugger()
    }

    /// Whether functions get better code while they run.
    pub(crate) fn moves_up(&self) -> bool {
        self.inner.config.mixed_tiers.is_some() || self.inner.config.sampling && self.has_processors()
    }

    /// Whether threads are allowed, and there is a processor for them.
    fn has_processors(&self) -> bool {
        let several = || std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        self.inner.config.parallel && *self.inner.processors.get_or_init(several)
    }

    /// Does work beside a program, from when threads may be started on, if that is allowed at all and there is a processor for it.
    pub(crate) fn work_beside(&self, work: impl FnOnce() + Send + 'static) {
        if !self.has_processors() {
            return;
        }
        match self.held().as_mut() {
            Some(held) => held.push(Box::new(work)),
            None => self.start_beside(work),
        }
    }

    /// Brings in data, which instances wait for, and text, which can as well be left undone, beside a program's start.
    pub(crate) fn beside(&self, data: Work, text: Work) {
        if let Some(held) = self.held().as_mut().filter(|_| self.inner.config.parallel) {
            // Data that was read beside would have to be moved to where it belongs, which a confined process cannot: the instance
            // reads it by itself.
            held.push(text);
            return;
        }
        let both = || {
            data();
            text();
        };
        if self.inner.config.parallel { self.start_beside(both) } else { both() }
    }

    fn start_beside(&self, work: impl FnOnce() + Send + 'static) {
        // Small, since address space may be short. Compilers do not recurse.
        const STACK: usize = 512 << 10;
        if let Err(e) = std::thread::Builder::new().name("text".into()).stack_size(STACK).spawn(work) {
            log::debug!("no thread beside the program: {e}");
        }
    }

    pub(crate) fn types(&self) -> RwLockReadGuard<'_, TypeRegistry> {
        // Types are only ever added, each by one push: what a panicking thread leaves behind is whole.
        self.inner.types.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, module: &sconce_environ::module::Module) -> Box<[TypeId]> {
        let mut types = self.inner.types.write().unwrap_or_else(PoisonError::into_inner);
        types.register(module).values().copied().collect()
    }

    pub(crate) fn type_id(&self, ty: &FuncType) -> TypeId {
        self.inner.types.write().unwrap_or_else(PoisonError::into_inner).register_func(ty)
    }

    /// The trampoline into functions of this type.
    pub(crate) fn entry(&self, ty: TypeId) -> Result<rt::EntryTrampoline, Error> {
        let entries = self.inner.entries.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&ty) {
            return Ok(entry.clone());
        }
        drop(entries);
        let signature = signature(self.types().func_type(ty));
        let entry = self.inner.space.entry_trampoline(&signature)?;
        self.inner.entries.write().unwrap_or_else(PoisonError::into_inner).insert(ty, entry.clone());
        Ok(entry)
    }
}

/// The machine classes of a function type.
pub(crate) fn signature(ty: &FuncType) -> Signature {
    let class = |ty: &ValType| match ty {
        ValType::I32 => Class::I32,
        ValType::I64 => Class::I64,
        ValType::F32 => Class::F32,
        ValType::F64 => Class::F64,
        ValType::V128 => Class::V128,
        ValType::Ref(r) => match r.kind() {
            RefKind::Func => Class::I64,
            RefKind::Handle => Class::I32,
        },
    };
    Signature::new(ty.params.iter().map(class), ty.results.iter().map(class))
}
