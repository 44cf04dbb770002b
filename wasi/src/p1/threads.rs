//! `wasi-threads`: the import `thread-spawn` of module `wasi`, and a thread for each call of it.
//!
//! A guest's thread is a thread of the host with a store, an instance and a wasm stack of its own. What
//! threads have in common is the module, the shared memories that it imports, the [`WasiCtx`](crate::WasiCtx)
//! in their stores' data, and the limit on memory, against which counts whatever the thread needs. Its
//! instance's export `wasi_thread_start` is called with its number and what the spawning thread passed.
//!
//! `thread-spawn` returns when the new thread has its instance and everything else that it needs to run the
//! guest's code: what cannot be had until then (memory, address space, a thread) is an error that the guest
//! gets, with which it can go on.
//!
//! How a program ends is the embedder's to say: a thread that ends other than by returning (an exit, a trap, an interrupt) is
//! reported, on that thread, and [`Threads::stop`] ends all that run.

use super::errno::Errno;
use super::record::Record;
use crate::host::denial::{self, Rule};
use sconce_engine::{AsContext, Caller, Error, Func, InterruptHandle, Linker, Module, Store, Unstarted, prepare_thread};
use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;

/// The module and the name that a program imports to start threads.
pub const SPAWN: (&str, &str) = ("wasi", "thread-spawn");
/// The export that a thread runs.
pub const START: &str = "wasi_thread_start";
/// What `thread-spawn` returns where there can be no (more) threads.
pub const REFUSED: i32 = -(Errno::Again as i32);
/// Numbers of threads are 29 bits, and never 0 (the convention of `wasi-threads`).
const MAX_ID: i32 = (1 << 29) - 1;
/// Bytes of a thread's host stack: host functions run here, wasm does not.
const HOST_STACK: usize = 1 << 20;

thread_local! {
    /// See [`number`].
    static NUMBER: Cell<i32> = const { Cell::new(0) };
}

/// The number of the guest's thread that this one is; the first one, which nothing has spawned, is 0.
pub(crate) fn number() -> i32 {
    NUMBER.get()
}

/// The threads that one program has started.
pub struct Threads<T: 'static>(Arc<Inner<T>>);

struct Inner<T: 'static> {
    module: Module,
    /// How many may run at once, beside the first one.
    most: usize,
    /// Reports a thread that did not return, by its number.
    ended: Box<dyn Fn(i32, Error) + Send + Sync>,
    linker: OnceLock<Linker<T>>,
    running: Mutex<Running>,
    /// Told when a thread has ended.
    changed: Condvar,
    /// Who is told of threads that were started, and of those that were not.
    record: OnceLock<Record>,
    /// Held while a thread is made: what its store has found left of the process's limits is for it, not for another one.
    making: Mutex<()>,
}

#[derive(Default)]
struct Running {
    last_id: i32,
    most: usize,
    stopped: bool,
    /// Each thread that has not ended, by its number.
    threads: HashMap<i32, InterruptHandle>,
}

impl<T: Clone + Send + 'static> Threads<T> {
    /// No thread yet. At most `most` will run at once; `ended` is called on a thread that ends with an error, with its number.
    pub fn new(module: &Module, most: usize, ended: impl Fn(i32, Error) + Send + Sync + 'static) -> Threads<T> {
        Threads(Arc::new(Inner {
            module: module.clone(),
            most,
            ended: Box::new(ended),
            linker: OnceLock::new(),
            running: Mutex::default(),
            changed: Condvar::new(),
            record: OnceLock::new(),
            making: Mutex::default(),
        }))
    }

    /// Has a record of the threads that are started.
    pub fn record(&self, record: Record) {
        // The first one stays.
        let _ = self.0.record.set(record);
    }

    /// Provides `thread-spawn`, which starts threads as long as this, or a clone of it, lives. Threads find
    /// their imports in what `linker` holds then: it must hold all that the module imports, and nothing that
    /// belongs to a store.
    ///
    /// # Errors
    /// If the name is defined already.
    pub fn add_to_linker(&self, linker: &mut Linker<T>) -> Result<(), Error> {
        // The linker that threads use holds this function: it must not hold the threads in turn.
        let threads = Arc::downgrade(&self.0);
        linker.func_wrap(SPAWN.0, SPAWN.1, move |caller: Caller<'_, T>, argument: i32| -> i32 {
            let id = spawn(&threads, &caller, argument);
            if let Some(record) = threads.upgrade().as_ref().and_then(|threads| threads.record.get()) {
                record.spawned(id > 0);
            }
            id
        })?;
        // A second program with the same threads has the same imports.
        let _ = self.0.linker.set(linker.clone());
        Ok(())
    }

    /// How many are running.
    pub fn running(&self) -> usize {
        self.0.running().threads.len()
    }

    /// How many were running at once, at most.
    pub fn most_running(&self) -> usize {
        self.0.running().most
    }

    /// Starts no more, interrupts all that run, and returns when they have ended. None of them may call this.
    pub fn stop(&self) {
        let mut running = self.0.running();
        running.stopped = true;
        let handles: Vec<InterruptHandle> = running.threads.values().cloned().collect();
        drop(running);
        // Each returns when its thread has acknowledged; one that has not begun to run sees the request when it does.
        handles.iter().for_each(InterruptHandle::interrupt);
        let mut running = self.0.running();
        while !running.threads.is_empty() {
            running = self.0.changed.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Inner<T> {
    fn running(&self) -> MutexGuard<'_, Running> {
        // Whole after each operation.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of the new thread, or less than 0: an errno, negated.
fn spawn<T: Clone + Send + 'static>(threads: &Weak<Inner<T>>, caller: &Caller<'_, T>, argument: i32) -> i32 {
    let again = REFUSED;
    let Some(inner) = threads.upgrade() else { return again };
    let _ = denial::take();
    let full = |running: &Running| {
        let limited = running.threads.len() >= inner.most;
        if limited {
            denial::note(Rule::Threads);
        }
        limited || running.stopped || running.last_id == MAX_ID
    };
    // Looked at twice: a store is not made for nothing, nor while others wait.
    if full(&inner.running()) {
        return again;
    }
    let _making = inner.making.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = caller.as_context().memory_limit();
    let Ok(store) = Store::for_thread(inner.module.engine(), caller.data().clone(), &limit) else { return again };
    let mut running = inner.running();
    if full(&running) {
        return again;
    }
    running.last_id += 1;
    let id = running.last_id;
    running.threads.insert(id, store.interrupt_handle());
    running.most = running.most.max(running.threads.len());
    drop(running);
    let entry = Entry { inner: inner.clone(), id };
    let builder = thread::Builder::new().name(format!("guest-{id}")).stack_size(HOST_STACK);
    let (made, is_made) = sync_channel(1);
    // A thread that cannot be had drops its entry.
    match builder.spawn(move || entry.run(store, argument, &made)) {
        Ok(_) if is_made.recv() == Ok(true) => id,
        Ok(_) | Err(_) => again,
    }
}

/// A thread's place among those that run; given up when dropped.
struct Entry<T: 'static> {
    inner: Arc<Inner<T>>,
    id: i32,
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        self.inner.running().threads.remove(&self.id);
        self.inner.changed.notify_all();
    }
}

impl<T: Clone + Send + 'static> Entry<T> {
    /// `made` is told whether there is a thread.
    fn run(self, mut store: Store<T>, argument: i32, made: &SyncSender<bool>) {
        NUMBER.set(self.id);
        // A panic has been reported where it happened; it ends the program, as in the first thread.
        let result = catch_unwind(AssertUnwindSafe(|| match self.make(&mut store) {
            Err(Error::Resources(_)) => Ok(false),
            result => {
                // The one who spawned it waits.
                let _ = made.send(true);
                self.start(&mut store, result?, argument).map(|()| true)
            }
        }));
        if let Ok(Ok(false)) = result {
            drop((store, self));
            let _ = made.send(false);
            return;
        }
        if let Err(error) = result.unwrap_or_else(|_| Err(Error::host("a thread panicked"))) {
            (self.inner.ended)(self.id, error);
        }
        // Its stack and tables are gone before its place is free.
        drop(store);
    }

    /// Everything that is needed before the guest's code can run.
    fn make(&self, store: &mut Store<T>) -> Result<Unstarted, Error> {
        let linker = self.inner.linker.get().ok_or_else(|| Error::Usage("the threads are in no linker".into()))?;
        prepare_thread()?;
        linker.make(store, &self.inner.module)
    }

    fn start(&self, store: &mut Store<T>, instance: Unstarted, argument: i32) -> Result<(), Error> {
        let instance = instance.start(&mut *store)?;
        let start: Func = instance
            .get_func(&mut *store, START)
            .ok_or_else(|| Error::Usage(format!("the module exports no function \"{START}\"")))?;
        start.typed::<(i32, i32), ()>(&mut *store)?.call(&mut *store, (self.id, argument))
    }
}

impl<T> Clone for Threads<T> {
    fn clone(&self) -> Self {
        Threads(self.0.clone())
    }
}

impl<T> std::fmt::Debug for Threads<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("running", &self.0.running().threads.len()).finish_non_exhaustive()
    }
}
