//! Stores and the ways to reach one: owned, borrowed, or as a host function's caller.

use crate::backtrace::{Backtrace, Frame};
use crate::compiled::LazyOffsets;
use crate::engine::Engine;
use crate::error::Error;
use crate::exception::Exception;
use crate::module::Module;
use crate::uncaught::ExceptionError;
use sconce_runtime as rt;
use sconce_runtime::MemoryLimit;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Instances, memories, tables, globals and functions that can refer to each other, the wasm stack they run on, and the
/// embedder's data.
pub struct Store<T: 'static> {
    /// Reached through raw pointers alone, since host functions reach it from `VmStoreContext::host_state` while a call is under
    /// way: no reference to the whole is ever made.
    inner: NonNull<StoreInner<T>>,
    _owns: Owns<T>,
}

/// Owns a `StoreInner<T>`, and is invariant: host functions were made for exactly `T`, so a store of a subtype of it is not a
/// store of it.
type Owns<T> = PhantomData<(StoreInner<T>, fn(T) -> T)>;

/// ```compile_fail
/// fn shorter(store: sconce_engine::Store<fn(&str)>) -> sconce_engine::Store<fn(&'static str)> {
///     store
/// }
/// ```
/// ```compile_fail
/// fn longer(linker: sconce_engine::Linker<fn(&'static str)>) -> sconce_engine::Linker<fn(&str)> {
///     linker
/// }
/// ```
#[cfg(doctest)]
struct Invariant;

// SAFETY: the store is used by one thread at a time, and everything in it can be sent: host values and closures are `Send`.
unsafe impl<T: Send + 'static> Send for Store<T> {}

pub(crate) struct StoreInner<T> {
    /// First, so that it is dropped first.
    runtime: Box<rt::Store>,
    /// By their ids.
    modules: HashMap<rt::ModuleId, Module>,
    data: T,
    engine: Engine,
    counts: Counts,
}

/// What of a store counts against its limit of memory.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Counts {
    /// Memories, tables and references.
    Contents,
    /// Everything.
    All,
    /// Everything but code, which counts elsewhere.
    AllButCode,
}

/// A store, borrowed for reading.
pub struct StoreContext<'a, T: 'static> {
    inner: NonNull<StoreInner<T>>,
    _borrow: PhantomData<&'a StoreInner<T>>,
}

/// A store, borrowed for everything.
pub struct StoreContextMut<'a, T: 'static> {
    inner: NonNull<StoreInner<T>>,
    _borrow: PhantomData<&'a mut StoreInner<T>>,
}

/// Whatever gives access to a store: [`Store`], [`StoreContext`], [`StoreContextMut`], [`crate::Caller`] and references to them.
pub trait AsContext {
    /// The embedder's data.
    type Data: 'static;
    /// The store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Whatever gives full access to a store.
pub trait AsContextMut: AsContext {
    /// The store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

/// Prepares this thread for running wasm code, which the first call on it does otherwise.
///
/// # Errors
/// [`Error::Resources`] if a stack for its signal handlers cannot be had.
pub fn prepare_thread() -> Result<(), Error> {
    Ok(rt::prepare_thread()?)
}

/// Stops a store's wasm code from another thread.
#[derive(Clone)]
pub struct InterruptHandle(rt::InterruptHandle);

impl InterruptHandle {
    /// Wasm code that runs, or runs next, traps with [`crate::TrapCode::Interrupt`]. Blocking system calls of
    /// host functions are interrupted (EINTR). Returns when the store has acknowledged, or when nothing runs
    /// (the flag then waits for the next call).
    pub fn interrupt(&self) {
        self.0.interrupt();
    }

    /// The same, but only asks. Code that neither calls the host nor returns does not notice without [`InterruptHandle::nudge`].
    pub fn request(&self) {
        self.0.request();
    }

    /// Makes the thread that runs the store look at what was asked for. One call may come at a moment when
    /// that is of no use: it is to be made again, every millisecond or so, as long as
    /// [`InterruptHandle::is_set`].
    pub fn nudge(&self) {
        self.0.nudge();
    }

    /// Takes back an interrupt that nothing has acknowledged yet.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Whether an interrupt is asked for.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }
}

impl<T: 'static> Store<T> {
    /// An empty store.
    ///
    /// # Errors
    /// [`Error::Resources`] if its wasm stack cannot be had.
    pub fn new(engine: &Engine, data: T) -> Result<Store<T>, Error> {
        Store::make(engine, data, &engine.memory_limit(), Counts::Contents)
    }

    /// An empty store of a program all of which counts against a limit, which others may count against too: its memories,
    /// tables and references, as any store's, and its wasm stack, as far as it is used (64 KiB at least), what its
    /// instances consist of, and their code.
    ///
    /// # Errors
    /// As [`Store::new`], and if the limit is reached.
    pub fn with_memory_limit(engine: &Engine, data: T, limit: &MemoryLimit) -> Result<Store<T>, Error> {
        Store::make(engine, data, limit, Counts::All)
    }

    /// The same for a further thread of the program, which can make many: its code counts already. It leaves
    /// room for what the host does next.
    ///
    /// # Errors
    /// As [`Store::with_memory_limit`], and if address space is short.
    pub fn for_thread(engine: &Engine, data: T, limit: &MemoryLimit) -> Result<Store<T>, Error> {
        Store::make(engine, data, limit, Counts::AllButCode)
    }

    fn make(engine: &Engine, data: T, memory: &MemoryLimit, counts: Counts) -> Result<Store<T>, Error> {
        let types = engine.inner.types.clone();
        let config = &engine.inner.config;
        let (stack_size, gc_stress) = (config.stack_size, config.gc_stress);
        let (all_counts, leaves_room) = (counts != Counts::Contents, counts == Counts::AllButCode);
        let options = rt::StoreOptions { stack_size, memory: memory.clone(), all_counts, leaves_room, types, gc_stress };
        let runtime = rt::Store::new(&engine.inner.space, options)?;
        let inner = Box::new(StoreInner { runtime, modules: HashMap::new(), data, engine: engine.clone(), counts });
        let inner = NonNull::from(Box::leak(inner));
        // SAFETY: just made; nothing else refers to it.
        unsafe { (*inner.as_ptr()).runtime.set_host_state(inner.as_ptr().cast()) };
        Ok(Store { inner, _owns: PhantomData })
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        self.as_context().engine()
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        self.as_context().data()
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: borrowed exclusively.
        unsafe { &mut (*self.inner.as_ptr()).data }
    }

    /// Drops the store and gives the data back.
    pub fn into_data(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: made by `Box::leak`, and not dropped again.
        let inner = unsafe { Box::from_raw(this.inner.as_ptr()) };
        inner.data
    }

    /// Finds out what references wasm code still holds, and drops host values that nobody refers to any more,
    /// without waiting for the time when that would happen by itself. A reference that is the host's alone is
    /// not touched.
    pub fn gc(&mut self) {
        self.as_context_mut().gc();
    }

    /// Recomputes every reference's count from what is really there. For tests: the host itself must hold none, unless the engine
    /// sweeps at every safe point.
    ///
    /// # Panics
    /// If a count is wrong, which is a bug.
    pub fn verify_references(&mut self) {
        self.as_context_mut().runtime_mut().verify_references();
    }

    /// What there is in the heap of references, and how often it was swept.
    pub fn reference_stats(&self) -> crate::ReferenceStats {
        self.as_context().runtime().heap_stats()
    }

    /// For stopping it from elsewhere.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(self.as_context().runtime().interrupt_handle())
    }
}

impl<T: 'static> Drop for Store<T> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak`, and dropped once.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

impl<'a, T: 'static> StoreContext<'a, T> {
    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        // SAFETY: borrowed for `'a`.
        unsafe { &(*self.inner.as_ptr()).data }
    }

    /// Its engine.
    pub fn engine(&self) -> &'a Engine {
        // SAFETY: borrowed for `'a`.
        unsafe { &(*self.inner.as_ptr()).engine }
    }

    /// The limit on what it may hold.
    pub fn memory_limit(&self) -> MemoryLimit {
        self.runtime().memory_limit().clone()
    }

    pub(crate) fn runtime(&self) -> &'a rt::Store {
        // SAFETY: borrowed for `'a`.
        unsafe { &(*self.inner.as_ptr()).runtime }
    }

    /// The module whose code an instance runs.
    pub(crate) fn module(&self, instance: rt::InstanceHandle) -> &'a Module {
        let module = self.runtime().instance_module(instance).id();
        // SAFETY: borrowed for `'a`.
        let modules = unsafe { &(*self.inner.as_ptr()).modules };
        modules.get(&module).expect("every module that was instantiated is noted")
    }
}

impl<'a, T: 'static> StoreContextMut<'a, T> {
    /// # Safety
    /// What [`Store::new`] made, with nothing else using it for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw(inner: *mut StoreInner<T>) -> Self {
        // SAFETY: as the caller promises.
        StoreContextMut { inner: unsafe { NonNull::new_unchecked(inner) }, _borrow: PhantomData }
    }

    /// The embedder's data.
    #[inline]
    pub fn data(&self) -> &T {
        // SAFETY: borrowed.
        unsafe { &(*self.inner.as_ptr()).data }
    }

    /// The embedder's data.
    #[inline]
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: borrowed exclusively.
        unsafe { &mut (*self.inner.as_ptr()).data }
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        // SAFETY: borrowed.
        unsafe { &(*self.inner.as_ptr()).engine }
    }

    #[inline]
    pub(crate) fn runtime(&self) -> &rt::Store {
        // SAFETY: borrowed.
        unsafe { &(*self.inner.as_ptr()).runtime }
    }

    #[inline]
    pub(crate) fn runtime_mut(&mut self) -> &mut rt::Store {
        // SAFETY: borrowed exclusively.
        unsafe { &mut (*self.inner.as_ptr()).runtime }
    }

    /// As [`Store::gc`]; in a host function, what the wasm code below it holds stays alive.
    pub fn gc(&mut self) {
        self.runtime_mut().collect();
    }

    /// Asks for what [`Store::gc`] does at the next safe point of wasm code.
    pub fn ask_for_gc(&mut self) {
        self.runtime_mut().ask_for_sweep();
    }

    /// Notes a module before it is instantiated, so that backtraces find it. Its code counts from now on.
    pub(crate) fn note_module(&mut self, module: &Module) -> Result<(), Error> {
        // SAFETY: borrowed exclusively.
        let StoreInner { modules, counts, runtime, .. } = unsafe { &mut *self.inner.as_ptr() };
        if let Entry::Vacant(vacant) = modules.entry(module.compiled().loaded.id()) {
            if *counts == Counts::All {
                runtime.take(rt::Purpose::Modules, module.compiled().bytes())?;
                module.compiled().lazy.as_ref().map_or(Ok(()), |lazy| lazy.count(runtime.memory_limit()))?;
            }
            vacant.insert(module.clone());
        }
        Ok(())
    }

    /// What a call that failed gives its caller.
    ///
    /// # Panics
    /// If a host function panicked: the panic continues.
    #[cold]
    pub(crate) fn failed(&self, failure: rt::Failure) -> Error {
        let error = match failure.stop {
            rt::Stop::Trap(code) => Error::trap(code),
            rt::Stop::Host(error) => match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(_) => Error::host("a host function failed"),
            },
            rt::Stop::Exception { exception, note } => {
                let backtrace = note.and_then(|note| note.downcast().ok()).map_or_else(Backtrace::default, |b| *b);
                // SAFETY: borrowed.
                let modules = unsafe { &(*self.inner.as_ptr()).modules };
                let origin = self.runtime().tag_origin(exception.tag());
                let origin = origin.and_then(|(module, tag)| Some((modules.get(&module.id())?.compiled().clone(), tag)));
                Error::Exception(Box::new(ExceptionError { exception: Exception { inner: exception }, backtrace, origin }))
            }
            rt::Stop::Resource(error) => error.into(),
            rt::Stop::Panic(payload) => std::panic::resume_unwind(payload),
        };
        let offsets = if matches!(error, Error::Host(_)) { LazyOffsets::of_host_error() } else { LazyOffsets::of_failure() };
        error.with_backtrace(|| self.backtrace(failure.backtrace, offsets))
    }

    fn backtrace(&self, raw: rt::RawBacktrace, mut offsets: LazyOffsets) -> Backtrace {
        // SAFETY: borrowed.
        let modules = unsafe { &(*self.inner.as_ptr()).modules };
        let mut frames_of = |raw: &[rt::RawFrame]| {
            let mut frames = Vec::new();
            for f in raw {
                let Some(module) = modules.get(&f.module).map(Module::compiled) else { continue };
                let activations = module.activations(f, &mut offsets).into_iter();
                frames.extend(activations.map(|(func, wasm_offset)| Frame { func, wasm_offset, module: module.clone() }));
            }
            frames
        };
        let (inner, outer) = raw.frames.split_at(raw.omitted_at);
        let mut frames = frames_of(inner);
        let omitted_at = frames.len();
        frames.extend(frames_of(outer));
        Backtrace { frames, omitted: raw.omitted, omitted_at }
    }

    /// Where wasm code is that called the host function that is running; empty outside host functions.
    pub(crate) fn current_backtrace(&self) -> Backtrace {
        self.backtrace(self.runtime().backtrace(), LazyOffsets::of_failure())
    }
}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, _borrow: PhantomData }
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, _borrow: PhantomData }
    }
}

impl<S: AsContext> AsContext for &S {
    type Data = S::Data;
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        S::as_context(self)
    }
}

impl<S: AsContext> AsContext for &mut S {
    type Data = S::Data;
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        S::as_context(self)
    }
}

impl<S: AsContextMut> AsContextMut for &mut S {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data> {
        S::as_context_mut(self)
    }
}
