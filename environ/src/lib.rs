//! What a module is: decoded module, types, index newtypes, operator families, pure meanings, VM layout, traps, builtins, and
//! the contract between compilers and the rest.
//!
//! Nothing here is unsafe, calls the operating system or generates code. Each fact that two rooms share has its one source
//! here.
#![forbid(unsafe_code)]

pub mod abi;
pub mod block;
pub mod builtin;
pub mod code_tables;
pub mod compile;
pub mod const_expr;
pub mod decode;
pub mod features;
pub mod fuel;
pub mod handlers;
pub mod heap;
pub mod index;
pub mod inlined;
pub mod layout;
pub mod locals;
pub mod meaning;
pub mod module;
pub mod names;
pub mod old_exceptions;
pub mod ops;
pub mod osr;
pub mod pieces;
pub mod placement;
pub mod proposals;
pub mod registry;
pub mod shown;
mod size;
pub mod space;
pub mod stack_maps;
pub mod text;
pub mod text_layout;
pub mod translate;
pub mod trap;
pub mod types;
pub mod unreachable;
pub mod visit;
pub mod vm;
pub mod walk;

pub use cranelift_entity::{EntityRef, PrimaryMap, SecondaryMap};
