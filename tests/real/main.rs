//! The built binary on real programs: the guests of this repository, and programs that nobody here wrote.
//!
//! Output is compared, not only exit codes. Nothing is skipped: where a program is missing, its test fails and names the script
//! that brings it.

mod guests;
mod limits;
mod policies;
mod processes;
mod programs;
mod support;
