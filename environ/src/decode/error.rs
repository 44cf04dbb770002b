//! Why bytes are not a module that can be run.

use crate::features::proposal_name;
use crate::index::FuncIndex;
use crate::shown::{self, Shown};
use std::fmt;

/// Why bytes are not a module that can be run. Offsets are bytes from the start of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Compressed by gzip.
    #[error("the file is compressed (gzip); decompress it first")]
    Gzip,
    /// A component.
    #[error("this is a component; Sconce runs core modules; build for wasm32-wasip1")]
    Component,
    /// Something else.
    #[error("this is not a WebAssembly module: {looks_like}")]
    NotWasm {
        /// What the first bytes look like, for people.
        looks_like: String,
    },
    /// The bytes end before the module does.
    #[error("unexpected end of the file at offset {offset:#x}: the module is truncated")]
    Truncated {
        /// Where the bytes end.
        offset: u64,
    },
    /// More than 4 GiB.
    #[error("the module has {bytes} bytes; at most 4 GiB are supported")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The module uses a proposal that is not enabled.
    #[error(
        "this needs the proposal `{proposal}`, which is not supported: {message} (at offset {offset:#x}{})",
        in_function(function)
    )]
    NotEnabled {
        /// The proposal's name; several are separated by commas.
        proposal: String,
        /// What was found.
        message: String,
        /// Where.
        offset: u64,
        /// In which function, if in one's body.
        function: Option<FunctionName>,
    },
    /// Malformed or invalid.
    #[error("invalid module: {message} (at offset {offset:#x}{})", in_function(function))]
    Invalid {
        /// What is wrong.
        message: String,
        /// Where.
        offset: u64,
        /// In which function, if in one's body.
        function: Option<FunctionName>,
    },
    /// Stopped by the caller's request.
    #[error("cancelled")]
    Cancelled,
}

/// A function, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// Its index.
    pub index: FuncIndex,
    /// Its name in the name section, if it has one there.
    pub name: Option<String>,
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.index.as_u32())?;
        match &self.name {
            Some(name) => write!(f, " `{}`", Shown::short(name)),
            None => Ok(()),
        }
    }
}

fn in_function(function: &Option<FunctionName>) -> String {
    function.as_ref().map_or(String::new(), |f| format!(", in {f}"))
}

impl DecodeError {
    /// The same error, in a function's body.
    pub(super) fn in_function(mut self, name: FunctionName) -> DecodeError {
        if let DecodeError::NotEnabled { function, .. } | DecodeError::Invalid { function, .. } = &mut self {
            *function = Some(name);
        }
        self
    }

    /// Where in the input the trouble is, if it is at one place.
    pub fn offset(&self) -> Option<u64> {
        match self {
            DecodeError::Truncated { offset } | DecodeError::NotEnabled { offset, .. } | DecodeError::Invalid { offset, .. } => {
                Some(*offset)
            }
            _ => None,
        }
    }

    /// The function whose body is wrong, if it is one.
    pub fn function(&self) -> Option<&FunctionName> {
        match self {
            DecodeError::NotEnabled { function, .. } | DecodeError::Invalid { function, .. } => function.as_ref(),
            _ => None,
        }
    }
}

/// What is wrong with an operator that is in none of its structures, for which wasmparser has names of its own.
fn misplaced(message: &str) -> Option<&'static str> {
    Some(match message {
        "`else` found outside `If` block" => "`else` without an `if` before it",
        "`catch` found outside `LegacyTry` block" => "`catch` without a `try` before it, or after its `catch_all`",
        "`catch_all` found outside `LegacyTry` block" => "`catch_all` without a `try` before it, or after its `catch_all`",
        "`delegate` found outside `LegacyTry` block" => "`delegate` that ends no `try`, or one with clauses",
        _ => return None,
    })
}

impl From<wasmparser::Error> for DecodeError {
    fn from(error: wasmparser::Error) -> DecodeError {
        let (message, offset, function) = match misplaced(error.message()) {
            // All of these have one byte, and the place is behind it.
            Some(message) => (message.to_owned(), error.offset() - 1, None),
            None => (shown::message(error.message()), error.offset(), None),
        };
        match error.missing_wasm_feature() {
            Some(features) => DecodeError::NotEnabled { proposal: proposal_name(features), message, offset, function },
            None => DecodeError::Invalid { message, offset, function },
        }
    }
}
