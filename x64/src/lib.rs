//! x86-64: an encoder, the internal ABI, and trampolines and stubs as bytes. Knows no wasm and no operating system.
//!
//! - [`encode`], [`sse`]: the encoder: general-purpose and vector instructions, labels, constants, jump tables.
//! - [`abi`]: where arguments and results of a signature are, under Cranelift's `CallConv::Tail` and under System V.
//! - [`stubs`]: the code between the host and wasm, position-independent but for the absolute addresses given to it.
//! - [`unwind`]: how frames are walked at each instruction.
//! - [`text`], [`foreign`]: what is known about machine code that is there already, and about another compiler's.
#![forbid(unsafe_code)]

pub mod abi;
pub mod encode;
pub mod foreign;
pub mod register;
pub mod sse;
pub mod stubs;
pub mod text;
pub mod unwind;

pub use abi::{Class, Signature};
