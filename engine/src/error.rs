//! Typed errors: what was wrong, where, and for the embedder to tell apart.

use crate::backtrace::Backtrace;
use crate::causes::{CompileFailure, ResourceFailure, TextError};
use crate::exception::Exception;
use crate::types::{ExternType, ImportType};
use crate::uncaught::ExceptionError;
use sconce_environ::compile::{CompileError, FunctionError};
use sconce_environ::decode::DecodeError;
use sconce_environ::shown::{Shown, quoted};
use sconce_environ::trap::TrapCode;
use sconce_runtime as rt;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};

/// Whatever can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text form does not parse.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The bytes are not a valid module.
    #[error(transparent)]
    Decode(DecodeError),
    /// An implementation limit of the compiler.
    #[error("cannot compile {0}")]
    Compile(#[from] CompileFailure),
    /// Compilation was cancelled by [`crate::Progress::cancelled`].
    #[error("compilation was cancelled")]
    Cancelled,
    /// Imports are missing or of the wrong type, or a name is taken.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An instance could not be made, for another reason than a trap.
    #[error("cannot instantiate: {0}")]
    Instantiation(#[source] rt::InstantiateError),
    /// Wasm code trapped.
    #[error(transparent)]
    Trap(Box<TrapError>),
    /// A function that was called for the first time is not valid, or cannot be compiled; see [`crate::Config::lazy`].
    #[error(transparent)]
    Deferred(Box<DeferredError>),
    /// An exception that no wasm code has caught. A host function that returns it throws it on.
    #[error(transparent)]
    Exception(Box<ExceptionError>),
    /// A host function failed. Made by [`Error::host`], asked by [`Error::downcast_ref`].
    #[error("{0}")]
    Host(HostError),
    /// A serialized module cannot be used.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The module's file cannot be read.
    #[error(transparent)]
    Io(std::io::Error),
    /// Memory, address space or another limit of the host.
    #[error(transparent)]
    Resources(#[from] ResourceFailure),
    /// The API was used wrongly: argument types, another store's or engine's handle, an immutable global.
    #[error("{0}")]
    Usage(String),
}

/// Trap code and where.
#[derive(Debug)]
pub struct TrapError {
    /// Why.
    pub code: TrapCode,
    /// Where, innermost frame first.
    pub backtrace: Backtrace,
}

// Written out, since the derive takes any field of a type called `Backtrace` for the standard library's.
impl StdError for TrapError {}

impl fmt::Display for TrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

/// Why there is no code for a function that was called, and where that was.
#[derive(Debug)]
pub struct DeferredError {
    /// [`Error::Decode`], [`Error::Compile`] or [`Error::Resources`].
    pub error: Error,
    /// Who called it, innermost frame first.
    pub backtrace: Backtrace,
}

impl StdError for DeferredError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl fmt::Display for DeferredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// What a host function returned as its error.
pub struct HostError {
    source: Box<dyn StdError + Send + Sync>,
    backtrace: Option<Box<Backtrace>>,
}

/// Why instances do not fit together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing is defined under these names: all of the module's missing imports.
    #[error("{}", missing_text(.0))]
    Missing(Vec<ImportType>),
    /// Something else is defined under this name.
    #[error("import {} {}: the module imports it as {expected}, but it is {found}", quoted(module), quoted(name))]
    Mismatch {
        /// Module name.
        module: String,
        /// Field name.
        name: String,
        /// What the module wants.
        expected: Box<ExternType>,
        /// What is defined.
        found: Box<ExternType>,
    },
    /// The name is taken.
    #[error("{} {} is defined already", quoted(module), quoted(name))]
    Duplicate {
        /// Module name.
        module: String,
        /// Field name.
        name: String,
    },
}

/// Why a serialized module cannot be used. The messages are complete sentences for people.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The magic number is another.
    #[error("this is not a module compiled by sconce")]
    NotAnArtifact,
    /// Made by another version.
    #[error("compiled by sconce {}, and this is sconce {expected}: compile the module again", Shown::short(found))]
    Version {
        /// This version.
        expected: String,
        /// The artifact's.
        found: String,
    },
    /// Made for a CPU with other features, or by another compiler version.
    #[error("compiled for {}, and this is {expected}: compile the module again on this machine", Shown::short(found))]
    Target {
        /// This machine.
        expected: String,
        /// The artifact's.
        found: String,
    },
    /// Made by the other compiler, whose code is not taken.
    #[error("it was compiled by {found}, and --tier asks for {expected}: leave --tier out, or compile the module again")]
    Compiler {
        /// Whose code is taken.
        expected: &'static str,
        /// Whose code it is.
        found: &'static str,
    },
    /// Made with other settings.
    #[error("compiled {found}, and this run is {expected}: leave out {options}, or compile the module again")]
    Settings {
        /// This engine's, as far as they differ, in the words of options: `with --bounds guard`.
        expected: String,
        /// The artifact's, in the same way.
        found: String,
        /// The options' names.
        options: String,
    },
    /// Cut off, altered, or inconsistent.
    #[error("the compiled module is damaged ({0}): compile it again")]
    Corrupt(&'static str),
}

impl Error {
    /// What a host function returns to stop the guest with an error of its own. It comes out of the outermost call as it was.
    pub fn host(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::Host(HostError { source: error.into(), backtrace: None })
    }

    /// A trap by a host function, as if the instruction that called it had trapped.
    pub fn trap(code: TrapCode) -> Error {
        Error::Trap(Box::new(TrapError { code, backtrace: Backtrace::default() }))
    }

    /// A call of a function for which there is no code.
    pub(crate) fn deferred(error: Error) -> Error {
        Error::Deferred(Box::new(DeferredError { error, backtrace: Backtrace::default() }))
    }

    /// What a host function returns to throw an exception into the wasm code that called it.
    pub fn exception(exception: Exception) -> Error {
        Error::Exception(Box::new(ExceptionError { exception, backtrace: Backtrace::default(), origin: None }))
    }

    /// The host function's error, if it is one of this type.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match self {
            Error::Host(e) => e.source.downcast_ref(),
            _ => None,
        }
    }

    /// The trap code, if it is a trap.
    pub fn trap_code(&self) -> Option<TrapCode> {
        match self {
            Error::Trap(e) => Some(e.code),
            _ => None,
        }
    }

    /// Where wasm code was when it trapped or threw, or when it called the host function that failed.
    pub fn backtrace(&self) -> Option<&Backtrace> {
        match self {
            Error::Trap(e) => Some(&e.backtrace),
            Error::Exception(e) => Some(&e.backtrace),
            Error::Deferred(e) => Some(&e.backtrace),
            Error::Host(e) => e.backtrace.as_deref(),
            _ => None,
        }
    }

    /// The error of handles that are used with a store that is not theirs.
    #[cold]
    pub(crate) fn other_store(what: &str) -> Error {
        Error::Usage(format!("the {what} belongs to another store"))
    }

    /// How a host function's failure travels through wasm frames.
    #[cold]
    pub(crate) fn into_stop(self) -> rt::Stop {
        match self {
            Error::Trap(e) if e.backtrace.frames.is_empty() => rt::Stop::Trap(e.code),
            Error::Exception(e) => {
                // Where it was thrown first says more than where it passes through.
                let ExceptionError { exception, backtrace, origin: _ } = *e;
                let note = (!backtrace.frames.is_empty()).then(|| Box::new(backtrace) as Box<_>);
                rt::Stop::Exception { exception: exception.inner, note }
            }
            error => rt::Stop::Host(Box::new(error)),
        }
    }

    /// Attaches a backtrace to a trap or host error that has none.
    pub(crate) fn with_backtrace(mut self, take: impl FnOnce() -> Backtrace) -> Error {
        match &mut self {
            Error::Trap(e) if e.backtrace.frames.is_empty() => e.backtrace = take(),
            Error::Exception(e) if e.backtrace.frames.is_empty() => e.backtrace = take(),
            Error::Deferred(e) if e.backtrace.frames.is_empty() => e.backtrace = take(),
            Error::Host(e) if e.backtrace.is_none() => e.backtrace = Some(Box::new(take())),
            _ => {}
        }
        self
    }
}

impl HostError {
    /// The error itself.
    pub fn inner(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.source
    }
}

impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        match error {
            DecodeError::Cancelled => Error::Cancelled,
            error => Error::Decode(error),
        }
    }
}

impl From<rt::ResourceError> for Error {
    fn from(error: rt::ResourceError) -> Error {
        Error::Resources(error.into())
    }
}

impl From<CompileError> for Error {
    fn from(error: CompileError) -> Error {
        Error::Compile(error.into())
    }
}

impl From<FunctionError> for Error {
    fn from(error: FunctionError) -> Error {
        match error {
            FunctionError::Invalid(error) => error.into(),
            FunctionError::Compile(error) => error.into(),
        }
    }
}

impl From<Box<dyn StdError + Send + Sync>> for Error {
    fn from(error: Box<dyn StdError + Send + Sync>) -> Error {
        Error::host(error)
    }
}

/// Imports that a message names; of more, how many.
const MAX_NAMED: usize = 20;

fn missing_text(imports: &[ImportType]) -> String {
    let mut text = String::from(if imports.len() == 1 { "unknown import:" } else { "unknown imports:" });
    for import in imports.iter().take(MAX_NAMED) {
        let ty = import.ty.to_string();
        let _ = write!(text, "\n  {} {}: {}", quoted(&import.module), quoted(&import.name), Shown::short(&ty));
    }
    if imports.len() > MAX_NAMED {
        let _ = write!(text, "\n  and {} more", imports.len() - MAX_NAMED);
    }
    text
}
