//! Why something could not be had, compiled or read: what the kinds of [`crate::Error`] are about.

use sconce_environ::compile::CompileError;
use sconce_runtime as rt;
use std::error::Error as StdError;
use std::io;
use std::str::Utf8Error;
use std::sync::Arc;

/// Why there is no code: an implementation limit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileFailure {
    /// A function exceeds a limit.
    #[error(transparent)]
    Function(#[from] CompileError),
    /// All functions together exceed the limit for bodies of their size.
    #[error("the module: its code would be longer than {limit} bytes, the limit for function bodies of their size")]
    TooMuchCode {
        /// In bytes.
        limit: u64,
    },
    /// Relative addresses would not reach.
    #[error("the module: its code would be {len} bytes long or longer, more than 2 GiB")]
    OutOfReach {
        /// In bytes.
        len: u64,
    },
    /// The compiler generates no code for this machine.
    #[error("for this machine: {0}")]
    Machine(#[source] Arc<dyn StdError + Send + Sync>),
}

/// What the host did not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceFailure {
    /// What the runtime needed.
    #[error(transparent)]
    Runtime(#[from] rt::ResourceError),
    /// Address space for guards, where bounds are to be kept by them alone.
    #[error("memories with guards are not possible here: {0}")]
    Guards(String),
    /// More of a memory.
    #[error("a memory of {size} pages cannot grow by {delta}")]
    MemoryGrowth {
        /// Its pages.
        size: u64,
        /// Those that were asked for.
        delta: u64,
    },
    /// More of a table.
    #[error("a table of {size} elements cannot grow by {delta}")]
    TableGrowth {
        /// Its elements.
        size: u64,
        /// Those that were asked for.
        delta: u64,
    },
    /// Memory of the process.
    #[error("no memory for {0} bytes")]
    Memory(u64),
    /// A file.
    #[error("cannot write {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Why text is not a module or a script.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// It does not parse.
    #[error("{message}")]
    Syntax {
        /// What is wrong, with line, column and an excerpt.
        message: String,
        /// What the parser said.
        source: wast::Error,
    },
    /// It is no text.
    #[error("not UTF-8 at byte {}", .0.valid_up_to())]
    NotUtf8(#[from] Utf8Error),
    /// It is a module in binary form, where a script is wanted.
    #[error("this is a WebAssembly binary, not a script")]
    Binary,
    /// It is text, but nothing that a script can be.
    #[error("this is not a script: it does not begin with a parenthesis or a comment")]
    NotAScript,
    /// Assembling takes many times as much memory.
    #[error("the text is longer than {limit} MiB; give the module in its binary form")]
    TooLong {
        /// In MiB.
        limit: u64,
    },
}
