//! The embedding API, from outside.

mod artifacts;
mod boundaries;
mod bulk;
mod cache;
mod calls;
mod confined;
mod damage;
mod frames;
mod fuel;
mod heap_limits;
mod host;
mod items;
mod limits;
mod linking;
mod memories;
mod misuse;
mod references;
mod shared;
mod signatures;
mod speculation;
mod traps;
mod warm;
mod wide;

use sconce_engine::{CacheMode, Config, Engine, Error, Instance, Linker, Module, Progress, Store};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// An engine without a cache.
fn engine() -> Engine {
    Engine::new(&Config::new()).unwrap()
}

/// Notes whether anything was compiled.
#[derive(Default)]
struct Compiled(AtomicBool);

impl Progress for Compiled {
    fn started(&self, _: u64) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn advanced(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A configuration with a cache here, and its key beside it.
fn cached(dir: &Path) -> Config {
    Config::new().cache(CacheMode::Dir(dir.to_owned())).cache_key(dir.with_file_name("state").join("key"))
}

/// A store of `()` and an instance of a module without imports.
fn instance(wat: &str) -> (Store<()>, Instance) {
    try_instance(wat).unwrap()
}

fn try_instance(wat: &str) -> Result<(Store<()>, Instance), Error> {
    let engine = engine();
    let module = Module::new(&engine, wat.as_bytes())?;
    let mut store = Store::new(&engine, ())?;
    let instance = Linker::new(&engine).instantiate(&mut store, &module)?;
    Ok((store, instance))
}
