//! The optimizing compiler: Wasm to Cranelift IR, and Cranelift's output to the flat form that the rest of Sconce knows.
//!
//! One validated function body is translated in a single forward walk (`translate`): the operators arrive as calls of
//! `environ`'s families, each family has its file, and each of its members is one row there. Cranelift does the rest, and
//! `output` turns its tables into [`sconce_environ::compile::CompiledFunction`].
//!
//! What is always true:
//! - Values on the translation-time stack have the Cranelift type of what produced them: a vector may be `i32x4` or
//!   `f64x2`. Where control flow or calls merge, and in locals and globals, every vector is `i8x16`.
//! - Operators of unreachable code never reach a family: `unreachable` sees them instead, chosen once for each operator.
//! - Everything that generated code reads from its VM context and that cannot change is read in the entry block, once:
//!   Cranelift sinks or hoists such loads where they are used.
//! - An access to a linear memory is `base + zero-extended index + offset`, and either the memory's guard covers all of
//!   it or a comparison with the length precedes it (`address`).
//! - Handles (`externref`) are declared to the frontend as values that stack maps must list; function references are not.
#![forbid(unsafe_code)]

mod address;
mod alias;
mod atomic;
mod barrier;
mod bodies;
mod builtins;
mod bulk;
mod call;
mod compiler;
mod control;
mod convert;
mod env;
mod estimate;
mod exception;
mod float;
mod fuel;
mod inline;
mod int;
mod isa;
mod location;
mod memory;
mod operators;
mod osr;
mod output;
mod paranoid;
mod range;
mod rare;
mod reference;
mod state;
mod translate;
mod types;
mod variable;
mod vector;

pub use compiler::{CraneliftCompiler, Listing, NewError};

/// The version of Cranelift in use.
pub const CRANELIFT_VERSION: &str = cranelift_codegen::VERSION;
