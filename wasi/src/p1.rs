//! Preview 1, and what was before it (`wasi_unstable`): numbers, layouts, a function each.

pub(crate) mod abi;
pub(crate) mod args;
pub(crate) mod call;
pub(crate) mod clock;
pub(crate) mod environ;
pub(crate) mod errno;
pub(crate) mod fd;
pub(crate) mod link;
pub(crate) mod misuse;
pub(crate) mod path;
pub(crate) mod poll;
pub(crate) mod positions;
pub(crate) mod proc;
pub(crate) mod random;
pub(crate) mod sched;
pub(crate) mod sock;
#[cfg(test)]
mod tests;
pub(crate) mod threads;
