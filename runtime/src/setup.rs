//! Where the parts meet: code memory whose trampolines lead into the builtins, and signal handlers
//! that know of traps and interrupts.

use crate::code::{CodeSpace, CodeSpaceOptions};
use crate::error::ResourceError;
use crate::stubs::Targets;
use crate::sys::signal;
use crate::{builtins, enter, interrupt, osr, resolve, traps};
use std::sync::Arc;

impl CodeSpace {
    /// Reserves `size` bytes; `None` takes 2 GiB, or less where address space is short.
    ///
    /// # Errors
    /// If not even 1 MiB can be had.
    pub fn new(size: Option<usize>) -> Result<Arc<CodeSpace>, ResourceError> {
        CodeSpace::with(CodeSpaceOptions { size, ..CodeSpaceOptions::default() })
    }

    /// The same with more to say.
    ///
    /// # Errors
    /// As for [`CodeSpace::new`].
    pub fn with(options: CodeSpaceOptions) -> Result<Arc<CodeSpace>, ResourceError> {
        install_handlers();
        CodeSpace::make(options, &targets())
    }
}

/// Installs the signal handlers, the first time.
pub(crate) fn install_handlers() {
    signal::install(signal::Callbacks {
        fault: traps::on_fault,
        interrupt: interrupt::on_signal,
        step: interrupt::on_step,
        breakpoint: osr::on_breakpoint,
    });
}

/// Where trampolines lead.
pub(crate) fn targets() -> Targets {
    Targets {
        after_host: enter::after_host as *const () as usize,
        resolve: resolve::resolve as *const () as usize,
        builtins: builtins::targets(),
    }
}
