//! The system calls of the binary itself that a confined process makes.

use When::Run;
use sconce_confine::{Call, When};

/// See the module's documentation.
pub const SYSTEM_CALLS: &[Call] =
    &[Call::any(libc::SYS_dup3, Run, "standard streams that the program closes"), Call::any(libc::SYS_dup2, Run, "the same")];
