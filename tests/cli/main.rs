//! The binary as a user at a shell meets it: arguments, messages, exit codes, signals.

mod arguments;
mod artifacts;
mod builds;
mod images;
mod invoke;
mod later;
mod messages;
mod names;
mod old_exceptions;
mod process;
mod profilers;
mod refused;
mod signals;
mod streams;
mod support;
mod thread_limits;
mod threads;
mod tiers;
mod tools;
mod traps;
