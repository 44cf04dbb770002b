//! The unsafe heart: code memory, memories, tables, instances, activations and stacks, traps and signals, interrupts,
//! builtins, and safe access to guest memory.
//!
//! # How the pieces hang together
//!
//! - A [`CodeSpace`] (one for each engine) is the reservation that all code lives in: [`CodeRegion`]s with the text of
//!   modules, and trampolines, which it makes and caches by [`Signature`] (System V and `Tail` argument classes).
//! - A [`LoadedModule`] is what all instances of a module share: the decoded module, its layout, its region, its data.
//! - A [`Store`] owns everything that instances share: instances, memories, tables, globals, function records, host values
//!   (externrefs) and one wasm stack. All of it lives until the store is dropped, so that a pointer that wasm holds is
//!   never stale. Outside this crate items are named by handles ([`FuncHandle`], [`MemoryHandle`], ...), `Copy`, which
//!   carry their store's id: using one with another store panics.
//! - [`Store::call`] enters wasm. It gives `Err(`[`Failure`]`)` for a trap, a host error, or a caught panic, and leaves the
//!   store usable each time.
//!
//! # Which way files point
//!
//! No two files need each other. From the bottom up: `sys`, errors, handles and budgets; memories,
//! stacks and code memory; what a thread's signal handlers see of a store (`activation`); traps,
//! interrupts and walks; the reference heap; tables, globals, instances; the store that owns all of
//! these; what uses stores: calls, exceptions, instantiation, builtins. What is below learns of what
//! is above by function pointers alone, which `setup` passes down: the targets of trampolines, and
//! whom signal handlers ask.
//!
//! # Values
//!
//! At the boundary a value is a `u128` whose low bytes hold it (i32 4, i64 8, f32 4, f64 8, v128 16, funcref 8 as from
//! [`Store::func_to_raw`], externref 4 as from [`HostRef::handle`]; null is 0). What stands above is ignored on the way
//! in and undefined on the way out: mask it.
//!
//! A handle that goes to wasm, as an argument or as a host function's result, is first announced with
//! [`Store::enter_frame`]; one that comes from wasm is good until the next sweep, so the host takes a count of its own with
//! [`Store::hold`] at once. Sweeps happen in [`Store::boundary`], which is called around both, never between.
//!
//! # Host functions
//!
//! A host function is an `extern "C"` function in one of two shapes ([`HostCallKind`]):
//! - `Registers`: `fn(*mut VmHostContext, A1, .., An [, *mut u128 results]) -> R`, the arguments as their C types (i32, i64,
//!   f32, f64, `__m128i`; funcref as i64, externref as i32). One result is returned, none is `()`. With more than one result
//!   a pointer to 16 bytes for each is appended as the last argument. Only for signatures that
//!   `environ::abi::results_in_buffer` answers with false.
//! - `Array`: `fn(*mut VmHostContext, *mut u128 values)`: arguments in, results out; any signature. The array has
//!   `max(params, results)` places.
//!
//! It runs its body through [`host_call`], which catches panics and records failures; what it returns then does not matter,
//! since the trampoline unwinds to the innermost [`Store::call`].
//!
//! # Invariants
//!
//! - No page is writable and executable: text is written through a memfd, or into pages that become executable afterwards.
//! - No base of a memory moves, and a memory never shrinks.
//! - Host code never runs on a wasm stack, and no Rust frame is skipped: wasm is left by return, or through the landing pad,
//!   which drops wasm frames alone.
//! - A fault becomes a trap only if its PC is in code of the store that the thread is running, and its table says so.

mod activation;
mod backtrace;
mod budget;
mod builtins;
mod code;
mod debugger;
mod descriptors;
mod enter;
mod error;
mod exception;
mod funcref;
mod global;
pub mod guest;
mod handle;
mod handlers;
mod heap;
mod image;
mod inherit;
mod instance;
mod interrupt;
mod large;
mod lazy_pages;
mod lazy_source;
mod listener;
mod memory;
mod module;
mod osr;
mod reservation;
mod resolve;
mod sampler;
mod setup;
mod shared;
mod sources;
pub mod speculation;
mod stack;
mod staged;
mod stop;
mod store;
mod stubs;
mod sys;
mod table;
#[cfg(test)]
mod tests;
mod thrown;
mod trampolines;
mod traps;
mod walk;

pub use backtrace::{RawBacktrace, RawFrame};
pub use budget::{DEFAULT_TABLE_ELEMENTS, MemoryBudget, MemoryLimit, Purpose};
pub use code::growing::{GrowingCode, Placed};
pub use code::{CodeRegion, CodeSpace, CodeSpaceOptions, Tables};
pub use debugger::DebugObject;
pub use descriptors::{close_unasked, keep_apart};
pub use enter::host_call;
pub use error::{InstantiateError, OutOfBounds, ResourceError};
pub use funcref::HostFunc;
pub use guest::{GuestFault, GuestMemory, IOV_MAX};
pub use handle::{FuncHandle, GlobalHandle, InstanceHandle, Item, MemoryHandle, ModuleId, StoreId, TableHandle, TagHandle};
pub use heap::{HeapStats, HostRef, Occasion, SweepCounts};
pub use image::{LazyData, MAX_LAZY_PARTS};
pub use inherit::inherit;
pub use instance::query::caller_memory;
pub use interrupt::InterruptHandle;
pub use large::LargePages;
pub use lazy_pages::TableBytes;
pub use lazy_source::{CHUNK, Digest, LazySource, Remake};
pub use listener::{Stub, StubListener};
pub use module::{LoadedModule, ModuleParts};
pub use sampler::{Looked, Sampler, Samplers};
pub use sconce_x64::{Class, Signature};
pub use shared::SharedMemory;
pub use sources::{Contents, Resolve, Watch};
pub use stop::{Failure, Stop};
pub use store::{Store, StoreOptions};
pub use stubs::{HostCallKind, stub_offsets};
pub use sys::build::{Build, build};
pub use sys::calls::SYSTEM_CALLS;
pub use sys::environment::forget as forget_environment;
pub use sys::helper::{IfEnded, wait_and_execute};
pub use sys::last_resort::{Clock, kill_after, signal_after};
pub use sys::limits::{no_core, physical_memory, stack_limit};
pub use sys::poll::poll;
pub use sys::schedule::wake_soon;
pub use sys::signal::{end_by_signal, end_now, ignore, name_lack_of_memory, on_alternate_stack, report_refused_calls, unblock};
pub use sys::space::guards_unavailable;
pub use sys::start::{closed_at_start, ignored_at_start};
pub use sys::thread::prepare as prepare_thread;
pub use thrown::Exception;
pub use trampolines::{EntryTrampoline, HostTrampoline};
