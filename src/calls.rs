//! The system calls of the binary itself that a confined process makes.

use When::Run;
use sconce_confine::{Call, Refusal, When};

/// See the module's documentation.
pub const SYSTEM_CALLS: &[Call] =
    &[Call::any(libc::SYS_dup3, Run, "standard streams that the program closes"), Call::any(libc::SYS_dup2, Run, "the same")];

/// Those of a process that writes to the cache ([`crate::cache`]).
pub const OF_THE_CACHE: &[Call] = &[
    Call::any(libc::SYS_flock, Run, "who makes an entry"),
    Call::any(libc::SYS_faccessat, Run, "whether entries can be written"),
    Call::any(libc::SYS_faccessat2, Run, "the same"),
];

/// What becomes of calls that are in no list. Tests run what is built without optimization: there a list that is not complete
/// shows.
pub fn refusal() -> Refusal {
    if cfg!(debug_assertions) {
        sconce_engine::report_refused_calls();
        Refusal::Report
    } else {
        Refusal::Error
    }
}
