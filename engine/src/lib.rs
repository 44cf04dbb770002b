//! The embedding API: the one way into Sconce, for the binary, the tests and everything else.
//!
//! ```no_run
//! use sconce_engine::{Config, Engine, Error, Linker, Module, Store};
//!
//! # fn main() -> Result<(), Error> {
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, br#"(module
//!     (import "host" "double" (func $double (param i32) (result i32)))
//!     (func (export "run") (param i32) (result i32) (call $double (local.get 0))))"#)?;
//! let mut store = Store::new(&engine, 0u32)?;
//! let mut linker = Linker::new(&engine);
//! linker.func_wrap("host", "double", |mut caller: sconce_engine::Caller<'_, u32>, x: i32| {
//!     *caller.data_mut() += 1;
//!     x * 2
//! })?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
//! assert_eq!(run.call(&mut store, 21)?, 42);
//! assert_eq!(*store.data(), 1);
//! # Ok(()) }
//! ```
//!
//! # Invariants
//! - A handle ([`Func`], [`Memory`], [`Table`], [`Global`], [`Tag`], [`Instance`], [`ExternRef`], [`ExnRef`])
//!   is `Copy` and names its store. Used with another store it is an error where the signature has a
//!   `Result`, and a panic that says so elsewhere.
//! - Type ids are the engine's. A module, a store and a linker belong to one engine, and this is checked where they meet.
//! - After a trap the store can be used again.
//! - On the way of a host call there is no allocation, no lock and no boxing.

mod ahead;
mod artifact;
mod backtrace;
mod cache;
mod cached;
mod caller;
mod causes;
mod code;
mod compiled;
mod compilers;
mod config;
mod debug;
mod engine;
mod error;
mod exception;
mod exnref;
mod externref;
mod externs;
mod fuel;
mod func;
mod global;
mod handles;
mod host;
mod instance;
mod lazy;
mod learn;
mod limits;
mod linker;
mod load;
mod memory;
mod module;
mod pipeline;
mod remake;
mod section;
mod shared;
mod store;
mod symbolize;
mod table;
mod throw;
mod typed;
mod types;
mod uncaught;
mod values;
mod warm;

pub use ahead::Artifact;
pub use backtrace::{Backtrace, Frame};
pub use cache::Others;
pub use cached::{CachedFile, CachedKind};
pub use caller::Caller;
pub use causes::{CompileFailure, ResourceFailure, TextError};
pub use code::MachineCode;
pub use compiled::{CompiledModule, LazyStats};
pub use config::{CacheMode, Config, Tier};
pub use engine::Engine;
pub use error::{ArtifactError, DeferredError, Error, HostError, LinkError, TrapError};
pub use exception::Exception;
pub use exnref::ExnRef;
pub use externref::ExternRef;
pub use externs::Extern;
pub use handles::{Func, Global, Instance, Memory, Table, Tag};
pub use host::{HostResult, IntoFunc};
pub use instance::Unstarted;
pub use linker::Linker;
pub use module::Module;
pub use pipeline::{Progress, read_module, read_module_or_component, read_script, text};
pub use shared::SharedMemory;
pub use store::{AsContext, AsContextMut, InterruptHandle, Store, StoreContext, StoreContextMut, prepare_thread};
pub use symbolize::{SourceLocation, SymbolizedFrame, demangle, symbolize};
pub use typed::{TypedFunc, WasmParams, WasmResults, WasmTy};
pub use types::{ExportType, ExternType, FuncType, GlobalType, HeapType, ImportType, MemoryType, RefType, TableType, ValType};
pub use uncaught::ExceptionError;
pub use values::Val;
pub use warm::Warmed;

pub use sconce_cranelift::CRANELIFT_VERSION;
pub use sconce_environ as environ;
pub use sconce_environ::compile::{BoundsStyle, CallStyle, Settings};
pub use sconce_environ::inlined::Inlining;
pub use sconce_environ::trap::TrapCode;
pub use sconce_runtime::speculation;
pub use sconce_runtime::{
    Clock, GuestFault, GuestMemory, HeapStats as ReferenceStats, IOV_MAX, IfEnded, LargePages, MemoryBudget, MemoryLimit,
    Purpose, SYSTEM_CALLS, SweepCounts, close_unasked, closed_at_start, end_by_signal, end_now, forget_environment, ignore,
    ignored_at_start, inherit, keep_apart, kill_after, name_lack_of_memory, no_core, on_alternate_stack, physical_memory, poll,
    report_refused_calls, signal_after, stack_limit, wait_and_execute, wake_soon,
};
