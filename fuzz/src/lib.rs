//! Differential fuzzing of Sconce: the same generated module, the same calls, on every compiler and style of Sconce and on an
//! engine that shares no code with it. What they see must be the same: results, traps, memories and globals after each call, and
//! what the module's host functions were told.
//!
//! A [`case::Case`] follows from its generator and its seed alone, so that a difference is found again by
//! number. There are three generators. wasm-smith makes anything that is valid; [`corner`] makes what lies
//! around the constants of Sconce's compilers, where something that is drawn evenly hardly ever comes;
//! [`old`] makes exceptions in their old form, and says itself what they mean.
//!
//! `wasmi` (an interpreter) is the peer wherever it knows the module's proposals; Wasmtime's library is for
//! the others, and decides where wasmi stands alone. Modules of [`corner`] run on Sconce's two compilers
//! first, which share little, and one in eight on a peer. One in eight is also interrupted in the middle of
//! its calls, and run once more in the same store.
//!
//! # What is not compared
//! - After the wasm stack or another resource was exhausted, in whichever engine: the depth is each engine's own. The rest of the
//!   case is dropped ([`outcome::Stop::Exhausted`]).
//! - NaN payloads: modules with floats have their NaNs made canonical by the generator.
//! - The identity of function references: only whether they are null.
//! - Memories that grow to gigabytes, but for some windows of them ([`outcome::digest_memory`]); and on peers not at all, since
//!   growing may fail there.
//! - The bytes of shared memories, but for what loads from them give.

pub mod attack;
pub mod case;
pub mod corner;
pub mod counts;
pub mod engines;
pub mod export;
pub mod harness;
pub mod host;
pub mod old;
pub mod outcome;
pub mod supervise;
pub mod typed;
pub mod value;
