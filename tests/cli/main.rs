//! The binary as a user at a shell meets it: arguments, messages, exit codes, signals.

mod arguments;
mod artifacts;
mod builds;
mod completions;
mod images;
mod invoke;
mod later;
mod messages;
mod names;
mod old_exceptions;
mod places;
mod process;
mod profilers;
mod refused;
mod shell;
mod signals;
mod streams;
mod support;
mod terminal;
mod terminals;
mod thread_limits;
mod threads;
mod tiers;
mod tools;
mod traps;
