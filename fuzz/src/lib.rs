//! Differential fuzzing of Sconce: the same generated module, the same calls, on every compiler and style of Sconce and on an
//! engine that shares no code with it. What they see must be the same: results, traps, memories and globals after each call, and
//! what the module's host functions were told.
//!
//! A [`case::Case`] follows from its seed alone, so that a difference is found again by number. `wasmi` (an interpreter) is the
//! peer wherever it knows the module's proposals; Wasmtime's library is for the others, and decides where wasmi stands alone.
//!
//! # What is not compared
//! - After the wasm stack or another resource was exhausted, in whichever engine: the depth is each engine's own. The rest of the
//!   case is dropped ([`outcome::Stop::Exhausted`]).
//! - NaN payloads: modules with floats have their NaNs made canonical by the generator.
//! - The identity of function references: only whether they are null.
//! - The bytes of shared memories, but for what loads from them give.

pub mod case;
pub mod corner;
pub mod counts;
pub mod engines;
pub mod harness;
pub mod host;
pub mod outcome;
pub mod supervise;
pub mod typed;
pub mod value;
