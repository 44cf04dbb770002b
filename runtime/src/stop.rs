//! Why wasm was left.

use crate::backtrace::RawBacktrace;
use crate::error::ResourceError;
use crate::thrown::Exception;
use sconce_environ::trap::TrapCode;
use std::any::Any;

/// Why wasm was left other than by returning.
#[derive(Debug)]
pub enum Stop {
    /// A trap.
    Trap(TrapCode),
    /// A host function failed; the value is whatever its shim recorded.
    Host(Box<dyn Any + Send>),
    /// An exception that nothing handles, as far as wasm was entered last.
    Exception {
        /// The exception.
        exception: Exception,
        /// What whoever throws it on from a host function wants to find when it comes out.
        note: Option<Box<dyn Any + Send>>,
    },
    /// A host function panicked, with this payload.
    Panic(Box<dyn Any + Send>),
    /// The thread could not be prepared for wasm.
    Resource(ResourceError),
}

/// A call that did not return.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub stop: Stop,
    /// The wasm frames at that point.
    pub backtrace: RawBacktrace,
}
