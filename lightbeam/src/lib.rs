//! The single-pass compiler: code that is ready before anyone notices that it was compiled.
//!
//! A function is walked twice, and both walks are linear. The first (`summary`) counts: how much each local
//! is used, and where. The second emits: operators arrive as calls of `environ`'s families, each family has
//! its file, and whatever an operator needs is on an abstract stack (`value`, `stack`) that says for each
//! value where it is: a constant, a register, a frame slot, a local that nobody has changed since, or the
//! processor's flags. So constants become immediates, locals and slots become memory operands, and a
//! comparison and the branch behind it become two instructions.
//!
//! `codegen` holds what is known about the code so far, in parts: `register_file`, `stack`, `frame_layout`,
//! `blocks`, `loops`, `handlers`, `stub`, `tables`. A part keeps its own invariants, in private fields, and
//! knows no other but those it is made of. What needs several of them is a method in the file of its subject:
//! `registers`, `entries`, `frame`, `control`, `stubs` and so on.
//!
//! What is always true:
//! - At a label all state is canonical: values below it are in their slots or constants, one value that a branch takes along is
//!   in rax or xmm0, several are in slots. So a branch moves what it takes along, and never looks at the rest.
//! - A local is in its home in the frame or in the register that it is pinned in, for the whole function or for an innermost
//!   loop without calls. A copy in another register (`register_file`) is forgotten at labels and calls.
//! - Nothing but pinned locals, the VM context and the memory's base is in a register while a call is under
//!   way; handles are in the frame, where the stack map says.
//! - An i32 in a register is zero-extended: an address is the memory's base plus such a register plus an offset below 2^31, and
//!   the memory's guard covers all of that; or a comparison with the length comes first (`address`).
//! - Work and memory are linear in the body's size: searches of the stack end after a fixed number of
//!   entries, and a label's references are a list in the code itself.
#![forbid(unsafe_code)]

mod address;
mod atomic;
mod barrier;
mod blocks;
mod body;
mod branch;
mod buffers;
mod builtins;
mod bulk;
mod call;
mod codegen;
mod compiler;
mod condition;
mod control;
mod convert;
mod copies;
mod entries;
mod exception;
mod features;
mod float;
mod frame;
mod frame_layout;
mod fuel;
mod handlers;
mod handles;
mod heads;
mod int;
mod join;
mod local;
mod loop_pins;
mod loops;
mod memory;
mod moves;
mod operands;
mod operators;
mod paranoid;
mod pins;
mod reference;
mod register_file;
mod registers;
mod results;
mod scratch;
mod stack;
mod stub;
mod stubs;
mod summary;
mod tables;
mod translate;
mod value;
mod variable;
mod vector;

pub use compiler::{LightbeamCompiler, NewError};
