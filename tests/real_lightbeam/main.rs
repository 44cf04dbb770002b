//! `tests/real` again, with the single-pass compiler.

#[path = "../real/guests.rs"]
mod guests;
#[path = "../real/limits.rs"]
mod limits;
#[path = "../real/policies.rs"]
mod policies;
#[path = "../real/processes.rs"]
mod processes;
#[path = "../real/programs.rs"]
mod programs;
#[path = "../real/support.rs"]
mod support;
