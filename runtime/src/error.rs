//! What can go wrong for want of a resource.

use sconce_environ::trap::TrapCode;
use std::io;

/// The host could not provide something. The text is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// No room in the code reservation.
    #[error("no room for {wanted} bytes of code: the engine's code reservation of {size} bytes is full")]
    CodeSpaceFull {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes of the reservation.
        size: usize,
    },
    /// Tables of code speak of code that is not there.
    #[error("the compiled code is damaged")]
    DamagedCode,
    /// What counts as memory would exceed the limit.
    #[error("{what} cannot have {wanted} bytes: the limit of memory is {limit} bytes, and {used} are taken (--max-memory)")]
    MemoryLimit {
        /// What it is for.
        what: &'static str,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes that were taken then.
        used: u64,
        /// The limit, for everything that counts together.
        limit: u64,
    },
    /// A memory is larger than any can be.
    #[error("a memory of {wanted} bytes is too large: {limit} bytes are the most")]
    MemoryTooLarge {
        /// Bytes asked for.
        wanted: u64,
        /// The most bytes that a memory of its kind can have.
        limit: u64,
    },
    /// A table is larger than any can be.
    #[error("a table of {wanted} elements is too large: {limit} are the most (--max-table)")]
    TableLimit {
        /// Elements asked for.
        wanted: u64,
        /// The limit.
        limit: u64,
    },
    /// The store's reference heap is full, or the limit of memory lets it have no more.
    #[error("the store's reference heap is full")]
    TooManyReferences,
    /// The address space for references is smaller than what code in guard style relies on.
    #[error("address space for references is short: code must be compiled with explicit bounds checks (--bounds explicit)")]
    ShortCage,
    /// The operating system refused.
    #[error("{what}: {}", said(source))]
    Os {
        /// What was asked for.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

/// What the system says, without the number that the standard library adds.
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

impl ResourceError {
    /// Wraps the operating system's answer.
    pub(crate) fn os(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> ResourceError {
        move |e| ResourceError::Os { what, source: e.into() }
    }
}

/// Instantiation failed. What it did before stays done (spec section 4.5.4).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstantiateError {
    /// For want of a resource.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// An active segment does not fit.
    #[error("{0}")]
    Trap(TrapCode),
}

/// An access of the host lies outside its memory or table.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of bounds")]
pub struct OutOfBounds;
